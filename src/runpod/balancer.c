/* Requests to the workers of a load-balanced endpoint. The platform has no queue for them: while workers wake
 * up, the caller asks again. */
#include <ctype.h>
#include <string.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#include "internal.h"

#define ANSWER_MAX   ((uint64_t)30 << 20)
#define REQUEST_MAX  ((size_t)30 << 20)
#define PATIENCE_NS  (340 * MLO_NS_PER_S) /* the platform's limit of a request is 5.5 minutes */
#define TRIES        6
#define PAUSE_FACTOR 2 /* of the pause between looks */

/* An endpoint's id becomes part of a host name, a path goes out as it is. */
static int check(const char *endpoint, const struct mlo_runpod_call *call, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    bool label = *endpoint, path = call->path[0] == '/';
    for (const char *p = endpoint; *p; p++)
        label = label && (isalnum((unsigned char)*p) || *p == '-');
    for (const char *p = call->path; *p; p++)
        path = path && *p > ' ' && *p < 0x7f;
    if (!label)
        return mlo_fail(err, MLO_EUSAGE, "'%s' is no endpoint's id",
                        mlo_shown(endpoint, strlen(endpoint), shown));
    if (!path)
        return mlo_fail(err, MLO_EUSAGE, "'%s' is no path: it begins with / and is percent-encoded",
                        mlo_shown(call->path, strlen(call->path), shown));
    if (call->n > REQUEST_MAX)
        return mlo_fail(err, MLO_EUSAGE, "a request of %zu bytes is more than the load balancer's %zu",
                        call->n, REQUEST_MAX);
    return 0;
}

static bool no_worker_yet(const struct mlo_http_response *r)
{
    return r->status >= 400 && r->body && strcasestr(r->body, "no workers available");
}

/* Only what surely reached no worker is sent again: what a worker does with it is its own business. */
static int ask_until_there(struct mlo_runpod *c, const struct mlo_http_request *req, unsigned tries,
                           struct mlo_http_response *ret, struct mlo_err *err)
{
    for (unsigned i = 1;; i++) {
        int rc = mlo_http_do(c->http, req, ret, err);
        if (rc != 0 || !(no_worker_yet(ret) || ret->status == 429))
            return rc;
        if (i == tries) {
            rc = mlo_runpod_fail(ret, NULL, err);
            bool cold = no_worker_yet(ret);
            mlo_http_response_release(ret);
            if (!cold)
                return rc;
            err->code = MLO_EUNAVAIL;
            return mlo_hint(
                err, "`mlopsctl runpod endpoint workers` shows whether they start, and `runpod pod logs` "
                     "why not");
        }
        mlo_http_response_release(ret);
        mlo_runpod_sleep(PAUSE_FACTOR * c->look_pause_ns);
    }
}

int mlo_runpod_call(struct mlo_runpod *c, const char *endpoint, const struct mlo_runpod_call *call,
                    struct mlo_http_response *ret, struct mlo_err *err)
{
    const char *headers[] = {"Content-Type", call->content_type ? call->content_type : "application/json",
                             NULL};
    struct mlo_http_body body = {
        .size = call->n, .read = mlo_http_body_text, .ctx = (void *)(uintptr_t)call->body};
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, MLO_RUNPOD_URL_MAX);
    int rc = check(endpoint, call, err);
    if (rc != 0)
        return rc;
    mlo_runpod_fill(&url, c->balancer, "{id}", endpoint);
    mlo_str_add(&url, call->path);
    rc = mlo_str_check(&url, err);
    struct mlo_http_request req = {.method = call->method,
                                   .url = url.ptr,
                                   .headers = call->body ? headers : NULL,
                                   .body = call->body ? &body : NULL,
                                   .sign = mlo_runpod_sign,
                                   .sign_ctx = c,
                                   .max_body = ANSWER_MAX,
                                   .flags = MLO_HTTP_ONCE,
                                   .patience_ns = PATIENCE_NS};
    return rc != 0 ? rc : ask_until_there(c, &req, call->tries ? call->tries : TRIES, ret, err);
}
