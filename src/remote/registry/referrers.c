/*
 * What refers to a manifest: signatures. The registry lists them (call 12), or an index under the tag
 * <algorithm>-<hex> does, which whoever adds one writes himself. Nobody can lock that tag, so it is read
 * again after it was written.
 */
#include "registry.h"

#include <string.h>

#include <mlopsctl/base/json.h>

#define WRITE_TRIES 4

static void fallback_tag(const struct mlo_digest *d, char buf[MLO_DIGEST_TEXT])
{
    mlo_digest_text(d, buf);
    buf[strlen("sha256")] = '-';
}

static int add(struct mlo_referrers *list, const struct mlo_descriptor *d, struct mlo_err *err)
{
    bool signature = strcmp(d->artifact_type, MLO_ARTIFACT_SIGNATURE) == 0;
    if (list->n >= MLO_REFERRERS_MAX && signature)
        return mlo_fail(err, MLO_EINVALID, "more than %d signatures", MLO_REFERRERS_MAX);
    if (list->n >= MLO_REFERRERS_MAX)
        return 0;
    int rc = mlo_grow(&list->list, &list->cap, list->n + 1, sizeof *list->list, err);
    if (rc == 0)
        list->list[list->n++] = (struct mlo_referrer){d->digest, d->size, signature};
    return rc;
}

static int take_index(struct mlo_registry *g, const struct mlo_oci *o, struct mlo_referrers *ret,
                      struct mlo_err *err)
{
    int rc = o->is_index ? 0 : mlo_fail(err, MLO_EREMOTE, "%s: the list of referrers is no index", g->host);
    for (size_t i = 0; rc == 0 && i < o->n; i++)
        rc = add(ret, &o->list[i], err);
    return rc;
}

static int from_tag(struct mlo_registry *g, const char *repository, const struct mlo_digest *subject,
                    struct mlo_registry_manifest *ret, struct mlo_err *err)
{
    char tag[MLO_DIGEST_TEXT];
    fallback_tag(subject, tag);
    return mlo_registry_manifest_get(g, repository, tag, ret, err);
}

/* *ret_answered: the registry has the interface. */
static int from_api(struct mlo_registry *g, const char *repository, const struct mlo_digest *subject,
                    bool *ret_answered, struct mlo_referrers *ret, struct mlo_err *err)
{
    char text[MLO_DIGEST_TEXT], scope[MLO_SCOPE_MAX];
    MLO_AUTOFREE char *url = mlo_registry_url(g, repository, err, "referrers/%s",
                                              mlo_digest_text(subject, text));
    struct mlo_http_response r = {0};
    struct mlo_oci o = {0};
    if (!url)
        return err->code;
    mlo_registry_scope(scope, repository, MLO_ACCESS_PULL);
    struct mlo_http_request req = {.method = "GET",
                                   .url = url,
                                   .max_body = MLO_MANIFEST_MAX,
                                   .flags = MLO_HTTP_REPEATABLE | MLO_HTTP_FOLLOW};
    int rc = mlo_registry_do(g, scope, &req, &r, err);
    *ret_answered = rc == 0 && r.status == 200;
    if (*ret_answered)
        rc = mlo_oci_parse(r.body ? r.body : "", r.n, &o, err);
    else if (rc == 0 && (r.status == 401 || r.status == 403 || r.status == 429 || r.status >= 500))
        rc = mlo_registry_fail(g, &r, err);
    if (rc == 0 && *ret_answered)
        rc = take_index(g, &o, ret, err);
    mlo_oci_release(&o);
    mlo_http_response_release(&r);
    return rc;
}

int mlo_registry_referrers(struct mlo_registry *g, const char *repository, const struct mlo_digest *subject,
                           struct mlo_referrers *ret, struct mlo_err *err)
{
    struct mlo_referrers found = {0};
    struct mlo_registry_manifest m = {0};
    bool answered = false;
    int rc = from_api(g, repository, subject, &answered, &found, err);
    if (rc == 0 && !answered) {
        rc = from_tag(g, repository, subject, &m, err);
        if (rc == 0)
            rc = take_index(g, &m.oci, &found, err);
        if (rc == MLO_ENOTFOUND) {
            *err = MLO_ERR_INIT;
            rc = 0;
        }
    }
    mlo_registry_manifest_release(&m);
    if (rc != 0)
        free(found.list);
    else
        *ret = found;
    return rc != 0 ? mlo_wrap(err, "referrers") : 0;
}

