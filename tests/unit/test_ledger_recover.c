/* Runs that die, several processes at once. */
#include "ledger_fixture.h"

static char world[64];

static int world_happened(void *ctx, const struct mlo_effect *e, bool *ret, struct mlo_err *out)
{
    (void)ctx, (void)out;
    *ret = strcmp(world, e->after) == 0;
    return 0;
}

static int undo_world(void *ctx, const struct mlo_effect *e, struct mlo_err *out)
{
    (void)ctx, (void)out;
    snprintf(world, sizeof world, "%s", e->before);
    return 0;
}

static const struct mlo_undo_handler handler = {
    .kind = "world", .undo = undo_world, .happened = world_happened};

/* A process that begins a run, does `what` and is gone without a word. */
static void die_after(void (*what)(struct mlo_run *r))
{
    pid_t pid = fork();
    if (pid == 0) {
        struct mlo_ledger *l = open_mode(MLO_LEDGER_WRITE);
        struct mlo_run *r = begin(l, "pack");
        what(r);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    check_int(status, 0);
}

static void intend_one(struct mlo_run *r)
{
    struct mlo_digest a = dig('a');
    char path[600];
    int ordinal;
    snprintf(path, sizeof path, "%s/half-written", mlo_run_folder(r));
    fclose(fopen(path, "w"));
    check_ok(mlo_run_intend(r, "world", "it", "before", "after", &ordinal, &err), &err);
    check_ok(mlo_run_intend(r, "unheard-of", "it", "before", "after", &ordinal, &err), &err);
    check_ok(mlo_run_move_name_any(r, "tag", "m:1", &a, &err), &err);
}

static int n_recovered, n_finished, n_undone;
static int count_recovered(void *ctx, const struct mlo_recovered *rec, struct mlo_err *out)
{
    (void)ctx, (void)out;
    n_recovered++;
    n_finished += rec->finished;
    n_undone += rec->undone;
    check_str(rec->command, "pack");
    return 0;
}

static int recover_with(struct mlo_ledger *l, const struct mlo_undo_handler *h)
{
    n_recovered = n_finished = n_undone = 0;
    return mlo_ledger_recover(l, h, h ? 1 : 0, count_recovered, NULL, &err);
}

static int states(void *ctx, const struct mlo_effect *e, struct mlo_err *out)
{
    (void)out;
    ((char *)ctx)[e->ordinal] = "idrx"[e->state];
    return 0;
}

static void check_died(struct mlo_ledger *l, const char *want)
{
    char got[8] = "";
    check_ok(mlo_effect_each(l, 1, states, got, &err), &err);
    check_str(got, want);
    check_str(row_of(l, 1).status, "died");
    check_int(row_of(l, 1).exit_code, -1);
    check_int(at(l, "m:1"), 0);
    check(!exists("tmp/run-1"));
    check_ok(verify(l), &err);
    check_ok(recover_with(l, &handler), &err);
    check_int(n_recovered, 0);
}

static void an_effect_that_had_happened_is_finished(void)
{
    struct mlo_ledger *l = fresh();
    die_after(intend_one);
    check(exists("tmp/run-1/half-written"));
    strcpy(world, "after");
    check_ok(recover_with(l, &handler), &err);
    check_int(n_recovered, 1);
    check_int(n_finished, 1);
    check_int(n_undone, 0);
    check_str(world, "after");
    check_died(l, "di");
    mlo_ledger_close(l);
}

static void an_effect_that_had_only_begun_is_taken_back(void)
{
    struct mlo_ledger *l = fresh();
    die_after(intend_one);
    strcpy(world, "half");
    check_ok(recover_with(l, &handler), &err);
    check_int(n_finished, 0);
    check_int(n_undone, 1);
    check_str(world, "before");
    check_died(l, "ri");
    mlo_ledger_close(l);
}

static int unreachable(void *ctx, const struct mlo_effect *e, struct mlo_err *out)
{
    (void)ctx, (void)e;
    return mlo_fail(out, MLO_EREMOTE, "no network");
}

static void what_cannot_be_recovered_now_is_left_for_later(void)
{
    struct mlo_ledger *l = fresh();
    const struct mlo_undo_handler away = {.kind = "world", .undo = unreachable, .happened = world_happened};
    die_after(intend_one);
    strcpy(world, "half");
    check_err(recover_with(l, &away), MLO_EREMOTE, &err, "recovering run 1, world 'it': no network");
    check_str(row_of(l, 1).status, "running");
    check_ok(recover_with(l, &handler), &err);
    check_died(l, "ri");
    mlo_ledger_close(l);
}

static void a_living_run_is_left_alone(void)
{
    struct mlo_ledger *l = fresh(), *other = open_mode(MLO_LEDGER_WRITE);
    struct mlo_run *r = begin(l, "pack");
    check_ok(recover_with(other, NULL), &err);
    check_int(n_recovered, 0);
    check(exists("tmp/run-1"));
    check_ok(mlo_run_finish(r, 0, &err), &err);
    check_str(row_of(other, 1).status, "done");
    mlo_ledger_close(other);
    mlo_ledger_close(l);
}

static void leave_nothing(struct mlo_run *r)
{
    (void)r;
}

static void a_run_whose_folder_is_gone_has_died_too(void)
{
    struct mlo_ledger *l = fresh();
    char path[600];
    die_after(leave_nothing);
    snprintf(path, sizeof path, "%s/tmp/run-1", home);
    check(rmdir(path) == 0);
    check_ok(recover_with(l, NULL), &err);
    check_int(n_recovered, 1);
    check_str(row_of(l, 1).status, "died");
    check(!exists("tmp/run-1"));
    mlo_ledger_close(l);
}

static void folders_without_a_living_run_are_swept(void)
{
    struct mlo_ledger *l = fresh();
    char path[600];
    move_to(l, "m:1", 'a');
    snprintf(path, sizeof path, "%s/tmp/run-1", home); /* its run ended, the crash came before the removal */
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/tmp/run-1/x", home);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/tmp/run-2", home); /* its begin was never committed */
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/tmp/run-2x", home); /* not ours */
    mkdir(path, 0700);
    struct mlo_ledger *other = open_mode(MLO_LEDGER_WRITE);
    err = MLO_ERR_INIT;
    check_ok(recover_with(other, NULL), &err);
    check_int(err.code, 0);
    check(!exists("tmp/run-1") && !exists("tmp/run-2") && exists("tmp/run-2x"));
    mlo_ledger_close(other);
    mlo_ledger_close(l);
}

