/*
 * Operators of two arrays, element by element, with the broadcasting of NumPy. One loop for each type and
 * operator, chosen once for a call; halves are computed as floats.
 */
#include <math.h>
#include <string.h>

#include "op.h"

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
#define ROWS_REAL(op, expr)                                                                                  \
    ROW(op##_f32, float, float, expr)                                                                        \
    ROW(op##_f64, double, double, expr)
/* Whole numbers wrap around, as NumPy's do: computed without a sign. */
#define ROWS_WHOLE(op, expr)                                                                                 \
    ROW(op##_u8, uint8_t, uint8_t, expr)                                                                     \
    ROW(op##_u16, uint16_t, uint16_t, expr)                                                                  \
    ROW(op##_u32, uint32_t, uint32_t, expr)                                                                  \
    ROW(op##_u64, uint64_t, uint64_t, expr)

#define WIDE(v) ((uint64_t)(v))
ROWS_REAL(add, x + y)
ROWS_REAL(sub, x - y)
ROWS_REAL(mul, x *y)
ROWS_REAL(div, x / y)
ROWS_WHOLE(add, WIDE(x) + WIDE(y))
ROWS_WHOLE(sub, WIDE(x) - WIDE(y))
ROWS_WHOLE(mul, WIDE(x) * WIDE(y))

/* Toward zero; by zero 0, and the least number by -1 itself: nothing traps. */
#define QUOTIENT(x, y)        ((y) == 0 ? 0 : (x) / (y))
#define SIGNED_QUOTIENT(x, y) ((y) == -1 ? -WIDE(x) : WIDE(QUOTIENT(x, y)))
ROW(div_u8, uint8_t, uint8_t, QUOTIENT(x, y))
ROW(div_u16, uint16_t, uint16_t, QUOTIENT(x, y))
ROW(div_u32, uint32_t, uint32_t, QUOTIENT(x, y))
ROW(div_u64, uint64_t, uint64_t, QUOTIENT(x, y))
ROW(div_i8, int8_t, int8_t, SIGNED_QUOTIENT(x, y))
ROW(div_i16, int16_t, int16_t, SIGNED_QUOTIENT(x, y))
ROW(div_i32, int32_t, int32_t, SIGNED_QUOTIENT(x, y))
ROW(div_i64, int64_t, int64_t, SIGNED_QUOTIENT(x, y))

struct binary { /* rows of an operator by type; NULL: not for this type */
    row_fn *f32, *f64, *u8, *i8, *u16, *i16, *u32, *i32, *u64, *i64;
};
#define BOTH_SIGNS(op)                                                                                       \
    {                                                                                                        \
        op##_f32, op##_f64, op##_u8, op##_u8, op##_u16, op##_u16, op##_u32, op##_u32, op##_u64, op##_u64     \
    }
static const struct binary adds = BOTH_SIGNS(add), subs = BOTH_SIGNS(sub), muls = BOTH_SIGNS(mul),
                           divs = {div_f32, div_f64, div_u8,  div_i8,  div_u16,
                                   div_i16, div_u32, div_i32, div_u64, div_i64};

static row_fn *row_of(const struct binary *b, enum mlo_dtype t)
{
    row_fn *const by_type[] = {
        [MLO_DT_F32] = b->f32, [MLO_DT_F64] = b->f64, [MLO_DT_U8] = b->u8,   [MLO_DT_I8] = b->i8,
        [MLO_DT_U16] = b->u16, [MLO_DT_I16] = b->i16, [MLO_DT_U32] = b->u32, [MLO_DT_I32] = b->i32,
        [MLO_DT_U64] = b->u64, [MLO_DT_I64] = b->i64};
    return (size_t)t < MLO_COUNT(by_type) ? by_type[t] : NULL;
}

struct pair {
    row_fn *row;
    const char *a, *b;
    char *out;
    size_t size, a_step, b_step; /* bytes of an element; steps in the last dimension: 0 or 1 */
};

static void walk_row(void *ctx, const size_t *at, size_t n)
{
    const struct pair *p = ctx;
    p->row(p->a + at[0] * p->size, p->a_step, p->b + at[1] * p->size, p->b_step, p->out + at[2] * p->size, n);
}

static int apply(struct mlo_op_call *c, const struct binary *by_type, struct mlo_err *err)
{
    struct mlo_walk w = {.n_operands = 3};
    int64_t dims[MLO_RANK_MAX];
    const struct mlo_array *a, *b;
    struct mlo_array *out;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = mlo_in_typed(c, 1, a->dtype, &b, err);
    if (rc == 0)
        rc = mlo_broadcast_shape(a, b, dims, &w.rank, err);
    if (rc != 0)
        return rc;
    struct pair p = {.row = row_of(by_type, a->dtype), .size = mlo_dtype_bits(a->dtype) / 8};
    if (!p.row)
        return mlo_op_refuse(c, err, "not for this type");
    rc = mlo_out_new(c, 0, a->dtype, dims, w.rank, &out, err);
    if (rc != 0 || !out)
        return rc;
    w.dims = dims;
    mlo_broadcast_strides(a, w.rank, w.strides[0]);
    mlo_broadcast_strides(b, w.rank, w.strides[1]);
    mlo_broadcast_strides(out, w.rank, w.strides[2]);
    p.a = a->data;
    p.b = b->data;
    p.out = out->data;
    p.a_step = w.rank ? w.strides[0][w.rank - 1] : 0;
    p.b_step = w.rank ? w.strides[1][w.rank - 1] : 0;
    mlo_walk_rows(&w, walk_row, &p);
    return 0;
}

static int run_add(struct mlo_op_call *c, struct mlo_err *err)
{
    return apply(c, &adds, err);
}
static int run_sub(struct mlo_op_call *c, struct mlo_err *err)
{
    return apply(c, &subs, err);
}
static int run_mul(struct mlo_op_call *c, struct mlo_err *err)
{
    return apply(c, &muls, err);
}
static int run_div(struct mlo_op_call *c, struct mlo_err *err)
{
    return apply(c, &divs, err);
}

static const struct mlo_op ops[] = {
    {.name = "Add", .since = 7, .run = run_add},
    {.name = "Sub", .since = 7, .run = run_sub},
    {.name = "Mul", .since = 7, .run = run_mul},
    {.name = "Div", .since = 7, .run = run_div},
};
const struct mlo_op_family mlo_ops_element = {"", ops, MLO_COUNT(ops)};
