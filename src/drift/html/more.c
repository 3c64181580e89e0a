/* Sections that stand only where there is something for them, and how everything was measured. */
#include <math.h>
#include <string.h>

#include <mlopsctl/base/time.h>

#include "html.h"

/* ---- what is not of one column ---- */

static void put_value(struct mlo_str *out, double v)
{
    mlo_str_add(out, "<td>");
    mlo_spell_number(out, v);
    mlo_str_add(out, "</td>");
}

static void put_fact(struct mlo_str *out, const struct mlo_drift_fact *f)
{
    char title[MLO_FACT_TITLE_MAX];
    mlo_str_add(out, "<tr><th scope=\"row\">");
    mlo_spell_markup(out, mlo_fact_title(f, title));
    mlo_str_add(out, "</th>");
    mlo_html_verdict(out, mlo_look_of(f->verdict, f->verdict == MLO_VERDICT_DRIFT));
    put_value(out, f->reference);
    put_value(out, f->current);
    mlo_str_add(out, "<td>");
    mlo_spell_number(out, f->interval.low);
    if (!isnan(f->interval.low)) {
        mlo_str_add(out, " to ");
        mlo_spell_number(out, f->interval.high);
    }
    mlo_str_add(out, "</td>");
    put_value(out, f->limit);
    mlo_str_add(out, "<td>");
    if (isnan(f->p))
        mlo_spell_number(out, f->p);
    else
        mlo_spell_p(out, f->p);
    mlo_str_add(out, "</td><td>");
    mlo_spell_markup(out, f->kind);
    mlo_str_add(out, "</td><td>");
    mlo_spell_markup(out, f->why);
    mlo_str_add(out, "</td></tr>");
}

void mlo_html_facts(struct mlo_str *out, const struct mlo_drift_report *r)
{
    static const struct mlo_html_head heads[] = {{"measure", false},
                                                 {"verdict", false},
                                                 {"reference", true},
                                                 {"now", true},
                                                 {"change, 95&#160;%", true},
                                                 {"limit", true},
                                                 {"p", true},
                                                 {"kind", false},
                                                 {"why", false}};
    if (r->n_facts == 0)
        return;
    mlo_str_add(
        out, "<section><h2>Predictions, labels, service</h2><div class=\"o\" tabindex=\"0\" role=\"region\" "
             "aria-label=\"Predictions, labels, service\"><table class=\"p\"><caption>What is not of one "
             "column</caption>");
    mlo_html_thead(out, heads, MLO_COUNT(heads));
    for (size_t i = 0; i < r->n_facts; i++)
        put_fact(out, &r->facts[i]);
    mlo_str_add(out, "</tbody></table></div></section>\n");
}

/* ---- method ---- */

/* The limit that every compared column has; below 0 when they differ. */
static double common_limit(const struct mlo_drift_report *r, double (*of)(const struct mlo_drift_limits *l))
{
    double limit = -1;
    for (size_t i = 0; i < r->n_columns; i++) {
        double own = of(&r->columns[i].limits);
        if (!mlo_is_compared(&r->columns[i]))
            continue;
        if (limit >= 0 && (own < limit || own > limit))
            return -1;
        limit = own;
    }
    return limit;
}

static double psi_limit(const struct mlo_drift_limits *l)
{
    return l->psi;
}

static double p_limit(const struct mlo_drift_limits *l)
{
    return l->p;
}

static double missing_limit(const struct mlo_drift_limits *l)
{
    return l->missing_change;
}

static void put_limit(struct mlo_str *out, const struct mlo_drift_report *r,
                      double (*of)(const struct mlo_drift_limits *l))
{
    double limit = common_limit(r, of);
    if (limit >= 0)
        mlo_str_addf(out, "%g", limit);
    else
        mlo_str_add(out, "the limit of the column");
}

static void put_verdict_rule(struct mlo_str *out, const struct mlo_drift_report *r)
{
    char words[MLO_DRIFT_KINDS_MAX];
    if (r->share_limit > 0)
        mlo_str_addf(out,
                     "at least %g of the features changed, weighed by importance where that is given, or "
                     "anything else did",
                     r->share_limit);
    else
        mlo_str_add(out, "any column changed or any other measure is beyond its limit");
    if (r->fail_on && r->fail_on != MLO_DRIFT_ALL)
        mlo_str_addf(out, "; only changes of these kinds count: %s",
                     mlo_drift_kinds_words(r->fail_on, words));
}

static const char facts_method[] = "<dt>Predictions and labels</dt><dd>accuracy, recall, mae, rmse, brier "
                                   "and auc say how often the model is "
                                   "right (performance). A change counts when it is beyond its limit and its "
                                   "p, adjusted over these facts, is "
                                   "small. same_mix compares rows at equal values of a column "
                                   "(Cochran-Mantel-Haenszel), calibration_error at "
                                   "equal scores: what remains there is a change of concept, not of the mix "
                                   "of rows. Estimates need no labels "
                                   "and cannot see a change of concept.</dd>";

void mlo_html_method(struct mlo_str *out, const struct mlo_drift_report *r)
{
    mlo_str_add(
        out, "<section><h2>How this was measured</h2><dl class=\"m\"><dt>Verdict of a column</dt><dd>Drift "
             "when its PSI is above ");
    put_limit(out, r, psi_limit);
    mlo_str_add(out, " and its adjusted p below ");
    put_limit(out, r, p_limit);
    mlo_str_add(out, ", or when its share of missing values moved by more than ");
    put_limit(out, r, missing_limit);
    mlo_str_add(
        out, " and that p is below the same level. A column that is gone, became empty or changed its type "
             "counts too; one that is new does not.</dd><dt>Verdict of the table</dt><dd>Drift when ");
    put_verdict_rule(out, r);
    mlo_str_add(
        out,
        ". Exit status 1 then, else 0.</dd><dt>PSI</dt><dd>Population stability index, \u2211 (q \u2212 p) "
        "ln(q / "
        "p) over bins that hold about a tenth of the reference each, open at both ends, and one of missing "
        "values; for text over categories, rare ones together. Half a row is added to each bin. Empty bins "
        "are left out.</dd><dt>Noise</dt><dd>Without any drift PSI is about (1/n + 1/m) times a chi-square "
        "with one degree of freedom less than there are bins; shown is its 95&#160;% point. A PSI below it "
        "tells nothing.</dd><dt>p</dt><dd>Chi-square test of homogeneity on the same counts and, for "
        "numbers, "
        "van der Waerden\u2019s and Klotz\u2019s normal scores of location and spread; missing shares by two "
        "proportions or Fisher\u2019s test. All are adjusted together by Benjamini and "
        "Hochberg.</dd><dt>KS</dt><dd>Widest gap between the two distribution functions; \u00b1 is "
        "what "
        "counting in bins may hide of it.</dd><dt>W1</dt><dd>Wasserstein distance in standard deviations of "
        "the reference.</dd>");
    if (r->n_facts > 0)
        mlo_str_add(out, facts_method);
    mlo_str_add(out,
                "<dt>Histograms</dt><dd>Shares of all rows on the same bars, drawn from up to 256 "
                "bins of the reference; long tails, and what lies beyond the reference, are the bars at the "
                "ends.</dd></dl></section>\n");
}
