/*
 * A registry: its address, which repository a name means, and requests to it. The first request finds out
 * whether it speaks https and whom it takes logins from.
 */
#include "registry.h"

#include <errno.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#define RENEWALS_MAX  8 /* requests that run beside this one may wear out a token before it is used here */
#define REDIRECTS_MAX 5
#define PING_ATTEMPTS 2 /* of the scheme that is tried first on the loopback */

/* ---- names ---- */

/* [a-z0-9]+ parts joined by one of . _ __ or dashes. */
static bool component_valid(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool plain = (p[i] >= 'a' && p[i] <= 'z') || (p[i] >= '0' && p[i] <= '9');
        size_t run = plain ? 0 : strspn(p + i, "-");
        if (!plain && run == 0)
            run = strncmp(p + i, "__", 2) == 0 ? 2 : p[i] == '_' || p[i] == '.';
        if (plain)
            continue;
        if (run == 0 || i == 0 || i + run >= n || strchr("-._", p[i + run]))
            return false;
        i += run - 1;
    }
    return n > 0;
}

bool mlo_repository_valid(const char *text)
{
    for (const char *p = text;; p++) {
        size_t n = strcspn(p, "/");
        if (!component_valid(p, n))
            return false;
        p += n;
        if (*p == '\0')
            return true;
    }
}

static bool ends_in(const char *path, const char *name)
{
    size_t n = strlen(path), m = strlen(name);
    return n >= m && strcmp(path + n - m, name) == 0 && (n == m || path[n - m - 1] == '/');
}

int mlo_registry_repository(const struct mlo_registry *g, const char *name, char buf[MLO_REPOSITORY_MAX],
                            struct mlo_err *err)
{
    char text[2 * MLO_REGISTRY_NAME_MAX];
    bool whole = ends_in(g->path, name);
    int n = snprintf(text, sizeof text, "%s%s%s", g->path, whole || !*g->path ? "" : "/", whole ? "" : name);
    bool fits = n > 0 && (size_t)n + strlen(g->host) < MLO_REGISTRY_NAME_MAX;
    if (!fits || !mlo_repository_valid(text)) {
        mlo_fail(err, MLO_EUSAGE, "'%s' at oci://%s%s%s gives no repository name", name, g->host,
                 *g->path ? "/" : "", g->path);
        return mlo_hint(err, "the repository is the address's path with the name after it; --as gives "
                             "another name");
    }
    memcpy(buf, text, (size_t)n + 1);
    return 0;
}

void mlo_registry_scope(char buf[MLO_SCOPE_MAX], const char *repository, enum mlo_registry_access access)
{
    static const char *const actions[] = {
        [MLO_ACCESS_PULL] = "pull", [MLO_ACCESS_PUSH] = "pull,push", [MLO_ACCESS_DELETE] = "delete"};
    snprintf(buf, MLO_SCOPE_MAX, "repository:%s:%s", repository, actions[access]);
}

/* ---- requests ---- */

static int sign(void *ctx, struct mlo_http_attempt *a, struct mlo_err *err)
{
    return mlo_http_add_header(a, "Authorization", ctx, err);
}

bool mlo_registry_is_home(const struct mlo_registry *g, const char *url)
{
    size_t n = strlen(g->base);
    return strncmp(url, g->base, n) == 0 && (url[n] == '/' || url[n] == '?' || url[n] == '\0');
}

/* Warning: 299 - "text": for people, once each. */
static void show_warning(struct mlo_registry *g, const struct mlo_http_response *r)
{
    const char *text = mlo_http_header(r, "Warning");
    const char *quote = text ? strchr(text, '"') : NULL;
    struct mlo_err ignored = MLO_ERR_INIT;
    struct mlo_digest d;
    bool is_new = false;
    if (!quote || mlo_sha256(text, strlen(text), &d, &ignored) != 0)
        return;
    pthread_mutex_lock(&g->lock);
    if (g->warned.count < 64 && mlo_digest_set_add(&g->warned, &d, &is_new, &ignored) != 0)
        is_new = false;
    pthread_mutex_unlock(&g->lock);
    if (!is_new)
        return;
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, 2048);
    mlo_str_addf(&shown, "%s says: ", g->host);
    mlo_escape(&shown, quote + 1, strcspn(quote + 1, "\""));
    if (mlo_str_check(&shown, &ignored) == 0)
        mlo_http_tell(g->http, "%s", shown.ptr);
}

