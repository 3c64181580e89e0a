/* bench --explain: the machine's limits, kept in the user's cache, and what each step of a model makes of
 * them. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "bench.h"

#define LIMITS_FILE  "limits.json"
#define LIMITS_BYTES ((size_t)64 << 10)
#define SHOWN_STEPS  ((size_t)20) /* in the text */
#define SHOWN_NODE   ((size_t)20) /* bytes of a name */

/* ---- the machine ---- */

static bool read_kept(const char *path, struct mlo_limits *ret)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    return path && mlo_slurp_at(AT_FDCWD, path, LIMITS_BYTES, &text, &n, &ignored) == 0 &&
           mlo_limits_read(text, n, ret, &ignored) == 0;
}

/* What cannot be kept is measured again the next time. */
static void keep(struct mlo_bench *b, char *path)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, LIMITS_BYTES);
    char *slash = strrchr(path, '/');
    int rc = mlo_limits_write(&b->limits, &text, &err);
    *slash = '\0';
    if (rc == 0)
        rc = mlo_mkdirs_at(AT_FDCWD, path, 0700, &err);
    *slash = '/';
    if (rc == 0)
        rc = mlo_write_file_at(AT_FDCWD, path, text.ptr, text.len, 0600, &err);
    if (rc != 0)
        mlo_warn(b->ctx, "the machine's limits are not kept: %s", err.msg);
}

int mlo_bench_limits(struct mlo_bench *b, struct mlo_err *err)
{
    MLO_AUTOFREE char *path = NULL;
    int rc = mlo_user_cache(b->ctx->env, LIMITS_FILE, &path, err);
    if (rc != 0 || (!b->args->calibrate && read_kept(path, &b->limits)))
        return rc;
    mlo_note(b->ctx, "measuring what the machine can do, once");
    rc = mlo_calibrate(NULL, &b->limits, err);
    if (rc == 0 && path)
        keep(b, path);
    return rc;
}

/* ---- the model ---- */

static bool is_url(const char *what)
{
    return strncmp(what, "http", 4) == 0;
}

int mlo_bench_explain(struct mlo_bench *b, const struct mlo_bench_who *who, const struct mlo_bench_side *side,
                      const struct mlo_measured *m, struct mlo_err *err)
{
    enum mlo_asked asked = !who->what && !who->line          ? MLO_ASKED_ENGINE
                           : who->line || !is_url(who->what) ? MLO_ASKED_LINES
                                                             : MLO_ASKED_JSON;
    bool is_ours = asked == MLO_ASKED_ENGINE, is_on_gpu = false;
    bool shares = is_ours && b->load.rate == 0 && b->load.callers > 1;
    struct mlo_explain_opts how = {.request_ns = shares ? (double)mlo_times_quantile(&m->times, 0.5) : 0,
                                   .threads = (unsigned)b->args->threads,
                                   .stop = b->load.stop,
                                   .stop_ctx = b->load.stop_ctx};
    if (b->n_explained == MLO_BENCH_BATCHES)
        return 0;
    int rc = mlo_bench_explain_gpu(b, who->plan, side->set, &how, &is_on_gpu, err);
    if (rc == 0 && !is_on_gpu) {
        rc = mlo_explain(who->plan, side->set, &b->limits, &how, &b->explained[b->n_explained], err);
        b->n_explained += rc == 0;
    }
    b->explained_here = b->explained_here || !is_ours;
    return rc == 0 ? mlo_explain_around(who->plan, side->set, m, asked, NULL,
                                        &b->explained[b->n_explained - 1], err)
                   : rc;
}

/* ---- what is shown ---- */

