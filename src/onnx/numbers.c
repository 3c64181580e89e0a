/* Repeated numbers: packed into one field or spread over many, as the writer liked. */
#include "internal.h"

#include <string.h>

static size_t width(enum mlo_number k)
{
    return k == MLO_NUMBER_FLOAT ? sizeof(float) : 8;
}

static int add_fixed(struct mlo_numbers *l, struct mlo_arena *arena, const struct mlo_message *m,
                     struct mlo_err *err)
{
    size_t size = width(l->kind), n = mlo_message_left(m) / size;
    if (n * size != mlo_message_left(m))
        return mlo_fail(err, MLO_EINVALID, "a list of numbers is cut off");
    int rc = mlo_arena_grow(arena, &l->all, &l->cap, l->n + n, size, err);
    if (rc == 0 && n > 0)
        memcpy((char *)l->all + l->n * size, m->at, n * size);
    l->n += rc == 0 ? n : 0;
    return rc;
}

static int add_varints(struct mlo_numbers *l, struct mlo_arena *arena, struct mlo_message m,
                       struct mlo_err *err)
{
    size_t n = 0;
    for (const uint8_t *p = m.at; p < m.end; p++)
        n += !(*p & 0x80);
    int rc = mlo_arena_grow(arena, &l->all, &l->cap, l->n + n + 1, sizeof *l->ints, err);
    while (rc == 0 && m.at < m.end) {
        uint64_t v;
        rc = mlo_message_varint(&m, &v, err);
        if (rc == 0)
            l->ints[l->n++] = (int64_t)v;
    }
    return rc;
}

int mlo_numbers_add(struct mlo_numbers *l, struct mlo_arena *arena, const struct mlo_field *f,
                    struct mlo_err *err)
{
    static const enum mlo_wire single[] = {[MLO_NUMBER_INT] = MLO_WIRE_VARINT,
                                           [MLO_NUMBER_FLOAT] = MLO_WIRE_FIXED32,
                                           [MLO_NUMBER_DOUBLE] = MLO_WIRE_FIXED64};
    if (f->wire == MLO_WIRE_BYTES)
        return l->kind == MLO_NUMBER_INT ? add_varints(l, arena, f->bytes, err)
                                         : add_fixed(l, arena, &f->bytes, err);
    int rc = mlo_wire_want(f, single[l->kind], "a list of numbers", err);
    if (rc != 0 || l->kind != MLO_NUMBER_INT)
        return rc != 0 ? rc : add_fixed(l, arena, &f->bytes, err);
    rc = mlo_arena_grow(arena, &l->all, &l->cap, l->n + 1, sizeof *l->ints, err);
    if (rc == 0)
        l->ints[l->n++] = (int64_t)f->value;
    return rc;
}

/* A run was seen to be whole, so that only a number of more than 64 bits is wrong. */
static int take_ints(struct mlo_numbers *l, struct mlo_message *m, size_t n, struct mlo_err *err)
{
    int64_t *to = l->ints + l->n;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const uint8_t *at = ++m->at;
        if (at[0] < 0x80) {
            to[i] = at[0];
            m->at += 1;
        } else if (at[1] < 0x80) {
            to[i] = at[0] - 0x80 + (at[1] << 7);
            m->at += 2;
        } else {
            uint64_t v = 0;
            rc = mlo_message_varint(m, &v, err);
            to[i] = (int64_t)v;
        }
    }
    l->n += n;
    return rc;
}

static int take_fixed(struct mlo_numbers *l, struct mlo_message *m, size_t n)
{
    size_t size = width(l->kind);
    char *to = (char *)l->all + l->n * size;
    for (size_t i = 0; i < n; i++, m->at += 1 + size)
        memcpy(to + i * size, m->at + 1, size);
    l->n += n;
    return 0;
}

int mlo_numbers_add_run(struct mlo_numbers *l, struct mlo_arena *arena, const struct mlo_field *f,
                        struct mlo_message *m, struct mlo_err *err)
{
    int rc = mlo_numbers_add(l, arena, f, err);
    size_t n = rc == 0 && f->wire != MLO_WIRE_BYTES ? mlo_message_run(*m, f) : 0;
    if (n > 0)
        rc = mlo_arena_grow(arena, &l->all, &l->cap, l->n + n, width(l->kind), err);
    if (rc != 0 || n == 0)
        return rc;
    return l->kind == MLO_NUMBER_INT ? take_ints(l, m, n, err) : take_fixed(l, m, n);
}
