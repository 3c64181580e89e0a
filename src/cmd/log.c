/* mlopsctl log: the runs, newest first. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cmd/shared/ledger_view.h"
#include "cmd/shared/log_graph.h"

#define STREAM_FROM 10000 /* more rows than this are not kept in memory */

struct opts {
    const char *command, *status, *name, *since, *until, *grep;
    uint64_t number;
    bool graph;
};

static const struct mlo_opt opts_table[] = {
    {.name = "number",
     .letter = 'n',
     .type = MLO_OPT_U64,
     .arg = "N",
     .help = "show at most N runs, 0 for all (default 25)",
     .offset = offsetof(struct opts, number),
     .max = INT64_MAX},
    {.name = "command",
     .type = MLO_OPT_STRING,
     .arg = "COMMAND",
     .help = "only runs of this command",
     .offset = offsetof(struct opts, command)},
    {.name = "status",
     .type = MLO_OPT_CHOICE,
     .arg = "STATUS",
     .help = "only runs in this state",
     .offset = offsetof(struct opts, status),
     .choices = "running|done|failed|died|undone"},
    {.name = "name",
     .type = MLO_OPT_STRING,
     .arg = "NAME[:TAG]",
     .help = "only runs that moved this name",
     .offset = offsetof(struct opts, name),
     .flags = MLO_OPTF_REF},
    {.name = "since",
     .type = MLO_OPT_STRING,
     .arg = "TIME",
     .help = "only runs begun at or after this time; a duration counts back from now",
     .offset = offsetof(struct opts, since)},
    {.name = "until",
     .type = MLO_OPT_STRING,
     .arg = "TIME",
     .help = "only runs begun before this time",
     .offset = offsetof(struct opts, until)},
    {.name = "grep",
     .type = MLO_OPT_STRING,
     .arg = "TEXT",
     .help = "only runs with this text in their command line or note",
     .offset = offsetof(struct opts, grep)},
    {.name = "graph",
     .type = MLO_OPT_FLAG,
     .help = "draw which run undid which",
     .offset = offsetof(struct opts, graph)},
    {0},
};
static const struct opts defaults = {.number = 25};

static const struct mlo_column columns[] = {
    {"graph", "", MLO_CELL_TEXT},
    {"run", "RUN", MLO_CELL_I64},
    {"started", "STARTED", MLO_CELL_TIME},
    {"status", "STATUS", MLO_CELL_TEXT},
    {"command", "COMMAND", MLO_CELL_TEXT},
    {"undo_of", "UNDOES", MLO_CELL_I64},
    {"undone_by", "UNDONE BY", MLO_CELL_I64},
    {"changes", "CHANGES", MLO_CELL_TEXT},
    {"note", "NOTE", MLO_CELL_TEXT},
    {"outcome", "", MLO_CELL_TEXT}, /* in the text it stands behind the status */
};

struct listing {
    struct mlo_ctx *ctx;
    struct mlo_ledger *ledger;
    struct mlo_graph graph;
    bool draw;
};

static void cell_id(struct mlo_report *r, int64_t id)
{
    if (id)
        mlo_cell_i64(r, id);
    else
        mlo_cell_none(r);
}

/* "done: fail" */
static void cell_status(const struct mlo_ctx *ctx, const char *status, const char *outcome)
{
    char text[64];
    snprintf(text, sizeof text, "%s: %s", status, outcome ? outcome : "");
    mlo_cell_text(ctx->report, outcome && !ctx->json ? text : status);
}

static int show_row(void *data, const struct mlo_run_row *row, struct mlo_err *err)
{
    struct listing *list = data;
    struct mlo_report *r = list->ctx->report;
    MLO_AUTOSTR struct mlo_str graph, changes;
    mlo_str_init(&graph, MLO_STR_MAX);
    mlo_str_init(&changes, MLO_STR_MAX);
    const char *outcome = NULL;
    int rc = list->draw ? mlo_graph_line(&list->graph, list->ledger, row, &graph, err) : 0;
    if (!rc)
        rc = mlo_view_changes(list->ledger, row->id, &changes, err);
    if (!rc)
        rc = mlo_view_outcome(list->ledger, row, &outcome, err);
    if (rc)
        return rc;
    if (list->draw)
        mlo_cell_text(r, graph.ptr);
    mlo_cell_i64(r, row->id);
    mlo_cell_i64(r, row->started_ns);
    cell_status(list->ctx, row->status, outcome);
    mlo_cell_text(r, row->command);
    cell_id(r, row->undo_of);
    cell_id(r, row->undone_by);
    mlo_cell_text(r, changes.ptr);
    mlo_cell_text(r, row->note ? row->note : "");
    if (list->ctx->json)
        mlo_cell_text(r, outcome);
    return 0;
}

static int make_filter(const struct opts *opts, struct mlo_run_filter *ret, struct mlo_err *err)
{
    *ret = (struct mlo_run_filter){.command = opts->command,
                                   .status = opts->status,
                                   .name = opts->name,
                                   .grep = opts->grep,
                                   .limit = (int64_t)opts->number};
    int rc = opts->since ? mlo_view_time(opts->since, "--since", &ret->since_ns, err) : 0;
    return rc || !opts->until ? rc : mlo_view_time(opts->until, "--until", &ret->until_ns, err);
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *opts = options;
    struct mlo_workspace ws;
    struct mlo_run_filter filter;
    int rc = make_filter(opts, &filter, err);
    if (!rc)
        rc = mlo_workspace_read(ctx, &ws, err);
    if (rc)
        return rc;
    struct listing list = {.ctx = ctx, .ledger = ws.ledger, .draw = opts->graph && !ctx->json};
    size_t first = list.draw ? 0 : 1, n = MLO_COUNT(columns) - first - !ctx->json;
    if (opts->number == 0 || opts->number > STREAM_FROM)
        mlo_report_stream(ctx->report, stdout);
    mlo_report_table(ctx->report, "runs", NULL, columns + first, n, "no runs");
    if (ws.ledger)
        rc = mlo_run_each(ws.ledger, &filter, show_row, &list, err);
    mlo_graph_release(&list.graph);
    mlo_workspace_close(&ws);
    return rc;
}

static const struct mlo_example examples[] = {
    {"what happened last", "mlopsctl log"},
    {"who moved this name, and what was taken back", "mlopsctl log --name credit --graph"},
    {"failures of the last week, for a script", "mlopsctl log --status failed --since 7d --json"},
    {0},
};

const struct mlo_command mlo_cmd_log = {
    .name = "log",
    .group = "ledger",
    .summary = "list what was done, newest first",
    .description =
        "Lists the runs of the ledger: every command that changed something, with its result and what it "
        "moved.\n"
        "A run that was rolled back shows as undone. `show-run` tells everything about one of them.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .defaults = &defaults,
    .examples = examples,
    .run = run,
};
