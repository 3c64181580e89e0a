/*
 * A bundle as one tar file of an OCI layout. The order is fixed and nothing in it depends on when or where it
 * is written, so the same bundle exported twice is the same file.
 */
#include <mlopsctl/bundle.h>

#include <string.h>

#include "oci.h"
#include "tar.h"

struct blob {
    struct mlo_digest digest;
    uint64_t size;
};

struct exporter {
    struct mlo_store *store;
    const struct mlo_export_opts *opts;
    struct blob *blobs; /* sorted, each once */
    size_t n, cap;
    uint64_t done, total;
    struct mlo_sha256 out_hash;
    uint64_t out_size;
    int out_fd;
};

static int add_blob(void *ctx, const struct mlo_digest *d, uint64_t size, struct mlo_err *err)
{
    struct exporter *x = ctx;
    int rc = mlo_grow(&x->blobs, &x->cap, x->n + 1, sizeof *x->blobs, err);
    if (rc == 0)
        x->blobs[x->n++] = (struct blob){*d, size};
    return rc;
}

static int blob_cmp(const void *a, const void *b)
{
    return mlo_digest_cmp(&((const struct blob *)a)->digest, &((const struct blob *)b)->digest);
}

static int collect(struct exporter *x, const struct mlo_digest *manifest, struct mlo_err *err)
{
    int rc = mlo_manifest_each_blob(x->store, manifest, add_blob, x, err);
    for (size_t i = 0; rc == 0 && i < x->opts->n_referrers; i++)
        rc = mlo_manifest_each_blob(x->store, &x->opts->referrers[i], add_blob, x, err);
    if (rc != 0)
        return rc;
    size_t kept = 0;
    qsort(x->blobs, x->n, sizeof *x->blobs, blob_cmp);
    for (size_t i = 0; i < x->n; i++)
        if (kept == 0 || blob_cmp(&x->blobs[kept - 1], &x->blobs[i]) != 0)
            x->blobs[kept++] = x->blobs[i];
    x->n = kept;
    for (size_t i = 0; i < x->n; i++)
        if (!mlo_add_u64(x->total, x->blobs[i].size, &x->total))
            return mlo_fail(err, MLO_EINVALID, "manifest: sizes of the layers overflow");
    return 0;
}

/* One descriptor of index.json; artifactType is copied from the manifest. */
static int index_entry(struct exporter *x, struct mlo_jb *jb, cJSON *list, const struct mlo_digest *d,
                       const char *ref, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    MLO_AUTOJSON cJSON *doc = NULL;
    size_t n = 0;
    int rc = mlo_store_read(x->store, d, MLO_MANIFEST_MAX, &text, &n, err);
    if (rc == 0)
        rc = mlo_json_parse(text, n, MLO_MANIFEST_MAX, &doc, err);
    if (rc != 0)
        return rc;
    cJSON *node = mlo_jb_descriptor(jb, list, NULL, MLO_MEDIA_MANIFEST, d, n);
    if (ref)
        mlo_jb_text(jb, mlo_jb_object(jb, node, "annotations"), MLO_REF_NAME_KEY, ref);
    mlo_jb_text(jb, node, "artifactType", mlo_json_text(doc, "artifactType"));
    return mlo_jb_check(jb, err);
}

static int index_text(struct exporter *x, const struct mlo_digest *manifest, char **ret, size_t *ret_n,
                      struct mlo_err *err)
{
    struct mlo_jb jb = {0};
    MLO_AUTOJSON cJSON *doc = mlo_jb_object(&jb, NULL, NULL);
    mlo_jb_u64(&jb, doc, "schemaVersion", 2);
    mlo_jb_text(&jb, doc, "mediaType", MLO_MEDIA_INDEX);
    cJSON *list = mlo_jb_array(&jb, doc, "manifests");
    int rc = index_entry(x, &jb, list, manifest, x->opts->ref, err);
    for (size_t i = 0; rc == 0 && i < x->opts->n_referrers; i++)
        rc = index_entry(x, &jb, list, &x->opts->referrers[i], NULL, err);
    return rc != 0 ? rc : mlo_json_print(doc, ret, ret_n, err);
}

