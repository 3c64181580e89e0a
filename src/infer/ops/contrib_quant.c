/*
 * com.microsoft: quantised operators. Those of bytes are made of ONNX's; weights of MatMulNBits become
 * floats, once when they are constant.
 */
#include <string.h>

#include "chain.h"

/* ---- QLinear*: to floats, the operator, and back ---- */

static const struct mlo_value *dequantized(struct mlo_chain *ch, size_t i)
{
    return mlo_chain_then(ch,
                          &(const struct mlo_chain_step){
                              .op = "DequantizeLinear",
                              .in = {mlo_chain_in(ch, i), mlo_chain_in(ch, i + 1), mlo_chain_in(ch, i + 2)}});
}

/* With the scale that is input i and the zero point behind it, of the type of input `like`. */
static struct mlo_chain_step quantizing(const struct mlo_chain *ch, const struct mlo_value *x, size_t i,
                                        size_t like, struct mlo_attr *type)
{
    const struct mlo_array *a = mlo_in(ch->c, like);
    *type = (struct mlo_attr){
        .name = "output_dtype", .kind = MLO_ATTR_INT, .i = a && a->dtype == MLO_DT_I8 ? 3 : 2};
    return (struct mlo_chain_step){
        "QuantizeLinear", type, 1, {x, mlo_chain_in(ch, i), mlo_chain_in(ch, i + 1)}, 1};
}

static void quantize_last(struct mlo_chain *ch, const struct mlo_value *x, size_t i)
{
    struct mlo_attr type;
    const struct mlo_chain_step l = quantizing(ch, x, i, 0, &type);
    mlo_chain_last(ch, &l);
}

static int run_qlinear_binary(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_chain ch = {.c = c, .err = err};
    const struct mlo_value *a = dequantized(&ch, 0), *b = dequantized(&ch, 3);
    quantize_last(&ch, mlo_chain_of(&ch, c->how, a, b), 6);
    return mlo_chain_end(&ch);
}

static int run_qlinear_unary(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_chain ch = {.c = c, .err = err};
    if (mlo_attr_int(c->node, "channels_last", 0) != 0)
        return mlo_fail(err, MLO_EUNAVAIL, "channels_last is not supported");
    if (mlo_attr_int(c->node, "opset", MLO_CHAIN_VERSION) < 13)
        return mlo_fail(err, MLO_EUNAVAIL, "the form of before version 13 is not supported");
    const struct mlo_chain_step l = {c->how, c->node->attrs, c->node->n_attrs, {dequantized(&ch, 0)}, 1};
    quantize_last(&ch, mlo_chain_then(&ch, &l), 3);
    return mlo_chain_end(&ch);
}

#define PARTS_MAX (MLO_CHAIN_MAX / 2)

/* Scale and zero point of the result, then three inputs for each part. */
static int run_qlinear_concat(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_chain ch = {.c = c, .err = err};
    struct mlo_array parts[PARTS_MAX];
    size_t n = c->n_in >= 2 ? (c->n_in - 2) / 3 : 0;
    unsigned axis = 0;
    if (n == 0 || n > PARTS_MAX || c->n_in != 2 + 3 * n)
        return mlo_op_refuse(c, err, "%zu parts", n);
    for (size_t i = 0; ch.rc == 0 && i < n; i++) {
        struct mlo_attr type;
        const struct mlo_chain_step l = quantizing(&ch, dequantized(&ch, 2 + 3 * i), 0, 2, &type);
        const struct mlo_value *part = mlo_chain_then(&ch, &l);
        if (part)
            parts[i] = part->array;
    }
    if (ch.rc == 0)
        ch.rc = mlo_axis(mlo_attr_int(c->node, "axis", 1), parts[0].rank, &axis, err);
    if (ch.rc == 0)
        ch.rc = mlo_out_joined(c, 0, parts, n, axis, err);
    return mlo_chain_end(&ch);
}

/* ---- products of bytes, scaled to floats ---- */

static const struct mlo_value *as_float(struct mlo_chain *ch, const struct mlo_value *x)
{
    static const struct mlo_attr to_float = {.name = "to", .kind = MLO_ATTR_INT, .i = 1};
    return mlo_chain_then(ch, &(const struct mlo_chain_step){"Cast", &to_float, 1, {x}, 1});
}

