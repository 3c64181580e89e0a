/* Two sorted samples: distances between their distribution functions, and tests on ranks and moments. */
#include <math.h>

#include "internal.h"

/* ---- gaps between the distribution functions ---- */

/* In units of 1 / nm, so that it is a whole number: up by m at each x, down by n at each y. */
struct gap {
    int64_t now, widest;
    double before; /* the value it has since */
    double at, area, squares;
};

static inline void pass(struct gap *g, double value, int64_t step, double unit)
{
    double width = value - g->before;
    int64_t size = g->now < 0 ? -g->now : g->now;
    bool wider = size > g->widest && width > 0; /* equal values: only the last one's gap counts */
    double share = (double)size * unit;
    g->area += share * width;
    g->squares += share * share * width;
    g->widest = wider ? size : g->widest;
    g->at = wider ? g->before : g->at;
    g->now += step;
    g->before = value;
}

void mlo_gaps(const double *x, size_t n, const double *y, size_t m, struct mlo_gaps *ret)
{
    struct gap g = {.before = x[0] < y[0] ? x[0] : y[0], .at = x[0]};
    double unit = 1 / ((double)n * (double)m);
    size_t i = 0, j = 0;
    while (i < n && j < m) { /* without a branch on the order, which no processor can foretell */
        bool first = x[i] <= y[j];
        pass(&g, first ? x[i] : y[j], first ? (int64_t)m : -(int64_t)n, unit);
        i += first;
        j += !first;
    }
    for (; i < n; i++)
        pass(&g, x[i], (int64_t)m, unit);
    for (; j < m; j++)
        pass(&g, y[j], -(int64_t)n, unit);
    *ret = (struct mlo_gaps){
        .widest = (double)g.widest * unit, .at = g.at, .wasserstein = g.area, .energy = sqrt(2 * g.squares)};
}

double mlo_wasserstein(const double *x, size_t n, const double *y, size_t m)
{
    struct mlo_gaps g;
    mlo_gaps(x, n, y, m, &g);
    return g.wasserstein;
}

double mlo_energy(const double *x, size_t n, const double *y, size_t m)
{
    struct mlo_gaps g;
    mlo_gaps(x, n, y, m, &g);
    return g.energy;
}

/* ---- Cramer-von Mises ---- */

/* Anderson and Darling 1952: the limit law. */
static double cvm_limit_cdf(double x)
{
    double sum = 0;
    for (int k = 0; k < 1000; k++) {
        double four = 4.0 * k + 1, z = four * four / (16 * x);
        double term = exp(mlo_log_gamma(k + 0.5) - mlo_log_gamma(k + 1)) / (pow(M_PI, 1.5) * sqrt(x)) *
                      sqrt(four) * mlo_bessel_k_quarter(z);
        sum += term;
        if (term < 1e-7)
            break;
    }
    return sum;
}

/* Sum of squared differences between midranks in the pool and ranks in the own sample. */
static void cvm_rank_sums(const double *x, size_t n, const double *y, size_t m, double *ret_x, double *ret_y)
{
    struct mlo_sweep s = mlo_sweep_of(x, n, y, m);
    double sx = 0, sy = 0;
    for (size_t i = 0, j = 0; mlo_sweep_next(&s); i = s.i, j = s.j) {
        double midrank = (double)(i + j) + (double)(s.i - i + s.j - j + 1) / 2;
        for (size_t r = i + 1; r <= s.i; r++)
            sx += (midrank - (double)r) * (midrank - (double)r);
        for (size_t r = j + 1; r <= s.j; r++)
            sy += (midrank - (double)r) * (midrank - (double)r);
    }
    *ret_x = sx;
    *ret_y = sy;
}

void mlo_cramer_von_mises(const double *x, size_t n, const double *y, size_t m, struct mlo_test *ret)
{
    double sx, sy, a = (double)n, b = (double)m, N = a + b;
    if (n < 2 || m < 2) {
        *ret = MLO_TEST_NONE;
        return;
    }
    cvm_rank_sums(x, n, y, m, &sx, &sy);
    double u = a * sx + b * sy, t = u / (a * b * N) - (4 * a * b - 1) / (6 * N);
    double mean = (1 + 1 / N) / 6;
    double variance = (N + 1) * (4 * a * b * N - 3 * (a * a + b * b) - 2 * a * b) / (45 * N * N * 4 * a * b);
    double scaled = 1.0 / 6 + (t - mean) / sqrt(45 * variance);
    double p = scaled < 0.003 ? 1 : fmax(0, 1 - cvm_limit_cdf(scaled));
    *ret = (struct mlo_test){.statistic = t, .p = p};
}

