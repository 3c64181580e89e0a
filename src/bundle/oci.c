/* Generic OCI descriptors and manifests; see oci.h. */
#include "oci.h"

#include <string.h>

int mlo_descriptor_read(const cJSON *node, struct mlo_descriptor *ret, struct mlo_err *err)
{
    const char *digest = mlo_json_text(node, "digest");
    struct mlo_descriptor d = {.media_type = mlo_json_text(node, "mediaType"),
                               .artifact_type = mlo_json_text(node, "artifactType")};
    if (!digest)
        return mlo_fail(err, MLO_EINVALID, "descriptor has no digest");
    int rc = mlo_digest_parse(digest, &d.digest, err);
    if (rc == 0)
        rc = mlo_json_u64(node, "size", &d.size, err);
    if (rc != 0)
        return mlo_wrap(err, "descriptor");
    if (!d.media_type)
        d.media_type = "";
    if (!d.artifact_type)
        d.artifact_type = "";
    *ret = d;
    return 0;
}

cJSON *mlo_jb_descriptor(struct mlo_jb *b, cJSON *parent, const char *key, const char *media_type,
                         const struct mlo_digest *d, uint64_t size)
{
    cJSON *node = mlo_jb_object(b, parent, key);
    mlo_jb_text(b, node, "mediaType", media_type);
    mlo_jb_digest(b, node, "digest", d);
    mlo_jb_u64(b, node, "size", size);
    return node;
}

int mlo_manifest_each(const cJSON *manifest, mlo_descriptor_fn fn, void *ctx, struct mlo_err *err)
{
    const cJSON *layers = cJSON_GetObjectItemCaseSensitive(manifest, "layers");
    struct mlo_descriptor d;
    int n = 0;
    int rc = mlo_descriptor_read(cJSON_GetObjectItemCaseSensitive(manifest, "config"), &d, err);
    if (rc != 0)
        return mlo_wrap(err, "manifest: config");
    rc = fn(ctx, &d, err);
    if (rc != 0)
        return rc;
    if (!cJSON_IsArray(layers))
        return mlo_fail(err, MLO_EINVALID, "manifest has no layers");
    for (const cJSON *node = layers->child; node; node = node->next, n++) {
        if (n >= MLO_OCI_LAYERS_MAX)
            return mlo_fail(err, MLO_EINVALID, "manifest has more than %d layers", MLO_OCI_LAYERS_MAX);
        rc = mlo_descriptor_read(node, &d, err);
        if (rc != 0)
            return mlo_wrap(err, "manifest: layer %d", n);
        rc = fn(ctx, &d, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

char *mlo_blob_path(const struct mlo_digest *d, char buf[MLO_BLOB_PATH_SIZE])
{
    memcpy(buf, MLO_BLOB_PREFIX, sizeof MLO_BLOB_PREFIX - 1);
    mlo_digest_hex(d, buf + sizeof MLO_BLOB_PREFIX - 1);
    return buf;
}

struct each_ctx {
    mlo_blob_fn fn;
    void *ctx;
};

static int each_blob(void *ctx, const struct mlo_descriptor *d, struct mlo_err *err)
{
    const struct each_ctx *e = ctx;
    return e->fn(e->ctx, &d->digest, d->size, err);
}

int mlo_manifest_each_blob(struct mlo_store *s, const struct mlo_digest *manifest, mlo_blob_fn fn, void *ctx,
                           struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    MLO_AUTOJSON cJSON *doc = NULL;
    size_t n = 0;
    struct each_ctx each = {fn, ctx};
    int rc = mlo_store_read(s, manifest, MLO_MANIFEST_MAX, &text, &n, err);
    if (rc == 0)
        rc = mlo_json_parse(text, n, MLO_MANIFEST_MAX, &doc, err);
    if (rc == 0)
        rc = fn(ctx, manifest, n, err);
    return rc != 0 ? rc : mlo_manifest_each(doc, each_blob, &each, err);
}

/* ---- from bytes ---- */

void mlo_oci_release(struct mlo_oci *o)
{
    cJSON_Delete(o->doc);
    free(o->list);
    *o = (struct mlo_oci){0};
}

static int add_descriptor(void *ctx, const struct mlo_descriptor *d, struct mlo_err *err)
{
    struct mlo_oci *o = ctx;
    int rc = mlo_grow(&o->list, &o->cap, o->n + 1, sizeof *o->list, err);
    if (rc == 0)
        o->list[o->n++] = *d;
    return rc;
}

static int read_manifests(struct mlo_oci *o, const cJSON *array, struct mlo_err *err)
{
    for (const cJSON *node = array->child; node; node = node->next) {
        struct mlo_descriptor d;
        if (o->n >= MLO_OCI_LAYERS_MAX)
            return mlo_fail(err, MLO_EINVALID, "index has more than %d entries", MLO_OCI_LAYERS_MAX);
        int rc = mlo_descriptor_read(node, &d, err);
        if (rc == 0)
            rc = add_descriptor(o, &d, err);
        if (rc != 0)
            return mlo_wrap(err, "index: entry %zu", o->n);
    }
    return 0;
}

static int read_oci(struct mlo_oci *o, struct mlo_err *err)
{
    const cJSON *manifests = cJSON_GetObjectItemCaseSensitive(o->doc, "manifests"),
                *subject = cJSON_GetObjectItemCaseSensitive(o->doc, "subject");
    const char *type = mlo_json_text(o->doc, "mediaType"), *artifact = mlo_json_text(o->doc, "artifactType");
    o->is_index = cJSON_IsArray(manifests);
    o->media_type = type ? type : o->is_index ? MLO_MEDIA_INDEX : MLO_MEDIA_MANIFEST;
    o->artifact_type = artifact ? artifact : "";
    if (subject) {
        int rc = mlo_descriptor_read(subject, &o->subject, err);
        if (rc != 0)
            return mlo_wrap(err, "subject");
        o->has_subject = true;
    }
    if (o->is_index)
        return read_manifests(o, manifests, err);
    o->family = mlo_family_of(o->doc);
    return mlo_manifest_each(o->doc, add_descriptor, o, err);
}

int mlo_oci_parse(const char *text, size_t n, struct mlo_oci *ret, struct mlo_err *err)
{
    struct mlo_oci o = {0};
    int rc = mlo_json_parse(text, n, MLO_MANIFEST_MAX, &o.doc, err);
    if (rc == 0)
        rc = read_oci(&o, err);
    if (rc != 0)
        mlo_oci_release(&o);
    else
        *ret = o;
    return rc;
}
