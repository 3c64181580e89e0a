/* What operators use: attributes, inputs, outputs, shapes. */
#include "internal.h"

#include <stdio.h>
#include <string.h>

/* ---- attributes ---- */

static const struct mlo_attr *typed(const struct mlo_node *n, const char *name, enum mlo_attr_kind kind)
{
    const struct mlo_attr *a = mlo_node_attr(n, name);
    return a && a->kind == kind ? a : NULL;
}

int64_t mlo_attr_int(const struct mlo_node *n, const char *name, int64_t usual)
{
    const struct mlo_attr *a = typed(n, name, MLO_ATTR_INT);
    return a ? a->i : usual;
}

float mlo_attr_float(const struct mlo_node *n, const char *name, float usual)
{
    const struct mlo_attr *a = typed(n, name, MLO_ATTR_FLOAT);
    return a ? a->f : usual;
}

bool mlo_attr_is(const struct mlo_node *n, const char *name, const char *word)
{
    const struct mlo_attr *a = typed(n, name, MLO_ATTR_STRING);
    return a ? a->s.len == strlen(word) && memcmp(a->s.ptr, word, a->s.len) == 0 : !*word;
}

const int64_t *mlo_attr_ints(const struct mlo_node *n, const char *name, size_t *ret_n)
{
    const struct mlo_attr *a = typed(n, name, MLO_ATTR_INTS);
    *ret_n = a ? a->n : 0;
    return a ? a->ints : NULL;
}

const float *mlo_attr_floats(const struct mlo_node *n, const char *name, size_t *ret_n)
{
    const struct mlo_attr *a = typed(n, name, MLO_ATTR_FLOATS);
    *ret_n = a ? a->n : 0;
    return a ? a->floats : NULL;
}

const struct mlo_slice *mlo_attr_texts(const struct mlo_node *n, const char *name, size_t *ret_n)
{
    const struct mlo_attr *a = typed(n, name, MLO_ATTR_STRINGS);
    *ret_n = a ? a->n : 0;
    return a ? a->strings : NULL;
}

/* ---- inputs ---- */

const struct mlo_array *mlo_in(const struct mlo_op_call *c, size_t i)
{
    return i < c->n_in && c->in[i] && c->in[i]->kind == MLO_KIND_ARRAY ? &c->in[i]->array : NULL;
}

int mlo_in_array(const struct mlo_op_call *c, size_t i, const struct mlo_array **ret, struct mlo_err *err)
{
    *ret = mlo_in(c, i);
    return *ret ? 0 : mlo_fail(err, MLO_EINVALID, "input %zu is missing, or no array", i);
}

int mlo_in_typed(const struct mlo_op_call *c, size_t i, enum mlo_dtype t, const struct mlo_array **ret,
                 struct mlo_err *err)
{
    char text[MLO_ARRAY_TEXT];
    int rc = mlo_in_array(c, i, ret, err);
    if (rc == 0 && (*ret)->dtype != t)
        return mlo_fail(err, MLO_EINVALID, "input %zu is %s, not %s", i, mlo_array_text(*ret, text),
                        mlo_dtype_name(t));
    return rc;
}

int mlo_in_ints(const struct mlo_op_call *c, size_t i, int64_t ret[MLO_SMALL_LIST], size_t *ret_n,
                struct mlo_err *err)
{
    const struct mlo_array *a = mlo_in(c, i);
    *ret_n = 0;
    if (!a)
        return 0;
    if ((a->dtype != MLO_DT_I64 && a->dtype != MLO_DT_I32) || a->n > MLO_SMALL_LIST)
        return mlo_fail(err, MLO_EINVALID, "input %zu is no short list of whole numbers", i);
    for (size_t k = 0; k < a->n; k++)
        ret[k] = a->dtype == MLO_DT_I64 ? ((const int64_t *)a->data)[k] : ((const int32_t *)a->data)[k];
    *ret_n = a->n;
    return 0;
}

