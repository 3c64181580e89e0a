/* Blobs out of pieces; shared by fetch.c (what is to be read, side by side), wire.c (from the remote) and
 * assembly.c (into one file). */
#ifndef MLO_REMOTE_FETCH_H
#define MLO_REMOTE_FETCH_H

#include <pthread.h>

#include "internal.h"

#define FETCH_IO_BYTES ((size_t)1 << 20)
#define FETCH_TRIES    3 /* of a piece that comes damaged */

struct mlo_local { /* a piece's bytes inside a blob of the store */
    struct mlo_digest blob;
    uint64_t offset;
    bool known;
};

struct mlo_fetch_job {       /* neighbouring pieces of one blob that are neighbours at their source too */
    size_t of;               /* assembly */
    size_t first, n;         /* pieces */
    uint64_t offset;         /* in the blob */
    uint64_t bytes, counted; /* counted: of them in the progress */
    bool is_local, done;
    struct mlo_local from;
};

struct mlo_assembly { /* a blob in the making */
    const struct mlo_recipe_blob *blob;
    size_t first_job, n_jobs, next; /* next: job to be hashed */
    struct mlo_partial *partial;
    struct mlo_sha256 hash; /* of the jobs before `next` */
    bool hashing;
};

struct mlo_fetch {
    struct mlo_remote *remote;
    struct mlo_store *store;
    const struct mlo_ref *ref; /* whose recipe it is */
    const struct mlo_recipe *recipe;
    const struct mlo_sync_opts *opts;
    struct mlo_sync_stats *stats;
    bool replace;              /* also where a (damaged) file of that name is */
    struct mlo_digest_map map; /* piece that is wanted -> number in locals */
    struct mlo_local *locals;
    size_t n_locals, locals_cap;
    struct mlo_fetch_job *jobs;
    size_t n_jobs, jobs_cap;
    struct mlo_assembly *list;
    size_t n_list, list_cap;
    uint64_t done, total;
    pthread_mutex_t lock; /* jobs' done, assemblies, stats, progress */
};

/* wire.c: pieces that lie together on the remote, to `offset` of fd. job: whose progress it is; NULL: of
 * none. What comes short is asked for again from the start of the piece where it stopped. */
int mlo_wire_pieces(struct mlo_fetch *f, int fd, size_t first, size_t n, uint64_t offset,
                    struct mlo_fetch_job *job, struct mlo_err *err) MLO_MUST_CHECK;
/* MLO_EINVALID that names the object and the byte. */
int mlo_wire_damaged(struct mlo_fetch *f, const struct mlo_piece *p, const char *how, struct mlo_err *err);
/* The job's bytes up to `end` of the blob are there. */
void mlo_fetch_count(struct mlo_fetch *f, struct mlo_fetch_job *job, uint64_t end);

/* assembly.c */
int mlo_assembly_open(struct mlo_fetch *f, struct mlo_assembly *a, struct mlo_err *err) MLO_MUST_CHECK;
/* Is the piece, at `offset`, in the file as it should be? */
int mlo_assembly_has(struct mlo_fetch *f, const struct mlo_assembly *a, const struct mlo_piece *p,
                     uint64_t offset, char *buf, bool *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* A job is done: hashes on as far as jobs are; after the last one the blob gets its name. */
int mlo_assembly_follow(struct mlo_fetch *f, struct mlo_assembly *a, char *buf,
                        struct mlo_err *err) MLO_MUST_CHECK;
void mlo_assembly_release(struct mlo_assembly *a); /* what is not whole is kept for the next run */

#endif
