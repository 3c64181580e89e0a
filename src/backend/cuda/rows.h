/* Kernels of rows: layer norm, embeddings, softmax, pooling. A block or a warp has a row to itself. */
#ifndef MLO_BACKEND_CUDA_ROWS_H
#define MLO_BACKEND_CUDA_ROWS_H

#include "gpu.h"

#define ROW_THREADS 128
#define ROW_WARPS   (ROW_THREADS / GPU_WARP)

struct gpu_norm {
    const float *x, *plus, *scale, *bias; /* plus NULL: none */
    float *y;
    unsigned n;
    float epsilon;
};

/* The row that the threads of the block have put into `row`, each its own columns. Two passes: a variance as
 * the mean of squares less the square of the mean would lose all digits of rows far from 0. */
GPU_FN void norm_row(const float *row, const float *scale, const float *bias, float *y, unsigned n,
                     float epsilon)
{
    GPU_SHARED(float, sums, ROW_WARPS);
    float sum = 0, squares = 0;
    for (unsigned i = threadIdx.x; i < n; i += ROW_THREADS)
        sum += row[i];
    float mean = gpu_block_sum(sum, sums, ROW_WARPS) / (float)n;
    for (unsigned i = threadIdx.x; i < n; i += ROW_THREADS)
        squares += (row[i] - mean) * (row[i] - mean);
    float by = 1 / sqrtf(gpu_block_sum(squares, sums, ROW_WARPS) / (float)n + epsilon);
    for (unsigned i = threadIdx.x; i < n; i += ROW_THREADS)
        y[i] = (row[i] - mean) * by * scale[i] + bias[i];
}

GPU_KERNEL(gpu_norm_kernel, gpu_norm, ROW_THREADS)
{
    float *row = (float *)gpu_room;
    size_t at = (size_t)blockIdx.x * p->n;
    for (unsigned i = threadIdx.x; i < p->n; i += ROW_THREADS)
        row[i] = p->x[at + i] + (p->plus ? p->plus[at + i] : 0);
    norm_row(row, p->scale, p->bias, p->y + at, p->n, p->epsilon);
}

struct gpu_embed {
    const int32_t *ids, *places, *types; /* types NULL: none */
    const float *word, *position, *kind, *scale, *bias;
    float *y;
    unsigned n, n_words, n_places, n_types;
    float epsilon;
};

GPU_KERNEL(gpu_embed_kernel, gpu_embed, ROW_THREADS)
{
    float *row = (float *)gpu_room;
    unsigned id = (unsigned)p->ids[blockIdx.x], place = (unsigned)p->places[blockIdx.x];
    unsigned type = p->types ? (unsigned)p->types[blockIdx.x] : 0;
    bool is_known = id < p->n_words && place < p->n_places && (!p->types || type < p->n_types);
    for (unsigned i = threadIdx.x; i < p->n; i += ROW_THREADS) {
        float sum = NAN;
        if (is_known) {
            sum = p->word[(size_t)id * p->n + i];
            sum += p->types ? p->kind[(size_t)type * p->n + i] : 0;
            sum += p->position[(size_t)place * p->n + i];
        }
        row[i] = sum;
    }
    norm_row(row, p->scale, p->bias, p->y + (size_t)blockIdx.x * p->n, p->n, p->epsilon);
}

struct gpu_gather {
    const int64_t *ids;
    const float *table;
    float *y;
    unsigned n, words;
};

GPU_KERNEL(gpu_gather_kernel, gpu_gather, ROW_THREADS)
{
    int64_t id = p->ids[blockIdx.x];
    id += id < 0 ? (int64_t)p->words : 0;
    bool is_known = id >= 0 && id < (int64_t)p->words;
    for (unsigned i = threadIdx.x; i < p->n; i += ROW_THREADS)
        p->y[(size_t)blockIdx.x * p->n + i] = is_known ? p->table[(size_t)id * p->n + i] : NAN;
}

struct gpu_softmax {
    const float *x;
    float *y;
    unsigned rows, n;
};

GPU_KERNEL(gpu_softmax_kernel, gpu_softmax, ROW_THREADS)
{
    unsigned row = blockIdx.x * ROW_WARPS + threadIdx.x / GPU_WARP, lane = threadIdx.x % GPU_WARP;
    if (row >= p->rows)
        return;
    const float *x = p->x + (size_t)row * p->n;
    float *y = p->y + (size_t)row * p->n, most = -INFINITY, sum = 0;
    for (unsigned i = lane; i < p->n; i += GPU_WARP)
        most = fmaxf(most, x[i]);
    most = gpu_warp_max(most);
    for (unsigned i = lane; i < p->n; i += GPU_WARP)
        sum += expf(x[i] - most);
    float by = 1 / gpu_warp_sum(sum);
    for (unsigned i = lane; i < p->n; i += GPU_WARP)
        y[i] = expf(x[i] - most) * by;
}

struct gpu_pool {
    const int32_t *first;
    const float *x;
    float *y;
    unsigned rows, n;
    bool unit; /* to length 1 */
};

GPU_FN float gpu_column_mean(const struct gpu_pool *p, unsigned from, unsigned to, unsigned column)
{
    float sum = 0;
    for (unsigned row = from; row < to; row++)
        sum += p->x[(size_t)row * p->n + column];
    return to > from ? sum / (float)(to - from) : 0;
}

GPU_KERNEL(gpu_pool_kernel, gpu_pool, ROW_THREADS)
{
    GPU_SHARED(float, sums, ROW_WARPS);
    unsigned from = (unsigned)p->first[blockIdx.x], to = (unsigned)p->first[blockIdx.x + 1];
    float *y = p->y + (size_t)blockIdx.x * p->n, squares = 0;
    to = to <= p->rows ? to : p->rows;
    for (unsigned i = threadIdx.x; i < p->n; i += ROW_THREADS) {
        y[i] = gpu_column_mean(p, from, to, i);
        squares += y[i] * y[i];
    }
    if (!p->unit)
        return;
    float length = sqrtf(gpu_block_sum(squares, sums, ROW_WARPS));
    for (unsigned i = threadIdx.x; i < p->n; i += ROW_THREADS)
        y[i] /= fmaxf(length, 1e-12f);
}

#endif
