/* The kernels for AVX2 and AVX-512. */
#include "kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#include <immintrin.h>
#include <string.h>

#include <mlopsctl/base/decimal.h>

#define AVX2 __attribute__((target("avx2,bmi,lzcnt,popcnt")))
#define AVX512                                                                                               \
    __attribute__((                                                                                          \
        target("avx2,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi2")))

#define MANTISSA_MAX ((uint64_t)1 << 53) /* exact as a double */

/* clang 14 knows no name for it. */
static bool has_lzcnt(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(0x80000001, &a, &b, &c, &d) && c & bit_LZCNT;
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && has_lzcnt() &&
           __builtin_cpu_supports("popcnt");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vbmi2");
}

static uint64_t first_bits(size_t n)
{
    return n < 64 ? ((uint64_t)1 << n) - 1 : UINT64_MAX;
}

/* ---- AVX2: stops ---- */

AVX2 static uint64_t equal_32(__m256i low, __m256i high, char c)
{
    __m256i wanted = _mm256_set1_epi8(c);
    uint32_t a = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted));
    uint32_t b = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted));
    return a | (uint64_t)b << 32;
}

/* Twelve at once, which is nearly always all of them, cost less than a loop whose end is never foreseen. */
AVX2 static size_t put_places(uint32_t *to, uint64_t bits, uint32_t from)
{
    enum { AT_ONCE = 12 };
    size_t n = (size_t)_mm_popcnt_u64(bits);
    for (int i = 0; i < AT_ONCE; i++) {
        to[i] = from + (uint32_t)_tzcnt_u64(bits);
        bits = _blsr_u64(bits);
    }
    for (size_t i = AT_ONCE; i < n; i++) {
        to[i] = from + (uint32_t)_tzcnt_u64(bits);
        bits = _blsr_u64(bits);
    }
    return n;
}

AVX2 static void stops_avx2(struct mlo_stops *s, const char *text, size_t n, char separator)
{
    for (size_t from = 0; from < n; from += 64) {
        __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)(text + from));
        __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(text + from + 32));
        uint64_t valid = first_bits(n - from), newlines = equal_32(low, high, '\n') & valid;
        uint64_t found = (equal_32(low, high, separator) & valid) | newlines;
        found = mlo_stops_outside(s, found, newlines, equal_32(low, high, '"') & valid);
        s->n += put_places(s->at + s->n, found, (uint32_t)from);
    }
}

/* ---- AVX2: numbers, one at a time, of up to 32 characters ---- */

/* Bytes of a vector from number `from` on are all ones, those before zero. */
AVX2 static inline __m256i bytes_from(unsigned from)
{
    static const uint64_t edge[8] = {0, 0, 0, 0, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    return _mm256_loadu_si256((const __m256i *)(const void *)((const char *)edge + 32 - from));
}

/* 32 digits as two numbers of 16. */
AVX2 static inline void sum_digits(__m256i digit, uint64_t *ret_high, uint64_t *ret_low)
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
 * Digits end at the highest byte of the vector, so that their weights are fixed; what stands before `start`
 * is taken as zeros, and what stands before the point moves one place up over it.
 */
AVX2 static inline bool number_avx2(const char *start, const char *end, double *ret)
{
    static const double scale[] = {1e15, 1e14, 1e13, 1e12, 1e11, 1e10, 1e9, 1e8, 1e7,
                                   1e6,  1e5,  1e4,  1e3,  1e2,  1e1,  1e0, 1e0};
    static const double sign[] = {1, -1};
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
    digit = _mm256_blendv_epi8(_mm256_sub_epi8(before, zero), digit, bytes_from(place < 32 ? place + 1 : 0));
    digit = _mm256_and_si256(digit, bytes_from((unsigned)(32 - n) + (point != 0)));
    uint64_t high, low;
    sum_digits(digit, &high, &low);
    double v;
    if (n <= 16 && low <= MANTISSA_MAX)
        v = (double)(int64_t)low / scale[place - 16]; /* both exact: rounded once */
    else if (high > 1843 /* 1844e16 is beyond 64 bits */ ||
             !mlo_decimal_long(high * 10000000000000000 + low, place < 32 ? (int)place - 31 : 0, &v))
        return false;
    *ret = v * sign[negative]; /* no branch: half of all signs are guessed wrongly */
    return true;
}

/* Those of eight fields whose bit is set in `wanted`; returns which were read. */
AVX2 static inline unsigned some_avx2(const char *text, const uint32_t *bounds, unsigned wanted, double *ret)
{
    unsigned read = 0;
    for (; wanted; wanted &= wanted - 1) {
        unsigned i = _tzcnt_u32(wanted);
        const char *start = text + (uint32_t)(bounds[i] + 1);
        read |= (unsigned)number_avx2(start, text + bounds[i + 1], &ret[i]) << i;
    }
    return read;
}

AVX2 static void numbers_avx2(const char *text, const uint32_t *bounds, size_t stride, size_t rows,
                              double (*ret)[MLO_NUMBERS_STEP], uint8_t *ret_read)
{
    for (size_t r = 0; r < rows; r++)
        ret_read[r] = (uint8_t)some_avx2(text, bounds + r * stride, 0xff, ret[r]);
}

const struct mlo_kernels mlo_kernels_avx2 = {"avx2", has_avx2, stops_avx2, numbers_avx2};

/* ---- AVX-512: stops ---- */

AVX512 static inline void put_places_avx512(struct mlo_stops *s, uint64_t bits, size_t from)
{
    const __m512i bytes = _mm512_set_epi8(63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47,
                                          46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30,
                                          29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13,
                                          12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i places = _mm512_maskz_compress_epi8(bits, bytes), base = _mm512_set1_epi32((int)from);
    uint32_t *to = s->at + s->n;
    size_t n = (size_t)_mm_popcnt_u64(bits);
    __m128i part = _mm512_castsi512_si128(places);
    _mm512_storeu_si512(to, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(part)));
    for (size_t i = 16; i < n; i += 16) {
        places = _mm512_alignr_epi64(places, places, 2); /* the next 16 bytes */
        part = _mm512_castsi512_si128(places);
        _mm512_storeu_si512(to + i, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(part)));
    }
    s->n += n;
}

