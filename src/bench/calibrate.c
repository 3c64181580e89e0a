/*
 * What one core of this machine can do at most: products a second, bytes a second out of each cache and out
 * of memory, and what it costs to wake a thread, to read the clock and to begin a step of a plan. Each figure
 * is the best of as many rounds as a tenth of a second has: what else runs can only make them worse.
 */
#include "calibrate.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/thread.h>
#include <mlopsctl/host.h>

#define ROUNDS_LEAST  3
#define SECONDS       0.1
#define TURNS         20000 /* of a round: about 0.1 ms */
#define READ_LEAST    ((size_t)4 << 20)
#define MEMORY_LEAST  ((size_t)64 << 20)
#define MEMORY_MOST   ((size_t)256 << 20)
#define READ_MULTIPLE ((size_t)512)
#define WAKES         200
#define CACHES_MAX    8

double mlo_best_rate(const struct mlo_clock *clock, double seconds, double work, void (*fn)(void *ctx),
                     void *ctx)
{
    int64_t until = mlo_clock_after(clock, seconds), from = mlo_clock_now(clock);
    double best = 0;
    for (unsigned i = 0; i < ROUNDS_LEAST || from < until; i++) {
        fn(ctx);
        int64_t to = mlo_clock_now(clock);
        if (to > from)
            best = fmax(best, work / (double)(to - from) * 1e9);
        from = to;
    }
    return best;
}

/* ---- products ---- */

struct multiplying {
    double (*multiply)(size_t turns, double by);
    volatile double by, use;
};

static void multiply(void *ctx)
{
    struct multiplying *m = ctx;
    m->use = m->use + m->multiply(TURNS, m->by);
}

static double operations(const struct mlo_clock *clock, double (*loop)(size_t turns, double by),
                         double of_turn)
{
    struct multiplying m = {loop, 0.5, 0};
    return loop ? mlo_best_rate(clock, SECONDS, of_turn * TURNS, multiply, &m) : 0;
}

/* ---- reading ---- */

struct reading {
    double (*read)(const void *from, size_t bytes);
    void *from;
    size_t bytes, turns;
    volatile double use;
};

static void read_turns(void *ctx)
{
    struct reading *r = ctx;
    for (size_t i = 0; i < r->turns; i++)
        r->use = r->use + r->read(r->from, r->bytes);
}

static int bytes_a_second(const struct mlo_clock *clock, const struct mlo_peaks *p, size_t bytes, double *ret,
                          struct mlo_err *err)
{
    struct reading r = {.read = p->read, .bytes = bytes & ~(READ_MULTIPLE - 1)};
    r.turns = READ_LEAST / r.bytes + 1;
    r.from = aligned_alloc(64, r.bytes);
    if (!r.from)
        return mlo_fail_nomem(err);
    memset(r.from, 1, r.bytes);
    *ret = mlo_best_rate(clock, SECONDS, (double)(r.bytes * r.turns), read_turns, &r);
    free(r.from);
    return 0;
}

static bool read_of_cache(unsigned i, const char *what, const char *form, void *ret)
{
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%u/%s", i, what);
    FILE *f = fopen(path, "re");
    bool good = f && fscanf(f, form, ret) == 1;
    if (f)
        fclose(f);
    return good;
}

/* The cache of data at this level as the kernel tells it: what the processor itself says is of the whole
 * machine when it is a virtual one. */
static size_t cache_bytes(unsigned level, size_t usual)
{
    for (unsigned i = 0; i < CACHES_MAX; i++) {
        size_t kib = 0;
        unsigned at = 0;
        char type = '-';
        if (read_of_cache(i, "level", "%u", &at) && at == level && read_of_cache(i, "type", "%c", &type) &&
            type != 'I' && read_of_cache(i, "size", "%zuK", &kib) && kib > 0)
            return kib << 10;
    }
    return usual;
}

