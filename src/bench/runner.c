/*
 * Callers at work. Each has a thread that lives as long as the runner and waits for the next block; between
 * blocks nothing runs, so that two runners can take turns.
 */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "internal.h"

#define CALLERS_MAX  1024
#define REPEAT_MAX   (1u << 20)
#define ARRIVALS_MAX ((size_t)1 << 24)

struct caller {
    struct mlo_runner *runner;
    pthread_t thread;
    void *state;            /* of the target */
    struct mlo_block block; /* its part of the present block */
    uint64_t next;          /* request */
    int64_t own;            /* ns, of the requests of one timing, as the target says; below 0: it does not */
    struct mlo_err broken;  /* it can go no further: no session, no memory */
    struct mlo_err failure; /* of its first request that failed */
};
struct mlo_runner {
    struct mlo_target *target;
    struct mlo_load load;
    struct caller *callers;
    unsigned n, repeat;
    uint64_t first_ns, seed;
    struct mlo_err failure;

    pthread_mutex_t lock; /* what follows */
    pthread_cond_t work, done;
    uint64_t turn; /* number of the block */
    unsigned busy; /* callers that have not ended it */
    bool quit;

    int64_t begin, end; /* of the present block */
    double *due;        /* when requests come by themselves: ns after begin */
    double *begun;      /* when they were begun; below 0: not */
    size_t n_due, cap_due, cap_begun;
    bool open; /* this block is of such */
    _Atomic size_t next_due;
};

/* ---- one caller ---- */

static bool stopped(const struct mlo_runner *r)
{
    return r->load.stop && r->load.stop(r->load.stop_ctx);
}

static int keep(struct mlo_block *b, double ns, struct mlo_err *err)
{
    if (b->n == MLO_BLOCK_TIMINGS_MAX)
        return 0;
    int rc = b->n < b->cap ? 0 : mlo_grow(&b->ns, &b->cap, b->n + 1, sizeof *b->ns, err);
    if (rc == 0)
        b->ns[b->n++] = ns;
    return rc;
}

/* How long the last requests took: what the target says of itself, or from asking to the answer. */
static double timing(const struct caller *c, int64_t from, int64_t to)
{
    return c->own >= 0 ? (double)c->own : (double)(to - from);
}

static int ask(struct caller *c, unsigned n, struct mlo_err *err)
{
    const struct mlo_target *t = c->runner->target;
    uint64_t first = c->next;
    c->next += n;
    int rc = n > 1 ? t->calls(c->state, first, n, err) : t->call(c->state, first, err);
    if (rc == 0 && c->own >= 0) {
        int64_t took = t->took ? t->took(c->state) : -1;
        c->own = took >= 0 ? c->own + took : -1;
    }
    return rc;
}

/* n in one go. False: they failed. Those that ended because everything stops were none. */
static bool request(struct caller *c, unsigned n)
{
    const struct mlo_target *t = c->runner->target;
    struct mlo_err err = MLO_ERR_INIT;
    int rc = ask(c, n, &err);
    if (rc != 0 && err.sys_errno == EINTR && stopped(c->runner))
        return false;
    c->block.requests += n;
    if (rc == 0)
        return true;
    c->block.failures += n;
    if (!c->failure.code)
        c->failure = err;
    if (t->usable && !t->usable(c->state))
        c->broken = err;
    return false;
}

static void one_after_another(struct caller *c)
{
    struct mlo_runner *r = c->runner;
    unsigned step = r->target->calls ? r->repeat : 1;
    int64_t from = mlo_clock_now(r->load.clock);
    do { /* at least once */
        bool good = true;
        c->own = 0;
        for (unsigned i = 0; i < r->repeat && !c->broken.code; i += step)
            good = request(c, step) && good;
        int64_t to = mlo_clock_now(r->load.clock);
        if (to < from) /* the clock was set back: its end would not come */
            return;
        if (good && keep(&c->block, timing(c, from, to) / r->repeat, &c->broken) != 0)
            return;
        from = to;
    } while (from < r->end && !c->broken.code && !stopped(r));
}

