/*
 * Functions of many floats, once for each kind of machine. vector_body.h holds the code; vector_*.c compile
 * it for vectors of 16, 8 and 4 floats.
 */
#ifndef MLO_BACKEND_CPU_VECTOR_H
#define MLO_BACKEND_CPU_VECTOR_H

#include <mlopsctl/backend.h>

struct mlo_vector {
    void (*exp)(const float *x, float *y, size_t n);
    void (*erf)(const float *x, float *y, size_t n);
    void (*tanh)(const float *x, float *y, size_t n);
    void (*sigmoid)(const float *x, float *y, size_t n);
    void (*gelu)(const float *x, float *y, size_t n);
    void (*gelu_tanh)(const float *x, float *y, size_t n);
    void (*softmax)(const float *x, float *y, size_t n); /* one row */
    void (*normalize)(const struct mlo_normalize *p);
    void (*extremes)(const float *x, size_t n, float *ret_least, float *ret_greatest);
    void (*quantize)(const struct mlo_quantize *p);
    void (*attend)(const struct mlo_attention *p);
};
#define MLO_ATTEND_ROWS 8 /* most whose scores are in scratch together */

enum mlo_vector_kind { MLO_VECTOR_PLAIN, MLO_VECTOR_AVX2, MLO_VECTOR_AVX512, MLO_VECTOR_KINDS };

/* NULL: not for this machine. */
const struct mlo_vector *mlo_vector_of(enum mlo_vector_kind kind);

extern const struct mlo_vector mlo_vector_plain;
#if defined(__x86_64__)
extern const struct mlo_vector mlo_vector_avx2, mlo_vector_avx512;
#endif

#endif
