/*
 * Runs an encoder (ids, mask and types of int64 in; floats out) for a program that measures it beside others:
 *
 *     encoder-bench MODEL [THREADS]
 *
 * First line out: milliseconds to load, resident kB that this took. Then for each line in, "RUNS BATCH
 * SEQUENCE FILE" (FILE holds the three inputs one behind the other): nanoseconds of each run, without rows
 * that the mask takes away, and the last output in FILE.out.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mlopsctl/infer.h>

#define INPUTS 3

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static long resident_kb(void)
{
    char line[256];
    long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmRSS:", 6) == 0)
            kb = strtol(line + 6, NULL, 10);
    if (f)
        fclose(f);
    return kb;
}

static bool read_inputs(const char *path, int64_t *to, size_t n)
{
    FILE *f = fopen(path, "rb");
    bool good = f && fread(to, sizeof *to, n, f) == n;
    if (f)
        fclose(f);
    return good;
}

static bool write_output(const char *path, const struct mlo_array *a)
{
    char name[4200];
    snprintf(name, sizeof name, "%s.out", path);
    FILE *f = fopen(name, "wb");
    bool good = f && fwrite(a->data, sizeof(float), a->n, f) == a->n;
    return f && fclose(f) == 0 && good;
}

static int time_runs(struct mlo_session *s, size_t runs, int64_t batch, int64_t sequence, const char *path,
                     struct mlo_err *err)
{
    size_t n = (size_t)(batch * sequence);
    int64_t *ids = malloc(INPUTS * n * sizeof *ids);
    struct mlo_value in[INPUTS];
    const struct mlo_value *out = NULL;
    int rc = ids && read_inputs(path, ids, INPUTS * n) ? 0 : mlo_fail(err, MLO_EIO, "cannot read '%s'", path);
    for (size_t i = 0; i < INPUTS; i++)
        in[i] = (struct mlo_value){
            .kind = MLO_KIND_ARRAY,
            .array = {
                .dtype = MLO_DT_I64, .rank = 2, .dims = {batch, sequence}, .n = n, .data = ids + i * n}};
    for (size_t i = 0; rc == 0 && i < runs; i++) {
        double start = seconds();
        rc = mlo_session_run_unpadded(s, in, INPUTS, &out, err);
        printf("%.0f ", 1e9 * (seconds() - start));
    }
    if (rc == 0 && !write_output(path, &out->array))
        rc = mlo_fail(err, MLO_EIO, "cannot write '%s.out'", path);
    putchar('\n');
    fflush(stdout);
    free(ids);
    return rc;
}

int main(int argc, char **argv)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_plan *p = NULL;
    struct mlo_session *s = NULL;
    char line[4096], path[4096];
    size_t runs;
    int64_t batch, sequence;
    if (argc < 2 || argc > 3)
        return 2;
    long before = resident_kb();
    double start = seconds();
    int rc = mlo_plan_open(argv[1], NULL, &p, &err);
    if (rc == 0)
        rc = mlo_session_new(p, &s, &err);
    if (rc == 0 && argc > 2)
        rc = mlo_session_threads(s, (unsigned)atoi(argv[2]), &err);
    printf("%.1f %ld\n", 1e3 * (seconds() - start), resident_kb() - before);
    fflush(stdout);
    while (rc == 0 && fgets(line, sizeof line, stdin) &&
           sscanf(line, "%zu %" SCNd64 " %" SCNd64 " %4095s", &runs, &batch, &sequence, path) == 4)
        rc = time_runs(s, runs, batch, sequence, path, &err);
    if (rc != 0)
        fprintf(stderr, "encoder-bench: %s\n", err.msg);
    mlo_session_free(s);
    mlo_plan_free(p);
    return rc != 0;
}
