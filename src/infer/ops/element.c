/*
 * Operators of two arrays, element by element, with the broadcasting of NumPy. One loop for each type and
 * operator, chosen once for a call; halves are computed as floats.
 */
#include <tgmath.h>
#include <string.h>

#include "by_type.h"

typedef void row_fn(const char *a, size_t a_step, const char *b, size_t b_step, char *out, size_t n);

/* A step of 0 repeats an operand. The plain cases stand apart, so that the compiler makes vectors of them. */
#define ROW(name, type, result, expr)                                                                        \
    static void name(const char *a, size_t a_step, const char *b, size_t b_step, char *out, size_t n)        \
    {                                                                                                        \
        const type *p = (const type *)(const void *)a, *q = (const type *)(const void *)b;                   \
        result *o = (result *)(void *)out;                                                                   \
        if (a_step && b_step)                                                                                \
            for (size_t i = 0; i < n; i++) {                                                                 \
                type x = p[i], y = q[i];                                                                     \
                o[i] = (result)(expr);                                                                       \
            }                                                                                                \
        else                                                                                                 \
            for (size_t i = 0; i < n; i++) {                                                                 \
                type x = p[i * a_step], y = q[i * b_step];                                                   \
                o[i] = (result)(expr);                                                                       \
            }                                                                                                \
    }

MLO_MAKE_REAL(ROW, add, x + y)
MLO_MAKE_REAL(ROW, sub, x - y)
MLO_MAKE_REAL(ROW, mul, x *y)
MLO_MAKE_REAL(ROW, div, x / y)
/* Whole numbers wrap around, as NumPy's do: computed without a sign. */
MLO_MAKE_UNSIGNED(ROW, add, MLO_WIDE(x) + MLO_WIDE(y))
MLO_MAKE_UNSIGNED(ROW, sub, MLO_WIDE(x) - MLO_WIDE(y))
MLO_MAKE_UNSIGNED(ROW, mul, MLO_WIDE(x) * MLO_WIDE(y))

/* Toward zero; by zero 0, and the least number by -1 itself: nothing traps. */
#define QUOTIENT(x, y)        ((y) == 0 ? 0 : (x) / (y))
#define SIGNED_QUOTIENT(x, y) ((y) == -1 ? -MLO_WIDE(x) : MLO_WIDE(QUOTIENT(x, y)))
MLO_MAKE_UNSIGNED(ROW, div, QUOTIENT(x, y))
MLO_MAKE_SIGNED(ROW, div, SIGNED_QUOTIENT(x, y))

/* The sign of the divisor; by zero 0. */
#define MODULO(x, y) ((y) == 0 ? 0 : (x) % (y))
#define SIGNED_MODULO(x, y)                                                                                  \
    ((y) == -1 || (y) == 0 ? 0 : (x) % (y) + ((x) % (y) != 0 && ((x) % (y) < 0) != ((y) < 0) ? (y) : 0))
#define SIGNED_REST(x, y) ((y) == -1 || (y) == 0 ? 0 : (x) % (y))
MLO_MAKE_UNSIGNED(ROW, modulo, MODULO(x, y))
MLO_MAKE_SIGNED(ROW, modulo, SIGNED_MODULO(x, y))
MLO_MAKE_REAL(ROW, remainder, fmod(x, y))
MLO_MAKE_UNSIGNED(ROW, remainder, MODULO(x, y))
MLO_MAKE_SIGNED(ROW, remainder, SIGNED_REST(x, y))

/* By squaring, wrapping around; a negative power of a whole number is 0, but of 1 and -1. */
static uint64_t whole_power(uint64_t base, int64_t exponent)
{
    if (exponent < 0)
        return base == 1 ? 1 : base == UINT64_MAX ? (exponent & 1 ? base : 1) : 0;
    uint64_t power = 1;
    for (uint64_t e = (uint64_t)exponent; e; e >>= 1, base *= base)
        power *= e & 1 ? base : 1;
    return power;
}
MLO_MAKE_REAL(ROW, power, pow(x, y))
MLO_MAKE_UNSIGNED(ROW, power, whole_power(x, (int64_t)(y &MLO_WIDE(INT64_MAX))))
MLO_MAKE_SIGNED(ROW, power, whole_power((uint64_t)x, y))

