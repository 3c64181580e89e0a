/* SQLite with this program's errors: connections, statements, steps. */
#include "internal.h"

#include <string.h>

#include <mlopsctl/base/text.h>

static int code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return MLO_ECONFLICT;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
        return MLO_EINVALID;
    case SQLITE_NOMEM:
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_TOOBIG:
    case SQLITE_INTERRUPT:
        return MLO_EIO;
    default:
        return MLO_EINTERNAL;
    }
}

int mlo_sql_fail(sqlite3 *db, int rc, const char *what, struct mlo_err *err)
{
    if (!db || (rc & 0xff) == SQLITE_NOMEM)
        return mlo_fail_nomem(err);
    int sys = sqlite3_system_errno(db);
    int code = code_of(rc);
    (void)mlo_fail(err, code, "%s: %s", what, sqlite3_errmsg(db));
    err->sys_errno = code == MLO_EIO ? sys : 0;
    return code;
}

static int configure(sqlite3 *db, struct mlo_err *err)
{
    static const struct {
        int op, on;
    } settings[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},   {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_FKEY, 1}, {SQLITE_DBCONFIG_ENABLE_TRIGGER, 1},
        {SQLITE_DBCONFIG_ENABLE_VIEW, 0}, {SQLITE_DBCONFIG_DQS_DML, 0},
        {SQLITE_DBCONFIG_DQS_DDL, 0},
    };
    for (size_t i = 0; i < MLO_COUNT(settings); i++) {
        int rc = sqlite3_db_config(db, settings[i].op, settings[i].on, NULL);
        if (rc != SQLITE_OK)
            return mlo_sql_fail(db, rc, "ledger: setting up SQLite", err);
    }
    sqlite3_busy_timeout(db, MLO_BUSY_MS);
    return mlo_sql_exec(db, "PRAGMA synchronous=FULL; PRAGMA cell_size_check=ON", err);
}

int mlo_sql_connect(const char *path, int flags, sqlite3 **ret, struct mlo_err *err)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    int code = rc == SQLITE_OK ? configure(db, err)
                               : mlo_sql_fail(db, rc, "ledger: opening the database", err);
    if (code) {
        (void)sqlite3_close(db);
        return code;
    }
    *ret = db;
    return 0;
}

int mlo_sql_exec(sqlite3 *db, const char *sql, struct mlo_err *err)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : mlo_sql_fail(db, rc, "ledger", err);
}

int mlo_sql_pragma_i64(sqlite3 *db, const char *sql, int64_t *ret, struct mlo_err *err)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = false;
    int rc = mlo_stmt_prepare(db, sql, &s, err);
    if (!rc)
        rc = mlo_stmt_step(&s, &row, err);
    if (!rc)
        *ret = row ? mlo_stmt_i64(&s, 0) : 0;
    return rc;
}

static const char *const sql_text[MLO_SQL_COUNT] = {
#define MLO_SQL_TEXT(id, text) [MLO_SQL_##id] = (text),
    MLO_SQL_LIST(MLO_SQL_TEXT)
#undef MLO_SQL_TEXT
};

static int prepare(sqlite3 *db, const char *sql, unsigned flags, sqlite3_stmt **ret, struct mlo_err *err)
{
    int rc = sqlite3_prepare_v3(db, sql, -1, flags, ret, NULL);
    return rc == SQLITE_OK ? 0 : mlo_sql_fail(db, rc, "ledger", err);
}

int mlo_stmt_get(struct mlo_ledger *l, enum mlo_sql id, struct mlo_stmt *ret, struct mlo_err *err)
{
    sqlite3_stmt **slot = &l->cache[id];
    if (*slot && sqlite3_stmt_busy(*slot))
        return mlo_stmt_prepare(l->db, sql_text[id], ret, err);
    if (!*slot) {
        int rc = prepare(l->db, sql_text[id], SQLITE_PREPARE_PERSISTENT, slot, err);
        if (rc)
            return rc;
    }
    *ret = (struct mlo_stmt){.h = *slot};
    return 0;
}

