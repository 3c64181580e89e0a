/*
 * Inside the ledger: the connection, its statements and transactions, and what the files here share.
 *
 * Everything that writes does so between mlo_tx_begin and mlo_tx_commit, which hold the flock on <home>/lock;
 * every checkpoint of the WAL happens under the same lock (see mlo_ledger_close).
 */
#ifndef MLOPSCTL_LEDGER_INTERNAL_H
#define MLOPSCTL_LEDGER_INTERNAL_H

#include <sqlite3.h>
#include <sys/stat.h>

#include <mlopsctl/base/hash.h>
#include <mlopsctl/base/io.h>
#include <mlopsctl/base/str.h>
#include <mlopsctl/base/time.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/ledger.h>

#include "sql.h"

#define MLO_LEDGER_FILE   "ledger.db"
#define MLO_LEDGER_LOCK   "lock"
#define MLO_LEDGER_TMP    "tmp"
#define MLO_LEDGER_APP_ID 0x6d6c6f70 /* "mlop" */
#define MLO_BUSY_MS       10000
#define MLO_LOCK_WAIT_MS  60000
#define MLO_RUN_DIR_MAX   48 /* "tmp/run-" and 20 digits */

enum mlo_sql {
#define MLO_SQL_ID(id, text) MLO_SQL_##id,
    MLO_SQL_LIST(MLO_SQL_ID)
#undef MLO_SQL_ID
        MLO_SQL_COUNT
};

struct mlo_ledger {
    sqlite3 *db;
    enum mlo_ledger_mode mode;
    char *home;
    int home_fd;
    int lock_fd; /* <home>/lock, -1 until needed; -1 for a lone file (backups) */
    bool in_tx;
    dev_t dev; /* of ledger.db when it was opened: a restore puts another file there */
    ino_t ino;
    void (*on_wait)(void *ctx, long pid);
    void *wait_ctx;
    sqlite3_stmt *cache[MLO_SQL_COUNT];
};

/* ---- sql.c: SQLite with our errors ---- */

