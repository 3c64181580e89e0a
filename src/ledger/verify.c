/*
 * Verify: one pass over the runs in order of id, merged with their effects, metrics and artifacts, all in one
 * read transaction; then names, schema and SQLite's own check. Nothing is kept per run, so a million runs
 * need no more memory than ten.
 *
 * Ids and places in the chain (seq) are both without gaps, so a row taken out is missed by number. They are
 * in different order only where runs overlapped: rows that ended later than their neighbours wait in a short
 * list until their turn comes.
 */
#include "chain.h"

#include <inttypes.h>
#include <string.h>

#define WAITING_MAX ((size_t)1 << 20) /* runs at the same time */

/* A child table's rows in order of run. */
struct cursor {
    struct mlo_stmt s;
    const char *what;
    char tag;
    int n; /* hashed columns behind the run's id */
    bool row;
    int64_t run;
};

struct waiting {
    int64_t seq, id;
    struct mlo_digest prev, hash;
};

struct verify {
    struct mlo_ledger *l;
    const struct mlo_ledger_head *against;
    struct mlo_ledger_head head; /* as noted in the table */
    struct mlo_ledger_head at;   /* reached so far */
    struct mlo_sha256 sha;
    struct mlo_str text;
    struct cursor children[3];
    struct waiting *waiting;
    size_t n_waiting, cap_waiting;
    int64_t last_id;
    uint64_t rows;
};

static int cursor_next(struct cursor *c, struct mlo_err *err)
{
    int rc = mlo_stmt_step(&c->s, &c->row, err);
    if (!rc && c->row)
        c->run = mlo_stmt_i64(&c->s, 0);
    return rc;
}

static int cursor_open(struct mlo_ledger *l, const char *sql, struct cursor *c, struct mlo_err *err)
{
    int rc = mlo_stmt_prepare(l->db, sql, &c->s, err);
    return rc ? rc : cursor_next(c, err);
}

static int orphan(const struct cursor *c, struct mlo_err *err)
{
    return mlo_fail(err, MLO_NO, "run %" PRId64 " is missing: %s of it is there, its row was deleted", c->run,
                    c->what);
}

/* Rows of this run into the text; rows of runs before it belong to nobody. */
static int take_children(struct verify *v, struct cursor *c, int64_t id, int64_t seq, struct mlo_err *err)
{
    while (c->row && c->run <= id) {
        if (c->run < id)
            return orphan(c, err);
        if (c->tag == 'E' && mlo_stmt_i64(&c->s, c->n + 1) != seq)
            return mlo_fail(err, MLO_NO,
                            "run %" PRId64 " was edited: effect %" PRId64
                            " carries another place in the chain",
                            id, mlo_stmt_i64(&c->s, 1));
        mlo_chain_put(&v->text, c->tag, &c->s, 1, c->n);
        int rc = cursor_next(c, err);
        if (rc)
            return rc;
    }
    return 0;
}

static int follow(struct verify *v, const struct waiting *w, struct mlo_err *err)
{
    if (!mlo_digest_eq(&w->prev, &v->at.hash))
        return mlo_fail(err, MLO_NO,
                        "run %" PRId64 " (place %" PRId64 ") does not follow place %" PRId64
                        ": a row before it was edited, replaced or inserted",
                        w->id, w->seq, v->at.seq);
    v->at = (struct mlo_ledger_head){.seq = w->seq, .hash = w->hash};
    if (v->against && v->against->seq == w->seq && !mlo_digest_eq(&v->against->hash, &w->hash))
        return mlo_fail(err, MLO_NO,
                        "run %" PRId64 " (place %" PRId64
                        ") is not the one of the noted head: history was rewritten",
                        w->id, w->seq);
    return 0;
}

static int follow_waiting(struct verify *v, struct mlo_err *err)
{
    for (size_t i = 0; i < v->n_waiting;) {
        struct waiting w = v->waiting[i];
        if (w.seq != v->at.seq + 1) {
            i++;
            continue;
        }
        v->waiting[i] = v->waiting[--v->n_waiting];
        int rc = follow(v, &w, err);
        if (rc)
            return rc;
        i = 0;
    }
    return 0;
}

static int link_run(struct verify *v, const struct waiting *w, struct mlo_err *err)
{
    if (w->seq > v->head.seq || w->seq <= v->at.seq)
        return mlo_fail(err, MLO_NO, "run %" PRId64 " was inserted: its place %" PRId64 " is %s", w->id,
                        w->seq, w->seq > v->head.seq ? "behind the head" : "taken");
    if (w->seq == v->at.seq + 1) {
        int rc = follow(v, w, err);
        return rc ? rc : follow_waiting(v, err);
    }
    if (v->n_waiting >= WAITING_MAX)
        return mlo_fail(err, MLO_NO, "the run of place %" PRId64 " is missing: it was deleted",
                        v->at.seq + 1);
    int rc = mlo_grow(&v->waiting, &v->cap_waiting, v->n_waiting + 1, sizeof *v->waiting, err);
    if (!rc)
        v->waiting[v->n_waiting++] = *w;
    return rc;
}

