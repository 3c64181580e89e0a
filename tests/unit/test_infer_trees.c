/* Forests: hostile tables are refused, every question is asked exactly, kernels find the same leaves. */
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/infer/forest.h"

#define MOST 64

/* A source of up to MOST nodes; leaf i votes i + 1 for target 0. */
struct model {
    struct mlo_forest_node nodes[MOST];
    size_t roots[MOST], first[MOST + 1];
    struct mlo_vote votes[MOST];
    struct mlo_forest_source source;
};

static void model_init(struct model *m, size_t n_nodes, size_t n_leaves)
{
    *m = (struct model){0};
    for (size_t i = 0; i < n_leaves; i++) {
        m->first[i + 1] = i + 1;
        m->votes[i] = (struct mlo_vote){0, (double)(i + 1)};
    }
    m->source = (struct mlo_forest_source){.nodes = m->nodes,
                                           .n_nodes = n_nodes,
                                           .roots = m->roots,
                                           .n_trees = 1,
                                           .first_vote = m->first,
                                           .n_leaves = n_leaves,
                                           .votes = m->votes,
                                           .n_targets = 1};
}

/* One question with leaf 0 on yes and leaf 1 on no. */
static void model_ask(struct model *m, enum mlo_branch mode, double value, bool nan_is_true)
{
    model_init(m, 1, 2);
    m->nodes[0] = (struct mlo_forest_node){.mode = mode,
                                           .value = value,
                                           .nan_is_true = nan_is_true,
                                           .leaf_true = true,
                                           .leaf_false = true,
                                           .when_true = 0,
                                           .when_false = 1};
}

static void refused(const struct model *m, const char *why)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_forest f;
    check_err(mlo_forest_build(&m->source, &f, &err), MLO_EINVALID, &err, why);
    mlo_forest_release(&f);
}

static void refuses_a_node_that_is_its_own_child(void)
{
    struct model m;
    model_ask(&m, MLO_BRANCH_LEQ, 1, false);
    m.nodes[0].leaf_true = false;
    refused(&m, "reached twice");
}

static void refuses_a_cycle(void)
{
    struct model m;
    model_init(&m, 3, 2);
    for (size_t i = 0; i < 3; i++)
        m.nodes[i] = (struct mlo_forest_node){.leaf_false = true, .when_true = (i + 1) % 3};
    refused(&m, "reached twice");
}

static void refuses_a_shared_node(void)
{
    struct model m;
    model_init(&m, 2, 2);
    m.nodes[0] = (struct mlo_forest_node){.when_true = 1, .when_false = 1};
    m.nodes[1] = (struct mlo_forest_node){.leaf_true = true, .leaf_false = true};
    refused(&m, "reached twice");
    model_init(&m, 1, 2);
    m.nodes[0] = (struct mlo_forest_node){.leaf_true = true, .leaf_false = true};
    m.source.n_trees = 2; /* two trees with the same root */
    refused(&m, "reached twice");
}

static void refuses_features_out_of_range(void)
{
    struct model m;
    model_ask(&m, MLO_BRANCH_LEQ, 1, false);
    m.nodes[0].feature = -1;
    refused(&m, "feature -1");
    m.nodes[0].feature = MLO_FOREST_FEATURES_MAX;
    refused(&m, "feature");
}

/* ---- questions ---- */

static bool expected(enum mlo_branch mode, double x, double t, bool nan_is_true, const double *set, size_t n)
{
    if (mode == MLO_BRANCH_NEQ)
        return x != t;
    if (isnan(x))
        return nan_is_true;
    for (size_t i = 0; i < n; i++)
        if (x == set[i])
            return true;
    return mode == MLO_BRANCH_LEQ   ? x <= t
           : mode == MLO_BRANCH_LT  ? x < t
           : mode == MLO_BRANCH_GTE ? x >= t
           : mode == MLO_BRANCH_GT  ? x > t
           : mode == MLO_BRANCH_EQ  ? x == t
                                    : false;
}

static bool answer_f32(const struct mlo_forest *f, float x)
{
    float row[2] = {x, -x};
    uint32_t leaf;
    mlo_trees_find_f32(&f->trees, row, &leaf);
    return f->leaf[leaf] == 0;
}

static bool answer_f64(const struct mlo_forest *f, double x)
{
    double row[2] = {x, -x};
    uint32_t leaf;
    mlo_trees_find_f64(&f->trees, row, &leaf);
    return f->leaf[leaf] == 0;
}

