/* Values of one type as another: Cast, CastLike, BitCast. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <mlopsctl/base/text.h>

#include "op.h"

#define NUMBER_TEXT 64

/* ---- numbers and texts ---- */

/* Eight digits, also of a double, which may lose some: what ONNX Runtime writes, and models compare with. */
static int format_number(double v, char buf[NUMBER_TEXT])
{
    if (isnan(v))
        return snprintf(buf, NUMBER_TEXT, "NaN");
    if (isinf(v))
        return snprintf(buf, NUMBER_TEXT, v < 0 ? "-INF" : "INF");
    return snprintf(buf, NUMBER_TEXT, "%.8g", v);
}

static int format_value(const struct mlo_array *a, size_t i, char buf[NUMBER_TEXT])
{
    double v = 0;
    if (a->dtype == MLO_DT_I64)
        return snprintf(buf, NUMBER_TEXT, "%" PRId64, ((const int64_t *)a->data)[i]);
    if (a->dtype == MLO_DT_U64)
        return snprintf(buf, NUMBER_TEXT, "%" PRIu64, ((const uint64_t *)a->data)[i]);
    mlo_dtype_to_double(a->dtype, a->data, i, &v);
    if (a->dtype == MLO_DT_F32 || a->dtype == MLO_DT_F64 || a->dtype == MLO_DT_F16 || a->dtype == MLO_DT_BF16)
        return format_number(v, buf);
    return snprintf(buf, NUMBER_TEXT, "%.0f", v);
}

static int to_texts(struct mlo_op_call *c, const struct mlo_array *a, struct mlo_array *out,
                    struct mlo_err *err)
{
    struct mlo_slice *to = out->data;
    for (size_t i = 0; i < a->n; i++) {
        char buf[NUMBER_TEXT], *own;
        size_t n = (size_t)format_value(a, i, buf);
        int rc = mlo_text_new(c->session, n, &own, err);
        if (rc != 0)
            return rc;
        memcpy(own, buf, n);
        to[i] = (struct mlo_slice){own, n};
    }
    return 0;
}

/* *ret_whole: the same exactly, when it is a whole number that int64 holds. */
static int parse(const struct mlo_slice *s, double *ret, int64_t *ret_whole, bool *ret_exact,
                 struct mlo_err *err)
{
    char buf[NUMBER_TEXT], *end;
    if (s->len == 0 || s->len >= sizeof buf)
        return mlo_fail(err, MLO_EINVALID, "a text that is no number");
    memcpy(buf, s->ptr, s->len);
    buf[s->len] = '\0';
    *ret = strtod(buf, &end);
    if (*end) {
        char shown[MLO_SHOWN];
        return mlo_fail(err, MLO_EINVALID, "'%s' is no number", mlo_shown(s->ptr, s->len, shown));
    }
    errno = 0;
    *ret_whole = strtoll(buf, &end, 10);
    *ret_exact = *end == '\0' && errno == 0;
    return 0;
}

static int from_texts(struct mlo_op_call *c, const struct mlo_array *a, struct mlo_array *out,
                      struct mlo_err *err)
{
    struct mlo_array numbers = *a;
    double *values;
    void *whole;
    bool exact = out->dtype == MLO_DT_I64;
    int rc = mlo_scratch_doubles(c, a->n, &values, err);
    if (rc == 0)
        rc = mlo_scratch(c, a->n, sizeof(int64_t), &whole, err);
    for (size_t i = 0; rc == 0 && i < a->n; i++) {
        bool one = false;
        rc = parse(&((const struct mlo_slice *)a->data)[i], &values[i], &((int64_t *)whole)[i], &one, err);
        exact = exact && one;
    }
    numbers.data = exact ? whole : values;
    numbers.dtype = exact ? MLO_DT_I64 : MLO_DT_F64;
    return rc == 0 ? mlo_cast_numbers(&numbers, out, err) : rc;
}

/* ---- operators ---- */

static int cast(struct mlo_op_call *c, enum mlo_dtype t, struct mlo_err *err)
{
    const struct mlo_array *a;
    struct mlo_array *out;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0 && t == MLO_DT_UNKNOWN)
        rc = mlo_fail(err, MLO_EINVALID, "a type that is not known");
    if (rc == 0 && a->dtype == t) {
        mlo_out_same(c, 0, c->in[0]);
        return 0;
    }
    if (rc == 0)
        rc = mlo_out_new(c, 0, t, a->dims, a->rank, &out, err);
    if (rc != 0 || !out)
        return rc;
    if (t == MLO_DT_STRING)
        return to_texts(c, a, out, err);
    if (a->dtype == MLO_DT_STRING)
        return from_texts(c, a, out, err);
    return mlo_cast_small(a, out, mlo_attr_int(c->node, "saturate", 1) != 0, err);
}

static int run_cast(struct mlo_op_call *c, struct mlo_err *err)
{
    return cast(c, mlo_onnx_type_of((uint64_t)mlo_attr_int(c->node, "to", 0)), err);
}

static int run_cast_like(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *like;
    int rc = mlo_in_array(c, 1, &like, err);
    return rc == 0 ? cast(c, like->dtype, err) : rc;
}

/* The same bytes; of as many bits each. */
static int run_bit_cast(struct mlo_op_call *c, struct mlo_err *err)
{
    enum mlo_dtype t = mlo_onnx_type_of((uint64_t)mlo_attr_int(c->node, "to", 0));
    const struct mlo_array *a;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0 && (mlo_dtype_bits(t) == 0 || mlo_dtype_bits(t) != mlo_dtype_bits(a->dtype)))
        rc = mlo_op_refuse(c, err, "not to %s", mlo_dtype_name(t));
    if (rc == 0)
        rc = mlo_out_view(c, 0, c->in[0], a->dims, a->rank, err);
    if (rc == 0 && c->out[0])
        c->out[0]->array.dtype = t;
    return rc;
}

static const struct mlo_op ops[] = {
    {.name = "Cast", .since = 6, .run = run_cast},
    {.name = "CastLike", .since = 15, .run = run_cast_like},
    {.name = "BitCast", .since = 26, .run = run_bit_cast},
};
const struct mlo_op_family mlo_ops_cast = {"", ops, MLO_COUNT(ops)};
