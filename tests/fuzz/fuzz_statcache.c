/*
 * Any bytes as the stat cache's file: refused or read, never a crash; what was read can be asked. Each input
 * is tried as it is, and once more with its checksum put right, so that the records behind it are reached.
 */
#include <string.h>
#include <sys/stat.h>

#include "../../src/store/internal.h"

#define DIGEST_AT 24 /* in the header: magic, record size, count, digest of what follows */
#define BODY_AT   (DIGEST_AT + MLO_DIGEST_SIZE)
#define PROBES    64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_file(const uint8_t *data, size_t size)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_stat_cache *c;
    struct mlo_digest d;
    if (mlo_stat_cache_new("/nonexistent", &c, &err) < 0)
        return;
    if (mlo_stat_cache_parse(c, data, size, &err) < 0 && err.code != MLO_EINVALID)
        __builtin_trap();
    for (size_t at = BODY_AT; at + 48 <= size && at < BODY_AT + PROBES * 80; at += 80) {
        struct stat st = {0};
        uint64_t field[5];
        memcpy(field, data + at, sizeof field);
        st.st_dev = field[0];
        st.st_ino = field[1];
        st.st_size = (off_t)field[2];
        st.st_mtim.tv_nsec = (long)field[3];
        st.st_ctim.tv_nsec = (long)field[4];
        (void)mlo_stat_cache_get(c, &st, &d);
    }
    if (mlo_stat_cache_close(c, false, &err) < 0)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mlo_err err = MLO_ERR_INIT;
    try_file(data, size);
    if (size < BODY_AT)
        return 0;
    uint8_t *fixed = malloc(size);
    struct mlo_digest d;
    if (fixed && mlo_sha256(data + BODY_AT, size - BODY_AT, &d, &err) == 0) {
        memcpy(fixed, data, size);
        memcpy(fixed + DIGEST_AT, &d, sizeof d);
        try_file(fixed, size);
    }
    free(fixed);
    return 0;
}
