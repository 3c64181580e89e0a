/*
 * The canonical bytes of a tensor: contiguous, row-major, little-endian, given out in pieces of at most 1
 * MiB, whatever the file did with them. Memory is bounded by TILE plus two pieces, except for deflated arrays
 * in Fortran order, which need all their bytes at once (MAX_INFLATED_VIEW).
 */
#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#include "internal.h"

#define PIECE             ((size_t)1 << 20)
#define TILE              ((size_t)16 << 20)
#define MAX_INFLATED_VIEW ((uint64_t)1 << 30)

typedef int piece_fn(void *ctx, const void *p, size_t n, struct mlo_err *err);

/* Collects bytes into pieces and turns big-endian units round. */
struct out {
    piece_fn *fn;
    void *ctx;
    unsigned unit; /* bytes to reverse together; 1: none */
    size_t have;
    size_t room;
    uint8_t *buf; /* room bytes, owned: PIECE, or all of a smaller tensor */
};

static unsigned swap_unit(const struct mlo_tensor *t)
{
    if (!t->swap)
        return 1;
    if (t->dtype == MLO_DT_STRING) /* only NumPy's U can be big-endian: UTF-32 */
        return 4;
    unsigned bytes = mlo_dtype_bits(t->dtype) / 8;
    if (t->dtype == MLO_DT_C64 || t->dtype == MLO_DT_C128)
        bytes /= 2;
    return bytes ? bytes : 1;
}

static int out_init(struct out *o, const struct mlo_tensor *t, piece_fn *fn, void *ctx, struct mlo_err *err)
{
    *o = (struct out){.fn = fn, .ctx = ctx, .unit = swap_unit(t)};
    o->room = t->bytes < PIECE ? (size_t)t->bytes + 1 : PIECE;
    o->buf = mlo_calloc(o->room, 1, err);
    return o->buf ? 0 : err->code;
}

static void out_release(struct out *o)
{
    free(o->buf);
}

static void reverse_units(uint8_t *p, size_t n, unsigned unit)
{
    for (size_t i = 0; i + unit <= n; i += unit)
        for (unsigned a = 0, b = unit - 1; a < b; a++, b--) {
            uint8_t c = p[i + a];
            p[i + a] = p[i + b];
            p[i + b] = c;
        }
}

/* Pieces end on unit borders: PIECE is a multiple of every unit, and only the last piece is shorter. */
static int out_flush(struct out *o, struct mlo_err *err)
{
    size_t n = o->have;
    if (n == 0)
        return 0;
    if (o->unit > 1)
        reverse_units(o->buf, n, o->unit);
    o->have = 0;
    return o->fn(o->ctx, o->buf, n, err);
}

