/* mlopsctl bench: how fast a model answers, and whether it became slower than another. */
#include <math.h>
#include <string.h>

#include <mlopsctl/base/thread.h>
#include <mlopsctl/bench.h>

#include "bench.h"

/* clang-format off: one option a line */
#define BENCH_OPTIONS(s)                                                                                     \
    {.name = "batch",                                                                                        \
     .type = MLO_OPT_STRING,                                                                                 \
     .arg = "N[,N...]",                                                                                      \
     .help = "rows of one request; as a rule 1",                                                             \
     .offset = offsetof(s, batch)},                                                                          \
        {.name = "scenario",                                                                                 \
         .type = MLO_OPT_CHOICE,                                                                             \
         .arg = "NAME",                                                                                      \
         .help =                                                                                             \
             "single: one request after the other; multi: --callers at the same time; server: requests "     \
             "come "                                                                                         \
             "by themselves at --rate, timed from when they were due; offline: what goes through at most",   \
         .offset = offsetof(s, scenario),                                                                    \
         .choices = "single|multi|server|offline"},                                                          \
        {.name = "callers",                                                                                  \
         .type = MLO_OPT_U64,                                                                                \
         .arg = "N",                                                                                         \
         .help = "requests under way at the same time",                                                      \
         .offset = offsetof(s, callers),                                                                     \
         .min = 1,                                                                                           \
         .max = 1024},                                                                                       \
        {.name = "rate",                                                                                     \
         .type = MLO_OPT_DOUBLE,                                                                             \
         .arg = "N",                                                                                         \
         .help = "requests a second of scenario server",                                                     \
         .offset = offsetof(s, rate)},                                                                       \
        {.name = "duration",                                                                                 \
         .type = MLO_OPT_DURATION,                                                                           \
         .arg = "TIME",                                                                                      \
         .help = "how long to measure each batch; as a rule 5s",                                             \
         .offset = offsetof(s, duration)},                                                                   \
        {.name = "warmup",                                                                                   \
         .type = MLO_OPT_DURATION,                                                                           \
         .arg = "TIME",                                                                                      \
         .help = "how long to wait for steady times at most; as a rule 5s",                                  \
         .offset = offsetof(s, warmup)},                                                                     \
        {.name = "dim",                                                                                      \
         .type = MLO_OPT_LIST,                                                                               \
         .arg = "NAME=N",                                                                                    \
         .help = "size of an open dimension of the model's inputs, as the length of sequences",              \
         .offset = offsetof(s, dims)},                                                                       \
    {                                                                                                        \
        .name = "seed", .type = MLO_OPT_U64, .arg = "N", .help = "for what is drawn at random",              \
        .offset = offsetof(s, seed)                                                                          \
    }
/* clang-format on */

static const struct mlo_opt opts_table[] = {BENCH_OPTIONS(struct mlo_bench_opts), {0}};

/* ---- options ---- */

int mlo_bench_batches(const char *text, size_t ret[MLO_BENCH_BATCHES], size_t *ret_n, struct mlo_err *err)
{
    const char *at = text ? text : "1";
    size_t n = 0;
    for (;;) {
        char *end;
        unsigned long long v = strtoull(at, &end, 10);
        if (end == at || (*end && *end != ',') || v == 0 || v > MLO_BENCH_BATCH_MAX || n == MLO_BENCH_BATCHES)
            return mlo_fail(err, MLO_EUSAGE, "--batch '%s' is no list of up to %d numbers from 1 to %d", text,
                            MLO_BENCH_BATCHES, MLO_BENCH_BATCH_MAX);
        ret[n++] = (size_t)v;
        if (!*end)
            break;
        at = end + 1;
    }
    *ret_n = n;
    return 0;
}

int mlo_bench_dims(const struct mlo_strings *words, struct mlo_dim_value *ret, struct mlo_err *err)
{
    for (size_t i = 0; i < words->n; i++) {
        char *equals = strchr(words->items[i], '='), *end;
        long long v = equals ? strtoll(equals + 1, &end, 10) : 0;
        if (!equals || equals == words->items[i] || *end || v < 1)
            return mlo_fail(err, MLO_EUSAGE, "--dim '%s' is not NAME=N", words->items[i]);
        *equals = '\0';
        ret[i] = (struct mlo_dim_value){words->items[i], v};
    }
    return 0;
}

static bool stop(void *ctx)
{
    (void)ctx;
    return mlo_interrupted();
}

static int read_load(const struct mlo_bench_opts *o, struct mlo_load *ret, struct mlo_err *err)
{
    const char *scenario = o->scenario      ? o->scenario
                           : o->rate > 0    ? "server"
                           : o->callers > 1 ? "multi"
                                            : "single";
    bool is_server = strcmp(scenario, "server") == 0, is_single = strcmp(scenario, "single") == 0;
    if (is_server != (o->rate > 0))
        return mlo_fail(err, MLO_EUSAGE, "scenario server needs --rate, and only it");
    if (is_single && o->callers > 1)
        return mlo_fail(err, MLO_EUSAGE, "scenario single has one caller");
    unsigned callers = o->callers ? (unsigned)o->callers : is_single ? 1u : mlo_cpu_count();
    *ret = (struct mlo_load){.callers = callers, .rate = o->rate, .seed = o->seed, .stop = stop};
    return 0;
}

/* ---- report ---- */

