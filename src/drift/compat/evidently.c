/*
 * Evidently 0.7: its choice of test and threshold by type and size of the reference, and its numbers. Numbers
 * in more than 20 different values are binned by Sturges' rule over both samples pooled.
 */
#include "compat.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum kind { NUMERICAL, CATEGORICAL, TEXT };
struct input {
    const struct mlo_compat_column *c;
    enum kind kind;
    struct mlo_counts pooled; /* of every value */
};
enum { SMALL_REFERENCE = 1000, FEW_VALUES = 5, BINNED_FROM = 20, INTEGER_CATEGORIES = 10 };

/* ---- bins ---- */

static double sturges(double low, double high, size_t n, bool integral)
{
    double width = (high - low) / (log2((double)n) + 1);
    return integral && width > 0 && width < 1 ? 1 : width; /* as numpy 2 */
}

static int count_bins(const struct input *in, struct mlo_counts *ret, struct mlo_err *err)
{
    const struct mlo_compat_values *x = &in->c->x, *y = &in->c->y;
    double low = fmin(x->x[0], y->x[0]), high = fmax(x->x[x->n - 1], y->x[y->n - 1]);
    bool integral = in->c->reference->integral && in->c->current->integral;
    struct mlo_edges e = {0};
    struct mlo_counts c = {0};
    int rc = mlo_edges_of_width(low, high, sturges(low, high, x->n + y->n, integral), &e, err);
    if (rc != 0)
        return rc;
    c.n = e.bins;
    c.a = mlo_calloc(e.bins, sizeof *c.a, err);
    c.b = c.a ? mlo_calloc(e.bins, sizeof *c.b, err) : NULL;
    if (c.b) {
        mlo_edges_count(&e, x, c.a);
        mlo_edges_count(&e, y, c.b);
        *ret = c;
    } else {
        mlo_counts_release(&c);
        rc = MLO_EIO;
    }
    mlo_edges_release(&e);
    return rc;
}

typedef double (*divergence_fn)(const struct mlo_counts *n);

static int binned(const struct input *in, divergence_fn fn, double *ret, struct mlo_err *err)
{
    struct mlo_counts n;
    if (in->kind == CATEGORICAL || mlo_compat_distinct(&in->c->x) <= BINNED_FROM) {
        *ret = fn(&in->pooled);
        return 0;
    }
    int rc = count_bins(in, &n, err);
    if (rc == 0) {
        *ret = fn(&n);
        mlo_counts_release(&n);
    }
    return rc;
}

static double psi_of(const struct mlo_counts *n)
{
    return mlo_psi(n->a, n->b, n->n, MLO_ZERO_EVIDENTLY);
}

static double kl_of(const struct mlo_counts *n)
{
    return mlo_kl(n->a, n->b, n->n, MLO_ZERO_EVIDENTLY);
}

static double js_of(const struct mlo_counts *n)
{
    return sqrt(mlo_js_divergence(n->a, n->b, n->n));
}

/* ---- methods: each gives its score ---- */

static int psi(const struct input *in, double *ret, struct mlo_err *err)
{
    return binned(in, psi_of, ret, err);
}

static int kl_div(const struct input *in, double *ret, struct mlo_err *err)
{
    return binned(in, kl_of, ret, err);
}

static int jensenshannon(const struct input *in, double *ret, struct mlo_err *err)
{
    return binned(in, js_of, ret, err);
}

/* By the overlap, which loses digits when it is near 1; numbers are binned by their different values. */
static double overlap(const uint64_t *a, const uint64_t *b, size_t bins, double n, double m)
{
    double sum = 0;
    for (size_t i = 0; i < bins; i++)
        sum += sqrt((double)a[i] / n * ((double)b[i] / m));
    return sqrt(1 - fmin(sum, 1));
}

