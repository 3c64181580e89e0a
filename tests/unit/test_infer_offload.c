/*
 * Whole models on a device that is this CPU (tests/fakes/device.c): pipelines, networks and encoders answer
 * what was recorded, boosters the trainers' own bits; what happens when memory is missing on either side, and
 * when the device is lost.
 */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/infer.h>

#include "tap.h"

#include "../../src/infer/device/offload.h"

#define GOLDEN "tests/golden/onnx/"

const struct mlo_device_api *mlo_device_plugin(uint32_t abi);

static struct mlo_offload_opts device(bool must)
{
    return (struct mlo_offload_opts){.api = mlo_device_plugin(MLO_DEVICE_ABI), .must = must};
}

/* ---- recorded answers ---- */

/* What a device does not have is refused by name; what it has must be right. Returns how many passed. */
static int replay(const char *folder)
{
    const struct mlo_offload_opts on = device(true);
    const struct mlo_conformance_opts o = {.atol = 1e-5, .device = &on};
    DIR *d = opendir(folder);
    int passed = 0;
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        char path[512];
        struct mlo_conformance_case c;
        struct mlo_err err = MLO_ERR_INIT;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_name[0] == '.' || mlo_conformance_run(path, &o, &c, &err) != 0)
            continue;
        check(c.result != MLO_CONFORMANCE_FAIL, "%s: %s", path, c.why);
        passed += c.result == MLO_CONFORMANCE_PASS;
        if (c.result == MLO_CONFORMANCE_UNSUPPORTED && getenv("VERBOSE"))
            printf("# %s: %s\n", path, c.why);
    }
    if (d)
        closedir(d);
    return passed;
}

static void pipelines_answer_what_was_recorded(void)
{
    int n = replay(GOLDEN "pipelines");
    check(n >= 25, "%d pipelines ran on the device", n);
}

static void operators_answer_what_was_recorded(void)
{
    int n = replay(GOLDEN "ml");
    check(n >= 20, "%d cases of ai.onnx.ml ran on the device", n);
}

static void networks_answer_what_was_recorded(void)
{
    int n = replay(GOLDEN "networks") + replay(GOLDEN "encoders") + replay(GOLDEN "fused");
    check(n >= 9, "%d networks and encoders ran on the device", n);
}

/* ---- one model ---- */

struct model {
    struct mlo_plan *plan;
    struct mlo_session *session;
    float *x;
    struct mlo_value in;
};

static void model_free(struct model *m)
{
    mlo_session_free(m->session);
    mlo_plan_free(m->plan);
    free(m->x);
    *m = (struct model){0};
}

/* Rows of 8 numbers, some missing. */
static int model_open(const char *name, size_t rows, const struct mlo_offload_opts *on, struct model *m,
                      struct mlo_err *err)
{
    char path[256];
    snprintf(path, sizeof path, GOLDEN "pipelines/%s/model.onnx", name);
    *m = (struct model){.x = mlo_calloc(rows * 8, sizeof *m->x, err)};
    if (!m->x)
        return err->code;
    for (size_t i = 0; i < rows * 8; i++)
        m->x[i] = i % 13 == 5 ? NAN : (float)((int)(i * 37 % 101) - 50) / 16;
    m->in = (struct mlo_value){
        .kind = MLO_KIND_ARRAY,
        .array = {.dtype = MLO_DT_F32, .rank = 2, .dims = {(int64_t)rows, 8}, .n = rows * 8, .data = m->x}};
    int rc = mlo_plan_open(path, NULL, &m->plan, err);
    if (rc == 0 && on)
        rc = mlo_plan_offload(m->plan, on, err);
    return rc == 0 ? mlo_session_new(m->plan, &m->session, err) : rc;
}

static int model_run(struct model *m, const struct mlo_value **ret, struct mlo_err *err)
{
    return mlo_session_run(m->session, &m->in, 1, ret, err);
}

static const char *const chosen[] = {"imputer-logistic", "normalizer-logistic", "xgboost-scaled", "forest-3"};

static void rows_are_answered_as_by_the_cpu(void)
{
    static const size_t rows[] = {1, 3, 64, 65, 300};
    const struct mlo_offload_opts on = device(true);
    for (size_t k = 0; k < MLO_COUNT(chosen); k++)
        for (size_t i = 0; i < MLO_COUNT(rows); i++) {
            struct model cpu, gpu;
            const struct mlo_value *want, *got;
            struct mlo_err err = MLO_ERR_INIT;
            if (check_ok(model_open(chosen[k], rows[i], NULL, &cpu, &err), &err) &&
                check_ok(model_open(chosen[k], rows[i], &on, &gpu, &err), &err) &&
                check_ok(model_run(&cpu, &want, &err), &err) && check_ok(model_run(&gpu, &got, &err), &err)) {
                const struct mlo_array *a = &want[0].array, *b = &got[0].array;
                bool same = a->n == b->n && memcmp(a->data, b->data, a->n * sizeof(int64_t)) == 0;
                check(same, "%s, %zu rows: other labels", chosen[k], rows[i]);
            }
            model_free(&cpu);
            model_free(&gpu);
        }
}

