/*
 * ONNX tensors: where a TensorProto's bytes are, and the reader that turns typed values (float_data,
 * int32_data, ...) into canonical bytes. Raw data is never read here; sizes are checked against the shape
 * before anything is believed.
 */
#include "onnx.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/io.h>

#define PIECE ((size_t)1 << 16)

enum {
    F_DIMS = 1,
    F_TYPE,
    F_SEGMENT,
    F_FLOAT,
    F_INT32,
    F_STRING,
    F_INT64,
    F_NAME,
    F_RAW,
    F_DOUBLE,
    F_UINT64,
    F_EXTERNAL = 13,
    F_LOCATION
};
enum { F_ATTR_FLOATS = 7, F_ATTR_INTS = 8 }; /* of AttributeProto */

static const struct mlo_onnx_type types[] = {
    /* id - 1 is the position */
    {1, MLO_DT_F32, F_FLOAT, 1},      {2, MLO_DT_U8, F_INT32, 1},
    {3, MLO_DT_I8, F_INT32, 1},       {4, MLO_DT_U16, F_INT32, 1},
    {5, MLO_DT_I16, F_INT32, 1},      {6, MLO_DT_I32, F_INT32, 1},
    {7, MLO_DT_I64, F_INT64, 1},      {8, MLO_DT_STRING, F_STRING, 1},
    {9, MLO_DT_BOOL, F_INT32, 1},     {10, MLO_DT_F16, F_INT32, 1},
    {11, MLO_DT_F64, F_DOUBLE, 1},    {12, MLO_DT_U32, F_UINT64, 1},
    {13, MLO_DT_U64, F_UINT64, 1},    {14, MLO_DT_C64, F_FLOAT, 1},
    {15, MLO_DT_C128, F_DOUBLE, 1},   {16, MLO_DT_BF16, F_INT32, 1},
    {17, MLO_DT_F8_E4M3, F_INT32, 1}, {18, MLO_DT_F8_E4M3FNUZ, F_INT32, 1},
    {19, MLO_DT_F8_E5M2, F_INT32, 1}, {20, MLO_DT_F8_E5M2FNUZ, F_INT32, 1},
    {21, MLO_DT_U4, F_INT32, 2},      {22, MLO_DT_I4, F_INT32, 2},
    {23, MLO_DT_F4, F_INT32, 2},      {24, MLO_DT_F8_E8M0, F_INT32, 1},
    {25, MLO_DT_U2, F_INT32, 4},      {26, MLO_DT_I2, F_INT32, 4},
};

const struct mlo_onnx_type *mlo_onnx_type(uint64_t id)
{
    return id >= 1 && id <= MLO_COUNT(types) ? &types[id - 1] : NULL;
}

static bool is_complex(enum mlo_dtype t)
{
    return t == MLO_DT_C64 || t == MLO_DT_C128;
}

/* ---- parsing ---- */

struct values {      /* one of the repeated value fields */
    uint64_t bytes;  /* of the packed ones */
    uint64_t single; /* unpacked occurrences */
};
struct proto {
    const struct mlo_onnx_type *type;
    uint32_t rank;
    uint64_t shape[MLO_MAX_RANK];
    struct mlo_pb name, raw;
    bool has_name, has_raw, external, segment, any_entry;
    struct values values[F_UINT64 + 1];
    struct mlo_pb location, offset, length;
};

static int add_dim(struct proto *p, uint64_t v, struct mlo_err *err)
{
    if (v > INT64_MAX)
        return mlo_fail(err, MLO_EINVALID, "a negative dimension");
    if (p->rank == MLO_MAX_RANK)
        return mlo_fail(err, MLO_EINVALID, "more than %d dimensions", MLO_MAX_RANK);
    p->shape[p->rank++] = v;
    return 0;
}

/* Packed or not: both are allowed. */
static int read_dims(struct proto *p, struct mlo_win *w, const struct mlo_pb *f, struct mlo_err *err)
{
    if (f->wire == MLO_PB_VARINT)
        return add_dim(p, f->value, err);
    int r = mlo_pb_want(f, MLO_PB_LEN, "dims", err);
    w->pos = f->at;
    while (r == 0 && w->pos < f->at + f->len) {
        uint64_t v = 0;
        r = mlo_pb_varint(w, f->at + f->len, &v, err);
        if (r == 0)
            r = add_dim(p, v, err);
    }
    return r;
}

