/*
 * Bundles: an OCI image layout holding a CNCF ModelPack manifest. Weights are raw layers (layer digest = file
 * digest); small files are one deterministic tar layer per kind (libarchive, used only here); what
 * ModelPack's closed schema has no room for is one more layer, mlopsctl.json (media type MLO_MEDIA_EXTRA).
 * Same inputs give the same bytes.
 *
 * This module knows files, blobs and manifests. It knows no names: moving those is the ledger's, joined in
 * src/cmd.
 */
#ifndef MLOPSCTL_BUNDLE_H
#define MLOPSCTL_BUNDLE_H

#include <mlopsctl/base/json.h>
#include <mlopsctl/checkpoint.h>
#include <mlopsctl/git.h>
#include <mlopsctl/store.h>

#define MLO_MEDIA_MANIFEST        "application/vnd.oci.image.manifest.v1+json"
#define MLO_MEDIA_INDEX           "application/vnd.oci.image.index.v1+json"
#define MLO_MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MLO_MEDIA_DOCKER_LIST     "application/vnd.docker.distribution.manifest.list.v2+json"
#define MLO_ARTIFACT_MODEL        "application/vnd.cncf.model.manifest.v1+json"
#define MLO_MEDIA_CONFIG          "application/vnd.cncf.model.config.v1+json"
#define MLO_MEDIA_EXTRA           "application/vnd.cncf.model.doc.v1.raw" /* with filepath "mlopsctl.json" */
#define MLO_EXTRA_PATH            "mlopsctl.json"
#define MLO_PROFILE_PATH          "reference.profile" /* what the training data looked like, see drift.h */
#define MLO_MANIFEST_MAX          ((size_t)4 << 20)
#define MLO_EXTRA_MAX             ((size_t)256 << 20)
#define MLO_RAW_LAYER_MIN                                                                                    \
    ((uint64_t)1 << 20) /* other files from this size on are raw layers too; weights always are */

/* ---- references: NAME[:TAG][@sha256:...] ---- */

