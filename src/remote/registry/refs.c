/*
 * Tags: the refs of a registry. A tag says its manifest and nothing more, so a ref's value here is that
 * digest and the size of what it names. Nobody can lock a tag; it is looked at before and after it is moved.
 */
#include "registry.h"

#include <string.h>

#define NO_SUCH_TAG "mlopsctl-asks-what-can-be-deleted"

static int absent(struct mlo_remote *r, const struct mlo_ref *ref, const char *repository,
                  struct mlo_err *err)
{
    return mlo_fail(err, MLO_ENOTFOUND, "'%s:%s' is not on %s (repository '%s')", ref->name, ref->tag, r->url,
                    repository);
}

int mlo_registry_ref_get(struct mlo_remote *r, const struct mlo_ref *ref, struct mlo_remote_ref *ret,
                         struct mlo_err *err)
{
    struct mlo_registry_manifest m = {0};
    char repository[MLO_REPOSITORY_MAX];
    int rc = mlo_registry_repository(mlo_registry_of(r), ref->name, repository, err);
    if (rc == 0) {
        rc = mlo_registry_manifest_get(mlo_registry_of(r), repository, ref->tag, &m, err);
        if (rc == MLO_ENOTFOUND)
            return absent(r, ref, repository, err);
    }
    if (rc == 0)
        rc = mlo_registry_ref_of(&m, ret, err);
    mlo_registry_manifest_release(&m);
    return rc;
}

/* ---- moving ---- */

static int check_is(struct mlo_remote *r, const struct mlo_ref *ref, const struct mlo_digest *want,
                    const char *when, struct mlo_err *err)
{
    struct mlo_remote_ref now;
    char text[MLO_DIGEST_TEXT];
    int rc = mlo_registry_ref_get(r, ref, &now, err);
    if (rc != 0 && rc != MLO_ENOTFOUND)
        return rc;
    bool there = rc == 0;
    *err = MLO_ERR_INIT;
    if (there == (want != NULL) && (!there || mlo_digest_eq(&now.manifest, want)))
        return 0;
    mlo_fail(err, MLO_ECONFLICT, "'%s:%s' on %s %s: it is now %s", ref->name, ref->tag, r->url, when,
             there ? mlo_digest_text(&now.manifest, text) : "gone");
    return mlo_hint(err, "somebody else writes to this name; pull, look, then push again");
}

int mlo_registry_tag_move(struct mlo_remote *r, const struct mlo_ref *ref,
                          const struct mlo_remote_ref *expect, const struct mlo_registry_manifest *m,
                          struct mlo_err *err)
{
    char repository[MLO_REPOSITORY_MAX];
    int rc = mlo_registry_repository(mlo_registry_of(r), ref->name, repository, err);
    if (rc == 0)
        rc = check_is(r, ref, expect ? &expect->manifest : NULL, "has moved", err);
    if (rc == 0)
        rc = mlo_registry_manifest_put(mlo_registry_of(r), repository, ref->tag, m, NULL, err);
    return rc != 0 ? rc : check_is(r, ref, &m->digest, "was written by somebody else at the same time", err);
}

/* ---- removing ---- */

static int delete_reference(struct mlo_registry *g, const char *repository, const char *reference,
                            int *ret_status, struct mlo_err *err)
{
    MLO_AUTOFREE char *url = mlo_registry_url(g, repository, err, "manifests/%s", reference);
    struct mlo_http_response r = {0};
    char scope[MLO_SCOPE_MAX];
    if (!url)
        return err->code;
    mlo_registry_scope(scope, repository, MLO_ACCESS_DELETE);
    struct mlo_http_request req = {.method = "DELETE", .url = url, .flags = MLO_HTTP_REPEATABLE};
    int rc = mlo_registry_do(g, scope, &req, &r, err);
    if (rc == 0)
        *ret_status = r.status;
    if (rc == 0 && (r.status == 401 || r.status == 403 || r.status == 429 || r.status >= 500))
        rc = mlo_registry_fail(g, &r, err);
    mlo_http_response_release(&r);
    return rc;
}

static bool was_deleted(int status)
{
    return status == 202 || status == 200 || status == 204;
}

static int cannot_remove(const struct mlo_registry *g, const char *why, struct mlo_err *err)
{
    mlo_fail(err, MLO_EUNAVAIL, "%s does not remove tags: %s", g->host, why);
    return mlo_hint(err, "remove it in the registry's own interface");
}

struct sharing { /* do other tags lead to the manifest that would be deleted? */
    struct mlo_registry *g;
    const char *repository;
    const struct mlo_ref *ref;
    const struct mlo_digest *manifest;
};