static const struct mlo_column columns[] = {
    {"batch", "BATCH", MLO_CELL_U64},        {"p50_us", "P50", MLO_CELL_TEXT},
    {"p90_us", "P90", MLO_CELL_TEXT},        {"p95_us", "P95", MLO_CELL_TEXT},
    {"p99_us", "P99", MLO_CELL_TEXT},        {"max_us", "MAX", MLO_CELL_TEXT},
    {"rows_per_s", "ROWS/S", MLO_CELL_TEXT}, {"first_us", "FIRST", MLO_CELL_TEXT}};

static void put_time(struct mlo_report *r, double ns)
{
    char text[32];
    if (ns < 1e3)
        snprintf(text, sizeof text, "%.0f ns", ns);
    else if (ns < 1e6)
        snprintf(text, sizeof text, "%.3g us", ns / 1e3);
    else if (ns < 1e9)
        snprintf(text, sizeof text, "%.3g ms", ns / 1e6);
    else
        snprintf(text, sizeof text, "%.3g s", ns / 1e9);
    mlo_cell_text(r, text);
}

/* "-" when too few were timed to say it with 99 % confidence. */
static void put_quantile(struct mlo_report *r, const struct mlo_times *t, double q)
{
    if (q > 0.5 && mlo_quantile_rank(t->n, q, 0.99) == 0)
        mlo_cell_text(r, "-");
    else
        put_time(r, (double)mlo_times_quantile(t, q));
}

static void put_row(struct mlo_report *r, size_t batch, const struct mlo_measured *m)
{
    static const double quantiles[] = {0.5, 0.9, 0.95, 0.99};
    char rate[32];
    mlo_cell_u64(r, batch);
    for (size_t i = 0; i < MLO_COUNT(quantiles); i++)
        put_quantile(r, &m->times, quantiles[i]);
    put_time(r, (double)m->times.most);
    snprintf(rate, sizeof rate, "%.4g", (double)(m->requests - m->failures) * (double)batch / m->seconds);
    mlo_cell_text(r, rate);
    put_time(r, (double)m->first_ns);
}

/* ---- running ---- */

struct job {
    struct mlo_ctx *ctx;
    const struct mlo_bench_opts *o;
    const struct mlo_plan *plan;
    struct mlo_load load;
    struct mlo_inputs_opts inputs;
    bool stopped;
};

static int bench_batch(struct job *j, size_t batch, struct mlo_err *err)
{
    struct mlo_measure_opts how = {.seconds = (double)j->o->duration / 1e9,
                                   .warmup = (double)j->o->warmup / 1e9};
    struct mlo_inputs *in = NULL;
    struct mlo_target *target = NULL;
    struct mlo_runner *runner = NULL;
    struct mlo_measured m = {0};
    const struct mlo_value *set;
    j->inputs.rows = batch;
    int rc = mlo_inputs_new(j->plan, &j->inputs, &in, err);
    if (rc == 0) {
        set = mlo_inputs_values(in);
        rc = mlo_target_engine(j->plan, &set, 1, batch, &target, err);
    }
    if (rc == 0)
        rc = mlo_runner_new(target, &j->load, &runner, err);
    if (rc == 0)
        rc = mlo_measure(runner, &j->load, &how, &m, err);
    if (rc == 0)
        put_row(j->ctx->report, batch, &m);
    if (rc == 0 && !m.steady)
        mlo_warn(j->ctx, "times of batch %zu did not become steady while warming up", batch);
    j->stopped = j->stopped || m.stopped;
    mlo_measured_release(&m);
    mlo_runner_free(runner);
    mlo_target_close(target);
    mlo_inputs_free(in);
    return rc;
}

static int bench_plan(struct mlo_ctx *ctx, const struct mlo_bench_opts *o, const struct mlo_plan *plan,
                      struct mlo_err *err)
{
    struct job j = {.ctx = ctx, .o = o, .plan = plan};
    size_t batches[MLO_BENCH_BATCHES], n = 0;
    MLO_AUTOFREE struct mlo_dim_value *dims = mlo_calloc(o->dims.n + 1, sizeof *dims, err);
    if (!dims)
        return err->code;
    int rc = mlo_bench_batches(o->batch, batches, &n, err);
    if (rc == 0)
        rc = mlo_bench_dims(&o->dims, dims, err);
    if (rc == 0)
        rc = read_load(o, &j.load, err);
    j.inputs = (struct mlo_inputs_opts){.dims = dims, .n_dims = o->dims.n, .seed = o->seed};
    mlo_report_table(ctx->report, "batches", NULL, columns, MLO_COUNT(columns), NULL);
    for (size_t i = 0; rc == 0 && i < n && !j.stopped; i++)
        rc = bench_batch(&j, batches[i], err);
    if (rc == 0 && j.stopped)
        mlo_warn(ctx, "interrupted: what is shown was measured until then");
    return rc;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_plan *plan = NULL;
    int rc = mlo_plan_open(ctx->args[0], NULL, &plan, err);
    if (rc == 0)
        rc = bench_plan(ctx, options, plan, err);
    mlo_plan_free(plan);
    return rc;
}

static const struct mlo_example examples[] = {
    {"how fast is it", "mlopsctl bench model.onnx --batch 1,8,64"},
    {0},
};

const struct mlo_command mlo_cmd_bench = {
    .name = "bench",
    .group = "run",
    .summary = "measure how fast a model answers",
    .synopsis = "MODEL",
    .description =
        "Warms up until times are steady, then measures; percentiles are shown only when enough requests\n"
        "were timed to say them with 99 % confidence.",
    .opts = opts_table,
    .opts_size = sizeof(struct mlo_bench_opts),
    .args = {.min = 1, .max = 1, .complete = MLO_OPTF_FILE},
    .examples = examples,
    .run = run,
};
