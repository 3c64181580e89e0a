/*
 * Undo: a plan first, complete and checked against the world, then the inverse effects as an ordinary run.
 *
 * Which runs: the one asked for, or all after it; with cascade also what builds on them. A later run builds
 * on an earlier one when both changed the same thing (kind, target), unless it is undone itself, or is the
 * undo of something that is later too: such a pair leaves no trace. Undone runs are marked by effects of kind
 * "run" of the undoing run, so the marks are in the chain and undoing an undo takes them back like anything
 * else.
 */
#include "internal.h"

#include <inttypes.h>
#include <search.h>
#include <string.h>

#define PLAN_MEMORY_MAX ((size_t)1 << 30)
#define LISTED_RUNS     8 /* named in a refusal */

struct chosen {
    int64_t id, seq;
};

struct item {
    struct mlo_effect e;                    /* as recorded; text in the arena */
    const struct mlo_undo_handler *handler; /* NULL for names and runs */
};

/* Something that the plan changes. */
struct thing {
    const char *kind, *target;
    int64_t floor;     /* later runs were looked for after this seq */
    bool known;        /* `value` is what undoing so far leaves */
    const char *value; /* NULL: nothing */
};

struct mlo_undo_plan {
    struct mlo_ledger *l;
    struct mlo_undo_opts opts;
    struct mlo_undo_handler *handlers;
    size_t n_handlers;
    struct mlo_arena arena;
    struct chosen *runs;
    size_t n_runs, cap_runs;
    struct item *items;
    size_t n_items, cap_items;
    struct thing **things;
    size_t n_things, cap_things;
    void *thing_tree, *run_tree; /* search.h */
};

static void no_free(void *p)
{
    (void)p;
}

void mlo_undo_plan_free(struct mlo_undo_plan *p)
{
    if (!p)
        return;
    tdestroy(p->thing_tree, no_free);
    tdestroy(p->run_tree, no_free);
    mlo_arena_release(&p->arena);
    free(p->handlers);
    free(p->runs);
    free(p->items);
    free(p->things);
    free(p);
}

static int copy_text(struct mlo_arena *arena, const char *s, const char **ret, struct mlo_err *err)
{
    *ret = s ? mlo_arena_strndup(arena, s, strlen(s), err) : NULL;
    return s && !*ret ? err->code : 0;
}

int mlo_effect_copy(struct mlo_arena *arena, const struct mlo_effect *e, struct mlo_effect *ret,
                    struct mlo_err *err)
{
    *ret = *e;
    int rc = copy_text(arena, e->kind, &ret->kind, err);
    if (!rc)
        rc = copy_text(arena, e->target, &ret->target, err);
    if (!rc)
        rc = copy_text(arena, e->before, &ret->before, err);
    return rc ? rc : copy_text(arena, e->after, &ret->after, err);
}

/* ---- sets ---- */

static int thing_cmp(const void *a, const void *b)
{
    const struct thing *x = a, *y = b;
    int c = strcmp(x->target, y->target);
    return c ? c : strcmp(x->kind, y->kind);
}

static int thing_of(struct mlo_undo_plan *p, const char *kind, const char *target, struct thing **ret,
                    struct mlo_err *err)
{
    struct thing key = {.kind = kind, .target = target};
    void *found = tfind(&key, &p->thing_tree, thing_cmp);
    if (found) {
        *ret = *(struct thing **)found;
        return 0;
    }
    int rc = mlo_grow(&p->things, &p->cap_things, p->n_things + 1, sizeof(struct thing *), err);
    struct thing *t = rc ? NULL : mlo_arena_alloc(&p->arena, 1, sizeof *t, err);
    if (!t)
        return err->code;
    t->floor = INT64_MAX;
    rc = copy_text(&p->arena, kind, &t->kind, err);
    if (!rc)
        rc = copy_text(&p->arena, target, &t->target, err);
    if (rc)
        return rc;
    if (!tsearch(t, &p->thing_tree, thing_cmp))
        return mlo_fail_nomem(err);
    p->things[p->n_things++] = *ret = t;
    return 0;
}

