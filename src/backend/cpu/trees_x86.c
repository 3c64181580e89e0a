/*
 * Batches of rows through shallow trees: each question of a tree is asked of 16 rows at once, then answers
 * are chosen from the leaves up. More questions than a walk asks, but no jumps and no chains of loads. The
 * same leaves, added in the same order, as the walk.
 */
#include "trees.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f")))
#define INLINE __attribute__((target("avx512f"), always_inline)) static inline

bool mlo_trees_have_blocks(void)
{
    return __builtin_cpu_supports("avx512f");
}

INLINE __m512 ask0(const struct mlo_tree_question *q, const float *leaves, const float *x)
{
    (void)q;
    (void)x;
    return _mm512_set1_ps(*leaves);
}
#define ASK(depth, below)                                                                                    \
    INLINE __m512 ask##depth(const struct mlo_tree_question *q, const float *leaves, const float *x)         \
    {                                                                                                        \
        __m512 yes = ask##below(q + 1, leaves, x);                                                           \
        __m512 no = ask##below(q + (1 << below), leaves + (1 << below), x);                                  \
        __mmask16 m = _mm512_cmp_ps_mask(_mm512_load_ps(x + (size_t)q->column * MLO_TREE_ROWS),              \
                                         _mm512_set1_ps(q->at_most), _CMP_LE_OQ);                            \
        return _mm512_mask_blend_ps(m, no, yes);                                                             \
    }                                                                                                        \
    AVX512 static void sum##depth(const struct mlo_trees *t, const float *x, float *sums)                    \
    {                                                                                                        \
        const struct mlo_tree_question *q = t->questions;                                                    \
        const float *leaves = t->filled;                                                                     \
        for (size_t k = 0; k < t->n; k++, q += (1 << depth) - 1, leaves += 1 << depth) {                     \
            float *sum = sums + t->targets[k] * MLO_TREE_ROWS;                                               \
            _mm512_store_ps(sum, _mm512_add_ps(_mm512_load_ps(sum), ask##depth(q, leaves, x)));              \
        }                                                                                                    \
    }
ASK(1, 0)
ASK(2, 1)
ASK(3, 2)
ASK(4, 3)
ASK(5, 4)
ASK(6, 5)

void mlo_trees_sum_block(const struct mlo_trees *t, const float *x, float *sums)
{
    static void (*const by_depth[])(const struct mlo_trees *t, const float *x,
                                    float *sums) = {sum1, sum2, sum3, sum4, sum5, sum6};
    by_depth[t->filled_depth - 1](t, x, sums);
}
#else
bool mlo_trees_have_blocks(void)
{
    return false;
}
void mlo_trees_sum_block(const struct mlo_trees *t, const float *x, float *sums)
{
    (void)t;
    (void)x;
    (void)sums;
}
#endif