/* Runs in progress have no place yet. */
static bool in_progress(const struct mlo_stmt *s)
{
    const char *status = mlo_stmt_text(s, 13);
    return status && strcmp(status, "running") == 0 && sqlite3_column_type(s->h, 1) == SQLITE_NULL &&
           sqlite3_column_type(s->h, 17) == SQLITE_NULL;
}

static int check_run(struct verify *v, const struct mlo_stmt *s, struct mlo_err *err)
{
    struct waiting w = {.id = mlo_stmt_i64(s, 0),
                        .seq = mlo_stmt_i64(s, 1),
                        .prev = mlo_stmt_digest(s, MLO_CHAIN_RUN),
                        .hash = mlo_stmt_digest(s, MLO_CHAIN_RUN + 1)};
    struct mlo_digest is;
    if (w.id != v->last_id + 1)
        return mlo_fail(err, MLO_NO, "run %" PRId64 " is missing: its row was deleted", v->last_id + 1);
    v->last_id = w.id;
    v->rows++;
    mlo_str_clear(&v->text);
    mlo_str_addn(&v->text, w.prev.b, sizeof w.prev.b);
    mlo_chain_put(&v->text, 'R', s, 0, MLO_CHAIN_RUN);
    for (size_t i = 0; i < MLO_COUNT(v->children); i++) {
        int rc = take_children(v, &v->children[i], w.id, w.seq, err);
        if (rc)
            return rc;
    }
    if (in_progress(s))
        return 0;
    int rc = mlo_chain_digest(&v->sha, &v->text, &is, err);
    if (rc)
        return rc;
    if (!mlo_digest_eq(&is, &w.hash))
        return mlo_fail(err, MLO_NO, "run %" PRId64 " was edited: its content does not match its hash", w.id);
    return link_run(v, &w, err);
}

static int check_end(struct verify *v, struct mlo_err *err)
{
    int64_t given = 0;
    for (size_t i = 0; i < MLO_COUNT(v->children); i++)
        if (v->children[i].row)
            return orphan(&v->children[i], err);
    if (v->n_waiting)
        return mlo_fail(err, MLO_NO, "the run of place %" PRId64 " is missing: it was deleted",
                        v->at.seq + 1);
    if (v->at.seq < v->head.seq)
        return mlo_fail(err, MLO_NO,
                        "the end was cut off: the last run has place %" PRId64 ", the head says %" PRId64,
                        v->at.seq, v->head.seq);
    if (!mlo_digest_eq(&v->at.hash, &v->head.hash))
        return mlo_fail(err, MLO_NO,
                        "the head does not match the last run (place %" PRId64 "): one of them was edited",
                        v->at.seq);
    if (v->against && v->against->seq > v->at.seq)
        return mlo_fail(err, MLO_NO,
                        "the end was cut off: the last run has place %" PRId64 ", the noted head %" PRId64,
                        v->at.seq, v->against->seq);
    int rc = mlo_sql_pragma_i64(v->l->db, "SELECT seq FROM sqlite_sequence WHERE name = 'runs'", &given, err);
    if (!rc && given != v->last_id)
        return mlo_fail(err, MLO_NO, "run %" PRId64 " is missing: ids were given up to %" PRId64,
                        v->last_id + 1, given);
    return rc;
}

static const struct cursor child_tables[] = {
    {.what = "an effect", .tag = 'E', .n = MLO_CHAIN_EFFECT},
    {.what = "a metric", .tag = 'M', .n = MLO_CHAIN_METRIC},
    {.what = "an artifact", .tag = 'A', .n = MLO_CHAIN_ARTIFACT},
};
static const char *const child_sql[] = {
    "SELECT " MLO_EFFECT_COLUMNS ", seq FROM effects ORDER BY run, ordinal",
    "SELECT run, key, value FROM metrics ORDER BY run, key",
    "SELECT run, ordinal, kind, digest, size FROM artifacts ORDER BY run, ordinal",
};

static int check_chain(struct verify *v, struct mlo_err *err)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = true;
    int rc = mlo_ledger_head(v->l, &v->head, err);
    if (rc == MLO_EINVALID)
        rc = mlo_fail(err, MLO_NO, "the head is missing");
    if (!rc)
        rc = mlo_stmt_prepare(v->l->db, "SELECT " MLO_RUN_COLUMNS " FROM runs ORDER BY id", &s, err);
    for (size_t i = 0; !rc && i < MLO_COUNT(v->children); i++) {
        v->children[i] = child_tables[i];
        rc = cursor_open(v->l, child_sql[i], &v->children[i], err);
    }
    while (!rc) {
        rc = mlo_stmt_step(&s, &row, err);
        if (rc || !row)
            break;
        rc = check_run(v, &s, err);
    }
    return rc ? rc : check_end(v, err);
}

/* ---- names ---- */

