/*
 * The directory transport: keys are paths below one folder. Objects appear by rename, so a reader never sees
 * half of one, and are on stable storage when put returns. Keys are checked and opened without following
 * links: the folder may be shared with others.
 */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#define DIRECTORY_IO_BYTES  ((size_t)1 << 20)
#define DIRECTORY_PARALLEL  2
#define DIRECTORY_DEPTH_MAX 64

struct directory {
    int fd;
};

static int open_object(struct directory *d, const char *key, int *ret_fd, uint64_t *ret_size,
                       struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    struct stat st;
    int rc = mlo_open_beneath(d->fd, key, O_RDONLY | O_NONBLOCK, 0, &fd, err);
    if (rc != 0 && err->sys_errno == ENOTDIR)
        return mlo_fail(err, MLO_ENOTFOUND, "'%s': not there", key);
    if (rc != 0)
        return rc;
    if (fstat(fd, &st) != 0)
        return mlo_fail_errno(err, "'%s'", key);
    if (S_ISDIR(st.st_mode)) {
        mlo_fail(err, MLO_ENOTFOUND, "'%s' is a folder", key);
        err->sys_errno = EISDIR;
        return MLO_ENOTFOUND;
    }
    if (!S_ISREG(st.st_mode))
        return mlo_fail(err, MLO_EINVALID, "'%s' is no regular file", key);
    *ret_size = (uint64_t)st.st_size;
    *ret_fd = mlo_steal_fd(&fd);
    return 0;
}

static int directory_stat(void *self, const char *key, uint64_t *ret_size, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    return open_object(self, key, &fd, ret_size, err);
}

/* ---- put ---- */

static int open_parent(struct directory *d, const char *key, int *ret_fd, const char **ret_name,
                       struct mlo_err *err)
{
    const char *slash = strrchr(key, '/');
    int rc = mlo_path_check(key, strlen(key), err);
    if (rc != 0)
        return rc;
    if (!slash) {
        *ret_fd = fcntl(d->fd, F_DUPFD_CLOEXEC, 0);
        *ret_name = key;
        return *ret_fd < 0 ? mlo_fail_errno(err, "'%s'", key) : 0;
    }
    MLO_AUTOFREE char *parent = mlo_memdup0(key, (size_t)(slash - key), err);
    if (!parent)
        return MLO_EIO;
    rc = mlo_open_beneath(d->fd, parent, O_RDONLY | O_DIRECTORY, 0, ret_fd, err);
    if (rc == MLO_ENOTFOUND) {
        rc = mlo_mkdirs_at(d->fd, parent, 0777, err);
        if (rc == 0)
            rc = mlo_open_beneath(d->fd, parent, O_RDONLY | O_DIRECTORY, 0, ret_fd, err);
    }
    *ret_name = slash + 1;
    return rc;
}

/* What arrives is compared with what was announced: a source that changed under the hand must not spoil the
 * remote. */
static int write_body(int fd, const struct mlo_body *body, struct mlo_err *err)
{
    MLO_AUTOFREE char *buf = malloc(DIRECTORY_IO_BYTES);
    struct mlo_sha256 hash = {0};
    struct mlo_digest got;
    size_t n = 0;
    int rc = buf ? mlo_sha256_new(&hash, err) : mlo_fail_nomem(err);
    for (uint64_t done = 0; rc == 0 && done < body->size; done += n) {
        rc = body->read(body->ctx, done, buf, DIRECTORY_IO_BYTES, &n, err);
        if (rc == 0)
            rc = mlo_sha256_update(&hash, buf, n, err);
        if (rc == 0)
            rc = mlo_write_all(fd, buf, n, err);
    }
    if (rc == 0)
        rc = mlo_sha256_end(&hash, &got, err);
    mlo_sha256_free(&hash);
    if (rc == 0 && !mlo_digest_eq(&got, &body->digest))
        rc = mlo_fail(err, MLO_ECONFLICT, "data changed while it was sent");
    return rc;
}

static int directory_put(void *self, const char *key, const struct mlo_body *body, struct mlo_err *err)
{
    MLO_AUTOCLOSE int parent = -1;
    struct mlo_newfile f = MLO_NEWFILE_INIT;
    const char *name = NULL;
    int rc = open_parent(self, key, &parent, &name, err);
    if (rc == 0)
        rc = mlo_newfile_begin(&f, parent, name, 0644, err);
    if (rc == 0)
        rc = write_body(f.fd, body, err);
    if (rc == 0)
        return mlo_newfile_commit(&f, err);
    mlo_newfile_abort(&f);
    return rc;
}

/* ---- get, remove, list ---- */

static int directory_get(void *self, const char *key, uint64_t offset, uint64_t length, uint64_t max,
                         int (*sink)(void *ctx, const void *p, size_t n, struct mlo_err *err), void *ctx,
                         struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    MLO_AUTOFREE char *buf = malloc(DIRECTORY_IO_BYTES);
    uint64_t size = 0;
    if (!buf)
        return mlo_fail_nomem(err);
    int rc = open_object(self, key, &fd, &size, err);
    if (rc != 0)
        return rc;
    if (offset > size || (length != UINT64_MAX && length > size - offset))
        return mlo_fail(err, MLO_EINVALID, "'%s' is shorter than it should be", key);
    uint64_t left = length == UINT64_MAX ? size - offset : length;
    if (left > max)
        return mlo_fail(err, MLO_EINVALID, "'%s' is larger than allowed", key);
    while (rc == 0 && left > 0) {
        size_t n = left < DIRECTORY_IO_BYTES ? (size_t)left : DIRECTORY_IO_BYTES;
        rc = mlo_read_exact_at(fd, buf, n, offset, err);
        if (rc == 0)
            rc = sink(ctx, buf, n, err);
        offset += n;
        left -= n;
    }
    return rc;
}

