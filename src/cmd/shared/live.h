/* What gc must keep: shared by the commands that collect and that count. */
#ifndef MLOPSCTL_CMD_LIVE_H
#define MLOPSCTL_CMD_LIVE_H

#include "workspace.h"

/*
 * Every blob that the ledger's names, their history and reversible runs since `since_ns` (0: ever) need. A
 * root that is no bundle keeps itself alone; one that is gone keeps nothing; one that is damaged is
 * MLO_EINVALID, because what it needs cannot be told.
 */
int mlo_live_blobs(struct mlo_workspace *ws, int64_t since_ns, struct mlo_digest_set *live,
                   struct mlo_err *err) MLO_MUST_CHECK;

/* The start of the retention: so long before now as `keep` says ("30d"), or the setting gc.retention when it
 * is NULL. */
int mlo_live_since(struct mlo_ctx *ctx, const char *keep, int64_t *ret, struct mlo_err *err) MLO_MUST_CHECK;

#endif
