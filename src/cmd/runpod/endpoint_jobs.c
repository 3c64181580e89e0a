/* mlopsctl runpod endpoint call, run, status, cancel: work for an endpoint. None of it is a run of the
 * ledger: it uses what is there and changes nothing that could be taken back. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/time.h>

#include "runpod.h"

#define INPUT_MAX   ((size_t)30 << 20)
#define SYNC_MAX_MS 300000 /* RunPod's; what takes longer is asked for again and again */

/* "-" is standard input. Owner: the caller. */
static int read_input(const char *file, char **ret, size_t *ret_n, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    char piece[65536];
    size_t n = 0;
    mlo_str_init(&text, INPUT_MAX);
    if (strcmp(file, "-") != 0)
        return mlo_slurp_at(AT_FDCWD, file, INPUT_MAX, ret, ret_n, err);
    do {
        int rc = mlo_read(STDIN_FILENO, piece, sizeof piece, &n, err);
        mlo_str_addn(&text, piece, n);
        if (rc != 0)
            return rc;
    } while (n > 0);
    int rc = mlo_str_check(&text, err);
    if (rc == 0)
        *ret = mlo_str_detach(&text, ret_n);
    return rc;
}

static int find_id(struct mlo_ctx *ctx, struct mlo_runpod **ret_c, char **ret_id, struct mlo_err *err)
{
    struct mlo_runpod_endpoint e = {0};
    int rc = mlo_ctx_runpod(ctx, ret_c, err);
    if (rc == 0)
        rc = mlo_runpod_endpoint_find(*ret_c, ctx->args[0], &e, err);
    if (rc == 0)
        *ret_id = mlo_steal(&e.id);
    mlo_runpod_endpoint_release(&e);
    return rc;
}

/* ---- call ---- */

struct call_opts {
    const char *method, *data, *content_type;
    uint64_t tries;
};
static const struct call_opts call_defaults = {.tries = 6};
static const struct mlo_opt call_table[] = {
    {.name = "request",
     .letter = 'X',
     .type = MLO_OPT_STRING,
     .arg = "METHOD",
     .help = "the method; POST with --data, else GET",
     .offset = offsetof(struct call_opts, method)},
    {.name = "data",
     .letter = 'd',
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .help = "send this file, - for standard input",
     .offset = offsetof(struct call_opts, data),
     .flags = MLO_OPTF_FILE},
    {.name = "content-type",
     .type = MLO_OPT_STRING,
     .arg = "TYPE",
     .help = "what the data is; application/json when not said",
     .offset = offsetof(struct call_opts, content_type)},
    {.name = "tries",
     .type = MLO_OPT_U64,
     .arg = "N",
     .help = "how often to ask while no worker is there, 6 s apart",
     .offset = offsetof(struct call_opts, tries),
     .min = 1,
     .max = 1000},
    {0},
};

static void report_answer(struct mlo_ctx *ctx, const struct mlo_http_response *r)
{
    if (ctx->json) {
        struct mlo_err ignored = MLO_ERR_INIT;
        cJSON *doc = NULL;
        mlo_report_u64(ctx->report, "status", "status", (uint64_t)r->status);
        if (mlo_json_parse(r->body, r->n, INPUT_MAX, &doc, &ignored) == 0)
            mlo_report_json(ctx->report, "answer", doc);
        else
            mlo_report_text(ctx->report, "answer", "answer", mlo_utf8_valid(r->body, r->n) ? r->body : NULL);
        return;
    }
    fwrite(r->body, 1, r->n, stdout);
}

static int run_call(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct call_opts *o = options;
    struct mlo_runpod *c = NULL;
    struct mlo_http_response r = {0};
    MLO_AUTOFREE char *id = NULL;
    MLO_AUTOFREE char *data = NULL;
    struct mlo_runpod_call call = {
        .path = ctx->args[1], .content_type = o->content_type, .tries = (unsigned)o->tries};
    call.method = o->method ? o->method : o->data ? "POST" : "GET";
    int rc = o->data ? read_input(o->data, &data, &call.n, err) : 0;
    call.body = data;
    if (rc == 0)
        rc = find_id(ctx, &c, &id, err);
    if (rc == 0)
        rc = mlo_runpod_call(c, id, &call, &r, err);
    if (rc == 0 && r.status >= 400)
        rc = mlo_http_fail(&r, err);
    else if (rc == 0)
        report_answer(ctx, &r);
    mlo_http_response_release(&r);
    return rc;
}

