/* com.microsoft: Attention, QAttention and MultiHeadAttention, made of ONNX's Attention. */
#include <string.h>

#include "chain.h"

struct inputs { /* what ONNX's Attention gets */
    const struct mlo_value *q, *k, *v, *past_k, *past_v;
    size_t mask, bias; /* numbers of inputs */
    int64_t heads;
};

static const struct mlo_value *with_whole(struct mlo_chain *ch, const char *op, const char *name,
                                          int64_t value, const struct mlo_value *a, const struct mlo_value *b,
                                          size_t n_out)
{
    const struct mlo_attr attr = {.name = name, .kind = MLO_ATTR_INT, .i = value};
    return mlo_chain_then(ch, &(const struct mlo_chain_step){op, &attr, 1, {a, b}, n_out});
}

static int read_heads(const struct mlo_op_call *c, struct inputs *in, struct mlo_err *err)
{
    in->heads = mlo_attr_int(c->node, "num_heads", 0);
    if (in->heads < 1 || in->heads > INT32_MAX)
        return mlo_op_refuse(c, err, "%lld heads", (long long)in->heads);
    if (mlo_attr_int(c->node, "do_rotary", 0) != 0 ||
        mlo_attr_int(c->node, "past_present_share_buffer", 0) != 0)
        return mlo_fail(err, MLO_EUNAVAIL, "do_rotary and past_present_share_buffer are not supported");
    return 0;
}

/* ---- the mask ---- */

/* May row `row` of batch b look at `key`? Lengths (and starts) of each batch, or 0 and 1 for keys, or for
 * rows and keys. */
static bool is_shown(const struct mlo_array *mask, const double *v, const int64_t dims[4], size_t b,
                     size_t row, size_t key)
{
    size_t batch = (size_t)dims[0], rows = (size_t)dims[2], keys = (size_t)dims[3];
    if (mask->rank == 1)
        return (double)key < v[b] && (mask->n == batch || (double)key >= v[batch + b]);
    return v[mask->rank == 2 ? b * keys + key : (b * rows + row) * keys + key] > 0;
}

static bool mask_fits(const struct mlo_array *mask, const int64_t dims[4])
{
    const int64_t *d = mask->dims;
    if (mask->rank == 1)
        return d[0] == dims[0] || d[0] == 2 * dims[0];
    if (mask->rank == 2)
        return d[0] == dims[0] && d[1] == dims[3];
    return mask->rank == 3 && d[0] == dims[0] && d[1] == dims[2] && d[2] == dims[3];
}

/* [batch][1][rows][keys]: 0, or mask_filter_value where nothing is to be seen. */
static const struct mlo_value *mask_value(struct mlo_chain *ch, const struct inputs *in,
                                          const int64_t dims[4])
{
    float hidden = mlo_attr_float(ch->c->node, "mask_filter_value", -10000);
    const struct mlo_array *mask = mlo_in(ch->c, in->mask);
    const struct mlo_value *made = NULL;
    double *v = NULL;
    if (ch->rc == 0 && !mask_fits(mask, dims))
        ch->rc = mlo_op_refuse(ch->c, ch->err, "a mask that does not fit");
    if (ch->rc == 0)
        ch->rc = mlo_as_doubles(ch->c, mask, &v, ch->err);
    struct mlo_array *a = mlo_chain_array(ch, MLO_DT_F32, dims, 4, &made);
    size_t rows = (size_t)dims[2], keys = (size_t)dims[3];
    for (size_t i = 0; a && i < a->n; i++)
        ((float *)a->data)[i] = is_shown(mask, v, dims, i / keys / rows, i / keys % rows, i % keys) ? 0
                                                                                                    : hidden;
    return made;
}

/* What is added to scores: mask and bias; NULL: nothing. */
static const struct mlo_value *score_bias(struct mlo_chain *ch, const struct inputs *in)
{
    const struct mlo_value *bias = mlo_chain_in(ch, in->bias);
    if (ch->rc != 0 || !mlo_in(ch->c, in->mask))
        return bias;
    int64_t past = in->past_k ? in->past_k->array.dims[2] : 0;
    const int64_t dims[4] = {in->q->array.dims[0], 1, in->q->array.dims[1], in->k->array.dims[1] + past};
    const struct mlo_value *mask = mask_value(ch, in, dims);
    return bias ? mlo_chain_of(ch, "Add", mask, bias) : mask;
}

/* ---- the parts of packed projections ---- */

