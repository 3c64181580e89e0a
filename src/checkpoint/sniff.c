/*
 * Which format a file is, from its bytes. Loaders look at different places (the start, offset 257 for tar,
 * powers of two for HDF5, the end for zip), so one file can be several things; such a file is refused here,
 * whatever it was meant to be.
 *
 * safetensors has no magic number. It is tried before pickle and ONNX, because the first bytes of its length
 * may be 80 02 or 08 07; a header that begins like one but lies about its length still counts as safetensors,
 * so that the reader can say what is wrong with it instead of the file passing as an ordinary one.
 */
#include <string.h>

#include "internal.h"

#define HEAD_SIZE     512
#define ST_MAX_HEADER 100000000ULL
#define TAR_MEMBERS   64 /* looked at, to tell a PyTorch tar from another */
#define MAX_PREFIX    1024

static const struct {
    const char *magic;
    size_t n;
    enum mlo_format format;
} magics[] = {
    {"GGUF", 4, MLO_FMT_GGUF},
    {"PK\x03\x04", 4, MLO_FMT_ZIP},
    {"PK\x05\x06", 4, MLO_FMT_ZIP},
    {"\x93NUMPY", 6, MLO_FMT_NPY},
    {"\x89HDF\r\n\x1a\n", 8, MLO_FMT_HDF5},
    {"\x1f\x8b", 2, MLO_FMT_COMPRESSED},
    {"\x28\xb5\x2f\xfd", 4, MLO_FMT_COMPRESSED},
    {"7z\xbc\xaf\x27\x1c", 6, MLO_FMT_COMPRESSED},
    {"BZh", 3, MLO_FMT_COMPRESSED},
    {"\xfd"
     "7zXZ\0",
     6, MLO_FMT_COMPRESSED},
};

const char *mlo_format_name(enum mlo_format f)
{
    static const char *const names[] = {
        [MLO_FMT_UNKNOWN] = "unknown",
        [MLO_FMT_SAFETENSORS] = "safetensors",
        [MLO_FMT_ONNX] = "onnx",
        [MLO_FMT_TORCH_ZIP] = "pytorch",
        [MLO_FMT_TORCH_LEGACY] = "pytorch-legacy",
        [MLO_FMT_TORCH_TAR] = "pytorch-tar",
        [MLO_FMT_TORCHSCRIPT] = "torchscript",
        [MLO_FMT_GGUF] = "gguf",
        [MLO_FMT_NPY] = "npy",
        [MLO_FMT_NPZ] = "npz",
        [MLO_FMT_PICKLE] = "pickle",
        [MLO_FMT_ZIP] = "zip",
        [MLO_FMT_HDF5] = "hdf5",
        [MLO_FMT_COMPRESSED] = "compressed",
        [MLO_FMT_XGBOOST] = "xgboost",
        [MLO_FMT_LIGHTGBM] = "lightgbm",
    };
    return (size_t)f < MLO_COUNT(names) ? names[f] : names[MLO_FMT_UNKNOWN];
}

/* ---- boosted trees ---- */

#define LEARNER "learner"

static bool like_xgboost(const char *p, size_t n)
{
    static const char ubj[] = "{L\0\0\0\0\0\0\0\7" LEARNER "{";
    size_t at = 1;
    if (n >= sizeof ubj && memcmp(p, ubj, sizeof ubj - 1) == 0)
        return true;
    if (n == 0 || *p != '{')
        return false;
    while (at < n && strchr(" \t\r\n", p[at]) && p[at])
        at++;
    return n - at > strlen("\"" LEARNER "\"") &&
           memcmp(p + at, "\"" LEARNER "\"", strlen("\"" LEARNER "\"")) == 0;
}

enum mlo_format mlo_booster_sniff(const void *head, size_t n)
{
    const char *p = head;
    if (like_xgboost(p, n))
        return MLO_FMT_XGBOOST;
    if ((n > 13 && memcmp(p, "tree\nversion=", 13) == 0) ||
        (n > 14 && memcmp(p, "tree\r\nversion=", 14) == 0))
        return MLO_FMT_LIGHTGBM;
    return MLO_FMT_UNKNOWN;
}

struct head {
    uint8_t b[HEAD_SIZE];
    size_t n;
};

