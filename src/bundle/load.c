/*
 * Reading a bundle's manifest, config and mlopsctl.json. All three are from outside: whatever leaves here has
 * digests that parse, sizes that fit, as many diff ids as layers, and file paths that are safe to join to a
 * folder and occur once.
 */
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "oci.h"

#define ARENA_MAX     ((size_t)1 << 30)
#define FILE_META_MAX ((size_t)64 << 10)
#define NEW_PREFIX    "application/vnd.cncf.model."
#define OLD_PREFIX    "application/vnd.cnai.model."
#define OLD_ARTIFACT  "application/vnd.cnai.model.manifest.v1+json"

static const cJSON *member(const cJSON *o, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(o, key);
}

void mlo_bundle_release(struct mlo_bundle *b)
{
    free(b->manifest_text);
    cJSON_Delete(b->manifest);
    cJSON_Delete(b->config);
    cJSON_Delete(b->extra);
    mlo_arena_release(&b->arena);
    *b = (struct mlo_bundle){0};
}

/* ---- manifest ---- */

static int read_descriptor(const cJSON *o, struct mlo_digest *ret_digest, uint64_t *ret_size,
                           struct mlo_err *err)
{
    const char *text = mlo_json_text(o, "digest");
    if (!text)
        return mlo_fail(err, MLO_EINVALID, "no digest");
    int rc = mlo_digest_parse(text, ret_digest, err);
    return rc ? rc : mlo_json_u64(o, "size", ret_size, err);
}

bool mlo_packing_from_name(const char *name, enum mlo_layer_packing *ret)
{
    static const char *const packings[] = {
        [MLO_PACKING_RAW] = "raw",
        [MLO_PACKING_TAR] = "tar",
        [MLO_PACKING_TAR_GZIP] = "tar+gzip",
        [MLO_PACKING_TAR_ZSTD] = "tar+zstd",
    };
    for (size_t i = 0; i < MLO_COUNT(packings); i++) {
        if (strcmp(name, packings[i]) != 0)
            continue;
        *ret = (enum mlo_layer_packing)i;
        return true;
    }
    return false;
}

/* "application/vnd.cncf.model.weight.v1.raw" */
static bool read_media_type(const char *type, struct mlo_layer *l, bool *old)
{
    enum mlo_kind kind;
    *old = strncmp(type, OLD_PREFIX, strlen(OLD_PREFIX)) == 0;
    if (!*old && strncmp(type, NEW_PREFIX, strlen(NEW_PREFIX)) != 0)
        return false;
    const char *word = type + strlen(NEW_PREFIX), *end = strstr(word, ".v1.");
    if (!end || !mlo_kind_from_name(word, (size_t)(end - word), &kind))
        return false;
    if (!mlo_packing_from_name(end + 4, &l->packing))
        return false;
    l->kind = mlo_kind_name(kind);
    return true;
}

static const char *annotation(const cJSON *layer, const char *key, const char *old_key)
{
    const char *v = mlo_layer_annotation(layer, key);
    return v ? v : mlo_layer_annotation(layer, old_key);
}

/* The file's metadata travels as JSON inside a string; only mode and size mean something here. */
static int read_file_meta(const char *text, struct mlo_layer *l, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *meta = NULL;
    uint64_t v = 0;
    int rc = mlo_json_parse(text, strlen(text), FILE_META_MAX, &meta, err);
    if (rc)
        return mlo_wrap(err, "file metadata");
    if (member(meta, "size") && (mlo_json_u64(meta, "size", &v, err) || v != l->size))
        return mlo_fail(err, MLO_EINVALID, "file metadata: size differs from the layer's");
    if (member(meta, "typeflag") && (mlo_json_u64(meta, "typeflag", &v, err) || (v != 0 && v != '0')))
        return mlo_fail(err, MLO_EINVALID, "file metadata: not a regular file");
    if (member(meta, "mode")) {
        rc = mlo_json_u64(meta, "mode", &v, err);
        if (rc)
            return mlo_wrap(err, "file metadata");
        l->mode = (uint32_t)(v & 0777);
    }
    return 0;
}

