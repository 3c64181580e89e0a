/* Operators that pick elements by index, put them by index, or make indices. */
#include <string.h>

#include "op.h"

static int need_data(const struct mlo_op_call *c, const struct mlo_array **ret, size_t *ret_size,
                     struct mlo_err *err)
{
    int rc = mlo_in_array(c, 0, ret, err);
    if (rc == 0 && (*ret_size = mlo_element_size((*ret)->dtype)) == 0)
        rc = mlo_op_refuse(c, err, "packed elements are not picked");
    return rc;
}

static int need_indices(const struct mlo_op_call *c, size_t i, const struct mlo_array **ret,
                        struct mlo_err *err)
{
    int rc = mlo_in_array(c, i, ret, err);
    if (rc == 0 && (*ret)->dtype != MLO_DT_I64 && (*ret)->dtype != MLO_DT_I32)
        rc = mlo_op_refuse(c, err, "indices that are no whole numbers");
    return rc;
}

/* Index k of the list, counted from the end when negative. */
static int index_at(const struct mlo_array *a, size_t k, int64_t dim, size_t *ret, struct mlo_err *err)
{
    int64_t i = a->dtype == MLO_DT_I64 ? ((const int64_t *)a->data)[k] : ((const int32_t *)a->data)[k];
    int64_t at = i < 0 ? i + dim : i;
    if (at < 0 || at >= dim)
        return mlo_fail(err, MLO_EINVALID, "index %lld of %lld", (long long)i, (long long)dim);
    *ret = (size_t)at;
    return 0;
}

static size_t product(const int64_t *dims, unsigned from, unsigned to)
{
    size_t n = 1;
    for (unsigned d = from; d < to; d++)
        n *= (size_t)dims[d];
    return n;
}

/* ---- Gather ---- */

static int run_gather(struct mlo_op_call *c, struct mlo_err *err)
{
    int64_t dims[2 * MLO_RANK_MAX];
    const struct mlo_array *a, *idx;
    struct mlo_array *out;
    unsigned axis, rank = 0;
    size_t size;
    int rc = need_data(c, &a, &size, err);
    if (rc == 0)
        rc = need_indices(c, 1, &idx, err);
    if (rc == 0)
        rc = mlo_axis(mlo_attr_int(c->node, "axis", 0), a->rank, &axis, err);
    if (rc != 0)
        return rc;
    for (unsigned d = 0; d < a->rank; d++)
        if (d != axis)
            dims[rank++] = a->dims[d];
        else
            for (unsigned k = 0; k < idx->rank; k++)
                dims[rank++] = idx->dims[k];
    rc = mlo_out_new(c, 0, a->dtype, dims, rank, &out, err);
    if (rc != 0 || !out)
        return rc;
    size_t outer = product(a->dims, 0, axis), part = product(a->dims, axis + 1, a->rank) * size, at;
    char *to = out->data;
    for (size_t o = 0; o < outer && part; o++)
        for (size_t k = 0; k < idx->n; k++, to += part) {
            rc = index_at(idx, k, a->dims[axis], &at, err);
            if (rc != 0)
                return rc;
            memcpy(to, (const char *)a->data + (o * (size_t)a->dims[axis] + at) * part, part);
        }
    return 0;
}

/* ---- elements: GatherElements, ScatterElements ---- */

/*
 * Element i of `idx` has a place in the data: its own coordinates, but on the axis what it says. The other
 * dimensions of idx may be smaller than the data's.
 */
struct places {
    const struct mlo_array *data, *idx;
    unsigned axis;
    size_t strides[MLO_RANK_MAX]; /* of the data */
    int64_t at[MLO_RANK_MAX];
};

static int begin_places(struct places *p, const struct mlo_op_call *c, struct mlo_err *err)
{
    int rc = mlo_axis(mlo_attr_int(c->node, "axis", 0), p->data->rank, &p->axis, err);
    if (rc == 0 && p->idx->rank != p->data->rank)
        rc = mlo_op_refuse(c, err, "ranks differ");
    for (unsigned d = 0; rc == 0 && d < p->data->rank; d++) {
        p->strides[d] = product(p->data->dims, d + 1, p->data->rank);
        if (d != p->axis && p->idx->dims[d] > p->data->dims[d])
            rc = mlo_op_refuse(c, err, "more indices than elements");
    }
    return rc;
}

