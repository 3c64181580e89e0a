/* Backup and restore, and the main paths without memory. */
#include "ledger_fixture.h"

#include <fcntl.h>
#include <signal.h>

static char file[600];

static const char *fresh_file(void)
{
    static int n;
    snprintf(file, sizeof file, "%s/backup-%d.db", tap_tmpdir(), n++);
    return file;
}

static void a_backup_comes_back_by_restore(void)
{
    struct mlo_ledger *l = fresh();
    struct stat st;
    move_to(l, "m:1", 'a');
    check_ok(mlo_ledger_backup(l, fresh_file(), &err), &err);
    check(stat(file, &st) == 0 && (st.st_mode & 0777) == 0600);
    move_to(l, "m:1", 'b');
    mlo_ledger_close(l);
    check_ok(mlo_ledger_restore(home, file, &err), &err);
    l = open_mode(MLO_LEDGER_WRITE);
    check_int(at(l, "m:1"), 'a');
    check_ok(verify(l), &err);
    check_int(move_to(l, "m:1", 'c'), 2);
    mlo_ledger_close(l);
    check(exists("ledger.db.before-restore"));
    char path[700];
    snprintf(path, sizeof path, "%s/ledger.db.before-restore", home);
    check_ok(mlo_ledger_restore(home, path, &err), &err);
    l = open_mode(MLO_LEDGER_READ);
    check_int(at(l, "m:1"), 'b');
    mlo_ledger_close(l);
}

static void restore_makes_a_home(void)
{
    struct mlo_ledger *l = fresh();
    move_to(l, "m:1", 'a');
    check_ok(mlo_ledger_backup(l, fresh_file(), &err), &err);
    mlo_ledger_close(l);
    check_ok(mlo_ledger_restore(fresh_home(), file, &err), &err);
    l = open_mode(MLO_LEDGER_READ);
    check_int(at(l, "m:1"), 'a');
    mlo_ledger_close(l);
}

static void a_backup_never_replaces_a_file(void)
{
    struct mlo_ledger *l = fresh();
    fclose(fopen(fresh_file(), "w"));
    check_err(mlo_ledger_backup(l, file, &err), MLO_ECONFLICT, &err, NULL);
    mlo_ledger_close(l);
}

static void a_damaged_ledger_has_no_backup(void)
{
    struct mlo_ledger *l = fresh();
    move_to(l, "m:1", 'a');
    tamper("DROP TRIGGER runs_update; UPDATE runs SET note = 'x'");
    check_err(mlo_ledger_backup(l, fresh_file(), &err), MLO_NO, &err, "run 1 was edited");
    check(access(file, F_OK) != 0);
    mlo_ledger_close(l);
}

static void check_refused(int code)
{
    check_int(mlo_ledger_restore(home, file, &err), code);
    struct mlo_ledger *l = open_mode(MLO_LEDGER_READ);
    check_int(at(l, "m:1"), 'a');
    check_ok(verify(l), &err);
    mlo_ledger_close(l);
    check(!exists("ledger.db.before-restore"));
}

static void a_damaged_file_is_not_restored(void)
{
    struct mlo_ledger *l = fresh();
    move_to(l, "m:1", 'a');
    check_ok(mlo_ledger_backup(l, fresh_file(), &err), &err);
    mlo_ledger_close(l);
    struct stat st;
    check(stat(file, &st) == 0);
    sqlite3 *db = NULL;
    sqlite3_open(file, &db);
    check(sqlite3_exec(db, "DROP TRIGGER runs_update; UPDATE runs SET note = 'x'", NULL, NULL, NULL) ==
          SQLITE_OK);
    sqlite3_close(db);
    check_refused(MLO_NO);
    check(truncate(file, st.st_size / 2) == 0);
    check_int(mlo_ledger_restore(home, file, &err) < 0, 1);
    FILE *f = fopen(file, "w");
    fputs("no database at all, but long enough to be looked at", f);
    fclose(f);
    check_refused(MLO_EINVALID);
    check(unlink(file) == 0);
    check_refused(MLO_ENOTFOUND);
    check(mkfifo(file, 0600) == 0);
    check_refused(MLO_EINVALID);
}

static void a_run_in_progress_refuses_a_restore(void)
{
    struct mlo_ledger *l = fresh();
    move_to(l, "m:1", 'a');
    check_ok(mlo_ledger_backup(l, fresh_file(), &err), &err);
    struct mlo_run *r = begin(l, "pack");
    check_err(mlo_ledger_restore(home, file, &err), MLO_ECONFLICT, &err, "run 2 is in progress");
    check_ok(mlo_run_finish(r, 0, &err), &err);
    mlo_ledger_close(l);
    check_ok(mlo_ledger_restore(home, file, &err), &err);
}