/* One request, credentials for home alone. */
static int do_once(struct mlo_registry *g, char *authorization, const struct mlo_http_request *req,
                   struct mlo_http_response *ret, struct mlo_err *err)
{
    struct mlo_http_request r = *req;
    r.sign = authorization && mlo_registry_is_home(g, req->url) ? sign : NULL;
    r.sign_ctx = authorization;
    g->requests++;
    int rc = mlo_http_do(g->http, &r, ret, err);
    if (rc == 0)
        show_warning(g, ret);
    return rc;
}

/* An upload that is sent elsewhere: GET and HEAD are followed by the client itself. */
static int do_following(struct mlo_registry *g, char *authorization, const struct mlo_http_request *req,
                        struct mlo_http_response *ret, struct mlo_err *err)
{
    bool upload = strcmp(req->method, "GET") != 0 && strcmp(req->method, "HEAD") != 0;
    struct mlo_http_request r = *req;
    MLO_AUTOFREE char *url = NULL;
    for (unsigned i = 0;; i++) {
        int rc = do_once(g, authorization, &r, ret, err);
        if (rc != 0 || !upload || (ret->status != 307 && ret->status != 308))
            return rc;
        const char *to = mlo_http_header(ret, "Location");
        char *next = NULL;
        if (!to || i >= REDIRECTS_MAX)
            return 0;
        rc = mlo_url_resolve(r.url, to, &next, err);
        if (rc == 0 && strncmp(r.url, "https:", 6) == 0 && strncmp(next, "https:", 6) != 0)
            rc = mlo_fail(err, MLO_EREMOTE, "%s sends an upload from https to http", ret->host);
        mlo_http_response_release(ret);
        *ret = (struct mlo_http_response){0};
        free(url);
        r.url = url = next;
        if (rc != 0)
            return rc;
    }
}

static int answer_of(struct mlo_registry *g, const char *scope, const struct mlo_http_request *req,
                     struct mlo_http_response *ret, struct mlo_err *err)
{
    for (unsigned renewals = 0;; renewals++) {
        MLO_AUTOSECRET char *authorization = NULL;
        int rc = mlo_auth_value(g, scope, &authorization, err);
        if (rc == 0)
            rc = do_following(g, authorization, req, ret, err);
        if (rc != 0 || ret->status != 401 || renewals >= RENEWALS_MAX)
            return rc;
        rc = mlo_auth_challenged(g, scope, authorization, ret, err);
        mlo_http_response_release(ret);
        *ret = (struct mlo_http_response){0};
        if (rc != 0)
            return rc;
    }
}

/* ---- the first request ---- */

static bool is_loopback(const char *host)
{
    return strncmp(host, "localhost", 9) == 0 || strncmp(host, "127.", 4) == 0 ||
           strncmp(host, "[::1]", 5) == 0;
}

static int ping(struct mlo_registry *g, const char *base, unsigned attempts, struct mlo_err *err)
{
    struct mlo_http_response r = {0};
    MLO_AUTOSTR struct mlo_str url;
    mlo_str_init(&url, MLO_REGISTRY_URL_MAX);
    mlo_str_addf(&url, "%s/v2/", base);
    int rc = mlo_str_check(&url, err);
    struct mlo_http_request req = {
        .method = "GET", .url = url.ptr, .flags = MLO_HTTP_REPEATABLE, .attempts = attempts};
    g->requests++;
    if (rc == 0)
        rc = mlo_http_do(g->http, &req, &r, err);
    if (rc == 0 && r.status == 401)
        rc = mlo_auth_challenged(g, "", NULL, &r, err);
    else if (rc == 0 && r.status == 404) {
        mlo_fail(err, MLO_EREMOTE, "%s is no registry: it has no /v2/", g->host);
        rc = mlo_hint(err, "the host comes first, then the repository: oci://HOST[:PORT]/REPOSITORY");
    } else if (rc == 0 && r.status != 200)
        rc = mlo_http_fail(&r, err);
    mlo_http_response_release(&r);
    return rc;
}

