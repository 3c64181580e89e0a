/*
 * mlopsctl rollback: undo a run, or everything after one. The plan is made twice: first for reading, so that
 * a refusal leaves no trace, then inside the run that carries it out, where the store is locked against gc.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cmd/shared/ledger_view.h"
#include "cmd/runpod/runpod.h"

struct opts {
    bool last, dry_run, cascade, force, partial;
    uint64_t to;
};

static const struct mlo_opt opts_table[] = {
    {.name = "last",
     .type = MLO_OPT_FLAG,
     .help = "undo the newest run that changed something, is not undone and is not itself an undo",
     .offset = offsetof(struct opts, last)},
    {.name = "to",
     .type = MLO_OPT_U64,
     .arg = "RUN",
     .help = "undo everything after this run, which stays",
     .offset = offsetof(struct opts, to),
     .min = 1,
     .max = INT64_MAX},
    {.name = "cascade",
     .type = MLO_OPT_FLAG,
     .help = "undo later runs that build on it too",
     .offset = offsetof(struct opts, cascade)},
    {.name = "force",
     .type = MLO_OPT_FLAG,
     .help = "undo although something was changed since by other means",
     .offset = offsetof(struct opts, force)},
    {.name = "partial",
     .type = MLO_OPT_FLAG,
     .help = "leave what cannot be undone and undo the rest",
     .offset = offsetof(struct opts, partial)},
    {.name = "dry-run",
     .type = MLO_OPT_FLAG,
     .help = "show what would be done",
     .offset = offsetof(struct opts, dry_run)},
    {0},
};

static const struct mlo_column columns[] = {
    {"run", "RUN", MLO_CELL_I64},    {"kind", "KIND", MLO_CELL_TEXT}, {"target", "TARGET", MLO_CELL_TEXT},
    {"from", "FROM", MLO_CELL_TEXT}, {"to", "TO", MLO_CELL_TEXT},
};

/* The store may have lost what a name should get back. */
static int in_store(void *ctx, const struct mlo_digest *d, struct mlo_err *err)
{
    const struct mlo_workspace *ws = ctx;
    if (ws->store && mlo_store_has(ws->store, d, NULL))
        return 0;
    (void)mlo_fail(err, MLO_ENOTFOUND, "it is no longer in the store");
    return mlo_hint(err, "gc has collected it; pull or import it again first");
}

static int make_plan(struct mlo_workspace *ws, const struct opts *opts, int64_t run,
                     struct mlo_undo_plan **ret, struct mlo_err *err)
{
    size_t n;
    const struct mlo_undo_handler *handlers = mlo_undo_handlers(ws, &n);
    struct mlo_undo_opts how = {.cascade = opts->cascade,
                                .force = opts->force,
                                .partial = opts->partial,
                                .after = opts->to != 0,
                                .target_ok = in_store,
                                .ctx = ws};
    return mlo_undo_plan(ws->ledger, run, &how, handlers, n, ret, err);
}

static int choose_run(struct mlo_ctx *ctx, struct mlo_ledger *l, const struct opts *opts, int64_t *ret,
                      struct mlo_err *err)
{
    if ((ctx->n_args != 0) + opts->last + (opts->to != 0) != 1)
        return mlo_fail(err, MLO_EUSAGE, "give one of RUN, --last and --to RUN");
    if (opts->to)
        *ret = (int64_t)opts->to;
    else if (ctx->n_args && mlo_view_run_id(ctx->args[0], ret, err))
        return err->code;
    if (!l)
        return mlo_fail(err, MLO_ENOTFOUND, "there are no runs yet");
    return opts->last ? mlo_undo_last(l, ret, err) : 0;
}

struct summary {
    struct mlo_ctx *ctx;
    struct mlo_workspace *ws;
    int64_t newest; /* run of the first effect */
    unsigned effects;
    struct mlo_str losses; /* what cannot be had back afterwards, what it costs: "removes ...; " */
};

static int show_effect(void *data, const struct mlo_effect *e, struct mlo_err *err)
{
    struct summary *s = data;
    struct mlo_report *r = s->ctx->report;
    (void)err;
    if (!s->effects++)
        s->newest = e->run;
    mlo_cell_i64(r, e->run);
    mlo_cell_text(r, e->kind);
    mlo_cell_text(r, e->target);
    mlo_view_value(s->ctx, e->after);
    mlo_view_value(s->ctx, e->before);
    return 0;
}

