/* One column in full: charts, quantiles, and which bins or categories make its PSI. */
#include <math.h>
#include <string.h>

#include "html.h"

/* What of a list is shown: more of what changed. */
enum { BINS_ALARM = 6, BINS_QUIET = 2, CATEGORIES_ALARM = 10, CATEGORIES_QUIET = 5 };

/* ---- bins and what they add to PSI ---- */

struct term {
    size_t bin;
    double reference, current, psi;
};

static uint64_t total(const uint64_t *counts, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += counts[i];
    return sum;
}

/* The summands of mlo_psi with MLO_ZERO_HALF; bins that are empty on both sides have none. Returns how many.
 */
static size_t terms_of(const struct mlo_drift_column *c, struct term *ret, size_t max)
{
    const uint64_t *a = c->counts_reference, *b = c->counts_current;
    double n = (double)total(a, c->bins), m = (double)total(b, c->bins), half = 0;
    size_t used = 0;
    for (size_t i = 0; i < c->bins; i++)
        half += a[i] + b[i] > 0 ? 0.5 : 0;
    for (size_t i = 0; i < c->bins && used < max; i++) {
        double p = ((double)a[i] + 0.5) / (n + half), q = ((double)b[i] + 0.5) / (m + half);
        if (a[i] + b[i] > 0)
            ret[used++] = (struct term){i, n > 0 ? (double)a[i] / n : 0, m > 0 ? (double)b[i] / m : 0,
                                        (p - q) * log(p / q)};
    }
    return used;
}

static int by_psi(const void *x, const void *y)
{
    const struct term *a = x, *b = y;
    return a->psi != b->psi ? (a->psi < b->psi ? 1 : -1) : (a->bin > b->bin) - (a->bin < b->bin);
}

static int by_difference(const void *x, const void *y)
{
    const struct term *a = x, *b = y;
    double da = fabs(a->current - a->reference), db = fabs(b->current - b->reference);
    return da != db ? (da < db ? 1 : -1) : (a->bin > b->bin) - (a->bin < b->bin);
}

/* Values of the reference in [from, to); of interest: none, one, more. */
static size_t values_between(const struct mlo_drift_fine *f, double from, double to)
{
    size_t n = 0;
    for (size_t i = 0; i + 1 < f->n_edges; i++)
        n += f->edges[i] >= from && f->edges[i] < to;
    return n;
}

static void put_bin(struct mlo_str *out, const struct mlo_drift_column *c, size_t bin)
{
    size_t edges = c->bins - 2;
    if (bin == c->bins - 1) {
        mlo_str_add(out, "missing");
    } else if (edges == 0) {
        mlo_str_add(out, "any value");
    } else if (bin == 0) {
        mlo_str_add(out, "below ");
        mlo_spell_number(out, c->edges[0]);
    } else if (bin == edges) {
        mlo_spell_number(out, c->edges[edges - 1]);
        mlo_str_add(out, " and more");
    } else {
        mlo_spell_number(out, c->edges[bin - 1]);
        if (c->fine.each_value && values_between(&c->fine, c->edges[bin - 1], c->edges[bin]) == 1)
            return;
        mlo_str_add(out, " to ");
        mlo_spell_number(out, c->edges[bin]);
    }
}

static void put_term(struct mlo_str *out, const struct mlo_drift_column *c, const struct term *t,
                     double longest)
{
    mlo_str_add(out, "<tr><th>");
    if (c->labels)
        mlo_spell_short(out, c->labels[t->bin].ptr, c->labels[t->bin].len);
    else
        put_bin(out, c, t->bin);
    mlo_str_add(out, "</th><td>");
    mlo_spell_percent(out, t->reference);
    mlo_str_add(out, "</td><td>");
    mlo_spell_percent(out, t->current);
    mlo_str_add(out, "</td>");
    if (c->labels) { /* of numbers the histogram shows it */
        mlo_str_addf(out, "<td>%+.1f</td><td>", 100 * (t->current - t->reference));
        mlo_svg_pair(out, t->reference, t->current, longest);
        mlo_str_add(out, "</td>");
    }
    mlo_str_addf(out, "<td>%.3f</td></tr>", t->psi);
}

static void put_terms(struct mlo_str *out, const struct mlo_drift_column *c, bool alarm)
{
    struct term t[64];
    size_t n = terms_of(c, t, MLO_COUNT(t)), most = alarm ? BINS_ALARM : BINS_QUIET;
    double longest = 0;
    if (c->labels)
        most = alarm ? CATEGORIES_ALARM : CATEGORIES_QUIET;
    qsort(t, n, sizeof *t, c->labels ? by_difference : by_psi);
    size_t shown = n < most ? n : most;
    for (size_t i = 0; i < shown; i++)
        longest = fmax(longest, fmax(t[i].reference, t[i].current));
    mlo_str_addf(out, "<table><caption>%s", c->labels ? "Categories by difference" : "What makes the PSI");
    if (shown < n)
        mlo_str_addf(out, ", %zu of %zu", shown, n);
    mlo_str_addf(
        out,
        "</caption><thead><tr><th>%s</th><th>reference</th><th>now</th>%s<th>PSI</th></tr></thead><tbody>",
        c->labels ? "category" : "bin", c->labels ? "<th>points</th><td></td>" : "");
    for (size_t i = 0; i < shown; i++)
        put_term(out, c, &t[i], longest);
    mlo_str_add(out, "</tbody></table>");
}

/* ---- numbers ---- */

