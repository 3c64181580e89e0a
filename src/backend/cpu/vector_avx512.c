/* Vectors of 16 floats: AVX-512. */
#include "vector.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define LANES   16
#define TARGET  __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,fma")))
#define HELPER  TARGET __attribute__((always_inline)) static inline
#define KERNELS mlo_vector_avx512
typedef __m512 real;
typedef int32_t whole __attribute__((vector_size(64)));

HELPER real mul_add(real a, real b, real c)
{
    return _mm512_fmadd_ps(a, b, c);
}

HELPER real when_less(real a, real b, real x, real y)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}

HELPER real lesser(real a, real b)
{
    return _mm512_min_ps(a, b);
}

HELPER real greater(real a, real b)
{
    return _mm512_max_ps(a, b);
}

HELPER real times_power(real v, real n)
{
    return _mm512_scalef_ps(v, n);
}

HELPER real load(const float *p)
{
    return _mm512_loadu_ps(p);
}

HELPER void store(float *p, real v)
{
    _mm512_storeu_ps(p, v);
}

HELPER real load_some(const float *p, size_t n, float fill)
{
    return _mm512_mask_loadu_ps(_mm512_set1_ps(fill), (__mmask16)((1U << n) - 1), p);
}

HELPER void store_some(float *p, real v, size_t n)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1U << n) - 1), v);
}

HELPER void store_bytes(uint8_t *p, real v)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
}

HELPER float add_up(real v)
{
    return _mm512_reduce_add_ps(v);
}

HELPER float largest(real v)
{
    return _mm512_reduce_max_ps(v);
}

#include "vector_body.h"

#define OWN_FIND_NONZERO
HELPER size_t find_nonzero(const float *x, size_t k, uint16_t *list)
{
    __m512i at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    size_t n = 0;
    for (size_t i = 0; i < k; i += LANES, at = _mm512_add_epi32(at, _mm512_set1_epi32(LANES))) {
        __mmask16 there = (__mmask16)(k - i < LANES ? (1U << (k - i)) - 1 : 0xffff);
        __mmask16 found = _mm512_mask_cmp_ps_mask(there, _mm512_maskz_loadu_ps(there, x + i),
                                                  _mm512_setzero_ps(), _CMP_NEQ_UQ);
        _mm256_storeu_si256((__m256i *)(void *)(list + n),
                            _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(found, at)));
        n += (size_t)__builtin_popcount(found);
    }
    return n;
}

#define DENSE     mlo_dense_avx512
#define TILE_ROWS 12
#include "dense_body.h"
#endif
