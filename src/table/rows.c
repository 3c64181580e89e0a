/* The memory of a batch, and cells of text put into it. */
#include <math.h>
#include <string.h>

#include "internal.h"

static int grow_column(struct mlo_rows *r, enum mlo_column_type type, size_t c, size_t rows,
                       struct mlo_err *err)
{
    bool number = type == MLO_COLUMN_NUMBER || type == MLO_COLUMN_BOOL;
    free(r->cell[c]);
    free(r->numbers[c]);
    free(r->times[c]);
    free(r->texts[c]);
    r->cell[c] = mlo_calloc(rows, 1, err);
    r->numbers[c] = number ? mlo_calloc(rows, sizeof *r->numbers[c], err) : NULL;
    r->times[c] = type == MLO_COLUMN_TIME ? mlo_calloc(rows, sizeof *r->times[c], err) : NULL;
    r->texts[c] = mlo_calloc(rows, sizeof *r->texts[c], err);
    r->columns[c] = (struct mlo_batch_column){
        .cell = r->cell[c], .numbers = r->numbers[c], .times = r->times[c], .texts = r->texts[c]};
    bool whole = r->cell[c] && r->texts[c] && (r->numbers[c] || !number) &&
                 (r->times[c] || type != MLO_COLUMN_TIME);
    return whole ? 0 : MLO_EIO;
}

static int make_columns(struct mlo_rows *r, size_t n, struct mlo_err *err)
{
    r->columns = mlo_calloc(n, sizeof *r->columns, err);
    r->cell = mlo_calloc(n, sizeof *r->cell, err);
    r->numbers = mlo_calloc(n, sizeof *r->numbers, err);
    r->times = mlo_calloc(n, sizeof *r->times, err);
    r->texts = mlo_calloc(n, sizeof *r->texts, err);
    r->n_columns = n;
    return r->columns && r->cell && r->numbers && r->times && r->texts ? 0 : MLO_EIO;
}

int mlo_rows_reserve(struct mlo_rows *r, const struct mlo_table_column *columns, size_t n_columns,
                     size_t n_rows, struct mlo_err *err)
{
    int rc = r->columns ? 0 : make_columns(r, n_columns, err);
    if (rc == 0 && n_rows > r->cap_rows) {
        size_t rows = n_rows + n_rows / 4 + 64;
        free(r->lines);
        r->lines = mlo_calloc(rows, sizeof *r->lines, err);
        rc = r->lines ? 0 : MLO_EIO;
        for (size_t c = 0; rc == 0 && c < n_columns; c++)
            rc = grow_column(r, columns[c].type, c, rows, err);
        r->cap_rows = rc == 0 ? rows : 0;
    }
    for (size_t c = 0; rc == 0 && n_rows > 0 && c < n_columns; c++) {
        memset(r->cell[c], MLO_CELL_OK, n_rows);
        r->columns[c].cell = r->cell[c];
    }
    r->batch = (struct mlo_batch){
        .n_rows = n_rows, .n_columns = n_columns, .columns = r->columns, .lines = r->lines};
    return rc;
}

void mlo_rows_leave_out_ok(struct mlo_rows *r)
{
    size_t n = r->batch.n_rows;
    for (size_t c = 0; n > 0 && c < r->n_columns; c++)
        if (r->cell[c][0] == MLO_CELL_OK && memcmp(r->cell[c], r->cell[c] + 1, n - 1) == 0)
            r->columns[c].cell = NULL;
}

void mlo_rows_release(struct mlo_rows *r)
{
    for (size_t c = 0; c < r->n_columns; c++) {
        free(r->cell ? r->cell[c] : NULL);
        free(r->numbers ? r->numbers[c] : NULL);
        free(r->times ? r->times[c] : NULL);
        free(r->texts ? r->texts[c] : NULL);
    }
    free(r->columns);
    free(r->cell);
    free(r->numbers);
    free(r->times);
    free(r->texts);
    free(r->lines);
    *r = (struct mlo_rows){0};
}

static uint8_t number_cell(struct mlo_rows *r, size_t c, size_t row, const char *s, size_t n)
{
    double v;
    if (mlo_cell_number(s, n, &v)) {
        r->numbers[c][row] = v;
        return isfinite(v) ? MLO_CELL_OK : MLO_CELL_NAN;
    }
    return MLO_CELL_BAD;
}

void mlo_rows_text(struct mlo_rows *r, enum mlo_column_type type, size_t c, size_t row, const char *s,
                   size_t n)
{
    uint8_t cell = MLO_CELL_OK;
    switch (type) {
    case MLO_COLUMN_NUMBER:
        cell = number_cell(r, c, row, s, n); /* first: nearly every cell is one */
        break;
    case MLO_COLUMN_BOOL:
        cell = mlo_cell_bool(s, n, &r->numbers[c][row]) ? MLO_CELL_OK : MLO_CELL_BAD;
        break;
    case MLO_COLUMN_TIME:
        cell = mlo_cell_time(s, n, &r->times[c][row]) ? MLO_CELL_OK : MLO_CELL_BAD;
        break;
    case MLO_COLUMN_TEXT:
        cell = mlo_cell_missing(s, n) ? MLO_CELL_MISSING : MLO_CELL_OK;
        break;
    }
    if (cell == MLO_CELL_BAD && mlo_cell_missing(s, n))
        cell = MLO_CELL_MISSING;
    r->cell[c][row] = cell;
    if (type == MLO_COLUMN_TEXT || cell == MLO_CELL_BAD)
        r->texts[c][row] = (struct mlo_slice){s, n};
    if (cell != MLO_CELL_OK && cell != MLO_CELL_NAN && r->numbers[c])
        r->numbers[c][row] = 0;
}
