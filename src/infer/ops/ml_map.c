/* ai.onnx.ml: maps made and taken apart. A map's keys and values are two arrays of the same length. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ml.h"

/* ---- ZipMap ---- */

static int prepare_zip_map(const struct mlo_op_prepare *p, void **ret_state, struct mlo_err *err)
{
    struct mlo_ml_labels *l = mlo_calloc(1, sizeof *l, err);
    if (!l)
        return err->code;
    *ret_state = l;
    return mlo_ml_labels_read(p->node, "classlabels_int64s", "classlabels_strings", l, err);
}

/* Each map shows its row of the input, and the labels as they are in the model. */
static int run_zip_map(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_ml_labels *l = c->state;
    const struct mlo_array *a;
    struct mlo_value *maps;
    size_t n, width;
    int rc = mlo_in_typed(c, 0, MLO_DT_F32, &a, err);
    if (rc == 0)
        rc = mlo_ml_rows_shape(a, &n, &width, err);
    if (rc == 0 && width != l->list.n)
        rc = mlo_op_refuse(c, err, "%zu labels", l->list.n);
    if (rc == 0)
        rc = mlo_out_sequence(c, 0, n, &maps, err);
    for (size_t i = 0; rc == 0 && maps && i < n; i++) {
        mlo_value_share(&maps[i], c->in[0]);
        maps[i].kind = MLO_KIND_MAP;
        maps[i].array = (struct mlo_array){.dtype = MLO_DT_F32,
                                           .rank = 1,
                                           .dims = {(int64_t)width},
                                           .n = width,
                                           .data = (float *)a->data + i * width};
        maps[i].keys = l->list;
    }
    return rc;
}

/* ---- maps as inputs ---- */

static int need_map(const struct mlo_op_call *c, const struct mlo_value **ret, struct mlo_err *err)
{
    *ret = c->n_in > 0 ? c->in[0] : NULL;
    if (!*ret || (*ret)->kind != MLO_KIND_MAP || (*ret)->keys.n != (*ret)->array.n)
        return mlo_fail(err, MLO_EINVALID, "input 0 is missing, or no map");
    return 0;
}

/* ---- CastMap ---- */

static int text_to_float(struct mlo_slice s, float *ret, struct mlo_err *err)
{
    char text[64], *end = text;
    if (s.len < sizeof text) {
        memcpy(text, s.ptr, s.len);
        text[s.len] = 0;
        *ret = strtof(text, &end);
    }
    return end != text ? 0 : mlo_fail(err, MLO_EINVALID, "a text that is no number");
}

static int text_to_whole(struct mlo_slice s, int64_t *ret, struct mlo_err *err)
{
    char text[64], *end = text;
    if (s.len < sizeof text) {
        memcpy(text, s.ptr, s.len);
        text[s.len] = 0;
        errno = 0;
        *ret = strtoll(text, &end, 10);
    }
    return end != text && errno == 0 ? 0 : mlo_fail(err, MLO_EINVALID, "a text that is no whole number");
}

static int float_to_text(struct mlo_session *s, float v, struct mlo_slice *ret, struct mlo_err *err)
{
    char text[64], *p;
    int n = snprintf(text, sizeof text, "%f", (double)v);
    int rc = mlo_text_new(s, (size_t)n, &p, err);
    if (rc != 0)
        return rc;
    memcpy(p, text, (size_t)n);
    *ret = (struct mlo_slice){p, (size_t)n};
    return 0;
}

/* Value `from` of the map into element `to` of the output. */
static int cast_one(struct mlo_op_call *c, const struct mlo_array *values, size_t from, struct mlo_array *out,
                    size_t to, struct mlo_err *err)
{
    bool text = values->dtype == MLO_DT_STRING;
    struct mlo_slice s = text ? ((const struct mlo_slice *)values->data)[from] : (struct mlo_slice){0};
    float v = text ? 0 : ((const float *)values->data)[from];
    if (out->dtype == MLO_DT_STRING) {
        struct mlo_slice *t = &((struct mlo_slice *)out->data)[to];
        *t = s;
        return text ? 0 : float_to_text(c->session, v, t, err);
    }
    if (text)
        return out->dtype == MLO_DT_F32 ? text_to_float(s, &((float *)out->data)[to], err)
                                        : text_to_whole(s, &((int64_t *)out->data)[to], err);
    struct mlo_array one = {.dtype = MLO_DT_F32, .n = 1, .data = &v}, place = {.dtype = out->dtype, .n = 1};
    place.data = (char *)out->data + to * mlo_element_size(out->dtype);
    return mlo_cast_numbers(&one, &place, err);
}

static void fill_empty(struct mlo_array *out)
{
    for (size_t i = 0; i < out->n; i++)
        if (out->dtype == MLO_DT_STRING)
            ((struct mlo_slice *)out->data)[i] = (struct mlo_slice){"0.f", 3};
        else
            memset((char *)out->data + i * mlo_element_size(out->dtype), 0, mlo_element_size(out->dtype));
}