/* False: everything stops, or the clock was set back so that the time would not come. */
static bool wait_until(struct mlo_runner *r, int64_t time)
{
    bool may_come = time - mlo_clock_now(r->load.clock) <= r->end - r->begin;
    return may_come && !stopped(r) && mlo_clock_wait(&r->load, time);
}

/* Each request is timed from when it was due, whoever was late. The block is as long as it was meant to be,
 * or more would come than the rate says. */
static void as_they_come(struct caller *c)
{
    struct mlo_runner *r = c->runner;
    size_t i;
    while (!c->broken.code && (i = atomic_fetch_add(&r->next_due, 1)) < r->n_due) {
        int64_t due = r->begin + (int64_t)r->due[i];
        if (!wait_until(r, due))
            return;
        r->begun[i] = (double)(mlo_clock_now(r->load.clock) - r->begin);
        bool good = request(c, 1);
        int64_t took = mlo_clock_now(r->load.clock) - due;
        if (good && took >= 0 && keep(&c->block, (double)took, &c->broken) != 0)
            return;
    }
    if (!c->broken.code)
        (void)wait_until(r, r->end);
}

static void work_block(struct caller *c)
{
    if (c->broken.code)
        return;
    if (!c->state && c->runner->target->join(c->runner->target, &c->state, &c->broken) != 0)
        return;
    if (c->runner->open)
        as_they_come(c);
    else
        one_after_another(c);
}

static void *work(void *arg)
{
    struct caller *c = arg;
    struct mlo_runner *r = c->runner;
    uint64_t seen = 0;
    pthread_mutex_lock(&r->lock);
    for (;;) {
        while (r->turn == seen && !r->quit)
            pthread_cond_wait(&r->work, &r->lock);
        if (r->quit)
            break;
        seen = r->turn;
        pthread_mutex_unlock(&r->lock);
        work_block(c);
        pthread_mutex_lock(&r->lock);
        if (--r->busy == 0)
            pthread_cond_signal(&r->done);
    }
    pthread_mutex_unlock(&r->lock);
    if (c->state)
        r->target->leave(c->state);
    return NULL;
}

/* ---- blocks ---- */

void mlo_block_release(struct mlo_block *b)
{
    free(b->ns);
    *b = (struct mlo_block){0};
}

