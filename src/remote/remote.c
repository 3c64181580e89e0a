/* Opening a remote, and the transport's calls with their bounds; see internal.h. */
#include "internal.h"

#include <string.h>

#include <mlopsctl/base/secret.h>

/* ---- opening ---- */

const struct mlo_remote_ops mlo_packed_ops = {
    .ref_get = mlo_packed_ref_get,
    .ref_set = mlo_packed_ref_set,
    .ref_each = mlo_packed_ref_each,
    .ref_history = mlo_packed_ref_history,
    .push = mlo_packed_push,
    .pull = mlo_packed_pull,
    .fetch_blob = mlo_packed_fetch_blob,
    .check = mlo_packed_check,
};

int mlo_remote_make(const struct mlo_remote_ops *ops, const struct mlo_transport *t, void *self,
                    void (*close)(void *self), const char *url, struct mlo_remote **ret, struct mlo_err *err)
{
    struct mlo_remote *r = mlo_calloc(1, sizeof *r, err);
    char *copy = r ? mlo_strdup(url, err) : NULL;
    if (!copy) {
        free(r);
        close(self);
        return MLO_EIO;
    }
    r->ops = ops;
    r->self = self;
    r->close = close;
    r->url = copy;
    if (t)
        r->t = *t;
    *ret = r;
    return 0;
}

int mlo_remote_over(const struct mlo_transport *t, void *self, const char *url, struct mlo_remote **ret,
                    struct mlo_err *err)
{
    return mlo_remote_make(&mlo_packed_ops, t, self, t->close, url, ret, err);
}

int mlo_transport_open(const char *url, const struct mlo_remote_opts *o, struct mlo_transport *ret,
                       void **ret_self, char **ret_url, struct mlo_err *err)
{
    if (strncmp(url, "s3://", 5) == 0)
        return mlo_s3_open(url, o, ret, ret_self, ret_url, err);
    if (strncmp(url, "runpod://", 9) == 0)
        return mlo_volume_open(url, o, ret, ret_self, ret_url, err);
    return mlo_directory_open(strncmp(url, "file://", 7) == 0 ? url + 7 : url, o->create, ret, ret_self,
                              ret_url, err);
}

static int open_packed(const char *url, const struct mlo_remote_opts *o, struct mlo_remote **ret,
                       struct mlo_err *err)
{
    struct mlo_transport t;
    void *self = NULL;
    MLO_AUTOFREE char *canonical = NULL;
    int rc = mlo_transport_open(url, o, &t, &self, &canonical, err);
    return rc != 0 ? rc : mlo_remote_over(&t, self, canonical, ret, err);
}

bool mlo_remote_is_known(const char *url)
{
    static const char *const schemes[] = {"file://", "s3://", "runpod://", "oci://"};
    for (size_t i = 0; i < MLO_COUNT(schemes); i++)
        if (strncmp(url, schemes[i], strlen(schemes[i])) == 0)
            return true;
    return !strstr(url, "://");
}

int mlo_remote_open(const char *url, const struct mlo_remote_opts *o, struct mlo_remote **ret,
                    struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, sizeof err->msg);
    mlo_redact(&shown, url, strlen(url));
    if (!mlo_remote_is_known(url)) {
        mlo_fail(err, MLO_EUNAVAIL, "remote '%s': this kind is not known here", shown.ptr);
        return mlo_hint(err, "a remote is a folder, s3://BUCKET, runpod://VOLUME or oci://HOST/REPOSITORY");
    }
    int rc = strncmp(url, "oci://", 6) == 0 ? mlo_registry_open(url, o, ret, err)
                                            : open_packed(url, o, ret, err);
    return rc != 0 ? mlo_wrap(err, "remote '%s'", shown.ptr) : 0;
}

void mlo_remote_close(struct mlo_remote *r)
{
    if (!r)
        return;
    r->close(r->self);
    free(r->url);
    free(r);
}

const char *mlo_remote_url(const struct mlo_remote *r)
{
    return r->url;
}

/* ---- what every kind can do ---- */

int mlo_remote_ref_get(struct mlo_remote *r, const struct mlo_ref *ref, struct mlo_remote_ref *ret,
                       struct mlo_err *err)
{
    return r->ops->ref_get(r, ref, ret, err);
}

int mlo_remote_ref_set(struct mlo_remote *r, const struct mlo_ref *ref, const struct mlo_remote_ref *expect,
                       const struct mlo_remote_ref *value, struct mlo_err *err)
{
    return r->ops->ref_set(r, ref, expect, value, err);
}

