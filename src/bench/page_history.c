/* Runs of a benchmark as a page: for each batch the median and the 99th percentile over runs, with the places
 * where they changed. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/time.h>

#include "page.h"

enum { WIDTH = 360, HEIGHT = 190, LEFT = 44, RIGHT = 352, TOP = 26, BASE = 164 };
#define COMMIT_SHOWN 12

#define LOG_FROM 4 /* the largest over the largest median: medians would lie flat on the axis */

/* From nothing to the largest; by logarithm from below the smallest, where single percentiles are far above
 * all medians. */
static struct mlo_scale times_of(const struct mlo_history_line *l)
{
    double most = 1, most_p50 = 1, least = INFINITY;
    for (size_t i = 0; i < l->n; i++) {
        most_p50 = fmax(most_p50, l->points[i].p50_ns);
        most = fmax(most, fmax(l->points[i].p50_ns, l->points[i].p99_ns));
        least = fmin(least, fmax(l->points[i].p50_ns, 1));
    }
    bool log = most > LOG_FROM * most_p50;
    return (struct mlo_scale){log ? 0.7 * least : 0, 1.08 * most, BASE, TOP, log};
}

static void put_line(struct mlo_str *out, const struct mlo_history_line *l, const struct mlo_scale *x,
                     const struct mlo_scale *y, bool p99)
{
    mlo_str_addf(out, "<path class=\"%s\" d=\"", p99 ? "d" : "c");
    for (size_t i = 0; i < l->n; i++)
        mlo_str_addf(out, "%s%d %d", i ? "L" : "M", mlo_scale_at(x, (double)i),
                     mlo_scale_at(y, p99 ? l->points[i].p99_ns : l->points[i].p50_ns));
    mlo_str_add(out, "\"/>");
    for (size_t i = 0; i < l->n && !p99; i++)
        mlo_str_addf(out, "<circle class=\"i\" cx=\"%d\" cy=\"%d\" r=\"2\"/>", mlo_scale_at(x, (double)i),
                     mlo_scale_at(y, l->points[i].p50_ns));
}

/* Names of changes take turns on two lines. */
static void put_changes(struct mlo_str *out, const struct mlo_history_line *l, const struct mlo_scale *x)
{
    int line = 0;
    for (size_t i = 0; i < l->n; i++) {
        int at = mlo_scale_at(x, (double)i);
        bool left = at > (LEFT + RIGHT) / 2;
        if (!(l->points[i].change > 0))
            continue;
        mlo_str_addf(
            out, "<path class=\"g\" d=\"M%d %dV%d\"/><text class=\"t%s\" x=\"%d\" y=\"%d\">%+.1f %%</text>",
            at, BASE, TOP, left ? " e" : "", at + (left ? -3 : 3), 10 + 11 * (line++ % 2),
            100 * (l->points[i].change - 1));
    }
}

/* 1, 2 or 5 of a power of ten, so that about four fit. */
static double step_of(double to)
{
    double power = pow(10, floor(log10(to / 4))), times = to / 4 / power;
    return power * (times < 1.5 ? 1 : times < 3.5 ? 2 : times < 7.5 ? 5 : 10);
}

static void put_axes(struct mlo_str *out, const struct mlo_history_line *l, const struct mlo_scale *y)
{
    double step = step_of(y->to);
    int n = y->log ? 4 : (int)(y->to / step);
    for (int i = 0; i <= n; i++) {
        double v = y->log ? y->from * pow(y->to / y->from, i / 4.0) : step * i;
        mlo_str_addf(out, "<path class=\"%s\" d=\"M%d %dH%d\"/><text class=\"e\" x=\"%d\" y=\"%d\">",
                     i ? "q" : "x", LEFT, mlo_scale_at(y, v), RIGHT, LEFT - 3, mlo_scale_at(y, v) + 3);
        mlo_page_time(out, v);
        mlo_str_add(out, "</text>");
    }
    mlo_str_addf(
        out, "<text x=\"%d\" y=\"%d\">run %lld</text><text class=\"e\" x=\"%d\" y=\"%d\">run %lld</text>",
        LEFT, BASE + 13, (long long)l->points[0].run, RIGHT, BASE + 13, (long long)l->points[l->n - 1].run);
}

