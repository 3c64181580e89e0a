/*
 * The ledger: every command that changes something is a run; what it changed are its effects; what a thing is
 * called are names. SQLite is used only here.
 *
 * Names are the only mutable state. Moving one is one transaction together with the effect that records who
 * moved it, from what, to what, so a rollback is the inverse effects as a new run: it copies nothing.
 *
 * Writers: one transaction at a time, serialised by flock on <home>/lock (which also shields SQLite 3.40 from
 * its WAL-reset bug). A run may last long (a pack of 100 GB); it holds the lock only while a transaction is
 * open. Readers never wait.
 *
 * A run is alive while its process holds a flock on its folder <home>/tmp/run-<id>. A running run whose
 * folder can be locked by somebody else has died; recover finishes it: effects `intended` are decided by
 * their kind's handler, its folder is removed, its status becomes `died`.
 *
 * Chain: when a run ends its row gets hash = SHA-256(previous hash, canonical text of the row and its
 * effects, metrics and artifacts), in order of ending (`seq`). The head (seq, hash) stands in a table of its
 * own, so an edited, deleted, inserted or truncated row is found and named by mlo_ledger_verify.
 *
 * A ledger object belongs to one thread and is not carried over a fork.
 */
#ifndef MLOPSCTL_LEDGER_H
#define MLOPSCTL_LEDGER_H

#include <mlopsctl/base/hash.h>
#include <mlopsctl/base/str.h>

struct mlo_ledger;

enum mlo_ledger_mode {
    MLO_LEDGER_READ,  /* MLO_ENOTFOUND when there is none; never writes, never waits */
    MLO_LEDGER_WRITE, /* creates <home> (0700), ledger.db, lock and tmp/ as needed; migrates */
};

/* `home` is the .mlops folder. A ledger of a newer schema is MLO_EUNAVAIL with the versions in the message.
 */
