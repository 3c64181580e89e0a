/*
 * One blob in the making. Its pieces are written at their offsets in whatever order they come; a hash follows
 * from the front as far as all is there, so in the ordinary case every byte is hashed once and the blob's own
 * digest decides. Only when that is wrong, the pieces are hashed one by one to find the bad ones, which are
 * then fetched again.
 */
#include "fetch.h"

#include <fcntl.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

int mlo_assembly_open(struct mlo_fetch *f, struct mlo_assembly *a, struct mlo_err *err)
{
    if (a->partial)
        return 0;
    int rc = a->hash.ctx ? 0 : mlo_sha256_new(&a->hash, err);
    return rc != 0 ? rc : mlo_partial_begin(f->store, &a->blob->digest, a->blob->size, &a->partial, err);
}

void mlo_assembly_release(struct mlo_assembly *a)
{
    mlo_sha256_free(&a->hash);
    mlo_partial_keep(a->partial);
    a->partial = NULL;
}

static int hash_on(struct mlo_sha256 *h, int fd, uint64_t offset, uint64_t length, char *buf,
                   struct mlo_err *err)
{
    int rc = 0;
    for (size_t n; rc == 0 && length > 0; offset += n, length -= n) {
        n = length < FETCH_IO_BYTES ? (size_t)length : FETCH_IO_BYTES;
        rc = mlo_read_exact_at(fd, buf, n, offset, err);
        if (rc == 0)
            rc = mlo_sha256_update(h, buf, n, err);
    }
    return rc;
}

int mlo_assembly_has(struct mlo_fetch *f, const struct mlo_assembly *a, const struct mlo_piece *p,
                     uint64_t offset, char *buf, bool *ret, struct mlo_err *err)
{
    int fd = mlo_partial_fd(a->partial);
    struct mlo_sha256 h = {0};
    struct mlo_digest got;
    (void)f;
    off_t hole = lseek(fd, (off_t)offset, SEEK_HOLE); /* what was never written is not worth hashing */
    if (hole >= 0 && (uint64_t)hole < offset + p->length)
        return 0;
    int rc = mlo_sha256_new(&h, err);
    if (rc == 0)
        rc = hash_on(&h, fd, offset, p->length, buf, err);
    if (rc == 0)
        rc = mlo_sha256_end(&h, &got, err);
    mlo_sha256_free(&h);
    if (rc == 0)
        *ret = mlo_digest_eq(&got, &p->digest);
    return rc;
}

/* ---- the end ---- */

static int mend_piece(struct mlo_fetch *f, struct mlo_assembly *a, size_t piece, uint64_t offset, char *buf,
                      struct mlo_err *err)
{
    const struct mlo_piece *p = &f->recipe->pieces[piece];
    for (unsigned tries = 0;; tries++) {
        bool good = false;
        int rc = mlo_assembly_has(f, a, p, offset, buf, &good, err);
        if (rc != 0 || good)
            return rc;
        rc = tries < FETCH_TRIES ? mlo_wire_pieces(f, mlo_partial_fd(a->partial), piece, 1, offset, NULL, err)
                                 : mlo_wire_damaged(f, p, "its bytes are not those of its digest", err);
        if (rc != 0)
            return rc;
    }
}

static int mend(struct mlo_fetch *f, struct mlo_assembly *a, char *buf, struct mlo_err *err)
{
    uint64_t offset = 0;
    int rc = 0;
    for (size_t i = a->blob->first; rc == 0 && i < a->blob->first + a->blob->n; i++) {
        rc = mend_piece(f, a, i, offset, buf, err);
        offset += f->recipe->pieces[i].length;
    }
    if (rc == 0)
        rc = mlo_sha256_begin(&a->hash, err);
    return rc != 0 ? rc : hash_on(&a->hash, mlo_partial_fd(a->partial), 0, a->blob->size, buf, err);
}

/* The name may be taken by a damaged file; it makes way only now that good bytes are at hand. */
static int give_name(struct mlo_fetch *f, struct mlo_assembly *a, struct mlo_err *err)
{
    if (f->replace && mlo_store_has(f->store, &a->blob->digest, NULL)) {
        int rc = mlo_store_quarantine(f->store, &a->blob->digest, err);
        if (rc != 0)
            return rc;
    }
    return mlo_partial_commit(mlo_steal(&a->partial), err);
}

static int finish(struct mlo_fetch *f, struct mlo_assembly *a, char *buf, struct mlo_err *err)
{
    const struct mlo_digest *want = &a->blob->digest;
    char text[MLO_DIGEST_TEXT];
    struct mlo_digest got;
    int rc = mlo_sha256_end(&a->hash, &got, err);
    if (rc == 0 && !mlo_digest_eq(&got, want)) {
        rc = mend(f, a, buf, err);
        if (rc == 0)
            rc = mlo_sha256_end(&a->hash, &got, err);
    }
    if (rc != 0)
        return rc;
    if (mlo_digest_eq(&got, want))
        return give_name(f, a, err);
    mlo_partial_discard(mlo_steal(&a->partial));
    return mlo_fail(err, MLO_EINVALID, "the recipe on %s is wrong: its chunks do not make %s", f->remote->url,
                    mlo_digest_text(want, text));
}

/* ---- following ---- */

static int hash_job(struct mlo_assembly *a, const struct mlo_fetch_job *job, char *buf, struct mlo_err *err)
{
    int fd = mlo_partial_fd(a->partial);
    (void)sync_file_range(fd, (off_t)job->offset, (off_t)job->bytes,
                          SYNC_FILE_RANGE_WRITE); /* start early; fsync decides */
    return hash_on(&a->hash, fd, job->offset, job->bytes, buf, err);
}

int mlo_assembly_follow(struct mlo_fetch *f, struct mlo_assembly *a, char *buf, struct mlo_err *err)
{
    const struct mlo_fetch_job *jobs = &f->jobs[a->first_job];
    int rc = 0;
    pthread_mutex_lock(&f->lock);
    if (a->hashing) { /* whoever hashes sees what has become done meanwhile */
        pthread_mutex_unlock(&f->lock);
        return 0;
    }
    a->hashing = true;
    while (rc == 0 && a->next < a->n_jobs && jobs[a->next].done) {
        pthread_mutex_unlock(&f->lock);
        rc = hash_job(a, &jobs[a->next], buf, err);
        pthread_mutex_lock(&f->lock);
        a->next++;
    }
    bool whole = rc == 0 && a->next == a->n_jobs;
    a->hashing = whole;
    pthread_mutex_unlock(&f->lock);
    return whole ? finish(f, a, buf, err) : rc;
}
