/* Fused plans give what plain ones give, on random graphs, and are really fused. */
#define MODEL_BYTES 65536
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mlopsctl/infer.h>

#include "model_help.h"
#include "tap.h"

#define MOST 4096

static unsigned state = 1;

static unsigned draw(unsigned n)
{
    state = state * 1103515245U + 12345U;
    return (state >> 16) % n;
}

static void fill(float *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = ((float)draw(2001) - 1000) / 500;
}

static struct mlo_plan *plan_of(const struct bytes *m, bool plain)
{
    struct mlo_plan_opts opts = {.plain = plain};
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_onnx_model *model = NULL;
    struct mlo_plan *p = NULL;
    check_ok(mlo_onnx_parse(m->b, m->n, -1, &model, &err), &err);
    check_ok(mlo_plan_new(model, &opts, &p, &err), &err);
    return p;
}

static size_t steps_named(const struct mlo_plan *p, const char *op)
{
    size_t n = 0;
    for (size_t i = 0; i < mlo_plan_steps(p); i++) {
        struct mlo_step_info s;
        mlo_plan_step(p, i, &s);
        n += strcmp(s.domain, "mlopsctl") == 0 && strcmp(s.op, op) == 0;
    }
    return n;
}

static void close_to(const struct mlo_array *got, const struct mlo_array *want)
{
    const float *g = got->data, *w = want->data;
    check(mlo_array_same_shape(got, want), "shapes");
    for (size_t i = 0; i < want->n && i < got->n; i++)
        if (!check(fabsf(g[i] - w[i]) <= 1e-4F + 1e-4F * fabsf(w[i]), "%zu: %g, not %g", i, (double)g[i],
                   (double)w[i]))
            return;
}

/* Runs both plans of a model on one input of this shape and compares its outputs. */
static void same_results(const struct bytes *m, const int64_t *dims, unsigned rank, const char *op,
                         size_t times)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_plan *plans[2] = {plan_of(m, false), plan_of(m, true)};
    struct mlo_session *s[2] = {NULL, NULL};
    const struct mlo_value *out[2] = {NULL, NULL};
    float x[MOST];
    struct mlo_value in = {.kind = MLO_KIND_ARRAY,
                           .array = {.dtype = MLO_DT_F32, .rank = rank, .n = 1, .data = x}};
    size_t n = 0;
    for (unsigned i = 0; i < rank; i++) {
        in.array.dims[i] = dims[i];
        in.array.n *= (size_t)dims[i];
    }
    fill(x, in.array.n);
    for (size_t i = 0; i < 2; i++) {
        check_ok(mlo_session_new(plans[i], &s[i], &err), &err);
        for (unsigned k = 0; k < 3; k++) /* the same again */
            check_ok(mlo_session_run(s[i], &in, 1, &out[i], &err), &err);
    }
    mlo_plan_outputs(plans[0], &n);
    for (size_t i = 0; out[0] && out[1] && i < n; i++)
        close_to(&out[0][i].array, &out[1][i].array);
    check_int(steps_named(plans[0], op), times);
    check_int(steps_named(plans[1], op), 0);
    for (size_t i = 0; i < 2; i++) {
        mlo_session_free(s[i]);
        mlo_plan_free(plans[i]);
    }
}

/* ---- dense ---- */

static const char *const activations[] = {NULL,        "Relu", "Sigmoid", "Tanh",
                                          "LeakyRelu", "Clip", "Gelu",    "Softplus"};

