/*
 * What each step of a plan costs; made `plain`, a plan's steps are the nodes of the file. No shape is derived
 * by rule: the plan is run step by step, and the shapes that its values have are looked at.
 */
#include "booster.h"
#include "dense.h"
#include "ensemble.h"
#include "internal.h"

#include <string.h>

#include "block.h"

struct operands { /* NULL: not given, or no array */
    const struct mlo_step *step;
    const struct mlo_array *a, *b, *c, *out;
};

static uint64_t dim(const struct mlo_array *a, unsigned i)
{
    return a && i < a->rank ? (uint64_t)a->dims[i] : 1;
}

/* ---- products: two operations for each multiplication ---- */

static uint64_t of_matmul(const struct operands *o)
{
    return 2 * o->out->n * (o->a->rank ? dim(o->a, o->a->rank - 1) : 1);
}

static uint64_t of_gemm(const struct operands *o)
{
    return 2 * o->out->n * dim(o->a, !mlo_attr_int(o->step->node, "transA", 0));
}

static uint64_t of_conv(const struct operands *o)
{
    return dim(o->b, 0) ? 2 * o->out->n * (o->b->n / dim(o->b, 0)) : 0;
}

static uint64_t of_conv_transpose(const struct operands *o)
{
    return dim(o->b, 0) ? 2 * o->a->n * (o->b->n / dim(o->b, 0)) : 0;
}

/* Weights of the input and of the last output, for each row and step. */
static uint64_t of_recurrent(const struct operands *o)
{
    return 2 * dim(o->a, 0) * dim(o->a, 1) * (o->b->n + (o->c ? o->c->n : 0));
}

/* Scores, and the values that they weigh: each query with each key, which stand in dimension 1. */
static uint64_t of_heads(const struct operands *o)
{
    return 2 * (o->a->n + o->out->n) * dim(o->b, 1);
}

/* ---- functions: what the kernels take for one element, roughly ---- */

#define EXP        20
#define SIGMOID    24
#define ERF        45
#define TANH       40
#define GELU       48
#define SOFTMAX    24
#define NORMALIZED 8

static uint64_t of_activation(const struct mlo_activation *a)
{
    static const uint8_t each[] = {
        [MLO_ACTIVATION_NONE] = 0,    [MLO_ACTIVATION_RELU] = 1,          [MLO_ACTIVATION_LEAKY_RELU] = 2,
        [MLO_ACTIVATION_CLIP] = 2,    [MLO_ACTIVATION_SIGMOID] = SIGMOID, [MLO_ACTIVATION_TANH] = TANH,
        [MLO_ACTIVATION_GELU] = GELU, [MLO_ACTIVATION_GELU_TANH] = GELU,
    };
    return each[a->kind];
}

/* ---- rules ---- */

enum moved {          /* bytes that a step touches */
             ALL,     /* its inputs and outputs */
             TAKEN,   /* what comes out, read and written; of the first input no more */
             NOTHING, /* only shapes and views */
};
struct rule {
    const char *op;
    uint64_t (*products)(const struct operands *o);
    uint8_t each; /* operations for an element that comes out */
    enum moved moved;
    bool bytes; /* products are of bytes */
};
/* Of those that are not here: one for each element that comes out. */
static const struct rule rules[] = {
    {"MatMul", of_matmul, 0, ALL, false},
    {"MatMulInteger", of_matmul, 0, ALL, true},
    {"QLinearMatMul", of_matmul, 0, ALL, true},
    {"Gemm", of_gemm, 0, ALL, false},
    {"Conv", of_conv, 0, ALL, false},
    {"ConvInteger", of_conv, 0, ALL, true},
    {"ConvTranspose", of_conv_transpose, 0, ALL, false},
    {"LSTM", of_recurrent, 0, ALL, false},
    {"GRU", of_recurrent, 0, ALL, false},
    {"RNN", of_recurrent, 0, ALL, false},
    {"Dense", of_matmul, 0, ALL, false},
    {"Int8Dense", of_matmul, 0, ALL, true},
    {"Heads", of_heads, 0, ALL, false},
    {"Exp", NULL, EXP, ALL, false},
    {"Log", NULL, EXP, ALL, false},
    {"Sigmoid", NULL, SIGMOID, ALL, false},
    {"Erf", NULL, ERF, ALL, false},
    {"Tanh", NULL, TANH, ALL, false},
    {"Gelu", NULL, GELU, ALL, false},
    {"Softmax", NULL, SOFTMAX, ALL, false},
    {"LogSoftmax", NULL, SOFTMAX, ALL, false},
    {"LayerNorm", NULL, NORMALIZED, ALL, false},
    {"LayerNormalization", NULL, NORMALIZED, ALL, false},
    {"Cast", NULL, 0, ALL, false},
    {"CastLike", NULL, 0, ALL, false},
    {"Concat", NULL, 0, ALL, false},
    {"Constant", NULL, 0, NOTHING, false},
    {"ConstantOfShape", NULL, 0, ALL, false},
    {"Dropout", NULL, 0, ALL, false},
    {"Expand", NULL, 0, ALL, false},
    {"Flatten", NULL, 0, NOTHING, false},
    {"Gather", NULL, 0, TAKEN, false},
    {"GatherElements", NULL, 0, TAKEN, false},
    {"GatherND", NULL, 0, TAKEN, false},
    {"Identity", NULL, 0, NOTHING, false},
    {"If", NULL, 0, ALL, false},
    {"Loop", NULL, 0, ALL, false},
    {"Pad", NULL, 0, ALL, false},
    {"Reshape", NULL, 0, NOTHING, false},
    {"Scan", NULL, 0, ALL, false},
    {"ScatterElements", NULL, 0, ALL, false},
    {"ScatterND", NULL, 0, ALL, false},
    {"Shape", NULL, 0, NOTHING, false},
    {"ShapeList", NULL, 0, NOTHING, false},
    {"Size", NULL, 0, NOTHING, false},
    {"Slice", NULL, 0, TAKEN, false},
    {"Split", NULL, 0, ALL, false},
    {"Squeeze", NULL, 0, NOTHING, false},
    {"Tile", NULL, 0, ALL, false},
    {"Transpose", NULL, 0, ALL, false},
    {"Unsqueeze", NULL, 0, NOTHING, false},
};