static int read_raw_file(enum mlo_family family, const cJSON *o, struct mlo_layer *l, struct mlo_err *err)
{
    l->path = annotation(o, MLO_ANN_FILEPATH, MLO_ANN_OLD_FILEPATH);
    if (!l->path)
        l->path = mlo_layer_annotation(o, MLO_ANN_TITLE);
    if (!l->path)
        return *l->kind && family == MLO_FAMILY_MODELPACK
                   ? mlo_fail(err, MLO_EINVALID, "a raw layer without file path")
                   : 0;
    int rc = mlo_path_check(l->path, strlen(l->path), err);
    if (rc)
        return mlo_wrap(err, "file path");
    const char *meta = annotation(o, MLO_ANN_FILE_META, MLO_ANN_OLD_FILE_META);
    return meta ? read_file_meta(meta, l, err) : 0;
}

static int read_layer(struct mlo_bundle *b, const cJSON *o, struct mlo_layer *l, struct mlo_err *err)
{
    bool old = false;
    *l = (struct mlo_layer){.kind = "", .mode = 0644};
    l->media_type = mlo_json_text(o, "mediaType");
    if (!l->media_type)
        return mlo_fail(err, MLO_EINVALID, "no media type");
    int rc = read_descriptor(o, &l->digest, &l->size, err);
    if (rc)
        return rc;
    if (b->family != MLO_FAMILY_MODELPACK)
        mlo_family_read_layer(b->family, o, l);
    else if (read_media_type(l->media_type, l, &old))
        b->old_generation = b->old_generation || old;
    return l->packing == MLO_PACKING_RAW ? read_raw_file(b->family, o, l, err) : 0;
}

static int read_layers(struct mlo_bundle *b, struct mlo_err *err)
{
    const cJSON *array = member(b->manifest, "layers");
    int n = cJSON_IsArray(array) ? cJSON_GetArraySize(array) : 0;
    if (n < 1)
        return mlo_fail(err, MLO_EINVALID, "manifest: no layers");
    if ((size_t)n > MLO_LAYERS_MAX)
        return mlo_fail(err, MLO_EINVALID, "manifest: more than %zu layers", MLO_LAYERS_MAX);
    b->layers = mlo_arena_alloc(&b->arena, (size_t)n, sizeof(*b->layers), err);
    if (!b->layers)
        return MLO_EIO;
    for (const cJSON *o = array->child; o; o = o->next, b->n_layers++)
        if (read_layer(b, o, &b->layers[b->n_layers], err))
            return mlo_wrap(err, "manifest: layer %zu", b->n_layers);
    if (b->family == MLO_FAMILY_MODELPACK)
        return 0;
    return mlo_family_name_files(b->layers, b->n_layers, &b->arena, err);
}

static int check_types(struct mlo_bundle *b, const cJSON *config, struct mlo_err *err)
{
    const char *media = mlo_json_text(b->manifest, "mediaType"),
               *artifact = mlo_json_text(b->manifest, "artifactType");
    const char *config_type = mlo_json_text(config, "mediaType");
    uint64_t schema = 0;
    b->family = mlo_family_of(b->manifest);
    if (mlo_json_u64(b->manifest, "schemaVersion", &schema, err) || schema != 2)
        return mlo_fail(err, MLO_EINVALID, "manifest: schemaVersion is not 2");
    if (media && strcmp(media, MLO_MEDIA_MANIFEST) != 0 &&
        (b->family == MLO_FAMILY_MODELPACK || strcmp(media, MLO_MEDIA_DOCKER_MANIFEST) != 0))
        return mlo_fail(err, MLO_EINVALID, "manifest: its media type is not that of an image manifest");
    if (b->family == MLO_FAMILY_NONE)
        return mlo_fail(err, MLO_EINVALID, "manifest: not a model: its config has another type");
    if (b->family != MLO_FAMILY_MODELPACK)
        return 0;
    if (artifact && strcmp(artifact, MLO_ARTIFACT_MODEL) != 0 && strcmp(artifact, OLD_ARTIFACT) != 0)
        return mlo_fail(err, MLO_EINVALID, "manifest: not a model: its artifact type is another");
    b->old_generation = strcmp(config_type, MLO_MEDIA_OLD_CONFIG) == 0;
    return 0;
}