/* NaN wins. */
MLO_MAKE_REAL(ROW, least, isnan(x) || x < y ? x : y)
MLO_MAKE_REAL(ROW, greatest, isnan(x) || x > y ? x : y)
MLO_MAKE_UNSIGNED(ROW, least, x < y ? x : y)
MLO_MAKE_UNSIGNED(ROW, greatest, x > y ? x : y)
MLO_MAKE_SIGNED(ROW, least, x < y ? x : y)
MLO_MAKE_SIGNED(ROW, greatest, x > y ? x : y)

MLO_MAKE_REAL(ROW, prelu, x < 0 ? x * y : x)
MLO_MAKE_SIGNED(ROW, prelu, x < 0 ? MLO_WIDE(x) * MLO_WIDE(y) : MLO_WIDE(x))

MLO_MAKE_UNSIGNED(ROW, bit_and, x &y)
MLO_MAKE_UNSIGNED(ROW, bit_or, x | y)
MLO_MAKE_UNSIGNED(ROW, bit_xor, x ^ y)
MLO_MAKE_UNSIGNED(ROW, left, y >= 8 * sizeof x ? 0 : MLO_WIDE(x) << y)
MLO_MAKE_UNSIGNED(ROW, right, y >= 8 * sizeof x ? 0 : x >> y)

MLO_MAKE_TRUTH(ROW, equal, x == y)
MLO_MAKE_TRUTH(ROW, less, x < y)
MLO_MAKE_TRUTH(ROW, less_equal, x <= y)
MLO_MAKE_TRUTH(ROW, greater, x > y)
MLO_MAKE_TRUTH(ROW, greater_equal, x >= y)
ROW(both_u8, uint8_t, uint8_t, x &&y)
ROW(either_u8, uint8_t, uint8_t, x || y)
ROW(differ_u8, uint8_t, uint8_t, !x != !y)

static void equal_slices(const char *a, size_t a_step, const char *b, size_t b_step, char *out, size_t n)
{
    const struct mlo_slice *p = (const struct mlo_slice *)(const void *)a, *q = (const void *)b;
    for (size_t i = 0; i < n; i++) {
        const struct mlo_slice *x = &p[i * a_step], *y = &q[i * b_step];
        out[i] = x->len == y->len && (x->len == 0 || memcmp(x->ptr, y->ptr, x->len) == 0);
    }
}

struct binary {
    MLO_BY_TYPE(row_fn);
    bool truth; /* the result is bool */
};

/* ---- one call ---- */

struct rows {
    row_fn *row;
    const char *a, *b;
    char *out;
    size_t a_size, b_size, out_size; /* bytes of an element */
    size_t a_step, b_step;           /* in the last dimension: 0 or 1 */
};

static void walk_row(void *ctx, const size_t *at, size_t n)
{
    const struct rows *p = ctx;
    p->row(p->a + at[0] * p->a_size, p->a_step, p->b + at[1] * p->b_size, p->b_step,
           p->out + at[2] * p->out_size, n);
}

static void walk(struct rows *p, const struct mlo_array *a, const struct mlo_array *b,
                 const struct mlo_array *out)
{
    struct mlo_walk w = {.n_operands = 3, .dims = out->dims, .rank = out->rank};
    mlo_broadcast_strides(a, w.rank, w.strides[0]);
    mlo_broadcast_strides(b, w.rank, w.strides[1]);
    mlo_broadcast_strides(out, w.rank, w.strides[2]);
    p->a_step = w.rank ? w.strides[0][w.rank - 1] : 0;
    p->b_step = w.rank ? w.strides[1][w.rank - 1] : 0;
    mlo_walk_rows(&w, walk_row, p);
}

