/*
 * Tables: columns out of files, and into them, streamed in batches, in bounded memory, on several threads
 * where the form allows. CSV and TSV (RFC 4180), JSON Lines, Parquet and Arrow IPC (flat columns), our
 * request log; plain, gzip or zstd; a file, a glob, a folder, or stdin.
 *
 * Nothing of the input is trusted: every size is bounded, a line that does not fit is counted and reported by
 * its number, never guessed.
 */
#ifndef MLOPSCTL_TABLE_H
#define MLOPSCTL_TABLE_H

#include <mlopsctl/base/dtype.h>
#include <mlopsctl/base/turns.h>

enum mlo_column_type {
    MLO_COLUMN_NUMBER, /* double */
    MLO_COLUMN_TEXT,   /* category, identifier, free text: bytes */
    MLO_COLUMN_BOOL,
    MLO_COLUMN_TIME, /* nanoseconds since 1970 UTC */
};
#define MLO_COLUMN_TYPES 4
/* "number", "text", "bool", "time": as settings, rules, profiles and JSON spell them. */
extern const char *const mlo_column_type_words[MLO_COLUMN_TYPES];
enum mlo_column_origin { /* in a request log (docs/formats.md); columns of any other table are DATA */
                         MLO_ORIGIN_DATA,
                         MLO_ORIGIN_REQUEST, /* "time", "status", "latency_ms", "model": always the first four
                                              */
                         MLO_ORIGIN_INPUT,
                         MLO_ORIGIN_OUTPUT,
                         MLO_ORIGIN_LABEL, /* "label": the truth, joined later */
};
struct mlo_table_column {
    char *name;
    enum mlo_column_type type;
    bool integral; /* NUMBER: as far as seen at the head, whole numbers only */
    bool empty;    /* nothing but missing cells at the head: the type is a guess without a ground */
    enum mlo_column_origin origin;
};

enum mlo_cell { /* state of one cell */
                MLO_CELL_OK,
                MLO_CELL_MISSING, /* empty, null, or one of the words that pandas reads as missing, as NaN */
                MLO_CELL_NAN, /* in a number column: infinite; NaN where the form has it apart from null */
                MLO_CELL_BAD, /* not of the column's type: a word in a number column */
};
struct mlo_batch_column {
    const uint8_t *cell;           /* enum mlo_cell of each row; NULL: all OK */
    const double *numbers;         /* NUMBER; BOOL as 0 and 1. 0 where cell is MISSING or BAD */
    const int64_t *times;          /* TIME */
    const struct mlo_slice *texts; /* TEXT; and of every type where cell is BAD. Borrowed for the call */
    /* TEXT with a dictionary: code of each row (any where the cell is missing), values of the codes; texts is
     * NULL then. NULL without. mlo_batch_text serves both. */
    const uint32_t *codes;
    const struct mlo_slice *dictionary;
    size_t n_dictionary;
};
/* The text of a row of a TEXT column whose cell is OK. */
static inline struct mlo_slice mlo_batch_text(const struct mlo_batch_column *c, size_t row)
{
    return c->codes ? c->dictionary[c->codes[row]] : c->texts[row];
}
struct mlo_batch {
    uint64_t sequence;   /* batches of a scan are numbered in order of the input */
    const char *path;    /* the file it is from; borrowed from the table */
    uint64_t first_row;  /* UINT64_MAX when not known yet (parallel CSV); see mlo_scan_result */
    uint64_t first_line; /* likewise; 1 is the first line of the file */
    size_t n_rows, n_columns;
    const struct mlo_batch_column *columns;
    const uint64_t *lines; /* offset of each row's line from first_line; NULL: row number */
};