/* product -> (Add) -> (activation): *ret the number of the last value. */
static void put_layer(struct bytes *g, unsigned i, int64_t k, int64_t n, bool gemm, const char *activation)
{
    char in[16], w[16], b[16], product[16], sum[16], out[16];
    float v[MOST];
    bool flip = draw(2), bias = draw(4) > 0, deep = draw(2);
    int64_t dims[2] = {k, n}, bias_dims[2] = {1, draw(4) ? n : 1};
    snprintf(in, sizeof in, "x%u", i);
    snprintf(w, sizeof w, "w%u", i);
    snprintf(b, sizeof b, "b%u", i);
    snprintf(product, sizeof product, "p%u", i);
    snprintf(sum, sizeof sum, "s%u", i);
    snprintf(out, sizeof out, "x%u", i + 1);
    if (gemm && flip) {
        dims[0] = n;
        dims[1] = k;
    }
    fill(v, (size_t)(k * n));
    put_floats(g, w, v, dims, 2);
    fill(v, (size_t)n);
    put_floats(g, b, v, bias_dims + !deep, 1 + deep);
    struct bytes product_node = node(gemm ? "Gemm" : "MatMul", in, product);
    put_input(&product_node, w);
    if (gemm) {
        put_attr_int(&product_node, "transB", flip);
        put_attr_float(&product_node, "alpha", 0.5F);
        put_attr_float(&product_node, "beta", 2);
        if (bias)
            put_input(&product_node, b);
    }
    put(g, GRAPH_NODE, &product_node);
    struct bytes add = node("Add", bias && flip ? b : product, sum);
    put_input(&add, !bias ? product : flip ? product : b);
    if (!gemm)
        put(g, GRAPH_NODE, &add);
    put_node(g, activation ? activation : "Identity", gemm ? product : sum, out);
}

static void dense_layers_are_one_step(void)
{
    for (unsigned round = 0; round < 200; round++) {
        struct bytes g = {.n = 0};
        int64_t k = 1 + draw(40), first = k;
        unsigned layers = 1 + draw(3), m = 1 + draw(9);
        char last[16];
        put_port(&g, GRAPH_INPUT, "x0");
        for (unsigned i = 0; i < layers; i++) {
            int64_t n = 1 + draw(50);
            put_layer(&g, i, k, n, draw(2), activations[draw(MLO_COUNT(activations))]);
            k = n;
        }
        snprintf(last, sizeof last, "x%u", layers);
        put_port(&g, GRAPH_OUTPUT, last);
        struct bytes model = model_of(&g, 20);
        same_results(&model, (int64_t[]){m, first}, 2, "Dense", layers);
    }
}

/* x and weights as halves: the product is a step, what follows is rounded by itself. The sums are exact. */
static void products_of_halves_are_one_step(void)
{
    enum { FLOAT = 1, HALF = 10, BRAIN = 16 };
    for (unsigned round = 0; round < 20; round++) {
        int64_t k = 1 + draw(8), n = 1 + draw(40), type = round % 2 ? HALF : BRAIN;
        struct bytes g = {.n = 0}, to_x = node("Cast", "x", "hx"), to_w = node("Cast", "w", "hw"), last;
        struct bytes product = node(round % 4 < 2 ? "MatMul" : "Gemm", "hx", "p"),
                     sum = node("Add", "p", "s");
        float w[MOST];
        for (int64_t i = 0; i < k * n; i++)
            w[i] = ((float)draw(17) - 8) / 8;
        put_port(&g, GRAPH_INPUT, "x");
        put_floats(&g, "w", w, (int64_t[]){k, n}, 2);
        put_attr_int(&to_x, "to", type);
        put_attr_int(&to_w, "to", type);
        put_input(&product, "hw");
        put_input(&sum, "p");
        last = node("Cast", "s", "y");
        put_attr_int(&last, "to", FLOAT);
        put(&g, GRAPH_NODE, &to_x);
        put(&g, GRAPH_NODE, &to_w);
        put(&g, GRAPH_NODE, &product);
        put(&g, GRAPH_NODE, &sum);
        put(&g, GRAPH_NODE, &last);
        put_port(&g, GRAPH_OUTPUT, "y");
        struct bytes model = model_of(&g, 20);
        same_results(&model, (int64_t[]){1 + draw(12), k}, 2, "Dense", 1);
    }
}

