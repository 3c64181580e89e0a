/*
 * Which files a pack takes. The invariant: every path that leaves here is a regular file beneath a folder
 * that is held open, reached without following one link, under a name that is safe to write out on any
 * machine. Links are refused and not followed, so loops cannot be walked.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "internal.h"

#define ARENA_MAX       ((size_t)2 << 30)
#define IGNORE_FILE     ".mlopsignore"
#define IGNORE_FILE_MAX ((size_t)64 << 10)
#define IGNORE_MAX      1000

struct ignore {
    char *text; /* owned; lines are cut in place */
    const char *globs[IGNORE_MAX];
    size_t n;
};

struct folders { /* still to be read, beneath one root */
    const char **items;
    size_t n, cap;
};

void mlo_walk_init(struct mlo_walk *w)
{
    *w = (struct mlo_walk){0};
    mlo_arena_init(&w->arena, ARENA_MAX);
}

void mlo_walk_release(struct mlo_walk *w)
{
    for (size_t i = 0; i < w->n_roots; i++)
        close(w->roots[i]);
    free(w->roots);
    free(w->files);
    mlo_arena_release(&w->arena);
    *w = (struct mlo_walk){0};
}

static int add_root(struct mlo_walk *w, int fd, struct mlo_err *err)
{
    int rc = mlo_grow(&w->roots, &w->roots_cap, w->n_roots + 1, sizeof(*w->roots), err);
    if (rc) {
        close(fd);
        return rc;
    }
    w->roots[w->n_roots++] = fd;
    return 0;
}

static const char *special_file(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFIFO:
        return "a FIFO, not a file";
    case S_IFSOCK:
        return "a socket, not a file";
    case S_IFBLK:
    case S_IFCHR:
        return "a device, not a file";
    case S_IFLNK:
        return "a symbolic link: links are not followed";
    default:
        return "not a regular file";
    }
}

static int add_file(struct mlo_walk *w, const char *path, const char *source, const struct stat *st,
                    struct mlo_refusals *no, struct mlo_err *err)
{
    if (!S_ISREG(st->st_mode)) {
        mlo_refuse(no, path, "%s", special_file(st->st_mode));
        return 0;
    }
    struct mlo_err why = MLO_ERR_INIT;
    if (mlo_path_check(path, strlen(path), &why)) {
        const char *reason = strstr(why.msg, "': "); /* without the name, which stands before it anyway */
        mlo_refuse(no, path, "unsafe name: %s", reason ? reason + 3 : why.msg);
        return 0;
    }
    if (w->n >= MLO_PACK_MAX_FILES)
        return mlo_fail(err, MLO_EINVALID, "more than %zu files", MLO_PACK_MAX_FILES);
    int rc = mlo_grow(&w->files, &w->cap, w->n + 1, sizeof(*w->files), err);
    if (rc)
        return rc;
    struct mlo_walked f = {.dirfd = w->roots[w->n_roots - 1], .st = *st};
    f.path = mlo_arena_strndup(&w->arena, path, strlen(path), err);
    f.source = path == source ? f.path : mlo_arena_strndup(&w->arena, source, strlen(source), err);
    if (!f.path || !f.source)
        return MLO_EIO;
    w->files[w->n++] = f;
    return 0;
}

/* ---- .mlopsignore: one glob a line, "#" comments; with a slash against the path, else against every name
 * ---- */

static void ignore_release(struct ignore *g)
{
    free(g->text);
}

static int ignore_line(struct ignore *g, char *line, struct mlo_err *err)
{
    size_t n = strlen(line);
    while (n && (line[n - 1] == '\r' || line[n - 1] == ' ' || line[n - 1] == '/'))
        line[--n] = '\0';
    if (n == 0 || line[0] == '#')
        return 0;
    if (line[0] == '!')
        return mlo_fail(err, MLO_EINVALID, "%s: \"!\" (taking files back in) is not known", IGNORE_FILE);
    if (g->n == IGNORE_MAX)
        return mlo_fail(err, MLO_EINVALID, "%s: more than %d lines", IGNORE_FILE, IGNORE_MAX);
    g->globs[g->n++] = line;
    return 0;
}

static int ignore_load(struct ignore *g, int dirfd, struct mlo_err *err)
{
    struct mlo_err local = MLO_ERR_INIT;
    int rc = mlo_slurp_at(dirfd, IGNORE_FILE, IGNORE_FILE_MAX, &g->text, NULL, &local);
    if (rc == MLO_ENOTFOUND)
        return 0;
    if (rc) {
        *err = local;
        return rc;
    }
    char *save = NULL;
    for (char *line = strtok_r(g->text, "\n", &save); line && rc == 0; line = strtok_r(NULL, "\n", &save))
        rc = ignore_line(g, line, err);
    return rc;
}