static int hellinger(const struct input *in, double *ret, struct mlo_err *err)
{
    const struct mlo_counts *p = &in->pooled;
    double n = (double)in->c->x.n, m = (double)in->c->y.n, low = p->keys[0], high = p->keys[p->n - 1];
    bool integral = in->c->reference->integral && in->c->current->integral;
    struct mlo_edges e = {0};
    if (in->kind == CATEGORICAL) {
        *ret = overlap(p->a, p->b, p->n, n, m);
        return 0;
    }
    int rc = mlo_edges_of_width(low, high, sturges(low, high, p->n, integral), &e, err);
    MLO_AUTOFREE uint64_t *counts = rc == 0 ? mlo_calloc(2 * e.bins, sizeof *counts, err) : NULL;
    if (counts) {
        mlo_edges_count(&e, &in->c->x, counts);
        mlo_edges_count(&e, &in->c->y, counts + e.bins);
        *ret = overlap(counts, counts + e.bins, e.bins, n, m);
    }
    mlo_edges_release(&e);
    return rc == 0 && !counts ? MLO_EIO : rc;
}

static int ks(const struct input *in, double *ret, struct mlo_err *err)
{
    struct mlo_test t;
    (void)err;
    mlo_ks(in->c->x.x, in->c->x.n, in->c->y.x, in->c->y.n, &t);
    *ret = t.p;
    return 0;
}

static int wasserstein(const struct input *in, double *ret, struct mlo_err *err)
{
    struct mlo_moments a;
    (void)err;
    mlo_moments(in->c->x.x, in->c->x.n, &a);
    *ret = mlo_wasserstein(in->c->x.x, in->c->x.n, in->c->y.x, in->c->y.n) / fmax(sqrt(a.variance), 0.001);
    return 0;
}

static int energy(const struct input *in, double *ret, struct mlo_err *err)
{
    (void)err;
    *ret = mlo_energy(in->c->x.x, in->c->x.n, in->c->y.x, in->c->y.n);
    return 0;
}

static int anderson(const struct input *in, double *ret, struct mlo_err *err)
{
    struct mlo_test t;
    (void)err;
    mlo_anderson_darling(in->c->x.x, in->c->x.n, in->c->y.x, in->c->y.n, &t);
    *ret = t.p;
    return 0;
}

static int epps_singleton(const struct input *in, double *ret, struct mlo_err *err)
{
    struct mlo_test t;
    (void)err;
    mlo_epps_singleton(in->c->x.x, in->c->x.n, in->c->y.x, in->c->y.n, &t);
    *ret = t.p;
    return 0;
}

static int t_test(const struct input *in, double *ret, struct mlo_err *err)
{
    struct mlo_moments a, b;
    struct mlo_test t;
    (void)err;
    mlo_moments(in->c->x.x, in->c->x.n, &a);
    mlo_moments(in->c->y.x, in->c->y.n, &b);
    mlo_student_t(&a, &b, false, &t);
    *ret = t.p;
    return 0;
}

/* The reference as if it were exact: alarms too often. A category that is new makes p 0. */
static int chisquare(const struct input *in, double *ret, struct mlo_err *err)
{
    const struct mlo_counts *p = &in->pooled;
    double scale = (double)in->c->y.n / (double)in->c->x.n, sum = 0;
    (void)err;
    for (size_t i = 0; i < p->n; i++) {
        double expected = (double)p->a[i] * scale, d = (double)p->b[i] - expected;
        sum += d * d / expected;
    }
    *ret = p->n < 2 ? 1 : isinf(sum) ? 0 : mlo_chi2_sf(sum, (double)(p->n - 1));
    return 0;
}

/* The share of the smallest value against all others; 2 (1 - CDF), which ends at 1e-16. */
static int z(const struct input *in, double *ret, struct mlo_err *err)
{
    const struct mlo_counts *p = &in->pooled;
    double n = (double)in->c->x.n, m = (double)in->c->y.n;
    (void)err;
    *ret = 1;
    if (p->n < 2)
        return 0;
    double a = 1 - (double)p->a[0] / n, b = 1 - (double)p->b[0] / m, all = (a * n + b * m) / (n + m);
    double cdf = 1 - mlo_normal_sf(fabs((a - b) / sqrt(all * (1 - all) * (1 / n + 1 / m))));
    *ret = 2 * (1 - cdf);
    return 0;
}

