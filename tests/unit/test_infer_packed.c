/* Sequences without padding give what padded ones give, for plans that have been proved to allow it. */
#define MODEL_BYTES 65536
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/infer.h>

#include "model_help.h"
#include "tap.h"

#define ENCODERS "tests/golden/onnx/encoders/"
#define BATCH    5
#define WIDTH    9
#define CELLS    (BATCH * WIDTH)

static const size_t lengths[BATCH] = {4, WIDTH, 1, 0, 7};

/* The inputs of an encoder, in the order of its ports; ids are 0 where there is padding. */
struct batch {
    int64_t ids[CELLS], mask[CELLS], types[CELLS];
    struct mlo_value in[3];
};

static struct mlo_value rectangle(int64_t *data, int64_t rows, int64_t width)
{
    return (struct mlo_value){.kind = MLO_KIND_ARRAY,
                              .array = {.dtype = MLO_DT_I64,
                                        .rank = 2,
                                        .dims = {rows, width},
                                        .n = (size_t)(rows * width),
                                        .data = data}};
}

static void batch_init(struct batch *b)
{
    *b = (struct batch){0};
    for (size_t i = 0; i < CELLS; i++)
        if (i % WIDTH < lengths[i / WIDTH]) {
            b->ids[i] = (int64_t)(i * 7 % 19);
            b->types[i] = (int64_t)(i / 3 % 2);
            b->mask[i] = 1;
        }
    b->in[0] = rectangle(b->ids, BATCH, WIDTH);
    b->in[1] = rectangle(b->mask, BATCH, WIDTH);
    b->in[2] = rectangle(b->types, BATCH, WIDTH);
}

static struct mlo_plan *plan_at(const char *path, struct mlo_session **ret, unsigned threads)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_plan *p = NULL;
    check_ok(mlo_plan_open(path, NULL, &p, &err), &err);
    check_ok(mlo_session_new(p, ret, &err), &err);
    check_ok(mlo_session_threads(*ret, threads, &err), &err);
    return p;
}

/* Its floats, which the caller frees. */
static float *copy_of(const struct mlo_value *v)
{
    float *to = malloc(v->array.n * sizeof *to + 1);
    memcpy(to, v->array.data, v->array.n * sizeof *to);
    return to;
}

static void padded_rows_are_0_and_others_as_they_were(void)
{
    static const char *const models[] = {ENCODERS "torch/model.onnx", ENCODERS "layer/model.onnx"};
    struct mlo_err err = MLO_ERR_INIT;
    struct batch b;
    batch_init(&b);
    for (size_t i = 0; i < 4; i++) {
        struct mlo_session *s;
        struct mlo_plan *p = plan_at(models[i / 2], &s, 1 + i % 2);
        const struct mlo_value *out = NULL;
        check(mlo_plan_packs(p, 0) && !mlo_plan_packs(p, 1));
        check_ok(mlo_session_run(s, b.in, 3, &out, &err), &err);
        float *want = copy_of(&out[0]);
        size_t n = out[0].array.n, width = n / CELLS;
        for (unsigned again = 0; again < 3; again++) {
            check_ok(mlo_session_run_unpadded(s, b.in, 3, &out, &err), &err);
            check(out[0].array.n == n && out[0].array.rank == 3 && out[0].array.dims[1] == WIDTH);
            const float *got = out[0].array.data;
            for (size_t k = 0; k < n; k++) {
                float there = b.mask[k / width] ? want[k] : 0;
                if (!check(fabsf(got[k] - there) <= 2e-6F * fmaxf(1, fabsf(there)), "%s, %zu: %g, not %g",
                           models[i / 2], k, (double)got[k], (double)there))
                    break;
            }
            check_ok(mlo_session_run(s, b.in, 3, &out, &err), &err);
            check(memcmp(out[0].array.data, want, n * sizeof *want) == 0, "an ordinary run has changed");
        }
        free(want);
        mlo_session_free(s);
        mlo_plan_free(p);
    }
}

