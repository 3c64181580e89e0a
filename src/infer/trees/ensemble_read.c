/*
 * The tables of TreeEnsembleRegressor and -Classifier (versions 1 and 3: nodes by the number of their tree
 * and their own) and of TreeEnsemble (version 5: nodes and leaves by their place) as the source of a forest.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ensemble.h"

#define TABLES_MAX ((size_t)64 << 30)

void mlo_ensemble_tables_free(struct mlo_ensemble_tables *t)
{
    mlo_arena_release(&t->memory);
}

/* ---- lists ---- */

static struct mlo_array list_of(const struct mlo_node *n, const char *name)
{
    char tensor[64];
    struct mlo_array list = {0};
    snprintf(tensor, sizeof tensor, "%s_as_tensor", name);
    if ((!mlo_ml_list(n, tensor, &list) || list.n == 0) && !mlo_ml_list(n, name, &list))
        list.dtype = MLO_DT_F64;
    return list;
}

static int as_doubles(const struct mlo_array *list, double *to, struct mlo_err *err)
{
    struct mlo_array wide = *list;
    wide.dtype = MLO_DT_F64;
    wide.data = to;
    return mlo_cast_numbers(list, &wide, err);
}

int mlo_ensemble_numbers(const struct mlo_node *n, const char *name, double **ret, size_t *ret_n,
                         struct mlo_err *err)
{
    struct mlo_array list = list_of(n, name);
    *ret = mlo_calloc(list.n + 1, sizeof **ret, err);
    *ret_n = list.n;
    return *ret ? as_doubles(&list, *ret, err) : err->code;
}

static int table_numbers(struct mlo_ensemble_tables *t, const struct mlo_node *n, const char *name,
                         double **ret, size_t *ret_n, struct mlo_err *err)
{
    struct mlo_array list = list_of(n, name);
    *ret = mlo_arena_alloc(&t->memory, list.n + 1, sizeof **ret, err);
    *ret_n = list.n;
    return *ret ? as_doubles(&list, *ret, err) : err->code;
}

struct int_list {
    const char *name;
    const int64_t **ret;
};

/* Lists that all have `want` entries. */
static int need_all(const struct mlo_node *n, const struct int_list *lists, size_t n_lists, size_t want,
                    struct mlo_err *err)
{
    for (size_t i = 0; i < n_lists; i++) {
        size_t count;
        *lists[i].ret = mlo_attr_ints(n, lists[i].name, &count);
        if (count != want)
            return mlo_fail(err, MLO_EINVALID, "'%s' has %zu entries, not %zu", lists[i].name, count, want);
    }
    return 0;
}

/* ---- versions 1 and 3: nodes found by the number of their tree and their own ---- */

struct node_ids {
    const int64_t *tree, *node; /* of each node of the model */
    size_t n;
    size_t *order; /* owned: nodes by tree and number; NULL: they are listed so */
    size_t zero;   /* where node 0 of the tree that was asked for last would be; may wrap around */
};

static size_t id_at(const struct node_ids *ids, size_t i)
{
    return ids->order ? ids->order[i] : i;
}

static int compare_ids(const struct node_ids *ids, size_t at, int64_t tree, int64_t node)
{
    if (ids->tree[at] != tree)
        return ids->tree[at] < tree ? -1 : 1;
    return (ids->node[at] > node) - (ids->node[at] < node);
}

static int order_ids(const void *a, const void *b, void *ids)
{
    size_t at = *(const size_t *)b;
    return compare_ids(ids, *(const size_t *)a, ((struct node_ids *)ids)->tree[at],
                       ((struct node_ids *)ids)->node[at]);
}

static int sort_ids(struct node_ids *ids, struct mlo_err *err)
{
    ids->order = mlo_calloc(ids->n + 1, sizeof *ids->order, err);
    if (!ids->order)
        return err->code;
    for (size_t i = 0; i < ids->n; i++)
        ids->order[i] = i;
    qsort_r(ids->order, ids->n, sizeof *ids->order, order_ids, ids);
    for (size_t i = 1; i < ids->n; i++) {
        size_t at = ids->order[i];
        if (compare_ids(ids, ids->order[i - 1], ids->tree[at], ids->node[at]) == 0)
            return mlo_fail(err, MLO_EINVALID, "tree %lld has node %lld twice", (long long)ids->tree[at],
                            (long long)ids->node[at]);
    }
    return 0;
}

