/*
 * Protobuf's wire format, as far as ONNX needs it. A field never reaches beyond its message, a varint has at
 * most ten bytes, groups are refused. Nothing is copied: length-delimited fields are ranges of the file.
 */
#include "onnx.h"

#include <inttypes.h>
#include <string.h>

#define MAX_FIELD 536870911U /* 2^29 - 1 */

struct mlo_pb_msg mlo_pb_open(struct mlo_win *w, uint64_t at, uint64_t len)
{
    return (struct mlo_pb_msg){.w = w, .pos = at, .end = at + len};
}

int mlo_pb_varint(struct mlo_win *w, uint64_t end, uint64_t *ret, struct mlo_err *err)
{
    uint64_t v = 0, at = w->pos;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t b = 0;
        if (w->pos >= end)
            return mlo_fail(err, MLO_EINVALID, "number at byte %" PRIu64 " has no end", at);
        int r = mlo_win_u8(w, &b, err);
        if (r < 0)
            return r;
        if (shift == 63 && b > 1)
            break;
        v |= (uint64_t)(b & 0x7F) << shift;
        if (!(b & 0x80)) {
            *ret = v;
            return 0;
        }
    }
    return mlo_fail(err, MLO_EINVALID, "number at byte %" PRIu64 " has more than 64 bits", at);
}

static int fixed(struct mlo_win *w, uint64_t end, size_t n, uint64_t *ret, struct mlo_err *err)
{
    uint8_t b[8] = {0};
    if (end - w->pos < n)
        return mlo_fail(err, MLO_EINVALID, "number at byte %" PRIu64 " is cut off", w->pos);
    int r = mlo_win_read(w, b, n, err);
    *ret = mlo_le64(b);
    return r;
}

static int range(struct mlo_win *w, uint64_t end, struct mlo_pb *f, struct mlo_err *err)
{
    int r = mlo_pb_varint(w, end, &f->len, err);
    if (r < 0)
        return r;
    f->at = w->pos;
    if (f->len > end - w->pos)
        return mlo_fail(err, MLO_EINVALID,
                        "field %" PRIu32 " at byte %" PRIu64 " has %" PRIu64 " bytes, but %" PRIu64
                        " are left",
                        f->number, f->at, f->len, end - w->pos);
    return mlo_win_skip(w, f->len, err);
}

int mlo_pb_next(struct mlo_pb_msg *m, struct mlo_pb *ret, struct mlo_err *err)
{
    struct mlo_win *w = m->w;
    struct mlo_pb f = {0};
    uint64_t key;
    if (m->pos >= m->end)
        return 0;
    w->pos = m->pos;
    int r = mlo_pb_varint(w, m->end, &key, err);
    if (r < 0)
        return r;
    if (key >> 3 == 0 || key >> 3 > MAX_FIELD)
        return mlo_fail(err, MLO_EINVALID, "no field number at byte %" PRIu64, m->pos);
    f.number = (uint32_t)(key >> 3);
    f.wire = (enum mlo_pb_wire)(key & 7);
    switch (f.wire) {
    case MLO_PB_VARINT:
        r = mlo_pb_varint(w, m->end, &f.value, err);
        break;
    case MLO_PB_FIXED64:
        r = fixed(w, m->end, 8, &f.value, err);
        break;
    case MLO_PB_FIXED32:
        r = fixed(w, m->end, 4, &f.value, err);
        break;
    case MLO_PB_LEN:
        r = range(w, m->end, &f, err);
        break;
    default: /* groups, and two numbers that mean nothing */
        return mlo_fail(err, MLO_EINVALID, "wire type %d at byte %" PRIu64, (int)f.wire, m->pos);
    }
    if (r < 0)
        return r;
    m->pos = w->pos;
    *ret = f;
    return 1;
}

int mlo_pb_want(const struct mlo_pb *f, enum mlo_pb_wire wire, const char *what, struct mlo_err *err)
{
    if (f->wire == wire)
        return 0;
    return mlo_fail(err, MLO_EINVALID, "%s: wire type %d, not %d", what, (int)f->wire, (int)wire);
}

int mlo_pb_text(struct mlo_win *w, const struct mlo_pb *f, const char *what, struct mlo_str *out,
                struct mlo_err *err)
{
    int r = mlo_pb_want(f, MLO_PB_LEN, what, err);
    if (r < 0)
        return r;
    mlo_str_clear(out);
    if (f->len > out->max)
        return mlo_fail(err, MLO_EINVALID, "%s at byte %" PRIu64 ": %" PRIu64 " bytes of text", what, f->at,
                        f->len);
    w->pos = f->at;
    for (uint64_t left = f->len; left && r == 0;) {
        const uint8_t *p;
        size_t n = left < MLO_WINDOW ? (size_t)left : MLO_WINDOW;
        r = mlo_win_peek(w, n, &p, err);
        if (r < 0)
            return r;
        mlo_str_addn(out, p, n);
        left -= n;
        r = mlo_win_skip(w, n, err);
    }
    if (r == 0)
        r = mlo_str_check(out, err);
    if (r == 0 && memchr(out->ptr, '\0', out->len))
        r = mlo_fail(err, MLO_EINVALID, "%s at byte %" PRIu64 ": a NUL byte inside", what, f->at);
    return r;
}
