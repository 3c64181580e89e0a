/*
 * A forest in ranks (backend.h), for the kernels that compare bytes: the limits of each column in order,
 * trees cut into groups so that a byte suffices, questions by the place of their limit.
 */
#include <math.h>
#include <string.h>

#include "forest_rank.h"

#define MEMORY_MAX   ((size_t)64 << 30)
#define FILLING_MOST 8 /* times as many nodes as the trees have */

struct ranker {
    struct mlo_forest *f;
    struct mlo_forest_limits l;
    uint32_t *seen, *before; /* of each limit: the group that has it last, and how many less are in it */
    uint32_t *count;         /* of each column: limits in the group */
    uint32_t *place;         /* of each column: in the group */
    size_t *group_end;       /* trees */
    uint32_t *n_leaves;      /* of each tree; not when trees are filled */
    size_t n_groups;
    unsigned depth; /* to fill to; 0 */
};

bool mlo_forest_is_leaf(const struct mlo_forest *f, size_t at)
{
    return f->nodes_f32[at].child + 1 == at;
}

size_t mlo_forest_tree_end(const struct mlo_forest *f, size_t tree)
{
    return tree + 1 < f->trees.n ? f->roots[tree + 1] : f->n_nodes;
}

static bool has_limit(const struct mlo_forest *f, size_t at)
{
    return !mlo_forest_is_leaf(f, at) && !isnan(f->nodes_f64[at].at_most);
}

/* ---- is it worth it? ---- */

/* Leaves below a node when nodes with two parents are laid twice; more than `most`: too many. */
static uint32_t leaves_below(const struct mlo_forest *f, uint32_t at, uint32_t most)
{
    uint32_t child = f->nodes_f32[at].child;
    if (mlo_forest_is_leaf(f, at))
        return 1;
    uint32_t n = leaves_below(f, child, most);
    return n >= most ? most + 1 : n + leaves_below(f, child + 1, most - n);
}

/* False: too many in one. */
static bool count_leaves(struct ranker *r)
{
    const struct mlo_forest *f = r->f;
    for (size_t i = 0; i < f->trees.n; i++) {
        if (mlo_forest_tree_end(f, i) - f->roots[i] > 2 * MLO_RANK_LEAVES)
            return false;
        r->n_leaves[i] = leaves_below(f, f->roots[i], MLO_RANK_LEAVES);
        if (r->n_leaves[i] > MLO_RANK_LEAVES)
            return false;
    }
    return true;
}

/* False: a tree is too large, or there are so few questions that walking beats ranking. */
static bool is_rankable(struct ranker *r)
{
    const struct mlo_forest *f = r->f;
    size_t walks = 0;
    uint32_t depth = 1;
    for (size_t i = 0; i < f->trees.n; i++) {
        depth = f->depths[i] > depth ? f->depths[i] : depth;
        walks += f->depths[i];
    }
    bool fill = depth <= MLO_RANK_DEPTH && (f->trees.n << depth) / FILLING_MOST <= f->n_nodes;
    r->depth = fill ? depth : 0;
    return walks > f->n_features && (fill || count_leaves(r));
}

/* ---- limits ---- */

/* Ordered as the doubles are. */
static uint64_t sort_key(double v)
{
    uint64_t bits;
    v += 0.0; /* -0 and 0 are one limit */
    memcpy(&bits, &v, sizeof bits);
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

/* One pass of a radix sort, by one byte of the keys. */
static void sort_by_byte(const struct mlo_forest_limit *from, struct mlo_forest_limit *to, size_t n,
                         unsigned shift)
{
    size_t at[257] = {0};
    for (size_t i = 0; i < n; i++)
        at[(from[i].key >> shift & 255) + 1]++;
    for (size_t i = 1; i < 257; i++)
        at[i] += at[i - 1];
    for (size_t i = 0; i < n; i++)
        to[at[from[i].key >> shift & 255]++] = from[i];
}

/* Bytes that differ somewhere. */
static uint64_t differing(const struct mlo_forest_limit *l, size_t n)
{
    uint64_t all = 0;
    for (size_t i = 0; i < n; i++)
        all |= l[i].key ^ l[0].key;
    return all;
}

/* Those of all nodes, as they stand. first[c + 2] counts those of column c. */
static size_t list_limits(const struct mlo_forest *f, struct mlo_forest_limits *l)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n_nodes; i++)
        if (has_limit(f, i)) {
            l->list[n++] = (struct mlo_forest_limit){sort_key(f->nodes_f64[i].at_most), (uint32_t)i,
                                                     f->nodes_f64[i].column};
            l->first[f->nodes_f64[i].column + 2]++;
        }
    return n;
}

