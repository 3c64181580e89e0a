/*
 * Arrow IPC (Feather v2), flat columns, in parts: schema.c finds the columns and what of a batch each
 * takes up, message.c reads messages and their buffers, column.c makes cells of these, arrow.c is
 * the form. Numbers of enums and slots are those of the format (Schema.fbs, Message.fbs, File.fbs).
 *
 * Stored values are the same as in Parquet once they are widened, so cells are made by parquet/value.c.
 */
#ifndef MLOPSCTL_TABLE_ARROW_H
#define MLOPSCTL_TABLE_ARROW_H

#include <pthread.h>
#include <stdatomic.h>

#include "flatbuf.h"
#include "table/parquet/parquet.h"

#define MLO_ARROW_METADATA_MAX ((size_t)256 << 20)
#define MLO_ARROW_BODY_MAX     ((uint64_t)4 << 30) /* of one message */
#define MLO_ARROW_DEPTH_MAX    64                  /* of nested columns, which are passed over */
#define MLO_ARROW_NODES_MAX    ((size_t)1 << 18)   /* columns and what is nested in them */
#define MLO_ARROW_ROWS_MAX     ((uint64_t)1 << 40) /* of a batch */

/* ---- schema.c ---- */

enum mlo_arrow_layout {                        /* how a column lies in its buffers, validity apart */
                        MLO_ARROW_NOTHING,     /* Null */
                        MLO_ARROW_FIXED,       /* values of `width` bytes */
                        MLO_ARROW_BITS,        /* Bool */
                        MLO_ARROW_OFFSETS,     /* 32-bit offsets, bytes */
                        MLO_ARROW_BIG_OFFSETS, /* 64-bit offsets, bytes */
                        MLO_ARROW_VIEWS,       /* 16 bytes each, bytes in any number of buffers */
                        MLO_ARROW_NESTED,      /* passed over */
};
struct mlo_arrow_type {
    struct mlo_parquet_leaf leaf; /* of the widened value */
    enum mlo_arrow_layout layout;
    size_t width;   /* FIXED: bytes as stored */
    bool is_signed; /* of fewer than four bytes */
    bool reversed;  /* decimals: the leaf has the highest byte first */
};
struct mlo_arrow_node { /* a column or what is nested in one, in the order of the format */
    unsigned buffers;
    bool views; /* and as many more as the batch says */
};
struct mlo_arrow_field {        /* a flat column */
    size_t node;                /* its own */
    struct mlo_arrow_type type; /* of its values */
    bool coded;                 /* the column holds codes */
    int64_t dictionary;
    size_t code_width;
    bool code_signed;
};
struct mlo_arrow_schema {
    struct mlo_arrow_node *nodes;
    size_t n_nodes, cap_nodes;
    struct mlo_arrow_field *fields; /* of each column */
    struct mlo_table_column *columns;
    size_t n_columns, cap_fields, cap_columns;
    char **left_out; /* names of nested columns */
    size_t n_left_out, cap_left_out;
};
/* header: the Schema table of a message or footer; version: of the metadata. */
int mlo_arrow_schema_read(struct mlo_arrow_schema *s, const struct mlo_flat_table *header, unsigned version,
                          struct mlo_err *err) MLO_MUST_CHECK;
void mlo_arrow_schema_release(struct mlo_arrow_schema *s);

/* ---- message.c ---- */

enum mlo_arrow_kind {
    MLO_ARROW_END = 0,
    MLO_ARROW_SCHEMA = 1,
    MLO_ARROW_DICTIONARY = 2,
    MLO_ARROW_RECORDS = 3
};

