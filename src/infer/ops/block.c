/* GELU, residual and normalisation, attention of heads, of float32, and shapes, as passes fuse them. */
#include "block.h"
#include "infer/internal.h"

#include <string.h>

/* ---- GELU ---- */

static int run_gelu(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_gelu_params *p = c->params;
    const struct mlo_array *x;
    struct mlo_array *y;
    int rc = mlo_in_typed(c, 0, MLO_DT_F32, &x, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, MLO_DT_F32, x->dims, x->rank, &y, err);
    if (rc == 0 && y)
        (p->tanh ? mlo_gelu_tanh_f32 : mlo_gelu_f32)(x->data, y->data, x->n);
    return rc;
}

const struct mlo_op mlo_op_gelu = {.name = "Gelu", .run = run_gelu, .in_place = true};

/* ---- residual, normalisation ---- */

struct adding {
    const float *a, *b;
    float *to;
    size_t steps[2];
};

static void add_row(void *ctx, const size_t *at, size_t n)
{
    struct adding *w = ctx;
    for (size_t i = 0; i < n; i++)
        *w->to++ = w->a[at[0] + i * w->steps[0]] + w->b[at[1] + i * w->steps[1]];
}

/* The sum of two of different shapes, for the time of the call. Their numbers are there. */
static int add_spread(struct mlo_op_call *c, const struct mlo_array *a, const struct mlo_array *b,
                      struct mlo_array *ret, struct mlo_err *err)
{
    struct mlo_walk walk = {.dims = ret->dims, .n_operands = 2};
    struct adding w = {.a = a->data, .b = b->data};
    *ret = (struct mlo_array){.dtype = MLO_DT_F32};
    int rc = mlo_broadcast_shape(a, b, ret->dims, &ret->rank, err);
    if (rc == 0)
        rc = mlo_array_count(ret->dims, ret->rank, &ret->n, err);
    if (rc == 0)
        rc = mlo_scratch(c, ret->n, sizeof(float), &ret->data, err);
    if (rc != 0)
        return rc;
    walk.rank = ret->rank;
    mlo_broadcast_strides(a, ret->rank, walk.strides[0]);
    mlo_broadcast_strides(b, ret->rank, walk.strides[1]);
    for (size_t k = 0; k < 2 && ret->rank; k++)
        w.steps[k] = walk.strides[k][ret->rank - 1];
    w.to = ret->data;
    mlo_walk_rows(&walk, add_row, &w);
    return 0;
}

struct normalizing {
    struct mlo_array x; /* or already the sum */
    const struct mlo_array *scale, *bias, *plus;
};

static int read_normalizing(struct mlo_op_call *c, struct normalizing *n, struct mlo_err *err)
{
    const struct mlo_array *x;
    int rc = mlo_in_typed(c, 0, MLO_DT_F32, &x, err);
    if (rc == 0)
        rc = mlo_in_typed(c, 1, MLO_DT_F32, &n->scale, err);
    n->bias = mlo_in(c, 2);
    n->plus = mlo_in(c, 3);
    if (rc == 0 && n->plus && n->plus->dtype != MLO_DT_F32)
        rc = mlo_op_refuse(c, err, "types that do not fit");
    if (rc != 0)
        return rc;
    n->x = *x;
    if (n->plus && !mlo_array_same_shape(x, n->plus)) {
        mlo_op_settle(c);
        rc = add_spread(c, x, n->plus, &n->x, err);
        n->plus = NULL;
    }
    if (rc == 0 && (n->x.rank == 0 || (size_t)n->x.dims[n->x.rank - 1] != n->scale->n))
        rc = mlo_op_refuse(c, err, "a scale that does not fit");
    return rc;
}

/* The sum is that of x and plus, or x, which already is. */
static void normalize_part(void *ctx, size_t part, size_t parts)
{
    const struct mlo_normalize *all = ctx;
    struct mlo_normalize p = *all;
    size_t from = mlo_part_begin(all->rows, part, parts), at = from * p.n;
    p.rows = mlo_part_begin(all->rows, part + 1, parts) - from;
    p.x += at;
    p.plus = p.plus ? p.plus + at : NULL;
    p.y += at;
    p.sum = p.sum && p.plus ? p.sum + at : NULL;
    if (all->sum && !p.plus)
        memcpy(all->sum + at, p.x, p.rows * p.n * sizeof(float));
    mlo_normalize_f32(&p);
}

