/*
 * Thrift's compact protocol, read from memory: how Parquet writes its footer and the heads of its pages.
 * Failure sticks: after it every number is 0 and every struct ends, so one check at the end is enough.
 */
#ifndef MLOPSCTL_TABLE_THRIFT_H
#define MLOPSCTL_TABLE_THRIFT_H

#include "internal.h"

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

#endif
