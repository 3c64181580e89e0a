/* See live.h. */
#include "live.h"

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#include "context.h"

struct walk {
    struct mlo_store *store;
    struct mlo_digest_set *live;
    struct mlo_digest_set roots; /* walked already; names share history */
};

/* A root whose bytes are right but are no manifest (a report, a profile) needs nothing but itself. */
static int add_plain(struct walk *w, const struct mlo_digest *d, struct mlo_err *err)
{
    int rc = mlo_store_verify_blob(w->store, d, err);
    if (rc < 0)
        return rc;
    return mlo_digest_set_add(w->live, d, NULL, err);
}

static int add_root(void *ctx, const struct mlo_digest *d, const char *why, int64_t run, struct mlo_err *err)
{
    struct walk *w = ctx;
    bool is_new;
    (void)why, (void)run;
    int rc = mlo_digest_set_add(&w->roots, d, &is_new, err);
    if (rc < 0 || !is_new || !mlo_store_has(w->store, d, NULL))
        return rc;
    rc = mlo_bundle_reach(w->store, d, w->live, err);
    return rc == MLO_EINVALID ? add_plain(w, d, err) : rc;
}

int mlo_live_blobs(struct mlo_workspace *ws, int64_t since_ns, struct mlo_digest_set *live,
                   struct mlo_err *err)
{
    struct walk w = {.store = ws->store, .live = live};
    int rc = mlo_ledger_roots(ws->ledger, since_ns, add_root, &w, err);
    mlo_digest_set_release(&w.roots);
    return rc;
}

int mlo_live_since(struct mlo_ctx *ctx, const char *keep, int64_t *ret, struct mlo_err *err)
{
    const struct mlo_config *config;
    uint64_t keep_ns, now = (uint64_t)mlo_time_now();
    if (keep) {
        if (mlo_parse_duration(keep, "--keep", &keep_ns, err) < 0)
            return err->code;
    } else {
        if (mlo_ctx_config(ctx, &config, err) < 0)
            return err->code;
        keep_ns = mlo_config_u64(config, "gc.retention");
    }
    *ret = keep_ns < now ? (int64_t)(now - keep_ns) : 0;
    return 0;
}