/* One scale for each sequence: the bytes, and so all numbers, are those that it has alone. */
static void bytes_are_those_of_a_sequence_alone(void)
{
    static const char *const models[] = {ENCODERS "torch-int8/model.onnx", ENCODERS "layer-int8/model.onnx"};
    struct mlo_err err = MLO_ERR_INIT;
    struct batch b;
    batch_init(&b);
    for (size_t i = 0; i < MLO_COUNT(models); i++) {
        struct mlo_session *s;
        struct mlo_plan *p = plan_at(models[i], &s, 1);
        const struct mlo_value *out = NULL;
        check(mlo_plan_packs(p, 0));
        check_ok(mlo_session_run_unpadded(s, b.in, 3, &out, &err), &err);
        float *got = copy_of(&out[0]);
        size_t width = out[0].array.n / CELLS;
        for (size_t k = 0; k < BATCH; k++) {
            size_t at = k * WIDTH;
            struct mlo_value in[3] = {rectangle(b.ids + at, 1, (int64_t)lengths[k]),
                                      rectangle(b.mask + at, 1, (int64_t)lengths[k]),
                                      rectangle(b.types + at, 1, (int64_t)lengths[k])};
            if (lengths[k] == 0)
                continue;
            check_ok(mlo_session_run(s, in, 3, &out, &err), &err);
            check(memcmp(got + at * width, out[0].array.data, lengths[k] * width * sizeof *got) == 0,
                  "%s, sequence %zu", models[i], k);
        }
        free(got);
        mlo_session_free(s);
        mlo_plan_free(p);
    }
}

static void packed_rows_are_checked(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct batch b;
    struct mlo_session *s;
    struct mlo_plan *p = plan_at(ENCODERS "torch/model.onnx", &s, 1);
    const struct mlo_value *out = NULL;
    static int64_t many[3][5000];
    batch_init(&b);
    for (size_t i = 0; i < 5000; i++)
        many[1][i] = 1;
    struct mlo_value in[3], long_in[3];
    for (size_t i = 0; i < 3; i++) {
        in[i] = rectangle(b.in[i].array.data, 1, 12);
        long_in[i] = rectangle(many[i], 1, 5000);
    }
    struct mlo_packed good = {2, (size_t[]){0, 5, 12}}, back = {2, (size_t[]){0, 13, 12}},
                      late = {1, (size_t[]){1, 12}}, other = {1, (size_t[]){0, 11}},
                      none = {0, (size_t[]){0}}, large = {1, (size_t[]){0, 5000}};
    check_ok(mlo_session_run_packed(s, in, 3, &good, &out, &err), &err);
    check(out[0].array.rank == 3 && out[0].array.dims[0] == 1 && out[0].array.dims[1] == 12);
    check_err(mlo_session_run_packed(s, in, 3, &back, &out, &err), MLO_EUSAGE, &err, "rows of 2 sequences");
    check_err(mlo_session_run_packed(s, in, 3, &late, &out, &err), MLO_EUSAGE, &err, "sequences");
    check_err(mlo_session_run_packed(s, in, 3, &other, &out, &err), MLO_EUSAGE, &err, "sequences");
    check_err(mlo_session_run_packed(s, in, 3, &none, &out, &err), MLO_EUSAGE, &err, "sequences");
    check_err(mlo_session_run_packed(s, in, 2, &good, &out, &err), MLO_EUSAGE, &err, "2 inputs");
    check_err(mlo_session_run_packed(s, long_in, 3, &large, &out, &err), MLO_EUSAGE, &err,
              "a sequence of 5000, but the model has positions for");
    mlo_session_free(s);
    mlo_plan_free(p);
}

