/*
 * com.microsoft: what ONNX Runtime's optimiser writes into models of encoders. Made of ONNX's operators, so
 * that they run on the same kernels.
 */
#include <math.h>
#include <string.h>

#include "chain.h"

static struct mlo_attr whole_attr(const char *name, int64_t v)
{
    return (struct mlo_attr){.name = name, .kind = MLO_ATTR_INT, .i = v};
}

static struct mlo_attr real_attr(const char *name, float v)
{
    return (struct mlo_attr){.name = name, .kind = MLO_ATTR_FLOAT, .f = v};
}

/* ---- activations ---- */

/* The operator of ONNX that `how` names, with the same attributes. */
static int run_alias(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_chain ch = {.c = c, .err = err};
    struct mlo_chain_step l = {.op = c->how, .attrs = c->node->attrs, .n_attrs = c->node->n_attrs};
    if (c->n_in > MLO_CHAIN_IN)
        return mlo_op_refuse(c, err, "%zu inputs", c->n_in);
    for (size_t i = 0; i < c->n_in; i++)
        l.in[i] = mlo_chain_in(&ch, i);
    mlo_chain_last(&ch, &l);
    return mlo_chain_end(&ch);
}

static int run_quick_gelu(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_chain ch = {.c = c, .err = err};
    const struct mlo_attr alpha = real_attr("alpha", mlo_attr_float(c->node, "alpha", 1.702F));
    mlo_chain_last(&ch, &(const struct mlo_chain_step){"Swish", &alpha, 1, {mlo_chain_in(&ch, 0)}, 1});
    return mlo_chain_end(&ch);
}

/* BiasGelu, FastGelu (by tanh): the bias is optional. */
static const bool by_erf = false, by_tanh = true;

static int run_gelu(struct mlo_op_call *c, struct mlo_err *err)
{
    static const struct mlo_attr tanh_form = {
        .name = "approximate", .kind = MLO_ATTR_STRING, .s = {"tanh", 4}};
    struct mlo_chain ch = {.c = c, .err = err};
    const struct mlo_value *x = mlo_chain_in(&ch, 0), *bias = mlo_chain_in(&ch, 1);
    if (bias)
        x = mlo_chain_of(&ch, "Add", x, bias);
    mlo_chain_last(&ch, &(const struct mlo_chain_step){"Gelu", &tanh_form, *(const bool *)c->how, {x}, 1});
    return mlo_chain_end(&ch);
}

/* ---- products with something behind them: FusedMatMul, FusedGemm, FusedConv ---- */

static const struct mlo_value *last_axes_swapped(struct mlo_chain *ch, const struct mlo_value *x)
{
    int64_t perm[MLO_RANK_MAX];
    unsigned rank = x ? x->array.rank : 0;
    if (rank < 2)
        return x;
    for (unsigned d = 0; d < rank; d++)
        perm[d] = d + 2 < rank ? d : 2 * rank - 3 - d;
    const struct mlo_attr order = {.name = "perm", .kind = MLO_ATTR_INTS, .n = rank, .ints = perm};
    return mlo_chain_then(ch, &(const struct mlo_chain_step){"Transpose", &order, 1, {x}, 1});
}

/* A number of the type of `like`. */
static const struct mlo_value *number(struct mlo_chain *ch, double v, const struct mlo_value *like)
{
    const struct mlo_value *value = NULL;
    struct mlo_array *a = like ? mlo_chain_array(ch, like->array.dtype, NULL, 0, &value) : NULL;
    if (a && ch->rc == 0)
        ch->rc = mlo_from_doubles(&v, a, ch->err);
    return value;
}

static int run_fused_matmul(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_chain ch = {.c = c, .err = err};
    const struct mlo_value *a = mlo_chain_in(&ch, 0), *b = mlo_chain_in(&ch, 1);
    float alpha = mlo_attr_float(c->node, "alpha", 1);
    if (mlo_attr_int(c->node, "transBatchA", 0) != 0 || mlo_attr_int(c->node, "transBatchB", 0) != 0)
        return mlo_fail(err, MLO_EUNAVAIL, "transBatchA and transBatchB are not supported");
    if (mlo_attr_int(c->node, "transA", 0) != 0)
        a = last_axes_swapped(&ch, a);
    if (mlo_attr_int(c->node, "transB", 0) != 0)
        b = last_axes_swapped(&ch, b);
    struct mlo_chain_step product = {.op = "MatMul", .in = {a, b}};
    if (alpha == 1) {
        mlo_chain_last(&ch, &product);
        return mlo_chain_end(&ch);
    }
    const struct mlo_value *y = mlo_chain_then(&ch, &product);
    mlo_chain_last(&ch,
                   &(const struct mlo_chain_step){.op = "Mul", .in = {y, number(&ch, (double)alpha, y)}});
    return mlo_chain_end(&ch);
}

