#include "encoding.h"

#include <string.h>

#include <mlopsctl/base/bytes.h>

#include "parquet.h"

static bool varint(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && *p < end; shift += 7) {
        uint8_t b = *(*p)++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static uint64_t word_at(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v); /* as the machine has it: little-endian, like the file */
    return v;
}

static uint64_t low_bits(unsigned width)
{
    return width == 64 ? UINT64_MAX : ((uint64_t)1 << width) - 1;
}

/* ---- runs ---- */

void mlo_hybrid_init(struct mlo_hybrid *h, const uint8_t *p, const uint8_t *end, unsigned width)
{
    *h = (struct mlo_hybrid){.p = p, .end = end, .width = width};
    if (width == 0)
        h->left = UINT64_MAX; /* zeros need no bytes */
}

static bool next_run(struct mlo_hybrid *h)
{
    uint64_t head, bytes = (h->width + 7) / 8;
    if (!varint(&h->p, h->end, &head))
        return false;
    uint64_t left = (uint64_t)(h->end - h->p);
    h->packed = head & 1;
    h->left = head >> 1;
    if (h->packed) {
        uint64_t groups = h->left;
        bytes = groups > left / h->width ? left : groups * h->width; /* the last may be cut */
        h->left = groups > left / h->width ? left * 8 / h->width : groups * 8;
        h->bits = h->p;
        h->at = 0;
    } else {
        if (bytes > left)
            return false;
        h->value = (uint32_t)(word_at(h->p) & low_bits((unsigned)bytes * 8));
    }
    h->p += bytes;
    return true;
}

static void unpack(const uint8_t *bits, uint64_t at, unsigned width, size_t n, uint32_t *ret)
{
    uint64_t mask = low_bits(width);
    for (size_t i = 0; i < n; i++, at += width)
        ret[i] = (uint32_t)(word_at(bits + (at >> 3)) >> (at & 7) & mask);
}

bool mlo_hybrid_read(struct mlo_hybrid *h, uint32_t *ret, size_t n)
{
    while (n > 0) {
        if (h->left == 0) {
            if (!next_run(h))
                return false;
            continue;
        }
        size_t k = n < h->left ? n : (size_t)h->left;
        if (h->packed) {
            unpack(h->bits, h->at, h->width, k, ret);
            h->at += (uint64_t)k * h->width;
        } else {
            for (size_t i = 0; i < k; i++)
                ret[i] = h->value;
        }
        h->left -= k;
        ret += k;
        n -= k;
    }
    return true;
}

bool mlo_hybrid_skip(struct mlo_hybrid *h, uint64_t n)
{
    while (n > 0) {
        if (h->left == 0) {
            if (!next_run(h))
                return false;
            continue;
        }
        uint64_t k = n < h->left ? n : h->left;
        h->at += k * h->width;
        h->left -= k;
        n -= k;
    }
    return true;
}

/* ---- levels ---- */

unsigned mlo_bit_width(uint32_t max)
{
    return max ? 32 - (unsigned)__builtin_clz(max) : 0;
}

/* The old form of level blocks. */
static bool read_high_bits(struct mlo_hybrid *h, uint32_t *ret, size_t n)
{
    if (n * h->width > (uint64_t)(h->end - h->p) * 8 - h->at)
        return false;
    for (size_t i = 0; i < n; i++) {
        ret[i] = 0;
        for (unsigned b = 0; b < h->width; b++, h->at++)
            ret[i] = ret[i] << 1 | (h->p[h->at >> 3] >> (7 - (h->at & 7)) & 1);
    }
    return true;
}

/* A byte each for k bits, 0 where the bit is set. */
static size_t cells_of_bits(const uint8_t *bits, uint64_t at, uint8_t *cell, size_t k)
{
    size_t ok = 0;
    for (size_t i = 0; i < k; i++, at++) {
        uint8_t set = bits[at >> 3] >> (at & 7) & 1;
        cell[i] = set ? MLO_CELL_OK : MLO_CELL_MISSING;
        ok += set;
    }
    return ok;
}

