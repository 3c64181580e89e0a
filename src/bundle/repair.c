/*
 * Finding good bytes for a damaged blob in what the user has lying about: a checkout, an unpacked bundle,
 * another store, an exported tar. Whatever is found is proven by its digest. A tar layer, which lies about
 * nowhere, is built again from the files that mlopsctl.json lists for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/time.h>

#include "oci.h"
#include "tar.h"

#define PIECE ((size_t)1 << 20)

static int rewind_fd(int fd, struct mlo_err *err)
{
    return lseek(fd, 0, SEEK_SET) == 0 ? 0 : mlo_fail_errno(err, "rewind");
}

/* 0 and *ret_same; read failures count as "not these bytes". */
static bool holds(int fd, const struct mlo_digest *want, uint64_t size)
{
    struct stat st;
    struct mlo_err why = MLO_ERR_INIT;
    struct mlo_digest got;
    uint64_t n = 0;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (size != UINT64_MAX && (uint64_t)st.st_size != size))
        return false;
    const struct mlo_ingest in = {.fd = fd, .label = "candidate", .threads = 1, .dry_run = true};
    return mlo_store_ingest(NULL, &in, &got, &n, &why) == 0 && mlo_digest_eq(&got, want);
}

/* A file without a name on the file system of `folder`, gone with its descriptor. */
static int unnamed_file(const char *folder, int *ret, struct mlo_err *err)
{
    int fd = open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (fd < 0) {
        MLO_AUTOFREE char *path = NULL;
        if (asprintf(&path, "%s/" MLO_TMP_PREFIX "repair-XXXXXX", folder) < 0) {
            path = NULL;
            return mlo_fail_nomem(err);
        }
        fd = mkostemp(path, O_CLOEXEC);
        if (fd < 0)
            return mlo_fail_errno(err, "temporary in '%s'", folder);
        unlink(path);
    }
    *ret = fd;
    return 0;
}

static int not_found(const char *from, struct mlo_err *err)
{
    return mlo_fail(err, MLO_ENOTFOUND, "'%s' does not hold these bytes", from);
}

static int find_in_archive(int archive, const char *from, const struct mlo_digest *d, uint64_t size,
                           const char *tmp, int *ret, struct mlo_err *err)
{
    MLO_AUTOCLOSE int out = -1;
    struct mlo_err why = MLO_ERR_INIT;
    int rc = size == UINT64_MAX ? not_found(from, err) : unnamed_file(tmp, &out, err);
    if (rc)
        return rc;
    if (mlo_tar_find(archive, d, size, out, &why))
        return why.code == MLO_EIO ? (*err = why, MLO_EIO) : not_found(from, err);
    rc = rewind_fd(out, err);
    if (rc == 0)
        *ret = mlo_steal_fd(&out);
    return rc;
}

/* The blob under its own name, as every image layout has it. */
static int find_in_layout(int folder, const struct mlo_digest *d, uint64_t size, int *ret)
{
    static const char *const places[] = {"", "store/", ".mlops/store/"};
    char blob[MLO_BLOB_PATH_SIZE], path[MLO_BLOB_PATH_SIZE + 32];
    for (size_t i = 0; i < MLO_COUNT(places); i++) {
        MLO_AUTOCLOSE int fd = -1;
        struct mlo_err why = MLO_ERR_INIT;
        snprintf(path, sizeof(path), "%s%s", places[i], mlo_blob_path(d, blob));
        if (mlo_open_beneath(folder, path, O_RDONLY, 0, &fd, &why) || !holds(fd, d, size) ||
            rewind_fd(fd, &why))
            continue;
        *ret = mlo_steal_fd(&fd);
        return 0;
    }
    return MLO_ENOTFOUND;
}

static int find_in_tree(const struct mlo_walk *w, const struct mlo_digest *d, uint64_t size, int *ret)
{
    for (size_t i = 0; i < w->n; i++) {
        MLO_AUTOCLOSE int fd = -1;
        struct mlo_err why = MLO_ERR_INIT;
        if ((size != UINT64_MAX && (uint64_t)w->files[i].st.st_size != size) ||
            mlo_walked_open(&w->files[i], &fd, &why) || !holds(fd, d, size) || rewind_fd(fd, &why))
            continue;
        *ret = mlo_steal_fd(&fd);
        return 0;
    }
    return MLO_ENOTFOUND;
}

