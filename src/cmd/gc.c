/*
 * mlopsctl gc: remove blobs that no name, no kept history and no reversible run needs. What a rollback could
 * still want before and cannot have afterwards is worked out first and said, and recorded in the run as an
 * irreversible effect before the first blob goes.
 */
#include <inttypes.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "cmd/shared/live.h"

struct gc_opts {
    bool dry_run;
    const char *keep; /* a duration; NULL: the setting */
};

/* Runs whose rollback needs a blob that goes. */
struct lost {
    struct mlo_store *store;
    const struct mlo_digest_set *live;
    int64_t *runs;
    size_t n, cap;
};

/* ---- what goes ---- */

/* Without its manifest a bundle's other blobs look like garbage, so a damaged store is repaired before it is
 * collected. */
static int check_tag(void *ctx, const struct mlo_name_row *row, struct mlo_err *err)
{
    struct mlo_store *store = ctx;
    int rc = mlo_store_verify_blob(store, &row->digest, err);
    if (rc != MLO_ENOTFOUND && rc != MLO_EINVALID)
        return rc;
    mlo_fail(err, MLO_EINVALID,
             "the manifest of '%s' is missing or damaged, so what it needs cannot be told from garbage",
             row->name);
    return mlo_hint(
        err, "bring it back with 'mlopsctl verify %s --repair FROM', or give it up with 'mlopsctl untag %s'",
        row->name, row->name);
}

static int note_lost(void *ctx, const struct mlo_digest *d, const char *why, int64_t run, struct mlo_err *err)
{
    struct lost *l = ctx;
    if (strcmp(why, "undo") != 0 || mlo_digest_set_has(l->live, d) || !mlo_store_has(l->store, d, NULL))
        return 0;
    for (size_t i = 0; i < l->n; i++)
        if (l->runs[i] == run)
            return 0;
    int rc = mlo_grow(&l->runs, &l->cap, l->n + 1, sizeof *l->runs, err);
    if (rc == 0)
        l->runs[l->n++] = run;
    return rc;
}

/* ---- report ---- */

static const struct mlo_column lost_columns[] = {
    {"run", "RUN", MLO_CELL_I64},
    {"command", "COMMAND", MLO_CELL_TEXT},
    {"ended", "ENDED", MLO_CELL_TIME},
};

static int report_run(void *ctx, const struct mlo_run_row *row, struct mlo_err *err)
{
    struct mlo_report *r = ctx;
    (void)err;
    mlo_cell_i64(r, row->id);
    mlo_cell_text(r, row->command);
    mlo_cell_i64(r, row->ended_ns);
    return 0;
}

static int report_lost(struct mlo_report *r, struct mlo_ledger *ledger, const struct lost *l,
                       struct mlo_err *err)
{
    int rc = 0;
    if (l->n == 0)
        return 0;
    mlo_report_table(r, "lost", "runs that cannot be rolled back any more", lost_columns,
                     MLO_COUNT(lost_columns), NULL);
    for (size_t i = 0; i < l->n && rc == 0; i++) {
        struct mlo_run_filter one = {.id = l->runs[i], .limit = 1};
        rc = mlo_run_each(ledger, &one, report_run, r, err);
    }
    return rc;
}

static void report_stats(struct mlo_report *r, const struct mlo_gc_stats *s, bool dry_run)
{
    char size[MLO_HUMAN_MAX];
    mlo_report_say(r, "%s %" PRIu64 " blobs, %s", dry_run ? "would remove" : "removed", s->removed,
                   mlo_human_size(s->removed_bytes, size));
    mlo_report_json(r, "dry_run", cJSON_CreateBool(dry_run));
    mlo_report_u64(r, "kept_blobs", "blobs kept", s->kept);
    mlo_report_size(r, "kept_bytes", "bytes kept", s->kept_bytes);
    mlo_report_u64(r, "removed_blobs", dry_run ? "blobs to remove" : "blobs removed", s->removed);
    mlo_report_size(r, "removed_bytes", dry_run ? "bytes to free" : "bytes freed", s->removed_bytes);
}

/* ---- doing it ---- */

