/*
 * GGUF 1 to 3. Everything before the data is read once through a window, front to back; nothing is allocated
 * from a count that the bytes left could not hold. Tensors must lie in the data one after the other, in file
 * order, each padded to the alignment, as the reference reader demands; so there is no overlap, and the end
 * is checked against the file.
 *
 * Versions 1 and 2 differ in one thing only: version 1 counts in 32 bits. Big-endian files are named and
 * refused.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "internal.h"

#define MAX_STRING        ((uint64_t)1 << 30)
#define MAX_ARRAY         ((uint64_t)1 << 30)
#define MAX_KEY           65535
#define MAX_NAME          64
#define MAX_DIMS          4
#define DEFAULT_ALIGNMENT 32
#define MAX_ALIGNMENT     ((uint32_t)1 << 20) /* more padding than any device asks for */
#define MAX_SHOWN_ITEMS   8                   /* of a number array in the metadata listing */

enum gguf_type {
    T_U8,
    T_I8,
    T_U16,
    T_I16,
    T_U32,
    T_I32,
    T_F32,
    T_BOOL,
    T_STRING,
    T_ARRAY,
    T_U64,
    T_I64,
    T_F64,
    N_TYPES,
};
static const struct {
    const char *name;
    unsigned bytes;
} value_types[N_TYPES] = {
    [T_U8] = {"uint8", 1},      [T_I8] = {"int8", 1},     [T_U16] = {"uint16", 2},  [T_I16] = {"int16", 2},
    [T_U32] = {"uint32", 4},    [T_I32] = {"int32", 4},   [T_F32] = {"float32", 4}, [T_BOOL] = {"bool", 1},
    [T_STRING] = {"string", 0}, [T_ARRAY] = {"array", 0}, [T_U64] = {"uint64", 8},  [T_I64] = {"int64", 8},
    [T_F64] = {"float64", 8},
};

struct gguf {
    struct mlo_checkpoint *cp;
    struct mlo_win w;
    struct mlo_str key, value; /* scratch */
    uint32_t version;
    uint32_t alignment;
    bool quantized, has_quant_version, unsized;
};

static int fails_at(const struct gguf *g, const char *why, struct mlo_err *err)
{
    return mlo_fail(err, MLO_EINVALID, "at byte %" PRIu64 ": %s", g->w.pos, why);
}

/* A count or length: 32 bits in version 1. Negative ones (the reference reads i64) are above any bytes left
 * anyway. */
static int read_size(struct gguf *g, uint64_t *ret, struct mlo_err *err)
{
    uint32_t v;
    if (g->version > 1)
        return mlo_win_u64(&g->w, ret, err);
    int rc = mlo_win_u32(&g->w, &v, err);
    if (rc == 0)
        *ret = v;
    return rc;
}

static uint64_t size_bytes(const struct gguf *g)
{
    return g->version > 1 ? 8 : 4;
}

/* Length of a string that follows, checked against what is left. */
static int string_length(struct gguf *g, uint64_t max, const char *what, uint64_t *ret, struct mlo_err *err)
{
    uint64_t n;
    int rc = read_size(g, &n, err);
    if (rc < 0)
        return mlo_wrap(err, "%s", what);
    if (n > max || n > mlo_win_left(&g->w))
        return mlo_fail(err, MLO_EINVALID,
                        "at byte %" PRIu64 ": %s of %" PRIu64 " bytes; at most %" PRIu64 ", %" PRIu64 " left",
                        g->w.pos, what, n, max, mlo_win_left(&g->w));
    *ret = n;
    return 0;
}

static int append_bytes(struct gguf *g, struct mlo_str *out, uint64_t n, struct mlo_err *err)
{
    while (n) {
        const uint8_t *p;
        size_t have;
        int rc = mlo_win_some(&g->w, &p, &have, err);
        if (rc < 0)
            return rc;
        if (have > n)
            have = (size_t)n;
        if (have == 0)
            return fails_at(g, "truncated", err);
        mlo_str_addn(out, p, have);
        n -= have;
        rc = mlo_win_skip(&g->w, have, err);
        if (rc < 0)
            return rc;
    }
    return mlo_str_check(out, err);
}