static int parse_manifest(const char *text, size_t n, struct mlo_bundle *b, struct mlo_err *err)
{
    mlo_arena_init(&b->arena, ARENA_MAX);
    int rc = mlo_json_parse(text, n, MLO_MANIFEST_MAX, &b->manifest, err);
    if (rc)
        return mlo_wrap(err, "manifest");
    b->manifest_text = mlo_memdup0(text, n, err);
    if (!b->manifest_text)
        return MLO_EIO;
    b->manifest_len = n;
    rc = mlo_sha256(text, n, &b->digest, err);
    const cJSON *config = member(b->manifest, "config");
    if (rc == 0)
        rc = check_types(b, config, err);
    if (rc)
        return rc;
    if (read_descriptor(config, &b->config_digest, &b->config_size, err))
        return mlo_wrap(err, "manifest: config");
    return read_layers(b, err);
}

int mlo_bundle_parse_manifest(const char *text, size_t n, struct mlo_bundle *ret, struct mlo_err *err)
{
    struct mlo_bundle b = {0};
    int rc = parse_manifest(text, n, &b, err);
    if (rc)
        mlo_bundle_release(&b);
    else
        *ret = b;
    return rc;
}

const struct mlo_layer *mlo_bundle_extra_layer(const struct mlo_bundle *b)
{
    for (size_t i = b->n_layers; i-- > 0;) {
        const struct mlo_layer *l = &b->layers[i];
        if (l->path && strcmp(l->path, MLO_EXTRA_PATH) == 0 && strcmp(l->media_type, MLO_MEDIA_EXTRA) == 0)
            return l;
    }
    return NULL;
}

/* ---- config ---- */

static int check_blob(const char *what, const char *data, size_t n, const struct mlo_digest *digest,
                      uint64_t size, struct mlo_err *err)
{
    struct mlo_digest d;
    if (n != size)
        return mlo_fail(err, MLO_EINVALID, "%s: %zu bytes where the manifest says %llu", what, n,
                        (unsigned long long)size);
    int rc = mlo_sha256(data, n, &d, err);
    if (rc == 0 && !mlo_digest_eq(&d, digest))
        rc = mlo_fail(err, MLO_EINVALID, "%s: its digest is not the one in the manifest", what);
    return rc;
}

static int read_diff_ids(struct mlo_bundle *b, struct mlo_err *err)
{
    const cJSON *fs = member(b->config, "modelfs"), *ids = member(fs, "diffIds"),
                *old = member(fs, "diff_ids");
    const char *type = mlo_json_text(fs, "type");
    if (!type || strcmp(type, "layers") != 0)
        return mlo_fail(err, MLO_EINVALID, "config: modelfs.type is not \"layers\"");
    if (!ids == !old)
        return mlo_fail(err, MLO_EINVALID, "config: %s", ids ? "both diffIds and diff_ids" : "no diffIds");
    size_t i = 0;
    for (const cJSON *id = (ids ? ids : old)->child; id; id = id->next, i++) {
        if (i == b->n_layers)
            return mlo_fail(err, MLO_EINVALID, "config: more diffIds than layers");
        struct mlo_layer *l = &b->layers[i];
        if (mlo_digest_parse(id->valuestring, &l->diff_id, err))
            return mlo_wrap(err, "config: diffId %zu", i);
        l->has_diff_id = true;
        bool compressed = l->packing == MLO_PACKING_TAR_GZIP || l->packing == MLO_PACKING_TAR_ZSTD;
        if (*l->kind && !compressed && !mlo_digest_eq(&l->diff_id, &l->digest))
            return mlo_fail(err, MLO_EINVALID, "config: diffId %zu is not its layer's digest", i);
    }
    if (i < b->n_layers)
        return mlo_fail(err, MLO_EINVALID, "config: fewer diffIds than layers");
    return 0;
}