int mlo_stmt_prepare(sqlite3 *db, const char *sql, struct mlo_stmt *ret, struct mlo_err *err)
{
    sqlite3_stmt *h = NULL;
    int rc = prepare(db, sql, 0, &h, err);
    if (!rc)
        *ret = (struct mlo_stmt){.h = h, .own = true};
    return rc;
}

void mlo_stmt_release(struct mlo_stmt *s)
{
    if (s->own) {
        (void)sqlite3_finalize(s->h);
    } else if (s->h) {
        (void)sqlite3_reset(s->h);
        (void)sqlite3_clear_bindings(s->h);
    }
    *s = MLO_STMT_INIT;
}

static int bind_list(struct mlo_stmt *s, const char *types, va_list ap)
{
    int rc = SQLITE_OK;
    for (int i = 0; types[i] && rc == SQLITE_OK; i++) {
        switch (types[i]) {
        case 'i':
            rc = sqlite3_bind_int64(s->h, i + 1, va_arg(ap, int64_t));
            break;
        case 't':
            rc = sqlite3_bind_text(s->h, i + 1, va_arg(ap, const char *), -1, SQLITE_STATIC);
            break;
        case 'd':
            rc = sqlite3_bind_double(s->h, i + 1, va_arg(ap, double));
            break;
        case 'b':
            rc = sqlite3_bind_blob(s->h, i + 1, va_arg(ap, const struct mlo_digest *)->b, MLO_DIGEST_SIZE,
                                   SQLITE_STATIC);
            break;
        default:
            rc = SQLITE_MISUSE;
        }
    }
    return rc;
}

static int bind_checked(struct mlo_stmt *s, struct mlo_err *err, const char *types, va_list ap)
{
    int rc = bind_list(s, types, ap);
    return rc == SQLITE_OK ? 0 : mlo_sql_fail(sqlite3_db_handle(s->h), rc, "ledger", err);
}

int mlo_stmt_bind(struct mlo_stmt *s, struct mlo_err *err, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    int rc = bind_checked(s, err, types, ap);
    va_end(ap);
    return rc;
}

int mlo_stmt_step(struct mlo_stmt *s, bool *ret_row, struct mlo_err *err)
{
    int rc = sqlite3_step(s->h);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return mlo_sql_fail(sqlite3_db_handle(s->h), rc, "ledger", err);
    *ret_row = rc == SQLITE_ROW;
    return 0;
}

int mlo_sql_run(struct mlo_ledger *l, enum mlo_sql id, struct mlo_err *err, const char *types, ...)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    int rc = mlo_stmt_get(l, id, &s, err);
    if (rc)
        return rc;
    va_list ap;
    va_start(ap, types);
    rc = bind_checked(&s, err, types, ap);
    va_end(ap);
    bool row;
    return rc ? rc : mlo_stmt_step(&s, &row, err);
}

struct mlo_digest mlo_stmt_digest(const struct mlo_stmt *s, int col)
{
    struct mlo_digest d = {0};
    const void *p = sqlite3_column_blob(s->h, col);
    if (p && sqlite3_column_bytes(s->h, col) == MLO_DIGEST_SIZE)
        memcpy(d.b, p, MLO_DIGEST_SIZE);
    return d;
}

const char *mlo_text_shown(const char *s, char buf[MLO_SHOWN])
{
    return mlo_shown(s ? s : "", s ? strlen(s) : 0, buf);
}

const char *mlo_thing_shown(const char *kind, const char *target, char buf[MLO_THING_SHOWN])
{
    char a[MLO_SHOWN], b[MLO_SHOWN];
    snprintf(buf, MLO_THING_SHOWN, "%.150s '%s'", mlo_text_shown(kind, a), mlo_text_shown(target, b));
    return buf;
}