/* {1: key, 2: value}: location, offset, length are kept; checksum and basepath are not ours to use. */
static int read_entry(struct proto *p, struct mlo_win *w, const struct mlo_pb *f, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str key;
    struct mlo_pb g, value = {.wire = MLO_PB_LEN, .at = f->at};
    mlo_str_init(&key, 256);
    int r = mlo_pb_want(f, MLO_PB_LEN, "external_data", err);
    struct mlo_pb_msg m = mlo_pb_open(w, f->at, f->len);
    while (r == 0 && (r = mlo_pb_next(&m, &g, err)) > 0) {
        r = 0;
        if (g.number == 1)
            r = mlo_pb_text(w, &g, "external_data key", &key, err);
        else if (g.number == 2)
            value = g;
    }
    struct mlo_pb *to = strcmp(key.ptr, "location") == 0 ? &p->location
                        : strcmp(key.ptr, "offset") == 0 ? &p->offset
                        : strcmp(key.ptr, "length") == 0 ? &p->length
                                                         : NULL;
    if (r < 0 || !to)
        return r;
    if (to->number)
        return mlo_fail(err, MLO_EINVALID, "external_data: \"%s\" given twice", key.ptr);
    *to = value;
    to->number = 2;
    return 0;
}

static int count_values(struct proto *p, const struct mlo_pb *f)
{
    if (f->wire == MLO_PB_LEN && f->number != F_STRING)
        p->values[f->number].bytes += f->len;
    else
        p->values[f->number].single++;
    return 0;
}

static int read_field(struct proto *p, struct mlo_win *w, const struct mlo_pb *f, struct mlo_err *err)
{
    switch (f->number) {
    case F_DIMS:
        return read_dims(p, w, f, err);
    case F_TYPE:
        p->type = mlo_onnx_type(f->value);
        if (f->wire == MLO_PB_VARINT && p->type)
            return 0;
        return mlo_fail(err, MLO_EINVALID, "data type %" PRIu64, f->value);
    case F_SEGMENT:
        p->segment = true;
        return 0;
    case F_FLOAT:
    case F_INT32:
    case F_STRING:
    case F_INT64:
    case F_DOUBLE:
    case F_UINT64:
        return count_values(p, f);
    case F_NAME:
        p->name = *f;
        p->has_name = f->len > 0;
        return mlo_pb_want(f, MLO_PB_LEN, "name", err);
    case F_RAW:
        if (p->has_raw)
            return mlo_fail(err, MLO_EINVALID, "raw_data given twice");
        p->raw = *f;
        p->has_raw = true;
        return mlo_pb_want(f, MLO_PB_LEN, "raw_data", err);
    case F_EXTERNAL:
        p->any_entry = true;
        return read_entry(p, w, f, err);
    case F_LOCATION:
        p->external = f->value == 1;
        return f->value <= 1 ? mlo_pb_want(f, MLO_PB_VARINT, "data_location", err)
                             : mlo_fail(err, MLO_EINVALID, "data_location %" PRIu64, f->value);
    default:
        return 0;
    }
}

static int parse(struct proto *p, struct mlo_win *w, uint64_t at, uint64_t len, struct mlo_err *err)
{
    struct mlo_pb f;
    struct mlo_pb_msg m = mlo_pb_open(w, at, len);
    int r;
    *p = (struct proto){0};
    while ((r = mlo_pb_next(&m, &f, err)) > 0) {
        r = read_field(p, w, &f, err);
        if (r < 0)
            return mlo_wrap(err, "tensor at byte %" PRIu64, at);
    }
    if (r == 0 && p->segment)
        return mlo_fail(err, MLO_EINVALID, "tensor at byte %" PRIu64 ": in segments", at);
    if (r == 0 && !p->type)
        return mlo_fail(err, MLO_EINVALID, "tensor at byte %" PRIu64 ": no data type", at);
    return r;
}

