/*
 * Delimited text. One thread at a time takes the next block of whole records from the file; finding its
 * fields and reading its numbers, which is nearly all the work, goes on side by side.
 */
#include <stdio.h>
#include <string.h>

#include "blocks.h"
#include "delimit.h"
#include "kernels.h"

struct csv_worker {
    struct mlo_block block;
    struct mlo_fields fields;
    struct mlo_rows rows;
};
struct csv_run { /* number columns whose fields follow each other */
    size_t field, n;
    size_t columns[MLO_NUMBERS_STEP]; /* of those wanted */
};
struct csv {
    struct mlo_blocks in;
    const struct mlo_kernels *kernels;
    struct mlo_table_column *columns; /* of the file */
    size_t n_columns;
    const size_t *want; /* borrowed: columns to decode */
    const struct mlo_table_column *as;
    size_t n_want;
    struct csv_run *runs; /* these hold all number columns; and the others: */
    size_t *others;
    size_t n_runs, n_others;
    struct csv_worker *workers;
    unsigned n_workers;
};

/* Where the first record ends that is no blank line. */
static size_t header_length(const char *text, size_t n, char separator)
{
    size_t at = 0;
    while (at < n && (text[at] == '\n' || text[at] == '\r'))
        at++;
    for (size_t end = at; end < n;) {
        const char *nl = memchr(text + end, '\n', n - end);
        end = nl ? (size_t)(nl - text) + 1 : n;
        if (mlo_delimit_whole(text + at, end - at, separator, end == n) > 0)
            return end;
    }
    return n;
}

/* ---- rows ---- */

struct ragged {
    struct csv *t;
    const struct mlo_block *block;
    uint64_t first_line;
};

static void note_ragged(void *ctx, uint64_t line, size_t fields)
{
    const struct ragged *r = ctx;
    mlo_blocks_ragged(&r->t->in, r->block, r->first_line + line, fields);
}

static void read_cell(const struct csv *t, struct csv_worker *w, char *text, size_t row, size_t column)
{
    const struct mlo_fields *f = &w->fields;
    size_t i = t->want[column];
    struct mlo_slice s = mlo_field_text(text, mlo_field_start(f, row, i), mlo_field_end(f, row, i));
    mlo_rows_text(&w->rows, t->as[column].type, column, row, s.ptr, s.len);
}

/* Some rows at a time: their text stays near while one column after the other is read. */
#define TILE       32
#define TILE_BYTES ((size_t)32 << 10)
#define TILE_LEAST 4

static void read_run(const struct csv *t, struct csv_worker *w, char *text, const struct csv_run *run,
                     size_t row, size_t rows)
{
    const uint32_t *bounds = w->fields.bounds + row * w->fields.stride;
    double v[TILE][MLO_NUMBERS_STEP];
    uint8_t read[TILE];
    t->kernels->numbers(text, bounds + run->field, w->fields.stride, rows, v, read);
    for (size_t i = 0; i < run->n; i++) {
        double *numbers = w->rows.numbers[run->columns[i]] + row;
        for (size_t r = 0; r < rows; r++)
            numbers[r] = v[r][i];
    }
    for (size_t r = 0; r < rows; r++)
        for (unsigned rest = ~(unsigned)read[r] & ((1u << run->n) - 1); rest; rest &= rest - 1)
            read_cell(t, w, text, row + r, run->columns[__builtin_ctz(rest)]);
}

/* Nearly every text is as it stands: neither quoted nor one of the words for what is missing. */
static bool is_itself(const char *s, const char *end)
{
    return s < end && *s != '"' && end[-1] != '\r' && !mlo_may_be_missing(*s);
}

