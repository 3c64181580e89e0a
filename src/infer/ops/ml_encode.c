/* ai.onnx.ml: categories to numbers and back. Of a key that is listed twice the first counts in LabelEncoder
 * from version 2, the last elsewhere, as in ONNX Runtime. */
#include <math.h>
#include <string.h>

#include "ml.h"

/* ---- tables of keys and values ---- */

struct mapping { /* one direction */
    struct mlo_ml_keys keys;
    struct mlo_array values; /* borrowed from the model, or of `numbers` */
    union {
        char bytes[16];
        struct mlo_slice text;
        int64_t whole;
    } fallback; /* one value */
};
struct encoder {
    struct mapping ways[2];
    size_t n;
    int64_t *numbers; /* owned: 0, 1, 2, ... when they are the keys or values */
};

static void free_encoder(void *state)
{
    struct encoder *e = state;
    for (size_t i = 0; i < MLO_COUNT(e->ways); i++)
        mlo_ml_keys_free(&e->ways[i].keys);
    free(e->numbers);
    free(e);
}

static int add_way(struct encoder *e, const struct mlo_array *keys, const struct mlo_array *values, bool last,
                   struct mlo_err *err)
{
    struct mapping *m = &e->ways[e->n];
    if (keys->n != values->n)
        return mlo_fail(err, MLO_EINVALID, "%zu keys, but %zu values", keys->n, values->n);
    if (mlo_element_size(values->dtype) == 0 || mlo_element_size(values->dtype) > sizeof m->fallback)
        return mlo_fail(err, MLO_EUNAVAIL, "values of %s are not supported", mlo_dtype_name(values->dtype));
    m->values = *values;
    e->n++;
    return mlo_ml_keys_new(keys, last, &m->keys, err);
}

static int run_encoder(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct encoder *e = c->state;
    const struct mlo_array *a;
    const struct mapping *m = NULL;
    struct mlo_array *out;
    int rc = mlo_in_array(c, 0, &a, err);
    for (size_t i = 0; rc == 0 && i < e->n; i++)
        if (mlo_ml_keys_fit(&e->ways[i].keys, a->dtype))
            m = &e->ways[i];
    if (rc == 0 && !m)
        rc = mlo_op_refuse(c, err, "values of another type than the keys");
    if (rc == 0)
        rc = mlo_out_new(c, 0, m->values.dtype, a->dims, a->rank, &out, err);
    if (rc != 0 || !out)
        return rc;
    size_t size = mlo_element_size(out->dtype);
    for (size_t i = 0; i < a->n; i++) {
        size_t at = mlo_ml_keys_find(&m->keys, a, i);
        const char *from = at == SIZE_MAX ? m->fallback.bytes : (const char *)m->values.data + at * size;
        memcpy((char *)out->data + i * size, from, size);
    }
    return 0;
}

/* ---- CategoryMapper, and LabelEncoder of version 1: texts and whole numbers, both ways ---- */

static void default_text(const struct mlo_node *n, struct mapping *m)
{
    const struct mlo_attr *a = mlo_node_attr(n, "default_string");
    m->fallback.text = a && a->kind == MLO_ATTR_STRING ? a->s
                                                       : (struct mlo_slice){"_Unused", strlen("_Unused")};
}

static int prepare_both(const struct mlo_node *n, struct encoder *e, const struct mlo_array *texts,
                        const struct mlo_array *numbers, struct mlo_err *err)
{
    int rc = add_way(e, texts, numbers, true, err);
    if (rc == 0)
        rc = add_way(e, numbers, texts, true, err);
    e->ways[0].fallback.whole = mlo_attr_int(n, "default_int64", -1);
    default_text(n, &e->ways[1]);
    return rc;
}

static int list_numbers(struct encoder *e, size_t n, struct mlo_array *ret, struct mlo_err *err)
{
    e->numbers = mlo_calloc(n + 1, sizeof *e->numbers, err);
    if (!e->numbers)
        return err->code;
    for (size_t i = 0; i < n; i++)
        e->numbers[i] = (int64_t)i;
    *ret = (struct mlo_array){
        .dtype = MLO_DT_I64, .rank = 1, .dims = {(int64_t)n}, .n = n, .data = e->numbers};
    return 0;
}

