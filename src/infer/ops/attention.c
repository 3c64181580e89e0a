/*
 * Attention (with a cache, grouped heads, masks) and RotaryEmbedding, in doubles: the plain form that faster
 * ones are compared with. What encoders have of it, floats without a cache, goes to a kernel.
 */
#include <math.h>
#include <string.h>

#include <mlopsctl/backend.h>

#include "op.h"

/* ---- heads ---- */

/* [batch][heads][rows][size], or of rank 3 [batch][rows][heads * size]. */
struct heads {
    const struct mlo_array *a;
    double *v;
    size_t batch, heads, rows, size;
};

static int read_heads(struct mlo_op_call *c, size_t i, int64_t heads, struct heads *h, struct mlo_err *err)
{
    int rc = mlo_in_array(c, i, &h->a, err);
    if (rc != 0)
        return rc;
    const int64_t *dims = h->a->dims;
    if (h->a->n == 0 || (h->a->rank != 4 && (h->a->rank != 3 || heads < 1 || dims[2] % heads != 0)))
        return mlo_op_refuse(c, err, "input %zu has no heads", i);
    h->batch = (size_t)dims[0];
    h->heads = (size_t)(h->a->rank == 4 ? dims[1] : heads);
    h->rows = (size_t)dims[h->a->rank - 2];
    h->size = (size_t)(h->a->rank == 4 ? dims[3] : dims[2] / heads);
    return mlo_as_doubles(c, h->a, &h->v, err);
}

static double *row_of(const struct heads *h, size_t b, size_t head, size_t row)
{
    return h->v +
           (h->a->rank == 4 ? (b * h->heads + head) * h->rows + row : (b * h->rows + row) * h->heads + head) *
               h->size;
}

/* ---- Attention ---- */

enum shown { RAW, CAPPED, MASKED, WEIGHTS }; /* qk_matmul_output_mode */

struct cache { /* what came before and what is new: [batch][heads][rows][size] */
    size_t past, rows;
    double *v;
};
struct attention {
    struct heads q, k, value;
    struct cache keys, values;
    size_t group;                 /* heads of q for one of k */
    const struct mlo_array *mask; /* NULL: none */
    double *bias, *lengths;       /* spread over q's rows; of each batch; NULL: none */
    size_t mask_rows;             /* of the keys that the mask speaks of */
    double scale, cap;
    bool causal;
    int64_t left, right; /* window; -1: none */
    enum shown shown;
    double *weights; /* of one row */
};

static int extend(struct mlo_op_call *c, size_t i, const struct heads *h, struct cache *k,
                  struct mlo_err *err)
{
    const struct mlo_array *past = mlo_in(c, i);
    double *old = NULL;
    size_t n;
    if (past && (past->rank != 4 || (size_t)past->dims[0] != h->batch || (size_t)past->dims[1] != h->heads ||
                 (size_t)past->dims[3] != h->size))
        return mlo_op_refuse(c, err, "input %zu does not fit", i);
    k->past = past ? (size_t)past->dims[2] : 0;
    k->rows = k->past + h->rows;
    int rc = past ? mlo_as_doubles(c, past, &old, err) : 0;
    if (rc == 0 && __builtin_mul_overflow(h->batch * h->heads * h->size, k->rows, &n))
        return mlo_fail_nomem(err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, n, &k->v, err);
    for (size_t r = 0; rc == 0 && r < h->batch * h->heads * k->rows; r++) {
        size_t group = r / k->rows, row = r % k->rows;
        const double *from = row < k->past ? old + (group * k->past + row) * h->size
                                           : row_of(h, group / h->heads, group % h->heads, row - k->past);
        memcpy(k->v + r * h->size, from, h->size * sizeof *from);
    }
    return rc;
}

static int read_mask(struct mlo_op_call *c, struct attention *a, struct mlo_err *err)
{
    a->mask = mlo_in(c, 3);
    if (!a->mask)
        return 0;
    unsigned rank = a->mask->rank;
    if (rank < 1 || a->mask->dims[rank - 1] < 1 || (size_t)a->mask->dims[rank - 1] > a->keys.rows)
        return mlo_op_refuse(c, err, "the mask does not fit");
    a->mask_rows = (size_t)a->mask->dims[rank - 1];
    struct mlo_array like = {
        .rank = 4,
        .dims = {(int64_t)a->q.batch, (int64_t)a->q.heads, (int64_t)a->q.rows, (int64_t)a->mask_rows}};
    int rc = mlo_array_count(like.dims, 4, &like.n, err);
    return rc == 0 ? mlo_spread_doubles(c, a->mask, &like, &a->bias, err) : rc;
}

