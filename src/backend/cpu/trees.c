/*
 * Trees: which kernel a number of rows goes through. Blocks of rows, and single rows where there are few
 * columns, go through the trees in ranks; what is left is walked. All of them find the same leaves, and votes
 * are added in the order of the trees.
 */
#include "trees.h"

#include <string.h>

#define LINE ((size_t)64)

const struct mlo_tree_level *const mlo_tree_levels[] = {
#if defined(__x86_64__)
    &mlo_tree_avx512_vbmi,
    &mlo_tree_avx512,
    &mlo_tree_avx2,
#endif
    &mlo_tree_plain,
};

static const struct mlo_tree_level *best_level(void)
{
    const struct mlo_tree_level *const *l = mlo_tree_levels;
    while (!(*l)->have())
        l++;
    return *l;
}

/* ---- memory ---- */

struct room {
    uint8_t *ranks, *slots, *leaves;
    uint32_t *numbers; /* of leaves: of a block in one tree, or of a row in all */
    float *sums;       /* of a block: [n_targets][MLO_RANK_ROWS] */
    void *rows;        /* of a block, with their negated half */
    size_t bytes;
};

static size_t lines(size_t n, size_t size)
{
    return (n * size + LINE - 1) / LINE * LINE;
}

static size_t greater(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* base NULL: only the size counts. */
static struct room lay_room(const struct mlo_trees *t, size_t n, void *base)
{
    size_t columns = MLO_RANK_ROW_COLUMNS / MLO_RANK_ROWS, slots = 0,
           rows = n < MLO_RANK_ROWS ? n : MLO_RANK_ROWS;
    for (size_t i = 0; i < t->n_groups; i++) {
        columns = greater(columns, t->groups[i].n_columns);
        slots = greater(slots, t->groups[i].n_slots);
    }
    size_t at = 0, sizes[] = {
                       lines(columns, MLO_RANK_ROWS),
                       lines(slots, MLO_RANK_ROWS),
                       lines(greater(t->n + 8, MLO_RANK_ROWS), 1),
                       lines(greater(t->n, MLO_RANK_ROWS), sizeof(uint32_t)),
                       t->values && n > 1 ? lines(t->n_targets * MLO_RANK_ROWS, sizeof(float)) : 0,
                       t->negated ? lines(rows * 2 * t->n_features, sizeof(double)) : 0,
                   };
    void *parts[6] = {0};
    for (size_t i = 0; i < 6; i++) {
        parts[i] = base ? (char *)base + at : NULL;
        at += sizes[i];
    }
    return (struct room){parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], at};
}

size_t mlo_trees_room(const struct mlo_trees *t, size_t n)
{
    return lay_room(t, n, NULL).bytes;
}

/* ---- ranks ---- */

/* Halves the limits without a branch. */
static size_t limits_below(const double *limits, size_t n, double x)
{
    const double *from = limits;
    while (n > 0) {
        size_t half = n - n / 2;
        from += from[half - 1] < x ? half : 0;
        n -= half;
    }
    return (size_t)(from - limits);
}

static void rank_f64(const struct mlo_tree_group *g, const double *x, uint8_t *ret_ranks, size_t stride)
{
    for (size_t k = 0; k < g->n_columns; k++) {
        const struct mlo_tree_column *c = &g->columns[k];
        double v = c->negated ? -x[c->feature] : x[c->feature];
        ret_ranks[k * stride] = (uint8_t)(v != v ? c->n_limits : limits_below(c->f64, c->n_limits, v));
    }
}

/* Rows of either type. */
struct rows {
    const float *f32;
    const double *f64; /* NULL: floats */
    size_t n, stride;
};

static struct rows part(const struct rows *x, size_t from, size_t most)
{
    size_t n = x->n - from;
    return (struct rows){x->f32 ? x->f32 + from * x->stride : NULL, x->f64 ? x->f64 + from * x->stride : NULL,
                         n < most ? n : most, x->stride};
}

