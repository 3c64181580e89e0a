/*
 * Undo of what was done to pods: one that was made is removed, a started one stopped, a stopped one started,
 * a lease set back.
 *
 * A create whose run died is taken back by whoever comes next: nobody knows of that pod, the command will be
 * given again, and there must not be two.
 */
#include <string.h>

#include <mlopsctl/base/time.h>

#include "cmd/runpod/pod_record.h"
#include "cmd/runpod/pod_wait.h"
#include "undo.h"
#include "cmd/shared/workspace.h"

#define TWINS_MAX 8
#define LOOKS     3 /* a pod may show up a moment after its create was cut */

/* ---- kind "runpod-pod" ---- */

static int cannot_return(struct mlo_err *err)
{
    mlo_fail(err, MLO_EUSAGE, "a pod that was removed cannot be brought back");
    return mlo_hint(err, "make another one; what was on its network volume is still there");
}

/* The id that was recorded, else of what has the mark; *ret NULL: there is none. Owner: the caller. */
static int id_of(struct mlo_runpod *c, const char *text, char **ret, struct mlo_err *err)
{
    struct mlo_pod_record r = {0};
    int rc = mlo_pod_record_parse(text, &r, err);
    if (rc != 0)
        return rc;
    if (r.id)
        *ret = mlo_steal(&r.id);
    else if (r.mark)
        rc = mlo_runpod_made(c, &(struct mlo_runpod_trace){.family = MLO_RUNPOD_PODS, .mark = r.mark}, ret,
                             err);
    if (rc == MLO_ENOTFOUND) {
        *err = MLO_ERR_INIT;
        rc = 0;
    }
    mlo_pod_record_release(&r);
    return rc;
}

/* *ret_id NULL: it is not there (any more). Owner: the caller. */
static int find(struct mlo_workspace *ws, const char *text, struct mlo_runpod **ret_c, char **ret_id,
                struct mlo_err *err)
{
    MLO_AUTOFREE char *id = NULL;
    bool there = false;
    int rc = mlo_ctx_runpod(ws->ctx, ret_c, err);
    if (rc == 0)
        rc = id_of(*ret_c, text, &id, err);
    if (rc == 0 && id)
        rc = mlo_runpod_exists(*ret_c, MLO_RUNPOD_PODS, id, &there, err);
    if (rc == 0)
        *ret_id = there ? mlo_steal(&id) : NULL;
    return rc;
}

static int pod_check(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    MLO_AUTOFREE char *id = NULL;
    if (!e->after)
        return cannot_return(err);
    int rc = find(ctx, e->after, &c, &id, err);
    if (rc != 0 || id)
        return rc;
    mlo_fail(err, MLO_ECONFLICT, "it is gone already");
    return mlo_hint(err, "--force marks the run as undone");
}

/* All with its mark: a create that was cut may have been sent twice. */
static int remove_made(struct mlo_workspace *ws, const char *text, struct mlo_err *err)
{
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < TWINS_MAX; i++) {
        struct mlo_runpod *c = NULL;
        MLO_AUTOFREE char *id = NULL;
        rc = find(ws, text, &c, &id, err);
        if (rc == 0 && !id)
            return 0;
        if (rc == 0)
            rc = mlo_pod_remove(ws->ctx, c, id, err);
    }
    return rc;
}

static int pod_undo(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    MLO_AUTOFREE char *id = NULL;
    if (e->after)
        return remove_made(ctx, e->after, err);
    int rc = find(ctx, e->before, &c, &id, err); /* a removal that did not happen: all is as it was */
    return rc != 0 || id ? rc : cannot_return(err);
}

/* Looks again when nothing is there, for the create may still be under way. */
static int find_patiently(struct mlo_workspace *ws, const struct mlo_effect *e, char **ret_id,
                          struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    int rc = find(ws, e->after ? e->after : e->before, &c, ret_id, err);
    for (unsigned i = 1; rc == 0 && e->after && !*ret_id && i < LOOKS; i++) {
        rc = mlo_poll_pause(ws->ctx, err);
        if (rc == 0)
            rc = find(ws, e->after, &c, ret_id, err);
    }
    return rc;
}

/*
 * A service that does not answer must not stop all other work: the effect then counts as done, a rollback
 * looks again, and `reap` knows the pod by its lease.
 */
static int pod_happened(void *ctx, const struct mlo_effect *e, bool *ret_done, struct mlo_err *err)
{
    struct mlo_workspace *ws = ctx;
    struct mlo_err failed = MLO_ERR_INIT;
    MLO_AUTOFREE char *id = NULL;
    (void)err;
    if (find_patiently(ws, e, &id, &failed) != 0) {
        mlo_warn(ws->ctx, "whether pod '%s' is there could not be asked: %s", e->target, failed.msg);
        *ret_done = true;
    } else {
        *ret_done = !e->after && !id;
    }
    return 0;
}

static int pod_loses(void *ctx, const struct mlo_effect *e, struct mlo_str *out, struct mlo_err *err)
{
    struct mlo_workspace *ws = ctx;
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_pod pod = {0};
    MLO_AUTOFREE char *id = NULL;
    if (!e->after)
        return 0;
    int rc = find(ws, e->after, &c, &id, err);
    if (rc == 0 && id)
        rc = mlo_runpod_pod_get(c, id, &pod, err);
    if (rc == 0 && id)
        mlo_pod_loss(&pod, out);
    mlo_runpod_pod_release(&pod);
    return rc != 0 ? rc : mlo_str_check(out, err);
}

