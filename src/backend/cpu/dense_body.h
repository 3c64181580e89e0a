/*
 * The kernels of dense.h. Besides what vector_body.h wants, the including file defines before:
 *
 *     DENSE         name of the table
 *     TILE_ROWS     4, 6 or 12: so that 2 TILE_ROWS sums, 2 vectors of weights and an element fit the
 * registers OWN_FIND_NONZERO  when it has a find_nonzero of its own
 */
#include "dense.h"

/* Few rows have few sums, each of which waits for its last: those are split over steps of k. */
#define SPLIT(rows) ((rows) == 1 ? 4 : (rows) <= 3 ? 2 : 1)
#define UNROLL      _Pragma("GCC unroll 16")

INLINE void add_products(const struct mlo_dense_tile *t, size_t k, unsigned rows, unsigned vectors,
                         real sum[][2])
{
    real b[2];
    if (rows > 3) /* fewer are no faster than what they read */
        __builtin_prefetch(t->ahead + k * vectors * LANES / 2, 0, 2);
    UNROLL for (unsigned v = 0; v < vectors; v++) b[v] = load(t->b + (k * vectors + v) * LANES);
    UNROLL for (unsigned r = 0; r < rows; r++)
    {
        real a = splat(t->a[r * t->a_row + k]);
        UNROLL for (unsigned v = 0; v < vectors; v++) sum[r][v] = mul_add(a, b[v], sum[r][v]);
    }
}

INLINE void put_row(const struct mlo_dense_tile *t, unsigned r, unsigned vectors, const real *sum)
{
    float *c = t->c + r * t->c_row;
    size_t last = t->n - (vectors - 1) * LANES; /* columns of the last vector */
    if (vectors == 2)
        store(c, sum[0]);
    if (last == LANES)
        store(c + (vectors - 1) * LANES, sum[vectors - 1]);
    else
        store_some(c + (vectors - 1) * LANES, sum[vectors - 1], last);
}

INLINE void run_tile(const struct mlo_dense_tile *t, unsigned rows, unsigned vectors, unsigned split)
{
    real sum[4][TILE_ROWS][2];
    size_t k = 0;
    UNROLL for (unsigned r = 0; r < rows; r++) UNROLL for (unsigned v = 0; v < vectors; v++)
    {
        sum[0][r][v] = load(t->bias + v * LANES);
        UNROLL for (unsigned s = 1; s < split; s++) sum[s][r][v] = splat(0);
    }
    for (; k + split <= t->k; k += split)
        UNROLL for (unsigned s = 0; s < split; s++) add_products(t, k + s, rows, vectors, sum[s]);
    for (; split > 1 && k < t->k; k++)
        add_products(t, k, rows, vectors, sum[0]);
    UNROLL for (unsigned r = 0; r < rows; r++)
    {
        UNROLL for (unsigned v = 0; v < vectors; v++) UNROLL for (unsigned s = 1; s < split; s++)
            sum[0][r][v] += sum[s][r][v];
        put_row(t, r, vectors, sum[0][r]);
    }
}

#define TILE(rows)                                                                                           \
    TARGET static void tile_##rows(const struct mlo_dense_tile *t)                                           \
    {                                                                                                        \
        run_tile(t, rows, 2, SPLIT(rows));                                                                   \
    }                                                                                                        \
    TARGET static void narrow_##rows(const struct mlo_dense_tile *t)                                         \
    {                                                                                                        \
        run_tile(t, rows, 1, SPLIT(rows));                                                                   \
    }
#define ROWS_4(X)  X(1) X(2) X(3) X(4)
#define ROWS_6(X)  ROWS_4(X) X(5) X(6)
#define ROWS_12(X) ROWS_6(X) X(7) X(8) X(9) X(10) X(11) X(12)
#define JOIN(a, b) a##b
#define ROWS_OF(n) JOIN(ROWS_, n)

ROWS_OF(TILE_ROWS)
(TILE)

#define WIDE(rows)   tile_##rows,
#define NARROW(rows) narrow_##rows,
    static void (*const tiles[])(const struct mlo_dense_tile *t) = {ROWS_OF(TILE_ROWS)(WIDE)};
static void (*const narrow_tiles[])(const struct mlo_dense_tile *t) = {ROWS_OF(TILE_ROWS)(NARROW)};

/* ---- one row ---- */

