/* Trees in ranks with vectors that every machine has. */
#include <string.h>

typedef unsigned char mlo_bytes __attribute__((vector_size(16)));

#define VEC                          mlo_bytes
#define TARGET                       __attribute__((unused))
#define LOAD(p)                      (*(const mlo_bytes *)(const void *)(p))
#define STORE(p, v)                  (*(mlo_bytes *)(void *)(p) = (v))
#define ONE(byte)                    ((mlo_bytes){0} + (unsigned char)(byte))
#define BYTES(below)                 ONE(below)
#define CHOOSE(rank, below, yes, no) choose(rank, below, yes, no)

static inline VEC choose(VEC rank, VEC below, VEC yes, VEC no)
{
    VEC m = (VEC)(rank < below);
    return (m & yes) | (~m & no);
}

#include "trees_body.h"

static bool always(void)
{
    return true;
}

/* Halves the limits without a branch. */
static unsigned limits_below(const float *limits, size_t n, float x)
{
    const float *from = limits;
    while (n > 0) {
        size_t half = n - n / 2;
        from += from[half - 1] < x ? half : 0;
        n -= half;
    }
    return (unsigned)(from - limits);
}

static void rank(const struct mlo_tree_group *g, const float *x, uint8_t *ret_ranks, size_t stride)
{
    for (size_t k = 0; k < g->n_columns; k++) {
        const struct mlo_tree_column *c = &g->columns[k];
        float v = c->negated ? -x[c->feature] : x[c->feature];
        ret_ranks[k * stride] = (uint8_t)(v != v ? c->n_limits
                                                 : limits_below(c->f32 + MLO_RANK_STEP, c->n_limits, v));
    }
}

void mlo_tree_add(const float *values, size_t n_values, const uint8_t *leaves, float *sums)
{
    (void)n_values;
    for (size_t i = 0; i < MLO_RANK_ROWS; i++)
        sums[i] += values[leaves[i]];
}

const struct mlo_tree_level mlo_tree_plain = {
    .name = "plain",
    .have = always,
    .rows_on = 24,
    .rank = rank,
    .leaves = leaves,
    .add = mlo_tree_add,
};
