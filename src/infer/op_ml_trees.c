/*
 * ai.onnx.ml: TreeEnsembleRegressor, TreeEnsembleClassifier and TreeEnsemble. The model's tables become a
 * forest (forest.h) once; what is done with the votes follows ONNX Runtime, in its order of additions.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "forest.h"

enum aggregate { AGGREGATE_AVERAGE, AGGREGATE_SUM, AGGREGATE_MIN, AGGREGATE_MAX };

struct ensemble {
    struct mlo_forest forest;
    enum aggregate aggregate;
    enum mlo_post post;
    double *base; /* owned */
    size_t n_base;
    struct mlo_ml_labels labels;  /* of a classifier */
    bool one_class, all_positive; /* all votes are for one class; none is negative */
};

/* The tables while they are read. */
struct tables {
    struct mlo_forest_source source;
    struct mlo_forest_node *nodes;
    size_t *roots, *first_vote;
    struct mlo_vote *votes;
    double *numbers[4]; /* attributes as doubles */
    size_t n_numbers;
};

static void free_tables(struct tables *t)
{
    free(t->nodes);
    free(t->roots);
    free(t->first_vote);
    free(t->votes);
    for (size_t i = 0; i < t->n_numbers; i++)
        free(t->numbers[i]);
}

static void free_ensemble(void *state)
{
    struct ensemble *e = state;
    mlo_forest_release(&e->forest);
    free(e->base);
    free(e);
}

/* ---- lists ---- */

/* A list of numbers as doubles, which the caller frees. *ret_n 0: not given. */
static int read_numbers(const struct mlo_node *n, const char *name, double **ret, size_t *ret_n,
                        struct mlo_err *err)
{
    char tensor[64];
    struct mlo_array list = {0}, wide;
    snprintf(tensor, sizeof tensor, "%s_as_tensor", name);
    if ((!mlo_ml_list(n, tensor, &list) || list.n == 0) && !mlo_ml_list(n, name, &list))
        list.dtype = MLO_DT_F64;
    wide = list;
    wide.dtype = MLO_DT_F64;
    wide.data = *ret = mlo_calloc(list.n + 1, sizeof(double), err);
    *ret_n = list.n;
    return *ret ? mlo_cast_numbers(&list, &wide, err) : err->code;
}

static int table_numbers(struct tables *t, const struct mlo_node *n, const char *name, double **ret,
                         size_t *ret_n, struct mlo_err *err)
{
    int rc = read_numbers(n, name, ret, ret_n, err);
    t->numbers[t->n_numbers++] = *ret;
    return rc;
}

static int need_ints(const struct mlo_node *n, const char *name, size_t want, const int64_t **ret,
                     struct mlo_err *err)
{
    size_t count;
    *ret = mlo_attr_ints(n, name, &count);
    if (count != want)
        return mlo_fail(err, MLO_EINVALID, "'%s' has %zu entries, not %zu", name, count, want);
    return 0;
}

/* ---- versions 1 and 3: nodes found by the number of their tree and their own ---- */

struct node_id {
    int64_t tree, node;
    size_t at;
};
struct node_ids {
    struct node_id *list;
    size_t n;
};

static int order_ids(const void *a, const void *b)
{
    const struct node_id *x = a, *y = b;
    if (x->tree != y->tree)
        return x->tree < y->tree ? -1 : 1;
    return (x->node > y->node) - (x->node < y->node);
}

static int index_nodes(const int64_t *trees, const int64_t *nodes, size_t n, struct node_ids *ret,
                       struct mlo_err *err)
{
    bool sorted = true;
    ret->n = n;
    ret->list = mlo_calloc(n + 1, sizeof *ret->list, err);
    if (!ret->list)
        return err->code;
    for (size_t i = 0; i < n; i++) {
        ret->list[i] = (struct node_id){trees[i], nodes[i], i};
        sorted = sorted && (i == 0 || order_ids(&ret->list[i - 1], &ret->list[i]) < 0);
    }
    if (!sorted)
        qsort(ret->list, n, sizeof *ret->list, order_ids);
    for (size_t i = 1; i < n; i++)
        if (order_ids(&ret->list[i - 1], &ret->list[i]) == 0)
            return mlo_fail(err, MLO_EINVALID, "tree %lld has node %lld twice", (long long)ret->list[i].tree,
                            (long long)ret->list[i].node);
    return 0;
}

