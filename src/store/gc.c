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

#include <mlopsctl/base/time.h>

#define STALE_NS (24 * 3600 * MLO_NS_PER_S)

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

/* Old enough that no living process can still be writing it: names and caches are written without the store's
 * lock. */
static int sweep_temporary(void *ctx, int dirfd, const char *name, struct mlo_err *err)
{
    struct stat st;
    if (strncmp(name, MLO_TMP_PREFIX, strlen(MLO_TMP_PREFIX)) != 0)
        return 0;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return 0;
    if (st.st_mtim.tv_sec > (mlo_time_now() - STALE_NS) / MLO_NS_PER_S)
        return 0;
    return remove_file(ctx, dirfd, name, err);
}

/* The cache's own temporaries, and those of its kinds one folder below. */
static int sweep_cache(void *ctx, int dirfd, const char *name, struct mlo_err *err)
{
    struct stat st;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
        return mlo_store_scan(dirfd, name, sweep_temporary, ctx, err);
    return sweep_temporary(ctx, dirfd, name, err);
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

static int sweep_optional(struct sweep *w, const char *path,
                          int (*fn)(void *ctx, int dirfd, const char *name, struct mlo_err *err),
                          struct mlo_err *err)
{
    int rc = mlo_store_scan(w->store->root_fd, path, fn, w, err);
    return rc == MLO_ENOTFOUND ? 0 : rc;
}

int mlo_store_gc(struct mlo_store *s, const struct mlo_digest_set *live, bool dry_run,
                 struct mlo_gc_stats *ret, struct mlo_err *err)
{
    struct sweep w = {.store = s, .live = live, .dry_run = dry_run};
    if (!dry_run && s->lock != MLO_STORE_EXCLUSIVE)
        return mlo_fail(err, MLO_EINTERNAL, "gc without the exclusive lock of the store");
    int rc = mlo_store_each(s, sweep_blob, &w, err);
    if (rc == 0)
        rc = sweep_optional(&w, ".", sweep_temporary, err);
    if (rc == 0)
        rc = sweep_optional(&w, "../cache", sweep_cache, err);
    if (rc == 0)
        rc = sweep_optional(&w, MLO_DAMAGED_PATH, sweep_damaged, err);
    if (rc == 0 && !dry_run)
        rc = mlo_fsync(s->blobs_fd, "blob folder", err);
    if (rc == 0)
        *ret = w.stats;
    return rc;
}
