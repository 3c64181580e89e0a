/*
 * What each step of a plan costs for inputs that are there; made `plain`, a plan's steps are the nodes of the
 * file. The plan is run step by step, and the shapes that its values have are put into the rules of
 * shapes/cost.c.
 */
#include "infer/trees/booster.h"
#include "infer/ops/dense.h"
#include "infer/trees/ensemble.h"
#include "internal.h"
#include "infer/shapes/shapes.h"

#include <string.h>

#include "infer/ops/block.h"

static uint64_t of_activation(const struct mlo_activation *a)
{
    static const uint8_t each[] = {
        [MLO_ACTIVATION_NONE] = 0,
        [MLO_ACTIVATION_RELU] = 1,
        [MLO_ACTIVATION_LEAKY_RELU] = 2,
        [MLO_ACTIVATION_CLIP] = 2,
        [MLO_ACTIVATION_SIGMOID] = MLO_COST_SIGMOID,
        [MLO_ACTIVATION_TANH] = MLO_COST_TANH,
        [MLO_ACTIVATION_GELU] = MLO_COST_GELU,
        [MLO_ACTIVATION_GELU_TANH] = MLO_COST_GELU,
    };
    return each[a->kind];
}

/* ---- trees ---- */

static const struct mlo_trees *trees_of(const struct mlo_step *s)
{
    const struct mlo_booster_params *booster = s->params;
    const struct mlo_ensemble *ensemble = s->state;
    if (s->op == &mlo_op_booster)
        return &booster->forest.trees;
    return strncmp(s->node->op, "TreeEnsemble", 12) == 0 && ensemble ? &ensemble->forest.trees : NULL;
}

/* Of a group: questions, a comparison and a choice each, of a byte or of one for each of 64 rows together. */
static uint64_t questions_of(const struct mlo_tree_group *g)
{
    return g->depth ? (uint64_t)g->n << g->depth : g->first_step[g->n];
}

/* Ranking looks at the pivots of a column and then at one step of its limits. */
#define RANK_BYTES (2 * MLO_RANK_STEP * sizeof(float))

/* For so many rows: `reads` by the kernels of backend.h, which go through whole trees or walk them. */
static void cost_of_trees(const struct mlo_trees *t, uint64_t rows, struct mlo_node_cost *ret)
{
    uint64_t blocks = (rows + MLO_RANK_ROWS - 1) / MLO_RANK_ROWS, questions = 0, steps = 0, ranks = 0;
    for (size_t i = 0; i < t->n_groups; i++) {
        questions += questions_of(&t->groups[i]);
        ranks += t->groups[i].n_columns;
    }
    for (size_t i = 0; i < t->n; i++)
        steps += t->depths[i];
    ret->flops = ret->reads = ret->weights = 0;
    if (t->n_groups == 0) {
        ret->reads = rows * steps * (sizeof(struct mlo_tree_node_f32) + sizeof(float));
    } else if (rows == 1) {
        ret->weights = t->n * 2 * MLO_RANK_ROWS;
        ret->reads = ret->weights + ranks * RANK_BYTES;
    } else {
        ret->weights = questions * (sizeof(struct mlo_tree_question) + sizeof(float));
        ret->reads = blocks * (questions * MLO_RANK_ROWS + ret->weights) + rows * ranks * RANK_BYTES;
    }
    ret->bytes += ret->weights;
}

/* ---- a node ---- */

static const struct mlo_array *array_at(const struct mlo_frame *f, const size_t *ids, size_t n, size_t i)
{
    const struct mlo_value *v = i < n && ids[i] != MLO_NO_VALUE ? &f->values[ids[i]] : NULL;
    return v && v->kind == MLO_KIND_ARRAY ? &v->array : NULL;
}

static bool is_constant(const struct mlo_frame *f, const struct mlo_step *s, size_t i)
{
    return s->in[i] != MLO_NO_VALUE && f->graph->constants[s->in[i]].kind == MLO_KIND_ARRAY;
}

static uint64_t bytes_of(const struct mlo_array *a)
{
    size_t bytes;
    return a && mlo_array_bytes(a->dtype, a->n, &bytes) ? bytes : 0;
}

static uint64_t activation_of(const struct mlo_step *s)
{
    const struct mlo_dense_params *dense = s->params;
    const struct mlo_int8_dense_params *int8 = s->params;
    const struct mlo_int8_conv_params *conv = s->params;
    return s->op == &mlo_op_dense        ? of_activation(&dense->activation)
           : s->op == &mlo_op_int8_dense ? of_activation(&int8->activation)
           : s->op == &mlo_op_int8_conv  ? of_activation(&conv->activation)
                                         : 0;
}

struct looking { /* the shapes of values as rules have them */
    struct mlo_extents t;
    struct mlo_shape *shapes;
    struct mlo_extent (*dims)[MLO_RANK_MAX];
};

