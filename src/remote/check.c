/* Is all there that a remote's refs lead to? */
#include "internal.h"

#include <string.h>

struct checker {
    struct mlo_remote *remote;
    bool deep;
    int (*fn)(void *ctx, const struct mlo_remote_fault *f, struct mlo_err *err);
    void *ctx;
    uint64_t refs;
    bool faulty;
    const char *name, *tag; /* of the ref in hand */
    struct mlo_ref ref;
    struct mlo_digest_set good; /* chunks in packs that have been looked at */
};

/* Missing and damaged objects are reported; other failures end the check. */
static int fault(struct checker *c, const char *key, int rc, struct mlo_err *err)
{
    struct mlo_remote_fault f = {c->name, c->tag, key, rc == MLO_ENOTFOUND ? "missing" : "damaged"};
    if (rc != MLO_ENOTFOUND && rc != MLO_EINVALID && rc != MLO_EREMOTE)
        return rc;
    *err = MLO_ERR_INIT;
    c->faulty = true;
    return c->fn(c->ctx, &f, err);
}

/* The pack or file that the piece lies in has to reach so far. */
static int check_source(struct checker *c, const struct mlo_recipe *r, const struct mlo_piece *last,
                        struct mlo_err *err)
{
    char key[MLO_KEY_MAX];
    uint64_t size = 0;
    int rc = mlo_rt_stat(c->remote, mlo_piece_key(r, &c->ref, last, key), &size, err);
    if (rc == 0 && size < last->offset + last->length)
        rc = mlo_fail(err, MLO_EINVALID, "'%s' is too short", key);
    return rc != 0 ? fault(c, key, rc, err) : 0;
}

static int check_sources(struct checker *c, const struct mlo_recipe *r, struct mlo_err *err)
{
    size_t n = r->n_packs + r->n_files;
    MLO_AUTOFREE const struct mlo_piece **last = mlo_calloc(n + 1, sizeof(struct mlo_piece *), err);
    int rc = last ? 0 : MLO_EIO;
    for (size_t i = 0; rc == 0 && i < r->n_pieces; i++) {
        const struct mlo_piece *p = &r->pieces[i], *was = last[p->source];
        if (!was || p->offset + p->length > was->offset + was->length)
            last[p->source] = p;
    }
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (last[i])
            rc = check_source(c, r, last[i], err);
    return rc;
}

static int check_piece(struct checker *c, const struct mlo_recipe *r, const struct mlo_piece *p,
                       struct mlo_err *err)
{
    char key[MLO_KEY_MAX];
    struct mlo_digest got, once = p->digest;
    bool is_new = true;
    for (size_t i = 0; p->source < r->n_packs && i < sizeof once.b; i++) /* of a pack, whoever uses it */
        once.b[i] ^= r->packs[p->source].b[i];
    int rc = p->source < r->n_packs ? mlo_digest_set_add(&c->good, &once, &is_new, err) : 0;
    if (rc != 0 || !is_new)
        return rc;
    MLO_AUTOFREE char *buf = malloc(p->length);
    if (!buf)
        return mlo_fail_nomem(err);
    rc = mlo_rt_get_range(c->remote, mlo_piece_key(r, &c->ref, p, key), p->offset, buf, p->length, err);
    if (rc == 0)
        rc = mlo_sha256(buf, p->length, &got, err);
    if (rc == 0 && !mlo_digest_eq(&got, &p->digest))
        rc = mlo_fail(err, MLO_EINVALID, "'%s' is damaged", key);
    return rc != 0 ? fault(c, key, rc, err) : 0;
}

static int check_recipe(struct checker *c, const struct mlo_remote_ref *ref, struct mlo_err *err)
{
    struct mlo_recipe r = {0};
    char key[MLO_KEY_MAX];
    int rc = mlo_known_recipe(NULL, c->remote, &ref->recipe, &r, err);
    if (rc == 0 && !mlo_digest_eq(&r.manifest, &ref->manifest))
        rc = mlo_fail(err, MLO_EINVALID, "recipe is of another manifest");
    if (rc != 0) {
        mlo_recipe_release(&r);
        return fault(c, mlo_rt_key("recipes", &ref->recipe, key), rc, err);
    }
    if (!c->deep)
        rc = check_sources(c, &r, err);
    for (size_t i = 0; rc == 0 && c->deep && i < r.n_pieces; i++)
        rc = check_piece(c, &r, &r.pieces[i], err);
    mlo_recipe_release(&r);
    return rc;
}

static int check_ref(void *ctx, const char *name, const char *tag, const struct mlo_remote_ref *ref,
                     struct mlo_err *err)
{
    struct checker *c = ctx;
    MLO_AUTOFREE char *text = NULL;
    char key[MLO_KEY_MAX];
    size_t n = 0;
    c->name = name;
    c->tag = tag;
    snprintf(c->ref.name, sizeof c->ref.name, "%s", name);
    snprintf(c->ref.tag, sizeof c->ref.tag, "%s", tag);
    c->refs++;
    int rc = mlo_rt_get_hashed(c->remote, "manifests", &ref->manifest, MLO_MANIFEST_MAX, &text, &n, err);
    if (rc != 0)
        rc = fault(c, mlo_rt_key("manifests", &ref->manifest, key), rc, err);
    return rc != 0 ? rc : check_recipe(c, ref, err);
}

int mlo_packed_check(struct mlo_remote *r, bool deep,
                     int (*fn)(void *ctx, const struct mlo_remote_fault *f, struct mlo_err *err), void *ctx,
                     uint64_t *ret_refs, struct mlo_err *err)
{
    struct checker c = {.remote = r, .deep = deep, .fn = fn, .ctx = ctx};
    int rc = mlo_remote_ref_each(r, check_ref, &c, err);
    mlo_digest_set_release(&c.good);
    if (rc != 0)
        return rc;
    *ret_refs = c.refs;
    return !c.faulty ? 0 : mlo_fail(err, MLO_NO, "%s does not hold all that its names lead to", r->url);
}
