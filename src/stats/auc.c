/* Area under the ROC curve with DeLong's variance (DeLong, DeLong, Clarke-Pearson 1988; Sun and Xu 2014). */
#include <math.h>
#include <string.h>

#include "internal.h"

struct sums {
    double total, squares;
};

/* One class's part: each value's share of the other class that it beats, ties counting half. */
static double variance_of(const struct sums *s, double n)
{
    double mean = s->total / n;
    return n > 1 ? fmax(0, (s->squares - n * mean * mean) / (n - 1)) : 0;
}

static void add(struct sums *s, double value, double times)
{
    s->total += times * value;
    s->squares += times * value * value;
}

static double *sorted_copy(const double *x, size_t n, struct mlo_err *err)
{
    double *copy = mlo_calloc(2 * n, sizeof *copy, err);
    if (copy) {
        memcpy(copy, x, n * sizeof *copy);
        mlo_sort_doubles(copy, n, copy + n);
    }
    return copy;
}

static void finish(const struct sums *above, const struct sums *below, double n, double m,
                   struct mlo_auc *ret)
{
    struct mlo_auc a = {.auc = above->total / n, .p = 1};
    a.variance = variance_of(above, n) / n + variance_of(below, m) / m;
    if (a.variance > 0)
        a.p = 2 * mlo_normal_sf(fabs(a.auc - 0.5) / sqrt(a.variance));
    *ret = a;
}

int mlo_delong(const double *positive, size_t n, const double *negative, size_t m, struct mlo_auc *ret,
               struct mlo_err *err)
{
    MLO_AUTOFREE double *x = sorted_copy(positive, n, err);
    MLO_AUTOFREE double *y = x ? sorted_copy(negative, m, err) : NULL;
    struct sums above = {0}, below = {0};
    if (!y)
        return MLO_EIO;
    struct mlo_sweep s = mlo_sweep_of(x, n, y, m);
    for (size_t i = 0, j = 0; mlo_sweep_next(&s); i = s.i, j = s.j) {
        double fx = (double)(s.i - i), fy = (double)(s.j - j);
        add(&above, ((double)j + fy / 2) / (double)m, fx);
        add(&below, 1 - ((double)i + fx / 2) / (double)n, fy);
    }
    finish(&above, &below, (double)n, (double)m, ret);
    return 0;
}

void mlo_auc_counts(const uint64_t *positive, const uint64_t *negative, size_t bins, struct mlo_auc *ret)
{
    struct sums above = {0}, below = {0};
    double n = 0, m = 0, i = 0, j = 0;
    for (size_t k = 0; k < bins; k++) {
        n += (double)positive[k];
        m += (double)negative[k];
    }
    *ret = (struct mlo_auc){.auc = 0.5, .p = 1};
    if (n <= 0 || m <= 0)
        return;
    for (size_t k = 0; k < bins; k++) {
        double fx = (double)positive[k], fy = (double)negative[k];
        add(&above, (j + fy / 2) / m, fx);
        add(&below, 1 - (i + fx / 2) / n, fy);
        i += fx;
        j += fy;
    }
    finish(&above, &below, n, m, ret);
}