/* The product goes to somebody else, too: it stays, and what follows it stays. */
static void what_others_use_stays(void)
{
    static const float w[] = {1, 2, 3, 4};
    struct bytes g = {.n = 0}, product = node("MatMul", "x", "p");
    put_input(&product, "w");
    put_port(&g, GRAPH_INPUT, "x");
    put_floats(&g, "w", w, (int64_t[]){2, 2}, 2);
    put(&g, GRAPH_NODE, &product);
    put_node(&g, "Relu", "p", "y");
    put_port(&g, GRAPH_OUTPUT, "y");
    put_port(&g, GRAPH_OUTPUT, "p");
    struct bytes model = model_of(&g, 20);
    same_results(&model, (int64_t[]){3, 2}, 2, "Dense", 1);
    struct mlo_plan *p = plan_of(&model, false);
    check_int(mlo_plan_steps(p), 2);
    mlo_plan_free(p);
}

/* ---- blocks of transformers ---- */

static void put_scalar(struct bytes *g, const char *name, float v)
{
    put_floats(g, name, &v, NULL, 0);
}

/* Two inputs, in any order where that is the same. */
static void put_two(struct bytes *g, const char *op, const char *a, const char *b, const char *out)
{
    bool flip = draw(2) && (strcmp(op, "Add") == 0 || strcmp(op, "Mul") == 0);
    struct bytes n = node(op, flip ? b : a, out);
    put_input(&n, flip ? a : b);
    put(g, GRAPH_NODE, &n);
}

/* Factors in one of three orders; `root` is not always the root of 2. */
static struct bytes gelu_model(unsigned order, float root)
{
    struct bytes g = {.n = 0};
    put_port(&g, GRAPH_INPUT, "x");
    put_scalar(&g, "root", root);
    put_scalar(&g, "one", 1);
    put_scalar(&g, "half", 0.5F);
    put_two(&g, "Div", "x", "root", "d");
    put_node(&g, "Erf", "d", "e");
    put_two(&g, "Add", "e", "one", "s");
    if (order == 0) {
        put_two(&g, "Mul", "x", "s", "p");
        put_two(&g, "Mul", "p", "half", "y");
    } else if (order == 1) {
        put_two(&g, "Mul", "s", "half", "p");
        put_two(&g, "Mul", "p", "x", "y");
    } else {
        put_two(&g, "Mul", "x", "half", "p");
        put_two(&g, "Mul", "p", "s", "y");
    }
    put_port(&g, GRAPH_OUTPUT, "y");
    return model_of(&g, 14);
}

static void gelu_is_one_step(void)
{
    for (unsigned order = 0; order < 3; order++)
        for (unsigned again = 0; again < 8; again++) {
            struct bytes m = gelu_model(order, 1.41421354F), other = gelu_model(order, 1.5F);
            same_results(&m, (int64_t[]){3, 33}, 2, "Gelu", 1);
            same_results(&other, (int64_t[]){3, 33}, 2, "Gelu", 0);
        }
}

static void gelu_with_tanh_is_one_step(void)
{
    struct bytes g = {.n = 0};
    put_port(&g, GRAPH_INPUT, "x");
    put_scalar(&g, "three", 3);
    put_scalar(&g, "a", 0.044715F);
    put_scalar(&g, "c", 0.797884583F);
    put_scalar(&g, "one", 1);
    put_scalar(&g, "half", 0.5F);
    struct bytes power = node("Pow", "x", "cube");
    put_input(&power, "three");
    put(&g, GRAPH_NODE, &power);
    put_two(&g, "Mul", "cube", "a", "term");
    put_two(&g, "Add", "x", "term", "sum");
    put_two(&g, "Mul", "sum", "c", "u");
    put_node(&g, "Tanh", "u", "t");
    put_two(&g, "Add", "t", "one", "s");
    put_two(&g, "Mul", "x", "half", "h");
    put_two(&g, "Mul", "h", "s", "y");
    put_port(&g, GRAPH_OUTPUT, "y");
    struct bytes m = model_of(&g, 14);
    same_results(&m, (int64_t[]){2, 5, 7}, 3, "Gelu", 1);
}

/* The mean over the last dimension when `last`, of x plus a row when `add`; the sum is an output, too, when
 * `shown`. */
