/* Bodies: ranges, resumption of what was cut, and answers that are not what was asked for. */
#include "net_help.h"

#include <sys/socket.h>

#define SIZE ((uint64_t)3000000)

/* A file of the pattern, served as well as `how` says. */
struct file {
    bool no_ranges;       /* answers 200 to everything */
    bool no_length;       /* chunked */
    const char *etag;     /* NULL: none */
    const char *new_etag; /* from the second request on */
    uint64_t cut_at[8];   /* bytes of the body of the n-th answer, then the connection ends; 0: all */
    uint64_t new_size;    /* from the second request on; 0: the same */
    uint64_t shift;       /* lies about the first byte of a 206 by so much */
    uint64_t part_max;    /* a 206 never has more */
    char ranges[8][64], if_range[64];
};

static void send_pattern(struct http_exchange *x, uint64_t first, uint64_t n, bool chunked)
{
    char buf[8192], head[16];
    for (uint64_t at = 0; at < n && !x->close;) {
        size_t part = n - at < sizeof buf ? (size_t)(n - at) : sizeof buf;
        net_pattern(first + at, buf, part);
        snprintf(head, sizeof head, "%zx\r\n", part);
        if (chunked)
            http_text(x, head);
        http_send(x, buf, part);
        if (chunked)
            http_text(x, "\r\n");
        at += part;
    }
}

static void serve_file(struct http_exchange *x)
{
    struct file *f = x->ctx;
    char head[512], range[64], etag[64] = "";
    unsigned i = (x->number - 1) % 8;
    unsigned long long first = 0, last = 0;
    uint64_t size = i && f->new_size ? f->new_size : SIZE;
    const char *tag = i && f->new_etag ? f->new_etag : f->etag;
    bool ranged = http_header_of(x, "Range", range, sizeof range) != NULL;
    snprintf(f->ranges[i], sizeof f->ranges[i], "%s", ranged ? range : "");
    if (!http_header_of(x, "If-Range", f->if_range, sizeof f->if_range))
        f->if_range[0] = '\0';
    if (tag)
        snprintf(etag, sizeof etag, "ETag: %s\r\n", tag);
    if (ranged && sscanf(range, "bytes=%llu-%llu", &first, &last) == 1)
        last = size - 1;
    if (ranged && !f->no_ranges && first >= size) {
        snprintf(head, sizeof head, "Content-Range: bytes */%llu\r\n", (unsigned long long)size);
        http_answer(x, "416 Range Not Satisfiable", head, "beyond");
        return;
    }
    if (!ranged || f->no_ranges || (f->if_range[0] && strcmp(f->if_range, tag ? tag : "") != 0))
        ranged = false, first = 0, last = size - 1;
    if (last >= size)
        last = size - 1;
    if (ranged && f->part_max && last - first >= f->part_max)
        last = first + f->part_max - 1;
    uint64_t n = last - first + 1, cut = f->cut_at[i];
    int used = snprintf(head, sizeof head, "HTTP/1.1 %s\r\n%s", ranged ? "206 Partial Content" : "200 OK",
                        etag);
    if (ranged)
        used += snprintf(head + used, sizeof head - (size_t)used, "Content-Range: bytes %llu-%llu/%llu\r\n",
                         first + f->shift, last + f->shift, (unsigned long long)size);
    if (f->no_length)
        snprintf(head + used, sizeof head - (size_t)used, "Transfer-Encoding: chunked\r\n\r\n");
    else
        snprintf(head + used, sizeof head - (size_t)used, "Content-Length: %llu\r\n\r\n",
                 (unsigned long long)n);
    http_text(x, head);
    send_pattern(x, first, cut && cut < n ? cut : n, f->no_length);
    if (cut && cut <= n)
        x->close = true;
    else if (f->no_length)
        http_text(x, "0\r\n\r\n");
}

