/* Operators that say or change a shape and move no element. */
#include <string.h>

#include "op.h"

/* ---- values as they are ---- */

static int run_identity(struct mlo_op_call *c, struct mlo_err *err)
{
    if (c->n_in < 1 || !c->in[0])
        return mlo_fail(err, MLO_EINVALID, "input 0 is missing");
    mlo_out_same(c, 0, c->in[0]);
    return 0;
}

/* One of the attributes holds the value: a tensor, or plain numbers and texts. */
static int run_constant(struct mlo_op_call *c, struct mlo_err *err)
{
    static const struct {
        const char *name;
        enum mlo_dtype dtype;
        bool list;
    } forms[] = {{"value", MLO_DT_UNKNOWN, false},      {"value_float", MLO_DT_F32, false},
                 {"value_int", MLO_DT_I64, false},      {"value_string", MLO_DT_STRING, false},
                 {"value_floats", MLO_DT_F32, true},    {"value_ints", MLO_DT_I64, true},
                 {"value_strings", MLO_DT_STRING, true}};
    for (size_t i = 0; i < MLO_COUNT(forms); i++) {
        const struct mlo_attr *a = mlo_node_attr(c->node, forms[i].name);
        struct mlo_value v = {.kind = MLO_KIND_ARRAY};
        if (!a)
            continue;
        if (a->kind == MLO_ATTR_TENSOR)
            v.array = *a->tensors;
        else
            v.array = (struct mlo_array){.dtype = forms[i].dtype,
                                         .rank = forms[i].list,
                                         .dims = {forms[i].list ? (int64_t)a->n : 0},
                                         .n = forms[i].list ? a->n : 1,
                                         .data = forms[i].list ? (void *)(uintptr_t)a->ints
                                                               : (void *)(uintptr_t)&a->i};
        mlo_out_same(c, 0, &v);
        return 0;
    }
    return mlo_fail(err, MLO_EUNAVAIL, "a constant that is neither tensor, number nor text");
}

static int run_shape(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a;
    struct mlo_array *out;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc != 0)
        return rc;
    int64_t rank = a->rank, start = mlo_attr_int(c->node, "start", 0),
            end = mlo_attr_int(c->node, "end", rank);
    start += start < 0 ? rank : 0;
    end += end < 0 ? rank : 0;
    start = start < 0 ? 0 : start > rank ? rank : start;
    end = end > rank ? rank : end < start ? start : end;
    const int64_t n = end - start;
    rc = mlo_out_new(c, 0, MLO_DT_I64, &n, 1, &out, err);
    if (rc == 0 && out && n > 0)
        memcpy(out->data, a->dims + start, (size_t)n * sizeof n);
    return rc;
}

static int run_size(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a;
    struct mlo_array *out;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, MLO_DT_I64, NULL, 0, &out, err);
    if (rc == 0 && out)
        *(int64_t *)out->data = (int64_t)a->n;
    return rc;
}

/* ---- the same elements in another shape ---- */

/* 0 copies the dimension of the input (unless allowzero), one -1 takes what is left. */
static int fill_shape(const struct mlo_op_call *c, const struct mlo_array *a, int64_t *dims, size_t n,
                      struct mlo_err *err)
{
    bool zero = mlo_attr_int(c->node, "allowzero", 0) != 0;
    int64_t known = 1, open = -1;
    for (size_t i = 0; i < n; i++) {
        if (dims[i] == 0 && !zero && i >= a->rank)
            return mlo_fail(err, MLO_EINVALID, "dimension %zu is to be copied, but the input has %u", i,
                            a->rank);
        if (dims[i] == 0 && !zero)
            dims[i] = a->dims[i];
        if (dims[i] < -1 || (dims[i] == -1 && open >= 0))
            return mlo_fail(err, MLO_EINVALID, "a shape with dimension %lld", (long long)dims[i]);
        if (dims[i] == -1)
            open = (int64_t)i;
        else if (__builtin_mul_overflow(known, dims[i], &known))
            return mlo_fail(err, MLO_EINVALID, "a shape that is too large");
    }
    if (open >= 0 && (known == 0 || (int64_t)a->n % known != 0))
        return mlo_fail(err, MLO_EINVALID, "%zu elements do not divide by %lld", a->n, (long long)known);
    if (open >= 0)
        dims[open] = (int64_t)a->n / known;
    return 0;
}

