/*
 * Products of bytes with constant weights: packed once, and the dense layer that passes/quant.c makes of
 * MatMulInteger, what turns its sums into floats, a bias and an activation.
 */
#ifndef MLO_INFER_INT8_H
#define MLO_INFER_INT8_H

#include <mlopsctl/backend.h>

#include "op.h"

struct mlo_int8_weights {
    size_t k, n;
    void *packed;
    void *own;             /* that it lies in; NULL: an arena */
    int32_t *sums, *zeros; /* of each column; zeros NULL: all 0 */
    float *scales, *bias;  /* of each column; NULL: none */
};
/* w a matrix of bytes, [k][columns] or transposed, and zero (NULL: none) one byte, or one for each column? */
bool mlo_int8_fits(const struct mlo_array *w, const struct mlo_array *zero, bool transposed);
/* memory: where packed weights go, which has to outlive them; NULL: their own. */
int mlo_int8_weights_new(const struct mlo_array *w, const struct mlo_array *zero, bool transposed,
                         struct mlo_arena *memory, struct mlo_int8_weights **ret,
                         struct mlo_err *err) MLO_MUST_CHECK;
void mlo_int8_weights_free(void *w);

struct mlo_int8_left { /* the left side of a product */
    const uint8_t *a;
    int32_t zero;
    size_t m;
    int64_t dims[MLO_RANK_MAX]; /* of the left side */
    unsigned rank;
};
/* Input i with its zero point, input zero_i. *ret_good false: not of k columns, or with zero points for each
 * row. */
int mlo_int8_take_left(struct mlo_op_call *c, size_t i, size_t zero_i, size_t k, struct mlo_int8_left *ret,
                       bool *ret_good, struct mlo_err *err) MLO_MUST_CHECK;
/* Without a place for the result, and without scales. Borrows both. */
struct mlo_int8_product mlo_int8_product_of(const struct mlo_int8_weights *w,
                                            const struct mlo_int8_left *left);
#define MLO_INT8_FASTER 4 /* than products of floats, which are what is worth a thread is told in */
/* What it is worth, in operations of floats. */
uint64_t mlo_int8_flops(const struct mlo_int8_product *p);
/* Multiplies rows `from` to before `to`, and activates y; NULL: not. */
void mlo_int8_run_rows(const struct mlo_int8_product *p, size_t from, size_t to,
                       const struct mlo_activation *activation);
/* All rows, in parts beside each other. */
void mlo_int8_run(struct mlo_op_call *c, const struct mlo_int8_product *p);

#endif
