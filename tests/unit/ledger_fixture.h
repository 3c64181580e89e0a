/* Short words for tests of the ledger: a fresh home, digests by letter, runs that move one name. */
#ifndef TESTS_UNIT_LEDGER_FIXTURE_H
#define TESTS_UNIT_LEDGER_FIXTURE_H

#include "tap.h"

#include <inttypes.h>
#include <mlopsctl/ledger.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct mlo_err err;
static char home[512];

/* A home that does not exist yet. */
static inline const char *fresh_home(void)
{
    static int n;
    snprintf(home, sizeof home, "%s/home-%ld-%d", tap_tmpdir(), (long)getpid(), n++);
    return home;
}

static inline struct mlo_ledger *open_mode(enum mlo_ledger_mode mode)
{
    struct mlo_ledger *l = NULL;
    check_ok(mlo_ledger_open(home, mode, &l, &err), &err);
    return l;
}

static inline struct mlo_ledger *fresh(void)
{
    fresh_home();
    return open_mode(MLO_LEDGER_WRITE);
}

/* Digest of 32 times the letter. */
static inline struct mlo_digest dig(char letter)
{
    struct mlo_digest d;
    memset(d.b, letter, sizeof d.b);
    return d;
}

static inline const char *text_of(char letter)
{
    static char buf[4][MLO_DIGEST_TEXT];
    static unsigned i;
    struct mlo_digest d = dig(letter);
    return letter ? mlo_digest_text(&d, buf[i++ % 4]) : NULL;
}

static inline struct mlo_run *begin_undo(struct mlo_ledger *l, const char *command, int64_t undo_of)
{
    struct mlo_run *r = NULL;
    struct mlo_run_info info = {.command = command,
                                .argv_json = "[\"mlopsctl\"]",
                                .cwd = "/somewhere",
                                .user = "tester",
                                .host = "here",
                                .tool_version = "0.0.0",
                                .undo_of = undo_of};
    check_ok(mlo_run_begin(l, &info, &r, &err), &err);
    return r;
}

static inline struct mlo_run *begin(struct mlo_ledger *l, const char *command)
{
    return begin_undo(l, command, 0);
}

/* One run that moves name "m:1" of kind "tag"; '\0' removes it. Returns its id. */
static inline int64_t move_to(struct mlo_ledger *l, const char *name, char letter)
{
    struct mlo_run *r = begin(l, "tag");
    struct mlo_digest d = dig(letter);
    int64_t id = mlo_run_id(r);
    check_ok(mlo_run_move_name_any(r, "tag", name, letter ? &d : NULL, &err), &err);
    check_ok(mlo_run_finish(r, 0, &err), &err);
    return id;
}

/* The letter that the name is at, '\0' when it does not exist. */
static inline char at(struct mlo_ledger *l, const char *name)
{
    struct mlo_digest d = {{0}};
    return mlo_name_get(l, "tag", name, &d, &err) == 0 ? (char)d.b[0] : '\0';
}

static inline int undo_with(struct mlo_ledger *l, int64_t id, const struct mlo_undo_opts *opts,
                            const struct mlo_undo_handler *handlers, size_t n, int64_t *ret_run)
{
    struct mlo_undo_plan *p = NULL;
    int rc = mlo_undo_plan(l, id, opts, handlers, n, &p, &err);
    if (rc)
        return rc;
    struct mlo_run *r = begin_undo(l, "rollback", id);
    if (ret_run)
        *ret_run = mlo_run_id(r);
    rc = mlo_undo_apply(p, r, &err);
    mlo_undo_plan_free(p);
    struct mlo_err second;
    int end = mlo_run_finish(r, -rc, rc ? &second : &err);
    return rc ? rc : end;
}

static inline int undo(struct mlo_ledger *l, int64_t id, int64_t *ret_run)
{
    return undo_with(l, id, NULL, NULL, 0, ret_run);
}

static inline int copy_row(void *ctx, const struct mlo_run_row *row, struct mlo_err *e)
{
    (void)e;
    struct mlo_run_row *out = ctx;
    static char status[16];
    *out = *row;
    snprintf(status, sizeof status, "%s", row->status);
    out->status = status; /* other text is gone when the row is */
    out->command = out->argv_json = out->cwd = out->user = out->host = out->tool_version = out->git_commit =
        out->note = NULL;
    return 0;
}

static inline struct mlo_run_row row_of(struct mlo_ledger *l, int64_t id)
{
    struct mlo_run_row row = {.status = "(none)"};
    struct mlo_run_filter f = {.id = id};
    check_ok(mlo_run_each(l, &f, copy_row, &row, &err), &err);
    return row;
}

static inline int verify(struct mlo_ledger *l)
{
    uint64_t rows;
    return mlo_ledger_verify(l, NULL, &rows, &err);
}

/* What somebody with the sqlite3 program could do. */
static inline void tamper(const char *sql)
{
    char path[600];
    sqlite3 *db = NULL;
    char *msg = NULL;
    snprintf(path, sizeof path, "%s/ledger.db", home);
    check(sqlite3_open(path, &db) == SQLITE_OK);
    check(sqlite3_exec(db, sql, NULL, NULL, &msg) == SQLITE_OK, "%s", msg ? msg : "");
    sqlite3_free(msg);
    sqlite3_close(db);
}

static inline bool exists(const char *name)
{
    char path[700];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", home, name);
    return lstat(path, &st) == 0;
}

#endif