static struct bytes norm_model(bool last, bool add, bool shown)
{
    enum { N = 24 };
    struct bytes g = {.n = 0};
    const char *x = add ? "sum" : "bias_less";
    float v[N * N];
    put_port(&g, GRAPH_INPUT, "x");
    fill(v, N * N);
    put_floats(&g, "w", v, (int64_t[]){N, N}, 2);
    put_floats(&g, "row", v + 3, (int64_t[]){1, N}, 2);
    put_floats(&g, "scale", v + N, (int64_t[]){N}, 1);
    put_floats(&g, "bias", v + 2 * N, (int64_t[]){N}, 1);
    put_scalar(&g, "two", 2);
    put_scalar(&g, "epsilon", 1e-5F);
    struct bytes product = node("MatMul", "x", "p");
    put_input(&product, "w");
    put(&g, GRAPH_NODE, &product);
    put_node(&g, "Abs", "p", "q"); /* so that the sum stays the norm's */
    put_two(&g, "Add", "p", "q", "bias_less");
    put_two(&g, "Add", "bias_less", "row", "sum");
    for (unsigned i = 0; i < 2; i++) {
        struct bytes mean = node("ReduceMean", i ? "square" : x, i ? "variance" : "mean"), axes = {.n = 0};
        put_text(&axes, ATTR_NAME, "axes");
        put_number(&axes, 8, last ? (uint64_t)-1 : 0);
        put_number(&axes, ATTR_TYPE, 7);
        put(&mean, NODE_ATTRIBUTE, &axes);
        put(&g, GRAPH_NODE, &mean);
        if (i == 0) {
            struct bytes square = node("Pow", "d", "square");
            put_input(&square, "two");
            put_two(&g, "Sub", x, "mean", "d");
            put(&g, GRAPH_NODE, &square);
        }
    }
    put_two(&g, "Add", "variance", "epsilon", "v");
    put_node(&g, "Sqrt", "v", "root");
    put_two(&g, "Div", "d", "root", "n");
    put_two(&g, "Mul", "n", "scale", "m");
    put_two(&g, "Add", "m", "bias", "y");
    put_port(&g, GRAPH_OUTPUT, "y");
    if (shown)
        put_port(&g, GRAPH_OUTPUT, x);
    return model_of(&g, 14);
}

static void normalisation_is_one_step_with_the_sum_before_it(void)
{
    for (unsigned how = 0; how < 8; how++) {
        struct bytes m = norm_model(how & 1, how & 2, how & 4);
        same_results(&m, (int64_t[]){2, 3, 24}, 3, "LayerNorm", how & 1);
    }
}

static int make_a_block(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_onnx_model *model = NULL;
    struct mlo_plan *p = NULL;
    struct bytes m = norm_model(true, true, true);
    int rc = mlo_onnx_parse(m.b, m.n, -1, &model, &err);
    if (rc == 0)
        rc = mlo_plan_new(model, NULL, &p, &err);
    mlo_plan_free(p);
    return rc;
}

/* ---- queries, keys and values as one product ---- */

static void put_transpose(struct bytes *g, const char *in, const char *out, const int64_t perm[4])
{
    struct bytes n = node("Transpose", in, out);
    put_attr_ints(&n, "perm", perm, 4);
    put(g, GRAPH_NODE, &n);
}

/* x w + b, its columns as heads. */
static void put_part(struct bytes *g, const char *name, int64_t k, int64_t n, bool bias,
                     const int64_t perm[4])
{
    static float v[MOST];
    char w[8], b[8], product[8], sum[8], split[8];
    snprintf(w, sizeof w, "w%s", name);
    snprintf(b, sizeof b, "b%s", name);
    snprintf(product, sizeof product, "p%s", name);
    snprintf(sum, sizeof sum, "s%s", name);
    snprintf(split, sizeof split, "h%s", name);
    fill(v, (size_t)(k * n));
    put_floats(g, w, v, (int64_t[]){k, n}, 2);
    put_floats(g, b, v, (int64_t[]){n}, 1);
    put_two(g, "MatMul", "x", w, product);
    if (bias)
        put_two(g, "Add", product, b, sum);
    put_two(g, "Reshape", bias ? sum : product, "split", split);
    put_transpose(g, split, name, perm);
}