static const double odd[] = {0.0,
                             -0.0,
                             1,
                             -1,
                             1.5,
                             NAN,
                             INFINITY,
                             -INFINITY,
                             0x1p-149,
                             -0x1p-149,
                             0x1.fffffep127,
                             -0x1.fffffep127,
                             0.1,
                             1e300,
                             -1e300,
                             1e-300,
                             0x1.000001p0,
                             16777217};

static void check_question(const struct model *m, enum mlo_branch mode, double t, bool nan_is_true)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_forest f;
    const struct mlo_forest_node *n = &m->nodes[0];
    check_ok(mlo_forest_build(&m->source, &f, &err), &err);
    for (size_t i = 0; i < MLO_COUNT(odd); i++) {
        double x = odd[i];
        float narrow = (float)x;
        check(answer_f64(&f, x) == expected(mode, x, t, nan_is_true, n->members, n->n_members),
              "mode %d, %a of %a, %d", (int)mode, x, t, nan_is_true);
        check(answer_f32(&f, narrow) ==
                  expected(mode, (double)narrow, t, nan_is_true, n->members, n->n_members),
              "float, mode %d, %a of %a, %d", (int)mode, (double)narrow, t, nan_is_true);
    }
    mlo_forest_release(&f);
}

static void asks_every_question_exactly(void)
{
    for (int mode = MLO_BRANCH_LEQ; mode <= MLO_BRANCH_NEQ; mode++)
        for (size_t i = 0; i < MLO_COUNT(odd); i++)
            for (int nan_is_true = 0; nan_is_true < 2; nan_is_true++) {
                struct model m;
                model_ask(&m, (enum mlo_branch)mode, odd[i], nan_is_true);
                check_question(&m, (enum mlo_branch)mode, odd[i], nan_is_true);
            }
}

static void looks_into_sets(void)
{
    static const double set[] = {1.5, -1, 0.1, -0x1p-149};
    for (size_t n = 0; n <= MLO_COUNT(set); n++)
        for (int nan_is_true = 0; nan_is_true < 2; nan_is_true++) {
            struct model m;
            model_ask(&m, MLO_BRANCH_MEMBER, 0, nan_is_true);
            m.nodes[0].members = set;
            m.nodes[0].n_members = n;
            check_question(&m, MLO_BRANCH_MEMBER, 0, nan_is_true);
        }
}

/* ---- walks ---- */

/* Without the flat form: the table as it is written. */
static size_t walk(const struct model *m, size_t at, const float *x)
{
    for (;;) {
        const struct mlo_forest_node *n = &m->nodes[at];
        if (n->mode == MLO_BRANCH_LEAF)
            return n->when_true;
        bool yes = expected(n->mode, (double)x[n->feature], n->value, n->nan_is_true, n->members,
                            n->n_members);
        if (yes ? n->leaf_true : n->leaf_false)
            return yes ? n->when_true : n->when_false;
        at = yes ? n->when_true : n->when_false;
    }
}

static unsigned next_random(unsigned *state)
{
    return (*state = *state * 1103515245U + 12345U) >> 16;
}

/* A chain of questions of all kinds, each with a leaf on one side. */
static void chain(struct model *m, unsigned *state, size_t n)
{
    static const double set[] = {1, 3};
    model_init(m, n, n + 1);
    for (size_t i = 0; i < n; i++) {
        bool last = i + 1 == n, on_yes = next_random(state) % 2;
        m->nodes[i] = (struct mlo_forest_node){.feature = next_random(state) % 3,
                                               .value = next_random(state) % 5,
                                               .mode = (enum mlo_branch)(next_random(state) % 7),
                                               .nan_is_true = next_random(state) % 2,
                                               .leaf_true = last || on_yes,
                                               .leaf_false = last || !on_yes,
                                               .when_true = on_yes ? i
                                                            : last ? n
                                                                   : i + 1,
                                               .when_false = on_yes ? (last ? n : i + 1) : i};
        if (m->nodes[i].mode == MLO_BRANCH_MEMBER) {
            m->nodes[i].members = set;
            m->nodes[i].n_members = MLO_COUNT(set);
        }
    }
}