static void put_limits(struct mlo_bench *b)
{
    const struct mlo_limits *l = &b->limits;
    struct mlo_report *r = b->ctx->report;
    char text[256], wake[MLO_HUMAN_MAX], step[MLO_HUMAN_MAX], quota[48] = "no quota";
    if (l->quota > 0)
        snprintf(quota, sizeof quota, "a quota of %.2f", l->quota);
    snprintf(text, sizeof text, "%u CPUs, %s; one core:", l->cpus, quota);
    mlo_report_text(r, "machine", "machine", text);
    snprintf(text, sizeof text, "%.1f GFLOP/s of float32, %.1f of float64", 1e-9 * l->f32, 1e-9 * l->f64);
    if (l->int8 > 0)
        snprintf(text + strlen(text), sizeof text - strlen(text), ", %.1f GOP/s of int8", 1e-9 * l->int8);
    mlo_report_text(r, "machine_computes", "computes", text);
    snprintf(text, sizeof text, "%.0f, %.0f and %.0f GB/s from first, second, third cache, %.1f from memory",
             1e-9 * l->read[MLO_LEVEL_L1], 1e-9 * l->read[MLO_LEVEL_L2], 1e-9 * l->read[MLO_LEVEL_L3],
             1e-9 * l->read[MLO_LEVEL_MEMORY]);
    mlo_report_text(r, "machine_reads", "reads", text);
    snprintf(text, sizeof text, "%s to begin a step, %s to wake a thread",
             mlo_human_duration((uint64_t)l->step_ns, step), mlo_human_duration((uint64_t)l->wake_ns, wake));
    mlo_report_text(r, "machine_takes", "takes", text);
}

static void add_limits(struct mlo_report *r, const struct mlo_limits *l)
{
    cJSON *o = cJSON_CreateObject(), *read = cJSON_AddObjectToObject(o, "bytes_per_s");
    static const char *const levels[MLO_LEVELS] = {"first_cache", "second_cache", "third_cache", "memory"};
    cJSON_AddStringToObject(o, "cpu", l->cpu);
    mlo_json_add_u64(o, "cpus", l->cpus);
    mlo_json_add_double(o, "quota_cpus", l->quota);
    mlo_json_add_double(o, "float32_per_s", l->f32);
    mlo_json_add_double(o, "float64_per_s", l->f64);
    mlo_json_add_double(o, "int8_per_s", l->int8);
    mlo_json_add_double(o, "bfloat16_per_s", l->bf16);
    for (size_t i = 0; i < MLO_LEVELS; i++)
        mlo_json_add_double(read, levels[i], l->read[i]);
    mlo_json_add_double(o, "step_ns", l->step_ns);
    mlo_json_add_double(o, "wake_ns", l->wake_ns);
    mlo_json_add_double(o, "clock_ns", l->clock_ns);
    mlo_report_json(r, "limits", o);
}

static double rounded(const struct mlo_bench *b, double v)
{
    return mlo_bench_rounded(b, v, 3);
}

static void put_share(struct mlo_bench *b, double share)
{
    char text[32];
    snprintf(text, sizeof text, "%.3g %%", 100 * share);
    if (b->ctx->json)
        mlo_cell_double(b->ctx->report, share);
    else
        mlo_cell_text(b->ctx->report, text);
}

static const struct mlo_column answer_columns[] = {
    {"batch", "BATCH", MLO_CELL_U64},    {"run_ns", "RUN", MLO_CELL_NS},
    {"rest_ns", "BETWEEN", MLO_CELL_NS}, {"timing_ns", "A LOOK", MLO_CELL_NS},
    {"runs", "RUNS", MLO_CELL_U64},      {"answer", "WHAT HOLDS IT BACK", MLO_CELL_TEXT}};

/* Words between columns 7 and 80. */
static void add_wrapped(struct mlo_str *out, const char *text)
{
    enum { INDENT = 7, LINE = 80 };
    size_t at = INDENT;
    for (size_t n = strcspn(text, " "); n > 0; n = strcspn(text, " ")) {
        if (at > INDENT && at + 1 + n > LINE) {
            mlo_str_addf(out, "\n%*s", INDENT, "");
            at = INDENT;
        } else if (at > INDENT) {
            mlo_str_addc(out, ' ');
            at++;
        }
        mlo_str_addn(out, text, n);
        at += n;
        text += n + (text[n] == ' ');
    }
    mlo_str_addc(out, '\n');
}

static int put_sentences(struct mlo_bench *b, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    mlo_str_add(&text, "BATCH  WHAT HOLDS IT BACK\n");
    for (size_t i = 0; i < b->n_explained; i++) {
        mlo_str_addf(&text, "%5zu  ", b->batches[i]);
        add_wrapped(&text, b->explained[i].sentence);
    }
    int rc = mlo_str_check(&text, err);
    if (rc == 0)
        mlo_report_raw(b->ctx->report, "answers", text.ptr);
    return rc;
}

