/*
 * The store's folder: opening, locking, looking, reading. The invariant the whole module keeps: a file under
 * blobs/sha256/<hex> had all its bytes on disk before it got that name, is never written again, and is hashed
 * against its name each time its content leaves through mlo_store_read or mlo_store_verify_blob. Presence is
 * therefore cheap (a stat), trust is not: whoever opens a blob without verifying hashes what it reads.
 */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/json.h>
#include <mlopsctl/base/text.h>

#define LAYOUT_TEXT "{\"imageLayoutVersion\":\"1.0.0\"}"
#define LAYOUT_MAX  4096
#define EMPTY_INDEX                                                                                          \
    "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[]}"

/* ---- opening ---- */

char *mlo_store_path(struct mlo_err *err, const char *fmt, ...)
{
    MLO_AUTOSTR struct mlo_str path;
    va_list ap;
    mlo_str_init(&path, MLO_PATH_MAX);
    va_start(ap, fmt);
    mlo_str_vaddf(&path, fmt, ap);
    va_end(ap);
    if (mlo_str_check(&path, err) < 0)
        return NULL;
    char *text = mlo_str_detach(&path, NULL);
    if (!text)
        mlo_fail_nomem(err);
    return text;
}

static int check_layout(const struct mlo_store *s, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t n;
    int rc = mlo_slurp_at(s->root_fd, "oci-layout", LAYOUT_MAX, &text, &n, err);
    if (rc < 0)
        return rc;
    MLO_AUTOJSON cJSON *doc = NULL;
    rc = mlo_json_parse(text, n, LAYOUT_MAX, &doc, err);
    if (rc < 0)
        return mlo_wrap(err, "'%s/store/oci-layout'", s->home);
    const char *version = mlo_json_text(doc, "imageLayoutVersion");
    if (!version || strncmp(version, "1.", 2) != 0)
        return mlo_fail(err, MLO_EUNAVAIL, "'%s/store' is not an OCI image layout of version 1", s->home);
    return 0;
}

/* Two processes may create the store at once: what is there already is as good as what we would write. */
static int write_first(int dirfd, const char *name, const char *text, struct mlo_err *err)
{
    if (faccessat(dirfd, name, F_OK, 0) == 0)
        return 0;
    struct mlo_newfile f = MLO_NEWFILE_INIT;
    int rc = mlo_newfile_begin(&f, dirfd, name, 0644, err);
    if (rc == 0)
        rc = mlo_write_all(f.fd, text, strlen(text), err);
    if (rc < 0) {
        mlo_newfile_abort(&f);
        return rc;
    }
    rc = mlo_newfile_commit_excl(&f, err);
    return rc == MLO_ECONFLICT ? 0 : rc;
}

static int create_folders(int home_fd, struct mlo_err *err)
{
    MLO_AUTOCLOSE int root = -1;
    int rc = mlo_mkdirs_at(home_fd, "store/" MLO_BLOBS_PATH, 0755, err);
    if (rc < 0)
        return rc;
    root = openat(home_fd, "store", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (root < 0)
        return mlo_fail_errno(err, "cannot open folder 'store'");
    rc = write_first(root, "oci-layout", LAYOUT_TEXT, err);
    return rc < 0 ? rc : write_first(root, "index.json", EMPTY_INDEX, err);
}

static int open_folder(int dirfd, const char *path, int *ret, struct mlo_err *err)
{
    *ret = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*ret >= 0)
        return 0;
    return mlo_fail_errno(err, "cannot open folder '%s'", path);
}

static int open_folders(struct mlo_store *s, bool create, struct mlo_err *err)
{
    MLO_AUTOCLOSE int home_fd = -1;
    int rc = create ? mlo_mkdirs_at(AT_FDCWD, s->home, 0700, err) : 0;
    if (rc == 0)
        rc = open_folder(AT_FDCWD, s->home, &home_fd, err);
    if (rc == 0 && create)
        rc = create_folders(home_fd, err);
    if (rc == 0)
        rc = open_folder(home_fd, "store", &s->root_fd, err);
    if (rc == 0)
        rc = open_folder(s->root_fd, MLO_BLOBS_PATH, &s->blobs_fd, err);
    if (rc == 0)
        rc = check_layout(s, err);
    return rc;
}

int mlo_store_open(const char *home, bool create, struct mlo_store **ret, struct mlo_err *err)
{
    struct mlo_store *s = mlo_calloc(1, sizeof *s, err);
    if (!s)
        return MLO_EIO;
    s->root_fd = s->blobs_fd = s->lock_fd = -1;
    s->home = mlo_strdup(home, err);
    int rc = s->home ? open_folders(s, create, err) : MLO_EIO;
    if (rc < 0) {
        mlo_store_close(s);
        if (rc != MLO_ENOTFOUND)
            return rc;
        mlo_fail(err, MLO_ENOTFOUND, "no store in '%s'", home);
        return mlo_hint(err, "the first command that adds something makes it, for example: mlopsctl pack");
    }
    *ret = s;
    return 0;
}