static size_t cells_of_run(struct mlo_levels *l, uint8_t *cell, size_t k)
{
    struct mlo_hybrid *h = &l->hybrid;
    uint32_t levels[256];
    if (!h->packed) {
        memset(cell, h->value == l->max ? MLO_CELL_OK : MLO_CELL_MISSING, k);
        return h->value == l->max ? k : 0;
    }
    if (h->width == 1) {
        size_t ok = cells_of_bits(h->bits, h->at, cell, k);
        h->at += k;
        return ok;
    }
    size_t ok = 0;
    for (size_t done = 0; done < k;) {
        size_t m = k - done < MLO_COUNT(levels) ? k - done : MLO_COUNT(levels);
        unpack(h->bits, h->at, h->width, m, levels);
        h->at += m * h->width;
        for (size_t i = 0; i < m; i++) {
            cell[done + i] = levels[i] == l->max ? MLO_CELL_OK : MLO_CELL_MISSING;
            ok += levels[i] == l->max;
        }
        done += m;
    }
    return ok;
}

static bool read_old_levels(struct mlo_levels *l, uint8_t *cell, size_t n, size_t *ret)
{
    size_t ok = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t level;
        if (!read_high_bits(&l->hybrid, &level, 1))
            return false;
        cell[i] = level == l->max ? MLO_CELL_OK : MLO_CELL_MISSING;
        ok += level == l->max;
    }
    *ret = ok;
    return true;
}

bool mlo_levels_read(struct mlo_levels *l, uint8_t *cell, size_t n, size_t *ret)
{
    struct mlo_hybrid *h = &l->hybrid;
    size_t ok = 0;
    if (l->max == 0) {
        memset(cell, MLO_CELL_OK, n);
        *ret = n;
        return true;
    }
    if (l->high_bits)
        return read_old_levels(l, cell, n, ret);
    while (n > 0) {
        if (h->left == 0) {
            if (!next_run(h))
                return false;
            continue;
        }
        size_t k = n < h->left ? n : (size_t)h->left;
        ok += cells_of_run(l, cell, k);
        h->left -= k;
        cell += k;
        n -= k;
    }
    *ret = ok;
    return true;
}

/* ---- differences ---- */

#define BLOCK_MAX      ((uint64_t)1 << 20) /* numbers; writers take 128 to a few thousand */
#define MINIBLOCKS_MAX ((uint64_t)1 << 10)

bool mlo_delta_init(struct mlo_delta *d, const uint8_t *p, const uint8_t *end)
{
    uint64_t block, miniblocks, n, first;
    *d = (struct mlo_delta){.end = end};
    if (!varint(&p, end, &block) || !varint(&p, end, &miniblocks) || !varint(&p, end, &n) ||
        !varint(&p, end, &first))
        return false;
    if (miniblocks == 0 || miniblocks > MINIBLOCKS_MAX || block == 0 || block > BLOCK_MAX ||
        block % miniblocks != 0 || block / miniblocks % 8 != 0)
        return false;
    d->p = p;
    d->left = n;
    d->last = first >> 1 ^ -(first & 1);
    d->per_miniblock = block / miniblocks;
    d->n_miniblocks = d->miniblock = miniblocks;
    return true;
}

static bool next_miniblock(struct mlo_delta *d)
{
    if (d->miniblock == d->n_miniblocks) {
        uint64_t min;
        if (!varint(&d->p, d->end, &min) || d->n_miniblocks > (size_t)(d->end - d->p))
            return false;
        d->min = min >> 1 ^ -(min & 1);
        d->widths = d->p;
        d->p += d->n_miniblocks;
        d->miniblock = 0;
    }
    d->width = d->widths[d->miniblock++];
    size_t bytes = d->per_miniblock / 8 * d->width;
    if (d->width > 64 || bytes > (size_t)(d->end - d->p))
        return false;
    d->bits = d->p;
    d->at = 0;
    d->in_miniblock = d->per_miniblock;
    d->p += bytes;
    return true;
}

/* k numbers of the present miniblock. */
static void read_miniblock(struct mlo_delta *d, int64_t *ret, size_t k)
{
    uint64_t mask = low_bits(d->width), last = d->last, at = d->at;
    for (size_t i = 0; i < k; i++, at += d->width) {
        unsigned shift = at & 7;
        uint64_t v = word_at(d->bits + (at >> 3)) >> shift;
        if (shift + d->width > 64)
            v |= (uint64_t)d->bits[(at >> 3) + 8] << (64 - shift);
        last += d->min + (v & mask);
        ret[i] = (int64_t)last;
    }
    d->last = last;
    d->at = at;
}

