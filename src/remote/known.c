/*
 * What this machine remembers of remotes: for each name on each remote the tags it pushed or pulled last, and
 * recipes by digest. All of it may be lost at any time; what is wrong with it only costs bytes, because
 * nothing is believed without being asked for.
 */
#include "internal.h"

#include <string.h>

#define TAGS_TEXT_MAX ((size_t)8192)

/* ---- tags: lines "<tag> <hex of recipe>" ---- */

static int tags_key(const struct mlo_remote *r, const char *name, struct mlo_digest *ret, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, TAGS_TEXT_MAX);
    mlo_str_addf(&text, "%s\n%s", r->url, name);
    int rc = mlo_str_check(&text, err);
    return rc != 0 ? rc : mlo_sha256(text.ptr, text.len, ret, err);
}

/* A line that is not as it should be ends the list. */
static void parse_tags(const char *text, struct mlo_known *ret)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    while (*text && ret->n < MLO_KNOWN_TAGS_MAX) {
        struct mlo_known_tag *t = &ret->tags[ret->n];
        size_t n = strcspn(text, " \n");
        if (text[n] != ' ' || n == 0 || n >= sizeof t->tag || strcspn(text + n + 1, "\n") != MLO_DIGEST_HEX ||
            mlo_digest_from_hex(text + n + 1, MLO_DIGEST_HEX, &t->recipe, &ignored) != 0)
            return;
        memcpy(t->tag, text, n);
        t->tag[n] = '\0';
        ret->n++;
        text += n + 1 + MLO_DIGEST_HEX;
        text += *text == '\n';
    }
}

void mlo_known_load(const char *home, const struct mlo_remote *r, const char *name, struct mlo_known *ret)
{
    MLO_AUTOFREE char *text = NULL;
    struct mlo_err ignored = MLO_ERR_INIT;
    struct mlo_digest key;
    size_t n = 0;
    *ret = (struct mlo_known){0};
    if (home && tags_key(r, name, &key, &ignored) == 0 &&
        mlo_cache_get(home, "remote-tags", &key, TAGS_TEXT_MAX, &text, &n, &ignored) == 0)
        parse_tags(text, ret);
}

static int save_tags(const char *home, const struct mlo_remote *r, const struct mlo_ref *ref,
                     const struct mlo_digest *recipe, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    struct mlo_known known;
    struct mlo_digest key;
    char hex[MLO_DIGEST_HEX + 1];
    mlo_str_init(&text, TAGS_TEXT_MAX);
    mlo_known_load(home, r, ref->name, &known);
    mlo_str_addf(&text, "%s %s\n", ref->tag, mlo_digest_hex(recipe, hex));
    for (size_t i = 0, kept = 1; i < known.n && kept < MLO_KNOWN_TAGS_MAX; i++) {
        if (strcmp(known.tags[i].tag, ref->tag) == 0)
            continue;
        mlo_str_addf(&text, "%s %s\n", known.tags[i].tag, mlo_digest_hex(&known.tags[i].recipe, hex));
        kept++;
    }
    int rc = mlo_str_check(&text, err);
    if (rc == 0)
        rc = tags_key(r, ref->name, &key, err);
    return rc != 0 ? rc : mlo_cache_put(home, "remote-tags", &key, text.ptr, text.len, err);
}

int mlo_known_note(const char *home, const struct mlo_remote *r, const struct mlo_ref *ref,
                   const char *recipe, size_t n, struct mlo_err *err)
{
    struct mlo_digest digest;
    if (!home)
        return 0;
    int rc = mlo_sha256(recipe, n, &digest, err);
    if (rc == 0)
        rc = mlo_cache_put(home, "recipes", &digest, recipe, n, err);
    return rc != 0 ? rc : save_tags(home, r, ref, &digest, err);
}

/* ---- a push under way ---- */

#define UNFINISHED "remote-unfinished"

bool mlo_known_unfinished(const char *home, const struct mlo_remote *r, const char *name)
{
    MLO_AUTOFREE char *text = NULL;
    struct mlo_err ignored = MLO_ERR_INIT;
    struct mlo_digest key;
    size_t n = 0;
    return !home || tags_key(r, name, &key, &ignored) != 0 ||
           mlo_cache_get(home, UNFINISHED, &key, TAGS_TEXT_MAX, &text, &n, &ignored) == 0;
}

void mlo_known_begin(const char *home, const struct mlo_remote *r, const char *name)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    struct mlo_digest key;
    if (home && tags_key(r, name, &key, &ignored) == 0)
        (void)!mlo_cache_put(home, UNFINISHED, &key, name, strlen(name), &ignored);
}

void mlo_known_end(const char *home, const struct mlo_remote *r, const char *name)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    struct mlo_digest key;
    if (home && tags_key(r, name, &key, &ignored) == 0)
        mlo_cache_remove(home, UNFINISHED, &key);
}

/* ---- recipes ---- */

static int cached_recipe(const char *home, const struct mlo_digest *digest, struct mlo_recipe *ret,
                         struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    struct mlo_digest got;
    size_t n = 0;
    int rc = mlo_cache_get(home, "recipes", digest, MLO_RECIPE_MAX, &text, &n, err);
    if (rc == 0)
        rc = mlo_sha256(text, n, &got, err);
    if (rc == 0 && !mlo_digest_eq(&got, digest))
        rc = mlo_fail(err, MLO_ENOTFOUND, "cached recipe is damaged");
    return rc != 0 ? rc : mlo_recipe_parse(text, n, ret, err);
}

int mlo_known_recipe(const char *home, struct mlo_remote *fetch, const struct mlo_digest *digest,
                     struct mlo_recipe *ret, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    struct mlo_recipe recipe = {0};
    size_t n = 0;
    int rc = home ? cached_recipe(home, digest, ret, err) : MLO_ENOTFOUND;
    if (rc == 0)
        return 0;
    if (!fetch)
        return mlo_fail(err, MLO_ENOTFOUND, "recipe is not known here");
    *err = MLO_ERR_INIT;
    rc = mlo_rt_get_hashed(fetch, "recipes", digest, MLO_RECIPE_MAX, &text, &n, err);
    if (rc == 0)
        rc = mlo_recipe_parse(text, n, &recipe, err);
    if (rc != 0)
        return rc;
    struct mlo_err ignored = MLO_ERR_INIT;
    if (home)
        (void)!mlo_cache_put(home, "recipes", digest, text, n, &ignored);
    *ret = recipe;
    return 0;
}
