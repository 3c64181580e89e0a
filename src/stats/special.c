/*
 * Special functions that the tests need. Both tails are computed directly, so a p-value of 1e-200 is as exact
 * as one of 0.5. Prefactors go through Loader's deviance form: the differences of large logarithms that the
 * textbook forms take would cost ten digits at a million observations.
 */
#include <math.h>

#include "internal.h"

#define HALF_LOG_2PI   0.91893853320467274178
#define LOG_2PI        1.83787706640934548356
#define TINY           1e-300
#define EPSILON        1e-16
#define ITERATIONS_MAX 1000000

/* ln n! - ln of Stirling's formula. */
static double stirling_error(double n)
{
    if (n <= 0)
        return 0;
    if (n <= 15)
        return mlo_log_gamma(n + 1) - (n + 0.5) * log(n) + n - HALF_LOG_2PI;
    double r = 1 / (n * n);
    return (1 / 12.0 - (1 / 360.0 - (1 / 1260.0 - (1 / 1680.0 - r / 1188) * r) * r) * r) / n;
}

/* x ln(x/m) + m - x */
static double deviance(double x, double m)
{
    if (fabs(x - m) >= 0.1 * (x + m))
        return x * log(x / m) + m - x;
    double v = (x - m) / (x + m), sum = (x - m) * v, term = 2 * x * v;
    for (int j = 1; j < 1000; j++) {
        term *= v * v;
        double next = sum + term / (2 * j + 1);
        if (next == sum)
            break;
        sum = next;
    }
    return sum;
}

double mlo_poisson_raw(double a, double x)
{
    if (x == 0)
        return a == 0;
    if (a == 0)
        return exp(-x);
    if (a < 1)
        return exp(a * log(x) - x - mlo_log_gamma(a + 1));
    return exp(-stirling_error(a) - deviance(a, x)) / sqrt(2 * M_PI * a);
}

double mlo_binom_pmf(double k, double n, double p)
{
    double q = 1 - p;
    if (p <= 0 || k < 0 || k > n)
        return p <= 0 && k == 0;
    if (q <= 0)
        return k == n;
    if (k == 0)
        return exp(n * log1p(-p));
    if (k == n)
        return exp(n * log(p));
    double lc = stirling_error(n) - stirling_error(k) - stirling_error(n - k) - deviance(k, n * p) -
                deviance(n - k, n * q);
    return exp(lc - 0.5 * (LOG_2PI + log(k) + log1p(-k / n)));
}

/* ---- incomplete gamma ---- */

static double gamma_p_series(double a, double x)
{
    double term = 1, sum = 1;
    for (int i = 1; i < ITERATIONS_MAX && term > sum * EPSILON; i++) {
        term *= x / (a + i);
        sum += term;
    }
    return sum * mlo_poisson_raw(a, x);
}

/* Lentz's continued fraction. */
static double gamma_q_fraction(double a, double x)
{
    double b = x + 1 - a, c = 1 / TINY, d = 1 / b, h = d;
    for (int i = 1; i < ITERATIONS_MAX; i++) {
        double an = -i * (i - a);
        b += 2;
        d = an * d + b;
        d = 1 / (fabs(d) < TINY ? TINY : d);
        c = b + an / c;
        c = fabs(c) < TINY ? TINY : c;
        double step = d * c;
        h *= step;
        if (fabs(step - 1) < EPSILON)
            break;
    }
    return h * mlo_poisson_raw(a, x) * a;
}

double mlo_gamma_q(double a, double x)
{
    if (x <= 0)
        return 1;
    return x < a + 1 ? 1 - gamma_p_series(a, x) : gamma_q_fraction(a, x);
}

double mlo_chi2_sf(double x, double df)
{
    return df <= 0 ? 1 : mlo_gamma_q(df / 2, x / 2);
}

double mlo_chi2_isf(double p, double df)
{
    double low = 0, high = df + 10;
    while (mlo_chi2_sf(high, df) > p)
        high *= 2;
    while (high - low > 1e-14 * high) {
        double mid = (low + high) / 2;
        if (mid <= low || mid >= high)
            break;
        if (mlo_chi2_sf(mid, df) > p)
            low = mid;
        else
            high = mid;
    }
    return (low + high) / 2;
}

