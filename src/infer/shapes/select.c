/* Shapes of operators that choose elements: by index, by condition, along axes, or by counting. */
#include <math.h>
#include <string.h>

#include "shapes.h"

/* ---- Gather ---- */

static int pick_numbers(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0), *at = mlo_rule_in(c, 1);
    struct mlo_extent numbers[MLO_NUMBERS_MAX];
    int64_t list[MLO_NUMBERS_MAX];
    size_t n;
    if (!v->numbers || v->rank != 1 || !mlo_rule_list(c, 1, list, &n) || at->rank > 1)
        return 0;
    for (size_t i = 0; i < n; i++) {
        int64_t k = list[i] + (list[i] < 0 ? (int64_t)v->n_numbers : 0);
        if (k < 0 || k >= (int64_t)v->n_numbers)
            return mlo_fail(err, MLO_EINVALID, "index %lld of %zu", (long long)list[i], v->n_numbers);
        numbers[i] = v->numbers[k];
    }
    return mlo_rule_numbers(c, 0, numbers, n, err);
}

static int run_gather(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0), *at = mlo_rule_in(c, 1);
    struct mlo_extent dims[2 * MLO_RANK_MAX];
    unsigned axis = 0, rank = 0;
    mlo_rule_type(c, 0, v->dtype);
    if (!v->ranked || !at->ranked)
        return 0;
    int rc = mlo_rule_axis(mlo_attr_int(c->node, "axis", 0), v->rank, &axis, err);
    for (unsigned i = 0; rc == 0 && i < v->rank; i++)
        if (i != axis)
            dims[rank++] = v->dims[i];
        else
            for (unsigned k = 0; k < at->rank; k++)
                dims[rank++] = at->dims[k];
    if (rc == 0)
        rc = mlo_rule_array(c, 0, v->dtype, dims, rank, err);
    return rc == 0 ? pick_numbers(c, err) : rc;
}

static int run_gather_elements(struct mlo_rule_call *c, struct mlo_err *err)
{
    (void)err;
    mlo_rule_like(c, 0, mlo_rule_in(c, 0)->dtype, mlo_rule_in(c, 1));
    return 0;
}

static int run_gather_nd(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0), *at = mlo_rule_in(c, 1);
    struct mlo_extent dims[2 * MLO_RANK_MAX];
    int64_t batch = mlo_attr_int(c->node, "batch_dims", 0);
    unsigned rank = 0;
    mlo_rule_type(c, 0, v->dtype);
    if (!v->ranked || !at->ranked || at->rank == 0 || !mlo_extent_is_number(at->dims[at->rank - 1]))
        return 0;
    int64_t from = batch + at->dims[at->rank - 1].number;
    if (batch < 0 || from > v->rank)
        return mlo_fail(err, MLO_EINVALID, "tuples of %lld for rank %u", (long long)(from - batch), v->rank);
    for (unsigned i = 0; i + 1 < at->rank; i++)
        dims[rank++] = at->dims[i];
    for (unsigned i = (unsigned)from; i < v->rank; i++)
        dims[rank++] = v->dims[i];
    return mlo_rule_array(c, 0, v->dtype, dims, rank, err);
}

/* ---- what values decide ---- */

static int run_one_hot(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0), *depth = mlo_rule_in(c, 1);
    struct mlo_extent dims[MLO_RANK_MAX + 1];
    unsigned axis = 0, from = 0;
    enum mlo_dtype t = mlo_rule_in(c, 2)->dtype;
    mlo_rule_type(c, 0, t);
    if (!v->ranked)
        return 0;
    int rc = mlo_rule_axis(mlo_attr_int(c->node, "axis", -1), v->rank + 1, &axis, err);
    for (unsigned i = 0; rc == 0 && i <= v->rank; i++)
        dims[i] = i != axis ? v->dims[from++] : depth->n_numbers == 1 ? depth->numbers[0] : mlo_extent_open();
    return rc == 0 ? mlo_rule_array(c, 0, t, dims, v->rank + 1, err) : rc;
}

static int run_non_zero(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0);
    const struct mlo_extent dims[] = {v->ranked && v->rank ? mlo_extent_of(v->rank) : mlo_extent_open(),
                                      mlo_extent_open()};
    return mlo_rule_array(c, 0, MLO_DT_I64, dims, 2, err);
}

/* Compress, Unique: all elements, or those of one axis. */
static int some_of(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0);
    struct mlo_extent dims[MLO_RANK_MAX];
    unsigned axis = 0;
    if (!mlo_node_attr(c->node, "axis"))
        return mlo_rule_open(c, 0, v->dtype, 1, err);
    mlo_rule_type(c, 0, v->dtype);
    if (!v->ranked)
        return 0;
    int rc = mlo_rule_axis(mlo_attr_int(c->node, "axis", 0), v->rank, &axis, err);
    if (rc != 0)
        return rc;
    memcpy(dims, v->dims, v->rank * sizeof *dims);
    dims[axis] = mlo_extent_open();
    return mlo_rule_array(c, 0, v->dtype, dims, v->rank, err);
}

