/* One object: is it there, read it, write it in one request, remove it. */
#include "s3.h"

#include <string.h>

#include <mlopsctl/base/text.h>

#define LOST_AGAIN 4 /* what was just written may be shown late, or not at all */

/* ---- stat ---- */

static bool size_of(const struct mlo_http_response *r, uint64_t *ret)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    const char *total = mlo_http_header(r, "content-range"), *length = mlo_http_header(r, "content-length");
    const char *text = total ? strrchr(total, '/') : NULL;
    text = text ? text + 1 : length;
    return text && mlo_parse_u64(text, 0, MLO_BLOB_SIZE_MAX, "size", ret, &ignored) == 0;
}

static int no_size(const struct mlo_http_response *r, const char *key, struct mlo_err *err)
{
    return mlo_fail(err, MLO_EREMOTE, "'%s' does not say how large '%s' is", r->host, key);
}

static void take_etag(const struct mlo_http_response *r, char ret[MLO_S3_ETAG_MAX])
{
    const char *etag = mlo_http_header(r, "etag");
    snprintf(ret, MLO_S3_ETAG_MAX, "%s", etag && strlen(etag) < MLO_S3_ETAG_MAX ? etag : "");
}

/*
 * HEAD has no body that could say why, some gateways refuse it where they would give the object, and a folder
 * of RunPod's answers 400: the first byte of a GET tells more, and its Content-Range the size.
 */
static int look_by_get(struct mlo_s3 *s, const char *key, uint64_t *ret_size, char ret_etag[MLO_S3_ETAG_MAX],
                       struct mlo_err *err)
{
    static const struct mlo_http_range one = {0, 1};
    struct mlo_http_response r;
    enum mlo_s3_trouble t;
    struct mlo_s3_ask a = {
        .method = "GET", .key = key, .range = &one, .max_body = 1 << 16, .flags = MLO_HTTP_REPEATABLE};
    int rc = mlo_s3_do(s, &a, &r, &t, err);
    if (rc != 0)
        return rc;
    take_etag(&r, ret_etag);
    if (t == MLO_S3_RANGE)
        *ret_size = 0;
    else if (t == MLO_S3_OTHER && r.status == 400 && s->runpod)
        rc = mlo_fail(err, MLO_ENOTFOUND, "'%s' is a folder there", key);
    else if (t != MLO_S3_FINE)
        rc = mlo_s3_fail(s, key, &r, t, err);
    else if (!size_of(&r, ret_size))
        rc = no_size(&r, key, err);
    mlo_http_response_release(&r);
    return rc;
}

static int look_once(struct mlo_s3 *s, const char *key, uint64_t *ret_size, char ret_etag[MLO_S3_ETAG_MAX],
                     struct mlo_err *err)
{
    struct mlo_http_response r;
    enum mlo_s3_trouble t;
    struct mlo_s3_ask a = {.method = "HEAD", .key = key, .flags = MLO_HTTP_REPEATABLE};
    int rc = mlo_s3_do(s, &a, &r, &t, err);
    if (rc != 0)
        return rc;
    take_etag(&r, ret_etag);
    if (t == MLO_S3_NO_KEY)
        rc = mlo_s3_fail(s, key, &r, t, err);
    else if (t == MLO_S3_FINE && !size_of(&r, ret_size))
        rc = no_size(&r, key, err);
    mlo_http_response_release(&r);
    return t == MLO_S3_FINE || t == MLO_S3_NO_KEY ? rc : look_by_get(s, key, ret_size, ret_etag, err);
}

int mlo_s3_look(struct mlo_s3 *s, const char *key, uint64_t *ret_size, char ret_etag[MLO_S3_ETAG_MAX],
                struct mlo_err *err)
{
    int rc = look_once(s, key, ret_size, ret_etag, err);
    if (rc != MLO_ENOTFOUND || !mlo_s3_is_fresh(s, key))
        return rc;
    for (unsigned round = 1; rc == MLO_ENOTFOUND && round <= LOST_AGAIN; round++) {
        *err = MLO_ERR_INIT;
        rc = mlo_s3_pause(s, round, err);
        if (rc == 0)
            rc = round < LOST_AGAIN ? look_once(s, key, ret_size, ret_etag, err)
                                    : look_by_get(s, key, ret_size, ret_etag, err);
    }
    return rc;
}

