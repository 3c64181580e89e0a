/*
 * A convolution of bytes: windows become rows of bytes, a few at a time, which the kernel multiplies with
 * packed weights; sums become floats, then an activation, and are turned to lie by channel.
 */
#include "block.h"
#include "conv.h"
#include "int8.h"

#include <string.h>

enum { BYTES, ZERO, SCALE, WEIGHTS, ZEROS, SCALES, BIAS };
#define ROWS ((size_t)64) /* windows in hand */

struct packed { /* of each group */
    size_t groups;
    struct mlo_int8_weights **each;
};

static void free_packed(void *state)
{
    struct packed *p = state;
    for (size_t g = 0; p && p->each && g < p->groups; g++)
        mlo_int8_weights_free(p->each[g]);
    if (p)
        free(p->each);
    free(p);
}

/* The numbers of a group's kernels: from has one for all, or one for each. */
static int spread(const struct mlo_array *from, size_t first, size_t n, float **ret, struct mlo_err *err)
{
    *ret = mlo_calloc(n, sizeof **ret, err);
    for (size_t i = 0; *ret && i < n; i++)
        (*ret)[i] = ((const float *)from->data)[from->n > 1 ? first + i : 0];
    return *ret ? 0 : err->code;
}

/* Kernels of a group by tap, then by channel. */
static int reorder(const struct mlo_array *all, size_t g, size_t n, uint8_t **ret, struct mlo_err *err)
{
    size_t channels = (size_t)all->dims[1], k = all->n / (size_t)all->dims[0], taps = k / channels;
    const uint8_t *from = (const uint8_t *)all->data + g * n * k;
    uint8_t *to = *ret = mlo_calloc(n, k, err);
    for (size_t i = 0; to && i < n * k; i++)
        to[i / k * k + i % taps * channels + i % k / taps] = from[i];
    return to ? 0 : err->code;
}

static int pack_group(const struct mlo_op_prepare *p, size_t g, size_t n, struct mlo_int8_weights **ret,
                      struct mlo_err *err)
{
    const struct mlo_array *all = p->constant[WEIGHTS], *zeros = p->constant[ZEROS];
    size_t k = all->n / (size_t)all->dims[0];
    struct mlo_array w = {.dtype = all->dtype, .rank = 2, .dims = {(int64_t)n, (int64_t)k}, .n = n * k},
                     zero = {.dtype = all->dtype, .rank = 1, .dims = {1}, .n = 1};
    if (zeros) {
        zero.n = zeros->n > 1 ? n : 1;
        zero.dims[0] = (int64_t)zero.n;
        zero.data = (char *)zeros->data + (zeros->n > 1 ? g * n : 0);
    }
    MLO_AUTOFREE uint8_t *by_tap = NULL;
    int rc = reorder(all, g, n, &by_tap, err);
    w.data = by_tap;
    if (rc == 0)
        rc = mlo_int8_weights_new(&w, zeros ? &zero : NULL, true, p->memory, ret, err);
    if (rc == 0)
        rc = spread(p->constant[SCALES], g * n, n, &(*ret)->scales, err);
    if (rc == 0 && p->constant[BIAS])
        rc = spread(p->constant[BIAS], g * n, n, &(*ret)->bias, err);
    return rc;
}

static int pack(const struct mlo_op_prepare *p, void **ret, struct mlo_err *err)
{
    const struct mlo_int8_conv_params *params = p->params;
    struct packed *made = mlo_calloc(1, sizeof *made, err);
    if (!made)
        return err->code;
    made->groups = params->groups;
    made->each = mlo_calloc(made->groups, sizeof *made->each, err);
    int rc = made->each ? 0 : err->code;
    size_t n = (size_t)p->constant[WEIGHTS]->dims[0] / made->groups;
    for (size_t g = 0; rc == 0 && g < made->groups; g++)
        rc = pack_group(p, g, n, &made->each[g], err);
    if (rc != 0)
        free_packed(made);
    else
        *ret = made;
    return rc; /* weights are looked at for their shape */
}

struct convolution {
    struct mlo_windows w;
    const struct packed *packed;
    const struct mlo_int8_conv_params *params;
    const uint8_t *x; /* [batch][group][channel][position] */
    uint8_t *turned;  /* [batch][group][position][channel] */
    uint8_t flip;     /* signed bytes become unsigned ones, 128 more */
    int32_t zero;     /* of those */
    const float *scale;
    float *y;
    uint8_t *rows; /* of each part: ROWS windows */
    float *sums;   /* of each part: what comes of them */
};

/* Windows from `first` on of one group, each in a row: by tap, then by channel. x: [position][channel]. */
static void fill_rows(const struct convolution *v, const uint8_t *x, size_t first, size_t n, uint8_t *to)
{
    const struct mlo_windows *w = &v->w;
    for (size_t i = first; i < first + n; i++)
        for (size_t t = 0; t < w->n_taps; t++, to += w->in_each) {
            int32_t place = w->table[t * w->n_out + i];
            if (place < 0)
                memset(to, v->zero, w->in_each);
            else
                memcpy(to, x + (size_t)place * w->in_each, w->in_each);
        }
}

