/* Jobs, logs, the load balancer, and answers while memory fails. */
#include "../../src/runpod/internal.h"
#include "runpod_help.h"

#define JOB(status, more) "{\"id\":\"j-u1\",\"status\":\"" status "\"" more "}"

/* ---- jobs ---- */

static void runs_a_job(void)
{
    static const struct step steps[] = {
        {"POST /jobs/e1/run",
         "{\"input\":{\"a\":[1]},\"webhook\":\"https://"
         "x\",\"policy\":{\"executionTimeout\":5000,\"lowPriority\":true}}",
         "200 OK", NULL, JOB("IN_QUEUE", "")},
        {"POST /jobs/e1/runsync?wait=2000", "{\"input\":{\"a\":[1]}}", "200 OK", NULL,
         JOB("COMPLETED",
             ",\"delayTime\":5,\"executionTime\":7,\"output\":{\"y\":[0.5]},\"workerId\":\"w\"")},
        {"GET /jobs/e1/status/j%2F1", NULL, "200 OK", NULL,
         JOB("FAILED", ",\"error\":{\"message\":\"oom\"},\"output\":null")},
        {"POST /jobs/e1/cancel/j", NULL, "200 OK", NULL, JOB("CANCELLED", "")},
        {"POST /jobs/e1/retry/j", NULL, "200 OK", NULL, JOB("IN_QUEUE", "")},
        {"POST /jobs/e1/purge-queue", NULL, "200 OK", NULL, "{\"removed\":3,\"status\":\"completed\"}"},
        {"GET /jobs/e1/health", NULL, "200 OK", NULL,
         "{\"jobs\":{\"inQueue\":2},\"workers\":{\"throttled\":1}}"}};
    struct runpod_test t;
    struct mlo_runpod_job j = {0};
    struct mlo_runpod_health h;
    uint64_t removed = 0;
    MLO_AUTOJSON cJSON *input = cJSON_Parse("{\"a\":[1]}");
    struct mlo_runpod_job_spec s = {
        .input = input, .webhook = "https://x", .execution_timeout_ms = 5000, .low_priority = true};
    RUNPOD_BEGIN(&t, steps);
    check_ok(mlo_runpod_run(t.c, "e1", &s, &j, &t.err), &t.err);
    check(j.status == MLO_RUNPOD_JOB_QUEUED && !mlo_runpod_job_final(&j));
    mlo_runpod_job_release(&j);
    s = (struct mlo_runpod_job_spec){.input = input};
    check_ok(mlo_runpod_runsync(t.c, "e1", &s, 2000, &j, &t.err), &t.err);
    check(mlo_runpod_job_final(&j) && j.delay_ms == 5 && j.execution_ms == 7);
    check_str(j.worker, "w");
    check(cJSON_IsObject(j.output));
    mlo_runpod_job_release(&j);
    check_ok(mlo_runpod_job_status(t.c, "e1", "j/1", &j, &t.err), &t.err);
    check_str(j.error, "{\"message\":\"oom\"}");
    mlo_runpod_job_release(&j);
    check_ok(mlo_runpod_job_cancel(t.c, "e1", "j", &j, &t.err), &t.err);
    check_int(j.status, MLO_RUNPOD_JOB_CANCELLED);
    mlo_runpod_job_release(&j);
    check_ok(mlo_runpod_job_retry(t.c, "e1", "j", &j, &t.err), &t.err);
    mlo_runpod_job_release(&j);
    check_ok(mlo_runpod_purge(t.c, "e1", &removed, &t.err), &t.err);
    check_int(removed, 3);
    check_ok(mlo_runpod_health(t.c, "e1", &h, &t.err), &t.err);
    check(h.in_queue == 2 && h.throttled == 1 && h.completed == 0);
    runpod_end(&t);
}