/* ---- incomplete beta ---- */

static double beta_fraction(double a, double b, double x)
{
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < TINY ? TINY : d);
    double h = d;
    for (int i = 1; i < ITERATIONS_MAX; i++) {
        double even = i * (b - i) * x / ((a + 2 * i - 1) * (a + 2 * i));
        double odd = -(a + i) * (a + b + i) * x / ((a + 2 * i) * (a + 2 * i + 1));
        d = 1 + even * d;
        d = 1 / (fabs(d) < TINY ? TINY : d);
        c = 1 + even / c;
        c = fabs(c) < TINY ? TINY : c;
        h *= d * c;
        d = 1 + odd * d;
        d = 1 / (fabs(d) < TINY ? TINY : d);
        c = 1 + odd / c;
        c = fabs(c) < TINY ? TINY : c;
        h *= d * c;
        if (fabs(d * c - 1) < EPSILON)
            break;
    }
    return h;
}

/* y = 1 - x, given so that neither loses its digits. */
static double beta_both(double a, double b, double x, double y)
{
    if (x <= 0)
        return 0;
    if (y <= 0)
        return 1;
    double lc = stirling_error(a + b) - stirling_error(a) - stirling_error(b) - deviance(a, (a + b) * x) -
                deviance(b, (a + b) * y);
    double front = exp(lc) * sqrt(a * b / (2 * M_PI * (a + b)));
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, y) / b;
}

double mlo_beta_inc(double a, double b, double x)
{
    return beta_both(a, b, x, 1 - x);
}

double mlo_student_sf(double t, double df)
{
    double half = beta_both(df / 2, 0.5, df / (df + t * t), t * t / (df + t * t)) / 2;
    return t >= 0 ? half : 1 - half;
}

/* ---- normal ---- */

double mlo_normal_sf(double z)
{
    return erfc(z * M_SQRT1_2) / 2;
}

/* For p up to 0.5, to 1e-9 relative: Acklam's rational functions (2003), of the middle and of the tail. */
static double normal_isf_about(double p)
{
    static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,  -2.759285104469687e+02,
                               1.383577518672690e+02,  -3.066479806614716e+01, 2.506628277459239e+00};
    static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
                               6.680131188771972e+01, -1.328068155288572e+01};
    static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
                               -2.549732539343734e+00, 4.374664141464968e+00,  2.938163982698783e+00};
    static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
                               3.754408661907416e+00};
    if (p < 0.02425) {
        double t = sqrt(-2 * log(p));
        return -(((((c[0] * t + c[1]) * t + c[2]) * t + c[3]) * t + c[4]) * t + c[5]) /
               ((((d[0] * t + d[1]) * t + d[2]) * t + d[3]) * t + 1);
    }
    double q = 0.5 - p, r = q * q;
    return (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
           (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
}

double mlo_normal_isf(double p)
{
    if (p > 0.5)
        return -mlo_normal_isf(1 - p);
    if (p <= 0)
        return INFINITY;
    double z = normal_isf_about(p);
    for (int i = 0; i < 20; i++) { /* Newton on the logarithm: what is left after a step is its square */
        double sf = mlo_normal_sf(z), density = exp(-z * z / 2 - HALF_LOG_2PI);
        double step = log(sf / p) * sf / density;
        z += step;
        if (fabs(step) <= 1e-8 * (1 + fabs(z)))
            break;
    }
    return z;
}

/* The integral of exp(-z (1 + cosh t)) cosh(t/4) over t > 0 (DLMF 10.32.9): the trapezoid rule converges
 * geometrically there. */
double mlo_bessel_k_quarter(double z)
{
    const double step = 0.1;
    double sum = exp(-2 * z) / 2;
    for (int i = 1; i < 1000; i++) {
        double t = i * step, term = exp(-z * (1 + cosh(t))) * cosh(t / 4);
        sum += term;
        if (term < sum * 1e-18)
            break;
    }
    return sum * step;
}