static const struct mlo_value *sums_of(struct mlo_chain *ch, const struct mlo_value *a,
                                       const struct mlo_value *b, const struct mlo_value *a_zero,
                                       const struct mlo_value *b_zero)
{
    return mlo_chain_then(
        ch, &(const struct mlo_chain_step){.op = "MatMulInteger", .in = {a, b, a_zero, b_zero}});
}

/* Sums times both scales, plus the bias that is input i, as output 0. */
static int give_scaled(struct mlo_chain *ch, const struct mlo_value *sums, const struct mlo_value *a_scale,
                       const struct mlo_value *b_scale, size_t bias_i)
{
    const struct mlo_value *bias = mlo_chain_in(ch, bias_i), *floats = as_float(ch, sums),
                           *scale = mlo_chain_of(ch, "Mul", a_scale, b_scale);
    const struct mlo_chain_step scaled = {.op = "Mul", .in = {floats, scale}};
    if (bias)
        mlo_chain_last(
            ch, &(const struct mlo_chain_step){.op = "Add", .in = {mlo_chain_then(ch, &scaled), bias}});
    else
        mlo_chain_last(ch, &scaled);
    return mlo_chain_end(ch);
}

static int run_dynamic_matmul(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_chain ch = {.c = c, .err = err};
    const struct mlo_value *a = mlo_chain_then(
        &ch, &(const struct mlo_chain_step){
                 .op = "DynamicQuantizeLinear", .in = {mlo_chain_in(&ch, 0)}, .n_out = 3});
    if (!a)
        return mlo_chain_end(&ch);
    const struct mlo_value *sums = sums_of(&ch, &a[0], mlo_chain_in(&ch, 1), &a[2], mlo_chain_in(&ch, 3));
    return give_scaled(&ch, sums, &a[1], mlo_chain_in(&ch, 2), 4);
}

static int run_matmul_to_float(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_chain ch = {.c = c, .err = err};
    const struct mlo_value *sums = sums_of(&ch, mlo_chain_in(&ch, 0), mlo_chain_in(&ch, 1),
                                           mlo_chain_in(&ch, 4), mlo_chain_in(&ch, 5));
    return give_scaled(&ch, sums, mlo_chain_in(&ch, 2), mlo_chain_in(&ch, 3), 6);
}

/* Inputs: a, its scale and zero point, b the same, c of sums, scale and zero point of the result (none:
 * floats). */
static int run_qgemm(struct mlo_op_call *c, struct mlo_err *err)
{
    static const char *const names[] = {"transA", "transB"};
    struct mlo_chain ch = {.c = c, .err = err};
    const struct mlo_value *m[2] = {mlo_chain_in(&ch, 0), mlo_chain_in(&ch, 3)}, *alpha = NULL;
    for (size_t i = 0; i < 2; i++)
        if (mlo_attr_int(c->node, names[i], 0) != 0)
            m[i] = mlo_chain_of(&ch, "Transpose", m[i], NULL);
    const struct mlo_value *sums = sums_of(&ch, m[0], m[1], mlo_chain_in(&ch, 2), mlo_chain_in(&ch, 5));
    if (mlo_in(c, 6))
        sums = mlo_chain_of(&ch, "Add", sums, mlo_chain_in(&ch, 6));
    struct mlo_array *number = mlo_chain_array(&ch, MLO_DT_F32, NULL, 0, &alpha);
    if (number)
        *(float *)number->data = mlo_attr_float(c->node, "alpha", 1);
    const struct mlo_value *scale = mlo_chain_of(&ch, "Mul", mlo_chain_in(&ch, 1), mlo_chain_in(&ch, 4));
    scale = mlo_chain_of(&ch, "Mul", scale, alpha);
    const struct mlo_chain_step scaled = {.op = "Mul", .in = {as_float(&ch, sums), scale}};
    if (mlo_in(c, 7))
        quantize_last(&ch, mlo_chain_then(&ch, &scaled), 7);
    else
        mlo_chain_last(&ch, &scaled);
    return mlo_chain_end(&ch);
}

/* ---- MatMulNBits: weights of 2, 4 or 8 bits with a scale and a zero point for each block of a column ----
 */

struct n_bits {
    size_t k, n, block, blocks; /* blocks of a column */
    unsigned bits;
};

