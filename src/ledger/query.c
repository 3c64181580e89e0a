/* Reading: names, runs, effects, roots. Callbacks may ask the ledger again. */
#include "internal.h"

#include <inttypes.h>
#include <string.h>

/* Splits "kind/name" of a name effect; false when there is no slash. */
static bool split_target(const char *target, size_t *ret_kind)
{
    const char *slash = strchr(target, '/');
    if (!slash)
        return false;
    *ret_kind = (size_t)(slash - target);
    return true;
}

static int name_lookup(struct mlo_ledger *l, const char *kind, const char *name, struct mlo_str *ret,
                       bool *ret_set, int64_t *ret_run, struct mlo_err *err)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = false;
    int rc = mlo_stmt_get(l, MLO_SQL_NAME_GET, &s, err);
    if (!rc)
        rc = mlo_stmt_bind(&s, err, "tt", kind, name);
    if (!rc)
        rc = mlo_stmt_step(&s, &row, err);
    if (rc)
        return rc;
    if (row) {
        const char *text = mlo_stmt_text(&s, 0);
        mlo_str_add(ret, text ? text : "");
        *ret_run = mlo_stmt_i64(&s, 1);
    }
    *ret_set = row;
    return mlo_str_check(ret, err);
}

int mlo_effect_last(struct mlo_ledger *l, const char *kind, const char *target, struct mlo_str *ret,
                    bool *ret_set, int64_t *ret_run, struct mlo_err *err)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = false;
    int rc = mlo_stmt_get(l, MLO_SQL_EFFECT_LAST, &s, err);
    if (!rc)
        rc = mlo_stmt_bind(&s, err, "tt", kind, target);
    if (!rc)
        rc = mlo_stmt_step(&s, &row, err);
    if (rc)
        return rc;
    const char *after = row ? mlo_stmt_text(&s, 0) : NULL;
    if (after)
        mlo_str_add(ret, after);
    *ret_set = after != NULL;
    *ret_run = row ? mlo_stmt_i64(&s, 1) : 0;
    return mlo_str_check(ret, err);
}

int mlo_present_value(struct mlo_ledger *l, const char *kind, const char *target, struct mlo_str *ret,
                      bool *ret_set, int64_t *ret_run, struct mlo_err *err)
{
    bool is_name = strcmp(kind, "name") == 0;
    size_t n = 0;
    int rc = mlo_effect_last(l, kind, target, ret, ret_set, ret_run, err);
    if (rc || !is_name) {
        if (!rc && !*ret_set && strcmp(kind, "run") == 0) {
            mlo_str_add(ret, "done");
            *ret_set = true;
            rc = mlo_str_check(ret, err);
        }
        return rc;
    }
    if (!split_target(target, &n))
        return mlo_fail(err, MLO_EINVALID, "ledger: a name effect without kind and name");
    char *name_kind = mlo_memdup0(target, n, err);
    if (!name_kind)
        return err->code;
    int64_t mover = *ret_run;
    mlo_str_clear(ret);
    rc = name_lookup(l, name_kind, target + n + 1, ret, ret_set, ret_run, err);
    if (!rc && !*ret_set)
        *ret_run = mover;
    free(name_kind);
    return rc;
}

int mlo_undone_by(struct mlo_ledger *l, int64_t run, int64_t *ret, struct mlo_err *err)
{
    char target[24];
    MLO_AUTOSTR struct mlo_str state;
    mlo_str_init(&state, 64);
    bool set = false;
    int64_t by = 0;
    snprintf(target, sizeof target, "%" PRId64, run);
    int rc = mlo_effect_last(l, "run", target, &state, &set, &by, err);
    if (!rc)
        *ret = set && strcmp(state.ptr, "undone") == 0 ? by : 0;
    return rc;
}

int mlo_run_state(struct mlo_ledger *l, int64_t run, struct mlo_run_state *ret, struct mlo_err *err)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = false;
    int rc = mlo_stmt_get(l, MLO_SQL_RUN_STATUS, &s, err);
    if (!rc)
        rc = mlo_stmt_bind(&s, err, "i", run);
    if (!rc)
        rc = mlo_stmt_step(&s, &row, err);
    if (rc)
        return rc;
    if (!row)
        return mlo_fail(err, MLO_ENOTFOUND, "run %" PRId64 ": no such run", run);
    struct mlo_run_state state = {.seq = mlo_stmt_i64(&s, 2)};
    snprintf(state.status, sizeof state.status, "%s", mlo_stmt_text0(&s, 0));
    mlo_text_shown(mlo_stmt_text(&s, 1), state.command);
    rc = mlo_undone_by(l, run, &state.undone_by, err);
    if (!rc)
        *ret = state;
    return rc;
}

