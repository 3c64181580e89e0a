/* Forests laid flat: see forest.h. */
#include "forest_rank.h"

#include <math.h>
#include <string.h>

#define FOREST_MEMORY_MAX ((size_t)64 << 30)

struct place {     /* a node that is still to be laid */
    size_t what;   /* a node of the source, or a leaf */
    size_t member; /* of its set: the question starts there */
    uint32_t at, depth;
    uint32_t yes_at; /* where members of the set go, when that is laid already; 0 */
    bool leaf;
};
struct copy { /* a node that is the same as another */
    uint32_t to, from;
};
struct builder {
    const struct mlo_forest_source *source;
    struct mlo_forest *f;
    size_t cap;
    struct place *todo;
    size_t n_todo, todo_cap;
    struct copy *copies;
    size_t n_copies, copies_cap;
    unsigned char *seen; /* nodes of the source */
    uint32_t depth;      /* of the tree so far */
};

/* ---- memory ---- */

/* Larger in the forest's memory; what it was stays there, unused. */
static int move(struct mlo_forest *f, void *parray, size_t n, size_t cap, size_t size, struct mlo_err *err)
{
    void *old, *p = mlo_arena_alloc(&f->memory, cap, size, err);
    if (!p)
        return err->code;
    memcpy(&old, parray, sizeof old);
    if (n > 0)
        memcpy(p, old, n * size);
    memcpy(parray, &p, sizeof p);
    return 0;
}

static int grow_nodes(struct builder *b, size_t need, struct mlo_err *err)
{
    struct mlo_forest *f = b->f;
    size_t n = f->n_nodes, cap = need > 2 * b->cap ? need : 2 * b->cap;
    if (need > MLO_FOREST_NODES_MAX)
        return mlo_fail(err, MLO_EUNAVAIL, "more than %zu questions", MLO_FOREST_NODES_MAX);
    int rc = move(f, &f->nodes_f32, n, cap, sizeof *f->nodes_f32, err);
    if (rc == 0)
        rc = move(f, &f->nodes_f64, n, cap, sizeof *f->nodes_f64, err);
    if (rc == 0)
        rc = move(f, &f->leaf, n, cap, sizeof *f->leaf, err);
    if (rc == 0)
        b->cap = cap;
    return rc;
}

/* Two neighbours: where the answers of a question lead. */
static int take_pair(struct builder *b, uint32_t *ret, struct mlo_err *err)
{
    size_t at = b->f->n_nodes;
    int rc = at + 2 > b->cap ? grow_nodes(b, at + 2, err) : 0;
    if (rc == 0) {
        *ret = (uint32_t)at;
        b->f->n_nodes += 2;
    }
    return rc;
}

static int push(struct builder *b, struct place p, struct mlo_err *err)
{
    int rc = mlo_grow(&b->todo, &b->todo_cap, b->n_todo + 1, sizeof *b->todo, err);
    if (rc == 0)
        b->todo[b->n_todo++] = p;
    return rc;
}

static int copy_later(struct builder *b, uint32_t to, uint32_t from, struct mlo_err *err)
{
    int rc = mlo_grow(&b->copies, &b->copies_cap, b->n_copies + 1, sizeof *b->copies, err);
    if (rc == 0)
        b->copies[b->n_copies++] = (struct copy){to, from};
    return rc;
}

/* ---- one question ---- */

/* The greatest float that is at most (or, `below`, less than) v; NaN: there is none. */
static float limit_f32(double v, bool below)
{
    float f = (float)v;
    if ((double)f > v || (below && (double)f == v))
        f = f == -HUGE_VALF ? NAN : nextafterf(f, -HUGE_VALF);
    return f;
}

static double limit_f64(double v, bool below)
{
    if (!below)
        return v;
    return v == -HUGE_VAL ? (double)NAN : nextafter(v, -HUGE_VAL);
}

struct question {
    bool negated, below, swapped;
    double limit;
};

