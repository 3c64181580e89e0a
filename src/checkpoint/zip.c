/*
 * The directory of a zip. The central directory is what loaders trust, so it is what is reported; the local
 * headers are read as well, and every difference between the two is noted in `odd`, because scanners and
 * loaders that believe different halves are how malicious files pass.
 *
 * Invariant for the callers: after mlo_zip_read every entry without MLO_ZIP_NO_HEADER has [data, data+packed)
 * inside the file, and names are terminated copies in the arena.
 */
#include <inttypes.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "internal.h"

#define END_SIZE        22
#define END64_SIZE      56
#define LOCATOR_SIZE    20
#define CENTRAL_SIZE    46
#define LOCAL_SIZE      30
#define MAX_COMMENT     65535
#define SIG_LOCAL       0x04034B50U
#define SIG_CENTRAL     0x02014B50U
#define SIG_END         0x06054B50U
#define SIG_END64       0x06064B50U
#define SIG_LOCATOR     0x07064B50U
#define FLAG_DESCRIPTOR (1 << 3)
#define FLAGS_ENCRYPTED (1 << 0 | 1 << 6 | 1 << 13)
#define EXTRA_ZIP64     0x0001
#define EXTRA_UNICODE   0x7075 /* a second name */
#define NONE32          0xFFFFFFFFU

const char *mlo_zip_odd_text(unsigned odd)
{
    static const struct {
        unsigned bit;
        const char *text;
    } texts[] = {
        {MLO_ZIP_NAME_DIFFERS, "zip: local and central names differ"},
        {MLO_ZIP_SIZE_DIFFERS, "zip: sizes, methods or checksums do not agree"},
        {MLO_ZIP_ENCRYPTED, "zip: flagged as encrypted"},
        {MLO_ZIP_METHOD, "zip: compression method is neither stored nor deflated"},
        {MLO_ZIP_DUPLICATE, "zip: two entries of one name"},
        {MLO_ZIP_OVERLAP, "zip: entries overlap"},
        {MLO_ZIP_UNSAFE_NAME, "zip: unsafe name"},
        {MLO_ZIP_RATIO, "zip: claims more than deflate can give"},
        {MLO_ZIP_NO_HEADER, "zip: no local header at the offset given"},
        {MLO_ZIP_STREAM,
         "zip: data is broken or not of the size promised"}, /* its CRC cannot be right then */
        {MLO_ZIP_CRC, "zip: CRC-32 does not match"},
        {MLO_ZIP_GAP, "zip: bytes that belong to no entry"},
    };
    for (size_t i = 0; i < MLO_COUNT(texts); i++)
        if (odd & texts[i].bit)
            return texts[i].text;
    return "";
}

/* ---- end records ---- */

struct zip_end {
    uint64_t at;        /* of the first end record: where the directory must end */
    uint64_t n;         /* entries */
    uint64_t size, off; /* of the directory */
};

/*
 * Finds the end record whose comment reaches exactly to the end of the file. *ret_at is src->size when there
 * is none; two that fit mean that readers may disagree: *ret_twice.
 */
static int find_end(const struct mlo_source *src, uint64_t *ret_at, bool *ret_twice, struct mlo_err *err)
{
    uint64_t span = src->size < END_SIZE + MAX_COMMENT ? src->size : END_SIZE + MAX_COMMENT,
             start = src->size - span;
    *ret_at = src->size;
    *ret_twice = false;
    if (span < END_SIZE)
        return 0;
    MLO_AUTOFREE uint8_t *tail = mlo_calloc(span, 1, err);
    if (!tail)
        return err->code;
    int rc = mlo_source_read(src, tail, span, start, err);
    if (rc < 0)
        return rc;
    for (size_t i = span - END_SIZE + 1; i-- > 0;) {
        if (tail[i] != 'P' || mlo_le32(tail + i) != SIG_END || mlo_le16(tail + i + 20) != span - i - END_SIZE)
            continue;
        if (*ret_at != src->size) {
            *ret_twice = true;
            return 0;
        }
        *ret_at = start + i;
    }
    return 0;
}

