/*
 * Two profiles side by side. An alarm needs size and significance: PSI above its limit, and the p-value of
 * its tests, adjusted over all columns of the run, below its level. Nothing aborts: what cannot
 * be compared gets a verdict that says why.
 */
#include "exact.h"
#include "facts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/thread.h>

static const struct mlo_drift_limits feature_limits = {.psi = 0.1, .p = 0.05, .missing_change = 0.05};
static const struct mlo_drift_limits prediction_limits = {.psi = 0.15, .p = 0.05, .missing_change = 0.05};

/* ---- numbers of one column ---- */

/* Bins that hold something on either side. */
static size_t used_bins(const struct mlo_drift_column *c)
{
    size_t used = 0;
    for (size_t i = 0; i < c->bins; i++)
        used += c->counts_reference[i] + c->counts_current[i] > 0;
    return used;
}

/* One row in a bin where a hundredth of one was expected is chance, and no chi-square: bins in which less
 * than one row of the smaller sample is expected count together with the rarest of the others (Cochran 1954).
 */
static size_t pool_rare(uint64_t *a, uint64_t *b, size_t bins, uint64_t n, uint64_t m)
{
    double share = (double)(n < m ? n : m) / (double)(n + m ? n + m : 1);
    while (bins > 2) {
        size_t rarest = 0, next = 1;
        for (size_t i = 1; i < bins; i++) {
            if (a[i] + b[i] < a[rarest] + b[rarest]) {
                next = rarest;
                rarest = i;
            } else if (i > 1 && a[i] + b[i] < a[next] + b[next]) {
                next = i;
            }
        }
        if ((double)(a[rarest] + b[rarest]) * share >= 1)
            break;
        a[next] += a[rarest];
        b[next] += b[rarest];
        a[rarest] = a[--bins];
        b[rarest] = b[bins];
    }
    return bins;
}

void mlo_compare_counts(struct mlo_drift_column *c)
{
    const uint64_t *a = c->counts_reference, *b = c->counts_current;
    uint64_t packed_a[64] = {0}, packed_b[64] = {0}, n = 0, m = 0;
    size_t used = used_bins(c), at = 0;
    for (size_t i = 0; i < c->bins; i++) {
        n += a[i];
        m += b[i];
        if (a[i] + b[i] > 0 &&
            at < MLO_COUNT(packed_a)) { /* an empty bin is no bin: half a count would be noise */
            packed_a[at] = a[i];
            packed_b[at++] = b[i];
        }
    }
    c->psi = mlo_psi(packed_a, packed_b, at, MLO_ZERO_HALF);
    mlo_psi_noise(c->psi, n, m, used, &c->psi_noise);
    c->js = mlo_js_divergence(packed_a, packed_b, at);
    c->hellinger = mlo_hellinger(packed_a, packed_b, at);
    c->total_variation = mlo_total_variation(packed_a, packed_b, at);
    at = pool_rare(packed_a, packed_b, at, n, m);
    mlo_chi2_homogeneity(packed_a, packed_b, at, true, &c->test);
    c->p = c->test.p;
}

/* Chi-square sees any change, and for that little of each; most changes of numbers are of location or spread,
 * of which scores see small ones. So the scores have most of the level. */
int mlo_compare_order(const uint64_t *a, const uint64_t *b, size_t bins, struct mlo_drift_column *c,
                      struct mlo_err *err)
{
    const double scores = 0.9;
    int rc = mlo_normal_scores(a, b, bins, &c->scores, err);
    if (rc == 0 && c->scores.why == MLO_STAT_OK)
        c->p = fmin(1, fmin(c->scores.p / scores, c->test.p / (1 - scores)));
    return rc;
}

static uint64_t rows_of(const struct mlo_profile_column *c)
{
    return c->n + c->missing + c->nan + c->bad;
}

void mlo_compare_shares(uint64_t ka, uint64_t n, uint64_t kb, uint64_t m, struct mlo_test *ret)
{
    enum { FEW = 5 };
    double pooled = (double)(ka + kb) / (double)(n + m ? n + m : 1), smaller = (double)(n < m ? n : m);
    if (smaller * fmin(pooled, 1 - pooled) < FEW)
        mlo_fisher((const uint64_t[4]){ka, n - ka, kb, m - kb}, ret);
    else
        mlo_two_proportions(ka, n, kb, m, ret);
}

void mlo_compare_missing(uint64_t ka, uint64_t n, uint64_t kb, uint64_t m, struct mlo_drift_column *ret)
{
    ret->missing_reference = n ? (double)ka / (double)n : 0;
    ret->missing_current = m ? (double)kb / (double)m : 0;
    mlo_compare_shares(ka, n, kb, m, &ret->missing_test);
}

