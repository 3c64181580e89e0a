/* p-values of many tests at once. */
#include <math.h>
#include <stdlib.h>

#include "internal.h"

struct ranked {
    double p;
    size_t at;
};

static int by_p(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return (x->p > y->p) - (x->p < y->p);
}

static struct ranked *rank(const double *p, size_t n, struct mlo_err *err)
{
    struct ranked *r = mlo_calloc(n ? n : 1, sizeof *r, err);
    for (size_t i = 0; r && i < n; i++)
        r[i] = (struct ranked){p[i], i};
    if (r)
        qsort(r, n, sizeof *r, by_p);
    return r;
}

void mlo_bonferroni(double *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = fmin(1, p[i] * (double)n);
}

int mlo_holm(double *p, size_t n, struct mlo_err *err)
{
    MLO_AUTOFREE struct ranked *r = rank(p, n, err);
    double most = 0;
    if (!r)
        return MLO_EIO;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fmin(1, (double)(n - i) * r[i].p));
        p[r[i].at] = most;
    }
    return 0;
}

int mlo_benjamini_hochberg(double *p, size_t n, struct mlo_err *err)
{
    MLO_AUTOFREE struct ranked *r = rank(p, n, err);
    double least = 1;
    if (!r)
        return MLO_EIO;
    for (size_t i = n; i-- > 0;) {
        least = fmin(least, r[i].p * (double)n / (double)(i + 1));
        p[r[i].at] = least;
    }
    return 0;
}
