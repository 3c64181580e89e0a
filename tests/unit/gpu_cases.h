/*
 * Single steps of device programs with data, and what the CPU makes of them. Used on the CPU
 * (test_cuda_kernels.c) and on a device (tests/tools/gpu-kit.c).
 */
#ifndef TESTS_UNIT_GPU_CASES_H
#define TESTS_UNIT_GPU_CASES_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/backend.h>
#include <mlopsctl/base/dtype.h>

#include "../../src/backend/cuda/program.h"

/* Tolerances, of float32: both sides round differently and sum in another order. Of a sum of k products of
 * numbers up to 1 the error grows with sqrt(k); trees sum in the same order. NaN fails where a number is
 * wanted. */
struct gpu_case {
    const char *name;
    uint32_t op, activation, size[MLO_DEVICE_STEP_SIZES]; /* activation: of CONVERT, the type of x */
    float number;
    unsigned missing; /* bit i: buffer i */
    double rtol, atol;
    uint32_t bytes; /* the type of bytes, where there are some */
    uint32_t
        spare; /* rows behind the last sequence, which are no numbers; the last two sequences are empty */
};

#define GPU_HIDDEN 0.125F /* number of attention: keys are hidden */
#define GPU_WHOLE  4      /* what floats are times this, whole numbers are */

#define DENSE(name, act, missing, m, n, k)                                                                   \
    {                                                                                                        \
        name, MLO_DEVICE_DENSE, act, {m, n, k}, 0, missing, 2e-6, 4e-6                                       \
    }
#define NORM(name, missing, rows, n)                                                                         \
    {                                                                                                        \
        name, MLO_DEVICE_NORM, 0, {rows, n}, 1e-5F, missing, 2e-6, 4e-6                                      \
    }
#define EMBED(name, missing, rows, n, words)                                                                 \
    {                                                                                                        \
        name, MLO_DEVICE_EMBED, 0, {rows, n, words, 40, 2}, 1e-12F, missing, 2e-6, 4e-6                      \
    }
#define ATTEND(name, missing, sequences, rows, heads, size)                                                  \
    {                                                                                                        \
        name, MLO_DEVICE_ATTENTION, 0, {sequences, rows, heads, size, 1}, 0.25F, missing, 4e-6, 2e-6         \
    }
#define SPARE(name, op, missing, sequences, rows, heads, size)                                               \
    {                                                                                                        \
        name, op, 0, {sequences, rows, heads, size, 1}, 0.25F, missing, 4e-6, 2e-6, 0, 9                     \
    }
#define APART(name, missing, sequences, rows, heads, size)                                                   \
    {                                                                                                        \
        name, MLO_DEVICE_ATTENTION_APART, 0, {sequences, rows, heads, size, 1}, 0.25F, missing, 4e-6, 2e-6   \
    }
#define ADD(name, rows, n)                                                                                   \
    {                                                                                                        \
        name, MLO_DEVICE_ADD, 0, {rows, n}, 0, 0, 0, 0                                                       \
    }
#define CONVERT(name, from, n)                                                                               \
    {                                                                                                        \
        name, MLO_DEVICE_CONVERT, from, {n}, 0, 0, 0, 0                                                      \
    }
#define GATHER(name, from, rows, n, words)                                                                   \
    {                                                                                                        \
        name, MLO_DEVICE_GATHER, from, {rows, n, words}, 0, 0, 0, 0                                          \
    }
#define MASK(name, from, rows, n, keys, times, seen)                                                         \
    {                                                                                                        \
        name, MLO_DEVICE_MASK, from, {rows, n, keys, times, seen}, -10000, 0, 0, 0                           \
    }
#define SWAP(name, batch, rows, columns, n)                                                                  \
    {                                                                                                        \
        name, MLO_DEVICE_SWAP, 0, {batch, rows, columns, n}, 0, 0, 0, 0                                      \
    }
#define HIDDEN(name, op, missing, sequences, rows, heads, size, blank)                                       \
    {                                                                                                        \
        name, op, 0, {sequences, rows, heads, size, rows, blank}, GPU_HIDDEN, missing, 4e-6, 2e-6            \
    }
#define ACT(name, act, n)                                                                                    \
    {                                                                                                        \
        name, MLO_DEVICE_ACTIVATE, act, {n}, 0, 0, 2e-6, 4e-7                                                \
    }
#define SOFTMAX(name, rows, n)                                                                               \
    {                                                                                                        \
        name, MLO_DEVICE_SOFTMAX, 0, {rows, n}, 0, 0, 2e-6, 1e-7                                             \
    }
#define POOL(name, from, how, unit, sequences, rows, n, spare)                                               \
    {                                                                                                        \
        name, MLO_DEVICE_POOL, from, {sequences, rows, n, how}, unit, 0, 2e-6, 1e-6, 0, spare                \
    }
#define SCALE(name, rows, n)                                                                                 \
    {                                                                                                        \
        name, MLO_DEVICE_SCALE, 0, {rows, n}, 0, 0, 2e-7, 1e-7                                               \
    }
#define RANK(name, rows, n, columns)                                                                         \
    {                                                                                                        \
        name, MLO_DEVICE_RANK, 0, {rows, n, columns, PADDED(rows)}, 0, 0, 0, 0                               \
    }
#define RANKED(name, missing, rows, columns, trees, targets, votes)                                          \
    {                                                                                                        \
        name, MLO_DEVICE_RANKED_TREES, 0, {rows, columns, trees, targets, votes, PADDED(rows)}, 0, missing,  \
            0, 0                                                                                             \
    }
#define PADDED(rows) (((rows) + MLO_DEVICE_RANK_ROWS - 1) / MLO_DEVICE_RANK_ROWS * MLO_DEVICE_RANK_ROWS)
#define TABLE(name, op, number, rows, n)                                                                     \
    {                                                                                                        \
        name, op, 0, {rows, n}, number, 0, 0, 0                                                              \
    }
#define UNIT(name, norm, rows, n)                                                                            \
    {                                                                                                        \
        name, MLO_DEVICE_UNIT, 0, {rows, n}, norm, 0, 2e-6, 1e-7                                             \
    }
#define PLACE(name, rows, n, m, end)                                                                         \
    {                                                                                                        \
        name, MLO_DEVICE_PLACE, 0, {rows, n, m, end}, 0, 0, 0, 0                                             \
    }
#define TREES(name, missing, rows, n, trees, targets, votes)                                                 \
    {                                                                                                        \
        name, MLO_DEVICE_TREES, 0, {rows, n, trees, targets, votes}, 0, missing, 0, 0                        \
    }

#define EXTREMES(name, from, rows, n)                                                                        \
    {                                                                                                        \
        name, MLO_DEVICE_EXTREMES, from, {rows, n}, 0, 0, 0, 0, 0                                            \
    }
#define SPAN(name, rows)                                                                                     \
    {                                                                                                        \
        name, MLO_DEVICE_SPAN, 0, {1, rows, 1}, 0, 2, 0, 0, 0                                                \
    }
#define SPANS(name, sequences, rows, spare)                                                                  \
    {                                                                                                        \
        name, MLO_DEVICE_SPAN, 0, {sequences, rows, rows}, 0, 0, 0, 0, 0, spare                              \
    }
#define QUANTIZE(name, from, bytes, rows, n, hows)                                                           \
    {                                                                                                        \
        name, MLO_DEVICE_QUANTIZE, from, {rows, n, hows}, 0, 0, 0, 0, bytes                                  \
    }
#define QUANTIZE_ROWS(name, from, bytes, rows, n)                                                            \
    {                                                                                                        \
        name, MLO_DEVICE_QUANTIZE_ROWS, from, {rows, n}, 0, 0, 0, 0, bytes                                   \
    }
#define DEQUANTIZE(name, bytes, rows, n, hows)                                                               \
    {                                                                                                        \
        name, MLO_DEVICE_DEQUANTIZE, 0, {rows, n, hows}, 0, 0, 0, 0, bytes                                   \
    }
/* missing, of those that may be: sums 16, zeros 32, bias 64, room 128 */
#define DENSE_BYTES(name, act, bytes, missing, m, n, k, hows)                                                \
    {                                                                                                        \
        name, MLO_DEVICE_DENSE_BYTES, act, {m, n, k, hows}, 0, missing, 2e-6, 4e-6, bytes                    \
    }