static int index_nodes(const int64_t *trees, const int64_t *nodes, size_t n, struct node_ids *ret,
                       struct mlo_err *err)
{
    bool sorted = true;
    *ret = (struct node_ids){.tree = trees, .node = nodes, .n = n};
    for (size_t i = 1; sorted && i < n; i++)
        sorted = compare_ids(ret, i - 1, trees[i], nodes[i]) < 0;
    return sorted ? 0 : sort_ids(ret, err);
}

/* The place in the order; n: there is none. */
static size_t search_ids(const struct node_ids *ids, int64_t tree, int64_t node)
{
    size_t from = 0, to = ids->n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        int c = compare_ids(ids, id_at(ids, mid), tree, node);
        if (c == 0)
            return mid;
        if (c < 0)
            from = mid + 1;
        else
            to = mid;
    }
    return ids->n;
}

/* Most models number the nodes of a tree from 0 on, so that the place of one tells that of the others. */
static int find_node(struct node_ids *ids, int64_t tree, int64_t node, size_t *ret, struct mlo_err *err)
{
    size_t at = ids->zero + (size_t)node;
    if (at >= ids->n || compare_ids(ids, id_at(ids, at), tree, node) != 0)
        at = search_ids(ids, tree, node);
    if (at == ids->n)
        return mlo_fail(err, MLO_EINVALID, "tree %lld has no node %lld", (long long)tree, (long long)node);
    ids->zero = at - (size_t)node;
    *ret = id_at(ids, at);
    return 0;
}

static int read_mode(struct mlo_slice word, enum mlo_branch *ret, struct mlo_err *err)
{
    static const struct {
        struct mlo_slice word;
        enum mlo_branch mode;
    } words[] = {{{"LEAF", 4}, MLO_BRANCH_LEAF},      {{"BRANCH_LEQ", 10}, MLO_BRANCH_LEQ},
                 {{"BRANCH_LT", 9}, MLO_BRANCH_LT},   {{"BRANCH_GTE", 10}, MLO_BRANCH_GTE},
                 {{"BRANCH_GT", 9}, MLO_BRANCH_GT},   {{"BRANCH_EQ", 9}, MLO_BRANCH_EQ},
                 {{"BRANCH_NEQ", 10}, MLO_BRANCH_NEQ}};
    for (size_t i = 0; i < MLO_COUNT(words); i++)
        if (word.len == words[i].word.len && memcmp(word.ptr, words[i].word.ptr, word.len) == 0) {
            *ret = words[i].mode;
            return 0;
        }
    return mlo_fail(err, MLO_EUNAVAIL, "an unknown mode of a node");
}

struct node_lists {
    const int64_t *tree, *node, *feature, *yes, *no, *missing; /* missing NULL: nowhere */
    const struct mlo_slice *modes;
    double *values;
    size_t n;
};

static int read_node_lists(struct mlo_ensemble_tables *t, const struct mlo_node *n, struct node_lists *l,
                           struct mlo_err *err)
{
    const struct int_list same[] = {{"nodes_nodeids", &l->node},
                                    {"nodes_featureids", &l->feature},
                                    {"nodes_truenodeids", &l->yes},
                                    {"nodes_falsenodeids", &l->no}};
    size_t n_modes, n_values, n_missing;
    l->tree = mlo_attr_ints(n, "nodes_treeids", &l->n);
    l->modes = mlo_attr_texts(n, "nodes_modes", &n_modes);
    l->missing = mlo_attr_ints(n, "nodes_missing_value_tracks_true", &n_missing);
    int rc = need_all(n, same, MLO_COUNT(same), l->n, err);
    if (rc == 0)
        rc = table_numbers(t, n, "nodes_values", &l->values, &n_values, err);
    if (rc == 0 && (l->n == 0 || n_modes != l->n || n_values != l->n || (n_missing && n_missing != l->n)))
        rc = mlo_fail(err, MLO_EINVALID, "lists of nodes of different lengths: %zu, %zu, %zu, %zu", l->n,
                      n_modes, n_values, n_missing);
    l->missing = n_missing ? l->missing : NULL;
    return rc;
}

