/*
 * The schema and its migrations. A step never changes once released; a new one is added behind. All missing
 * steps run in one transaction, so a ledger has the old schema or the new one.
 *
 * The triggers guard against mistakes, not against attackers: those are found by the chain.
 */
#include "internal.h"

#include <string.h>

/* What has been hashed stays as it is. */
#define FROZEN_CHILD(table)                                                                                  \
    "CREATE TRIGGER " table "_insert BEFORE INSERT ON " table                                                \
    " WHEN (SELECT hash FROM runs WHERE id = NEW.run) IS NOT NULL "                                          \
    "BEGIN SELECT RAISE(ABORT, 'an ended run cannot be changed'); END;"                                      \
    "CREATE TRIGGER " table "_update BEFORE UPDATE ON " table                                                \
    " WHEN (SELECT hash FROM runs WHERE id = OLD.run) IS NOT NULL "                                          \
    "BEGIN SELECT RAISE(ABORT, 'an ended run cannot be changed'); END;"                                      \
    "CREATE TRIGGER " table "_delete BEFORE DELETE ON " table                                                \
    " BEGIN SELECT RAISE(ABORT, 'the ledger only grows'); END;"

static const char schema_1[] =
    "CREATE TABLE runs ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " seq INTEGER UNIQUE," /* place in the chain, in order of ending; NULL while running */
    " started_ns INTEGER NOT NULL,"
    " ended_ns INTEGER,"
    " command TEXT NOT NULL,"
    " argv TEXT NOT NULL,"
    " cwd TEXT NOT NULL,"
    " user TEXT NOT NULL,"
    " host TEXT NOT NULL,"
    " tool_version TEXT NOT NULL,"
    " git_commit TEXT,"
    " git_dirty INTEGER NOT NULL CHECK (git_dirty IN (0, 1)),"
    " note TEXT,"
    " status TEXT NOT NULL CHECK (status IN ('running', 'done', 'failed', 'died')),"
    " exit_code INTEGER," /* NULL while running and for a run that died */
    " undo_of INTEGER REFERENCES runs (id),"
    " prev_hash BLOB CHECK (length(prev_hash) = 32),"
    " hash BLOB CHECK (length(hash) = 32)"
    ") STRICT;"
    "CREATE INDEX runs_started ON runs (started_ns);"
    "CREATE INDEX runs_command ON runs (command);"
    "CREATE INDEX runs_not_done ON runs (status) WHERE status <> 'done';"
    "CREATE TABLE effects ("
    " run INTEGER NOT NULL REFERENCES runs (id),"
    " ordinal INTEGER NOT NULL,"
    " kind TEXT NOT NULL," /* 'name', 'run' (undone or done again), or what an undo handler knows */
    " target TEXT NOT NULL,"
    " before TEXT,"
    " after TEXT,"
    " state TEXT NOT NULL CHECK (state IN ('intended', 'done', 'reverted', 'irreversible')),"
    " seq INTEGER," /* the run's, so that the history of a target is a walk along effects_target */
    " PRIMARY KEY (run, ordinal)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX effects_target ON effects (kind, target, seq);"
    "CREATE TABLE names ("
    " kind TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " digest TEXT NOT NULL,"
    " run INTEGER NOT NULL REFERENCES runs (id)," /* that moved it last */
    " PRIMARY KEY (kind, name)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE metrics ("
    " run INTEGER NOT NULL REFERENCES runs (id),"
    " key TEXT NOT NULL,"
    " value REAL NOT NULL,"
    " PRIMARY KEY (run, key)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE artifacts ("
    " run INTEGER NOT NULL REFERENCES runs (id),"
    " ordinal INTEGER NOT NULL,"
    " kind TEXT NOT NULL,"
    " digest TEXT NOT NULL,"
    " size INTEGER NOT NULL,"
    " PRIMARY KEY (run, ordinal)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE head ("
    " only INTEGER PRIMARY KEY CHECK (only = 1),"
    " seq INTEGER NOT NULL,"
    " hash BLOB NOT NULL CHECK (length(hash) = 32)"
    ") STRICT;"
    "INSERT INTO head (only, seq, hash) VALUES (1, 0, zeroblob(32));"
    "CREATE TRIGGER runs_update BEFORE UPDATE ON runs WHEN OLD.hash IS NOT NULL "
    "BEGIN SELECT RAISE(ABORT, 'an ended run cannot be changed'); END;"
    "CREATE TRIGGER runs_delete BEFORE DELETE ON runs "
    "BEGIN SELECT RAISE(ABORT, 'the ledger only grows'); END;" FROZEN_CHILD("effects") FROZEN_CHILD("metrics")
        FROZEN_CHILD("artifacts");

