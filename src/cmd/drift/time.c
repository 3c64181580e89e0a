/* Drift over time on the terminal: a row for each window, a line of blocks for each column that moved most.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "drift.h"

#define SHOWN_WINDOWS ((size_t)12) /* the latest; unless --all */
#define SHOWN_LINES   ((size_t)5)
#define LINE_WIDTH    ((size_t)60) /* more windows: the worst of some that lie together */

/* ---- windows ---- */

static const struct mlo_column text_columns[] = {
    {"window", "WINDOW", MLO_CELL_TEXT},           {"rows", "ROWS", MLO_CELL_U64},
    {"verdict", "VERDICT", MLO_CELL_TEXT},         {"worst_psi", "WORST PSI", MLO_CELL_DOUBLE},
    {"worst_noise", "NOISE 95%", MLO_CELL_DOUBLE}, {"worst", "OF", MLO_CELL_TEXT},
    {"share_drifted", "CHANGED", MLO_CELL_DOUBLE},
};
static const struct mlo_column json_columns[] = {
    {"window", "", MLO_CELL_TEXT},
    {"from", "", MLO_CELL_TIME},
    {"to", "", MLO_CELL_TIME},
    {"rows", "", MLO_CELL_U64},
    {"verdict", "", MLO_CELL_TEXT},
    {"worst_psi", "", MLO_CELL_DOUBLE},
    {"worst_noise", "", MLO_CELL_DOUBLE},
    {"worst", "", MLO_CELL_TEXT},
    {"share_drifted", "", MLO_CELL_DOUBLE},
};

static void put_time(struct mlo_report *r, const struct mlo_drift_window *w, int64_t ns)
{
    if (w->from_ns || w->to_ns)
        mlo_cell_i64(r, ns);
    else
        mlo_cell_none(r);
}

static void put_window(struct mlo_ctx *ctx, const struct mlo_drift_window *w)
{
    struct mlo_report *r = ctx->report;
    mlo_cell_text(r, w->label);
    if (ctx->json) {
        put_time(r, w, w->from_ns);
        put_time(r, w, w->to_ns);
    }
    mlo_cell_u64(r, w->rows);
    mlo_cell_text(r, mlo_verdict_word(w->verdict));
    mlo_drift_put(r, w->worst_psi, w->worst, ctx->json);
    mlo_drift_put(r, w->worst_noise, w->worst, ctx->json);
    mlo_cell_text(r, w->worst);
    mlo_drift_put(r, w->share_drifted, true, ctx->json);
}

static void put_windows(struct mlo_ctx *ctx, const struct mlo_drift_report *d, bool all)
{
    struct mlo_report *r = ctx->report;
    size_t first = all || ctx->json || d->n_windows <= SHOWN_WINDOWS ? 0 : d->n_windows - SHOWN_WINDOWS;
    size_t drifted = 0;
    if (ctx->json)
        mlo_report_table(r, "windows", NULL, json_columns, MLO_COUNT(json_columns), NULL);
    else
        mlo_report_table(r, "windows", "OVER TIME", text_columns, MLO_COUNT(text_columns), NULL);
    for (size_t i = 0; i < d->n_windows; i++) {
        drifted += i < first && d->windows[i].verdict == MLO_VERDICT_DRIFT;
        if (i >= first)
            put_window(ctx, &d->windows[i]);
    }
    if (first > 0)
        mlo_report_note(r, "%zu earlier windows, %zu of them with drift: --all shows them", first, drifted);
}

/* ---- columns ---- */

/* Full height is the largest value, but at least twice the limit: what is quiet looks quiet. */
static void draw(const struct mlo_drift_report *d, size_t column, struct mlo_str *line)
{
    static const char *const blocks[] = {"\u2581", "\u2582", "\u2583", "\u2584",
                                         "\u2585", "\u2586", "\u2587", "\u2588"};
    size_t n = d->n_windows, width = n < LINE_WIDTH ? n : LINE_WIDTH;
    double top = fmax(mlo_drift_most(d, column, 0, n), 2 * d->columns[column].limits.psi);
    for (size_t i = 0; i < width; i++) {
        double v = mlo_drift_most(d, column, n * i / width, n * (i + 1) / width);
        size_t high = isnan(v) ? 0 : (size_t)(v / top * (double)MLO_COUNT(blocks));
        mlo_str_add(line, isnan(v) ? " " : blocks[high < MLO_COUNT(blocks) ? high : MLO_COUNT(blocks) - 1]);
    }
}

static void put_lines(struct mlo_report *r, const struct mlo_drift_report *d)
{
    static const struct mlo_column columns[] = {
        {"column", "COLUMN", MLO_CELL_TEXT},
        {"psi", "PSI OVER TIME", MLO_CELL_TEXT},
        {"most", "MOST", MLO_CELL_DOUBLE},
        {"last", "LAST", MLO_CELL_DOUBLE},
    };
    size_t movers[SHOWN_LINES], n = mlo_drift_movers(d, movers, SHOWN_LINES);
    mlo_report_table(r, "lines", NULL, columns, MLO_COUNT(columns), NULL);
    for (size_t k = 0; k < n; k++) {
        MLO_AUTOSTR struct mlo_str line;
        mlo_str_init(&line, 4 * LINE_WIDTH + 1);
        draw(d, movers[k], &line);
        mlo_cell_text(r, d->columns[movers[k]].name);
        mlo_cell_text(r, line.ptr);
        mlo_drift_put(r, mlo_drift_most(d, movers[k], 0, d->n_windows), true, false);
        mlo_drift_put(r, d->windows[d->n_windows - 1].psi[movers[k]], true, false);
    }
}

static bool add_series(cJSON *all, const struct mlo_drift_report *d, size_t column)
{
    cJSON *list = cJSON_AddArrayToObject(all, d->columns[column].name);
    bool done = list;
    for (size_t w = 0; done && w < d->n_windows; w++) {
        double v = d->windows[w].psi[column];
        done = cJSON_AddItemToArray(list, isnan(v) ? cJSON_CreateNull() : cJSON_CreateNumber(v));
    }
    return done;
}

/* {"age": [0.01, null, ...]}: PSI in each window. */
static void put_series(struct mlo_report *r, const struct mlo_drift_report *d)
{
    cJSON *all = cJSON_CreateObject();
    bool done = all;
    for (size_t i = 0; done && i < d->n_columns; i++)
        if (!isnan(mlo_drift_most(d, i, 0, d->n_windows)))
            done = add_series(all, d, i);
    if (!done)
        cJSON_Delete(all);
    mlo_report_json(r, "window_psi", done ? all : NULL); /* NULL is reported as no memory */
}

void mlo_drift_show_windows(struct mlo_ctx *ctx, const struct mlo_drift_report *d, bool all)
{
    put_windows(ctx, d, all);
    if (ctx->json)
        put_series(ctx->report, d);
    else
        put_lines(ctx->report, d);
}
