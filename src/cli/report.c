/* The model of a report: what a command says, kept until it is rendered as text (report_text.c) or JSON
 * (report_json.c). */
#include <errno.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "internal.h"

/* Rows of a stream that are kept back to find the widths of its columns. */
#define STREAM_SAMPLE 64

static void *keep(struct mlo_report *r, void *p)
{
    if (!p)
        r->failed = MLO_EIO;
    return p;
}

static char *copy(struct mlo_report *r, const char *s)
{
    return s ? keep(r, strdup(s)) : NULL;
}

static struct mlo_item *add_item(struct mlo_report *r, enum mlo_item_kind kind, const char *key,
                                 const char *title)
{
    struct mlo_err err = MLO_ERR_INIT;
    if (r->failed)
        return NULL;
    if (mlo_grow(&r->items, &r->cap, r->n + 1, sizeof *r->items, &err) < 0) {
        r->failed = err.code;
        return NULL;
    }
    struct mlo_item *item = &r->items[r->n++];
    *item = (struct mlo_item){.kind = kind, .key = copy(r, key), .title = copy(r, title)};
    return item;
}

static struct mlo_value *add_fact(struct mlo_report *r, const char *key, const char *title,
                                  enum mlo_cell_type type)
{
    static struct mlo_value nowhere; /* written when memory is gone, never read */
    struct mlo_item *item = add_item(r, MLO_ITEM_FACT, key, title);
    if (!item)
        return &nowhere;
    item->value.type = type;
    return &item->value;
}

static void add_line(struct mlo_report *r, enum mlo_item_kind kind, const char *fmt, va_list ap)
    MLO_PRINTF(3, 0);
static void add_line(struct mlo_report *r, enum mlo_item_kind kind, const char *fmt, va_list ap)
{
    struct mlo_item *item = add_item(r, kind, NULL, NULL);
    char *text = NULL;
    if (!item)
        return;
    if (vasprintf(&text, fmt, ap) < 0)
        r->failed = MLO_EIO;
    else
        item->value = (struct mlo_value){.type = MLO_CELL_TEXT, .text = text};
}

void mlo_report_say(struct mlo_report *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add_line(r, MLO_ITEM_SAY, fmt, ap);
    va_end(ap);
}

void mlo_report_note(struct mlo_report *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add_line(r, MLO_ITEM_NOTE, fmt, ap);
    va_end(ap);
}

void mlo_report_raw(struct mlo_report *r, const char *key, const char *text)
{
    struct mlo_item *item = add_item(r, MLO_ITEM_RAW, key, NULL);
    if (item)
        item->value = (struct mlo_value){.type = MLO_CELL_TEXT, .text = copy(r, text)};
}

/* ---- facts ---- */

void mlo_report_text(struct mlo_report *r, const char *key, const char *title, const char *value)
{
    struct mlo_item *item = add_item(r, MLO_ITEM_FACT, key, title);
    if (item)
        item->value = (struct mlo_value){.type = MLO_CELL_TEXT, .none = !value, .text = copy(r, value)};
}

void mlo_report_u64(struct mlo_report *r, const char *key, const char *title, uint64_t v)
{
    add_fact(r, key, title, MLO_CELL_U64)->u = v;
}

void mlo_report_double(struct mlo_report *r, const char *key, const char *title, double v)
{
    add_fact(r, key, title, MLO_CELL_DOUBLE)->d = v;
}

void mlo_report_size(struct mlo_report *r, const char *key, const char *title, uint64_t bytes)
{
    add_fact(r, key, title, MLO_CELL_SIZE)->u = bytes;
}

void mlo_report_count(struct mlo_report *r, const char *key, const char *title, uint64_t n)
{
    add_fact(r, key, title, MLO_CELL_COUNT)->u = n;
}

void mlo_report_time(struct mlo_report *r, const char *key, const char *title, int64_t ns)
{
    add_fact(r, key, title, MLO_CELL_TIME)->i = ns;
}

