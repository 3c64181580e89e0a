/* Is all there that a remote's refs lead to? Each pack is asked for once, whoever uses it. */
#include "internal.h"

#include <string.h>

struct checker {
    struct mlo_remote *remote;
    bool deep;
    int (*fn)(void *ctx, const struct mlo_remote_fault *f, struct mlo_err *err);
    void *ctx;
    uint64_t refs;
    bool faulty;
    const char *name, *tag;     /* of the ref in hand */
    struct mlo_digest_set good; /* packs (with deep: chunks) that have been looked at */
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

static int check_pack(struct checker *c, const struct mlo_digest *pack, uint64_t need, struct mlo_err *err)
{
    char key[MLO_KEY_MAX];
    uint64_t size = 0;
    int rc = mlo_rt_stat(c->remote, mlo_rt_key("packs", pack, key), &size, err);
    if (rc == 0 && size < need)
        rc = mlo_fail(err, MLO_EINVALID, "'%s' is too short", key);
    return rc != 0 ? fault(c, key, rc, err) : 0;
}

/* How far each pack must reach for this recipe. */
static int check_packs(struct checker *c, const struct mlo_recipe *r, struct mlo_err *err)
{
    MLO_AUTOFREE uint64_t *need = mlo_calloc(r->n_packs + 1, sizeof *need, err);
    int rc = need ? 0 : MLO_EIO;
    for (size_t i = 0; rc == 0 && i < r->n_pieces; i++) {
        const struct mlo_piece *p = &r->pieces[i];
        uint64_t end = (uint64_t)p->offset + p->length;
        need[p->pack] = end > need[p->pack] ? end : need[p->pack];
    }
    for (size_t i = 0; rc == 0 && i < r->n_packs; i++)
        if (need[i] > 0)
            rc = check_pack(c, &r->packs[i], need[i], err);
    return rc;
}

static int check_piece(struct checker *c, const struct mlo_recipe *r, const struct mlo_piece *p,
                       struct mlo_err *err)
{
    char key[MLO_KEY_MAX];
    struct mlo_digest got;
    bool is_new = false;
    int rc = mlo_digest_set_add(&c->good, &p->digest, &is_new, err);
    if (rc != 0 || !is_new)
        return rc;
    MLO_AUTOFREE char *buf = malloc(p->length);
    if (!buf)
        return mlo_fail_nomem(err);
    rc = mlo_rt_get_range(c->remote, mlo_rt_key("packs", &r->packs[p->pack], key), p->offset, buf, p->length,
                          err);
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
        rc = check_packs(c, &r, err);
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