/* `apart`: one of the products is an output, too, so that nothing is joined. */
static struct bytes attention_model(int64_t k, int64_t heads, int64_t size, bool apart)
{
    static const int64_t to_heads[4] = {0, 2, 1, 3}, to_keys[4] = {0, 2, 3, 1};
    struct bytes g = {.n = 0}, softmax = node("Softmax", "scaled", "weights");
    put_port(&g, GRAPH_INPUT, "x");
    put_whole_numbers(&g, "split", (int64_t[]){0, 0, heads, size}, 4);
    put_whole_numbers(&g, "joined", (int64_t[]){0, -1, heads * size}, 3);
    put_scalar(&g, "root", sqrtf((float)size));
    put_part(&g, "q", k, heads * size, true, to_heads);
    put_part(&g, "k", k, heads * size, false, to_keys);
    put_part(&g, "v", k, heads * size, true, to_heads);
    put_two(&g, "MatMul", "q", "k", "scores");
    put_two(&g, "Div", "scores", "root", "scaled");
    put_attr_int(&softmax, "axis", -1);
    put(&g, GRAPH_NODE, &softmax);
    put_two(&g, "MatMul", "weights", "v", "mixed");
    put_transpose(&g, "mixed", "rows", to_heads);
    put_two(&g, "Reshape", "rows", "joined", "y");
    put_port(&g, GRAPH_OUTPUT, "y");
    if (apart)
        put_port(&g, GRAPH_OUTPUT, "sq");
    return model_of(&g, 14);
}

static struct mlo_array answer_of(struct mlo_session *s, int64_t batch, int64_t rows, int64_t k)
{
    static float x[MOST];
    struct mlo_err err = MLO_ERR_INIT;
    const struct mlo_value *out = NULL;
    struct mlo_value in = {.kind = MLO_KIND_ARRAY,
                           .array = {.dtype = MLO_DT_F32,
                                     .rank = 3,
                                     .dims = {batch, rows, k},
                                     .n = (size_t)(batch * rows * k),
                                     .data = x}};
    state = 7;
    fill(x, in.array.n);
    check_ok(mlo_session_run(s, &in, 1, &out, &err), &err);
    return out ? out[0].array : (struct mlo_array){0};
}

static void products_of_one_input_are_joined_bit_by_bit(void)
{
    for (unsigned round = 0; round < 40; round++) {
        int64_t heads = 1 + draw(5), size = 1 + draw(9), k = 5 + draw(20), batch = 1 + draw(3),
                rows = 2 + draw(12);
        struct mlo_err err = MLO_ERR_INIT;
        struct mlo_session *s[2] = {NULL, NULL};
        state = round + 1;
        struct bytes one = attention_model(k, heads, size, false);
        state = round + 1;
        struct bytes apart = attention_model(k, heads, size, true);
        struct mlo_plan *p[2] = {plan_of(&one, false), plan_of(&apart, false)};
        check_int(steps_named(p[0], "Dense"), 1);
        check_int(steps_named(p[0], "JoinedHeads"), 1);
        check_int(mlo_plan_steps(p[0]), 2);
        check_int(steps_named(p[1], "Dense"), 3);
        check_int(steps_named(p[1], "Heads"), 1);
        for (unsigned i = 0; i < 2; i++)
            check_ok(mlo_session_new(p[i], &s[i], &err), &err);
        struct mlo_array got = answer_of(s[0], batch, rows, k), want = answer_of(s[1], batch, rows, k);
        bool few = heads * size <= 4; /* columns that are summed in another way */
        if (few)
            close_to(&got, &want);
        else
            check(got.n == want.n && memcmp(got.data, want.data, got.n * sizeof(float)) == 0, "round %u",
                  round);
        for (unsigned i = 0; i < 2; i++) {
            mlo_session_free(s[i]);
            mlo_plan_free(p[i]);
        }
        same_results(&one, (int64_t[]){batch, rows, k}, 3, "JoinedHeads", 1);
        same_results(&one, (int64_t[]){batch, 1, k}, 3, "JoinedHeads", 1);
    }
}

