/* Pieces from the remote into a file. The remote is believed to send neither enough nor as little as was
 * asked for; whether it sent the right bytes is seen by hashing what is in the file. */
#include "fetch.h"

#include <inttypes.h>
#include <string.h>

#include <mlopsctl/base/io.h>

struct wire {
    struct mlo_fetch *fetch;
    struct mlo_fetch_job *job;
    int fd;
    uint64_t at, end; /* in the blob */
};

void mlo_fetch_count(struct mlo_fetch *f, struct mlo_fetch_job *job, uint64_t end)
{
    uint64_t bytes = end - job->offset;
    pthread_mutex_lock(&f->lock);
    if (bytes > job->counted) {
        f->done += bytes - job->counted;
        job->counted = bytes;
        if (f->opts->progress)
            f->opts->progress(f->opts->progress_ctx, f->done, f->total);
    }
    pthread_mutex_unlock(&f->lock);
}

static int hear(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    struct wire *w = ctx;
    if (n > w->end - w->at)
        return mlo_fail(err, MLO_EREMOTE, "the remote sent more than was asked for");
    int rc = mlo_write_all_at(w->fd, p, n, w->at, err);
    if (rc != 0)
        return rc;
    w->at += n;
    if (w->job)
        mlo_fetch_count(w->fetch, w->job, w->at);
    return 0;
}

int mlo_wire_damaged(struct mlo_fetch *f, const struct mlo_piece *p, const char *how, struct mlo_err *err)
{
    char key[MLO_KEY_MAX];
    mlo_fail(err, MLO_EINVALID, "'%s' on %s is damaged at byte %" PRIu64 ": %s",
             mlo_piece_key(f->recipe, f->ref, p, key), f->remote->url, p->offset, how);
    return mlo_hint(err, MLO_SEND_AGAIN);
}

/* One request. What is wrong with the object (why: how) may be a matter of luck; a shorter body is, too. */
static int ask(struct wire *w, const struct mlo_piece *p, struct mlo_err *why, struct mlo_err *err)
{
    struct mlo_fetch *f = w->fetch;
    uint64_t from = w->at, want = w->end - w->at;
    char key[MLO_KEY_MAX];
    mlo_piece_key(f->recipe, f->ref, p, key);
    f->remote->requests++;
    mlo_fail(why, MLO_EINVALID, "it ends early");
    int rc = f->remote->t.get(f->remote->self, key, p->offset, want, want, hear, w, err);
    pthread_mutex_lock(&f->lock);
    f->stats->bytes_sent += w->at - from;
    pthread_mutex_unlock(&f->lock);
    if (rc == MLO_ENOTFOUND) {
        mlo_fail(err, MLO_EREMOTE, "'%s' is missing on %s", key, f->remote->url);
        return mlo_hint(err, MLO_SEND_AGAIN);
    }
    if (rc == MLO_EINVALID)
        *why = *err;
    return rc == 0 || rc == MLO_EINVALID ? 0 : mlo_wrap(err, "'%s'", key);
}

int mlo_wire_pieces(struct mlo_fetch *f, int fd, size_t first, size_t n, uint64_t offset,
                    struct mlo_fetch_job *job, struct mlo_err *err)
{
    struct wire w = {.fetch = f, .job = job, .fd = fd, .at = offset, .end = offset};
    const struct mlo_piece *p = &f->recipe->pieces[first];
    struct mlo_err why = MLO_ERR_INIT;
    for (size_t i = 0; i < n; i++)
        w.end += p[i].length;
    for (unsigned tries = 0; offset < w.end; tries++) {
        w.at = offset;
        int rc = tries < FETCH_TRIES ? ask(&w, p, &why, err) : mlo_wire_damaged(f, p, why.msg, err);
        if (rc != 0)
            return rc;
        for (; offset < w.end && offset + p->length <= w.at; p++) {
            offset += p->length;
            tries = 0;
        }
    }
    return 0;
}
