/* Kernels of rows: layer norm, embeddings, softmax, pooling. A block or a warp has a row to itself. */
#ifndef MLO_BACKEND_CUDA_ROWS_H
#define MLO_BACKEND_CUDA_ROWS_H

#include <mlopsctl/device.h>

#include "gpu.h"

#define ROW_THREADS 128
#define ROW_WARPS   (ROW_THREADS / GPU_WARP)

struct gpu_norm {
    const void *x, *plus; /* plus NULL: none */
    const float *scale, *bias;
    void *y;
    unsigned n;
    float epsilon;
};

/* The row that the threads of the block have put into `row`, each its own columns. Two passes: a variance as
 * the mean of squares less the square of the mean would lose all digits of rows far from 0. */
GPU_FN void norm_row(const float *row, const struct gpu_norm *p, size_t at, unsigned type)
{
    unsigned n = p->n;
    GPU_SHARED(float, sums, ROW_WARPS);
    float sum = 0, squares = 0;
    for (unsigned i = threadIdx.x; i < n; i += ROW_THREADS)
        sum += row[i];
    float mean = gpu_block_sum(sum, sums, ROW_WARPS) / (float)n;
    for (unsigned i = threadIdx.x; i < n; i += ROW_THREADS)
        squares += (row[i] - mean) * (row[i] - mean);
    float by = 1 / sqrtf(gpu_block_sum(squares, sums, ROW_WARPS) / (float)n + p->epsilon);
    for (unsigned i = threadIdx.x; i < n; i += ROW_THREADS)
        gpu_put(p->y, type, at + i, (row[i] - mean) * by * p->scale[i] + p->bias[i]);
}

GPU_FN void gpu_norm_rows(const struct gpu_norm *p, unsigned type)
{
    float *row = (float *)gpu_room;
    size_t at = (size_t)blockIdx.x * p->n;
    for (unsigned i = threadIdx.x; i < p->n; i += ROW_THREADS)
        row[i] = gpu_get(p->x, type, at + i) + (p->plus ? gpu_get(p->plus, type, at + i) : 0);
    norm_row(row, p, at, type);
}
GPU_TYPED(gpu_norm_rows, gpu_norm, ROW_THREADS)

struct gpu_embed {
    const int32_t *ids, *places, *types; /* types NULL: none */
    const void *word, *position, *kind;
    unsigned n_words, n_places, n_types;
    struct gpu_norm norm; /* without x and plus */
};

GPU_FN void gpu_embed_rows(const struct gpu_embed *p, unsigned type)
{
    float *row = (float *)gpu_room;
    unsigned n = p->norm.n, id = (unsigned)p->ids[blockIdx.x], place = (unsigned)p->places[blockIdx.x];
    unsigned kind = p->types ? (unsigned)p->types[blockIdx.x] : 0;
    bool is_known = id < p->n_words && place < p->n_places && (!p->types || kind < p->n_types);
    for (unsigned i = threadIdx.x; i < n; i += ROW_THREADS) {
        float sum = NAN;
        if (is_known) {
            sum = gpu_get(p->word, type, (size_t)id * n + i);
            sum += p->types ? gpu_get(p->kind, type, (size_t)kind * n + i) : 0;
            sum += gpu_get(p->position, type, (size_t)place * n + i);
        }
        row[i] = sum;
    }
    norm_row(row, &p->norm, (size_t)blockIdx.x * n, type);
}
GPU_TYPED(gpu_embed_rows, gpu_embed, ROW_THREADS)

struct gpu_gather {
    const void *ids, *table;
    void *y;
    unsigned n, words, from; /* from: the type of ids */
};

GPU_FN void gpu_gather_rows(const struct gpu_gather *p, unsigned type)
{
    int64_t id = p->from == MLO_DEVICE_I32 ? ((const int32_t *)p->ids)[blockIdx.x]
                                           : ((const int64_t *)p->ids)[blockIdx.x];
    id += id < 0 ? (int64_t)p->words : 0;
    bool is_known = id >= 0 && id < (int64_t)p->words;
    for (unsigned i = threadIdx.x; i < p->n; i += ROW_THREADS)
        gpu_put(p->y, type, (size_t)blockIdx.x * p->n + i,
                is_known ? gpu_get(p->table, type, (size_t)id * p->n + i) : NAN);
}
GPU_TYPED(gpu_gather_rows, gpu_gather, ROW_THREADS)

struct gpu_mask {
    const void *x;
    float *y;
    unsigned n, keys, times, how, from; /* from: the type of x */
    float hidden;
};

GPU_FN float gpu_number(const struct gpu_mask *p, size_t i)
{
    return p->from == MLO_DEVICE_I32   ? (float)((const int32_t *)p->x)[i]
           : p->from == MLO_DEVICE_I64 ? (float)((const int64_t *)p->x)[i]
                                       : ((const float *)p->x)[i];
}

