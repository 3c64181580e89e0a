/*
 * How the times of a bench are distributed, as a picture in text: times from left to right and counts
 * upwards, both by their logarithm, so that the few slow requests are seen beside the many fast ones. What it
 * was held against has the same axis and stands above it.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "bench.h"

#define WIDTH  72
#define HEIGHT 5
#define EIGHTS 8 /* of a character's height */

struct axis {
    double low, high; /* log of ns */
};

static void widen(struct axis *a, const struct mlo_times *t)
{
    if (t->n == 0)
        return;
    a->low = fmin(a->low, log(fmax((double)t->least, 1)));
    a->high = fmax(a->high, log(fmax((double)t->most, 1)));
}

static size_t column_of(const struct axis *a, double ns)
{
    double at = a->high > a->low ? (log(fmax(ns, 1)) - a->low) / (a->high - a->low) * WIDTH : 0;
    return at < 0 ? 0 : at >= WIDTH ? WIDTH - 1 : (size_t)at;
}

static void count_columns(const struct mlo_times *t, const struct axis *a, double ret[WIDTH])
{
    memset(ret, 0, WIDTH * sizeof *ret);
    for (size_t i = 0; i < MLO_TIMES_BUCKETS; i++) {
        uint64_t low, high;
        mlo_times_bounds(i, &low, &high);
        if (t->counts[i] > 0)
            ret[column_of(a, ((double)low + (double)high) / 2)] += (double)t->counts[i];
    }
}

/* ---- text ---- */

static void put_rows(struct mlo_report *r, const double counts[WIDTH])
{
    static const char *const blocks[EIGHTS + 1] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    double most = 0;
    for (size_t i = 0; i < WIDTH; i++)
        most = fmax(most, counts[i]);
    for (int row = HEIGHT - 1; row >= 0; row--) {
        char line[WIDTH * 3 + 1] = "";
        size_t at = 0, end = 0;
        for (size_t i = 0; i < WIDTH; i++) {
            /* what was seen once is a line, the most of all fills it */
            double full = counts[i] > 0 ? 1 + (HEIGHT * EIGHTS - 1) * log(counts[i]) / log(fmax(most, 2)) : 0;
            int part = (int)lround(full) - row * EIGHTS;
            part = part < 0 ? 0 : part > EIGHTS ? EIGHTS : part;
            at += (size_t)snprintf(line + at, sizeof line - at, "%s", blocks[part]);
            end = part > 0 ? at : end;
        }
        line[end] = '\0';
        mlo_report_note(r, "  %s", line);
    }
}

/* text at this column, or at the next one that is free. */
static void write_at(char line[WIDTH + 16], size_t column, const char *text)
{
    size_t n = strlen(text);
    while (column + n < WIDTH + 15 &&
           (strspn(line + column, " ") < n || (column > 0 && line[column - 1] != ' ')))
        column++;
    if (column + n < WIDTH + 15)
        memcpy(line + column, text, n);
}

static void put_line(struct mlo_report *r, char line[WIDTH + 16])
{
    size_t n = WIDTH + 15;
    while (n > 0 && line[n - 1] == ' ')
        n--;
    mlo_report_note(r, "  %.*s", (int)n, line);
}

static void put_marks(struct mlo_report *r, const struct mlo_times *t, const struct axis *a)
{
    static const struct {
        double q;
        const char *mark;
    } marks[] = {{0.5, "p50"}, {0.9, "p90"}, {0.99, "p99"}};
    char line[WIDTH + 16];
    memset(line, ' ', sizeof line);
    line[sizeof line - 1] = '\0';
    for (size_t i = 0; i < MLO_COUNT(marks); i++)
        if (i == 0 || mlo_quantile_rank(t->n, marks[i].q, 0.99) > 0)
            write_at(line, column_of(a, (double)mlo_times_quantile(t, marks[i].q)), marks[i].mark);
    put_line(r, line);
}