static const struct mlo_example call_examples[] = {
    {"Is it up?", "mlopsctl runpod endpoint call credit /ping"},
    {"Ask the model", "mlopsctl runpod endpoint call credit /predict --data request.json"},
    {0},
};

const struct mlo_command mlo_cmd_runpod_endpoint_call = {
    .name = "call",
    .summary = "send a request to a load-balanced endpoint",
    .synopsis = "ENDPOINT PATH",
    .description = "Writes the worker's answer to standard output. While no worker is there it asks again, "
                   "for that alone: what\n"
                   "has reached a worker is never sent twice. One request may take 5.5 minutes and carry 30 "
                   "MB each way.",
    .opts = call_table,
    .opts_size = sizeof(struct call_opts),
    .defaults = &call_defaults,
    .args = {.min = 2, .max = 2},
    .examples = call_examples,
    .run = run_call,
};

/* ---- jobs ---- */

static int report_job(struct mlo_ctx *ctx, struct mlo_runpod_job *j, struct mlo_err *err)
{
    struct mlo_report *r = ctx->report;
    mlo_report_text(r, "job", "job", j->id);
    mlo_report_text(r, "status", "status", j->status_text);
    mlo_report_text(r, "worker", "worker", j->worker);
    if (j->delay_ms)
        mlo_report_duration(r, "waited", "waited", j->delay_ms * 1000000);
    if (j->execution_ms)
        mlo_report_duration(r, "took", "took", j->execution_ms * 1000000);
    mlo_report_text(r, "job_error", "error", j->error);
    if (ctx->json && j->output) {
        mlo_report_json(r, "output", mlo_steal(&j->output));
    } else if (j->output) {
        MLO_AUTOFREE char *pretty = cJSON_Print(j->output);
        MLO_AUTOSTR struct mlo_str text;
        mlo_str_init(&text, MLO_STR_MAX);
        mlo_str_addf(&text, "%s\n", pretty ? pretty : "");
        mlo_report_raw(r, "output", text.ptr);
        if (!pretty || mlo_str_check(&text, err))
            return mlo_fail_nomem(err);
    }
    return mlo_runpod_job_final(j) && j->status != MLO_RUNPOD_JOB_COMPLETED ? MLO_NO : 0;
}

struct run_opts {
    const char *input, *webhook;
    uint64_t wait_ns, timeout_ns, ttl_ns;
    bool low_priority;
};
static const struct mlo_opt run_table[] = {
    {.name = "input",
     .letter = 'i',
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .help = "the JSON object that the worker gets, - for standard input",
     .offset = offsetof(struct run_opts, input),
     .flags = MLO_OPTF_REQUIRED | MLO_OPTF_FILE},
    {.name = "wait",
     .letter = 'w',
     .type = MLO_OPT_DURATION,
     .arg = "TIME",
     .help = "wait so long for the result",
     .offset = offsetof(struct run_opts, wait_ns)},
    {.name = "timeout",
     .type = MLO_OPT_DURATION,
     .arg = "TIME",
     .help = "how long it may run, 5s to 7d",
     .offset = offsetof(struct run_opts, timeout_ns)},
    {.name = "ttl",
     .type = MLO_OPT_DURATION,
     .arg = "TIME",
     .help = "when it is over whatever its state, counted from now, 10s to 7d",
     .offset = offsetof(struct run_opts, ttl_ns)},
    {.name = "webhook",
     .type = MLO_OPT_STRING,
     .arg = "URL",
     .help = "where RunPod is to send the result",
     .offset = offsetof(struct run_opts, webhook)},
    {.name = "low-priority",
     .type = MLO_OPT_FLAG,
     .help = "no worker is to be started for it",
     .offset = offsetof(struct run_opts, low_priority)},
    {0},
};