/* By value, then by column. first[c + 1] counts up to the end of column c. other: as large as the list. */
static void sort_limits(struct mlo_forest_limits *l, size_t n, struct mlo_forest_limit *other)
{
    struct mlo_forest_limit *from = l->list, *to = other;
    uint64_t bytes = differing(from, n);
    for (unsigned shift = 0; shift < 64; shift += 8)
        if (bytes >> shift & 255) {
            struct mlo_forest_limit *was = from;
            sort_by_byte(from, to, n, shift);
            from = to;
            to = was;
        }
    for (size_t i = 2; i <= l->n_columns; i++)
        l->first[i] += l->first[i - 1];
    for (size_t i = 0; i < n; i++)
        to[l->first[from[i].column + 1]++] = from[i];
    l->list = to;
}

/* Equal limits become one. */
static void number_limits(struct mlo_forest_limits *l)
{
    size_t kept = 0, from = 0;
    for (size_t c = 0; c < l->n_columns; c++) {
        size_t end = l->first[c + 1], start = kept;
        for (size_t i = from; i < end; i++) {
            struct mlo_forest_limit one = l->list[i];
            if (kept == start || l->list[kept - 1].key != one.key)
                l->list[kept++] = one;
            l->id[one.node] = (uint32_t)(kept - 1);
        }
        from = end;
        l->first[c + 1] = kept;
    }
}

int mlo_forest_limits(const struct mlo_forest *f, struct mlo_arena *memory, struct mlo_forest_limits *ret,
                      struct mlo_err *err)
{
    struct mlo_forest_limits l = {.n_columns = f->n_features * (f->negated ? 2 : 1)};
    size_t n = 0;
    for (size_t i = 0; i < f->n_nodes; i++)
        n += has_limit(f, i);
    l.list = mlo_arena_alloc(memory, n + 1, sizeof *l.list, err);
    struct mlo_forest_limit *other = l.list ? mlo_arena_alloc(memory, n + 1, sizeof *other, err) : NULL;
    l.first = other ? mlo_arena_alloc(memory, l.n_columns + 3, sizeof *l.first, err) : NULL;
    l.id = l.first ? mlo_arena_alloc(memory, f->n_nodes + 1, sizeof *l.id, err) : NULL;
    if (!l.id)
        return err->code;
    memset(l.id, 0xff, f->n_nodes * sizeof *l.id);
    sort_limits(&l, list_limits(f, &l), other);
    number_limits(&l);
    *ret = l;
    return 0;
}

/* ---- groups ---- */

/* False: a column would have too many limits. */
static bool take_tree(struct ranker *r, size_t tree, uint32_t group)
{
    const struct mlo_forest *f = r->f;
    for (size_t i = f->roots[tree], end = mlo_forest_tree_end(f, tree); i < end; i++) {
        uint32_t id = r->l.id[i];
        if (id == MLO_NO_LIMIT || r->seen[id] == group)
            continue;
        r->seen[id] = group;
        if (++r->count[f->nodes_f32[i].column] > MLO_RANK_LIMITS)
            return false;
    }
    return true;
}

static void find_groups(struct ranker *r)
{
    uint32_t group = 1;
    for (size_t i = 0; i < r->f->trees.n; i++)
        if (!take_tree(r, i, group)) {
            r->group_end[r->n_groups++] = i--;
            group++;
            memset(r->count, 0, r->l.n_columns * sizeof *r->count);
        }
    r->group_end[r->n_groups++] = r->f->trees.n;
}