static void compare_missing(const struct mlo_pair *p, struct mlo_drift_column *c)
{
    uint64_t n = rows_of(p->reference), m = rows_of(p->current);
    mlo_compare_missing(n - p->reference->n, n, m - p->current->n, m, c);
}

static bool is_constant(const struct mlo_profile_column *c)
{
    return c->type == MLO_COLUMN_TEXT ? c->categories.count <= 1 && !c->categories.overflowed
                                      : c->min >= c->max;
}

static bool is_same_value(const struct mlo_pair *p)
{
    if (p->reference->type != MLO_COLUMN_TEXT)
        return p->reference->min <= p->current->min && p->reference->min >= p->current->min;
    for (size_t i = 0; i < p->reference->categories.cap; i++) {
        const struct mlo_category *k = &p->reference->categories.slots[i];
        if (k->text)
            return mlo_categories_find(&p->current->categories, k->text, strlen(k->text)) != NULL;
    }
    return false;
}

/* Nearly every row has its own text: a name of the row, of which no two samples can be alike. */
static bool is_identifier(const struct mlo_profile_column *c)
{
    return c->type == MLO_COLUMN_TEXT && c->n > 100 &&
           mlo_categories_distinct(&c->categories) > 0.9 * (double)c->n;
}

static int compare_values(const struct mlo_pair *p, struct mlo_drift_column *c, struct mlo_err *err)
{
    if (c->type == MLO_COLUMN_TEXT)
        return mlo_compare_texts(p, c, err);
    if (mlo_bins_equal(&p->reference->bins, &p->current->bins))
        return mlo_compare_numbers(p, c, err);
    mlo_fail(err, MLO_EUSAGE, "column '%s' is counted in other bins than the reference's", c->name);
    return mlo_hint(err, "make the current profile with `mlopsctl profile --like REFERENCE`");
}

#define SAY(c, v, ...)                                                                                       \
    do {                                                                                                     \
        (c)->verdict = (v);                                                                                  \
        snprintf((c)->why, sizeof(c)->why, __VA_ARGS__);                                                     \
    } while (0)

static int compare_column(const struct mlo_pair *p, struct mlo_drift_column *c, struct mlo_err *err)
{
    static const char *const words[] = {[MLO_COLUMN_NUMBER] = "numbers",
                                        [MLO_COLUMN_TEXT] = "text",
                                        [MLO_COLUMN_BOOL] = "truth values",
                                        [MLO_COLUMN_TIME] = "times"};
    const struct mlo_profile_column *a = p->reference, *b = p->current;
    c->type = a->type;
    c->n_reference = a->n;
    c->n_current = b->n;
    compare_missing(p, c);
    if (a->n + a->bad == 0 || b->n + b->bad == 0)
        SAY(c, MLO_VERDICT_EMPTY, "no value in %s",
            a->n   ? "the current data"
            : b->n ? "the reference"
                   : "either");
    else if (a->type != b->type)
        SAY(c, MLO_VERDICT_TYPE, "%s in the reference, %s now", words[a->type], words[b->type]);
    else if (b->bad > b->n || a->n == 0)
        SAY(c, MLO_VERDICT_TYPE, "most values are no %s any more", words[a->type]);
    else if (a->type == MLO_COLUMN_TIME)
        SAY(c, MLO_VERDICT_IGNORED, "times pass");
    else if (is_identifier(a))
        SAY(c, MLO_VERDICT_IGNORED, "an identifier: nearly every row has its own value");
    else if (is_constant(a) && is_constant(b) && is_same_value(p) && a->n == rows_of(a) && b->n == rows_of(b))
        SAY(c, MLO_VERDICT_CONSTANT, "one value, the same");
    else
        return compare_values(p, c, err);
    return 0;
}

/* Labels come late: rows without one are no change. */
static int compare_label(const struct mlo_pair *p, struct mlo_drift_column *c, struct mlo_err *err)
{
    struct mlo_profile_column a = *p->reference, b = *p->current;
    a.missing = b.missing = 0;
    return compare_column(&(struct mlo_pair){&a, &b}, c, err);
}

/* ---- verdicts ---- */

static const struct mlo_drift_column_opts *opts_of(const struct mlo_drift_opts *o, const char *name)
{
    for (size_t i = 0; i < o->n_columns; i++)
        if (strcmp(o->columns[i].name, name) == 0)
            return &o->columns[i];
    return NULL;
}

static double pick(double own, double general, double standard)
{
    return own >= 0 ? own : general > 0 ? general : standard;
}

