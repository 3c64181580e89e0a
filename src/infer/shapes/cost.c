/* What a node costs, from the shapes of what goes in and comes out: formulas where these have symbols. */
#include <stdio.h>
#include <string.h>

#include "infer/internal.h"
#include "shapes.h"

struct mlo_operands {
    struct mlo_extents *t;
    const struct mlo_node *node;
    const struct mlo_shape *a, *b, *c, *d, *out;
};

static struct mlo_extent times(const struct mlo_operands *o, struct mlo_extent a, struct mlo_extent b)
{
    return mlo_extent_multiply(o->t, a, b);
}

static struct mlo_extent count(const struct mlo_operands *o, const struct mlo_shape *v)
{
    struct mlo_extent n = v->ranked ? mlo_extent_of(1) : mlo_extent_open();
    for (unsigned i = 0; v->ranked && i < v->rank; i++)
        n = times(o, n, v->dims[i]);
    return n;
}

/* Missing ones count as 1. */
static struct mlo_extent dim(const struct mlo_shape *v, unsigned i)
{
    return v->ranked && i >= v->rank ? mlo_extent_of(1) : mlo_shape_dim(v, i);
}

/* ---- products: two operations for each multiplication ---- */

static struct mlo_extent twice(const struct mlo_operands *o, struct mlo_extent a, struct mlo_extent b)
{
    return times(o, mlo_extent_of(2), times(o, a, b));
}

static struct mlo_extent of_matmul(const struct mlo_operands *o)
{
    return twice(o, count(o, o->out), dim(o->a, o->a->rank ? o->a->rank - 1 : 0));
}

static struct mlo_extent of_gemm(const struct mlo_operands *o)
{
    return twice(o, count(o, o->out), dim(o->a, !mlo_attr_int(o->node, "transA", 0)));
}

/* Elements of one kernel. */
static struct mlo_extent kernel(const struct mlo_operands *o)
{
    return mlo_extent_divide(o->t, count(o, o->b), dim(o->b, 0));
}

static struct mlo_extent of_conv(const struct mlo_operands *o)
{
    return twice(o, count(o, o->out), kernel(o));
}

static struct mlo_extent of_conv_transpose(const struct mlo_operands *o)
{
    return twice(o, count(o, o->a), kernel(o));
}

/* Its kernels are input 3. */
static struct mlo_extent of_qlinear_conv(const struct mlo_operands *o)
{
    return twice(o, count(o, o->out), mlo_extent_divide(o->t, count(o, o->d), dim(o->d, 0)));
}

/* Queries with keys, and their weights with values. */
static struct mlo_extent of_attention(const struct mlo_operands *o)
{
    struct mlo_extent both = mlo_extent_add(o->t, count(o, o->a), count(o, o->out));
    return twice(o, both, dim(o->b, o->b->rank > 1 ? o->b->rank - 2 : 0));
}

/* Weights of the input and of the last output, for each row and step. */
static struct mlo_extent of_recurrent(const struct mlo_operands *o)
{
    return twice(o, times(o, dim(o->a, 0), dim(o->a, 1)),
                 mlo_extent_add(o->t, count(o, o->b), count(o, o->c)));
}

/* Scores, and the values that they weigh: each query with each key, which stand in dimension 1. */
static struct mlo_extent of_heads(const struct mlo_operands *o)
{
    return twice(o, mlo_extent_add(o->t, count(o, o->a), count(o, o->out)), dim(o->b, 1));
}

/* The same of queries, keys and values side by side. */
static struct mlo_extent of_joined_heads(const struct mlo_operands *o)
{
    return twice(o, times(o, mlo_extent_of(2), count(o, o->out)), dim(o->a, 1));
}

/* ---- rules ---- */