static int next_place(struct places *p, size_t i, size_t *ret, struct mlo_err *err)
{
    size_t k = 0, place = 0;
    int rc = index_at(p->idx, i, p->data->dims[p->axis], &k, err);
    for (unsigned d = 0; d < p->data->rank; d++)
        place += (d == p->axis ? k : (size_t)p->at[d]) * p->strides[d];
    for (unsigned d = p->data->rank; d-- > 0;) {
        if (++p->at[d] < p->idx->dims[d])
            break;
        p->at[d] = 0;
    }
    *ret = place;
    return rc;
}

static int run_gather_elements(struct mlo_op_call *c, struct mlo_err *err)
{
    struct places p = {0};
    struct mlo_array *out;
    size_t size, place;
    int rc = need_data(c, &p.data, &size, err);
    if (rc == 0)
        rc = need_indices(c, 1, &p.idx, err);
    if (rc == 0)
        rc = begin_places(&p, c, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, p.data->dtype, p.idx->dims, p.idx->rank, &out, err);
    for (size_t i = 0; rc == 0 && out && i < p.idx->n; i++) {
        rc = next_place(&p, i, &place, err);
        if (rc == 0)
            memcpy((char *)out->data + i * size, (const char *)p.data->data + place * size, size);
    }
    return rc;
}

enum reduction { REPLACE, ADD, MULTIPLY, LEAST, GREATEST };

static int read_reduction(const struct mlo_op_call *c, enum mlo_dtype t, enum reduction *ret,
                          struct mlo_err *err)
{
    static const char *const words[] = {"none", "add", "mul", "min", "max"};
    *ret = REPLACE;
    for (unsigned i = ADD; i < MLO_COUNT(words); i++)
        if (mlo_attr_is(c->node, "reduction", words[i]))
            *ret = (enum reduction)i;
    if (*ret != REPLACE && t != MLO_DT_F32 && t != MLO_DT_F64 && t != MLO_DT_I64 && t != MLO_DT_I32)
        return mlo_op_refuse(c, err, "a reduction of this type");
    return 0;
}

#define COMBINE(type)                                                                                        \
    {                                                                                                        \
        type *x = to, y = *(const type *)from;                                                               \
        *x = r == ADD ? (type)(*x + y) : r == MULTIPLY ? (type)(*x * y) : (r == LEAST) == (y < *x) ? y : *x; \
    }

static void put(enum reduction r, enum mlo_dtype t, void *to, const void *from, size_t size)
{
    if (r == REPLACE)
        memcpy(to, from, size);
    else if (t == MLO_DT_F32)
        COMBINE(float)
    else if (t == MLO_DT_F64)
        COMBINE(double)
    else if (t == MLO_DT_I64)
        COMBINE(int64_t)
    else
        COMBINE(int32_t)
}

/* The output starts as a copy of the data. */
static int copy_of(struct mlo_op_call *c, const struct mlo_array *a, size_t size, struct mlo_array **ret,
                   struct mlo_err *err)
{
    int rc = mlo_out_new(c, 0, a->dtype, a->dims, a->rank, ret, err);
    if (rc == 0 && *ret && a->n)
        memcpy((*ret)->data, a->data, a->n * size);
    return rc;
}

static int run_scatter_elements(struct mlo_op_call *c, struct mlo_err *err)
{
    struct places p = {0};
    const struct mlo_array *updates;
    struct mlo_array *out;
    enum reduction r;
    size_t size, place;
    int rc = need_data(c, &p.data, &size, err);
    if (rc == 0)
        rc = need_indices(c, 1, &p.idx, err);
    if (rc == 0)
        rc = mlo_in_typed(c, 2, p.data->dtype, &updates, err);
    if (rc == 0 && !mlo_array_same_shape(p.idx, updates))
        rc = mlo_op_refuse(c, err, "indices and updates differ in shape");
    if (rc == 0)
        rc = begin_places(&p, c, err);
    if (rc == 0)
        rc = read_reduction(c, p.data->dtype, &r, err);
    if (rc == 0)
        rc = copy_of(c, p.data, size, &out, err);
    for (size_t i = 0; rc == 0 && out && i < p.idx->n; i++) {
        rc = next_place(&p, i, &place, err);
        if (rc == 0)
            put(r, out->dtype, (char *)out->data + place * size, (const char *)updates->data + i * size,
                size);
    }
    return rc;
}

