/*
 * Trees on ranks (device.h): the limits of each column that trees ask for, nodes of 64 bits that compare
 * ranks, trees in pieces that fit into a device's shared memory. A node finds the leaf that the CPU finds:
 * x <= limits[i] if and only if no more than i limits are less than x, also where limits are equal, where x
 * is one of them, -0 or NaN (all are less than it, as it passes none).
 */
#include <math.h>

#include "infer/trees/forest_rank.h"
#include "lower.h"

#define SCRATCH_MAX ((size_t)16 << 30)
#define PARTS_MAX   65535u /* nodes and leaves of a tree: they have 16 bits */

enum { LIMITS, FIRST, FEATURE, NODES, TREE, PIECE, BASE, TARGET, VOTE };

struct ranked {
    const struct mlo_lower_votes *votes;
    const struct mlo_forest *f;
    struct mlo_forest_limits l;
    uint32_t *place; /* of each column that is asked for */
    size_t n_columns, n_limits, n_leaves;
    struct mlo_arena scratch;
};

static size_t limits_of(const struct ranked *r, size_t column)
{
    return r->l.first[column + 1] - r->l.first[column];
}

/* Where a walk that comes to a node really is: what no number passes leads on at once. */
static size_t settle(const struct ranked *r, size_t node)
{
    while (!mlo_forest_is_leaf(r->f, node) && r->l.id[node] == MLO_NO_LIMIT)
        node = r->f->nodes_f64[node].child + 1;
    return node;
}

/* The node after a tree's root has no parent. */
static bool is_of_tree(const struct ranked *r, size_t tree, size_t node)
{
    return node != r->f->roots[tree] + 1;
}

static size_t leaves_of(const struct ranked *r, size_t tree)
{
    size_t n = 0;
    for (size_t i = r->f->roots[tree], end = mlo_forest_tree_end(r->f, tree); i < end; i++)
        n += is_of_tree(r, tree, i) && mlo_forest_is_leaf(r->f, settle(r, i));
    return n;
}

/* False: it is too large. */
static bool measure(struct ranked *r)
{
    for (size_t i = 0; i < r->l.n_columns; i++) {
        r->place[i] = (uint32_t)r->n_columns;
        r->n_columns += limits_of(r, i) > 0;
        if (limits_of(r, i) > MLO_DEVICE_RANK_MAX)
            return false;
    }
    for (size_t i = 0; i < r->f->trees.n; i++) {
        size_t leaves = leaves_of(r, i);
        r->n_leaves += leaves;
        if (leaves > PARTS_MAX || mlo_forest_tree_end(r->f, i) - r->f->roots[i] > PARTS_MAX)
            return false;
    }
    return r->n_columns <= MLO_DEVICE_RANK_COLUMNS && r->n_leaves <= INT32_MAX;
}

/* ---- numbers of either type ---- */

static int add_numbers(const struct ranked *r, size_t n, struct mlo_weights *w, void **ret,
                       struct mlo_err *err)
{
    return mlo_weight_add(w, r->votes->wide ? MLO_DEVICE_F64 : MLO_DEVICE_F32, n, ret, err);
}

static void put(const struct ranked *r, void *to, size_t i, double v)
{
    if (r->votes->wide)
        ((double *)to)[i] = v;
    else
        ((float *)to)[i] = (float)v;
}

/* ---- limits ---- */

static double limit_at(const struct ranked *r, size_t i)
{
    uint32_t node = r->l.list[i].node;
    return r->votes->wide ? r->f->nodes_f64[node].at_most : (double)r->f->nodes_f32[node].at_most;
}