static int read_lengths(struct mlo_op_call *c, struct attention *a, struct mlo_err *err)
{
    const struct mlo_array *n = mlo_in(c, 6);
    if (!n)
        return 0;
    if (n->n != a->q.batch || mlo_in(c, 4))
        return mlo_op_refuse(c, err, "nonpad_kv_seqlen does not fit");
    return mlo_as_doubles(c, n, &a->lengths, err);
}

static int read_attributes(struct mlo_op_call *c, struct attention *a, struct mlo_err *err)
{
    const struct mlo_attr *scale = mlo_node_attr(c->node, "scale");
    int64_t mode = mlo_attr_int(c->node, "qk_matmul_output_mode", 0);
    a->scale = scale ? (double)mlo_attr_float(c->node, "scale", 1) : 1 / sqrt((double)a->q.size);
    a->cap = (double)mlo_attr_float(c->node, "softcap", 0);
    a->causal = mlo_attr_int(c->node, "is_causal", 0) != 0;
    a->left = mlo_attr_int(c->node, "left_window_size", -1);
    a->right = mlo_attr_int(c->node, "right_window_size", -1);
    a->shown = (enum shown)mode;
    return mode >= RAW && mode <= WEIGHTS
               ? 0
               : mlo_op_refuse(c, err, "qk_matmul_output_mode %lld", (long long)mode);
}

static int read_attention(struct mlo_op_call *c, struct attention *a, struct mlo_err *err)
{
    int64_t q_heads = mlo_attr_int(c->node, "q_num_heads", 0),
            heads = mlo_attr_int(c->node, "kv_num_heads", 0);
    int rc = read_heads(c, 0, q_heads, &a->q, err);
    if (rc == 0)
        rc = read_heads(c, 1, heads, &a->k, err);
    if (rc == 0)
        rc = read_heads(c, 2, heads, &a->value, err);
    if (rc != 0)
        return rc;
    const struct heads *q = &a->q, *k = &a->k, *v = &a->value;
    if (q->a->rank != k->a->rank || k->a->rank != v->a->rank || q->batch != k->batch ||
        k->batch != v->batch || k->heads != v->heads || k->rows != v->rows || q->size != k->size ||
        q->heads % k->heads != 0 || !mlo_in(c, 4) != !mlo_in(c, 5))
        return mlo_op_refuse(c, err, "queries, keys and values do not fit");
    a->group = q->heads / k->heads;
    rc = read_attributes(c, a, err);
    if (rc == 0)
        rc = extend(c, 4, k, &a->keys, err);
    if (rc == 0)
        rc = extend(c, 5, v, &a->values, err);
    if (rc == 0 && a->keys.rows != a->values.rows)
        rc = mlo_op_refuse(c, err, "as many past keys as values are needed");
    if (rc == 0)
        rc = read_mask(c, a, err);
    if (rc == 0)
        rc = read_lengths(c, a, err);
    return rc == 0 ? mlo_scratch_doubles(c, a->keys.rows, &a->weights, err) : rc;
}

/* What is added to the score of a key: -inf where the query does not look. Positions count from the first
 * key. */
static double bias_of(const struct attention *a, size_t b, size_t head, size_t row, size_t key)
{
    double first = a->lengths ? a->lengths[b] - (double)a->q.rows : (double)a->keys.past,
           ahead = (double)key - ((double)row + first), given;
    if ((a->causal && ahead > 0) || (a->left >= 0 && -ahead > (double)a->left) ||
        (a->right >= 0 && ahead > (double)a->right) || (a->lengths && (double)key >= a->lengths[b]))
        return -INFINITY;
    if (!a->mask)
        return 0;
    if (key >= a->mask_rows)
        return -INFINITY;
    given = a->bias[((b * a->q.heads + head) * a->q.rows + row) * a->mask_rows + key];
    return a->mask->dtype != MLO_DT_BOOL ? given : given != 0 ? 0 : -INFINITY;
}

/* A row that may look at nothing has weights of 0. */
static void soften(double *v, size_t n)
{
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        most = v[i] > most || isnan(v[i]) ? v[i] : most;
    for (size_t i = 0; i < n; i++) {
        v[i] = most == -INFINITY ? 0 : exp(v[i] - most);
        sum += v[i];
    }
    for (size_t i = 0; i < n; i++)
        v[i] = sum == 0 ? 0 : v[i] / sum;
}

