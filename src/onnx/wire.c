/*
 * Protobuf's wire format, as far as ONNX needs it, over bytes in memory. A field never reaches beyond its
 * message, a varint has at most ten bytes, groups are refused. Nothing is copied.
 */
#include "internal.h"

#include <inttypes.h>
#include <string.h>

int mlo_message_varint(struct mlo_message *m, uint64_t *ret, struct mlo_err *err)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (m->at == m->end)
            return mlo_fail(err, MLO_EINVALID, "a number is cut off");
        uint8_t b = *m->at++;
        if (shift == 63 && b > 1)
            break;
        v |= (uint64_t)(b & 0x7F) << shift;
        if (!(b & 0x80)) {
            *ret = v;
            return 0;
        }
    }
    return mlo_fail(err, MLO_EINVALID, "a number has more than 64 bits");
}

static int take(struct mlo_message *m, uint64_t n, struct mlo_message *ret, struct mlo_err *err)
{
    if (n > mlo_message_left(m))
        return mlo_fail(err, MLO_EINVALID, "a field of %" PRIu64 " bytes, but %zu are left", n,
                        mlo_message_left(m));
    *ret = (struct mlo_message){m->at, m->at + n};
    m->at += n;
    return 0;
}

static int take_value(struct mlo_message *m, struct mlo_field *f, struct mlo_err *err)
{
    int rc;
    switch (f->wire) {
    case MLO_WIRE_VARINT:
        return mlo_message_varint(m, &f->value, err);
    case MLO_WIRE_FIXED64:
        rc = take(m, 8, &f->bytes, err);
        f->value = rc == 0 ? mlo_le64(f->bytes.at) : 0;
        return rc;
    case MLO_WIRE_FIXED32:
        rc = take(m, 4, &f->bytes, err);
        f->value = rc == 0 ? mlo_le32(f->bytes.at) : 0;
        return rc;
    case MLO_WIRE_BYTES:
        rc = mlo_message_varint(m, &f->value, err);
        return rc == 0 ? take(m, f->value, &f->bytes, err) : rc;
    }
    return mlo_fail(err, MLO_EINVALID, "field %" PRIu32 " is of a kind that is not used", f->number);
}

int mlo_message_next(struct mlo_message *m, struct mlo_field *ret, struct mlo_err *err)
{
    uint64_t key;
    if (m->at == m->end)
        return 0;
    int rc = mlo_message_varint(m, &key, err);
    if (rc != 0)
        return rc;
    if (key >> 3 == 0 || key >> 3 > 0x1FFFFFFF)
        return mlo_fail(err, MLO_EINVALID, "a field has the number %" PRIu64, key >> 3);
    *ret = (struct mlo_field){.number = (uint32_t)(key >> 3), .wire = (enum mlo_wire)(key & 7)};
    rc = take_value(m, ret, err);
    return rc != 0 ? rc : 1;
}

/* Behind a value; NULL: it is cut off, or of another type. */
static const uint8_t *skip_value(const uint8_t *at, const uint8_t *end, enum mlo_wire wire)
{
    uint64_t n = wire == MLO_WIRE_FIXED32 ? 4 : wire == MLO_WIRE_FIXED64 ? 8 : 0;
    unsigned shift = 0;
    if (wire == MLO_WIRE_BYTES) {
        for (; shift < 63 && at < end && *at & 0x80; shift += 7)
            n |= (uint64_t)(*at++ & 0x7F) << shift;
        if (at == end || *at & 0x80)
            return NULL;
        n |= (uint64_t)*at++ << shift;
    }
    return n <= (size_t)(end - at) ? at + n : NULL;
}

/* Models of trees are made of these: a byte of key, mostly one or two of value. */
static size_t run_of_varints(struct mlo_message m, uint32_t key)
{
    size_t n = 0;
    for (; m.at < m.end && *m.at == key; n++) {
        const uint8_t *next = m.at + 1, *most = m.end - next < 10 ? m.end : next + 10;
        while (next < most && *next & 0x80)
            next++;
        if (next == most)
            break;
        m.at = next + 1;
    }
    return n;
}

size_t mlo_message_run(struct mlo_message m, const struct mlo_field *f)
{
    size_t n = 0;
    if (f->wire == MLO_WIRE_VARINT)
        return run_of_varints(m, f->number << 3 | f->wire);
    for (; m.at < m.end && *m.at == (f->number << 3 | f->wire); n++) {
        const uint8_t *next = skip_value(m.at + 1, m.end, f->wire);
        if (!next)
            break;
        m.at = next;
    }
    return n;
}

int mlo_wire_want(const struct mlo_field *f, enum mlo_wire wire, const char *what, struct mlo_err *err)
{
    return f->wire == wire ? 0 : mlo_fail(err, MLO_EINVALID, "%s is not of its type", what);
}

int mlo_wire_text(const struct mlo_field *f, const char *what, struct mlo_arena *arena, const char **ret,
                  struct mlo_err *err)
{
    int rc = mlo_wire_want(f, MLO_WIRE_BYTES, what, err);
    if (rc != 0)
        return rc;
    size_t n = mlo_message_left(&f->bytes);
    if (n > MLO_MODEL_NAME_MAX)
        return mlo_fail(err, MLO_EINVALID, "%s has %zu bytes", what, n);
    if (n > 0 && memchr(f->bytes.at, 0, n))
        return mlo_fail(err, MLO_EINVALID, "%s holds a NUL byte", what);
    *ret = mlo_arena_strndup(arena, (const char *)f->bytes.at, n, err);
    return *ret ? 0 : err->code;
}

int mlo_arena_grow(struct mlo_arena *a, void *parray, size_t *cap, size_t need, size_t size,
                   struct mlo_err *err)
{
    void *old;
    memcpy(&old, parray, sizeof old);
    if (need <= *cap)
        return 0;
    size_t more = *cap < 4 ? 4 : *cap * 2;
    more = more < need ? need : more;
    void *p = mlo_arena_alloc(a, more, size, err);
    if (!p)
        return err->code;
    if (old)
        memcpy(p, old, *cap * size);
    memcpy(parray, &p, sizeof p);
    *cap = more;
    return 0;
}

int mlo_wire_strings(const struct mlo_field *f, struct mlo_message *m, struct mlo_arena *arena,
                     struct mlo_wire_strings *l, struct mlo_err *err)
{
    struct mlo_field next = *f;
    int rc = mlo_wire_want(f, MLO_WIRE_BYTES, "a text of a list", err);
    size_t n = rc == 0 && l->n == l->cap ? mlo_message_run(*m, f) : 0;
    if (rc == 0)
        rc = mlo_arena_grow(arena, &l->items, &l->cap, l->n + n + 1, sizeof *l->items, err);
    for (;; n--) {
        if (rc == 0)
            l->items[l->n++] = (struct mlo_slice){(const char *)next.bytes.at, mlo_message_left(&next.bytes)};
        if (rc != 0 || n == 0)
            return rc;
        rc = mlo_message_next(m, &next, err);
        rc = rc > 0 ? 0 : rc;
    }
}
