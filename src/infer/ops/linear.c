/* Matrix products: MatMul, Gemm. Halves are computed as floats, whole numbers as 64-bit ones. */
#include <string.h>

#include <mlopsctl/backend.h>

#include "op.h"

/* The type that products of this one are computed in; UNKNOWN: none. */
static enum mlo_dtype compute_type(enum mlo_dtype t)
{
    if (t == MLO_DT_F32 || t == MLO_DT_F16 || t == MLO_DT_BF16)
        return MLO_DT_F32;
    if (t == MLO_DT_F64)
        return MLO_DT_F64;
    return t >= MLO_DT_U8 && t <= MLO_DT_I64 ? MLO_DT_I64 : MLO_DT_UNKNOWN;
}

static void multiply(enum mlo_dtype t, const struct mlo_matmul *p)
{
    if (t == MLO_DT_F32)
        mlo_matmul_f32(p);
    else if (t == MLO_DT_F64)
        mlo_matmul_f64(p);
    else
        mlo_matmul_i64(p);
}

/* Memory for a result in the type of the computation: the output's own, or scratch. */
static int result_memory(struct mlo_op_call *c, struct mlo_array *out, enum mlo_dtype t,
                         struct mlo_array *ret, struct mlo_err *err)
{
    *ret = *out;
    ret->dtype = t;
    return out->dtype == t ? 0 : mlo_scratch(c, out->n, mlo_element_size(t), &ret->data, err);
}

static int give_result(const struct mlo_array *result, struct mlo_array *out, struct mlo_err *err)
{
    return result->dtype == out->dtype ? 0 : mlo_cast_numbers(result, out, err);
}

/* ---- MatMul ---- */

/* A vector on the left is a row, on the right a column; their dimension is left out of the result. */
struct matrices {
    struct mlo_array a, b; /* of rank 2 and more */
    bool row, column;
};

static int take_matrices(const struct mlo_op_call *c, const struct mlo_array *a, const struct mlo_array *b,
                         struct matrices *m, struct mlo_err *err)
{
    *m = (struct matrices){.a = *a, .b = *b, .row = a->rank == 1, .column = b->rank == 1};
    if (m->row) {
        m->a.rank = 2;
        m->a.dims[1] = a->dims[0];
        m->a.dims[0] = 1;
    }
    if (m->column) {
        m->b.rank = 2;
        m->b.dims[1] = 1;
    }
    if (m->a.rank < 2 || m->b.rank < 2 || m->a.dims[m->a.rank - 1] != m->b.dims[m->b.rank - 2])
        return mlo_op_refuse(c, err, "matrices that do not fit");
    return 0;
}

/* Dimensions in front of the matrices: as arrays of their own, to be repeated like any. */
static int batch_shape(const struct matrices *m, struct mlo_array *a, struct mlo_array *b,
                       struct mlo_array *all, struct mlo_err *err)
{
    *a = m->a;
    *b = m->b;
    a->rank -= 2;
    b->rank -= 2;
    *all = (struct mlo_array){0};
    int rc = mlo_broadcast_shape(a, b, all->dims, &all->rank, err);
    return rc == 0 ? mlo_array_count(all->dims, all->rank, &all->n, err) : rc;
}

struct products {
    struct mlo_matmul p;
    enum mlo_dtype t;
    const char *a, *b;
    char *c;
    size_t size, steps[2]; /* matrices of the last batch dimension: 0 or 1 */
};

static void each_product(void *ctx, const size_t *at, size_t n)
{
    struct products *w = ctx;
    for (size_t i = 0; i < n; i++, w->c += w->p.m * w->p.n * w->size) {
        w->p.a = w->a + (at[0] + i * w->steps[0]) * w->p.m * w->p.k * w->size;
        w->p.b = w->b + (at[1] + i * w->steps[1]) * w->p.k * w->p.n * w->size;
        w->p.c = w->c;
        multiply(w->t, &w->p);
    }
}