/* On the loopback http comes first; elsewhere https, and http only where the settings allow it (else the
 * client refuses it). The first failure is told, unless it was the wrong language. */
static int find_base(struct mlo_registry *g, char **ret, struct mlo_err *err)
{
    const char *api = g->quirks->api ? g->quirks->api : g->host;
    static const char *const order[2][2] = {{"https", "http"}, {"http", "https"}};
    bool loopback = is_loopback(g->host);
    int rc = 0;
    for (int i = 0; i < 2; i++) {
        struct mlo_err why = MLO_ERR_INIT;
        MLO_AUTOSTR struct mlo_str base;
        mlo_str_init(&base, MLO_REGISTRY_URL_MAX);
        mlo_str_addf(&base, "%s://%s", order[loopback][i], api);
        int one = mlo_str_check(&base, &why);
        if (one == 0)
            one = ping(g, base.ptr, i == 1 ? 1 : loopback ? PING_ATTEMPTS : 0, &why);
        if (one == 0) {
            *ret = mlo_str_detach(&base, NULL);
            return 0;
        }
        if (i == 0 || rc == MLO_EUSAGE) { /* 400: a TLS server was asked in clear */
            *err = why;
            rc = one;
        }
        if (why.sys_errno == EINTR)
            break;
    }
    return rc;
}

static int connect_once(struct mlo_registry *g, struct mlo_err *err)
{
    pthread_mutex_lock(&g->lock);
    int rc = g->base ? 0 : find_base(g, &g->base, err);
    pthread_mutex_unlock(&g->lock);
    return rc;
}

int mlo_registry_do(struct mlo_registry *g, const char *scope, const struct mlo_http_request *req,
                    struct mlo_http_response *ret, struct mlo_err *err)
{
    struct mlo_http_response r = {0};
    int rc = connect_once(g, err);
    if (rc == 0)
        rc = answer_of(g, scope, req, &r, err);
    *ret = r;
    return rc;
}

int mlo_registry_fail(const struct mlo_registry *g, const struct mlo_http_response *r, struct mlo_err *err)
{
    mlo_http_fail(r, err);
    if (r->status == 401 || r->status == 403)
        mlo_hint(err,
                 "log in to %s with docker, podman or skopeo, or see mlopsctl-credentials(5); the "
                 "login must have the right to do this",
                 g->host);
    else if (r->status == 429)
        mlo_hint(err, "the registry limits requests: try again later, or log in for a higher limit");
    return err->code;
}

char *mlo_registry_url(struct mlo_registry *g, const char *repository, struct mlo_err *err, const char *fmt,
                       ...)
{
    struct mlo_str url;
    va_list ap;
    if (connect_once(g, err) != 0)
        return NULL;
    mlo_str_init(&url, MLO_REGISTRY_URL_MAX);
    mlo_str_addf(&url, "%s/v2/%s%s", g->base, repository, *repository ? "/" : "");
    va_start(ap, fmt);
    mlo_str_vaddf(&url, fmt, ap);
    va_end(ap);
    if (mlo_str_check(&url, err) != 0) {
        mlo_str_release(&url);
        return NULL;
    }
    return mlo_str_detach(&url, NULL);
}

/* ---- opening ---- */

