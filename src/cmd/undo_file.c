/*
 * Undo of what was written for the user: an exported file, an unpacked folder. Both are removed only while
 * they are still exactly what the run left; anything the user changed since is refused, so an undo never
 * loses work.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

#include "undo.h"
#include "workspace.h"

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

/* ---- kind "file" ---- */

static int file_check(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    struct mlo_digest want;
    (void)ctx;
    if (mlo_digest_parse(e->after, &want, err))
        return err->code;
    return file_holds(AT_FDCWD, e->target, &want, err);
}

static int file_undo(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    (void)ctx;
    if (unlink(e->target) && errno != ENOENT)
        return mlo_fail_errno(err, "cannot remove '%s'", e->target);
    return mlo_fsync_dir_of(AT_FDCWD, e->target, err);
}

static int file_happened(void *ctx, const struct mlo_effect *e, bool *ret_done, struct mlo_err *err)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    (void)err;
    *ret_done = file_check(ctx, e, &ignored) == 0;
    return 0;
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
    *ret_done = stat(e->target, &st) == 0;
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
