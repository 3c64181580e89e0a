/* Percentile bootstrap (Efron 1979), from a seed: the same answer every time. */
#include <math.h>

#include "internal.h"

uint64_t mlo_random_next(uint64_t *state) /* splitmix64: Steele, Lea, Flood 2014 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

double mlo_random_unit(uint64_t *state)
{
    return (double)(mlo_random_next(state) >> 11) * 0x1p-53;
}

int mlo_bootstrap(const double *x, size_t n, double (*statistic)(const double *x, size_t n, void *ctx),
                  void *ctx, unsigned rounds, double confidence, uint64_t seed, struct mlo_interval *ret,
                  struct mlo_err *err)
{
    MLO_AUTOFREE double *sample = mlo_calloc(n, sizeof *sample, err);
    MLO_AUTOFREE double *values = sample ? mlo_calloc(2 * (size_t)rounds, sizeof *values, err) : NULL;
    if (!values)
        return MLO_EIO;
    for (unsigned r = 0; r < rounds; r++) {
        for (size_t i = 0; i < n; i++)
            sample[i] = x[(size_t)(mlo_random_unit(&seed) * (double)n)];
        values[r] = statistic(sample, n, ctx);
    }
    mlo_sort_doubles(values, rounds, values + rounds);
    ret->low = mlo_quantile_sorted(values, rounds, (1 - confidence) / 2);
    ret->high = mlo_quantile_sorted(values, rounds, (1 + confidence) / 2);
    return 0;
}
