/*
 * Trees on a device: it sums the votes of each row, in the order of the trees, and the CPU makes of the sums
 * what it makes of its own, so that labels and probabilities are those of the CPU to the bit.
 */
#include "infer/trees/booster.h"
#include "infer/trees/ensemble.h"
#include "lower.h"

enum { X, NODES, FIRST, BASE, TARGET, VOTE, SUMS, BUFFERS };
enum { W_NODES, W_FIRST, W_TARGET, W_VOTE, W_BASE };

/* ---- the forest and what sums begin with ---- */

static struct mlo_lower_votes votes_of(const struct mlo_step *s)
{
    if (s->op == &mlo_op_booster) {
        const struct mlo_booster_params *p = s->params;
        return (struct mlo_lower_votes){&p->forest, p->booster->base, p->booster->n_outputs,
                                        p->booster->trainer == MLO_TRAINER_LIGHTGBM};
    }
    const struct mlo_ensemble *e = s->state;
    return (struct mlo_lower_votes){&e->forest, NULL, e->forest.n_targets, false};
}

static bool is_plain(const struct mlo_forest *f, const char **ret_why)
{
    *ret_why = "its trees are not alike: leaves vote for different targets";
    return f->plain && f->trees.n > 0 && f->n_nodes <= INT32_MAX && f->n_features < MLO_DEVICE_NEGATED;
}

static bool fits_ensemble(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    const struct mlo_ensemble *e = s->state;
    (void)g;
    if (!is_plain(&e->forest, ret_why))
        return false;
    *ret_why = "its votes are not summed";
    return e->aggregate == MLO_AGGREGATE_SUM || e->aggregate == MLO_AGGREGATE_AVERAGE;
}

static bool fits_booster(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    const struct mlo_booster_params *p = s->params;
    (void)g;
    *ret_why = "it is linear, or its leaves are";
    return !p->booster->weights && !p->booster->lines && is_plain(&p->forest, ret_why);
}

/* ---- weights ---- */

static void copy_node(const struct mlo_forest *f, size_t root, size_t at, struct mlo_device_node *to)
{
    const struct mlo_tree_node_f32 *from = &f->nodes_f32[at];
    if (from->child + 1 == at) { /* a leaf */
        uint32_t leaf = f->leaf[at];
        *to = (struct mlo_device_node){f->values[leaf * f->trees.n_votes], MLO_DEVICE_LEAF, leaf};
        return;
    }
    uint32_t column = from->column;
    if (column >= f->n_features)
        column = (uint32_t)(column - f->n_features) | MLO_DEVICE_NEGATED;
    *to = (struct mlo_device_node){from->at_most, column, (uint32_t)(from->child - root)};
}

static int weigh_nodes(const struct mlo_forest *f, struct mlo_weights *w, struct mlo_err *err)
{
    struct mlo_device_node *nodes;
    int32_t *first;
    int rc = mlo_weight_add(w, MLO_DEVICE_NODE, f->n_nodes, &nodes, err);
    if (rc == 0)
        rc = mlo_weight_add(w, MLO_DEVICE_I32, f->trees.n + 1, &first, err);
    for (size_t t = 0; rc == 0 && t < f->trees.n; t++) {
        size_t end = t + 1 < f->trees.n ? f->roots[t + 1] : f->n_nodes;
        first[t] = (int32_t)f->roots[t];
        first[t + 1] = (int32_t)end;
        for (size_t i = f->roots[t]; i < end; i++)
            if (i != f->roots[t] + 1) /* the root has no neighbour */
                copy_node(f, f->roots[t], i, &nodes[i]);
    }
    return rc;
}

