/*
 * What the checkpoint readers share: a bounded window over a source, the zip directory, building a struct
 * mlo_checkpoint, and one entry point per format.
 *
 * Rules for every reader: lengths are checked by subtraction against what is left; counts are bounded by
 * bytes left before anything is allocated; nothing recurses on input without a depth limit; foreign names
 * reach a message only through mlo_shown.
 */
#ifndef MLOPSCTL_CHECKPOINT_INTERNAL_H
#define MLOPSCTL_CHECKPOINT_INTERNAL_H

#include <mlopsctl/base/bytes.h>
#include <mlopsctl/base/text.h>
#include <mlopsctl/checkpoint.h>

/* ---- limits ---- */

#define MLO_CP_ARENA_MAX     ((size_t)1 << 30) /* all memory of one struct mlo_checkpoint */
#define MLO_CP_MAX_TENSORS   ((size_t)1 << 22)
#define MLO_CP_MAX_META      ((size_t)1 << 16) /* metadata entries kept; more is an error */
#define MLO_CP_MAX_WARNINGS  100               /* later ones are counted in the last */
#define MLO_CP_MAX_FINDINGS  1000              /* later ones still raise the verdict */
#define MLO_CP_MAX_VALUE     ((size_t)1 << 20) /* bytes of one metadata value; longer ones are cut */
#define MLO_CP_MAX_EXPANSION 1024              /* canonical bytes of a strided view per byte of its storage */

/* ---- sources ---- */

/* A part of another source, for a stored zip member or the pickles of a legacy file. The checks are the
 * caller's. */
struct mlo_part {
    const struct mlo_source *src;
    uint64_t offset;
};
struct mlo_source mlo_source_part(const struct mlo_part *part, uint64_t size); /* borrows */

int mlo_source_read(const struct mlo_source *src, void *buf, size_t n, uint64_t off,
                    struct mlo_err *err) MLO_MUST_CHECK;

/*
 * Sequential reader with a window of at most MLO_WINDOW bytes. Reading past the end is MLO_EINVALID "... at
 * byte N: needs X bytes, Y left"; N counts from the start of the source.
 */
