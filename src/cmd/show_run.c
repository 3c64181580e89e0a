/* mlopsctl show-run: everything that is known about one run. */
#include <string.h>

#include "cmd/bench/bench.h"
#include "cmd/shared/ledger_view.h"

static const struct mlo_column effect_columns[] = {
    {"kind", "KIND", MLO_CELL_TEXT},     {"target", "TARGET", MLO_CELL_TEXT},
    {"before", "BEFORE", MLO_CELL_TEXT}, {"after", "AFTER", MLO_CELL_TEXT},
    {"state", "STATE", MLO_CELL_TEXT},
};
static const struct mlo_column metric_columns[] = {
    {"metric", "METRIC", MLO_CELL_TEXT},
    {"value", "VALUE", MLO_CELL_DOUBLE},
};
static const struct mlo_column artifact_columns[] = {
    {"kind", "ARTIFACT", MLO_CELL_TEXT},
    {"digest", "DIGEST", MLO_CELL_DIGEST},
    {"size", "SIZE", MLO_CELL_SIZE},
};

struct shown {
    struct mlo_ctx *ctx;
    struct mlo_ledger *ledger;
    bool found;
};

static void show_argv(struct mlo_report *r, const struct mlo_run_row *row)
{
    cJSON *argv = NULL;
    struct mlo_err ignored;
    if (mlo_json_parse(row->argv_json, strlen(row->argv_json), MLO_STR_MAX, &argv, &ignored) == 0)
        mlo_report_json(r, "argv", argv);
}

static void show_end(struct mlo_report *r, const struct mlo_run_row *row)
{
    if (row->seq == 0)
        return;
    mlo_report_duration(r, "duration", "took",
                        row->ended_ns > row->started_ns ? (uint64_t)(row->ended_ns - row->started_ns) : 0);
    if (row->exit_code >= 0)
        mlo_report_u64(r, "exit_code", "exit code", (uint64_t)row->exit_code);
    mlo_report_u64(r, "place", "place in the chain", (uint64_t)row->seq);
    mlo_report_digest(r, "hash", "hash", &row->hash);
}

static int show_facts(void *data, const struct mlo_run_row *row, struct mlo_err *err)
{
    struct shown *shown = data;
    struct mlo_report *r = shown->ctx->report;
    const char *outcome = NULL;
    shown->found = true;
    int rc = mlo_view_outcome(shown->ledger, row, &outcome, err);
    if (rc)
        return rc;
    mlo_report_u64(r, "run", "run", (uint64_t)row->id);
    mlo_report_text(r, "command", "command", row->command);
    if (shown->ctx->json)
        show_argv(r, row);
    else
        mlo_report_text(r, "argv", "command line", row->argv_json);
    mlo_report_text(r, "status", "status", row->status);
    mlo_report_text(r, "outcome", "outcome", outcome);
    if (row->undo_of)
        mlo_report_u64(r, "undo_of", "undoes run", (uint64_t)row->undo_of);
    if (row->undone_by)
        mlo_report_u64(r, "undone_by", "undone by run", (uint64_t)row->undone_by);
    mlo_report_time(r, "started", "started", row->started_ns);
    show_end(r, row);
    mlo_report_text(r, "note", "note", row->note);
    mlo_report_text(r, "user", "user", row->user);
    mlo_report_text(r, "host", "host", row->host);
    mlo_report_text(r, "folder", "folder", row->cwd);
    mlo_report_text(r, "git_commit", "git commit", row->git_commit);
    if (row->git_commit)
        mlo_report_bool(r, "git_dirty", "uncommitted changes", row->git_dirty);
    mlo_report_text(r, "tool_version", "mlopsctl", row->tool_version);
    return 0;
}

static int show_effect(void *data, const struct mlo_effect *e, struct mlo_err *err)
{
    struct shown *shown = data;
    (void)err;
    mlo_cell_text(shown->ctx->report, e->kind);
    mlo_cell_text(shown->ctx->report, e->target);
    mlo_view_value(shown->ctx, e->before);
    mlo_view_value(shown->ctx, e->after);
    mlo_cell_text(shown->ctx->report, mlo_view_state(e->state));
    return 0;
}

static int show_metric(void *data, const char *key, double value, struct mlo_err *err)
{
    struct shown *shown = data;
    (void)err;
    mlo_cell_text(shown->ctx->report, key);
    mlo_cell_double(shown->ctx->report, value);
    return 0;
}

static int show_artifact(void *data, const char *kind, const struct mlo_digest *d, uint64_t size,
                         struct mlo_err *err)
{
    struct shown *shown = data;
    (void)err;
    mlo_cell_text(shown->ctx->report, kind);
    mlo_cell_digest(shown->ctx->report, d);
    mlo_cell_u64(shown->ctx->report, size);
    return 0;
}

static int show(struct shown *shown, struct mlo_ledger *l, int64_t id, struct mlo_err *err)
{
    struct mlo_report *r = shown->ctx->report;
    struct mlo_run_filter filter = {.id = id};
    shown->ledger = l;
    int rc = l ? mlo_run_each(l, &filter, show_facts, shown, err) : 0;
    if (!rc && !shown->found) {
        (void)mlo_fail(err, MLO_ENOTFOUND, "run %lld: no such run", (long long)id);
        return mlo_hint(err, "`mlopsctl log` lists them");
    }
    if (rc)
        return rc;
    mlo_report_table(r, "effects", "what it changed", effect_columns, MLO_COUNT(effect_columns),
                     "it changed nothing");
    rc = mlo_effect_each(l, id, show_effect, shown, err);
    if (rc)
        return rc;
    mlo_report_table(r, "metrics", "metrics", metric_columns, MLO_COUNT(metric_columns), NULL);
    rc = mlo_metric_each(l, id, show_metric, shown, err);
    if (rc)
        return rc;
    mlo_report_table(r, "artifacts", "artifacts", artifact_columns, MLO_COUNT(artifact_columns), NULL);
    return mlo_artifact_each(l, id, show_artifact, shown, err);
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct shown shown = {.ctx = ctx};
    struct mlo_workspace ws;
    int64_t id = 0;
    (void)options;
    int rc = mlo_view_run_id(ctx->args[0], &id, err);
    if (!rc)
        rc = mlo_workspace_read(ctx, &ws, err);
    if (rc)
        return rc;
    rc = show(&shown, ws.ledger, id, err);
    if (!rc)
        rc = mlo_bench_show_run(ctx, &ws, id, err);
    mlo_workspace_close(&ws);
    return rc;
}

static const struct mlo_example examples[] = {
    {"what the first run did", "mlopsctl show-run 1"},
    {"for a script", "mlopsctl show-run 1 --json"},
    {0},
};

const struct mlo_command mlo_cmd_show_run = {
    .name = "show-run",
    .group = "ledger",
    .summary = "show everything about one run",
    .synopsis = "RUN",
    .description =
        "Shows who ran what, where and when, how it ended, and what it changed from what to what,\n"
        "with the metrics and artifacts that it recorded, and the times of a bench as a picture. Secrets "
        "were taken out before they were recorded.",
    .args = {.min = 1, .max = 1},
    .examples = examples,
    .run = run,
};
