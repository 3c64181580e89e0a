/*
 * Listing, one level of folders at a time: gateways over real file systems answer a flat listing slowly or
 * not at all. A page is read whole before anybody hears of it, so a page that came in pieces can be asked for
 * again.
 */
#include "s3.h"

#include <string.h>

#include <mlopsctl/base/text.h>

#define LEVELS_MAX 64
#define PAGE_AGAIN 5
#define QUERY_MAX  ((size_t)32 << 10)
#define STAGING    ".s3compat_uploads/" /* where RunPod keeps parts of unfinished uploads */
#define PAGES_MAX  100000U

struct lister {
    struct mlo_s3 *s;
    int (*fn)(void *ctx, const char *key, uint64_t size, struct mlo_err *err);
    void *ctx;
};

static void add_parameter(struct mlo_str *q, const char *name, const char *value)
{
    mlo_str_addf(q, "%s%s=", q->len ? "&" : "", name);
    mlo_url_encode(q, value, strlen(value), false);
}

static int ask_page(struct mlo_s3 *s, const char *folder, const char *token, struct mlo_s3_page *ret,
                    bool *ret_damaged, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str query;
    struct mlo_http_response r;
    enum mlo_s3_trouble t;
    mlo_str_init(&query, QUERY_MAX);
    if (token)
        add_parameter(&query, "continuation-token", token);
    add_parameter(&query, "delimiter", "/");
    add_parameter(&query, "list-type", "2");
    add_parameter(&query, "prefix", folder);
    int rc = mlo_str_check(&query, err);
    if (rc != 0)
        return rc;
    struct mlo_s3_ask a = {
        .method = "GET", .query = query.ptr, .max_body = MLO_S3_XML_MAX, .flags = MLO_HTTP_REPEATABLE};
    rc = mlo_s3_do(s, &a, &r, &t, err);
    if (rc != 0)
        return rc;
    if (t != MLO_S3_FINE)
        rc = mlo_s3_fail(s, NULL, &r, t, err);
    else
        *ret_damaged = (rc = mlo_s3_read_page(r.body, r.n, ret, err)) == MLO_EREMOTE;
    mlo_http_response_release(&r);
    return rc;
}

/* The page after `token`; one that is cut, or leads to itself, is asked for again. */
static int get_page(struct mlo_s3 *s, const char *folder, const char *token, struct mlo_s3_page *ret,
                    struct mlo_err *err)
{
    for (unsigned round = 1;; round++) {
        bool damaged = false;
        int rc = ask_page(s, folder, token, ret, &damaged, err);
        if (rc == 0 && ret->truncated && (!ret->next || (token && strcmp(ret->next, token) == 0))) {
            mlo_s3_page_release(ret);
            rc = mlo_fail(err, MLO_EREMOTE,
                          "the listing of bucket '%s' does not go on: a page leads to itself", s->bucket);
            damaged = true;
        }
        if (!damaged || round > PAGE_AGAIN)
            return rc;
        *err = MLO_ERR_INIT;
        if (mlo_s3_pause(s, round, err))
            return err->code;
    }
}

static int list_folder(const struct lister *l, const char *folder, unsigned level, struct mlo_err *err);

/* Keys that could not be ours (empty or dotted components) are passed over, as are markers of empty folders.
 */
static int hear_entry(const struct lister *l, const char *folder, const struct mlo_s3_entry *e,
                      unsigned level, struct mlo_err *err)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    const char *prefix = l->s->prefix;
    size_t n = strlen(e->key), skip = *prefix ? strlen(prefix) + 1 : 0;
    if (strncmp(e->key, folder, strlen(folder)) != 0 || n <= strlen(folder))
        return 0; /* not what was asked for */
    const char *name = e->key + strlen(folder);
    if (strcmp(name, STAGING) == 0)
        return 0;
    if (e->key[n - 1] == '/')
        return strchr(name, '/') == e->key + n - 1 ? list_folder(l, e->key, level + 1, err) : 0;
    if (n <= skip || mlo_path_check(e->key, n, &ignored))
        return 0;
    return l->fn(l->ctx, e->key + skip, e->size, err);
}

static int list_folder(const struct lister *l, const char *folder, unsigned level, struct mlo_err *err)
{
    MLO_AUTOFREE char *token = NULL;
    int rc = 0;
    if (level > LEVELS_MAX)
        return mlo_fail(err, MLO_EINVALID, "folders are nested deeper than %d", LEVELS_MAX);
    for (unsigned pages = 0; rc == 0; pages++) {
        struct mlo_s3_page page = {0};
        if (pages == PAGES_MAX)
            return mlo_fail(err, MLO_EREMOTE, "the listing does not end");
        rc = get_page(l->s, folder, token, &page, err);
        for (size_t i = 0; rc == 0 && i < page.n; i++)
            rc = hear_entry(l, folder, &page.list[i], level, err);
        bool more = rc == 0 && page.truncated;
        free(token);
        token = mlo_steal(&page.next);
        mlo_s3_page_release(&page);
        if (!more)
            return rc;
    }
    return rc;
}

int mlo_s3_list(void *self, const char *prefix,
                int (*fn)(void *ctx, const char *key, uint64_t size, struct mlo_err *err), void *ctx,
                struct mlo_err *err)
{
    struct mlo_s3 *s = self;
    struct lister l = {s, fn, ctx};
    MLO_AUTOSTR struct mlo_str folder;
    mlo_str_init(&folder, MLO_PATH_MAX);
    mlo_str_addf(&folder, "%s%s%s%s", s->prefix, *s->prefix ? "/" : "", prefix, *prefix ? "/" : "");
    int rc = mlo_str_check(&folder, err);
    return rc != 0 ? rc : list_folder(&l, folder.ptr, 0, err);
}
