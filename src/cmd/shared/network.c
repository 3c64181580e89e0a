/* See network.h. Only this file reads the variables of other programs that concern the network. */
#include "network.h"

#include <string.h>

#include <mlopsctl/base/text.h>

#include "workspace.h"

#define CONNECTIONS_MAX 256
#define QUERIES_MAX     ((size_t)1 << 20) /* bytes of all queries of a command */

struct mlo_network {
    struct mlo_arena queries; /* of addresses: options point into it */
    struct mlo_http *http;
    struct mlo_credentials *credentials;
    struct mlo_runpod *runpod;
    char *home; /* of mlo_ctx_remote_opts */
};

static void network_free(struct mlo_network *n)
{
    mlo_runpod_free(n->runpod);
    mlo_credentials_free(n->credentials);
    mlo_http_free(n->http);
    mlo_arena_release(&n->queries);
    free(n->home);
    free(n);
}

static struct mlo_network *network_of(struct mlo_ctx *ctx, struct mlo_err *err)
{
    if (!ctx->network) {
        ctx->network = mlo_calloc(1, sizeof *ctx->network, err);
        ctx->network_free = network_free;
        if (ctx->network)
            mlo_arena_init(&ctx->network->queries, QUERIES_MAX);
    }
    return ctx->network;
}

/* The first of these variables that is set and not empty. */
static const char *first_of(const struct mlo_ctx *ctx, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *value = mlo_env_get(ctx->env, names[i]);
        if (value && *value)
            return value;
    }
    return NULL;
}

/* ---- HTTP ---- */

static void say_notice(void *ctx, const char *text)
{
    mlo_warn(ctx, "%s", text);
}

static bool is_stopped(void *ctx)
{
    (void)ctx;
    return mlo_interrupted();
}

/* HTTP_PROXY in capitals is left alone: in a CGI program whoever asks sets it. */
static const char *proxy_of(const struct mlo_ctx *ctx, const struct mlo_config *c)
{
    static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"};
    const char *set = mlo_config_get(c, "net.proxy");
    return set ? set : first_of(ctx, names, MLO_COUNT(names));
}

static const char *ca_file_of(const struct mlo_ctx *ctx, const struct mlo_config *c)
{
    static const char *const names[] = {"SSL_CERT_FILE", "CURL_CA_BUNDLE"};
    const char *set = mlo_config_get(c, "net.ca-file");
    return set ? set : first_of(ctx, names, MLO_COUNT(names));
}

int mlo_ctx_http(struct mlo_ctx *ctx, struct mlo_http **ret, struct mlo_err *err)
{
    static const char *const no_proxy[] = {"no_proxy", "NO_PROXY"};
    const struct mlo_config *c = NULL;
    struct mlo_network *n = network_of(ctx, err);
    if (!n || mlo_ctx_config(ctx, &c, err))
        return err->code;
    struct mlo_http_opts opts = {
        .connections = (unsigned)mlo_config_u64(c, "net.connections"),
        .ca_file = ca_file_of(ctx, c),
        .proxy = proxy_of(ctx, c),
        .no_proxy = first_of(ctx, no_proxy, MLO_COUNT(no_proxy)),
        .patience_ns = (int64_t)mlo_config_u64(c, "net.patience"),
        .stall_ns = (int64_t)mlo_config_u64(c, "net.stall"),
        .allow_plain = mlo_config_bool(c, "net.allow-plain"),
        .notice = say_notice,
        .stop = is_stopped,
        .ctx = ctx,
    };
    if (mlo_config_u64(c, "net.connections") > CONNECTIONS_MAX)
        return mlo_fail(err, MLO_EUSAGE, "net.connections can be at most %d", CONNECTIONS_MAX);
    if (!n->http) {
        int rc = mlo_http_new(&opts, &n->http, err);
        if (rc != 0)
            return rc;
        mlo_interrupt_arm();
    }
    *ret = n->http;
    return 0;
}

