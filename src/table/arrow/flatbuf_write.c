/* FlatBuffers, written forwards: a table, then its children, whose places are filled in when they are known.
 */
#include "flatbuf.h"

#include <string.h>

void mlo_flat_set(struct mlo_flat_out *o, size_t at, const void *p, size_t n)
{
    if (!o->to->failed)
        memcpy(o->to->ptr + at, p, n);
}

void mlo_flat_pad(struct mlo_flat_out *o, size_t to_multiple)
{
    size_t over = (o->to->len - o->start) % to_multiple;
    mlo_str_fill(o->to, 0, over ? to_multiple - over : 0);
}

void mlo_flat_point(struct mlo_flat_out *o, size_t at, size_t to)
{
    uint32_t distance = (uint32_t)(to - at);
    mlo_flat_set(o, at, &distance, sizeof distance);
}

void mlo_flat_begin(struct mlo_flat_out *o, struct mlo_str *to)
{
    *o = (struct mlo_flat_out){to, to->len};
    mlo_str_fill(to, 0, sizeof(uint32_t));
}

/* Where each field stands in its table, the wide ones first, so that all are aligned. Returns the length. */
static uint16_t lay_out(const struct mlo_flat_slot *slots, unsigned n, uint16_t *ret)
{
    size_t at = sizeof(int32_t);
    for (unsigned bytes = 8; bytes > 0; bytes /= 2)
        for (unsigned i = 0; i < n; i++)
            if (slots[i].bytes == bytes) {
                at = (at + bytes - 1) / bytes * bytes;
                ret[i] = (uint16_t)at;
                at += bytes;
            }
    return (uint16_t)at;
}

size_t mlo_flat_add_table(struct mlo_flat_out *o, struct mlo_flat_slot *slots, unsigned n)
{
    struct {
        uint16_t own, table, at[MLO_FLAT_SLOTS];
    } vtable = {.own = (uint16_t)(2 * sizeof(uint16_t) + n * sizeof(uint16_t))};
    vtable.table = lay_out(slots, n, vtable.at);
    mlo_flat_pad(o, sizeof(uint16_t));
    size_t vtable_at = o->to->len;
    mlo_str_addn(o->to, &vtable, vtable.own);
    mlo_flat_pad(o, 8);
    size_t at = o->to->len;
    int32_t back = (int32_t)(at - vtable_at);
    mlo_str_fill(o->to, 0, vtable.table);
    mlo_flat_set(o, at, &back, sizeof back);
    for (unsigned i = 0; i < n; i++) {
        slots[i].at = at + vtable.at[i];
        if (slots[i].bytes)
            mlo_flat_set(o, slots[i].at, &slots[i].value, slots[i].bytes);
    }
    if (vtable_at - o->start <= 8) /* the first */
        mlo_flat_point(o, o->start, at);
    return at;
}

size_t mlo_flat_add_vector(struct mlo_flat_out *o, size_t count, size_t width, size_t *ret_items)
{
    uint32_t n = (uint32_t)count;
    mlo_flat_pad(o, 8);
    if (width >= 8) /* the items are aligned, not the count */
        mlo_str_fill(o->to, 0, 8 - sizeof n);
    size_t at = o->to->len;
    mlo_str_addn(o->to, &n, sizeof n);
    *ret_items = o->to->len;
    mlo_str_fill(o->to, 0, count * width);
    return at;
}

size_t mlo_flat_add_string(struct mlo_flat_out *o, const char *text)
{
    size_t n = strlen(text), items;
    size_t at = mlo_flat_add_vector(o, n, 1, &items);
    mlo_flat_set(o, items, text, n);
    mlo_str_addc(o->to, 0);
    return at;
}