static void read_texts(const struct csv *t, struct csv_worker *w, char *text, size_t column, size_t row,
                       size_t rows)
{
    struct mlo_slice *texts = w->rows.texts[column];
    for (size_t r = row; r < row + rows; r++) {
        const char *start = text + mlo_field_start(&w->fields, r, t->want[column]);
        const char *end = text + mlo_field_end(&w->fields, r, t->want[column]);
        if (is_itself(start, end))
            texts[r] = (struct mlo_slice){start, (size_t)(end - start)};
        else
            read_cell(t, w, text, r, column);
    }
}

static void read_cells(const struct csv *t, struct csv_worker *w, char *text, size_t column, size_t row,
                       size_t rows)
{
    for (size_t r = row; r < row + rows; r++)
        read_cell(t, w, text, r, column);
}

static void read_tile(const struct csv *t, struct csv_worker *w, char *text, size_t row, size_t rows)
{
    for (size_t i = 0; i < t->n_runs; i++)
        read_run(t, w, text, &t->runs[i], row, rows);
    for (size_t c = 0; c < t->n_others; c++)
        (t->as[t->others[c]].type == MLO_COLUMN_TEXT ? read_texts : read_cells)(t, w, text, t->others[c], row,
                                                                                rows);
}

/* A row that begins where the text does: before its first fields there is too little to be read in excess. */
static void read_early_row(const struct csv *t, struct csv_worker *w, char *text, size_t row)
{
    for (size_t i = 0; i < t->n_runs; i++) {
        const struct csv_run *run = &t->runs[i];
        if (mlo_field_end(&w->fields, row, run->field) >= MLO_NUMBERS_BEFORE)
            read_run(t, w, text, run, row, 1);
        else
            for (size_t c = 0; c < run->n; c++)
                read_cell(t, w, text, row, run->columns[c]);
    }
    for (size_t c = 0; c < t->n_others; c++)
        read_cell(t, w, text, row, t->others[c]);
}

static void read_rows(const struct csv *t, struct csv_worker *w, char *text)
{
    size_t row = 0, n = w->fields.n_rows;
    for (; row < n && mlo_field_start(&w->fields, row, 0) < MLO_NUMBERS_BEFORE; row++)
        read_early_row(t, w, text, row);
    size_t fitting = TILE_BYTES * n / (w->block.n + 1);
    size_t tile = fitting < TILE_LEAST ? TILE_LEAST : fitting < TILE ? fitting : TILE;
    for (; row < n; row += tile)
        read_tile(t, w, text, row, n - row < tile ? n - row : tile);
}

static int read_block(struct csv *t, struct csv_worker *w, struct mlo_err *err)
{
    char *text = w->block.text;
    uint64_t line = w->block.line;
    struct ragged ragged = {t, &w->block, line};
    int rc = mlo_fields_find(&w->fields, t->kernels, text, w->block.n, t->in.separator, t->n_columns,
                             note_ragged, &ragged, err);
    if (rc == 0 && w->fields.unclosed && !w->block.sampled)
        rc = mlo_fail(err, MLO_EINVALID, "'%s' line %llu: a quote is never closed", t->in.input.name,
                      (unsigned long long)(line + w->fields.unclosed));
    if (rc == 0)
        rc = mlo_rows_reserve(&w->rows, t->as, t->n_want, w->fields.n_rows, err);
    if (rc != 0)
        return rc;
    read_rows(t, w, text);
    mlo_rows_leave_out_ok(&w->rows);
    for (size_t r = 0; r < w->fields.n_rows; r++)
        w->rows.lines[r] = w->fields.lines[r];
    mlo_blocks_describe(&t->in, &w->block, line, &w->rows.batch);
    return 0;
}

/* The block that was taken, as a batch. */
static int give(struct csv *t, struct csv_worker *w, const struct mlo_batch **ret, struct mlo_err *err)
{
    int rc = w->block.n > 0 ? read_block(t, w, err) : 0;
    if (rc == 0)
        *ret = w->block.n > 0 ? &w->rows.batch : NULL;
    return rc;
}