/* Walked by their numbers: of floats, of any size. */
static int weigh_walked(const struct mlo_lower_votes *from, struct mlo_weights *w, struct mlo_err *err)
{
    struct mlo_lower_votes v = *from;
    size_t n_votes = v.forest->trees.n_votes;
    int32_t *target;
    float *vote, *base;
    int rc = weigh_nodes(v.forest, w, err);
    if (rc == 0)
        rc = mlo_weight_add(w, MLO_DEVICE_I32, v.forest->trees.n * n_votes, &target, err);
    for (size_t i = 0; rc == 0 && i < v.forest->trees.n * n_votes; i++)
        target[i] = (int32_t)v.forest->targets[i];
    if (rc == 0)
        rc = mlo_weight_add(w, MLO_DEVICE_F32, v.forest->n_leaves * n_votes, &vote, err);
    for (size_t i = 0; rc == 0 && i < v.forest->n_leaves * n_votes; i++)
        vote[i] = v.forest->values[i];
    if (rc == 0)
        rc = mlo_weight_add(w, MLO_DEVICE_F32, v.n_targets, &base, err);
    for (size_t i = 0; rc == 0 && v.base && i < v.n_targets; i++)
        base[i] = (float)v.base[i];
    return rc;
}

static int weigh_trees(const struct mlo_plan_graph *g, const struct mlo_step *s, struct mlo_weights *w,
                       struct mlo_err *err)
{
    struct mlo_lower_votes v = votes_of(s);
    bool done = false;
    (void)g;
    int rc = mlo_lower_weigh_ranked(&v, w, &done, err);
    if (rc != 0 || done)
        return rc;
    if (v.wide)
        return mlo_fail(err, MLO_EUNAVAIL, "its trees of doubles are too large for a device");
    return weigh_walked(&v, w, err);
}

/* ---- the step ---- */

static bool emit_walked(struct mlo_lower *l, const struct mlo_step *s, const struct mlo_lower_votes *votes,
                        const struct mlo_array *x)
{
    struct mlo_lower_votes v = *votes;
    size_t n_votes = v.forest->trees.n_votes;
    struct mlo_device_step to = {.op = MLO_DEVICE_TREES,
                                 .size = {(uint32_t)x->dims[0], (uint32_t)x->dims[1],
                                          (uint32_t)v.forest->trees.n, (uint32_t)v.n_targets,
                                          (uint32_t)n_votes}};
    to.buffer[X] = mlo_lower_input(l, s, 0, MLO_DEVICE_F32);
    to.buffer[NODES] = mlo_lower_weight(l, W_NODES);
    to.buffer[FIRST] = mlo_lower_weight(l, W_FIRST);
    to.buffer[BASE] = mlo_lower_weight(l, W_BASE);
    to.buffer[TARGET] = mlo_lower_weight(l, W_TARGET);
    to.buffer[VOTE] = n_votes > 1 ? mlo_lower_weight(l, W_VOTE) : MLO_DEVICE_NO_BUFFER;
    to.buffer[SUMS] = l->sums_of[l->at];
    return mlo_lower_step(l, &to);
}

static bool emit_trees(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_array *x = mlo_lower_shape(l, s, 0);
    struct mlo_lower_votes v = votes_of(s);
    uint32_t type = v.wide ? MLO_DEVICE_F64 : MLO_DEVICE_F32;
    bool fits = x->dtype == (v.wide ? MLO_DT_F64 : MLO_DT_F32) && x->rank == 2 && x->n > 0;
    if (!fits || (size_t)x->dims[1] < v.forest->n_features) {
        l->why = "its input is not rows of the type of its sums";
        return false;
    }
    l->sums_of[l->at] = mlo_lower_buffer(
        l, (struct mlo_device_buffer){MLO_DEVICE_OUTPUT, type, (size_t)x->dims[0] * v.n_targets, 0});
    if (l->o->facts[l->weight].type == MLO_DEVICE_NODE)
        return emit_walked(l, s, &v, x);
    return mlo_lower_emit_ranked(l, &v, x, mlo_lower_input(l, s, 0, MLO_DEVICE_F32), l->sums_of[l->at]);
}

#define TREES(name)                                                                                          \
    {                                                                                                        \
        .domain = "ai.onnx.ml", .op = name, .begins = true, .ends = true, .fits = fits_ensemble,             \
        .weights = weigh_trees, .emit = emit_trees                                                           \
    }
const struct mlo_lowering mlo_lower_trees[MLO_LOWER_TREES] = {
    TREES("TreeEnsembleRegressor"),
    TREES("TreeEnsembleClassifier"),
    TREES("TreeEnsemble"),
    {.own = &mlo_op_booster,
     .begins = true,
     .ends = true,
     .fits = fits_booster,
     .weights = weigh_trees,
     .emit = emit_trees},
};
