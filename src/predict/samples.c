/* Golden samples as JSON: written with a model, read from a bundle that may be anybody's. */
#include <math.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "internal.h"

#define ARENA_MAX ((size_t)1 << 30)

/* ---- writing ---- */

static int refuse(const char *name, const char *why, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    return mlo_fail(err, MLO_EUNAVAIL, "'%s' %s", mlo_shown(name, strlen(name), shown), why);
}

static bool add(cJSON *parent, const char *key, cJSON *node)
{
    if (node && (key ? cJSON_AddItemToObject(parent, key, node) : cJSON_AddItemToArray(parent, node)))
        return true;
    cJSON_Delete(node);
    return false;
}

static int add_texts(cJSON *to, const struct mlo_array *a, const char *name, struct mlo_err *err)
{
    cJSON *list = cJSON_CreateArray();
    const struct mlo_slice *texts = a->data;
    if (!add(to, "texts", list))
        return mlo_fail_nomem(err);
    for (size_t i = 0; i < a->n; i++) {
        if (!mlo_utf8_valid(texts[i].ptr, texts[i].len) || memchr(texts[i].ptr, '\0', texts[i].len))
            return refuse(name, "has a text that JSON cannot hold", err);
        MLO_AUTOFREE char *copy = mlo_memdup0(texts[i].ptr, texts[i].len, err);
        if (!copy)
            return err->code;
        if (!add(list, NULL, cJSON_CreateString(copy)))
            return mlo_fail_nomem(err);
    }
    return 0;
}

static int add_bytes(cJSON *to, const struct mlo_array *a, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    size_t bytes = 0;
    mlo_str_init(&text, MLO_STR_MAX);
    if (!mlo_array_bytes(a->dtype, a->n, &bytes))
        return mlo_fail_nomem(err);
    int rc = mlo_base64_add(&text, a->data ? a->data : "", bytes, err);
    if (rc == 0)
        rc = mlo_str_check(&text, err);
    if (rc != 0)
        return rc;
    return add(to, "data", cJSON_CreateString(text.ptr)) ? 0 : mlo_fail_nomem(err);
}

static int add_array(cJSON *to, const struct mlo_array *a, const char *name, struct mlo_err *err)
{
    cJSON *shape = cJSON_CreateArray();
    if (a->dtype != MLO_DT_STRING && !mlo_element_is_number(a->dtype))
        return cJSON_Delete(shape), refuse(name, "is of a type that samples do not keep", err);
    if (a->n > MLO_SAMPLES_ELEMENTS)
        return cJSON_Delete(shape), refuse(name, "has too many elements: fewer rows would do", err);
    bool good = add(to, "shape", shape) && add(to, "dtype", cJSON_CreateString(mlo_dtype_name(a->dtype)));
    for (unsigned i = 0; good && i < a->rank; i++)
        good = add(shape, NULL, cJSON_CreateNumber((double)a->dims[i]));
    if (!good)
        return mlo_fail_nomem(err);
    return a->dtype == MLO_DT_STRING ? add_texts(to, a, name, err) : add_bytes(to, a, err);
}

/* A sequence of maps with the same keys as a matrix, its keys beside it. */
static int add_maps(cJSON *to, const struct mlo_value *v, const char *name, struct mlo_err *err)
{
    size_t k = v->n_items ? v->items[0].array.n : 0, size = sizeof(float);
    struct mlo_array all = {.dtype = MLO_DT_F32, .rank = 2, .dims = {(int64_t)v->n_items, (int64_t)k}};
    for (size_t i = 0; i < v->n_items; i++)
        if (v->items[i].kind != MLO_KIND_MAP || v->items[i].array.n != k ||
            v->items[i].array.dtype != MLO_DT_F32)
            return refuse(name, "is a sequence of something else than maps to floats with the same keys",
                          err);
    all.n = v->n_items * k;
    MLO_AUTOFREE char *data = all.data = mlo_calloc(all.n + 1, size, err);
    if (!data)
        return err->code;
    for (size_t i = 0; i < v->n_items; i++)
        memcpy(data + i * k * size, v->items[i].array.data, k * size);
    cJSON *keys = cJSON_CreateObject();
    if (!add(to, "keys", keys))
        return mlo_fail_nomem(err);
    int rc = v->n_items ? add_array(keys, &v->items[0].keys, name, err) : 0;
    return rc == 0 ? add_array(to, &all, name, err) : rc;
}

/* What another CPU or a GPU may differ by, as sums are taken in another order. */
static struct mlo_tolerance usual(enum mlo_dtype t)
{
    if (t == MLO_DT_F16 || t == MLO_DT_BF16)
        return (struct mlo_tolerance){2e-2, 2e-3};
    if (t == MLO_DT_F64)
        return (struct mlo_tolerance){1e-9, 1e-12};
    return t == MLO_DT_F32 ? (struct mlo_tolerance){1e-4, 1e-5} : (struct mlo_tolerance){0, 0};
}