void mlo_report_duration(struct mlo_report *r, const char *key, const char *title, uint64_t ns)
{
    add_fact(r, key, title, MLO_CELL_DURATION)->u = ns;
}

void mlo_report_digest(struct mlo_report *r, const char *key, const char *title, const struct mlo_digest *d)
{
    add_fact(r, key, title, MLO_CELL_DIGEST)->digest = *d;
}

void mlo_report_bool(struct mlo_report *r, const char *key, const char *title, bool v)
{
    add_fact(r, key, title, MLO_CELL_BOOL)->b = v;
}

void mlo_report_json(struct mlo_report *r, const char *key, cJSON *node)
{
    struct mlo_item *item = keep(r, node) ? add_item(r, MLO_ITEM_JSON, key, NULL) : NULL;
    if (item)
        item->json = node;
    else
        cJSON_Delete(node);
}

/* ---- tables ---- */

void mlo_report_table(struct mlo_report *r, const char *key, const char *title, const struct mlo_column *cols,
                      size_t n, const char *empty)
{
    struct mlo_item *item = add_item(r, MLO_ITEM_TABLE, key, title);
    if (!item)
        return;
    struct mlo_table *t = &item->table;
    t->empty = copy(r, empty);
    t->cols = keep(r, calloc(n, sizeof *t->cols));
    if (!t->cols)
        return;
    t->n_cols = n;
    for (size_t i = 0; i < n; i++)
        t->cols[i] = (struct mlo_table_column){copy(r, cols[i].key), copy(r, cols[i].title), cols[i].type};
}

static void forget_rows(struct mlo_table *t)
{
    for (size_t i = 0; i < t->n_cells; i++)
        if (t->cells[i].type == MLO_CELL_TEXT)
            free(t->cells[i].text);
    t->n_cells = 0;
}

/* Writes the rows at hand; the widths of text are those of the first rows from then on. */
static int flush_rows(struct mlo_report *r, struct mlo_table *t, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, MLO_STR_MAX);
    int rc = 0;
    if (r->ctx->json) {
        rc = mlo_table_json_lines(t, &out, err);
    } else {
        bool first = !t->widths;
        if (first) {
            t->widths = mlo_calloc(t->n_cols, sizeof *t->widths, err);
            rc = t->widths ? mlo_table_measure(t, t->widths, err) : MLO_EIO;
        }
        if (rc == 0)
            rc = mlo_table_text(t, first && t->n_cells, r->ctx->color, &out, err);
    }
    forget_rows(t);
    if (rc == 0 && fwrite(out.ptr, 1, out.len, r->stream) != out.len)
        rc = mlo_fail_errno(err, "cannot write the result");
    return rc;
}

static void end_row(struct mlo_report *r, struct mlo_table *t)
{
    struct mlo_err err = MLO_ERR_INIT;
    size_t rows = t->n_cells / t->n_cols;
    if (!r->stream || (!r->ctx->json && !t->widths && rows < STREAM_SAMPLE))
        return;
    int rc = flush_rows(r, t, &err);
    if (rc < 0)
        r->failed = rc;
}

/* The next cell of the current table, with the type of its column. */
static void add_cell(struct mlo_report *r, struct mlo_value v)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_table *t = r->n && r->items[r->n - 1].kind == MLO_ITEM_TABLE ? &r->items[r->n - 1].table
                                                                            : NULL;
    if (!r->failed && t && mlo_grow(&t->cells, &t->cap, t->n_cells + 1, sizeof *t->cells, &err) == 0) {
        t->cells[t->n_cells++] = v;
        if (t->n_cells % t->n_cols == 0)
            end_row(r, t);
        return;
    }
    if (v.type == MLO_CELL_TEXT)
        free(v.text);
    if (!r->failed)
        r->failed = t ? MLO_EIO : MLO_EINTERNAL;
}

static enum mlo_cell_type next_type(const struct mlo_report *r)
{
    if (!r->n || r->items[r->n - 1].kind != MLO_ITEM_TABLE || !r->items[r->n - 1].table.n_cols)
        return MLO_CELL_U64;
    const struct mlo_table *t = &r->items[r->n - 1].table;
    return t->cols[t->n_cells % t->n_cols].type;
}

