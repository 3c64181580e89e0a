/*
 * Undo at RunPod, of all but pods (pod.c). What a run made is removed, and what that destroys is said
 * before; members of an endpoint go back to what they were. What was removed does not come back.
 */
#include <string.h>

#include "cmd/runpod/change.h"
#include "undo.h"

static enum mlo_runpod_family family_of(const struct mlo_effect *e)
{
    enum mlo_runpod_family f = MLO_RUNPOD_ENDPOINTS;
    while (f < MLO_RUNPOD_VOLUMES && strcmp(mlo_runpod_kind(f), e->kind) != 0)
        f++;
    return f;
}

/* ---- things ---- */

/* The id that the effect names, else that of what has its trace; MLO_ENOTFOUND when nothing has. Owner: the
 * caller. */
static int find_made(struct mlo_workspace *ws, const struct mlo_effect *e, const char *text,
                     struct mlo_runpod **ret_c, char **ret_id, struct mlo_err *err)
{
    struct mlo_runpod_made_note n;
    int rc = mlo_ctx_runpod(ws->ctx, ret_c, err);
    if (rc == 0)
        rc = mlo_runpod_note_read(text, &n, err);
    if (rc != 0)
        return rc;
    enum mlo_runpod_family f = family_of(e);
    struct mlo_runpod_trace t = {.family = f,
                                 .mark = f == MLO_RUNPOD_ENDPOINTS ? n.mark : NULL,
                                 .name = n.name,
                                 .earlier = &n.earlier};
    if (n.id) {
        *ret_id = mlo_strdup(n.id, err);
        rc = *ret_id ? 0 : MLO_EIO;
    } else {
        rc = mlo_runpod_made(*ret_c, &t, ret_id, err);
    }
    mlo_runpod_note_release(&n);
    return rc;
}

static int thing_check(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    MLO_AUTOFREE char *id = NULL;
    bool there = false;
    if (!e->after) {
        (void)mlo_fail(err, MLO_EUSAGE, "what was removed at RunPod cannot be brought back");
        return mlo_hint(err, "make it again");
    }
    int rc = find_made(ctx, e, e->after, &c, &id, err);
    if (rc == 0)
        rc = mlo_runpod_exists(c, family_of(e), id, &there, err);
    if (rc == MLO_ENOTFOUND || (rc == 0 && !there)) {
        (void)mlo_fail(err, MLO_ECONFLICT, "it is gone already");
        return mlo_hint(err, "--force marks the run as undone");
    }
    return rc;
}

static int thing_undo(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    MLO_AUTOFREE char *id = NULL;
    bool there;
    if (!e->after)
        return mlo_fail(err, MLO_EUSAGE, "what was removed at RunPod cannot be brought back");
    int rc = find_made(ctx, e, e->after, &c, &id, err);
    if (rc == MLO_ENOTFOUND) {
        *err = MLO_ERR_INIT;
        return 0;
    }
    return rc != 0 ? rc : mlo_runpod_delete(c, family_of(e), id, &there, err);
}

/* After a crash, of a creation (after) or a removal (before): a service that does not answer must not stop
 * all other work, so it counts as done, and a rollback looks again. */
static int thing_happened(void *ctx, const struct mlo_effect *e, bool *ret_done, struct mlo_err *err)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    struct mlo_runpod *c = NULL;
    MLO_AUTOFREE char *id = NULL;
    bool there = false;
    (void)err;
    *ret_done = true;
    if (!e->after && !e->before)
        return 0;
    int rc = find_made(ctx, e, e->after ? e->after : e->before, &c, &id, &ignored);
    if (rc == 0)
        rc = mlo_runpod_exists(c, family_of(e), id, &there, &ignored);
    if (rc == 0 || rc == MLO_ENOTFOUND)
        *ret_done = e->after ? there : !there;
    return 0;
}

static const char *loss_of(enum mlo_runpod_family f)
{
    switch (f) {
    case MLO_RUNPOD_ENDPOINTS:
        return "with its workers, its jobs and the template that is bound to it";
    case MLO_RUNPOD_VOLUMES:
        return "with all files on it, also those that were put there since";
    case MLO_RUNPOD_TEMPLATES:
    case MLO_RUNPOD_REGISTRIES:
    case MLO_RUNPOD_PODS:
        break;
    }
    return NULL;
}