static int to_fd(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    struct exporter *x = ctx;
    int rc = x->opts->ret_digest ? mlo_sha256_update(&x->out_hash, p, n, err) : 0;
    x->out_size += n;
    return rc != 0 ? rc : mlo_write_all(x->out_fd, p, n, err);
}

static int small_entry(struct mlo_tar *t, const char *path, const char *text, size_t n, struct mlo_err *err)
{
    int rc = mlo_tar_entry(t, path, n, 0644, 0, err);
    return rc != 0 ? rc : mlo_tar_write(t, text, n, err);
}

static int blob_entry(struct exporter *x, struct mlo_tar *t, const struct blob *b, struct mlo_sha256 *hash,
                      struct mlo_err *err)
{
    char path[MLO_BLOB_PATH_SIZE];
    MLO_AUTOCLOSE int fd = -1;
    struct mlo_digest got;
    uint64_t size = 0;
    int rc = mlo_store_open_blob(x->store, &b->digest, &fd, &size, err);
    if (rc != 0)
        return rc;
    mlo_blob_path(&b->digest, path);
    if (size != b->size)
        return mlo_fail(err, MLO_EINVALID, "%s has another size than its descriptor says", path);
    rc = mlo_tar_entry(t, path, size, 0644, 0, err);
    if (rc == 0)
        rc = mlo_sha256_begin(hash, err);
    if (rc == 0)
        rc = mlo_tar_write_fd(t, fd, size, err);
    if (rc == 0)
        rc = mlo_sha256_end(hash, &got, err);
    if (rc == 0 && !mlo_digest_eq(&got, &b->digest))
        rc = mlo_fail(err, MLO_EINVALID, "%s is damaged", path);
    x->done += size;
    if (x->opts->progress)
        x->opts->progress(x->opts->progress_ctx, x->done, x->total);
    return rc;
}

static int write_layout(struct exporter *x, struct mlo_tar *t, const char *index, size_t index_n,
                        struct mlo_err *err)
{
    struct mlo_sha256 hash = {0};
    int rc = mlo_sha256_new(&hash, err);
    if (rc == 0)
        rc = small_entry(t, MLO_LAYOUT_FILE, MLO_LAYOUT_TEXT, strlen(MLO_LAYOUT_TEXT), err);
    if (rc == 0)
        rc = small_entry(t, MLO_INDEX_FILE, index, index_n, err);
    mlo_tar_tee(t, &hash);
    for (size_t i = 0; rc == 0 && i < x->n; i++)
        rc = blob_entry(x, t, &x->blobs[i], &hash, err);
    mlo_tar_tee(t, NULL);
    mlo_sha256_free(&hash);
    return rc;
}

int mlo_bundle_export(struct mlo_store *s, const struct mlo_digest *manifest, const struct mlo_export_opts *o,
                      int out_fd, struct mlo_err *err)
{
    struct exporter x = {.store = s, .opts = o, .out_fd = out_fd};
    MLO_AUTOFREE char *index = NULL;
    size_t index_n = 0;
    struct mlo_tar *t = NULL;
    int rc = mlo_sha256_new(&x.out_hash, err);
    if (rc == 0)
        rc = collect(&x, manifest, err);
    if (rc == 0)
        rc = index_text(&x, manifest, &index, &index_n, err);
    if (rc == 0)
        rc = mlo_tar_new(to_fd, &x, &t, err);
    if (rc == 0)
        rc = write_layout(&x, t, index, index_n, err);
    if (rc == 0)
        rc = mlo_tar_finish(mlo_steal(&t), err);
    if (rc == 0 && o->ret_digest)
        rc = mlo_sha256_end(&x.out_hash, o->ret_digest, err);
    if (rc == 0 && o->ret_size)
        *o->ret_size = x.out_size;
    mlo_tar_abort(t);
    mlo_sha256_free(&x.out_hash);
    free(x.blobs);
    return rc;
}
