/*
 * The scanner: which pickles does a file hold, whatever it is called and whatever it pretends to be. It never
 * fails on hostile content: what cannot be read is a finding, and what was not looked into is "unscanned",
 * never clean.
 */
#include "checkpoint/pickle/pickle.h"

#include <stdio.h>
#include <string.h>

#include <zlib.h>

#include <mlopsctl/base/text.h>

#define UNPACK_MAX                                                                                           \
    ((size_t)1 << 28) /* bytes of one compressed member held in memory; a larger one is unscanned */
#define ZIP_ARENA ((size_t)1 << 28)
#define WHERE_MAX ((size_t)1 << 16)
/* All members and constants together: entries of a zip may share bytes, and archives hold archives. */
#define WORK_MIN            ((uint64_t)1 << 31)
#define WORK_FACTOR         8
#define HEAD                ((size_t)4096)
#define CHECKED_MAX         ((uint64_t)1 << 20) /* stored members up to this size have their CRC checked */
#define TAR_BLOCK           512
#define ZIP_ENCRYPTED_FLAGS 0x2041u /* encrypted, strongly encrypted, masked */

struct mlo_scan mlo_scan_begin(const struct mlo_source *src, struct mlo_checkpoint *cp)
{
    struct mlo_scan scan = {.cp = cp, .work_left = UINT64_MAX};
    if (src->size < (UINT64_MAX - WORK_MIN) / WORK_FACTOR)
        scan.work_left = WORK_MIN + WORK_FACTOR * src->size;
    return scan;
}

static int found(struct mlo_scan *scan, enum mlo_pickle_verdict v, const char *where, uint64_t at,
                 const char *what, struct mlo_err *err)
{
    return mlo_cp_find(scan->cp, v, where, at, what, err);
}

/* A fault of the content becomes a finding; other failures stay failures. */
static int fault_found(struct mlo_scan *scan, enum mlo_pickle_verdict v, const char *where, const char *label,
                       const struct mlo_err *fault, struct mlo_err *err)
{
    char what[sizeof fault->msg + 64];
    if (fault->code != MLO_EINVALID) {
        *err = *fault;
        return fault->code;
    }
    snprintf(what, sizeof what, "%s: %s", label, fault->msg);
    return found(scan, v, where, 0, what, err);
}

/* ---- pickles at an offset ---- */

/* The tail of a legacy torch file is storages when its own reader says so. */
static int legacy_tail(struct mlo_scan *scan, const struct mlo_source *src, const char *where,
                       struct mlo_err *err)
{
    struct mlo_checkpoint trial;
    struct mlo_err fault = MLO_ERR_INIT;
    mlo_cp_init(&trial);
    int r = mlo_torch_legacy_read(src, &trial, &fault);
    mlo_checkpoint_release(&trial);
    return r == 0 ? 0 : fault_found(scan, MLO_VERDICT_UNKNOWN, where, "malformed", &fault, err);
}

static int scan_pickles(struct mlo_scan *scan, const struct mlo_source *src, uint64_t pos, const char *where,
                        bool torch, bool *ret_any, struct mlo_err *err)
{
    struct mlo_pickle_run run;
    int r = mlo_pickle_run(scan, src, pos, where, torch, &run, err);
    if (r < 0)
        return r;
    *ret_any = run.any;
    if (run.legacy && run.pickles >= 5 && pos == 0)
        return legacy_tail(scan, src, where, err);
    if (run.fault.code)
        return fault_found(scan, MLO_VERDICT_UNKNOWN, where, "malformed", &run.fault, err);
    if (run.any && run.end < src->size)
        return found(scan, MLO_VERDICT_UNKNOWN, where, run.end, "bytes after the pickle", err);
    return 0;
}

/* ---- NumPy: object arrays ---- */

/* Does the header's text name the type 'O', alone or in a field? Reading more than the loader does harm to
 * nobody. */
static bool names_objects(const char *s, size_t n)
{
    for (size_t i = 1; i + 1 < n; i++)
        if (s[i] == 'O' && strchr("'\"|<>=", s[i - 1]) && strchr("'\"0123456789", s[i + 1]))
            return true;
    return false;
}

