/*
 * Refs: the only objects of a remote that change. One writer per name at a time is the contract; a second one
 * is noticed because a ref is read before and after it is written, and said, never merged.
 */
#include "internal.h"

#include <string.h>

#include <mlopsctl/base/json.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#define REF_SCHEMA 1

/* ---- text ---- */

/* A registry's tag says what it leads to and nothing else. */
static bool has_recipe(const struct mlo_remote_ref *ref)
{
    static const struct mlo_digest none;
    return !mlo_digest_eq(&ref->recipe, &none);
}

static bool add_origin(cJSON *doc, const struct mlo_remote_ref *ref)
{
    char when[MLO_RFC3339_MAX];
    return cJSON_AddStringToObject(doc, "time", mlo_time_rfc3339(ref->time_ns, when)) &&
           cJSON_AddStringToObject(doc, "by", ref->by) &&
           (!ref->files || cJSON_AddStringToObject(doc, "layout", "files"));
}

int mlo_remote_ref_format(const struct mlo_remote_ref *ref, struct mlo_str *out, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = cJSON_CreateObject();
    MLO_AUTOFREE char *text = NULL;
    char digest[MLO_DIGEST_TEXT];
    size_t n = 0;
    if (!mlo_json_add_u64(doc, "schema", REF_SCHEMA) ||
        !cJSON_AddStringToObject(doc, "manifest", mlo_digest_text(&ref->manifest, digest)) ||
        (has_recipe(ref) && !cJSON_AddStringToObject(doc, "recipe", mlo_digest_text(&ref->recipe, digest))) ||
        !mlo_json_add_u64(doc, "size", ref->size) || (has_recipe(ref) && !add_origin(doc, ref)))
        return mlo_fail_nomem(err);
    int rc = mlo_json_print(doc, &text, &n, err);
    if (rc != 0)
        return rc;
    mlo_str_addn(out, text, n);
    return mlo_str_check(out, err);
}

static int read_digest(const cJSON *doc, const char *key, struct mlo_digest *ret, struct mlo_err *err)
{
    const char *text = mlo_json_text(doc, key);
    return text ? mlo_digest_parse(text, ret, err) : mlo_fail(err, MLO_EINVALID, "has no %s", key);
}

static int read_origin(const cJSON *doc, struct mlo_remote_ref *ref, struct mlo_err *err)
{
    const char *when = mlo_json_text(doc, "time"), *by = mlo_json_text(doc, "by");
    const char *layout = mlo_json_text(doc, "layout");
    if (layout && strcmp(layout, "files") != 0)
        return mlo_fail(err, MLO_EUNAVAIL, "its layout is not known to this program");
    int rc = read_digest(doc, "recipe", &ref->recipe, err);
    if (rc == 0 && !has_recipe(ref))
        rc = mlo_fail(err, MLO_EINVALID, "its recipe is nothing's digest");
    if (rc == 0)
        rc = when ? mlo_time_parse(when, &ref->time_ns, err) : mlo_fail(err, MLO_EINVALID, "has no time");
    if (rc == 0 && (!by || strlen(by) >= sizeof ref->by))
        rc = mlo_fail(err, MLO_EINVALID, "does not say by whom");
    if (rc != 0)
        return rc;
    memcpy(ref->by, by, strlen(by));
    ref->files = layout != NULL;
    return 0;
}

static int read_ref(const cJSON *doc, struct mlo_remote_ref *ret, struct mlo_err *err)
{
    struct mlo_remote_ref ref = {0};
    uint64_t schema = 0;
    int rc = mlo_json_u64(doc, "schema", &schema, err);
    if (rc == 0 && schema != REF_SCHEMA)
        return mlo_fail(err, MLO_EUNAVAIL, "schema is not known; this program reads %d", REF_SCHEMA);
    if (rc == 0)
        rc = read_digest(doc, "manifest", &ref.manifest, err);
    if (rc == 0)
        rc = mlo_json_u64(doc, "size", &ref.size, err);
    if (rc == 0 && (cJSON_HasObjectItem(doc, "recipe") || cJSON_HasObjectItem(doc, "time") ||
                    cJSON_HasObjectItem(doc, "by")))
        rc = read_origin(doc, &ref, err);
    if (rc == 0)
        *ret = ref;
    return rc;
}

int mlo_remote_ref_parse(const char *text, size_t n, struct mlo_remote_ref *ret, struct mlo_err *err)
{
    MLO_AUTOJSON cJSON *doc = NULL;
    int rc = mlo_json_parse(text, n, MLO_REF_TEXT_MAX, &doc, err);
    if (rc == 0)
        rc = read_ref(doc, ret, err);
    return rc != 0 ? mlo_wrap(err, "remote ref") : 0;
}

static bool ref_eq(const struct mlo_remote_ref *a, const struct mlo_remote_ref *b)
{
    return mlo_digest_eq(&a->manifest, &b->manifest) && mlo_digest_eq(&a->recipe, &b->recipe) &&
           a->size == b->size && a->time_ns == b->time_ns && strcmp(a->by, b->by) == 0 &&
           a->files == b->files;
}

