/* Runs and names: beginning, ending, conflicts, history, queries. */
#include "ledger_fixture.h"

static void a_missing_ledger_is_not_found(void)
{
    struct mlo_ledger *l = NULL;
    fresh_home();
    check_err(mlo_ledger_open(home, MLO_LEDGER_READ, &l, &err), MLO_ENOTFOUND, &err, "there is none");
    mkdir(home, 0700);
    check_err(mlo_ledger_open(home, MLO_LEDGER_READ, &l, &err), MLO_ENOTFOUND, &err, "there is none");
    check(!exists("ledger.db"), "reading creates nothing");
}

static void opening_makes_a_private_home(void)
{
    struct stat st;
    struct mlo_ledger *l = fresh();
    char path[600];
    check(stat(home, &st) == 0 && (st.st_mode & 0777) == 0700);
    snprintf(path, sizeof path, "%s/ledger.db", home);
    check(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    check(exists("tmp") && exists("lock"));
    mlo_ledger_close(l);
    check(!exists("ledger.db-wal"), "the last to close folds the log in");
    l = open_mode(MLO_LEDGER_READ);
    struct mlo_ledger_head head;
    check_ok(mlo_ledger_head(l, &head, &err), &err);
    check_int(head.seq, 0);
    mlo_ledger_close(l);
}

static void a_run_has_a_folder_while_it_lives(void)
{
    struct mlo_ledger *l = fresh();
    struct mlo_run *r = begin(l, "pack");
    struct stat st;
    check_int(mlo_run_id(r), 1);
    check(stat(mlo_run_folder(r), &st) == 0 && S_ISDIR(st.st_mode));
    check_str(row_of(l, 1).status, "running");
    check_int(row_of(l, 1).exit_code, -1);
    check_ok(mlo_run_finish(r, 0, &err), &err);
    check(!exists("tmp/run-1"));
    struct mlo_run_row row = row_of(l, 1);
    check_str(row.status, "done");
    check_int(row.seq, 1);
    check_int(row.exit_code, 0);
    check(row.ended_ns >= row.started_ns);
    mlo_ledger_close(l);
}

static void names_move_when_the_run_ends(void)
{
    struct mlo_ledger *l = fresh();
    struct mlo_run *r = begin(l, "tag");
    struct mlo_digest a = dig('a'), got;
    check_ok(mlo_run_move_name(r, "tag", "m:1", NULL, &a, &err), &err);
    check_err(mlo_name_get(l, "tag", "m:1", &got, &err), MLO_ENOTFOUND, &err, "m:1");
    check_ok(mlo_run_finish(r, 0, &err), &err);
    check_ok(mlo_name_get(l, "tag", "m:1", &got, &err), &err);
    check(mlo_digest_eq(&a, &got));
    check_err(mlo_name_get(l, "alias", "m:1", &got, &err), MLO_ENOTFOUND, &err, NULL);
    mlo_ledger_close(l);
}

static void exit_code_1_keeps_moves_and_others_drop_them(void)
{
    struct mlo_ledger *l = fresh();
    struct mlo_digest a = dig('a');
    struct mlo_run *r = begin(l, "drift");
    check_ok(mlo_run_move_name_any(r, "tag", "m:1", &a, &err), &err);
    check_ok(mlo_run_finish(r, 1, &err), &err);
    check_int(at(l, "m:1"), 'a');
    check_str(row_of(l, 1).status, "done");
    r = begin(l, "pack");
    check_ok(mlo_run_move_name_any(r, "tag", "m:2", &a, &err), &err);
    check_ok(mlo_run_finish(r, 4, &err), &err);
    check_int(at(l, "m:2"), 0);
    check_str(row_of(l, 2).status, "failed");
    check_int(row_of(l, 2).exit_code, 4);
    check_ok(verify(l), &err);
    mlo_ledger_close(l);
}

static void a_name_that_moved_meanwhile_is_a_conflict_that_names_the_run(void)
{
    struct mlo_ledger *l = fresh(), *other = open_mode(MLO_LEDGER_WRITE);
    struct mlo_digest a = dig('a'), b = dig('b'), x = dig('x');
    move_to(l, "m:1", 'a');
    struct mlo_run *slow = begin(l, "pack");
    check_ok(mlo_run_move_name(slow, "tag", "first", NULL, &x, &err), &err);
    check_ok(mlo_run_move_name(slow, "tag", "m:1", &a, &b, &err), &err);
    check_int(move_to(other, "m:1", 'c'), 3);
    check_err(mlo_run_finish(slow, 0, &err), MLO_ECONFLICT, &err, "run 3 (tag)");
    check_int(at(l, "m:1"), 'c');
    check_int(at(l, "first"), 0);
    check_str(row_of(l, 2).status, "failed");
    check_int(row_of(l, 2).exit_code, 6);
    check(!exists("tmp/run-2"));
    check_ok(verify(l), &err);
    mlo_ledger_close(other);
    mlo_ledger_close(l);
}

static void expecting_nothing_refuses_an_existing_name_and_the_other_way_round(void)
{
    struct mlo_ledger *l = fresh();
    struct mlo_digest a = dig('a'), b = dig('b');
    move_to(l, "m:1", 'a');
    struct mlo_run *r = begin(l, "tag");
    check_ok(mlo_run_move_name(r, "tag", "m:1", NULL, &b, &err), &err);
    check_err(mlo_run_finish(r, 0, &err), MLO_ECONFLICT, &err, "run 1 (tag)");
    r = begin(l, "tag");
    check_ok(mlo_run_move_name(r, "tag", "m:2", &a, &b, &err), &err);
    check_err(mlo_run_finish(r, 0, &err), MLO_ECONFLICT, &err, "does not exist");
    mlo_ledger_close(l);
}

static void several_moves_of_one_name_in_a_run_follow_each_other(void)
{
    struct mlo_ledger *l = fresh();
    struct mlo_digest a = dig('a'), b = dig('b');
    struct mlo_run *r = begin(l, "tag");
    check_ok(mlo_run_move_name(r, "tag", "m:1", NULL, &a, &err), &err);
    check_ok(mlo_run_move_name(r, "tag", "m:1", &a, &b, &err), &err);
    check_ok(mlo_run_finish(r, 0, &err), &err);
    check_int(at(l, "m:1"), 'b');
    check_ok(verify(l), &err);
    mlo_ledger_close(l);
}

static int count_effect(void *ctx, const struct mlo_effect *e, struct mlo_err *ignored)
{
    (void)ignored, (void)e;
    ++*(int *)ctx;
    return 0;
}

static void a_move_to_where_it_is_leaves_no_effect(void)
{
    struct mlo_ledger *l = fresh();
    int n = 0;
    move_to(l, "m:1", 'a');
    check_ok(mlo_effect_each(l, move_to(l, "m:1", 'a'), count_effect, &n, &err), &err);
    check_int(n, 0);
    mlo_ledger_close(l);
}

struct history {
    char letters[16];
    size_t n;
};

static int note_history(void *ctx, const struct mlo_effect *e, struct mlo_err *ignored)
{
    struct history *h = ctx;
    struct mlo_digest d = {{'-'}};
    check_str(e->kind, "name");
    if (e->after)
        check_ok(mlo_digest_parse(e->after, &d, ignored), ignored);
    h->letters[h->n++] = (char)d.b[0];
    return 0;
}

static void history_is_newest_first_and_limited(void)
{
    struct mlo_ledger *l = fresh();
    struct history h = {.n = 0};
    move_to(l, "m:1", 'a');
    move_to(l, "m:1", 'b');
    move_to(l, "m:10", 'z');
    move_to(l, "m:1", '\0');
    move_to(l, "m:1", 'c');
    check_ok(mlo_name_history(l, "tag", "m:1", 0, note_history, &h, &err), &err);
    check_str(h.letters, "c-ba");
    h = (struct history){.n = 0};
    check_ok(mlo_name_history(l, "tag", "m:1", 2, note_history, &h, &err), &err);
    check_str(h.letters, "c-");
    mlo_ledger_close(l);
}

struct ids {
    char text[256];
};

static int note_id(void *ctx, const struct mlo_run_row *row, struct mlo_err *ignored)
{
    (void)ignored;
    struct ids *ids = ctx;
    size_t n = strlen(ids->text);
    snprintf(ids->text + n, sizeof ids->text - n, "%s%" PRId64, n ? " " : "", row->id);
    return 0;
}

static const char *ids_of(struct mlo_ledger *l, struct mlo_run_filter f)
{
    static struct ids ids;
    ids.text[0] = '\0';
    check_ok(mlo_run_each(l, &f, note_id, &ids, &err), &err);
    return ids.text;
}

static void filters_choose_runs(void)
{
    struct mlo_ledger *l = fresh();
    int64_t undo_run = 0;
    move_to(l, "credit:1", 'a');          /* 1 */
    move_to(l, "credits:1", 'a');         /* 2 */
    struct mlo_run *r = begin(l, "pack"); /* 3 */
    check_ok(mlo_run_finish(r, 4, &err), &err);
    move_to(l, "credit:2", 'b');           /* 4 */
    check_ok(undo(l, 4, &undo_run), &err); /* 5 */
    struct mlo_run_info info = {.command = "note", .argv_json = "[\"say\",\"50%_\"]", .note = "why not"};
    check_ok(mlo_run_begin(l, &info, &r, &err), &err); /* 6, running */
    struct mlo_digest d = dig('q');
    struct mlo_run *alias = begin(l, "alias"); /* 7 */
    check_ok(mlo_run_move_name(alias, "zalias", "credit", NULL, &d, &err), &err);
    check_ok(mlo_run_finish(alias, 0, &err), &err);
    check_str(ids_of(l, (struct mlo_run_filter){.limit = 0}), "7 6 5 4 3 2 1");
    check_str(ids_of(l, (struct mlo_run_filter){.limit = 2}), "7 6");
    check_str(ids_of(l, (struct mlo_run_filter){.oldest_first = true, .limit = 2}), "1 2");
    check_str(ids_of(l, (struct mlo_run_filter){.command = "pack"}), "3");
    check_str(ids_of(l, (struct mlo_run_filter){.name = "credit"}), "7 5 4 1");
    check_str(ids_of(l, (struct mlo_run_filter){.name = "credit:2"}), "5 4");
    check_str(ids_of(l, (struct mlo_run_filter){.name = "cred"}), "");
    check_str(ids_of(l, (struct mlo_run_filter){.status = "running"}), "6");
    check_str(ids_of(l, (struct mlo_run_filter){.status = "failed"}), "3");
    check_str(ids_of(l, (struct mlo_run_filter){.status = "undone"}), "4");
    check_str(ids_of(l, (struct mlo_run_filter){.status = "done"}), "7 5 2 1");
    check_str(ids_of(l, (struct mlo_run_filter){.status = "died"}), "");
    check_str(ids_of(l, (struct mlo_run_filter){.grep = "50%_"}), "6");
    check_str(ids_of(l, (struct mlo_run_filter){.grep = "why"}), "6");
    check_str(ids_of(l, (struct mlo_run_filter){.id = 4}), "4");
    int64_t then = row_of(l, 4).started_ns;
    check_str(ids_of(l, (struct mlo_run_filter){.since_ns = then}), "7 6 5 4");
    check_str(ids_of(l, (struct mlo_run_filter){.until_ns = then, .limit = 2}), "3 2");
    struct mlo_run_filter bad = {.status = "'"};
    struct ids ids;
    check_err(mlo_run_each(l, &bad, note_id, &ids, &err), MLO_EUSAGE, &err, "not one of");
    check_ok(mlo_run_finish(r, 0, &err), &err);
    mlo_ledger_close(l);
}

static int note_metric(void *ctx, const char *key, double value, struct mlo_err *ignored)
{
    (void)ignored;
    char *text = ctx;
    size_t n = strlen(text);
    snprintf(text + n, 128 - n, "%s=%g ", key, value);
    return 0;
}

static int note_artifact(void *ctx, const char *kind, const struct mlo_digest *d, uint64_t size,
                         struct mlo_err *ignored)
{
    (void)ignored;
    char *text = ctx;
    size_t n = strlen(text);
    snprintf(text + n, 128 - n, "%s:%c:%" PRIu64 " ", kind, d->b[0], size);
    return 0;
}

static void metrics_and_artifacts_are_kept(void)
{
    struct mlo_ledger *l = fresh();
    struct mlo_run *r = begin(l, "bench");
    struct mlo_digest d = dig('d');
    char metrics[128] = "", artifacts[128] = "";
    check_ok(mlo_run_metric(r, "loss", 0.5, &err), &err);
    check_ok(mlo_run_metric(r, "auc", -1e300, &err), &err);
    check_ok(mlo_run_metric(r, "loss", 0.25, &err), &err);
    check_err(mlo_run_metric(r, "nan", __builtin_nan(""), &err), MLO_EINVALID, &err, "nan");
    check_ok(mlo_run_artifact(r, "report", &d, UINT64_C(1) << 40, &err), &err);
    check_err(mlo_run_artifact(r, "report", &d, UINT64_MAX, &err), MLO_EINVALID, &err, NULL);
    check_ok(mlo_run_finish(r, 0, &err), &err);
    check_ok(mlo_metric_each(l, 1, note_metric, metrics, &err), &err);
    check_ok(mlo_artifact_each(l, 1, note_artifact, artifacts, &err), &err);
    check_str(metrics, "auc=-1e+300 loss=0.25 ");
    check_str(artifacts, "report:d:1099511627776 ");
    check_ok(verify(l), &err);
    mlo_ledger_close(l);
}

struct nest {
    struct mlo_ledger *l;
    int left, seen;
};

static int ask_again(void *ctx, const struct mlo_name_row *row, struct mlo_err *e)
{
    struct nest *n = ctx;
    struct mlo_digest d;
    (void)row;
    n->seen++;
    if (n->left-- <= 0)
        return 0;
    int rc = mlo_name_get(n->l, "tag", "m:1", &d, e);
    return rc ? rc : mlo_name_each(n->l, NULL, ask_again, n, e);
}

static void callbacks_may_ask_again(void)
{
    struct mlo_ledger *l = fresh();
    move_to(l, "m:1", 'a');
    move_to(l, "m:2", 'b');
    struct nest n = {l, 2, 0};
    check_ok(mlo_name_each(l, NULL, ask_again, &n, &err), &err);
    check_int(n.seen, 6);
    mlo_ledger_close(l);
}

static int stop_with_conflict(void *ctx, const struct mlo_name_row *row, struct mlo_err *e)
{
    (void)ctx, (void)row;
    return mlo_fail(e, MLO_ECONFLICT, "enough");
}

static void a_callback_stops_by_its_return(void)
{
    struct mlo_ledger *l = fresh();
    move_to(l, "m:1", 'a');
    check_err(mlo_name_each(l, "tag", stop_with_conflict, NULL, &err), MLO_ECONFLICT, &err, "enough");
    check_ok(mlo_name_each(l, "other", stop_with_conflict, NULL, &err), &err);
    mlo_ledger_close(l);
}

static void a_newer_schema_is_refused_with_the_versions(void)
{
    struct mlo_ledger *l = fresh();
    mlo_ledger_close(l);
    tamper("PRAGMA user_version = 99");
    check_err(mlo_ledger_open(home, MLO_LEDGER_READ, &l, &err), MLO_EUNAVAIL, &err, "version 99");
    check_err(mlo_ledger_open(home, MLO_LEDGER_WRITE, &l, &err), MLO_EUNAVAIL, &err, "version 99");
}

static void another_program_s_database_is_refused(void)
{
    struct mlo_ledger *l = NULL;
    fresh_home();
    mkdir(home, 0700);
    tamper("CREATE TABLE runs (id)");
    check_err(mlo_ledger_open(home, MLO_LEDGER_WRITE, &l, &err), MLO_EINVALID, &err, "not a ledger");
    tamper("PRAGMA application_id = 5");
    check_err(mlo_ledger_open(home, MLO_LEDGER_READ, &l, &err), MLO_EINVALID, &err, "not a ledger");
}

static void text_instead_of_a_database_is_refused(void)
{
    struct mlo_ledger *l = NULL;
    char path[600];
    fresh_home();
    mkdir(home, 0700);
    snprintf(path, sizeof path, "%s/ledger.db", home);
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 2000; i++)
        fputs("this is no database\n", f);
    fclose(f);
    check_err(mlo_ledger_open(home, MLO_LEDGER_READ, &l, &err), MLO_EINVALID, &err, NULL);
    check_err(mlo_ledger_open(home, MLO_LEDGER_WRITE, &l, &err), MLO_EINVALID, &err, NULL);
}

