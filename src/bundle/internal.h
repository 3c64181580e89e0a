/*
 * What the files of this folder share. Two halves meet here: making and reading manifests (pack.c,
 * manifest.c, extra.c, load.c) and archives (archive.c, the only user of libarchive.c).
 */
#ifndef MLO_BUNDLE_INTERNAL_H
#define MLO_BUNDLE_INTERNAL_H

#include <mlopsctl/bundle.h>

/* ---- archive.c: deterministic tar ---- */

struct mlo_tar_member {
    const char *path; /* in the archive: checked, relative */
    /* Content: memory, or when NULL the regular file `source` beneath `dirfd`, opened without following
     * links. */
    const void *mem;
    int dirfd;
    const char *source;
    uint64_t size;
    uint32_t mode; /* 0644 or 0755 */
    /* NULL, or what the content must hash to: MLO_ECONFLICT when a file changed meanwhile. */
    const struct mlo_digest *expect;
};
/*
 * Writes the members, sorted by the caller (bytes), as one tar blob: mtime `mtime_s`, owner 0/0 without
 * names, no folders, no padding beyond the two end blocks. Members' files are opened one at a time. `s` NULL:
 * nothing is stored, digest and size are computed alone.
 */
int mlo_tar_layer(struct mlo_store *s, const struct mlo_tar_member *m, size_t n, int64_t mtime_s,
                  struct mlo_digest *ret, uint64_t *ret_size, struct mlo_err *err) MLO_MUST_CHECK;
/* Looks through an archive on fd (from 0) for a member of exactly these bytes; copies it to out_fd, or
 * MLO_ENOTFOUND. */
int mlo_tar_find(int fd, const struct mlo_digest *d, uint64_t size, int out_fd,
                 struct mlo_err *err) MLO_MUST_CHECK;