/* ---- what steps ask for ---- */

static void steps_are_counted_and_timed(void)
{
    static const struct {
        const char *op;
        uint64_t products, weights, bytes;         /* float32: 4 bytes */
    } want[] = {{"scale", 0, 64, 64 + 2 * 4 * 32}, /* a program of 4 rows */
                {"dense", 2 * 4 * 8 * 8, 4 * (8 * 8 + 8), 4 * (8 * 8 + 8 + 4 * (8 + 8))}};
    const struct mlo_offload_opts on = device(true);
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_node_cost *steps = NULL;
    const struct mlo_value *out;
    double ns[8], sum = 0;
    struct mlo_device_times t = {.steps = ns};
    struct model m;
    size_t n = 0;
    bool ok = check_ok(model_open("mlp", 3, &on, &m, &err), &err);
    check_int(mlo_session_device_steps(m.session, &steps, &n, &err), MLO_EUNAVAIL);
    check_int(mlo_session_device_times(m.session, &t, &err), MLO_EUNAVAIL);
    err = (struct mlo_err)MLO_ERR_INIT;
    if (ok && check_ok(model_run(&m, &out, &err), &err) &&
        check_ok(mlo_session_device_steps(m.session, &steps, &n, &err), &err) && check_int(n, 3) &&
        check_ok(mlo_session_device_times(m.session, &t, &err), &err)) {
        for (size_t i = 0; i < MLO_COUNT(want); i++) {
            check_str(steps[i].op, want[i].op);
            check(strlen(steps[i].node) > 0);
            check_int(steps[i].products, want[i].products);
            check_int(steps[i].weights, want[i].weights);
            check_int(steps[i].bytes, want[i].bytes);
        }
        check_str(steps[0].shape, "float32[4,8]");
        for (size_t i = 0; i < n; i++)
            sum += ns[i] - 500; /* the event */
        check(t.all == sum + 5000, "%g ns", t.all);
    }
    setenv("FAKE_DEVICE_NO_TIMES", "1", 1);
    check_int(mlo_session_device_times(m.session, &t, &err), MLO_EUNAVAIL);
    check(strstr(err.msg, "its clock stands still") != NULL, "%s", err.msg);
    unsetenv("FAKE_DEVICE_NO_TIMES");
    free(steps);
    model_free(&m);
}

/* ---- what goes wrong ---- */

static int use_model(const char *name)
{
    const struct mlo_offload_opts on = device(true);
    struct mlo_err err = MLO_ERR_INIT;
    const struct mlo_value *out;
    struct model m;
    int rc = model_open(name, 3, &on, &m, &err);
    if (rc == 0)
        rc = model_run(&m, &out, &err);
    if (rc == 0)
        rc = model_run(&m, &out, &err);
    model_free(&m);
    return rc == MLO_EUNAVAIL ? MLO_EIO : rc; /* memory that the device is missing */
}

static int use_columns(void)
{
    return use_model("imputer-logistic");
}

static int use_lengths(void)
{
    return use_model("normalizer-logistic");
}

static int use_trees(void)
{
    return use_model("tree-3");
}

/* ---- encoders ---- */

#define TOKENS 6
static const char *const encoders[] = {"encoders/heads", "fused/counted", "fused/apart"};

/* Two texts, the second one shorter; the inputs are in `in`. */
static void text_rows(int64_t rows, int64_t data[3][4 * TOKENS], struct mlo_value in[3])
{
    for (size_t i = 0; i < 3; i++)
        in[i] = (struct mlo_value){.kind = MLO_KIND_ARRAY,
                                   .array = {.dtype = MLO_DT_I64,
                                             .rank = 2,
                                             .dims = {rows, TOKENS},
                                             .n = (size_t)rows * TOKENS,
                                             .data = data[i]}};
    for (size_t i = 0; i < (size_t)rows * TOKENS; i++) {
        data[0][i] = (int64_t)(i * 7 % 50);
        data[1][i] = i % TOKENS < TOKENS - i / TOKENS;
        data[2][i] = i % TOKENS > 2;
    }
}