/* ---- where the bytes are ---- */

static int wrong(const struct mlo_tensor *t, struct mlo_err *err, const char *why)
{
    char shown[MLO_SHOWN];
    return mlo_fail(err, MLO_EINVALID, "tensor \"%s\": %s", mlo_shown(t->name, strlen(t->name), shown), why);
}

/* Half and quarter bytes may leave the last byte unfilled, which other formats do not allow. */
static int measure(struct mlo_tensor *t, struct mlo_err *err)
{
    uint64_t bits = mlo_dtype_bits(t->dtype);
    if (bits == 0 || bits >= 8)
        return mlo_tensor_measure(t, err);
    t->elements = 1;
    for (uint32_t i = 0; i < t->rank; i++)
        if (!mlo_mul_u64(t->elements, t->shape[i], &t->elements))
            return wrong(t, err, "the shape's product overflows");
    if (!mlo_mul_u64(t->elements, bits, &bits))
        return wrong(t, err, "the byte size overflows");
    t->bytes = bits / 8 + (bits % 8 != 0);
    return 0;
}

static int u64_text(struct mlo_win *w, const struct mlo_pb *f, const char *what, uint64_t *ret,
                    struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str s;
    uint64_t v = 0;
    mlo_str_init(&s, 20);
    int r = mlo_pb_text(w, f, what, &s, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9' || !mlo_mul_u64(v, 10, &v) ||
            !mlo_add_u64(v, (uint64_t)(s.ptr[i] - '0'), &v))
            return mlo_fail(err, MLO_EINVALID, "%s is no number of bytes", what);
    *ret = v;
    return s.len ? 0 : mlo_fail(err, MLO_EINVALID, "%s is empty", what);
}

static int place_external(struct mlo_checkpoint *cp, struct mlo_win *w, const struct proto *p,
                          struct mlo_tensor *t, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str path;
    uint64_t end;
    mlo_str_init(&path, MLO_PATH_MAX);
    if (!p->location.number)
        return wrong(t, err, "external data without a location");
    int r = mlo_pb_text(w, &p->location, "location", &path, err);
    if (r == 0)
        r = mlo_path_check(path.ptr, path.len, err);
    t->length = t->bytes;
    if (r == 0 && p->offset.number)
        r = u64_text(w, &p->offset, "offset", &t->offset, err);
    if (r == 0 && p->length.number)
        r = u64_text(w, &p->length, "length", &t->length, err);
    if (r < 0)
        return mlo_wrap(err, "external data of a tensor");
    if (t->length != t->bytes || !mlo_add_u64(t->offset, t->length, &end))
        return wrong(t, err, "its external data has another length than its shape");
    t->store = MLO_TS_EXTERNAL;
    r = mlo_cp_text(cp, path.ptr, path.len, &t->external, err);
    return r < 0 ? r : mlo_cp_add_external(cp, t->external, err);
}

/* Values a field of this type must hold for `elements`; false on overflow. */
static bool values_for(const struct mlo_onnx_type *type, uint64_t elements, uint64_t *ret)
{
    if (is_complex(type->dtype))
        return mlo_mul_u64(elements, 2, ret);
    *ret = elements / type->per + (elements % type->per != 0);
    return true;
}

/* Is the count right as far as can be told without reading the values? Varints have one to ten bytes. */
static bool count_fits(const struct values *v, uint32_t field, uint64_t want)
{
    uint64_t width = field == F_FLOAT ? 4 : field == F_DOUBLE ? 8 : 0;
    if (want < v->single)
        return false;
    want -= v->single;
    if (width)
        return v->bytes % width == 0 && v->bytes / width == want;
    return want <= v->bytes && v->bytes / 10 <= want;
}

static int place_typed(const struct proto *p, uint64_t at, uint64_t len, struct mlo_tensor *t,
                       struct mlo_err *err)
{
    const struct values *v = &p->values[p->type->field];
    uint64_t want;
    if (!values_for(p->type, t->elements, &want) || !count_fits(v, p->type->field, want))
        return wrong(t, err, "it has another number of values than its shape");
    if (p->type->dtype == MLO_DT_STRING)
        return 0;
    t->store = MLO_TS_TYPED;
    t->field = p->type->field;
    t->offset = at;
    t->length = len;
    return 0;
}