int mlo_s3_stat(void *self, const char *key, uint64_t *ret_size, struct mlo_err *err)
{
    char etag[MLO_S3_ETAG_MAX];
    return mlo_s3_look(self, key, ret_size, etag, err);
}

/* ---- get ---- */

struct counted {
    int (*sink)(void *ctx, const void *p, size_t n, struct mlo_err *err);
    void *ctx;
    uint64_t n;
};

static int count(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    struct counted *c = ctx;
    c->n += n;
    return c->sink(c->ctx, p, n, err);
}

/* What was just written may be shown late to a reader, too. */
static int get(struct mlo_s3 *s, const struct mlo_s3_ask *a, struct mlo_err *err)
{
    struct mlo_http_response r;
    enum mlo_s3_trouble t;
    for (unsigned round = 1;; round++) {
        int rc = mlo_s3_do(s, a, &r, &t, err);
        if (rc != 0)
            return rc;
        bool again = t == MLO_S3_NO_KEY && round <= LOST_AGAIN && mlo_s3_is_fresh(s, a->key);
        rc = t != MLO_S3_FINE ? mlo_s3_fail(s, a->key, &r, t, err) : 0;
        mlo_http_response_release(&r);
        if (!again)
            return rc;
        *err = MLO_ERR_INIT;
        if (mlo_s3_pause(s, round, err))
            return err->code;
    }
}

int mlo_s3_get(void *self, const char *key, uint64_t offset, uint64_t length, uint64_t max,
               int (*sink)(void *ctx, const void *p, size_t n, struct mlo_err *err), void *ctx,
               struct mlo_err *err)
{
    struct counted c = {sink, ctx, 0};
    struct mlo_http_range range = {offset, length};
    bool whole = offset == 0 && length == UINT64_MAX;
    struct mlo_s3_ask a = {.method = "GET",
                           .key = key,
                           .sink = count,
                           .sink_ctx = &c,
                           .range = whole ? NULL : &range,
                           .max_body = max ? max : 1,
                           .flags = MLO_HTTP_REPEATABLE};
    uint64_t size;
    if (length == 0)
        return mlo_s3_stat(self, key, &size, err);
    if (length != UINT64_MAX && length > max)
        return mlo_fail(err, MLO_EINVALID, "'%s' is larger than allowed", key);
    int rc = get(self, &a, err);
    if (rc == 0 && length != UINT64_MAX && c.n != length)
        return mlo_fail(err, MLO_EINVALID, "'%s' is shorter than it should be", key);
    return rc;
}

/* ---- put, remove ---- */

static int put_whole(struct mlo_s3 *s, const char *key, const char *const *headers,
                     const struct mlo_body *body, enum mlo_s3_trouble *ret, struct mlo_err *err)
{
    struct mlo_http_body bytes = {body->size, body->read, body->ctx};
    struct mlo_s3_ask a = {.method = "PUT",
                           .key = key,
                           .headers = headers,
                           .body = &bytes,
                           .digest = &body->digest,
                           .flags = MLO_HTTP_REPEATABLE};
    struct mlo_http_response r;
    int rc = mlo_s3_do(s, &a, &r, ret, err);
    if (rc != 0)
        return rc;
    if (*ret != MLO_S3_FINE)
        rc = mlo_s3_fail(s, key, &r, *ret, err);
    mlo_http_response_release(&r);
    return rc;
}

int mlo_s3_put(void *self, const char *key, const struct mlo_body *body, struct mlo_err *err)
{
    struct mlo_s3 *s = self;
    enum mlo_s3_trouble t = MLO_S3_FINE;
    int rc = body->size <= mlo_s3_put_max(s) ? put_whole(s, key, NULL, body, &t, err) : 0;
    bool parts = body->size > mlo_s3_put_max(s);
    if (t == MLO_S3_LARGE && !body->divisible && mlo_s3_lower_put_max(s, body->size)) {
        *err = MLO_ERR_INIT;
        parts = true;
        rc = 0;
    }
    if (rc == 0 && parts)
        rc = mlo_s3_put_parts(s, key, body, err);
    if (rc == 0)
        mlo_s3_note_fresh(s, key);
    return rc;
}