AVX512 static void stops_avx512(struct mlo_stops *s, const char *text, size_t n, char separator)
{
    const __m512i sep = _mm512_set1_epi8(separator), nl = _mm512_set1_epi8('\n'),
                  quote = _mm512_set1_epi8('"');
    for (size_t from = 0; from < n; from += 64) {
        __m512i v = _mm512_loadu_si512(text + from);
        uint64_t valid = first_bits(n - from), newlines = _mm512_cmpeq_epi8_mask(v, nl) & valid;
        uint64_t found = (_mm512_cmpeq_epi8_mask(v, sep) & valid) | newlines;
        found = mlo_stops_outside(s, found, newlines, _mm512_cmpeq_epi8_mask(v, quote) & valid);
        put_places_avx512(s, found, from);
    }
}

/* ---- AVX-512: numbers, eight at a time, of up to 16 characters ---- */

/*
 * Four fields, each in a lane of 16 bytes, its last character in the highest one. A mask has 16 bits for each
 * lane, so that the four masks fit a word.
 */
struct four {
    __m512i digit;        /* the point taken out, zeros before the number */
    __m128i point;        /* 16 bits each: where it was */
    __m128i minus, wrong; /* 16 bits each: any is set when it is so */
};

AVX512 static inline __m512i load_four(const char *text, const uint32_t *ends)
{
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(const void *)(text + ends[0] - 16)));
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)(text + ends[2] - 16)), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)(text + ends[4] - 16)), 2);
    return _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)(text + ends[6] - 16)), 3);
}

/* inside: the bytes of each field. */
AVX512 static inline struct four read_four(__m512i raw, uint64_t inside)
{
    const __m128i one = _mm_set1_epi16(1), none = _mm_setzero_si128();
    struct four f;
    uint64_t first = inside & ~((inside << 1) & 0xfffefffefffefffe);
    uint64_t minus = _mm512_cmpeq_epi8_mask(raw, _mm512_set1_epi8('-')) & first;
    inside ^= minus;
    __m512i digit = _mm512_maskz_sub_epi8(inside, raw, _mm512_set1_epi8('0'));
    uint64_t other = _mm512_cmpgt_epu8_mask(digit, _mm512_set1_epi8(9));
    uint64_t point = _mm512_cmpeq_epi8_mask(raw, _mm512_set1_epi8('.')) & inside;
    f.point = _mm_cvtsi64_si128((long long)point);
    f.minus = _mm_cvtsi64_si128((long long)minus);
    __m128i less = _mm_sub_epi16(f.point, one), no_point = _mm_cmpeq_epi16(f.point, none);
    __m128i no_digit = _mm_cmpeq_epi16(_mm_cvtsi64_si128((long long)(inside & ~point)), none);
    f.wrong = _mm_or_si128(_mm_cvtsi64_si128((long long)(other ^ point)),
                           _mm_or_si128(_mm_and_si128(f.point, less), no_digit));
    /* Bytes above the point stay; the others move one up. */
    __m128i stay = _mm_or_si128(no_point, _mm_andnot_si128(_mm_or_si128(f.point, less), _mm_set1_epi16(-1)));
    f.digit = _mm512_mask_blend_epi8((uint64_t)_mm_cvtsi128_si64(stay), _mm512_bslli_epi128(digit, 1), digit);
    return f;
}

