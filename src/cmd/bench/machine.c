/* What else is to be said of a measurement: what the machine took away from it, and what it used. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "bench.h"

#define SHARE_TOLD      0.01  /* of periods, of the machine's time, of a timing */
#define SPEED_TOLD      1.1   /* slow blocks of the control loop / fast ones */
#define PREEMPT_TOLD    100.0 /* a second */
#define PREEMPT_SECONDS 0.5
#define REASONS_TOLD    0.05 /* of readings */
#define LINE_MAX_TEXT   256

static const struct mlo_column columns[] = {
    {"batch", "BATCH", MLO_CELL_U64}, {"what", "MACHINE", MLO_CELL_TEXT}, {"advice", "", MLO_CELL_TEXT}};

struct lines { /* of one batch */
    struct mlo_report *report;
    size_t batch;
};

static void say(const struct lines *l, const char *advice, const char *fmt, ...) MLO_PRINTF(3, 4);
static void say(const struct lines *l, const char *advice, const char *fmt, ...)
{
    char text[LINE_MAX_TEXT];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    mlo_cell_u64(l->report, l->batch);
    mlo_cell_text(l->report, text);
    mlo_cell_text(l->report, advice);
}

/* ---- what was taken ---- */

struct speeds { /* of the control loop, ns */
    double median, fast, slow;
};

static int read_speeds(const struct mlo_measured *m, struct speeds *ret, struct mlo_err *err)
{
    size_t n = m->n_blocks;
    MLO_AUTOFREE double *x = mlo_calloc(2 * n + 1, sizeof *x, err);
    if (!x)
        return err->code;
    if (n == 0)
        return 0;
    memcpy(x, m->controls, n * sizeof *x);
    mlo_sort_doubles(x, n, x + n);
    *ret = (struct speeds){mlo_quantile_sorted(x, n, 0.5), mlo_quantile_sorted(x, n, 0.1),
                           mlo_quantile_sorted(x, n, 0.9)};
    return 0;
}

static void say_taken(const struct lines *l, const struct mlo_measured *m, const struct speeds *s)
{
    double throttled, stolen = mlo_used_stolen(&m->used), clock = mlo_measured_overhead(m);
    double preempted = m->seconds > PREEMPT_SECONDS ? (double)m->used.preempted / m->seconds : 0;
    mlo_used_quota(&m->used, &throttled);
    if (throttled > SHARE_TOLD)
        say(l, "raise the quota, or use fewer threads or callers",
            "a CPU quota held it back in %.0f %% of the periods", 100 * throttled);
    if (stolen > SHARE_TOLD)
        say(l, "measure longer, or on a machine of your own",
            "other guests took %.0f %% of the machine's time", 100 * stolen);
    if (s->slow > SPEED_TOLD * s->fast)
        say(l, "let nothing else run, or fix the processor's clock",
            "the speed of the machine changed by %.0f %% meanwhile", 100 * (s->slow / s->fast - 1));
    if (preempted > PREEMPT_TOLD)
        say(l, "let nothing else run", "other threads took its processor %.0f times a second", preempted);
    if (clock > SHARE_TOLD)
        say(l, "take a larger --batch", "reading the clock is %.1f %% of what was measured", 100 * clock);
}

/* ---- the GPU, and energy ---- */

static void add_number(struct mlo_str *out, const char *before, double v, const char *fmt, double unit)
{
    if (isnan(v))
        return;
    mlo_str_add(out, before);
    mlo_str_addf(out, fmt, v / unit);
}

static void say_gpu(const struct lines *l, const struct mlo_gpu_used *g)
{
    MLO_AUTOSTR struct mlo_str text;
    char human[MLO_HUMAN_MAX];
    mlo_str_init(&text, LINE_MAX_TEXT);
    if (g->readings == 0)
        return;
    mlo_str_add(&text, g->name);
    add_number(&text, ": busy ", g->busy, "%.0f %%", 1);
    add_number(&text, ", ", g->power_w, "%.0f W", 1);
    add_number(&text, " of ", g->power_limit_w, "%.0f", 1);
    add_number(&text, ", ", g->mhz, "%.0f MHz", 1);
    add_number(&text, " of ", g->mhz_max, "%.0f", 1);
    if (!isnan(g->memory))
        mlo_str_addf(&text, ", %s in use", mlo_human_size((uint64_t)g->memory, human));
    say(l, NULL, "%s", text.ptr);
    for (unsigned i = 0; i < MLO_GPU_REASONS; i++)
        if (mlo_gpu_reason(i) && (double)g->reasons[i] > REASONS_TOLD * (double)g->readings)
            say(l, "compare under the same limits only",
                "its clocks were lowered for %s in %.0f %% of the readings", mlo_gpu_reason(i),
                100 * (double)g->reasons[i] / (double)g->readings);
}