/* Trees that are all leaves ask for nothing; a device wants at least one column. */
static int weigh_limits(struct ranked *r, struct mlo_weights *w, struct mlo_err *err)
{
    void *limits;
    int32_t *first, *feature;
    size_t columns = r->n_columns > 0 ? r->n_columns : 1, n = r->n_limits > 0 ? r->n_limits : 1;
    int rc = add_numbers(r, n, w, &limits, err);
    if (rc == 0)
        rc = mlo_weight_add(w, MLO_DEVICE_I32, columns + 1, &first, err);
    if (rc == 0)
        rc = mlo_weight_add(w, MLO_DEVICE_I32, columns, &feature, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < r->n_limits; i++)
        put(r, limits, i, limit_at(r, i));
    for (size_t c = 0; c < r->l.n_columns; c++)
        if (limits_of(r, c) > 0) {
            size_t of = r->f->n_features;
            feature[r->place[c]] = c < of ? (int32_t)c : ~(int32_t)(c - of);
            first[r->place[c] + 1] = (int32_t)r->l.first[c + 1];
        }
    return 0;
}

/* ---- trees ---- */

struct writer {
    const struct ranked *r;
    int64_t *nodes;
    int32_t *tree;
    void *vote;
    size_t n_leaves; /* written */
};

static void write_votes(struct writer *w, uint32_t leaf)
{
    const struct mlo_forest *f = w->r->f;
    size_t n = f->trees.n_votes;
    for (size_t v = 0; v < n; v++) {
        double vote = w->r->votes->wide ? f->votes[f->first_vote[leaf] + v].weight
                                        : (double)f->values[leaf * n + v];
        put(w->r, w->vote, w->n_leaves * n + v, vote);
    }
    w->n_leaves++;
}

static int64_t write_node(struct writer *w, size_t root, size_t at, size_t first_leaf)
{
    const struct mlo_forest_limits *l = &w->r->l;
    size_t node = settle(w->r, at);
    if (mlo_forest_is_leaf(w->r->f, node)) {
        size_t leaf = w->n_leaves - first_leaf;
        write_votes(w, w->r->f->leaf[node]);
        return MLO_DEVICE_BRANCH(UINT16_MAX, 0, at - root, leaf);
    }
    uint32_t column = w->r->f->nodes_f64[node].column;
    return MLO_DEVICE_BRANCH(l->id[node] - l->first[column], w->r->place[column],
                             w->r->f->nodes_f64[node].child - root, 0);
}

static void write_trees(struct writer *w)
{
    const struct mlo_forest *f = w->r->f;
    for (size_t t = 0; t < f->trees.n; t++) {
        size_t root = f->roots[t], first_leaf = w->n_leaves;
        int32_t *tree = w->tree + t * 3;
        tree[0] = (int32_t)root;
        tree[1] = (int32_t)first_leaf;
        tree[2] = (int32_t)f->depths[t];
        for (size_t i = root, end = mlo_forest_tree_end(f, t); i < end; i++)
            if (is_of_tree(w->r, t, i))
                w->nodes[i] = write_node(w, root, i, first_leaf);
    }
    w->tree[f->trees.n * 3] = (int32_t)f->n_nodes;
    w->tree[f->trees.n * 3 + 1] = (int32_t)w->n_leaves;
}

/* Returns how many pieces there are; piece NULL: they are only counted. */
static size_t cut(const struct mlo_forest *f, int32_t *piece)
{
    size_t n = 0, first = 0;
    for (size_t t = 0; t < f->trees.n; t++) {
        bool is_full = t - first == MLO_DEVICE_PIECE_TREES ||
                       mlo_forest_tree_end(f, t) - f->roots[first] > MLO_DEVICE_PIECE_NODES;
        if (t > 0 && !is_full)
            continue;
        if (piece)
            piece[n] = (int32_t)t;
        first = t;
        n++;
    }
    if (piece)
        piece[n] = (int32_t)f->trees.n;
    return n;
}

