/*
 * Layers that carry a state from one call to the next: LinearAttention, CausalConvWithState, and
 * TensorScatter, which writes into a cache. Computed in doubles.
 */
#include <math.h>
#include <string.h>

#include "op.h"

/* ---- LinearAttention ---- */

/* Rows of packed heads: [batch][row][heads * size]. */
struct packed {
    double *v;
    size_t width; /* of a row */
};

struct linear_attention {
    size_t batch, rows, q_heads, heads, key, value; /* heads: of keys and values; sizes of one key, value */
    struct packed q, k, v, decay, beta;             /* v NULL: none */
    double *state, *retrieved;                      /* [batch][heads][key][value]; [value] */
    double scale;
};

static int read_packed(struct mlo_op_call *c, size_t i, const struct linear_attention *a, struct packed *p,
                       struct mlo_err *err)
{
    const struct mlo_array *v;
    int rc = mlo_in_array(c, i, &v, err);
    if (rc == 0 &&
        (v->rank != 3 || (a->batch && ((size_t)v->dims[0] != a->batch || (size_t)v->dims[1] != a->rows))))
        rc = mlo_op_refuse(c, err, "input %zu does not fit", i);
    if (rc != 0)
        return rc;
    p->width = (size_t)v->dims[2];
    return mlo_as_doubles(c, v, &p->v, err);
}

static int read_sizes(struct mlo_op_call *c, struct linear_attention *a, struct mlo_err *err)
{
    const struct mlo_array *q;
    int64_t q_heads = mlo_attr_int(c->node, "q_num_heads", 0),
            heads = mlo_attr_int(c->node, "kv_num_heads", 0);
    int rc = mlo_in_array(c, 0, &q, err);
    if (rc == 0 && (q->rank != 3 || q->n == 0 || heads < 1 || q_heads < heads || q_heads % heads != 0))
        rc = mlo_op_refuse(c, err, "%lld heads of %lld", (long long)q_heads, (long long)heads);
    if (rc != 0)
        return rc;
    a->batch = (size_t)q->dims[0];
    a->rows = (size_t)q->dims[1];
    a->q_heads = (size_t)q_heads;
    a->heads = (size_t)heads;
    for (size_t i = 0; rc == 0 && i < 3; i++)
        rc = read_packed(c, i, a, (struct packed *[]){&a->q, &a->k, &a->v}[i], err);
    if (rc != 0)
        return rc;
    a->key = a->q.width / a->q_heads;
    a->value = a->v.width / a->heads;
    if (a->q.width % a->q_heads != 0 || a->v.width % a->heads != 0 || a->k.width != a->key * a->heads)
        return mlo_op_refuse(c, err, "heads that do not fit");
    double scale = (double)mlo_attr_float(c->node, "scale", 0);
    a->scale = scale != 0 ? scale : 1 / sqrt((double)a->key);
    return 0;
}

/* What the rule needs must be there, and nothing else. */
static int read_rule(struct mlo_op_call *c, struct linear_attention *a, struct mlo_err *err)
{
    static const struct {
        const char *word;
        bool gated, delta;
    } rules[] = {{"", true, true},
                 {"gated_delta", true, true},
                 {"gated", true, false},
                 {"delta", false, true},
                 {"linear", false, false}};
    size_t i = 0;
    while (i < MLO_COUNT(rules) && !mlo_attr_is(c->node, "update_rule", rules[i].word))
        i++;
    if (i == MLO_COUNT(rules))
        return mlo_op_refuse(c, err, "update_rule is not known");
    if (rules[i].gated != (mlo_in(c, 4) != NULL) || rules[i].delta != (mlo_in(c, 5) != NULL))
        return mlo_op_refuse(c, err, "decay or beta does not go with the rule");
    int rc = rules[i].gated ? read_packed(c, 4, a, &a->decay, err) : 0;
    if (rc == 0 && rules[i].delta)
        rc = read_packed(c, 5, a, &a->beta, err);
    if (rc == 0 && ((rules[i].gated && a->decay.width != a->heads && a->decay.width != a->heads * a->key) ||
                    (rules[i].delta && a->beta.width != a->heads && a->beta.width != 1)))
        rc = mlo_op_refuse(c, err, "decay or beta does not fit");
    return rc;
}

