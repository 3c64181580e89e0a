/*
 * Opening a file that a model names as the home of its weights. The name comes from the model, so it is
 * hostile: symbolic links, hard links, FIFOs and devices were all used to read what the model's author could
 * not.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

int mlo_external_open(int dirfd, const char *path, uint64_t offset, uint64_t length, int *ret_fd,
                      uint64_t *ret_size, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    struct stat st;
    MLO_AUTOCLOSE int fd = -1;
    mlo_shown(path, strlen(path), shown);
    int r = mlo_path_check(path, strlen(path), err);
    /* O_NONBLOCK: a FIFO must not make us wait; it has no effect on regular files. */
    if (r == 0)
        r = mlo_open_beneath(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0, &fd, err);
    if (r < 0)
        return mlo_wrap(err, "external data \"%s\"", shown);
    if (fstat(fd, &st) < 0)
        return mlo_fail_errno(err, "external data \"%s\"", shown);
    if (!S_ISREG(st.st_mode))
        return mlo_fail(err, MLO_EINVALID, "external data \"%s\": not a regular file", shown);
    if (st.st_nlink != 1)
        return mlo_fail(err, MLO_EINVALID, "external data \"%s\": a hard link, the file has %ju names", shown,
                        (uintmax_t)st.st_nlink);
    uint64_t size = (uint64_t)st.st_size;
    if (offset > size || length > size - offset)
        return mlo_fail(err, MLO_EINVALID,
                        "external data \"%s\": %" PRIu64 " bytes at %" PRIu64 ", but the file has %" PRIu64,
                        shown, length, offset, size);
    *ret_fd = mlo_steal_fd(&fd);
    *ret_size = size;
    return 0;
}
