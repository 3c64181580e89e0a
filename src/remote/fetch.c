/*
 * Which bytes are read where. The pieces of all wanted blobs are grouped into jobs, each one read of
 * neighbouring bytes: from a pack, or from a blob that is here already. Jobs run side by side and write into
 * their blobs' files; memory is a buffer for each of them, whatever the size of the bundle. A file that an
 * earlier run has left is looked through first, and only what is not whole in it is read.
 */
#include "fetch.h"

#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/thread.h>

#define JOB_BYTES ((uint64_t)16 << 20) /* neighbours are joined up to this; one piece may be larger */

static bool lacks(struct mlo_store *s, const struct mlo_recipe_blob *b)
{
    uint64_t size = 0;
    return !mlo_store_has(s, &b->digest, &size) || size != b->size;
}

int mlo_fetch_new(struct mlo_remote *r, struct mlo_store *s, const struct mlo_ref *ref,
                  const struct mlo_recipe *recipe, const struct mlo_sync_opts *o,
                  struct mlo_sync_stats *stats, struct mlo_fetch **ret, struct mlo_err *err)
{
    struct mlo_fetch *f = mlo_calloc(1, sizeof *f, err);
    if (!f)
        return MLO_EIO;
    *f = (struct mlo_fetch){.remote = r,
                            .store = s,
                            .ref = ref,
                            .recipe = recipe,
                            .opts = o,
                            .stats = stats,
                            .lock = PTHREAD_MUTEX_INITIALIZER};
    for (size_t i = 0; i < recipe->n_blobs; i++)
        if (lacks(s, &recipe->blobs[i]))
            f->total += recipe->blobs[i].size;
    *ret = f;
    return 0;
}

static void forget_jobs(struct mlo_fetch *f)
{
    for (size_t i = 0; i < f->n_list; i++)
        mlo_assembly_release(&f->list[i]);
    f->n_list = f->n_jobs = 0;
}

void mlo_fetch_free(struct mlo_fetch *f)
{
    if (!f)
        return;
    forget_jobs(f);
    mlo_digest_map_release(&f->map);
    pthread_mutex_destroy(&f->lock);
    free(f->locals);
    free(f->jobs);
    free(f->list);
    free(f);
}

/* ---- what is here already ---- */

/* The pieces that are wanted; what else other versions are made of is of no use. */
static int want_pieces(struct mlo_fetch *f, struct mlo_err *err)
{
    const struct mlo_recipe *r = f->recipe;
    size_t at;
    int rc = mlo_grow(&f->locals, &f->locals_cap, r->n_pieces + 1, sizeof *f->locals, err);
    for (size_t i = 0; rc == 0 && i < r->n_blobs; i++) {
        const struct mlo_recipe_blob *b = &r->blobs[i];
        if (!lacks(f->store, b))
            continue;
        for (size_t j = b->first; rc == 0 && j < b->first + b->n; j++) {
            rc = mlo_digest_map_add(&f->map, &r->pieces[j].digest, f->n_locals, &at, err);
            if (rc == 0 && at == f->n_locals)
                f->locals[f->n_locals++] = (struct mlo_local){0};
        }
    }
    return rc;
}

static void learn_blob(struct mlo_fetch *f, const struct mlo_recipe *known, const struct mlo_recipe_blob *b)
{
    uint64_t offset = 0;
    for (size_t i = b->first; i < b->first + b->n; i++) {
        size_t at;
        if (mlo_digest_map_get(&f->map, &known->pieces[i].digest, &at) && !f->locals[at].known)
            f->locals[at] = (struct mlo_local){b->digest, offset, true};
        offset += known->pieces[i].length;
    }
}

int mlo_fetch_learn(struct mlo_fetch *f, const struct mlo_recipe *known, struct mlo_err *err)
{
    int rc = f->map.cap ? 0 : want_pieces(f, err);
    for (size_t i = 0; rc == 0 && i < known->n_blobs; i++)
        if (!lacks(f->store, &known->blobs[i]))
            learn_blob(f, known, &known->blobs[i]);
    return rc;
}

