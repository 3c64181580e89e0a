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

static int unknown_name(const char *word, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    mlo_shown(word, strlen(word), shown);
    mlo_fail(err, MLO_ENOTFOUND, "no remote is called '%s'", shown);
    return mlo_hint(err, "for a folder say ./%s; `mlopsctl remote ls` lists the names of mlops.yaml", shown);
}

int mlo_remote_find(struct mlo_ctx *ctx, const char *word, char **ret_url, char **ret_name,
                    struct mlo_err *err)
{
    int rc = choose_word(ctx, word, &word, err);
    if (rc != 0)
        return rc;
    bool is_address = strchr(word, '/') || word[0] == '.';
    struct lookup l = {.word = word, .url = is_address ? mlo_strdup(word, err) : NULL};
    if (is_address && !l.url)
        return MLO_EIO;
    rc = is_address ? 0 : mlo_remote_names(ctx, take_url, &l, err);
    if (rc == 0 && !l.url)
        rc = unknown_name(word, err);
    char *name = rc != 0 || is_address ? NULL : mlo_strdup(word, err);
    if (rc != 0 || (!is_address && !name)) {
        free(l.url);
        return rc != 0 ? rc : MLO_EIO;
    }
    *ret_url = l.url;
    *ret_name = name;
    return 0;
}

/* ---- opening ---- */

static void add_value(struct mlo_str *out, const char *key, const char *value)
{
    if (!value)
        return;
    mlo_str_addf(out, "%c%s=", strchr(out->ptr, '?') ? '&' : '?', key);
    mlo_url_encode(out, value, strlen(value), true);
}

/* The remote's own URL says an endpoint that is not Amazon's. */
static char *full_address(const struct mlo_remote *r, const struct mlo_s3_settings *s3, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str s;
    mlo_str_init(&s, MLO_STR_MAX);
    mlo_str_add(&s, mlo_remote_url(r));
    if (strncmp(s.ptr, "s3://", 5) == 0) {
        if (!strchr(s.ptr, '?')) /* Amazon's, of another kind than the usual */
            add_value(&s, "endpoint", s3->endpoint);
        add_value(&s, "region", s3->region);
        add_value(&s, "profile", s3->profile);
        add_value(&s, "style", strcmp(s3->style, "auto") == 0 ? NULL : s3->style);
    }
    return mlo_str_check(&s, err) != 0 ? NULL : mlo_str_detach(&s, NULL);
}

int mlo_remote_at(struct mlo_ctx *ctx, const char *url, const char *name, bool create, char **ret_address,
                  struct mlo_remote **ret, struct mlo_err *err)
{
    struct mlo_remote_opts opts = {0};
    struct mlo_remote *r = NULL;
    size_t n = strncmp(url, "s3://", 5) == 0 ? strcspn(url, "?") : strlen(url);
    MLO_AUTOFREE char *bare = mlo_memdup0(url, n, err);
    if (!bare)
        return MLO_EIO;
    int rc = mlo_ctx_remote_opts(ctx, url, name, &opts, err);
    opts.create = create;
    if (rc == 0)
        rc = mlo_remote_open(bare, &opts, &r, err);
    char *address = rc == 0 && ret_address ? full_address(r, &opts.s3, err) : NULL;
    if (rc == 0 && ret_address && !address) {
        mlo_remote_close(r);
        rc = MLO_EIO;
    }
    if (rc != 0)
        return rc;
    if (ret_address)
        *ret_address = address;
    *ret = r;
    return 0;
}

int mlo_remote_choose(struct mlo_ctx *ctx, const char *word, bool create, char **ret_address,
                      struct mlo_remote **ret, struct mlo_err *err)
{
    MLO_AUTOFREE char *url = NULL;
    MLO_AUTOFREE char *name = NULL;
    int rc = mlo_remote_find(ctx, word, &url, &name, err);
    if (rc == 0 && ctx->token_file && strncmp(url, "runpod://", 9) != 0) {
        mlo_fail(err, MLO_EUSAGE, "--token-file gives a RunPod API key, and this remote is none of RunPod's");
        return mlo_hint(err, "mlopsctl-credentials(5) says where keys of other services are looked for");
    }
    return rc != 0 ? rc : mlo_remote_at(ctx, url, name, create, ret_address, ret, err);
}

int mlo_remote_stopped(struct mlo_err *err)
{
    if (!mlo_interrupted())
        return err->code;
    return mlo_hint(err, "run the same command again: it goes on where it was stopped");
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