static enum mlo_format by_magic(const struct head *h)
{
    for (size_t i = 0; i < MLO_COUNT(magics); i++)
        if (h->n >= magics[i].n && memcmp(h->b, magics[i].magic, magics[i].n) == 0)
            return magics[i].format;
    return mlo_booster_sniff(h->b, h->n);
}

/* A length that fits (or lies, but is no text) and a JSON object behind it. */
static bool like_safetensors(const struct head *h)
{
    if (h->n < 10 || h->b[8] != '{')
        return false;
    if (mlo_le64(h->b) <= ST_MAX_HEADER)
        return true;
    return (memchr(h->b, 0, 8) || memchr(h->b, 0xFF, 8)) &&
           (h->b[9] == '"' || h->b[9] == '}' || h->b[9] == ' ');
}

/* ---- tar ---- */

static bool octal(const uint8_t *p, size_t n, uint64_t *ret)
{
    uint64_t v = 0;
    bool digits = false;
    for (size_t i = 0; i < n && *p != 0; i++, p++) {
        if (*p >= '0' && *p <= '7') {
            v = v << 3 | (uint64_t)(*p - '0');
            digits = true;
        } else if (*p != ' ') {
            return false;
        }
    }
    *ret = v;
    return digits;
}

/* A tar header whose checksum is right: bytes that happen to spell "ustar" are not enough. */
static bool like_tar(const uint8_t b[HEAD_SIZE])
{
    uint64_t said, sum = 0;
    if (memcmp(b + 257, "ustar", 5) != 0 || !octal(b + 148, 8, &said))
        return false;
    for (size_t i = 0; i < HEAD_SIZE; i++)
        sum += i >= 148 && i < 156 ? ' ' : b[i];
    return sum == said;
}

static unsigned torch_member(const uint8_t b[HEAD_SIZE])
{
    static const char *const names[] = {"sys_info", "pickle", "storages", "tensors"};
    const char *name = (const char *)b;
    if (strncmp(name, "./", 2) == 0)
        name += 2;
    for (unsigned i = 0; i < MLO_COUNT(names); i++)
        if (strncmp(name, names[i], 64) == 0)
            return 1U << i;
    return 0;
}

static int sniff_tar(const struct mlo_source *src, enum mlo_format *ret, struct mlo_err *err)
{
    uint8_t b[HEAD_SIZE];
    uint64_t at = 0, size;
    unsigned seen = 0;
    for (int i = 0; i < TAR_MEMBERS && at <= src->size && src->size - at >= sizeof b; i++) {
        int rc = mlo_source_read(src, b, sizeof b, at, err);
        if (rc < 0)
            return rc;
        if (!like_tar(b) || !octal(b + 124, 12, &size) || size > src->size - at)
            break;
        seen |= torch_member(b);
        at += HEAD_SIZE + (size + HEAD_SIZE - 1) / HEAD_SIZE * HEAD_SIZE;
    }
    *ret = seen == 0xF ? MLO_FMT_TORCH_TAR : MLO_FMT_UNKNOWN;
    return 0;
}

/* ---- zip ---- */

/* Does the zip hold <prefix><name>? */
static bool has_member(const struct mlo_zip *zip, const char *prefix, size_t n, const char *name)
{
    char full[MAX_PREFIX + 32];
    if (n > MAX_PREFIX || strlen(name) >= sizeof full - n)
        return false;
    memcpy(full, prefix, n);
    memcpy(full + n, name, strlen(name) + 1);
    return mlo_zip_find(zip, full) != NULL;
}

static bool has_code(const struct mlo_zip *zip, const char *prefix, size_t n)
{
    for (size_t i = 0; i < zip->n; i++) {
        const struct mlo_zip_entry *e = &zip->entries[i];
        if (e->name_len > n + 5 && memcmp(e->name, prefix, n) == 0 && memcmp(e->name + n, "code/", 5) == 0)
            return true;
    }
    return false;
}

static bool ends_in(const struct mlo_zip_entry *e, const char *end)
{
    size_t n = strlen(end);
    return e->name_len >= n && memcmp(e->name + e->name_len - n, end, n) == 0;
}