/* A string into out (cleared first): UTF-8 without NUL. */
static int read_string(struct gguf *g, uint64_t max, const char *what, struct mlo_str *out,
                       struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    uint64_t n;
    int rc = string_length(g, max, what, &n, err);
    if (rc < 0)
        return rc;
    mlo_str_clear(out);
    rc = append_bytes(g, out, n, err);
    if (rc < 0)
        return rc;
    if (memchr(out->ptr, 0, out->len) || !mlo_utf8_valid(out->ptr, out->len))
        return mlo_fail(err, MLO_EINVALID, "at byte %" PRIu64 ": %s \"%s\" is not UTF-8 text", g->w.pos - n,
                        what, mlo_shown(out->ptr, out->len, shown));
    return 0;
}

/* ---- values ---- */

static void add_number(struct mlo_str *out, enum gguf_type type, const uint8_t *p)
{
    static const enum mlo_dtype floats[N_TYPES] = {[T_F32] = MLO_DT_F32, [T_F64] = MLO_DT_F64};
    double d;
    switch (value_types[type].bytes) {
    case 1:
        mlo_str_addf(out, type == T_I8 ? "%d" : "%u", type == T_I8 ? (int8_t)*p : *p);
        return;
    case 2:
        mlo_str_addf(out, "%d", type == T_I16 ? (int16_t)mlo_le16(p) : mlo_le16(p));
        return;
    default:
        break;
    }
    if (floats[type] && mlo_dtype_to_double(floats[type], p, 0, &d))
        mlo_str_addf(out, type == T_F32 ? "%.9g" : "%.17g", d);
    else if (type == T_U32)
        mlo_str_addf(out, "%" PRIu32, mlo_le32(p));
    else if (type == T_I32)
        mlo_str_addf(out, "%" PRId32, (int32_t)mlo_le32(p));
    else if (type == T_I64)
        mlo_str_addf(out, "%" PRId64, (int64_t)mlo_le64(p));
    else
        mlo_str_addf(out, "%" PRIu64, mlo_le64(p));
}

static int read_scalar(struct gguf *g, enum gguf_type type, struct mlo_str *out, struct mlo_err *err)
{
    uint8_t b[8] = {0};
    int rc = mlo_win_read(&g->w, b, value_types[type].bytes, err);
    if (rc < 0)
        return rc;
    if (type != T_BOOL) {
        add_number(out, type, b);
        return 0;
    }
    if (b[0] > 1)
        return fails_at(g, "a bool is neither 0 nor 1", err);
    mlo_str_add(out, b[0] ? "true" : "false");
    return 0;
}

static int skip_strings(struct gguf *g, uint64_t n, struct mlo_err *err)
{
    uint64_t len;
    int rc = 0;
    for (; rc == 0 && n; n--) {
        rc = string_length(g, MAX_STRING, "a string", &len, err);
        if (rc == 0)
            rc = mlo_win_skip(&g->w, len, err);
    }
    return rc;
}

static int check_bools(struct gguf *g, uint64_t n, struct mlo_err *err)
{
    while (n) {
        const uint8_t *p;
        size_t have;
        int rc = mlo_win_some(&g->w, &p, &have, err);
        if (rc < 0)
            return rc;
        if (have > n)
            have = (size_t)n;
        for (size_t i = 0; i < have; i++)
            if (p[i] > 1)
                return fails_at(g, "a bool in an array is neither 0 nor 1", err);
        n -= have;
        rc = mlo_win_skip(&g->w, have, err);
        if (rc < 0 || have == 0)
            return rc;
    }
    return 0;
}

/* A number array: short ones are listed, long ones only described. */
static int read_numbers(struct gguf *g, enum gguf_type type, uint64_t n, struct mlo_err *err)
{
    if (n > MAX_SHOWN_ITEMS) {
        mlo_str_addf(&g->value, "[%" PRIu64 " x %s]", n, value_types[type].name);
        return type == T_BOOL ? check_bools(g, n, err)
                              : mlo_win_skip(&g->w, n * value_types[type].bytes, err);
    }
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < n; i++) {
        mlo_str_add(&g->value, i ? ", " : "[");
        rc = read_scalar(g, type, &g->value, err);
    }
    mlo_str_add(&g->value, n ? "]" : "[]");
    return rc;
}

