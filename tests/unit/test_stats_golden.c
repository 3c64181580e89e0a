/*
 * Statistics against recorded values of SciPy 1.10.1, statsmodels 0.13.5 and scikit-learn 1.2.1 on sequences
 * that a linear congruential generator makes, exactly, anywhere. tests/golden/stats/make.py compares many
 * more at random.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/stats.h>

#include "tap.h"

static void close_to(double got, double want, double relative, const char *what)
{
    double scale = fabs(want) > 0 ? fabs(want) : 1;
    tap_check(fabs(got - want) <= relative * scale, __FILE__, __LINE__, what, " got %.17g, want %.17g", got,
              want);
}
#define near(got, want) close_to((got), (want), 1e-9, #got)

/* The sequences of docs/statistics.md. */
static double next_unit(uint32_t *s)
{
    *s = 1664525u * *s + 1013904223u;
    return *s / 4294967296.0;
}

static double *sample(uint32_t seed, size_t n, bool squeezed)
{
    double *x = malloc(2 * n * sizeof *x);
    for (size_t i = 0; i < n; i++) {
        double u = next_unit(&seed);
        x[i] = squeezed ? u * (0.5 + 0.5 * u) : u;
    }
    return x;
}

static double *sorted(uint32_t seed, size_t n, bool squeezed)
{
    double *x = sample(seed, n, squeezed);
    mlo_sort_doubles(x, n, x + n);
    return x;
}
#define A(n) sorted(12345, (n), false)
#define B(n) sorted(54321, (n), true)

static struct mlo_test ks(double *x, size_t n, double *y, size_t m)
{
    struct mlo_test t;
    mlo_ks(x, n, y, m, &t);
    free(x);
    free(y);
    return t;
}

static void kolmogorov_smirnov_exact(void)
{
    struct mlo_test t = ks(A(200), 200, B(150), 150);
    near(t.statistic, 0.21);
    near(t.p, 0.0008888680639874798);
    check(t.exact);
    t = ks(A(200), 200, B(200), 200);
    near(t.statistic, 0.19);
    near(t.p, 0.0014264303851701861);
    t = ks(A(7), 7, B(5), 5);
    near(t.statistic, 0.42857142857142855);
    near(t.p, 0.5454545454545454);
    t = ks(A(1000), 1000, B(999), 999);
    near(t.statistic, 0.1724064064064064);
    near(t.p, 2.0565936722650244e-13);
}

static void kolmogorov_smirnov_asymptotic(void)
{
    struct mlo_test t = ks(A(20000), 20000, B(15000), 15000);
    near(t.statistic, 0.1273166666666667);
    near(t.p, 1.425361871563547e-121);
    check(!t.exact);
    t = ks(A(20000), 20000, sorted(777, 15000, false), 15000);
    near(t.p, 0.6711469786880009);
    t = ks(A(20000), 20000, sorted(999, 100, false), 100);
    near(t.p, 0.02901169830556896);
}

/* Through mlo_ks_p: k = nm/(n+m) with n = m = 2k. */
static void kolmogorov_law(void)
{
    static const struct {
        uint64_t k;
        double d, sf;
    } rows[] = {{8571, .02, 0.002075777528008902},
                {500000, .003, 0.00024632301239186754},
                {3000000, .001, 0.0049542003601089}};
    for (size_t i = 0; i < MLO_COUNT(rows); i++) {
        bool exact = true;
        near(mlo_ks_p(rows[i].d, 2 * rows[i].k, 2 * rows[i].k, &exact), rows[i].sf);
        check(!exact);
    }
}

static void kolmogorov_law_of_few(void)
{
    /* n large, m = k: nm/(n+m) rounds to k. */
    static const struct {
        uint64_t k;
        double d, sf;
    } rows[] = {{150, .05, 0.8290828416799794},
                {150, .1, 0.09292132232164585},
                {1000, .05, 0.013012074781090332},
                {1000, .0125, 0.9971528020597908}};
    for (size_t i = 0; i < MLO_COUNT(rows); i++)
        near(mlo_ks_p(rows[i].d, 1000000000, rows[i].k, NULL), rows[i].sf);
}