static enum mlo_format zip_kind(const struct mlo_zip *zip)
{
    size_t arrays = 0;
    for (size_t i = 0; i < zip->n; i++) {
        const struct mlo_zip_entry *e = &zip->entries[i];
        arrays += ends_in(e, ".npy");
        if (!ends_in(e, "/data.pkl"))
            continue;
        size_t n = e->name_len - strlen("data.pkl");
        if (memchr(e->name, '/', n - 1) ||
            (!has_member(zip, e->name, n, "version") && !has_member(zip, e->name, n, ".data/version")))
            continue;
        return has_member(zip, e->name, n, "constants.pkl") || has_code(zip, e->name, n) ? MLO_FMT_TORCHSCRIPT
                                                                                         : MLO_FMT_TORCH_ZIP;
    }
    return zip->n && arrays == zip->n ? MLO_FMT_NPZ : MLO_FMT_ZIP;
}

/* ---- polyglots ---- */

static int polyglot(enum mlo_format a, const char *b, struct mlo_err *err)
{
    return mlo_fail(err, MLO_EINVALID, "polyglot: %s and %s at once", mlo_format_name(a), b);
}

/* HDF5 libraries look for their signature at 512, 1024, 2048, ... too. */
static int hides_hdf5(const struct mlo_source *src, bool *ret, struct mlo_err *err)
{
    uint8_t b[8] = {0};
    *ret = false;
    for (uint64_t at = 512; !*ret && at < src->size && src->size - at >= sizeof b; at *= 2) {
        int rc = mlo_source_read(src, b, sizeof b, at, err);
        if (rc < 0)
            return rc;
        *ret = memcmp(b, "\x89HDF\r\n\x1a\n", sizeof b) == 0;
    }
    return 0;
}

static int check_single(const struct mlo_source *src, const struct head *h, enum mlo_format f,
                        struct mlo_err *err)
{
    bool hides = false;
    if (f == MLO_FMT_UNKNOWN || f == MLO_FMT_TORCH_TAR)
        return 0;
    if (h->n == HEAD_SIZE && like_tar(h->b))
        return polyglot(f, "tar", err);
    if (f == MLO_FMT_ZIP)
        return like_safetensors(h) ? polyglot(f, "safetensors", err) : 0;
    int rc = mlo_zip_has_end(src, &hides, err);
    if (rc == 0 && hides)
        return polyglot(f, "zip", err);
    if (rc == 0)
        rc = hides_hdf5(src, &hides, err);
    return rc == 0 && hides ? polyglot(f, "hdf5", err) : rc;
}

/* ---- all ---- */

static int sniff_rest(const struct mlo_source *src, const struct head *h, enum mlo_format *ret,
                      struct mlo_err *err)
{
    bool onnx = false;
    if (like_safetensors(h)) {
        *ret = MLO_FMT_SAFETENSORS;
        return 0;
    }
    int rc = mlo_pickle_sniff(src, ret, err);
    if (rc < 0 || *ret != MLO_FMT_UNKNOWN)
        return rc;
    if (h->n == HEAD_SIZE && like_tar(h->b))
        return sniff_tar(src, ret, err);
    rc = mlo_onnx_sniff(src, &onnx, err);
    if (rc == 0)
        *ret = onnx ? MLO_FMT_ONNX : MLO_FMT_UNKNOWN;
    return rc;
}

int mlo_sniff(const struct mlo_source *src, struct mlo_arena *arena, struct mlo_zip *ret_zip,
              enum mlo_format *ret, struct mlo_err *err)
{
    struct head h = {.n = src->size < HEAD_SIZE ? (size_t)src->size : HEAD_SIZE};
    int rc = mlo_source_read(src, h.b, h.n, 0, err);
    if (rc < 0)
        return rc;
    enum mlo_format f = by_magic(&h);
    if (f == MLO_FMT_UNKNOWN)
        rc = sniff_rest(src, &h, &f, err);
    if (rc == 0)
        rc = check_single(src, &h, f, err);
    if (rc == 0 && f == MLO_FMT_ZIP) {
        rc = mlo_zip_read(src, arena, ret_zip, err);
        if (rc == 0)
            f = zip_kind(ret_zip);
    }
    if (rc == 0)
        *ret = f;
    return rc;
}

int mlo_checkpoint_sniff(const struct mlo_source *src, enum mlo_format *ret, struct mlo_err *err)
{
    struct mlo_arena arena;
    struct mlo_zip zip;
    mlo_arena_init(&arena, MLO_CP_ARENA_MAX);
    int rc = mlo_sniff(src, &arena, &zip, ret, err);
    mlo_arena_release(&arena);
    return rc;
}
