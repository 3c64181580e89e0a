/* Dense layers: weights packed for the machine, products tile by tile, then the activation. */
#include "dense.h"

#include <stdatomic.h>
#include <string.h>

#include <mlopsctl/base/mem.h>

#define BLOCK_BYTES ((size_t)256 << 10) /* of a block of rows */

struct mlo_dense {
    const struct mlo_dense_kernels *kernels;
    size_t k, n, panel; /* panel: columns of one */
    size_t block;       /* rows that stay in the second cache while panels pass */
    float *bias;        /* of all panels, then the weights; aligned to 64 */
    float *weights;
    void *own;  /* what both lie in; NULL: an arena */
    bool skips; /* zeros of a row need not be multiplied: all weights are finite */
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

const struct mlo_dense_kernels *mlo_dense_widest(void)
{
    static const struct mlo_dense_kernels *_Atomic known;
    const struct mlo_dense_kernels *found = atomic_load_explicit(&known, memory_order_relaxed);
    for (int kind = MLO_VECTOR_KINDS; !found && kind-- > 0;)
        found = mlo_dense_kernels_of((enum mlo_vector_kind)kind);
    atomic_store_explicit(&known, found, memory_order_relaxed);
    return found;
}

/* ---- packing ---- */

static bool has_dots(const struct mlo_dense *d)
{
    return d->n <= MLO_DOT_COLUMNS;
}

static size_t up_to_lanes(const struct mlo_dense *d, size_t n)
{
    return (n + d->kernels->lanes - 1) / d->kernels->lanes * d->kernels->lanes;
}

/* Floats of the packed weights; false when no memory holds them. */
static bool count_weights(const struct mlo_dense *d, size_t *ret)
{
    size_t a = has_dots(d) ? d->n : d->k, b = has_dots(d) ? up_to_lanes(d, d->k) : up_to_lanes(d, d->n), n;
    if (__builtin_mul_overflow(a, b, &n) || n > SIZE_MAX / 2 / sizeof(float))
        return false;
    *ret = n;
    return true;
}

/* The panel that begins at a column: two vectors wide, or one at the end. */
static size_t width_at(const struct mlo_dense *d, size_t column)
{
    return up_to_lanes(d, d->n) - column < d->panel ? d->kernels->lanes : d->panel;
}

#define PACKED_AT_ONCE ((size_t)16) /* rows: a line of the cache where weights are transposed */

static void pack_rows(const struct mlo_dense *d, const struct mlo_dense_weights *from, const float *w,
                      size_t real, size_t width, float *to)
{
    for (size_t i = 0; i < d->k; i++, w += from->w_row, to += width) {
        if (from->w_col == 1 && from->alpha == 1)
            memcpy(to, w, real * sizeof *to);
        else
            for (size_t j = 0; j < real; j++)
                to[j] = from->alpha * w[j * from->w_col];
        memset(to + real, 0, (width - real) * sizeof *to);
    }
}

static void pack_columns(const struct mlo_dense *d, const struct mlo_dense_weights *from, const float *w,
                         size_t real, size_t width, float *to)
{
    for (size_t k = 0; k < d->k; k += PACKED_AT_ONCE) {
        size_t end = d->k - k < PACKED_AT_ONCE ? d->k : k + PACKED_AT_ONCE;
        for (size_t j = 0; j < width; j++)
            for (size_t i = k; i < end; i++)
                to[i * width + j] = j < real ? from->alpha * w[i * from->w_row + j * from->w_col] : 0;
    }
}

static void pack_panels(struct mlo_dense *d, const struct mlo_dense_weights *from)
{
    for (size_t p = 0; p < d->n; p += d->panel) {
        size_t width = width_at(d, p), real = d->n - p < width ? d->n - p : width;
        (from->w_row == 1 ? pack_columns : pack_rows)(d, from, from->w + p * from->w_col, real, width,
                                                      d->weights + p * d->k);
    }
}

static void pack_dots(struct mlo_dense *d, const struct mlo_dense_weights *from)
{
    size_t padded = up_to_lanes(d, d->k);
    for (size_t j = 0; j < d->n; j++) {
        float *to = d->weights + j * padded;
        for (size_t i = 0; i < d->k; i++)
            to[i] = from->alpha * from->w[i * from->w_row + j * from->w_col];
        memset(to + d->k, 0, (padded - d->k) * sizeof *to);
    }
}

/* In sums that do not wait for each other. */
static bool are_finite(const float *v, size_t n)
{
    float sums[16] = {0}, all = 0;
    size_t i = 0;
    for (; i + MLO_COUNT(sums) <= n; i += MLO_COUNT(sums))
        for (size_t k = 0; k < MLO_COUNT(sums); k++)
            sums[k] += v[i + k] * 0;
    for (; i < n; i++)
        all += v[i] * 0;
    for (size_t k = 0; k < MLO_COUNT(sums); k++)
        all += sums[k];
    return all == 0;
}

static void pack(struct mlo_dense *d, const struct mlo_dense_weights *from, size_t n_weights)
{
    if (has_dots(d))
        pack_dots(d, from);
    else
        pack_panels(d, from);
    d->skips = are_finite(d->weights, n_weights) && d->k <= MLO_DENSE_LIST_MAX;
    memset(d->bias, 0, up_to_lanes(d, d->n) * sizeof *d->bias);
    for (size_t j = 0; from->bias && j < d->n; j++)
        d->bias[j] = from->beta * from->bias[j * from->bias_step];
}

static int take_memory(struct mlo_dense *d, size_t bytes, struct mlo_arena *memory, struct mlo_err *err)
{
    if (memory) {
        d->bias = mlo_arena_bytes(memory, bytes, err);
        return d->bias ? 0 : err->code;
    }
    d->bias = d->own = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    return d->bias ? 0 : mlo_fail_nomem(err);
}

int mlo_dense_make(const struct mlo_dense_weights *from, const struct mlo_dense_kernels *kernels,
                   struct mlo_dense **ret, struct mlo_err *err)
{
    struct mlo_dense *d = mlo_calloc(1, sizeof *d, err);
    size_t n_weights = 0;
    if (!d)
        return err->code;
    *d = (struct mlo_dense){.kernels = kernels,
                            .k = from->k,
                            .n = from->n,
                            .panel = 2 * kernels->lanes,
                            .block = BLOCK_BYTES / sizeof(float) / from->k / kernels->rows * kernels->rows,
                            .activation = from->activation};
    d->block = d->block ? d->block : kernels->rows;
    size_t bias = (up_to_lanes(d, d->n) * sizeof *d->bias + 63) & ~(size_t)63;
    int rc = count_weights(d, &n_weights)
                 ? take_memory(d, bias + n_weights * sizeof *d->weights, from->memory, err)
                 : mlo_fail_nomem(err);
    if (rc != 0) {
        mlo_dense_free(d);
        return rc;
    }
    d->weights = d->bias + bias / sizeof *d->bias;
    pack(d, from, n_weights);
    *ret = d;
    return 0;
}

int mlo_dense_new(const struct mlo_dense_weights *from, struct mlo_dense **ret, struct mlo_err *err)
{
    return mlo_dense_make(from, mlo_dense_widest(), ret, err);
}

void mlo_dense_free(struct mlo_dense *d)
{
    if (!d)
        return;
    free(d->own);
    free(d);
}

void mlo_dense_shape(const struct mlo_dense *d, size_t *ret_k, size_t *ret_n)
{
    *ret_k = d->k;
    *ret_n = d->n;
}

void mlo_dense_unpack(const struct mlo_dense *d, float *ret_w, float *ret_bias)
{
    size_t padded = up_to_lanes(d, d->k);
    memcpy(ret_bias, d->bias, d->n * sizeof *ret_bias);
    for (size_t j = 0; has_dots(d) && j < d->n; j++)
        memcpy(ret_w + j * d->k, d->weights + j * padded, d->k * sizeof *ret_w);
    for (size_t p = 0; !has_dots(d) && p < d->n; p += d->panel) {
        size_t width = width_at(d, p), real = d->n - p < width ? d->n - p : width;
        const float *panel = d->weights + p * d->k;
        for (size_t j = 0; j < real; j++)
            for (size_t i = 0; i < d->k; i++)
                ret_w[(p + j) * d->k + i] = panel[i * width + j];
    }
}

/* ---- running ---- */

static void activate(const struct mlo_dense_kernels *kernels, const struct mlo_activation *a, float *y,
                     size_t n)
{
    switch (a->kind) {
    case MLO_ACTIVATION_NONE:
        return;
    case MLO_ACTIVATION_RELU:
    case MLO_ACTIVATION_LEAKY_RELU:
    case MLO_ACTIVATION_CLIP:
        kernels->bend(a, y, n);
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

void mlo_activate_f32(const struct mlo_activation *a, float *y, size_t n)
{
    activate(mlo_dense_widest(), a, y, n);
}

/* Tiles of nearly the same height; the first two have the next panel brought, each one half of it. Rows that
 * lie a multiple of 4096 bytes apart fall into one set of the first cache, which holds eight. */
void mlo_dense_panel(const struct mlo_dense_kernels *kernels, struct mlo_dense_tile t, bool narrow, size_t m)
{
    void (*const *tile)(const struct mlo_dense_tile *t) = narrow ? kernels->tile_narrow : kernels->tile;
    size_t most = t.a_row % 1024 == 0 && kernels->rows > 8 ? 8 : kernels->rows;
    size_t half = t.k * kernels->lanes / (narrow ? 2 : 1);
    t.ahead = t.b + 2 * half;
    if (m <= most) {
        tile[m - 1](&t);
        return;
    }
    for (size_t tiles = (m + most - 1) / most; tiles > 0; tiles--) {
        size_t rows = (m + tiles - 1) / tiles;
        tile[rows - 1](&t);
        t.a += rows * t.a_row;
        t.c += rows * t.c_row;
        t.ahead = t.ahead == t.b + 2 * half ? t.ahead + half : t.b;
        m -= rows;
    }
}

static struct mlo_dense_tile tile_at(const struct mlo_dense *d, const float *x, size_t column, size_t n,
                                     float *y)
{
    return (struct mlo_dense_tile){.a = x,
                                   .a_row = d->k,
                                   .b = d->weights + column * d->k,
                                   .bias = d->bias + column,
                                   .k = d->k,
                                   .n = n,
                                   .c = y + column,
                                   .c_row = d->n};
}

/* One row: two panels at a time, and without its zeros, of which an activation leaves many. */
static void run_row(const struct mlo_dense *d, const float *x, float *y, size_t from, size_t to)
{
    uint16_t list[MLO_DENSE_LIST_MAX + 16];
    size_t found = d->skips ? d->kernels->nonzero(x, d->k, list) : d->k, next;
    bool few = found < d->k - d->k / 8;
    for (size_t p = from; p < to; p = next) {
        size_t width = width_at(d, p);
        bool pair = p + d->panel < d->n && width_at(d, p + d->panel) == d->panel;
        next = p + (pair ? 2 * d->panel : width);
        struct mlo_dense_tile t = tile_at(d, x, p, (d->n < next ? d->n : next) - p, y);
        if (few)
            d->kernels->row_of_list(&t, (unsigned)((next - p) / d->kernels->lanes), list, found);
        else if (pair)
            d->kernels->row_pair(&t);
        else
            (width < d->panel ? d->kernels->tile_narrow : d->kernels->tile)[0](&t);
    }
}

static void run_panels(const struct mlo_dense *d, const float *x, size_t m, float *y, size_t from, size_t to)
{
    for (size_t p = from; p < to; p += d->panel) {
        size_t width = width_at(d, p);
        struct mlo_dense_tile t = tile_at(d, x, p, d->n - p < width ? d->n - p : width, y);
        mlo_dense_panel(d->kernels, t, width < d->panel, m);
    }
}

static void run_dots(const struct mlo_dense *d, const float *x, size_t m, float *y)
{
    struct mlo_dense_tile t = tile_at(d, x, 0, d->n, y);
    d->kernels->dots[d->n - 1](&t, m);
}

static void run_block(const struct mlo_dense *d, const float *x, size_t m, float *y, size_t from, size_t to)
{
    if (has_dots(d))
        run_dots(d, x, m, y);
    else if (m == 1)
        run_row(d, x, y, from, to);
    else
        run_panels(d, x, m, y, from, to);
    if (to - from == d->n)
        activate(d->kernels, &d->activation, y, m * d->n);
    else
        for (size_t r = 0; r < m; r++)
            activate(d->kernels, &d->activation, y + r * d->n + from, to - from);
}

#define OWN_ORDER 3 /* so few rows are summed in an order of their own (SPLIT) */

/* A last block is not so small, unless there are no more rows: a row has its numbers wherever it stands. */
static void run_columns(const struct mlo_dense *d, const float *x, size_t m, float *y, size_t from, size_t to)
{
    for (; m > d->block + OWN_ORDER; m -= d->block) {
        run_block(d, x, d->block, y, from, to);
        x += d->block * d->k;
        y += d->block * d->n;
    }
    run_block(d, x, m, y, from, to);
}

void mlo_dense_run(const struct mlo_dense *d, const float *x, size_t m, float *y)
{
    run_columns(d, x, m, y, 0, d->n);
}

/* Columns that are not cut: one row is summed in the same order as by one thread. */
static size_t whole_columns(const struct mlo_dense *d)
{
    return has_dots(d) ? d->n : 2 * d->panel;
}

size_t mlo_dense_columns(const struct mlo_dense *d)
{
    return (d->n + whole_columns(d) - 1) / whole_columns(d);
}

void mlo_dense_run_columns(const struct mlo_dense *d, const float *x, size_t m, float *y, size_t from,
                           size_t to)
{
    size_t each = whole_columns(d), end = to * each;
    if (from < to)
        run_columns(d, x, m, y, from * each, end < d->n ? end : d->n);
}
