/*
 * Bytes on a device: what quantised models have between floats, and the dense layers of networks of floats
 * that are asked for in bytes. The device's bytes are signed: unsigned ones are 128 less there, and so are
 * their zero points.
 */
#include <math.h>
#include <string.h>

#include <mlopsctl/base/dtype.h>

#include "infer/ops/block.h"
#include "infer/ops/dense.h"
#include "infer/ops/int8.h"
#include "lower.h"

#define SHIFT 128 /* of unsigned bytes */

static bool fail(struct mlo_lower *l, const char *why)
{
    l->why = why;
    return false;
}

static bool is_bytes(const struct mlo_array *a)
{
    return a->dtype == MLO_DT_U8 || a->dtype == MLO_DT_I8;
}

static uint32_t temporary(struct mlo_lower *l, uint32_t type, size_t n)
{
    return mlo_lower_buffer(l, (struct mlo_device_buffer){MLO_DEVICE_TEMPORARY, type, n, 0});
}

/* ---- one scale and one zero point that are constants ---- */

bool mlo_lower_is_plain(const struct mlo_array *scale, const struct mlo_array *zero)
{
    return scale && scale->dtype == MLO_DT_F32 && scale->n == 1 && scale->rank <= 1 &&
           (!zero || (zero->n == 1 && is_bytes(zero)));
}

float mlo_lower_zero(const struct mlo_array *zero)
{
    if (!zero)
        return -SHIFT;
    return zero->dtype == MLO_DT_I8 ? *(const int8_t *)zero->data
                                    : (float)(*(const uint8_t *)zero->data - SHIFT);
}

int mlo_weigh_how(float scale, float zero, struct mlo_weights *w, struct mlo_err *err)
{
    float *how;
    int rc = mlo_weight_add(w, MLO_DEVICE_F32, 2, &how, err);
    if (rc == 0) {
        how[0] = scale;
        how[1] = zero;
    }
    return rc;
}

static int weigh_plain(const struct mlo_array *scale, const struct mlo_array *zero, struct mlo_weights *w,
                       struct mlo_err *err)
{
    return mlo_weigh_how(*(const float *)scale->data, mlo_lower_zero(zero), w, err);
}

/* ---- QuantizeLinear and DequantizeLinear ---- */

static size_t zero_of(const struct mlo_step *s)
{
    return s->n_in > 2 ? s->in[2] : MLO_NO_VALUE;
}

static bool fits_linear(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    enum { FLOAT = 1, UINT8 = 2 }; /* of ONNX's TensorProto.DataType */
    bool quantizes = strcmp(s->node->op, "QuantizeLinear") == 0, has_zero = zero_of(s) != MLO_NO_VALUE;
    const struct mlo_array *zero = mlo_lower_constant(g, zero_of(s));
    int64_t said = mlo_attr_int(s->node, "output_dtype", 0);
    *ret_why = "it has not one constant scale and zero point of bytes";
    return mlo_lower_is_plain(mlo_lower_constant(g, s->in[1]), zero) && has_zero == (zero != NULL) &&
           mlo_attr_int(s->node, "block_size", 0) == 0 &&
           (said == 0 || (quantizes ? has_zero || said == UINT8 : said == FLOAT)) &&
           mlo_attr_int(s->node, "precision", FLOAT) == FLOAT;
}

static int weigh_linear(const struct mlo_plan_graph *g, const struct mlo_step *s, struct mlo_weights *w,
                        struct mlo_err *err)
{
    return weigh_plain(mlo_lower_constant(g, s->in[1]), mlo_lower_constant(g, zero_of(s)), w, err);
}

static bool emit_quantize(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_array *x = mlo_lower_shape(l, s, 0);
    if (x->dtype != MLO_DT_F32 || x->n == 0)
        return fail(l, "its input is not of float32");
    struct mlo_device_step to = {
        .op = MLO_DEVICE_QUANTIZE,
        .buffer = {mlo_lower_input(l, s, 0, l->o->floats), mlo_lower_weight(l, 0), 0},
        .size = {1, (uint32_t)x->n, 1}};
    to.buffer[2] = l->buffer_of[s->out[0]] = temporary(l, MLO_DEVICE_I8, x->n);
    return mlo_lower_step(l, &to);
}

uint32_t mlo_lower_bytes_of(struct mlo_lower *l, size_t value)
{
    uint32_t b = l->buffer_of[value];
    if (b == MLO_DEVICE_NO_BUFFER || l->buffers[b].type != MLO_DEVICE_I8) {
        l->why = "its bytes are not made on the device";
        return MLO_DEVICE_NO_BUFFER;
    }
    return b;
}