static void a_job_is_never_handed_in_twice(void)
{
    static const struct step steps[] = {
        {"POST /jobs/e1/run", NULL, NULL, NULL, NULL},
        {"POST /jobs/e1/run", NULL, "502 Bad Gateway", NULL, "<html>"},
        {"POST /jobs/e1/run", NULL, "429 Too Many Requests", NULL, ""},
        {"POST /jobs/e1/run", NULL, "200 OK", NULL, JOB("IN_QUEUE", "")},
        {"GET /jobs/e1/status/j", NULL, "404 Not Found", NULL, "{\"error\":\"job not found\"}"}};
    struct runpod_test t;
    struct mlo_runpod_job j = {0};
    MLO_AUTOJSON cJSON *input = cJSON_Parse("{}");
    struct mlo_runpod_job_spec s = {.input = input};
    RUNPOD_BEGIN(&t, steps);
    check_err(mlo_runpod_run(t.c, "e1", &s, &j, &t.err), MLO_EREMOTE, &t.err, NULL);
    check(strstr(t.err.hint, "may have been taken") != NULL, "%s", t.err.hint);
    check_err(mlo_runpod_run(t.c, "e1", &s, &j, &t.err), MLO_EREMOTE, &t.err, "502");
    check_ok(mlo_runpod_run(t.c, "e1", &s, &j, &t.err), &t.err);
    mlo_runpod_job_release(&j);
    check_err(mlo_runpod_job_status(t.c, "e1", "j", &j, &t.err), MLO_ENOTFOUND, &t.err, "job not found");
    s.input = NULL;
    check_err(mlo_runpod_run(t.c, "e1", &s, &j, &t.err), MLO_EUSAGE, &t.err, "JSON object");
    check_err(mlo_runpod_runsync(t.c, "e1", &s, 999, &j, &t.err), MLO_EUSAGE, &t.err, "1 to 300 s");
    runpod_end(&t);
}

static int add_output(void *ctx, const cJSON *output, struct mlo_err *err)
{
    (void)err;
    *(double *)ctx += output->valuedouble;
    return 0;
}

static void drains_partial_results(void)
{
    static const struct step steps[] = {
        {"GET /jobs/e/stream/j", NULL, "200 OK", NULL,
         "{\"status\":\"IN_PROGRESS\",\"stream\":[{\"output\":1},{\"output\":2},{}]}"},
        {"GET /jobs/e/stream/j", NULL, "200 OK", NULL, "[{\"output\":4}]"}};
    struct runpod_test t;
    double sum = 0;
    enum mlo_runpod_job_status status = MLO_RUNPOD_JOB_FAILED;
    RUNPOD_BEGIN(&t, steps);
    check_ok(mlo_runpod_job_stream(t.c, "e", "j", add_output, &sum, &status, &t.err), &t.err);
    check(sum == 3 && status == MLO_RUNPOD_JOB_RUNNING);
    check_ok(mlo_runpod_job_stream(t.c, "e", "j", add_output, &sum, &status, &t.err), &t.err);
    check(sum == 7 && status == MLO_RUNPOD_JOB_OTHER);
    runpod_end(&t);
}

/* ---- load balancer ---- */

