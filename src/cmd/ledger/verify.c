/* mlopsctl ledger verify: is the history what it was. */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "cmd/shared/workspace.h"

struct opts {
    const char *against;
    bool deep;
};

static const struct mlo_opt opts_table[] = {
    {.name = "against",
     .type = MLO_OPT_STRING,
     .arg = "HEAD",
     .help = "a head that an earlier verify printed, which must still be in the chain",
     .offset = offsetof(struct opts, against)},
    {.name = "deep",
     .type = MLO_OPT_FLAG,
     .help = "let SQLite compare its indexes with the tables too (slower)",
     .offset = offsetof(struct opts, deep)},
    {0},
};

/* "12:<64 hex digits>" */
static int parse_head(const char *text, struct mlo_ledger_head *ret, struct mlo_err *err)
{
    const char *colon = strchr(text, ':');
    char seq[24];
    uint64_t n = 0;
    struct mlo_err ignored;
    struct mlo_ledger_head head;
    if (colon && (size_t)(colon - text) < sizeof seq) {
        snprintf(seq, sizeof seq, "%.*s", (int)(colon - text), text);
        if (mlo_parse_u64(seq, 0, INT64_MAX, "HEAD", &n, &ignored) == 0 &&
            mlo_digest_from_hex(colon + 1, strlen(colon + 1), &head.hash, &ignored) == 0) {
            head.seq = (int64_t)n;
            *ret = head;
            return 0;
        }
    }
    (void)mlo_fail(err, MLO_EUSAGE, "--against: not a head");
    return mlo_hint(err, "it is a number, a colon and 64 hex digits, as `mlopsctl ledger verify` prints it");
}

static void show_head(struct mlo_report *r, const struct mlo_ledger_head *head)
{
    char hex[MLO_DIGEST_HEX + 1], text[MLO_DIGEST_HEX + 24];
    snprintf(text, sizeof text, "%" PRId64 ":%s", head->seq, mlo_digest_hex(&head->hash, hex));
    mlo_report_text(r, "head", "head", text);
}

static int verify(struct mlo_ctx *ctx, struct mlo_ledger *l, const struct mlo_ledger_verify_opts *how,
                  struct mlo_err *err)
{
    struct mlo_ledger_head head;
    uint64_t rows = 0;
    int rc = mlo_ledger_verify(l, how, &rows, err);
    mlo_report_bool(ctx->report, "ok", "intact", rc == 0);
    if (rc == MLO_NO) { /* that is the answer, not a failure of this command */
        mlo_report_text(ctx->report, "fault", "fault", err->msg);
        *err = MLO_ERR_INIT;
        return MLO_NO;
    }
    if (!rc)
        rc = mlo_ledger_head(l, &head, err);
    if (rc)
        return rc;
    mlo_report_u64(ctx->report, "runs", "runs", rows);
    show_head(ctx->report, &head);
    return 0;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *opts = options;
    struct mlo_ledger_head noted;
    struct mlo_ledger_verify_opts how = {.deep = opts->deep};
    struct mlo_workspace ws;
    int rc = opts->against ? parse_head(opts->against, &noted, err) : 0;
    if (!rc)
        rc = mlo_workspace_read(ctx, &ws, err);
    if (rc)
        return rc;
    how.against = opts->against ? &noted : NULL;
    if (ws.ledger)
        rc = verify(ctx, ws.ledger, &how, err);
    else if (opts->against && noted.seq > 0)
        rc = mlo_fail(err, MLO_ENOTFOUND, "there is no ledger");
    else
        mlo_report_note(ctx->report, "there is no ledger yet");
    mlo_workspace_close(&ws);
    return rc;
}

static const struct mlo_example examples[] = {
    {"check everything", "mlopsctl ledger verify"},
    {"for a script: exit status 1 when something is wrong", "mlopsctl ledger verify --json"},
    {0},
};

const struct mlo_command mlo_cmd_ledger_verify = {
    .name = "verify",
    .group = "ledger",
    .summary = "check that no row was edited, removed or added",
    .description = "Hashes every run again with its effects, metrics and artifacts, follows the chain to the "
                   "head, compares\n"
                   "names with the runs that moved them, and lets SQLite check its file. The first fault is "
                   "named; exit\n"
                   "status 1 then. Who can write the file can also forge a whole chain: note the head "
                   "elsewhere and give it\n"
                   "with --against.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .examples = examples,
    .run = run,
};
