/*
 * Foreign layouts in. Blobs of a tar stream into the store as they pass, each under the digest its path
 * claims; index.json is kept until the end, so it may stand anywhere in the archive. A folder is read the
 * other way round: index first, then what it names. Nothing gets a name here, so whatever a failed import
 * leaves behind is garbage for gc.
 */
#include <mlopsctl/bundle.h>

#include <fcntl.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "oci.h"
#include "untar.h"

#define INDEX_MAX         ((size_t)4 << 20)
#define LAYOUT_MAX        ((size_t)4096)
#define INDEX_ENTRIES_MAX 10000

struct importer {
    struct mlo_store *store;
    int dirfd;            /* of a layout folder; -1 for a tar */
    struct mlo_str index; /* text of index.json */
    bool has_layout, has_index;
    struct mlo_imported *items;
    size_t n, cap;
};

/* ---- pieces both ways in share ---- */

static int check_layout(struct importer *im, const char *text, size_t n, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    int rc = mlo_json_parse(text, n, LAYOUT_MAX, &doc, err);
    if (rc != 0)
        return mlo_wrap(err, MLO_LAYOUT_FILE);
    const char *version = mlo_json_text(doc, "imageLayoutVersion");
    if (!version || strcmp(version, "1.0.0") != 0)
        return mlo_fail(err, MLO_EINVALID, MLO_LAYOUT_FILE ": version is not 1.0.0");
    im->has_layout = true;
    return 0;
}

static int to_writer(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    return mlo_blob_write(ctx, p, n, err);
}

static int to_text(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    mlo_str_addn(ctx, p, n);
    return mlo_str_check(ctx, err);
}

/* ---- tar ---- */

static int take_blob(struct importer *im, struct mlo_untar *u, const char *hex, struct mlo_err *err)
{
    struct mlo_blob_writer *w = NULL;
    struct mlo_digest expect, got;
    int rc = mlo_digest_from_hex(hex, strlen(hex), &expect, err);
    if (rc != 0)
        return mlo_wrap(err, "archive: " MLO_BLOB_PREFIX);
    rc = mlo_blob_begin(im->store, &w, err);
    if (rc == 0)
        rc = mlo_untar_copy(u, to_writer, w, err);
    if (rc == 0)
        return mlo_blob_commit(w, &expect, &got, NULL, err);
    if (w)
        mlo_blob_abort(w);
    return rc;
}

static int take_text(struct mlo_untar *u, const struct mlo_untar_entry *e, size_t max, struct mlo_str *out,
                     struct mlo_err *err)
{
    if (e->size > max)
        return mlo_fail(err, MLO_EINVALID, "archive: %s is larger than %zu bytes", e->path, max);
    return mlo_untar_copy(u, to_text, out, err);
}

static int take_entry(void *ctx, struct mlo_untar *u, const struct mlo_untar_entry *e, struct mlo_err *err)
{
    struct importer *im = ctx;
    if (e->folder)
        return 0;
    if (strncmp(e->path, MLO_BLOB_PREFIX, strlen(MLO_BLOB_PREFIX)) == 0)
        return take_blob(im, u, e->path + strlen(MLO_BLOB_PREFIX), err);
    if (strcmp(e->path, MLO_INDEX_FILE) == 0) {
        im->has_index = true;
        return take_text(u, e, INDEX_MAX, &im->index, err);
    }
    if (strcmp(e->path, MLO_LAYOUT_FILE) == 0) {
        MLO_AUTOSTR struct mlo_str text;
        mlo_str_init(&text, LAYOUT_MAX);
        int rc = take_text(u, e, LAYOUT_MAX, &text, err);
        return rc != 0 ? rc : check_layout(im, text.ptr, text.len, err);
    }
    return 0; /* unknown files are to be ignored */
}

/* ---- folder ---- */

static int open_layout_folder(struct importer *im, struct mlo_err *err)
{
    MLO_AUTOFREE char *layout = NULL;
    MLO_AUTOFREE char *index = NULL;
    size_t layout_n = 0, index_n = 0;
    int rc = mlo_slurp_at(im->dirfd, MLO_LAYOUT_FILE, LAYOUT_MAX, &layout, &layout_n, err);
    if (rc == 0)
        rc = check_layout(im, layout, layout_n, err);
    if (rc == 0)
        rc = mlo_slurp_at(im->dirfd, MLO_INDEX_FILE, INDEX_MAX, &index, &index_n, err);
    if (rc == MLO_ENOTFOUND)
        return 0; /* check_complete says what is missing */
    if (rc != 0)
        return rc;
    im->has_index = true;
    mlo_str_addn(&im->index, index, index_n);
    return mlo_str_check(&im->index, err);
}

