/*
 * Statistics: pure functions on arrays. No allocation unless said, no state, no input/output. Formulas and
 * conventions: docs/statistics.md; the oracle of each is named beside it (SciPy 1.10, statsmodels 0.13,
 * scikit-learn 1.2, River 0.2x), and values agree to 1e-9 relative (p-values below 1e-12: 1e-6).
 *
 * Samples: finite numbers, no missing ones; n >= 1 unless said. "sorted": ascending. A p-value is the
 * survival function itself, never 1 - CDF. What cannot be computed (too few, constant) gives MLO_STAT_NONE in
 * `why`, never NaN by surprise.
 */
#ifndef MLOPSCTL_STATS_H
#define MLOPSCTL_STATS_H

#include <mlopsctl/base/mem.h>

enum mlo_stat_why {
    MLO_STAT_OK,
    MLO_STAT_NONE, /* not defined for this input: statistic 0, p 1 */
};
struct mlo_test { /* outcome of a two-sample test */
    double statistic, p, df;
    double at;  /* KS: the value where the gap is widest */
    bool exact; /* exact distribution, not the asymptotic one */
    enum mlo_stat_why why;
};

/* ---- special functions (src/stats/special.c) ---- */

double mlo_gamma_q(double a, double x); /* regularised upper incomplete gamma; scipy.special.gammaincc */
double mlo_beta_inc(double a, double b, double x); /* regularised incomplete beta; scipy.special.betainc */
double mlo_chi2_sf(double x, double df);
double mlo_chi2_isf(double p, double df);
double mlo_normal_sf(double z);
double mlo_normal_isf(double p);
double mlo_student_sf(double t, double df);
double mlo_binom_pmf(double k, double n, double p); /* Loader's saddle point */

/* ---- sums, moments, quantiles ---- */

/* Order of the input does not matter to the last bit: sums are exact (long fixed point) and rounded once. */
struct mlo_exact_sum {
    uint64_t limb[70];
    uint32_t pending;
    double special; /* what Inf and NaN add up to */
};
void mlo_exact_sum_add(struct mlo_exact_sum *s, double x);
void mlo_exact_sum_add_times(struct mlo_exact_sum *s, double x, uint32_t times); /* from 1 on */
/* The same to the last bit, some times faster. */
void mlo_exact_sum_add_all(struct mlo_exact_sum *s, const double *x, size_t n);
void mlo_exact_sum_merge(struct mlo_exact_sum *s, const struct mlo_exact_sum *other);
double mlo_exact_sum_value(const struct mlo_exact_sum *s);

struct mlo_moments {
    uint64_t n;
    double mean, variance /* ddof 0 */, skewness, kurtosis /* excess */, min, max;
};
/* Lowers *min and raises *max to hold all. */
void mlo_extremes(const double *x, size_t n, double *min, double *max);
void mlo_moments(const double *x, size_t n, struct mlo_moments *ret);
double mlo_quantile_sorted(const double *sorted, size_t n, double q); /* Hyndman-Fan type 7 */
/* Ascending; -0.0 and 0.0 are one value. scratch: n doubles. LSD radix from some thousand values up. */
void mlo_sort_doubles(double *x, size_t n, double *scratch);

/* ---- quantiles of values whose range is not known beforehand ---- */

/*
 * DDSketch: a quantile is within 2^(level - 7) of the true one, relatively; level 0 while there are at most
 * MLO_SKETCH_BUCKETS buckets of 2^-7 (16 octaves that are all in use). The same values give the same sketch,
 * in any order and split. Starts as zeros.
 */