void mlo_cell_text(struct mlo_report *r, const char *v)
{
    add_cell(r, (struct mlo_value){.type = MLO_CELL_TEXT, .none = !v, .text = copy(r, v)});
}

void mlo_cell_u64(struct mlo_report *r, uint64_t v)
{
    enum mlo_cell_type type = next_type(r);
    struct mlo_value value = {.type = type, .u = v};
    if (type == MLO_CELL_BOOL)
        value.b = v != 0;
    else if (type == MLO_CELL_TEXT || type == MLO_CELL_DIGEST)
        value.type = MLO_CELL_U64;
    else if (type == MLO_CELL_DOUBLE)
        value.d = (double)v;
    add_cell(r, value);
}

void mlo_cell_i64(struct mlo_report *r, int64_t v)
{
    enum mlo_cell_type type = next_type(r) == MLO_CELL_TIME ? MLO_CELL_TIME : MLO_CELL_I64;
    add_cell(r, (struct mlo_value){.type = type, .i = v});
}

void mlo_cell_double(struct mlo_report *r, double v)
{
    add_cell(r, (struct mlo_value){.type = MLO_CELL_DOUBLE, .d = v});
}

void mlo_cell_digest(struct mlo_report *r, const struct mlo_digest *d)
{
    struct mlo_value v = {.type = MLO_CELL_DIGEST, .none = !d};
    if (d)
        v.digest = *d;
    add_cell(r, v);
}

void mlo_cell_none(struct mlo_report *r)
{
    add_cell(r, (struct mlo_value){.type = MLO_CELL_U64, .none = true});
}

void mlo_report_stream(struct mlo_report *r, FILE *out)
{
    r->stream = out;
}

/* ---- life ---- */

struct mlo_report *mlo_report_new(const struct mlo_ctx *ctx)
{
    struct mlo_report *r = calloc(1, sizeof *r);
    if (r)
        r->ctx = ctx;
    return r;
}

static void release_item(struct mlo_item *item)
{
    struct mlo_table *t = &item->table;
    forget_rows(t);
    for (size_t i = 0; i < t->n_cols; i++) {
        free(t->cols[i].key);
        free(t->cols[i].title);
    }
    free(t->cols);
    free(t->cells);
    free(t->widths);
    free(t->empty);
    free(item->key);
    free(item->title);
    if (item->value.type == MLO_CELL_TEXT)
        free(item->value.text);
    cJSON_Delete(item->json);
}

void mlo_report_free(struct mlo_report *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++)
        release_item(&r->items[i]);
    free(r->items);
    free(r);
}

/* The rest of a stream: rows not yet out, or the line that says there are none. */
static int end_stream(struct mlo_report *r, struct mlo_err *err)
{
    if (!r->n || r->items[r->n - 1].kind != MLO_ITEM_TABLE)
        return 0;
    struct mlo_table *t = &r->items[r->n - 1].table;
    bool nothing = !t->widths && !t->n_cells;
    if (!nothing)
        return flush_rows(r, t, err);
    if (t->empty && !r->ctx->json && !r->ctx->quiet && fprintf(r->stream, "%s\n", t->empty) < 0)
        return mlo_fail_errno(err, "cannot write the result");
    return 0;
}

int mlo_report_print(struct mlo_report *r, FILE *out, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    if (r->failed == MLO_EINTERNAL)
        return mlo_fail(err, MLO_EINTERNAL, "the report has a cell outside a table");
    if (r->failed)
        return mlo_fail(err, r->failed, "cannot make or write the report: memory or output failed");
    if (r->stream)
        return end_stream(r, err);
    int rc = r->ctx->json ? mlo_report_json_render(r, &text, err) : mlo_report_text_render(r, &text, err);
    if (rc < 0)
        return rc;
    if (fwrite(text.ptr, 1, text.len, out) != text.len) {
        mlo_fail_errno(err, "cannot write the result");
        return err->code = MLO_EIO;
    }
    return 0;
}