/* Replaces what the 32-bit record could not hold; fields that it could hold must agree. */
static int read_end64(const struct mlo_source *src, uint64_t locator_at, const uint8_t *end32,
                      struct zip_end *end, struct mlo_err *err)
{
    uint8_t loc[LOCATOR_SIZE] = {0}, b[END64_SIZE] = {0};
    int rc = mlo_source_read(src, loc, sizeof loc, locator_at, err);
    if (rc < 0)
        return rc;
    uint64_t at = mlo_le64(loc + 8);
    if (mlo_le32(loc + 4) != 0 || mlo_le32(loc + 16) > 1)
        return mlo_fail(err, MLO_EINVALID, "zip: split over several files");
    if (at > locator_at || locator_at - at < END64_SIZE)
        return mlo_fail(err, MLO_EINVALID, "zip: the zip64 end record lies outside the file");
    rc = mlo_source_read(src, b, sizeof b, at, err);
    if (rc < 0)
        return rc;
    if (mlo_le32(b) != SIG_END64 || mlo_le64(b + 4) != locator_at - at - 12)
        return mlo_fail(err, MLO_EINVALID, "zip: no zip64 end record at byte %" PRIu64, at);
    *end = (struct zip_end){
        .at = at, .n = mlo_le64(b + 32), .size = mlo_le64(b + 40), .off = mlo_le64(b + 48)};
    uint16_t n32 = mlo_le16(end32 + 10);
    uint32_t size32 = mlo_le32(end32 + 12), off32 = mlo_le32(end32 + 16);
    if (mlo_le64(b + 24) != end->n || (n32 != 0xFFFF && n32 != end->n) ||
        (size32 != NONE32 && size32 != end->size) || (off32 != NONE32 && off32 != end->off))
        return mlo_fail(err, MLO_EINVALID, "zip: the two end records disagree");
    return 0;
}

static int read_end_at(const struct mlo_source *src, uint64_t at, struct zip_end *ret, struct mlo_err *err)
{
    uint8_t b[END_SIZE] = {0}, sig[4] = {0};
    int rc = mlo_source_read(src, b, sizeof b, at, err);
    if (rc < 0)
        return rc;
    struct zip_end end = {.at = at, .n = mlo_le16(b + 10), .size = mlo_le32(b + 12), .off = mlo_le32(b + 16)};
    bool saturated = end.n == 0xFFFF || end.size == NONE32 || end.off == NONE32, locator = false;
    if (at >= LOCATOR_SIZE) {
        rc = mlo_source_read(src, sig, sizeof sig, at - LOCATOR_SIZE, err);
        if (rc < 0)
            return rc;
        locator = mlo_le32(sig) == SIG_LOCATOR;
    }
    if (locator && (rc = read_end64(src, at - LOCATOR_SIZE, b, &end, err)) < 0)
        return rc;
    if (!locator && (mlo_le16(b + 4) || mlo_le16(b + 6) || mlo_le16(b + 8) != end.n))
        return mlo_fail(err, MLO_EINVALID, "zip: split over several files");
    if (!locator && saturated && end.n != 0xFFFF)
        return mlo_fail(err, MLO_EINVALID, "zip: sizes call for a zip64 end record, but there is none");
    *ret = end;
    return 0;
}

static int read_end(const struct mlo_source *src, struct zip_end *ret, struct mlo_err *err)
{
    uint64_t at;
    bool twice;
    int rc = find_end(src, &at, &twice, err);
    if (rc < 0)
        return rc;
    if (twice)
        return mlo_fail(err, MLO_EINVALID, "zip: two end records fit the end of the file (polyglot)");
    if (at == src->size)
        return mlo_fail(err, MLO_EINVALID,
                        "zip: no end record at the end of the file (truncated, or followed by other data)");
    rc = read_end_at(src, at, ret, err);
    if (rc < 0)
        return rc;
    if (ret->size > ret->at || ret->off != ret->at - ret->size)
        return mlo_fail(err, MLO_EINVALID,
                        "zip: the directory (%" PRIu64 " bytes at %" PRIu64
                        ") does not end at the end record at %" PRIu64,
                        ret->size, ret->off, ret->at);
    return 0;
}

