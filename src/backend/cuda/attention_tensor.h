/*
 * Attention of halves on tensor cores, as attention.h has it of floats: a warp has 16 queries of a head, keys
 * and values pass through shared memory 32 at a time, scores and sums are floats in registers.
 *
 * Of a product c[16][8] += a[16][16] b[16][8] lane i = 4 g + t holds (PTX ISA, "Matrix Fragments for
 * mma.m16n8k16"), two halves a register: of a the columns 2t, 2t + 1 of rows g and g + 8, and the same 8
 * columns on; of b the rows 2t, 2t + 1 of column g, and the same 8 rows on; of c the columns 2t, 2t + 1 of
 * rows g and g + 8. So the scores of two products side by side are, as they are, the a of the next product.
 */
#ifndef MLO_BACKEND_CUDA_ATTENTION_TENSOR_H
#define MLO_BACKEND_CUDA_ATTENTION_TENSOR_H

#include "attention.h"

#define TENSOR_WARPS   4
#define TENSOR_THREADS (TENSOR_WARPS * GPU_WARP)
#define TENSOR_QUERIES (TENSOR_WARPS * 16)
#define TENSOR_KEYS    32
/* Halves of a row in shared memory: of `wide`, a multiple of 16, and some more, for the banks. */
#define TENSOR_STRIDE(wide) ((wide) + 8)
#define TENSOR_ROOM(wide)   ((TENSOR_QUERIES + 2 * TENSOR_KEYS) * TENSOR_STRIDE(wide)) /* halves */

/* n rows from `at` on; zeros from `end` on, and behind the numbers of a row. */
GPU_FN void gpu_load_halves(const struct gpu_attention *p, unsigned part, unsigned at, unsigned end,
                            unsigned n, unsigned wide, uint16_t *to)
{
    for (unsigned i = threadIdx.x; i < n * wide; i += TENSOR_THREADS) {
        unsigned row = i / wide, d = i % wide;
        size_t from = (size_t)(at + row) * p->step + blockIdx.y * p->size + d;
        bool is_there = at + row < end && d < p->size;
        to[row * TENSOR_STRIDE(wide) + d] = is_there ? ((const uint16_t *)p->part[part])[from] : 0;
    }
}

GPU_FN uint32_t gpu_pair(uint16_t low, uint16_t high)
{
    return low | (uint32_t)high << 16;
}

GPU_FN uint32_t gpu_two(const uint16_t *at)
{
    return gpu_pair(at[0], at[1]);
}

/* What a warp knows of its 16 queries: of rows g and g + 8 the greatest score, the sum, and the mixed values,
 * `each` products of 8 dimensions. */
struct gpu_tensor {
    float most[2], sum[2], mixed[16][4];
};

/* Over the four lanes that hold parts of a row. */
GPU_FN float gpu_row_max(float v)
{
    v = fmaxf(v, __shfl_xor_sync(GPU_ALL, v, 1));
    return fmaxf(v, __shfl_xor_sync(GPU_ALL, v, 2));
}

GPU_FN float gpu_row_sum(float v)
{
    v += __shfl_xor_sync(GPU_ALL, v, 1);
    return v + __shfl_xor_sync(GPU_ALL, v, 2);
}

/* score[key / 8]: of the warp's queries (q: the first of them) with all keys. */
GPU_FN void gpu_score(const uint16_t *q, const uint16_t *k, unsigned wide, unsigned type,
                      float score[TENSOR_KEYS / 8][4])
{
    unsigned lane = threadIdx.x % GPU_WARP, g = lane / 4, t = lane % 4, stride = TENSOR_STRIDE(wide);
    GPU_UNROLL
    for (unsigned d = 0; d < wide; d += 16) {
        const uint16_t *row = q + g * stride + d + 2 * t, *next = row + 8 * stride;
        uint32_t a[4] = {gpu_two(row), gpu_two(next), gpu_two(row + 8), gpu_two(next + 8)};
        GPU_UNROLL
        for (unsigned j = 0; j < TENSOR_KEYS / 8; j++) {
            const uint16_t *key = k + (j * 8 + g) * stride + d + 2 * t;
            uint32_t b[2] = {gpu_two(key), gpu_two(key + 8)};
            gpu_mma(score[j], a, b, type);
        }
    }
}

/* Scaled and masked; keys that are not there count nothing. n: keys that are; mask: of the first; NULL. */
GPU_FN void gpu_weigh_scores(float score[TENSOR_KEYS / 8][4], const float *mask, unsigned n, float scale)
{
    unsigned t = threadIdx.x % 4;
    GPU_UNROLL
    for (unsigned j = 0; j < TENSOR_KEYS / 8; j++)
        GPU_UNROLL
    for (unsigned i = 0; i < 4; i++) {
        unsigned key = j * 8 + 2 * t + i % 2;
        score[j][i] = key >= n ? -INFINITY : score[j][i] * scale + (mask ? mask[key] : 0);
    }
}

