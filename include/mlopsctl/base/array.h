/*
 * An array: the values of a tensor in memory, dense and row-major, little-endian, 4- and 2-bit types packed
 * from the low bit up; strings are an array of struct mlo_slice. It borrows its bytes: who made it says from
 * whom, and for how long.
 */
#ifndef MLOPSCTL_BASE_ARRAY_H
#define MLOPSCTL_BASE_ARRAY_H

#include <mlopsctl/base/dtype.h>
#include <mlopsctl/base/str.h>

#define MLO_RANK_MAX 16 /* dimensions of an array */

struct mlo_array {
    enum mlo_dtype dtype;
    unsigned rank;              /* 0: one element */
    int64_t dims[MLO_RANK_MAX]; /* none negative */
    size_t n;                   /* elements: the product of dims */
    void *data;                 /* constants of a model are not to be written to */
};

/* Elements of a shape: MLO_EINVALID for a negative dimension, or a product that no memory holds. */
int mlo_array_count(const int64_t *dims, unsigned rank, size_t *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Bytes of n elements, packed ones rounded up; false when they are too many to count. */
bool mlo_array_bytes(enum mlo_dtype t, size_t n, size_t *ret);
bool mlo_array_same_shape(const struct mlo_array *a, const struct mlo_array *b);
/* "float32[2,3]" for messages; returns buf. */
#define MLO_ARRAY_TEXT 128
char *mlo_array_text(const struct mlo_array *a, char buf[MLO_ARRAY_TEXT]);

#endif
