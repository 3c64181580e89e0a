/*
 * Who we are to a registry. A challenge names a token server; what it gives is kept for as long as it says.
 * A login goes to the registry (Basic) or to the realm that its challenge names, and nowhere else: requests
 * to the realm follow no redirect, and a plain realm is taken from a plain registry alone.
 */
#include "registry.h"

#include <string.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#define TOKENS_MAX       64
#define EXPIRY_MARGIN_NS (5 * MLO_NS_PER_S) /* a token is not used in its last moments */
#define CLIENT_ID        "mlopsctl"

void mlo_secret_free(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void mlo_cleanup_secret(char **text)
{
    mlo_secret_free(*text);
}

static void str_wipe(struct mlo_str *s)
{
    explicit_bzero(s->ptr, s->len);
    mlo_str_release(s);
}

static void token_release(struct mlo_auth_token *t)
{
    free(t->scope);
    mlo_secret_free(t->value);
}

void mlo_auth_release(struct mlo_auth *a)
{
    for (size_t i = 0; i < a->n; i++)
        token_release(&a->tokens[i]);
    free(a->tokens);
    mlo_challenge_release(&a->how);
}

/* ---- the cache ---- */

static struct mlo_auth_token *find(struct mlo_auth *a, const char *scope)
{
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->tokens[i].scope, scope) == 0)
            return &a->tokens[i];
    return NULL;
}

static void forget(struct mlo_auth *a, struct mlo_auth_token *t)
{
    token_release(t);
    *t = a->tokens[--a->n];
}

/* Takes value. */
static int keep(struct mlo_auth *a, const char *scope, char *value, int64_t expires_ns, struct mlo_err *err)
{
    if (a->n >= TOKENS_MAX)
        forget(a, &a->tokens[0]);
    int rc = mlo_grow(&a->tokens, &a->cap, a->n + 1, sizeof *a->tokens, err);
    char *copy = rc == 0 ? mlo_strdup(scope, err) : NULL;
    if (!copy) {
        mlo_secret_free(value);
        return MLO_EIO;
    }
    a->tokens[a->n++] = (struct mlo_auth_token){copy, value, expires_ns};
    return 0;
}

/* ---- logins ---- */

static int load_login(struct mlo_registry *g, struct mlo_err *err)
{
    struct mlo_auth *a = &g->auth;
    if (a->has_login || !g->credentials)
        return 0;
    int rc = mlo_credentials_registry(g->credentials, g->host, &a->login, err);
    a->has_login = rc == 0;
    return rc;
}

static int basic_value(const struct mlo_login *l, char **ret, struct mlo_err *err)
{
    struct mlo_str pair, value;
    mlo_str_init(&pair, MLO_REGISTRY_TOKEN_MAX);
    mlo_str_init(&value, 2 * MLO_REGISTRY_TOKEN_MAX);
    mlo_str_addf(&pair, "%s:%s", l->user, l->password);
    mlo_str_add(&value, "Basic ");
    int rc = mlo_str_check(&pair, err);
    if (rc == 0)
        rc = mlo_base64_add(&value, pair.ptr, pair.len, err);
    str_wipe(&pair);
    if (rc == 0)
        rc = mlo_str_check(&value, err);
    if (rc == 0)
        *ret = mlo_str_detach(&value, NULL);
    else
        str_wipe(&value);
    return rc;
}

static int hint_login(const struct mlo_registry *g, struct mlo_err *err)
{
    if (g->auth.login.origin && (g->auth.login.user || g->auth.login.identity_token))
        return mlo_hint(err, "the login of %s was refused: renew it or see mlopsctl-credentials(5)",
                        g->auth.login.origin);
    return mlo_hint(err,
                    "there is no login for %s: log in with docker, podman or skopeo, or see "
                    "mlopsctl-credentials(5)",
                    g->host);
}

/* ---- tokens ---- */

struct asking { /* one request to the token server */
    char *basic;
    struct mlo_str url, form;
};

static int sign_basic(void *ctx, struct mlo_http_attempt *a, struct mlo_err *err)
{
    const struct asking *ask = ctx;
    return mlo_http_add_header(a, "Authorization", ask->basic, err);
}

static void add_field(struct mlo_str *out, char first, const char *name, const char *value)
{
    if (!value)
        return;
    mlo_str_addc(out, first);
    mlo_str_addf(out, "%s=", name);
    mlo_url_encode(out, value, strlen(value), false);
}

/* "pull,push" holds "pull". */
static bool has_action(const char *list, const char *action, size_t n)
{
    for (const char *p = list; *p && *p != ' '; p += *p == ',') {
        size_t length = strcspn(p, ", ");
        if (length == n && strncmp(p, action, n) == 0)
            return true;
        p += length;
    }
    return false;
}

