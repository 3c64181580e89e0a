/*
 * Drift: profiles of tables, and what changed between two of them.
 *
 * A profile keeps no row of the table: counts on fixed edges, exact sums, categories with their counts. Edges
 * come from the reference, so a later pass counts into the same bins, every binned statistic of it is exact,
 * and profiles of shards merge to the same bytes in any order and split (integers and exact sums only).
 * docs/statistics.md gives the formulas, docs/profile-format.md the file.
 */
#ifndef MLOPSCTL_DRIFT_H
#define MLOPSCTL_DRIFT_H

#include <mlopsctl/base/hash.h>
#include <mlopsctl/stats.h>
#include <mlopsctl/table.h>

/* ---- profiles ---- */

#define MLO_PROFILE_CATEGORIES_MAX ((size_t)10000) /* of a column, with their counts; the rest is "other" */
#define MLO_PROFILE_BINS_MAX       ((size_t)1024)  /* fine bins of a number column */
struct mlo_profile;                                /* owned */

/* What a column is for. Those of a request log have the roles that the log gives them (docs/formats.md);
 * other columns of no given role are features. Of an ignored one a profile keeps the name. */
enum mlo_column_role {
    MLO_ROLE_FEATURE,
    MLO_ROLE_PREDICTION,
    MLO_ROLE_SCORE,
    MLO_ROLE_LABEL,
    MLO_ROLE_TIME,
    MLO_ROLE_IGNORE,
    MLO_ROLE_LATENCY, /* of a request, in milliseconds */
    MLO_ROLE_STATUS,  /* of a request, as HTTP has it: from 500 on it failed */
    MLO_N_ROLES
};
struct mlo_column_use {
    const char *name; /* borrowed */
    enum mlo_column_role role;
    bool optional; /* the table need not have the column */
};
struct mlo_windows; /* owned; below */
struct mlo_profile_opts {
    const struct mlo_profile *like;     /* edges, types and roles of this one; NULL: from the data */
    const struct mlo_column_use *roles; /* on top of those of `like` */
    size_t n_roles;
    bool sample; /* some rows too, not for the file: when both sides have them, a classifier compares */
    const char *positive;        /* class that a score is the probability of; NULL: 1, or as in `like` */
    struct mlo_windows *windows; /* with `like`: the rows are counted into these too; NULL: none */
    const char *time_column;     /* for windows; NULL: as mlo_table_time finds it */
    unsigned threads;
    bool exact;            /* keep the values of numbers too: statistics without bins */
    const char *temporary; /* folder for what does not fit into memory; NULL: /tmp */
};
int mlo_profile_table(struct mlo_table *t, const struct mlo_profile_opts *opts, struct mlo_profile **ret,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* How many threads the table may be opened with: one where the order of the rows matters. */
unsigned mlo_profile_threads(const struct mlo_profile_opts *opts, unsigned wanted);
/* For a profile that was read. MLO_ENOTFOUND: no such column. */
int mlo_profile_set_roles(struct mlo_profile *p, const struct mlo_column_use *roles, size_t n,
                          struct mlo_err *err) MLO_MUST_CHECK;
/* "label". */
const char *mlo_role_word(enum mlo_column_role r);
bool mlo_role_parse(const char *word, enum mlo_column_role *ret); /* NULL is no role */
/* Its columns that are no features, as options for another table; *ret_positive NULL: not known. Names are
 * borrowed from p; owner of the array: the caller. */
int mlo_profile_uses(const struct mlo_profile *p, struct mlo_column_use **ret, size_t *ret_n,
                     const char **ret_positive, struct mlo_err *err) MLO_MUST_CHECK;
/* The first column of this role; NULL: none. Borrowed. */
const char *mlo_profile_column_of(const struct mlo_profile *p, enum mlo_column_role role);
/* MLO_EUSAGE when edges differ. The result does not depend on order or split. */
int mlo_profile_merge(struct mlo_profile *into, const struct mlo_profile *other,
                      struct mlo_err *err) MLO_MUST_CHECK;
int mlo_profile_write(const struct mlo_profile *p, struct mlo_str *out, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_profile_read(const char *text, size_t n, struct mlo_profile **ret,
                     struct mlo_err *err) MLO_MUST_CHECK;
void mlo_profile_free(struct mlo_profile *p);
/* The column of numbers of whose values the largest share, above a fifth, lies beyond the bins: they were
 * made from the start of a sorted table that could be read only once. NULL: none. Borrowed. */
const char *mlo_profile_beyond(const struct mlo_profile *p, double *ret_share);
struct mlo_profile_facts {
    uint64_t rows, ragged; /* ragged: lines that were no rows */
    /* Of the table it was just made from, when a time was asked for: rows of another, rows that tell none.
     * A file does not keep them. */
    uint64_t outside, undated;
    size_t columns;
};
void mlo_profile_facts(const struct mlo_profile *p, struct mlo_profile_facts *ret);
/* Its columns as a table has them, so that a later table can be read as the same types. *ret: names borrowed
 * from p; owner of the array: the caller. */
int mlo_profile_columns(const struct mlo_profile *p, struct mlo_table_column **ret, size_t *ret_n,
                        struct mlo_err *err) MLO_MUST_CHECK;

/* ---- windows: the same columns counted by time ---- */

#define MLO_WINDOWS_MAX ((size_t)1000) /* of one run; more is MLO_EUSAGE */
enum mlo_window_unit { MLO_WINDOW_HOUR, MLO_WINDOW_DAY, MLO_WINDOW_WEEK, MLO_WINDOW_MONTH, MLO_WINDOW_ROWS };
struct mlo_window_span { /* of the calendar in UTC; weeks begin on Monday */
    enum mlo_window_unit unit;
    uint64_t rows; /* of ROWS: in order of the input */
};
/* "hour", "day", "week", "month", or a number of rows. */
int mlo_window_parse(const char *text, struct mlo_window_span *ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_windows_new(const struct mlo_window_span *span, struct mlo_windows **ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
void mlo_windows_free(struct mlo_windows *w);

/* ---- comparing ---- */

enum mlo_verdict {
    MLO_VERDICT_STABLE,
    MLO_VERDICT_DRIFT,
    MLO_VERDICT_NEW,      /* only in the current data */
    MLO_VERDICT_VANISHED, /* only in the reference */
    MLO_VERDICT_TYPE,     /* number here, text there */
    MLO_VERDICT_EMPTY,    /* no value on one side or both */
    MLO_VERDICT_CONSTANT, /* one value on both sides, the same */
    MLO_VERDICT_IGNORED,
};
struct mlo_drift_limits {  /* of one column; from the settings' section `drift` */
    double psi;            /* alarm above, together with p */
    double p;              /* adjusted p below */
    double missing_change; /* points of the missing share, together with p */
};
/* Numbers: the profiles' own bins, of which those of PSI are made. Bin i holds edges[i - 1] <= v < edges[i];
 * the first and the last hold what lies beyond the reference. All borrowed from the profiles. */
struct mlo_drift_fine {
    const double *edges;
    size_t n_edges;
    bool each_value;                     /* every edge is a value of the reference, each has one */
    const uint64_t *reference, *current; /* n_edges + 1 */
};
struct mlo_drift_column {
    const char *name; /* borrowed from the profiles */
    enum mlo_column_type type;
    enum mlo_column_role role;
    enum mlo_verdict verdict;
    char why[160];                  /* "PSI 0.31 above 0.1, adjusted p 2e-16" */
    struct mlo_drift_limits limits; /* that it was judged by */
    uint64_t n_reference, n_current;
    double missing_reference, missing_current; /* shares */
    struct mlo_test missing_test;
    double missing_p_adjusted;
    /* On reference-quantile bins with open ends and a missing bin (numbers), or categories with rare ones
     * pooled. */
    double psi;
    struct mlo_noise psi_noise;
    size_t bins;
    const double *edges;            /* bins of values only: n_value_bins - 1 inner edges; numbers */
    const struct mlo_slice *labels; /* categories; borrowed */
    struct mlo_drift_fine fine;
    const uint64_t *counts_reference, *counts_current; /* bins; the last is the missing bin */
    double js, hellinger, total_variation;
    struct mlo_test test;   /* chi-square homogeneity on these bins */
    struct mlo_test scores; /* numbers: location and spread by normal scores, on the fine bins */
    double p;               /* of both: by Bonferroni, most of the level to the scores where there are any */
    double p_adjusted;      /* over the columns of this run: Benjamini-Hochberg */
    struct mlo_test ks;     /* numbers; from fine bins unless exact: then ks_error is 0 */
    double ks_error;        /* |D - exact D| at most */
    bool exact;             /* ks, wasserstein and quantiles are of the values, not of bins; so are: */
    double energy;
    struct mlo_test cramer_von_mises, anderson_darling, epps_singleton; /* when asked for */
    double wasserstein; /* in standard deviations of the reference */
    struct mlo_moments reference, current;
    double quantiles_reference[7], quantiles_current[7]; /* 1 5 25 50 75 95 99 % */
    double outside; /* share of current values beyond the reference's range */
    struct mlo_slice new_categories[8], vanished_categories[8];
    uint64_t n_new, n_vanished;
    double importance; /* 0 when not given */
};
struct mlo_drift_fact { /* what is not of one feature: accuracy, calibration, latency, domain classifier */
    const char *name;   /* "accuracy", "latency_p95_ms" */
    const char *kind;   /* a word of enum mlo_drift_kind */
    const char *column; /* that it is about; NULL: of no single one. Borrowed from the profiles */
    enum mlo_verdict verdict;
    double reference, current, limit, p; /* NaN: none */
    struct mlo_interval interval;        /* of the change, 95 %; NaN: none */
    bool estimate;                       /* no labels: estimated */
    char why[200];
};
/* What an alarm is about. */
enum mlo_drift_kind {
    MLO_DRIFT_FEATURE = 1 << 0,     /* the distribution of an input */
    MLO_DRIFT_PREDICTION = 1 << 1,  /* of what the model answers, or should */
    MLO_DRIFT_CONCEPT = 1 << 2,     /* how inputs and truth go together */
    MLO_DRIFT_QUALITY = 1 << 3,     /* a column is gone, empty or of another type, values are missing */
    MLO_DRIFT_OPERATION = 1 << 4,   /* latency, failed requests */
    MLO_DRIFT_PERFORMANCE = 1 << 5, /* how often the model is right, whatever the reason */
    MLO_DRIFT_ALL = (1 << 6) - 1,
};
#define MLO_WINDOW_LABEL 32
struct mlo_drift_window {         /* drift over time */
    char label[MLO_WINDOW_LABEL]; /* "2026-11-21", "2026-11-21 09:00", "rows 1001 to 2000" */
    int64_t from_ns, to_ns;       /* 0 and 0 when it is one of rows */
    uint64_t rows;
    double share_drifted, worst_psi, worst_noise; /* noise: what 95 of 100 windows without drift stay below */
    double worst_limit;                           /* of the PSI of that column */
    const char *worst;                            /* the column; NULL: none was compared. Borrowed */
    enum mlo_verdict verdict;
    const double *psi; /* of each column of the report; NaN where it was not compared. Borrowed */
};
struct mlo_drift_report {
    enum mlo_verdict verdict; /* STABLE or DRIFT */
    char sentence[256];       /* the verdict for people */
    uint64_t rows_reference, rows_current, ragged_reference, ragged_current;
    const char *name_reference, *name_current; /* as the user gave them */
    /* Of the features, each weighing its importance where that is given, else 1. */
    double share_drifted, share_limit;
    unsigned fail_on;                 /* kinds that count for the verdict; 0: all */
    struct mlo_drift_column *columns; /* worst first */
    size_t n_columns;
    struct mlo_drift_fact *facts;
    size_t n_facts;
    struct mlo_drift_window *windows;
    size_t n_windows;
    double *window_psi; /* owned: what the windows borrow */
    void *owned;        /* what the above borrows from */
};
void mlo_drift_report_free(struct mlo_drift_report *r);
/* "drift", "gone", "type changed". */
const char *mlo_verdict_word(enum mlo_verdict v);
/* A column that changed beyond its limits, and of which kind the alarm is. */
bool mlo_drift_is_alarm(const struct mlo_drift_column *c);
enum mlo_drift_kind mlo_drift_column_kind(const struct mlo_drift_column *c);
/* "feature,quality": kinds with commas or blanks between. MLO_EUSAGE: there is no such kind. */
int mlo_drift_kinds_parse(const char *list, unsigned *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* "feature, quality"; returns buf. */
#define MLO_DRIFT_KINDS_MAX 96
const char *mlo_drift_kinds_words(unsigned kinds, char buf[MLO_DRIFT_KINDS_MAX]);

struct mlo_drift_column_opts {
    const char *name;
    enum mlo_column_role role;      /* FEATURE: as the reference's profile says */
    struct mlo_drift_limits limits; /* a member below 0: the default */
    double importance;              /* weight in the share of drifted features; 0: not given */
};
struct mlo_drift_fact_limits { /* 0: the default */
    double latency_p95_ms;     /* 100 */
    double error_rate;         /* of requests: 0.01 */
    double accuracy_drop;      /* 0.05: five points */
    double error_rise;         /* of mean errors of numbers, as a share of the reference's: 0.1 */
    double calibration_rise;   /* of the expected calibration error and the Brier score: 0.05 */
    double auc_drop;           /* 0.05 */
    double domain_auc;         /* of the classifier that tells the sides apart: 0.6 */
};
enum mlo_drift_test { /* beside those that are always made; they need exact */
                      MLO_DRIFT_TEST_CRAMER_VON_MISES = 1 << 0,
                      MLO_DRIFT_TEST_ANDERSON_DARLING = 1 << 1,
                      MLO_DRIFT_TEST_EPPS_SINGLETON = 1 << 2,
};
struct mlo_drift_opts {
    struct mlo_drift_limits feature, prediction; /* defaults: psi 0.1 / 0.15, p 0.05, missing 0.05 */
    struct mlo_drift_fact_limits facts;
    double share_limit; /* of drifted features for the verdict; 0: any one */
    unsigned fail_on;   /* kinds that count for the verdict; 0: all */
    const struct mlo_drift_column_opts *columns;
    size_t n_columns;
    bool exact;       /* both profiles were made with the values */
    unsigned tests;   /* enum mlo_drift_test */
    unsigned threads; /* for exact; 0: mlo_cpu_count() */
};
int mlo_drift_compare(const struct mlo_profile *reference, const struct mlo_profile *current,
                      const struct mlo_drift_opts *opts, struct mlo_drift_report **ret,
                      struct mlo_err *err) MLO_MUST_CHECK;

/* Adds r->windows: each compared with the reference in the bins and by the limits of the whole, p-values
 * adjusted over all windows and columns. They tell when; the verdict stays that of the whole. */
int mlo_drift_over_time(struct mlo_drift_report *r, const struct mlo_windows *w,
                        struct mlo_err *err) MLO_MUST_CHECK;

/* The largest PSI of a column in windows [from, to); NaN when it was compared in none. */
double mlo_drift_most(const struct mlo_drift_report *r, size_t column, size_t from, size_t to);
/* The columns with the largest PSI in any window, at most max, the largest first. Returns how many. */
size_t mlo_drift_movers(const struct mlo_drift_report *r, size_t *ret, size_t max);

/* ---- the report as text ---- */

int mlo_drift_html(const struct mlo_drift_report *r, struct mlo_str *out, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_drift_junit(const struct mlo_drift_report *r, struct mlo_str *out,
                    struct mlo_err *err) MLO_MUST_CHECK;
int mlo_drift_prometheus(const struct mlo_drift_report *r, struct mlo_str *out,
                         struct mlo_err *err) MLO_MUST_CHECK;
int mlo_drift_github(const struct mlo_drift_report *r, struct mlo_str *out,
                     struct mlo_err *err) MLO_MUST_CHECK;

/* ---- other tools' numbers, for those who come from them ---- */

struct mlo_drift_compat_opts {
    const char
        *tool; /* "evidently", "nannyml", "deepchecks", "scipy"; ":METHOD" for another than its default */
    const char *const *ignore; /* columns */
    size_t n_ignore;
};
struct mlo_drift_compat_row {
    const char *column; /* owned by the report */
    const char *kind, *method;
    bool made;               /* else `why` says why not */
    double value, threshold; /* NaN: none */
    double statistic;        /* where value is a p-value; else NaN */
    bool drift, chunked;
    uint64_t from, to; /* rows of a chunk, 0 the first; `to` is no part of it */
    char why[64];
};
struct mlo_drift_compat_report {
    struct mlo_drift_compat_row *rows;
    size_t n_rows, cap_rows, columns /* compared */, drifted;
    double share, share_limit;
    bool drift;
};
/* Tables opened for one thread; their values are held in memory. */
int mlo_drift_compat(struct mlo_table *reference, struct mlo_table *current,
                     const struct mlo_drift_compat_opts *o, struct mlo_drift_compat_report **ret,
                     struct mlo_err *err) MLO_MUST_CHECK;
void mlo_drift_compat_free(struct mlo_drift_compat_report *r);

/* ---- detectors of change over the rows of a table, in their order ---- */

#define MLO_MONITOR_EVENTS_MAX ((size_t)100000) /* kept; all are counted */
#define MLO_MONITOR_STATE_MAX  ((size_t)64 << 20)
struct mlo_monitor;             /* owned */
struct mlo_monitor_opts {       /* all borrowed while the monitor lives */
    const char *const *columns; /* of numbers or truth values, each a stream of its own */
    size_t n_columns;
    /* Both or none: one more stream, "error", 1 where they differ; their distance when they have fractions.
     */
    const char *label, *prediction;
    double threshold;                     /* prediction is a score, 1 from here up; NAN: none */
    const char *time;                     /* column; NULL: the only one of times, if there is one */
    const struct mlo_detector *detectors; /* set up; every stream gets its own of each */
    size_t n_detectors;
};
struct mlo_monitor_event {
    const char *stream, *detector; /* borrowed from the monitor */
    enum mlo_signal signal;        /* a drift, or the first of some warnings */
    uint64_t row;                  /* 1: the first that the monitor ever saw */
    bool timed;
    int64_t time_ns;
    double value;
};
struct mlo_monitor_facts { /* of the tables shown since it was made or restored */
    uint64_t rows, ragged, skipped /* values that are missing or no number */, drifts, warnings;
    const struct mlo_monitor_event *events; /* borrowed */
    size_t n_events;
};
int mlo_monitor_new(const struct mlo_monitor_opts *opts, struct mlo_monitor **ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* t must have been opened for one thread. */
int mlo_monitor_table(struct mlo_monitor *m, struct mlo_table *t, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_monitor_facts(const struct mlo_monitor *m, struct mlo_monitor_facts *ret);
/* The state of all detectors as JSON, and back into a monitor of the same streams and detectors. A failure
 * leaves the monitor half restored. */
int mlo_monitor_write(const struct mlo_monitor *m, struct mlo_str *out, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_monitor_restore(struct mlo_monitor *m, const char *text, size_t n,
                        struct mlo_err *err) MLO_MUST_CHECK;
void mlo_monitor_free(struct mlo_monitor *m);

#endif
