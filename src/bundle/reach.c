/* Which blobs hang on a manifest or an index. */
#include <string.h>

#include "oci.h"

#define INDEX_DEPTH 4

struct reach {
    struct mlo_digest_set *into;
};

static int add_blob(void *ctx, const struct mlo_descriptor *d, struct mlo_err *err)
{
    const struct reach *r = ctx;
    return mlo_digest_set_add(r->into, &d->digest, NULL, err);
}

static int reach_at(struct mlo_store *s, const struct mlo_digest *d, int depth, struct reach *r,
                    struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    MLO_AUTOJSON cJSON *doc = NULL;
    size_t n = 0;
    bool fresh = false;
    int rc = mlo_store_read(s, d, MLO_MANIFEST_MAX, &text, &n, err);
    if (rc == 0)
        rc = mlo_json_parse(text, n, MLO_MANIFEST_MAX, &doc, err);
    if (rc == 0)
        rc = mlo_digest_set_add(r->into, d, &fresh, err);
    if (rc || !fresh)
        return rc;
    const cJSON *manifests = cJSON_GetObjectItemCaseSensitive(doc, "manifests");
    if (!manifests)
        return mlo_manifest_each(doc, add_blob, r, err);
    if (depth == INDEX_DEPTH)
        return mlo_fail(err, MLO_EINVALID, "indexes nested deeper than %d", INDEX_DEPTH);
    for (const cJSON *m = manifests->child; m && rc == 0; m = m->next) {
        struct mlo_descriptor child;
        rc = mlo_descriptor_read(m, &child, err);
        if (rc == 0)
            rc = reach_at(s, &child.digest, depth + 1, r, err);
    }
    return rc;
}

int mlo_bundle_reach(struct mlo_store *s, const struct mlo_digest *manifest, struct mlo_digest_set *into,
                     struct mlo_err *err)
{
    struct reach r = {.into = into};
    return reach_at(s, manifest, 0, &r, err);
}