/* Asks until it is final or the time is over. */
static int wait_for(struct mlo_ctx *ctx, struct mlo_runpod *c, const char *id, int64_t until,
                    struct mlo_runpod_job *j, struct mlo_err *err)
{
    while (!mlo_runpod_job_final(j) && mlo_time_mono() < until) {
        struct mlo_runpod_job now = {0};
        int rc = mlo_poll_pause(ctx, err);
        if (rc == 0)
            rc = mlo_runpod_job_status(c, id, j->id, &now, err);
        if (rc != 0)
            return mlo_wrap(err, "job %s", j->id);
        mlo_runpod_job_release(j);
        *j = now;
    }
    return 0;
}

static int submit(struct mlo_ctx *ctx, const struct run_opts *o, const cJSON *input, struct mlo_runpod_job *j,
                  struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    MLO_AUTOFREE char *id = NULL;
    struct mlo_runpod_job_spec spec = {.input = input,
                                       .webhook = o->webhook,
                                       .execution_timeout_ms = o->timeout_ns / 1000000,
                                       .ttl_ms = o->ttl_ns / 1000000,
                                       .low_priority = o->low_priority};
    uint64_t wait_ms = o->wait_ns / 1000000;
    int64_t until = mlo_time_mono() + (int64_t)o->wait_ns;
    int rc = find_id(ctx, &c, &id, err);
    if (rc == 0 && wait_ms >= 1000)
        rc = mlo_runpod_runsync(c, id, &spec, wait_ms < SYNC_MAX_MS ? wait_ms : SYNC_MAX_MS, j, err);
    else if (rc == 0)
        rc = mlo_runpod_run(c, id, &spec, j, err);
    return rc != 0 ? rc : wait_for(ctx, c, id, until, j, err);
}

static int run_run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct run_opts *o = options;
    struct mlo_runpod_job j = {0};
    MLO_AUTOFREE char *text = NULL;
    MLO_AUTOJSON cJSON *input = NULL;
    size_t n = 0;
    int rc = read_input(o->input, &text, &n, err);
    if (rc == 0 && mlo_json_parse(text, n, INPUT_MAX, &input, err) != 0)
        rc = mlo_wrap(err, "the input");
    if (rc == 0)
        rc = submit(ctx, o, input, &j, err);
    if (rc == 0)
        rc = report_job(ctx, &j, err);
    if (rc == 0 && !mlo_runpod_job_final(&j))
        mlo_report_note(
            ctx->report,
            "`mlopsctl runpod endpoint status %s %s` asks for the result, which is kept for half an hour",
            ctx->args[0], j.id);
    mlo_runpod_job_release(&j);
    return rc;
}

static const struct mlo_example run_examples[] = {
    {"Hand it in and wait up to ten minutes",
     "mlopsctl runpod endpoint run batch --input job.json --wait 10m"},
    {"Hand it in and go", "mlopsctl runpod endpoint run batch --input job.json"},
    {0},
};

const struct mlo_command mlo_cmd_runpod_endpoint_run = {
    .name = "run",
    .summary = "hand a job to a queue endpoint",
    .synopsis = "ENDPOINT --input FILE",
    .description =
        "Exit status 1 when the job failed, was cancelled or timed out. RunPod keeps results for half an "
        "hour, those\n"
        "that were waited for a minute. A job whose answer was lost is not handed in again by itself.",
    .opts = run_table,
    .opts_size = sizeof(struct run_opts),
    .args = {.min = 1, .max = 1},
    .examples = run_examples,
    .run = run_run,
};

/* ---- status ---- */

