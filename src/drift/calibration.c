/* Scores and labels on both sides: does a score still mean the same share of positive rows? */
#include <stdio.h>

#include "facts.h"

bool mlo_facts_have_scores(const struct mlo_facts *f)
{
    return mlo_outcome_has_bins(f->x) && mlo_outcome_has_bins(f->y) &&
           mlo_bins_equal(&f->a->columns[f->x->score].bins, &f->b->columns[f->y->score].bins);
}

struct calibration {   /* of one side */
    double ece;        /* expected calibration error */
    double hosmer, df; /* Hosmer and Lemeshow's statistic; one degree of freedom each group */
    uint64_t rows;
};

struct group {
    double yes, n, scores;
};

static struct calibration calibration_of(const struct mlo_outcome *o, const struct mlo_strata *s)
{
    struct group groups[MLO_STRATA_GROUPS_MAX] = {0};
    struct calibration c = {0};
    for (size_t i = 0; i < s->n; i++) {
        struct group *g = &groups[s->list[i].group];
        g->yes += (double)o->bins.yes[i];
        g->n += (double)(o->bins.yes[i] + o->bins.no[i]);
        g->scores += mlo_exact_sum_value(&o->bins.sums[i]);
        c.rows += o->bins.yes[i] + o->bins.no[i];
    }
    for (size_t i = 0; i < s->groups; i++) {
        const struct group *g = &groups[i];
        double mean = g->n > 0 ? g->scores / g->n : 0, variance = g->n * mean * (1 - mean);
        c.ece += fabs(g->yes - g->scores) / (double)c.rows;
        if (variance > 0) {
            c.hosmer += (g->yes - g->scores) * (g->yes - g->scores) / variance;
            c.df++;
        }
    }
    return c;
}

/* The share of positive rows at equal score, in any direction, anywhere. */
static int add_calibration(const struct mlo_facts *f, struct mlo_err *err)
{
    struct mlo_strata s;
    struct mlo_shifts shifts;
    struct mlo_test t;
    int rc = mlo_strata_of_score(f, &s, err);
    if (rc != 0)
        return rc;
    mlo_strata_shifts(&s, &shifts);
    mlo_shifts_test(&shifts, s.groups, false, &t);
    struct calibration a = calibration_of(f->x, &s), b = calibration_of(f->y, &s);
    mlo_strata_release(&s);
    struct mlo_drift_fact fact = {MLO_FACT_NONE, .name = "calibration_error", .kind = "concept",
                                  .column = f->a->columns[f->x->score].name};
    fact.reference = a.ece;
    fact.current = b.ece;
    fact.limit = f->limits.calibration_rise;
    fact.p = t.p;
    mlo_fact_judge(&fact, false, f->p);
    snprintf(
        fact.why, sizeof fact.why,
        "score and share of positive rows differ by %.3f, now %.3f (limit %g up); Hosmer-Lemeshow %.4g, now "
        "%.4g; share at equal score: p %.2g",
        a.ece, b.ece, fact.limit, a.hosmer, b.hosmer, t.p);
    return mlo_fact_add(f->report, &fact, err);
}

static int add_brier(const struct mlo_facts *f, struct mlo_err *err)
{
    struct mlo_drift_fact fact = {MLO_FACT_NONE, .name = "brier", .kind = "performance",
                                  .column = f->a->columns[f->x->score].name};
    double va, vb;
    fact.reference = mlo_fact_mean(&f->x->brier, &f->x->brier2, f->x->scored, &va);
    fact.current = mlo_fact_mean(&f->y->brier, &f->y->brier2, f->y->scored, &vb);
    mlo_fact_normal(&fact, sqrt(va + vb));
    fact.limit = f->limits.calibration_rise;
    mlo_fact_judge(&fact, false, f->p);
    snprintf(fact.why, sizeof fact.why, "mean squared distance of score and label %.4f, now %.4f",
             fact.reference, fact.current);
    return mlo_fact_add(f->report, &fact, err);
}

static int add_auc(const struct mlo_facts *f, struct mlo_err *err)
{
    size_t bins = mlo_outcome_n_bins(&f->a->columns[f->x->score]);
    struct mlo_drift_fact fact = {MLO_FACT_NONE, .name = "auc", .kind = "performance",
                                  .column = f->a->columns[f->x->score].name};
    struct mlo_auc a, b;
    mlo_auc_counts(f->x->bins.yes, f->x->bins.no, bins, &a);
    mlo_auc_counts(f->y->bins.yes, f->y->bins.no, bins, &b);
    if (a.variance <= 0 || b.variance <= 0)
        return 0;
    fact.reference = a.auc;
    fact.current = b.auc;
    mlo_fact_normal(&fact, sqrt(a.variance + b.variance));
    fact.limit = f->limits.auc_drop;
    mlo_fact_judge(&fact, true, f->p);
    snprintf(fact.why, sizeof fact.why,
             "a positive row has the higher score in %.1f %% of pairs, now %.1f %%", 100 * a.auc,
             100 * b.auc);
    return mlo_fact_add(f->report, &fact, err);
}

static uint64_t labelled(const struct mlo_outcome *o, size_t bins)
{
    uint64_t n = 0;
    for (size_t i = 0; i < bins; i++)
        n += o->bins.yes[i] + o->bins.no[i];
    return n;
}

int mlo_facts_calibration(const struct mlo_facts *f, struct mlo_err *err)
{
    int rc = 0;
    if (!mlo_facts_have_scores(f))
        return 0;
    size_t bins = mlo_outcome_n_bins(&f->a->columns[f->x->score]);
    uint64_t n = labelled(f->x, bins), m = labelled(f->y, bins);
    if (n == 0 || m == 0)
        return 0;
    if (n == f->x->scored && m == f->y->scored) { /* scores are probabilities */
        rc = add_calibration(f, err);
        if (rc == 0)
            rc = add_brier(f, err);
    }
    return rc == 0 ? add_auc(f, err) : rc;
}
