/*
 * The list of the plain files of a tag. It is the only memory of what lies in that folder. A file that is
 * about to be written or removed loses its digest there first and gets its new one after, so whoever finds
 * the list, also one that a killed push has left, knows what is there and what of it can be believed.
 *
 *   {"schema":1,"manifest":"sha256:...","complete":true,
 *    "files":[{"path":"...","size":1,"sha256":"..."},...]}       sha256 null: not known
 */
#include "internal.h"

#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/json.h>

#define LIST_SCHEMA   1
#define LIST_TEXT_MAX ((size_t)64 << 20)

const struct mlo_digest mlo_file_unknown;

char *mlo_file_key(const struct mlo_ref *ref, const char *path, char buf[MLO_KEY_MAX])
{
    snprintf(buf, MLO_KEY_MAX, "files/%s/%s/%s", ref->name, ref->tag, path);
    return buf;
}

static void list_key(const struct mlo_ref *ref, char buf[MLO_KEY_MAX])
{
    snprintf(buf, MLO_KEY_MAX, "lists/%s/%s", ref->name, ref->tag);
}

void mlo_file_list_release(struct mlo_file_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->files[i].path);
    free(l->files);
    *l = (struct mlo_file_list){.n = 0};
}

/* Where the path is, or belongs. */
static size_t position(const struct mlo_file_list *l, const char *path)
{
    size_t from = 0, to = l->n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (strcmp(l->files[mid].path, path) < 0)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

int mlo_file_list_add(struct mlo_file_list *l, const char *path, const struct mlo_digest *digest,
                      uint64_t size, struct mlo_err *err)
{
    size_t at = position(l, path);
    if (at < l->n && strcmp(l->files[at].path, path) == 0)
        return mlo_fail(err, MLO_EINVALID, "file '%s' is listed twice", path);
    if (l->n >= MLO_RECIPE_FILES_MAX)
        return mlo_fail(err, MLO_EINVALID, "more than %zu files", MLO_RECIPE_FILES_MAX);
    int rc = mlo_grow(&l->files, &l->cap, l->n + 1, sizeof *l->files, err);
    char *copy = rc == 0 ? mlo_strdup(path, err) : NULL;
    if (!copy)
        return err->code;
    memmove(&l->files[at + 1], &l->files[at], (l->n - at) * sizeof *l->files);
    l->files[at] = (struct mlo_recipe_file){copy, *digest, size};
    l->n++;
    return 0;
}

struct mlo_recipe_file *mlo_file_list_at(const struct mlo_file_list *l, const char *path)
{
    size_t at = position(l, path);
    return at < l->n && strcmp(l->files[at].path, path) == 0 ? &l->files[at] : NULL;
}

bool mlo_file_list_has(const struct mlo_file_list *l, const struct mlo_recipe_file *f)
{
    const struct mlo_recipe_file *there = mlo_file_list_at(l, f->path);
    return there && there->size == f->size && mlo_digest_eq(&there->digest, &f->digest);
}

/* ---- text ---- */

static int format(const struct mlo_file_list *l, char **ret, size_t *ret_n, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = cJSON_CreateObject();
    char text[MLO_DIGEST_TEXT], hex[MLO_DIGEST_HEX + 1];
    bool ok = mlo_json_add_u64(doc, "schema", LIST_SCHEMA) &&
              cJSON_AddStringToObject(doc, "manifest", mlo_digest_text(&l->manifest, text)) &&
              cJSON_AddBoolToObject(doc, "complete", l->complete);
    cJSON *files = cJSON_AddArrayToObject(doc, "files");
    for (size_t i = 0; ok && i < l->n; i++) {
        cJSON *f = cJSON_CreateObject();
        ok = files && cJSON_AddItemToArray(files, f) &&
             cJSON_AddStringToObject(f, "path", l->files[i].path) &&
             mlo_json_add_u64(f, "size", l->files[i].size) &&
             (mlo_digest_eq(&l->files[i].digest, &mlo_file_unknown)
                  ? cJSON_AddNullToObject(f, "sha256")
                  : cJSON_AddStringToObject(f, "sha256", mlo_digest_hex(&l->files[i].digest, hex)));
    }
    return ok && files ? mlo_json_print(doc, ret, ret_n, err) : mlo_fail_nomem(err);
}

static int read_entry(const cJSON *f, struct mlo_file_list *l, struct mlo_err *err)
{
    const char *path = mlo_json_text(f, "path"), *hex = mlo_json_text(f, "sha256");
    struct mlo_digest digest = mlo_file_unknown;
    uint64_t size = 0;
    if (!path || strlen(path) > MLO_FILE_PATH_MAX)
        return mlo_fail(err, MLO_EINVALID, "an entry has no usable path");
    int rc = mlo_path_check(path, strlen(path), err);
    if (rc == 0 && hex)
        rc = mlo_digest_from_hex(hex, strlen(hex), &digest, err);
    if (rc == 0)
        rc = mlo_json_u64(f, "size", &size, err);
    return rc != 0 ? rc : mlo_file_list_add(l, path, &digest, size, err);
}

static int read_list(const cJSON *doc, struct mlo_file_list *l, struct mlo_err *err)
{
    const cJSON *files = cJSON_GetObjectItemCaseSensitive(doc, "files");
    const char *manifest = mlo_json_text(doc, "manifest");
    uint64_t schema = 0;
    int rc = mlo_json_u64(doc, "schema", &schema, err);
    if (rc == 0 && schema != LIST_SCHEMA)
        return mlo_fail(err, MLO_EUNAVAIL, "schema is not known; this program reads %d", LIST_SCHEMA);
    if (rc == 0)
        rc = manifest && cJSON_IsArray(files) ? mlo_digest_parse(manifest, &l->manifest, err)
                                              : mlo_fail(err, MLO_EINVALID, "has no manifest or no files");
    l->complete = mlo_json_true(doc, "complete");
    for (const cJSON *f = rc == 0 ? files->child : NULL; f && rc == 0; f = f->next)
        rc = read_entry(f, l, err);
    return rc;
}

int mlo_file_list_parse(const char *text, size_t n, struct mlo_file_list *ret, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    struct mlo_file_list l = {.n = 0};
    int rc = mlo_json_parse(text, n, LIST_TEXT_MAX, &doc, err);
    if (rc == 0)
        rc = read_list(doc, &l, err);
    if (rc != 0) {
        mlo_file_list_release(&l);
        return mlo_wrap(err, "list of files");
    }
    *ret = l;
    return 0;
}

int mlo_file_list_get(struct mlo_remote *r, const struct mlo_ref *ref, struct mlo_file_list *ret,
                      struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    char key[MLO_KEY_MAX];
    size_t n = 0;
    list_key(ref, key);
    int rc = mlo_rt_get_text(r, key, LIST_TEXT_MAX, &text, &n, err);
    return rc != 0 ? rc : mlo_file_list_parse(text, n, ret, err);
}

int mlo_file_list_put(struct mlo_remote *r, const struct mlo_ref *ref, const struct mlo_file_list *l,
                      struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    char key[MLO_KEY_MAX];
    size_t n = 0;
    list_key(ref, key);
    int rc = format(l, &text, &n, err);
    return rc != 0 ? rc : mlo_rt_put_text(r, key, text, n, err);
}

/* ---- files ---- */

int mlo_files_remove(struct mlo_remote *r, const struct mlo_ref *ref, const struct mlo_file_list *there,
                     const struct mlo_file_list *stay, struct mlo_err *err)
{
    char key[MLO_KEY_MAX];
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < there->n; i++) {
        if (mlo_file_list_at(stay, there->files[i].path))
            continue;
        r->requests++;
        rc = r->t.remove(r->self, mlo_file_key(ref, there->files[i].path, key), err);
    }
    return rc;
}