/* ---- rows of indices: GatherND, ScatterND ---- */

struct tuples {
    const struct mlo_array *data, *idx;
    unsigned batch, length;    /* dimensions in front that go along; indices of a tuple */
    size_t n, per_batch, part; /* tuples in all, for each batch; elements that one picks */
};

static int begin_tuples(struct tuples *t, const struct mlo_op_call *c, struct mlo_err *err)
{
    int64_t batch = mlo_attr_int(c->node, "batch_dims", 0);
    unsigned q = t->idx->rank;
    if (q == 0 || batch < 0 || batch >= q || batch > t->data->rank ||
        t->idx->dims[q - 1] > t->data->rank - batch)
        return mlo_op_refuse(c, err, "tuples that do not fit");
    t->batch = (unsigned)batch;
    t->length = (unsigned)t->idx->dims[q - 1];
    for (unsigned d = 0; d < t->batch; d++)
        if (t->idx->dims[d] != t->data->dims[d])
            return mlo_op_refuse(c, err, "batches that do not fit");
    t->n = product(t->idx->dims, 0, q - 1);
    t->per_batch = product(t->idx->dims, t->batch, q - 1);
    t->part = product(t->data->dims, t->batch + t->length, t->data->rank);
    return 0;
}

static int tuple_place(const struct tuples *t, size_t i, size_t *ret, struct mlo_err *err)
{
    size_t place = t->per_batch ? i / t->per_batch : 0;
    for (unsigned k = 0; k < t->length; k++) {
        size_t at = 0;
        int rc = index_at(t->idx, i * t->length + k, t->data->dims[t->batch + k], &at, err);
        if (rc != 0)
            return rc;
        place = place * (size_t)t->data->dims[t->batch + k] + at;
    }
    *ret = place * t->part;
    return 0;
}

static unsigned tuple_shape(const struct tuples *t, int64_t dims[2 * MLO_RANK_MAX])
{
    unsigned rank = 0;
    for (unsigned d = 0; d + 1 < t->idx->rank; d++)
        dims[rank++] = t->idx->dims[d];
    for (unsigned d = t->batch + t->length; d < t->data->rank; d++)
        dims[rank++] = t->data->dims[d];
    return rank;
}

static int run_gather_nd(struct mlo_op_call *c, struct mlo_err *err)
{
    int64_t dims[2 * MLO_RANK_MAX];
    struct tuples t = {0};
    struct mlo_array *out;
    size_t size, place;
    int rc = need_data(c, &t.data, &size, err);
    if (rc == 0)
        rc = need_indices(c, 1, &t.idx, err);
    if (rc == 0)
        rc = begin_tuples(&t, c, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, t.data->dtype, dims, tuple_shape(&t, dims), &out, err);
    for (size_t i = 0; rc == 0 && out && i < t.n; i++) {
        rc = tuple_place(&t, i, &place, err);
        if (rc == 0)
            memcpy((char *)out->data + i * t.part * size, (const char *)t.data->data + place * size,
                   t.part * size);
    }
    return rc;
}

