/*
 * Which remote is meant: a URL or path, a name of the section `remotes` of mlops.yaml, or the setting
 * remote.default.
 *
 * The address of an s3:// remote may say what else it takes to reach it, stronger than all settings:
 * s3://BUCKET[/PREFIX]?endpoint=URL&region=R&profile=P&style=S. An effect in the ledger names a remote so,
 * and a rollback reaches the same one whatever the settings say by then.
 */
#ifndef MLOPSCTL_CMD_REMOTES_H
#define MLOPSCTL_CMD_REMOTES_H

#include <mlopsctl/remote.h>

#include "context.h"

/* The remote at an address, with the options that mlo_ctx_remote_opts finds for it and `name` (may be NULL).
 * ret_address (may be NULL): the full address; owner: the caller. */
int mlo_remote_at(struct mlo_ctx *ctx, const char *url, const char *name, bool create, char **ret_address,
                  struct mlo_remote **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* word NULL: the default. create: make a folder that is not there. ret_address as above. */
int mlo_remote_choose(struct mlo_ctx *ctx, const char *word, bool create, char **ret_address,
                      struct mlo_remote **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* What mlo_remote_choose opens: the address as it was given or stands in the settings, and the name it has
 * there (NULL: none). Owner of both: the caller. */
int mlo_remote_find(struct mlo_ctx *ctx, const char *word, char **ret_url, char **ret_name,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* The configured remotes in order of the file: fn hears name and address. */
int mlo_remote_names(struct mlo_ctx *ctx,
                     int (*fn)(void *ctx, const char *name, const char *url, struct mlo_err *err),
                     void *fn_ctx, struct mlo_err *err) MLO_MUST_CHECK;
/* After a transfer that failed: when the user has stopped it, how to go on. Returns err->code. */
int mlo_remote_stopped(struct mlo_err *err);
/* What a transfer moved, as facts. */
void mlo_report_sync(struct mlo_report *r, const struct mlo_sync_stats *st);

#endif