int mlo_in_double(const struct mlo_op_call *c, size_t i, double usual, double *ret, struct mlo_err *err)
{
    const struct mlo_array *a = mlo_in(c, i);
    *ret = usual;
    if (!a)
        return 0;
    if (a->n != 1 || !mlo_dtype_to_double(a->dtype, a->data, 0, ret))
        return mlo_fail(err, MLO_EINVALID, "input %zu is not one number", i);
    return 0;
}

int mlo_axis(int64_t axis, unsigned rank, unsigned *ret, struct mlo_err *err)
{
    int64_t at = axis < 0 ? axis + rank : axis;
    if (at < 0 || at >= rank)
        return mlo_fail(err, MLO_EINVALID, "axis %lld of rank %u", (long long)axis, rank);
    *ret = (unsigned)at;
    return 0;
}

/* ---- outputs ---- */

static bool is_still(const struct mlo_array *a, enum mlo_dtype t, const int64_t *dims, unsigned rank)
{
    if (a->dtype != t || a->rank != rank)
        return false;
    for (unsigned i = 0; i < rank; i++)
        if (a->dims[i] != dims[i])
            return false;
    return true;
}

int mlo_out_new(struct mlo_op_call *c, size_t i, enum mlo_dtype t, const int64_t *dims, unsigned rank,
                struct mlo_array **ret, struct mlo_err *err)
{
    *ret = NULL;
    if (i >= c->n_out || !c->out[i])
        return 0;
    struct mlo_array *a = &c->out[i]->array;
    if (c->place && c->place[i] && is_still(a, t, dims, rank)) {
        *ret = a;
        return 0;
    }
    int rc = mlo_value_new(c->session, c->out[i], t, dims, rank, err);
    if (rc == 0)
        *ret = a;
    return rc;
}

void mlo_out_same(struct mlo_op_call *c, size_t i, const struct mlo_value *v)
{
    if (i < c->n_out && c->out[i])
        mlo_value_share(c->out[i], v);
}

int mlo_out_view(struct mlo_op_call *c, size_t i, const struct mlo_value *v, const int64_t *dims,
                 unsigned rank, struct mlo_err *err)
{
    struct mlo_array a = {.dtype = v->array.dtype, .rank = rank, .data = v->array.data};
    if (i >= c->n_out || !c->out[i])
        return 0;
    if (rank > MLO_RANK_MAX)
        return mlo_fail(err, MLO_EUNAVAIL, "%u dimensions, more than %d", rank, MLO_RANK_MAX);
    if (rank > 0)
        memcpy(a.dims, dims, rank * sizeof *dims);
    int rc = mlo_array_count(a.dims, rank, &a.n, err);
    if (rc == 0 && a.n != v->array.n)
        rc = mlo_fail(err, MLO_EINVALID, "%zu elements do not make a shape of %zu", v->array.n, a.n);
    if (rc != 0)
        return rc;
    mlo_value_share(c->out[i], v);
    c->out[i]->array = a;
    return 0;
}

int mlo_out_sequence(struct mlo_op_call *c, size_t i, size_t n, struct mlo_value **ret_items,
                     struct mlo_err *err)
{
    struct mlo_buffer *b = NULL;
    size_t bytes;
    *ret_items = NULL;
    if (i >= c->n_out || !c->out[i])
        return 0;
    if (__builtin_mul_overflow(n, sizeof(struct mlo_value), &bytes))
        return mlo_fail_nomem(err);
    int rc = mlo_buffer_take(c->session, bytes, &b, err);
    if (rc != 0)
        return rc;
    memset(b->bytes, 0, bytes);
    *ret_items = (struct mlo_value *)(void *)b->bytes;
    *c->out[i] = (struct mlo_value){
        .kind = MLO_KIND_SEQUENCE, .items = *ret_items, .n_items = n, .buffer = b};
    return 0;
}

