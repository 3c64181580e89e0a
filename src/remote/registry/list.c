/* Lists of a registry: tags of a repository, repositories of a host, page by page, and all refs from them. */
#include "registry.h"

#include <string.h>

/* ---- pages ---- */

struct listing {
    struct mlo_registry *g;
    const char *member;
    int (*fn)(void *ctx, const char *name, struct mlo_err *err);
    void *ctx;
    size_t n;
    struct mlo_digest_set pages;
};

static int take_name(void *ctx, const char *name, struct mlo_err *err)
{
    struct listing *l = ctx;
    if (++l->n > MLO_REGISTRY_LIST_MAX)
        return mlo_fail(err, MLO_EINVALID, "%s lists more than %zu %s", l->g->host, MLO_REGISTRY_LIST_MAX,
                        l->member);
    return l->fn(l->ctx, name, err);
}

/* The next page's address, NULL when this was the last. Elsewhere, or one that was read before, is a fault.
 */
static int next_page(struct listing *l, const char *url, const struct mlo_http_response *r, char **ret,
                     struct mlo_err *err)
{
    const char *link = mlo_http_header(r, "Link");
    MLO_AUTOFREE char *target = NULL;
    MLO_AUTOFREE char *next = NULL;
    struct mlo_digest d;
    bool is_new = false;
    int rc = link ? mlo_link_next(link, &target, err) : MLO_ENOTFOUND;
    if (rc == MLO_ENOTFOUND) {
        *err = MLO_ERR_INIT;
        return 0;
    }
    if (rc == 0)
        rc = mlo_url_resolve(url, target, &next, err);
    if (rc == 0 && !mlo_registry_is_home(l->g, next))
        rc = mlo_fail(err, MLO_EREMOTE, "%s continues its list on another host", l->g->host);
    if (rc == 0)
        rc = mlo_sha256(next, strlen(next), &d, err);
    if (rc == 0)
        rc = mlo_digest_set_add(&l->pages, &d, &is_new, err);
    if (rc == 0 && (!is_new || l->pages.count > MLO_REGISTRY_PAGES_MAX))
        rc = mlo_fail(err, MLO_EREMOTE, "the list of %s on %s has no end", l->member, l->g->host);
    if (rc == 0)
        *ret = mlo_steal(&next);
    return rc;
}

static int one_page(struct listing *l, const char *scope, const char *url, char **ret_next,
                    struct mlo_err *err)
{
    struct mlo_http_response r = {0};
    struct mlo_http_request req = {.method = "GET",
                                   .url = url,
                                   .max_body = MLO_REGISTRY_PAGE_MAX,
                                   .flags = MLO_HTTP_REPEATABLE | MLO_HTTP_FOLLOW};
    int rc = mlo_registry_do(l->g, scope, &req, &r, err);
    if (rc == 0 && r.status != 200)
        rc = mlo_registry_fail(l->g, &r, err);
    if (rc == 0)
        rc = mlo_names_parse(r.body ? r.body : "", r.n, l->member, take_name, l, err);
    if (rc == 0)
        rc = next_page(l, url, &r, ret_next, err);
    mlo_http_response_release(&r);
    return rc;
}

static int list_all(struct mlo_registry *g, const char *scope, const char *url, const char *member,
                    int (*fn)(void *ctx, const char *name, struct mlo_err *err), void *ctx,
                    struct mlo_err *err)
{
    struct listing l = {.g = g, .member = member, .fn = fn, .ctx = ctx};
    MLO_AUTOFREE char *at = mlo_strdup(url, err);
    int rc = at ? 0 : MLO_EIO;
    while (rc == 0 && at) {
        char *next = NULL;
        rc = one_page(&l, scope, at, &next, err);
        free(at);
        at = next;
    }
    mlo_digest_set_release(&l.pages);
    return rc;
}

int mlo_registry_each_tag(struct mlo_registry *g, const char *repository,
                          int (*fn)(void *ctx, const char *name, struct mlo_err *err), void *ctx,
                          struct mlo_err *err)
{
    char scope[MLO_SCOPE_MAX];
    MLO_AUTOFREE char *url = mlo_registry_url(g, repository, err, "tags/list?n=100");
    if (!url)
        return err->code;
    mlo_registry_scope(scope, repository, MLO_ACCESS_PULL);
    return list_all(g, scope, url, "tags", fn, ctx, err);
}

/* ---- all refs ---- */

struct each {
    struct mlo_remote *r;
    mlo_remote_ref_fn fn;
    void *ctx;
    char name[sizeof((struct mlo_ref *)0)->name];
};

/* "sha256-<hex>" and "sha256-<hex>.sig" are lists of referrers and signatures of other tools. */
static bool is_fallback(const char *tag)
{
    return strncmp(tag, "sha256-", 7) == 0 && strspn(tag + 7, "0123456789abcdef") == MLO_DIGEST_HEX;
}

