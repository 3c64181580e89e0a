/* The one walk over foreign archives; see untar.h for its rules. */
#include "untar.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "internal.h"
#include "libarchive.h"

#define UNTAR_IO_BYTES ((size_t)256 << 10)

struct mlo_untar {
    const struct mlo_libarchive *la;
    struct archive *archive;
    int fd;
    char *in, *out;         /* UNTAR_IO_BYTES each: what libarchive reads, what mlo_untar_copy hands on */
    struct mlo_sha256 *raw; /* NULL: nobody asks */
    struct mlo_err failure; /* of reading fd */
    struct mlo_digest_set seen;
    uint64_t bytes, bytes_max;
    bool image;
    size_t members; /* of an image's layer */
};

static la_ssize_t from_fd(struct archive *a, void *ctx, const void **ret)
{
    struct mlo_untar *u = ctx;
    size_t n = 0;
    (void)a;
    if (mlo_read(u->fd, u->in, UNTAR_IO_BYTES, &n, &u->failure) != 0 ||
        (u->raw && mlo_sha256_update(u->raw, u->in, n, &u->failure) != 0))
        return -1;
    *ret = u->in;
    return (la_ssize_t)n;
}

static int untar_fail(struct mlo_untar *u, struct mlo_err *err)
{
    if (u->failure.code != 0) {
        *err = u->failure;
        return err->code;
    }
    MLO_AUTOSTR struct mlo_str why;
    mlo_str_init(&why, sizeof err->msg);
    const char *text = u->la->error_string(u->archive); /* may quote names */
    mlo_escape(&why, text ? text : "unknown fault", strlen(text ? text : "unknown fault"));
    return mlo_fail(err, MLO_EINVALID, "archive: %s", why.ptr);
}

static int refuse(const char *path, const char *why, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str name;
    mlo_str_init(&name, sizeof err->msg);
    mlo_escape(&name, path, strnlen(path, 256));
    return mlo_fail(err, MLO_EINVALID, "archive member '%s': %s", name.ptr, why);
}

static void untar_close(struct mlo_untar *u)
{
    if (u->archive)
        u->la->read_free(u->archive);
    mlo_digest_set_release(&u->seen);
    free(u->in);
    free(u->out);
}

/* What all content together may come to: a plain archive holds no more than its own size. */
static int set_limit(struct mlo_untar *u, bool compressed, struct mlo_err *err)
{
    struct stat st;
    if (fstat(u->fd, &st) != 0)
        return mlo_fail_errno(err, "archive: cannot stat");
    uint64_t size = (uint64_t)st.st_size;
    if (!S_ISREG(st.st_mode))
        u->bytes_max = UINT64_MAX; /* a pipe ends when it ends */
    else if (!compressed)
        u->bytes_max = size;
    else if (!mlo_mul_u64(size, MLO_UNTAR_RATIO_MAX, &u->bytes_max) ||
             !mlo_add_u64(u->bytes_max, MLO_UNTAR_FREE_BYTES, &u->bytes_max))
        u->bytes_max = UINT64_MAX;
    return 0;
}

static int untar_open(struct mlo_untar *u, bool compressed, bool raw, struct mlo_err *err)
{
    int rc = mlo_libarchive(&u->la, err);
    if (rc == 0)
        rc = set_limit(u, compressed, err);
    if (rc != 0)
        return rc;
    const struct mlo_libarchive *la = u->la;
    u->in = malloc(UNTAR_IO_BYTES);
    u->out = malloc(UNTAR_IO_BYTES);
    u->archive = la->read_new();
    if (!u->in || !u->out || !u->archive)
        return mlo_fail_nomem(err);
    if (compressed && (la->read_support_filter_gzip(u->archive) != ARCHIVE_OK ||
                       la->read_support_filter_zstd(u->archive) != ARCHIVE_OK))
        return untar_fail(u, err);
    if ((raw ? la->read_support_format_raw(u->archive) : la->read_support_format_tar(u->archive)) !=
            ARCHIVE_OK ||
        la->read_open(u->archive, u, NULL, from_fd, NULL) != ARCHIVE_OK)
        return untar_fail(u, err);
    return 0;
}

