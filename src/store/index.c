/*
 * index.json, so that other OCI tools can read the store by name. Derived from the ledger's names each time
 * they move and never read back: losing it loses nothing.
 */
#include "internal.h"

#include <string.h>

#include <mlopsctl/base/json.h>
#include <mlopsctl/base/text.h>

#define MEDIA_INDEX    "application/vnd.oci.image.index.v1+json"
#define MEDIA_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define REF_ANNOTATION "org.opencontainers.image.ref.name"

/* One separator between two alphanumeric runs: one of "-._:@+", or "--". Returns its length, 0 for none. */
static size_t separator(const char *p)
{
    if (*p == '\0' || !strchr("-._:@+", *p))
        return 0;
    return p[0] == '-' && p[1] == '-' ? 2 : 1;
}

static bool alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* The image specification's grammar: alphanumeric runs joined by a separator or by "/". */
static bool ref_name_valid(const char *p)
{
    for (;;) {
        if (!alnum(*p))
            return false;
        while (alnum(*p))
            p++;
        if (*p == '\0')
            return true;
        size_t n = *p == '/' ? 1 : separator(p);
        if (n == 0)
            return false;
        p += n;
    }
}

static int add_entry(cJSON *list, const struct mlo_index_entry *e, struct mlo_err *err)
{
    char text[MLO_DIGEST_TEXT];
    cJSON *item = cJSON_CreateObject();
    if (!item || !cJSON_AddItemToArray(list, item)) {
        cJSON_Delete(item);
        return mlo_fail_nomem(err);
    }
    cJSON *notes = NULL;
    bool ok = cJSON_AddStringToObject(item, "mediaType", MEDIA_MANIFEST) &&
              cJSON_AddStringToObject(item, "digest", mlo_digest_text(&e->digest, text)) &&
              mlo_json_add_u64(item, "size", e->size) &&
              (notes = cJSON_AddObjectToObject(item, "annotations")) &&
              cJSON_AddStringToObject(notes, REF_ANNOTATION, e->ref) &&
              (!e->artifact_type || cJSON_AddStringToObject(item, "artifactType", e->artifact_type));
    return ok ? 0 : mlo_fail_nomem(err);
}

static int by_ref(const void *a, const void *b)
{
    const struct mlo_index_entry *const *x = a, *const *y = b;
    return strcmp((*x)->ref, (*y)->ref);
}

/* Sorted by name, so the same names give the same bytes; every name valid and there once. */
static int sort_entries(const struct mlo_index_entry *e, size_t n, const struct mlo_index_entry ***ret,
                        struct mlo_err *err)
{
    const struct mlo_index_entry **sorted = mlo_calloc(n ? n : 1, sizeof *sorted, err);
    if (!sorted)
        return MLO_EIO;
    int rc = 0;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &e[i];
    qsort(sorted, n, sizeof(*sorted), by_ref);
    for (size_t i = 0; i < n && rc == 0; i++) {
        MLO_AUTOSTR struct mlo_str name;
        mlo_str_init(&name, 1024);
        mlo_escape(&name, sorted[i]->ref, strlen(sorted[i]->ref));
        if (!ref_name_valid(sorted[i]->ref))
            rc = mlo_fail(err, MLO_EINVALID, "'%s' cannot be a name in an OCI image layout", name.ptr);
        else if (i > 0 && strcmp(sorted[i - 1]->ref, sorted[i]->ref) == 0)
            rc = mlo_fail(err, MLO_EINVALID, "'%s' is there twice among the names for index.json", name.ptr);
    }
    if (rc == 0)
        *ret = mlo_steal(&sorted);
    free(sorted);
    return rc;
}

int mlo_store_write_index(struct mlo_store *s, const struct mlo_index_entry *e, size_t n, struct mlo_err *err)
{
    MLO_AUTOFREE const struct mlo_index_entry **sorted = NULL;
    MLO_AUTOFREE char *text = NULL;
    MLO_AUTOJSON cJSON *doc = cJSON_CreateObject();
    size_t len;
    int rc = sort_entries(e, n, &sorted, err);
    if (rc < 0)
        return rc;
    bool ok = doc && mlo_json_add_u64(doc, "schemaVersion", 2) &&
              cJSON_AddStringToObject(doc, "mediaType", MEDIA_INDEX);
    cJSON *list = ok ? cJSON_AddArrayToObject(doc, "manifests") : NULL;
    if (!list)
        return mlo_fail_nomem(err);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = add_entry(list, sorted[i], err);
    if (rc == 0)
        rc = mlo_json_print(doc, &text, &len, err);
    return rc < 0 ? rc : mlo_write_file_at(s->root_fd, "index.json", text, len, 0644, err);
}
