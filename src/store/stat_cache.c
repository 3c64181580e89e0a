/*
 * Which content a file had when it was last hashed, by (device, inode, size, mtime, ctime). A hit saves
 * reading the file, so a wrong hit would put a wrong digest into a bundle: hence the racy rule. A write
 * changes mtime and ctime, but only to the grain of the file system's clock: a file written twice within one
 * grain looks the same. So a file is remembered only when its times are older than MLO_STAT_RACY_NS at the
 * moment the cache was opened, which is before any of its bytes were read in this process. Whatever is
 * written after that moment gets later times and is seen.
 *
 * The file is a header with the SHA-256 of the body, then records as they lie in memory: it never leaves the
 * machine, and a foreign byte order, another version or damage all read as an empty cache. Saving merges with
 * what others saved meanwhile, under a lock on the folder.
 */
#include "internal.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/time.h>

#define CACHE_FILE   "stat"
#define CACHE_MAGIC  UINT64_C(0x3154415453504c4d) /* "MLPSTAT1" */
#define MAX_RECORDS  ((size_t)1 << 20)
#define LOCK_WAIT_MS 1000
#define FILE_MAX     (sizeof(struct header) + MAX_RECORDS * sizeof(struct record))

struct header {
    uint64_t magic;
    uint64_t record_size; /* another layout is another version */
    uint64_t count;
    struct mlo_digest body;
};

struct record {
    uint64_t dev, ino, size;
    int64_t mtime_ns, ctime_ns;
    int64_t seen_ns; /* when the cache that recorded it was opened */
    struct mlo_digest digest;
};

struct mlo_stat_cache {
    char *home;
    int64_t opened_ns;
    struct record *records;
    size_t n, cap;
    uint32_t *index; /* open addressing: record number + 1, 0 empty; index_cap a power of two */
    size_t index_cap;
    bool changed;
};

/* Times no 64-bit count of nanoseconds can hold become the far future, which is never settled. */
static int64_t ns_of(struct timespec t)
{
    int64_t ns;
    if (__builtin_mul_overflow((int64_t)t.tv_sec, MLO_NS_PER_S, &ns) ||
        __builtin_add_overflow(ns, t.tv_nsec, &ns))
        return INT64_MAX;
    return ns;
}

/* ---- table ---- */

static size_t bucket_of(uint64_t dev, uint64_t ino, size_t cap)
{
    uint64_t h = (ino ^ dev << 40) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(h >> 32) & (cap - 1);
}

/* The index slot of (dev, ino): its record's, or the empty one where it would go. */
static size_t find_slot(const struct mlo_stat_cache *c, uint64_t dev, uint64_t ino)
{
    size_t i = bucket_of(dev, ino, c->index_cap);
    while (c->index[i] != 0) {
        const struct record *r = &c->records[c->index[i] - 1];
        if (r->dev == dev && r->ino == ino)
            break;
        i = (i + 1) & (c->index_cap - 1);
    }
    return i;
}

static int grow_index(struct mlo_stat_cache *c, size_t need, struct mlo_err *err)
{
    size_t cap = c->index_cap ? c->index_cap : 64;
    while (cap / 2 < need)
        cap *= 2;
    if (cap == c->index_cap)
        return 0;
    uint32_t *index = mlo_calloc(cap, sizeof *index, err);
    if (!index)
        return MLO_EIO;
    free(c->index);
    c->index = index;
    c->index_cap = cap;
    for (size_t i = 0; i < c->n; i++)
        index[find_slot(c, c->records[i].dev, c->records[i].ino)] = (uint32_t)i + 1;
    return 0;
}

/* Add or replace; a full cache takes no new files. */
static int put_record(struct mlo_stat_cache *c, const struct record *r, struct mlo_err *err)
{
    int rc = grow_index(c, c->n + 1, err);
    if (rc < 0)
        return rc;
    size_t slot = find_slot(c, r->dev, r->ino);
    if (c->index[slot] != 0) {
        c->records[c->index[slot] - 1] = *r;
        return 0;
    }
    if (c->n >= MAX_RECORDS)
        return 0;
    rc = mlo_grow(&c->records, &c->cap, c->n + 1, sizeof *c->records, err);
    if (rc < 0)
        return rc;
    c->records[c->n++] = *r;
    c->index[slot] = (uint32_t)c->n;
    return 0;
}

