/*
 * JSON Lines: an object a line, its members the cells. Numbers, strings and truth values are cells, null and
 * absence are missing; objects and arrays within are text as it stands. A line that is no object is no row.
 */
#include <string.h>

#include <mlopsctl/base/json.h>
#include <mlopsctl/base/text.h>

#include "blocks.h"

struct jsonl_worker {
    struct mlo_block block;
    struct mlo_rows rows;
    struct mlo_slice *cells; /* of one row */
    struct mlo_slice *all;   /* of every row: n_want each; ptr NULL: missing */
    size_t cap_all;
    struct mlo_str *texts; /* strings with escapes, one a row that has any */
    size_t n_texts, cap_texts;
};
struct jsonl {
    struct mlo_blocks in;
    struct mlo_table_column *columns;
    size_t n_columns, cap_columns;
    struct mlo_guess *guesses;
    const size_t *want;
    const struct mlo_table_column *as;
    size_t n_want;
    struct jsonl_worker *workers;
    unsigned n_workers;
};

/* ---- one line ---- */

struct line {
    const char *text;
    size_t n;
    struct mlo_str
        *unescaped; /* strings whose escapes were resolved: must not move, so room is taken at once */
};

/* The value that the next token begins, as text; ptr NULL for null. */
static int read_value(struct mlo_jpull *j, struct mlo_str *unescaped, struct mlo_slice *ret,
                      struct mlo_err *err)
{
    struct mlo_jpull ahead = *j;
    enum mlo_jtok tok;
    int rc = mlo_jpull_next(&ahead, &tok, err);
    if (rc != 0)
        return rc;
    *ret = (struct mlo_slice){ahead.text, ahead.len};
    switch (tok) {
    case MLO_J_STRING:
        if (ahead.escaped) {
            size_t at = unescaped->len;
            rc = mlo_jpull_unescape(&ahead, unescaped, err);
            *ret = (struct mlo_slice){unescaped->ptr + at, unescaped->len - at};
        }
        *j = ahead;
        return rc;
    case MLO_J_NUMBER:
        *j = ahead;
        return 0;
    case MLO_J_NULL:
        *ret = (struct mlo_slice){NULL, 0};
        *j = ahead;
        return 0;
    case MLO_J_TRUE:
    case MLO_J_FALSE:
        *ret = tok == MLO_J_TRUE ? (struct mlo_slice){"true", 4} : (struct mlo_slice){"false", 5};
        *j = ahead;
        return 0;
    case MLO_J_OBJECT:
    case MLO_J_ARRAY: {
        const char *from = j->p;
        rc = mlo_jpull_skip(j, err);
        while (from < j->p && strchr(" \t:,", *from))
            from++;
        *ret = (struct mlo_slice){from, (size_t)(j->p - from)};
        return rc;
    }
    case MLO_J_END:
    case MLO_J_OBJECT_END:
    case MLO_J_ARRAY_END:
    case MLO_J_KEY:
        break;
    }
    return mlo_fail(err, MLO_EINVALID, "a value is missing");
}

/* Calls fn for every member of the object that the line is. */
static int each_member(const struct line *l,
                       int (*fn)(void *ctx, const char *key, size_t n, struct mlo_slice value,
                                 struct mlo_err *err),
                       void *ctx, struct mlo_err *err)
{
    struct mlo_jpull j;
    enum mlo_jtok tok;
    mlo_jpull_init(&j, l->text, l->n);
    int rc = mlo_jpull_next(&j, &tok, err);
    if (rc == 0 && tok != MLO_J_OBJECT)
        return mlo_fail(err, MLO_EINVALID, "is no object");
    while (rc == 0 && (rc = mlo_jpull_next(&j, &tok, err)) == 0 && tok == MLO_J_KEY) {
        struct mlo_slice key = {j.text, j.len}, value = {0};
        if (j.escaped) {
            size_t at = l->unescaped->len;
            rc = mlo_jpull_unescape(&j, l->unescaped, err);
            key = (struct mlo_slice){l->unescaped->ptr + at, l->unescaped->len - at};
        }
        if (rc == 0)
            rc = read_value(&j, l->unescaped, &value, err);
        if (rc == 0)
            rc = fn(ctx, key.ptr, key.len, value, err);
    }
    return rc != 0 ? rc : mlo_jpull_next(&j, &tok, err);
}