static bool emit_dequantize(struct mlo_lower *l, const struct mlo_step *s)
{
    uint32_t x = mlo_lower_bytes_of(l, s->in[0]);
    if (x == MLO_DEVICE_NO_BUFFER)
        return false;
    size_t n = l->buffers[x].n;
    struct mlo_device_step to = {
        .op = MLO_DEVICE_DEQUANTIZE, .buffer = {x, mlo_lower_weight(l, 0), 0}, .size = {1, (uint32_t)n, 1}};
    to.buffer[2] = l->buffer_of[s->out[0]] = temporary(l, l->o->floats, n);
    return mlo_lower_step(l, &to);
}

const struct mlo_lowering mlo_lower_quantize = {.domain = "",
                                                .op = "QuantizeLinear",
                                                .eager = true,
                                                .fits = fits_linear,
                                                .weights = weigh_linear,
                                                .emit = emit_quantize};
const struct mlo_lowering mlo_lower_dequantize = {.domain = "",
                                                  .op = "DequantizeLinear",
                                                  .fits = fits_linear,
                                                  .weights = weigh_linear,
                                                  .emit = emit_dequantize};

/* ---- DynamicQuantizeLinear ---- */

/* Scales that DynamicQuantizeLinear finds: of packed rows one for each, that of its sequence. */
static size_t hows_of(const struct mlo_lower *l)
{
    return l->packed ? l->packed->rows : 1;
}

/* Extremes of rows, then of all; scale and zero point are one buffer. */
static bool emit_dynamic(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_array *x = mlo_lower_shape(l, s, 0);
    if (x->dtype != MLO_DT_F32 || x->n == 0 || x->rank == 0)
        return fail(l, "its input is not of float32");
    uint32_t rows = l->packed ? (uint32_t)l->packed->rows : (uint32_t)(x->n / (size_t)x->dims[x->rank - 1]);
    uint32_t n = (uint32_t)(x->n / rows), hows = (uint32_t)hows_of(l);
    uint32_t from = mlo_lower_input(l, s, 0, l->o->floats),
             first = l->packed ? mlo_lower_first(l) : MLO_DEVICE_NO_BUFFER,
             extremes = temporary(l, MLO_DEVICE_F32, 2 * (size_t)rows),
             how = temporary(l, MLO_DEVICE_F32, 2 * hows_of(l)), bytes = temporary(l, MLO_DEVICE_I8, x->n);
    struct mlo_device_step steps[] = {
        {.op = MLO_DEVICE_EXTREMES, .buffer = {from, extremes}, .size = {rows, n}},
        {.op = MLO_DEVICE_SPAN,
         .buffer = {extremes, first, how},
         .size = {l->packed ? (uint32_t)l->packed->sequences : 1, rows, hows}},
        {.op = MLO_DEVICE_QUANTIZE, .buffer = {from, how, bytes}, .size = {rows, n, hows}}};
    const uint32_t made[3] = {bytes, how, how};
    for (size_t i = 0; i < s->n_out; i++)
        if (s->out[i] != MLO_NO_VALUE)
            l->buffer_of[s->out[i]] = made[i];
    return mlo_lower_step(l, &steps[0]) && mlo_lower_step(l, &steps[1]) && mlo_lower_step(l, &steps[2]);
}

const struct mlo_lowering mlo_lower_dynamic_quantize = {
    .domain = "", .op = "DynamicQuantizeLinear", .begins = true, .emit = emit_dynamic};

/* ---- dense layers of bytes, as a quantised model has them ---- */

enum { BYTES, ZERO, SCALE }; /* inputs of Int8Dense */

static bool is_static(const struct mlo_plan_graph *g, const struct mlo_step *s)
{
    return mlo_lower_constant(g, s->in[SCALE]) != NULL;
}

static bool fits_int8_dense(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    const struct mlo_int8_dense_params *p = s->params;
    *ret_why = "its activation is not among the device's";
    if (mlo_lower_activation(p->activation.kind) == MLO_DEVICE_ACTIVATIONS)
        return false;
    *ret_why = "it has not one scale and zero point of bytes";
    const struct mlo_array *zero = mlo_lower_constant(g, s->in[ZERO]);
    return !is_static(g, s) || (zero && mlo_lower_is_plain(mlo_lower_constant(g, s->in[SCALE]), zero));
}

