/* Drift over time: the worst of every window, the columns that moved most, and every window as a row. */
#include <math.h>
#include <string.h>

#include "html.h"

#define MOVERS_MAX ((size_t)8)

static void put_window(struct mlo_str *out, const struct mlo_drift_window *w)
{
    mlo_str_addf(out, "<tr><th scope=\"row\">%s</th><td>", w->label);
    mlo_spell_count(out, w->rows);
    mlo_str_add(out, "</td>");
    mlo_html_verdict(out, mlo_look_of(w->verdict, w->verdict == MLO_VERDICT_DRIFT));
    mlo_str_addf(out, "<td>%.3f ", w->worst_psi);
    mlo_svg_bar(out, w->worst_psi, w->worst_limit, w->worst_noise);
    mlo_str_addf(out, "</td><td>%.3f</td><td>", w->worst_noise);
    if (w->worst)
        mlo_spell_short(out, w->worst, strlen(w->worst));
    mlo_str_add(out, "</td><td>");
    mlo_spell_percent(out, w->share_drifted);
    mlo_str_add(out, "</td></tr>\n");
}

static void put_table(struct mlo_str *out, const struct mlo_drift_report *r)
{
    static const struct mlo_html_head heads[] = {{"window", false},      {"rows", true},  {"verdict", false},
                                                 {"worst PSI", true},    {"noise", true}, {"of", false},
                                                 {"share changed", true}};
    mlo_str_add(
        out, "<details><summary>Every window</summary><div><div class=\"o\" tabindex=\"0\" role=\"region\" "
             "aria-label=\"Every window\"><table class=\"u sort\"><caption>Oldest first; times are "
             "UTC</caption>");
    mlo_html_thead(out, heads, MLO_COUNT(heads));
    for (size_t i = 0; i < r->n_windows; i++)
        put_window(out, &r->windows[i]);
    mlo_str_add(out, "</tbody></table></div></div></details>");
}

static void put_mover(struct mlo_str *out, const struct mlo_drift_report *r, size_t column)
{
    const struct mlo_drift_column *c = &r->columns[column];
    double last = r->windows[r->n_windows - 1].psi[column];
    mlo_str_add(out, "<tr><th scope=\"row\">");
    mlo_spell_short(out, c->name, strlen(c->name));
    mlo_str_add(out, "</th><td>");
    mlo_svg_series(out, r, column);
    mlo_str_addf(out, "</td><td>%.3f</td><td>", mlo_drift_most(r, column, 0, r->n_windows));
    if (!isnan(last))
        mlo_str_addf(out, "%.3f", last);
    mlo_str_add(out, "</td></tr>\n");
}

static void put_movers(struct mlo_str *out, const struct mlo_drift_report *r)
{
    static const struct mlo_html_head heads[] = {
        {"column", false}, {"PSI in each window", false}, {"most", true}, {"last", true}};
    size_t movers[MOVERS_MAX], n = mlo_drift_movers(r, movers, MOVERS_MAX);
    if (n == 0)
        return;
    mlo_str_add(out, "<div class=\"o\" tabindex=\"0\" role=\"region\" aria-label=\"Columns that moved "
                     "most\"><table class=\"v\"><caption>Columns that moved most</caption>");
    mlo_html_thead(out, heads, MLO_COUNT(heads));
    for (size_t i = 0; i < n; i++)
        put_mover(out, r, movers[i]);
    mlo_str_add(out, "</tbody></table></div>");
}

void mlo_html_windows(struct mlo_str *out, const struct mlo_drift_report *r)
{
    size_t n = r->n_windows, drifted = 0;
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        drifted += r->windows[i].verdict == MLO_VERDICT_DRIFT;
    mlo_str_addf(out,
                 "<section><h2>Over time</h2><p>%zu of %zu windows show drift, from %s to %s.</p><figure>",
                 drifted, n, r->windows[0].label, r->windows[n - 1].label);
    mlo_svg_windows(out, r);
    mlo_str_add(
        out,
        "<figcaption>Worst PSI of each window that holds rows, oldest first; the solid line is "
        "the limit of that column, the dots are noise, which 95 of 100 windows without drift stay below. "
        "Height is the square root, full at 1.</figcaption></figure>");
    put_movers(out, r);
    put_table(out, r);
    mlo_str_add(out, "</section>\n");
}