static void two_sample_tests(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    double *x = A(200), *y = B(150);
    struct mlo_test t;
    near(mlo_wasserstein(x, 200, y, 150), 0.10299367766491915);
    near(mlo_energy(x, 200, y, 150), 0.16823030504780856);
    mlo_cramer_von_mises(x, 200, y, 150, &t);
    near(t.statistic, 1.2701714285714303);
    near(t.p, 0.000576668191069718);
    mlo_anderson_darling(x, 200, y, 150, &t);
    near(t.statistic, 6.6209280290473425);
    near(t.p, 0.001);
    mlo_epps_singleton(x, 200, y, 150, &t);
    near(t.statistic, 13.530036203619746);
    near(t.p, 0.008956378544436979);
    check_ok(mlo_mann_whitney(x, 200, y, 150, &t, &err), &err);
    near(t.statistic, 18160);
    near(t.p, 0.0007439914855425011);
    free(x);
    free(y);
}

static void ties(void)
{
    double *x = sample(12345, 200, false), *y = sample(54321, 150, true);
    struct mlo_test t;
    x[3] = x[5] = x[9] = y[0] = y[1] = 0.5;
    mlo_sort_doubles(x, 200, x + 200);
    mlo_sort_doubles(y, 150, y + 150);
    mlo_ks(x, 200, y, 150, &t);
    near(t.statistic, 0.20166666666666666);
    near(t.p, 0.0016194780946799032);
    near(mlo_wasserstein(x, 200, y, 150), 0.09926445320084813);
    mlo_cramer_von_mises(x, 200, y, 150, &t);
    near(t.statistic, 1.18624761904762);
    near(t.p, 0.0009014123034002397);
    mlo_anderson_darling(x, 200, y, 150, &t);
    near(t.statistic, 6.175339646260264);
    free(x);
    free(y);
}

static void moments_and_quantiles(void)
{
    double *x = A(200), *y = B(150);
    struct mlo_moments a, b;
    struct mlo_test t;
    mlo_moments(x, 200, &a);
    mlo_moments(y, 150, &b);
    near(a.mean, 0.5036935905041173);
    near(sqrt(a.variance), 0.28300932310895327);
    near(a.skewness, -0.05929521346477847);
    near(a.kurtosis, -1.1156447052449923);
    static const double q[] = {.1, .25, .5, .75, .9, .95};
    static const double want[] = {0.1082523911027238, 0.28598507185233757, 0.5160722467117012,
                                  0.7346008815220557, 0.8962766258278861,  0.9437593471608123};
    for (size_t i = 0; i < MLO_COUNT(q); i++)
        near(mlo_quantile_sorted(x, 200, q[i]), want[i]);
    mlo_student_t(&a, &b, false, &t);
    near(t.statistic, 3.390046363715835);
    near(t.p, 0.0007790310364219195);
    mlo_student_t(&a, &b, true, &t);
    near(t.statistic, 3.4021017671208362);
    near(t.p, 0.0007521888370986874);
    free(x);
    free(y);
}

static void ranking(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    double *x = A(200), *y = B(150);
    struct mlo_auc auc = {0};
    check_ok(mlo_delong(y, 150, x, 200, &auc, &err), &err);
    near(auc.auc, 0.39466666666666667);
    near(auc.variance, 0.000933023784095721);
    free(x);
    free(y);
}

static void binned(void)
{
    static const uint64_t a[] = {20, 19, 13, 28, 19, 18, 25, 24, 14, 20},
                          b[] = {20, 24, 22, 20, 13, 8, 18, 8, 8, 9};
    struct mlo_test t;
    size_t at = 99;
    near(mlo_psi(a, b, 10, MLO_ZERO_NONE), 0.20943948173835114);
    near(mlo_kl(a, b, 10, MLO_ZERO_NONE), 0.1039901698900251);
    near(sqrt(mlo_js_divergence(a, b, 10)), 0.16022218053908685);
    near(sqrt(mlo_js_divergence(a, b, 10) / M_LN2), 0.19244645143012543);
    near(mlo_js_divergence(a, b, 10), 0.02567114713669974);
    near(mlo_hellinger(a, b, 10), 0.16100295926827063);
    near(mlo_total_variation(a, b, 10), 0.18);
    near(mlo_linf(a, b, 10, &at), 0.08166666666666667);
    check_int(at, 2);
    mlo_chi2_homogeneity(a, b, 10, true, &t);
    near(t.statistic, 17.359907234043913);
    check(t.df == 9);
    near(t.p, 0.043369265418617346);
    mlo_g_test(a, b, 10, true, &t);
    near(t.statistic, 17.626774526155835);
    near(t.p, 0.039758982458829244);
}