static struct mlo_tolerance choose(const struct mlo_tolerance *given, struct mlo_tolerance otherwise)
{
    return (struct mlo_tolerance){given && !isnan(given->rtol) ? given->rtol : otherwise.rtol,
                                  given && !isnan(given->atol) ? given->atol : otherwise.atol};
}

static int add_value(cJSON *list, const char *name, const struct mlo_value *v, const struct mlo_tolerance *t,
                     struct mlo_err *err)
{
    cJSON *o = cJSON_CreateObject();
    if (!add(list, NULL, o) || !add(o, "name", cJSON_CreateString(name)))
        return mlo_fail_nomem(err);
    if (v->kind != MLO_KIND_ARRAY && v->kind != MLO_KIND_SEQUENCE)
        return refuse(name, "is neither an array nor maps", err);
    enum mlo_dtype type = v->kind == MLO_KIND_ARRAY ? v->array.dtype : MLO_DT_F32;
    if (t && mlo_element_is_inexact(type)) {
        struct mlo_tolerance as = choose(t, usual(type));
        if (!mlo_json_add_double(o, "rtol", as.rtol) || !mlo_json_add_double(o, "atol", as.atol))
            return mlo_fail_nomem(err);
    }
    return v->kind == MLO_KIND_ARRAY ? add_array(o, &v->array, name, err) : add_maps(o, v, name, err);
}

