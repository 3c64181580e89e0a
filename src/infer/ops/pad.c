/* Pad, CenterCropPad: each dimension longer or shorter, filled with a value or with what the array holds. */
#include <string.h>

#include "op.h"

#define PAD_MAX ((int64_t)1 << 40)

enum fill { CONSTANT, REFLECT, EDGE, WRAP };

struct padding {
    int64_t before[MLO_RANK_MAX], behind[MLO_RANK_MAX];
    enum fill fill;
};

static int read_fill(const struct mlo_op_call *c, enum fill *ret, struct mlo_err *err)
{
    static const char *const words[] = {"constant", "reflect", "edge", "wrap"};
    *ret = CONSTANT;
    if (mlo_attr_is(c->node, "mode", ""))
        return 0;
    for (size_t i = 0; i < MLO_COUNT(words); i++)
        if (mlo_attr_is(c->node, "mode", words[i])) {
            *ret = (enum fill)i;
            return 0;
        }
    return mlo_op_refuse(c, err, "mode is not known");
}

static int read_padding(const struct mlo_op_call *c, const struct mlo_array *a, struct padding *p,
                        struct mlo_err *err)
{
    int64_t given[MLO_SMALL_LIST], axes[MLO_SMALL_LIST];
    size_t n, n_axes = 0;
    const int64_t *list = mlo_attr_ints(c->node, "pads", &n);
    int rc = list ? 0 : mlo_in_ints(c, 1, given, &n, err);
    if (rc == 0 && !list)
        rc = mlo_in_ints(c, 3, axes, &n_axes, err);
    if (rc == 0)
        rc = read_fill(c, &p->fill, err);
    list = list ? list : given;
    size_t padded = mlo_in(c, 3) ? n_axes : a->rank;
    if (rc == 0 && n != 2 * padded)
        rc = mlo_op_refuse(c, err, "%zu pads for %zu axes", n, padded);
    for (size_t i = 0; rc == 0 && i < padded; i++) {
        unsigned axis;
        if (list[i] < -PAD_MAX || list[i] > PAD_MAX || list[i + padded] < -PAD_MAX ||
            list[i + padded] > PAD_MAX)
            return mlo_op_refuse(c, err, "a pad that no memory holds");
        rc = mlo_axis(mlo_in(c, 3) ? axes[i] : (int64_t)i, a->rank, &axis, err);
        if (rc == 0) {
            p->before[axis] = list[i];
            p->behind[axis] = list[i + padded];
        }
    }
    return rc;
}

static int padded_shape(const struct mlo_op_call *c, const struct mlo_array *a, const struct padding *p,
                        int64_t *dims, struct mlo_err *err)
{
    for (unsigned d = 0; d < a->rank; d++) {
        bool longer = p->before[d] > 0 || p->behind[d] > 0;
        if (__builtin_add_overflow(a->dims[d], p->before[d], &dims[d]) ||
            __builtin_add_overflow(dims[d], p->behind[d], &dims[d]) || dims[d] < 0)
            return mlo_op_refuse(c, err, "pads that do not fit dimension %u", d);
        if (p->fill != CONSTANT && (p->before[d] < 0 || p->behind[d] < 0))
            return mlo_fail(err, MLO_EUNAVAIL, "negative pads are supported with constants only");
        if (p->fill != CONSTANT && longer && a->dims[d] == 0)
            return mlo_op_refuse(c, err, "nothing in dimension %u to fill with", d);
    }
    return 0;
}

/* Which element of n is at position x, which may lie outside; -1: the constant. */
static int64_t source(enum fill fill, int64_t x, int64_t n)
{
    if (x >= 0 && x < n)
        return x;
    if (fill == CONSTANT)
        return -1;
    if (fill == EDGE)
        return x < 0 ? 0 : n - 1;
    int64_t period = fill == WRAP ? n : n > 1 ? 2 * (n - 1) : 1;
    x %= period;
    x = x < 0 ? x + period : x;
    return x < n ? x : period - x;
}

static void fill_out(const struct mlo_array *a, const struct padding *p, const char *constant, size_t size,
                     struct mlo_array *out)
{
    int64_t index[MLO_RANK_MAX] = {0};
    for (size_t i = 0; i < out->n; i++) {
        size_t at = 0;
        bool inside = true;
        for (unsigned d = 0; d < a->rank; d++) {
            int64_t from = source(p->fill, index[d] - p->before[d], a->dims[d]);
            inside = inside && from >= 0;
            at = at * (size_t)a->dims[d] + (size_t)(from < 0 ? 0 : from);
        }
        memcpy((char *)out->data + i * size, inside ? (const char *)a->data + at * size : constant, size);
        for (unsigned d = a->rank; d-- > 0; index[d] = 0)
            if (++index[d] < out->dims[d])
                break;
    }
}

