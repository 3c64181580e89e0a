/*
 * deepchecks 0.19, its check of feature drift: Kolmogorov-Smirnov's statistic of numbers, Cramer's V of
 * categories, both against 0.2. It takes samples of 100,000 rows; here all rows count.
 */
#include "compat.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SAMPLES_MIN = 10, TEXTS_MAX = 150, WHOLE_MAX = 30, FRACTIONS_MAX = 5, ROWS_AT_LEAST = 1000 };
static const double few_ratio = 0.01, other_share = 0.01, margin = 0.025;

static bool all_whole(const struct mlo_compat_values *v)
{
    for (size_t i = 0; i < v->n; i++)
        if (v->x[i] != floor(v->x[i]))
            return false;
    return true;
}

static bool is_categorical(const struct mlo_compat_column *c)
{
    double distinct = (double)mlo_compat_distinct(&c->x), rows = fmax((double)c->x.n, ROWS_AT_LEAST);
    double most = c->reference->type == MLO_COLUMN_TEXT ? TEXTS_MAX
                  : all_whole(&c->x)                    ? WHOLE_MAX
                                                        : FRACTIONS_MAX;
    return distinct / rows < few_ratio && distinct <= most;
}

/* Categories below 1 % of the reference are one, which counts when it is above 1 % of a side. */
static void pool_rare(struct mlo_counts *c, double n, double m)
{
    size_t kept = 0;
    uint64_t a = 0, b = 0;
    for (size_t i = 0; i < c->n; i++) {
        if ((double)c->a[i] < n * other_share) {
            a += c->a[i];
            b += c->b[i];
        } else {
            c->a[kept] = c->a[i];
            c->b[kept++] = c->b[i];
        }
    }
    if ((double)a > other_share * n || (double)b > other_share * m) {
        c->a[kept] = a;
        c->b[kept++] = b;
    }
    c->n = kept;
}

static uint64_t sum_of(const uint64_t *counts, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += counts[i];
    return sum;
}

static void scale(uint64_t *counts, size_t n, double factor)
{
    for (size_t i = 0; i < n; i++)
        counts[i] = (uint64_t)nearbyint((double)counts[i] * factor);
}

/* Cramer's V after Bergsma 2013, of a chi-square that has Yates' correction with two categories. */
static double corrected_v(const struct mlo_counts *c)
{
    struct mlo_test t;
    double rows = 2, columns = 0, n = (double)(sum_of(c->a, c->n) + sum_of(c->b, c->n));
    for (size_t i = 0; i < c->n; i++)
        columns += c->a[i] + c->b[i] > 0;
    mlo_chi2_homogeneity(c->a, c->b, c->n, true, &t);
    double phi2 = fmax(0, t.statistic / n - (columns - 1) * (rows - 1) / (n - 1));
    rows -= (rows - 1) * (rows - 1) / (n - 1);
    columns -= (columns - 1) * (columns - 1) / (n - 1);
    return sqrt(phi2 / fmin(columns - 1, rows - 1));
}

/* The larger side is scaled down to the smaller one, in whole rows. */
static double cramers_v(struct mlo_counts *c)
{
    double n = (double)sum_of(c->a, c->n), m = (double)sum_of(c->b, c->n);
    if (c->n == 1)
        return 0;
    if (n > m)
        scale(c->a, c->n, m / n);
    else if (n < m)
        scale(c->b, c->n, n / m);
    return corrected_v(c);
}

static int categorical(const struct mlo_compat_column *c, bool psi, double *ret, struct mlo_err *err)
{
    struct mlo_counts n;
    int rc = mlo_counts_of_values(&c->x, &c->y, &n, err);
    if (rc != 0)
        return rc;
    pool_rare(&n, (double)c->x.n, (double)c->y.n);
    *ret = psi ? mlo_psi(n.a, n.b, n.n, MLO_ZERO_FLOOR_1PC) : cramers_v(&n);
    mlo_counts_release(&n);
    return 0;
}

/* What lies between its quantiles at the margins: a part of the sorted values. */
static struct mlo_compat_values trimmed(const struct mlo_compat_values *v)
{
    double low = mlo_quantile_sorted(v->x, v->n, margin), high = mlo_quantile_sorted(v->x, v->n, 1 - margin);
    size_t from = 0, to = v->n;
    while (from < to && v->x[from] < low)
        from++;
    while (to > from && v->x[to - 1] > high)
        to--;
    return (struct mlo_compat_values){v->x + from, to - from};
}

static double movers_distance(const struct mlo_compat_column *c)
{
    struct mlo_compat_values x = trimmed(&c->x), y = trimmed(&c->y);
    double low = fmin(x.x[0], y.x[0]), high = fmax(x.x[x.n - 1], y.x[y.n - 1]);
    return low == high ? 0 : mlo_wasserstein(x.x, x.n, y.x, y.n) / (high - low);
}

static int score(struct mlo_compat_column *c, bool category, struct mlo_drift_compat_row *row,
                 struct mlo_err *err)
{
    struct mlo_test t = {0};
    int rc = 0;
    bool psi = strcmp(row->method, "psi") == 0, emd = strcmp(row->method, "emd") == 0;
    if (category)
        rc = categorical(c, psi, &row->value, err);
    else if (emd)
        row->value = movers_distance(c);
    else {
        mlo_ks(c->x.x, c->x.n, c->y.x, c->y.n, &t);
        row->value = t.statistic;
    }
    row->made = rc == 0;
    row->drift = row->value >= row->threshold;
    return rc == 0 ? mlo_compat_add(c, row, err) : rc;
}

int mlo_compat_deepchecks(struct mlo_compat_column *c, struct mlo_err *err)
{
    static const char *const names[] = {"ks", "emd", "cramers_v", "psi"};
    bool category = is_categorical(c);
    struct mlo_drift_compat_row row = {
        .kind = category ? "categorical" : "numerical", .statistic = NAN, .threshold = 0.2};
    const char *wanted = c->method ? c->method : category ? "cramers_v" : "ks";
    for (size_t i = 0; i < MLO_COUNT(names); i++)
        if (strcmp(names[i], wanted) == 0)
            row.method = names[i];
    if (!row.method)
        return mlo_fail(err, MLO_EUSAGE, "deepchecks has no method '%s'", wanted);
    bool of_categories = strcmp(row.method, "cramers_v") == 0 || strcmp(row.method, "psi") == 0;
    if (c->reference->type == MLO_COLUMN_TEXT && !category)
        snprintf(row.why, sizeof row.why, "text in too many values");
    else if (c->x.n < SAMPLES_MIN || c->y.n < SAMPLES_MIN)
        snprintf(row.why, sizeof row.why, "fewer than %d values", SAMPLES_MIN);
    else if (of_categories != category)
        snprintf(row.why, sizeof row.why, "this method is not for such a column");
    return row.why[0] ? mlo_compat_add(c, &row, err) : score(c, category, &row, err);
}