/* As NumPy's and SciPy's rankdata, norm.ppf and quad give it. */
static void ordered_bins(void)
{
    static const uint64_t a[] = {40, 35, 0, 60, 22, 18, 9, 5, 1, 10},
                          b[] = {20, 30, 0, 45, 30, 25, 12, 9, 4, 25};
    static const uint64_t c[] = {50, 50, 50, 50}, d[] = {10, 40, 60, 400};
    struct mlo_test t;
    struct mlo_err err = MLO_ERR_INIT;
    check_ok(mlo_normal_scores(a, b, 10, &t, &err), &err);
    near(t.statistic, 18.694548863063478);
    near(t.p, 2.2305242945811964e-05);
    check_ok(mlo_normal_scores(c, d, 4, &t, &err), &err);
    near(t.statistic, 203.3469814081268);
    close_to(t.p, 5.508816005651911e-46, 1e-6, "p");
    check_ok(mlo_normal_scores(a, a, 10, &t, &err), &err);
    check(t.statistic <= 0 && t.p >= 1);
}

/* Two values, or nearly all rows in one bin: the normal law would not hold. */
static void too_few_for_scores(void)
{
    static const uint64_t two[] = {30, 0, 70}, lone[] = {990, 2, 3};
    struct mlo_test t;
    struct mlo_err err = MLO_ERR_INIT;
    check_ok(mlo_normal_scores(two, two, 3, &t, &err), &err);
    check(t.why == MLO_STAT_NONE && t.p >= 1);
    check_ok(mlo_normal_scores(lone, lone, 3, &t, &err), &err);
    check(t.why == MLO_STAT_NONE);
    check_ok(mlo_normal_scores(two, two, 0, &t, &err), &err);
    check(t.why == MLO_STAT_NONE);
}

static void categories_of_peers(void)
{
    static const uint64_t a[] = {500, 300, 200, 100, 0}, b[] = {270, 270, 180, 180, 90};
    struct mlo_test t;
    near(mlo_psi(a, b, 5, MLO_ZERO_EVIDENTLY), 0.7745227125146039);
    near(mlo_kl(a, b, 5, MLO_ZERO_EVIDENTLY), 0.16838199758776362);
    near(sqrt(mlo_js_divergence(a, b, 5)), 0.22519867557448517);
    near(mlo_hellinger(a, b, 5), 0.2545589932375898);
    near(mlo_psi(a, b, 5, MLO_ZERO_FLOOR_1PC), 0.33447937280279805);
    mlo_chi2_homogeneity(a, b, 5, true, &t);
    near(t.statistic, 178.8961038961039);
    close_to(t.p, 1.2870749549881597e-37, 1e-6, "p");
}

static void small_tables(void)
{
    static const uint64_t a[] = {30, 70}, b[] = {20, 30}, table[] = {30, 70, 20, 30};
    static const uint64_t strata[][4] = {{30, 70, 20, 30}, {10, 40, 15, 25}, {5, 45, 9, 41}};
    struct mlo_test t;
    struct mlo_interval w;
    struct mlo_cmh c;
    mlo_chi2_homogeneity(a, b, 2, true, &t);
    near(t.statistic, 1.08375);
    near(t.p, 0.29786016754980305);
    mlo_chi2_homogeneity(a, b, 2, false, &t);
    near(t.p, 0.2206713619198433);
    mlo_fisher(table, &t);
    near(t.p, 0.2707470005872473);
    near(t.statistic, 0.6428571428571429);
    mlo_two_proportions(30, 100, 20, 50, &t);
    near(t.statistic, -1.2247448713915894);
    near(t.p, 0.2206713619198467);
    mlo_wilson(30, 100, 0.95, &w);
    near(w.low, 0.21894885294932756);
    near(w.high, 0.39584854633346667);
    mlo_cmh(strata, 3, false, &c);
    near(c.test.statistic, 5.667775181140694);
    near(c.test.p, 0.017279357516211014);
    near(c.odds_ratio, 0.5400387919091162);
    mlo_cmh(strata, 3, true, &c);
    near(c.test.statistic, 5.069857397297756);
    near(c.test.p, 0.024345386353597287);
}

