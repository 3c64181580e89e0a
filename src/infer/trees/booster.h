/* A booster as the one node of a model. */
#ifndef MLO_INFER_BOOSTER_H
#define MLO_INFER_BOOSTER_H

#include "forest.h"

struct mlo_booster_params { /* of the node */
    const struct mlo_booster *booster;
    struct mlo_forest forest;
};

#endif
