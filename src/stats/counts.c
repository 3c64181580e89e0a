/* Tests and intervals on counts. */
#include <math.h>

#include "internal.h"

/* ---- homogeneity of two rows: chi-square and G ---- */

struct margins {
    double n, m, N;
    size_t used; /* columns that are not empty in both */
};

static struct margins margins_of(const uint64_t *a, const uint64_t *b, size_t bins)
{
    struct margins s = {0};
    for (size_t i = 0; i < bins; i++) {
        s.n += (double)a[i];
        s.m += (double)b[i];
        s.used += a[i] + b[i] > 0;
    }
    s.N = s.n + s.m;
    return s;
}

static double corrected(double observed, double expected, bool yates)
{
    double d = expected - observed, step = fmin(0.5, fabs(d));
    return yates ? observed + copysign(step, d) : observed;
}

static double chi2_cell(double o, double e)
{
    return (o - e) * (o - e) / e;
}

static double g_cell(double o, double e)
{
    return o > 0 ? 2 * o * log(o / e) : 0;
}

/* yates: applied at one degree of freedom only, as scipy.stats.chi2_contingency does. */
static void homogeneity(const uint64_t *a, const uint64_t *b, size_t bins, bool yates,
                        double (*cell)(double o, double e), struct mlo_test *ret)
{
    struct margins s = margins_of(a, b, bins);
    double sum = 0;
    *ret = MLO_TEST_NONE;
    if (s.used < 2 || s.n <= 0 || s.m <= 0)
        return;
    yates = yates && s.used == 2;
    for (size_t i = 0; i < bins; i++) {
        double column = (double)a[i] + (double)b[i], ea = s.n * column / s.N, eb = s.m * column / s.N;
        if (column > 0)
            sum += cell(corrected((double)a[i], ea, yates), ea) +
                   cell(corrected((double)b[i], eb, yates), eb);
    }
    double df = (double)(s.used - 1);
    *ret = (struct mlo_test){.statistic = sum, .df = df, .p = mlo_chi2_sf(sum, df)};
}

void mlo_chi2_homogeneity(const uint64_t *a, const uint64_t *b, size_t bins, bool yates, struct mlo_test *ret)
{
    homogeneity(a, b, bins, yates, chi2_cell, ret);
}

void mlo_g_test(const uint64_t *a, const uint64_t *b, size_t bins, bool yates, struct mlo_test *ret)
{
    homogeneity(a, b, bins, yates, g_cell, ret);
}

double mlo_cramers_v(const uint64_t *a, const uint64_t *b, size_t bins)
{
    struct margins s = margins_of(a, b, bins);
    struct mlo_test t;
    mlo_chi2_homogeneity(a, b, bins, false, &t);
    if (t.why != MLO_STAT_OK || s.N < 2)
        return 0;
    double k = (double)s.used, r = 2;
    double f = fmax(0, t.statistic / s.N - (k - 1) * (r - 1) / (s.N - 1));
    double kc = k - (k - 1) * (k - 1) / (s.N - 1), rc = r - (r - 1) * (r - 1) / (s.N - 1);
    double least = fmin(kc - 1, rc - 1);
    return least > 0 ? sqrt(f / least) : 0;
}

/* ---- Fisher's exact test ---- */

struct hypergeometric { /* k of n drawn are marked; K of N are marked */
    double K, n, N;
};

/* A ratio of three binomials at the same p, none of which underflows near the mode. */
static double hypergeometric_pmf(const struct hypergeometric *h, double k)
{
    double p = h->n / h->N;
    return mlo_binom_pmf(k, h->K, p) * mlo_binom_pmf(h->n - k, h->N - h->K, p) / mlo_binom_pmf(h->n, h->N, p);
}

/* From k on outwards until the terms no longer matter. */
static double tail_sum(const struct hypergeometric *h, double k, double step, double end)
{
    double sum = 0;
    for (; step > 0 ? k <= end : k >= end; k += step) {
        double term = hypergeometric_pmf(h, k);
        sum += term;
        if (term < sum * 1e-18)
            break;
    }
    return sum;
}

/* The first k from `far` towards the mode whose probability exceeds `limit`. */
static double far_boundary(const struct hypergeometric *h, double far, double mode, double limit)
{
    double low = far, high = mode, step = far < mode ? 1 : -1;
    if (hypergeometric_pmf(h, far) > limit)
        return far;
    while (fabs(high - low) > 1) {
        double mid = floor((low + high) / 2);
        if (hypergeometric_pmf(h, mid) > limit)
            high = mid;
        else
            low = mid;
    }
    return low + step;
}

