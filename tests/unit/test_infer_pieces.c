/*
 * Plans on a device that is this CPU (tests/fakes/device.c): requests in pieces, of which one is put in while
 * the one before is computed, and what goes wrong in the middle of them.
 */
#include "tap.h"

#include <stdlib.h>

/* The device's own memory does not fail when the engine's does. */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_aligned_alloc(size_t to, size_t n);
#define malloc        __real_malloc
#define calloc        __real_calloc
#define aligned_alloc __real_aligned_alloc
#include "../fakes/device.c"
#undef malloc
#undef calloc
#undef aligned_alloc

#include <mlopsctl/infer.h>

#define PIPELINES "tests/golden/onnx/pipelines/"
#define COLUMNS   8
#define ROWS      37 /* pieces of 8: four and some */
#define PIECE     (8 * COLUMNS * sizeof(float))
#define LOG       "log"

static char folder[] = "/tmp/mlo-pieces-XXXXXX", log_path[64];
static float rows[ROWS * COLUMNS];

static struct mlo_value request(size_t n)
{
    return (struct mlo_value){
        .kind = MLO_KIND_ARRAY,
        .array = {
            .dtype = MLO_DT_F32, .rank = 2, .dims = {(int64_t)n, COLUMNS}, .n = n * COLUMNS, .data = rows}};
}

/* What was noted since the last time, one word a line, in a row. */
static const char *noted(void)
{
    static char text[4096];
    size_t n = 0;
    FILE *f = fopen(log_path, "r");
    if (f)
        n = fread(text, 1, sizeof text - 1, f);
    if (f)
        fclose(f);
    text[n] = '\0';
    for (size_t i = 0; i < n; i++)
        text[i] = text[i] == '\n' ? ' ' : text[i];
    unlink(log_path);
    return text;
}

struct both {
    struct mlo_plan *cpu, *device;
    struct mlo_session *on_cpu, *on_device;
};

static int both_new(const char *model, bool must, struct both *b, struct mlo_err *err)
{
    const struct mlo_offload_opts opts = {
        .api = mlo_device_plugin(MLO_DEVICE_ABI), .must = must, .piece_bytes = PIECE};
    char path[256];
    snprintf(path, sizeof path, PIPELINES "%s/model.onnx", model);
    *b = (struct both){0};
    int rc = mlo_plan_open(path, NULL, &b->cpu, err);
    if (rc == 0)
        rc = mlo_plan_open(path, NULL, &b->device, err);
    if (rc == 0)
        rc = mlo_plan_offload(b->device, &opts, err);
    if (rc == 0)
        rc = mlo_session_new(b->cpu, &b->on_cpu, err);
    return rc == 0 ? mlo_session_new(b->device, &b->on_device, err) : rc;
}

static void both_free(struct both *b)
{
    mlo_session_free(b->on_cpu);
    mlo_session_free(b->on_device);
    mlo_plan_free(b->cpu);
    mlo_plan_free(b->device);
}

/* The first n rows, on both: the same numbers. */
static void same(struct both *b, size_t n, double most)
{
    struct mlo_err err = MLO_ERR_INIT;
    const struct mlo_value in = request(n), *x = NULL, *y = NULL;
    size_t n_out;
    mlo_plan_outputs(b->cpu, &n_out);
    if (!check_ok(mlo_session_run(b->on_cpu, &in, 1, &x, &err), &err) ||
        !check_ok(mlo_session_run(b->on_device, &in, 1, &y, &err), &err))
        return;
    for (size_t i = 0; i < n_out; i++) {
        check(x[i].kind == y[i].kind && x[i].array.n == y[i].array.n, "output %zu", i);
        for (size_t k = 0; x[i].kind == MLO_KIND_ARRAY && x[i].array.dtype == MLO_DT_F32 && k < x[i].array.n;
             k++) {
            double off = fabs((double)((float *)x[i].array.data)[k] - (double)((float *)y[i].array.data)[k]);
            check(off <= most, "%zu rows, output %zu: number %zu is off by %g", n, i, k, off);
        }
    }
}

