/* Shapes of operators that work element by element, and what they make of numbers that are followed. */
#include <string.h>

#include "shapes.h"

int mlo_rule_same(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_rule_how *how = c->how;
    (void)err;
    mlo_rule_like(c, 0, mlo_rule_type_of(c, how), mlo_rule_in(c, how->a));
    return 0;
}

int mlo_rule_join(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_rule_how *how = c->how;
    struct mlo_extent dims[MLO_RANK_MAX];
    unsigned rank = 0;
    size_t last = how->b ? how->b : c->node->n_inputs - 1;
    int rc = 0;
    mlo_rule_type(c, 0, mlo_rule_type_of(c, how));
    for (size_t i = how->a; rc == 0 && i <= last && i < c->node->n_inputs; i++) {
        const struct mlo_shape *v = mlo_rule_in(c, i);
        if (!v->ranked)
            return 0;
        rc = mlo_rule_broadcast(c, dims, rank, v->dims, v->rank, dims, &rank, err);
    }
    return rc == 0 ? mlo_rule_array(c, 0, mlo_rule_type_of(c, how), dims, rank, err) : rc;
}

/* ---- arithmetic on numbers that are followed ---- */

typedef struct mlo_extent number_fn(struct mlo_extents *t, struct mlo_extent a, struct mlo_extent b);

static struct mlo_extent whole_quotient(struct mlo_extents *t, struct mlo_extent a, struct mlo_extent b)
{
    if (mlo_extent_is_number(a) && mlo_extent_is_number(b) && b.number > 0)
        return mlo_extent_of(a.number / b.number);
    return mlo_extent_divide(t, a, b);
}

static struct mlo_extent lesser(struct mlo_extents *t, struct mlo_extent a, struct mlo_extent b)
{
    (void)t;
    if (mlo_extent_same(a, b))
        return a;
    return mlo_extent_is_number(a) && mlo_extent_is_number(b) ? (a.number < b.number ? a : b)
                                                              : mlo_extent_open();
}

static struct mlo_extent greater(struct mlo_extents *t, struct mlo_extent a, struct mlo_extent b)
{
    struct mlo_extent least = lesser(t, a, b);
    return mlo_extent_is_open(least) || mlo_extent_same(least, b) ? (mlo_extent_is_open(least) ? least : a)
                                                                  : b;
}

/* A dimension is not a number below 1. */
static struct mlo_extent are_equal(struct mlo_extents *t, struct mlo_extent a, struct mlo_extent b)
{
    if (mlo_extent_same(a, b))
        return mlo_extent_of(1);
    if (mlo_extent_is_number(a) && mlo_extent_is_number(b))
        return mlo_extent_of(0);
    bool never = (mlo_extent_is_positive(t, a) && mlo_extent_is_number(b) && b.number < 1) ||
                 (mlo_extent_is_positive(t, b) && mlo_extent_is_number(a) && a.number < 1);
    return never ? mlo_extent_of(0) : mlo_extent_open();
}

static struct mlo_extent at(const struct mlo_shape *v, size_t i)
{
    return v->numbers[v->n_numbers > 1 ? i : 0];
}

struct arithmetic {
    struct mlo_rule_how join;
    number_fn *fn;
};

static int run_arithmetic(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct arithmetic *how = c->how;
    const struct mlo_shape *a = mlo_rule_in(c, 0), *b = mlo_rule_in(c, 1);
    struct mlo_extent numbers[MLO_NUMBERS_MAX];
    size_t n = a->n_numbers > b->n_numbers ? a->n_numbers : b->n_numbers;
    c->how = &how->join;
    int rc = mlo_rule_join(c, err);
    if (rc != 0 || c->node->n_inputs != 2 || !a->numbers || !b->numbers || !a->n_numbers || !b->n_numbers)
        return rc;
    for (size_t i = 0; i < n; i++)
        numbers[i] = how->fn(&c->s->extents, at(a, i), at(b, i));
    return mlo_rule_numbers(c, 0, numbers, n, err);
}

static int run_where(struct mlo_rule_call *c, struct mlo_err *err)
{
    static const struct mlo_rule_how how = {.from = 1};
    const struct mlo_shape *which = mlo_rule_in(c, 0), *a = mlo_rule_in(c, 1), *b = mlo_rule_in(c, 2);
    struct mlo_extent numbers[MLO_NUMBERS_MAX];
    size_t n = which->n_numbers;
    c->how = &how;
    int rc = mlo_rule_join(c, err);
    if (rc != 0 || !which->numbers || !a->n_numbers || !b->n_numbers || !n)
        return rc;
    n = a->n_numbers > n ? a->n_numbers : n;
    n = b->n_numbers > n ? b->n_numbers : n;
    for (size_t i = 0; i < n; i++) {
        struct mlo_extent take = at(which, i);
        numbers[i] = mlo_extent_is_number(take)            ? at(take.number ? a : b, i)
                     : mlo_extent_same(at(a, i), at(b, i)) ? at(a, i)
                                                           : mlo_extent_open();
    }
    return mlo_rule_numbers(c, 0, numbers, n, err);
}

