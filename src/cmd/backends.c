/* mlopsctl backends: what can compute here, why a GPU cannot, and from how many rows on it is faster. */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/bench.h>
#include <mlopsctl/host.h>

#include "cmd/shared/backend.h"
#include "cmd/bench/bench.h"
#include "cmd/shared/model.h"

#define SEED 1 /* of the inputs that are made up */

struct opts {
    const char *precision;
    struct mlo_strings dims;
};
static const struct mlo_opt opts_table[] = {
    {.name = "dim",
     .type = MLO_OPT_LIST,
     .arg = "NAME=N",
     .help = "size of an open dimension of the model's inputs, as the length of sequences",
     .offset = offsetof(struct opts, dims)},
    {.name = "precision",
     .type = MLO_OPT_CHOICE,
     .arg = "TYPE",
     .help = "what the GPU multiplies in; as a rule fp32",
     .offset = offsetof(struct opts, precision),
     .choices = MLO_PRECISIONS},
    {0},
};

static const struct mlo_column step_columns[] = {
    {"step", "STEP", MLO_CELL_TEXT}, {"ok", "", MLO_CELL_TEXT}, {"detail", "DETAIL", MLO_CELL_TEXT}};

static void put(struct mlo_report *r, const char *step, bool ok, const char *detail)
{
    mlo_cell_text(r, step);
    mlo_cell_text(r, ok ? "ok" : "no");
    mlo_cell_text(r, detail);
}

static void put_device(struct mlo_report *r, const struct mlo_device_info *d)
{
    char detail[256];
    snprintf(detail, sizeof detail, "%s, compute capability %u.%u, %u multiprocessors, %.1f of %.1f GiB free",
             d->name, d->major, d->minor, d->processors, (double)d->free_memory / (double)(1u << 30),
             (double)d->memory / (double)(1u << 30));
    put(r, "device", true, detail);
}

/* Up to the first step that failed, with its reason; those after it were not looked at. */
static void put_cuda(struct mlo_report *r, const struct mlo_device_probe *p)
{
    static const char *const names[] = {"driver", "plugin", "device"};
    const char *details[] = {p->driver.detail, p->plugin};
    size_t good = p->api ? MLO_COUNT(details) : p->failed;
    for (size_t i = 0; i < good; i++)
        put(r, names[i], true, details[i]);
    if (!p->api)
        put(r, names[good], false, p->reason);
    for (unsigned i = 0; i < p->n_devices; i++)
        put_device(r, &p->devices[i]);
}

/* Why the CPU computes; null: a GPU can. */
static void put_reason(struct mlo_report *r, const struct mlo_device_probe *p)
{
    mlo_report_json(r, "reason", p->api ? cJSON_CreateNull() : cJSON_CreateString(p->reason));
}

/* ---- of a model ---- */

static const struct mlo_column size_columns[] = {{"rows", "ROWS", MLO_CELL_U64},
                                                 {"cpu_ns", "CPU", MLO_CELL_NS},
                                                 {"gpu_ns", "GPU", MLO_CELL_NS},
                                                 {"faster", "FASTER", MLO_CELL_TEXT}};

static void put_size(struct mlo_report *r, const struct mlo_crossover_size *s)
{
    mlo_cell_u64(r, s->rows);
    mlo_cell_u64(r, (uint64_t)s->cpu_ns);
    if (s->device_ns == INT64_MAX)
        mlo_cell_none(r);
    else
        mlo_cell_u64(r, (uint64_t)s->device_ns);
    mlo_cell_text(r, s->device_ns < s->cpu_ns ? "gpu" : "cpu");
}