bool mlo_delta_read(struct mlo_delta *d, int64_t *ret, size_t n)
{
    if (n > d->left)
        return false;
    d->left -= n;
    if (n > 0 && !d->begun) {
        d->begun = true;
        *ret++ = (int64_t)d->last;
        n--;
    }
    while (n > 0) {
        if (d->in_miniblock == 0 && !next_miniblock(d))
            return false;
        size_t k = n < d->in_miniblock ? n : d->in_miniblock;
        read_miniblock(d, ret, k);
        d->in_miniblock -= k;
        ret += k;
        n -= k;
    }
    return true;
}

const uint8_t *mlo_delta_end(const struct mlo_delta *d)
{
    struct mlo_delta walk = *d;
    int64_t ignored[256];
    while (walk.left > 0) {
        size_t k = walk.left < MLO_COUNT(ignored) ? (size_t)walk.left : MLO_COUNT(ignored);
        if (!mlo_delta_read(&walk, ignored, k))
            return NULL;
    }
    return walk.p;
}

/* ---- memory until the next batch ---- */

#define HELD_MAX ((size_t)1 << 30) /* texts of one batch */

int mlo_hold_take(struct mlo_hold *h, void *block, size_t n, struct mlo_err *err)
{
    int rc = 0;
    if (n > HELD_MAX - h->bytes)
        rc = mlo_fail(err, MLO_EINVALID, "%zu MiB of text in %zu rows", HELD_MAX >> 20,
                      (size_t)MLO_PARQUET_BATCH);
    if (rc == 0)
        rc = mlo_grow(&h->blocks, &h->cap, h->n + 1, sizeof *h->blocks, err);
    if (rc != 0) {
        free(block);
        return rc;
    }
    h->blocks[h->n++] = block;
    h->bytes += n;
    return 0;
}

void *mlo_hold_alloc(struct mlo_hold *h, size_t n, struct mlo_err *err)
{
    if (n > HELD_MAX) {
        mlo_fail(err, MLO_EINVALID, "more than %zu MiB of text in %zu rows", HELD_MAX >> 20,
                 (size_t)MLO_PARQUET_BATCH);
        return NULL;
    }
    void *block = mlo_calloc(1, n + MLO_PARQUET_PADDING, err);
    return block && mlo_hold_take(h, block, n, err) == 0 ? block : NULL;
}

void mlo_hold_clear(struct mlo_hold *h)
{
    for (size_t i = 0; i < h->n; i++)
        free(h->blocks[i]);
    h->n = h->bytes = 0;
}

void mlo_hold_release(struct mlo_hold *h)
{
    mlo_hold_clear(h);
    free(h->blocks);
    *h = (struct mlo_hold){0};
}

/* ---- values ---- */

static const char *encoding_name(int encoding)
{
    static const char *const names[] = {"PLAIN",
                                        "encoding 1",
                                        "PLAIN_DICTIONARY",
                                        "RLE",
                                        "BIT_PACKED",
                                        "DELTA_BINARY_PACKED",
                                        "DELTA_LENGTH_BYTE_ARRAY",
                                        "DELTA_BYTE_ARRAY",
                                        "RLE_DICTIONARY",
                                        "BYTE_STREAM_SPLIT",
                                        "ALP"};
    return encoding >= 0 && encoding < (int)MLO_COUNT(names) ? names[encoding] : "an unknown encoding";
}

static int damaged(const struct mlo_values *v, struct mlo_err *err)
{
    return mlo_fail(err, MLO_EINVALID, "its values, in %s, make no sense or end too early",
                    encoding_name((int)v->encoding));
}

