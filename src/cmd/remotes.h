/* Which remote is meant: a URL or path, a name of the section `remotes` of mlops.yaml, or the setting
 * remote.default. */
#ifndef MLOPSCTL_CMD_REMOTES_H
#define MLOPSCTL_CMD_REMOTES_H

#include <mlopsctl/remote.h>

#include "context.h"

/* The remote at an address, with the options that mlo_ctx_remote_opts finds for it and `name` (may be NULL).
 */
int mlo_remote_at(struct mlo_ctx *ctx, const char *url, const char *name, bool create,
                  struct mlo_remote **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* word NULL: the default. create: make a folder that is not there. */
int mlo_remote_choose(struct mlo_ctx *ctx, const char *word, bool create, struct mlo_remote **ret,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* The configured remotes in order of the file: fn hears name and address. */
int mlo_remote_names(struct mlo_ctx *ctx,
                     int (*fn)(void *ctx, const char *name, const char *url, struct mlo_err *err),
                     void *fn_ctx, struct mlo_err *err) MLO_MUST_CHECK;
/* The one line about what a transfer moved. */
void mlo_report_sync(struct mlo_report *r, const struct mlo_sync_stats *st);

#endif
