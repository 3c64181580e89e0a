/* Jobs of queue endpoints: submit, wait, look, take back. Their service has no problem+json: failures are
 * JSON with `error` or plain text. */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/time.h>

#include "internal.h"

#define SYNC_BODY_MAX   ((size_t)20 << 20)
#define RUN_BODY_MAX    ((size_t)10 << 20)
#define SYNC_DEFAULT_MS 90000
#define SYNC_MIN_MS     1000
#define SYNC_MAX_MS     300000

/* ---- answers ---- */

#define AT(member) offsetof(struct mlo_runpod_job, member)
static const struct mlo_field fields[] = {
    {"id", MLO_FIELD_TEXT, true, AT(id)},
    {"status", MLO_FIELD_TEXT, true, AT(status_text)},
    {"workerId", MLO_FIELD_TEXT, false, AT(worker)},
    {"delayTime", MLO_FIELD_U64, false, AT(delay_ms)},
    {"executionTime", MLO_FIELD_U64, false, AT(execution_ms)},
    {"error", MLO_FIELD_TEXT, false, AT(error)},
};
#undef AT
static const struct mlo_shape shape = {MLO_SHAPE("job", fields, struct mlo_runpod_job)};

static enum mlo_runpod_job_status status_of(const char *text)
{
    static const struct {
        const char *name;
        enum mlo_runpod_job_status status;
    } names[] = {{"IN_QUEUE", MLO_RUNPOD_JOB_QUEUED},    {"IN_PROGRESS", MLO_RUNPOD_JOB_RUNNING},
                 {"RUNNING", MLO_RUNPOD_JOB_RUNNING},    {"COMPLETED", MLO_RUNPOD_JOB_COMPLETED},
                 {"FAILED", MLO_RUNPOD_JOB_FAILED},      {"CANCELLED", MLO_RUNPOD_JOB_CANCELLED},
                 {"TIMED_OUT", MLO_RUNPOD_JOB_TIMED_OUT}};
    for (size_t i = 0; text && i < MLO_COUNT(names); i++)
        if (strcmp(names[i].name, text) == 0)
            return names[i].status;
    return MLO_RUNPOD_JOB_OTHER;
}

void mlo_runpod_job_release(struct mlo_runpod_job *j)
{
    cJSON_Delete(j->output);
    j->output = NULL;
    mlo_shape_release(&shape, j);
}

bool mlo_runpod_job_final(const struct mlo_runpod_job *j)
{
    return j->status >= MLO_RUNPOD_JOB_COMPLETED;
}

int mlo_runpod_job_read(cJSON *doc, struct mlo_runpod_job *ret, struct mlo_err *err)
{
    struct mlo_runpod_job j = {0};
    const cJSON *why = mlo_json_at(doc, "error");
    int rc = mlo_shape_read(&shape, doc, &j, err);
    if (rc == 0 && why && !j.error && !cJSON_IsNull(why))
        rc = mlo_json_print(why, &j.error, NULL, err);
    if (rc != 0) {
        mlo_runpod_job_release(&j);
        return rc;
    }
    j.status = status_of(j.status_text);
    j.output = cJSON_DetachItemFromObjectCaseSensitive(doc, "output");
    *ret = j;
    return 0;
}

/* ---- requests ---- */

static int spec_body(const struct mlo_runpod_job_spec *s, cJSON **ret, struct mlo_err *err)
{
    struct mlo_body_builder b;
    mlo_bb_begin(&b, err);
    if (!cJSON_IsObject(s->input))
        mlo_bb_refuse(&b, "the input of a job is a JSON object");
    mlo_bb_node(&b, "input", cJSON_Duplicate(s->input, true));
    mlo_bb_text(&b, "webhook", s->webhook);
    mlo_bb_u64(&b, "policy.executionTimeout", s->execution_timeout_ms);
    mlo_bb_u64(&b, "policy.ttl", s->ttl_ms);
    mlo_bb_flag(&b, "policy.lowPriority", s->low_priority ? MLO_RUNPOD_YES : MLO_RUNPOD_UNSAID);
    return mlo_bb_end(&b, ret);
}