/* ---- writing the list where the registry does not ---- */

static bool lists(const struct mlo_oci *o, const struct mlo_digest *d)
{
    for (size_t i = 0; i < o->n; i++)
        if (mlo_digest_eq(&o->list[i].digest, d))
            return true;
    return false;
}

static bool add_entry(cJSON *doc, const struct mlo_registry_manifest *m)
{
    char text[MLO_DIGEST_TEXT];
    cJSON *list = cJSON_GetObjectItemCaseSensitive(doc, "manifests"), *entry = cJSON_CreateObject();
    bool ok = entry && cJSON_AddStringToObject(entry, "mediaType", m->oci.media_type) &&
              cJSON_AddStringToObject(entry, "digest", mlo_digest_text(&m->digest, text)) &&
              mlo_json_add_u64(entry, "size", m->n) &&
              (!*m->oci.artifact_type ||
               cJSON_AddStringToObject(entry, "artifactType", m->oci.artifact_type));
    if (ok && cJSON_AddItemToArray(list, entry))
        return true;
    cJSON_Delete(entry);
    return false;
}

static cJSON *empty_index(void)
{
    cJSON *doc = cJSON_CreateObject();
    if (mlo_json_add_u64(doc, "schemaVersion", 2) &&
        cJSON_AddStringToObject(doc, "mediaType", MLO_MEDIA_INDEX) &&
        cJSON_AddArrayToObject(doc, "manifests"))
        return doc;
    cJSON_Delete(doc);
    return NULL;
}

/* What is there with one entry more; others' entries stay as they are. */
static int extended(const struct mlo_registry_manifest *now, const struct mlo_registry_manifest *m,
                    struct mlo_registry_manifest *ret, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = now->oci.doc ? cJSON_Duplicate(now->oci.doc, true) : empty_index();
    char *text = NULL;
    size_t n = 0;
    if (!doc || !add_entry(doc, m))
        return mlo_fail_nomem(err);
    int rc = mlo_json_print(doc, &text, &n, err);
    return rc != 0 ? rc : mlo_registry_manifest_take(text, n, ret, err);
}

/* *ret_there: it is listed, and nothing was written. */
static int list_once(struct mlo_registry *g, const char *repository, const struct mlo_registry_manifest *m,
                     bool *ret_there, struct mlo_err *err)
{
    struct mlo_registry_manifest now = {0}, next = {0};
    char tag[MLO_DIGEST_TEXT];
    fallback_tag(&m->oci.subject.digest, tag);
    int rc = from_tag(g, repository, &m->oci.subject.digest, &now, err);
    if (rc == MLO_ENOTFOUND) {
        *err = MLO_ERR_INIT;
        rc = 0;
    }
    if (rc == 0 && now.oci.doc && !now.oci.is_index)
        rc = mlo_fail(err, MLO_ECONFLICT, "the tag %s is taken by something else", tag);
    *ret_there = rc == 0 && lists(&now.oci, &m->digest);
    if (rc == 0 && !*ret_there)
        rc = extended(&now, m, &next, err);
    if (rc == 0 && !*ret_there)
        rc = mlo_registry_manifest_put(g, repository, tag, &next, NULL, err);
    mlo_registry_manifest_release(&now);
    mlo_registry_manifest_release(&next);
    return rc;
}

int mlo_registry_referrer_put(struct mlo_registry *g, const char *repository,
                              const struct mlo_registry_manifest *m, struct mlo_err *err)
{
    char text[MLO_DIGEST_TEXT];
    bool listed = false;
    int rc = mlo_registry_manifest_put(g, repository, mlo_digest_text(&m->digest, text), m, &listed, err);
    for (unsigned i = 0; rc == 0 && !listed && i < WRITE_TRIES; i++)
        rc = list_once(g, repository, m, &listed, err);
    if (rc == 0 && !listed)
        rc = mlo_fail(err, MLO_ECONFLICT, "others write the list of referrers at the same time");
    return rc;
}