static void rank(const struct mlo_tree_level *l, const struct mlo_tree_group *g, const struct rows *x,
                 uint8_t *ranks, size_t stride)
{
    for (size_t i = 0; i < x->n; i++)
        if (x->f64)
            rank_f64(g, x->f64 + i * x->stride, ranks + i, stride);
        else
            l->rank(g, x->f32 + i * x->stride, ranks + i, stride);
}

/* Rows that are not there have the rank 0. */
static void rank_block(const struct mlo_tree_level *l, const struct mlo_tree_group *g, const struct rows *x,
                       uint8_t *ranks)
{
    if (x->n < MLO_RANK_ROWS)
        memset(ranks, 0, g->n_columns * MLO_RANK_ROWS);
    rank(l, g, x, ranks, MLO_RANK_ROWS);
}

/* The first slots of steps: leaf i is the byte i of every row. */
static void fill_slots(const struct mlo_trees *t, uint8_t *slots)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_groups; i++)
        n = greater(n, t->groups[i].n_constant);
    for (size_t i = 0; i < n; i++)
        memset(slots + i * MLO_RANK_ROWS, (int)i, MLO_RANK_ROWS);
}

/* ---- walks ---- */

/* Rows with their negated half, where walks need it. */
static struct rows widen(const struct mlo_trees *t, const struct rows *x, void *memory)
{
    struct rows wide = {.n = x->n, .stride = 2 * t->n_features};
    float *f32 = memory;
    double *f64 = memory;
    if (!t->negated)
        return *x;
    for (size_t i = 0; i < x->n; i++)
        for (size_t k = 0, at = i * wide.stride; k < t->n_features; k++, at++)
            if (x->f64) {
                f64[at] = x->f64[i * x->stride + k];
                f64[at + t->n_features] = -f64[at];
            } else {
                f32[at] = x->f32[i * x->stride + k];
                f32[at + t->n_features] = -f32[at];
            }
    wide.f64 = x->f64 ? f64 : NULL;
    wide.f32 = x->f64 ? NULL : f32;
    return wide;
}

static void walk_row(const struct mlo_trees *t, const struct rows *x, uint32_t *ret)
{
    if (x->f64)
        mlo_tree_walk_row_f64(t, x->f64, ret);
    else
        mlo_tree_walk_row_f32(t, x->f32, ret);
}

static void walk_rows(const struct mlo_trees *t, size_t k, const struct rows *x, uint32_t *ret)
{
    if (x->f64)
        mlo_tree_walk_rows_f64(t, k, x->f64, x->n, x->stride, ret);
    else
        mlo_tree_walk_rows_f32(t, k, x->f32, x->n, x->stride, ret);
}

/* ---- leaves ---- */

/* How a block of rows goes. Groups of a forest are all of a kind. */
enum way { WALK, BY_ROW, BY_BLOCK };
static enum way choose_way(const struct mlo_tree_level *l, const struct mlo_trees *t, size_t n)
{
    if (t->n_groups == 0)
        return WALK;
    bool can_row = l->row && t->groups[0].row_columns;
    if (n >= (can_row ? l->rows : l->rows_on))
        return BY_BLOCK;
    return can_row ? BY_ROW : WALK;
}

static void find_walking(const struct mlo_trees *t, const struct rows *x, const struct room *r, uint32_t *ret)
{
    struct rows wide = widen(t, x, r->rows);
    if (x->n == 1)
        walk_row(t, &wide, ret);
    for (size_t k = 0; x->n > 1 && k < t->n; k++) {
        walk_rows(t, k, &wide, r->numbers);
        for (size_t i = 0; i < x->n; i++)
            ret[i * t->n + k] = r->numbers[i];
    }
}