static void registry_close(void *self)
{
    struct mlo_registry *g = self;
    mlo_auth_release(&g->auth);
    mlo_held_free(g->held);
    mlo_digest_set_release(&g->warned);
    pthread_mutex_destroy(&g->auth.lock);
    pthread_mutex_destroy(&g->lock);
    free(g->host);
    free(g->base);
    free(g->path);
    free(g);
}

/* HOST[:PORT], a name or an address. */
static bool host_valid(const char *host)
{
    size_t n = strlen(host), name = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                 "0123456789.-");
    if (host[0] == '[')
        name = strspn(host + 1, "0123456789abcdefABCDEF:.") + 2;
    if (name == 0 || name > n || (host[0] == '[' && host[name - 1] != ']'))
        return false;
    if (name == n)
        return true;
    size_t digits = strspn(host + name + 1, "0123456789");
    return host[name] == ':' && digits >= 1 && digits <= 5 && name + 1 + digits == n;
}

static int fail_url(const char *why, struct mlo_err *err)
{
    mlo_fail(err, MLO_EUSAGE, "%s", why);
    return mlo_hint(err, "write it as oci://HOST[:PORT]/REPOSITORY, and the bundle's NAME[:TAG] before it");
}

/* Splits the address; what stands after the host is where names begin. */
static int read_url(struct mlo_registry *g, const char *url, struct mlo_err *err)
{
    const char *host = url + strlen("oci://"), *slash = strchr(host, '/');
    const char *path = slash ? slash + 1 : "";
    size_t n = strlen(path);
    if (strchr(host, '@') && (!slash || strchr(host, '@') < slash))
        return fail_url("a login does not belong into the address", err);
    if (strchr(path, ':') || strchr(path, '@'))
        return fail_url("a tag or digest does not belong into the address", err);
    while (n > 0 && path[n - 1] == '/')
        n--;
    g->host = mlo_memdup0(host, slash ? (size_t)(slash - host) : strlen(host), err);
    g->path = g->host ? mlo_memdup0(path, n, err) : NULL;
    if (!g->path)
        return MLO_EIO;
    if (!host_valid(g->host) || strlen(g->host) + n >= MLO_REGISTRY_NAME_MAX)
        return fail_url("that is no host name", err);
    if (*g->path && !mlo_repository_valid(g->path))
        return fail_url("repositories are lower-case words between slashes, joined by . _ or -", err);
    return 0;
}

static const struct mlo_remote_ops registry_ops = {
    .ref_get = mlo_registry_ref_get,
    .ref_set = mlo_registry_ref_set,
    .ref_each = mlo_registry_ref_each,
    .ref_removable = mlo_registry_ref_removable,
    .push = mlo_registry_push,
    .pull = mlo_registry_pull,
    .fetch_blob = mlo_registry_fetch_blob,
    .check = mlo_registry_check,
    .try_write = mlo_registry_try_write,
};

int mlo_registry_open(const char *url, const struct mlo_remote_opts *o, struct mlo_remote **ret,
                      struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str canonical;
    mlo_str_init(&canonical, MLO_REGISTRY_URL_MAX);
    if (!o->http)
        return mlo_fail(err, MLO_EUNAVAIL, "registries need the network");
    struct mlo_registry *g = mlo_calloc(1, sizeof *g, err);
    if (!g)
        return MLO_EIO;
    g->http = o->http;
    g->credentials = o->credentials;
    pthread_mutex_init(&g->lock, NULL);
    pthread_mutex_init(&g->auth.lock, NULL);
    int rc = read_url(g, url, err);
    if (rc == 0) {
        g->quirks = mlo_registry_quirks(g->host);
        g->whole_max = g->quirks->whole_max;
        g->chunk = g->quirks->chunk;
        mlo_str_addf(&canonical, "oci://%s%s%s", g->host, *g->path ? "/" : "", g->path);
        rc = mlo_str_check(&canonical, err);
    }
    if (rc != 0) {
        registry_close(g);
        return rc;
    }
    return mlo_remote_make(&registry_ops, NULL, g, registry_close, canonical.ptr, ret, err);
}
