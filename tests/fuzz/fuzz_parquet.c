/* The Parquet reader on any bytes: every column of every row is read, by two threads, and then as text. */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mlopsctl/table.h>

static int look(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    static volatile size_t seen;
    (void)ctx;
    (void)worker;
    (void)err;
    for (size_t c = 0; c < b->n_columns; c++) {
        const struct mlo_batch_column *k = &b->columns[c];
        for (size_t r = 0; r < b->n_rows; r++) {
            enum mlo_cell cell = k->cell ? (enum mlo_cell)k->cell[r] : MLO_CELL_OK;
            bool text = cell == MLO_CELL_BAD ||
                        (cell == MLO_CELL_OK && (k->codes || !(k->numbers || k->times)));
            struct mlo_slice s = {0};
            if (text)
                s = cell == MLO_CELL_BAD ? k->texts[r] : mlo_batch_text(k, r);
            for (size_t i = 0; i < s.len; i++)
                seen += (unsigned char)s.ptr[i];
        }
    }
    (void)seen;
    return 0;
}

static int look_cells(void *ctx, unsigned worker, const struct mlo_column_cells *c, struct mlo_err *err)
{
    const struct mlo_batch b = {.n_rows = c->n, .n_columns = 1, .columns = &c->cells};
    return look(ctx, worker, &b, err);
}

static int begin(void *ctx, size_t column, struct mlo_err *err)
{
    (void)ctx;
    (void)column;
    (void)err;
    return 0;
}

static void read_table(const char *path, const struct mlo_table_opts *o, bool by_column)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_scan_result st;
    struct mlo_table *t = NULL;
    const struct mlo_column_reader cells = {
        .parts = 1, .ahead = look_cells, .begin = begin, .fn = look_cells};
    bool given;
    int rc = mlo_table_open(&path, 1, o, &t, &err);
    if (rc == 0)
        rc = by_column ? mlo_table_scan_columns(t, &cells, &given, &st, &err)
                       : mlo_table_scan(t, look, NULL, &st, &err);
    if (rc != 0 && err.code != MLO_EINVALID && err.code != MLO_EUNAVAIL && t)
        __builtin_trap();
    mlo_table_close(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    enum { COLUMNS = 4 };
    char path[64];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, n) != (ssize_t)n) {
        close(fd);
        return 0;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct mlo_table_opts o = {.format = "parquet", .threads = 1, .max_bytes = 1 << 20};
    read_table(path, &o, false);
    read_table(path, &o, true);
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_table *t = NULL;
    const char *one = path;
    if (mlo_table_open(&one, 1, &o, &t, &err) == 0) {
        struct mlo_table_column types[COLUMNS];
        const struct mlo_table_column *found = mlo_table_columns(t, &o.n_types);
        o.n_types = o.n_types < COLUMNS ? o.n_types : COLUMNS;
        for (size_t i = 0; i < o.n_types; i++)
            types[i] = (struct mlo_table_column){.name = found[i].name, .type = MLO_COLUMN_TEXT};
        o.types = types;
        o.threads = 2;
        read_table(path, &o, false);
        read_table(path, &o, true);
    }
    mlo_table_close(t);
    close(fd);
    return 0;
}