static int read_array(struct gguf *g, struct mlo_err *err)
{
    uint32_t type;
    uint64_t n;
    int rc = mlo_win_u32(&g->w, &type, err);
    if (rc == 0)
        rc = read_size(g, &n, err);
    if (rc < 0)
        return rc;
    if (type == T_ARRAY)
        return fails_at(g, "an array of arrays", err);
    if (type >= N_TYPES)
        return fails_at(g, "an array of an unknown type", err);
    uint64_t least = type == T_STRING ? size_bytes(g) : value_types[type].bytes;
    if (n > MAX_ARRAY || n > mlo_win_left(&g->w) / least)
        return mlo_fail(err, MLO_EINVALID,
                        "at byte %" PRIu64 ": an array of %" PRIu64 " elements; %" PRIu64 " bytes left",
                        g->w.pos, n, mlo_win_left(&g->w));
    if (type != T_STRING)
        return read_numbers(g, (enum gguf_type)type, n, err);
    mlo_str_addf(&g->value, "[%" PRIu64 " x string]", n);
    return skip_strings(g, n, err);
}

/* A long text is a chat template or a whole licence: the beginning is kept, the rest is stepped over. */
static int read_text(struct gguf *g, struct mlo_err *err)
{
    uint64_t n;
    int rc = string_length(g, MAX_STRING, "a string value", &n, err);
    if (rc < 0)
        return rc;
    uint64_t keep = n <= MLO_CP_MAX_VALUE ? n : MLO_CP_MAX_VALUE + 1;
    rc = append_bytes(g, &g->value, keep, err);
    return rc == 0 ? mlo_win_skip(&g->w, n - keep, err) : rc;
}

static int read_value(struct gguf *g, uint32_t type, struct mlo_err *err)
{
    mlo_str_clear(&g->value);
    if (type >= N_TYPES)
        return mlo_fail(err, MLO_EINVALID, "at byte %" PRIu64 ": unknown value type %" PRIu32, g->w.pos,
                        type);
    int rc = type == T_STRING  ? read_text(g, err)
             : type == T_ARRAY ? read_array(g, err)
                               : read_scalar(g, (enum gguf_type)type, &g->value, err);
    return rc == 0 ? mlo_str_check(&g->value, err) : rc;
}

/* ---- keys ---- */