struct job_call {
    const char *method, *endpoint;
    const char *verb; /* "/status/" */
    const char *job;  /* NULL: none */
    const cJSON *body;
    size_t max_request;
    uint64_t wait_ms;
};

static int ask(struct mlo_runpod *c, const struct job_call *k, cJSON **ret, bool *ret_unclear,
               struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str url;
    char wait[24];
    snprintf(wait, sizeof wait, "%llu", (unsigned long long)k->wait_ms);
    mlo_str_init(&url, MLO_RUNPOD_URL_MAX);
    int rc = mlo_runpod_url(c->jobs, "", k->endpoint, k->verb, &url, err);
    if (k->job)
        mlo_url_encode(&url, k->job, strlen(k->job), false);
    mlo_runpod_query(&url, "wait", k->wait_ms ? wait : NULL);
    if (rc == 0)
        rc = mlo_str_check(&url, err);
    struct mlo_runpod_request r = {
        .method = k->method, .url = url.ptr, .body = k->body, .max_request = k->max_request};
    r.patience_ns = k->wait_ms ? (int64_t)k->wait_ms * 1000000 + 60 * MLO_NS_PER_S : 0;
    if (rc == 0)
        rc = mlo_runpod_ask(c, &r, ret, ret_unclear, err);
    if (rc == 0 && !*ret)
        return mlo_fail(err, MLO_EINVALID, "RunPod's answer: it is empty");
    if (rc == MLO_ENOTFOUND && !*err->hint)
        (void)mlo_hint(err,
                       k->job ? "results are kept for half an hour (a minute after a wait), jobs until their "
                                "ttl ends"
                              : "`mlopsctl runpod endpoint ls` lists the endpoints");
    return rc;
}

static int ask_job(struct mlo_runpod *c, const struct job_call *k, struct mlo_runpod_job *ret,
                   bool *ret_unclear, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    int rc = ask(c, k, &doc, ret_unclear, err);
    return rc != 0 ? rc : mlo_runpod_job_read(doc, ret, err);
}

static int submit(struct mlo_runpod *c, struct job_call *k, const struct mlo_runpod_job_spec *s,
                  struct mlo_runpod_job *ret, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *body = NULL;
    bool unclear = false;
    int rc = spec_body(s, &body, err);
    k->body = body;
    if (rc == 0)
        rc = ask_job(c, k, ret, &unclear, err);
    if (rc != 0 && unclear)
        return mlo_hint(err,
                        "the job may have been taken all the same, and a second one would run beside it: "
                        "`mlopsctl runpod endpoint status %.64s` shows the queue",
                        k->endpoint);
    return rc;
}

int mlo_runpod_run(struct mlo_runpod *c, const char *endpoint, const struct mlo_runpod_job_spec *s,
                   struct mlo_runpod_job *ret, struct mlo_err *err)
{
    struct job_call k = {.method = "POST", .endpoint = endpoint, .verb = "/run", .max_request = RUN_BODY_MAX};
    return submit(c, &k, s, ret, err);
}

int mlo_runpod_runsync(struct mlo_runpod *c, const char *endpoint, const struct mlo_runpod_job_spec *s,
                       uint64_t wait_ms, struct mlo_runpod_job *ret, struct mlo_err *err)
{
    struct job_call k = {
        .method = "POST", .endpoint = endpoint, .verb = "/runsync", .max_request = SYNC_BODY_MAX};
    k.wait_ms = wait_ms ? wait_ms : SYNC_DEFAULT_MS;
    if (k.wait_ms < SYNC_MIN_MS || k.wait_ms > SYNC_MAX_MS)
        return mlo_fail(err, MLO_EUSAGE, "a job can be waited for from 1 to 300 s");
    return submit(c, &k, s, ret, err);
}

int mlo_runpod_job_status(struct mlo_runpod *c, const char *endpoint, const char *job,
                          struct mlo_runpod_job *ret, struct mlo_err *err)
{
    struct job_call k = {.method = "GET", .endpoint = endpoint, .verb = "/status/", .job = job};
    return ask_job(c, &k, ret, NULL, err);
}

