/* Limits: time in all its forms, how much at once, headers without end, memory that is gone, Ctrl-C. */
#include "net_help.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS (MLO_NS_PER_S / 1000)

/* ---- time ---- */

/* Says what its path asks for, then falls silent. */
static void silent(struct http_exchange *x)
{
    if (strcmp(x->target, "/half") == 0)
        http_text(x, "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\nhello");
    else if (strcmp(x->target, "/header") == 0)
        http_text(x, "HTTP/1.1 200 OK\r\nContent-Length: 2");
    http_wait_gone(x);
}

static void silence_is_no_answer(void)
{
    static const char *const paths[] = {"/", "/header"};
    struct net_test n = net_begin(silent, NULL);
    for (size_t i = 0; i < MLO_COUNT(paths); i++) {
        struct mlo_http_request req = {.patience_ns = 100 * MS, .flags = MLO_HTTP_REPEATABLE, .attempts = 2};
        check_err(net_do(&n, paths[i], req), MLO_EREMOTE, &n.err, "'127.0.0.1' did not answer within 100 ms");
        check_int(n.res.attempts, 2);
        check(n.res.unclear);
        check(n.err.hint[0]);
    }
    net_end(&n);
}

static void a_stalled_answer_is_given_up(void)
{
    struct net_test n = net_begin(silent, NULL);
    struct net_sink sink = {0};
    struct mlo_http_request req = {
        .stall_ns = 100 * MS, .sink = net_sink, .sink_ctx = &sink, .max_body = 2000000};
    check_err(net_do(&n, "/half", req), MLO_EREMOTE, &n.err, "moved less than 1 KiB/s for 100 ms");
    check_int(sink.n, 5);
    net_end(&n);
}

/* A few bytes now and then are a stall too: the rate counts. */
static void trickle(struct http_exchange *x)
{
    http_text(x, "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n");
    while (http_send(x, "x", 1))
        poll(NULL, 0, 20);
}

static void a_trickle_is_a_stall(void)
{
    struct net_test n = net_begin(trickle, NULL);
    struct mlo_http_request req = {.stall_ns = 300 * MS, .max_body = 2000000};
    check_err(net_do(&n, "/", req), MLO_EREMOTE, &n.err, "less than 1 KiB/s");
    net_end(&n);
}

static bool stop_after;
static bool should_stop(void *ctx)
{
    (void)ctx;
    return __atomic_load_n(&stop_after, __ATOMIC_RELAXED);
}

static int stop_at_ten(void *ctx, const void *bytes, size_t n, struct mlo_err *err)
{
    (void)bytes, (void)err;
    *(size_t *)ctx += n;
    if (*(size_t *)ctx >= 20)
        __atomic_store_n(&stop_after, true, __ATOMIC_RELAXED);
    return 0;
}

static void a_stream_may_trickle_until_it_is_stopped(void)
{
    struct net_test n = net_begin_with(trickle, NULL, (struct mlo_http_opts){.stop = should_stop});
    size_t heard = 0;
    struct mlo_http_request req = {.stall_ns = 50 * MS,
                                   .max_body = 2000000,
                                   .flags = MLO_HTTP_STREAM,
                                   .sink = stop_at_ten,
                                   .sink_ctx = &heard};
    check_err(net_do(&n, "/", req), MLO_EIO, &n.err, "interrupted");
    check_int(n.err.sys_errno, 4 /* EINTR */);
    check(heard >= 20);
    stop_after = false;
    net_end(&n);
}

/* Takes the head of a PUT and no byte more. */
static void deaf(struct http_exchange *x)
{
    struct pollfd p = {.fd = x->fd, .events = POLLRDHUP};
    poll(&p, 1, 10000);
}

static void an_upload_that_nobody_takes_is_a_stall(void)
{
    struct net_test n = net_begin(deaf, NULL);
    n.server->raw = true;
    struct mlo_http_body body = {.size = (uint64_t)1 << 30, .read = net_body};
    struct mlo_http_request put = {.method = "PUT", .body = &body, .stall_ns = 200 * MS};
    check_err(net_do(&n, "/", put), MLO_EREMOTE, &n.err, "less than 1 KiB/s for 200 ms");
    check(n.res.unclear);
    net_end(&n);
}

