/* Forests: hostile tables are refused, every question is asked exactly, kernels find the same leaves. */
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/backend/cpu/trees.h"
#include "../../src/infer/trees/forest.h"

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

#define ROOM ((size_t)1 << 20)
static _Alignas(64) unsigned char room[ROOM];

static bool answer_f32(const struct mlo_forest *f, float x)
{
    uint32_t leaf;
    check(mlo_trees_room(&f->trees, 1) <= ROOM, "room");
    mlo_trees_find_f32(&f->trees, &x, 1, 1, room, &leaf);
    return leaf == 0;
}

static bool answer_f64(const struct mlo_forest *f, double x)
{
    uint32_t leaf;
    mlo_trees_find_f64(&f->trees, &x, 1, 1, room, &leaf);
    return leaf == 0;
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
static size_t walk(const struct mlo_forest_node *nodes, size_t at, const float *x)
{
    for (;;) {
        const struct mlo_forest_node *n = &nodes[at];
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
            float row[3];
            uint32_t leaf;
            for (unsigned i = 0; i < 3; i++)
                row[i] = next_random(&state) % 8 == 0 ? NAN : (float)(next_random(&state) % 5);
            mlo_trees_find_f32(&f.trees, row, 1, 3, room, &leaf);
            check_int(leaf, walk(m.nodes, 0, row));
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
    model_init(&m, 19, 38);
    for (size_t i = 0; i < 19; i++) {
        m.roots[i] = i;
        m.nodes[i] = (struct mlo_forest_node){
            .value = 1, .leaf_true = true, .leaf_false = true, .when_true = 2 * i, .when_false = 2 * i + 1};
    }
    m.source.n_trees = 19;
    check_ok(mlo_forest_build(&m.source, &f, &err), &err);
    check(f.plain, "one vote a leaf");
    mlo_trees_sum_f32(&f.trees, x, 3, 1, room, sums);
    check(sums[0] == 361 && sums[1] == 380 && sums[2] == 380, "%g %g %g", (double)sums[0], (double)sums[1],
          (double)sums[2]);
    mlo_forest_release(&f);
}

/* ---- kernels ---- */

/* A forest of random trees, as a table. */
struct grown {
    struct mlo_forest_node *nodes;
    size_t *roots, *first;
    struct mlo_vote *votes;
    struct mlo_forest_source source;
    unsigned state;
};
struct shape {
    size_t trees, nodes, features, targets, votes; /* nodes: most of a tree */
    unsigned depth, limits;                        /* different ones */
    unsigned modes;                                /* the first so many */
    bool falling;                                  /* each tree has fewer nodes than the one before */
};

static double random_limit(struct grown *g, const struct shape *s)
{
    unsigned r = next_random(&g->state) % (s->limits + 3);
    return r < s->limits        ? 0.1 * (double)r
           : r == s->limits     ? INFINITY
           : r == s->limits + 1 ? -INFINITY
                                : -0.0;
}

/* Grows below node `at`; returns the nodes there are then. A branch ends where depth or nodes do. */
static size_t grow(struct grown *g, const struct shape *s, size_t at, size_t n, size_t end, unsigned depth)
{
    struct mlo_forest_node *node = &g->nodes[at];
    *node = (struct mlo_forest_node){.feature = next_random(&g->state) % s->features,
                                     .value = random_limit(g, s),
                                     .mode = (enum mlo_branch)(next_random(&g->state) % s->modes),
                                     .nan_is_true = next_random(&g->state) % 2};
    for (int side = 0; side < 2; side++) {
        bool leaf = depth <= 1 || n >= end || next_random(&g->state) % 8 == 0;
        size_t to = leaf ? 2 * at + (size_t)side : n;
        *(side ? &node->leaf_false : &node->leaf_true) = leaf;
        *(side ? &node->when_false : &node->when_true) = to;
        n = leaf ? n : grow(g, s, to, n + 1, end, depth - 1);
    }
    return n;
}

static void grown_init(struct grown *g, const struct shape *s, unsigned seed)
{
    size_t nodes = s->trees * s->nodes, n = 0;
    *g = (struct grown){.nodes = calloc(nodes, sizeof *g->nodes),
                        .roots = calloc(s->trees, sizeof *g->roots),
                        .first = calloc(2 * nodes + 1, sizeof *g->first),
                        .votes = calloc(2 * nodes * s->votes, sizeof *g->votes),
                        .state = seed};
    for (size_t i = 0; i < s->trees; i++) {
        g->roots[i] = n;
        size_t most = s->falling ? s->nodes * (s->trees - i) / s->trees : s->nodes;
        n = grow(g, s, n, n + 1, n + (most ? most : 1), s->depth);
        for (size_t k = 2 * g->roots[i]; k < 2 * n; k++)
            for (size_t v = 0; v < s->votes; v++)
                g->votes[k * s->votes + v] = (struct mlo_vote){(uint32_t)((i + v) % s->targets),
                                                               0.1 * (double)(k % 1000 + v)};
    }
    for (size_t i = 0; i < 2 * n; i++)
        g->first[i + 1] = (i + 1) * s->votes;
    g->source = (struct mlo_forest_source){.nodes = g->nodes,
                                           .n_nodes = n,
                                           .roots = g->roots,
                                           .n_trees = s->trees,
                                           .first_vote = g->first,
                                           .n_leaves = 2 * n,
                                           .votes = g->votes,
                                           .n_targets = s->targets};
}

static void grown_release(struct grown *g)
{
    free(g->nodes);
    free(g->roots);
    free(g->first);
    free(g->votes);
}

#define ROWS     150
#define FEATURES 70
#define TREES    400
static float x[ROWS][FEATURES];
static double wide_x[ROWS][FEATURES];

/* Numbers around and at the limits, as floats and doubles. */
static void random_rows(struct grown *g, const struct shape *s)
{
    for (size_t i = 0; i < ROWS; i++)
        for (size_t k = 0; k < s->features; k++) {
            unsigned r = next_random(&g->state) % 12;
            double v = random_limit(g, s);
            x[i][k] = r == 0   ? NAN
                      : r == 1 ? nextafterf((float)v, INFINITY)
                      : r == 2 ? nextafterf((float)v, -INFINITY)
                      : r == 3 ? INFINITY
                      : r == 4 ? -INFINITY
                               : (float)v;
            wide_x[i][k] = r < 4 ? (double)x[i][k] : r == 4 ? nextafter(v, INFINITY) : v;
        }
}

static size_t walk_wide(const struct grown *g, size_t at, const double *row)
{
    for (;;) {
        const struct mlo_forest_node *n = &g->nodes[at];
        bool yes = expected(n->mode, row[n->feature], n->value, n->nan_is_true, NULL, 0);
        at = yes ? n->when_true : n->when_false;
        if (yes ? n->leaf_true : n->leaf_false)
            return at;
    }
}

static void check_leaves(const struct mlo_tree_level *l, const struct grown *g, const struct mlo_forest *f,
                         size_t n)
{
    static uint32_t leaves[ROWS * TREES];
    size_t trees = f->trees.n, wrong = 0;
    mlo_trees_find_at_f32(l, &f->trees, x[0], n, FEATURES, room, leaves);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < trees; k++)
            wrong += leaves[i * trees + k] != walk(g->nodes, g->roots[k], x[i]);
    check(wrong == 0, "%s: %zu of %zu rows, %zu trees: other leaves", l->name, wrong, n, trees);
    mlo_trees_find_at_f64(l, &f->trees, wide_x[0], n, FEATURES, room, leaves);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < trees; k++)
            wrong += leaves[i * trees + k] != walk_wide(g, g->roots[k], wide_x[i]);
    check(wrong == 0, "%s: %zu of %zu rows of doubles, %zu trees: other leaves", l->name, wrong, n, trees);
}