static int by_size(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

double mlo_block_median(const struct mlo_block *b)
{
    qsort(b->ns, b->n, sizeof *b->ns, by_size);
    return mlo_quantile_sorted(b->ns, b->n, 0.5);
}

static int plan_arrivals(struct mlo_runner *r, double seconds, struct mlo_err *err)
{
    double at = 0, mean = 1e9 / r->load.rate;
    r->n_due = 0;
    while (r->n_due < ARRIVALS_MAX) {
        at -= log1p(-mlo_random_unit(&r->seed)) * mean;
        if (at >= seconds * 1e9)
            break;
        int rc = mlo_grow(&r->due, &r->cap_due, r->n_due + 1, sizeof *r->due, err);
        if (rc != 0)
            return rc;
        r->due[r->n_due++] = at;
    }
    atomic_store(&r->next_due, 0);
    int rc = mlo_grow(&r->begun, &r->cap_begun, r->n_due + 1, sizeof *r->begun, err);
    for (size_t i = 0; rc == 0 && i < r->n_due; i++)
        r->begun[i] = -1;
    return rc;
}

static void take_turn(struct mlo_runner *r, double seconds)
{
    for (unsigned i = 0; i < r->n; i++) {
        struct mlo_block *b = &r->callers[i].block;
        *b = (struct mlo_block){.ns = b->ns, .cap = b->cap};
    }
    pthread_mutex_lock(&r->lock);
    r->begin = mlo_clock_now(r->load.clock);
    r->end = r->begin + (int64_t)(seconds * 1e9);
    r->busy = r->n;
    r->turn++;
    pthread_cond_broadcast(&r->work);
    while (r->busy > 0)
        pthread_cond_wait(&r->done, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

static int add_part(struct mlo_block *b, const struct mlo_block *part, struct mlo_err *err)
{
    int rc = b->n + part->n > b->cap ? mlo_grow(&b->ns, &b->cap, b->n + part->n, sizeof *b->ns, err) : 0;
    if (rc != 0)
        return rc;
    if (part->n > 0)
        memcpy(b->ns + b->n, part->ns, part->n * sizeof *b->ns);
    b->n += part->n;
    b->requests += part->requests;
    b->failures += part->failures;
    return 0;
}

static int fail_as(const struct mlo_err *of, struct mlo_err *err)
{
    *err = *of;
    return of->code;
}

/* They are begun in the order in which they are due, so those ahead end with the first that was begun. */
static void count_queued(const struct mlo_runner *r, struct mlo_queued *q)
{
    for (size_t i = 0; i < r->n_due && r->begun[i] >= 0; i++) {
        q->n++;
        q->ns += fmax(r->begun[i] - r->due[i], 0);
        for (size_t k = i; k > 0 && r->begun[k - 1] > r->due[i]; k--)
            q->ahead++;
    }
}

static int gather(struct mlo_runner *r, struct mlo_block *b, struct mlo_err *err)
{
    int64_t took = mlo_clock_now(r->load.clock) - r->begin;
    *b = (struct mlo_block){.ns = b->ns, .cap = b->cap, .seconds = took > 0 ? (double)took / 1e9 : 0};
    for (unsigned i = 0; i < r->n; i++) {
        const struct caller *c = &r->callers[i];
        int rc = c->broken.code ? fail_as(&c->broken, err) : add_part(b, &c->block, err);
        if (rc != 0)
            return rc;
        if (!r->failure.code)
            r->failure = c->failure;
    }
    if (r->open)
        count_queued(r, &b->queued);
    return b->requests > 0 && b->failures == b->requests ? fail_as(&r->failure, err) : 0;
}

int mlo_runner_block(struct mlo_runner *r, double seconds, struct mlo_block *b, struct mlo_err *err)
{
    r->open = r->load.rate > 0;
    int rc = r->open ? plan_arrivals(r, seconds, err) : 0;
    if (rc != 0)
        return rc;
    take_turn(r, seconds);
    return gather(r, b, err);
}

/* ---- warming up ---- */

#define OVERHEADS      100  /* a timing is at least so many readings of the clock long */
#define TICKS          1000 /* and so many of its steps */
#define TOGETHER       1e6  /* ns of requests that go in one: waiting for them is little beside */
#define WINDOWS        3
#define AGREE          1.1
#define WINDOW_SECONDS 0.1

/* As many requests to a timing as the clock needs; those that come by themselves are timed one by one. */
static void choose_repeat(struct mlo_runner *r, double ns)
{
    struct mlo_timer t;
    mlo_timer_measure(r->load.clock, &t);
    double least = fmax(OVERHEADS * t.overhead, TICKS * fmin(t.tick, t.overhead));
    double repeat = ceil((r->target->calls ? fmax(least, TOGETHER) : least) / fmax(ns, 1));
    r->repeat = r->load.rate > 0 || repeat < 1 ? 1 : repeat > REPEAT_MAX ? REPEAT_MAX : (unsigned)repeat;
}

static bool agree(const double last[WINDOWS])
{
    double least = INFINITY, most = 0;
    for (int i = 0; i < WINDOWS; i++) {
        least = fmin(least, last[i]);
        most = fmax(most, last[i]);
    }
    return most < INFINITY && most <= AGREE * least;
}

/* The very first request of each caller. */
static int first_block(struct mlo_runner *r, struct mlo_block *b, struct mlo_err *err)
{
    r->open = false;
    take_turn(r, 0.001);
    int rc = gather(r, b, err);
    if (rc == 0 && r->first_ns == 0 && r->callers[0].block.n > 0)
        r->first_ns = (uint64_t)r->callers[0].block.ns[0];
    if (rc == 0 && b->n > 0)
        choose_repeat(r, mlo_block_median(b));
    return rc;
}

int mlo_runner_warm(struct mlo_runner *r, double seconds, bool *ret_steady, struct mlo_err *err)
{
    struct mlo_block b = {0};
    double last[WINDOWS] = {0, INFINITY, 0};
    int64_t until = mlo_clock_after(r->load.clock, seconds);
    int rc = first_block(r, &b, err);
    bool steady = false;
    double spent = 0; /* a clock that is set back must not make it longer */
    for (unsigned i = 0;
         rc == 0 && !steady && spent < seconds && mlo_clock_now(r->load.clock) < until && !stopped(r); i++) {
        rc = mlo_runner_block(r, WINDOW_SECONDS, &b, err);
        spent += b.seconds;
        last[i % WINDOWS] = rc == 0 && b.n > 0 ? mlo_block_median(&b) : INFINITY;
        if (rc == 0 && b.n > 0 && i == 0)
            choose_repeat(r, last[0]);
        steady = i + 1 >= WINDOWS && agree(last);
    }
    mlo_block_release(&b);
    *ret_steady = steady;
    return rc;
}

/* ---- life ---- */

static int start_caller(struct mlo_runner *r, unsigned i, struct mlo_err *err)
{
    struct caller *c = &r->callers[i];
    *c = (struct caller){.runner = r, .next = i};
    int rc = pthread_create(&c->thread, NULL, work, c);
    if (rc == 0)
        return 0;
    errno = rc;
    return mlo_fail_errno(err, "cannot start caller %u", i + 1);
}

int mlo_runner_new(struct mlo_target *t, const struct mlo_load *load, struct mlo_runner **ret,
                   struct mlo_err *err)
{
    unsigned n = load->callers ? load->callers : 1;
    if (n > CALLERS_MAX)
        return mlo_fail(err, MLO_EUSAGE, "%u callers, more than %d", n, CALLERS_MAX);
    struct mlo_runner *r = mlo_calloc(1, sizeof *r, err);
    if (!r)
        return err->code;
    r->target = t;
    r->load = *load;
    r->seed = load->seed;
    r->repeat = 1;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->work, NULL);
    pthread_cond_init(&r->done, NULL);
    r->callers = mlo_calloc(n, sizeof *r->callers, err);
    int rc = r->callers ? 0 : err->code;
    for (unsigned i = 0; rc == 0 && i < n; i++) {
        rc = start_caller(r, i, err);
        r->n += rc == 0;
    }
    if (rc != 0)
        mlo_runner_free(r);
    else
        *ret = r;
    return rc;
}

void mlo_runner_free(struct mlo_runner *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->quit = true;
    pthread_cond_broadcast(&r->work);
    pthread_mutex_unlock(&r->lock);
    for (unsigned i = 0; i < r->n; i++) {
        pthread_join(r->callers[i].thread, NULL);
        mlo_block_release(&r->callers[i].block);
    }
    pthread_cond_destroy(&r->done);
    pthread_cond_destroy(&r->work);
    pthread_mutex_destroy(&r->lock);
    free(r->callers);
    free(r->due);
    free(r->begun);
    free(r);
}

struct mlo_target *mlo_runner_target(const struct mlo_runner *r)
{
    return r->target;
}

unsigned mlo_runner_repeat(const struct mlo_runner *r)
{
    return r->repeat;
}

uint64_t mlo_runner_first(const struct mlo_runner *r)
{
    return r->first_ns;
}

const char *mlo_runner_failure(const struct mlo_runner *r)
{
    return r->failure.code ? r->failure.msg : NULL;
}

void mlo_target_close(struct mlo_target *t)
{
    if (t)
        t->close(t);
}
