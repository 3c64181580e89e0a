/* The dense layer that passes/dense.c makes and dense.c runs: y = activation(alpha x w + beta b). */
#ifndef MLO_INFER_DENSE_H
#define MLO_INFER_DENSE_H

#include <mlopsctl/backend.h>

#include "op.h"

#define MLO_DENSE_PARTS_MAX    3
#define MLO_DENSE_SAME_COLUMNS 64 /* pairs of panels: one row is summed in the same order in each */

/* Inputs: x, and for each part w (a constant matrix) and b (a constant; may be missing). The columns of parts
 * stand side by side. */
struct mlo_dense_params {
    size_t parts;        /* more than one: of float32, not transposed */
    enum mlo_dtype type; /* of all: float32, or halves, which are floats while they are computed with */
    float alpha, beta;
    bool transposed;     /* w is [columns][k] */
    bool matrix;         /* x has to be of rank 2 */
    unsigned least_rank; /* of the result: that of b, when it is added to a product */
    struct mlo_activation activation;
};
extern const struct mlo_op mlo_op_dense;

#endif
