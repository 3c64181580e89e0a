/*
 * A bundle back as files. Everything is written into a fresh folder of ours first, by folder descriptors that
 * follow no link, and each layer is hashed on its way; only when all of it is whole do the files get their
 * place. So whatever a hostile bundle says, it can neither leave the folder nor leave half of itself behind.
 */
#include <mlopsctl/bundle.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/thread.h>

#include "oci.h"
#include "untar.h"

#define UNPACK_DEPTH_MAX 128
#define UNPACK_IO_BYTES  ((size_t)1 << 20)
#define TMP_TRIES        100

struct unpacker {
    struct mlo_store *store;
    const struct mlo_bundle *bundle;
    const struct mlo_unpack_opts *opts;
    int base; /* where the temporary folder stands: the target itself, or its parent when it is new */
    int tmp;  /* the temporary folder */
    char tmp_name[sizeof MLO_TMP_PREFIX + 16];
    atomic_bool *matched; /* per select pattern */
    atomic_uint_least64_t bytes, files;
    pthread_mutex_t progress_lock;
    uint64_t done, total;
};

static int fail_path(const char *path, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str name;
    mlo_str_init(&name, sizeof err->msg);
    mlo_escape(&name, path, strlen(path));
    return mlo_wrap(err, "'%s'", name.ptr);
}

/* ---- selection ---- */

static bool pattern_takes(const char *pattern, const char *path)
{
    size_t n = strlen(pattern);
    if (strncmp(pattern, path, n) == 0 && (path[n] == '\0' || path[n] == '/'))
        return true;
    return fnmatch(pattern, path, FNM_NOESCAPE) == 0;
}

static bool selected(struct unpacker *u, const char *path)
{
    bool yes = u->opts->n_select == 0;
    for (size_t i = 0; i < u->opts->n_select; i++) {
        if (!pattern_takes(u->opts->select[i], path))
            continue;
        u->matched[i] = true;
        yes = true;
    }
    return yes;
}

static int check_selection(const struct unpacker *u, struct mlo_err *err)
{
    for (size_t i = 0; i < u->opts->n_select; i++) {
        if (u->matched[i])
            continue;
        mlo_fail(err, MLO_ENOTFOUND, "no file of the bundle has this path or matches this pattern");
        return fail_path(u->opts->select[i], err);
    }
    return 0;
}

/* ---- writing ---- */

static void progressed(struct unpacker *u, uint64_t n)
{
    pthread_mutex_lock(&u->progress_lock);
    u->done += n;
    if (u->opts->progress)
        u->opts->progress(u->opts->progress_ctx, u->done, u->total);
    pthread_mutex_unlock(&u->progress_lock);
}

static int make_parent(struct unpacker *u, const char *path, struct mlo_err *err)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return 0;
    MLO_AUTOFREE char *parent = mlo_memdup0(path, (size_t)(slash - path), err);
    return parent ? mlo_mkdirs_at(u->tmp, parent, 0777, err) : MLO_EIO;
}

static int new_file(struct unpacker *u, const char *path, bool executable, int *ret_fd, struct mlo_err *err)
{
    int rc = make_parent(u, path, err);
    if (rc == 0)
        rc = mlo_open_beneath(u->tmp, path, O_WRONLY | O_CREAT | O_EXCL, executable ? 0777 : 0666, ret_fd,
                              err);
    if (rc != 0 && err->sys_errno == EEXIST) {
        mlo_fail(err, MLO_ECONFLICT, "another file of the bundle has this name already");
        mlo_hint(err, "does the file system ignore case? unpack elsewhere or select one of the files");
    }
    return rc != 0 ? err->code : 0;
}

struct copy {
    int to;
    uint64_t bytes;
};

static int copy_sink(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    struct copy *c = ctx;
    c->bytes += n;
    return mlo_write_all(c->to, p, n, err);
}

/* One read: the bytes are hashed while they are copied. */
static int copy_hashed(int to, int from, const struct mlo_digest *expect, struct mlo_err *err)
{
    MLO_AUTOFREE char *buf = malloc(UNPACK_IO_BYTES);
    struct mlo_sha256 hash = {0};
    struct mlo_digest got;
    size_t n = 1;
    int rc = buf ? mlo_sha256_new(&hash, err) : mlo_fail_nomem(err);
    while (rc == 0 && n > 0) {
        rc = mlo_read(from, buf, UNPACK_IO_BYTES, &n, err);
        if (rc == 0)
            rc = mlo_sha256_update(&hash, buf, n, err);
        if (rc == 0)
            rc = mlo_write_all(to, buf, n, err);
    }
    if (rc == 0)
        rc = mlo_sha256_end(&hash, &got, err);
    mlo_sha256_free(&hash);
    if (rc == 0 && !mlo_digest_eq(&got, expect))
        rc = mlo_fail(err, MLO_EINVALID, "the stored copy is damaged");
    return rc;
}

