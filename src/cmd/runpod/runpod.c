/* mlopsctl runpod: pods, endpoints, volumes and what they cost. See runpod.h. */
#include "runpod.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

extern const struct mlo_command mlo_cmd_runpod_volume, mlo_cmd_runpod_template, mlo_cmd_runpod_registry,
    mlo_cmd_runpod_endpoint;

#define IDLE_PERCENT 1.0

char *mlo_usd(double usd, char buf[MLO_USD_MAX])
{
    if (isnan(usd))
        snprintf(buf, MLO_USD_MAX, "-");
    else
        snprintf(buf, MLO_USD_MAX, usd != 0 && fabs(usd) < 0.01 ? "$%.4f" : "$%.2f", usd);
    return buf;
}

char *mlo_time_left(int64_t ns, char buf[MLO_HUMAN_MAX])
{
    if (ns > 0)
        return mlo_human_duration((uint64_t)ns, buf);
    snprintf(buf, MLO_HUMAN_MAX, "over");
    return buf;
}

static bool answered_yes(const char *question)
{
    char line[16] = "";
    fprintf(stderr, "%s [y/N] ", question);
    fflush(stderr);
    return fgets(line, sizeof line, stdin) && (line[0] == 'y' || line[0] == 'Y');
}

int mlo_consent(struct mlo_ctx *ctx, const char *question, struct mlo_err *err)
{
    if (ctx->yes)
        return 0;
    if (ctx->json || !ctx->tty_err || !isatty(STDIN_FILENO)) {
        mlo_fail(err, MLO_EUSAGE, "this needs consent, and nobody is there to ask: %s", question);
        return mlo_hint(err, "--yes gives it");
    }
    return answered_yes(question) ? 0 : mlo_fail(err, MLO_NO, "not confirmed: nothing was done");
}

int mlo_poll_pause(struct mlo_ctx *ctx, struct mlo_err *err)
{
    const struct mlo_config *c = NULL;
    int rc = mlo_ctx_config(ctx, &c, err);
    if (rc != 0)
        return rc;
    int64_t ns = (int64_t)mlo_config_u64(c, "runpod.poll");
    struct timespec t = {.tv_sec = ns / MLO_NS_PER_S, .tv_nsec = ns % MLO_NS_PER_S};
    while (!mlo_interrupted() && nanosleep(&t, &t) != 0)
        ;
    if (!mlo_interrupted())
        return 0;
    mlo_fail(err, MLO_EIO, "interrupted");
    err->sys_errno = EINTR;
    return MLO_EIO;
}

bool mlo_pod_is_idle(const struct mlo_runpod_pod *p)
{
    double util = p->gpu ? p->gpu_util : p->cpu_util;
    return p->status == MLO_RUNPOD_POD_RUNNING && p->has_runtime && util < IDLE_PERCENT; /* NAN is not */
}

static bool is_called(const struct mlo_runpod_pod *p, const char *word)
{
    size_t n = mlo_runpod_lease_name_length(p->name);
    return strcmp(p->name, word) == 0 || (strlen(word) == n && memcmp(p->name, word, n) == 0);
}

/* *ret stays NULL when there is none. */
static int pick(struct mlo_runpod_pods *list, const char *word, struct mlo_runpod_pod **ret,
                struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i].id, word) == 0) {
            *ret = &list->items[i];
            return 0;
        }
    for (size_t i = 0; i < list->n; i++) {
        struct mlo_runpod_pod *p = &list->items[i];
        if (!is_called(p, word))
            continue;
        if (*ret) {
            mlo_fail(err, MLO_ECONFLICT, "the name '%s' fits two pods: %s and %s",
                     mlo_shown(word, strlen(word), shown), (*ret)->id, p->id);
            return mlo_hint(err, "say the id of the one you mean");
        }
        *ret = p;
    }
    return 0;
}

int mlo_pod_find(struct mlo_runpod *c, const char *word, struct mlo_runpod_pod *ret, struct mlo_err *err)
{
    struct mlo_runpod_pods list = {0};
    struct mlo_runpod_pod *found = NULL;
    char shown[MLO_SHOWN];
    int rc = mlo_runpod_pod_list(c, &list, err);
    if (rc == 0)
        rc = pick(&list, word, &found, err);
    if (rc == 0 && !found) {
        rc = mlo_fail(err, MLO_ENOTFOUND, "there is no pod '%s'", mlo_shown(word, strlen(word), shown));
        mlo_hint(err, "`mlopsctl runpod pod ls` lists those there are");
    }
    if (rc == 0) {
        *ret = *found;
        *found = (struct mlo_runpod_pod){0};
    }
    mlo_runpod_pods_release(&list);
    return rc;
}

static const struct mlo_command *const verbs[] = {
    &mlo_cmd_runpod_volume,   &mlo_cmd_runpod_gpu,
    &mlo_cmd_runpod_pod,      &mlo_cmd_runpod_endpoint,
    &mlo_cmd_runpod_template, &mlo_cmd_runpod_registry,
    &mlo_cmd_runpod_cost,     &mlo_cmd_runpod_reap,
    &mlo_cmd_runpod_sync,     NULL,
};

const struct mlo_command mlo_cmd_runpod = {
    .name = "runpod",
    .group = "runpod",
    .summary = "rent GPUs at RunPod: pods, endpoints, volumes, what they cost",
    .synopsis = "COMMAND",
    .description =
        "Works on your RunPod account through its REST interface. The key comes from --token-file,\n"
        "RUNPOD_API_KEY or the credentials file: mlopsctl-credentials(5).",
    .subs = verbs,
};