static void attend_row(const struct attention *a, size_t b, size_t head, size_t row, double *shown, double *y)
{
    const double *q = row_of(&a->q, b, head, row);
    size_t kv = b * a->k.heads + head / a->group, n = a->keys.rows, size = a->value.size;
    for (size_t key = 0; key < n; key++) {
        const double *k = a->keys.v + (kv * n + key) * a->k.size;
        double dot = 0, bias = bias_of(a, b, head, row, key);
        for (size_t i = 0; i < a->k.size; i++)
            dot += q[i] * k[i];
        dot *= a->scale;
        double capped = a->cap > 0 ? tanh(dot / a->cap) * a->cap : dot;
        a->weights[key] = bias == -INFINITY ? bias : capped + bias;
        if (shown)
            shown[key] = a->shown == RAW ? dot : a->shown == CAPPED ? capped : a->weights[key];
    }
    soften(a->weights, n);
    if (shown && a->shown == WEIGHTS)
        memcpy(shown, a->weights, n * sizeof *shown);
    memset(y, 0, size * sizeof *y);
    for (size_t key = 0; key < n; key++)
        for (size_t i = 0; i < size && a->weights[key] != 0; i++)
            y[i] += a->weights[key] * a->values.v[(kv * n + key) * size + i];
}

static int give_cache(struct mlo_op_call *c, size_t i, const struct heads *h, const struct cache *k,
                      struct mlo_err *err)
{
    const int64_t dims[] = {(int64_t)h->batch, (int64_t)h->heads, (int64_t)k->rows, (int64_t)h->size};
    struct mlo_array *out;
    int rc = mlo_out_new(c, i, h->a->dtype, dims, 4, &out, err);
    return rc == 0 && out ? mlo_from_doubles(k->v, out, err) : rc;
}

/* Memory for the scores that the node shows; NULL: nobody wants them. */
static int begin_shown(struct mlo_op_call *c, const struct attention *a, struct mlo_array **ret,
                       double **ret_scores, struct mlo_err *err)
{
    const int64_t dims[] = {(int64_t)a->q.batch, (int64_t)a->q.heads, (int64_t)a->q.rows,
                            (int64_t)a->keys.rows};
    int rc = mlo_out_new(c, 3, a->q.a->dtype, dims, 4, ret, err);
    *ret_scores = NULL;
    return rc == 0 && *ret ? mlo_scratch_doubles(c, (*ret)->n, ret_scores, err) : rc;
}

static int attend(struct mlo_op_call *c, const struct attention *a, struct mlo_err *err)
{
    const struct heads *q = &a->q;
    const int64_t whole[] = {(int64_t)q->batch, (int64_t)q->heads, (int64_t)q->rows, (int64_t)a->value.size},
                  joined[] = {(int64_t)q->batch, (int64_t)q->rows, (int64_t)(q->heads * a->value.size)};
    struct mlo_array *out, *scores;
    struct heads y = {.a = q->a, q->v, q->batch, q->heads, q->rows, a->value.size};
    double *shown;
    size_t n, rows = q->batch * q->heads * q->rows;
    int rc = mlo_out_new(c, 0, q->a->dtype, q->a->rank == 4 ? whole : joined, q->a->rank, &out, err);
    if (rc == 0 && __builtin_mul_overflow(rows, a->value.size, &n))
        return mlo_fail_nomem(err);
    if (rc == 0)
        rc = begin_shown(c, a, &scores, &shown, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, n, &y.v, err);
    for (size_t i = 0; rc == 0 && i < rows; i++) {
        size_t b = i / q->rows / q->heads, head = i / q->rows % q->heads, row = i % q->rows;
        attend_row(a, b, head, row, shown ? shown + i * a->keys.rows : NULL, row_of(&y, b, head, row));
    }
    if (rc == 0 && scores)
        rc = mlo_from_doubles(shown, scores, err);
    return rc == 0 && out ? mlo_from_doubles(y.v, out, err) : rc;
}

/* ---- floats without a cache ---- */

struct plain_heads {
    const float *x;
    struct mlo_attention_step step;
    size_t batch, heads, rows, size;
};

