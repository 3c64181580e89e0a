/*
 * Kernels of dense layers, y = activation(x w' + bias): for few rows, where reading the weights is all the
 * work, and for any size, where cuBLASLt is not there.
 */
#ifndef MLO_BACKEND_CUDA_PRODUCT_H
#define MLO_BACKEND_CUDA_PRODUCT_H

#include "elements.h"

#define FEW_ROWS    MLO_DEVICE_FEW_ROWS /* most of the first kernel */
#define FEW_THREADS 128
#define FEW_WARPS   (FEW_THREADS / GPU_WARP)

struct gpu_dense {
    const void *x, *w, *bias; /* bias NULL: none */
    void *y;
    unsigned m, n, k, activation, type;
};

GPU_FN void gpu_dense_store(const struct gpu_dense *p, unsigned row, unsigned column, float sum,
                            unsigned type)
{
    sum += p->bias ? gpu_get(p->bias, type, column) : 0;
    gpu_put(p->y, type, (size_t)row * p->n + column, gpu_activate(p->activation, sum));
}

/* Numbers i to i + 3; i is a multiple of 4. */
GPU_FN float4 gpu_get_four(const void *at, unsigned type, size_t i)
{
    if (type == MLO_DEVICE_F32)
        return ((const float4 *)at)[i / 4];
    uint64_t all = ((const uint64_t *)at)[i / 4];
    uint16_t part[4] = {(uint16_t)all, (uint16_t)(all >> 16), (uint16_t)(all >> 32), (uint16_t)(all >> 48)};
    float4 four = {gpu_get(part, type, 0), gpu_get(part, type, 1), gpu_get(part, type, 2),
                   gpu_get(part, type, 3)};
    return four;
}

/* A warp has a column of y, that is a row of w, which is read once for all rows of x; `rows` is a constant,
 * so that the sums are registers. Rows that are not there repeat the last one. */
GPU_FN void gpu_dot_rows(const struct gpu_dense *p, unsigned rows, bool in_fours, unsigned type)
{
    unsigned column = blockIdx.x * FEW_WARPS + threadIdx.x / GPU_WARP, lane = threadIdx.x % GPU_WARP;
    unsigned step = in_fours ? 4 : 1;
    float sum[FEW_ROWS] = {0};
    if (column >= p->n)
        return;
    size_t w = (size_t)column * p->k;
    for (unsigned i = lane * step; i < p->k; i += GPU_WARP * step) {
        float4 a = {0, 0, 0, 0};
        if (in_fours)
            a = gpu_get_four(p->w, type, w + i);
        else
            a.x = gpu_get(p->w, type, w + i);
        GPU_UNROLL
        for (unsigned r = 0; r < rows; r++) {
            size_t x = (size_t)(r < p->m ? r : p->m - 1) * p->k + i;
            if (in_fours) {
                float4 b = gpu_get_four(p->x, type, x);
                sum[r] += a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w;
            } else {
                sum[r] += a.x * gpu_get(p->x, type, x);
            }
        }
    }
    GPU_UNROLL
    for (unsigned r = 0; r < rows; r++) {
        float all = gpu_warp_sum(sum[r]);
        if (lane == 0 && r < p->m)
            gpu_dense_store(p, r, column, all, type);
    }
}

GPU_FN void gpu_one_row(const struct gpu_dense *p, unsigned type)
{
    gpu_dot_rows(p, 1, true, type);
}
GPU_TYPED(gpu_one_row, gpu_dense, FEW_THREADS)

GPU_FN void gpu_few_rows(const struct gpu_dense *p, unsigned type)
{
    gpu_dot_rows(p, FEW_ROWS, true, type);
}
GPU_TYPED(gpu_few_rows, gpu_dense, FEW_THREADS)

/* k is not a multiple of 4. */
GPU_FN void gpu_odd_rows(const struct gpu_dense *p, unsigned type)
{
    gpu_dot_rows(p, FEW_ROWS, false, type);
}
GPU_TYPED(gpu_odd_rows, gpu_dense, FEW_THREADS)

#define TILE         64 /* rows and columns of y that a block has */
#define TILE_K       16 /* of k at a time */
#define TILE_SIDE    16 /* threads along rows and along columns: each has 4 x 4 numbers of y */
#define TILE_EACH    (TILE / TILE_SIDE)
#define TILE_THREADS (TILE_SIDE * TILE_SIDE)
#define TILE_STRIDE  (TILE + 4) /* keeps columns of a tile in different banks */

/* A tile of x or w, turned: to[k][row]. Zeros beyond its end. */
GPU_FN void gpu_load_tile(const void *from, unsigned type, unsigned first, unsigned rows, unsigned k0,
                          unsigned k, float *to)
{
    for (unsigned i = threadIdx.x; i < TILE * TILE_K; i += TILE_THREADS) {
        unsigned row = i / TILE_K, column = i % TILE_K;
        bool is_there = first + row < rows && k0 + column < k;
        to[column * TILE_STRIDE + row] = is_there
                                             ? gpu_get(from, type, (size_t)(first + row) * k + k0 + column)
                                             : 0;
    }
}

GPU_FN void gpu_tiles(const struct gpu_dense *p, unsigned type)
{
    GPU_SHARED(float, a, TILE_K *TILE_STRIDE);
    GPU_SHARED(float, b, TILE_K *TILE_STRIDE);
    unsigned side = threadIdx.x / TILE_SIDE * TILE_EACH, along = threadIdx.x % TILE_SIDE * TILE_EACH;
    unsigned row0 = blockIdx.x * TILE, column0 = blockIdx.y * TILE;
    float sum[TILE_EACH][TILE_EACH] = {{0}};
    for (unsigned k0 = 0; k0 < p->k; k0 += TILE_K) {
        __syncthreads();
        gpu_load_tile(p->x, type, row0, p->m, k0, p->k, a);
        gpu_load_tile(p->w, type, column0, p->n, k0, p->k, b);
        __syncthreads();
        for (unsigned k = 0; k < TILE_K; k++)
            for (unsigned i = 0; i < TILE_EACH; i++)
                for (unsigned j = 0; j < TILE_EACH; j++)
                    sum[i][j] += a[k * TILE_STRIDE + side + i] * b[k * TILE_STRIDE + along + j];
    }
    for (unsigned i = 0; i < TILE_EACH; i++)
        for (unsigned j = 0; j < TILE_EACH; j++)
            if (row0 + side + i < p->m && column0 + along + j < p->n)
                gpu_dense_store(p, row0 + side + i, column0 + along + j, sum[i][j], type);
}
GPU_TYPED(gpu_tiles, gpu_dense, TILE_THREADS)

#endif