/* "./a/b/" -> "a/b"; the root folder itself becomes "". */
static int clean_path(const char *raw, bool folder, struct mlo_str *out, struct mlo_err *err)
{
    const char *p = raw;
    while (p[0] == '.' && p[1] == '/')
        p += 2 + strspn(p + 2, "/");
    size_t n = strlen(p);
    while (folder && n > 0 && p[n - 1] == '/')
        n--;
    mlo_str_clear(out);
    if (n == 0 || (n == 1 && *p == '.'))
        return folder ? 0 : refuse(raw, "has no name", err);
    int rc = mlo_path_check(p, n, err);
    if (rc != 0)
        return mlo_wrap(err, "archive");
    mlo_str_addn(out, p, n);
    return mlo_str_check(out, err);
}

static int check_new(struct mlo_untar *u, const struct mlo_str *path, struct mlo_err *err)
{
    struct mlo_digest key;
    bool is_new = false;
    if (u->seen.count >= MLO_UNTAR_ENTRIES_MAX)
        return mlo_fail(err, MLO_EINVALID, "archive: more than %zu members", MLO_UNTAR_ENTRIES_MAX);
    int rc = mlo_sha256(path->ptr, path->len, &key, err);
    if (rc == 0)
        rc = mlo_digest_set_add(&u->seen, &key, &is_new, err);
    if (rc != 0)
        return rc;
    return is_new ? 0 : refuse(path->ptr, "occurs twice", err);
}

/* "./usr//bin/" -> "usr/bin"; the root itself becomes "". Any byte but NUL may be in a name. */
static int clean_image_path(const char *raw, struct mlo_str *out, struct mlo_err *err)
{
    mlo_str_clear(out);
    for (const char *p = raw + strspn(raw, "/"), *end; *p; p = end + strspn(end, "/")) {
        end = p + strcspn(p, "/");
        size_t n = (size_t)(end - p);
        if (n == 2 && p[0] == '.' && p[1] == '.')
            return refuse(raw, "leaves the image", err);
        if (n == 1 && *p == '.')
            continue;
        mlo_str_add(out, out->len > 0 ? "/" : "");
        mlo_str_addn(out, p, n);
    }
    return mlo_str_check(out, err);
}

static int read_image_entry(struct mlo_untar *u, struct archive_entry *e, const char *name,
                            struct mlo_str *path, struct mlo_untar_entry *ret, struct mlo_err *err)
{
    const struct mlo_libarchive *la = u->la;
    const char *hardlink = la->entry_hardlink(e);
    bool folder = la->entry_filetype(e) == AE_IFDIR, link = la->entry_filetype(e) == AE_IFLNK;
    if (u->members++ >= MLO_UNTAR_ENTRIES_MAX)
        return mlo_fail(err, MLO_EINVALID, "archive: more than %zu members", MLO_UNTAR_ENTRIES_MAX);
    int rc = clean_image_path(name, path, err);
    if (rc == 0 && path->len == 0 && !folder)
        rc = refuse(name, "has no name", err);
    *ret = (struct mlo_untar_entry){.path = path->ptr,
                                    .folder = folder,
                                    .size = hardlink || link ? 0 : (uint64_t)la->entry_size(e),
                                    .special = !hardlink && !link && !folder &&
                                               la->entry_filetype(e) != AE_IFREG,
                                    .hardlink = hardlink,
                                    .symlink = hardlink || !link ? NULL : la->entry_symlink(e),
                                    .mode = (uint32_t)la->entry_perm(e) & 0777,
                                    .uid = (uint64_t)la->entry_uid(e),
                                    .gid = (uint64_t)la->entry_gid(e)};
    return rc == 0 && link && !hardlink && !ret->symlink ? refuse(name, "a link to nothing", err) : rc;
}

