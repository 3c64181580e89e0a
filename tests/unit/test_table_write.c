/*
 * Parquet and Arrow IPC as they are written, read back by our own readers. With TABLE_WRITE_FOLDER the files
 * stay there, for tests/golden/tables/written.py, which asks pyarrow, DuckDB and Polars.
 */
#include <fcntl.h>
#include <math.h>

#include <mlopsctl/base/number.h>

#include "table_cases.h"

#define EACH MLO_COUNT(every)

static const struct {
    const char *name;
    enum mlo_write_form form;
} forms[] = {{"written.parquet", MLO_WRITE_PARQUET},
             {"written.arrow", MLO_WRITE_ARROW},
             {"written.arrows", MLO_WRITE_ARROW_STREAM}};

/* A column of every type, without and with missing values. */
static const struct mlo_write_column every[] = {
    {"bool", MLO_DT_BOOL, false},   {"bool_n", MLO_DT_BOOL, true}, {"i8", MLO_DT_I8, false},
    {"i8_n", MLO_DT_I8, true},      {"u8", MLO_DT_U8, true},       {"i16", MLO_DT_I16, true},
    {"u16", MLO_DT_U16, false},     {"i32", MLO_DT_I32, false},    {"i32_n", MLO_DT_I32, true},
    {"u32", MLO_DT_U32, true},      {"i64", MLO_DT_I64, false},    {"i64_n", MLO_DT_I64, true},
    {"u64", MLO_DT_U64, true},      {"f32", MLO_DT_F32, false},    {"f32_n", MLO_DT_F32, true},
    {"f64", MLO_DT_F64, false},     {"f64_n", MLO_DT_F64, true},   {"text", MLO_DT_STRING, false},
    {"text_n", MLO_DT_STRING, true}};

/* ---- values: the same ones for each row, whichever part it is in ---- */

static bool is_missing(size_t column, size_t row)
{
    return every[column].nullable && (row % 3 == 1 || (row >= 64 && row < 80));
}

static long long whole(size_t row)
{
    return (long long)(row * 37 % 101) - 50;
}

static double real(size_t row)
{
    static const double odd[] = {NAN, INFINITY, -INFINITY, -0.0};
    return row % 10 < MLO_COUNT(odd) && row > 10 ? odd[row % 10] : (double)whole(row) / 8;
}

static const char *text(size_t row)
{
    static const char *const texts[] = {
        "",
        "a",
        "h\xc3\xb6he",
        "a comma, a \"quote\"",
        "two\nlines",
        "a text that is too long for statistics: more than sixty-three bytes"};
    return texts[row % (row < 100 ? MLO_COUNT(texts) - 1 : MLO_COUNT(texts))];
}

static void put(size_t column, size_t row, char *to)
{
    enum mlo_dtype t = every[column].dtype;
    bool is_signed = t == MLO_DT_I8 || t == MLO_DT_I16 || t == MLO_DT_I32 || t == MLO_DT_I64;
    if (t == MLO_DT_STRING) {
        const struct mlo_slice s = {text(row), strlen(text(row))};
        memcpy(to, &s, sizeof s);
    } else if (t == MLO_DT_BOOL) {
        *to = row % 2 != 0;
    } else if (t == MLO_DT_F32) {
        memcpy(to, &(float){(float)real(row)}, sizeof(float));
    } else if (t == MLO_DT_F64) {
        memcpy(to, &(double){real(row)}, sizeof(double));
    } else {
        memcpy(to, &(long long){is_signed ? whole(row) : whole(row) + 50}, mlo_dtype_bits(t) / 8);
    }
}

/* ---- parts ---- */

struct memory {
    char *values[EACH];
    uint8_t *missing[EACH];
};

