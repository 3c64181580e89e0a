/*
 * Blobs out of pieces. The pieces of all wanted blobs are grouped into jobs, each one read of neighbouring
 * bytes: from a pack, or from a blob that is here already. A window of jobs is fetched side by side into
 * memory, every piece is hashed there, then the jobs are written in order, so a blob is written front to back
 * and hashed as a whole once more before it gets its name.
 */
#include "internal.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/thread.h>

#define JOB_BYTES ((uint64_t)8 << 20) /* neighbours are joined up to this; one piece may be larger */

struct local { /* a piece's bytes inside a blob of the store */
    struct mlo_digest blob;
    uint64_t offset;
};

struct job {
    size_t first, n; /* pieces */
    size_t bytes;
    bool is_local, last; /* last: of its blob */
    const struct mlo_recipe_blob *blob;
    struct local from;
    char *data; /* while its window is worked on */
};

struct mlo_fetch {
    struct mlo_remote *remote;
    struct mlo_store *store;
    const struct mlo_recipe *recipe;
    const struct mlo_sync_opts *opts;
    struct mlo_sync_stats *stats;
    struct mlo_digest_map known; /* piece -> index into locals */
    struct local *locals;
    size_t n_locals, locals_cap;
    struct job *jobs;
    size_t n_jobs, jobs_cap;
    uint64_t done, total;
    pthread_mutex_t lock; /* stats */
};

int mlo_fetch_new(struct mlo_remote *r, struct mlo_store *s, const struct mlo_recipe *recipe,
                  const struct mlo_sync_opts *o, struct mlo_sync_stats *stats, struct mlo_fetch **ret,
                  struct mlo_err *err)
{
    struct mlo_fetch *f = mlo_calloc(1, sizeof *f, err);
    if (!f)
        return MLO_EIO;
    *f = (struct mlo_fetch){.remote = r,
                            .store = s,
                            .recipe = recipe,
                            .opts = o,
                            .stats = stats,
                            .lock = PTHREAD_MUTEX_INITIALIZER};
    *ret = f;
    return 0;
}

void mlo_fetch_free(struct mlo_fetch *f)
{
    if (!f)
        return;
    mlo_digest_map_release(&f->known);
    pthread_mutex_destroy(&f->lock);
    free(f->locals);
    free(f->jobs);
    free(f);
}

/* ---- what is here already ---- */

static int learn_blob(struct mlo_fetch *f, const struct mlo_recipe *known, const struct mlo_recipe_blob *b,
                      struct mlo_err *err)
{
    uint64_t offset = 0;
    for (size_t i = b->first; i < b->first + b->n; i++) {
        size_t at;
        int rc = mlo_grow(&f->locals, &f->locals_cap, f->n_locals + 1, sizeof *f->locals, err);
        if (rc == 0)
            rc = mlo_digest_map_add(&f->known, &known->pieces[i].digest, f->n_locals, &at, err);
        if (rc != 0)
            return rc;
        f->locals[f->n_locals] = (struct local){b->digest, offset};
        f->n_locals += at == f->n_locals;
        offset += known->pieces[i].length;
    }
    return 0;
}

