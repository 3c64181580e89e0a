/* The second form of a forest: see backend.h. */
#ifndef MLO_INFER_FOREST_RANK_H
#define MLO_INFER_FOREST_RANK_H

#include "forest.h"

/* The limits of a forest: of each column in their order, equal ones once. */
struct mlo_forest_limit {
    uint64_t key;  /* of its double, in the order of doubles */
    uint32_t node; /* one that asks for it */
    uint32_t column;
};
struct mlo_forest_limits {
    struct mlo_forest_limit *list;
    size_t *first;    /* of each column and one more: its limits */
    uint32_t *id;     /* of each node: its limit; MLO_NO_LIMIT: it is a leaf, or answers no to all numbers */
    size_t n_columns; /* of negated ones, too, when there are any */
};
#define MLO_NO_LIMIT UINT32_MAX
/* All of it is in `memory`. The forest has fewer nodes than MLO_NO_LIMIT. */
int mlo_forest_limits(const struct mlo_forest *f, struct mlo_arena *memory, struct mlo_forest_limits *ret,
                      struct mlo_err *err) MLO_MUST_CHECK;
bool mlo_forest_is_leaf(const struct mlo_forest *f, size_t node);
/* One beyond the last node of a tree. */
size_t mlo_forest_tree_end(const struct mlo_forest *f, size_t tree);

/* Gives f->trees its groups, unless trees are too large for them or so few that walking is as fast. Needs
 * everything else of the forest. */
int mlo_forest_rank(struct mlo_forest *f, struct mlo_err *err) MLO_MUST_CHECK;

#endif
