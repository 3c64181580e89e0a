/*
 * Operators of bytes on a device: QLinearMatMul, and of com.microsoft QGemm and QLinearAdd. What is between
 * two bytes are sums or floats, which are the CPU's to the bit, and so are the bytes.
 */
#include <string.h>

#include <mlopsctl/base/dtype.h>

#include "infer/ops/int8.h"
#include "lower.h"

static const struct mlo_array *constant(const struct mlo_plan_graph *g, const struct mlo_step *s, size_t i)
{
    return mlo_lower_constant(g, i < s->n_in ? s->in[i] : MLO_NO_VALUE);
}

static bool has(const struct mlo_step *s, size_t i)
{
    return i < s->n_in && s->in[i] != MLO_NO_VALUE;
}

/* A constant scale is input i, a constant zero point the next one. */
static bool is_plain(const struct mlo_plan_graph *g, const struct mlo_step *s, size_t i)
{
    const struct mlo_array *zero = constant(g, s, i + 1);
    return zero && mlo_lower_is_plain(constant(g, s, i), zero);
}

static enum mlo_dtype type_at(const struct mlo_plan_graph *g, const struct mlo_step *s, size_t i)
{
    return constant(g, s, i)->dtype;
}

static float scale_at(const struct mlo_plan_graph *g, const struct mlo_step *s, size_t i)
{
    return *(const float *)constant(g, s, i)->data;
}

/* The device's bytes of input i, which are those that its zero point, input `zero`, belongs to. */
static uint32_t bytes_at(struct mlo_lower *l, const struct mlo_step *s, size_t i, size_t zero)
{
    if (mlo_lower_shape(l, s, i)->dtype == type_at(l->o->graph, s, zero))
        return mlo_lower_bytes_of(l, s->in[i]);
    l->why = "its zero point is of another type";
    return MLO_DEVICE_NO_BUFFER;
}

/* Number `how` of the step's weights says how. */
static bool quantize(struct mlo_lower *l, const struct mlo_step *s, uint32_t floats, size_t n, size_t how)
{
    uint32_t to = mlo_lower_temporary(l, MLO_DEVICE_I8, n);
    l->buffer_of[s->out[0]] = to;
    return mlo_lower_step(l, &(struct mlo_device_step){.op = MLO_DEVICE_QUANTIZE,
                                                       .buffer = {floats, mlo_lower_weight(l, how), to},
                                                       .size = {1, (uint32_t)n, 1}});
}

/* ---- products ---- */

struct product { /* its numbers of inputs; a scale, then a zero point, stand behind what they are of */
    size_t a, b, sum, y_scale; /* sum: what is added to sums; MLO_NO_VALUE: there is no such input */
};
static const struct product matmul = {0, 3, MLO_NO_VALUE, 6}, gemm = {0, 3, 6, 7};

static bool is_gemm(const struct mlo_step *s)
{
    return strcmp(s->node->op, "QGemm") == 0;
}

static const struct product *product_of(const struct mlo_step *s)
{
    return is_gemm(s) ? &gemm : &matmul;
}

static bool transposes(const struct mlo_step *s)
{
    return is_gemm(s) && mlo_attr_int(s->node, "transB", 0) != 0;
}

static bool is_row(const struct mlo_array *a, enum mlo_dtype t, size_t n)
{
    return a && a->dtype == t && (a->n == 1 || (a->n == n && (size_t)a->dims[a->rank - 1] == n));
}

static bool fits_product(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    const struct product *p = product_of(s);
    const struct mlo_array *w = constant(g, s, p->b), *zero = constant(g, s, p->b + 2);
    *ret_why = "it has not one constant scale and zero point of bytes on its left";
    if (!is_plain(g, s, p->a + 1) || (is_gemm(s) && mlo_attr_int(s->node, "transA", 0) != 0))
        return false;
    *ret_why = "its weights are no constant matrix of bytes";
    if (has(s, p->b + 2) != (zero != NULL) || !mlo_int8_fits(w, zero, transposes(s)))
        return false;
    size_t n = (size_t)w->dims[transposes(s) ? 0 : 1];
    const struct mlo_array *scale = constant(g, s, p->b + 1);
    *ret_why = "the scales of its weights are no constants, one or one a column";
    if (!is_row(scale, MLO_DT_F32, n) || scale->rank > 1)
        return false;
    *ret_why = "what is added to its sums is no constant row";
    if (has(s, p->sum) && !is_row(constant(g, s, p->sum), MLO_DT_I32, n))
        return false;
    *ret_why = "it has not one constant scale and zero point of its result";
    return (is_gemm(s) && !has(s, p->y_scale)) ||
           (is_plain(g, s, p->y_scale) &&
            (!is_gemm(s) || type_at(g, s, p->y_scale + 1) == type_at(g, s, p->a + 2)));
}

