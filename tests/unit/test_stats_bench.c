/* What bench decides with: the histogram of times, how many samples a quantile needs, ratios of pairs of
 * blocks with their gates, and change points. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/stats.h>

#include "tap.h"

static struct mlo_err err;
static uint64_t seed = 2026;

static double normal(void)
{
    return mlo_normal_isf(1 - (mlo_random_unit(&seed) + 0x1p-54));
}

/* ---- histogram ---- */

static void quantiles_have_three_digits(void)
{
    enum { N = 20000 };
    double *x = calloc(2 * N, sizeof *x);
    struct mlo_times t;
    uint64_t sum = 0;
    check_ok(mlo_times_init(&t, &err), &err);
    for (int i = 0; i < N; i++) {
        uint64_t ns = (uint64_t)exp(28 * mlo_random_unit(&seed));
        x[i] = (double)ns;
        sum += ns;
        mlo_times_add(&t, ns);
    }
    mlo_sort_doubles(x, N, x + N);
    check_int(t.n, N);
    check(t.sum == sum);
    for (int rank = 1; rank <= N; rank++) {
        double got = (double)mlo_times_at(&t, (uint64_t)rank), want = x[rank - 1];
        if (!check(got >= want && got <= want * (1 + 0x1p-10), "rank %d: %g, not %g", rank, got, want))
            break;
    }
    check(mlo_times_quantile(&t, 0) == t.least && mlo_times_quantile(&t, 1) == t.most);
    mlo_times_release(&t);
    free(x);
}

static void parts_make_the_whole(void)
{
    struct mlo_times whole, part[2];
    check_ok(mlo_times_init(&whole, &err), &err);
    for (int k = 0; k < 2; k++)
        check_ok(mlo_times_init(&part[k], &err), &err);
    for (int i = 0; i < 5000; i++) {
        uint64_t ns = mlo_random_next(&seed) >> (20 + i % 44);
        mlo_times_add(&whole, ns);
        mlo_times_add(&part[i % 2], ns);
    }
    mlo_times_merge(&part[0], &part[1]);
    check(memcmp(whole.counts, part[0].counts, MLO_TIMES_BUCKETS * sizeof *whole.counts) == 0);
    check(whole.n == part[0].n && whole.sum == part[0].sum && whole.least == part[0].least &&
          whole.most == part[0].most);
    mlo_times_release(&whole);
    for (int k = 0; k < 2; k++)
        mlo_times_release(&part[k]);
}

static void longest_times_stay_inside(void)
{
    struct mlo_times t;
    check_ok(mlo_times_init(&t, &err), &err);
    check(mlo_times_quantile(&t, 0.5) == 0, "empty");
    mlo_times_add(&t, UINT64_MAX / 2);
    mlo_times_add(&t, MLO_TIMES_LONGEST);
    check(t.counts[MLO_TIMES_BUCKETS - 1] == 2, "the last bucket");
    mlo_times_release(&t);
}

/* ---- how many ---- */

/* MLPerf's early stopping at 99 %: quantile, tolerated, needed. */
static void needs_are_those_of_mlperf(void)
{
    static const struct {
        double q;
        uint64_t tolerated, n;
    } known[] = {{0.90, 0, 44},    {0.90, 1, 64},    {0.90, 2, 81},    {0.90, 5, 127},    {0.90, 10, 197},
                 {0.95, 0, 90},    {0.95, 1, 130},   {0.95, 2, 165},   {0.95, 5, 259},    {0.95, 10, 398},
                 {0.99, 0, 459},   {0.99, 1, 662},   {0.99, 2, 838},   {0.99, 5, 1307},   {0.99, 10, 2010},
                 {0.999, 0, 4603}, {0.999, 1, 6636}, {0.999, 2, 8403}, {0.999, 5, 13105}, {0.999, 10, 20140}};
    for (size_t i = 0; i < MLO_COUNT(known); i++) {
        uint64_t n = known[i].n, t = known[i].tolerated;
        check_int(mlo_quantile_needs(known[i].q, 0.99, t), n);
        check_int(mlo_quantile_rank(n, known[i].q, 0.99), n - t);
        check(mlo_quantile_rank(n - 1, known[i].q, 0.99) != n - 1 - t, "one fewer is not enough");
    }
    check_int(mlo_quantile_rank(458, 0.99, 0.99), 0);
    check_int(mlo_quantile_rank(0, 0.5, 0.99), 0);
}

/* ---- ratios ---- */

enum { PAIRS = 30 };

/* Pairs on a machine whose speed wanders by a factor of three; b is slower by `factor`. */
static void measure(double factor, double noise, double a[PAIRS], double b[PAIRS])
{
    double speed = 0;
    for (int i = 0; i < PAIRS; i++) {
        speed = fmin(fmax(speed + 0.3 * normal(), -0.5), 0.5);
        a[i] = 1e-3 * exp(speed + noise * normal());
        b[i] = factor * 1e-3 * exp(speed + noise * normal());
        if (i % 10 == 3)
            a[i] *= 5; /* something else ran */
    }
}

