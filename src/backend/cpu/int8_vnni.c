/* Products of bytes with AVX-512 VNNI: four products and their sum in one step. */
#include "int8.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define TARGET   __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512vnni")))
#define LANES    16
#define MULTIPLY mlo_int8_vnni

TARGET __attribute__((always_inline)) static inline int32_t group_at(const uint8_t *a, size_t n)
{
    int32_t v = 0;
    memcpy(&v, a, n);
    return v;
}

/* Nothing of c is in memory until the end; `rows` is known where this is put in. */
TARGET __attribute__((always_inline)) static inline void tile_of(const uint8_t *a, size_t a_row, size_t rows,
                                                                 size_t k, const int8_t *panel, int32_t *sums)
{
    __m512i c[MLO_INT8_ROWS][2];
    _Pragma("GCC unroll 8") for (size_t r = 0; r < rows; r++) c[r][0] = c[r][1] = _mm512_setzero_si512();
    for (size_t i = 0; i < k; i += MLO_INT8_GROUP, panel += MLO_INT8_GROUP * MLO_INT8_PANEL) {
        __m512i b0 = _mm512_loadu_si512(panel), b1 = _mm512_loadu_si512(panel + 64);
        size_t n = k - i < MLO_INT8_GROUP ? k - i : MLO_INT8_GROUP;
        _Pragma("GCC unroll 8") for (size_t r = 0; r < rows; r++)
        {
            const uint8_t *at = a + r * a_row + i;
            __m512i v = _mm512_set1_epi32(n == MLO_INT8_GROUP ? group_at(at, MLO_INT8_GROUP)
                                                              : group_at(at, n));
            c[r][0] = _mm512_dpbusd_epi32(c[r][0], v, b0);
            c[r][1] = _mm512_dpbusd_epi32(c[r][1], v, b1);
        }
    }
    _Pragma("GCC unroll 8") for (size_t r = 0; r < rows; r++)
    {
        _mm512_store_si512(sums + r * MLO_INT8_PANEL, c[r][0]);
        _mm512_store_si512(sums + r * MLO_INT8_PANEL + 16, c[r][1]);
    }
}

#define TILE(n)                                                                                              \
    TARGET static void tile##n(const uint8_t *a, size_t a_row, size_t k, const int8_t *panel, int32_t *sums) \
    {                                                                                                        \
        tile_of(a, a_row, n, k, panel, sums);                                                                \
    }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)
TILE(7)
TILE(8)

TARGET static void tile(const uint8_t *a, size_t a_row, size_t rows, size_t k, const int8_t *panel,
                        int32_t *sums)
{
    static void (*const tiles[])(const uint8_t *a, size_t a_row, size_t k, const int8_t *panel,
                                 int32_t *sums) = {tile1, tile2, tile3, tile4, tile5, tile6, tile7, tile8};
    tiles[rows - 1](a, a_row, k, panel, sums);
}

#include "int8_body.h"
#endif
