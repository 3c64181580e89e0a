/*
 * The write side: a run begins, notes what it does outside, and ends.
 *
 * Invariants: the row of a running run becomes visible only when its folder is locked, so nobody takes a
 * living run for a dead one; names move only in the transaction that ends the run; a run's hash is made from
 * what is stored.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define RUN_MOVES_MAX ((size_t)1 << 24)

/* A pending change of a name or of another run's state. Values as in effects: text or NULL. */
struct move {
    char *kind;   /* of the effect: "name" or "run" */
    char *target; /* "tag/credit:1.4.0", "12" */
    char *expect, *value;
    bool any; /* expect does not matter */
};

struct metric {
    char *key;
    double value;
};

struct artifact {
    char *kind;
    struct mlo_digest digest;
    uint64_t size;
};

struct mlo_run {
    struct mlo_ledger *l;
    int64_t id;
    int folder_fd; /* holds the lock that says: alive */
    char *folder;
    int ordinals;
    struct move *moves;
    size_t n_moves, cap_moves;
    struct metric *metrics;
    size_t n_metrics, cap_metrics;
    struct artifact *artifacts;
    size_t n_artifacts, cap_artifacts;
    int exit_code; /* of a run that is done; 0: what mlo_run_finish is told */
};

int64_t mlo_run_id(const struct mlo_run *r)
{
    return r->id;
}

const char *mlo_run_folder(const struct mlo_run *r)
{
    return r->folder;
}

struct mlo_ledger *mlo_run_ledger(const struct mlo_run *r)
{
    return r->l;
}

static void run_free(struct mlo_run *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_moves; i++) {
        free(r->moves[i].kind);
        free(r->moves[i].target);
        free(r->moves[i].expect);
        free(r->moves[i].value);
    }
    for (size_t i = 0; i < r->n_metrics; i++)
        free(r->metrics[i].key);
    for (size_t i = 0; i < r->n_artifacts; i++)
        free(r->artifacts[i].kind);
    free(r->moves);
    free(r->metrics);
    free(r->artifacts);
    mlo_cleanup_close(&r->folder_fd);
    free(r->folder);
    free(r);
}

/* ---- begin ---- */

void mlo_run_dir(int64_t id, char buf[MLO_RUN_DIR_MAX])
{
    snprintf(buf, MLO_RUN_DIR_MAX, "%s/run-%" PRId64, MLO_LEDGER_TMP, id);
}

/* The name may have been removed, or made again, while we waited for the lock of what it was. */
static bool still_named(struct mlo_ledger *l, const char *dir, int fd)
{
    struct stat by_name, by_fd;
    return fstatat(l->home_fd, dir, &by_name, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &by_fd) == 0 &&
           by_name.st_ino == by_fd.st_ino && by_name.st_dev == by_fd.st_dev;
}