static int read_n_bits(const struct mlo_node *node, struct n_bits *q, struct mlo_err *err)
{
    int64_t k = mlo_attr_int(node, "K", 0), n = mlo_attr_int(node, "N", 0),
            block = mlo_attr_int(node, "block_size", 0), bits = mlo_attr_int(node, "bits", 4);
    if ((bits != 2 && bits != 4 && bits != 8) || k < 1 || n < 1 || k > INT32_MAX || n > INT32_MAX ||
        block < 16 || block > 65536 || (block & (block - 1)) != 0)
        return mlo_fail(err, MLO_EUNAVAIL, "blocks of %lld numbers of %lld bits are not supported",
                        (long long)block, (long long)bits);
    *q = (struct n_bits){(size_t)k, (size_t)n, (size_t)block, ((size_t)k - 1) / (size_t)block + 1,
                         (unsigned)bits};
    return 0;
}

/* Number i of a row of packed ones, from the low bits of the first byte on. */
static unsigned unpack(const uint8_t *row, size_t i, unsigned bits)
{
    return row[i * bits / 8] >> (i * bits % 8) & ((1U << bits) - 1);
}

/* Zero points are packed like the weights, one row for each column, or numbers of the scales' type. */
static int check_n_bits(const struct n_bits *q, const struct mlo_array *w, const struct mlo_array *scales,
                        const struct mlo_array *zeros, struct mlo_err *err)
{
    size_t of_zeros = zeros && zeros->dtype == MLO_DT_U8 ? (q->blocks * q->bits + 7) / 8 : q->blocks, bytes;
    if (__builtin_mul_overflow(q->n * q->blocks, q->block / 8 * q->bits, &bytes) || w->dtype != MLO_DT_U8 ||
        w->n != bytes || scales->n != q->n * q->blocks || (zeros && zeros->n != q->n * of_zeros))
        return mlo_fail(err, MLO_EINVALID, "weights, scales and zero points do not fit");
    return 0;
}

/* to: [k][n], as MatMul has its right side. */
static void unpack_all(const struct n_bits *q, const struct mlo_array *w, const struct mlo_array *scales,
                       const struct mlo_array *zeros, float *to)
{
    size_t row_bytes = q->blocks * (q->block / 8 * q->bits), zero_bytes = (q->blocks * q->bits + 7) / 8;
    bool packed = zeros && zeros->dtype == MLO_DT_U8;
    for (size_t j = 0; j < q->n; j++)
        for (size_t b = 0; b < q->blocks; b++) {
            double scale = 0, zero = 1U << (q->bits - 1);
            mlo_dtype_to_double(scales->dtype, scales->data, j * q->blocks + b, &scale);
            if (packed)
                zero = unpack((const uint8_t *)zeros->data + j * zero_bytes, b, q->bits);
            else if (zeros)
                mlo_dtype_to_double(zeros->dtype, zeros->data, j * q->blocks + b, &zero);
            for (size_t i = b * q->block; i < q->k && i < (b + 1) * q->block; i++) {
                unsigned v = unpack((const uint8_t *)w->data + j * row_bytes, i, q->bits);
                to[i * q->n + j] = ((float)v - (float)zero) * (float)scale;
            }
        }
}

/* The weights as floats, when they are known already. */
static int prepare_n_bits(const struct mlo_op_prepare *p, void **ret_state, struct mlo_err *err)
{
    const struct mlo_array *w = p->n_in > 2 ? p->constant[1] : NULL, *scales = w ? p->constant[2] : NULL,
                           *zeros = p->n_in > 3 ? p->constant[3] : NULL;
    bool zeros_later = p->n_in > 3 && p->node->n_inputs > 3 && p->node->inputs[3] != MLO_NO_VALUE && !zeros;
    struct n_bits q;
    int rc = read_n_bits(p->node, &q, err);
    if (rc != 0 || !scales || zeros_later)
        return rc;
    rc = check_n_bits(&q, w, scales, zeros, err);
    float *floats = rc == 0 ? mlo_calloc(q.k * q.n, sizeof *floats, err) : NULL;
    if (!floats)
        return rc == 0 ? err->code : rc;
    unpack_all(&q, w, scales, zeros, floats);
    *ret_state = floats;
    return 0;
}

