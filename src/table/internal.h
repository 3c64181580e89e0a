/* What the files of this folder share. */
#ifndef MLO_TABLE_INTERNAL_H
#define MLO_TABLE_INTERNAL_H

#include <mlopsctl/table.h>

#define MLO_TABLE_COLUMNS_MAX ((size_t)65536)
#define MLO_TABLE_LINE_MAX    ((size_t)64 << 20) /* one record of text */
#define MLO_TABLE_FILES_MAX   ((size_t)100000)
#define MLO_TABLE_HEAD        ((size_t)1 << 20) /* of each file: columns and types are found out from it */
#define MLO_TABLE_HEAD_ROWS   ((size_t)10000)

/* ---- input.c: bytes of a file, decompressed ---- */

struct mlo_input {
    const char *name;      /* borrowed: for messages */
    int fd;                /* owned, unless it is stdin */
    int spool;             /* owned: a copy of what can be read only once; -1 */
    const char *temporary; /* borrowed: the folder for that; NULL: /tmp */
    void *codec;           /* of a compressed file */
    const struct mlo_codec *how;
    uint64_t out, max;      /* bytes given so far, and how many may be */
    unsigned char first[4]; /* of the file as it is stored: what tells the codec, still to be read */
    size_t n_first;
    char *ahead; /* owned: decoded bytes that were looked at, given again */
    size_t n_ahead, at_ahead;
    bool live,
        ended; /* live: who writes is waited for no longer than there is nothing; ended: of such a one */
};
struct mlo_head { /* first bytes of an input; borrowed until the next peek */
    const char *text;
    size_t n;
    bool ended; /* there is no more */
};
struct mlo_codec {
    const char *name;
    int (*open)(struct mlo_input *in, void **ret, struct mlo_err *err);
    /* Up to n bytes; *ret_n 0 at the end. */
    int (*read)(struct mlo_input *in, void *codec, void *buf, size_t n, size_t *ret_n, struct mlo_err *err);
    void (*close)(void *codec);
};
extern const struct mlo_codec mlo_codec_gzip, mlo_codec_zstd;
/* path "-": stdin. gzip and zstd are known by their first bytes. */
/* How messages call it. */
const char *mlo_input_name(const char *path);
int mlo_input_open(const char *path, uint64_t max, struct mlo_input *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Fills buf as far as the input goes. */
int mlo_input_read(struct mlo_input *in, void *buf, size_t n, size_t *ret_n,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* The same of any input but a live one. Of that what has come, which is `lines` newlines at least and one
 * byte; *ret_ended: there is no more. */
int mlo_input_come(struct mlo_input *in, size_t lines, void *buf, size_t n, size_t *ret_n, bool *ret_ended,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* The first bytes, at most n; they are read again afterwards. Of a live input as mlo_input_come. Before the
 * first read. */
int mlo_input_peek(struct mlo_input *in, size_t n, size_t lines, struct mlo_head *ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* The compressed bytes below a codec. */
int mlo_input_raw(struct mlo_input *in, void *buf, size_t n, size_t *ret_n,
                  struct mlo_err *err) MLO_MUST_CHECK;
/* The whole as a file that can be read anywhere: the input's own, or a copy without a name. *ret_fd is
 * borrowed. */
int mlo_input_spool(struct mlo_input *in, int *ret_fd, uint64_t *ret_size,
                    struct mlo_err *err) MLO_MUST_CHECK;
bool mlo_input_is_compressed(const struct mlo_input *in);
void mlo_input_close(struct mlo_input *in);

/* ---- cell.c: text of a cell to a value ---- */

/* The whole text is a number (surrounding blanks allowed): correctly rounded. NaN and Inf in their usual
 * spellings. */
bool mlo_cell_number(const char *s, size_t n, double *ret);
bool mlo_cell_bool(const char *s, size_t n, double *ret);
/* ISO 8601 date or date and time (T or blank, fraction, Z or offset; none: UTC). */
bool mlo_cell_time(const char *s, size_t n, int64_t *ret_ns);
/* Empty, or one of the words that pandas reads as missing. */
bool mlo_cell_missing(const char *s, size_t n);
/* Does one of those words begin so? */
static inline bool mlo_may_be_missing(char first)
{
    return first == 'N' || first == 'n' || first == '#' || first == '-' || first == '1' || first == '<';
}

/* Guesses a column's type from the cells of the head. */
struct mlo_guess {
    uint64_t cells, numbers, bools, times;
    bool fraction,
        code; /* code: digits that are no number: leading zeros, from 2^53 on, where a double skips some */
};
void mlo_guess_cell(struct mlo_guess *g, const char *s, size_t n);
enum mlo_column_type mlo_guess_type(const struct mlo_guess *g, bool *ret_integral, bool *ret_empty);

/* ---- rows.c: cells of a batch, column by column, out of text ---- */

struct mlo_rows { /* memory of one worker, used again for every batch */
    struct mlo_batch batch;
    struct mlo_batch_column *columns;
    uint8_t **cell;
    double **numbers;
    int64_t **times;
    struct mlo_slice **texts;
    uint64_t *lines;
    size_t n_columns, cap_rows;
};
/* Room for n_rows of these columns; the arrays of each type are there, cells all OK. */
int mlo_rows_reserve(struct mlo_rows *r, const struct mlo_table_column *columns, size_t n_columns,
                     size_t n_rows, struct mlo_err *err) MLO_MUST_CHECK;
/* When all cells are there: the states of a column that has nothing but values are left out of the batch. */
void mlo_rows_leave_out_ok(struct mlo_rows *r);
void mlo_rows_release(struct mlo_rows *r);
/* One cell of column c from text, which must live as long as the batch. */
void mlo_rows_text(struct mlo_rows *r, enum mlo_column_type type, size_t c, size_t row, const char *s,
                   size_t n);

/* ---- forms: csv.c, jsonl.c, parquet.c, arrow.c ---- */

struct mlo_form_file { /* one open file */
    const struct mlo_form *form;
    void *self;
    struct mlo_table_column *columns; /* owned by self: as found in this file */
    size_t n_columns;
    char **left_out; /* owned by self: names of columns of lists */
    size_t n_left_out;
};
struct mlo_form {
    const char *name, *extensions; /* "csv", ".csv .txt" */
    /* Columns that the head does not name may come later: want() takes SIZE_MAX for one that is known by the
     * name in `as` only. */
    bool open_ended;
    /* Could the file be of this form? By its first bytes, at most 4 KiB. certain: then it is. */
    bool (*sniff)(const char *head, size_t n);
    bool certain;
    /* Takes `in` (also when it fails). Fills ret->columns: types found out, those of opts given. */
    int (*open)(struct mlo_input *in, const struct mlo_table_opts *opts, struct mlo_form_file *ret,
                struct mlo_err *err);
    /* The scan decodes these columns of the file only, in this order: before the first next. */
    int (*want)(void *self, const size_t *columns, const struct mlo_table_column *as, size_t n,
                unsigned workers, struct mlo_err *err);
    /* The next batch, or *ret NULL at the end; it lives until the worker's next call. Any thread, one per
     * worker. */
    int (*next)(void *self, unsigned worker, const struct mlo_batch **ret, struct mlo_err *err);
    /*
     * Optional. After want, before the first next: the batch at place `part` of `parts` that lie evenly over
     * the file, or *ret NULL when none can be had. Next gives its rows again. Lives and threads as in next.
     */
    int (*sample)(void *self, unsigned worker, size_t part, size_t parts, const struct mlo_batch **ret,
                  struct mlo_err *err);
    /* Optional, both or none: the same column by column, instead. A worker takes all places and then all
     * cells of one column, before it goes to another. */
    int (*next_cells)(void *self, unsigned worker, size_t column, const struct mlo_column_cells **ret,
                      struct mlo_err *err);
    int (*sample_cells)(void *self, unsigned worker, size_t column, size_t part, size_t parts,
                        const struct mlo_column_cells **ret, struct mlo_err *err);
    size_t block; /* bytes of the file that make a batch, at least; 0: not known */
    /* Adds what was counted to `st`. */
    void (*close)(void *self, struct mlo_scan_result *st);
};
extern const struct mlo_form mlo_form_csv, mlo_form_jsonl, mlo_form_log, mlo_form_parquet, mlo_form_arrow;

/* A scan that tells when a worker gave up, so that nobody waits for its batch. */
int mlo_table_scan_told(struct mlo_table *t, mlo_batch_fn fn, void (*stopped)(void *ctx), void *ctx,
                        struct mlo_scan_result *ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_scan_result_add(struct mlo_scan_result *to, const struct mlo_scan_result *more);
void mlo_columns_free(struct mlo_table_column *columns, size_t n);

#endif