static void begin_takes_over_the_folder_of_a_begin_that_never_was(void)
{
    struct mlo_ledger *l = fresh();
    char path[600];
    struct stat st;
    snprintf(path, sizeof path, "%s/tmp/run-1", home);
    mkdir(path, 0700);
    struct mlo_run *r = begin(l, "pack");
    check(r && stat(mlo_run_folder(r), &st) == 0);
    check_ok(mlo_run_finish(r, 0, &err), &err);
    mlo_ledger_close(l);
}

/* ---- several processes ---- */

static void wait_all(int n)
{
    for (int i = 0; i < n; i++) {
        int status;
        wait(&status);
        check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", status);
    }
}

static void several_recover_one_run_once(void)
{
    struct mlo_ledger *l = fresh();
    die_after(leave_nothing);
    mlo_ledger_close(l);
    for (int i = 0; i < 6; i++)
        if (fork() == 0) {
            l = open_mode(MLO_LEDGER_WRITE);
            int rc = mlo_ledger_recover(l, NULL, 0, NULL, NULL, &err);
            if (rc)
                fprintf(stderr, "# %s\n", err.msg);
            _exit(-rc);
        }
    wait_all(6);
    l = open_mode(MLO_LEDGER_READ);
    struct mlo_ledger_head head;
    check_ok(mlo_ledger_head(l, &head, &err), &err);
    check_int(head.seq, 1);
    check_ok(verify(l), &err);
    mlo_ledger_close(l);
}