static int scan_npy(struct mlo_scan *scan, const struct mlo_source *src, const uint8_t *head, size_t have,
                    const char *where, struct mlo_err *err)
{
    size_t fixed = head[6] == 1 ? 10 : 12;
    if (have < fixed)
        return 0;
    uint64_t length = fixed == 10 ? mlo_le16(head + 8) : mlo_le32(head + 8);
    if (length > src->size - fixed)
        return found(scan, MLO_VERDICT_UNKNOWN, where, 8, "malformed: array header longer than the file",
                     err);
    if (length > HEAD * 16)
        return found(scan, MLO_VERDICT_UNSCANNED, where, 8, "array header too long to read", err);
    MLO_AUTOFREE char *text = mlo_calloc((size_t)length + 1, 1, err);
    if (!text)
        return err->code;
    int r = mlo_source_read(src, text, (size_t)length, fixed, err);
    if (r < 0 || !names_objects(text, (size_t)length))
        return r;
    bool any = false;
    r = scan_pickles(scan, src, fixed + length, where, false, &any, err);
    return r < 0 || any ? r
                        : found(scan, MLO_VERDICT_UNSCANNED, where, fixed + length,
                                "array of objects that is no pickle", err);
}

/* ---- zip ---- */

static int member_where(const char *outer, const char *name, size_t n, struct mlo_str *ret,
                        struct mlo_err *err)
{
    mlo_str_init(ret, WHERE_MAX);
    mlo_str_add(ret, outer);
    mlo_str_add(ret, *outer ? "!" : "");
    mlo_escape(ret, name, n);
    if (ret->failed == MLO_EINVALID) {
        mlo_str_clear(ret);
        mlo_str_add(ret, "(name too long)");
    }
    return mlo_str_check(ret, err);
}