/* Each family has a schema of its own there, or none: what can be read is kept, nothing is required. */
static int parse_foreign_config(struct mlo_bundle *b, const char *text, size_t n, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    struct mlo_err ignored = MLO_ERR_INIT;
    int rc = text ? check_blob("config", text, n, &b->config_digest, b->config_size, err) : 0;
    if (rc)
        return rc;
    if (text && mlo_json_parse(text, n, MLO_CONFIG_MAX, &doc, &ignored) == 0 && cJSON_IsObject(doc))
        b->config = mlo_steal(&doc);
    for (size_t i = 0; i < b->n_layers; i++) {
        struct mlo_layer *l = &b->layers[i];
        l->has_diff_id = l->packing == MLO_PACKING_RAW || l->packing == MLO_PACKING_TAR;
        l->diff_id = l->digest;
    }
    return 0;
}

static int parse_config(struct mlo_bundle *b, const char *text, size_t n, struct mlo_err *err)
{
    if (b->family != MLO_FAMILY_MODELPACK)
        return parse_foreign_config(b, text, n, err);
    if (!text)
        return mlo_fail(err, MLO_EINVALID, "config: missing");
    int rc = check_blob("config", text, n, &b->config_digest, b->config_size, err);
    if (rc)
        return rc;
    if (mlo_json_parse(text, n, MLO_CONFIG_MAX, &b->config, err))
        return mlo_wrap(err, "config");
    rc = mlo_config_check(b->config, err);
    return rc ? rc : read_diff_ids(b, err);
}

/* ---- mlopsctl.json and the list of files ---- */

static int fail_file(const struct mlo_file *f, const char *why, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str path;
    mlo_str_init(&path, 1024);
    mlo_escape(&path, f->path, strnlen(f->path, 160));
    return mlo_fail(err, MLO_EINVALID, MLO_EXTRA_PATH ": file '%s': %s", path.ptr, why);
}

static int check_file(const struct mlo_bundle *b, const struct mlo_file *f, struct mlo_err *err)
{
    if (f->layer >= b->n_layers)
        return fail_file(f, "no such layer", err);
    const struct mlo_layer *l = &b->layers[f->layer];
    if (l->packing != MLO_PACKING_RAW)
        return 0;
    if (!l->path || strcmp(l->path, f->path) != 0 || l->size != f->size ||
        !mlo_digest_eq(&l->digest, &f->digest))
        return fail_file(f, "differs from its layer", err);
    return 0;
}

static int read_file(struct mlo_bundle *b, const cJSON *o, struct mlo_file *f, struct mlo_err *err)
{
    uint64_t layer = 0, mode = 0644;
    enum mlo_kind kind;
    *f = (struct mlo_file){.path = mlo_json_text(o, "path"), .format = mlo_json_text(o, "format")};
    const char *word = mlo_json_text(o, "kind");
    if (!f->path || mlo_path_check(f->path, strlen(f->path), err))
        return mlo_fail(err, MLO_EINVALID, MLO_EXTRA_PATH ": a file without a safe path");
    if (!word || !mlo_kind_from_name(word, strlen(word), &kind))
        return fail_file(f, "no kind", err);
    f->kind = mlo_kind_name(kind);
    if (read_descriptor(o, &f->digest, &f->size, err) || mlo_json_u64(o, "layer", &layer, err))
        return mlo_wrap(err, MLO_EXTRA_PATH ": file");
    if (member(o, "mode") && (mlo_json_u64(o, "mode", &mode, err) || mode > 0777))
        return fail_file(f, "mode out of range", err);
    f->mode = (uint32_t)mode;
    f->layer = layer < b->n_layers ? (size_t)layer : b->n_layers;
    return check_file(b, f, err);
}

static size_t count_raw_files(const struct mlo_bundle *b)
{
    const struct mlo_layer *extra = mlo_bundle_extra_layer(b);
    size_t n = 0;
    for (size_t i = 0; i < b->n_layers; i++)
        n += b->layers[i].path && &b->layers[i] != extra;
    return n;
}