static void turn(const float *from, size_t rows, size_t columns, float *to, size_t to_row)
{
    for (size_t c = 0; c < columns; c++)
        for (size_t r = 0; r < rows; r++)
            to[c * to_row + r] = from[r * columns + c];
}

/* ROWS windows of a group of channels of a row of the batch. */
static void run_block(const struct convolution *v, size_t group, size_t block, uint8_t *rows, float *sums)
{
    const struct mlo_windows *w = &v->w;
    size_t first = block * ROWS, n = w->n_out - first < ROWS ? w->n_out - first : ROWS;
    const struct mlo_int8_weights *weights = v->packed->each[group % w->groups];
    const struct mlo_int8_left left = {.a = rows, .zero = v->zero, .m = n};
    struct mlo_int8_product p = mlo_int8_product_of(weights, &left);
    fill_rows(v, v->turned + group * w->in_each * w->n_in, first, n, rows);
    p.a_scales = v->scale;
    p.y = sums;
    mlo_int8_multiply(&p);
    mlo_activate_f32(&v->params->activation, sums, n * w->out_each);
    turn(sums, n, w->out_each, v->y + group * w->out_each * w->n_out + first, w->n_out);
}

static size_t blocks_of(const struct mlo_windows *w)
{
    return (w->n_out - 1) / ROWS + 1;
}

/* Groups of channels of the batch, in parts. */
static void turn_part(void *ctx, size_t part, size_t parts)
{
    const struct convolution *v = ctx;
    size_t all = v->w.batch * v->w.groups, channels = v->w.in_each, n = v->w.n_in, each = channels * n;
    for (size_t g = all * part / parts; g < all * (part + 1) / parts; g++)
        for (size_t first = 0; first < n; first += ROWS)
            for (size_t c = 0; c < channels; c++)
                for (size_t i = first; i < n && i < first + ROWS; i++)
                    v->turned[g * each + i * channels + c] = v->x[g * each + c * n + i] ^ v->flip;
}

static void run_part(void *ctx, size_t part, size_t parts)
{
    const struct convolution *v = ctx;
    size_t blocks = blocks_of(&v->w), all = v->w.batch * v->w.groups * blocks;
    for (size_t i = all * part / parts; i < all * (part + 1) / parts; i++)
        run_block(v, i / blocks, i % blocks, v->rows + part * ROWS * v->w.in_each * v->w.n_taps,
                  v->sums + part * ROWS * v->w.out_each);
}

static int convolve(struct mlo_op_call *c, struct convolution *v, struct mlo_err *err)
{
    const struct mlo_windows *w = &v->w;
    size_t k = w->in_each * w->n_taps, most = w->batch * w->groups * blocks_of(w);
    uint64_t flops = 2 * (uint64_t)k * w->batch * w->groups * w->out_each * w->n_out / MLO_INT8_FASTER;
    size_t parts = mlo_op_parts(c, flops, most);
    void *rows, *sums, *turned;
    int rc = mlo_scratch(c, parts * ROWS, k, &rows, err);
    if (rc == 0)
        rc = mlo_scratch(c, w->batch * w->groups * w->in_each, w->n_in, &turned, err);
    if (rc == 0)
        rc = mlo_scratch(c, parts * ROWS, w->out_each * sizeof(float), &sums, err);
    if (rc != 0)
        return rc;
    v->rows = rows;
    v->sums = sums;
    v->turned = turned;
    mlo_op_split(c, flops, w->batch * w->groups, turn_part, v);
    mlo_op_split(c, flops, most, run_part, v);
    return 0;
}

static int run_int8_conv(struct mlo_op_call *c, struct mlo_err *err)
{
    struct convolution v = {.packed = c->state, .params = c->params};
    const struct mlo_array *x, *zero, *scale, *kernels;
    struct mlo_op_call conv = *c;
    struct mlo_array *y;
    conv.node = v.params->conv;
    int rc = mlo_in_array(c, BYTES, &x, err);
    if (rc == 0)
        rc = mlo_in_typed(c, ZERO, x->dtype, &zero, err);
    if (rc == 0)
        rc = mlo_in_typed(c, SCALE, MLO_DT_F32, &scale, err);
    if (rc == 0)
        rc = mlo_in_array(c, WEIGHTS, &kernels, err);
    if (rc == 0 && x->dtype != MLO_DT_U8 && x->dtype != MLO_DT_I8)
        rc = mlo_op_refuse(c, err, "not of bytes");
    if (rc == 0)
        rc = mlo_conv_windows(&conv, x, kernels, &v.w, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, MLO_DT_F32, v.w.dims, x->rank, &y, err);
    if (rc != 0 || !y)
        return rc;
    v.x = x->data;
    v.flip = x->dtype == MLO_DT_I8 ? 128 : 0;
    v.zero = *(const uint8_t *)zero->data ^ v.flip;
    v.scale = scale->data;
    v.y = y->data;
    return convolve(c, &v, err);
}

const struct mlo_op mlo_op_int8_conv = {
    .name = "Int8Conv", .run = run_int8_conv, .prepare = pack, .release = free_packed};