/* Half of a cache is read, so that what else is in it stays; of the third, which others share, less. */
static int measure_reading(const struct mlo_clock *clock, const struct mlo_peaks *p, struct mlo_limits *l,
                           struct mlo_err *err)
{
    l->bytes[MLO_LEVEL_L1] = cache_bytes(1, (size_t)32 << 10);
    l->bytes[MLO_LEVEL_L2] = cache_bytes(2, (size_t)512 << 10);
    l->bytes[MLO_LEVEL_L3] = cache_bytes(3, (size_t)8 << 20);
    size_t third = l->bytes[MLO_LEVEL_L3] / 2, memory = 4 * l->bytes[MLO_LEVEL_L3];
    if (third > 4 * l->bytes[MLO_LEVEL_L2])
        third = 4 * l->bytes[MLO_LEVEL_L2];
    memory = memory < MEMORY_LEAST ? MEMORY_LEAST : memory > MEMORY_MOST ? MEMORY_MOST : memory;
    const size_t sizes[MLO_LEVELS] = {l->bytes[MLO_LEVEL_L1] / 2, l->bytes[MLO_LEVEL_L2] / 2, third, memory};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < MLO_LEVELS; i++)
        rc = bytes_a_second(clock, p, sizes[i], &l->read[i], err);
    return rc;
}

/* ---- waking ---- */

struct bell {
    pthread_mutex_t lock;
    pthread_cond_t there, back;
    unsigned rung, answered;
    bool quit;
};

static void *answer(void *arg)
{
    struct bell *b = arg;
    pthread_mutex_lock(&b->lock);
    while (!b->quit) {
        if (b->rung == b->answered) {
            pthread_cond_wait(&b->there, &b->lock);
            continue;
        }
        b->answered = b->rung;
        pthread_cond_signal(&b->back);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

static double ring(struct bell *b, const struct mlo_clock *clock)
{
    int64_t from = mlo_clock_now(clock);
    pthread_mutex_lock(&b->lock);
    b->rung++;
    pthread_cond_signal(&b->there);
    while (b->answered != b->rung)
        pthread_cond_wait(&b->back, &b->lock);
    pthread_mutex_unlock(&b->lock);
    return (double)(mlo_clock_now(clock) - from);
}

/* Half of the way there and back: the median, for here the best is luck. */
static int measure_waking(const struct mlo_clock *clock, double *ret_ns, struct mlo_err *err)
{
    struct bell b = {.lock = PTHREAD_MUTEX_INITIALIZER,
                     .there = PTHREAD_COND_INITIALIZER,
                     .back = PTHREAD_COND_INITIALIZER};
    double ns[WAKES], scratch[WAKES];
    pthread_t other;
    int failed = pthread_create(&other, NULL, answer, &b);
    if (failed)
        return mlo_fail(err, MLO_EIO, "starting a thread: %s", strerror(failed));
    for (size_t i = 0; i < WAKES; i++)
        ns[i] = ring(&b, clock);
    pthread_mutex_lock(&b.lock);
    b.quit = true;
    pthread_cond_signal(&b.there);
    pthread_mutex_unlock(&b.lock);
    pthread_join(other, NULL);
    mlo_sort_doubles(ns, WAKES, scratch);
    *ret_ns = fmax(mlo_quantile_sorted(ns, WAKES, 0.5), 0) / 2;
    return 0;
}

/* ---- all of it ---- */

void mlo_limits_identify(struct mlo_limits *l)
{
    struct mlo_host_cpu cpu;
    mlo_host_cpu(&cpu);
    snprintf(l->cpu, sizeof l->cpu, "%s", cpu.model);
    l->cpus = cpu.cpus;
    l->quota = mlo_cpu_quota();
}

int mlo_calibrate(const struct mlo_clock *clock, struct mlo_limits *ret, struct mlo_err *err)
{
    struct mlo_peaks p = mlo_peaks_here();
    struct mlo_limits l = {.measured_ns = mlo_time_now()};
    struct mlo_timer t;
    mlo_limits_identify(&l);
    l.f32 = operations(clock, p.multiply_f32, p.f32);
    l.f64 = operations(clock, p.multiply_f64, p.f64);
    l.int8 = operations(clock, p.multiply_int8, p.int8);
    l.bf16 = operations(clock, p.multiply_bf16, p.bf16);
    mlo_timer_measure(clock, &t);
    l.clock_ns = t.overhead;
    int rc = measure_reading(clock, &p, &l, err);
    if (rc == 0)
        rc = measure_waking(clock, &l.wake_ns, err);
    if (rc == 0)
        rc = mlo_step_cost(clock, &l.step_ns, err);
    if (rc == 0)
        *ret = l;
    return rc;
}
