/* Operators of one array, element by element: functions and activations. Halves are computed as floats. */
#include <tgmath.h>

#include <mlopsctl/backend.h>

#include "by_type.h"

struct constants {
    double a, b;
};
typedef void map_fn(const void *in, void *out, size_t n, const struct constants *k);

#define MAP(name, type, result, expr)                                                                        \
    static void name(const void *in, void *out, size_t n, const struct constants *k)                         \
    {                                                                                                        \
        const type *p = in;                                                                                  \
        result *o = out;                                                                                     \
        type a = (type)k->a, b = (type)k->b;                                                                 \
        (void)a, (void)b;                                                                                    \
        for (size_t i = 0; i < n; i++) {                                                                     \
            type x = p[i];                                                                                   \
            o[i] = (result)(expr);                                                                           \
        }                                                                                                    \
    }
/* Floats have a kernel of their own. */
#define MAPS_KERNEL(op, expr)                                                                                \
    static void op##_f32(const void *in, void *out, size_t n, const struct constants *k)                     \
    {                                                                                                        \
        (void)k;                                                                                             \
        mlo_##op##_f32(in, out, n);                                                                          \
    }                                                                                                        \
    MAP(op##_f64, double, double, expr)
MLO_MAKE_REAL(MAP, abs, fabs(x))
MLO_MAKE_SIGNED(MAP, abs, x < 0 ? -MLO_WIDE(x) : MLO_WIDE(x))
MLO_MAKE_UNSIGNED(MAP, abs, x)
MLO_MAKE_REAL(MAP, neg, -x)
MLO_MAKE_SIGNED(MAP, neg, -MLO_WIDE(x))
MLO_MAKE_REAL(MAP, sign, isnan(x) ? x : (x > 0) - (x < 0))
MLO_MAKE_SIGNED(MAP, sign, (x > 0) - (x < 0))
MLO_MAKE_UNSIGNED(MAP, sign, x > 0)
MLO_MAKE_UNSIGNED(MAP, inverse, ~x)
MAP(not_u8, uint8_t, uint8_t, !x)

MLO_MAKE_REAL(MAP, sqrt, sqrt(x))
MAPS_KERNEL(exp, exp(x))
MLO_MAKE_REAL(MAP, log, log(x))
MLO_MAKE_REAL(MAP, reciprocal, 1 / x)
MLO_MAKE_REAL(MAP, floor, floor(x))
MLO_MAKE_REAL(MAP, ceil, ceil(x))
MLO_MAKE_REAL(MAP, round, rint(x))
MAPS_KERNEL(erf, erf(x))
MLO_MAKE_REAL(MAP, sin, sin(x))
MLO_MAKE_REAL(MAP, cos, cos(x))
MLO_MAKE_REAL(MAP, tan, tan(x))
MLO_MAKE_REAL(MAP, asin, asin(x))
MLO_MAKE_REAL(MAP, acos, acos(x))
MLO_MAKE_REAL(MAP, atan, atan(x))
MLO_MAKE_REAL(MAP, sinh, sinh(x))
MLO_MAKE_REAL(MAP, cosh, cosh(x))
MAPS_KERNEL(tanh, tanh(x))
MLO_MAKE_REAL(MAP, asinh, asinh(x))
MLO_MAKE_REAL(MAP, acosh, acosh(x))
MLO_MAKE_REAL(MAP, atanh, atanh(x))

/* 1 / (1 + e^-x) from e^-|x|, which cannot overflow. */
#define SIGMOID(x) ((x) >= 0 ? 1 / (1 + exp(-(x))) : exp(x) / (1 + exp(x)))
/* log(1 + e^x) */
#define SOFTPLUS(x) ((x) > 0 ? (x) + log1p(exp(-(x))) : log1p(exp(x)))
MAPS_KERNEL(sigmoid, SIGMOID(x))
MLO_MAKE_REAL(MAP, relu, x < 0 ? 0 : x)
MLO_MAKE_SIGNED(MAP, relu, x < 0 ? 0 : x)
MLO_MAKE_REAL(MAP, leaky_relu, x < 0 ? a * x : x)
MLO_MAKE_REAL(MAP, elu, x < 0 ? a * expm1(x) : x)
MLO_MAKE_REAL(MAP, selu, x > 0 ? b * x : b * a * expm1(x))
MLO_MAKE_REAL(MAP, celu, x > 0 ? x : a * expm1(x / a))
MLO_MAKE_REAL(MAP, hard_sigmoid, fmax(0, fmin(1, a *x + b)))
MLO_MAKE_REAL(MAP, hard_swish, x *fmax(0, fmin(1, x / 6 + (__typeof__(x))0.5)))
MLO_MAKE_REAL(MAP, softplus, SOFTPLUS(x))
MLO_MAKE_REAL(MAP, softsign, x / (1 + fabs(x)))
MLO_MAKE_REAL(MAP, mish, x *tanh(SOFTPLUS(x)))
MLO_MAKE_REAL(MAP, swish, x *SIGMOID(a *x))
MLO_MAKE_REAL(MAP, thresholded, x > a ? x : 0)
MLO_MAKE_REAL(MAP, shrink, x<-b ? x + a : x> b ? x - a : 0)
MAPS_KERNEL(gelu, 0.5 * x * (1 + erf(x * M_SQRT1_2)))
MAPS_KERNEL(gelu_tanh, 0.5 * x * (1 + tanh(M_2_SQRTPI * M_SQRT1_2 * (x + 0.044715 * x * x * x))))
MAP(is_nan_f32, float, uint8_t, isnan(x) != 0)
MAP(is_nan_f64, double, uint8_t, isnan(x) != 0)
MAP(is_inf_f32, float, uint8_t, isinf(x) && (x > 0 ? a : b) != 0)
MAP(is_inf_f64, double, uint8_t, isinf(x) && (x > 0 ? a : b) != 0)

/* ---- one call ---- */

struct unary {
    MLO_BY_TYPE(map_fn);
    const char *names[2]; /* attributes for a and b */
    double usual[2];
    bool truth; /* the result is bool */
};

static double constant(const struct mlo_node *n, const char *name, double usual)
{
    const struct mlo_attr *a = name ? mlo_node_attr(n, name) : NULL;
    return !a ? usual : a->kind == MLO_ATTR_INT ? (double)a->i : (double)a->f;
}

static int map_halves(struct mlo_op_call *c, map_fn *map, const struct mlo_array *a, struct mlo_array *out,
                      const struct constants *k, struct mlo_err *err)
{
    void *wide;
    int rc = mlo_scratch(c, a->n, sizeof(float), &wide, err);
    if (rc != 0)
        return rc;
    mlo_halves_to_floats(a->dtype, a->data, wide, a->n);
    map(wide, out->dtype == MLO_DT_BOOL ? out->data : wide, a->n, k);
    if (out->dtype != MLO_DT_BOOL)
        mlo_floats_to_halves(a->dtype, wide, out->data, a->n);
    return 0;
}

static int run_unary(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct unary *u = c->how;
    const struct mlo_array *a;
    struct mlo_array *out;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc != 0)
        return rc;
    map_fn *map = MLO_OF_TYPE(u, a->dtype);
    if (!map)
        return mlo_op_refuse(c, err, "not for this type");
    rc = mlo_out_new(c, 0, u->truth ? MLO_DT_BOOL : a->dtype, a->dims, a->rank, &out, err);
    if (rc != 0 || !out)
        return rc;
    struct constants k = {constant(c->node, u->names[0], u->usual[0]),
                          constant(c->node, u->names[1], u->usual[1])};
    if (a->dtype == MLO_DT_F16 || a->dtype == MLO_DT_BF16)
        return map_halves(c, map, a, out, &k, err);
    map(a->data, out->data, a->n, &k);
    return 0;
}