static bool key_is_clean(const char *s)
{
    for (; *s; s++)
        if (!((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || *s == '_' || *s == '.'))
            return false;
    return true;
}

static int use_alignment(struct gguf *g, uint32_t type, struct mlo_err *err)
{
    uint64_t v;
    if (type != T_U32)
        return mlo_fail(err, MLO_EINVALID, "general.alignment is not a uint32");
    int rc = mlo_parse_u64(g->value.ptr, 0, UINT32_MAX, "general.alignment", &v, err);
    if (rc < 0)
        return rc;
    if (v < 8 || v > MAX_ALIGNMENT || (v & (v - 1)))
        return mlo_fail(err, MLO_EINVALID,
                        "general.alignment %" PRIu64 " is not a power of two from 8 to %" PRIu32, v,
                        MAX_ALIGNMENT);
    g->alignment = (uint32_t)v;
    return 0;
}

static int use_architecture(struct gguf *g, uint32_t type, struct mlo_err *err)
{
    if (type != T_STRING)
        return mlo_fail(err, MLO_EINVALID, "general.architecture is not a string");
    return mlo_cp_text(g->cp, g->value.ptr, strlen(g->value.ptr), &g->cp->architecture, err);
}

static int use_key(struct gguf *g, uint32_t type, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    const char *key = g->key.ptr;
    if (type == T_STRING && (memchr(g->value.ptr, 0, g->value.len) != NULL))
        return mlo_fail(err, MLO_EINVALID, "\"%s\": a NUL byte in the value",
                        mlo_shown(key, g->key.len, shown));
    if (!key_is_clean(key)) {
        int rc = mlo_cp_warn(g->cp, err, "key \"%s\" is not lower_snake.case",
                             mlo_shown(key, g->key.len, shown));
        if (rc < 0)
            return rc;
    }
    if (strcmp(key, "general.quantization_version") == 0)
        g->has_quant_version = true;
    if (strcmp(key, "general.alignment") == 0)
        return use_alignment(g, type, err);
    return strcmp(key, "general.architecture") == 0 ? use_architecture(g, type, err) : 0;
}

static int read_key(struct gguf *g, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    uint32_t type;
    int rc = read_string(g, MAX_KEY, "a key", &g->key, err);
    if (rc < 0)
        return rc;
    if (g->key.len == 0)
        return fails_at(g, "an empty key", err);
    rc = mlo_win_u32(&g->w, &type, err);
    if (rc == 0)
        rc = read_value(g, type, err);
    if (rc == 0)
        rc = use_key(g, type, err);
    if (rc < 0)
        return mlo_wrap(err, "key \"%s\"", mlo_shown(g->key.ptr, g->key.len, shown));
    return mlo_cp_add_meta(g->cp, g->key.ptr, g->value.ptr, err);
}

static int read_keys(struct gguf *g, uint64_t n, struct mlo_err *err)
{
    uint64_t least = size_bytes(g) + 1 + 4 + 1; /* one-letter key, type, smallest value */
    if (n > mlo_win_left(&g->w) / least || n > MLO_CP_MAX_META)
        return mlo_fail(err, MLO_EINVALID,
                        "%" PRIu64 " keys; %" PRIu64 " bytes left, at most %zu keys are read", n,
                        mlo_win_left(&g->w), MLO_CP_MAX_META);
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < n; i++)
        rc = read_key(g, err);
    return rc == 0 ? mlo_cp_unique_meta(g->cp, err) : rc;
}

/* ---- tensors ---- */

static int read_dims(struct gguf *g, struct mlo_tensor *t, struct mlo_err *err)
{
    int rc = mlo_win_u32(&g->w, &t->rank, err);
    if (rc < 0)
        return rc;
    if (t->rank > MAX_DIMS)
        return mlo_fail(err, MLO_EINVALID, "%" PRIu32 " dimensions; at most %d", t->rank, MAX_DIMS);
    if (t->rank == 0)
        return 0;
    uint64_t *shape = mlo_arena_alloc(&g->cp->arena, t->rank, sizeof *shape, err);
    if (!shape)
        return err->code;
    for (uint32_t i = 0; i < t->rank; i++) {
        rc = read_size(g, &shape[t->rank - 1 - i], err);
        if (rc < 0)
            return rc;
        if (shape[t->rank - 1 - i] > INT64_MAX)
            return mlo_fail(err, MLO_EINVALID, "a negative dimension");
    }
    t->shape = shape;
    return 0;
}

static bool removed_type(uint32_t id)
{
    return id == 4 || id == 5 || (id >= 31 && id <= 33) || (id >= 36 && id <= 38);
}

static int read_type(struct gguf *g, struct mlo_tensor *t, struct mlo_err *err)
{
    char name[32];
    int rc = mlo_win_u32(&g->w, &t->ggml_type, err);
    if (rc < 0)
        return rc;
    if (removed_type(t->ggml_type))
        return mlo_fail(err, MLO_EINVALID, "type %" PRIu32 " was removed from the format", t->ggml_type);
    const struct mlo_ggml_type *type = mlo_ggml_type(t->ggml_type);
    if (type) {
        t->dtype = type->dtype;
        t->type_name = type->name;
        g->quantized |= type->dtype == MLO_DT_GGML;
        return 0;
    }
    g->unsized = true;
    snprintf(name, sizeof name, "ggml-type-%" PRIu32, t->ggml_type);
    return mlo_cp_text(g->cp, name, strlen(name), &t->type_name, err);
}