#define MLO_SKETCH_BUCKETS 2048
struct mlo_sketch {
    struct mlo_sketch_bucket *buckets; /* ascending */
    size_t used, cap;
    unsigned level;
    uint64_t n;
    bool failed; /* for want of memory: sticky */
};
struct mlo_bucket { /* low <= v < high */
    uint32_t id;
    double low, high;
    uint64_t count;
};
void mlo_sketch_release(struct mlo_sketch *s);
void mlo_sketch_add(struct mlo_sketch *s, double v, uint64_t times); /* finite */
void mlo_sketch_merge(struct mlo_sketch *s, const struct mlo_sketch *other);
int mlo_sketch_check(const struct mlo_sketch *s, struct mlo_err *err) MLO_MUST_CHECK;
/* The value of this rank, 0 the smallest; 0 when there are none. */
double mlo_sketch_at(const struct mlo_sketch *s, double rank);
size_t mlo_sketch_buckets(const struct mlo_sketch *s, struct mlo_bucket ret[MLO_SKETCH_BUCKETS]);
/* From ids and counts; *s is empty before. */
int mlo_sketch_restore(struct mlo_sketch *s, unsigned level, const struct mlo_bucket *buckets, size_t n,
                       struct mlo_err *err) MLO_MUST_CHECK;

/* ---- binned distances: counts a, b of the same bins (any may be 0); totals > 0 ---- */

enum mlo_zero_rule {
    MLO_ZERO_HALF, /* (count + 0.5) / (n + 0.5 B): ours */
    MLO_ZERO_NONE, /* 0 ln 0 = 0, p ln p/0 = inf */
    MLO_ZERO_EVIDENTLY,
    MLO_ZERO_FLOOR_1PC, /* deepchecks */
    MLO_ZERO_SODA,
};
double mlo_psi(const uint64_t *a, const uint64_t *b, size_t bins, enum mlo_zero_rule rule);
double mlo_kl(const uint64_t *a, const uint64_t *b, size_t bins, enum mlo_zero_rule rule);
double mlo_js_divergence(const uint64_t *a, const uint64_t *b,
                         size_t bins); /* nats; distance = sqrt; base 2: / ln 2 */
double mlo_hellinger(const uint64_t *a, const uint64_t *b, size_t bins);
double mlo_total_variation(const uint64_t *a, const uint64_t *b, size_t bins);
double mlo_linf(const uint64_t *a, const uint64_t *b, size_t bins, size_t *ret_bin);
/* Law of PSI (times 1), 2 KL, 8 JS, 8 H^2 without drift: chi2 with bins-1 df, scaled by 1/n + 1/m. */
struct mlo_noise {
    double mean, level95, p; /* of `value` */
};
void mlo_psi_noise(double value, uint64_t n, uint64_t m, size_t bins, struct mlo_noise *ret);

/* ---- two samples, sorted; each of fewer than 2^31 values ---- */

struct mlo_gaps {       /* between the distribution functions */
    double widest, at;  /* Kolmogorov-Smirnov's D, and the value where it is */
    double wasserstein; /* their area */
    double energy;
};
void mlo_gaps(const double *x, size_t n, const double *y, size_t m, struct mlo_gaps *ret);

void mlo_ks(const double *x, size_t n, const double *y, size_t m,
            struct mlo_test *ret);                                  /* ks_2samp, two-sided, auto */
double mlo_ks_p(double d, uint64_t n, uint64_t m, bool *ret_exact); /* the switch rule alone */
double mlo_wasserstein(const double *x, size_t n, const double *y, size_t m);
double mlo_energy(const double *x, size_t n, const double *y, size_t m);
void mlo_cramer_von_mises(const double *x, size_t n, const double *y, size_t m, struct mlo_test *ret);
void mlo_anderson_darling(const double *x, size_t n, const double *y, size_t m, struct mlo_test *ret);
void mlo_epps_singleton(const double *x, size_t n, const double *y, size_t m, struct mlo_test *ret);
/* U of x. Exact up to 8 in the smaller sample without ties (needs memory), else normal with continuity. */
int mlo_mann_whitney(const double *x, size_t n, const double *y, size_t m, struct mlo_test *ret,
                     struct mlo_err *err) MLO_MUST_CHECK;
/* Pairs x[i], y[i]; those that are equal do not count (zero_method "wilcox"). Exact up to 50 without ties. */
int mlo_wilcoxon(const double *x, const double *y, size_t n, struct mlo_test *ret,
                 struct mlo_err *err) MLO_MUST_CHECK;
