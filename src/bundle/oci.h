/* What any OCI manifest looks like, a model's or a signature's. Model rules are manifest.c's and load.c's. */
#ifndef MLO_BUNDLE_OCI_H
#define MLO_BUNDLE_OCI_H

#include "internal.h"

#define MLO_REF_NAME_KEY   "org.opencontainers.image.ref.name"
#define MLO_LAYOUT_FILE    "oci-layout"
#define MLO_LAYOUT_TEXT    "{\"imageLayoutVersion\":\"1.0.0\"}"
#define MLO_INDEX_FILE     "index.json"
#define MLO_BLOB_PREFIX    "blobs/sha256/"
#define MLO_MEDIA_EMPTY    "application/vnd.oci.empty.v1+json"
#define MLO_OCI_LAYERS_MAX 100000

struct mlo_descriptor {
    const char *media_type; /* borrowed; "" when absent */
    struct mlo_digest digest;
    uint64_t size;
};
int mlo_descriptor_read(const cJSON *node, struct mlo_descriptor *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Adds {"mediaType","digest","size"} under `key`, or to the array `parent` with key NULL; more members may
 * follow. */
cJSON *mlo_jb_descriptor(struct mlo_jb *b, cJSON *parent, const char *key, const char *media_type,
                         const struct mlo_digest *d, uint64_t size);
/* config, then layers. */
typedef int (*mlo_descriptor_fn)(void *ctx, const struct mlo_descriptor *d, struct mlo_err *err);
int mlo_manifest_each(const cJSON *manifest, mlo_descriptor_fn fn, void *ctx,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* true: a ModelPack manifest of either generation, told from its config's type. */
bool mlo_manifest_is_model(const cJSON *manifest);
/* "blobs/sha256/<hex>" */
#define MLO_BLOB_PATH_SIZE (sizeof MLO_BLOB_PREFIX + MLO_DIGEST_HEX)
char *mlo_blob_path(const struct mlo_digest *d, char buf[MLO_BLOB_PATH_SIZE]);

#endif
