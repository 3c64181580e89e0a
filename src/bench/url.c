/* A server as a target: requests over HTTP, on a connection of each caller that is kept, none sent twice. */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/json.h>
#include <mlopsctl/base/text.h>

#include "internal.h"

#define ANSWER_MAX ((uint64_t)1 << 30)
#define URL_BYTES  8192

struct server {
    struct mlo_target target;
    struct mlo_target_opts opts;
    struct mlo_http_opts http;
    char *url, *bearer;
    size_t *sizes; /* of each body */
};
struct caller {
    const struct server *of;
    struct mlo_http *http;
    sigset_t before; /* of its thread */
};

/* ---- answers ---- */

/* The next value begins with `first`: true when it is an array with something in it. Skips it. */
static int take_outputs(struct mlo_jpull *j, bool *ret, struct mlo_err *err)
{
    enum mlo_jtok t;
    struct mlo_jpull ahead = *j;
    int rc = mlo_jpull_next(&ahead, &t, err);
    bool is_array = rc == 0 && t == MLO_J_ARRAY;
    if (is_array)
        rc = mlo_jpull_next(&ahead, &t, err);
    *ret = is_array && t != MLO_J_ARRAY_END;
    return rc == 0 ? mlo_jpull_skip(j, err) : rc;
}

/* An answer of the inference protocol. */
int mlo_outputs_find(const char *body, size_t n, struct mlo_err *err)
{
    struct mlo_jpull j;
    enum mlo_jtok t;
    bool found = false;
    mlo_jpull_init(&j, body, n);
    int rc = mlo_jpull_next(&j, &t, err);
    if (rc == 0 && t != MLO_J_OBJECT)
        return mlo_fail(err, MLO_EINVALID, "no JSON object");
    while (rc == 0 && (rc = mlo_jpull_next(&j, &t, err)) == 0 && t == MLO_J_KEY) {
        if (j.len == 7 && memcmp(j.text, "outputs", 7) == 0)
            rc = take_outputs(&j, &found, err);
        else
            rc = mlo_jpull_skip(&j, err);
    }
    if (rc == 0)
        rc = mlo_jpull_next(&j, &t, err); /* nothing behind it */
    return rc == 0 && !found ? mlo_fail(err, MLO_EINVALID, "it has no outputs") : rc;
}

static int find_json(const char *body, size_t n, struct mlo_err *err)
{
    struct mlo_jpull j;
    enum mlo_jtok t;
    mlo_jpull_init(&j, body, n);
    int rc = mlo_jpull_skip(&j, err);
    return rc == 0 ? mlo_jpull_next(&j, &t, err) : rc;
}

static int check_answer(const struct server *s, const struct mlo_http_response *r, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    if (r->status < 200 || r->status > 299)
        return mlo_http_fail(r, err);
    if ((s->opts.model ? mlo_outputs_find(r->body, r->n, err) : find_json(r->body, r->n, err)) == 0)
        return 0;
    struct mlo_err why = *err;
    return mlo_fail(err, MLO_EINVALID, "'%s' answered %d with '%s': %s", r->host, r->status,
                    mlo_shown(r->body, r->n, shown), why.msg);
}

/* ---- callers ---- */

static int join(struct mlo_target *t, void **ret_caller, struct mlo_err *err)
{
    struct caller *c = mlo_calloc(1, sizeof *c, err);
    if (!c)
        return err->code;
    c->of = (const struct server *)t;
    int rc = mlo_http_new(&c->of->http, &c->http, err);
    if (rc != 0) {
        free(c);
        return rc;
    }
    mlo_sigpipe_hold(&c->before);
    *ret_caller = c;
    return 0;
}

static int sign(void *ctx, struct mlo_http_attempt *a, struct mlo_err *err)
{
    return mlo_http_add_header(a, "Authorization", ((const struct server *)ctx)->bearer, err);
}

