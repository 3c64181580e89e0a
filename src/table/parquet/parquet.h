/*
 * Parquet, in parts: meta.c reads the footer, page.c the pages of one column one after
 * another, encoding.c their values, value.c makes cells of these, parquet.c is the form.
 * Numbers of enums are those of the format (parquet.thrift).
 *
 * Everything is checked against the size of the file before it is used, and read with pread: a file that
 * shrinks meanwhile is an error, not a signal.
 */
#ifndef MLOPSCTL_TABLE_PARQUET_H
#define MLOPSCTL_TABLE_PARQUET_H

#include "encoding.h"
#include "table/unpack.h"

#define MLO_PARQUET_FOOTER_MAX ((size_t)256 << 20)
#define MLO_PARQUET_HEAD_MAX   ((size_t)1 << 20) /* of a page */
#define MLO_PARQUET_PAGE_MAX   ((size_t)1 << 30)
#define MLO_PARQUET_DEPTH_MAX  64
#define MLO_PARQUET_WIDTH_MAX  ((int64_t)1 << 20) /* bytes of a value of fixed length */
#define MLO_PARQUET_BATCH      8192               /* rows, at most */
#define MLO_PARQUET_KEPT       8                  /* pages that a cursor keeps decompressed */
#define MLO_PARQUET_KEPT_MAX   ((size_t)2 << 20)  /* bytes of each */

enum mlo_parquet_type {
    MLO_PARQUET_BOOLEAN = 0,
    MLO_PARQUET_INT32 = 1,
    MLO_PARQUET_INT64 = 2,
    MLO_PARQUET_INT96 = 3,
    MLO_PARQUET_FLOAT = 4,
    MLO_PARQUET_DOUBLE = 5,
    MLO_PARQUET_BYTE_ARRAY = 6,
    MLO_PARQUET_FIXED = 7,
};
enum mlo_parquet_meaning {                      /* what the values are, whatever type carries them */
                           MLO_PARQUET_AS_NULL, /* a column without any value */
                           MLO_PARQUET_AS_BOOL,
                           MLO_PARQUET_AS_INT32,
                           MLO_PARQUET_AS_UINT32,
                           MLO_PARQUET_AS_INT64,
                           MLO_PARQUET_AS_UINT64,
                           MLO_PARQUET_AS_HALF,
                           MLO_PARQUET_AS_FLOAT,
                           MLO_PARQUET_AS_DOUBLE,
                           MLO_PARQUET_AS_DECIMAL,
                           MLO_PARQUET_AS_CLOCK, /* of a day: seconds */
                           MLO_PARQUET_AS_DATE,
                           MLO_PARQUET_AS_TIMESTAMP,
                           MLO_PARQUET_AS_INT96,
                           MLO_PARQUET_AS_TEXT,
                           MLO_PARQUET_AS_UUID,
};
struct mlo_parquet_leaf { /* a column as it is stored */
    enum mlo_parquet_type type;
    enum mlo_parquet_meaning as;
    size_t width; /* bytes of a value; 0: BOOLEAN, BYTE_ARRAY */
    int32_t scale;
    int64_t unit; /* CLOCK, TIMESTAMP: nanoseconds */
    uint32_t max_level;
    bool repeated;
};
struct mlo_parquet_chunk { /* one leaf in one row group */
    uint64_t start, end;
    uint8_t packing;
};
struct mlo_parquet_group {
    uint64_t first_row, rows;
};
struct mlo_parquet_file {
    const char *name; /* borrowed */
    int fd;           /* borrowed */
    uint64_t size;
    struct mlo_parquet_leaf *leaves;
    size_t n_leaves, cap_leaves;
    struct mlo_table_column *columns; /* those that are flat */
    size_t *leaf_of;                  /* of each column */
    size_t n_columns, cap_columns, cap_leaf_of;
    char **left_out; /* top-level names of the others */
    size_t n_left_out, cap_left_out;
    struct mlo_parquet_group *groups;
    size_t n_groups, cap_groups;
    struct mlo_parquet_chunk *chunks; /* n_leaves a group */
    size_t n_chunks, cap_chunks;
    uint64_t rows;
};

/* ---- meta.c ---- */

