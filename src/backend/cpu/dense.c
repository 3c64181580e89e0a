/* Dense layers: weights packed for the machine, products tile by tile, then the activation. */
#include "dense.h"

#include <string.h>

#include <mlopsctl/base/mem.h>

#define BLOCK_BYTES ((size_t)256 << 10) /* of rows that stay in the second cache while panels pass */

struct mlo_dense {
    const struct mlo_dense_kernels *kernels;
    size_t k, n, panel; /* panel: columns of one */
    float *bias;        /* of all panels, then the panels; aligned to 64 */
    float *panels;
    struct mlo_activation activation;
};

/* ---- machines ---- */

const struct mlo_dense_kernels *mlo_dense_kernels_of(enum mlo_vector_kind kind)
{
    static const struct mlo_dense_kernels *const all[MLO_VECTOR_KINDS] = {
        [MLO_VECTOR_PLAIN] = &mlo_dense_plain,
#if defined(__x86_64__)
        [MLO_VECTOR_AVX2] = &mlo_dense_avx2,
        [MLO_VECTOR_AVX512] = &mlo_dense_avx512,
#endif
    };
    return mlo_vector_of(kind) ? all[kind] : NULL;
}

static const struct mlo_dense_kernels *widest(void)
{
    const struct mlo_dense_kernels *found = NULL;
    for (int kind = MLO_VECTOR_KINDS; !found && kind-- > 0;)
        found = mlo_dense_kernels_of((enum mlo_vector_kind)kind);
    return found;
}

/* ---- packing ---- */

static size_t padded(const struct mlo_dense *d)
{
    size_t lanes = d->kernels->lanes;
    return (d->n + lanes - 1) / lanes * lanes;
}

/* The panel that begins at a column: two vectors wide, or one at the end. */
static size_t width_at(const struct mlo_dense *d, size_t column)
{
    return padded(d) - column < d->panel ? d->kernels->lanes : d->panel;
}

static void pack(struct mlo_dense *d, const struct mlo_dense_weights *from)
{
    float *to = d->panels;
    for (size_t p = 0; p < d->n; p += d->panel) {
        size_t width = width_at(d, p), real = d->n - p < width ? d->n - p : width;
        for (size_t i = 0; i < d->k; i++, to += width) {
            const float *w = from->w + i * from->w_row + p * from->w_col;
            for (size_t j = 0; j < real; j++)
                to[j] = from->alpha * w[j * from->w_col];
            memset(to + real, 0, (width - real) * sizeof *to);
        }
    }
    memset(d->bias, 0, padded(d) * sizeof *d->bias);
    for (size_t j = 0; from->bias && j < d->n; j++)
        d->bias[j] = from->beta * from->bias[j * from->bias_step];
}

int mlo_dense_make(const struct mlo_dense_weights *from, const struct mlo_dense_kernels *kernels,
                   struct mlo_dense **ret, struct mlo_err *err)
{
    struct mlo_dense *d = mlo_calloc(1, sizeof *d, err);
    size_t bytes, rows;
    if (!d)
        return err->code;
    *d = (struct mlo_dense){.kernels = kernels,
                            .k = from->k,
                            .n = from->n,
                            .panel = 2 * kernels->lanes,
                            .activation = from->activation};
    size_t bias = (padded(d) * sizeof *d->bias + 63) & ~(size_t)63;
    if (!__builtin_mul_overflow(padded(d) * sizeof *d->panels, d->k, &rows) &&
        !__builtin_add_overflow(rows, bias + 63, &bytes))
        d->bias = aligned_alloc(64, bytes & ~(size_t)63);
    if (!d->bias) {
        mlo_dense_free(d);
        return mlo_fail_nomem(err);
    }
    d->panels = d->bias + bias / sizeof *d->bias;
    pack(d, from);
    *ret = d;
    return 0;
}

int mlo_dense_new(const struct mlo_dense_weights *from, struct mlo_dense **ret, struct mlo_err *err)
{
    return mlo_dense_make(from, widest(), ret, err);
}

void mlo_dense_free(struct mlo_dense *d)
{
    if (!d)
        return;
    free(d->bias);
    free(d);
}

void mlo_dense_shape(const struct mlo_dense *d, size_t *ret_k, size_t *ret_n)
{
    *ret_k = d->k;
    *ret_n = d->n;
}

/* ---- running ---- */

static void activate(const struct mlo_dense *d, float *y, size_t n)
{
    const struct mlo_activation *a = &d->activation;
    switch (a->kind) {
    case MLO_ACTIVATION_NONE:
        return;
    case MLO_ACTIVATION_RELU:
    case MLO_ACTIVATION_LEAKY_RELU:
    case MLO_ACTIVATION_CLIP:
        d->kernels->bend(a, y, n);
        return;
    case MLO_ACTIVATION_SIGMOID:
        mlo_sigmoid_f32(y, y, n);
        return;
    case MLO_ACTIVATION_TANH:
        mlo_tanh_f32(y, y, n);
        return;
    case MLO_ACTIVATION_GELU:
        mlo_gelu_f32(y, y, n);
        return;
    case MLO_ACTIVATION_GELU_TANH:
        mlo_gelu_tanh_f32(y, y, n);
        return;
    }
}

/* m rows, in tiles of nearly the same height. */
static void run_panel(const struct mlo_dense *d, struct mlo_dense_tile *t, bool narrow, size_t m)
{
    const struct mlo_dense_kernels *kernels = d->kernels;
    void (*const *tile)(const struct mlo_dense_tile *t) = narrow ? kernels->tile_narrow : kernels->tile;
    for (size_t tiles = (m + kernels->rows - 1) / kernels->rows; tiles > 0; tiles--) {
        size_t rows = (m + tiles - 1) / tiles;
        tile[rows - 1](t);
        t->a += rows * t->a_row;
        t->c += rows * t->c_row;
        m -= rows;
    }
}

static void run_block(const struct mlo_dense *d, const float *x, size_t m, float *y)
{
    const float *b = d->panels;
    for (size_t p = 0; p < d->n; p += d->panel) {
        size_t width = width_at(d, p);
        struct mlo_dense_tile t = {.a = x,
                                   .a_row = d->k,
                                   .b = b,
                                   .bias = d->bias + p,
                                   .k = d->k,
                                   .n = d->n - p < width ? d->n - p : width,
                                   .c = y + p,
                                   .c_row = d->n};
        run_panel(d, &t, width < d->panel, m);
        b += d->k * width;
    }
    activate(d, y, m * d->n);
}

void mlo_dense_run(const struct mlo_dense *d, const float *x, size_t m, float *y)
{
    size_t rows = d->kernels->rows, block = BLOCK_BYTES / sizeof *x / d->k / rows * rows;
    block = block ? block : rows;
    for (; m > block; m -= block) {
        run_block(d, x, block, y);
        x += block * d->k;
        y += block * d->n;
    }
    run_block(d, x, m, y);
}