static int weigh_forest(struct ranked *r, struct mlo_weights *w, struct mlo_err *err)
{
    struct writer to = {.r = r};
    int32_t *piece;
    int rc = mlo_weight_add(w, MLO_DEVICE_I64, r->f->n_nodes, &to.nodes, err);
    if (rc == 0)
        rc = mlo_weight_add(w, MLO_DEVICE_I32, (r->f->trees.n + 1) * 3, &to.tree, err);
    if (rc == 0)
        rc = mlo_weight_add(w, MLO_DEVICE_I32, cut(r->f, NULL) + 1, &piece, err);
    if (rc != 0)
        return rc;
    cut(r->f, piece);
    void *base;
    int32_t *target;
    size_t n = r->f->trees.n_votes;
    rc = add_numbers(r, r->votes->n_targets, w, &base, err);
    for (size_t i = 0; rc == 0 && r->votes->base && i < r->votes->n_targets; i++)
        put(r, base, i, r->votes->base[i]);
    if (rc == 0)
        rc = mlo_weight_add(w, MLO_DEVICE_I32, r->f->trees.n * n, &target, err);
    for (size_t i = 0; rc == 0 && i < r->f->trees.n * n; i++)
        target[i] = (int32_t)r->f->targets[i];
    if (rc == 0)
        rc = add_numbers(r, r->n_leaves * n, w, &to.vote, err);
    if (rc == 0)
        write_trees(&to);
    return rc;
}

/* ---- all ---- */

static int weigh(struct ranked *r, struct mlo_weights *w, bool *ret_done, struct mlo_err *err)
{
    int rc = mlo_forest_limits(r->f, &r->scratch, &r->l, err);
    if (rc == 0)
        r->place = mlo_arena_alloc(&r->scratch, r->l.n_columns + 1, sizeof *r->place, err);
    if (!r->place)
        return err->code;
    r->n_limits = r->l.first[r->l.n_columns];
    *ret_done = measure(r);
    if (*ret_done)
        rc = weigh_limits(r, w, err);
    return rc == 0 && *ret_done ? weigh_forest(r, w, err) : rc;
}

int mlo_lower_weigh_ranked(const struct mlo_lower_votes *v, struct mlo_weights *w, bool *ret_done,
                           struct mlo_err *err)
{
    struct ranked r = {.votes = v, .f = v->forest};
    mlo_arena_init(&r.scratch, SCRATCH_MAX);
    int rc = weigh(&r, w, ret_done, err);
    mlo_arena_release(&r.scratch);
    return rc;
}

static uint32_t elements(const struct mlo_lower *l, size_t weight)
{
    return (uint32_t)l->o->facts[l->weight + weight].n;
}

static bool emit_ranks(struct mlo_lower *l, const struct mlo_array *x, uint32_t x_buffer, uint32_t ranks,
                       uint32_t padded)
{
    struct mlo_device_step to = {
        .op = MLO_DEVICE_RANK,
        .buffer = {x_buffer, mlo_lower_weight(l, LIMITS), mlo_lower_weight(l, FIRST),
                   mlo_lower_weight(l, FEATURE), ranks},
        .size = {(uint32_t)x->dims[0], (uint32_t)x->dims[1], elements(l, FEATURE), padded}};
    return mlo_lower_step(l, &to);
}

bool mlo_lower_emit_ranked(struct mlo_lower *l, const struct mlo_lower_votes *v, const struct mlo_array *x,
                           uint32_t x_buffer, uint32_t sums)
{
    uint64_t rows = (uint64_t)x->dims[0], columns = elements(l, FEATURE);
    uint64_t padded = (rows + MLO_DEVICE_RANK_ROWS - 1) / MLO_DEVICE_RANK_ROWS * MLO_DEVICE_RANK_ROWS;
    uint32_t ranks = mlo_lower_buffer(
        l, (struct mlo_device_buffer){MLO_DEVICE_TEMPORARY, MLO_DEVICE_U16, columns * padded, 0});
    struct mlo_device_step to = {
        .op = MLO_DEVICE_RANKED_TREES,
        .buffer = {ranks, mlo_lower_weight(l, NODES), mlo_lower_weight(l, TREE), mlo_lower_weight(l, PIECE),
                   mlo_lower_weight(l, BASE), mlo_lower_weight(l, TARGET), mlo_lower_weight(l, VOTE), sums},
        .size = {(uint32_t)rows, (uint32_t)columns, (uint32_t)v->forest->trees.n, (uint32_t)v->n_targets,
                 (uint32_t)v->forest->trees.n_votes, (uint32_t)padded, elements(l, PIECE) - 1}};
    return emit_ranks(l, x, x_buffer, ranks, (uint32_t)padded) && mlo_lower_step(l, &to);
}
