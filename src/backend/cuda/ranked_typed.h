/* The kernels of ranked_trees.h for rows, limits and votes of type REAL; TYPED(name) is the name of each. */

/* The block's numbers, turned: they are read along rows, and searched along columns. */
GPU_FN void TYPED(gpu_load_tile)(const struct gpu_rank *p, unsigned row0, unsigned column0, REAL *tile)
{
    for (unsigned i = threadIdx.x; i < RANK_TILE_ROWS * RANK_TILE_COLUMNS; i += RANK_THREADS) {
        unsigned row = i / RANK_TILE_COLUMNS, column = i % RANK_TILE_COLUMNS;
        if (row0 + row >= p->rows || column0 + column >= p->columns)
            continue;
        int32_t feature = p->feature[column0 + column];
        size_t at = (size_t)(row0 + row) * p->n + (unsigned)(feature < 0 ? ~feature : feature);
        REAL v = ((const REAL *)p->x)[at];
        tile[column * RANK_STRIDE + row] = feature < 0 ? -v : v;
    }
}

/* How many of n limits, which rise, are less than x. */
GPU_FN unsigned TYPED(gpu_count_less)(const REAL *limits, unsigned n, REAL x)
{
    unsigned from = 0;
    while (n > 0) {
        unsigned half = n / 2;
        bool is_less = !(x <= limits[from + half]);
        from += is_less ? half + 1 : 0;
        n = is_less ? n - half - 1 : half;
    }
    return from;
}

GPU_FN void TYPED(gpu_rank_rows)(const struct gpu_rank *p)
{
    REAL *tile = (REAL *)gpu_room;
    unsigned row0 = blockIdx.x * RANK_TILE_ROWS, column0 = blockIdx.y * RANK_TILE_COLUMNS;
    TYPED(gpu_load_tile)(p, row0, column0, tile);
    __syncthreads();
    for (unsigned i = threadIdx.x; i < RANK_TILE_ROWS * RANK_TILE_COLUMNS; i += RANK_THREADS) {
        unsigned row = i % RANK_TILE_ROWS, column = i / RANK_TILE_ROWS;
        if (row0 + row >= p->rows || column0 + column >= p->columns)
            continue;
        unsigned first = (unsigned)p->first[column0 + column];
        unsigned n = (unsigned)p->first[column0 + column + 1] - first;
        p->y[(size_t)(column0 + column) * p->padded + row0 + row] = (uint16_t)TYPED(gpu_count_less)(
            (const REAL *)p->limits + first, n, tile[column * RANK_STRIDE + row]);
    }
}

/* Sums of a row: target by target, `step` apart. */
struct TYPED(gpu_sums) {
    REAL *at;
    size_t step;
};

/* found: of the row, `group` apart. */
GPU_FN void TYPED(gpu_add_votes)(const struct gpu_ranked *p, struct gpu_piece piece, const uint16_t *found,
                                 struct TYPED(gpu_sums) sums)
{
    const REAL *vote = (const REAL *)p->vote;
    REAL one = sums.at[0];
    for (unsigned t = piece.from; t < piece.to; t++) {
        size_t leaf = (size_t)p->tree[(size_t)t * 3 + 1] + found[(t - piece.from) * p->group];
        for (unsigned v = 0; v < p->votes; v++) {
            if (p->targets == 1)
                one += vote[leaf * p->votes + v];
            else
                sums.at[(size_t)p->target[(size_t)t * p->votes + v] * sums.step] += vote[leaf * p->votes + v];
        }
    }
    if (p->targets == 1)
        sums.at[0] = one;
}

GPU_FN void TYPED(gpu_sum_ranked)(const struct gpu_ranked *p)
{
    uint64_t *nodes = (uint64_t *)gpu_room;
    uint32_t *found = (uint32_t *)(nodes + MLO_DEVICE_PIECE_NODES);
    REAL *sums = (REAL *)(found + RANKED_FOUND / sizeof *found);
    uint32_t *ranks = (uint32_t *)((char *)sums + RANKED_SUMS);
    size_t row = (size_t)blockIdx.x * p->group + threadIdx.x;
    bool has_row = threadIdx.x < p->group && row < p->rows;
    bool is_near = p->targets * p->group * sizeof(REAL) <= RANKED_SUMS;
    REAL *y = (REAL *)p->y + (has_row ? row : 0) * p->targets;
    struct TYPED(gpu_sums) to = {is_near ? sums + threadIdx.x : y, is_near ? p->group : 1};
    gpu_stage_ranks(p, ranks);
    for (unsigned i = 0; has_row && i < p->targets; i++)
        to.at[i * to.step] = p->base ? ((const REAL *)p->base)[i] : 0;
    for (unsigned i = 0; i < p->pieces; i++) {
        struct gpu_piece piece = gpu_piece_at(p, i);
        bool is_staged = gpu_stage_piece(piece, nodes);
        __syncthreads();
        gpu_walk_all(p, piece, is_staged ? nodes : NULL, ranks, found);
        __syncthreads();
        if (has_row)
            TYPED(gpu_add_votes)(p, piece, (const uint16_t *)found + threadIdx.x, to);
    }
    for (unsigned i = 0; has_row && is_near && i < p->targets; i++)
        y[i] = to.at[i * to.step];
}
