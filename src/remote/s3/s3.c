/* S3 as a transport: from an address, settings and a key to a bucket; see s3.h. */
#include "s3.h"

#include <ctype.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#define SCHEME         "s3://"
#define URL_MAX        ((size_t)16 << 10)
#define S3_PARALLEL    8
#define PARTS_PARALLEL 4 /* of one object */
#define PARALLEL_POD   4 /* RunPod's gateway: more brought more failures (docs/runpod.md) */

#define PUT_MAX ((uint64_t)128 << 20) /* in one request; above it parts side by side are faster */
#define PUT_MAX_POD                                                                                          \
    ((uint64_t)95000000) /* RunPod's edge refuses larger bodies well below the documented 500 MB */

/* ---- addresses ---- */

static bool has_suffix(const char *s, size_t n, const char *suffix)
{
    size_t m = strlen(suffix);
    return n >= m && strncasecmp(s + n - m, suffix, m) == 0;
}

static bool is_amazon(const char *endpoint)
{
    const char *host = strstr(endpoint, "://");
    host = host ? host + 3 : endpoint;
    size_t n = strcspn(host, ":/");
    return has_suffix(host, n, ".amazonaws.com") || has_suffix(host, n, ".amazonaws.com.cn");
}

/* Under s->lock: "https://host" with the bucket in it where it belongs there. */
static void add_host(const struct mlo_s3 *s, struct mlo_str *out)
{
    const char *bucket = s->virtual_host ? s->bucket : "", *dot = s->virtual_host ? "." : "";
    if (!s->endpoint) {
        mlo_str_addf(out, "https://%s%ss3.%s.amazonaws.com%s", bucket, dot, s->region,
                     strncmp(s->region, "cn-", 3) == 0 ? ".cn" : "");
        return;
    }
    const char *host = strstr(s->endpoint, "://") + 3;
    mlo_str_addn(out, s->endpoint, (size_t)(host - s->endpoint));
    mlo_str_addf(out, "%s%s%s", bucket, dot, host);
}

int mlo_s3_url(struct mlo_s3 *s, const char *key, const char *query, struct mlo_str *out, struct mlo_err *err)
{
    pthread_mutex_lock(&s->lock);
    add_host(s, out);
    pthread_mutex_unlock(&s->lock);
    mlo_str_add(out, "/");
    if (!s->virtual_host)
        mlo_str_addf(out, "%s%s", s->bucket, key ? "/" : "");
    if (key && *s->prefix) {
        mlo_url_encode(out, s->prefix, strlen(s->prefix), true);
        mlo_str_add(out, "/");
    }
    if (key)
        mlo_url_encode(out, key, strlen(key), true);
    if (query)
        mlo_str_addf(out, "?%s", query);
    return mlo_str_check(out, err);
}

/* ---- what is learnt on the way ---- */

uint64_t mlo_s3_put_max(struct mlo_s3 *s)
{
    pthread_mutex_lock(&s->lock);
    uint64_t max = s->put_max;
    pthread_mutex_unlock(&s->lock);
    return max;
}

bool mlo_s3_lower_put_max(struct mlo_s3 *s, uint64_t size)
{
    uint64_t lower = size / 2;
    bool worth = lower >= MLO_S3_PART_LEAST;
    pthread_mutex_lock(&s->lock);
    if (worth && lower < s->put_max)
        s->put_max = lower;
    pthread_mutex_unlock(&s->lock);
    return worth;
}

/* Losing one for want of memory costs patience where it may be needed, no result. */
void mlo_s3_note_fresh(struct mlo_s3 *s, const char *key)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    char *copy = mlo_strdup(key, &ignored);
    pthread_mutex_lock(&s->lock);
    free(s->fresh[s->fresh_at]);
    s->fresh[s->fresh_at] = copy;
    s->fresh_at = (s->fresh_at + 1) % MLO_S3_FRESH;
    pthread_mutex_unlock(&s->lock);
}

bool mlo_s3_is_fresh(struct mlo_s3 *s, const char *key)
{
    bool found = false;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < MLO_S3_FRESH && !found; i++)
        found = s->fresh[i] && strcmp(s->fresh[i], key) == 0;
    pthread_mutex_unlock(&s->lock);
    return found;
}

/* ---- life ---- */

static void wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