#define NORM_FLOPS 8 /* of a number */

static int run_layer_norm(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_layer_norm_params *params = c->params;
    struct normalizing n = {0};
    struct mlo_array *y, *sum;
    void *room = NULL;
    int rc = read_normalizing(c, &n, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, MLO_DT_F32, n.x.dims, n.x.rank, &y, err);
    if (rc == 0)
        rc = mlo_out_new(c, 1, MLO_DT_F32, n.x.dims, n.x.rank, &sum, err);
    if (rc == 0 && !y)
        rc = mlo_scratch(c, n.x.n, sizeof(float), &room, err);
    if (rc != 0 || n.x.n == 0)
        return rc;
    struct mlo_normalize p = {.rows = n.x.n / n.scale->n,
                              .n = n.scale->n,
                              .x = n.x.data,
                              .plus = n.plus ? n.plus->data : NULL,
                              .scale = n.scale->data,
                              .bias = n.bias ? n.bias->data : NULL,
                              .epsilon = params->epsilon,
                              .centred = true,
                              .y = y ? y->data : room,
                              .sum = sum ? sum->data : NULL};
    mlo_op_share(
        c, &(struct mlo_share){.fn = normalize_part, .flops = NORM_FLOPS * (uint64_t)n.x.n, .rows = p.rows},
        &p, sizeof p);
    return 0;
}

const struct mlo_op mlo_op_layer_norm = {.name = "LayerNorm", .run = run_layer_norm, .puts_off = true};

/* ---- attention ---- */

struct operand {
    const struct mlo_array *a;
    struct mlo_attention_step step;
};

/* Steps through [batch][rows][heads][size]: 0 where it is repeated. */
static int take_operand(struct mlo_op_call *c, size_t i, struct operand *o, struct mlo_err *err)
{
    size_t steps[MLO_RANK_MAX];
    int rc = mlo_in_typed(c, i, MLO_DT_F32, &o->a, err);
    if (rc == 0 && o->a->rank != 4)
        rc = mlo_op_refuse(c, err, "heads need four dimensions");
    if (rc != 0)
        return rc;
    mlo_broadcast_strides(o->a, 4, steps);
    o->step = (struct mlo_attention_step){steps[0], steps[2], steps[1]};
    return 0;
}

/* The common length of a dimension; 1 is repeated. */
static bool agree(int64_t *all, int64_t one)
{
    if (*all == 1)
        *all = one;
    return one == 1 || one == *all;
}

static int take_mask(struct mlo_op_call *c, size_t input, struct mlo_attention *p, int64_t dims[4],
                     struct mlo_err *err)
{
    const struct mlo_array *mask = mlo_in(c, input);
    size_t steps[MLO_RANK_MAX];
    bool fits = true;
    if (!mask)
        return 0;
    if (mask->dtype != MLO_DT_F32 || mask->rank > 4)
        return mlo_op_refuse(c, err, "a mask that does not fit");
    for (unsigned i = 0; i < mask->rank; i++)
        fits = agree(&dims[4 - mask->rank + i], mask->dims[i]) && fits;
    if (!fits || dims[3] != (int64_t)p->keys)
        return mlo_op_refuse(c, err, "a mask that does not fit");
    mlo_broadcast_strides(mask, 4, steps);
    p->mask = mask->data;
    p->mask_step = (struct mlo_attention_step){steps[0], steps[1], steps[2]};
    p->mask_key = steps[3];
    return 0;
}

/* dims: [batch][heads][rows][keys] */
static int read_heads(struct mlo_op_call *c, struct mlo_attention *p, int64_t dims[4], struct mlo_err *err)
{
    struct operand o[3] = {{0}};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < 3; i++)
        rc = take_operand(c, i, &o[i], err);
    if (rc != 0)
        return rc;
    const int64_t *q = o[0].a->dims, *k = o[1].a->dims, *v = o[2].a->dims;
    dims[0] = q[0];
    dims[1] = q[2];
    dims[2] = q[1];
    dims[3] = k[1];
    bool fits = q[3] == k[3] && k[1] == v[1] && agree(&dims[0], k[0]) && agree(&dims[1], k[2]);
    if (!fits || !agree(&dims[0], v[0]) || !agree(&dims[1], v[2]))
        return mlo_op_refuse(c, err, "queries, keys and values do not fit");
    p->keys = (size_t)k[1];
    p->size = (size_t)q[3];
    p->v_size = (size_t)v[3];
    p->q = o[0].a->data;
    p->k = o[1].a->data;
    p->v = o[2].a->data;
    p->q_step = o[0].step;
    p->k_step = o[1].step;
    p->v_step = o[2].step;
    if (k[1] == 1) /* a dimension of 1 has no step */
        p->k_step.row = p->v_step.row = 0;
    return take_mask(c, 3, p, dims, err);
}

