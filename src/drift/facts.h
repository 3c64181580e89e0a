/* What is said of the whole and not of one column's values: predictions, labels, calibration, estimates. */
#ifndef MLO_DRIFT_FACTS_H
#define MLO_DRIFT_FACTS_H

#include <math.h>

#include "outcome.h"

/* ---- facts.c ---- */

#define MLO_FACT_CONFIDENCE 0.95

/* Both sides, and where what is found goes. x, y: their outcomes, NULL for none. */
struct mlo_facts {
    const struct mlo_profile *a, *b;
    const struct mlo_outcome *x, *y;
    struct mlo_drift_fact_limits limits; /* all given */
    double p;
    struct mlo_drift_report *report;
};
int mlo_fact_add(struct mlo_drift_report *r, const struct mlo_drift_fact *f,
                 struct mlo_err *err) MLO_MUST_CHECK;
/* All of them, into r, whose columns are judged. */
int mlo_facts_find(const struct mlo_profile *a, const struct mlo_profile *b,
                   const struct mlo_drift_opts *opts, struct mlo_drift_report *r,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* f's interval and p, from the standard error of a change that is normal. */
void mlo_fact_normal(struct mlo_drift_fact *f, double error);
/* Mean and the variance of it, from the sum and the sum of squares of n terms. */
double mlo_fact_mean(const struct mlo_exact_sum *sum, const struct mlo_exact_sum *squares, uint64_t n,
                     double *ret_variance);
/* Drift when the value rose (or with `falls`, fell) by more than the limit, significantly. */
void mlo_fact_judge(struct mlo_drift_fact *f, bool falls, double p);
#define MLO_FACT_NONE .reference = NAN, .current = NAN, .limit = NAN, .p = NAN, .interval = {NAN, NAN}

/* ---- strata.c: two kinds of rows, wrong and right, of both sides, at equal values of a column ---- */

#define MLO_STRATA_GROUPS_MAX ((size_t)64)
struct mlo_stratum {
    uint64_t right[2], wrong[2]; /* reference, current */
    size_t group;                /* tenth of the reference, or category */
};
struct mlo_strata {
    struct mlo_stratum *list; /* owned */
    size_t n, groups;
    /* Of each group: numbers from and to (bins), or the text. Borrowed. */
    struct {
        size_t from, to;
        struct mlo_slice text;
    } named[MLO_STRATA_GROUPS_MAX];
};
void mlo_strata_release(struct mlo_strata *s);
/* By column i of a, as judged; *ret has no strata when the sides do not fit together. */
int mlo_strata_of(const struct mlo_facts *f, size_t i, struct mlo_strata *ret,
                  struct mlo_err *err) MLO_MUST_CHECK;
/* By the bins of the score: positive rows as wrong. */
int mlo_strata_of_score(const struct mlo_facts *f, struct mlo_strata *ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
/* How much more often rows are wrong now, at equal values. d is Cochran's difference, with its variance when
 * nothing but chance is at work (hypergeometric); d / weight is the Mantel-Haenszel difference of the
 * shares. */
struct mlo_shift {
    double difference, variance, weight;
};
struct mlo_shifts {
    struct mlo_shift all, group[MLO_STRATA_GROUPS_MAX];
    double overlap; /* weight as a share of what it would be were there one stratum */
};
void mlo_strata_shifts(const struct mlo_strata *s, struct mlo_shifts *ret);
/* Sum of the groups' squares; without the part that all groups share when `apart`. */
void mlo_shifts_test(const struct mlo_shifts *s, size_t groups, bool apart, struct mlo_test *ret);
/* The group that moved most surely. */
size_t mlo_shifts_worst(const struct mlo_shifts *s, size_t groups);
/* "age from 23 to 31", "job = clerk". */
void mlo_strata_name(const struct mlo_facts *f, size_t i, const struct mlo_strata *s, size_t group, char *to,
                     size_t size);

/* ---- concept.c, calibration.c, estimate.c ---- */

/* Labels on both sides: how often the model is right, and whether that changed at equal inputs. */
int mlo_facts_performance(const struct mlo_facts *f, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_facts_concept(const struct mlo_facts *f, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_facts_calibration(const struct mlo_facts *f, struct mlo_err *err) MLO_MUST_CHECK;
/* No labels on the current side. */
int mlo_facts_estimate(const struct mlo_facts *f, struct mlo_err *err) MLO_MUST_CHECK;
/* domain.c: both sides have a sample of rows. */
int mlo_facts_domain(const struct mlo_facts *f, struct mlo_err *err) MLO_MUST_CHECK;
/* Do both sides have score bins, the same ones? */
bool mlo_facts_have_scores(const struct mlo_facts *f);

/* ---- operation.c: latency and failed requests, where the current side is a request log ---- */

int mlo_facts_operation(const struct mlo_facts *f, struct mlo_err *err) MLO_MUST_CHECK;

#endif