/* fail: the fake device's variable that is set after the first run; NULL: none. */
static int use_encoder(const char *name, const char *fail, const struct mlo_offload_opts *on,
                       struct mlo_err *err)
{
    char path[256];
    int64_t data[3][4 * TOKENS];
    struct mlo_value in[3];
    struct model m = {0};
    const struct mlo_value *out;
    snprintf(path, sizeof path, GOLDEN "%s/model.onnx", name);
    int rc = mlo_plan_open(path, NULL, &m.plan, err);
    if (rc == 0 && on)
        rc = mlo_plan_offload(m.plan, on, err);
    if (rc == 0)
        rc = mlo_session_new(m.plan, &m.session, err);
    for (int64_t rows = 2; rc == 0 && rows < (fail ? 5 : 3); rows++) {
        text_rows(rows, data, in);
        rc = mlo_session_run(m.session, in, 3, &out, err);
        for (size_t i = 0; rc == 0 && i < out[0].array.n; i++)
            check(isfinite(((const float *)out[0].array.data)[i]), "%s", name);
        if (fail)
            setenv(fail, "0", 1);
    }
    if (fail)
        unsetenv(fail);
    model_free(&m);
    return rc;
}

static int use_fused(void)
{
    const struct mlo_offload_opts on = device(true);
    struct mlo_err err = MLO_ERR_INIT;
    int rc = use_encoder("fused/counted", NULL, &on, &err);
    return rc == MLO_EUNAVAIL ? MLO_EIO : rc;
}

static void encoders_outlive_their_device(void)
{
    static const char *const faults[] = {"FAKE_DEVICE_LOST", "FAKE_DEVICE_FULL"};
    for (size_t i = 0; i < MLO_COUNT(encoders); i++)
        for (size_t k = 0; k < MLO_COUNT(faults); k++)
            for (int must = 0; must < 2; must++) {
                const struct mlo_offload_opts on = device(must);
                struct mlo_err err = MLO_ERR_INIT;
                check_int(use_encoder(encoders[i], faults[k], &on, &err), must ? MLO_EUNAVAIL : 0);
            }
}

static void memory_may_be_missing(void)
{
    check(each_alloc_failure(use_fused) > 50);
    check(each_alloc_failure(use_columns) > 50);
    check(each_alloc_failure(use_lengths) > 50);
    check(each_alloc_failure(use_trees) > 50);
}

/* variable: of the fake device. With a device that may fail the CPU answers, else the code is MLO_EUNAVAIL.
 */
static void fails(const char *name, const char *variable, const char *value, const char *why)
{
    for (int must = 0; must < 2; must++) {
        struct mlo_offload_opts on = device(must);
        struct model m, cpu;
        struct mlo_err err = MLO_ERR_INIT;
        struct mlo_offload_state state;
        const struct mlo_value *out, *want;
        unsetenv(variable);
        if (check_ok(model_open(name, 300, &on, &m, &err), &err)) {
            if (!must) /* else the CPU, which is faster, is chosen before it fails */
                setenv(variable, value, 1);
            int rc = model_run(&m, &out, &err);
            check(rc == 0, "%s", err.msg);
            setenv(variable, value, 1);
            m.in.array.dims[0] = 5; /* another program */
            m.in.array.n = 40;
            rc = model_run(&m, &out, &err);
            check_int(rc, must ? MLO_EUNAVAIL : 0);
            check(mlo_plan_offloaded(m.plan, &state) && strstr(state.why, why), "%s, not %s", state.why, why);
        }
        unsetenv(variable);
        if (!must && check_ok(model_open(name, 5, NULL, &cpu, &err), &err) &&
            check_ok(model_run(&cpu, &want, &err), &err)) {
            check(memcmp(out[0].array.data, want[0].array.data, 5 * sizeof(int64_t)) == 0);
            model_free(&cpu);
        }
        model_free(&m);
    }
}

static void a_device_that_fails_in_the_middle_is_not_asked_again(void)
{
    for (size_t k = 0; k < MLO_COUNT(chosen); k++) {
        fails(chosen[k], "FAKE_DEVICE_LOST", "0", "the device is lost");
        fails(chosen[k], "FAKE_DEVICE_FULL", "10", "memory is full");
    }
}

int main(void)
{
    run(pipelines_answer_what_was_recorded);
    run(operators_answer_what_was_recorded);
    run(networks_answer_what_was_recorded);
    run(rows_are_answered_as_by_the_cpu);
    run(steps_are_counted_and_timed);
    run(memory_may_be_missing);
    run(encoders_outlive_their_device);
    run(a_device_that_fails_in_the_middle_is_not_asked_again);
    return done_testing();
}