int mlo_zip_has_end(const struct mlo_source *src, bool *ret, struct mlo_err *err)
{
    uint64_t at;
    bool twice, found = false;
    uint8_t b[END_SIZE] = {0}, sig[4] = {0};
    int rc = find_end(src, &at, &twice, err);
    if (rc == 0 && at != src->size) {
        rc = mlo_source_read(src, b, sizeof b, at, err);
        uint64_t size = mlo_le32(b + 12), before = at;
        found = rc == 0 && size == NONE32;
        /* With a prefix in front the offset is off, but the directory still ends at the end record. */
        if (rc == 0 && !found && size >= CENTRAL_SIZE && size <= before) {
            rc = mlo_source_read(src, sig, sizeof sig, before - size, err);
            found = rc == 0 && mlo_le32(sig) == SIG_CENTRAL;
        }
    }
    if (rc == 0)
        *ret = found || twice;
    return rc;
}

/* ---- extra fields ---- */

/* The body of the first extra field `id`, NULL when there is none. False: malformed, or twice. */
static bool find_extra(const uint8_t *p, size_t n, unsigned id, const uint8_t **ret, size_t *ret_n)
{
    *ret = NULL;
    *ret_n = 0;
    while (n >= 4) {
        size_t len = mlo_le16(p + 2);
        if (len > n - 4)
            return false;
        if (mlo_le16(p) == id) {
            if (*ret)
                return false;
            *ret = p + 4;
            *ret_n = len;
        }
        p += 4 + len;
        n -= 4 + len;
    }
    return true; /* up to 3 bytes of padding are common */
}

/* Takes the next 64-bit value when *v is saturated. */
static bool take64(const uint8_t **p, size_t *n, uint64_t *v)
{
    if (*v != NONE32)
        return true;
    if (*n < 8)
        return false;
    *v = mlo_le64(*p);
    *p += 8;
    *n -= 8;
    return true;
}

/* ---- central directory ---- */

struct central {
    struct mlo_zip_entry e;
    uint16_t name_len, extra_len, comment_len;
};

static int use_central_extra(struct central *c, const uint8_t *p, size_t n, struct mlo_err *err)
{
    const uint8_t *x;
    size_t len;
    if (!find_extra(p, n, EXTRA_ZIP64, &x, &len) || !take64(&x, &len, &c->e.size) ||
        !take64(&x, &len, &c->e.packed) || !take64(&x, &len, &c->e.header))
        return mlo_fail(err, MLO_EINVALID, "malformed zip64 field");
    if (!find_extra(p, n, EXTRA_UNICODE, &x, &len))
        return mlo_fail(err, MLO_EINVALID, "malformed second name");
    if (x && (len < 5 || len - 5 != c->e.name_len || memcmp(x + 5, c->e.name, c->e.name_len) != 0))
        c->e.odd |= MLO_ZIP_NAME_DIFFERS;
    return 0;
}

static unsigned name_oddities(const struct mlo_zip_entry *e)
{
    struct mlo_err ignored;
    size_t n = e->name_len;
    if (n && e->name[n - 1] == '/') /* a folder */
        n--;
    return mlo_path_check(e->name, n, &ignored) < 0 ? MLO_ZIP_UNSAFE_NAME : 0;
}

