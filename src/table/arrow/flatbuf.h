/*
 * FlatBuffers, read in place, and written: tables, vectors, strings. Every offset is checked against the
 * buffer; what does not fit marks the whole as bad and reads as absent, so that a caller asks once, at the
 * end.
 */
#ifndef MLOPSCTL_TABLE_FLATBUF_H
#define MLOPSCTL_TABLE_FLATBUF_H

#include "table/internal.h"

struct mlo_flatbuf {
    const uint8_t *p; /* borrowed */
    size_t n;
    bool bad;
};
struct mlo_flat_table { /* at 0: absent, all its fields have their defaults */
    struct mlo_flatbuf *in;
    size_t at, vtable;
    unsigned n_slots;
};
struct mlo_flat_vector {
    struct mlo_flatbuf *in;
    size_t at, count, width; /* width: bytes of an item */
};
struct mlo_flat_table mlo_flat_root(struct mlo_flatbuf *in);
/* The field in this slot, or `otherwise` when it is absent. bytes: 1, 2, 4 or 8. */
uint64_t mlo_flat_number(const struct mlo_flat_table *t, unsigned slot, unsigned bytes, uint64_t otherwise);
struct mlo_flat_table mlo_flat_child(const struct mlo_flat_table *t, unsigned slot);
struct mlo_slice mlo_flat_string(const struct mlo_flat_table *t, unsigned slot); /* ptr NULL: absent */
/* Items lie inline, each `width` bytes; a vector of tables has offsets of 4. */
struct mlo_flat_vector mlo_flat_vector(const struct mlo_flat_table *t, unsigned slot, size_t width);
struct mlo_flat_table mlo_flat_item_table(const struct mlo_flat_vector *v, size_t i);
/* Number of 4 or 8 bytes at `offset` of item i. */
uint64_t mlo_flat_item(const struct mlo_flat_vector *v, size_t i, size_t offset, unsigned bytes);

/*
 * ---- flatbuf_write.c: tables first, then what they point at ----
 *
 * Positions are those in the string, whose length is a multiple of 8 at the start; its failure sticks.
 */
struct mlo_flat_out {
    struct mlo_str *to;
    size_t start;
};
struct mlo_flat_slot { /* of a table */
    unsigned bytes;    /* 1, 2, 4 or 8; 0: absent */
    uint64_t value;
    size_t at; /* ret: where it stands, for mlo_flat_point */
};
#define MLO_FLAT_CHILD                                                                                       \
    {                                                                                                        \
        .bytes = 4                                                                                           \
    } /* points at what comes later */
#define MLO_FLAT_SLOTS 8
/* Room for the pointer to the root, which is the first table. */
void mlo_flat_begin(struct mlo_flat_out *o, struct mlo_str *to);
/* Returns the table's position. n: at most MLO_FLAT_SLOTS. */
size_t mlo_flat_add_table(struct mlo_flat_out *o, struct mlo_flat_slot *slots, unsigned n);
/* A vector of `count` items of `width` bytes, all 0; *ret_items: where they begin. */
size_t mlo_flat_add_vector(struct mlo_flat_out *o, size_t count, size_t width, size_t *ret_items);
size_t mlo_flat_add_string(struct mlo_flat_out *o, const char *text);
/* The pointer at this position points at that. */
void mlo_flat_point(struct mlo_flat_out *o, size_t at, size_t to);
/* n bytes at a position that is there already. */
void mlo_flat_set(struct mlo_flat_out *o, size_t at, const void *p, size_t n);
void mlo_flat_pad(struct mlo_flat_out *o, size_t to_multiple);

#endif
