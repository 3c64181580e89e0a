/*
 * Steps that threads share without meeting after each: whatever the rows, the threads and what is worth them,
 * the numbers are those of one thread, bit by bit. (That no thread writes over what another one still reads
 * is what ThreadSanitizer sees here: make SANITIZE=thread.)
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/infer/internal.h"
#include "../../src/infer/team.h"
#include "tap.h"

#define ENCODERS    "tests/golden/onnx/encoders/"
#define ROWS_MAX    130
#define WIDTH_MAX   32 /* positions that the encoders have */
#define THREADS_MAX 4
#define ROUNDS      3 /* the first run of a shape is watched, the others have a layout */

static const char *const models[] = {ENCODERS "torch/model.onnx", ENCODERS "layer/model.onnx",
                                     ENCODERS "torch-int8/model.onnx", ENCODERS "heads/model.onnx"};
/* All is worth threads; products are, and what is between them is one thread's; nothing is. */
static const uint64_t worths[] = {1, 100000, UINT64_MAX};

struct batch {
    int64_t data[3][ROWS_MAX + WIDTH_MAX]; /* ids, mask, types */
    struct mlo_value in[3];
};

/* Rows of `width`, of which the mask leaves something. */
static void fill(struct batch *b, size_t n, size_t width)
{
    for (size_t i = 0; i < n * width; i++) {
        size_t length = 1 + (i / width * 5 + 2) % width;
        b->data[1][i] = i % width < length;
        b->data[0][i] = b->data[1][i] ? (int64_t)(i * 7 % 43) : 0;
        b->data[2][i] = (int64_t)(i / 3 % 2);
    }
    for (size_t i = 0; i < 3; i++)
        b->in[i] = (struct mlo_value){.kind = MLO_KIND_ARRAY,
                                      .array = {.dtype = MLO_DT_I64,
                                                .rank = 2,
                                                .dims = {(int64_t)n, (int64_t)width},
                                                .n = n * width,
                                                .data = b->data[i]}};
}

static struct mlo_session *session_of(const struct mlo_plan *p, unsigned threads, uint64_t worth)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_session *s = NULL;
    check_ok(mlo_session_new(p, &s, &err), &err);
    check_ok(mlo_session_team(s, threads, &err), &err);
    s->split_flops = worth;
    return s;
}

typedef int run_fn(struct mlo_session *s, const struct mlo_value *in, size_t n,
                   const struct mlo_value **ret_out, struct mlo_err *err);

static bool same_as(const struct mlo_array *want, struct mlo_session *s, run_fn *fn, const struct batch *b)
{
    struct mlo_err err = MLO_ERR_INIT;
    const struct mlo_value *out = NULL;
    if (!check_ok(fn(s, b->in, 3, &out, &err), &err))
        return false;
    const struct mlo_array *a = &out[0].array;
    return a->n == want->n && memcmp(a->data, want->data, want->n * sizeof(float)) == 0;
}

static void check_rows(struct mlo_session *const *one, struct mlo_session *const *some, size_t n_some,
                       size_t rows, const char *model)
{
    static run_fn *const fns[] = {mlo_session_run, mlo_session_run_unpadded};
    static struct batch b;
    size_t width = rows < WIDTH_MAX ? rows : 1 + rows % WIDTH_MAX, n = (rows + width - 1) / width;
    fill(&b, n, width);
    for (size_t f = 0; f < MLO_COUNT(fns); f++) {
        struct mlo_err err = MLO_ERR_INIT;
        const struct mlo_value *want = NULL;
        if (!check_ok(fns[f](one[f], b.in, 3, &want, &err), &err))
            return;
        for (size_t i = 0; i < n_some; i++)
            for (unsigned round = 0; round < ROUNDS; round++)
                check(same_as(&want[0].array, some[i], fns[f], &b), "%s: %zu of %zu, session %zu, %s", model,
                      n, width, i, f ? "unpadded" : "padded");
    }
}

static void rows_are_those_of_one_thread(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    for (size_t m = 0; m < MLO_COUNT(models); m++) {
        struct mlo_plan *p = NULL;
        if (!check_ok(mlo_plan_open(models[m], NULL, &p, &err), &err))
            return;
        struct mlo_session *one[] = {session_of(p, 1, 1), session_of(p, 1, 1)}, *some[9];
        for (size_t i = 0; i < MLO_COUNT(some); i++)
            some[i] = session_of(p, 2 + (unsigned)(i / MLO_COUNT(worths)), worths[i % MLO_COUNT(worths)]);
        for (size_t rows = 1; rows <= ROWS_MAX; rows += rows < 10 || rows > 127 ? 1 : 13)
            check_rows(one, some, MLO_COUNT(some), rows, models[m]);
        for (size_t i = 0; i < MLO_COUNT(some); i++)
            mlo_session_free(some[i]);
        mlo_session_free(one[0]);
        mlo_session_free(one[1]);
        mlo_plan_free(p);
    }
}

/* ---- who watches, and other numbers of threads ---- */

static void count_steps(void *ctx, size_t done)
{
    size_t *steps = ctx;
    *steps = done;
}