int mlo_remote_ref_removable(struct mlo_remote *r, const struct mlo_ref *ref, struct mlo_err *err)
{
    return r->ops->ref_removable ? r->ops->ref_removable(r, ref, err) : 0;
}

int mlo_remote_ref_each(struct mlo_remote *r, mlo_remote_ref_fn fn, void *ctx, struct mlo_err *err)
{
    return r->ops->ref_each(r, fn, ctx, err);
}

int mlo_remote_ref_history(struct mlo_remote *r, const char *name, const char *tag, mlo_remote_ref_fn fn,
                           void *ctx, struct mlo_err *err)
{
    if (!r->ops->ref_history)
        return mlo_fail(err, MLO_EUNAVAIL, "%s keeps no history of its names", r->url);
    return r->ops->ref_history(r, name, tag, fn, ctx, err);
}

int mlo_push(struct mlo_remote *r, struct mlo_store *s, const struct mlo_digest *manifest,
             const struct mlo_ref *ref, const struct mlo_sync_opts *o, struct mlo_sync_stats *ret,
             struct mlo_err *err)
{
    return r->ops->push(r, s, manifest, ref, o, ret, err);
}

int mlo_pull(struct mlo_remote *r, struct mlo_store *s, const struct mlo_ref *ref,
             const struct mlo_sync_opts *o, struct mlo_pulled *ret, struct mlo_sync_stats *stats,
             struct mlo_err *err)
{
    return r->ops->pull(r, s, ref, o, ret, stats, err);
}

int mlo_remote_fetch_blob(struct mlo_remote *r, struct mlo_store *s, const struct mlo_ref *ref,
                          const struct mlo_digest *blob, struct mlo_err *err)
{
    return r->ops->fetch_blob(r, s, ref, blob, err);
}

int mlo_remote_check(struct mlo_remote *r, bool deep,
                     int (*fn)(void *ctx, const struct mlo_remote_fault *f, struct mlo_err *err), void *ctx,
                     uint64_t *ret_refs, struct mlo_err *err)
{
    return r->ops->check(r, deep, fn, ctx, ret_refs, err);
}

int mlo_remote_try_write(struct mlo_remote *r, struct mlo_err *err)
{
    if (!r->ops->try_write)
        return mlo_fail(err, MLO_EUNAVAIL, "%s has no uploads that can be cancelled", r->url);
    return r->ops->try_write(r, err);
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

int mlo_body_text(void *ctx, uint64_t offset, void *buf, size_t cap, size_t *ret_n, struct mlo_err *err)
{
    const struct mlo_body_text *t = ctx;
    (void)err;
    *ret_n = t->n - offset < cap ? (size_t)(t->n - offset) : cap;
    memcpy(buf, t->text + offset, *ret_n);
    return 0;
}

static int text_body(struct mlo_body_text *from, struct mlo_body *ret, struct mlo_err *err)
{
    *ret = (struct mlo_body){.size = from->n, .read = mlo_body_text, .ctx = from};
    return mlo_sha256(from->text, from->n, &ret->digest, err);
}

int mlo_rt_put_loose(struct mlo_remote *r, const char *key, const char *text, size_t n, struct mlo_err *err)
{
    struct mlo_body_text from = {text, n};
    struct mlo_body body;
    int rc = text_body(&from, &body, err);
    r->requests++;
    return rc != 0 ? rc : r->t.put(r->self, key, &body, err);
}

int mlo_rt_replace(struct mlo_remote *r, const char *key, const char *version, const char *text, size_t n,
                   struct mlo_err *err)
{
    struct mlo_body_text from = {text, n};
    struct mlo_body body;
    int rc = text_body(&from, &body, err);
    r->requests++;
    return rc != 0 ? rc : r->t.replace(r->self, key, version, &body, err);
}

int mlo_rt_put_text(struct mlo_remote *r, const char *key, const char *text, size_t n, struct mlo_err *err)
{
    struct mlo_body_text from = {text, n};
    struct mlo_body body;
    int rc = text_body(&from, &body, err);
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
    if (rc == 0 && !mlo_digest_eq(&got, digest)) {
        mlo_fail(err, MLO_EINVALID, "'%s' is damaged: its bytes are not its name", key);
        rc = mlo_hint(err, MLO_SEND_AGAIN);
    }
    if (rc != 0)
        return rc;
    *ret = mlo_steal(&text);
    *ret_n = n;
    return 0;
}