int mlo_weigh_bytes(const struct mlo_int8_weights *from, struct mlo_weights *w, float **ret_scales,
                    int32_t **ret_sums, struct mlo_err *err)
{
    size_t n = from->n, all;
    int32_t *zeros;
    int8_t *bytes;
    if (__builtin_mul_overflow(from->k, n, &all))
        return mlo_fail_nomem(err);
    int rc = mlo_weight_add(w, MLO_DEVICE_I8, all, &bytes, err);
    if (rc == 0)
        rc = mlo_weight_add(w, MLO_DEVICE_F32, n, ret_scales, err);
    if (rc == 0)
        rc = mlo_weight_add(w, MLO_DEVICE_I32, n, ret_sums, err);
    if (rc == 0 && from->zeros) {
        rc = mlo_weight_add(w, MLO_DEVICE_I32, n, &zeros, err);
        if (rc == 0)
            memcpy(zeros, from->zeros, n * sizeof *zeros);
    }
    if (rc != 0)
        return rc;
    mlo_int8_unpack(from->packed, from->k, n, bytes);
    memcpy(*ret_sums, from->sums, n * sizeof **ret_sums);
    return 0;
}

static int weigh_int8_dense(const struct mlo_plan_graph *g, const struct mlo_step *s, struct mlo_weights *w,
                            struct mlo_err *err)
{
    const struct mlo_int8_weights *from = s->state;
    float *scales, *bias;
    int32_t *sums;
    int rc = mlo_weigh_bytes(from, w, &scales, &sums, err);
    if (rc == 0)
        memcpy(scales, from->scales, from->n * sizeof *scales);
    if (rc == 0 && from->bias) {
        rc = mlo_weight_floats(w, from->n, &bias, err);
        if (rc == 0)
            memcpy(bias, from->bias, from->n * sizeof *bias);
    }
    if (rc == 0 && is_static(g, s))
        rc = weigh_plain(mlo_lower_constant(g, s->in[SCALE]), mlo_lower_constant(g, s->in[ZERO]), w, err);
    return rc;
}

uint32_t mlo_lower_room(struct mlo_lower *l, size_t m, size_t n)
{
    return m > MLO_DEVICE_FEW_ROWS ? temporary(l, MLO_DEVICE_I32, m * n) : MLO_DEVICE_NO_BUFFER;
}

/* How the bytes do that a layer takes: the last of its weights, or what DynamicQuantizeLinear made. */
static uint32_t how_of(struct mlo_lower *l, const struct mlo_step *s, size_t weight)
{
    if (is_static(l->o->graph, s))
        return mlo_lower_weight(l, weight);
    uint32_t how = l->buffer_of[s->in[SCALE]];
    if (how == MLO_DEVICE_NO_BUFFER || l->buffers[how].n != 2 * hows_of(l) ||
        l->buffer_of[s->in[ZERO]] != how) {
        l->why = "its scale and zero point are not made on the device";
        return MLO_DEVICE_NO_BUFFER;
    }
    return how;
}

static bool emit_int8_dense(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_int8_dense_params *p = s->params;
    const struct mlo_int8_weights *w = s->state;
    uint32_t x = mlo_lower_bytes_of(l, s->in[BYTES]);
    const struct mlo_array *shape = mlo_lower_shape(l, s, BYTES);
    if (x == MLO_DEVICE_NO_BUFFER)
        return false;
    if (shape->rank == 0 || (size_t)shape->dims[shape->rank - 1] != w->k)
        return fail(l, "its matrices do not fit");
    size_t m = shape->n / w->k, next = 3, hows = is_static(l->o->graph, s) ? 1 : hows_of(l);
    if (hows > 1 && hows != m)
        return fail(l, "its rows are not those of tokens");
    uint32_t zeros = w->zeros ? mlo_lower_weight(l, next++) : MLO_DEVICE_NO_BUFFER;
    uint32_t bias = w->bias ? mlo_lower_weight(l, next++) : MLO_DEVICE_NO_BUFFER;
    uint32_t how = how_of(l, s, next);
    if (how == MLO_DEVICE_NO_BUFFER)
        return false;
    struct mlo_device_step to = {.op = MLO_DEVICE_DENSE_BYTES,
                                 .activation = mlo_lower_activation(p->activation.kind),
                                 .buffer = {x, how, mlo_lower_weight(l, 0), mlo_lower_weight(l, 1),
                                            mlo_lower_weight(l, 2), zeros, bias, mlo_lower_room(l, m, w->n),
                                            0},
                                 .size = {(uint32_t)m, (uint32_t)w->n, (uint32_t)w->k, (uint32_t)hows}};
    to.buffer[8] = l->buffer_of[s->out[0]] = temporary(l, l->o->floats, m * w->n);
    return mlo_lower_step(l, &to);
}

