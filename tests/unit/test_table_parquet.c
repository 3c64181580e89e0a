/*
 * Parquet: what a correct reader gives for every file of tests/golden/parquet
 * (scripts/gen-fixtures/parquet.py writes them with the readers of those who wrote them), what is refused,
 * damage of every byte, memory that fails.
 */
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "../../src/table/internal.h"
#include "table_cases.h"

#define GOLDEN "tests/golden/parquet"

static char *slurp(const char *path, size_t *ret_n)
{
    struct mlo_err err = MLO_ERR_INIT;
    char *text = NULL;
    size_t n = 0;
    check_ok(mlo_slurp_at(AT_FDCWD, path, (size_t)1 << 20, &text, &n, &err), &err);
    if (ret_n)
        *ret_n = n;
    return text;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Calls fn for each .parquet of a folder, in order; returns how many. */
static size_t each_file(const char *folder, void (*fn)(const char *path))
{
    char *names[512];
    size_t n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d)) && n < MLO_COUNT(names);)
        if (strstr(e->d_name, ".parquet"))
            names[n++] = strdup(e->d_name);
    if (d)
        closedir(d);
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        fn(path);
        free(names[i]);
    }
    return n;
}

/* ---- what is right ---- */

/* Line by line, so that a failure shows which. */
static void same_lines(const char *path, const char *got, const char *want)
{
    for (size_t line = 1; *got || *want; line++) {
        size_t n = strcspn(got, "\n"), m = strcspn(want, "\n");
        if (!check(n == m && memcmp(got, want, n) == 0, "%s line %zu:\n got %.*s\nwant %.*s", path, line,
                   (int)n, got, (int)m, want))
            return;
        got += n + (got[n] == '\n');
        want += m + (want[m] == '\n');
    }
}

/* all.v1-snappy.parquet is to give what all.expected says. */
static void is_as_expected(const char *path)
{
    char expected[512];
    const char *name = strrchr(path, '/') + 1;
    snprintf(expected, sizeof expected, "%s/%.*s.expected", GOLDEN, (int)strcspn(name, "."), name);
    char *want = slurp(expected, NULL);
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        struct mlo_table_opts o = {.threads = threads};
        char *got = outcome(path, &o);
        same_lines(path, got, want);
        free(got);
    }
    free(want);
}

static void reads_what_writers_write(void)
{
    check(each_file(GOLDEN, is_as_expected) >= 60, "the fixtures are there");
}

/* ---- what is wrong ---- */

static void is_damaged(const char *path)
{
    struct mlo_table_opts o = {.threads = 2};
    char *got = outcome(path, &o);
    check(strncmp(got, "error -4: ", 10) == 0 && strstr(got, ".parquet'"), "%s: %s", path, got);
    free(got);
}

static void is_not_available(const char *path)
{
    struct mlo_table_opts o = {.threads = 2};
    char *got = outcome(path, &o);
    check(strncmp(got, "error -7: ", 10) == 0, "%s: %s", path, got);
    free(got);
}

static void refuses_damage(void)
{
    check(each_file(GOLDEN "/bad", is_damaged) >= 90, "the damaged fixtures are there");
    check(each_file(GOLDEN "/refused", is_not_available) >= 7, "so are the others");
}

static void names_what_is_refused(void)
{
    static const struct {
        const char *file, *text;
    } cases[] = {
        {"bad/checksum-data", "column 'dec38', page at byte"},
        {"bad/checksum-data", "its checksum is another than the one stored"},
        {"bad/cut-half", "still being written"},
        {"bad/bomb-zstd", "cannot hold"},
        {"bad/column-ends-early", "the column ends before its last row"},
        {"bad/code-out-of-range", "code 1 is not in its dictionary of 1"},
        {"bad/rows-bomb", "more than 1099511627776 bytes"},
        {"refused/brotli", "Brotli compression is not read"},
        {"refused/lzo", "LZO compression is not read"},
        {"refused/alp", "ALP encoding is not read"},
        {"refused/encrypted-footer", "is an encrypted Parquet file"},
        {"refused/encrypted", "is an encrypted Parquet file"},
        {"refused/encrypted-column", "is an encrypted Parquet file"},
        {"refused/other-file", "in other files"},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        char path[512];
        struct mlo_table_opts o = {0};
        snprintf(path, sizeof path, "%s/%s.parquet", GOLDEN, cases[i].file);
        char *got = outcome(path, &o);
        check(strstr(got, cases[i].text), "%s: %s", path, got);
        free(got);
    }
}

