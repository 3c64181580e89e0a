/*
 * What the files hold. Documents are cached under digests, so a second pack of an unchanged tree reads no
 * file:
 *
 *   stat cache       file -> digest
 *   cache/inspect    digest of a large file -> its document (inspect.c)
 *   cache/small      digests of all small files -> their documents
 *   cache/external   digests of a model and its data files -> digests of the tensors in the data files
 *   cache/layer      paths, modes and digests of the members -> tar layer (layers.c)
 *
 * A cache may be deleted or damaged at any time: what cannot be used is as if it were not there.
 */
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

#include "packing.h"

#define DOC_MAX ((size_t)256 << 20)

/* ---- caches ---- */

void mlo_packing_add_hex(struct mlo_str *s, const struct mlo_digest *d)
{
    char hex[MLO_DIGEST_HEX + 1];
    mlo_str_add(s, mlo_digest_hex(d, hex));
    mlo_str_addc(s, '\n');
}

int mlo_packing_cached(const struct mlo_packing *p, const char *kind, const struct mlo_digest *key,
                       cJSON **ret)
{
    MLO_AUTOFREE char *text = NULL;
    struct mlo_err why = MLO_ERR_INIT;
    size_t n = 0;
    int rc = p->opts->home ? mlo_cache_get(p->opts->home, kind, key, DOC_MAX, &text, &n, &why)
                           : MLO_ENOTFOUND;
    return rc ? rc : mlo_json_parse(text, n, DOC_MAX, ret, &why);
}

int mlo_packing_save(const struct mlo_packing *p, const char *kind, const struct mlo_digest *key,
                     const cJSON *doc, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    if (!p->opts->home || p->opts->dry_run)
        return 0;
    int rc = mlo_json_print(doc, &text, &n, err);
    return rc ? rc : mlo_cache_put(p->opts->home, kind, key, text, n, err);
}

/* ---- small files: read whole, or known all together ---- */

/* Key of all small files' documents; *ret_known false when some file has to be read to know. */
static int small_key(const struct mlo_packing *p, struct mlo_digest *ret, bool *ret_known, size_t *ret_n,
                     struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str s;
    mlo_str_init(&s, MLO_STR_MAX);
    *ret_known = true;
    *ret_n = 0;
    for (size_t i = 0; i < p->n && *ret_known; i++) {
        if (!mlo_packed_small(&p->files[i]))
            continue;
        *ret_known = p->files[i].known;
        ++*ret_n;
        mlo_packing_add_hex(&s, &p->files[i].digest);
    }
    int rc = mlo_str_check(&s, err);
    return rc ? rc : mlo_sha256(s.ptr, s.len, ret, err);
}

static bool adopt_small(struct mlo_packing *p, size_t n)
{
    struct mlo_digest key;
    struct mlo_err why = MLO_ERR_INIT;
    MLO_AUTOJSON cJSON *docs = NULL;
    bool known = false;
    size_t count = 0;
    if (n == 0 || small_key(p, &key, &known, &count, &why) || !known ||
        mlo_packing_cached(p, "small", &key, &docs) || !cJSON_IsArray(docs) ||
        (size_t)cJSON_GetArraySize(docs) != n)
        return false;
    for (size_t i = 0; i < p->n; i++) {
        struct mlo_packed *f = &p->files[i];
        if (!mlo_packed_small(f))
            continue;
        f->doc = cJSON_DetachItemViaPointer(docs, docs->child);
        if (!mlo_inspected_adopt(f))
            return false;
    }
    return true;
}

static int read_small(struct mlo_packing *p, struct mlo_packed *f, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    int rc = mlo_walked_slurp(f->file, &text, &n, err);
    if (rc == 0)
        rc = mlo_sha256(text, n, &f->digest, err);
    if (rc == 0)
        rc = mlo_stat_cache_put(p->seen, &f->file->st, &f->digest, err);
    if (rc)
        return rc;
    cJSON_Delete(mlo_steal(&f->doc)); /* of a cache entry that did not fit */
    const struct mlo_mem mem = {.data = text};
    const struct mlo_source src = mlo_source_mem(&mem, n);
    return mlo_inspect(&src, text, f, err);
}

static int learn_small(struct mlo_packing *p, struct mlo_err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        n += mlo_packed_small(&p->files[i]);
    if (adopt_small(p, n)) {
        p->ret->n_cached += n;
        return 0;
    }
    int rc = 0;
    for (size_t i = 0; i < p->n && rc == 0; i++)
        if (mlo_packed_small(&p->files[i]))
            rc = read_small(p, &p->files[i], err);
    return rc;
}

/* All documents with their tensors' digests; kept only when one of them is new. */
static int save_small(const struct mlo_packing *p, struct mlo_err *err)
{
    struct mlo_digest key;
    struct mlo_jb b = {0};
    bool known = false, fresh = false;
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        fresh = fresh || (mlo_packed_small(&p->files[i]) && p->files[i].fresh);
    if (!fresh)
        return 0;
    MLO_AUTOJSON cJSON *docs = mlo_jb_array(&b, NULL, NULL);
    for (size_t i = 0; i < p->n; i++) {
        p->files[i].known = true;
        if (mlo_packed_small(&p->files[i]))
            mlo_jb_node(&b, docs, NULL, cJSON_Duplicate(p->files[i].doc, true));
    }
    int rc = mlo_jb_check(&b, err);
    if (rc == 0)
        rc = small_key(p, &key, &known, &n, err);
    return rc ? rc : mlo_packing_save(p, "small", &key, docs, err);
}

