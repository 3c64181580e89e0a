/* Opening a remote, and the transport's calls with their bounds; see internal.h. */
#include "internal.h"

#include <string.h>

#include <mlopsctl/base/secret.h>

/* ---- opening ---- */

int mlo_remote_over(const struct mlo_transport *t, void *self, const char *url, struct mlo_remote **ret,
                    struct mlo_err *err)
{
    struct mlo_remote *r = mlo_calloc(1, sizeof *r, err);
    char *copy = r ? mlo_strdup(url, err) : NULL;
    if (!copy) {
        free(r);
        t->close(self);
        return MLO_EIO;
    }
    r->t = *t;
    r->self = self;
    r->url = copy;
    *ret = r;
    return 0;
}

int mlo_remote_open(const char *url, bool create, struct mlo_remote **ret, struct mlo_err *err)
{
    struct mlo_transport t;
    void *self = NULL;
    MLO_AUTOFREE char *canonical = NULL;
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, sizeof err->msg);
    mlo_redact(&shown, url, strlen(url));
    const char *scheme = strstr(url, "://");
    const char *path = scheme && strncmp(url, "file://", 7) == 0 ? url + 7 : url;
    if (scheme && path == url) {
        mlo_fail(err, MLO_EUNAVAIL, "remote '%s': this kind is not known here", shown.ptr);
        return mlo_hint(err, "this build reaches folders: a path or file:///path");
    }
    int rc = mlo_directory_open(path, create, &t, &self, &canonical, err);
    if (rc != 0)
        return mlo_wrap(err, "remote '%s'", shown.ptr);
    return mlo_remote_over(&t, self, canonical, ret, err);
}

void mlo_remote_close(struct mlo_remote *r)
{
    if (!r)
        return;
    r->t.close(r->self);
    free(r->url);
    free(r);
}

const char *mlo_remote_url(const struct mlo_remote *r)
{
    return r->url;
}

/* ---- calls ---- */

char *mlo_rt_key(const char *kind, const struct mlo_digest *d, char buf[MLO_KEY_MAX])
{
    char hex[MLO_DIGEST_HEX + 1];
    mlo_digest_hex(d, hex);
    snprintf(buf, MLO_KEY_MAX, "%s/sha256/%.2s/%s", kind, hex, hex);
    return buf;
}

int mlo_rt_stat(struct mlo_remote *r, const char *key, uint64_t *ret_size, struct mlo_err *err)
{
    r->requests++;
    return r->t.stat(r->self, key, ret_size, err);
}

int mlo_rt_put(struct mlo_remote *r, const char *key, const struct mlo_body *body, struct mlo_err *err)
{
    uint64_t size = 0;
    r->requests++;
    int rc = r->t.put(r->self, key, body, err);
    if (rc == 0)
        rc = mlo_rt_stat(r, key, &size, err);
    if (rc == MLO_ENOTFOUND || (rc == 0 && size != body->size))
        return mlo_fail(err, MLO_EREMOTE, "'%s': the remote said it was stored, but it is not there whole",
                        key);
    return rc;
}

int mlo_rt_put_text(struct mlo_remote *r, const char *key, const char *text, size_t n, struct mlo_err *err)
{
    struct mlo_body_part part = {.mem = text, .fd = -1, .length = n};
    struct mlo_body body = {.parts = &part, .n_parts = 1, .size = n};
    int rc = mlo_sha256(text, n, &body.digest, err);
    return rc != 0 ? rc : mlo_rt_put(r, key, &body, err);
}

struct range_sink {
    char *to;
    size_t left;
};

static int range_sink(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    struct range_sink *s = ctx;
    if (n > s->left)
        return mlo_fail(err, MLO_EREMOTE, "the remote sent more than was asked for");
    memcpy(s->to, p, n);
    s->to += n;
    s->left -= n;
    return 0;
}

int mlo_rt_get_range(struct mlo_remote *r, const char *key, uint64_t offset, void *buf, size_t n,
                     struct mlo_err *err)
{
    struct range_sink s = {buf, n};
    r->requests++;
    int rc = r->t.get(r->self, key, offset, n, n, range_sink, &s, err);
    if (rc == 0 && s.left > 0)
        rc = mlo_fail(err, MLO_EREMOTE, "the remote sent less than was asked for");
    return rc != 0 ? mlo_wrap(err, "'%s'", key) : 0;
}

static int text_sink(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    struct mlo_str *s = ctx;
    if (n > s->max - s->len)
        return mlo_fail(err, MLO_EINVALID, "larger than %zu bytes", s->max);
    mlo_str_addn(s, p, n);
    return mlo_str_check(s, err);
}

int mlo_rt_get_text(struct mlo_remote *r, const char *key, size_t max, char **ret, size_t *ret_n,
                    struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, max);
    r->requests++;
    int rc = r->t.get(r->self, key, 0, UINT64_MAX, max, text_sink, &text, err);
    if (rc == 0)
        rc = mlo_str_check(&text, err);
    if (rc == MLO_ENOTFOUND)
        return rc;
    if (rc != 0)
        return mlo_wrap(err, "'%s'", key);
    *ret = mlo_str_detach(&text, ret_n);
    return 0;
}

int mlo_rt_get_hashed(struct mlo_remote *r, const char *kind, const struct mlo_digest *digest, size_t max,
                      char **ret, size_t *ret_n, struct mlo_err *err)
{
    char key[MLO_KEY_MAX];
    MLO_AUTOFREE char *text = NULL;
    struct mlo_digest got;
    size_t n = 0;
    int rc = mlo_rt_get_text(r, mlo_rt_key(kind, digest, key), max, &text, &n, err);
    if (rc == 0)
        rc = mlo_sha256(text, n, &got, err);
    if (rc == 0 && !mlo_digest_eq(&got, digest))
        rc = mlo_fail(err, MLO_EINVALID, "'%s' is damaged: its bytes are not its name", key);
    if (rc != 0)
        return rc;
    *ret = mlo_steal(&text);
    *ret_n = n;
    return 0;
}