/* LEQ, LT, GTE or GT of `value`; NaN answers nan_is_true. */
static struct question ask(enum mlo_branch mode, double value, bool nan_is_true)
{
    static const enum mlo_branch opposite[] = {MLO_BRANCH_GT, MLO_BRANCH_GTE, MLO_BRANCH_LT, MLO_BRANCH_LEQ};
    enum mlo_branch m = nan_is_true ? opposite[mode] : mode;
    bool negated = m == MLO_BRANCH_GTE || m == MLO_BRANCH_GT;
    struct question q = {negated, m == MLO_BRANCH_LT || m == MLO_BRANCH_GT, nan_is_true,
                         negated ? -value : value};
    if (nan_is_true && isnan(value)) /* no number passes: the opposite lets all of them */
        q = (struct question){negated, false, true, HUGE_VAL};
    return q;
}

static void put_question(struct builder *b, uint32_t at, uint32_t child, int64_t feature,
                         const struct question *q)
{
    uint32_t column = (uint32_t)((size_t)feature + (q->negated ? b->f->n_features : 0));
    b->f->negated |= q->negated;
    b->f->nodes_f32[at] = (struct mlo_tree_node_f32){limit_f32(q->limit, q->below), column, child};
    b->f->nodes_f64[at] = (struct mlo_tree_node_f64){limit_f64(q->limit, q->below), column, child};
}

static void put_leaf(struct builder *b, uint32_t at, uint32_t leaf)
{
    b->f->nodes_f32[at] = (struct mlo_tree_node_f32){NAN, 0, at - 1};
    b->f->nodes_f64[at] = (struct mlo_tree_node_f64){(double)NAN, 0, at - 1};
    b->f->leaf[at] = leaf;
}

/* ---- nodes ---- */

/*
 * x == value: x <= value, then x >= value. Two of the three ways out are the same: `no` is laid where the
 * first question leads, and copied.
 */
static int lay_equal(struct builder *b, const struct place *p, double value, bool nan_is_true,
                     struct place yes, struct place no, struct mlo_err *err)
{
    struct question most = ask(MLO_BRANCH_LEQ, value, nan_is_true);
    struct question least = ask(MLO_BRANCH_GTE, value, nan_is_true);
    int64_t feature = b->source->nodes[p->what].feature;
    uint32_t first, second;
    int rc = take_pair(b, &first, err);
    if (rc == 0)
        rc = take_pair(b, &second, err);
    if (rc != 0)
        return rc;
    put_question(b, p->at, first, feature, &most);
    put_question(b, first + most.swapped, second, feature, &least);
    yes.at = second + least.swapped;
    no.at = first + !most.swapped;
    no.depth = p->depth + 2; /* of its copy */
    if (no.member > 0)       /* the next member of the set: its way out is this one's */
        no.yes_at = p->yes_at ? p->yes_at : yes.at;
    rc = copy_later(b, second + !least.swapped, no.at, err);
    if (rc == 0)
        rc = push(b, no, err);
    if (rc == 0)
        rc = p->yes_at ? copy_later(b, yes.at, p->yes_at, err) : push(b, yes, err);
    return rc;
}

static int lay_equals(struct builder *b, const struct place *p, const struct mlo_forest_node *n,
                      struct mlo_err *err)
{
    size_t left = n->mode == MLO_BRANCH_MEMBER ? n->n_members - p->member : 1;
    struct place yes = {.what = n->when_true, .leaf = n->leaf_true};
    struct place no = {.what = n->when_false, .leaf = n->leaf_false};
    if (left > MLO_FOREST_NODES_MAX / 2)
        return mlo_fail(err, MLO_EUNAVAIL, "a set of %zu members", left);
    yes.depth = p->depth + 2 * (uint32_t)left;
    if (n->mode == MLO_BRANCH_NEQ) { /* NaN is unlike everything, whatever the node says */
        no.depth = yes.depth;
        return lay_equal(b, p, n->value, false, no, yes, err);
    }
    if (left > 1)
        no = (struct place){.what = p->what, .member = p->member + 1};
    double value = n->mode == MLO_BRANCH_MEMBER ? n->members[p->member] : n->value;
    return lay_equal(b, p, value, n->nan_is_true, yes, no, err);
}

