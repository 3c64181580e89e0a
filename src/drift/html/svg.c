/*
 * Charts of the report. Reference and current differ in more than hue: filled against outlined, dashed
 * against solid. Nothing of the data is text here but numbers; what a chart shows stands in a table or a
 * sentence beside it too.
 */
#include <math.h>
#include <string.h>

#include "html.h"

/* ---- bars in tables ---- */

#define BAR_LENGTH 100

/* Square roots: 0.01, 0.1 and 1 can be told apart on one scale. 1 and more fill the bar. */
static int bar_place(double psi)
{
    return psi >= 1 ? BAR_LENGTH : (int)lround(BAR_LENGTH * sqrt(fmax(psi, 0)));
}

static void put_mark(struct mlo_str *out, const char *css, double psi)
{
    if (psi >= 0 && psi <= 1)
        mlo_str_addf(out, "<path class=\"%s\" d=\"M%d 0v12\"/>", css, bar_place(psi));
}

void mlo_svg_bar(struct mlo_str *out, double psi, double limit, double noise)
{
    mlo_str_addf(out, "<svg class=\"b\" aria-hidden=\"true\"><path d=\"M0 3h%dv6H0z\"/>", bar_place(psi));
    put_mark(out, "l", limit);
    put_mark(out, "o", noise);
    mlo_str_add(out, "</svg>");
}

void mlo_svg_pair(struct mlo_str *out, double reference, double current, double longest)
{
    double unit = longest > 0 ? BAR_LENGTH / longest : 0;
    mlo_str_addf(out,
                 "<svg class=\"b\" aria-hidden=\"true\">"
                 "<path class=\"r\" d=\"M0 1h%dv4H0z\"/><path class=\"c\" d=\"M0 7h%dv4H0z\"/></svg>",
                 (int)lround(reference * unit), (int)lround(current * unit));
}

/* ---- histogram ---- */

#define BARS_MAX 20
enum { TOP = 14, BASE = 114, LEFT = 30, RIGHT = 270, OPEN_WIDTH = 16 };

/* Shares of all rows: below, the bars, above, missing. */
struct bars {
    double share[BARS_MAX + 3];
};
struct grid {
    size_t n; /* bars */
    double low, high;
    double label_low, label_high;
    bool each_value; /* a bar for each value, in order */
};

static bool is_whole(const struct mlo_drift_fine *f)
{
    if (!f->each_value)
        return false;
    for (size_t i = 0; i + 1 < f->n_edges; i++)
        if (f->edges[i] < rint(f->edges[i]) || f->edges[i] > rint(f->edges[i]))
            return false;
    return true;
}

/* The reference's range, less the far ends of long tails: they go into the open ends. */
static void range_of(const struct mlo_drift_column *c, double *ret_low, double *ret_high)
{
    const struct mlo_drift_fine *f = &c->fine;
    double q1 = c->quantiles_reference[0], q99 = c->quantiles_reference[6], room = (q99 - q1) / 2;
    double low = f->edges[0], high = f->edges[f->n_edges - 1];
    if (room > 0) {
        low = fmax(low, q1 - room);
        high = fmin(high, q99 + room);
    }
    *ret_low = low;
    *ret_high = high;
}

static struct grid grid_of(const struct mlo_drift_column *c)
{
    const struct mlo_drift_fine *f = &c->fine;
    struct grid g = {.n = BARS_MAX};
    if (f->each_value && f->n_edges <= BARS_MAX + 1) {
        g = (struct grid){.n = f->n_edges - 1, .each_value = true};
        g.label_low = f->edges[0];
        g.label_high = f->edges[g.n - (g.n > 0)];
        return g;
    }
    range_of(c, &g.low, &g.high);
    g.label_low = g.low;
    g.label_high = g.high;
    if (is_whole(f)) { /* each bar holds equally many whole numbers */
        double first = floor(g.low), last = floor(g.high), step = ceil((last - first + 1) / BARS_MAX);
        g.n = (size_t)ceil((last - first + 1) / step);
        g.low = first - 0.5;
        g.high = g.low + step * (double)g.n;
        g.label_low = first;
        g.label_high = last;
    }
    return g;
}

