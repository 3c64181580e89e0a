/*
 * What the families of ai.onnx.ml share. The transforms of scores are those of ONNX Runtime, which differ
 * from the reference in details: SOFTMAX_ZERO sums only what it exponentiates, PROBIT is Winitzki's
 * approximation of the inverse error function.
 */
#include "ml.h"

#include <math.h>
#include <string.h>

/* ---- attributes ---- */

bool mlo_ml_list(const struct mlo_node *n, const char *name, struct mlo_array *ret)
{
    const struct mlo_attr *a = mlo_node_attr(n, name);
    struct mlo_array list = {.rank = 1};
    if (!a)
        return false;
    if (a->kind == MLO_ATTR_TENSOR) {
        *ret = *a->tensors;
        return true;
    }
    if (a->kind == MLO_ATTR_FLOATS) {
        list.dtype = MLO_DT_F32;
        list.data = (void *)(uintptr_t)a->floats;
    } else if (a->kind == MLO_ATTR_INTS) {
        list.dtype = MLO_DT_I64;
        list.data = (void *)(uintptr_t)a->ints;
    } else if (a->kind == MLO_ATTR_STRINGS) {
        list.dtype = MLO_DT_STRING;
        list.data = (void *)(uintptr_t)a->strings;
    } else {
        return false;
    }
    list.n = a->n;
    list.dims[0] = (int64_t)a->n;
    *ret = list;
    return true;
}

/* ---- rows ---- */

int mlo_ml_rows_shape(const struct mlo_array *a, size_t *ret_n, size_t *ret_width, struct mlo_err *err)
{
    char text[MLO_ARRAY_TEXT];
    if (a->rank != 1 && a->rank != 2)
        return mlo_fail(err, MLO_EINVALID, "%s is neither a row nor a table", mlo_array_text(a, text));
    *ret_n = a->rank == 2 ? (size_t)a->dims[0] : 1;
    *ret_width = (size_t)a->dims[a->rank - 1];
    return 0;
}

int mlo_ml_rows_in(struct mlo_op_call *c, size_t i, struct mlo_ml_rows *ret, struct mlo_err *err)
{
    const struct mlo_array *a;
    int rc = mlo_in_array(c, i, &a, err);
    if (rc == 0)
        rc = mlo_ml_rows_shape(a, &ret->n, &ret->width, err);
    if (rc != 0)
        return rc;
    if (a->dtype == MLO_DT_F32) {
        ret->at = a->data;
        return 0;
    }
    struct mlo_array floats = *a;
    floats.dtype = MLO_DT_F32;
    rc = mlo_scratch(c, a->n, sizeof(float), &floats.data, err);
    if (rc == 0)
        rc = mlo_cast_numbers(a, &floats, err);
    ret->at = floats.data;
    return rc;
}

/* ---- keys ---- */

static enum mlo_dtype kind_of(enum mlo_dtype t)
{
    if (t == MLO_DT_F32 || t == MLO_DT_F64)
        return MLO_DT_F64;
    if (t == MLO_DT_I64 || t == MLO_DT_I32 || t == MLO_DT_I16)
        return MLO_DT_I64;
    return t == MLO_DT_STRING ? t : MLO_DT_UNKNOWN;
}

static struct mlo_ml_key key_at(const struct mlo_array *a, size_t i)
{
    struct mlo_ml_key k = {.at = i};
    if (a->dtype == MLO_DT_STRING)
        k.text = ((const struct mlo_slice *)a->data)[i];
    else if (a->dtype == MLO_DT_I64)
        k.whole = ((const int64_t *)a->data)[i];
    else if (a->dtype == MLO_DT_I32)
        k.whole = ((const int32_t *)a->data)[i];
    else if (a->dtype == MLO_DT_I16)
        k.whole = ((const int16_t *)a->data)[i];
    else
        k.real = a->dtype == MLO_DT_F64 ? ((const double *)a->data)[i] : (double)((const float *)a->data)[i];
    return k;
}

