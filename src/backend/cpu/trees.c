/*
 * Walks through trees without branches: several trees at a time, so that their chains of loads overlap.
 * Deep trees are left where nothing moves any more, which is looked at now and then.
 */
#include <string.h>

#include "trees.h"

#define FLIGHT 8 /* trees at a time */
#define STEPS  4 /* between two looks */

static uint32_t greatest(const uint32_t *v, size_t n)
{
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++)
        most = v[i] > most ? v[i] : most;
    return most;
}

#define FIND(name, number)                                                                                   \
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
    static inline void walk_##name(const struct mlo_trees *t, const number *x, const uint32_t *roots,        \
                                   uint32_t depth, uint32_t *leaves)                                         \
    {                                                                                                        \
        uint32_t at[FLIGHT];                                                                                 \
        _Pragma("GCC unroll 8") for (unsigned k = 0; k < FLIGHT; k++) at[k] = roots[k];                      \
        for (uint32_t d = 0; d < depth; d++) {                                                               \
            if (d >= 2 * STEPS && d % STEPS == 0 && all_leaves_##name(t, at))                                \
                break;                                                                                       \
            _Pragma("GCC unroll 8") for (unsigned k = 0; k < FLIGHT; k++) at[k] = next_##name(t, x, at[k]);  \
        }                                                                                                    \
        _Pragma("GCC unroll 8") for (unsigned k = 0; k < FLIGHT; k++) leaves[k] = at[k];                     \
    }                                                                                                        \
    void mlo_trees_find_##name(const struct mlo_trees *t, const number *x, uint32_t *ret_leaves)             \
    {                                                                                                        \
        size_t k = 0;                                                                                        \
        for (; k + FLIGHT <= t->n; k += FLIGHT)                                                              \
            walk_##name(t, x, t->roots + k, greatest(t->depths + k, FLIGHT), ret_leaves + k);                \
        for (; k < t->n; k++) {                                                                              \
            ret_leaves[k] = t->roots[k];                                                                     \
            for (uint32_t d = 0; d < t->depths[k]; d++)                                                      \
                ret_leaves[k] = next_##name(t, x, ret_leaves[k]);                                            \
        }                                                                                                    \
    }

FIND(f32, float)
FIND(f64, double)

static void sum_walks(const struct mlo_trees *t, const float *x, size_t n, size_t stride, uint32_t *leaves,
                      float *scores)
{
    for (size_t i = 0; i < n; i++, x += stride, scores += t->n_targets) {
        float sum = scores[0]; /* of one target: not through memory */
        mlo_trees_find_f32(t, x, leaves);
        for (size_t k = 0; k < t->n && t->n_targets == 1; k++)
            sum += t->values[leaves[k]];
        scores[0] = sum;
        for (size_t k = 0; k < t->n && t->n_targets > 1; k++)
            scores[t->targets[k]] += t->values[leaves[k]];
    }
}

/* As many rows as a block has: columns side by side, and scores back. */
static void sum_block(const struct mlo_trees *t, const float *x, size_t stride, float *scores)
{
    _Alignas(64) float columns[MLO_TREE_COLUMNS * MLO_TREE_ROWS];
    _Alignas(64) float sums[MLO_TREE_TARGETS * MLO_TREE_ROWS];
    for (size_t i = 0; i < MLO_TREE_ROWS; i++)
        for (size_t k = 0; k < t->n_columns; k++)
            columns[k * MLO_TREE_ROWS + i] = x[i * stride + k];
    for (size_t i = 0; i < MLO_TREE_ROWS; i++)
        for (size_t k = 0; k < t->n_targets; k++)
            sums[k * MLO_TREE_ROWS + i] = scores[i * t->n_targets + k];
    mlo_trees_sum_block(t, columns, sums);
    for (size_t i = 0; i < MLO_TREE_ROWS; i++)
        for (size_t k = 0; k < t->n_targets; k++)
            scores[i * t->n_targets + k] = sums[k * MLO_TREE_ROWS + i];
}

void mlo_trees_sum_f32(const struct mlo_trees *t, const float *x, size_t n, size_t stride, uint32_t *leaves,
                       float *scores)
{
    bool blocks = t->questions && t->n_columns <= MLO_TREE_COLUMNS && t->n_targets <= MLO_TREE_TARGETS &&
                  n >= MLO_TREE_ROWS && mlo_trees_have_blocks();
    for (; blocks && n >= MLO_TREE_ROWS; n -= MLO_TREE_ROWS) {
        sum_block(t, x, stride, scores);
        x += MLO_TREE_ROWS * stride;
        scores += MLO_TREE_ROWS * t->n_targets;
    }
    sum_walks(t, x, n, stride, leaves, scores);
}