static int read_cast(const struct mlo_node *n, enum mlo_dtype *ret_type, bool *ret_sparse,
                     struct mlo_err *err)
{
    if (mlo_attr_is(n, "cast_to", "TO_FLOAT") || mlo_attr_is(n, "cast_to", ""))
        *ret_type = MLO_DT_F32;
    else if (mlo_attr_is(n, "cast_to", "TO_INT64"))
        *ret_type = MLO_DT_I64;
    else if (mlo_attr_is(n, "cast_to", "TO_STRING"))
        *ret_type = MLO_DT_STRING;
    else
        return mlo_fail(err, MLO_EUNAVAIL, "an unknown cast_to");
    *ret_sparse = mlo_attr_is(n, "map_form", "SPARSE");
    if (!*ret_sparse && !mlo_attr_is(n, "map_form", "DENSE") && !mlo_attr_is(n, "map_form", ""))
        return mlo_fail(err, MLO_EUNAVAIL, "an unknown map_form");
    return 0;
}

static int need_cast(const struct mlo_op_call *c, const struct mlo_value *map, struct mlo_err *err)
{
    if (map->keys.dtype != MLO_DT_I64 ||
        (map->array.dtype != MLO_DT_F32 && map->array.dtype != MLO_DT_STRING))
        return mlo_op_refuse(c, err, "not a map from int64 to float or string");
    for (size_t i = 0; i < map->keys.n; i++)
        if (((const int64_t *)map->keys.data)[i] < 0 && mlo_attr_is(c->node, "map_form", "SPARSE"))
            return mlo_op_refuse(c, err, "a negative key");
    return 0;
}

/* DENSE: the values in the order of their keys. SPARSE: each at the place that its key says. */
static int run_cast_map(struct mlo_op_call *c, struct mlo_err *err)
{
    int64_t most = mlo_attr_int(c->node, "max_map", 1);
    const struct mlo_value *map;
    struct mlo_ml_keys sorted = {0};
    struct mlo_array *out = NULL;
    enum mlo_dtype t = MLO_DT_F32;
    bool sparse = false;
    int rc = need_map(c, &map, err);
    if (rc == 0)
        rc = need_cast(c, map, err);
    if (rc == 0)
        rc = read_cast(c->node, &t, &sparse, err);
    if (rc == 0)
        rc = mlo_ml_keys_new(&map->keys, true, &sorted, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, t, (int64_t[]){1, sparse ? most : (int64_t)sorted.n}, 2, &out, err);
    if (rc == 0 && out)
        fill_empty(out);
    for (size_t i = 0; rc == 0 && out && i < sorted.n; i++) {
        size_t to = sparse ? (size_t)sorted.list[i].whole : i;
        if (to < out->n)
            rc = cast_one(c, &map->array, sorted.list[i].at, out, to, err);
    }
    mlo_ml_keys_free(&sorted);
    return rc;
}

/* ---- DictVectorizer ---- */

static int prepare_dict_vectorizer(const struct mlo_op_prepare *p, void **ret_state, struct mlo_err *err)
{
    struct mlo_ml_labels *l = mlo_calloc(1, sizeof *l, err);
    if (!l)
        return err->code;
    *ret_state = l;
    return mlo_ml_labels_read(p->node, "int64_vocabulary", "string_vocabulary", l, err);
}

static int run_dict_vectorizer(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *words = &((const struct mlo_ml_labels *)c->state)->list;
    const struct mlo_value *map;
    struct mlo_ml_keys keys = {0};
    struct mlo_array *out = NULL;
    int rc = need_map(c, &map, err);
    if (rc == 0 && (map->keys.dtype != words->dtype || mlo_element_size(map->array.dtype) == 0))
        rc = mlo_op_refuse(c, err, "keys of another type than the vocabulary");
    if (rc == 0)
        rc = mlo_ml_keys_new(&map->keys, true, &keys, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, map->array.dtype, (int64_t[]){1, (int64_t)words->n}, 2, &out, err);
    size_t size = out ? mlo_element_size(out->dtype) : 0;
    for (size_t i = 0; rc == 0 && out && i < words->n; i++) {
        size_t at = mlo_ml_keys_find(&keys, words, i);
        char *to = (char *)out->data + i * size;
        if (at == SIZE_MAX)
            memset(to, 0, size);
        else
            memcpy(to, (const char *)map->array.data + at * size, size);
    }
    mlo_ml_keys_free(&keys);
    return rc;
}

static const struct mlo_op ops[] = {
    {.name = "ZipMap", .since = 1, .run = run_zip_map, .prepare = prepare_zip_map},
    {.name = "CastMap", .since = 1, .run = run_cast_map},
    {.name = "DictVectorizer", .since = 1, .run = run_dict_vectorizer, .prepare = prepare_dict_vectorizer},
};
const struct mlo_op_family mlo_ops_ml_map = {"ai.onnx.ml", ops, MLO_COUNT(ops)};
