/* Sessions: the memory of shapes that were seen, shapes that change, shapes that depend on values, threads.
 */
#define MODEL_BYTES 16384
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/infer.h>

#include "model_help.h"
#include "tap.h"

#define COLUMNS 5

static struct mlo_plan *plan_of(const struct bytes *g)
{
    struct bytes m = model_of(g, 17);
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_onnx_model *model = NULL;
    struct mlo_plan *p = NULL;
    check_ok(mlo_onnx_parse(m.b, m.n, -1, &model, &err), &err);
    check_ok(mlo_plan_new(model, NULL, &p, &err), &err);
    return p;
}

static struct mlo_session *session_of(const struct mlo_plan *p)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_session *s = NULL;
    check_ok(mlo_session_new(p, &s, &err), &err);
    return s;
}

static struct bytes binary(const char *op, const char *a, const char *b, const char *out)
{
    struct bytes n = node(op, a, out);
    put_input(&n, b);
    return n;
}

static void put_binary(struct bytes *g, const char *op, const char *a, const char *b, const char *out)
{
    struct bytes n = binary(op, a, b, out);
    put(g, GRAPH_NODE, &n);
}

/* Values that die early and late, views, values used twice, one that the graph gives out on its way. */
static struct bytes tangled(void)
{
    struct bytes g = {.n = 0}, flat = node("Flatten", "d", "e");
    put_port(&g, GRAPH_INPUT, "x");
    put_node(&g, "Abs", "x", "a");
    put_node(&g, "Sqrt", "a", "b");
    put_binary(&g, "Mul", "a", "b", "c");
    put_binary(&g, "Add", "c", "c", "d");
    put(&g, GRAPH_NODE, &flat);
    put_binary(&g, "Add", "d", "e", "f");
    put_node(&g, "Relu", "f", "h");
    put_binary(&g, "Sub", "h", "b", "y");
    put_node(&g, "Identity", "x", "z");
    put_port(&g, GRAPH_OUTPUT, "y");
    put_port(&g, GRAPH_OUTPUT, "d");
    put_port(&g, GRAPH_OUTPUT, "z");
    return g;
}

static struct mlo_value rows_of(float *x, size_t n)
{
    return (struct mlo_value){
        .kind = MLO_KIND_ARRAY,
        .array = {
            .dtype = MLO_DT_F32, .rank = 2, .dims = {(int64_t)n, COLUMNS}, .n = n * COLUMNS, .data = x}};
}

static void run_tangled(struct mlo_session *s, size_t n, float from)
{
    struct mlo_err err = MLO_ERR_INIT;
    const struct mlo_value *out = NULL;
    float x[20 * COLUMNS];
    struct mlo_value in = rows_of(x, n);
    for (size_t i = 0; i < n * COLUMNS; i++)
        x[i] = from + (float)i;
    if (!check_ok(mlo_session_run(s, &in, 1, &out, &err), &err))
        return;
    check_int(out[0].array.dims[0], n);
    for (size_t i = 0; i < n * COLUMNS; i++) {
        float a = fabsf(x[i]), d = 2 * (a * sqrtf(a)), y = 2 * d - sqrtf(a);
        const float *got[3] = {out[0].array.data, out[1].array.data, out[2].array.data};
        if (!check(fabsf(got[0][i] - y) <= 1e-4F * (1 + y) && fabsf(got[1][i] - d) <= 1e-4F * (1 + d) &&
                       got[2][i] == x[i],
                   "%zu rows, %zu: %g %g %g", n, i, (double)got[0][i], (double)got[1][i], (double)got[2][i]))
            return;
    }
}

static void shapes_come_and_go(void)
{
    struct bytes g = tangled();
    struct mlo_plan *p = plan_of(&g);
    struct mlo_session *s = session_of(p);
    for (unsigned round = 0; round < 60; round++)
        run_tangled(s, 1 + (round * 7 + round / 11) % 19, (float)round - 30);
    for (unsigned round = 0; round < 4; round++)
        run_tangled(s, 3, (float)round);
    mlo_session_free(s);
    mlo_plan_free(p);
}

/* ---- nothing is allocated ---- */

static struct mlo_session *warm;

static int run_warm(void)
{
    run_tangled(warm, 7, 2);
    return 0;
}

static void a_shape_that_was_seen_allocates_nothing(void)
{
    struct bytes g = tangled();
    struct mlo_plan *p = plan_of(&g);
    warm = session_of(p);
    run_tangled(warm, 7, 1);
    run_tangled(warm, 7, 1);
    check_int(each_alloc_failure(run_warm), 0);
    mlo_session_free(warm);
    mlo_plan_free(p);
}