/* A queue that does not move: no hardware, or workers that do not come up? */
static void explain(struct mlo_ctx *ctx, const struct mlo_runpod_health *h)
{
    if (h->in_queue == 0 || h->running || h->idle)
        return;
    if (h->throttled)
        mlo_report_note(ctx->report, "jobs wait because no hardware of its pools is free");
    else if (h->unhealthy)
        mlo_report_note(ctx->report,
                        "jobs wait because workers do not come up: `mlopsctl runpod endpoint workers %s`",
                        ctx->args[0]);
    else if (h->initializing)
        mlo_report_note(ctx->report, "workers are starting");
    else
        mlo_report_note(ctx->report, "no worker is there: is --workers-max 0?");
}

static void report_health(struct mlo_ctx *ctx, const struct mlo_runpod_health *h)
{
    const struct {
        const char *key, *title;
        uint64_t n;
    } facts[] = {{"in_queue", "jobs waiting", h->in_queue},
                 {"in_progress", "jobs running", h->in_progress},
                 {"completed", "jobs completed", h->completed},
                 {"failed", "jobs failed", h->failed},
                 {"retried", "jobs retried", h->retried},
                 {"workers_running", "workers busy", h->running},
                 {"workers_idle", "workers idle", h->idle},
                 {"workers_initializing", "workers starting", h->initializing},
                 {"workers_throttled", "workers without hardware", h->throttled},
                 {"workers_unhealthy", "workers unhealthy", h->unhealthy}};
    for (size_t i = 0; i < MLO_COUNT(facts); i++)
        mlo_report_u64(ctx->report, facts[i].key, facts[i].title, facts[i].n);
    explain(ctx, h);
}

static int run_status(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_job j = {0};
    struct mlo_runpod_health h;
    MLO_AUTOFREE char *id = NULL;
    (void)options;
    int rc = find_id(ctx, &c, &id, err);
    if (rc == 0 && ctx->n_args > 1) {
        rc = mlo_runpod_job_status(c, id, ctx->args[1], &j, err);
        if (rc == 0)
            rc = report_job(ctx, &j, err);
    } else if (rc == 0) {
        rc = mlo_runpod_health(c, id, &h, err);
        if (rc == 0)
            report_health(ctx, &h);
    }
    mlo_runpod_job_release(&j);
    return rc;
}

static const struct mlo_example status_examples[] = {
    {"How is the queue?", "mlopsctl runpod endpoint status batch"},
    {"And this job?", "mlopsctl runpod endpoint status batch 5b1e8c1a-u1"},
    {0},
};

const struct mlo_command mlo_cmd_runpod_endpoint_status = {
    .name = "status",
    .summary = "show the queue of an endpoint, or a job with its result",
    .synopsis = "ENDPOINT [JOB]",
    .description =
        "Exit status 1 when the job failed, was cancelled or timed out; 3 when RunPod no longer knows it.",
    .args = {.min = 1, .max = 2},
    .examples = status_examples,
    .run = run_status,
};

/* ---- cancel ---- */

static int run_cancel(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_job j = {0};
    MLO_AUTOFREE char *id = NULL;
    (void)options;
    int rc = find_id(ctx, &c, &id, err);
    if (rc == 0)
        rc = mlo_runpod_job_cancel(c, id, ctx->args[1], &j, err);
    if (rc == 0 && ctx->json) {
        mlo_report_text(ctx->report, "job", "job", j.id);
        mlo_report_text(ctx->report, "status", "status", j.status_text);
    } else if (rc == 0) {
        mlo_report_say(ctx->report, "job %s: %s", j.id, j.status_text);
    }
    mlo_runpod_job_release(&j);
    return rc;
}

static const struct mlo_example cancel_examples[] = {
    {"Take it out of the queue, or stop it", "mlopsctl runpod endpoint cancel batch 5b1e8c1a-u1"}, {0}};

const struct mlo_command mlo_cmd_runpod_endpoint_cancel = {
    .name = "cancel",
    .summary = "cancel a job",
    .synopsis = "ENDPOINT JOB",
    .description = "Whether it waits or runs. What it has done by then stays done.",
    .args = {.min = 2, .max = 2},
    .examples = cancel_examples,
    .run = run_cancel,
};