static struct mlo_drift_limits limits_of(const struct mlo_drift_opts *o, const struct mlo_drift_column *c)
{
    const struct mlo_drift_column_opts *own = opts_of(o, c->name);
    bool prediction = c->role == MLO_ROLE_PREDICTION || c->role == MLO_ROLE_SCORE ||
                      c->role == MLO_ROLE_LABEL;
    const struct mlo_drift_limits *general = prediction ? &o->prediction : &o->feature;
    const struct mlo_drift_limits *standard = prediction ? &prediction_limits : &feature_limits;
    return (struct mlo_drift_limits){
        .psi = pick(own ? own->limits.psi : -1, general->psi, standard->psi),
        .p = pick(own ? own->limits.p : -1, general->p, standard->p),
        .missing_change = pick(own ? own->limits.missing_change : -1, general->missing_change,
                               standard->missing_change),
    };
}

static bool is_compared(const struct mlo_drift_column *c)
{
    return c->counts_reference != NULL;
}

static void judge(const struct mlo_drift_opts *o, struct mlo_drift_column *c)
{
    struct mlo_drift_limits l = c->limits = limits_of(o, c);
    if (mlo_drift_missing_jumped(c)) /* first: it also moves the PSI */
        SAY(c, MLO_VERDICT_DRIFT, "missing values went from %.1f %% to %.1f %%", 100 * c->missing_reference,
            100 * c->missing_current);
    else if (c->psi > l.psi && c->p_adjusted < l.p)
        SAY(c, MLO_VERDICT_DRIFT, "PSI %.3f above %g, adjusted p %.2g", c->psi, l.psi, c->p_adjusted);
    else if (c->psi > l.psi)
        SAY(c, MLO_VERDICT_STABLE, "PSI %.3f is within the noise of so few rows (95 %%: %.3f)", c->psi,
            c->psi_noise.level95);
    else
        SAY(c, MLO_VERDICT_STABLE, "PSI %.3f", c->psi);
}

int mlo_adjust_both(double *p, double *missing_p, size_t n, struct mlo_err *err)
{
    MLO_AUTOFREE double *all = mlo_calloc(2 * n + 1, sizeof *all, err);
    size_t k = 0;
    if (!all)
        return MLO_EIO;
    for (size_t i = 0; i < 2 * n; i++) {
        double v = i < n ? p[i] : missing_p[i - n];
        if (!isnan(v))
            all[k++] = v;
    }
    int rc = mlo_benjamini_hochberg(all, k, err);
    for (size_t i = 2 * n; rc == 0 && i-- > 0;) {
        double *v = i < n ? &p[i] : &missing_p[i - n];
        *v = isnan(*v) ? 1 : all[--k];
    }
    return rc;
}

static bool has_missing(const struct mlo_drift_column *c)
{
    return c->missing_reference > 0 || c->missing_current > 0;
}

/* The p-values of all columns are adjusted together, those of distributions and of missing shares: either can
 * raise the alarm. */
static int judge_all(struct mlo_drift_report *r, const struct mlo_drift_opts *o, struct mlo_err *err)
{
    MLO_AUTOFREE double *p = mlo_calloc(2 * r->n_columns + 1, sizeof *p, err);
    size_t n = r->n_columns;
    if (!p)
        return MLO_EIO;
    for (size_t i = 0; i < n; i++) {
        const struct mlo_drift_column *c = &r->columns[i];
        p[i] = is_compared(c) ? c->p : NAN;
        p[n + i] = is_compared(c) && has_missing(c) ? c->missing_test.p : NAN;
    }
    int rc = mlo_adjust_both(p, p + n, n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (is_compared(&r->columns[i])) {
            r->columns[i].p_adjusted = p[i];
            r->columns[i].missing_p_adjusted = p[n + i];
            judge(o, &r->columns[i]);
        }
    return rc;
}

/* ---- the report ---- */

const char *mlo_verdict_word(enum mlo_verdict v)
{
    static const char *const words[] = {
        [MLO_VERDICT_STABLE] = "stable", [MLO_VERDICT_DRIFT] = "drift",       [MLO_VERDICT_NEW] = "new",
        [MLO_VERDICT_VANISHED] = "gone", [MLO_VERDICT_TYPE] = "type changed", [MLO_VERDICT_EMPTY] = "empty",
        [MLO_VERDICT_CONSTANT] = "same", [MLO_VERDICT_IGNORED] = "ignored",
    };
    return words[v];
}

static int worst_first(const void *a, const void *b)
{
    const struct mlo_drift_column *x = a, *y = b;
    int alarm = mlo_drift_is_alarm(y) - mlo_drift_is_alarm(x);
    if (alarm)
        return alarm;
    double gx = is_compared(x) ? x->psi : -1, gy = is_compared(y) ? y->psi : -1;
    return gx != gy ? (gx < gy ? 1 : -1) : strcmp(x->name, y->name);
}

void mlo_drift_report_free(struct mlo_drift_report *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_columns; i++) {
        struct mlo_drift_column *c = &r->columns[i];
        free((void *)(uintptr_t)c->edges);
        free((void *)(uintptr_t)c->labels);
        free((void *)(uintptr_t)c->counts_reference);
        free((void *)(uintptr_t)c->counts_current);
    }
    free(r->columns);
    free(r->facts);
    free(r->windows);
    free(r->window_psi);
    free(r);
}

