/*
 * What each node of a model costs. No shape is derived by rule: the model is run as it is in the file, and
 * the shapes that its values have are looked at.
 */
#include "internal.h"

#include <string.h>

#include <mlopsctl/base/text.h>

struct operands { /* NULL: not given, or no array */
    const struct mlo_node *node;
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
    return 2 * o->out->n * dim(o->a, !mlo_attr_int(o->node, "transA", 0));
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

static uint64_t of_none(const struct operands *o)
{
    (void)o;
    return 0;
}

/* Of those that are not here: one for each element that comes out. */
static const struct {
    const char *op;
    uint64_t (*flops)(const struct operands *o);
} rules[] = {
    {"MatMul", of_matmul},
    {"MatMulInteger", of_matmul},
    {"Gemm", of_gemm},
    {"Conv", of_conv},
    {"ConvInteger", of_conv},
    {"ConvTranspose", of_conv_transpose},
    {"LSTM", of_recurrent},
    {"GRU", of_recurrent},
    {"RNN", of_recurrent},
    {"Cast", of_none},
    {"CastLike", of_none},
    {"Concat", of_none},
    {"Constant", of_none},
    {"ConstantOfShape", of_none},
    {"Dropout", of_none},
    {"Expand", of_none},
    {"Flatten", of_none},
    {"Gather", of_none},
    {"GatherElements", of_none},
    {"GatherND", of_none},
    {"Identity", of_none},
    {"If", of_none},
    {"Loop", of_none},
    {"Pad", of_none},
    {"Reshape", of_none},
    {"Scan", of_none},
    {"ScatterElements", of_none},
    {"ScatterND", of_none},
    {"Shape", of_none},
    {"Size", of_none},
    {"Slice", of_none},
    {"Split", of_none},
    {"Squeeze", of_none},
    {"Tile", of_none},
    {"Transpose", of_none},
    {"Unsqueeze", of_none},
};

/* ---- a node ---- */

static const struct mlo_array *array_at(const struct mlo_frame *f, const size_t *ids, size_t n, size_t i)
{
    const struct mlo_value *v = i < n && ids[i] != MLO_NO_VALUE ? &f->values[ids[i]] : NULL;
    return v && v->kind == MLO_KIND_ARRAY ? &v->array : NULL;
}

static uint64_t flops_of(const struct mlo_frame *f, const struct mlo_step *s)
{
    struct operands o = {s->node, array_at(f, s->in, s->n_in, 0), array_at(f, s->in, s->n_in, 1),
                         array_at(f, s->in, s->n_in, 2), array_at(f, s->out, s->n_out, 0)};
    for (size_t i = 0; i < MLO_COUNT(rules); i++)
        if (strcmp(rules[i].op, s->node->op) == 0 && !*s->node->domain)
            return rules[i].flops == of_none || (o.a && o.b && o.out) ? rules[i].flops(&o) : 0;
    return o.out ? o.out->n : 0;
}

static void add_bytes(const struct mlo_array *a, uint64_t *total)
{
    size_t bytes;
    if (a && mlo_array_bytes(a->dtype, a->n, &bytes))
        *total += bytes;
}

static void cost_of(const struct mlo_frame *f, const struct mlo_step *s, struct mlo_node_cost *ret)
{
    const struct mlo_array *out = array_at(f, s->out, s->n_out, 0);
    *ret = (struct mlo_node_cost){.domain = s->node->domain, .op = s->node->op, .node = s->node->name};
    for (size_t i = 0; i < s->n_in; i++) {
        const struct mlo_array *a = array_at(f, s->in, s->n_in, i);
        add_bytes(a, &ret->bytes);
        if (a && f->graph->constants[s->in[i]].kind == MLO_KIND_ARRAY)
            ret->parameters += a->n;
    }
    for (size_t i = 0; i < s->n_out; i++)
        add_bytes(array_at(f, s->out, s->n_out, i), &ret->bytes);
    ret->flops = flops_of(f, s);
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