/* ---- ranges: a search among their bounds, whose many ends are but two ---- */

struct search {
    const struct mlo_forest_node *node;
    struct place to[2]; /* without, within */
    uint32_t laid[2];   /* where each is; 0: nowhere yet */
};

static int end_search(struct builder *b, struct search *s, uint32_t at, bool within, struct mlo_err *err)
{
    if (s->laid[within])
        return copy_later(b, at, s->laid[within], err);
    s->laid[within] = s->to[within].at = at;
    return push(b, s->to[within], err);
}

/* Between `low` and `high` bounds are at most x. NaN goes where ends of its kind are. */
static int lay_search(struct builder *b, struct search *s, uint32_t at, size_t low, size_t high,
                      struct mlo_err *err)
{
    const struct mlo_forest_node *n = s->node;
    uint32_t child;
    if (low == high)
        return end_search(b, s, at, low % 2, err);
    size_t middle = low + (high - low + 1) / 2;
    bool nan_low = middle - low > 1 || low % 2 == n->nan_is_true;
    struct question q = ask(MLO_BRANCH_LT, n->members[middle - 1], nan_low);
    int rc = take_pair(b, &child, err);
    if (rc != 0)
        return rc;
    put_question(b, at, child, n->feature, &q);
    rc = lay_search(b, s, child + q.swapped, low, middle - 1, err);
    return rc == 0 ? lay_search(b, s, child + !q.swapped, middle, high, err) : rc;
}

static int lay_ranges(struct builder *b, const struct place *p, const struct mlo_forest_node *n,
                      struct mlo_err *err)
{
    uint32_t depth = p->depth;
    for (size_t left = n->n_members; left > 0; left /= 2)
        depth++;
    struct search s = {.node = n,
                       .to = {{.what = n->when_false, .leaf = n->leaf_false, .depth = depth},
                              {.what = n->when_true, .leaf = n->leaf_true, .depth = depth}}};
    return lay_search(b, &s, p->at, 0, n->n_members, err);
}

static int lay_order(struct builder *b, const struct place *p, const struct mlo_forest_node *n,
                     struct mlo_err *err)
{
    struct question q = n->mode == MLO_BRANCH_MEMBER ? ask(MLO_BRANCH_LEQ, (double)NAN, n->nan_is_true)
                                                     : ask(n->mode, n->value, n->nan_is_true);
    struct place yes = {.what = n->when_true, .leaf = n->leaf_true, .depth = p->depth + 1};
    struct place no = {.what = n->when_false, .leaf = n->leaf_false, .depth = p->depth + 1};
    uint32_t child;
    int rc = take_pair(b, &child, err);
    if (rc != 0)
        return rc;
    put_question(b, p->at, child, n->feature, &q);
    yes.at = child + q.swapped;
    no.at = child + !q.swapped;
    rc = push(b, no, err);
    return rc == 0 ? push(b, yes, err) : rc;
}

static int lay(struct builder *b, const struct place *p, struct mlo_err *err)
{
    const struct mlo_forest_node *n = &b->source->nodes[p->what];
    b->depth = p->depth > b->depth ? p->depth : b->depth;
    if (p->leaf) {
        put_leaf(b, p->at, (uint32_t)p->what);
        return 0;
    }
    if (p->member == 0 && b->seen[p->what]++)
        return mlo_fail(err, MLO_EINVALID,
                        "node %zu is reached twice: trees have neither cycles nor shared nodes", p->what);
    if (n->mode == MLO_BRANCH_LEAF) {
        put_leaf(b, p->at, (uint32_t)n->when_true);
        return 0;
    }
    if (n->mode == MLO_BRANCH_EQ || n->mode == MLO_BRANCH_NEQ ||
        (n->mode == MLO_BRANCH_MEMBER && n->n_members > 0))
        return lay_equals(b, p, n, err);
    if (n->mode == MLO_BRANCH_WITHIN && n->n_members > 0)
        return lay_ranges(b, p, n, err);
    return lay_order(b, p, n, err);
}

