/* Where a request may be led, and that credentials stay at home. */
#include "net_help.h"

/* "/to?URL" redirects there; everything else answers with the Authorization it got. */
static void leads(struct http_exchange *x)
{
    char header[4096], auth[64];
    const char *status = x->ctx ? x->ctx : "302 Found";
    if (strncmp(x->target, "/to?", 4) == 0) {
        snprintf(header, sizeof header, "Location: %s\r\n", x->target + 4);
        http_answer(x, status, header, "elsewhere");
        return;
    }
    http_answer(x, "200 OK", "", http_header_of(x, "Authorization", auth, sizeof auth) ? auth : "nobody");
}

static unsigned signings;
static int sign(void *ctx, struct mlo_http_attempt *a, struct mlo_err *err)
{
    (void)ctx;
    signings++;
    return mlo_http_add_header(a, "Authorization", "Bearer secret", err);
}

static const struct mlo_http_request get = {
    .method = "GET", .flags = MLO_HTTP_REPEATABLE | MLO_HTTP_FOLLOW, .sign = sign};

static void within_the_origin_they_go_along(void)
{
    static const char *const statuses[] = {"301 M", "302 F", "303 S", "307 T", "308 P"};
    for (size_t i = 0; i < MLO_COUNT(statuses); i++) {
        struct net_test n = net_begin(leads, (void *)(uintptr_t)statuses[i]);
        check_ok(net_do(&n, "/to?/there", get), &n.err);
        check_str(n.res.body, "Bearer secret");
        check_int(n.res.attempts, 1);
        check_int(http_server_requests(n.server), 2);
        net_end(&n);
    }
}

static void to_another_port_they_stay_behind(void)
{
    struct net_test n = net_begin(leads, NULL), other = net_begin(leads, NULL);
    char path[256];
    snprintf(path, sizeof path, "/to?%s/there", other.server->url);
    signings = 0;
    check_ok(net_do(&n, path, get), &n.err);
    check_str(n.res.body, "nobody");
    check_int(signings, 1);
    /* and back again */
    snprintf(path, sizeof path, "/to?%s/to?%s/home", other.server->url, n.server->url);
    check_ok(net_do(&n, path, get), &n.err);
    check_str(n.res.body, "nobody");
    net_end(&other);
    net_end(&n);
}

static void to_another_host_they_stay_behind(void)
{
    struct net_test n = net_begin(leads, NULL);
    char path[256];
    snprintf(path, sizeof path, "/to?http://localhost:%d/there", n.server->port);
    check_ok(net_do(&n, path, get), &n.err);
    check_str(n.res.body, "nobody");
    check_str(n.res.host, "localhost");
    net_end(&n);
}

static void only_who_asks_is_led(void)
{
    struct net_test n = net_begin(leads, NULL);
    struct mlo_http_request stay = get, post = get;
    stay.flags &= ~(unsigned)MLO_HTTP_FOLLOW;
    post.method = "POST";
    check_ok(net_do(&n, "/to?/there", stay), &n.err);
    check_int(n.res.status, 302);
    check_str(mlo_http_header(&n.res, "location"), "/there");
    check_ok(net_do(&n, "/to?/there", post), &n.err);
    check_int(n.res.status, 302);
    net_end(&n);
}

static void five_times_and_no_more(void)
{
    struct net_test n = net_begin(leads, NULL);
    check_ok(net_do(&n, "/to?/to?/to?/to?/to?/end", get), &n.err);
    check_str(n.res.body, "Bearer secret");
    check_err(net_do(&n, "/to?/to?/to?/to?/to?/to?/end", get), MLO_EREMOTE, &n.err, "more than 5 times");
    net_end(&n);
}

