/* Products of bytes with AVX-512 VNNI: four products and their sum in one step. */
#include "int8.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define TARGET   __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512vnni")))
#define LANES    16
#define MULTIPLY mlo_int8_vnni

#define HELPER TARGET __attribute__((always_inline)) static inline
#define UNROLL _Pragma("GCC unroll 8")

HELPER __m512i group_at(const uint8_t *a, size_t n)
{
    int32_t v = 0;
    memcpy(&v, a, n);
    return _mm512_set1_epi32(v);
}

HELPER void add_products(const struct mlo_int8_tile *t, size_t rows, size_t i, size_t n, __m512i c[][2])
{
    const int8_t *panel = t->panel + i * MLO_INT8_PANEL;
    const uint8_t *upper = t->a + i, *lower = upper + 4 * t->a_row; /* so that no row needs a register */
    __m512i b0 = _mm512_loadu_si512(panel), b1 = _mm512_loadu_si512(panel + 64);
    UNROLL for (size_t r = 0; r < rows; r++)
    {
        __m512i v = group_at((r < 4 ? upper : lower) + r % 4 * t->a_row, n);
        c[r][0] = _mm512_dpbusd_epi32(c[r][0], v, b0);
        c[r][1] = _mm512_dpbusd_epi32(c[r][1], v, b1);
    }
}

/* Nothing of c is in memory until the end; `rows` is known where this is put in. */
HELPER void tile_of(const struct mlo_int8_tile *given, size_t rows, int32_t *sums)
{
    struct mlo_int8_tile t = *given;
    __m512i c[MLO_INT8_ROWS][2];
    size_t i = 0;
    UNROLL for (size_t r = 0; r < rows; r++) c[r][0] = c[r][1] = _mm512_setzero_si512();
    for (; i + MLO_INT8_GROUP <= t.k; i += MLO_INT8_GROUP) {
        _mm_prefetch(t.ahead + i * (MLO_INT8_PANEL / 2), _MM_HINT_T1);
        add_products(&t, rows, i, MLO_INT8_GROUP, c);
    }
    if (i < t.k)
        add_products(&t, rows, i, t.k - i, c);
    UNROLL for (size_t r = 0; r < rows; r++)
    {
        _mm512_store_si512(sums + r * MLO_INT8_PANEL, c[r][0]);
        _mm512_store_si512(sums + r * MLO_INT8_PANEL + 16, c[r][1]);
    }
}

#define TILE(n)                                                                                              \
    TARGET static void tile##n(const struct mlo_int8_tile *t, int32_t *sums)                                 \
    {                                                                                                        \
        tile_of(t, n, sums);                                                                                 \
    }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)
TILE(7)
TILE(8)

TARGET static void tile(const struct mlo_int8_tile *t, int32_t *sums)
{
    static void (*const tiles[])(const struct mlo_int8_tile *t, int32_t *sums) = {tile1, tile2, tile3, tile4,
                                                                                  tile5, tile6, tile7, tile8};
    tiles[t->rows - 1](t, sums);
}

#include "int8_body.h"
#endif
