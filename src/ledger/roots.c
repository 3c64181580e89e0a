/* What gc must keep: names, what names were, and what a rollback would bring back. */
#include "internal.h"

#include <string.h>

typedef int (*root_fn)(void *ctx, const struct mlo_digest *d, const char *why, int64_t run,
                       struct mlo_err *err);

struct roots {
    root_fn fn;
    void *ctx;
};

static int name_root(void *ctx, const struct mlo_name_row *row, struct mlo_err *err)
{
    struct roots *roots = ctx;
    return roots->fn(roots->ctx, &row->digest, "name", row->run, err);
}

/* Values of outside effects may be anything; those that are digests count. */
static int value_root(const struct roots *roots, const char *value, const char *why, int64_t run,
                      struct mlo_err *err)
{
    struct mlo_digest d;
    struct mlo_err not_one;
    if (!value || mlo_digest_parse(value, &d, &not_one))
        return 0;
    return roots->fn(roots->ctx, &d, why, run, err);
}

static const char recent_effects[] =
    "SELECT e.run, e.kind, e.before, e.after, EXISTS (SELECT 1 FROM effects AS u WHERE u.kind = 'run' "
    "AND u.target = CAST(e.run AS TEXT) AND u.seq = (SELECT max(seq) FROM effects WHERE kind = 'run' "
    "AND target = CAST(e.run AS TEXT)) AND u.after = 'undone') FROM runs AS r JOIN effects AS e ON e.run = "
    "r.id "
    "WHERE (r.ended_ns >= ?1 OR r.ended_ns IS NULL) AND e.kind <> 'run'";

static int effect_roots(const struct mlo_stmt *s, const struct roots *roots, struct mlo_err *err)
{
    int64_t run = mlo_stmt_i64(s, 0);
    bool undone = mlo_stmt_i64(s, 4) != 0;
    int rc = value_root(roots, mlo_stmt_text(s, 2), undone ? "history" : "undo", run, err);
    return rc ? rc : value_root(roots, mlo_stmt_text(s, 3), "history", run, err);
}

/* What runs made: of a kind that begins with "state:" the latest always, of others those of the time. */
static const char artifacts[] =
    "SELECT a.digest, a.run FROM artifacts AS a JOIN runs AS r ON r.id = a.run WHERE r.ended_ns >= ?1 "
    "OR r.ended_ns IS NULL OR (a.kind, a.run) IN (SELECT kind, max(run) FROM artifacts "
    "WHERE kind GLOB 'state:*' GROUP BY kind)";

static int artifact_roots(struct mlo_ledger *l, int64_t since_ns, const struct roots *roots,
                          struct mlo_err *err)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = true;
    int rc = mlo_stmt_prepare(l->db, artifacts, &s, err);
    if (!rc)
        rc = mlo_stmt_bind(&s, err, "i", since_ns);
    while (!rc) {
        rc = mlo_stmt_step(&s, &row, err);
        if (rc || !row)
            return rc;
        rc = value_root(roots, mlo_stmt_text(&s, 0), "artifact", mlo_stmt_i64(&s, 1), err);
    }
    return rc;
}

int mlo_ledger_roots(struct mlo_ledger *l, int64_t since_ns, root_fn fn, void *ctx, struct mlo_err *err)
{
    struct roots roots = {fn, ctx};
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = true;
    int rc = mlo_name_each(l, NULL, name_root, &roots, err);
    if (!rc)
        rc = artifact_roots(l, since_ns, &roots, err);
    if (!rc)
        rc = mlo_stmt_prepare(l->db, recent_effects, &s, err);
    if (!rc)
        rc = mlo_stmt_bind(&s, err, "i", since_ns);
    while (!rc) {
        rc = mlo_stmt_step(&s, &row, err);
        if (rc || !row)
            return rc;
        rc = effect_roots(&s, &roots, err);
    }
    return rc;
}