static int put_answers(struct mlo_bench *b, struct mlo_err *err)
{
    struct mlo_report *r = b->ctx->report;
    mlo_report_table(r, "explained", NULL, answer_columns, MLO_COUNT(answer_columns) - !b->ctx->json, NULL);
    for (size_t i = 0; i < b->n_explained; i++) {
        const struct mlo_explained *e = &b->explained[i];
        mlo_cell_u64(r, b->batches[i]);
        mlo_cell_u64(r, (uint64_t)e->run_ns);
        mlo_cell_u64(r, (uint64_t)e->rest_ns);
        mlo_cell_u64(r, (uint64_t)e->timing_ns);
        mlo_cell_u64(r, e->runs);
        if (b->ctx->json)
            mlo_cell_text(r, e->sentence);
    }
    return b->ctx->json ? 0 : put_sentences(b, err);
}

/* ---- limits ---- */

static const struct mlo_column bound_columns[] = {
    {"batch", "BATCH", MLO_CELL_U64},       {"limit", "LIMIT", MLO_CELL_TEXT},
    {"steps", "STEPS", MLO_CELL_U64},       {"ns", "TIME", MLO_CELL_NS},
    {"share", "OF ALL", MLO_CELL_DOUBLE},   {"of_limit", "OF LIMIT", MLO_CELL_DOUBLE},
    {"gain", "IF REACHED", MLO_CELL_DOUBLE}};

static void put_bounds(struct mlo_bench *b, size_t i)
{
    const struct mlo_explained *e = &b->explained[i];
    struct mlo_report *r = b->ctx->report;
    for (int k = 0; k < MLO_BOUNDS; k++) {
        const struct mlo_explained_bound *bound = &e->bounds[k];
        if (bound->n == 0)
            continue;
        mlo_cell_u64(r, b->batches[i]);
        mlo_cell_text(r, mlo_bound_name((enum mlo_bound)k));
        mlo_cell_u64(r, bound->n);
        mlo_cell_u64(r, (uint64_t)bound->ns);
        put_share(b, bound->ns / e->run_ns);
        mlo_cell_double(r, rounded(b, bound->ns > 0 ? bound->limit_ns / bound->ns : 0));
        mlo_cell_double(r, rounded(b, mlo_explained_gain(e, bound->ns, bound->limit_ns)));
    }
}

/* ---- around the run ---- */

static const struct mlo_column around_columns[] = {
    {"batch", "BATCH", MLO_CELL_U64},     {"what", "AROUND IT", MLO_CELL_TEXT},
    {"ns", "TIME", MLO_CELL_NS},          {"share", "OF A REQUEST", MLO_CELL_DOUBLE},
    {"gain", "IF GONE", MLO_CELL_DOUBLE}, {"why", "", MLO_CELL_TEXT}};

static void put_around(struct mlo_bench *b, size_t i)
{
    struct mlo_around_row rows[MLO_AROUND_ROWS];
    struct mlo_report *r = b->ctx->report;
    size_t n = mlo_around_rows(&b->explained[i], rows);
    for (size_t k = 0; k < n; k++) {
        mlo_cell_u64(r, b->batches[i]);
        mlo_cell_text(r, rows[k].name);
        mlo_cell_u64(r, (uint64_t)rows[k].ns);
        put_share(b, rows[k].share);
        mlo_cell_double(r, rounded(b, rows[k].gain));
        mlo_cell_text(r, rows[k].why);
    }
}

/* ---- steps ---- */

static const struct mlo_column step_columns[] = {{"batch", "BATCH", MLO_CELL_U64},
                                                 {"step", "STEP", MLO_CELL_TEXT},
                                                 {"node", "NODE", MLO_CELL_TEXT},
                                                 {"shape", "OUTPUT", MLO_CELL_TEXT},
                                                 {"ns", "TIME", MLO_CELL_NS},
                                                 {"share", "OF ALL", MLO_CELL_DOUBLE},
                                                 {"gflop_per_s", "GFLOP/S", MLO_CELL_DOUBLE},
                                                 {"gb_per_s", "GB/S", MLO_CELL_DOUBLE},
                                                 {"limit", "LIMIT", MLO_CELL_TEXT},
                                                 {"of_limit", "OF LIMIT", MLO_CELL_DOUBLE},
                                                 {"gain", "IF REACHED", MLO_CELL_DOUBLE}};
static const struct mlo_column more_columns[] = {{"flops", "", MLO_CELL_U64},
                                                 {"bytes", "", MLO_CELL_U64},
                                                 {"weights", "", MLO_CELL_U64},
                                                 {"limit_ns", "", MLO_CELL_U64}};