static int multiply_all(struct mlo_op_call *c, const struct matrices *m, struct mlo_array *out,
                        struct mlo_err *err)
{
    struct mlo_array a, b, all, result;
    struct products w = {.t = compute_type(m->a.dtype)};
    struct mlo_walk walk = {.n_operands = 2};
    const void *x, *y;
    int rc = batch_shape(m, &a, &b, &all, err);
    if (rc == 0)
        rc = mlo_as_type(c, &m->a, w.t, &x, err);
    if (rc == 0)
        rc = mlo_as_type(c, &m->b, w.t, &y, err);
    if (rc == 0)
        rc = result_memory(c, out, w.t, &result, err);
    if (rc != 0)
        return rc;
    size_t k = (size_t)m->a.dims[m->a.rank - 1], n = (size_t)m->b.dims[m->b.rank - 1];
    w.p = (struct mlo_matmul){.m = (size_t)m->a.dims[m->a.rank - 2],
                              .n = n,
                              .k = k,
                              .a_row = k,
                              .a_col = 1,
                              .b_row = n,
                              .b_col = 1,
                              .c_row = n};
    w.a = x;
    w.b = y;
    w.c = result.data;
    w.size = mlo_element_size(w.t);
    walk.dims = all.dims;
    walk.rank = all.rank;
    mlo_broadcast_strides(&a, all.rank, walk.strides[0]);
    mlo_broadcast_strides(&b, all.rank, walk.strides[1]);
    w.steps[0] = all.rank ? walk.strides[0][all.rank - 1] : 0;
    w.steps[1] = all.rank ? walk.strides[1][all.rank - 1] : 0;
    mlo_walk_rows(&walk, each_product, &w);
    return give_result(&result, out, err);
}

int mlo_product_shape(const struct mlo_op_call *c, const struct mlo_array *a, const struct mlo_array *b,
                      struct mlo_array *ret, struct mlo_err *err)
{
    struct mlo_array x, y, all;
    struct matrices m;
    int rc = a->dtype == b->dtype && compute_type(a->dtype) != MLO_DT_UNKNOWN
                 ? take_matrices(c, a, b, &m, err)
                 : mlo_op_refuse(c, err, "not for these types");
    if (rc == 0)
        rc = batch_shape(&m, &x, &y, &all, err);
    if (rc == 0 && all.rank + 2 > MLO_RANK_MAX)
        rc = mlo_op_refuse(c, err, "too many dimensions");
    if (rc != 0)
        return rc;
    if (!m.row)
        all.dims[all.rank++] = m.a.dims[m.a.rank - 2];
    if (!m.column)
        all.dims[all.rank++] = m.b.dims[m.b.rank - 1];
    all.dtype = a->dtype;
    *ret = all;
    return mlo_array_count(all.dims, all.rank, &ret->n, err);
}

int mlo_product(struct mlo_op_call *c, const struct mlo_array *a, const struct mlo_array *b,
                struct mlo_array *out, struct mlo_err *err)
{
    struct matrices m;
    int rc = take_matrices(c, a, b, &m, err);
    return rc == 0 ? multiply_all(c, &m, out, err) : rc;
}

static int run_matmul(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a, *b;
    struct mlo_array shape, *out;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = mlo_in_array(c, 1, &b, err);
    if (rc == 0)
        rc = mlo_product_shape(c, a, b, &shape, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, shape.dtype, shape.dims, shape.rank, &out, err);
    return rc == 0 && out ? mlo_product(c, a, b, out, err) : rc;
}

/* ---- Gemm: alpha a b + beta c ---- */