static int make_joined(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_onnx_model *model = NULL;
    struct mlo_plan *p = NULL;
    struct bytes m = attention_model(4, 2, 3, false);
    int rc = mlo_onnx_parse(m.b, m.n, -1, &model, &err);
    if (rc == 0)
        rc = mlo_plan_new(model, NULL, &p, &err);
    mlo_plan_free(p);
    return rc;
}

/* A constant that is packed, given out and captured in one model: only what nobody looks at is forgotten. */
static void constants_that_are_still_needed_stay(void)
{
    enum { N = 48 }; /* more than a page */
    struct bytes g = {.n = 0}, product = node("MatMul", "x", "p"), sum = node("Add", "w", "z");
    float w[N * N];
    fill(w, N * N);
    put_input(&product, "w");
    put_input(&sum, "p");
    put_port(&g, GRAPH_INPUT, "x");
    put_floats(&g, "w", w, (int64_t[]){N, N}, 2);
    put(&g, GRAPH_NODE, &product);
    put(&g, GRAPH_NODE, &sum);
    put_port(&g, GRAPH_OUTPUT, "z");
    put_port(&g, GRAPH_OUTPUT, "w");
    struct bytes model = model_of(&g, 20);
    same_results(&model, (int64_t[]){N, N}, 2, "Dense", 1);
}

/* Of a file: its weights are in memory once, packed, when the plan is made. */
static void packed_weights_leave_the_file(void)
{
    enum { N = 1024 };
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_plan *p = NULL;
    char path[4096];
    long page = sysconf(_SC_PAGESIZE);
    unsigned char resident[N * N * sizeof(float) / 4096 + 1];
    struct bytes head = {.n = 0}, product = node("MatMul", "x", "y"), graph = {.n = 0};
    float *w = calloc(N * N, sizeof *w);
    size_t kept = 0, n = N * N * sizeof *w / (size_t)page - 1;
    struct bytes tensor = {.n = 0};
    put_input(&product, "w");
    put_port(&graph, GRAPH_INPUT, "x");
    put_port(&graph, GRAPH_OUTPUT, "y");
    put(&graph, GRAPH_NODE, &product);
    put_number(&tensor, TENSOR_DIMS, N);
    put_number(&tensor, TENSOR_DIMS, N);
    put_number(&tensor, TENSOR_TYPE, 1);
    put_text(&tensor, TENSOR_NAME, "w");
    put_varint(&tensor, TENSOR_RAW << 3 | 2);
    put_varint(&tensor, N * N * sizeof *w);
    put_varint(&graph, GRAPH_INITIALIZER << 3 | 2);
    put_varint(&graph, tensor.n + N * N * sizeof *w);
    memcpy(graph.b + graph.n, tensor.b, tensor.n);
    graph.n += tensor.n;
    struct bytes empty = {.n = 0};
    head = model_of(&empty, 17);
    head.n -= 2; /* the empty graph */
    put_varint(&head, MODEL_GRAPH << 3 | 2);
    put_varint(&head, graph.n + N * N * sizeof *w);
    snprintf(path, sizeof path, "%s/large.onnx", tap_tmpdir());
    FILE *f = fopen(path, "wb");
    fwrite(head.b, 1, head.n, f);
    fwrite(graph.b, 1, graph.n, f);
    fwrite(w, sizeof *w, N * N, f);
    fclose(f);
    check_ok(mlo_plan_open(path, NULL, &p, &err), &err);
    const struct mlo_graph *g = mlo_plan_model(p)->graph;
    const struct mlo_array *a = NULL;
    for (size_t i = 0; i < g->n_values; i++)
        a = g->values[i].constant ? g->values[i].constant : a;
    uintptr_t from = ((uintptr_t)a->data + (uintptr_t)page - 1) / (uintptr_t)page * (uintptr_t)page;
    check_int(mincore((void *)from, n * (size_t)page, resident), 0);
    for (size_t i = 0; i < n; i++)
        kept += resident[i] & 1;
    check_int(kept, 0);
    mlo_plan_free(p);
    free(w);
}