static void put_node(struct mlo_bench *b, const char *name)
{
    char text[SHOWN_NODE + 4];
    size_t n = strlen(name);
    if (b->ctx->json || n <= SHOWN_NODE) {
        mlo_cell_text(b->ctx->report, name);
        return;
    }
    snprintf(text, sizeof text, "%.*s...", (int)mlo_utf8_cut(name, SHOWN_NODE), name);
    mlo_cell_text(b->ctx->report, text);
}

static void put_rate(struct mlo_bench *b, uint64_t work, double ns)
{
    if (ns > 0)
        mlo_cell_double(b->ctx->report, rounded(b, (double)work / ns));
    else
        mlo_cell_none(b->ctx->report);
}

static void put_step(struct mlo_bench *b, size_t batch, const struct mlo_explained *e,
                     const struct mlo_explained_step *s)
{
    struct mlo_report *r = b->ctx->report;
    mlo_cell_u64(r, batch);
    mlo_cell_text(r, s->cost.op);
    put_node(b, s->cost.node);
    mlo_cell_text(r, s->cost.shape);
    mlo_cell_u64(r, (uint64_t)s->ns);
    put_share(b, s->ns / e->run_ns);
    put_rate(b, s->cost.flops, s->ns);
    put_rate(b, s->cost.reads > s->cost.bytes ? s->cost.reads : s->cost.bytes, s->ns);
    mlo_cell_text(r, mlo_bound_name(s->bound));
    mlo_cell_double(r, rounded(b, s->ns > 0 ? s->limit_ns / s->ns : 0));
    mlo_cell_double(r, rounded(b, mlo_explained_gain(e, s->ns, s->limit_ns)));
    if (!b->ctx->json)
        return;
    mlo_cell_u64(r, s->cost.flops);
    mlo_cell_u64(r, s->cost.bytes);
    mlo_cell_u64(r, s->cost.weights);
    mlo_cell_u64(r, (uint64_t)s->limit_ns);
}

static int put_steps(struct mlo_bench *b, size_t i, struct mlo_err *err)
{
    const struct mlo_explained *e = &b->explained[i];
    MLO_AUTOFREE const struct mlo_explained_step **order = NULL;
    size_t shown = b->ctx->json || e->n <= SHOWN_STEPS ? e->n : SHOWN_STEPS;
    double left = 0;
    int rc = mlo_explained_longest(e, &order, err);
    if (rc != 0)
        return rc;
    for (size_t k = 0; k < e->n; k++)
        if (k < shown)
            put_step(b, b->batches[i], e, order[k]);
        else
            left += order[k]->ns;
    if (shown < e->n)
        mlo_report_note(b->ctx->report, "%zu more steps take %.1f %% of the time: --json has them",
                        e->n - shown, 100 * left / e->run_ns);
    return 0;
}

int mlo_bench_put_explained(struct mlo_bench *b, struct mlo_err *err)
{
    struct mlo_report *r = b->ctx->report;
    struct mlo_column steps[MLO_COUNT(step_columns) + MLO_COUNT(more_columns)];
    int rc = 0;
    mlo_bench_put_explained_gpu(b);
    if (b->n_explained == 0)
        return 0;
    rc = put_answers(b, err);
    if (rc != 0)
        return rc;
    if (b->explained_here && b->ctx->json)
        mlo_report_json(r, "explained_here", cJSON_CreateTrue());
    else if (b->explained_here)
        mlo_report_note(r, "the target is not looked into: runs and steps are of our engine in this process");
    if (b->n_on_device < b->n_explained && b->ctx->json)
        add_limits(r, &b->limits);
    else if (b->n_on_device < b->n_explained)
        put_limits(b);
    mlo_report_table(r, "bounds", NULL, bound_columns, MLO_COUNT(bound_columns), NULL);
    for (size_t i = 0; i < b->n_explained; i++)
        put_bounds(b, i);
    mlo_report_table(r, "around", NULL, around_columns, MLO_COUNT(around_columns), NULL);
    for (size_t i = 0; i < b->n_explained; i++)
        put_around(b, i);
    memcpy(steps, step_columns, sizeof step_columns);
    memcpy(steps + MLO_COUNT(step_columns), more_columns, sizeof more_columns);
    mlo_report_table(r, "steps", NULL, steps,
                     MLO_COUNT(step_columns) + (b->ctx->json ? MLO_COUNT(more_columns) : 0), "no steps");
    for (size_t i = 0; rc == 0 && i < b->n_explained; i++)
        rc = put_steps(b, i, err);
    return rc;
}