/* As parse, of a remote that keeps packs: without a recipe nobody knows where the bytes are. */
static int parse_packed(const char *text, size_t n, struct mlo_remote_ref *ret, struct mlo_err *err)
{
    struct mlo_remote_ref ref;
    int rc = mlo_remote_ref_parse(text, n, &ref, err);
    if (rc == 0 && !has_recipe(&ref))
        rc = mlo_fail(err, MLO_EINVALID, "remote ref: has no recipe");
    if (rc == 0)
        *ret = ref;
    return rc;
}

/* ---- get and set ---- */

static void ref_key(const struct mlo_ref *ref, char buf[MLO_KEY_MAX])
{
    snprintf(buf, MLO_KEY_MAX, "refs/%s/%s", ref->name, ref->tag);
}

int mlo_packed_ref_get(struct mlo_remote *r, const struct mlo_ref *ref, struct mlo_remote_ref *ret,
                       struct mlo_err *err)
{
    char key[MLO_KEY_MAX];
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    ref_key(ref, key);
    int rc = mlo_rt_get_text(r, key, MLO_REF_TEXT_MAX, &text, &n, err);
    if (rc == MLO_ENOTFOUND) {
        int cause = err->sys_errno; /* EISDIR: clash.c */
        mlo_fail(err, MLO_ENOTFOUND, "'%s:%s' is not on %s", ref->name, ref->tag, r->url);
        err->sys_errno = cause;
        return MLO_ENOTFOUND;
    }
    return rc != 0 ? rc : parse_packed(text, n, ret, err);
}

struct seen {
    bool there;
    struct mlo_remote_ref ref;
};

static int look(struct mlo_remote *r, const struct mlo_ref *ref, struct seen *ret, struct mlo_err *err)
{
    int rc = mlo_remote_ref_get(r, ref, &ret->ref, err);
    ret->there = rc == 0;
    if (rc != MLO_ENOTFOUND)
        return rc;
    *err = MLO_ERR_INIT;
    return 0;
}

static bool is(const struct seen *now, const struct mlo_remote_ref *want)
{
    return want ? now->there && ref_eq(&now->ref, want) : !now->there;
}

static int conflict(const struct mlo_remote *r, const struct mlo_ref *ref, const struct seen *now,
                    const char *when, struct mlo_err *err)
{
    char digest[MLO_DIGEST_TEXT], time[MLO_RFC3339_MAX];
    if (now->there)
        mlo_fail(err, MLO_ECONFLICT, "'%s:%s' on %s %s: '%s' pushed %s there at %s", ref->name, ref->tag,
                 r->url, when, now->ref.by, mlo_digest_text(&now->ref.manifest, digest),
                 mlo_time_rfc3339(now->ref.time_ns, time));
    else
        mlo_fail(err, MLO_ECONFLICT, "'%s:%s' on %s %s: somebody removed it", ref->name, ref->tag, r->url,
                 when);
    return mlo_hint(err, "nothing is lost: pull what is there now, look, and push again if yours is the one");
}

static int put_ref_text(struct mlo_remote *r, const char *key, const struct mlo_remote_ref *value,
                        int (*put)(struct mlo_remote *r, const char *key, const char *text, size_t n,
                                   struct mlo_err *err),
                        struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_REF_TEXT_MAX);
    int rc = mlo_remote_ref_format(value, &text, err);
    return rc != 0 ? rc : put(r, key, text.ptr, text.len, err);
}

/* One of the name's former refs: history.c. */
static int keep_old(struct mlo_remote *r, const struct mlo_ref *ref, const struct mlo_remote_ref *old,
                    struct mlo_err *err)
{
    char key[MLO_KEY_MAX];
    mlo_history_key(ref, old, key);
    return put_ref_text(r, key, old, mlo_rt_put_text, err);
}

/*
 * Read back. When somebody wrote after us, what we wrote is kept as a former ref: its objects are there, and
 * so is the way to them.
 */
static int check_written(struct mlo_remote *r, const struct mlo_ref *ref, const struct mlo_remote_ref *expect,
                         const struct mlo_remote_ref *value, struct mlo_err *err)
{
    struct seen now;
    struct mlo_err ignored = MLO_ERR_INIT;
    int rc = look(r, ref, &now, err);
    if (rc != 0 || is(&now, value))
        return rc;
    if (is(&now, expect))
        return mlo_fail(err, MLO_EREMOTE, "%s said that '%s:%s' was written, but shows what was there before",
                        r->url, ref->name, ref->tag);
    if (value)
        (void)!keep_old(r, ref, value, &ignored);
    return conflict(r, ref, &now, "was written by somebody else at the same time", err);
}