int mlo_fetch_learn(struct mlo_fetch *f, const struct mlo_recipe *known, struct mlo_err *err)
{
    for (size_t i = 0; i < known->n_blobs; i++) {
        uint64_t size = 0;
        if (!mlo_store_has(f->store, &known->blobs[i].digest, &size) || size != known->blobs[i].size)
            continue;
        int rc = learn_blob(f, known, &known->blobs[i], err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* ---- jobs ---- */

/* Can the piece be read together with what the job reads already? */
static bool joins(const struct mlo_fetch *f, const struct job *job, const struct mlo_piece *p,
                  const struct local *from)
{
    if (job->bytes + (uint64_t)p->length > JOB_BYTES || job->is_local != (from != NULL))
        return false;
    if (from)
        return mlo_digest_eq(&job->from.blob, &from->blob) && job->from.offset + job->bytes == from->offset;
    const struct mlo_piece *first = &f->recipe->pieces[job->first];
    return first->pack == p->pack && (uint64_t)first->offset + job->bytes == p->offset;
}

static int plan_blob(struct mlo_fetch *f, const struct mlo_recipe_blob *b, struct mlo_err *err)
{
    struct job *job = NULL;
    for (size_t i = b->first; i < b->first + b->n; i++) {
        const struct mlo_piece *p = &f->recipe->pieces[i];
        size_t at = 0;
        /* A blob that is to be replaced is no source for itself. */
        const struct local *from = mlo_digest_map_get(&f->known, &p->digest, &at) ? &f->locals[at] : NULL;
        if (from && mlo_digest_eq(&from->blob, &b->digest))
            from = NULL;
        if (!job || !joins(f, job, p, from)) {
            int rc = mlo_grow(&f->jobs, &f->jobs_cap, f->n_jobs + 1, sizeof *f->jobs, err);
            if (rc != 0)
                return rc;
            job = &f->jobs[f->n_jobs++];
            *job = (struct job){.first = i, .blob = b, .is_local = from != NULL};
            if (from)
                job->from = *from;
        }
        job->n++;
        job->bytes += p->length;
    }
    if (job)
        job->last = true;
    return 0;
}

/* ---- fetching ---- */

static int check_piece(const struct mlo_piece *p, const char *data, bool *ret_good, struct mlo_err *err)
{
    struct mlo_digest got;
    int rc = mlo_sha256(data, p->length, &got, err);
    if (rc == 0)
        *ret_good = mlo_digest_eq(&got, &p->digest);
    return rc;
}

static int remote_range(struct mlo_fetch *f, const struct mlo_piece *p, char *to, size_t n,
                        struct mlo_err *err)
{
    char key[MLO_KEY_MAX];
    mlo_rt_key("packs", &f->recipe->packs[p->pack], key);
    int rc = mlo_rt_get_range(f->remote, key, p->offset, to, n, err);
    if (rc == MLO_ENOTFOUND)
        return mlo_fail(err, MLO_EREMOTE, "'%s' is missing on %s", key, f->remote->url);
    return rc;
}

static int fetch_remote(struct mlo_fetch *f, const struct job *job, struct mlo_err *err)
{
    const struct mlo_piece *p = &f->recipe->pieces[job->first];
    char *at = job->data;
    int rc = remote_range(f, p, job->data, job->bytes, err);
    for (size_t i = 0; rc == 0 && i < job->n; i++, p++) {
        bool good = false;
        char key[MLO_KEY_MAX];
        rc = check_piece(p, at, &good, err);
        if (rc == 0 && !good)
            return mlo_fail(err, MLO_EINVALID, "'%s' on %s is damaged at byte %" PRIu32,
                            mlo_rt_key("packs", &f->recipe->packs[p->pack], key), f->remote->url, p->offset);
        at += p->length;
    }
    return rc;
}

static int read_local(struct mlo_fetch *f, const struct job *job, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    int rc = mlo_store_open_blob(f->store, &job->from.blob, &fd, NULL, err);
    return rc != 0 ? rc : mlo_read_exact_at(fd, job->data, job->bytes, job->from.offset, err);
}

/* Pieces whose local copy turns out bad come over the wire after all. */
static int fetch_local(struct mlo_fetch *f, const struct job *job, uint64_t *ret_wire, struct mlo_err *err)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    bool readable = read_local(f, job, &ignored) == 0;
    char *at = job->data;
    for (size_t i = 0; i < job->n; i++) {
        const struct mlo_piece *p = &f->recipe->pieces[job->first + i];
        struct job single = {.first = job->first + i, .n = 1, .bytes = p->length, .data = at};
        bool good = false;
        int rc = readable ? check_piece(p, at, &good, err) : 0;
        if (rc == 0 && !good) {
            rc = fetch_remote(f, &single, err);
            *ret_wire += p->length;
        }
        if (rc != 0)
            return rc;
        at += p->length;
    }
    return 0;
}

struct window {
    struct mlo_fetch *f;
    struct job *jobs;
};

static int fetch_job(void *ctx, size_t i, struct mlo_err *err)
{
    const struct window *window = ctx;
    struct mlo_fetch *f = window->f;
    struct job *job = &window->jobs[i];
    uint64_t wire = 0;
    int rc;
    job->data = malloc(job->bytes);
    if (!job->data)
        return mlo_fail_nomem(err);
    if (job->is_local) {
        rc = fetch_local(f, job, &wire, err);
    } else {
        rc = fetch_remote(f, job, err);
        wire = job->bytes;
    }
    pthread_mutex_lock(&f->lock);
    f->stats->bytes_sent += wire;
    f->stats->bytes_reused += job->bytes - wire;
    f->stats->chunks += job->n;
    f->stats->chunks_sent += wire > 0 ? job->n : 0;
    pthread_mutex_unlock(&f->lock);
    return rc;
}

/* ---- writing ---- */

/* The name may be taken by a damaged file; it makes way only now that good bytes are at hand. */
static int commit_blob(struct mlo_fetch *f, struct mlo_blob_writer *w, const struct mlo_digest *d,
                       bool replace, struct mlo_err *err)
{
    if (replace && mlo_store_has(f->store, d, NULL)) {
        int rc = mlo_store_quarantine(f->store, d, err);
        if (rc != 0) {
            mlo_blob_abort(w);
            return rc;
        }
    }
    return mlo_blob_commit(w, d, NULL, NULL, err);
}

static int write_job(struct mlo_fetch *f, struct job *job, struct mlo_blob_writer **w, bool replace,
                     struct mlo_err *err)
{
    int rc = *w ? 0 : mlo_blob_begin(f->store, w, err);
    if (rc == 0)
        rc = mlo_blob_write(*w, job->data, job->bytes, err);
    if (rc == 0 && job->last)
        rc = commit_blob(f, mlo_steal(w), &job->blob->digest, replace, err);
    f->done += job->bytes;
    if (rc == 0 && f->opts->progress)
        f->opts->progress(f->opts->progress_ctx, f->done, f->total);
    return rc;
}

static int run_jobs(struct mlo_fetch *f, unsigned width, bool replace, struct mlo_err *err)
{
    struct mlo_blob_writer *w = NULL;
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < f->n_jobs; at += width) {
        size_t n = f->n_jobs - at < width ? f->n_jobs - at : width;
        struct window window = {f, &f->jobs[at]};
        rc = mlo_parallel(n, width, fetch_job, &window, err);
        for (size_t i = 0; i < n; i++) {
            if (rc == 0)
                rc = write_job(f, &f->jobs[at + i], &w, replace, err);
            free(mlo_steal(&f->jobs[at + i].data));
        }
    }
    if (w)
        mlo_blob_abort(w);
    return rc;
}

/* Nothing to fetch for it: the blob without bytes. */
static int put_empty(struct mlo_fetch *f, const struct mlo_digest *d, bool replace, struct mlo_err *err)
{
    struct mlo_blob_writer *w = NULL;
    int rc = mlo_blob_begin(f->store, &w, err);
    return rc != 0 ? rc : commit_blob(f, w, d, replace, err);
}

int mlo_fetch_blobs(struct mlo_fetch *f, const struct mlo_recipe_blob *const *blobs, size_t n, bool replace,
                    struct mlo_err *err)
{
    unsigned width = f->opts->parallel ? f->opts->parallel : f->remote->t.parallel;
    int rc = 0;
    f->n_jobs = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        f->total += blobs[i]->size;
        rc = blobs[i]->n > 0 ? plan_blob(f, blobs[i], err) : put_empty(f, &blobs[i]->digest, replace, err);
    }
    return rc != 0 ? rc : run_jobs(f, width ? width : 1, replace, err);
}
