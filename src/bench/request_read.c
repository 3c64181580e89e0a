/*
 * The body of an Open Inference Protocol v2 request as inputs of a plan: what request.c writes, read back.
 * Numbers are read as the type that the model takes, rounded once, so that they are the same to the last bit.
 */
#include <string.h>

#include <mlopsctl/base/decimal.h>
#include <mlopsctl/base/text.h>

#include "internal.h"

struct input { /* what is said of one */
    struct mlo_array array;
    struct mlo_str name, datatype;
    bool has_shape, has_data;
    struct mlo_jpull data; /* before the list of values */
};

static int want(struct mlo_jpull *j, enum mlo_jtok token, const char *what, struct mlo_err *err)
{
    enum mlo_jtok got;
    int rc = mlo_jpull_next(j, &got, err);
    return rc != 0 || got == token ? rc : mlo_fail(err, MLO_EINVALID, "%s is of another type", what);
}

static int read_text(struct mlo_jpull *j, const char *what, struct mlo_str *ret, struct mlo_err *err)
{
    mlo_str_clear(ret);
    int rc = want(j, MLO_J_STRING, what, err);
    return rc == 0 ? mlo_jpull_unescape(j, ret, err) : rc;
}

/* ---- values ---- */

static int bad_value(const struct mlo_jpull *j, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    return mlo_fail(err, MLO_EINVALID, "its value '%s' is not of its type",
                    mlo_shown(j->text, j->len, shown));
}

/* Signed 64-bit: the digits after a minus are read as an unsigned number. */
static int read_i64(const struct mlo_jpull *j, int64_t *ret, struct mlo_err *err)
{
    bool minus = *j->text == '-';
    struct mlo_jpull digits = *j;
    uint64_t v;
    digits.text += minus;
    digits.len -= minus;
    int rc = mlo_jpull_u64(&digits, &v, err);
    if (rc != 0 || v > (uint64_t)INT64_MAX + minus)
        return bad_value(j, err);
    *ret = minus ? (int64_t)(0 - v) : (int64_t)v;
    return 0;
}

/* Whole numbers of at most 32 bits, by way of a double, which holds all of them. */
static int put_whole(const struct mlo_jpull *j, struct mlo_array *a, size_t i, struct mlo_err *err)
{
    double v, back;
    if (mlo_decimal_read(j->text, j->text + j->len, &v) != j->text + j->len)
        return bad_value(j, err);
    size_t width = mlo_dtype_bits(a->dtype) / 8;
    struct mlo_array from = {.dtype = MLO_DT_F64, .n = 1, .data = &v}, to = *a;
    to.n = 1;
    to.data = (char *)a->data + i * width;
    int rc = mlo_cast_numbers(&from, &to, err);
    if (rc == 0 && (!mlo_dtype_to_double(a->dtype, a->data, i, &back) || back != v))
        rc = bad_value(j, err);
    return rc;
}

static int put_float(const struct mlo_jpull *j, struct mlo_array *a, size_t i, struct mlo_err *err)
{
    const char *end = j->text + j->len;
    float v;
    if (a->dtype == MLO_DT_F64)
        return mlo_decimal_read(j->text, end, (double *)a->data + i) == end ? 0 : bad_value(j, err);
    if (mlo_decimal_read_float(j->text, end, &v) != end)
        return bad_value(j, err);
    if (a->dtype == MLO_DT_F32)
        ((float *)a->data)[i] = v;
    else
        mlo_floats_to_halves(a->dtype, &v, (uint16_t *)a->data + i, 1);
    return 0;
}

static int put_number(const struct mlo_jpull *j, struct mlo_array *a, size_t i, struct mlo_err *err)
{
    if (a->dtype == MLO_DT_I64)
        return read_i64(j, (int64_t *)a->data + i, err);
    if (a->dtype == MLO_DT_U64)
        return mlo_jpull_u64(j, (uint64_t *)a->data + i, err);
    return mlo_dtype_is_float(a->dtype) ? put_float(j, a, i, err) : put_whole(j, a, i, err);
}

static int put_string(const struct mlo_jpull *j, struct mlo_inputs *in, struct mlo_slice *to,
                      struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    int rc = mlo_jpull_unescape(j, &text, err);
    if (rc != 0)
        return rc;
    *to = (struct mlo_slice){mlo_arena_strndup(&in->texts, text.ptr, text.len, err), text.len};
    return to->ptr ? 0 : err->code;
}

