/* Settings of a command: loaded when first asked for, so that commands which need none start without reading
 * a file. */
#ifndef MLOPSCTL_CMD_CONTEXT_H
#define MLOPSCTL_CMD_CONTEXT_H

#include <mlopsctl/cli.h>
#include <mlopsctl/config.h>

/*
 * ctx->config, loaded from mlops.yaml (found upward), the user's file, the system's file and the environment.
 * The settings "color" and "progress" take effect with it where neither option nor variable said otherwise.
 * Borrowed: ctx owns it.
 */
int mlo_ctx_config(struct mlo_ctx *ctx, const struct mlo_config **ret, struct mlo_err *err) MLO_MUST_CHECK;

#endif