/* Does the scope that we ask for include what the challenge named? */
static bool covers(const char *own, const char *asked)
{
    const char *colon = strrchr(asked, ':');
    size_t n = colon ? (size_t)(colon - asked) + 1 : 0;
    if (n == 0 || strncmp(own, asked, n) != 0)
        return false;
    for (const char *action = asked + n; *action; action += *action == ',') {
        size_t length = strcspn(action, ",");
        if (!has_action(own + n, action, length))
            return false;
        action += length;
    }
    return true;
}

/* The scopes of the request, and that of the challenge when it says another. */
static void add_scopes(struct mlo_str *out, const char *scope, const char *challenged)
{
    for (const char *p = scope; *p;) {
        size_t n = strcspn(p, " ");
        mlo_str_add(out, "&scope=");
        mlo_url_encode(out, p, n, false);
        p += n + (p[n] == ' ');
    }
    if (challenged && !covers(scope, challenged))
        add_field(out, '&', "scope", challenged);
}

static int ask_get(struct mlo_registry *g, const char *scope, struct asking *ask,
                   struct mlo_http_response *ret, struct mlo_err *err)
{
    const struct mlo_auth *a = &g->auth;
    int rc = a->login.user ? basic_value(&a->login, &ask->basic, err) : 0;
    mlo_str_add(&ask->url, a->how.realm);
    add_field(&ask->url, strchr(a->how.realm, '?') ? '&' : '?', "service",
              a->how.service ? a->how.service : g->host);
    add_scopes(&ask->url, scope, a->how.scope);
    add_field(&ask->url, '&', "account", a->login.user);
    if (rc == 0)
        rc = mlo_str_check(&ask->url, err);
    if (rc != 0)
        return rc;
    struct mlo_http_request req = {.method = "GET",
                                   .url = ask->url.ptr,
                                   .sign = ask->basic ? sign_basic : NULL,
                                   .sign_ctx = ask,
                                   .flags = MLO_HTTP_REPEATABLE};
    return mlo_http_do(g->http, &req, ret, err);
}

/* An identity token is an OAuth2 refresh token: it buys access tokens by a form. */
static int ask_post(struct mlo_registry *g, const char *scope, struct asking *ask,
                    struct mlo_http_response *ret, struct mlo_err *err)
{
    static const char *const headers[] = {"Content-Type", "application/x-www-form-urlencoded", NULL};
    const struct mlo_auth *a = &g->auth;
    mlo_str_add(&ask->form, "grant_type=refresh_token&client_id=" CLIENT_ID);
    add_field(&ask->form, '&', "service", a->how.service ? a->how.service : g->host);
    add_field(&ask->form, '&', "scope", scope);
    add_field(&ask->form, '&', "refresh_token", a->login.identity_token);
    int rc = mlo_str_check(&ask->form, err);
    if (rc != 0)
        return rc;
    struct mlo_http_body body = {
        .size = ask->form.len, .read = mlo_http_body_text, .ctx = (void *)ask->form.ptr};
    struct mlo_http_request req = {.method = "POST",
                                   .url = a->how.realm,
                                   .headers = headers,
                                   .body = &body,
                                   .flags = MLO_HTTP_REPEATABLE};
    return mlo_http_do(g->http, &req, ret, err);
}

static int bearer_value(const char *token, char **ret, struct mlo_err *err)
{
    struct mlo_str value;
    mlo_str_init(&value, MLO_REGISTRY_TOKEN_MAX + 16);
    mlo_str_addf(&value, "Bearer %s", token);
    int rc = mlo_str_check(&value, err);
    if (rc == 0)
        *ret = mlo_str_detach(&value, NULL);
    else
        str_wipe(&value);
    return rc;
}

static int take_answer(struct mlo_registry *g, const char *scope, const struct mlo_http_response *r,
                       struct mlo_err *err)
{
    MLO_AUTOSECRET char *token = NULL;
    char *value = NULL;
    uint64_t seconds = 0;
    int64_t now = mlo_time_mono();
    if (r->status != 200) {
        mlo_http_fail(r, err);
        mlo_wrap(err, "asking for a token");
        return r->status == 401 || r->status == 403 ? hint_login(g, err) : err->code;
    }
    int rc = mlo_token_parse(r->body ? r->body : "", r->n, &token, &seconds, err);
    if (rc == 0)
        rc = bearer_value(token, &value, err);
    if (rc != 0)
        return mlo_wrap(err, "%s", r->host);
    int64_t life = (int64_t)seconds * MLO_NS_PER_S;
    return keep(&g->auth, scope, value, now + (life > 2 * EXPIRY_MARGIN_NS ? life - EXPIRY_MARGIN_NS : life),
                err);
}

