/*
 * FlexAttention of ai.onnx.preview: attention whose scores, and whose weights, pass through graphs of the
 * model. It is made of ONNX's operators around those, all in the precision that the node asks for.
 */
#include <math.h>
#include <string.h>

#include "chain.h"

struct flex {
    struct mlo_chain *ch;
    struct mlo_attr precision; /* "to" of a Cast */
    struct mlo_value q, k, v;  /* in that precision; q's heads that share keys are rows of one head */
    int64_t dims[4];           /* of scores: [batch][heads of q][rows][keys] */
    float scale;
};

static int check_inputs(const struct mlo_op_call *c, const struct mlo_array *in[3], struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < 3; i++) {
        rc = mlo_in_array(c, i, &in[i], err);
        if (rc == 0 && in[i]->rank != 4)
            return mlo_op_refuse(c, err, "input %zu has no heads", i);
    }
    if (rc != 0)
        return rc;
    const int64_t *q = in[0]->dims, *k = in[1]->dims, *v = in[2]->dims;
    if (q[0] != k[0] || q[3] != k[3] || k[0] != v[0] || k[1] != v[1] || k[2] != v[2] ||
        (k[1] == 0 ? q[1] != 0 : q[1] % k[1] != 0))
        return mlo_op_refuse(c, err, "queries, keys and values do not fit");
    return 0;
}

static int read_precision(const struct mlo_op_call *c, struct mlo_attr *ret, struct mlo_err *err)
{
    bool wide = mlo_in(c, 0)->dtype == MLO_DT_F64;
    int64_t usual = wide ? 11 : 1; /* float64, float32 */
    *ret = (struct mlo_attr){
        .name = "to", .kind = MLO_ATTR_INT, .i = mlo_attr_int(c->node, "softmax_precision", usual)};
    enum mlo_dtype t = mlo_onnx_type_of((uint64_t)ret->i);
    if (t != MLO_DT_F32 && t != MLO_DT_F64 && t != MLO_DT_F16 && t != MLO_DT_BF16)
        return mlo_op_refuse(c, err, "softmax_precision %lld", (long long)ret->i);
    return 0;
}

/* A value made by others, for a chain to read. */
static struct mlo_value seen(const struct mlo_chain *ch, const struct mlo_value *v)
{
    return ch->rc == 0 ? *v : (struct mlo_value){0};
}

static struct mlo_value precise(const struct flex *f, const struct mlo_value *v)
{
    const struct mlo_chain_step cast = {"Cast", &f->precision, 1, {v}, 1};
    return seen(f->ch, mlo_onnx_type_of((uint64_t)f->precision.i) == v->array.dtype
                           ? v
                           : mlo_chain_then(f->ch, &cast));
}

/* Heads of queries that share those of keys follow each other, so that they are rows of one. */
static void set_rows(const struct flex *f, struct mlo_value *v, bool joined)
{
    v->array.dims[1] = joined ? f->k.array.dims[1] : f->dims[1];
    v->array.dims[2] = joined && v->array.dims[1] ? f->dims[1] / v->array.dims[1] * f->dims[2] : f->dims[2];
}

static struct mlo_value scores_of(const struct flex *f)
{
    static const int64_t order[] = {0, 1, 3, 2};
    const struct mlo_attr perm = {.name = "perm", .kind = MLO_ATTR_INTS, .ints = order, .n = 4};
    const struct mlo_value *scale = NULL;
    struct mlo_array *number = mlo_chain_array(f->ch, MLO_DT_F32, NULL, 0, &scale);
    if (number)
        *(float *)number->data = f->scale;
    struct mlo_value q = seen(
        f->ch, mlo_chain_of(f->ch, "Mul", &f->q, mlo_chain_of(f->ch, "CastLike", scale, &f->q)));
    set_rows(f, &q, true);
    const struct mlo_value *keys = mlo_chain_then(
        f->ch, &(const struct mlo_chain_step){"Transpose", &perm, 1, {&f->k}, 1});
    struct mlo_value scores = seen(f->ch, mlo_chain_of(f->ch, "MatMul", &q, keys));
    set_rows(f, &scores, false);
    return scores;
}

/* What the graph of this name makes of v, in another value that is to be dropped; without one, v itself. */
static void modify(const struct flex *f, const char *name, struct mlo_value *v, struct mlo_value *made)
{
    struct mlo_chain *ch = f->ch;
    size_t n = mlo_subgraph_outputs(ch->c, name);
    if (ch->rc != 0 || !mlo_node_attr(ch->c->node, name))
        return;
    if (n == 1)
        ch->rc = mlo_subgraph_run(ch->c, name, v, 1, made, ch->err);
    if (ch->rc == 0 && (n != 1 || made->kind != MLO_KIND_ARRAY || made->array.dtype != v->array.dtype ||
                        !mlo_array_same_shape(&made->array, &v->array)))
        ch->rc = mlo_op_refuse(ch->c, ch->err, "%s does not give what it takes", name);
    if (ch->rc == 0)
        *v = *made;
}

static struct mlo_value soften(const struct flex *f, const struct mlo_value *scores)
{
    static const struct mlo_attr last = {.name = "axis", .kind = MLO_ATTR_INT, .i = -1};
    return seen(f->ch,
                mlo_chain_then(f->ch, &(const struct mlo_chain_step){"Softmax", &last, 1, {scores}, 1}));
}

static void weigh(const struct flex *f, struct mlo_value *weights)
{
    struct mlo_chain *ch = f->ch;
    set_rows(f, weights, true);
    struct mlo_value y = seen(ch, mlo_chain_of(ch, "MatMul", weights, &f->v));
    set_rows(f, &y, false);
    y = seen(ch, mlo_chain_of(ch, "CastLike", &y, mlo_chain_in(ch, 0)));
    if (ch->rc == 0)
        mlo_out_same(ch->c, 0, &y);
}

static int run_whole(struct flex *f)
{
    struct mlo_chain *ch = f->ch;
    struct mlo_value modified[2] = {0};
    f->q = precise(f, mlo_chain_in(ch, 0));
    f->k = precise(f, mlo_chain_in(ch, 1));
    f->v = precise(f, mlo_chain_in(ch, 2));
    struct mlo_value v = scores_of(f);
    modify(f, "score_mod", &v, &modified[0]);
    v = soften(f, &v);
    modify(f, "prob_mod", &v, &modified[1]);
    weigh(f, &v);
    mlo_value_drop(ch->c->session, &modified[0]);
    mlo_value_drop(ch->c->session, &modified[1]);
    return mlo_chain_end(ch);
}

static int run_flex(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_chain ch = {.c = c, .err = err};
    struct flex f = {.ch = &ch};
    const struct mlo_array *in[3];
    int rc = check_inputs(c, in, err);
    if (rc == 0)
        rc = read_precision(c, &f.precision, err);
    if (rc != 0)
        return rc;
    memcpy(f.dims, in[0]->dims, sizeof f.dims);
    f.dims[3] = in[1]->dims[2];
    f.scale = mlo_attr_float(c->node, "scale", 1 / sqrtf((float)in[0]->dims[3]));
    return run_whole(&f);
}

static const struct mlo_op ops[] = {{.name = "FlexAttention", .since = 1, .run = run_flex}};
const struct mlo_op_family mlo_ops_flex = {"ai.onnx.preview", ops, MLO_COUNT(ops)};
