/* Thrift's compact protocol, written. */
#include "thrift.h"

#include <string.h>

#define LONG_LIST 15 /* from here on the length stands behind the head */

void mlo_thrift_varint(struct mlo_str *to, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        mlo_str_addc(to, (char)(v | 0x80));
    mlo_str_addc(to, (char)v);
}

static uint64_t zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

void mlo_thrift_out_init(struct mlo_thrift_out *t, struct mlo_str *to)
{
    *t = (struct mlo_thrift_out){.to = to};
}

static void put_head(struct mlo_thrift_out *t, int16_t id, enum mlo_thrift_type type)
{
    int16_t *last = &t->last[t->depth];
    if (id > *last && id - *last < 16) {
        mlo_str_addc(t->to, (char)((id - *last) << 4 | (int)type));
    } else {
        mlo_str_addc(t->to, (char)type);
        mlo_thrift_varint(t->to, zigzag(id));
    }
    *last = id;
}

void mlo_thrift_put_int(struct mlo_thrift_out *t, int16_t id, enum mlo_thrift_type type, int64_t v)
{
    put_head(t, id, type);
    if (type == MLO_THRIFT_BYTE)
        mlo_str_addc(t->to, (char)v);
    else
        mlo_thrift_varint(t->to, zigzag(v));
}

void mlo_thrift_put_bool(struct mlo_thrift_out *t, int16_t id, bool v)
{
    put_head(t, id, v ? MLO_THRIFT_TRUE : MLO_THRIFT_FALSE);
}

void mlo_thrift_put_bytes(struct mlo_thrift_out *t, int16_t id, const void *p, size_t n)
{
    put_head(t, id, MLO_THRIFT_BYTES);
    mlo_thrift_item_bytes(t, p, n);
}

void mlo_thrift_put_list(struct mlo_thrift_out *t, int16_t id, enum mlo_thrift_type items, size_t n)
{
    put_head(t, id, MLO_THRIFT_LIST);
    mlo_str_addc(t->to, (char)((n < LONG_LIST ? n : LONG_LIST) << 4 | items));
    if (n >= LONG_LIST)
        mlo_thrift_varint(t->to, n);
}

void mlo_thrift_item_int(struct mlo_thrift_out *t, int64_t v)
{
    mlo_thrift_varint(t->to, zigzag(v));
}

void mlo_thrift_item_bytes(struct mlo_thrift_out *t, const void *p, size_t n)
{
    mlo_thrift_varint(t->to, n);
    mlo_str_addn(t->to, p, n);
}

void mlo_thrift_open(struct mlo_thrift_out *t, int16_t id)
{
    put_head(t, id, MLO_THRIFT_STRUCT);
    mlo_thrift_open_item(t);
}

void mlo_thrift_open_item(struct mlo_thrift_out *t)
{
    t->last[++t->depth] = 0;
}

void mlo_thrift_close(struct mlo_thrift_out *t)
{
    mlo_str_addc(t->to, 0);
    t->depth -= t->depth > 0;
}