static size_t bar_of(const struct grid *g, double v)
{
    if (v < g->low)
        return 0;
    if (v >= g->high)
        return g->n + 1;
    size_t i = (size_t)((v - g->low) / (g->high - g->low) * (double)g->n);
    return 1 + (i < g->n ? i : g->n - 1);
}

/* A fine bin's rows, spread evenly over the bars it touches. */
static void spread(const struct grid *g, double from, double to, double share, struct bars *ret)
{
    size_t first = bar_of(g, from), last = bar_of(g, to);
    double width = (g->high - g->low) / (double)g->n;
    if (first == last || to <= from) {
        ret->share[first] += share;
        return;
    }
    for (size_t i = first; i <= last; i++) {
        double low = i == first ? from : g->low + width * (double)(i - 1);
        double high = i == last ? to : g->low + width * (double)i;
        ret->share[i] += share * fmax(high - low, 0) / (to - from);
    }
}

static void fill(const struct mlo_drift_column *c, const struct grid *g, const uint64_t *fine,
                 const uint64_t *coarse, struct bars *ret)
{
    const struct mlo_drift_fine *f = &c->fine;
    uint64_t rows = coarse[c->bins - 1];
    for (size_t i = 0; i <= f->n_edges; i++)
        rows += fine[i];
    double unit = rows ? 1 / (double)rows : 0;
    *ret = (struct bars){0};
    ret->share[0] = (double)fine[0] * unit;
    for (size_t i = 1; i < f->n_edges; i++)
        if (g->each_value)
            ret->share[i] = (double)fine[i] * unit;
        else
            spread(g, f->edges[i - 1], f->each_value ? f->edges[i - 1] : f->edges[i], (double)fine[i] * unit,
                   ret);
    ret->share[g->n + 1] += (double)fine[f->n_edges] * unit;
    ret->share[g->n + 2] = (double)coarse[c->bins - 1] * unit;
}

static double highest(const struct bars *a, const struct bars *b, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fmax(a->share[i], b->share[i]));
    return most;
}

static int height(double share, double most)
{
    return BASE - (int)lround(share / most * (BASE - TOP));
}

static void put_lone(struct mlo_str *out, int x, double share, double most)
{
    if (share > 0)
        mlo_str_addf(out, "M%d %dV%dh%dV%d", x, BASE, height(share, most), OPEN_WIDTH, BASE);
}

static void put_bars(struct mlo_str *out, const char *css, const struct grid *g, const struct bars *b,
                     double most)
{
    int at = BASE;
    mlo_str_addf(out, "<path class=\"%s\" d=\"", css);
    put_lone(out, 4, b->share[0], most);
    mlo_str_addf(out, "M%d %d", LEFT, BASE);
    for (size_t i = 1; i <= g->n; i++) {
        int y = height(b->share[i], most), x = LEFT + (int)((size_t)(RIGHT - LEFT) * i / g->n);
        if (y != at)
            mlo_str_addf(out, "V%d", y);
        at = y;
        mlo_str_addf(out, "H%d", x);
    }
    mlo_str_addf(out, "V%d", BASE);
    put_lone(out, 280, b->share[g->n + 1], most);
    put_lone(out, 304, b->share[g->n + 2], most);
    mlo_str_add(out, "\"/>");
}

static void put_axis(struct mlo_str *out, double low, double high, int right)
{
    mlo_str_addf(out, "<path class=\"x\" d=\"M%d %dH%d\"/><text x=\"%d\" y=\"126\">", LEFT, BASE, right,
                 LEFT);
    mlo_spell_number(out, low);
    mlo_str_addf(out, "</text><text class=\"e\" x=\"%d\" y=\"126\">", right);
    mlo_spell_number(out, high);
    mlo_str_add(out, "</text>");
}

static void begin(struct mlo_str *out, const char *kind, const char *what)
{
    mlo_str_addf(out, "<svg class=\"f%s\" viewBox=\"0 0 324 130\" role=\"img\" aria-label=\"%s\">", kind,
                 what);
}