static int run_unique(struct mlo_rule_call *c, struct mlo_err *err)
{
    int rc = some_of(c, err);
    for (size_t i = 1; rc == 0 && i < c->node->n_outputs; i++)
        rc = mlo_rule_open(c, i, MLO_DT_I64, 1, err);
    return rc;
}

/* ---- along axes ---- */

static int run_reduce(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0);
    bool keep = mlo_attr_int(c->node, "keepdims", 1) != 0, marks[MLO_RANK_MAX] = {false};
    struct mlo_extent dims[MLO_RANK_MAX];
    int64_t axes[MLO_NUMBERS_MAX];
    unsigned rank = 0;
    size_t n;
    int rc = 0;
    mlo_rule_type(c, 0, v->dtype);
    if (!v->ranked)
        return 0;
    if (!mlo_rule_said(c, "axes", 1, axes, &n))
        return keep ? mlo_rule_open(c, 0, v->dtype, v->rank, err) : 0;
    if (n == 0 && mlo_attr_int(c->node, "noop_with_empty_axes", 0) != 0) {
        mlo_rule_like(c, 0, v->dtype, v);
        return 0;
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        unsigned axis = 0;
        rc = mlo_rule_axis(axes[i], v->rank, &axis, err);
        if (rc == 0)
            marks[axis] = true;
    }
    for (unsigned i = 0; rc == 0 && i < v->rank; i++)
        if (n > 0 && !marks[i])
            dims[rank++] = v->dims[i];
        else if (keep)
            dims[rank++] = mlo_extent_of(1);
    return rc == 0 ? mlo_rule_array(c, 0, v->dtype, dims, rank, err) : rc;
}

/* ReduceProd of a shape is how many elements there are. */
static int run_reduce_product(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0), *out;
    struct mlo_extent n = mlo_extent_of(1);
    int rc = run_reduce(c, err);
    out = mlo_rule_out(c, 0);
    if (rc != 0 || !v->numbers || !out->ranked || (out->rank == 1 && !mlo_extent_is(out->dims[0], 1)))
        return rc;
    for (size_t i = 0; i < v->n_numbers; i++)
        n = mlo_extent_multiply(&c->s->extents, n, v->numbers[i]);
    return mlo_rule_numbers(c, 0, &n, 1, err);
}

static int run_arg(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0);
    bool keep = mlo_attr_int(c->node, "keepdims", 1) != 0;
    struct mlo_extent dims[MLO_RANK_MAX];
    unsigned axis = 0, rank = 0;
    mlo_rule_type(c, 0, MLO_DT_I64);
    if (!v->ranked)
        return 0;
    int rc = mlo_rule_axis(mlo_attr_int(c->node, "axis", 0), v->rank, &axis, err);
    for (unsigned i = 0; rc == 0 && i < v->rank; i++)
        if (i != axis || keep)
            dims[rank++] = i == axis ? mlo_extent_of(1) : v->dims[i];
    return rc == 0 ? mlo_rule_array(c, 0, MLO_DT_I64, dims, rank, err) : rc;
}

static int run_top_k(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0), *k = mlo_rule_in(c, 1);
    struct mlo_extent dims[MLO_RANK_MAX];
    unsigned axis = 0;
    mlo_rule_type(c, 0, v->dtype);
    mlo_rule_type(c, 1, MLO_DT_I64);
    if (!v->ranked)
        return 0;
    int rc = mlo_rule_axis(mlo_attr_int(c->node, "axis", -1), v->rank, &axis, err);
    if (rc != 0)
        return rc;
    memcpy(dims, v->dims, v->rank * sizeof *dims);
    dims[axis] = k->n_numbers == 1             ? k->numbers[0]
                 : mlo_node_attr(c->node, "k") ? mlo_extent_of(mlo_attr_int(c->node, "k", 0))
                                               : mlo_extent_open();
    rc = mlo_rule_array(c, 0, v->dtype, dims, v->rank, err);
    return rc == 0 ? mlo_rule_array(c, 1, MLO_DT_I64, dims, v->rank, err) : rc;
}

/* ---- counting ---- */

static int run_range(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *from = mlo_rule_in(c, 0), *to = mlo_rule_in(c, 1), *step = mlo_rule_in(c, 2);
    struct mlo_extent n = mlo_extent_open(), numbers[MLO_NUMBERS_MAX];
    if (from->n_numbers == 1 && to->n_numbers == 1 && step->n_numbers == 1 &&
        mlo_extent_is(step->numbers[0], 1)) {
        n = mlo_extent_subtract(&c->s->extents, to->numbers[0], from->numbers[0]);
        if (mlo_extent_is_number(n) && n.number < 0)
            n = mlo_extent_of(0);
    }
    int rc = mlo_rule_array(c, 0, from->dtype, &n, 1, err);
    if (rc != 0 || !mlo_extent_is_number(n) || n.number > MLO_NUMBERS_MAX ||
        !mlo_extent_is_number(from->numbers[0]))
        return rc;
    for (int64_t i = 0; i < n.number; i++)
        numbers[i] = mlo_extent_of(from->numbers[0].number + i);
    return mlo_rule_numbers(c, 0, numbers, (size_t)n.number, err);
}