/* What a sum is multiplied by, in the order of the CPU. */
static float column_scale(const struct mlo_plan_graph *g, const struct mlo_step *s, size_t column)
{
    const struct product *p = product_of(s);
    const struct mlo_array *scales = constant(g, s, p->b + 1);
    float both = scale_at(g, s, p->a + 1) * ((const float *)scales->data)[scales->n > 1 ? column : 0];
    return is_gemm(s) ? both * mlo_attr_float(s->node, "alpha", 1) : both / scale_at(g, s, p->y_scale);
}

/*
 * The device makes sum - sums[column] zero - zeros[column] (row - k zero), where `row` is the sum of a row of
 * bytes. It is told that zero is 1, and the sums of columns hold the rest, and what is added: all of it is
 * whole numbers that wrap around.
 */
static int32_t folded_sum(const struct mlo_int8_weights *w, size_t column, uint32_t zero, uint32_t added)
{
    uint32_t v = (uint32_t)w->sums[column] * zero - added;
    if (w->zeros)
        v += (uint32_t)w->zeros[column] * (uint32_t)w->k * (1 - zero);
    return (int32_t)v;
}

static int weigh_columns(const struct mlo_plan_graph *g, const struct mlo_step *s,
                         const struct mlo_int8_weights *from, struct mlo_weights *w, struct mlo_err *err)
{
    const struct product *p = product_of(s);
    const struct mlo_array *added = constant(g, s, p->sum);
    uint32_t zero = (uint32_t)(int32_t)mlo_lower_zero(constant(g, s, p->a + 2));
    float *scales;
    int32_t *sums;
    int rc = mlo_weigh_bytes(from, w, &scales, &sums, err);
    for (size_t i = 0; rc == 0 && i < from->n; i++) {
        int32_t more = added ? ((const int32_t *)added->data)[added->n > 1 ? i : 0] : 0;
        scales[i] = column_scale(g, s, i);
        sums[i] = folded_sum(from, i, zero, (uint32_t)more);
    }
    return rc;
}

/* QLinearMatMul's sums have been divided by the scale of the result already. */
static int weigh_product(const struct mlo_plan_graph *g, const struct mlo_step *s, struct mlo_weights *w,
                         struct mlo_err *err)
{
    const struct product *p = product_of(s);
    struct mlo_int8_weights *from = NULL;
    int rc = mlo_int8_weights_new(constant(g, s, p->b), constant(g, s, p->b + 2), transposes(s), NULL, &from,
                                  err);
    if (rc == 0)
        rc = weigh_columns(g, s, from, w, err);
    if (rc == 0)
        rc = mlo_weigh_how(1, 1, w, err);
    if (rc == 0 && has(s, p->y_scale))
        rc = mlo_weigh_how(is_gemm(s) ? scale_at(g, s, p->y_scale) : 1,
                           mlo_lower_zero(constant(g, s, p->y_scale + 1)), w, err);
    mlo_int8_weights_free(from);
    return rc;
}

/* An array of unsigned bytes has zero points on the device, and so has one whose own are not all 0. */
static bool has_zeros(const struct mlo_array *w, const struct mlo_array *zero)
{
    bool some = w->dtype == MLO_DT_U8;
    for (size_t i = 0; zero && i < zero->n; i++)
        some |= ((const int8_t *)zero->data)[i] != 0;
    return some;
}

static bool emit_product(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct product *p = product_of(s);
    const struct mlo_plan_graph *g = l->o->graph;
    const struct mlo_array *x = mlo_lower_shape(l, s, p->a), *w = constant(g, s, p->b);
    size_t k = (size_t)w->dims[transposes(s) ? 1 : 0], n = (size_t)w->dims[transposes(s) ? 0 : 1];
    uint32_t bytes = bytes_at(l, s, p->a, p->a + 2);
    if (bytes == MLO_DEVICE_NO_BUFFER)
        return false;
    if (x->rank == 0 || (size_t)x->dims[x->rank - 1] != k || x->n == 0)
        return mlo_lower_fail(l, "its matrices do not fit");
    size_t m = x->n / k, next = 3;
    uint32_t none = MLO_DEVICE_NO_BUFFER, y = mlo_lower_temporary(l, MLO_DEVICE_F32, m * n);
    uint32_t zeros = has_zeros(w, constant(g, s, p->b + 2)) ? mlo_lower_weight(l, next++) : none;
    struct mlo_device_step to = {.op = MLO_DEVICE_DENSE_BYTES,
                                 .buffer = {bytes, mlo_lower_weight(l, next), mlo_lower_weight(l, 0),
                                            mlo_lower_weight(l, 1), mlo_lower_weight(l, 2), zeros, none,
                                            mlo_lower_room(l, m, n), y},
                                 .size = {(uint32_t)m, (uint32_t)n, (uint32_t)k, 1}};
    l->buffer_of[s->out[0]] = y;
    return mlo_lower_step(l, &to) && (!has(s, p->y_scale) || quantize(l, s, y, m * n, next + 1));
}

