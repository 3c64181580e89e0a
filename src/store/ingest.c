/*
 * Taking a file in with one read. Four stages pass over the file in chunks: READ fills a ring of buffers, and
 * FILE (digest of the whole), RANGES (digests of tensors), ALSO (whoever else wants to hear) and WRITE (the
 * blob) each consume every chunk in order. A stage is a cursor; a slot of the ring is free again when the
 * slowest consumer has passed it. That bounds memory by the ring, whatever the file's size, and what is
 * written is exactly what was hashed, whatever happens to the file meanwhile.
 *
 * Hashing is what costs: 0.55 s a GB and stream against some 0.1 s for the copies. The whole-file digest is
 * one sequential stream and bounds the time from below, so ranges need no more than one stream beside it, and
 * more than two hashing threads would wait. With more than one thread each stage has its own; READ and WRITE
 * mostly sleep. With one thread the caller walks all stages chunk by chunk.
 *
 * WRITE goes past the page cache (O_DIRECT) where the file system can: the bytes are not copied once more, a
 * 100 GB pack does not push everything else out of memory, and the final fsync finds nothing left to write.
 * On file systems with shared extents nothing is written at all: the file is cloned first and the clone is
 * what is read, so the digest is of what the store holds.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mlopsctl/base/text.h>

/* Big chunks make direct writes cheap, small ones let a small file's stages overlap; ring at most 24 MiB. */
#define CHUNK_BIG     ((size_t)2 << 20)
#define CHUNK_SMALL   ((size_t)512 << 10)
#define RING_SLOTS    12
#define CHUNK_BIG_MIN ((uint64_t)4 * RING_SLOTS * CHUNK_BIG)
#define DIRECT_ALIGN                                                                                         \
    ((size_t)4096) /* offsets, lengths and addresses; covers every block size Linux mounts                   \
                    */
#define DIRECT_MIN  ((uint64_t)8 * CHUNK_SMALL) /* smaller files gain nothing */
#define THREADS_MIN ((uint64_t)2 * CHUNK_SMALL) /* smaller files are done before a thread has started */
#define LABEL_MAX   512

enum stage { READ, FILE_HASH, RANGES, ALSO, WRITE, N_STAGES };

struct pipeline {
    const struct mlo_ingest *in;
    int src, dst; /* dst -1: nothing is written */
    bool direct;  /* dst is in O_DIRECT mode */
    uint64_t size, n_chunks;

    uint8_t *ring;
    size_t ring_bytes, n_slots, chunk;

    struct mlo_sha256 file_hash, range_hash;
    size_t range;     /* the one being hashed or next */
    bool range_begun; /* range_hash holds the head of it */

    bool active[N_STAGES];
    /* below: under `mutex` when there are threads */
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    uint64_t done[N_STAGES]; /* chunks each stage is through with */
    bool stop;
    int rc; /* first failure of any stage, with err */
    struct mlo_err err;
};

/* Put the file's name, which is somebody else's, before the message. */
static int name_file(const struct mlo_ingest *in, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str name;
    mlo_str_init(&name, LABEL_MAX);
    mlo_escape(&name, in->label, strlen(in->label));
    return mlo_wrap(err, "'%s'", name.ptr);
}

static int fail_changed(struct mlo_err *err)
{
    mlo_fail(err, MLO_ECONFLICT, "changed while it was read");
    return mlo_hint(err, "wait until whatever writes it has finished, then run the command again");
}

/* ---- the stages: each gets the chunk at `off`, `n` bytes ---- */

static int step_read(struct pipeline *p, uint64_t off, uint8_t *data, size_t n, struct mlo_err *err)
{
    size_t got;
    int rc = mlo_read_at(p->src, data, n, off, &got, err);
    if (rc < 0)
        return rc;
    return got == n ? 0 : fail_changed(err);
}

static int step_file(struct pipeline *p, uint64_t off, uint8_t *data, size_t n, struct mlo_err *err)
{
    int rc = mlo_sha256_update(&p->file_hash, data, n, err);
    if (rc == 0 && p->in->progress)
        p->in->progress(p->in->progress_ctx, off + n, p->size);
    return rc;
}

