/*
 * Text of a report: facts with their values in one column, tables aligned by what a terminal will show (not
 * by bytes), numbers to the right. Everything that came from outside goes through mlo_escape, so no name can
 * move the cursor.
 */
#include <string.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#include "internal.h"

#define BOLD         "\033[1m"
#define PLAIN        "\033[0m"
#define GAP          2  /* between columns */
#define SHORT_DIGEST 12 /* hex digits in a table */

static void add_digest(const struct mlo_digest *d, bool full, struct mlo_str *out)
{
    char text[MLO_DIGEST_TEXT], hex[MLO_DIGEST_HEX + 1];
    if (full)
        mlo_str_add(out, mlo_digest_text(d, text));
    else
        mlo_str_addn(out, mlo_digest_hex(d, hex), SHORT_DIGEST);
}

void mlo_value_text(const struct mlo_value *v, bool full, struct mlo_str *out)
{
    char buf[MLO_HUMAN_MAX], when[MLO_RFC3339_MAX];
    if (v->none) {
        mlo_str_addc(out, '-');
        return;
    }
    switch (v->type) {
    case MLO_CELL_TEXT:
        mlo_escape(out, v->text, strlen(v->text));
        return;
    case MLO_CELL_U64:
        mlo_str_addf(out, "%llu", (unsigned long long)v->u);
        return;
    case MLO_CELL_I64:
        mlo_str_addf(out, "%lld", (long long)v->i);
        return;
    case MLO_CELL_DOUBLE:
        mlo_str_addf(out, "%.6g", v->d);
        return;
    case MLO_CELL_SIZE:
        mlo_str_add(out, mlo_human_size(v->u, buf));
        return;
    case MLO_CELL_COUNT:
        mlo_str_add(out, mlo_human_count(v->u, buf));
        return;
    case MLO_CELL_DURATION:
    case MLO_CELL_NS:
        mlo_str_add(out, mlo_human_duration(v->u, buf));
        return;
    case MLO_CELL_TIME:
        mlo_str_add(out, mlo_time_rfc3339(v->i, when));
        return;
    case MLO_CELL_DIGEST:
        add_digest(&v->digest, full, out);
        return;
    case MLO_CELL_BOOL:
        mlo_str_add(out, v->b ? "yes" : "no");
        return;
    }
}

/* ---- tables ---- */

static bool is_number(enum mlo_cell_type type)
{
    return type != MLO_CELL_TEXT && type != MLO_CELL_TIME && type != MLO_CELL_DIGEST && type != MLO_CELL_BOOL;
}

int mlo_table_measure(const struct mlo_table *t, size_t *ret_widths, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str cell;
    mlo_str_init(&cell, MLO_STR_MAX);
    for (size_t i = 0; i < t->n_cols; i++)
        ret_widths[i] = mlo_text_width(t->cols[i].title);
    for (size_t i = 0; i < t->n_cells; i++) {
        mlo_str_clear(&cell);
        mlo_value_text(&t->cells[i], false, &cell);
        size_t width = mlo_text_width(cell.ptr), *max = &ret_widths[i % t->n_cols];
        *max = width > *max ? width : *max;
    }
    return mlo_str_check(&cell, err);
}

/* One cell padded to its column; the last column of text has nothing after it. */
static void add_padded(const struct mlo_table *t, const size_t *widths, size_t col, const char *text,
                       struct mlo_str *out)
{
    size_t width = mlo_text_width(text), pad = widths[col] > width ? widths[col] - width : 0;
    bool right = is_number(t->cols[col].type), last = col + 1 == t->n_cols;
    if (right)
        mlo_str_fill(out, ' ', pad);
    mlo_str_add(out, text);
    if (!right && !last)
        mlo_str_fill(out, ' ', pad);
    if (!last)
        mlo_str_fill(out, ' ', GAP);
}

/* Columns that are empty at the end of a row leave no spaces behind. */
static void trim_row(struct mlo_str *out)
{
    size_t n = out->len;
    while (n > 0 && out->ptr[n - 1] == ' ')
        n--;
    mlo_str_truncate(out, n);
}

static void add_header(const struct mlo_table *t, const size_t *widths, bool color, struct mlo_str *out)
{
    if (color)
        mlo_str_add(out, BOLD);
    for (size_t i = 0; i < t->n_cols; i++)
        add_padded(t, widths, i, t->cols[i].title, out);
    trim_row(out);
    mlo_str_add(out, color ? PLAIN "\n" : "\n");
}