static int id_cmp(const void *a, const void *b)
{
    const struct chosen *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static bool is_chosen(const struct mlo_undo_plan *p, int64_t id)
{
    struct chosen key = {.id = id};
    return tfind(&key, &p->run_tree, id_cmp) != NULL;
}

static int choose(struct mlo_undo_plan *p, int64_t id, int64_t seq, struct mlo_err *err)
{
    int rc = mlo_grow(&p->runs, &p->cap_runs, p->n_runs + 1, sizeof *p->runs, err);
    struct chosen *node = rc ? NULL : mlo_arena_alloc(&p->arena, 1, sizeof *node, err);
    if (!node)
        return err->code;
    *node = (struct chosen){id, seq};
    if (!tsearch(node, &p->run_tree, id_cmp))
        return mlo_fail_nomem(err);
    p->runs[p->n_runs++] = *node;
    return 0;
}

/* ---- which runs ---- */

/* Does a run that ended after `floor` leave a trace of its own there? */
static int leaves_trace(struct mlo_ledger *l, int64_t run, int64_t floor, bool *ret, struct mlo_err *err)
{
    int64_t undone_by = 0;
    bool row = false;
    int rc = mlo_undone_by(l, run, &undone_by, err);
    if (rc || undone_by) {
        *ret = false;
        return rc;
    }
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    rc = mlo_stmt_get(l, MLO_SQL_UNDO_MARKS, &s, err);
    if (!rc)
        rc = mlo_stmt_bind(&s, err, "i", run);
    if (!rc)
        rc = mlo_stmt_step(&s, &row, err);
    if (!rc)
        *ret = !row || mlo_stmt_i64(&s, 0) <= floor;
    return rc;
}

static int has_effects(struct mlo_ledger *l, int64_t run, bool *ret, struct mlo_err *err)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    int rc = mlo_stmt_get(l, MLO_SQL_EFFECTS, &s, err);
    if (!rc)
        rc = mlo_stmt_bind(&s, err, "i", run);
    return rc ? rc : mlo_stmt_step(&s, ret, err);
}

static int check_run(struct mlo_ledger *l, int64_t run, struct mlo_run_state *state, struct mlo_err *err)
{
    int rc = mlo_run_state(l, run, state, err);
    if (rc)
        return rc;
    if (strcmp(state->status, "running") == 0)
        return mlo_fail(err, MLO_EUSAGE, "run %" PRId64 " (%s) is still running", run, state->command);
    return 0;
}

static int choose_one(struct mlo_undo_plan *p, int64_t run, struct mlo_err *err)
{
    struct mlo_run_state state;
    bool any = false;
    int rc = check_run(p->l, run, &state, err);
    if (!rc)
        rc = has_effects(p->l, run, &any, err);
    if (rc)
        return rc;
    if (state.undone_by) {
        (void)mlo_fail(err, MLO_EUSAGE, "run %" PRId64 " (%s) is already undone, by run %" PRId64, run,
                       state.command, state.undone_by);
        return mlo_hint(err, "undo that one to have it back: mlopsctl rollback %" PRId64, state.undone_by);
    }
    if (!any)
        return mlo_fail(err, MLO_EUSAGE, "run %" PRId64 " (%s) changed nothing", run, state.command);
    return choose(p, run, state.seq, err);
}

static int choose_after(struct mlo_undo_plan *p, int64_t run, struct mlo_err *err)
{
    struct mlo_run_state state;
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = true;
    int rc = check_run(p->l, run, &state, err);
    if (!rc)
        rc = mlo_stmt_get(p->l, MLO_SQL_RUNS_AFTER, &s, err);
    if (!rc)
        rc = mlo_stmt_bind(&s, err, "i", state.seq);
    while (!rc) {
        bool trace = false, any = false;
        rc = mlo_stmt_step(&s, &row, err);
        if (rc || !row)
            break;
        int64_t id = mlo_stmt_i64(&s, 0);
        rc = has_effects(p->l, id, &any, err);
        if (!rc && any)
            rc = leaves_trace(p->l, id, state.seq, &trace, err);
        if (!rc && trace)
            rc = choose(p, id, mlo_stmt_i64(&s, 1), err);
    }
    if (!rc && p->n_runs == 0)
        return mlo_fail(err, MLO_EUSAGE, "nothing changed after run %" PRId64 " (%s)", run, state.command);
    return rc;
}