static void *aligned(struct mlo_arena *a, size_t n, size_t size, struct mlo_err *err)
{
    char *p = NULL;
    if (n <= MEMORY_MAX / size)
        p = mlo_arena_alloc(a, n * size + 64, 1, err);
    else
        mlo_fail_nomem(err);
    return p ? p + (64 - (uintptr_t)p % 64) % 64 : NULL;
}

/* ---- columns of a group ---- */

static int fill_column(struct ranker *r, size_t column, uint32_t group, struct mlo_tree_column *c,
                       struct mlo_err *err)
{
    size_t n = r->count[column], padded = (n / MLO_RANK_STEP + 1) * MLO_RANK_STEP, at = 0;
    float *f32 = aligned(&r->f->memory, MLO_RANK_STEP + padded, sizeof *f32, err);
    double *f64 = f32 ? aligned(&r->f->memory, padded, sizeof *f64, err) : NULL;
    if (!f64)
        return err->code;
    for (size_t i = r->l.first[column]; i < r->l.first[column + 1]; i++)
        if (r->seen[i] == group) {
            f32[MLO_RANK_STEP + at] = r->f->nodes_f32[r->l.list[i].node].at_most;
            f64[at] = r->f->nodes_f64[r->l.list[i].node].at_most;
            r->before[i] = (uint32_t)at++;
        }
    for (; at < padded; at++) {
        f32[MLO_RANK_STEP + at] = HUGE_VALF;
        f64[at] = HUGE_VAL;
    }
    for (size_t i = 0; i < MLO_RANK_STEP; i++)
        f32[i] = (i + 1) * MLO_RANK_STEP <= padded ? f32[(i + 2) * MLO_RANK_STEP - 1] : HUGE_VALF;
    bool negated = column >= r->f->n_features;
    *c = (struct mlo_tree_column){.feature = (uint32_t)(negated ? column - r->f->n_features : column),
                                  .n_limits = (uint32_t)n,
                                  .negated = negated,
                                  .f32 = f32,
                                  .f64 = f64};
    return 0;
}

static int fill_columns(struct ranker *r, struct mlo_tree_group *g, uint32_t group, struct mlo_err *err)
{
    struct mlo_tree_column *columns;
    size_t n = 0;
    int rc = 0;
    memset(r->count, 0, r->l.n_columns * sizeof *r->count);
    for (size_t i = g->first; i < g->first + g->n; i++)
        take_tree(r, i, group);
    for (size_t i = 0; i < r->l.n_columns; i++)
        n += r->count[i] > 0;
    g->columns = columns = mlo_arena_alloc(&r->f->memory, n + 1, sizeof *columns, err);
    if (!columns)
        return err->code;
    for (size_t i = 0; rc == 0 && i < r->l.n_columns; i++)
        if (r->count[i] > 0) {
            r->place[i] = (uint32_t)g->n_columns;
            rc = fill_column(r, i, group, &columns[g->n_columns++], err);
        }
    return rc;
}

/* ---- trees of a group ---- */

/* The tables of a group while they are written. */
struct writer {
    const struct ranker *r;
    struct mlo_tree_question *question;
    struct mlo_tree_step *step;
    uint8_t *row_columns, *row_below; /* of this tree; NULL */
    uint32_t *number;
    uint16_t next_leaf, n_constant, n_slots;
};

/* A question without a limit is always answered with no. */
static struct mlo_tree_question question_of(const struct ranker *r, uint32_t at)
{
    uint32_t id = r->l.id[at];
    if (id == MLO_NO_LIMIT)
        return (struct mlo_tree_question){0};
    return (struct mlo_tree_question){(r->before[id] + 1) * 0x01010101U,
                                      r->place[r->f->nodes_f32[at].column] * (uint32_t)MLO_RANK_ROWS};
}