static int read_state(struct mlo_op_call *c, struct linear_attention *a, struct mlo_array *like,
                      struct mlo_err *err)
{
    const struct mlo_array *past = mlo_in(c, 3), *q = mlo_in(c, 0);
    *like = (struct mlo_array){
        .dtype = past ? past->dtype : q->dtype,
        .rank = 4,
        .dims = {(int64_t)a->batch, (int64_t)a->heads, (int64_t)a->key, (int64_t)a->value}};
    int rc = mlo_array_count(like->dims, like->rank, &like->n, err);
    if (rc == 0 && past && !mlo_array_same_shape(past, like))
        rc = mlo_op_refuse(c, err, "past_state does not fit");
    if (rc == 0)
        rc = mlo_scratch_doubles(c, a->value, &a->retrieved, err);
    if (rc == 0 && past)
        return mlo_as_doubles(c, past, &a->state, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, like->n, &a->state, err);
    if (rc == 0)
        memset(a->state, 0, like->n * sizeof *a->state);
    return rc;
}

/* One token of one head: the state decays, and k v (or what is new in it) is added. */
static void update(const struct linear_attention *a, double *state, size_t row, size_t head)
{
    const double *k = a->k.v + row * a->k.width + head * a->key,
                 *v = a->v.v + row * a->v.width + head * a->value;
    const double *decay = a->decay.v ? a->decay.v + row * a->decay.width : NULL;
    size_t per_key = a->decay.width / a->heads;
    for (size_t d = 0; decay && d < a->key; d++)
        for (size_t m = 0; m < a->value; m++)
            state[d * a->value + m] *= exp(decay[per_key == 1 ? head : head * a->key + d]);
    double beta = a->beta.v ? a->beta.v[row * a->beta.width + (a->beta.width == 1 ? 0 : head)] : 1;
    memset(a->retrieved, 0, a->value * sizeof *a->retrieved);
    for (size_t d = 0; a->beta.v && d < a->key; d++)
        for (size_t m = 0; m < a->value; m++)
            a->retrieved[m] += state[d * a->value + m] * k[d];
    for (size_t d = 0; d < a->key; d++)
        for (size_t m = 0; m < a->value; m++)
            state[d * a->value + m] += k[d] * beta * (v[m] - a->retrieved[m]);
}

/* The query heads that share a state read it. y: [value] for each of them. */
static void read_out(const struct linear_attention *a, const double *state, size_t row, size_t head,
                     double *y)
{
    size_t group = a->q_heads / a->heads;
    for (size_t h = head * group; h < (head + 1) * group; h++) {
        const double *q = a->q.v + row * a->q.width + h * a->key;
        for (size_t m = 0; m < a->value; m++) {
            double sum = 0;
            for (size_t d = 0; d < a->key; d++)
                sum += q[d] * state[d * a->value + m];
            y[(row * a->q_heads + h) * a->value + m] = a->scale * sum;
        }
    }
}

static int run_linear_attention(struct mlo_op_call *c, struct mlo_err *err)
{
    struct linear_attention a = {0};
    struct mlo_array like, *out, *present;
    double *y;
    int rc = read_sizes(c, &a, err);
    if (rc == 0)
        rc = read_rule(c, &a, err);
    if (rc == 0)
        rc = read_state(c, &a, &like, err);
    const int64_t dims[3] = {(int64_t)a.batch, (int64_t)a.rows, (int64_t)(a.q_heads * a.value)};
    size_t n = 0;
    if (rc == 0)
        rc = mlo_array_count(dims, 3, &n, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, n, &y, err);
    if (rc != 0)
        return rc;
    for (size_t b = 0; b < a.batch; b++)
        for (size_t t = 0; t < a.rows; t++)
            for (size_t h = 0; h < a.heads; h++) {
                double *state = a.state + (b * a.heads + h) * a.key * a.value;
                update(&a, state, b * a.rows + t, h);
                read_out(&a, state, b * a.rows + t, h, y);
            }
    rc = mlo_out_new(c, 0, mlo_in(c, 0)->dtype, dims, 3, &out, err);
    if (rc == 0 && out)
        rc = mlo_from_doubles(y, out, err);
    if (rc == 0)
        rc = mlo_out_new(c, 1, like.dtype, like.dims, like.rank, &present, err);
    return rc == 0 && present ? mlo_from_doubles(a.state, present, err) : rc;
}