static void find_block(const struct mlo_tree_level *l, const struct mlo_trees *t,
                       const struct mlo_tree_group *g, const struct rows *x, const struct room *r,
                       uint32_t *ret)
{
    rank_block(l, g, x, r->ranks);
    for (size_t k = 0; k < g->n; k++) {
        const uint32_t *numbers = g->numbers + g->first_leaf[k];
        l->leaves(g, k, r->ranks, r->slots, r->leaves);
        for (size_t i = 0; i < x->n; i++)
            ret[i * t->n + g->first + k] = numbers[r->leaves[i]];
    }
}

static void find_row(const struct mlo_tree_level *l, const struct mlo_tree_group *g, const struct rows *x,
                     const struct room *r, uint32_t *ret)
{
    rank(l, g, x, r->ranks, 1);
    l->row(g, r->ranks, r->leaves);
    for (size_t k = 0; k < g->n; k++)
        ret[g->first + k] = g->numbers[g->first_leaf[k] + r->leaves[k]];
}

static void find_some(const struct mlo_tree_level *l, const struct mlo_trees *t, const struct rows *x,
                      const struct room *r, uint32_t *ret)
{
    enum way way = choose_way(l, t, x->n);
    if (way == WALK)
        find_walking(t, x, r, ret);
    for (size_t i = 0; way == BY_BLOCK && i < t->n_groups; i++)
        find_block(l, t, &t->groups[i], x, r, ret);
    for (size_t row = 0; way == BY_ROW && row < x->n; row++) {
        struct rows one = part(x, row, 1);
        for (size_t i = 0; i < t->n_groups; i++)
            find_row(l, &t->groups[i], &one, r, ret + row * t->n);
    }
}

static void find(const struct mlo_tree_level *l, const struct mlo_trees *t, const struct rows *x, void *room,
                 uint32_t *ret)
{
    struct room r = lay_room(t, x->n, room);
    fill_slots(t, r.slots);
    for (size_t i = 0; i < x->n; i += MLO_RANK_ROWS) {
        struct rows some = part(x, i, MLO_RANK_ROWS);
        find_some(l, t, &some, &r, ret + i * t->n);
    }
}

void mlo_trees_find_at_f32(const struct mlo_tree_level *l, const struct mlo_trees *t, const float *x,
                           size_t n, size_t stride, void *room, uint32_t *ret_leaves)
{
    find(l, t, &(struct rows){.f32 = x, .n = n, .stride = stride}, room, ret_leaves);
}

void mlo_trees_find_at_f64(const struct mlo_tree_level *l, const struct mlo_trees *t, const double *x,
                           size_t n, size_t stride, void *room, uint32_t *ret_leaves)
{
    find(l, t, &(struct rows){.f64 = x, .n = n, .stride = stride}, room, ret_leaves);
}

void mlo_trees_find_f32(const struct mlo_trees *t, const float *x, size_t n, size_t stride, void *room,
                        uint32_t *ret_leaves)
{
    mlo_trees_find_at_f32(best_level(), t, x, n, stride, room, ret_leaves);
}

void mlo_trees_find_f64(const struct mlo_trees *t, const double *x, size_t n, size_t stride, void *room,
                        uint32_t *ret_leaves)
{
    mlo_trees_find_at_f64(best_level(), t, x, n, stride, room, ret_leaves);
}

/* ---- sums ---- */

static void add_walks(const struct mlo_trees *t, size_t k, const uint32_t *numbers, size_t n, float *scores)
{
    const uint32_t *targets = t->targets + k * t->n_votes;
    for (size_t i = 0; i < n; i++, scores += t->n_targets)
        for (size_t v = 0; v < t->n_votes; v++)
            scores[targets[v]] += t->values[numbers[i] * t->n_votes + v];
}

static void sum_walking(const struct mlo_trees *t, const struct rows *x, const struct room *r, float *scores)
{
    struct rows wide = widen(t, x, r->rows);
    if (x->n == 1)
        walk_row(t, &wide, r->numbers);
    for (size_t k = 0; k < t->n; k++) {
        if (x->n > 1)
            walk_rows(t, k, &wide, r->numbers);
        add_walks(t, k, x->n > 1 ? r->numbers : r->numbers + k, x->n, scores);
    }
}

