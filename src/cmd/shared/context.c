#include "context.h"

#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#define SYSTEM_FILE "/etc/mlopsctl/config.yaml"

static void apply(struct mlo_ctx *ctx)
{
    static const char *const modes[] = {[MLO_PROGRESS_AUTO] = "auto",
                                        [MLO_PROGRESS_BAR] = "bar",
                                        [MLO_PROGRESS_PLAIN] = "plain",
                                        [MLO_PROGRESS_JSON] = "json",
                                        [MLO_PROGRESS_NONE] = "none"};
    const char *color = mlo_config_get(ctx->config, "color"),
               *progress = mlo_config_get(ctx->config, "progress");
    if (!ctx->color_given && strcmp(color, "auto") != 0)
        ctx->color = strcmp(color, "always") == 0;
    for (size_t i = 0; !ctx->progress_given && i < MLO_COUNT(modes); i++)
        if (strcmp(modes[i], progress) == 0)
            ctx->progress = (enum mlo_progress_mode)i;
}

int mlo_ctx_config(struct mlo_ctx *ctx, const struct mlo_config **ret, struct mlo_err *err)
{
    if (ctx->config) {
        *ret = ctx->config;
        return 0;
    }
    MLO_AUTOFREE char *project = NULL;
    int rc = mlo_config_find(".", &project, err);
    if (rc < 0 && rc != MLO_ENOTFOUND)
        return rc;
    *err = MLO_ERR_INIT;
    MLO_AUTOFREE char *user = NULL;
    rc = mlo_user_file(ctx->env, "config.yaml", &user, err);
    if (rc != 0)
        return rc;
    struct mlo_config_paths paths = {.project = project, .user = user, .system = SYSTEM_FILE};
    rc = mlo_config_load(&paths, ctx->env, &ctx->config, err);
    if (rc < 0)
        return rc;
    ctx->config_free = mlo_config_free;
    apply(ctx);
    *ret = ctx->config;
    return 0;
}