static int add_values(cJSON *to, const char *key, const struct mlo_port_type *ports, size_t n,
                      const struct mlo_value *v, const struct mlo_tolerance *t, struct mlo_err *err)
{
    cJSON *list = cJSON_CreateArray();
    int rc = add(to, key, list) ? 0 : mlo_fail_nomem(err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = add_value(list, ports[i].name, &v[i], t, err);
    return rc;
}

int mlo_samples_write(const struct mlo_plan *p, const char *model, const struct mlo_value *in,
                      const struct mlo_value *out, const struct mlo_tolerance *t, cJSON **ret,
                      struct mlo_err *err)
{
    static const struct mlo_tolerance as_usual = {(double)NAN, (double)NAN};
    size_t n_in, n_out;
    const struct mlo_port_type *ins = mlo_plan_inputs(p, &n_in), *outs = mlo_plan_outputs(p, &n_out);
    MLO_AUTOJSON cJSON *doc = cJSON_CreateObject();
    int rc = doc && add(doc, "model", cJSON_CreateString(model)) ? 0 : mlo_fail_nomem(err);
    if (rc == 0)
        rc = add_values(doc, "inputs", ins, n_in, in, NULL, err);
    if (rc == 0)
        rc = add_values(doc, "outputs", outs, n_out, out, t ? t : &as_usual, err);
    if (rc == 0)
        *ret = mlo_steal(&doc);
    return rc;
}

/* ---- reading ---- */

static int damaged(const char *what, struct mlo_err *err)
{
    return mlo_fail(err, MLO_EINVALID, "the bundle's samples are damaged: %s", what);
}

static bool type_named(const char *name, enum mlo_dtype *ret)
{
    for (int t = MLO_DT_BOOL; name && t <= MLO_DT_GGML; t++)
        if (strcmp(mlo_dtype_name((enum mlo_dtype)t), name) == 0) {
            *ret = (enum mlo_dtype)t;
            return true;
        }
    return false;
}

static int read_shape(const cJSON *list, struct mlo_array *a, struct mlo_err *err)
{
    const cJSON *o = cJSON_IsArray(list) ? list->child : NULL;
    if (!cJSON_IsArray(list))
        return damaged("no shape", err);
    for (; o; o = o->next) {
        if (a->rank == MLO_RANK_MAX || !cJSON_IsNumber(o) || !(o->valuedouble >= 0) ||
            o->valuedouble > (double)MLO_SAMPLES_ELEMENTS || o->valuedouble != floor(o->valuedouble))
            return damaged("a shape", err);
        a->dims[a->rank++] = (int64_t)o->valuedouble;
    }
    int rc = mlo_array_count(a->dims, a->rank, &a->n, err);
    return rc == 0 && a->n > MLO_SAMPLES_ELEMENTS ? damaged("too many elements", err) : rc;
}

static int read_texts(const cJSON *list, struct mlo_array *a, struct mlo_arena *arena, struct mlo_err *err)
{
    struct mlo_slice *texts = mlo_arena_alloc(arena, a->n + 1, sizeof *texts, err);
    size_t i = 0;
    a->data = texts;
    if (!texts)
        return err->code;
    for (const cJSON *o = list ? list->child : NULL; o; o = o->next, i++) {
        if (!cJSON_IsString(o) || i == a->n)
            return damaged("another number of texts than the shape says", err);
        size_t n = strlen(o->valuestring);
        texts[i] = (struct mlo_slice){mlo_arena_strndup(arena, o->valuestring, n, err), n};
        if (!texts[i].ptr)
            return err->code;
    }
    return i == a->n ? 0 : damaged("another number of texts than the shape says", err);
}

static int read_bytes(const char *text, struct mlo_array *a, struct mlo_arena *arena, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str bytes;
    size_t n = 0;
    mlo_str_init(&bytes, MLO_STR_MAX);
    if (!text || !mlo_array_bytes(a->dtype, a->n, &n))
        return damaged("no data", err);
    int rc = mlo_base64_read(text, n / 3 * 4 + 4, &bytes, err);
    if (rc == MLO_EINVALID || (rc == 0 && bytes.len != n))
        return damaged("data of another length than the shape says", err);
    if (rc != 0)
        return rc;
    a->data = mlo_arena_alloc(arena, n + 1, 1, err);
    if (!a->data)
        return err->code;
    memcpy(a->data, bytes.ptr, n);
    return 0;
}

static int read_array(const cJSON *o, struct mlo_array *a, struct mlo_arena *arena, struct mlo_err *err)
{
    *a = (struct mlo_array){0};
    if (!type_named(mlo_json_text(o, "dtype"), &a->dtype) ||
        (a->dtype != MLO_DT_STRING && !mlo_element_is_number(a->dtype)))
        return damaged("a type", err);
    int rc = read_shape(cJSON_GetObjectItemCaseSensitive(o, "shape"), a, err);
    if (rc != 0)
        return rc;
    return a->dtype == MLO_DT_STRING ? read_texts(cJSON_GetObjectItemCaseSensitive(o, "texts"), a, arena, err)
                                     : read_bytes(mlo_json_text(o, "data"), a, arena, err);
}

static double number_of(const cJSON *o, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsNumber(v) && v->valuedouble >= 0 ? v->valuedouble : 0;
}

static int read_sample(const cJSON *o, struct mlo_sample *s, struct mlo_arena *arena, struct mlo_err *err)
{
    const char *name = mlo_json_text(o, "name");
    const cJSON *keys = cJSON_GetObjectItemCaseSensitive(o, "keys");
    if (!name)
        return damaged("no name", err);
    s->name = mlo_arena_strndup(arena, name, strlen(name), err);
    s->tolerance = (struct mlo_tolerance){number_of(o, "rtol"), number_of(o, "atol")};
    int rc = s->name ? read_array(o, &s->array, arena, err) : err->code;
    if (rc == 0 && keys)
        rc = read_array(keys, &s->keys, arena, err);
    if (rc == 0 && keys && (s->array.rank != 2 || (size_t)s->array.dims[1] != s->keys.n))
        rc = damaged("keys", err);
    return rc;
}

static int read_list(const cJSON *list, struct mlo_sample **ret, size_t *ret_n, struct mlo_arena *arena,
                     struct mlo_err *err)
{
    size_t n = cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 0, i = 0;
    int rc = 0;
    if (n == 0)
        return damaged("no inputs or outputs", err);
    *ret = mlo_arena_alloc(arena, n, sizeof **ret, err);
    if (!*ret)
        return err->code;
    for (const cJSON *o = list->child; rc == 0 && o; o = o->next)
        rc = read_sample(o, &(*ret)[i++], arena, err);
    *ret_n = n;
    return rc;
}

int mlo_samples_read(const cJSON *doc, struct mlo_samples *ret, struct mlo_err *err)
{
    struct mlo_samples s = {0};
    const char *model = mlo_json_text(doc, "model");
    mlo_arena_init(&s.arena, ARENA_MAX);
    s.model = model ? mlo_arena_strndup(&s.arena, model, strlen(model), err) : NULL;
    int rc = s.model ? 0 : model ? err->code : damaged("no model", err);
    if (rc == 0)
        rc = read_list(cJSON_GetObjectItemCaseSensitive(doc, "inputs"), &s.in, &s.n_in, &s.arena, err);
    if (rc == 0)
        rc = read_list(cJSON_GetObjectItemCaseSensitive(doc, "outputs"), &s.out, &s.n_out, &s.arena, err);
    if (rc != 0)
        mlo_samples_release(&s);
    else
        *ret = s;
    return rc;
}

void mlo_samples_release(struct mlo_samples *s)
{
    mlo_arena_release(&s->arena);
    *s = (struct mlo_samples){0};
}