/* Sizes that fill no warp, tile or block, and those that fill them exactly. */
static const struct gpu_case gpu_cases[] = {
    DENSE("one row", MLO_DEVICE_LINEAR, 0, 1, 9, 132),
    DENSE("one row, one of k", MLO_DEVICE_RELU, 4, 1, 3, 1),
    DENSE("few rows", MLO_DEVICE_GELU, 0, 5, 6, 260),
    DENSE("as many as few rows can be", MLO_DEVICE_TANH, 4, 8, 4, 64),
    DENSE("few rows of an odd k", MLO_DEVICE_SIGMOID, 0, 3, 7, 45),
    DENSE("tiles, filled", MLO_DEVICE_LINEAR, 0, 64, 64, 32),
    DENSE("tiles, not filled", MLO_DEVICE_GELU_TANH, 0, 67, 70, 19),
    DENSE("tiles of few columns", MLO_DEVICE_RELU, 4, 9, 1, 5),
    NORM("rows of 384", 0, 3, 384),
    NORM("rows of 5 without residual", 2, 2, 5),
    EMBED("with types", 0, 4, 40, 50),
    EMBED("without types", 36, 3, 130, 7),
    ATTEND("heads of 32", 4, 3, 41, 2, 32),
    ATTEND("heads of 20, sequences of one", 0, 5, 5, 1, 20),
    ATTEND("heads of 64, a mask", 0, 2, 70, 1, 64),
    ATTEND("heads of 128, sequences of equal length", 1, 3, 33, 1, 128),
    APART("heads of 32", 16, 3, 41, 2, 32),
    APART("heads of 24, a mask", 1, 2, 70, 3, 24),
    SPARE("rows of nobody, heads of 32", MLO_DEVICE_ATTENTION, 4, 5, 90, 2, 32),
    SPARE("rows of nobody, heads of 64", MLO_DEVICE_ATTENTION, 4, 3, 150, 1, 64),
    SPARE("rows of nobody", MLO_DEVICE_ATTENTION_APART, 16, 4, 41, 2, 24),
    ACT("relu", MLO_DEVICE_RELU, 300),
    ACT("sigmoid", MLO_DEVICE_SIGMOID, 300),
    ACT("tanh", MLO_DEVICE_TANH, 300),
    ACT("gelu", MLO_DEVICE_GELU, 300),
    ACT("gelu by tanh", MLO_DEVICE_GELU_TANH, 300),
    SOFTMAX("rows of 70", 5, 70),
    SOFTMAX("rows of one", 3, 1),
    POOL("mean", MLO_DEVICE_F32, MLO_DEVICE_POOL_MEAN, 0, 4, 30, 130, 0),
    POOL("mean to length 1", MLO_DEVICE_F32, MLO_DEVICE_POOL_MEAN, 1, 3, 7, 20, 0),
    POOL("mean of halves, and of none", MLO_DEVICE_BF16, MLO_DEVICE_POOL_MEAN, 1, 5, 40, 33, 9),
    POOL("the first", MLO_DEVICE_F32, MLO_DEVICE_POOL_FIRST, 0, 4, 30, 130, 0),
    POOL("the first of halves, to length 1", MLO_DEVICE_F16, MLO_DEVICE_POOL_FIRST, 1, 5, 40, 20, 9),
    POOL("the greatest", MLO_DEVICE_F32, MLO_DEVICE_POOL_MAX, 0, 5, 30, 130, 9),
    POOL("the greatest of halves, to length 1", MLO_DEVICE_BF16, MLO_DEVICE_POOL_MAX, 1, 4, 30, 20, 0),
    SCALE("columns", 33, 17),
    TREES("one target", 32, 130, 5, 9, 1, 1),
    TREES("three targets, no base", 40, 40, 60, 7, 3, 1),
    TREES("leaves of three votes", 8, 40, 6, 7, 4, 3),
    TREES("more than fit at once", 32, 20, 8, 90, 1, 1),
    RANK("few rows and columns", 3, 2, 5),
    RANK("tiles, filled", 64, 32, 32),
    RANK("tiles, not filled", 70, 40, 33),
    RANKED("one target", 0, 130, 5, 9, 1, 1),
    RANKED("three targets, no base", 16, 64, 60, 70, 3, 1),
    RANKED("leaves of three votes", 0, 40, 6, 7, 4, 3),
    RANKED("more columns than fit", 0, 10, 200, 20, 1, 1),
    RANKED("more targets than fit", 16, 70, 7, 90, 40, 1),
    RANKED("a tree that does not fit", 0, 66, 9, 3, 1, 1),
    RANKED("many rows", 0, 32800, 3, 18, 2, 1),
    TABLE("missing ones", MLO_DEVICE_REPLACE, NAN, 33, 17),
    TABLE("a number", MLO_DEVICE_REPLACE, 0.5F, 70, 5),
    TABLE("of floats", MLO_DEVICE_ONE_HOT, 0, 33, 7),
    {"of whole numbers", MLO_DEVICE_ONE_HOT, MLO_DEVICE_I64, {40, 5}, 0, 0, 0, 0},
    TABLE("seven keys", MLO_DEVICE_LOOKUP, -1, 90, 7),
    TABLE("one key", MLO_DEVICE_LOOKUP, 0.25F, 9, 1),
    UNIT("the greatest", 0, 9, 40),
    UNIT("sums", 1, 5, 3),
    UNIT("squares", 2, 33, 70),
    PLACE("in the middle", 21, 3, 10, 8),
    PLACE("all", 5, 7, 7, 7),
    CONVERT("from int64", MLO_DEVICE_I64, 300),
    CONVERT("from float64", MLO_DEVICE_F64, 300),
    ADD("columns", 33, 17),
    ADD("of the same size", 1, 300),
    GATHER("rows of 40", MLO_DEVICE_I64, 9, 40, 50),
    GATHER("by int32", MLO_DEVICE_I32, 7, 5, 9),
    MASK("above 0, int64", MLO_DEVICE_I64, 3, 150, 150, 1, MLO_DEVICE_SEEN_ABOVE),
    MASK("above 0, int32", MLO_DEVICE_I32, 5, 7, 7, 1, MLO_DEVICE_SEEN_ABOVE),
    MASK("counted", MLO_DEVICE_I32, 5, 30, 30, 2, MLO_DEVICE_SEEN_COUNTED),
    MASK("as many as it says", MLO_DEVICE_I32, 9, 1, 4, 1, MLO_DEVICE_SEEN_FIRST),
    MASK("added, for three heads", MLO_DEVICE_F32, 4, 33, 33, 3, MLO_DEVICE_SEEN_ADDED),
    MASK("added, the first row of two", MLO_DEVICE_F32, 4, 66, 33, 1, MLO_DEVICE_SEEN_ADDED),
    SWAP("heads", 2, 5, 3, 24),
    SWAP("single numbers", 3, 33, 17, 1),
    HIDDEN("the first keys hidden", MLO_DEVICE_ATTENTION, 1, 3, 135, 2, 24, 0),
    HIDDEN("zeros where all keys are hidden", MLO_DEVICE_ATTENTION_APART, 1, 3, 135, 1, 64, 1),
    CONVERT("from float32", MLO_DEVICE_F32, 300),
    CONVERT("from float16", MLO_DEVICE_F16, 300),
    CONVERT("from bfloat16", MLO_DEVICE_BF16, 300),
    EXTREMES("rows of 130", MLO_DEVICE_F32, 3, 130),
    EXTREMES("halves", MLO_DEVICE_BF16, 2, 7),
    SPAN("of 200 rows", 200),
    SPAN("of one row", 1),
    SPANS("of sequences", 3, 400, 0),
    SPANS("of sequences, and rows of nobody", 5, 40, 9),
    QUANTIZE("one scale", MLO_DEVICE_F32, MLO_DEVICE_I8, 5, 61, 1),
    QUANTIZE("a scale a row, halves", MLO_DEVICE_F16, MLO_DEVICE_I8, 5, 61, 5),
    QUANTIZE("floats of 8 bits", MLO_DEVICE_F32, MLO_DEVICE_E4M3, 4, 80, 4),
    QUANTIZE_ROWS("rows of 300", MLO_DEVICE_F32, MLO_DEVICE_I8, 3, 300),
    QUANTIZE_ROWS("rows of 5, halves", MLO_DEVICE_BF16, MLO_DEVICE_I8, 4, 5),
    QUANTIZE_ROWS("floats of 8 bits", MLO_DEVICE_BF16, MLO_DEVICE_E4M3, 3, 130),
    DEQUANTIZE("one scale", MLO_DEVICE_I8, 5, 61, 1),
    DEQUANTIZE("a scale a row", MLO_DEVICE_E4M3, 5, 61, 5),
    DENSE_BYTES("one row", MLO_DEVICE_LINEAR, MLO_DEVICE_I8, 160, 1, 9, 132, 1),
    DENSE_BYTES("few rows, zeros of columns", MLO_DEVICE_GELU, MLO_DEVICE_I8, 128, 5, 6, 260, 5),
    DENSE_BYTES("few rows of an odd k", MLO_DEVICE_SIGMOID, MLO_DEVICE_I8, 224, 3, 7, 45, 1),
    DENSE_BYTES("tiles, filled", MLO_DEVICE_LINEAR, MLO_DEVICE_I8, 32, 64, 64, 64, 1),
    DENSE_BYTES("tiles, not filled", MLO_DEVICE_GELU_TANH, MLO_DEVICE_I8, 128, 67, 70, 72, 67),
    DENSE_BYTES("tiles of an odd k, few columns", MLO_DEVICE_RELU, MLO_DEVICE_I8, 64, 9, 1, 5, 1),
    DENSE_BYTES("one row", MLO_DEVICE_RELU, MLO_DEVICE_E4M3, 176, 1, 9, 132, 1),
    DENSE_BYTES("few rows of an odd k", MLO_DEVICE_LINEAR, MLO_DEVICE_E4M3, 240, 3, 7, 45, 3),
    DENSE_BYTES("tiles, filled", MLO_DEVICE_GELU, MLO_DEVICE_E4M3, 48, 64, 64, 64, 64),
    DENSE_BYTES("tiles, not filled", MLO_DEVICE_TANH, MLO_DEVICE_E4M3, 176, 67, 70, 72, 1),
};

