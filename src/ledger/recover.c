/*
 * Runs whose process died. The lock on a run's folder tells: whoever can take it while the row says `running`
 * owns the recovery, and nobody else does. Deciding an effect may be repeated (a recovery may die too), so
 * each decision is a transaction of its own and the row is closed last.
 */
#include "internal.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

struct recovery {
    struct mlo_ledger *l;
    const struct mlo_undo_handler *handlers;
    size_t n;
    struct mlo_recovered *rec;
};

const struct mlo_undo_handler *mlo_undo_handler_of(const struct mlo_undo_handler *handlers, size_t n,
                                                   const char *kind)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(handlers[i].kind, kind) == 0)
            return &handlers[i];
    return NULL;
}

static int set_state(struct mlo_ledger *l, const struct mlo_effect *e, enum mlo_effect_state state,
                     struct mlo_err *err)
{
    struct mlo_ledger *tx MLO_AUTOTX = l;
    int rc = mlo_tx_begin(l, err);
    if (!rc)
        rc = mlo_sql_run(l, MLO_SQL_EFFECT_STATE, err, "iit", e->run, (int64_t)e->ordinal,
                         mlo_effect_state_name(state));
    return rc ? rc : mlo_tx_commit(tx, err);
}

static int decide(struct recovery *c, const struct mlo_effect *e, struct mlo_err *err)
{
    const struct mlo_undo_handler *h = mlo_undo_handler_of(c->handlers, c->n, e->kind);
    bool happened = false;
    if (!h) /* a later build wrote it: it stays recorded as intended */
        return 0;
    int rc = h->happened ? h->happened(h->ctx, e, &happened, err) : 0;
    if (!rc && !happened)
        rc = h->undo(h->ctx, e, err);
    if (!rc)
        rc = set_state(c->l, e, happened ? MLO_EFFECT_DONE : MLO_EFFECT_REVERTED, err);
    char thing[MLO_THING_SHOWN];
    if (rc)
        return mlo_wrap(err, "recovering run %" PRId64 ", %s", e->run,
                        mlo_thing_shown(e->kind, e->target, thing));
    c->rec->finished += happened;
    c->rec->undone += !happened;
    return 0;
}

/* The first intended effect from `from` on, copied; *ret_row false when there is none. Nothing is left open
 * meanwhile. */
static int next_intended(struct mlo_ledger *l, int64_t run, int from, struct mlo_arena *arena,
                         struct mlo_effect *ret, bool *ret_row, struct mlo_err *err)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = true;
    int rc = mlo_stmt_get(l, MLO_SQL_EFFECTS, &s, err);
    if (!rc)
        rc = mlo_stmt_bind(&s, err, "i", run);
    while (!rc) {
        struct mlo_effect e;
        rc = mlo_stmt_step(&s, &row, err);
        if (rc || !row)
            break;
        rc = mlo_effect_from_row(&s, &e, err);
        if (!rc && e.ordinal >= from && e.state == MLO_EFFECT_INTENDED) {
            *ret_row = true;
            return mlo_effect_copy(arena, &e, ret, err);
        }
    }
    *ret_row = false;
    return rc;
}

static int decide_all(struct recovery *c, int64_t run, struct mlo_err *err)
{
    for (int from = 0;;) {
        struct mlo_arena arena;
        struct mlo_effect e;
        bool row = false;
        mlo_arena_init(&arena, MLO_STR_MAX);
        int rc = next_intended(c->l, run, from, &arena, &e, &row, err);
        if (!rc && row)
            rc = decide(c, &e, err);
        from = row ? e.ordinal + 1 : from;
        mlo_arena_release(&arena);
        if (rc || !row)
            return rc;
    }
}

static int remove_folder(struct mlo_ledger *l, int64_t run, struct mlo_err *err)
{
    char dir[MLO_RUN_DIR_MAX];
    mlo_run_dir(run, dir);
    return mlo_remove_tree_at(l->home_fd, dir, err);
}

static int close_row(struct mlo_ledger *l, int64_t run, struct mlo_err *err)
{
    struct mlo_ledger *tx MLO_AUTOTX = l;
    int rc = mlo_tx_begin(l, err);
    if (!rc)
        rc = mlo_run_seal(l, run, "died", -1, mlo_time_now(), err);
    return rc ? rc : mlo_tx_commit(tx, err);
}

static int recover_run(struct recovery *c, int64_t run, bool *ret_did, struct mlo_err *err)
{
    MLO_AUTOCLOSE int folder = -1;
    struct mlo_run_state state;
    struct mlo_err busy;
    int rc = mlo_run_claim(c->l, run, &folder, &busy);
    if (rc == MLO_ECONFLICT)
        return 0; /* alive, or somebody else recovers it */
    if (rc) {
        *err = busy;
        return rc;
    }
    rc = mlo_run_state(c->l, run, &state, err);
    if (rc)
        return rc;
    if (strcmp(state.status, "running") == 0) {
        rc = decide_all(c, run, err);
        if (!rc)
            rc = close_row(c->l, run, err);
        if (rc)
            return rc;
        *ret_did = true;
    }
    return remove_folder(c->l, run, err);
}