static int check_realm(const struct mlo_registry *g, const char *realm, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    if (strncmp(realm, "https://", 8) == 0 ||
        (strncmp(realm, "http://", 7) == 0 && strncmp(g->base, "http://", 7) == 0))
        return 0;
    return mlo_fail(err, MLO_EREMOTE, "%s sends logins to '%s', which is not https", g->host,
                    mlo_shown(realm, strlen(realm), shown));
}

static int fetch_token(struct mlo_registry *g, const char *scope, struct mlo_err *err)
{
    struct asking ask = {0};
    struct mlo_http_response r = {0};
    mlo_str_init(&ask.url, MLO_REGISTRY_URL_MAX);
    mlo_str_init(&ask.form, MLO_REGISTRY_TOKEN_MAX);
    g->requests++;
    int rc = check_realm(g, g->auth.how.realm, err);
    if (rc == 0)
        rc = g->auth.login.identity_token ? ask_post(g, scope, &ask, &r, err)
                                          : ask_get(g, scope, &ask, &r, err);
    if (rc == 0)
        rc = take_answer(g, scope, &r, err);
    if (r.body)
        explicit_bzero(r.body, r.n);
    mlo_http_response_release(&r);
    mlo_secret_free(ask.basic);
    str_wipe(&ask.form);
    mlo_str_release(&ask.url);
    return rc;
}

static int fetch_basic(struct mlo_registry *g, const char *scope, struct mlo_err *err)
{
    char *value = NULL;
    if (!g->auth.login.user) {
        mlo_fail(err, MLO_EREMOTE, "%s asks for a login", g->host);
        return hint_login(g, err);
    }
    int rc = basic_value(&g->auth.login, &value, err);
    return rc != 0 ? rc : keep(&g->auth, scope, value, INT64_MAX, err);
}

static int value_locked(struct mlo_registry *g, const char *scope, char **ret, struct mlo_err *err)
{
    struct mlo_auth *a = &g->auth;
    struct mlo_auth_token *t = find(a, scope);
    int rc = 0;
    if (a->how.scheme == MLO_AUTH_NONE)
        return 0;
    if (t && t->expires_ns <= mlo_time_mono()) {
        forget(a, t);
        t = NULL;
    }
    if (!t) {
        rc = load_login(g, err);
        if (rc == 0)
            rc = a->how.scheme == MLO_AUTH_BASIC ? fetch_basic(g, scope, err) : fetch_token(g, scope, err);
        t = rc == 0 ? find(a, scope) : NULL;
    }
    if (!t)
        return rc;
    *ret = mlo_strdup(t->value, err);
    return *ret ? 0 : MLO_EIO;
}

int mlo_auth_value(struct mlo_registry *g, const char *scope, char **ret, struct mlo_err *err)
{
    pthread_mutex_lock(&g->auth.lock); /* also while a token is fetched: the others want the same one */
    int rc = value_locked(g, scope, ret, err);
    pthread_mutex_unlock(&g->auth.lock);
    return rc;
}

static int challenged_locked(struct mlo_registry *g, const char *scope, const char *used,
                             const struct mlo_http_response *r, struct mlo_err *err)
{
    struct mlo_auth *a = &g->auth;
    struct mlo_auth_token *t = find(a, scope);
    struct mlo_challenge how = {0};
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_REGISTRY_TOKEN_MAX);
    if (t && (!used || strcmp(t->value, used) != 0))
        return 0; /* somebody else has fetched a new one meanwhile */
    if (t)
        forget(a, t);
    if (used && strncmp(used, "Basic ", 6) == 0) {
        mlo_http_fail(r, err);
        return hint_login(g, err);
    }
    mlo_http_header_all(r, "WWW-Authenticate", &text);
    if (text.len == 0)
        return a->how.scheme != MLO_AUTH_NONE ? 0 : mlo_http_fail(r, err);
    int rc = mlo_str_check(&text, err);
    if (rc == 0)
        rc = mlo_challenge_parse(text.ptr, &how, err);
    if (rc != 0)
        return mlo_wrap(err, "%s: WWW-Authenticate", g->host);
    mlo_challenge_release(&a->how);
    a->how = how;
    return 0;
}

int mlo_auth_challenged(struct mlo_registry *g, const char *scope, const char *used,
                        const struct mlo_http_response *r, struct mlo_err *err)
{
    pthread_mutex_lock(&g->auth.lock);
    int rc = challenged_locked(g, scope, used, r, err);
    pthread_mutex_unlock(&g->auth.lock);
    return rc;
}
