/*
 * Trees: a thread walks one row through all of them, in their order, so that sums are those of the CPU to the
 * bit. The block's rows and as many trees as fit stand in shared memory.
 */
#ifndef MLO_BACKEND_CUDA_TREES_H
#define MLO_BACKEND_CUDA_TREES_H

#include <mlopsctl/device.h>

#include "gpu.h"

#define TREE_ROWS    128  /* of a block: one a thread */
#define TREE_NODES   2048 /* in shared memory at a time: half of it */
#define TREE_COLUMNS 48   /* most of a row in shared memory: the other half */

struct gpu_trees {
    const float *x, *base; /* base NULL: 0 */
    const struct mlo_device_node *nodes;
    const int32_t *first, *target;
    const float *vote; /* NULL: leaves hold their only one */
    float *y;
    unsigned rows, n, trees, targets, votes;
};

/* A row, whose columns are `step` apart. */
struct gpu_tree_row {
    const float *x;
    unsigned step;
};

/* To the leaf. */
GPU_FN struct mlo_device_node gpu_walk(const struct mlo_device_node *tree, struct gpu_tree_row row)
{
    struct mlo_device_node node = tree[0];
    while (node.column != MLO_DEVICE_LEAF) {
        float v = row.x[(size_t)(node.column & ~MLO_DEVICE_NEGATED) * row.step];
        v = node.column & MLO_DEVICE_NEGATED ? -v : v;
        node = tree[node.child + !(v <= node.number)];
    }
    return node;
}

/* The trees from `from` on that fit together; at least one, which then may be too large for shared memory. */
GPU_FN unsigned gpu_trees_end(const struct gpu_trees *p, unsigned from)
{
    unsigned to = from + 1;
    while (to < p->trees && p->first[to + 1] - p->first[from] <= TREE_NODES)
        to++;
    return to;
}

GPU_FN const struct mlo_device_node *gpu_load_trees(const struct gpu_trees *p, unsigned from, unsigned to,
                                                    struct mlo_device_node *room)
{
    const struct mlo_device_node *nodes = p->nodes + p->first[from];
    unsigned n = (unsigned)(p->first[to] - p->first[from]);
    if (n > TREE_NODES)
        return nodes;
    __syncthreads(); /* who still walks the trees before? */
    for (unsigned i = threadIdx.x; i < n; i += TREE_ROWS)
        room[i] = nodes[i];
    __syncthreads();
    return room;
}

GPU_FN void gpu_vote(const struct gpu_trees *p, struct gpu_tree_row row, float *y)
{
    struct mlo_device_node *room = (struct mlo_device_node *)gpu_room;
    float sum = p->base ? p->base[0] : 0;
    for (unsigned from = 0, to; from < p->trees; from = to) {
        to = gpu_trees_end(p, from);
        const struct mlo_device_node *nodes = gpu_load_trees(p, from, to, room);
        for (unsigned t = from; t < to && y; t++) {
            struct mlo_device_node leaf = gpu_walk(nodes + (p->first[t] - p->first[from]), row);
            for (unsigned v = 0; v < p->votes; v++) {
                float vote = p->vote ? p->vote[(size_t)leaf.child * p->votes + v] : leaf.number;
                if (p->targets == 1)
                    sum += vote;
                else
                    y[p->target[(size_t)t * p->votes + v]] += vote;
            }
        }
    }
    if (y && p->targets == 1)
        y[0] = sum;
}

GPU_KERNEL(gpu_trees_kernel, gpu_trees, TREE_ROWS)
{
    float *columns = (float *)gpu_room + TREE_NODES * sizeof(struct mlo_device_node) / sizeof(float);
    size_t at = (size_t)blockIdx.x * TREE_ROWS + threadIdx.x;
    const float *x = p->x + (at < p->rows ? at : 0) * p->n;
    float *y = at < p->rows ? p->y + at * p->targets : NULL; /* NULL: a thread without a row helps to load */
    struct gpu_tree_row row = {x, 1};
    if (p->n <= TREE_COLUMNS) { /* column by column, so that neighbours use different banks */
        for (unsigned i = 0; i < p->n; i++)
            columns[i * TREE_ROWS + threadIdx.x] = x[i];
        row.x = columns + threadIdx.x;
        row.step = TREE_ROWS;
    }
    for (unsigned i = 0; y && p->targets > 1 && i < p->targets; i++)
        y[i] = p->base ? p->base[i] : 0;
    gpu_vote(p, row, y);
}

#endif
