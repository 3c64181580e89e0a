/*
 * Any bytes as a table of one form: read whole, then again in blocks and on threads of other sizes. What is
 * read must be the same, and a refusal must be one that a reader of files may give.
 */
#ifndef TESTS_FUZZ_TABLE_FUZZ_H
#define TESTS_FUZZ_TABLE_FUZZ_H

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../unit/table_help.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static inline void must(bool ok)
{
    if (!ok)
        __builtin_trap();
}

static inline int fuzz_read(const char *path, const struct mlo_table_opts *o, struct mlo_str *out)
{
    struct mlo_err err = MLO_ERR_INIT;
    mlo_str_init(out, MLO_STR_MAX);
    int rc = dump_table(&path, 1, o, out, NULL, &err);
    if (rc != 0) {
        must(rc == err.code && err.msg[0]);
        mlo_str_clear(out);
        mlo_str_addf(out, "%s", err.msg);
    }
    return rc;
}

static inline int fuzz_table(const uint8_t *data, size_t n, const char *format)
{
    char path[64];
    struct mlo_str one, other;
    struct mlo_table_opts o = {.format = format, .threads = 1, .max_bytes = (uint64_t)1 << 22};
    int fd = memfd_create("table", 0);
    if (fd < 0 || write(fd, data, n) != (ssize_t)n)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int rc = fuzz_read(path, &o, &one);
    must(rc == 0 || rc == MLO_EINVALID || rc == MLO_EUNAVAIL);
    o.block_bytes = 1 + n % 61;
    o.threads = 1 + n % 2;
    must((fuzz_read(path, &o, &other) == 0) ==
         (rc == 0)); /* of several faults threads may meet another first */
    must(rc != 0 || strcmp(one.ptr, other.ptr) == 0);
    mlo_str_release(&one);
    mlo_str_release(&other);
    close(fd);
    return 0;
}

#endif