/* ---- damage of every byte ---- */

static int ignore_batch(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    size_t *bytes = ctx;
    (void)worker;
    (void)err;
    for (size_t c = 0; c < b->n_columns; c++)
        for (size_t r = 0; r < b->n_rows; r++) {
            const struct mlo_batch_column *k = &b->columns[c];
            bool ok = !k->cell || k->cell[r] == MLO_CELL_OK;
            if (ok && (k->codes || (k->texts && !k->numbers && !k->times))) {
                struct mlo_slice s = mlo_batch_text(k, r);
                for (size_t i = 0; i < s.len; i++) /* must be there */
                    *bytes += (unsigned char)s.ptr[i];
            }
        }
    return 0;
}

/* Any outcome is right but a crash, a leak, or a failure of another class than bad data. */
static int read_all(const char *path)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_table_opts o = {.format = "parquet", .threads = 1, .max_bytes = 1 << 22};
    struct mlo_table *t = NULL;
    struct mlo_scan_result st;
    size_t bytes = 0;
    int rc = mlo_table_open(&path, 1, &o, &t, &err);
    if (rc == 0)
        rc = mlo_table_scan(t, ignore_batch, &bytes, &st, &err);
    mlo_table_close(t);
    check(rc == 0 || rc == MLO_EINVALID || rc == MLO_EUNAVAIL, "%d: %s", rc, err.msg);
    return rc;
}