static struct mlo_http_request get_into(struct net_sink *sink)
{
    return (struct mlo_http_request){
        .method = "GET", .flags = MLO_HTTP_REPEATABLE, .sink = net_sink, .sink_ctx = sink, .max_body = SIZE};
}

static void gets_whole(struct file *f, unsigned attempts)
{
    struct net_test n = net_begin(serve_file, f);
    struct net_sink sink = {0};
    check_ok(net_do(&n, "/", get_into(&sink)), &n.err);
    check_int(sink.n, SIZE);
    check(!sink.bad);
    check(n.res.status == 200 || n.res.status == 206);
    check_int(n.res.attempts, attempts);
    check(!n.res.body);
    net_end(&n);
}

static void a_cut_body_goes_on(void)
{
    struct file f = {.etag = "\"v1\"", .cut_at = {1000, 2000, 1}};
    gets_whole(&f, 4);
    check_str(f.ranges[0], "");
    check_str(f.ranges[1], "bytes=1000-");
    check_str(f.ranges[2], "bytes=3000-");
    check_str(f.ranges[3], "bytes=3001-");
    check_str(f.if_range, "\"v1\"");
}

static void a_cut_body_goes_on_without_tags_or_lengths(void)
{
    struct file f = {.no_length = true, .cut_at = {100000, 200000}};
    gets_whole(&f, 3);
    check_str(f.if_range, "");
    struct file weak = {.etag = "W/\"v1\"", .cut_at = {1000}};
    gets_whole(&weak, 2);
    check_str(weak.if_range, "");
}

static void a_server_without_ranges_begins_again(void)
{
    struct file f = {.etag = "\"v1\"", .no_ranges = true, .cut_at = {1000, 5000}};
    gets_whole(&f, 3);
    struct file bare = {.no_ranges = true, .cut_at = {1000}};
    gets_whole(&bare, 2);
}

/* The last byte has come, only the chunk that says so has not. */
static void the_end_was_lost(void)
{
    struct file f = {.no_length = true, .cut_at = {SIZE}};
    gets_whole(&f, 2);
    check_str(f.ranges[1], "bytes=3000000-");
}

static void progress_is_no_fruitless_attempt(void)
{
    struct file f = {.cut_at = {1500000, 1, 1, 1, 1}};
    struct net_test n = net_begin(serve_file, &f);
    struct net_sink sink = {0};
    struct mlo_http_request req = get_into(&sink);
    req.attempts = 5;
    check_ok(net_do(&n, "/", req), &n.err);
    check_int(n.res.attempts, 6);
    check(sink.n == SIZE && !sink.bad);
    net_end(&n);
}

static void another_version_is_no_continuation(void)
{
    struct file cases[] = {{.etag = "\"v1\"", .new_etag = "\"v2\"", .cut_at = {1000}},
                           {.new_size = SIZE + 1, .cut_at = {1000}},
                           {.no_ranges = true, .new_size = SIZE + 1, .cut_at = {1000}},
                           {.etag = "\"v1\"", .new_etag = "\"v2\"", .no_ranges = true, .cut_at = {1000}}};
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct net_test n = net_begin(serve_file, &cases[i]);
        struct net_sink sink = {0};
        struct mlo_http_request req = get_into(&sink);
        req.max_body = 2 * SIZE;
        check_err(net_do(&n, "/", req), MLO_EREMOTE, &n.err, "another version after 1000 bytes");
        check_int(sink.n, 1000);
        net_end(&n);
    }
}

static void only_what_may_be_repeated_is_resumed(void)
{
    struct file f = {.cut_at = {1000}};
    struct net_test n = net_begin(serve_file, &f);
    struct net_sink sink = {0};
    struct mlo_http_request req = get_into(&sink);
    req.flags = 0;
    check_err(net_do(&n, "/", req), MLO_EREMOTE, &n.err, "broke off after 1000 bytes");
    check_int(n.res.status, 200);
    check_int(http_server_requests(n.server), 1);
    net_end(&n);
    n = net_begin(serve_file, &f);
    req.flags = MLO_HTTP_REPEATABLE | MLO_HTTP_STREAM;
    check_err(net_do(&n, "/", req), MLO_EREMOTE, &n.err, "broke off");
    check_int(http_server_requests(n.server), 1);
    net_end(&n);
}

