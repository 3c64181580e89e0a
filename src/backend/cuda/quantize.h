/* Kernels between floats and bytes: how the bytes of a row or of a whole buffer do, and the bytes. */
#ifndef MLO_BACKEND_CUDA_QUANTIZE_H
#define MLO_BACKEND_CUDA_QUANTIZE_H

#include "elements.h"
#include "rows.h"

#define I8_MOST   127
#define E4M3_MOST 448

struct gpu_quantize {
    const void *x;
    float *how; /* scales, then zeros; EXTREMES: least and greatest of each row */
    void *y;
    size_t n;             /* elements */
    unsigned columns;     /* of a row */
    unsigned bytes_type;  /* I8 or E4M3 */
    unsigned hows;        /* 1, or as many as there are rows */
    const int32_t *first; /* SPAN: of sequences, a block each; NULL: all rows are one */
};

/* NaN becomes what unsigned bytes have as 0. */
GPU_FN uint8_t gpu_whole_byte(float v, float zero)
{
    v = rintf(v) + zero;
    return (uint8_t)(int8_t)(v > I8_MOST ? I8_MOST : v >= -128 ? v : -128);
}

GPU_FN size_t gpu_how_of(const struct gpu_quantize *p, size_t i)
{
    return p->hows > 1 ? i / p->columns : 0;
}

GPU_FN void gpu_put_byte(const struct gpu_quantize *p, size_t i, float v, float scale, float zero)
{
    v /= scale;
    ((uint8_t *)p->y)[i] = p->bytes_type == MLO_DEVICE_I8 ? gpu_whole_byte(v, zero) : gpu_to_e4m3(v);
}

GPU_FN void gpu_quantize_all(const struct gpu_quantize *p, unsigned type)
{
    for (size_t i = gpu_first_element(); i < p->n; i += gpu_element_step()) {
        size_t how = gpu_how_of(p, i);
        gpu_put_byte(p, i, gpu_get(p->x, type, i), p->how[how], p->how[p->hows + how]);
    }
}
GPU_TYPED(gpu_quantize_all, gpu_quantize, ELEMENT_THREADS)

/* A block has a row. */
GPU_FN void gpu_quantize_rows(const struct gpu_quantize *p, unsigned type)
{
    GPU_SHARED(float, shared, ROW_WARPS);
    size_t at = (size_t)blockIdx.x * p->columns;
    float most = 0, bad = 0; /* bad: NaN is in the row */
    for (unsigned i = threadIdx.x; i < p->columns; i += ROW_THREADS) {
        float v = fabsf(gpu_get(p->x, type, at + i));
        most = fmaxf(most, v);
        bad = v >= 0 ? bad : 1;
    }
    most = gpu_block_max(most, shared, ROW_WARPS);
    bad = gpu_block_max(bad, shared, ROW_WARPS);
    float scale = bad != 0    ? NAN
                  : most == 0 ? 1
                              : most / (p->bytes_type == MLO_DEVICE_I8 ? I8_MOST : E4M3_MOST);
    scale = scale > 0 || bad != 0 ? scale : 1; /* numbers too small to have a scale */
    for (unsigned i = threadIdx.x; i < p->columns; i += ROW_THREADS)
        gpu_put_byte(p, at + i, gpu_get(p->x, type, at + i), scale, 0);
    if (threadIdx.x == 0) {
        p->how[blockIdx.x] = scale;
        p->how[p->hows + blockIdx.x] = 0;
    }
}
GPU_TYPED(gpu_quantize_rows, gpu_quantize, ROW_THREADS)

GPU_FN void gpu_extremes_rows(const struct gpu_quantize *p, unsigned type)
{
    GPU_SHARED(float, shared, ROW_WARPS);
    size_t at = (size_t)blockIdx.x * p->columns;
    float down = 0, up = 0;
    for (unsigned i = threadIdx.x; i < p->columns; i += ROW_THREADS) {
        float v = gpu_get(p->x, type, at + i);
        down = fmaxf(down, -v);
        up = fmaxf(up, v);
    }
    down = gpu_block_max(down, shared, ROW_WARPS);
    up = gpu_block_max(up, shared, ROW_WARPS);
    if (threadIdx.x == 0) {
        p->how[(size_t)blockIdx.x * 2] = -down;
        p->how[(size_t)blockIdx.x * 2 + 1] = up;
    }
}
GPU_TYPED(gpu_extremes_rows, gpu_quantize, ROW_THREADS)

/* x: the extremes of n rows. */
GPU_KERNEL(gpu_span_kernel, gpu_quantize, ROW_THREADS)
{
    GPU_SHARED(float, shared, ROW_WARPS);
    const float *x = (const float *)p->x;
    float down = 0, up = 0;
    size_t from = p->first ? (size_t)p->first[blockIdx.x] : 0;
    size_t to = p->first ? (size_t)p->first[blockIdx.x + 1] : p->n;
    to = to <= p->n ? to : p->n;
    for (size_t i = from + threadIdx.x; i < to; i += ROW_THREADS) {
        down = fmaxf(down, -x[2 * i]);
        up = fmaxf(up, x[2 * i + 1]);
    }
    down = gpu_block_max(down, shared, ROW_WARPS);
    up = gpu_block_max(up, shared, ROW_WARPS);
    float scale = (up + down) / 255;
    scale = scale == 0 ? 1 : scale;
    size_t end = p->first ? to : 1; /* as many have this scale */
    for (size_t i = (p->first ? from : 0) + threadIdx.x; i < end; i += ROW_THREADS) {
        p->how[i] = scale;
        p->how[p->hows + i] = rintf(fminf(fmaxf(down / scale, 0), 255)) - 128;
    }
}

GPU_FN float gpu_get_byte(const void *at, unsigned bytes_type, size_t i)
{
    uint8_t v = ((const uint8_t *)at)[i];
    return bytes_type == MLO_DEVICE_I8 ? (float)(int8_t)v : gpu_of_half((uint16_t)gpu_halves_of_e4m3(v));
}

GPU_FN void gpu_dequantize_all(const struct gpu_quantize *p, unsigned type)
{
    for (size_t i = gpu_first_element(); i < p->n; i += gpu_element_step()) {
        size_t how = gpu_how_of(p, i);
        float v = gpu_get_byte(p->x, p->bytes_type, i) - p->how[p->hows + how];
        gpu_put(p->y, type, i, v * p->how[how]);
    }
}
GPU_TYPED(gpu_dequantize_all, gpu_quantize, ELEMENT_THREADS)

#endif