/* Offsets are checked when all tensors and the alignment are known. */
static int read_info(struct gguf *g, struct mlo_err *err)
{
    struct mlo_tensor t = {.store = MLO_TS_RANGE};
    char shown[MLO_SHOWN];
    int rc = read_string(g, MAX_NAME, "a tensor name", &g->key, err);
    if (rc == 0)
        rc = mlo_cp_text(g->cp, g->key.ptr, g->key.len, &t.name, err);
    if (rc < 0)
        return rc;
    rc = read_dims(g, &t, err);
    if (rc == 0)
        rc = read_type(g, &t, err);
    if (rc == 0)
        rc = mlo_win_u64(&g->w, &t.offset, err);
    if (rc < 0)
        return mlo_wrap(err, "tensor \"%s\"", mlo_shown(t.name, strlen(t.name), shown));
    rc = mlo_tensor_measure(&t, err);
    return rc == 0 ? mlo_cp_add_tensor(g->cp, &t, err) : rc;
}

static int read_infos(struct gguf *g, uint64_t n, struct mlo_err *err)
{
    uint64_t least = size_bytes(g) + 4 + 4 + 8; /* empty name, no dimensions, type, offset */
    if (n > mlo_win_left(&g->w) / least || n > MLO_CP_MAX_TENSORS)
        return mlo_fail(err, MLO_EINVALID,
                        "%" PRIu64 " tensors; %" PRIu64 " bytes left, at most %zu tensors are read", n,
                        mlo_win_left(&g->w), MLO_CP_MAX_TENSORS);
    int rc = mlo_cp_reserve(g->cp, (size_t)n, err);
    for (uint64_t i = 0; rc == 0 && i < n; i++)
        rc = read_info(g, err);
    return rc == 0 ? mlo_cp_unique_names(g->cp, err) : rc;
}

/* Rounds *at up to the alignment; false on overflow. */
static bool align(uint64_t *at, uint32_t alignment)
{
    return mlo_add_u64(*at, (alignment - *at % alignment) % alignment, at);
}

static int place_tensor(const struct mlo_tensor *t, uint64_t at, uint64_t data_len, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    mlo_shown(t->name, strlen(t->name), shown);
    if (t->offset != at)
        return mlo_fail(err, MLO_EINVALID,
                        "tensor \"%s\": offset %" PRIu64 ", but the tensors before it end at %" PRIu64, shown,
                        t->offset, at);
    if (at > data_len || t->bytes > data_len - at)
        return mlo_fail(err, MLO_EINVALID,
                        "tensor \"%s\": truncated: %" PRIu64 " bytes at %" PRIu64 " of %" PRIu64
                        " bytes of data",
                        shown, t->bytes, at, data_len);
    return 0;
}

/* File offsets instead of offsets in the data. What follows the last tensor may only be its padding. */
static int place_tensors(struct gguf *g, uint64_t data, uint64_t file_size, struct mlo_err *err)
{
    uint64_t at = 0, end = 0, data_len = file_size - data;
    for (size_t i = 0; i < g->cp->n_tensors; i++) {
        struct mlo_tensor *t = &g->cp->tensors[i];
        int rc = place_tensor(t, at, data_len, err);
        if (rc < 0)
            return rc;
        t->offset = data + at;
        t->length = t->bytes;
        end = at += t->bytes;
        if (!align(&at, g->alignment))
            return mlo_fail(err, MLO_EINVALID, "the tensors' sizes overflow");
    }
    if (data_len != end && data_len != at)
        return mlo_fail(err, MLO_EINVALID, "%" PRIu64 " bytes after the last tensor", data_len - end);
    return 0;
}

