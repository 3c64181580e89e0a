/* From how many rows on a device is faster: with sides whose cost is set, on a clock of their own. */
#include "tap.h"

#include "../../src/infer/crossover.h"

struct sides { /* each run moves the clock */
    int64_t now, cpu_each, device_fixed, device_each;
    size_t device_most, runs; /* more rows than that the device cannot do */
};

static int cpu(void *ctx, size_t rows, struct mlo_err *err)
{
    struct sides *s = ctx;
    (void)err;
    s->now += (int64_t)rows * s->cpu_each;
    s->runs++;
    return 0;
}

static int device(void *ctx, size_t rows, struct mlo_err *err)
{
    struct sides *s = ctx;
    s->now += s->device_fixed + (int64_t)rows * s->device_each;
    return rows > s->device_most ? mlo_fail(err, MLO_EUNAVAIL, "too many rows") : 0;
}

static int64_t now(void *ctx)
{
    const struct sides *s = ctx;
    return s->now;
}

static struct mlo_crossover measured(struct sides *s)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_crossover c = {0};
    check_ok(mlo_crossover_measure(&(struct mlo_crossover_sides){cpu, device, now, s}, &c, &err), &err);
    return c;
}

static void small_requests_are_the_cpus(void)
{
    struct sides s = {.cpu_each = 1000, .device_fixed = 20000, .device_each = 10, .device_most = 1 << 20};
    struct mlo_crossover c = measured(&s);
    check_int(c.n, 5);
    check_int(mlo_crossover_from(&c), 64);
    check(!mlo_crossover_choose(&c, 1) && !mlo_crossover_choose(&c, 63));
    check(mlo_crossover_choose(&c, 64) && mlo_crossover_choose(&c, 100000));
    check_int(c.sizes[2].cpu_ns, 64000);
    check_int(c.sizes[2].device_ns, 20640);
}

static void a_slow_device_is_never_chosen(void)
{
    struct sides s = {.cpu_each = 10, .device_fixed = 1000000, .device_each = 100, .device_most = 1 << 20};
    struct mlo_crossover c = measured(&s);
    check_int(mlo_crossover_from(&c), 0);
    check(!mlo_crossover_choose(&c, 1) && !mlo_crossover_choose(&c, 1000000));
}

static void a_device_may_be_faster_at_once(void)
{
    struct sides s = {.cpu_each = 1000, .device_fixed = 10, .device_each = 1, .device_most = 1 << 20};
    struct mlo_crossover c = measured(&s);
    check_int(mlo_crossover_from(&c), 1);
    check(mlo_crossover_choose(&c, 1));
}

static void sizes_that_take_long_are_left_out(void)
{
    struct sides s = {.cpu_each = 5000000, .device_fixed = 10, .device_most = 1 << 20};
    struct mlo_crossover c = measured(&s);
    check_int(c.n, 2); /* 8 rows take 40 ms */
    check(mlo_crossover_choose(&c, 4096));
    s = (struct sides){.cpu_each = 10, .device_fixed = 30000000, .device_most = 1 << 20};
    c = measured(&s);
    check_int(c.n, 1);
    check(!mlo_crossover_choose(&c, 4096));
}

static void what_the_device_cannot_do_is_the_cpus(void)
{
    struct sides s = {.cpu_each = 1000, .device_fixed = 10, .device_each = 1, .device_most = 64};
    struct mlo_crossover c = measured(&s);
    check_int(c.n, 5);
    check(mlo_crossover_choose(&c, 64) && !mlo_crossover_choose(&c, 512) && !mlo_crossover_choose(&c, 4096));
}

static void nothing_measured_is_the_devices(void)
{
    check(mlo_crossover_choose(&(struct mlo_crossover){0}, 7));
}

int main(void)
{
    run(small_requests_are_the_cpus);
    run(a_slow_device_is_never_chosen);
    run(a_device_may_be_faster_at_once);
    run(sizes_that_take_long_are_left_out);
    run(what_the_device_cannot_do_is_the_cpus);
    run(nothing_measured_is_the_devices);
    return done_testing();
}
