/* Isotonic regression by pooling adjacent violators (Ayer et al. 1955). */
#include "internal.h"

struct pool { /* neighbours that have one value */
    double mean, weight;
    size_t n;
};

int mlo_isotonic(double *y, const double *weights, size_t n, struct mlo_err *err)
{
    struct pool *pools = mlo_calloc(n + 1, sizeof *pools, err);
    size_t used = 0, at = 0;
    if (!pools)
        return MLO_EIO;
    for (size_t i = 0; i < n; i++) {
        struct pool p = {y[i], weights[i], 1};
        for (; used > 0 && pools[used - 1].mean >= p.mean; used--) {
            const struct pool *before = &pools[used - 1];
            double weight = before->weight + p.weight;
            p.mean = (before->mean * before->weight + p.mean * p.weight) / weight;
            p.weight = weight;
            p.n += before->n;
        }
        pools[used++] = p;
    }
    for (size_t k = 0; k < used; k++)
        for (size_t i = 0; i < pools[k].n; i++)
            y[at++] = pools[k].mean;
    free(pools);
    return 0;
}
