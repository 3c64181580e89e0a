/* The hooks of an alarm: a command with variables, a webhook with JSON. Both are bounded in time; whether
 * they went well is told and recorded by the caller. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mlopsctl/base/process.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>
#include <mlopsctl/net.h>

#include "watch.h"
#include "cmd/shared/network.h"

#define GRACE_NS (2 * MLO_NS_PER_S)

/* ---- the command ---- */

struct variables {
    char *text[16]; /* owned: "DRIFT_NAME=nightly" */
    size_t n;
    char **env; /* owned list: what was there, then these */
};

static void release(struct variables *v)
{
    for (size_t i = 0; i < v->n; i++)
        free(v->text[i]);
    free(v->env);
}

static int put(struct variables *v, struct mlo_err *err, const char *fmt, ...) MLO_PRINTF(3, 4);
static int put(struct variables *v, struct mlo_err *err, const char *fmt, ...)
{
    struct mlo_str s;
    va_list ap;
    mlo_str_init(&s, 2 * MLO_PATH_MAX);
    va_start(ap, fmt);
    mlo_str_vaddf(&s, fmt, ap);
    va_end(ap);
    int rc = mlo_str_check(&s, err);
    if (rc == 0)
        v->text[v->n++] = mlo_str_detach(&s, NULL);
    mlo_str_release(&s);
    return rc;
}

static int join_env(struct variables *v, char *const *env, struct mlo_err *err)
{
    size_t n = 0, kept = 0;
    while (env && env[n])
        n++;
    v->env = mlo_calloc(n + v->n + 1, sizeof *v->env, err);
    if (!v->env)
        return MLO_EIO;
    for (size_t i = 0; i < n; i++)
        if (strncmp(env[i], "DRIFT_", 6) != 0)
            v->env[kept++] = env[i];
    memcpy(v->env + kept, v->text, v->n * sizeof *v->env);
    return 0;
}

static int make_env(struct variables *v, char *const *env, const struct mlo_drift_alarm *a,
                    struct mlo_err *err)
{
    int rc = put(v, err, "DRIFT_NAME=%s", a->name);
    if (rc == 0)
        rc = put(v, err, "DRIFT_RUN=%lld", (long long)a->run);
    if (rc == 0)
        rc = put(v, err, "DRIFT_VERDICT=%s", a->sentence);
    if (rc == 0)
        rc = put(v, err, "DRIFT_COLUMN=%s", a->column);
    if (rc == 0)
        rc = *a->column ? put(v, err, "DRIFT_PSI=%.6g", a->psi) : put(v, err, "DRIFT_PSI=");
    if (rc == 0)
        rc = put(v, err, "DRIFT_SHARE=%.6g", a->share);
    if (rc == 0)
        rc = put(v, err, "DRIFT_PAGE=%s", a->page);
    if (rc == 0)
        rc = put(v, err, "DRIFT_REPORT=%s", a->report);
    return rc == 0 ? join_env(v, env, err) : rc;
}

/* In a group of its own, so that what it started ends with it. */
static int start(const char *command, char *const *env, pid_t *ret, struct mlo_err *err)
{
    char shell[] = "/bin/sh", option[] = "-c";
    MLO_AUTOFREE char *line = mlo_strdup(command, err);
    char *argv[] = {shell, option, line, NULL};
    const struct mlo_process_opts o = {
        .argv = argv, .env = env, .in = -1, .out = STDERR_FILENO, .message = STDERR_FILENO, .group = true};
    return line ? mlo_process_start(&o, ret, err) : MLO_EIO;
}

static int wait_for(pid_t pid, uint64_t timeout_ns, struct mlo_err *err)
{
    int status = 0;
    char took[MLO_HUMAN_MAX];
    bool ended = mlo_process_wait(pid, mlo_time_mono() + (int64_t)timeout_ns, mlo_interrupted, &status);
    if (ended && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (ended && WIFEXITED(status))
        return mlo_fail(err, MLO_EIO, "it ended with status %d", WEXITSTATUS(status));
    if (ended)
        return mlo_fail(err, MLO_EIO, "it was ended by signal %d", WTERMSIG(status));
    kill(-pid, SIGTERM);
    if (!mlo_process_wait(pid, mlo_time_mono() + GRACE_NS, mlo_interrupted, &status))
        mlo_process_kill(pid, true);
    else
        kill(-pid, SIGKILL); /* what it left running */
    if (mlo_interrupted())
        return mlo_fail(err, MLO_EIO, "it was interrupted");
    return mlo_fail(err, MLO_EIO, "it took longer than %s and was ended",
                    mlo_human_duration(timeout_ns, took));
}

int mlo_drift_call_command(struct mlo_ctx *ctx, const char *command, const struct mlo_drift_alarm *a,
                           uint64_t timeout_ns, struct mlo_err *err)
{
    struct variables v = {0};
    pid_t pid = -1;
    int rc = make_env(&v, ctx->env, a, err);
    mlo_interrupt_arm(); /* Ctrl-C ends the command too, which is in a group of its own */
    if (rc == 0)
        rc = start(command, v.env, &pid, err);
    if (rc == 0)
        rc = wait_for(pid, timeout_ns, err);
    release(&v);
    return rc;
}

/* ---- the webhook ---- */

static int make_body(const struct mlo_drift_alarm *a, char **ret, size_t *ret_n, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *o = cJSON_CreateObject();
    mlo_json_add_u64(o, "schema", 1);
    cJSON_AddStringToObject(o, "event", "drift");
    cJSON_AddStringToObject(o, "name", a->name);
    mlo_json_add_i64(o, "run", a->run);
    cJSON_AddStringToObject(o, "verdict", a->sentence);
    cJSON_AddStringToObject(o, "text", a->sentence); /* what chat services show */
    if (*a->column) {
        cJSON_AddStringToObject(o, "column", a->column);
        mlo_json_add_double(o, "psi", a->psi);
    }
    mlo_json_add_double(o, "share_drifted", a->share);
    mlo_json_add_u64(o, "drifted", a->drifted);
    if (!mlo_json_add_u64(o, "checks", a->checks))
        return mlo_fail_nomem(err);
    return mlo_json_print(o, ret, ret_n, err);
}

int mlo_drift_call_webhook(struct mlo_ctx *ctx, const char *url, const struct mlo_drift_alarm *a,
                           uint64_t timeout_ns, struct mlo_err *err)
{
    static const char *const headers[] = {"Content-Type", "application/json", NULL};
    MLO_AUTOFREE char *text = NULL;
    struct mlo_http_response answer = {0};
    struct mlo_http *http = NULL;
    size_t n = 0;
    int rc = make_body(a, &text, &n, err);
    if (rc == 0)
        rc = mlo_ctx_http(ctx, &http, err);
    if (rc != 0)
        return rc;
    const struct mlo_http_body body = {.size = n, .read = mlo_http_body_text, .ctx = text};
    const struct mlo_http_request q = {.method = "POST",
                                       .url = url,
                                       .headers = headers,
                                       .body = &body,
                                       .flags = MLO_HTTP_ONCE,
                                       .patience_ns = (int64_t)timeout_ns,
                                       .deadline_ns = mlo_time_mono() + (int64_t)timeout_ns};
    rc = mlo_http_do(http, &q, &answer, err);
    if (rc == 0 && answer.status / 100 != 2)
        rc = mlo_http_fail(&answer, err);
    mlo_http_response_release(&answer);
    return rc;
}