/* Of halves what comes out is rounded to their digits, and so are the chances of attention before they are
 * multiplied. What goes in is rounded for both sides. */
#define GPU_TYPES 6
static const struct gpu_type {
    uint32_t type;
    const char *name;
    double tolerance; /* absolute, and relative; 0: that of the case */
} gpu_types[GPU_TYPES] = {{MLO_DEVICE_F32, "float32", 0},
                          {MLO_DEVICE_F16, "float16", 1.5e-3},
                          {MLO_DEVICE_BF16, "bfloat16", 1.2e-2},
                          {MLO_DEVICE_F64, "float64", 0}, /* of trees alone */
                          {MLO_DEVICE_I8, "int8", 0},     /* of steps that make bytes */
                          {MLO_DEVICE_E4M3, "float8", 0}};

struct gpu_data {
    struct mlo_device_step step;
    struct gpu_type type;
    void *buffer[MLO_DEVICE_STEP_BUFFERS]; /* floats, whatever the type; the last: what the CPU makes */
    void *stored[MLO_DEVICE_STEP_BUFFERS]; /* the same as the device has them; the last: NULL */
    uint64_t n[MLO_DEVICE_STEP_BUFFERS];
    unsigned n_buffers;
    uint32_t seed, bytes, from; /* types: of bytes; of what a step of two types reads */
    uint32_t spare;             /* rows of nobody */
};

static uint32_t gpu_random(struct gpu_data *d, uint32_t below)
{
    d->seed = d->seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)d->seed * below >> 32);
}

static float gpu_uniform(struct gpu_data *d)
{
    return (float)((double)gpu_random(d, 1u << 24) / (1 << 23) - 1);
}

/* Sequences of growing length. */
static void gpu_fill_first(struct gpu_data *d, int32_t *first, uint32_t sequences, uint32_t rows)
{
    for (uint32_t i = 0; d->spare && i < 2; i++)
        first[sequences--] = (int32_t)(rows - d->spare);
    rows -= d->spare;
    uint64_t all = (uint64_t)sequences * sequences;
    uint32_t longest = 0;
    for (uint32_t i = 0; i <= sequences; i++) {
        first[i] = (int32_t)((uint64_t)rows * i * i / all);
        if (i > 0 && (uint32_t)(first[i] - first[i - 1]) > longest)
            longest = (uint32_t)(first[i] - first[i - 1]);
    }
    if (d->step.op == MLO_DEVICE_ATTENTION || d->step.op == MLO_DEVICE_ATTENTION_APART)
        d->step.size[4] = longest;
}

#define TREE_NODES_EACH 63 /* most of a tree here */

/* Nodes after their parents; some trees are single leaves. */
static uint32_t gpu_grow_tree(struct gpu_data *d, struct mlo_device_node *tree, uint32_t at)
{
    uint32_t n = 1;
    for (uint32_t i = 0; i < n; i++) {
        struct mlo_device_node leaf = {gpu_uniform(d), MLO_DEVICE_LEAF, at + i};
        tree[i] = leaf;
        if (n + 2 > TREE_NODES_EACH || gpu_random(d, 8) == 0)
            continue;
        tree[i].column = gpu_random(d, d->step.size[1]) | (gpu_random(d, 5) == 0 ? MLO_DEVICE_NEGATED : 0);
        tree[i].child = n;
        n += 2;
    }
    return n;
}

static void gpu_fill_trees(struct gpu_data *d)
{
    uint32_t trees = d->step.size[2], targets = d->step.size[3], votes = d->step.size[4];
    int32_t *first = calloc(trees + 1, sizeof *first), *target = d->buffer[4];
    struct mlo_device_node *nodes = calloc((size_t)trees * TREE_NODES_EACH, sizeof *nodes);
    for (uint32_t i = 0; i < trees; i++)
        first[i + 1] = first[i] + (int32_t)gpu_grow_tree(d, nodes + first[i], (uint32_t)first[i]);
    for (uint32_t i = 0; i < trees * votes; i++) /* others than one after the other */
        target[i] = (int32_t)((i * 2 + i / votes) % targets);
    d->n[1] = (uint64_t)first[trees];
    d->buffer[1] = realloc(nodes, d->n[1] * sizeof *nodes);
    d->buffer[2] = first;
    if (d->buffer[5]) {
        d->n[5] = d->n[1] * votes;
        float *vote = d->buffer[5] = realloc(d->buffer[5], d->n[5] * sizeof *vote);
        for (uint64_t i = 0; i < d->n[5]; i++)
            vote[i] = gpu_uniform(d);
    }
    ((float *)d->buffer[0])[0] = NAN; /* goes to the second child everywhere */
}

/* Limits that rise, some of them equal, and numbers that are limits, no numbers, or none at all. */
static void gpu_fill_ranks(struct gpu_data *d)
{
    static const float odd[] = {0.0F, -0.0F, NAN, INFINITY, -INFINITY, 0.25F};
    uint32_t columns = d->step.size[2];
    int32_t *first = d->buffer[2], *feature = d->buffer[3];
    for (uint32_t c = 0; c < columns; c++) {
        uint32_t from = gpu_random(d, d->step.size[1]);
        first[c + 1] = first[c] + (int32_t)gpu_random(d, 40);
        feature[c] = c % 4 == 3 ? ~(int32_t)from : (int32_t)from;
    }
    d->n[1] = (uint64_t)first[columns] + 1; /* one that is nobody's */
    float *limits = d->buffer[1] = realloc(d->buffer[1], d->n[1] * sizeof *limits), *x = d->buffer[0];
    for (uint32_t c = 0; c < columns; c++)
        for (int32_t i = first[c]; i < first[c + 1]; i++)
            limits[i] = (float)(i - first[c] - 20 + (int32_t)gpu_random(d, 2)) / 16;
    limits[first[columns]] = 0;
    for (uint64_t i = 0; i < d->n[0]; i++)
        x[i] = i % 5 == 0 ? odd[i / 5 % 6] : i % 3 == 0 ? (float)((int)gpu_random(d, 48) - 24) / 16 : x[i];
}

