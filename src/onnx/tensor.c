/*
 * TensorProto -> array. Raw bytes are used where they lie when they are aligned for their type; typed values
 * are turned into canonical bytes. There must be exactly as many bytes as the shape asks for.
 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

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

static const enum mlo_dtype dtypes[] = {
    [1] = MLO_DT_F32,      [2] = MLO_DT_U8,           [3] = MLO_DT_I8,       [4] = MLO_DT_U16,
    [5] = MLO_DT_I16,      [6] = MLO_DT_I32,          [7] = MLO_DT_I64,      [8] = MLO_DT_STRING,
    [9] = MLO_DT_BOOL,     [10] = MLO_DT_F16,         [11] = MLO_DT_F64,     [12] = MLO_DT_U32,
    [13] = MLO_DT_U64,     [14] = MLO_DT_C64,         [15] = MLO_DT_C128,    [16] = MLO_DT_BF16,
    [17] = MLO_DT_F8_E4M3, [18] = MLO_DT_F8_E4M3FNUZ, [19] = MLO_DT_F8_E5M2, [20] = MLO_DT_F8_E5M2FNUZ,
    [21] = MLO_DT_U4,      [22] = MLO_DT_I4,          [23] = MLO_DT_F4,      [24] = MLO_DT_F8_E8M0,
    [25] = MLO_DT_U2,      [26] = MLO_DT_I2,
};

enum mlo_dtype mlo_onnx_type_of(uint64_t id)
{
    return id < MLO_COUNT(dtypes) ? dtypes[id] : MLO_DT_UNKNOWN;
}

struct proto { /* a TensorProto as it was read */
    uint64_t type;
    struct mlo_numbers dims, floats, ints, doubles;
    struct mlo_wire_strings strings;
    struct mlo_message raw;
    bool has_raw, external, segment;
    const char *name, *location;
    uint64_t offset, length; /* length UINT64_MAX: not said */
};

/* ---- reading ---- */

static int read_number(const char *text, uint64_t *ret, struct mlo_err *err)
{
    int rc = mlo_parse_u64(text, 0, MLO_MODEL_FILE_MAX, "external data: a number", ret, err);
    if (rc != 0)
        err->code = MLO_EINVALID;
    return rc != 0 ? MLO_EINVALID : 0;
}

static int read_external(struct mlo_arena *arena, struct mlo_message m, struct proto *p, struct mlo_err *err)
{
    const char *key = "", *value = "";
    struct mlo_field f;
    int rc;
    while ((rc = mlo_message_next(&m, &f, err)) > 0) {
        if (f.number == 1 || f.number == 2)
            rc = mlo_wire_text(&f, "external data", arena, f.number == 1 ? &key : &value, err);
        if (rc < 0)
            return rc;
    }
    if (rc == 0 && strcmp(key, "location") == 0)
        p->location = value;
    if (rc == 0 && strcmp(key, "offset") == 0)
        rc = read_number(value, &p->offset, err);
    if (rc == 0 && strcmp(key, "length") == 0)
        rc = read_number(value, &p->length, err);
    return rc;
}

/* m: what follows. */
static int read_field(struct mlo_arena *arena, const struct mlo_field *f, struct mlo_message *m,
                      struct proto *p, struct mlo_err *err)
{
    switch (f->number) {
    case F_DIMS:
        return mlo_numbers_add(&p->dims, arena, f, err);
    case F_TYPE:
        p->type = f->wire == MLO_WIRE_VARINT ? f->value : 0;
        return 0;
    case F_SEGMENT:
        p->segment = true;
        return 0;
    case F_FLOAT:
        return mlo_numbers_add_run(&p->floats, arena, f, m, err);
    case F_INT32:
    case F_INT64:
    case F_UINT64:
        return mlo_numbers_add_run(&p->ints, arena, f, m, err);
    case F_DOUBLE:
        return mlo_numbers_add_run(&p->doubles, arena, f, m, err);
    case F_STRING:
        return mlo_wire_strings(f, m, arena, &p->strings, err);
    case F_NAME:
        return mlo_wire_text(f, "a tensor's name", arena, &p->name, err);
    case F_RAW:
        p->has_raw = true;
        p->raw = f->bytes;
        return mlo_wire_want(f, MLO_WIRE_BYTES, "the bytes of a tensor", err);
    case F_EXTERNAL:
        return f->wire == MLO_WIRE_BYTES ? read_external(arena, f->bytes, p, err) : 0;
    case F_LOCATION:
        p->external = f->wire == MLO_WIRE_VARINT && f->value == 1;
        return 0;
    }
    return 0;
}

