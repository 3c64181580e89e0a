/* What the files of this folder share. */
#ifndef MLO_STATS_INTERNAL_H
#define MLO_STATS_INTERNAL_H

#include <math.h>
#include <string.h>

#include <mlopsctl/stats.h>

#define MLO_TEST_NONE ((struct mlo_test){.p = 1, .why = MLO_STAT_NONE})

/* Natural logarithm of |Gamma(x)|. The C library's lgamma writes to a global. */
static inline double mlo_log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}
/* x^a e^-x / Gamma(a+1), without cancellation (Loader 2000, "Fast and accurate computation of binomial
 * probabilities"). */
double mlo_poisson_raw(double a, double x);
/* Survival function of the two-sided one-sample Kolmogorov law with k observations (ks.c uses it at
 * round(nm/(n+m))). */
double mlo_kolmogorov_sf(uint64_t k, double d);
/* exp(-z) K_{1/4}(z). */
double mlo_bessel_k_quarter(double z);

/* Order of the keys as unsigned numbers is the order of the doubles. */
static inline uint64_t mlo_order_key(double x)
{
    uint64_t bits;
    x += 0.0; /* -0.0 becomes 0.0 */
    memcpy(&bits, &x, sizeof bits);
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}
static inline double mlo_order_value(uint64_t key)
{
    uint64_t bits = key >> 63 ? key & ~((uint64_t)1 << 63) : ~key;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Walks two sorted samples together, one distinct value at a time. */
struct mlo_sweep {
    const double *x, *y;
    size_t n, m;
    size_t i, j; /* values of x and y that are <= value */
    double value;
};
static inline struct mlo_sweep mlo_sweep_of(const double *x, size_t n, const double *y, size_t m)
{
    return (struct mlo_sweep){.x = x, .y = y, .n = n, .m = m};
}
static inline bool mlo_sweep_next(struct mlo_sweep *s)
{
    if (s->i == s->n && s->j == s->m)
        return false;
    s->value = s->j == s->m || (s->i < s->n && s->x[s->i] <= s->y[s->j]) ? s->x[s->i] : s->y[s->j];
    while (s->i < s->n && s->x[s->i] == s->value)
        s->i++;
    while (s->j < s->m && s->y[s->j] == s->value)
        s->j++;
    return true;
}

#endif