static int compare_tag(void *ctx, const char *tag, struct mlo_err *err)
{
    const struct sharing *s = ctx;
    struct mlo_registry_manifest m = {0};
    if (strcmp(tag, s->ref->tag) == 0)
        return 0;
    int rc = mlo_registry_manifest_get(s->g, s->repository, tag, &m, err);
    bool same = rc == 0 && mlo_digest_eq(&m.digest, s->manifest);
    mlo_registry_manifest_release(&m);
    if (rc == MLO_ENOTFOUND || rc == MLO_EINVALID) {
        *err = MLO_ERR_INIT;
        return 0;
    }
    return same ? cannot_remove(s->g, "it removes manifests only, and another tag leads to this one", err)
                : rc;
}

/* Registries of the older kind delete manifests, not tags: with the manifest go all tags that lead to it. */
static int remove_by_digest(struct mlo_registry *g, const char *repository, const struct mlo_ref *ref,
                            const struct mlo_digest *manifest, struct mlo_err *err)
{
    struct sharing s = {g, repository, ref, manifest};
    char text[MLO_DIGEST_TEXT];
    int status = 0;
    int rc = mlo_registry_each_tag(g, repository, compare_tag, &s, err);
    if (rc == 0)
        rc = delete_reference(g, repository, mlo_digest_text(manifest, text), &status, err);
    if (rc == 0 && !was_deleted(status) && status != 404)
        rc = cannot_remove(g, "it refuses to delete", err);
    return rc;
}

static int remove_tag(struct mlo_remote *r, const struct mlo_ref *ref, const struct mlo_remote_ref *expect,
                      struct mlo_err *err)
{
    struct mlo_registry *g = mlo_registry_of(r);
    char repository[MLO_REPOSITORY_MAX];
    int status = 0;
    int rc = mlo_registry_repository(g, ref->name, repository, err);
    if (rc == 0)
        rc = check_is(r, ref, expect ? &expect->manifest : NULL, "has moved", err);
    if (rc != 0 || !expect)
        return rc;
    rc = delete_reference(g, repository, ref->tag, &status, err);
    if (rc == 0 && !was_deleted(status))
        rc = remove_by_digest(g, repository, ref, &expect->manifest, err);
    return rc != 0 ? rc : check_is(r, ref, NULL, "was written by somebody else at the same time", err);
}

/* Deleting what cannot be there tells what can be deleted, and changes nothing. */
int mlo_registry_ref_removable(struct mlo_remote *r, const struct mlo_ref *ref, struct mlo_err *err)
{
    static const struct mlo_digest nothing;
    struct mlo_registry *g = mlo_registry_of(r);
    struct mlo_remote_ref now;
    char repository[MLO_REPOSITORY_MAX], text[MLO_DIGEST_TEXT];
    struct sharing s = {g, repository, ref, &now.manifest};
    int status = 0;
    int rc = mlo_registry_repository(g, ref->name, repository, err);
    if (rc == 0)
        rc = delete_reference(g, repository, NO_SUCH_TAG, &status, err);
    if (rc != 0 || was_deleted(status) || status == 404)
        return rc;
    rc = delete_reference(g, repository, mlo_digest_text(&nothing, text), &status, err);
    if (rc == 0 && status != 404 && !was_deleted(status))
        rc = cannot_remove(g, "deleting is switched off there", err);
    if (rc == 0)
        rc = mlo_registry_ref_get(r, ref, &now, err);
    return rc != 0 ? rc : mlo_registry_each_tag(g, repository, compare_tag, &s, err);
}

int mlo_registry_ref_set(struct mlo_remote *r, const struct mlo_ref *ref, const struct mlo_remote_ref *expect,
                         const struct mlo_remote_ref *value, struct mlo_err *err)
{
    struct mlo_registry_manifest m = {0};
    char repository[MLO_REPOSITORY_MAX], text[MLO_DIGEST_TEXT];
    if (!value)
        return remove_tag(r, ref, expect, err);
    int rc = mlo_registry_repository(mlo_registry_of(r), ref->name, repository, err);
    if (rc == 0)
        rc = mlo_registry_manifest_get(mlo_registry_of(r), repository,
                                       mlo_digest_text(&value->manifest, text), &m, err);
    if (rc == MLO_ENOTFOUND) {
        mlo_fail(err, MLO_EREMOTE, "%s no longer has the manifest %s", r->url, text);
        return mlo_hint(err, "registries may drop manifests that no tag leads to; push that version again");
    }
    if (rc == 0)
        rc = mlo_registry_tag_move(r, ref, expect, &m, err);
    mlo_registry_manifest_release(&m);
    return rc;
}
