/* The second form of a forest: see backend.h. */
#ifndef MLO_INFER_FOREST_RANK_H
#define MLO_INFER_FOREST_RANK_H

#include "forest.h"

/* Gives f->trees its groups, unless trees are too large for them or so few that walking is as fast. Needs
 * everything else of the forest. */
int mlo_forest_rank(struct mlo_forest *f, struct mlo_err *err) MLO_MUST_CHECK;

#endif
