/*
 * QLinearMatMul, QGemm and QLinearAdd on a device that is this CPU: random layers of every type of bytes,
 * with and without zero points, scales of columns, sums and a type of the result, answer what the CPU does,
 * to the bit.
 */
#define MODEL_BYTES 65536
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/infer.h>

#include "model_help.h"
#include "tap.h"

#define ROWS_MOST  70
#define WIDTH_MOST 80
enum { UINT8 = 2, INT8 = 3, INT32 = 6, DOMAIN = 1, VERSION = 2 }; /* of ONNX */

const struct mlo_device_api *mlo_device_plugin(uint32_t abi);

static unsigned state = 5;

static unsigned draw(unsigned n)
{
    state = state * 1103515245U + 12345U;
    return (state >> 16) % n;
}

/* ---- models ---- */

static void put_raw(struct bytes *g, const char *name, int type, const void *v, size_t size,
                    const int64_t *dims, unsigned rank)
{
    struct bytes t = {.n = 0};
    for (unsigned i = 0; i < rank; i++) {
        put_number(&t, TENSOR_DIMS, (uint64_t)dims[i]);
        size *= (size_t)dims[i];
    }
    put_number(&t, TENSOR_TYPE, (uint64_t)type);
    put_text(&t, TENSOR_NAME, name);
    put_bytes(&t, TENSOR_RAW, v, size);
    put(g, GRAPH_INITIALIZER, &t);
}

static void put_random_bytes(struct bytes *g, const char *name, int type, const int64_t *dims, unsigned rank)
{
    uint8_t v[WIDTH_MOST * WIDTH_MOST];
    for (size_t i = 0; i < sizeof v; i++)
        v[i] = (uint8_t)draw(256);
    put_raw(g, name, type, v, 1, dims, rank);
}

static void put_scales(struct bytes *g, const char *name, float about, int64_t n)
{
    float v[WIDTH_MOST];
    for (int64_t i = 0; i < n; i++)
        v[i] = about * (0.5F + (float)draw(1000) / 1000);
    put_floats(g, name, v, &n, n > 1);
}

/* NAME_s and NAME_z. */
static void put_how(struct bytes *g, const char *name, int type, float scale, int64_t columns)
{
    char s[16], z[16];
    snprintf(s, sizeof s, "%s_s", name);
    snprintf(z, sizeof z, "%s_z", name);
    put_scales(g, s, scale, columns);
    put_random_bytes(g, z, type, &columns, columns > 1);
}

static struct bytes node_of(const char *domain, const char *op, const char *const *in, size_t n,
                            const char *out)
{
    struct bytes b = node(op, in[0], out);
    for (size_t i = 1; i < n; i++)
        put_input(&b, in[i]);
    if (domain)
        put_text(&b, NODE_DOMAIN, domain);
    return b;
}

static int some_type(void)
{
    return draw(2) ? UINT8 : INT8;
}

static void begin(struct bytes *g, int type)
{
    static const char *const in[] = {"x", "a_s", "a_z"};
    struct bytes n = node_of(NULL, "QuantizeLinear", in, 3, "a");
    put_port(g, GRAPH_INPUT, "x");
    put_how(g, "a", type, 0.02F, 1);
    put(g, GRAPH_NODE, &n);
}

/* y, of bytes, becomes the output. */
static void end(struct bytes *g)
{
    static const char *const in[] = {"y", "y_s", "y_z"};
    struct bytes n = node_of(NULL, "DequantizeLinear", in, 3, "out");
    put(g, GRAPH_NODE, &n);
    put_port(g, GRAPH_OUTPUT, "out");
}

/* Weights w of k rows and n columns, or turned. */
static void put_weights(struct bytes *g, int64_t k, int64_t n, bool turned)
{
    int type = some_type();
    const int64_t dims[2] = {turned ? n : k, turned ? k : n};
    put_random_bytes(g, "w", type, dims, 2);
    put_how(g, "w", type, 0.01F, draw(2) ? n : 1);
}

static void put_matmul(struct bytes *g, int64_t k, int64_t n)
{
    static const char *const in[] = {"a", "a_s", "a_z", "w", "w_s", "w_z", "y_s", "y_z"};
    struct bytes b = node_of(NULL, "QLinearMatMul", in, MLO_COUNT(in), "y");
    begin(g, some_type());
    put_weights(g, k, n, false);
    put_how(g, "y", some_type(), 0.3F, 1);
    put(g, GRAPH_NODE, &b);
    end(g);
}