struct mlo_undo_handler mlo_undo_pod_handler(struct mlo_workspace *ws)
{
    return (struct mlo_undo_handler){.kind = MLO_EFFECT_POD,
                                     .check = pod_check,
                                     .undo = pod_undo,
                                     .happened = pod_happened,
                                     .loses = pod_loses,
                                     .ctx = ws};
}

/* ---- kind "runpod-pod-state" ---- */

static int get(struct mlo_workspace *ws, const struct mlo_effect *e, struct mlo_runpod **ret_c,
               struct mlo_runpod_pod *ret, struct mlo_err *err)
{
    int rc = mlo_ctx_runpod(ws->ctx, ret_c, err);
    return rc != 0 ? rc : mlo_runpod_pod_get(*ret_c, e->target, ret, err);
}

static const char *state_of(const struct mlo_runpod_pod *p)
{
    bool stopped = p->status == MLO_RUNPOD_POD_EXITED || p->status == MLO_RUNPOD_POD_ERROR;
    return stopped ? MLO_POD_STOPPED : MLO_POD_RUNNING;
}

static int state_now(struct mlo_workspace *ws, const struct mlo_effect *e, struct mlo_runpod **ret_c,
                     const char **ret, struct mlo_err *err)
{
    struct mlo_runpod_pod pod = {0};
    int rc = get(ws, e, ret_c, &pod, err);
    if (rc == 0)
        *ret = state_of(&pod);
    mlo_runpod_pod_release(&pod);
    return rc;
}

static bool is(const char *text, const char *what)
{
    return text && strcmp(text, what) == 0;
}

static int state_check(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    const char *now = NULL;
    int rc = state_now(ctx, e, &c, &now, err);
    if (rc != 0 || is(e->after, now))
        return rc;
    return mlo_fail(err, MLO_ECONFLICT, "it is %s now", now);
}

static int state_undo(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    const char *now = NULL;
    int rc = state_now(ctx, e, &c, &now, err);
    if (rc != 0 || is(e->before, now))
        return rc;
    return mlo_runpod_pod_action(c, e->target, is(e->before, MLO_POD_RUNNING) ? "start" : "stop", NULL, err);
}

static int state_happened(void *ctx, const struct mlo_effect *e, bool *ret_done, struct mlo_err *err)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    struct mlo_runpod *c = NULL;
    const char *now = NULL;
    (void)err;
    *ret_done = state_now(ctx, e, &c, &now, &ignored) != 0 || !is(e->before, now);
    return 0;
}

static int state_loses(void *ctx, const struct mlo_effect *e, struct mlo_str *out, struct mlo_err *err)
{
    (void)ctx;
    if (is(e->before, MLO_POD_RUNNING))
        mlo_str_addf(out, "starts pod %s, which costs money again", e->target);
    else
        mlo_str_addf(out, "stops pod %s and wipes its container's disk", e->target);
    return mlo_str_check(out, err);
}

struct mlo_undo_handler mlo_undo_pod_state_handler(struct mlo_workspace *ws)
{
    return (struct mlo_undo_handler){.kind = MLO_EFFECT_POD_STATE,
                                     .check = state_check,
                                     .undo = state_undo,
                                     .happened = state_happened,
                                     .loses = state_loses,
                                     .ctx = ws};
}

/* ---- kind "runpod-pod-lease" ---- */

static int end_of(const char *text, int64_t *ret, struct mlo_err *err)
{
    *ret = 0;
    return !text || is(text, MLO_RUNPOD_LEASE_NONE) ? 0 : mlo_time_parse(text, ret, err);
}

static bool says(const struct mlo_runpod_lease *l, const char *text)
{
    char end[MLO_RFC3339_MAX];
    return l->end_ns ? is(text, mlo_time_rfc3339(l->end_ns, end)) : !text || is(text, MLO_RUNPOD_LEASE_NONE);
}

static int lease_check(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_pod pod = {0};
    int rc = get(ctx, e, &c, &pod, err);
    struct mlo_runpod_lease now = {0};
    if (rc == 0)
        now = mlo_runpod_lease_of(&pod, NULL);
    mlo_runpod_pod_release(&pod);
    return rc != 0 || says(&now, e->after) ? rc : mlo_fail(err, MLO_ECONFLICT, "its lease has changed since");
}

static int lease_undo(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_pod pod = {0};
    int64_t end = 0;
    int rc = end_of(e->before, &end, err);
    if (rc == 0)
        rc = get(ctx, e, &c, &pod, err);
    if (rc == 0)
        rc = mlo_pod_rename_lease(c, &pod, end, err);
    mlo_runpod_pod_release(&pod);
    return rc;
}

static int lease_happened(void *ctx, const struct mlo_effect *e, bool *ret_done, struct mlo_err *err)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    int rc = lease_check(ctx, e, &ignored);
    (void)err;
    *ret_done = rc != MLO_ECONFLICT;
    return 0;
}

struct mlo_undo_handler mlo_undo_pod_lease_handler(struct mlo_workspace *ws)
{
    return (struct mlo_undo_handler){.kind = MLO_EFFECT_POD_LEASE,
                                     .check = lease_check,
                                     .undo = lease_undo,
                                     .happened = lease_happened,
                                     .ctx = ws};
}