/* ---- what builds on them ---- */

struct dependents {
    struct mlo_str text; /* "7 (tag), 9 (promote)" */
    int64_t listed[LISTED_RUNS];
    size_t n;
};

static int refuse_later(struct dependents *d, struct mlo_ledger *l, int64_t id, struct mlo_err *err)
{
    struct mlo_run_state state;
    for (size_t i = 0; i < d->n && i < LISTED_RUNS; i++)
        if (d->listed[i] == id)
            return 0;
    int rc = mlo_run_state(l, id, &state, err);
    if (rc)
        return rc;
    if (d->n < LISTED_RUNS) {
        d->listed[d->n] = id;
        mlo_str_addf(&d->text, "%s%" PRId64 " (%s)", d->n ? ", " : "", id, state.command);
    }
    d->n++;
    return mlo_str_check(&d->text, err);
}

/* A run that failed or died may have announced an effect that never came: its handler knows. */
static int took_place(const struct mlo_undo_plan *p, const struct mlo_effect *e, bool *ret,
                      struct mlo_err *err)
{
    const struct mlo_undo_handler *h = mlo_undo_handler_of(p->handlers, p->n_handlers, e->kind);
    *ret = e->state != MLO_EFFECT_REVERTED;
    return e->state == MLO_EFFECT_INTENDED && h && h->happened ? h->happened(h->ctx, e, ret, err) : 0;
}

static int later_runs(struct mlo_undo_plan *p, struct thing *t, int64_t seq, struct dependents *d,
                      struct mlo_err *err)
{
    if (t->floor <= seq)
        return 0;
    t->floor = seq;
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = true;
    int rc = mlo_stmt_get(p->l, MLO_SQL_EFFECT_LATER, &s, err);
    if (!rc)
        rc = mlo_stmt_bind(&s, err, "tti", t->kind, t->target, seq);
    while (!rc && d->n <= LISTED_RUNS) {
        bool trace = false;
        struct mlo_effect e;
        rc = mlo_stmt_step(&s, &row, err);
        if (rc || !row)
            return rc;
        rc = mlo_effect_from_row(&s, &e, err);
        if (rc || is_chosen(p, e.run))
            continue;
        rc = took_place(p, &e, &trace, err);
        if (!rc && trace)
            rc = leaves_trace(p->l, e.run, seq, &trace, err);
        if (!rc && trace)
            rc = p->opts.cascade ? choose(p, e.run, mlo_stmt_i64(&s, 7), err)
                                 : refuse_later(d, p->l, e.run, err);
    }
    return rc;
}

/* A run in progress has announced an effect on the same thing. */
static int refuse_open(struct mlo_undo_plan *p, const struct thing *t, struct mlo_err *err)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = false;
    int rc = mlo_stmt_get(p->l, MLO_SQL_EFFECT_OPEN, &s, err);
    if (!rc)
        rc = mlo_stmt_bind(&s, err, "tti", t->kind, t->target, (int64_t)0);
    if (!rc)
        rc = mlo_stmt_step(&s, &row, err);
    if (rc || !row)
        return rc;
    char thing[MLO_THING_SHOWN];
    return mlo_fail(err, MLO_ECONFLICT, "run %" PRId64 " is just changing %s", mlo_stmt_i64(&s, 0),
                    mlo_thing_shown(t->kind, t->target, thing));
}

