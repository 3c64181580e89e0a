/*
 * The law of the one-sample Kolmogorov statistic D_k, two-sided, exact or as near as makes no difference.
 * Which method answers where follows Simard and L'Ecuyer 2011, "Computing the two-sided Kolmogorov-Smirnov
 * distribution", with the switch points of SciPy 1.10 (scipy/stats/_ksstats).
 */
#include <math.h>
#include <string.h>

#include "internal.h"

#define DURBIN_SIZE_MAX 128 /* rows; the switch points below ask for at most 119 */
#define SMIRNOV_TERMS   1000000
#define RESCALE_AT      0x1p128

/* P(D+ >= x), one-sided (Smirnov 1944, Dempster 1959): twice it is the two-sided tail when that is small. */
static double smirnov_sf(double k, double x)
{
    if (k > SMIRNOV_TERMS)
        return exp(-(6 * k * x + 1) * (6 * k * x + 1) / (18 * k));
    double sum = 0, last = floor(k * (1 - x));
    for (double v = 0; v <= last; v++) {
        double p = x + v / k;
        sum += p >= 1 ? (v == k) / p : mlo_binom_pmf(v, k, p) / p;
    }
    return x * sum;
}

/* ---- Durbin's matrix (Marsaglia, Tsang, Wang 2003) ---- */

struct matrix {
    int size;
    double cell[DURBIN_SIZE_MAX][DURBIN_SIZE_MAX];
    int scale; /* times 2^(128 scale) */
};

static void rescale(struct matrix *m)
{
    double middle = m->cell[m->size / 2][m->size / 2];
    if (middle < RESCALE_AT)
        return;
    for (int i = 0; i < m->size; i++)
        for (int j = 0; j < m->size; j++)
            m->cell[i][j] /= RESCALE_AT;
    m->scale++;
}

static void multiply(const struct matrix *a, const struct matrix *b, struct matrix *ret)
{
    ret->size = a->size;
    ret->scale = a->scale + b->scale;
    for (int i = 0; i < a->size; i++) {
        for (int j = 0; j < a->size; j++)
            ret->cell[i][j] = 0;
        for (int l = 0; l < a->size; l++)
            for (int j = 0; j < a->size; j++)
                ret->cell[i][j] += a->cell[i][l] * b->cell[l][j];
    }
    rescale(ret);
}

static void power(struct matrix *base, uint64_t n, struct matrix *ret)
{
    struct matrix scratch;
    *ret = (struct matrix){.size = base->size};
    for (int i = 0; i < base->size; i++)
        ret->cell[i][i] = 1;
    for (; n; n >>= 1) {
        if (n & 1) {
            multiply(ret, base, &scratch);
            *ret = scratch;
        }
        multiply(base, base, &scratch);
        *base = scratch;
    }
}

static void fill(struct matrix *m, int top, double h)
{
    int size = 2 * top - 1;
    double factorial[DURBIN_SIZE_MAX + 1] = {1};
    for (int i = 1; i <= size; i++)
        factorial[i] = factorial[i - 1] * i;
    *m = (struct matrix){.size = size};
    for (int r = 0; r < size; r++)
        for (int c = 0; c < size; c++)
            m->cell[r][c] = r - c + 1 >= 0 ? 1 / factorial[r - c + 1] : 0;
    for (int j = 0; j < size; j++) {
        double v = (1 - pow(h, j + 1)) / factorial[j + 1];
        if (j == size - 1)
            v = (1 - 2 * pow(h, size) + pow(fmax(2 * h - 1, 0), size)) / factorial[size];
        m->cell[j][0] = v;
        m->cell[size - 1][size - 1 - j] = v;
    }
}

static double durbin_cdf(uint64_t k, double d)
{
    double kd = (double)k * d;
    int top = (int)ceil(kd);
    struct matrix base, result;
    fill(&base, top, top - kd);
    power(&base, k, &result);
    double cdf = result.cell[top - 1][top - 1];
    int scale = result.scale;
    for (uint64_t i = 1; i <= k; i++) { /* times k!/k^k */
        cdf *= (double)i / (double)k;
        if (cdf < 1 / RESCALE_AT) {
            cdf *= RESCALE_AT;
            scale--;
        }
    }
    return ldexp(cdf, 128 * scale);
}