static int put_value(const struct mlo_jpull *j, enum mlo_jtok token, struct mlo_inputs *in,
                     struct mlo_array *a, size_t i, struct mlo_err *err)
{
    bool is_bool = token == MLO_J_TRUE || token == MLO_J_FALSE;
    if (a->dtype == MLO_DT_BOOL && is_bool)
        ((uint8_t *)a->data)[i] = token == MLO_J_TRUE;
    else if (a->dtype == MLO_DT_STRING && token == MLO_J_STRING)
        return put_string(j, in, (struct mlo_slice *)a->data + i, err);
    else if (a->dtype != MLO_DT_BOOL && a->dtype != MLO_DT_STRING && token == MLO_J_NUMBER)
        return put_number(j, a, i, err);
    else
        return mlo_fail(err, MLO_EINVALID, "its value %zu is not of its type", i);
    return 0;
}

static int put_values(struct mlo_jpull j, struct mlo_inputs *in, struct mlo_array *a, struct mlo_err *err)
{
    enum mlo_jtok token = MLO_J_ARRAY;
    size_t i = 0;
    int rc = want(&j, MLO_J_ARRAY, "'data'", err);
    if (rc == 0)
        rc = mlo_jpull_next(&j, &token, err);
    for (; rc == 0 && token != MLO_J_ARRAY_END && i < a->n; i++) {
        rc = put_value(&j, token, in, a, i, err);
        if (rc == 0)
            rc = mlo_jpull_next(&j, &token, err);
    }
    if (rc == 0 && (i != a->n || token != MLO_J_ARRAY_END))
        rc = mlo_fail(err, MLO_EINVALID, "it has %s values than its shape says",
                      i == a->n ? "more" : "fewer");
    return rc;
}

/* ---- one input ---- */

static int read_shape(struct mlo_jpull *j, struct mlo_array *a, struct mlo_err *err)
{
    enum mlo_jtok token = MLO_J_ARRAY;
    int rc = want(j, MLO_J_ARRAY, "'shape'", err);
    a->rank = 0;
    if (rc == 0)
        rc = mlo_jpull_next(j, &token, err);
    while (rc == 0 && token == MLO_J_NUMBER) {
        if (a->rank == MLO_RANK_MAX)
            return mlo_fail(err, MLO_EINVALID, "it has more than %d dimensions", MLO_RANK_MAX);
        rc = read_i64(j, &a->dims[a->rank++], err);
        if (rc == 0)
            rc = mlo_jpull_next(j, &token, err);
    }
    if (rc == 0 && token != MLO_J_ARRAY_END)
        rc = mlo_fail(err, MLO_EINVALID, "'shape' is of another type");
    return rc == 0 ? mlo_array_count(a->dims, a->rank, &a->n, err) : rc;
}

static int read_member(struct mlo_jpull *j, struct input *x, struct mlo_err *err)
{
    if (mlo_jpull_is(j, "name"))
        return read_text(j, "'name'", &x->name, err);
    if (mlo_jpull_is(j, "datatype"))
        return read_text(j, "'datatype'", &x->datatype, err);
    if (mlo_jpull_is(j, "shape")) {
        x->has_shape = true;
        return read_shape(j, &x->array, err);
    }
    if (mlo_jpull_is(j, "data")) {
        x->data = *j;
        x->has_data = true;
    }
    return mlo_jpull_skip(j, err);
}

static int find_port(const struct mlo_port_type *ports, const struct mlo_inputs *in, const struct input *x,
                     size_t *ret, struct mlo_err *err)
{
    for (size_t i = 0; i < in->n; i++)
        if (strcmp(ports[i].name, x->name.ptr) == 0) {
            *ret = i;
            return in->data[i] ? mlo_fail(err, MLO_EINVALID, "it is there twice") : 0;
        }
    return mlo_fail(err, MLO_EINVALID, "the model has no input of this name");
}

/* Room for its values, not more than there can be in so much text. */
static int make_room(struct mlo_inputs *in, size_t at, struct input *x, struct mlo_err *err)
{
    struct mlo_array *a = &x->array;
    size_t bytes, width = a->dtype == MLO_DT_STRING ? sizeof(struct mlo_slice) : mlo_dtype_bits(a->dtype) / 8;
    if (a->n > (size_t)(x->data.end - x->data.p))
        return mlo_fail(err, MLO_EINVALID, "it has fewer values than its shape says");
    bytes = a->n * width;
    a->data = in->data[at] = aligned_alloc(64, (bytes + 64) & ~(size_t)63);
    in->values[at] = (struct mlo_value){.kind = MLO_KIND_ARRAY, .array = *a};
    return a->data ? 0 : mlo_fail_nomem(err);
}

