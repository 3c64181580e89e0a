/*
 * Blobs that arrive in pieces and in no order, perhaps over several runs: <home>/store/partial/<hex>. The
 * file outlives its run, so that what a killed run has fetched is there for the next one; nothing is written
 * down about which parts of it are good, whoever goes on with it hashes what it finds. Its lock says that
 * somebody is at work; another one who wants the same blob meanwhile works in a file of its own.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define RESERVE_MIN ((uint64_t)4 << 20) /* smaller ones find out when they are written */

struct mlo_partial {
    struct mlo_store *store;
    struct mlo_digest digest;
    uint64_t size;
    struct mlo_blob_tmp file;
    bool resumed;
};

static char *partial_path(const struct mlo_store *s, const struct mlo_digest *d, struct mlo_err *err)
{
    char hex[MLO_DIGEST_HEX + 1];
    return mlo_store_path(err, "%s/store/" MLO_PARTIAL_PATH "/%s", s->home, mlo_digest_hex(d, hex));
}

/* Between opening and locking it may have become the blob itself, which is never written again. */
static bool is_still(int fd, const char *path)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && lstat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* A run that died just before the rename had taken the right to write away already. */
static void make_writable(const char *path)
{
    MLO_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && is_still(fd, path))
        (void)fchmod(fd, 0600);
}

/* *ret -1 when somebody else is at work on it. */
static int open_shared(const char *path, int *ret, struct mlo_err *err)
{
    for (int tries = 0; tries < 100; tries++) {
        MLO_AUTOCLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 && errno == EACCES && tries == 0) {
            make_writable(path);
            continue;
        }
        if (fd < 0)
            return mlo_fail_errno(err, "cannot create '%s'", path);
        if (flock(fd, LOCK_EX | LOCK_NB) != 0)
            break; /* held, or no locks here: then nobody can be told apart */
        if (is_still(fd, path)) {
            *ret = mlo_steal_fd(&fd);
            return 0;
        }
    }
    *ret = -1;
    return 0;
}

static int make_room(struct mlo_partial *p, struct mlo_err *err)
{
    struct stat st;
    if (fstat(p->file.fd, &st) != 0)
        return mlo_fail_errno(err, "cannot stat");
    p->resumed = st.st_size > 0;
    if ((uint64_t)st.st_size == p->size) /* reserved when it was begun; tmpfs would fill its holes */
        return 0;
    if (p->size >= RESERVE_MIN && fallocate(p->file.fd, 0, 0, (off_t)p->size) != 0 &&
        (errno == ENOSPC || errno == EDQUOT))
        return mlo_fail_errno(err, "cannot store %" PRIu64 " bytes", p->size);
    return ftruncate(p->file.fd, (off_t)p->size) == 0
               ? 0
               : mlo_fail_errno(err, "cannot store %" PRIu64 " bytes", p->size);
}

static int open_file(struct mlo_partial *p, struct mlo_err *err)
{
    MLO_AUTOFREE char *path = partial_path(p->store, &p->digest, err);
    if (!path)
        return err->code;
    int rc = mlo_mkdirs_at(p->store->root_fd, MLO_PARTIAL_PATH, 0700, err);
    if (rc == 0)
        rc = open_shared(path, &p->file.fd, err);
    if (rc == 0 && p->file.fd < 0)
        return mlo_blob_tmp_open(p->store, &p->file, err);
    if (rc == 0)
        p->file.path = mlo_steal(&path);
    return rc;
}

int mlo_partial_begin(struct mlo_store *s, const struct mlo_digest *d, uint64_t size,
                      struct mlo_partial **ret, struct mlo_err *err)
{
    struct mlo_partial *p = mlo_calloc(1, sizeof *p, err);
    if (!p)
        return MLO_EIO;
    *p = (struct mlo_partial){.store = s, .digest = *d, .size = size, .file = MLO_BLOB_TMP_INIT};
    int rc = open_file(p, err);
    if (rc == 0)
        rc = make_room(p, err);
    if (rc != 0) {
        mlo_partial_keep(p);
        return rc;
    }
    *ret = p;
    return 0;
}

int mlo_partial_fd(const struct mlo_partial *p)
{
    return p->file.fd;
}

bool mlo_partial_resumed(const struct mlo_partial *p)
{
    return p->resumed;
}

int mlo_partial_commit(struct mlo_partial *p, struct mlo_err *err)
{
    int rc = mlo_blob_tmp_publish(p->store, &p->file, &p->digest, p->size, false, err);
    free(p);
    return rc;
}

void mlo_partial_keep(struct mlo_partial *p)
{
    if (!p)
        return;
    mlo_cleanup_close(&p->file.fd); /* a file of its own goes with its run's folder */
    free(p->file.path);
    free(p);
}

void mlo_partial_discard(struct mlo_partial *p)
{
    if (!p)
        return;
    mlo_blob_tmp_discard(&p->file);
    free(p);
}

/* ---- gc ---- */

int mlo_partial_sweep(struct mlo_store *s, int dirfd, const char *name, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct mlo_digest d;
    struct stat st, blob;
    struct mlo_err ignored = MLO_ERR_INIT;
    if (fd < 0 || mlo_digest_from_hex(name, strlen(name), &d, &ignored) < 0 || fstat(fd, &st) != 0)
        return 0;
    bool wanted = st.st_mtim.tv_sec + MLO_PARTIAL_KEEP_S > time(NULL) && !mlo_store_stat_blob(s, &d, &blob);
    if (wanted || flock(fd, LOCK_EX | LOCK_NB) != 0 || unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
        return 0;
    return mlo_fail_errno(err, "cannot remove '%s'", name);
}