/* ---- credentials ---- */

int mlo_ctx_credentials(struct mlo_ctx *ctx, struct mlo_credentials **ret, struct mlo_err *err)
{
    struct mlo_network *n = network_of(ctx, err);
    if (!n)
        return err->code;
    struct mlo_credentials_sources from = {.env = ctx->env, .token_file = ctx->token_file};
    int rc = n->credentials ? 0 : mlo_credentials_new(&from, &n->credentials, err);
    if (rc == 0)
        *ret = n->credentials;
    return rc;
}

/* ---- RunPod ---- */

int mlo_ctx_runpod_opts(struct mlo_ctx *ctx, struct mlo_runpod_opts *ret, struct mlo_err *err)
{
    const struct mlo_config *c = NULL;
    int rc = mlo_ctx_config(ctx, &c, err);
    if (rc != 0)
        return rc;
    *ret = (struct mlo_runpod_opts){
        .api = mlo_config_get(c, "runpod.api"),
        .jobs = mlo_config_get(c, "runpod.jobs"),
        .balancer = mlo_config_get(c, "runpod.balancer"),
        .s3 = mlo_config_get(c, "runpod.s3"),
        .s3_data_centers = mlo_config_get(c, "runpod.s3-data-centers"),
        .look_pause_ns = (int64_t)mlo_config_u64(c, "runpod.poll"),
    };
    return 0;
}

int mlo_ctx_runpod(struct mlo_ctx *ctx, struct mlo_runpod **ret, struct mlo_err *err)
{
    struct mlo_runpod_opts opts = {0};
    struct mlo_credentials *credentials = NULL;
    const char *key = NULL, *origin = NULL;
    struct mlo_network *n = network_of(ctx, err);
    if (!n)
        return err->code;
    if (!n->runpod) {
        int rc = mlo_ctx_runpod_opts(ctx, &opts, err);
        if (rc == 0)
            rc = mlo_ctx_credentials(ctx, &credentials, err);
        if (rc == 0)
            rc = mlo_credentials_runpod(credentials, &key, &origin, err);
        if (rc == 0)
            rc = mlo_ctx_http(ctx, &opts.http, err);
        opts.key = key;
        if (rc == 0)
            rc = mlo_runpod_new(&opts, &n->runpod, err);
        if (rc != 0)
            return rc;
    }
    *ret = n->runpod;
    return 0;
}

/* ---- remotes ---- */

static const char **s3_key(struct mlo_s3_settings *s3, const char *key, size_t n)
{
    const struct {
        const char *key, **to;
    } keys[] = {{"endpoint", &s3->endpoint},
                {"region", &s3->region},
                {"profile", &s3->profile},
                {"style", &s3->style}};
    for (size_t i = 0; i < MLO_COUNT(keys); i++)
        if (strlen(keys[i].key) == n && memcmp(keys[i].key, key, n) == 0)
            return keys[i].to;
    return NULL;
}

/* "endpoint=URL&region=R" */
static int take_query(struct mlo_ctx *ctx, const char *query, struct mlo_s3_settings *s3, struct mlo_err *err)
{
    struct mlo_network *n = network_of(ctx, err);
    char *text = n ? mlo_arena_strndup(&n->queries, query, strlen(query), err) : NULL;
    if (!text)
        return err->code;
    for (char *next = NULL; text; text = next) {
        next = strchr(text, '&');
        if (next)
            *next++ = '\0';
        size_t len = strcspn(text, "=");
        const char **to = text[len] ? s3_key(s3, text, len) : NULL;
        if (!to) {
            mlo_fail(err, MLO_EUSAGE, "the query of the remote's address is not understood");
            return mlo_hint(err,
                            "it may have endpoint=URL, region=R, profile=P and style=path, with & between");
        }
        mlo_url_decode(text + len + 1);
        if (!*to)
            *to = text + len + 1;
    }
    return 0;
}

