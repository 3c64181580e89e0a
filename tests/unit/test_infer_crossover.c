/* From how many rows on a device is faster: with sides whose cost is set, on a clock of their own. */
#include "tap.h"

#include "../../src/infer/device/crossover.h"
#include "../../src/infer/device/offload_program.h"

struct sides { /* each run moves the clock */
    int64_t now, cpu_each, device_fixed, device_each, cpu_fixed;
    size_t device_most, runs; /* more rows than that the device cannot do */
};

static int64_t cpu_takes(const struct sides *s, size_t rows)
{
    return s->cpu_fixed + (int64_t)rows * s->cpu_each;
}

static int64_t device_takes(const struct sides *s, size_t rows)
{
    return s->device_fixed + (int64_t)mlo_program_rows(rows) * s->device_each; /* of a program with room */
}

static int cpu(void *ctx, size_t rows, struct mlo_err *err)
{
    struct sides *s = ctx;
    (void)err;
    s->now += cpu_takes(s, rows);
    s->runs++;
    return 0;
}

static int device(void *ctx, size_t rows, struct mlo_err *err)
{
    struct sides *s = ctx;
    s->now += device_takes(s, rows);
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
    check(c.n > 5 && c.n <= MLO_CROSSOVER_SIZES);
    check_int(mlo_crossover_from(&c), 32);
    check(!mlo_crossover_choose(&c, 1) && !mlo_crossover_choose(&c, 19) && mlo_crossover_choose(&c, 21));
    check(mlo_crossover_choose(&c, 64) && mlo_crossover_choose(&c, 100000));
    check_int(c.sizes[c.n - 1].cpu_ns, 4096000);
    check_int(c.sizes[c.n - 1].device_ns, 60960);
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
    check(mlo_crossover_choose(&c, 64) && !mlo_crossover_choose(&c, 512) && !mlo_crossover_choose(&c, 4096));
}

static void nothing_measured_is_the_devices(void)
{
    check(mlo_crossover_choose(&(struct mlo_crossover){0}, 7));
}

/* The most that what is chosen takes longer than the better side, for any number of rows. */
static double worst_choice(struct sides *s)
{
    struct mlo_crossover c = measured(s);
    double worst = 1;
    for (size_t rows = 1; rows <= 20000; rows += rows < 600 ? 1 : 37) {
        double cpu = (double)cpu_takes(s, rows), device = (double)device_takes(s, rows);
        double ratio = mlo_crossover_choose(&c, rows) ? device / cpu : cpu / device;
        worst = ratio > worst ? ratio : worst;
    }
    return worst;
}

static void the_choice_is_within_a_tenth_of_the_better_side(void)
{
    static const int64_t cpu_each[] = {20, 300, 5000, 80000}, fixed[] = {0, 9000, 40000, 700000},
                         each[] = {1, 25, 290, 6000};
    for (size_t a = 0; a < MLO_COUNT(cpu_each); a++)
        for (size_t b = 0; b < MLO_COUNT(fixed); b++)
            for (size_t c = 0; c < MLO_COUNT(each); c++)
                for (size_t k = 0; k < 2; k++) {
                    struct sides s = {.cpu_each = cpu_each[a],
                                      .cpu_fixed = (int64_t)k * 3000,
                                      .device_fixed = fixed[b],
                                      .device_each = each[c],
                                      .device_most = SIZE_MAX};
                    double worst = worst_choice(&s);
                    check(worst <= 1.1, "%lld a row against %lld and %lld a row, %zu: %.3f",
                          (long long)cpu_each[a], (long long)fixed[b], (long long)each[c], k, worst);
                }
}

int main(void)
{
    run(small_requests_are_the_cpus);
    run(a_slow_device_is_never_chosen);
    run(a_device_may_be_faster_at_once);
    run(sizes_that_take_long_are_left_out);
    run(what_the_device_cannot_do_is_the_cpus);
    run(nothing_measured_is_the_devices);
    run(the_choice_is_within_a_tenth_of_the_better_side);
    return done_testing();
}