static void flip_bytes(const char *name, size_t step)
{
    char path[512];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/%s.parquet", GOLDEN, name);
    char *whole = slurp(path, &n);
    static const unsigned char flips[] = {0x01, 0x80, 0xff};
    for (size_t at = 0; at < n; at += step) {
        const char *copy = scratch("flipped.parquet");
        int fd = open(copy, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        whole[at] ^= (char)flips[at / step % MLO_COUNT(flips)];
        check(fd >= 0 && write(fd, whole, n) == (ssize_t)n);
        close(fd);
        read_all(copy);
        whole[at] ^= (char)flips[at / step % MLO_COUNT(flips)];
    }
    free(whole);
}

static void survives_flipped_bytes(void)
{
    flip_bytes("decimals.delta", 1);
    flip_bytes("old.plain-dictionary", 1);
    flip_bytes("far.int96-dictionary", 1);
    flip_bytes("hyparquet.rust-v2", 1);
    flip_bytes("wide.delta", 1);
    flip_bytes("deep.runs", 1);
    flip_bytes("lz4.hadoop-blocks", 1);
    flip_bytes("all.v1-none", 23);
    flip_bytes("all.v2-none", 19);
    flip_bytes("all.v2-zstd", 17);
    flip_bytes("duckdb.v2-plain", 11);
    flip_bytes("logical.v2", 13);
    flip_bytes("nested.v1", 7);
}

static void refuses_every_beginning(void)
{
    size_t n = 0;
    char *whole = slurp(GOLDEN "/logical.integers.parquet", &n);
    for (size_t k = 0; k < n; k += k < 16 ? 1 : 41) {
        const char *path = write_bytes("cut.parquet", whole, k);
        check_int(read_all(path), MLO_EINVALID);
    }
    free(whole);
}

/* ---- asked otherwise ---- */

static void as_other_types(void)
{
    static const struct mlo_table_column types[] = {
        {.name = (char *)(uintptr_t) "i", .type = MLO_COLUMN_TEXT},
        {.name = (char *)(uintptr_t) "l", .type = MLO_COLUMN_TEXT},
        {.name = (char *)(uintptr_t) "x", .type = MLO_COLUMN_TEXT},
        {.name = (char *)(uintptr_t) "f", .type = MLO_COLUMN_TEXT},
        {.name = (char *)(uintptr_t) "m", .type = MLO_COLUMN_TEXT},
        {.name = (char *)(uintptr_t) "b", .type = MLO_COLUMN_NUMBER},
        {.name = (char *)(uintptr_t) "d", .type = MLO_COLUMN_TEXT},
        {.name = (char *)(uintptr_t) "h", .type = MLO_COLUMN_TEXT},
        {.name = (char *)(uintptr_t) "at", .type = MLO_COLUMN_TEXT},
        {.name = (char *)(uintptr_t) "u", .type = MLO_COLUMN_BOOL},
        {.name = (char *)(uintptr_t) "w", .type = MLO_COLUMN_NUMBER},
        {.name = (char *)(uintptr_t) "big", .type = MLO_COLUMN_TEXT},
    };
    static const char *const select[] = {"at", "i", "l", "x", "f", "m", "b", "d", "h", "u", "w", "big"};
    struct mlo_table_opts o = {.types = types,
                               .n_types = MLO_COUNT(types),
                               .select = select,
                               .n_select = MLO_COUNT(select),
                               .threads = 2};
    char *got = outcome(GOLDEN "/duckdb.v2-zstd.parquet", &o);
    const char *third = strstr(got, "\n3: ");
    static const char want[] =
        "\n3: '2'|'148'|!'2'|'0.2'|'0.6'|'0.667'|'2000000000000000.0000'|!'word 2'|0|'2024-03-01'|"
        "'01\\x3a04\\x3a03.5'|'1970-01-01T00\\x3a00\\x3a12.25'\n";
    check(third && strncmp(third, want, strlen(want)) == 0, "%.200s", third ? third : got);
    free(got);
}

static void selects_columns(void)
{
    static const char *const one[] = {"who.at.x"}, *const none[] = {"tags"};
    struct mlo_table_opts o = {.select = one, .n_select = 1, .threads = 1};
    char *got = outcome(GOLDEN "/nested.v2.parquet", &o);
    check_str(got, "who.at.x:number\n1: 1.5\n2: -\n3: -\n4: -\n");
    free(got);
    o.select = none;
    got = outcome(GOLDEN "/nested.v2.parquet", &o);
    check_str(got, "error -3: '" GOLDEN "/nested.v2.parquet' has no column 'tags'");
    free(got);
}

static void says_what_is_left_out(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_table_opts o = {0};
    const char *path = GOLDEN "/nested.v1.parquet";
    struct mlo_table *t = NULL;
    size_t n = 0;
    if (!check_ok(mlo_table_open(&path, 1, &o, &t, &err), &err))
        return;
    const char *const *names = mlo_table_left_out(t, &n);
    check_int(n, 4);
    check(n == 4 && strcmp(names[0], "tags") == 0 && strcmp(names[2], "deep") == 0 &&
          strcmp(names[3], "inside") == 0);
    mlo_table_close(t);
}

/* Codes with their dictionary, where the whole batch has them. */
static int see_codes(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    size_t *seen = ctx;
    (void)worker;
    (void)err;
    for (size_t c = 0; c < b->n_columns; c++)
        if (b->columns[c].codes) {
            check(!b->columns[c].texts && b->columns[c].n_dictionary > 0);
            ++*seen;
        }
    return 0;
}

static void gives_codes(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_table_opts o = {.threads = 1};
    const char *path = GOLDEN "/long.v2.parquet";
    struct mlo_table *t = NULL;
    struct mlo_scan_result st;
    size_t seen = 0;
    check_ok(mlo_table_open(&path, 1, &o, &t, &err), &err);
    check_ok(mlo_table_scan(t, see_codes, &seen, &st, &err), &err);
    check_int(seen, 2);
    check_int(st.rows, 2500);
    mlo_table_close(t);
}

/* ---- looking ahead ---- */

struct seen {
    uint64_t first_row;
    size_t batches, rows;
};

static int see_rows(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    struct seen *seen = ctx;
    (void)worker;
    (void)err;
    seen->first_row = b->first_row;
    seen->batches++;
    seen->rows += b->n_rows;
    for (size_t r = 0; r < b->n_rows; r++) /* column i holds the row's number */
        if (b->columns[0].numbers[r] != (double)(b->first_row + r))
            return mlo_fail(err, MLO_EINVALID, "row %zu", r);
    return 0;
}

static void looks_ahead_and_reads_it_again(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_table_opts o = {.threads = 1};
    const char *path = GOLDEN "/long.v1.parquet";
    struct mlo_table *t = NULL;
    struct mlo_scan_result st;
    struct seen ahead = {0}, all = {0};
    bool given = false;
    check_ok(mlo_table_open(&path, 1, &o, &t, &err), &err);
    check_ok(mlo_table_sample(t, 1, see_rows, &ahead, &given, &err), &err);
    check(given && ahead.batches == 1 && ahead.rows == 640 && ahead.first_row == (2500 - 640) / 2);
    ahead = (struct seen){0};
    check_ok(mlo_table_sample(t, 64, see_rows, &ahead, &given, &err), &err);
    check(!given && ahead.batches == 0, "all of it would be too little");
    check_ok(mlo_table_scan(t, see_rows, &all, &st, &err), &err);
    check_int(all.rows, 2500);
    check_int(st.rows, 2500);
    mlo_table_close(t);
}

/* ---- by columns ---- */

#define BAGS 64
struct bags { /* cells of each column, whatever their order */
    const struct mlo_table_column *columns;
    pthread_mutex_t lock;
    uint64_t cells[BAGS], sum[BAGS];
};

static int put_in_bag(void *ctx, unsigned worker, const struct mlo_column_cells *c, struct mlo_err *err)
{
    struct bags *b = ctx;
    uint64_t sum = 0, n = 0;
    (void)worker;
    for (size_t i = 0; i < c->n; i++) {
        uint64_t times = c->times ? c->times[i] : 1, hash = 0xcbf29ce484222325;
        MLO_AUTOSTR struct mlo_str text;
        mlo_str_init(&text, MLO_STR_MAX);
        dump_cell(&text, b->columns[c->column].type, &c->cells, i);
        for (size_t k = 0; k < text.len; k++)
            hash = (hash ^ (unsigned char)text.ptr[k]) * 0x100000001b3;
        sum += times * hash;
        n += times;
        if (mlo_str_check(&text, err) != 0)
            return err->code;
    }
    pthread_mutex_lock(&b->lock);
    b->sum[c->column] += sum;
    b->cells[c->column] += n;
    pthread_mutex_unlock(&b->lock);
    return 0;
}

static int put_rows(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->n_columns; i++) {
        const struct mlo_column_cells c = {.column = i, .n = b->n_rows, .cells = b->columns[i]};
        rc = put_in_bag(ctx, worker, &c, err);
    }
    return rc;
}

