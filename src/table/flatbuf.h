/*
 * FlatBuffers, read in place: tables, vectors, strings. Every offset is checked against the buffer; what does
 * not fit marks the whole as bad and reads as absent, so that a caller asks once, at the end.
 */
#ifndef MLOPSCTL_TABLE_FLATBUF_H
#define MLOPSCTL_TABLE_FLATBUF_H

#include "internal.h"

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

#endif