static int run_scatter_nd(struct mlo_op_call *c, struct mlo_err *err)
{
    int64_t dims[2 * MLO_RANK_MAX];
    struct mlo_array wanted = {0}, *out;
    const struct mlo_array *updates;
    struct tuples t = {0};
    enum reduction r;
    size_t size, place;
    int rc = need_data(c, &t.data, &size, err);
    if (rc == 0)
        rc = need_indices(c, 1, &t.idx, err);
    if (rc == 0)
        rc = mlo_in_typed(c, 2, t.data->dtype, &updates, err);
    if (rc == 0)
        rc = begin_tuples(&t, c, err);
    if (rc == 0)
        rc = read_reduction(c, t.data->dtype, &r, err);
    if (rc != 0)
        return rc;
    wanted.rank = tuple_shape(&t, dims);
    if (wanted.rank > MLO_RANK_MAX)
        return mlo_op_refuse(c, err, "too many dimensions");
    memcpy(wanted.dims, dims, wanted.rank * sizeof *dims);
    if (!mlo_array_same_shape(&wanted, updates))
        return mlo_op_refuse(c, err, "updates that do not fit");
    rc = copy_of(c, t.data, size, &out, err);
    for (size_t i = 0; rc == 0 && out && i < t.n; i++) {
        rc = tuple_place(&t, i, &place, err);
        for (size_t k = 0; rc == 0 && k < t.part; k++)
            put(r, out->dtype, (char *)out->data + (place + k) * size,
                (const char *)updates->data + (i * t.part + k) * size, size);
    }
    return rc;
}

/* ---- chosen by truth: NonZero, Compress ---- */

static bool is_zero(const struct mlo_array *a, size_t i, size_t size)
{
    double v;
    static const char zeros[16];
    return mlo_dtype_to_double(a->dtype, a->data, i, &v)
               ? v == 0
               : memcmp((const char *)a->data + i * size, zeros, size) == 0;
}

static int run_non_zero(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a;
    struct mlo_array *out;
    size_t size, n = 0, at = 0;
    int rc = need_data(c, &a, &size, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < a->n; i++)
        n += !is_zero(a, i, size);
    const int64_t dims[2] = {a->rank, (int64_t)n};
    rc = mlo_out_new(c, 0, MLO_DT_I64, dims, 2, &out, err);
    for (size_t i = 0; rc == 0 && out && i < a->n; i++) {
        size_t rest = i;
        if (is_zero(a, i, size))
            continue;
        for (unsigned d = a->rank; d-- > 0; rest /= (size_t)a->dims[d])
            ((int64_t *)out->data)[d * n + at] = (int64_t)(rest % (size_t)a->dims[d]);
        at++;
    }
    return rc;
}

static int run_compress(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_attr *given = mlo_node_attr(c->node, "axis");
    const struct mlo_array *a, *keep;
    struct mlo_array *out;
    size_t size, n = 0;
    unsigned axis = 0;
    int rc = need_data(c, &a, &size, err);
    if (rc == 0)
        rc = mlo_in_typed(c, 1, MLO_DT_BOOL, &keep, err);
    if (rc == 0 && given)
        rc = mlo_axis(given->i, a->rank, &axis, err);
    if (rc != 0)
        return rc;
    size_t along = given ? (size_t)a->dims[axis] : a->n;
    size_t outer = given ? product(a->dims, 0, axis) : 1;
    size_t part = given ? product(a->dims, axis + 1, a->rank) * size : size;
    const uint8_t *flags = keep->data;
    size_t m = keep->n < along ? keep->n : along;
    for (size_t i = 0; i < m; i++)
        n += flags[i] != 0;
    int64_t dims[MLO_RANK_MAX] = {(int64_t)n};
    if (given) {
        memcpy(dims, a->dims, sizeof dims);
        dims[axis] = (int64_t)n;
    }
    rc = mlo_out_new(c, 0, a->dtype, dims, given ? a->rank : 1, &out, err);
    char *to = rc == 0 && out ? out->data : NULL;
    for (size_t o = 0; to && o < outer; o++)
        for (size_t i = 0; i < m; i++)
            if (flags[i]) {
                memcpy(to, (const char *)a->data + (o * along + i) * part, part);
                to += part;
            }
    return rc;
}

/* ---- made from nothing: OneHot, Range, ConstantOfShape, EyeLike, Trilu ---- */

