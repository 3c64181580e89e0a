/*
 * Pull: ref -> manifest and recipe -> the blobs that the store lacks. What is fetched is decided by the
 * manifest, never by the recipe, which only says where bytes lie.
 */
#include "internal.h"

#include <stdio.h>

struct puller {
    struct mlo_remote *remote;
    struct mlo_store *store;
    const struct mlo_sync_opts *opts;
    struct mlo_sync_stats *stats;
    struct mlo_recipe recipe;
    struct mlo_fetch *fetch;
    const struct mlo_recipe_blob **want; /* of one round */
    size_t n_want, want_cap;
    struct mlo_digest_set seen;
};

static int want_blob(void *ctx, const struct mlo_digest *d, uint64_t size, struct mlo_err *err)
{
    struct puller *p = ctx;
    char text[MLO_DIGEST_TEXT];
    uint64_t here = 0;
    bool is_new = false;
    int rc = mlo_digest_set_add(&p->seen, d, &is_new, err);
    if (rc != 0 || !is_new)
        return rc;
    p->stats->bytes_total += size;
    if (mlo_store_has(p->store, d, &here) && here == size) {
        p->stats->bytes_reused += size;
        return 0;
    }
    const struct mlo_recipe_blob *b = mlo_recipe_find(&p->recipe, d);
    if (!b || b->size != size)
        return mlo_fail(err, MLO_EINVALID, "the remote's recipe does not fit the manifest: %s is %s",
                        mlo_digest_text(d, text), b ? "of another size" : "missing");
    rc = mlo_grow(&p->want, &p->want_cap, p->n_want + 1, sizeof *p->want, err);
    if (rc == 0)
        p->want[p->n_want++] = b;
    return rc;
}

/* Fetches what a manifest, which is in the store, leads to. */
static int pull_below(struct puller *p, const struct mlo_digest *manifest, struct mlo_err *err)
{
    p->n_want = 0;
    int rc = mlo_manifest_each_blob(p->store, manifest, want_blob, p, err);
    return rc != 0 || p->opts->dry_run ? rc : mlo_fetch_blobs(p->fetch, p->want, p->n_want, false, err);
}

static int pull_referrer(struct puller *p, const struct mlo_digest *d, struct mlo_err *err)
{
    const struct mlo_recipe_blob *b = mlo_recipe_find(&p->recipe, d);
    if (!b || b->size > MLO_MANIFEST_MAX)
        return mlo_fail(err, MLO_EINVALID, "the remote's recipe lacks a referrer that it names");
    p->n_want = 0;
    int rc = want_blob(p, d, b->size, err);
    if (rc != 0 || p->opts->dry_run)
        return rc;
    rc = mlo_fetch_blobs(p->fetch, p->want, p->n_want, false, err);
    return rc != 0 ? rc : pull_below(p, d, err);
}

static int pull_manifest(struct puller *p, const struct mlo_digest *d, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    struct mlo_digest got;
    size_t n = 0;
    if (mlo_store_has(p->store, d, NULL))
        return 0;
    int rc = mlo_rt_get_hashed(p->remote, "manifests", d, MLO_MANIFEST_MAX, &text, &n, err);
    if (rc == MLO_ENOTFOUND) {
        mlo_fail(err, MLO_EREMOTE, "%s lacks the manifest that its ref names", p->remote->url);
        return mlo_hint(err, MLO_SEND_AGAIN);
    }
    return rc != 0 ? rc : mlo_store_put(p->store, text, n, &got, err);
}

/* Other versions of the name whose recipes this machine has: their blobs may hold pieces of the new ones. */
static int learn_known(struct puller *p, const char *name, struct mlo_err *err)
{
    struct mlo_known known;
    mlo_known_load(p->opts->home, p->remote, name, &known);
    int rc = mlo_fetch_learn(p->fetch, &p->recipe, err);
    for (size_t i = 0; rc == 0 && i < known.n; i++) {
        struct mlo_recipe r = {0};
        struct mlo_err ignored = MLO_ERR_INIT;
        if (mlo_known_recipe(p->opts->home, NULL, &known.tags[i].recipe, &r, &ignored) != 0)
            continue;
        rc = mlo_fetch_learn(p->fetch, &r, err);
        mlo_recipe_release(&r);
    }
    return rc;
}

/* All is here by now; what only saves time later must not make it fail. */
static void note(struct puller *p, const struct mlo_ref *ref)
{
    MLO_AUTOSTR struct mlo_str text;
    struct mlo_err why = MLO_ERR_INIT;
    mlo_str_init(&text, MLO_RECIPE_MAX);
    if (!p->opts->home || p->opts->dry_run)
        return;
    int rc = mlo_recipe_format(&p->recipe, &text, &why);
    if (rc == 0)
        rc = mlo_known_note(p->opts->home, p->remote, ref, text.ptr, text.len, &why);
    if (rc != 0)
        snprintf(p->stats->warning, sizeof p->stats->warning,
                 "what is on the remote could not be noted here, so the next push may take longer: %s",
                 why.msg);
}

