/* mlopsctl tag, untag: names of bundles. A name is moved in one transaction with the record of it; nothing is
 * copied. */
#include <limits.h>

#include "table.h"
#include "cmd/shared/workspace.h"

static int move_to(struct mlo_workspace *ws, const char *source, const struct mlo_ref *ref,
                   struct mlo_digest *ret, struct mlo_err *err)
{
    char name[MLO_REF_TEXT];
    int rc = mlo_workspace_resolve(ws, source, NULL, ret, err);
    return rc ? rc : mlo_run_move_name_any(ws->run, "tag", mlo_ref_text(ref, name), ret, err);
}

static int run_tag(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_workspace ws = {0};
    struct mlo_digest digest;
    struct mlo_ref ref;
    char name[MLO_REF_TEXT], text[MLO_DIGEST_TEXT];
    (void)options;
    int rc = mlo_ref_parse(ctx->args[1], &ref, err);
    if (rc == 0 && ref.has_digest)
        rc = mlo_fail(err, MLO_EUSAGE, "the new name must not have a digest");
    if (rc == 0)
        rc = mlo_workspace_begin(ctx, &ws, 0, err);
    if (rc)
        return rc;
    rc = mlo_workspace_end(&ws, move_to(&ws, ctx->args[0], &ref, &digest, err), err);
    if (rc)
        return rc;
    mlo_ref_text(&ref, name);
    if (ctx->json) {
        mlo_report_text(ctx->report, "name", "name", name);
        mlo_report_digest(ctx->report, "digest", "digest", &digest);
    }
    mlo_report_say(ctx->report, "tagged %s  %.19s", name, mlo_digest_text(&digest, text));
    return 0;
}

static const struct mlo_example tag_examples[] = {
    {"A second name for a version", "mlopsctl tag credit:1.4.0 credit:champion"},
    {"The newest bundle under a name of its own", "mlopsctl tag credit risk:2026-11"},
    {0},
};

const struct mlo_command mlo_cmd_tag = {
    .name = "tag",
    .group = "bundles",
    .summary = "give a bundle another name",
    .synopsis = "SOURCE NAME[:TAG]",
    .description = "Points NAME:TAG at the bundle that SOURCE names. A name that exists is moved;\n"
                   "`mlopsctl rollback` moves it back.",
    .args = {.min = 2, .max = 2, .complete = MLO_OPTF_REF},
    .examples = tag_examples,
    .flags = MLO_CMDF_WRITES,
    .run = run_tag,
};

/* ---- untag ---- */

/* The name itself must exist; whether its blobs are whole does not matter here. */
static int remove_name(struct mlo_workspace *ws, const char *text, char name[MLO_REF_TEXT],
                       struct mlo_err *err)
{
    struct mlo_ref ref;
    struct mlo_digest digest;
    int rc = mlo_ref_parse(text, &ref, err);
    if (rc == 0 && ref.has_digest)
        rc = mlo_fail(err, MLO_EUSAGE, "'%s': a name is removed, not a digest", text);
    if (rc == 0)
        rc = mlo_name_get(ws->ledger, "tag", mlo_ref_text(&ref, name), &digest, err);
    if (rc == MLO_ENOTFOUND)
        return mlo_workspace_resolve(ws, text, NULL, &digest, err); /* fails too, and says what is near */
    return rc ? rc : mlo_run_move_name(ws->run, "tag", name, &digest, NULL, err);
}

static int remove_names(struct mlo_workspace *ws, struct mlo_err *err)
{
    char name[MLO_REF_TEXT];
    int rc = 0;
    for (size_t i = 0; i < ws->ctx->n_args && rc == 0; i++)
        rc = remove_name(ws, ws->ctx->args[i], name, err);
    return rc;
}

static const struct mlo_column removed_columns[] = {{"name", "NAME", MLO_CELL_TEXT}};

static void report_removed(struct mlo_ctx *ctx)
{
    struct mlo_err ignored = MLO_ERR_INIT; /* they were parsed once already */
    struct mlo_ref ref;
    char name[MLO_REF_TEXT];
    if (ctx->json)
        mlo_report_table(ctx->report, "removed", NULL, removed_columns, 1, NULL);
    for (size_t i = 0; i < ctx->n_args; i++) {
        if (mlo_ref_parse(ctx->args[i], &ref, &ignored))
            continue;
        if (ctx->json)
            mlo_cell_text(ctx->report, mlo_ref_text(&ref, name));
        else
            mlo_report_say(ctx->report, "untagged %s", mlo_ref_text(&ref, name));
    }
}

static int run_untag(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_workspace ws = {0};
    (void)options;
    int rc = mlo_workspace_begin(ctx, &ws, 0, err);
    if (rc == 0)
        rc = mlo_workspace_end(&ws, remove_names(&ws, err), err);
    if (rc == 0)
        report_removed(ctx);
    return rc;
}

static const struct mlo_example untag_examples[] = {
    {"Take a name away; the bundle stays until gc, and rollback brings the name back",
     "mlopsctl untag credit:1.4.0"},
    {0},
};

const struct mlo_command mlo_cmd_untag = {
    .name = "untag",
    .group = "bundles",
    .summary = "take names away",
    .synopsis = "NAME[:TAG]...",
    .description = "Removes names; all of them or none. The bundle stays until `mlopsctl gc` finds nothing\n"
                   "that needs it, so `mlopsctl rollback` can bring the name back.",
    .args = {.min = 1, .max = UINT_MAX, .complete = MLO_OPTF_REF},
    .examples = untag_examples,
    .flags = MLO_CMDF_WRITES,
    .run = run_untag,
};