/* The root of a tree is the node that is listed first. */
static int fill_nodes(struct mlo_ensemble_tables *t, const struct node_lists *l, struct node_ids *ids,
                      struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < l->n; i++) {
        struct mlo_forest_node *n = &t->nodes[i];
        *n = (struct mlo_forest_node){.feature = l->feature[i],
                                      .value = l->values[i],
                                      .nan_is_true = l->missing && l->missing[i] == 1,
                                      .when_true = i};
        rc = read_mode(l->modes[i], &n->mode, err);
        if (rc == 0 && n->mode != MLO_BRANCH_LEAF)
            rc = find_node(ids, l->tree[i], l->yes[i], &n->when_true, err);
        if (rc == 0 && n->mode != MLO_BRANCH_LEAF)
            rc = find_node(ids, l->tree[i], l->no[i], &n->when_false, err);
    }
    return rc;
}

static int order_roots(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* Of each tree the node listed first; trees in the order of these. */
static int find_roots(struct mlo_ensemble_tables *t, struct node_ids *ids, struct mlo_err *err)
{
    size_t n = 0;
    t->roots = mlo_arena_alloc(&t->memory, ids->n + 1, sizeof *t->roots, err);
    if (!t->roots)
        return err->code;
    for (size_t i = 0; i < ids->n; i++) {
        size_t at = id_at(ids, i);
        if (i == 0 || ids->tree[at] != ids->tree[id_at(ids, i - 1)])
            t->roots[n++] = at;
        else if (at < t->roots[n - 1])
            t->roots[n - 1] = at;
    }
    qsort(t->roots, n, sizeof *t->roots, order_roots);
    t->source.roots = t->roots;
    t->source.n_trees = n;
    return 0;
}

struct vote_lists {
    const int64_t *tree, *node, *target;
    double *weights;
    size_t n;
};

static int read_vote_lists(struct mlo_ensemble_tables *t, const struct mlo_node *n, const char *prefix,
                           struct vote_lists *l, struct mlo_err *err)
{
    char trees[64], nodes[64], ids[64], weights[64];
    const struct int_list same[] = {{nodes, &l->node}, {ids, &l->target}};
    size_t count;
    snprintf(trees, sizeof trees, "%s_treeids", prefix);
    snprintf(nodes, sizeof nodes, "%s_nodeids", prefix);
    snprintf(ids, sizeof ids, "%s_ids", prefix);
    snprintf(weights, sizeof weights, "%s_weights", prefix);
    l->tree = mlo_attr_ints(n, trees, &l->n);
    int rc = need_all(n, same, MLO_COUNT(same), l->n, err);
    if (rc == 0)
        rc = table_numbers(t, n, weights, &l->weights, &count, err);
    if (rc == 0 && count != l->n)
        rc = mlo_fail(err, MLO_EINVALID, "'%s' has %zu entries, not %zu", weights, count, l->n);
    return rc;
}

/* Votes by leaf; leaf i is node i. Those of nodes that are no leaves do not count. */
static int fill_votes(struct mlo_ensemble_tables *t, const struct vote_lists *l, struct node_ids *ids,
                      size_t n_targets, struct mlo_err *err)
{
    size_t *where = mlo_arena_alloc(&t->memory, l->n + 1, sizeof *where, err);
    t->first_vote = where ? mlo_arena_alloc(&t->memory, ids->n + 2, sizeof *t->first_vote, err) : NULL;
    t->votes = t->first_vote ? mlo_arena_alloc(&t->memory, l->n + 1, sizeof *t->votes, err) : NULL;
    if (!t->votes)
        return err->code;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < l->n; i++) {
        if (l->target[i] < 0 || (uint64_t)l->target[i] >= n_targets)
            return mlo_fail(err, MLO_EINVALID, "a vote for %lld of %zu", (long long)l->target[i], n_targets);
        rc = find_node(ids, l->tree[i], l->node[i], &where[i], err);
        if (rc == 0)
            t->first_vote[where[i] + 2]++;
    }
    for (size_t i = 2; i < ids->n + 2; i++)
        t->first_vote[i] += t->first_vote[i - 1];
    for (size_t i = 0; rc == 0 && i < l->n; i++)
        t->votes[t->first_vote[where[i] + 1]++] = (struct mlo_vote){(uint32_t)l->target[i], l->weights[i]};
    t->source.first_vote = t->first_vote;
    t->source.votes = t->votes;
    t->source.n_leaves = ids->n;
    t->source.n_targets = n_targets;
    return rc;
}