int mlo_scratch(struct mlo_op_call *c, size_t n, size_t size, void **ret, struct mlo_err *err)
{
    struct mlo_buffer *b;
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        return mlo_fail_nomem(err);
    int rc = mlo_buffer_take(c->session, bytes, &b, err);
    if (rc != 0)
        return rc;
    b->next = c->session->scratch;
    c->session->scratch = b;
    *ret = b->bytes;
    return 0;
}

size_t mlo_element_size(enum mlo_dtype t)
{
    return t == MLO_DT_STRING ? sizeof(struct mlo_slice) : mlo_dtype_bits(t) / 8;
}

/* ---- shapes ---- */

int mlo_broadcast_shape(const struct mlo_array *a, const struct mlo_array *b, int64_t ret[MLO_RANK_MAX],
                        unsigned *ret_rank, struct mlo_err *err)
{
    unsigned rank = a->rank > b->rank ? a->rank : b->rank;
    char x[MLO_ARRAY_TEXT], y[MLO_ARRAY_TEXT];
    int64_t dims[MLO_RANK_MAX]; /* ret may be the dimensions of a or b */
    for (unsigned i = 0; i < rank; i++) {
        int64_t p = i + a->rank >= rank ? a->dims[i + a->rank - rank] : 1;
        int64_t q = i + b->rank >= rank ? b->dims[i + b->rank - rank] : 1;
        if (p != q && p != 1 && q != 1)
            return mlo_fail(err, MLO_EINVALID, "%s and %s do not fit together", mlo_array_text(a, x),
                            mlo_array_text(b, y));
        dims[i] = p == 1 ? q : p;
    }
    if (rank > 0)
        memcpy(ret, dims, rank * sizeof *dims);
    *ret_rank = rank;
    return 0;
}

void mlo_broadcast_strides(const struct mlo_array *a, unsigned rank, size_t ret[MLO_RANK_MAX])
{
    size_t step = 1;
    for (unsigned i = rank; i-- > 0;) {
        bool own = i + a->rank >= rank;
        int64_t dim = own ? a->dims[i + a->rank - rank] : 1;
        ret[i] = dim == 1 ? 0 : step;
        step *= (size_t)dim;
    }
}

void mlo_walk_rows(const struct mlo_walk *w, void (*fn)(void *ctx, const size_t *at, size_t n), void *ctx)
{
    size_t at[MLO_OPERANDS] = {0}, n = w->rank ? (size_t)w->dims[w->rank - 1] : 1;
    int64_t index[MLO_RANK_MAX] = {0};
    for (unsigned i = 0; i < w->rank; i++)
        if (w->dims[i] == 0)
            return;
    for (;;) {
        fn(ctx, at, n);
        unsigned d = w->rank ? w->rank - 1 : 0;
        for (;;) {
            if (d == 0)
                return;
            d--;
            for (size_t k = 0; k < w->n_operands; k++)
                at[k] += w->strides[k][d];
            if (++index[d] < w->dims[d])
                break;
            for (size_t k = 0; k < w->n_operands; k++)
                at[k] -= w->strides[k][d] * (size_t)w->dims[d];
            index[d] = 0;
        }
    }
}

void mlo_around(const struct mlo_array *a, unsigned axis, size_t *ret_outer, size_t *ret_inner)
{
    *ret_outer = *ret_inner = 1;
    for (unsigned d = 0; d < a->rank; d++)
        if (d != axis)
            *(d < axis ? ret_outer : ret_inner) *= (size_t)a->dims[d];
}

/* ---- numbers of another type ---- */

static int copy_as(struct mlo_op_call *c, const struct mlo_array *a, enum mlo_dtype t, void **ret,
                   struct mlo_err *err)
{
    struct mlo_array copy = *a;
    copy.dtype = t;
    int rc = mlo_scratch(c, a->n, mlo_element_size(t), &copy.data, err);
    if (rc == 0)
        rc = mlo_cast_numbers(a, &copy, err);
    if (rc == 0)
        *ret = copy.data;
    return rc;
}