/* Two fours, whose numbers alternate, as eight mantissas in order. */
AVX512 static inline __m512i sum_eight(__m512i even, __m512i odd)
{
    const __m512i weigh_1 = _mm512_set1_epi16(10 | 1 << 8), weigh_2 = _mm512_set1_epi32(100 | 1 << 16);
    even = _mm512_madd_epi16(_mm512_maddubs_epi16(even, weigh_1), weigh_2);
    odd = _mm512_madd_epi16(_mm512_maddubs_epi16(odd, weigh_1), weigh_2);
    __m512i eights = _mm512_madd_epi16(_mm512_packus_epi32(even, odd), _mm512_set1_epi32(10000 | 1 << 16));
    return _mm512_add_epi64(_mm512_mul_epu32(eights, _mm512_set1_epi64(100000000)),
                            _mm512_srli_epi64(eights, 32));
}

/* 10^(digits behind the point): a point in bit b of 16 leaves 15 - b of them, and none leaves none. */
AVX512 static inline __m512d scale_eight(__m128i points)
{
    const __m512d low = _mm512_set_pd(1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 1e1, 1e0);
    const __m512d high = _mm512_set_pd(1e15, 1e14, 1e13, 1e12, 1e11, 1e10, 1e9, 1e8);
    __m256i zeros = _mm256_lzcnt_epi32(_mm256_cvtepu16_epi32(points)); /* 31 - b, or 32: 16 is as good as 0 */
    return _mm512_permutex2var_pd(low, _mm512_cvtepu32_epi64(zeros), high);
}

AVX512 static inline __m128i alternate(__m128i even, __m128i odd)
{
    return _mm_unpacklo_epi16(even, odd);
}

/* Bits of those that were read. */
AVX512 static inline unsigned eight_avx512(const char *text, const uint32_t *bounds, double *ret)
{
    __m256i starts = _mm256_loadu_si256((const __m256i *)(const void *)bounds);
    __m256i ends = _mm256_loadu_si256((const __m256i *)(const void *)(bounds + 1));
    /* 17 - (end - start) zeros below, then ones up to the lane's end; too long: a shift that leaves nothing.
     */
    __m256i shift = _mm256_sub_epi32(_mm256_add_epi32(starts, _mm256_set1_epi32(17)), ends);
    __m256i inside = _mm256_sllv_epi32(_mm256_set1_epi32(0xffff), shift);
    __m128i words = _mm256_cvtepi32_epi16(inside);
    __m128i sorted = _mm_shuffle_epi8(words,
                                      _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
    struct four even = read_four(load_four(text, bounds + 1), (uint64_t)_mm_cvtsi128_si64(sorted));
    struct four odd = read_four(load_four(text, bounds + 2), (uint64_t)_mm_extract_epi64(sorted, 1));
    __m512i mantissa = sum_eight(even.digit, odd.digit);
    __m512d v = _mm512_div_pd(_mm512_cvtepu64_pd(mantissa), scale_eight(alternate(even.point, odd.point)));
    __m128i minus = alternate(even.minus, odd.minus);
    v = _mm512_mask_xor_pd(v, _mm_test_epi16_mask(minus, minus), v, _mm512_set1_pd(-0.0));
    _mm512_storeu_pd(ret, v);
    __mmask8 exact = _mm512_cmple_epu64_mask(mantissa, _mm512_set1_epi64((long long)MANTISSA_MAX));
    return exact & (unsigned)_mm_testn_epi16_mask(alternate(even.wrong, odd.wrong), _mm_set1_epi16(-1));
}

AVX512 static void numbers_avx512(const char *text, const uint32_t *bounds, size_t stride, size_t rows,
                                  double (*ret)[MLO_NUMBERS_STEP], uint8_t *ret_read)
{
    for (size_t r = 0; r < rows; r++, bounds += stride) {
        unsigned read = eight_avx512(text, bounds, ret[r]), rest = ~read & 0xff;
        ret_read[r] = (uint8_t)(read | (rest ? some_avx2(text, bounds, rest, ret[r]) : 0)); /* longer ones */
    }
}

const struct mlo_kernels mlo_kernels_avx512 = {"avx512", has_avx512, stops_avx512, numbers_avx512};

#endif