static void put_chart(struct mlo_str *out, const struct mlo_history_line *l)
{
    struct mlo_scale x = {0, l->n > 1 ? (double)(l->n - 1) : 1, LEFT + 4, RIGHT - 4, false};
    struct mlo_scale y = times_of(l);
    mlo_str_addf(
        out,
        "<figure><svg class=\"f\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Median and 99th percentile "
        "of each run\">",
        WIDTH, HEIGHT);
    put_axes(out, l, &y);
    put_line(out, l, &x, &y, true);
    put_line(out, l, &x, &y, false);
    put_changes(out, l, &x);
    mlo_str_addf(
        out,
        "</svg><figcaption>Solid with dots: the median of each run; dashed: its 99th percentile; upright: "
        "where the time changed for good.%s</figcaption></figure>",
        y.log ? " The scale is logarithmic." : "");
}

static void put_run(struct mlo_str *out, const struct mlo_history_point *p, bool commits)
{
    char when[MLO_RFC3339_MAX];
    mlo_str_addf(out, "<tr><th scope=\"row\">%lld</th><td>%s</td>", (long long)p->run,
                 mlo_time_rfc3339(p->time_ns, when));
    mlo_page_time_cell(out, p->p50_ns);
    mlo_page_time_cell(out, p->p99_ns);
    if (p->change > 0)
        mlo_str_addf(out, "<td class=\"%s\">%s %+.1f %%</td>", p->change > 1 ? "a" : "s",
                     p->change > 1 ? "\u25b2" : "\u25bc", 100 * (p->change - 1));
    else
        mlo_str_add(out, "<td></td>");
    if (commits)
        mlo_str_add(out, "<td>");
    if (commits && p->commit)
        mlo_spell_short(out, p->commit, strnlen(p->commit, COMMIT_SHOWN));
    mlo_str_add(out, commits ? "</td></tr>\n" : "</tr>\n");
}

static void put_history(struct mlo_str *out, const struct mlo_history_line *l)
{
    static const struct mlo_html_head heads[] = {{"Run", true}, {"Time", false},   {"p50", true},
                                                 {"p99", true}, {"Change", false}, {"Commit", false}};
    bool commits = false;
    for (size_t i = 0; i < l->n; i++)
        commits |= l->points[i].commit && *l->points[i].commit;
    mlo_str_addf(out, "<section><h2>Batch %zu</h2>", l->batch);
    if (l->n > 0)
        put_chart(out, l);
    mlo_str_add(out, "<div class=\"o\"><table class=\"n2 sort\">");
    mlo_html_thead(out, heads, MLO_COUNT(heads) - !commits);
    for (size_t i = l->n; i > 0; i--)
        put_run(out, &l->points[i - 1], commits);
    mlo_str_add(out, "</tbody></table></div></section>\n");
}

/* ---- the whole ---- */

static int put_answer(struct mlo_str *out, const struct mlo_history_page *p, struct mlo_err *err)
{
    const struct mlo_history_point *last = NULL;
    size_t runs = 0, batch = 0;
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, out->max);
    for (size_t i = 0; i < p->n; i++)
        for (size_t k = 0; k < p->lines[i].n; k++) {
            const struct mlo_history_point *at = &p->lines[i].points[k];
            runs++;
            if (at->change > 0 && (!last || at->run >= last->run)) {
                last = at;
                batch = p->lines[i].batch;
            }
        }
    if (last)
        mlo_str_addf(&text, "%s by %.1f %% since run %lld, batch %zu", last->change > 1 ? "slower" : "faster",
                     100 * fabs(last->change - 1), (long long)last->run, batch);
    else
        mlo_str_addf(&text, "no change in %zu measurements", runs);
    int rc = mlo_str_check(&text, err);
    bool bad = last && last->change > 1;
    mlo_html_verdict_begin(out, bad ? "a" : "s", bad ? "\u25b2" : "\u2713", text.ptr);
    mlo_html_verdict_end(out);
    return rc;
}

int mlo_history_html(const struct mlo_history_page *p, struct mlo_str *out, struct mlo_err *err)
{
    int rc = mlo_html_begin(out, &mlo_page_of_history, err);
    if (rc == 0)
        rc = put_answer(out, p, err);
    if (rc != 0)
        return rc;
    mlo_str_add(out, "<dl class=\"facts\">");
    mlo_html_fact(out, "Model", p->like->model);
    mlo_html_fact(out, "Machine", p->like->machine);
    mlo_html_fact(out, "Load", p->like->load);
    mlo_str_add(out, "</dl>\n");
    for (size_t i = 0; i < p->n; i++)
        put_history(out, &p->lines[i]);
    mlo_html_end(out, &mlo_page_of_history);
    return mlo_str_check(out, err);
}