/* Halves as floats for the time of the call; anything else as it is. */
static int widened(struct mlo_op_call *c, const struct mlo_array *a, const void **ret, size_t *ret_size,
                   struct mlo_err *err)
{
    void *wide;
    *ret = a->data;
    *ret_size = mlo_dtype_bits(a->dtype) / 8;
    if (a->dtype != MLO_DT_F16 && a->dtype != MLO_DT_BF16)
        return 0;
    int rc = mlo_scratch(c, a->n, sizeof(float), &wide, err);
    if (rc != 0)
        return rc;
    mlo_halves_to_floats(a->dtype, a->data, wide, a->n);
    *ret = wide;
    *ret_size = sizeof(float);
    return 0;
}

static int combine(struct mlo_op_call *c, const struct binary *by_type, const struct mlo_array *a,
                   const struct mlo_array *b, struct mlo_array *out, struct mlo_err *err)
{
    struct rows p = {.row = MLO_OF_TYPE(by_type, a->dtype), .out = out->data};
    bool half = (a->dtype == MLO_DT_F16 || a->dtype == MLO_DT_BF16) && !by_type->truth;
    const void *x = NULL, *y = NULL;
    void *wide = NULL;
    int rc = widened(c, a, &x, &p.a_size, err);
    if (rc == 0)
        rc = widened(c, b, &y, &p.b_size, err);
    if (rc == 0 && half)
        rc = mlo_scratch(c, out->n, sizeof(float), &wide, err);
    if (rc != 0)
        return rc;
    p.a = x;
    p.b = y;
    p.out = half ? wide : out->data;
    p.out_size = half ? sizeof(float) : mlo_dtype_bits(out->dtype) / 8;
    walk(&p, a, b, out);
    if (half)
        mlo_floats_to_halves(out->dtype, wide, out->data, out->n);
    return 0;
}

static int run_binary(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct binary *by_type = c->how;
    int64_t dims[MLO_RANK_MAX];
    const struct mlo_array *a, *b;
    struct mlo_array *out;
    unsigned rank;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = mlo_in_typed(c, 1, a->dtype, &b, err);
    if (rc == 0)
        rc = mlo_broadcast_shape(a, b, dims, &rank, err);
    if (rc == 0 && !MLO_OF_TYPE(by_type, a->dtype))
        rc = mlo_op_refuse(c, err, "not for this type");
    if (rc == 0)
        rc = mlo_out_new(c, 0, by_type->truth ? MLO_DT_BOOL : a->dtype, dims, rank, &out, err);
    return rc == 0 && out ? combine(c, by_type, a, b, out, err) : rc;
}

/* Texts are compared as a whole: one that is repeated is compared with each. */
static int equal_texts(struct mlo_op_call *c, const struct mlo_array *a, const struct mlo_array *b,
                       struct mlo_err *err)
{
    int64_t dims[MLO_RANK_MAX];
    struct mlo_array *out;
    struct rows p = {.row = equal_slices, .a = a->data, .b = b->data, .out_size = 1};
    unsigned rank;
    int rc = mlo_broadcast_shape(a, b, dims, &rank, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, MLO_DT_BOOL, dims, rank, &out, err);
    if (rc != 0 || !out)
        return rc;
    p.a_size = p.b_size = sizeof(struct mlo_slice);
    p.out = out->data;
    walk(&p, a, b, out);
    return 0;
}

static int run_equal(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a = mlo_in(c, 0), *b = mlo_in(c, 1);
    bool texts = a && b && a->dtype == MLO_DT_STRING && b->dtype == MLO_DT_STRING;
    return texts ? equal_texts(c, a, b, err) : run_binary(c, err);
}

/* ---- any number of inputs: one after the other ---- */