static int run_gelu(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct unary *forms = c->how;
    struct mlo_op_call with = *c;
    with.how = &forms[mlo_attr_is(c->node, "approximate", "tanh")];
    return run_unary(&with, err);
}

/* ---- the table ---- */

#define PLAIN(op_name, version, op)                                                                          \
    {                                                                                                        \
        .name = op_name, .since = version, .run = run_unary, .in_place = true, .how = &(const struct unary)  \
        {                                                                                                    \
            MLO_REAL(op)                                                                                     \
        }                                                                                                    \
    }

static const struct unary gelus[] = {{MLO_REAL(gelu)}, {MLO_REAL(gelu_tanh)}};

static const struct mlo_op ops[] = {
    {"Abs", 6, run_unary, .how = &(const struct unary){MLO_REAL(abs), MLO_SIGNED(abs), MLO_UNSIGNED(abs)}},
    {"Neg", 6, run_unary, .how = &(const struct unary){MLO_REAL(neg), MLO_SIGNED(neg)}},
    {"Sign", 9, run_unary,
     .how = &(const struct unary){MLO_REAL(sign), MLO_SIGNED(sign), MLO_UNSIGNED(sign)}},
    {"Not", 1, run_unary, .how = &(const struct unary){.boolean = not_u8}},
    {"BitwiseNot", 18, run_unary,
     .how = &(const struct unary){MLO_UNSIGNED(inverse), MLO_UNSIGNED_AS_SIGNED(inverse)}},
    PLAIN("Sqrt", 6, sqrt),
    PLAIN("Exp", 6, exp),
    PLAIN("Log", 6, log),
    PLAIN("Reciprocal", 6, reciprocal),
    PLAIN("Floor", 6, floor),
    PLAIN("Ceil", 6, ceil),
    PLAIN("Round", 11, round),
    PLAIN("Erf", 9, erf),
    PLAIN("Sin", 7, sin),
    PLAIN("Cos", 7, cos),
    PLAIN("Tan", 7, tan),
    PLAIN("Asin", 7, asin),
    PLAIN("Acos", 7, acos),
    PLAIN("Atan", 7, atan),
    PLAIN("Sinh", 9, sinh),
    PLAIN("Cosh", 9, cosh),
    PLAIN("Tanh", 6, tanh),
    PLAIN("Asinh", 9, asinh),
    PLAIN("Acosh", 9, acosh),
    PLAIN("Atanh", 9, atanh),
    PLAIN("Sigmoid", 6, sigmoid),
    {"Relu", 6, run_unary, .in_place = true, .how = &(const struct unary){MLO_REAL(relu), MLO_SIGNED(relu)}},
    {"LeakyRelu", 6, run_unary, .in_place = true,
     .how = &(const struct unary){MLO_REAL(leaky_relu), .names = {"alpha"}, .usual = {0.01}}},
    {"Elu", 6, run_unary, .how = &(const struct unary){MLO_REAL(elu), .names = {"alpha"}, .usual = {1}}},
    {"Selu", 6, run_unary,
     .how = &(const struct unary){MLO_REAL(selu), .names = {"alpha", "gamma"},
                                  .usual = {1.67326319217681884765625, 1.05070102214813232421875}}},
    {"Celu", 12, run_unary, .how = &(const struct unary){MLO_REAL(celu), .names = {"alpha"}, .usual = {1}}},
    {"HardSigmoid", 6, run_unary,
     .how = &(const struct unary){MLO_REAL(hard_sigmoid), .names = {"alpha", "beta"}, .usual = {0.2, 0.5}}},
    PLAIN("HardSwish", 14, hard_swish),
    PLAIN("Softplus", 1, softplus),
    PLAIN("Softsign", 1, softsign),
    PLAIN("Mish", 18, mish),
    {"Swish", 24, run_unary, .how = &(const struct unary){MLO_REAL(swish), .names = {"alpha"}, .usual = {1}}},
    {"ThresholdedRelu", 10, run_unary,
     .how = &(const struct unary){MLO_REAL(thresholded), .names = {"alpha"}, .usual = {1}}},
    {"Shrink", 9, run_unary,
     .how = &(const struct unary){MLO_REAL(shrink), .names = {"bias", "lambd"}, .usual = {0, 0.5}}},
    {"Gelu", 20, run_gelu, .how = gelus, .in_place = true},
    {"IsNaN", 9, run_unary, .how = &(const struct unary){MLO_REAL(is_nan), .truth = true}},
    {"IsInf", 10, run_unary,
     .how = &(const struct unary){MLO_REAL(is_inf), .names = {"detect_positive", "detect_negative"},
                                  .usual = {1, 1}, .truth = true}},
};
const struct mlo_op_family mlo_ops_unary = {"", ops, MLO_COUNT(ops)};