/* A leaf above the depth asks on, whatever the answer. */
static void write_filled(struct writer *w, uint32_t at, unsigned depth, unsigned heap)
{
    const struct mlo_forest *f = w->r->f;
    if (depth == 0) {
        *w->number++ = f->leaf[at];
        return;
    }
    struct mlo_tree_question q = question_of(w->r, at);
    uint32_t child = f->nodes_f32[at].child;
    bool leaf = mlo_forest_is_leaf(f, at);
    *w->question++ = q;
    if (w->row_columns) {
        w->row_columns[63 - heap] = (uint8_t)(q.column / MLO_RANK_ROWS);
        w->row_below[63 - heap] = (uint8_t)q.below;
    }
    write_filled(w, leaf ? at : child, depth - 1, 2 * heap);
    write_filled(w, leaf ? at : child + 1, depth - 1, 2 * heap + 1);
}

/* Returns the slot of what is found below; `height` slots are taken. Trees are small: count_leaves. */
static uint16_t write_steps(struct writer *w, uint32_t at, uint16_t height)
{
    const struct mlo_forest *f = w->r->f;
    if (mlo_forest_is_leaf(f, at)) {
        *w->number++ = f->leaf[at];
        return w->next_leaf++;
    }
    uint32_t child = f->nodes_f32[at].child;
    uint16_t out = (uint16_t)(w->n_constant + height);
    uint16_t yes = write_steps(w, child, height);
    uint16_t no = write_steps(w, child + 1, (uint16_t)(height + (yes == out)));
    *w->step++ = (struct mlo_tree_step){question_of(w->r, at), yes, no, out};
    w->n_slots = out >= w->n_slots ? (uint16_t)(out + 1) : w->n_slots;
    return out;
}

static int write_all_filled(struct ranker *r, struct mlo_tree_group *g, struct writer *w, struct mlo_err *err)
{
    size_t questions = ((size_t)1 << r->depth) - 1, rounded = (g->n + 7) & ~(size_t)7;
    bool rows = g->n_columns <= MLO_RANK_ROW_COLUMNS;
    g->questions = w->question = aligned(&r->f->memory, g->n * questions, sizeof *w->question, err);
    if (w->question && rows)
        g->row_columns = w->row_columns = aligned(&r->f->memory, 2 * rounded, 64, err);
    if (!w->question || (rows && !w->row_columns))
        return err->code;
    if (rows)
        g->row_below = w->row_below = w->row_columns + rounded * 64;
    for (size_t i = 0; i < g->n; i++) {
        write_filled(w, r->f->roots[g->first + i], r->depth, 1);
        w->row_columns = rows ? w->row_columns + 64 : NULL;
        w->row_below = rows ? w->row_below + 64 : NULL;
    }
    g->depth = r->depth;
    return 0;
}

static int write_all_steps(struct ranker *r, struct mlo_tree_group *g, struct writer *w, struct mlo_err *err)
{
    size_t n = 0, leaves = 1;
    for (size_t i = g->first; i < g->first + g->n; i++)
        n += r->n_leaves[i] - 1;
    for (size_t i = 0; i < r->f->trees.n; i++) /* of all groups: the constant slots are filled once */
        leaves = r->n_leaves[i] > leaves ? r->n_leaves[i] : leaves;
    size_t *first = mlo_arena_alloc(&r->f->memory, g->n + 1, sizeof *first, err);
    g->steps = w->step = first ? mlo_arena_alloc(&r->f->memory, n + 1, sizeof *w->step, err) : NULL;
    if (!w->step)
        return err->code;
    w->n_constant = w->n_slots = (uint16_t)leaves;
    for (size_t i = 0; i < g->n; i++) {
        w->next_leaf = 0;
        write_steps(w, r->f->roots[g->first + i], 0);
        first[i + 1] = (size_t)(w->step - g->steps);
    }
    g->first_step = first;
    g->n_constant = leaves;
    g->n_slots = w->n_slots;
    return 0;
}

/* ---- leaves of a group ---- */

