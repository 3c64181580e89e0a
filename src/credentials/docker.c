/*
 * Docker's config.json, podman's auth.json and the answers of docker-credential programs. Read token by token
 * from where the text stands: a tree of nodes would leave copies of passwords in freed memory.
 */
#include "internal.h"

#include <string.h>

#include <mlopsctl/base/json.h>

#define HUB "https://index.docker.io/v1/"

void mlo_docker_release(struct mlo_docker_entry *e)
{
    struct mlo_str *all[] = {&e->helper, &e->store, &e->user, &e->password, &e->identity_token};
    for (size_t i = 0; i < MLO_COUNT(all); i++)
        mlo_wipe_str(all[i]);
}

static void entry_init(struct mlo_docker_entry *e)
{
    struct mlo_str *all[] = {&e->helper, &e->store, &e->user, &e->password, &e->identity_token};
    for (size_t i = 0; i < MLO_COUNT(all); i++)
        mlo_str_init(all[i], 0);
}

/* ---- hosts ---- */

static bool is_hub(const char *host, size_t n)
{
    static const char *const names[] = {"docker.io", "index.docker.io", "registry-1.docker.io"};
    for (size_t i = 0; i < MLO_COUNT(names); i++)
        if (strlen(names[i]) == n && strncasecmp(names[i], host, n) == 0)
            return true;
    return false;
}

const char *mlo_docker_server(const char *host)
{
    return is_hub(host, strlen(host)) ? HUB : host;
}

/* Is this key of a file the host as a whole? Older keys are URLs; one with another path is for a part of it.
 */
static bool is_host(const char *key, const char *host)
{
    static const char *const schemes[] = {"https://", "http://"};
    static const char *const paths[] = {"", "/", "/v1", "/v1/", "/v2", "/v2/"};
    for (size_t i = 0; i < MLO_COUNT(schemes); i++)
        if (strncmp(key, schemes[i], strlen(schemes[i])) == 0)
            key += strlen(schemes[i]);
    size_t n = strcspn(key, "/");
    bool whole = false;
    for (size_t i = 0; i < MLO_COUNT(paths); i++)
        whole |= strcmp(key + n, paths[i]) == 0;
    if (!whole)
        return false;
    return is_hub(host, strlen(host)) ? is_hub(key, n) : n == strlen(host) && strncasecmp(key, host, n) == 0;
}

/* ---- JSON ---- */

/* The value that comes next as text into `out`; any other value is passed over. */
static int take_text(struct mlo_jpull *j, struct mlo_str *out, struct mlo_err *err)
{
    struct mlo_jpull ahead = *j;
    enum mlo_jtok tok;
    int rc = mlo_jpull_next(&ahead, &tok, err);
    if (rc != 0)
        return rc;
    if (tok != MLO_J_STRING)
        return mlo_jpull_skip(j, err);
    *j = ahead;
    mlo_wipe_str(out);
    rc = mlo_secret_room(out, j->len, err);
    return rc != 0 ? rc : mlo_jpull_unescape(j, out, err);
}

typedef int (*member_fn)(void *ctx, const char *key, struct mlo_jpull *j, struct mlo_err *err);

/* fn reads or skips the value of each member. A value that is no object is passed over. */
static int each_member(struct mlo_jpull *j, member_fn fn, void *ctx, struct mlo_err *err)
{
    struct mlo_jpull ahead = *j;
    enum mlo_jtok tok;
    int rc = mlo_jpull_next(&ahead, &tok, err);
    if (rc != 0 || tok != MLO_J_OBJECT)
        return rc != 0 ? rc : mlo_jpull_skip(j, err);
    *j = ahead;
    while ((rc = mlo_jpull_next(j, &tok, err)) == 0 && tok == MLO_J_KEY) {
        MLO_AUTOSTR struct mlo_str key;
        mlo_str_init(&key, MLO_CREDENTIALS_FILE_MAX);
        rc = mlo_jpull_unescape(j, &key, err);
        if (rc == 0)
            rc = fn(ctx, key.ptr, j, err);
        if (rc != 0)
            return rc;
    }
    return rc;
}

static int read_document(const char *text, size_t n, member_fn fn, void *ctx, struct mlo_err *err)
{
    struct mlo_jpull j;
    enum mlo_jtok tok;
    mlo_jpull_init(&j, text, n);
    struct mlo_jpull ahead = j;
    int rc = mlo_jpull_next(&ahead, &tok, err);
    if (rc == 0 && tok != MLO_J_OBJECT)
        return mlo_fail(err, MLO_EINVALID, "not a JSON object");
    if (rc == 0)
        rc = each_member(&j, fn, ctx, err);
    return rc != 0 ? rc : mlo_jpull_next(&j, &tok, err);
}