static int slow_sink(void *ctx, const void *bytes, size_t n, struct mlo_err *err)
{
    (void)bytes, (void)err;
    if (*(size_t *)ctx == 0)
        poll(NULL, 0, 400);
    *(size_t *)ctx += n;
    return 0;
}

static void much(struct http_exchange *x)
{
    static char zeros[65536];
    http_text(x, "HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n");
    for (int i = 0; i < 128 && http_send(x, zeros, sizeof zeros); i++)
        ;
}

static void our_own_slowness_is_no_stall(void)
{
    struct net_test n = net_begin(much, NULL);
    size_t heard = 0;
    struct mlo_http_request req = {
        .stall_ns = 200 * MS, .max_body = 8388608, .sink = slow_sink, .sink_ctx = &heard};
    check_ok(net_do(&n, "/", req), &n.err);
    check_int(heard, 8388608);
    net_end(&n);
}

static void the_deadline_ends_everything(void)
{
    static const char *const paths[] = {"/", "/half"};
    struct net_test n = net_begin(silent, NULL);
    for (size_t i = 0; i < MLO_COUNT(paths); i++) {
        struct mlo_http_request req = {
            .max_body = 2000000, .flags = MLO_HTTP_REPEATABLE, .deadline_ns = mlo_time_mono() + 200 * MS};
        check_err(net_do(&n, paths[i], req), MLO_EREMOTE, &n.err,
                  "brought no result within the time allowed");
        check_int(n.res.attempts, 1);
        check(n.res.unclear);
    }
    net_end(&n);
}

static void an_interrupt_ends_a_wait(void)
{
    struct net_test n = net_begin_with(silent, NULL, (struct mlo_http_opts){.stop = should_stop});
    stop_after = true;
    check_err(net_do(&n, "/", (struct mlo_http_request){.flags = MLO_HTTP_REPEATABLE}), MLO_EIO, &n.err,
              "interrupted");
    stop_after = false;
    net_end(&n);
}

/* ---- headers ---- */

static void flood(struct http_exchange *x)
{
    char line[1024], long_line[300000];
    memset(long_line, 'x', sizeof long_line);
    http_text(x, "HTTP/1.1 200 OK\r\n");
    if (strcmp(x->target, "/line") == 0) {
        http_text(x, "X-Long: ");
        http_send(x, long_line, sizeof long_line);
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(line, sizeof line, "X-Header-%d: %0900d\r\n", i, i);
        if (!http_text(x, line))
            return;
    }
    http_text(x, "Content-Length: 0\r\n\r\n");
}

static void headers_without_end_are_refused(void)
{
    struct net_test n = net_begin(flood, NULL);
    check_err(net_do(&n, "/", (struct mlo_http_request){0}), MLO_EREMOTE, &n.err,
              "headers are longer than 64 KiB");
    check_err(net_do(&n, "/line", (struct mlo_http_request){0}), MLO_EREMOTE, &n.err, "a header line");
    net_end(&n);
}

static void nonsense_is_no_answer(void)
{
    static const char *const answers[] = {"CUT SSH-2.0-OpenSSH\r\n\r\n", "CUT HTTP/1.1 abc\r\n\r\n",
                                          "CUT \r\n\r\n",
                                          "CUT HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
                                          "CUT HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"};
    for (size_t i = 0; i < MLO_COUNT(answers); i++) {
        struct net_script script = {{answers[i]}};
        struct net_test n = net_begin(net_play, &script);
        check_err(net_do(&n, "/", (struct mlo_http_request){0}), MLO_EREMOTE, &n.err, "127.0.0.1");
        check(n.err.hint[0]);
        net_end(&n);
    }
}

/* ---- many at once ---- */

#define MANY      100
#define PART_SIZE 200000

static void parts(struct http_exchange *x)
{
    char buf[PART_SIZE];
    unsigned i = (unsigned)atoi(x->target + 1);
    if (x->number % 7 == 0) { /* and some go wrong */
        http_reset(x);
        return;
    }
    net_pattern(i * 1000, buf, sizeof buf);
    http_text(x, "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n");
    http_send(x, buf, sizeof buf);
}