static int files_of_extra(struct mlo_bundle *b, struct mlo_err *err)
{
    const cJSON *array = member(b->extra, "files");
    if (!cJSON_IsArray(array))
        return mlo_fail(err, MLO_EINVALID, MLO_EXTRA_PATH ": no files");
    size_t n = (size_t)cJSON_GetArraySize(array), raw = 0;
    b->files = mlo_arena_alloc(&b->arena, n + 1, sizeof(*b->files), err);
    if (!b->files)
        return MLO_EIO;
    for (const cJSON *o = array->child; o; o = o->next) {
        struct mlo_file *f = &b->files[b->n_files++];
        int rc = read_file(b, o, f, err);
        if (rc)
            return rc;
        raw += b->layers[f->layer].packing == MLO_PACKING_RAW;
    }
    if (raw != count_raw_files(b))
        return mlo_fail(err, MLO_EINVALID, MLO_EXTRA_PATH ": files and layers do not match");
    return 0;
}

static int files_of_layers(struct mlo_bundle *b, struct mlo_err *err)
{
    const struct mlo_layer *extra = mlo_bundle_extra_layer(b);
    b->files = mlo_arena_alloc(&b->arena, b->n_layers, sizeof(*b->files), err);
    if (!b->files)
        return MLO_EIO;
    for (size_t i = 0; i < b->n_layers; i++) {
        const struct mlo_layer *l = &b->layers[i];
        if (l->path && l != extra)
            b->files[b->n_files++] = (struct mlo_file){.path = l->path,
                                                       .size = l->size,
                                                       .digest = l->digest,
                                                       .mode = l->mode,
                                                       .kind = l->kind,
                                                       .layer = i};
    }
    return 0;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct mlo_file *)a)->path, ((const struct mlo_file *)b)->path);
}

static int sort_files(struct mlo_bundle *b, struct mlo_err *err)
{
    qsort(b->files, b->n_files, sizeof(*b->files), by_path);
    for (size_t i = 1; i < b->n_files; i++) {
        if (strcmp(b->files[i - 1].path, b->files[i].path) != 0)
            continue;
        MLO_AUTOSTR struct mlo_str path;
        mlo_str_init(&path, 1024);
        mlo_escape(&path, b->files[i].path, strnlen(b->files[i].path, 160));
        return mlo_fail(err, MLO_EINVALID, "manifest: two files have the path '%s'", path.ptr);
    }
    return 0;
}

static int parse_extra(struct mlo_bundle *b, const char *text, size_t n, struct mlo_err *err)
{
    const struct mlo_layer *l = mlo_bundle_extra_layer(b);
    uint64_t schema = 0;
    if (!l)
        return mlo_fail(err, MLO_EINVALID, "manifest: no layer for " MLO_EXTRA_PATH);
    int rc = check_blob(MLO_EXTRA_PATH, text, n, &l->digest, l->size, err);
    if (rc)
        return rc;
    if (mlo_json_parse(text, n, MLO_EXTRA_MAX, &b->extra, err) ||
        mlo_json_u64(b->extra, "schema", &schema, err))
        return mlo_wrap(err, MLO_EXTRA_PATH);
    if (schema != MLO_EXTRA_SCHEMA)
        return mlo_fail(err, MLO_EUNAVAIL, MLO_EXTRA_PATH ": schema %llu is newer than this program (%d)",
                        (unsigned long long)schema, MLO_EXTRA_SCHEMA);
    return files_of_extra(b, err);
}

int mlo_bundle_parse(const char *manifest, size_t n, const char *config, size_t config_n, const char *extra,
                     size_t extra_n, struct mlo_bundle *ret, struct mlo_err *err)
{
    struct mlo_bundle b = {0};
    int rc = parse_manifest(manifest, n, &b, err);
    if (rc == 0)
        rc = parse_config(&b, config, config_n, err);
    if (rc == 0)
        rc = extra ? parse_extra(&b, extra, extra_n, err) : files_of_layers(&b, err);
    if (rc == 0)
        rc = sort_files(&b, err);
    if (rc)
        mlo_bundle_release(&b);
    else
        *ret = b;
    return rc;
}

