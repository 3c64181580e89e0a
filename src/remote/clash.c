/*
 * In a folder, and on S3 services that keep their objects in one, a path is a file or a folder: the tag "b"
 * of a name "a" and any tag of a name "a/b" would both need refs/a/b. Where objects have keys only they could
 * stand side by side, but then such a remote could not be copied to a folder. So the second one is refused,
 * everywhere and before anything is sent.
 */
#include "internal.h"

#include <string.h>

static int refuse(const struct mlo_remote *r, const struct mlo_ref *ref, const char *other,
                  struct mlo_err *err)
{
    char text[MLO_REF_TEXT];
    mlo_fail(err, MLO_ECONFLICT, "'%s' cannot stand on %s beside '%s', which is there",
             mlo_ref_text(ref, text), r->url, other);
    return mlo_hint(err, "both would need the same path; push under another name: --as NAME:TAG");
}

static int is_there(struct mlo_remote *r, const char *key, bool *ret, struct mlo_err *err)
{
    uint64_t size = 0;
    int rc = mlo_rt_stat(r, key, &size, err);
    *ret = rc == 0;
    if (rc != MLO_ENOTFOUND)
        return rc;
    *err = MLO_ERR_INIT;
    return 0;
}

/* For "a/b/c": is there a tag "b" of "a", or a tag "c" of "a/b"? */
static int check_above(struct mlo_remote *r, const struct mlo_ref *ref, struct mlo_err *err)
{
    char key[MLO_KEY_MAX], other[MLO_REF_TEXT];
    for (const char *slash = strchr(ref->name, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t n = (size_t)(slash - ref->name), tag = strcspn(slash + 1, "/");
        bool there = false;
        snprintf(key, sizeof key, "refs/%.*s", (int)(n + 1 + tag), ref->name);
        int rc = is_there(r, key, &there, err);
        if (rc != 0)
            return rc;
        if (there) {
            snprintf(other, sizeof other, "%.*s:%.*s", (int)n, ref->name, (int)tag, slash + 1);
            return refuse(r, ref, other, err);
        }
    }
    return 0;
}

/* For "a:b": was a name "a/b" ever pushed? Its head says so. One that lies deeper shows in a folder only. */
static int check_below(struct mlo_remote *r, const struct mlo_ref *ref, struct mlo_err *err)
{
    char key[MLO_KEY_MAX], other[sizeof ref->name + sizeof ref->tag];
    struct mlo_ref below;
    struct mlo_err ignored = MLO_ERR_INIT;
    bool there = false;
    snprintf(other, sizeof other, "%s/%s", ref->name, ref->tag);
    if (mlo_ref_parse(other, &below, &ignored) != 0)
        return 0; /* the tag could not be part of a name */
    int rc = mlo_head_key(other, key, err);
    if (rc == 0)
        rc = is_there(r, key, &there, err);
    return rc == 0 && there ? refuse(r, ref, other, err) : rc;
}

int mlo_ref_clash(struct mlo_remote *r, const struct mlo_ref *ref, bool is_folder, struct mlo_err *err)
{
    char other[sizeof ref->name + sizeof ref->tag];
    if (is_folder) {
        snprintf(other, sizeof other, "%s/%s", ref->name, ref->tag);
        return refuse(r, ref, other, err);
    }
    int rc = check_above(r, ref, err);
    return rc != 0 ? rc : check_below(r, ref, err);
}