static int place(struct mlo_checkpoint *cp, struct mlo_win *w, const struct proto *p, uint64_t at,
                 uint64_t len, struct mlo_tensor *t, struct mlo_err *err)
{
    unsigned kinds = p->has_raw;
    for (uint32_t f = F_FLOAT; f <= F_UINT64; f++)
        kinds += p->values[f].bytes || p->values[f].single;
    t->store = MLO_TS_NONE;
    if (p->external)
        return kinds ? wrong(t, err, "external data and data of its own") : place_external(cp, w, p, t, err);
    if (kinds > 1)
        return wrong(t, err, "values in more than one field");
    if (p->has_raw && p->type->dtype == MLO_DT_STRING)
        return wrong(t, err, "texts in raw_data");
    if (p->has_raw && p->raw.len != t->bytes)
        return wrong(t, err, "raw_data has another size than its shape");
    if (!p->has_raw && kinds)
        return place_typed(p, at, len, t, err);
    if (t->elements && !p->has_raw)
        return wrong(t, err, "no values");
    t->store = p->type->dtype == MLO_DT_STRING ? MLO_TS_NONE : MLO_TS_RANGE;
    t->offset = p->has_raw ? p->raw.at : at;
    t->length = t->bytes;
    return 0;
}

/* ---- adding ---- */

static int tensor_name(struct mlo_checkpoint *cp, struct mlo_win *w, const struct proto *p,
                       const char *prefix, const char *fallback, const char **ret, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str own, full;
    mlo_str_init(&own, MLO_ONNX_TEXT_MAX);
    mlo_str_init(&full, 2 * MLO_ONNX_TEXT_MAX);
    int r = p->has_name ? mlo_pb_text(w, &p->name, "tensor name", &own, err) : 0;
    mlo_str_add(&full, prefix);
    mlo_str_add(&full, p->has_name ? own.ptr : fallback);
    if (r == 0)
        r = mlo_str_check(&full, err);
    return r < 0 ? r : mlo_cp_text(cp, full.ptr, full.len, ret, err);
}

static int add_parsed(struct mlo_checkpoint *cp, struct mlo_win *w, const struct proto *p, uint64_t at,
                      uint64_t len, const char *name, struct mlo_err *err)
{
    struct mlo_tensor t = {
        .name = name, .dtype = p->type->dtype, .type_name = mlo_dtype_name(p->type->dtype), .rank = p->rank};
    uint64_t *shape = mlo_arena_alloc(&cp->arena, p->rank ? p->rank : 1, sizeof *shape, err);
    if (!shape)
        return err->code;
    memcpy(shape, p->shape, p->rank * sizeof *shape);
    t.shape = shape;
    int r = measure(&t, err);
    if (r == 0)
        r = place(cp, w, p, at, len, &t, err);
    return r < 0 ? r : mlo_cp_add_tensor(cp, &t, err);
}

int mlo_onnx_add_tensor(struct mlo_checkpoint *cp, struct mlo_win *w, uint64_t at, uint64_t len,
                        const char *prefix, const char *fallback, struct mlo_err *err)
{
    struct proto p;
    const char *name;
    int r = parse(&p, w, at, len, err);
    if (r == 0)
        r = tensor_name(cp, w, &p, prefix, fallback, &name, err);
    return r < 0 ? r : add_parsed(cp, w, &p, at, len, name, err);
}

static int add_part(struct mlo_checkpoint *cp, struct mlo_win *w, const struct mlo_pb *f, const char *name,
                    const char *part, struct mlo_err *err)
{
    struct proto p;
    MLO_AUTOSTR struct mlo_str full;
    const char *copy;
    mlo_str_init(&full, 2 * MLO_ONNX_TEXT_MAX + 16);
    mlo_str_add(&full, name);
    mlo_str_add(&full, part);
    int r = mlo_str_check(&full, err);
    if (r == 0)
        r = mlo_cp_text(cp, full.ptr, full.len, &copy, err);
    if (r == 0)
        r = parse(&p, w, f->at, f->len, err);
    return r < 0 ? r : add_parsed(cp, w, &p, f->at, f->len, copy, err);
}