#define RANKED_NODES_EACH 201u  /* most of a tree here */
#define RANKED_LARGE      4001u /* of each fourth one of three trees */

/* Returns how many nodes there are; the longest walk and the leaves go to tree[2] and *leaves. */
static uint32_t gpu_grow_ranked(struct gpu_data *d, int64_t *nodes, uint32_t most, int32_t *tree,
                                uint32_t *leaves)
{
    uint32_t n = 1, own = 0;
    uint8_t *depth = calloc(most + 2, 1);
    for (uint32_t i = 0; i < n; i++) {
        bool grows = n + 2 <= most && depth[i] < 30 && gpu_random(d, 8) != 0;
        nodes[i] = grows ? MLO_DEVICE_BRANCH(gpu_random(d, 6), gpu_random(d, d->step.size[1]), n, 0)
                         : MLO_DEVICE_BRANCH(UINT16_MAX, 0, i, own);
        own += !grows;
        if (grows)
            depth[n] = depth[n + 1] = (uint8_t)(depth[i] + 1);
        tree[2] = grows && depth[n] > tree[2] ? depth[n] : tree[2];
        n += grows ? 2 : 0;
    }
    free(depth);
    *leaves += own;
    return n;
}

static void gpu_fill_ranked(struct gpu_data *d)
{
    uint32_t trees = d->step.size[2], targets = d->step.size[3], votes = d->step.size[4], n = 0, leaves = 0;
    uint32_t most = trees == 3 ? RANKED_LARGE : RANKED_NODES_EACH, pieces = 0;
    int32_t *tree = d->buffer[2], *target = d->buffer[5], *piece = calloc(trees + 1, sizeof *piece);
    int64_t *nodes = calloc((size_t)trees * most, sizeof *nodes);
    for (uint32_t i = 0; i < trees; i++) {
        tree[i * 3] = (int32_t)n;
        tree[i * 3 + 1] = (int32_t)leaves;
        n += gpu_grow_ranked(d, nodes + n, most, tree + i * 3, &leaves);
        bool is_full = pieces == 0 || i - (uint32_t)piece[pieces - 1] == MLO_DEVICE_PIECE_TREES ||
                       n - (uint32_t)tree[piece[pieces - 1] * 3] > MLO_DEVICE_PIECE_NODES;
        if (is_full)
            piece[pieces++] = (int32_t)i;
    }
    tree[trees * 3] = (int32_t)n;
    tree[trees * 3 + 1] = (int32_t)leaves;
    piece[pieces] = (int32_t)trees;
    for (uint32_t i = 0; i < trees * votes; i++)
        target[i] = (int32_t)((i * 2 + i / votes) % targets);
    for (uint64_t i = 0; i < d->n[0]; i++)
        ((uint16_t *)d->buffer[0])[i] = (uint16_t)gpu_random(d, 7);
    d->step.size[6] = pieces;
    d->n[3] = pieces + 1;
    d->buffer[3] = piece;
    d->n[1] = n;
    d->buffer[1] = realloc(nodes, n * sizeof *nodes);
    d->n[6] = (uint64_t)leaves * votes;
    float *vote = d->buffer[6] = realloc(d->buffer[6], d->n[6] * sizeof *vote);
    for (uint64_t i = 0; i < d->n[6]; i++)
        vote[i] = gpu_uniform(d);
}

/* Floats of 8 bits by their definition: what number `v` of them is. */
static float gpu_e4m3(unsigned v)
{
    float size = (v & 0x78) == 0 ? ldexpf((float)(v & 7), -9)
                                 : ldexpf((float)(8 + (v & 7)), (int)(v >> 3 & 15) - 10);
    return v & 0x80 ? -size : size;
}

/* The nearest of them, and of two that are as near the even one. */
static uint8_t gpu_nearest_e4m3(float x)
{
    enum { MOST = 0x7e };
    unsigned best = 0;
    for (unsigned v = 1; v <= MOST; v++) {
        float off = fabsf(gpu_e4m3(v) - fabsf(x)), least = fabsf(gpu_e4m3(best) - fabsf(x));
        if (off < least || (off == least && v % 2 == 0))
            best = v;
    }
    return (uint8_t)(best | (signbit(x) ? 0x80 : 0));
}

/* Scales around 1 (of EXTREMES: what they are of), and zeros. */
static void gpu_fill_hows(struct gpu_data *d, float *how, uint64_t hows)
{
    for (uint64_t j = 0; j < hows; j++) {
        how[j] = 0.01F + 0.01F * fabsf(gpu_uniform(d));
        how[hows + j] = d->bytes == MLO_DEVICE_I8 ? (float)gpu_random(d, 256) - 128 : 0;
    }
}

static void gpu_fill_bytes(struct gpu_data *d, float *to, uint64_t n)
{
    for (uint64_t j = 0; j < n; j++)
        to[j] = d->bytes == MLO_DEVICE_I8 ? (float)gpu_random(d, 256) - 128
                                          : gpu_e4m3(gpu_nearest_e4m3(2 * gpu_uniform(d)));
}

/* Sums of each row of w, and zeros that its columns of y have. */
static void gpu_fill_weight_facts(struct gpu_data *d)
{
    const float *w = d->buffer[2];
    int32_t *sums = d->buffer[4], *zeros = d->buffer[5];
    uint32_t n = d->step.size[1], k = d->step.size[2];
    for (uint32_t i = 0; sums && i < n * k; i++)
        sums[i / k] += (int32_t)w[i];
    for (uint32_t i = 0; zeros && i < n; i++)
        zeros[i] = (int32_t)gpu_random(d, 256) - 128;
    if (!sums) /* zeros of x are 0 */
        memset((float *)d->buffer[1] + d->step.size[3], 0, d->step.size[3] * sizeof(float));
}

/* Rows in which keys are found and not found, whole and with a fraction, and no numbers. */
static void gpu_fill_table(struct gpu_data *d)
{
    float *x = d->buffer[0], *key = d->buffer[1];
    uint32_t n = d->step.size[1], op = d->step.op;
    for (uint64_t i = 0; op != MLO_DEVICE_UNIT && i < d->n[0]; i++)
        x[i] = i % 11 == 3 ? NAN : (float)((int)gpu_random(d, 4 * n) - (int)n) * (i % 4 == 0 ? 0.5F : 0.25F);
    for (uint32_t i = 0; (op == MLO_DEVICE_ONE_HOT || op == MLO_DEVICE_LOOKUP) && i < n; i++)
        key[i] = op == MLO_DEVICE_ONE_HOT ? (float)((i * 3) % n) : (float)i * 0.5F - 1;
    for (uint32_t i = 0; op == MLO_DEVICE_UNIT && i < n; i++) /* a row of no length */
        x[i] = 0;
}

/* Of the first sequence all keys, of others more than a warp takes at a time. */
static void gpu_hide_keys(const struct gpu_data *d, float *mask)
{
    uint32_t each = d->step.size[1] / d->step.size[0];
    for (uint32_t i = 0; i < d->step.size[1]; i++)
        if (i < each || i % each < 40)
            mask[i] = -INFINITY;
}

