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
    double *edges; /* followed by 2 * reach that are infinite */
    size_t n_edges;
    size_t reach;    /* a power of two; no cell has twice as many edges. 0: there are none */
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
/* Columns whose bins do not come from the data, so that they always merge: latency in 32 parts of each power
 * of two (p95 is right to 3 %), status in its hundreds. No edges: the role has no bins of its own. */
int mlo_bins_of_role(enum mlo_column_role role, struct mlo_bins *ret, struct mlo_err *err) MLO_MUST_CHECK;
bool mlo_bins_equal(const struct mlo_bins *a, const struct mlo_bins *b);
/* Without a branch: t in [0, cells), where NaN counts as 0. */
#define MLO_BINS_CELLS 1024
static inline size_t mlo_bins_cell(const struct mlo_bins *b, double v)
{
    double t = (v - b->low) * b->scale;
    t = t > 0 ? t : 0;
    t = t < MLO_BINS_CELLS - 1 ? t : MLO_BINS_CELLS - 1;
    return (size_t)(int64_t)t;
}
/* v is finite. The same number of steps for every value of the column: halving from the first edge of the
 * cell on. */
static inline size_t mlo_bins_step(const double *edges, size_t reach, size_t first, double v)
{
    for (size_t step = reach; step > 0; step /= 2)
        first += edges[first + step - 1] <= v ? step : 0;
    return first;
}
static inline size_t mlo_bins_find(const struct mlo_bins *b, double v)
{
    return mlo_bins_step(b->edges, b->reach, b->cells[mlo_bins_cell(b, v)], v);
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
/* The same on every machine. */
uint64_t mlo_category_hash(const char *text, size_t n);
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
    struct mlo_sketch below, above;   /* NUMBER: values in the first bin, and in the last, which are open */
    struct mlo_categories categories; /* TEXT */
};
struct mlo_exact;
struct mlo_outcome; /* outcome.h */
struct mlo_rows;    /* rows.h */
struct mlo_profile {
    struct mlo_profile_column *columns;
    size_t n_columns;
    uint64_t rows, ragged;
    struct mlo_exact *exact;     /* values; NULL: not kept */
    struct mlo_outcome *outcome; /* owned; NULL: nothing can be said of predictions */
    struct mlo_rows *sample;     /* owned; NULL: none. Not part of the file */
    uint64_t outside, undated;   /* not in the file */
};
int mlo_profile_new(const struct mlo_table_column *columns, size_t n, struct mlo_profile **ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
int mlo_profile_set_bins(struct mlo_profile_column *c, const struct mlo_bins *bins, double centre,
                         struct mlo_err *err) MLO_MUST_CHECK;
/* When all is counted or merged: before it is compared or written. */
int mlo_profile_settle(struct mlo_profile_column *c, struct mlo_err *err) MLO_MUST_CHECK;
const struct mlo_profile_column *mlo_profile_find(const struct mlo_profile *p, const char *name);
/* What is known of the values in the open bin `bin`; NULL: it is none, it is empty, or nothing is. */
const struct mlo_sketch *mlo_profile_tail(const struct mlo_profile_column *c, size_t bin);
/* From the bins: exact where each value has its own, else interpolated within one; of the open ones from
 * their sketches. */
double mlo_profile_quantile(const struct mlo_profile_column *c, double q);
void mlo_profile_moments(const struct mlo_profile_column *c, struct mlo_moments *ret);

/* ---- count.c: cells of a batch ---- */

/* Rows by state of the cell, but for those with a value. */
void mlo_count_states(struct mlo_profile_column *c, const struct mlo_batch_column *b, size_t rows);
void mlo_count_values(struct mlo_profile_column *c, const double *v, size_t n);
/* Values of a column that wait until they are enough: what is made of them fits the first cache, and what
 * they are counted into is fetched once for all. Starts as zeros. */
#define MLO_PENDING_VALUES ((size_t)1024)
struct mlo_pending {
    size_t n;
    double values[MLO_PENDING_VALUES];
};
void mlo_count_numbers(struct mlo_profile_column *c, struct mlo_pending *p, const struct mlo_batch_column *b,
                       size_t rows);
void mlo_count_pending(struct mlo_profile_column *c, struct mlo_pending *p);
/* The numbers or times of the rows that have one; returns how many. Room for all. */
size_t mlo_batch_values(const struct mlo_batch_column *b, size_t from, size_t rows, double *ret);

/* Counts of short texts that were met lately, not passed on to the categories yet. Starts as zeros. */
#define MLO_RECENT_TEXTS 256
#define MLO_RECENT_BYTES ((size_t)16)
struct mlo_recent {
    struct mlo_recent_text {
        uint64_t first, last;
        uint32_t length, count;
    } texts[MLO_RECENT_TEXTS];
};
int mlo_recent_add(struct mlo_recent *r, struct mlo_categories *c, struct mlo_slice s,
                   struct mlo_err *err) MLO_MUST_CHECK;
int mlo_recent_flush(struct mlo_recent *r, struct mlo_categories *c, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_count_texts(struct mlo_profile_column *c, struct mlo_recent *recent, const struct mlo_batch_column *b,
                    size_t rows, struct mlo_err *err) MLO_MUST_CHECK;
union mlo_waiting { /* of one column */
    struct mlo_pending pending;
    struct mlo_recent recent; /* TEXT */
};
/* Any of these. */
int mlo_count_cells(struct mlo_profile_column *c, union mlo_waiting *w, const struct mlo_column_cells *cells,
                    struct mlo_err *err) MLO_MUST_CHECK;

/* ---- calendar.c ---- */

struct mlo_span { /* from_ns <= t < to_ns */
    int64_t from_ns, to_ns;
};
/* The window of the calendar that t is in. */
struct mlo_span mlo_window_around(enum mlo_window_unit unit, int64_t t);
void mlo_window_label(enum mlo_window_unit unit, int64_t from_ns, char buf[MLO_WINDOW_LABEL]);

/* ---- windows.c ---- */

#define MLO_WINDOW_TEXTS ((size_t)40) /* most frequent texts of the reference; others count together */

struct mlo_window {
    struct mlo_span time; /* of ROWS: from_ns is the number of the window */
    uint64_t rows;
    uint64_t *counts; /* of all columns, one after the other */
};
struct mlo_window_set { /* sorted */
    struct mlo_window *list;
    size_t n, cap, last; /* last: where the latest row went */
};
/* How one column is counted: its bins, then one of what is missing. */
struct mlo_window_column {
    const struct mlo_profile_column *reference; /* NULL: not at all */
    size_t at, bins;                            /* where in the counts; of values and missing */
    double edges[10];
    size_t n_edges;
    uint8_t *bin_of; /* texts: of each slot of the reference's categories; owned */
};
struct mlo_window_scratch {
    uint64_t **counts; /* where each row of the batch counts */
    size_t cap;
    uint64_t undated; /* rows in no window */
};
struct mlo_windows {
    struct mlo_window_span span;
    struct mlo_window_column *columns; /* of the table */
    size_t n_columns, width;           /* width: of the counts of a window */
    uint64_t *reference;               /* counts of the reference in the same bins */
    size_t time;                       /* column that tells the time */
    struct mlo_window_set *sets;       /* of each worker; after the scan all is in the first */
    unsigned workers;
    uint64_t next_row;                  /* of ROWS */
    struct mlo_window_scratch *scratch; /* of each worker */
};
/* As mlo_table_scan; the rows are counted into w before fn has them. undated of the result: also rows that
 * are in no window because they tell no time. */
int mlo_windows_scan(struct mlo_windows *w, struct mlo_table *t, const struct mlo_profile_opts *opts,
                     mlo_batch_fn fn, void *ctx, struct mlo_scan_result *ret,
                     struct mlo_err *err) MLO_MUST_CHECK;

/* ---- number.c, words.c: one column of both profiles ---- */

#define MLO_COARSE_EDGES 10
/* Inner edges of about ten bins with a tenth of the reference each: of each the first fine bin behind it. */
size_t mlo_coarse_edges(const struct mlo_profile_column *c, size_t ret[MLO_COARSE_EDGES]);

struct mlo_pair {
    const struct mlo_profile_column *reference, *current;
};
/* Fill psi, counts and all that follows from them; counts and edges are allocated: the report frees them. */
int mlo_compare_numbers(const struct mlo_pair *p, struct mlo_drift_column *ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
int mlo_compare_texts(const struct mlo_pair *p, struct mlo_drift_column *ret,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* Two shares: by proportions, or Fisher's test when either side expects few. */
void mlo_compare_shares(uint64_t ka, uint64_t n, uint64_t kb, uint64_t m, struct mlo_test *ret);
/* From counts: psi and its noise, js, hellinger, total variation, chi-square. */
void mlo_compare_counts(struct mlo_drift_column *c);
/* Numbers, from counts of their values in order, after the above: normal scores, and p of both tests. */
int mlo_compare_order(const uint64_t *a, const uint64_t *b, size_t bins, struct mlo_drift_column *c,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* Adjusts p-values of distributions and of missing shares in one list; one that is not made (p NAN) is none.
 */
int mlo_adjust_both(double *p, double *missing_p, size_t n, struct mlo_err *err) MLO_MUST_CHECK;
/* Shares of missing rows, ka of n and kb of m, and their test. */
void mlo_compare_missing(uint64_t ka, uint64_t n, uint64_t kb, uint64_t m, struct mlo_drift_column *ret);
#define MLO_EXPECTED_MIN 5.0 /* of a category in the smaller sample (Cochran 1954) */

/* Told by facts, not compared as columns. */
static inline bool mlo_role_is_operation(enum mlo_column_role r)
{
    return r == MLO_ROLE_LATENCY || r == MLO_ROLE_STATUS;
}
static inline bool mlo_drift_missing_jumped(const struct mlo_drift_column *c)
{
    return fabs(c->missing_current - c->missing_reference) > c->limits.missing_change &&
           c->missing_p_adjusted < c->limits.p;
}

/* ---- facts.c ---- */

/* "accuracy (estimated)", "error_by_column: age"; returns buf. */
#define MLO_FACT_TITLE_MAX 160
const char *mlo_fact_title(const struct mlo_drift_fact *f, char buf[MLO_FACT_TITLE_MAX]);

/* ---- conclude.c: the verdict of the whole ---- */

/* Share, verdict and sentence, from columns (worst first), facts, share_limit and fail_on. */
void mlo_drift_conclude(struct mlo_drift_report *r);
/* DRIFT when so many of these columns changed that the whole has. */
enum mlo_verdict mlo_drift_weigh(const struct mlo_drift_report *r, const struct mlo_drift_column *columns,
                                 size_t n, double *ret_share);
/* Alarms of kinds that count. */
bool mlo_drift_column_counts(const struct mlo_drift_report *r, const struct mlo_drift_column *c);
bool mlo_drift_fact_counts(const struct mlo_drift_report *r, const struct mlo_drift_fact *f);

#endif
