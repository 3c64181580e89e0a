/*
 * Products of bytes. Of those quantised while running: MatMulInteger of what DynamicQuantizeLinear has made
 * and constant weights, its sums as floats times both scales, a bias, an activation. Of those whose scales
 * are constant: MatMul, Gemm or Conv of what DequantizeLinear makes of bytes and of constant weights; the
 * same numbers but for how sums of floats are rounded.
 */
#include "infer/ops/block.h"
#include "infer/ops/dense.h"
#include "fuse.h"
#include "infer/ops/int8.h"

#include <string.h>

struct layer {
    struct mlo_int8_dense_params p;
    size_t steps[6], n;
    size_t in[7]; /* bytes, zero, scale, weights, zeros, scales, bias */
    size_t out, columns;
};

static size_t take(struct layer *l, const struct mlo_fuse *f, size_t at)
{
    l->steps[l->n++] = at;
    l->out = f->g->steps[at].out[0];
    return at;
}

/* One number, or one for each column. */
static bool is_row(const struct mlo_array *a, size_t columns)
{
    return a && a->dtype == MLO_DT_F32 && a->rank <= 1 && (a->n == 1 || a->n == columns);
}

static bool find_product(const struct mlo_fuse *f, size_t at, struct layer *l)
{
    const struct mlo_array *w, *zeros;
    if (!mlo_fuse_is(f, at, "MatMulInteger"))
        return false;
    size_t made = mlo_fuse_maker(f, at, 0);
    w = mlo_fuse_constant(f, at, 1);
    zeros = mlo_fuse_constant(f, at, 3);
    l->in[4] = mlo_fuse_input(f, at, 3);
    if (!mlo_int8_fits(w, zeros, false) || (!zeros && l->in[4] != MLO_NO_VALUE) ||
        !mlo_fuse_is(f, made, "DynamicQuantizeLinear"))
        return false;
    const struct mlo_step *q = &f->g->steps[made];
    l->in[0] = mlo_fuse_input(f, at, 0);
    l->in[1] = mlo_fuse_input(f, at, 2);
    l->in[3] = mlo_fuse_input(f, at, 1);
    l->columns = (size_t)w->dims[1];
    if (q->n_out != 3 || q->out[0] != l->in[0] || q->out[2] != l->in[1])
        return false;
    l->in[2] = q->out[1];
    take(l, f, at);
    return true;
}

/* Cast to float32, then times the product of both scales. */
static bool find_scales(const struct mlo_fuse *f, struct layer *l)
{
    size_t cast = mlo_fuse_only_user(f, l->steps[0]);
    if (!mlo_fuse_is(f, cast, "Cast") || mlo_attr_int(f->g->steps[cast].node, "to", 0) != 1)
        return false;
    size_t value = f->g->steps[take(l, f, cast)].out[0], times = mlo_fuse_only_user(f, cast);
    size_t scale = mlo_fuse_is(f, times, "Mul") ? mlo_fuse_other(f, times, value) : MLO_NO_VALUE;
    size_t both = scale == MLO_NO_VALUE ? MLO_NO_STEP : f->maker[scale];
    for (size_t i = 0; i < 2 && mlo_fuse_is(f, both, "Mul"); i++)
        if (mlo_fuse_input(f, both, i) == l->in[2] && is_row(mlo_fuse_constant(f, both, 1 - i), l->columns)) {
            l->in[5] = mlo_fuse_input(f, both, 1 - i);
            take(l, f, both);
            take(l, f, times);
            return true;
        }
    return false;
}

static void add_bias(const struct mlo_fuse *f, struct layer *l)
{
    size_t at = mlo_fuse_only_user(f, l->steps[l->n - 1]);
    for (size_t i = 0; i < 2 && mlo_fuse_is(f, at, "Add"); i++)
        if (mlo_fuse_input(f, at, i) == l->out && is_row(mlo_fuse_constant(f, at, 1 - i), l->columns)) {
            l->in[6] = mlo_fuse_input(f, at, 1 - i);
            take(l, f, at);
            return;
        }
}