static void gpu_fill(struct gpu_data *d, unsigned i, const char *text)
{
    uint32_t type = program_type_of(text, MLO_DEVICE_F32), *size = d->step.size;
    d->n[i] = program_elements(text, size);
    bool is_later = (d->step.op == MLO_DEVICE_TREES && (i == 1 || i == 2)) ||
                    (d->step.op == MLO_DEVICE_RANKED_TREES && (i == 1 || i == 3));
    if (is_later)
        return;
    bool is_wide = (type == MLO_DEVICE_U16 && i > 0) || *text == 'q'; /* of floats here */
    d->buffer[i] = calloc(d->n[i], is_wide ? sizeof(float) : program_type_bytes(type));
    if (*text == 'q' && i + 1 < d->n_buffers) {
        gpu_fill_bytes(d, d->buffer[i], d->n[i]);
        return;
    }
    bool is_how = i == 1 &&
                  (program_ops[d->step.op].buffers[0][0] == 'q' || d->step.op == MLO_DEVICE_QUANTIZE);
    if (is_how) {
        gpu_fill_hows(d, d->buffer[i], d->n[i] / 2);
        return;
    }
    for (uint64_t j = 0; type == MLO_DEVICE_F32 && j < d->n[i]; j++)
        ((float *)d->buffer[i])[j] = gpu_uniform(d);
    for (uint64_t j = 0; d->step.op == MLO_DEVICE_EMBED && i < 3 && j < d->n[i]; j++)
        ((int32_t *)d->buffer[i])[j] = (int32_t)gpu_random(d, size[2 + i]);
    for (uint64_t j = 0; d->step.op == MLO_DEVICE_GATHER && i == 0 && j < d->n[i]; j++) /* see gpu_store */
        ((float *)d->buffer[i])[j] = ((float)gpu_random(d, size[2]) - (j % 3 == 0 ? (float)size[2] : 0)) /
                                     GPU_WHOLE;
    if (d->step.number == GPU_HIDDEN && *text == '?')
        gpu_hide_keys(d, d->buffer[i]);
    bool is_second = d->step.op == MLO_DEVICE_POOL || d->step.op == MLO_DEVICE_SPAN;
    if (i == is_second && type == MLO_DEVICE_I32 && d->step.op != MLO_DEVICE_EMBED)
        gpu_fill_first(d, d->buffer[i], size[0], size[1]);
    uint64_t row = d->spare ? d->n[i] / size[1] : 0;
    for (uint64_t j = 0; type == MLO_DEVICE_F32 && j < d->spare * row; j++)
        ((float *)d->buffer[i])[(size[1] - d->spare) * row + j] = i + 1 < d->n_buffers ? NAN : 0;
}

/* ---- what the CPU makes of it ---- */

static void gpu_cpu_activate(uint32_t activation, float *y, size_t n)
{
    static const enum mlo_activation_kind kinds[] = {
        [MLO_DEVICE_LINEAR] = MLO_ACTIVATION_NONE,     [MLO_DEVICE_RELU] = MLO_ACTIVATION_RELU,
        [MLO_DEVICE_SIGMOID] = MLO_ACTIVATION_SIGMOID, [MLO_DEVICE_TANH] = MLO_ACTIVATION_TANH,
        [MLO_DEVICE_GELU] = MLO_ACTIVATION_GELU,       [MLO_DEVICE_GELU_TANH] = MLO_ACTIVATION_GELU_TANH};
    struct mlo_activation a = {.kind = kinds[activation]};
    mlo_activate_f32(&a, y, n);
}

static void gpu_cpu_dense(struct gpu_data *d, float *y)
{
    const float *bias = d->buffer[2];
    size_t m = d->step.size[0], n = d->step.size[1], k = d->step.size[2];
    mlo_matmul_f32(&(struct mlo_matmul){.m = m,
                                        .n = n,
                                        .k = k,
                                        .a = d->buffer[0],
                                        .a_row = k,
                                        .a_col = 1,
                                        .b = d->buffer[1],
                                        .b_row = 1,
                                        .b_col = k,
                                        .c = y,
                                        .c_row = n});
    for (size_t i = 0; bias && i < m * n; i++)
        y[i] += bias[i % n];
    gpu_cpu_activate(d->step.activation, y, m * n);
}

static void gpu_cpu_norm(struct gpu_data *d, const float *x, const float *plus, unsigned scale, float *y)
{
    mlo_normalize_f32(&(struct mlo_normalize){.rows = d->step.size[0],
                                              .n = d->step.size[1],
                                              .x = x,
                                              .plus = plus,
                                              .scale = d->buffer[scale],
                                              .bias = d->buffer[scale + 1],
                                              .epsilon = d->step.number,
                                              .centred = true,
                                              .y = y});
}

static void gpu_cpu_embed(struct gpu_data *d, float *y)
{
    size_t n = d->step.size[1];
    for (size_t i = 0; i < d->step.size[0] * n; i++) {
        y[i] = 0;
        for (unsigned t = 0; t < 3; t++) {
            const int32_t *ids = d->buffer[t];
            const float *table = d->buffer[3 + t];
            y[i] += ids ? table[(size_t)ids[i / n] * n + i % n] : 0;
        }
    }
    gpu_cpu_norm(d, y, NULL, 6, y);
}

static void gpu_cpu_attend(struct gpu_data *d, float *y)
{
    size_t heads = d->step.size[2], size = d->step.size[3], row = heads * size, floats;
    size_t each = d->step.size[1] / d->step.size[0];
    bool apart = d->step.op == MLO_DEVICE_ATTENTION_APART;
    const int32_t *first = d->buffer[0];
    const float *qkv = d->buffer[1], *k = apart ? d->buffer[2] : qkv + row,
                *v = apart ? d->buffer[3] : qkv + 2 * row, *mask = d->buffer[apart ? 4 : 2];
    for (uint32_t s = 0; s < d->step.size[0]; s++) {
        size_t rows = first ? (size_t)(first[s + 1] - first[s]) : each;
        size_t from = first ? (size_t)first[s] : s * each, wide = apart ? row : 3 * row;
        struct mlo_attention_step step = {0, size, wide}, y_step = {0, size, heads * size};
        struct mlo_attention p = {.batch = 1,
                                  .heads = heads,
                                  .rows = rows,
                                  .keys = rows,
                                  .size = size,
                                  .v_size = size,
                                  .q = qkv + from * wide,
                                  .k = k + from * wide,
                                  .v = v + from * wide,
                                  .mask = mask ? mask + from : NULL,
                                  .mask_key = 1,
                                  .q_step = step,
                                  .k_step = step,
                                  .v_step = step,
                                  .y_step = y_step,
                                  .scale = d->step.number,
                                  .y = y + from * heads * size};
        if (rows == 0 || !mlo_attention_scratch(&p, &floats))
            continue;
        p.scratch = aligned_alloc(64, (floats * sizeof(float) + 63) / 64 * 64 + 64);
        mlo_attention_f32(&p);
        free(p.scratch);
        for (size_t i = 0; d->step.number == GPU_HIDDEN && s == 0 && i < rows * row; i++)
            p.y[i] = d->step.size[5] ? 0 : NAN; /* of keys that are all hidden */
    }
}

static void gpu_cpu_pool(struct gpu_data *d, float *y)
{
    const int32_t *first = d->buffer[1];
    const float *x = d->buffer[0];
    size_t n = d->step.size[2];
    for (uint32_t s = 0; s < d->step.size[0]; s++, y += n) {
        size_t rows = (size_t)(first[s + 1] - first[s]);
        double squares = 0;
        for (size_t i = 0; i < n; i++) {
            double sum = 0, most = -1e9, begin = rows ? (double)x[(size_t)first[s] * n + i] : 0;
            for (size_t row = (size_t)first[s]; row < (size_t)first[s + 1]; row++) {
                sum += (double)x[row * n + i];
                most = fmax(most, (double)x[row * n + i]);
            }
            double mean = rows ? sum / (double)rows : 0;
            y[i] = (float)(d->step.size[3] == MLO_DEVICE_POOL_MEAN    ? mean
                           : d->step.size[3] == MLO_DEVICE_POOL_FIRST ? begin
                                                                      : most);
            squares += (double)y[i] * (double)y[i];
        }
        for (size_t i = 0; d->step.number != 0 && i < n; i++)
            y[i] = (float)((double)y[i] / fmax(sqrt(squares), 1e-12));
    }
}

static void gpu_cpu_trees(struct gpu_data *d, float *y)
{
    const float *x = d->buffer[0], *base = d->buffer[3], *vote = d->buffer[5];
    const int32_t *first = d->buffer[2], *target = d->buffer[4];
    uint32_t targets = d->step.size[3], votes = d->step.size[4];
    for (uint32_t row = 0; row < d->step.size[0]; row++, x += d->step.size[1], y += targets) {
        for (uint32_t t = 0; t < targets; t++)
            y[t] = base ? base[t] : 0;
        for (uint32_t t = 0; t < d->step.size[2]; t++) {
            const struct mlo_device_node *tree = (const struct mlo_device_node *)d->buffer[1] + first[t],
                                         *at = tree;
            while (at->column != MLO_DEVICE_LEAF) {
                float is = x[at->column & ~MLO_DEVICE_NEGATED];
                at = tree + at->child + ((at->column & MLO_DEVICE_NEGATED ? -is : is) <= at->number ? 0 : 1);
            }
            for (uint32_t v = 0; v < votes; v++)
                y[target[t * votes + v]] += vote ? vote[at->child * votes + v] : at->number;
        }
    }
}

