/* mlopsctl ledger backup: one moment of the ledger as one verified file. */
#include "cmd/shared/workspace.h"

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_workspace ws;
    (void)options;
    int rc = mlo_workspace_read(ctx, &ws, err);
    if (rc)
        return rc;
    rc = ws.ledger ? mlo_ledger_backup(ws.ledger, ctx->args[0], err)
                   : mlo_fail(err, MLO_ENOTFOUND, "there is no ledger yet");
    mlo_workspace_close(&ws);
    if (rc)
        return rc;
    mlo_report_say(ctx->report, "backed up to %s", ctx->args[0]);
    return 0;
}

static const struct mlo_example examples[] = {
    {"keep a copy", "mlopsctl ledger backup ledger-copy.db"},
    {0},
};

const struct mlo_command mlo_cmd_ledger_backup = {
    .name = "backup",
    .group = "ledger",
    .summary = "copy the ledger while others write",
    .synopsis = "FILE",
    .description =
        "Copies one moment of the ledger into FILE, which must not exist, and verifies the copy before it "
        "gets its\n"
        "name. Commands that write meanwhile do not wait. Models are not in it: they are in the store.",
    .args = {.min = 1, .max = 1, .complete = MLO_OPTF_FILE},
    .examples = examples,
    .run = run,
};