/* The name must be where the last run that moved it left it. */
static int check_name(struct verify *v, const char *target, uint64_t *standing, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str now, after;
    mlo_str_init(&now, MLO_STR_MAX);
    mlo_str_init(&after, MLO_STR_MAX);
    bool is_set = false, was_set = false;
    int64_t by = 0, run = 0;
    int rc = mlo_present_value(v->l, "name", target, &now, &is_set, &by, err);
    if (!rc)
        rc = mlo_effect_last(v->l, "name", target, &after, &was_set, &run, err);
    if (rc)
        return rc;
    *standing += is_set;
    if (is_set == was_set && (!is_set || (strcmp(now.ptr, after.ptr) == 0 && by == run)))
        return 0;
    char shown[MLO_SHOWN], value[MLO_SHOWN];
    return mlo_fail(err, MLO_NO, "name '%s' is at %s, but run %" PRId64 " left it at %s",
                    mlo_text_shown(target, shown), is_set ? mlo_text_shown(now.ptr, value) : "nothing", run,
                    was_set ? after.ptr : "nothing");
}

static int find_unmoved(struct verify *v, struct mlo_err *err)
{
    static const char sql[] = "SELECT kind, name FROM names WHERE NOT EXISTS (SELECT 1 FROM effects AS e "
                              "WHERE e.kind = 'name' AND e.target = names.kind || '/' || names.name) LIMIT 1";
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = false;
    int rc = mlo_stmt_prepare(v->l->db, sql, &s, err);
    if (!rc)
        rc = mlo_stmt_step(&s, &row, err);
    if (rc || !row)
        return rc;
    char kind[MLO_SHOWN], name[MLO_SHOWN];
    return mlo_fail(err, MLO_NO, "name '%s/%s' was inserted: no run made it",
                    mlo_text_shown(mlo_stmt_text(&s, 0), kind), mlo_text_shown(mlo_stmt_text(&s, 1), name));
}

/* One walk along effects_target gives every name that was ever moved. */
static int check_names(struct verify *v, struct mlo_err *err)
{
    static const char moved[] =
        "SELECT target, max(seq) FROM effects INDEXED BY effects_target WHERE kind = 'name' "
        "AND seq IS NOT NULL GROUP BY target";
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    uint64_t standing = 0;
    int64_t names = 0;
    bool row = true;
    int rc = mlo_stmt_prepare(v->l->db, moved, &s, err);
    while (!rc) {
        rc = mlo_stmt_step(&s, &row, err);
        if (rc || !row)
            break;
        rc = check_name(v, mlo_stmt_text0(&s, 0), &standing, err);
    }
    if (!rc)
        rc = mlo_sql_pragma_i64(v->l->db, "SELECT count(*) FROM names", &names, err);
    if (!rc && (uint64_t)names != standing)
        rc = find_unmoved(v, err);
    return rc;
}

/* ---- SQLite itself ---- */

static int check_sqlite(struct mlo_ledger *l, bool deep, struct mlo_err *err)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = false;
    int rc = mlo_stmt_prepare(l->db, deep ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)", &s, err);
    if (!rc)
        rc = mlo_stmt_step(&s, &row, err);
    if (rc)
        return rc;
    char shown[MLO_SHOWN];
    const char *text = row ? mlo_stmt_text(&s, 0) : NULL;
    if (!text || strcmp(text, "ok") != 0)
        return mlo_fail(err, MLO_NO, "SQLite: %s", text ? mlo_text_shown(text, shown) : "no answer");
    return 0;
}

static int check_all(struct verify *v, bool deep, struct mlo_err *err)
{
    int rc = mlo_schema_check(v->l->db, true, err);
    if (!rc)
        rc = check_chain(v, err);
    if (!rc)
        rc = check_names(v, err);
    if (!rc)
        rc = mlo_schema_check(v->l->db, false, err);
    return rc ? rc : check_sqlite(v->l, deep, err);
}

int mlo_ledger_verify(struct mlo_ledger *l, const struct mlo_ledger_verify_opts *opts, uint64_t *ret_rows,
                      struct mlo_err *err)
{
    struct verify v = {.l = l, .against = opts ? opts->against : NULL};
    mlo_str_init(&v.text, MLO_STR_MAX);
    int rc = mlo_sha256_new(&v.sha, err);
    if (!rc)
        rc = mlo_sql_exec(l->db, "BEGIN", err);
    if (!rc) {
        struct mlo_err ignored;
        rc = check_all(&v, opts && opts->deep, err);
        for (size_t i = 0; i < MLO_COUNT(v.children); i++)
            mlo_stmt_release(&v.children[i].s);
        (void)!mlo_sql_exec(l->db, "ROLLBACK", &ignored);
    }
    if (rc == MLO_EINVALID) { /* SQLite met damage before its own check did */
        err->code = rc = MLO_NO;
        (void)mlo_wrap(err, "behind run %" PRId64, v.last_id);
    }
    mlo_sha256_free(&v.sha);
    mlo_str_release(&v.text);
    free(v.waiting);
    if (!rc)
        *ret_rows = v.rows;
    return rc;
}
