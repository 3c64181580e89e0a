/* mlopsctl runpod reap: ends pods that outlived their lease or belong to nobody. Made for cron: says nothing
 * when there is nothing to do, goes on after a failure, ends when the service says that all are gone. */
#include <string.h>

#include <mlopsctl/base/time.h>

#include "pod_record.h"
#include "runpod.h"
#include "cmd/shared/workspace.h"

struct opts {
    bool stopped, orphans, dry_run;
};

static const struct mlo_opt opts_table[] = {
    {.name = "stopped",
     .type = MLO_OPT_FLAG,
     .help = "stopped pods of this program too, whose disks still cost",
     .offset = offsetof(struct opts, stopped)},
    {.name = "orphans",
     .type = MLO_OPT_FLAG,
     .help = "pods without any lease too, whoever made them; this has to be agreed to",
     .offset = offsetof(struct opts, orphans)},
    {.name = "dry-run",
     .letter = 'n',
     .type = MLO_OPT_FLAG,
     .help = "say what would be ended, end nothing; status 1 when there is something",
     .offset = offsetof(struct opts, dry_run)},
    {0},
};

struct reaping {
    struct mlo_ctx *ctx;
    const struct opts *o;
    struct mlo_runpod *c;
    struct mlo_pod_records records;
    struct mlo_runpod_pods pods;
    enum mlo_runpod_fate *fates; /* of each pod */
    const char **outcomes;       /* what became of it */
    size_t n, n_orphans;
    double cost; /* USD an hour of what goes */
};

static const char *reason(enum mlo_runpod_fate f)
{
    static const char *const reasons[] = {[MLO_RUNPOD_KEEP] = "",
                                          [MLO_RUNPOD_OVER] = "its lease is over",
                                          [MLO_RUNPOD_LOST] = "making it was taken back",
                                          [MLO_RUNPOD_STOPPED] = "it is stopped",
                                          [MLO_RUNPOD_ORPHAN] = "nobody's: no lease"};
    return reasons[f];
}

/* ---- which ---- */

static bool is_meant(const struct mlo_ctx *ctx, const struct mlo_runpod_pod *p)
{
    size_t n = mlo_runpod_lease_name_length(p->name);
    for (size_t i = 0; i < ctx->n_args; i++)
        if (strcmp(ctx->args[i], p->id) == 0 ||
            (strlen(ctx->args[i]) == n && memcmp(ctx->args[i], p->name, n) == 0))
            return true;
    return ctx->n_args == 0;
}

static void say_locked(struct reaping *r, const struct mlo_runpod_pod *p, const struct mlo_runpod_lease *l,
                       int64_t now)
{
    if ((p->locked || p->cluster) && l->end_ns && l->end_ns <= now)
        mlo_note(r->ctx, "pod %s is kept although its lease is over: it is %s", p->id,
                 p->locked ? "locked" : "part of a cluster");
}

static void judge(struct reaping *r)
{
    struct mlo_runpod_reap how = {
        .now_ns = mlo_runpod_time(r->c), .stopped = r->o->stopped, .orphans = r->o->orphans};
    for (size_t i = 0; i < r->pods.n; i++) {
        const struct mlo_runpod_pod *p = &r->pods.items[i];
        const struct mlo_pod_record *known = mlo_pod_records_find(&r->records, p);
        struct mlo_runpod_lease l = mlo_pod_lease(&r->records, p);
        if (!is_meant(r->ctx, p))
            continue;
        say_locked(r, p, &l, how.now_ns);
        r->fates[i] = mlo_runpod_fate(p, &l, known && known->gone, &how);
        r->n += r->fates[i] != MLO_RUNPOD_KEEP;
        r->n_orphans += r->fates[i] == MLO_RUNPOD_ORPHAN;
        r->cost += r->fates[i] != MLO_RUNPOD_KEEP ? p->cost : 0;
    }
}

static int look(struct reaping *r, struct mlo_err *err)
{
    int rc = mlo_pod_records_of(r->ctx, &r->records, err);
    if (rc == 0)
        rc = mlo_ctx_runpod(r->ctx, &r->c, err);
    if (rc == 0)
        rc = mlo_runpod_pod_list(r->c, &r->pods, err);
    if (rc != 0)
        return rc;
    r->fates = mlo_calloc(r->pods.n + 1, sizeof *r->fates, err);
    r->outcomes = mlo_calloc(r->pods.n + 1, sizeof *r->outcomes, err);
    if (!r->fates || !r->outcomes)
        return MLO_EIO;
    judge(r);
    return 0;
}

/* ---- consent for what may be somebody else's ---- */