static int need_list(const struct mlo_node *n, const char *name, enum mlo_dtype t, struct mlo_array *ret,
                     struct mlo_err *err)
{
    if (!mlo_ml_list(n, name, ret) || ret->dtype != t)
        return mlo_fail(err, MLO_EINVALID, "no list '%s'", name);
    return 0;
}

static int prepare_label_encoder_1(const struct mlo_op_prepare *p, void **ret_state, struct mlo_err *err)
{
    struct mlo_array texts = {0}, numbers = {0};
    struct encoder *e = mlo_calloc(1, sizeof *e, err);
    if (!e)
        return err->code;
    *ret_state = e;
    int rc = need_list(p->node, "classes_strings", MLO_DT_STRING, &texts, err);
    if (rc == 0)
        rc = list_numbers(e, texts.n, &numbers, err);
    return rc == 0 ? prepare_both(p->node, e, &texts, &numbers, err) : rc;
}

static int prepare_category_mapper(const struct mlo_op_prepare *p, void **ret_state, struct mlo_err *err)
{
    struct mlo_array texts = {0}, numbers = {0};
    struct encoder *e = mlo_calloc(1, sizeof *e, err);
    if (!e)
        return err->code;
    *ret_state = e;
    int rc = need_list(p->node, "cats_strings", MLO_DT_STRING, &texts, err);
    if (rc == 0)
        rc = need_list(p->node, "cats_int64s", MLO_DT_I64, &numbers, err);
    return rc == 0 ? prepare_both(p->node, e, &texts, &numbers, err) : rc;
}

/* ---- LabelEncoder from version 2 ---- */

static int find_list(const struct mlo_node *n, const char *const names[4], struct mlo_array *ret,
                     struct mlo_err *err)
{
    unsigned found = 0;
    for (size_t i = 0; i < 4; i++) {
        struct mlo_array list;
        if (mlo_ml_list(n, names[i], &list) && (list.n > 0 || found == 0)) {
            found++;
            *ret = list;
        }
    }
    return found == 1 ? 0 : mlo_fail(err, MLO_EINVALID, "%u lists of '%s' and the like", found, names[0]);
}

/* What stands for keys that are not listed. */
static int set_fallback(const struct mlo_node *n, struct mapping *m, struct mlo_err *err)
{
    const enum mlo_dtype t = m->values.dtype;
    struct mlo_array one = {0};
    float real = mlo_attr_float(n, "default_float", -0.0F);
    if (mlo_ml_list(n, "default_tensor", &one)) {
        if (one.n != 1 || one.dtype != t)
            return mlo_fail(err, MLO_EINVALID, "default_tensor is not one value of the type");
        memcpy(m->fallback.bytes, one.data, mlo_element_size(t));
    } else if (t == MLO_DT_STRING) {
        default_text(n, m);
    } else if (t == MLO_DT_F32) {
        memcpy(m->fallback.bytes, &real, sizeof real);
    } else if (t == MLO_DT_F64) {
        double wide = (double)real;
        memcpy(m->fallback.bytes, &wide, sizeof wide);
    } else { /* little-endian: the low bytes are the narrower number */
        m->fallback.whole = mlo_attr_int(n, "default_int64", -1);
    }
    return 0;
}

/* Before version 4 NaN was like no key. It is sorted behind all others. */
static void drop_nan(struct mlo_ml_keys *k)
{
    while (k->kind == MLO_DT_F64 && k->n > 0 && isnan(k->list[k->n - 1].real))
        k->n--;
}