struct mlo_table_opts {
    const char *format; /* NULL: by name and content; "csv", "tsv", "jsonl", "parquet", "arrow", "log" */
    char separator;     /* 0: found out among , ; tab | */
    bool no_header;
    /* Given types (from mlops.yaml), by name; others are found out from the head. */
    const struct mlo_table_column *types;
    size_t n_types;
    const char *const *select; /* only these columns are decoded; NULL: all */
    size_t n_select;
    /* Only rows with from_ns <= time < to_ns, in nanoseconds since 1970 UTC; 0: no border. The time is that
     * of the column `time_column`, as mlo_table_time finds it; it need not be selected. Rows without a time
     * are left out when there is any border; when none has one, the scan is MLO_EUSAGE. */
    int64_t from_ns, to_ns;
    const char *time_column;
    unsigned threads;      /* 0: mlo_cpu_count() */
    uint64_t max_bytes;    /* of decompressed input; 0: 1 TiB */
    size_t block_bytes;    /* of text that a thread takes at a time; 0: what is fastest */
    const char *temporary; /* folder for a Parquet file that comes through a pipe; NULL: /tmp */
    /* Text that comes through a pipe, from a terminal or a device: a batch is what has come, when no more
     * does for now; columns and types are told by a head that has a row and the columns expected. Else
     * batches and heads are full. */
    bool live;
    const struct mlo_table_expected { /* borrowed */
        const char *name;
        bool filled; /* its type matters: a cell with a value is waited for */
    } * expected;
    size_t n_expected;
    /* Told once of the columns of lists and maps, which are not read. May be NULL. */
    void (*left_out)(const void *ctx, const char *path, const char *const *columns, size_t n);
    const void *left_out_ctx;
};
struct mlo_table;
/* paths: files, globs, folders, "-". Reads the heads, finds columns and types. */
int mlo_table_open(const char *const *paths, size_t n, const struct mlo_table_opts *opts,
                   struct mlo_table **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_table_close(struct mlo_table *t);
/*
 * After opening, before anything is read: these columns and no others, in this order, as cells of these
 * types. MLO_ENOTFOUND for a name that the table does not have.
 */
int mlo_table_select(struct mlo_table *t, const struct mlo_table_column *columns, size_t n,
                     struct mlo_err *err) MLO_MUST_CHECK;
/* The form of the first file: "csv" (also when tabs separate), "jsonl", ... */
const char *mlo_table_format(const struct mlo_table *t);
/* The files that such words stand for, sorted within each word. Owner of list and names: the caller. */
int mlo_table_files(const char *const *words, size_t n, char ***ret, size_t *ret_n,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* Borrowed. */
const struct mlo_table_column *mlo_table_columns(const struct mlo_table *t, size_t *ret_n);
/* Names of columns that hold more than one value a row (lists, maps), which are left out. Borrowed. */
const char *const *mlo_table_left_out(const struct mlo_table *t, size_t *ret_n);

struct mlo_scan_result {
    uint64_t rows, bytes; /* rows given to fn; bytes of decompressed input */
    uint64_t outside;     /* rows whose time is not within from_ns and to_ns */
    uint64_t undated;     /* rows without a time, when it matters: left out as well */
    uint64_t ragged;      /* lines with too few or too many fields: not part of any batch */
    struct mlo_ragged {
        const char *path; /* borrowed from the table */
        uint64_t line;
        unsigned fields;
    } first_ragged[8]; /* in order */
};
/* fn is called for every batch, from several threads at once (worker < threads tells them apart); a failure
 * stops. */
typedef int (*mlo_batch_fn)(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err);
int mlo_table_scan(struct mlo_table *t, mlo_batch_fn fn, void *ctx, struct mlo_scan_result *ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
/*
 * A scan whose result keeps the order of the input: fn appends what it makes of a batch to `out`, several
 * threads at once; put gets each of these texts in turn, one at a time. Memory is bounded: a thread that is
 * far ahead waits.
 */
struct mlo_batch_writer {
    int (*fn)(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_str *out,
              struct mlo_err *err);
    mlo_put_fn put;
    void *ctx;
};
int mlo_table_scan_in_order(struct mlo_table *t, const struct mlo_batch_writer *w,
                            struct mlo_scan_result *ret, struct mlo_err *err) MLO_MUST_CHECK;
/*
 * Before the scan: batches from up to `parts` places that lie evenly over the input; the scan gives their
 * rows again. None, and *ret_given false, when the input can be read only once (a stream, compressed text),
 * a window leaves unknown where rows are (the first batch of such a scan has some), or is so short that its
 * first `parts` batches are the whole.
 */
int mlo_table_sample(struct mlo_table *t, size_t parts, mlo_batch_fn fn, void *ctx, bool *ret_given,
                     struct mlo_err *err) MLO_MUST_CHECK;
/* Cells of one column, of any rows: for what is counted whatever row it stands in. */
struct mlo_column_cells {
    size_t column; /* of the table's */
    size_t n;
    struct mlo_batch_column cells;
    const uint32_t *times; /* how often each stands, which may be never; NULL: once */
};
typedef int (*mlo_cells_fn)(void *ctx, unsigned worker, const struct mlo_column_cells *c,
                            struct mlo_err *err);
/*
 * The same cells, column by column: where a file keeps its columns apart (Parquet) several times as fast, as
 * what a column needs stays in the cache, and each value of a dictionary is given once. Any other file is
 * read by rows.
 *
 * Of each column `ahead` gets cells from up to `parts` places, as of mlo_table_sample; `begin` is told when
 * it has them all; then `fn` gets all its cells, those again. parts 0: `fn` alone. *ret_given false: none can
 * be had ahead, and nothing was called.
 */
struct mlo_column_reader {
    size_t parts;
    mlo_cells_fn ahead;
    int (*begin)(void *ctx, size_t column, struct mlo_err *err);
    mlo_cells_fn fn;
    void *ctx;
};
int mlo_table_scan_columns(struct mlo_table *t, const struct mlo_column_reader *r, bool *ret_given,
                           struct mlo_scan_result *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* How many workers fn may hear of. */
unsigned mlo_table_workers(const struct mlo_table *t);

/* ---- when a row came about ---- */

/* Which column tells it; name NULL: "time", else the only column of times. */
int mlo_table_time(const struct mlo_table *t, const char *name, size_t *ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* Of a column of times; of numbers since 1970: seconds, or by their size milli-, micro- or nanoseconds; of
 * text, because some cells are neither. False: the cell tells none that nanoseconds in 64 bits reach. */
bool mlo_batch_time(const struct mlo_batch_column *c, size_t row, int64_t *ret_ns);

/*
 * ---- writing ----
 *
 * Flat columns as Parquet (row groups of bounded size, PLAIN pages, zstd, statistics and checksums) or as
 * Arrow IPC. Several threads make parts, each of some rows; one puts the parts together in their order.
 * Nothing is written to a file here: the bytes are the caller's, and never change once they are given out.
 */
enum mlo_write_form {
    MLO_WRITE_PARQUET,
    MLO_WRITE_ARROW, /* a file: a stream with an index behind it */
    MLO_WRITE_ARROW_STREAM,
};
struct mlo_write_column {
    const char *name;
    enum mlo_dtype dtype; /* BOOL (a byte each), whole numbers, F32, F64, STRING (struct mlo_slice, UTF-8) */
    bool nullable;
};
struct mlo_write_cells { /* of a column */
    const void *values;
    const uint8_t *missing; /* not 0: the row has no value; NULL: all have. Of nullable columns only */
};
struct mlo_table_writer;
/* columns are copied. */
int mlo_table_writer_new(enum mlo_write_form form, const struct mlo_write_column *columns, size_t n,
                         struct mlo_table_writer **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_table_writer_free(struct mlo_table_writer *w);
/* n rows as one more part, appended to `part`. Any thread. */
int mlo_table_writer_part(struct mlo_table_writer *w, const struct mlo_write_cells *cells, size_t n,
                          struct mlo_str *part, struct mlo_err *err) MLO_MUST_CHECK;
/* Parts, one behind the other: what follows in the file, as far as it is due, is appended to `out`. One
 * thread at a time. */
int mlo_table_writer_add(struct mlo_table_writer *w, const struct mlo_str *parts, struct mlo_str *out,
                         struct mlo_err *err) MLO_MUST_CHECK;
/* The rest of the file. */
int mlo_table_writer_end(struct mlo_table_writer *w, struct mlo_str *out, struct mlo_err *err) MLO_MUST_CHECK;

#endif