int mlo_table_text(const struct mlo_table *t, bool header, bool color, struct mlo_str *out,
                   struct mlo_err *err)
{
    MLO_AUTOFREE size_t *measured = mlo_calloc(t->n_cols, sizeof *measured, err);
    MLO_AUTOSTR struct mlo_str cell;
    mlo_str_init(&cell, MLO_STR_MAX);
    if (!measured)
        return MLO_EIO;
    int rc = t->widths ? 0 : mlo_table_measure(t, measured, err);
    if (rc < 0)
        return rc;
    const size_t *widths = t->widths ? t->widths : measured;
    if (header)
        add_header(t, widths, color, out);
    for (size_t i = 0; i < t->n_cells; i++) {
        mlo_str_clear(&cell);
        mlo_value_text(&t->cells[i], false, &cell);
        add_padded(t, widths, i % t->n_cols, cell.ptr, out);
        if ((i + 1) % t->n_cols == 0) {
            trim_row(out);
            mlo_str_addc(out, '\n');
        }
    }
    rc = mlo_str_check(&cell, err);
    return rc < 0 ? rc : mlo_str_check(out, err);
}

/* ---- the whole ---- */

/* Width of the titles of the facts that stand together from item `at` on. */
static size_t title_width(const struct mlo_report *r, size_t at)
{
    size_t max = 0;
    for (; at < r->n && (r->items[at].kind == MLO_ITEM_FACT || r->items[at].kind == MLO_ITEM_JSON); at++) {
        const struct mlo_item *item = &r->items[at];
        if (item->kind == MLO_ITEM_JSON || item->value.none)
            continue;
        size_t width = mlo_text_width(item->title);
        max = width > max ? width : max;
    }
    return max;
}

static void add_fact(const struct mlo_item *item, size_t width, struct mlo_str *out)
{
    mlo_str_add(out, item->title);
    mlo_str_fill(out, ' ', width - mlo_text_width(item->title) + GAP);
    mlo_value_text(&item->value, true, out);
    mlo_str_addc(out, '\n');
}

static int add_table(const struct mlo_report *r, const struct mlo_item *item, struct mlo_str *out,
                     struct mlo_err *err)
{
    if (!item->table.n_cells) {
        if (item->table.empty && !r->ctx->quiet)
            mlo_str_addf(out, "%s\n", item->table.empty);
        return 0;
    }
    if (item->title && *item->title)
        mlo_str_addf(out, "%s\n", item->title);
    return mlo_table_text(&item->table, true, r->ctx->color, out, err);
}

static bool is_shown(const struct mlo_report *r, const struct mlo_item *item)
{
    switch (item->kind) {
    case MLO_ITEM_SAY:
    case MLO_ITEM_NOTE:
        return !r->ctx->quiet;
    case MLO_ITEM_FACT:
        return !item->value.none;
    case MLO_ITEM_TABLE:
        return item->table.n_cells || (item->table.empty && !r->ctx->quiet);
    case MLO_ITEM_RAW:
        return true;
    case MLO_ITEM_JSON:
        return false;
    }
    return false;
}

int mlo_report_text_render(const struct mlo_report *r, struct mlo_str *out, struct mlo_err *err)
{
    const struct mlo_item *before = NULL;
    size_t width = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->n; i++) {
        const struct mlo_item *item = &r->items[i];
        if (!is_shown(r, item))
            continue;
        bool new_block = !before || before->kind != item->kind || item->kind == MLO_ITEM_TABLE;
        if (new_block && before && before->kind != MLO_ITEM_SAY)
            mlo_str_addc(out, '\n');
        if (new_block && item->kind == MLO_ITEM_FACT)
            width = title_width(r, i);
        if (item->kind == MLO_ITEM_TABLE)
            rc = add_table(r, item, out, err);
        else if (item->kind == MLO_ITEM_FACT)
            add_fact(item, width, out);
        else
            mlo_str_addf(out, item->kind == MLO_ITEM_RAW ? "%s" : "%s\n", item->value.text);
        before = item;
    }
    return rc < 0 ? rc : mlo_str_check(out, err);
}
