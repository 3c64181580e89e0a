/*
 * What is done to the columns of a table, on a device: missing numbers, categories that are numbers, lengths,
 * columns side by side; and linear models, whose scores become labels and probabilities on the CPU, by the
 * code that it has for its own.
 */
#include <math.h>
#include <string.h>

#include "lower.h"

#define WHOLE_MAX ((int64_t)1 << 24) /* up to here floats hold all whole numbers */

static int weigh_floats(struct mlo_weights *w, const float *from, size_t n, struct mlo_err *err)
{
    float *to;
    int rc = mlo_weight_add(w, MLO_DEVICE_F32, n, &to, err);
    if (rc == 0)
        memcpy(to, from, n * sizeof *to);
    return rc;
}

static uint32_t columns_of(const struct mlo_lower *l, size_t weight)
{
    return (uint32_t)l->o->facts[l->weight + weight].n;
}

/* As the CPU counts them: the second dimension, or the only one. */
static bool has_columns(struct mlo_lower *l, const struct mlo_step *s, size_t n)
{
    const struct mlo_array *x = mlo_lower_shape(l, s, 0);
    if (!mlo_lower_is_floats(l, s, 0))
        return false;
    bool fits = n == 1 || (x->rank == 1 && (size_t)x->dims[0] == n) ||
                (x->rank == 2 && (size_t)x->dims[1] == n);
    return fits || mlo_lower_fail(l, "its columns do not fit");
}

/* ---- Imputer ---- */

static bool fits_imputer(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    size_t n;
    (void)g;
    *ret_why = "it fills in no floats";
    return mlo_attr_floats(s->node, "imputed_value_floats", &n) && n > 0;
}

static int weigh_imputer(const struct mlo_plan_graph *g, const struct mlo_step *s, struct mlo_weights *w,
                         struct mlo_err *err)
{
    size_t n;
    const float *fill = mlo_attr_floats(s->node, "imputed_value_floats", &n);
    (void)g;
    return weigh_floats(w, fill, n, err);
}

static bool emit_imputer(struct mlo_lower *l, const struct mlo_step *s)
{
    uint32_t n = columns_of(l, 0);
    if (!has_columns(l, s, n))
        return false;
    struct mlo_device_step to = {.op = MLO_DEVICE_REPLACE,
                                 .buffer = {mlo_lower_input(l, s, 0, MLO_DEVICE_F32), mlo_lower_weight(l, 0),
                                            mlo_lower_output(l, s, 0, MLO_DEVICE_F32)},
                                 .size = {(uint32_t)(mlo_lower_shape(l, s, 0)->n / n), n},
                                 .number = mlo_attr_float(s->node, "replaced_value_float", 0)};
    return mlo_lower_step(l, &to);
}

/* ---- OneHotEncoder ---- */

static bool is_listed_before(const int64_t *list, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (list[k] == list[i])
            return true;
    return false;
}

static bool fits_one_hot(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    enum { KEYS_MAX = 4096 };
    size_t n;
    const int64_t *keys = mlo_attr_ints(s->node, "cats_int64s", &n);
    (void)g;
    *ret_why = "its categories are no numbers, or too many, or one that is not listed is an error";
    bool fits = keys && n > 0 && n <= KEYS_MAX && mlo_attr_int(s->node, "zeros", 1) != 0;
    for (size_t i = 0; fits && i < n; i++)
        fits = keys[i] >= -WHOLE_MAX && keys[i] <= WHOLE_MAX && !is_listed_before(keys, i);
    return fits;
}

static int weigh_one_hot(const struct mlo_plan_graph *g, const struct mlo_step *s, struct mlo_weights *w,
                         struct mlo_err *err)
{
    size_t n;
    const int64_t *keys = mlo_attr_ints(s->node, "cats_int64s", &n);
    float *to;
    (void)g;
    int rc = mlo_weight_add(w, MLO_DEVICE_F32, n, &to, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        to[i] = (float)keys[i];
    return rc;
}

static bool emit_one_hot(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_array *x = mlo_lower_shape(l, s, 0);
    if (x->dtype != MLO_DT_I64 && !mlo_lower_is_floats(l, s, 0))
        return false;
    if (x->n == 0)
        return mlo_lower_fail(l, "it has no rows");
    struct mlo_device_step to = {.op = MLO_DEVICE_ONE_HOT,
                                 .buffer = {mlo_lower_input(l, s, 0, MLO_DEVICE_F32), mlo_lower_weight(l, 0),
                                            mlo_lower_output(l, s, 0, MLO_DEVICE_F32)},
                                 .size = {(uint32_t)x->n, columns_of(l, 0)}};
    return mlo_lower_step(l, &to);
}

/* ---- LabelEncoder ---- */

struct pair {
    float key, value;
    size_t at;
};

/* Of equal keys the first comes first. */
static int compare(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->at < y->at ? -1 : 1;
}

static bool fits_encoder(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    size_t n, values;
    const float *keys = mlo_attr_floats(s->node, "keys_floats", &n);
    (void)g;
    *ret_why = "its keys or values are not floats";
    bool fits = s->node->version >= 2 && keys && n > 0 &&
                mlo_attr_floats(s->node, "values_floats", &values) && values == n &&
                !mlo_node_attr(s->node, "default_tensor");
    for (size_t i = 0; fits && i < n; i++)
        fits = !isnan(keys[i]);
    return fits;
}

static int weigh_pairs(const struct mlo_node *node, struct pair *pairs, size_t n, struct mlo_weights *w,
                       struct mlo_err *err)
{
    const float *keys = mlo_attr_floats(node, "keys_floats", &n);
    const float *values = mlo_attr_floats(node, "values_floats", &n);
    size_t kept = 0;
    float *key, *value;
    for (size_t i = 0; i < n; i++)
        pairs[i] = (struct pair){keys[i], values[i], i};
    qsort(pairs, n, sizeof *pairs, compare);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || pairs[kept - 1].key != pairs[i].key)
            pairs[kept++] = pairs[i];
    int rc = mlo_weight_add(w, MLO_DEVICE_F32, kept, &key, err);
    if (rc == 0)
        rc = mlo_weight_add(w, MLO_DEVICE_F32, kept, &value, err);
    for (size_t i = 0; rc == 0 && i < kept; i++) {
        key[i] = pairs[i].key;
        value[i] = pairs[i].value;
    }
    return rc;
}

