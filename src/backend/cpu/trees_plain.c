/* Trees in ranks with vectors that every machine has. */
#include <mlopsctl/backend.h>

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

static inline unsigned below16(const float *limits, float x)
{
    unsigned n = 0;
    for (size_t i = 0; i < MLO_RANK_STEP; i++)
        n += limits[i] < x;
    return n;
}

#include "trees_body.h"

static bool always(void)
{
    return true;
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