static int build_on_run(struct mlo_undo_plan *p, struct chosen run, struct dependents *d, struct mlo_err *err)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = true;
    int rc = mlo_stmt_get(p->l, MLO_SQL_EFFECTS, &s, err);
    if (!rc)
        rc = mlo_stmt_bind(&s, err, "i", run.id);
    while (!rc) {
        struct mlo_effect e;
        struct thing *t = NULL;
        rc = mlo_stmt_step(&s, &row, err);
        if (rc || !row)
            return rc;
        rc = mlo_effect_from_row(&s, &e, err);
        if (!rc)
            rc = thing_of(p, e.kind, e.target, &t, err);
        if (!rc)
            rc = refuse_open(p, t, err);
        if (!rc && !p->opts.after)
            rc = later_runs(p, t, run.seq, d, err);
    }
    return rc;
}

static int close_over(struct mlo_undo_plan *p, int64_t run, struct mlo_err *err)
{
    struct dependents d = {.n = 0};
    mlo_str_init(&d.text, 4096);
    int rc = 0;
    for (size_t i = 0; !rc && i < p->n_runs; i++) /* choose() may add to the end */
        rc = build_on_run(p, p->runs[i], &d, err);
    if (!rc && d.n) {
        (void)mlo_fail(err, MLO_ECONFLICT, "later runs build on run %" PRId64 ": %s%s", run, d.text.ptr,
                       d.n > LISTED_RUNS ? " and more" : "");
        rc = mlo_hint(err, "--cascade undoes them too; --dry-run shows the plan");
    }
    mlo_str_release(&d.text);
    return rc;
}

/* ---- what has to be done ---- */

static int same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static int differs(const struct mlo_effect *e, const char *now, struct mlo_err *err)
{
    char thing[MLO_THING_SHOWN], after[MLO_SHOWN], present[MLO_SHOWN];
    (void)mlo_fail(err, MLO_ECONFLICT, "run %" PRId64 " left %s at %s, but now it is at %s", e->run,
                   mlo_thing_shown(e->kind, e->target, thing),
                   mlo_text_shown(e->after ? e->after : "nothing", after),
                   mlo_text_shown(now ? now : "nothing", present));
    return mlo_hint(err, "--force undoes it all the same");
}

/* The world must be as the run left it; newer items of this plan have already been taken back in thought. */
static int check_world(struct mlo_undo_plan *p, const struct item *it, struct thing *t, struct mlo_err *err)
{
    const struct mlo_effect *e = &it->e;
    if (p->opts.force)
        return 0;
    if (t->known)
        return same(t->value, e->after) ? 0 : differs(e, t->value, err);
    if (it->handler) {
        char thing[MLO_THING_SHOWN];
        int rc = it->handler->check ? it->handler->check(it->handler->ctx, e, err) : 0;
        if (rc)
            (void)mlo_wrap(err, "run %" PRId64 ", %s", e->run, mlo_thing_shown(e->kind, e->target, thing));
        return rc;
    }
    MLO_AUTOSTR struct mlo_str now;
    mlo_str_init(&now, MLO_STR_MAX);
    bool set = false;
    int64_t by;
    int rc = mlo_present_value(p->l, e->kind, e->target, &now, &set, &by, err);
    if (rc)
        return rc;
    return same(set ? now.ptr : NULL, e->after) ? 0 : differs(e, set ? now.ptr : NULL, err);
}

static bool is_own(const struct mlo_effect *e)
{
    return strcmp(e->kind, "name") == 0 || strcmp(e->kind, "run") == 0;
}

/* Decides whether an effect has to be undone; refuses what cannot be. */
static int needs_undo(struct mlo_undo_plan *p, const struct mlo_effect *e, const struct mlo_undo_handler *h,
                      bool *ret, struct mlo_err *err)
{
    *ret = false;
    if (e->state == MLO_EFFECT_REVERTED)
        return 0;
    char thing[MLO_THING_SHOWN];
    bool possible = is_own(e) || h;
    if (e->state == MLO_EFFECT_IRREVERSIBLE || !possible) {
        if (p->opts.partial)
            return 0;
        (void)mlo_fail(err, possible || e->state == MLO_EFFECT_IRREVERSIBLE ? MLO_EUSAGE : MLO_EUNAVAIL,
                       "run %" PRId64 ": %s cannot be undone%s", e->run,
                       mlo_thing_shown(e->kind, e->target, thing),
                       e->state == MLO_EFFECT_IRREVERSIBLE ? "" : " by this build");
        return mlo_hint(err, "--partial leaves it and undoes the rest");
    }
    return took_place(p, e, ret, err);
}

