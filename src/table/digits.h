/* Plain decimal numbers of up to 16 characters, without a branch a digit: most cells of most tables. */
#ifndef MLO_TABLE_DIGITS_H
#define MLO_TABLE_DIGITS_H

#include <string.h>

#include "internal.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <smmintrin.h>
#define MLO_DIGITS_FAST __attribute__((target("sse4.1")))

static inline bool mlo_digits_usable(void)
{
    return __builtin_cpu_supports("sse4.1");
}

/*
 * The text from `start` to `end`, of which the 16 bytes before `end` can be read: [-]digits[.digits], the
 * digits together below 2^53. False: something else, to be read the long way. Digits end at the highest byte
 * of the vector, so that their weights are fixed; what stands before `start` is taken as zeros, and what
 * stands before the point moves one place up over it.
 */
MLO_DIGITS_FAST static inline bool mlo_digits(const char *start, const char *end, double *ret)
{
    static const double scale[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    const __m128i index = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    bool negative = *start == '-';
    start += negative;
    long n = end - start;
    if (n < 1 || n > 16)
        return false;
    __m128i raw = _mm_loadu_si128((const __m128i *)(const void *)(end - 16));
    __m128i inside = _mm_cmpgt_epi8(index, _mm_set1_epi8((char)(15 - n)));
    __m128i point = _mm_and_si128(inside, _mm_cmpeq_epi8(raw, _mm_set1_epi8('.')));
    __m128i digit = _mm_and_si128(inside, _mm_sub_epi8(raw, _mm_set1_epi8('0')));
    __m128i other = _mm_cmpgt_epi8(_mm_add_epi8(digit, _mm_set1_epi8(-128)), _mm_set1_epi8(-128 + 9));
    unsigned points = (unsigned)_mm_movemask_epi8(point);
    if (_mm_movemask_epi8(_mm_andnot_si128(point, other)) || (points & (points - 1)) || n == (points != 0))
        return false;
    int place = points ? __builtin_ctz(points) : -1;
    __m128i moved = _mm_cmpgt_epi8(_mm_set1_epi8((char)(place + 1)), index);
    digit = _mm_blendv_epi8(digit, _mm_slli_si128(digit, 1), moved);
    __m128i tens = _mm_maddubs_epi16(digit, _mm_set1_epi16(10 | 1 << 8));
    __m128i hundreds = _mm_madd_epi16(tens, _mm_set1_epi32(100 | 1 << 16));
    __m128i packed = _mm_packus_epi32(hundreds, hundreds);
    __m128i eights = _mm_madd_epi16(packed, _mm_set1_epi32(10000 | 1 << 16));
    uint64_t both = (uint64_t)_mm_cvtsi128_si64(eights);
    uint64_t mantissa = (both & UINT32_MAX) * 100000000 + (both >> 32);
    if (mantissa > (uint64_t)1 << 53)
        return false;
    double v = (double)mantissa / scale[points ? 15 - place : 0]; /* both exact: rounded once */
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits ^= (uint64_t)negative << 63; /* half of all signs are guessed wrongly: no branch */
    memcpy(ret, &bits, sizeof bits);
    return true;
}

#else
#define MLO_DIGITS_FAST
static inline bool mlo_digits_usable(void)
{
    return false;
}

static inline bool mlo_digits(const char *start, const char *end, double *ret)
{
    (void)start;
    (void)end;
    (void)ret;
    return false;
}
#endif

#endif
