/*
 * Times a model on random rows of floats, one row and a batch:
 *
 *     infer-bench MODEL COLUMNS ROWS [THREADS]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <mlopsctl/infer.h>

#define SECONDS 1.0 /* of each measurement */

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Of one run of `n` rows, the best of many short rounds: what else the machine does disturbs some of them. */
static int time_rows(struct mlo_session *s, float *x, int64_t n, int64_t columns, double *ret,
                     struct mlo_err *err)
{
    const struct mlo_value *out;
    size_t runs = n == 1 ? 1000 : 1;
    double end = seconds() + SECONDS;
    struct mlo_value in = {
        .kind = MLO_KIND_ARRAY,
        .array = {
            .dtype = MLO_DT_F32, .rank = 2, .dims = {n, columns}, .n = (size_t)(n * columns), .data = x}};
    int rc = 0;
    *ret = 1e9;
    while (rc == 0 && seconds() < end) {
        double start = seconds();
        for (size_t i = 0; rc == 0 && i < runs; i++) {
            in.array.data = n == 1 ? x + (i % 4096) * (size_t)columns : x;
            rc = mlo_session_run(s, &in, 1, &out, err);
        }
        double took = (seconds() - start) / (double)runs;
        *ret = took < *ret ? took : *ret;
    }
    return rc;
}

int main(int argc, char **argv)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_plan *p = NULL;
    struct mlo_session *s = NULL;
    if (argc < 4 || argc > 5)
        return 2;
    int64_t columns = atoll(argv[2]), rows = atoll(argv[3]), most = rows > 4096 ? rows : 4096;
    double start = seconds(), one, many;
    float *x = malloc(sizeof *x * (size_t)(most * columns));
    int rc = x ? mlo_plan_open(argv[1], NULL, &p, &err) : mlo_fail_nomem(&err);
    double load = seconds() - start;
    srand(1);
    for (int64_t i = 0; x && i < most * columns; i++)
        x[i] = (float)rand() / (float)RAND_MAX;
    if (rc == 0)
        rc = mlo_session_new(p, &s, &err);
    if (rc == 0 && argc > 4)
        rc = mlo_session_threads(s, (unsigned)atoi(argv[4]), &err);
    if (rc == 0)
        rc = time_rows(s, x, 1, columns, &one, &err);
    if (rc == 0)
        rc = time_rows(s, x, rows, columns, &many, &err);
    if (rc == 0)
        printf("load %.2f ms, one row %.3f us, %" PRId64 " rows %.3f us a row\n", 1e3 * load, 1e6 * one, rows,
               1e6 * many / (double)rows);
    else
        fprintf(stderr, "infer-bench: %s\n", err.msg);
    mlo_session_free(s);
    mlo_plan_free(p);
    free(x);
    return rc != 0;
}
