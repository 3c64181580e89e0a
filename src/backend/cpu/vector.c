/* Which vectors this machine has; functions of many floats go to the widest. */
#include "vector.h"

#include <stdatomic.h>

const struct mlo_vector *mlo_vector_of(enum mlo_vector_kind kind)
{
#if defined(__x86_64__)
    if (kind == MLO_VECTOR_AVX512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
                   ? &mlo_vector_avx512
                   : NULL;
    if (kind == MLO_VECTOR_AVX2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &mlo_vector_avx2 : NULL;
#endif
    return kind == MLO_VECTOR_PLAIN ? &mlo_vector_plain : NULL;
}

static const struct mlo_vector *widest(void)
{
    static const struct mlo_vector *_Atomic found;
    const struct mlo_vector *v = atomic_load_explicit(&found, memory_order_relaxed);
    for (int kind = MLO_VECTOR_KINDS; !v && kind-- > 0;)
        v = mlo_vector_of((enum mlo_vector_kind)kind);
    atomic_store_explicit(&found, v, memory_order_relaxed);
    return v;
}

void mlo_exp_f32(const float *x, float *y, size_t n)
{
    widest()->exp(x, y, n);
}

void mlo_erf_f32(const float *x, float *y, size_t n)
{
    widest()->erf(x, y, n);
}

void mlo_tanh_f32(const float *x, float *y, size_t n)
{
    widest()->tanh(x, y, n);
}

void mlo_sigmoid_f32(const float *x, float *y, size_t n)
{
    widest()->sigmoid(x, y, n);
}

void mlo_gelu_f32(const float *x, float *y, size_t n)
{
    widest()->gelu(x, y, n);
}

void mlo_gelu_tanh_f32(const float *x, float *y, size_t n)
{
    widest()->gelu_tanh(x, y, n);
}

void mlo_softmax_f32(const float *x, float *y, size_t rows, size_t n)
{
    const struct mlo_vector *v = widest();
    for (size_t r = 0; r < rows; r++)
        v->softmax(x + r * n, y + r * n, n);
}

void mlo_normalize_f32(const struct mlo_normalize *p)
{
    widest()->normalize(p);
}

void mlo_extremes_f32(const float *x, size_t n, float *ret_least, float *ret_greatest)
{
    widest()->extremes(x, n, ret_least, ret_greatest);
}

void mlo_quantize_f32(const struct mlo_quantize *p)
{
    widest()->quantize(p);
}

#define ROUNDED_TO 16 /* the widest vector */

bool mlo_attention_scratch(const struct mlo_attention *p, size_t *ret_floats)
{
    size_t room = p->keys + ROUNDED_TO, rows = p->size + MLO_ATTEND_ROWS;
    return room >= ROUNDED_TO && rows >= MLO_ATTEND_ROWS && !__builtin_mul_overflow(room, rows, ret_floats);
}

void mlo_attention_f32(const struct mlo_attention *p)
{
    widest()->attend(p);
}