static int pull_all(struct puller *p, const struct mlo_ref *ref, const struct mlo_remote_ref *at,
                    struct mlo_err *err)
{
    if (!mlo_digest_eq(&p->recipe.manifest, &at->manifest))
        return mlo_fail(err, MLO_EINVALID, "the remote's recipe is of another manifest");
    int rc = mlo_fetch_new(p->remote, p->store, ref, &p->recipe, p->opts, p->stats, &p->fetch, err);
    if (rc == 0)
        rc = learn_known(p, ref->name, err);
    if (rc == 0)
        rc = pull_manifest(p, &at->manifest, err);
    if (rc == 0)
        rc = pull_below(p, &at->manifest, err);
    for (size_t i = 0; rc == 0 && i < p->recipe.n_referrers; i++)
        rc = pull_referrer(p, &p->recipe.referrers[i], err);
    if (rc == 0 && !p->opts->dry_run) {
        struct mlo_bundle b = {0};
        rc = mlo_bundle_load(p->store, &at->manifest, &b, err);
        if (rc == 0)
            mlo_bundle_release(&b);
    }
    if (rc == 0)
        note(p, ref);
    return rc;
}

/* What a ref names has to be there: its absence is the remote's fault, not "no such name". */
static int get_recipe(struct mlo_remote *r, const char *home, const struct mlo_digest *d,
                      struct mlo_recipe *ret, struct mlo_err *err)
{
    char text[MLO_DIGEST_TEXT];
    int rc = mlo_known_recipe(home, r, d, ret, err);
    if (rc != MLO_ENOTFOUND)
        return rc;
    mlo_fail(err, MLO_EREMOTE, "%s lacks the recipe %s that its ref names", r->url, mlo_digest_text(d, text));
    return mlo_hint(err, MLO_SEND_AGAIN);
}

/* A digest beside the name: what the ref must lead to. */
static int check_digest(const struct mlo_remote *r, const struct mlo_ref *ref,
                        const struct mlo_remote_ref *at, struct mlo_err *err)
{
    char text[MLO_DIGEST_TEXT];
    if (!ref->has_digest || mlo_digest_eq(&ref->digest, &at->manifest))
        return 0;
    return mlo_fail(err, MLO_ENOTFOUND, "'%s:%s' on %s is not that digest: it is %s", ref->name, ref->tag,
                    r->url, mlo_digest_text(&at->manifest, text));
}

int mlo_packed_pull(struct mlo_remote *r, struct mlo_store *s, const struct mlo_ref *ref,
                    const struct mlo_sync_opts *o, struct mlo_pulled *ret, struct mlo_sync_stats *stats,
                    struct mlo_err *err)
{
    struct mlo_sync_stats st = {0};
    struct puller p = {.remote = r, .store = s, .opts = o, .stats = &st};
    struct mlo_remote_ref at;
    uint64_t requests = r->requests;
    int rc = mlo_remote_ref_get(r, ref, &at, err);
    if (rc == 0)
        rc = check_digest(r, ref, &at, err);
    if (rc == 0)
        rc = get_recipe(r, o->home, &at.recipe, &p.recipe, err);
    if (rc == 0)
        rc = pull_all(&p, ref, &at, err);
    if (rc == 0) {
        st.requests = r->requests - requests;
        st.unchanged = st.bytes_sent == 0;
        *stats = st;
        *ret = (struct mlo_pulled){.manifest = at.manifest,
                                   .n_referrers = p.recipe.n_referrers,
                                   .referrers = mlo_steal(&p.recipe.referrers)};
    }
    mlo_fetch_free(p.fetch);
    mlo_recipe_release(&p.recipe);
    mlo_digest_set_release(&p.seen);
    free(p.want);
    return rc;
}

/* ---- one blob ---- */

static int replace_manifest(struct mlo_remote *r, struct mlo_store *s, const struct mlo_digest *d,
                            struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    struct mlo_digest got;
    size_t n = 0;
    int rc = mlo_rt_get_hashed(r, "manifests", d, MLO_MANIFEST_MAX, &text, &n, err);
    if (rc == 0 && mlo_store_has(s, d, NULL))
        rc = mlo_store_quarantine(s, d, err);
    return rc != 0 ? rc : mlo_store_put(s, text, n, &got, err);
}

static int fetch_one(struct mlo_remote *r, struct mlo_store *s, const struct mlo_ref *ref,
                     const struct mlo_recipe *recipe, const struct mlo_digest *blob, struct mlo_err *err)
{
    const struct mlo_sync_opts opts = {0};
    struct mlo_sync_stats stats = {0};
    struct mlo_fetch *f = NULL;
    char text[MLO_DIGEST_TEXT];
    const struct mlo_recipe_blob *b = mlo_recipe_find(recipe, blob);
    if (!b)
        return mlo_fail(err, MLO_ENOTFOUND, "%s is not part of this version on the remote",
                        mlo_digest_text(blob, text));
    int rc = mlo_fetch_new(r, s, ref, recipe, &opts, &stats, &f, err);
    if (rc == 0)
        rc = mlo_fetch_blobs(f, &b, 1, true, err);
    mlo_fetch_free(f);
    return rc;
}

int mlo_packed_fetch_blob(struct mlo_remote *r, struct mlo_store *s, const struct mlo_ref *ref,
                          const struct mlo_digest *blob, struct mlo_err *err)
{
    struct mlo_remote_ref at;
    struct mlo_recipe recipe = {0};
    int rc = mlo_remote_ref_get(r, ref, &at, err);
    if (rc == 0 && mlo_digest_eq(&at.manifest, blob))
        return replace_manifest(r, s, blob, err);
    if (rc == 0)
        rc = get_recipe(r, NULL, &at.recipe, &recipe, err);
    if (rc == 0)
        rc = fetch_one(r, s, ref, &recipe, blob, err);
    mlo_recipe_release(&recipe);
    return rc;
}