int mlo_onnx_add_sparse(struct mlo_checkpoint *cp, struct mlo_win *w, uint64_t at, uint64_t len,
                        const char *prefix, const char *fallback, struct mlo_err *err)
{
    struct mlo_pb f, values = {0}, indices = {0};
    struct mlo_pb_msg m = mlo_pb_open(w, at, len);
    struct proto p;
    const char *name;
    int r;
    while ((r = mlo_pb_next(&m, &f, err)) > 0) {
        struct mlo_pb *to = f.number == 1 ? &values : f.number == 2 ? &indices : NULL;
        if (to && (f.wire != MLO_PB_LEN || to->number))
            return mlo_fail(err, MLO_EINVALID, "sparse tensor at byte %" PRIu64 ": values or indices twice",
                            at);
        if (to)
            *to = f;
    }
    if (r == 0 && (!values.number || !indices.number))
        return mlo_fail(err, MLO_EINVALID, "sparse tensor at byte %" PRIu64 ": no values or no indices", at);
    if (r == 0)
        r = parse(&p, w, values.at, values.len, err);
    if (r == 0)
        r = tensor_name(cp, w, &p, prefix, fallback, &name, err);
    if (r == 0)
        r = add_part(cp, w, &values, name, "/values", err);
    return r < 0 ? r : add_part(cp, w, &indices, name, "/indices", err);
}

/* ---- typed values to bytes ---- */

struct sink {
    int (*fn)(void *ctx, const void *p, size_t n, struct mlo_err *err);
    void *ctx;
    uint8_t buf[PIECE];
    size_t have;
    uint64_t left;  /* bytes still to come */
    unsigned width; /* bytes of one value in the output */
};

static int flush(struct sink *s, struct mlo_err *err)
{
    size_t n = s->have;
    s->have = 0;
    return n ? s->fn(s->ctx, s->buf, n, err) : 0;
}

static int put_value(struct sink *s, uint64_t v, struct mlo_err *err)
{
    if (s->left < s->width)
        return mlo_fail(err, MLO_EINVALID, "more values than its shape");
    if (PIECE - s->have < s->width) {
        int r = flush(s, err);
        if (r < 0)
            return r;
    }
    for (unsigned i = 0; i < s->width; i++)
        s->buf[s->have++] = (uint8_t)(v >> 8 * i);
    s->left -= s->width;
    return 0;
}

/* Bytes of a value on the wire, 0 for a varint; bytes in the output. */
static void widths(const struct mlo_tensor *t, unsigned *ret_wire, unsigned *ret_out)
{
    unsigned bits = mlo_dtype_bits(t->dtype);
    if (is_complex(t->dtype))
        bits /= 2;
    *ret_out = bits < 8 ? 1 : bits / 8;
    bool is_float = t->dtype == MLO_DT_F32 || t->dtype == MLO_DT_F64 || is_complex(t->dtype);
    *ret_wire = is_float ? *ret_out : 0;
}

static int fixed_value(struct mlo_win *w, uint64_t end, unsigned n, uint64_t *ret, struct mlo_err *err)
{
    uint8_t b[8] = {0};
    if (end - w->pos < n)
        return mlo_fail(err, MLO_EINVALID, "value at byte %" PRIu64 " is cut off", w->pos);
    int r = mlo_win_read(w, b, n, err);
    *ret = mlo_le64(b);
    return r;
}

static int put_packed(struct sink *s, struct mlo_win *w, const struct mlo_pb *f, unsigned wire,
                      struct mlo_err *err)
{
    uint64_t end = f->at + f->len, v = 0;
    int r = 0;
    w->pos = f->at;
    while (r == 0 && w->pos < end) {
        r = wire ? fixed_value(w, end, wire, &v, err) : mlo_pb_varint(w, end, &v, err);
        if (r == 0)
            r = put_value(s, v, err);
    }
    return r;
}

