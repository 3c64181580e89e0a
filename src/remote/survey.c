/*
 * What a push finds on the remote: the ref itself, other tags of the name that this machine has pushed or
 * pulled, and the head for a machine that remembers nothing. Their recipes say which chunks are there.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "push.h"

#define KNOWN_TAGS_ASKED 4 /* other tags of the name, one request each */

/* With o->check: forgets what lies in packs that are not there as the recipe says. Plain files are looked at
 * elsewhere. */
static int forget_missing(struct mlo_pusher *p, struct mlo_recipe *r, struct mlo_err *err)
{
    MLO_AUTOFREE uint64_t *sizes = mlo_calloc(r->n_packs + 1, sizeof *sizes, err);
    char key[MLO_KEY_MAX];
    size_t kept = 0;
    if (!sizes)
        return MLO_EIO;
    for (size_t i = 0; i < r->n_packs; i++) {
        int rc = mlo_rt_stat(p->remote, mlo_rt_key("packs", &r->packs[i], key), &sizes[i], err);
        if (rc != 0 && rc != MLO_ENOTFOUND)
            return rc;
    }
    *err = MLO_ERR_INIT;
    for (size_t i = 0; i < r->n_blobs; i++) {
        struct mlo_recipe_blob b = r->blobs[i];
        bool whole = true;
        for (size_t j = b.first; j < b.first + b.n; j++) {
            const struct mlo_piece *piece = &r->pieces[j];
            whole = whole &&
                    (piece->source >= r->n_packs || piece->offset + piece->length <= sizes[piece->source]);
        }
        if (whole)
            r->blobs[kept++] = b;
    }
    p->incomplete = p->incomplete || kept < r->n_blobs;
    r->n_blobs = kept;
    return 0;
}

/* A recipe that is gone or damaged is not an error: what it described is sent again. */
static int know_recipe(struct mlo_pusher *p, const struct mlo_digest *digest, struct mlo_err *err)
{
    struct mlo_recipe r = {.n_packs = 0};
    int rc = mlo_known_recipe(p->opts->home, p->remote, digest, &r, err);
    if (rc == MLO_ENOTFOUND || rc == MLO_EINVALID) {
        *err = MLO_ERR_INIT;
        return 0;
    }
    if (rc == 0 && p->opts->check)
        rc = forget_missing(p, &r, err);
    if (rc == 0)
        rc = mlo_digest_set_add(&p->there, digest, NULL, err);
    if (rc == 0)
        rc = mlo_digest_set_add(&p->there, &r.manifest, NULL, err);
    if (rc == 0)
        rc = mlo_plan_know(&p->plan, &r, err);
    mlo_recipe_release(&r);
    return rc;
}

static int know_tag(struct mlo_pusher *p, const char *tag, struct mlo_err *err)
{
    struct mlo_ref other = *p->ref;
    struct mlo_remote_ref at;
    if (strcmp(tag, p->ref->tag) == 0)
        return 0;
    snprintf(other.tag, sizeof other.tag, "%s", tag);
    int rc = mlo_remote_ref_get(p->remote, &other, &at, err);
    if (rc == MLO_ENOTFOUND || rc == MLO_EINVALID) {
        *err = MLO_ERR_INIT;
        return 0;
    }
    return rc != 0 ? rc : know_recipe(p, &at.recipe, err);
}

static int know_head(struct mlo_pusher *p, struct mlo_err *err)
{
    struct mlo_remote_ref at;
    int rc = mlo_head_get(p->remote, p->ref->name, &at, err);
    if (rc == MLO_ENOTFOUND || rc == MLO_EINVALID) {
        *err = MLO_ERR_INIT;
        return 0;
    }
    return rc != 0 ? rc : know_recipe(p, &at.recipe, err);
}

/* With o->check: is it there as its name says? */
static int check_text(struct mlo_pusher *p, const char *kind, const struct mlo_digest *digest, size_t max,
                      struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    int rc = mlo_rt_get_hashed(p->remote, kind, digest, max, &text, &n, err);
    if (rc != MLO_ENOTFOUND && rc != MLO_EINVALID)
        return rc;
    *err = MLO_ERR_INIT;
    p->incomplete = true;
    return 0;
}

static int check_descriptions(struct mlo_pusher *p, struct mlo_err *err)
{
    int rc = check_text(p, "manifests", &p->before.manifest, MLO_MANIFEST_MAX, err);
    return rc != 0 ? rc : check_text(p, "recipes", &p->before.recipe, MLO_RECIPE_MAX, err);
}

int mlo_survey(struct mlo_pusher *p, struct mlo_err *err)
{
    int rc = mlo_remote_ref_get(p->remote, p->ref, &p->before, err);
    p->has_before = rc == 0;
    if (rc == MLO_ENOTFOUND) {
        bool is_folder = err->sys_errno == EISDIR;
        *err = MLO_ERR_INIT;
        return mlo_ref_clash(p->remote, p->ref, is_folder, err);
    }
    if (rc == 0 && p->opts->check)
        rc = check_descriptions(p, err);
    return rc == 0 ? know_recipe(p, &p->before.recipe, err) : rc;
}

int mlo_survey_more(struct mlo_pusher *p, struct mlo_err *err)
{
    struct mlo_known known;
    int rc = 0;
    mlo_known_load(p->opts->home, p->remote, p->ref->name, &known);
    for (size_t i = 0; rc == 0 && i < known.n && i < KNOWN_TAGS_ASKED; i++)
        rc = know_tag(p, known.tags[i].tag, err);
    return rc == 0 && p->plan.n_known == 0 ? know_head(p, err) : rc;
}

static bool has_referrer(const struct mlo_recipe *r, const struct mlo_digest *d)
{
    for (size_t i = 0; i < r->n_referrers; i++)
        if (mlo_digest_eq(&r->referrers[i], d))
            return true;
    return false;
}

/* Does the ref lead to exactly this already? */
bool mlo_survey_unchanged(const struct mlo_pusher *p, const struct mlo_digest *manifest)
{
    const struct mlo_recipe *r = p->plan.n_known ? &p->plan.known[0] : NULL;
    bool files = p->opts->layout == MLO_LAYOUT_FILES;
    if (!p->has_before || p->before.files != files || (files && !mlo_push_files_unchanged(p->files)) ||
        p->incomplete || !r || !mlo_digest_eq(&p->before.manifest, manifest) ||
        !mlo_digest_eq(&r->manifest, manifest) || r->n_referrers != p->opts->n_referrers)
        return false;
    for (size_t i = 0; i < p->opts->n_referrers; i++)
        if (!has_referrer(r, &p->opts->referrers[i]))
            return false;
    return true;
}