static void intervals_cover(void)
{
    static const struct mlo_ratio_opts o = {.confidence = 0.95, .rounds = 1000, .seed = 1};
    enum { RUNS = 300 };
    int inside = 0;
    for (int run = 0; run < RUNS; run++) {
        double a[PAIRS], b[PAIRS];
        struct mlo_ratio r;
        for (int i = 0; i < PAIRS; i++) {
            a[i] = exp(normal());
            b[i] = a[i] * 1.2 * exp(0.05 * normal());
        }
        check_ok(mlo_ratio_of_pairs(a, b, PAIRS, &o, &r, &err), &err);
        inside += r.low <= 1.2 && 1.2 <= r.high;
    }
    check(inside >= 270 && inside <= 297, "%d of %d", inside, RUNS);
}

static void gates_see_through_a_wandering_machine(void)
{
    static const struct mlo_ratio_opts o = {.confidence = 0.95, .rounds = 1000, .seed = 1};
    int passed = 0, failed = 0;
    for (int run = 0; run < 100; run++) {
        double a[PAIRS], b[PAIRS];
        struct mlo_ratio r;
        size_t more;
        measure(1, 0.01, a, b);
        check_ok(mlo_ratio_of_pairs(a, b, PAIRS, &o, &r, &err), &err);
        passed += mlo_ratio_gate(&r, 0.05, 0, PAIRS, &more) == MLO_GATE_PASS;
        measure(1.1, 0.01, a, b);
        check_ok(mlo_ratio_of_pairs(a, b, PAIRS, &o, &r, &err), &err);
        failed += mlo_ratio_gate(&r, 0.05, 0, PAIRS, &more) == MLO_GATE_FAIL;
    }
    check(passed >= 98, "%d", passed);
    check(failed >= 95, "%d", failed);
}

static void quantiles_of_blocks(void)
{
    static const struct mlo_ratio_opts o = {.confidence = 0.95, .rounds = 500, .seed = 3};
    enum { BLOCKS = 20, EACH = 100 };
    static double a[BLOCKS * EACH], b[BLOCKS * EACH];
    size_t starts[BLOCKS + 1];
    struct mlo_ratio r;
    for (size_t i = 0; i <= BLOCKS; i++)
        starts[i] = i * EACH;
    for (size_t i = 0; i < BLOCKS * EACH; i++) {
        a[i] = exp(normal());
        b[i] = 1.5 * exp(normal());
    }
    struct mlo_blocks x = {a, starts, BLOCKS}, y = {b, starts, BLOCKS};
    check_ok(mlo_ratio_of_quantiles(&x, &y, 0.5, &o, &r, &err), &err);
    check(r.low < 1.5 && r.high > 1.5 && r.low > 1.2 && r.high < 1.9, "%g (%g, %g)", r.ratio, r.low, r.high);
    check_ok(mlo_ratio_of_quantiles(&x, &x, 0.99, &o, &r, &err), &err);
    check(r.ratio == 1 && r.low == 1 && r.high == 1, "%g (%g, %g)", r.ratio, r.low, r.high);
}

/* The example of docs/benchmarking.md: its figures are these. */
static void the_example_of_the_page(void)
{
    static const double a[] = {10.0, 10.2, 13.0, 10.1, 9.9, 10.0, 15.1, 10.2},
                        b[] = {10.9, 11.3, 14.2, 11.2, 10.7, 11.0, 14.9, 11.4};
    const struct mlo_ratio_opts o = {1 - 0.05 / 6, 10000, 1};
    struct mlo_ratio r;
    struct mlo_test t;
    size_t more;
    check_ok(mlo_ratio_of_pairs(a, b, 8, &o, &r, &err), &err);
    check(fabs(r.ratio - 1.0975) < 5e-5 && fabs(r.low - 1.040) < 2e-3 && fabs(r.high - 1.113) < 2e-3);
    check_ok(mlo_wilcoxon(a, b, 8, &t, &err), &err);
    check_int(mlo_ratio_gate(&r, 0.05, t.p, 8, &more), MLO_GATE_INCONCLUSIVE);
    check_int(more, 6);
    check_ok(mlo_mann_whitney(b, 8, a, 8, &t, &err), &err);
    check(fabs(t.p - 0.44) < 5e-3, "%g", t.p);
}

static void gates_say_how_many_more(void)
{
    size_t more;
    struct mlo_ratio r = {1.02, 0.96, 1.08};
    check_int(mlo_ratio_gate(&r, 0.05, 0, 20, &more), MLO_GATE_INCONCLUSIVE);
    check(more > 50 && more < 100, "((log 1.08 - log 1.02) / (log 1.05 - log 1.02))^2 times 22: %zu", more);
    r = (struct mlo_ratio){1.05, 1.0, 1.1};
    check_int(mlo_ratio_gate(&r, 0.05, 0, 20, &more), MLO_GATE_INCONCLUSIVE);
    check(more > 100000, "on the limit: %zu", more);
    r = (struct mlo_ratio){1.2, 1.1, 1.3};
    check_int(mlo_ratio_gate(&r, 0.05, 0.5, 20, &more), MLO_GATE_INCONCLUSIVE);
    check_int(mlo_ratio_gate(&r, 0.05, 0.001, 20, &more), MLO_GATE_FAIL);
}

