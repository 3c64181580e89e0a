/* The dense layer that fuse_dense.c makes and op_dense.c runs: y = activation(alpha x w + beta b). */
#ifndef MLO_INFER_DENSE_H
#define MLO_INFER_DENSE_H

#include <mlopsctl/backend.h>

#include "op.h"

struct mlo_dense_params { /* inputs: x, w (a constant matrix), b (a constant; may be missing) */
    enum mlo_dtype type;  /* of all: float32, or halves, which are floats while they are computed with */
    float alpha, beta;
    bool transposed;     /* w is [columns][k] */
    bool matrix;         /* x has to be of rank 2 */
    unsigned least_rank; /* of the result: that of b, when it is added to a product */
    struct mlo_activation activation;
};
extern const struct mlo_op mlo_op_dense;

#endif