static void gpu_cpu_table(struct gpu_data *d, float *y)
{
    const float *x = d->buffer[0], *key = d->buffer[1], *value = d->buffer[2];
    uint32_t rows = d->step.size[0], n = d->step.size[1];
    float number = d->step.number;
    for (size_t i = 0; d->step.op == MLO_DEVICE_REPLACE && i < (size_t)rows * n; i++)
        y[i] = (isnan(number) ? isnan(x[i]) : x[i] == number) ? key[i % n] : x[i];
    for (size_t i = 0; d->step.op == MLO_DEVICE_ONE_HOT && i < (size_t)rows * n; i++)
        y[i] = truncf(x[i / n]) == key[i % n];
    for (size_t i = 0; d->step.op == MLO_DEVICE_LOOKUP && i < rows; i++) {
        y[i] = number;
        for (uint32_t k = 0; k < n; k++)
            y[i] = x[i] == key[k] ? value[k] : y[i];
    }
    for (uint32_t r = 0; d->step.op == MLO_DEVICE_UNIT && r < rows; r++, x += n, y += n) {
        double length = number == 0 ? -INFINITY : 0;
        for (uint32_t i = 0; i < n; i++)
            length = number == 0   ? fmax(length, (double)x[i])
                     : number == 1 ? length + fabs((double)x[i])
                                   : length + (double)x[i] * (double)x[i];
        length = number == 2 ? sqrt(length) : length;
        for (uint32_t i = 0; i < n; i++)
            y[i] = (float)(length == 0 ? (double)x[i] : (double)x[i] / length);
    }
}

/* What the other columns had stays: they are not looked at. */
static void gpu_cpu_place(struct gpu_data *d, float *y)
{
    const float *x = d->buffer[0];
    uint32_t n = d->step.size[1], m = d->step.size[2], at = d->step.size[3] - n;
    memset(y, 0, d->n[1] * sizeof *y);
    for (size_t i = 0; i < d->n[0]; i++)
        y[i / n * m + at + i % n] = x[i];
}

/* As floats, which hold them. */
static void gpu_cpu_rank(struct gpu_data *d, float *y)
{
    const float *x = d->buffer[0], *limits = d->buffer[1];
    const int32_t *first = d->buffer[2], *feature = d->buffer[3];
    for (uint32_t c = 0; c < d->step.size[2]; c++)
        for (uint32_t row = 0; row < d->step.size[3]; row++) {
            uint32_t from = (uint32_t)(feature[c] < 0 ? ~feature[c] : feature[c]);
            float v = row < d->step.size[0] ? x[(size_t)row * d->step.size[1] + from] : 0;
            uint32_t n = 0;
            for (int32_t i = first[c]; i < first[c + 1]; i++)
                n += !((feature[c] < 0 ? -v : v) <= limits[i]);
            y[(size_t)c * d->step.size[3] + row] = row < d->step.size[0] ? (float)n : 0;
        }
}

static void gpu_cpu_ranked(struct gpu_data *d, float *y)
{
    const uint16_t *ranks = d->buffer[0];
    const int64_t *nodes = d->buffer[1];
    const int32_t *tree = d->buffer[2], *target = d->buffer[5];
    const float *base = d->buffer[4], *vote = d->buffer[6];
    uint32_t targets = d->step.size[3], votes = d->step.size[4];
    double *sums = calloc(targets, sizeof *sums);
    for (uint32_t row = 0; row < d->step.size[0]; row++) {
        for (uint32_t t = 0; t < targets; t++)
            sums[t] = base ? (double)base[t] : 0;
        for (uint32_t t = 0; t < d->step.size[2]; t++) {
            uint64_t at = 0, node = (uint64_t)nodes[tree[t * 3]];
            while ((node & 0xffff) != UINT16_MAX) {
                at = (node >> 32 & 0xffff) +
                     (ranks[(node >> 16 & 0xffff) * d->step.size[5] + row] > (node & 0xffff));
                node = (uint64_t)nodes[(uint64_t)tree[t * 3] + at];
            }
            for (uint32_t v = 0; v < votes; v++) {
                double *sum = &sums[target[t * votes + v]];
                *sum += (double)vote[((uint64_t)tree[t * 3 + 1] + (node >> 48)) * votes + v];
                *sum = d->type.type == MLO_DEVICE_F64 ? *sum : (double)(float)*sum;
            }
        }
        for (uint32_t t = 0; t < targets; t++)
            y[(size_t)row * targets + t] = (float)sums[t];
    }
    free(sums);
}

static void gpu_cpu_elements(struct gpu_data *d, float *y)
{
    const float *x = d->buffer[0], *offset = d->buffer[1], *scale = d->buffer[2];
    size_t n = d->n[d->n_buffers - 1], columns = d->step.size[1];
    for (size_t i = 0; d->step.op == MLO_DEVICE_ADD && i < n; i++)
        y[i] = x[i] + offset[i % columns];
    for (size_t i = 0; d->step.op == MLO_DEVICE_SCALE && i < n; i++)
        y[i] = (x[i] - offset[i % columns]) * scale[i % columns];
    if (d->step.op == MLO_DEVICE_ACTIVATE) {
        memcpy(y, x, n * sizeof *y);
        gpu_cpu_activate(d->step.activation, y, n);
    }
}

static void gpu_cpu_gather(struct gpu_data *d, float *y)
{
    const float *ids = d->buffer[0], *table = d->buffer[1];
    size_t n = d->step.size[1];
    for (size_t i = 0; i < d->step.size[0]; i++)
        memcpy(y + i * n, table + (size_t)(ids[i] + (ids[i] < 0 ? (float)d->step.size[2] : 0)) * n,
               n * sizeof *y);
}

static void gpu_cpu_mask(struct gpu_data *d, float *y)
{
    size_t n = d->step.size[1], keys = d->step.size[2], times = d->step.size[3];
    for (size_t i = 0; i < d->step.size[0] * times * keys; i++) {
        const float *x = (const float *)d->buffer[0] + i / keys / times * n;
        size_t key = i % keys, ones = 0;
        for (size_t k = 0; k < n; k++)
            ones += x[k] == 1;
        bool is_seen = d->step.size[4] == MLO_DEVICE_SEEN_ABOVE     ? x[key] > 0
                       : d->step.size[4] == MLO_DEVICE_SEEN_COUNTED ? key < ones
                                                                    : (float)key < *x;
        y[i] = d->step.size[4] == MLO_DEVICE_SEEN_ADDED ? x[key] : is_seen ? 0 : d->step.number;
    }
}

static void gpu_cpu_swap(struct gpu_data *d, float *y)
{
    const uint32_t *size = d->step.size;
    const float *x = d->buffer[0];
    for (size_t b = 0; b < size[0]; b++, x += size[1] * size[2] * size[3], y += size[1] * size[2] * size[3])
        for (size_t row = 0; row < size[1]; row++)
            for (size_t column = 0; column < size[2]; column++)
                memcpy(y + (column * size[1] + row) * size[3], x + (row * size[2] + column) * size[3],
                       size[3] * sizeof *y);
}

/* ---- bytes ---- */

static void gpu_cpu_extremes(const float *x, size_t rows, size_t n, float *y)
{
    for (size_t i = 0; i < rows; i++)
        mlo_extremes_f32(x + i * n, n, &y[2 * i], &y[2 * i + 1]);
}