struct attending {
    struct mlo_attention p;
    size_t room;                     /* floats of scratch of each part */
    const struct mlo_packed *packed; /* rows of sequences, each by itself; NULL: not */
};

/* Rows `from` to before `to` of sequence i: of a batch, or packed. */
static void attend_sequence(const struct attending *a, size_t i, size_t from, size_t to, float *scratch)
{
    struct mlo_attention p = a->p;
    size_t batch = a->packed ? 0 : i, first = a->packed ? a->packed->first[i] : 0, row = first + from;
    p.batch = 1;
    p.rows = to - from;
    p.keys = a->packed ? a->packed->first[i + 1] - first : p.keys;
    p.q += batch * p.q_step.batch + row * p.q_step.row;
    p.k += batch * p.k_step.batch + first * p.k_step.row;
    p.v += batch * p.v_step.batch + first * p.v_step.row;
    p.y += batch * p.y_step.batch + row * p.y_step.row;
    if (p.mask)
        p.mask += batch * p.mask_step.batch + row * p.mask_step.row + first * p.mask_key;
    p.scratch = scratch;
    if (from < to)
        mlo_attention_f32(&p);
}

/* Rows of queries, of one sequence after the other. */
static void attend_some(void *ctx, size_t part, size_t parts)
{
    const struct attending *a = ctx;
    const struct mlo_attention *p = &a->p;
    size_t n = a->packed ? a->packed->n : p->batch, all = a->packed ? a->packed->first[n] : n * p->rows;
    size_t from = mlo_part_begin(all, part, parts), to = mlo_part_begin(all, part + 1, parts);
    for (size_t i = 0; i < n; i++) {
        size_t begin = a->packed ? a->packed->first[i] : i * p->rows;
        size_t end = a->packed ? a->packed->first[i + 1] : begin + p->rows;
        if (from < end && begin < to)
            attend_sequence(a, i, from < begin ? 0 : from - begin, (to < end ? to : end) - begin,
                            p->scratch + part * a->room);
    }
}

/* Scores of queries and keys. */
static uint64_t scores_of(const struct mlo_attention *p, const struct mlo_packed *packed)
{
    uint64_t n = 0;
    for (size_t i = 0; packed && i < packed->n; i++) {
        uint64_t rows = packed->first[i + 1] - packed->first[i];
        n += rows * rows;
    }
    return packed ? n : (uint64_t)p->batch * p->rows * p->keys;
}

/* Each part has scratch of its own, a whole number of lines of the cache. */
static int attend(struct mlo_op_call *c, const struct mlo_attention *p, struct mlo_err *err)
{
    const struct mlo_packed *packed = c->session->packed;
    struct attending a = {*p, 0, packed};
    void *scratch;
    if (!mlo_attention_scratch(p, &a.room) || a.room > SIZE_MAX - 15)
        return mlo_fail_nomem(err);
    a.room = (a.room + 15) & ~(size_t)15;
    int rc = mlo_scratch(c, mlo_op_threads(c), a.room * sizeof(float), &scratch, err);
    if (rc != 0)
        return rc;
    a.p.scratch = scratch;
    struct mlo_share w = {.fn = attend_some,
                          .flops = 2 * scores_of(p, packed) * p->heads * (p->size + p->v_size),
                          .rows = packed ? packed->first[packed->n] : p->batch * p->rows,
                          .reads_all = true};
    mlo_op_share(c, &w, &a, sizeof a);
    return 0;
}

/* To y, which has room for dims[0] dims[2] rows of dims[1] heads. */
static int attend_to(struct mlo_op_call *c, struct mlo_attention *p, const int64_t dims[4],
                     struct mlo_array *y, struct mlo_err *err)
{
    p->batch = (size_t)dims[0];
    p->heads = (size_t)dims[1];
    p->rows = (size_t)dims[2];
    p->y_step = (struct mlo_attention_step){p->rows * p->heads * p->v_size, p->v_size, p->heads * p->v_size};
    p->y = y->data;
    if (p->keys > 0)
        return attend(c, p, err);
    mlo_op_settle(c);
    memset(y->data, 0, y->n * sizeof(float));
    return 0;
}

