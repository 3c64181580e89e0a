/* Shared by the files of this module only. */
#ifndef MLOPSCTL_STORE_INTERNAL_H
#define MLOPSCTL_STORE_INTERNAL_H

#include <stdatomic.h>

#include <mlopsctl/store.h>

#define MLO_BLOBS_PATH   "blobs/sha256"
#define MLO_DAMAGED_PATH "damaged"
#define MLO_PARTIAL_PATH "partial"

enum mlo_store_lock_state { MLO_STORE_UNLOCKED, MLO_STORE_SHARED, MLO_STORE_EXCLUSIVE };

struct mlo_store {
    char *home;
    const char *tmp; /* borrowed; NULL until set */
    int root_fd;     /* <home>/store */
    int blobs_fd;    /* <home>/store/blobs/sha256 */
    int lock_fd;     /* -1 until first locked */
    enum mlo_store_lock_state lock;
    atomic_bool batch;
    atomic_uint_fast64_t added; /* bytes of new blobs */
    atomic_bool unsynced;       /* the blob folder has entries that its own fsync has not covered yet */
};

/* A path, owned by the caller; NULL with err set when memory is gone or it is longer than MLO_PATH_MAX. */
char *mlo_store_path(struct mlo_err *err, const char *fmt, ...) MLO_PRINTF(2, 3) MLO_MUST_CHECK;
/* Regular file under the blob's name, whatever it holds. */
bool mlo_store_stat_blob(const struct mlo_store *s, const struct mlo_digest *d, struct stat *ret);
/* Make new entries of the blob folder durable: now, or at the end of the batch. */
int mlo_store_sync_names(struct mlo_store *s, struct mlo_err *err) MLO_MUST_CHECK;
/* fn for every entry of a folder but "." and ".."; a non-zero return stops and is returned. */
int mlo_store_scan(int dirfd, const char *path,
                   int (*fn)(void *ctx, int dirfd, const char *name, struct mlo_err *err), void *ctx,
                   struct mlo_err *err) MLO_MUST_CHECK;

/* A blob without a name yet: a file of this process in the store's temporary folder. */
struct mlo_blob_tmp {
    int fd;
    char *path; /* owned; NULL when there is no file */
};
#define MLO_BLOB_TMP_INIT ((struct mlo_blob_tmp){.fd = -1})
int mlo_blob_tmp_open(const struct mlo_store *s, struct mlo_blob_tmp *t, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_blob_tmp_discard(struct mlo_blob_tmp *t);
/*
 * Durable, then under its name. With `replace` the file takes the place of what is there; without, a file of
 * the right size that is already there stays. t is released whatever happens.
 */
int mlo_blob_tmp_publish(struct mlo_store *s, struct mlo_blob_tmp *t, const struct mlo_digest *d,
                         uint64_t size, bool replace, struct mlo_err *err) MLO_MUST_CHECK;

/* Removes an entry of the folder of partial blobs that nobody works on, when its blob is there or it has been
 * idle for MLO_PARTIAL_KEEP_S. */
int mlo_partial_sweep(struct mlo_store *s, int dirfd, const char *name, struct mlo_err *err) MLO_MUST_CHECK;

/* The body of ingest: with a temporary the bytes are also kept there, without they are only hashed. */
int mlo_ingest_run(const struct mlo_ingest *in, const struct mlo_blob_tmp *tmp, struct mlo_digest *ret,
                   uint64_t *ret_size, struct mlo_err *err) MLO_MUST_CHECK;

/* The stat cache's file, for tests and fuzzing: MLO_EINVALID and no change when it is not whole. */
int mlo_stat_cache_parse(struct mlo_stat_cache *c, const void *data, size_t n,
                         struct mlo_err *err) MLO_MUST_CHECK;
int mlo_stat_cache_new(const char *home, struct mlo_stat_cache **ret, struct mlo_err *err) MLO_MUST_CHECK;

#endif