static unsigned own_oddities(const struct mlo_zip_entry *e)
{
    unsigned odd = name_oddities(e);
    if (e->flags & FLAGS_ENCRYPTED)
        odd |= MLO_ZIP_ENCRYPTED;
    if (e->method != 0 && e->method != 8)
        odd |= MLO_ZIP_METHOD;
    if (e->method == 0 && e->packed != e->size)
        odd |= MLO_ZIP_SIZE_DIFFERS;
    if (e->method == 8 && e->size / MLO_ZIP_MAX_RATIO > e->packed)
        odd |= MLO_ZIP_RATIO;
    return odd;
}

static int read_central(struct mlo_win *w, struct mlo_arena *arena, struct mlo_zip_entry *ret,
                        struct mlo_err *err)
{
    const uint8_t *b;
    int rc = mlo_win_peek(w, CENTRAL_SIZE, &b, err);
    if (rc < 0)
        return rc;
    if (mlo_le32(b) != SIG_CENTRAL)
        return mlo_fail(err, MLO_EINVALID, "no entry at byte %" PRIu64, w->pos);
    struct central c = {
        .name_len = mlo_le16(b + 28), .extra_len = mlo_le16(b + 30), .comment_len = mlo_le16(b + 32)};
    c.e = (struct mlo_zip_entry){.flags = mlo_le16(b + 8),
                                 .method = mlo_le16(b + 10),
                                 .crc = mlo_le32(b + 16),
                                 .packed = mlo_le32(b + 20),
                                 .size = mlo_le32(b + 24),
                                 .header = mlo_le32(b + 42)};
    rc = mlo_win_skip(w, CENTRAL_SIZE, err);
    if (rc == 0)
        rc = mlo_win_peek(w, c.name_len, &b, err);
    if (rc < 0)
        return rc;
    c.e.name = mlo_arena_strndup(arena, (const char *)b, c.name_len, err);
    if (!c.e.name)
        return err->code;
    c.e.name_len = c.name_len;
    rc = mlo_win_skip(w, c.name_len, err);
    if (rc == 0)
        rc = mlo_win_peek(w, c.extra_len, &b, err);
    if (rc == 0)
        rc = use_central_extra(&c, b, c.extra_len, err);
    if (rc == 0)
        rc = mlo_win_skip(w, (uint64_t)c.extra_len + c.comment_len, err);
    if (rc < 0)
        return rc;
    c.e.odd |= own_oddities(&c.e);
    *ret = c.e;
    return 0;
}

static int read_directory(const struct mlo_source *src, const struct zip_end *end, struct mlo_arena *arena,
                          struct mlo_zip *zip, struct mlo_err *err)
{
    if (end->n > MLO_ZIP_MAX_ENTRIES || end->n > end->size / CENTRAL_SIZE)
        return mlo_fail(err, MLO_EINVALID,
                        "zip: %" PRIu64 " entries in a directory of %" PRIu64 " bytes; at most %zu are read",
                        end->n, end->size, MLO_ZIP_MAX_ENTRIES);
    zip->entries = mlo_arena_alloc(arena, end->n ? (size_t)end->n : 1, sizeof *zip->entries, err);
    if (!zip->entries)
        return err->code;
    MLO_AUTOWIN struct mlo_win w;
    mlo_win_init(&w, src, end->off, end->off + end->size);
    for (; zip->n < end->n; zip->n++) {
        int rc = read_central(&w, arena, &zip->entries[zip->n], err);
        if (rc < 0)
            return mlo_wrap(err, "zip: directory entry %zu", zip->n);
    }
    if (mlo_win_left(&w))
        return mlo_fail(err, MLO_EINVALID, "zip: %" PRIu64 " bytes in the directory after the last entry",
                        mlo_win_left(&w));
    return 0;
}

/* ---- local headers ---- */

/* Sizes in the local header may be zero when a descriptor follows the data; anything else must agree. */
static bool local_agrees(const uint8_t *b, uint64_t size, uint64_t packed, const struct mlo_zip_entry *e)
{
    uint32_t crc = mlo_le32(b + 14);
    bool descriptor = mlo_le16(b + 6) & FLAG_DESCRIPTOR;
    if (mlo_le16(b + 8) != e->method || ((mlo_le16(b + 6) ^ e->flags) & FLAG_DESCRIPTOR))
        return false;
    return (size == e->size || (descriptor && size == 0)) &&
           (packed == e->packed || (descriptor && packed == 0)) &&
           (crc == e->crc || (descriptor && crc == 0));
}