static int fold_inputs(struct mlo_op_call *c, const struct binary *by_type, struct mlo_array *out,
                       struct mlo_err *err)
{
    struct mlo_array so_far = *mlo_in(c, 0);
    int rc = 0;
    for (size_t i = 1; rc == 0 && i < c->n_in; i++) {
        struct mlo_array step = {.dtype = out->dtype};
        rc = mlo_broadcast_shape(&so_far, mlo_in(c, i), step.dims, &step.rank, err);
        if (rc == 0)
            rc = mlo_array_count(step.dims, step.rank, &step.n, err);
        if (rc == 0 && i + 1 == c->n_in)
            step = *out;
        else if (rc == 0)
            rc = mlo_scratch(c, step.n, mlo_dtype_bits(step.dtype) / 8, &step.data, err);
        if (rc == 0)
            rc = combine(c, by_type, &so_far, mlo_in(c, i), &step, err);
        so_far = step;
    }
    return rc;
}

static int run_variadic(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a = NULL;
    struct mlo_array all = {0}, *out;
    int rc = mlo_in_array(c, 0, &a, err);
    for (size_t i = 0; rc == 0 && i < c->n_in; i++) {
        const struct mlo_array *b;
        unsigned rank;
        rc = mlo_in_typed(c, i, a->dtype, &b, err);
        if (rc == 0 && i == 0)
            all = *b;
        if (rc == 0)
            rc = mlo_broadcast_shape(&all, b, all.dims, &rank, err);
        if (rc == 0)
            all.rank = rank;
    }
    if (rc == 0 && !MLO_OF_TYPE((const struct binary *)c->how, a->dtype))
        rc = mlo_op_refuse(c, err, "not for this type");
    if (rc == 0 && c->n_in == 1) {
        mlo_out_same(c, 0, c->in[0]);
        return 0;
    }
    if (rc == 0)
        rc = mlo_out_new(c, 0, a->dtype, all.dims, all.rank, &out, err);
    return rc == 0 && out ? fold_inputs(c, c->how, out, err) : rc;
}

static int run_mean(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0 && a->dtype != MLO_DT_F32 && a->dtype != MLO_DT_F64)
        rc = mlo_op_refuse(c, err, "not for this type");
    if (rc == 0)
        rc = run_variadic(c, err);
    if (rc != 0 || c->n_in == 1 || !c->out[0])
        return rc;
    struct mlo_array *out = &c->out[0]->array;
    for (size_t i = 0; i < out->n; i++)
        if (out->dtype == MLO_DT_F32)
            ((float *)out->data)[i] /= (float)c->n_in;
        else
            ((double *)out->data)[i] /= (double)c->n_in;
    return 0;
}

/* ---- attributes that choose the operator ---- */

static int run_mod(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct binary *both = c->how;
    struct mlo_op_call with = *c;
    with.how = &both[mlo_attr_int(c->node, "fmod", 0) != 0];
    return run_binary(&with, err);
}

static int run_bit_shift(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct binary *both = c->how;
    struct mlo_op_call with = *c;
    with.how = &both[mlo_attr_is(c->node, "direction", "RIGHT")];
    return run_binary(&with, err);
}

/* The exponent may be of another type: it is taken to the base's. */
static int run_pow(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a, *b;
    struct mlo_value exponent;
    const struct mlo_value *in[2];
    struct mlo_op_call with = *c;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = mlo_in_array(c, 1, &b, err);
    if (rc != 0 || a->dtype == b->dtype)
        return rc != 0 ? rc : run_binary(c, err);
    exponent = *c->in[1];
    exponent.array.dtype = a->dtype;
    rc = mlo_scratch(c, b->n, 8, &exponent.array.data, err);
    if (rc == 0)
        rc = mlo_cast_numbers(b, &exponent.array, err);
    in[0] = c->in[0];
    in[1] = &exponent;
    with.in = in;
    return rc == 0 ? run_binary(&with, err) : rc;
}

/* ---- the table ---- */