/* The activation that a node names: parameters stand in `activation_params`, or each in an attribute. */
static void activate_last(struct mlo_chain *ch, const struct mlo_value *x)
{
    static const char *const words[] = {"Relu", "Tanh", "Sigmoid", "LeakyRelu", "HardSigmoid", "Clip"};
    const struct mlo_node *n = ch->c->node;
    size_t given, i = 0;
    const float *list = mlo_attr_floats(n, "activation_params", &given);
    float a = given > 0 ? list[0] : mlo_attr_float(n, "activation_alpha", 0.01F),
          b = given > 1 ? list[1] : mlo_attr_float(n, "activation_beta", 0);
    while (i < MLO_COUNT(words) && !mlo_attr_is(n, "activation", words[i]))
        i++;
    if (ch->rc == 0 && i == MLO_COUNT(words) && !mlo_attr_is(n, "activation", ""))
        ch->rc = mlo_fail(ch->err, MLO_EUNAVAIL, "this activation is not supported");
    if (ch->rc != 0)
        return;
    const struct mlo_attr params[] = {real_attr("alpha", a), real_attr("beta", b)};
    struct mlo_chain_step l = {
        .op = i < MLO_COUNT(words) ? words[i] : "Identity", .attrs = params, .in = {x}};
    l.n_attrs = i == 3 ? 1 : i == 4 ? 2 : 0;
    if (i == 5) {
        l.in[1] = number(ch, (double)a, x);
        l.in[2] = number(ch, (double)b, x);
    }
    mlo_chain_last(ch, &l);
}

static int run_fused_gemm(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_chain ch = {.c = c, .err = err};
    const struct mlo_chain_step gemm = {"Gemm",
                                        c->node->attrs,
                                        c->node->n_attrs,
                                        {mlo_chain_in(&ch, 0), mlo_chain_in(&ch, 1), mlo_chain_in(&ch, 2)},
                                        1};
    activate_last(&ch, mlo_chain_then(&ch, &gemm));
    return mlo_chain_end(&ch);
}

static int run_fused_conv(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_chain ch = {.c = c, .err = err};
    const struct mlo_chain_step conv = {"Conv",
                                        c->node->attrs,
                                        c->node->n_attrs,
                                        {mlo_chain_in(&ch, 0), mlo_chain_in(&ch, 1), mlo_chain_in(&ch, 2)},
                                        1};
    const struct mlo_value *y = mlo_chain_then(&ch, &conv);
    if (mlo_in(c, 3))
        y = mlo_chain_of(&ch, "Add", y, mlo_chain_in(&ch, 3));
    activate_last(&ch, y);
    return mlo_chain_end(&ch);
}

/* ---- normalisation of sums ---- */

/* Outputs: rows to mean 0 and variance 1, mean, 1 / deviation (as LayerNormalization has them), then the sum.
 */
static int run_skip_layer(struct mlo_op_call *c, struct mlo_err *err)
{
    bool simplified = *(const bool *)c->how; /* only divided by the root of the mean square; has no beta */
    struct mlo_chain ch = {.c = c, .err = err};
    const struct mlo_value *beta = simplified ? NULL : mlo_chain_in(&ch, 3),
                           *bias = mlo_chain_in(&ch, simplified ? 3 : 4);
    const struct mlo_attr attrs[] = {whole_attr("axis", -1),
                                     real_attr("epsilon", mlo_attr_float(c->node, "epsilon", 1e-12F))};
    const struct mlo_value *sum = mlo_chain_of(&ch, "Add", mlo_chain_in(&ch, 0), mlo_chain_in(&ch, 1));
    if (bias)
        sum = mlo_chain_of(&ch, "Add", sum, bias);
    mlo_chain_last(&ch, &(const struct mlo_chain_step){simplified ? "RMSNormalization" : "LayerNormalization",
                                                       attrs,
                                                       2,
                                                       {sum, mlo_chain_in(&ch, 2), beta},
                                                       1});
    if (ch.rc == 0)
        mlo_out_same(c, 3, sum);
    return mlo_chain_end(&ch);
}

static const bool whole_layer = false, simplified_layer = true;

/* How many tokens of each row are there: 0 without a mask. */
static int give_lengths(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *ids = mlo_in(c, 0), *mask = mlo_in(c, 7);
    struct mlo_array *out;
    double *v = NULL;
    if (ids->rank != 2 || (mask && !mlo_array_same_shape(ids, mask)))
        return mlo_op_refuse(c, err, "a mask that does not fit");
    int rc = mlo_out_new(c, 1, MLO_DT_I32, ids->dims, 1, &out, err);
    if (rc == 0 && mask)
        rc = mlo_as_doubles(c, mask, &v, err);
    if (rc != 0 || !out || out->n == 0)
        return rc;
    memset(out->data, 0, out->n * sizeof(int32_t));
    for (size_t i = 0; v && i < mask->n; i++)
        ((int32_t *)out->data)[i / (size_t)mask->dims[1]] += v[i] == 1;
    return 0;
}

static const struct mlo_value *positions(struct mlo_chain *ch)
{
    const struct mlo_value *given = mlo_chain_in(ch, 8), *made = NULL;
    const struct mlo_array *ids = mlo_in(ch->c, 0);
    if (given || !ids || ids->rank != 2)
        return given;
    struct mlo_array *a = mlo_chain_array(ch, MLO_DT_I64, &ids->dims[1], 1, &made);
    for (size_t i = 0; a && i < a->n; i++)
        ((int64_t *)a->data)[i] = (int64_t)i;
    return made;
}

