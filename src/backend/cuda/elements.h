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
    const float *x, *offset, *scale;
    float *y;
    size_t n;
    unsigned columns, activation;
};

GPU_KERNEL(gpu_activate_kernel, gpu_elements, ELEMENT_THREADS)
{
    size_t step = (size_t)gridDim.x * ELEMENT_THREADS;
    for (size_t i = (size_t)blockIdx.x * ELEMENT_THREADS + threadIdx.x; i < p->n; i += step)
        p->y[i] = gpu_activate(p->activation, p->x[i]);
}

GPU_KERNEL(gpu_scale_kernel, gpu_elements, ELEMENT_THREADS)
{
    size_t step = (size_t)gridDim.x * ELEMENT_THREADS;
    for (size_t i = (size_t)blockIdx.x * ELEMENT_THREADS + threadIdx.x; i < p->n; i += step)
        p->y[i] = (p->x[i] - p->offset[i % p->columns]) * p->scale[i % p->columns];
}

/* y = x + offset, which is `columns` long. */
GPU_KERNEL(gpu_add_kernel, gpu_elements, ELEMENT_THREADS)
{
    size_t step = (size_t)gridDim.x * ELEMENT_THREADS;
    for (size_t i = (size_t)blockIdx.x * ELEMENT_THREADS + threadIdx.x; i < p->n; i += step)
        p->y[i] = p->x[i] + p->offset[i % p->columns];
}

#endif