enum rule { DISTANCE, DISTANCE_ABOVE, P_BELOW, P_BELOW_OR_AT };
enum { FOR_NUMBERS = 1, FOR_CATEGORIES = 2 };
static const struct method {
    const char *name;
    int (*score)(const struct input *in, double *ret, struct mlo_err *err);
    double threshold;
    enum rule rule;
    int of;
} methods[] = {
    {"ks", ks, 0.05, P_BELOW_OR_AT, FOR_NUMBERS},
    {"wasserstein", wasserstein, 0.1, DISTANCE, FOR_NUMBERS},
    {"psi", psi, 0.1, DISTANCE, FOR_NUMBERS | FOR_CATEGORIES},
    {"kl_div", kl_div, 0.1, DISTANCE, FOR_NUMBERS | FOR_CATEGORIES},
    {"jensenshannon", jensenshannon, 0.1, DISTANCE, FOR_NUMBERS | FOR_CATEGORIES},
    {"hellinger", hellinger, 0.1, DISTANCE, FOR_NUMBERS | FOR_CATEGORIES},
    {"ed", energy, 0.1, DISTANCE_ABOVE, FOR_NUMBERS},
    {"anderson", anderson, 0.1, P_BELOW, FOR_NUMBERS},
    {"es", epps_singleton, 0.05, P_BELOW, FOR_NUMBERS},
    {"t_test", t_test, 0.05, P_BELOW, FOR_NUMBERS},
    {"chisquare", chisquare, 0.05, P_BELOW, FOR_CATEGORIES},
    {"z", z, 0.05, P_BELOW, FOR_CATEGORIES},
};

/* ---- choice ---- */

static enum kind kind_of(const struct mlo_compat_column *c)
{
    const struct mlo_frame_column *f = c->current;
    size_t distinct = mlo_compat_distinct(&c->y);
    if (f->type == MLO_COLUMN_TEXT)
        return 2 * distinct > c->y.n ? TEXT : CATEGORICAL;
    if (f->type == MLO_COLUMN_BOOL)
        return CATEGORICAL;
    return f->integral && distinct <= INTEGER_CATEGORIES ? CATEGORICAL : NUMERICAL;
}

static const char *standard(const struct input *in)
{
    bool few = in->pooled.n <= FEW_VALUES;
    if (in->c->x.n > SMALL_REFERENCE)
        return in->kind == NUMERICAL && !few ? "wasserstein" : "jensenshannon";
    return in->kind == NUMERICAL && !few ? "ks" : in->pooled.n > 2 ? "chisquare" : "z";
}

static bool is_drift(const struct method *m, double score)
{
    switch (m->rule) {
    case DISTANCE:
        return score >= m->threshold;
    case DISTANCE_ABOVE:
        return score > m->threshold;
    case P_BELOW:
        return score < m->threshold;
    case P_BELOW_OR_AT:
        return score <= m->threshold;
    }
    return false;
}

static const struct method *find_method(const char *name)
{
    for (size_t i = 0; i < MLO_COUNT(methods); i++)
        if (strcmp(methods[i].name, name) == 0)
            return &methods[i];
    return NULL;
}

static int score(struct input *in, struct mlo_compat_column *c, struct mlo_err *err)
{
    static const char *const kinds[] = {"numerical", "categorical", "text"};
    struct mlo_drift_compat_row row = {.kind = kinds[in->kind],
                                       .method = c->method ? c->method : standard(in)};
    const struct method *m = find_method(row.method);
    if (!m)
        return mlo_fail(err, MLO_EUSAGE, "Evidently has no method '%s' that is known here", row.method);
    row.method = m->name;
    row.threshold = m->threshold;
    row.statistic = NAN;
    if (in->kind == TEXT ||
        (c->method && !(m->of & (in->kind == NUMERICAL ? FOR_NUMBERS : FOR_CATEGORIES)))) {
        snprintf(row.why, sizeof row.why,
                 in->kind == TEXT ? "text: its classifier is not made here"
                                  : "this method is not for such a column");
        return mlo_compat_add(c, &row, err);
    }
    int rc = m->score(in, &row.value, err);
    row.made = rc == 0;
    row.drift = is_drift(m, row.value);
    return rc == 0 ? mlo_compat_add(c, &row, err) : rc;
}

int mlo_compat_evidently(struct mlo_compat_column *c, struct mlo_err *err)
{
    struct input in = {.c = c, .kind = kind_of(c)};
    int rc = mlo_counts_of_values(&c->x, &c->y, &in.pooled, err);
    if (rc == 0)
        rc = score(&in, c, err);
    mlo_counts_release(&in.pooled);
    return rc;
}
