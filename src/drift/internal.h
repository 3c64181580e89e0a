/* What the files of this folder share. */
#ifndef MLO_DRIFT_INTERNAL_H
#define MLO_DRIFT_INTERNAL_H

#include <math.h>

#include <mlopsctl/base/hash.h>
#include <mlopsctl/drift.h>

/* ---- bins.c: fixed edges, and finding a value's bin fast ---- */

/* Bin i holds edges[i-1] <= v < edges[i]; the first and the last are open: what lies beyond the reference's
 * sample. */
struct mlo_bins {
    double *edges;
    size_t n_edges;
    bool each_value; /* every edge is a value of the reference, and each value has one */
    double low, scale;
    uint16_t *cells; /* edges that lie in cells before this one */
};
void mlo_bins_release(struct mlo_bins *b);
/* From a sample of the reference, which is sorted by this: every value, or quantiles when there are too many.
 */
int mlo_bins_from_sample(double *sample, size_t n, struct mlo_bins *ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_bins_from_edges(const double *edges, size_t n, bool each_value, struct mlo_bins *ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
bool mlo_bins_equal(const struct mlo_bins *a, const struct mlo_bins *b);
#define MLO_BINS_CELLS 4096
static inline size_t mlo_bins_cell(const struct mlo_bins *b, double v)
{
    double t = (v - b->low) * b->scale;
    return t > 0 ? t < MLO_BINS_CELLS - 1 ? (size_t)t : MLO_BINS_CELLS - 1 : 0;
}
static inline size_t mlo_bins_find(const struct mlo_bins *b, double v)
{
    size_t i = b->cells[mlo_bins_cell(b, v)];
    while (i < b->n_edges && b->edges[i] <= v)
        i++;
    return i;
}

/* ---- categories.c: counts of texts ---- */

#define MLO_CATEGORY_TEXT_MAX ((size_t)256) /* kept of a longer text; the whole is what is told apart */

/*
 * Exact counts up to MLO_PROFILE_CATEGORIES_MAX different texts. Beyond, those with the lowest hashes stay,
 * still with their exact counts: what is kept does not depend on the order of the rows, so parts merge to the
 * same result, and the threshold tells how many there are (Bar-Yossef et al. 2002, "Counting distinct
 * elements in a data stream").
 */
struct mlo_category {
    uint64_t hash, count;
    char *text; /* owned */
    uint32_t length;
};
struct mlo_categories {
    struct mlo_category *slots; /* open addressing; text NULL: free */
    size_t cap, count;
    uint64_t threshold; /* texts with a hash above are not kept */
    bool overflowed;
    uint64_t left_out; /* rows of those */
};
void mlo_categories_init(struct mlo_categories *c);
void mlo_categories_release(struct mlo_categories *c);
int mlo_categories_add(struct mlo_categories *c, const char *text, size_t n, uint64_t times,
                       struct mlo_err *err) MLO_MUST_CHECK;
/* From a profile's file: text as stored, hash and length of the whole. */
int mlo_categories_restore(struct mlo_categories *c, uint64_t hash, const char *stored, uint32_t length,
                           uint64_t times, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_categories_merge(struct mlo_categories *c, const struct mlo_categories *other,
                         struct mlo_err *err) MLO_MUST_CHECK;
/* Down to the lowest MLO_PROFILE_CATEGORIES_MAX: before it is compared or written. */
int mlo_categories_settle(struct mlo_categories *c, struct mlo_err *err) MLO_MUST_CHECK;
const struct mlo_category *mlo_categories_find(const struct mlo_categories *c, const char *text, size_t n);
/* The same text as k's, which may have been cut. */
const struct mlo_category *mlo_categories_same(const struct mlo_categories *c, const struct mlo_category *k);
double mlo_categories_distinct(const struct mlo_categories *c); /* exact, or an estimate when it overflowed */
/* All, by count (greatest first), then text. Owner of the array: the caller. */
int mlo_categories_sorted(const struct mlo_categories *c, const struct mlo_category ***ret,
                          struct mlo_err *err) MLO_MUST_CHECK;

/* ---- profile.c ---- */

struct mlo_profile_column {
    char *name;
    enum mlo_column_type type;
    enum mlo_column_role role;
    bool integral;
    uint64_t n, missing, nan, bad; /* rows by state of the cell; n: with a value */
    struct mlo_bins bins;          /* all types but TEXT */
    uint64_t *counts;              /* n_edges + 1 */
    double centre;                 /* sums are of v - centre, so that squares keep their digits */
    struct mlo_exact_sum sum, squares;
    double min, max;
    struct mlo_categories categories; /* TEXT */
};
struct mlo_exact;
struct mlo_outcome; /* outcome.h */
struct mlo_profile {
    struct mlo_profile_column *columns;
    size_t n_columns;
    uint64_t rows, ragged;
    struct mlo_exact *exact;     /* values; NULL: not kept */
    struct mlo_outcome *outcome; /* owned; NULL: nothing can be said of predictions */
};
int mlo_profile_new(const struct mlo_table_column *columns, size_t n, struct mlo_profile **ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
int mlo_profile_set_bins(struct mlo_profile_column *c, const struct mlo_bins *bins, double centre,
                         struct mlo_err *err) MLO_MUST_CHECK;
const struct mlo_profile_column *mlo_profile_find(const struct mlo_profile *p, const char *name);
static inline void mlo_profile_count(struct mlo_profile_column *c, double v)
{
    double d = v - c->centre;
    c->n++;
    c->counts[mlo_bins_find(&c->bins, v)]++;
    mlo_exact_sum_add(&c->sum, d);
    mlo_exact_sum_add(&c->squares, d * d);
    c->min = v < c->min ? v : c->min;
    c->max = v > c->max ? v : c->max;
}
/* From the bins: exact where each value has its own, else interpolated within one. */
double mlo_profile_quantile(const struct mlo_profile_column *c, double q);
void mlo_profile_moments(const struct mlo_profile_column *c, struct mlo_moments *ret);

/* ---- number.c, text_drift.c: one column of both profiles ---- */

struct mlo_pair {
    const struct mlo_profile_column *reference, *current;
};
/* Fill psi, counts and all that follows from them; counts and edges are allocated: the report frees them. */
int mlo_compare_numbers(const struct mlo_pair *p, struct mlo_drift_column *ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
int mlo_compare_texts(const struct mlo_pair *p, struct mlo_drift_column *ret,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* From counts: psi and its noise, js, hellinger, total variation, chi-square. */
void mlo_compare_counts(struct mlo_drift_column *c);

static inline bool mlo_drift_missing_jumped(const struct mlo_drift_column *c)
{
    return fabs(c->missing_current - c->missing_reference) > c->limits.missing_change &&
           c->missing_p_adjusted < c->limits.p;
}

/* ---- conclude.c: the verdict of the whole ---- */

/* Share, verdict and sentence, from columns (worst first), facts, share_limit and fail_on. */
void mlo_drift_conclude(struct mlo_drift_report *r);
/* Alarms of kinds that count. */
bool mlo_drift_column_counts(const struct mlo_drift_report *r, const struct mlo_drift_column *c);
bool mlo_drift_fact_counts(const struct mlo_drift_report *r, const struct mlo_drift_fact *f);

#endif
