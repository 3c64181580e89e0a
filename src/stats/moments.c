/* Moments, quantiles, and sorting of doubles. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define RADIX_BITS   11
#define RADIX_SIZE   (1 << RADIX_BITS)
#define FINISH_MOVES 4    /* of each value, on average */
#define RADIX_FROM   1024 /* below, comparing is faster */

/* ---- moments: two passes with exact sums for the mean, compensated by the second ---- */

static double mean_of(const double *x, size_t n)
{
    struct mlo_exact_sum sum = {0};
    mlo_exact_sum_add_all(&sum, x, n);
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
    mlo_extremes(x, n, &m.min, &m.max);
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

/* In place; returns the bits in which they differ. */
static uint64_t make_keys(double *x, size_t n)
{
    uint64_t all = ~(uint64_t)0, any = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t key = mlo_order_key(x[i]);
        memcpy(&x[i], &key, sizeof key);
        all &= key;
        any |= key;
    }
    return any ^ all;
}

/* By the RADIX_BITS from `shift` up; equal ones keep their order. */
static void radix_pass(const uint64_t *from, uint64_t *to, size_t n, unsigned shift)
{
    size_t place[RADIX_SIZE] = {0}, at = 0;
    for (size_t i = 0; i < n; i++)
        place[from[i] >> shift & (RADIX_SIZE - 1)]++;
    for (size_t d = 0; d < RADIX_SIZE; d++) {
        size_t count = place[d];
        place[d] = at;
        at += count;
    }
    for (size_t i = 0; i < n; i++)
        to[place[from[i] >> shift & (RADIX_SIZE - 1)]++] = from[i];
}

/* Least digit first, from bit `low` to the highest in which they differ. Returns where they are now. */
static uint64_t *radix_sort(uint64_t *a, uint64_t *b, size_t n, unsigned low, unsigned high)
{
    for (unsigned shift = low; shift <= high; shift += RADIX_BITS) {
        radix_pass(a, b, n, shift);
        uint64_t *swap = a;
        a = b;
        b = swap;
    }
    return a;
}

/* By insertion; false when it is too much work. */
static bool finish(uint64_t *key, size_t n)
{
    size_t moves = 0;
    for (size_t i = 1; i < n; i++) {
        uint64_t k = key[i];
        size_t j = i;
        for (; j > 0 && key[j - 1] > k; j--)
            key[j] = key[j - 1];
        key[j] = k;
        moves += i - j;
        if (moves > FINISH_MOVES * n)
            return false;
    }
    return true;
}

/* The highest bits tell nearly all apart, as a rule: three passes over them, then insertion. */
static void sort_keys(uint64_t *a, uint64_t *b, size_t n, uint64_t differing, double *ret)
{
    unsigned high = 63 - (unsigned)__builtin_clzll(differing | 1);
    unsigned low = high + 1 > 3 * RADIX_BITS ? high + 1 - 3 * RADIX_BITS : 0;
    uint64_t *sorted = radix_sort(a, b, n, low, high);
    if (low > 0 && !finish(sorted, n))
        sorted = radix_sort(sorted, sorted == a ? b : a, n, 0, high);
    for (size_t i = 0; i < n; i++)
        ret[i] = mlo_order_value(sorted[i]);
}

void mlo_sort_doubles(double *x, size_t n, double *scratch)
{
    if (n >= RADIX_FROM) {
        uint64_t differing = make_keys(x, n);
        sort_keys((uint64_t *)(void *)x, (uint64_t *)(void *)scratch, n, differing, x);
        return;
    }
    for (size_t i = 0; i < n; i++)
        x[i] += 0.0;
    if (n > 1) /* x may be NULL when there is none */
        qsort(x, n, sizeof *x, compare);
}
