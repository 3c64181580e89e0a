/* One file of a bundle into memory, out of a layer of its own or of a tar layer. */
#include "internal.h"

#include <string.h>

#include <mlopsctl/base/text.h>

#include "untar.h"

struct wanted {
    const struct mlo_file *file;
    struct mlo_str bytes;
    bool found;
};

static int add_bytes(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    struct wanted *w = ctx;
    mlo_str_addn(&w->bytes, p, n);
    return mlo_str_check(&w->bytes, err);
}

static int take_entry(void *ctx, struct mlo_untar *u, const struct mlo_untar_entry *e, struct mlo_err *err)
{
    struct wanted *w = ctx;
    if (e->folder || strcmp(e->path, w->file->path) != 0)
        return 0;
    w->found = true;
    return mlo_untar_copy(u, add_bytes, w, err);
}

static int read_from_tar(struct mlo_store *s, const struct mlo_layer *layer, struct wanted *w,
                         struct mlo_err *err)
{
    MLO_AUTOCLOSE int fd = -1;
    struct mlo_digest got;
    int rc = mlo_store_open_blob(s, &layer->digest, &fd, NULL, err);
    if (rc == 0)
        rc = mlo_untar(fd, layer->packing != MLO_PACKING_TAR, take_entry, w, NULL, err);
    if (rc == 0 && !w->found)
        rc = mlo_fail(err, MLO_EINVALID, "its layer does not hold it");
    if (rc == 0)
        rc = mlo_sha256(w->bytes.ptr, w->bytes.len, &got, err);
    if (rc == 0 && !mlo_digest_eq(&got, &w->file->digest))
        rc = mlo_fail(err, MLO_EINVALID, "the stored copy is damaged");
    return rc;
}

static const struct mlo_file *find_file(const struct mlo_bundle *b, const char *path)
{
    for (size_t i = 0; i < b->n_files; i++)
        if (strcmp(b->files[i].path, path) == 0)
            return &b->files[i];
    return NULL;
}

int mlo_bundle_read(struct mlo_store *s, const struct mlo_bundle *b, const char *path, size_t max, char **ret,
                    size_t *ret_len, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    struct wanted w = {.file = find_file(b, path)};
    if (!w.file)
        return mlo_fail(err, MLO_ENOTFOUND, "the bundle has no file '%s'",
                        mlo_shown(path, strlen(path), shown));
    if (w.file->size > max)
        return mlo_fail(err, MLO_EINVALID, "'%s' has more than %zu bytes",
                        mlo_shown(path, strlen(path), shown), max);
    const struct mlo_layer *layer = &b->layers[w.file->layer];
    mlo_str_init(&w.bytes, max);
    int rc = layer->packing == MLO_PACKING_RAW ? mlo_store_read(s, &w.file->digest, max, ret, ret_len, err)
                                               : read_from_tar(s, layer, &w, err);
    if (rc == 0 && layer->packing != MLO_PACKING_RAW) {
        *ret = mlo_str_detach(&w.bytes, ret_len);
        rc = *ret ? 0 : mlo_fail_nomem(err);
    }
    mlo_str_release(&w.bytes);
    return rc == 0 ? 0 : mlo_wrap(err, "'%s'", mlo_shown(path, strlen(path), shown));
}
