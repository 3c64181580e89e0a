/* Blobs of a registry: is one there, and its bytes. */
#include "registry.h"

#include <string.h>

#include <mlopsctl/base/text.h>

static int ask(struct mlo_registry *g, const char *method, const char *repository, const struct mlo_digest *d,
               const struct mlo_http_range *range, mlo_http_sink sink, void *ctx, uint64_t max,
               struct mlo_http_response *ret, struct mlo_err *err)
{
    char text[MLO_DIGEST_TEXT], scope[MLO_SCOPE_MAX];
    MLO_AUTOFREE char *url = mlo_registry_url(g, repository, err, "blobs/%s", mlo_digest_text(d, text));
    if (!url)
        return err->code;
    mlo_registry_scope(scope, repository, MLO_ACCESS_PULL);
    struct mlo_http_request req = {.method = method,
                                   .url = url,
                                   .sink = sink,
                                   .sink_ctx = ctx,
                                   .range = range,
                                   .max_body = max,
                                   .flags = MLO_HTTP_REPEATABLE | MLO_HTTP_FOLLOW};
    return mlo_registry_do(g, scope, &req, ret, err);
}

int mlo_registry_blob_has(struct mlo_registry *g, const char *repository, const struct mlo_digest *d,
                          uint64_t size, bool *ret, struct mlo_err *err)
{
    struct mlo_http_response r = {0};
    struct mlo_err ignored = MLO_ERR_INIT;
    uint64_t said = size;
    int rc = ask(g, "HEAD", repository, d, NULL, NULL, NULL, 0, &r, err);
    if (rc == 0 && r.status == 200) {
        const char *length = mlo_http_header(&r, "Content-Length"); /* many leave it out, some say 0 */
        if (length && mlo_parse_u64(length, 0, UINT64_MAX, "length", &said, &ignored) != 0)
            said = size;
        *ret = said == size || said == 0;
    } else if (rc == 0 && r.status == 404) {
        *ret = false;
    } else if (rc == 0) {
        rc = mlo_registry_fail(g, &r, err);
    }
    mlo_http_response_release(&r);
    return rc;
}

struct counted {
    mlo_http_sink sink;
    void *ctx;
    uint64_t n;
};

static int count_sink(void *ctx, const void *bytes, size_t n, struct mlo_err *err)
{
    struct counted *c = ctx;
    c->n += n;
    return c->sink(c->ctx, bytes, n, err);
}

int mlo_registry_blob_get(struct mlo_registry *g, const char *repository, const struct mlo_digest *d,
                          uint64_t first, uint64_t size, mlo_http_sink sink, void *ctx, struct mlo_err *err)
{
    struct counted c = {sink, ctx, 0};
    struct mlo_http_range range = {first, size - first};
    struct mlo_http_response r = {0};
    char text[MLO_DIGEST_TEXT];
    if (first == size)
        return 0;
    int rc = ask(g, "GET", repository, d, first > 0 ? &range : NULL, count_sink, &c, size - first, &r, err);
    if (rc == 0 && r.status == 404)
        rc = mlo_fail(err, MLO_EREMOTE, "%s lacks the blob %s that its manifest names", g->host,
                      mlo_digest_text(d, text));
    else if (rc == 0 && r.status != 200 && r.status != 206)
        rc = mlo_registry_fail(g, &r, err);
    else if (rc == 0 && c.n != size - first)
        rc = mlo_fail(err, MLO_EINVALID, "%s sent %llu bytes of the blob %s where %llu were announced",
                      g->host, (unsigned long long)c.n, mlo_digest_text(d, text),
                      (unsigned long long)(size - first));
    mlo_http_response_release(&r);
    return rc;
}
