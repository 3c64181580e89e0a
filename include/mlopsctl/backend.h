/*
 * Kernels: numbers in, numbers out, on arrays that the caller owns. They know nothing of models. Strides are
 * in elements. The CPU's are always there; which instructions they use is found out once.
 */
#ifndef MLOPSCTL_BACKEND_H
#define MLOPSCTL_BACKEND_H

#include <stddef.h>
#include <stdint.h>

/* c[m][n] = a[m][k] b[k][n]; c is dense in its rows. Nothing may overlap. */
struct mlo_matmul {
    size_t m, n, k;
    const void *a, *b;
    void *c;
    size_t a_row, a_col, b_row, b_col, c_row;
};
void mlo_matmul_f32(const struct mlo_matmul *p);
void mlo_matmul_f64(const struct mlo_matmul *p);
void mlo_matmul_i64(const struct mlo_matmul *p); /* wraps around */

#endif