#define MLO_WINDOW ((size_t)1 << 16)
struct mlo_win {
    const struct mlo_source *src;
    uint64_t pos;   /* of the next byte */
    uint64_t end;   /* first byte that may not be read */
    uint64_t start; /* source offset of buf[0] */
    size_t have;    /* bytes in buf */
    uint8_t *buf;   /* owned, made at the first read */
};
void mlo_win_init(struct mlo_win *w, const struct mlo_source *src, uint64_t pos, uint64_t end);
void mlo_win_release(struct mlo_win *w);
#define MLO_AUTOWIN MLO_AUTO(mlo_win_release)
static inline uint64_t mlo_win_left(const struct mlo_win *w)
{
    return w->end - w->pos;
}
/* n <= MLO_WINDOW bytes at pos, borrowed until the next call; pos stays. */
int mlo_win_peek(struct mlo_win *w, size_t n, const uint8_t **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* As many bytes as are at hand, at least 1, at most MLO_WINDOW; *ret_n is 0 only at the end. */
int mlo_win_some(struct mlo_win *w, const uint8_t **ret, size_t *ret_n, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_win_skip(struct mlo_win *w, uint64_t n, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_win_read(struct mlo_win *w, void *buf, size_t n, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_win_u8(struct mlo_win *w, uint8_t *ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_win_u16(struct mlo_win *w, uint16_t *ret, struct mlo_err *err) MLO_MUST_CHECK; /* little-endian */
int mlo_win_u32(struct mlo_win *w, uint32_t *ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_win_u64(struct mlo_win *w, uint64_t *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- building the result ---- */

void mlo_cp_init(struct mlo_checkpoint *cp);
/* Room for n tensors in one piece; adding more grows. */
int mlo_cp_reserve(struct mlo_checkpoint *cp, size_t n, struct mlo_err *err) MLO_MUST_CHECK;
/* Copies *t; what it points to must be static or in cp->arena. */
int mlo_cp_add_tensor(struct mlo_checkpoint *cp, const struct mlo_tensor *t,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* Copies the n bytes with a NUL; bytes with a NUL inside are MLO_EINVALID. */
int mlo_cp_text(struct mlo_checkpoint *cp, const char *s, size_t n, const char **ret,
                struct mlo_err *err) MLO_MUST_CHECK;
/* Copies both, cut to MLO_CP_MAX_VALUE with "...", escaped when not UTF-8. */
int mlo_cp_add_meta(struct mlo_checkpoint *cp, const char *key, const char *value,
                    struct mlo_err *err) MLO_MUST_CHECK;
int mlo_cp_warn(struct mlo_checkpoint *cp, struct mlo_err *err, const char *fmt, ...)
    MLO_PRINTF(3, 4) MLO_MUST_CHECK;
/* Copies the texts and raises cp->verdict to at least `verdict`. */
int mlo_cp_find(struct mlo_checkpoint *cp, enum mlo_pickle_verdict verdict, const char *where,
                uint64_t offset, const char *what, struct mlo_err *err) MLO_MUST_CHECK;
/* Adds a checked relative path unless it is there. */
int mlo_cp_add_external(struct mlo_checkpoint *cp, const char *path, struct mlo_err *err) MLO_MUST_CHECK;
/*
 * Fills elements, bytes and (when NULL) type_name from dtype, ggml_type, rank and shape. Overflow, or 4/6-bit
 * elements that do not fill whole bytes, are MLO_EINVALID naming t->name. Types without a fixed size: the
 * caller sets bytes.
 */
int mlo_tensor_measure(struct mlo_tensor *t, struct mlo_err *err) MLO_MUST_CHECK;
/* Sorts an index by name and fails on two tensors of one name. O(n log n). */
int mlo_cp_unique_names(const struct mlo_checkpoint *cp, struct mlo_err *err) MLO_MUST_CHECK;
/* Likewise for two metadata keys. */
int mlo_cp_unique_meta(const struct mlo_checkpoint *cp, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- zip ---- */

/*
 * The directory only; data is read by the two functions below. What programs disagree about is noted, not
 * refused, so that a scanner can look inside anyway; mlo_zip_strict refuses it for readers.
 */
enum mlo_zip_odd {
    MLO_ZIP_NAME_DIFFERS = 1 << 0, /* local header has another name */
    MLO_ZIP_SIZE_DIFFERS = 1 << 1, /* local header has other sizes, method or CRC */
    MLO_ZIP_ENCRYPTED = 1 << 2,    /* flag bit 0, 6 or 13 in either header */
    MLO_ZIP_METHOD = 1 << 3,       /* neither stored nor deflated */
    MLO_ZIP_DUPLICATE = 1 << 4,    /* another entry has this name */
    MLO_ZIP_OVERLAP = 1 << 5,      /* shares bytes with another entry or the directory */
    MLO_ZIP_UNSAFE_NAME = 1 << 6,  /* absolute, "..", control bytes, not UTF-8, ... */
    MLO_ZIP_RATIO = 1 << 7,        /* claims more than deflate can give */
    MLO_ZIP_NO_HEADER = 1 << 8,    /* no local header at the offset: data cannot be read */
    MLO_ZIP_CRC = 1 << 9,          /* found when the data was read */
    MLO_ZIP_STREAM = 1 << 10,      /* deflate stream broken, or not the size promised */
    MLO_ZIP_GAP = 1 << 11,         /* bytes that belong to no entry lie before it, or before the directory */
};
#define MLO_ZIP_MAX_ENTRIES ((size_t)1 << 20)
#define MLO_ZIP_MAX_RATIO   1100 /* deflate's limit is about 1032:1 */

struct mlo_zip_entry {
    const char *name; /* from the central directory, NUL-terminated; NULs inside are MLO_ZIP_UNSAFE_NAME */
    size_t name_len;
    uint64_t header; /* offset of the local header */
    uint64_t data;   /* offset of the data */
    uint64_t packed; /* bytes of data; always inside the file */
    uint64_t size;   /* unpacked */
    uint32_t crc;
    uint16_t method; /* 0 stored, 8 deflated */
    uint16_t flags;
    unsigned odd; /* enum mlo_zip_odd */
};
struct mlo_zip {
    struct mlo_zip_entry *entries; /* in directory order; in the arena given */
    size_t n;
    const uint32_t *by_name; /* indices into entries, sorted by name */
    unsigned odd;            /* all entries together */
};
/* An unreadable directory is MLO_EINVALID. A zip must begin at offset 0 and end with its end record. */
int mlo_zip_read(const struct mlo_source *src, struct mlo_arena *arena, struct mlo_zip *ret,
                 struct mlo_err *err) MLO_MUST_CHECK;
/* MLO_EINVALID naming the first odd entry. */
int mlo_zip_strict(const struct mlo_zip *zip, struct mlo_err *err) MLO_MUST_CHECK;
const char *mlo_zip_odd_text(unsigned odd); /* of the lowest bit: "zip: local and central names differ" */
const struct mlo_zip_entry *mlo_zip_find(const struct mlo_zip *zip, const char *name);
/* True when an end record that fits the file's end is there, whatever the file begins with. */
int mlo_zip_has_end(const struct mlo_source *src, bool *ret, struct mlo_err *err) MLO_MUST_CHECK;
/*
 * Unpacked bytes in pieces of at most 64 KiB, at most `max` in all. Damage (CRC, size, stream) does not fail:
 * it is set in *ret_odd after what could be read was given. Encrypted, unknown method, or no header: nothing
 * is given, bits set.
 */
int mlo_zip_stream(const struct mlo_source *src, const struct mlo_zip_entry *e, uint64_t max,
                   int (*fn)(void *ctx, const void *p, size_t n, struct mlo_err *err), void *ctx,
                   unsigned *ret_odd, struct mlo_err *err) MLO_MUST_CHECK;
/* The first bytes only: *ret_n < n when the entry is shorter or damaged. Nothing is checked. */
int mlo_zip_head(const struct mlo_source *src, const struct mlo_zip_entry *e, void *buf, size_t n,
                 size_t *ret_n, struct mlo_err *err) MLO_MUST_CHECK;
/* The whole into memory (NUL added; owner: the caller). More than max bytes: MLO_EINVALID. */
int mlo_zip_load(const struct mlo_source *src, const struct mlo_zip_entry *e, size_t max, char **ret,
                 size_t *ret_len, unsigned *ret_odd, struct mlo_err *err) MLO_MUST_CHECK;

/*
 * Inflates [offset, offset+length) piece by piece for zip.c and tensor.c. *ret_n is 0 at the end of the
 * stream; broken streams are MLO_EINVALID.
 */
struct mlo_inflate {
    void *z; /* z_stream, owned */
    struct mlo_win in;
    bool done;
};
int mlo_inflate_begin(struct mlo_inflate *f, const struct mlo_source *src, uint64_t offset, uint64_t length,
                      struct mlo_err *err) MLO_MUST_CHECK;
int mlo_inflate_some(struct mlo_inflate *f, void *buf, size_t n, size_t *ret_n,
                     struct mlo_err *err) MLO_MUST_CHECK;
void mlo_inflate_end(struct mlo_inflate *f); /* safe after a failed begin */

/* ---- tables ---- */

enum mlo_dtype mlo_dtype_from_safetensors(const char *s,
                                          size_t n);    /* "F32", ...; UNKNOWN when there is no such name */
const char *mlo_dtype_to_safetensors(enum mlo_dtype t); /* NULL when it has no name there */
int mlo_dtype_safetensors_rank(
    enum mlo_dtype t); /* place in the reference writer's order; -1: no name there */
struct mlo_ggml_type {
    uint32_t id;
    const char *name;     /* "q4_k" */
    enum mlo_dtype dtype; /* MLO_DT_GGML for block types */
    uint32_t block, bytes;
};
const struct mlo_ggml_type *mlo_ggml_type(uint32_t id); /* NULL: removed or newer */

/* As mlo_checkpoint_sniff; for the zip formats *ret_zip is the directory, in the arena given. */
int mlo_sniff(const struct mlo_source *src, struct mlo_arena *arena, struct mlo_zip *ret_zip,
              enum mlo_format *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- readers: cp is initialised, format set ---- */

int mlo_safetensors_read(const struct mlo_source *src, struct mlo_checkpoint *cp,
                         struct mlo_err *err) MLO_MUST_CHECK;
int mlo_gguf_read(const struct mlo_source *src, struct mlo_checkpoint *cp,
                  struct mlo_err *err) MLO_MUST_CHECK;
int mlo_npy_read(const struct mlo_source *src, struct mlo_checkpoint *cp, struct mlo_err *err) MLO_MUST_CHECK;
/* What an .npy header says; shared with .npz, whose members are .npy files. */
struct mlo_npy {
    struct mlo_tensor t; /* offset and length counted from the start of the .npy; OBJECT: store NONE */
    uint64_t data;       /* where the header ends */
};
/* Bytes of header and what comes before it, from at least 12 first bytes (or fewer when the file is shorter).
 */
int mlo_npy_head_length(const uint8_t *p, size_t n, size_t *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* head: exactly that many bytes; total: bytes of the whole .npy, checked. */
int mlo_npy_parse(struct mlo_checkpoint *cp, const char *name, const char *head, size_t n, uint64_t total,
                  struct mlo_npy *ret, struct mlo_err *err) MLO_MUST_CHECK;
#define MLO_NPZ_MAX_PICKLE ((size_t)256 << 20) /* of a deflated object array: larger ones are "unscanned" */
int mlo_npz_read(const struct mlo_source *src, const struct mlo_zip *zip, struct mlo_checkpoint *cp,
                 struct mlo_err *err) MLO_MUST_CHECK;

/* torch.c: zip (also MLO_FMT_TORCHSCRIPT) and legacy. Findings made before a fault stay in cp. */
int mlo_torch_zip_read(const struct mlo_source *src, const struct mlo_zip *zip, struct mlo_checkpoint *cp,
                       struct mlo_err *err) MLO_MUST_CHECK;
int mlo_torch_legacy_read(const struct mlo_source *src, struct mlo_checkpoint *cp,
                          struct mlo_err *err) MLO_MUST_CHECK;
/* pickle.c: bare pickles, also several in a row, up to the end of src; `where` goes into the findings. */
int mlo_pickle_read(const struct mlo_source *src, const char *where, struct mlo_checkpoint *cp,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* Members of a plain zip (scanned for pickles, nested archives to depth 4). */
int mlo_zip_scan(const struct mlo_source *src, const struct mlo_zip *zip, struct mlo_checkpoint *cp,
                 struct mlo_err *err) MLO_MUST_CHECK;
/* Reads all of a member; *ret_odd gets MLO_ZIP_CRC or MLO_ZIP_STREAM when it is not what the directory says.
 */
int mlo_zip_check_crc(const struct mlo_source *src, const struct mlo_zip_entry *e, unsigned *ret_odd,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* scan.c: findings of whatever the file is, added to cp. */
int mlo_scan_into(const struct mlo_source *src, struct mlo_checkpoint *cp,
                  struct mlo_err *err) MLO_MUST_CHECK;
/* PICKLE, TORCH_LEGACY or UNKNOWN, from the first bytes of a file that is nothing else. */
int mlo_pickle_sniff(const struct mlo_source *src, enum mlo_format *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* onnx.c: true when the whole top level parses as a ModelProto with a graph (fields in any order). */
int mlo_onnx_sniff(const struct mlo_source *src, bool *ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_onnx_read(const struct mlo_source *src, struct mlo_checkpoint *cp,
                  struct mlo_err *err) MLO_MUST_CHECK;
/* Canonical bytes of a MLO_TS_TYPED tensor, in pieces of at most 1 MiB. */
int mlo_onnx_typed_read(const struct mlo_source *src, const struct mlo_tensor *t,
                        int (*fn)(void *ctx, const void *p, size_t n, struct mlo_err *err), void *ctx,
                        struct mlo_err *err) MLO_MUST_CHECK;

#endif
