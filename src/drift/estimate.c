/*
 * No labels yet: what accuracy, F1 and AUC will be if a score still means what it meant. Scores of the
 * reference are calibrated by isotonic regression on its labels, and every current row is taken to be
 * positive with that probability (confidence-based performance estimation, NannyML 2022). Sees rows of a
 * harder kind; cannot see that the same kind of row now turns out differently.
 */
#include <stdio.h>
#include <string.h>

#include "facts.h"

#define BAND 3.0 /* standard deviations of a sample of this size, as NannyML's thresholds */
static const char blind[] = "estimated without labels, blind to a change of concept";

/* ---- calibration ---- */

/* Bins without labelled rows lie between their neighbours, or are as the nearest. */
static void fill_gaps(double *c, const double *weights, size_t bins)
{
    size_t last = bins;
    for (size_t i = 0; i < bins; i++) {
        if (weights[i] <= 0)
            continue;
        for (size_t j = last < bins ? last + 1 : 0; j < i; j++)
            c[j] = last < bins ? (c[last] + c[i]) / 2 : c[i];
        last = i;
    }
    for (size_t j = last + 1; last < bins && j < bins; j++)
        c[j] = c[last];
}

/* Probability of a positive row in each bin. */
static int calibrate(const struct mlo_outcome *o, size_t bins, double *c, struct mlo_err *err)
{
    MLO_AUTOFREE double *weights = mlo_calloc(4 * bins, sizeof *weights, err);
    double *y = weights + bins, *w = weights + 2 * bins;
    size_t n = 0;
    if (!weights)
        return MLO_EIO;
    for (size_t i = 0; i < bins; i++) {
        weights[i] = (double)(o->bins.yes[i] + o->bins.no[i]);
        if (weights[i] > 0) {
            y[n] = (double)o->bins.yes[i] / weights[i];
            w[n++] = weights[i];
        }
    }
    int rc = mlo_isotonic(y, w, n, err);
    for (size_t i = 0, at = 0; rc == 0 && i < bins; i++)
        c[i] = weights[i] > 0 ? y[at++] : 0;
    if (rc == 0)
        fill_gaps(c, weights, bins);
    return rc;
}

/* ---- estimates ---- */

struct estimates {
    double tp, fp, fn, tn;
    double auc;
};

static struct estimates estimate(const struct mlo_outcome *o, const double *c, size_t bins)
{
    struct estimates e = {0};
    double below = 0, negatives = 0, positives = 0, pairs = 0;
    for (size_t i = 0; i < bins; i++) {
        double taken = (double)o->bins.taken[i], left = (double)o->bins.left[i], n = taken + left;
        e.tp += taken * c[i];
        e.fp += taken * (1 - c[i]);
        e.fn += left * c[i];
        e.tn += left * (1 - c[i]);
        pairs += n * c[i] * (below + n * (1 - c[i]) / 2);
        below += n * (1 - c[i]);
        positives += n * c[i];
        negatives += n * (1 - c[i]);
    }
    e.auc = positives > 0 && negatives > 0 ? pairs / (positives * negatives) : NAN;
    return e;
}

/* ---- facts ---- */

static int add(const struct mlo_facts *f, const char *name, double reference, double current, double limit,
               double error, struct mlo_err *err)
{
    struct mlo_drift_fact fact = {MLO_FACT_NONE, .name = name, .kind = "performance", .estimate = true};
    fact.reference = reference;
    fact.current = current;
    fact.limit = limit;
    if (error > 0) {
        mlo_fact_normal(&fact, error);
        bool beyond = reference - current > BAND * error;
        mlo_fact_judge(&fact, true, f->p);
        fact.verdict = beyond ? fact.verdict : MLO_VERDICT_STABLE;
        snprintf(fact.why, sizeof fact.why, "%.3f, now %.3f (band %.3f to %.3f, limit %g down); %s",
                 reference, current, fmax(0, reference - BAND * error), fmin(1, reference + BAND * error),
                 limit, blind);
    } else {
        snprintf(fact.why, sizeof fact.why, "%.3f, now %.3f; %s", reference, current, blind);
    }
    return mlo_fact_add(f->report, &fact, err);
}

/* F1 of the reference, as its rows were. */
static double f1_of(const struct mlo_outcome *o)
{
    size_t at = 0;
    uint64_t tp = 0, wrong = 0;
    while (at < o->n_classes && strcmp(o->classes[at], o->positive) != 0)
        at++;
    if (at == o->n_classes)
        return NAN;
    for (size_t i = 0; i < o->n_classes; i++)
        if (i != at)
            wrong += o->confusion[at * MLO_OUTCOME_CLASSES_MAX + i] +
                     o->confusion[i * MLO_OUTCOME_CLASSES_MAX + at];
    tp = o->confusion[at * (MLO_OUTCOME_CLASSES_MAX + 1)];
    return tp + wrong > 0 ? 2 * (double)tp / (double)(2 * tp + wrong) : NAN;
}

int mlo_facts_estimate(const struct mlo_facts *f, struct mlo_err *err)
{
    if (!mlo_facts_have_scores(f))
        return 0;
    size_t bins = mlo_outcome_n_bins(&f->a->columns[f->x->score]);
    MLO_AUTOFREE double *c = mlo_calloc(bins + 1, sizeof *c, err);
    struct mlo_auc auc;
    int rc = c ? calibrate(f->x, bins, c, err) : MLO_EIO;
    if (rc != 0)
        return rc;
    struct estimates e = estimate(f->y, c, bins);
    double m = e.tp + e.fp + e.fn + e.tn, n = (double)f->x->judged;
    if (m <= 0)
        return 0;
    double right = (double)f->x->right / n, error = sqrt(right * (1 - right) * (1 / n + 1 / m));
    rc = add(f, "accuracy", right, (e.tp + e.tn) / m, f->limits.accuracy_drop, error, err);
    mlo_auc_counts(f->x->bins.yes, f->x->bins.no, bins, &auc);
    if (rc == 0 && !isnan(e.auc))
        rc = add(f, "auc", auc.auc, e.auc, f->limits.auc_drop, sqrt(auc.variance * (1 + n / m)), err);
    if (rc == 0 && e.tp > 0 && !f->x->by_score)
        rc = add(f, "f1", f1_of(f->x), e.tp / (e.tp + (e.fp + e.fn) / 2), NAN, 0, err);
    return rc;
}