static int read_proto(struct mlo_arena *arena, struct mlo_message m, struct proto *p, struct mlo_err *err)
{
    struct mlo_field f;
    int rc;
    while ((rc = mlo_message_next(&m, &f, err)) > 0) {
        rc = read_field(arena, &f, &m, p, err);
        if (rc != 0)
            return rc;
    }
    if (rc == 0 && p->segment)
        return mlo_fail(err, MLO_EUNAVAIL, "tensors in segments are not supported");
    return rc;
}

/* ---- bytes ---- */

#define COPY_NOTED ((size_t)64 << 10)

static size_t alignment(enum mlo_dtype t)
{
    unsigned bits = mlo_dtype_bits(t);
    return t == MLO_DT_C64 ? 4 : t == MLO_DT_C128 || bits > 64 ? 8 : bits > 8 ? bits / 8 : 1;
}

static int use_bytes(struct mlo_arena *arena, const char *bytes, size_t n, struct mlo_array *a,
                     struct mlo_err *err)
{
    size_t want;
    if (!mlo_array_bytes(a->dtype, a->n, &want) || want != n)
        return mlo_fail(err, MLO_EINVALID, "%zu bytes do not make %zu elements of %s", n, a->n,
                        mlo_dtype_name(a->dtype));
    a->data = (void *)(uintptr_t)bytes;
    if ((uintptr_t)bytes % alignment(a->dtype) == 0)
        return 0;
    a->data = mlo_arena_alloc(arena, n ? n : 1, 1, err);
    if (!a->data)
        return err->code;
    memcpy(a->data, bytes, n);
    return 0;
}

/*
 * Bytes in the model's own file that are not aligned move a little to the front, over the field's tag and
 * length, which have been read: weights need no second memory.
 */
static const char *aligned(const struct mlo_model_reader *r, const struct mlo_message *raw, enum mlo_dtype t)
{
    const char *bytes = (const char *)raw->at;
    size_t n = mlo_message_left(raw), by = (uintptr_t)bytes % alignment(t), header = 2;
    bool own = r && r->read_once && r->n_regions > 0 && !r->region_paths[0];
    for (size_t left = n; left >= 0x80; left >>= 7)
        header++;
    if (!own || by == 0 || by > header || bytes < (const char *)r->regions[0].ptr + header ||
        bytes + n > (const char *)r->regions[0].ptr + r->regions[0].n)
        return bytes;
    return memmove((char *)(uintptr_t)bytes - by, bytes, n);
}

/* The bytes of a large copy are noted: they are not read again. r NULL: of a tensor by itself. */
static int use_raw(struct mlo_model_reader *r, struct mlo_arena *arena, const struct proto *p,
                   struct mlo_array *a, struct mlo_err *err)
{
    size_t n = mlo_message_left(&p->raw);
    const char *bytes = aligned(r, &p->raw, a->dtype);
    int rc = use_bytes(arena, bytes, n, a, err);
    if (rc != 0 || !r || a->data == bytes || n < COPY_NOTED)
        return rc;
    rc = mlo_grow(&r->copied, &r->copied_cap, r->n_copied + 1, sizeof *r->copied, err);
    if (rc == 0)
        r->copied[r->n_copied++] = p->raw;
    return rc;
}

static void put_int(uint8_t *to, unsigned bytes, int64_t v)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)((uint64_t)v >> 8 * i);
}

/* Small elements: several in one value, which then holds one byte of them. */
static int use_ints(struct mlo_arena *arena, const struct proto *p, struct mlo_array *a, struct mlo_err *err)
{
    unsigned bits = mlo_dtype_bits(a->dtype), width = bits < 8 ? 1 : bits / 8;
    size_t want, values;
    if (!mlo_array_bytes(a->dtype, a->n, &want))
        return mlo_fail_nomem(err);
    values = want / width;
    if (p->ints.n != values)
        return mlo_fail(err, MLO_EINVALID, "%zu numbers do not make %zu elements of %s", p->ints.n, a->n,
                        mlo_dtype_name(a->dtype));
    if (width == 8) {
        a->data = p->ints.ints;
        return 0;
    }
    a->data = mlo_arena_alloc(arena, want ? want : 1, 1, err);
    for (size_t i = 0; a->data && i < values; i++)
        put_int((uint8_t *)a->data + i * width, width, p->ints.ints[i]);
    return a->data ? 0 : err->code;
}

static int use_strings(const struct proto *p, struct mlo_array *a, struct mlo_err *err)
{
    a->data = p->strings.items;
    if (p->strings.n == a->n)
        return 0;
    return mlo_fail(err, MLO_EINVALID, "%zu strings do not make %zu elements", p->strings.n, a->n);
}

static int use_typed(struct mlo_arena *arena, const struct proto *p, struct mlo_array *a, struct mlo_err *err)
{
    if (a->dtype == MLO_DT_STRING)
        return use_strings(p, a, err);
    if (a->dtype == MLO_DT_F32 || a->dtype == MLO_DT_C64)
        return use_bytes(arena, (const char *)p->floats.all, p->floats.n * sizeof(float), a, err);
    if (a->dtype == MLO_DT_F64 || a->dtype == MLO_DT_C128)
        return use_bytes(arena, (const char *)p->doubles.all, p->doubles.n * sizeof(double), a, err);
    return use_ints(arena, p, a, err);
}