static int scan_columns(struct mlo_table *t, struct bags *b, struct mlo_scan_result *st, struct mlo_err *err)
{
    const struct mlo_column_reader r = {.fn = put_in_bag, .ctx = b};
    bool given = false;
    int rc = mlo_table_scan_columns(t, &r, &given, st, err);
    check(rc != 0 || given);
    return rc;
}

static int fill_bags(const char *path, const struct mlo_table_opts *o, bool by_column, struct bags *ret,
                     struct mlo_scan_result *st, struct mlo_err *err)
{
    struct mlo_table *t = NULL;
    size_t n = 0;
    int rc = mlo_table_open(&path, 1, o, &t, err);
    *ret = (struct bags){.lock = PTHREAD_MUTEX_INITIALIZER};
    if (rc == 0) {
        ret->columns = mlo_table_columns(t, &n);
        rc = n > BAGS    ? MLO_EINTERNAL
             : by_column ? scan_columns(t, ret, st, err)
                         : mlo_table_scan(t, put_rows, ret, st, err);
    }
    mlo_table_close(t);
    return rc;
}

static void has_the_same_cells_by_column(const char *path)
{
    static char coded[] = "i32_c_r", numbers[] = "d_c_r", words[] = "s", whole[] = "i";
    const struct mlo_table_column texts[] = {{.name = coded, .type = MLO_COLUMN_TEXT},
                                             {.name = numbers, .type = MLO_COLUMN_TEXT},
                                             {.name = words, .type = MLO_COLUMN_NUMBER},
                                             {.name = whole, .type = MLO_COLUMN_TEXT}};
    for (unsigned threads = 1; threads <= 9; threads += 2) {
        struct mlo_table_opts o = {
            .threads = threads, .types = texts, .n_types = threads == 3 ? MLO_COUNT(texts) : 0};
        struct mlo_err err = MLO_ERR_INIT;
        struct bags want, got;
        struct mlo_scan_result rows, cells;
        check_ok(fill_bags(path, &o, false, &want, &rows, &err), &err);
        check_ok(fill_bags(path, &o, true, &got, &cells, &err), &err);
        check(memcmp(want.cells, got.cells, sizeof got.cells) == 0 &&
                  memcmp(want.sum, got.sum, sizeof got.sum) == 0,
              "%s by column, %u threads", path, threads);
        check_int(cells.rows, rows.rows);
    }
}

