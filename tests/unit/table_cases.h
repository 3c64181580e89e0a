/* Tables written by unit tests, read back and compared (table_help.h). */
#ifndef TESTS_UNIT_TABLE_CASES_H
#define TESTS_UNIT_TABLE_CASES_H

#include "table_help.h"
#include "tap.h"

#define BYTES(literal) literal, sizeof(literal) - 1

/* Path of a file in the scratch folder; good for four at a time. */
static inline const char *scratch(const char *name)
{
    static char paths[4][MLO_PATH_MAX];
    static unsigned at;
    char *p = paths[at++ % MLO_COUNT(paths)];
    snprintf(p, sizeof paths[0], "%s/%s", tap_tmpdir(), name);
    return p;
}

static inline const char *write_bytes(const char *name, const void *bytes, size_t n)
{
    const char *path = scratch(name);
    FILE *f = fopen(path, "w");
    check(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
    return path;
}

/* The file as text, or "error CODE: MESSAGE"; the caller frees it. */
static inline char *outcome(const char *path, const struct mlo_table_opts *opts)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_str out;
    mlo_str_init(&out, MLO_STR_MAX);
    int rc = dump_table(&path, 1, opts, &out, NULL, &err);
    if (rc != 0) {
        mlo_str_clear(&out);
        mlo_str_addf(&out, "error %d: %s", rc, err.msg);
    }
    return mlo_str_detach(&out, NULL);
}

static inline void reads_bytes(const char *name, const void *bytes, size_t n,
                               const struct mlo_table_opts *opts, const char *want)
{
    char *got = outcome(write_bytes(name, bytes, n), opts);
    check_str(got, want);
    free(got);
}

static inline void refuses_bytes(const char *name, const void *bytes, size_t n,
                                 const struct mlo_table_opts *opts, int code, const char *why)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_str out;
    const char *path = write_bytes(name, bytes, n);
    mlo_str_init(&out, MLO_STR_MAX);
    check_err(dump_table(&path, 1, opts, &out, NULL, &err), code, &err, why);
    mlo_str_release(&out);
}

/* The file reads the same with blocks of every size from 1 to `largest`, on one thread and on three. */
static inline void reads_the_same_in_any_blocks(const char *path, struct mlo_table_opts opts, size_t largest)
{
    opts.threads = 1;
    char *want = outcome(path, &opts);
    for (opts.block_bytes = 1; opts.block_bytes <= largest; opts.block_bytes++)
        for (opts.threads = 1; opts.threads <= 3; opts.threads += 2) {
            char *got = outcome(path, &opts);
            if (!check(strcmp(got, want) == 0, "blocks of %zu bytes, %u threads: %s", opts.block_bytes,
                       opts.threads, got)) {
                free(got);
                goto out;
            }
            free(got);
        }
out:
    free(want);
}

#endif