static void s3_close(void *self)
{
    struct mlo_s3 *s = self;
    free(s->endpoint);
    free(s->bucket);
    free(s->prefix);
    wipe(s->access_key);
    wipe(s->secret_key);
    wipe(s->session_token);
    free(s->origin);
    free(s->home);
    for (size_t i = 0; i < MLO_S3_FRESH; i++)
        free(s->fresh[i]);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static int copy(char **to, const char *text, struct mlo_err *err)
{
    return !text || (*to = mlo_strdup(text, err)) ? 0 : MLO_EIO;
}

static int copy_place(struct mlo_s3 *s, const struct mlo_s3_place *p, struct mlo_err *err)
{
    const struct {
        char **to;
        const char *text;
    } all[] = {{&s->endpoint, p->endpoint},
               {&s->bucket, p->bucket},
               {&s->prefix, p->prefix},
               {&s->access_key, p->key.access_key},
               {&s->secret_key, p->key.secret_key},
               {&s->session_token, p->key.session_token},
               {&s->origin, p->key.origin},
               {&s->home, p->home}};
    for (size_t i = 0; i < MLO_COUNT(all); i++)
        if (copy(all[i].to, all[i].text, err))
            return MLO_EIO;
    for (size_t n = s->endpoint ? strlen(s->endpoint) : 0; n && s->endpoint[n - 1] == '/'; n--)
        s->endpoint[n - 1] = '\0';
    return 0;
}

static int check_endpoint(const char *endpoint, struct mlo_err *err)
{
    struct mlo_url u;
    int rc = mlo_url_parse(endpoint, &u, err);
    if (rc != 0)
        return mlo_wrap(err, "the S3 endpoint");
    if (u.query)
        rc = mlo_fail(err, MLO_EUSAGE, "the S3 endpoint '%s' has a query", endpoint);
    mlo_url_release(&u);
    return rc;
}

static int check_word(const char *word, size_t max, const char *what, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    size_t n = strlen(word), i = 0;
    while (i < n && (isalnum((unsigned char)word[i]) || strchr("-._", word[i])))
        i++;
    if (n == 0 || n > max || i < n || word[0] == '.')
        return mlo_fail(err, MLO_EUSAGE, "'%s' is no %s", mlo_shown(word, n, shown), what);
    return 0;
}

static int check_place(const struct mlo_s3_place *p, struct mlo_err *err)
{
    int rc = check_word(p->bucket, 255, "name of a bucket", err);
    if (rc == 0)
        rc = check_word(p->region, sizeof((struct mlo_s3 *)0)->region - 1, "S3 region", err);
    if (rc == 0 && p->endpoint)
        rc = check_endpoint(p->endpoint, err);
    if (rc == 0 && *p->prefix && mlo_path_check(p->prefix, strlen(p->prefix), err))
        rc = err->code = MLO_EUSAGE;
    return rc;
}

static int64_t s3_clock_ahead(void *self)
{
    struct mlo_s3 *s = self;
    struct mlo_err ignored = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, URL_MAX);
    return mlo_s3_url(s, NULL, NULL, &url, &ignored) ? 0 : mlo_http_clock_ahead(s->http, url.ptr);
}

int mlo_s3_open_place(const struct mlo_s3_place *p, struct mlo_http *http, struct mlo_transport *ret,
                      void **ret_self, struct mlo_err *err)
{
    static const struct mlo_transport transport = {.kind = "s3",
                                                   .stat = mlo_s3_stat,
                                                   .put = mlo_s3_put,
                                                   .version = mlo_s3_version,
                                                   .replace = mlo_s3_replace,
                                                   .get = mlo_s3_get,
                                                   .remove = mlo_s3_remove,
                                                   .list = mlo_s3_list,
                                                   .clock_ahead = s3_clock_ahead,
                                                   .close = s3_close};
    int rc = check_place(p, err);
    struct mlo_s3 *s = rc == 0 ? mlo_calloc(1, sizeof *s, err) : NULL;
    if (!s)
        return err->code;
    pthread_mutex_init(&s->lock, NULL);
    s->http = http;
    s->virtual_host = p->virtual_host;
    s->runpod = p->runpod;
    s->parts_parallel = PARTS_PARALLEL;
    s->put_max = p->runpod ? PUT_MAX_POD : PUT_MAX;
    snprintf(s->region, sizeof s->region, "%s", p->region);
    if (copy_place(s, p, err)) {
        s3_close(s);
        return err->code;
    }
    *ret = transport;
    ret->parallel = p->runpod ? PARALLEL_POD : S3_PARALLEL;
    *ret_self = s;
    return 0;
}

