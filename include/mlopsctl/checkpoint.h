/*
 * Checkpoints: what a file of weights holds. One reader per format, all strict, iterative and bounded; the
 * format is told from the bytes, never from the name.
 *
 * A reader sees a struct mlo_source (file or memory), reads headers only, and gives a struct mlo_checkpoint:
 * tensors with type, shape and where their bytes are, metadata, warnings, and the verdict over every pickle
 * inside.
 *
 * Sources of the rules: docs of safetensors, GGUF, ONNX, NumPy and PyTorch's serialization, collected with
 * limits in docs/formats.md.
 */
#ifndef MLOPSCTL_CHECKPOINT_H
#define MLOPSCTL_CHECKPOINT_H

#include <mlopsctl/base/dtype.h>
#include <mlopsctl/base/hash.h>
#include <mlopsctl/base/str.h>

/* Random access to bytes. read_at gives exactly n bytes or fails. */
struct mlo_source {
    uint64_t size;
    int (*read_at)(void *ctx, void *buf, size_t n, uint64_t off, struct mlo_err *err);
    void *ctx;
};
struct mlo_mem {
    const void *data;
};
struct mlo_source mlo_source_fd(const int *fd, uint64_t size);            /* borrows *fd */
struct mlo_source mlo_source_mem(const struct mlo_mem *mem, size_t size); /* borrows */

enum mlo_format {
    MLO_FMT_UNKNOWN,
    MLO_FMT_SAFETENSORS,
    MLO_FMT_ONNX,
    MLO_FMT_TORCH_ZIP,
    MLO_FMT_TORCH_LEGACY,
    MLO_FMT_TORCH_TAR,   /* recognised and refused as unsafe */
    MLO_FMT_TORCHSCRIPT, /* recognised: holds code */
    MLO_FMT_GGUF,
    MLO_FMT_NPY,
    MLO_FMT_NPZ,
    MLO_FMT_PICKLE,
    MLO_FMT_ZIP,
    MLO_FMT_HDF5,
    MLO_FMT_XGBOOST, /* JSON or UBJ */
    MLO_FMT_LIGHTGBM,
    MLO_FMT_COMPRESSED, /* gzip, zstd, xz, bzip2, 7z */
};
const char *mlo_format_name(enum mlo_format f); /* "safetensors", "onnx", ... */

/* How a tensor's canonical bytes (contiguous, row-major, little-endian) are found. */
enum mlo_tensor_store {
    MLO_TS_RANGE,   /* they are file bytes [offset, offset+length) */
    MLO_TS_STRIDED, /* a view into [offset, offset+length): stride, or big-endian, or Fortran order; element 0
                       is at offset */
    MLO_TS_DEFLATED, /* deflated in a zip member at [offset, offset+length): `skip` bytes, then as STRIDED */
    MLO_TS_TYPED,    /* spelt as protobuf values (ONNX float_data and the like) at [offset, offset+length) */
    MLO_TS_EXTERNAL, /* in another file: `external` */
    MLO_TS_NONE,     /* no bytes to hash: strings, objects, meta tensors */
};

#define MLO_MAX_RANK 64
struct mlo_tensor {
    const char *name; /* UTF-8 as in the file; escape before printing */
    enum mlo_dtype dtype;
    uint32_t ggml_type;    /* for MLO_DT_GGML */
    const char *type_name; /* printable: "float32", "q4_k", ... */
    uint32_t rank;
    const uint64_t *shape; /* row-major order in every format (GGUF's is turned round) */
    const int64_t *stride; /* STRIDED, DEFLATED: in elements, not negative; NULL: contiguous */
    uint64_t elements;
    uint64_t bytes; /* canonical bytes */
    enum mlo_tensor_store store;
    uint64_t offset, length; /* in the file, see store */
    bool swap;               /* big-endian in the file */
    uint64_t skip;           /* DEFLATED: unpacked bytes before the first element */
    uint32_t crc;            /* DEFLATED: CRC-32 of all unpacked bytes */
    uint32_t field;          /* TYPED: protobuf field that holds the values */
    const char *external;    /* EXTERNAL: checked relative path; offset/length lie in it */
};

enum mlo_pickle_verdict {                   /* worst last */
                          MLO_VERDICT_NONE, /* no pickle inside */
                          MLO_VERDICT_TENSOR_ONLY,
                          MLO_VERDICT_KNOWN,
                          MLO_VERDICT_UNSCANNED,
                          MLO_VERDICT_UNKNOWN,
                          MLO_VERDICT_DANGEROUS,
};
const char *mlo_verdict_name(enum mlo_pickle_verdict v); /* "none", "tensor-only", ... */

struct mlo_finding {
    enum mlo_pickle_verdict verdict;
    const char *where; /* member path, "archive/data.pkl" or "" */
    uint64_t offset;   /* byte offset in that member */
    const char *what;  /* "posix.system", "opcode INST", "stack_global with computed name", "zip: local and
                          central names differ" */
};

