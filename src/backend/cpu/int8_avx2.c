/*
 * Products of bytes with AVX2. They are widened to 16 bits first: the instruction that multiplies bytes
 * cuts off sums above 32767.
 */
#include "int8.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define TARGET   __attribute__((target("avx2")))
#define LANES    8
#define MULTIPLY mlo_int8_avx2
#define HELPER   TARGET __attribute__((always_inline)) static inline

/* Four numbers of a row as 16 bits, four times. */
HELPER __m256i group_at(const uint8_t *a, size_t n)
{
    int32_t v = 0;
    if (n >= MLO_INT8_GROUP)
        memcpy(&v, a, MLO_INT8_GROUP);
    else
        memcpy(&v, a, n);
    return _mm256_cvtepu8_epi16(_mm_set1_epi32(v));
}

/* Eight columns of up to four rows. */
HELPER void tile_of(const uint8_t *a, size_t a_row, size_t rows, size_t k, const int8_t *panel, int32_t *sums)
{
    __m256i c[4][2]; /* of four columns each, two sums of one */
    for (size_t r = 0; r < rows; r++)
        c[r][0] = c[r][1] = _mm256_setzero_si256();
    for (size_t i = 0; i < k; i += MLO_INT8_GROUP, panel += MLO_INT8_GROUP * MLO_INT8_PANEL) {
        __m256i b0 = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)panel)),
                b1 = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(panel + 16)));
        _Pragma("GCC unroll 4") for (size_t r = 0; r < rows; r++)
        {
            __m256i v = group_at(a + r * a_row + i, k - i);
            c[r][0] = _mm256_add_epi32(c[r][0], _mm256_madd_epi16(v, b0));
            c[r][1] = _mm256_add_epi32(c[r][1], _mm256_madd_epi16(v, b1));
        }
    }
    for (size_t r = 0; r < rows; r++) {
        __m256i pairs = _mm256_hadd_epi32(c[r][0], c[r][1]); /* columns 0 1 4 5 2 3 6 7 */
        _mm256_storeu_si256((__m256i *)(void *)(sums + r * MLO_INT8_PANEL),
                            _mm256_permute4x64_epi64(pairs, 0xd8));
    }
}

TARGET static void tile(const struct mlo_int8_tile *t, int32_t *sums)
{
    const int8_t *panel = t->panel;
    for (size_t j = 0; j < MLO_INT8_PANEL; j += 8, panel += 8 * MLO_INT8_GROUP)
        for (size_t r = 0; r < t->rows; r += 4) {
            const uint8_t *from = t->a + r * t->a_row;
            int32_t *to = sums + r * MLO_INT8_PANEL + j;
            if (t->rows - r >= 4)
                tile_of(from, t->a_row, 4, t->k, panel, to);
            else
                for (size_t one = 0; one < t->rows - r; one++)
                    tile_of(from + one * t->a_row, t->a_row, 1, t->k, panel, to + one * MLO_INT8_PANEL);
        }
}

#include "int8_body.h"
#endif