static int compare_local(struct mlo_win *w, struct mlo_zip_entry *e, struct mlo_err *err)
{
    uint8_t head[LOCAL_SIZE];
    const uint8_t *b, *x;
    size_t name_len, extra_len, len;
    int rc = mlo_win_read(w, head, sizeof head, err);
    if (rc < 0)
        return rc;
    name_len = mlo_le16(head + 26);
    extra_len = mlo_le16(head + 28);
    if (name_len + extra_len > mlo_win_left(w)) {
        e->odd |= MLO_ZIP_NO_HEADER;
        return 0;
    }
    rc = mlo_win_peek(w, name_len, &b, err);
    if (rc < 0)
        return rc;
    if (name_len != e->name_len || memcmp(b, e->name, name_len) != 0)
        e->odd |= MLO_ZIP_NAME_DIFFERS;
    w->pos += name_len;
    rc = mlo_win_peek(w, extra_len, &b, err);
    if (rc < 0)
        return rc;
    uint64_t size = mlo_le32(head + 22), packed = mlo_le32(head + 18);
    if (!find_extra(b, extra_len, EXTRA_ZIP64, &x, &len) ||
        (x && (!take64(&x, &len, &size) || !take64(&x, &len, &packed))) ||
        !local_agrees(head, size, packed, e))
        e->odd |= MLO_ZIP_SIZE_DIFFERS;
    if (mlo_le16(head + 6) & FLAGS_ENCRYPTED)
        e->odd |= MLO_ZIP_ENCRYPTED;
    e->data = w->pos + extra_len;
    return 0;
}

static int read_local(struct mlo_win *w, struct mlo_zip_entry *e, struct mlo_err *err)
{
    const uint8_t *b;
    if (e->header > w->end || w->end - e->header < LOCAL_SIZE) {
        e->odd |= MLO_ZIP_NO_HEADER;
        return 0;
    }
    w->pos = e->header;
    int rc = mlo_win_peek(w, LOCAL_SIZE, &b, err);
    if (rc < 0)
        return rc;
    if (mlo_le32(b) != SIG_LOCAL) {
        e->odd |= MLO_ZIP_NO_HEADER;
        return 0;
    }
    rc = compare_local(w, e, err);
    if (rc == 0 && !(e->odd & MLO_ZIP_NO_HEADER) && e->packed > w->end - e->data)
        e->odd |= MLO_ZIP_NO_HEADER;
    return rc;
}