static int csv_next(void *self, unsigned worker, const struct mlo_batch **ret, struct mlo_err *err)
{
    struct csv *t = self;
    struct csv_worker *w = &t->workers[worker];
    int rc = mlo_blocks_take(&t->in, &w->block, err);
    return rc != 0 ? rc : give(t, w, ret, err);
}

static int csv_sample(void *self, unsigned worker, size_t part, size_t parts, const struct mlo_batch **ret,
                      struct mlo_err *err)
{
    struct csv *t = self;
    struct csv_worker *w = &t->workers[worker];
    int rc = mlo_blocks_sample(&t->in, part, parts, &w->block, err);
    return rc != 0 ? rc : give(t, w, ret, err);
}

/* ---- opening: separator, header, types ---- */

static void ignore_ragged(void *ctx, uint64_t line, size_t fields)
{
    (void)ctx;
    (void)line;
    (void)fields;
}

/* How many of the first lines have as many fields as the first; 0 when that is one. */
static int regularity(const char *text, size_t n, char separator, size_t *ret, struct mlo_err *err)
{
    struct mlo_fields f = {0};
    *ret = 0;
    int rc = mlo_fields_find(&f, mlo_kernels_best(), text, n, separator, 0, ignore_ragged, NULL, err);
    size_t columns = 1;
    while (rc == 0 && f.n_rows && f.bounds[columns] < n && text[f.bounds[columns]] != '\n')
        columns++;
    if (rc == 0 && columns > 1) {
        rc = mlo_fields_find(&f, mlo_kernels_best(), text, n, separator, columns, ignore_ragged, NULL, err);
        *ret = f.n_rows * columns;
    }
    mlo_fields_release(&f);
    return rc;
}

static int find_separator(const char *text, size_t n, char *ret, struct mlo_err *err)
{
    enum { LOOKED_AT = 64 << 10 };
    static const char candidates[] = {',', '\t', ';', '|'};
    size_t best = 0, head = n < LOOKED_AT ? n : mlo_delimit_whole(text, LOOKED_AT, ',', false);
    *ret = ',';
    for (size_t i = 0; i < sizeof candidates; i++) {
        size_t score;
        int rc = regularity(text, head ? head : n, candidates[i], &score, err);
        if (rc != 0)
            return rc;
        if (score > best) {
            best = score;
            *ret = candidates[i];
        }
    }
    return 0;
}

static int name_column(struct csv *t, size_t i, struct mlo_slice s, bool header, struct mlo_err *err)
{
    char number[32];
    snprintf(number, sizeof number, "column%zu", i + 1);
    t->columns[i].name = header && s.len > 0 ? mlo_memdup0(s.ptr, s.len, err) : mlo_strdup(number, err);
    return t->columns[i].name ? 0 : MLO_EIO;
}

/* The first record gives the number of columns and, as a rule, their names. */
static int read_header(struct csv *t, char *text, size_t n, bool header, struct mlo_err *err)
{
    struct mlo_fields f = {0};
    int rc = mlo_fields_find(&f, mlo_kernels_best(), text, n, t->in.separator, 0, ignore_ragged, NULL, err);
    if (rc == 0 && f.n_rows == 0)
        rc = mlo_fail(err, MLO_EINVALID, "'%s' is empty: not even a header", t->in.input.name);
    size_t columns = 1;
    while (rc == 0 && f.bounds[columns] < n && text[f.bounds[columns]] != '\n')
        columns++;
    if (rc == 0 && columns > MLO_TABLE_COLUMNS_MAX)
        rc = mlo_fail(err, MLO_EINVALID, "'%s' has more than %zu columns", t->in.input.name,
                      MLO_TABLE_COLUMNS_MAX);
    t->columns = rc == 0 ? mlo_calloc(columns, sizeof *t->columns, err) : NULL;
    if (rc == 0 && !t->columns)
        rc = MLO_EIO;
    for (size_t i = 0; rc == 0 && i < columns; i++) {
        t->n_columns = i + 1;
        rc = name_column(t, i, mlo_field_text(text, mlo_field_start(&f, 0, i), mlo_field_end(&f, 0, i)),
                         header, err);
    }
    mlo_fields_release(&f);
    return rc;
}