static int ask(const struct reaping *r, struct mlo_err *err)
{
    char usd[MLO_USD_MAX];
    MLO_AUTOSTR struct mlo_str q;
    mlo_str_init(&q, MLO_STR_MAX);
    mlo_str_addf(&q, "This removes %zu pod%s that nobody holds a lease on:", r->n_orphans,
                 r->n_orphans == 1 ? "" : "s");
    for (size_t i = 0; i < r->pods.n; i++)
        if (r->fates[i] == MLO_RUNPOD_ORPHAN) {
            mlo_str_addf(&q, " %s (", r->pods.items[i].id);
            mlo_escape(&q, r->pods.items[i].name, strlen(r->pods.items[i].name));
            mlo_str_addf(&q, ", %s an hour)", mlo_usd(r->pods.items[i].cost, usd));
        }
    mlo_str_add(&q, ". Go on?");
    int rc = mlo_str_check(&q, err);
    return rc != 0 ? rc : mlo_consent(r->ctx, q.ptr, err);
}

/* ---- ending them ---- */

/* One that cannot be ended must not save the others. The first failure is the command's. */
static int end_all(struct reaping *r, struct mlo_workspace *ws, struct mlo_err *err)
{
    struct mlo_err first = MLO_ERR_INIT;
    for (size_t i = 0; i < r->pods.n && !mlo_interrupted(); i++) {
        struct mlo_err failed = MLO_ERR_INIT;
        if (r->fates[i] == MLO_RUNPOD_KEEP)
            continue;
        r->outcomes[i] = "removed";
        if (mlo_pod_end(ws, r->c, &r->records, &r->pods.items[i], &failed) == 0)
            continue;
        r->outcomes[i] = "failed";
        if (first.code)
            mlo_warn(r->ctx, "%s", failed.msg);
        else
            first = failed;
    }
    for (size_t i = 0; first.code && i < r->pods.n; i++)
        if (r->outcomes[i] && strcmp(r->outcomes[i], "removed") == 0)
            mlo_note(r->ctx, "pod %s was removed: %s", r->pods.items[i].id, reason(r->fates[i]));
    if (first.code)
        *err = first;
    return first.code ? first.code : mlo_interrupted() ? mlo_fail(err, MLO_EIO, "interrupted") : 0;
}

static const struct mlo_column columns[] = {
    {"id", "ID", MLO_CELL_TEXT},      {"name", "NAME", MLO_CELL_TEXT}, {"status", "STATUS", MLO_CELL_TEXT},
    {"cost", "$/H", MLO_CELL_DOUBLE}, {"why", "WHY", MLO_CELL_TEXT},   {"outcome", "OUTCOME", MLO_CELL_TEXT},
};

static void report(const struct reaping *r)
{
    struct mlo_report *out = r->ctx->report;
    char usd[MLO_USD_MAX];
    if (!r->n && !r->ctx->json)
        return;
    mlo_report_table(out, "pods", NULL, columns, MLO_COUNT(columns), NULL);
    for (size_t i = 0; i < r->pods.n; i++) {
        const struct mlo_runpod_pod *p = &r->pods.items[i];
        if (r->fates[i] == MLO_RUNPOD_KEEP)
            continue;
        mlo_cell_text(out, p->id);
        mlo_cell_text(out, p->name);
        mlo_cell_text(out, p->status_text);
        mlo_cell_double(out, p->cost);
        mlo_cell_text(out, reason(r->fates[i]));
        mlo_cell_text(out, r->outcomes[i]);
    }
    if (r->n)
        mlo_report_say(out, "%s %zu pod%s: %s an hour", r->o->dry_run ? "would end" : "ended", r->n,
                       r->n == 1 ? "" : "s", mlo_usd(r->cost, usd));
}

static int reap(struct reaping *r, struct mlo_err *err)
{
    struct mlo_workspace ws = {0};
    int rc = look(r, err);
    if (rc == 0 && r->n && !r->o->dry_run) {
        if (r->n_orphans)
            rc = ask(r, err);
        if (rc == 0)
            rc = mlo_workspace_begin(r->ctx, &ws, 0, err);
        if (rc == 0)
            rc = mlo_workspace_end(&ws, end_all(r, &ws, err), err);
    }
    if (rc == 0)
        report(r);
    return rc == 0 && r->n && r->o->dry_run ? MLO_NO : rc;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct reaping r = {.ctx = ctx, .o = options};
    int rc = reap(&r, err);
    free(r.fates);
    free(r.outcomes);
    mlo_runpod_pods_release(&r.pods);
    mlo_pod_records_release(&r.records);
    return rc;
}

static const struct mlo_example examples[] = {
    {"What would be ended", "mlopsctl runpod reap --dry-run"},
    {"For cron: quiet when nothing is over", "mlopsctl runpod reap"},
    {0},
};

const struct mlo_command mlo_cmd_runpod_reap = {
    .name = "reap",
    .summary = "end pods that outlived their lease",
    .synopsis = "[POD...]",
    .description = "Ends what this program made and whose lease is over, by name, environment or ledger, and "
                   "what is left of\n"
                   "creates that were taken back. Pods without any mark are never touched, unless with "
                   "--orphans. With POD only\n"
                   "those are looked at. Each end is an effect in the ledger; it cannot be undone.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .args = {.max = 64},
    .examples = examples,
    .flags = MLO_CMDF_WRITES,
    .run = run,
};