static void gives_the_same_by_columns(void)
{
    check(each_file(GOLDEN, has_the_same_cells_by_column) > 40);
}

static void is_refused_by_column(const char *path)
{
    struct mlo_table_opts o = {.threads = 1};
    struct mlo_err rows = MLO_ERR_INIT, columns = MLO_ERR_INIT;
    struct bags ignored;
    struct mlo_scan_result st;
    int rc = fill_bags(path, &o, false, &ignored, &st, &rows);
    check_int(fill_bags(path, &o, true, &ignored, &st, &columns), rc);
    check(rc != 0 && strcmp(rows.msg, columns.msg) == 0, "%s:\n%s\n%s", path, rows.msg, columns.msg);
}

static void refuses_the_same_by_columns(void)
{
    check(each_file(GOLDEN "/bad", is_refused_by_column) > 20);
    check(each_file(GOLDEN "/refused", is_refused_by_column) > 4);
}

/* What is looked at ahead, and then all of it. */
struct twice {
    struct bags ahead, all;
    bool begun[BAGS];
};

static int put_ahead(void *ctx, unsigned worker, const struct mlo_column_cells *c, struct mlo_err *err)
{
    struct twice *t = ctx;
    check(!t->begun[c->column]);
    return put_in_bag(&t->ahead, worker, c, err);
}

static int begin_bag(void *ctx, size_t column, struct mlo_err *err)
{
    struct twice *t = ctx;
    (void)err;
    check(!t->begun[column]);
    t->begun[column] = true;
    return 0;
}

static int put_all(void *ctx, unsigned worker, const struct mlo_column_cells *c, struct mlo_err *err)
{
    struct twice *t = ctx;
    check(t->begun[c->column]);
    return put_in_bag(&t->all, worker, c, err);
}

/* The same places whether rows are read, one file, or more. */
static void looks_ahead_by_columns(void)
{
    const char *paths[] = {GOLDEN "/long.v1.parquet", GOLDEN "/long.v2.parquet"};
    for (size_t files = 1; files <= 2; files++)
        for (unsigned threads = 1; threads <= 9; threads += 4) {
            struct mlo_err err = MLO_ERR_INIT;
            struct mlo_table_opts o = {.threads = threads};
            struct mlo_table *t = NULL;
            struct bags rows = {.lock = PTHREAD_MUTEX_INITIALIZER};
            struct twice got = {.ahead = rows, .all = rows};
            struct mlo_column_reader r = {files, put_ahead, begin_bag, put_all, &got};
            struct mlo_scan_result st;
            bool given = false;
            size_t n = 0;
            check_ok(mlo_table_open(paths, files, &o, &t, &err), &err);
            rows.columns = got.ahead.columns = got.all.columns = mlo_table_columns(t, &n);
            check_ok(mlo_table_sample(t, files, put_rows, &rows, &given, &err), &err);
            check(given);
            r.parts = 64;
            check_ok(mlo_table_scan_columns(t, &r, &given, &st, &err), &err);
            check(!given && got.ahead.cells[0] == 0, "too short for as many places");
            r.parts = files;
            check_ok(mlo_table_scan_columns(t, &r, &given, &st, &err), &err);
            check(given && st.rows == 2500 * files && got.all.cells[n - 1] == 2500 * files);
            check(got.ahead.cells[0] == 640 * files && memcmp(rows.sum, got.ahead.sum, sizeof rows.sum) == 0);
            mlo_table_close(t);
        }
}