static void put_gemm(struct bytes *g, int64_t k, int64_t n)
{
    const char *in[] = {"a", "a_s", "a_z", "w", "w_s", "w_z", draw(4) ? "c" : "", "y_s", "y_z"};
    bool bytes = draw(4), turned = draw(2), one = draw(3) == 0;
    int type = some_type();
    int32_t c[WIDTH_MOST];
    struct bytes b = node_of("com.microsoft", "QGemm", in, bytes ? 9 : 7, bytes ? "y" : "out");
    put_attr_int(&b, "transB", turned);
    put_attr_float(&b, "alpha", draw(2) ? 1 : 0.7F);
    for (size_t i = 0; i < WIDTH_MOST; i++)
        c[i] = (int32_t)draw(60000) - 30000;
    begin(g, type);
    put_weights(g, k, n, turned);
    put_raw(g, "c", INT32, c, sizeof *c, one ? &(int64_t){1} : &n, 1);
    put(g, GRAPH_NODE, &b);
    if (!bytes) {
        put_port(g, GRAPH_OUTPUT, "out");
        return;
    }
    put_how(g, "y", type, 0.3F, 1);
    end(g);
}

/* What a product has made, p, and a row of constants, on either side, or what came into the product. */
static void put_sum(struct bytes *g, int64_t k)
{
    static const char *const product[] = {"a", "a_s", "a_z", "w", "w_s", "w_z", "p_s", "p_z"};
    static const char *const orders[3][6] = {{"p", "p_s", "p_z", "b", "b_s", "b_z"},
                                             {"b", "b_s", "b_z", "p", "p_s", "p_z"},
                                             {"p", "p_s", "p_z", "a", "a_s", "a_z"}};
    const char *in[8] = {NULL, NULL, NULL, NULL, NULL, NULL, "y_s", "y_z"};
    unsigned order = draw(3);
    int types[2] = {some_type(), some_type()};
    memcpy(in, orders[order], sizeof orders[order]);
    struct bytes b = node_of("com.microsoft", "QLinearAdd", in, 8, "y"),
                 m = node_of(NULL, "QLinearMatMul", product, 8, "p");
    begin(g, some_type());
    put_weights(g, k, k, false);
    put_how(g, "p", types[0], 0.3F, 1);
    put_random_bytes(g, "b", types[1], draw(3) ? &k : &(int64_t){1}, 1);
    put_how(g, "b", types[1], 0.3F, 1);
    put_how(g, "y", types[order == 1], 0.4F, 1);
    put(g, GRAPH_NODE, &m);
    put(g, GRAPH_NODE, &b);
    end(g);
}

static struct bytes both_domains(const struct bytes *graph)
{
    struct bytes m = {.n = 0};
    static const char *const domains[] = {"", "com.microsoft"};
    put_number(&m, MODEL_IR, 9);
    put(&m, MODEL_GRAPH, graph);
    for (size_t i = 0; i < 2; i++) {
        struct bytes o = {.n = 0};
        put_text(&o, DOMAIN, domains[i]);
        put_number(&o, VERSION, i == 0 ? 17 : 1);
        put(&m, MODEL_OPSET, &o);
    }
    return m;
}

/* ---- both sides ---- */

static int session_of(const struct bytes *m, bool on_device, struct mlo_plan **plan, struct mlo_session **s,
                      struct mlo_err *err)
{
    const struct mlo_offload_opts on = {.api = mlo_device_plugin(MLO_DEVICE_ABI), .must = true};
    struct mlo_onnx_model *model = NULL;
    int rc = mlo_onnx_parse(m->b, m->n, -1, &model, err);
    if (rc == 0)
        rc = mlo_plan_new(model, NULL, plan, err);
    if (rc == 0 && on_device)
        rc = mlo_plan_offload(*plan, &on, err);
    return rc == 0 ? mlo_session_new(*plan, s, err) : rc;
}

static struct mlo_value rows_of(float *x, int64_t rows, int64_t k)
{
    for (int64_t i = 0; i < rows * k; i++)
        x[i] = ((float)draw(4001) - 2000) / 500;
    return (struct mlo_value){
        .kind = MLO_KIND_ARRAY,
        .array = {.dtype = MLO_DT_F32, .rank = 2, .dims = {rows, k}, .n = (size_t)(rows * k), .data = x}};
}