/* ---- s3://BUCKET[/PREFIX] ---- */

struct address {
    char *bucket, *prefix;
};

static void address_release(struct address *a)
{
    free(a->bucket);
    free(a->prefix);
}

static int read_address(const char *url, struct address *a, struct mlo_err *err)
{
    const char *bucket = url + strlen(SCHEME);
    size_t n = strcspn(bucket, "/");
    const char *prefix = bucket + n + (bucket[n] == '/');
    size_t m = strlen(prefix);
    if (n == 0)
        return mlo_fail(err, MLO_EUSAGE, "the address names no bucket");
    if (memchr(bucket, '@', n)) {
        mlo_fail(err, MLO_EUSAGE, "the address holds a key");
        return mlo_hint(err, "keys come from the environment or a file: see mlopsctl-credentials(5)");
    }
    for (; m && prefix[m - 1] == '/'; m--)
        ;
    if (!(a->bucket = mlo_memdup0(bucket, n, err)) || !(a->prefix = mlo_memdup0(prefix, m, err)))
        return MLO_EIO;
    return 0;
}

/* The same bucket name at two services is two remotes, so an endpoint that is not Amazon's is part of the
 * name. */
static int canonical(const struct mlo_s3_place *p, char **ret, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, URL_MAX);
    mlo_str_addf(&url, SCHEME "%s%s%s", p->bucket, *p->prefix ? "/" : "", p->prefix);
    if (p->endpoint && !is_amazon(p->endpoint)) {
        mlo_str_add(&url, "?endpoint=");
        for (const char *s = p->endpoint; *s && strcmp(s, "/") != 0; s++)
            if (*s == ':')
                mlo_str_addc(&url, ':');
            else
                mlo_url_encode(&url, s, 1, true);
    }
    int rc = mlo_str_check(&url, err);
    if (rc == 0 && !(*ret = mlo_str_detach(&url, NULL)))
        rc = mlo_fail_nomem(err);
    return rc;
}

/* The host name of a bucket must be one label for TLS certificates and lower case for DNS. */
static bool fits_host(const char *bucket)
{
    for (; *bucket; bucket++)
        if (!islower((unsigned char)*bucket) && !isdigit((unsigned char)*bucket) && *bucket != '-')
            return false;
    return true;
}

static bool wants_virtual_host(const char *style, const struct mlo_s3_place *p)
{
    if (style && strcmp(style, "auto") != 0)
        return strcmp(style, "virtual-host") == 0;
    return (!p->endpoint || is_amazon(p->endpoint)) && fits_host(p->bucket);
}

static const char *first(const char *a, const char *b, const char *c)
{
    return a && *a ? a : b && *b ? b : c;
}

static int open_address(const struct address *a, const struct mlo_remote_opts *o, struct mlo_transport *ret,
                        void **ret_self, char **ret_url, struct mlo_err *err)
{
    struct mlo_s3_place p = {.bucket = a->bucket, .prefix = a->prefix, .home = o->home};
    MLO_AUTOFREE char *url = NULL;
    int rc = mlo_credentials_s3(o->credentials, o->s3.profile, &p.key, err);
    if (rc != 0)
        return rc;
    p.endpoint = o->s3.endpoint;
    p.region = first(o->s3.region, p.key.region, "us-east-1");
    p.virtual_host = wants_virtual_host(o->s3.style, &p);
    rc = canonical(&p, &url, err);
    if (rc == 0)
        rc = mlo_s3_open_place(&p, o->http, ret, ret_self, err);
    if (rc == 0)
        *ret_url = mlo_steal(&url);
    return rc;
}

int mlo_s3_open(const char *url, const struct mlo_remote_opts *o, struct mlo_transport *ret, void **ret_self,
                char **ret_url, struct mlo_err *err)
{
    struct address a = {0};
    if (!o->http || !o->credentials)
        return mlo_fail(err, MLO_EUNAVAIL, "S3 needs the network");
    int rc = read_address(url, &a, err);
    if (rc == 0)
        rc = open_address(&a, o, ret, ret_self, ret_url, err);
    address_release(&a);
    return rc;
}