static int directory_remove(void *self, const char *key, struct mlo_err *err)
{
    MLO_AUTOCLOSE int parent = -1;
    const char *name = NULL;
    int rc = open_parent(self, key, &parent, &name, err);
    if (rc != 0)
        return rc;
    if (unlinkat(parent, name, 0) != 0)
        return errno == ENOENT ? 0 : mlo_fail_errno(err, "cannot remove '%s'", key);
    return mlo_fsync(parent, key, err);
}

struct listing {
    int (*fn)(void *ctx, const char *key, uint64_t size, struct mlo_err *err);
    void *ctx;
    bool all; /* hidden names too, which are temporaries of ours or files of others */
};

static int list_folder(int dirfd, struct mlo_str *key, int depth, const struct listing *l,
                       struct mlo_err *err);

/* `key` is the entry's key; hidden names are temporaries. Links and special files are passed over. */
static int list_entry(int dirfd, const char *name, struct mlo_str *key, int depth, const struct listing *l,
                      struct mlo_err *err)
{
    struct stat st;
    int rc = mlo_str_check(key, err);
    if (rc != 0)
        return rc;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : mlo_fail_errno(err, "'%s'", key->ptr);
    if (S_ISREG(st.st_mode))
        return l->fn(l->ctx, key->ptr, (uint64_t)st.st_size, err);
    if (!S_ISDIR(st.st_mode))
        return 0;
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? mlo_fail_errno(err, "'%s'", key->ptr) : list_folder(fd, key, depth + 1, l, err);
}

/* Takes dirfd. */
static int list_folder(int dirfd, struct mlo_str *key, int depth, const struct listing *l,
                       struct mlo_err *err)
{
    DIR *dir = fdopendir(dirfd);
    size_t len = key->len;
    int rc = 0;
    if (!dir) {
        close(dirfd);
        return mlo_fail_errno(err, "cannot read folder '%s'", key->ptr);
    }
    if (depth > DIRECTORY_DEPTH_MAX)
        rc = mlo_fail(err, MLO_EINVALID, "folders are nested deeper than %d", DIRECTORY_DEPTH_MAX);
    for (struct dirent *e = rc == 0 ? readdir(dir) : NULL; e && rc == 0; e = readdir(dir)) {
        bool dots = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
        if (dots || (e->d_name[0] == '.' && !l->all))
            continue;
        mlo_str_addf(key, "%s%s", len ? "/" : "", e->d_name);
        rc = list_entry(dirfd, e->d_name, key, depth, l, err);
        key->ptr[len] = '\0';
        key->len = len;
    }
    closedir(dir);
    return rc;
}

static int directory_list(void *self, const char *prefix,
                          int (*fn)(void *ctx, const char *key, uint64_t size, struct mlo_err *err),
                          void *ctx, struct mlo_err *err)
{
    struct directory *d = self;
    MLO_AUTOSTR struct mlo_str key;
    struct listing l = {fn, ctx, !*prefix};
    int fd = -1;
    mlo_str_init(&key, MLO_PATH_MAX);
    mlo_str_add(&key, prefix);
    int rc = mlo_str_check(&key, err);
    if (rc == 0 && *prefix)
        rc = mlo_open_beneath(d->fd, prefix, O_RDONLY | O_DIRECTORY, 0, &fd, err);
    else if (rc == 0 && (fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        rc = mlo_fail_errno(err, "cannot open the folder");
    if (rc == MLO_ENOTFOUND)
        return 0;
    return rc != 0 ? rc : list_folder(fd, &key, 0, &l, err);
}

static void directory_close(void *self)
{
    struct directory *d = self;
    close(d->fd);
    free(d);
}

/* ---- opening ---- */

static int file_url(const char *path, char **ret, struct mlo_err *err)
{
    MLO_AUTOFREE char *real = realpath(path, NULL);
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, PATH_MAX + 16);
    if (!real)
        return mlo_fail_errno(err, "cannot resolve");
    mlo_str_addf(&url, "file://%s", real);
    int rc = mlo_str_check(&url, err);
    if (rc == 0)
        *ret = mlo_str_detach(&url, NULL);
    return rc;
}

int mlo_directory_open(const char *path, bool create, struct mlo_transport *ret, void **ret_self,
                       char **ret_url, struct mlo_err *err)
{
    static const struct mlo_transport transport = {.kind = "directory",
                                                   .stat = directory_stat,
                                                   .put = directory_put,
                                                   .get = directory_get,
                                                   .remove = directory_remove,
                                                   .list = directory_list,
                                                   .close = directory_close,
                                                   .parallel = DIRECTORY_PARALLEL};
    MLO_AUTOFREE char *url = NULL;
    MLO_AUTOFREE struct directory *d = mlo_calloc(1, sizeof *d, err);
    if (!d)
        return MLO_EIO;
    int rc = create ? mlo_mkdirs_at(AT_FDCWD, path, 0777, err) : 0;
    if (rc != 0)
        return rc;
    d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0)
        return mlo_fail_errno(err, "cannot open folder");
    rc = file_url(path, &url, err);
    if (rc != 0) {
        close(d->fd);
        return rc;
    }
    *ret = transport;
    *ret_self = mlo_steal(&d);
    *ret_url = mlo_steal(&url);
    return 0;
}