/* scipy.stats.wilcoxon 1.10.1 */
static void signed_ranks_are_those_of_scipy(void)
{
    static const double x[] = {1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30},
                        y[] = {0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29};
    static const double u[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
                        v[] = {1, 3, 2, 6, 7, 9, 9, 10, 12, 13, 15, 11};
    struct mlo_test t;
    check_ok(mlo_wilcoxon(x, y, 9, &t, &err), &err);
    check(t.exact && t.statistic == 5 && fabs(t.p - 0.0390625) < 1e-12, "%g %.12g", t.statistic, t.p);
    check_ok(mlo_wilcoxon(u, v, 12, &t, &err), &err);
    check(!t.exact && t.statistic == 4.0 && fabs(t.p - 0.009277497795096158) < 1e-12, "%g %.14g", t.statistic,
          t.p);
    check_ok(mlo_wilcoxon(x, x, 9, &t, &err), &err);
    check(t.why == MLO_STAT_NONE && t.p == 1);
}

/* ---- change points ---- */

static const struct mlo_change_opts usual = {.window = 50, .p = 0.001, .least = 0.01};

static void steps_are_found(void)
{
    double x[90];
    struct mlo_change_point c[90];
    size_t n;
    for (int i = 0; i < 90; i++)
        x[i] = (i < 30 ? 100 : i < 61 ? 120 : 90) + normal();
    check_ok(mlo_change_points(x, 90, &usual, c, &n, &err), &err);
    check_int(n, 2);
    check_int(c[0].at, 30);
    check_int(c[1].at, 61);
    check(fabs(c[1].before - 120) < 1 && fabs(c[1].after - 90) < 1);
}

static void noise_has_no_steps(void)
{
    int found = 0;
    for (int run = 0; run < 200; run++) {
        double x[60];
        struct mlo_change_point c[60];
        size_t n;
        for (int i = 0; i < 60; i++)
            x[i] = 100 + 5 * normal();
        check_ok(mlo_change_points(x, 60, &usual, c, &n, &err), &err);
        found += n > 0;
    }
    check(found <= 20, "%d of 200 histories without a change", found);
}

static void odd_histories(void)
{
    static const double flat[] = {1, 1, 1, 1, 1, 1, 1, 1}, step[] = {1, 1, 1, 1, 2, 2, 2, 2};
    struct mlo_change_point c[8];
    size_t n = 9;
    check_ok(mlo_change_points(flat, 0, &usual, c, &n, &err), &err);
    check_int(n, 0);
    check_ok(mlo_change_points(flat, 8, &usual, c, &n, &err), &err);
    check_int(n, 0);
    check_ok(mlo_change_points(step, 8, &usual, c, &n, &err), &err);
    check_int(n, 1);
    check_int(c[0].at, 4);
    check_ok(mlo_change_points(step, 3, &usual, c, &n, &err), &err);
    check_int(n, 0);
}

/* ---- memory ---- */

static int all_that_allocates(void)
{
    static const struct mlo_ratio_opts o = {.confidence = 0.95, .rounds = 20, .seed = 3};
    static const double a[] = {1, 2, 3, 4}, b[] = {2, 3, 4, 5};
    static const size_t starts[] = {0, 2, 4};
    struct mlo_blocks x = {a, starts, 2}, y = {b, starts, 2};
    struct mlo_err e = MLO_ERR_INIT;
    struct mlo_change_point c[4];
    struct mlo_times t;
    struct mlo_ratio r;
    size_t n;
    int rc = mlo_times_init(&t, &e);
    if (rc == 0)
        mlo_times_release(&t);
    if (rc == 0)
        rc = mlo_ratio_of_pairs(a, b, 4, &o, &r, &e);
    if (rc == 0)
        rc = mlo_ratio_of_quantiles(&x, &y, 0.5, &o, &r, &e);
    if (rc == 0)
        rc = mlo_change_points(a, 4, &usual, c, &n, &e);
    return rc;
}

static void memory_may_run_out(void)
{
    check(each_alloc_failure(all_that_allocates) >= 7);
}

int main(void)
{
    run(quantiles_have_three_digits);
    run(parts_make_the_whole);
    run(longest_times_stay_inside);
    run(needs_are_those_of_mlperf);
    run(intervals_cover);
    run(gates_see_through_a_wandering_machine);
    run(quantiles_of_blocks);
    run(the_example_of_the_page);
    run(gates_say_how_many_more);
    run(signed_ranks_are_those_of_scipy);
    run(steps_are_found);
    run(noise_has_no_steps);
    run(odd_histories);
    run(memory_may_run_out);
    return done_testing();
}