static void look_at(struct looking *l, const struct mlo_frame *f, const size_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct mlo_array *a = array_at(f, ids, n, i);
        if (!a)
            continue;
        for (unsigned d = 0; d < a->rank; d++)
            l->dims[ids[i]][d] = mlo_extent_of(a->dims[d]);
        l->shapes[ids[i]] = (struct mlo_shape){.kind = MLO_KIND_ARRAY,
                                               .dtype = a->dtype,
                                               .ranked = true,
                                               .rank = a->rank,
                                               .dims = l->dims[ids[i]]};
    }
}

static uint64_t number(struct mlo_extent e)
{
    return mlo_extent_is_number(e) && e.number > 0 ? (uint64_t)e.number : 0;
}

static void count_operations(struct looking *l, const struct mlo_frame *f, const struct mlo_step *s,
                             const struct mlo_cost_rule *rule, struct mlo_node_cost *ret)
{
    const struct mlo_array *a = array_at(f, s->in, s->n_in, 0), *out = array_at(f, s->out, s->n_out, 0);
    ret->products = number(mlo_cost_products(&l->t, rule, s->node, l->shapes));
    ret->product_type = rule->bytes ? MLO_DT_I8 : a && a->dtype == MLO_DT_F64 ? MLO_DT_F64 : MLO_DT_F32;
    ret->flops = ret->products + (out ? out->n * (rule->each + activation_of(s)) : 0);
}

static void count_weights(const struct mlo_frame *f, const struct mlo_step *s, enum mlo_moved moved,
                          struct mlo_node_cost *ret)
{
    for (size_t i = 0; i < s->n_in; i++) {
        const struct mlo_array *a = array_at(f, s->in, s->n_in, i);
        bool constant = a && is_constant(f, s, i);
        if (constant)
            ret->parameters += a->n;
        if (constant && moved == MLO_MOVED_ALL)
            ret->weights += bytes_of(a);
    }
}

static void cost_of(struct looking *l, const struct mlo_frame *f, const struct mlo_step *s,
                    struct mlo_node_cost *ret)
{
    const struct mlo_array *out = array_at(f, s->out, s->n_out, 0), *in = array_at(f, s->in, s->n_in, 0);
    const struct mlo_cost_rule *rule = mlo_cost_rule_of(s->node);
    const struct mlo_trees *trees = trees_of(s);
    *ret = (struct mlo_node_cost){.domain = s->node->domain, .op = s->node->op, .node = s->node->name};
    look_at(l, f, s->in, s->n_in);
    look_at(l, f, s->out, s->n_out);
    count_operations(l, f, s, rule, ret);
    count_weights(f, s, rule->moved, ret);
    ret->bytes = number(mlo_cost_bytes(&l->t, s->node, l->shapes));
    if (trees && in)
        cost_of_trees(trees, in->rank > 1 ? (uint64_t)in->dims[0] : 1, ret);
    if (out)
        mlo_array_text(out, ret->shape);
}

/* ---- all of them ---- */

static int run_and_look(struct mlo_session *s, struct mlo_frame *f, struct mlo_node_cost *ret,
                        struct mlo_err *err)
{
    size_t n = f->graph->graph->n_values + 1;
    MLO_AUTOFREE struct mlo_shape *shapes = mlo_calloc(n, sizeof *shapes, err);
    MLO_AUTOFREE void *dims = mlo_calloc(n, MLO_RANK_MAX * sizeof(struct mlo_extent), err);
    struct looking l = {.shapes = shapes, .dims = dims};
    int rc = shapes && dims ? mlo_extents_init(&l.t, err) : err->code;
    for (size_t i = 0; rc == 0 && i < f->graph->n_steps; i++) {
        rc = mlo_step_run(s, f, &f->graph->steps[i], err);
        if (rc == 0)
            cost_of(&l, f, &f->graph->steps[i], &ret[i]);
        mlo_step_drop_dead(s, f, &f->graph->steps[i]);
    }
    mlo_extents_release(&l.t);
    return rc;
}

int mlo_plan_costs(const struct mlo_plan *p, const struct mlo_value *in, size_t n, struct mlo_node_cost **ret,
                   size_t *ret_n, struct mlo_err *err)
{
    MLO_AUTOFREE struct mlo_node_cost *list = mlo_calloc(p->graph->n_steps + 1, sizeof *list, err);
    struct mlo_session *s = NULL;
    struct mlo_frame *f = NULL;
    int rc = list ? mlo_session_new(p, &s, err) : err->code;
    if (rc == 0)
        rc = mlo_session_frame(s, in, n, &f, err);
    if (rc == 0)
        rc = run_and_look(s, f, list, err);
    if (f)
        mlo_frame_give(s, f);
    mlo_session_free(s);
    if (rc == 0) {
        *ret = mlo_steal(&list);
        *ret_n = p->graph->n_steps;
    }
    return rc;
}