static bool make_cells(size_t from, size_t n, struct memory *m, struct mlo_write_cells *ret)
{
    for (size_t c = 0; c < EACH; c++) {
        size_t width = every[c].dtype == MLO_DT_STRING ? sizeof(struct mlo_slice)
                                                       : mlo_dtype_bits(every[c].dtype) / 8;
        m->values[c] = calloc(n + 1, width);
        m->missing[c] = every[c].nullable ? calloc(n + 1, 1) : NULL;
        if (!m->values[c] || (every[c].nullable && !m->missing[c]))
            return false;
        for (size_t r = 0; r < n; r++) {
            put(c, from + r, m->values[c] + r * width);
            if (every[c].nullable)
                m->missing[c][r] = is_missing(c, from + r);
        }
        ret[c] = (struct mlo_write_cells){m->values[c], m->missing[c]};
    }
    return true;
}

static int add_rows(struct mlo_table_writer *w, size_t from, size_t n, struct mlo_str *parts,
                    struct mlo_err *err)
{
    struct memory m = {0};
    struct mlo_write_cells cells[EACH];
    int rc = make_cells(from, n, &m, cells) ? mlo_table_writer_part(w, cells, n, parts, err)
                                            : mlo_fail_nomem(err);
    for (size_t c = 0; c < EACH; c++) {
        free(m.values[c]);
        free(m.missing[c]);
    }
    return rc;
}

/* Rows in parts of `step`, two of them handed over together. */
static int write_table(enum mlo_write_form form, size_t rows, size_t step, struct mlo_str *out,
                       struct mlo_err *err)
{
    struct mlo_table_writer *w = NULL;
    struct mlo_str parts;
    mlo_str_init(&parts, MLO_STR_MAX);
    int rc = mlo_table_writer_new(form, every, EACH, &w, err);
    for (size_t from = 0; rc == 0 && from < rows; from += 2 * step) {
        mlo_str_clear(&parts);
        for (size_t at = from; rc == 0 && at < from + 2 * step && at < rows; at += step)
            rc = add_rows(w, at, rows - at < step ? rows - at : step, &parts, err);
        if (rc == 0)
            rc = mlo_table_writer_add(w, &parts, out, err);
    }
    if (rc == 0)
        rc = mlo_table_writer_end(w, out, err);
    mlo_table_writer_free(w);
    mlo_str_release(&parts);
    return rc;
}

static const char *written(size_t i, size_t rows, size_t step)
{
    const char *folder = getenv("TABLE_WRITE_FOLDER"), *path = scratch(forms[i].name);
    static char kept[MLO_PATH_MAX];
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_str out;
    mlo_str_init(&out, MLO_STR_MAX);
    check_ok(write_table(forms[i].form, rows, step, &out, &err), &err);
    if (folder) {
        snprintf(kept, sizeof kept, "%s/%zu-%zu-%s", folder, rows, step, forms[i].name);
        path = kept;
    }
    check_ok(mlo_write_file_at(AT_FDCWD, path, out.ptr, out.len, 0644, &err), &err);
    mlo_str_release(&out);
    return path;
}

/* ---- reading back ---- */

static void check_number(const struct mlo_batch_column *c, size_t column, size_t at, size_t row)
{
    enum mlo_dtype t = every[column].dtype;
    bool is_float = t == MLO_DT_F32 || t == MLO_DT_F64;
    bool is_signed = t == MLO_DT_I8 || t == MLO_DT_I16 || t == MLO_DT_I32 || t == MLO_DT_I64;
    double want = t == MLO_DT_BOOL ? (double)(row % 2)
                  : is_float       ? real(row)
                  : is_signed      ? (double)whole(row)
                                   : (double)(whole(row) + 50);
    double got = c->numbers[at];
    check(isnan(want) ? isnan(got) : got == want && signbit(got) == signbit(want), "'%s' row %zu: %g, not %g",
          every[column].name, row, got, want);
}

