/*
 * JSON Lines: an object a line, its members the cells. Numbers, strings and truth values are cells, null and
 * absence are missing; objects and arrays within are text as it stands. A line that is no object is no row.
 */
#include "jsonl.h"

#include <string.h>

#include <mlopsctl/base/json.h>
#include <mlopsctl/base/text.h>

struct mlo_jsonl_worker {
    struct mlo_block block;
    struct mlo_rows rows;
    struct mlo_slice *cells; /* of one row */
    struct mlo_slice *all;   /* of every row: n_want each; ptr NULL: missing */
    size_t cap_all;
    struct mlo_str *texts; /* strings with escapes, one a row that has any */
    size_t n_texts, cap_texts;
    uint64_t *lines; /* of each row */
    size_t cap_lines;
};

/* ---- one line ---- */

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

int mlo_json_members(const struct mlo_json_line *l, mlo_member_fn fn, void *ctx, struct mlo_err *err)
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
            rc = fn(ctx, key, value, err);
    }
    return rc != 0 ? rc : mlo_jpull_next(&j, &tok, err);
}

static int tell_cell(void *ctx, struct mlo_slice key, struct mlo_slice value, struct mlo_err *err)
{
    struct mlo_json_row *row = ctx;
    return row->cell(row, key, value, err);
}

static int read_members(const struct mlo_json_line *l, struct mlo_json_row *row, struct mlo_err *err)
{
    return row->t->is_log ? mlo_log_members(l, row, err) : mlo_json_members(l, tell_cell, row, err);
}

static bool next_line(const char **at, const char *end, struct mlo_json_line *ret)
{
    if (*at >= end)
        return false;
    const char *nl = memchr(*at, '\n', (size_t)(end - *at)), *stop = nl ? nl : end;
    *ret = (struct mlo_json_line){.text = *at, .n = (size_t)(stop - *at)};
    *at = stop + 1;
    return true;
}

static bool is_blank(const struct mlo_json_line *l)
{
    return strspn(l->text, " \t\r") >= l->n;
}

/* ---- columns: the members of the head, in order of appearance ---- */

static bool is_column(const struct mlo_json_row *row, size_t i, struct mlo_slice key)
{
    const struct mlo_jsonl *t = row->t;
    return i < t->n_columns && t->columns[i].origin == row->origin &&
           strncmp(t->keys[i], key.ptr, key.len) == 0 && t->keys[i][key.len] == '\0';
}

size_t mlo_jsonl_column(struct mlo_json_row *row, struct mlo_slice key)
{
    size_t i = row->hint;
    if (!is_column(row, i, key))
        i = mlo_name_map_get(&row->t->of_key[row->origin], key.ptr, key.len);
    if (i != MLO_NAME_NONE)
        row->hint = i + 1;
    return i;
}

int mlo_jsonl_add(struct mlo_jsonl *t, enum mlo_column_origin origin, struct mlo_slice key,
                  struct mlo_err *err)
{
    size_t i = t->n_columns;
    if (i == MLO_TABLE_COLUMNS_MAX)
        return mlo_fail(err, MLO_EINVALID, "'%s' has more than %zu columns", t->in.input.name,
                        MLO_TABLE_COLUMNS_MAX);
    int rc = mlo_grow(&t->columns, &t->cap_columns, i + 1, sizeof *t->columns, err);
    if (rc == 0)
        rc = mlo_grow(&t->guesses, &t->cap_guesses, i + 1, sizeof *t->guesses, err);
    if (rc == 0)
        rc = mlo_grow(&t->keys, &t->cap_keys, i + 1, sizeof *t->keys, err);
    char *copy = rc == 0 ? mlo_memdup0(key.ptr, key.len, err) : NULL;
    if (!copy)
        return MLO_EIO;
    t->keys[i] = copy;
    t->columns[i] = (struct mlo_table_column){.origin = origin};
    t->guesses[i] = (struct mlo_guess){0};
    t->n_columns++;
    return mlo_name_map_set(&t->of_key[origin], copy, i, err);
}

static int learn_cell(struct mlo_json_row *row, struct mlo_slice key, struct mlo_slice value,
                      struct mlo_err *err)
{
    struct mlo_jsonl *t = row->t;
    size_t i = mlo_jsonl_column(row, key);
    if (i == MLO_NAME_NONE) {
        i = t->n_columns;
        int rc = mlo_jsonl_add(t, row->origin, key, err);
        if (rc != 0)
            return rc == MLO_EINVALID ? MLO_EUSAGE : rc; /* of the table, not of this line */
        row->hint = t->n_columns;
    }
    if (value.ptr)
        mlo_guess_cell(&t->guesses[i], value.ptr, value.len);
    return 0;
}