static int guess_types(struct csv *t, char *text, size_t n, struct mlo_err *err)
{
    struct mlo_fields f = {0};
    MLO_AUTOFREE struct mlo_guess *g = mlo_calloc(t->n_columns, sizeof *g, err);
    int rc = g ? mlo_fields_find(&f, mlo_kernels_best(), text, n, t->in.separator, t->n_columns,
                                 ignore_ragged, NULL, err)
               : MLO_EIO;
    size_t rows = f.n_rows < MLO_TABLE_HEAD_ROWS ? f.n_rows : MLO_TABLE_HEAD_ROWS;
    for (size_t r = 0; rc == 0 && r < rows; r++)
        for (size_t c = 0; c < t->n_columns; c++) {
            struct mlo_slice s = mlo_field_text(text, mlo_field_start(&f, r, c), mlo_field_end(&f, r, c));
            mlo_guess_cell(&g[c], s.ptr, s.len);
        }
    for (size_t c = 0; rc == 0 && c < t->n_columns; c++)
        t->columns[c].type = mlo_guess_type(&g[c], &t->columns[c].integral, &t->columns[c].empty);
    mlo_fields_release(&f);
    return rc;
}

static bool is_blank(const char *text, size_t n)
{
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    return n == 0;
}

/* From the head of the file. No columns: more of it has to come. */
static int learn_from(struct csv *t, const struct mlo_table_opts *o, const struct mlo_head *h, bool more,
                      struct mlo_err *err)
{
    size_t n = h->n, from;
    int rc;
    MLO_AUTOFREE char *text = mlo_calloc(1, n + MLO_DELIMIT_PADDING, err); /* quotes are taken off in place */
    if (!text)
        return MLO_EIO;
    memcpy(text, h->text, n);
    rc = mlo_text_only(t->in.input.name, text, n, err);
    if (rc != 0)
        return rc;
    from = mlo_bom_length(text, n);
    t->in.separator = o->separator;
    if (!t->in.separator)
        rc = find_separator(text + from, n - from, &t->in.separator, err);
    if (rc == 0)
        n = from + mlo_delimit_whole(text + from, n - from, t->in.separator, h->ended);
    if (rc == 0 && more && is_blank(text + from, n - from))
        return 0;
    if (rc == 0 && n == from && !h->ended)
        rc = mlo_fail(err, MLO_EINVALID, "the first line of '%s' is longer than %zu MiB", t->in.input.name,
                      MLO_TABLE_HEAD >> 20);
    if (rc != 0)
        return rc;
    size_t header = o->no_header ? 0 : header_length(text + from, n - from, t->in.separator);
    mlo_blocks_begin_after(&t->in, h->text, from + header);
    rc = read_header(t, text + from, n - from, !o->no_header, err);
    return rc != 0 ? rc : guess_types(t, text + from + header, n - from - header, err);
}

/* The columns are there, and the types of those that are waited for. */
static bool is_enough(const struct csv *t, const struct mlo_table_opts *o)
{
    for (size_t i = 0; i < o->n_expected; i++)
        for (size_t c = 0; o->expected[i].filled && c < t->n_columns; c++)
            if (t->columns[c].empty && strcmp(t->columns[c].name, o->expected[i].name) == 0)
                return false;
    return t->n_columns > 0;
}