static int run_heads(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_heads_params *params = c->params;
    struct mlo_attention p = {.scale = params->scale};
    struct mlo_array *y;
    int64_t dims[4];
    int rc = read_heads(c, &p, dims, err);
    if (rc != 0)
        return rc;
    const int64_t out[4] = {dims[0], dims[2], dims[1], (int64_t)p.v_size};
    rc = mlo_out_new(c, 0, MLO_DT_F32, out, 4, &y, err);
    return rc == 0 && y && y->n > 0 ? attend_to(c, &p, dims, y, err) : rc;
}

const struct mlo_op mlo_op_heads = {.name = "Heads", .run = run_heads, .puts_off = true};

/* ---- attention of queries, keys and values side by side ---- */

/* A number for each row. */
static int take_packed_mask(struct mlo_op_call *c, struct mlo_attention *p, struct mlo_err *err)
{
    const struct mlo_array *mask = mlo_in(c, 1);
    if (!mask)
        return 0;
    if (mask->dtype != MLO_DT_F32 || mask->n != p->keys || mask->rank == 0 ||
        (size_t)mask->dims[mask->rank - 1] != p->keys)
        return mlo_op_refuse(c, err, "a mask that does not fit");
    p->mask = mask->data;
    p->mask_key = 1;
    return 0;
}

static int read_joined(struct mlo_op_call *c, struct mlo_attention *p, int64_t dims[4], struct mlo_err *err)
{
    const struct mlo_joined_heads_params *params = c->params;
    const struct mlo_array *x;
    size_t columns = params->heads * params->size, row = 3 * columns;
    int rc = mlo_in_typed(c, 0, MLO_DT_F32, &x, err);
    if (rc != 0)
        return rc;
    if (x->rank < 3 || x->n != (size_t)x->dims[0] * (size_t)x->dims[1] * row)
        return mlo_op_refuse(c, err, "queries, keys and values do not fit");
    const int64_t all[4] = {x->dims[0], (int64_t)params->heads, x->dims[1], x->dims[1]};
    memcpy(dims, all, sizeof all);
    p->keys = (size_t)x->dims[1];
    p->size = p->v_size = params->size;
    p->q = x->data;
    p->k = p->q + columns;
    p->v = p->k + columns;
    p->q_step = (struct mlo_attention_step){x->dims[0] == 1 ? 0 : p->keys * row, params->size,
                                            p->keys == 1 ? 0 : row};
    p->k_step = p->v_step = p->q_step;
    if (c->session->packed)
        return take_packed_mask(c, p, err);
    rc = take_mask(c, 1, p, dims, err);
    return rc == 0 && dims[1] != all[1] ? mlo_op_refuse(c, err, "a mask that does not fit") : rc;
}

static int run_joined_heads(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_joined_heads_params *params = c->params;
    struct mlo_attention p = {.scale = params->scale};
    struct mlo_array *y;
    int64_t dims[4];
    int rc = read_joined(c, &p, dims, err);
    if (rc != 0)
        return rc;
    const int64_t out[3] = {dims[0], dims[2], (int64_t)(params->heads * params->size)};
    rc = mlo_out_new(c, 0, MLO_DT_F32, out, 3, &y, err);
    return rc == 0 && y && y->n > 0 ? attend_to(c, &p, dims, y, err) : rc;
}

const struct mlo_op mlo_op_joined_heads = {.name = "JoinedHeads", .run = run_joined_heads, .puts_off = true};

/* ---- shapes ---- */

static int run_shape(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_shape_params *p = c->params;
    const int64_t dims[1] = {(int64_t)p->n};
    struct mlo_array *y;
    int rc = mlo_out_new(c, 0, MLO_DT_I64, dims, 1, &y, err);
    for (size_t i = 0; rc == 0 && y && i < p->n; i++) {
        const struct mlo_array *x;
        unsigned axis;
        int64_t *to = (int64_t *)y->data + i;
        *to = p->items[i].number;
        if (p->items[i].constant)
            continue;
        rc = mlo_in_array(c, i, &x, err);
        if (rc == 0)
            rc = mlo_axis(p->items[i].number, x->rank, &axis, err);
        if (rc == 0)
            *to = x->dims[axis];
    }
    return rc;
}

const struct mlo_op mlo_op_shape = {.name = "ShapeList", .run = run_shape};