static void adjusted(void)
{
    static const double p[] = {.001, .008, .039, .041, .042, .06, .074, .205, .212, .216};
    static const double holm[] = {.01, .072, .312, .312, .312, .312, .312, .615, .615, .615};
    static const double bh[] = {.01, .04, .084, .084, .084, .1, .10571428571428572, .216, .216, .216};
    struct mlo_err err = MLO_ERR_INIT;
    double q[10];
    memcpy(q, p, sizeof q);
    check_ok(mlo_holm(q, 10, &err), &err);
    for (size_t i = 0; i < 10; i++)
        near(q[i], holm[i]);
    memcpy(q, p, sizeof q);
    check_ok(mlo_benjamini_hochberg(q, 10, &err), &err);
    for (size_t i = 0; i < 10; i++)
        near(q[i], bh[i]);
    mlo_bonferroni(memcpy(q, p, sizeof q), 10);
    near(q[0], 0.01);
    near(q[9], 1);
}

/* Known values of SciPy's distributions. */
static void special_functions(void)
{
    near(mlo_chi2_sf(mlo_chi2_isf(0.05, 9), 9), 0.05);
    near(mlo_chi2_isf(0.05, 9), 16.918977604620448);
    near(mlo_normal_isf(0.025), 1.959963984540054);
    near(mlo_normal_isf(mlo_normal_sf(12)), 12);
    near(mlo_beta_inc(2, 3, 0.5), 0.6875);
    near(mlo_student_sf(2, 10), 0.036694017385370196);
    near(mlo_binom_pmf(3, 10, 0.5), 0.1171875);
}

/* ---- exact sums ---- */

static void sums_do_not_depend_on_order(void)
{
    static const double x[] = {1e308, 1, -1e308, 1e-308, 0x1p-1074, 3, -1e-308, 1e16, 1, -1e16};
    struct mlo_exact_sum forward = {0}, parts[2] = {0};
    for (size_t i = 0; i < MLO_COUNT(x); i++) {
        mlo_exact_sum_add(&forward, x[i]);
        mlo_exact_sum_add(&parts[i % 2], x[MLO_COUNT(x) - 1 - i]);
    }
    mlo_exact_sum_merge(&parts[1], &parts[0]);
    check(mlo_exact_sum_value(&forward) == 5);
    check(mlo_exact_sum_value(&parts[1]) == 5);
}

static void sums_round_once(void)
{
    struct mlo_exact_sum s = {0};
    mlo_exact_sum_add(&s, 1);
    mlo_exact_sum_add(&s, 0x1p-53); /* half a unit: ties to even */
    check(mlo_exact_sum_value(&s) == 1);
    mlo_exact_sum_add(&s, 0x1p-200); /* a bit more than half */
    check(mlo_exact_sum_value(&s) == 1 + 0x1p-52);
    mlo_exact_sum_add(&s, -3);
    check(mlo_exact_sum_value(&s) == -2 + 0x1p-52 - 0x1p-53 || mlo_exact_sum_value(&s) < -1.99);
    struct mlo_exact_sum inf = {0};
    mlo_exact_sum_add(&inf, INFINITY);
    check(mlo_exact_sum_value(&inf) == INFINITY);
    mlo_exact_sum_add(&inf, -INFINITY);
    check(isnan(mlo_exact_sum_value(&inf)));
}

static void sorts_like_the_library(void)
{
    enum { N = 20000 };
    double *x = sample(7, N, false);
    for (size_t i = 0; i < N; i++)
        x[i] = (x[i] - 0.5) * (i % 3 ? 1e300 : 1e-300);
    x[5] = -0.0;
    x[6] = 0.0;
    double *y = malloc(N * sizeof *y);
    memcpy(y, x, N * sizeof *y);
    mlo_sort_doubles(x, N, x + N);
    bool ascending = true;
    double sum = 0, want = 0;
    for (size_t i = 0; i < N; i++) {
        ascending = ascending && (i == 0 || x[i - 1] <= x[i]);
        sum += x[i] > 0;
        want += y[i] > 0;
    }
    check(ascending && sum == want);
    free(x);
    free(y);
}