/* One row a sequence, also of none. */
static void rows_are_pooled_when_that_is_asked_for(void)
{
    static const enum mlo_pooling ways[] = {MLO_POOL_MEAN, MLO_POOL_CLS, MLO_POOL_MAX};
    const size_t first[] = {0, 5, 5, 12};
    struct mlo_err err = MLO_ERR_INIT;
    struct batch b;
    struct mlo_session *s;
    struct mlo_plan *p = plan_at(ENCODERS "torch/model.onnx", &s, 1);
    const struct mlo_value *out = NULL;
    struct mlo_value in[3];
    batch_init(&b);
    for (size_t i = 0; i < 12; i++)
        b.mask[i] = 1;
    for (size_t i = 0; i < 3; i++)
        in[i] = rectangle(b.in[i].array.data, 1, 12);
    struct mlo_packed packed = {.n = 3, .first = first};
    check_int(mlo_plan_packed_rows(p), MLO_PACKED_ROWS);
    check_ok(mlo_session_run_packed(s, in, 3, &packed, &out, &err), &err);
    float *rows = copy_of(&out[0]), want[64];
    size_t width = out[0].array.n / 12;
    for (size_t k = 0; k < 2 * MLO_COUNT(ways); k++) {
        packed.pooling = ways[k / 2];
        packed.normalize = k % 2;
        check_ok(mlo_session_run_packed(s, in, 3, &packed, &out, &err), &err);
        const struct mlo_array *a = &out[0].array;
        check(a->rank == 2 && a->dims[0] == 3 && a->dims[1] == (int64_t)width);
        for (size_t i = 0; i < 3; i++) {
            mlo_pool(ways[k / 2], rows + first[i] * width, b.mask, first[i + 1] - first[i], width, want);
            if (k % 2)
                mlo_normalize(want, width);
            check(memcmp((const float *)a->data + i * width, want, width * sizeof *want) == 0,
                  "way %zu, sequence %zu", k, i);
        }
    }
    free(rows);
    mlo_session_free(s);
    mlo_plan_free(p);
}

/* A mask with a hole, or of all: the ordinary run. */
static void other_masks_are_ordinary_runs(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct batch b;
    batch_init(&b);
    for (unsigned how = 0; how < 4; how++) {
        struct mlo_session *s;
        struct mlo_plan *p = plan_at(ENCODERS "torch/model.onnx", &s, 1);
        const struct mlo_value *out = NULL;
        for (size_t i = 0; i < CELLS; i++)
            b.mask[i] = how == 0   ? i % WIDTH != 1
                        : how == 1 ? 1
                        : how == 2 ? 0
                                   : (int64_t)(2 * (i % WIDTH < 3));
        check_ok(mlo_session_run(s, b.in, 3, &out, &err), &err);
        float *want = copy_of(&out[0]);
        check_ok(mlo_session_run_unpadded(s, b.in, 3, &out, &err), &err);
        check(memcmp(out[0].array.data, want, out[0].array.n * sizeof *want) == 0, "mask %u", how);
        free(want);
        mlo_session_free(s);
        mlo_plan_free(p);
    }
}

/* ---- what is proved ---- */

enum broken {
    FINE,
    SHIFTED, /* positions from 1 on */
    NO_MASK,
    WEAK_MASK,  /* a score that it leaves counts */
    TURNED,     /* a mask that goes up */
    BY_QUERY,   /* [batch][1][sequence][1] */
    NEIGHBOURS, /* a mean over the sequence */
    FIXED,      /* a constant with a number for each position, not cut to the length */
    OF_LENGTH,  /* rows times the length */
    WAYS,
    OF_DOUBLE = WAYS, /* a fine one, whose rows are float64 */
};

static void put_transpose(struct bytes *g, const char *in, const char *out, const int64_t perm[4])
{
    struct bytes n = node("Transpose", in, out);
    put_attr_ints(&n, "perm", perm, 4);
    put(g, GRAPH_NODE, &n);
}

#define TABLE 32
#define HEADS 2
#define SIZE  4
#define ALL   (HEADS * SIZE)

static void put_numbers(struct bytes *g, const char *name, const int64_t *dims, unsigned rank)
{
    float v[TABLE * ALL];
    size_t n = 1;
    for (unsigned i = 0; i < rank; i++)
        n *= (size_t)dims[i];
    for (size_t i = 0; i < n; i++)
        v[i] = (float)((i * 37 + (size_t)name[0] * 11) % 101) / 50 - 1;
    put_floats(g, name, v, dims, rank);
}

static void put_part(struct bytes *g, const char *name, const char *turned, const int64_t perm[4])
{
    char product[8], split[8];
    snprintf(product, sizeof product, "p%s", name);
    snprintf(split, sizeof split, "s%s", name);
    put_numbers(g, name, (int64_t[]){ALL, ALL}, 2);
    put_node_of_two(g, "MatMul", "x", name, product);
    put_node_of_two(g, "Reshape", product, "split", split);
    put_transpose(g, split, turned, perm);
}

