/*
 * Undo of what was written for the user: a file, an unpacked folder. Both are removed or replaced only while
 * they are still exactly what the run left; anything the user changed since is refused, so an undo never
 * loses work. What a file held before is kept in the store and comes back from there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

#include "cmd/shared/paths.h"
#include "undo.h"
#include "cmd/shared/workspace.h"

/* Of a file that is replaced: as it was. */
static mode_t mode_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_mode & 0777 : 0644;
}

static int open_regular(int dirfd, const char *path, int *ret_fd, struct mlo_err *err)
{
    struct stat st;
    MLO_AUTOCLOSE int fd = openat(dirfd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return mlo_fail_errno(err, "'%s'", path);
    if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        return mlo_fail(err, MLO_ECONFLICT, "'%s' is no longer a file", path);
    *ret_fd = mlo_steal_fd(&fd);
    return 0;
}

/* 0 when the file holds these bytes; MLO_ECONFLICT when others. */
static int file_holds(int dirfd, const char *path, const struct mlo_digest *want, struct mlo_err *err)
{
    struct mlo_digest got;
    MLO_AUTOCLOSE int fd = -1;
    if (open_regular(dirfd, path, &fd, err) || mlo_sha256_fd(fd, &got, err))
        return err->code;
    return mlo_digest_eq(&got, want) ? 0 : mlo_fail(err, MLO_ECONFLICT, "'%s' was changed since", path);
}

/* 0 when nothing has that name. */
static int is_absent(const char *path, struct mlo_err *err)
{
    struct stat st;
    if (lstat(path, &st) == 0)
        return mlo_fail(err, MLO_ECONFLICT, "'%s' is there again", path);
    return errno == ENOENT ? 0 : mlo_fail_errno(err, "'%s'", path);
}

/* ---- kind "file" ---- */

static int file_is(const char *path, const char *digest, struct mlo_err *err)
{
    struct mlo_digest want;
    if (!digest)
        return is_absent(path, err);
    return mlo_digest_parse(digest, &want, err) ? err->code : file_holds(AT_FDCWD, path, &want, err);
}

static int file_check(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    const struct mlo_workspace *ws = ctx;
    struct mlo_digest before;
    int rc = file_is(e->target, e->after, err);
    if (rc != 0 || !e->before)
        return rc;
    rc = mlo_digest_parse(e->before, &before, err);
    if (rc != 0 || (ws->store && mlo_store_has(ws->store, &before, NULL)))
        return rc;
    return mlo_fail(err, MLO_ENOTFOUND, "what '%s' held before is not in the store", e->target);
}

static int put_back(struct mlo_workspace *ws, const struct mlo_effect *e, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    struct mlo_digest before;
    size_t n = 0;
    int rc = mlo_digest_parse(e->before, &before, err);
    if (rc == 0)
        rc = mlo_store_read(ws->store, &before, MLO_EFFECT_FILE_MAX, &text, &n, err);
    return rc == 0 ? mlo_write_file_at(AT_FDCWD, e->target, text, n, mode_of(e->target), err) : rc;
}

/* A file gets its bytes in one rename: what did not come to pass has left nothing, and what stands there is
 * somebody else's. */
static int file_undo(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    if (e->state == MLO_EFFECT_INTENDED)
        return 0;
    if (e->before)
        return put_back(ctx, e, err);
    if (unlink(e->target) && errno != ENOENT)
        return mlo_fail_errno(err, "cannot remove '%s'", e->target);
    return mlo_fsync_dir_of(AT_FDCWD, e->target, err);
}

static int file_happened(void *ctx, const struct mlo_effect *e, bool *ret_done, struct mlo_err *err)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    (void)ctx, (void)err;
    *ret_done = file_is(e->target, e->after, &ignored) == 0;
    return 0;
}

/* What the file holds now, kept in the store; ret "" when there is none. */
static int keep_before(struct mlo_workspace *ws, const char *path, char ret[MLO_DIGEST_TEXT],
                       struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    struct mlo_digest d;
    size_t n = 0;
    ret[0] = '\0';
    int rc = mlo_slurp_at(AT_FDCWD, path, MLO_EFFECT_FILE_MAX, &text, &n, err);
    if (rc == MLO_ENOTFOUND) {
        *err = MLO_ERR_INIT;
        return 0;
    }
    if (rc == 0)
        rc = mlo_store_put(ws->store, text, n, &d, err);
    if (rc == 0)
        mlo_digest_text(&d, ret);
    return rc;
}

