/* Undo: one run, an undo of an undo, cascades, everything after a run, refusals, effects outside. */
#include "ledger_fixture.h"

static void undoing_brings_the_name_back_and_marks_the_run(void)
{
    struct mlo_ledger *l = fresh();
    int64_t u = 0;
    move_to(l, "m:1", 'a');
    int64_t x = move_to(l, "m:1", 'b');
    check_ok(undo(l, x, &u), &err);
    check_int(at(l, "m:1"), 'a');
    check_str(row_of(l, x).status, "undone");
    check_int(row_of(l, x).undone_by, u);
    check_int(row_of(l, u).undo_of, x);
    check_str(row_of(l, u).status, "done");
    check_ok(verify(l), &err);
    mlo_ledger_close(l);
}

static void undoing_the_first_move_removes_the_name(void)
{
    struct mlo_ledger *l = fresh();
    check_ok(undo(l, move_to(l, "m:1", 'a'), NULL), &err);
    check_int(at(l, "m:1"), 0);
    check_ok(verify(l), &err);
    mlo_ledger_close(l);
}

static void undoing_an_undo_works_again_and_again(void)
{
    struct mlo_ledger *l = fresh();
    int64_t u = 0, v = 0, w = 0, again = 0;
    move_to(l, "m:1", 'a');
    int64_t x = move_to(l, "m:1", 'b');
    check_ok(undo(l, x, &u), &err);
    check_ok(undo(l, u, &v), &err);
    check_int(at(l, "m:1"), 'b');
    check_int(row_of(l, x).undone_by, 0);
    check_int(row_of(l, u).undone_by, v);
    check_ok(undo(l, v, &w), &err);
    check_int(at(l, "m:1"), 'a');
    check_int(row_of(l, x).undone_by, w);
    check_int(row_of(l, u).undone_by, 0);
    check_ok(undo(l, w, NULL), &err);
    check_int(at(l, "m:1"), 'b');
    check_ok(undo(l, x, &again), &err);
    check_int(at(l, "m:1"), 'a');
    check_int(row_of(l, x).undone_by, again);
    check_ok(verify(l), &err);
    mlo_ledger_close(l);
}

static void refusals_say_why(void)
{
    struct mlo_ledger *l = fresh();
    int64_t u = 0;
    int64_t x = move_to(l, "m:1", 'a');
    check_err(undo(l, 77, NULL), MLO_ENOTFOUND, &err, "run 77");
    check_ok(undo(l, x, &u), &err);
    check_err(undo(l, x, NULL), MLO_EUSAGE, &err, "already undone, by run 2");
    struct mlo_run *r = begin(l, "ls");
    int64_t running = mlo_run_id(r);
    check_err(undo(l, running, NULL), MLO_EUSAGE, &err, "still running");
    check_ok(mlo_run_finish(r, 0, &err), &err);
    check_err(undo(l, running, NULL), MLO_EUSAGE, &err, "changed nothing");
    struct mlo_ledger_head head;
    check_ok(mlo_ledger_head(l, &head, &err), &err);
    check_int(head.seq, 3);
    mlo_ledger_close(l);
}

static void later_runs_that_build_on_it_are_listed(void)
{
    struct mlo_ledger *l = fresh();
    int64_t x = move_to(l, "m:1", 'a');
    move_to(l, "m:2", 'z');
    int64_t y = move_to(l, "m:1", 'b'), z = move_to(l, "m:1", 'c');
    check_err(undo(l, x, NULL), MLO_ECONFLICT, &err, "4 (tag), 3 (tag)");
    check(strstr(err.hint, "--cascade") != NULL);
    struct mlo_undo_opts cascade = {.cascade = true};
    int64_t u = 0;
    check_ok(undo_with(l, x, &cascade, NULL, 0, &u), &err);
    check_int(at(l, "m:1"), 0);
    check_int(at(l, "m:2"), 'z');
    check_int(row_of(l, x).undone_by, u);
    check_int(row_of(l, y).undone_by, u);
    check_int(row_of(l, z).undone_by, u);
    check_ok(undo(l, u, NULL), &err);
    check_int(at(l, "m:1"), 'c');
    check_int(row_of(l, y).undone_by, 0);
    check_ok(verify(l), &err);
    mlo_ledger_close(l);
}