/* To the bit as tree by tree. */
static void check_sums(const struct mlo_tree_level *l, const struct grown *g, const struct mlo_forest *f,
                       const struct shape *s, size_t n)
{
    float sums[ROWS * 4] = {0}, want[4];
    size_t wrong = 0;
    mlo_trees_sum_at(l, &f->trees, x[0], n, FEATURES, room, sums);
    for (size_t i = 0; i < n; i++) {
        memset(want, 0, sizeof want);
        for (size_t k = 0; k < s->trees; k++) {
            size_t leaf = walk(g->nodes, g->roots[k], x[i]);
            for (size_t v = leaf * s->votes; v < (leaf + 1) * s->votes; v++)
                want[g->votes[v].target] += (float)g->votes[v].weight;
        }
        wrong += memcmp(want, sums + i * s->targets, s->targets * sizeof *want) != 0;
    }
    check(wrong == 0, "%s: %zu of %zu rows: other sums", l->name, wrong, n);
}

/* Every level that this machine has, for each number of rows that takes another way. */
static void check_shape(const struct shape *s, size_t groups)
{
    static const size_t counts[] = {1, 7, 11, 30, 64, 65, ROWS};
    struct mlo_err err = {.code = MLO_ENOTFOUND}; /* of somebody else, before */
    struct mlo_forest f;
    struct grown g;
    grown_init(&g, s, (unsigned)(s->nodes + s->depth));
    random_rows(&g, s);
    check_ok(mlo_forest_build(&g.source, &f, &err), &err);
    check(f.plain && (groups == 0 ? f.trees.n_groups == 0 : f.trees.n_groups >= groups),
          "%zu trees: %zu groups", s->trees, f.trees.n_groups);
    check(mlo_trees_room(&f.trees, ROWS) <= ROOM, "room");
    for (const struct mlo_tree_level *const *l = mlo_tree_levels;; l++) {
        for (size_t i = 0; i < MLO_COUNT(counts) && (*l)->have(); i++) {
            check_leaves(*l, &g, &f, counts[i]);
            check_sums(*l, &g, &f, s, counts[i]);
        }
        if (*l == &mlo_tree_plain)
            break;
    }
    mlo_forest_release(&f);
    grown_release(&g);
}