static int name_columns(struct mlo_jsonl *t, struct mlo_err *err)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        if (t->columns[i].origin != MLO_ORIGIN_REQUEST)
            t->columns[i].type = mlo_guess_type(&t->guesses[i], &t->columns[i].integral,
                                                &t->columns[i].empty);
        t->columns[i].name = t->is_log ? NULL : mlo_strdup(t->keys[i], err);
        if (!t->is_log && !t->columns[i].name)
            return MLO_EIO;
    }
    return t->is_log ? mlo_log_name(t, err) : 0;
}

struct learnt { /* from the head, so far */
    size_t at;  /* bytes */
    size_t rows, objects;
};

/* Cells of the objects up to `end`. */
static int learn_lines(struct mlo_jsonl *t, const char *at, const char *end, struct learnt *l,
                       struct mlo_err *err)
{
    struct mlo_json_row row = {.t = t, .cell = learn_cell};
    MLO_AUTOSTR struct mlo_str unescaped;
    mlo_str_init(&unescaped, MLO_TABLE_LINE_MAX);
    row.unescaped = &unescaped;
    for (struct mlo_json_line line; l->rows < MLO_TABLE_HEAD_ROWS && next_line(&at, end, &line); l->rows++) {
        struct mlo_err bad = MLO_ERR_INIT;
        line.unescaped = &unescaped;
        mlo_str_clear(&unescaped);
        int rc = is_blank(&line) ? MLO_EINVALID : read_members(&line, &row, &bad);
        if (rc != 0 && rc != MLO_EINVALID) {
            *err = bad;
            return bad.code;
        }
        l->objects += rc == 0;
    }
    return 0;
}

static int learn_from(struct mlo_jsonl *t, const struct mlo_head *h, struct learnt *l, struct mlo_err *err)
{
    int rc = mlo_text_only(t->in.input.name, h->text, h->n, err);
    if (rc == 0 && l->at == 0) {
        l->at = mlo_bom_length(h->text, h->n);
        mlo_blocks_begin_after(&t->in, h->text, l->at);
    }
    const char *last = h->ended ? NULL : memrchr(h->text, '\n', h->n), *end = last ? last : h->text + h->n;
    if (rc == 0 && l->at < (size_t)(end - h->text))
        rc = learn_lines(t, h->text + l->at, end, l, err);
    l->at = (size_t)(end - h->text);
    return rc;
}

/* The columns are there, and the types of those that are waited for. */
static bool is_enough(const struct mlo_jsonl *t, const struct mlo_table_opts *o, const struct learnt *l)
{
    for (size_t i = 0; !t->is_log && i < o->n_expected; i++) {
        const struct mlo_table_expected *x = &o->expected[i];
        size_t c = mlo_name_map_get(&t->of_key[MLO_ORIGIN_DATA], x->name, strlen(x->name));
        if (c == MLO_NAME_NONE || (x->filled && t->guesses[c].cells == 0))
            return false;
    }
    return l->objects > 0;
}

static int learn(struct mlo_jsonl *t, const struct mlo_table_opts *o, struct mlo_err *err)
{
    struct mlo_head head = {0};
    struct learnt l = {0};
    bool more = true;
    int rc = t->is_log ? mlo_log_begin(t, err) : 0;
    for (size_t lines = 1; rc == 0 && more && !is_enough(t, o, &l); lines *= 2) {
        rc = mlo_input_peek(&t->in.input, MLO_TABLE_HEAD, lines, &head, err);
        more = rc == 0 && !head.ended && head.n < MLO_TABLE_HEAD;
        if (rc == 0)
            rc = learn_from(t, &head, &l, err);
    }
    if (rc == 0 && (l.objects == 0 || t->n_columns == 0) && !(t->is_log && head.n == 0))
        rc = mlo_fail(err, MLO_EINVALID, "'%s' holds no JSON object at its start", t->in.input.name);
    return rc != 0 ? rc : name_columns(t, err);
}

/* ---- rows ---- */

static int take_cell(struct mlo_json_row *row, struct mlo_slice key, struct mlo_slice value,
                     struct mlo_err *err)
{
    (void)err;
    size_t i = mlo_jsonl_column(row, key);
    if (i != MLO_NAME_NONE)
        row->cells[i] = value;
    return 0;
}

/* Room for the escapes of one row, which must not move while the batch lives. */
static struct mlo_str *text_of_row(struct mlo_jsonl_worker *w, struct mlo_err *err)
{
    if (mlo_grow(&w->texts, &w->cap_texts, w->n_texts + 1, sizeof *w->texts, err) != 0)
        return NULL;
    mlo_str_init(&w->texts[w->n_texts], MLO_TABLE_LINE_MAX);
    return &w->texts[w->n_texts++];
}