static int call(void *caller, uint64_t request, struct mlo_err *err)
{
    static const char *const headers[] = {"Content-Type", "application/json", "Accept", "application/json",
                                          NULL};
    const struct caller *c = caller;
    const struct server *s = c->of;
    size_t i = (size_t)(request % s->opts.n_bodies);
    const struct mlo_http_body body = {
        .size = s->sizes[i], .read = mlo_http_body_text, .ctx = (void *)(uintptr_t)s->opts.bodies[i]};
    const struct mlo_http_request req = {.method = "POST",
                                         .url = s->url,
                                         .headers = headers,
                                         .body = &body,
                                         .sign = s->bearer ? sign : NULL,
                                         .sign_ctx = (void *)(uintptr_t)s,
                                         .max_body = ANSWER_MAX,
                                         .flags = MLO_HTTP_POOLED | MLO_HTTP_ONCE,
                                         .attempts = 1,
                                         .patience_ns = s->opts.limit_ns,
                                         .stall_ns = s->opts.limit_ns,
                                         .deadline_ns = mlo_time_mono() + s->opts.limit_ns};
    struct mlo_http_response answer;
    int rc = mlo_http_do(c->http, &req, &answer, err);
    if (rc == 0)
        rc = check_answer(s, &answer, err);
    mlo_http_response_release(&answer);
    return rc;
}

static void leave(void *caller)
{
    struct caller *c = caller;
    mlo_http_free(c->http);
    mlo_sigpipe_restore(&c->before);
    free(c);
}

/* ---- the target ---- */

static void close_server(struct mlo_target *t)
{
    struct server *s = (struct server *)t;
    if (s->bearer)
        explicit_bzero(s->bearer, strlen(s->bearer));
    free(s->bearer);
    free(s->url);
    free(s->sizes);
    free(s);
}

static int make_url(struct server *s, const char *url, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str out;
    struct mlo_url parts;
    size_t n = strlen(url);
    mlo_str_init(&out, URL_BYTES);
    int rc = mlo_url_parse(url, &parts, err);
    if (rc != 0)
        return rc;
    bool has_query = parts.query != NULL;
    mlo_url_release(&parts);
    if (s->opts.model && has_query)
        return mlo_fail(err, MLO_EUSAGE, "'%s' is no address of a server: it has a query", url);
    while (s->opts.model && n > 0 && url[n - 1] == '/')
        n--;
    mlo_str_addn(&out, url, n);
    if (s->opts.model) {
        mlo_str_add(&out, "/v2/models/");
        mlo_url_encode(&out, s->opts.model, strlen(s->opts.model), false);
        mlo_str_add(&out, "/infer");
    }
    rc = mlo_str_check(&out, err);
    if (rc == 0)
        s->url = mlo_str_detach(&out, NULL);
    return rc;
}

static int make_bearer(struct server *s, const char *token, struct mlo_err *err)
{
    size_t n = strlen("Bearer ") + strlen(token) + 1;
    s->bearer = mlo_calloc(n, 1, err);
    if (!s->bearer)
        return err->code;
    snprintf(s->bearer, n, "Bearer %s", token);
    return 0;
}

static int fill(struct server *s, const struct mlo_url_opts *u, struct mlo_err *err)
{
    int rc = make_url(s, u->url, err);
    if (rc == 0 && u->token)
        rc = make_bearer(s, u->token, err);
    if (rc != 0)
        return rc;
    s->sizes = mlo_calloc(s->opts.n_bodies, sizeof *s->sizes, err);
    if (!s->sizes)
        return err->code;
    for (size_t i = 0; i < s->opts.n_bodies; i++)
        s->sizes[i] = strlen(s->opts.bodies[i]);
    return 0;
}

int mlo_target_url(const struct mlo_url_opts *u, const struct mlo_target_opts *o, struct mlo_target **ret,
                   struct mlo_err *err)
{
    if (o->n_bodies == 0)
        return mlo_fail(err, MLO_EUSAGE, "nothing to send to '%s'", u->url);
    struct server *s = mlo_calloc(1, sizeof *s, err);
    if (!s)
        return err->code;
    s->target = (struct mlo_target){
        .kind = "url", .join = join, .call = call, .leave = leave, .close = close_server, .rows = o->rows};
    s->opts = *o;
    s->opts.limit_ns = o->limit_ns ? o->limit_ns : MLO_TARGET_LIMIT;
    s->http = u->http ? *u->http : (struct mlo_http_opts){0};
    s->http.direct = true;
    s->http.stop = o->stop;
    s->http.ctx = o->stop_ctx;
    s->http.notice = NULL;
    int rc = fill(s, u, err);
    if (rc != 0)
        close_server(&s->target);
    else
        *ret = &s->target;
    return rc;
}