static int out_put(struct out *o, const uint8_t *p, size_t n, struct mlo_err *err)
{
    while (n) {
        size_t step = n < o->room - o->have ? n : o->room - o->have;
        memcpy(o->buf + o->have, p, step);
        o->have += step;
        p += step;
        n -= step;
        if (o->have == o->room) {
            int rc = out_flush(o, err);
            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

/* ---- contiguous ---- */

static int put_range(struct out *o, const struct mlo_source *src, uint64_t off, uint64_t n,
                     struct mlo_err *err)
{
    while (n) {
        size_t step = n < o->room ? (size_t)n : o->room;
        int rc = mlo_source_read(src, o->buf, step, off, err);
        if (rc < 0)
            return rc;
        o->have = step;
        rc = out_flush(o, err);
        if (rc < 0)
            return rc;
        off += step;
        n -= step;
    }
    return 0;
}

/* ---- views ---- */

struct view {
    const struct mlo_source *src;
    const struct mlo_tensor *t;
    uint64_t base; /* of element 0 in src */
    size_t item;
    uint8_t *tile; /* TILE bytes, or what the whole view spans */
    struct out *out;
};

/* Elements from the first to the last of the part that dimensions dim.. span; false on overflow. */
static bool span_of(const struct mlo_tensor *t, uint32_t dim, uint64_t *ret)
{
    uint64_t span = 1, reach;
    for (uint32_t i = dim; i < t->rank; i++)
        if (t->stride[i] < 0 || !mlo_mul_u64(t->shape[i] - 1, (uint64_t)t->stride[i], &reach) ||
            !mlo_add_u64(span, reach, &span))
            return false;
    *ret = span;
    return true;
}

static int gather(struct view *v, uint32_t dim, const uint8_t *p, struct mlo_err *err)
{
    const struct mlo_tensor *t = v->t;
    if (dim == t->rank)
        return out_put(v->out, p, v->item, err);
    if (dim + 1 == t->rank && t->stride[dim] == 1)
        return out_put(v->out, p, (size_t)t->shape[dim] * v->item, err);
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < t->shape[dim]; i++)
        rc = gather(v, dim + 1, p + i * (uint64_t)t->stride[dim] * v->item, err);
    return rc;
}

/* Element offset of the n-th element (row-major) of dimensions dim.. */
static uint64_t element_at(const struct mlo_tensor *t, uint32_t dim, uint64_t n)
{
    uint64_t off = 0;
    for (uint32_t i = t->rank; i-- > dim; n /= t->shape[i])
        off += n % t->shape[i] * (uint64_t)t->stride[i];
    return off;
}

/*
 * Dimension dim is the fast one in the file (Fortran order): take `rows` of it at a time, one read for each
 * element of the dimensions within, and give them out turned round.
 */
static int emit_turned(struct view *v, uint32_t dim, uint64_t off, uint64_t inner, struct mlo_err *err)
{
    uint64_t n = v->t->shape[dim], most = TILE / v->item / inner;
    for (uint64_t row = 0, rows; row < n; row += rows) {
        rows = most < n - row ? most : n - row;
        for (uint64_t i = 0; i < inner; i++) {
            uint64_t at = off + row + element_at(v->t, dim + 1, i);
            int rc = mlo_source_read(v->src, v->tile + i * rows * v->item, (size_t)rows * v->item,
                                     v->base + at * v->item, err);
            if (rc < 0)
                return rc;
        }
        for (uint64_t r = 0; r < rows; r++)
            for (uint64_t i = 0; i < inner; i++) {
                int rc = out_put(v->out, v->tile + (i * rows + r) * v->item, v->item, err);
                if (rc < 0)
                    return rc;
            }
    }
    return 0;
}

/* Recursion is bounded by the rank, which is at most MLO_MAX_RANK. */
static int emit(struct view *v, uint32_t dim, uint64_t off, struct mlo_err *err)
{
    const struct mlo_tensor *t = v->t;
    uint64_t span, inner = 1;
    if (!span_of(t, dim, &span))
        return mlo_fail(err, MLO_EINVALID, "a stride that overflows");
    if (span <= TILE / v->item) {
        int rc = mlo_source_read(v->src, v->tile, (size_t)span * v->item, v->base + off * v->item, err);
        return rc < 0 ? rc : gather(v, dim, v->tile, err);
    }
    for (uint32_t i = dim + 1; i < t->rank; i++)
        inner *= t->shape[i];
    if (t->stride[dim] == 1 && inner <= TILE / v->item)
        return emit_turned(v, dim, off, inner, err);
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < t->shape[dim]; i++)
        rc = emit(v, dim + 1, off + i * (uint64_t)t->stride[dim], err);
    return rc;
}

/* `room`: bytes of src from base on that belong to the tensor. */
static int put_view(struct out *o, const struct mlo_source *src, const struct mlo_tensor *t, uint64_t base,
                    uint64_t room, struct mlo_err *err)
{
    uint64_t span;
    if (t->elements == 0)
        return 0;
    struct view v = {.src = src, .t = t, .base = base, .item = (size_t)(t->bytes / t->elements), .out = o};
    if (v.item == 0 || v.item > TILE || t->bytes % t->elements)
        return mlo_fail(err, MLO_EINVALID, "elements of %zu bytes cannot be a strided view", v.item);
    if (!span_of(t, 0, &span) || span > room / v.item)
        return mlo_fail(err, MLO_EINVALID, "shape and strides reach outside the tensor's %" PRIu64 " bytes",
                        room);
    if (t->bytes > TILE && t->bytes / MLO_CP_MAX_EXPANSION > room) /* small expanded views are usual */
        return mlo_fail(err, MLO_EINVALID, "a view of %" PRIu64 " bytes over %" PRIu64 " stored ones",
                        t->bytes, room);
    MLO_AUTOFREE uint8_t *tile = mlo_calloc(1, span < TILE / v.item ? (size_t)span * v.item : TILE, err);
    if (!tile)
        return err->code;
    v.tile = tile;
    return emit(&v, 0, 0, err);
}

static int put_strided(struct out *o, const struct mlo_source *src, const struct mlo_tensor *t,
                       struct mlo_err *err)
{
    if (t->stride)
        return put_view(o, src, t, t->offset, t->length, err);
    return t->bytes > t->length ? mlo_fail(err, MLO_EINVALID, "fewer bytes stored than the shape needs")
                                : put_range(o, src, t->offset, t->bytes, err);
}

/* ---- deflated ---- */

struct unpacked {
    struct mlo_inflate z;
    uint64_t total;
    uint32_t crc;
    uint8_t *buf; /* MLO_WINDOW bytes */
};

static int next_unpacked(struct unpacked *u, size_t *ret_n, struct mlo_err *err)
{
    int rc = mlo_inflate_some(&u->z, u->buf, MLO_WINDOW, ret_n, err);
    if (rc < 0)
        return rc;
    u->total += *ret_n;
    u->crc = (uint32_t)crc32(u->crc, u->buf, (uInt)*ret_n);
    return 0;
}

static int check_unpacked(const struct unpacked *u, const struct mlo_tensor *t, struct mlo_err *err)
{
    if (u->total != t->skip + t->bytes || mlo_win_left(&u->z.in))
        return mlo_fail(err, MLO_EINVALID, "the compressed data has another size than the directory says");
    if (u->crc != t->crc)
        return mlo_fail(err, MLO_EINVALID, "CRC-32 does not match");
    return 0;
}

static int put_unpacked(struct out *o, struct unpacked *u, const struct mlo_tensor *t, struct mlo_err *err)
{
    size_t n = 0;
    int rc;
    while ((rc = next_unpacked(u, &n, err)) == 0 && n) {
        uint64_t before = u->total - n;
        size_t skip = before >= t->skip ? 0 : t->skip - before < n ? (size_t)(t->skip - before) : n;
        if (u->total > t->skip + t->bytes)
            break;
        rc = out_put(o, u->buf + skip, n - skip, err);
        if (rc < 0)
            return rc;
    }
    return rc < 0 ? rc : check_unpacked(u, t, err);
}

/* All bytes at once, for a view that jumps about in them. */
static int load_unpacked(struct unpacked *u, const struct mlo_tensor *t, struct mlo_str *out,
                         struct mlo_err *err)
{
    size_t n = 0;
    int rc;
    while ((rc = next_unpacked(u, &n, err)) == 0 && n) {
        mlo_str_addn(out, u->buf, n);
        rc = mlo_str_check(out, err);
        if (rc < 0)
            return rc;
    }
    return rc < 0 ? rc : check_unpacked(u, t, err);
}

static int view_unpacked(struct out *o, struct unpacked *u, const struct mlo_tensor *t, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str all;
    mlo_str_init(&all, (size_t)(t->skip + t->bytes));
    int rc = load_unpacked(u, t, &all, err);
    if (rc < 0)
        return rc;
    struct mlo_mem mem = {all.ptr};
    struct mlo_source src = mlo_source_mem(&mem, all.len);
    return put_view(o, &src, t, t->skip, t->bytes, err);
}

static int put_deflated(struct out *o, const struct mlo_source *src, const struct mlo_tensor *t,
                        struct mlo_err *err)
{
    MLO_AUTOFREE uint8_t *buf = mlo_calloc(1, MLO_WINDOW, err);
    struct unpacked u = {.buf = buf, .crc = (uint32_t)crc32(0, NULL, 0)};
    uint64_t total;
    if (!buf)
        return err->code;
    if (!mlo_add_u64(t->skip, t->bytes, &total) || (t->stride && total > MAX_INFLATED_VIEW))
        return mlo_fail(err, MLO_EINVALID, "a deflated array in Fortran order of more than %" PRIu64 " bytes",
                        MAX_INFLATED_VIEW);
    int rc = mlo_inflate_begin(&u.z, src, t->offset, t->length, err);
    if (rc == 0)
        rc = t->stride ? view_unpacked(o, &u, t, err) : put_unpacked(o, &u, t, err);
    mlo_inflate_end(&u.z);
    return rc;
}

/* ---- all ---- */

static int put_tensor(struct out *o, const struct mlo_source *src, const struct mlo_tensor *t,
                      struct mlo_err *err)
{
    int rc = 0;
    switch (t->store) {
    case MLO_TS_RANGE:
    case MLO_TS_EXTERNAL:
    case MLO_TS_STRIDED:
        rc = put_strided(o, src, t, err);
        break;
    case MLO_TS_DEFLATED:
        rc = put_deflated(o, src, t, err);
        break;
    case MLO_TS_TYPED: /* gives out its own pieces */
        return mlo_onnx_typed_read(src, t, o->fn, o->ctx, err);
    case MLO_TS_NONE:
        return mlo_fail(err, MLO_EUNAVAIL, "no plain bytes to read (%s)", t->type_name);
    }
    return rc < 0 ? rc : out_flush(o, err);
}

int mlo_tensor_read(const struct mlo_source *src, const struct mlo_tensor *t, piece_fn *fn, void *ctx,
                    struct mlo_err *err)
{
    struct out o;
    char shown[MLO_SHOWN];
    int rc = out_init(&o, t, fn, ctx, err);
    if (rc == 0)
        rc = put_tensor(&o, src, t, err);
    out_release(&o);
    return rc < 0 ? mlo_wrap(err, "tensor \"%s\"", mlo_shown(t->name, strlen(t->name), shown)) : 0;
}
