/*
 * Forests: the trees of a model, checked once and laid flat for the kernels of backend.h.
 *
 * Whatever a node asks (six comparisons, membership of a set, either way for NaN) becomes questions of one
 * form, x[column] <= limit, that NaN answers with no: columns from n_features on hold the values negated,
 * limits move to the neighbouring number, x == a is asked as x <= a and x >= a.
 */
#ifndef MLO_INFER_FOREST_H
#define MLO_INFER_FOREST_H

#include <mlopsctl/backend.h>

#include "infer/ops/ml.h"

enum mlo_branch { /* the numbers of TreeEnsemble's nodes_modes */
                  MLO_BRANCH_LEQ,
                  MLO_BRANCH_LT,
                  MLO_BRANCH_GTE,
                  MLO_BRANCH_GT,
                  MLO_BRANCH_EQ,
                  MLO_BRANCH_NEQ,
                  MLO_BRANCH_MEMBER,
                  MLO_BRANCH_LEAF,
                  MLO_BRANCH_WITHIN, /* members rise: true from the first to the second, from the third on ...
                                      */
};
#define MLO_FOREST_FEATURES_MAX ((int64_t)1 << 30)
#define MLO_FOREST_NODES_MAX    ((size_t)1 << 31) /* after questions are split */

struct mlo_forest_node { /* as a model says it, already checked to be within the tables */
    int64_t feature;
    double value;
    const double *members; /* MEMBER, WITHIN: n_members of them */
    size_t n_members;
    enum mlo_branch mode;
    bool nan_is_true;
    bool leaf_true, leaf_false; /* the child is a leaf by its own number, not a node */
    size_t when_true, when_false;
};
struct mlo_vote {
    uint32_t target;
    double weight;
};
/* What a forest is built from. A LEAF node votes as leaf number `when_true`. */
struct mlo_forest_source {
    const struct mlo_forest_node *nodes;
    size_t n_nodes;
    const size_t *roots;
    size_t n_trees;
    const size_t *first_vote; /* of each leaf, and one more: the votes of leaf i are [first[i], first[i+1]) */
    size_t n_leaves;
    const struct mlo_vote *votes;
    size_t n_targets;
};
struct mlo_forest {
    struct mlo_trees trees; /* values and targets: only when `plain` */
    struct mlo_tree_node_f32 *nodes_f32;
    struct mlo_tree_node_f64 *nodes_f64;
    uint32_t *roots, *depths, *targets, *leaf; /* leaf: of each node that is one */
    float *values;
    size_t n_nodes, n_features;
    bool negated; /* some question is about a negated feature */
    bool plain;   /* the leaves of a tree vote for the same targets in the same order; all trees as often */
    size_t *first_vote;
    struct mlo_vote *votes;
    size_t n_targets, n_leaves, n_votes;
    struct mlo_arena memory; /* of all of it */
};
/* MLO_EINVALID for cycles, shared nodes, features out of range. On failure, too: release it. */
int mlo_forest_build(const struct mlo_forest_source *s, struct mlo_forest *ret,
                     struct mlo_err *err) MLO_MUST_CHECK;
void mlo_forest_release(struct mlo_forest *f);

#endif