static int add_item(struct mlo_undo_plan *p, const struct mlo_effect *e, struct mlo_err *err)
{
    const struct mlo_undo_handler *h = mlo_undo_handler_of(p->handlers, p->n_handlers, e->kind);
    bool needed = false;
    struct thing *t;
    int rc = needs_undo(p, e, h, &needed, err);
    if (rc || !needed)
        return rc;
    rc = mlo_grow(&p->items, &p->cap_items, p->n_items + 1, sizeof *p->items, err);
    if (rc)
        return rc;
    struct item *it = &p->items[p->n_items];
    it->handler = is_own(e) ? NULL : h;
    rc = mlo_effect_copy(&p->arena, e, &it->e, err);
    if (!rc)
        rc = thing_of(p, e->kind, e->target, &t, err);
    if (!rc)
        rc = check_world(p, it, t, err);
    if (rc)
        return rc;
    t->known = true;
    t->value = it->e.before;
    p->n_items++;
    return 0;
}

static int add_run_items(struct mlo_undo_plan *p, int64_t run, struct mlo_err *err)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = true;
    int rc = mlo_stmt_get(p->l, MLO_SQL_EFFECTS_BACK, &s, err);
    if (!rc)
        rc = mlo_stmt_bind(&s, err, "i", run);
    while (!rc) {
        struct mlo_effect e;
        rc = mlo_stmt_step(&s, &row, err);
        if (rc || !row)
            return rc;
        rc = mlo_effect_from_row(&s, &e, err);
        if (!rc)
            rc = add_item(p, &e, err);
    }
    return rc;
}

static int newest_first(const void *a, const void *b)
{
    const struct chosen *x = a, *y = b;
    return (x->seq < y->seq) - (x->seq > y->seq);
}

/* What names get back must still be there. */
static int check_targets(const struct mlo_undo_plan *p, struct mlo_err *err)
{
    for (size_t i = 0; p->opts.target_ok && i < p->n_things; i++) {
        const struct thing *t = p->things[i];
        struct mlo_digest d;
        if (!t->known || !t->value || strcmp(t->kind, "name") != 0)
            continue;
        int rc = mlo_digest_parse(t->value, &d, err);
        if (!rc)
            rc = p->opts.target_ok(p->opts.ctx, &d, err);
        char target[MLO_SHOWN], value[MLO_SHOWN];
        if (rc)
            return mlo_wrap(err, "'%s' cannot go back to %s", mlo_text_shown(t->target, target),
                            mlo_text_shown(t->value, value));
    }
    return 0;
}

static int make_plan(struct mlo_undo_plan *p, int64_t run, struct mlo_err *err)
{
    int rc = p->opts.after ? choose_after(p, run, err) : choose_one(p, run, err);
    if (!rc)
        rc = close_over(p, run, err);
    if (rc)
        return rc;
    qsort(p->runs, p->n_runs, sizeof *p->runs, newest_first);
    for (size_t i = 0; !rc && i < p->n_runs; i++)
        rc = add_run_items(p, p->runs[i].id, err);
    if (!rc && !p->n_items)
        return mlo_fail(err, MLO_EUSAGE, "run %" PRId64 ": nothing of it can be undone", run);
    return rc ? rc : check_targets(p, err);
}

int mlo_undo_plan(struct mlo_ledger *l, int64_t run, const struct mlo_undo_opts *opts,
                  const struct mlo_undo_handler *handlers, size_t n, struct mlo_undo_plan **ret,
                  struct mlo_err *err)
{
    struct mlo_undo_plan *p = mlo_calloc(1, sizeof *p, err);
    if (!p)
        return err->code;
    p->l = l;
    if (opts)
        p->opts = *opts;
    mlo_arena_init(&p->arena, PLAN_MEMORY_MAX);
    p->handlers = mlo_calloc(n ? n : 1, sizeof *p->handlers, err);
    if (p->handlers && n)
        memcpy(p->handlers, handlers, n * sizeof *handlers);
    p->n_handlers = n;
    int rc = p->handlers ? make_plan(p, run, err) : err->code;
    if (rc) {
        mlo_undo_plan_free(p);
        return rc;
    }
    *ret = p;
    return 0;
}