static void copy_nodes(struct builder *b)
{
    struct mlo_forest *f = b->f;
    for (size_t i = 0; i < b->n_copies; i++) {
        struct copy c = b->copies[i];
        f->nodes_f32[c.to] = f->nodes_f32[c.from];
        f->nodes_f64[c.to] = f->nodes_f64[c.from];
        if (f->nodes_f32[c.from].child + 1 == c.from)
            put_leaf(b, c.to, f->leaf[c.from]);
    }
    b->n_copies = 0;
}

/* The root is one of two, so that no node's number is 0 where a child is meant. */
static int lay_tree(struct builder *b, size_t i, struct mlo_err *err)
{
    uint32_t root;
    int rc = take_pair(b, &root, err);
    if (rc != 0)
        return rc;
    put_leaf(b, root + 1, 0);
    b->f->roots[i] = root;
    b->depth = 0;
    rc = push(b, (struct place){.what = b->source->roots[i], .at = root}, err);
    while (rc == 0 && b->n_todo > 0) {
        struct place p = b->todo[--b->n_todo];
        rc = lay(b, &p, err);
    }
    copy_nodes(b);
    b->f->depths[i] = b->depth;
    return rc;
}

/* ---- votes ---- */

static int keep_votes(struct mlo_forest *f, const struct mlo_forest_source *s, struct mlo_err *err)
{
    size_t n = s->first_vote[s->n_leaves];
    f->first_vote = mlo_arena_alloc(&f->memory, s->n_leaves + 1, sizeof *f->first_vote, err);
    f->votes = f->first_vote ? mlo_arena_alloc(&f->memory, n + 1, sizeof *f->votes, err) : NULL;
    if (!f->votes)
        return err->code;
    memcpy(f->first_vote, s->first_vote, (s->n_leaves + 1) * sizeof *f->first_vote);
    if (n)
        memcpy(f->votes, s->votes, n * sizeof *f->votes);
    f->n_targets = s->n_targets;
    f->n_leaves = s->n_leaves;
    f->n_votes = n;
    return 0;
}

static bool is_leaf(const struct mlo_forest *f, size_t at)
{
    return f->nodes_f32[at].child + 1 == at;
}

/* Does it vote for the n targets? */
static bool votes_for(const struct mlo_forest *f, size_t leaf, const uint32_t *targets, size_t n)
{
    const struct mlo_vote *v = f->votes + f->first_vote[leaf];
    bool same = f->first_vote[leaf + 1] - f->first_vote[leaf] == n;
    for (size_t i = 0; same && i < n; i++)
        same = v[i].target == targets[i];
    return same;
}

/* False: the leaves of the tree are not alike. */
static bool plain_tree(struct mlo_forest *f, size_t tree, size_t n)
{
    size_t end = tree + 1 < f->trees.n ? f->roots[tree + 1] : f->n_nodes;
    uint32_t *targets = f->targets + tree * n;
    bool first = true, plain = true;
    for (size_t at = f->roots[tree]; plain && at < end; at++) {
        if (at == f->roots[tree] + 1 || !is_leaf(f, at))
            continue;
        const struct mlo_vote *v = f->votes + f->first_vote[f->leaf[at]];
        for (size_t i = 0; first && i < n && f->first_vote[f->leaf[at]] + i < f->n_votes; i++)
            targets[i] = v[i].target;
        plain = votes_for(f, f->leaf[at], targets, n);
        first = false;
    }
    return plain;
}

/* The first leaf that is found says how many votes; not when a table of them would be much larger than the
 * model's. */
static size_t votes_of_a_leaf(const struct mlo_forest *f)
{
    size_t at = f->trees.n > 0 ? f->roots[0] : 0;
    while (f->trees.n > 0 && !is_leaf(f, at))
        at = f->nodes_f32[at].child;
    size_t n = f->trees.n > 0 ? f->first_vote[f->leaf[at] + 1] - f->first_vote[f->leaf[at]] : 0;
    return n > 0 && f->n_leaves <= 4 * f->n_votes / n && f->trees.n <= f->n_votes / n ? n : 0;
}