/* Three parts of the last axis: of the sizes, or equal ones. */
static const struct mlo_value *split_three(struct mlo_chain *ch, const struct mlo_value *x,
                                           const int64_t *sizes)
{
    const struct mlo_value *list = NULL;
    const int64_t three = 3;
    if (ch->rc == 0 && x->array.rank < 1)
        ch->rc = mlo_op_refuse(ch->c, ch->err, "no projections");
    int64_t whole = ch->rc == 0 ? x->array.dims[x->array.rank - 1] : 0;
    if (ch->rc == 0 && !sizes && whole % 3 != 0)
        ch->rc = mlo_op_refuse(ch->c, ch->err, "projections of %lld columns", (long long)whole);
    struct mlo_array *a = mlo_chain_array(ch, MLO_DT_I64, &three, 1, &list);
    for (size_t i = 0; a && i < 3; i++)
        ((int64_t *)a->data)[i] = sizes ? sizes[i] : whole / 3;
    return with_whole(ch, "Split", "axis", -1, x, list, 3);
}

static void attend(struct mlo_chain *ch, const struct inputs *in, struct mlo_chain_step *l,
                   struct mlo_attr attrs[5])
{
    float scale = mlo_attr_float(ch->c->node, "scale", 0);
    bool causal = mlo_attr_int(ch->c->node, "unidirectional", 0) != 0;
    attrs[0] = (struct mlo_attr){.name = "q_num_heads", .kind = MLO_ATTR_INT, .i = in->heads};
    attrs[1] = (struct mlo_attr){.name = "kv_num_heads", .kind = MLO_ATTR_INT, .i = in->heads};
    attrs[2] = (struct mlo_attr){.name = "is_causal", .kind = MLO_ATTR_INT, .i = causal};
    attrs[3] = (struct mlo_attr){.name = "qk_matmul_output_mode", .kind = MLO_ATTR_INT, .i = 3};
    attrs[4] = (struct mlo_attr){.name = "scale", .kind = MLO_ATTR_FLOAT, .f = scale};
    *l = (struct mlo_chain_step){"Attention",
                                 attrs,
                                 scale != 0 ? 5 : 4,
                                 {in->q, in->k, in->v, score_bias(ch, in), in->past_k, in->past_v},
                                 3};
}

/* ---- Attention, QAttention: one input, projected ---- */

/* The last two outputs of ONNX's Attention, and the input before, as one array:
 * [2][batch][heads][rows][size]. */
static void split_past(struct mlo_chain *ch, size_t i, struct inputs *in)
{
    const struct mlo_value *past = mlo_chain_in(ch, i), *parts[2] = {0};
    if (!past || ch->rc != 0)
        return;
    if (past->array.rank != 5 || past->array.dims[0] != 2) {
        ch->rc = mlo_op_refuse(ch->c, ch->err, "past does not fit");
        return;
    }
    for (int64_t k = 0; k < 2; k++) {
        const struct mlo_value *at = NULL;
        struct mlo_array *index = mlo_chain_array(ch, MLO_DT_I64, NULL, 0, &at);
        if (index)
            *(int64_t *)index->data = k;
        parts[k] = with_whole(ch, "Gather", "axis", 0, past, at, 1);
    }
    in->past_k = parts[0];
    in->past_v = parts[1];
}

static void give_present(struct mlo_chain *ch, const struct mlo_value *y)
{
    const struct mlo_value *axis = NULL, *k, *v;
    const int64_t one = 1;
    struct mlo_array *a = ch->c->n_out > 1 && ch->c->out[1] ? mlo_chain_array(ch, MLO_DT_I64, &one, 1, &axis)
                                                            : NULL;
    if (!a)
        return;
    *(int64_t *)a->data = 0;
    k = mlo_chain_of(ch, "Unsqueeze", &y[1], axis);
    v = mlo_chain_of(ch, "Unsqueeze", &y[2], axis);
    const struct mlo_value *both = with_whole(ch, "Concat", "axis", 0, k, v, 1);
    if (ch->rc == 0)
        mlo_out_same(ch->c, 1, both);
}

static int attend_projected(struct mlo_chain *ch, struct inputs *in, const struct mlo_value *projected,
                            size_t past)
{
    struct mlo_attr attrs[5];
    struct mlo_chain_step l;
    size_t n;
    const int64_t *sizes = mlo_attr_ints(ch->c->node, "qkv_hidden_sizes", &n);
    if (ch->rc == 0 && sizes && n != 3)
        ch->rc = mlo_op_refuse(ch->c, ch->err, "qkv_hidden_sizes has %zu numbers", n);
    if (ch->rc == 0)
        ch->rc = read_heads(ch->c, in, ch->err);
    const struct mlo_value *parts = ch->rc == 0 ? split_three(ch, projected, sizes) : NULL;
    split_past(ch, past, in);
    if (ch->rc != 0)
        return mlo_chain_end(ch);
    in->q = &parts[0];
    in->k = &parts[1];
    in->v = &parts[2];
    attend(ch, in, &l, attrs);
    const struct mlo_value *y = mlo_chain_then(ch, &l);
    if (ch->rc == 0) {
        mlo_out_same(ch->c, 0, &y[0]);
        give_present(ch, y);
    }
    return mlo_chain_end(ch);
}