struct job {
    struct net_test *n;
    unsigned i;
};

static void *get_part(void *arg)
{
    struct job *j = arg;
    char url[128];
    struct net_sink sink = {.at = j->i * 1000};
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_http_response res;
    snprintf(url, sizeof url, "%s/%u", j->n->server->url, j->i);
    struct mlo_http_request req = {.method = "GET",
                                   .url = url,
                                   .flags = MLO_HTTP_REPEATABLE,
                                   .sink = net_sink,
                                   .sink_ctx = &sink,
                                   .max_body = PART_SIZE};
    check_ok(mlo_http_do(j->n->http, &req, &res, &err), &err);
    check(sink.n == PART_SIZE && !sink.bad);
    mlo_http_response_release(&res);
    return NULL;
}

static void a_hundred_at_once(void)
{
    struct net_test n = net_begin_with(parts, NULL, (struct mlo_http_opts){.connections = 8});
    pthread_t ids[MANY];
    struct job jobs[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        jobs[i] = (struct job){&n, i};
        check(pthread_create(&ids[i], NULL, get_part, &jobs[i]) == 0);
    }
    for (unsigned i = 0; i < MANY; i++)
        pthread_join(ids[i], NULL);
    check(n.server->open_most <= 8 + 4, "%u connections at once",
          n.server->open_most); /* some on their way out */
    net_end(&n);
}

static void connections_are_kept(void)
{
    struct net_script script = {{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"}};
    struct net_test n = net_begin(net_play, &script);
    for (int i = 0; i < 20; i++)
        check_ok(net_do(&n, "/", (struct mlo_http_request){.flags = MLO_HTTP_REPEATABLE}), &n.err);
    check_int(http_server_connections(n.server), 1);
    net_end(&n);
}

/* ---- memory ---- */

static char fault_url[64];

static int one_request(void)
{
    static const char *const headers[] = {"X-One", "1", "X-Two", "", NULL};
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_http *http;
    struct mlo_http_response res;
    struct mlo_http_opts opts = {.user_agent = "tester/1", .proxy = "http://127.0.0.1:1", .no_proxy = "*"};
    struct mlo_http_body body = {.size = 2, .read = mlo_http_body_text, .ctx = (void *)(uintptr_t) "{}"};
    struct mlo_http_request req = {
        .method = "PUT", .url = fault_url, .headers = headers, .body = &body, .attempts = 1};
    if (mlo_http_new(&opts, &http, &err))
        return err.code;
    int rc = mlo_http_do(http, &req, &res, &err);
    mlo_http_response_release(&res);
    mlo_http_free(http);
    return rc;
}

/* In a process of its own: here its allocations would fail too. */
static pid_t start_elsewhere(void)
{
    static struct net_script script = {{"HTTP/1.1 200 OK\r\nX-Thing: 1\r\nContent-Length: 2\r\n\r\nok"}};
    int ends[2];
    check(pipe(ends) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct http_server s;
        http_server_start(&s, net_play, &script);
        if (write(ends[1], s.url, sizeof s.url) == sizeof s.url)
            pause();
        _exit(0);
    }
    check(read(ends[0], fault_url, sizeof fault_url) == sizeof fault_url);
    close(ends[0]);
    close(ends[1]);
    return pid;
}

static void survives_allocation_failures(void)
{
    pid_t server = start_elsewhere();
    check_int(one_request(), 0); /* libcurl and libcrypto are open now */
    check(each_alloc_failure(one_request) > 20);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
}

int main(void)
{
    run(silence_is_no_answer);
    run(a_stalled_answer_is_given_up);
    run(a_trickle_is_a_stall);
    run(a_stream_may_trickle_until_it_is_stopped);
    run(an_upload_that_nobody_takes_is_a_stall);
    run(our_own_slowness_is_no_stall);
    run(the_deadline_ends_everything);
    run(an_interrupt_ends_a_wait);
    run(headers_without_end_are_refused);
    run(nonsense_is_no_answer);
    run(a_hundred_at_once);
    run(connections_are_kept);
    run(survives_allocation_failures);
    return done_testing();
}