/* A layout that was made while somebody watched, or for fewer threads, is good for the runs behind. */
static void sessions_change(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    const struct mlo_value *want = NULL;
    struct mlo_plan *p = NULL;
    static struct batch b;
    size_t steps = 0;
    fill(&b, 4, WIDTH_MAX);
    check_ok(mlo_plan_open(models[2], NULL, &p, &err), &err);
    struct mlo_session *one = session_of(p, 1, 1), *s = session_of(p, 3, 1);
    check_ok(mlo_session_run(one, b.in, 3, &want, &err), &err);
    mlo_session_watch(s, count_steps, &steps);
    for (unsigned round = 0; round < ROUNDS; round++)
        check(same_as(&want[0].array, s, mlo_session_run, &b), "watched");
    check(steps > 10);
    mlo_session_watch(s, NULL, NULL);
    for (unsigned threads = THREADS_MAX; threads > 0; threads--) {
        for (unsigned round = 0; round < ROUNDS; round++)
            check(same_as(&want[0].array, s, mlo_session_run, &b), "then with %u threads", threads);
        check_ok(mlo_session_team(s, threads, &err), &err);
    }
    mlo_session_free(one);
    mlo_session_free(s);
    mlo_plan_free(p);
}

/* What is kept until threads are done does not count against what a run may hold. */
static void memory_limits_are_as_with_one_thread(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    const struct mlo_value *out = NULL;
    struct mlo_plan *p = NULL;
    static struct batch b;
    size_t least[2];
    fill(&b, 4, WIDTH_MAX);
    check_ok(mlo_plan_open(models[0], NULL, &p, &err), &err);
    for (unsigned i = 0; i < 2; i++)
        for (least[i] = 1 << 12;; least[i] += 1 << 12) {
            struct mlo_session *s = session_of(p, 1 + i, 1);
            mlo_session_limit(s, least[i]);
            int rc = mlo_session_run(s, b.in, 3, &out, &err);
            mlo_session_free(s);
            if (rc == 0)
                break;
        }
    check(least[1] <= 2 * least[0], "%zu bytes with one thread, %zu with two", least[0], least[1]);
    mlo_plan_free(p);
}

static const struct mlo_plan *failing;

static int run_threads(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    const struct mlo_value *out = NULL;
    struct mlo_session *s = NULL;
    static struct batch b;
    fill(&b, 4, WIDTH_MAX);
    int rc = mlo_session_new(failing, &s, &err);
    if (rc == 0)
        rc = mlo_session_team(s, 2, &err);
    if (rc == 0)
        s->split_flops = 1;
    for (unsigned round = 0; rc == 0 && round < 2; round++)
        rc = mlo_session_run(s, b.in, 3, &out, &err);
    mlo_session_free(s);
    return rc;
}

static void memory_failures_are_errors(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_plan *p = NULL;
    check_ok(mlo_plan_open(models[2], NULL, &p, &err), &err);
    failing = p;
    check(each_alloc_failure(run_threads) > 0);
    mlo_plan_free(p);
}

/* The caller may run where it might before. */
static void processors_are_given_back(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_plan *p = NULL;
    const struct mlo_value *out = NULL;
    static struct batch b;
    cpu_set_t before, after;
    fill(&b, 4, WIDTH_MAX);
    check_ok(mlo_plan_open(models[0], NULL, &p, &err), &err);
    struct mlo_session *s = session_of(p, THREADS_MAX, 1);
    check_int(sched_getaffinity(0, sizeof before, &before), 0);
    for (unsigned round = 0; round < ROUNDS; round++)
        check_ok(mlo_session_run(s, b.in, 3, &out, &err), &err);
    check_int(sched_getaffinity(0, sizeof after, &after), 0);
    check(CPU_EQUAL(&before, &after), "%d processors, %d before", CPU_COUNT(&after), CPU_COUNT(&before));
    mlo_session_free(s);
    mlo_plan_free(p);
}

/* ---- phases ---- */

#define PHASES 50

struct counting {
    unsigned done[PHASES][THREADS_MAX]; /* each by one thread */
    unsigned begun[PHASES];
    bool good;
};

static void begin(void *ctx, size_t phase)
{
    struct counting *c = ctx;
    c->begun[phase]++;
    for (size_t i = 0; phase > 0 && i < THREADS_MAX - 1; i++)
        c->good = c->good && c->done[phase - 1][i] == 1;
}

static void count(void *ctx, size_t phase, size_t part, size_t parts)
{
    struct counting *c = ctx;
    c->done[phase][part] += parts == THREADS_MAX - 1 && c->begun[phase] == 1;
}

static void phases_wait_for_each_other(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_team *t = NULL;
    check_ok(mlo_team_new(THREADS_MAX, &t, &err), &err);
    for (unsigned round = 0; round < 20; round++) {
        struct counting c = {.good = true};
        mlo_team_run(t, &(const struct mlo_team_work){PHASES, THREADS_MAX - 1, begin, count, &c});
        check(c.good);
        for (size_t i = 0; i < THREADS_MAX - 1; i++)
            check_int(c.done[PHASES - 1][i], 1);
        check_int(c.done[0][THREADS_MAX - 1], 0);
    }
    mlo_team_free(t);
}

int main(void)
{
    run(rows_are_those_of_one_thread);
    run(sessions_change);
    run(memory_limits_are_as_with_one_thread);
    run(memory_failures_are_errors);
    run(processors_are_given_back);
    run(phases_wait_for_each_other);
    return done_testing();
}
