/*
 * Trees of ranks. A number is first replaced by how many of its column's limits are less than it (NaN: all of
 * them), once for all trees; then x <= limits[i] is rank <= i, exactly, and a node is 8 bytes. Limits are
 * compared in the type of the rows.
 *
 * A block has some rows. Their ranks stand in shared memory, column by column, those of two rows in one word,
 * so that the lanes of a warp always read different banks; beside them a piece of the forest. A thread walks
 * two rows through some of the piece's trees and notes the leaves that it finds; when all have been found, a
 * thread for each row adds the votes of the leaves, tree by tree: in the CPU's order, whoever has walked
 * them. A leaf is its own child, so a walk has as many steps for all rows, and no branches.
 */
#ifndef MLO_BACKEND_CUDA_RANKED_TREES_H
#define MLO_BACKEND_CUDA_RANKED_TREES_H

#include "gpu.h"

/* ---- ranks ---- */

#define RANK_THREADS      256
#define RANK_TILE_ROWS    64
#define RANK_TILE_COLUMNS 32
#define RANK_STRIDE       (RANK_TILE_ROWS + 1) /* keeps columns of a tile in different banks */
#define RANK_ROOM(type)   (RANK_TILE_COLUMNS * RANK_STRIDE * sizeof(type))

struct gpu_rank {
    const void *x, *limits;
    const int32_t *first, *feature;
    uint16_t *y;
    unsigned rows, n, columns, padded;
};

/* ---- trees ---- */

#define RANKED_THREADS    256
#define RANKED_ROWS_LEAST 64u    /* of a block: eight threads share the trees of a pair of rows */
#define RANKED_ROWS_MOST  256u   /* two of them do */
#define RANKED_MANY       32768u /* rows from which on blocks of the larger kind fill a large device */
/* The four parts of shared memory, in bytes. */
#define RANKED_NODES (MLO_DEVICE_PIECE_NODES * sizeof(uint64_t))
#define RANKED_FOUND (MLO_DEVICE_PIECE_TREES * RANKED_ROWS_MOST * sizeof(uint16_t))
#define RANKED_SUMS  8192u
#define RANKED_RANKS (GPU_ROOM - RANKED_NODES - RANKED_FOUND - RANKED_SUMS)

struct gpu_ranked {
    const uint32_t *ranks; /* of two rows */
    const uint64_t *nodes;
    const int32_t *tree, *piece, *target;
    const void *base, *vote; /* base NULL: 0 */
    void *y;
    unsigned rows, columns, trees, targets, votes, padded, pieces;
    unsigned group; /* rows of a block */
};
/* What a thread walks: the words of its two rows, `step` from column to column. */
struct gpu_pair {
    const uint32_t *ranks;
    size_t step;
};

/* The leaves of both rows, as one word. */
GPU_FN uint32_t gpu_find_leaves(const uint64_t *tree, unsigned depth, struct gpu_pair pair)
{
    uint64_t low = tree[0], high = low;
    for (unsigned i = 0; i < depth; i++) {
        uint32_t a = pair.ranks[(low >> 16 & 0xffff) * pair.step],
                 b = pair.ranks[(high >> 16 & 0xffff) * pair.step];
        low = tree[(low >> 32 & 0xffff) + ((a & 0xffff) > (low & 0xffff))];
        high = tree[(high >> 32 & 0xffff) + (b >> 16 > (high & 0xffff))];
    }
    return (uint32_t)(low >> 48) | (uint32_t)(high >> 48) << 16;
}

struct gpu_piece { /* trees from..to, and their nodes */
    unsigned from, to, n_nodes;
    const uint64_t *nodes;
};

GPU_FN struct gpu_piece gpu_piece_at(const struct gpu_ranked *p, unsigned i)
{
    struct gpu_piece piece = {(unsigned)p->piece[i], (unsigned)p->piece[i + 1], 0, NULL};
    unsigned first = (unsigned)p->tree[(size_t)piece.from * 3];
    piece.n_nodes = (unsigned)p->tree[(size_t)piece.to * 3] - first;
    piece.nodes = p->nodes + first;
    return piece;
}

GPU_FN void gpu_walk_piece(const struct gpu_ranked *p, struct gpu_piece piece, struct gpu_pair pair,
                           uint32_t *found)
{
    unsigned pairs = p->group / 2, walkers = RANKED_THREADS / pairs;
    const int32_t *first = p->tree + (size_t)piece.from * 3;
    for (unsigned t = threadIdx.x / pairs; t < piece.to - piece.from; t += walkers)
        found[t * pairs + threadIdx.x % pairs] = gpu_find_leaves(piece.nodes + (first[t * 3] - first[0]),
                                                                 (unsigned)first[t * 3 + 2], pair);
}

/* True: the piece's nodes are in `room` when the next barrier is passed. */
GPU_FN bool gpu_stage_piece(struct gpu_piece piece, uint64_t *room)
{
    if (piece.n_nodes > MLO_DEVICE_PIECE_NODES)
        return false;
    for (unsigned i = threadIdx.x; i < piece.n_nodes; i += RANKED_THREADS)
        room[i] = piece.nodes[i];
    return true;
}

/* Do the ranks of the block's rows fit into shared memory? */
GPU_FN bool gpu_ranks_fit(const struct gpu_ranked *p)
{
    return p->columns <= RANKED_RANKS / (p->group * sizeof(uint16_t));
}

GPU_FN void gpu_stage_ranks(const struct gpu_ranked *p, uint32_t *room)
{
    unsigned pairs = p->group / 2;
    for (unsigned i = threadIdx.x; gpu_ranks_fit(p) && i < p->columns * pairs; i += RANKED_THREADS)
        room[i] = p->ranks[i / pairs * (size_t)(p->padded / 2) + blockIdx.x * pairs + i % pairs];
}

/* nodes, ranks: those in shared memory; nodes NULL: the piece is too large for it. The compiler sees in each
 * call which memory is read. */
GPU_FN void gpu_walk_all(const struct gpu_ranked *p, struct gpu_piece piece, const uint64_t *nodes,
                         const uint32_t *ranks, uint32_t *found)
{
    unsigned at = threadIdx.x % (p->group / 2);
    struct gpu_pair near = {ranks + at, p->group / 2};
    struct gpu_pair far = {p->ranks + (size_t)blockIdx.x * (p->group / 2) + at, p->padded / 2};
    struct gpu_piece staged = {piece.from, piece.to, piece.n_nodes, nodes};
    if (!nodes)
        gpu_walk_piece(p, piece, far, found);
    else if (gpu_ranks_fit(p))
        gpu_walk_piece(p, staged, near, found);
    else
        gpu_walk_piece(p, staged, far, found);
}

#define REAL        float
#define TYPED(name) name##_f32
#include "ranked_typed.h"
#undef REAL
#undef TYPED
#define REAL        double
#define TYPED(name) name##_f64
#include "ranked_typed.h"
#undef REAL
#undef TYPED

GPU_KERNEL(gpu_rank_f32, gpu_rank, RANK_THREADS)
{
    gpu_rank_rows_f32(p);
}

GPU_KERNEL(gpu_ranked_f32, gpu_ranked, RANKED_THREADS)
{
    gpu_sum_ranked_f32(p);
}

GPU_KERNEL(gpu_rank_f64, gpu_rank, RANK_THREADS)
{
    gpu_rank_rows_f64(p);
}

GPU_KERNEL(gpu_ranked_f64, gpu_ranked, RANKED_THREADS)
{
    gpu_sum_ranked_f64(p);
}

#endif