int mlo_run_claim(struct mlo_ledger *l, int64_t id, int *ret_fd, struct mlo_err *err)
{
    char dir[MLO_RUN_DIR_MAX];
    mlo_run_dir(id, dir);
    for (int tries = 0; tries < 100; tries++) {
        if (mkdirat(l->home_fd, dir, 0700) < 0 && errno != EEXIST)
            return mlo_fail_errno(err, "'%s/%s'", l->home, dir);
        MLO_AUTOCLOSE int fd = openat(l->home_fd, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
            continue;
        if (fd < 0)
            return mlo_fail_errno(err, "'%s/%s'", l->home, dir);
        int rc = mlo_lock_fd(fd, true, 0, NULL, NULL, err);
        if (rc)
            return rc;
        if (still_named(l, dir, fd)) {
            *ret_fd = mlo_steal_fd(&fd);
            return 0;
        }
    }
    return mlo_fail(err, MLO_ECONFLICT, "'%s/%s': it does not stay in place", l->home, dir);
}

static const char *text_or(const char *s, const char *otherwise)
{
    return s ? s : otherwise;
}

int mlo_run_insert(struct mlo_ledger *l, const struct mlo_run_info *info, int64_t started_ns, int64_t *ret,
                   struct mlo_err *err)
{
    int rc = mlo_sql_run(l, MLO_SQL_RUN_INSERT, err, "itttttttiti", started_ns, text_or(info->command, ""),
                         text_or(info->argv_json, "[]"), text_or(info->cwd, ""), text_or(info->user, ""),
                         text_or(info->host, ""), text_or(info->tool_version, ""), info->git_commit,
                         (int64_t)info->git_dirty, info->note, info->undo_of);
    if (!rc)
        *ret = sqlite3_last_insert_rowid(l->db);
    return rc;
}

/* Inside the begin transaction, which keeps recover away: the folder is there and locked before the row can
 * be seen. */
static int make_folder(struct mlo_run *r, struct mlo_err *err)
{
    struct mlo_ledger *l = r->l;
    char dir[MLO_RUN_DIR_MAX];
    mlo_run_dir(r->id, dir);
    MLO_AUTOSTR struct mlo_str path;
    mlo_str_init(&path, MLO_PATH_MAX);
    mlo_str_addf(&path, "%s/%s", l->home, dir);
    int rc = mlo_str_check(&path, err);
    if (!rc) /* a begin that crashed before its commit leaves one behind, and the number is used again */
        rc = mlo_remove_tree_at(l->home_fd, dir, err);
    if (!rc)
        rc = mlo_run_claim(l, r->id, &r->folder_fd, err);
    if (!rc)
        r->folder = mlo_str_detach(&path, NULL);
    return rc;
}

static void drop_folder(struct mlo_run *r)
{
    char dir[MLO_RUN_DIR_MAX];
    struct mlo_err ignored; /* what stays is swept by the next recover */
    mlo_run_dir(r->id, dir);
    (void)!mlo_remove_tree_at(r->l->home_fd, dir, &ignored);
}

int mlo_run_begin(struct mlo_ledger *l, const struct mlo_run_info *info, struct mlo_run **ret,
                  struct mlo_err *err)
{
    struct mlo_ledger *tx MLO_AUTOTX = l;
    struct mlo_run *r = mlo_calloc(1, sizeof *r, err);
    if (!r)
        return err->code;
    r->l = l;
    r->folder_fd = -1;
    int rc = mlo_tx_begin(l, err);
    if (!rc)
        rc = mlo_run_insert(l, info, mlo_time_now(), &r->id, err);
    if (!rc)
        rc = make_folder(r, err);
    if (!rc)
        rc = mlo_tx_commit(tx, err);
    if (rc) {
        if (r->folder_fd >= 0)
            drop_folder(r);
        run_free(r);
        return rc;
    }
    *ret = r;
    return 0;
}

/* ---- what the run will change ---- */

static int copy_or_null(const char *s, char **ret, struct mlo_err *err)
{
    *ret = s ? mlo_strdup(s, err) : NULL;
    return s && !*ret ? err->code : 0;
}

static int add_move(struct mlo_run *r, const char *kind, const char *target, const char *expect,
                    const char *value, bool any, struct mlo_err *err)
{
    if (r->n_moves >= RUN_MOVES_MAX)
        return mlo_fail(err, MLO_EINVALID, "run %" PRId64 ": more than %zu moves", r->id, RUN_MOVES_MAX);
    int rc = mlo_grow(&r->moves, &r->cap_moves, r->n_moves + 1, sizeof *r->moves, err);
    if (rc)
        return rc;
    struct move *m = &r->moves[r->n_moves++];
    *m = (struct move){.any = any};
    rc = copy_or_null(kind, &m->kind, err);
    if (!rc)
        rc = copy_or_null(target, &m->target, err);
    if (!rc)
        rc = copy_or_null(expect, &m->expect, err);
    if (!rc)
        rc = copy_or_null(value, &m->value, err);
    return rc;
}

static int move_name(struct mlo_run *r, const char *kind, const char *name, const struct mlo_digest *expect,
                     const struct mlo_digest *digest, bool any, struct mlo_err *err)
{
    if (!*kind || strchr(kind, '/') || !*name)
        return mlo_fail(err, MLO_EINTERNAL, "ledger: '%s' '%s' is not a kind and a name", kind, name);
    MLO_AUTOSTR struct mlo_str target;
    mlo_str_init(&target, MLO_STR_MAX);
    mlo_str_addf(&target, "%s/%s", kind, name);
    int rc = mlo_str_check(&target, err);
    if (rc)
        return rc;
    char was[MLO_DIGEST_TEXT], will[MLO_DIGEST_TEXT];
    return add_move(r, "name", target.ptr, expect ? mlo_digest_text(expect, was) : NULL,
                    digest ? mlo_digest_text(digest, will) : NULL, any, err);
}

int mlo_run_move_name(struct mlo_run *r, const char *kind, const char *name, const struct mlo_digest *expect,
                      const struct mlo_digest *digest, struct mlo_err *err)
{
    return move_name(r, kind, name, expect, digest, false, err);
}

int mlo_run_move_name_any(struct mlo_run *r, const char *kind, const char *name,
                          const struct mlo_digest *digest, struct mlo_err *err)
{
    return move_name(r, kind, name, NULL, digest, true, err);
}

int mlo_run_mark(struct mlo_run *r, int64_t id, const char *expect, const char *state, struct mlo_err *err)
{
    char target[24];
    snprintf(target, sizeof target, "%" PRId64, id);
    return add_move(r, "run", target, expect, state, false, err);
}

int mlo_run_metric(struct mlo_run *r, const char *key, double value, struct mlo_err *err)
{
    if (value != value)
        return mlo_fail(err, MLO_EINVALID, "metric '%s' is not a number", key);
    int rc = mlo_grow(&r->metrics, &r->cap_metrics, r->n_metrics + 1, sizeof *r->metrics, err);
    if (rc)
        return rc;
    char *copy = mlo_strdup(key, err);
    if (!copy)
        return err->code;
    r->metrics[r->n_metrics++] = (struct metric){.key = copy, .value = value};
    return 0;
}

int mlo_run_artifact(struct mlo_run *r, const char *kind, const struct mlo_digest *d, uint64_t size,
                     struct mlo_err *err)
{
    if (size > INT64_MAX)
        return mlo_fail(err, MLO_EINVALID, "artifact '%s': a size of %" PRIu64, kind, size);
    int rc = mlo_grow(&r->artifacts, &r->cap_artifacts, r->n_artifacts + 1, sizeof *r->artifacts, err);
    if (rc)
        return rc;
    char *copy = mlo_strdup(kind, err);
    if (!copy)
        return err->code;
    r->artifacts[r->n_artifacts++] = (struct artifact){.kind = copy, .digest = *d, .size = size};
    return 0;
}

/* ---- effects outside ---- */

static const char *const state_names[] = {
    [MLO_EFFECT_INTENDED] = "intended",
    [MLO_EFFECT_DONE] = "done",
    [MLO_EFFECT_REVERTED] = "reverted",
    [MLO_EFFECT_IRREVERSIBLE] = "irreversible",
};

const char *mlo_effect_state_name(enum mlo_effect_state state)
{
    return state_names[state];
}

int mlo_effect_state_parse(const char *text, enum mlo_effect_state *ret, struct mlo_err *err)
{
    for (size_t i = 0; text && i < MLO_COUNT(state_names); i++)
        if (strcmp(text, state_names[i]) == 0) {
            *ret = (enum mlo_effect_state)i;
            return 0;
        }
    return mlo_fail(err, MLO_EINVALID, "ledger: an effect of unknown state");
}

static int insert_effect(struct mlo_run *r, const char *kind, const char *target, const char *before,
                         const char *after, enum mlo_effect_state state, int64_t seq, struct mlo_err *err)
{
    return mlo_sql_run(r->l, MLO_SQL_EFFECT_INSERT, err, "iittttti", r->id, (int64_t)r->ordinals, kind,
                       target, before, after, mlo_effect_state_name(state), seq);
}

static int record_effect(struct mlo_run *r, const char *kind, const char *target, const char *before,
                         const char *after, enum mlo_effect_state state, int *ret_ordinal,
                         struct mlo_err *err)
{
    struct mlo_ledger *tx MLO_AUTOTX = r->l;
    if (strcmp(kind, "name") == 0 || strcmp(kind, "run") == 0)
        return mlo_fail(err, MLO_EINTERNAL, "ledger: effects of kind '%s' are its own", kind);
    int rc = mlo_tx_begin(r->l, err);
    if (!rc)
        rc = insert_effect(r, kind, target, before, after, state, 0, err);
    if (!rc)
        rc = mlo_tx_commit(tx, err);
    if (rc)
        return rc;
    *ret_ordinal = r->ordinals++;
    return 0;
}

int mlo_run_intend(struct mlo_run *r, const char *kind, const char *target, const char *before,
                   const char *after, int *ret_ordinal, struct mlo_err *err)
{
    return record_effect(r, kind, target, before, after, MLO_EFFECT_INTENDED, ret_ordinal, err);
}

int mlo_run_irreversible(struct mlo_run *r, const char *kind, const char *target, const char *before,
                         struct mlo_err *err)
{
    int ordinal;
    return record_effect(r, kind, target, before, NULL, MLO_EFFECT_IRREVERSIBLE, &ordinal, err);
}

/* after NULL: as it was announced. */
static int settle(struct mlo_run *r, int ordinal, enum mlo_effect_state state, const char *after,
                  struct mlo_err *err)
{
    struct mlo_ledger *tx MLO_AUTOTX = r->l;
    int rc = mlo_tx_begin(r->l, err);
    if (!rc && after)
        rc = mlo_sql_run(r->l, MLO_SQL_EFFECT_AFTER, err, "iit", r->id, (int64_t)ordinal, after);
    if (!rc)
        rc = mlo_sql_run(r->l, MLO_SQL_EFFECT_STATE, err, "iit", r->id, (int64_t)ordinal,
                         mlo_effect_state_name(state));
    if (!rc && sqlite3_changes(r->l->db) != 1)
        return mlo_fail(err, MLO_EINTERNAL, "run %" PRId64 ": no effect %d", r->id, ordinal);
    return rc ? rc : mlo_tx_commit(tx, err);
}

int mlo_run_done_irreversible(struct mlo_run *r, int ordinal, struct mlo_err *err)
{
    return settle(r, ordinal, MLO_EFFECT_IRREVERSIBLE, NULL, err);
}

int mlo_run_done(struct mlo_run *r, int ordinal, struct mlo_err *err)
{
    return settle(r, ordinal, MLO_EFFECT_DONE, NULL, err);
}

int mlo_run_done_as(struct mlo_run *r, int ordinal, const char *after, struct mlo_err *err)
{
    return settle(r, ordinal, MLO_EFFECT_DONE, after, err);
}

int mlo_run_reverted(struct mlo_run *r, int ordinal, struct mlo_err *err)
{
    return settle(r, ordinal, MLO_EFFECT_REVERTED, NULL, err);
}

/* ---- finish ---- */

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static int moved_meanwhile(struct mlo_ledger *l, const struct move *m, const char *now, int64_t by,
                           struct mlo_err *err)
{
    struct mlo_run_state state;
    char thing[MLO_THING_SHOWN];
    mlo_thing_shown(m->kind, m->target, thing);
    if (!by)
        return mlo_fail(err, MLO_ECONFLICT, "%s was expected at %s but does not exist", thing,
                        text_or(m->expect, "nothing"));
    int rc = mlo_run_state(l, by, &state, err);
    if (rc)
        return rc;
    return mlo_fail(err, MLO_ECONFLICT, "%s was moved to %s by run %" PRId64 " (%s); expected %s", thing,
                    text_or(now, "nothing"), by, state.command, text_or(m->expect, "no such name"));
}

static int write_name(struct mlo_run *r, const struct move *m, struct mlo_err *err)
{
    const char *slash = strchr(m->target, '/');
    char *kind = mlo_memdup0(m->target, (size_t)(slash - m->target), err);
    if (!kind)
        return err->code;
    int rc = m->value ? mlo_sql_run(r->l, MLO_SQL_NAME_PUT, err, "ttti", kind, slash + 1, m->value, r->id)
                      : mlo_sql_run(r->l, MLO_SQL_NAME_DROP, err, "tt", kind, slash + 1);
    free(kind);
    return rc;
}

static int apply_move(struct mlo_run *r, const struct move *m, int64_t seq, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    bool set = false;
    int64_t by = 0;
    int rc = mlo_present_value(r->l, m->kind, m->target, &text, &set, &by, err);
    if (rc)
        return rc;
    const char *now = set ? text.ptr : NULL;
    if (!m->any && !same_text(now, m->expect))
        return moved_meanwhile(r->l, m, now, by, err);
    if (same_text(now, m->value))
        return 0;
    rc = insert_effect(r, m->kind, m->target, now, m->value, MLO_EFFECT_DONE, seq, err);
    if (rc)
        return rc;
    r->ordinals++;
    return strcmp(m->kind, "name") == 0 ? write_name(r, m, err) : 0;
}

/* All moves or none: a conflict takes back those before it and leaves the transaction open for the failed
 * run's row. */
static int apply_moves(struct mlo_run *r, int64_t seq, struct mlo_err *err)
{
    int first = r->ordinals;
    int rc = mlo_sql_run(r->l, MLO_SQL_SAVE_MOVES, err, "");
    for (size_t i = 0; !rc && i < r->n_moves; i++)
        rc = apply_move(r, &r->moves[i], seq, err);
    if (rc != MLO_ECONFLICT)
        return rc;
    struct mlo_err second = MLO_ERR_INIT;
    r->ordinals = first;
    int undone = mlo_sql_run(r->l, MLO_SQL_DROP_MOVES, &second, "");
    if (!undone)
        return rc;
    *err = second;
    return undone;
}

static int write_facts(struct mlo_run *r, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < r->n_metrics; i++)
        rc = mlo_sql_run(r->l, MLO_SQL_METRIC_PUT, err, "itd", r->id, r->metrics[i].key, r->metrics[i].value);
    for (size_t i = 0; !rc && i < r->n_artifacts; i++) {
        const struct artifact *a = &r->artifacts[i];
        char text[MLO_DIGEST_TEXT];
        rc = mlo_sql_run(r->l, MLO_SQL_ARTIFACT_PUT, err, "iitti", r->id, (int64_t)i, a->kind,
                         mlo_digest_text(&a->digest, text), (int64_t)a->size);
    }
    return rc;
}