static void a_cascade_follows_shared_names(void)
{
    struct mlo_ledger *l = fresh();
    struct mlo_digest b = dig('b'), c = dig('c');
    int64_t x = move_to(l, "m:1", 'a');
    struct mlo_run *r = begin(l, "tag"); /* touches m:1 and m:2 */
    check_ok(mlo_run_move_name_any(r, "tag", "m:1", &b, &err), &err);
    check_ok(mlo_run_move_name_any(r, "tag", "m:2", &c, &err), &err);
    check_ok(mlo_run_finish(r, 0, &err), &err);
    move_to(l, "m:2", 'd');
    move_to(l, "m:3", 'e');
    struct mlo_undo_opts cascade = {.cascade = true};
    check_ok(undo_with(l, x, &cascade, NULL, 0, NULL), &err);
    check_int(at(l, "m:1"), 0);
    check_int(at(l, "m:2"), 0);
    check_int(at(l, "m:3"), 'e');
    check_ok(verify(l), &err);
    mlo_ledger_close(l);
}

static void a_pair_of_run_and_undo_in_between_does_not_matter(void)
{
    struct mlo_ledger *l = fresh();
    int64_t x = move_to(l, "m:1", 'a'), y = move_to(l, "m:1", 'b');
    check_ok(undo(l, y, NULL), &err);
    check_ok(undo(l, x, NULL), &err);
    check_int(at(l, "m:1"), 0);
    mlo_ledger_close(l);
}

static void everything_after_a_run_goes_newest_first(void)
{
    struct mlo_ledger *l = fresh();
    int64_t x = move_to(l, "m:1", 'a');
    int64_t y = move_to(l, "m:1", 'b'), z = move_to(l, "m:2", 'c'), back = 0, u = 0;
    check_ok(undo(l, y, &back), &err);
    int64_t w = move_to(l, "m:1", 'd');
    struct mlo_undo_opts after = {.after = true};
    check_ok(undo_with(l, x, &after, NULL, 0, &u), &err);
    check_int(at(l, "m:1"), 'a');
    check_int(at(l, "m:2"), 0);
    check_int(row_of(l, y).undone_by, back);
    check_int(row_of(l, z).undone_by, u);
    check_int(row_of(l, w).undone_by, u);
    check_int(row_of(l, x).undone_by, 0);
    check_err(undo_with(l, u, &after, NULL, 0, NULL), MLO_EUSAGE, &err, "nothing changed after");
    check_ok(verify(l), &err);
    mlo_ledger_close(l);
}

static void the_last_one_walks_back_instead_of_toggling(void)
{
    struct mlo_ledger *l = fresh();
    int64_t last = 0;
    check_err(mlo_undo_last(l, &last, &err), MLO_ENOTFOUND, &err, NULL);
    for (char c = 'a'; c <= 'c'; c++)
        move_to(l, "m:1", c);
    const char want[] = {'b', 'a', '\0'};
    for (int i = 0; i < 3; i++) {
        check_ok(mlo_undo_last(l, &last, &err), &err);
        check_int(last, 3 - i);
        check_ok(undo(l, last, NULL), &err);
        check_int(at(l, "m:1"), want[i]);
    }
    check_err(mlo_undo_last(l, &last, &err), MLO_ENOTFOUND, &err, NULL);
    mlo_ledger_close(l);
}

static int missing(void *ctx, const struct mlo_digest *d, struct mlo_err *e)
{
    return d->b[0] == *(const char *)ctx ? mlo_fail(e, MLO_ENOTFOUND, "collected") : 0;
}

static void a_value_that_was_collected_refuses_the_plan(void)
{
    struct mlo_ledger *l = fresh();
    char gone = 'a';
    struct mlo_undo_opts opts = {.target_ok = missing, .ctx = &gone};
    move_to(l, "m:1", 'a');
    int64_t x = move_to(l, "m:1", 'b'), y = move_to(l, "m:1", 'c');
    check_ok(undo_with(l, y, &opts, NULL, 0, NULL), &err);
    check_err(undo_with(l, x, &opts, NULL, 0, NULL), MLO_ENOTFOUND, &err, "cannot go back to sha256:6161");
    check_int(at(l, "m:1"), 'b');
    mlo_ledger_close(l);
}

static void two_plans_for_one_run_end_in_one_undo(void)
{
    struct mlo_ledger *l = fresh(), *other = open_mode(MLO_LEDGER_WRITE);
    move_to(l, "m:1", 'a');
    int64_t x = move_to(l, "m:1", 'b');
    struct mlo_undo_plan *p = NULL;
    check_ok(mlo_undo_plan(l, x, NULL, NULL, 0, &p, &err), &err);
    check_ok(undo(other, x, NULL), &err);
    struct mlo_run *r = begin_undo(l, "rollback", x);
    check_ok(mlo_undo_apply(p, r, &err), &err);
    check_err(mlo_run_finish(r, 0, &err), MLO_ECONFLICT, &err, "run 3 (rollback)");
    mlo_undo_plan_free(p);
    check_ok(verify(l), &err);
    mlo_ledger_close(other);
    mlo_ledger_close(l);
}