int mlo_ledger_open(const char *home, enum mlo_ledger_mode mode, struct mlo_ledger **ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
void mlo_ledger_close(struct mlo_ledger *l);
/* Called once when a writer waits for the lock longer than a moment; `pid` 0 when the holder is unknown. */
void mlo_ledger_on_wait(struct mlo_ledger *l, void (*fn)(void *ctx, long pid), void *ctx);

/* ---- runs ---- */

struct mlo_run_info {      /* all text is recorded as given: redact before */
    const char *command;   /* "pack" */
    const char *argv_json; /* redacted, from mlo_redact_argv */
    const char *cwd;
    const char *user;
    const char *host;
    const char *tool_version;
    const char *git_commit; /* NULL outside a repository */
    bool git_dirty;
    int64_t undo_of;  /* run id this run undoes, 0 for none */
    const char *note; /* -m TEXT, may be NULL */
};

struct mlo_run; /* a run in progress, owned by this process */

/* Records the run as running, makes and locks its folder. */
int mlo_run_begin(struct mlo_ledger *l, const struct mlo_run_info *info, struct mlo_run **ret,
                  struct mlo_err *err) MLO_MUST_CHECK;
int64_t mlo_run_id(const struct mlo_run *r);
/* Folder for temporaries on the file system of the store: <home>/tmp/run-<id>. Borrowed. */
const char *mlo_run_folder(const struct mlo_run *r);

/*
 * Names, moved at mlo_run_finish in one transaction with their effects. `digest` NULL removes the name.
 * `expect`: what the name must still be at that moment (NULL: must not exist); mlo_run_move_name_any does not
 * care. A name that moved in between is MLO_ECONFLICT at finish, naming the run that moved it, and nothing of
 * the batch is done.
 */
int mlo_run_move_name(struct mlo_run *r, const char *kind, const char *name, const struct mlo_digest *expect,
                      const struct mlo_digest *digest, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_run_move_name_any(struct mlo_run *r, const char *kind, const char *name,
                          const struct mlo_digest *digest, struct mlo_err *err) MLO_MUST_CHECK;

/*
 * Effects outside the ledger. Intend before doing (own transaction), done after. `before`/`after` are what
 * the kind's handler needs to undo and to recognise the present state; NULL for "nothing there".
 */
int mlo_run_intend(struct mlo_run *r, const char *kind, const char *target, const char *before,
                   const char *after, int *ret_ordinal, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_run_done(struct mlo_run *r, int ordinal, struct mlo_err *err) MLO_MUST_CHECK;
/* Done, and `after` is what only the doing told (the id that a service gave). */
int mlo_run_done_as(struct mlo_run *r, int ordinal, const char *after, struct mlo_err *err) MLO_MUST_CHECK;
/* Done, and nothing brings it back (a removal): as mlo_run_irreversible, but announced before. */
int mlo_run_done_irreversible(struct mlo_run *r, int ordinal, struct mlo_err *err) MLO_MUST_CHECK;
/* It did not come to pass, or the same run has taken it back: nothing is left to undo. */
int mlo_run_reverted(struct mlo_run *r, int ordinal, struct mlo_err *err) MLO_MUST_CHECK;
/* An effect that cannot be undone (say so to the user before): recorded as irreversible. */
int mlo_run_irreversible(struct mlo_run *r, const char *kind, const char *target, const char *before,
                         struct mlo_err *err) MLO_MUST_CHECK;

int mlo_run_metric(struct mlo_run *r, const char *key, double value, struct mlo_err *err) MLO_MUST_CHECK;
/* A report or manifest this run produced. */
int mlo_run_artifact(struct mlo_run *r, const char *kind, const struct mlo_digest *d, uint64_t size,
                     struct mlo_err *err) MLO_MUST_CHECK;

/* Done, but the command ends by another status than 0 or 1, which is recorded: a bench without a verdict. */
void mlo_run_exit(struct mlo_run *r, int exit_code);
/*
 * Ends the run: names moved, row hashed into the chain, folder removed. exit_code 0 or 1 keeps the name
 * moves, others drop them (status failed). r is freed whatever happens.
 */
int mlo_run_finish(struct mlo_run *r, int exit_code, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- reading ---- */

/* MLO_ENOTFOUND when the name does not exist. */
int mlo_name_get(struct mlo_ledger *l, const char *kind, const char *name, struct mlo_digest *ret,
                 struct mlo_err *err) MLO_MUST_CHECK;

struct mlo_name_row {
    const char *kind, *name; /* borrowed until the next row */
    struct mlo_digest digest;
    int64_t run; /* that moved it last */
    int64_t time_ns;
};
typedef int (*mlo_name_fn)(void *ctx, const struct mlo_name_row *row, struct mlo_err *err);
/* In order of kind, name. `kind` NULL: all. A non-zero return of fn stops and is returned. */
int mlo_name_each(struct mlo_ledger *l, const char *kind, mlo_name_fn fn, void *ctx,
                  struct mlo_err *err) MLO_MUST_CHECK;

enum mlo_effect_state { MLO_EFFECT_INTENDED, MLO_EFFECT_DONE, MLO_EFFECT_REVERTED, MLO_EFFECT_IRREVERSIBLE };
struct mlo_effect {
    int64_t run;
    int ordinal;
    const char
        *kind; /* "name" for moved names (target "kind/name", before/after "sha256:..."), "run" for runs that
                * an undo marked (target its id, before/after "done" or "undone"), else the handler's */
    const char *target;
    const char *before, *after; /* NULL for nothing */
    enum mlo_effect_state state;
};
struct mlo_run_row {
    int64_t id, seq; /* seq 0 while running */
    int64_t started_ns, ended_ns;
    const char *command, *argv_json, *cwd, *user, *host, *tool_version, *git_commit, *note;
    bool git_dirty;
    const char *status;         /* running, done, failed, died, undone */
    int exit_code;              /* -1 while running and when it died */
    int64_t undo_of, undone_by; /* 0 for none */
    struct mlo_digest prev_hash, hash;
};
struct mlo_run_filter {
    const char *command; /* NULL: any */
    const char *status;
    const char *name;           /* runs that moved this name, "credit" or "credit:1.4.0" */
    const char *grep;           /* substring of argv or note */
    int64_t since_ns, until_ns; /* 0: open */
    int64_t id;                 /* 0: any */
    int64_t limit;              /* 0: all */
    bool oldest_first;
};
typedef int (*mlo_run_fn)(void *ctx, const struct mlo_run_row *row, struct mlo_err *err);
typedef int (*mlo_effect_fn)(void *ctx, const struct mlo_effect *e, struct mlo_err *err);
typedef int (*mlo_metric_fn)(void *ctx, const char *key, double value, struct mlo_err *err);
typedef int (*mlo_artifact_fn)(void *ctx, const char *kind, const struct mlo_digest *d, uint64_t size,
                               struct mlo_err *err);
/* Newest first, by id; by time of start with since or until. */
int mlo_run_each(struct mlo_ledger *l, const struct mlo_run_filter *f, mlo_run_fn fn, void *ctx,
                 struct mlo_err *err) MLO_MUST_CHECK;
int mlo_effect_each(struct mlo_ledger *l, int64_t run, mlo_effect_fn fn, void *ctx,
                    struct mlo_err *err) MLO_MUST_CHECK;
int mlo_metric_each(struct mlo_ledger *l, int64_t run, mlo_metric_fn fn, void *ctx,
                    struct mlo_err *err) MLO_MUST_CHECK;
int mlo_artifact_each(struct mlo_ledger *l, int64_t run, mlo_artifact_fn fn, void *ctx,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* All effects of a kind, newest run first, whatever their state. */
int mlo_effects_of(struct mlo_ledger *l, const char *kind, mlo_effect_fn fn, void *ctx,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* Moves of one name, newest first: effects of kind "name". */
int mlo_name_history(struct mlo_ledger *l, const char *kind, const char *name, int64_t limit,
                     mlo_effect_fn fn, void *ctx, struct mlo_err *err) MLO_MUST_CHECK;
/*
 * Digests that must stay, gc's roots; why: "name" (it has a name), "history" (a name had it since
 * `since_ns`), "undo" (rolling back a run that ended since `since_ns`, or the effect of a run in progress,
 * needs it), "artifact" (a run since then made it; of a kind "state:..." the newest stays whatever its age).
 * since_ns 0: everything that any rollback could want; what is not a root of the shorter time can no longer
 * be undone. A digest may be reported more than once.
 */
int mlo_ledger_roots(struct mlo_ledger *l, int64_t since_ns,
                     int (*fn)(void *ctx, const struct mlo_digest *d, const char *why, int64_t run,
                               struct mlo_err *err),
                     void *ctx, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- undo and recovery ---- */

/* How effects of one kind are undone. The ledger handles "name" itself. */
struct mlo_undo_handler {
    const char *kind;
    /* Is the world still as `after` says? 0 yes; MLO_ECONFLICT with the reason; other failures as they are.
     */
    int (*check)(void *ctx, const struct mlo_effect *e, struct mlo_err *err);
    /* Bring `before` back. Must be safe to repeat. */
    int (*undo)(void *ctx, const struct mlo_effect *e, struct mlo_err *err);
    /* After a crash: did this intended effect happen? *ret_done. NULL: treated as not done and undone. */
    int (*happened)(void *ctx, const struct mlo_effect *e, bool *ret_done, struct mlo_err *err);
    /* What undoing this destroys or costs, as one line appended for the user to agree to; nothing when
     * nothing. May be NULL. */
    int (*loses)(void *ctx, const struct mlo_effect *e, struct mlo_str *out, struct mlo_err *err);
    void *ctx;
};

struct mlo_undo_plan; /* owned */
struct mlo_undo_opts {
    bool cascade; /* take later runs that build on this one too */
    bool force;   /* undo although the present value is not what the run left */
    bool partial; /* leave what cannot be undone and undo the rest */
    bool after;   /* undo everything that ended after `run`, which stays */
    /* Is this digest, which a name would get back, still in the store? 0 yes; MLO_ENOTFOUND or another
     * failure refuses. May be NULL. */
    int (*target_ok)(void *ctx, const struct mlo_digest *d, struct mlo_err *err);
    void *ctx;
};
/* The newest run that rollback would take: it changed something, is not undone, and is not itself an undo.
 * MLO_ENOTFOUND: none. */
int mlo_undo_last(struct mlo_ledger *l, int64_t *ret, struct mlo_err *err) MLO_MUST_CHECK;
/*
 * What rollback would do: the effects in order of undoing. Refused before anything is touched: MLO_ENOTFOUND
 * (no such run), MLO_ECONFLICT (later runs build on it: the message lists them; or the world differs),
 * MLO_EUSAGE (irreversible, already undone, running, changed nothing). "Later runs that build on it" changed
 * the same things afterwards and are neither undone nor an undo of something later.
 */
int mlo_undo_plan(struct mlo_ledger *l, int64_t run, const struct mlo_undo_opts *opts,
                  const struct mlo_undo_handler *handlers, size_t n, struct mlo_undo_plan **ret,
                  struct mlo_err *err) MLO_MUST_CHECK;
void mlo_undo_plan_free(struct mlo_undo_plan *p);
int mlo_undo_plan_each(const struct mlo_undo_plan *p, mlo_effect_fn fn, void *ctx,
                       struct mlo_err *err) MLO_MUST_CHECK;
/* Executes inside run r (begun with undo_of = run), on the ledger of the plan or another one opened on the
 * same home. Names move at mlo_run_finish; outside effects are intended, undone, done. */
int mlo_undo_apply(struct mlo_undo_plan *p, struct mlo_run *r, struct mlo_err *err) MLO_MUST_CHECK;

struct mlo_recovered {
    int64_t run;
    const char *command;
    int finished, undone; /* effects that had happened, effects taken back */
};
/*
 * Finishes or undoes runs whose process died; sweeps folders that no run owns. fn (may be NULL) hears of
 * each. Called by every writing command; several at once are fine. A run that cannot be recovered now is left
 * for the next call, after the others, with its failure returned.
 */
int mlo_ledger_recover(struct mlo_ledger *l, const struct mlo_undo_handler *handlers, size_t n,
                       int (*fn)(void *ctx, const struct mlo_recovered *rec, struct mlo_err *err), void *ctx,
                       struct mlo_err *err) MLO_MUST_CHECK;

/* ---- care ---- */

struct mlo_ledger_head {
    int64_t seq;
    struct mlo_digest hash;
};
int mlo_ledger_head(struct mlo_ledger *l, struct mlo_ledger_head *ret, struct mlo_err *err) MLO_MUST_CHECK;
struct mlo_ledger_verify_opts {
    const struct mlo_ledger_head
        *against; /* a head noted earlier, which must still be in the chain; NULL: none */
    bool deep;    /* SQLite's integrity_check (indexes too) instead of quick_check */
};
/* Chain, head, names against their last effect, schema, SQLite's own check. MLO_NO with the first fault named
 * in err. *ret_rows. */
int mlo_ledger_verify(struct mlo_ledger *l, const struct mlo_ledger_verify_opts *opts, uint64_t *ret_rows,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* Consistent copy while others write; verified before it gets its name. */
int mlo_ledger_backup(struct mlo_ledger *l, const char *path, struct mlo_err *err) MLO_MUST_CHECK;
/* The backup at `path` is verified before it replaces anything; the old ledger is kept beside as
 * ledger.db.before-restore. */
int mlo_ledger_restore(const char *home, const char *path, struct mlo_err *err) MLO_MUST_CHECK;

#endif