const struct mlo_lowering mlo_lower_int8_dense = {.own = &mlo_op_int8_dense,
                                                  .begins = true,
                                                  .fits = fits_int8_dense,
                                                  .weights = weigh_int8_dense,
                                                  .emit = emit_int8_dense};

/* ---- dense layers of floats in bytes, because they are asked for ---- */

/* Layers with fewer columns or rows of weights gain nothing, and lose the most. */
#define BYTES_LEAST 16

bool mlo_dense_of_bytes(uint32_t bytes, size_t k, size_t n)
{
    return bytes != MLO_DEVICE_F32 && k >= BYTES_LEAST && n >= BYTES_LEAST;
}

/* A row of weights so that its greatest size becomes the greatest byte. */
static float weigh_row(const float *from, size_t k, uint32_t type, uint8_t *to)
{
    float most = 0;
    for (size_t i = 0; i < k; i++)
        most = fmaxf(most, fabsf(from[i]));
    float scale = most / (type == MLO_DEVICE_I8 ? 127 : 448);
    scale = scale > 0 ? scale : 1;
    for (size_t i = 0; i < k; i++)
        to[i] = type == MLO_DEVICE_I8 ? (uint8_t)(int8_t)fmaxf(fminf(rintf(from[i] / scale), 127), -127)
                                      : (uint8_t)mlo_dtype_from_float(MLO_DT_F8_E4M3, from[i] / scale, true);
    return scale;
}

int mlo_weigh_dense_bytes(const struct mlo_dense *d, struct mlo_weights *w, struct mlo_err *err)
{
    size_t k, n, all;
    uint8_t *bytes;
    float *scales, *bias;
    mlo_dense_shape(d, &k, &n);
    if (__builtin_mul_overflow(k, n, &all))
        return mlo_fail_nomem(err);
    MLO_AUTOFREE float *floats = mlo_calloc(all, sizeof *floats, err);
    int rc = floats ? mlo_weight_add(w, w->bytes, all, &bytes, err) : err->code;
    if (rc == 0)
        rc = mlo_weight_add(w, MLO_DEVICE_F32, n, &scales, err);
    if (rc == 0)
        rc = mlo_weight_floats(w, n, &bias, err);
    if (rc != 0)
        return rc;
    mlo_dense_unpack(d, floats, bias);
    for (size_t i = 0; i < n; i++)
        scales[i] = weigh_row(floats + i * k, k, w->bytes, bytes + i * k);
    return 0;
}

/* Several layers may read the same: it is made bytes once. */
static bool quantize_rows(struct mlo_lower *l, uint32_t x, size_t m, size_t k)
{
    if (l->quantized.from == x && l->quantized.bytes)
        return true;
    l->quantized.from = x;
    l->quantized.how = temporary(l, MLO_DEVICE_F32, 2 * m);
    l->quantized.bytes = temporary(l, l->o->bytes, m * k);
    struct mlo_device_step to = {.op = MLO_DEVICE_QUANTIZE_ROWS,
                                 .buffer = {x, l->quantized.how, l->quantized.bytes},
                                 .size = {(uint32_t)m, (uint32_t)k}};
    return mlo_lower_step(l, &to);
}

bool mlo_lower_dense_bytes(struct mlo_lower *l, uint32_t x, size_t m, size_t n, size_t k, uint32_t activation,
                           uint32_t y)
{
    if (x == MLO_DEVICE_NO_BUFFER || !quantize_rows(l, x, m, k))
        return false;
    uint32_t none = MLO_DEVICE_NO_BUFFER;
    struct mlo_device_step to = {.op = MLO_DEVICE_DENSE_BYTES,
                                 .activation = activation,
                                 .buffer = {l->quantized.bytes, l->quantized.how, mlo_lower_weight(l, 0),
                                            mlo_lower_weight(l, 1), none, none, mlo_lower_weight(l, 2),
                                            mlo_lower_room(l, m, n), y},
                                 .size = {(uint32_t)m, (uint32_t)n, (uint32_t)k, (uint32_t)m}};
    return mlo_lower_step(l, &to);
}