/* ---- between QuantizeLinear and DequantizeLinear ---- */

/* DequantizeLinear to float32 with constant scales: its scale and zero point. */
static bool is_dequantizing(const struct mlo_fuse *f, const struct mlo_node *n,
                            const struct mlo_array **ret_scale, const struct mlo_array **ret_zero)
{
    if (!n || *n->domain || strcmp(n->op, "DequantizeLinear") != 0 || n->n_inputs < 2 ||
        mlo_attr_int(n, "block_size", 0) != 0 || mlo_attr_int(n, "output_dtype", 1) != 1)
        return false;
    bool has_zero = n->n_inputs > 2 && n->inputs[2] != MLO_NO_VALUE;
    *ret_scale = mlo_fuse_array(f, n->inputs[1]);
    *ret_zero = has_zero ? mlo_fuse_array(f, n->inputs[2]) : NULL;
    return *ret_scale && (*ret_scale)->dtype == MLO_DT_F32 && (!has_zero || *ret_zero);
}

/* Bytes with one scale, whose type the zero point tells. */
static bool find_left(const struct mlo_fuse *f, size_t at, struct layer *l)
{
    const struct mlo_array *scale, *zero;
    size_t value = mlo_fuse_input(f, at, 0), made = mlo_fuse_maker(f, at, 0);
    if (made == MLO_NO_STEP || !mlo_fuse_is(f, made, "DequantizeLinear") ||
        !is_dequantizing(f, f->origin[value], &scale, &zero) || scale->n != 1 || !zero || zero->n != 1 ||
        (zero->dtype != MLO_DT_U8 && zero->dtype != MLO_DT_I8))
        return false;
    l->in[0] = mlo_fuse_input(f, made, 0);
    l->in[1] = mlo_fuse_input(f, made, 2);
    l->in[2] = mlo_fuse_input(f, made, 1);
    return true;
}

/* Scales for all weights, or for each column. */
static bool find_weights(const struct mlo_fuse *f, size_t at, struct layer *l)
{
    const struct mlo_array *scale, *zero, *w;
    size_t value = mlo_fuse_input(f, at, 1);
    const struct mlo_node *n = value == MLO_NO_VALUE ? NULL : f->origin[value];
    if (!is_dequantizing(f, n, &scale, &zero))
        return false;
    w = mlo_fuse_array(f, n->inputs[0]);
    if (!mlo_int8_fits(w, zero, l->p.transposed))
        return false;
    int64_t axis = mlo_attr_int(n, "axis", 1);
    l->columns = (size_t)w->dims[!l->p.transposed];
    if (!is_row(scale, l->columns) || (scale->n > 1 && (axis < 0 ? axis + 2 : axis) != !l->p.transposed))
        return false;
    l->in[3] = n->inputs[0];
    l->in[4] = zero ? n->inputs[2] : MLO_NO_VALUE;
    l->in[5] = n->inputs[1];
    return true;
}

static bool find_dequantized(const struct mlo_fuse *f, size_t at, struct layer *l)
{
    const struct mlo_node *n = f->g->steps[at].node;
    bool gemm = mlo_fuse_is(f, at, "Gemm");
    if (!gemm && !mlo_fuse_is(f, at, "MatMul"))
        return false;
    l->p.matrix = gemm;
    l->p.transposed = gemm && mlo_attr_int(n, "transB", 0) != 0;
    if (gemm && (mlo_attr_int(n, "transA", 0) != 0 || mlo_attr_float(n, "alpha", 1) != 1 ||
                 mlo_attr_float(n, "beta", 1) != 1))
        return false;
    if (!find_left(f, at, l) || !find_weights(f, at, l))
        return false;
    l->in[6] = gemm ? mlo_fuse_input(f, at, 2) : MLO_NO_VALUE;
    if (l->in[6] != MLO_NO_VALUE && !is_row(mlo_fuse_constant(f, at, 2), l->columns))
        return false;
    take(l, f, at);
    return true;
}

