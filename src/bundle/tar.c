/* Deterministic tar writer over libarchive; see tar.h. */
#include "tar.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "internal.h"
#include "libarchive.h"

#define TAR_IO_BYTES ((size_t)256 << 10)

struct mlo_tar {
    const struct mlo_libarchive *la;
    struct archive *archive;
    struct archive_entry *entry;
    mlo_tar_sink sink;
    void *sink_ctx;
    uint64_t left;           /* bytes the present entry still lacks */
    struct mlo_sha256 *hash; /* NULL, or told of the present entry's content */
    struct mlo_err failure;  /* of the sink: libarchive's own message would hide it */
};

static la_ssize_t to_sink(struct archive *a, void *ctx, const void *p, size_t n)
{
    struct mlo_tar *t = ctx;
    (void)a;
    if (t->failure.code != 0 || t->sink(t->sink_ctx, p, n, &t->failure) != 0)
        return -1;
    return (la_ssize_t)n;
}

/* The sink's own failure where there is one, else libarchive's words. */
static int tar_fail(struct mlo_tar *t, const char *what, struct mlo_err *err)
{
    if (t->failure.code != 0) {
        *err = t->failure;
        return err->code;
    }
    const char *why = t->la->error_string(t->archive);
    return mlo_fail(err, MLO_EIO, "tar: %s: %s", what, why ? why : "out of memory");
}

void mlo_tar_abort(struct mlo_tar *t)
{
    if (!t)
        return;
    if (t->failure.code == 0)
        mlo_fail(&t->failure, MLO_EIO,
                 "tar: given up"); /* keeps libarchive from writing end blocks while it is freed */
    t->la->entry_free(t->entry);
    t->la->write_free(t->archive);
    free(t);
}

static int tar_open(struct mlo_tar *t, struct mlo_err *err)
{
    const struct mlo_libarchive *la = t->la;
    if (!t->archive || !t->entry)
        return mlo_fail_nomem(err);
    if (la->write_set_format_pax_restricted(t->archive) != ARCHIVE_OK ||
        la->write_add_filter_none(t->archive) != ARCHIVE_OK ||
        la->write_set_bytes_in_last_block(t->archive, 1) != ARCHIVE_OK ||
        la->write_open(t->archive, t, NULL, to_sink, NULL) != ARCHIVE_OK)
        return tar_fail(t, "cannot start", err);
    return 0;
}

int mlo_tar_new(mlo_tar_sink sink, void *ctx, struct mlo_tar **ret, struct mlo_err *err)
{
    const struct mlo_libarchive *la = NULL;
    int rc = mlo_libarchive(&la, err);
    if (rc != 0)
        return rc;
    struct mlo_tar *t = mlo_calloc(1, sizeof *t, err);
    if (!t)
        return MLO_EIO;
    *t = (struct mlo_tar){.la = la, .sink = sink, .sink_ctx = ctx};
    t->archive = la->write_new();
    t->entry = la->entry_new();
    rc = tar_open(t, err);
    if (rc != 0) {
        mlo_tar_abort(t);
        return rc;
    }
    *ret = t;
    return 0;
}

/* Closes the present entry, which writes its padding to the block's end. */
static int finish_entry(struct mlo_tar *t, struct mlo_err *err)
{
    if (t->left != 0)
        return mlo_fail(err, MLO_EINTERNAL, "tar: entry lacks %" PRIu64 " bytes", t->left);
    if (t->la->write_finish_entry(t->archive) != ARCHIVE_OK)
        return tar_fail(t, "cannot end entry", err);
    return 0;
}

int mlo_tar_entry(struct mlo_tar *t, const char *path, uint64_t size, uint32_t mode, int64_t mtime_s,
                  struct mlo_err *err)
{
    MLO_UTF8_SCOPE locale = mlo_utf8_enter();
    int rc = mlo_path_check(path, strlen(path), err);
    if (rc == 0)
        rc = finish_entry(t, err);
    if (rc != 0)
        return rc;
    if (size > INT64_MAX)
        return mlo_fail(err, MLO_EINVALID, "tar: file of %" PRIu64 " bytes is too large", size);
    const struct mlo_libarchive *la = t->la;
    la->entry_clear(t->entry);
    la->entry_set_pathname(t->entry, path);
    la->entry_set_size(t->entry, (la_int64_t)size);
    la->entry_set_mode(t->entry, AE_IFREG | ((mode & 0111) ? 0755 : 0644));
    la->entry_set_mtime(t->entry, mtime_s, 0);
    if (la->write_header(t->archive, t->entry) != ARCHIVE_OK) /* a warning means other bytes than promised */
        return tar_fail(t, "cannot write header", err);
    t->left = size;
    return 0;
}

int mlo_tar_write(struct mlo_tar *t, const void *p, size_t n, struct mlo_err *err)
{
    if (n > t->left)
        return mlo_fail(err, MLO_ECONFLICT, "tar: file grew by %" PRIu64 " bytes while it was read",
                        (uint64_t)n - t->left);
    if (t->hash) {
        int rc = mlo_sha256_update(t->hash, p, n, err);
        if (rc != 0)
            return rc;
    }
    const char *at = p;
    t->left -= n;
    while (n > 0) {
        la_ssize_t done = t->la->write_data(t->archive, at, n);
        if (done <= 0)
            return tar_fail(t, "cannot write", err);
        at += done;
        n -= (size_t)done;
    }
    return 0;
}