/* The part of the current range that lies in [off, end) is hashed; *ret_complete when the range ends there.
 */
static int hash_part(struct pipeline *p, const uint8_t *data, uint64_t off, uint64_t end, bool *ret_complete,
                     struct mlo_err *err)
{
    const struct mlo_range *r = &p->in->ranges[p->range];
    uint64_t from = r->offset > off ? r->offset : off;
    uint64_t to = r->offset + r->length < end ? r->offset + r->length : end;
    *ret_complete = r->offset + r->length <= end;
    int rc = 0;
    if (!p->range_begun)
        rc = mlo_sha256_begin(&p->range_hash, err);
    if (rc == 0 && from < to)
        rc = mlo_sha256_update(&p->range_hash, data + (from - off), (size_t)(to - from), err);
    p->range_begun = true;
    return rc;
}

static int step_ranges(struct pipeline *p, uint64_t off, uint8_t *data, size_t n, struct mlo_err *err)
{
    uint64_t end = off + n;
    while (p->range < p->in->n_ranges) {
        struct mlo_range *r = &p->in->ranges[p->range];
        bool complete;
        if (r->offset >= end && r->length > 0)
            break;
        if (r->offset > end)
            break;
        int rc = hash_part(p, data, off, end, &complete, err);
        if (rc < 0 || !complete)
            return rc;
        rc = mlo_sha256_end(&p->range_hash, &r->digest, err);
        if (rc < 0)
            return rc;
        p->range_begun = false;
        p->range++;
    }
    return 0;
}

static int step_also(struct pipeline *p, uint64_t off, uint8_t *data, size_t n, struct mlo_err *err)
{
    (void)off;
    return p->in->also(p->in->also_ctx, data, n, err);
}

static void leave_direct(struct pipeline *p)
{
    int flags = fcntl(p->dst, F_GETFL);
    if (flags >= 0)
        (void)fcntl(p->dst, F_SETFL, flags & ~O_DIRECT);
    p->direct = false;
}

static int write_buffered(struct pipeline *p, uint64_t off, const uint8_t *data, size_t n,
                          struct mlo_err *err)
{
    int rc = mlo_write_all_at(p->dst, data, n, off, err);
    if (rc == 0 && p->size >= DIRECT_MIN)
        (void)sync_file_range(p->dst, (off_t)off, (off_t)n,
                              SYNC_FILE_RANGE_WRITE); /* start early; fsync decides */
    return rc;
}

/* Only the last chunk has an odd length: its whole blocks go directly, the tail through the cache. */
static int step_write(struct pipeline *p, uint64_t off, uint8_t *data, size_t n, struct mlo_err *err)
{
    size_t whole = p->direct ? n / DIRECT_ALIGN * DIRECT_ALIGN : 0;
    if (whole > 0) {
        int rc = mlo_write_all_at(p->dst, data, whole, off, err);
        if (rc < 0 && err->sys_errno == EINVAL)
            whole = 0; /* opened, but not written, directly: some network and stacked file systems */
        else if (rc < 0)
            return rc;
    }
    if (whole == n)
        return 0;
    if (p->direct)
        leave_direct(p);
    return write_buffered(p, off + whole, data + whole, n - whole, err);
}

static int (*const steps[N_STAGES])(struct pipeline *, uint64_t, uint8_t *, size_t, struct mlo_err *) = {
    [READ] = step_read, [FILE_HASH] = step_file, [RANGES] = step_ranges,
    [ALSO] = step_also, [WRITE] = step_write,
};

static int step(struct pipeline *p, enum stage stage, uint64_t k, struct mlo_err *err)
{
    uint64_t off = k * p->chunk, left = p->size - off;
    uint8_t *data = p->ring + k % p->n_slots * p->chunk;
    return steps[stage](p, off, data, left < p->chunk ? (size_t)left : p->chunk, err);
}

/* ---- running them ---- */

static int run_serial(struct pipeline *p, struct mlo_err *err)
{
    for (uint64_t k = 0; k < p->n_chunks; k++)
        for (enum stage stage = 0; stage < N_STAGES; stage++) {
            int rc = p->active[stage] ? step(p, stage, k, err) : 0;
            if (rc < 0)
                return rc;
        }
    return 0;
}