/* Opens the file and sets what every connection needs. flags: SQLITE_OPEN_*. */
int mlo_sql_connect(const char *path, int flags, sqlite3 **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Error from SQLite's last failure on db, "what: reason"; returns the code. */
int mlo_sql_fail(sqlite3 *db, int rc, const char *what, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_sql_exec(sqlite3 *db, const char *sql, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_sql_pragma_i64(sqlite3 *db, const char *sql, int64_t *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* A statement in use: from the cache, or its own when the cached one is busy (a callback that asks again). */
struct mlo_stmt {
    sqlite3_stmt *h;
    bool own;
};
#define MLO_STMT_INIT ((struct mlo_stmt){0})
#define MLO_AUTOSTMT  MLO_AUTO(mlo_stmt_release)
int mlo_stmt_get(struct mlo_ledger *l, enum mlo_sql id, struct mlo_stmt *ret,
                 struct mlo_err *err) MLO_MUST_CHECK;
int mlo_stmt_prepare(sqlite3 *db, const char *sql, struct mlo_stmt *ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_stmt_release(struct mlo_stmt *s);
/* One letter an argument: i int64_t, t text or NULL, d double, b struct mlo_digest * as 32 bytes. Text is
 * borrowed until release. */
int mlo_stmt_bind(struct mlo_stmt *s, struct mlo_err *err, const char *types, ...) MLO_MUST_CHECK;
/* Next row: *ret_row false at the end. */
int mlo_stmt_step(struct mlo_stmt *s, bool *ret_row, struct mlo_err *err) MLO_MUST_CHECK;
/* get + bind + step to the end + release, for statements without rows. */
int mlo_sql_run(struct mlo_ledger *l, enum mlo_sql id, struct mlo_err *err, const char *types,
                ...) MLO_MUST_CHECK;
static inline const char *mlo_stmt_text(const struct mlo_stmt *s, int col)
{
    return (const char *)sqlite3_column_text(s->h, col);
}
/* A damaged file may hold NULL where the schema says NOT NULL. */
static inline const char *mlo_stmt_text0(const struct mlo_stmt *s, int col)
{
    const char *text = mlo_stmt_text(s, col);
    return text ? text : "";
}
static inline int64_t mlo_stmt_i64(const struct mlo_stmt *s, int col)
{
    return sqlite3_column_int64(s->h, col);
}
/* mlo_shown of a text column; NULL shows as nothing. */
const char *mlo_text_shown(const char *s, char buf[MLO_SHOWN]);
/* "kind 'target'" likewise. */
#define MLO_THING_SHOWN (2 * MLO_SHOWN)
const char *mlo_thing_shown(const char *kind, const char *target, char buf[MLO_THING_SHOWN]);
/* 32 bytes, else all zero. */
struct mlo_digest mlo_stmt_digest(const struct mlo_stmt *s, int col);

/* ---- schema.c ---- */

/* Brings a connection in a write transaction's reach to the newest schema; MLO_EUNAVAIL when it is newer than
 * this program. */
int mlo_schema_version(sqlite3 *db, int64_t *ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_schema_newest(void);
/* All missing steps, inside the transaction that the caller has open. */
int mlo_schema_migrate(sqlite3 *db, int64_t from, struct mlo_err *err) MLO_MUST_CHECK;
/* MLO_NO when the schema is not the one this version makes. tables: tables and views, else indexes and
 * triggers. */
int mlo_schema_check(sqlite3 *db, bool tables, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- ledger.c ---- */

/* A ledger that is one file (a backup), for reading. */
int mlo_ledger_open_file(const char *path, struct mlo_ledger **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Opens l->home as home_fd, made when writing. */
int mlo_ledger_home(struct mlo_ledger *l, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_lock_take(struct mlo_ledger *l, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_lock_drop(struct mlo_ledger *l);
int mlo_tx_begin(struct mlo_ledger *l, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_tx_commit(struct mlo_ledger *l, struct mlo_err *err) MLO_MUST_CHECK;
/* Rolls back when a transaction is open; safe always. */
void mlo_tx_abort(struct mlo_ledger *l);
/* Automatic variable: a transaction that ends with the scope unless committed. */
#define MLO_AUTOTX MLO_AUTO(mlo_tx_cleanup)
static inline void mlo_tx_cleanup(struct mlo_ledger **l)
{
    mlo_tx_abort(*l);
}

/* ---- run.c ---- */

/* "tmp/run-<id>" */
void mlo_run_dir(int64_t id, char buf[MLO_RUN_DIR_MAX]);
/* Opens (and makes) a run's folder and takes its lock; MLO_ECONFLICT when its owner lives. */
int mlo_run_claim(struct mlo_ledger *l, int64_t id, int *ret_fd, struct mlo_err *err) MLO_MUST_CHECK;
/* Inside a transaction: closes the row, hashes it into the chain, moves the head. */
int mlo_run_seal(struct mlo_ledger *l, int64_t id, const char *status, int exit_code, int64_t ended_ns,
                 struct mlo_err *err) MLO_MUST_CHECK;
/* Inside a transaction: the row of a running run. */
int mlo_run_insert(struct mlo_ledger *l, const struct mlo_run_info *info, int64_t started_ns, int64_t *ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* Marks run `id` as undone or, when an undo is undone, as done again; takes effect at finish. */
int mlo_run_mark(struct mlo_run *r, int64_t id, const char *expect, const char *state,
                 struct mlo_err *err) MLO_MUST_CHECK;
struct mlo_ledger *mlo_run_ledger(const struct mlo_run *r);
const char *mlo_effect_state_name(enum mlo_effect_state state);
/* Unknown text is MLO_EINVALID. */
int mlo_effect_state_parse(const char *text, enum mlo_effect_state *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- query.c ---- */

/* Columns run, ordinal, kind, target, before, after, state from `s`. */
int mlo_effect_from_row(const struct mlo_stmt *s, struct mlo_effect *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* What the last effect of an ended run left there; *ret_set false for nothing, *ret_run 0 when there is no
 * effect. */
int mlo_effect_last(struct mlo_ledger *l, const char *kind, const char *target, struct mlo_str *ret,
                    bool *ret_set, int64_t *ret_run, struct mlo_err *err) MLO_MUST_CHECK;
/* What stands now at (kind, target) as the effects know it: a name's digest, a run's state. Value NULL:
 * nothing. The mover 0: nobody. */
int mlo_present_value(struct mlo_ledger *l, const char *kind, const char *target, struct mlo_str *ret,
                      bool *ret_set, int64_t *ret_run, struct mlo_err *err) MLO_MUST_CHECK;
struct mlo_run_state {
    char status[16];         /* as stored, so never "undone" */
    char command[MLO_SHOWN]; /* escaped, for messages */
    int64_t seq, undone_by;
};
/* MLO_ENOTFOUND when there is no such run. */
int mlo_run_state(struct mlo_ledger *l, int64_t run, struct mlo_run_state *ret,
                  struct mlo_err *err) MLO_MUST_CHECK;
/* Is this run undone, and by which run (0: no). */
int mlo_undone_by(struct mlo_ledger *l, int64_t run, int64_t *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- undo.c, recover.c ---- */

int mlo_effect_copy(struct mlo_arena *arena, const struct mlo_effect *e, struct mlo_effect *ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
const struct mlo_undo_handler *mlo_undo_handler_of(const struct mlo_undo_handler *handlers, size_t n,
                                                   const char *kind);

/* ---- chain.c ---- */

/* Hash of one run as it stands in the tables, following `prev`. */
int mlo_chain_hash(struct mlo_ledger *l, int64_t run, const struct mlo_digest *prev, struct mlo_digest *ret,
                   struct mlo_err *err) MLO_MUST_CHECK;

/* ---- bulk.c: for generators of test ledgers ---- */

struct mlo_bulk_run {
    struct mlo_run_info info;
    int64_t started_ns, ended_ns;
    const char *kind, *name; /* one name moved; NULL: none */
    struct mlo_digest digest;
    const char *metric;
    double value;
};
/* Appends n runs in one transaction; fill is asked for each. */
int mlo_ledger_bulk(struct mlo_ledger *l, uint64_t n,
                    int (*fill)(void *ctx, uint64_t i, struct mlo_bulk_run *ret, struct mlo_err *err),
                    void *ctx, struct mlo_err *err) MLO_MUST_CHECK;

#endif
