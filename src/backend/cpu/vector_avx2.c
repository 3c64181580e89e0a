/* Vectors of 8 floats: AVX2 and FMA. */
#include "vector.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define LANES   8
#define TARGET  __attribute__((target("avx2,fma")))
#define HELPER  TARGET __attribute__((always_inline)) static inline
#define KERNELS mlo_vector_avx2
typedef __m256 real;
typedef int32_t whole __attribute__((vector_size(32)));

HELPER real mul_add(real a, real b, real c)
{
    return _mm256_fmadd_ps(a, b, c);
}

HELPER real when_less(real a, real b, real x, real y)
{
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}

HELPER real lesser(real a, real b)
{
    return _mm256_min_ps(a, b);
}

HELPER real greater(real a, real b)
{
    return _mm256_max_ps(a, b);
}

/* In two factors, so that a denormal result is rounded once. */
HELPER real times_power(real v, real n)
{
    whole power = (whole)(n + 0x1.8p23F) - 0x4b400000, half = power >> 1;
    return v * (real)((half + 127) << 23) * (real)((power - half + 127) << 23);
}

HELPER real load(const float *p)
{
    return _mm256_loadu_ps(p);
}

HELPER void store(float *p, real v)
{
    _mm256_storeu_ps(p, v);
}

HELPER __m256i first(size_t n) /* of the lanes */
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

HELPER real load_some(const float *p, size_t n, float fill)
{
    return _mm256_blendv_ps(_mm256_set1_ps(fill), _mm256_maskload_ps(p, first(n)),
                            _mm256_castsi256_ps(first(n)));
}

HELPER void store_some(float *p, real v, size_t n)
{
    _mm256_maskstore_ps(p, first(n), v);
}

HELPER void store_bytes(uint8_t *p, real v)
{
    __m256i whole_numbers = _mm256_and_si256(_mm256_cvtps_epi32(v), _mm256_set1_epi32(255));
    __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(whole_numbers),
                                    _mm256_extracti128_si256(whole_numbers, 1));
    _mm_storel_epi64((__m128i *)(void *)p, _mm_packus_epi16(words, words));
}

HELPER float add_up(real v)
{
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

HELPER float largest(real v)
{
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

#include "vector_body.h"

#define DENSE     mlo_dense_avx2
#define TILE_ROWS 6
#include "dense_body.h"
#endif