/* Brings a blob of the folder into the store. */
static int fetch_blob(struct importer *im, const struct mlo_digest *d, uint64_t size, struct mlo_err *err)
{
    char path[MLO_BLOB_PATH_SIZE];
    MLO_AUTOCLOSE int fd = -1;
    struct mlo_ingest in = {.label = path, .threads = 1};
    struct mlo_digest got;
    struct stat st;
    uint64_t ingested = 0;
    int rc = mlo_open_beneath(im->dirfd, mlo_blob_path(d, path), O_RDONLY | O_NONBLOCK, 0, &fd, err);
    if (rc != 0)
        return rc;
    if (fstat(fd, &st) != 0)
        return mlo_fail_errno(err, "%s: cannot stat", path);
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size)
        return mlo_fail(err, MLO_EINVALID, "%s: not a file of the size its descriptor says", path);
    in.fd = fd;
    rc = mlo_store_ingest(im->store, &in, &got, &ingested, err);
    if (rc == 0 && !mlo_digest_eq(&got, d))
        return mlo_fail(err, MLO_EINVALID, "%s: content does not match its name", path);
    return rc;
}

/* ---- index.json ---- */

static int need_blob(void *ctx, const struct mlo_descriptor *d, struct mlo_err *err)
{
    struct importer *im = ctx;
    char text[MLO_DIGEST_TEXT];
    uint64_t size = 0;
    if (mlo_store_has(im->store, &d->digest, &size)) {
        if (size == d->size)
            return 0;
        return mlo_fail(err, MLO_EINVALID, "layout: %s has another size than its descriptor says",
                        mlo_digest_text(&d->digest, text));
    }
    int rc = im->dirfd >= 0 ? fetch_blob(im, &d->digest, d->size, err) : MLO_ENOTFOUND;
    if (rc == MLO_ENOTFOUND)
        return mlo_fail(err, MLO_EINVALID, "layout lacks %s", mlo_digest_text(&d->digest, text));
    return rc;
}

static bool ref_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._:@+/", c);
}

static void take_ref(const cJSON *entry, char ret[MLO_REF_TEXT])
{
    const char *ref = mlo_json_text(cJSON_GetObjectItemCaseSensitive(entry, "annotations"), MLO_REF_NAME_KEY);
    size_t n = ref ? strlen(ref) : 0;
    ret[0] = '\0';
    if (n >= MLO_REF_TEXT)
        return;
    for (size_t i = 0; i < n; i++)
        if (!ref_char(ref[i]))
            return;
    memcpy(ret, ref ? ref : "", n + 1);
}

/* Of two models with one name the later is meant. */
static int add_item(struct importer *im, const struct mlo_imported *item, struct mlo_err *err)
{
    for (size_t i = 0; *item->ref && !item->is_referrer && i < im->n; i++) {
        if (im->items[i].is_referrer || strcmp(im->items[i].ref, item->ref) != 0)
            continue;
        im->items[i] = *item;
        return 0;
    }
    int rc = mlo_grow(&im->items, &im->cap, im->n + 1, sizeof *im->items, err);
    if (rc == 0)
        im->items[im->n++] = *item;
    return rc;
}

static int check_model(struct importer *im, const struct mlo_digest *manifest, struct mlo_err *err)
{
    struct mlo_bundle b = {0};
    int rc = mlo_bundle_load(im->store, manifest, &b, err);
    if (rc == 0)
        mlo_bundle_release(&b);
    return rc;
}