void mlo_fisher(const uint64_t table[4], struct mlo_test *ret)
{
    double a = (double)table[0], b = (double)table[1], c = (double)table[2], d = (double)table[3];
    struct hypergeometric h = {.K = a + b, .n = a + c, .N = a + b + c + d};
    *ret = (struct mlo_test){.statistic = NAN, .p = 1, .exact = true};
    if (h.K == 0 || c + d == 0 || h.n == 0 || b + d == 0)
        return;
    ret->statistic = c > 0 && b > 0 ? a * d / (c * b) : INFINITY; /* the odds ratio of the sample */
    double least = fmax(0, h.n - (c + d)), most = fmin(h.K, h.n);
    double mode = floor((h.n + 1) * (h.K + 1) / (h.N + 2)), limit = hypergeometric_pmf(&h, a) * (1 + 1e-14);
    if (hypergeometric_pmf(&h, mode) <= limit)
        return;
    double p;
    if (a < mode)
        p = tail_sum(&h, a, -1, least) + tail_sum(&h, far_boundary(&h, most, mode, limit) + 1, 1, most);
    else
        p = tail_sum(&h, a, 1, most) + tail_sum(&h, far_boundary(&h, least, mode, limit) - 1, -1, least);
    ret->p = fmin(1, p);
}

/* ---- proportions ---- */

void mlo_two_proportions(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2, struct mlo_test *ret)
{
    double a = (double)n1, b = (double)n2, p1 = (double)k1 / a, p2 = (double)k2 / b;
    double pooled = ((double)k1 + (double)k2) / (a + b), variance = pooled * (1 - pooled) * (1 / a + 1 / b);
    *ret = MLO_TEST_NONE;
    if (n1 == 0 || n2 == 0 || variance <= 0)
        return;
    double z = (p1 - p2) / sqrt(variance);
    *ret = (struct mlo_test){.statistic = z, .p = erfc(fabs(z) * M_SQRT1_2)};
}

void mlo_wilson(uint64_t k, uint64_t n, double confidence, struct mlo_interval *ret)
{
    *ret = (struct mlo_interval){0, 1};
    if (n == 0)
        return;
    double z = mlo_normal_isf((1 - confidence) / 2), N = (double)n, K = (double)k;
    double centre = (K + z * z / 2) / (N + z * z);
    double half = z / (N + z * z) * sqrt(K * (N - K) / N + z * z / 4);
    *ret = (struct mlo_interval){fmax(0, centre - half), fmin(1, centre + half)};
}

/* Newcombe 1998, method 10: of the difference p1 - p2. */
void mlo_newcombe(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2, double confidence,
                  struct mlo_interval *ret)
{
    struct mlo_interval a, b;
    *ret = (struct mlo_interval){-1, 1};
    if (n1 == 0 || n2 == 0)
        return;
    double p1 = (double)k1 / (double)n1, p2 = (double)k2 / (double)n2;
    mlo_wilson(k1, n1, confidence, &a);
    mlo_wilson(k2, n2, confidence, &b);
    ret->low = p1 - p2 - hypot(p1 - a.low, b.high - p2);
    ret->high = p1 - p2 + hypot(a.high - p1, p2 - b.low);
}

/* ---- Cochran-Mantel-Haenszel ---- */

void mlo_cmh(const uint64_t (*tables)[4], size_t n, bool corrected, struct mlo_cmh *ret)
{
    double difference = 0, variance = 0, over = 0, under = 0;
    *ret = (struct mlo_cmh){.test = MLO_TEST_NONE, .odds_ratio = NAN};
    for (size_t i = 0; i < n; i++) {
        double a = (double)tables[i][0], b = (double)tables[i][1], c = (double)tables[i][2],
               d = (double)tables[i][3], t = a + b + c + d;
        if (t < 2)
            continue;
        difference += a - (a + b) * (a + c) / t;
        variance += (a + b) * (c + d) * (a + c) * (b + d) / (t * t * (t - 1));
        over += a * d / t;
        under += b * c / t;
    }
    if (under > 0)
        ret->odds_ratio = over / under;
    if (variance <= 0)
        return;
    double gap = fabs(difference) - (corrected ? 0.5 : 0);
    double chi2 = gap * gap / variance;
    ret->test = (struct mlo_test){.statistic = chi2, .df = 1, .p = mlo_chi2_sf(chi2, 1)};
}