static int order_reals(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    return (a > b) - (a < b);
}

static int order_texts(struct mlo_slice a, struct mlo_slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

static int order(enum mlo_dtype kind, const struct mlo_ml_key *a, const struct mlo_ml_key *b)
{
    if (kind == MLO_DT_STRING)
        return order_texts(a->text, b->text);
    return kind == MLO_DT_F64 ? order_reals(a->real, b->real) : (a->whole > b->whole) - (a->whole < b->whole);
}

/* Equal keys stay in the order of the list. */
static int order_listed(enum mlo_dtype kind, const void *a, const void *b)
{
    const struct mlo_ml_key *x = a, *y = b;
    int c = order(kind, x, y);
    return c ? c : (x->at > y->at) - (x->at < y->at);
}
static int order_listed_texts(const void *a, const void *b)
{
    return order_listed(MLO_DT_STRING, a, b);
}
static int order_listed_reals(const void *a, const void *b)
{
    return order_listed(MLO_DT_F64, a, b);
}
static int order_listed_wholes(const void *a, const void *b)
{
    return order_listed(MLO_DT_I64, a, b);
}

int mlo_ml_keys_new(const struct mlo_array *list, bool last, struct mlo_ml_keys *ret, struct mlo_err *err)
{
    enum mlo_dtype kind = kind_of(list->dtype);
    size_t kept = 0;
    if (kind == MLO_DT_UNKNOWN)
        return mlo_fail(err, MLO_EUNAVAIL, "keys of %s are not supported", mlo_dtype_name(list->dtype));
    struct mlo_ml_key *keys = mlo_calloc(list->n + 1, sizeof *keys, err);
    if (!keys)
        return err->code;
    for (size_t i = 0; i < list->n; i++)
        keys[i] = key_at(list, i);
    qsort(keys, list->n, sizeof *keys,
          kind == MLO_DT_STRING ? order_listed_texts
          : kind == MLO_DT_F64  ? order_listed_reals
                                : order_listed_wholes);
    for (size_t i = 0; i < list->n; i++)
        if (kept == 0 || order(kind, &keys[kept - 1], &keys[i]) != 0)
            keys[kept++] = keys[i];
        else if (last)
            keys[kept - 1] = keys[i];
    *ret = (struct mlo_ml_keys){kind, keys, kept};
    return 0;
}

void mlo_ml_keys_free(struct mlo_ml_keys *k)
{
    free(k->list);
    *k = (struct mlo_ml_keys){0};
}

bool mlo_ml_keys_fit(const struct mlo_ml_keys *k, enum mlo_dtype t)
{
    return k->kind != MLO_DT_UNKNOWN && kind_of(t) == k->kind;
}

size_t mlo_ml_keys_find(const struct mlo_ml_keys *k, const struct mlo_array *a, size_t i)
{
    struct mlo_ml_key key = key_at(a, i);
    size_t from = 0, to = k->n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        int c = order(k->kind, &k->list[mid], &key);
        if (c == 0)
            return k->list[mid].at;
        if (c < 0)
            from = mid + 1;
        else
            to = mid;
    }
    return SIZE_MAX;
}

/* ---- labels ---- */

int mlo_ml_labels_read(const struct mlo_node *n, const char *ints, const char *texts,
                       struct mlo_ml_labels *ret, struct mlo_err *err)
{
    struct mlo_array whole = {0}, words = {0};
    mlo_ml_list(n, ints, &whole);
    mlo_ml_list(n, texts, &words);
    bool has_ints = whole.dtype == MLO_DT_I64 && whole.n > 0;
    bool has_texts = words.dtype == MLO_DT_STRING && words.n > 0;
    if (has_ints == has_texts)
        return mlo_fail(err, MLO_EINVALID, "%s of '%s' and '%s'", has_ints ? "both" : "neither", ints, texts);
    ret->list = has_ints ? whole : words;
    return 0;
}

