/* What the machine can do: rates under a clock of their own, and the figures as they are kept. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../src/bench/calibrate.h"
#include "tap.h"

static struct mlo_err err;

/* ---- rates ---- */

struct world { /* time passes only when something is done */
    int64_t now;
    const int64_t *costs; /* of each call, in turn; the last one goes on */
    size_t n, calls;
};

static int64_t now(void *ctx)
{
    return ((struct world *)ctx)->now;
}

static int64_t ticking(void *ctx)
{
    return ((struct world *)ctx)->now += 10000000;
}

static void work(void *ctx)
{
    struct world *w = ctx;
    w->now += w->costs[w->calls < w->n ? w->calls : w->n - 1];
    w->calls++;
}

static double rate(struct world *w, double seconds)
{
    struct mlo_clock clock = {.now = now, .ctx = w};
    return mlo_best_rate(&clock, seconds, 500, work, w);
}

static void the_fastest_round_counts(void)
{
    static const int64_t costs[] = {1000, 250, 900};
    struct world w = {.costs = costs, .n = 3};
    check(fabs(rate(&w, 10e-6) - 2e9) < 1, "500 in 250 ns are 2 a ns");
    check(w.calls >= 10 && w.calls <= 12, "%zu rounds of 10 us", w.calls);
}

static void there_are_three_rounds_at_least(void)
{
    static const int64_t costs[] = {5000000, 5000000, 1000000};
    struct world w = {.costs = costs, .n = 3};
    check(fabs(rate(&w, 1e-3) - 5e5) < 1e-6);
    check(w.calls == 3, "%zu", w.calls);
}

static void a_clock_that_stands_or_goes_back_is_not_believed(void)
{
    static const int64_t back[] = {-100, 0, 1000, -5, 2000, 100000};
    struct world w = {.costs = back, .n = 6};
    check(fabs(rate(&w, 3e-6) - 5e8) < 1, "500 in 1000 ns");
}

/* ---- this machine ---- */

static void everything_is_measured(void)
{
    struct mlo_limits l = {0};
    check_ok(mlo_calibrate(NULL, &l, &err), &err);
    check(l.f32 > 0 && l.f64 > 0 && l.int8 >= 0 && l.bf16 >= 0);
    for (int i = 0; i < MLO_LEVELS; i++)
        check(l.read[i] > 0, "%s", mlo_level_name((enum mlo_level)i));
    check(l.bytes[MLO_LEVEL_L1] > 0 && l.bytes[MLO_LEVEL_L1] <= l.bytes[MLO_LEVEL_L2] &&
          l.bytes[MLO_LEVEL_L2] <= l.bytes[MLO_LEVEL_L3]);
    check(l.step_ns > 0 && l.wake_ns > 0 && l.clock_ns > 0);
    check(l.cpus >= 1 && l.quota >= 0 && *l.cpu && l.measured_ns > 0);
}

static int a_step(void)
{
    static const int64_t costs[] = {1000};
    struct mlo_err e = MLO_ERR_INIT;
    struct world w = {.costs = costs, .n = 1};
    struct mlo_clock clock = {.now = ticking, .ctx = &w};
    double ns;
    return mlo_step_cost(&clock, &ns, &e);
}

static void memory_may_fail(void)
{
    check(each_alloc_failure(a_step) > 0);
}

/* ---- kept ---- */

static struct mlo_limits some(void)
{
    struct mlo_limits l = {.f32 = 118.25e9,
                           .f64 = 59e9,
                           .int8 = 472e9,
                           .read = {216e9, 117e9, 100e9, 20e9},
                           .bytes = {32768, 1048576, 33554432},
                           .step_ns = 11.5,
                           .wake_ns = 4000,
                           .clock_ns = 25.75,
                           .measured_ns = 1767225600000000000};
    mlo_limits_identify(&l);
    return l;
}

static void what_is_kept_comes_back(void)
{
    struct mlo_limits from = some(), to = {0};
    struct mlo_str text;
    mlo_str_init(&text, 1 << 16);
    check_ok(mlo_limits_write(&from, &text, &err), &err);
    check_ok(mlo_limits_read(text.ptr, text.len, &to, &err), &err);
    check(memcmp(&from.f32, &to.f32, 4 * sizeof(double)) == 0);
    check(memcmp(from.read, to.read, sizeof from.read) == 0);
    check(memcmp(from.bytes, to.bytes, sizeof from.bytes) == 0);
    check(fabs(from.step_ns - to.step_ns) < 1e-12 && fabs(from.clock_ns - to.clock_ns) < 1e-12);
    check(from.measured_ns == to.measured_ns && strcmp(from.cpu, to.cpu) == 0 && from.cpus == to.cpus);
    mlo_str_release(&text);
}

static void of_another_machine_it_is_not_believed(void)
{
    struct mlo_limits from = some(), to = {.f32 = 7};
    struct mlo_str text;
    mlo_str_init(&text, 1 << 16);
    from.cpus++;
    check_ok(mlo_limits_write(&from, &text, &err), &err);
    check(mlo_limits_read(text.ptr, text.len, &to, &err) == MLO_ENOTFOUND);
    mlo_str_clear(&text);
    from = some();
    snprintf(from.cpu, sizeof from.cpu, "another \"CPU\"");
    check_ok(mlo_limits_write(&from, &text, &err), &err);
    check(mlo_limits_read(text.ptr, text.len, &to, &err) == MLO_ENOTFOUND);
    check(to.f32 > 6.9 && to.f32 < 7.1, "untouched on failure");
    mlo_str_release(&text);
}

static void damage_is_seen(void)
{
    struct mlo_limits from = some(), to;
    struct mlo_str text;
    mlo_str_init(&text, 1 << 16);
    check_ok(mlo_limits_write(&from, &text, &err), &err);
    for (size_t n = 0; n < text.len; n++)
        check(mlo_limits_read(text.ptr, n, &to, &err) < 0, "cut to %zu bytes", n);
    char *at = strstr(text.ptr, "\"f64\":59");
    check(at != NULL);
    if (at)
        at[6] = '-';
    check(mlo_limits_read(text.ptr, text.len, &to, &err) == MLO_EINVALID);
    mlo_str_release(&text);
}

int main(void)
{
    run(the_fastest_round_counts);
    run(there_are_three_rounds_at_least);
    run(a_clock_that_stands_or_goes_back_is_not_believed);
    run(everything_is_measured);
    run(memory_may_fail);
    run(what_is_kept_comes_back);
    run(of_another_machine_it_is_not_believed);
    run(damage_is_seen);
    return done_testing();
}