/* ---- Pelz and Good 1976: the limit law with three corrections ---- */

struct pelz {
    double z, z2, z4, z6, x, sums[4];
};

static void pelz_theta(struct pelz *p)
{
    double pi2 = M_PI * M_PI, pi4 = pi2 * pi2, pi6 = pi4 * pi2, z2 = p->z2, z4 = p->z4, z6 = p->z6;
    double q = -pi2 / (8 * z2);
    int last = 2 * (int)ceil(16 * p->z / M_PI) - 1;
    for (int j = last; j >= 1; j -= 2) {
        double j2 = (double)j * j, w = exp(q * j2);
        p->sums[0] += w;
        p->sums[1] += w * (-z2 + pi2 * j2 / 4);
        p->sums[2] += w * (6 * z6 + 2 * z4 + (2 * z4 - 5 * z2) * pi2 * j2 / 4 +
                           pi4 * (1 - 2 * z2) * j2 * j2 / 16);
        p->sums[3] += w *
                      (-30 * z6 - 90 * z6 * z2 + pi2 * (135 * z4 - 96 * z6) * j2 / 4 +
                       pi4 * (-60 * z2 + 212 * z4) * j2 * j2 / 16 + pi6 * j2 * j2 * j2 * (5 - 30 * z2) / 64);
    }
}

static double pelz_good_cdf(double k, double d)
{
    double z = d * sqrt(k), pi2 = M_PI * M_PI, root = sqrt(2 * M_PI);
    struct pelz p = {.z = z, .z2 = z * z, .z4 = z * z * z * z, .z6 = z * z * z * z * z * z};
    double tail2 = 0, tail3 = 0;
    pelz_theta(&p);
    for (int i = (int)ceil(16 * z / M_PI); i >= 1; i--) {
        double i2 = (double)i * i, w = i2 * exp(-pi2 * i2 / (2 * p.z2));
        tail2 += w;
        tail3 += (3 * p.z2 - pi2 * i2) * w;
    }
    double k0 = p.sums[0] * root / z;
    double k1 = p.sums[1] * root / (6 * p.z4);
    double k2 = p.sums[2] * root / (72 * p.z6 * z) - tail2 * pi2 * root / (36 * p.z2 * z);
    double k3 = p.sums[3] * root / (6480 * p.z6 * p.z4) + tail3 * pi2 * root / (216 * p.z6);
    return k0 + k1 / sqrt(k) + k2 / k + k3 / (k * sqrt(k));
}

/* ---- which of them ---- */

/* (2t - 1)^k k!/k^k, for t = k D between 0.5 and 1: the smallest values that D can take. */
static double ruben_gambino_cdf(double k, double t)
{
    return exp(mlo_log_gamma(k + 1) - k * log(k) + k * log(2 * t - 1));
}

static double upper_sf(uint64_t n, double d)
{
    double k = (double)n, s = k * d * d;
    if (n <= 140)
        return s <= 4 ? 1 - durbin_cdf(n, d) : 2 * smirnov_sf(k, d);
    if (s >= 370)
        return 0;
    if (s >= 2.2)
        return 2 * smirnov_sf(k, d);
    if (n <= 100000 && k * pow(d, 1.5) <= 1.4)
        return 1 - durbin_cdf(n, d);
    return 1 - pelz_good_cdf(k, d);
}

double mlo_kolmogorov_sf(uint64_t n, double d)
{
    double k = (double)n, t = k * d, sf;
    if (d >= 1)
        return 0;
    if (t <= 0.5)
        return 1;
    if (t <= 1)
        sf = 1 - ruben_gambino_cdf(k, t);
    else if (t >= k - 1)
        sf = 2 * pow(1 - d, k);
    else if (d >= 0.5)
        sf = 2 * smirnov_sf(k, d);
    else
        sf = upper_sf(n, d);
    return sf < 0 ? 0 : sf > 1 ? 1 : sf;
}