/* ---- Anderson-Darling, k = 2, midrank variant (Scholz and Stephens 1987) ---- */

static double ad_statistic(const double *x, size_t n, const double *y, size_t m)
{
    struct mlo_sweep s = mlo_sweep_of(x, n, y, m);
    double N = (double)(n + m), inner[2] = {0}, size[2] = {(double)n, (double)m};
    for (size_t i = 0, j = 0; mlo_sweep_next(&s); i = s.i, j = s.j) {
        double fx = (double)(s.i - i), fy = (double)(s.j - j), l = fx + fy;
        double below = (double)(i + j) + l / 2, left[2] = {(double)i + fx / 2, (double)j + fy / 2};
        double weight = l / N / (below * (N - below) - N * l / 4);
        for (int k = 0; k < 2; k++) {
            double d = N * left[k] - below * size[k];
            inner[k] += weight * d * d;
        }
    }
    return (N - 1) / N * (inner[0] / size[0] + inner[1] / size[1]);
}

static double ad_variance(double n, double m)
{
    double N = n + m, H = 1 / n + 1 / m, h = 0, g = 0, tail = 0;
    const double k = 2;
    for (double i = N - 1; i >= 1; i--) {
        h += 1 / i;
        if (N - i >= 2)
            g += tail / (N - i);
        tail += 1 / i;
    }
    double a = (4 * g - 6) * (k - 1) + (10 - 6 * g) * H;
    double b = (2 * g - 4) * k * k + 8 * h * k + (2 * g - 14 * h - 4) * H - 8 * h + 4 * g - 6;
    double c = (6 * h + 2 * g - 2) * k * k + (4 * h - 4 * g + 6) * k + (2 * h - 6) * H + 4 * h;
    double d = (2 * h + 6) * k * k - 4 * h * k;
    return (a * N * N * N + b * N * N + c * N + d) / ((N - 1) * (N - 2) * (N - 3));
}

/* Least squares of ln(level) on critical value, quadratic, for k = 2; outside the table 0.25 or 0.001. */
static double ad_p(double statistic)
{
    static const double critical[] = {.675 - .245 - .105,  1.281 + .25 - .305,   1.645 + .678 - .362,
                                      1.96 + 1.149 - .391, 2.326 + 1.822 - .396, 2.573 + 2.364 - .345,
                                      3.085 + 3.615 - .154};
    static const double level[] = {.25, .1, .05, .025, .01, .005, .001};
    enum { LEVELS = sizeof level / sizeof level[0] };
    double s[5] = {0}, t[3] = {0}, c[3];
    if (statistic < critical[0])
        return level[0];
    if (statistic > critical[LEVELS - 1])
        return level[LEVELS - 1];
    for (int i = 0; i < LEVELS; i++) {
        double x = critical[i], power = 1;
        for (int k = 0; k < 5; k++, power *= x) {
            s[k] += power;
            if (k < 3)
                t[k] += power * log(level[i]);
        }
    }
    double det = s[0] * (s[2] * s[4] - s[3] * s[3]) - s[1] * (s[1] * s[4] - s[3] * s[2]) +
                 s[2] * (s[1] * s[3] - s[2] * s[2]);
    c[0] = (t[0] * (s[2] * s[4] - s[3] * s[3]) - s[1] * (t[1] * s[4] - s[3] * t[2]) +
            s[2] * (t[1] * s[3] - s[2] * t[2])) /
           det;
    c[1] = (s[0] * (t[1] * s[4] - t[2] * s[3]) - t[0] * (s[1] * s[4] - s[3] * s[2]) +
            s[2] * (s[1] * t[2] - t[1] * s[2])) /
           det;
    c[2] = (s[0] * (s[2] * t[2] - s[3] * t[1]) - s[1] * (s[1] * t[2] - t[1] * s[2]) +
            t[0] * (s[1] * s[3] - s[2] * s[2])) /
           det;
    return exp(c[0] + c[1] * statistic + c[2] * statistic * statistic);
}