static int from_0(sqlite3 *db, struct mlo_err *err)
{
    return mlo_sql_exec(db, schema_1, err);
}

/* steps[v] brings version v to v + 1. */
static int (*const steps[])(sqlite3 *db, struct mlo_err *err) = {from_0};

int mlo_schema_newest(void)
{
    return (int)MLO_COUNT(steps);
}

int mlo_schema_version(sqlite3 *db, int64_t *ret, struct mlo_err *err)
{
    int64_t app = 0, version = 0, objects = 0;
    int rc = mlo_sql_pragma_i64(db, "PRAGMA application_id", &app, err);
    if (!rc)
        rc = mlo_sql_pragma_i64(db, "PRAGMA user_version", &version, err);
    if (!rc && app == 0 && version == 0)
        rc = mlo_sql_pragma_i64(db, "SELECT count(*) FROM sqlite_schema", &objects, err);
    if (rc)
        return rc;
    if (objects || version < 0 || (app != MLO_LEDGER_APP_ID && (app || version)))
        return mlo_fail(err, MLO_EINVALID, "ledger: the file is an SQLite database but not a ledger");
    if (version > mlo_schema_newest()) {
        (void)mlo_fail(err, MLO_EUNAVAIL, "ledger: it has schema version %lld, this program knows up to %d",
                       (long long)version, mlo_schema_newest());
        return mlo_hint(err, "install the mlopsctl that wrote it, or a newer one");
    }
    *ret = version;
    return 0;
}

int mlo_schema_migrate(sqlite3 *db, int64_t from, struct mlo_err *err)
{
    for (size_t v = (size_t)from; v < MLO_COUNT(steps); v++) {
        int rc = steps[v](db, err);
        if (rc)
            return mlo_wrap(err, "migrating to schema version %zu", v + 1);
    }
    char sql[96];
    snprintf(sql, sizeof sql, "PRAGMA application_id=%d; PRAGMA user_version=%d", MLO_LEDGER_APP_ID,
             mlo_schema_newest());
    return mlo_sql_exec(db, sql, err);
}

/* Both lists are in order of name: where they part, one has a name that the other lacks. */
static int compare_schemas(struct mlo_stmt *have, struct mlo_stmt *want, struct mlo_err *err)
{
    for (;;) {
        bool more = false, expected = false;
        char shown[MLO_SHOWN];
        int rc = mlo_stmt_step(have, &more, err);
        if (!rc)
            rc = mlo_stmt_step(want, &expected, err);
        if (rc || (!more && !expected))
            return rc;
        const char *name = more ? mlo_stmt_text0(have, 0) : "",
                   *need = expected ? mlo_stmt_text0(want, 0) : "";
        int order = !expected ? -1 : !more ? 1 : strcmp(name, need);
        if (order < 0)
            return mlo_fail(err, MLO_NO, "schema: '%s' was added", mlo_text_shown(name, shown));
        if (order > 0)
            return mlo_fail(err, MLO_NO, "schema: '%s' is missing", need);
        if (strcmp(mlo_stmt_text0(have, 1), mlo_stmt_text0(want, 1)) != 0)
            return mlo_fail(err, MLO_NO, "schema: '%s' was changed", need);
    }
}

int mlo_schema_check(sqlite3 *db, bool tables, struct mlo_err *err)
{
    const char *sql =
        tables ? "SELECT name, sql FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY name, sql"
               : "SELECT name, sql FROM sqlite_schema WHERE type IN ('index', 'trigger') ORDER BY name, sql";
    sqlite3 *model = NULL;
    int rc = mlo_sql_connect(":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &model, err);
    if (rc)
        return rc;
    rc = mlo_schema_migrate(model, 0, err);
    struct mlo_stmt have = MLO_STMT_INIT, want = MLO_STMT_INIT;
    if (!rc)
        rc = mlo_stmt_prepare(db, sql, &have, err);
    if (!rc)
        rc = mlo_stmt_prepare(model, sql, &want, err);
    if (!rc)
        rc = compare_schemas(&have, &want, err);
    mlo_stmt_release(&have);
    mlo_stmt_release(&want);
    (void)sqlite3_close(model);
    return rc;
}
