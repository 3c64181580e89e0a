/* mlopsctl ledger restore: put a backup in the place of the ledger, and record that in it. */
#include "cmd/shared/workspace.h"

/* The first run of the restored ledger says where it came from; what it replaced cannot be brought back by a
 * rollback. */
static int record(struct mlo_ctx *ctx, struct mlo_err *err)
{
    struct mlo_workspace ws = {.ctx = ctx};
    int rc = mlo_workspace_begin(ctx, &ws, 0, err);
    if (rc)
        return rc;
    rc = mlo_run_irreversible(ws.run, "ledger", "ledger.db", NULL, err);
    return mlo_workspace_end(&ws, rc, err);
}

/* A run that died must not stand in the way of a restore. A ledger too damaged for this is what restoring is
 * for. */
static void finish_dead_runs(struct mlo_ctx *ctx)
{
    struct mlo_workspace ws;
    struct mlo_err ignored = MLO_ERR_INIT;
    if (mlo_workspace_read(ctx, &ws, &ignored))
        return;
    (void)!mlo_workspace_recover(&ws, NULL, NULL, &ignored);
    mlo_workspace_close(&ws);
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    MLO_AUTOFREE char *home = NULL;
    (void)options;
    finish_dead_runs(ctx);
    int rc = mlo_home_find(ctx, &home, err);
    if (!rc)
        rc = mlo_ledger_restore(home, ctx->args[0], err);
    if (!rc)
        rc = record(ctx, err);
    if (rc)
        return rc;
    mlo_report_say(ctx->report, "restored from %s; the ledger before is ledger.db.before-restore",
                   ctx->args[0]);
    return 0;
}

static const struct mlo_example examples[] = {
    {"go back to a copy", "mlopsctl ledger restore ledger-copy.db"},
    {0},
};

const struct mlo_command mlo_cmd_ledger_restore = {
    .name = "restore",
    .group = "ledger",
    .summary = "replace the ledger by a backup",
    .synopsis = "FILE",
    .description =
        "Verifies FILE, then puts a copy of it in the place of the ledger; the old one stays beside it as\n"
        "ledger.db.before-restore. Refused while runs are in progress. Names are as in the backup "
        "afterwards; models\n"
        "that gc has removed since do not come back (`verify --all` names them).",
    .args = {.min = 1, .max = 1, .complete = MLO_OPTF_FILE},
    .examples = examples,
    .flags = MLO_CMDF_WRITES,
    .run = run,
};