void mlo_svg_histogram(struct mlo_str *out, const struct mlo_drift_column *c)
{
    struct grid g = grid_of(c);
    struct bars a, b;
    fill(c, &g, c->fine.reference, c->counts_reference, &a);
    fill(c, &g, c->fine.current, c->counts_current, &b);
    double most = highest(&a, &b, g.n + 3);
    if (g.n == 0 || most <= 0)
        return;
    mlo_str_add(out, "<figure>");
    begin(out, "", "Histogram");
    mlo_str_add(out, "<text x=\"0\" y=\"9\">");
    mlo_spell_percent(out, most);
    mlo_str_add(out, "</text>");
    put_bars(out, "r", &g, &a, most);
    put_bars(out, "c", &g, &b, most);
    put_axis(out, g.label_low, g.label_high, RIGHT);
    if (a.share[0] + b.share[0] > 0)
        mlo_str_add(out, "<text x=\"4\" y=\"126\">less</text>");
    if (a.share[g.n + 1] + b.share[g.n + 1] > 0)
        mlo_str_add(out, "<text x=\"274\" y=\"126\">more</text>");
    if (a.share[g.n + 2] + b.share[g.n + 2] > 0)
        mlo_str_add(out, "<text class=\"e\" x=\"324\" y=\"9\">missing</text>");
    mlo_str_add(out, "</svg><figcaption>Share of rows");
    if (c->outside > 0) {
        mlo_str_add(out, "; now ");
        mlo_spell_percent(out, c->outside);
        mlo_str_add(out, " beyond the reference");
    }
    mlo_str_add(out, ".</figcaption></figure>");
}

/* ---- distribution functions ---- */

enum {
    ECDF_RIGHT = 310,
    ECDF_STEP = 12,
    /* points nearer than that are one */ STEPS_MAX = 28 /* more look straight */
};

static int ecdf_x(double v, double low, double high)
{
    double x = high > low ? (v - low) / (high - low) : 0.5;
    return LEFT + (int)lround(fmin(fmax(x, 0), 1) * (ECDF_RIGHT - LEFT));
}

static int ecdf_y(double share)
{
    return BASE - (int)lround(share * (BASE - TOP));
}

static void put_ecdf(struct mlo_str *out, const char *css, const struct mlo_drift_fine *f,
                     const uint64_t *counts, uint64_t n, double low, double high)
{
    bool steps = f->each_value && f->n_edges <= STEPS_MAX;
    double sum = (double)counts[0];
    int at = LEFT, y = ecdf_y(sum / (double)n);
    mlo_str_addf(out, "<path class=\"%s\" d=\"M%d %d", css, LEFT, y);
    for (size_t i = 1; i < f->n_edges; i++) {
        int x = ecdf_x(f->each_value ? f->edges[i - 1] : f->edges[i], low, high);
        sum += (double)counts[i];
        if (!steps && x < at + ECDF_STEP && i + 1 < f->n_edges)
            continue;
        int next = ecdf_y(sum / (double)n);
        if (steps)
            mlo_str_addf(out, "h%dv%d", x - at, next - y);
        else /* a minus parts numbers too, and `l` goes on */
            mlo_str_addf(out, next < y ? "%s%d%d" : "%s%d %d", at == LEFT ? "l" : " ", x - at, next - y);
        at = x;
        y = next;
    }
    mlo_str_addf(out, "H%d\"/>", ECDF_RIGHT);
}

static double share_below(const struct mlo_drift_fine *f, const uint64_t *counts, uint64_t n, double v)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < f->n_edges && f->edges[i] <= v; i++)
        sum += counts[i];
    return n ? (double)sum / (double)n : 0;
}

/* Where the gap opens: at the edge, or where each value has a bin, at the value before it. */
static double gap_value(const struct mlo_drift_column *c)
{
    const struct mlo_drift_fine *f = &c->fine;
    double at = c->ks.at;
    for (size_t i = 1; f->each_value && i < f->n_edges && f->edges[i] <= c->ks.at; i++)
        at = f->edges[i - 1];
    return at;
}