/* Fills *ret, whose path lives in *path; an entry that is to be passed over gets an empty path. */
static int read_entry(struct mlo_untar *u, struct archive_entry *e, struct mlo_str *path,
                      struct mlo_untar_entry *ret, struct mlo_err *err)
{
    const struct mlo_libarchive *la = u->la;
    const char *name = la->entry_pathname(e);
    if (!name)
        return mlo_fail(err, MLO_EINVALID, "archive: member %zu: name is not UTF-8", u->seen.count);
    if (!u->image && (la->entry_hardlink(e) || la->entry_symlink(e)))
        return refuse(name, "links are refused", err);
    bool folder = la->entry_filetype(e) == AE_IFDIR;
    if (!u->image && !folder && la->entry_filetype(e) != AE_IFREG)
        return refuse(name, "neither a regular file nor a folder", err);
    if (la->entry_sparse_count(e) != 0)
        return refuse(name, "sparse files are refused", err);
    la_int64_t size = la->entry_size(e);
    if (size < 0 || (uint64_t)size > u->bytes_max - u->bytes)
        return refuse(name, "content is larger than the archive can hold", err);
    u->bytes += (uint64_t)size;
    if (u->image)
        return read_image_entry(u, e, name, path, ret, err);
    int rc = clean_path(name, folder, path, err);
    if (rc == 0 && path->len > 0)
        rc = check_new(u, path, err);
    if (rc != 0)
        return rc;
    *ret = (struct mlo_untar_entry){.path = path->ptr,
                                    .folder = folder,
                                    .executable = (la->entry_perm(e) & 0111) != 0,
                                    .size = (uint64_t)size};
    return 0;
}

static int walk(struct mlo_untar *u, mlo_untar_fn fn, void *ctx, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str path;
    mlo_str_init(&path, MLO_PATH_MAX);
    for (;;) {
        struct archive_entry *e = NULL;
        int got = u->la->read_next_header(u->archive, &e);
        if (got == ARCHIVE_EOF)
            return u->failure.code != 0 ? untar_fail(u, err) : 0;
        if (got != ARCHIVE_OK)
            return untar_fail(u, err);
        struct mlo_untar_entry entry;
        int rc = read_entry(u, e, &path, &entry, err);
        if (rc == 0 && path.len > 0)
            rc = fn(ctx, u, &entry, err);
        if (rc != 0)
            return rc;
        if (u->la->read_data_skip(u->archive) != ARCHIVE_OK)
            return untar_fail(u, err);
    }
}

/* Reads on to the end of fd, for the digest alone. */
static int drain(struct mlo_untar *u, struct mlo_digest *ret, struct mlo_err *err)
{
    size_t n = 1;
    while (n > 0) {
        int rc = mlo_read(u->fd, u->in, UNTAR_IO_BYTES, &n, err);
        if (rc == 0)
            rc = mlo_sha256_update(u->raw, u->in, n, err);
        if (rc != 0)
            return rc;
    }
    return mlo_sha256_end(u->raw, ret, err);
}

static int untar(struct mlo_untar *u, bool compressed, mlo_untar_fn fn, void *ctx, struct mlo_digest *ret_raw,
                 struct mlo_err *err)
{
    MLO_UTF8_SCOPE locale = mlo_utf8_enter();
    struct mlo_sha256 raw = {0};
    int rc = ret_raw ? mlo_sha256_new(&raw, err) : 0;
    if (rc == 0) {
        u->raw = ret_raw ? &raw : NULL;
        rc = untar_open(u, compressed, false, err);
    }
    if (rc == 0)
        rc = walk(u, fn, ctx, err);
    if (rc == 0 && ret_raw)
        rc = drain(u, ret_raw, err);
    untar_close(u);
    mlo_sha256_free(&raw);
    return rc;
}

int mlo_untar(int fd, bool compressed, mlo_untar_fn fn, void *ctx, struct mlo_digest *ret_raw,
              struct mlo_err *err)
{
    struct mlo_untar u = {.fd = fd};
    return untar(&u, compressed, fn, ctx, ret_raw, err);
}

int mlo_untar_image(int fd, mlo_untar_fn fn, void *ctx, struct mlo_digest *ret_raw, struct mlo_err *err)
{
    struct mlo_untar u = {.fd = fd, .image = true};
    return untar(&u, true, fn, ctx, ret_raw, err);
}