static void filled_trees_on_every_level(void)
{
    for (unsigned depth = 1; depth <= MLO_RANK_DEPTH; depth++)
        check_shape(&(struct shape){130 + depth, 63, 3, 1, 1, depth, 7, 4}, 1);
}

static void trees_of_any_shape_on_every_level(void)
{
    for (unsigned depth = 7; depth <= 20; depth++)
        check_shape(&(struct shape){9, 5 + 18 * (size_t)(depth - 7), 3, 1, 1, depth, 30, 4}, 1);
}

static void equality_on_every_level(void)
{
    check_shape(&(struct shape){40, 3, 2, 1, 1, 2, 9, 6}, 1);
    check_shape(&(struct shape){40, 6, 2, 1, 1, 4, 9, 6}, 1);
    check_shape(&(struct shape){40, 100, 2, 1, 1, 9, 9, 6}, 0);
}

static void large_trees_are_walked(void)
{
    check_shape(&(struct shape){17, 600, 5, 1, 1, 14, 40, 4}, 0);
}

static void votes_for_several_targets(void)
{
    check_shape(&(struct shape){31, 31, 4, 3, 1, 5, 9, 4}, 1);
    check_shape(&(struct shape){31, 31, 4, 3, 3, 5, 9, 4}, 1);
    check_shape(&(struct shape){31, 100, 4, 4, 2, 9, 9, 4}, 1);
    check_shape(&(struct shape){31, 400, 4, 4, 2, 12, 9, 4}, 0);
}

static void more_limits_than_a_byte(void)
{
    check_shape(&(struct shape){TREES, 63, 2, 1, 1, 6, 2000, 4}, 2);
    check_shape(&(struct shape){50, 200, 1, 1, 1, 15, 3000, 4}, 2);
    check_shape(&(struct shape){50, 200, 1, 1, 1, 15, 3000, 4, .falling = true}, 2);
}

static void more_columns_than_one_row_takes(void)
{
    check_shape(&(struct shape){TREES, 63, FEATURES, 1, 1, 6, 20, 4}, 1);
}