/* ---- jobs ---- */

/* Can the piece be read together with what the job reads already? */
static bool joins(const struct mlo_fetch *f, const struct mlo_fetch_job *job, const struct mlo_piece *p,
                  const struct mlo_local *from)
{
    if (job->bytes + (uint64_t)p->length > JOB_BYTES || job->is_local != (from != NULL))
        return false;
    if (from)
        return mlo_digest_eq(&job->from.blob, &from->blob) && job->from.offset + job->bytes == from->offset;
    const struct mlo_piece *first = &f->recipe->pieces[job->first];
    return first->source == p->source && first->offset + job->bytes == p->offset;
}

static const struct mlo_local *local_copy(const struct mlo_fetch *f, const struct mlo_piece *p)
{
    size_t at;
    return mlo_digest_map_get(&f->map, &p->digest, &at) && f->locals[at].known ? &f->locals[at] : NULL;
}

static int plan_blob(struct mlo_fetch *f, const struct mlo_recipe_blob *b, struct mlo_err *err)
{
    struct mlo_fetch_job *job = NULL;
    uint64_t offset = 0;
    int rc = mlo_grow(&f->list, &f->list_cap, f->n_list + 1, sizeof *f->list, err);
    if (rc != 0)
        return rc;
    struct mlo_assembly *a = &f->list[f->n_list];
    *a = (struct mlo_assembly){.blob = b, .first_job = f->n_jobs};
    for (size_t i = b->first; i < b->first + b->n; i++) {
        const struct mlo_piece *p = &f->recipe->pieces[i];
        const struct mlo_local *from = local_copy(f, p);
        if (!job || !joins(f, job, p, from)) {
            rc = mlo_grow(&f->jobs, &f->jobs_cap, f->n_jobs + 1, sizeof *f->jobs, err);
            if (rc != 0)
                return rc;
            job = &f->jobs[f->n_jobs++];
            *job = (struct mlo_fetch_job){
                .of = f->n_list, .first = i, .offset = offset, .is_local = from != NULL};
            if (from)
                job->from = *from;
        }
        job->n++;
        job->bytes += p->length;
        offset += p->length;
    }
    a->n_jobs = f->n_jobs - a->first_job;
    f->n_list++;
    return 0;
}

/* ---- doing them ---- */

/* A local copy is not hashed here: if it is bad, the blob's digest tells. */
static int copy_local(struct mlo_fetch *f, const struct mlo_fetch_job *job, int to, uint64_t skip,
                      uint64_t bytes, char *buf, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    int rc = mlo_store_open_blob(f->store, &job->from.blob, &fd, NULL, err);
    for (size_t n; rc == 0 && bytes > 0; skip += n, bytes -= n) {
        n = bytes < FETCH_IO_BYTES ? (size_t)bytes : FETCH_IO_BYTES;
        rc = mlo_read_exact_at(fd, buf, n, job->from.offset + skip, err);
        if (rc == 0)
            rc = mlo_write_all_at(to, buf, n, job->offset + skip, err);
    }
    return rc;
}

/* Pieces [first, first + n) of the job, `bytes` of them from `offset` of the blob on. */
static int get_pieces(struct mlo_fetch *f, struct mlo_fetch_job *job, size_t first, size_t n, uint64_t offset,
                      uint64_t bytes, char *buf, struct mlo_err *err)
{
    int fd = mlo_partial_fd(f->list[job->of].partial);
    struct mlo_err why = MLO_ERR_INIT;
    bool here = job->is_local && copy_local(f, job, fd, offset - job->offset, bytes, buf, &why) == 0;
    if (!here && job->is_local) /* it may not lie together on the remote */
        for (size_t i = 0; i < n; offset += f->recipe->pieces[first + i++].length) {
            int rc = mlo_wire_pieces(f, fd, first + i, 1, offset, job, err);
            if (rc != 0)
                return rc;
        }
    else if (!here) {
        int rc = mlo_wire_pieces(f, fd, first, n, offset, job, err);
        if (rc != 0)
            return rc;
    }
    pthread_mutex_lock(&f->lock);
    f->stats->chunks_sent += here ? 0 : n;
    pthread_mutex_unlock(&f->lock);
    return 0;
}