/* Where the remote can tell versions apart, the one that the look below sees, or an older one. "": none. */
static int version_of(struct mlo_remote *r, const char *key, char ret[MLO_VERSION_MAX], struct mlo_err *err)
{
    ret[0] = '\0';
    if (!r->t.replace)
        return 0;
    r->requests++;
    int rc = r->t.version(r->self, key, ret, err);
    if (rc != MLO_ENOTFOUND)
        return rc;
    *err = MLO_ERR_INIT;
    ret[0] = '\0';
    return 0;
}

static int write_ref(struct mlo_remote *r, const struct mlo_ref *ref, const char *key, const char *version,
                     const struct mlo_remote_ref *value, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    struct seen now;
    mlo_str_init(&text, MLO_REF_TEXT_MAX);
    int rc = mlo_remote_ref_format(value, &text, err);
    if (rc != 0)
        return rc;
    if (!r->t.replace)
        return mlo_rt_put_loose(r, key, text.ptr, text.len, err);
    rc = mlo_rt_replace(r, key, version, text.ptr, text.len, err);
    if (rc != MLO_ECONFLICT)
        return rc;
    *err = MLO_ERR_INIT;
    rc = look(r, ref, &now, err);
    if (rc != 0 || is(&now, value)) /* it was ours, and its answer was lost */
        return rc;
    return conflict(r, ref, &now, "has moved meanwhile", err);
}

/*
 * Nothing is written over what came since the last look, where the remote can see to that; elsewhere that
 * look is as close before the write as can be, and two writers who both pass it are seen afterwards.
 */
int mlo_ref_move(struct mlo_remote *r, const struct mlo_ref *ref, const struct mlo_remote_ref *expect,
                 const struct mlo_remote_ref *value, struct mlo_err *err)
{
    char key[MLO_KEY_MAX], version[MLO_VERSION_MAX];
    struct seen now;
    ref_key(ref, key);
    int rc = expect ? keep_old(r, ref, expect, err) : 0;
    if (rc == 0 && value)
        rc = version_of(r, key, version, err);
    if (rc == 0)
        rc = look(r, ref, &now, err);
    if (rc == 0 && !is(&now, expect))
        rc = conflict(r, ref, &now, "has moved meanwhile", err);
    if (rc == 0 && value)
        rc = write_ref(r, ref, key, version, value, err);
    if (rc == 0 && !value) {
        r->requests++;
        rc = r->t.remove(r->self, key, err);
    }
    return rc != 0 ? rc : check_written(r, ref, expect, value, err);
}

/* ---- heads: the last push of a name, for machines that have no cache. A hint: whoever reads it verifies
 * what it names. ---- */

int mlo_head_key(const char *name, char buf[MLO_KEY_MAX], struct mlo_err *err)
{
    struct mlo_digest d;
    int rc = mlo_sha256(name, strlen(name), &d, err);
    if (rc == 0)
        mlo_rt_key("heads", &d, buf);
    return rc;
}

int mlo_head_get(struct mlo_remote *r, const char *name, struct mlo_remote_ref *ret, struct mlo_err *err)
{
    char key[MLO_KEY_MAX];
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    int rc = mlo_head_key(name, key, err);
    if (rc == 0)
        rc = mlo_rt_get_text(r, key, MLO_REF_TEXT_MAX, &text, &n, err);
    return rc != 0 ? rc : parse_packed(text, n, ret, err);
}

int mlo_head_put(struct mlo_remote *r, const char *name, const struct mlo_remote_ref *value,
                 struct mlo_err *err)
{
    char key[MLO_KEY_MAX];
    int rc = mlo_head_key(name, key, err);
    return rc != 0 ? rc : put_ref_text(r, key, value, mlo_rt_put_loose, err);
}

/* ---- listing ---- */

struct each {
    struct mlo_remote *r;
    mlo_remote_ref_fn fn;
    void *ctx;
};

static int each_key(void *ctx, const char *key, uint64_t size, struct mlo_err *err)
{
    struct each *e = ctx;
    struct mlo_ref ref;
    struct mlo_remote_ref value;
    char text[MLO_KEY_MAX];
    (void)size;
    const char *path = key + strlen("refs/"), *slash = strrchr(key, '/');
    struct mlo_err ignored = MLO_ERR_INIT;
    if (slash <= path || strlen(path) >= sizeof text)
        return 0;
    snprintf(text, sizeof text, "%.*s:%s", (int)(slash - path), path, slash + 1);
    if (mlo_ref_parse(text, &ref, &ignored) != 0)
        return 0; /* not ours */
    int rc = mlo_remote_ref_get(e->r, &ref, &value, err);
    if (rc != 0)
        return rc == MLO_ENOTFOUND ? 0 : mlo_wrap(err, "'%s'", text);
    return e->fn(e->ctx, ref.name, ref.tag, &value, err);
}

int mlo_packed_ref_each(struct mlo_remote *r, mlo_remote_ref_fn fn, void *ctx, struct mlo_err *err)
{
    struct each e = {r, fn, ctx};
    r->requests++;
    return r->t.list(r->self, "refs", each_key, &e, err);
}
