/* Where the fields and records of delimited text end (RFC 4180; a quote counts only where a field begins). */
#ifndef MLO_TABLE_DELIMIT_H
#define MLO_TABLE_DELIMIT_H

#include "internal.h"
#include "kernels.h"

#define MLO_DELIMIT_PADDING ((size_t)64) /* readable bytes behind the text */

/* Bytes of whole records at the start of text; 0 when there is none. ended: nothing follows. */
size_t mlo_delimit_whole(const char *text, size_t n, char separator, bool ended);
uint64_t mlo_count_lines(const char *text, size_t n);

/*
 * Of a block, row after row, each of n_columns fields. Field i of row r stands between the bytes at
 * bounds[r * stride + i] and the next entry; the first byte of all may be -1. Rows that follow each other
 * share a bound (stride n_columns), others do not (stride n_columns + 1).
 */
struct mlo_fields {
    uint32_t *bounds;
    uint32_t *lines; /* line of each row, counted from the block's first */
    size_t stride, n_rows, cap_bounds, cap_rows;
    uint64_t unclosed; /* line from which a quote took all the rest, counted from 1; 0: none */
};
static inline uint32_t mlo_field_start(const struct mlo_fields *f, size_t row, size_t i)
{
    return f->bounds[row * f->stride + i] + 1;
}
static inline uint32_t mlo_field_end(const struct mlo_fields *f, size_t row, size_t i)
{
    return f->bounds[row * f->stride + i + 1];
}
void mlo_fields_release(struct mlo_fields *f);
/*
 * Finds them all; rows with another number of fields than n_columns go to `ragged` instead (line from the
 * block's first, number of fields); blank lines are passed over. n_columns 0: only the first row, whatever it
 * has, is found. Behind the last bound are MLO_NUMBERS_STEP that repeat it.
 */
int mlo_fields_find(struct mlo_fields *f, const struct mlo_kernels *kernels, const char *text, size_t n,
                    char separator, size_t n_columns, void (*ragged)(void *ctx, uint64_t line, size_t fields),
                    void *ctx, struct mlo_err *err) MLO_MUST_CHECK;
/* A field without its quotes; doubled ones become single, in place. */
struct mlo_slice mlo_field_text(char *text, uint32_t start, uint32_t end);

#endif