static void put_row(struct mlo_str *out, const char *name, const double *v, size_t n)
{
    mlo_str_addf(out, "<tr><th>%s</th>", name);
    for (size_t i = 0; i < n; i++) {
        mlo_str_add(out, "<td>");
        mlo_spell_number(out, v[i]);
        mlo_str_add(out, "</td>");
    }
    mlo_str_add(out, "</tr>");
}

static void put_quantiles(struct mlo_str *out, const struct mlo_drift_column *c)
{
    enum { MEAN = 7, SD = 8, CELLS = 9 };
    double a[CELLS], b[CELLS], change[CELLS];
    for (size_t i = 0; i < MEAN; i++) {
        a[i] = c->quantiles_reference[i];
        b[i] = c->quantiles_current[i];
    }
    a[MEAN] = c->reference.mean;
    b[MEAN] = c->current.mean;
    a[SD] = sqrt(c->reference.variance);
    b[SD] = sqrt(c->current.variance);
    for (size_t i = 0; i < CELLS; i++)
        change[i] = b[i] - a[i];
    mlo_str_add(out, "<table><caption>Quantiles</caption><thead><tr><td></td>");
    static const char *const names[] = {"1 %", "5 %", "25 %", "median", "75 %", "95 %", "99 %", "mean", "sd"};
    for (size_t i = 0; i < CELLS; i++)
        mlo_str_addf(out, "<th>%s</th>", names[i]);
    mlo_str_add(out, "</tr></thead><tbody>");
    put_row(out, "reference", a, CELLS);
    put_row(out, "now", b, CELLS);
    put_row(out, "change", change, CELLS);
    mlo_str_add(out, "</tbody></table>");
}

static void put_charts(struct mlo_str *out, const struct mlo_drift_column *c)
{
    mlo_str_add(out, "<div class=\"k\">");
    mlo_svg_histogram(out, c);
    mlo_svg_ecdf(out, c);
    mlo_str_add(out, "</div>");
}

/* ---- categories ---- */

static void put_names(struct mlo_str *out, const char *title, const struct mlo_slice *names, uint64_t n)
{
    enum { KEPT = MLO_COUNT(((struct mlo_drift_column *)0)->new_categories) };
    if (n == 0)
        return;
    mlo_str_addf(out, "<p><b>%s</b> ", title);
    mlo_spell_count(out, n);
    for (size_t i = 0; i < KEPT && i < n; i++) {
        mlo_str_add(out, i ? ", <q>" : ": <q>");
        mlo_spell_short(out, names[i].ptr, names[i].len);
        mlo_str_add(out, "</q>");
    }
    mlo_str_add(out, n > KEPT ? " and more</p>" : "</p>");
}

/* ---- the whole ---- */

static void put_missing(struct mlo_str *out, const struct mlo_drift_column *c)
{
    mlo_str_add(out, " \u00b7 missing ");
    mlo_spell_percent(out, c->missing_reference);
    mlo_str_add(out, " \u2192 ");
    mlo_spell_percent(out, c->missing_current);
    mlo_str_addf(out, " (limit %g points, adjusted p ", 100 * c->limits.missing_change);
    mlo_spell_p(out, c->missing_p_adjusted);
    mlo_str_add(out, ") \u00b7 values ");
    mlo_spell_count(out, c->n_reference);
    mlo_str_add(out, " and ");
    mlo_spell_count(out, c->n_current);
}

static void put_figures(struct mlo_str *out, const struct mlo_drift_column *c)
{
    mlo_str_addf(out, "<p class=\"d\">PSI %.3f (limit %g, noise %.3f) \u00b7 adjusted p ", c->psi,
                 c->limits.psi, c->psi_noise.level95);
    mlo_spell_p(out, c->p_adjusted);
    mlo_str_addf(out, " (below %g) \u00b7 ", c->limits.p);
    if (mlo_is_compared_number(c)) {
        mlo_str_add(out, "Wasserstein ");
        mlo_str_addf(out, "%.3f sd \u00b7 ", c->wasserstein);
    }
    mlo_str_addf(out, "Jensen-Shannon %.3f", sqrt(fmax(c->js, 0)));
    if (c->missing_reference + c->missing_current > 0)
        put_missing(out, c);
    mlo_str_add(out, "</p>");
}

void mlo_html_detail(struct mlo_str *out, const struct mlo_drift_column *c, size_t id, bool open)
{
    struct mlo_look look = mlo_look_of_column(c);
    bool alarm = mlo_drift_is_alarm(c);
    mlo_str_addf(out, "<details%s><summary class=\"%s\"><b>", open ? " open=\"\"" : "", look.hue);
    mlo_spell_short(out, c->name, strlen(c->name));
    mlo_str_addf(out, "</b> <i>%s %s</i> ", look.symbol, look.word);
    mlo_spell_markup(out, c->why);
    mlo_str_addf(out, "</summary><div id=\"c%zu\">", id);
    put_figures(out, c);
    if (mlo_is_compared_number(c) && c->fine.n_edges > 0)
        put_charts(out, c);
    mlo_str_add(out, "<div class=\"q\">");
    if (mlo_is_compared_number(c))
        put_quantiles(out, c);
    put_terms(out, c, alarm);
    mlo_str_add(out, "</div>");
    put_names(out, "New:", c->new_categories, c->n_new);
    put_names(out, "Vanished:", c->vanished_categories, c->n_vanished);
    mlo_str_add(out, "</div></details>\n");
}