static int weigh_encoder(const struct mlo_plan_graph *g, const struct mlo_step *s, struct mlo_weights *w,
                         struct mlo_err *err)
{
    size_t n;
    (void)g;
    (void)mlo_attr_floats(s->node, "keys_floats", &n);
    MLO_AUTOFREE struct pair *pairs = mlo_calloc(n, sizeof *pairs, err);
    return pairs ? weigh_pairs(s->node, pairs, n, w, err) : err->code;
}

static bool emit_encoder(struct mlo_lower *l, const struct mlo_step *s)
{
    if (!mlo_lower_is_floats(l, s, 0))
        return false;
    struct mlo_device_step to = {.op = MLO_DEVICE_LOOKUP,
                                 .buffer = {mlo_lower_input(l, s, 0, MLO_DEVICE_F32), mlo_lower_weight(l, 0),
                                            mlo_lower_weight(l, 1),
                                            mlo_lower_output(l, s, 0, MLO_DEVICE_F32)},
                                 .size = {(uint32_t)mlo_lower_shape(l, s, 0)->n, columns_of(l, 0)},
                                 .number = mlo_attr_float(s->node, "default_float", -0.0F)};
    return mlo_lower_step(l, &to);
}

/* ---- Normalizer ---- */

static bool emit_normalizer(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_array *x = mlo_lower_shape(l, s, 0);
    if (!mlo_lower_is_floats(l, s, 0))
        return false;
    if (x->rank != 2)
        return mlo_lower_fail(l, "its input is not rows");
    struct mlo_device_step to = {
        .op = MLO_DEVICE_UNIT,
        .buffer = {mlo_lower_input(l, s, 0, MLO_DEVICE_F32), mlo_lower_output(l, s, 0, MLO_DEVICE_F32)},
        .size = {(uint32_t)x->dims[0], (uint32_t)x->dims[1]},
        .number = mlo_attr_is(s->node, "norm", "L2")   ? 2.0F
                  : mlo_attr_is(s->node, "norm", "L1") ? 1.0F
                                                       : 0.0F};
    return mlo_lower_step(l, &to);
}

/* ---- columns side by side ---- */

/* Rows before the dimension that grows, numbers of a row from it on. */
static bool emit_part(struct mlo_lower *l, const struct mlo_step *s, size_t i, uint32_t to, uint32_t floats,
                      uint32_t *rows_m_end)
{
    const struct mlo_array *x = mlo_lower_shape(l, s, i);
    uint32_t n = (uint32_t)(x->n / rows_m_end[0]);
    rows_m_end[2] += n;
    struct mlo_device_step step = {.op = MLO_DEVICE_PLACE,
                                   .buffer = {mlo_lower_floats(l, s, i, floats), to},
                                   .size = {rows_m_end[0], n, rows_m_end[1], rows_m_end[2]}};
    return mlo_lower_step(l, &step);
}

static bool emit_beside(struct mlo_lower *l, const struct mlo_step *s, size_t axis, uint32_t floats)
{
    const struct mlo_array *y = &l->shape[s->out[0]];
    size_t rows = 1;
    for (size_t i = 0; i < axis && i < y->rank; i++)
        rows *= (size_t)y->dims[i];
    if (axis >= y->rank || y->n == 0)
        return mlo_lower_fail(l, "it has no such dimension, or no numbers");
    uint32_t to = mlo_lower_output(l, s, 0, floats);
    uint32_t rows_m_end[3] = {(uint32_t)rows, (uint32_t)(y->n / rows), 0};
    for (size_t i = 0; i < s->n_in; i++)
        if (mlo_lower_shape(l, s, i)->n > 0 && !emit_part(l, s, i, to, floats, rows_m_end))
            return false;
    return true;
}

