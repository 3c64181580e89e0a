/* mlopsctl import: bundles out of a tar or a folder that holds an OCI image layout. */
#include <string.h>

#include <mlopsctl/base/text.h>

#include "cmd/shared/signatures.h"
#include "table.h"
#include "cmd/shared/workspace.h"

struct opts {
    const char *tag;
};

static const struct mlo_opt opts_table[] = {
    {.name = "tag",
     .letter = 't',
     .type = MLO_OPT_STRING,
     .arg = "NAME[:TAG]",
     .help = "the name here; needed when the archive gives none that can be one",
     .offset = offsetof(struct opts, tag)},
    {0},
};

struct import {
    struct mlo_workspace ws;
    struct mlo_imported *items;
    size_t n;
    char (*names)[MLO_REF_TEXT]; /* of each item; "" when it got none */
};

/* The archive's own name for it, when it is "NAME:TAG" or, with a tag alone, when -t gives no more than a
 * name. */
static int choose_name(const struct mlo_imported *item, const char *tag, char out[MLO_REF_TEXT],
                       struct mlo_err *err)
{
    struct mlo_ref ref;
    struct mlo_err ignored = MLO_ERR_INIT;
    if (tag) {
        int rc = mlo_ref_parse(tag, &ref, err);
        if (rc == 0 && ref.has_digest)
            rc = mlo_fail(err, MLO_EUSAGE, "--tag takes a name, not a digest");
        if (rc == 0)
            mlo_ref_text(&ref, out);
        return rc;
    }
    if (*item->ref && strchr(item->ref, ':') && mlo_ref_parse(item->ref, &ref, &ignored) == 0 &&
        !ref.has_digest) {
        mlo_ref_text(&ref, out);
        return 0;
    }
    mlo_fail(err, MLO_EUSAGE, "the archive gives the bundle no name of the form NAME:TAG");
    return mlo_hint(err, "name it with -t NAME:TAG");
}

static size_t count_models(const struct import *im)
{
    size_t n = 0;
    for (size_t i = 0; i < im->n; i++)
        n += !im->items[i].is_referrer;
    return n;
}

static int name_all(struct import *im, const char *tag, struct mlo_err *err)
{
    int rc = 0;
    if (tag && count_models(im) > 1)
        return mlo_fail(err, MLO_EUSAGE, "the archive holds %zu bundles: --tag can name one alone",
                        count_models(im));
    for (size_t i = 0; rc == 0 && i < im->n; i++) {
        const struct mlo_imported *item = &im->items[i];
        if (item->is_referrer) {
            rc = mlo_signature_adopt(&im->ws, &item->manifest, &item->subject, err);
            continue;
        }
        rc = choose_name(item, tag, im->names[i], err);
        if (rc == 0)
            rc = mlo_run_move_name_any(im->ws.run, "tag", im->names[i], &item->manifest, err);
    }
    return rc;
}

static int work(struct import *im, const struct opts *o, struct mlo_err *err)
{
    int rc = mlo_bundle_import(im->ws.store, im->ws.ctx->args[0], &im->items, &im->n, err);
    if (rc != 0)
        return rc;
    im->names = mlo_calloc(im->n + 1, sizeof *im->names, err);
    return im->names ? name_all(im, o->tag, err) : MLO_EIO;
}

static const struct mlo_column columns[] = {{"name", "NAME", MLO_CELL_TEXT},
                                            {"digest", "DIGEST", MLO_CELL_DIGEST}};

static void report(const struct import *im, struct mlo_ctx *ctx)
{
    char text[MLO_DIGEST_TEXT];
    if (ctx->json)
        mlo_report_table(ctx->report, "bundles", NULL, columns, MLO_COUNT(columns), NULL);
    for (size_t i = 0; i < im->n; i++) {
        if (im->items[i].is_referrer)
            continue;
        if (ctx->json) {
            mlo_cell_text(ctx->report, im->names[i]);
            mlo_cell_digest(ctx->report, &im->items[i].manifest);
        } else {
            mlo_report_say(ctx->report, "imported %s  %.19s", im->names[i],
                           mlo_digest_text(&im->items[i].manifest, text));
        }
    }
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct import im = {0};
    int rc = mlo_workspace_begin(ctx, &im.ws, 0, err);
    if (rc == 0)
        rc = mlo_workspace_end(&im.ws, work(&im, options, err), err);
    if (rc == 0)
        report(&im, ctx);
    free(im.items);
    free(im.names);
    return rc;
}

static const struct mlo_example examples[] = {
    {"What export wrote", "mlopsctl import credit.tar"},
    {"Under a name of its own", "mlopsctl import credit.tar -t risk:1"},
    {0},
};

const struct mlo_command mlo_cmd_import = {
    .name = "import",
    .group = "bundles",
    .summary = "take bundles out of a tar or an OCI image layout",
    .synopsis = "FILE|FOLDER",
    .description =
        "Reads a tar in one pass (/dev/stdin will do) or a folder; every blob is hashed on its way.\n"
        "Models of other ModelPack tools are read too. Names move when all of it proved good;\n"
        "`mlopsctl rollback` moves them back.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .args = {.min = 1, .max = 1, .complete = MLO_OPTF_FILE},
    .examples = examples,
    .flags = MLO_CMDF_WRITES,
    .run = run,
};