static int first_runs(void)
{
    struct bytes g = tangled();
    struct bytes m = model_of(&g, 17);
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_onnx_model *model = NULL;
    struct mlo_plan *p = NULL;
    struct mlo_session *s = NULL;
    const struct mlo_value *out;
    float x[4 * COLUMNS] = {0};
    struct mlo_value in = rows_of(x, 4);
    int rc = mlo_onnx_parse(m.b, m.n, -1, &model, &err);
    if (rc == 0)
        rc = mlo_plan_new(model, NULL, &p, &err);
    if (rc == 0)
        rc = mlo_session_new(p, &s, &err);
    for (unsigned i = 0; rc == 0 && i < 3; i++)
        rc = mlo_session_run(s, &in, 1, &out, &err);
    mlo_session_free(s);
    mlo_plan_free(p);
    return rc;
}

static void memory_failures_are_errors(void)
{
    check(each_alloc_failure(first_runs) > 0, "it allocates");
}

/* ---- models that ask for more than there may be ---- */

static struct mlo_plan *plan_of_expand(void)
{
    struct bytes g = {.n = 0}, n = binary("Expand", "x", "shape", "y");
    put_port(&g, GRAPH_INPUT, "x");
    put_port(&g, GRAPH_INPUT, "shape");
    put(&g, GRAPH_NODE, &n);
    put_port(&g, GRAPH_OUTPUT, "y");
    return plan_of(&g);
}

static int expand(struct mlo_session *s, int64_t n, struct mlo_err *err)
{
    const struct mlo_value *out = NULL;
    float x = 1;
    struct mlo_value in[2] = {
        {.kind = MLO_KIND_ARRAY, .array = {.dtype = MLO_DT_F32, .rank = 1, .dims = {1}, .n = 1, .data = &x}},
        {.kind = MLO_KIND_ARRAY, .array = {.dtype = MLO_DT_I64, .rank = 1, .dims = {1}, .n = 1, .data = &n}}};
    return mlo_session_run(s, in, 2, &out, err);
}

static void memory_of_a_session_has_a_limit(void)
{
    struct mlo_plan *p = plan_of_expand();
    struct mlo_session *s = session_of(p);
    struct mlo_err err = MLO_ERR_INIT;
    check_int(expand(s, (int64_t)1 << 36, &err), MLO_EUNAVAIL);
    check(strstr(err.msg, "Expand") && strstr(err.msg, "274877906944"), "node and bytes: %s", err.msg);
    mlo_session_limit(s, 8192);
    err = (struct mlo_err)MLO_ERR_INIT;
    check_ok(expand(s, 1000, &err), &err);
    check_ok(expand(s, 1500, &err), &err); /* what 1000 took makes room */
    check_int(expand(s, 4000, &err), MLO_EUNAVAIL);
    err = (struct mlo_err)MLO_ERR_INIT;
    check_ok(expand(s, 1000, &err), &err); /* goes on working */
    mlo_session_free(s);
    mlo_plan_free(p);
}

/* ---- shapes that depend on values ---- */

static void run_chosen(struct mlo_session *s, int64_t rows)
{
    struct mlo_err err = MLO_ERR_INIT;
    const struct mlo_value *out = NULL;
    float x[12];
    int64_t shape[2] = {rows, 12 / rows};
    struct mlo_value in[2] = {
        {.kind = MLO_KIND_ARRAY, .array = {.dtype = MLO_DT_F32, .rank = 1, .dims = {12}, .n = 12, .data = x}},
        {.kind = MLO_KIND_ARRAY,
         .array = {.dtype = MLO_DT_I64, .rank = 1, .dims = {2}, .n = 2, .data = shape}}};
    for (int i = 0; i < 12; i++)
        x[i] = (float)i;
    if (!check_ok(mlo_session_run(s, in, 2, &out, &err), &err))
        return;
    check_int(out[0].array.dims[0], 12 / rows);
    check_int(out[1].array.dims[0], rows);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < 12 / rows; j++)
            check(((const float *)out[0].array.data)[j * rows + i] == -x[i * (12 / rows) + j], "%d %d",
                  (int)i, (int)j);
}

static void shapes_that_depend_on_values(void)
{
    struct bytes g = {.n = 0};
    put_port(&g, GRAPH_INPUT, "x");
    put_port(&g, GRAPH_INPUT, "shape");
    put_node(&g, "Neg", "x", "a");
    put_binary(&g, "Reshape", "a", "shape", "b");
    put_node(&g, "Transpose", "b", "y");
    put_binary(&g, "Reshape", "x", "shape", "z");
    put_port(&g, GRAPH_OUTPUT, "y");
    put_port(&g, GRAPH_OUTPUT, "z");
    struct mlo_plan *p = plan_of(&g);
    struct mlo_session *s = session_of(p);
    static const int64_t rows[] = {3, 3, 3, 4, 4, 2, 6, 3};
    for (size_t i = 0; i < MLO_COUNT(rows); i++)
        run_chosen(s, rows[i]);
    mlo_session_free(s);
    mlo_plan_free(p);
}