static struct mlo_drift_column *next_column(struct mlo_drift_report *r, const struct mlo_profile_column *of,
                                            const struct mlo_drift_opts *o)
{
    struct mlo_drift_column *c = &r->columns[r->n_columns++];
    const struct mlo_drift_column_opts *own = opts_of(o, of->name);
    *c = (struct mlo_drift_column){.name = of->name,
                                   .test = {.p = 1},
                                   .missing_test = {.p = 1},
                                   .p = 1,
                                   .p_adjusted = 1,
                                   .missing_p_adjusted = 1};
    c->role = own && own->role != MLO_ROLE_FEATURE ? own->role : of->role;
    c->importance = own ? own->importance : 0;
    return c;
}

/* Not compared as a column. */
static bool is_set_aside(const struct mlo_drift_column *c)
{
    return c->role == MLO_ROLE_IGNORE || c->role == MLO_ROLE_TIME || mlo_role_is_operation(c->role);
}

struct comparison {
    const struct mlo_profile *a, *b;
    struct mlo_drift_report *report; /* column i is of a's column i */
};

static int compare_one(void *ctx, size_t i, struct mlo_err *err)
{
    const struct comparison *w = ctx;
    struct mlo_pair p = {&w->a->columns[i], mlo_profile_find(w->b, w->a->columns[i].name)};
    struct mlo_drift_column *c = &w->report->columns[i];
    if (is_set_aside(c))
        SAY(c, MLO_VERDICT_IGNORED, "its role is %s", mlo_role_word(c->role));
    else if (c->role == MLO_ROLE_LABEL && (!p.current || p.current->n == 0))
        SAY(c, MLO_VERDICT_IGNORED, "no labels in the current data yet");
    else if (!p.current)
        SAY(c, MLO_VERDICT_VANISHED, "not in the current data");
    else
        return c->role == MLO_ROLE_LABEL ? compare_label(&p, c, err) : compare_column(&p, c, err);
    return 0;
}

static int compare_all(const struct mlo_profile *a, const struct mlo_profile *b,
                       const struct mlo_drift_opts *o, struct mlo_drift_report *r, struct mlo_err *err)
{
    struct comparison w = {a, b, r};
    for (size_t i = 0; i < a->n_columns; i++)
        next_column(r, &a->columns[i], o);
    int rc = mlo_parallel(a->n_columns, mlo_cpu_count(), compare_one, &w, err);
    for (size_t i = 0; rc == 0 && i < b->n_columns; i++)
        if (!mlo_profile_find(a, b->columns[i].name)) {
            struct mlo_drift_column *c = next_column(r, &b->columns[i], o);
            if (is_set_aside(c))
                SAY(c, MLO_VERDICT_IGNORED, "its role is %s", mlo_role_word(c->role));
            else
                SAY(c, MLO_VERDICT_NEW, "not in the reference");
        }
    return rc;
}

int mlo_drift_compare(const struct mlo_profile *reference, const struct mlo_profile *current,
                      const struct mlo_drift_opts *opts, struct mlo_drift_report **ret, struct mlo_err *err)
{
    struct mlo_drift_report *r = mlo_calloc(1, sizeof *r, err);
    if (!r)
        return MLO_EIO;
    r->rows_reference = reference->rows;
    r->rows_current = current->rows;
    r->ragged_reference = reference->ragged;
    r->ragged_current = current->ragged;
    r->columns = mlo_calloc(reference->n_columns + current->n_columns + 1, sizeof *r->columns, err);
    int rc = r->columns ? compare_all(reference, current, opts, r, err) : MLO_EIO;
    if (rc == 0)
        rc = mlo_exact_compare(reference, current, opts, r, err);
    if (rc == 0)
        rc = judge_all(r, opts, err);
    if (rc == 0)
        rc = mlo_facts_find(reference, current, opts, r, err);
    if (rc != 0) {
        mlo_drift_report_free(r);
        return rc;
    }
    qsort(r->columns, r->n_columns, sizeof *r->columns, worst_first);
    r->share_limit = opts->share_limit;
    r->fail_on = opts->fail_on ? opts->fail_on : MLO_DRIFT_ALL;
    mlo_drift_conclude(r);
    *ret = r;
    return 0;
}