static int run_attention(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_chain ch = {.c = c, .err = err};
    struct inputs in = {.mask = 3, .bias = 5};
    const struct mlo_value *x = mlo_chain_of(&ch, "MatMul", mlo_chain_in(&ch, 0), mlo_chain_in(&ch, 1));
    if (mlo_in(c, 2))
        x = mlo_chain_of(&ch, "Add", x, mlo_chain_in(&ch, 2));
    return attend_projected(&ch, &in, x, 4);
}

static int run_qattention(struct mlo_op_call *c, struct mlo_err *err)
{
    static const struct mlo_attr to_float = {.name = "to", .kind = MLO_ATTR_INT, .i = 1};
    struct mlo_chain ch = {.c = c, .err = err};
    struct inputs in = {.mask = 5, .bias = SIZE_MAX};
    const struct mlo_value *sums = mlo_chain_then(
        &ch, &(const struct mlo_chain_step){.op = "MatMulInteger",
                                            .in = {mlo_chain_in(&ch, 0), mlo_chain_in(&ch, 1),
                                                   mlo_chain_in(&ch, 6), mlo_chain_in(&ch, 7)}});
    const struct mlo_value *x = mlo_chain_then(
                               &ch, &(const struct mlo_chain_step){"Cast", &to_float, 1, {sums}, 1}),
                           *scale = mlo_chain_of(&ch, "Mul", mlo_chain_in(&ch, 3), mlo_chain_in(&ch, 4));
    x = mlo_chain_of(&ch, "Mul", x, scale);
    x = mlo_chain_of(&ch, "Add", x, mlo_chain_in(&ch, 2));
    return attend_projected(&ch, &in, x, 8);
}

/* ---- MultiHeadAttention: three inputs ---- */

static void add_packed_bias(struct mlo_chain *ch, struct inputs *in, size_t i)
{
    const struct mlo_value *bias = mlo_chain_in(ch, i);
    if (!bias || ch->rc != 0)
        return;
    const int64_t sizes[3] = {in->q->array.dims[2], in->k->array.dims[2], in->v->array.dims[2]};
    const struct mlo_value *parts = split_three(ch, bias, sizes);
    if (!parts)
        return;
    in->q = mlo_chain_of(ch, "Add", in->q, &parts[0]);
    in->k = mlo_chain_of(ch, "Add", in->k, &parts[1]);
    in->v = mlo_chain_of(ch, "Add", in->v, &parts[2]);
}

static int run_multi_head(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_chain ch = {.c = c, .err = err};
    struct inputs in = {.mask = 4, .bias = 5};
    struct mlo_attr attrs[5];
    struct mlo_chain_step l;
    in.q = mlo_chain_in(&ch, 0);
    in.k = mlo_chain_in(&ch, 1);
    in.v = mlo_chain_in(&ch, 2);
    in.past_k = mlo_chain_in(&ch, 6);
    in.past_v = mlo_chain_in(&ch, 7);
    if (!in.q || !in.k || !in.v || in.q->array.rank != 3 || in.k->array.rank != 3 || in.v->array.rank != 3)
        return mlo_fail(err, MLO_EUNAVAIL, "packed queries, keys or values are not supported");
    if (mlo_in(c, 8) || mlo_in(c, 9))
        return mlo_fail(err, MLO_EUNAVAIL, "shared buffers are not supported");
    if (in.past_k && in.past_k->array.rank != 4)
        return mlo_op_refuse(c, err, "past does not fit");
    ch.rc = read_heads(c, &in, err);
    add_packed_bias(&ch, &in, 3);
    if (ch.rc != 0)
        return mlo_chain_end(&ch);
    attend(&ch, &in, &l, attrs);
    mlo_chain_last(&ch, &l);
    return mlo_chain_end(&ch);
}

static const struct mlo_op ops[] = {
    {.name = "Attention", .since = 1, .run = run_attention},
    {.name = "QAttention", .since = 1, .run = run_qattention},
    {.name = "MultiHeadAttention", .since = 1, .run = run_multi_head},
};
const struct mlo_op_family mlo_ops_contrib_attention = {"com.microsoft", ops, MLO_COUNT(ops)};