/* ---- threads ---- */

static void *run_many(void *arg)
{
    struct mlo_session *s = session_of(arg);
    for (unsigned i = 0; i < 200; i++)
        run_tangled(s, 1 + i % 4, (float)i);
    mlo_session_free(s);
    return NULL;
}

static void sessions_of_one_plan_run_beside_each_other(void)
{
    struct bytes g = tangled();
    struct mlo_plan *p = plan_of(&g);
    pthread_t threads[4];
    for (size_t i = 0; i < MLO_COUNT(threads); i++)
        check_int(pthread_create(&threads[i], NULL, run_many, p), 0);
    for (size_t i = 0; i < MLO_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    mlo_plan_free(p);
}

static struct bytes one_layer(size_t k, size_t n)
{
    struct bytes g = {.n = 0}, product = node("MatMul", "x", "y");
    float w[32 * 32];
    for (size_t i = 0; i < k * n; i++)
        w[i] = (float)(i % 7) - 3;
    put_input(&product, "w");
    put_port(&g, GRAPH_INPUT, "x");
    put_floats(&g, "w", w, (int64_t[]){(int64_t)k, (int64_t)n}, 2);
    put(&g, GRAPH_NODE, &product);
    put_port(&g, GRAPH_OUTPUT, "y");
    return g;
}

/* Rows of a large product go to threads: the same numbers as from one. */
static void threads_of_a_session(void)
{
    enum { K = 32, N = 32, M = 5001 };
    struct bytes g = one_layer(K, N);
    struct mlo_plan *p = plan_of(&g);
    struct mlo_session *s[2] = {session_of(p), session_of(p)};
    struct mlo_err err = MLO_ERR_INIT;
    const struct mlo_value *out[2];
    float *x = malloc(sizeof *x * M * K);
    struct mlo_value in = {.kind = MLO_KIND_ARRAY,
                           .array = {.dtype = MLO_DT_F32, .rank = 2, .dims = {M, K}, .n = M * K, .data = x}};
    for (size_t i = 0; i < M * K; i++)
        x[i] = (float)(i % 11) - 5;
    check_ok(mlo_session_threads(s[1], 3, &err), &err);
    for (unsigned round = 0; round < 5; round++) {
        for (size_t i = 0; i < 2; i++)
            check_ok(mlo_session_run(s[i], &in, 1, &out[i], &err), &err);
        check(memcmp(out[0][0].array.data, out[1][0].array.data, sizeof(float) * M * N) == 0, "they differ");
    }
    for (size_t i = 0; i < 2; i++)
        mlo_session_free(s[i]);
    mlo_plan_free(p);
    free(x);
}

/* Heads, and rows of bytes, go to threads, too. */
static void check_encoder(const char *path)
{
    enum { ROWS = 601, LENGTH = 16, N = ROWS * LENGTH };
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_plan *p = NULL;
    const struct mlo_value *out[2];
    int64_t *ids = malloc(3 * N * sizeof *ids);
    struct mlo_value in[3];
    for (size_t i = 0; i < 3 * N; i++) /* ids, mask, types */
        ids[i] = i < N ? (int64_t)(i * 7 % 20) : i < 2 * N && i % LENGTH < 3 + i / LENGTH % 13;
    for (size_t i = 0; i < 3; i++)
        in[i] = (struct mlo_value){
            .kind = MLO_KIND_ARRAY,
            .array = {.dtype = MLO_DT_I64, .rank = 2, .dims = {ROWS, LENGTH}, .n = N, .data = ids + i * N}};
    check_ok(mlo_plan_open(path, NULL, &p, &err), &err);
    struct mlo_session *s[2] = {session_of(p), session_of(p)};
    check_ok(mlo_session_threads(s[1], 2, &err), &err);
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < 2; i++)
            check_ok(mlo_session_run(s[i], in, 3, &out[i], &err), &err);
        const struct mlo_array *a = &out[0][0].array, *b = &out[1][0].array;
        check(a->n > 0 && a->n == b->n && memcmp(a->data, b->data, sizeof(float) * a->n) == 0, "%s", path);
    }
    for (size_t i = 0; i < 2; i++)
        mlo_session_free(s[i]);
    mlo_plan_free(p);
    free(ids);
}

static void threads_of_encoders(void)
{
    check_encoder("tests/golden/onnx/encoders/torch/model.onnx");
    check_encoder("tests/golden/onnx/encoders/torch-int8/model.onnx");
}

int main(void)
{
    run(shapes_come_and_go);
    run(a_shape_that_was_seen_allocates_nothing);
    run(memory_failures_are_errors);
    run(memory_of_a_session_has_a_limit);
    run(shapes_that_depend_on_values);
    run(sessions_of_one_plan_run_beside_each_other);
    run(threads_of_a_session);
    run(threads_of_encoders);
    return done_testing();
}