static int do_job(struct mlo_fetch *f, struct mlo_fetch_job *job, char *buf, struct mlo_err *err)
{
    const struct mlo_assembly *a = &f->list[job->of];
    const struct mlo_piece *p = &f->recipe->pieces[job->first];
    bool resumed = mlo_partial_resumed(a->partial);
    uint64_t offset = job->offset, from = offset;
    size_t first = 0; /* not yet read */
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < job->n; i++) {
        bool there = false;
        if (resumed)
            rc = mlo_assembly_has(f, a, &p[i], offset, buf, &there, err);
        if (rc == 0 && there) {
            if (first < i)
                rc = get_pieces(f, job, job->first + first, i - first, from, offset - from, buf, err);
            first = i + 1;
            from = offset + p[i].length;
        }
        offset += p[i].length;
    }
    if (rc == 0 && first < job->n)
        rc = get_pieces(f, job, job->first + first, job->n - first, from, offset - from, buf, err);
    return rc;
}

static int open_assembly(struct mlo_fetch *f, struct mlo_assembly *a, struct mlo_err *err)
{
    pthread_mutex_lock(&f->lock);
    int rc = mlo_assembly_open(f, a, err);
    pthread_mutex_unlock(&f->lock);
    return rc;
}

static int run_job(void *ctx, size_t i, struct mlo_err *err)
{
    struct mlo_fetch *f = ctx;
    struct mlo_fetch_job *job = &f->jobs[i];
    struct mlo_assembly *a = &f->list[job->of];
    MLO_AUTOFREE char *buf = malloc(FETCH_IO_BYTES);
    int rc = buf ? open_assembly(f, a, err) : mlo_fail_nomem(err);
    if (rc == 0)
        rc = do_job(f, job, buf, err);
    if (rc != 0)
        return rc;
    mlo_fetch_count(f, job, job->offset + job->bytes);
    pthread_mutex_lock(&f->lock);
    job->done = true;
    f->stats->chunks += job->n;
    pthread_mutex_unlock(&f->lock);
    return mlo_assembly_follow(f, a, buf, err);
}

/* Nothing to read for it: the blob without bytes. */
static int make_empty(struct mlo_fetch *f, struct mlo_assembly *a, struct mlo_err *err)
{
    int rc = mlo_assembly_open(f, a, err);
    return rc != 0 ? rc : mlo_assembly_follow(f, a, NULL, err);
}

int mlo_fetch_blobs(struct mlo_fetch *f, const struct mlo_recipe_blob *const *blobs, size_t n, bool replace,
                    struct mlo_err *err)
{
    unsigned width = f->opts->parallel ? f->opts->parallel : f->remote->t.parallel;
    uint64_t bytes = 0, sent = f->stats->bytes_sent;
    int rc = 0;
    f->replace = replace;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        bytes += blobs[i]->size;
        rc = plan_blob(f, blobs[i], err);
    }
    for (size_t i = 0; rc == 0 && i < f->n_list; i++)
        if (f->list[i].n_jobs == 0)
            rc = make_empty(f, &f->list[i], err);
    if (rc == 0)
        rc = mlo_parallel(f->n_jobs, width ? width : 1, run_job, f, err);
    sent = f->stats->bytes_sent - sent;
    f->stats->bytes_reused += bytes > sent ? bytes - sent : 0;
    forget_jobs(f);
    return rc;
}