static int record(struct mlo_run *run, const struct mlo_gc_stats *s, struct mlo_err *err)
{
    char before[80];
    snprintf(before, sizeof before, "%" PRIu64 " blobs, %" PRIu64 " bytes", s->removed, s->removed_bytes);
    return mlo_run_irreversible(run, "gc", "store", before, err);
}

/* Without a run (dry run) everything but the removing. */
static int collect(struct mlo_workspace *ws, int64_t since_ns, struct mlo_digest_set *live, struct lost *l,
                   struct mlo_err *err)
{
    struct mlo_gc_stats stats;
    int rc = mlo_name_each(ws->ledger, "tag", check_tag, ws->store, err);
    if (rc == 0)
        rc = mlo_live_blobs(ws, since_ns, live, err);
    if (rc == 0)
        rc = mlo_ledger_roots(ws->ledger, 0, note_lost, l, err);
    if (rc == 0)
        rc = mlo_store_gc(ws->store, live, true, &stats, err);
    if (rc == 0 && ws->run && stats.removed > 0)
        rc = record(ws->run, &stats, err);
    if (rc == 0 && ws->run)
        rc = mlo_store_gc(ws->store, live, false, &stats, err);
    if (rc == 0)
        rc = report_lost(ws->ctx->report, ws->ledger, l, err);
    if (rc == 0)
        report_stats(ws->ctx->report, &stats, !ws->run);
    return rc;
}

static int collect_workspace(struct mlo_workspace *ws, int64_t since_ns, struct mlo_err *err)
{
    struct mlo_digest_set live = {0};
    struct lost l = {.store = ws->store, .live = &live};
    int rc = collect(ws, since_ns, &live, &l, err);
    mlo_digest_set_release(&live);
    free(l.runs);
    return rc;
}

static int run_dry(struct mlo_ctx *ctx, int64_t since_ns, struct mlo_err *err)
{
    struct mlo_workspace ws = {0};
    int rc = mlo_workspace_read(ctx, &ws, err);
    if (rc < 0)
        return rc;
    if (ws.store)
        rc = collect_workspace(&ws, since_ns, err);
    else
        report_stats(ctx->report, &(struct mlo_gc_stats){0}, true);
    mlo_workspace_close(&ws);
    return rc;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct gc_opts *o = options;
    struct mlo_workspace ws = {0};
    int64_t since_ns;
    int rc = mlo_live_since(ctx, o->keep, &since_ns, err);
    if (rc < 0)
        return rc;
    if (o->dry_run)
        return run_dry(ctx, since_ns, err);
    rc = mlo_workspace_begin(ctx, &ws, 0, err);
    if (rc < 0)
        return rc;
    return mlo_workspace_end(&ws, collect_workspace(&ws, since_ns, err), err);
}

static const struct mlo_opt opts[] = {
    {.name = "dry-run",
     .letter = 'n',
     .type = MLO_OPT_FLAG,
     .help = "say what would be removed and lost, remove nothing",
     .offset = offsetof(struct gc_opts, dry_run)},
    {.name = "keep",
     .type = MLO_OPT_STRING,
     .arg = "DURATION",
     .help =
         "how long what a name pointed at stays after the name has moved (default: the setting gc.retention)",
     .offset = offsetof(struct gc_opts, keep)},
    {0},
};

static const struct mlo_example examples[] = {
    {"what would go, and which runs could no longer be rolled back", "mlopsctl gc --dry-run"},
    {"collect, keeping a week of history", "mlopsctl gc --keep 7d"},
    {0},
};

const struct mlo_command mlo_cmd_gc = {
    .name = "gc",
    .group = "bundles",
    .summary = "remove blobs that nothing needs any more",
    .synopsis = "",
    .description = "Removes blobs that no name, no kept history and no reversible run needs.\n"
                   "Says which runs cannot be rolled back afterwards. Waits until no other command is adding "
                   "to the store.",
    .opts = opts,
    .opts_size = sizeof(struct gc_opts),
    .examples = examples,
    .flags = MLO_CMDF_WRITES | MLO_CMDF_ALONE,
    .run = run,
};
