/* mlopsctl runpod: pods, endpoints, volumes and what they cost. See runpod.h. */
#include "runpod.h"

#include <math.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

extern const struct mlo_command mlo_cmd_runpod_gpu, mlo_cmd_runpod_volume, mlo_cmd_runpod_template,
    mlo_cmd_runpod_registry, mlo_cmd_runpod_endpoint;

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
    return mlo_interrupted() ? mlo_fail(err, MLO_EIO, "interrupted") : 0;
}

static const struct mlo_command *const verbs[] = {
    &mlo_cmd_runpod_volume,   &mlo_cmd_runpod_gpu,      &mlo_cmd_runpod_endpoint,
    &mlo_cmd_runpod_template, &mlo_cmd_runpod_registry, NULL,
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