struct own_keys {
    const char *name;
    struct mlo_s3_settings *s3;
};

/* "prod.region": a key of the remote that is meant. A stronger file comes first. */
static int take_own_key(void *ctx, const char *key, const char *value, struct mlo_err *err)
{
    const struct own_keys *o = ctx;
    size_t n = strlen(o->name);
    (void)err;
    if (strncmp(key, o->name, n) != 0 || key[n] != '.')
        return 0;
    const char **to = s3_key(o->s3, key + n + 1, strlen(key + n + 1));
    if (to && !*to)
        *to = value;
    return 0;
}

static void fill(const char **to, const char *value)
{
    if (!*to)
        *to = value;
}

static int check_style(const char *style, struct mlo_err *err)
{
    static const char *const styles[] = {"auto", "path", "virtual-host"};
    char shown[MLO_SHOWN];
    for (size_t i = 0; i < MLO_COUNT(styles); i++)
        if (strcmp(style, styles[i]) == 0)
            return 0;
    return mlo_fail(err, MLO_EUSAGE, "the style of an s3:// remote is auto, path or virtual-host, not '%s'",
                    mlo_shown(style, strlen(style), shown));
}

static int s3_settings(struct mlo_ctx *ctx, const struct mlo_config *c, const char *url, const char *name,
                       struct mlo_s3_settings *ret, struct mlo_err *err)
{
    static const char *const endpoints[] = {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"};
    static const char *const regions[] = {"AWS_REGION", "AWS_DEFAULT_REGION"};
    struct own_keys own = {name, ret};
    const char *query = strncmp(url, "s3://", 5) == 0 ? strchr(url, '?') : NULL;
    int rc = query ? take_query(ctx, query + 1, ret, err) : 0;
    if (rc == 0 && name)
        rc = mlo_config_each(c, "remotes", take_own_key, &own, err);
    fill(&ret->endpoint, mlo_config_get(c, "s3.endpoint"));
    fill(&ret->endpoint, first_of(ctx, endpoints, MLO_COUNT(endpoints)));
    fill(&ret->region, mlo_config_get(c, "s3.region"));
    fill(&ret->region, first_of(ctx, regions, MLO_COUNT(regions)));
    fill(&ret->profile, mlo_config_get(c, "s3.profile"));
    fill(&ret->style, mlo_config_get(c, "s3.style"));
    return rc != 0 ? rc : check_style(ret->style, err);
}

static int home_of(struct mlo_ctx *ctx, const char **ret, struct mlo_err *err)
{
    struct mlo_network *n = network_of(ctx, err);
    if (!n)
        return err->code;
    int rc = n->home ? 0 : mlo_home_find(ctx, &n->home, err);
    *ret = n->home;
    return rc;
}

int mlo_ctx_remote_opts(struct mlo_ctx *ctx, const char *url, const char *name, struct mlo_remote_opts *ret,
                        struct mlo_err *err)
{
    struct mlo_remote_opts o = {0};
    const struct mlo_config *c = NULL;
    if (!strstr(url, "://") || strncmp(url, "file://", 7) == 0) {
        *ret = o;
        return 0;
    }
    int rc = mlo_ctx_config(ctx, &c, err);
    if (rc == 0)
        rc = s3_settings(ctx, c, url, name, &o.s3, err);
    if (rc == 0)
        rc = mlo_ctx_runpod_opts(ctx, &o.runpod, err);
    if (rc == 0)
        rc = mlo_ctx_credentials(ctx, &o.credentials, err);
    if (rc == 0)
        rc = mlo_ctx_http(ctx, &o.http, err);
    if (rc == 0)
        rc = home_of(ctx, &o.home, err);
    if (rc != 0)
        return rc;
    o.mounted_volume = mlo_env_get(ctx->env, "RUNPOD_VOLUME_ID");
    o.mount = mlo_config_get(c, "runpod.mount");
    *ret = o;
    return 0;
}