/* With a type of unknown size in the file, only the order of offsets and the file's end can be checked. */
static int place_unsized(struct gguf *g, uint64_t data, uint64_t file_size, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    struct mlo_tensor *t = g->cp->tensors;
    uint64_t data_len = file_size - data;
    for (size_t i = 0; i < g->cp->n_tensors; i++) {
        uint64_t next = i + 1 < g->cp->n_tensors ? t[i + 1].offset : data_len;
        mlo_shown(t[i].name, strlen(t[i].name), shown);
        if (t[i].offset % g->alignment || next < t[i].offset || next > data_len ||
            t[i].bytes > next - t[i].offset)
            return mlo_fail(err, MLO_EINVALID,
                            "tensor \"%s\": offset %" PRIu64 " does not fit its neighbours", shown,
                            t[i].offset);
        if (t[i].dtype == MLO_DT_UNKNOWN)
            t[i].bytes = next - t[i].offset;
    }
    for (size_t i = 0; i < g->cp->n_tensors; i++) {
        t[i].offset += data;
        t[i].length = t[i].bytes;
    }
    return mlo_cp_warn(g->cp, err, "tensors of a type that is not known here: sizes are not checked");
}

/* ---- the file ---- */

static int read_version(struct gguf *g, struct mlo_err *err)
{
    int rc = mlo_win_skip(&g->w, 4, err);
    if (rc == 0)
        rc = mlo_win_u32(&g->w, &g->version, err);
    if (rc < 0)
        return rc;
    if (g->version && (g->version & 0xFFFF) == 0)
        return mlo_fail(err, MLO_EINVALID,
                        "a big-endian GGUF file (version reads 0x%08" PRIx32 "); only little-endian is read",
                        g->version);
    if (g->version < 1 || g->version > 3)
        return mlo_fail(err, MLO_EINVALID, "GGUF version %" PRIu32 "; versions 1 to 3 are read", g->version);
    return 0;
}

static int check_padding(struct gguf *g, uint64_t *ret_data, struct mlo_err *err)
{
    uint64_t data = g->w.pos;
    if (!align(&data, g->alignment) || data > g->w.end)
        return fails_at(g, "truncated in the padding before the data", err);
    while (g->w.pos < data) {
        uint8_t b;
        int rc = mlo_win_u8(&g->w, &b, err);
        if (rc < 0)
            return rc;
        if (b)
            return fails_at(g, "the padding before the data is not zero", err);
    }
    *ret_data = data;
    return 0;
}

static int read_data(struct gguf *g, struct mlo_err *err)
{
    uint64_t data = g->w.pos;
    if (g->cp->n_tensors == 0) {
        /* A writer may or may not pad a file of keys only. */
        uint64_t padded = data;
        if (g->w.end != data && !(align(&padded, g->alignment) && padded == g->w.end))
            return fails_at(g, "bytes after the last key", err);
        return 0;
    }
    int rc = check_padding(g, &data, err);
    if (rc < 0)
        return rc;
    return g->unsized ? place_unsized(g, data, g->w.end, err) : place_tensors(g, data, g->w.end, err);
}

static int warn_missing(struct gguf *g, struct mlo_err *err)
{
    int rc = 0;
    if (!*g->cp->architecture)
        rc = mlo_cp_warn(g->cp, err, "no general.architecture");
    if (rc == 0 && g->quantized && !g->has_quant_version)
        rc = mlo_cp_warn(g->cp, err, "quantised, but no general.quantization_version");
    return rc;
}

static int read_all(struct gguf *g, struct mlo_err *err)
{
    uint64_t tensors = 0, keys = 0;
    int rc = read_version(g, err);
    if (rc == 0)
        rc = read_size(g, &tensors, err);
    if (rc == 0)
        rc = read_size(g, &keys, err);
    if (rc == 0)
        rc = read_keys(g, keys, err);
    if (rc == 0)
        rc = read_infos(g, tensors, err);
    if (rc == 0)
        rc = read_data(g, err);
    return rc == 0 ? warn_missing(g, err) : rc;
}

int mlo_gguf_read(const struct mlo_source *src, struct mlo_checkpoint *cp, struct mlo_err *err)
{
    struct gguf g = {.cp = cp, .alignment = DEFAULT_ALIGNMENT};
    mlo_win_init(&g.w, src, 0, src->size);
    mlo_str_init(&g.key, MAX_KEY);
    mlo_str_init(&g.value, MLO_CP_MAX_VALUE + 1024);
    int rc = read_all(&g, err);
    mlo_str_release(&g.value);
    mlo_str_release(&g.key);
    mlo_win_release(&g.w);
    return rc;
}