struct mlo_arrow_message { /* memory is used again for the next */
    enum mlo_arrow_kind kind;
    struct mlo_flatbuf flat;
    struct mlo_flat_table header;
    unsigned version;
    uint8_t *metadata; /* owned */
    size_t cap_metadata;
    uint8_t *body; /* owned; a stream's only */
    size_t cap_body;
    uint64_t body_at, n_body; /* body_at: in the file */
};
struct mlo_arrow_source { /* a stream, or a file with a footer that says where its messages are */
    struct mlo_input in;  /* owned */
    int fd;               /* of a file */
    uint64_t size, at;    /* of a file */
    bool is_file;
    uint64_t *blocks; /* of a file: where dictionaries, then records begin */
    size_t n_blocks, cap_blocks, block;
    uint64_t bytes; /* read so far */
};
/* The schema, and where the rest is. */
int mlo_arrow_open(struct mlo_arrow_source *s, struct mlo_arrow_message *m, struct mlo_arrow_schema *schema,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* The next message behind the schema; kind MLO_ARROW_END: there is no more. */
int mlo_arrow_next(struct mlo_arrow_source *s, struct mlo_arrow_message *m,
                   struct mlo_err *err) MLO_MUST_CHECK;
void mlo_arrow_source_release(struct mlo_arrow_source *s);
void mlo_arrow_message_release(struct mlo_arrow_message *m);

struct mlo_arrow_array {     /* the buffers of one column of one batch */
    const uint8_t *validity; /* NULL: all valid */
    const uint8_t *values;   /* or offsets, or views */
    size_t n_values;
    struct mlo_slice *bytes; /* owned: of OFFSETS one buffer, of VIEWS any number */
    size_t n_bytes, cap_bytes;
    uint64_t rows;
    void **owned; /* what the buffers are in when they are not in the message's body */
    size_t n_owned, cap_owned;
};
struct mlo_arrow_unpacking {
    struct mlo_unpacker unpacker;
    uint8_t *stored; /* owned */
    size_t cap_stored;
    uint64_t bytes, max; /* decompressed so far, and how many may be */
};
struct mlo_arrow_batch { /* a table RecordBatch */
    struct mlo_flat_vector nodes, buffers, variadic;
    uint64_t rows;
    int packing; /* -1: not compressed; 0 LZ4 frames, 1 zstd */
};
int mlo_arrow_batch_read(const struct mlo_flat_table *header, struct mlo_arrow_batch *ret,
                         struct mlo_err *err) MLO_MUST_CHECK;
struct mlo_arrow_place { /* of a column in a batch */
    size_t node, buffer, variadic;
    enum mlo_arrow_layout layout;
    size_t width;
};
int mlo_arrow_load(const struct mlo_arrow_source *s, const struct mlo_arrow_message *m,
                   const struct mlo_arrow_batch *b, const struct mlo_arrow_place *place,
                   struct mlo_arrow_unpacking *u, struct mlo_arrow_array *ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* Where each column of the schema lies in this batch, which has its views' buffers in between. */
int mlo_arrow_places(const struct mlo_arrow_schema *schema, const struct mlo_arrow_batch *b,
                     struct mlo_arrow_place *ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_arrow_array_clear(struct mlo_arrow_array *a);
void mlo_arrow_array_release(struct mlo_arrow_array *a);

/* ---- column.c ---- */

struct mlo_arrow_dictionary { /* values; never changed while others hold it */
    atomic_uint holders;
    int64_t id;
    size_t n;
    enum mlo_column_type cells;
    struct mlo_arrow_type type;
    uint8_t *cell;
    double *numbers;
    int64_t *times;
    struct mlo_slice *texts;
    size_t cap_cell, cap_numbers, cap_times, cap_texts;
    struct mlo_hold hold; /* what texts are in */
};
struct mlo_arrow_cells { /* where n rows go; those that serve the type are there */
    uint8_t *cell;
    double *numbers;
    int64_t *times;
    struct mlo_slice *texts;
    uint32_t *codes;
};
struct mlo_arrow_scratch { /* for MLO_PARQUET_BATCH rows */
    uint8_t fixed[MLO_PARQUET_BATCH * 32];
    struct mlo_slice texts[MLO_PARQUET_BATCH];
    struct mlo_hold hold; /* texts that are made: of the batch, whoever begins one clears it */
};
/* n rows (at most MLO_PARQUET_BATCH) from row `from`, as cells of this type. */
int mlo_arrow_cells(const struct mlo_arrow_type *type, const struct mlo_arrow_array *a, uint64_t from,
                    size_t n, enum mlo_column_type cells, struct mlo_arrow_scratch *scratch,
                    struct mlo_hold *hold, const struct mlo_arrow_cells *out,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* The same of a column of codes; TEXT: codes alone. */
int mlo_arrow_coded(const struct mlo_arrow_field *f, const struct mlo_arrow_array *a, uint64_t from, size_t n,
                    const struct mlo_arrow_dictionary *d, const struct mlo_arrow_cells *out,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* A dictionary with these values behind those of `before`, which may be NULL. */
int mlo_arrow_dictionary_new(const struct mlo_arrow_dictionary *before, int64_t id,
                             const struct mlo_arrow_type *type, enum mlo_column_type cells,
                             const struct mlo_arrow_array *a, struct mlo_arrow_scratch *scratch,
                             struct mlo_arrow_dictionary **ret, struct mlo_err *err) MLO_MUST_CHECK;
struct mlo_arrow_dictionary *mlo_arrow_dictionary_hold(struct mlo_arrow_dictionary *d);
void mlo_arrow_dictionary_drop(struct mlo_arrow_dictionary *d);

#endif
