/* When a request is sent again, and when it must not be. */
#include "net_help.h"

#define OK_ANSWER   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define FAULT(code) "HTTP/1.1 " code " Trouble\r\nContent-Length: 0\r\n\r\n"

static const struct mlo_http_request get = {.method = "GET", .flags = MLO_HTTP_REPEATABLE};

static void transient_answers_are_tried_again(void)
{
    static const char *const codes[] = {"408", "429", "500", "502", "503", "504", "520", "524", "527"};
    for (size_t i = 0; i < MLO_COUNT(codes); i++) {
        char fault[128];
        snprintf(fault, sizeof fault, "HTTP/1.1 %s Trouble\r\nContent-Length: 0\r\n\r\n", codes[i]);
        struct net_script script = {{fault, fault, OK_ANSWER}};
        struct net_test n = net_begin(net_play, &script);
        check_ok(net_do(&n, "/", get), &n.err);
        check_int(n.res.status, 200);
        check_int(n.res.attempts, 3);
        check(!n.res.unclear);
        net_end(&n);
    }
}

static void other_answers_are_not(void)
{
    static const char *const codes[] = {"400", "401", "403", "404", "409", "410",
                                        "412", "416", "422", "501", "507"};
    for (size_t i = 0; i < MLO_COUNT(codes); i++) {
        char fault[128];
        snprintf(fault, sizeof fault, "HTTP/1.1 %s Trouble\r\nContent-Length: 0\r\n\r\n", codes[i]);
        struct net_script script = {{fault, OK_ANSWER}};
        struct net_test n = net_begin(net_play, &script);
        check_ok(net_do(&n, "/", get), &n.err);
        check_int(n.res.status, atoi(codes[i]));
        check_int(n.res.attempts, 1);
        net_end(&n);
    }
}

static void the_last_answer_comes_back(void)
{
    struct net_script script = {{FAULT("503")}};
    struct net_test n = net_begin(net_play, &script);
    check_ok(net_do(&n, "/", get), &n.err);
    check_int(n.res.status, 503);
    check_int(n.res.attempts, 10);
    check(n.res.unclear);
    struct mlo_http_request four = get;
    four.attempts = 4;
    check_ok(net_do(&n, "/", four), &n.err);
    check_int(n.res.attempts, 4);
    net_end(&n);
}

static void a_request_may_want_it_at_once(void)
{
    struct net_script script = {
        {"HTTP/1.1 429 Slow\r\nRetry-After: 3000\r\nContent-Length: 0\r\n\r\n", OK_ANSWER}};
    struct net_test n = net_begin(net_play, &script);
    struct mlo_http_request once = get;
    once.flags |= MLO_HTTP_ONCE;
    check_ok(net_do(&n, "/", once), &n.err);
    check_int(n.res.status, 429);
    check_ok(net_do(&n, "/", once), &n.err);
    check_int(n.res.status, 200);
    net_end(&n);
}

static void a_create_is_not_sent_twice(void)
{
    static const char *const ends[] = {FAULT("502"), FAULT("503"),
                                       FAULT("429"), "RESET",
                                       "CLOSE",      "CUT HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal"};
    struct mlo_http_body body = {.size = 2, .read = mlo_http_body_text, .ctx = (void *)(uintptr_t) "{}"};
    struct mlo_http_request create = {.method = "POST", .body = &body};
    for (size_t i = 0; i < MLO_COUNT(ends); i++) {
        struct net_script script = {{OK_ANSWER, ends[i]}};
        struct net_test n = net_begin(net_play, &script);
        check_ok(net_do(&n, "/", create), &n.err); /* so that a connection is pooled */
        int rc = net_do(&n, "/", create);
        if (i < 3)
            check_ok(rc, &n.err);
        else
            check_err(rc, MLO_EREMOTE, &n.err, "127.0.0.1");
        check_int(n.res.attempts, 1);
        check(n.res.unclear == (i != 2), "%s", ends[i]); /* 429: it did nothing */
        check_int(http_server_requests(n.server), 2);
        net_end(&n);
    }
}

/* A port on which nobody listens. */
static int closed_port(void)
{
    struct http_server s;
    http_server_start(&s, net_play, NULL);
    http_server_stop(&s);
    return s.port;
}