static void pieces_are_put_in_while_others_are_computed(void)
{
    static const char *const models[] = {"boosting-regressor", "mlp-regressor"};
    for (size_t i = 0; i < MLO_COUNT(models); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        struct both b;
        check_ok(both_new(models[i], true, &b, &err), &err);
        same(&b, ROWS, i * 1e-5);
        check(strncmp(noted(), "deep program ", 13) == 0);
        same(&b, ROWS, i * 1e-5);
        check_str(noted(), "begin begin run begin run begin run begin run run ");
        same(&b, 16, i * 1e-5); /* two whole pieces of the same program */
        check_str(noted(), "begin begin run run ");
        same(&b, 15, i * 1e-5); /* not two pieces: a program of its own */
        check(strncmp(noted(), "program ", 8) == 0);
        same(&b, 1, i * 1e-5);
        same(&b, ROWS, i * 1e-5);
        both_free(&b);
        (void)noted();
    }
}

/* What a request asks for, and what it takes, is that of all its pieces. */
static void steps_are_told_of_all_pieces(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    const struct mlo_value in = request(ROWS), few = request(1), *out;
    struct mlo_node_cost *all = NULL, *one = NULL;
    struct mlo_device_cost cost;
    double ns[8];
    struct mlo_device_times t = {.steps = ns};
    struct both b;
    size_t n = 0, n_one = 0;
    if (check_ok(both_new("mlp-regressor", true, &b, &err), &err) &&
        check_ok(mlo_session_run(b.on_device, &few, 1, &out, &err), &err) &&
        check_ok(mlo_session_device_steps(b.on_device, &one, &n_one, &err), &err) &&
        check_ok(mlo_session_run(b.on_device, &in, 1, &out, &err), &err) &&
        check_ok(mlo_session_device_cost(b.on_device, &cost, &err), &err) &&
        check_ok(mlo_session_device_steps(b.on_device, &all, &n, &err), &err) && check_int(n, n_one) &&
        check_ok(mlo_session_device_times(b.on_device, &t, &err), &err)) {
        check_int(cost.pieces, 5);
        check_int(cost.kernels, 5 * n);
        for (size_t i = 0; i < n; i++) {
            check_str(all[i].op, one[i].op);
            check(all[i].weights == 5 * one[i].weights && all[i].flops >= 5 * 8 * one[i].flops);
            check(ns[i] == 5 * (2500 + 100.0 * (double)i), "step %zu: %g ns", i, ns[i]);
        }
        check(t.in == 5 * 3500 && t.out == 5 * 2500, "%g in, %g out", t.in, t.out);
    }
    free(all);
    free(one);
    both_free(&b);
    (void)noted();
}

static void a_device_may_be_lost_between_pieces(void)
{
    for (int must = 0; must < 2; must++)
        for (int at = 0; at < 5; at++) {
            struct mlo_err err = MLO_ERR_INIT;
            const struct mlo_value in = request(ROWS), *out;
            struct mlo_offload_state state;
            struct both b;
            char text[16];
            snprintf(text, sizeof text, "%d", at);
            runs = 0;
            setenv("FAKE_DEVICE_LOST", text, 1);
            check_ok(both_new("boosting-regressor", must, &b, &err), &err);
            if (must)
                check_err(mlo_session_run(b.on_device, &in, 1, &out, &err), MLO_EUNAVAIL, &err,
                          "it fell off the bus");
            else
                same(&b, ROWS, 0);
            check(mlo_plan_offloaded(b.device, &state) && strstr(state.why, "the device is lost"), "%s",
                  state.why);
            both_free(&b);
            unsetenv("FAKE_DEVICE_LOST");
        }
}

static int run_in_pieces(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    const struct mlo_value in = request(ROWS), *out;
    struct both b;
    int rc = both_new("boosting-regressor", true, &b, &err);
    for (int i = 0; rc == 0 && i < 2; i++)
        rc = mlo_session_run(b.on_device, &in, 1, &out, &err);
    both_free(&b);
    return rc;
}

static void memory_may_be_missing(void)
{
    unsetenv("FAKE_DEVICE_LOG");
    check(each_alloc_failure(run_in_pieces) > 0);
}

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    snprintf(log_path, sizeof log_path, "%s/" LOG, folder);
    setenv("FAKE_DEVICE_LOG", log_path, 1);
    for (size_t i = 0; i < ROWS * COLUMNS; i++)
        rows[i] = (float)((i * 7919) % 101) / 25 - 2;
    run(pieces_are_put_in_while_others_are_computed);
    run(steps_are_told_of_all_pieces);
    run(a_device_may_be_lost_between_pieces);
    run(memory_may_be_missing);
    unlink(log_path);
    rmdir(folder);
    return done_testing();
}
