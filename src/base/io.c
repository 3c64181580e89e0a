/* Reading and writing whole things, locks, copies. Durable replacement of files is newfile.c, paths from
 * outside path.c. */
#include <mlopsctl/base/io.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "path.h"

#define COPY_PIECE   ((size_t)1 << 20)
#define LOCK_POLL_MS 5
#define LOCK_SAY_MS  200

int mlo_read(int fd, void *buf, size_t n, size_t *ret_n, struct mlo_err *err)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got = read(fd, (char *)buf + done, n - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return mlo_fail_errno(err, "read");
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *ret_n = done;
    return 0;
}

int mlo_read_at(int fd, void *buf, size_t n, uint64_t off, size_t *ret_n, struct mlo_err *err)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(fd, (char *)buf + done, n - done, (off_t)(off + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return mlo_fail_errno(err, "read");
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *ret_n = done;
    return 0;
}

int mlo_read_exact_at(int fd, void *buf, size_t n, uint64_t off, struct mlo_err *err)
{
    size_t got;
    if (mlo_read_at(fd, buf, n, off, &got, err))
        return err->code;
    if (got < n)
        return mlo_fail(err, MLO_EINVALID, "the file ends at byte %llu", (unsigned long long)(off + got));
    return 0;
}

int mlo_open_temporary(const char *folder, int *ret_fd, struct mlo_err *err)
{
    char name[MLO_PATH_MAX];
    folder = folder ? folder : "/tmp";
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) { /* a file system that cannot */
        snprintf(name, sizeof name, "%s/" MLO_TMP_PREFIX "XXXXXX", folder);
        fd = mkostemp(name, O_CLOEXEC);
        if (fd >= 0)
            unlink(name);
    }
    if (fd < 0) {
        mlo_fail_errno(err, "no temporary file can be made in '%s'", folder);
        return mlo_hint(err, "set TMPDIR to a folder with room for what does not fit into memory");
    }
    *ret_fd = fd;
    return 0;
}

int mlo_write_all(int fd, const void *buf, size_t n, struct mlo_err *err)
{
    const char *p = buf;
    while (n) {
        ssize_t put = write(fd, p, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return mlo_fail_errno(err, "write");
        p += put;
        n -= (size_t)put;
    }
    return 0;
}

int mlo_write_all_at(int fd, const void *buf, size_t n, uint64_t off, struct mlo_err *err)
{
    const char *p = buf;
    while (n) {
        ssize_t put = pwrite(fd, p, n, (off_t)off);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return mlo_fail_errno(err, "write");
        p += put;
        off += (uint64_t)put;
        n -= (size_t)put;
    }
    return 0;
}

int mlo_fsync(int fd, const char *what, struct mlo_err *err)
{
    return fsync(fd) ? mlo_fail_errno(err, "cannot bring %s to stable storage", what) : 0;
}

static int too_large(size_t max, struct mlo_err *err)
{
    return mlo_fail(err, MLO_EINVALID, "larger than the %zu bytes allowed for it", max);
}

/* Until the end. The size is only a first guess: files of /proc say 0, and a log grows while it is read. */
static int slurp_fd(int fd, size_t size, size_t max, char **ret, size_t *ret_len, struct mlo_err *err)
{
    MLO_AUTOFREE char *buf = NULL;
    size_t cap = 0, len = 0, got;
    do { /* one byte more than is known, to see the end, and one for the NUL */
        if (mlo_grow(&buf, &cap, (len ? len : size) + 2, 1, err) ||
            mlo_read(fd, buf + len, cap - 1 - len, &got, err))
            return err->code;
        len += got;
        if (len > max)
            return too_large(max, err);
    } while (len == cap - 1);
    buf[len] = '\0';
    *ret = mlo_steal(&buf);
    if (ret_len)
        *ret_len = len;
    return 0;
}

int mlo_slurp_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len, struct mlo_err *err)
{
    struct stat st;
    MLO_AUTOCLOSE int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st))
        return mlo_fail_path(err, "cannot read", path);
    if (!S_ISREG(st.st_mode))
        return mlo_wrap_path(err, mlo_fail(err, MLO_EINVALID, "not a regular file"), path);
    if ((uint64_t)st.st_size > max)
        return mlo_wrap_path(err, too_large(max, err), path);
    int rc = slurp_fd(fd, (size_t)st.st_size, max, ret, ret_len, err);
    return rc ? mlo_wrap_path(err, rc, path) : 0;
}

int mlo_reflink(int dst, int src, struct mlo_err *err)
{
    if (ioctl(dst, FICLONE, src) == 0)
        return 0;
    return mlo_fail(err, MLO_EUNAVAIL, "this file system shares no extents");
}

int mlo_copy_fd(int dst, int src, uint64_t size, struct mlo_err *err)
{
    struct stat st;
    struct mlo_err refused = MLO_ERR_INIT;
    if (mlo_reflink(dst, src, &refused) == 0) {
        if (fstat(dst, &st))
            return mlo_fail_errno(err, "copy");
        if ((uint64_t)st.st_size < size) /* growing it would invent bytes */
            return mlo_fail(err, MLO_EINVALID, "the file ends at byte %lld", (long long)st.st_size);
        return ftruncate(dst, (off_t)size) ? mlo_fail_errno(err, "copy") : 0;
    }
    MLO_AUTOFREE char *buf = mlo_calloc(COPY_PIECE, 1, err);
    if (!buf)
        return err->code;
    for (uint64_t off = 0; off < size;) {
        size_t n = size - off < COPY_PIECE ? (size_t)(size - off) : COPY_PIECE;
        if (mlo_read_exact_at(src, buf, n, off, err) || mlo_write_all_at(dst, buf, n, off, err))
            return err->code;
        off += n;
    }
    return 0;
}

static void sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

int mlo_lock_fd(int fd, bool exclusive, int wait_ms, void (*on_wait)(void *), void *ctx, struct mlo_err *err)
{
    int how = exclusive ? LOCK_EX : LOCK_SH;
    for (int waited = 0;; waited += LOCK_POLL_MS) {
        if (flock(fd, how | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return mlo_fail_errno(err, "lock");
        if (wait_ms >= 0 && waited >= wait_ms)
            return mlo_fail(err, MLO_ECONFLICT, "the lock is held by another process");
        if (on_wait && waited == LOCK_SAY_MS)
            on_wait(ctx);
        sleep_ms(LOCK_POLL_MS);
    }
}
