/*
 * Thrift's compact protocol, read from memory and written: how Parquet writes its footer and the heads of its
 * pages. Failure sticks: after it every number is 0 and every struct ends, so one check at the end is enough.
 */
#ifndef MLOPSCTL_TABLE_THRIFT_H
#define MLOPSCTL_TABLE_THRIFT_H

#include "table/internal.h"

enum mlo_thrift_type {
    MLO_THRIFT_TRUE = 1,
    MLO_THRIFT_FALSE = 2,
    MLO_THRIFT_BYTE = 3,
    MLO_THRIFT_I16 = 4,
    MLO_THRIFT_I32 = 5,
    MLO_THRIFT_I64 = 6,
    MLO_THRIFT_DOUBLE = 7,
    MLO_THRIFT_BYTES = 8,
    MLO_THRIFT_LIST = 9,
    MLO_THRIFT_SET = 10,
    MLO_THRIFT_MAP = 11,
    MLO_THRIFT_STRUCT = 12,
    MLO_THRIFT_UUID = 13,
};
struct mlo_thrift {
    const uint8_t *start, *p, *end;
    const char *bad; /* what makes no sense; NULL: nothing so far */
    bool ended;      /* the bytes ended too early: more of them may help */
};
struct mlo_thrift_field { /* {0} before the first of a struct */
    int16_t id;
    uint8_t type;
};
void mlo_thrift_init(struct mlo_thrift *t, const void *p, size_t n);
/* The next field of a struct; false at its end. The field must then be read or skipped. */
bool mlo_thrift_next(struct mlo_thrift *t, struct mlo_thrift_field *f);
/* Each fails when the field is of another type. */
int64_t mlo_thrift_int(struct mlo_thrift *t, const struct mlo_thrift_field *f);
bool mlo_thrift_bool(struct mlo_thrift *t, const struct mlo_thrift_field *f);
struct mlo_slice mlo_thrift_bytes(struct mlo_thrift *t, const struct mlo_thrift_field *f); /* borrowed */
void mlo_thrift_struct(struct mlo_thrift *t, const struct mlo_thrift_field *f); /* its fields come next */
/* A list of structs: how many follow, never more than there are bytes left. */
size_t mlo_thrift_structs(struct mlo_thrift *t, const struct mlo_thrift_field *f);
void mlo_thrift_skip(struct mlo_thrift *t, const struct mlo_thrift_field *f);
void mlo_thrift_fail(struct mlo_thrift *t, const char *why);

/* ---- thrift_write.c: fields of a struct in rising order, appended to a string, whose failure sticks ---- */

#define MLO_THRIFT_DEPTH 8 /* of structs in structs, as the caller nests them */
struct mlo_thrift_out {
    struct mlo_str *to;
    int16_t last[MLO_THRIFT_DEPTH + 1]; /* field of each open struct */
    unsigned depth;
};
/* Seven bits a byte, the lowest first; the last has no top bit. Levels of Parquet are counted so, too. */
void mlo_thrift_varint(struct mlo_str *to, uint64_t v);
void mlo_thrift_out_init(struct mlo_thrift_out *t, struct mlo_str *to);
/* type: BYTE, I16, I32 or I64. */
void mlo_thrift_put_int(struct mlo_thrift_out *t, int16_t id, enum mlo_thrift_type type, int64_t v);
void mlo_thrift_put_bool(struct mlo_thrift_out *t, int16_t id, bool v);
void mlo_thrift_put_bytes(struct mlo_thrift_out *t, int16_t id, const void *p, size_t n);
/* n items follow: numbers, bytes, or structs, each between open_item and close. */
void mlo_thrift_put_list(struct mlo_thrift_out *t, int16_t id, enum mlo_thrift_type items, size_t n);
void mlo_thrift_item_int(struct mlo_thrift_out *t, int64_t v);
void mlo_thrift_item_bytes(struct mlo_thrift_out *t, const void *p, size_t n);
/* A field that is a struct, up to the close. The outermost struct is open from the start, and closed too. */
void mlo_thrift_open(struct mlo_thrift_out *t, int16_t id);
void mlo_thrift_open_item(struct mlo_thrift_out *t);
void mlo_thrift_close(struct mlo_thrift_out *t);

#endif