static void release_texts(struct mlo_jsonl_worker *w)
{
    for (size_t i = 0; i < w->n_texts; i++)
        mlo_str_release(&w->texts[i]);
    w->n_texts = 0;
}

/* Room for the escapes of the line. Resolved they are never longer than the line: taken now, they stay where
 * they are. */
static int reserve_texts(struct mlo_jsonl_worker *w, struct mlo_json_line *line, struct mlo_err *err)
{
    line->unescaped = text_of_row(w, err);
    if (!line->unescaped)
        return MLO_EIO;
    if (!memchr(line->text, '\\', line->n))
        return 0;
    mlo_str_fill(line->unescaped, ' ', line->n + 1);
    int rc = mlo_str_check(line->unescaped, err);
    if (rc == 0)
        mlo_str_clear(line->unescaped);
    return rc;
}

static int read_line(struct mlo_jsonl *t, struct mlo_jsonl_worker *w, struct mlo_json_line *line, size_t row,
                     bool *ret_row, struct mlo_err *err)
{
    struct mlo_err bad = MLO_ERR_INIT;
    struct mlo_json_row r = {.t = t, .cell = take_cell, .cells = w->cells};
    memset(w->cells, 0, t->n_columns * sizeof *w->cells);
    int rc = reserve_texts(w, line, err);
    if (rc != 0)
        return rc;
    rc = read_members(line, &r, &bad);
    *ret_row = rc == 0;
    if (rc != 0 && rc != MLO_EINVALID) {
        *err = bad;
        return rc;
    }
    rc = mlo_grow(&w->all, &w->cap_all, (row + 1) * t->n_want, sizeof *w->all, err);
    for (size_t c = 0; rc == 0 && c < t->n_want; c++)
        w->all[row * t->n_want + c] = w->cells[t->map[c]];
    return rc;
}

static void put_cells(struct mlo_jsonl *t, struct mlo_jsonl_worker *w, size_t rows)
{
    for (size_t c = 0; c < t->n_want; c++)
        for (size_t r = 0; r < rows; r++) {
            struct mlo_slice s = w->all[r * t->n_want + c];
            mlo_rows_text(&w->rows, t->as[c].type, c, r, s.ptr ? s.ptr : "", s.len);
        }
}

/* The end of a log that is being written: the line is not all there yet. */
static bool is_unfinished(const struct mlo_jsonl *t, const struct mlo_json_line *line, const char *end)
{
    return t->is_log && line->text + line->n == end;
}

static int read_lines(struct mlo_jsonl *t, struct mlo_jsonl_worker *w, size_t *ret_rows, struct mlo_err *err)
{
    const char *at = w->block.text, *end = at + w->block.n;
    uint64_t line_number = 0;
    size_t rows = 0;
    release_texts(w);
    for (struct mlo_json_line line; next_line(&at, end, &line); line_number++) {
        bool is_row = false;
        if (is_blank(&line))
            continue;
        int rc = mlo_grow(&w->lines, &w->cap_lines, rows + 1, sizeof *w->lines, err);
        if (rc == 0)
            rc = read_line(t, w, &line, rows, &is_row, err);
        if (rc != 0)
            return rc;
        if (is_row)
            w->lines[rows++] = line_number;
        else if (!is_unfinished(t, &line, end))
            mlo_blocks_ragged(&t->in, &w->block, w->block.line + line_number, 0);
    }
    *ret_rows = rows;
    return 0;
}

static int read_block(struct mlo_jsonl *t, struct mlo_jsonl_worker *w, struct mlo_err *err)
{
    size_t rows = 0;
    int rc = read_lines(t, w, &rows, err);
    if (rc == 0)
        rc = mlo_rows_reserve(&w->rows, t->as, t->n_want, rows, err);
    if (rc != 0)
        return rc;
    put_cells(t, w, rows);
    for (size_t r = 0; r < rows; r++)
        w->rows.lines[r] = w->lines[r];
    mlo_blocks_describe(&t->in, &w->block, w->block.line, &w->rows.batch);
    return 0;
}

/* The block that was taken, as a batch. */
static int give(struct mlo_jsonl *t, struct mlo_jsonl_worker *w, const struct mlo_batch **ret,
                struct mlo_err *err)
{
    int rc = w->block.n > 0 ? read_block(t, w, err) : 0;
    if (rc == 0)
        *ret = w->block.n > 0 ? &w->rows.batch : NULL;
    return rc;
}

static int jsonl_next(void *self, unsigned worker, const struct mlo_batch **ret, struct mlo_err *err)
{
    struct mlo_jsonl *t = self;
    struct mlo_jsonl_worker *w = &t->workers[worker];
    int rc = mlo_blocks_take(&t->in, &w->block, err);
    return rc != 0 ? rc : give(t, w, ret, err);
}