/* May `stage` do its chunk k? Under the mutex. */
static bool ready(const struct pipeline *p, enum stage stage, uint64_t k)
{
    if (stage != READ)
        return k < p->done[READ];
    for (enum stage other = READ + 1; other < N_STAGES; other++)
        if (p->active[other] && k - p->done[other] >= p->n_slots)
            return false;
    return true;
}

static bool wait_ready(struct pipeline *p, enum stage stage, uint64_t k)
{
    pthread_mutex_lock(&p->mutex);
    while (!p->stop && !ready(p, stage, k))
        pthread_cond_wait(&p->moved, &p->mutex);
    bool go = !p->stop;
    pthread_mutex_unlock(&p->mutex);
    return go;
}

static void report(struct pipeline *p, enum stage stage, int rc, const struct mlo_err *err)
{
    pthread_mutex_lock(&p->mutex);
    p->done[stage]++;
    if (rc < 0) {
        if (p->rc == 0) {
            p->rc = rc;
            p->err = *err;
        }
        p->stop = true;
    }
    pthread_cond_broadcast(&p->moved);
    pthread_mutex_unlock(&p->mutex);
}

static void run_stage(struct pipeline *p, enum stage stage)
{
    struct mlo_err err = MLO_ERR_INIT;
    for (uint64_t k = 0; k < p->n_chunks && wait_ready(p, stage, k); k++)
        report(p, stage, step(p, stage, k, &err), &err);
}

struct helper {
    pthread_t thread;
    struct pipeline *pipeline;
    enum stage stage;
    bool started;
};

static void *helper_main(void *arg)
{
    const struct helper *h = arg;
    run_stage(h->pipeline, h->stage);
    return NULL;
}

/* The file's digest is computed in the caller's thread, which is therefore where progress is reported. */
static int run_threads(struct pipeline *p, struct mlo_err *err)
{
    struct helper helpers[N_STAGES] = {0};
    for (enum stage stage = 0; stage < N_STAGES; stage++) {
        struct helper *h = &helpers[stage];
        h->pipeline = p;
        h->stage = stage;
        if (!p->active[stage] || stage == FILE_HASH)
            continue;
        int e = pthread_create(&h->thread, NULL, helper_main, h);
        h->started = e == 0;
        if (e != 0) {
            struct mlo_err why = MLO_ERR_INIT;
            errno = e;
            report(p, stage, mlo_fail_errno(&why, "cannot start a thread"), &why);
        }
    }
    run_stage(p, FILE_HASH);
    for (enum stage stage = 0; stage < N_STAGES; stage++)
        if (helpers[stage].started)
            pthread_join(helpers[stage].thread, NULL);
    if (p->rc < 0)
        *err = p->err;
    return p->rc;
}

/* ---- setting up ---- */

static int check_ranges(const struct mlo_ingest *in, uint64_t size, struct mlo_err *err)
{
    uint64_t at = 0;
    for (size_t i = 0; i < in->n_ranges; i++) {
        const struct mlo_range *r = &in->ranges[i];
        if (r->offset < at)
            return mlo_fail(err, MLO_EINVALID, "range %zu at offset %" PRIu64 " is out of order or overlaps",
                            i, r->offset);
        if (r->offset > size || r->length > size - r->offset)
            return mlo_fail(err, MLO_EINVALID,
                            "range %zu at offset %" PRIu64 " with %" PRIu64
                            " bytes ends after the file's %" PRIu64 " bytes",
                            i, r->offset, r->length, size);
        at = r->offset + r->length;
    }
    return 0;
}

/* A file system that is too full says so before anything is read; one that cannot reserve space is asked no
 * more. */
static int prepare_target(struct pipeline *p, struct mlo_err *err)
{
    if (p->size < DIRECT_MIN)
        return 0;
    if (fallocate(p->dst, 0, 0, (off_t)p->size) < 0 && (errno == ENOSPC || errno == EDQUOT))
        return mlo_fail_errno(err, "cannot store its %" PRIu64 " bytes", p->size);
    p->direct = fcntl(p->dst, F_SETFL, O_DIRECT) == 0;
    return 0;
}