static int read_locals(const struct mlo_source *src, uint64_t end, struct mlo_zip *zip, struct mlo_err *err)
{
    MLO_AUTOWIN struct mlo_win w;
    mlo_win_init(&w, src, 0, end);
    for (size_t i = 0; i < zip->n; i++) {
        int rc = read_local(&w, &zip->entries[i], err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- entries among themselves ---- */

static int by_header(const void *a, const void *b)
{
    const struct mlo_zip_entry *x = *(struct mlo_zip_entry *const *)a, *y = *(struct mlo_zip_entry *const *)b;
    return (x->header > y->header) - (x->header < y->header);
}

static bool is_descriptor(const struct mlo_zip_entry *e, uint64_t gap)
{
    return (e->flags & FLAG_DESCRIPTOR) && (gap == 12 || gap == 16 || gap == 20 || gap == 24);
}

/* Walks the entries in file order; `end` is where the directory begins. */
static int check_layout(struct mlo_zip *zip, uint64_t end, struct mlo_err *err)
{
    MLO_AUTOFREE struct mlo_zip_entry **sorted = mlo_calloc(zip->n ? zip->n : 1, sizeof *sorted, err);
    if (!sorted)
        return err->code;
    size_t n = 0;
    for (size_t i = 0; i < zip->n; i++)
        if (!(zip->entries[i].odd & MLO_ZIP_NO_HEADER))
            sorted[n++] = &zip->entries[i];
    qsort(sorted, n, sizeof *sorted, by_header);
    if (n && sorted[0]->header != 0)
        sorted[0]->odd |= MLO_ZIP_GAP;
    for (size_t i = 0; i < n; i++) {
        uint64_t stop = sorted[i]->data + sorted[i]->packed, next = i + 1 < n ? sorted[i + 1]->header : end;
        if (stop > next) {
            sorted[i]->odd |= MLO_ZIP_OVERLAP;
            if (i + 1 < n)
                sorted[i + 1]->odd |= MLO_ZIP_OVERLAP;
        } else if (stop != next && !is_descriptor(sorted[i], next - stop)) {
            sorted[i]->odd |= MLO_ZIP_GAP;
        }
    }
    return 0;
}

static int name_order(const struct mlo_zip_entry *a, const char *name, size_t n)
{
    size_t least = a->name_len < n ? a->name_len : n;
    int d = memcmp(a->name, name, least);
    return d ? d : (a->name_len > n) - (a->name_len < n);
}

static int by_name(const void *a, const void *b, void *entries)
{
    const struct mlo_zip_entry *x = (const struct mlo_zip_entry *)entries + *(const uint32_t *)a;
    const struct mlo_zip_entry *y = (const struct mlo_zip_entry *)entries + *(const uint32_t *)b;
    return name_order(x, y->name, y->name_len);
}

static int index_names(struct mlo_zip *zip, struct mlo_arena *arena, struct mlo_err *err)
{
    uint32_t *index = mlo_arena_alloc(arena, zip->n ? zip->n : 1, sizeof *index, err);
    if (!index)
        return err->code;
    for (size_t i = 0; i < zip->n; i++)
        index[i] = (uint32_t)i;
    qsort_r(index, zip->n, sizeof *index, by_name, zip->entries);
    for (size_t i = 1; i < zip->n; i++) {
        struct mlo_zip_entry *a = &zip->entries[index[i - 1]], *b = &zip->entries[index[i]];
        if (name_order(a, b->name, b->name_len) == 0) {
            a->odd |= MLO_ZIP_DUPLICATE;
            b->odd |= MLO_ZIP_DUPLICATE;
        }
    }
    zip->by_name = index;
    return 0;
}

int mlo_zip_read(const struct mlo_source *src, struct mlo_arena *arena, struct mlo_zip *ret,
                 struct mlo_err *err)
{
    struct mlo_zip zip = {0};
    struct zip_end end = {0};
    int rc = read_end(src, &end, err);
    if (rc == 0)
        rc = read_directory(src, &end, arena, &zip, err);
    if (rc == 0)
        rc = read_locals(src, end.off, &zip, err);
    if (rc == 0)
        rc = check_layout(&zip, end.off, err);
    if (rc == 0)
        rc = index_names(&zip, arena, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < zip.n; i++)
        zip.odd |= zip.entries[i].odd;
    *ret = zip;
    return 0;
}

int mlo_zip_strict(const struct mlo_zip *zip, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    for (size_t i = 0; zip->odd && i < zip->n; i++) {
        const struct mlo_zip_entry *e = &zip->entries[i];
        if (e->odd)
            return mlo_fail(err, MLO_EINVALID, "member \"%s\": %s", mlo_shown(e->name, e->name_len, shown),
                            mlo_zip_odd_text(e->odd));
    }
    return 0;
}

const struct mlo_zip_entry *mlo_zip_find(const struct mlo_zip *zip, const char *name)
{
    size_t lo = 0, hi = zip->n, n = strlen(name);
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct mlo_zip_entry *e = &zip->entries[zip->by_name[mid]];
        int d = name_order(e, name, n);
        if (d == 0)
            return e;
        if (d < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}