/* The same as read_heads, where the array is. */
static bool see_heads(const struct mlo_op_call *c, size_t i, int64_t heads, struct plain_heads *h)
{
    const struct mlo_array *a = mlo_in(c, i);
    if (!a || a->dtype != MLO_DT_F32 || a->n == 0 ||
        (a->rank != 4 && (a->rank != 3 || heads < 1 || a->dims[2] % heads)))
        return false;
    bool whole = a->rank == 4;
    *h = (struct plain_heads){.x = a->data,
                              .batch = (size_t)a->dims[0],
                              .heads = (size_t)(whole ? a->dims[1] : heads),
                              .rows = (size_t)a->dims[a->rank - 2],
                              .size = (size_t)(whole ? a->dims[3] : a->dims[2] / heads)};
    h->step = (struct mlo_attention_step){h->heads * h->rows * h->size, whole ? h->rows * h->size : h->size,
                                          whole ? h->size : h->heads * h->size};
    return true;
}

/* Floats that fit to [batch][heads][rows][keys], and leave something to look at. */
static bool see_mask(const struct mlo_op_call *c, struct mlo_attention *p)
{
    const struct mlo_array *mask = mlo_in(c, 3);
    const size_t all[4] = {p->batch, p->heads, p->rows, p->keys};
    size_t steps[MLO_RANK_MAX];
    if (!mask)
        return true;
    if (mask->dtype != MLO_DT_F32 || mask->rank < 1 || mask->rank > 4 ||
        (size_t)mask->dims[mask->rank - 1] != p->keys)
        return false;
    for (unsigned i = 0; i < mask->rank; i++)
        if (mask->dims[i] != 1 && (size_t)mask->dims[i] != all[4 - mask->rank + i])
            return false;
    for (size_t i = 0; i < mask->n; i++)
        if (((const float *)mask->data)[i] == -INFINITY) /* a row of them has weights of 0 */
            return false;
    mlo_broadcast_strides(mask, 4, steps);
    p->mask = mask->data;
    p->mask_step = (struct mlo_attention_step){steps[0], steps[1], steps[2]};
    p->mask_key = steps[3];
    return true;
}

/* Is it a case for the kernel? */
static bool see_attention(const struct mlo_op_call *c, struct mlo_attention *p)
{
    struct plain_heads q, k, v;
    int64_t q_heads = mlo_attr_int(c->node, "q_num_heads", 0),
            heads = mlo_attr_int(c->node, "kv_num_heads", 0);
    const struct mlo_attr *scale = mlo_node_attr(c->node, "scale");
    for (size_t i = 1; i < c->n_out; i++)
        if (c->out[i])
            return false;
    if (mlo_in(c, 4) || mlo_in(c, 6) || mlo_attr_int(c->node, "is_causal", 0) != 0 ||
        mlo_attr_float(c->node, "softcap", 0) > 0 || mlo_attr_int(c->node, "left_window_size", -1) >= 0 ||
        mlo_attr_int(c->node, "right_window_size", -1) >= 0)
        return false;
    if (!see_heads(c, 0, q_heads, &q) || !see_heads(c, 1, heads, &k) || !see_heads(c, 2, heads, &v) ||
        q.batch != k.batch || k.batch != v.batch || q.heads != k.heads || k.heads != v.heads ||
        k.rows != v.rows || q.size != k.size)
        return false;
    *p = (struct mlo_attention){.batch = q.batch,
                                .heads = q.heads,
                                .rows = q.rows,
                                .keys = k.rows,
                                .size = q.size,
                                .v_size = v.size,
                                .q = q.x,
                                .k = k.x,
                                .v = v.x,
                                .q_step = q.step,
                                .k_step = k.step,
                                .v_step = v.step,
                                .scale = scale ? mlo_attr_float(c->node, "scale", 1)
                                               : 1 / sqrtf((float)q.size)};
    return see_mask(c, p);
}

static int attend_floats(struct mlo_op_call *c, struct mlo_attention *p, struct mlo_err *err)
{
    bool whole = mlo_in(c, 0)->rank == 4;
    int64_t batch = (int64_t)p->batch, heads = (int64_t)p->heads, rows = (int64_t)p->rows,
            size = (int64_t)p->v_size;
    const int64_t four[] = {batch, heads, rows, size}, three[] = {batch, rows, heads * size};
    struct mlo_array *y;
    void *scratch;
    size_t room;
    int rc = mlo_out_new(c, 0, MLO_DT_F32, whole ? four : three, whole ? 4 : 3, &y, err);
    if (rc != 0 || !y || y->n == 0)
        return rc;
    if (!mlo_attention_scratch(p, &room))
        return mlo_fail_nomem(err);
    rc = mlo_scratch(c, room, sizeof(float), &scratch, err);
    if (rc != 0)
        return rc;
    p->y = y->data;
    p->scratch = scratch;
    p->y_step = (struct mlo_attention_step){p->heads * p->rows * p->v_size,
                                            whole ? p->rows * p->v_size : p->v_size,
                                            whole ? p->v_size : p->heads * p->v_size};
    mlo_attention_f32(p);
    return 0;
}

