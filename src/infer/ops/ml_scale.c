/* ai.onnx.ml: numbers made comparable, filled in, cut, put side by side, picked. */
#include <math.h>
#include <string.h>

#include "ml.h"

/* Columns in the sense of ONNX Runtime: the second dimension, or the only one. */
static size_t columns_of(const struct mlo_array *a)
{
    return a->rank == 0 ? 1 : (size_t)a->dims[a->rank == 1 ? 0 : 1];
}

/* One value for all columns, or one for each. */
static int need_width(const char *name, size_t n, size_t columns, struct mlo_err *err)
{
    if (n != 1 && n != columns)
        return mlo_fail(err, MLO_EINVALID, "'%s' has %zu values for %zu columns", name, n, columns);
    return 0;
}

/* An output like the input, of this type. */
static int out_like(struct mlo_op_call *c, const struct mlo_array *a, enum mlo_dtype t,
                    struct mlo_array **ret, struct mlo_err *err)
{
    return mlo_out_new(c, 0, t, a->dims, a->rank, ret, err);
}

static int need_number(const struct mlo_op_call *c, const struct mlo_array **ret, struct mlo_err *err)
{
    int rc = mlo_in_array(c, 0, ret, err);
    if (rc != 0)
        return rc;
    enum mlo_dtype t = (*ret)->dtype;
    if (t != MLO_DT_F32 && t != MLO_DT_F64 && t != MLO_DT_I64 && t != MLO_DT_I32)
        return mlo_op_refuse(c, err, "not of float, double, int64 or int32");
    return 0;
}

/* The input as floats: its own, or a copy. */
static int as_floats(struct mlo_op_call *c, const struct mlo_array *a, const float **ret, struct mlo_err *err)
{
    struct mlo_array floats = *a;
    floats.dtype = MLO_DT_F32;
    *ret = a->data;
    if (a->dtype == MLO_DT_F32)
        return 0;
    int rc = mlo_scratch(c, a->n, sizeof(float), &floats.data, err);
    *ret = floats.data;
    return rc == 0 ? mlo_cast_numbers(a, &floats, err) : rc;
}

/* ---- Scaler ---- */

/* Doubles are subtracted and multiplied as such. */
static int run_scaler(struct mlo_op_call *c, struct mlo_err *err)
{
    size_t n_offset, n_scale, k = 0;
    const float *offset = mlo_attr_floats(c->node, "offset", &n_offset);
    const float *scale = mlo_attr_floats(c->node, "scale", &n_scale), *x = NULL;
    const struct mlo_array *a;
    struct mlo_array *out;
    int rc = need_number(c, &a, err);
    size_t columns = rc == 0 ? columns_of(a) : 0;
    if (rc == 0)
        rc = need_width("offset", n_offset, columns, err);
    if (rc == 0)
        rc = need_width("scale", n_scale, columns, err);
    if (rc == 0 && a->dtype != MLO_DT_F64)
        rc = as_floats(c, a, &x, err);
    if (rc == 0)
        rc = out_like(c, a, MLO_DT_F32, &out, err);
    if (rc != 0 || !out)
        return rc;
    float *to = out->data;
    for (size_t i = 0; i < a->n; i++) {
        float less = offset[n_offset == 1 ? 0 : k], times = scale[n_scale == 1 ? 0 : k];
        to[i] = x ? (x[i] - less) * times
                  : (float)((((const double *)a->data)[i] - (double)less) * (double)times);
        k = k + 1 == columns ? 0 : k + 1;
    }
    return 0;
}

/* ---- Normalizer ---- */

enum norm { NORM_MAX, NORM_L1, NORM_L2 };

static int read_norm(const struct mlo_node *n, enum norm *ret, struct mlo_err *err)
{
    if (mlo_attr_is(n, "norm", "MAX") || mlo_attr_is(n, "norm", ""))
        *ret = NORM_MAX;
    else if (mlo_attr_is(n, "norm", "L1"))
        *ret = NORM_L1;
    else if (mlo_attr_is(n, "norm", "L2"))
        *ret = NORM_L2;
    else
        return mlo_fail(err, MLO_EUNAVAIL, "an unknown norm");
    return 0;
}

/* MAX divides by the greatest value with its sign, as ONNX Runtime (the reference: by the greatest
 * magnitude). */
static float length_of(enum norm norm, const float *x, size_t n)
{
    float length = norm == NORM_MAX ? -3.402823466e+38F : 0;
    for (size_t i = 0; i < n; i++) {
        if (norm == NORM_MAX)
            length = length < x[i] ? x[i] : length;
        else
            length += norm == NORM_L1 ? fabsf(x[i]) : x[i] * x[i];
    }
    return length;
}