int mlo_as_type(struct mlo_op_call *c, const struct mlo_array *a, enum mlo_dtype t, const void **ret,
                struct mlo_err *err)
{
    void *copy = a->data;
    int rc = a->dtype == t ? 0 : copy_as(c, a, t, &copy, err);
    *ret = copy;
    return rc;
}

int mlo_as_doubles(struct mlo_op_call *c, const struct mlo_array *a, double **ret, struct mlo_err *err)
{
    void *copy = NULL;
    int rc = copy_as(c, a, MLO_DT_F64, &copy, err);
    *ret = copy;
    return rc;
}

int mlo_scratch_doubles(struct mlo_op_call *c, size_t n, double **ret, struct mlo_err *err)
{
    void *memory = NULL;
    int rc = mlo_scratch(c, n, sizeof(double), &memory, err);
    *ret = memory;
    return rc;
}

struct spreading {
    const double *from;
    double *to;
    size_t step;
};

static void spread_row(void *ctx, const size_t *at, size_t n)
{
    struct spreading *s = ctx;
    for (size_t i = 0; i < n; i++)
        *s->to++ = s->from[at[0] + i * s->step];
}

int mlo_spread_doubles(struct mlo_op_call *c, const struct mlo_array *a, const struct mlo_array *like,
                       double **ret, struct mlo_err *err)
{
    struct mlo_walk w = {.dims = like->dims, .rank = like->rank, .n_operands = 1};
    struct mlo_array common = *like;
    struct spreading s;
    double *from, *to;
    int rc = mlo_broadcast_shape(a, like, common.dims, &common.rank, err);
    if (rc == 0 && !mlo_array_same_shape(&common, like))
        rc = mlo_op_refuse(c, err, "a shape that does not fit");
    if (rc == 0)
        rc = mlo_as_doubles(c, a, &from, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, like->n, &to, err);
    if (rc != 0)
        return rc;
    mlo_broadcast_strides(a, like->rank, w.strides[0]);
    s = (struct spreading){from, to, like->rank ? w.strides[0][like->rank - 1] : 0};
    mlo_walk_rows(&w, spread_row, &s);
    *ret = to;
    return 0;
}

int mlo_from_doubles(double *values, struct mlo_array *out, struct mlo_err *err)
{
    struct mlo_array from = *out;
    from.dtype = MLO_DT_F64;
    from.data = values;
    return mlo_cast_numbers(&from, out, err);
}

bool mlo_computed_as_float(enum mlo_dtype t)
{
    return t == MLO_DT_F32 || t == MLO_DT_F16 || t == MLO_DT_BF16;
}

int mlo_out_floats(struct mlo_op_call *c, const struct mlo_array *out, float **ret, struct mlo_err *err)
{
    void *room = out->data;
    int rc = out->dtype == MLO_DT_F32 ? 0 : mlo_scratch(c, out->n, sizeof(float), &room, err);
    *ret = room;
    return rc;
}

int mlo_from_floats(float *values, struct mlo_array *out, struct mlo_err *err)
{
    struct mlo_array from = *out;
    from.dtype = MLO_DT_F32;
    from.data = values;
    return values == out->data ? 0 : mlo_cast_numbers(&from, out, err);
}

int mlo_op_refuse(const struct mlo_op_call *c, struct mlo_err *err, const char *fmt, ...)
{
    MLO_AUTOSTR struct mlo_str text;
    char shape[MLO_ARRAY_TEXT];
    va_list ap;
    mlo_str_init(&text, 600);
    va_start(ap, fmt);
    mlo_str_vaddf(&text, fmt, ap);
    va_end(ap);
    for (size_t i = 0; i < c->n_in && i < 6; i++) {
        const struct mlo_array *a = mlo_in(c, i);
        mlo_str_addf(&text, "%s%s", i ? ", " : ": inputs ", a ? mlo_array_text(a, shape) : "none");
    }
    return mlo_fail(err, MLO_EINVALID, "%s", text.ptr);
}
