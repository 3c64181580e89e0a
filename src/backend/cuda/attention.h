/*
 * Attention of sequences that lie one behind the other, without padding. A block has a few queries of one
 * head; keys and values pass through shared memory, and the softmax is corrected as greater scores come
 * (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018).
 */
#ifndef MLO_BACKEND_CUDA_ATTENTION_H
#define MLO_BACKEND_CUDA_ATTENTION_H

#include "gpu.h"

#define ATTEND_WARPS   4
#define ATTEND_THREADS (ATTEND_WARPS * GPU_WARP)
#define ATTEND_EACH    4 /* queries of a warp */
#define ATTEND_QUERIES (ATTEND_WARPS * ATTEND_EACH)
#define ATTEND_KEYS    GPU_WARP /* at a time: one a lane */

struct gpu_attention {
    const int32_t *first; /* NULL: sequences of `each` rows */
    const void *part[3];  /* queries, keys, values, of the first row and head */
    const float *mask;    /* of each row as a key; NULL: none */
    void *y;
    unsigned each, rows, heads, size, step; /* step: from row to row of a part */
    float scale;
    bool blank; /* who sees no key gets zeros, not NaN */
};

/* Floats of shared memory: queries, keys (one more in a row, for the banks), values, probabilities. */
#define ATTEND_ROOM(size)                                                                                    \
    (ATTEND_QUERIES * (size) + ATTEND_KEYS * ((size) + 1) + ATTEND_KEYS * (size) +                           \
     ATTEND_QUERIES * ATTEND_KEYS)

/* n rows of head `blockIdx.y` of part 0 (queries), 1 (keys) or 2 (values), from row `at` on; zeros from `end`
 * on. */
GPU_FN void gpu_load_heads(const struct gpu_attention *p, unsigned part, unsigned at, unsigned end,
                           unsigned n, float *to, unsigned stride)
{
    for (unsigned i = threadIdx.x; i < n * p->size; i += ATTEND_THREADS) {
        unsigned row = i / p->size, d = i % p->size;
        size_t from = (size_t)(at + row) * p->step + blockIdx.y * p->size + d;
        to[row * stride + d] = at + row < end ? ((const float *)p->part[part])[from] : 0;
    }
}

/* What a warp knows of one query so far; lane i has the dimensions i, i + 32, ... of the mixed values. */
struct gpu_attended {
    float most, sum, mixed[4];
};

/* The keys that are in shared memory now; mask: that of the lane's key. */
struct gpu_keys {
    const float *k, *v;
    unsigned n;
    float mask;
};

/* What scores are measured by: not -infinity, of which keys that are hidden, and no other so far, have it. */
GPU_FN float gpu_finite_most(float most)
{
    return most == -INFINITY ? 0 : most;
}

GPU_FN float gpu_mixed(const struct gpu_attention *p, float mixed, float sum)
{
    return p->blank && sum == 0 ? 0 : mixed / sum;
}

GPU_FN void gpu_attend(struct gpu_attended *a, const float *q, const struct gpu_keys *keys, float *chance,
                       unsigned size, unsigned each, float scale)
{
    unsigned lane = threadIdx.x % GPU_WARP;
    float score = 0;
    for (unsigned d = 0; d < size; d++)
        score += q[d] * keys->k[lane * (size + 1) + d];
    score = lane < keys->n ? score * scale + keys->mask : -INFINITY;
    float most = fmaxf(a->most, gpu_warp_max(score)), from = gpu_finite_most(most);
    float before = expf(a->most - from), e = expf(score - from);
    chance[lane] = e; /* of this query alone; who read it for the keys before has passed a barrier */
    __syncwarp();
    a->sum = a->sum * before + gpu_warp_sum(e);
    a->most = most;
    GPU_UNROLL
    for (unsigned j = 0; j < each; j++) {
        unsigned d = lane + j * GPU_WARP;
        float mixed = a->mixed[j] * before;
        for (unsigned i = 0; i < ATTEND_KEYS; i++)
            mixed += d < size ? chance[i] * keys->v[i * size + d] : 0;
        a->mixed[j] = mixed;
    }
}

/* `each` is a constant: how many dimensions a lane has. */
GPU_FN void gpu_attend_block(const struct gpu_attention *p, unsigned each)
{
    unsigned size = p->size, warp = threadIdx.x / GPU_WARP, lane = threadIdx.x % GPU_WARP;
    unsigned from = p->first ? (unsigned)p->first[blockIdx.z] : blockIdx.z * p->each;
    unsigned end = p->first ? (unsigned)p->first[blockIdx.z + 1] : from + p->each;
    unsigned query0 = from + blockIdx.x * ATTEND_QUERIES;
    float *q = (float *)gpu_room, *k = q + ATTEND_QUERIES * size, *v = k + ATTEND_KEYS * (size + 1);
    float *chance = v + ATTEND_KEYS * size + warp * ATTEND_EACH * ATTEND_KEYS;
    struct gpu_attended all[ATTEND_EACH];
    end = end <= p->rows ? end : p->rows;
    if (query0 >= end)
        return;
    gpu_load_heads(p, 0, query0, end, ATTEND_QUERIES, q, size);
    for (unsigned i = 0; i < ATTEND_EACH; i++) {
        struct gpu_attended none = {-INFINITY, 0, {0}};
        all[i] = none;
    }
    for (unsigned key0 = from; key0 < end; key0 += ATTEND_KEYS) {
        __syncthreads();
        gpu_load_heads(p, 1, key0, end, ATTEND_KEYS, k, size + 1);
        gpu_load_heads(p, 2, key0, end, ATTEND_KEYS, v, size);
        __syncthreads();
        struct gpu_keys keys = {k, v, end - key0, 0};
        if (p->mask && lane < keys.n)
            keys.mask = p->mask[key0 + lane];
        GPU_UNROLL
        for (unsigned i = 0; i < ATTEND_EACH; i++)
            gpu_attend(&all[i], q + (warp * ATTEND_EACH + i) * size, &keys, chance + i * ATTEND_KEYS, size,
                       each, p->scale);
    }
    GPU_UNROLL
    for (unsigned i = 0; i < ATTEND_EACH; i++) {
        unsigned row = query0 + warp * ATTEND_EACH + i;
        GPU_UNROLL
        for (unsigned j = 0; j < each; j++)
            if (row < end && lane + j * GPU_WARP < size)
                ((float *)p->y)[((size_t)row * p->heads + blockIdx.y) * size + lane + j * GPU_WARP] =
                    gpu_mixed(p, all[i].mixed[j], all[i].sum);
    }
}

GPU_KERNEL(gpu_attend_32_kernel, gpu_attention, ATTEND_THREADS)
{
    gpu_attend_block(p, 1);
}

GPU_KERNEL(gpu_attend_64_kernel, gpu_attention, ATTEND_THREADS)
{
    gpu_attend_block(p, 2);
}

GPU_KERNEL(gpu_attend_128_kernel, gpu_attention, ATTEND_THREADS)
{
    gpu_attend_block(p, 4);
}

#endif
