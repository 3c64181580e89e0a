/* Weights of bytes, packed for the kernels, and the left side of a product. */
#include "int8.h"

#include <string.h>

bool mlo_int8_fits(const struct mlo_array *w, const struct mlo_array *zero, bool transposed)
{
    if (!w || w->rank != 2 || w->n == 0 || (w->dtype != MLO_DT_U8 && w->dtype != MLO_DT_I8))
        return false;
    return !zero || (zero->dtype == w->dtype &&
                     (zero->n == 1 || (zero->rank == 1 && zero->n == (size_t)w->dims[!transposed])));
}

static int read_zeros(const struct mlo_array *w, const struct mlo_array *zero, size_t n, int32_t **ret,
                      struct mlo_err *err)
{
    bool is_signed = w->dtype == MLO_DT_I8, all_0 = is_signed;
    for (size_t i = 0; zero && i < zero->n; i++)
        all_0 = all_0 && ((const int8_t *)zero->data)[i] == 0;
    if (all_0)
        return 0;
    *ret = mlo_calloc(n, sizeof **ret, err);
    if (!*ret)
        return err->code;
    for (size_t i = 0; i < n; i++) {
        size_t at = zero && zero->n > 1 ? i : 0;
        int32_t v = !zero       ? 0
                    : is_signed ? ((const int8_t *)zero->data)[at]
                                : ((const uint8_t *)zero->data)[at];
        (*ret)[i] = is_signed ? v : v - 128;
    }
    return 0;
}

static int take_memory(struct mlo_int8_weights *w, struct mlo_arena *memory, struct mlo_err *err)
{
    size_t bytes = mlo_int8_packed_bytes(w->k, w->n);
    if (bytes && memory) {
        w->packed = mlo_arena_bytes(memory, bytes, err);
        return w->packed ? 0 : err->code;
    }
    w->packed = w->own = bytes ? aligned_alloc(64, (bytes + 63) & ~(size_t)63) : NULL;
    return w->packed ? 0 : mlo_fail_nomem(err);
}

/* [k][n] of [n][k]. */
static int turn(const struct mlo_int8_weights *w, const struct mlo_array *from, unsigned char **ret,
                struct mlo_err *err)
{
    const unsigned char *bytes = from->data;
    unsigned char *to = *ret = mlo_calloc(from->n, 1, err);
    for (size_t i = 0; to && i < w->n; i++)
        for (size_t j = 0; j < w->k; j++)
            to[j * w->n + i] = bytes[i * w->k + j];
    return to ? 0 : err->code;
}

static int fill(struct mlo_int8_weights *w, const struct mlo_array *from, const struct mlo_array *zero,
                bool transposed, struct mlo_arena *memory, struct mlo_err *err)
{
    MLO_AUTOFREE unsigned char *turned = NULL;
    int rc = take_memory(w, memory, err);
    if (rc == 0 && transposed)
        rc = turn(w, from, &turned, err);
    if (rc != 0)
        return rc;
    w->sums = mlo_calloc(w->n, sizeof *w->sums, err);
    if (!w->sums)
        return err->code;
    mlo_int8_pack(turned ? turned : from->data, from->dtype == MLO_DT_I8, w->k, w->n, w->packed, w->sums);
    return read_zeros(from, zero, w->n, &w->zeros, err);
}

int mlo_int8_weights_new(const struct mlo_array *w, const struct mlo_array *zero, bool transposed,
                         struct mlo_arena *memory, struct mlo_int8_weights **ret, struct mlo_err *err)
{
    struct mlo_int8_weights *made = mlo_calloc(1, sizeof *made, err);
    if (!made)
        return err->code;
    made->k = (size_t)w->dims[transposed];
    made->n = (size_t)w->dims[!transposed];
    int rc = fill(made, w, zero, transposed, memory, err);
    if (rc != 0)
        mlo_int8_weights_free(made);
    else
        *ret = made;
    return rc;
}

void mlo_int8_weights_free(void *weights)
{
    struct mlo_int8_weights *w = weights;
    if (!w)
        return;
    free(w->own);
    free(w->sums);
    free(w->zeros);
    free(w->scales);
    free(w->bias);
    free(w);
}

/* Signed bytes become unsigned ones, 128 more. */
static int as_unsigned(struct mlo_op_call *c, const struct mlo_array *a, const uint8_t **ret,
                       struct mlo_err *err)
{
    const uint8_t *from = a->data;
    void *copy = NULL;
    int rc = a->dtype == MLO_DT_U8 ? 0 : mlo_scratch(c, a->n, 1, &copy, err);
    uint8_t *to = copy;
    for (size_t i = 0; to && i < a->n; i++)
        to[i] = from[i] ^ 0x80;
    *ret = to ? to : from;
    return rc;
}

int mlo_int8_take_left(struct mlo_op_call *c, size_t i, size_t zero_i, size_t k, struct mlo_int8_left *ret,
                       bool *ret_good, struct mlo_err *err)
{
    const struct mlo_array *a = mlo_in(c, i), *zero = mlo_in(c, zero_i);
    *ret_good = a && a->rank >= 1 && (size_t)a->dims[a->rank - 1] == k &&
                (a->dtype == MLO_DT_U8 || a->dtype == MLO_DT_I8) &&
                (!zero || (zero->n == 1 && zero->dtype == a->dtype));
    if (!*ret_good)
        return 0;
    *ret = (struct mlo_int8_left){.m = a->n / k, .rank = a->rank};
    memcpy(ret->dims, a->dims, a->rank * sizeof *a->dims);
    if (a->dtype == MLO_DT_U8)
        ret->zero = zero ? *(const uint8_t *)zero->data : 0;
    else
        ret->zero = 128 + (zero ? *(const int8_t *)zero->data : 0);
    return as_unsigned(c, a, &ret->a, err);
}

struct mlo_int8_product mlo_int8_product_of(const struct mlo_int8_weights *w,
                                            const struct mlo_int8_left *left)
{
    return (struct mlo_int8_product){.m = left->m,
                                     .n = w->n,
                                     .k = w->k,
                                     .a = left->a,
                                     .a_row = w->k,
                                     .a_zeros = &left->zero,
                                     .packed = w->packed,
                                     .sums = w->sums,
                                     .zeros = w->zeros,
                                     .scales = w->scales,
                                     .bias = w->bias};
}

void mlo_int8_run_rows(const struct mlo_int8_product *all, size_t from, size_t to,
                       const struct mlo_activation *activation)
{
    struct mlo_int8_product p = *all;
    p.m = to - from;
    p.a += from * p.a_row;
    p.a_zeros += from * p.a_step;
    p.a_scales = p.a_scales ? p.a_scales + from * p.a_step : NULL;
    p.c = p.c ? p.c + from * p.n : NULL;
    p.y = p.y ? p.y + from * p.n : NULL;
    mlo_int8_multiply(&p);
    if (activation)
        mlo_activate_f32(activation, p.y, p.m * p.n);
}

uint64_t mlo_int8_flops(const struct mlo_int8_product *p)
{
    return 2 * (uint64_t)p->m * p->n * p->k / MLO_INT8_FASTER;
}

static void run_part(void *ctx, size_t part, size_t parts)
{
    const struct mlo_int8_product *p = ctx;
    mlo_int8_run_rows(p, p->m * part / parts, p->m * (part + 1) / parts, NULL);
}

void mlo_int8_run(struct mlo_op_call *c, const struct mlo_int8_product *p)
{
    struct mlo_int8_product own = *p;
    mlo_op_split(c, mlo_int8_flops(p), p->m, run_part, &own);
}