/* ---- types that a node says ---- */

static bool is_whole(enum mlo_dtype t)
{
    return t == MLO_DT_I64 || t == MLO_DT_I32;
}

/* The same values, with what is known of them. */
static int pass_on(struct mlo_rule_call *c, enum mlo_dtype t, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0);
    mlo_rule_like(c, 0, t, v);
    return is_whole(t) && is_whole(v->dtype) && v->numbers
               ? mlo_rule_numbers(c, 0, v->numbers, v->n_numbers, err)
               : 0;
}

static int run_identity(struct mlo_rule_call *c, struct mlo_err *err)
{
    (void)err;
    *mlo_rule_out(c, 0) = *mlo_rule_in(c, 0);
    return 0;
}

static enum mlo_dtype said_type(const struct mlo_rule_call *c, const char *attr, enum mlo_dtype usual)
{
    int64_t said = mlo_attr_int(c->node, attr, 0);
    return said > 0 ? mlo_onnx_type_of((uint64_t)said) : usual;
}

static int run_cast(struct mlo_rule_call *c, struct mlo_err *err)
{
    return pass_on(c, said_type(c, "to", MLO_DT_UNKNOWN), err);
}

static int run_cast_like(struct mlo_rule_call *c, struct mlo_err *err)
{
    return pass_on(c, mlo_rule_in(c, 1)->dtype, err);
}

static int run_bit_cast(struct mlo_rule_call *c, struct mlo_err *err)
{
    enum mlo_dtype t = said_type(c, "to", MLO_DT_UNKNOWN);
    const struct mlo_shape *v = mlo_rule_in(c, 0);
    (void)err;
    if (mlo_element_size(t) && mlo_element_size(t) == mlo_element_size(v->dtype))
        mlo_rule_like(c, 0, t, v);
    else
        mlo_rule_type(c, 0, t);
    return 0;
}

static int run_quantize(struct mlo_rule_call *c, struct mlo_err *err)
{
    enum mlo_dtype t = mlo_rule_given(c, 2) ? mlo_rule_in(c, 2)->dtype : MLO_DT_U8;
    (void)err;
    mlo_rule_like(c, 0, said_type(c, "output_dtype", t), mlo_rule_in(c, 0));
    return 0;
}

static int run_dequantize(struct mlo_rule_call *c, struct mlo_err *err)
{
    (void)err;
    mlo_rule_like(c, 0, said_type(c, "output_dtype", mlo_rule_in(c, 1)->dtype), mlo_rule_in(c, 0));
    return 0;
}

static int run_dynamic_quantize(struct mlo_rule_call *c, struct mlo_err *err)
{
    mlo_rule_like(c, 0, MLO_DT_U8, mlo_rule_in(c, 0));
    int rc = mlo_rule_array(c, 1, MLO_DT_F32, NULL, 0, err);
    return rc == 0 ? mlo_rule_array(c, 2, MLO_DT_U8, NULL, 0, err) : rc;
}

static int run_dropout(struct mlo_rule_call *c, struct mlo_err *err)
{
    (void)err;
    mlo_rule_like(c, 0, mlo_rule_in(c, 0)->dtype, mlo_rule_in(c, 0));
    mlo_rule_like(c, 1, MLO_DT_BOOL, mlo_rule_in(c, 0));
    return 0;
}

/* LayerNormalization: mean and 1/deviation have 1 for each axis that is normalised. */
static int run_layer_norm(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *x = mlo_rule_in(c, 0), *scale = mlo_rule_in(c, 1);
    struct mlo_extent dims[MLO_RANK_MAX];
    unsigned axis = 0;
    mlo_rule_like(c, 0, x->dtype, x);
    if (!x->ranked)
        return 0;
    int rc = mlo_rule_axis(mlo_attr_int(c->node, "axis", -1), x->rank, &axis, err);
    if (rc == 0 && scale->ranked && scale->rank == 1 && axis + 1 == x->rank &&
        !mlo_extent_is(scale->dims[0], 1))
        rc = mlo_rule_unify(c, x->dims[axis], scale->dims[0], "columns and scale", &dims[0], err);
    for (unsigned i = 0; rc == 0 && i < x->rank; i++)
        dims[i] = i < axis ? x->dims[i] : mlo_extent_of(1);
    enum mlo_dtype t = said_type(c, "stash_type", MLO_DT_F32);
    for (size_t i = 1; rc == 0 && i < c->node->n_outputs; i++)
        rc = mlo_rule_array(c, i, t, dims, x->rank, err);
    return rc;
}

/* ---- the table ---- */