static int find_node(const struct node_ids *ids, int64_t tree, int64_t node, size_t *ret, struct mlo_err *err)
{
    struct node_id key = {tree, node, 0};
    const struct node_id *found = bsearch(&key, ids->list, ids->n, sizeof key, order_ids);
    if (!found)
        return mlo_fail(err, MLO_EINVALID, "tree %lld has no node %lld", (long long)tree, (long long)node);
    *ret = found->at;
    return 0;
}

static int read_mode(struct mlo_slice word, enum mlo_branch *ret, struct mlo_err *err)
{
    static const char *const words[] = {
        [MLO_BRANCH_LEQ] = "BRANCH_LEQ", [MLO_BRANCH_LT] = "BRANCH_LT", [MLO_BRANCH_GTE] = "BRANCH_GTE",
        [MLO_BRANCH_GT] = "BRANCH_GT",   [MLO_BRANCH_EQ] = "BRANCH_EQ", [MLO_BRANCH_NEQ] = "BRANCH_NEQ",
        [MLO_BRANCH_LEAF] = "LEAF",
    };
    for (size_t i = 0; i < MLO_COUNT(words); i++)
        if (words[i] && word.len == strlen(words[i]) && memcmp(word.ptr, words[i], word.len) == 0) {
            *ret = (enum mlo_branch)i;
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

static int read_node_lists(struct tables *t, const struct mlo_node *n, struct node_lists *l,
                           struct mlo_err *err)
{
    size_t n_modes, n_values, n_missing;
    l->tree = mlo_attr_ints(n, "nodes_treeids", &l->n);
    l->modes = mlo_attr_texts(n, "nodes_modes", &n_modes);
    l->missing = mlo_attr_ints(n, "nodes_missing_value_tracks_true", &n_missing);
    int rc = need_ints(n, "nodes_nodeids", l->n, &l->node, err);
    if (rc == 0)
        rc = need_ints(n, "nodes_featureids", l->n, &l->feature, err);
    if (rc == 0)
        rc = need_ints(n, "nodes_truenodeids", l->n, &l->yes, err);
    if (rc == 0)
        rc = need_ints(n, "nodes_falsenodeids", l->n, &l->no, err);
    if (rc == 0)
        rc = table_numbers(t, n, "nodes_values", &l->values, &n_values, err);
    if (rc == 0 && (l->n == 0 || n_modes != l->n || n_values != l->n || (n_missing && n_missing != l->n)))
        rc = mlo_fail(err, MLO_EINVALID, "lists of nodes of different lengths: %zu, %zu, %zu, %zu", l->n,
                      n_modes, n_values, n_missing);
    l->missing = n_missing ? l->missing : NULL;
    return rc;
}

/* The root of a tree is the node that is listed first. */
static int fill_nodes(struct tables *t, const struct node_lists *l, const struct node_ids *ids,
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
static int find_roots(struct tables *t, const struct node_ids *ids, struct mlo_err *err)
{
    size_t n = 0;
    t->roots = mlo_calloc(ids->n + 1, sizeof *t->roots, err);
    if (!t->roots)
        return err->code;
    for (size_t i = 0; i < ids->n; i++) {
        if (i == 0 || ids->list[i].tree != ids->list[i - 1].tree)
            t->roots[n++] = ids->list[i].at;
        else if (ids->list[i].at < t->roots[n - 1])
            t->roots[n - 1] = ids->list[i].at;
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

static int read_vote_lists(struct tables *t, const struct mlo_node *n, const char *prefix,
                           struct vote_lists *l, struct mlo_err *err)
{
    char name[64];
    size_t count;
    snprintf(name, sizeof name, "%s_treeids", prefix);
    l->tree = mlo_attr_ints(n, name, &l->n);
    snprintf(name, sizeof name, "%s_nodeids", prefix);
    int rc = need_ints(n, name, l->n, &l->node, err);
    snprintf(name, sizeof name, "%s_ids", prefix);
    if (rc == 0)
        rc = need_ints(n, name, l->n, &l->target, err);
    snprintf(name, sizeof name, "%s_weights", prefix);
    if (rc == 0)
        rc = table_numbers(t, n, name, &l->weights, &count, err);
    if (rc == 0 && count != l->n)
        rc = mlo_fail(err, MLO_EINVALID, "'%s' has %zu entries, not %zu", name, count, l->n);
    return rc;
}

/* Votes by leaf; leaf i is node i. Those of nodes that are no leaves do not count. */
static int fill_votes(struct tables *t, const struct vote_lists *l, const struct node_ids *ids,
                      size_t n_targets, struct mlo_err *err)
{
    MLO_AUTOFREE size_t *where = mlo_calloc(l->n + 1, sizeof *where, err);
    t->first_vote = where ? mlo_calloc(ids->n + 2, sizeof *t->first_vote, err) : NULL;
    t->votes = t->first_vote ? mlo_calloc(l->n + 1, sizeof *t->votes, err) : NULL;
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

static int read_tables(struct tables *t, const struct mlo_node *n, const char *prefix, size_t n_targets,
                       struct mlo_err *err)
{
    struct node_lists nodes = {0};
    struct vote_lists votes = {0};
    struct node_ids ids = {0};
    int rc = read_node_lists(t, n, &nodes, err);
    if (rc == 0)
        rc = read_vote_lists(t, n, prefix, &votes, err);
    if (rc == 0)
        rc = index_nodes(nodes.tree, nodes.node, nodes.n, &ids, err);
    if (rc == 0 && !(t->nodes = mlo_calloc(nodes.n + 1, sizeof *t->nodes, err)))
        rc = err->code;
    if (rc == 0)
        rc = fill_nodes(t, &nodes, &ids, err);
    if (rc == 0)
        rc = find_roots(t, &ids, err);
    if (rc == 0)
        rc = fill_votes(t, &votes, &ids, n_targets, err);
    free(ids.list);
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

static int read_wide(struct tables *t, const struct mlo_node *n, struct wide_lists *l, struct mlo_err *err)
{
    struct mlo_array modes = {0};
    size_t n_splits, n_missing;
    l->feature = mlo_attr_ints(n, "nodes_featureids", &l->n);
    l->roots = mlo_attr_ints(n, "tree_roots", &l->n_roots);
    l->targets = mlo_attr_ints(n, "leaf_targetids", &l->n_leaves);
    l->missing = mlo_attr_ints(n, "nodes_missing_value_tracks_true", &n_missing);
    int rc = need_ints(n, "nodes_truenodeids", l->n, &l->yes, err);
    if (rc == 0)
        rc = need_ints(n, "nodes_falsenodeids", l->n, &l->no, err);
    if (rc == 0)
        rc = need_ints(n, "nodes_trueleafs", l->n, &l->yes_leaf, err);
    if (rc == 0)
        rc = need_ints(n, "nodes_falseleafs", l->n, &l->no_leaf, err);
    if (rc == 0)
        rc = table_numbers(t, n, "nodes_splits", &l->splits, &n_splits, err);
    if (rc == 0)
        rc = table_numbers(t, n, "membership_values", &l->members, &l->n_members, err);
    size_t n_weights = 0;
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

static int fill_wide_nodes(struct tables *t, const struct wide_lists *l, struct mlo_err *err)
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

static int fill_wide_votes(struct tables *t, const struct wide_lists *l, size_t n_targets,
                           struct mlo_err *err)
{
    t->first_vote = mlo_calloc(l->n_leaves + 1, sizeof *t->first_vote, err);
    t->votes = t->first_vote ? mlo_calloc(l->n_leaves + 1, sizeof *t->votes, err) : NULL;
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

static int fill_wide_roots(struct tables *t, const struct wide_lists *l, struct mlo_err *err)
{
    t->roots = mlo_calloc(l->n_roots + 1, sizeof *t->roots, err);
    if (!t->roots)
        return err->code;
    int rc = l->n_roots ? 0 : mlo_fail(err, MLO_EINVALID, "no trees");
    for (size_t i = 0; rc == 0 && i < l->n_roots; i++)
        rc = wide_child(l, l->roots[i], false, &t->roots[i], err);
    return rc;
}

static int read_wide_tables(struct tables *t, const struct mlo_node *n, size_t n_targets, struct mlo_err *err)
{
    struct wide_lists l = {0};
    int rc = read_wide(t, n, &l, err);
    if (rc == 0 && !(t->nodes = mlo_calloc(l.n + 1, sizeof *t->nodes, err)))
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

/* ---- preparing ---- */

#define TARGETS_MAX ((int64_t)1 << 24)

static int read_targets(const struct mlo_node *n, size_t *ret, struct mlo_err *err)
{
    int64_t targets = mlo_attr_int(n, "n_targets", 1);
    if (targets < 1 || targets > TARGETS_MAX)
        return mlo_fail(err, MLO_EINVALID, "%lld targets", (long long)targets);
    *ret = (size_t)targets;
    return 0;
}

static int read_aggregate(const struct mlo_node *n, enum aggregate *ret, struct mlo_err *err)
{
    static const char *const words[] = {"AVERAGE", "SUM", "MIN", "MAX"};
    *ret = AGGREGATE_SUM;
    if (mlo_attr_is(n, "aggregate_function", ""))
        return 0;
    for (size_t i = 0; i < MLO_COUNT(words); i++)
        if (mlo_attr_is(n, "aggregate_function", words[i])) {
            *ret = (enum aggregate)i;
            return 0;
        }
    return mlo_fail(err, MLO_EUNAVAIL, "an unknown aggregate_function");
}

static int new_ensemble(void **ret_state, struct ensemble **ret, struct mlo_err *err)
{
    *ret_state = *ret = mlo_calloc(1, sizeof **ret, err);
    return *ret ? 0 : err->code;
}

/* None, one for each score, or one where two classes may share a score. */
static int read_base(const struct mlo_node *node, size_t n, struct ensemble *e, struct mlo_err *err)
{
    int rc = read_numbers(node, "base_values", &e->base, &e->n_base, err);
    bool shared = e->labels.list.n == 2 && e->n_base == 1;
    if (rc == 0 && e->n_base != 0 && e->n_base != n && !shared)
        rc = mlo_fail(err, MLO_EINVALID, "%zu base values for %zu scores", e->n_base, n);
    return rc;
}

static int prepare_regressor(const struct mlo_op_prepare *p, void **ret_state, struct mlo_err *err)
{
    struct ensemble *e;
    struct tables t = {0};
    size_t n = 0;
    int rc = new_ensemble(ret_state, &e, err);
    if (rc == 0)
        rc = read_targets(p->node, &n, err);
    if (rc == 0)
        rc = read_aggregate(p->node, &e->aggregate, err);
    if (rc == 0)
        rc = mlo_post_read(p->node, &e->post, err);
    if (rc == 0)
        rc = read_base(p->node, n, e, err);
    if (rc == 0)
        rc = read_tables(&t, p->node, "target", n, err);
    if (rc == 0)
        rc = mlo_forest_build(&t.source, &e->forest, err);
    free_tables(&t);
    return rc;
}

static int prepare_wide(const struct mlo_op_prepare *p, void **ret_state, struct mlo_err *err)
{
    /* The standard says 1 for SOFTMAX and 2 for LOGISTIC; ONNX Runtime (1.31) takes them the other way round.
     */
    static const enum mlo_post posts[] = {MLO_POST_NONE, MLO_POST_LOGISTIC, MLO_POST_SOFTMAX,
                                          MLO_POST_SOFTMAX_ZERO, MLO_POST_PROBIT};
    int64_t aggregate = mlo_attr_int(p->node, "aggregate_function", AGGREGATE_SUM);
    int64_t post = mlo_attr_int(p->node, "post_transform", MLO_POST_NONE);
    struct ensemble *e;
    struct tables t = {0};
    size_t n = 0;
    int rc = new_ensemble(ret_state, &e, err);
    if (rc == 0)
        rc = read_targets(p->node, &n, err);
    if (rc == 0 && (aggregate < 0 || aggregate > AGGREGATE_MAX || post < 0 || post > MLO_POST_PROBIT))
        rc = mlo_fail(err, MLO_EUNAVAIL, "aggregate_function %lld, post_transform %lld", (long long)aggregate,
                      (long long)post);
    if (rc != 0)
        return rc;
    e->aggregate = (enum aggregate)aggregate;
    e->post = posts[post];
    rc = read_wide_tables(&t, p->node, n, err);
    if (rc == 0)
        rc = mlo_forest_build(&t.source, &e->forest, err);
    free_tables(&t);
    return rc;
}

/* ONNX Runtime looks at all votes, also those of nodes that are no leaves. */
static void look_at_votes(struct ensemble *e, const struct mlo_forest_source *s)
{
    size_t n = s->first_vote[s->n_leaves];
    e->one_class = e->all_positive = true;
    for (size_t i = 0; i < n; i++) {
        e->one_class = e->one_class && s->votes[i].target == s->votes[0].target;
        e->all_positive = e->all_positive && s->votes[i].weight >= 0;
    }
}

static int prepare_classifier(const struct mlo_op_prepare *p, void **ret_state, struct mlo_err *err)
{
    struct ensemble *e;
    struct tables t = {0};
    int rc = new_ensemble(ret_state, &e, err);
    if (rc != 0)
        return rc;
    e->aggregate = AGGREGATE_SUM;
    rc = mlo_post_read(p->node, &e->post, err);
    if (rc == 0)
        rc = mlo_ml_labels_read(p->node, "classlabels_int64s", "classlabels_strings", &e->labels, err);
    if (rc == 0)
        rc = read_base(p->node, e->labels.list.n, e, err);
    if (rc == 0)
        rc = read_tables(&t, p->node, "class", e->labels.list.n, err);
    if (rc == 0)
        rc = mlo_forest_build(&t.source, &e->forest, err);
    if (rc == 0)
        look_at_votes(e, &t.source);
    free_tables(&t);
    return rc;
}

/* ---- scores of a row ---- */

/* Sums are made in the type of the rows; a float's sum is rounded at each step. */
struct scorer {
    const struct ensemble *e;
    bool wide; /* rows of doubles */
    const void *x;
    size_t n, width;
    double *scores; /* of one row */
    unsigned char *voted;
    float *sums; /* of a block of rows, where the kernel adds */
    void *rows;  /* a block with its negated half; NULL: not needed */
    uint32_t *leaves;
};
#define BLOCK ((size_t)256) /* rows */

static double rounded(const struct scorer *s, double v)
{
    return s->wide ? v : (double)(float)v;
}

static int prepare_rows(struct mlo_op_call *c, struct scorer *s, struct mlo_err *err)
{
    const struct mlo_array *a;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = mlo_ml_rows_shape(a, &s->n, &s->width, err);
    if (rc == 0 && s->width < s->e->forest.n_features)
        rc = mlo_op_refuse(c, err, "not the %zu columns that trees ask for", s->e->forest.n_features);
    if (rc != 0)
        return rc;
    s->wide = a->dtype == MLO_DT_F64;
    s->x = a->data;
    if (s->wide)
        return 0;
    struct mlo_ml_rows rows = {0};
    rc = mlo_ml_rows_in(c, 0, &rows, err);
    s->x = rows.at;
    return rc;
}

static int scorer_init(struct mlo_op_call *c, struct scorer *s, struct mlo_err *err)
{
    const struct mlo_forest *f = &((const struct ensemble *)c->state)->forest;
    void *memory[5] = {0};
    *s = (struct scorer){.e = c->state};
    int rc = prepare_rows(c, s, err);
    size_t block = s->n < BLOCK ? s->n : BLOCK;
    if (rc == 0)
        rc = mlo_scratch(c, f->n_targets, sizeof *s->scores, &memory[0], err);
    if (rc == 0)
        rc = mlo_scratch(c, f->n_targets, 1, &memory[1], err);
    if (rc == 0)
        rc = mlo_scratch(c, f->trees.n, sizeof *s->leaves, &memory[2], err);
    if (rc == 0)
        rc = mlo_scratch(c, block * f->n_targets, sizeof(float), &memory[3], err);
    if (rc == 0 && f->negated)
        rc = mlo_scratch(c, block * 2 * f->n_features, s->wide ? sizeof(double) : sizeof(float), &memory[4],
                         err);
    s->scores = memory[0];
    s->voted = memory[1];
    s->leaves = memory[2];
    s->sums = memory[3];
    s->rows = memory[4];
    return rc;
}

/* Rows [first, first + n) as the forest wants them: *ret_stride apart. */
static const float *rows_f32(const struct scorer *s, size_t first, size_t n, size_t *ret_stride)
{
    const float *x = (const float *)s->x + first * s->width;
    size_t half = s->e->forest.n_features;
    float *to = s->rows;
    *ret_stride = s->width;
    if (!to)
        return x;
    *ret_stride = 2 * half;
    for (size_t i = 0; i < n; i++, to += 2 * half, x += s->width)
        for (size_t k = 0; k < half; k++) {
            to[k] = x[k];
            to[half + k] = -x[k];
        }
    return s->rows;
}

static const double *row_f64(const struct scorer *s, size_t i)
{
    const double *x = (const double *)s->x + i * s->width;
    size_t half = s->e->forest.n_features;
    double *to = s->rows;
    for (size_t k = 0; to && k < half; k++) {
        to[k] = x[k];
        to[half + k] = -x[k];
    }
    return to ? to : x;
}

static void take_vote(const struct scorer *s, const struct mlo_vote *v)
{
    double weight = rounded(s, v->weight), *score = &s->scores[v->target];
    bool first = !s->voted[v->target];
    s->voted[v->target] = 1;
    if (s->e->aggregate == AGGREGATE_MIN)
        *score = first || weight < *score ? weight : *score;
    else if (s->e->aggregate == AGGREGATE_MAX)
        *score = first || weight > *score ? weight : *score;
    else
        *score = rounded(s, *score + weight);
}

static void score_row(const struct scorer *s, size_t i)
{
    const struct mlo_forest *f = &s->e->forest;
    size_t stride;
    if (s->wide)
        mlo_trees_find_f64(&f->trees, row_f64(s, i), s->leaves);
    else
        mlo_trees_find_f32(&f->trees, rows_f32(s, i, 1, &stride), s->leaves);
    memset(s->scores, 0, f->n_targets * sizeof *s->scores);
    memset(s->voted, 0, f->n_targets);
    for (size_t k = 0; k < f->trees.n; k++) {
        size_t leaf = f->leaf[s->leaves[k]];
        for (size_t v = f->first_vote[leaf]; v < f->first_vote[leaf + 1]; v++)
            take_vote(s, &f->votes[v]);
    }
}

typedef void finish_fn(const struct scorer *s, size_t row, void *ctx);

static void score_block(const struct scorer *s, size_t first, size_t n, finish_fn *finish, void *ctx)
{
    const struct mlo_forest *f = &s->e->forest;
    size_t stride, targets = f->n_targets;
    const float *x = rows_f32(s, first, n, &stride);
    memset(s->sums, 0, n * targets * sizeof *s->sums);
    memset(s->voted, 0, targets);
    for (size_t k = 0; k < f->trees.n; k++)
        s->voted[f->targets[k]] = 1;
    mlo_trees_sum_f32(&f->trees, x, n, stride, s->leaves, s->sums);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < targets; k++)
            s->scores[k] = (double)s->sums[i * targets + k];
        finish(s, first + i, ctx);
    }
}

static void score_rows(const struct scorer *s, finish_fn *finish, void *ctx)
{
    bool sums = s->e->aggregate == AGGREGATE_SUM || s->e->aggregate == AGGREGATE_AVERAGE;
    bool plain = s->e->forest.plain && !s->wide && sums;
    for (size_t i = 0; i < s->n && plain; i += BLOCK)
        score_block(s, i, s->n - i < BLOCK ? s->n - i : BLOCK, finish, ctx);
    for (size_t i = 0; i < s->n && !plain; i++) {
        score_row(s, i);
        finish(s, i, ctx);
    }
}

/* ---- regression ---- */

/* As in ONNX Runtime, of several targets one that nothing voted for gets 0, not its base value. */

struct regression {
    struct mlo_array *out;
    float *row;
};

static void finish_regression(const struct scorer *s, size_t row, void *ctx)
{
    const struct ensemble *e = s->e;
    const struct regression *r = ctx;
    size_t n = e->forest.n_targets;
    for (size_t k = 0; k < n; k++) {
        double base = e->n_base == n ? e->base[k] : 0;
        double v = s->scores[k];
        if (e->aggregate == AGGREGATE_AVERAGE)
            v = rounded(s, v / (double)e->forest.trees.n);
        s->scores[k] = rounded(s, v + rounded(s, base));
    }
    for (size_t k = 0; k < n && n > 1; k++)
        s->scores[k] = s->voted[k] ? s->scores[k] : 0;
    for (size_t k = 0; k < n; k++)
        r->row[k] = (float)s->scores[k];
    if (n == 1)
        r->row[0] = mlo_post_one(e->post, r->row[0]);
    else
        mlo_post_row(e->post, r->row, n);
    for (size_t k = 0; k < n; k++)
        if (r->out->dtype == MLO_DT_F64)
            ((double *)r->out->data)[row * n + k] = e->post == MLO_POST_NONE ? s->scores[k]
                                                                             : (double)r->row[k];
        else
            ((float *)r->out->data)[row * n + k] = r->row[k];
}

static int regress(struct mlo_op_call *c, enum mlo_dtype t, struct mlo_err *err)
{
    const struct ensemble *e = c->state;
    int64_t dims[2] = {0, (int64_t)e->forest.n_targets};
    struct regression r;
    struct scorer s;
    void *row;
    int rc = scorer_init(c, &s, err);
    dims[0] = (int64_t)s.n;
    if (rc == 0)
        rc = mlo_scratch(c, e->forest.n_targets, sizeof(float), &row, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, t == MLO_DT_F64 ? t : MLO_DT_F32, dims, 2, &r.out, err);
    if (rc != 0 || !r.out)
        return rc;
    r.row = row;
    score_rows(&s, finish_regression, &r);
    return 0;
}

static int run_regressor(struct mlo_op_call *c, struct mlo_err *err)
{
    return regress(c, MLO_DT_F32, err);
}

/* The output is of the input's type. */
static int run_wide(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a = mlo_in(c, 0);
    if (a && a->dtype != MLO_DT_F32 && a->dtype != MLO_DT_F64)
        return mlo_fail(err, MLO_EUNAVAIL, "trees on %s are not supported", mlo_dtype_name(a->dtype));
    return regress(c, a ? a->dtype : MLO_DT_F32, err);
}

/* ---- classification ---- */

struct classification {
    struct mlo_array *labels, *out;
    float *row;
};

static size_t greatest_voted(const struct scorer *s)
{
    size_t best = SIZE_MAX;
    for (size_t k = 0; k < s->e->forest.n_targets; k++)
        if (s->voted[k] && (best == SIZE_MAX || s->scores[k] > s->scores[best]))
            best = k;
    return best == SIZE_MAX ? 0 : best;
}

static void put_label(const struct classification *c, const struct ensemble *e, size_t row, size_t which)
{
    if (c->labels)
        mlo_ml_label_put(&e->labels, which, c->labels, row);
}

static void finish_many(const struct scorer *s, size_t row, const struct classification *c)
{
    const struct ensemble *e = s->e;
    size_t n = e->forest.n_targets;
    for (size_t k = 0; k < e->n_base; k++) {
        s->scores[k] = rounded(s, s->scores[k] + rounded(s, e->base[k]));
        s->voted[k] = 1;
    }
    put_label(c, e, row, greatest_voted(s));
    for (size_t k = 0; k < n; k++)
        c->row[k] = (float)s->scores[k];
    mlo_post_row(e->post, c->row, n);
}

/* Base values of two classes; *ret_pair false: there is but the first score. */
static void add_two_bases(const struct scorer *s, bool *ret_pair)
{
    const struct ensemble *e = s->e;
    double *v = s->scores;
    *ret_pair = e->n_base == 2 || s->voted[1];
    if (e->n_base == 1)
        v[0] = rounded(s, v[0] + rounded(s, e->base[0]));
    if (e->n_base == 2 && s->voted[1]) {
        v[1] = rounded(s, rounded(s, e->base[1]) + v[0]);
        v[0] = -v[1];
    } else if (e->n_base == 2) {
        v[0] = s->voted[0] ? rounded(s, v[0] + rounded(s, e->base[0])) : 0;
        v[1] = 0; /* nothing voted for it: ONNX Runtime forgets the base value */
    }
}

/* Where votes are for both classes the label is the number 1 or 0 itself, as in ONNX Runtime. */
static void put_two_label(const struct scorer *s, size_t row, const struct classification *c, double score)
{
    const struct ensemble *e = s->e;
    bool second = e->one_class && e->all_positive ? score > 0.5 : score > 0;
    if (e->one_class || e->labels.list.dtype == MLO_DT_STRING)
        put_label(c, e, row, second && e->labels.list.n > 1);
    else if (c->labels)
        mlo_ml_label_put_number(&e->labels, second, c->labels, row);
}

static void finish_two(const struct scorer *s, size_t row, const struct classification *c)
{
    const struct ensemble *e = s->e;
    bool pair;
    add_two_bases(s, &pair);
    put_two_label(s, row, c, s->voted[1] ? s->scores[1] : s->voted[0] ? s->scores[0] : 0);
    c->row[0] = (float)s->scores[0];
    c->row[1] = (float)s->scores[1];
    if (pair)
        mlo_post_row(e->post, c->row, 2);
    else if (e->post == MLO_POST_PROBIT)
        c->row[0] = mlo_probit(c->row[0]);
    else
        mlo_post_pair(e->post, !(e->one_class && e->all_positive), c->row[0], c->row);
}

static void finish_one(const struct scorer *s, size_t row, const struct classification *c)
{
    const struct ensemble *e = s->e;
    double v = e->n_base == 1 ? rounded(s, s->scores[0] + rounded(s, e->base[0])) : s->scores[0];
    if (e->labels.list.dtype == MLO_DT_STRING)
        put_label(c, e, row, 0);
    else if (c->labels)
        mlo_ml_label_put_number(&e->labels, v > 0, c->labels, row);
    c->row[0] = mlo_post_one(e->post, (float)v);
}

static void finish_classification(const struct scorer *s, size_t row, void *ctx)
{
    struct classification *c = ctx;
    size_t n = s->e->forest.n_targets;
    if (n > 2)
        finish_many(s, row, c);
    else if (n == 2)
        finish_two(s, row, c);
    else
        finish_one(s, row, c);
    if (c->out)
        memcpy((float *)c->out->data + row * n, c->row, n * sizeof(float));
}

static int run_classifier(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct ensemble *e = c->state;
    struct classification k = {0};
    struct scorer s;
    void *row = NULL;
    int rc = scorer_init(c, &s, err);
    size_t n = e->forest.n_targets;
    if (rc == 0)
        rc = mlo_scratch(c, n + 1, sizeof(float), &row, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, e->labels.list.dtype, (int64_t[]){(int64_t)s.n}, 1, &k.labels, err);
    if (rc == 0)
        rc = mlo_out_new(c, 1, MLO_DT_F32, (int64_t[]){(int64_t)s.n, (int64_t)n}, 2, &k.out, err);
    if (rc != 0)
        return rc;
    k.row = row;
    score_rows(&s, finish_classification, &k);
    return 0;
}

static const struct mlo_op ops[] = {
    {.name = "TreeEnsembleRegressor",
     .since = 1,
     .run = run_regressor,
     .prepare = prepare_regressor,
     .release = free_ensemble},
    {.name = "TreeEnsembleClassifier",
     .since = 1,
     .run = run_classifier,
     .prepare = prepare_classifier,
     .release = free_ensemble},
    {.name = "TreeEnsemble", .since = 5, .run = run_wide, .prepare = prepare_wide, .release = free_ensemble},
};
const struct mlo_op_family mlo_ops_ml_trees = {"ai.onnx.ml", ops, MLO_COUNT(ops)};