static int prepare_label_encoder(const struct mlo_op_prepare *p, void **ret_state, struct mlo_err *err)
{
    static const char *const keys_names[4] = {"keys_strings", "keys_int64s", "keys_floats", "keys_tensor"};
    static const char *const values_names[4] = {"values_strings", "values_int64s", "values_floats",
                                                "values_tensor"};
    struct mlo_array keys = {0}, values = {0};
    struct encoder *e = mlo_calloc(1, sizeof *e, err);
    if (!e)
        return err->code;
    *ret_state = e;
    int rc = find_list(p->node, keys_names, &keys, err);
    if (rc == 0)
        rc = find_list(p->node, values_names, &values, err);
    if (rc == 0)
        rc = add_way(e, &keys, &values, false, err);
    if (rc == 0 && p->node->version < 4)
        drop_nan(&e->ways[0].keys);
    return rc == 0 ? set_fallback(p->node, &e->ways[0], err) : rc;
}

/* ---- OneHotEncoder ---- */

static int prepare_one_hot(const struct mlo_op_prepare *p, void **ret_state, struct mlo_err *err)
{
    struct mlo_ml_labels categories = {0};
    struct encoder *e = mlo_calloc(1, sizeof *e, err);
    if (!e)
        return err->code;
    *ret_state = e;
    int rc = mlo_ml_labels_read(p->node, "cats_int64s", "cats_strings", &categories, err);
    return rc == 0 ? add_way(e, &categories.list, &categories.list, true, err) : rc;
}

/* Real numbers are looked up as whole ones. */
static int as_categories(struct mlo_op_call *c, const struct mlo_ml_keys *keys, struct mlo_array *a,
                         struct mlo_err *err)
{
    struct mlo_array whole = *a;
    if (mlo_ml_keys_fit(keys, a->dtype))
        return 0;
    if (keys->kind == MLO_DT_STRING || (a->dtype != MLO_DT_F32 && a->dtype != MLO_DT_F64))
        return mlo_op_refuse(c, err, "values of another type than the categories");
    whole.dtype = MLO_DT_I64;
    int rc = mlo_scratch(c, a->n, sizeof(int64_t), &whole.data, err);
    if (rc == 0)
        rc = mlo_cast_numbers(a, &whole, err);
    *a = whole;
    return rc;
}

static int run_one_hot(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mapping *m = &((const struct encoder *)c->state)->ways[0];
    bool zeros = mlo_attr_int(c->node, "zeros", 1) != 0;
    int64_t dims[MLO_RANK_MAX + 1];
    const struct mlo_array *in;
    struct mlo_array *out, a;
    int rc = mlo_in_array(c, 0, &in, err);
    if (rc != 0)
        return rc;
    a = *in;
    memcpy(dims, a.dims, sizeof a.dims);
    dims[a.rank] = (int64_t)m->values.n;
    rc = as_categories(c, &m->keys, &a, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, MLO_DT_F32, dims, a.rank + 1, &out, err);
    if (rc != 0 || !out)
        return rc;
    if (out->n)
        memset(out->data, 0, out->n * sizeof(float));
    for (size_t i = 0; i < a.n; i++) {
        size_t at = mlo_ml_keys_find(&m->keys, &a, i);
        if (at != SIZE_MAX)
            ((float *)out->data)[i * m->values.n + at] = 1;
        else if (!zeros)
            return mlo_op_refuse(c, err, "element %zu is none of the categories", i);
    }
    return 0;
}

static const struct mlo_op ops[] = {
    {.name = "LabelEncoder",
     .since = 1,
     .run = run_encoder,
     .prepare = prepare_label_encoder_1,
     .release = free_encoder},
    {.name = "LabelEncoder",
     .since = 2,
     .run = run_encoder,
     .prepare = prepare_label_encoder,
     .release = free_encoder},
    {.name = "CategoryMapper",
     .since = 1,
     .run = run_encoder,
     .prepare = prepare_category_mapper,
     .release = free_encoder},
    {.name = "OneHotEncoder",
     .since = 1,
     .run = run_one_hot,
     .prepare = prepare_one_hot,
     .release = free_encoder},
};
const struct mlo_op_family mlo_ops_ml_encode = {"ai.onnx.ml", ops, MLO_COUNT(ops)};
