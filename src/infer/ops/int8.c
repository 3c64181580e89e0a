/* A dense layer of bytes: weights packed with their scales and bias, sums become floats, then an activation.
 */
#include "block.h"
#include "int8.h"
#include "infer/internal.h"

#include <string.h>

enum { BYTES, ZERO, SCALE, WEIGHTS, ZEROS, SCALES, BIAS, EACH = BIAS + 1 - WEIGHTS }; /* of a part */

static const struct mlo_array *constant_at(const struct mlo_op_prepare *p, size_t part, size_t i)
{
    return p->constant[i + part * EACH];
}

/* A number for each column, of each part one or as many; 0 where there is none. */
static int spread(const struct mlo_op_prepare *p, size_t parts, size_t i, size_t n, float **ret,
                  struct mlo_err *err)
{
    size_t each = n / parts;
    *ret = mlo_calloc(n, sizeof **ret, err);
    for (size_t c = 0; *ret && c < n; c++) {
        const struct mlo_array *from = constant_at(p, c / each, i);
        (*ret)[c] = from ? ((const float *)from->data)[from->n > 1 ? c % each : 0] : 0;
    }
    return *ret ? 0 : err->code;
}

static bool some_have(const struct mlo_op_prepare *p, size_t parts, size_t i)
{
    for (size_t part = 0; part < parts; part++)
        if (constant_at(p, part, i))
            return true;
    return false;
}

/* The columns of parts side by side: w as one [k][columns], zero a byte for each. */
static int join(const struct mlo_op_prepare *p, size_t parts, struct mlo_array *w, struct mlo_array *zero,
                struct mlo_err *err)
{
    size_t n = (size_t)w->dims[1], rows = (size_t)w->dims[0], all = n * parts;
    unsigned char *to = mlo_calloc(w->n, parts, err), *zeros = mlo_calloc(n, parts, err);
    for (size_t part = 0; to && zeros && part < parts; part++) {
        const unsigned char *from = constant_at(p, part, WEIGHTS)->data;
        const struct mlo_array *own = constant_at(p, part, ZEROS);
        for (size_t r = 0; r < rows; r++)
            memcpy(to + r * all + part * n, from + r * n, n);
        for (size_t c = 0; own && c < n; c++)
            zeros[part * n + c] = ((const unsigned char *)own->data)[own->n > 1 ? c : 0];
    }
    *zero = (struct mlo_array){.dtype = w->dtype, .rank = 1, .dims = {(int64_t)all}, .n = all, .data = zeros};
    w->dims[1] = (int64_t)all;
    w->n *= parts;
    w->data = to;
    return to && zeros ? 0 : err->code;
}

static int pack_weights(const struct mlo_op_prepare *p, const struct mlo_int8_dense_params *params,
                        struct mlo_int8_weights **ret, struct mlo_err *err)
{
    struct mlo_array w = *p->constant[WEIGHTS], zero;
    if (params->parts == 1)
        return mlo_int8_weights_new(&w, p->constant[ZEROS], params->transposed, p->memory, ret, err);
    int rc = join(p, params->parts, &w, &zero, err);
    bool has_zeros = some_have(p, params->parts, ZEROS);
    if (rc == 0)
        rc = mlo_int8_weights_new(&w, has_zeros ? &zero : NULL, false, p->memory, ret, err);
    free(w.data);
    free(zero.data);
    return rc;
}

static int pack(const struct mlo_op_prepare *p, void **ret, struct mlo_err *err)
{
    const struct mlo_int8_dense_params *params = p->params;
    struct mlo_int8_weights *w = NULL;
    int rc = pack_weights(p, params, &w, err);
    if (rc == 0)
        rc = spread(p, params->parts, SCALES, w->n, &w->scales, err);
    if (rc == 0 && some_have(p, params->parts, BIAS))
        rc = spread(p, params->parts, BIAS, w->n, &w->bias, err);
    if (rc != 0)
        mlo_int8_weights_free(w);
    else
        *ret = w;
    for (size_t i = 0; i < params->parts; i++)
        p->packed[WEIGHTS + i * EACH] = rc == 0;
    return rc;
}

struct sharing {
    struct mlo_int8_product p;
    const struct mlo_activation *activation;
    const void *zeros;               /* one, or one for each packed sequence; NULL: 0 */
    bool is_signed;                  /* they are */
    const struct mlo_packed *packed; /* NULL: one scale */
    float *scale_rows;               /* of packed rows, for the time of the call */
    int32_t *zero_rows;
};