static int find_plain(struct mlo_forest *f, struct mlo_err *err)
{
    size_t n = votes_of_a_leaf(f);
    if (n == 0)
        return 0;
    f->values = mlo_arena_alloc(&f->memory, f->n_leaves, n * sizeof *f->values, err);
    f->targets = f->values ? mlo_arena_alloc(&f->memory, f->trees.n, n * sizeof *f->targets, err) : NULL;
    if (!f->targets)
        return err->code;
    f->plain = true;
    for (size_t i = 0; f->plain && i < f->trees.n; i++)
        f->plain = plain_tree(f, i, n);
    if (!f->plain)
        return 0;
    for (size_t i = 0; i < f->n_leaves; i++)
        for (size_t k = f->first_vote[i]; k < f->first_vote[i + 1] && k < f->first_vote[i] + n; k++)
            f->values[i * n + k - f->first_vote[i]] = (float)f->votes[k].weight;
    f->trees.values = f->values;
    f->trees.targets = f->targets;
    f->trees.n_votes = n;
    return 0;
}

/* ---- a forest ---- */

static int count_features(const struct mlo_forest_source *s, size_t *ret, struct mlo_err *err)
{
    int64_t most = 0;
    for (size_t i = 0; i < s->n_nodes; i++) {
        int64_t feature = s->nodes[i].mode == MLO_BRANCH_LEAF ? 0 : s->nodes[i].feature;
        if (feature < 0 || feature >= MLO_FOREST_FEATURES_MAX)
            return mlo_fail(err, MLO_EINVALID, "node %zu asks for feature %lld", i, (long long)feature);
        most = feature + 1 > most ? feature + 1 : most;
    }
    *ret = (size_t)most;
    return 0;
}

static int lay_trees(struct builder *b, struct mlo_err *err)
{
    const struct mlo_forest_source *s = b->source;
    struct mlo_forest *f = b->f;
    f->roots = mlo_arena_alloc(&f->memory, s->n_trees + 1, sizeof *f->roots, err);
    f->depths = f->roots ? mlo_arena_alloc(&f->memory, s->n_trees + 1, sizeof *f->depths, err) : NULL;
    b->seen = f->depths ? mlo_calloc(s->n_nodes + 1, 1, err) : NULL;
    if (!b->seen)
        return err->code;
    int rc = grow_nodes(b, s->n_nodes + 2 * s->n_trees, err);
    for (size_t i = 0; rc == 0 && i < s->n_trees; i++)
        rc = lay_tree(b, i, err);
    return rc;
}

int mlo_forest_build(const struct mlo_forest_source *s, struct mlo_forest *ret, struct mlo_err *err)
{
    struct builder b = {.source = s, .f = ret};
    *ret = (struct mlo_forest){0};
    mlo_arena_init(&ret->memory, FOREST_MEMORY_MAX);
    int rc = count_features(s, &ret->n_features, err);
    if (rc == 0)
        rc = lay_trees(&b, err);
    free(b.todo);
    free(b.copies);
    free(b.seen);
    ret->trees = (struct mlo_trees){.nodes_f32 = ret->nodes_f32,
                                    .nodes_f64 = ret->nodes_f64,
                                    .roots = ret->roots,
                                    .depths = ret->depths,
                                    .leaf = ret->leaf,
                                    .n = s->n_trees,
                                    .n_features = ret->n_features,
                                    .negated = ret->negated,
                                    .n_targets = s->n_targets};
    if (rc == 0)
        rc = keep_votes(ret, s, err);
    if (rc == 0)
        rc = find_plain(ret, err);
    return rc == 0 ? mlo_forest_rank(ret, err) : rc;
}

void mlo_forest_release(struct mlo_forest *f)
{
    mlo_arena_release(&f->memory);
    *f = (struct mlo_forest){0};
}
