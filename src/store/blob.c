/*
 * Adding blobs. Bytes go to a temporary file in the run's folder, are made durable, and only then get their
 * name by one rename; the blob folder is synced after it (or once at the end of a batch, before any ledger
 * name can point here). So after a crash a blob is whole or absent, and a half-written temporary dies with
 * its run's folder.
 *
 * "Already there" is decided by name and size alone. A file of another size under the name is damage and is
 * replaced by the good bytes at hand; damage that keeps the size is found by the next read or verify, which
 * hash.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* ---- temporaries ---- */

int mlo_blob_tmp_open(const struct mlo_store *s, struct mlo_blob_tmp *t, struct mlo_err *err)
{
    static atomic_uint serial;
    if (!s->tmp)
        return mlo_fail(err, MLO_EINTERNAL, "store has no folder for temporaries");
    for (;;) {
        MLO_AUTOFREE char *path = mlo_store_path(err, "%s/" MLO_TMP_PREFIX "blob-%ld-%u", s->tmp,
                                                 (long)getpid(), serial++);
        if (!path)
            return err->code;
        t->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (t->fd >= 0) {
            t->path = mlo_steal(&path);
            return 0;
        }
        if (errno != EEXIST)
            return mlo_fail_errno(err, "cannot create '%s'", path);
    }
}

void mlo_blob_tmp_discard(struct mlo_blob_tmp *t)
{
    mlo_cleanup_close(&t->fd);
    if (t->path)
        unlink(t->path); /* a failure leaves a temporary for recovery to sweep */
    free(t->path);
    *t = MLO_BLOB_TMP_INIT;
}

static int give_name(struct mlo_store *s, struct mlo_blob_tmp *t, const struct mlo_digest *d,
                     struct mlo_err *err)
{
    char hex[MLO_DIGEST_HEX + 1];
    mlo_digest_hex(d, hex);
    if (fchmod(t->fd, 0444) < 0)
        return mlo_fail_errno(err, "cannot set the mode of blob sha256:%s", hex);
    int rc = mlo_fsync(t->fd, "blob", err);
    if (rc < 0)
        return mlo_wrap(err, "blob sha256:%s", hex);
    if (renameat(AT_FDCWD, t->path, s->blobs_fd, hex) < 0)
        return mlo_fail_errno(err, "cannot move blob sha256:%s into the store", hex);
    free(mlo_steal(&t->path));
    return 0;
}

int mlo_blob_tmp_publish(struct mlo_store *s, struct mlo_blob_tmp *t, const struct mlo_digest *d,
                         uint64_t size, bool replace, struct mlo_err *err)
{
    struct stat st;
    bool there = mlo_store_stat_blob(s, d, &st) && (uint64_t)st.st_size == size;
    int rc = there && !replace ? 0 : give_name(s, t, d, err);
    if (rc == 0 && !there)
        s->added += size;
    mlo_blob_tmp_discard(t);
    return rc < 0 ? rc : mlo_store_sync_names(s, err);
}

uint64_t mlo_store_added(const struct mlo_store *s)
{
    return s->added;
}

/* ---- streams ---- */

struct mlo_blob_writer {
    struct mlo_store *store;
    struct mlo_blob_tmp tmp;
    struct mlo_sha256 hash;
    uint64_t size;
};

int mlo_blob_begin(struct mlo_store *s, struct mlo_blob_writer **ret, struct mlo_err *err)
{
    struct mlo_blob_writer *w = mlo_calloc(1, sizeof *w, err);
    if (!w)
        return MLO_EIO;
    w->store = s;
    w->tmp = MLO_BLOB_TMP_INIT;
    int rc = mlo_sha256_new(&w->hash, err);
    if (rc == 0)
        rc = mlo_blob_tmp_open(s, &w->tmp, err);
    if (rc < 0) {
        mlo_blob_abort(w);
        return rc;
    }
    *ret = w;
    return 0;
}

int mlo_blob_write(struct mlo_blob_writer *w, const void *data, size_t n, struct mlo_err *err)
{
    int rc = mlo_sha256_update(&w->hash, data, n, err);
    if (rc == 0)
        rc = mlo_write_all(w->tmp.fd, data, n, err);
    if (rc == 0)
        w->size += n;
    return rc;
}

void mlo_blob_abort(struct mlo_blob_writer *w)
{
    if (!w)
        return;
    mlo_blob_tmp_discard(&w->tmp);
    mlo_sha256_free(&w->hash);
    free(w);
}

int mlo_blob_commit(struct mlo_blob_writer *w, const struct mlo_digest *expect, struct mlo_digest *ret,
                    uint64_t *ret_size, struct mlo_err *err)
{
    struct mlo_digest got;
    uint64_t size = w->size;
    int rc = mlo_sha256_end(&w->hash, &got, err);
    if (rc == 0 && expect && !mlo_digest_eq(expect, &got)) {
        char a[MLO_DIGEST_TEXT], b[MLO_DIGEST_TEXT];
        rc = mlo_fail(err, MLO_EINVALID, "expected blob %s but its bytes hash to %s",
                      mlo_digest_text(expect, a), mlo_digest_text(&got, b));
    }
    if (rc == 0)
        rc = mlo_blob_tmp_publish(w->store, &w->tmp, &got, size, false, err);
    mlo_blob_abort(w);
    if (rc < 0)
        return rc;
    if (ret)
        *ret = got;
    if (ret_size)
        *ret_size = size;
    return 0;
}

/* ---- whole blobs ---- */

int mlo_store_put(struct mlo_store *s, const void *data, size_t n, struct mlo_digest *ret,
                  struct mlo_err *err)
{
    struct mlo_digest d;
    struct stat st;
    int rc = mlo_sha256(data, n, &d, err);
    if (rc < 0)
        return rc;
    if (mlo_store_stat_blob(s, &d, &st) && (uint64_t)st.st_size == n) {
        rc = mlo_store_sync_names(s, err);
    } else {
        struct mlo_blob_tmp tmp = MLO_BLOB_TMP_INIT;
        rc = mlo_blob_tmp_open(s, &tmp, err);
        if (rc == 0)
            rc = mlo_write_all(tmp.fd, data, n, err);
        if (rc == 0)
            rc = mlo_blob_tmp_publish(s, &tmp, &d, n, false, err);
        else
            mlo_blob_tmp_discard(&tmp);
    }
    if (rc == 0)
        *ret = d;
    return rc;
}

int mlo_store_ingest(struct mlo_store *s, const struct mlo_ingest *in, struct mlo_digest *ret,
                     uint64_t *ret_size, struct mlo_err *err)
{
    if (in->dry_run)
        return mlo_ingest_run(in, NULL, ret, ret_size, err);
    struct mlo_blob_tmp tmp = MLO_BLOB_TMP_INIT;
    struct mlo_digest got;
    uint64_t size = 0;
    int rc = mlo_blob_tmp_open(s, &tmp, err);
    if (rc == 0)
        rc = mlo_ingest_run(in, &tmp, &got, &size, err);
    if (rc < 0) {
        mlo_blob_tmp_discard(&tmp);
        return rc;
    }
    rc = mlo_blob_tmp_publish(s, &tmp, &got, size, false, err);
    if (rc < 0)
        return rc;
    *ret = got;
    *ret_size = size;
    return 0;
}