static bool emit_concat(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_array *y = &l->shape[s->out[0]];
    int64_t axis = mlo_attr_int(s->node, "axis", 1);
    axis += axis < 0 ? (int64_t)y->rank : 0;
    if (y->dtype != MLO_DT_F32)
        return mlo_lower_fail(l, "its inputs are not of float32");
    return emit_beside(l, s, (size_t)axis, l->o->floats);
}

/* Numbers of any type, a row each. */
static bool emit_vectorizer(struct mlo_lower *l, const struct mlo_step *s)
{
    for (size_t i = 0; i < s->n_in; i++) {
        const struct mlo_array *x = mlo_lower_shape(l, s, i);
        bool is_number = x->dtype == MLO_DT_F32 || x->dtype == MLO_DT_F64 || x->dtype == MLO_DT_I64;
        if (!is_number || x->rank != 2)
            return mlo_lower_fail(l, "its inputs are not rows of numbers");
    }
    return emit_beside(l, s, 1, MLO_DEVICE_F32);
}

/* ---- linear models ---- */

/* Scores of a model; 0: it has none. */
static size_t scores_of(const struct mlo_step *s, size_t *ret_width)
{
    size_t count, n;
    bool is_classifier = strcmp(s->node->op, "LinearClassifier") == 0;
    (void)mlo_attr_floats(s->node, "intercepts", &n);
    n = is_classifier ? n : (size_t)mlo_attr_int(s->node, "targets", 1);
    (void)mlo_attr_floats(s->node, "coefficients", &count);
    *ret_width = n > 0 ? count / n : 0;
    return n;
}

static int weigh_linear(const struct mlo_plan_graph *g, const struct mlo_step *s, struct mlo_weights *w,
                        struct mlo_err *err)
{
    size_t width, n = scores_of(s, &width), count, n_intercepts;
    const float *from = mlo_attr_floats(s->node, "coefficients", &count);
    const float *intercepts = mlo_attr_floats(s->node, "intercepts", &n_intercepts);
    float *to, *bias;
    (void)g;
    int rc = mlo_weight_floats(w, count, &to, err);
    if (rc == 0)
        memcpy(to, from, count * sizeof *to);
    if (rc == 0)
        rc = mlo_weight_floats(w, n, &bias, err);
    if (rc == 0 && n_intercepts == n)
        memcpy(bias, intercepts, n * sizeof *bias);
    return rc;
}

/* The sums are floats, whatever products are. */
static bool emit_linear(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_array *x = mlo_lower_shape(l, s, 0);
    size_t width, n = scores_of(s, &width);
    if (!mlo_lower_is_floats(l, s, 0))
        return false;
    if (x->rank != 2 || (size_t)x->dims[1] != width)
        return mlo_lower_fail(l, "its input is not rows of so many columns");
    bool is_narrow = l->o->floats != MLO_DEVICE_F32;
    struct mlo_device_buffer sums = {MLO_DEVICE_OUTPUT, MLO_DEVICE_F32, (size_t)x->dims[0] * n, 0};
    struct mlo_device_buffer scores = {MLO_DEVICE_TEMPORARY, l->o->floats, sums.n, 0};
    l->sums_of[l->at] = mlo_lower_buffer(l, sums);
    struct mlo_device_step to = {.op = MLO_DEVICE_DENSE,
                                 .buffer = {mlo_lower_input(l, s, 0, l->o->floats), mlo_lower_weight(l, 0),
                                            mlo_lower_weight(l, 1),
                                            is_narrow ? mlo_lower_buffer(l, scores) : l->sums_of[l->at]},
                                 .size = {(uint32_t)x->dims[0], (uint32_t)n, (uint32_t)width}};
    struct mlo_device_step widen = {
        .op = MLO_DEVICE_CONVERT, .buffer = {to.buffer[3], l->sums_of[l->at]}, .size = {(uint32_t)sums.n}};
    return mlo_lower_step(l, &to) && (!is_narrow || mlo_lower_step(l, &widen));
}

#define LINEAR(name)                                                                                         \
    {                                                                                                        \
        .domain = "ai.onnx.ml", .op = name, .begins = true, .ends = true, .weights = weigh_linear,           \
        .emit = emit_linear                                                                                  \
    }
const struct mlo_lowering mlo_lower_tables[MLO_LOWER_TABLES] = {
    {.domain = "ai.onnx.ml",
     .op = "Imputer",
     .eager = true,
     .fits = fits_imputer,
     .weights = weigh_imputer,
     .emit = emit_imputer},
    {.domain = "ai.onnx.ml",
     .op = "OneHotEncoder",
     .eager = true,
     .fits = fits_one_hot,
     .weights = weigh_one_hot,
     .emit = emit_one_hot},
    {.domain = "ai.onnx.ml",
     .op = "LabelEncoder",
     .eager = true,
     .fits = fits_encoder,
     .weights = weigh_encoder,
     .emit = emit_encoder},
    {.domain = "ai.onnx.ml", .op = "Normalizer", .eager = true, .emit = emit_normalizer},
    {.domain = "ai.onnx.ml", .op = "FeatureVectorizer", .emit = emit_vectorizer},
    {.domain = "", .op = "Concat", .emit = emit_concat},
    LINEAR("LinearRegressor"),
    LINEAR("LinearClassifier"),
};