static bool suits(int encoding, int physical)
{
    bool bytes = physical == MLO_PARQUET_BYTE_ARRAY, fixed = physical == MLO_PARQUET_FIXED;
    bool integer = physical == MLO_PARQUET_INT32 || physical == MLO_PARQUET_INT64;
    switch (encoding) {
    case MLO_PARQUET_PLAIN:
        return true;
    case MLO_PARQUET_PLAIN_DICTIONARY:
    case MLO_PARQUET_RLE_DICTIONARY:
        return physical != MLO_PARQUET_BOOLEAN;
    case MLO_PARQUET_RLE:
        return physical == MLO_PARQUET_BOOLEAN;
    case MLO_PARQUET_DELTA_BINARY_PACKED:
        return integer;
    case MLO_PARQUET_DELTA_LENGTH_BYTE_ARRAY:
        return bytes;
    case MLO_PARQUET_DELTA_BYTE_ARRAY:
        return bytes || fixed;
    case MLO_PARQUET_BYTE_STREAM_SPLIT:
        return integer || fixed || physical == MLO_PARQUET_FLOAT || physical == MLO_PARQUET_DOUBLE;
    default:
        return false;
    }
}

static int check_encoding(int encoding, int physical, struct mlo_err *err)
{
    if (encoding == MLO_PARQUET_ALP)
        return mlo_fail(err, MLO_EUNAVAIL, "ALP encoding is not read");
    if (!suits(encoding, physical))
        return mlo_fail(err, MLO_EINVALID, "values of this type cannot be in %s", encoding_name(encoding));
    return 0;
}

/* The streams that stand before what is given. */
static bool begin_streams(struct mlo_values *v, const uint8_t *p, const uint8_t *end)
{
    switch (v->encoding) {
    case MLO_PARQUET_RLE_DICTIONARY:
        if (p == end) /* all values are missing */
            mlo_hybrid_init(&v->hybrid, p, end, 32);
        else if (*p > 32)
            return false;
        else
            mlo_hybrid_init(&v->hybrid, p + 1, end, *p);
        return true;
    case MLO_PARQUET_RLE:
        if (p == end)
            mlo_hybrid_init(&v->hybrid, p, end, 1);
        else if (end - p < 4 || mlo_le32(p) > (size_t)(end - p) - 4)
            return false;
        else
            mlo_hybrid_init(&v->hybrid, p + 4, p + 4 + mlo_le32(p), 1);
        return true;
    case MLO_PARQUET_BYTE_STREAM_SPLIT:
        v->n = (size_t)(end - p) / v->width;
        return (size_t)(end - p) % v->width == 0;
    case MLO_PARQUET_DELTA_BINARY_PACKED:
        return p == end || mlo_delta_init(&v->lengths, p, end);
    case MLO_PARQUET_DELTA_BYTE_ARRAY:
        if (p == end)
            return true;
        if (!mlo_delta_init(&v->prefixes, p, end) || !(p = mlo_delta_end(&v->prefixes)))
            return false;
        /* fallthrough: suffixes have lengths too */
        __attribute__((fallthrough));
    case MLO_PARQUET_DELTA_LENGTH_BYTE_ARRAY:
        return p == end || (mlo_delta_init(&v->lengths, p, end) && (v->p = mlo_delta_end(&v->lengths)));
    case MLO_PARQUET_PLAIN:
    case MLO_PARQUET_PLAIN_DICTIONARY:
    case MLO_PARQUET_BIT_PACKED:
    case MLO_PARQUET_ALP:
        break;
    }
    return true;
}

int mlo_values_init(struct mlo_values *v, int encoding, int physical, size_t width, const uint8_t *p,
                    const uint8_t *end, struct mlo_err *err)
{
    int rc = check_encoding(encoding, physical, err);
    if (rc != 0)
        return rc;
    if (encoding == MLO_PARQUET_PLAIN_DICTIONARY)
        encoding = MLO_PARQUET_RLE_DICTIONARY;
    char *previous = v->previous;
    size_t cap = v->cap_previous;
    *v = (struct mlo_values){.encoding = (enum mlo_parquet_encoding)encoding,
                             .width = width,
                             .p = p,
                             .end = end,
                             .previous = previous,
                             .cap_previous = cap};
    return begin_streams(v, p, end) ? 0 : damaged(v, err);
}

void mlo_values_release(struct mlo_values *v)
{
    free(v->previous);
    *v = (struct mlo_values){0};
}

/* ---- of fixed width ---- */