int mlo_manifest_check(const char *text, size_t n, struct mlo_err *err)
{
    struct mlo_bundle b = {0};
    int rc = parse_manifest(text, n, &b, err);
    if (rc == 0)
        rc = files_of_layers(&b, err);
    if (rc == 0)
        rc = sort_files(&b, err);
    mlo_bundle_release(&b);
    return rc;
}

int mlo_bundle_load(struct mlo_store *s, const struct mlo_digest *manifest, struct mlo_bundle *ret,
                    struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL, *config = NULL, *extra = NULL;
    size_t n = 0, config_n = 0, extra_n = 0;
    struct mlo_bundle head = {0};
    int rc = mlo_store_read(s, manifest, MLO_MANIFEST_MAX, &text, &n, err);
    if (rc == 0)
        rc = parse_manifest(text, n, &head, err);
    if (rc == 0 && head.family != MLO_FAMILY_ARTIFACT)
        rc = mlo_store_read(s, &head.config_digest, MLO_CONFIG_MAX, &config, &config_n, err);
    const struct mlo_layer *l = rc == 0 ? mlo_bundle_extra_layer(&head) : NULL;
    if (l)
        rc = mlo_store_read(s, &l->digest, MLO_EXTRA_MAX, &extra, &extra_n, err);
    mlo_bundle_release(&head);
    return rc ? rc : mlo_bundle_parse(text, n, config, config_n, extra, extra_n, ret, err);
}

/* ---- tensors ---- */

static enum mlo_dtype dtype_of(const char *name)
{
    for (int t = MLO_DT_BOOL; t < MLO_DT_GGML; t++)
        if (strcmp(mlo_dtype_name((enum mlo_dtype)t), name) == 0)
            return (enum mlo_dtype)t;
    return MLO_DT_GGML; /* the name of a block type */
}

static int read_shape(const cJSON *shape, struct mlo_bundle_tensor *t, struct mlo_err *err)
{
    for (const cJSON *d = shape ? shape->child : NULL; d; d = d->next) {
        if (t->rank == MLO_MAX_RANK || !cJSON_IsNumber(d) || !(d->valuedouble >= 0) ||
            d->valuedouble > 9007199254740992.0 || d->valuedouble != (double)(uint64_t)d->valuedouble)
            return mlo_fail(err, MLO_EINVALID, "a dimension is no whole number, or there are more than %d",
                            MLO_MAX_RANK);
        t->shape[t->rank++] = (uint64_t)d->valuedouble;
    }
    return 0;
}

static int read_tensor(const cJSON *o, struct mlo_bundle_tensor *t, struct mlo_err *err)
{
    const char *digest = mlo_json_text(o, "digest");
    *t = (struct mlo_bundle_tensor){.name = mlo_json_text(o, "name"),
                                    .type_name = mlo_json_text(o, "type"),
                                    .file = mlo_json_text(o, "file")};
    if (!t->name || !t->type_name || !t->file || !cJSON_IsArray(member(o, "shape")))
        return mlo_fail(err, MLO_EINVALID, "name, type, shape and file are needed");
    t->dtype = dtype_of(t->type_name);
    t->has_digest = digest != NULL;
    int rc = read_shape(member(o, "shape"), t, err);
    if (rc == 0)
        rc = mlo_json_u64(o, "bytes", &t->bytes, err);
    return rc == 0 && digest ? mlo_digest_parse(digest, &t->digest, err) : rc;
}

int mlo_bundle_tensor_each(const struct mlo_bundle *b,
                           int (*fn)(void *ctx, const struct mlo_bundle_tensor *t, struct mlo_err *err),
                           void *ctx, struct mlo_err *err)
{
    const cJSON *array = member(b->extra, "tensors");
    size_t i = 0;
    for (const cJSON *o = array ? array->child : NULL; o; o = o->next, i++) {
        struct mlo_bundle_tensor t;
        if (read_tensor(o, &t, err))
            return mlo_wrap(err, MLO_EXTRA_PATH ": tensor %zu", i);
        int rc = fn(ctx, &t, err);
        if (rc)
            return rc;
    }
    return 0;
}