/* c is repeated over the rows, the columns, or not at all. */
static int add_bias(struct mlo_op_call *c, const struct mlo_array *bias, struct mlo_array *y, float beta,
                    struct mlo_err *err)
{
    int64_t dims[MLO_RANK_MAX];
    size_t strides[MLO_RANK_MAX];
    const void *data;
    unsigned rank;
    int rc = mlo_broadcast_shape(bias, y, dims, &rank, err);
    if (rc == 0 && (rank != 2 || dims[0] != y->dims[0] || dims[1] != y->dims[1]))
        rc = mlo_op_refuse(c, err, "c does not fit");
    if (rc == 0)
        rc = mlo_as_type(c, bias, y->dtype, &data, err);
    if (rc != 0)
        return rc;
    mlo_broadcast_strides(bias, 2, strides);
    size_t rows = (size_t)y->dims[0], columns = (size_t)y->dims[1];
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) {
            size_t at = i * columns + j, from = i * strides[0] + j * strides[1];
            if (y->dtype == MLO_DT_F32)
                ((float *)y->data)[at] += beta * ((const float *)data)[from];
            else if (y->dtype == MLO_DT_F64)
                ((double *)y->data)[at] += (double)beta * ((const double *)data)[from];
            else
                ((int64_t *)y->data)[at] += (int64_t)beta * ((const int64_t *)data)[from];
        }
    return 0;
}

static void scale(struct mlo_array *y, float alpha)
{
    for (size_t i = 0; y->dtype == MLO_DT_F32 && alpha != 1 && i < y->n; i++)
        ((float *)y->data)[i] *= alpha;
    for (size_t i = 0; y->dtype == MLO_DT_F64 && alpha != 1 && i < y->n; i++)
        ((double *)y->data)[i] *= (double)alpha;
    for (size_t i = 0; y->dtype == MLO_DT_I64 && alpha != 1 && i < y->n; i++)
        ((int64_t *)y->data)[i] *= (int64_t)alpha;
}

static int run_gemm(struct mlo_op_call *c, struct mlo_err *err)
{
    bool ta = mlo_attr_int(c->node, "transA", 0) != 0, tb = mlo_attr_int(c->node, "transB", 0) != 0;
    float alpha = mlo_attr_float(c->node, "alpha", 1), beta = mlo_attr_float(c->node, "beta", 1);
    const struct mlo_array *a, *b, *bias = mlo_in(c, 2);
    struct mlo_array *out, y;
    struct mlo_matmul p = {0};
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = mlo_in_typed(c, 1, a->dtype, &b, err);
    if (rc != 0)
        return rc;
    enum mlo_dtype t = compute_type(a->dtype);
    if (t == MLO_DT_UNKNOWN || a->rank != 2 || b->rank != 2 || a->dims[!ta] != b->dims[tb])
        return mlo_op_refuse(c, err, "matrices that do not fit");
    const int64_t dims[2] = {a->dims[ta], b->dims[!tb]};
    rc = mlo_out_new(c, 0, a->dtype, dims, 2, &out, err);
    if (rc != 0 || !out)
        return rc;
    rc = mlo_as_type(c, a, t, &p.a, err);
    if (rc == 0)
        rc = mlo_as_type(c, b, t, &p.b, err);
    if (rc == 0)
        rc = result_memory(c, out, t, &y, err);
    if (rc != 0)
        return rc;
    size_t a_columns = (size_t)a->dims[1], b_columns = (size_t)b->dims[1];
    p.m = (size_t)dims[0];
    p.n = p.c_row = (size_t)dims[1];
    p.k = (size_t)a->dims[!ta];
    p.a_row = ta ? 1 : a_columns;
    p.a_col = ta ? a_columns : 1;
    p.b_row = tb ? 1 : b_columns;
    p.b_col = tb ? b_columns : 1;
    p.c = y.data;
    multiply(t, &p);
    scale(&y, alpha);
    rc = bias ? add_bias(c, bias, &y, beta, err) : 0;
    return rc == 0 ? give_result(&y, out, err) : rc;
}

static const struct mlo_op ops[] = {
    {.name = "MatMul", .since = 1, .run = run_matmul},
    {.name = "Gemm", .since = 7, .run = run_gemm},
};
const struct mlo_op_family mlo_ops_linear = {"", ops, MLO_COUNT(ops)};