static int thing_loses(void *ctx, const struct mlo_effect *e, struct mlo_str *out, struct mlo_err *err)
{
    struct mlo_runpod_made_note n;
    enum mlo_runpod_family f = family_of(e);
    (void)ctx;
    if (!e->after || !loss_of(f))
        return 0;
    int rc = mlo_runpod_note_read(e->after, &n, err);
    if (rc != 0)
        return rc;
    mlo_str_addf(out, "removes the %s '%s'%s%s%s, %s", mlo_runpod_word(f), n.name ? n.name : "?",
                 n.detail && *n.detail ? " (" : "", n.detail ? n.detail : "",
                 n.detail && *n.detail ? ")" : "", loss_of(f));
    mlo_runpod_note_release(&n);
    return mlo_str_check(out, err);
}

struct mlo_undo_handler mlo_undo_runpod_handler(struct mlo_workspace *ws, enum mlo_runpod_family family)
{
    return (struct mlo_undo_handler){.kind = mlo_runpod_kind(family),
                                     .check = thing_check,
                                     .undo = thing_undo,
                                     .happened = thing_happened,
                                     .loses = thing_loses,
                                     .ctx = ws};
}

/* ---- members of endpoints ---- */

/* "ID.workers" */
static int split_target(const char *target, char **ret_id, const char **ret_member, struct mlo_err *err)
{
    const char *dot = strrchr(target, '.');
    if (!dot)
        return mlo_fail(err, MLO_EINVALID, "effect names no member of an endpoint");
    *ret_member = dot + 1;
    *ret_id = mlo_memdup0(target, (size_t)(dot - target), err);
    return *ret_id ? 0 : MLO_EIO;
}

int mlo_endpoint_member_text(const struct mlo_runpod_endpoint *e, const char *member, char **ret,
                             struct mlo_err *err)
{
    MLO_AUTOBODY cJSON *body = NULL;
    int rc = mlo_runpod_endpoint_member(e, member, &body, err);
    return rc != 0 ? rc : mlo_json_print(body, ret, NULL, err);
}

static int member_now(struct mlo_workspace *ws, const struct mlo_effect *e, char **ret, struct mlo_err *err)
{
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_endpoint now = {0};
    const char *member = NULL;
    MLO_AUTOFREE char *id = NULL;
    int rc = split_target(e->target, &id, &member, err);
    if (rc == 0)
        rc = mlo_ctx_runpod(ws->ctx, &c, err);
    if (rc == 0)
        rc = mlo_runpod_endpoint_get(c, id, &now, err);
    if (rc != 0)
        return rc;
    rc = mlo_endpoint_member_text(&now, member, ret, err);
    mlo_runpod_endpoint_release(&now);
    return rc;
}

static bool same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

static int member_check(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    MLO_AUTOFREE char *now = NULL;
    int rc = member_now(ctx, e, &now, err);
    if (rc != 0 || same(now, e->after) || same(now, e->before))
        return rc;
    (void)mlo_fail(err, MLO_ECONFLICT, "it was changed since, to %s", now);
    return mlo_hint(err, "--force sets it back all the same");
}

static int member_undo(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    struct mlo_workspace *ws = ctx;
    struct mlo_runpod *c = NULL;
    struct mlo_runpod_endpoint changed = {0};
    const char *member = NULL;
    MLO_AUTOFREE char *id = NULL;
    MLO_AUTOBODY cJSON *body = NULL;
    if (!e->before)
        return mlo_fail(err, MLO_EINVALID, "effect does not say what '%s' was", e->target);
    int rc = split_target(e->target, &id, &member, err);
    if (rc == 0)
        rc = mlo_json_parse(e->before, strlen(e->before), MLO_STR_MAX, &body, err);
    if (rc == 0)
        rc = mlo_ctx_runpod(ws->ctx, &c, err);
    if (rc == 0)
        rc = mlo_runpod_endpoint_update(c, id, body, &changed, err);
    mlo_runpod_endpoint_release(&changed);
    return rc;
}

static int member_happened(void *ctx, const struct mlo_effect *e, bool *ret_done, struct mlo_err *err)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    MLO_AUTOFREE char *now = NULL;
    (void)err;
    *ret_done = member_now(ctx, e, &now, &ignored) != 0 || !same(now, e->before);
    return 0;
}

struct mlo_undo_handler mlo_undo_endpoint_handler(struct mlo_workspace *ws)
{
    return (struct mlo_undo_handler){.kind = MLO_EFFECT_ENDPOINT_MEMBER,
                                     .check = member_check,
                                     .undo = member_undo,
                                     .happened = member_happened,
                                     .ctx = ws};
}
