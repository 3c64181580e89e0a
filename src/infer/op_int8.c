/* A dense layer of bytes: weights packed with their scales and bias, sums become floats, then an activation.
 */
#include "block.h"
#include "int8.h"

enum { BYTES, ZERO, SCALE, WEIGHTS, ZEROS, SCALES, BIAS };

/* A number for each column of one, or of as many. */
static int spread(const struct mlo_array *from, size_t n, float **ret, struct mlo_err *err)
{
    *ret = mlo_calloc(n, sizeof **ret, err);
    for (size_t i = 0; *ret && i < n; i++)
        (*ret)[i] = ((const float *)from->data)[from->n > 1 ? i : 0];
    return *ret ? 0 : err->code;
}

static int pack(const struct mlo_op_prepare *p, void **ret, struct mlo_err *err)
{
    const struct mlo_int8_dense_params *params = p->params;
    struct mlo_int8_weights *w = NULL;
    int rc = mlo_int8_weights_new(p->constant[WEIGHTS], p->constant[ZEROS], params->transposed, p->memory, &w,
                                  err);
    if (rc == 0)
        rc = spread(p->constant[SCALES], w->n, &w->scales, err);
    if (rc == 0 && p->constant[BIAS])
        rc = spread(p->constant[BIAS], w->n, &w->bias, err);
    if (rc != 0)
        mlo_int8_weights_free(w);
    else
        *ret = w;
    p->packed[WEIGHTS] = rc == 0;
    return rc;
}

static int run_int8_dense(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_int8_dense_params *params = c->params;
    const struct mlo_int8_weights *w = c->state;
    const struct mlo_array *scale;
    struct mlo_int8_left left;
    struct mlo_array *y;
    bool good;
    int rc = mlo_in_typed(c, SCALE, MLO_DT_F32, &scale, err);
    if (rc == 0)
        rc = mlo_int8_take_left(c, BYTES, ZERO, w->k, &left, &good, err);
    if (rc == 0 && (!good || scale->n != 1 || (params->matrix && left.rank != 2)))
        rc = mlo_op_refuse(c, err, "matrices that do not fit");
    if (rc != 0)
        return rc;
    left.dims[left.rank - 1] = (int64_t)w->n;
    rc = mlo_out_new(c, 0, MLO_DT_F32, left.dims, left.rank, &y, err);
    if (rc != 0 || !y)
        return rc;
    struct mlo_int8_product p = mlo_int8_product_of(w, &left);
    p.a_scales = scale->data;
    p.y = y->data;
    mlo_int8_run(c, &p, &params->activation);
    return 0;
}

const struct mlo_op mlo_op_int8_dense = {
    .name = "Int8Dense", .run = run_int8_dense, .prepare = pack, .release = mlo_int8_weights_free};