static int run_attention(struct mlo_op_call *c, struct mlo_err *err)
{
    struct attention a = {0};
    struct mlo_attention plain;
    if (see_attention(c, &plain))
        return attend_floats(c, &plain, err);
    int rc = read_attention(c, &a, err);
    if (rc == 0)
        rc = attend(c, &a, err);
    if (rc == 0)
        rc = give_cache(c, 1, &a.k, &a.keys, err);
    return rc == 0 ? give_cache(c, 2, &a.value, &a.values, err) : rc;
}

/* ---- RotaryEmbedding ---- */

struct rotation {
    struct heads x;
    double *cos, *sin, *places; /* places NULL: the caches hold a row for each row of the input */
    size_t half;
    bool interleaved;
};

static int read_rotation(struct mlo_op_call *c, struct rotation *r, struct mlo_err *err)
{
    int64_t turned = mlo_attr_int(c->node, "rotary_embedding_dim", 0);
    const struct mlo_array *cos, *sin, *places = mlo_in(c, 3);
    int rc = read_heads(c, 0, mlo_attr_int(c->node, "num_heads", 0), &r->x, err);
    if (rc == 0)
        rc = mlo_in_array(c, 1, &cos, err);
    if (rc == 0)
        rc = mlo_in_array(c, 2, &sin, err);
    if (rc != 0)
        return rc;
    r->half = (turned ? (size_t)turned : r->x.size) / 2;
    r->interleaved = mlo_attr_int(c->node, "interleaved", 0) != 0;
    unsigned rank = places ? 2 : 3;
    size_t rows = r->x.batch * r->x.rows;
    if (turned < 0 || 2 * r->half > r->x.size || cos->rank != rank || !mlo_array_same_shape(cos, sin) ||
        (size_t)cos->dims[rank - 1] != r->half ||
        (places ? places->n : cos->n) != (places ? rows : rows * r->half))
        return mlo_op_refuse(c, err, "caches that do not fit");
    rc = mlo_as_doubles(c, cos, &r->cos, err);
    if (rc == 0)
        rc = mlo_as_doubles(c, sin, &r->sin, err);
    if (rc == 0 && places)
        rc = mlo_as_doubles(c, places, &r->places, err);
    for (size_t i = 0; rc == 0 && places && i < rows; i++)
        if (!(r->places[i] >= 0 && r->places[i] < (double)cos->dims[0]))
            rc = mlo_op_refuse(c, err, "no position %g in the caches", r->places[i]);
    return rc;
}

static void rotate(const struct rotation *r, double *x, size_t at)
{
    for (size_t i = 0; i < r->half; i++) {
        double *p = &x[r->interleaved ? 2 * i : i], *q = &x[r->interleaved ? 2 * i + 1 : r->half + i];
        double cos = r->cos[at * r->half + i], sin = r->sin[at * r->half + i], real = cos * *p - sin * *q;
        *q = sin * *p + cos * *q;
        *p = real;
    }
}

static int run_rotary(struct mlo_op_call *c, struct mlo_err *err)
{
    struct rotation r = {0};
    struct mlo_array *out;
    int rc = read_rotation(c, &r, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, r.x.a->dtype, r.x.a->dims, r.x.a->rank, &out, err);
    if (rc != 0 || !out)
        return rc;
    for (size_t i = 0; i < r.x.batch * r.x.rows * r.x.heads; i++) {
        size_t line = i / r.x.heads;
        rotate(&r, row_of(&r.x, line / r.x.rows, i % r.x.heads, line % r.x.rows),
               r.places ? (size_t)r.places[line] : line);
    }
    return mlo_from_doubles(r.x.v, out, err);
}

static const struct mlo_op ops[] = {
    {.name = "Attention", .since = 23, .run = run_attention},
    {.name = "RotaryEmbedding", .since = 23, .run = run_rotary},
};
const struct mlo_op_family mlo_ops_attention = {"", ops, MLO_COUNT(ops)};