static int unpack_raw(struct unpacker *u, const struct mlo_layer *layer, struct mlo_err *err)
{
    MLO_AUTOCLOSE int from = -1;
    MLO_AUTOCLOSE int to = -1;
    uint64_t size = 0;
    if (!layer->path || strcmp(layer->path, MLO_EXTRA_PATH) == 0 || !selected(u, layer->path))
        return 0;
    int rc = mlo_store_open_blob(u->store, &layer->digest, &from, &size, err);
    if (rc == 0)
        rc = new_file(u, layer->path, (layer->mode & 0111) != 0, &to, err);
    if (rc == 0) {
        rc = mlo_reflink(to, from, err);
        if (rc == 0)
            rc = mlo_store_verify_blob(u->store, &layer->digest, err);
        else if (rc == MLO_EUNAVAIL)
            rc = copy_hashed(to, from, &layer->digest, err);
    }
    if (rc != 0)
        return fail_path(layer->path, err);
    u->bytes += size;
    u->files++;
    return 0;
}

static int tar_entry(void *ctx, struct mlo_untar *tar, const struct mlo_untar_entry *e, struct mlo_err *err)
{
    struct unpacker *u = ctx;
    MLO_AUTOCLOSE int to = -1;
    if (e->folder)
        return u->opts->n_select > 0 ? 0 : mlo_mkdirs_at(u->tmp, e->path, 0777, err);
    if (!selected(u, e->path))
        return 0;
    int rc = new_file(u, e->path, e->executable, &to, err);
    struct copy copy = {.to = to};
    if (rc == 0)
        rc = mlo_untar_copy(tar, copy_sink, &copy, err);
    if (rc != 0)
        return fail_path(e->path, err);
    u->bytes += copy.bytes;
    u->files++;
    return 0;
}

static int unpack_tar(struct unpacker *u, const struct mlo_layer *layer, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    struct mlo_digest got;
    char text[MLO_DIGEST_TEXT];
    int rc = mlo_store_open_blob(u->store, &layer->digest, &fd, NULL, err);
    if (rc == 0)
        rc = mlo_untar(fd, layer->packing != MLO_PACKING_TAR, tar_entry, u, &got, err);
    if (rc == 0 && !mlo_digest_eq(&got, &layer->digest))
        rc = mlo_fail(err, MLO_EINVALID, "the stored copy is damaged");
    return rc != 0 ? mlo_wrap(err, "layer %s", mlo_digest_text(&layer->digest, text)) : 0;
}

static int unpack_layer(void *ctx, size_t i, struct mlo_err *err)
{
    struct unpacker *u = ctx;
    const struct mlo_layer *layer = &u->bundle->layers[i];
    int rc = layer->packing == MLO_PACKING_RAW ? unpack_raw(u, layer, err) : unpack_tar(u, layer, err);
    if (rc == 0)
        progressed(u, layer->size);
    return rc;
}

/* ---- the folder ---- */

/* A folder of ours below base, which nobody else knows. */
static int make_tmp(struct unpacker *u, struct mlo_err *err)
{
    mlo_tmp_sweep(u->base);
    for (unsigned i = 0; i < TMP_TRIES; i++) {
        snprintf(u->tmp_name, sizeof u->tmp_name, MLO_TMP_PREFIX "%lx-%u", (unsigned long)getpid() & 0xffffff,
                 i);
        if (mkdirat(u->base, u->tmp_name, 0777) == 0) {
            int rc = mlo_open_beneath(u->base, u->tmp_name, O_RDONLY | O_DIRECTORY, 0, &u->tmp, err);
            if (rc == 0)
                mlo_tmp_hold(u->tmp);
            return rc;
        }
        if (errno != EEXIST)
            break;
    }
    u->tmp_name[0] = '\0';
    return mlo_fail_errno(err, "cannot make a temporary folder");
}

static int is_empty(int dirfd, bool *ret, struct mlo_err *err)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return mlo_fail_errno(err, "cannot read folder");
    }
    bool empty = true;
    for (struct dirent *e = readdir(dir); e && empty; e = readdir(dir))
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    closedir(dir);
    *ret = empty;
    return 0;
}

/* Opens `folder` when it is there (*ret_name NULL), else its parent and the name it will have. */
static int open_base(struct unpacker *u, const char *folder, char **ret_name, struct mlo_err *err)
{
    bool empty = false;
    u->base = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (u->base >= 0) {
        int rc = is_empty(u->base, &empty, err);
        if (rc != 0 || empty || u->opts->force)
            return rc;
        mlo_fail(err, MLO_ECONFLICT, "folder is not empty");
        return mlo_hint(err, "--force replaces files of the same names and leaves the others");
    }
    if (errno != ENOENT)
        return errno == ENOTDIR ? mlo_fail(err, MLO_ECONFLICT, "exists and is no folder")
                                : mlo_fail_errno(err, "cannot open folder");
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/')
        n--;
    MLO_AUTOFREE char *path = mlo_memdup0(folder, n, err);
    if (!path)
        return MLO_EIO;
    char *slash = strrchr(path, '/');
    char *name = mlo_strdup(slash ? slash + 1 : path, err);
    if (!name)
        return MLO_EIO;
    *ret_name = name;
    if (slash)
        slash[slash == path] = '\0';
    u->base = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return u->base >= 0 ? 0 : mlo_fail_errno(err, "cannot open the folder above it");
}