/* ---- what cannot be computed ---- */

static void degenerate_inputs_have_an_answer(void)
{
    static const double one[] = {1}, same[] = {2, 2, 2, 2, 2, 2};
    static const uint64_t single[] = {7}, zero[] = {0, 5};
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_test t;
    mlo_ks(one, 1, one, 1, &t);
    check(t.statistic == 0 && t.p == 1);
    mlo_cramer_von_mises(one, 1, same, 6, &t);
    check(t.why == MLO_STAT_NONE && t.p == 1);
    mlo_anderson_darling(same, 6, same, 6, &t);
    check(t.why == MLO_STAT_NONE && t.p == 1);
    mlo_epps_singleton(same, 6, same, 6, &t);
    check(t.why == MLO_STAT_NONE && t.p == 1);
    check_ok(mlo_mann_whitney(same, 6, same, 6, &t, &err), &err);
    check(t.why == MLO_STAT_NONE && t.p == 1);
    mlo_chi2_homogeneity(single, single, 1, true, &t);
    check(t.why == MLO_STAT_NONE && t.p == 1);
    mlo_chi2_homogeneity(zero, zero, 2, true, &t);
    check(t.why == MLO_STAT_NONE && t.p == 1);
    mlo_two_proportions(0, 0, 1, 2, &t);
    check(t.why == MLO_STAT_NONE && t.p == 1);
    struct mlo_noise noise;
    mlo_psi_noise(0, 10, 10, 1, &noise);
    check(noise.p == 1 && noise.level95 == 0);
    near((mlo_psi_noise(0.1, 100, 100, 10, &noise), noise.level95), 0.33837955209240896);
}

static double mean_statistic(const double *x, size_t n, void *ctx)
{
    struct mlo_moments m;
    (void)ctx;
    mlo_moments(x, n, &m);
    return m.mean;
}

static void bootstrap_is_repeatable(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_interval a, b;
    double *x = A(200);
    check_ok(mlo_bootstrap(x, 200, mean_statistic, NULL, 2000, 0.95, 1, &a, &err), &err);
    check_ok(mlo_bootstrap(x, 200, mean_statistic, NULL, 2000, 0.95, 1, &b, &err), &err);
    check(a.low == b.low && a.high == b.high);
    double half = 1.96 * 0.28371951073276597 / sqrt(200);
    close_to(a.low, 0.5036935905041173 - half, 0.02, "low");
    close_to(a.high, 0.5036935905041173 + half, 0.02, "high");
    free(x);
}

static int allocates(void)
{
    static const double p[] = {.1, .2, .3}, x[] = {1, 2, 3}, y[] = {2.5, 3.5};
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_interval i;
    struct mlo_auc auc;
    struct mlo_test t;
    double q[3];
    memcpy(q, p, sizeof q);
    int rc = mlo_holm(q, 3, &err);
    if (rc == 0)
        rc = mlo_benjamini_hochberg(q, 3, &err);
    if (rc == 0)
        rc = mlo_delong(x, 3, y, 2, &auc, &err);
    if (rc == 0)
        rc = mlo_mann_whitney(x, 3, y, 2, &t, &err);
    if (rc == 0)
        rc = mlo_normal_scores((const uint64_t[]){20, 30}, (const uint64_t[]){30, 20}, 2, &t, &err);
    return rc != 0 ? rc : mlo_bootstrap(x, 3, mean_statistic, NULL, 10, 0.9, 1, &i, &err);
}

static void memory_runs_out(void)
{
    check(each_alloc_failure(allocates) > 4);
}

int main(void)
{
    run(kolmogorov_smirnov_exact);
    run(kolmogorov_smirnov_asymptotic);
    run(kolmogorov_law);
    run(kolmogorov_law_of_few);
    run(two_sample_tests);
    run(ties);
    run(moments_and_quantiles);
    run(ranking);
    run(binned);
    run(ordered_bins);
    run(too_few_for_scores);
    run(categories_of_peers);
    run(small_tables);
    run(adjusted);
    run(special_functions);
    run(sums_do_not_depend_on_order);
    run(sums_round_once);
    run(sorts_like_the_library);
    run(degenerate_inputs_have_an_answer);
    run(bootstrap_is_repeatable);
    run(memory_runs_out);
    return done_testing();
}
