/*
 * The workspace: the .mlops folder with its ledger and store, opened as a command needs them. Joins modules
 * for all commands: finding home, beginning and ending a run, resolving references, index.json after names
 * moved, the undo handlers of every effect kind.
 */
#ifndef MLOPSCTL_CMD_WORKSPACE_H
#define MLOPSCTL_CMD_WORKSPACE_H

#include <mlopsctl/bundle.h>
#include <mlopsctl/cli.h>
#include <mlopsctl/config.h>
#include <mlopsctl/ledger.h>
#include <mlopsctl/store.h>

#define MLO_UNDO_KINDS 13
struct mlo_workspace {
    struct mlo_ctx *ctx;
    char *home;                /* absolute path of .mlops */
    struct mlo_ledger *ledger; /* NULL when reading and there is none yet */
    struct mlo_store *store;   /* likewise */
    struct mlo_run *run;       /* between begin and end */
    struct mlo_undo_handler handlers[MLO_UNDO_KINDS];
    const struct mlo_git_info
        *git; /* borrowed: set before begin by a command that has read it, for the run's record */
};

/* Where state is: --home, $MLOPSCTL_HOME, .mlops upward from the current folder, else ./.mlops in a git work
 * tree's root or the current folder's project (mlops.yaml), else the user's data folder. Owner: the caller.
 */
int mlo_home_find(const struct mlo_ctx *ctx, char **ret, struct mlo_err *err) MLO_MUST_CHECK;

/* For reading: nothing is created. An empty workspace is a normal answer. */
int mlo_workspace_read(struct mlo_ctx *ctx, struct mlo_workspace *ws, struct mlo_err *err) MLO_MUST_CHECK;
/* For writing: creates, migrates, recovers died runs (said on stderr), begins the run. */
int mlo_workspace_begin(struct mlo_ctx *ctx, struct mlo_workspace *ws, int64_t undo_of,
                        struct mlo_err *err) MLO_MUST_CHECK;
/* Ends the run with the command's result (0, MLO_NO or a failure) and rewrites index.json; err keeps the
 * first failure. Returns the result. */
int mlo_workspace_end(struct mlo_workspace *ws, int result, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_workspace_close(struct mlo_workspace *ws);
/* After mlo_workspace_read: finishes or takes back what died runs left; fn (may be NULL) hears of each. */
int mlo_workspace_recover(struct mlo_workspace *ws,
                          int (*fn)(void *ctx, const struct mlo_recovered *rec, struct mlo_err *err),
                          void *ctx, struct mlo_err *err) MLO_MUST_CHECK;

/* "credit:1.4.0", "credit" (latest), "credit@sha256:...", "sha256:..." or a unique prefix of at least 8 hex
 * digits. MLO_ENOTFOUND with "did you mean". ret_ref may be NULL. */
int mlo_workspace_resolve(struct mlo_workspace *ws, const char *text, struct mlo_ref *ret_ref,
                          struct mlo_digest *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Handlers for all effect kinds this build knows. */
const struct mlo_undo_handler *mlo_undo_handlers(struct mlo_workspace *ws, size_t *ret_n);

#endif