/* The value to fill with in bytes of the array's type: before version 11 an attribute, then an input. */
static int read_constant(const struct mlo_op_call *c, const struct mlo_array *a, char ret[16],
                         struct mlo_err *err)
{
    const struct mlo_array *given = mlo_in(c, 2);
    float said = mlo_attr_float(c->node, "value", 0);
    struct mlo_array from = {.dtype = MLO_DT_F32, .n = 1, .data = &said}, to = {.dtype = a->dtype, .n = 1};
    to.data = ret;
    memset(ret, 0, 16);
    if (given && (given->dtype != a->dtype || given->n != 1))
        return mlo_op_refuse(c, err, "the constant is not one value of the array's type");
    if (given)
        memcpy(ret, given->data, mlo_element_size(a->dtype));
    else if (said != 0)
        return mlo_cast_numbers(&from, &to, err);
    return 0;
}

static int in_moved(const struct mlo_op_call *c, const struct mlo_array **ret, struct mlo_err *err)
{
    int rc = mlo_in_array(c, 0, ret, err);
    if (rc == 0 && mlo_element_size((*ret)->dtype) == 0)
        rc = mlo_fail(err, MLO_EUNAVAIL, "elements of %s are not moved", mlo_dtype_name((*ret)->dtype));
    return rc;
}

static int give_padded(struct mlo_op_call *c, const struct mlo_array *a, const struct padding *p,
                       const char *constant, struct mlo_err *err)
{
    int64_t dims[MLO_RANK_MAX];
    struct mlo_array *out;
    int rc = padded_shape(c, a, p, dims, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, a->dtype, dims, a->rank, &out, err);
    if (rc == 0 && out)
        fill_out(a, p, constant, mlo_element_size(a->dtype), out);
    return rc;
}

static int run_pad(struct mlo_op_call *c, struct mlo_err *err)
{
    _Alignas(16) char constant[16];
    struct padding p = {0};
    const struct mlo_array *a;
    int rc = in_moved(c, &a, err);
    if (rc == 0)
        rc = read_padding(c, a, &p, err);
    if (rc == 0)
        rc = read_constant(c, a, constant, err);
    return rc == 0 ? give_padded(c, a, &p, constant, err) : rc;
}

/* ---- CenterCropPad: to a size, as much on both sides; of an odd rest, cut or filled, one more behind ----
 */

static int read_centred(const struct mlo_op_call *c, const struct mlo_array *a, struct padding *p,
                        struct mlo_err *err)
{
    int64_t sizes[MLO_SMALL_LIST];
    size_t n, n_axes;
    const int64_t *axes = mlo_attr_ints(c->node, "axes", &n_axes);
    int rc = mlo_in_ints(c, 1, sizes, &n, err);
    if (rc == 0 && n != (axes ? n_axes : a->rank))
        rc = mlo_op_refuse(c, err, "%zu sizes", n);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        unsigned axis;
        rc = mlo_axis(axes ? axes[i] : (int64_t)i, a->rank, &axis, err);
        if (rc == 0 && (sizes[i] < 0 || sizes[i] > PAD_MAX))
            rc = mlo_op_refuse(c, err, "a size of %lld", (long long)sizes[i]);
        if (rc == 0) {
            int64_t more = sizes[i] - a->dims[axis];
            p->before[axis] = more / 2;
            p->behind[axis] = more - more / 2;
        }
    }
    return rc;
}

static int run_centre(struct mlo_op_call *c, struct mlo_err *err)
{
    static const char zero[sizeof(struct mlo_slice)];
    struct padding p = {.fill = CONSTANT};
    const struct mlo_array *a;
    int rc = in_moved(c, &a, err);
    if (rc == 0)
        rc = read_centred(c, a, &p, err);
    return rc == 0 ? give_padded(c, a, &p, zero, err) : rc;
}

static const struct mlo_op ops[] = {
    {.name = "Pad", .since = 2, .run = run_pad},
    {.name = "CenterCropPad", .since = 18, .run = run_centre},
};
const struct mlo_op_family mlo_ops_pad = {"", ops, MLO_COUNT(ops)};