static void same(const struct bytes *graph, int64_t k, const char *what)
{
    static const int64_t rows[] = {1, 5, 9, ROWS_MOST};
    static float x[ROWS_MOST * WIDTH_MOST];
    const struct bytes m = both_domains(graph);
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_plan *plans[2] = {NULL, NULL};
    struct mlo_session *s[2] = {NULL, NULL};
    bool ok = true;
    for (int i = 0; i < 2; i++)
        ok = ok && check(session_of(&m, i == 1, &plans[i], &s[i], &err) == 0, "%s: %s", what, err.msg);
    for (size_t i = 0; ok && i < MLO_COUNT(rows); i++) {
        const struct mlo_value in = rows_of(x, rows[i], k), *want, *got;
        ok = check(mlo_session_run(s[0], &in, 1, &want, &err) == 0 &&
                       mlo_session_run(s[1], &in, 1, &got, &err) == 0,
                   "%s, %d rows: %s", what, (int)rows[i], err.msg);
        size_t bytes = ok ? want->array.n * sizeof(float) : 0;
        ok = ok && check(mlo_array_same_shape(&want->array, &got->array) &&
                             memcmp(want->array.data, got->array.data, bytes) == 0,
                         "%s, %d rows: others", what, (int)rows[i]);
    }
    for (int i = 0; i < 2; i++) {
        mlo_session_free(s[i]);
        mlo_plan_free(plans[i]);
    }
}

static const int64_t sizes[][2] = {{24, 40}, {13, 7}, {16, 16}, {64, 80}, {33, 1}, {1, 5}};

static void products_are_the_cpus(void)
{
    for (int i = 0; i < 24; i++) {
        const int64_t *kn = sizes[i % 6];
        struct bytes g = {.n = 0};
        put_matmul(&g, kn[0], kn[1]);
        same(&g, kn[0], "QLinearMatMul");
    }
}

static void gemms_are_the_cpus(void)
{
    for (int i = 0; i < 36; i++) {
        const int64_t *kn = sizes[i % 6];
        struct bytes g = {.n = 0};
        put_gemm(&g, kn[0], kn[1]);
        same(&g, kn[0], "QGemm");
    }
}

static void sums_are_the_cpus(void)
{
    for (int i = 0; i < 24; i++) {
        struct bytes g = {.n = 0};
        put_sum(&g, sizes[i % 6][0]);
        same(&g, sizes[i % 6][0], "QLinearAdd");
    }
}

/* ---- what stays on the CPU ---- */

static void made_weights_stay_on_the_cpu(void)
{
    static const char *const in[] = {"a", "a_s", "a_z", "a", "a_s", "a_z", "y_s", "y_z"};
    struct bytes g = {.n = 0}, b = node_of(NULL, "QLinearMatMul", in, MLO_COUNT(in), "y");
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_plan *p = NULL;
    struct mlo_session *s = NULL;
    begin(&g, UINT8);
    put_how(&g, "y", UINT8, 0.3F, 1);
    put(&g, GRAPH_NODE, &b);
    end(&g);
    const struct bytes m = both_domains(&g);
    check_int(session_of(&m, true, &p, &s, &err), MLO_EUNAVAIL);
    mlo_session_free(s);
    mlo_plan_free(p);
}

static int use_layers(void)
{
    static float x[ROWS_MOST * WIDTH_MOST];
    int rc = 0;
    for (unsigned kind = 0; rc == 0 && kind < 2; kind++) {
        struct mlo_err err = MLO_ERR_INIT;
        struct mlo_plan *p = NULL;
        struct mlo_session *s = NULL;
        struct bytes g = {.n = 0};
        const struct mlo_value *out;
        state = 9; /* the same model each time */
        if (kind == 0)
            put_gemm(&g, 13, 7);
        else
            put_sum(&g, 13);
        const struct bytes m = both_domains(&g);
        const struct mlo_value in = rows_of(x, 3, 13);
        rc = session_of(&m, true, &p, &s, &err);
        if (rc == 0)
            rc = mlo_session_run(s, &in, 1, &out, &err);
        mlo_session_free(s);
        mlo_plan_free(p);
    }
    return rc == MLO_EUNAVAIL ? MLO_EIO : rc; /* memory that the device is missing */
}

static void memory_may_be_missing(void)
{
    check(each_alloc_failure(use_layers) > 0);
}

int main(void)
{
    run(products_are_the_cpus);
    run(gemms_are_the_cpus);
    run(sums_are_the_cpus);
    run(made_weights_stay_on_the_cpu);
    run(memory_may_be_missing);
    return done_testing();
}