/* Without segments all are of the first. */
static const struct mlo_value *segments(struct mlo_chain *ch)
{
    const struct mlo_value *given = mlo_chain_in(ch, 1), *made = NULL;
    struct mlo_array *a = given ? NULL : mlo_chain_array(ch, MLO_DT_I64, NULL, 0, &made);
    if (a)
        *(int64_t *)a->data = 0;
    return given ? given : made;
}

/* Embeddings of words, positions and segments, added up and normalised. */
static int run_embed(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_chain ch = {.c = c, .err = err};
    const struct mlo_attr attrs[] = {whole_attr("axis", -1),
                                     real_attr("epsilon", mlo_attr_float(c->node, "epsilon", 1e-12F))};
    const struct mlo_value *sum = mlo_chain_of(&ch, "Gather", mlo_chain_in(&ch, 2), mlo_chain_in(&ch, 0));
    sum = mlo_chain_of(&ch, "Add", sum, mlo_chain_of(&ch, "Gather", mlo_chain_in(&ch, 3), positions(&ch)));
    if (mlo_in(c, 4))
        sum = mlo_chain_of(&ch, "Add", sum, mlo_chain_of(&ch, "Gather", mlo_chain_in(&ch, 4), segments(&ch)));
    const struct mlo_value *y = mlo_chain_then(
        &ch, &(const struct mlo_chain_step){
                 "LayerNormalization", attrs, 2, {sum, mlo_chain_in(&ch, 5), mlo_chain_in(&ch, 6)}, 1});
    if (ch.rc == 0) {
        mlo_out_same(c, 0, y);
        mlo_out_same(c, 2, sum);
        ch.rc = give_lengths(c, err);
    }
    return mlo_chain_end(&ch);
}

/* ---- CDist: distances between the rows of two matrices ---- */

static int run_cdist(struct mlo_op_call *c, struct mlo_err *err)
{
    bool squared = mlo_attr_is(c->node, "metric", "sqeuclidean") || mlo_attr_is(c->node, "metric", "");
    const struct mlo_array *a, *b;
    struct mlo_array *out;
    double *x, *y, *to;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = mlo_in_typed(c, 1, a->dtype, &b, err);
    if (rc == 0 && (a->rank != 2 || b->rank != 2 || a->dims[1] != b->dims[1]))
        rc = mlo_op_refuse(c, err, "rows of different lengths");
    if (rc == 0 && !squared && !mlo_attr_is(c->node, "metric", "euclidean"))
        rc = mlo_fail(err, MLO_EUNAVAIL, "this metric is not supported");
    if (rc == 0)
        rc = mlo_as_doubles(c, a, &x, err);
    if (rc == 0)
        rc = mlo_as_doubles(c, b, &y, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, a->dtype, (const int64_t[]){a->dims[0], b->dims[0]}, 2, &out, err);
    if (rc == 0)
        rc = mlo_scratch_doubles(c, out ? out->n : 0, &to, err);
    if (rc != 0 || !out)
        return rc;
    size_t width = (size_t)a->dims[1], columns = (size_t)b->dims[0];
    for (size_t i = 0; i < out->n; i++) {
        const double *p = x + i / columns * width, *q = y + i % columns * width;
        double sum = 0;
        for (size_t k = 0; k < width; k++)
            sum += (p[k] - q[k]) * (p[k] - q[k]);
        to[i] = squared ? sum : sqrt(sum);
    }
    return mlo_from_doubles(to, out, err);
}

static const struct mlo_op ops[] = {
    {.name = "Gelu", .since = 1, .run = run_alias, .how = "Gelu"},
    {.name = "Trilu", .since = 1, .run = run_alias, .how = "Trilu"},
    {.name = "QuantizeLinear", .since = 1, .run = run_alias, .how = "QuantizeLinear"},
    {.name = "DequantizeLinear", .since = 1, .run = run_alias, .how = "DequantizeLinear"},
    {.name = "QuickGelu", .since = 1, .run = run_quick_gelu},
    {.name = "BiasGelu", .since = 1, .run = run_gelu, .how = &by_erf},
    {.name = "FastGelu", .since = 1, .run = run_gelu, .how = &by_tanh},
    {.name = "FusedMatMul", .since = 1, .run = run_fused_matmul},
    {.name = "FusedGemm", .since = 1, .run = run_fused_gemm},
    {.name = "FusedConv", .since = 1, .run = run_fused_conv},
    {.name = "SkipLayerNormalization", .since = 1, .run = run_skip_layer, .how = &whole_layer},
    {.name = "SkipSimplifiedLayerNormalization", .since = 1, .run = run_skip_layer, .how = &simplified_layer},
    {.name = "EmbedLayerNormalization", .since = 1, .run = run_embed},
    {.name = "CDist", .since = 1, .run = run_cdist},
};
const struct mlo_op_family mlo_ops_contrib = {"com.microsoft", ops, MLO_COUNT(ops)};