struct mlo_kv {
    const char *key, *value;
};
struct mlo_port { /* model input or output */
    const char *name;
    enum mlo_dtype dtype;
    const char *type_name;
    uint32_t rank;
    bool has_shape;
    const char *const *dims; /* "N", "768", "?" */
};

struct mlo_checkpoint { /* everything borrowed from `arena` */
    enum mlo_format format;
    struct mlo_tensor *tensors;
    size_t n_tensors;
    uint64_t parameters; /* sum of elements, float types and quantised blocks; bool and integers too */
    uint64_t tensor_bytes;
    struct mlo_kv *meta;
    size_t n_meta;
    struct mlo_port *inputs, *outputs;
    size_t n_inputs, n_outputs;
    const char **external; /* distinct external data files, checked relative paths */
    size_t n_external;
    const char **warnings;
    size_t n_warnings;
    enum mlo_pickle_verdict verdict;
    struct mlo_finding *findings;
    size_t n_findings;
    const char *architecture; /* "llama", "" when unknown */
    struct mlo_arena arena;
    struct {
        size_t tensors, meta, warnings, findings, external;
    } room; /* of the arrays above; the readers' own */
};

/*
 * Look at the first bytes (and a zip's directory). MLO_FMT_UNKNOWN is a normal answer: an ordinary file. A
 * file that is two formats at once is MLO_EINVALID ("polyglot").
 */
int mlo_checkpoint_sniff(const struct mlo_source *src, enum mlo_format *ret,
                         struct mlo_err *err) MLO_MUST_CHECK;
/* XGBOOST or LIGHTGBM by the first bytes of a file (512 are enough), else UNKNOWN. */
enum mlo_format mlo_booster_sniff(const void *head, size_t n);
/*
 * Sniff and read. An ordinary file gives format UNKNOWN and no tensors. Malformed: MLO_EINVALID with offset
 * and reason, but pickle findings made before the fault are still in *ret (a truncated pickle has already run
 * what came before): *ret is always valid to release.
 */
int mlo_checkpoint_read(const struct mlo_source *src, struct mlo_checkpoint *ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
void mlo_checkpoint_release(struct mlo_checkpoint *cp);
/*
 * Reads the data through where the format carries a check of its own: CRC-32 of every member of a zip
 * (PyTorch, .npz), which PyTorch's own loader does not look at. MLO_EINVALID names the damaged member. Other
 * formats: 0 at once.
 */
int mlo_checkpoint_check_data(const struct mlo_source *src, struct mlo_err *err) MLO_MUST_CHECK;

/* Scan any file for pickles (nested archives to depth 4 too): verdict and findings only. Never fails on
 * hostile content: it reports it. */
int mlo_pickle_scan(const struct mlo_source *src, struct mlo_checkpoint *ret,
                    struct mlo_err *err) MLO_MUST_CHECK;

/* Streams the canonical bytes of tensor t in pieces of at most 1 MiB. EXTERNAL: src must be that other file.
 */
int mlo_tensor_read(const struct mlo_source *src, const struct mlo_tensor *t,
                    int (*fn)(void *ctx, const void *p, size_t n, struct mlo_err *err), void *ctx,
                    struct mlo_err *err) MLO_MUST_CHECK;
/*
 * A sharded model's index (model.safetensors.index.json, pytorch_model.bin.index.json) against its shards.
 * Hard faults are MLO_EINVALID: malformed JSON, a file name that is not a plain one, a file or tensor that is
 * not there, a tensor in no index. A total_size that differs is only a warning, since writers count shared
 * tensors differently.
 */
struct mlo_shard {
    const char *file;
    const struct mlo_checkpoint *cp;
};
int mlo_shard_index_check(const char *json, size_t n, const struct mlo_shard *shards, size_t n_shards,
                          struct mlo_str *warning, struct mlo_err *err) MLO_MUST_CHECK;

/*
 * Tensor-set digest: SHA-256 over the entries sorted by name (bytes), each spelt as one line of canonical
 * text
 * "<name-length>:<name> <type> [d0,d1,...] <hex>\n": the same for the same weights in any container.
 */
struct mlo_tensor_id {
    const char *name;
    const char *type_name;
    const uint64_t *shape;
    uint32_t rank;
    struct mlo_digest digest;
};
int mlo_tensor_set_digest(const struct mlo_tensor_id *ids, size_t n, struct mlo_digest *ret,
                          struct mlo_err *err) MLO_MUST_CHECK;

/* Writes safetensors as the reference writer does (type rank descending, then name; header padded to 8). For
 * tests, export, compress. */
struct mlo_st_tensor {
    const char *name;
    enum mlo_dtype dtype;
    const uint64_t *shape;
    uint32_t rank;
};
int mlo_safetensors_header(const struct mlo_st_tensor *t, size_t n, const struct mlo_kv *meta, size_t n_meta,
                           struct mlo_str *out, size_t *ret_order /* n entries: tensor index in data order */,
                           struct mlo_err *err) MLO_MUST_CHECK;

#endif
