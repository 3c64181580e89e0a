/* Load and verdicts in a time of their own: targets take as long as they say, on a machine that wanders. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/bench.h>

#include "tap.h"

static struct mlo_err err;

/* ---- a machine ---- */

struct machine {
    double now, speed; /* ns; log of how much slower than at its best */
    uint64_t seed;
    double wander, jitter;
    int64_t backwards_at; /* reading after which the clock is set back; 0: never */
    double back;          /* by so much; 0: a second */
    int64_t readings;
};

static double normal(struct machine *m)
{
    return mlo_normal_isf(1 - (mlo_random_unit(&m->seed) + 0x1p-54));
}

static void spend(struct machine *m, double ns)
{
    m->speed = fmin(fmax(m->speed + m->wander * sqrt(ns / 1e6) * normal(m), 0), 1);
    m->now += ns * exp(m->speed + m->jitter * normal(m));
}

static int64_t now(void *ctx)
{
    struct machine *m = ctx;
    m->now += 20;
    if (++m->readings == m->backwards_at)
        m->now -= m->back > 0 ? m->back : 1e9;
    return (int64_t)m->now;
}

static void wait(void *ctx, int64_t until)
{
    struct machine *m = ctx;
    m->now = fmax(m->now, (double)until);
}

/* ---- a target ---- */

struct fake {
    struct mlo_target target;
    struct machine *machine;
    double ns;
    uint64_t fail_each; /* 0: never */
    bool refuse;
    int joined, left, stalls;
    uint64_t stall_each;
};

static int join(struct mlo_target *t, void **ret_caller, struct mlo_err *e)
{
    struct fake *f = (struct fake *)t;
    if (f->refuse)
        return mlo_fail(e, MLO_EUNAVAIL, "no session");
    f->joined++;
    *ret_caller = f;
    return 0;
}

static int call(void *caller, uint64_t request, struct mlo_err *e)
{
    struct fake *f = caller;
    spend(f->machine, f->ns);
    if (f->stall_each && request % f->stall_each == f->stall_each - 1)
        f->machine->now += 5e7;
    if (f->fail_each && request % f->fail_each == 0)
        return mlo_fail(e, MLO_EREMOTE, "request %llu is bad", (unsigned long long)request);
    return 0;
}

static void leave(void *caller)
{
    ((struct fake *)caller)->left++;
}

static struct fake make(struct machine *m, double ns)
{
    return (struct fake){.target = {.kind = "fake", .join = join, .call = call, .leave = leave, .rows = 1},
                         .machine = m,
                         .ns = ns};
}

/* ---- load ---- */

static void short_requests_are_timed_together(void)
{
    struct machine m = {.seed = 1};
    struct mlo_clock clock = {now, wait, &m};
    struct mlo_load load = {.clock = &clock};
    struct fake f = make(&m, 100);
    struct mlo_runner *r = NULL;
    struct mlo_block b = {0};
    bool steady = false;
    check_ok(mlo_runner_new(&f.target, &load, &r, &err), &err);
    check_ok(mlo_runner_warm(r, 1, &steady, &err), &err);
    check(steady);
    check(mlo_runner_repeat(r) >= 20 && mlo_runner_repeat(r) <= 400, "%u", mlo_runner_repeat(r));
    check_ok(mlo_runner_block(r, 0.01, &b, &err), &err);
    check(fabs(mlo_block_median(&b) - 100) < 2, "%g", mlo_block_median(&b));
    check(b.requests == b.n * mlo_runner_repeat(r) && b.failures == 0);
    check(mlo_runner_first(r) > 0);
    mlo_block_release(&b);
    mlo_runner_free(r);
    check(f.joined == 1 && f.left == 1);
}

/* A target that stalls for 50 ms now and then: those who were due meanwhile have waited, too. */
static void waiting_counts_from_when_it_was_due(void)
{
    struct machine m = {.seed = 1};
    struct mlo_clock clock = {now, wait, &m};
    struct mlo_load load = {.clock = &clock, .rate = 1000, .seed = 5};
    struct fake f = make(&m, 10000);
    struct mlo_runner *r = NULL;
    struct mlo_block b = {0};
    f.stall_each = 500;
    check_ok(mlo_runner_new(&f.target, &load, &r, &err), &err);
    check_ok(mlo_runner_block(r, 10, &b, &err), &err);
    check(b.n > 9500 && b.n < 10500, "Poisson of 10,000: %zu", b.n);
    size_t late = 0;
    for (size_t i = 0; i < b.n; i++)
        late += b.ns[i] > 1e6;
    check(late > 600 && late < 1400, "about fifty wait for each of twenty stalls: %zu", late);
    check(mlo_block_median(&b) < 20000);
    mlo_block_release(&b);
    mlo_runner_free(r);
}