/* Where bytes come from and go to: a clone is read in place of the file and written by nobody. */
static int choose_ends(struct pipeline *p, const struct mlo_blob_tmp *tmp, struct mlo_err *err)
{
    struct mlo_err why = MLO_ERR_INIT;
    p->src = p->in->fd;
    p->dst = -1;
    if (!tmp)
        return 0;
    int rc = mlo_reflink(tmp->fd, p->in->fd, &why);
    if (rc == 0) {
        p->src = tmp->fd;
        return 0;
    }
    if (rc != MLO_EUNAVAIL) {
        *err = why;
        return rc;
    }
    p->dst = tmp->fd;
    return prepare_target(p, err);
}

static int make_ring(struct pipeline *p, struct mlo_err *err)
{
    p->n_slots = p->n_chunks < RING_SLOTS ? (size_t)p->n_chunks : RING_SLOTS;
    p->ring_bytes = p->n_chunks == 1 ? (size_t)p->size + 1 : p->n_slots * p->chunk;
    void *ring = mmap(NULL, p->ring_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ring == MAP_FAILED)
        return mlo_fail_nomem(err);
    (void)madvise(ring, p->ring_bytes, MADV_HUGEPAGE); /* fewer pages to pin for each direct write */
    p->ring = ring;
    return 0;
}

static int run_pipeline(struct pipeline *p, struct mlo_digest *ret, struct mlo_err *err)
{
    p->chunk = p->size >= CHUNK_BIG_MIN ? CHUNK_BIG : CHUNK_SMALL;
    p->n_chunks = p->size / p->chunk + (p->size % p->chunk != 0 || p->size == 0);
    p->active[READ] = p->active[FILE_HASH] = true;
    p->active[RANGES] = p->in->n_ranges > 0;
    p->active[ALSO] = p->in->also != NULL;
    p->active[WRITE] = p->dst >= 0;
    int rc = make_ring(p, err);
    if (rc == 0)
        rc = mlo_sha256_new(&p->file_hash, err);
    if (rc == 0)
        rc = mlo_sha256_new(&p->range_hash, err);
    if (rc == 0)
        rc = p->in->threads > 1 && p->size >= THREADS_MIN ? run_threads(p, err) : run_serial(p, err);
    return rc < 0 ? rc : mlo_sha256_end(&p->file_hash, ret, err);
}

static void release(struct pipeline *p)
{
    mlo_sha256_free(&p->file_hash);
    mlo_sha256_free(&p->range_hash);
    if (p->ring)
        munmap(p->ring, p->ring_bytes);
    pthread_mutex_destroy(&p->mutex);
    pthread_cond_destroy(&p->moved);
}

static bool same_times(const struct stat *a, const struct stat *b)
{
    return a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int check_unchanged(int fd, const struct stat *before, struct mlo_err *err)
{
    struct stat after;
    if (fstat(fd, &after) < 0)
        return mlo_fail_errno(err, "cannot stat");
    return after.st_size == before->st_size && same_times(before, &after) ? 0 : fail_changed(err);
}

int mlo_ingest_run(const struct mlo_ingest *in, const struct mlo_blob_tmp *tmp, struct mlo_digest *ret,
                   uint64_t *ret_size, struct mlo_err *err)
{
    struct stat before;
    struct mlo_digest digest;
    if (fstat(in->fd, &before) < 0) {
        mlo_fail_errno(err, "cannot stat");
        return name_file(in, err);
    }
    struct pipeline p = {.in = in,
                         .size = (uint64_t)before.st_size,
                         .mutex = PTHREAD_MUTEX_INITIALIZER,
                         .moved = PTHREAD_COND_INITIALIZER};
    int rc = S_ISREG(before.st_mode) ? 0 : mlo_fail(err, MLO_EINVALID, "not a regular file");
    if (rc == 0)
        rc = check_ranges(in, p.size, err);
    if (rc == 0)
        rc = choose_ends(&p, tmp, err);
    if (rc == 0)
        rc = run_pipeline(&p, &digest, err);
    release(&p);
    if (rc == 0)
        rc = check_unchanged(in->fd, &before, err);
    if (rc < 0)
        return name_file(in, err);
    *ret = digest;
    *ret_size = p.size;
    return 0;
}