int mlo_ensemble_read(const struct mlo_node *n, const char *prefix, size_t n_targets,
                      struct mlo_ensemble_tables *t, struct mlo_err *err)
{
    struct node_lists nodes = {0};
    struct vote_lists votes = {0};
    struct node_ids ids = {0};
    mlo_arena_init(&t->memory, TABLES_MAX);
    int rc = read_node_lists(t, n, &nodes, err);
    if (rc == 0)
        rc = read_vote_lists(t, n, prefix, &votes, err);
    if (rc == 0)
        rc = index_nodes(nodes.tree, nodes.node, nodes.n, &ids, err);
    if (rc == 0 && !(t->nodes = mlo_arena_alloc(&t->memory, nodes.n + 1, sizeof *t->nodes, err)))
        rc = err->code;
    if (rc == 0)
        rc = fill_nodes(t, &nodes, &ids, err);
    if (rc == 0)
        rc = find_roots(t, &ids, err);
    if (rc == 0)
        rc = fill_votes(t, &votes, &ids, n_targets, err);
    free(ids.order);
    t->source.nodes = t->nodes;
    t->source.n_nodes = nodes.n;
    return rc;
}

/* ---- version 5 ---- */

struct wide_lists {
    const int64_t *feature, *yes, *no, *yes_leaf, *no_leaf, *missing, *roots, *targets;
    const uint8_t *modes;
    double *splits, *weights, *members;
    size_t n, n_roots, n_leaves, n_members;
};

static int read_wide(struct mlo_ensemble_tables *t, const struct mlo_node *n, struct wide_lists *l,
                     struct mlo_err *err)
{
    const struct int_list same[] = {{"nodes_truenodeids", &l->yes},
                                    {"nodes_falsenodeids", &l->no},
                                    {"nodes_trueleafs", &l->yes_leaf},
                                    {"nodes_falseleafs", &l->no_leaf}};
    struct mlo_array modes = {0};
    size_t n_splits, n_missing, n_weights = 0;
    l->feature = mlo_attr_ints(n, "nodes_featureids", &l->n);
    l->roots = mlo_attr_ints(n, "tree_roots", &l->n_roots);
    l->targets = mlo_attr_ints(n, "leaf_targetids", &l->n_leaves);
    l->missing = mlo_attr_ints(n, "nodes_missing_value_tracks_true", &n_missing);
    int rc = need_all(n, same, MLO_COUNT(same), l->n, err);
    if (rc == 0)
        rc = table_numbers(t, n, "nodes_splits", &l->splits, &n_splits, err);
    if (rc == 0)
        rc = table_numbers(t, n, "membership_values", &l->members, &l->n_members, err);
    if (rc == 0)
        rc = table_numbers(t, n, "leaf_weights", &l->weights, &n_weights, err);
    if (rc == 0 && (!mlo_ml_list(n, "nodes_modes", &modes) || modes.dtype != MLO_DT_U8 || modes.n != l->n ||
                    n_splits != l->n || n_weights != l->n_leaves || (n_missing && n_missing != l->n)))
        rc = mlo_fail(err, MLO_EINVALID, "lists of nodes or leaves of different lengths");
    l->modes = modes.data;
    l->missing = n_missing ? l->missing : NULL;
    return rc;
}

/* The set of the next MEMBER node: up to NaN. */
static int take_members(const struct wide_lists *l, size_t *at, struct mlo_forest_node *n,
                        struct mlo_err *err)
{
    if (*at >= l->n_members)
        return mlo_fail(err, MLO_EINVALID, "membership_values hold too few sets");
    n->members = l->members + *at;
    while (*at < l->n_members && !isnan(l->members[*at]))
        ++*at;
    n->n_members = (size_t)(l->members + *at - n->members);
    ++*at;
    return 0;
}

