/* Steps that passes make of blocks of transformers (block.c), and of products of bytes (int8.c,
 * int8_conv.c). */
#ifndef MLO_INFER_BLOCK_H
#define MLO_INFER_BLOCK_H

#include <mlopsctl/backend.h>

#include "op.h"

struct mlo_gelu_params { /* input: x, of float32 */
    bool tanh;
};
extern const struct mlo_op mlo_op_gelu;

/* Inputs: x, scale, bias (may be missing), plus (may be missing): normalised is x + plus. Outputs: the
 * result, x + plus. */
struct mlo_layer_norm_params {
    float epsilon;
};
extern const struct mlo_op mlo_op_layer_norm;

/* Inputs: q, k, v of [batch][rows][heads][size], and a mask (may be missing) that fits to
 * [batch][heads][rows][keys]. Output: [batch][rows][heads][size of v]. */
struct mlo_heads_params {
    float scale;
};
extern const struct mlo_op mlo_op_heads;

/* Inputs: [batch][rows][q k v][heads][size] of rank 3, which one product makes, and a mask as of Heads.
 * Output: [batch][rows][heads * size]. */
struct mlo_joined_heads_params {
    float scale;
    size_t heads, size;
};
extern const struct mlo_op mlo_op_joined_heads;

/* A list of whole numbers: input i's dimension `number`, or, without an input, that number. */
#define MLO_SHAPE_ITEMS 8
struct mlo_shape_item {
    bool constant;
    int64_t number;
};
struct mlo_shape_params {
    struct mlo_shape_item items[MLO_SHAPE_ITEMS];
    size_t n;
};
extern const struct mlo_op mlo_op_shape;

/*
 * Inputs: bytes, their zero point and scale, and for each part weights (constant, with zero points and scales
 * that are, too), zero points, scales, bias (may be missing). The columns of parts stand side by side.
 */
struct mlo_int8_dense_params {
    size_t parts;
    bool transposed; /* weights are [columns][k] */
    bool matrix;     /* the bytes have to be of rank 2 */
    struct mlo_activation activation;
};
extern const struct mlo_op mlo_op_int8_dense;

/* Inputs: as those of one part, weights as a Conv has them, scales and zero points one for all or one a
 * kernel. */
struct mlo_int8_conv_params {
    const struct mlo_node *conv; /* has the attributes; the model's */
    size_t groups;
    struct mlo_activation activation;
};
extern const struct mlo_op mlo_op_int8_conv;

#endif