void mlo_svg_ecdf(struct mlo_str *out, const struct mlo_drift_column *c)
{
    double low, high, a = share_below(&c->fine, c->fine.reference, c->n_reference, c->ks.at),
                      b = share_below(&c->fine, c->fine.current, c->n_current, c->ks.at);
    range_of(c, &low, &high);
    double label_low = low, label_high = high;
    if (c->fine.each_value) { /* room before the first step */
        low -= (high - low) / 25;
        label_high = fmin(high, c->reference.max);
    }
    mlo_str_add(out, "<figure>");
    begin(out, " h", "Distribution functions");
    mlo_str_add(out, "<text x=\"0\" y=\"18\">100 %</text>");
    put_ecdf(out, "r", &c->fine, c->fine.reference, c->n_reference, low, high);
    put_ecdf(out, "c", &c->fine, c->fine.current, c->n_current, low, high);
    mlo_str_addf(out, "<path class=\"g\" d=\"M%d %dV%d\"/>", ecdf_x(gap_value(c), low, high), ecdf_y(a),
                 ecdf_y(b));
    put_axis(out, label_low, label_high, ECDF_RIGHT);
    mlo_str_addf(out, "</svg><figcaption>KS %.3f", c->ks.statistic);
    if (c->ks_error > 0)
        mlo_str_addf(out, " \u00b1%.2g", c->ks_error);
    mlo_str_add(out, c->fine.each_value ? ": up to " : ": below ");
    mlo_spell_number(out, gap_value(c));
    mlo_str_add(out, " lie ");
    mlo_spell_percent(out, a);
    mlo_str_add(out, " of the reference, ");
    mlo_spell_percent(out, b);
    mlo_str_add(out, " now.</figcaption></figure>");
}

/* ---- over time ---- */

#define TIME_WIDTH  960
#define TIME_HEIGHT 120

/* Left edge of place i of n. */
static int time_x(size_t i, size_t n)
{
    return (int)(TIME_WIDTH * i / n);
}

static void put_time_bar(struct mlo_str *out, size_t i, size_t n, double psi)
{
    int x = time_x(i, n), next = time_x(i + 1, n), high = bar_place(psi);
    int width = next - x > 3 ? next - x - 2 : 1;
    mlo_str_addf(out, "M%d %dv-%dh%dv%dz", x, TIME_HEIGHT, high, width, high);
}

/* A stretch of a line over place i of n. */
static void put_time_level(struct mlo_str *out, size_t i, size_t n, double psi)
{
    mlo_str_addf(out, "M%d %dH%d", time_x(i, n), TIME_HEIGHT - bar_place(psi), time_x(i + 1, n));
}

void mlo_svg_windows(struct mlo_str *out, const struct mlo_drift_report *r)
{
    size_t n = r->n_windows;
    mlo_str_addf(
        out,
        "<svg class=\"w\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Worst PSI of each window, in "
        "order of time\">",
        TIME_WIDTH, TIME_HEIGHT);
    for (size_t i = 0; i < n; i++) {
        const struct mlo_drift_window *w = &r->windows[i];
        mlo_str_addf(out, "<path class=\"%s\" d=\"",
                     mlo_look_of(w->verdict, w->verdict == MLO_VERDICT_DRIFT).hue);
        put_time_bar(out, i, n, w->worst_psi);
        mlo_str_add(out, "\"/>");
    }
    mlo_str_add(out, "<path class=\"o\" d=\"");
    for (size_t i = 0; i < n; i++)
        put_time_level(out, i, n, r->windows[i].worst_noise);
    mlo_str_add(out, "\"/><path class=\"l\" d=\"");
    for (size_t i = 0; i < n; i++)
        put_time_level(out, i, n, r->windows[i].worst_limit);
    mlo_str_add(out, "\"/></svg>");
}

void mlo_svg_series(struct mlo_str *out, const struct mlo_drift_report *r, size_t column)
{
    enum { SERIES_MAX = 200 }; /* more windows: the worst of some that lie together */
    size_t n = r->n_windows < SERIES_MAX ? r->n_windows : SERIES_MAX;
    mlo_str_addf(out,
                 "<svg class=\"w\" viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
                 "<path class=\"n\" d=\"",
                 TIME_WIDTH, TIME_HEIGHT);
    for (size_t i = 0; i < n; i++) {
        double most = mlo_drift_most(r, column, r->n_windows * i / n, r->n_windows * (i + 1) / n);
        if (!isnan(most))
            put_time_bar(out, i, n, most);
    }
    mlo_str_add(out, "\"/><path class=\"l\" d=\"");
    put_time_level(out, 0, 1, r->columns[column].limits.psi);
    mlo_str_add(out, "\"/></svg>");
}