static int wide_child(const struct wide_lists *l, int64_t id, bool leaf, size_t *ret, struct mlo_err *err)
{
    size_t n = leaf ? l->n_leaves : l->n;
    if (id < 0 || (uint64_t)id >= n)
        return mlo_fail(err, MLO_EINVALID, "a child that is %s %lld of %zu", leaf ? "leaf" : "node",
                        (long long)id, n);
    *ret = (size_t)id;
    return 0;
}

static int fill_wide_nodes(struct mlo_ensemble_tables *t, const struct wide_lists *l, struct mlo_err *err)
{
    size_t member = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < l->n; i++) {
        struct mlo_forest_node *n = &t->nodes[i];
        *n = (struct mlo_forest_node){.feature = l->feature[i],
                                      .value = l->splits[i],
                                      .mode = l->modes[i],
                                      .nan_is_true = l->missing && l->missing[i] == 1,
                                      .leaf_true = l->yes_leaf[i] != 0,
                                      .leaf_false = l->no_leaf[i] != 0};
        if (l->modes[i] > MLO_BRANCH_MEMBER)
            return mlo_fail(err, MLO_EUNAVAIL, "mode %u of node %zu", l->modes[i], i);
        if (n->mode == MLO_BRANCH_MEMBER)
            rc = take_members(l, &member, n, err);
        if (rc == 0)
            rc = wide_child(l, l->yes[i], n->leaf_true, &n->when_true, err);
        if (rc == 0)
            rc = wide_child(l, l->no[i], n->leaf_false, &n->when_false, err);
    }
    return rc;
}

static int fill_wide_votes(struct mlo_ensemble_tables *t, const struct wide_lists *l, size_t n_targets,
                           struct mlo_err *err)
{
    t->first_vote = mlo_arena_alloc(&t->memory, l->n_leaves + 1, sizeof *t->first_vote, err);
    t->votes = t->first_vote ? mlo_arena_alloc(&t->memory, l->n_leaves + 1, sizeof *t->votes, err) : NULL;
    if (!t->votes)
        return err->code;
    for (size_t i = 0; i < l->n_leaves; i++) {
        if (l->targets[i] < 0 || (uint64_t)l->targets[i] >= n_targets)
            return mlo_fail(err, MLO_EINVALID, "leaf %zu votes for %lld of %zu", i, (long long)l->targets[i],
                            n_targets);
        t->first_vote[i + 1] = i + 1;
        t->votes[i] = (struct mlo_vote){(uint32_t)l->targets[i], l->weights[i]};
    }
    return 0;
}

static int fill_wide_roots(struct mlo_ensemble_tables *t, const struct wide_lists *l, struct mlo_err *err)
{
    t->roots = mlo_arena_alloc(&t->memory, l->n_roots + 1, sizeof *t->roots, err);
    if (!t->roots)
        return err->code;
    int rc = l->n_roots ? 0 : mlo_fail(err, MLO_EINVALID, "no trees");
    for (size_t i = 0; rc == 0 && i < l->n_roots; i++)
        rc = wide_child(l, l->roots[i], false, &t->roots[i], err);
    return rc;
}

int mlo_ensemble_read_wide(const struct mlo_node *n, size_t n_targets, struct mlo_ensemble_tables *t,
                           struct mlo_err *err)
{
    struct wide_lists l = {0};
    mlo_arena_init(&t->memory, TABLES_MAX);
    int rc = read_wide(t, n, &l, err);
    if (rc == 0 && !(t->nodes = mlo_arena_alloc(&t->memory, l.n + 1, sizeof *t->nodes, err)))
        rc = err->code;
    if (rc == 0)
        rc = fill_wide_nodes(t, &l, err);
    if (rc == 0)
        rc = fill_wide_votes(t, &l, n_targets, err);
    if (rc == 0)
        rc = fill_wide_roots(t, &l, err);
    t->source = (struct mlo_forest_source){.nodes = t->nodes,
                                           .n_nodes = l.n,
                                           .roots = t->roots,
                                           .n_trees = l.n_roots,
                                           .first_vote = t->first_vote,
                                           .n_leaves = l.n_leaves,
                                           .votes = t->votes,
                                           .n_targets = n_targets};
    return rc;
}