/* ---- Conv ---- */

#define KERNELS_LEAST 8 /* of a group: fewer are faster as floats */

/* Kernels of bytes with scales for all or for each. */
static bool find_kernels(const struct mlo_fuse *f, size_t at, struct layer *l)
{
    const struct mlo_array *scale, *zero, *w;
    size_t value = mlo_fuse_input(f, at, 1);
    const struct mlo_node *n = value == MLO_NO_VALUE ? NULL : f->origin[value];
    if (!is_dequantizing(f, n, &scale, &zero))
        return false;
    w = mlo_fuse_array(f, n->inputs[0]);
    if (!w || w->rank < 3 || w->n == 0 || (w->dtype != MLO_DT_U8 && w->dtype != MLO_DT_I8))
        return false;
    l->columns = (size_t)w->dims[0];
    int64_t axis = mlo_attr_int(n, "axis", 1);
    if (!is_row(scale, l->columns) || (scale->n > 1 && axis != 0 && axis != -(int64_t)w->rank) ||
        (zero && (zero->dtype != w->dtype || zero->rank > 1 || zero->n != scale->n)))
        return false;
    l->in[3] = n->inputs[0];
    l->in[4] = zero ? n->inputs[2] : MLO_NO_VALUE;
    l->in[5] = n->inputs[1];
    return true;
}

static bool find_conv(const struct mlo_fuse *f, size_t at, struct layer *l, struct mlo_int8_conv_params *p)
{
    const struct mlo_array *bias = mlo_fuse_constant(f, at, 2);
    if (!mlo_fuse_is(f, at, "Conv") || !find_left(f, at, l) || !find_kernels(f, at, l))
        return false;
    int64_t groups = mlo_attr_int(f->g->steps[at].node, "group", 1);
    if (groups < 1 || l->columns % (size_t)groups != 0 || l->columns / (size_t)groups < KERNELS_LEAST)
        return false;
    l->in[6] = mlo_fuse_input(f, at, 2);
    if (l->in[6] != MLO_NO_VALUE && (!is_row(bias, l->columns) || bias->n != l->columns))
        return false;
    *p = (struct mlo_int8_conv_params){.conv = f->g->steps[at].node, .groups = (size_t)groups};
    take(l, f, at);
    return true;
}

/* ---- the pass ---- */

static void take_activation(const struct mlo_fuse *f, struct layer *l, struct mlo_activation *ret)
{
    size_t user = mlo_fuse_only_user(f, l->steps[l->n - 1]);
    if (user != MLO_NO_STEP && mlo_fuse_input(f, user, 0) == l->out && mlo_fuse_activation(f, user, ret))
        take(l, f, user);
}

int mlo_fuse_quant(struct mlo_fuse *f, size_t at, struct mlo_err *err)
{
    struct layer l = {.p = {.parts = 1}, .in = {[6] = MLO_NO_VALUE}};
    struct mlo_int8_conv_params conv;
    bool done, dynamic = find_product(f, at, &l);
    if (find_conv(f, at, &l, &conv)) {
        take_activation(f, &l, &conv.activation);
        struct mlo_fused with = {&mlo_op_int8_conv, l.in, &l.out, 7, 1, &conv, sizeof conv};
        return mlo_fuse_replace(f, l.steps, l.n, &with, &done, err);
    }
    if (dynamic ? !find_scales(f, &l) : !find_dequantized(f, at, &l))
        return 0;
    if (l.in[6] == MLO_NO_VALUE)
        add_bias(f, &l);
    take_activation(f, &l, &l.p.activation);
    struct mlo_fused with = {&mlo_op_int8_dense, l.in, &l.out, 7, 1, &l.p, sizeof l.p};
    return mlo_fuse_replace(f, l.steps, l.n, &with, &done, err);
}