/* ---- CausalConvWithState ---- */

struct causal {
    const struct mlo_array *a;
    size_t batch, channels, length, kernel, padded; /* padded: kernel - 1 more than length */
    double *v, *weights, *bias;                     /* v: [batch][channel][padded] */
    bool swish;
};

static int pad_front(struct mlo_op_call *c, struct causal *w, struct mlo_err *err)
{
    const struct mlo_array *past = mlo_in(c, 3);
    size_t before = w->kernel - 1;
    double *now, *old = NULL;
    if (past && (past->rank != 3 || past->dims[0] != w->a->dims[0] || past->dims[1] != w->a->dims[1] ||
                 (size_t)past->dims[2] != before))
        return mlo_op_refuse(c, err, "past_state does not fit");
    int rc = mlo_as_doubles(c, w->a, &now, err);
    if (rc == 0 && past)
        rc = mlo_as_doubles(c, past, &old, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, w->batch * w->channels * w->padded, &w->v, err);
    for (size_t r = 0; rc == 0 && r < w->batch * w->channels; r++) {
        double *row = w->v + r * w->padded;
        for (size_t i = 0; i < before; i++)
            row[i] = old ? old[r * before + i] : 0;
        memcpy(row + before, now + r * w->length, w->length * sizeof *row);
    }
    return rc;
}

static int read_causal(struct mlo_op_call *c, struct causal *w, struct mlo_err *err)
{
    const struct mlo_array *k, *bias = mlo_in(c, 2);
    const char *const words[] = {"", "none", "silu", "swish"};
    size_t i = 0;
    int rc = mlo_in_array(c, 0, &w->a, err);
    if (rc == 0)
        rc = mlo_in_array(c, 1, &k, err);
    if (rc != 0)
        return rc;
    if (w->a->rank != 3 || k->rank != 3 || k->dims[0] != w->a->dims[1] || k->dims[1] != 1 || k->dims[2] < 1 ||
        (bias && (int64_t)bias->n != k->dims[0]))
        return mlo_op_refuse(c, err, "a kernel or bias that does not fit");
    while (i < MLO_COUNT(words) && !mlo_attr_is(c->node, "activation", words[i]))
        i++;
    if (i == MLO_COUNT(words))
        return mlo_op_refuse(c, err, "activation is not known");
    w->swish = i >= 2;
    w->batch = (size_t)w->a->dims[0];
    w->channels = (size_t)w->a->dims[1];
    w->length = (size_t)w->a->dims[2];
    w->kernel = (size_t)k->dims[2];
    int64_t padded[3] = {w->a->dims[0], w->a->dims[1]};
    size_t n;
    if (__builtin_add_overflow(w->a->dims[2], k->dims[2] - 1, &padded[2]))
        return mlo_fail_nomem(err);
    rc = mlo_array_count(padded, 3, &n, err);
    w->padded = (size_t)padded[2];
    if (rc == 0)
        rc = mlo_as_doubles(c, k, &w->weights, err);
    if (rc == 0 && bias)
        rc = mlo_as_doubles(c, bias, &w->bias, err);
    return rc == 0 ? pad_front(c, w, err) : rc;
}

static double causal_at(const struct causal *w, size_t row, size_t at)
{
    size_t channel = row % w->channels;
    double sum = w->bias ? w->bias[channel] : 0;
    for (size_t t = 0; t < w->kernel; t++)
        sum += w->v[row * w->padded + at + t] * w->weights[channel * w->kernel + t];
    return w->swish ? sum / (1 + exp(-sum)) : sum;
}