static void gpu_cpu_span(struct gpu_data *d, float *y)
{
    const float *x = d->buffer[0];
    const int32_t *first = d->buffer[1];
    size_t rows = d->step.size[1], hows = d->step.size[2];
    memset(y, 0, 2 * hows * sizeof *y);
    for (size_t s = 0; s < d->step.size[0]; s++) {
        float least = 0, most = 0;
        size_t from = first ? (size_t)first[s] : 0, to = first ? (size_t)first[s + 1] : rows;
        for (size_t i = from; i < to; i++) {
            least = fminf(least, x[2 * i]);
            most = fmaxf(most, x[2 * i + 1]);
        }
        for (size_t i = from; i < (first ? to : 1); i++) {
            y[i] = (most - least) / 255;
            y[hows + i] = rintf(-least / y[i]) - 128;
        }
    }
}

static float gpu_cpu_byte(const struct gpu_data *d, float v, float scale, float zero)
{
    uint8_t byte;
    if (d->bytes == MLO_DEVICE_E4M3)
        return gpu_e4m3(gpu_nearest_e4m3(v / scale));
    mlo_quantize_f32(&(struct mlo_quantize){
        .x = &v, .y = &byte, .n = 1, .scales = &scale, .zeros = &zero, .low = -128, .high = 127});
    return (float)(int8_t)byte;
}

static void gpu_cpu_quantize(struct gpu_data *d, float *y)
{
    const float *x = d->buffer[0], *how = d->buffer[1];
    size_t rows = d->step.size[0], n = d->step.size[1], hows = d->step.size[2];
    for (size_t i = 0; i < rows * n; i++) {
        size_t at = hows > 1 ? i / n : 0;
        y[i] = gpu_cpu_byte(d, x[i], how[at], how[hows + at]);
    }
}

static void gpu_cpu_quantize_rows(struct gpu_data *d, float *y)
{
    const float *x = d->buffer[0];
    size_t rows = d->step.size[0], n = d->step.size[1];
    for (size_t i = 0; i < rows; i++, x += n, y += n) {
        float most = 0;
        for (size_t j = 0; j < n; j++)
            most = fmaxf(most, fabsf(x[j]));
        for (size_t j = 0; j < n; j++)
            y[j] = gpu_cpu_byte(d, x[j], most / (d->bytes == MLO_DEVICE_I8 ? 127 : 448), 0);
    }
}

static void gpu_cpu_dequantize(struct gpu_data *d, float *y)
{
    const float *x = d->buffer[0], *how = d->buffer[1];
    size_t rows = d->step.size[0], n = d->step.size[1], hows = d->step.size[2];
    for (size_t i = 0; i < rows * n; i++) {
        size_t at = hows > 1 ? i / n : 0;
        y[i] = (x[i] - how[hows + at]) * how[at];
    }
}

/* The CPU's own product of bytes. */
static void gpu_cpu_multiply_i8(struct gpu_data *d, float *y)
{
    size_t m = d->step.size[0], n = d->step.size[1], k = d->step.size[2], hows = d->step.size[3];
    const float *x = d->buffer[0], *w = d->buffer[2], *how = d->buffer[1];
    uint8_t *a = calloc(m * k, 1), *b = calloc(k * n, 1);
    void *packed = aligned_alloc(64, (mlo_int8_packed_bytes(k, n) + 63) / 64 * 64);
    int32_t *sums = calloc(n, sizeof *sums), *zeros = calloc(hows, sizeof *zeros);
    for (size_t i = 0; i < m * k; i++)
        a[i] = (uint8_t)(x[i] + 128);
    for (size_t i = 0; i < n * k; i++)
        b[i % k * n + i / k] = (uint8_t)(int8_t)w[i];
    for (size_t i = 0; i < hows; i++)
        zeros[i] = (int32_t)how[hows + i] + 128;
    mlo_int8_pack(b, true, k, n, packed, sums);
    mlo_int8_multiply(&(struct mlo_int8_product){.m = m,
                                                 .n = n,
                                                 .k = k,
                                                 .a = a,
                                                 .a_row = k,
                                                 .a_zeros = zeros,
                                                 .a_scales = how,
                                                 .a_step = hows > 1,
                                                 .packed = packed,
                                                 .sums = sums,
                                                 .zeros = d->buffer[5],
                                                 .scales = d->buffer[3],
                                                 .bias = d->buffer[6],
                                                 .y = y});
    free(a);
    free(b);
    free(packed);
    free(sums);
    free(zeros);
}

static void gpu_cpu_multiply_e4m3(struct gpu_data *d, float *y)
{
    size_t m = d->step.size[0], n = d->step.size[1], k = d->step.size[2], hows = d->step.size[3];
    const float *x = d->buffer[0], *w = d->buffer[2], *how = d->buffer[1], *scales = d->buffer[3],
                *bias = d->buffer[6];
    for (size_t i = 0; i < m * n; i++) {
        double sum = 0;
        for (size_t j = 0; j < k; j++)
            sum += (double)x[i / n * k + j] * (double)w[i % n * k + j];
        y[i] = (float)(sum * (double)how[hows > 1 ? i / n : 0] * (double)scales[i % n]) +
               (bias ? bias[i % n] : 0);
    }
}

static void gpu_cpu_dense_bytes(struct gpu_data *d, float *y)
{
    if (d->bytes == MLO_DEVICE_I8)
        gpu_cpu_multiply_i8(d, y);
    else
        gpu_cpu_multiply_e4m3(d, y);
    gpu_cpu_activate(d->step.activation, y, (size_t)d->step.size[0] * d->step.size[1]);
}

static void gpu_on_this_cpu(struct gpu_data *d, float *y)
{
    switch ((enum mlo_device_op)d->step.op) {
    case MLO_DEVICE_DENSE:
        gpu_cpu_dense(d, y);
        break;
    case MLO_DEVICE_NORM:
        gpu_cpu_norm(d, d->buffer[0], d->buffer[1], 2, y);
        break;
    case MLO_DEVICE_EMBED:
        gpu_cpu_embed(d, y);
        break;
    case MLO_DEVICE_ATTENTION:
    case MLO_DEVICE_ATTENTION_APART:
        gpu_cpu_attend(d, y);
        break;
    case MLO_DEVICE_SOFTMAX:
        mlo_softmax_f32(d->buffer[0], y, d->step.size[0], d->step.size[1]);
        break;
    case MLO_DEVICE_POOL:
        gpu_cpu_pool(d, y);
        break;
    case MLO_DEVICE_TREES:
        gpu_cpu_trees(d, y);
        break;
    case MLO_DEVICE_REPLACE:
    case MLO_DEVICE_ONE_HOT:
    case MLO_DEVICE_LOOKUP:
    case MLO_DEVICE_UNIT:
        gpu_cpu_table(d, y);
        break;
    case MLO_DEVICE_PLACE:
        gpu_cpu_place(d, y);
        break;
    case MLO_DEVICE_RANK:
        gpu_cpu_rank(d, y);
        break;
    case MLO_DEVICE_RANKED_TREES:
        gpu_cpu_ranked(d, y);
        break;
    case MLO_DEVICE_GATHER:
        gpu_cpu_gather(d, y);
        break;
    case MLO_DEVICE_MASK:
        gpu_cpu_mask(d, y);
        break;
    case MLO_DEVICE_SWAP:
        gpu_cpu_swap(d, y);
        break;
    case MLO_DEVICE_CONVERT:
        memcpy(y, d->buffer[0], d->n[0] * sizeof *y);
        break;
    case MLO_DEVICE_EXTREMES:
        gpu_cpu_extremes(d->buffer[0], d->step.size[0], d->step.size[1], y);
        break;
    case MLO_DEVICE_SPAN:
        gpu_cpu_span(d, y);
        break;
    case MLO_DEVICE_QUANTIZE:
        gpu_cpu_quantize(d, y);
        break;
    case MLO_DEVICE_QUANTIZE_ROWS:
        gpu_cpu_quantize_rows(d, y);
        break;
    case MLO_DEVICE_DEQUANTIZE:
        gpu_cpu_dequantize(d, y);
        break;
    case MLO_DEVICE_DENSE_BYTES:
        gpu_cpu_dense_bytes(d, y);
        break;
    case MLO_DEVICE_ACTIVATE:
    case MLO_DEVICE_SCALE:
    case MLO_DEVICE_ADD:
    case MLO_DEVICE_OPS:
        gpu_cpu_elements(d, y);
        break;
    }
}

/* ---- */

static bool gpu_is_half(uint32_t type)
{
    return type == MLO_DEVICE_F16 || type == MLO_DEVICE_BF16;
}