static void failures_are_counted(void)
{
    struct machine m = {.seed = 1};
    struct mlo_clock clock = {now, wait, &m};
    struct mlo_load load = {.clock = &clock};
    struct fake f = make(&m, 10000);
    struct mlo_runner *r = NULL;
    struct mlo_block b = {0};
    f.fail_each = 10;
    check_ok(mlo_runner_new(&f.target, &load, &r, &err), &err);
    check_ok(mlo_runner_block(r, 0.1, &b, &err), &err);
    check(b.failures > 0 && b.failures == (b.requests + 9) / 10 && b.n == b.requests - b.failures);
    check_str(mlo_runner_failure(r), "request 0 is bad");
    f.fail_each = 1;
    check_err(mlo_runner_block(r, 0.1, &b, &err), MLO_EREMOTE, &err, "request 0 is bad");
    mlo_block_release(&b);
    mlo_runner_free(r);
    f.refuse = true;
    check_ok(mlo_runner_new(&f.target, &load, &r, &err), &err);
    check_err(mlo_runner_block(r, 0.1, &b, &err), MLO_EUNAVAIL, &err, "no session");
    mlo_runner_free(r);
    load.callers = 100000;
    check_err(mlo_runner_new(&f.target, &load, &r, &err), MLO_EUSAGE, &err, "100000 callers");
}

static void a_clock_set_back_spoils_one_timing(void)
{
    struct machine m = {.seed = 1, .backwards_at = 500};
    struct mlo_clock clock = {now, wait, &m};
    struct mlo_load load = {.clock = &clock};
    struct fake f = make(&m, 10000);
    struct mlo_runner *r = NULL;
    struct mlo_block b = {0};
    check_ok(mlo_runner_new(&f.target, &load, &r, &err), &err);
    check_ok(mlo_runner_block(r, 0.01, &b, &err), &err);
    for (size_t i = 0; i < b.n; i++)
        if (!check(b.ns[i] >= 0 && b.ns[i] < 1e6, "%g", b.ns[i]))
            break;
    check(m.now < 1e8 && b.seconds >= 0 && b.seconds < 0.1, "it did not wait for the time to come again");
    mlo_block_release(&b);
    mlo_runner_free(r);
}

/* The same when requests come by themselves, of which many were due when it was set back. */
static void a_clock_set_back_ends_an_open_block(void)
{
    for (int64_t at = 1; at < 60; at++) {
        struct machine m = {.seed = 1, .backwards_at = at};
        struct mlo_clock clock = {now, wait, &m};
        struct mlo_load load = {.clock = &clock, .rate = 2000};
        struct fake f = make(&m, 10000);
        struct mlo_runner *r = NULL;
        struct mlo_block b = {0};
        m.now = 5e9;
        check_ok(mlo_runner_new(&f.target, &load, &r, &err), &err);
        check_ok(mlo_runner_block(r, 0.01, &b, &err), &err);
        for (size_t i = 0; i < b.n; i++)
            if (!check(b.ns[i] >= 0 && b.ns[i] < 1e8, "%g", b.ns[i]))
                break;
        check(m.now < 5.1e9 && b.seconds >= 0);
        mlo_block_release(&b);
        mlo_runner_free(r);
    }
}

/* A clock that is set back by an hour does not make a measurement of two seconds an hour long. */
static void a_clock_set_back_does_not_prolong_a_measurement(void)
{
    struct machine m = {.seed = 1, .backwards_at = 20000};
    struct mlo_clock clock = {now, wait, &m};
    struct mlo_load load = {.clock = &clock};
    struct mlo_measure_opts o = {.seconds = 2};
    struct mlo_measured got;
    struct fake f = make(&m, 1e5);
    struct mlo_runner *r = NULL;
    m.back = 3.6e12;
    m.now = 1e13;
    check_ok(mlo_runner_new(&f.target, &load, &r, &err), &err);
    check_ok(mlo_measure(r, &load, &o, &got, &err), &err);
    check(m.readings > 20000 && m.now < 1e13 - 3.6e12 + 2e10, "%lld readings", (long long)m.readings);
    check(got.seconds < 2.5 && got.times.n > 1000);
    mlo_measured_release(&got);
    mlo_runner_free(r);
}

