/*
 * The store: immutable blobs named by SHA-256, in an OCI image layout.
 *
 *   <home>/store/oci-layout, index.json (derived from names, never read back), blobs/sha256/<hex> (0444)
 *   <home>/store/partial/<hex>   blobs that a pull has begun
 *   <home>/store.lock      flock: shared while blobs are added and until they are named, exclusive for gc
 *   <home>/cache/          stat cache and other things that may be deleted at any time
 *
 * A blob gets its name by temporary -> fsync -> rename -> fsync of the folder, and is checked against its
 * digest on every read through this interface.
 */
#ifndef MLOPSCTL_STORE_H
#define MLOPSCTL_STORE_H

#include <mlopsctl/base/hash.h>
#include <mlopsctl/base/io.h>

struct mlo_store;

/* create: make what is missing; else MLO_ENOTFOUND when there is no store. */
int mlo_store_open(const char *home, bool create, struct mlo_store **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_store_close(struct mlo_store *s);
/* Folder for temporaries of this process (a run's folder, same file system); borrowed. Needed before the
 * first write. */
void mlo_store_set_tmp(struct mlo_store *s, const char *folder);
/* That folder, for what else the run has to put down; NULL before it was set. */
const char *mlo_store_tmp(const struct mlo_store *s);

/* Shared for adding, exclusive for gc. Held until unlock or close; a second call changes the kind, giving the
 * first up meanwhile. wait_ms as in mlo_lock_fd. */
int mlo_store_lock(struct mlo_store *s, bool exclusive, int wait_ms, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_store_unlock(struct mlo_store *s);

/*
 * Between begin and commit the blob folder is not synced after each new blob but once at the end. Commit
 * before any ledger name moves; it also covers blobs found already there, which another process may not have
 * synced yet.
 */
void mlo_store_begin_batch(struct mlo_store *s);
int mlo_store_commit_batch(struct mlo_store *s, struct mlo_err *err) MLO_MUST_CHECK;

/* Bytes of blobs that this process has added since it opened the store; what was there already does not
 * count. */
uint64_t mlo_store_added(const struct mlo_store *s);

/* A file of that name is there; its content is not looked at. ret_size may be NULL. */
bool mlo_store_has(struct mlo_store *s, const struct mlo_digest *d, uint64_t *ret_size);
/* Open for reading without checking the content (the caller hashes what it reads). ret_size may be NULL. */
int mlo_store_open_blob(struct mlo_store *s, const struct mlo_digest *d, int *ret_fd, uint64_t *ret_size,
                        struct mlo_err *err) MLO_MUST_CHECK;
/* Whole small blob, verified, NUL added; at most max bytes. Owner: the caller. */
int mlo_store_read(struct mlo_store *s, const struct mlo_digest *d, size_t max, char **ret, size_t *ret_len,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* Reads and hashes the blob: MLO_EINVALID when the bytes are not the name, MLO_ENOTFOUND when missing. */
int mlo_store_verify_blob(struct mlo_store *s, const struct mlo_digest *d,
                          struct mlo_err *err) MLO_MUST_CHECK;

/* Add bytes; already there is a normal answer (decided by name and size; a file of another size is damage and
 * is replaced). */
int mlo_store_put(struct mlo_store *s, const void *data, size_t n, struct mlo_digest *ret,
                  struct mlo_err *err) MLO_MUST_CHECK;

/* Add a stream whose digest may be known (`expect` not NULL: a differing digest is MLO_EINVALID and nothing
 * is added). */
struct mlo_blob_writer;
int mlo_blob_begin(struct mlo_store *s, struct mlo_blob_writer **ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_blob_write(struct mlo_blob_writer *w, const void *data, size_t n, struct mlo_err *err) MLO_MUST_CHECK;
/* w is freed whatever happens. ret and ret_size may be NULL. */
int mlo_blob_commit(struct mlo_blob_writer *w, const struct mlo_digest *expect, struct mlo_digest *ret,
                    uint64_t *ret_size, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_blob_abort(struct mlo_blob_writer *w);

/*
 * Add a blob of known digest whose bytes come in any order, and outlive a run that is killed:
 * <home>/store/partial/<hex>, until gc finds it idle for MLO_PARTIAL_KEEP_S. The caller writes through the
 * descriptor, hashes the whole, and only then commits: nothing here looks at the bytes.
 */
#define MLO_PARTIAL_KEEP_S (7 * 24 * 3600)
struct mlo_partial;
/* A file of `size` bytes; MLO_EIO at once when there is no room for it. Beside another process that works on
 * the same blob it is one of this run's own. */
int mlo_partial_begin(struct mlo_store *s, const struct mlo_digest *d, uint64_t size,
                      struct mlo_partial **ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_partial_fd(const struct mlo_partial *p); /* borrowed; to read and write at offsets */
/* An earlier run may have written some of it: believe what hashes right. */
bool mlo_partial_resumed(const struct mlo_partial *p);
/* Durable, then under its name. p is freed whatever happens. */
int mlo_partial_commit(struct mlo_partial *p, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_partial_keep(struct mlo_partial *p);    /* frees p; the file waits for the next run */
void mlo_partial_discard(struct mlo_partial *p); /* frees p and removes the file */

/*
 * Take a whole file into the store with one read: the file digest and the digests of `n` byte ranges
 * (tensors) are computed side by side on `threads` threads while the bytes are written (or reflinked). Memory
 * is bounded whatever the size. The file is read exactly once, from offset 0 to size; a file that changes
 * under the hand (size or times at the end) is MLO_ECONFLICT.
 */
struct mlo_range {
    uint64_t offset, length;
    struct mlo_digest digest; /* out */
};
struct mlo_ingest {
    int fd;            /* borrowed, regular file */
    const char *label; /* for messages */
    unsigned threads;  /* 1: all in the caller's thread; more: two hash at most, others read and write */
    struct mlo_range
        *ranges; /* sorted by offset, not overlapping, within the file (else MLO_EINVALID); may be empty */
    size_t n_ranges;
    void (*progress)(void *ctx, uint64_t done, uint64_t total); /* called in the caller's thread */
    void *progress_ctx;
    /* Hears every byte in order as it was read, with threads on one of its own; NULL: nobody. */
    int (*also)(void *ctx, const void *p, size_t n, struct mlo_err *err);
    void *also_ctx;
    bool dry_run; /* hash only */
};
int mlo_store_ingest(struct mlo_store *s, const struct mlo_ingest *in, struct mlo_digest *ret,
                     uint64_t *ret_size, struct mlo_err *err) MLO_MUST_CHECK;

/* Replace a damaged or missing blob by good bytes from a file (reflink or copy), digest checked. For verify
 * --repair. */
int mlo_store_repair(struct mlo_store *s, const struct mlo_digest *d, int good_fd,
                     struct mlo_err *err) MLO_MUST_CHECK;
/* Move a damaged blob out of the way (<home>/store/damaged/<hex>). */
int mlo_store_quarantine(struct mlo_store *s, const struct mlo_digest *d, struct mlo_err *err) MLO_MUST_CHECK;

/* Every blob in no order. Non-blob names in the folder are skipped. */
int mlo_store_each(struct mlo_store *s,
                   int (*fn)(void *ctx, const struct mlo_digest *d, uint64_t size, struct mlo_err *err),
                   void *ctx, struct mlo_err *err) MLO_MUST_CHECK;

/* removed: blobs; damaged copies without use and old temporaries go too, uncounted. */
struct mlo_gc_stats {
    uint64_t kept, kept_bytes, removed, removed_bytes;
};
/* Removes blobs not in `live`. Needs the exclusive lock unless dry_run. */
int mlo_store_gc(struct mlo_store *s, const struct mlo_digest_set *live, bool dry_run,
                 struct mlo_gc_stats *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* index.json from names: entries become descriptors with ref.name, sorted by it. A name twice, or outside the
 * grammar of the image layout: MLO_EINVALID. Atomic. */
struct mlo_index_entry {
    const char *ref;
    struct mlo_digest digest;
    uint64_t size;
    const char *artifact_type;
};
int mlo_store_write_index(struct mlo_store *s, const struct mlo_index_entry *e, size_t n,
                          struct mlo_err *err) MLO_MUST_CHECK;

/*
 * Stat cache: (device, inode, size, mtime, ctime) -> digest of the content. An entry counts only when the
 * file was already older than the entry by MLO_STAT_RACY_NS, so a change within the clock's grain is never
 * missed.
 */
#define MLO_STAT_RACY_NS INT64_C(2000000000) /* coarsest clock of a file system in use (FAT) */
struct mlo_stat_cache;
/* Open it before reading the files that will be put: only what was old enough at that moment is remembered.
 */
int mlo_stat_cache_open(const char *home, struct mlo_stat_cache **ret,
                        struct mlo_err *err) MLO_MUST_CHECK; /* damaged or absent: empty */
bool mlo_stat_cache_get(const struct mlo_stat_cache *c, const struct stat *st, struct mlo_digest *ret);
/* 0 too when the file is too young to be remembered. */
int mlo_stat_cache_put(struct mlo_stat_cache *c, const struct stat *st, const struct mlo_digest *d,
                       struct mlo_err *err) MLO_MUST_CHECK;
/* Written only when something was put, merged with what others wrote meanwhile. c is freed. */
int mlo_stat_cache_close(struct mlo_stat_cache *c, bool save, struct mlo_err *err) MLO_MUST_CHECK;

/* Small derived things by key (a digest of what they derive from): <home>/cache/<kind>/<hex>. Missing:
 * MLO_ENOTFOUND. */
int mlo_cache_get(const char *home, const char *kind, const struct mlo_digest *key, size_t max, char **ret,
                  size_t *ret_len, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_cache_put(const char *home, const char *kind, const struct mlo_digest *key, const void *data,
                  size_t n, struct mlo_err *err) MLO_MUST_CHECK;
/* What cannot be removed stays: it is a cache. */
void mlo_cache_remove(const char *home, const char *kind, const struct mlo_digest *key);

#endif
