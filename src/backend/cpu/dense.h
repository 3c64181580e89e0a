/*
 * Kernels of dense layers, once for each kind of machine: dense_body.h holds the code, vector_*.c compile it.
 * Weights lie in panels: as many columns as two vectors hold, row after row, so that a kernel reads them from
 * one end to the other. The last panel is one vector wide where that is enough; what is too much is 0.
 */
#ifndef MLO_BACKEND_CPU_DENSE_H
#define MLO_BACKEND_CPU_DENSE_H

#include <stdbool.h>

#include "vector.h"

struct mlo_dense_tile { /* c = bias + a b: some rows, the columns of one panel */
    const float *a;
    size_t a_row;
    const float *b, *bias; /* of the panel; aligned to 64 */
    const float *ahead;    /* half as long as the panel: what is read next, perhaps not there */
    size_t k, n;           /* n: columns that count */
    float *c;
    size_t c_row;
};
#define MLO_DOT_COLUMNS    4    /* so few have rows of weights instead of panels */
#define MLO_DENSE_LIST_MAX 2048 /* elements of a row that is searched for zeros */

struct mlo_dense_kernels {
    size_t lanes, rows;                                         /* of a vector; of a tile at most */
    void (*const *tile)(const struct mlo_dense_tile *t);        /* by rows - 1; a panel of two vectors */
    void (*const *tile_narrow)(const struct mlo_dense_tile *t); /* of one */
    /* One row by two panels; n counts the columns of both. */
    void (*row_pair)(const struct mlo_dense_tile *t);
    /* One row, only the elements in the list, by two panels (4 vectors), one (2), or a narrow one. */
    void (*row_of_list)(const struct mlo_dense_tile *t, unsigned vectors, const uint16_t *list, size_t n);
    /* Lists the elements that are not 0; room for one vector more. */
    size_t (*nonzero)(const float *x, size_t k, uint16_t *list);
    void (*const *dots)(const struct mlo_dense_tile *t, size_t rows); /* by columns - 1 */
    void (*bend)(const struct mlo_activation *a, float *y, size_t n); /* RELU, LEAKY_RELU, CLIP */
};

/* NULL: not for this machine. */
const struct mlo_dense_kernels *mlo_dense_kernels_of(enum mlo_vector_kind kind);
const struct mlo_dense_kernels *mlo_dense_widest(void);
/* m rows, tile by tile, of one panel: of two vectors, or a narrow one. */
void mlo_dense_panel(const struct mlo_dense_kernels *kernels, struct mlo_dense_tile t, bool narrow, size_t m);
/* As mlo_matmul_f32, of dense rows of a (a_col 1), for this kind of machine. */
void mlo_matmul_panels(const struct mlo_dense_kernels *kernels, const struct mlo_matmul *p);
/* As mlo_dense_new, for this kind of machine. */
int mlo_dense_make(const struct mlo_dense_weights *from, const struct mlo_dense_kernels *kernels,
                   struct mlo_dense **ret, struct mlo_err *err) MLO_MUST_CHECK;

extern const struct mlo_dense_kernels mlo_dense_plain;
#if defined(__x86_64__)
extern const struct mlo_dense_kernels mlo_dense_avx2, mlo_dense_avx512;
#endif

#endif