/* ---- ranges ---- */

static void gets_range(struct file *f, uint64_t first, uint64_t length, uint64_t want, int status)
{
    struct net_test n = net_begin(serve_file, f);
    struct net_sink sink = {.at = first};
    struct mlo_http_range range = {first, length};
    struct mlo_http_request req = get_into(&sink);
    req.range = &range;
    check_ok(net_do(&n, "/", req), &n.err);
    check_int(n.res.status, status);
    check_int(sink.n, want);
    check(!sink.bad);
    net_end(&n);
}

static void ranges(void)
{
    struct file f = {0};
    gets_range(&f, 10, 20, 20, 206);
    check_str(f.ranges[0], "bytes=10-29");
    gets_range(&f, 0, 1, 1, 206);
    gets_range(&f, SIZE - 5, UINT64_MAX, 5, 206);
    check_str(f.ranges[0], "bytes=2999995-");
    gets_range(&f, SIZE - 5, 100, 5, 206); /* as far as there is anything */
    gets_range(&f, 0, UINT64_MAX, SIZE, 206);
    gets_range(&f, SIZE, 10, 0, 416);
}

static void ranges_of_a_server_without_them(void)
{
    struct file f = {.no_ranges = true}, chunked = {.no_ranges = true, .no_length = true};
    gets_range(&f, 1000, 70000, 70000, 200);
    gets_range(&f, SIZE - 5, 100, 5, 200);
    gets_range(&f, SIZE + 5, 100, 0, 200);
    gets_range(&chunked, 1000, 70000, 70000, 200);
    gets_range(&chunked, SIZE - 5, UINT64_MAX, 5, 200);
}

static void a_cut_range_goes_on(void)
{
    struct file f = {.etag = "\"a\"", .cut_at = {100, 200}};
    gets_range(&f, 1000, 5000, 5000, 206);
    check_str(f.ranges[1], "bytes=1100-5999");
    check_str(f.ranges[2], "bytes=1300-5999");
}

/* RFC 9110 lets a server give less than was asked for. */
static void a_short_part_goes_on(void)
{
    struct file f = {.part_max = 2000};
    gets_range(&f, 1000, 5000, 5000, 206);
    check_str(f.ranges[1], "bytes=3000-5999");
    check_str(f.ranges[2], "bytes=5000-5999");
}

static void another_part_is_refused(void)
{
    struct file f = {.shift = 1};
    struct net_test n = net_begin(serve_file, &f);
    struct net_sink sink = {0};
    struct mlo_http_range range = {10, 20};
    struct mlo_http_request req = get_into(&sink);
    req.range = &range;
    check_err(net_do(&n, "/", req), MLO_EREMOTE, &n.err, "another part");
    check_int(sink.n, 0);
    net_end(&n);
}