struct running {
    int64_t *ids;
    char **commands;
    size_t n, cap, cap_commands;
};

static void running_release(struct running *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->commands[i]);
    free(list->commands);
    free(list->ids);
}

static int list_running(struct mlo_ledger *l, struct running *list, struct mlo_err *err)
{
    MLO_AUTOSTMT struct mlo_stmt s = MLO_STMT_INIT;
    bool row = true;
    int rc = mlo_stmt_get(l, MLO_SQL_RUNNING, &s, err);
    while (!rc) {
        rc = mlo_stmt_step(&s, &row, err);
        if (rc || !row)
            return rc;
        const char *command = mlo_stmt_text(&s, 1);
        rc = mlo_grow(&list->ids, &list->cap, list->n + 1, sizeof *list->ids, err);
        if (!rc)
            rc = mlo_grow(&list->commands, &list->cap_commands, list->n + 1, sizeof *list->commands, err);
        char *copy = rc ? NULL : mlo_strdup(command ? command : "", err);
        if (!copy)
            return err->code;
        list->ids[list->n] = mlo_stmt_i64(&s, 0);
        list->commands[list->n++] = copy;
    }
    return rc;
}

/* ---- folders that no run owns ---- */

/* A begin that died before its commit: only its empty folder is there, and the number will be used again. */
static int sweep_rowless(struct mlo_ledger *l, int64_t run, struct mlo_err *err)
{
    struct mlo_ledger *tx MLO_AUTOTX = l;
    struct mlo_run_state state;
    struct mlo_err none;
    int rc = mlo_tx_begin(l, err);
    if (rc)
        return rc;
    rc = mlo_run_state(l, run, &state, &none);
    if (rc == MLO_ENOTFOUND)
        rc = remove_folder(l, run, err);
    else if (rc)
        *err = none;
    mlo_tx_abort(tx);
    return rc;
}

static int sweep_one(struct mlo_ledger *l, int64_t run, struct mlo_err *err)
{
    struct mlo_run_state state;
    struct mlo_err why;
    MLO_AUTOCLOSE int folder = -1;
    int rc = mlo_run_state(l, run, &state, &why);
    if (rc == MLO_ENOTFOUND)
        return sweep_rowless(l, run, err);
    if (rc == 0 && strcmp(state.status, "running") == 0)
        return 0;
    if (rc == 0)
        rc = mlo_run_claim(l, run, &folder, &why);
    if (rc == MLO_ECONFLICT)
        return 0; /* its process is just about to remove it */
    if (rc)
        *err = why;
    return rc ? rc : remove_folder(l, run, err);
}

static bool folder_run(const char *name, int64_t *ret)
{
    static const char prefix[] = "run-";
    char *end;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0 || !isdigit((unsigned char)name[sizeof prefix - 1]))
        return false;
    errno = 0;
    *ret = strtoll(name + sizeof prefix - 1, &end, 10);
    return !errno && !*end && *ret > 0;
}

static int sweep(struct mlo_ledger *l, struct mlo_err *err)
{
    mlo_tmp_sweep(l->home_fd); /* of a restore that died */
    int fd = openat(l->home_fd, MLO_LEDGER_TMP, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int rc = errno == ENOENT ? 0 : mlo_fail_errno(err, "'%s/%s'", l->home, MLO_LEDGER_TMP);
        mlo_cleanup_close(&fd);
        return rc;
    }
    int rc = 0;
    int64_t run;
    for (struct dirent *e; !rc && (e = readdir(dir)) != NULL;)
        if (folder_run(e->d_name, &run))
            rc = sweep_one(l, run, err);
    closedir(dir);
    return rc;
}

int mlo_ledger_recover(struct mlo_ledger *l, const struct mlo_undo_handler *handlers, size_t n,
                       int (*fn)(void *ctx, const struct mlo_recovered *rec, struct mlo_err *err), void *ctx,
                       struct mlo_err *err)
{
    struct running list = {0};
    struct mlo_err first = MLO_ERR_INIT;
    int rc = list_running(l, &list, err);
    for (size_t i = 0; !rc && i < list.n; i++) {
        struct mlo_recovered rec = {.run = list.ids[i], .command = list.commands[i]};
        struct recovery c = {l, handlers, n, &rec};
        bool did = false;
        if (recover_run(&c, list.ids[i], &did, err) && !first.code)
            first = *err;
        if (did && fn)
            rc = fn(ctx, &rec, err);
    }
    running_release(&list);
    if (!rc)
        rc = sweep(l, err);
    if (rc || !first.code)
        return rc;
    *err = first;
    return first.code;
}