static void a_backup_taken_while_others_write_is_one_moment(void)
{
    struct mlo_ledger *l = fresh();
    move_to(l, "m:1", 'a');
    pid_t pid = fork();
    if (pid == 0) {
        struct mlo_ledger *w = open_mode(MLO_LEDGER_WRITE);
        for (int i = 0;; i++) {
            move_to(w, "m:1", (char)('a' + i % 26));
            move_to(w, "m:2", (char)('a' + i % 26));
        }
    }
    for (int i = 0; i < 8; i++)
        check_ok(mlo_ledger_backup(l, fresh_file(), &err), &err);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    mlo_ledger_close(l);
    l = open_mode(MLO_LEDGER_WRITE);
    check_ok(mlo_ledger_recover(l, NULL, 0, NULL, NULL, &err), &err);
    check_ok(verify(l), &err);
    mlo_ledger_close(l);
}

/* ---- memory failure ---- */

static int whole_life(void)
{
    struct mlo_ledger *l = NULL;
    struct mlo_run *r = NULL;
    struct mlo_digest a = dig('a');
    struct mlo_run_info info = {.command = "pack"};
    int ordinal;
    int rc = mlo_ledger_open(home, MLO_LEDGER_WRITE, &l, &err);
    if (!rc)
        rc = mlo_ledger_recover(l, NULL, 0, NULL, NULL, &err);
    if (!rc)
        rc = mlo_run_begin(l, &info, &r, &err);
    if (!rc) {
        rc = mlo_run_move_name_any(r, "tag", "m:1", &a, &err);
        if (!rc)
            rc = mlo_run_metric(r, "k", 1, &err);
        if (!rc)
            rc = mlo_run_artifact(r, "k", &a, 1, &err);
        if (!rc)
            rc = mlo_run_intend(r, "x", "y", NULL, "z", &ordinal, &err);
        struct mlo_err second;
        int end = mlo_run_finish(r, -rc, rc ? &second : &err);
        rc = rc ? rc : end;
    }
    mlo_ledger_close(l);
    return rc;
}

static void a_run_survives_lack_of_memory(void)
{
    mlo_ledger_close(fresh());
    check(each_alloc_failure(whole_life) > 10);
    struct mlo_ledger *l = open_mode(MLO_LEDGER_WRITE);
    check_ok(mlo_ledger_recover(l, NULL, 0, NULL, NULL, &err), &err);
    check_ok(verify(l), &err);
    mlo_ledger_close(l);
}

static int64_t target;
static int plan_only(void)
{
    struct mlo_ledger *l = NULL;
    struct mlo_undo_plan *p = NULL;
    struct mlo_undo_opts opts = {.cascade = true};
    uint64_t rows;
    int rc = mlo_ledger_open(home, MLO_LEDGER_READ, &l, &err);
    if (!rc)
        rc = mlo_undo_plan(l, target, &opts, NULL, 0, &p, &err);
    if (!rc)
        rc = mlo_ledger_verify(l, NULL, &rows, &err);
    mlo_undo_plan_free(p);
    mlo_ledger_close(l);
    return rc;
}

static void planning_and_verifying_survive_lack_of_memory(void)
{
    struct mlo_ledger *l = fresh();
    target = move_to(l, "m:1", 'a');
    move_to(l, "m:1", 'b');
    mlo_ledger_close(l);
    check(each_alloc_failure(plan_only) > 10);
}

static int backup_only(void)
{
    struct mlo_ledger *l = NULL;
    int rc = mlo_ledger_open(home, MLO_LEDGER_READ, &l, &err);
    if (!rc)
        rc = mlo_ledger_backup(l, file, &err);
    mlo_ledger_close(l);
    if (!rc)
        rc = mlo_ledger_restore(home, file, &err);
    unlink(file);
    return rc;
}

static void backup_and_restore_survive_lack_of_memory(void)
{
    struct mlo_ledger *l = fresh();
    move_to(l, "m:1", 'a');
    mlo_ledger_close(l);
    fresh_file();
    check(each_alloc_failure(backup_only) > 10);
    l = open_mode(MLO_LEDGER_READ);
    check_ok(verify(l), &err);
    mlo_ledger_close(l);
}

int main(void)
{
    run(a_backup_comes_back_by_restore);
    run(restore_makes_a_home);
    run(a_backup_never_replaces_a_file);
    run(a_damaged_ledger_has_no_backup);
    run(a_damaged_file_is_not_restored);
    run(a_run_in_progress_refuses_a_restore);
    run(a_backup_taken_while_others_write_is_one_moment);
    run(a_run_survives_lack_of_memory);
    run(planning_and_verifying_survive_lack_of_memory);
    run(backup_and_restore_survive_lack_of_memory);
    return done_testing();
}
