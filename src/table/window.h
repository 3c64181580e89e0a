/* Rows of a batch whose time lies within a window. */
#ifndef MLO_TABLE_WINDOW_H
#define MLO_TABLE_WINDOW_H

#include "internal.h"

struct mlo_window {
    int64_t from_ns, to_ns; /* 0: no border */
    size_t column;          /* of the batches: the time */
};
struct mlo_window_worker { /* memory of one worker, used again for every batch */
    struct mlo_batch_column *columns;
    struct mlo_gathered *gathered;
    size_t n_columns;
    uint64_t *kept, *lines; /* rows of the batch, and where they stand in it */
    size_t cap_kept, cap_lines;
    uint64_t outside, undated; /* counted so far */
};
/* The rows of `in` within the window and its first n_columns columns; *ret lives until the next call. */
int mlo_window_rows(const struct mlo_window *w, struct mlo_window_worker *mem, const struct mlo_batch *in,
                    size_t n_columns, struct mlo_batch *ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_window_release(struct mlo_window_worker *mem);

#endif