static void put_axis(struct mlo_report *r, const struct axis *a)
{
    char line[WIDTH + 16], human[MLO_HUMAN_MAX];
    memset(line, ' ', sizeof line);
    line[sizeof line - 1] = '\0';
    for (int i = 0; i <= 4; i++) {
        mlo_human_duration((uint64_t)exp(a->low + (a->high - a->low) * i / 4), human);
        if (i == 0 || a->high > a->low)
            write_at(line, i * WIDTH / 4 > 0 ? (size_t)(i * WIDTH / 4 - 1) : 0, human);
    }
    put_line(r, line);
}

static void put_side(struct mlo_report *r, const char *title, const struct mlo_bench_case *c,
                     const struct axis *a)
{
    const struct mlo_measured *m = &c->measured;
    double counts[WIDTH];
    char of[64] = "";
    if (m->repeat > 1)
        snprintf(of, sizeof of, ", means of %u requests", m->repeat);
    mlo_report_note(r, "%s, batch %zu: %llu timings%s%s", title, c->batch, (unsigned long long)m->times.n, of,
                    m->stopped ? ", interrupted" : "");
    if (m->times.n == 0)
        return;
    count_columns(&m->times, a, counts);
    put_rows(r, counts);
    put_marks(r, &m->times, a);
}

static void put_picture(struct mlo_report *r, const struct mlo_bench_case *c,
                        const struct mlo_bench_case *other)
{
    struct axis a = {INFINITY, -INFINITY};
    widen(&a, &c->measured.times);
    if (other) {
        widen(&a, &other->measured.times);
        put_side(r, "held against", other, &a);
    }
    put_side(r, "times", c, &a);
    if (a.high >= a.low)
        put_axis(r, &a);
}

/* ---- JSON ---- */

static void add_histogram(cJSON *list, const char *side, const struct mlo_bench_case *c)
{
    const struct mlo_times *t = &c->measured.times;
    cJSON *o = cJSON_CreateObject(), *buckets;
    cJSON_AddStringToObject(o, "side", side);
    mlo_json_add_u64(o, "batch", c->batch);
    mlo_json_add_u64(o, "timings", t->n);
    mlo_json_add_u64(o, "repeat", c->measured.repeat);
    cJSON_AddBoolToObject(o, "stopped", c->measured.stopped);
    buckets = cJSON_AddArrayToObject(o, "buckets");
    for (size_t i = 0; i < MLO_TIMES_BUCKETS; i++) {
        uint64_t low, high;
        mlo_times_bounds(i, &low, &high);
        if (t->counts[i] > 0) {
            cJSON *bucket = cJSON_CreateObject();
            mlo_json_add_u64(bucket, "from_ns", low);
            mlo_json_add_u64(bucket, "to_ns", high);
            mlo_json_add_u64(bucket, "count", t->counts[i]);
            cJSON_AddItemToArray(buckets, bucket);
        }
    }
    cJSON_AddItemToArray(list, o);
}

/* ---- both ---- */

static void show(struct mlo_ctx *ctx, const struct mlo_bench_result *r,
                 const struct mlo_bench_result *against)
{
    cJSON *list = ctx->json ? cJSON_CreateArray() : NULL;
    for (size_t i = 0; i < r->n; i++) {
        const struct mlo_bench_case *c = &r->cases[i], *other = mlo_bench_result_find(against, c->batch);
        if (!ctx->json) {
            if (i > 0)
                mlo_report_note(ctx->report, "%s", "");
            put_picture(ctx->report, c, other);
            continue;
        }
        add_histogram(list, "measured", c);
        if (other)
            add_histogram(list, "against", other);
    }
    if (ctx->json)
        mlo_report_json(ctx->report, "histograms", list);
}

int mlo_bench_show_run(struct mlo_ctx *ctx, struct mlo_workspace *ws, int64_t run, struct mlo_err *err)
{
    struct mlo_bench_result r = {0}, against = {0};
    bool found = false, has_other = false;
    int rc = mlo_bench_read_run(ws, run, MLO_BENCH_RESULT, &r, &found, err);
    if (rc == 0 && found)
        rc = mlo_bench_read_run(ws, run, MLO_BENCH_AGAINST, &against, &has_other, err);
    if (rc == 0 && found)
        show(ctx, &r, &against);
    mlo_bench_result_release(&r);
    mlo_bench_result_release(&against);
    return rc;
}
