/*
 * Durable replacement: temporary name in the folder of the final one -> write -> fsync -> rename -> fsync of
 * the folder. The rename is the only moment at which the final name changes. The descriptor, and with it the
 * lock that says "alive", is kept until after the rename.
 */
#include <mlopsctl/base/io.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "path.h"

static int open_folder_of(int dirfd, const char *path, int *ret_fd, char **ret_name, struct mlo_err *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (!*name)
        return mlo_wrap_path(err, mlo_fail(err, MLO_EUSAGE, "names no file"), path);
    MLO_AUTOFREE char *folder = slash ? mlo_memdup0(path, n ? n : 1, err) : mlo_strdup(".", err);
    MLO_AUTOFREE char *copy = mlo_strdup(name, err);
    if (!folder || !copy)
        return err->code;
    int fd = openat(dirfd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return mlo_fail_path(err, "folder", folder);
    *ret_fd = fd;
    *ret_name = mlo_steal(&copy);
    return 0;
}

/* Some network file systems answer EINVAL here; there is nothing stronger to ask them for. */
static int fsync_folder(int fd, struct mlo_err *err)
{
    return mlo_fsync(fd, "the folder", err) && err->sys_errno != EINVAL ? err->code : 0;
}

/* path: what the file will be, for messages. */
static int open_temporary(struct mlo_newfile *f, mode_t mode, const char *path, struct mlo_err *err)
{
    for (int tries = 0; tries < 100; tries++) {
        uint64_t random;
        char name[64];
        if (getrandom(&random, sizeof random, 0) != sizeof random)
            return mlo_fail_errno(err, "random bytes");
        snprintf(name, sizeof name, MLO_TMP_PREFIX "%ld-%016llx", (long)getpid(), (unsigned long long)random);
        f->fd = openat(f->dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (f->fd >= 0) {
            mlo_tmp_hold(f->fd);
            f->tmp = mlo_strdup(name, err);
            if (!f->tmp)
                unlinkat(f->dirfd, name, 0);
            return f->tmp ? 0 : err->code;
        }
        if (errno != EEXIST)
            break;
    }
    if (errno == ENOENT) /* the folder is there: /proc and its like */
        return mlo_wrap_path(err, mlo_fail(err, MLO_EIO, "its folder takes no new files"), path);
    return mlo_fail_path(err, "cannot create", path);
}

int mlo_newfile_begin(struct mlo_newfile *f, int dirfd, const char *path, mode_t mode, struct mlo_err *err)
{
    *f = MLO_NEWFILE_INIT;
    if (open_folder_of(dirfd, path, &f->dirfd, &f->name, err))
        return err->code;
    mlo_tmp_sweep(f->dirfd);
    if (open_temporary(f, mode, path, err) == 0)
        return 0;
    mlo_newfile_abort(f);
    return err->code;
}

static void forget(struct mlo_newfile *f)
{
    mlo_cleanup_close(&f->fd);
    mlo_cleanup_close(&f->dirfd);
    free(f->name);
    free(f->tmp);
    *f = MLO_NEWFILE_INIT;
}

void mlo_newfile_abort(struct mlo_newfile *f)
{
    if (f->tmp)
        unlinkat(f->dirfd, f->tmp, 0);
    forget(f);
}

/* Rename that refuses to replace; by link where the file system knows no RENAME_NOREPLACE. */
static int rename_excl(const struct mlo_newfile *f)
{
    if (syscall(SYS_renameat2, f->dirfd, f->tmp, f->dirfd, f->name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (linkat(f->dirfd, f->tmp, f->dirfd, f->name, 0))
        return -1;
    return unlinkat(f->dirfd, f->tmp, 0);
}

static int commit(struct mlo_newfile *f, bool excl, struct mlo_err *err)
{
    int rc = mlo_fsync(f->fd, "the new file", err);
    if (!rc && (excl ? rename_excl(f) : renameat(f->dirfd, f->tmp, f->dirfd, f->name))) {
        bool exists = errno == EEXIST;
        rc = exists ? mlo_wrap_path(err, mlo_fail(err, MLO_ECONFLICT, "is there already"), f->name)
                    : mlo_fail_path(err, "cannot rename to", f->name);
    }
    if (rc) {
        mlo_newfile_abort(f);
        return rc;
    }
    rc = fsync_folder(f->dirfd, err);
    forget(f);
    return rc;
}

int mlo_newfile_commit(struct mlo_newfile *f, struct mlo_err *err)
{
    return commit(f, false, err);
}

int mlo_newfile_commit_excl(struct mlo_newfile *f, struct mlo_err *err)
{
    return commit(f, true, err);
}

int mlo_write_file_at(int dirfd, const char *path, const void *data, size_t n, mode_t mode,
                      struct mlo_err *err)
{
    struct mlo_newfile f;
    if (mlo_newfile_begin(&f, dirfd, path, mode, err))
        return err->code;
    if (mlo_write_all(f.fd, data, n, err)) {
        mlo_newfile_abort(&f);
        return mlo_wrap_path(err, err->code, path);
    }
    return mlo_newfile_commit(&f, err);
}

int mlo_fsync_dir_of(int dirfd, const char *path, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    MLO_AUTOFREE char *name = NULL;
    if (open_folder_of(dirfd, path, &fd, &name, err))
        return err->code;
    return fsync_folder(fd, err);
}