static bool next_line(const char **at, const char *end, struct line *ret)
{
    if (*at >= end)
        return false;
    const char *nl = memchr(*at, '\n', (size_t)(end - *at)), *stop = nl ? nl : end;
    *ret = (struct line){.text = *at, .n = (size_t)(stop - *at)};
    *at = stop + 1;
    return true;
}

static bool is_blank(const struct line *l)
{
    return strspn(l->text, " \t\r") >= l->n;
}

/* ---- columns: the members of the head, in order of appearance ---- */

static size_t column_of(const struct mlo_table_column *columns, size_t n, const char *key, size_t len,
                        size_t hint)
{
    for (size_t k = 0; k < n; k++) {
        size_t i = (hint + k) % n; /* members come in the same order, as a rule */
        if (strncmp(columns[i].name, key, len) == 0 && columns[i].name[len] == '\0')
            return i;
    }
    return n;
}

struct learning {
    struct jsonl *t;
    size_t hint, cap_guesses;
};

static int learn_member(void *ctx, const char *key, size_t n, struct mlo_slice value, struct mlo_err *err)
{
    struct learning *l = ctx;
    struct jsonl *t = l->t;
    size_t i = t->n_columns ? column_of(t->columns, t->n_columns, key, n, l->hint) : 0;
    if (i == t->n_columns) {
        if (t->n_columns == MLO_TABLE_COLUMNS_MAX)
            return mlo_fail(err, MLO_EINVALID, "has more than %zu members", MLO_TABLE_COLUMNS_MAX);
        int rc = mlo_grow(&t->columns, &t->cap_columns, i + 1, sizeof *t->columns, err);
        if (rc == 0)
            rc = mlo_grow(&t->guesses, &l->cap_guesses, i + 1, sizeof *t->guesses, err);
        char *name = rc == 0 ? mlo_memdup0(key, n, err) : NULL;
        if (!name)
            return MLO_EIO;
        t->columns[i] = (struct mlo_table_column){.name = name};
        t->guesses[i] = (struct mlo_guess){0};
        t->n_columns++;
    }
    l->hint = i + 1;
    if (value.ptr)
        mlo_guess_cell(&t->guesses[i], value.ptr, value.len);
    return 0;
}

static int learn(struct jsonl *t, struct mlo_err *err)
{
    struct learning l = {.t = t};
    const char *head;
    size_t n = 0, rows = 0;
    int rc = mlo_input_peek(&t->in.input, MLO_TABLE_HEAD, &head, &n, err);
    if (rc == 0)
        rc = mlo_text_only(t->in.input.name, head, n, err);
    if (rc != 0)
        return rc;
    const char *last = n < MLO_TABLE_HEAD ? NULL : memrchr(head, '\n', n), *end = last ? last : head + n;
    const char *at = head + mlo_bom_length(head, n);
    MLO_AUTOSTR struct mlo_str unescaped;
    mlo_str_init(&unescaped, MLO_TABLE_LINE_MAX);
    for (struct line line; rc == 0 && rows < MLO_TABLE_HEAD_ROWS && next_line(&at, end, &line); rows++) {
        struct mlo_err bad = MLO_ERR_INIT;
        line.unescaped = &unescaped;
        mlo_str_clear(&unescaped);
        if (!is_blank(&line) && each_member(&line, learn_member, &l, &bad) != 0 && bad.code != MLO_EINVALID) {
            *err = bad;
            rc = bad.code;
        }
    }
    if (rc == 0 && t->n_columns == 0)
        rc = mlo_fail(err, MLO_EINVALID, "'%s' holds no JSON object at its start", t->in.input.name);
    for (size_t i = 0; rc == 0 && i < t->n_columns; i++)
        t->columns[i].type = mlo_guess_type(&t->guesses[i], &t->columns[i].integral);
    return rc;
}