int mlo_untar_read(struct mlo_untar *u, void *buf, size_t n, size_t *ret_n, struct mlo_err *err)
{
    la_ssize_t got = u->la->read_data(u->archive, buf, n);
    if (got < 0)
        return untar_fail(u, err);
    *ret_n = (size_t)got;
    return 0;
}

int mlo_untar_copy(struct mlo_untar *u, int (*sink)(void *ctx, const void *p, size_t n, struct mlo_err *err),
                   void *ctx, struct mlo_err *err)
{
    for (;;) {
        size_t n = 0;
        int rc = mlo_untar_read(u, u->out, UNTAR_IO_BYTES, &n, err);
        if (rc == 0 && n > 0)
            rc = sink(ctx, u->out, n, err);
        if (rc != 0 || n == 0)
            return rc;
    }
}

/* ---- looking for one member by its bytes ---- */

struct find {
    const struct mlo_digest *digest;
    uint64_t size;
    int out_fd;
    struct mlo_sha256 hash;
    bool found;
};

static int find_sink(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    struct find *f = ctx;
    int rc = mlo_sha256_update(&f->hash, p, n, err);
    return rc != 0 ? rc : mlo_write_all(f->out_fd, p, n, err);
}

static int find_entry(void *ctx, struct mlo_untar *u, const struct mlo_untar_entry *e, struct mlo_err *err)
{
    struct find *f = ctx;
    struct mlo_digest got;
    if (f->found || e->folder || e->size != f->size)
        return 0;
    if (ftruncate(f->out_fd, 0) != 0 || lseek(f->out_fd, 0, SEEK_SET) != 0)
        return mlo_fail_errno(err, "cannot rewind temporary file");
    int rc = mlo_sha256_begin(&f->hash, err);
    if (rc == 0)
        rc = mlo_untar_copy(u, find_sink, f, err);
    if (rc == 0)
        rc = mlo_sha256_end(&f->hash, &got, err);
    if (rc == 0)
        f->found = mlo_digest_eq(&got, f->digest);
    return rc;
}

int mlo_tar_find(int fd, const struct mlo_digest *d, uint64_t size, int out_fd, struct mlo_err *err)
{
    struct find f = {.digest = d, .size = size, .out_fd = out_fd};
    if (lseek(fd, 0, SEEK_SET) != 0)
        return mlo_fail_errno(err, "cannot rewind archive");
    int rc = mlo_sha256_new(&f.hash, err);
    if (rc == 0)
        rc = mlo_untar(fd, false, find_entry, &f, NULL, err);
    mlo_sha256_free(&f.hash);
    if (f.found)
        return 0; /* a fault behind the member does not matter: its bytes are proven */
    return rc != 0 ? rc : mlo_fail(err, MLO_ENOTFOUND, "no member of the archive holds these bytes");
}

/* ---- decompressed digest ---- */

struct diff_id {
    struct mlo_sha256 hash;
    uint64_t left;
};

static int diff_id_sink(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    struct diff_id *d = ctx;
    if (n > d->left)
        return mlo_fail(err, MLO_EINVALID, "layer: larger when decompressed than allowed");
    d->left -= n;
    return mlo_sha256_update(&d->hash, p, n, err);
}

int mlo_layer_diff_id(int fd, uint64_t max, struct mlo_digest *ret, struct mlo_err *err)
{
    struct mlo_untar u = {.fd = fd};
    struct diff_id d = {.left = max};
    struct archive_entry *e = NULL;
    int rc = mlo_sha256_new(&d.hash, err);
    if (rc == 0)
        rc = untar_open(&u, true, true, err);
    if (rc == 0 && u.la->read_next_header(u.archive, &e) != ARCHIVE_OK)
        rc = untar_fail(&u, err);
    if (rc == 0)
        rc = mlo_untar_copy(&u, diff_id_sink, &d, err);
    if (rc == 0)
        rc = mlo_sha256_end(&d.hash, ret, err);
    untar_close(&u);
    mlo_sha256_free(&d.hash);
    return rc;
}
