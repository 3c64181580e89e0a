/*
 * Plain decimal numbers of up to 32 characters, without a branch a digit: most cells of most tables. What is
 * no such number, and every number where the machine has no AVX2, is left to mlo_cell_number.
 */
#ifndef MLO_TABLE_DIGITS_H
#define MLO_TABLE_DIGITS_H

#include <string.h>

#include "decimal.h"
#include "internal.h"

#define MLO_DIGITS_BEFORE 33 /* readable bytes before the end of the text */

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define MLO_DIGITS_FAST __attribute__((target("avx2,bmi,lzcnt,popcnt")))

static inline bool mlo_digits_usable(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("lzcnt");
}

/* Bytes of a vector from number `from` on are all ones, those before zero. */
MLO_DIGITS_FAST static inline __m256i mlo_digits_from(unsigned from)
{
    static const uint64_t edge[8] = {0, 0, 0, 0, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    return _mm256_loadu_si256((const __m256i *)(const void *)((const char *)edge + 32 - from));
}

/* 32 digits as two numbers of 16. */
MLO_DIGITS_FAST static inline void mlo_digits_sum(__m256i digit, uint64_t *ret_high, uint64_t *ret_low)
{
    __m256i tens = _mm256_maddubs_epi16(digit, _mm256_set1_epi16(10 | 1 << 8));
    __m256i hundreds = _mm256_madd_epi16(tens, _mm256_set1_epi32(100 | 1 << 16));
    __m256i packed = _mm256_packus_epi32(hundreds, hundreds);
    __m256i eights = _mm256_madd_epi16(packed, _mm256_set1_epi32(10000 | 1 << 16));
    uint64_t high = (uint64_t)_mm256_extract_epi64(eights, 0),
             low = (uint64_t)_mm256_extract_epi64(eights, 2);
    *ret_high = (high & UINT32_MAX) * 100000000 + (high >> 32);
    *ret_low = (low & UINT32_MAX) * 100000000 + (low >> 32);
}

/*
 * The text from `start` to `end`, of which MLO_DIGITS_BEFORE bytes before `end` can be read:
 * [-]digits[.digits]. False: something else, to be read the long way. Digits end at the highest byte of the
 * vector, so that their weights are fixed; what stands before `start` is taken as zeros, and what stands
 * before the point moves one place up over it.
 */
MLO_DIGITS_FAST static inline bool mlo_digits(const char *start, const char *end, double *ret)
{
    static const double scale[] = {1e22, 1e21, 1e20, 1e19, 1e18, 1e17, 1e16, 1e15, 1e14, 1e13, 1e12, 1e11,
                                   1e10, 1e9,  1e8,  1e7,  1e6,  1e5,  1e4,  1e3,  1e2,  1e1,  1e0,  1e0};
    bool negative = *start == '-';
    start += negative;
    long n = end - start;
    if (n < 1 || n > 32)
        return false;
    __m256i raw = _mm256_loadu_si256((const __m256i *)(const void *)(end - 32));
    __m256i before = _mm256_loadu_si256((const __m256i *)(const void *)(end - 33));
    __m256i zero = _mm256_set1_epi8('0'), digit = _mm256_sub_epi8(raw, zero);
    __m256i is_digit = _mm256_cmpeq_epi8(_mm256_min_epu8(digit, _mm256_set1_epi8(9)), digit);
    uint32_t inside = UINT32_MAX << (32 - n);
    uint32_t other = ~(uint32_t)_mm256_movemask_epi8(is_digit) & inside;
    uint32_t point = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(raw, _mm256_set1_epi8('.'))) & inside;
    if (other != point || (point & (point - 1)) != 0 || n == (point != 0))
        return false;
    unsigned place = _tzcnt_u32(point); /* 32: none */
    __m256i whole = mlo_digits_from(place < 32 ? place + 1 : 0);
    digit = _mm256_blendv_epi8(_mm256_sub_epi8(before, zero), digit, whole);
    digit = _mm256_and_si256(digit, mlo_digits_from((unsigned)(32 - n) + (point != 0)));
    uint64_t high, low;
    mlo_digits_sum(digit, &high, &low);
    double v;
    if (high == 0 && low <= (uint64_t)1 << 53 && place >= 9) {
        v = (double)(int64_t)low / scale[place - 9]; /* both exact: rounded once */
    } else if (high > 1843 /* 1844e16 is beyond 64 bits */ ||
               !mlo_decimal(high * 10000000000000000 + low, place < 32 ? (int)place - 31 : 0, &v)) {
        return false;
    }
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
