/* mlopsctl __complete: the hidden query of the completion scripts; one word a line. */
#include <string.h>

#include <mlopsctl/config.h>

#include "table.h"
#include "cmd/shared/workspace.h"

static int add_ref(void *ctx, const struct mlo_name_row *row, struct mlo_err *err)
{
    (void)err;
    mlo_str_addf(ctx, "%s\n", row->name);
    return 0;
}

static int list_refs(struct mlo_ctx *ctx, struct mlo_str *out, struct mlo_err *err)
{
    struct mlo_workspace ws;
    int rc = mlo_workspace_read(ctx, &ws, err);
    if (rc < 0)
        return rc;
    if (ws.ledger)
        rc = mlo_name_each(ws.ledger, "tag", add_ref, out, err);
    mlo_workspace_close(&ws);
    return rc;
}

static int query(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str out;
    int rc = 0;
    (void)options;
    mlo_str_init(&out, MLO_STR_MAX);
    if (strcmp(ctx->args[0], "refs") == 0)
        rc = list_refs(ctx, &out, err);
    else if (strcmp(ctx->args[0], "keys") == 0)
        for (size_t i = 0; i < mlo_n_settings; i++)
            mlo_str_addf(&out, "%s\n", mlo_settings[i].key);
    else
        rc = mlo_fail(err, MLO_EUSAGE, "it is one of refs, keys");
    if (rc == 0)
        rc = mlo_str_check(&out, err);
    if (rc == 0)
        mlo_report_raw(ctx->report, "words", out.ptr);
    return rc;
}

const struct mlo_command mlo_cmd_query = {
    .name = "__complete",
    .group = "help",
    .summary = "words for completion scripts",
    .synopsis = "refs|keys",
    .args = {.min = 1, .max = 1},
    .flags = MLO_CMDF_HIDDEN,
    .run = query,
};