/* ---- config.json ---- */

struct search {
    const char *host;
    struct mlo_docker_entry *e;
};

/* "user:password" in base64. */
static int take_auth(struct mlo_jpull *j, struct mlo_docker_entry *e, struct mlo_err *err)
{
    struct mlo_str coded, plain;
    mlo_str_init(&coded, 0);
    mlo_str_init(&plain, 0);
    int rc = take_text(j, &coded, err);
    if (rc == 0)
        rc = mlo_secret_room(&plain, coded.len, err);
    if (rc == 0)
        rc = mlo_base64_read(coded.ptr, coded.len, &plain, err);
    const char *colon = rc == 0 ? memchr(plain.ptr, ':', plain.len) : NULL;
    if (colon) {
        size_t user = (size_t)(colon - plain.ptr), password = plain.len - user - 1;
        mlo_wipe_str(&e->user);
        mlo_wipe_str(&e->password);
        if (mlo_secret_room(&e->user, user, err) || mlo_secret_room(&e->password, password, err))
            rc = err->code;
        mlo_str_addn(&e->user, plain.ptr, user);
        mlo_str_addn(&e->password, colon + 1, password);
    }
    if (rc == 0 && plain.len && !colon)
        rc = mlo_fail(err, MLO_EINVALID, "\"auth\" is not user:password in base64");
    mlo_wipe_str(&coded);
    mlo_wipe_str(&plain);
    return rc;
}

static int auth_member(void *ctx, const char *key, struct mlo_jpull *j, struct mlo_err *err)
{
    struct mlo_docker_entry *e = ctx;
    if (strcmp(key, "auth") == 0)
        return take_auth(j, e, err);
    if (strcmp(key, "username") == 0)
        return take_text(j, &e->user, err);
    if (strcmp(key, "password") == 0)
        return take_text(j, &e->password, err);
    if (strcmp(key, "identitytoken") == 0)
        return take_text(j, &e->identity_token, err);
    return mlo_jpull_skip(j, err);
}

static int auths_member(void *ctx, const char *key, struct mlo_jpull *j, struct mlo_err *err)
{
    const struct search *s = ctx;
    return is_host(key, s->host) ? each_member(j, auth_member, s->e, err) : mlo_jpull_skip(j, err);
}

static int helpers_member(void *ctx, const char *key, struct mlo_jpull *j, struct mlo_err *err)
{
    const struct search *s = ctx;
    return is_host(key, s->host) ? take_text(j, &s->e->helper, err) : mlo_jpull_skip(j, err);
}

static int config_member(void *ctx, const char *key, struct mlo_jpull *j, struct mlo_err *err)
{
    const struct search *s = ctx;
    if (strcmp(key, "auths") == 0)
        return each_member(j, auths_member, ctx, err);
    if (strcmp(key, "credHelpers") == 0)
        return each_member(j, helpers_member, ctx, err);
    if (strcmp(key, "credsStore") == 0)
        return take_text(j, &s->e->store, err);
    return mlo_jpull_skip(j, err);
}

int mlo_docker_find(const char *text, size_t n, const char *host, struct mlo_docker_entry *ret,
                    struct mlo_err *err)
{
    struct search s = {host, ret};
    entry_init(ret);
    return read_document(text, n, config_member, &s, err);
}

/* ---- what a helper says ---- */

static int answer_member(void *ctx, const char *key, struct mlo_jpull *j, struct mlo_err *err)
{
    struct mlo_docker_entry *e = ctx;
    if (strcmp(key, "Username") == 0)
        return take_text(j, &e->user, err);
    if (strcmp(key, "Secret") == 0)
        return take_text(j, &e->password, err);
    return mlo_jpull_skip(j, err);
}

/* A user called <token> has no password but an identity token. */
int mlo_docker_answer(const char *text, size_t n, struct mlo_docker_entry *ret, struct mlo_err *err)
{
    entry_init(ret);
    int rc = read_document(text, n, answer_member, ret, err);
    if (rc != 0)
        return rc;
    if (!ret->password.len)
        return mlo_fail(err, MLO_EINVALID, "no secret in it");
    if (strcmp(ret->user.ptr, "<token>") == 0) {
        ret->identity_token = ret->password;
        mlo_str_init(&ret->password, 0);
        mlo_wipe_str(&ret->user);
    }
    return 0;
}