static void sum_group(const struct mlo_tree_level *l, const struct mlo_trees *t,
                      const struct mlo_tree_group *g, const struct rows *x, const struct room *r)
{
    rank_block(l, g, x, r->ranks);
    for (size_t k = 0; k < g->n; k++) {
        size_t leaves = g->first_leaf[k + 1] - g->first_leaf[k];
        const uint32_t *targets = t->targets + (g->first + k) * t->n_votes;
        const float *values = g->values + g->first_leaf[k] * t->n_votes;
        l->leaves(g, k, r->ranks, r->slots, r->leaves);
        for (size_t v = 0; v < t->n_votes; v++)
            l->add(values + v * leaves, leaves, r->leaves, r->sums + targets[v] * MLO_RANK_ROWS);
    }
}

static void sum_block(const struct mlo_tree_level *l, const struct mlo_trees *t, const struct rows *x,
                      const struct room *r, float *scores)
{
    size_t targets = t->n_targets;
    for (size_t i = 0; i < x->n; i++)
        for (size_t k = 0; k < targets; k++)
            r->sums[k * MLO_RANK_ROWS + i] = scores[i * targets + k];
    for (size_t i = 0; i < t->n_groups; i++)
        sum_group(l, t, &t->groups[i], x, r);
    for (size_t i = 0; i < x->n; i++)
        for (size_t k = 0; k < targets; k++)
            scores[i * targets + k] = r->sums[k * MLO_RANK_ROWS + i];
}

static void sum_row(const struct mlo_tree_level *l, const struct mlo_trees *t, const struct mlo_tree_group *g,
                    const struct rows *x, const struct room *r, float *scores)
{
    const uint32_t *targets = t->targets + g->first * t->n_votes;
    size_t leaves = (size_t)1 << g->depth;
    const float *values = g->values;
    float sum = scores[0]; /* of one target: not through memory */
    bool many = t->n_votes > 1 || t->n_targets > 1;
    rank(l, g, x, r->ranks, 1);
    l->row(g, r->ranks, r->leaves);
    for (size_t k = 0; k < g->n && !many; k++)
        sum += values[k * leaves + r->leaves[k]];
    scores[0] = sum;
    for (size_t i = 0; i < g->n * t->n_votes && many; i++)
        scores[targets[i]] += values[i * leaves + r->leaves[i / t->n_votes]];
}

static void sum_some(const struct mlo_tree_level *l, const struct mlo_trees *t, const struct rows *x,
                     const struct room *r, float *scores)
{
    enum way way = choose_way(l, t, x->n);
    if (way == WALK)
        sum_walking(t, x, r, scores);
    if (way == BY_BLOCK)
        sum_block(l, t, x, r, scores);
    for (size_t row = 0; way == BY_ROW && row < x->n; row++) {
        struct rows one = part(x, row, 1);
        for (size_t i = 0; i < t->n_groups; i++)
            sum_row(l, t, &t->groups[i], &one, r, scores + row * t->n_targets);
    }
}

void mlo_trees_sum_at(const struct mlo_tree_level *l, const struct mlo_trees *t, const float *x, size_t n,
                      size_t stride, void *room, float *scores)
{
    struct rows all = {.f32 = x, .n = n, .stride = stride};
    struct room r = lay_room(t, n, room);
    fill_slots(t, r.slots);
    for (size_t i = 0; i < n; i += MLO_RANK_ROWS) {
        struct rows some = part(&all, i, MLO_RANK_ROWS);
        sum_some(l, t, &some, &r, scores + i * t->n_targets);
    }
}

void mlo_trees_sum_f32(const struct mlo_trees *t, const float *x, size_t n, size_t stride, void *room,
                       float *scores)
{
    mlo_trees_sum_at(best_level(), t, x, n, stride, room, scores);
}