static int weights_now(struct mlo_op_call *c, const struct n_bits *q, const float **ret, struct mlo_err *err)
{
    const struct mlo_array *w, *scales;
    void *memory;
    *ret = c->state;
    if (c->state)
        return 0;
    int rc = mlo_in_array(c, 1, &w, err);
    if (rc == 0)
        rc = mlo_in_array(c, 2, &scales, err);
    if (rc == 0)
        rc = check_n_bits(q, w, scales, mlo_in(c, 3), err);
    if (rc == 0)
        rc = mlo_scratch(c, q->k * q->n, sizeof(float), &memory, err);
    if (rc != 0)
        return rc;
    unpack_all(q, w, scales, mlo_in(c, 3), memory);
    *ret = memory;
    return 0;
}

static int run_n_bits(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a, *bias = mlo_in(c, 5);
    struct mlo_array left, right, shape, *out;
    struct n_bits q;
    const float *weights;
    const void *data, *add = NULL;
    float *y;
    int rc = read_n_bits(c->node, &q, err);
    if (rc == 0 && mlo_in(c, 4))
        rc = mlo_fail(err, MLO_EUNAVAIL, "g_idx is not supported");
    if (rc == 0)
        rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0 && (!mlo_computed_as_float(a->dtype) || a->rank < 1 || (size_t)a->dims[a->rank - 1] != q.k ||
                    (bias && bias->n != q.n)))
        rc = mlo_op_refuse(c, err, "an input or a bias that does not fit");
    if (rc == 0)
        rc = weights_now(c, &q, &weights, err);
    if (rc == 0)
        rc = mlo_as_type(c, a, MLO_DT_F32, &data, err);
    if (rc == 0 && bias)
        rc = mlo_as_type(c, bias, MLO_DT_F32, &add, err);
    if (rc != 0)
        return rc;
    left = *a;
    left.dtype = MLO_DT_F32;
    left.data = (void *)(uintptr_t)data;
    right = (struct mlo_array){
        .dtype = MLO_DT_F32, .rank = 2, .dims = {(int64_t)q.k, (int64_t)q.n}, .n = q.k * q.n};
    right.data = (void *)(uintptr_t)weights;
    rc = mlo_product_shape(c, &left, &right, &shape, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, a->dtype, shape.dims, shape.rank, &out, err);
    if (rc == 0 && out)
        rc = mlo_out_floats(c, out, &y, err);
    if (rc != 0 || !out)
        return rc;
    shape.data = y;
    rc = mlo_product(c, &left, &right, &shape, err);
    for (size_t i = 0; rc == 0 && add && i < shape.n; i++)
        y[i] += ((const float *)add)[i % q.n];
    return rc == 0 ? mlo_from_floats(y, out, err) : rc;
}

static const struct mlo_op ops[] = {
    {.name = "QLinearAdd", .since = 1, .run = run_qlinear_binary, .how = "Add"},
    {.name = "QLinearMul", .since = 1, .run = run_qlinear_binary, .how = "Mul"},
    {.name = "QLinearSigmoid", .since = 1, .run = run_qlinear_unary, .how = "Sigmoid"},
    {.name = "QLinearLeakyRelu", .since = 1, .run = run_qlinear_unary, .how = "LeakyRelu"},
    {.name = "QLinearSoftmax", .since = 1, .run = run_qlinear_unary, .how = "Softmax"},
    {.name = "QLinearAveragePool", .since = 1, .run = run_qlinear_unary, .how = "AveragePool"},
    {.name = "QLinearGlobalAveragePool", .since = 1, .run = run_qlinear_unary, .how = "GlobalAveragePool"},
    {.name = "QLinearConcat", .since = 1, .run = run_qlinear_concat},
    {.name = "DynamicQuantizeMatMul", .since = 1, .run = run_dynamic_matmul},
    {.name = "MatMulIntegerToFloat", .since = 1, .run = run_matmul_to_float},
    {.name = "QGemm", .since = 1, .run = run_qgemm},
    {.name = "MatMulNBits", .since = 1, .run = run_n_bits, .prepare = prepare_n_bits},
};
const struct mlo_op_family mlo_ops_contrib_quant = {"com.microsoft", ops, MLO_COUNT(ops)};