/* ---- large files: headers only, until the gate has passed them ---- */

static int learn_large(struct mlo_packing *p, struct mlo_packed *f, struct mlo_err *err)
{
    if (f->known && mlo_packing_cached(p, "inspect", &f->digest, &f->doc) == 0) {
        if (mlo_inspected_adopt(f)) {
            p->ret->n_cached++;
            return 0;
        }
        cJSON_Delete(mlo_steal(&f->doc));
    }
    MLO_AUTOCLOSE int fd = -1;
    int rc = mlo_walked_open(f->file, &fd, err);
    if (rc)
        return rc;
    const struct mlo_source src = mlo_source_fd(&fd, (uint64_t)f->file->st.st_size);
    return mlo_inspect(&src, NULL, f, err);
}

/* ---- tensors in other files: their digests hang on more than one file, so they have a cache of their own
 * ---- */

static bool is_external(const cJSON *tensor)
{
    return cJSON_GetObjectItemCaseSensitive(tensor, "external") != NULL;
}

static cJSON *first_tensor(const struct mlo_packed *f)
{
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(f->doc, "tensors");
    return array ? array->child : NULL;
}

static bool has_external(const struct mlo_packed *f)
{
    return cJSON_GetObjectItemCaseSensitive(f->doc, "external") && first_tensor(f);
}

static int external_key(const struct mlo_packing *p, const struct mlo_packed *f, struct mlo_digest *ret,
                        bool *ret_known, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str s;
    mlo_str_init(&s, MLO_STR_MAX);
    mlo_packing_add_hex(&s, &f->digest);
    *ret_known = f->known;
    const cJSON *external = cJSON_GetObjectItemCaseSensitive(f->doc, "external");
    for (const cJSON *e = external->child; e; e = e->next) {
        const struct mlo_packed *data = mlo_packed_sibling(p->files, p->n, f->file->path, e->valuestring);
        *ret_known = *ret_known && data && data->known;
        if (data)
            mlo_packing_add_hex(&s, &data->digest);
    }
    int rc = mlo_str_check(&s, err);
    return rc ? rc : mlo_sha256(s.ptr, s.len, ret, err);
}

/* What a cached document says of other files is forgotten, then looked up for the files that are there now.
 */
static int adopt_external(const struct mlo_packing *p, struct mlo_packed *f, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *digests = NULL;
    struct mlo_digest key;
    struct mlo_jb b = {0};
    bool known = false;
    for (cJSON *t = first_tensor(f); t; t = t->next)
        if (is_external(t))
            cJSON_DeleteItemFromObjectCaseSensitive(t, "digest");
    int rc = external_key(p, f, &key, &known, err);
    if (rc || !known || mlo_packing_cached(p, "external", &key, &digests))
        return rc;
    const cJSON *d = digests->child;
    for (cJSON *t = first_tensor(f); t; t = t->next) {
        if (!is_external(t) || !d)
            continue;
        mlo_jb_text(&b, t, "digest", d->valuestring);
        d = d->next;
    }
    f->external_cached = true;
    return mlo_jb_check(&b, err);
}

static int save_external(const struct mlo_packing *p, const struct mlo_packed *f, struct mlo_err *err)
{
    struct mlo_digest key;
    struct mlo_jb b = {0};
    bool known = false;
    MLO_AUTOJSON cJSON *digests = mlo_jb_array(&b, NULL, NULL);
    for (const cJSON *t = first_tensor(f); t; t = t->next)
        if (is_external(t))
            mlo_jb_text(&b, digests, NULL, mlo_json_text(t, "digest"));
    int rc = mlo_jb_check(&b, err);
    if (rc == 0)
        rc = external_key(p, f, &key, &known, err);
    return rc ? rc : mlo_packing_save(p, "external", &key, digests, err);
}

int mlo_packing_keep_learnt(const struct mlo_packing *p, struct mlo_err *err)
{
    int rc = save_small(p, err);
    for (size_t i = 0; i < p->n && rc == 0; i++) {
        const struct mlo_packed *f = &p->files[i];
        if (!mlo_packed_small(f) && f->fresh)
            rc = mlo_packing_save(p, "inspect", &f->digest, f->doc, err);
        if (rc == 0 && has_external(f) && !f->external_cached)
            rc = save_external(p, f, err);
    }
    return rc;
}

int mlo_packing_learn(struct mlo_packing *p, struct mlo_err *err)
{
    int rc = learn_small(p, err);
    for (size_t i = 0; i < p->n && rc == 0; i++)
        if (!mlo_packed_small(&p->files[i]))
            rc = learn_large(p, &p->files[i], err);
    return rc;
}

int mlo_packing_adopt_external(struct mlo_packing *p, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < p->n && rc == 0; i++)
        if (has_external(&p->files[i]) && !p->files[i].fresh)
            rc = adopt_external(p, &p->files[i], err);
    return rc;
}
