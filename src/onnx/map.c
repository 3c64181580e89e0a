/* MapProto: keys and values by themselves, as conformance data holds them. */
#include "internal.h"

#include <string.h>

enum { F_KEYS = 3, F_TEXT_KEYS = 4, F_VALUES = 5 };
enum { F_MAPS = 6 }; /* of SequenceProto */

/* Scalars of one type, side by side. */
static int join(struct mlo_array *parts, size_t n, struct mlo_arena *arena, struct mlo_array *ret,
                struct mlo_err *err)
{
    enum mlo_dtype t = n ? parts[0].dtype : MLO_DT_F32;
    size_t size = t == MLO_DT_STRING ? sizeof(struct mlo_slice) : mlo_dtype_bits(t) / 8;
    char *data = mlo_arena_alloc(arena, n + 1, size ? size : 1, err);
    if (!data)
        return err->code;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].dtype != t || parts[i].n != 1 || size == 0)
            return mlo_fail(err, MLO_EUNAVAIL, "maps of anything but single values of one type");
        memcpy(data + i * size, parts[i].data, size);
    }
    *ret = (struct mlo_array){.dtype = t, .rank = 1, .dims = {(int64_t)n}, .n = n, .data = data};
    return 0;
}

static int read_values(const struct mlo_field *f, struct mlo_arena *arena, struct mlo_array *ret,
                       struct mlo_err *err)
{
    struct mlo_array *parts = NULL;
    size_t n = 0;
    int rc = mlo_wire_want(f, MLO_WIRE_BYTES, "a map's values", err);
    if (rc == 0)
        rc = mlo_onnx_read_tensors(f->bytes.at, mlo_message_left(&f->bytes), MLO_KIND_SEQUENCE, arena, &parts,
                                   &n, err);
    return rc == 0 ? join(parts, n, arena, ret, err) : rc;
}

struct map_keys {
    struct mlo_numbers numbers;
    struct mlo_slice *texts;
    size_t n, cap;
};

static int add_text(struct map_keys *k, const struct mlo_field *f, struct mlo_arena *arena,
                    struct mlo_err *err)
{
    int rc = mlo_wire_want(f, MLO_WIRE_BYTES, "a map's key", err);
    if (rc == 0)
        rc = mlo_arena_grow(arena, &k->texts, &k->cap, k->n + 1, sizeof *k->texts, err);
    if (rc == 0)
        k->texts[k->n++] = (struct mlo_slice){(const char *)f->bytes.at, mlo_message_left(&f->bytes)};
    return rc;
}

static int read_map(struct mlo_message m, struct mlo_arena *arena, struct mlo_onnx_map *ret,
                    struct mlo_err *err)
{
    struct map_keys k = {0};
    struct mlo_field f;
    int rc;
    *ret = (struct mlo_onnx_map){0};
    while ((rc = mlo_message_next(&m, &f, err)) > 0) {
        rc = f.number == F_KEYS        ? mlo_numbers_add(&k.numbers, arena, &f, err)
             : f.number == F_TEXT_KEYS ? add_text(&k, &f, arena, err)
             : f.number == F_VALUES    ? read_values(&f, arena, &ret->values, err)
                                       : 0;
        if (rc != 0)
            return rc;
    }
    if (k.n > 0)
        ret->keys = (struct mlo_array){.dtype = MLO_DT_STRING, .rank = 1, .n = k.n, .data = k.texts};
    else
        ret->keys = (struct mlo_array){
            .dtype = MLO_DT_I64, .rank = 1, .n = k.numbers.n, .data = k.numbers.ints};
    ret->keys.dims[0] = (int64_t)ret->keys.n;
    if (rc == 0 && ret->keys.n != ret->values.n)
        rc = mlo_fail(err, MLO_EINVALID, "a map of %zu keys and %zu values", ret->keys.n, ret->values.n);
    return rc;
}

int mlo_onnx_read_maps(const void *bytes, size_t n, enum mlo_value_kind kind, struct mlo_arena *arena,
                       struct mlo_onnx_map **ret, size_t *ret_n, struct mlo_err *err)
{
    struct mlo_message m = {bytes, (const uint8_t *)bytes + n};
    struct mlo_onnx_map *list = NULL;
    struct mlo_field f;
    size_t count = 0, cap = 0;
    int rc = mlo_arena_grow(arena, &list, &cap, 1, sizeof *list, err);
    if (rc == 0 && kind == MLO_KIND_MAP) {
        rc = read_map(m, arena, &list[count++], err);
    } else {
        while (rc == 0 && (rc = mlo_message_next(&m, &f, err)) > 0) {
            rc = 0;
            if (f.number != F_MAPS)
                continue;
            rc = mlo_wire_want(&f, MLO_WIRE_BYTES, "a map", err);
            if (rc == 0)
                rc = mlo_arena_grow(arena, &list, &cap, count + 1, sizeof *list, err);
            if (rc == 0)
                rc = read_map(f.bytes, arena, &list[count++], err);
        }
    }
    *ret = list;
    *ret_n = count;
    return rc;
}