static int check_batch(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    size_t *rows = ctx;
    (void)worker;
    (void)err;
    check_int(b->n_columns, EACH);
    for (size_t r = 0; r < b->n_rows && b->n_columns == EACH; r++)
        for (size_t c = 0; c < EACH; c++) {
            const struct mlo_batch_column *column = &b->columns[c];
            size_t row = (size_t)b->first_row + r;
            bool missing = column->cell && column->cell[r] == MLO_CELL_MISSING;
            check(missing == is_missing(c, row), "'%s' row %zu", every[c].name, row);
            if (missing)
                continue;
            if (every[c].dtype == MLO_DT_STRING)
                check(mlo_batch_text(column, r).len == strlen(text(row)) &&
                          memcmp(mlo_batch_text(column, r).ptr, text(row), strlen(text(row))) == 0,
                      "'%s' row %zu", every[c].name, row);
            else
                check_number(column, c, r, row);
        }
    *rows += b->n_rows;
    return 0;
}

static void reads_back(const char *path, size_t rows)
{
    const struct mlo_table_opts o = {.threads = 1};
    struct mlo_table *t = NULL;
    struct mlo_scan_result st;
    struct mlo_err err = MLO_ERR_INIT;
    size_t n, found = 0;
    if (!check_ok(mlo_table_open(&path, 1, &o, &t, &err), &err))
        return;
    const struct mlo_table_column *columns = mlo_table_columns(t, &n);
    check_int(n, EACH);
    for (size_t i = 0; i < n && i < EACH; i++) {
        enum mlo_column_type want = every[i].dtype == MLO_DT_STRING ? MLO_COLUMN_TEXT
                                    : every[i].dtype == MLO_DT_BOOL ? MLO_COLUMN_BOOL
                                                                    : MLO_COLUMN_NUMBER;
        check_str(columns[i].name, every[i].name);
        check_int(columns[i].type, want);
    }
    check_ok(mlo_table_scan(t, check_batch, &found, &st, &err), &err);
    check_int(found, rows);
    mlo_table_close(t);
}

/* ---- tests ---- */

static void every_type_comes_back_from_parts_of_any_size(void)
{
    static const size_t steps[] = {1, 7, 8, 64, 250};
    for (size_t i = 0; i < MLO_COUNT(forms); i++)
        for (size_t k = 0; k < MLO_COUNT(steps); k++)
            reads_back(written(i, 250, steps[k]), 250);
}

static void no_rows_are_a_table_too(void)
{
    for (size_t i = 0; i < MLO_COUNT(forms); i++)
        reads_back(written(i, 0, 1), 0);
}

/* Several row groups, whose bytes are given out as they fill. */
static void many_rows_are_given_out_in_between(void)
{
    for (size_t i = 0; i < MLO_COUNT(forms); i++)
        reads_back(written(i, 300000, 9000), 300000);
}

static void the_same_rows_are_the_same_bytes(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    for (size_t i = 0; i < MLO_COUNT(forms); i++) {
        MLO_AUTOSTR struct mlo_str a, b;
        mlo_str_init(&a, MLO_STR_MAX);
        mlo_str_init(&b, MLO_STR_MAX);
        check_ok(write_table(forms[i].form, 1000, 300, &a, &err), &err);
        check_ok(write_table(forms[i].form, 1000, 300, &b, &err), &err);
        check(a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0, "%s", forms[i].name);
    }
}

static void a_type_without_a_place_is_refused(void)
{
    const struct mlo_write_column half = {"h", MLO_DT_F16, false};
    struct mlo_table_writer *w = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    check_err(mlo_table_writer_new(MLO_WRITE_PARQUET, &half, 1, &w, &err), MLO_EUNAVAIL, &err, "float16");
}

static enum mlo_write_form torn;

static int write_torn(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str out;
    mlo_str_init(&out, MLO_STR_MAX);
    return write_table(torn, 20, 6, &out, &err);
}

static void memory_that_runs_out(void)
{
    for (size_t i = 0; i < MLO_COUNT(forms); i++) {
        torn = forms[i].form;
        check(each_alloc_failure(write_torn) > 20, "%s", forms[i].name);
    }
}

int main(void)
{
    run(every_type_comes_back_from_parts_of_any_size);
    run(no_rows_are_a_table_too);
    run(many_rows_are_given_out_in_between);
    run(the_same_rows_are_the_same_bytes);
    run(a_type_without_a_place_is_refused);
    run(memory_that_runs_out);
    return done_testing();
}