#define WHOLE(op)    MLO_UNSIGNED(op), MLO_SIGNED(op)
#define WRAPPING(op) MLO_UNSIGNED(op), MLO_UNSIGNED_AS_SIGNED(op)

static const struct binary add = {MLO_REAL(add), WRAPPING(add)}, sub = {MLO_REAL(sub), WRAPPING(sub)},
                           mul = {MLO_REAL(mul), WRAPPING(mul)}, quotient = {MLO_REAL(div), WHOLE(div)},
                           power = {MLO_REAL(power), WHOLE(power)}, least = {MLO_REAL(least), WHOLE(least)},
                           greatest = {MLO_REAL(greatest), WHOLE(greatest)},
                           modulo[] = {{WHOLE(modulo)}, {MLO_REAL(remainder), WHOLE(remainder)}},
                           shift[] = {{MLO_UNSIGNED(left)}, {MLO_UNSIGNED(right)}},
                           bit_and = {WRAPPING(bit_and)}, bit_or = {WRAPPING(bit_or)},
                           bit_xor = {WRAPPING(bit_xor)}, prelu = {MLO_REAL(prelu), MLO_SIGNED(prelu)},
                           equal = {MLO_REAL(equal), WHOLE(equal), .boolean = equal_u8, .truth = true},
                           less = {MLO_REAL(less), WHOLE(less), .truth = true},
                           less_equal = {MLO_REAL(less_equal), WHOLE(less_equal), .truth = true},
                           greater = {MLO_REAL(greater), WHOLE(greater), .truth = true},
                           greater_equal = {MLO_REAL(greater_equal), WHOLE(greater_equal), .truth = true},
                           both = {.boolean = both_u8, .truth = true},
                           either = {.boolean = either_u8, .truth = true},
                           differ = {.boolean = differ_u8, .truth = true};

static const struct mlo_op ops[] = {
    {.name = "Add", .since = 7, .run = run_binary, .how = &add, .in_place = true},
    {.name = "Sub", .since = 7, .run = run_binary, .how = &sub, .in_place = true},
    {.name = "Mul", .since = 7, .run = run_binary, .how = &mul, .in_place = true},
    {.name = "Div", .since = 7, .run = run_binary, .how = &quotient, .in_place = true},
    {.name = "Pow", .since = 7, .run = run_pow, .how = &power},
    {.name = "Mod", .since = 10, .run = run_mod, .how = modulo},
    {.name = "BitShift", .since = 11, .run = run_bit_shift, .how = shift},
    {.name = "BitwiseAnd", .since = 18, .run = run_binary, .how = &bit_and},
    {.name = "BitwiseOr", .since = 18, .run = run_binary, .how = &bit_or},
    {.name = "BitwiseXor", .since = 18, .run = run_binary, .how = &bit_xor},
    {.name = "PRelu", .since = 7, .run = run_binary, .how = &prelu},
    {.name = "Sum", .since = 6, .run = run_variadic, .how = &add},
    {.name = "Min", .since = 6, .run = run_variadic, .how = &least},
    {.name = "Max", .since = 6, .run = run_variadic, .how = &greatest},
    {.name = "Mean", .since = 6, .run = run_mean, .how = &add},
    {.name = "Equal", .since = 7, .run = run_equal, .how = &equal},
    {.name = "Less", .since = 7, .run = run_binary, .how = &less},
    {.name = "LessOrEqual", .since = 12, .run = run_binary, .how = &less_equal},
    {.name = "Greater", .since = 7, .run = run_binary, .how = &greater},
    {.name = "GreaterOrEqual", .since = 12, .run = run_binary, .how = &greater_equal},
    {.name = "And", .since = 7, .run = run_binary, .how = &both},
    {.name = "Or", .since = 7, .run = run_binary, .how = &either},
    {.name = "Xor", .since = 7, .run = run_binary, .how = &differ},
};
const struct mlo_op_family mlo_ops_element = {"", ops, MLO_COUNT(ops)};
