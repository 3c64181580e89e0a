/* Undo of a push: the ref goes back to what it was. Packs stay; they are of no name then and cost only room.
 */
#include <string.h>

#include "cmd/shared/remotes.h"
#include "undo.h"
#include "cmd/shared/workspace.h"

/* "<url>#<name>:<tag>" */
static int open_target(struct mlo_workspace *ws, const char *target, struct mlo_remote **ret,
                       struct mlo_ref *ref, struct mlo_err *err)
{
    const char *hash = strrchr(target, '#');
    if (!hash)
        return mlo_fail(err, MLO_EINVALID, "effect names no remote ref");
    MLO_AUTOFREE char *url = mlo_memdup0(target, (size_t)(hash - target), err);
    if (!url)
        return MLO_EIO;
    int rc = mlo_ref_parse(hash + 1, ref, err);
    return rc != 0 ? rc : mlo_remote_at(ws->ctx, url, NULL, false, NULL, ret, err);
}

/* Is the ref what `text` (NULL: nothing) says? */
static int ref_is(struct mlo_remote *r, const struct mlo_ref *ref, const char *text, bool *ret,
                  struct mlo_err *err)
{
    struct mlo_remote_ref now;
    MLO_AUTOSTR struct mlo_str now_text;
    mlo_str_init(&now_text, MLO_STR_MAX);
    int rc = mlo_remote_ref_get(r, ref, &now, err);
    if (rc == MLO_ENOTFOUND) {
        *err = MLO_ERR_INIT;
        *ret = text == NULL;
        return 0;
    }
    if (rc == 0)
        rc = mlo_remote_ref_format(&now, &now_text, err);
    if (rc == 0)
        *ret = text && strcmp(text, now_text.ptr) == 0;
    return rc;
}

static int remote_is(struct mlo_workspace *ws, const struct mlo_effect *e, const char *text, bool *ret,
                     struct mlo_err *err)
{
    struct mlo_remote *r = NULL;
    struct mlo_ref ref;
    int rc = open_target(ws, e->target, &r, &ref, err);
    if (rc == 0)
        rc = ref_is(r, &ref, text, ret, err);
    mlo_remote_close(r);
    return rc;
}

/* Also whether the remote lets it be done, so that what it does not is said before anything is touched. */
static int remote_check(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    struct mlo_remote *r = NULL;
    struct mlo_ref ref;
    bool same = false, as_before = false;
    int rc = open_target(ctx, e->target, &r, &ref, err);
    if (rc == 0)
        rc = ref_is(r, &ref, e->after, &same, err);
    if (rc == 0 && !same) /* a push that was cut off before its last step has nothing to undo */
        rc = ref_is(r, &ref, e->before, &as_before, err);
    if (rc == 0 && !same && !as_before)
        rc = mlo_fail(err, MLO_ECONFLICT, "'%s' has moved since", e->target);
    if (rc == 0 && same && !e->before)
        rc = mlo_remote_ref_removable(r, &ref, err);
    mlo_remote_close(r);
    return rc;
}

static int parse_ref(const char *text, struct mlo_remote_ref *room, const struct mlo_remote_ref **ret,
                     struct mlo_err *err)
{
    *ret = text ? room : NULL;
    return text ? mlo_remote_ref_parse(text, strlen(text), room, err) : 0;
}

static int put_back(struct mlo_remote *r, const struct mlo_ref *ref, const struct mlo_effect *e,
                    struct mlo_err *err)
{
    struct mlo_remote_ref before_room, now_room;
    const struct mlo_remote_ref *before = NULL, *now = &now_room;
    bool already = false;
    int rc = ref_is(r, ref, e->before, &already, err);
    if (rc != 0 || already)
        return rc;
    rc = mlo_remote_ref_get(r, ref, &now_room, err);
    if (rc == MLO_ENOTFOUND) {
        *err = MLO_ERR_INIT;
        now = NULL;
        rc = 0;
    }
    if (rc == 0)
        rc = parse_ref(e->before, &before_room, &before, err);
    return rc != 0 ? rc : mlo_remote_ref_set(r, ref, now, before, err);
}

static int remote_undo(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    struct mlo_remote *r = NULL;
    struct mlo_ref ref;
    int rc = open_target(ctx, e->target, &r, &ref, err);
    if (rc == 0)
        rc = put_back(r, &ref, e, err);
    mlo_remote_close(r);
    return rc;
}

/*
 * After a crash: only a ref that is still what it was before counts as not pushed. One that somebody else has
 * moved on must not be moved back, and a remote that does not answer must not stop all other work: both are
 * recorded as done, and a rollback looks again.
 */
static int remote_happened(void *ctx, const struct mlo_effect *e, bool *ret_done, struct mlo_err *err)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    bool as_before = false;
    (void)err;
    *ret_done = remote_is(ctx, e, e->before, &as_before, &ignored) != 0 || !as_before;
    return 0;
}

struct mlo_undo_handler mlo_undo_remote_handler(struct mlo_workspace *ws)
{
    return (struct mlo_undo_handler){.kind = MLO_EFFECT_REMOTE_REF,
                                     .check = remote_check,
                                     .undo = remote_undo,
                                     .happened = remote_happened,
                                     .ctx = ws};
}