static int find_in_folder(int folder, const char *from, const struct mlo_digest *d, uint64_t size, int *ret,
                          struct mlo_err *err)
{
    struct mlo_refusals ignored;
    struct mlo_walk w;
    if (find_in_layout(folder, d, size, ret) == 0)
        return 0;
    mlo_walk_init(&w);
    mlo_refusals_init(&ignored);
    int rc = mlo_walk_add(&w, from, NULL, &ignored, err);
    if (rc == 0 && find_in_tree(&w, d, size, ret))
        rc = not_found(from, err);
    mlo_refusals_release(&ignored);
    mlo_walk_release(&w);
    return rc;
}

int mlo_repair_find(const char *from, const struct mlo_digest *d, uint64_t size, const char *tmp, int *ret_fd,
                    struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = open(from, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st))
        return mlo_fail_errno(err, "'%s'", from);
    if (S_ISDIR(st.st_mode))
        return find_in_folder(fd, from, d, size, ret_fd, err);
    if (!S_ISREG(st.st_mode))
        return mlo_fail(err, MLO_EINVALID, "'%s' is neither a file nor a folder", from);
    if (!holds(fd, d, size))
        return find_in_archive(fd, from, d, size, tmp, ret_fd, err);
    int rc = rewind_fd(fd, err);
    if (rc == 0)
        *ret_fd = mlo_steal_fd(&fd);
    return rc;
}

/* ---- tar layers ---- */

static int write_sink(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    return mlo_write_all(*(const int *)ctx, p, n, err);
}

static int put_member(struct mlo_tar *t, const struct mlo_file *f, const char *from, const char *tmp,
                      int64_t mtime_s, struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    int rc = mlo_repair_find(from, &f->digest, f->size, tmp, &fd, err);
    if (rc == 0)
        rc = mlo_tar_entry(t, f->path, f->size, f->mode, mtime_s, err);
    return rc ? rc : mlo_tar_write_fd(t, fd, f->size, err);
}

static int build_tar(const struct mlo_bundle *b, size_t layer, const char *from, const char *tmp, int out,
                     struct mlo_err *err)
{
    struct mlo_tar *t = NULL;
    int64_t created = 0;
    const char *text = mlo_json_text(cJSON_GetObjectItemCaseSensitive(b->config, "descriptor"), "createdAt");
    int rc = text ? mlo_time_parse(text, &created, err) : 0;
    if (rc == 0)
        rc = mlo_tar_new(write_sink, &out, &t, err);
    for (size_t i = 0; i < b->n_files && rc == 0; i++)
        if (b->files[i].layer == layer)
            rc = put_member(t, &b->files[i], from, tmp, created / MLO_NS_PER_S, err);
    if (rc == 0)
        rc = mlo_tar_finish(mlo_steal(&t), err);
    mlo_tar_abort(t);
    return rc;
}

int mlo_repair_rebuild(const struct mlo_bundle *b, const struct mlo_digest *d, const char *from,
                       const char *tmp, int *ret_fd, struct mlo_err *err)
{
    MLO_AUTOCLOSE int out = -1;
    size_t i = 0;
    while (i < b->n_layers &&
           !(b->layers[i].packing == MLO_PACKING_TAR && mlo_digest_eq(&b->layers[i].digest, d)))
        i++;
    if (i == b->n_layers || !b->extra)
        return mlo_fail(err, MLO_ENOTFOUND, "not a tar layer with a list of its files");
    int rc = unnamed_file(tmp, &out, err);
    if (rc == 0)
        rc = build_tar(b, i, from, tmp, out, err);
    if (rc == 0 && !holds(out, d, b->layers[i].size))
        rc = mlo_fail(err, MLO_ENOTFOUND, "the files found do not give the same layer");
    if (rc == 0)
        rc = rewind_fd(out, err);
    if (rc == 0)
        *ret_fd = mlo_steal_fd(&out);
    return rc;
}