static void what_never_left_may_go_again(void)
{
    struct net_test n = net_begin(net_play, NULL);
    char url[64];
    struct mlo_http_request create = {.method = "POST", .url = url};
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", closed_port());
    check_err(mlo_http_do(n.http, &create, &n.res, &n.err), MLO_EREMOTE, &n.err, "Connection refused");
    check(n.err.hint[0]);
    check_int(n.res.attempts, 3);
    check(!n.res.unclear);
    check_str(n.res.host, "127.0.0.1");
    net_end(&n);
}

static void broken_connections_are_tried_again(void)
{
    static const char *const ends[] = {
        "RESET", "CLOSE", "CUT HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal",
        "CUT HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "CUT HTTP/1.1 200 OK\r\nCont"};
    struct mlo_http_body body = {.size = 100000, .read = net_body};
    for (size_t i = 0; i < MLO_COUNT(ends); i++) {
        struct net_script script = {{ends[i], ends[i], OK_ANSWER}};
        struct net_test n = net_begin(net_play, &script);
        struct mlo_http_request req = get;
        if (i % 2) {
            req.method = "PUT";
            req.body = &body;
        }
        check_ok(net_do(&n, "/", req), &n.err);
        check_str(n.res.body, "ok");
        check_int(n.res.attempts, 3);
        net_end(&n);
    }
}

/* ---- pauses ---- */

static char told[1024];
static void tell(void *ctx, const char *text)
{
    (void)ctx;
    snprintf(told + strlen(told), sizeof told - strlen(told), "%s\n", text);
}

static void retry_after_is_kept(void)
{
    struct net_script script = {
        {"HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", OK_ANSWER}};
    struct net_test n = net_begin(net_play, &script);
    int64_t start = mlo_time_mono();
    check_ok(net_do(&n, "/", get), &n.err);
    check_int(n.res.attempts, 2);
    check(mlo_time_mono() - start >= MLO_NS_PER_S);
    net_end(&n);
}

static void an_exhausted_window_is_kept_before_the_next_request(void)
{
    struct net_script script = {{"HTTP/1.1 200 OK\r\nRateLimit: \"minute\";r=0;t=1, \"hour\";r=20;t=1800\r\n"
                                 "Content-Length: 2\r\n\r\nok",
                                 OK_ANSWER}};
    struct net_test n = net_begin(net_play, &script);
    int64_t start = mlo_time_mono();
    check_ok(net_do(&n, "/", get), &n.err);
    check_ok(net_do(&n, "/", get), &n.err);
    check(mlo_time_mono() - start >= MLO_NS_PER_S);
    net_end(&n);
}

/* Two windows are exhausted: the longer one counts, and it is beyond the deadline. */
static void a_wait_beyond_the_deadline_gives_the_answer(void)
{
    struct net_script script = {
        {"HTTP/1.1 429 Slow\r\nRetry-After: 1\r\n"
         "RateLimit: \"minute\";r=0;t=1, \"hour\";r=0;t=1800\r\nContent-Length: 4\r\n\r\nslow",
         OK_ANSWER}};
    struct net_test n = net_begin(net_play, &script);
    struct mlo_http_request req = get;
    req.deadline_ns = mlo_time_mono() + 600 * MLO_NS_PER_S;
    check_ok(net_do(&n, "/", req), &n.err);
    check_int(n.res.status, 429);
    check_str(n.res.body, "slow");
    net_end(&n);
}

static void nobody_waits_for_a_day(void)
{
    struct net_script script = {
        {"HTTP/1.1 503 Gone fishing\r\nRetry-After: 86400\r\nContent-Length: 0\r\n\r\n"}};
    struct net_test n = net_begin(net_play, &script);
    check_ok(net_do(&n, "/", get), &n.err);
    check_int(n.res.status, 503);
    check_int(n.res.attempts, 1);
    net_end(&n);
}

static bool stop_when_told(void *ctx)
{
    (void)ctx;
    return told[0] != '\0';
}

static void a_long_wait_is_told_and_can_be_stopped(void)
{
    struct net_script script = {
        {"HTTP/1.1 429 Slow\r\nRetry-After: 900\r\nContent-Length: 0\r\n\r\n", OK_ANSWER}};
    struct net_test n = net_begin_with(net_play, &script,
                                       (struct mlo_http_opts){.notice = tell, .stop = stop_when_told});
    told[0] = '\0';
    check_err(net_do(&n, "/", get), MLO_EIO, &n.err, "interrupted");
    check_int(n.err.sys_errno, 4 /* EINTR */);
    check(strstr(told, " min") && strstr(told, "127.0.0.1"), "%s", told);
    told[0] = '\0';
    net_end(&n);
}

static void sunset_is_told_once(void)
{
    struct net_script script = {
        {"HTTP/1.1 200 OK\r\nSunset: Sun, 15 Nov 2026 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n"}};
    struct net_test n = net_begin_with(net_play, &script, (struct mlo_http_opts){.notice = tell});
    told[0] = '\0';
    for (int i = 0; i < 3; i++)
        check_ok(net_do(&n, "/", get), &n.err);
    check_str(told, "'127.0.0.1' says that this service ends on Sun, 15 Nov 2026 00:00:00 GMT\n");
    net_end(&n);
}

/* ---- the clock ---- */

static int64_t signed_at[4];
static int sign(void *ctx, struct mlo_http_attempt *a, struct mlo_err *err)
{
    (void)ctx;
    signed_at[a->number < 4 ? a->number : 0] = a->time_ns;
    return mlo_http_add_header(a, "Authorization", "secret", err);
}

static void a_clock_that_is_off_is_corrected(void)
{
    struct net_script script = {{"HTTP/1.1 403 Forbidden\r\nDate: Tue, 01 Jan 2030 00:00:00 GMT\r\n"
                                 "Content-Length: 0\r\n\r\n",
                                 OK_ANSWER}};
    struct net_test n = net_begin(net_play, &script);
    struct mlo_http_request req = {.method = "POST", .sign = sign};
    int64_t then = 1893456000 * MLO_NS_PER_S;
    check_int(mlo_http_clock_ahead(n.http, n.server->url), 0);
    check_ok(net_do(&n, "/", req), &n.err);
    check_int(n.res.status, 200);
    check_int(n.res.attempts, 2);
    check(signed_at[1] < then - 86400 * MLO_NS_PER_S || signed_at[1] > then + 86400 * MLO_NS_PER_S);
    check(signed_at[2] >= then && signed_at[2] < then + 600 * MLO_NS_PER_S);
    check(mlo_http_clock_ahead(n.http, n.server->url) != 0);
    net_end(&n);
}

/* Once corrected, a refusal is a refusal. */
static void a_refusal_is_asked_about_once(void)
{
    struct net_script script = {
        {"HTTP/1.1 403 Forbidden\r\nDate: Tue, 01 Jan 2030 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n"}};
    struct net_test n = net_begin(net_play, &script);
    struct mlo_http_request req = {.method = "GET", .sign = sign, .flags = MLO_HTTP_REPEATABLE};
    check_ok(net_do(&n, "/", req), &n.err);
    check_int(n.res.status, 403);
    check_int(n.res.attempts, 2);
    check_ok(net_do(&n, "/", req), &n.err);
    check_int(n.res.attempts, 1);
    net_end(&n);
}

/* A pooled connection that died while nobody looked costs no pause and no answer. */
static void close_after_answer(struct http_exchange *x)
{
    if (x->number > 1 && x->connection == 1)
        http_reset(x);
    else
        http_text(x, OK_ANSWER);
}

static void a_dead_pooled_connection_is_replaced(void)
{
    struct net_test n = net_begin_with(close_after_answer, NULL,
                                       (struct mlo_http_opts){.backoff_ns = 1000 * MLO_NS_PER_S});
    struct mlo_http_body body = {.size = 100, .read = net_body};
    struct mlo_http_request put = {.method = "PUT", .body = &body, .flags = MLO_HTTP_REPEATABLE};
    check_ok(net_do(&n, "/", put), &n.err);
    check_ok(net_do(&n, "/", put), &n.err);
    check_int(n.res.status, 200);
    check(n.res.attempts <= 2);
    net_end(&n);
}

int main(void)
{
    run(transient_answers_are_tried_again);
    run(other_answers_are_not);
    run(the_last_answer_comes_back);
    run(a_request_may_want_it_at_once);
    run(a_create_is_not_sent_twice);
    run(what_never_left_may_go_again);
    run(broken_connections_are_tried_again);
    run(retry_after_is_kept);
    run(an_exhausted_window_is_kept_before_the_next_request);
    run(a_wait_beyond_the_deadline_gives_the_answer);
    run(nobody_waits_for_a_day);
    run(a_long_wait_is_told_and_can_be_stopped);
    run(sunset_is_told_once);
    run(a_clock_that_is_off_is_corrected);
    run(a_refusal_is_asked_about_once);
    run(a_dead_pooled_connection_is_replaced);
    return done_testing();
}