int mlo_tar_write_fd(struct mlo_tar *t, int fd, uint64_t size, struct mlo_err *err)
{
    MLO_AUTOFREE char *buf = malloc(TAR_IO_BYTES);
    if (!buf)
        return mlo_fail_nomem(err);
    for (uint64_t off = 0; off < size;) {
        uint64_t left = size - off;
        size_t want = left < TAR_IO_BYTES ? (size_t)left : TAR_IO_BYTES, got = 0;
        int rc = mlo_read_at(fd, buf, want, off, &got, err);
        if (rc == 0 && got < want)
            rc = mlo_fail(err, MLO_ECONFLICT, "tar: file shrank to %" PRIu64 " bytes while it was read",
                          off + got);
        if (rc == 0)
            rc = mlo_tar_write(t, buf, got, err);
        if (rc != 0)
            return rc;
        off += got;
    }
    return 0;
}

void mlo_tar_tee(struct mlo_tar *t, struct mlo_sha256 *hash)
{
    t->hash = hash;
}

int mlo_tar_finish(struct mlo_tar *t, struct mlo_err *err)
{
    int rc = finish_entry(t, err);
    if (rc == 0 && t->la->write_close(t->archive) != ARCHIVE_OK)
        rc = tar_fail(t, "cannot end archive", err);
    mlo_tar_abort(t);
    return rc;
}

/* ---- layers ---- */

struct layer_sink {
    struct mlo_blob_writer *writer; /* NULL: hash alone */
    struct mlo_sha256 hash;
    uint64_t size;
};

static int to_layer(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    struct layer_sink *s = ctx;
    s->size += n;
    return s->writer ? mlo_blob_write(s->writer, p, n, err) : mlo_sha256_update(&s->hash, p, n, err);
}

static int member_content(struct mlo_tar *t, const struct mlo_tar_member *m, struct mlo_err *err)
{
    if (m->mem)
        return mlo_tar_write(t, m->mem, m->size, err);
    MLO_AUTOCLOSE int fd = -1;
    struct stat st;
    int rc = mlo_open_beneath(m->dirfd, m->source, O_RDONLY | O_NONBLOCK, 0, &fd, err);
    if (rc != 0)
        return rc;
    if (fstat(fd, &st) != 0)
        return mlo_fail_errno(err, "cannot stat");
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != m->size)
        return mlo_fail(err, MLO_ECONFLICT, "changed while it was packed");
    return mlo_tar_write_fd(t, fd, m->size, err);
}

static int add_member(struct mlo_tar *t, const struct mlo_tar_member *m, int64_t mtime_s,
                      struct mlo_sha256 *hash, struct mlo_err *err)
{
    struct mlo_digest got;
    int rc = mlo_tar_entry(t, m->path, m->size, m->mode, mtime_s, err);
    if (rc == 0)
        rc = mlo_sha256_begin(hash, err);
    mlo_tar_tee(t, hash);
    if (rc == 0)
        rc = member_content(t, m, err);
    if (rc == 0)
        rc = mlo_sha256_end(hash, &got, err);
    if (rc == 0 && m->expect && !mlo_digest_eq(m->expect, &got))
        rc = mlo_fail(err, MLO_ECONFLICT, "changed while it was packed");
    if (rc == 0)
        return 0;
    MLO_AUTOSTR struct mlo_str name;
    mlo_str_init(&name, sizeof err->msg);
    mlo_escape(&name, m->path, strlen(m->path));
    return mlo_wrap(err, "'%s'", name.ptr);
}

static int write_members(const struct mlo_tar_member *m, size_t n, int64_t mtime_s, struct layer_sink *sink,
                         struct mlo_err *err)
{
    struct mlo_tar *t = NULL;
    struct mlo_sha256 hash = {0};
    int rc = mlo_sha256_new(&hash, err);
    if (rc == 0)
        rc = mlo_tar_new(to_layer, sink, &t, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = add_member(t, &m[i], mtime_s, &hash, err);
    if (rc == 0)
        rc = mlo_tar_finish(mlo_steal(&t), err);
    mlo_tar_abort(t);
    mlo_sha256_free(&hash);
    return rc;
}

int mlo_tar_layer(struct mlo_store *s, const struct mlo_tar_member *m, size_t n, int64_t mtime_s,
                  struct mlo_digest *ret, uint64_t *ret_size, struct mlo_err *err)
{
    struct layer_sink sink = {0};
    struct mlo_digest digest;
    int rc = s ? mlo_blob_begin(s, &sink.writer, err) : mlo_sha256_new(&sink.hash, err);
    if (rc == 0)
        rc = write_members(m, n, mtime_s, &sink, err);
    if (rc == 0)
        rc = s ? mlo_blob_commit(mlo_steal(&sink.writer), NULL, &digest, NULL, err)
               : mlo_sha256_end(&sink.hash, &digest, err);
    if (sink.writer)
        mlo_blob_abort(sink.writer);
    mlo_sha256_free(&sink.hash);
    if (rc != 0)
        return rc;
    *ret = digest;
    *ret_size = sink.size;
    return 0;
}