/* One row is run, before which both sides are measured. */
static int measure(const struct mlo_plan *plan, const struct opts *o, struct mlo_offload_state *ret,
                   struct mlo_err *err)
{
    MLO_AUTOFREE struct mlo_dim_value *dims = mlo_calloc(o->dims.n + 1, sizeof *dims, err);
    struct mlo_inputs *in = NULL;
    struct mlo_session *s = NULL;
    const struct mlo_value *out;
    size_t n;
    int rc = dims ? mlo_bench_dims(&o->dims, dims, err) : err->code;
    const struct mlo_inputs_opts made = {.rows = 1, .dims = dims, .n_dims = o->dims.n, .seed = SEED};
    (void)mlo_plan_inputs(plan, &n);
    if (rc == 0)
        rc = mlo_inputs_new(plan, &made, &in, err);
    if (rc == 0)
        rc = mlo_session_new(plan, &s, err);
    if (rc == 0)
        rc = mlo_session_run(s, mlo_inputs_values(in), n, &out, err);
    mlo_session_free(s);
    mlo_inputs_free(in);
    (void)mlo_plan_offloaded(plan, ret);
    return rc;
}

static void report_sizes(struct mlo_report *r, const struct mlo_offload_state *s)
{
    size_t from = mlo_crossover_from(&s->crossover);
    if (from)
        mlo_report_u64(r, "gpu_from_rows", "GPU from rows", from);
    mlo_report_table(r, "crossover", NULL, size_columns, MLO_COUNT(size_columns),
                     "nothing was measured: the CPU computes, or inputs are not rows");
    for (size_t i = 0; i < s->crossover.n; i++)
        put_size(r, &s->crossover.sizes[i]);
}

static int show_model(struct mlo_ctx *ctx, const struct opts *o, struct mlo_err *err)
{
    struct mlo_offload_state state = {0};
    struct mlo_backend b;
    struct mlo_model m = {0};
    int rc = mlo_backend_find(ctx, "auto", o->precision, &b, err);
    if (rc == 0)
        rc = mlo_model_open(ctx, ctx->args[0], NULL, NULL, &m, err);
    if (rc == 0)
        rc = mlo_backend_take(&b, m.plan, err);
    if (rc == 0 && mlo_plan_offloaded(m.plan, &state))
        rc = measure(m.plan, o, &state, err);
    if (rc == 0 && *state.why)
        mlo_note(ctx, "the CPU computes: %s", state.why);
    if (rc == 0) {
        mlo_report_text(ctx->report, "model_backend", "model runs on", mlo_backend_name(&b, m.plan));
        mlo_backend_put_why(&b, m.plan, "model_reason");
        report_sizes(ctx->report, &state);
    }
    mlo_model_release(&m);
    return rc;
}

/* ---- all ---- */

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_device_probe p;
    struct mlo_host_cpu cpu;
    char detail[512];
    int rc = mlo_devices_find(ctx, &p, err);
    if (rc != 0)
        return rc;
    mlo_host_cpu(&cpu);
    snprintf(detail, sizeof detail, "%s, %u usable", cpu.model, cpu.cpus);
    mlo_report_text(ctx->report, "backend", "backend", p.api ? p.api->name : "cpu");
    put_reason(ctx->report, &p);
    mlo_report_table(ctx->report, "steps", NULL, step_columns, MLO_COUNT(step_columns), NULL);
    put(ctx->report, "cpu", true, detail);
    put_cuda(ctx->report, &p);
    return ctx->n_args ? show_model(ctx, options, err) : 0;
}

static const struct mlo_example examples[] = {
    {"what can compute here", "mlopsctl backends"},
    {"from how many rows on a GPU is faster", "mlopsctl backends loans:1.4.0"},
    {0},
};

const struct mlo_command mlo_cmd_backends = {
    .name = "backends",
    .group = "run",
    .summary = "show what can compute here",
    .synopsis = "[MODEL|NAME[:TAG]]",
    .description =
        "The CPU always can. A GPU can when its driver works and is new enough, the plugin mlopsctl-cuda.so\n"
        "is installed and fits, and a device answers; the first of these that fails is shown with its "
        "reason.\n"
        "Of a model, a file or a bundle, both are measured at several numbers of rows, made up, one request\n"
        "at a time with copies: what --backend auto does with its first request, and how it chooses.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .args = {.max = 1, .complete = MLO_OPTF_REF | MLO_OPTF_FILE},
    .examples = examples,
    .run = run,
};