int mlo_run_seal(struct mlo_ledger *l, int64_t id, const char *status, int exit_code, int64_t ended_ns,
                 struct mlo_err *err)
{
    struct mlo_ledger_head head;
    struct mlo_digest hash;
    int rc = mlo_ledger_head(l, &head, err);
    if (rc)
        return rc;
    int64_t seq = head.seq + 1;
    rc = mlo_sql_run(l, MLO_SQL_RUN_END, err, exit_code < 0 ? "iiit" : "iiiti", id, seq, ended_ns, status,
                     (int64_t)exit_code);
    if (!rc)
        rc = mlo_sql_run(l, MLO_SQL_EFFECT_SEQ, err, "ii", id, seq);
    if (!rc)
        rc = mlo_chain_hash(l, id, &head.hash, &hash, err);
    if (!rc)
        rc = mlo_sql_run(l, MLO_SQL_RUN_HASH, err, "ibb", id, &head.hash, &hash);
    return rc ? rc : mlo_sql_run(l, MLO_SQL_SET_HEAD, err, "ib", seq, &hash);
}

static int finish(struct mlo_run *r, int exit_code, struct mlo_err *err)
{
    struct mlo_ledger *tx MLO_AUTOTX = r->l;
    struct mlo_ledger_head head;
    struct mlo_err conflict = MLO_ERR_INIT;
    bool keep = exit_code == 0 || exit_code == 1;
    int rc = mlo_tx_begin(r->l, err);
    if (!rc)
        rc = mlo_ledger_head(r->l, &head, err);
    if (!rc && keep)
        rc = apply_moves(r, head.seq + 1, err);
    if (rc == MLO_ECONFLICT && tx->in_tx) {
        conflict = *err;
        exit_code = -MLO_ECONFLICT;
        keep = false;
        rc = 0;
    }
    if (!rc)
        rc = write_facts(r, err);
    if (keep && r->exit_code)
        exit_code = r->exit_code;
    if (!rc)
        rc = mlo_run_seal(r->l, r->id, keep ? "done" : "failed", exit_code, mlo_time_now(), err);
    if (!rc)
        rc = mlo_tx_commit(tx, err);
    if (!rc && conflict.code)
        *err = conflict;
    return rc ? rc : conflict.code;
}

void mlo_run_exit(struct mlo_run *r, int exit_code)
{
    r->exit_code = exit_code;
}

int mlo_run_finish(struct mlo_run *r, int exit_code, struct mlo_err *err)
{
    int rc = finish(r, exit_code < 0 ? -exit_code : exit_code, err);
    if (!rc || rc == MLO_ECONFLICT)
        drop_folder(r);
    run_free(r);
    return rc;
}