void mlo_student_t(const struct mlo_moments *x, const struct mlo_moments *y, bool welch,
                   struct mlo_test *ret);

/* ---- counts ---- */

void mlo_chi2_homogeneity(const uint64_t *a, const uint64_t *b, size_t bins, bool yates,
                          struct mlo_test *ret);
void mlo_g_test(const uint64_t *a, const uint64_t *b, size_t bins, bool yates, struct mlo_test *ret);
void mlo_fisher(const uint64_t table[4], struct mlo_test *ret); /* a b; c d */
void mlo_two_proportions(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2, struct mlo_test *ret);
struct mlo_interval {
    double low, high;
};
void mlo_wilson(uint64_t k, uint64_t n, double confidence, struct mlo_interval *ret);
void mlo_newcombe(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2, double confidence,
                  struct mlo_interval *ret);
struct mlo_cmh {
    struct mlo_test test; /* df 1 */
    double odds_ratio;    /* pooled, Mantel-Haenszel */
};
void mlo_cmh(const uint64_t (*tables)[4], size_t n, bool corrected, struct mlo_cmh *ret);
/* Bins in order: van der Waerden's scores of location and Klotz's of spread, together (docs/statistics.md).
 * MLO_STAT_NONE when there are at most two different bins, or nearly all rows are in one. Allocates. */
int mlo_normal_scores(const uint64_t *a, const uint64_t *b, size_t bins, struct mlo_test *ret,
                      struct mlo_err *err) MLO_MUST_CHECK;
double mlo_cramers_v(const uint64_t *a, const uint64_t *b, size_t bins); /* bias-corrected */

/* ---- many tests at once, in place of p-values: p[i] becomes adjusted ---- */