static int run_reshape(struct mlo_op_call *c, struct mlo_err *err)
{
    int64_t dims[MLO_SMALL_LIST];
    const struct mlo_array *a;
    size_t n;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = mlo_in_ints(c, 1, dims, &n, err);
    if (rc == 0)
        rc = fill_shape(c, a, dims, n, err);
    return rc == 0 ? mlo_out_view(c, 0, c->in[0], dims, (unsigned)n, err) : rc;
}

static int run_flatten(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a;
    int64_t dims[2] = {1, 1};
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc != 0)
        return rc;
    int64_t axis = mlo_attr_int(c->node, "axis", 1);
    axis += axis < 0 ? a->rank : 0;
    if (axis < 0 || axis > a->rank)
        return mlo_fail(err, MLO_EINVALID, "axis %lld of rank %u", (long long)axis, a->rank);
    for (unsigned i = 0; i < a->rank; i++)
        dims[i >= axis] *= a->dims[i];
    return mlo_out_view(c, 0, c->in[0], dims, 2, err);
}

/* The axes: an attribute before version 13, an input since. marks[i]: axis i is one of them. */
static int read_axes(const struct mlo_op_call *c, unsigned rank, bool marks[MLO_RANK_MAX], size_t *ret_n,
                     struct mlo_err *err)
{
    int64_t list[MLO_SMALL_LIST];
    size_t n;
    const int64_t *axes = mlo_attr_ints(c->node, "axes", &n);
    int rc = axes ? 0 : mlo_in_ints(c, 1, list, &n, err);
    memset(marks, 0, MLO_RANK_MAX * sizeof *marks);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        unsigned at;
        rc = mlo_axis(axes ? axes[i] : list[i], rank, &at, err);
        if (rc == 0 && marks[at])
            return mlo_fail(err, MLO_EINVALID, "axis %u is named twice", at);
        if (rc == 0)
            marks[at] = true;
    }
    *ret_n = n;
    return rc;
}

static int run_squeeze(struct mlo_op_call *c, struct mlo_err *err)
{
    int64_t dims[MLO_RANK_MAX];
    bool marks[MLO_RANK_MAX];
    const struct mlo_array *a;
    unsigned rank = 0;
    size_t n;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = read_axes(c, a->rank, marks, &n, err);
    for (unsigned i = 0; rc == 0 && i < a->rank; i++) {
        if (marks[i] && a->dims[i] != 1)
            return mlo_fail(err, MLO_EINVALID, "dimension %u has %lld elements, not 1", i,
                            (long long)a->dims[i]);
        if (n ? !marks[i] : a->dims[i] != 1)
            dims[rank++] = a->dims[i];
    }
    return rc == 0 ? mlo_out_view(c, 0, c->in[0], dims, rank, err) : rc;
}

static int run_unsqueeze(struct mlo_op_call *c, struct mlo_err *err)
{
    int64_t dims[MLO_RANK_MAX], list[MLO_SMALL_LIST];
    bool marks[MLO_RANK_MAX];
    const struct mlo_array *a;
    size_t n, from = 0;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0 && !mlo_attr_ints(c->node, "axes", &n))
        rc = mlo_in_ints(c, 1, list, &n, err);
    if (rc == 0 && a->rank + n > MLO_RANK_MAX)
        return mlo_fail(err, MLO_EUNAVAIL, "%zu dimensions, more than %d", a->rank + n, MLO_RANK_MAX);
    unsigned rank = rc == 0 ? a->rank + (unsigned)n : 0;
    if (rc == 0)
        rc = read_axes(c, rank, marks, &n, err);
    for (unsigned i = 0; rc == 0 && i < rank; i++)
        dims[i] = marks[i] ? 1 : a->dims[from++];
    return rc == 0 ? mlo_out_view(c, 0, c->in[0], dims, rank, err) : rc;
}

static const struct mlo_op ops[] = {
    {.name = "Identity", .since = 1, .run = run_identity},
    {.name = "Constant", .since = 1, .run = run_constant},
    {.name = "Shape", .since = 1, .run = run_shape},
    {.name = "Size", .since = 1, .run = run_size},
    {.name = "Reshape", .since = 5, .run = run_reshape},
    {.name = "Flatten", .since = 1, .run = run_flatten},
    {.name = "Squeeze", .since = 1, .run = run_squeeze},
    {.name = "Unsqueeze", .since = 1, .run = run_unsqueeze},
};
const struct mlo_op_family mlo_ops_shape = {"", ops, MLO_COUNT(ops)};
