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

#include "path.h"

#define TREE_DEPTH  256 /* folders held open at a time */
#define SHOWN_BYTES 256 /* of a path in a message */

static void show(struct mlo_str *out, const char *path, size_t n)
{
    mlo_str_init(out, 4 * SHOWN_BYTES);
    mlo_escape(out, path, n < SHOWN_BYTES ? n : SHOWN_BYTES);
}

int mlo_fail_path(struct mlo_err *err, const char *what, const char *path)
{
    int cause = errno;
    MLO_AUTOSTR struct mlo_str shown;
    show(&shown, path, strlen(path));
    errno = cause;
    return mlo_fail_errno(err, "%s '%s'", what, shown.ptr);
}

int mlo_wrap_path(struct mlo_err *err, int rc, const char *path)
{
    MLO_AUTOSTR struct mlo_str shown;
    show(&shown, path, strlen(path));
    mlo_wrap(err, "'%s'", shown.ptr);
    return rc;
}

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
    show(&shown, path, n);
    return mlo_wrap(err, "unsafe path '%s'", shown.ptr);
}

/* One folder deeper, through no link. ELOOP for a link: with O_DIRECTORY the kernel says ENOTDIR. */
static int enter(int dirfd, const char *name)
{
    struct stat st;
    int fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 || errno != ENOTDIR)
        return fd;
    bool link = fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
    errno = link ? ELOOP : ENOTDIR;
    return -1;
}

/* As openat for the last component; O_PATH | O_NOFOLLOW would open a link itself. */
static int open_last(int dirfd, const char *name, int flags, mode_t mode)
{
    struct stat st;
    int fd = openat(dirfd, name, flags | O_NOFOLLOW, mode);
    if (fd < 0 || !(flags & O_PATH) || (fstat(fd, &st) == 0 && !S_ISLNK(st.st_mode)))
        return fd;
    close(fd);
    errno = ELOOP;
    return -1;
}

/* For kernels and sandboxes without openat2: component by component. `path` is scratch. */
static int walk_beneath(int dirfd, char *path, int flags, mode_t mode)
{
    int at = dirfd, fd;
    for (char *slash; at >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
        *slash = '\0';
        int next = enter(at, path), cause = errno;
        if (at != dirfd)
            close(at);
        errno = cause;
        at = next;
    }
    if (at < 0)
        return -1;
    fd = open_last(at, path, flags, mode);
    int cause = errno;
    if (at != dirfd)
        close(at);
    errno = cause;
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
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
        MLO_AUTOFREE char *scratch = mlo_strdup(path, err);
        if (!scratch)
            return err->code;
        fd = walk_beneath(dirfd, scratch, flags | O_CLOEXEC, mode);
    }
    if (fd < 0 && (errno == ELOOP || errno == EXDEV))
        return mlo_wrap_path(err, mlo_fail(err, MLO_EINVALID, "goes through a symbolic link"), path);
    if (fd < 0)
        return mlo_fail_path(err, "cannot open", path);
    *ret_fd = fd;
    return 0;
}

/* Makes `name` where it is missing, durably, and moves *at (owned) into it. */
static int make_and_enter(int *at, const char *name, mode_t mode, bool follow, struct mlo_err *err)
{
    if (mkdirat(*at, name, mode) == 0) {
        if (mlo_fsync_dir_of(*at, name, err))
            return err->code;
    } else if (errno != EEXIST) {
        return mlo_fail_path(err, "cannot make folder", name);
    }
    int fd = follow ? openat(*at, name, O_PATH | O_DIRECTORY | O_CLOEXEC) : enter(*at, name);
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
        return mlo_wrap_path(err, mlo_fail(err, MLO_EINVALID, "is there already and no folder"), name);
    if (fd < 0)
        return mlo_fail_path(err, "cannot open folder", name);
    mlo_cleanup_close(at);
    *at = fd;
    return 0;
}

