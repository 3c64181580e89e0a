/*
 * Walks through trees without branches: several at a time, so that their chains of loads overlap. One row
 * goes through several trees, a block of rows through one tree after the other. Deep trees are left where
 * nothing moves any more, which is looked at now and then.
 */
#include "trees.h"

#define FLIGHT 8 /* walks at a time */
#define STEPS  4 /* between two looks */

#define WALK(name, number)                                                                                   \
    static inline uint32_t next_##name(const struct mlo_trees *t, const number *x, uint32_t at)              \
    {                                                                                                        \
        const struct mlo_tree_node_##name *n = &t->nodes_##name[at];                                         \
        return n->child + !(x[n->column] <= n->at_most);                                                     \
    }                                                                                                        \
    static bool all_leaves_##name(const struct mlo_trees *t, const uint32_t *at)                             \
    {                                                                                                        \
        bool all = true;                                                                                     \
        for (unsigned k = 0; k < FLIGHT; k++)                                                                \
            all &= t->nodes_##name[at[k]].child + 1 == at[k];                                                \
        return all;                                                                                          \
    }                                                                                                        \
    /* Walk k is of row x + k * stride. */                                                                   \
    static inline void fly_##name(const struct mlo_trees *t, const number *x, size_t stride, uint32_t depth, \
                                  uint32_t *at)                                                              \
    {                                                                                                        \
        uint32_t a[FLIGHT];                                                                                  \
        _Pragma("GCC unroll 8") for (unsigned k = 0; k < FLIGHT; k++) a[k] = at[k];                          \
        for (uint32_t d = 0; d < depth; d++) {                                                               \
            if (d >= 2 * STEPS && d % STEPS == 0 && all_leaves_##name(t, a))                                 \
                break;                                                                                       \
            _Pragma("GCC unroll 8") for (unsigned k = 0; k < FLIGHT; k++)                                    \
                a[k] = next_##name(t, x + k * stride, a[k]);                                                 \
        }                                                                                                    \
        _Pragma("GCC unroll 8") for (unsigned k = 0; k < FLIGHT; k++) at[k] = t->leaf[a[k]];                 \
    }                                                                                                        \
    static uint32_t alone_##name(const struct mlo_trees *t, size_t k, const number *x)                       \
    {                                                                                                        \
        uint32_t at = t->roots[k];                                                                           \
        for (uint32_t d = 0; d < t->depths[k]; d++)                                                          \
            at = next_##name(t, x, at);                                                                      \
        return t->leaf[at];                                                                                  \
    }                                                                                                        \
    void mlo_tree_walk_row_##name(const struct mlo_trees *t, const number *x, uint32_t *ret_leaves)          \
    {                                                                                                        \
        size_t k = 0;                                                                                        \
        for (; k + FLIGHT <= t->n; k += FLIGHT) {                                                            \
            uint32_t depth = 0;                                                                              \
            for (size_t i = k; i < k + FLIGHT; i++) {                                                        \
                ret_leaves[i] = t->roots[i];                                                                 \
                depth = t->depths[i] > depth ? t->depths[i] : depth;                                         \
            }                                                                                                \
            fly_##name(t, x, 0, depth, ret_leaves + k);                                                      \
        }                                                                                                    \
        for (; k < t->n; k++)                                                                                \
            ret_leaves[k] = alone_##name(t, k, x);                                                           \
    }                                                                                                        \
    void mlo_tree_walk_rows_##name(const struct mlo_trees *t, size_t k, const number *x, size_t n,           \
                                   size_t stride, uint32_t *ret_leaves)                                      \
    {                                                                                                        \
        size_t i = 0;                                                                                        \
        for (; i + FLIGHT <= n; i += FLIGHT) {                                                               \
            for (size_t w = i; w < i + FLIGHT; w++)                                                          \
                ret_leaves[w] = t->roots[k];                                                                 \
            fly_##name(t, x + i * stride, stride, t->depths[k], ret_leaves + i);                             \
        }                                                                                                    \
        for (; i < n; i++)                                                                                   \
            ret_leaves[i] = alone_##name(t, k, x + i * stride);                                              \
    }

WALK(f32, float)
WALK(f64, double)
