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

/* Of one row: sums of the columns from `first` on become results. Arrays are looked up once: what is written
 * could be them, for all the compiler knows. */
INLINE void finish_ints(const struct mlo_int8_product *p, const struct tile_row *r, const int32_t *sums,
                        int32_t *to, size_t first, size_t n)
{
    const int32_t *column = p->sums + first, *zeros = p->zeros ? p->zeros + first : NULL;
    int32_t zero = r->zero, rest = r->rest;
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        ints v = take_ints(sums + j) - take_ints(column + j) * zero;
        if (zeros)
            v -= take_ints(zeros + j) * rest;
        memcpy(to + j, &v, sizeof v);
    }
    for (; j < n; j++)
        to[j] = sums[j] - column[j] * zero - (zeros ? zeros[j] * rest : 0);
}

INLINE void finish_floats(const struct mlo_int8_product *p, const struct tile_row *r, const int32_t *sums,
                          float *to, size_t first, size_t n)
{
    const int32_t *column = p->sums + first, *zeros = p->zeros ? p->zeros + first : NULL;
    const float *scales = p->scales + first, *bias = p->bias ? p->bias + first : NULL;
    int32_t zero = r->zero, rest = r->rest;
    float scale = r->scale;
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        ints v = take_ints(sums + j) - take_ints(column + j) * zero;
        if (zeros)
            v -= take_ints(zeros + j) * rest;
        floats y = __builtin_convertvector(v, floats) * (take_floats(scales + j) * scale);
        if (bias)
            y += take_floats(bias + j);
        memcpy(to + j, &y, sizeof y);
    }
    for (; j < n; j++) {
        int32_t v = sums[j] - column[j] * zero - (zeros ? zeros[j] * rest : 0);
        to[j] = (float)v * (scales[j] * scale) + (bias ? bias[j] : 0);
    }
}

#define BAND ((size_t)64) /* rows that go through a panel while it is near */

INLINE void multiply_panel(const struct mlo_int8_product *p, const struct tile_row *rows, size_t top,
                           size_t m, size_t first, const int8_t *panel)
{
    _Alignas(64) int32_t sums[MLO_INT8_ROWS * MLO_INT8_PANEL];
    size_t n = p->n - first < MLO_INT8_PANEL ? p->n - first : MLO_INT8_PANEL;
    for (size_t i = 0; i < m; i += MLO_INT8_ROWS) {
        size_t some = m - i < MLO_INT8_ROWS ? m - i : MLO_INT8_ROWS;
        tile(p->a + (top + i) * p->a_row, p->a_row, some, p->k, panel, sums);
        for (size_t r = 0; r < some; r++) {
            size_t at = (top + i + r) * p->n + first;
            if (p->c)
                finish_ints(p, &rows[i + r], sums + r * MLO_INT8_PANEL, p->c + at, first, n);
            else
                finish_floats(p, &rows[i + r], sums + r * MLO_INT8_PANEL, p->y + at, first, n);
        }
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
            multiply_panel(p, rows, top, m, first, panel);
    }
}
