#include "flatbuf.h"

#include <mlopsctl/base/bytes.h>

static bool has(struct mlo_flatbuf *in, size_t at, size_t n)
{
    if (at <= in->n && n <= in->n - at)
        return true;
    in->bad = true;
    return false;
}

static uint64_t number(const uint8_t *p, unsigned bytes)
{
    switch (bytes) {
    case 1:
        return *p;
    case 2:
        return mlo_le16(p);
    case 4:
        return mlo_le32(p);
    default:
        return mlo_le64(p);
    }
}

static struct mlo_flat_table table_at(struct mlo_flatbuf *in, size_t at)
{
    struct mlo_flat_table none = {.in = in}, t = {.in = in, .at = at};
    if (at == 0 || !has(in, at, 4))
        return none;
    t.vtable = at - (size_t)(int64_t)(int32_t)mlo_le32(in->p + at); /* may wrap: then it does not fit */
    if (!has(in, t.vtable, 4))
        return none;
    size_t size = mlo_le16(in->p + t.vtable);
    if (size < 4 || !has(in, t.vtable, size) || !has(in, at, mlo_le16(in->p + t.vtable + 2))) {
        in->bad = true;
        return none;
    }
    t.n_slots = (unsigned)(size - 4) / 2;
    return t;
}

struct mlo_flat_table mlo_flat_root(struct mlo_flatbuf *in)
{
    return table_at(in, has(in, 0, 4) ? mlo_le32(in->p) : 0);
}

/* Where the field's bytes are; 0 when it is absent. */
static size_t field(const struct mlo_flat_table *t, unsigned slot, size_t bytes)
{
    if (t->at == 0 || slot >= t->n_slots)
        return 0;
    size_t offset = mlo_le16(t->in->p + t->vtable + 4 + 2 * slot);
    return offset > 0 && has(t->in, t->at + offset, bytes) ? t->at + offset : 0;
}

uint64_t mlo_flat_number(const struct mlo_flat_table *t, unsigned slot, unsigned bytes, uint64_t otherwise)
{
    size_t at = field(t, slot, bytes);
    return at ? number(t->in->p + at, bytes) : otherwise;
}

/* What the offset in this field points to; 0 when it is absent. */
static size_t target(const struct mlo_flat_table *t, unsigned slot)
{
    size_t at = field(t, slot, 4);
    return at && has(t->in, at + mlo_le32(t->in->p + at), 4) ? at + mlo_le32(t->in->p + at) : 0;
}

struct mlo_flat_table mlo_flat_child(const struct mlo_flat_table *t, unsigned slot)
{
    return table_at(t->in, target(t, slot));
}

struct mlo_flat_vector mlo_flat_vector(const struct mlo_flat_table *t, unsigned slot, size_t width)
{
    size_t at = target(t, slot);
    struct mlo_flat_vector v = {.in = t->in, .width = width};
    if (at == 0)
        return v;
    size_t count = mlo_le32(t->in->p + at);
    if (!has(t->in, at + 4, count * width))
        return v;
    v.at = at + 4;
    v.count = count;
    return v;
}

struct mlo_slice mlo_flat_string(const struct mlo_flat_table *t, unsigned slot)
{
    struct mlo_flat_vector v = mlo_flat_vector(t, slot, 1);
    return (struct mlo_slice){v.at ? (const char *)t->in->p + v.at : NULL, v.count};
}

struct mlo_flat_table mlo_flat_item_table(const struct mlo_flat_vector *v, size_t i)
{
    size_t at = v->at + 4 * i;
    return table_at(v->in, i < v->count ? at + mlo_le32(v->in->p + at) : 0);
}

uint64_t mlo_flat_item(const struct mlo_flat_vector *v, size_t i, size_t offset, unsigned bytes)
{
    return i < v->count ? number(v->in->p + v->at + i * v->width + offset, bytes) : 0;
}