static void normalize(enum norm norm, const float *x, float *to, size_t n)
{
    float length = length_of(norm, x, n);
    for (size_t i = 0; i < n; i++) {
        if (length == 0)
            to[i] = x[i];
        else if (norm == NORM_L2)
            to[i] = copysignf(sqrtf(x[i] * x[i] / length), x[i] < 0 ? -1.0F : 1.0F);
        else
            to[i] = x[i] / length;
    }
}

static int run_normalizer(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_ml_rows rows = {0};
    const struct mlo_array *a;
    struct mlo_array *out;
    enum norm norm = NORM_MAX;
    int rc = need_number(c, &a, err);
    if (rc == 0)
        rc = read_norm(c->node, &norm, err);
    if (rc == 0)
        rc = mlo_ml_rows_in(c, 0, &rows, err);
    if (rc == 0)
        rc = out_like(c, a, MLO_DT_F32, &out, err);
    if (rc != 0 || !out)
        return rc;
    for (size_t i = 0; i < rows.n; i++)
        normalize(norm, rows.at + i * rows.width, (float *)out->data + i * rows.width, rows.width);
    return 0;
}

/* ---- Imputer ---- */

static int impute_reals(const struct mlo_op_call *c, const struct mlo_array *a, struct mlo_array *out,
                        struct mlo_err *err)
{
    float old = mlo_attr_float(c->node, "replaced_value_float", 0);
    size_t n, columns = columns_of(a);
    const float *fill = mlo_attr_floats(c->node, "imputed_value_floats", &n);
    int rc = need_width("imputed_value_floats", n, columns, err);
    for (size_t i = 0; rc == 0 && i < a->n; i++) {
        bool wide = a->dtype == MLO_DT_F64;
        double v = wide ? ((const double *)a->data)[i] : (double)((const float *)a->data)[i];
        if (isnan(old) ? isnan(v) : v == (double)old)
            v = (double)fill[n == 1 ? 0 : i % columns];
        if (wide)
            ((double *)out->data)[i] = v;
        else
            ((float *)out->data)[i] = (float)v;
    }
    return rc;
}

static int impute_wholes(const struct mlo_op_call *c, const struct mlo_array *a, struct mlo_array *out,
                         struct mlo_err *err)
{
    int64_t old = mlo_attr_int(c->node, "replaced_value_int64", 0);
    size_t n, columns = columns_of(a);
    const int64_t *fill = mlo_attr_ints(c->node, "imputed_value_int64s", &n);
    int rc = need_width("imputed_value_int64s", n, columns, err);
    for (size_t i = 0; rc == 0 && i < a->n; i++) {
        bool wide = a->dtype == MLO_DT_I64;
        int64_t v = wide ? ((const int64_t *)a->data)[i] : ((const int32_t *)a->data)[i];
        if (v == old)
            v = fill[n == 1 ? 0 : i % columns];
        if (wide)
            ((int64_t *)out->data)[i] = v;
        else
            ((int32_t *)out->data)[i] = (int32_t)v;
    }
    return rc;
}

static int run_imputer(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a;
    struct mlo_array *out;
    int rc = need_number(c, &a, err);
    if (rc == 0)
        rc = out_like(c, a, a->dtype, &out, err);
    if (rc != 0 || !out)
        return rc;
    bool real = a->dtype == MLO_DT_F32 || a->dtype == MLO_DT_F64;
    return real ? impute_reals(c, a, out, err) : impute_wholes(c, a, out, err);
}

/* ---- Binarizer ---- */

#define BINARIZE(type)                                                                                       \
    for (size_t i = 0; i < a->n; i++)                                                                        \
    ((type *)out->data)[i] = (type)((double)((const type *)a->data)[i] > (double)threshold)

static int run_binarizer(struct mlo_op_call *c, struct mlo_err *err)
{
    float threshold = mlo_attr_float(c->node, "threshold", 0);
    const struct mlo_array *a;
    struct mlo_array *out;
    int rc = need_number(c, &a, err);
    if (rc == 0)
        rc = out_like(c, a, a->dtype, &out, err);
    if (rc != 0 || !out)
        return rc;
    if (a->dtype == MLO_DT_F32)
        BINARIZE(float);
    else if (a->dtype == MLO_DT_F64)
        BINARIZE(double);
    else if (a->dtype == MLO_DT_I64)
        BINARIZE(int64_t);
    else
        BINARIZE(int32_t);
    return 0;
}

/* ---- FeatureVectorizer ---- */