static void force_undoes_what_something_else_changed(void)
{
    struct mlo_ledger *l = fresh();
    move_to(l, "m:1", 'a');
    int64_t x = move_to(l, "m:1", 'b');
    char sql[300];
    snprintf(sql, sizeof sql, "UPDATE names SET digest = '%s'", text_of('q'));
    tamper(sql);
    check_err(undo(l, x, NULL), MLO_ECONFLICT, &err, "but now it is at sha256:7171");
    struct mlo_undo_opts force = {.force = true};
    check_ok(undo_with(l, x, &force, NULL, 0, NULL), &err);
    check_int(at(l, "m:1"), 'a');
    mlo_ledger_close(l);
}

/* ---- effects outside: a world of one value ---- */

static char world[32];
static int undos;
static bool broken;

static int check_world(void *ctx, const struct mlo_effect *e, struct mlo_err *out)
{
    (void)ctx;
    return strcmp(world, e->after ? e->after : "") == 0 ? 0
                                                        : mlo_fail(out, MLO_ECONFLICT, "it is at %s", world);
}

static int undo_world(void *ctx, const struct mlo_effect *e, struct mlo_err *out)
{
    (void)ctx;
    if (broken)
        return mlo_fail(out, MLO_EREMOTE, "the world is away");
    undos++;
    snprintf(world, sizeof world, "%s", e->before ? e->before : "");
    return 0;
}

static int world_happened(void *ctx, const struct mlo_effect *e, bool *ret, struct mlo_err *out)
{
    (void)ctx, (void)out;
    *ret = strcmp(world, e->after ? e->after : "") == 0;
    return 0;
}

static const struct mlo_undo_handler handler = {
    .kind = "world", .check = check_world, .undo = undo_world, .happened = world_happened};

static int64_t set_world(struct mlo_ledger *l, const char *value)
{
    struct mlo_run *r = begin(l, "push");
    int64_t id = mlo_run_id(r);
    int ordinal = 0;
    check_ok(mlo_run_intend(r, "world", "it", *world ? world : NULL, value, &ordinal, &err), &err);
    snprintf(world, sizeof world, "%s", value);
    check_ok(mlo_run_done(r, ordinal, &err), &err);
    check_ok(mlo_run_finish(r, 0, &err), &err);
    return id;
}

static void effects_outside_are_undone_and_redone(void)
{
    struct mlo_ledger *l = fresh();
    int64_t u = 0;
    world[0] = '\0', undos = 0, broken = false;
    set_world(l, "one");
    int64_t x = set_world(l, "two");
    check_ok(undo_with(l, x, NULL, &handler, 1, &u), &err);
    check_str(world, "one");
    check_ok(undo_with(l, u, NULL, &handler, 1, NULL), &err);
    check_str(world, "two");
    check_int(undos, 2);
    check_ok(verify(l), &err);
    mlo_ledger_close(l);
}

static void a_world_that_differs_or_lacks_a_handler_refuses(void)
{
    struct mlo_ledger *l = fresh();
    world[0] = '\0', undos = 0, broken = false;
    int64_t x = set_world(l, "one");
    check_err(undo(l, x, NULL), MLO_EUNAVAIL, &err, "by this build");
    strcpy(world, "other");
    check_err(undo_with(l, x, NULL, &handler, 1, NULL), MLO_ECONFLICT, &err, "it is at other");
    check_int(undos, 0);
    struct mlo_undo_opts force = {.force = true};
    check_ok(undo_with(l, x, &force, &handler, 1, NULL), &err);
    check_int(undos, 1);
    mlo_ledger_close(l);
}

static void an_undo_that_fails_outside_leaves_the_run_not_undone(void)
{
    struct mlo_ledger *l = fresh();
    int64_t u = 0;
    world[0] = '\0', undos = 0, broken = true;
    int64_t x = set_world(l, "one");
    check_err(undo_with(l, x, NULL, &handler, 1, &u), MLO_EREMOTE, &err, "the world is away");
    check_int(row_of(l, x).undone_by, 0);
    check_str(row_of(l, u).status, "failed");
    broken = false;
    check_err(undo_with(l, x, NULL, &handler, 1, &u), 0, &err, NULL);
    check_str(world, "");
    check_ok(verify(l), &err);
    mlo_ledger_close(l);
}

static int list_effects(void *ctx, const struct mlo_effect *e, struct mlo_err *out)
{
    static const char *const states[] = {"intended", "done", "reverted", "irreversible"};
    char *text = ctx;
    (void)out;
    snprintf(text + strlen(text), 200 - strlen(text), "%" PRId64 ":%s:%s ", e->run, e->after,
             states[e->state]);
    return 0;
}