static void a_read_only_home_is_readable(void)
{
    struct mlo_ledger *l = fresh();
    move_to(l, "m:1", 'a');
    mlo_ledger_close(l);
    pid_t pid = fork();
    if (pid == 0) { /* as somebody who may read only */
        char path[600];
        snprintf(path, sizeof path, "%s/ledger.db", home);
        if (chmod(path, 0444) || chmod(home, 0555) || chmod(tap_tmpdir(), 0755) ||
            (geteuid() == 0 && setuid(65534)))
            _exit(70);
        struct mlo_ledger *r = NULL;
        int rc = mlo_ledger_open(home, MLO_LEDGER_READ, &r, &err);
        if (rc)
            fprintf(stderr, "# %s\n", err.msg);
        _exit(rc ? -rc : at(r, "m:1") == 'a' ? 0 : 71);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    chmod(home, 0700);
    check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", status);
}

int main(void)
{
    run(a_missing_ledger_is_not_found);
    run(opening_makes_a_private_home);
    run(a_run_has_a_folder_while_it_lives);
    run(names_move_when_the_run_ends);
    run(exit_code_1_keeps_moves_and_others_drop_them);
    run(a_name_that_moved_meanwhile_is_a_conflict_that_names_the_run);
    run(expecting_nothing_refuses_an_existing_name_and_the_other_way_round);
    run(several_moves_of_one_name_in_a_run_follow_each_other);
    run(a_move_to_where_it_is_leaves_no_effect);
    run(history_is_newest_first_and_limited);
    run(filters_choose_runs);
    run(metrics_and_artifacts_are_kept);
    run(callbacks_may_ask_again);
    run(a_callback_stops_by_its_return);
    run(a_newer_schema_is_refused_with_the_versions);
    run(another_program_s_database_is_refused);
    run(text_instead_of_a_database_is_refused);
    run(a_read_only_home_is_readable);
    return done_testing();
}