/* ---- names ---- */

int mlo_name_get(struct mlo_ledger *l, const char *kind, const char *name, struct mlo_digest *ret,
                 struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    bool set = false;
    int64_t run;
    int rc = name_lookup(l, kind, name, &text, &set, &run, err);
    if (rc)
        return rc;
    char thing[MLO_THING_SHOWN];
    return set ? mlo_digest_parse(text.ptr, ret, err)
               : mlo_fail(err, MLO_ENOTFOUND, "%s does not exist", mlo_thing_shown(kind, name, thing));
}

static int name_row(const struct mlo_stmt *s, mlo_name_fn fn, void *ctx, struct mlo_err *err)
{
    struct mlo_name_row row = {.kind = mlo_stmt_text(s, 0),
                               .name = mlo_stmt_text(s, 1),
                               .run = mlo_stmt_i64(s, 3),
                               .time_ns = mlo_stmt_i64(s, 4)};
    const char *digest = mlo_stmt_text(s, 2);
    if (!row.kind || !row.name || !digest)
        return mlo_fail(err, MLO_EINVALID, "ledger: a name without text");
    int rc = mlo_digest_parse(digest, &row.digest, err);
    char thing[MLO_THING_SHOWN];
    return rc ? mlo_wrap(err, "%s", mlo_thing_shown(row.kind, row.name, thing)) : fn(ctx, &row, err);
}

int mlo_name_each(struct mlo_ledger *l, const char *kind, mlo_name_fn fn, void *ctx, struct mlo_err *err)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = true;
    int rc = mlo_stmt_get(l, kind ? MLO_SQL_NAMES_OF : MLO_SQL_NAMES, &s, err);
    if (!rc && kind)
        rc = mlo_stmt_bind(&s, err, "t", kind);
    while (!rc) {
        rc = mlo_stmt_step(&s, &row, err);
        if (rc || !row)
            return rc;
        rc = name_row(&s, fn, ctx, err);
    }
    return rc;
}

/* ---- runs ---- */

/* Columns of a run plus who undid it. */
#define RUN_SELECT                                                                                           \
    "SELECT " MLO_RUN_COLUMNS ", (SELECT CASE after WHEN 'undone' THEN run END FROM effects "                \
    "WHERE kind = 'run' AND target = CAST(runs.id AS TEXT) AND seq IS NOT NULL ORDER BY seq DESC, ordinal "  \
    "DESC LIMIT 1) AS undoer "                                                                               \
    "FROM runs"

/* The name filter: "credit" or "credit:1.4.0" of any kind of name. The kinds are few: k hops from one to the
 * next along the index. */
#define NAME_KINDS                                                                                           \
    "WITH RECURSIVE k(p) AS (SELECT (SELECT substr(target, 1, instr(target, '/')) FROM effects "             \
    "WHERE kind = 'name' ORDER BY target LIMIT 1) UNION ALL SELECT (SELECT substr(target, 1, instr(target, " \
    "'/')) FROM effects "                                                                                    \
    "WHERE kind = 'name' AND target >= substr(p, 1, length(p) - 1) || '0' ORDER BY target LIMIT 1) FROM k "  \
    "WHERE p IS NOT NULL) "
#define NAME_MATCH                                                                                           \
    "id IN (SELECT e.run FROM k JOIN effects AS e ON e.kind = 'name' AND e.target = k.p || :name UNION "     \
    "SELECT e.run FROM k JOIN effects AS e ON e.kind = 'name' AND e.target > k.p || :name || ':' AND "       \
    "e.target < k.p || :name || ';')"

/* Literal so that the partial index on other states than 'done' is used. */
static const struct {
    const char *status, *sql;
} status_sql[] = {
    {"running", "status <> 'done' AND status = 'running'"},
    {"failed", "status <> 'done' AND status = 'failed' AND undoer IS NULL"},
    {"died", "status <> 'done' AND status = 'died' AND undoer IS NULL"},
    {"done", "status = 'done' AND undoer IS NULL"},
    {"undone",
     "id IN (SELECT CAST(target AS INTEGER) FROM effects WHERE kind = 'run') AND undoer IS NOT NULL"},
};

static int add_status(struct mlo_str *sql, const char *status, struct mlo_err *err)
{
    for (size_t i = 0; i < MLO_COUNT(status_sql); i++)
        if (strcmp(status, status_sql[i].status) == 0) {
            mlo_str_addf(sql, " AND %s", status_sql[i].sql);
            return 0;
        }
    return mlo_fail(err, MLO_EUSAGE, "status '%s': not one of running, done, failed, died, undone", status);
}

