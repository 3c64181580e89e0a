/*
 * Logs as they are written: a stream of events that is cut now and then (a proxy in front allows no endless
 * silence) and goes on after the last one seen.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/time.h>

#include "internal.h"

#define FRUITLESS_MAX 8 /* connections in a row that brought nothing */
#define QUIET_NS      (3 * MLO_NS_PER_S)
#define TAIL_MAX      5000

struct reader {
    struct mlo_runpod *c;
    const struct mlo_runpod_logs *q;
    mlo_runpod_line_fn fn;
    void *ctx;
    struct mlo_sse sse;
    struct mlo_str last; /* id of the last line told */
    int64_t heard;       /* when the last line came */
    bool fruitful, over; /* over: fn wants no more */
};

/* ---- events ---- */

/* {ts, source, line}; what is not of that form is told as it came. */
static int tell(struct reader *r, const char *id, const char *data, struct mlo_err *err)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    MLO_AUTOJSON cJSON *doc = NULL;
    struct mlo_runpod_line line = {.id = id, .text = data};
    const char *time = NULL;
    if (mlo_json_parse(data, strlen(data), MLO_SSE_DATA_MAX, &doc, &ignored) == 0 &&
        mlo_json_text(doc, "line")) {
        line.text = mlo_json_text(doc, "line");
        line.source = mlo_json_text(doc, "source");
        time = mlo_json_text(doc, "ts");
    }
    if (time && mlo_time_parse(time, &line.time_ns, &ignored) != 0)
        line.time_ns = 0;
    return r->fn(r->ctx, &line, err);
}

static int on_event(void *ctx, const char *id, const char *data, struct mlo_err *err)
{
    struct reader *r = ctx;
    if (*id && strcmp(id, r->last.ptr) == 0)
        return 0;
    r->fruitful = true;
    r->heard = mlo_time_mono(); /* a sign of life without a line is none */
    int rc = tell(r, id, data, err);
    r->over = rc == MLO_NO;
    if (rc != 0)
        return rc;
    mlo_str_clear(&r->last);
    mlo_str_add(&r->last, id);
    return mlo_str_check(&r->last, err);
}

static int on_bytes(void *ctx, const void *bytes, size_t n, struct mlo_err *err)
{
    struct reader *r = ctx;
    return mlo_sse_feed(&r->sse, bytes, n, err);
}

/* ---- one connection ---- */

static int log_url(const struct reader *r, struct mlo_str *url, struct mlo_err *err)
{
    const struct mlo_runpod_logs *q = r->q;
    char tail[24], since[MLO_RFC3339_MAX];
    int rc = mlo_runpod_url(r->c->api, mlo_family_path(q->pod ? MLO_RUNPOD_PODS : MLO_RUNPOD_ENDPOINTS),
                            q->pod ? q->pod : q->endpoint, q->pod ? "/logs" : "/workers/", url, err);
    if (!q->pod) {
        mlo_url_encode(url, q->worker, strlen(q->worker), false);
        mlo_str_add(url, "/logs");
    }
    snprintf(tail, sizeof tail, "%llu", (unsigned long long)(q->tail < TAIL_MAX ? q->tail : TAIL_MAX));
    mlo_runpod_query(url, "source", q->source);
    if (r->last.len == 0) {
        mlo_runpod_query(url, "tail", tail);
        mlo_runpod_query(url, "since", q->since_ns ? mlo_time_rfc3339(q->since_ns, since) : NULL);
    }
    return rc != 0 ? rc : mlo_str_check(url, err);
}

/* 0 when the stream ended or was cut and more may come; a failure that another try would not mend. */
static int connect_once(struct reader *r, struct mlo_err *err)
{
    const char *fresh[] = {"Accept", "text/event-stream", NULL};
    const char *resumed[] = {"Accept", "text/event-stream", "Last-Event-ID", r->last.ptr, NULL};
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, MLO_RUNPOD_URL_MAX);
    int rc = log_url(r, &url, err);
    if (rc != 0)
        return rc;
    struct mlo_http_request req = {.method = "GET",
                                   .url = url.ptr,
                                   .headers = r->last.len ? resumed : fresh,
                                   .sign = mlo_runpod_sign,
                                   .sign_ctx = r->c,
                                   .sink = on_bytes,
                                   .sink_ctx = r,
                                   .max_body = UINT64_MAX,
                                   .flags = r->q->follow ? MLO_HTTP_STREAM : 0,
                                   .stall_ns = r->q->follow ? 0 : r->q->quiet_ns};
    struct mlo_http_response resp = {0};
    mlo_sse_restart(&r->sse);
    r->heard = mlo_time_mono();
    rc = mlo_http_do(r->c->http, &req, &resp, err);
    bool began = resp.status == 200;
    if (rc == 0 && !began)
        rc = mlo_runpod_fail(&resp, NULL, err);
    bool passing = rc == MLO_EREMOTE && err->sys_errno != EINTR &&
                   (began || resp.status >= 500 || !resp.status);
    mlo_http_response_release(&resp);
    if (r->over)
        return 0;
    /* Half of it: a line is heard here a moment after its bytes, from which the stall is counted. */
    if (!r->q->follow && began && (rc == 0 || mlo_time_mono() - r->heard >= r->q->quiet_ns / 2))
        r->over = true; /* what lay there has been told */
    return rc == 0 || passing ? 0 : rc;
}

static int read_all(struct reader *r, struct mlo_err *err)
{
    for (unsigned fruitless = 0; !r->over;) {
        *err = MLO_ERR_INIT;
        r->fruitful = false;
        int rc = connect_once(r, err);
        if (rc != 0)
            return rc;
        fruitless = r->fruitful ? 0 : fruitless + 1;
        if (!r->over && fruitless == FRUITLESS_MAX)
            return err->code ? err->code
                             : mlo_fail(err, MLO_EREMOTE, "the log ends again and again without a line");
        if (!r->over)
            mlo_runpod_sleep(r->c->look_pause_ns);
    }
    *err = MLO_ERR_INIT;
    return 0;
}

int mlo_runpod_logs(struct mlo_runpod *c, const struct mlo_runpod_logs *q, mlo_runpod_line_fn fn, void *ctx,
                    struct mlo_err *err)
{
    struct mlo_runpod_logs full = *q;
    struct reader r = {.c = c, .q = &full, .fn = fn, .ctx = ctx};
    full.quiet_ns = q->quiet_ns ? q->quiet_ns : QUIET_NS;
    mlo_sse_init(&r.sse, on_event, &r);
    mlo_str_init(&r.last, MLO_SSE_LINE_MAX);
    mlo_str_add(&r.last, q->after ? q->after : "");
    int rc = mlo_str_check(&r.last, err);
    if (rc == 0)
        rc = read_all(&r, err);
    mlo_str_release(&r.last);
    mlo_sse_release(&r.sse);
    return rc;
}