/* Of a request that was answered; NaN: not known. */
static double joules_each(const struct mlo_measured *m)
{
    uint64_t good = m->requests - m->failures;
    return good > 0 ? mlo_used_joules(&m->used) / (double)good : NAN;
}

static double wh_per_million(const struct mlo_measured *m, size_t batch)
{
    return joules_each(m) / (double)batch * 1e6 / 3600;
}

static void say_energy(const struct lines *l, const struct mlo_measured *m)
{
    const struct mlo_used *u = &m->used;
    const char *of = isnan(u->cpu_joules)   ? "GPU"
                     : isnan(u->gpu.joules) ? "processors"
                                            : "processors and GPU";
    if (!isnan(joules_each(m)))
        say(l, NULL, "energy of the %s: %.3g J a request, %.3g Wh a million predictions", of, joules_each(m),
            wh_per_million(m, l->batch));
}

/* ---- all of it ---- */

static void add_speeds(cJSON *to, const struct speeds *s)
{
    cJSON *o = cJSON_AddObjectToObject(to, "control");
    mlo_json_add_double(o, "median_ns", s->median);
    mlo_json_add_double(o, "fast_ns", s->fast);
    mlo_json_add_double(o, "slow_ns", s->slow);
}

static cJSON *details_of(const struct mlo_bench_case *c, const struct speeds *s)
{
    const struct mlo_measured *m = &c->measured;
    double throttled;
    cJSON *o = cJSON_CreateObject();
    mlo_used_quota(&m->used, &throttled);
    mlo_json_add_u64(o, "batch", c->batch);
    mlo_measured_json(m, o);
    add_speeds(o, s);
    mlo_json_add_double(o, "throttled_share", throttled);
    mlo_json_add_double(o, "stolen_share", mlo_used_stolen(&m->used));
    mlo_json_add_double(o, "clock_share", mlo_measured_overhead(m));
    mlo_json_add_double(o, "joules_per_request", joules_each(m));
    mlo_json_add_double(o, "wh_per_million", wh_per_million(m, c->batch));
    return o;
}

int mlo_bench_put_machine(struct mlo_bench *b, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *details = cJSON_CreateArray();
    if (b->stopped)
        mlo_report_bool(b->ctx->report, "interrupted", "interrupted", true);
    mlo_report_table(b->ctx->report, "machine", NULL, columns, MLO_COUNT(columns), NULL);
    for (size_t i = 0; i < b->result.n; i++) {
        const struct mlo_bench_case *c = &b->result.cases[i];
        struct lines l = {b->ctx->report, c->batch};
        struct speeds s = {NAN, NAN, NAN};
        int rc = read_speeds(&c->measured, &s, err);
        if (rc != 0)
            return rc;
        say_taken(&l, &c->measured, &s);
        say_gpu(&l, &c->measured.used.gpu);
        say_energy(&l, &c->measured);
        cJSON_AddItemToArray(details, details_of(c, &s));
    }
    mlo_report_json(b->ctx->report, "details", mlo_steal(&details));
    return 0;
}

/* The first of CUDA_VISIBLE_DEVICES is the device 0 of CUDA programs; an index there is one of NVML as a rule
 * (all GPUs of one kind), a name always. */
int mlo_bench_gpu_open(struct mlo_bench *b, struct mlo_err *err)
{
    const char *visible = mlo_env_get(b->ctx->env, "CUDA_VISIBLE_DEVICES");
    char which[96];
    snprintf(which, sizeof which, "%.*s", (int)(visible ? strcspn(visible, ",") : 0), visible ? visible : "");
    int rc = mlo_gpu_meter_open(*which ? which : NULL, &b->gpu, err);
    if (rc == MLO_EUNAVAIL) { /* then what it does is not known */
        *err = MLO_ERR_INIT;
        return 0;
    }
    b->load.gpu = b->gpu;
    return rc;
}
