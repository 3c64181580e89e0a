/* Kernels of single numbers: activations, scalers, sums. */
#ifndef MLO_BACKEND_CUDA_ELEMENTS_H
#define MLO_BACKEND_CUDA_ELEMENTS_H

#include <mlopsctl/device.h>

#include "gpu.h"

#define ELEMENT_THREADS 256
#define ELEMENT_BLOCKS  4096 /* most; each thread takes more numbers then */

GPU_FN float gpu_activate(unsigned activation, float x)
{
    switch (activation) {
    case MLO_DEVICE_RELU:
        return x < 0 ? 0 : x; /* NaN stays */
    case MLO_DEVICE_SIGMOID:
        return 1 / (1 + expf(-x));
    case MLO_DEVICE_TANH:
        return tanhf(x);
    case MLO_DEVICE_GELU:
        return 0.5f * x * (1 + erff(x * 0.70710678f));
    case MLO_DEVICE_GELU_TANH:
        return 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    default:
        return x;
    }
}

struct gpu_elements {
    const void *x, *offset;
    const float *scale;
    void *y;
    size_t n;
    unsigned columns, activation, from; /* from: the type of x, to convert */
};

GPU_FN size_t gpu_first_element(void)
{
    return (size_t)blockIdx.x * ELEMENT_THREADS + threadIdx.x;
}

GPU_FN size_t gpu_element_step(void)
{
    return (size_t)gridDim.x * ELEMENT_THREADS;
}

GPU_FN void gpu_activate_all(const struct gpu_elements *p, unsigned type)
{
    for (size_t i = gpu_first_element(); i < p->n; i += gpu_element_step())
        gpu_put(p->y, type, i, gpu_activate(p->activation, gpu_get(p->x, type, i)));
}
GPU_TYPED(gpu_activate_all, gpu_elements, ELEMENT_THREADS)

/* y = x + offset, which is `columns` long. */
GPU_FN void gpu_add_all(const struct gpu_elements *p, unsigned type)
{
    for (size_t i = gpu_first_element(); i < p->n; i += gpu_element_step())
        gpu_put(p->y, type, i, gpu_get(p->x, type, i) + gpu_get(p->offset, type, i % p->columns));
}
GPU_TYPED(gpu_add_all, gpu_elements, ELEMENT_THREADS)

GPU_FN void gpu_convert_all(const struct gpu_elements *p, unsigned type)
{
    for (size_t i = gpu_first_element(); i < p->n; i += gpu_element_step())
        gpu_put(p->y, type, i,
                p->from == MLO_DEVICE_I64   ? (float)((const int64_t *)p->x)[i]
                : p->from == MLO_DEVICE_F64 ? (float)((const double *)p->x)[i]
                                            : gpu_get(p->x, p->from, i));
}
GPU_TYPED(gpu_convert_all, gpu_elements, ELEMENT_THREADS)

struct gpu_swap {
    const void *x;
    void *y;
    size_t n;                     /* numbers in all */
    unsigned rows, columns, each; /* each: numbers that stay together */
};

GPU_FN void gpu_swap_all(const struct gpu_swap *p, unsigned type)
{
    for (size_t i = gpu_first_element(); i < p->n; i += gpu_element_step()) {
        size_t group = i / p->each, row = group % p->rows, column = group / p->rows % p->columns;
        size_t batch = group / p->rows / p->columns, from = (batch * p->rows + row) * p->columns + column;
        gpu_put(p->y, type, i, gpu_get(p->x, type, from * p->each + i % p->each));
    }
}
GPU_TYPED(gpu_swap_all, gpu_swap, ELEMENT_THREADS)

/* Bytes from one memory to another, of which one may be the host's: both begin at a multiple of 16. */
struct gpu_bytes_moved {
    const void *from;
    void *to;
    size_t bytes;
};

GPU_KERNEL(gpu_move_kernel, gpu_bytes_moved, ELEMENT_THREADS)
{
    size_t fours = p->bytes / sizeof(float4);
    for (size_t i = gpu_first_element(); i < fours; i += gpu_element_step())
        ((float4 *)p->to)[i] = ((const float4 *)p->from)[i];
    for (size_t i = fours * sizeof(float4) + gpu_first_element(); i < p->bytes; i += gpu_element_step())
        ((uint8_t *)p->to)[i] = ((const uint8_t *)p->from)[i];
}

GPU_KERNEL(gpu_scale_kernel, gpu_elements, ELEMENT_THREADS)
{
    for (size_t i = gpu_first_element(); i < p->n; i += gpu_element_step())
        ((float *)p->y)[i] = (((const float *)p->x)[i] - ((const float *)p->offset)[i % p->columns]) *
                             p->scale[i % p->columns];
}

#endif
