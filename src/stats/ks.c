/* Two-sample Kolmogorov-Smirnov: exact by counting lattice paths up to 10,000 a side, as
 * scipy.stats.ks_2samp. */
#include <math.h>

#include "internal.h"

#define EXACT_MAX 10000

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* n = m: reflections (Feller). */
static double exact_equal(double n, double h)
{
    double p = 0;
    for (double k = floor(n / h); k >= 0; k--) {
        double term = 1;
        for (double j = 0; j < h; j++)
            term *= (n - k * h - j) / (n + k * h + j + 1);
        p = term * (1 - p);
    }
    return p;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return -floor_div(-a, b);
}

/* Share of lattice paths from (0,0) to (m,n) that touch |x/m - y/n| >= h/lcm; one column of the lattice at a
 * time, only the stretch within the band is kept. */
static double exact_unequal(int64_t m, int64_t n, int64_t g, int64_t h)
{
    double column[EXACT_MAX + 2];
    int64_t mg = m / g, ng = n / g, low = 0, high = ceil_div(h, mg);
    high = high < n + 1 ? high : n + 1;
    int64_t length = 2 * ceil_div(h, mg) + 2;
    length = length < n + 1 ? length : n + 1;
    for (int64_t j = 0; j < length; j++)
        column[j] = j < high ? 0 : 1;
    for (int64_t i = 1; i <= m; i++) {
        int64_t to_low = floor_div(ng * i - h, mg) + 1, to_high = ceil_div(ng * i + h, mg);
        to_low = to_low < 0 ? 0 : to_low > n ? n : to_low;
        to_high = to_high < n + 1 ? to_high : n + 1;
        if (to_high <= to_low)
            return 1;
        double v = to_low == 0 ? 0 : 1;
        for (int64_t j = to_low; j < to_high; j++) {
            v = (column[j - low] * (double)i + v * (double)j) / (double)(i + j);
            column[j - to_low] = v;
        }
        for (int64_t j = to_high - to_low; j < high - low; j++)
            column[j] = 1;
        low = to_low;
        high = to_high;
    }
    return column[high - low - 1];
}

static double exact_p(double d, uint64_t n, uint64_t m)
{
    uint64_t g = gcd(n, m), larger = n > m ? n : m, smaller = n > m ? m : n;
    double h = nearbyint(d * (double)(n / g * m));
    if (h == 0)
        return 1;
    if (n == m)
        return 2 * exact_equal((double)n, h);
    return exact_unequal((int64_t)larger, (int64_t)smaller, (int64_t)g, (int64_t)h);
}

double mlo_ks_p(double d, uint64_t n, uint64_t m, bool *ret_exact)
{
    double p = -1;
    if (n <= EXACT_MAX && m <= EXACT_MAX)
        p = exact_p(d, n, m);
    bool exact = p >= 0 && p <= 1;
    if (ret_exact)
        *ret_exact = exact;
    if (exact)
        return p;
    return mlo_kolmogorov_sf((uint64_t)nearbyint((double)n * (double)m / (double)(n + m)), d);
}

void mlo_ks(const double *x, size_t n, const double *y, size_t m, struct mlo_test *ret)
{
    struct mlo_gaps g;
    mlo_gaps(x, n, y, m, &g);
    *ret = (struct mlo_test){.statistic = g.widest, .at = g.at};
    ret->p = mlo_ks_p(g.widest, n, m, &ret->exact);
}