static void places_nobody_may_be_led_to(void)
{
    static const struct {
        const char *path, *why;
    } cases[] = {
        {"/to?http://example.com/x", "without encryption"},
        {"/to?ftp://127.0.0.1/x", "cannot be used"},
        {"/to?file:///etc/passwd", "cannot be used"},
        {"/to?//user:secret@127.0.0.1/x", "cannot be used"},
        {"/to?http://[::1", "cannot be used"},
    };
    struct net_test n = net_begin(leads, NULL);
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        check_err(net_do(&n, cases[i].path, get), MLO_EREMOTE, &n.err, cases[i].why);
        check(!strstr(n.err.msg, "secret"));
    }
    net_end(&n);
}

static void cut_after_redirect(struct http_exchange *x)
{
    char range[64];
    if (strcmp(x->target, "/start") == 0)
        http_answer(x, "307 T", "Location: /file\r\n", "");
    else if (http_header_of(x, "Range", range, sizeof range))
        http_answer(x, "206 P", "Content-Range: bytes 3-5/6\r\n", "\3\4\5");
    else {
        http_send(x, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n\0\1\2", 41);
        x->close = true;
    }
}

static void a_cut_body_is_asked_for_from_the_start(void)
{
    struct net_test n = net_begin(cut_after_redirect, NULL);
    struct net_sink sink = {0};
    struct mlo_http_request req = get;
    req.sink = net_sink;
    req.sink_ctx = &sink;
    check_ok(net_do(&n, "/start", req), &n.err);
    check(sink.n == 6 && !sink.bad);
    check_int(http_server_requests(n.server), 4);
    net_end(&n);
}

/* ---- plain http ---- */

static void plain_http_is_for_the_loopback(void)
{
    static const char *const refused[] = {"http://example.com/", "http://192.0.2.1/",
                                          "http://localhost.example.com/", "http://127.example.com/"};
    struct net_test n = net_begin(leads, NULL);
    for (size_t i = 0; i < MLO_COUNT(refused); i++) {
        struct mlo_http_request req = {.method = "GET", .url = refused[i]};
        check_err(mlo_http_do(n.http, &req, &n.res, &n.err), MLO_EUSAGE, &n.err, "without encryption");
        check_str(n.err.hint, "write https://");
    }
    net_end(&n);
}

/* ---- proxies ---- */

static void proxied(struct http_exchange *x)
{
    http_answer(x, "200 OK", "", x->target);
}

static void a_proxy_is_asked(void)
{
    struct http_server proxy;
    http_server_start(&proxy, proxied, NULL);
    struct net_test n = net_begin_with(
        leads, NULL,
        (struct mlo_http_opts){.proxy = proxy.url, .no_proxy = "direct.invalid", .allow_plain = true});
    struct mlo_http_request req = {.method = "GET", .url = "http://models.invalid/x", .attempts = 1};
    check_ok(mlo_http_do(n.http, &req, &n.res, &n.err), &n.err);
    check_str(n.res.body, "http://models.invalid/x");
    mlo_http_response_release(&n.res);
    req.url = "http://direct.invalid/x";
    check_err(mlo_http_do(n.http, &req, &n.res, &n.err), MLO_EREMOTE, &n.err, "direct.invalid");
    check_ok(net_do(&n, "/x", get), &n.err); /* the loopback needs none */
    check_str(n.res.body, "Bearer secret");
    net_end(&n);
    http_server_stop(&proxy);
}

static void variables_are_not_read(void)
{
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    struct net_test n = net_begin(leads, NULL);
    check_ok(net_do(&n, "/x", get), &n.err);
    net_end(&n);
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    unsetenv("ALL_PROXY");
}

int main(void)
{
    run(within_the_origin_they_go_along);
    run(to_another_port_they_stay_behind);
    run(to_another_host_they_stay_behind);
    run(only_who_asks_is_led);
    run(five_times_and_no_more);
    run(places_nobody_may_be_led_to);
    run(a_cut_body_is_asked_for_from_the_start);
    run(plain_http_is_for_the_loopback);
    run(a_proxy_is_asked);
    run(variables_are_not_read);
    return done_testing();
}