static int run_sql(const struct mlo_run_filter *f, struct mlo_str *sql, struct mlo_err *err)
{
    bool by_time = f->since_ns || f->until_ns;
    const char *order = f->oldest_first ? "ASC" : "DESC";
    if (f->name)
        mlo_str_add(sql, NAME_KINDS);
    mlo_str_add(sql, RUN_SELECT " WHERE true");
    if (f->id)
        mlo_str_add(sql, " AND id = :id");
    if (f->command)
        mlo_str_add(sql, " AND command = :command");
    if (f->since_ns)
        mlo_str_add(sql, " AND started_ns >= :since");
    if (f->until_ns)
        mlo_str_add(sql, " AND started_ns < :until");
    if (f->grep)
        mlo_str_add(sql, " AND (instr(argv, :grep) OR instr(note, :grep))");
    if (f->name)
        mlo_str_add(sql, " AND " NAME_MATCH);
    int rc = f->status ? add_status(sql, f->status, err) : 0;
    if (by_time)
        mlo_str_addf(sql, " ORDER BY started_ns %s, id %s", order, order);
    else
        mlo_str_addf(sql, " ORDER BY id %s", order);
    if (f->limit > 0)
        mlo_str_add(sql, " LIMIT :limit");
    return rc ? rc : mlo_str_check(sql, err);
}

static int bind_named_text(sqlite3_stmt *h, const char *key, const char *v)
{
    int i = sqlite3_bind_parameter_index(h, key);
    return i ? sqlite3_bind_text(h, i, v, -1, SQLITE_STATIC) : SQLITE_OK;
}

static int bind_named_i64(sqlite3_stmt *h, const char *key, int64_t v)
{
    int i = sqlite3_bind_parameter_index(h, key);
    return i ? sqlite3_bind_int64(h, i, v) : SQLITE_OK;
}

static int bind_filter(struct mlo_ledger *l, struct mlo_stmt *s, const struct mlo_run_filter *f,
                       struct mlo_err *err)
{
    int rc = bind_named_i64(s->h, ":id", f->id);
    if (rc == SQLITE_OK)
        rc = bind_named_text(s->h, ":command", f->command);
    if (rc == SQLITE_OK)
        rc = bind_named_i64(s->h, ":since", f->since_ns);
    if (rc == SQLITE_OK)
        rc = bind_named_i64(s->h, ":until", f->until_ns);
    if (rc == SQLITE_OK)
        rc = bind_named_text(s->h, ":grep", f->grep);
    if (rc == SQLITE_OK)
        rc = bind_named_text(s->h, ":name", f->name);
    if (rc == SQLITE_OK)
        rc = bind_named_i64(s->h, ":limit", f->limit);
    return rc == SQLITE_OK ? 0 : mlo_sql_fail(l->db, rc, "ledger", err);
}

static void fill_run(const struct mlo_stmt *s, struct mlo_run_row *row)
{
    bool has_exit = sqlite3_column_type(s->h, 14) != SQLITE_NULL;
    *row = (struct mlo_run_row){
        .id = mlo_stmt_i64(s, 0),
        .seq = mlo_stmt_i64(s, 1),
        .started_ns = mlo_stmt_i64(s, 2),
        .ended_ns = mlo_stmt_i64(s, 3),
        .command = mlo_stmt_text0(s, 4),
        .argv_json = mlo_stmt_text0(s, 5),
        .cwd = mlo_stmt_text0(s, 6),
        .user = mlo_stmt_text0(s, 7),
        .host = mlo_stmt_text0(s, 8),
        .tool_version = mlo_stmt_text0(s, 9),
        .git_commit = mlo_stmt_text(s, 10),
        .git_dirty = mlo_stmt_i64(s, 11) != 0,
        .note = mlo_stmt_text(s, 12),
        .status = mlo_stmt_text0(s, 13),
        .exit_code = has_exit ? sqlite3_column_int(s->h, 14) : -1,
        .undo_of = mlo_stmt_i64(s, 15),
        .prev_hash = mlo_stmt_digest(s, 16),
        .hash = mlo_stmt_digest(s, 17),
        .undone_by = mlo_stmt_i64(s, 18),
    };
    if (row->undone_by)
        row->status = "undone";
}

