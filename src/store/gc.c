/*
 * Garbage collection: remove what nobody points at. Nothing in the live set is touched, so a crash between
 * any two unlinks leaves a correct store with less garbage. The exclusive lock keeps out writers, whose new
 * blobs have no name yet.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

struct sweep {
    struct mlo_store *store;
    const struct mlo_digest_set *live;
    bool dry_run;
    struct mlo_gc_stats stats;
};

static int remove_file(const struct sweep *w, int dirfd, const char *name, struct mlo_err *err)
{
    if (w->dry_run || unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
        return 0;
    return mlo_fail_errno(err, "cannot remove blob file '%s'", name);
}

static int sweep_blob(void *ctx, const struct mlo_digest *d, uint64_t size, struct mlo_err *err)
{
    struct sweep *w = ctx;
    char hex[MLO_DIGEST_HEX + 1];
    if (mlo_digest_set_has(w->live, d)) {
        w->stats.kept++;
        w->stats.kept_bytes += size;
        return 0;
    }
    int rc = remove_file(w, w->store->blobs_fd, mlo_digest_hex(d, hex), err);
    if (rc < 0)
        return rc;
    w->stats.removed++;
    w->stats.removed_bytes += size;
    return 0;
}

/* Of the cache and of its kinds one folder below. */
static int sweep_cache(void *ctx, int dirfd, const char *name, struct mlo_err *err)
{
    (void)ctx, (void)err;
    MLO_AUTOCLOSE int kind = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (kind >= 0)
        mlo_tmp_sweep(kind);
    return 0;
}

/* A damaged copy is of use only while its blob is wanted and has no good replacement. */
static int sweep_damaged(void *ctx, int dirfd, const char *name, struct mlo_err *err)
{
    const struct sweep *w = ctx;
    struct mlo_err ignored = MLO_ERR_INIT;
    struct mlo_digest d;
    struct stat st;
    if (mlo_digest_from_hex(name, strlen(name), &d, &ignored) < 0)
        return 0;
    if (mlo_digest_set_has(w->live, &d) && !mlo_store_stat_blob(w->store, &d, &st))
        return 0;
    return remove_file(w, dirfd, name, err);
}

static int sweep_partial(void *ctx, int dirfd, const char *name, struct mlo_err *err)
{
    const struct sweep *w = ctx;
    return w->dry_run ? 0 : mlo_partial_sweep(w->store, dirfd, name, err);
}

static int sweep_optional(struct sweep *w, const char *path,
                          int (*fn)(void *ctx, int dirfd, const char *name, struct mlo_err *err),
                          struct mlo_err *err)
{
    int rc = mlo_store_scan(w->store->root_fd, path, fn, w, err);
    return rc == MLO_ENOTFOUND ? 0 : rc;
}

static int sweep_temporaries(struct sweep *w, struct mlo_err *err)
{
    MLO_AUTOCLOSE int cache = openat(w->store->root_fd, "../cache", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mlo_tmp_sweep(w->store->root_fd);
    if (cache >= 0)
        mlo_tmp_sweep(cache);
    return sweep_optional(w, "../cache", sweep_cache, err);
}

int mlo_store_gc(struct mlo_store *s, const struct mlo_digest_set *live, bool dry_run,
                 struct mlo_gc_stats *ret, struct mlo_err *err)
{
    struct sweep w = {.store = s, .live = live, .dry_run = dry_run};
    if (!dry_run && s->lock != MLO_STORE_EXCLUSIVE)
        return mlo_fail(err, MLO_EINTERNAL, "gc without the exclusive lock of the store");
    int rc = mlo_store_each(s, sweep_blob, &w, err);
    if (rc == 0 && !dry_run)
        rc = sweep_temporaries(&w, err);
    if (rc == 0)
        rc = sweep_optional(&w, MLO_DAMAGED_PATH, sweep_damaged, err);
    if (rc == 0)
        rc = sweep_optional(&w, MLO_PARTIAL_PATH, sweep_partial, err);
    if (rc == 0 && !dry_run)
        rc = mlo_fsync(s->blobs_fd, "blob folder", err);
    if (rc == 0)
        *ret = w.stats;
    return rc;
}