static int run_eye(struct mlo_rule_call *c, struct mlo_err *err)
{
    int64_t said = mlo_attr_int(c->node, "dtype", 0);
    const struct mlo_shape *v = mlo_rule_in(c, 0);
    (void)err;
    mlo_rule_like(c, 0, said > 0 ? mlo_onnx_type_of((uint64_t)said) : v->dtype, v);
    return 0;
}

/* ---- Resize ---- */

/* The scales, when they are constant; false. */
static bool constant_scales(const struct mlo_rule_call *c, size_t i, float ret[MLO_RANK_MAX], unsigned rank)
{
    const struct mlo_array *a = mlo_rule_in(c, i)->constant;
    size_t n = 0;
    const float *said = mlo_attr_floats(c->node, "scales", &n);
    if (a && a->dtype == MLO_DT_F32) {
        said = a->data;
        n = a->n;
    }
    for (unsigned d = 0; said && n == rank && d < rank; d++)
        ret[d] = said[d];
    return said && n == rank;
}

/* A size that no dimension has is left open: the run refuses it. */
static struct mlo_extent scaled(int64_t size, float scale)
{
    float v = floorf((float)size * scale);
    return v >= 0 && v < 0x1p62F ? mlo_extent_of((int64_t)v) : mlo_extent_open();
}

/* Plain forms alone: every axis, sizes as they are said. */
static int run_resize(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0), *sizes = mlo_rule_in(c, 3);
    bool newer = mlo_rule_given(c, 2) || mlo_rule_given(c, 3), plain = !mlo_node_attr(c->node, "axes");
    struct mlo_extent dims[MLO_RANK_MAX];
    float scales[MLO_RANK_MAX];
    mlo_rule_type(c, 0, v->dtype);
    if (!v->ranked)
        return 0;
    if (!mlo_attr_is(c->node, "keep_aspect_ratio_policy", "") &&
        !mlo_attr_is(c->node, "keep_aspect_ratio_policy", "stretch"))
        plain = false;
    if (mlo_attr_is(c->node, "coordinate_transformation_mode", "tf_crop_and_resize"))
        plain = false;
    bool by_size = plain && sizes->numbers && sizes->n_numbers == v->rank;
    bool by_scale = plain && !by_size && !mlo_rule_given(c, 3) &&
                    constant_scales(c, newer ? 2 : 1, scales, v->rank);
    for (unsigned d = 0; d < v->rank; d++) {
        dims[d] = by_size ? sizes->numbers[d] : mlo_extent_open();
        if (by_scale && scales[d] == 1)
            dims[d] = v->dims[d];
        else if (by_scale && mlo_extent_is_number(v->dims[d]))
            dims[d] = scaled(v->dims[d].number, scales[d]);
        else if (by_scale && scales[d] == floorf(scales[d]) && scales[d] > 0 && scales[d] < 1024)
            dims[d] = mlo_extent_multiply(&c->s->extents, v->dims[d], mlo_extent_of((int64_t)scales[d]));
    }
    return mlo_rule_array(c, 0, v->dtype, dims, v->rank, err);
}

#define REDUCE(op)                                                                                           \
    {                                                                                                        \
        op, run_reduce, NULL                                                                                 \
    }
static const struct mlo_rule rules[] = {
    {"Gather", run_gather, NULL},
    {"GatherElements", run_gather_elements, NULL},
    {"GatherND", run_gather_nd, NULL},
    {"OneHot", run_one_hot, NULL},
    {"NonZero", run_non_zero, NULL},
    {"Compress", some_of, NULL},
    {"Unique", run_unique, NULL},
    REDUCE("ReduceSum"),
    REDUCE("ReduceMean"),
    REDUCE("ReduceMin"),
    REDUCE("ReduceMax"),
    REDUCE("ReduceL1"),
    REDUCE("ReduceL2"),
    REDUCE("ReduceSumSquare"),
    REDUCE("ReduceLogSum"),
    REDUCE("ReduceLogSumExp"),
    {"ReduceProd", run_reduce_product, NULL},
    {"ArgMax", run_arg, NULL},
    {"ArgMin", run_arg, NULL},
    {"TopK", run_top_k, NULL},
    {"Range", run_range, NULL},
    {"EyeLike", run_eye, NULL},
    {"Resize", run_resize, NULL},
    {"Upsample", run_resize, NULL},
};
const struct mlo_rule_family mlo_rules_select = {"", rules, MLO_COUNT(rules)};
