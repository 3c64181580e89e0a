/*
 * A table as text, for comparing: the columns, then a line for each row with the number of its line.
 *
 *     id:int|x:number|word:text|yes:bool|at:time
 *     2: 1|2.5|'a'|true|1700000000000000000
 *     3: -|nan|-|!'maybe'|-
 *
 * - missing, nan NaN or infinite, !'...' not of the column's type. Bytes of texts and names beyond printable
 * ASCII, and ' | : \, are written as \xNN. Numbers are the shortest text that reads back as the same double.
 * Closing lines tell what was no row: "ragged 2: 5 has 3, 9 has 1".
 */
#ifndef TESTS_UNIT_TABLE_HELP_H
#define TESTS_UNIT_TABLE_HELP_H

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/table.h>

struct dump_part {
    uint64_t sequence;
    struct mlo_str text;
};
struct dump {
    const struct mlo_table_column *columns;
    pthread_mutex_t lock;
    struct dump_part *parts; /* of each batch, in order of arrival */
    size_t n, cap;
};

static inline void dump_bytes(struct mlo_str *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x20 || c >= 0x7f || c == '\'' || c == '|' || c == ':' || c == '\\')
            mlo_str_addf(out, "\\x%02x", c);
        else
            mlo_str_addc(out, (char)c);
    }
}

static inline void dump_number(struct mlo_str *out, double v)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    mlo_str_add(out, text);
}

static inline void dump_text(struct mlo_str *out, struct mlo_slice s)
{
    mlo_str_addc(out, '\'');
    dump_bytes(out, s.ptr, s.len);
    mlo_str_addc(out, '\'');
}

static inline void dump_value(struct mlo_str *out, enum mlo_column_type type,
                              const struct mlo_batch_column *b, size_t row)
{
    switch (type) {
    case MLO_COLUMN_NUMBER:
        dump_number(out, b->numbers[row]);
        break;
    case MLO_COLUMN_BOOL:
        mlo_str_add(out, b->numbers[row] == 1 ? "true" : b->numbers[row] == 0 ? "false" : "neither");
        break;
    case MLO_COLUMN_TIME:
        mlo_str_addf(out, "%" PRId64, b->times[row]);
        break;
    case MLO_COLUMN_TEXT:
        dump_text(out, b->codes ? b->dictionary[b->codes[row]] : b->texts[row]);
        break;
    }
}

static inline void dump_cell(struct mlo_str *out, enum mlo_column_type type, const struct mlo_batch_column *b,
                             size_t row)
{
    switch (b->cell ? (enum mlo_cell)b->cell[row] : MLO_CELL_OK) {
    case MLO_CELL_OK:
        dump_value(out, type, b, row);
        break;
    case MLO_CELL_MISSING:
        mlo_str_addc(out, '-');
        break;
    case MLO_CELL_NAN:
        mlo_str_add(out, "nan");
        break;
    case MLO_CELL_BAD:
        mlo_str_addc(out, '!');
        dump_text(out, b->texts[row]);
        break;
    }
}

static inline int dump_batch(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    struct dump *d = ctx;
    struct mlo_str out;
    (void)worker;
    mlo_str_init(&out, MLO_STR_MAX);
    for (size_t r = 0; r < b->n_rows; r++) {
        mlo_str_addf(&out, "%" PRIu64 ": ", b->first_line + (b->lines ? b->lines[r] : r));
        for (size_t c = 0; c < b->n_columns; c++) {
            mlo_str_add(&out, c ? "|" : "");
            dump_cell(&out, d->columns[c].type, &b->columns[c], r);
        }
        mlo_str_addc(&out, '\n');
    }
    pthread_mutex_lock(&d->lock);
    int rc = mlo_str_check(&out, err);
    if (rc == 0)
        rc = mlo_grow(&d->parts, &d->cap, d->n + 1, sizeof *d->parts, err);
    if (rc == 0)
        d->parts[d->n++] = (struct dump_part){b->sequence, out};
    else
        mlo_str_release(&out);
    pthread_mutex_unlock(&d->lock);
    return rc;
}

static inline int dump_by_sequence(const void *a, const void *b)
{
    uint64_t x = ((const struct dump_part *)a)->sequence, y = ((const struct dump_part *)b)->sequence;
    return x < y ? -1 : x > y;
}

static inline void dump_columns(struct mlo_str *out, const struct mlo_table_column *columns, size_t n)
{
    static const char *const names[] = {[MLO_COLUMN_NUMBER] = "number",
                                        [MLO_COLUMN_TEXT] = "text",
                                        [MLO_COLUMN_BOOL] = "bool",
                                        [MLO_COLUMN_TIME] = "time"};
    for (size_t i = 0; i < n; i++) {
        mlo_str_add(out, i ? "|" : "");
        dump_bytes(out, columns[i].name, strlen(columns[i].name));
        bool integer = columns[i].type == MLO_COLUMN_NUMBER && columns[i].integral;
        mlo_str_addf(out, ":%s", integer ? "int" : names[columns[i].type]);
    }
    mlo_str_addc(out, '\n');
}

static inline void dump_ragged(struct mlo_str *out, const struct mlo_scan_result *st)
{
    if (st->ragged > 0)
        mlo_str_addf(out, "ragged %" PRIu64 ":", st->ragged);
    for (size_t i = 0; i < st->ragged && i < MLO_COUNT(st->first_ragged); i++)
        mlo_str_addf(out, "%s %" PRIu64 " has %u", i ? "," : "", st->first_ragged[i].line,
                     st->first_ragged[i].fields);
    mlo_str_add(out, st->ragged > 0 ? "\n" : "");
}

/* The table at the paths as text. *ret_st may be NULL. */
static inline int dump_table(const char *const *paths, size_t n, const struct mlo_table_opts *opts,
                             struct mlo_str *out, struct mlo_scan_result *ret_st, struct mlo_err *err)
{
    struct mlo_table *t = NULL;
    struct mlo_scan_result st = {0};
    struct dump d = {.lock = PTHREAD_MUTEX_INITIALIZER};
    size_t n_columns = 0;
    int rc = mlo_table_open(paths, n, opts, &t, err);
    if (rc == 0) {
        d.columns = mlo_table_columns(t, &n_columns);
        dump_columns(out, d.columns, n_columns);
        rc = mlo_table_scan(t, dump_batch, &d, &st, err);
    }
    if (d.n > 0)
        qsort(d.parts, d.n, sizeof *d.parts, dump_by_sequence);
    for (size_t i = 0; i < d.n; i++) {
        mlo_str_addn(out, d.parts[i].text.ptr, d.parts[i].text.len);
        mlo_str_release(&d.parts[i].text);
    }
    free(d.parts);
    dump_ragged(out, &st);
    mlo_table_close(t);
    if (rc == 0 && ret_st)
        *ret_st = st;
    return rc == 0 ? mlo_str_check(out, err) : rc;
}

#endif