int mlo_runpod_job_cancel(struct mlo_runpod *c, const char *endpoint, const char *job,
                          struct mlo_runpod_job *ret, struct mlo_err *err)
{
    struct job_call k = {.method = "POST", .endpoint = endpoint, .verb = "/cancel/", .job = job};
    return ask_job(c, &k, ret, NULL, err);
}

int mlo_runpod_job_retry(struct mlo_runpod *c, const char *endpoint, const char *job,
                         struct mlo_runpod_job *ret, struct mlo_err *err)
{
    struct job_call k = {.method = "POST", .endpoint = endpoint, .verb = "/retry/", .job = job};
    return ask_job(c, &k, ret, NULL, err);
}

/* ---- partial results ---- */

/* {status, stream: [{output}]} as seen, or the bare array of the documentation. */
int mlo_runpod_stream_read(const cJSON *doc, int (*fn)(void *ctx, const cJSON *output, struct mlo_err *err),
                           void *ctx, enum mlo_runpod_job_status *ret, struct mlo_err *err)
{
    const cJSON *list = cJSON_IsArray(doc) ? doc : mlo_json_at(doc, "stream"), *chunk;
    int rc = 0;
    cJSON_ArrayForEach(chunk, list)
    {
        const cJSON *output = cJSON_GetObjectItemCaseSensitive(chunk, "output");
        rc = rc == 0 && output ? fn(ctx, output, err) : rc;
    }
    if (rc == 0)
        *ret = status_of(mlo_json_text(doc, "status"));
    return rc;
}

int mlo_runpod_job_stream(struct mlo_runpod *c, const char *endpoint, const char *job,
                          int (*fn)(void *ctx, const cJSON *output, struct mlo_err *err), void *ctx,
                          enum mlo_runpod_job_status *ret, struct mlo_err *err)
{
    struct job_call k = {.method = "GET", .endpoint = endpoint, .verb = "/stream/", .job = job};
    MLO_AUTOJSON cJSON *doc = NULL;
    int rc = ask(c, &k, &doc, NULL, err);
    return rc != 0 ? rc : mlo_runpod_stream_read(doc, fn, ctx, ret, err);
}

/* ---- the queue ---- */

int mlo_runpod_purge(struct mlo_runpod *c, const char *endpoint, uint64_t *ret_removed, struct mlo_err *err)
{
    struct job_call k = {.method = "POST", .endpoint = endpoint, .verb = "/purge-queue"};
    MLO_AUTOJSON cJSON *doc = NULL;
    int rc = ask(c, &k, &doc, NULL, err);
    return rc != 0 ? rc : mlo_json_u64(doc, "removed", ret_removed, err);
}

#define AT(member) offsetof(struct mlo_runpod_health, member)
static const struct mlo_field health_fields[] = {
    {"jobs.completed", MLO_FIELD_U64, false, AT(completed)},
    {"jobs.failed", MLO_FIELD_U64, false, AT(failed)},
    {"jobs.inProgress", MLO_FIELD_U64, false, AT(in_progress)},
    {"jobs.inQueue", MLO_FIELD_U64, true, AT(in_queue)},
    {"jobs.retried", MLO_FIELD_U64, false, AT(retried)},
    {"workers.idle", MLO_FIELD_U64, false, AT(idle)},
    {"workers.running", MLO_FIELD_U64, false, AT(running)},
    {"workers.initializing", MLO_FIELD_U64, false, AT(initializing)},
    {"workers.ready", MLO_FIELD_U64, false, AT(ready)},
    {"workers.throttled", MLO_FIELD_U64, false, AT(throttled)},
    {"workers.unhealthy", MLO_FIELD_U64, false, AT(unhealthy)},
};
#undef AT
static const struct mlo_shape health_shape = {
    MLO_SHAPE("state of a queue", health_fields, struct mlo_runpod_health)};

int mlo_runpod_health(struct mlo_runpod *c, const char *endpoint, struct mlo_runpod_health *ret,
                      struct mlo_err *err)
{
    struct job_call k = {.method = "GET", .endpoint = endpoint, .verb = "/health"};
    MLO_AUTOJSON cJSON *doc = NULL;
    int rc = ask(c, &k, &doc, NULL, err);
    return rc != 0 ? rc : mlo_shape_read(&health_shape, doc, ret, err);
}
