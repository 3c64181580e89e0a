/*
 * Trees in ranks with AVX-512: 64 rows at a time; and with its permutations of bytes one row through a tree
 * at a time: all questions in one comparison, then eight trees (or more that are shallower) side by side from
 * their roots to the leaves.
 */
#if defined(__x86_64__)
#include <immintrin.h>

#define VEC                          __m512i
#define TARGET                       __attribute__((target("avx512f,avx512bw,avx512vl,popcnt")))
#define LOAD(p)                      _mm512_load_si512(p)
#define STORE(p, v)                  _mm512_store_si512(p, v)
#define ONE(byte)                    _mm512_set1_epi8((char)(byte))
#define BYTES(below)                 _mm512_set1_epi32((int)(below))
#define CHOOSE(rank, below, yes, no) _mm512_mask_blend_epi8(_mm512_cmplt_epu8_mask(rank, below), no, yes)

TARGET __attribute__((always_inline)) static inline unsigned below16(const float *limits, float x)
{
    __m512 all = _mm512_set1_ps(x);
    return (unsigned)__builtin_popcount(_mm512_cmp_ps_mask(_mm512_loadu_ps(limits), all, _CMP_LT_OQ));
}

#include "trees_body.h"

static bool have(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("popcnt");
}

/* ---- values of leaves ---- */

/* values[at], of up to 16, 32 or 64 that lie in so many registers. */
WITHIN __m512 look16(const __m512 *v, __m512i at)
{
    return _mm512_permutexvar_ps(at, v[0]);
}
WITHIN __m512 look32(const __m512 *v, __m512i at)
{
    return _mm512_permutex2var_ps(v[0], at, v[1]);
}
WITHIN __m512 look64(const __m512 *v, __m512i at)
{
    return _mm512_mask_blend_ps(_mm512_test_epi32_mask(at, _mm512_set1_epi32(32)), look32(v, at),
                                look32(v + 2, at));
}
#define ADD(most)                                                                                            \
    TARGET static void add##most(const float *values, size_t n_values, const uint8_t *leaves, float *sums)   \
    {                                                                                                        \
        __m512 v[most / 16];                                                                                 \
        for (size_t i = 0; i < most / 16; i++) {                                                             \
            size_t left = n_values > 16 * i ? n_values - 16 * i : 0;                                         \
            v[i] = _mm512_maskz_loadu_ps((__mmask16)(left >= 16 ? 0xffff : (1 << left) - 1),                 \
                                         values + 16 * i);                                                   \
        }                                                                                                    \
        for (size_t i = 0; i < MLO_RANK_ROWS; i += 16) {                                                     \
            __m512i at = _mm512_cvtepu8_epi32(_mm_load_si128((const __m128i *)(const void *)(leaves + i)));  \
            _mm512_store_ps(sums + i, _mm512_add_ps(_mm512_load_ps(sums + i), look##most(v, at)));           \
        }                                                                                                    \
    }
ADD(16)
ADD(32)
ADD(64)

static void add(const float *values, size_t n_values, const uint8_t *leaves, float *sums)
{
    if (n_values <= 16)
        add16(values, n_values, leaves, sums);
    else if (n_values <= 32)
        add32(values, n_values, leaves, sums);
    else if (n_values <= 64)
        add64(values, n_values, leaves, sums);
    else
        mlo_tree_add(values, n_values, leaves, sums);
}

const struct mlo_tree_level mlo_tree_avx512 = {
    .name = "avx512",
    .have = have,
    .rows_on = 10,
    .rank = rank,
    .leaves = leaves,
    .add = add,
};

/* ---- one row ---- */

#define TARGET_ROW __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,popcnt")))

static bool have_vbmi(void)
{
    return have() && __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
}

#define CHUNK ((size_t)128) /* trees: all of their answers are written before any is read */

/* The answers of n trees, a multiple of 8. Bit 63 - i: the answer to question i is no. */
TARGET_ROW __attribute__((always_inline)) static inline void
answer(const uint8_t *columns, const uint8_t *below, size_t n, __m512i low, __m512i high, uint64_t *ret)
{
    for (size_t k = 0; k < n; k++, columns += 64, below += 64) {
        __m512i x = _mm512_permutex2var_epi8(low, _mm512_load_si512(columns), high);
        ret[k] = _cvtmask64_u64(_mm512_cmpge_epu8_mask(x, _mm512_load_si512(below)));
    }
}

TARGET_ROW __attribute__((always_inline)) static inline void descend(const uint64_t *answers, size_t n,
                                                                     unsigned depth, uint8_t *ret_leaves)
{
    for (size_t k = 0; k < n; k += 8) {
        __m512i no = _mm512_load_si512(answers + k), at = _mm512_set1_epi64(1);
        for (unsigned d = 0; d < depth; d++)
            at = _mm512_shldi_epi64(at, _mm512_sllv_epi64(no, at), 1);
        at = _mm512_xor_si512(at, _mm512_set1_epi64(1LL << depth));
        _mm_storel_epi64((__m128i *)(void *)(ret_leaves + k), _mm512_cvtepi64_epi8(at));
    }
}

TARGET_ROW static void row(const struct mlo_tree_group *g, const uint8_t *ranks, uint8_t *ret_leaves)
{
    _Alignas(64) uint64_t answers[CHUNK];
    __m512i low = _mm512_load_si512(ranks), high = _mm512_load_si512(ranks + 64);
    for (size_t k = 0, all = (g->n + 7) & ~(size_t)7; k < all; k += CHUNK) {
        size_t n = all - k < CHUNK ? all - k : CHUNK;
        answer(g->row_columns + k * 64, g->row_below + k * 64, n, low, high, answers);
        descend(answers, n, g->depth, ret_leaves + k);
    }
}

const struct mlo_tree_level mlo_tree_avx512_vbmi = {
    .name = "avx512-vbmi",
    .have = have_vbmi,
    .rows = 24,
    .rows_on = 10,
    .rank = rank,
    .leaves = leaves,
    .add = add,
    .row = row,
};
#endif