static bool ignored(const struct ignore *g, const char *path, const char *name)
{
    if (strcmp(name, ".mlops") == 0 || strcmp(name, ".git") == 0 || strcmp(path, IGNORE_FILE) == 0)
        return true;
    for (size_t i = 0; i < g->n; i++) {
        const char *glob = g->globs[i];
        bool whole = strchr(glob, '/') != NULL;
        if (whole ? fnmatch(*glob == '/' ? glob + 1 : glob, path, FNM_PATHNAME) == 0
                  : fnmatch(glob, name, 0) == 0)
            return true;
    }
    return false;
}

/* ---- folders ---- */

static size_t depth_of(const char *path)
{
    size_t depth = 1;
    for (; *path; path++)
        depth += *path == '/';
    return depth;
}

static int push_folder(struct mlo_walk *w, struct folders *todo, const char *path, struct mlo_refusals *no,
                       struct mlo_err *err)
{
    if (depth_of(path) > MLO_PACK_MAX_DEPTH) {
        mlo_refuse(no, path, "folders nested deeper than %d", MLO_PACK_MAX_DEPTH);
        return 0;
    }
    int rc = mlo_grow(&todo->items, &todo->cap, todo->n + 1, sizeof(*todo->items), err);
    const char *copy = rc ? NULL : mlo_arena_strndup(&w->arena, path, strlen(path), err);
    if (!copy)
        return MLO_EIO;
    todo->items[todo->n++] = copy;
    return 0;
}

static int take_entry(struct mlo_walk *w, struct folders *todo, int fd, const char *folder, const char *name,
                      const struct ignore *skip, struct mlo_refusals *no, struct mlo_err *err)
{
    char path[MLO_PATH_MAX + 1];
    if ((size_t)snprintf(path, sizeof(path), "%s%s%s", folder, *folder ? "/" : "", name) >= sizeof(path)) {
        mlo_refuse(no, name, "the path is longer than %d bytes", MLO_PATH_MAX);
        return 0;
    }
    if (ignored(skip, path, name))
        return 0;
    struct stat st;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW))
        return mlo_fail_errno(err, "look at '%s'", path);
    return S_ISDIR(st.st_mode) ? push_folder(w, todo, path, no, err) : add_file(w, path, path, &st, no, err);
}

static void close_dir(DIR **d)
{
    if (*d)
        closedir(*d);
}

static int read_folder(struct mlo_walk *w, struct folders *todo, int root, const char *folder,
                       const struct ignore *skip, struct mlo_refusals *no, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    int rc = 0;
    if (*folder)
        rc = mlo_open_beneath(root, folder, O_RDONLY | O_DIRECTORY, 0, &fd, err);
    else if ((fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        rc = mlo_fail_errno(err, "read folder");
    if (rc)
        return rc;
    MLO_AUTO(close_dir) DIR *dir = fdopendir(fd);
    if (!dir)
        return mlo_fail_errno(err, "read folder '%s'", folder);
    int held = mlo_steal_fd(&fd); /* the stream owns it now */
    struct dirent *e;
    while (errno = 0, (e = readdir(dir)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        rc = take_entry(w, todo, held, folder, e->d_name, skip, no, err);
        if (rc)
            return rc;
    }
    return errno ? mlo_fail_errno(err, "read folder '%s'", folder) : 0;
}

static int walk_folder(struct mlo_walk *w, int root, struct mlo_refusals *no, struct mlo_err *err)
{
    MLO_AUTO(ignore_release) struct ignore skip = {0};
    struct folders todo = {0};
    int rc = ignore_load(&skip, root, err);
    if (rc == 0)
        rc = push_folder(w, &todo, "", no, err);
    while (rc == 0 && todo.n)
        rc = read_folder(w, &todo, root, todo.items[--todo.n], &skip, no, err);
    free(todo.items);
    return rc;
}

/* What the user names may be a link: it is followed, for it was asked for. */
static int open_named(const char *path, int flags, int *ret, struct mlo_err *err)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return mlo_fail_errno(err, "open '%s'", path);
    *ret = fd;
    return 0;
}

static int add_named_file(struct mlo_walk *w, const char *real, const char *as, const struct stat *st,
                          struct mlo_refusals *no, struct mlo_err *err)
{
    const char *slash = strrchr(real, '/'); /* realpath: there is one */
    MLO_AUTOFREE char *folder = mlo_memdup0(real, slash == real ? 1 : (size_t)(slash - real), err);
    int fd = -1, rc = folder ? open_named(folder, O_RDONLY | O_DIRECTORY, &fd, err) : MLO_EIO;
    if (rc == 0)
        rc = add_root(w, fd, err);
    return rc ? rc : add_file(w, as, slash + 1, st, no, err);
}

int mlo_walk_add(struct mlo_walk *w, const char *path, const char *as, struct mlo_refusals *no,
                 struct mlo_err *err)
{
    struct stat st;
    MLO_AUTOFREE char *real = realpath(path, NULL);
    if (!real || stat(real, &st))
        return mlo_fail_errno(err, "'%s'", path);
    if (!S_ISDIR(st.st_mode)) {
        size_t n = strlen(path);
        const char *slash = memrchr(path, '/', n);
        return add_named_file(w, real, as ? as : slash ? slash + 1 : path, &st, no, err);
    }
    int fd = -1, rc = open_named(real, O_RDONLY | O_DIRECTORY, &fd, err);
    if (rc == 0)
        rc = add_root(w, fd, err);
    return rc ? rc : walk_folder(w, fd, no, err);
}

/* ---- order and collisions ---- */

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct mlo_walked *)a)->path, ((const struct mlo_walked *)b)->path);
}