void mlo_store_close(struct mlo_store *s)
{
    if (!s)
        return;
    mlo_cleanup_close(&s->root_fd);
    mlo_cleanup_close(&s->blobs_fd);
    mlo_cleanup_close(&s->lock_fd); /* drops the lock */
    free(s->home);
    free(s);
}

void mlo_store_set_tmp(struct mlo_store *s, const char *folder)
{
    s->tmp = folder;
}

const char *mlo_store_tmp(const struct mlo_store *s)
{
    return s->tmp;
}

/* ---- locking and batches ---- */

static int open_lock_file(struct mlo_store *s, struct mlo_err *err)
{
    if (s->lock_fd >= 0)
        return 0;
    MLO_AUTOFREE char *path = mlo_store_path(err, "%s/store.lock", s->home);
    if (!path)
        return err->code;
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return s->lock_fd >= 0 ? 0 : mlo_fail_errno(err, "cannot open '%s'", path);
}

int mlo_store_lock(struct mlo_store *s, bool exclusive, int wait_ms, struct mlo_err *err)
{
    int rc = open_lock_file(s, err);
    if (rc < 0)
        return rc;
    s->lock = MLO_STORE_UNLOCKED; /* flock gives the old lock up before it waits for the new one */
    rc = mlo_lock_fd(s->lock_fd, exclusive, wait_ms, NULL, NULL, err);
    if (rc == MLO_ECONFLICT)
        return mlo_wrap(err, "the store is in use by %s", exclusive ? "another command" : "gc");
    if (rc == 0)
        s->lock = exclusive ? MLO_STORE_EXCLUSIVE : MLO_STORE_SHARED;
    return rc;
}

void mlo_store_unlock(struct mlo_store *s)
{
    mlo_cleanup_close(&s->lock_fd);
    s->lock_fd = -1;
    s->lock = MLO_STORE_UNLOCKED;
}

int mlo_store_sync_names(struct mlo_store *s, struct mlo_err *err)
{
    if (s->batch) {
        s->unsynced = true;
        return 0;
    }
    return mlo_fsync(s->blobs_fd, "blob folder", err);
}

void mlo_store_begin_batch(struct mlo_store *s)
{
    s->batch = true;
}

int mlo_store_commit_batch(struct mlo_store *s, struct mlo_err *err)
{
    s->batch = false;
    return atomic_exchange(&s->unsynced, false) ? mlo_store_sync_names(s, err) : 0;
}

/* ---- looking ---- */

bool mlo_store_stat_blob(const struct mlo_store *s, const struct mlo_digest *d, struct stat *ret)
{
    char hex[MLO_DIGEST_HEX + 1];
    return fstatat(s->blobs_fd, mlo_digest_hex(d, hex), ret, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(ret->st_mode);
}

bool mlo_store_has(struct mlo_store *s, const struct mlo_digest *d, uint64_t *ret_size)
{
    struct stat st;
    if (!mlo_store_stat_blob(s, d, &st))
        return false;
    if (s->batch)
        s->unsynced = true; /* another process may have named it and not synced the folder yet */
    if (ret_size)
        *ret_size = (uint64_t)st.st_size;
    return true;
}

int mlo_store_scan(int dirfd, const char *path,
                   int (*fn)(void *ctx, int dirfd, const char *name, struct mlo_err *err), void *ctx,
                   struct mlo_err *err)
{
    int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return mlo_fail_errno(err, "cannot list folder '%s'", path);
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int rc = mlo_fail_errno(err, "cannot list folder '%s'", path);
        close(fd);
        return rc;
    }
    int rc = 0;
    while (rc == 0) {
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (!e) {
            rc = errno ? mlo_fail_errno(err, "cannot list folder '%s'", path) : 0;
            break;
        }
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            rc = fn(ctx, fd, e->d_name, err);
    }
    closedir(dir);
    return rc;
}

struct each {
    int (*fn)(void *ctx, const struct mlo_digest *d, uint64_t size, struct mlo_err *err);
    void *ctx;
};

static int each_entry(void *ctx, int dirfd, const char *name, struct mlo_err *err)
{
    const struct each *e = ctx;
    struct mlo_err ignored = MLO_ERR_INIT;
    struct mlo_digest d;
    struct stat st;
    if (mlo_digest_from_hex(name, strlen(name), &d, &ignored) < 0)
        return 0;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return 0; /* removed meanwhile, or no blob */
    return e->fn(e->ctx, &d, (uint64_t)st.st_size, err);
}

int mlo_store_each(struct mlo_store *s,
                   int (*fn)(void *ctx, const struct mlo_digest *d, uint64_t size, struct mlo_err *err),
                   void *ctx, struct mlo_err *err)
{
    struct each e = {fn, ctx};
    return mlo_store_scan(s->blobs_fd, ".", each_entry, &e, err);
}

/* ---- reading ---- */