static void finds_the_leaf_that_the_table_says(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    unsigned state = 1;
    for (unsigned round = 0; round < 200; round++) {
        struct model m;
        struct mlo_forest f;
        chain(&m, &state, 1 + round % 40);
        check_ok(mlo_forest_build(&m.source, &f, &err), &err);
        for (unsigned k = 0; k < 20; k++) {
            float row[6];
            uint32_t leaf;
            for (unsigned i = 0; i < 3; i++) {
                row[i] = next_random(&state) % 8 == 0 ? NAN : (float)(next_random(&state) % 5);
                row[f.n_features + i] = 0;
            }
            for (size_t i = 0; i < f.n_features; i++)
                row[f.n_features + i] = -row[i];
            mlo_trees_find_f32(&f.trees, row, &leaf);
            check_int(f.leaf[leaf], walk(&m, 0, row));
        }
        mlo_forest_release(&f);
    }
}

static void adds_votes_of_many_trees(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_forest f;
    struct model m;
    float x[3] = {0, 2, NAN}, sums[3] = {0};
    uint32_t leaves[19];
    model_init(&m, 19, 38);
    for (size_t i = 0; i < 19; i++) {
        m.roots[i] = i;
        m.nodes[i] = (struct mlo_forest_node){
            .value = 1, .leaf_true = true, .leaf_false = true, .when_true = 2 * i, .when_false = 2 * i + 1};
    }
    m.source.n_trees = 19;
    check_ok(mlo_forest_build(&m.source, &f, &err), &err);
    check(f.plain, "one vote a leaf");
    mlo_trees_sum_f32(&f.trees, x, 3, 1, leaves, sums);
    check(sums[0] == 361 && sums[1] == 380 && sums[2] == 380, "%g %g %g", (double)sums[0], (double)sums[1],
          (double)sums[2]);
    mlo_forest_release(&f);
}

/* Rows in blocks give the same sums, to the bit, as one by one. */
static void batches_are_the_rows(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_forest f;
    struct model m;
    float x[70][6], batch[70] = {0}, single[70] = {0};
    uint32_t leaves[9];
    unsigned state = 5;
    model_init(&m, 27, 36);
    for (size_t i = 0; i < 27; i++) { /* nine trees: a question, and one on each of its sides */
        size_t tree = i / 3, leaf = 4 * tree + (i % 3 == 2 ? 2 : 0);
        bool root = i % 3 == 0;
        m.roots[tree] = 3 * tree;
        m.nodes[i] = (struct mlo_forest_node){.feature = next_random(&state) % 3,
                                              .value = next_random(&state) % 5,
                                              .mode = (enum mlo_branch)(next_random(&state) % 4),
                                              .nan_is_true = next_random(&state) % 2,
                                              .leaf_true = !root,
                                              .leaf_false = !root,
                                              .when_true = root ? i + 1 : leaf,
                                              .when_false = root ? i + 2 : leaf + 1};
    }
    m.source.n_trees = 9;
    for (size_t i = 0; i < 36; i++)
        m.votes[i].weight = 0.1 * (double)i;
    check_ok(mlo_forest_build(&m.source, &f, &err), &err);
    check(f.questions && f.trees.filled_depth == 2, "filled up");
    for (size_t i = 0; i < 70; i++)
        for (size_t k = 0; k < f.n_features; k++) {
            x[i][k] = next_random(&state) % 8 == 0 ? NAN : (float)(next_random(&state) % 5);
            x[i][f.n_features + k] = -x[i][k];
        }
    mlo_trees_sum_f32(&f.trees, x[0], 70, 6, leaves, batch);
    for (size_t i = 0; i < 70; i++)
        mlo_trees_sum_f32(&f.trees, x[i], 1, 6, leaves, &single[i]);
    check(memcmp(batch, single, sizeof batch) == 0, "sums differ");
    mlo_forest_release(&f);
}

static int build_with_sets(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_forest f;
    struct model m;
    unsigned state = 3;
    chain(&m, &state, 20);
    int rc = mlo_forest_build(&m.source, &f, &err);
    mlo_forest_release(&f);
    return rc;
}

static void survives_allocation_failures(void)
{
    check(each_alloc_failure(build_with_sets) > 5);
}

int main(void)
{
    run(refuses_a_node_that_is_its_own_child);
    run(refuses_a_cycle);
    run(refuses_a_shared_node);
    run(refuses_features_out_of_range);
    run(asks_every_question_exactly);
    run(looks_into_sets);
    run(finds_the_leaf_that_the_table_says);
    run(adds_votes_of_many_trees);
    run(batches_are_the_rows);
    run(survives_allocation_failures);
    return done_testing();
}