/* Of those that are not here: one for each element that comes out. */
static const struct mlo_cost_rule rules[] = {
    {"MatMul", of_matmul, 0, MLO_MOVED_ALL, false},
    {"MatMulInteger", of_matmul, 0, MLO_MOVED_ALL, true},
    {"QLinearMatMul", of_matmul, 0, MLO_MOVED_ALL, true},
    {"Gemm", of_gemm, 0, MLO_MOVED_ALL, false},
    {"Conv", of_conv, 0, MLO_MOVED_ALL, false},
    {"ConvInteger", of_conv, 0, MLO_MOVED_ALL, true},
    {"ConvTranspose", of_conv_transpose, 0, MLO_MOVED_ALL, false},
    {"LSTM", of_recurrent, 0, MLO_MOVED_ALL, false},
    {"GRU", of_recurrent, 0, MLO_MOVED_ALL, false},
    {"RNN", of_recurrent, 0, MLO_MOVED_ALL, false},
    {"Dense", of_matmul, 0, MLO_MOVED_ALL, false},
    {"Int8Dense", of_matmul, 0, MLO_MOVED_ALL, true},
    {"Int8Conv", of_qlinear_conv, 0, MLO_MOVED_ALL, true},
    {"MatMulNBits", of_matmul, 0, MLO_MOVED_ALL, false},
    {"DynamicQuantizeMatMul", of_matmul, 0, MLO_MOVED_ALL, true},
    {"MatMulIntegerToFloat", of_matmul, 0, MLO_MOVED_ALL, true},
    {"QLinearConv", of_qlinear_conv, 0, MLO_MOVED_ALL, true},
    {"Attention", of_attention, 0, MLO_MOVED_ALL, false},
    {"FlexAttention", of_attention, 0, MLO_MOVED_ALL, false},
    {"Heads", of_heads, 0, MLO_MOVED_ALL, false},
    {"JoinedHeads", of_joined_heads, 0, MLO_MOVED_ALL, false},
    {"Exp", NULL, MLO_COST_EXP, MLO_MOVED_ALL, false},
    {"Log", NULL, MLO_COST_EXP, MLO_MOVED_ALL, false},
    {"Sigmoid", NULL, MLO_COST_SIGMOID, MLO_MOVED_ALL, false},
    {"Erf", NULL, MLO_COST_ERF, MLO_MOVED_ALL, false},
    {"Tanh", NULL, MLO_COST_TANH, MLO_MOVED_ALL, false},
    {"Gelu", NULL, MLO_COST_GELU, MLO_MOVED_ALL, false},
    {"Softmax", NULL, MLO_COST_SOFTMAX, MLO_MOVED_ALL, false},
    {"LogSoftmax", NULL, MLO_COST_SOFTMAX, MLO_MOVED_ALL, false},
    {"LayerNorm", NULL, MLO_COST_NORMALIZED, MLO_MOVED_ALL, false},
    {"LayerNormalization", NULL, MLO_COST_NORMALIZED, MLO_MOVED_ALL, false},
    {"Cast", NULL, 0, MLO_MOVED_ALL, false},
    {"CastLike", NULL, 0, MLO_MOVED_ALL, false},
    {"Concat", NULL, 0, MLO_MOVED_ALL, false},
    {"Constant", NULL, 0, MLO_MOVED_NOTHING, false},
    {"ConstantOfShape", NULL, 0, MLO_MOVED_ALL, false},
    {"Dropout", NULL, 0, MLO_MOVED_ALL, false},
    {"Expand", NULL, 0, MLO_MOVED_ALL, false},
    {"Flatten", NULL, 0, MLO_MOVED_NOTHING, false},
    {"Gather", NULL, 0, MLO_MOVED_TAKEN, false},
    {"GatherElements", NULL, 0, MLO_MOVED_TAKEN, false},
    {"GatherND", NULL, 0, MLO_MOVED_TAKEN, false},
    {"Identity", NULL, 0, MLO_MOVED_NOTHING, false},
    {"If", NULL, 0, MLO_MOVED_ALL, false},
    {"Loop", NULL, 0, MLO_MOVED_ALL, false},
    {"Pad", NULL, 0, MLO_MOVED_ALL, false},
    {"Reshape", NULL, 0, MLO_MOVED_NOTHING, false},
    {"Scan", NULL, 0, MLO_MOVED_ALL, false},
    {"ScatterElements", NULL, 0, MLO_MOVED_ALL, false},
    {"ScatterND", NULL, 0, MLO_MOVED_ALL, false},
    {"Shape", NULL, 0, MLO_MOVED_NOTHING, false},
    {"ShapeList", NULL, 0, MLO_MOVED_NOTHING, false},
    {"Size", NULL, 0, MLO_MOVED_NOTHING, false},
    {"Slice", NULL, 0, MLO_MOVED_TAKEN, false},
    {"Split", NULL, 0, MLO_MOVED_ALL, false},
    {"Squeeze", NULL, 0, MLO_MOVED_NOTHING, false},
    {"Tile", NULL, 0, MLO_MOVED_ALL, false},
    {"Transpose", NULL, 0, MLO_MOVED_ALL, false},
    {"Unsqueeze", NULL, 0, MLO_MOVED_NOTHING, false},
};

/* Of com.microsoft products alone; its Attention has the weights inside. */
static bool is_meant(const struct mlo_node *n, const struct mlo_cost_rule *rule)
{
    bool contrib = strcmp(n->domain, "com.microsoft") == 0;
    return !*n->domain || strcmp(n->domain, MLO_OWN_DOMAIN) == 0 || (contrib && rule->products == of_matmul);
}

const struct mlo_cost_rule *mlo_cost_rule_of(const struct mlo_node *n)
{
    static const struct mlo_cost_rule usual = {"", NULL, 1, MLO_MOVED_ALL, false};
    for (size_t i = 0; i < MLO_COUNT(rules); i++)
        if (strcmp(rules[i].op, n->op) == 0 && is_meant(n, &rules[i]))
            return &rules[i];
    return &usual;
}

/* ---- a node ---- */

static const struct mlo_shape nothing;

static const struct mlo_shape *shape_at(const struct mlo_shape *values, const size_t *ids, size_t n, size_t i)
{
    return i < n && ids[i] != MLO_NO_VALUE ? &values[ids[i]] : &nothing;
}

