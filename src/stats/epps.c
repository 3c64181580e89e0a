/* Epps-Singleton: the empirical characteristic functions at two points (Epps and Singleton 1986; Goerg and
 * Kaiser 2009). */
#include <math.h>

#include "internal.h"

#define FEATURES 4
#define SINGULAR 1e-12 /* of the largest eigenvalue: rounding, as of a column with few different values */

struct features {
    double mean[FEATURES], covariance[FEATURES][FEATURES]; /* ddof 0 */
};

static void features_at(double x, const double t[2], double ret[FEATURES])
{
    ret[0] = cos(t[0] * x);
    ret[1] = cos(t[1] * x);
    ret[2] = sin(t[0] * x);
    ret[3] = sin(t[1] * x);
}

static void describe(const double *x, size_t n, const double t[2], struct features *ret)
{
    struct features f = {0};
    double v[FEATURES];
    for (size_t i = 0; i < n; i++) {
        features_at(x[i], t, v);
        for (int a = 0; a < FEATURES; a++)
            f.mean[a] += v[a];
    }
    for (int a = 0; a < FEATURES; a++)
        f.mean[a] /= (double)n;
    for (size_t i = 0; i < n; i++) {
        features_at(x[i], t, v);
        for (int a = 0; a < FEATURES; a++)
            for (int b = 0; b < FEATURES; b++)
                f.covariance[a][b] += (v[a] - f.mean[a]) * (v[b] - f.mean[b]) / (double)n;
    }
    *ret = f;
}

/* Jacobi's rotations: a symmetric matrix becomes diagonal, `vectors` its eigenvectors in columns. */
static void diagonalise(double m[FEATURES][FEATURES], double vectors[FEATURES][FEATURES])
{
    enum { SWEEPS = 60 };
    for (int i = 0; i < FEATURES; i++)
        for (int j = 0; j < FEATURES; j++)
            vectors[i][j] = i == j;
    for (int sweep = 0; sweep < SWEEPS; sweep++)
        for (int p = 0; p < FEATURES; p++)
            for (int q = p + 1; q < FEATURES; q++) {
                if (m[p][q] == 0)
                    continue;
                double theta = (m[q][q] - m[p][p]) / (2 * m[p][q]);
                double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1));
                double c = 1 / sqrt(t * t + 1), s = t * c;
                for (int k = 0; k < FEATURES; k++) {
                    double kp = m[k][p], kq = m[k][q];
                    m[k][p] = c * kp - s * kq;
                    m[k][q] = s * kp + c * kq;
                }
                for (int k = 0; k < FEATURES; k++) {
                    double pk = m[p][k], qk = m[q][k], vp = vectors[k][p], vq = vectors[k][q];
                    m[p][k] = c * pk - s * qk;
                    m[q][k] = s * pk + c * qk;
                    vectors[k][p] = c * vp - s * vq;
                    vectors[k][q] = s * vp + c * vq;
                }
            }
}

/* d' S^+ d with the pseudo-inverse; *ret_rank its rank. */
static double quadratic_form(double s[FEATURES][FEATURES], const double d[FEATURES], int *ret_rank)
{
    double vectors[FEATURES][FEATURES], largest = 0, sum = 0;
    diagonalise(s, vectors);
    for (int i = 0; i < FEATURES; i++)
        largest = fmax(largest, fabs(s[i][i]));
    *ret_rank = 0;
    for (int i = 0; i < FEATURES; i++) {
        double along = 0;
        if (fabs(s[i][i]) <= SINGULAR * largest)
            continue;
        for (int k = 0; k < FEATURES; k++)
            along += vectors[k][i] * d[k];
        sum += along * along / s[i][i];
        ++*ret_rank;
    }
    return sum;
}

/* Type-7 quantile of the pool of two sorted samples. */
static double pooled_quantile(const double *x, size_t n, const double *y, size_t m, double q)
{
    struct mlo_sweep s = mlo_sweep_of(x, n, y, m);
    double h = (double)(n + m - 1) * q, pair[2] = {0};
    size_t low = (size_t)floor(h), high = low + 1 < n + m ? low + 1 : low;
    for (size_t before = 0; before <= high && mlo_sweep_next(&s); before = s.i + s.j) {
        if (low >= before && low < s.i + s.j)
            pair[0] = s.value;
        if (high >= before && high < s.i + s.j)
            pair[1] = s.value;
    }
    return pair[0] + (pair[1] - pair[0]) * (h - floor(h));
}

void mlo_epps_singleton(const double *x, size_t n, const double *y, size_t m, struct mlo_test *ret)
{
    enum { LEAST = 5, SMALL = 25 };
    double N = (double)(n + m), a = (double)n, b = (double)m, d[FEATURES], s[FEATURES][FEATURES];
    struct features fx, fy;
    *ret = MLO_TEST_NONE;
    if (n < LEAST || m < LEAST)
        return;
    double sigma = (pooled_quantile(x, n, y, m, 0.75) - pooled_quantile(x, n, y, m, 0.25)) / 2;
    if (sigma <= 0)
        return;
    const double t[2] = {0.4 / sigma, 0.8 / sigma};
    describe(x, n, t, &fx);
    describe(y, m, t, &fy);
    for (int i = 0; i < FEATURES; i++) {
        d[i] = fx.mean[i] - fy.mean[i];
        for (int j = 0; j < FEATURES; j++)
            s[i][j] = N / a * fx.covariance[i][j] + N / b * fy.covariance[i][j];
    }
    int rank;
    double w = N * quadratic_form(s, d, &rank);
    if (n < SMALL && m < SMALL)
        w /= 1 + pow(N, -0.45) + 10.1 * (pow(a, -1.7) + pow(b, -1.7));
    *ret = (struct mlo_test){.statistic = w, .df = rank, .p = mlo_chi2_sf(w, rank)};
}