/* ---- moving a ref that leads to plain files: undo, and a push in the other layout ---- */

int mlo_files_retire(struct mlo_remote *r, const struct mlo_ref *ref, struct mlo_err *err)
{
    struct mlo_file_list l = {.n = 0};
    int rc = mlo_file_list_get(r, ref, &l, err);
    if (rc == MLO_ENOTFOUND) {
        *err = MLO_ERR_INIT;
        return 0;
    }
    l.complete = false;
    if (rc == 0)
        rc = mlo_file_list_put(r, ref, &l, err);
    mlo_file_list_release(&l);
    return rc;
}

static int want_former(struct mlo_remote *r, const struct mlo_ref *ref, const struct mlo_remote_ref *value,
                       const struct mlo_file_list *now, struct mlo_file_list *ret, struct mlo_err *err)
{
    struct mlo_recipe recipe = {.n_packs = 0};
    int rc = mlo_known_recipe(NULL, r, &value->recipe, &recipe, err);
    ret->manifest = value->manifest;
    ret->complete = true;
    for (size_t i = 0; rc == 0 && i < recipe.n_files; i++) {
        const struct mlo_recipe_file *f = &recipe.files[i];
        if (mlo_file_list_has(now, f)) {
            rc = mlo_file_list_add(ret, f->path, &f->digest, f->size, err);
            continue;
        }
        mlo_fail(err, MLO_ECONFLICT, "'%s' of the former version of '%s:%s' is gone from %s", f->path,
                 ref->name, ref->tag, r->url);
        rc = mlo_hint(err, "plain files are replaced in place: push the former version again");
    }
    mlo_recipe_release(&recipe);
    return rc;
}

/* What the former version has no use for loses its digest, then goes. */
static int go_back(struct mlo_remote *r, const struct mlo_ref *ref, struct mlo_file_list *now,
                   const struct mlo_file_list *former, struct mlo_err *err)
{
    now->complete = false;
    for (size_t i = 0; i < now->n; i++)
        if (!mlo_file_list_at(former, now->files[i].path))
            now->files[i].digest = mlo_file_unknown;
    int rc = mlo_file_list_put(r, ref, now, err);
    if (rc == 0)
        rc = mlo_files_remove(r, ref, now, former, err);
    return rc != 0 ? rc : mlo_file_list_put(r, ref, former, err);
}

int mlo_packed_ref_set(struct mlo_remote *r, const struct mlo_ref *ref, const struct mlo_remote_ref *expect,
                       const struct mlo_remote_ref *value, struct mlo_err *err)
{
    struct mlo_file_list now = {.n = 0}, former = {.n = 0};
    bool to_files = value && value->files;
    int rc = to_files ? mlo_file_list_get(r, ref, &now, err) : 0;
    if (rc == MLO_ENOTFOUND) {
        *err = MLO_ERR_INIT;
        rc = 0;
    }
    if (rc == 0 && to_files)
        rc = want_former(r, ref, value, &now, &former, err);
    if (rc == 0)
        rc = mlo_ref_move(r, ref, expect, value, err);
    if (rc == 0 && to_files)
        rc = go_back(r, ref, &now, &former, err);
    else if (rc == 0 && expect && expect->files)
        rc = mlo_files_retire(r, ref, err);
    mlo_file_list_release(&now);
    mlo_file_list_release(&former);
    return rc;
}