static int merge(int from, int to, int depth, struct mlo_err *err);

/* Moves one entry of our folder into the target; a folder that is there already is entered. */
static int merge_entry(int from, int to, const char *name, int depth, struct mlo_err *err)
{
    MLO_AUTOCLOSE int sub_from = -1;
    MLO_AUTOCLOSE int sub_to = -1;
    struct stat st;
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return mlo_fail_errno(err, "cannot stat");
    if (!S_ISDIR(st.st_mode))
        return renameat(from, name, to, name) == 0 ? 0 : mlo_fail_errno(err, "cannot move into place");
    if (renameat2(from, name, to, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EEXIST)
        return mlo_fail_errno(err, "cannot move into place");
    int rc = mlo_open_beneath(from, name, O_RDONLY | O_DIRECTORY, 0, &sub_from, err);
    if (rc == 0)
        rc = mlo_open_beneath(to, name, O_RDONLY | O_DIRECTORY, 0, &sub_to, err);
    return rc != 0 ? rc : merge(sub_from, sub_to, depth + 1, err);
}

static int merge(int from, int to, int depth, struct mlo_err *err)
{
    int rc = 0;
    if (depth > UNPACK_DEPTH_MAX)
        return mlo_fail(err, MLO_EINVALID, "folders are nested deeper than %d", UNPACK_DEPTH_MAX);
    int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return mlo_fail_errno(err, "cannot read folder");
    }
    for (struct dirent *e = readdir(dir); e && rc == 0; e = readdir(dir)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        rc = merge_entry(from, to, e->d_name, depth, err);
        if (rc != 0)
            rc = fail_path(e->d_name, err);
    }
    closedir(dir);
    return rc;
}

/* On stable storage, then visible under its name. */
static int place(struct unpacker *u, const char *name, struct mlo_err *err)
{
    int rc = 0;
    if (syncfs(u->tmp) != 0)
        return mlo_fail_errno(err, "cannot sync");
    if (!name)
        rc = merge(u->tmp, u->base, 0, err);
    else if (renameat2(u->base, u->tmp_name, u->base, name, RENAME_NOREPLACE) != 0)
        rc = errno == EEXIST ? mlo_fail(err, MLO_ECONFLICT, "somebody made this folder meanwhile")
                             : mlo_fail_errno(err, "cannot rename into place");
    if (rc == 0 && name)
        u->tmp_name[0] = '\0';
    return rc != 0 ? rc : mlo_fsync(u->base, "folder", err);
}

static int unpack_into(struct unpacker *u, const char *folder, struct mlo_err *err)
{
    MLO_AUTOFREE char *name = NULL;
    int rc = open_base(u, folder, &name, err);
    if (rc == 0)
        rc = make_tmp(u, err);
    if (rc == 0)
        rc = mlo_parallel(u->bundle->n_layers, u->opts->threads, unpack_layer, u, err);
    if (rc == 0)
        rc = check_selection(u, err);
    return rc != 0 ? rc : place(u, name, err);
}

static void cleanup(struct unpacker *u)
{
    struct mlo_err ignored = MLO_ERR_INIT; /* the first failure is the one to tell */
    if (*u->tmp_name && mlo_remove_tree_at(u->base, u->tmp_name, &ignored) != 0)
        u->tmp_name[0] = '\0';
    mlo_cleanup_close(&u->tmp);
    mlo_cleanup_close(&u->base);
    pthread_mutex_destroy(&u->progress_lock);
    free(u->matched);
}

int mlo_bundle_unpack(struct mlo_store *s, const struct mlo_digest *manifest, const char *folder,
                      const struct mlo_unpack_opts *o, uint64_t *ret_bytes, size_t *ret_files,
                      struct mlo_err *err)
{
    struct mlo_bundle b = {0};
    int rc = mlo_bundle_load(s, manifest, &b, err);
    if (rc != 0)
        return rc;
    struct unpacker u = {.store = s, .bundle = &b, .opts = o, .base = -1, .tmp = -1};
    pthread_mutex_init(&u.progress_lock, NULL);
    for (size_t i = 0; i < b.n_layers; i++)
        u.total += b.layers[i].size;
    u.matched = mlo_calloc(o->n_select + 1, sizeof *u.matched, err);
    rc = u.matched ? unpack_into(&u, folder, err) : MLO_EIO;
    cleanup(&u);
    mlo_bundle_release(&b);
    if (rc != 0)
        return fail_path(folder, err);
    *ret_bytes = u.bytes;
    *ret_files = u.files;
    return 0;
}
