/* What the kernels of trees share. */
#ifndef MLO_BACKEND_CPU_TREES_H
#define MLO_BACKEND_CPU_TREES_H

#include <stdbool.h>

#include <mlopsctl/backend.h>

#define MLO_TREE_ROWS    ((size_t)16)  /* of a block */
#define MLO_TREE_COLUMNS ((size_t)256) /* most of a block: it lies on the stack */
#define MLO_TREE_TARGETS ((size_t)32)

/* Does this machine have them? */
bool mlo_trees_have_blocks(void);
/* sums[n_targets][MLO_TREE_ROWS] += votes for the rows of x[columns][MLO_TREE_ROWS]; both aligned to 64. */
void mlo_trees_sum_block(const struct mlo_trees *t, const float *x, float *sums);

#endif