#define WRITERS 8
#define ROUNDS  25

static int write_rounds(int me)
{
    char name[32];
    for (int i = 0; i < ROUNDS; i++) {
        struct mlo_ledger *l = NULL;
        if (mlo_ledger_open(home, MLO_LEDGER_WRITE, &l, &err) ||
            mlo_ledger_recover(l, NULL, 0, NULL, NULL, &err))
            return 1;
        snprintf(name, sizeof name, "m:%d", i % 3);
        int64_t id = move_to(l, name, (char)('a' + me));
        struct mlo_digest own = dig((char)('a' + me));
        struct mlo_run_info info = {.command = "own"};
        struct mlo_run *r = NULL;
        snprintf(name, sizeof name, "own-%d:%d", me, i);
        if (!id || mlo_run_begin(l, &info, &r, &err) || mlo_run_move_name(r, "tag", name, NULL, &own, &err) ||
            mlo_run_finish(r, 0, &err))
            return 2;
        mlo_ledger_close(l);
    }
    return 0;
}

static int count_name(void *ctx, const struct mlo_name_row *row, struct mlo_err *out)
{
    (void)row, (void)out;
    ++*(int *)ctx;
    return 0;
}

static void eight_processes_write_at_once(void)
{
    fresh_home();
    for (int i = 0; i < WRITERS; i++)
        if (fork() == 0) {
            int rc = write_rounds(i);
            if (rc)
                fprintf(stderr, "# writer %d: %d: %s\n", i, rc, err.msg);
            _exit(rc);
        }
    wait_all(WRITERS);
    struct mlo_ledger *l = open_mode(MLO_LEDGER_READ);
    struct mlo_ledger_head head = {0};
    int names = 0;
    check_ok(mlo_ledger_head(l, &head, &err), &err);
    check_int(head.seq, 2 * WRITERS * ROUNDS);
    check_ok(mlo_name_each(l, "tag", count_name, &names, &err), &err);
    check_int(names, 3 + WRITERS * ROUNDS);
    check_ok(verify(l), &err);
    mlo_ledger_close(l);
    check(!exists("ledger.db-wal"), "folded in by the last");
}

static long waited_for;
static void note_wait(void *ctx, long pid)
{
    (void)ctx;
    waited_for = pid;
}

static void a_waiting_writer_hears_who_holds_the_lock(void)
{
    struct mlo_ledger *l = fresh();
    int ready[2];
    char c;
    check(pipe(ready) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        char path[1400];
        snprintf(path, sizeof path,
                 "exec 9<>%s/lock; flock 9; printf '%%s' $$ >%s/lock; echo x >&%d; sleep 1", home, home,
                 ready[1]);
        execl("/bin/sh", "sh", "-c", path, (char *)NULL);
        _exit(1);
    }
    check(read(ready[0], &c, 1) == 1);
    mlo_ledger_on_wait(l, note_wait, NULL);
    move_to(l, "m:1", 'a');
    check_int(waited_for, pid);
    wait_all(1);
    mlo_ledger_close(l);
}

int main(void)
{
    run(an_effect_that_had_happened_is_finished);
    run(an_effect_that_had_only_begun_is_taken_back);
    run(what_cannot_be_recovered_now_is_left_for_later);
    run(a_living_run_is_left_alone);
    run(a_run_whose_folder_is_gone_has_died_too);
    run(folders_without_a_living_run_are_swept);
    run(begin_takes_over_the_folder_of_a_begin_that_never_was);
    run(several_recover_one_run_once);
    run(eight_processes_write_at_once);
    run(a_waiting_writer_hears_who_holds_the_lock);
    return done_testing();
}
