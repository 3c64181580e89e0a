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

int mlo_descriptor_read(const cJSON *node, struct mlo_descriptor *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Adds {"mediaType","digest","size"} under `key`, or to the array `parent` with key NULL; more members may
 * follow. */
cJSON *mlo_jb_descriptor(struct mlo_jb *b, cJSON *parent, const char *key, const char *media_type,
                         const struct mlo_digest *d, uint64_t size);
/* config, then layers. */
typedef int (*mlo_descriptor_fn)(void *ctx, const struct mlo_descriptor *d, struct mlo_err *err);
int mlo_manifest_each(const cJSON *manifest, mlo_descriptor_fn fn, void *ctx,
                      struct mlo_err *err) MLO_MUST_CHECK;

/* ---- family.c ---- */

#define MLO_MEDIA_OLD_CONFIG    "application/vnd.cnai.model.config.v1+json"
#define MLO_MEDIA_IMAGE_CONFIG  "application/vnd.oci.image.config.v1+json"
#define MLO_MEDIA_DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"

enum mlo_family mlo_family_of(const cJSON *manifest);
/* Kind and packing of a layer of another tool's artifact, as far as its type and title tell. */
void mlo_family_read_layer(enum mlo_family f, const cJSON *layer, struct mlo_layer *l);
/* Gives each raw layer whose type says what it is, and which has no path, one. */
int mlo_family_name_files(struct mlo_layer *layers, size_t n, struct mlo_arena *arena,
                          struct mlo_err *err) MLO_MUST_CHECK;
/* Borrowed; NULL when absent. */
const char *mlo_layer_annotation(const cJSON *layer, const char *key);
/* "raw", "tar", "tar+gzip", "tar+zstd" */
bool mlo_packing_from_name(const char *name, enum mlo_layer_packing *ret);

/* "blobs/sha256/<hex>" */
#define MLO_BLOB_PATH_SIZE (sizeof MLO_BLOB_PREFIX + MLO_DIGEST_HEX)
char *mlo_blob_path(const struct mlo_digest *d, char buf[MLO_BLOB_PATH_SIZE]);

#endif