static void what_only_the_doing_told_is_recorded(void)
{
    struct mlo_ledger *l = fresh();
    char text[200] = "";
    int first = 0, second = 0;
    world[0] = '\0', undos = 0, broken = false;
    struct mlo_run *r = begin(l, "push");
    int64_t x = mlo_run_id(r);
    check_ok(mlo_run_intend(r, "world", "it", NULL, "soon", &first, &err), &err);
    check_ok(mlo_run_intend(r, "world", "other", NULL, "refused", &second, &err), &err);
    check_ok(mlo_run_done_as(r, first, "one", &err), &err);
    check_ok(mlo_run_reverted(r, second, &err), &err);
    check_err(mlo_run_done_as(r, 7, "x", &err), MLO_EINTERNAL, &err, "no effect 7");
    check_ok(mlo_run_finish(r, 0, &err), &err);
    err = MLO_ERR_INIT;
    check_ok(mlo_effects_of(l, "world", list_effects, text, &err), &err);
    check_str(text, "1:refused:reverted 1:one:done ");
    check_ok(verify(l), &err);
    strcpy(world, "one");
    check_ok(undo_with(l, x, NULL, &handler, 1, NULL), &err);
    check_int(undos, 1);
    check_str(world, "");
    mlo_ledger_close(l);
}

static void irreversible_effects_refuse_unless_partial(void)
{
    struct mlo_ledger *l = fresh();
    struct mlo_digest a = dig('a');
    struct mlo_run *r = begin(l, "remote");
    int64_t id = mlo_run_id(r);
    check_ok(mlo_run_irreversible(r, "delete", "far\033away", "x", &err), &err);
    check_ok(mlo_run_move_name_any(r, "tag", "m:1", &a, &err), &err);
    check_ok(mlo_run_finish(r, 0, &err), &err);
    check_err(undo(l, id, NULL), MLO_EUSAGE, &err, "far\\x1Baway' cannot be undone");
    struct mlo_undo_opts partial = {.partial = true};
    check_ok(undo_with(l, id, &partial, NULL, 0, NULL), &err);
    check_int(at(l, "m:1"), 0);
    mlo_ledger_close(l);
}

struct seen {
    char text[256];
};

static int note_root(void *ctx, const struct mlo_digest *d, const char *why, int64_t run, struct mlo_err *e)
{
    struct seen *s = ctx;
    size_t n = strlen(s->text);
    (void)e;
    snprintf(s->text + n, sizeof s->text - n, "%c:%s:%" PRId64 " ", d->b[0], why, run);
    return 0;
}

static void roots_are_names_their_history_and_what_an_undo_needs(void)
{
    struct mlo_ledger *l = fresh();
    struct seen s = {""};
    move_to(l, "m:1", 'a');
    int64_t x = move_to(l, "m:1", 'b');
    check_ok(mlo_ledger_roots(l, 0, note_root, &s, &err), &err);
    check_str(s.text, "b:name:2 a:history:1 a:undo:2 b:history:2 ");
    check_ok(undo(l, x, NULL), &err);
    s.text[0] = '\0';
    check_ok(mlo_ledger_roots(l, 0, note_root, &s, &err), &err);
    check(strstr(s.text, "b:undo:3") != NULL && strstr(s.text, "a:history:2") != NULL, "%s", s.text);
    s.text[0] = '\0';
    check_ok(mlo_ledger_roots(l, INT64_MAX, note_root, &s, &err), &err);
    check_str(s.text, "a:name:3 ");
    mlo_ledger_close(l);
}

int main(void)
{
    run(undoing_brings_the_name_back_and_marks_the_run);
    run(undoing_the_first_move_removes_the_name);
    run(undoing_an_undo_works_again_and_again);
    run(refusals_say_why);
    run(later_runs_that_build_on_it_are_listed);
    run(a_cascade_follows_shared_names);
    run(a_pair_of_run_and_undo_in_between_does_not_matter);
    run(everything_after_a_run_goes_newest_first);
    run(the_last_one_walks_back_instead_of_toggling);
    run(a_value_that_was_collected_refuses_the_plan);
    run(two_plans_for_one_run_end_in_one_undo);
    run(force_undoes_what_something_else_changed);
    run(effects_outside_are_undone_and_redone);
    run(a_world_that_differs_or_lacks_a_handler_refuses);
    run(an_undo_that_fails_outside_leaves_the_run_not_undone);
    run(what_only_the_doing_told_is_recorded);
    run(irreversible_effects_refuse_unless_partial);
    run(roots_are_names_their_history_and_what_an_undo_needs);
    return done_testing();
}