static int show_loss(void *data, const struct mlo_effect *e, struct mlo_err *err)
{
    struct summary *s = data;
    size_t n, before = s->losses.len;
    const struct mlo_undo_handler *h = mlo_undo_handlers(s->ws, &n);
    for (; n && strcmp(h->kind, e->kind) != 0; n--)
        h++;
    int rc = n && h->loses ? h->loses(h->ctx, e, &s->losses, err) : 0;
    if (rc == 0 && s->losses.len > before) {
        mlo_report_note(s->ctx->report, "this %s", s->losses.ptr + before);
        mlo_str_add(&s->losses, "; ");
    }
    return rc ? rc : mlo_str_check(&s->losses, err);
}

static int show_plan(struct summary *s, const struct mlo_undo_plan *plan, struct mlo_err *err)
{
    mlo_report_table(s->ctx->report, "effects", NULL, columns, MLO_COUNT(columns), NULL);
    int rc = mlo_undo_plan_each(plan, show_effect, s, err);
    return rc ? rc : mlo_undo_plan_each(plan, show_loss, s, err);
}

/* For reading: which run, and would it work. Shows the plan. */
static int preview(struct mlo_ctx *ctx, const struct opts *opts, struct summary *s, int64_t *ret_run,
                   struct mlo_err *err)
{
    struct mlo_workspace ws = {0};
    struct mlo_undo_plan *plan = NULL;
    int rc = mlo_workspace_read(ctx, &ws, err);
    if (rc)
        return rc;
    if (!opts->dry_run) /* a rollback that died is no longer at work on what it announced */
        rc = mlo_workspace_recover(&ws, NULL, NULL, err);
    if (!rc)
        rc = choose_run(ctx, ws.ledger, opts, ret_run, err);
    if (!rc)
        rc = make_plan(&ws, opts, *ret_run, &plan, err);
    s->ws = &ws;
    if (!rc)
        rc = show_plan(s, plan, err);
    mlo_undo_plan_free(plan);
    mlo_workspace_close(&ws);
    return rc;
}

/* What was made elsewhere may hold what exists nowhere else. */
static int ask(struct summary *s, struct mlo_err *err)
{
    char question[MLO_SHOWN * 4];
    if (!s->losses.len)
        return 0;
    snprintf(question, sizeof question, "This %sgo on?", s->losses.ptr);
    return mlo_consent(s->ctx, question, err);
}

static int carry_out(struct mlo_workspace *ws, const struct opts *opts, int64_t run, struct mlo_err *err)
{
    struct mlo_undo_plan *plan = NULL;
    int rc = make_plan(ws, opts, run, &plan, err);
    if (!rc)
        rc = mlo_undo_apply(plan, ws->run, err);
    mlo_undo_plan_free(plan);
    return rc;
}

static void say(const struct summary *s, const struct opts *opts, int64_t run, int64_t by)
{
    const char *what = opts->to ? "everything after run" : "run";
    const char *plural = s->effects == 1 ? "" : "s";
    struct mlo_report *r = s->ctx->report;
    if (opts->dry_run)
        mlo_report_say(r, "would undo %s %lld: %u effect%s", what, (long long)run, s->effects, plural);
    else
        mlo_report_say(r, "undid %s %lld: %u effect%s; run %lld undoes this", what, (long long)run,
                       s->effects, plural, (long long)by);
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *opts = options;
    struct summary s = {.ctx = ctx};
    struct mlo_workspace ws = {.ctx = ctx};
    int64_t id = 0, by = 0;
    mlo_str_init(&s.losses, MLO_STR_MAX);
    int rc = preview(ctx, opts, &s, &id, err);
    if (!rc && !opts->dry_run)
        rc = ask(&s, err);
    mlo_str_release(&s.losses);
    if (!rc && !opts->dry_run) {
        rc = mlo_workspace_begin(ctx, &ws, opts->to ? s.newest : id, err);
        if (rc)
            return rc;
        by = mlo_run_id(ws.run);
        rc = mlo_workspace_end(&ws, carry_out(&ws, opts, id, err), err);
    }
    if (rc)
        return rc;
    if (ctx->json && by)
        mlo_report_u64(ctx->report, "run", "run", (uint64_t)by);
    say(&s, opts, id, by);
    return 0;
}

static const struct mlo_example examples[] = {
    {"what would undoing the last change do", "mlopsctl rollback --last --dry-run"},
    {"undo it", "mlopsctl rollback --last"},
    {0},
};

const struct mlo_command mlo_cmd_rollback = {
    .name = "rollback",
    .group = "ledger",
    .summary = "undo what a run changed",
    .synopsis = "RUN | --last | --to RUN",
    .description =
        "Undoes the effects of a run in reverse order, as a new run that can be rolled back itself.\n"
        "Everything is checked before anything is touched: it is refused when later runs build on the run,\n"
        "when something was changed since by other means, or when it cannot be undone. Names move back in "
        "one\n"
        "transaction; nothing is copied.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .args = {.max = 1},
    .examples = examples,
    .flags = MLO_CMDF_WRITES,
    .run = run,
};