static void parts_that_lie(void)
{
    static const char *const answers[] = {
        "HTTP/1.1 206 P\r\nContent-Length: 5\r\n\r\nhello",                               /* of what? */
        "HTTP/1.1 206 P\r\nContent-Range: bytes 0-4/5\r\nContent-Length: 5\r\n\r\nhello", /* not asked for */
        "HTTP/1.1 206 P\r\nContent-Range: bytes 10-40/50\r\nContent-Length: 31\r\n\r\n",  /* too much */
        "HTTP/1.1 206 P\r\nContent-Range: bytes 10-9/50\r\nContent-Length: 0\r\n\r\n",    /* backwards */
        "HTTP/1.1 206 P\r\nContent-Range: bytes 10-29/20\r\nContent-Length: 20\r\n\r\n",  /* beyond itself */
        "HTTP/1.1 206 P\r\nContent-Range: bytes 10-99999999999999999999/*\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 206 P\r\nContent-Range: octets 10-29/50\r\nContent-Length: 20\r\n\r\n",
        "HTTP/1.1 206 P\r\nContent-Type: multipart/byteranges; boundary=x\r\nContent-Length: 0\r\n\r\n",
    };
    for (size_t i = 0; i < MLO_COUNT(answers); i++) {
        struct net_script script = {{answers[i]}};
        struct net_test n = net_begin(net_play, &script);
        struct net_sink sink = {0};
        struct mlo_http_range range = {10, 20};
        struct mlo_http_request req = get_into(&sink);
        req.range = i == 1 ? NULL : &range;
        check_err(net_do(&n, "/", req), MLO_EREMOTE, &n.err, "another part");
        check_int(sink.n, 0);
        net_end(&n);
    }
}

static void ranges_that_cannot_be(void)
{
    struct mlo_http_range bad[] = {{0, 0}, {UINT64_MAX, 2}};
    struct net_test n = net_begin(net_play, NULL);
    for (size_t i = 0; i < MLO_COUNT(bad); i++)
        check_err(net_do(&n, "/", (struct mlo_http_request){.range = &bad[i]}), MLO_EINTERNAL, &n.err,
                  "range");
    check_int(http_server_requests(n.server), 0);
    net_end(&n);
}

/* ---- too much, too little ---- */

static void more_than_expected(void)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n",
        "CUT HTTP/1.1 200 OK\r\n\r\nhello world",
    };
    for (size_t i = 0; i < 2 * MLO_COUNT(answers); i++) {
        struct net_script script = {{answers[i / 2]}};
        struct net_test n = net_begin(net_play, &script);
        struct net_sink sink = {0};
        struct mlo_http_request req = {.max_body = 10};
        if (i % 2)
            req = (struct mlo_http_request){.max_body = 10, .sink = net_sink, .sink_ctx = &sink};
        check_err(net_do(&n, "/", req), MLO_EREMOTE, &n.err, "more than the 10 bytes");
        check(sink.n <= 10);
        req.max_body = 11;
        check_ok(net_do(&n, "/", req), &n.err);
        net_end(&n);
    }
}