/* At a low rate most blocks are empty, and what comes is as much as the rate says. */
static void a_low_rate_is_kept(void)
{
    struct machine m = {.seed = 1};
    struct mlo_clock clock = {now, wait, &m};
    struct mlo_load load = {.clock = &clock, .rate = 5, .seed = 3};
    struct mlo_measure_opts o = {.seconds = 200, .warmup = 1};
    struct mlo_measured got;
    struct fake f = make(&m, 1e5);
    struct mlo_runner *r = NULL;
    check_ok(mlo_runner_new(&f.target, &load, &r, &err), &err);
    check_ok(mlo_measure(r, &load, &o, &got, &err), &err);
    check(got.requests > 900 && got.requests < 1100, "Poisson of 1,000: %llu",
          (unsigned long long)got.requests);
    check(got.n_blocks < 1000 && got.seconds > 199 && !got.steady);
    mlo_measured_release(&got);
    mlo_runner_free(r);
}

static bool stop_soon(void *ctx)
{
    return ++*(int *)ctx > 1000;
}

static void interrupts_keep_what_there_is(void)
{
    struct machine m = {.seed = 1};
    struct mlo_clock clock = {now, wait, &m};
    int asked = 0;
    struct mlo_load load = {.clock = &clock, .stop = stop_soon, .stop_ctx = &asked};
    struct mlo_measure_opts o = {.seconds = 3600};
    struct mlo_measured got;
    struct fake f = make(&m, 1e6);
    struct mlo_runner *r = NULL;
    check_ok(mlo_runner_new(&f.target, &load, &r, &err), &err);
    check_ok(mlo_measure(r, &load, &o, &got, &err), &err);
    check(got.stopped && got.times.n > 100 && got.n_blocks > 0);
    mlo_measured_release(&got);
    mlo_runner_free(r);
}

/* ---- verdicts ---- */

static enum mlo_gate contest(uint64_t seed, double factor, struct mlo_compared *ret)
{
    struct machine m = {.seed = seed, .wander = 0.02, .jitter = 0.1};
    struct mlo_clock clock = {now, wait, &m};
    struct mlo_load load = {.clock = &clock};
    struct mlo_compare_opts o = {.seed = seed, .block = 0.01};
    struct fake fast = make(&m, 2e5), slow = make(&m, 2e5 * factor);
    struct mlo_runner *a = NULL, *b = NULL;
    check_ok(mlo_runner_new(&fast.target, &load, &a, &err), &err);
    check_ok(mlo_runner_new(&slow.target, &load, &b, &err), &err);
    check_ok(mlo_compare(a, b, &load, &o, ret, &err), &err);
    mlo_runner_free(a);
    mlo_runner_free(b);
    return ret->gate;
}

static void equal_sides_pass_and_slower_ones_fail(void)
{
    int passed = 0, failed = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct mlo_compared c;
        passed += contest(seed, 1, &c) == MLO_GATE_PASS;
        mlo_compared_release(&c);
        failed += contest(seed, 1.1, &c) == MLO_GATE_FAIL;
        check(c.b_above_a > 0.5 || c.gate != MLO_GATE_FAIL);
        mlo_compared_release(&c);
    }
    check(passed >= 19, "%d", passed);
    check(failed >= 18, "%d", failed);
}

static void on_the_limit_it_says_so(void)
{
    struct mlo_compared c;
    int told = 0;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        told += contest(seed, 1.05, &c) == MLO_GATE_INCONCLUSIVE && c.more > 0;
        mlo_compared_release(&c);
    }
    check(told >= 2, "%d", told);
}

int main(void)
{
    run(short_requests_are_timed_together);
    run(waiting_counts_from_when_it_was_due);
    run(failures_are_counted);
    run(a_clock_set_back_spoils_one_timing);
    run(a_clock_set_back_ends_an_open_block);
    run(a_clock_set_back_does_not_prolong_a_measurement);
    run(a_low_rate_is_kept);
    run(interrupts_keep_what_there_is);
    run(equal_sides_pass_and_slower_ones_fail);
    run(on_the_limit_it_says_so);
    return done_testing();
}