static int take_manifest(struct importer *im, const struct mlo_descriptor *d, const cJSON *entry,
                         struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    MLO_AUTOJSON cJSON *doc = NULL;
    struct mlo_imported item = {.manifest = d->digest};
    size_t n = 0;
    if (d->size > MLO_MANIFEST_MAX)
        return mlo_fail(err, MLO_EINVALID, "layout: manifest is larger than %zu bytes", MLO_MANIFEST_MAX);
    int rc = need_blob(im, d, err);
    if (rc == 0)
        rc = mlo_store_read(im->store, &d->digest, MLO_MANIFEST_MAX, &text, &n, err);
    if (rc == 0)
        rc = mlo_json_parse(text, n, MLO_MANIFEST_MAX, &doc, err);
    if (rc != 0)
        return rc;
    const cJSON *subject = cJSON_GetObjectItemCaseSensitive(doc, "subject");
    if (subject) {
        struct mlo_descriptor s;
        rc = mlo_descriptor_read(subject, &s, err);
        if (rc != 0)
            return mlo_wrap(err, "manifest: subject");
        item.is_referrer = true;
        item.subject = s.digest;
    } else if (mlo_family_of(doc) == MLO_FAMILY_NONE) {
        return 0;
    }
    take_ref(entry, item.ref);
    rc = mlo_manifest_each(doc, need_blob, im, err);
    if (rc == 0 && !item.is_referrer)
        rc = check_model(im, &d->digest, err);
    return rc != 0 ? rc : add_item(im, &item, err);
}

static int take_index(struct importer *im, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    int n = 0;
    int rc = mlo_json_parse(im->index.ptr, im->index.len, INDEX_MAX, &doc, err);
    if (rc != 0)
        return mlo_wrap(err, MLO_INDEX_FILE);
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(doc, "manifests");
    if (!cJSON_IsArray(list))
        return mlo_fail(err, MLO_EINVALID, MLO_INDEX_FILE ": has no manifests");
    for (const cJSON *entry = list->child; entry; entry = entry->next) {
        struct mlo_descriptor d;
        if (++n > INDEX_ENTRIES_MAX)
            return mlo_fail(err, MLO_EINVALID, MLO_INDEX_FILE ": more than %d entries", INDEX_ENTRIES_MAX);
        rc = mlo_descriptor_read(entry, &d, err);
        if (rc != 0)
            return mlo_wrap(err, MLO_INDEX_FILE ": entry %d", n - 1);
        if (strcmp(d.media_type, MLO_MEDIA_MANIFEST) != 0 &&
            strcmp(d.media_type, MLO_MEDIA_DOCKER_MANIFEST) != 0)
            continue;
        rc = take_manifest(im, &d, entry, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* ---- the whole ---- */

static int check_complete(const struct importer *im, struct mlo_err *err)
{
    if (!im->has_layout)
        return mlo_fail(err, MLO_EINVALID, "not an OCI layout: no " MLO_LAYOUT_FILE);
    if (!im->has_index)
        return mlo_fail(err, MLO_EINVALID, "not an OCI layout: no " MLO_INDEX_FILE);
    return 0;
}

static int import_from(struct importer *im, int fd, struct mlo_err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return mlo_fail_errno(err, "cannot stat");
    im->dirfd = S_ISDIR(st.st_mode) ? fd : -1;
    int rc = S_ISDIR(st.st_mode) ? open_layout_folder(im, err)
                                 : mlo_untar(fd, false, take_entry, im, NULL, err);
    if (rc == 0)
        rc = check_complete(im, err);
    if (rc == 0)
        rc = take_index(im, err);
    for (size_t i = 0; rc == 0 && i < im->n; i++)
        if (!im->items[i].is_referrer)
            return 0;
    return rc != 0 ? rc : mlo_fail(err, MLO_EINVALID, "the layout holds no model");
}

int mlo_bundle_import(struct mlo_store *s, const char *path, struct mlo_imported **ret, size_t *ret_n,
                      struct mlo_err *err)
{
    struct importer im = {.store = s, .dirfd = -1};
    MLO_AUTOSTR struct mlo_str name;
    mlo_str_init(&name, sizeof err->msg);
    mlo_escape(&name, path, strlen(path));
    MLO_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return mlo_fail_errno(err, "'%s': cannot open", name.ptr);
    mlo_str_init(&im.index, INDEX_MAX);
    int rc = import_from(&im, fd, err);
    mlo_str_release(&im.index);
    if (rc != 0) {
        free(im.items);
        return mlo_wrap(err, "'%s'", name.ptr);
    }
    *ret = im.items;
    *ret_n = im.n;
    return 0;
}
