/*
 * Mean and standard deviation from exact sums. A square is two numbers, its rounded value and what that lacks
 * (by fused multiply-add), so the sum of squares is exact as well, and nothing is lost where the mean is a
 * million times the deviation: the sum of (x - m)^2 = sum x^2 - 2 m sum x + n m^2 is formed exactly, and
 * rounded once.
 */
#include <math.h>

#include "internal.h"

static void add_product(struct mlo_exact_sum *s, double a, double b)
{
    double high = a * b;
    mlo_exact_sum_add(s, high);
    if (isfinite(high))
        mlo_exact_sum_add(s, fma(a, b, -high));
}

void mlo_sums_add(struct mlo_sums *s, double v)
{
    s->n++;
    mlo_exact_sum_add(&s->sum, v);
    add_product(&s->squares, v, v);
}

void mlo_sums_merge(struct mlo_sums *s, const struct mlo_sums *other)
{
    s->n += other->n;
    mlo_exact_sum_merge(&s->sum, &other->sum);
    mlo_exact_sum_merge(&s->squares, &other->squares);
}

double mlo_sums_mean(const struct mlo_sums *s)
{
    return s->n ? mlo_exact_sum_value(&s->sum) / (double)s->n : 0;
}

double mlo_sums_sd(const struct mlo_sums *s)
{
    struct mlo_exact_sum rest = s->sum, total = s->squares;
    double n = (double)s->n, mean = mlo_sums_mean(s);
    if (s->n < 2 || !isfinite(mean))
        return 0;
    for (int part = 0; part < 3; part++) { /* the sum as numbers that add up to it */
        double v = mlo_exact_sum_value(&rest);
        add_product(&total, -2 * mean, v);
        mlo_exact_sum_add(&rest, -v);
    }
    double square = mean * mean;
    add_product(&total, n, square);
    add_product(&total, n, fma(mean, mean, -square));
    double v = mlo_exact_sum_value(&total);
    return v > 0 ? sqrt(v / (n - 1)) : 0;
}