/* SHA-256 of the decompressed bytes of a gzip or zstd layer; more than max bytes is MLO_EINVALID. */
int mlo_layer_diff_id(int fd, uint64_t max, struct mlo_digest *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- words of ModelPack ---- */

#define MLO_ANN_FILEPATH      "org.cncf.model.filepath"
#define MLO_ANN_FILE_META     "org.cncf.model.file.metadata+json"
#define MLO_ANN_OLD_FILEPATH  "org.cnai.model.filepath"
#define MLO_ANN_OLD_FILE_META "org.cnai.model.file.metadata+json"
#define MLO_ANN_TITLE         "org.opencontainers.image.title"

/* In the order of layers. */
enum mlo_kind {
    MLO_KIND_WEIGHT,
    MLO_KIND_CONFIG,
    MLO_KIND_CODE,
    MLO_KIND_DOC,
    MLO_KIND_DATASET,
    MLO_N_KINDS,
};
const char *mlo_kind_name(enum mlo_kind k); /* "weight", "weight.config", ... */
bool mlo_kind_from_name(const char *name, size_t n, enum mlo_kind *ret);
/* By content first: what a checkpoint reader knows is weights; by name else. */
enum mlo_kind mlo_classify(const char *path, enum mlo_format format);

/* ---- refusals: everything that is wrong, said at once ---- */

struct mlo_refusals {
    struct mlo_str text;
    size_t n;
};
void mlo_refusals_init(struct mlo_refusals *r);
void mlo_refusals_release(struct mlo_refusals *r);
void mlo_refuse(struct mlo_refusals *r, const char *path, const char *fmt, ...) MLO_PRINTF(3, 4);
/* 0 when there is none, else MLO_EINVALID with the list. */
int mlo_refusals_check(const struct mlo_refusals *r, const char *hint, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- walk.c: which files ---- */

#define MLO_PACK_MAX_FILES ((size_t)1000000)
#define MLO_PACK_MAX_DEPTH 128

struct mlo_walked {
    const char *path;   /* in the bundle */
    int dirfd;          /* of the root it was found under; borrowed from the walk */
    const char *source; /* beneath dirfd */
    struct stat st;
};
struct mlo_walk { /* everything borrowed from `arena` and `roots` */
    struct mlo_walked *files;
    size_t n, cap;
    int *roots;
    size_t n_roots, roots_cap;
    struct mlo_arena arena;
};
void mlo_walk_init(struct mlo_walk *w);
void mlo_walk_release(struct mlo_walk *w);
/* A file or a folder; `as` is the file's path in the bundle, NULL for its base name. */
int mlo_walk_add(struct mlo_walk *w, const char *path, const char *as, struct mlo_refusals *no,
                 struct mlo_err *err) MLO_MUST_CHECK;
/* Sorts by path, drops a file named twice, refuses names that collide where case does not count. */
int mlo_walk_finish(struct mlo_walk *w, struct mlo_refusals *no, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_walked_open(const struct mlo_walked *f, int *ret_fd, struct mlo_err *err) MLO_MUST_CHECK;
/* The whole of a small file with a NUL after it, to be freed. */
int mlo_walked_slurp(const struct mlo_walked *f, char **ret, size_t *ret_n,
                     struct mlo_err *err) MLO_MUST_CHECK;

/* ---- manifest.c: config and manifest, byte for byte ---- */

struct mlo_layer_plan {
    enum mlo_kind kind;
    const char *path; /* raw: file path; NULL: a tar */
    uint32_t mode;    /* raw */
    struct mlo_digest digest;
    uint64_t size;
};
struct mlo_config_facts { /* NULL or 0: left out */
    const char *name, *version, *revision, *license, *description;
    int64_t created_ns;
    const char *architecture, *format, *precision, *quantization;
    uint64_t parameters;
};
/* Owner of *ret: the caller. */
int mlo_config_build(const struct mlo_config_facts *f, const struct mlo_layer_plan *layers, size_t n,
                     char **ret, size_t *ret_len, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_manifest_build(const struct mlo_digest *config, uint64_t config_size,
                       const struct mlo_layer_plan *layers, size_t n, char **ret, size_t *ret_len,
                       struct mlo_err *err) MLO_MUST_CHECK;
#define MLO_PARAM_SIZE_MAX 32
/* "109.5M": at most one decimal and one of K M B T Q; "" below 1000, where ModelPack has no word. */
char *mlo_param_size(uint64_t n, char buf[MLO_PARAM_SIZE_MAX]);

/* ---- load.c ---- */

/* Manifest alone into *ret: layers without diff ids, no files. For those who look before config and extra are
 * known to be good. */
int mlo_bundle_parse_manifest(const char *text, size_t n, struct mlo_bundle *ret,
                              struct mlo_err *err) MLO_MUST_CHECK;
/* The layer that is mlopsctl.json; NULL in bundles of other tools. */
const struct mlo_layer *mlo_bundle_extra_layer(const struct mlo_bundle *b);
#define MLO_CONFIG_MAX   ((size_t)4 << 20)
#define MLO_LAYERS_MAX   ((size_t)100000)
#define MLO_EXTRA_SCHEMA 1

/* ---- schema.c: the config's closed schema ---- */

int mlo_config_check(const cJSON *config, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- pack: what is known about each file on its way into a bundle ---- */

struct mlo_packed {
    const struct mlo_walked *file;
    struct mlo_digest digest;
    bool known;           /* digest comes from the stat cache: the file need not be read */
    cJSON *doc;           /* what it holds, see inspect.c; owned */
    bool external_cached; /* digests of its tensors in other files came from the cache */
    bool fresh;           /* doc was made now from `cp`: its tensors are still to be hashed */
    struct mlo_checkpoint cp;
    enum mlo_kind kind;
    enum mlo_format format;
    uint32_t mode; /* 0644 or 0755 */
    bool raw;      /* a layer of its own */
    size_t layer;
};
static inline bool mlo_packed_small(const struct mlo_packed *f)
{
    return (uint64_t)f->file->st.st_size < MLO_RAW_LAYER_MIN;
}
/* "a/b" + "c" -> "a/c"; the packed file there, or NULL. `files` sorted by path. */
struct mlo_packed *mlo_packed_sibling(struct mlo_packed *files, size_t n, const char *path, const char *name);

/* ---- inspect.c: one file's content as a document that its bytes alone decide, so that it can be cached
 * under their digest ---- */

/*
 * {"format","verdict","architecture","parameters","tensors":[{"name","type","shape","bytes","digest"}],"inputs","outputs",
 *  "external":[path],"findings":[{"where","offset","verdict","what"}],"secrets":[{"rule","line"}],"warnings":[text],"fault":text}
 * Tensors in other files have "external", "offset" and "length" too; "fault" says why the file is malformed.
 * `text`: the whole content where it is small enough to be scanned for secrets, else NULL. Only system errors
 * fail.
 */
int mlo_inspect(const struct mlo_source *src, const char *text, struct mlo_packed *f,
                struct mlo_err *err) MLO_MUST_CHECK;
/* Reads format and the like back; false when doc is not one of ours. */
bool mlo_inspected_adopt(struct mlo_packed *f);
enum mlo_pickle_verdict mlo_inspected_verdict(const cJSON *doc);

/* ---- gate.c: what may not be packed ---- */

int mlo_gate(struct mlo_packed *files, size_t n, const struct mlo_pack_opts *opts, struct mlo_refusals *no,
             struct mlo_str *warning, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- ingest.c: files into the store, tensors hashed in the same read ---- */

struct mlo_taking {
    struct mlo_store *store; /* NULL in a dry run without one */
    const struct mlo_pack_opts *opts;
    struct mlo_stat_cache *seen;
    struct mlo_packed *files;
    size_t n;
};
int mlo_take_files(const struct mlo_taking *t, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- facts.c: what the checkpoints say about the model as a whole ---- */

struct mlo_model_facts {
    enum mlo_format format; /* of most of the weights; UNKNOWN: no weights */
    uint64_t parameters;
    size_t n_tensors;
    char precision[128], quantization[64], architecture[64];
    bool has_tensor_set;
    struct mlo_digest tensor_set;
    enum mlo_pickle_verdict verdict;
};
int mlo_model_facts(const struct mlo_packed *files, size_t n, struct mlo_model_facts *ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* ModelPack's word: "safetensors", "onnx", "gguf", "pt", ...; NULL for UNKNOWN. */
const char *mlo_format_word(enum mlo_format f);

/* ---- extra.c: mlopsctl.json ---- */

/* Members of a file's document for what was told of the model: names of features, golden samples. */
#define MLO_DOC_FEATURES "features"
#define MLO_DOC_SAMPLES  "samples"
/* Tensors, signatures and samples are moved out of the documents. Owner of *ret: the caller. */
int mlo_extra_build(struct mlo_packed *files, size_t n, const struct mlo_model_facts *facts,
                    const struct mlo_pack_opts *opts, char **ret, size_t *ret_len,
                    struct mlo_err *err) MLO_MUST_CHECK;

#endif