int mlo_run_each(struct mlo_ledger *l, const struct mlo_run_filter *f, mlo_run_fn fn, void *ctx,
                 struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str sql;
    mlo_str_init(&sql, 8192);
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    int rc = run_sql(f, &sql, err);
    if (!rc)
        rc = mlo_stmt_prepare(l->db, sql.ptr, &s, err);
    if (!rc)
        rc = bind_filter(l, &s, f, err);
    while (!rc) {
        bool more = false;
        struct mlo_run_row row;
        rc = mlo_stmt_step(&s, &more, err);
        if (rc || !more)
            return rc;
        fill_run(&s, &row);
        rc = fn(ctx, &row, err);
    }
    return rc;
}

/* ---- what belongs to a run ---- */

int mlo_effect_from_row(const struct mlo_stmt *s, struct mlo_effect *ret, struct mlo_err *err)
{
    *ret = (struct mlo_effect){
        .run = mlo_stmt_i64(s, 0),
        .ordinal = sqlite3_column_int(s->h, 1),
        .kind = mlo_stmt_text0(s, 2),
        .target = mlo_stmt_text0(s, 3),
        .before = mlo_stmt_text(s, 4),
        .after = mlo_stmt_text(s, 5),
    };
    return mlo_effect_state_parse(mlo_stmt_text(s, 6), &ret->state, err);
}

static int each_effect(struct mlo_stmt *s, mlo_effect_fn fn, void *ctx, struct mlo_err *err)
{
    for (;;) {
        bool row = false;
        struct mlo_effect e;
        int rc = mlo_stmt_step(s, &row, err);
        if (rc || !row)
            return rc;
        rc = mlo_effect_from_row(s, &e, err);
        if (!rc)
            rc = fn(ctx, &e, err);
        if (rc)
            return rc;
    }
}

int mlo_effect_each(struct mlo_ledger *l, int64_t run, mlo_effect_fn fn, void *ctx, struct mlo_err *err)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    int rc = mlo_stmt_get(l, MLO_SQL_EFFECTS, &s, err);
    if (!rc)
        rc = mlo_stmt_bind(&s, err, "i", run);
    return rc ? rc : each_effect(&s, fn, ctx, err);
}

int mlo_effects_of(struct mlo_ledger *l, const char *kind, mlo_effect_fn fn, void *ctx, struct mlo_err *err)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    int rc = mlo_stmt_get(l, MLO_SQL_EFFECTS_OF, &s, err);
    if (!rc)
        rc = mlo_stmt_bind(&s, err, "t", kind);
    return rc ? rc : each_effect(&s, fn, ctx, err);
}

int mlo_name_history(struct mlo_ledger *l, const char *kind, const char *name, int64_t limit,
                     mlo_effect_fn fn, void *ctx, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str target;
    mlo_str_init(&target, MLO_STR_MAX);
    mlo_str_addf(&target, "%s/%s", kind, name);
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    int rc = mlo_str_check(&target, err);
    if (!rc)
        rc = mlo_stmt_get(l, MLO_SQL_EFFECT_HISTORY, &s, err);
    if (!rc)
        rc = mlo_stmt_bind(&s, err, "tti", "name", target.ptr, limit > 0 ? limit : (int64_t)-1);
    return rc ? rc : each_effect(&s, fn, ctx, err);
}

int mlo_metric_each(struct mlo_ledger *l, int64_t run, mlo_metric_fn fn, void *ctx, struct mlo_err *err)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = true;
    int rc = mlo_stmt_get(l, MLO_SQL_METRICS, &s, err);
    if (!rc)
        rc = mlo_stmt_bind(&s, err, "i", run);
    while (!rc) {
        rc = mlo_stmt_step(&s, &row, err);
        if (rc || !row)
            return rc;
        rc = fn(ctx, mlo_stmt_text0(&s, 1), sqlite3_column_double(s.h, 2), err);
    }
    return rc;
}

int mlo_artifact_each(struct mlo_ledger *l, int64_t run, mlo_artifact_fn fn, void *ctx, struct mlo_err *err)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = true;
    int rc = mlo_stmt_get(l, MLO_SQL_ARTIFACTS, &s, err);
    if (!rc)
        rc = mlo_stmt_bind(&s, err, "i", run);
    while (!rc) {
        struct mlo_digest digest;
        rc = mlo_stmt_step(&s, &row, err);
        if (rc || !row)
            return rc;
        rc = mlo_digest_parse(mlo_stmt_text0(&s, 3), &digest, err);
        if (!rc)
            rc = fn(ctx, mlo_stmt_text0(&s, 2), &digest, (uint64_t)mlo_stmt_i64(&s, 4), err);
    }
    return rc;
}
