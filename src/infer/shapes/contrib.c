/* Shapes of com.microsoft's operators: what ONNX Runtime's optimiser and quantiser write. */
#include <string.h>

#include "shapes.h"

static int run_fused_matmul(struct mlo_rule_call *c, struct mlo_err *err)
{
    static const struct mlo_rule_how plain = {.b = 1};
    c->how = &plain;
    if (mlo_attr_int(c->node, "transA", 0) || mlo_attr_int(c->node, "transB", 0) ||
        mlo_attr_int(c->node, "transBatchA", 0) || mlo_attr_int(c->node, "transBatchB", 0)) {
        mlo_rule_type(c, 0, mlo_rule_in(c, 0)->dtype);
        return 0;
    }
    return mlo_rule_matmul(c, err);
}

/* [batch, rows] of words to [batch, rows, width]. */
static int run_embed(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *ids = mlo_rule_in(c, 0), *words = mlo_rule_in(c, 2);
    mlo_rule_type(c, 0, words->dtype);
    if (!ids->ranked || ids->rank != 2)
        return 0;
    const struct mlo_extent dims[] = {ids->dims[0], ids->dims[1], mlo_shape_dim(words, 1)};
    return mlo_rule_array(c, 0, words->dtype, dims, 3, err);
}

static int run_matmul_bits(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *a = mlo_rule_in(c, 0);
    struct mlo_extent dims[MLO_RANK_MAX], inner;
    mlo_rule_type(c, 0, a->dtype);
    if (!a->ranked || a->rank == 0 || !mlo_node_attr(c->node, "N") || !mlo_node_attr(c->node, "K"))
        return 0;
    memcpy(dims, a->dims, a->rank * sizeof *dims);
    int rc = mlo_rule_unify(c, dims[a->rank - 1], mlo_extent_of(mlo_attr_int(c->node, "K", 0)),
                            "columns and K", &inner, err);
    dims[a->rank - 1] = mlo_extent_of(mlo_attr_int(c->node, "N", 0));
    return rc == 0 ? mlo_rule_array(c, 0, a->dtype, dims, a->rank, err) : rc;
}

/* Of the zero point's type, as quantised elementwise operators have it: how says which inputs are joined. */
static int run_quantized_pair(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *a = mlo_rule_in(c, 0), *b = mlo_rule_in(c, 3);
    struct mlo_extent dims[MLO_RANK_MAX];
    unsigned rank;
    mlo_rule_type(c, 0, a->dtype);
    if (!a->ranked || !b->ranked)
        return 0;
    int rc = mlo_rule_broadcast(c, a->dims, a->rank, b->dims, b->rank, dims, &rank, err);
    return rc == 0 ? mlo_rule_array(c, 0, a->dtype, dims, rank, err) : rc;
}

static int run_quantize(struct mlo_rule_call *c, struct mlo_err *err)
{
    (void)err;
    mlo_rule_like(c, 0, mlo_rule_given(c, 2) ? mlo_rule_in(c, 2)->dtype : MLO_DT_U8, mlo_rule_in(c, 0));
    return 0;
}

static const struct mlo_rule_how same = {.b = 0}, dequantized = {.from = 1}, dynamic = {.b = 1},
                                 floats = {.dtype = MLO_DT_F32, .b = 1};
static const struct mlo_rule rules[] = {
    {"Gelu", mlo_rule_same, &same},
    {"BiasGelu", mlo_rule_same, &same},
    {"FastGelu", mlo_rule_same, &same},
    {"QuickGelu", mlo_rule_same, &same},
    {"SkipLayerNormalization", mlo_rule_same, &same},
    {"SkipSimplifiedLayerNormalization", mlo_rule_same, &same},
    {"Trilu", mlo_rule_same, &same},
    {"QLinearSigmoid", mlo_rule_same, &same},
    {"QLinearLeakyRelu", mlo_rule_same, &same},
    {"QuantizeLinear", run_quantize, NULL},
    {"DequantizeLinear", mlo_rule_same, &dequantized},
    {"FusedMatMul", run_fused_matmul, NULL},
    {"EmbedLayerNormalization", run_embed, NULL},
    {"MatMulNBits", run_matmul_bits, NULL},
    {"QLinearAdd", run_quantized_pair, NULL},
    {"QLinearMul", run_quantized_pair, NULL},
    {"DynamicQuantizeMatMul", mlo_rule_matmul, &dynamic},
    {"MatMulIntegerToFloat", mlo_rule_matmul, &floats},
};
const struct mlo_rule_family mlo_rules_contrib = {"com.microsoft", rules, MLO_COUNT(rules)};