void mlo_ml_label_put(const struct mlo_ml_labels *l, size_t which, struct mlo_array *out, size_t i)
{
    if (out->dtype == MLO_DT_STRING)
        ((struct mlo_slice *)out->data)[i] = ((const struct mlo_slice *)l->list.data)[which];
    else
        ((int64_t *)out->data)[i] = ((const int64_t *)l->list.data)[which];
}

void mlo_ml_label_put_number(const struct mlo_ml_labels *l, int number, struct mlo_array *out, size_t i)
{
    if (l->list.dtype == MLO_DT_STRING)
        ((struct mlo_slice *)out->data)[i] = (struct mlo_slice){number ? "1" : "0", 1};
    else
        ((int64_t *)out->data)[i] = number;
}

/* ---- scores ---- */

int mlo_post_read(const struct mlo_node *n, enum mlo_post *ret, struct mlo_err *err)
{
    static const struct {
        const char *name;
        enum mlo_post post;
    } names[] = {{"", MLO_POST_NONE},
                 {"NONE", MLO_POST_NONE},
                 {"SOFTMAX", MLO_POST_SOFTMAX},
                 {"LOGISTIC", MLO_POST_LOGISTIC},
                 {"SOFTMAX_ZERO", MLO_POST_SOFTMAX_ZERO},
                 {"PROBIT", MLO_POST_PROBIT}};
    for (size_t i = 0; i < MLO_COUNT(names); i++)
        if (mlo_attr_is(n, "post_transform", names[i].name)) {
            *ret = names[i].post;
            return 0;
        }
    return mlo_fail(err, MLO_EUNAVAIL, "an unknown post_transform");
}

float mlo_logistic(float v)
{
    float p = 1 / (1 + expf(-fabsf(v)));
    return v < 0 ? 1 - p : p;
}

float mlo_probit(float v)
{
    const float a = 0.147F, pi = 3.14159F;
    float x = 2 * v - 1, log = logf((1 - x) * (1 + x));
    float half = 2 / (pi * a) + 0.5F * log;
    float inverse = sqrtf(-half + sqrtf(half * half - 1 / a * log)); /* each rounding shows near 1/2 */
    return 1.41421356F * (x < 0 ? -inverse : inverse);
}

static float greatest(const float *v, size_t n)
{
    float most = -HUGE_VALF;
    for (size_t i = 0; i < n; i++)
        most = v[i] > most ? v[i] : most;
    return most;
}

static void softmax(float *v, size_t n)
{
    float most = greatest(v, n), sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += v[i] = expf(v[i] - most);
    for (size_t i = 0; i < n; i++)
        v[i] /= sum;
}

/* Scores that are zero (nothing voted for the class) stay so. */
static void softmax_zero(float *v, size_t n)
{
    float most = greatest(v, n), scale = expf(-most), sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (v[i] > 1e-7F || v[i] < -1e-7F)
            sum += v[i] = expf(v[i] - most);
        else
            v[i] *= scale;
    }
    for (size_t i = 0; i < n; i++)
        v[i] /= sum;
}

void mlo_post_row(enum mlo_post post, float *scores, size_t n)
{
    if (post == MLO_POST_SOFTMAX)
        softmax(scores, n);
    else if (post == MLO_POST_SOFTMAX_ZERO)
        softmax_zero(scores, n);
    for (size_t i = 0; i < n && post == MLO_POST_LOGISTIC; i++)
        scores[i] = mlo_logistic(scores[i]);
    for (size_t i = 0; i < n && post == MLO_POST_PROBIT; i++)
        scores[i] = mlo_probit(scores[i]);
}

float mlo_post_one(enum mlo_post post, float score)
{
    return post == MLO_POST_PROBIT ? mlo_probit(score) : score;
}

void mlo_post_pair(enum mlo_post post, bool mixed, float score, float ret[2])
{
    ret[0] = mixed ? -score : 1 - score;
    ret[1] = score;
    if (post == MLO_POST_LOGISTIC) {
        ret[0] = mlo_logistic(-score);
        ret[1] = mlo_logistic(score);
    }
}
