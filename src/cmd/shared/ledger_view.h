/* How runs and effects are shown: shared by log, show-run, rollback and ledger export. */
#ifndef MLOPSCTL_CMD_LEDGER_VIEW_H
#define MLOPSCTL_CMD_LEDGER_VIEW_H

#include "workspace.h"

/* A value of an effect in one cell: digests short in text and whole in JSON (of a remote ref that of its
 * manifest), other text as it is; NULL: nothing. */
void mlo_view_value(const struct mlo_ctx *ctx, const char *value);
/* "done", "irreversible", ... */
const char *mlo_view_state(enum mlo_effect_state state);
/* "12", with a message that names the argument. */
int mlo_view_run_id(const char *text, int64_t *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* "2026-11-21T09:00:00Z", "2026-11-21", or a duration before now ("2h", "7d"). `what` names the option. */
int mlo_view_time(const char *text, const char *what, int64_t *ret_ns, struct mlo_err *err) MLO_MUST_CHECK;
/* How a bench ended that is done: "pass", "fail", "inconclusive", "interrupted"; NULL: nothing was asked. */
int mlo_view_outcome(struct mlo_ledger *l, const struct mlo_run_row *row, const char **ret,
                     struct mlo_err *err) MLO_MUST_CHECK;
/* What a run changed, in one line: "credit:1.4.0, -old:1, remote-ref ... +3". */
int mlo_view_changes(struct mlo_ledger *l, int64_t run, struct mlo_str *out,
                     struct mlo_err *err) MLO_MUST_CHECK;

#endif
