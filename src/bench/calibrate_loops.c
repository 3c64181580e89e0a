/* Loops that are as fast as the machine can be, for the instructions that it has. */
#include "calibrate.h"

/* Sums under way at once, none of which waits for another: each is a variable, so that it stays in a
 * register. */
#define MLO_SUMS        12
#define MLO_EACH_SUM(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET  __attribute__((target("avx512f")))
#define WIDTH   64
#define NAME(x) x##_avx512
#include "calibrate_body.h"

#define TARGET  __attribute__((target("avx2,fma")))
#define WIDTH   32
#define NAME(x) x##_avx2
#include "calibrate_body.h"
#endif

#define TARGET
#define WIDTH   16
#define NAME(x) x##_plain
#include "calibrate_body.h"

/* ---- products of bytes and of short floats ---- */

#if defined(__x86_64__)
/* By their names: through intrinsics compilers move sums to memory and back. */
#define BEGIN(k)  sum##k = all,
#define JOIN(k)   all = _mm512_xor_si512(all, sum##k);
#define BYTES(k)  __asm__("vpdpbusd %1, %1, %0" : "+v"(sum##k) : "v"(a));
#define FLOATS(k) __asm__("vdpbf16ps %1, %1, %0" : "+v"(sum##k) : "v"(a));
#define LOOP(name, needs, step)                                                                              \
    __attribute__((target(needs))) static double name(size_t turns, double by)                               \
    {                                                                                                        \
        __m512i all = _mm512_setzero_si512(), MLO_EACH_SUM(BEGIN) a = _mm512_set1_epi8((char)(1 + by));      \
        for (size_t i = 0; i < turns; i++) {                                                                 \
            MLO_EACH_SUM(step)                                                                               \
        }                                                                                                    \
        MLO_EACH_SUM(JOIN)                                                                                   \
        return (double)_mm_cvtsi128_si32(_mm512_castsi512_si128(all));                                       \
    }
LOOP(bytes_vnni, "avx512f,avx512bw,avx512vl,avx512vnni", BYTES)
LOOP(short_floats, "avx512f,avx512bw,avx512bf16", FLOATS)
#undef JOIN

/* Without VNNI bytes are widened to 16 bits, as the engine does. */
#define WIDENED(k) sum##k = _mm256_add_epi32(sum##k, _mm256_madd_epi16(sum##k, a));
#define JOIN(k)    all = _mm256_xor_si256(all, sum##k);
__attribute__((target("avx2"))) static double bytes_avx2(size_t turns, double by)
{
    __m256i all = _mm256_setzero_si256(), MLO_EACH_SUM(BEGIN) a = _mm256_set1_epi16((short)(1 + by));
    for (size_t i = 0; i < turns; i++) {
        MLO_EACH_SUM(WIDENED)
    }
    MLO_EACH_SUM(JOIN)
    return (double)_mm_cvtsi128_si32(_mm256_castsi256_si128(all));
}
#endif

/* ---- the best of them ---- */

struct mlo_peaks mlo_peaks_here(void)
{
    struct mlo_peaks p = peaks_plain;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        p = peaks_avx512;
    else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        p = peaks_avx2;
    if (__builtin_cpu_supports("avx512vnni")) {
        p.multiply_int8 = bytes_vnni;
        p.int8 = 2.0 * MLO_SUMS * 64;
    } else if (__builtin_cpu_supports("avx2")) {
        p.multiply_int8 = bytes_avx2;
        p.int8 = 2.0 * MLO_SUMS * 16;
    }
    if (__builtin_cpu_supports("avx512bf16")) {
        p.multiply_bf16 = short_floats;
        p.bf16 = 2.0 * MLO_SUMS * 32;
    }
#endif
    return p;
}
