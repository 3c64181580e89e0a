/* What runs of bench found for a model, oldest first, and where it changed. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

#define RUNS_MAX   2000 /* looked at: the newest */
#define BAR_WIDTH  24
#define WINDOW     50
#define CHANGE_P   0.001
#define CHANGE_MIN 0.05

struct point {
    int64_t run, time_ns;
    char commit[13];
    size_t batch;
    double p50_ns, p99_ns, steady_ns; /* as measured; by the speed that the machine has as a rule */
    double speed;                     /* median of the control loop */
};
struct history {
    struct mlo_bench *b;
    struct mlo_workspace *ws;
    struct point *points;
    size_t n, cap;
    struct mlo_history_line lines[MLO_BENCH_BATCHES]; /* for the page: of the first n_lines batches */
    size_t n_lines;
};

static double median_of(const double *x, size_t n, double *scratch)
{
    memcpy(scratch, x, n * sizeof *x);
    mlo_sort_doubles(scratch, n, scratch + n);
    return mlo_quantile_sorted(scratch, n, 0.5);
}

static int add_case(struct history *h, const struct mlo_run_row *row, const struct mlo_bench_case *c,
                    struct mlo_err *err)
{
    const struct mlo_measured *m = &c->measured;
    size_t n = m->n_blocks;
    MLO_AUTOFREE double *scratch = mlo_calloc(2 * n + 1, sizeof *scratch, err);
    int rc = scratch ? mlo_grow(&h->points, &h->cap, h->n + 1, sizeof *h->points, err) : err->code;
    if (rc != 0 || n == 0 || m->stopped)
        return rc;
    struct point p = {.run = row->id, .time_ns = row->started_ns, .batch = c->batch};
    snprintf(p.commit, sizeof p.commit, "%s", row->git_commit ? row->git_commit : "");
    p.p50_ns = (double)mlo_times_quantile(&m->times, 0.5);
    p.p99_ns = (double)mlo_times_quantile(&m->times, 0.99);
    p.speed = median_of(m->controls, n, scratch);
    p.steady_ns = median_of(m->medians, n, scratch);
    h->points[h->n++] = p;
    return 0;
}

static bool is_alike(const struct mlo_bench *b, const struct mlo_bench_result *r)
{
    return mlo_bench_same_model(r->model, b->result.model) && strcmp(r->machine, b->result.machine) == 0 &&
           strcmp(r->load, b->result.load) == 0;
}

static int take_run(void *ctx, const struct mlo_run_row *row, struct mlo_err *err)
{
    struct history *h = ctx;
    struct mlo_bench_result r = {0};
    bool found = false;
    int rc = mlo_bench_read_run(h->ws, row->id, MLO_BENCH_RESULT, &r, &found, err);
    for (size_t i = 0; rc == 0 && found && is_alike(h->b, &r) && i < r.n; i++)
        rc = add_case(h, row, &r.cases[i], err);
    mlo_bench_result_release(&r);
    return rc;
}

/* ---- one batch ---- */

static const struct mlo_column columns[] = {
    {"run", "RUN", MLO_CELL_I64},     {"time", "TIME", MLO_CELL_TIME}, {"commit", "COMMIT", MLO_CELL_TEXT},
    {"batch", "BATCH", MLO_CELL_U64}, {"p50_ns", "P50", MLO_CELL_NS},  {"change", "CHANGE", MLO_CELL_TEXT},
    {"bar", "", MLO_CELL_TEXT}};

static void put_point(struct mlo_report *r, const struct point *p, double most,
                      const struct mlo_change_point *change)
{
    char bar[BAR_WIDTH + 1] = "", text[32] = "";
    size_t width = (size_t)lround(BAR_WIDTH * p->p50_ns / most);
    memset(bar, '#', width > BAR_WIDTH ? BAR_WIDTH : width);
    if (change)
        snprintf(text, sizeof text, "%+.1f %%", 100 * (change->after / change->before - 1));
    mlo_cell_i64(r, p->run);
    mlo_cell_i64(r, p->time_ns);
    mlo_cell_text(r, *p->commit ? p->commit : NULL);
    mlo_cell_u64(r, p->batch);
    mlo_cell_u64(r, (uint64_t)p->p50_ns);
    mlo_cell_text(r, change ? text : NULL);
    mlo_cell_text(r, bar);
}