struct mlo_ref {
    char name[129]; /* [a-z0-9]+([._-][a-z0-9]+)*, components joined by "/", at most 128 bytes */
    char tag[129];  /* [A-Za-z0-9_][A-Za-z0-9._-]{0,127}; "latest" when not given */
    bool has_tag, has_digest;
    struct mlo_digest digest;
};
int mlo_ref_parse(const char *text, struct mlo_ref *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* "credit:1.4.0"; buf of MLO_REF_TEXT bytes; returns buf. The ledger's name of kind "tag". */
#define MLO_REF_TEXT 260
char *mlo_ref_text(const struct mlo_ref *ref, char *buf);

/* ---- pack ---- */

struct mlo_pack_metric {
    const char *key;
    double value;
};
struct mlo_pack_opts {
    const char *const *paths;
    size_t n_paths; /* files and folders; in the bundle a folder's files stand relative to it, a file under
                       its base name */
    const char *name,
        *version; /* for the config's descriptor: from the tag; version NULL when the tag is no version */
    const struct mlo_pack_metric *metrics;
    size_t n_metrics;
    const char *const *datasets;
    size_t n_datasets; /* files hashed, not stored: name, size, digest */
    const char *const *env_locks;
    size_t n_env_locks;  /* stored: requirements.txt, conda-lock, uv.lock... */
    const char *license; /* SPDX expression */
    const char *card;    /* Markdown file, stored as README.md of kind doc */
    const char *profile; /* of the training data, a layer of its own under MLO_PROFILE_PATH */
    uint64_t profile_rows, profile_columns; /* what it says of itself */
    /*
     * Asked once about the model at `path` in the bundle: names of the columns that it takes, and golden
     * samples, either may stay NULL; JSON that mlopsctl.json will hold, owner: the bundle. NULL: nobody.
     * model: which file is meant; NULL: the only one of ONNX, XGBoost or LightGBM.
     */
    int (*describe)(void *ctx, const char *path, cJSON **ret_features, cJSON **ret_samples,
                    struct mlo_err *err);
    void *describe_ctx;
    const char *model;
    const char *description;
    const struct mlo_git_info *git; /* borrowed; NULL outside a repository */
    int64_t source_date_ns; /* time written into the bundle: commit time or SOURCE_DATE_EPOCH; 0: none */
    bool accept_unknown;    /* pickle verdict unknown or unscanned */
    bool accept_secrets;
    bool dry_run;
    bool bare; /* without mlopsctl.json: nothing but ModelPack */
    unsigned threads;
    const char *home; /* for the caches */
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *progress_ctx;
};
struct mlo_pack_result { /* release with mlo_pack_result_release */
    struct mlo_digest manifest, tensor_set;
    bool has_tensor_set;
    uint64_t manifest_size, bytes, stored_bytes; /* bytes: all files; stored: newly added to the store */
    size_t n_files, n_tensors, n_cached;
    uint64_t parameters;
    enum mlo_pickle_verdict verdict;
    char **warnings;
    size_t n_warnings;
    char **file_paths;
    size_t n_file_paths; /* in the bundle, sorted */
};
/*
 * Refusals: MLO_EINVALID for malformed weights, dangerous or (without accept) unknown pickles, secrets,
 * unsafe or colliding names, special files; MLO_ECONFLICT for a file that changes meanwhile. All refusals of
 * one kind are listed, not only the first. Nothing is named: blobs alone.
 */
int mlo_pack(struct mlo_store *s, const struct mlo_pack_opts *opts, struct mlo_pack_result *ret,
             struct mlo_err *err) MLO_MUST_CHECK;
void mlo_pack_result_release(struct mlo_pack_result *r);

/* ---- any OCI manifest or index, from bytes ---- */

/* Whose model: what other tools put into registries is kept as it is, so its digest stays. */
enum mlo_family {
    MLO_FAMILY_NONE,      /* no model: a container image, a signature */
    MLO_FAMILY_MODELPACK, /* both generations; ours are */
    MLO_FAMILY_KITOPS,
    MLO_FAMILY_DOCKER_MODEL, /* Docker Model Runner */
    MLO_FAMILY_OLLAMA,
    MLO_FAMILY_ARTIFACT, /* files by org.opencontainers.image.title, as oras writes them */
};
const char *mlo_family_name(enum mlo_family f);

struct mlo_descriptor {
    const char *media_type, *artifact_type; /* borrowed; "" when absent */
    struct mlo_digest digest;
    uint64_t size;
};
struct mlo_oci { /* text borrowed from doc */
    cJSON *doc;
    const char *media_type;    /* told from its shape when it is not said */
    const char *artifact_type; /* "" when absent */
    bool is_index, has_subject;
    enum mlo_family family; /* of a manifest */
    struct mlo_descriptor subject;
    struct mlo_descriptor *list; /* of an index: its manifests; of a manifest: config, then layers */
    size_t n, cap;
};
int mlo_oci_parse(const char *text, size_t n, struct mlo_oci *ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_oci_release(struct mlo_oci *o);

/* ---- reading a bundle ---- */

enum mlo_layer_packing { MLO_PACKING_RAW, MLO_PACKING_TAR, MLO_PACKING_TAR_GZIP, MLO_PACKING_TAR_ZSTD };
struct mlo_layer {
    struct mlo_digest digest, diff_id;
    bool has_diff_id; /* false for compressed layers of families that do not say it */
    uint64_t size;
    const char *media_type, *kind; /* "weight", "weight.config", "doc", "code", "dataset"; "" when foreign */
    enum mlo_layer_packing packing;
    const char *path; /* raw: file path, checked; NULL else */
    uint32_t mode;    /* raw: permission bits, 0644 when absent */
};
struct mlo_file {
    const char *path;
    uint64_t size;
    struct mlo_digest digest;
    uint32_t mode;
    const char *kind, *format;
    size_t layer;
};
struct mlo_bundle { /* everything borrowed from `arena`, `manifest_json`, `config`, `extra` */
    struct mlo_digest digest;
    char *manifest_text;
    size_t manifest_len;
    enum mlo_family family;
    /* extra NULL for bundles of other tools; config NULL when it is not a JSON object */
    cJSON *manifest, *config, *extra;
    struct mlo_digest config_digest;
    uint64_t config_size;
    struct mlo_layer *layers;
    size_t n_layers;
    struct mlo_file *files;
    size_t n_files;      /* sorted by path; of tar layers too when `extra` lists them */
    bool old_generation; /* cnai names */
    struct mlo_arena arena;
};
/* Reads and checks manifest, config (closed schema), extra: names, counts, sizes, paths. Both ModelPack
 * generations, and the other families. */
int mlo_bundle_load(struct mlo_store *s, const struct mlo_digest *manifest, struct mlo_bundle *ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
void mlo_bundle_release(struct mlo_bundle *b);
/* As load, from bytes (used by import, pull and fuzzing); blobs are not looked at. config may be NULL where
 * the family has none worth reading (MLO_FAMILY_ARTIFACT). */
int mlo_bundle_parse(const char *manifest, size_t n, const char *config, size_t config_n, const char *extra,
                     size_t extra_n, struct mlo_bundle *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* One of its files, whole and checked against its digest, with a NUL added; MLO_ENOTFOUND, or MLO_EINVALID
 * for more than max bytes. Owner of *ret: the caller. */
int mlo_bundle_read(struct mlo_store *s, const struct mlo_bundle *b, const char *path, size_t max, char **ret,
                    size_t *ret_len, struct mlo_err *err) MLO_MUST_CHECK;
/* A model's manifest alone: types, sizes, paths safe and once. For those who are about to fetch what it
 * names. */
int mlo_manifest_check(const char *text, size_t n, struct mlo_err *err) MLO_MUST_CHECK;
/* The blobs that any OCI manifest names, a model's or a signature's: itself, config, layers. */
typedef int (*mlo_blob_fn)(void *ctx, const struct mlo_digest *d, uint64_t size, struct mlo_err *err);
int mlo_manifest_each_blob(struct mlo_store *s, const struct mlo_digest *manifest, mlo_blob_fn fn, void *ctx,
                           struct mlo_err *err) MLO_MUST_CHECK;
/*
 * Every blob below an OCI manifest or index, itself included. Referrers (signatures) are names of their own
 * and manifests like any other: reach them from there; their `subject` is not followed.
 */
int mlo_bundle_reach(struct mlo_store *s, const struct mlo_digest *manifest, struct mlo_digest_set *into,
                     struct mlo_err *err) MLO_MUST_CHECK;

struct mlo_bundle_tensor {
    const char *name, *type_name, *file;
    enum mlo_dtype dtype;
    uint32_t rank;
    uint64_t shape[MLO_MAX_RANK];
    uint64_t bytes;
    bool has_digest;
    struct mlo_digest digest;
};
int mlo_bundle_tensor_each(const struct mlo_bundle *b,
                           int (*fn)(void *ctx, const struct mlo_bundle_tensor *t, struct mlo_err *err),
                           void *ctx, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- verify, repair ---- */

/* size UINT64_MAX: not known. what: "missing", "damaged", "unreadable" are the blob's own faults, anything
 * else says where the bundle contradicts itself. */
struct mlo_fault {
    struct mlo_digest blob;
    uint64_t size;
    const char *what;
    const char *role; /* "manifest", "layer model.safetensors" */
};
/* Every blob hashed, sizes and diff ids compared, tensors' digests recomputed with `deep`. fn hears of each
 * fault. MLO_NO when there was one. */
struct mlo_verify_opts {
    bool deep;
    unsigned threads;
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *progress_ctx;
};
int mlo_bundle_verify(struct mlo_store *s, const struct mlo_digest *manifest, const struct mlo_verify_opts *o,
                      int (*fn)(void *ctx, const struct mlo_fault *f, struct mlo_err *err), void *ctx,
                      uint64_t *ret_bytes, struct mlo_err *err) MLO_MUST_CHECK;
/*
 * Look for the blob's bytes in a folder or file tree (a checkout, an unpacked bundle, an OCI layout) or an
 * archive (an exported tar; the member is copied to an unnamed file in `tmp`). *ret_fd positioned at 0;
 * MLO_ENOTFOUND.
 */
int mlo_repair_find(const char *from, const struct mlo_digest *d, uint64_t size, const char *tmp, int *ret_fd,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* Builds the tar layer with this digest again from the files that the bundle lists for it, each looked for in
 * `from`. MLO_ENOTFOUND. */
int mlo_repair_rebuild(const struct mlo_bundle *b, const struct mlo_digest *d, const char *from,
                       const char *tmp, int *ret_fd, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- out and in ---- */

/* Into a new or empty folder: reflink or copy, never links into the store. Partial (n_select > 0): paths or
 * globs. The folder gets its name last. */
struct mlo_unpack_opts {
    const char *const *select;
    size_t n_select;
    bool force;
    unsigned threads;
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *progress_ctx;
};
int mlo_bundle_unpack(struct mlo_store *s, const struct mlo_digest *manifest, const char *folder,
                      const struct mlo_unpack_opts *o, uint64_t *ret_bytes, size_t *ret_files,
                      struct mlo_err *err) MLO_MUST_CHECK;
/*
 * Deterministic tar of an OCI layout: oci-layout, index.json, then blobs sorted; every blob hashed on its
 * way. out_fd: any sink. What was written before a failure is no archive.
 */
struct mlo_export_opts {
    const char *ref; /* the name in index.json; may be NULL */
    const struct mlo_digest *referrers;
    size_t n_referrers; /* signatures to take along */
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *progress_ctx;
    struct mlo_digest *ret_digest; /* of the archive; may be NULL */
    uint64_t *ret_size;            /* likewise */
};
int mlo_bundle_export(struct mlo_store *s, const struct mlo_digest *manifest, const struct mlo_export_opts *o,
                      int out_fd, struct mlo_err *err) MLO_MUST_CHECK;
/*
 * One pass over a tar (a pipe will do) or a layout folder, everything hashed while it streams into the store.
 * The models that its index.json names with their ref names, and what refers to them; entries of other kinds
 * are passed over. Nothing is named.
 */
struct mlo_imported {
    struct mlo_digest manifest, subject; /* subject: what a referrer (a signature) refers to */
    bool is_referrer;
    char ref[MLO_REF_TEXT]; /* "" when unnamed or not made of the characters of a reference */
};
int mlo_bundle_import(struct mlo_store *s, const char *path, struct mlo_imported **ret, size_t *ret_n,
                      struct mlo_err *err) MLO_MUST_CHECK;

/* ---- container images ---- */

/*
 * The files of an image of an OCI layout (a folder, or a tar of one), layer over layer, below `folder`, which
 * is empty: its root is "rootfs" there. Blobs are checked against their digests. No link leads out of that
 * root, set-user-id bits and devices are left out, owners are kept where this process may set them. tag:
 * which image of several; NULL: the only one, of this machine's architecture. *ret_config: its configuration;
 * owner: the caller.
 */
int mlo_image_unpack(const char *layout, const char *tag, const char *folder, cJSON **ret_config,
                     struct mlo_err *err) MLO_MUST_CHECK;

/* ---- compare ---- */

enum mlo_change { MLO_SAME, MLO_ADDED, MLO_REMOVED, MLO_CHANGED };
struct mlo_tensor_change {
    enum mlo_change change;
    const struct mlo_bundle_tensor *a, *b;
    bool has_stats;
    double max_abs, mean_abs;
    uint64_t n_differ;
};
/* fn for every tensor that is not the same; differences of numbers need the same type and shape. */
int mlo_diff_tensors(struct mlo_store *s, const struct mlo_bundle *a, const struct mlo_bundle *b, bool stats,
                     unsigned threads,
                     int (*fn)(void *ctx, const struct mlo_tensor_change *c, struct mlo_err *err), void *ctx,
                     size_t *ret_same, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- signatures: OpenSSF model signing (Sigstore bundle, DSSE, ECDSA P-256), kept as a referrer of the
 * manifest ---- */

#define MLO_ARTIFACT_SIGNATURE "application/vnd.dev.sigstore.bundle.v0.3+json"
#define MLO_SIGNATURE_MAX      ((size_t)64 << 20)

/* PEM: PKCS #8 (mode 0600) and SubjectPublicKeyInfo. Existing files are an MLO_ECONFLICT and stay. */
int mlo_sign_keygen(const char *private_path, const char *public_path, struct mlo_err *err) MLO_MUST_CHECK;
/* Adds the signature blob and referrer manifest; its digest is to be named ("signature", "<manifest>/<key
 * hint>") by the caller. */
int mlo_sign(struct mlo_store *s, const struct mlo_digest *manifest, const char *private_key_path,
             struct mlo_digest *ret_referrer, char ret_hint[MLO_DIGEST_HEX + 1],
             struct mlo_err *err) MLO_MUST_CHECK;
/* MLO_NO: no signature by this key, or it does not fit. No network. Blobs are verified elsewhere
 * (mlo_bundle_verify). */
int mlo_sign_verify(struct mlo_store *s, const struct mlo_digest *manifest,
                    const struct mlo_digest *referrers, size_t n, const char *public_key_path,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* What a signature in the store is over and by whom, unverified: for naming it. A referrer of another kind is
 * MLO_ENOTFOUND. */
int mlo_sign_subject(struct mlo_store *s, const struct mlo_digest *referrer, struct mlo_digest *ret_manifest,
                     char ret_hint[MLO_DIGEST_HEX + 1], struct mlo_err *err) MLO_MUST_CHECK;
/* The signature file, as other tools verify it beside an unpacked bundle. Owner: the caller. */
int mlo_sign_text(struct mlo_store *s, const struct mlo_digest *referrer, char **ret, size_t *ret_n,
                  struct mlo_err *err) MLO_MUST_CHECK;

#endif
