/* What the tests of the HTTP client share: a client and a server, and a body and a sink that count. */
#ifndef TESTS_UNIT_NET_HELP_H
#define TESTS_UNIT_NET_HELP_H

#include <string.h>

#include <mlopsctl/base/time.h>
#include <mlopsctl/net.h>

#include "http_server.h"
#include "tap.h"

struct net_test {
    struct http_server *server;
    struct mlo_http *http;
    struct mlo_http_response res;
    struct mlo_err err;
    char url[4096];
};

static inline struct net_test net_begin_with(http_handler handler, void *ctx, struct mlo_http_opts opts)
{
    struct net_test n = {.server = malloc(sizeof *n.server)};
    if (!opts.backoff_ns)
        opts.backoff_ns = MLO_NS_PER_S / 1000; /* pauses of a test are short */
    http_server_start(n.server, handler, ctx);
    check_ok(mlo_http_new(&opts, &n.http, &n.err), &n.err);
    return n;
}

static inline struct net_test net_begin(http_handler handler, void *ctx)
{
    return net_begin_with(handler, ctx, (struct mlo_http_opts){0});
}

static inline const char *net_url(struct net_test *n, const char *path)
{
    snprintf(n->url, sizeof n->url, "%s%s", n->server->url, path);
    return n->url;
}

/* The bytes that tests send and expect: a function of the position, so that a shift is seen. */
static inline unsigned char net_byte(uint64_t at)
{
    return (unsigned char)(at ^ at >> 8 ^ at >> 16 ^ at >> 24);
}

static inline void net_pattern(uint64_t at, char *buf, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf[i] = (char)net_byte(at + i);
}

struct net_sink {
    uint64_t at, n; /* position of the first byte in the pattern; bytes heard */
    bool bad;       /* a byte out of place */
    unsigned calls, fail_at_call;
};

static inline int net_sink(void *ctx, const void *bytes, size_t n, struct mlo_err *err)
{
    struct net_sink *s = ctx;
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++)
        s->bad |= p[i] != net_byte(s->at + s->n + i);
    s->n += n;
    return ++s->calls == s->fail_at_call ? mlo_fail(err, MLO_EINVALID, "the sink is full") : 0;
}

static inline int net_body(void *ctx, uint64_t offset, void *buf, size_t cap, size_t *ret_n,
                           struct mlo_err *err)
{
    (void)ctx, (void)err;
    net_pattern(offset, buf, cap);
    *ret_n = cap;
    return 0;
}

/* A server that gives these answers in turn, the last one for ever. "RESET" and "CLOSE" end the connection.
 */
struct net_script {
    const char *answers[16];
};

static inline void net_play(struct http_exchange *x)
{
    const struct net_script *s = x->ctx;
    const char *answer = s->answers[0];
    for (unsigned i = 1; i < x->number && i < 16 && s->answers[i]; i++)
        answer = s->answers[i];
    if (strcmp(answer, "RESET") == 0)
        http_reset(x);
    else if (strcmp(answer, "CLOSE") == 0)
        x->close = true;
    else if ((x->close = strncmp(answer, "CUT ", 4) == 0))
        http_text(x, answer + 4);
    else
        http_text(x, answer);
}

/* One request to the server; the answer stays in n->res until the next. */
static inline int net_do(struct net_test *n, const char *path, struct mlo_http_request req)
{
    mlo_http_response_release(&n->res);
    n->err = MLO_ERR_INIT;
    req.url = net_url(n, path);
    if (!req.method)
        req.method = "GET";
    return mlo_http_do(n->http, &req, &n->res, &n->err);
}

static inline void net_end(struct net_test *n)
{
    mlo_http_response_release(&n->res);
    mlo_http_free(n->http);
    http_server_stop(n->server);
    free(n->server);
}

#endif