static void asks_again_while_no_worker_is_there(void)
{
    static const struct step steps[] = {
        {"POST /lb/e1/predict?x=1", "{}", "503 Service Unavailable", NULL,
         "{\"error\":\"no workers available\"}"},
        {"POST /lb/e1/predict?x=1", "{}", "200 OK", NULL, "[0.5]"},
        {"GET /lb/e1/ping", NULL, "500 Internal Server Error", NULL, "mine"},
        {"GET /lb/e1/ping", NULL, "400 Bad Request", NULL, "No Workers Available"},
        {"GET /lb/e1/ping", NULL, "400 Bad Request", NULL, "no workers available"}};
    struct runpod_test t;
    struct mlo_http_response r = {0};
    RUNPOD_BEGIN(&t, steps);
    struct mlo_runpod_call call = {.method = "POST", .path = "/predict?x=1", .body = "{}", .n = 2};
    check_ok(mlo_runpod_call(t.c, "e1", &call, &r, &t.err), &t.err);
    check_str(r.body, "[0.5]");
    mlo_http_response_release(&r);
    call = (struct mlo_runpod_call){.method = "GET", .path = "/ping", .tries = 2};
    check_ok(mlo_runpod_call(t.c, "e1", &call, &r, &t.err), &t.err);
    check_int(r.status, 500);
    mlo_http_response_release(&r);
    check_err(mlo_runpod_call(t.c, "e1", &call, &r, &t.err), MLO_EUNAVAIL, &t.err, "no workers available");
    call.path = "ping";
    check_err(mlo_runpod_call(t.c, "e1", &call, &r, &t.err), MLO_EUSAGE, &t.err, "no path");
    call.path = "/a b";
    check_err(mlo_runpod_call(t.c, "e1", &call, &r, &t.err), MLO_EUSAGE, &t.err, "no path");
    call.path = "/ping";
    check_err(mlo_runpod_call(t.c, "evil.org/", &call, &r, &t.err), MLO_EUSAGE, &t.err, "no endpoint's id");
    runpod_end(&t);
}

/* ---- server-sent events ---- */

struct heard {
    char text[4096];
};

static int hear(void *ctx, const char *id, const char *data, struct mlo_err *err)
{
    struct heard *h = ctx;
    size_t n = strlen(h->text);
    (void)err;
    snprintf(h->text + n, sizeof h->text - n, "[%s|%s]", id, data);
    return 0;
}

/* The same whatever the pieces the bytes come in. */
static void check_events(const char *stream, size_t n, const char *want)
{
    struct mlo_err err = MLO_ERR_INIT;
    for (size_t piece = 1; piece <= n; piece++) {
        struct heard h = {""};
        struct mlo_sse s;
        mlo_sse_init(&s, hear, &h);
        for (size_t at = 0; at < n; at += piece)
            check_ok(mlo_sse_feed(&s, stream + at, piece < n - at ? piece : n - at, &err), &err);
        if (!check_str(h.text, want))
            printf("# in pieces of %zu\n", piece);
        mlo_sse_release(&s);
    }
}
#define EVENTS(stream, want) check_events(stream, sizeof(stream) - 1, want)

static void reads_events_in_any_pieces(void)
{
    EVENTS("id: 1\ndata: a\n\n", "[1|a]");
    EVENTS("data:a\r\ndata: b\r\rdata:  c\n\n", "[|a\nb][| c]");
    EVENTS(": ping\n\nevent: x\n\nid: 7\n\ndata: a\n\n", "[7|a]");
    EVENTS("\xef\xbb\xbf"
           "data: a\n\ndata\n\ndata: cut",
           "[|a][|]");
    EVENTS("id: 1\ndata: a\n\nid: 2\0x\ndata: b\n\nid\ndata: c\n\n", "[1|a][1|b][|c]");
    EVENTS("datas: a\nretry: 5\ndata:\n\n", "[|]");
}

static void bounds_events(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct heard h = {""};
    struct mlo_sse s;
    int rc = 0;
    mlo_sse_init(&s, hear, &h);
    for (size_t i = 0; rc == 0 && i < MLO_SSE_LINE_MAX; i++)
        rc = mlo_sse_feed(&s, "data: xxxxxxxxxx", 16, &err);
    check(rc != 0);
    mlo_sse_release(&s);
}

/* ---- logs ---- */

struct lines {
    char text[4096];
    unsigned stop_at, n;
};

static int take_line(void *ctx, const struct mlo_runpod_line *line, struct mlo_err *err)
{
    struct lines *l = ctx;
    size_t n = strlen(l->text);
    (void)err;
    snprintf(l->text + n, sizeof l->text - n, "%s%s %s", n ? "; " : "", line->source ? line->source : "-",
             line->text);
    return ++l->n == l->stop_at ? MLO_NO : 0;
}

#define EVENT(id, line)                                                                                      \
    "id: " id "\ndata: {\"ts\":\"2026-06-01T12:00:00Z\",\"source\":\"container\",\"line\":\"" line "\"}\n\n"