static int use_external(struct mlo_model_reader *r, struct mlo_arena *arena, const struct proto *p,
                        struct mlo_array *a, struct mlo_err *err)
{
    struct mlo_slice s;
    size_t want;
    if (!r || !p->location)
        return mlo_fail(err, MLO_EINVALID, "external data is not said to be anywhere");
    if (a->dtype == MLO_DT_STRING || !mlo_array_bytes(a->dtype, a->n, &want))
        return mlo_fail(err, MLO_EINVALID, "external data cannot be of this type");
    int rc = mlo_region_external(r, p->location, p->offset, p->length == UINT64_MAX ? want : p->length, &s,
                                 err);
    return rc == 0 ? use_bytes(arena, s.ptr, s.len, a, err) : rc;
}

static int take_shape(const struct proto *p, struct mlo_array *a, struct mlo_err *err)
{
    a->dtype = mlo_onnx_type_of(p->type);
    if (a->dtype == MLO_DT_UNKNOWN)
        return mlo_fail(err, MLO_EINVALID, "element type %" PRIu64 " is not known", p->type);
    if (p->dims.n > MLO_RANK_MAX)
        return mlo_fail(err, MLO_EUNAVAIL, "%zu dimensions, more than %d", p->dims.n, MLO_RANK_MAX);
    a->rank = (unsigned)p->dims.n;
    if (a->rank > 0)
        memcpy(a->dims, p->dims.ints, a->rank * sizeof *a->dims);
    return mlo_array_count(a->dims, a->rank, &a->n, err);
}

int mlo_tensor_proto_read(struct mlo_model_reader *r, struct mlo_arena *arena, struct mlo_message m,
                          struct mlo_array *ret, const char **ret_name, struct mlo_err *err)
{
    struct proto p = {.name = "", .length = UINT64_MAX};
    struct mlo_array a = {0};
    char shown[MLO_SHOWN];
    p.floats.kind = MLO_NUMBER_FLOAT;
    p.doubles.kind = MLO_NUMBER_DOUBLE;
    int rc = read_proto(arena, m, &p, err);
    if (rc == 0)
        rc = take_shape(&p, &a, err);
    if (rc == 0 && p.external)
        rc = use_external(r, arena, &p, &a, err);
    else if (rc == 0 && p.has_raw && a.dtype != MLO_DT_STRING)
        rc = use_raw(r, arena, &p, &a, err);
    else if (rc == 0)
        rc = use_typed(arena, &p, &a, err);
    if (rc != 0)
        return mlo_wrap(err, "tensor '%s'", mlo_shown(p.name, strlen(p.name), shown));
    *ret = a;
    *ret_name = p.name;
    return 0;
}

int mlo_onnx_read_tensor(const void *bytes, size_t n, struct mlo_arena *arena, struct mlo_array *ret,
                         struct mlo_err *err)
{
    struct mlo_message m = {bytes, (const uint8_t *)bytes + n};
    const char *name;
    return mlo_tensor_proto_read(NULL, arena, m, ret, &name, err);
}

int mlo_onnx_read_tensors(const void *bytes, size_t n, enum mlo_value_kind kind, struct mlo_arena *arena,
                          struct mlo_array **ret, size_t *ret_n, struct mlo_err *err)
{
    enum { F_TENSORS = 3 }; /* SequenceProto.tensor_values, OptionalProto.tensor_value */
    struct mlo_message m = {bytes, (const uint8_t *)bytes + n};
    struct mlo_array *list = NULL;
    struct mlo_field f;
    const char *name;
    size_t count = 0, cap = 0;
    int rc;
    while ((rc = mlo_message_next(&m, &f, err)) > 0) {
        if (f.number > F_TENSORS)
            return mlo_fail(err, MLO_EUNAVAIL, "sequences of anything but tensors are not supported");
        if (f.number != F_TENSORS)
            continue;
        rc = mlo_wire_want(&f, MLO_WIRE_BYTES, "a tensor", err);
        if (rc == 0)
            rc = mlo_arena_grow(arena, &list, &cap, count + 1, sizeof *list, err);
        if (rc == 0)
            rc = mlo_tensor_proto_read(NULL, arena, f.bytes, &list[count++], &name, err);
        if (rc != 0)
            return rc;
    }
    if (rc == 0 && kind == MLO_KIND_OPTIONAL && count > 1)
        return mlo_fail(err, MLO_EINVALID, "an optional of %zu tensors", count);
    *ret = list;
    *ret_n = count;
    return rc;
}
