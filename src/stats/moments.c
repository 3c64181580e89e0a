/* Moments, quantiles, and sorting of doubles. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define RADIX_BITS   11
#define RADIX_SIZE   (1 << RADIX_BITS)
#define RADIX_PASSES 6
#define RADIX_FROM   4096 /* below, comparing is faster */

/* ---- moments: two passes with exact sums for the mean, compensated by the second ---- */

static double mean_of(const double *x, size_t n)
{
    struct mlo_exact_sum sum = {0};
    for (size_t i = 0; i < n; i++)
        mlo_exact_sum_add(&sum, x[i]);
    return mlo_exact_sum_value(&sum) / (double)n;
}

struct powers {
    double second, third, fourth;
};

/* Pairwise, as numpy sums: the error grows with log n. */
static struct powers sum_powers(const double *x, size_t n, double mean)
{
    struct powers p = {0};
    if (n > 128) {
        struct powers a = sum_powers(x, n / 2, mean), b = sum_powers(x + n / 2, n - n / 2, mean);
        return (struct powers){a.second + b.second, a.third + b.third, a.fourth + b.fourth};
    }
    for (size_t i = 0; i < n; i++) {
        double d = x[i] - mean, d2 = d * d;
        p.second += d2;
        p.third += d2 * d;
        p.fourth += d2 * d2;
    }
    return p;
}

void mlo_moments(const double *x, size_t n, struct mlo_moments *ret)
{
    struct mlo_moments m = {.n = n, .min = x[0], .max = x[0]};
    for (size_t i = 1; i < n; i++) {
        m.min = x[i] < m.min ? x[i] : m.min;
        m.max = x[i] > m.max ? x[i] : m.max;
    }
    m.mean = mean_of(x, n);
    struct powers p = sum_powers(x, n, m.mean);
    m.variance = p.second / (double)n;
    if (m.variance > 0) {
        double sd = sqrt(m.variance);
        m.skewness = p.third / (double)n / (m.variance * sd);
        m.kurtosis = p.fourth / (double)n / (m.variance * m.variance) - 3;
    }
    *ret = m;
}

double mlo_quantile_sorted(const double *sorted, size_t n, double q)
{
    double h = (double)(n - 1) * q, low = floor(h);
    size_t i = (size_t)low;
    if (i + 1 >= n)
        return sorted[n - 1];
    double t = h - low, a = sorted[i], b = sorted[i + 1];
    return t < 0.5 ? a + (b - a) * t : b - (b - a) * (1 - t); /* as numpy: exact at both ends */
}

/* ---- sorting ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Order of the keys as unsigned numbers is the order of the doubles. */
static uint64_t key_of(double x)
{
    uint64_t bits;
    x += 0.0; /* -0.0 becomes 0.0 */
    memcpy(&bits, &x, sizeof bits);
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

static double value_of(uint64_t key)
{
    uint64_t bits = key >> 63 ? key & ~((uint64_t)1 << 63) : ~key;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static unsigned digit(uint64_t key, int pass)
{
    return (unsigned)(key >> (pass * RADIX_BITS)) & (RADIX_SIZE - 1);
}

static void radix_pass(const uint64_t *from, uint64_t *to, size_t n, int pass, size_t *count)
{
    size_t at = 0;
    for (size_t d = 0; d < RADIX_SIZE; d++) {
        size_t c = count[d];
        count[d] = at;
        at += c;
    }
    for (size_t i = 0; i < n; i++)
        to[count[digit(from[i], pass)]++] = from[i];
}

static void radix_sort(double *x, size_t n, double *scratch)
{
    uint64_t *a = (uint64_t *)(void *)x, *b = (uint64_t *)(void *)scratch;
    size_t count[RADIX_PASSES][RADIX_SIZE] = {0};
    for (size_t i = 0; i < n; i++) {
        uint64_t key = key_of(x[i]);
        memcpy(&a[i], &key, sizeof key);
        for (int pass = 0; pass < RADIX_PASSES; pass++)
            count[pass][digit(key, pass)]++;
    }
    for (int pass = 0; pass < RADIX_PASSES; pass++) {
        if (count[pass][digit(a[0], pass)] == n)
            continue; /* the same digit everywhere */
        radix_pass(a, b, n, pass, count[pass]);
        uint64_t *swap = a;
        a = b;
        b = swap;
    }
    for (size_t i = 0; i < n; i++)
        scratch[i] = value_of(a[i]);
    memcpy(x, scratch, n * sizeof *x);
}

void mlo_sort_doubles(double *x, size_t n, double *scratch)
{
    if (n >= RADIX_FROM) {
        radix_sort(x, n, scratch);
        return;
    }
    for (size_t i = 0; i < n; i++)
        x[i] += 0.0;
    qsort(x, n, sizeof *x, compare);
}
