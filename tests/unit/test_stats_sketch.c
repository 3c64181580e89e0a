/* The sketch: relative error of every quantile, the same buckets in any order and split, states that are
 * refused. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/stats.h>

#include "tap.h"

static struct mlo_err err;

static double value(uint64_t *seed, int kind)
{
    double u = mlo_random_unit(seed), v = mlo_random_unit(seed);
    switch (kind) {
    case 0:
        return 100 * pow(1 - u, -1 / 1.2); /* Pareto */
    case 1:
        return -exp(10 * u) * (1 + v);
    case 2:
        return (u < 0.5 ? -1 : 1) * exp(60 * v - 20); /* both signs, 26 decades: buckets are merged */
    default:
        return floor(20 * u);
    }
}

static double error_allowed(const struct mlo_sketch *s)
{
    return ldexp(1, (int)s->level - 7);
}

static void quantiles_are_near(void)
{
    enum { N = 40000 };
    double *x = calloc(2 * N, sizeof *x);
    for (int kind = 0; kind < 4; kind++) {
        struct mlo_sketch s = {0};
        uint64_t seed = 7;
        for (int i = 0; i < N; i++) {
            x[i] = value(&seed, kind);
            mlo_sketch_add(&s, x[i], 1);
        }
        mlo_sort_doubles(x, N, x + N);
        check_int(s.n, N);
        check(s.used <= MLO_SKETCH_BUCKETS && (kind == 2) == (s.level > 0), "%d: level %u", kind, s.level);
        for (int i = 0; i < N; i += 37) {
            double got = mlo_sketch_at(&s, i), want = x[i];
            check(fabs(got - want) <= error_allowed(&s) * fabs(want) + DBL_MIN,
                  "%d, rank %d: got %g, want %g", kind, i, got, want);
        }
        mlo_sketch_release(&s);
    }
    free(x);
}

static bool equal(const struct mlo_sketch *a, const struct mlo_sketch *b)
{
    static struct mlo_bucket x[MLO_SKETCH_BUCKETS], y[MLO_SKETCH_BUCKETS];
    size_t n = mlo_sketch_buckets(a, x), m = mlo_sketch_buckets(b, y);
    bool same = n == m && a->level == b->level && a->n == b->n;
    for (size_t i = 0; same && i < n; i++)
        same = x[i].id == y[i].id && x[i].count == y[i].count;
    return same;
}

/* Whole, backwards, and in parts that are merged from either end. */
static void merges_to_the_same(void)
{
    enum { N = 20000, PARTS = 7 };
    for (int kind = 0; kind < 4; kind++) {
        struct mlo_sketch whole = {0}, back = {0}, up = {0}, down = {0}, part[PARTS] = {{0}};
        double *x = calloc(N, sizeof *x);
        uint64_t seed = 99;
        for (int i = 0; i < N; i++) {
            x[i] = value(&seed, kind) * (i < N / 2 ? 1 : 1e-9);
            mlo_sketch_add(&whole, x[i], 1);
            mlo_sketch_add(&part[i * PARTS / N], x[i], 1);
        }
        for (int i = N; i-- > 0;)
            mlo_sketch_add(&back, x[i], 1);
        for (int i = 0; i < PARTS; i++) {
            mlo_sketch_merge(&up, &part[i]);
            mlo_sketch_merge(&down, &part[PARTS - 1 - i]);
        }
        check(equal(&whole, &back) && equal(&whole, &up) && equal(&whole, &down), "kind %d", kind);
        for (int i = 0; i < PARTS; i++)
            mlo_sketch_release(&part[i]);
        mlo_sketch_release(&whole);
        mlo_sketch_release(&back);
        mlo_sketch_release(&up);
        mlo_sketch_release(&down);
        free(x);
    }
}

static void extremes_have_buckets(void)
{
    static const double v[] = {-DBL_MAX, -1, -DBL_MIN, -0.0, 0, 4.9e-324, 1, DBL_MAX};
    struct mlo_sketch s = {0};
    static struct mlo_bucket b[MLO_SKETCH_BUCKETS];
    for (size_t i = 0; i < MLO_COUNT(v); i++)
        mlo_sketch_add(&s, v[i], 1);
    size_t n = mlo_sketch_buckets(&s, b);
    check_int(n, 6); /* both zeros and the smallest number share one */
    check(b[0].low <= -DBL_MAX && b[n - 1].high >= DBL_MAX);
    mlo_sketch_release(&s);
}

static void refuses_what_is_none(void)
{
    struct mlo_sketch s = {0};
    const struct mlo_bucket twice[] = {{.id = 5, .count = 1}, {.id = 5, .count = 1}}, none[] = {{.id = 5}},
                            high[] = {{.id = 1 << 19, .count = 1}}, good[] = {{.id = 5, .count = 2}};
    check_err(mlo_sketch_restore(&s, 0, twice, 2, &err), MLO_EINVALID, &err, "malformed");
    check_err(mlo_sketch_restore(&s, 0, none, 1, &err), MLO_EINVALID, &err, NULL);
    check_err(mlo_sketch_restore(&s, 0, high, 1, &err), MLO_EINVALID, &err, NULL);
    check_err(mlo_sketch_restore(&s, 19, good, 1, &err), MLO_EINVALID, &err, NULL);
    check_ok(mlo_sketch_restore(&s, 18, NULL, 0, &err), &err);
    check_ok(mlo_sketch_restore(&s, 0, good, 1, &err), &err);
    check_int(s.n, 2);
    mlo_sketch_release(&s);
}

static int fill(void)
{
    struct mlo_sketch s = {0};
    for (int i = 1; i < 3000; i++)
        mlo_sketch_add(&s, i * i, 1);
    int rc = mlo_sketch_check(&s, &err);
    mlo_sketch_release(&s);
    return rc;
}

static void tells_of_failed_allocations(void)
{
    check(each_alloc_failure(fill) > 3);
}

int main(void)
{
    run(quantiles_are_near);
    run(merges_to_the_same);
    run(extremes_have_buckets);
    run(refuses_what_is_none);
    run(tells_of_failed_allocations);
    return done_testing();
}