/* Each node has two parents: as a tree it would be endless. */
static void sets_that_double(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_forest f;
    struct model m;
    float row = 5;
    uint32_t leaf;
    model_init(&m, 60, 61);
    for (size_t i = 0; i < 60; i++)
        m.nodes[i] = (struct mlo_forest_node){.mode = MLO_BRANCH_EQ,
                                              .value = (double)i,
                                              .leaf_true = true,
                                              .leaf_false = i == 59,
                                              .when_true = i,
                                              .when_false = i == 59 ? 60 : i + 1};
    check_ok(mlo_forest_build(&m.source, &f, &err), &err);
    check_int(f.trees.n_groups, 0);
    mlo_trees_find_f32(&f.trees, &row, 1, 1, room, &leaf);
    check_int(leaf, 5);
    mlo_forest_release(&f);
}

static int build_in_ranks(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_forest f;
    struct model m;
    model_init(&m, 19, 38);
    for (size_t i = 0; i < 19; i++) {
        m.roots[i] = i;
        m.nodes[i] = (struct mlo_forest_node){.value = (double)i,
                                              .leaf_true = true,
                                              .leaf_false = true,
                                              .when_true = 2 * i,
                                              .when_false = 2 * i + 1};
    }
    m.source.n_trees = 19;
    int rc = mlo_forest_build(&m.source, &f, &err);
    if (rc == 0)
        check_int(f.trees.n_groups, 1);
    mlo_forest_release(&f);
    return rc;
}

/* ---- threads ---- */

#define MANY    ((size_t)30011)
#define COLUMNS 32 /* enough for the models */

static const float *many_rows(size_t width)
{
    static float table[MANY * COLUMNS];
    unsigned state = 11;
    for (size_t i = 0; i < MANY * width; i++)
        table[i] = next_random(&state) % 50 == 0 ? NAN : (float)(next_random(&state) % 1000) / 100 - 5;
    return table;
}

/* Labels and scores of the same rows with one thread and with three. */
static void check_threads(const char *path)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_plan *plan = NULL;
    struct mlo_session *s[2] = {NULL, NULL};
    const struct mlo_value *out[2] = {NULL, NULL};
    size_t n_in, n_out;
    check_ok(mlo_plan_open(path, NULL, &plan, &err), &err);
    if (!plan)
        return;
    size_t width = (size_t)mlo_plan_inputs(plan, &n_in)->dims[1].size;
    check(n_in == 1 && width <= COLUMNS, "%s: %zu inputs, %zu columns", path, n_in, width);
    struct mlo_value in = {.kind = MLO_KIND_ARRAY,
                           .array = {.dtype = MLO_DT_F32,
                                     .rank = 2,
                                     .dims = {(int64_t)MANY, (int64_t)width},
                                     .n = MANY * width,
                                     .data = (void *)(uintptr_t)many_rows(width)}};
    for (size_t i = 0; i < 2; i++) {
        check_ok(mlo_session_new(plan, &s[i], &err), &err);
        check_ok(mlo_session_threads(s[i], i ? 3 : 1, &err), &err);
        check_ok(mlo_session_run(s[i], &in, 1, &out[i], &err), &err);
    }
    mlo_plan_outputs(plan, &n_out);
    for (size_t i = 0; i < n_out; i++) {
        const struct mlo_array *a = &out[0][i].array, *b = &out[1][i].array;
        size_t bytes = a->n * mlo_element_size(a->dtype);
        check(a->n == b->n && a->n >= MANY && memcmp(a->data, b->data, bytes) == 0, "%s: output %zu", path,
              i);
    }
    for (size_t i = 0; i < 2; i++)
        mlo_session_free(s[i]);
    mlo_plan_free(plan);
}

static void threads_give_the_same_bits(void)
{
    check_threads("tests/golden/onnx/pipelines/xgboost-regressor/model.onnx");
    check_threads("tests/golden/onnx/pipelines/lightgbm-regressor/model.onnx");
    check_threads("tests/golden/onnx/pipelines/forest-regressor/model.onnx");
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
    check(each_alloc_failure(build_in_ranks) > 3);
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
    run(filled_trees_on_every_level);
    run(trees_of_any_shape_on_every_level);
    run(equality_on_every_level);
    run(large_trees_are_walked);
    run(votes_for_several_targets);
    run(more_limits_than_a_byte);
    run(more_columns_than_one_row_takes);
    run(sets_that_double);
    run(threads_give_the_same_bits);
    run(survives_allocation_failures);
    return done_testing();
}