/* In a file, of the weights that are packed and of those that are not. */
static void weights_at_all_alignments_are_read(void)
{
    enum { N = 64 };
    static float w[N * N], x[N];
    struct mlo_err err = MLO_ERR_INIT;
    char path[4096];
    for (unsigned pad = 1; pad < 9; pad++) { /* names of all lengths: weights at all alignments */
        const char *name = &"padding8"[8 - pad];
        struct bytes g = {.n = 0}, product = node("MatMul", "x", "p"), sum = node("Add", "p", "y");
        const struct mlo_value *out;
        struct mlo_session *s = NULL;
        struct mlo_plan *p = NULL;
        put_port(&g, GRAPH_INPUT, "x");
        fill(w, N * N);
        put_floats(&g, name, w, (int64_t[]){N, N}, 2);
        put_floats(&g, "shown", w, (int64_t[]){N, N}, 2);
        put_input(&product, name);
        put_input(&sum, "shown");
        put(&g, GRAPH_NODE, &product);
        put(&g, GRAPH_NODE, &sum);
        put_port(&g, GRAPH_OUTPUT, "y");
        struct bytes m = model_of(&g, 20);
        snprintf(path, sizeof path, "%s/m.onnx", tap_tmpdir());
        FILE *f = fopen(path, "wb");
        check(f && fwrite(m.b, 1, m.n, f) == m.n && fclose(f) == 0, "written");
        check_ok(mlo_plan_open(path, NULL, &p, &err), &err);
        check_ok(mlo_session_new(p, &s, &err), &err);
        fill(x, N);
        struct mlo_value in = {.kind = MLO_KIND_ARRAY,
                               .array = {.dtype = MLO_DT_F32, .rank = 2, .dims = {1, N}, .n = N, .data = x}};
        check_ok(mlo_session_run(s, &in, 1, &out, &err), &err);
        const float *y = out[0].array.data;
        for (size_t j = 0; j < N; j++) {
            double want = (double)w[7 * N + j];
            for (size_t k = 0; k < N; k++)
                want += (double)x[k] * (double)w[k * N + j];
            if (!check(fabs((double)y[7 * N + j] - want) < 1e-3, "%g, not %g", (double)y[7 * N + j], want))
                break;
        }
        mlo_session_free(s);
        mlo_plan_free(p);
    }
}

static int make_a_fused_plan(void)
{
    static const float w[] = {1, 2, 3, 4};
    struct bytes g = {.n = 0}, product = node("MatMul", "x", "p");
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_onnx_model *model = NULL;
    struct mlo_plan *p = NULL;
    put_input(&product, "w");
    put_port(&g, GRAPH_INPUT, "x");
    put_floats(&g, "w", w, (int64_t[]){2, 2}, 2);
    put(&g, GRAPH_NODE, &product);
    put_node(&g, "Relu", "p", "y");
    put_port(&g, GRAPH_OUTPUT, "y");
    struct bytes m = model_of(&g, 20);
    int rc = mlo_onnx_parse(m.b, m.n, -1, &model, &err);
    if (rc == 0)
        rc = mlo_plan_new(model, NULL, &p, &err);
    mlo_plan_free(p);
    return rc;
}

static void memory_failures_are_errors(void)
{
    each_alloc_failure(make_a_fused_plan);
    each_alloc_failure(make_a_block);
    each_alloc_failure(make_joined);
}

int main(void)
{
    run(dense_layers_are_one_step);
    run(products_of_halves_are_one_step);
    run(what_others_use_stays);
    run(gelu_is_one_step);
    run(gelu_with_tanh_is_one_step);
    run(normalisation_is_one_step_with_the_sum_before_it);
    run(products_of_one_input_are_joined_bit_by_bit);
    run(constants_that_are_still_needed_stay);
    run(packed_weights_leave_the_file);
    run(weights_at_all_alignments_are_read);
    run(memory_failures_are_errors);
    return done_testing();
}