static int run_causal(struct mlo_op_call *c, struct mlo_err *err)
{
    struct causal w = {0};
    struct mlo_array *out, *present;
    double *y;
    int rc = read_causal(c, &w, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, w.a->n, &y, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, w.a->dtype, w.a->dims, 3, &out, err);
    for (size_t i = 0; rc == 0 && i < w.a->n; i++)
        y[i] = causal_at(&w, i / w.length, i % w.length);
    if (rc == 0 && out)
        rc = mlo_from_doubles(y, out, err);
    const int64_t dims[3] = {(int64_t)w.batch, (int64_t)w.channels, (int64_t)w.kernel - 1};
    if (rc == 0)
        rc = mlo_out_new(c, 1, w.a->dtype, dims, 3, &present, err);
    if (rc != 0 || !present)
        return rc;
    for (size_t r = 0, before = w.kernel - 1; r < w.batch * w.channels; r++)
        memmove(w.v + r * before, w.v + r * w.padded + w.length, before * sizeof *w.v);
    return mlo_from_doubles(w.v, present, err);
}

/* ---- TensorScatter ---- */

struct scatter { /* [outer][whole or part][inner] */
    size_t outer, inner, whole, part, per_batch;
    const int64_t *at; /* of each of the batch; NULL: 0 */
    bool circular;
};

static int read_scatter(struct mlo_op_call *c, const struct mlo_array *cache, const struct mlo_array *more,
                        struct scatter *s, struct mlo_err *err)
{
    const struct mlo_array *at = mlo_in(c, 2);
    struct mlo_array same = *cache;
    const void *list = NULL;
    unsigned axis;
    int rc = mlo_axis(mlo_attr_int(c->node, "axis", -2), cache->rank, &axis, err);
    if (rc != 0)
        return rc;
    same.dims[axis] = more->rank == cache->rank ? more->dims[axis] : -1;
    if (axis == 0 || !mlo_array_same_shape(&same, more) || more->dims[axis] > cache->dims[axis] ||
        (at && (int64_t)at->n != cache->dims[0]))
        return mlo_op_refuse(c, err, "what is written does not fit");
    mlo_around(cache, axis, &s->outer, &s->inner);
    s->whole = (size_t)cache->dims[axis];
    s->part = (size_t)more->dims[axis];
    s->per_batch = cache->dims[0] ? s->outer / (size_t)cache->dims[0] : 0;
    s->circular = mlo_attr_is(c->node, "mode", "circular");
    if (at)
        rc = mlo_as_type(c, at, MLO_DT_I64, &list, err);
    s->at = list;
    return rc;
}

static int run_tensor_scatter(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *cache, *more;
    struct mlo_array *out;
    struct scatter s = {0};
    int rc = mlo_in_array(c, 0, &cache, err);
    if (rc == 0)
        rc = mlo_in_typed(c, 1, cache->dtype, &more, err);
    size_t size = rc == 0 ? mlo_element_size(cache->dtype) : 1;
    if (size == 0)
        rc = mlo_fail(err, MLO_EUNAVAIL, "elements of %s are not moved", mlo_dtype_name(cache->dtype));
    if (rc == 0)
        rc = read_scatter(c, cache, more, &s, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, cache->dtype, cache->dims, cache->rank, &out, err);
    if (rc != 0 || !out || cache->n == 0)
        return rc;
    memcpy(out->data, cache->data, cache->n * size);
    for (size_t o = 0; o < s.outer; o++)
        for (size_t i = 0; i < s.part; i++) {
            int64_t first = s.at ? s.at[o / s.per_batch] : 0;
            size_t at = (size_t)first + i;
            if (first < 0 || (!s.circular && at >= s.whole))
                return mlo_op_refuse(c, err, "nothing is at %lld of %zu", (long long)first, s.whole);
            memcpy((char *)out->data + (o * s.whole + at % s.whole) * s.inner * size,
                   (const char *)more->data + (o * s.part + i) * s.inner * size, s.inner * size);
        }
    return 0;
}

static const struct mlo_op ops[] = {
    {.name = "LinearAttention", .since = 27, .run = run_linear_attention},
    {.name = "CausalConvWithState", .since = 27, .run = run_causal},
    {.name = "TensorScatter", .since = 24, .run = run_tensor_scatter},
};
const struct mlo_op_family mlo_ops_state = {"", ops, MLO_COUNT(ops)};