static int put_field(struct sink *s, struct mlo_win *w, const struct mlo_pb *f, unsigned wire,
                     struct mlo_err *err)
{
    if (f->wire == MLO_PB_LEN)
        return put_packed(s, w, f, wire, err);
    int r = mlo_pb_want(f,
                        wire == 0   ? MLO_PB_VARINT
                        : wire == 4 ? MLO_PB_FIXED32
                                    : MLO_PB_FIXED64,
                        "value", err);
    return r < 0 ? r : put_value(s, f->value, err);
}

static int put_all(struct sink *s, struct mlo_win *w, const struct mlo_tensor *t, struct mlo_err *err)
{
    struct mlo_pb f;
    struct mlo_pb_msg m = mlo_pb_open(w, t->offset, t->length);
    unsigned wire;
    int r;
    widths(t, &wire, &s->width);
    while ((r = mlo_pb_next(&m, &f, err)) > 0) {
        r = f.number == t->field ? put_field(s, w, &f, wire, err) : 0;
        if (r < 0)
            return r;
    }
    if (r == 0 && s->left)
        r = mlo_fail(err, MLO_EINVALID, "fewer values than its shape");
    return r < 0 ? r : flush(s, err);
}

int mlo_onnx_typed_read(const struct mlo_source *src, const struct mlo_tensor *t,
                        int (*fn)(void *ctx, const void *p, size_t n, struct mlo_err *err), void *ctx,
                        struct mlo_err *err)
{
    MLO_AUTOWIN struct mlo_win w;
    mlo_win_init(&w, src, 0, src->size);
    if (t->offset > src->size || t->length > src->size - t->offset)
        return mlo_fail(err, MLO_EINVALID, "its values lie outside the file");
    MLO_AUTOFREE struct sink *s = mlo_calloc(1, sizeof *s, err);
    if (!s)
        return err->code;
    s->fn = fn;
    s->ctx = ctx;
    s->left = t->bytes;
    return put_all(s, &w, t, err);
}

/* ---- lists of numbers in attributes ---- */

/* Counts the values; varints have to be read for that. */
static int count_list(struct mlo_win *w, uint64_t at, uint64_t len, uint32_t number, uint64_t *ret,
                      struct mlo_err *err)
{
    struct mlo_pb f;
    struct mlo_pb_msg m = mlo_pb_open(w, at, len);
    uint64_t n = 0, v;
    int r;
    while ((r = mlo_pb_next(&m, &f, err)) > 0) {
        r = 0;
        if (f.number != number)
            continue;
        n += f.wire != MLO_PB_LEN;
        if (f.wire == MLO_PB_LEN && number == F_ATTR_FLOATS)
            n += f.len / 4;
        for (w->pos = f.at; r == 0 && f.wire == MLO_PB_LEN && number == F_ATTR_INTS && w->pos < f.at + f.len;
             n++)
            r = mlo_pb_varint(w, f.at + f.len, &v, err);
        if (r < 0)
            return r;
    }
    *ret = n;
    return r;
}

int mlo_onnx_add_list(struct mlo_checkpoint *cp, struct mlo_win *w, uint64_t at, uint64_t len,
                      uint32_t number, const char *name, struct mlo_err *err)
{
    uint64_t n = 0;
    int r = count_list(w, at, len, number, &n, err);
    if (r < 0 || n == 0)
        return r;
    struct mlo_tensor t = {
        .dtype = number == F_ATTR_FLOATS ? MLO_DT_F32 : MLO_DT_I64, .rank = 1, .store = MLO_TS_TYPED};
    uint64_t *shape = mlo_arena_alloc(&cp->arena, 1, sizeof *shape, err);
    if (!shape)
        return err->code;
    *shape = n;
    t.shape = shape;
    t.field = number;
    t.offset = at;
    t.length = len;
    r = mlo_cp_text(cp, name, strlen(name), &t.name, err);
    if (r == 0)
        r = mlo_tensor_measure(&t, err);
    return r < 0 ? r : mlo_cp_add_tensor(cp, &t, err);
}
