/* Trees in ranks with AVX2: 32 rows at a time. */
#if defined(__x86_64__)
#include <immintrin.h>

#define VEC                          __m256i
#define TARGET                       __attribute__((target("avx2,popcnt")))
#define LOAD(p)                      _mm256_load_si256((const __m256i *)(const void *)(p))
#define STORE(p, v)                  _mm256_store_si256((__m256i *)(void *)(p), v)
#define ONE(byte)                    _mm256_set1_epi8((char)(byte))
#define BYTES(below)                 _mm256_set1_epi32((int)(below))
#define CHOOSE(rank, below, yes, no) choose(rank, below, yes, no)

/* There is no comparison of unsigned bytes: the greater of two is the rank when it is not less. */
TARGET __attribute__((always_inline)) static inline VEC choose(VEC rank, VEC below, VEC yes, VEC no)
{
    return _mm256_blendv_epi8(yes, no, _mm256_cmpeq_epi8(_mm256_max_epu8(rank, below), rank));
}

TARGET __attribute__((always_inline)) static inline unsigned below16(const float *limits, float x)
{
    __m256 all = _mm256_set1_ps(x);
    int low = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(limits), all, _CMP_LT_OQ));
    int high = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(limits + 8), all, _CMP_LT_OQ));
    return (unsigned)__builtin_popcount((unsigned)(low | high << 8));
}

#include "trees_body.h"

static bool have(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
}

const struct mlo_tree_level mlo_tree_avx2 = {
    .name = "avx2",
    .have = have,
    .rows_on = 12,
    .rank = rank,
    .leaves = leaves,
    .add = mlo_tree_add,
};
#endif