/* ---- rows ---- */

struct row {
    const struct jsonl *t;
    struct mlo_slice *cells; /* of the file's columns */
    size_t hint;
};

static int take_member(void *ctx, const char *key, size_t n, struct mlo_slice value, struct mlo_err *err)
{
    struct row *row = ctx;
    (void)err;
    size_t i = column_of(row->t->columns, row->t->n_columns, key, n, row->hint);
    if (i < row->t->n_columns) {
        row->cells[i] = value;
        row->hint = i + 1;
    }
    return 0;
}

/* Room for the escapes of one row, which must not move while the batch lives. */
static struct mlo_str *text_of_row(struct jsonl_worker *w, struct mlo_err *err)
{
    if (mlo_grow(&w->texts, &w->cap_texts, w->n_texts + 1, sizeof *w->texts, err) != 0)
        return NULL;
    mlo_str_init(&w->texts[w->n_texts], MLO_TABLE_LINE_MAX);
    return &w->texts[w->n_texts++];
}

static void release_texts(struct jsonl_worker *w)
{
    for (size_t i = 0; i < w->n_texts; i++)
        mlo_str_release(&w->texts[i]);
    w->n_texts = 0;
}

static int read_line(struct jsonl *t, struct jsonl_worker *w, struct line *line, size_t row, bool *ret_row,
                     struct mlo_err *err)
{
    struct mlo_err bad = MLO_ERR_INIT;
    struct row r = {t, w->cells, 0};
    memset(w->cells, 0, t->n_columns * sizeof *w->cells);
    line->unescaped = text_of_row(w, err);
    if (!line->unescaped)
        return MLO_EIO;
    /* Escaped text is never longer than the line: taken now, it stays where it is. */
    if (memchr(line->text, '\\', line->n)) {
        mlo_str_fill(line->unescaped, ' ', line->n + 1);
        int rc = mlo_str_check(line->unescaped, err);
        if (rc != 0)
            return rc;
        mlo_str_clear(line->unescaped);
    }
    int rc = each_member(line, take_member, &r, &bad);
    *ret_row = rc == 0;
    if (rc != 0 && rc != MLO_EINVALID) {
        *err = bad;
        return rc;
    }
    rc = mlo_grow(&w->all, &w->cap_all, (row + 1) * t->n_want, sizeof *w->all, err);
    for (size_t c = 0; rc == 0 && c < t->n_want; c++)
        w->all[row * t->n_want + c] = w->cells[t->want[c]];
    return rc;
}

static void put_cells(struct jsonl *t, struct jsonl_worker *w, size_t rows)
{
    for (size_t c = 0; c < t->n_want; c++)
        for (size_t r = 0; r < rows; r++) {
            struct mlo_slice s = w->all[r * t->n_want + c];
            mlo_rows_text(&w->rows, t->as[c].type, c, r, s.ptr ? s.ptr : "", s.len);
        }
}

static int read_block(struct jsonl *t, struct jsonl_worker *w, struct mlo_err *err)
{
    const char *at = w->block.text, *end = at + w->block.n;
    size_t rows = 0;
    uint64_t line_number = 0;
    MLO_AUTOFREE uint64_t *lines = NULL;
    size_t cap_lines = 0;
    at += w->block.sequence == 0 ? mlo_bom_length(at, w->block.n) : 0;
    release_texts(w);
    for (struct line line; next_line(&at, end, &line); line_number++) {
        bool is_row = false;
        if (is_blank(&line))
            continue;
        int rc = mlo_grow(&lines, &cap_lines, rows + 1, sizeof *lines, err);
        if (rc == 0)
            rc = read_line(t, w, &line, rows, &is_row, err);
        if (rc != 0)
            return rc;
        if (!is_row)
            mlo_blocks_ragged(&t->in, &w->block, w->block.line + line_number, 0);
        else
            lines[rows++] = line_number;
    }
    int rc = mlo_rows_reserve(&w->rows, t->as, t->n_want, rows, err);
    if (rc != 0)
        return rc;
    put_cells(t, w, rows);
    for (size_t r = 0; r < rows; r++)
        w->rows.lines[r] = lines[r];
    mlo_blocks_describe(&t->in, &w->block, w->block.line, &w->rows.batch);
    return 0;
}

