/*
 * Paths from outside. They are checked as text (mlo_path_check) and then walked with no link followed and no
 * way out of the folder they start from (mlo_open_beneath): either check alone has been got around elsewhere.
 */
#include <mlopsctl/base/io.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <mlopsctl/base/text.h>

#define TREE_DEPTH 256

static int check_component(const char *s, size_t n, struct mlo_err *err)
{
    if (n == 0)
        return mlo_fail(err, MLO_EINVALID, "it has an empty component");
    if ((n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
        return mlo_fail(err, MLO_EINVALID, "it has a component '%.*s'", (int)n, s);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f || s[i] == '\\')
            return mlo_fail(err, MLO_EINVALID, "it has a control byte or a backslash");
    return 0;
}

static int check_text(const char *path, size_t n, struct mlo_err *err)
{
    if (n == 0)
        return mlo_fail(err, MLO_EINVALID, "it is empty");
    if (n > MLO_PATH_MAX)
        return mlo_fail(err, MLO_EINVALID, "it has more than %d bytes", MLO_PATH_MAX);
    if (path[0] == '/')
        return mlo_fail(err, MLO_EINVALID, "it is absolute");
    if (!mlo_utf8_valid(path, n))
        return mlo_fail(err, MLO_EINVALID, "it is no valid UTF-8");
    for (size_t start = 0; start <= n;) {
        const char *slash = memchr(path + start, '/', n - start);
        size_t end = slash ? (size_t)(slash - path) : n;
        if (check_component(path + start, end - start, err))
            return err->code;
        start = end + 1;
    }
    return 0;
}

int mlo_path_check(const char *path, size_t n, struct mlo_err *err)
{
    if (check_text(path, n, err) == 0)
        return 0;
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, 200);
    mlo_escape(&shown, path, n < 100 ? n : 100);
    return mlo_wrap(err, "unsafe path '%s'", shown.ptr);
}

/* For kernels without openat2: every folder is opened with O_NOFOLLOW from the one before. */
static int walk_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
    int at = dirfd, fd;
    const char *slash;
    while ((slash = strchr(path, '/'))) {
        char name[256];
        size_t n = (size_t)(slash - path);
        if (n >= sizeof name) {
            errno = ENAMETOOLONG;
            fd = -1;
        } else {
            memcpy(name, path, n);
            name[n] = '\0';
            fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
        if (at != dirfd) {
            int cause = errno;
            close(at);
            errno = cause;
        }
        if (fd < 0)
            return -1;
        at = fd;
        path = slash + 1;
    }
    fd = openat(at, path, flags | O_NOFOLLOW, mode);
    if (at != dirfd) {
        int cause = errno;
        close(at);
        errno = cause;
    }
    return fd;
}

int mlo_open_beneath(int dirfd, const char *path, int flags, mode_t mode, int *ret_fd, struct mlo_err *err)
{
    struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC),
                           .mode = flags & O_CREAT ? mode : 0,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    if (mlo_path_check(path, strlen(path), err))
        return err->code;
    int fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        fd = walk_beneath(dirfd, path, flags | O_CLOEXEC, mode);
    if (fd < 0 && (errno == ELOOP || errno == EXDEV))
        return mlo_fail(err, MLO_EINVALID, "'%s' goes through a symbolic link", path);
    if (fd < 0)
        return mlo_fail_errno(err, "'%s'", path);
    *ret_fd = fd;
    return 0;
}

static int make_folder(int dirfd, const char *path, mode_t mode, struct mlo_err *err)
{
    if (mkdirat(dirfd, path, mode) == 0)
        return mlo_fsync_dir_of(dirfd, path, err);
    return errno == EEXIST ? 0 : mlo_fail_errno(err, "cannot make folder '%s'", path);
}

int mlo_mkdirs_at(int dirfd, const char *path, mode_t mode, struct mlo_err *err)
{
    struct stat st;
    if (fstatat(dirfd, path, &st, 0) == 0 && S_ISDIR(st.st_mode))
        return 0;
    MLO_AUTOFREE char *part = mlo_strdup(path, err);
    if (!part)
        return err->code;
    for (char *slash = part + (*part == '/'); (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (*part && make_folder(dirfd, part, mode, err))
            return err->code;
        *slash = '/';
    }
    size_t n = strlen(part);
    return n && part[n - 1] == '/' ? 0 : make_folder(dirfd, part, mode, err);
}

static int remove_tree(int dirfd, const char *name, unsigned depth, struct mlo_err *err);

static int remove_inside(int fd, unsigned depth, struct mlo_err *err)
{
    DIR *dir = fdopendir(fd);
    int rc = 0;
    if (!dir) {
        close(fd);
        return mlo_fail_errno(err, "folder");
    }
    for (struct dirent *e; !rc && (e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            rc = remove_tree(fd, e->d_name, depth, err);
    closedir(dir);
    return rc;
}

static int remove_tree(int dirfd, const char *name, unsigned depth, struct mlo_err *err)
{
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return mlo_fail_errno(err, "cannot remove '%s'", name);
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return mlo_fail_errno(err, "cannot remove '%s'", name);
    if (depth == 0) {
        close(fd);
        return mlo_fail(err, MLO_EIO, "'%s' is too deep to remove", name);
    }
    if (remove_inside(fd, depth - 1, err))
        return err->code;
    if (unlinkat(dirfd, name, AT_REMOVEDIR) && errno != ENOENT)
        return mlo_fail_errno(err, "cannot remove '%s'", name);
    return 0;
}

int mlo_remove_tree_at(int dirfd, const char *path, struct mlo_err *err)
{
    return remove_tree(dirfd, path, TREE_DEPTH, err);
}