/* ---- the file ---- */

static int check_header(const struct header *h, const uint8_t *body, size_t n, struct mlo_err *err)
{
    if (h->magic != CACHE_MAGIC || h->record_size != sizeof(struct record))
        return mlo_fail(err, MLO_EINVALID, "stat cache of another version");
    if (h->count > MAX_RECORDS || h->count != n / sizeof(struct record) || n % sizeof(struct record) != 0)
        return mlo_fail(err, MLO_EINVALID, "stat cache has %zu bytes of records, its header says otherwise",
                        n);
    struct mlo_digest got;
    int rc = mlo_sha256(body, n, &got, err);
    if (rc < 0)
        return rc;
    return mlo_digest_eq(&got, &h->body) ? 0 : mlo_fail(err, MLO_EINVALID, "stat cache is damaged");
}

int mlo_stat_cache_parse(struct mlo_stat_cache *c, const void *data, size_t n, struct mlo_err *err)
{
    struct header h;
    if (n < sizeof h)
        return mlo_fail(err, MLO_EINVALID, "stat cache is shorter than its header");
    memcpy(&h, data, sizeof h);
    const uint8_t *body = (const uint8_t *)data + sizeof h;
    int rc = check_header(&h, body, n - sizeof h, err);
    for (uint64_t i = 0; rc == 0 && i < h.count; i++) {
        struct record r;
        memcpy(&r, body + i * sizeof r, sizeof r);
        rc = put_record(c, &r, err);
    }
    return rc;
}

static int load(struct mlo_stat_cache *c, int folder, struct mlo_err *err)
{
    MLO_AUTOFREE char *data = NULL;
    struct mlo_err why = MLO_ERR_INIT;
    size_t n;
    int rc = mlo_slurp_at(folder, CACHE_FILE, FILE_MAX, &data, &n, &why);
    if (rc == 0)
        rc = mlo_stat_cache_parse(c, data, n, &why);
    if (rc == 0 || rc == MLO_ENOTFOUND || rc == MLO_EINVALID)
        return 0;
    *err = why;
    return rc;
}

static int newest_first(const void *a, const void *b)
{
    const struct record *x = a, *y = b;
    return (x->seen_ns < y->seen_ns) - (x->seen_ns > y->seen_ns);
}

/* A cache that has reached its limit forgets the older half, so that there is room again. */
static void forget_oldest(struct mlo_stat_cache *c)
{
    if (c->n < MAX_RECORDS)
        return;
    qsort(c->records, c->n, sizeof *c->records, newest_first);
    c->n = MAX_RECORDS / 2;
}

static int store_file(struct mlo_stat_cache *c, int folder, struct mlo_err *err)
{
    size_t body_n = c->n * sizeof *c->records;
    struct header h = {.magic = CACHE_MAGIC, .record_size = sizeof *c->records, .count = c->n};
    int rc = mlo_sha256(c->records, body_n, &h.body, err);
    if (rc < 0)
        return rc;
    struct mlo_newfile f = MLO_NEWFILE_INIT;
    rc = mlo_newfile_begin(&f, folder, CACHE_FILE, 0600, err);
    if (rc == 0)
        rc = mlo_write_all(f.fd, &h, sizeof h, err);
    if (rc == 0)
        rc = mlo_write_all(f.fd, c->records, body_n, err);
    if (rc == 0)
        return mlo_newfile_commit(&f, err);
    mlo_newfile_abort(&f);
    return rc;
}

/* ---- interface ---- */

static int open_cache_folder(const char *home, bool create, int *ret, struct mlo_err *err)
{
    MLO_AUTOFREE char *path = mlo_store_path(err, "%s/cache", home);
    if (!path)
        return err->code;
    int rc = create ? mlo_mkdirs_at(AT_FDCWD, path, 0700, err) : 0;
    if (rc < 0)
        return rc;
    *ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret >= 0 ? 0 : mlo_fail_errno(err, "cannot open folder '%s'", path);
}

static void cache_free(struct mlo_stat_cache *c)
{
    free(c->home);
    free(c->records);
    free(c->index);
    free(c);
}