static enum mlo_dtype gpu_dtype(uint32_t type)
{
    return type == MLO_DEVICE_F16 ? MLO_DT_F16 : MLO_DT_BF16;
}

/* The type that buffer i has on the device. */
static uint32_t gpu_stored_type(const struct gpu_data *d, unsigned i)
{
    const char *text = program_ops[d->step.op].buffers[i];
    if (*text == 'q')
        return d->bytes;
    return strchr("vmnjk", *text) ? d->from : program_type_of(text, d->type.type);
}

static void gpu_store_bytes(struct gpu_data *d, unsigned i)
{
    const float *from = d->buffer[i];
    uint8_t *to = d->stored[i] = calloc(d->n[i], 1);
    for (uint64_t j = 0; j < d->n[i]; j++)
        to[j] = d->bytes == MLO_DEVICE_I8 ? (uint8_t)(int8_t)from[j] : gpu_nearest_e4m3(from[j]);
}

static void gpu_store(struct gpu_data *d, unsigned i)
{
    uint32_t type = gpu_stored_type(d, i);
    d->stored[i] = d->buffer[i];
    if (d->buffer[i] && type == MLO_DEVICE_F64) {
        d->stored[i] = calloc(d->n[i], sizeof(double));
        for (uint64_t k = 0; k < d->n[i]; k++)
            ((double *)d->stored[i])[k] = (double)((float *)d->buffer[i])[k];
    }
    if (d->buffer[i] && program_is_byte(type))
        gpu_store_bytes(d, i);
    bool is_read = strchr("mnjk", *program_ops[d->step.op].buffers[i]) != NULL;
    if (is_read && (type == MLO_DEVICE_I64 || type == MLO_DEVICE_I32)) {
        d->stored[i] = calloc(d->n[i], sizeof(int64_t));
        for (uint64_t k = 0; k < d->n[i]; k++) {
            float *v = (float *)d->buffer[i] + k;
            *v = isnan(*v) ? 0 : truncf(*v * GPU_WHOLE);
            if (type == MLO_DEVICE_I64)
                ((int64_t *)d->stored[i])[k] = (int64_t)*v;
            else
                ((int32_t *)d->stored[i])[k] = (int32_t)*v;
        }
    }
    if (!d->buffer[i] || !gpu_is_half(type))
        return;
    d->stored[i] = calloc(d->n[i], sizeof(uint16_t));
    mlo_floats_to_halves(gpu_dtype(type), d->buffer[i], d->stored[i], d->n[i]);
    mlo_halves_to_floats(gpu_dtype(type), d->stored[i], d->buffer[i], d->n[i]);
}

/* Has the step a form of this type? SCALE and TREES are of floats alone. */
static bool gpu_case_has(const struct gpu_case *c, const struct gpu_type *type)
{
    const struct program_op *op = &program_ops[c->op];
    const char *text = op->buffers[program_typed(op)];
    if (*text == 'q')
        return c->bytes == type->type;
    return program_floats_ok(text, type->type) && program_type_of(text, type->type) == type->type;
}

static void gpu_data_new(const struct gpu_case *c, const struct gpu_type *type, struct gpu_data *d)
{
    const struct program_op *op = &program_ops[c->op];
    memset(d, 0, sizeof *d);
    d->type = *type;
    d->bytes = c->bytes;
    d->from = c->activation;
    d->spare = c->spare;
    d->seed = c->op * 977 + c->size[0] * 31 + c->size[1];
    d->n_buffers = op->n_buffers;
    d->step.op = c->op;
    bool is_told = strchr("vmnjk", *op->buffers[0]) != NULL;
    d->step.activation = is_told ? 0 : c->activation;
    d->step.number = c->number;
    memcpy(d->step.size, c->size, sizeof c->size);
    for (unsigned i = 0; i < op->n_buffers; i++) {
        bool is_missing = c->missing >> i & 1;
        d->step.buffer[i] = is_missing ? MLO_DEVICE_NO_BUFFER : i;
        if (!is_missing)
            gpu_fill(d, i, op->buffers[i]);
    }
    if (c->op == MLO_DEVICE_TREES)
        gpu_fill_trees(d);
    else if (c->op >= MLO_DEVICE_REPLACE && c->op <= MLO_DEVICE_UNIT)
        gpu_fill_table(d);
    else if (c->op == MLO_DEVICE_RANK)
        gpu_fill_ranks(d);
    else if (c->op == MLO_DEVICE_RANKED_TREES)
        gpu_fill_ranked(d);
    else if (c->op == MLO_DEVICE_DENSE_BYTES)
        gpu_fill_weight_facts(d);
    for (uint64_t i = 0; c->op == MLO_DEVICE_ACTIVATE && i < d->n[0]; i++)
        ((float *)d->buffer[0])[i] *= 12;
    for (unsigned i = 0; i + 1 < op->n_buffers; i++)
        gpu_store(d, i);
    gpu_on_this_cpu(d, d->buffer[op->n_buffers - 1]);
}

static void gpu_data_free(struct gpu_data *d)
{
    for (unsigned i = 0; i < d->n_buffers; i++) {
        if (d->stored[i] != d->buffer[i])
            free(d->stored[i]);
        free(d->buffer[i]);
    }
}

/* What the device gave, as floats. Owner: the caller. */
static float *gpu_widened(const struct gpu_data *d, const void *got)
{
    uint64_t n = d->n[d->n_buffers - 1];
    uint32_t type = gpu_stored_type(d, d->n_buffers - 1);
    float *y = calloc(n, sizeof *y);
    for (uint64_t i = 0; y && type == MLO_DEVICE_F64 && i < n; i++)
        y[i] = (float)((const double *)got)[i];
    for (uint64_t i = 0; y && type == MLO_DEVICE_U16 && i < n; i++) /* ranks, those of rows */
        y[i] = i % d->step.size[3] < d->step.size[0] ? ((const uint16_t *)got)[i] : 0;
    for (uint64_t i = 0; y && program_is_byte(type) && i < n; i++)
        y[i] = type == MLO_DEVICE_I8 ? (float)((const int8_t *)got)[i] : gpu_e4m3(((const uint8_t *)got)[i]);
    if (type == MLO_DEVICE_F64 || type == MLO_DEVICE_U16 || program_is_byte(type))
        return y;
    if (y && gpu_is_half(type))
        mlo_halves_to_floats(gpu_dtype(type), got, y, n);
    else if (y)
        memcpy(y, got, n * sizeof *y);
    for (uint64_t i = 0; y && d->step.op == MLO_DEVICE_PLACE && i < n; i++) /* what it does not write */
        if (i % d->step.size[2] + d->step.size[1] < d->step.size[3] || i % d->step.size[2] >= d->step.size[3])
            y[i] = 0;
    bool is_attention = d->step.op == MLO_DEVICE_ATTENTION || d->step.op == MLO_DEVICE_ATTENTION_APART;
    uint64_t row = d->spare ? n / d->step.size[1] : 0;
    for (uint64_t i = 0; y && is_attention && i < d->spare * row; i++)
        y[n - 1 - i] = 0;
    for (uint64_t i = 0; y && d->step.op == MLO_DEVICE_SPAN && i < d->spare; i++)
        y[n / 2 - 1 - i] = y[n - 1 - i] = 0;
    return y;
}

/* How many results are out of tolerance; *ret_worst: the greatest error. */
static uint64_t gpu_data_wrong(const struct gpu_case *c, const struct gpu_data *d, const float *got,
                               double *ret_worst)
{
    const float *want = d->buffer[d->n_buffers - 1];
    double more = d->type.tolerance;
    uint64_t wrong = 0;
    *ret_worst = 0;
    for (uint64_t i = 0; i < d->n[d->n_buffers - 1]; i++) {
        bool are_none = isnan(got[i]) && isnan(want[i]);
        double error = are_none ? 0 : fabs((double)got[i] - (double)want[i]);
        wrong += !are_none && !(error <= c->atol + more + (c->rtol + more) * fabs((double)want[i]));
        *ret_worst = error > *ret_worst || isnan(error) ? error : *ret_worst;
    }
    return wrong;
}

#endif