static void logs_go_on_after_a_cut(void)
{
    static const struct step steps[] = {
        {"GET /v2/pods/p/logs?source=container&tail=10", NULL, "200 OK", NULL,
         EVENT("1", "one") EVENT("2", "two") "id: 3\ndata: {\"li"},
        {"GET /v2/pods/p/logs?source=container", "Last-Event-ID: 2\r\n", NULL, NULL, NULL},
        {"GET /v2/pods/p/logs?source=container", NULL, "502 Bad Gateway", NULL, ""},
        {"GET /v2/pods/p/logs?source=container", NULL, "200 OK", NULL,
         EVENT("2", "two") EVENT("3", "three") "id: 4\ndata: raw\n\n" EVENT("5", "five")}};
    struct runpod_test t;
    struct lines l = {.stop_at = 4};
    struct mlo_runpod_logs q = {.pod = "p", .source = "container", .tail = 10, .follow = true};
    RUNPOD_BEGIN(&t, steps);
    check_ok(mlo_runpod_logs(t.c, &q, take_line, &l, &t.err), &t.err);
    check_str(l.text, "container one; container two; container three; - raw");
    runpod_end(&t);
}

static void logs_of_what_is_gone_end(void)
{
    static const struct step steps[] = {
        {"GET /v2/serverless/e/workers/w/logs?tail=0", NULL, "200 OK", NULL, EVENT("1", "one")},
        {"GET /v2/pods/p/logs?tail=0&since=2026-01-01T00%3A00%3A00Z", NULL, "404 Not Found", NULL, ""}};
    struct runpod_test t;
    struct lines l = {0};
    RUNPOD_BEGIN(&t, steps);
    check_ok(mlo_runpod_logs(t.c, &(struct mlo_runpod_logs){.endpoint = "e", .worker = "w"}, take_line, &l,
                             &t.err),
             &t.err);
    check_str(l.text, "container one");
    struct mlo_runpod_logs q = {.pod = "p", .since_ns = 1767225600 * MLO_NS_PER_S, .follow = true};
    check_err(mlo_runpod_logs(t.c, &q, take_line, &l, &t.err), MLO_ENOTFOUND, &t.err, "404");
    runpod_end(&t);
}

/* ---- memory ---- */

static int answers_while_memory_fails(void)
{
    static cJSON *pods, *job;
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_runpod_pods list = {0};
    struct mlo_runpod_job j = {0};
    if (!pods)
        pods = cJSON_Parse("[{\"id\":\"p\",\"name\":\"n\",\"status\":\"RUNNING\",\"cost\":1,\"actions\":["
                           "\"stop\"],\"env\":{\"A\":\"1\"},"
                           "\"runtime\":{\"ports\":[{\"private\":1,\"type\":\"tcp\"}]}},{\"id\":\"q\","
                           "\"name\":\"m\",\"status\":\"EXITED\",\"cost\":0}]");
    if (!job)
        job = cJSON_Parse(JOB("FAILED", ",\"error\":{\"a\":1}"));
    int rc = mlo_shape_read_list(&mlo_pod_shape, pods, &list, &err);
    mlo_runpod_pods_release(&list);
    if (rc == 0)
        rc = mlo_runpod_job_read(job, &j, &err);
    mlo_runpod_job_release(&j);
    return rc;
}

static void memory_failure_in_answers(void)
{
    check(answers_while_memory_fails() == 0); /* the documents are made */
    check(each_alloc_failure(answers_while_memory_fails) > 15);
}

int main(void)
{
    run(runs_a_job);
    run(a_job_is_never_handed_in_twice);
    run(drains_partial_results);
    run(asks_again_while_no_worker_is_there);
    run(reads_events_in_any_pieces);
    run(bounds_events);
    run(logs_go_on_after_a_cut);
    run(logs_of_what_is_gone_end);
    run(memory_failure_in_answers);
    return done_testing();
}
