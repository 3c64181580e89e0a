/* A dense layer with constant weights, which are packed once for the kernels. */
#include "dense.h"

#include <string.h>

/* The numbers of a constant (NULL: none); of halves *ret_copy, which the caller owns. */
static int floats_of(const struct mlo_array *a, float **ret_copy, const float **ret, struct mlo_err *err)
{
    *ret = a ? a->data : NULL;
    if (!a || a->dtype == MLO_DT_F32)
        return 0;
    *ret = *ret_copy = mlo_calloc(a->n, sizeof **ret_copy, err);
    if (!*ret)
        return err->code;
    mlo_halves_to_floats(a->dtype, a->data, *ret_copy, a->n);
    return 0;
}

static const struct mlo_array *weights_at(const struct mlo_op_prepare *p, size_t part)
{
    return p->constant[1 + 2 * part];
}

static const struct mlo_array *bias_at(const struct mlo_op_prepare *p, size_t part)
{
    return 2 + 2 * part < p->n_in ? p->constant[2 + 2 * part] : NULL;
}

/* The columns of parts side by side, as the caller's w[k][n] and bias[n]. */
static int join(const struct mlo_op_prepare *p, size_t parts, struct mlo_dense_weights *from, float **ret_w,
                float **ret_bias, struct mlo_err *err)
{
    size_t at = 0, all;
    from->n = 0;
    for (size_t i = 0; i < parts; i++)
        from->n += (size_t)weights_at(p, i)->dims[1];
    if (__builtin_mul_overflow(from->n, from->k, &all))
        return mlo_fail_nomem(err);
    float *w = *ret_w = mlo_calloc(all, sizeof *w, err), *bias = NULL;
    if (w)
        bias = *ret_bias = mlo_calloc(from->n, sizeof *bias, err);
    if (!bias)
        return err->code;
    for (size_t i = 0; i < parts; i++) {
        const struct mlo_array *part = weights_at(p, i), *b = bias_at(p, i);
        size_t n = (size_t)part->dims[1];
        for (size_t r = 0; r < from->k; r++)
            memcpy(w + r * from->n + at, (const float *)part->data + r * n, n * sizeof *w);
        for (size_t c = 0; b && c < n; c++)
            bias[at + c] = ((const float *)b->data)[b->n > 1 ? c : 0];
        at += n;
    }
    from->w = w;
    from->w_row = from->n;
    from->bias = bias;
    from->bias_step = 1;
    return 0;
}

static int pack(const struct mlo_op_prepare *p, void **ret, struct mlo_err *err)
{
    const struct mlo_dense_params *d = p->params;
    const struct mlo_array *w = weights_at(p, 0), *b = bias_at(p, 0);
    MLO_AUTOFREE float *w_copy = NULL;
    MLO_AUTOFREE float *b_copy = NULL;
    const float *weights = NULL, *bias = NULL;
    size_t rows = (size_t)w->dims[0], columns = (size_t)w->dims[1];
    struct mlo_dense_weights from = {.k = d->transposed ? columns : rows,
                                     .n = d->transposed ? rows : columns,
                                     .w_row = d->transposed ? 1 : columns,
                                     .w_col = d->transposed ? columns : 1,
                                     .alpha = d->alpha,
                                     .bias_step = b && b->n > 1,
                                     .beta = d->beta,
                                     .activation = d->activation,
                                     .memory = p->memory};
    struct mlo_dense *made = NULL;
    int rc = 0;
    if (d->parts > 1) {
        rc = join(p, d->parts, &from, &w_copy, &b_copy, err);
    } else {
        rc = floats_of(w, &w_copy, &weights, err);
        if (rc == 0)
            rc = floats_of(b, &b_copy, &bias, err);
        from.w = weights;
        from.bias = bias;
    }
    if (rc == 0)
        rc = mlo_dense_new(&from, &made, err);
    for (size_t i = 1; i < p->n_in; i++)
        p->packed[i] = p->constant[i] != NULL;
    *ret = made;
    return rc;
}

static void release(void *state)
{
    mlo_dense_free(state);
}

struct rows {
    const struct mlo_dense *dense;
    const float *x;
    float *y;
    size_t m, k, n;
};

static void run_rows(void *ctx, size_t part, size_t parts)
{
    const struct rows *r = ctx;
    size_t from = mlo_part_begin(r->m, part, parts), to = mlo_part_begin(r->m, part + 1, parts);
    if (from < to)
        mlo_dense_run(r->dense, r->x + from * r->k, to - from, r->y + from * r->n);
}

static void run_columns(void *ctx, size_t part, size_t parts)
{
    const struct rows *r = ctx;
    size_t n = mlo_dense_columns(r->dense);
    mlo_dense_run_columns(r->dense, r->x, r->m, r->y, n * part / parts, n * (part + 1) / parts);
}

#define FEW_ROWS 64 /* what reads the weights is as slow as what computes: each is read by one thread */

static void share(struct mlo_op_call *c, struct rows *r)
{
    bool columns = r->m <= FEW_ROWS && mlo_op_threads(c) <= mlo_dense_columns(r->dense);
    struct mlo_share w = {.fn = columns ? run_columns : run_rows,
                          .flops = 2 * (uint64_t)r->m * r->n * r->k,
                          .rows = columns ? 0 : r->m};
    mlo_op_share(c, &w, r, sizeof *r);
}

static int run_dense(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_dense_params *d = c->params;
    const struct mlo_array *x;
    const void *from = NULL;
    struct mlo_array *y;
    float *to = NULL;
    size_t k, n;
    int rc = mlo_in_typed(c, 0, d->type, &x, err);
    if (rc != 0)
        return rc;
    mlo_dense_shape(c->state, &k, &n);
    if (x->rank == 0 || (size_t)x->dims[x->rank - 1] != k || (d->matrix && x->rank != 2))
        return mlo_op_refuse(c, err, "matrices that do not fit");
    int64_t dims[MLO_RANK_MAX];
    unsigned more = d->least_rank > x->rank ? d->least_rank - x->rank : 0;
    for (unsigned i = 0; i < more; i++)
        dims[i] = 1;
    memcpy(dims + more, x->dims, (x->rank - 1) * sizeof *dims);
    dims[more + x->rank - 1] = (int64_t)n;
    rc = mlo_out_new(c, 0, d->type, dims, more + x->rank, &y, err);
    if (rc != 0 || !y || y->n == 0)
        return rc;
    if (d->type != MLO_DT_F32)
        mlo_op_settle(c);
    rc = mlo_as_type(c, x, MLO_DT_F32, &from, err);
    if (rc == 0)
        rc = mlo_out_floats(c, y, &to, err);
    if (rc != 0)
        return rc;
    struct rows r = {c->state, from, to, y->n / n, k, n};
    share(c, &r);
    if (d->type != MLO_DT_F32)
        mlo_op_settle(c);
    return mlo_from_floats(to, y, err);
}

const struct mlo_op mlo_op_dense = {
    .name = "Dense", .run = run_dense, .prepare = pack, .release = release, .puts_off = true};
