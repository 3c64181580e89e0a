/* The HTTP client against a server that behaves. */
#include "net_help.h"

/* ---- a server that says what it was asked, and serves a pattern of bytes ---- */

static void echo(struct http_exchange *x)
{
    char text[4096], header[256], type[64];
    snprintf(text, sizeof text, "%s %s %llu:%.100s agent=%s type=%s", x->method, x->target,
             (unsigned long long)x->body_n, x->body,
             http_header_of(x, "User-Agent", header, sizeof header) ? header : "none",
             http_header_of(x, "Content-Type", type, sizeof type) ? type : "none");
    http_answer(x, "200 OK", "X-Thing: one\r\nX-thing:  two \r\nETag: \"a\"\r\n", text);
}

static void gets_into_the_response(void)
{
    struct net_test n = net_begin(echo, NULL);
    struct mlo_http_request req = {
        .method = "GET", .url = net_url(&n, "/a%20b?c=d"), .flags = MLO_HTTP_REPEATABLE};
    check_ok(mlo_http_do(n.http, &req, &n.res, &n.err), &n.err);
    check_int(n.res.status, 200);
    check_str(n.res.body, "GET /a%20b?c=d 0: agent=mlopsctl/" MLO_VERSION " type=none");
    check_int(n.res.n, strlen(n.res.body));
    check_int(n.res.attempts, 1);
    check_str(mlo_http_header(&n.res, "X-THING"), "two");
    check(!mlo_http_header(&n.res, "thing"));
    check_str(n.res.host, "127.0.0.1");
    check(!n.res.unclear);
    net_end(&n);
}

static void sends_bodies(void)
{
    static const char *const methods[] = {"PUT", "POST", "PATCH"};
    static const char *const headers[] = {"Content-Type", "text/plain", NULL};
    struct net_test n = net_begin_with(echo, NULL, (struct mlo_http_opts){.user_agent = "tester/1"});
    struct mlo_http_body body = {.size = 5, .read = mlo_http_body_text, .ctx = (void *)(uintptr_t) "hello"};
    for (size_t i = 0; i < MLO_COUNT(methods); i++) {
        char want[128];
        struct mlo_http_request req = {
            .method = methods[i], .url = net_url(&n, "/x"), .headers = headers, .body = &body};
        check_ok(mlo_http_do(n.http, &req, &n.res, &n.err), &n.err);
        snprintf(want, sizeof want, "%s /x 5:hello agent=tester/1 type=text/plain", methods[i]);
        check_str(n.res.body, want);
        mlo_http_response_release(&n.res);
    }
    net_end(&n);
}

static void says_the_length(struct http_exchange *x)
{
    char length[32], expect[32];
    http_answer(x, "201 Created",
                http_header_of(x, "Expect", expect, sizeof expect) ? "X-Expect: yes\r\n" : "",
                http_header_of(x, "Content-Length", length, sizeof length) ? length : "none");
}

static void says_when_there_is_no_body(void)
{
    static const struct {
        const char *method, *length;
    } cases[] = {{"PUT", "0"}, {"POST", "0"}, {"PATCH", "0"}, {"GET", "none"}, {"DELETE", "none"}};
    struct net_test n = net_begin(says_the_length, NULL);
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct mlo_http_request req = {.method = cases[i].method, .url = net_url(&n, "/")};
        check_ok(mlo_http_do(n.http, &req, &n.res, &n.err), &n.err);
        check_int(n.res.status, 201);
        check_str(n.res.body, cases[i].length);
        mlo_http_response_release(&n.res);
    }
    net_end(&n);
}

static void no_content(struct http_exchange *x)
{
    if (strcmp(x->target, "/204") == 0)
        http_text(x, "HTTP/1.1 204 No Content\r\n\r\n");
    else if (strcmp(x->target, "/304") == 0)
        http_text(x, "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n");
    else /* HEAD */
        http_text(x, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
}

static void answers_without_bodies(void)
{
    static const struct {
        const char *method, *path;
        int status;
    } cases[] = {{"DELETE", "/204", 204}, {"GET", "/304", 304}, {"HEAD", "/big", 200}, {"GET", "/204", 204}};
    struct net_test n = net_begin(no_content, NULL);
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct mlo_http_request req = {
            .method = cases[i].method, .url = net_url(&n, cases[i].path), .flags = MLO_HTTP_REPEATABLE};
        check_ok(mlo_http_do(n.http, &req, &n.res, &n.err), &n.err);
        check_int(n.res.status, cases[i].status);
        check_str(n.res.body, "");
        mlo_http_response_release(&n.res);
    }
    check_int(http_server_connections(n.server), 1);
    net_end(&n);
}

/* ---- much ---- */

#define BIG ((size_t)40 << 20)

static void serves_much(struct http_exchange *x)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 41943040\r\n\r\n";
    char buf[65536];
    http_text(x, head);
    for (uint64_t at = 0; at < BIG; at += sizeof buf) {
        net_pattern(at, buf, sizeof buf);
        if (!http_send(x, buf, sizeof buf))
            return;
    }
}

static void gets_much_into_a_sink(void)
{
    struct net_test n = net_begin(serves_much, NULL);
    struct net_sink sink = {0};
    struct mlo_http_request req = {
        .method = "GET", .url = net_url(&n, "/"), .sink = net_sink, .sink_ctx = &sink, .max_body = BIG};
    check_ok(mlo_http_do(n.http, &req, &n.res, &n.err), &n.err);
    check_int(sink.n, BIG);
    check(!sink.bad, "every byte in its place");
    check(n.res.body == NULL);
    net_end(&n);
}

static void counts(struct http_exchange *x)
{
    char text[64];
    snprintf(text, sizeof text, "%llu", (unsigned long long)x->body_n);
    http_answer(x, "200 OK", "", text);
}

static void puts_much_from_a_body(void)
{
    struct net_test n = net_begin(counts, NULL);
    struct mlo_http_body body = {.size = BIG + 17, .read = net_body};
    struct mlo_http_request req = {.method = "PUT", .url = net_url(&n, "/"), .body = &body};
    check_ok(mlo_http_do(n.http, &req, &n.res, &n.err), &n.err);
    check_str(n.res.body, "41943057");
    net_end(&n);
}

int main(void)
{
    run(gets_into_the_response);
    run(sends_bodies);
    run(says_when_there_is_no_body);
    run(answers_without_bodies);
    run(gets_much_into_a_sink);
    run(puts_much_from_a_body);
    return done_testing();
}