int mlo_file_replace(struct mlo_workspace *ws, const char *path, const char *text, size_t n,
                     struct mlo_err *err)
{
    MLO_AUTOFREE char *absolute = NULL;
    char before[MLO_DIGEST_TEXT], after[MLO_DIGEST_TEXT];
    struct mlo_digest d;
    int ordinal = -1;
    int rc = mlo_path_absolute(path, &absolute, err);
    if (rc == 0)
        rc = keep_before(ws, absolute, before, err);
    if (rc == 0)
        rc = mlo_sha256(text, n, &d, err);
    if (rc == 0)
        rc = mlo_run_intend(ws->run, MLO_EFFECT_FILE, absolute, *before ? before : NULL,
                            mlo_digest_text(&d, after), &ordinal, err);
    if (rc == 0)
        rc = mlo_write_file_at(AT_FDCWD, absolute, text, n, mode_of(absolute), err);
    return rc == 0 ? mlo_run_done(ws->run, ordinal, err) : rc;
}

struct mlo_undo_handler mlo_undo_file_handler(struct mlo_workspace *ws)
{
    return (struct mlo_undo_handler){.kind = MLO_EFFECT_FILE,
                                     .check = file_check,
                                     .undo = file_undo,
                                     .happened = file_happened,
                                     .ctx = ws};
}

/* ---- kind "folder" ---- */

/* Counts the files below a folder, following nothing. */
static int count_files(int dirfd, const char *path, unsigned depth, size_t *count, struct mlo_err *err)
{
    int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    int rc = 0;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return mlo_fail_errno(err, "'%s'", path);
    }
    for (struct dirent *entry; !rc && (entry = readdir(dir));) {
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
            rc = mlo_fail_errno(err, "'%s/%s'", path, entry->d_name);
        else if (!S_ISDIR(st.st_mode))
            ++*count;
        else if (depth == 0)
            rc = mlo_fail(err, MLO_ECONFLICT, "'%s' was changed since: too deep", path);
        else
            rc = count_files(fd, entry->d_name, depth - 1, count, err);
    }
    closedir(dir);
    return rc;
}

static int folder_holds(int dirfd, const char *folder, const struct mlo_bundle *b, struct mlo_err *err)
{
    size_t count = 0;
    for (size_t i = 0; i < b->n_files; i++)
        if (file_holds(dirfd, b->files[i].path, &b->files[i].digest, err))
            return mlo_wrap(err, "'%s'", folder);
    if (count_files(dirfd, ".", MLO_JSON_DEPTH, &count, err))
        return err->code;
    if (count != b->n_files)
        return mlo_fail(err, MLO_ECONFLICT, "'%s' holds %zu files, not the %zu that were unpacked", folder,
                        count, b->n_files);
    return 0;
}

static int folder_check(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    struct mlo_workspace *ws = ctx;
    struct mlo_digest manifest;
    struct mlo_bundle bundle = {0};
    MLO_AUTOCLOSE int fd = open(e->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!e->after) {
        mlo_fail(err, MLO_ENOTFOUND, "'%s' was removed", e->target);
        return mlo_hint(err, "unpack the bundle again");
    }
    if (fd < 0)
        return mlo_fail_errno(err, "'%s'", e->target);
    if (mlo_digest_parse(e->after, &manifest, err) || mlo_bundle_load(ws->store, &manifest, &bundle, err))
        return err->code;
    int rc = folder_holds(fd, e->target, &bundle, err);
    mlo_bundle_release(&bundle);
    return rc;
}

static int folder_undo(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    (void)ctx;
    if (mlo_remove_tree_at(AT_FDCWD, e->target, err))
        return err->code;
    return mlo_fsync_dir_of(AT_FDCWD, e->target, err);
}

/* The folder gets its name in one rename after all files are written, so it is there whole or not at all. */
static int folder_happened(void *ctx, const struct mlo_effect *e, bool *ret_done, struct mlo_err *err)
{
    struct stat st;
    (void)ctx, (void)err;
    *ret_done = (stat(e->target, &st) == 0) == (e->after != NULL);
    return 0;
}

struct mlo_undo_handler mlo_undo_folder_handler(struct mlo_workspace *ws)
{
    return (struct mlo_undo_handler){.kind = MLO_EFFECT_FOLDER,
                                     .check = folder_check,
                                     .undo = folder_undo,
                                     .happened = folder_happened,
                                     .ctx = ws};
}
