/* Manifests of a registry: small, hashed before anything in them counts. */
#include "registry.h"

#include <string.h>

#include <mlopsctl/base/text.h>

#define ACCEPTED                                                                                             \
    MLO_MEDIA_MANIFEST ", " MLO_MEDIA_INDEX ", " MLO_MEDIA_DOCKER_MANIFEST ", " MLO_MEDIA_DOCKER_LIST

void mlo_registry_manifest_release(struct mlo_registry_manifest *m)
{
    mlo_oci_release(&m->oci);
    free(m->text);
    *m = (struct mlo_registry_manifest){0};
}

int mlo_registry_manifest_take(char *text, size_t n, struct mlo_registry_manifest *ret, struct mlo_err *err)
{
    struct mlo_registry_manifest m = {.text = text, .n = n};
    int rc = mlo_sha256(text, n, &m.digest, err);
    if (rc == 0)
        rc = mlo_oci_parse(text, n, &m.oci, err);
    if (rc != 0)
        mlo_registry_manifest_release(&m);
    else
        *ret = m;
    return rc;
}

int mlo_registry_ref_of(const struct mlo_registry_manifest *m, struct mlo_remote_ref *ret,
                        struct mlo_err *err)
{
    struct mlo_remote_ref ref = {.manifest = m->digest, .size = m->n};
    for (size_t i = 0; i < m->oci.n; i++) {
        if (m->oci.list[i].size > MLO_BLOB_SIZE_MAX ||
            !mlo_add_u64(ref.size, m->oci.list[i].size, &ref.size) || ref.size > MLO_BLOB_SIZE_MAX)
            return mlo_fail(err, MLO_EINVALID, "the manifest names more bytes than can be");
    }
    *ret = ref;
    return 0;
}

/* What the registry says its digest is, where it says it in a form that can be compared. */
static int check_said(const struct mlo_registry *g, const struct mlo_http_response *r,
                      const struct mlo_digest *got, struct mlo_err *err)
{
    const char *text = mlo_http_header(r, "Docker-Content-Digest");
    struct mlo_err ignored = MLO_ERR_INIT;
    struct mlo_digest said;
    char is[MLO_DIGEST_TEXT];
    if (!text || mlo_digest_parse(text, &said, &ignored) != 0 || mlo_digest_eq(&said, got))
        return 0;
    return mlo_fail(err, MLO_EINVALID, "%s sent a manifest that is %s and called it %s", g->host,
                    mlo_digest_text(got, is), text);
}

static int take_answer(const struct mlo_registry *g, struct mlo_http_response *r, const char *reference,
                       struct mlo_registry_manifest *ret, struct mlo_err *err)
{
    struct mlo_registry_manifest m = {0};
    struct mlo_err ignored = MLO_ERR_INIT;
    struct mlo_digest want;
    size_t n = r->n;
    if (r->status != 200)
        return mlo_registry_fail(g, r, err);
    if (!r->body)
        return mlo_fail(err, MLO_EINVALID, "%s sent an empty manifest", g->host);
    int rc = mlo_registry_manifest_take(mlo_steal(&r->body), n, &m, err);
    if (rc == 0 && mlo_digest_parse(reference, &want, &ignored) == 0 && !mlo_digest_eq(&want, &m.digest))
        rc = mlo_fail(err, MLO_EINVALID, "the manifest that %s sent is not the one that was asked for",
                      g->host);
    if (rc == 0)
        rc = check_said(g, r, &m.digest, err);
    if (rc == 0)
        *ret = m;
    else
        mlo_registry_manifest_release(&m);
    return rc;
}

int mlo_registry_manifest_get(struct mlo_registry *g, const char *repository, const char *reference,
                              struct mlo_registry_manifest *ret, struct mlo_err *err)
{
    static const char *const headers[] = {"Accept", ACCEPTED, NULL};
    MLO_AUTOFREE char *url = mlo_registry_url(g, repository, err, "manifests/%s", reference);
    struct mlo_http_response r = {0};
    char scope[MLO_SCOPE_MAX];
    if (!url)
        return err->code;
    mlo_registry_scope(scope, repository, MLO_ACCESS_PULL);
    struct mlo_http_request req = {.method = "GET",
                                   .url = url,
                                   .headers = headers,
                                   .max_body = MLO_MANIFEST_MAX,
                                   .flags = MLO_HTTP_REPEATABLE | MLO_HTTP_FOLLOW};
    int rc = mlo_registry_do(g, scope, &req, &r, err);
    if (rc == 0)
        rc = take_answer(g, &r, reference, ret, err);
    mlo_http_response_release(&r);
    return rc != 0 ? mlo_wrap(err, "manifest '%s/%s' %s", g->host, repository, reference) : 0;
}

/* Is it there after all? For an answer that leaves it open. */
static bool is_there(struct mlo_registry *g, const char *repository, const char *reference,
                     const struct mlo_digest *want)
{
    struct mlo_registry_manifest now = {0};
    struct mlo_err ignored = MLO_ERR_INIT;
    bool same = mlo_registry_manifest_get(g, repository, reference, &now, &ignored) == 0 &&
                mlo_digest_eq(&now.digest, want);
    mlo_registry_manifest_release(&now);
    return same;
}

int mlo_registry_manifest_put(struct mlo_registry *g, const char *repository, const char *reference,
                              const struct mlo_registry_manifest *m, bool *ret_subject, struct mlo_err *err)
{
    const char *const headers[] = {"Content-Type", m->oci.media_type, NULL};
    MLO_AUTOFREE char *url = mlo_registry_url(g, repository, err, "manifests/%s", reference);
    struct mlo_http_body body = {.size = m->n, .read = mlo_http_body_text, .ctx = m->text};
    struct mlo_http_response r = {0};
    char scope[MLO_SCOPE_MAX];
    if (!url)
        return err->code;
    mlo_registry_scope(scope, repository, MLO_ACCESS_PUSH);
    struct mlo_http_request req = {
        .method = "PUT", .url = url, .headers = headers, .body = &body, .flags = MLO_HTTP_REPEATABLE};
    int rc = mlo_registry_do(g, scope, &req, &r, err);
    bool done = rc == 0 && (r.status == 201 || r.status == 200 || r.status == 202);
    bool open = rc != 0 || r.status >= 500;
    if (rc == 0 && !done)
        rc = mlo_registry_fail(g, &r, err);
    if (done && ret_subject)
        *ret_subject = mlo_http_header(&r, "OCI-Subject") != NULL;
    mlo_http_response_release(&r);
    if (rc != 0 && open && err->sys_errno == 0 && is_there(g, repository, reference, &m->digest)) {
        *err = MLO_ERR_INIT;
        rc = 0;
    }
    return rc != 0 ? mlo_wrap(err, "manifest '%s/%s' %s", g->host, repository, reference) : 0;
}