int mlo_store_open_blob(struct mlo_store *s, const struct mlo_digest *d, int *ret_fd, uint64_t *ret_size,
                        struct mlo_err *err)
{
    char text[MLO_DIGEST_TEXT], hex[MLO_DIGEST_HEX + 1];
    mlo_digest_text(d, text);
    MLO_AUTOCLOSE int fd = openat(s->blobs_fd, mlo_digest_hex(d, hex),
                                  O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return mlo_fail(err, MLO_ENOTFOUND, "blob %s is not in the store", text);
    if (fd < 0 && errno == ELOOP)
        return mlo_fail(err, MLO_EINVALID, "blob %s is a symbolic link", text);
    if (fd < 0)
        return mlo_fail_errno(err, "cannot open blob %s", text);
    struct stat st;
    if (fstat(fd, &st) < 0)
        return mlo_fail_errno(err, "cannot stat blob %s", text);
    if (!S_ISREG(st.st_mode))
        return mlo_fail(err, MLO_EINVALID, "blob %s is not a regular file", text);
    if (ret_size)
        *ret_size = (uint64_t)st.st_size;
    *ret_fd = mlo_steal_fd(&fd);
    return 0;
}

static int fail_damaged(const struct mlo_digest *want, const struct mlo_digest *got, struct mlo_err *err)
{
    char a[MLO_DIGEST_TEXT], b[MLO_DIGEST_TEXT];
    mlo_fail(err, MLO_EINVALID, "blob %s is damaged: its bytes hash to %s", mlo_digest_text(want, a),
             mlo_digest_text(got, b));
    return mlo_hint(err, "repair it from another copy: mlopsctl verify --repair FROM");
}

int mlo_store_read(struct mlo_store *s, const struct mlo_digest *d, size_t max, char **ret, size_t *ret_len,
                   struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    MLO_AUTOFREE char *data = NULL;
    char text[MLO_DIGEST_TEXT];
    uint64_t size;
    int rc = mlo_store_open_blob(s, d, &fd, &size, err);
    if (rc < 0)
        return rc;
    if (size > max)
        return mlo_fail(err, MLO_EINVALID, "blob %s has %" PRIu64 " bytes, more than the %zu expected here",
                        mlo_digest_text(d, text), size, max);
    data = malloc((size_t)size + 1);
    if (!data)
        return mlo_fail_nomem(err);
    rc = mlo_read_exact_at(fd, data, (size_t)size, 0, err);
    if (rc < 0)
        return mlo_wrap(err, "blob %s", mlo_digest_text(d, text));
    struct mlo_digest got;
    rc = mlo_sha256(data, (size_t)size, &got, err);
    if (rc < 0)
        return rc;
    if (!mlo_digest_eq(&got, d))
        return fail_damaged(d, &got, err);
    data[size] = '\0';
    *ret_len = (size_t)size;
    *ret = mlo_steal(&data);
    return 0;
}

int mlo_store_verify_blob(struct mlo_store *s, const struct mlo_digest *d, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    char text[MLO_DIGEST_TEXT];
    int rc = mlo_store_open_blob(s, d, &fd, NULL, err);
    if (rc < 0)
        return rc;
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    struct mlo_digest got;
    rc = mlo_sha256_fd(fd, &got, err);
    if (rc < 0)
        return mlo_wrap(err, "blob %s", mlo_digest_text(d, text));
    return mlo_digest_eq(&got, d) ? 0 : fail_damaged(d, &got, err);
}

/* ---- damaged blobs ---- */

int mlo_store_quarantine(struct mlo_store *s, const struct mlo_digest *d, struct mlo_err *err)
{
    MLO_AUTOCLOSE int damaged = -1;
    char hex[MLO_DIGEST_HEX + 1];
    mlo_digest_hex(d, hex);
    int rc = mlo_mkdirs_at(s->root_fd, MLO_DAMAGED_PATH, 0755, err);
    if (rc == 0)
        rc = open_folder(s->root_fd, MLO_DAMAGED_PATH, &damaged, err);
    if (rc < 0)
        return rc;
    if (renameat(s->blobs_fd, hex, damaged, hex) < 0)
        return mlo_fail_errno(err, "cannot move damaged blob sha256:%s away", hex);
    rc = mlo_fsync(damaged, "folder of damaged blobs", err);
    return rc < 0 ? rc : mlo_fsync(s->blobs_fd, "blob folder", err);
}

int mlo_store_repair(struct mlo_store *s, const struct mlo_digest *d, int good_fd, struct mlo_err *err)
{
    struct mlo_blob_tmp tmp = MLO_BLOB_TMP_INIT;
    struct mlo_ingest in = {.fd = good_fd, .label = "replacement", .threads = 1};
    struct mlo_digest got;
    uint64_t size = 0;
    int rc = mlo_blob_tmp_open(s, &tmp, err);
    if (rc == 0)
        rc = mlo_ingest_run(&in, &tmp, &got, &size, err);
    if (rc == 0 && !mlo_digest_eq(&got, d)) {
        char a[MLO_DIGEST_TEXT], b[MLO_DIGEST_TEXT];
        rc = mlo_fail(err, MLO_EINVALID, "replacement for blob %s hashes to %s", mlo_digest_text(d, a),
                      mlo_digest_text(&got, b));
    }
    if (rc == 0)
        return mlo_blob_tmp_publish(s, &tmp, d, size, true, err);
    mlo_blob_tmp_discard(&tmp);
    return rc;
}