static int learn(struct csv *t, const struct mlo_table_opts *o, struct mlo_err *err)
{
    struct mlo_head head;
    bool more = true;
    for (size_t lines = 2; more; lines *= 2) {
        int rc = mlo_input_peek(&t->in.input, MLO_TABLE_HEAD, lines, &head, err);
        more = rc == 0 && !head.ended && head.n < MLO_TABLE_HEAD;
        if (rc == 0)
            rc = learn_from(t, o, &head, more, err);
        if (rc != 0 || is_enough(t, o))
            return rc;
        if (more) {
            mlo_columns_free(t->columns, t->n_columns);
            t->columns = NULL;
            t->n_columns = 0;
        }
    }
    return 0;
}

static void csv_close(void *self, struct mlo_scan_result *st)
{
    struct csv *t = self;
    mlo_blocks_close(&t->in, st);
    for (unsigned i = 0; i < t->n_workers; i++) {
        mlo_fields_release(&t->workers[i].fields);
        mlo_rows_release(&t->workers[i].rows);
        free(t->workers[i].block.text);
    }
    mlo_columns_free(t->columns, t->n_columns);
    free(t->workers);
    free(t->runs);
    free(t->others);
    free(t);
}

static int csv_open(struct mlo_input *in, const struct mlo_table_opts *o, struct mlo_form_file *ret,
                    struct mlo_err *err)
{
    struct csv *t = mlo_calloc(1, sizeof *t, err);
    if (!t) {
        mlo_input_close(in);
        return MLO_EIO;
    }
    mlo_blocks_init(&t->in, in, o);
    int rc = learn(t, o, err);
    if (rc != 0) {
        csv_close(t, NULL);
        return rc;
    }
    *ret = (struct mlo_form_file){&mlo_form_csv, t, t->columns, t->n_columns};
    return 0;
}

/* Puts the column into the run before it when it continues that one. */
static void plan_number(struct csv *t, size_t field, size_t column)
{
    struct csv_run *run = t->n_runs > 0 ? &t->runs[t->n_runs - 1] : NULL;
    if (!run || run->field + run->n != field || run->n == MLO_NUMBERS_STEP) {
        run = &t->runs[t->n_runs++];
        run->field = field;
    }
    run->columns[run->n++] = column;
}

/* Which columns are read together. */
static int plan(struct csv *t, struct mlo_err *err)
{
    MLO_AUTOFREE size_t *wanted = mlo_calloc(t->n_columns, sizeof *wanted, err); /* 1 + which, 0: is not */
    t->runs = mlo_calloc(t->n_want + 1, sizeof *t->runs, err);
    t->others = mlo_calloc(t->n_want + 1, sizeof *t->others, err);
    if (!wanted || !t->runs || !t->others)
        return MLO_EIO;
    for (size_t c = 0; c < t->n_want; c++)
        wanted[t->want[c]] = c + 1;
    for (size_t field = 0; field < t->n_columns; field++) {
        if (wanted[field] && t->as[wanted[field] - 1].type == MLO_COLUMN_NUMBER)
            plan_number(t, field, wanted[field] - 1);
        else if (wanted[field])
            t->others[t->n_others++] = wanted[field] - 1;
    }
    return 0;
}

static int csv_want(void *self, const size_t *columns, const struct mlo_table_column *as, size_t n,
                    unsigned workers, struct mlo_err *err)
{
    struct csv *t = self;
    t->want = columns;
    t->as = as;
    t->n_want = n;
    t->kernels = mlo_kernels_best();
    t->workers = mlo_calloc(workers, sizeof *t->workers, err);
    t->n_workers = t->workers ? workers : 0;
    return t->workers ? plan(t, err) : MLO_EIO;
}

static bool csv_sniff(const char *head, size_t n)
{
    (void)head;
    return n > 0; /* text of any kind: asked last */
}

const struct mlo_form mlo_form_csv = {.name = "csv",
                                      .extensions = ".csv .tsv .txt .tab .psv",
                                      .sniff = csv_sniff,
                                      .open = csv_open,
                                      .want = csv_want,
                                      .next = csv_next,
                                      .sample = csv_sample,
                                      .block = MLO_BLOCK_BYTES,
                                      .close = csv_close};