/* Scores become e^(score - most); what was summed before shrinks when a greater one has come. */
GPU_FN void gpu_soften(struct gpu_tensor *a, float score[TENSOR_KEYS / 8][4], unsigned each)
{
    GPU_UNROLL
    for (unsigned half = 0; half < 2; half++) {
        float most = a->most[half], sum = 0;
        GPU_UNROLL
        for (unsigned j = 0; j < TENSOR_KEYS / 8; j++)
            most = fmaxf(most, fmaxf(score[j][2 * half], score[j][2 * half + 1]));
        most = gpu_row_max(most);
        float from = gpu_finite_most(most), before = expf(a->most[half] - from);
        GPU_UNROLL
        for (unsigned j = 0; j < TENSOR_KEYS / 8; j++)
            GPU_UNROLL
        for (unsigned i = 2 * half; i < 2 * half + 2; i++) {
            score[j][i] = expf(score[j][i] - from);
            sum += score[j][i];
        }
        a->sum[half] = a->sum[half] * before + gpu_row_sum(sum);
        a->most[half] = most;
        GPU_UNROLL
        for (unsigned j = 0; j < each; j++) {
            a->mixed[j][2 * half] *= before;
            a->mixed[j][2 * half + 1] *= before;
        }
    }
}

GPU_FN void gpu_mix(struct gpu_tensor *a, float score[TENSOR_KEYS / 8][4], const uint16_t *v, unsigned wide,
                    unsigned type)
{
    unsigned lane = threadIdx.x % GPU_WARP, g = lane / 4, t = lane % 4, stride = TENSOR_STRIDE(wide);
    GPU_UNROLL
    for (unsigned k = 0; k < TENSOR_KEYS / 16; k++) {
        uint32_t p[4];
        GPU_UNROLL
        for (unsigned i = 0; i < 4; i++) {
            const float *two = &score[2 * k + i / 2][i % 2 * 2];
            p[i] = gpu_pair(gpu_narrow(type, two[0]), gpu_narrow(type, two[1]));
        }
        GPU_UNROLL
        for (unsigned j = 0; j < wide / 8; j++) {
            const uint16_t *value = v + (k * 16 + 2 * t) * stride + j * 8 + g;
            uint32_t b[2] = {gpu_pair(value[0], value[stride]),
                             gpu_pair(value[8 * stride], value[9 * stride])};
            gpu_mma(a->mixed[j], p, b, type);
        }
    }
}

GPU_FN void gpu_store_mixed(const struct gpu_attention *p, const struct gpu_tensor *a, unsigned query,
                            unsigned end, unsigned wide, unsigned type)
{
    unsigned lane = threadIdx.x % GPU_WARP, g = lane / 4, t = lane % 4;
    GPU_UNROLL
    for (unsigned j = 0; j < wide / 8; j++)
        GPU_UNROLL
    for (unsigned i = 0; i < 4; i++) {
        unsigned row = query + g + i / 2 * 8, d = j * 8 + 2 * t + i % 2;
        if (row < end && d < p->size)
            gpu_put(p->y, type, ((size_t)row * p->heads + blockIdx.y) * p->size + d,
                    gpu_mixed(p, a->mixed[j][i], a->sum[i / 2]));
    }
}

/* `wide` and `type` are constants. */
GPU_FN void gpu_tensor_block(const struct gpu_attention *p, unsigned wide, unsigned type)
{
    uint16_t *q = (uint16_t *)gpu_room, *k = q + TENSOR_QUERIES * TENSOR_STRIDE(wide);
    uint16_t *v = k + TENSOR_KEYS * TENSOR_STRIDE(wide);
    unsigned warp = threadIdx.x / GPU_WARP;
    unsigned from = p->first ? (unsigned)p->first[blockIdx.z] : blockIdx.z * p->each;
    unsigned end = p->first ? (unsigned)p->first[blockIdx.z + 1] : from + p->each;
    unsigned query0 = from + blockIdx.x * TENSOR_QUERIES;
    struct gpu_tensor a = {{-INFINITY, -INFINITY}, {0, 0}, {{0}}};
    end = end <= p->rows ? end : p->rows;
    if (query0 >= end)
        return;
    gpu_load_halves(p, 0, query0, end, TENSOR_QUERIES, wide, q);
    for (unsigned key0 = from; key0 < end; key0 += TENSOR_KEYS) {
        float score[TENSOR_KEYS / 8][4] = {{0}};
        __syncthreads();
        gpu_load_halves(p, 1, key0, end, TENSOR_KEYS, wide, k);
        gpu_load_halves(p, 2, key0, end, TENSOR_KEYS, wide, v);
        __syncthreads();
        gpu_score(q + warp * 16 * TENSOR_STRIDE(wide), k, wide, type, score);
        gpu_weigh_scores(score, p->mask ? p->mask + key0 : NULL, end - key0, p->scale);
        gpu_soften(&a, score, wide / 8);
        gpu_mix(&a, score, v, wide, type);
    }
    gpu_store_mixed(p, &a, query0 + warp * 16, end, wide, type);
}

#define TENSOR_KERNEL(name, wide, type)                                                                      \
    GPU_KERNEL(name, gpu_attention, TENSOR_THREADS)                                                          \
    {                                                                                                        \
        gpu_tensor_block(p, wide, type);                                                                     \
    }
TENSOR_KERNEL(gpu_tensor_32_f16, 32, MLO_DEVICE_F16)
TENSOR_KERNEL(gpu_tensor_64_f16, 64, MLO_DEVICE_F16)
TENSOR_KERNEL(gpu_tensor_128_f16, 128, MLO_DEVICE_F16)
TENSOR_KERNEL(gpu_tensor_32_bf16, 32, MLO_DEVICE_BF16)
TENSOR_KERNEL(gpu_tensor_64_bf16, 64, MLO_DEVICE_BF16)
TENSOR_KERNEL(gpu_tensor_128_bf16, 128, MLO_DEVICE_BF16)

#endif