static const struct rule *rule_of(const struct mlo_node *n)
{
    static const struct rule usual = {"", NULL, 1, ALL, false};
    for (size_t i = 0; i < MLO_COUNT(rules); i++)
        if (strcmp(rules[i].op, n->op) == 0 && (!*n->domain || strcmp(n->domain, MLO_OWN_DOMAIN) == 0))
            return &rules[i];
    return &usual;
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

/* For so many rows: `reads` by the kernels of backend.h, which go through whole trees or walk them. */
static void cost_of_trees(const struct mlo_trees *t, uint64_t rows, struct mlo_node_cost *ret)
{
    uint64_t blocks = (rows + MLO_RANK_ROWS - 1) / MLO_RANK_ROWS, questions = 0, steps = 0;
    for (size_t i = 0; i < t->n_groups; i++)
        questions += questions_of(&t->groups[i]);
    for (size_t i = 0; i < t->n; i++)
        steps += t->depths[i];
    ret->flops = ret->reads = ret->weights = 0;
    if (t->n_groups == 0) {
        ret->reads = rows * steps * (sizeof(struct mlo_tree_node_f32) + sizeof(float));
    } else if (rows == 1) {
        ret->reads = t->n * 2 * MLO_RANK_ROWS;
        ret->weights = ret->reads;
    } else {
        ret->weights = questions * (sizeof(struct mlo_tree_question) + sizeof(float));
        ret->reads = blocks * (questions * MLO_RANK_ROWS + ret->weights);
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
    return s->op == &mlo_op_dense        ? of_activation(&dense->activation)
           : s->op == &mlo_op_int8_dense ? of_activation(&int8->activation)
                                         : 0;
}

static void count_operations(const struct mlo_frame *f, const struct mlo_step *s, const struct rule *rule,
                             struct mlo_node_cost *ret)
{
    struct operands o = {s, array_at(f, s->in, s->n_in, 0), array_at(f, s->in, s->n_in, 1),
                         array_at(f, s->in, s->n_in, 2), array_at(f, s->out, s->n_out, 0)};
    if (s->op == &mlo_op_int8_dense || strcmp(s->node->op, "QLinearMatMul") == 0)
        o.b = array_at(f, s->in, s->n_in, 3);
    if (rule->products && o.a && o.b && o.out)
        ret->products = rule->products(&o);
    ret->product_type = rule->bytes ? MLO_DT_I8 : o.a && o.a->dtype == MLO_DT_F64 ? MLO_DT_F64 : MLO_DT_F32;
    ret->flops = ret->products + (o.out ? o.out->n * (rule->each + activation_of(s)) : 0);
}

static void count_bytes(const struct mlo_frame *f, const struct mlo_step *s, enum moved moved,
                        struct mlo_node_cost *ret)
{
    for (size_t i = 0; i < s->n_out; i++)
        ret->bytes += bytes_of(array_at(f, s->out, s->n_out, i));
    uint64_t out = ret->bytes;
    for (size_t i = 0; i < s->n_in; i++) {
        const struct mlo_array *a = array_at(f, s->in, s->n_in, i);
        bool constant = a && is_constant(f, s, i);
        ret->bytes += i == 0 && moved == TAKEN ? out : bytes_of(a);
        if (constant)
            ret->parameters += a->n;
        if (constant && moved == ALL)
            ret->weights += bytes_of(a);
    }
    if (moved == NOTHING)
        ret->bytes = 0;
}

static void cost_of(const struct mlo_frame *f, const struct mlo_step *s, struct mlo_node_cost *ret)
{
    const struct mlo_array *out = array_at(f, s->out, s->n_out, 0), *in = array_at(f, s->in, s->n_in, 0);
    const struct rule *rule = rule_of(s->node);
    const struct mlo_trees *trees = trees_of(s);
    *ret = (struct mlo_node_cost){.domain = s->node->domain, .op = s->node->op, .node = s->node->name};
    count_operations(f, s, rule, ret);
    count_bytes(f, s, rule->moved, ret);
    if (trees && in)
        cost_of_trees(trees, in->rank > 1 ? dim(in, 0) : 1, ret);
    if (out)
        mlo_array_text(out, ret->shape);
}

/* ---- all of them ---- */

static int run_and_look(struct mlo_session *s, struct mlo_frame *f, struct mlo_node_cost *ret,
                        struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < f->graph->n_steps; i++) {
        rc = mlo_step_run(s, f, &f->graph->steps[i], err);
        if (rc == 0)
            cost_of(f, &f->graph->steps[i], &ret[i]);
        mlo_step_drop_dead(s, f, &f->graph->steps[i]);
    }
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