/* Only the steps in `list`; NULL: all of them. `panels` beside each other share the elements of the row. */
INLINE void run_row(const struct mlo_dense_tile *t, unsigned panels, unsigned vectors, const uint16_t *list,
                    size_t steps)
{
    real sum[2][2][2];
    size_t i = 0;
    UNROLL for (unsigned p = 0; p < panels; p++) UNROLL for (unsigned v = 0; v < vectors; v++)
    {
        sum[0][p][v] = load(t->bias + (p * vectors + v) * LANES);
        sum[1][p][v] = splat(0);
    }
    for (; i + 2 <= steps; i += 2)
        UNROLL for (unsigned s = 0; s < 2; s++)
        {
            size_t k = list ? list[i + s] : i + s;
            real a = splat(t->a[k]);
            UNROLL for (unsigned p = 0; p < panels; p++) UNROLL for (unsigned v = 0; v < vectors; v++)
                sum[s][p][v] = mul_add(a, load(t->b + ((p * t->k + k) * vectors + v) * LANES), sum[s][p][v]);
        }
    if (i < steps) {
        size_t k = list ? list[i] : i;
        real a = splat(t->a[k]);
        UNROLL for (unsigned p = 0; p < panels; p++) UNROLL for (unsigned v = 0; v < vectors; v++)
            sum[0][p][v] = mul_add(a, load(t->b + ((p * t->k + k) * vectors + v) * LANES), sum[0][p][v]);
    }
    UNROLL for (unsigned p = 0; p < panels; p++)
    {
        struct mlo_dense_tile one = {.n = p + 1 < panels ? 2 * LANES : t->n - (panels - 1) * 2 * LANES,
                                     .c = t->c + p * 2 * LANES};
        UNROLL for (unsigned v = 0; v < vectors; v++) sum[0][p][v] += sum[1][p][v];
        put_row(&one, 0, vectors, sum[0][p]);
    }
}

TARGET static void row_pair(const struct mlo_dense_tile *t)
{
    run_row(t, 2, 2, NULL, t->k);
}

TARGET static void row_of_list(const struct mlo_dense_tile *t, unsigned vectors, const uint16_t *list,
                               size_t n)
{
    if (vectors == 4)
        run_row(t, 2, 2, list, n);
    else if (vectors == 2)
        run_row(t, 1, 2, list, n);
    else
        run_row(t, 1, 1, list, n);
}

#ifndef OWN_FIND_NONZERO
static inline size_t find_nonzero(const float *x, size_t k, uint16_t *list)
{
    size_t n = 0;
    for (size_t i = 0; i < k; i++) {
        list[n] = (uint16_t)i;
        n += x[i] != 0;
    }
    return n;
}
#endif

TARGET static size_t nonzero(const float *x, size_t k, uint16_t *list)
{
    return find_nonzero(x, k, list);
}

/* ---- few columns: each is a row of weights, and a sum of products ---- */

INLINE void dot_columns(const float *a, const float *b, size_t k, unsigned n, const float *bias, float *c)
{
    size_t padded = (k + LANES - 1) / LANES * LANES, i = 0;
    real sum[MLO_DOT_COLUMNS];
    UNROLL for (unsigned j = 0; j < n; j++) sum[j] = splat(0);
    for (; i + LANES <= k; i += LANES) {
        real x = load(a + i);
        UNROLL for (unsigned j = 0; j < n; j++) sum[j] = mul_add(x, load(b + j * padded + i), sum[j]);
    }
    if (i < k) {
        real x = load_some(a + i, k - i, 0);
        UNROLL for (unsigned j = 0; j < n; j++) sum[j] = mul_add(x, load(b + j * padded + i), sum[j]);
    }
    UNROLL for (unsigned j = 0; j < n; j++) c[j] = add_up(sum[j]) + bias[j];
}

#define DOTS(n)                                                                                              \
    TARGET static void dots_##n(const struct mlo_dense_tile *t, size_t rows)                                 \
    {                                                                                                        \
        for (size_t r = 0; r < rows; r++)                                                                    \
            dot_columns(t->a + r * t->a_row, t->b, t->k, n, t->bias, t->c + r * t->c_row);                   \
    }
DOTS(1)
DOTS(2)
DOTS(3)
DOTS(4)
static void (*const dots[MLO_DOT_COLUMNS])(const struct mlo_dense_tile *t, size_t rows) = {dots_1, dots_2,
                                                                                           dots_3, dots_4};

/* ---- activations that bend a line ---- */

INLINE real bent(real v, enum mlo_activation_kind kind, real a, real b)
{
    if (kind == MLO_ACTIVATION_RELU)
        return when_less(v, splat(0), splat(0), v);
    if (kind == MLO_ACTIVATION_LEAKY_RELU)
        return when_less(v, splat(0), v * a, v);
    return when_less(v, a, a, when_less(b, v, b, v));
}

INLINE void bend_all(const struct mlo_activation *act, enum mlo_activation_kind kind, float *y, size_t n)
{
    real a = splat(act->a), b = splat(act->b);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store(y + i, bent(load(y + i), kind, a, b));
    if (i < n)
        store_some(y + i, bent(load_some(y + i, n - i, 0), kind, a, b), n - i);
}

TARGET static void bend(const struct mlo_activation *a, float *y, size_t n)
{
    if (a->kind == MLO_ACTIVATION_RELU)
        bend_all(a, MLO_ACTIVATION_RELU, y, n);
    else if (a->kind == MLO_ACTIVATION_LEAKY_RELU)
        bend_all(a, MLO_ACTIVATION_LEAKY_RELU, y, n);
    else
        bend_all(a, MLO_ACTIVATION_CLIP, y, n);
}

const struct mlo_dense_kernels DENSE = {.lanes = LANES,
                                        .rows = TILE_ROWS,
                                        .tile = tiles,
                                        .tile_narrow = narrow_tiles,
                                        .row_pair = row_pair,
                                        .row_of_list = row_of_list,
                                        .nonzero = nonzero,
                                        .dots = dots,
                                        .bend = bend};