static void put_mask(struct bytes *g, enum broken how)
{
    const float one = 1, far = how == WEAK_MASK ? -100 : how == TURNED ? 1e30F : -10000;
    struct bytes cast = node("Cast", "attention_mask", "fm");
    put_floats(g, "one", &one, NULL, 0);
    put_floats(g, "far", &far, NULL, 0);
    put_attr_int(&cast, "to", 1);
    put(g, GRAPH_NODE, &cast);
    put_node_of_two(g, "Sub", "one", "fm", "away");
    put_node_of_two(g, "Mul", "away", "far", "flat");
    put_whole_numbers(g, "inner", how == BY_QUERY ? (int64_t[]){1, 3} : (int64_t[]){1, 2}, 2);
    put_node_of_two(g, "Unsqueeze", "flat", "inner", "mask");
}

/* Tokens and positions as rows "x". */
static void put_embedding(struct bytes *g, enum broken how)
{
    struct bytes range = node("Range", "zero", how == SHIFTED ? "from_0" : "places"), shape = {.n = 0};
    put_numbers(g, "words", (int64_t[]){TABLE, ALL}, 2);
    put_numbers(g, "table", (int64_t[]){TABLE, ALL}, 2);
    put_numbers(g, "fixed", (int64_t[]){WIDTH, ALL}, 2);
    put_whole_number(g, "zero", 0);
    put_whole_number(g, "one_i", 1);
    shape = node("Shape", "input_ids", "shape");
    put(g, GRAPH_NODE, &shape);
    put_node_of_two(g, "Gather", "shape", "one_i", "length");
    put_input(&range, "length");
    put_input(&range, "one_i");
    put(g, GRAPH_NODE, &range);
    if (how == SHIFTED)
        put_node_of_two(g, "Add", "from_0", "one_i", "places");
    put_node_of_two(g, "Gather", "words", "input_ids", "w");
    put_node_of_two(g, "Gather", "table", "places", "at");
    put_node_of_two(g, "Add", "w", how == FIXED ? "fixed" : "at",
                    how == NEIGHBOURS || how == OF_LENGTH ? "x0" : "x");
    if (how == NEIGHBOURS) {
        struct bytes mean = node("ReduceMean", "x0", "mean");
        put_attr_ints(&mean, "axes", (int64_t[]){1}, 1);
        put(g, GRAPH_NODE, &mean);
        put_node_of_two(g, "Sub", "x0", "mean", "x");
    } else if (how == OF_LENGTH) {
        struct bytes cast = node("Cast", "length", "f_length");
        put_attr_int(&cast, "to", 1);
        put(g, GRAPH_NODE, &cast);
        put_node_of_two(g, "Div", "x0", "f_length", "x");
    }
}

static struct bytes encoder(enum broken how)
{
    static const int64_t to_heads[4] = {0, 2, 1, 3}, to_keys[4] = {0, 2, 3, 1};
    struct bytes g = {.n = 0}, softmax = node("Softmax", how == NO_MASK ? "scaled" : "masked", "weights");
    const float root = 2;
    put_open_port(&g, GRAPH_INPUT, "input_ids", 7, 2);
    put_open_port(&g, GRAPH_INPUT, "attention_mask", 7, 2);
    put_whole_numbers(&g, "split", (int64_t[]){0, 0, HEADS, SIZE}, 4);
    put_whole_numbers(&g, "joined", (int64_t[]){0, 0, ALL}, 3);
    put_floats(&g, "root", &root, NULL, 0);
    put_embedding(&g, how);
    put_mask(&g, how);
    put_part(&g, "q", "tq", to_heads);
    put_part(&g, "k", "tk", to_keys);
    put_part(&g, "v", "tv", to_heads);
    put_node_of_two(&g, "MatMul", "tq", "tk", "scores");
    put_node_of_two(&g, "Div", "scores", "root", "scaled");
    if (how != NO_MASK)
        put_node_of_two(&g, "Add", "scaled", "mask", "masked");
    put_attr_int(&softmax, "axis", -1);
    put(&g, GRAPH_NODE, &softmax);
    put_node_of_two(&g, "MatMul", "weights", "tv", "mixed");
    put_transpose(&g, "mixed", "back", to_heads);
    put_node_of_two(&g, "Reshape", "back", "joined", how == OF_DOUBLE ? "floats" : "y");
    if (how == OF_DOUBLE) {
        struct bytes cast = node("Cast", "floats", "y");
        put_attr_int(&cast, "to", 11);
        put(&g, GRAPH_NODE, &cast);
    }
    put_open_port(&g, GRAPH_OUTPUT, "y", how == OF_DOUBLE ? 11 : 1, 3);
    return model_of(&g, 13);
}

