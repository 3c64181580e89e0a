/*
 * Tables being written. A part is what one thread made of some rows, for the thread that puts parts together:
 * a struct mlo_part_head and bytes that only the form knows.
 */
#ifndef MLOPSCTL_TABLE_WRITE_H
#define MLOPSCTL_TABLE_WRITE_H

#include <pthread.h>

#include "internal.h"
#include "libcodecs.h"

struct mlo_part_head {
    uint64_t rows, bytes; /* bytes: what follows */
};
struct mlo_pack { /* memory of one who makes parts, used again */
    struct mlo_str raw, head;
    ZSTD_CCtx *zstd;
    char *packed;
    size_t cap_packed;
    struct mlo_pack *next;
};
struct mlo_writer_form {
    int (*open)(struct mlo_table_writer *w, struct mlo_err *err);
    void (*close)(struct mlo_table_writer *w);
    /* What follows the head of the part. */
    int (*part)(struct mlo_table_writer *w, struct mlo_pack *k, const struct mlo_write_cells *cells, size_t n,
                struct mlo_str *part, struct mlo_err *err);
    int (*begin)(struct mlo_table_writer *w, struct mlo_str *out, struct mlo_err *err);
    int (*add)(struct mlo_table_writer *w, const char *part, const struct mlo_part_head *head,
               struct mlo_str *out, struct mlo_err *err);
    int (*end)(struct mlo_table_writer *w, struct mlo_str *out, struct mlo_err *err);
};
extern const struct mlo_writer_form mlo_writer_parquet, mlo_writer_arrow, mlo_writer_arrow_stream;

struct mlo_table_writer {
    const struct mlo_writer_form *form;
    struct mlo_write_column *columns; /* owned, with their names */
    size_t n_columns;
    uint64_t rows, at; /* rows added; bytes given out */
    bool begun;
    void *own; /* of the form */
    pthread_mutex_t lock;
    struct mlo_pack *spare;
};

static inline bool mlo_write_is_missing(const struct mlo_write_cells *c, size_t row)
{
    return c->missing && c->missing[row];
}
size_t mlo_write_n_missing(const struct mlo_write_cells *c, size_t n);
/* A bit of each byte, from the low one up: whether it is not 0, or with `inverted` whether it is. */
void mlo_write_bits(struct mlo_str *to, const uint8_t *bytes, bool inverted, size_t n);
size_t mlo_write_width(enum mlo_dtype t); /* bytes of a value in memory */

#endif
