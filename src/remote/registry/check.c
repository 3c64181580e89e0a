/* Is all there that the tags of a registry lead to? A blob is asked for once in each repository. */
#include "registry.h"

#include <string.h>

struct checker {
    struct mlo_remote *r;
    bool deep, faulty;
    int (*fn)(void *ctx, const struct mlo_remote_fault *f, struct mlo_err *err);
    void *ctx;
    uint64_t refs;
    const char *name, *tag;
    char repository[MLO_REPOSITORY_MAX];
    struct mlo_digest_set seen; /* blobs of this repository */
};

static int fault(struct checker *c, const char *what, const struct mlo_digest *d, struct mlo_err *err)
{
    char key[MLO_DIGEST_TEXT];
    struct mlo_remote_fault f = {c->name, c->tag, mlo_digest_text(d, key), what};
    *err = MLO_ERR_INIT;
    c->faulty = true;
    return c->fn(c->ctx, &f, err);
}

static int hash_sink(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    return mlo_sha256_update(ctx, p, n, err);
}

static int check_bytes(struct checker *c, const struct mlo_descriptor *d, struct mlo_err *err)
{
    struct mlo_sha256 hash = {0};
    struct mlo_digest got;
    int rc = mlo_sha256_new(&hash, err);
    if (rc == 0)
        rc = mlo_registry_blob_get(mlo_registry_of(c->r), c->repository, &d->digest, 0, d->size, hash_sink,
                                   &hash, err);
    if (rc == 0)
        rc = mlo_sha256_end(&hash, &got, err);
    mlo_sha256_free(&hash);
    if (rc == MLO_EINVALID || (rc == 0 && !mlo_digest_eq(&got, &d->digest)))
        return fault(c, "damaged", &d->digest, err);
    return rc;
}

static int check_blob(struct checker *c, const struct mlo_descriptor *d, struct mlo_err *err)
{
    bool is_new = false, there = false;
    int rc = mlo_digest_set_add(&c->seen, &d->digest, &is_new, err);
    if (rc != 0 || !is_new)
        return rc;
    rc = mlo_registry_blob_has(mlo_registry_of(c->r), c->repository, &d->digest, d->size, &there, err);
    if (rc == 0 && !there)
        return fault(c, "missing", &d->digest, err);
    return rc == 0 && c->deep ? check_bytes(c, d, err) : rc;
}

static int check_manifest(struct checker *c, const struct mlo_digest *digest, unsigned depth,
                          struct mlo_err *err)
{
    struct mlo_registry_manifest m = {0};
    char text[MLO_DIGEST_TEXT];
    int rc = mlo_registry_manifest_get(mlo_registry_of(c->r), c->repository, mlo_digest_text(digest, text),
                                       &m, err);
    if (rc == MLO_ENOTFOUND || rc == MLO_EINVALID)
        return fault(c, rc == MLO_ENOTFOUND ? "missing" : "damaged", digest, err);
    for (size_t i = 0; rc == 0 && i < m.oci.n; i++) {
        if (!m.oci.is_index)
            rc = check_blob(c, &m.oci.list[i], err);
        else if (depth == 0)
            rc = check_manifest(c, &m.oci.list[i].digest, 1, err);
    }
    mlo_registry_manifest_release(&m);
    return rc;
}

static int check_ref(void *ctx, const char *name, const char *tag, const struct mlo_remote_ref *ref,
                     struct mlo_err *err)
{
    struct checker *c = ctx;
    char repository[MLO_REPOSITORY_MAX];
    int rc = mlo_registry_repository(mlo_registry_of(c->r), name, repository, err);
    if (rc != 0)
        return rc;
    if (strcmp(repository, c->repository) != 0)
        mlo_digest_set_release(&c->seen);
    memcpy(c->repository, repository, sizeof repository);
    c->name = name;
    c->tag = tag;
    c->refs++;
    return check_manifest(c, &ref->manifest, 0, err);
}

int mlo_registry_check(struct mlo_remote *r, bool deep,
                       int (*fn)(void *ctx, const struct mlo_remote_fault *f, struct mlo_err *err), void *ctx,
                       uint64_t *ret_refs, struct mlo_err *err)
{
    struct checker c = {.r = r, .deep = deep, .fn = fn, .ctx = ctx};
    int rc = mlo_registry_ref_each(r, check_ref, &c, err);
    mlo_digest_set_release(&c.seen);
    if (rc != 0)
        return rc;
    *ret_refs = c.refs;
    return !c.faulty ? 0 : mlo_fail(err, MLO_NO, "%s does not hold all that its names lead to", r->url);
}
