/* Tampering with the file is found and named. */
#include "ledger_fixture.h"

#include "../../src/ledger/internal.h"

#include <fcntl.h>

/* What the sqlite3 program would be used for: the guards are taken away and put back as they were. */
static void tamper_freely(const char *sql)
{
    char text[2048];
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    char path[600], *guards[16];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/ledger.db", home);
    check(sqlite3_open(path, &db) == SQLITE_OK);
    sqlite3_prepare_v2(db, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'", -1, &s, NULL);
    while (sqlite3_step(s) == SQLITE_ROW)
        guards[n++] = sqlite3_mprintf("DROP TRIGGER %s; %s", sqlite3_column_text(s, 0),
                                      sqlite3_column_text(s, 1));
    sqlite3_finalize(s);
    for (size_t i = 0; i < n; i++) {
        snprintf(text, sizeof text, "%.*s", (int)(strchr(guards[i], ';') - guards[i]), guards[i]);
        check(sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    }
    check(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    for (size_t i = 0; i < n; i++) {
        check(sqlite3_exec(db, strchr(guards[i], ';') + 1, NULL, NULL, NULL) == SQLITE_OK, "%s",
              sqlite3_errmsg(db));
        sqlite3_free(guards[i]);
    }
    sqlite3_close(db);
}

/* Six runs: 1 to 3 move m:1, 4 has a metric and an artifact, 5 undoes 3, 6 moves m:2. */
static void six_runs(void)
{
    struct mlo_ledger *l = fresh();
    struct mlo_digest d = dig('d');
    for (char c = 'a'; c <= 'c'; c++)
        move_to(l, "m:1", c);
    struct mlo_run *r = begin(l, "bench");
    check_ok(mlo_run_metric(r, "auc", 0.75, &err), &err);
    check_ok(mlo_run_artifact(r, "report", &d, 10, &err), &err);
    check_ok(mlo_run_finish(r, 0, &err), &err);
    check_ok(undo(l, 3, NULL), &err);
    move_to(l, "m:2", 'x');
    check_ok(verify(l), &err);
    mlo_ledger_close(l);
}

static void check_found(const char *sql, const char *want)
{
    six_runs();
    tamper_freely(sql);
    struct mlo_ledger *l = open_mode(MLO_LEDGER_READ);
    check_err(verify(l), MLO_NO, &err, want);
    mlo_ledger_close(l);
}

static void an_edited_row_is_named(void)
{
    check_found("UPDATE runs SET note = 'nothing to see' WHERE id = 2", "run 2 was edited");
    check_found("UPDATE runs SET started_ns = started_ns + 1 WHERE id = 6", "run 6 was edited");
    check_found("UPDATE runs SET exit_code = NULL WHERE id = 1", "run 1 was edited");
    check_found("UPDATE effects SET before = NULL WHERE run = 2", "run 2 was edited");
    check_found("UPDATE effects SET target = 'tag/m:9' WHERE run = 2", "run 2 was edited");
    check_found("UPDATE effects SET seq = 1 WHERE run = 2", "run 2 was edited");
    check_found("UPDATE metrics SET value = 0.76", "run 4 was edited");
    check_found("UPDATE artifacts SET size = 11", "run 4 was edited");
    check_found("UPDATE runs SET undo_of = 1 WHERE id = 5", "run 5 was edited");
    check_found("UPDATE runs SET status = 'running' WHERE id = 3", "run 3 was edited");
}

static void a_moved_boundary_between_two_texts_is_seen(void)
{
    check_found("UPDATE runs SET user = user || 'h', host = substr(host, 2) WHERE id = 1",
                "run 1 was edited");
}

static void deleted_rows_are_named(void)
{
    check_found("DELETE FROM runs WHERE id = 2", "run 2 is missing");
    check_found("DELETE FROM effects WHERE run = 2; DELETE FROM runs WHERE id = 2", "run 2 is missing");
    check_found("DELETE FROM effects WHERE run = 3", "run 3 was edited");
    check_found("DELETE FROM metrics", "run 4 was edited");
    check_found("DELETE FROM effects WHERE run = 1; DELETE FROM runs WHERE id = 1", "run 1 is missing");
}

static void a_cut_end_is_found(void)
{
    check_found(
        "DELETE FROM effects WHERE run = 6; DELETE FROM names WHERE run = 6; DELETE FROM runs WHERE id = 6",
        "the end was cut off: the last run has place 5, the head says 6");
    check_found("DELETE FROM effects; DELETE FROM names; DELETE FROM metrics; DELETE FROM artifacts; DELETE "
                "FROM runs",
                "the end was cut off");
    check_found(
        "DELETE FROM effects WHERE run = 6; DELETE FROM names WHERE run = 6; DELETE FROM runs WHERE id = 6; "
        "UPDATE head SET seq = 5, hash = (SELECT hash FROM runs WHERE id = 5)",
        "run 6 is missing: ids were given up to 6");
}

static void inserted_rows_are_named(void)
{
#define COPY_OF_6                                                                                            \
    "started_ns, ended_ns, command, argv, cwd, user, host, tool_version, git_dirty, status, exit_code"
    check_found("INSERT INTO runs (seq, prev_hash, hash, " COPY_OF_6 ") SELECT 7, hash, hash, " COPY_OF_6
                " FROM runs WHERE id = 6",
                "run 7 was edited");
    check_found(
        "INSERT INTO effects SELECT 2, 7, kind, target, before, after, state, seq FROM effects WHERE run = 2",
        "run 2 was edited");
    check_found("INSERT INTO effects SELECT 99, 0, kind, target, before, after, state, seq FROM effects "
                "WHERE run = 2",
                "run 99 is missing");
    check_found("INSERT INTO metrics VALUES (1, 'auc', 1.0)", "run 1 was edited");
}

/* Somebody who knows the hash function: edits row 2 and hashes it anew. */
static void a_rehashed_row_breaks_the_chain_at_the_next(void)
{
    six_runs();
    tamper_freely("UPDATE runs SET note = 'forged' WHERE id = 2");
    struct mlo_ledger *l = open_mode(MLO_LEDGER_READ);
    struct mlo_run_row row = row_of(l, 2);
    struct mlo_digest forged;
    char sql[300], hex[MLO_DIGEST_HEX + 1];
    check_ok(mlo_chain_hash(l, 2, &row.prev_hash, &forged, &err), &err);
    mlo_ledger_close(l);
    snprintf(sql, sizeof sql, "UPDATE runs SET hash = x'%s' WHERE id = 2", mlo_digest_hex(&forged, hex));
    tamper_freely(sql);
    l = open_mode(MLO_LEDGER_READ);
    check_err(verify(l), MLO_NO, &err, "run 3 (place 3) does not follow place 2");
    mlo_ledger_close(l);
}

static void a_wrong_head_is_found(void)
{
    check_found("UPDATE head SET hash = zeroblob(32)", "the head does not match");
    check_found("UPDATE head SET seq = 5", "run 6 was inserted: its place 6 is behind the head");
    check_found("DELETE FROM head", "the head is missing");
}

static void a_noted_head_finds_a_rewritten_history(void)
{
    six_runs();
    struct mlo_ledger *l = open_mode(MLO_LEDGER_WRITE);
    struct mlo_ledger_head head, other;
    struct mlo_ledger_verify_opts opts = {.against = &head};
    uint64_t rows = 0;
    check_ok(mlo_ledger_head(l, &head, &err), &err);
    move_to(l, "m:3", 'y');
    check_ok(mlo_ledger_verify(l, &opts, &rows, &err), &err);
    check_int(rows, 7);
    other = head;
    other.hash.b[0] ^= 1;
    opts.against = &other;
    check_err(mlo_ledger_verify(l, &opts, &rows, &err), MLO_NO, &err,
              "run 6 (place 6) is not the one of the noted head");
    other = (struct mlo_ledger_head){.seq = 8};
    check_err(mlo_ledger_verify(l, &opts, &rows, &err), MLO_NO, &err, "the noted head 8");
    mlo_ledger_close(l);
}

static void names_that_no_run_left_there_are_found(void)
{
    char sql[300];
    snprintf(sql, sizeof sql, "UPDATE names SET digest = '%s' WHERE name = 'm:1'", text_of('q'));
    check_found(sql, "name 'tag/m:1' is at sha256:7171");
    check_found("DELETE FROM names WHERE name = 'm:1'", "name 'tag/m:1' is at nothing, but run 5");
    check_found("INSERT INTO names SELECT kind, 'new', digest, run FROM names LIMIT 1",
                "name 'tag/new' was inserted");
    check_found("UPDATE names SET run = 1 WHERE name = 'm:1'", "name 'tag/m:1'");
}

static void a_changed_schema_is_found(void)
{
    six_runs();
    tamper("DROP TRIGGER runs_update");
    struct mlo_ledger *l = open_mode(MLO_LEDGER_READ);
    check_err(verify(l), MLO_NO, &err, "'runs_update' is missing");
    mlo_ledger_close(l);
    check_found("CREATE VIEW spy AS SELECT 1", "'spy' was added");
}

static void the_guards_refuse_what_is_done_by_mistake(void)
{
    static const char *const mistakes[] = {
        "UPDATE runs SET note = 'x' WHERE id = 1",       "DELETE FROM runs WHERE id = 6",
        "UPDATE effects SET after = NULL WHERE run = 1", "DELETE FROM effects",
        "INSERT INTO metrics VALUES (1, 'k', 1.0)",      "UPDATE artifacts SET size = 1",
    };
    six_runs();
    char path[600];
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/ledger.db", home);
    check(sqlite3_open(path, &db) == SQLITE_OK);
    for (size_t i = 0; i < MLO_COUNT(mistakes); i++)
        check(sqlite3_exec(db, mistakes[i], NULL, NULL, NULL) == SQLITE_CONSTRAINT, "%s", mistakes[i]);
    sqlite3_close(db);
}

static void damaged_pages_are_found(void)
{
    struct mlo_ledger *l = fresh();
    for (int i = 0; i < 60; i++)
        move_to(l, "m:1", (char)('A' + i));
    mlo_ledger_close(l);
    char path[600], junk[512];
    snprintf(path, sizeof path, "%s/ledger.db", home);
    memset(junk, 0xa5, sizeof junk);
    struct stat st;
    check(stat(path, &st) == 0);
    int found = 0, n = 0;
    for (off_t page = 1; page < st.st_size / 4096; page++, n++) {
        char copy[512];
        int fd = open(path, O_RDWR);
        check(pread(fd, copy, sizeof copy, page * 4096) == sizeof copy &&
              pwrite(fd, junk, sizeof junk, page * 4096) > 0);
        int rc = mlo_ledger_open(home, MLO_LEDGER_READ, &l, &err);
        if (!rc) {
            struct mlo_ledger_verify_opts deep = {.deep = true};
            uint64_t rows;
            rc = mlo_ledger_verify(l, &deep, &rows, &err);
            mlo_ledger_close(l);
        }
        found += rc == MLO_NO || rc == MLO_EINVALID;
        check(pwrite(fd, copy, sizeof copy, page * 4096) > 0);
        close(fd);
    }
    check_int(found, n);
}

static void overlapping_runs_are_in_order_of_ending(void)
{
    struct mlo_ledger *l = fresh();
    struct mlo_run *open_runs[5];
    for (int i = 0; i < 5; i++)
        open_runs[i] = begin(l, "slow");
    static const int order[] = {3, 0, 4, 1};
    for (int i = 0; i < 4; i++) {
        move_to(l, "m:1", (char)('a' + i));
        check_ok(mlo_run_finish(open_runs[order[i]], 0, &err), &err);
    }
    check_ok(verify(l), &err);
    check_ok(mlo_run_finish(open_runs[2], 4, &err), &err);
    check_ok(verify(l), &err);
    check_int(row_of(l, 3).seq, 9);
    mlo_ledger_close(l);
}

int main(void)
{
    run(an_edited_row_is_named);
    run(a_moved_boundary_between_two_texts_is_seen);
    run(deleted_rows_are_named);
    run(a_cut_end_is_found);
    run(inserted_rows_are_named);
    run(a_rehashed_row_breaks_the_chain_at_the_next);
    run(a_wrong_head_is_found);
    run(a_noted_head_finds_a_rewritten_history);
    run(names_that_no_run_left_there_are_found);
    run(a_changed_schema_is_found);
    run(the_guards_refuse_what_is_done_by_mistake);
    run(damaged_pages_are_found);
    run(overlapping_runs_are_in_order_of_ending);
    return done_testing();
}
