/*
 * The walk over panels and rows, and what becomes of sums. The including file defines before:
 *
 *     TARGET, LANES (of its vectors), MULTIPLY (name of the function)
 *     tile(a, a_row, rows, k, panel, sums)   sums[rows][MLO_INT8_PANEL] = a times a panel; rows up to
 *                                            MLO_INT8_ROWS
 *
 *     sum (a - s)(b - t) = sum a b - s sum b - t (sum a - k s)
 */
#include <string.h>

#define INLINE TARGET __attribute__((always_inline)) static inline

typedef int32_t ints __attribute__((vector_size(4 * LANES)));
typedef float floats __attribute__((vector_size(4 * LANES)));
typedef uint8_t bytes __attribute__((vector_size(LANES)));

struct tile_row {
    int32_t zero, rest; /* s, sum a - k s */
    float scale;
};

INLINE int32_t sum_of(const uint8_t *a, size_t k)
{
    ints sums = {0};
    int32_t sum = 0;
    size_t i = 0;
    for (; i + LANES <= k; i += LANES) {
        bytes v;
        memcpy(&v, a + i, sizeof v);
        sums += __builtin_convertvector(v, ints);
    }
    for (; i < k; i++)
        sum += a[i];
    for (unsigned lane = 0; lane < LANES; lane++)
        sum += sums[lane];
    return sum;
}

INLINE struct tile_row row_of(const struct mlo_int8_product *p, size_t i)
{
    struct tile_row r = {.zero = p->a_zeros[i * p->a_step],
                         .scale = p->a_scales ? p->a_scales[i * p->a_step] : 1};
    if (p->zeros)
        r.rest = sum_of(p->a + i * p->a_row, p->k) - (int32_t)p->k * r.zero;
    return r;
}

INLINE ints take_ints(const int32_t *p)
{
    ints v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE floats take_floats(const float *p)
{
    floats v;
    memcpy(&v, p, sizeof v);
    return v;
}

struct columns { /* what sums of some columns become results with; NULL: none of it */
    const int32_t *sums, *zeros;
    const float *scales, *bias;
};

INLINE struct columns columns_at(const struct mlo_int8_product *p, size_t first)
{
    return (struct columns){p->sums + first, p->zeros ? p->zeros + first : NULL,
                            p->c ? NULL : p->scales + first, p->bias && !p->c ? p->bias + first : NULL};
}

/* One vector of columns of all rows of a tile; what the columns have is looked up once. */
INLINE void finish_vector(const struct columns *c, const struct tile_row *rows, size_t n_rows,
                          const int32_t *sums, void *to, size_t to_row)
{
    ints column = take_ints(c->sums), zeros = c->zeros ? take_ints(c->zeros) : column - column;
    floats scales = {0}, bias = {0};
    if (c->scales)
        scales = take_floats(c->scales);
    if (c->bias)
        bias = take_floats(c->bias);
    for (size_t r = 0; r < n_rows; r++, sums += MLO_INT8_PANEL, to = (char *)to + to_row) {
        ints v = take_ints(sums) - column * rows[r].zero - zeros * rows[r].rest;
        if (c->scales) {
            floats y = __builtin_convertvector(v, floats) * (scales * rows[r].scale);
            if (c->bias)
                y += bias;
            memcpy(to, &y, sizeof y);
        } else {
            memcpy(to, &v, sizeof v);
        }
    }
}

INLINE void finish_column(const struct columns *c, const struct tile_row *rows, size_t n_rows,
                          const int32_t *sums, void *to, size_t to_row)
{
    for (size_t r = 0; r < n_rows; r++, sums += MLO_INT8_PANEL, to = (char *)to + to_row) {
        int32_t v = *sums - *c->sums * rows[r].zero - (c->zeros ? *c->zeros * rows[r].rest : 0);
        float y = c->scales ? (float)v * (*c->scales * rows[r].scale) + (c->bias ? *c->bias : 0) : 0;
        memcpy(to, c->scales ? (void *)&y : (void *)&v, sizeof v);
    }
}

INLINE void finish_tile(const struct mlo_int8_product *p, const struct tile_row *rows, size_t n_rows,
                        const int32_t *sums, size_t top, size_t first)
{
    size_t n = p->n - first < MLO_INT8_PANEL ? p->n - first : MLO_INT8_PANEL, j = 0;
    size_t at = top * p->n + first, to_row = p->n * sizeof(float);
    char *to = p->c ? (char *)(p->c + at) : (char *)(p->y + at);
    for (; j + LANES <= n; j += LANES) {
        struct columns c = columns_at(p, first + j);
        finish_vector(&c, rows, n_rows, sums + j, to + j * sizeof(float), to_row);
    }
    for (; j < n; j++) {
        struct columns c = columns_at(p, first + j);
        finish_column(&c, rows, n_rows, sums + j, to + j * sizeof(float), to_row);
    }
}

#define BAND ((size_t)64) /* rows that go through a panel while it is near */

/* Tiles of nearly the same height; the first two have the next panel brought, each one half of it. */
INLINE void multiply_panel(const struct mlo_int8_product *p, const struct tile_row *rows, size_t top,
                           size_t m, size_t first, const int8_t *panel, size_t panel_bytes)
{
    _Alignas(64) int32_t sums[MLO_INT8_ROWS * MLO_INT8_PANEL];
    struct mlo_int8_tile t = {.a_row = p->a_row, .k = p->k, .panel = panel, .ahead = panel + panel_bytes};
    size_t tiles = (m + MLO_INT8_ROWS - 1) / MLO_INT8_ROWS;
    for (size_t i = 0, at = 0; i < tiles; i++, at += t.rows) {
        t.a = p->a + (top + at) * p->a_row;
        t.rows = (m - at + tiles - i - 1) / (tiles - i);
        tile(&t, sums);
        finish_tile(p, rows + at, t.rows, sums, top + at, first);
        t.ahead = i == 0 ? t.ahead + panel_bytes / 2 : panel;
    }
}

TARGET void MULTIPLY(const struct mlo_int8_product *p)
{
    size_t panel_bytes = (p->k + MLO_INT8_GROUP - 1) / MLO_INT8_GROUP * MLO_INT8_GROUP * MLO_INT8_PANEL;
    for (size_t top = 0; top < p->m; top += BAND) {
        size_t m = p->m - top < BAND ? p->m - top : BAND;
        struct tile_row rows[BAND];
        const int8_t *panel = p->packed;
        for (size_t i = 0; i < m; i++)
            rows[i] = row_of(p, top + i);
        for (size_t first = 0; first < p->n; first += MLO_INT8_PANEL, panel += panel_bytes)
            multiply_panel(p, rows, top, m, first, panel, panel_bytes);
    }
}