static struct mlo_extent bytes_of(const struct mlo_operands *o, const struct mlo_shape *v)
{
    struct mlo_extent n = count(o, v);
    size_t size = mlo_element_size(v->dtype), bytes;
    if (mlo_extent_is_number(n) && mlo_array_bytes(v->dtype, (size_t)n.number, &bytes) && bytes <= INT64_MAX)
        return mlo_extent_of((int64_t)bytes);
    return size ? times(o, n, mlo_extent_of((int64_t)size)) : mlo_extent_open();
}

struct mlo_extent mlo_cost_products(struct mlo_extents *t, const struct mlo_cost_rule *rule,
                                    const struct mlo_node *n, const struct mlo_shape *values)
{
    const struct mlo_operands o = {t,
                                   n,
                                   shape_at(values, n->inputs, n->n_inputs, 0),
                                   shape_at(values, n->inputs, n->n_inputs, 1),
                                   shape_at(values, n->inputs, n->n_inputs, 2),
                                   shape_at(values, n->inputs, n->n_inputs, 3),
                                   shape_at(values, n->outputs, n->n_outputs, 0)};
    return rule->products ? rule->products(&o) : mlo_extent_of(0);
}

static struct mlo_extent cost_flops(struct mlo_extents *t, const struct mlo_node *n,
                                    const struct mlo_shape *values)
{
    const struct mlo_cost_rule *rule = mlo_cost_rule_of(n);
    const struct mlo_operands o = {.t = t};
    struct mlo_extent products = mlo_cost_products(t, rule, n, values);
    struct mlo_extent made = count(&o, shape_at(values, n->outputs, n->n_outputs, 0));
    return mlo_extent_add(t, products, times(&o, made, mlo_extent_of(rule->each)));
}

struct mlo_extent mlo_cost_bytes(struct mlo_extents *t, const struct mlo_node *n,
                                 const struct mlo_shape *values)
{
    struct mlo_polynomial sum = {0};
    const struct mlo_operands o = {.t = t};
    enum mlo_moved moved = mlo_cost_rule_of(n)->moved;
    for (size_t i = 0; moved != MLO_MOVED_NOTHING && i < n->n_outputs + n->n_inputs; i++) {
        bool out = i < n->n_outputs;
        size_t id = out ? n->outputs[i] : n->inputs[i - n->n_outputs];
        bool counts = id != MLO_NO_VALUE &&
                      (values[id].kind == MLO_KIND_ARRAY || values[id].kind == MLO_KIND_UNKNOWN);
        struct mlo_extent part = !counts                                         ? mlo_extent_of(0)
                                 : i == n->n_outputs && moved == MLO_MOVED_TAKEN ? mlo_extent_keep(t, &sum)
                                                                                 : bytes_of(&o, &values[id]);
        if (!mlo_extent_sum(t, &sum, part))
            return mlo_extent_open();
    }
    return mlo_extent_keep(t, &sum);
}

/* ---- formulas ---- */

static void put(const struct mlo_extents *t, struct mlo_extent e, char *to, size_t size)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, size);
    mlo_extent_text(t, e, &text);
    snprintf(to, size, "%s", text.failed ? "?" : text.ptr);
}

static int64_t parameters_of(const struct mlo_graph *g, const struct mlo_node *n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n->n_inputs; i++)
        if (n->inputs[i] != MLO_NO_VALUE && g->values[n->inputs[i]].constant)
            sum += g->values[n->inputs[i]].constant->n;
    return (int64_t)sum;
}

static struct mlo_extent all_of(struct mlo_shapes *s,
                                struct mlo_extent (*cost)(struct mlo_extents *t, const struct mlo_node *n,
                                                          const struct mlo_shape *values))
{
    struct mlo_polynomial sum = {0};
    for (size_t i = 0; i < s->graph->n_nodes; i++)
        if (!mlo_extent_sum(&s->extents, &sum, cost(&s->extents, &s->graph->nodes[i], s->values)))
            return mlo_extent_open();
    return mlo_extent_keep(&s->extents, &sum);
}

void mlo_shapes_cost(struct mlo_shapes *s, size_t i, struct mlo_formulas *ret)
{
    const struct mlo_graph *g = s->graph;
    bool one = i < g->n_nodes;
    struct mlo_extent flops = one ? cost_flops(&s->extents, &g->nodes[i], s->values) : all_of(s, cost_flops),
                      bytes = one ? mlo_cost_bytes(&s->extents, &g->nodes[i], s->values)
                                  : all_of(s, mlo_cost_bytes);
    int64_t parameters = 0;
    for (size_t k = one ? i : 0; k < (one ? i + 1 : g->n_nodes); k++)
        parameters += parameters_of(g, &g->nodes[k]);
    put(&s->extents, flops, ret->flops, sizeof ret->flops);
    put(&s->extents, bytes, ret->bytes, sizeof ret->bytes);
    snprintf(ret->parameters, sizeof ret->parameters, "%lld", (long long)parameters);
}