int mlo_mkdirs_at(int dirfd, const char *path, mode_t mode, struct mlo_err *err)
{
    bool own = dirfd == AT_FDCWD;
    if (!own && mlo_path_check(path, strlen(path), err))
        return err->code;
    MLO_AUTOFREE char *names = mlo_strdup(path, err);
    if (!names)
        return err->code;
    MLO_AUTOCLOSE int at = openat(dirfd, *path == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return mlo_fail_path(err, "cannot open the folder of", path);
    char *rest = NULL;
    for (char *name = strtok_r(names, "/", &rest); name; name = strtok_r(NULL, "/", &rest))
        if (make_and_enter(&at, name, mode, own, err))
            return mlo_wrap_path(err, err->code, path);
    return 0;
}

struct removal {
    int top; /* of a tree that is opened up: its first folder, to which what is too deep is moved; else -1 */
    unsigned moved;
};

static int remove_tree(int dirfd, const char *name, unsigned depth, struct removal *r, struct mlo_err *err);

/* fd: taken. */
static int remove_inside(int fd, unsigned depth, struct removal *r, struct mlo_err *err)
{
    DIR *dir = fdopendir(fd);
    int rc = 0;
    if (!dir) {
        rc = mlo_fail_errno(err, "cannot list a folder");
        close(fd);
        return rc;
    }
    errno = 0;
    for (struct dirent *e; !rc && (e = readdir(dir)); errno = 0)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            rc = remove_tree(fd, e->d_name, depth, r, err);
    if (!rc && errno)
        rc = mlo_fail_errno(err, "cannot list a folder");
    closedir(dir);
    return rc;
}

/* A folder that forbids its owner to look or to remove is opened up. The permissions are those of the folder
 * that was found, never of what a link leads to. */
static int open_up(int dirfd, const char *name)
{
    struct stat st;
    char link[64];
    MLO_AUTOCLOSE int fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        return -1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if ((st.st_mode & 0700) != 0700 && chmod(link, 0700) != 0)
        return -1;
    return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int move_up(int dirfd, const char *name, struct removal *r, struct mlo_err *err)
{
    char to[32];
    if (r->top < 0)
        return mlo_wrap_path(err, mlo_fail(err, MLO_EIO, "too deep to remove"), name);
    do
        snprintf(to, sizeof to, "deep-%u", r->moved++);
    while (renameat2(dirfd, name, r->top, to, RENAME_NOREPLACE) != 0 && errno == EEXIST);
    return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0
               ? mlo_wrap_path(err, mlo_fail(err, MLO_EIO, "too deep to remove"), name)
               : 0;
}

static int remove_tree(int dirfd, const char *name, unsigned depth, struct removal *r, struct mlo_err *err)
{
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return mlo_fail_path(err, "cannot remove", name);
    int fd = r->top < 0 ? openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                        : open_up(dirfd, name);
    if (fd < 0)
        return mlo_fail_path(err, "cannot remove", name);
    if (depth == 0) {
        close(fd);
        return move_up(dirfd, name, r, err);
    }
    if (remove_inside(fd, depth - 1, r, err))
        return err->code;
    if (unlinkat(dirfd, name, AT_REMOVEDIR) && errno != ENOENT)
        return mlo_fail_path(err, "cannot remove", name);
    return 0;
}

int mlo_remove_tree_at(int dirfd, const char *path, struct mlo_err *err)
{
    const char *slash = strrchr(path, '/');
    struct removal r = {.top = -1};
    if (dirfd == AT_FDCWD || !slash)
        return remove_tree(dirfd, path, TREE_DEPTH, &r, err);
    MLO_AUTOFREE char *folder = mlo_memdup0(path, (size_t)(slash - path), err);
    MLO_AUTOCLOSE int at = -1;
    if (!folder)
        return err->code;
    int rc = mlo_path_check(path, strlen(path), err);
    if (!rc)
        rc = mlo_open_beneath(dirfd, folder, O_PATH | O_DIRECTORY, 0, &at, err);
    if (rc)
        return rc == MLO_ENOTFOUND ? 0 : rc;
    return remove_tree(at, slash + 1, TREE_DEPTH, &r, err);
}

int mlo_purge_tree_at(int dirfd, const char *name, struct mlo_err *err)
{
    MLO_AUTOCLOSE int top = open_up(dirfd, name);
    if (top < 0)
        return errno == ENOENT ? 0 : mlo_fail_path(err, "cannot remove", name);
    struct removal r = {.top = top};
    unsigned before;
    do { /* what was moved up is seen at the next reading, if not at this one */
        int fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        before = r.moved;
        if (fd < 0)
            return mlo_fail_path(err, "cannot remove", name);
        if (remove_inside(fd, TREE_DEPTH, &r, err))
            return err->code;
        if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
            return 0;
    } while (r.moved > before && errno == ENOTEMPTY);
    return mlo_fail_path(err, "cannot remove", name);
}

/* ---- the user's own ---- */

static int user_path(char *const *env, const char *variable, const char *usual, const char *name, char **ret,
                     struct mlo_err *err)
{
    const char *xdg = mlo_env_get(env, variable), *home = mlo_env_get(env, "HOME");
    MLO_AUTOSTR struct mlo_str path;
    mlo_str_init(&path, MLO_PATH_MAX);
    *ret = NULL;
    if (xdg && xdg[0] == '/')
        mlo_str_addf(&path, "%s/mlopsctl/%s", xdg, name);
    else if (home && home[0] == '/')
        mlo_str_addf(&path, "%s/%s/mlopsctl/%s", home, usual, name);
    else
        return 0;
    int rc = mlo_str_check(&path, err);
    if (rc == 0)
        *ret = mlo_str_detach(&path, NULL);
    return rc;
}

int mlo_user_file(char *const *env, const char *name, char **ret, struct mlo_err *err)
{
    return user_path(env, "XDG_CONFIG_HOME", ".config", name, ret, err);
}

int mlo_user_cache(char *const *env, const char *name, char **ret, struct mlo_err *err)
{
    return user_path(env, "XDG_CACHE_HOME", ".cache", name, ret, err);
}
