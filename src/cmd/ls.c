/* mlopsctl ls: the names of bundles and what they point at. */
#include <fnmatch.h>
#include <limits.h>
#include <string.h>

#include "table.h"
#include "cmd/shared/workspace.h"

static const struct mlo_column columns[] = {
    {"name", "NAME", MLO_CELL_TEXT},     {"digest", "DIGEST", MLO_CELL_DIGEST},
    {"size", "SIZE", MLO_CELL_SIZE},     {"params", "PARAMS", MLO_CELL_TEXT},
    {"format", "FORMAT", MLO_CELL_TEXT}, {"run", "RUN", MLO_CELL_I64},
    {"time", "TAGGED", MLO_CELL_TIME},
};

struct listing {
    struct mlo_workspace *ws;
    size_t n_faulty;
};

static bool wanted(const struct mlo_ctx *ctx, const char *name)
{
    MLO_AUTOFREE char *base = strndup(name, strcspn(name, ":"));
    for (size_t i = 0; i < ctx->n_args; i++)
        if (fnmatch(ctx->args[i], name, 0) == 0 || (base && fnmatch(ctx->args[i], base, 0) == 0))
            return true;
    return ctx->n_args == 0;
}

/* Manifest and config only: ls stays quick however many tensors there are. */
static int row_facts(struct mlo_store *s, const struct mlo_digest *d, uint64_t *ret_size, cJSON **ret_config,
                     struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL, *config = NULL;
    MLO_AUTOJSON cJSON *manifest = NULL;
    size_t n = 0;
    struct mlo_digest config_digest;
    uint64_t size = 0, one = 0;
    int rc = mlo_store_read(s, d, MLO_MANIFEST_MAX, &text, &n, err);
    if (rc == 0)
        rc = mlo_json_parse(text, n, MLO_MANIFEST_MAX, &manifest, err);
    const cJSON *layers = cJSON_GetObjectItemCaseSensitive(manifest, "layers");
    for (const cJSON *l = layers ? layers->child : NULL; l && rc == 0; l = l->next) {
        rc = mlo_json_u64(l, "size", &one, err);
        size += one;
    }
    const char *digest = mlo_json_text(cJSON_GetObjectItemCaseSensitive(manifest, "config"), "digest");
    if (rc == 0)
        rc = digest ? mlo_digest_parse(digest, &config_digest, err)
                    : mlo_fail(err, MLO_EINVALID, "no config");
    if (rc == 0)
        rc = mlo_store_read(s, &config_digest, MLO_MANIFEST_MAX, &config, &n, err);
    if (rc == 0)
        rc = mlo_json_parse(config, n, MLO_MANIFEST_MAX, ret_config, err);
    if (rc == 0)
        *ret_size = size;
    return rc;
}

static int add_row(void *ctx, const struct mlo_name_row *row, struct mlo_err *err)
{
    struct listing *l = ctx;
    struct mlo_report *r = l->ws->ctx->report;
    MLO_AUTOJSON cJSON *config = NULL;
    struct mlo_err why = MLO_ERR_INIT;
    uint64_t size = 0;
    (void)err;
    if (!wanted(l->ws->ctx, row->name))
        return 0;
    bool good = row_facts(l->ws->store, &row->digest, &size, &config, &why) == 0;
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(config, "config");
    mlo_cell_text(r, row->name);
    mlo_cell_digest(r, &row->digest);
    if (good)
        mlo_cell_u64(r, size);
    else
        mlo_cell_none(r);
    mlo_cell_text(r, mlo_json_text(model, "paramSize"));
    mlo_cell_text(r, good ? mlo_json_text(model, "format") : "damaged");
    mlo_cell_i64(r, row->run);
    mlo_cell_i64(r, row->time_ns);
    l->n_faulty += !good;
    return 0;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_workspace ws = {0};
    struct listing l = {.ws = &ws};
    (void)options;
    int rc = mlo_workspace_read(ctx, &ws, err);
    if (rc)
        return rc;
    mlo_report_table(ctx->report, "bundles", NULL, columns, MLO_COUNT(columns),
                     "no bundles yet: make one with `mlopsctl pack PATH -t NAME:TAG`");
    if (ws.ledger && ws.store)
        rc = mlo_name_each(ws.ledger, "tag", add_row, &l, err);
    mlo_workspace_close(&ws);
    if (rc == 0 && l.n_faulty)
        mlo_warn(ctx, "%zu bundle%s cannot be read; see `mlopsctl verify --all`", l.n_faulty,
                 l.n_faulty == 1 ? "" : "s");
    return rc;
}

static const struct mlo_example examples[] = {
    {"All names", "mlopsctl ls"},
    {"The tags of one model", "mlopsctl ls credit"},
    {"Names and digests, for a script", "mlopsctl ls --json"},
    {0},
};

const struct mlo_command mlo_cmd_ls = {
    .name = "ls",
    .group = "bundles",
    .summary = "list bundles",
    .synopsis = "[PATTERN...]",
    .description =
        "Lists the names of bundles: those that fit one of the PATTERNs (`credit`, `credit:1.*`, `team/*`),\n"
        "or all.",
    .args = {.min = 0, .max = UINT_MAX, .complete = MLO_OPTF_REF},
    .examples = examples,
    .run = run,
};