/* ---- put, if nobody else has ---- */

int mlo_s3_version(void *self, const char *key, char ret[MLO_VERSION_MAX], struct mlo_err *err)
{
    uint64_t size;
    return mlo_s3_look(self, key, &size, ret, err);
}

static enum mlo_s3_condition condition(struct mlo_s3 *s)
{
    pthread_mutex_lock(&s->lock);
    enum mlo_s3_condition now = s->condition;
    pthread_mutex_unlock(&s->lock);
    return now;
}

static void set_condition(struct mlo_s3 *s, enum mlo_s3_condition to)
{
    pthread_mutex_lock(&s->lock);
    s->condition = to;
    pthread_mutex_unlock(&s->lock);
}

static int put_if(struct mlo_s3 *s, const char *key, const char *version, enum mlo_s3_condition how,
                  const struct mlo_body *body, enum mlo_s3_trouble *ret, struct mlo_err *err)
{
    char value[MLO_VERSION_MAX];
    size_t n = strlen(version);
    bool quoted = n >= 2 && version[0] == '"' && version[n - 1] == '"';
    snprintf(value, sizeof value, "%s", version);
    if (how == MLO_S3_IF_BARE && quoted)
        snprintf(value, sizeof value, "%.*s", (int)(n - 2), version + 1);
    const char *const match[] = {"If-Match", value, NULL}, *const none[] = {"If-None-Match", "*", NULL};
    return put_whole(s, key, *version ? match : none, body, ret, err);
}

/* Is the condition met, whatever the service said? *ret with a failure in err otherwise. */
static int is_met(struct mlo_s3 *s, const char *key, const char *version, struct mlo_err *err)
{
    char now[MLO_VERSION_MAX] = "";
    int rc = mlo_s3_version(s, key, now, err);
    if (rc != 0 && rc != MLO_ENOTFOUND)
        return rc;
    *err = MLO_ERR_INIT;
    return strcmp(now, version) == 0 ? 0 : mlo_fail(err, MLO_ECONFLICT, "'%s' was written meanwhile", key);
}

/*
 * Services that do not know a condition ignore it, refuse the request, or never find it met. What is
 * understood is remembered.
 */
int mlo_s3_replace(void *self, const char *key, const char *version, const struct mlo_body *body,
                   struct mlo_err *err)
{
    struct mlo_s3 *s = self;
    for (;;) {
        enum mlo_s3_condition how = condition(s);
        enum mlo_s3_trouble t = MLO_S3_FINE;
        if (how == MLO_S3_IF_NONE)
            return mlo_s3_put(s, key, body, err);
        int rc = put_if(s, key, version, how, body, &t, err);
        if (rc == 0)
            mlo_s3_note_fresh(s, key);
        if (rc == 0 || (t != MLO_S3_UNMET && t != MLO_S3_OTHER))
            return rc;
        *err = MLO_ERR_INIT;
        rc = t == MLO_S3_UNMET ? is_met(s, key, version, err) : 0;
        if (rc != 0)
            return rc;
        set_condition(s, t == MLO_S3_UNMET && how == MLO_S3_IF_ETAG ? MLO_S3_IF_BARE : MLO_S3_IF_NONE);
    }
}

int mlo_s3_remove(void *self, const char *key, struct mlo_err *err)
{
    struct mlo_s3 *s = self;
    struct mlo_http_response r;
    enum mlo_s3_trouble t;
    uint64_t size;
    struct mlo_s3_ask a = {.method = "DELETE", .key = key, .flags = MLO_HTTP_REPEATABLE};
    int rc = mlo_s3_do(s, &a, &r, &t, err);
    if (rc != 0)
        return rc;
    bool unclear = r.unclear;
    if (t != MLO_S3_FINE && t != MLO_S3_NO_KEY)
        rc = mlo_s3_fail(s, key, &r, t, err);
    mlo_http_response_release(&r);
    if (rc != 0 && unclear) { /* an answer that a proxy cut short: is it gone? */
        struct mlo_err look = MLO_ERR_INIT;
        if (mlo_s3_stat(s, key, &size, &look) == MLO_ENOTFOUND) {
            *err = MLO_ERR_INIT;
            return 0;
        }
    }
    return rc;
}