/* The block that was taken, as a batch. */
static int give(struct jsonl *t, struct jsonl_worker *w, const struct mlo_batch **ret, struct mlo_err *err)
{
    int rc = w->block.n > 0 ? read_block(t, w, err) : 0;
    if (rc == 0)
        *ret = w->block.n > 0 ? &w->rows.batch : NULL;
    return rc;
}

static int jsonl_next(void *self, unsigned worker, const struct mlo_batch **ret, struct mlo_err *err)
{
    struct jsonl *t = self;
    struct jsonl_worker *w = &t->workers[worker];
    int rc = mlo_blocks_take(&t->in, &w->block, err);
    return rc != 0 ? rc : give(t, w, ret, err);
}

static int jsonl_sample(void *self, unsigned worker, size_t part, size_t parts, const struct mlo_batch **ret,
                        struct mlo_err *err)
{
    struct jsonl *t = self;
    struct jsonl_worker *w = &t->workers[worker];
    int rc = mlo_blocks_sample(&t->in, part, parts, &w->block, err);
    return rc != 0 ? rc : give(t, w, ret, err);
}

/* ---- the form ---- */

static void jsonl_close(void *self, struct mlo_scan_result *st)
{
    struct jsonl *t = self;
    mlo_blocks_close(&t->in, st);
    for (unsigned i = 0; i < t->n_workers; i++) {
        struct jsonl_worker *w = &t->workers[i];
        release_texts(w);
        mlo_rows_release(&w->rows);
        free(w->block.text);
        free(w->cells);
        free(w->all);
        free(w->texts);
    }
    mlo_columns_free(t->columns, t->n_columns);
    free(t->guesses);
    free(t->workers);
    free(t);
}

static int jsonl_open(struct mlo_input *in, const struct mlo_table_opts *o, struct mlo_form_file *ret,
                      struct mlo_err *err)
{
    struct jsonl *t = mlo_calloc(1, sizeof *t, err);
    if (!t) {
        mlo_input_close(in);
        return MLO_EIO;
    }
    mlo_blocks_init(&t->in, in, o);
    int rc = learn(t, err);
    if (rc != 0) {
        jsonl_close(t, NULL);
        return rc;
    }
    *ret = (struct mlo_form_file){&mlo_form_jsonl, t, t->columns, t->n_columns};
    return 0;
}

static int jsonl_want(void *self, const size_t *columns, const struct mlo_table_column *as, size_t n,
                      unsigned workers, struct mlo_err *err)
{
    struct jsonl *t = self;
    t->want = columns;
    t->as = as;
    t->n_want = n;
    t->workers = mlo_calloc(workers, sizeof *t->workers, err);
    if (!t->workers)
        return MLO_EIO;
    t->n_workers = workers;
    for (unsigned i = 0; i < workers; i++) {
        t->workers[i].cells = mlo_calloc(t->n_columns, sizeof *t->workers[i].cells, err);
        if (!t->workers[i].cells)
            return MLO_EIO;
    }
    return 0;
}

static bool jsonl_sniff(const char *head, size_t n)
{
    size_t at = mlo_bom_length(head, n);
    while (at < n && strchr(" \t\r\n", head[at]) && head[at])
        at++;
    return at < n && head[at] == '{';
}

const struct mlo_form mlo_form_jsonl = {.name = "jsonl",
                                        .extensions = ".jsonl .ndjson .log",
                                        .sniff = jsonl_sniff,
                                        .open = jsonl_open,
                                        .want = jsonl_want,
                                        .next = jsonl_next,
                                        .sample = jsonl_sample,
                                        .block = MLO_BLOCK_BYTES,
                                        .close = jsonl_close};