static bool read_plain(struct mlo_values *v, size_t n, const uint8_t **ret)
{
    if (n > (size_t)(v->end - v->p) / v->width)
        return false;
    *ret = v->p;
    v->p += n * v->width;
    return true;
}

static bool read_bools(struct mlo_values *v, size_t n, uint8_t *scratch)
{
    if (v->encoding == MLO_PARQUET_RLE) {
        uint32_t codes[256];
        for (size_t done = 0; done < n;) {
            size_t k = n - done < MLO_COUNT(codes) ? n - done : MLO_COUNT(codes);
            if (!mlo_hybrid_read(&v->hybrid, codes, k))
                return false;
            for (size_t i = 0; i < k; i++)
                scratch[done++] = codes[i] & 1;
        }
        return true;
    }
    if (n > (size_t)(v->end - v->p) * 8 - v->at)
        return false;
    for (size_t i = 0; i < n; i++, v->at++)
        scratch[i] = v->p[v->at >> 3] >> (v->at & 7) & 1;
    return true;
}

static bool read_split(struct mlo_values *v, size_t n, uint8_t *to)
{
    if (n > v->n - v->at)
        return false;
    for (size_t k = 0; k < v->width; k++) {
        const uint8_t *from = v->p + k * v->n + v->at;
        for (size_t i = 0; i < n; i++)
            to[i * v->width + k] = from[i];
    }
    v->at += n;
    return true;
}