static int take_input(const struct mlo_port_type *ports, struct mlo_inputs *in, struct input *x,
                      struct mlo_err *err)
{
    size_t at = 0;
    int rc = mlo_str_check(&x->name, err);
    if (rc == 0)
        rc = find_port(ports, in, x, &at, err);
    if (rc != 0)
        return rc;
    const char *type = mlo_infer_datatype(ports[at].dtype);
    if (!type || strcmp(type, x->datatype.ptr) != 0)
        return mlo_fail(err, MLO_EINVALID, "the model takes %s, not '%.20s'", mlo_dtype_name(ports[at].dtype),
                        x->datatype.ptr);
    if (!x->has_shape || !x->has_data)
        return mlo_fail(err, MLO_EINVALID, "it has no %s", x->has_shape ? "'data'" : "'shape'");
    x->array.dtype = ports[at].dtype;
    rc = make_room(in, at, x, err);
    return rc == 0 ? put_values(x->data, in, &x->array, err) : rc;
}

/* Members come in any order: the values are read when all others are known. */
static int read_input(struct mlo_jpull *j, const struct mlo_port_type *ports, struct mlo_inputs *in,
                      struct mlo_err *err)
{
    struct input x = {.has_shape = false};
    char shown[MLO_SHOWN];
    enum mlo_jtok token = MLO_J_OBJECT;
    mlo_str_init(&x.name, MLO_STR_MAX);
    mlo_str_init(&x.datatype, MLO_STR_MAX);
    int rc = mlo_jpull_next(j, &token, err);
    while (rc == 0 && token == MLO_J_KEY) {
        rc = read_member(j, &x, err);
        if (rc == 0)
            rc = mlo_jpull_next(j, &token, err);
    }
    if (rc == 0)
        rc = take_input(ports, in, &x, err);
    if (rc != 0)
        mlo_wrap(err, "input '%s'", mlo_shown(x.name.ptr, x.name.len, shown));
    mlo_str_release(&x.name);
    mlo_str_release(&x.datatype);
    return rc;
}

/* ---- the body ---- */

static int read_inputs(struct mlo_jpull *j, const struct mlo_port_type *ports, struct mlo_inputs *in,
                       struct mlo_err *err)
{
    enum mlo_jtok token = MLO_J_ARRAY;
    int rc = want(j, MLO_J_ARRAY, "'inputs'", err);
    if (rc == 0)
        rc = mlo_jpull_next(j, &token, err);
    while (rc == 0 && token == MLO_J_OBJECT) {
        rc = read_input(j, ports, in, err);
        if (rc == 0)
            rc = mlo_jpull_next(j, &token, err);
    }
    return rc == 0 && token != MLO_J_ARRAY_END ? mlo_fail(err, MLO_EINVALID, "an input is no object") : rc;
}

static int read_body(struct mlo_jpull *j, const struct mlo_port_type *ports, struct mlo_inputs *in,
                     struct mlo_err *err)
{
    enum mlo_jtok token = MLO_J_OBJECT;
    int rc = want(j, MLO_J_OBJECT, "the request", err);
    if (rc == 0)
        rc = mlo_jpull_next(j, &token, err);
    while (rc == 0 && token == MLO_J_KEY) {
        rc = mlo_jpull_is(j, "inputs") ? read_inputs(j, ports, in, err) : mlo_jpull_skip(j, err);
        if (rc == 0)
            rc = mlo_jpull_next(j, &token, err);
    }
    for (size_t i = 0; rc == 0 && i < in->n; i++)
        if (!in->data[i])
            rc = mlo_fail(err, MLO_EINVALID, "input '%s' is missing", ports[i].name);
    return rc;
}

int mlo_infer_request_read(struct mlo_jpull *j, const struct mlo_port_type *ports, size_t n,
                           struct mlo_inputs **ret, struct mlo_err *err)
{
    struct mlo_inputs *in = NULL;
    int rc = mlo_inputs_room(n, &in, err);
    if (rc == 0)
        rc = read_body(j, ports, in, err);
    if (rc != 0)
        mlo_inputs_free(in);
    else
        *ret = in;
    return rc;
}