static int run_one_hot(struct mlo_op_call *c, struct mlo_err *err)
{
    int64_t dims[MLO_RANK_MAX + 1];
    const struct mlo_array *idx, *values;
    struct mlo_array *out;
    double depth;
    unsigned axis, rank = 0;
    int rc = mlo_in_array(c, 0, &idx, err);
    if (rc == 0)
        rc = mlo_in_double(c, 1, -1, &depth, err);
    if (rc == 0)
        rc = mlo_in_array(c, 2, &values, err);
    if (rc == 0 && (values->n != 2 || mlo_element_size(values->dtype) == 0 || depth < 1 || depth > INT32_MAX))
        rc = mlo_op_refuse(c, err, "a depth or values that do not fit");
    if (rc == 0)
        rc = mlo_axis(mlo_attr_int(c->node, "axis", -1), idx->rank + 1, &axis, err);
    if (rc != 0)
        return rc;
    for (unsigned d = 0; d <= idx->rank; d++)
        dims[d] = d == axis ? (int64_t)depth : idx->dims[rank++];
    rc = mlo_out_new(c, 0, values->dtype, dims, idx->rank + 1, &out, err);
    if (rc != 0 || !out)
        return rc;
    size_t size = mlo_element_size(values->dtype), inner = product(idx->dims, axis, idx->rank);
    const char *off = values->data, *on = off + size;
    for (size_t i = 0; i < out->n; i++) {
        double v = 0;
        size_t o = i / (inner * (size_t)depth), k = i / inner % (size_t)depth;
        mlo_dtype_to_double(idx->dtype, idx->data, o * inner + i % inner, &v);
        v = v < 0 ? v + depth : v;
        memcpy((char *)out->data + i * size, v == (double)k ? on : off, size);
    }
    return 0;
}

#define COUNT_UP(type)                                                                                       \
    for (size_t i = 0; i < out->n; i++)                                                                      \
    ((type *)out->data)[i] = (type)(*(const type *)start->data + (type)i * *(const type *)delta->data)

static int count_up_halves(struct mlo_array *out, double from, double step)
{
    for (size_t i = 0; i < out->n; i++) {
        float f = (float)(from + (double)i * step);
        mlo_floats_to_halves(out->dtype, &f, &((uint16_t *)out->data)[i], 1);
    }
    return 0;
}

static int run_range(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *start, *delta;
    struct mlo_array *out;
    double from, to, step;
    int rc = mlo_in_array(c, 0, &start, err);
    if (rc == 0)
        rc = mlo_in_typed(c, 2, start->dtype, &delta, err);
    if (rc == 0)
        rc = mlo_in_double(c, 0, 0, &from, err);
    if (rc == 0)
        rc = mlo_in_double(c, 1, 0, &to, err);
    if (rc == 0)
        rc = mlo_in_double(c, 2, 1, &step, err);
    double n = rc == 0 ? __builtin_ceil((to - from) / step) : 0;
    if (rc == 0 && (step == 0 || !(n < 0x1p40)))
        rc = mlo_op_refuse(c, err, "a range without end");
    const int64_t dim = rc == 0 && n > 0 ? (int64_t)n : 0;
    if (rc == 0)
        rc = mlo_out_new(c, 0, start->dtype, &dim, 1, &out, err);
    if (rc != 0 || !out)
        return rc;
    if (out->dtype == MLO_DT_F32)
        COUNT_UP(float);
    else if (out->dtype == MLO_DT_F64)
        COUNT_UP(double);
    else if (out->dtype == MLO_DT_I64)
        COUNT_UP(int64_t);
    else if (out->dtype == MLO_DT_I32)
        COUNT_UP(int32_t);
    else if (out->dtype == MLO_DT_I16)
        COUNT_UP(int16_t);
    else if (out->dtype == MLO_DT_F16 || out->dtype == MLO_DT_BF16)
        return count_up_halves(out, from, step);
    else
        return mlo_op_refuse(c, err, "not for this type");
    return 0;
}