static void bytes_beyond_the_announced_are_not_heard(void)
{
    struct net_script script = {{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello world"}};
    struct net_test n = net_begin(net_play, &script);
    check_ok(net_do(&n, "/", (struct mlo_http_request){0}), &n.err);
    check_str(n.res.body, "hello");
    net_end(&n);
    script.answers[0] =
        "HTTP/1.1 206 P\r\nContent-Range: bytes 10-11/20\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n0\r\n\r\n";
    n = net_begin(net_play, &script);
    struct net_sink sink = {0};
    struct mlo_http_range range = {10, 2};
    struct mlo_http_request req = {.sink = net_sink, .sink_ctx = &sink, .range = &range};
    check_err(net_do(&n, "/", req), MLO_EREMOTE, &n.err, "more bytes than it announced");
    check_int(sink.n, 0);
    net_end(&n);
}

static void long_failure(struct http_exchange *x)
{
    char line[1024];
    memset(line, 'x', sizeof line);
    http_text(x, "HTTP/1.1 404 Not Found\r\nContent-Length: 10000000\r\n\r\n");
    for (int i = 0; i < 9765 && http_send(x, line, sizeof line); i++)
        ;
}

static void bodies_of_failures_are_cut(void)
{
    struct net_test n = net_begin(long_failure, NULL);
    struct net_sink sink = {0};
    check_ok(net_do(&n, "/", get_into(&sink)), &n.err);
    check_int(n.res.status, 404);
    check_int(n.res.n, 64 << 10);
    check_int(sink.n, 0);
    net_end(&n);
}

/* ---- callbacks that fail ---- */

static void a_failing_sink_ends_it(void)
{
    struct file f = {0};
    struct net_test n = net_begin(serve_file, &f);
    struct net_sink sink = {.fail_at_call = 2};
    check_err(net_do(&n, "/", get_into(&sink)), MLO_EINVALID, &n.err, "the sink is full");
    check_int(sink.calls, 2);
    check_int(http_server_requests(n.server), 1);
    net_end(&n);
}

static int bad_disk(void *ctx, uint64_t offset, void *buf, size_t cap, size_t *ret_n, struct mlo_err *err)
{
    (void)ctx;
    if (offset > 500000)
        return mlo_fail(err, MLO_EIO, "the disk is gone");
    return net_body(NULL, offset, buf, cap, ret_n, err);
}

static int empty_read(void *ctx, uint64_t offset, void *buf, size_t cap, size_t *ret_n, struct mlo_err *err)
{
    (void)ctx, (void)offset, (void)buf, (void)cap, (void)err;
    *ret_n = 0;
    return 0;
}

static void a_failing_body_ends_it(void)
{
    struct net_test n = net_begin(net_play, NULL);
    struct mlo_http_body body = {.size = 4000000, .read = bad_disk};
    struct mlo_http_request put = {.method = "PUT", .body = &body, .flags = MLO_HTTP_REPEATABLE};
    check_err(net_do(&n, "/", put), MLO_EIO, &n.err, "the disk is gone");
    body.read = empty_read;
    check_err(net_do(&n, "/", put), MLO_EINTERNAL, &n.err, "ended before its size");
    net_end(&n);
}

static int no_key(void *ctx, struct mlo_http_attempt *a, struct mlo_err *err)
{
    (void)ctx, (void)a;
    return mlo_fail(err, MLO_ENOTFOUND, "no key");
}

static void a_failing_signature_ends_it(void)
{
    struct net_test n = net_begin(net_play, NULL);
    check_err(net_do(&n, "/", (struct mlo_http_request){.sign = no_key}), MLO_ENOTFOUND, &n.err, "no key");
    check_int(http_server_requests(n.server), 0);
    check(!n.res.unclear);
    net_end(&n);
}

/* The answer comes while the body is still going out: 413 of a server that has heard enough. */
static void early(struct http_exchange *x)
{
    char head[4096];
    for (size_t n = 0; n < 100;)
        n += (size_t)recv(x->fd, head, sizeof head, 0);
    http_text(x, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
    http_wait_gone(x);
}

static void an_early_answer_is_heard(void)
{
    struct net_test n = net_begin(net_play, NULL);
    n.server->raw = true;
    n.server->handler = early;
    struct mlo_http_body body = {.size = (uint64_t)200 << 20, .read = net_body};
    struct mlo_http_request put = {.method = "PUT", .body = &body, .flags = MLO_HTTP_REPEATABLE};
    check_ok(net_do(&n, "/", put), &n.err);
    check_int(n.res.status, 413);
    check_str(n.res.body, "big");
    net_end(&n);
}

int main(void)
{
    run(a_cut_body_goes_on);
    run(a_cut_body_goes_on_without_tags_or_lengths);
    run(a_server_without_ranges_begins_again);
    run(the_end_was_lost);
    run(progress_is_no_fruitless_attempt);
    run(another_version_is_no_continuation);
    run(only_what_may_be_repeated_is_resumed);
    run(ranges);
    run(ranges_of_a_server_without_them);
    run(a_cut_range_goes_on);
    run(a_short_part_goes_on);
    run(another_part_is_refused);
    run(parts_that_lie);
    run(ranges_that_cannot_be);
    run(more_than_expected);
    run(bytes_beyond_the_announced_are_not_heard);
    run(bodies_of_failures_are_cut);
    run(a_failing_sink_ends_it);
    run(a_failing_body_ends_it);
    run(a_failing_signature_ends_it);
    run(an_early_answer_is_heard);
    return done_testing();
}