static int each_one(void *ctx, const char *tag, struct mlo_err *err)
{
    struct each *e = ctx;
    char text[MLO_REF_TEXT];
    struct mlo_err ignored = MLO_ERR_INIT;
    struct mlo_remote_ref value;
    struct mlo_ref ref;
    if (is_fallback(tag) || (size_t)snprintf(text, sizeof text, "%s:%s", e->name, tag) >= sizeof text ||
        mlo_ref_parse(text, &ref, &ignored) != 0)
        return 0;
    int rc = mlo_registry_ref_get(e->r, &ref, &value, err);
    if (rc == MLO_ENOTFOUND || rc == MLO_EINVALID) { /* removed meanwhile, or nothing of ours */
        *err = MLO_ERR_INIT;
        return 0;
    }
    return rc != 0 ? rc : e->fn(e->ctx, ref.name, ref.tag, &value, err);
}

static int each_of(struct each *e, const char *repository, const char *name, struct mlo_err *err)
{
    if (strlen(name) >= sizeof e->name)
        return 0;
    memcpy(e->name, name, strlen(name) + 1);
    return mlo_registry_each_tag(mlo_registry_of(e->r), repository, each_one, e, err);
}

/* Is a repository of the host one below the address's path? */
static bool is_below(const struct mlo_registry *g, const char *repository)
{
    size_t n = strlen(g->path);
    return mlo_repository_valid(repository) &&
           (n == 0 || (strncmp(repository, g->path, n) == 0 && repository[n] == '/'));
}

static int each_repository(void *ctx, const char *repository, struct mlo_err *err)
{
    struct each *e = ctx;
    size_t n = strlen(mlo_registry_of(e->r)->path);
    if (!is_below(mlo_registry_of(e->r), repository))
        return 0;
    int rc = each_of(e, repository, repository + n + (n > 0), err);
    if (rc == MLO_ENOTFOUND) { /* some list repositories without tags */
        *err = MLO_ERR_INIT;
        return 0;
    }
    return rc;
}

/* The catalogue is no part of the protocol; where it is not given, the address itself may be a repository. */
int mlo_registry_ref_each(struct mlo_remote *r, mlo_remote_ref_fn fn, void *ctx, struct mlo_err *err)
{
    struct mlo_registry *g = mlo_registry_of(r);
    struct each e = {.r = r, .fn = fn, .ctx = ctx};
    const char *slash = strrchr(g->path, '/');
    struct mlo_err why = MLO_ERR_INIT;
    int own = MLO_ENOTFOUND;
    if (*g->path) {
        own = each_of(&e, g->path, slash ? slash + 1 : g->path, err);
        if (own != 0 && own != MLO_ENOTFOUND && own != MLO_EREMOTE)
            return own;
    }
    MLO_AUTOFREE char *url = mlo_registry_url(g, "", &why, "_catalog?n=1000");
    int rc = url ? list_all(g, "registry:catalog:*", url, "repositories", each_repository, &e, &why)
                 : why.code;
    if (rc == 0 || own == 0) {
        *err = MLO_ERR_INIT;
        return 0;
    }
    if (own == MLO_ENOTFOUND && *g->path && rc != MLO_EIO) {
        mlo_fail(err, MLO_ENOTFOUND, "%s has no repository '%s' and does not list those below it", g->host,
                 g->path);
        return mlo_hint(err, "name the repository whole: oci://%s/%s/NAME", g->host, g->path);
    }
    if (own == MLO_ENOTFOUND)
        *err = why;
    return err->code;
}

/* ---- one of them ---- */

struct found {
    const struct mlo_registry *g;
    char *repository; /* MLO_REPOSITORY_MAX */
};

static int take_none(void *ctx, const char *tag, struct mlo_err *err)
{
    (void)ctx, (void)tag, (void)err;
    return 0;
}

/* MLO_NO ends the list. */
static int take_first(void *ctx, const char *repository, struct mlo_err *err)
{
    struct found *f = ctx;
    (void)err;
    if (!is_below(f->g, repository))
        return 0;
    snprintf(f->repository, MLO_REPOSITORY_MAX, "%s", repository);
    return MLO_NO;
}

int mlo_registry_some_repository(struct mlo_registry *g, char ret[MLO_REPOSITORY_MAX], struct mlo_err *err)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    struct found f = {g, ret};
    if (*g->path && mlo_registry_each_tag(g, g->path, take_none, NULL, &ignored) == 0) {
        snprintf(ret, MLO_REPOSITORY_MAX, "%s", g->path);
        return 0;
    }
    ignored = MLO_ERR_INIT;
    MLO_AUTOFREE char *url = mlo_registry_url(g, "", err, "_catalog?n=1000");
    if (!url)
        return err->code;
    return list_all(g, "registry:catalog:*", url, "repositories", take_first, &f, &ignored) == MLO_NO
               ? 0
               : mlo_registry_repository(g, "mlopsctl-check", ret, err);
}