void mlo_bonferroni(double *p, size_t n);
int mlo_holm(double *p, size_t n, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_benjamini_hochberg(double *p, size_t n, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- ranking ---- */

struct mlo_auc {
    double auc, variance, p; /* DeLong; p of auc = 0.5, two-sided */
};
int mlo_delong(const double *scores_positive, size_t n, const double *scores_negative, size_t m,
               struct mlo_auc *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- detectors of change in a stream of numbers: one value at a time, memory that does not grow ---- */

/*
 * A detector is its state: a value without pointers, which may be copied, kept as numbers and restored. After
 * a drift the next value begins anew. Each equals the class of that name in River 0.2x, value for value
 * (docs/statistics.md names the papers).
 */
enum mlo_detector_kind {
    MLO_DETECT_ADWIN,
    MLO_DETECT_DDM,
    MLO_DETECT_EDDM,
    MLO_DETECT_HDDM_A,
    MLO_DETECT_HDDM_W,
    MLO_DETECT_PAGE_HINKLEY,
    MLO_DETECT_KSWIN,
};
#define MLO_DETECTORS           7
#define MLO_DETECTOR_PARAMETERS 4
#define MLO_ADWIN_ROWS          40 /* 5 * 2^40 values */
#define MLO_ADWIN_BUCKETS       5  /* of a row; one more is merged upward */
#define MLO_KSWIN_WINDOW_MAX    500
enum mlo_signal { MLO_SIGNAL_NONE, MLO_SIGNAL_WARNING, MLO_SIGNAL_DRIFT };

/* Counts are doubles too, so that a state is nothing but numbers. */
struct mlo_running_mean {
    double n, mean;
};
struct mlo_adwin { /* a window as long as its mean does not change, in O(log n) buckets */
    double ticks, width, total, variance /* times width */, rows;
    double count[MLO_ADWIN_ROWS]; /* buckets in use */
    double sum[MLO_ADWIN_ROWS][MLO_ADWIN_BUCKETS + 1], within[MLO_ADWIN_ROWS][MLO_ADWIN_BUCKETS + 1];
};
struct mlo_ddm { /* the error rate above its best */
    struct mlo_running_mean rate;
    double best_rate, best_sd, found;
};
struct mlo_eddm { /* distances between errors below their best */
    struct mlo_running_mean distance;
    double squares, n, last_error, best;
};
struct mlo_hddm_a { /* mean so far against the mean up to the best cut; Hoeffding's bound */
    struct mlo_running_mean all, cut;
};
struct mlo_weighted_mean { /* exponentially; bound: sum of squared weights (McDiarmid) */
    double seen, mean, bound;
};
struct mlo_hddm_w {
    struct mlo_weighted_mean all, before, after;
    double cut;
};
struct mlo_page_hinkley {
    struct mlo_running_mean mean;
    double up, down, lowest, highest;
};
struct mlo_kswin { /* the last values against some of those before */
    double n, values[MLO_KSWIN_WINDOW_MAX];
};
struct mlo_detector {
    enum mlo_detector_kind kind;
    enum mlo_signal signal; /* after the last value */
    double parameters[MLO_DETECTOR_PARAMETERS];
    union {
        struct mlo_adwin adwin;
        struct mlo_ddm ddm;
        struct mlo_eddm eddm;
        struct mlo_hddm_a hddm_a;
        struct mlo_hddm_w hddm_w;
        struct mlo_page_hinkley page_hinkley;
        struct mlo_kswin kswin;
    } state;
};
struct mlo_detector_parameter {
    const char *name;
    double standard, min, max;
    bool whole;
};
struct mlo_detector_info {
    const char *name; /* "page-hinkley" */
    bool binary;      /* takes 0 (right) and 1 (wrong) only */
    const struct mlo_detector_parameter *parameters;
    size_t n_parameters;
};
const struct mlo_detector_info *mlo_detector_info(enum mlo_detector_kind kind);
void mlo_detector_init(struct mlo_detector *d, enum mlo_detector_kind kind); /* standard parameters */
/* Before the first value. MLO_EUSAGE: no such parameter, or a value outside its range. */
int mlo_detector_set(struct mlo_detector *d, const char *name, double value,
                     struct mlo_err *err) MLO_MUST_CHECK;
enum mlo_signal mlo_detector_update(struct mlo_detector *d, double x); /* finite */
/* The state as numbers, zeros at the end left out; borrowed from d. */
const double *mlo_detector_numbers(const struct mlo_detector *d, size_t *ret_n);
/* d has its parameters. MLO_EINVALID when the numbers are no state of such a detector; d is then unchanged.
 */
int mlo_detector_restore(struct mlo_detector *d, enum mlo_signal signal, const double *numbers, size_t n,
                         struct mlo_err *err) MLO_MUST_CHECK;

/* The same of scores known to the bin alone, bins ascending: within one all are ties. Either class empty:
 * 0.5. */
void mlo_auc_counts(const uint64_t *positive, const uint64_t *negative, size_t bins, struct mlo_auc *ret);
/* In place: the nearest ascending values by weighted squares (pool adjacent violators);
 * sklearn.isotonic.isotonic_regression. Weights above 0. */
int mlo_isotonic(double *y, const double *weights, size_t n, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- bootstrap: interval of a statistic of resampled arrays, from a seed ---- */

uint64_t mlo_random_next(uint64_t *state); /* splitmix64 */
double mlo_random_unit(uint64_t *state);   /* [0, 1) */
int mlo_bootstrap(const double *x, size_t n, double (*statistic)(const double *x, size_t n, void *ctx),
                  void *ctx, unsigned rounds, double confidence, uint64_t seed, struct mlo_interval *ret,
                  struct mlo_err *err) MLO_MUST_CHECK;

/* ---- times ---- */

/*
 * A histogram of nanoseconds up to about an hour, three significant digits, of a fixed layout: two are merged
 * by adding. n, sum, least and most are exact; longer times count as the longest, in the buckets only.
 */
#define MLO_TIMES_LONGEST (((uint64_t)1 << 42) - 1)
#define MLO_TIMES_BUCKETS ((size_t)33 << 10)
struct mlo_times {
    uint64_t *counts; /* MLO_TIMES_BUCKETS */
    uint64_t n, sum, least, most;
};
int mlo_times_init(struct mlo_times *t, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_times_release(struct mlo_times *t);
void mlo_times_add(struct mlo_times *t, uint64_t ns);
void mlo_times_merge(struct mlo_times *t, const struct mlo_times *other);
/* Restores what was kept as (bucket, count); sum, least and most are then set by the caller. */
void mlo_times_put(struct mlo_times *t, size_t bucket, uint64_t count);
void mlo_times_bounds(size_t bucket, uint64_t *ret_low, uint64_t *ret_high); /* ns, both within */
uint64_t mlo_times_at(const struct mlo_times *t, uint64_t rank);  /* 1 the shortest, n the longest */
uint64_t mlo_times_quantile(const struct mlo_times *t, double q); /* 0 when empty */
/* How many were at most this long, to the width of a bucket. */
uint64_t mlo_times_up_to(const struct mlo_times *t, uint64_t ns);

/* The smallest n of which, when `tolerated` are above a bound, the bound is above quantile q with this
 * confidence (0.99, 0: 459 for q = 0.99, as MLPerf's early stopping has it). */
uint64_t mlo_quantile_needs(double q, double confidence, uint64_t tolerated);
/* The rank of the value that is an upper bound of quantile q with this confidence; 0: n is too small to say.
 */
uint64_t mlo_quantile_rank(uint64_t n, double q, double confidence);

/* ---- is b slower than a? Measured in pairs of blocks; values above 0 ---- */

struct mlo_ratio { /* b / a, and the interval */
    double ratio, low, high;
};
struct mlo_ratio_opts {
    double confidence;
    unsigned rounds; /* of the bootstrap over pairs */
    uint64_t seed;
};
struct mlo_blocks { /* block i is x[starts[i] .. starts[i + 1]) */
    const double *x;
    const size_t *starts; /* n + 1 */
    size_t n;
};
/* a[i], b[i]: the medians of pair i. The mean of the middle half of log(b / a). */
int mlo_ratio_of_pairs(const double *a, const double *b, size_t pairs, const struct mlo_ratio_opts *o,
                       struct mlo_ratio *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Two samples that are not paired: the middle means of their logs, resampled each by itself. between:
 * standard deviation of the log that is not seen inside them, added to the interval. */
int mlo_ratio_of_samples(const double *a, size_t n, const double *b, size_t m, double between,
                         const struct mlo_ratio_opts *o, struct mlo_ratio *ret,
                         struct mlo_err *err) MLO_MUST_CHECK;
/* Of the quantiles of all measurements; a and b have as many blocks. */
int mlo_ratio_of_quantiles(const struct mlo_blocks *a, const struct mlo_blocks *b, double q,
                           const struct mlo_ratio_opts *o, struct mlo_ratio *ret,
                           struct mlo_err *err) MLO_MUST_CHECK;

enum mlo_gate { MLO_GATE_PASS, MLO_GATE_FAIL, MLO_GATE_INCONCLUSIVE };
#define MLO_GATE_P        0.01    /* that a test of the pairs must be below, too */
#define MLO_GATE_MORE_MAX 1000000 /* pairs; so many: never */
/* Pass: the interval is wholly below 1 + tolerance; fail: wholly above, and p. *ret_more: how many more pairs
 * would tell, when the ratio stays as it is. */
enum mlo_gate mlo_ratio_gate(const struct mlo_ratio *r, double tolerance, double p, size_t pairs,
                             size_t *ret_more);

/* ---- where did a history change? ---- */

struct mlo_change_point {
    size_t at; /* first value of what came after */
    double before, after /* means of both sides, up to the next change */, p;
};
struct mlo_change_opts {
    size_t window; /* 30 to 50 values are looked at together */
    double p;      /* 0.001 */
    double least;  /* relative change that matters */
};
/* ret: room for n. Ascending. Time: n window^3. */
int mlo_change_points(const double *x, size_t n, const struct mlo_change_opts *o,
                      struct mlo_change_point *ret, size_t *ret_n, struct mlo_err *err) MLO_MUST_CHECK;

#endif