int mlo_undo_plan_each(const struct mlo_undo_plan *p, mlo_effect_fn fn, void *ctx, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < p->n_items; i++)
        rc = fn(ctx, &p->items[i].e, err);
    return rc;
}

/* ---- doing it ---- */

static int digest_or_null(const char *text, struct mlo_digest *d, const struct mlo_digest **ret,
                          struct mlo_err *err)
{
    *ret = text ? d : NULL;
    return text ? mlo_digest_parse(text, d, err) : 0;
}

static int undo_name(const struct mlo_undo_plan *p, const struct mlo_effect *e, struct mlo_run *r,
                     struct mlo_err *err)
{
    struct mlo_digest a, b;
    const struct mlo_digest *after, *before;
    const char *slash = strchr(e->target, '/');
    if (!slash)
        return mlo_fail(err, MLO_EINVALID, "ledger: a name effect without kind and name");
    int rc = digest_or_null(e->after, &a, &after, err);
    if (!rc)
        rc = digest_or_null(e->before, &b, &before, err);
    MLO_AUTOFREE char *kind = rc ? NULL : mlo_memdup0(e->target, (size_t)(slash - e->target), err);
    if (!kind)
        return err->code;
    return p->opts.force ? mlo_run_move_name_any(r, kind, slash + 1, before, err)
                         : mlo_run_move_name(r, kind, slash + 1, after, before, err);
}

static int undo_outside(const struct item *it, struct mlo_run *r, struct mlo_err *err)
{
    const struct mlo_effect *e = &it->e;
    int ordinal = 0;
    int rc = mlo_run_intend(r, e->kind, e->target, e->after, e->before, &ordinal, err);
    if (!rc)
        rc = it->handler->undo(it->handler->ctx, e, err);
    return rc ? rc : mlo_run_done(r, ordinal, err);
}

static int undo_item(const struct mlo_undo_plan *p, const struct item *it, struct mlo_run *r,
                     struct mlo_err *err)
{
    const struct mlo_effect *e = &it->e;
    if (strcmp(e->kind, "name") == 0)
        return undo_name(p, e, r, err);
    if (strcmp(e->kind, "run") == 0)
        return mlo_run_mark(r, strtoll(e->target, NULL, 10), e->after, e->before, err);
    return undo_outside(it, r, err);
}

int mlo_undo_apply(struct mlo_undo_plan *p, struct mlo_run *r, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < p->n_items; i++) {
        rc = undo_item(p, &p->items[i], r, err);
        if (rc)
            (void)mlo_wrap(err, "undoing run %" PRId64, p->items[i].e.run);
    }
    for (size_t i = 0; !rc && i < p->n_runs; i++)
        rc = mlo_run_mark(r, p->runs[i].id, "done", "undone", err);
    return rc;
}

/* ---- the last one ---- */

int mlo_undo_last(struct mlo_ledger *l, int64_t *ret, struct mlo_err *err)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = true;
    int rc = mlo_stmt_get(l, MLO_SQL_RUNS_AFTER, &s, err);
    if (!rc)
        rc = mlo_stmt_bind(&s, err, "i", (int64_t)0);
    while (!rc) {
        bool any = false, trace = false;
        rc = mlo_stmt_step(&s, &row, err);
        if (rc)
            return rc;
        if (!row)
            return mlo_fail(err, MLO_ENOTFOUND, "no run that could be undone");
        int64_t id = mlo_stmt_i64(&s, 0);
        rc = has_effects(l, id, &any, err);
        if (!rc && any)
            rc = leaves_trace(l, id, 0, &trace, err);
        if (!rc && trace) {
            *ret = id;
            return 0;
        }
    }
    return rc;
}
