/* Reads a table as fast as it goes: rows, bytes, the sum of every number column's values; for the benchmarks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/base/mem.h>
#include <mlopsctl/base/time.h>
#include <mlopsctl/table.h>

#define WORKERS_MAX 64
static double sums[WORKERS_MAX];
static uint64_t cells[WORKERS_MAX][4];

static int add(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    (void)ctx;
    (void)err;
    for (size_t c = 0; c < b->n_columns; c++) {
        const struct mlo_batch_column *column = &b->columns[c];
        for (size_t r = 0; r < b->n_rows; r++)
            cells[worker][column->cell ? column->cell[r] : MLO_CELL_OK]++;
        for (size_t r = 0; column->numbers && r < b->n_rows; r++)
            sums[worker] += column->numbers[r];
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_table_opts o = {.threads = argc > 2 ? (unsigned)atoi(argv[2]) : 1};
    struct mlo_table *t = NULL;
    struct mlo_scan_result st = {0};
    const char *path = argv[1];
    int64_t start = mlo_time_mono();
    int rc = argc > 1 && o.threads <= WORKERS_MAX ? mlo_table_open(&path, 1, &o, &t, &err) : MLO_EUSAGE;
    if (rc == 0)
        rc = mlo_table_scan(t, add, NULL, &st, &err);
    double seconds = (double)(mlo_time_mono() - start) / 1e9, sum = 0;
    uint64_t states[4] = {0};
    for (unsigned w = 0; w < WORKERS_MAX; w++) {
        sum += sums[w];
        for (int i = 0; i < 4; i++)
            states[i] += cells[w][i];
    }
    size_t n = 0;
    const struct mlo_table_column *columns = rc == 0 ? mlo_table_columns(t, &n) : NULL;
    for (size_t i = 0; i < n; i++)
        printf("%s%s:%d", i ? " " : "", columns[i].name, columns[i].type);
    printf("\nrows %llu ragged %llu ok %llu missing %llu nan %llu bad %llu sum %.17g\n%.3f s, %.2f GB/s\n",
           (unsigned long long)st.rows, (unsigned long long)st.ragged, (unsigned long long)states[0],
           (unsigned long long)states[1], (unsigned long long)states[2], (unsigned long long)states[3], sum,
           seconds, (double)st.bytes / 1e9 / seconds);
    if (rc != 0)
        fprintf(stderr, "%s\n", err.msg);
    mlo_table_close(t);
    return -rc;
}