static int run_constant_of_shape(struct mlo_op_call *c, struct mlo_err *err)
{
    static const float zero;
    const struct mlo_array usual = {.dtype = MLO_DT_F32, .n = 1, .data = (void *)(uintptr_t)&zero};
    const struct mlo_attr *given = mlo_node_attr(c->node, "value");
    const struct mlo_array *value = given && given->kind == MLO_ATTR_TENSOR ? given->tensors : &usual;
    int64_t dims[MLO_SMALL_LIST];
    struct mlo_array *out;
    size_t n, size = mlo_element_size(value->dtype);
    int rc = mlo_in_ints(c, 0, dims, &n, err);
    if (rc == 0 && (value->n != 1 || size == 0))
        rc = mlo_fail(err, MLO_EUNAVAIL, "a value that is not one element");
    if (rc == 0)
        rc = mlo_out_new(c, 0, value->dtype, dims, (unsigned)n, &out, err);
    for (size_t i = 0; rc == 0 && out && i < out->n; i++)
        memcpy((char *)out->data + i * size, value->data, size);
    return rc;
}

static int run_eye_like(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_attr *type = mlo_node_attr(c->node, "dtype");
    int64_t k = mlo_attr_int(c->node, "k", 0);
    const struct mlo_array *a;
    struct mlo_array *out;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0 && a->rank != 2)
        rc = mlo_op_refuse(c, err, "not a matrix");
    if (rc == 0)
        rc = mlo_out_new(c, 0, type ? mlo_onnx_type_of((uint64_t)type->i) : a->dtype, a->dims, 2, &out, err);
    if (rc != 0 || !out)
        return rc;
    double one = 1;
    struct mlo_array from = {.dtype = MLO_DT_F64, .n = 1, .data = &one}, to = {.dtype = out->dtype, .n = 1};
    size_t size = mlo_element_size(out->dtype);
    char unit[16] = {0};
    to.data = unit;
    rc = mlo_cast_numbers(&from, &to, err);
    memset(out->data, 0, out->n * size);
    for (int64_t i = 0; rc == 0 && i < a->dims[0]; i++)
        if (i + k >= 0 && i + k < a->dims[1])
            memcpy((char *)out->data + (size_t)(i * a->dims[1] + i + k) * size, unit, size);
    return rc;
}

static int run_trilu(struct mlo_op_call *c, struct mlo_err *err)
{
    bool upper = mlo_attr_int(c->node, "upper", 1) != 0;
    const struct mlo_array *a;
    struct mlo_array *out;
    size_t size;
    double k;
    int rc = need_data(c, &a, &size, err);
    if (rc == 0)
        rc = mlo_in_double(c, 1, 0, &k, err);
    if (rc == 0 && a->rank < 2)
        rc = mlo_op_refuse(c, err, "not a matrix");
    if (rc == 0)
        rc = copy_of(c, a, size, &out, err);
    if (rc != 0 || !out)
        return rc;
    size_t columns = (size_t)a->dims[a->rank - 1], rows = (size_t)a->dims[a->rank - 2];
    for (size_t i = 0; i < a->n; i++) {
        double ahead = (double)(i % columns) - (double)(i / columns % rows);
        if (upper ? ahead < k : ahead > k)
            memset((char *)out->data + i * size, 0, size);
    }
    return 0;
}

static const struct mlo_op ops[] = {
    {.name = "Gather", .since = 1, .run = run_gather},
    {.name = "GatherElements", .since = 11, .run = run_gather_elements},
    {.name = "GatherND", .since = 11, .run = run_gather_nd},
    {.name = "Scatter", .since = 9, .run = run_scatter_elements},
    {.name = "ScatterElements", .since = 11, .run = run_scatter_elements},
    {.name = "ScatterND", .since = 11, .run = run_scatter_nd},
    {.name = "NonZero", .since = 9, .run = run_non_zero},
    {.name = "Compress", .since = 9, .run = run_compress},
    {.name = "OneHot", .since = 9, .run = run_one_hot},
    {.name = "Range", .since = 11, .run = run_range},
    {.name = "ConstantOfShape", .since = 9, .run = run_constant_of_shape},
    {.name = "EyeLike", .since = 9, .run = run_eye_like},
    {.name = "Trilu", .since = 14, .run = run_trilu},
};
const struct mlo_op_family mlo_ops_gather = {"", ops, MLO_COUNT(ops)};