static int jsonl_sample(void *self, unsigned worker, size_t part, size_t parts, const struct mlo_batch **ret,
                        struct mlo_err *err)
{
    struct mlo_jsonl *t = self;
    struct mlo_jsonl_worker *w = &t->workers[worker];
    int rc = mlo_blocks_sample(&t->in, part, parts, &w->block, err);
    return rc != 0 ? rc : give(t, w, ret, err);
}

/* ---- the forms ---- */

static void close_worker(struct mlo_jsonl_worker *w)
{
    release_texts(w);
    mlo_rows_release(&w->rows);
    free(w->block.text);
    free(w->cells);
    free(w->all);
    free(w->texts);
    free(w->lines);
}

static void jsonl_close(void *self, struct mlo_scan_result *st)
{
    struct mlo_jsonl *t = self;
    mlo_blocks_close(&t->in, st);
    for (unsigned i = 0; i < t->n_workers; i++)
        close_worker(&t->workers[i]);
    for (size_t i = 0; i < MLO_COUNT(t->of_key); i++)
        mlo_name_map_release(&t->of_key[i]);
    for (size_t i = 0; i < t->n_columns; i++)
        free(t->keys[i]);
    mlo_columns_free(t->columns, t->n_columns);
    free(t->keys);
    free(t->guesses);
    free(t->map);
    free(t->workers);
    free(t);
}

static int open_lines(struct mlo_input *in, const struct mlo_table_opts *o, const struct mlo_form *form,
                      struct mlo_form_file *ret, struct mlo_err *err)
{
    struct mlo_jsonl *t = mlo_calloc(1, sizeof *t, err);
    if (!t) {
        mlo_input_close(in);
        return MLO_EIO;
    }
    t->is_log = form == &mlo_form_log;
    mlo_blocks_init(&t->in, in, o);
    int rc = learn(t, o, err);
    if (rc != 0) {
        jsonl_close(t, NULL);
        return rc;
    }
    *ret = (struct mlo_form_file){form, t, t->columns, t->n_columns};
    return 0;
}

static int jsonl_open(struct mlo_input *in, const struct mlo_table_opts *o, struct mlo_form_file *ret,
                      struct mlo_err *err)
{
    return open_lines(in, o, &mlo_form_jsonl, ret, err);
}

static int log_open(struct mlo_input *in, const struct mlo_table_opts *o, struct mlo_form_file *ret,
                    struct mlo_err *err)
{
    return open_lines(in, o, &mlo_form_log, ret, err);
}

/* A column that the head does not have may come later. */
static int expect_later(struct mlo_jsonl *t, const struct mlo_table_column *c, size_t *ret,
                        struct mlo_err *err)
{
    enum mlo_column_origin origin = t->is_log ? c->origin : MLO_ORIGIN_DATA;
    const char *key = t->is_log ? mlo_log_key(c) : c->name;
    *ret = t->n_columns;
    return mlo_jsonl_add(t, origin, (struct mlo_slice){key, strlen(key)}, err);
}

static int jsonl_want(void *self, const size_t *columns, const struct mlo_table_column *as, size_t n,
                      unsigned workers, struct mlo_err *err)
{
    struct mlo_jsonl *t = self;
    int rc = 0;
    t->as = as;
    t->n_want = n;
    t->map = mlo_calloc(n + 1, sizeof *t->map, err);
    t->workers = mlo_calloc(workers, sizeof *t->workers, err);
    if (!t->workers || !t->map)
        return MLO_EIO;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        t->map[i] = columns[i];
        if (columns[i] == MLO_NAME_NONE)
            rc = expect_later(t, &as[i], &t->map[i], err);
    }
    for (; rc == 0 && t->n_workers < workers; t->n_workers++) {
        t->workers[t->n_workers].cells = mlo_calloc(t->n_columns + 1, sizeof(struct mlo_slice), err);
        if (!t->workers[t->n_workers].cells)
            rc = MLO_EIO;
    }
    return rc;
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
                                        .open_ended = true,
                                        .sniff = jsonl_sniff,
                                        .open = jsonl_open,
                                        .want = jsonl_want,
                                        .next = jsonl_next,
                                        .sample = jsonl_sample,
                                        .block = MLO_BLOCK_BYTES,
                                        .close = jsonl_close};
const struct mlo_form mlo_form_log = {.name = "log",
                                      .extensions = "",
                                      .open_ended = true,
                                      .sniff = mlo_log_sniff,
                                      .certain = true,
                                      .open = log_open,
                                      .want = jsonl_want,
                                      .next = jsonl_next,
                                      .sample = jsonl_sample,
                                      .block = MLO_BLOCK_BYTES,
                                      .close = jsonl_close};