void mlo_anderson_darling(const double *x, size_t n, const double *y, size_t m, struct mlo_test *ret)
{
    bool constant = x[0] == x[n - 1] && y[0] == y[m - 1] && x[0] == y[0];
    if (n + m < 4 || constant) {
        *ret = MLO_TEST_NONE;
        return;
    }
    double statistic = (ad_statistic(x, n, y, m) - 1) / sqrt(ad_variance((double)n, (double)m));
    *ret = (struct mlo_test){.statistic = statistic, .p = ad_p(statistic)};
}

/* ---- Mann-Whitney ---- */

/* Ways to get each U: the coefficients of the Gaussian binomial, one factor (1 - q^(m+i)) / (1 - q^i) at a
 * time. */
static int mwu_exact_sf(uint64_t n, uint64_t m, double u, double *ret, struct mlo_err *err)
{
    size_t size = (size_t)(n * m) + 1;
    double all = 0, tail = 0;
    MLO_AUTOFREE double *ways = mlo_calloc(size, sizeof *ways, err);
    if (!ways)
        return MLO_EIO;
    ways[0] = 1;
    for (uint64_t i = 1; i <= n; i++) {
        for (size_t k = size; k-- > m + i;)
            ways[k] -= ways[k - m - i];
        for (size_t k = i; k < size; k++)
            ways[k] += ways[k - i];
    }
    for (size_t k = 0; k < size; k++) {
        all += ways[k];
        if ((double)k >= u)
            tail += ways[k];
    }
    *ret = tail / all;
    return 0;
}

struct mwu {
    double u1, ties; /* ties: sum of t^3 - t */
    bool tied;
};

static struct mwu mwu_ranks(const double *x, size_t n, const double *y, size_t m)
{
    struct mlo_sweep s = mlo_sweep_of(x, n, y, m);
    struct mwu w = {0};
    double rank_sum = 0;
    for (size_t i = 0, j = 0; mlo_sweep_next(&s); i = s.i, j = s.j) {
        double t = (double)(s.i - i + s.j - j);
        rank_sum += (double)(s.i - i) * ((double)(i + j) + (t + 1) / 2);
        w.ties += t * t * t - t;
        w.tied = w.tied || t > 1;
    }
    w.u1 = rank_sum - (double)n * ((double)n + 1) / 2;
    return w;
}

int mlo_mann_whitney(const double *x, size_t n, const double *y, size_t m, struct mlo_test *ret,
                     struct mlo_err *err)
{
    enum { EXACT_SMALLER_MAX = 8, EXACT_PRODUCT_MAX = 8000000 };
    struct mwu w = mwu_ranks(x, n, y, m);
    double a = (double)n, b = (double)m, N = a + b, larger = fmax(w.u1, a * b - w.u1);
    struct mlo_test t = {.statistic = w.u1, .p = 1};
    if ((n <= EXACT_SMALLER_MAX || m <= EXACT_SMALLER_MAX) && !w.tied && a * b <= EXACT_PRODUCT_MAX) {
        int rc = mwu_exact_sf(n < m ? n : m, n < m ? m : n, larger, &t.p, err);
        if (rc != 0)
            return rc;
        t.p = fmin(1, 2 * t.p);
        t.exact = true;
    } else {
        double variance = a * b / 12 * ((N + 1) - w.ties / (N * (N - 1)));
        if (variance <= 0)
            t.why = MLO_STAT_NONE;
        else
            t.p = fmin(1, 2 * mlo_normal_sf((larger - a * b / 2 - 0.5) / sqrt(variance)));
    }
    *ret = t;
    return 0;
}

/* ---- Student's and Welch's t ---- */

void mlo_student_t(const struct mlo_moments *x, const struct mlo_moments *y, bool welch, struct mlo_test *ret)
{
    double n = (double)x->n, m = (double)y->n;
    *ret = MLO_TEST_NONE;
    if (x->n < 2 || y->n < 2 || (x->variance <= 0 && y->variance <= 0))
        return;
    double vx = x->variance * n / (n - 1), vy = y->variance * m / (m - 1); /* ddof 1 */
    double df = n + m - 2, error = sqrt(((n - 1) * vx + (m - 1) * vy) / df * (1 / n + 1 / m));
    if (welch) {
        double ex = vx / n, ey = vy / m;
        error = sqrt(ex + ey);
        df = (ex + ey) * (ex + ey) / (ex * ex / (n - 1) + ey * ey / (m - 1));
    }
    double t = (x->mean - y->mean) / error;
    *ret = (struct mlo_test){.statistic = t, .df = df, .p = 2 * mlo_student_sf(fabs(t), df)};
}