static void bounds_what_it_decompresses(void)
{
    struct mlo_table_opts o = {.threads = 1, .max_bytes = 9000};
    char *got = outcome(GOLDEN "/long.v1.parquet", &o);
    check(strstr(got, "error -4") && strstr(got, "holds more than 9000 bytes"), "%s", got);
    free(got);
    struct mlo_err err = MLO_ERR_INIT;
    struct bags ignored;
    struct mlo_scan_result st;
    check_int(fill_bags(GOLDEN "/long.v1.parquet", &o, true, &ignored, &st, &err), MLO_EINVALID);
    check(strstr(err.msg, "holds more than 9000 bytes"), "%s", err.msg);
    o.max_bytes = 5000;
    got = outcome(GOLDEN "/long.v1.parquet", &o);
    check(strstr(got, "error -4") && strstr(got, "says that it has 2500 rows"), "%s", got);
    free(got);
}

static void reads_by_content_and_through_gzip(void)
{
    size_t n = 0;
    char *whole = slurp(GOLDEN "/lz4.raw.parquet", &n);
    struct mlo_table_opts o = {0};
    char *got = outcome(write_bytes("no-name", whole, n), &o), *want = outcome(GOLDEN "/lz4.raw.parquet", &o);
    check_str(got, want);
    free(got);
    got = outcome(write_bytes("text.parquet", BYTES("a,b\n1,2\n")), &o);
    check(strstr(got, "error -4") && strstr(got, "too short"), "%s", got);
    free(got);
    free(want);
    free(whole);
}

/* ---- memory ---- */

static int read_everything(const char *path)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_table_opts o = {.threads = 1};
    struct mlo_str out;
    mlo_str_init(&out, MLO_STR_MAX);
    int rc = dump_table(&path, 1, &o, &out, NULL, &err);
    mlo_str_release(&out);
    return rc;
}

static int read_nested(void)
{
    return read_everything(GOLDEN "/nested.v1.parquet");
}

static int read_wide(void)
{
    return read_everything(GOLDEN "/wide.delta.parquet");
}

static int read_far(void)
{
    return read_everything(GOLDEN "/far.int96-dictionary.parquet");
}

static int read_columns(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_table_opts o = {.threads = 1};
    struct mlo_scan_result st;
    struct bags ignored;
    return fill_bags(GOLDEN "/fallback.pages.parquet", &o, true, &ignored, &st, &err);
}

static void survives_failing_memory(void)
{
    check(each_alloc_failure(read_columns) > 20);
    check(each_alloc_failure(read_nested) > 30);
    check(each_alloc_failure(read_wide) > 20);
    check(each_alloc_failure(read_far) > 20);
}

int main(void)
{
    run(reads_what_writers_write);
    run(refuses_damage);
    run(names_what_is_refused);
    run(survives_flipped_bytes);
    run(refuses_every_beginning);
    run(as_other_types);
    run(selects_columns);
    run(says_what_is_left_out);
    run(gives_codes);
    run(looks_ahead_and_reads_it_again);
    run(gives_the_same_by_columns);
    run(refuses_the_same_by_columns);
    run(looks_ahead_by_columns);
    run(bounds_what_it_decompresses);
    run(reads_by_content_and_through_gzip);
    run(survives_failing_memory);
    return done_testing();
}