static int place_leaves(struct ranker *r, struct mlo_tree_group *g, struct writer *w, struct mlo_err *err)
{
    size_t *first = mlo_arena_alloc(&r->f->memory, g->n + 1, sizeof *first, err);
    if (!first)
        return err->code;
    for (size_t i = 0; i < g->n; i++)
        first[i + 1] = first[i] + (r->depth ? (size_t)1 << r->depth : r->n_leaves[g->first + i]);
    g->first_leaf = first;
    g->numbers = w->number = mlo_arena_alloc(&r->f->memory, first[g->n], sizeof *w->number, err);
    return w->number ? 0 : err->code;
}

static int place_values(struct ranker *r, struct mlo_tree_group *g, struct mlo_err *err)
{
    const struct mlo_trees *t = &r->f->trees;
    if (!t->values)
        return 0;
    float *values = aligned(&r->f->memory, g->first_leaf[g->n] * t->n_votes, sizeof *values, err);
    if (!values)
        return err->code;
    g->values = values;
    for (size_t i = 0; i < g->n; i++)
        for (size_t v = 0; v < t->n_votes; v++)
            for (size_t k = g->first_leaf[i]; k < g->first_leaf[i + 1]; k++)
                *values++ = t->values[g->numbers[k] * t->n_votes + v];
    return 0;
}

static int write_group(struct ranker *r, struct mlo_tree_group *g, uint32_t group, struct mlo_err *err)
{
    struct writer w = {.r = r};
    int rc = fill_columns(r, g, group, err);
    if (rc == 0)
        rc = place_leaves(r, g, &w, err);
    if (rc == 0)
        rc = r->depth ? write_all_filled(r, g, &w, err) : write_all_steps(r, g, &w, err);
    return rc == 0 ? place_values(r, g, err) : rc;
}

static int write_groups(struct ranker *r, struct mlo_err *err)
{
    struct mlo_tree_group *groups = mlo_arena_alloc(&r->f->memory, r->n_groups, sizeof *groups, err);
    int rc = groups ? 0 : err->code;
    for (size_t i = 0; rc == 0 && i < r->n_groups; i++) {
        groups[i].first = i > 0 ? r->group_end[i - 1] : 0;
        groups[i].n = r->group_end[i] - groups[i].first;
        rc = write_group(r, &groups[i], (uint32_t)(r->n_groups + 1 + i), err);
    }
    if (rc == 0) {
        r->f->trees.groups = groups;
        r->f->trees.n_groups = r->n_groups;
    }
    return rc;
}

/* ---- all ---- */

static int rank_with(struct ranker *r, struct mlo_arena *scratch, struct mlo_err *err)
{
    r->n_leaves = mlo_arena_alloc(scratch, r->f->trees.n + 1, sizeof *r->n_leaves, err);
    if (!r->n_leaves)
        return err->code;
    if (!is_rankable(r))
        return 0;
    int rc = mlo_forest_limits(r->f, scratch, &r->l, err);
    if (rc != 0)
        return rc;
    size_t columns = r->l.n_columns, n_limits = r->l.first[columns];
    struct {
        void *at;
        size_t n, size;
    } lists[] = {
        {&r->seen, n_limits, sizeof *r->seen},
        {&r->before, n_limits, sizeof *r->before},
        {&r->count, columns, sizeof *r->count},
        {&r->place, columns, sizeof *r->place},
        {&r->group_end, r->f->trees.n + 1, sizeof *r->group_end},
    };
    for (size_t i = 0; i < MLO_COUNT(lists); i++) {
        void *p = mlo_arena_alloc(scratch, lists[i].n + 1, lists[i].size, err);
        if (!p)
            return err->code;
        memcpy(lists[i].at, &p, sizeof p);
    }
    find_groups(r);
    return write_groups(r, err);
}

int mlo_forest_rank(struct mlo_forest *f, struct mlo_err *err)
{
    struct ranker r = {.f = f};
    struct mlo_arena scratch;
    if (f->trees.n == 0 || f->n_nodes >= MLO_NO_LIMIT)
        return 0;
    mlo_arena_init(&scratch, MEMORY_MAX);
    int rc = rank_with(&r, &scratch, err);
    mlo_arena_release(&scratch);
    return rc;
}
