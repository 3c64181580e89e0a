/* What the kernels of trees share: one level for each set of instructions. */
#ifndef MLO_BACKEND_CPU_TREES_H
#define MLO_BACKEND_CPU_TREES_H

#include <mlopsctl/backend.h>

struct mlo_tree_level {
    const char *name;
    bool (*have)(void);   /* does this machine? */
    size_t rows, rows_on; /* from how many rows on a block is faster: than `row`, than a walk */
    /* The ranks of a row, `stride` apart. */
    void (*rank)(const struct mlo_tree_group *g, const float *x, uint8_t *ret_ranks, size_t stride);
    /* The leaf of tree `k` of the group for each row of ranks[n_columns][MLO_RANK_ROWS]. */
    void (*leaves)(const struct mlo_tree_group *g, size_t k, const uint8_t *ranks, uint8_t *slots,
                   uint8_t *ret_leaves);
    /* sums[i] += values[leaves[i]] */
    void (*add)(const float *values, size_t n_values, const uint8_t *leaves, float *sums);
    /* NULL, or the leaf of each tree for one row of ranks[MLO_RANK_ROW_COLUMNS]. Written eight
     * at a time. */
    void (*row)(const struct mlo_tree_group *g, const uint8_t *ranks, uint8_t *ret_leaves);
};
/* From the best on; the last is always there. */
extern const struct mlo_tree_level *const mlo_tree_levels[];
extern const struct mlo_tree_level mlo_tree_plain, mlo_tree_avx2, mlo_tree_avx512, mlo_tree_avx512_vbmi;

/* As mlo_trees_*, with this level. */
void mlo_trees_find_at_f32(const struct mlo_tree_level *l, const struct mlo_trees *t, const float *x,
                           size_t n, size_t stride, void *room, uint32_t *ret_leaves);
void mlo_trees_find_at_f64(const struct mlo_tree_level *l, const struct mlo_trees *t, const double *x,
                           size_t n, size_t stride, void *room, uint32_t *ret_leaves);
void mlo_trees_sum_at(const struct mlo_tree_level *l, const struct mlo_trees *t, const float *x, size_t n,
                      size_t stride, void *room, float *scores);

/* ---- trees_walk.c: numbers of leaves ---- */

/* Of one row in all trees; of rows in tree k. The rows have their negated half where trees ask for it. */
void mlo_tree_walk_row_f32(const struct mlo_trees *t, const float *x, uint32_t *ret_leaves);
void mlo_tree_walk_row_f64(const struct mlo_trees *t, const double *x, uint32_t *ret_leaves);
void mlo_tree_walk_rows_f32(const struct mlo_trees *t, size_t k, const float *x, size_t n, size_t stride,
                            uint32_t *ret_leaves);
void mlo_tree_walk_rows_f64(const struct mlo_trees *t, size_t k, const double *x, size_t n, size_t stride,
                            uint32_t *ret_leaves);

/* ---- what levels use of each other ---- */

void mlo_tree_add(const float *values, size_t n_values, const uint8_t *leaves, float *sums);

#endif