static int odd_findings(struct mlo_scan *scan, unsigned odd, uint64_t at, const char *where,
                        struct mlo_err *err)
{
    for (unsigned bit = 1; bit && bit <= odd; bit <<= 1) {
        enum mlo_pickle_verdict v = bit == MLO_ZIP_METHOD || bit == MLO_ZIP_NO_HEADER ||
                                            bit == MLO_ZIP_ENCRYPTED
                                        ? MLO_VERDICT_UNSCANNED
                                        : MLO_VERDICT_UNKNOWN;
        if (odd & bit) {
            int r = found(scan, v, where, at, mlo_zip_odd_text(bit), err);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static bool path_ends(const struct mlo_zip_entry *e, const char *end)
{
    size_t n = strlen(end);
    return e->name_len >= n && memcmp(e->name + e->name_len - n, end, n) == 0 &&
           (e->name_len == n || e->name[e->name_len - n - 1] == '/');
}

/* data.pkl is read with the persistent ids of torch; everything else is whatever its bytes say. */
static int scan_data(struct mlo_scan *scan, const struct mlo_source *src, const struct mlo_zip_entry *e,
                     const char *where, struct mlo_err *err)
{
    bool any;
    return path_ends(e, "data.pkl") ? scan_pickles(scan, src, 0, where, true, &any, err)
                                    : mlo_scan_inner(scan, src, where, err);
}

static int scan_deflated(struct mlo_scan *scan, const struct mlo_source *src, const struct mlo_zip_entry *e,
                         const char *where, struct mlo_err *err)
{
    MLO_AUTOFREE char *data = NULL;
    size_t n = 0;
    unsigned odd = 0;
    struct mlo_err fault = MLO_ERR_INIT;
    if (e->size > scan->work_left)
        return found(scan, MLO_VERDICT_UNSCANNED, where, e->header, "too much to unpack: not opened", err);
    int r = mlo_zip_load(src, e, UNPACK_MAX, &data, &n, &odd, &fault);
    if (r < 0)
        return fault_found(scan, MLO_VERDICT_UNSCANNED, where, "not opened", &fault, err);
    r = odd_findings(scan, odd & (MLO_ZIP_CRC | MLO_ZIP_STREAM), e->header, where, err);
    struct mlo_mem mem = {data};
    struct mlo_source inner = mlo_source_mem(&mem, n);
    return r < 0 ? r : scan_data(scan, &inner, e, where, err);
}

static int drop(void *ctx, const void *p, size_t n, struct mlo_err *err)
{
    (void)ctx, (void)p, (void)n, (void)err;
    return 0;
}

int mlo_zip_check_crc(const struct mlo_source *src, const struct mlo_zip_entry *e, unsigned *ret_odd,
                      struct mlo_err *err)
{
    unsigned odd = 0;
    int r = mlo_zip_stream(src, e, UINT64_MAX, drop, NULL, &odd, err);
    if (r == 0)
        *ret_odd = odd & (MLO_ZIP_CRC | MLO_ZIP_STREAM);
    return r;
}

/* Large members are left to those who read them anyway. */
static int scan_stored(struct mlo_scan *scan, const struct mlo_source *src, const struct mlo_zip_entry *e,
                       const char *where, struct mlo_err *err)
{
    unsigned odd = 0;
    int r = e->packed <= CHECKED_MAX ? mlo_zip_check_crc(src, e, &odd, err) : 0;
    if (r == 0)
        r = odd_findings(scan, odd, e->header, where, err);
    struct mlo_part part = {src, e->data};
    struct mlo_source inner = mlo_source_part(&part, e->packed);
    return r < 0 ? r : scan_data(scan, &inner, e, where, err);
}

/* A loader reads what the flags call encrypted and what has a wrong CRC, so it is looked into all the same.
 */
static int scan_member(struct mlo_scan *scan, const struct mlo_source *src, const struct mlo_zip_entry *e,
                       const char *where, struct mlo_err *err)
{
    struct mlo_zip_entry as_read = *e;
    as_read.odd &= ~(unsigned)MLO_ZIP_ENCRYPTED;
    as_read.flags &= (uint16_t)~ZIP_ENCRYPTED_FLAGS;
    int r = odd_findings(scan, e->odd, e->header, where, err);
    if (r < 0 || e->odd & (MLO_ZIP_METHOD | MLO_ZIP_NO_HEADER) || e->packed == 0)
        return r;
    if (path_ends(e, "constants.pkl"))
        r = found(scan, MLO_VERDICT_UNKNOWN, where, e->header, "TorchScript: holds code", err);
    if (r < 0)
        return r;
    return (e->method ? scan_deflated : scan_stored)(scan, src, &as_read, where, err);
}

static int scan_zip(struct mlo_scan *scan, const struct mlo_source *src, const struct mlo_zip *zip,
                    const char *outer, struct mlo_err *err)
{
    for (size_t i = 0; i < zip->n; i++) {
        const struct mlo_zip_entry *e = &zip->entries[i];
        MLO_AUTOSTR struct mlo_str where;
        int r = member_where(outer, e->name, e->name_len, &where, err);
        if (r == 0)
            r = scan_member(scan, src, e, where.ptr, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int mlo_zip_scan(const struct mlo_source *src, const struct mlo_zip *zip, struct mlo_checkpoint *cp,
                 struct mlo_err *err)
{
    struct mlo_scan scan = mlo_scan_begin(src, cp);
    return scan_zip(&scan, src, zip, "", err);
}

static int open_zip(struct mlo_scan *scan, const struct mlo_source *src, const char *where,
                    struct mlo_err *err)
{
    struct mlo_arena arena;
    struct mlo_zip zip;
    struct mlo_err fault = MLO_ERR_INIT;
    mlo_arena_init(&arena, ZIP_ARENA);
    int r = mlo_zip_read(src, &arena, &zip, &fault);
    r = r < 0 ? fault_found(scan, MLO_VERDICT_UNSCANNED, where, "zip not opened", &fault, err)
              : scan_zip(scan, src, &zip, where, err);
    mlo_arena_release(&arena);
    return r;
}

/* ---- tar ---- */

/* Octal, or binary with the top bit set; *ret_ok false for anything else. */
static uint64_t tar_size(const uint8_t *field, bool *ret_ok)
{
    uint64_t n = 0;
    *ret_ok = true;
    if (field[0] & 0x80) {
        for (int i = 4; i < 12; i++)
            n = n << 8 | field[i];
        *ret_ok = field[0] == 0x80 && !field[1] && !field[2] && !field[3];
        return n;
    }
    for (int i = 0; i < 12 && field[i] && field[i] != ' '; i++) {
        if (field[i] < '0' || field[i] > '7')
            *ret_ok = false;
        n = n << 3 | (uint64_t)(field[i] - '0');
    }
    return n;
}

static bool is_torch_member(const char *name)
{
    return strcmp(name, "storages") == 0 || strcmp(name, "tensors") == 0 || strcmp(name, "sys_info") == 0 ||
           strcmp(name, "./storages") == 0 || strcmp(name, "./tensors") == 0 ||
           strcmp(name, "./sys_info") == 0;
}

static int scan_tar_member(struct mlo_scan *scan, const struct mlo_source *src, const char *name, uint64_t at,
                           uint64_t size, const char *outer, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str where;
    int r = member_where(outer, name, strlen(name), &where, err);
    if (r == 0 && is_torch_member(name))
        r = found(scan, MLO_VERDICT_DANGEROUS, where.ptr, at, "PyTorch tar: its loader runs what it finds",
                  err);
    if (r < 0)
        return r;
    struct mlo_part part = {src, at};
    struct mlo_source inner = mlo_source_part(&part, size);
    return mlo_scan_inner(scan, &inner, where.ptr, err);
}

static int open_tar(struct mlo_scan *scan, const struct mlo_source *src, const char *where,
                    struct mlo_err *err)
{
    uint8_t b[TAR_BLOCK];
    char name[101];
    for (uint64_t at = 0; src->size - at >= TAR_BLOCK;) {
        bool ok;
        int r = mlo_source_read(src, b, sizeof b, at, err);
        if (r < 0)
            return r;
        if (b[0] == '\0') /* the end mark */
            return 0;
        uint64_t size = tar_size(b + 124, &ok), left = src->size - at - TAR_BLOCK;
        if (!ok || size > left)
            return found(scan, MLO_VERDICT_UNSCANNED, where, at, "tar member with a size that does not fit",
                         err);
        memcpy(name, b, 100);
        name[100] = '\0';
        if (size)
            r = scan_tar_member(scan, src, name, at + TAR_BLOCK, size, where, err);
        if (r < 0)
            return r;
        uint64_t padded = size + (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
        at += TAR_BLOCK + (padded > left ? left : padded);
    }
    return 0;
}

/* ---- compressed ---- */

static const struct {
    uint8_t magic[6];
    size_t n;
    const char *what;
} closed[] = {
    {{0x28, 0xB5, 0x2F, 0xFD}, 4, "zstd-compressed: not opened"},
    {{0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C}, 6, "7z archive: not opened"},
    {{0x42, 0x5A, 0x68}, 3, "bzip2-compressed: not opened"},
    {{0xFD, 0x37, 0x7A, 0x58, 0x5A}, 5, "xz-compressed: not opened"},
    {{0x04, 0x22, 0x4D, 0x18}, 4, "lz4-compressed: not opened"},
    {{0x5D, 0x00, 0x00, 0x80, 0x00}, 5, "lzma-compressed: not opened"},
    {{0x5A, 0x46, 0x30, 0x78}, 4, "old joblib compression: not opened"},
    {{0x89, 0x48, 0x44, 0x46}, 4, "HDF5: may hold code (Keras Lambda layers), not opened"},
    {{0x52, 0x61, 0x72, 0x21, 0x1A, 0x07}, 6, "rar archive: not opened"},
};

static const char *closed_kind(const uint8_t *head, size_t have)
{
    for (size_t i = 0; i < MLO_COUNT(closed); i++)
        if (have >= closed[i].n && memcmp(head, closed[i].magic, closed[i].n) == 0)
            return closed[i].what;
    return NULL;
}

static bool is_zlib(const uint8_t *head, size_t have)
{
    if (have >= 2 && head[0] == 0x1F && head[1] == 0x8B)
        return true;
    return have >= 2 && head[0] == 0x78 && (head[0] << 8 | head[1]) % 31 == 0 && !(head[1] & 0x20);
}

/* All gzip members, or one zlib stream; *ret_whole: it ended well. */
static int inflate_all(z_stream *z, const struct mlo_source *src, struct mlo_str *out, bool *ret_whole,
                       struct mlo_err *err)
{
    MLO_AUTOWIN struct mlo_win w;
    MLO_AUTOFREE uint8_t *buf = mlo_calloc(1, MLO_WINDOW, err);
    mlo_win_init(&w, src, 0, src->size);
    *ret_whole = false;
    if (!buf)
        return err->code;
    for (;;) {
        const uint8_t *p;
        size_t n;
        int r = mlo_win_some(&w, &p, &n, err);
        if (r < 0 || n == 0)
            return r;
        z->next_in = (z_const Bytef *)(uintptr_t)p;
        z->avail_in = (uInt)n;
        z->next_out = buf;
        z->avail_out = (uInt)MLO_WINDOW;
        int zr = inflate(z, Z_NO_FLUSH);
        mlo_str_addn(out, buf, MLO_WINDOW - z->avail_out);
        if (zr == Z_MEM_ERROR || out->failed == MLO_EIO)
            return mlo_fail_nomem(err);
        if ((zr != Z_OK && zr != Z_STREAM_END) || out->failed)
            return 0;
        r = mlo_win_skip(&w, n - z->avail_in, err);
        *ret_whole = zr == Z_STREAM_END;
        if (r < 0 || (*ret_whole && (mlo_win_left(&w) == 0 || inflateReset(z) != Z_OK)))
            return r;
    }
}

static int open_zlib(struct mlo_scan *scan, const struct mlo_source *src, const char *where,
                     struct mlo_err *err)
{
    z_stream z = {0};
    MLO_AUTOSTR struct mlo_str out;
    bool whole = false;
    mlo_str_init(&out, UNPACK_MAX);
    if (inflateInit2(&z, MAX_WBITS + 32) != Z_OK)
        return mlo_fail_nomem(err);
    int r = inflate_all(&z, src, &out, &whole, err);
    inflateEnd(&z);
    if (r < 0 || (out.len == 0 && !whole))
        return r; /* chance made it look like zlib */
    if (out.failed)
        r = found(scan, MLO_VERDICT_UNSCANNED, where, 0, "compressed: too large to open whole", err);
    else if (!whole)
        r = found(scan, MLO_VERDICT_UNKNOWN, where, 0, "compressed: broken or followed by other bytes", err);
    if (r < 0)
        return r;
    struct mlo_mem mem = {out.ptr};
    struct mlo_source inner = mlo_source_mem(&mem, out.len);
    return mlo_scan_inner(scan, &inner, where, err);
}

/* ---- anything ---- */

static bool is_tar(const uint8_t *head, size_t have)
{
    return have >= TAR_BLOCK && memcmp(head + 257, "ustar", 5) == 0;
}

/* By its first bytes, one way. */
static int scan_head(struct mlo_scan *scan, const struct mlo_source *src, const uint8_t *head, size_t have,
                     const char *where, struct mlo_err *err)
{
    const char *kind = closed_kind(head, have);
    bool any;
    if (kind)
        return found(scan, MLO_VERDICT_UNSCANNED, where, 0, kind, err);
    if (is_zlib(head, have))
        return open_zlib(scan, src, where, err);
    if (is_tar(head, have))
        return open_tar(scan, src, where, err);
    if (have >= 10 && memcmp(head, "\x93NUMPY", 6) == 0)
        return scan_npy(scan, src, head, have, where, err);
    return scan_pickles(scan, src, 0, where, false, &any, err);
}

int mlo_scan_any(struct mlo_scan *scan, const struct mlo_source *src, const char *where, struct mlo_err *err)
{
    uint8_t head[TAR_BLOCK];
    size_t have = src->size < sizeof head ? (size_t)src->size : sizeof head;
    bool zip_end = false;
    if (have == 0)
        return 0;
    int r = mlo_source_read(src, head, have, 0, err);
    if (r < 0)
        return r;
    if (have >= 4 && (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0))
        return open_zip(scan, src, where, err);
    r = scan_head(scan, src, head, have, where, err);
    if (r == 0 && scan->depth == 0) /* members are opened by their first bytes alone */
        r = mlo_zip_has_end(src, &zip_end, err);
    if (r == 0 && zip_end)
        r = found(scan, MLO_VERDICT_UNSCANNED, where, 0, "zip at the end of another file: not opened", err);
    return r;
}

int mlo_scan_inner(struct mlo_scan *scan, const struct mlo_source *src, const char *where,
                   struct mlo_err *err)
{
    if (scan->depth == MLO_SCAN_DEPTH)
        return found(scan, MLO_VERDICT_UNSCANNED, where, 0, "nested too deep: not opened", err);
    if (src->size > scan->work_left)
        return found(scan, MLO_VERDICT_UNSCANNED, where, 0, "too much to look at: not opened", err);
    scan->work_left -= src->size;
    scan->depth++;
    int r = mlo_scan_any(scan, src, where, err);
    scan->depth--;
    return r;
}

int mlo_scan_into(const struct mlo_source *src, struct mlo_checkpoint *cp, struct mlo_err *err)
{
    struct mlo_scan scan = mlo_scan_begin(src, cp);
    return mlo_scan_any(&scan, src, "", err);
}

int mlo_pickle_scan(const struct mlo_source *src, struct mlo_checkpoint *ret, struct mlo_err *err)
{
    struct mlo_err fault = MLO_ERR_INIT;
    mlo_cp_init(ret);
    struct mlo_scan scan = mlo_scan_begin(src, ret);
    int r = mlo_scan_any(&scan, src, "", err);
    if (r < 0)
        return r;
    enum mlo_format format = MLO_FMT_UNKNOWN;
    if (mlo_checkpoint_sniff(src, &format, &fault) < 0)
        return fault_found(&scan, MLO_VERDICT_UNKNOWN, "", "two formats at once", &fault, err);
    ret->format = format;
    return 0;
}