/* Input k goes to columns from `at`, cut or filled with zeros to `width`. */
static int put_columns(struct mlo_op_call *c, size_t k, size_t width, size_t at, struct mlo_array *out,
                       struct mlo_err *err)
{
    struct mlo_ml_rows rows = {0};
    size_t total = (size_t)out->dims[1];
    int rc = mlo_ml_rows_in(c, k, &rows, err);
    if (rc == 0 && rows.n != (size_t)out->dims[0])
        rc = mlo_op_refuse(c, err, "not as many rows in each input");
    size_t n = rows.width < width ? rows.width : width;
    for (size_t i = 0; rc == 0 && i < rows.n; i++) {
        float *to = (float *)out->data + i * total + at;
        memset(to, 0, width * sizeof *to);
        if (n)
            memcpy(to, rows.at + i * rows.width, n * sizeof *to);
    }
    return rc;
}

static int run_feature_vectorizer(struct mlo_op_call *c, struct mlo_err *err)
{
    size_t n, rows, width, total = 0, at = 0;
    const int64_t *widths = mlo_attr_ints(c->node, "inputdimensions", &n);
    const struct mlo_array *first;
    struct mlo_array *out;
    int rc = mlo_in_array(c, 0, &first, err);
    if (rc == 0)
        rc = mlo_ml_rows_shape(first, &rows, &width, err);
    if (rc == 0 && n != c->n_in)
        rc = mlo_op_refuse(c, err, "%zu inputdimensions", n);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (widths[i] < 0 || __builtin_add_overflow(total, (size_t)widths[i], &total) || total > INT64_MAX)
            rc = mlo_op_refuse(c, err, "inputdimension %lld", (long long)widths[i]);
    if (rc == 0)
        rc = mlo_out_new(c, 0, MLO_DT_F32, (int64_t[]){(int64_t)rows, (int64_t)total}, 2, &out, err);
    for (size_t i = 0; rc == 0 && out && i < n; i++) {
        rc = put_columns(c, i, (size_t)widths[i], at, out, err);
        at += (size_t)widths[i];
    }
    return rc;
}

/* ---- ArrayFeatureExtractor ---- */

static int check_positions(const struct mlo_op_call *c, const struct mlo_array *at, int64_t columns,
                           struct mlo_err *err)
{
    const int64_t *v = at->data;
    if (at->n == 0)
        return mlo_op_refuse(c, err, "no positions");
    for (size_t i = 0; i < at->n; i++)
        if (v[i] < 0 || v[i] >= columns)
            return mlo_op_refuse(c, err, "position %lld of %lld", (long long)v[i], (long long)columns);
    return 0;
}

static int run_array_feature_extractor(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a, *at;
    int64_t dims[MLO_RANK_MAX];
    struct mlo_array *out;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = mlo_in_typed(c, 1, MLO_DT_I64, &at, err);
    if (rc == 0 && (a->rank == 0 || mlo_element_size(a->dtype) == 0))
        rc = mlo_op_refuse(c, err, "nothing to pick from");
    if (rc == 0)
        rc = check_positions(c, at, a->dims[a->rank - 1], err);
    if (rc != 0)
        return rc;
    unsigned rank = a->rank == 1 ? 2 : a->rank;
    size_t columns = (size_t)a->dims[a->rank - 1], size = mlo_element_size(a->dtype);
    memcpy(dims, a->dims, sizeof dims);
    dims[0] = a->rank == 1 ? 1 : dims[0];
    dims[rank - 1] = (int64_t)at->n;
    rc = mlo_out_new(c, 0, a->dtype, dims, rank, &out, err);
    if (rc != 0 || !out)
        return rc;
    char *to = out->data;
    for (size_t row = 0; row < a->n; row += columns)
        for (size_t i = 0; i < at->n; i++, to += size)
            memcpy(to, (const char *)a->data + (row + (size_t)((const int64_t *)at->data)[i]) * size, size);
    return 0;
}

static const struct mlo_op ops[] = {
    {.name = "Scaler", .since = 1, .run = run_scaler},
    {.name = "Normalizer", .since = 1, .run = run_normalizer},
    {.name = "Imputer", .since = 1, .run = run_imputer},
    {.name = "Binarizer", .since = 1, .run = run_binarizer},
    {.name = "FeatureVectorizer", .since = 1, .run = run_feature_vectorizer},
    {.name = "ArrayFeatureExtractor", .since = 1, .run = run_array_feature_extractor},
};
const struct mlo_op_family mlo_ops_ml_scale = {"ai.onnx.ml", ops, MLO_COUNT(ops)};