/* DELTA_BYTE_ARRAY of values that all have one length: made by mlo_values_texts one behind the other. */
static int read_fixed_texts(struct mlo_values *v, size_t n, struct mlo_hold *hold, const uint8_t **ret,
                            struct mlo_err *err)
{
    MLO_AUTOFREE struct mlo_slice *texts = mlo_calloc(n + 1, sizeof *texts, err);
    MLO_AUTOFREE int64_t *lengths = mlo_calloc(2 * n + 1, sizeof *lengths, err);
    if (!texts || !lengths)
        return MLO_EIO;
    int rc = mlo_values_texts(v, n, lengths, hold, texts, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (texts[i].len != v->width)
            return damaged(v, err);
    if (rc == 0 && n > 0)
        *ret = (const uint8_t *)texts[0].ptr;
    return rc;
}

static bool read_integers(struct mlo_values *v, size_t n, uint8_t *scratch)
{
    int64_t some[256];
    for (size_t done = 0; done < n;) {
        size_t k = n - done < MLO_COUNT(some) ? n - done : MLO_COUNT(some);
        if (!mlo_delta_read(&v->lengths, some, k))
            return false;
        for (size_t i = 0; i < k; i++)
            memcpy(scratch + (done + i) * v->width, &some[i], v->width); /* modulo its bits */
        done += k;
    }
    return true;
}

int mlo_values_fixed(struct mlo_values *v, size_t n, uint8_t *scratch, struct mlo_hold *hold,
                     const uint8_t **ret, struct mlo_err *err)
{
    bool ok = false;
    uint8_t *wide = scratch;
    *ret = scratch;
    if (n == 0)
        return 0;
    switch (v->encoding) {
    case MLO_PARQUET_PLAIN:
        ok = v->width ? read_plain(v, n, ret) : read_bools(v, n, scratch);
        break;
    case MLO_PARQUET_RLE:
        ok = read_bools(v, n, scratch);
        break;
    case MLO_PARQUET_DELTA_BINARY_PACKED:
        ok = read_integers(v, n, scratch);
        break;
    case MLO_PARQUET_BYTE_STREAM_SPLIT:
        if (n > v->n - v->at)
            break;
        if (v->width > 8) {
            wide = mlo_hold_alloc(hold, n * v->width, err);
            if (!wide)
                return err->code;
        }
        ok = read_split(v, n, wide);
        *ret = wide;
        break;
    case MLO_PARQUET_DELTA_BYTE_ARRAY:
        return read_fixed_texts(v, n, hold, ret, err);
    case MLO_PARQUET_PLAIN_DICTIONARY:
    case MLO_PARQUET_BIT_PACKED:
    case MLO_PARQUET_DELTA_LENGTH_BYTE_ARRAY:
    case MLO_PARQUET_RLE_DICTIONARY:
    case MLO_PARQUET_ALP:
        break;
    }
    return ok ? 0 : damaged(v, err);
}

/* ---- texts ---- */

static bool read_plain_texts(struct mlo_values *v, size_t n, struct mlo_slice *ret)
{
    for (size_t i = 0; i < n; i++) {
        size_t left = (size_t)(v->end - v->p);
        if (left < 4 || mlo_le32(v->p) > left - 4)
            return false;
        ret[i] = (struct mlo_slice){(const char *)v->p + 4, mlo_le32(v->p)};
        v->p += 4 + ret[i].len;
    }
    return true;
}

/* Lengths that lie together in what is left. */
static bool read_lengths(struct mlo_values *v, size_t n, int64_t *lengths)
{
    size_t left = (size_t)(v->end - v->p);
    if (!mlo_delta_read(&v->lengths, lengths, n))
        return false;
    for (size_t i = 0; i < n; i++) {
        lengths[i] = (int32_t)lengths[i];
        if (lengths[i] < 0 || (size_t)lengths[i] > left)
            return false;
        left -= (size_t)lengths[i];
    }
    return true;
}

static bool read_length_texts(struct mlo_values *v, size_t n, int64_t *lengths, struct mlo_slice *ret)
{
    if (!read_lengths(v, n, lengths))
        return false;
    for (size_t i = 0; i < n; i++) {
        ret[i] = (struct mlo_slice){(const char *)v->p, (size_t)lengths[i]};
        v->p += lengths[i];
    }
    return true;
}

/* How long each value will be, and all together; SIZE_MAX when a prefix is longer than the value before. */
static size_t joined_size(const struct mlo_values *v, int64_t *prefixes, const int64_t *lengths, size_t n)
{
    size_t before = v->n_previous, total = 0;
    for (size_t i = 0; i < n; i++) {
        prefixes[i] = (int32_t)prefixes[i];
        if (prefixes[i] < 0 || (size_t)prefixes[i] > before)
            return SIZE_MAX;
        before = (size_t)prefixes[i] + (size_t)lengths[i];
        total += before;
        if (total > HELD_MAX)
            return total;
    }
    return total;
}

static int keep_previous(struct mlo_values *v, const char *ptr, size_t n, struct mlo_err *err)
{
    int rc = mlo_grow(&v->previous, &v->cap_previous, n + 1, 1, err);
    if (rc == 0)
        memcpy(v->previous, ptr, n);
    v->n_previous = n;
    return rc;
}

/* scratch: 2 n numbers. */
static int read_joined_texts(struct mlo_values *v, size_t n, int64_t *scratch, struct mlo_hold *hold,
                             struct mlo_slice *ret, struct mlo_err *err)
{
    int64_t *prefixes = scratch, *lengths = scratch + n;
    if (!mlo_delta_read(&v->prefixes, prefixes, n) || !read_lengths(v, n, lengths))
        return damaged(v, err);
    size_t total = joined_size(v, prefixes, lengths, n);
    if (total == SIZE_MAX)
        return damaged(v, err);
    char *to = mlo_hold_alloc(hold, total, err);
    if (!to)
        return err->code;
    const char *before = v->previous;
    for (size_t i = 0; i < n; i++) {
        size_t prefix = (size_t)prefixes[i], suffix = (size_t)lengths[i];
        if (prefix > 0)
            memcpy(to, before, prefix);
        memcpy(to + prefix, v->p, suffix);
        v->p += suffix;
        ret[i] = (struct mlo_slice){to, prefix + suffix};
        before = to;
        to += prefix + suffix;
    }
    return keep_previous(v, ret[n - 1].ptr, ret[n - 1].len, err);
}

int mlo_values_texts(struct mlo_values *v, size_t n, int64_t *scratch, struct mlo_hold *hold,
                     struct mlo_slice *ret, struct mlo_err *err)
{
    bool ok = n == 0;
    if (n > 0 && v->encoding == MLO_PARQUET_DELTA_BYTE_ARRAY)
        return read_joined_texts(v, n, scratch, hold, ret, err);
    if (n > 0 && v->encoding == MLO_PARQUET_PLAIN)
        ok = read_plain_texts(v, n, ret);
    else if (n > 0)
        ok = read_length_texts(v, n, scratch, ret);
    return ok ? 0 : damaged(v, err);
}