GPU_KERNEL(gpu_mask_rows, gpu_mask, ROW_THREADS)
{
    GPU_SHARED(float, sums, ROW_WARPS);
    size_t at = (size_t)blockIdx.x * p->n, to = (size_t)blockIdx.x * p->times * p->keys;
    float ones = 0;
    for (unsigned i = threadIdx.x; p->how == MLO_DEVICE_SEEN_COUNTED && i < p->n; i += ROW_THREADS)
        ones += gpu_number(p, at + i) == 1 ? 1.0f : 0.0f;
    ones = gpu_block_sum(ones, sums, ROW_WARPS);
    float length = p->how == MLO_DEVICE_SEEN_FIRST ? gpu_number(p, at) : ones;
    for (unsigned i = threadIdx.x; i < p->times * p->keys; i += ROW_THREADS) {
        unsigned key = i % p->keys;
        float v = p->how == MLO_DEVICE_SEEN_FIRST ? 0 : gpu_number(p, at + key);
        bool is_seen = p->how == MLO_DEVICE_SEEN_ABOVE ? v > 0 : (float)key < length;
        p->y[to + i] = p->how == MLO_DEVICE_SEEN_ADDED ? v : is_seen ? 0 : p->hidden;
    }
}

struct gpu_softmax {
    const void *x;
    void *y;
    unsigned rows, n;
};

GPU_FN void gpu_softmax_rows(const struct gpu_softmax *p, unsigned type)
{
    unsigned row = blockIdx.x * ROW_WARPS + threadIdx.x / GPU_WARP, lane = threadIdx.x % GPU_WARP;
    size_t at = (size_t)row * p->n;
    float most = -INFINITY, sum = 0;
    if (row >= p->rows)
        return;
    for (unsigned i = lane; i < p->n; i += GPU_WARP)
        most = fmaxf(most, gpu_get(p->x, type, at + i));
    most = gpu_warp_max(most);
    for (unsigned i = lane; i < p->n; i += GPU_WARP)
        sum += expf(gpu_get(p->x, type, at + i) - most);
    float by = 1 / gpu_warp_sum(sum);
    for (unsigned i = lane; i < p->n; i += GPU_WARP)
        gpu_put(p->y, type, at + i, expf(gpu_get(p->x, type, at + i) - most) * by);
}
GPU_TYPED(gpu_softmax_rows, gpu_softmax, ROW_THREADS)

struct gpu_unit {
    const float *x;
    float *y;
    unsigned rows, n, norm; /* norm: as MLO_DEVICE_UNIT */
};

GPU_FN float gpu_row_length(const struct gpu_unit *p, const float *x)
{
    float length = p->norm == 0 ? -3.402823466e+38f : 0;
    for (unsigned i = threadIdx.x % GPU_WARP; i < p->n; i += GPU_WARP)
        length = p->norm == 0   ? fmaxf(length, x[i])
                 : p->norm == 1 ? length + fabsf(x[i])
                                : length + x[i] * x[i];
    return p->norm == 0 ? gpu_warp_max(length) : gpu_warp_sum(length);
}

/* As the CPU's Normalizer: the greatest with its sign; squares are divided before the root. */
GPU_KERNEL(gpu_unit_rows, gpu_unit, ROW_THREADS)
{
    unsigned row = blockIdx.x * ROW_WARPS + threadIdx.x / GPU_WARP;
    if (row >= p->rows)
        return;
    const float *x = p->x + (size_t)row * p->n;
    float length = gpu_row_length(p, x);
    for (unsigned i = threadIdx.x % GPU_WARP; i < p->n; i += GPU_WARP) {
        float v = x[i], root = sqrtf(v * v / length);
        float unit = p->norm == 2 ? (v < 0 ? -root : root) : v / length;
        p->y[(size_t)row * p->n + i] = length == 0 ? v : unit;
    }
}

#define POOL_NOTHING (-1e9f) /* the greatest of no rows */

struct gpu_pool {
    const void *x;
    const int32_t *first;
    float *y;
    unsigned rows, n, how;
    bool unit; /* to length 1 */
};

GPU_FN float gpu_column_pooled(const struct gpu_pool *p, unsigned from, unsigned to, unsigned column,
                               unsigned type)
{
    float pooled = p->how == MLO_DEVICE_POOL_MAX ? POOL_NOTHING : 0;
    unsigned end = p->how == MLO_DEVICE_POOL_FIRST && from < to ? from + 1 : to;
    for (unsigned row = from; row < end; row++) {
        float x = gpu_get(p->x, type, (size_t)row * p->n + column);
        bool is_most = x > pooled || isnan(x);
        pooled = p->how != MLO_DEVICE_POOL_MAX ? pooled + x : is_most ? x : pooled;
    }
    return p->how == MLO_DEVICE_POOL_MEAN && to > from ? pooled / (float)(to - from) : pooled;
}

/* What is pooled stands in shared memory until its length is known. */
GPU_FN void gpu_pool_rows(const struct gpu_pool *p, unsigned type)
{
    GPU_SHARED(float, sums, ROW_WARPS);
    float *pooled = (float *)gpu_room, squares = 0;
    unsigned from = (unsigned)p->first[blockIdx.x], to = (unsigned)p->first[blockIdx.x + 1];
    to = to <= p->rows ? to : p->rows;
    for (unsigned i = threadIdx.x; i < p->n; i += ROW_THREADS) {
        pooled[i] = gpu_column_pooled(p, from, to, i, type);
        squares += pooled[i] * pooled[i];
    }
    float length = p->unit ? sqrtf(gpu_block_sum(squares, sums, ROW_WARPS)) : 1;
    length = length > 1e-12f || isnan(length) ? length : 1e-12f;
    for (unsigned i = threadIdx.x; i < p->n; i += ROW_THREADS)
        p->y[(size_t)blockIdx.x * p->n + i] = pooled[i] / length;
}
GPU_TYPED(gpu_pool_rows, gpu_pool, ROW_THREADS)

#endif