/* A scale and a zero point for each row, of those for each packed sequence. */
static void spread_rows(const struct sharing *w, size_t from, size_t to)
{
    for (size_t i = 0, r = from; r < to; i++)
        for (; r < to && r < w->packed->first[i + 1]; r++) {
            w->scale_rows[r] = w->p.a_scales[i];
            w->zero_rows[r] = ((const uint8_t *)w->zeros)[i];
        }
}

static void multiply_part(void *ctx, size_t part, size_t parts)
{
    const struct sharing *w = ctx;
    struct mlo_int8_product p = w->p;
    size_t from = mlo_part_begin(p.m, part, parts), to = mlo_part_begin(p.m, part + 1, parts);
    int32_t zero = w->is_signed ? 128 : 0;
    if (w->zeros && !w->packed)
        zero += w->is_signed ? *(const int8_t *)w->zeros : *(const uint8_t *)w->zeros;
    p.a_zeros = &zero;
    if (w->packed) {
        spread_rows(w, from, to);
        p.a_scales = w->scale_rows;
        p.a_zeros = w->zero_rows;
        p.a_step = 1;
    }
    mlo_int8_run_rows(&p, from, to, w->activation);
}

static int take_rows(struct mlo_op_call *c, size_t n_scales, struct sharing *w, struct mlo_err *err)
{
    const struct mlo_packed *packed = c->session->packed;
    const struct mlo_array *zeros = mlo_in(c, ZERO);
    void *scale_rows, *zero_rows;
    if (n_scales != packed->n || !zeros || zeros->n != packed->n || zeros->dtype != MLO_DT_U8 ||
        w->is_signed || w->p.m != packed->first[packed->n])
        return mlo_op_refuse(c, err, "scales that do not fit");
    int rc = mlo_scratch(c, w->p.m, sizeof(float), &scale_rows, err);
    if (rc == 0)
        rc = mlo_scratch(c, w->p.m, sizeof(int32_t), &zero_rows, err);
    if (rc != 0)
        return rc;
    w->packed = packed;
    w->scale_rows = scale_rows;
    w->zero_rows = zero_rows;
    return 0;
}

/* The bytes; of signed ones a copy is made, for which they have to be there. */
static int take_bytes(struct mlo_op_call *c, const struct mlo_int8_weights *w, struct mlo_int8_left *ret,
                      bool *ret_signed, struct mlo_err *err)
{
    const struct mlo_int8_dense_params *params = c->params;
    const struct mlo_array *bytes = mlo_in(c, BYTES);
    bool good;
    *ret_signed = bytes && bytes->dtype == MLO_DT_I8;
    if (*ret_signed)
        mlo_op_settle(c);
    int rc = mlo_int8_take_left(c, BYTES, c->n_in, w->k, ret, &good, err);
    if (rc == 0 && (!good || (params->matrix && ret->rank != 2)))
        rc = mlo_op_refuse(c, err, "matrices that do not fit");
    return rc;
}

static bool is_one_of(const struct mlo_array *zero, bool is_signed)
{
    return !zero || (zero->n == 1 && zero->dtype == (is_signed ? MLO_DT_I8 : MLO_DT_U8));
}

static int run_int8_dense(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_int8_dense_params *params = c->params;
    const struct mlo_int8_weights *w = c->state;
    const struct mlo_array *scale, *zero = mlo_in(c, ZERO);
    struct sharing all = {.activation = &params->activation, .zeros = zero ? zero->data : NULL};
    struct mlo_int8_left left;
    struct mlo_array *y;
    int rc = mlo_in_typed(c, SCALE, MLO_DT_F32, &scale, err);
    if (rc == 0)
        rc = take_bytes(c, w, &left, &all.is_signed, err);
    bool by_row = rc == 0 && c->session->packed && scale->n != 1;
    if (rc == 0 && !by_row && (scale->n != 1 || !is_one_of(zero, all.is_signed)))
        rc = mlo_op_refuse(c, err, "matrices that do not fit");
    if (rc != 0)
        return rc;
    left.dims[left.rank - 1] = (int64_t)w->n;
    rc = mlo_out_new(c, 0, MLO_DT_F32, left.dims, left.rank, &y, err);
    if (rc != 0 || !y)
        return rc;
    all.p = mlo_int8_product_of(w, &left);
    all.p.a_scales = scale->data;
    all.p.y = y->data;
    if (by_row)
        rc = take_rows(c, scale->n, &all, err);
    if (rc == 0)
        mlo_op_share(
            c, &(struct mlo_share){.fn = multiply_part, .flops = mlo_int8_flops(&all.p), .rows = all.p.m},
            &all, sizeof all);
    return rc;
}

const struct mlo_op mlo_op_int8_dense = {.name = "Int8Dense",
                                         .run = run_int8_dense,
                                         .prepare = pack,
                                         .release = mlo_int8_weights_free,
                                         .puts_off = true};