static struct mlo_plan *plan_of(const struct bytes *m)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_onnx_model *model = NULL;
    struct mlo_plan *p = NULL;
    check_ok(mlo_onnx_parse(m->b, m->n, -1, &model, &err), &err);
    check_ok(mlo_plan_new(model, NULL, &p, &err), &err);
    return p;
}

static void only_what_is_proved_is_packed(void)
{
    for (unsigned how = 0; how < WAYS; how++) {
        struct mlo_err err = MLO_ERR_INIT;
        struct bytes m = encoder(how);
        struct mlo_plan *p = plan_of(&m);
        struct mlo_session *s = NULL;
        const struct mlo_value *out = NULL;
        struct batch b;
        batch_init(&b);
        check_int(mlo_plan_packs(p, 0), how <= SHIFTED);
        check_ok(mlo_session_new(p, &s, &err), &err);
        check_ok(mlo_session_run(s, b.in, 2, &out, &err), &err);
        float *want = copy_of(&out[0]);
        check_ok(mlo_session_run_unpadded(s, b.in, 2, &out, &err), &err);
        const float *got = out[0].array.data;
        for (size_t k = 0; k < out[0].array.n; k++)
            if ((how > SHIFTED || b.mask[k / ALL]) &&
                !check(fabsf(got[k] - want[k]) <= 1e-5F, "way %u, %zu: %g, not %g", how, k, (double)got[k],
                       (double)want[k]))
                break;
        free(want);
        mlo_session_free(s);
        mlo_plan_free(p);
    }
}

static void only_float32_is_pooled(void)
{
    struct bytes m = encoder(OF_DOUBLE);
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_plan *p = plan_of(&m);
    struct mlo_session *s = NULL;
    const struct mlo_value *out = NULL;
    struct batch b;
    batch_init(&b);
    struct mlo_value in[2] = {rectangle(b.ids, 1, 4), rectangle(b.mask, 1, 4)};
    struct mlo_packed packed = {.n = 1, .first = (const size_t[]){0, 4}};
    check_ok(mlo_session_new(p, &s, &err), &err);
    check(mlo_plan_packs(p, 0));
    check_ok(mlo_session_run_packed(s, in, 2, &packed, &out, &err), &err);
    packed.pooling = MLO_POOL_MEAN;
    check_err(mlo_session_run_packed(s, in, 2, &packed, &out, &err), MLO_EUNAVAIL, &err,
              "output 'y' is float64: only float32 is pooled");
    mlo_session_free(s);
    mlo_plan_free(p);
}

static void other_models_are_not_packed(void)
{
    static const char *const models[] = {ENCODERS "attention/model.onnx",
                                         "tests/golden/onnx/networks/lstm/model.onnx"};
    for (size_t i = 0; i < MLO_COUNT(models); i++) {
        struct mlo_session *s;
        struct mlo_plan *p = plan_at(models[i], &s, 1);
        check(!mlo_plan_packs(p, 0), "%s", models[i]);
        mlo_session_free(s);
        mlo_plan_free(p);
    }
}

static int run_once(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_plan *p = NULL;
    struct mlo_session *s = NULL;
    const struct mlo_value *out = NULL;
    struct batch b;
    batch_init(&b);
    int rc = mlo_plan_open(ENCODERS "layer-int8/model.onnx", NULL, &p, &err);
    if (rc == 0)
        rc = mlo_session_new(p, &s, &err);
    if (rc == 0)
        rc = mlo_session_run_unpadded(s, b.in, 3, &out, &err);
    mlo_session_free(s);
    mlo_plan_free(p);
    return rc;
}

static void memory_failures_are_errors(void)
{
    each_alloc_failure(run_once);
}

int main(void)
{
    run(padded_rows_are_0_and_others_as_they_were);
    run(bytes_are_those_of_a_sequence_alone);
    run(packed_rows_are_checked);
    run(rows_are_pooled_when_that_is_asked_for);
    run(other_masks_are_ordinary_runs);
    run(only_what_is_proved_is_packed);
    run(only_float32_is_pooled);
    run(other_models_are_not_packed);
    run(memory_failures_are_errors);
    return done_testing();
}