static const struct mlo_rule_how same = {.b = 0}, all_bool = {.dtype = MLO_DT_BOOL}, both = {.b = 1},
                                 both_bool = {.dtype = MLO_DT_BOOL, .b = 1};
static const struct arithmetic sum = {{.b = 1}, mlo_extent_add}, difference = {{.b = 1}, mlo_extent_subtract},
                               product = {{.b = 1}, mlo_extent_multiply},
                               quotient = {{.b = 1}, whole_quotient}, least = {{.b = 0}, lesser},
                               most = {{.b = 0}, greater},
                               equality = {{.dtype = MLO_DT_BOOL, .b = 1}, are_equal};

#define SAME(op)                                                                                             \
    {                                                                                                        \
        op, mlo_rule_same, &same                                                                             \
    }
static const struct mlo_rule rules[] = {
    SAME("Abs"),
    SAME("Neg"),
    SAME("Sign"),
    SAME("Not"),
    SAME("BitwiseNot"),
    SAME("Sqrt"),
    SAME("Exp"),
    SAME("Log"),
    SAME("Reciprocal"),
    SAME("Floor"),
    SAME("Ceil"),
    SAME("Round"),
    SAME("Erf"),
    SAME("Sin"),
    SAME("Cos"),
    SAME("Tan"),
    SAME("Asin"),
    SAME("Acos"),
    SAME("Atan"),
    SAME("Sinh"),
    SAME("Cosh"),
    SAME("Tanh"),
    SAME("Asinh"),
    SAME("Acosh"),
    SAME("Atanh"),
    SAME("Sigmoid"),
    SAME("Relu"),
    SAME("LeakyRelu"),
    SAME("Elu"),
    SAME("Selu"),
    SAME("Celu"),
    SAME("HardSigmoid"),
    SAME("HardSwish"),
    SAME("Softplus"),
    SAME("Softsign"),
    SAME("Mish"),
    SAME("Swish"),
    SAME("ThresholdedRelu"),
    SAME("Shrink"),
    SAME("Gelu"),
    SAME("Softmax"),
    SAME("LogSoftmax"),
    SAME("Hardmax"),
    SAME("CumSum"),
    SAME("CumProd"),
    SAME("Clip"),
    SAME("LRN"),
    SAME("LpNormalization"),
    SAME("MeanVarianceNormalization"),
    SAME("InstanceNormalization"),
    SAME("GroupNormalization"),
    SAME("RMSNormalization"),
    SAME("BatchNormalization"),
    SAME("RotaryEmbedding"),
    SAME("PRelu"),
    SAME("Trilu"),
    SAME("ReverseSequence"),
    SAME("Scatter"),
    SAME("ScatterElements"),
    SAME("ScatterND"),
    SAME("TensorScatter"),
    {"IsNaN", mlo_rule_same, &all_bool},
    {"IsInf", mlo_rule_same, &all_bool},
    {"RegexFullMatch", mlo_rule_same, &all_bool},
    {"Identity", run_identity, NULL},
    {"Dropout", run_dropout, NULL},
    {"Cast", run_cast, NULL},
    {"CastLike", run_cast_like, NULL},
    {"BitCast", run_bit_cast, NULL},
    {"QuantizeLinear", run_quantize, NULL},
    {"DequantizeLinear", run_dequantize, NULL},
    {"DynamicQuantizeLinear", run_dynamic_quantize, NULL},
    {"LayerNormalization", run_layer_norm, NULL},
    {"Add", run_arithmetic, &sum},
    {"Sub", run_arithmetic, &difference},
    {"Mul", run_arithmetic, &product},
    {"Div", run_arithmetic, &quotient},
    {"Min", run_arithmetic, &least},
    {"Max", run_arithmetic, &most},
    {"Equal", run_arithmetic, &equality},
    {"Where", run_where, NULL},
    {"Pow", mlo_rule_join, &both},
    {"Mod", mlo_rule_join, &both},
    {"BitShift", mlo_rule_join, &both},
    {"BitwiseAnd", mlo_rule_join, &both},
    {"BitwiseOr", mlo_rule_join, &both},
    {"BitwiseXor", mlo_rule_join, &both},
    {"StringConcat", mlo_rule_join, &both},
    {"Sum", mlo_rule_join, &same},
    {"Mean", mlo_rule_join, &same},
    {"Less", mlo_rule_join, &both_bool},
    {"LessOrEqual", mlo_rule_join, &both_bool},
    {"Greater", mlo_rule_join, &both_bool},
    {"GreaterOrEqual", mlo_rule_join, &both_bool},
    {"And", mlo_rule_join, &both_bool},
    {"Or", mlo_rule_join, &both_bool},
    {"Xor", mlo_rule_join, &both_bool},
};
const struct mlo_rule_family mlo_rules_element = {"", rules, MLO_COUNT(rules)};