/* ---- sums ---- */

enum { A = 0, B = 3, Y_SCALE = 6 }; /* inputs of QLinearAdd */

static bool fits_sum(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    *ret_why = "it has not one constant scale and zero point of bytes";
    if (!is_plain(g, s, A + 1) || !is_plain(g, s, B + 1) || !is_plain(g, s, Y_SCALE) ||
        type_at(g, s, Y_SCALE + 1) != type_at(g, s, A + 2))
        return false;
    *ret_why = "its constant is not of the type of its zero point";
    for (size_t i = A; i <= B; i += B - A)
        if (constant(g, s, i) && (constant(g, s, i)->n == 0 || type_at(g, s, i) != type_at(g, s, i + 2)))
            return false;
    return true;
}

/* As DequantizeLinear makes them. */
static int weigh_floats(const struct mlo_array *from, float scale, float zero, struct mlo_weights *w,
                        struct mlo_err *err)
{
    float *to;
    int rc = mlo_weight_add(w, MLO_DEVICE_F32, from->n, &to, err);
    for (size_t i = 0; rc == 0 && i < from->n; i++) {
        const struct mlo_array one = {.dtype = from->dtype, .data = (char *)from->data + i};
        to[i] = (mlo_lower_zero(&one) - zero) * scale;
    }
    return rc;
}

/* Of each side how its bytes do, or its floats; of the result. */
static int weigh_sum(const struct mlo_plan_graph *g, const struct mlo_step *s, struct mlo_weights *w,
                     struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = A; rc == 0 && i <= B; i += B - A) {
        float scale = scale_at(g, s, i + 1), zero = mlo_lower_zero(constant(g, s, i + 2));
        rc = constant(g, s, i) ? weigh_floats(constant(g, s, i), scale, zero, w, err)
                               : mlo_weigh_how(scale, zero, w, err);
    }
    return rc == 0
               ? mlo_weigh_how(scale_at(g, s, Y_SCALE), mlo_lower_zero(constant(g, s, Y_SCALE + 1)), w, err)
               : rc;
}

/* The floats of a side, whose weight is number `weight`. */
static uint32_t floats_at(struct mlo_lower *l, const struct mlo_step *s, size_t i, size_t weight)
{
    uint32_t how = mlo_lower_weight(l, weight), bytes;
    if (constant(l->o->graph, s, i))
        return how;
    bytes = bytes_at(l, s, i, i + 2);
    if (bytes == MLO_DEVICE_NO_BUFFER)
        return bytes;
    size_t n = l->buffers[bytes].n;
    uint32_t to = mlo_lower_temporary(l, MLO_DEVICE_F32, n);
    struct mlo_device_step step = {
        .op = MLO_DEVICE_DEQUANTIZE, .buffer = {bytes, how, to}, .size = {1, (uint32_t)n, 1}};
    return mlo_lower_step(l, &step) ? to : MLO_DEVICE_NO_BUFFER;
}

static bool emit_sum(struct mlo_lower *l, const struct mlo_step *s)
{
    size_t first = mlo_lower_repeats(mlo_lower_shape(l, s, A), mlo_lower_shape(l, s, B)) ? A : B;
    size_t second = A + B - first;
    const struct mlo_array *a = mlo_lower_shape(l, s, first), *b = mlo_lower_shape(l, s, second);
    if (!mlo_lower_repeats(a, b) || a->n == 0)
        return mlo_lower_fail(l, "the shapes of its sides do not fit");
    uint32_t x = floats_at(l, s, first, first == A ? 0 : 1), y = floats_at(l, s, second, first == A ? 1 : 0);
    if (x == MLO_DEVICE_NO_BUFFER || y == MLO_DEVICE_NO_BUFFER)
        return false;
    const uint32_t buffer[3] = {x, y, mlo_lower_temporary(l, MLO_DEVICE_F32, a->n)};
    return mlo_lower_add(l, buffer, a->n, b->n) && quantize(l, s, buffer[2], a->n, 2);
}

const struct mlo_lowering mlo_lower_qlinear[MLO_LOWER_QLINEAR] = {{.domain = "",
                                                                   .op = "QLinearMatMul",
                                                                   .begins = true,
                                                                   .fits = fits_product,
                                                                   .weights = weigh_product,
                                                                   .emit = emit_product},
                                                                  {.domain = "com.microsoft",
                                                                   .op = "QGemm",
                                                                   .begins = true,
                                                                   .fits = fits_product,
                                                                   .weights = weigh_product,
                                                                   .emit = emit_product},
                                                                  {.domain = "com.microsoft",
                                                                   .op = "QLinearAdd",
                                                                   .fits = fits_sum,
                                                                   .weights = weigh_sum,
                                                                   .emit = emit_sum}};