/* ASCII case folded, "/" before everything: what would fall together on another file system stands together.
 */
static int fold(unsigned char c)
{
    if (c == '/')
        return 1;
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static int by_folded(const void *a, const void *b)
{
    const struct mlo_walked *const *fa = a, *const *fb = b;
    const unsigned char *x = (const unsigned char *)(*fa)->path, *y = (const unsigned char *)(*fb)->path;
    while (*x && fold(*x) == fold(*y))
        x++, y++;
    int diff = (*x ? fold(*x) : 0) - (*y ? fold(*y) : 0);
    return diff ? diff : strcmp((*fa)->path, (*fb)->path);
}

/* Neighbours in folded order: a component that is equal but for case, or a file where the other has a folder.
 */
static bool collide(const char *a, const char *b)
{
    bool differs = false;
    size_t i = 0;
    for (; a[i] && fold((unsigned char)a[i]) == fold((unsigned char)b[i]); i++) {
        if (a[i] == '/' && differs)
            return true;
        differs = differs || a[i] != b[i];
    }
    if (a[i])
        return differs && b[i] == '\0' && a[i] == '/';
    return b[i] == '/' || (b[i] == '\0' && differs);
}

static int refuse_collisions(const struct mlo_walk *w, struct mlo_refusals *no, struct mlo_err *err)
{
    MLO_AUTOFREE const struct mlo_walked **order = mlo_calloc(w->n, sizeof(*order), err);
    if (!order)
        return MLO_EIO;
    for (size_t i = 0; i < w->n; i++)
        order[i] = &w->files[i];
    qsort(order, w->n, sizeof(*order), by_folded);
    for (size_t i = 1; i < w->n; i++) {
        const char *a = order[i - 1]->path, *b = order[i]->path;
        if (!collide(a, b))
            continue;
        MLO_AUTOSTR struct mlo_str other;
        mlo_str_init(&other, 1024);
        mlo_escape(&other, a, strnlen(a, 160));
        mlo_refuse(no, b, "collides with '%s' where case does not count", other.ptr);
    }
    return 0;
}

static bool same_file(const struct mlo_walked *a, const struct mlo_walked *b)
{
    return a->st.st_dev == b->st.st_dev && a->st.st_ino == b->st.st_ino;
}

int mlo_walk_finish(struct mlo_walk *w, struct mlo_refusals *no, struct mlo_err *err)
{
    if (w->n == 0)
        return 0;
    qsort(w->files, w->n, sizeof(*w->files), by_path);
    size_t kept = 1;
    for (size_t i = 1; i < w->n; i++) {
        const struct mlo_walked *last = &w->files[kept - 1], *f = &w->files[i];
        if (strcmp(last->path, f->path) != 0)
            w->files[kept++] = *f;
        else if (!same_file(last, f))
            mlo_refuse(no, f->path, "two different files would get this path");
    }
    w->n = kept;
    return refuse_collisions(w, no, err);
}

static bool unchanged(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int mlo_walked_open(const struct mlo_walked *f, int *ret_fd, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    struct stat st;
    int rc = mlo_open_beneath(f->dirfd, f->source, O_RDONLY | O_NONBLOCK, 0, &fd, err);
    if (rc)
        return mlo_wrap(err, "'%s'", f->path);
    if (fstat(fd, &st))
        return mlo_fail_errno(err, "'%s'", f->path);
    if (!S_ISREG(st.st_mode) || !unchanged(&st, &f->st))
        return mlo_fail(err, MLO_ECONFLICT, "'%s' changed while it was packed", f->path);
    *ret_fd = mlo_steal_fd(&fd);
    return 0;
}

int mlo_walked_slurp(const struct mlo_walked *f, char **ret, size_t *ret_n, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    size_t n = (size_t)f->st.st_size;
    int rc = mlo_walked_open(f, &fd, err);
    if (rc)
        return rc;
    MLO_AUTOFREE char *text = mlo_calloc(n + 1, 1, err);
    if (!text)
        return MLO_EIO;
    rc = mlo_read_exact_at(fd, text, n, 0, err);
    if (rc)
        return mlo_wrap(err, "'%s'", f->path);
    *ret = mlo_steal(&text);
    *ret_n = n;
    return 0;
}
