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

INLINE void finish_lanes(const struct mlo_int8_product *p, const struct tile_row *r, const int32_t *sums,
                         size_t i, size_t j)
{
    ints v = take_ints(sums) - take_ints(p->sums + j) * r->zero;
    if (p->zeros)
        v -= take_ints(p->zeros + j) * r->rest;
    if (p->c) {
        memcpy(p->c + i * p->n + j, &v, sizeof v);
        return;
    }
    floats y = __builtin_convertvector(v, floats) * (take_floats(p->scales + j) * r->scale);
    if (p->bias)
        y += take_floats(p->bias + j);
    memcpy(p->y + i * p->n + j, &y, sizeof y);
}

INLINE void finish_one(const struct mlo_int8_product *p, const struct tile_row *r, int32_t sum, size_t i,
                       size_t j)
{
    int32_t v = sum - p->sums[j] * r->zero - (p->zeros ? p->zeros[j] * r->rest : 0);
    if (p->c)
        p->c[i * p->n + j] = v;
    else
        p->y[i * p->n + j] = (float)v * (p->scales[j] * r->scale) + (p->bias ? p->bias[j] : 0);
}

INLINE void finish_row(const struct mlo_int8_product *p, const struct tile_row *r, const int32_t *sums,
                       size_t i, size_t first)
{
    size_t stop = p->n - first < MLO_INT8_PANEL ? p->n : first + MLO_INT8_PANEL, j = first;
    for (; j + LANES <= stop; j += LANES)
        finish_lanes(p, r, sums + (j - first), i, j);
    for (; j < stop; j++)
        finish_one(p, r, sums[j - first], i, j);
}

TARGET void MULTIPLY(const struct mlo_int8_product *p)
{
    _Alignas(64) int32_t sums[MLO_INT8_ROWS * MLO_INT8_PANEL];
    size_t panel_bytes = (p->k + MLO_INT8_GROUP - 1) / MLO_INT8_GROUP * MLO_INT8_GROUP * MLO_INT8_PANEL;
    for (size_t top = 0; top < p->m; top += MLO_INT8_ROWS) {
        size_t rows = p->m - top < MLO_INT8_ROWS ? p->m - top : MLO_INT8_ROWS;
        struct tile_row row[MLO_INT8_ROWS];
        const int8_t *panel = p->packed;
        for (size_t i = 0; i < rows; i++)
            row[i] = row_of(p, top + i);
        for (size_t first = 0; first < p->n; first += MLO_INT8_PANEL, panel += panel_bytes) {
            tile(p->a + top * p->a_row, p->a_row, rows, p->k, panel, sums);
            for (size_t i = 0; i < rows; i++)
                finish_row(p, &row[i], sums + i * MLO_INT8_PANEL, top + i, first);
        }
    }
}
