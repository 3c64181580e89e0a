/* See remotes.h. */
#include "remotes.h"

#include <string.h>

#include <mlopsctl/base/secret.h>
#include <mlopsctl/base/text.h>

#include "network.h"

struct names {
    int (*fn)(void *ctx, const char *name, const char *url, struct mlo_err *err);
    void *ctx;
};

/* "prod.url: ..." or, short, "prod: ..."; other keys of a remote are for its kind. */
static int each_key(void *ctx, const char *key, const char *value, struct mlo_err *err)
{
    const struct names *n = ctx;
    const char *dot = strchr(key, '.');
    if (dot && strcmp(dot, ".url") != 0)
        return 0;
    MLO_AUTOFREE char *name = mlo_memdup0(key, dot ? (size_t)(dot - key) : strlen(key), err);
    return name ? n->fn(n->ctx, name, value, err) : MLO_EIO;
}

int mlo_remote_names(struct mlo_ctx *ctx,
                     int (*fn)(void *ctx, const char *name, const char *url, struct mlo_err *err),
                     void *fn_ctx, struct mlo_err *err)
{
    const struct mlo_config *c = NULL;
    struct names n = {fn, fn_ctx};
    int rc = mlo_ctx_config(ctx, &c, err);
    return rc != 0 ? rc : mlo_config_each(c, "remotes", each_key, &n, err);
}

struct lookup {
    const char *word;
    char *url;
};

static int take_url(void *ctx, const char *name, const char *url, struct mlo_err *err)
{
    struct lookup *l = ctx;
    if (l->url || strcmp(name, l->word) != 0)
        return 0;
    l->url = mlo_strdup(url, err);
    return l->url ? 0 : MLO_EIO;
}

static int choose_word(struct mlo_ctx *ctx, const char *word, const char **ret, struct mlo_err *err)
{
    const struct mlo_config *c = NULL;
    *ret = word;
    if (word)
        return 0;
    int rc = mlo_ctx_config(ctx, &c, err);
    if (rc != 0)
        return rc;
    *ret = mlo_config_get(c, "remote.default");
    if (*ret)
        return 0;
    mlo_fail(err, MLO_EUSAGE, "no remote was named");
    return mlo_hint(err, "give a path or a name of mlops.yaml's `remotes`, or set remote.default");
}

int mlo_remote_at(struct mlo_ctx *ctx, const char *url, const char *name, bool create,
                  struct mlo_remote **ret, struct mlo_err *err)
{
    struct mlo_remote_opts opts = {0};
    int rc = mlo_ctx_remote_opts(ctx, url, name, &opts, err);
    opts.create = create;
    return rc != 0 ? rc : mlo_remote_open(url, &opts, ret, err);
}

int mlo_remote_choose(struct mlo_ctx *ctx, const char *word, bool create, struct mlo_remote **ret,
                      struct mlo_err *err)
{
    int rc = choose_word(ctx, word, &word, err);
    if (rc != 0)
        return rc;
    if (strchr(word, '/') || word[0] == '.')
        return mlo_remote_at(ctx, word, NULL, create, ret, err);
    struct lookup l = {.word = word};
    rc = mlo_remote_names(ctx, take_url, &l, err);
    MLO_AUTOFREE char *url = l.url;
    if (rc != 0)
        return rc;
    if (url)
        return mlo_remote_at(ctx, url, word, create, ret, err);
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, sizeof err->msg);
    mlo_escape(&shown, word, strlen(word));
    mlo_fail(err, MLO_ENOTFOUND, "no remote is called '%s'", shown.ptr);
    return mlo_hint(err, "for a folder say ./%s; `mlopsctl remote ls` lists the names of mlops.yaml",
                    shown.ptr);
}

void mlo_report_sync(struct mlo_report *r, const struct mlo_sync_stats *st)
{
    mlo_report_size(r, "bytes", "bytes", st->bytes_total);
    mlo_report_size(r, "sent", "sent", st->bytes_sent);
    mlo_report_size(r, "reused", "reused", st->bytes_reused);
    mlo_report_u64(r, "chunks", "chunks", st->chunks);
    mlo_report_u64(r, "chunks_sent", "chunks sent", st->chunks_sent);
    mlo_report_u64(r, "packs_sent", "packs sent", st->packs_sent);
    mlo_report_u64(r, "requests", "requests", st->requests);
    mlo_report_bool(r, "unchanged", "unchanged", st->unchanged);
}
