/* mlopsctl recover: what every writing command does first, on its own: finish or take back what died runs
 * left. */
#include "cmd/shared/workspace.h"

static const struct mlo_column columns[] = {
    {"run", "RUN", MLO_CELL_I64},
    {"command", "COMMAND", MLO_CELL_TEXT},
    {"finished", "FINISHED", MLO_CELL_U64},
    {"undone", "UNDONE", MLO_CELL_U64},
};

static int show(void *ctx, const struct mlo_recovered *rec, struct mlo_err *err)
{
    struct mlo_report *r = ctx;
    (void)err;
    mlo_cell_i64(r, rec->run);
    mlo_cell_text(r, rec->command);
    mlo_cell_u64(r, (uint64_t)rec->finished);
    mlo_cell_u64(r, (uint64_t)rec->undone);
    return 0;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_workspace ws;
    (void)options;
    int rc = mlo_workspace_read(ctx, &ws, err);
    if (rc)
        return rc;
    mlo_report_table(ctx->report, "runs", NULL, columns, MLO_COUNT(columns), "nothing to recover");
    rc = mlo_workspace_recover(&ws, show, ctx->report, err);
    mlo_workspace_close(&ws);
    return rc;
}

static const struct mlo_example examples[] = {
    {"after a power loss or a kill", "mlopsctl recover"},
    {0},
};

const struct mlo_command mlo_cmd_recover = {
    .name = "recover",
    .group = "ledger",
    .summary = "finish or take back what died runs left",
    .description = "A run whose process died is found by the next command that writes; this does it now. "
                   "Effects that had\n"
                   "happened are kept and recorded, effects that had only begun are taken back, names stay "
                   "as they were.\n"
                   "Runs that are still alive are left alone.",
    .examples = examples,
    .flags = MLO_CMDF_WRITES,
    .run = run,
};