static const struct mlo_change_point *change_at(const struct mlo_change_point *c, size_t n, size_t at)
{
    for (size_t i = 0; i < n; i++)
        if (c[i].at == at)
            return &c[i];
    return NULL;
}

static struct mlo_history_point page_point(const struct point *p, const struct mlo_change_point *change)
{
    return (struct mlo_history_point){.run = p->run,
                                      .time_ns = p->time_ns,
                                      .commit = *p->commit ? p->commit : NULL,
                                      .p50_ns = p->p50_ns,
                                      .p99_ns = p->p99_ns,
                                      .change = change ? change->after / change->before : 0};
}

/* The points of one batch. mine, x: room for all points. Returns how many. */
static size_t points_of(const struct history *h, size_t batch, const struct point **mine, double *x,
                        double *ret_most)
{
    size_t n = 0;
    *ret_most = 1;
    for (size_t i = 0; i < h->n; i++)
        if (h->points[i].batch == batch) {
            x[n] = h->points[i].steady_ns / h->points[i].speed;
            *ret_most = fmax(*ret_most, h->points[i].p50_ns);
            mine[n++] = &h->points[i];
        }
    return n;
}

/* Times over the machine's speed then, so that a slower machine is no change of the model. */
static int put_batch(struct history *h, size_t batch, struct mlo_err *err)
{
    static const struct mlo_change_opts usual = {WINDOW, CHANGE_P, CHANGE_MIN};
    MLO_AUTOFREE const struct point **mine = mlo_calloc(h->n + 1, sizeof(struct point *), err);
    MLO_AUTOFREE double *x = mine ? mlo_calloc(h->n + 1, sizeof *x, err) : NULL;
    MLO_AUTOFREE struct mlo_change_point *changes = x ? mlo_calloc(h->n + 1, sizeof *changes, err) : NULL;
    struct mlo_history_point *page = changes ? mlo_calloc(h->n + 1, sizeof *page, err) : NULL;
    size_t n_changes = 0;
    double most;
    if (!page)
        return err->code;
    size_t n = points_of(h, batch, mine, x, &most);
    h->lines[h->n_lines++] = (struct mlo_history_line){batch, n, page};
    int rc = mlo_change_points(x, n, &usual, changes, &n_changes, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const struct mlo_change_point *change = change_at(changes, n_changes, i);
        put_point(h->b->ctx->report, mine[i], most, change);
        page[i] = page_point(mine[i], change);
    }
    return rc;
}

static void release(struct history *h)
{
    for (size_t i = 0; i < h->n_lines; i++)
        free((void *)(uintptr_t)h->lines[i].points);
    free(h->points);
}

int mlo_bench_history(struct mlo_bench *b, struct mlo_err *err)
{
    const struct mlo_run_filter filter = {
        .command = "bench", .status = "done", .limit = RUNS_MAX, .oldest_first = true};
    struct mlo_workspace ws;
    struct history h = {.b = b, .ws = &ws};
    int rc = mlo_workspace_read(b->ctx, &ws, err);
    if (rc != 0)
        return rc;
    mlo_report_table(b->ctx->report, "history", NULL, columns, MLO_COUNT(columns),
                     "no run of bench with this model, machine and load");
    if (ws.ledger)
        rc = mlo_run_each(ws.ledger, &filter, take_run, &h, err);
    for (size_t i = 0; rc == 0 && i < b->n_batches; i++)
        rc = put_batch(&h, b->batches[i], err);
    mlo_workspace_close(&ws);
    if (rc == 0 && b->args->html)
        rc = mlo_bench_write_history(b, h.lines, h.n_lines, err);
    release(&h);
    return rc;
}