/* name, fd and size are set. */
int mlo_parquet_open(struct mlo_parquet_file *f, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_parquet_release(struct mlo_parquet_file *f);
/* What the cells of a leaf are, unless the caller wants another type. */
enum mlo_column_type mlo_parquet_cells(const struct mlo_parquet_leaf *leaf);
bool mlo_parquet_is_integral(const struct mlo_parquet_leaf *leaf);
/* As what cells are read where the caller wants this type: as it, or as text out of which it is read then
 * (mlo_parquet_is_given). */
enum mlo_column_type mlo_parquet_read_as(const struct mlo_parquet_leaf *leaf, enum mlo_column_type want);
bool mlo_parquet_is_given(enum mlo_column_type read_as, enum mlo_column_type want);

/* ---- value.c ---- */

#define MLO_PARQUET_TEXT_MAX 200 /* of a value that is no text: the longest decimal */

struct mlo_parquet_raw {
    const uint8_t *fixed;          /* one behind the other */
    const struct mlo_slice *texts; /* BYTE_ARRAY */
};
int mlo_parquet_numbers(const struct mlo_parquet_leaf *leaf, const struct mlo_parquet_raw *raw, size_t n,
                        double *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Nanoseconds since 1970. What these cannot hold is 0, and its text is put into `bad`, which is otherwise
 * left with ptr NULL; *ret_bad tells whether there is any. */
int mlo_parquet_times(const struct mlo_parquet_leaf *leaf, const struct mlo_parquet_raw *raw, size_t n,
                      struct mlo_hold *hold, int64_t *ret, struct mlo_slice *bad, bool *ret_bad,
                      struct mlo_err *err) MLO_MUST_CHECK;
int mlo_parquet_texts(const struct mlo_parquet_leaf *leaf, const struct mlo_parquet_raw *raw, size_t n,
                      struct mlo_hold *hold, struct mlo_slice *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- page.c: a column of a row group, by one thread ---- */

struct mlo_parquet_dictionary {
    uint8_t *page; /* owned: what texts point into */
    struct mlo_hold hold;
    size_t n, cap_page;
    const double *values; /* numbers, or the page itself where it holds just these */
    double *numbers;      /* owned, as all below; one of them is there, by the type of the cells */
    int64_t *times;
    struct mlo_slice *texts; /* also of times that are bad */
    size_t cap_numbers, cap_times, cap_texts;
    bool bad;
    uint32_t *met; /* how often each value stands in the rows that were counted; owned */
    size_t cap_met;
    uint32_t missing; /* of those rows */
};
struct mlo_parquet_page { /* decompressed */
    uint64_t at;          /* of its head; 0: none */
    uint8_t *bytes;       /* owned */
    size_t cap;
};
struct mlo_parquet_cursor {
    const struct mlo_parquet_file *file;
    const struct mlo_parquet_leaf *leaf;
    const char *column;         /* its name, borrowed */
    enum mlo_column_type cells; /* what is made of the values */
    size_t group;               /* SIZE_MAX: none yet */
    uint8_t packing;
    uint64_t at, end;        /* of the next page, of the chunk */
    uint64_t page_at;        /* of this page: for messages */
    uint64_t row, rows_left; /* next row; rows in pages to come */
    size_t page_left;        /* rows of this page to come */
    struct mlo_parquet_page page;
    struct mlo_parquet_page kept[MLO_PARQUET_KEPT]; /* for who comes by again */
    bool keeps;                                     /* set by the caller: from now on */
    bool lent;                                      /* this batch has texts that point into the page */
    struct mlo_levels levels;
    struct mlo_values values;
    bool has_dictionary, has_data; /* of this chunk, so far */
    bool loaded;                   /* the dictionary: when the first page needs it */
    uint64_t dictionary_at;
    struct mlo_parquet_dictionary dictionary;
};
struct mlo_parquet_scratch { /* of one thread */
    struct mlo_unpacker unpacker;
    struct mlo_hold hold; /* of the batch: whoever begins one clears it */
    uint8_t *stored;      /* owned: a page as it is in the file */
    size_t cap_stored;
    uint64_t bytes; /* of pages, decompressed */
    uint8_t fixed[MLO_PARQUET_BATCH * 8], cell[MLO_PARQUET_BATCH];
    int64_t lengths[MLO_PARQUET_BATCH * 2];
    uint32_t codes[MLO_PARQUET_BATCH];
    struct mlo_slice texts[MLO_PARQUET_BATCH];
};
/* Where n rows of a column go. Those that serve the cursor's type of cells are there. */
struct mlo_parquet_out {
    uint8_t *cell;
    double *numbers;
    int64_t *times;
    struct mlo_slice *texts;
    uint32_t *codes; /* TEXT */
    bool coded;      /* ret: codes were given, not texts */
};
/* n rows from row `from` of the group, which must not lie before those given last, unless it is another
 * group. */
int mlo_parquet_read(struct mlo_parquet_cursor *c, struct mlo_parquet_scratch *s, size_t group, uint64_t from,
                     size_t n, struct mlo_parquet_out *out, struct mlo_err *err) MLO_MUST_CHECK;
/*
 * Counts in place of cells: of at most n rows from row `from` on, up to the first page that is not of codes,
 * how often each value of the dictionary stands. *ret: how many rows that were; 0: they are to be read. Then
 * the counts are told, piece by piece from *at = 0 on, until this is false.
 */
int mlo_parquet_count(struct mlo_parquet_cursor *c, struct mlo_parquet_scratch *s, size_t group,
                      uint64_t from, uint64_t n, uint64_t *ret, struct mlo_err *err) MLO_MUST_CHECK;
bool mlo_parquet_counted(const struct mlo_parquet_cursor *c, struct mlo_parquet_scratch *s, size_t *at,
                         struct mlo_column_cells *ret);
/* After leaf, column and cells were set to another's; the memory is used again. */
void mlo_parquet_turn(struct mlo_parquet_cursor *c);
void mlo_parquet_cursor_release(struct mlo_parquet_cursor *c);
void mlo_parquet_scratch_release(struct mlo_parquet_scratch *s);
/* In which rows of the group the pages of a leaf begin, each `apart` rows or more after the one before.
 * Owner: the caller. */
int mlo_parquet_page_starts(const struct mlo_parquet_file *f, size_t group, size_t leaf, uint64_t apart,
                            uint64_t **ret, size_t *ret_n, struct mlo_err *err) MLO_MUST_CHECK;

#endif