int mlo_stat_cache_new(const char *home, struct mlo_stat_cache **ret, struct mlo_err *err)
{
    struct mlo_stat_cache *c = mlo_calloc(1, sizeof *c, err);
    if (!c)
        return MLO_EIO;
    c->opened_ns = mlo_time_now();
    c->home = mlo_strdup(home, err);
    if (!c->home) {
        cache_free(c);
        return MLO_EIO;
    }
    *ret = c;
    return 0;
}

int mlo_stat_cache_open(const char *home, struct mlo_stat_cache **ret, struct mlo_err *err)
{
    MLO_AUTOCLOSE int folder = -1;
    struct mlo_stat_cache *c;
    int rc = mlo_stat_cache_new(home, &c, err);
    if (rc < 0)
        return rc;
    rc = open_cache_folder(home, false, &folder, err);
    if (rc == 0)
        rc = load(c, folder, err);
    if (rc < 0 && rc != MLO_ENOTFOUND) {
        cache_free(c);
        return rc;
    }
    *ret = c;
    return 0;
}

/* Old enough, at the moment `seen_ns`, that a later write cannot leave the same times. */
static bool settled(int64_t mtime_ns, int64_t ctime_ns, int64_t seen_ns)
{
    int64_t limit;
    if (__builtin_sub_overflow(seen_ns, MLO_STAT_RACY_NS, &limit))
        return false;
    return mtime_ns <= limit && ctime_ns <= limit;
}

bool mlo_stat_cache_get(const struct mlo_stat_cache *c, const struct stat *st, struct mlo_digest *ret)
{
    if (c->n == 0)
        return false;
    size_t slot = find_slot(c, st->st_dev, st->st_ino);
    if (c->index[slot] == 0)
        return false;
    const struct record *r = &c->records[c->index[slot] - 1];
    if (r->size != (uint64_t)st->st_size || r->mtime_ns != ns_of(st->st_mtim) ||
        r->ctime_ns != ns_of(st->st_ctim))
        return false;
    if (!settled(r->mtime_ns, r->ctime_ns, r->seen_ns))
        return false;
    *ret = r->digest;
    return true;
}

int mlo_stat_cache_put(struct mlo_stat_cache *c, const struct stat *st, const struct mlo_digest *d,
                       struct mlo_err *err)
{
    struct record r = {.dev = st->st_dev,
                       .ino = st->st_ino,
                       .size = (uint64_t)st->st_size,
                       .mtime_ns = ns_of(st->st_mtim),
                       .ctime_ns = ns_of(st->st_ctim),
                       .seen_ns = c->opened_ns,
                       .digest = *d};
    if (!settled(r.mtime_ns, r.ctime_ns, r.seen_ns))
        return 0;
    int rc = put_record(c, &r, err);
    if (rc == 0)
        c->changed = true;
    return rc;
}

/* What others saved since we opened stays, except where we know the same file. */
static int merge_and_store(const struct mlo_stat_cache *c, int folder, struct mlo_err *err)
{
    struct mlo_stat_cache *merged;
    int rc = mlo_stat_cache_new(c->home, &merged, err);
    if (rc < 0)
        return rc;
    rc = load(merged, folder, err);
    if (rc == 0)
        forget_oldest(merged);
    for (size_t i = 0; rc == 0 && i < c->n; i++)
        if (c->records[i].seen_ns == c->opened_ns)
            rc = put_record(merged, &c->records[i], err);
    if (rc == 0)
        rc = store_file(merged, folder, err);
    cache_free(merged);
    return rc;
}

static int save(const struct mlo_stat_cache *c, struct mlo_err *err)
{
    MLO_AUTOCLOSE int folder = -1;
    int rc = open_cache_folder(c->home, true, &folder, err);
    if (rc < 0)
        return rc;
    rc = mlo_lock_fd(folder, true, LOCK_WAIT_MS, NULL, NULL, err);
    if (rc == MLO_ECONFLICT)
        return 0; /* somebody else is saving for long: forgetting costs one more hashing, waiting costs now */
    return rc < 0 ? rc : merge_and_store(c, folder, err);
}

int mlo_stat_cache_close(struct mlo_stat_cache *c, bool do_save, struct mlo_err *err)
{
    if (!c)
        return 0;
    int rc = do_save && c->changed ? save(c, err) : 0;
    cache_free(c);
    return rc;
}
