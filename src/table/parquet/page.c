/* The pages of one column in one row group, from the first to the last, and their rows. */
#include <string.h>

#include <zlib.h>

#include <mlopsctl/base/bytes.h>
#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "parquet.h"
#include "thrift.h"

enum page_type { PAGE_DATA = 0, PAGE_INDEX = 1, PAGE_DICTIONARY = 2, PAGE_DATA_2 = 3 };

struct page_head {
    int64_t type, size, stored, values, encoding, level_encoding;
    int64_t level_bytes, repetition_bytes; /* of version 2 */
    int64_t crc;
    bool has_crc, packed, described;
    uint64_t at;   /* of the head */
    size_t length; /* of the head itself */
};

/* ---- heads ---- */

/* DataPageHeader, DictionaryPageHeader (which has the first two) and, told by its number, DataPageHeaderV2.
 */
static void read_kind(struct mlo_thrift *t, const struct mlo_thrift_field *field, struct page_head *h)
{
    struct mlo_thrift_field f = {0};
    bool second = field->id == 8;
    mlo_thrift_struct(t, field);
    h->described = true;
    while (mlo_thrift_next(t, &f)) {
        if (f.id == 1)
            h->values = mlo_thrift_int(t, &f);
        else if (f.id == (second ? 4 : 2))
            h->encoding = mlo_thrift_int(t, &f);
        else if (f.id == 3 && field->id == 5)
            h->level_encoding = mlo_thrift_int(t, &f);
        else if (f.id == 5 && second)
            h->level_bytes = mlo_thrift_int(t, &f);
        else if (f.id == 6 && second)
            h->repetition_bytes = mlo_thrift_int(t, &f);
        else if (f.id == 7 && second)
            h->packed = mlo_thrift_bool(t, &f);
        else
            mlo_thrift_skip(t, &f);
    }
}

static void parse_head(struct mlo_thrift *t, struct page_head *h)
{
    struct mlo_thrift_field f = {0};
    *h = (struct page_head){.type = -1, .level_encoding = MLO_PARQUET_RLE, .packed = true, .encoding = -1};
    while (mlo_thrift_next(t, &f))
        switch (f.id) {
        case 1:
            h->type = mlo_thrift_int(t, &f);
            break;
        case 2:
            h->size = mlo_thrift_int(t, &f);
            break;
        case 3:
            h->stored = mlo_thrift_int(t, &f);
            break;
        case 4:
            h->crc = mlo_thrift_int(t, &f);
            h->has_crc = true;
            break;
        case 5:
        case 7:
        case 8:
            read_kind(t, &f, h);
            break;
        default:
            mlo_thrift_skip(t, &f);
        }
    h->length = (size_t)(t->p - t->start);
}

/* Bytes of levels that stand before what is compressed: only version 2 has any. */
static size_t level_bytes(const struct page_head *h)
{
    return h->type == PAGE_DATA_2 ? (size_t)(h->level_bytes + h->repetition_bytes) : 0;
}

static bool is_packed(const struct mlo_parquet_cursor *c, const struct page_head *h)
{
    return c->packing != MLO_PACKED_NOT && h->packed && (size_t)h->stored > level_bytes(h);
}

static const char *check_head(const struct page_head *h, uint64_t left)
{
    if (h->stored < 0 || h->size < 0 || (uint64_t)h->stored > left)
        return "its size is impossible";
    if ((uint64_t)h->size > MLO_PARQUET_PAGE_MAX)
        return "it is larger than 1 GiB";
    if (h->type != PAGE_INDEX && (!h->described || h->values < 0))
        return "its head does not say what it holds";
    int64_t most = h->size < h->stored ? h->size : h->stored;
    if (h->level_bytes < 0 || h->repetition_bytes < 0 || h->level_bytes > most ||
        h->repetition_bytes > most - h->level_bytes)
        return "its levels are longer than itself";
    return NULL;
}

/* The head at byte `at`: a little is read first, more when that is not all of it. */
static int read_head(const struct mlo_parquet_file *f, uint64_t at, uint64_t end, struct page_head *ret,
                     struct mlo_err *err)
{
    enum { USUAL = 512 };
    uint8_t usual[USUAL];
    MLO_AUTOFREE uint8_t *large = NULL;
    struct mlo_thrift t;
    size_t n = end - at < USUAL ? (size_t)(end - at) : USUAL;
    int rc = mlo_read_exact_at(f->fd, usual, n, at, err);
    if (rc != 0)
        return rc;
    mlo_thrift_init(&t, usual, n);
    parse_head(&t, ret);
    if (t.ended && end - at > n) {
        n = end - at < MLO_PARQUET_HEAD_MAX ? (size_t)(end - at) : MLO_PARQUET_HEAD_MAX;
        large = mlo_calloc(1, n, err);
        rc = large ? mlo_read_exact_at(f->fd, large, n, at, err) : MLO_EIO;
        if (rc != 0)
            return rc;
        mlo_thrift_init(&t, large, n);
        parse_head(&t, ret);
    }
    if (t.bad)
        return mlo_fail(err, MLO_EINVALID, "its head is damaged: %s", t.bad);
    ret->at = at;
    const char *bad = check_head(ret, end - at - ret->length);
    return bad ? mlo_fail(err, MLO_EINVALID, "%s", bad) : 0;
}

/* ---- bodies ---- */

static int check_crc(const struct page_head *h, const uint8_t *stored, struct mlo_err *err)
{
    if (!h->has_crc || (uint32_t)crc32(0, stored, (uInt)h->stored) == (uint32_t)h->crc)
        return 0;
    return mlo_fail(err, MLO_EINVALID, "its checksum is another than the one stored");
}

static void swap(struct mlo_parquet_page *a, struct mlo_parquet_page *b)
{
    struct mlo_parquet_page t = *a;
    *a = *b;
    *b = t;
}

/* The page before goes: it stays where texts of this batch point into it, or where it is to be kept. */
static int leave_page(struct mlo_parquet_cursor *c, struct mlo_hold *hold, struct mlo_err *err)
{
    int rc = 0;
    if (c->lent) {
        rc = mlo_hold_take(hold, mlo_steal(&c->page.bytes), c->page.cap, err);
        c->page = (struct mlo_parquet_page){0};
        c->lent = false;
    }
    for (size_t i = 0; c->keeps && c->page.at && c->page.cap <= MLO_PARQUET_KEPT_MAX && i < MLO_PARQUET_KEPT;
         i++)
        if (!c->kept[i].at)
            swap(&c->page, &c->kept[i]);
    return rc;
}

/* The page at `at`, when it was kept. */
static bool find_page(struct mlo_parquet_cursor *c, uint64_t at)
{
    for (size_t i = 0; c->page.at != at && i < MLO_PARQUET_KEPT; i++)
        if (c->kept[i].at == at)
            swap(&c->page, &c->kept[i]);
    return c->page.at == at;
}

/* The page as it was before it was compressed, padded, into *to. */
static int read_body(const struct mlo_parquet_cursor *c, struct mlo_parquet_scratch *s,
                     const struct page_head *h, uint8_t *to, struct mlo_err *err)
{
    size_t levels = level_bytes(h), stored = (size_t)h->stored, size = (size_t)h->size;
    bool packed = is_packed(c, h);
    uint8_t *from = packed ? s->stored : to;
    memset(to + size, 0, MLO_PARQUET_PADDING);
    int rc = mlo_read_exact_at(c->file->fd, from, stored, h->at + h->length, err);
    if (rc == 0)
        rc = check_crc(h, from, err);
    if (rc != 0 || !packed)
        return rc;
    memcpy(to, from, levels);
    return mlo_unpack(&s->unpacker, c->packing, from + levels, stored - levels, to + levels, size - levels,
                      err);
}

static int load_body(struct mlo_parquet_cursor *c, struct mlo_parquet_scratch *s, const struct page_head *h,
                     uint8_t **page, size_t *cap, struct mlo_err *err)
{
    size_t levels = level_bytes(h), stored = (size_t)h->stored;
    bool packed = is_packed(c, h);
    if (!packed && h->size != h->stored)
        return mlo_fail(err, MLO_EINVALID, "it holds %lld bytes where %lld are announced",
                        (long long)h->stored, (long long)h->size);
    if (packed && (size_t)h->size - levels > mlo_unpack_bound(c->packing, stored - levels))
        return mlo_fail(err, MLO_EINVALID, "%zu bytes cannot hold the %lld that are announced", stored,
                        (long long)h->size);
    int rc = mlo_grow(page, cap, (size_t)h->size + MLO_PARQUET_PADDING, 1, err);
    if (rc == 0 && packed)
        rc = mlo_grow(&s->stored, &s->cap_stored, stored, 1, err);
    if (rc == 0)
        rc = read_body(c, s, h, *page, err);
    s->bytes += (uint64_t)h->size;
    return rc;
}

/* ---- the dictionary ---- */

static int reserve_dictionary(struct mlo_parquet_dictionary *d, enum mlo_column_type cells, size_t n,
                              struct mlo_err *err)
{
    int rc = 0;
    if (cells == MLO_COLUMN_NUMBER || cells == MLO_COLUMN_BOOL) {
        rc = mlo_grow(&d->numbers, &d->cap_numbers, n, sizeof *d->numbers, err);
        d->values = d->numbers;
        return rc;
    }
    if (cells == MLO_COLUMN_TIME)
        rc = mlo_grow(&d->times, &d->cap_times, n, sizeof *d->times, err);
    return rc != 0 ? rc : mlo_grow(&d->texts, &d->cap_texts, n, sizeof *d->texts, err);
}

static int fill_dictionary(struct mlo_parquet_cursor *c, struct mlo_values *v, size_t n, struct mlo_err *err)
{
    struct mlo_parquet_dictionary *d = &c->dictionary;
    MLO_AUTOFREE struct mlo_slice *texts = NULL;
    struct mlo_parquet_raw raw = {0};
    int rc;
    if (c->leaf->type == MLO_PARQUET_BYTE_ARRAY) {
        texts = mlo_calloc(n, sizeof *texts, err);
        rc = texts ? mlo_values_texts(v, n, NULL, NULL, texts, err) : MLO_EIO;
        raw.texts = texts;
    } else {
        rc = mlo_values_fixed(v, n, NULL, NULL, &raw.fixed, err);
    }
    if (rc != 0)
        return rc;
    switch (c->cells) {
    case MLO_COLUMN_NUMBER:
    case MLO_COLUMN_BOOL:
        return mlo_parquet_numbers(c->leaf, &raw, n, d->numbers, err);
    case MLO_COLUMN_TIME:
        return mlo_parquet_times(c->leaf, &raw, n, &d->hold, d->times, d->texts, &d->bad, err);
    case MLO_COLUMN_TEXT:
        break;
    }
    return mlo_parquet_texts(c->leaf, &raw, n, &d->hold, d->texts, err);
}

static int decode_dictionary(struct mlo_parquet_cursor *c, struct mlo_parquet_scratch *s,
                             const struct page_head *h, struct mlo_err *err)
{
    struct mlo_parquet_dictionary *d = &c->dictionary;
    size_t each = c->leaf->width ? c->leaf->width : 4, n = (size_t)h->values;
    struct mlo_values v = {0};
    if (h->encoding != MLO_PARQUET_PLAIN && h->encoding != MLO_PARQUET_PLAIN_DICTIONARY)
        return mlo_fail(err, MLO_EINVALID, "a dictionary cannot be in encoding %lld", (long long)h->encoding);
    if (c->leaf->type == MLO_PARQUET_BOOLEAN || n > (size_t)h->size / each)
        return mlo_fail(err, MLO_EINVALID, "it is too short for a dictionary of %zu values", n);
    mlo_hold_clear(&d->hold);
    d->n = 0;
    d->bad = false;
    int rc = load_body(c, s, h, &d->page, &d->cap_page, err);
    if (rc == 0)
        rc = mlo_values_init(&v, MLO_PARQUET_PLAIN, c->leaf->type, c->leaf->width, d->page, d->page + h->size,
                             err);
    bool as_it_is = c->leaf->as == MLO_PARQUET_AS_DOUBLE && c->cells == MLO_COLUMN_NUMBER;
    d->values = (const double *)(const void *)d->page;
    if (rc == 0 && !as_it_is)
        rc = reserve_dictionary(d, c->cells, n, err);
    if (rc == 0 && n > 0 && !as_it_is)
        rc = fill_dictionary(c, &v, n, err);
    d->n = rc == 0 ? n : 0;
    return rc;
}

/* A dictionary page was met: it is read when the first page needs it, since many threads may not meet one
 * that does. */
static int note_dictionary(struct mlo_parquet_cursor *c, const struct page_head *h, struct mlo_err *err)
{
    if (c->has_dictionary || c->has_data)
        return mlo_fail(err, MLO_EINVALID, "it is a second dictionary, or comes behind data");
    c->has_dictionary = true;
    c->dictionary_at = h->at;
    return 0;
}

static int need_dictionary(struct mlo_parquet_cursor *c, struct mlo_parquet_scratch *s, struct mlo_err *err)
{
    struct page_head h;
    if (c->loaded)
        return 0;
    if (!c->has_dictionary)
        return mlo_fail(err, MLO_EINVALID, "its dictionary is missing");
    c->page_at = c->dictionary_at;
    int rc = read_head(c->file, c->dictionary_at, c->end, &h, err);
    if (rc == 0)
        rc = decode_dictionary(c, s, &h, err);
    c->loaded = rc == 0;
    return rc;
}

/* ---- data pages ---- */

/* The levels, and behind them the values. */
static int begin_page(struct mlo_parquet_cursor *c, const struct page_head *h, struct mlo_err *err)
{
    const uint8_t *p = c->page.bytes, *end = p + h->size;
    uint32_t max = c->leaf->max_level;
    unsigned width = mlo_bit_width(max);
    size_t n;
    c->levels = (struct mlo_levels){.max = max};
    if (h->type == PAGE_DATA_2) {
        p += h->repetition_bytes;
        n = (size_t)h->level_bytes;
    } else if (max == 0) {
        n = 0;
    } else if (h->level_encoding == MLO_PARQUET_BIT_PACKED) {
        n = ((size_t)h->values * width + 7) / 8;
        c->levels.high_bits = true;
    } else {
        if (h->level_encoding != MLO_PARQUET_RLE)
            return mlo_fail(err, MLO_EINVALID, "levels cannot be in encoding %lld",
                            (long long)h->level_encoding);
        if (end - p < 4)
            return mlo_fail(err, MLO_EINVALID, "it ends within its levels");
        n = mlo_le32(p);
        p += 4;
    }
    if (n > (size_t)(end - p))
        return mlo_fail(err, MLO_EINVALID, "it ends within its levels");
    mlo_hybrid_init(&c->levels.hybrid, p, p + n, width);
    return mlo_values_init(&c->values, (int)h->encoding, c->leaf->type, c->leaf->width, p + n, end, err);
}

static int load_data(struct mlo_parquet_cursor *c, struct mlo_parquet_scratch *s, const struct page_head *h,
                     struct mlo_err *err)
{
    int rc = leave_page(c, &s->hold, err);
    if (rc == 0 && find_page(c, h->at)) {
        s->bytes += (uint64_t)h->size;
    } else if (rc == 0) {
        c->page.at = 0;
        rc = load_body(c, s, h, &c->page.bytes, &c->page.cap, err);
    }
    c->page.at = rc == 0 ? h->at : 0;
    if (rc == 0)
        rc = begin_page(c, h, err);
    if (rc == 0 && mlo_values_are_codes(&c->values))
        rc = need_dictionary(c, s, err);
    c->page_at = rc == 0 ? h->at : c->page_at;
    return rc;
}

/* One page; one of data that ends at or before row `wanted` is passed over. */
static int next_page(struct mlo_parquet_cursor *c, struct mlo_parquet_scratch *s, uint64_t wanted,
                     struct mlo_err *err)
{
    struct page_head h;
    int rc = 0;
    c->page_at = c->at;
    if (c->at >= c->end)
        return mlo_fail(err, MLO_EINVALID, "the column ends before its last row");
    rc = read_head(c->file, c->at, c->end, &h, err);
    if (rc != 0)
        return rc;
    if (h.type == PAGE_DICTIONARY) {
        rc = note_dictionary(c, &h, err);
    } else if (h.type == PAGE_DATA || h.type == PAGE_DATA_2) {
        uint64_t rows = (uint64_t)h.values;
        c->has_data = true;
        if (rows > c->rows_left)
            return mlo_fail(err, MLO_EINVALID, "it has more rows than are left of the row group");
        c->rows_left -= rows;
        if (c->row + rows <= wanted)
            c->row += rows;
        else if ((rc = load_data(c, s, &h, err)) == 0)
            c->page_left = (size_t)rows;
    } else if (h.type != PAGE_INDEX) {
        rc = mlo_fail(err, MLO_EINVALID, "it is of the unknown type %lld", (long long)h.type);
    }
    c->at += h.length + (uint64_t)h.stored;
    return rc;
}

/* ---- rows ---- */

static inline __attribute__((always_inline)) void spread(void *array, size_t size, const uint8_t *cell,
                                                         size_t n, size_t present)
{
    char *a = array;
    for (size_t i = n; i-- > 0 && present <= i;) {
        if (cell[i] == MLO_CELL_OK)
            memcpy(a + i * size, a + --present * size, size);
        else
            memset(a + i * size, 0, size);
    }
}

static int read_codes(struct mlo_parquet_cursor *c, uint32_t *codes, size_t n, struct mlo_err *err)
{
    uint32_t most = 0;
    if (!mlo_hybrid_read(&c->values.hybrid, codes, n))
        return mlo_fail(err, MLO_EINVALID, "its codes end too early");
    for (size_t i = 0; i < n; i++)
        most = codes[i] > most ? codes[i] : most;
    if (n > 0 && most >= c->dictionary.n)
        return mlo_fail(err, MLO_EINVALID, "code %u is not in its dictionary of %zu", most, c->dictionary.n);
    return 0;
}

static void look_up(const struct mlo_parquet_dictionary *d, const uint32_t *codes, size_t n,
                    const struct mlo_parquet_out *out, size_t at, enum mlo_column_type cells)
{
    switch (cells) {
    case MLO_COLUMN_NUMBER:
    case MLO_COLUMN_BOOL:
        for (size_t i = 0; i < n; i++)
            out->numbers[at + i] = d->values[codes[i]];
        return;
    case MLO_COLUMN_TIME:
        for (size_t i = 0; i < n; i++)
            out->times[at + i] = d->times[codes[i]];
        break;
    case MLO_COLUMN_TEXT:
        break;
    }
    for (size_t i = 0; i < n; i++)
        out->texts[at + i] = d->texts[codes[i]];
}

/* A column whose cells so far are codes goes on with texts. */
static void codes_to_texts(const struct mlo_parquet_cursor *c, struct mlo_parquet_out *out, size_t n)
{
    for (size_t i = 0; out->coded && i < n; i++)
        out->texts[i] = out->cell[i] == MLO_CELL_OK ? c->dictionary.texts[out->codes[i]]
                                                    : (struct mlo_slice){0};
    out->coded = false;
}

/* n values that are stored as such. */
static int read_values(struct mlo_parquet_cursor *c, struct mlo_parquet_scratch *s, size_t n,
                       struct mlo_parquet_out *out, size_t at, bool *ret_bad, struct mlo_err *err)
{
    struct mlo_parquet_raw raw = {.texts = s->texts};
    bool texts = c->cells == MLO_COLUMN_TEXT;
    int rc = 0;
    if (c->leaf->type == MLO_PARQUET_BYTE_ARRAY)
        rc = mlo_values_texts(&c->values, n, s->lengths, &s->hold, s->texts, err);
    else
        rc = mlo_values_fixed(&c->values, n, s->fixed, &s->hold, &raw.fixed, err);
    if (rc == 0 && texts && raw.fixed == s->fixed && c->leaf->as == MLO_PARQUET_AS_TEXT) { /* must stay */
        uint8_t *kept = mlo_hold_alloc(&s->hold, n * c->leaf->width, err);
        if (!kept)
            return err->code;
        raw.fixed = memcpy(kept, s->fixed, n * c->leaf->width);
    }
    if (rc != 0)
        return rc;
    c->lent = c->lent || texts;
    if (texts)
        return mlo_parquet_texts(c->leaf, &raw, n, &s->hold, out->texts + at, err);
    if (c->cells == MLO_COLUMN_TIME)
        return mlo_parquet_times(c->leaf, &raw, n, &s->hold, out->times + at, out->texts + at, ret_bad, err);
    return mlo_parquet_numbers(c->leaf, &raw, n, out->numbers + at, err);
}

static int read_present(struct mlo_parquet_cursor *c, struct mlo_parquet_scratch *s, size_t n,
                        struct mlo_parquet_out *out, size_t at, bool *ret_bad, struct mlo_err *err)
{
    bool codes = mlo_values_are_codes(&c->values), text = c->cells == MLO_COLUMN_TEXT;
    *ret_bad = false;
    if (text && at == 0)
        out->coded = codes;
    if (text && !codes)
        codes_to_texts(c, out, at);
    if (n == 0)
        return 0;
    if (!codes)
        return read_values(c, s, n, out, at, ret_bad, err);
    *ret_bad = c->dictionary.bad;
    if (out->coded)
        return read_codes(c, out->codes + at, n, err);
    int rc = read_codes(c, s->codes, n, err);
    if (rc == 0)
        look_up(&c->dictionary, s->codes, n, out, at, c->cells);
    return rc;
}

/* Values stand together so far: each to its row. */
static void place(const struct mlo_parquet_cursor *c, const struct mlo_parquet_out *out, size_t at, size_t n,
                  size_t present)
{
    const uint8_t *cell = out->cell + at;
    if (c->cells == MLO_COLUMN_NUMBER || c->cells == MLO_COLUMN_BOOL)
        spread(out->numbers + at, sizeof *out->numbers, cell, n, present);
    else if (out->coded)
        spread(out->codes + at, sizeof *out->codes, cell, n, present);
    else
        spread(out->texts + at, sizeof *out->texts, cell, n, present);
    if (c->cells == MLO_COLUMN_TIME)
        spread(out->times + at, sizeof *out->times, cell, n, present);
}

/* Rows of one page. */
static int read_rows(struct mlo_parquet_cursor *c, struct mlo_parquet_scratch *s, size_t n,
                     struct mlo_parquet_out *out, size_t at, struct mlo_err *err)
{
    size_t present;
    bool bad;
    if (!mlo_levels_read(&c->levels, out->cell + at, n, &present))
        return mlo_fail(err, MLO_EINVALID, "its levels end too early");
    int rc = read_present(c, s, present, out, at, &bad, err);
    if (rc != 0)
        return rc;
    if (present < n)
        place(c, out, at, n, present);
    for (size_t i = at; bad && i < at + n; i++)
        if (out->cell[i] == MLO_CELL_OK && out->texts[i].ptr)
            out->cell[i] = MLO_CELL_BAD;
    return 0;
}

/* Values of the page that nobody wants. */
static int skip_values(struct mlo_parquet_cursor *c, struct mlo_parquet_scratch *s, size_t n,
                       struct mlo_err *err)
{
    const uint8_t *fixed;
    struct mlo_hold hold = {0};
    int rc = 0;
    if (mlo_values_are_codes(&c->values))
        rc = mlo_hybrid_skip(&c->values.hybrid, n) ? 0
                                                   : mlo_fail(err, MLO_EINVALID, "its codes end too early");
    else if (c->leaf->type == MLO_PARQUET_BYTE_ARRAY)
        rc = mlo_values_texts(&c->values, n, s->lengths, &hold, s->texts, err);
    else
        rc = mlo_values_fixed(&c->values, n, s->fixed, &hold, &fixed, err);
    mlo_hold_release(&hold);
    return rc;
}

static int skip_rows(struct mlo_parquet_cursor *c, struct mlo_parquet_scratch *s, size_t n,
                     struct mlo_err *err)
{
    int rc = 0;
    c->row += n;
    c->page_left -= n;
    while (rc == 0 && n > 0 && c->page_left > 0) {
        size_t k = n < MLO_PARQUET_BATCH ? n : MLO_PARQUET_BATCH, present;
        if (!mlo_levels_read(&c->levels, s->cell, k, &present))
            return mlo_fail(err, MLO_EINVALID, "its levels end too early");
        rc = skip_values(c, s, present, err);
        n -= k;
    }
    return rc;
}

static void begin_chunk(struct mlo_parquet_cursor *c, size_t group)
{
    const struct mlo_parquet_file *f = c->file;
    const struct mlo_parquet_chunk *chunk = &f->chunks[group * f->n_leaves + (size_t)(c->leaf - f->leaves)];
    c->loaded = c->loaded && c->group == group; /* begun again: its dictionary is still there */
    c->group = group;
    c->packing = chunk->packing;
    c->at = c->page_at = chunk->start;
    c->end = chunk->end;
    c->row = 0;
    c->rows_left = f->groups[group].rows;
    c->page_left = 0;
    c->has_dictionary = c->has_data = false;
}

static int seek_row(struct mlo_parquet_cursor *c, struct mlo_parquet_scratch *s, uint64_t row,
                    struct mlo_err *err)
{
    int rc = 0;
    while (rc == 0 && (c->row < row || c->page_left == 0)) {
        uint64_t ahead = row - c->row;
        if (c->page_left == 0)
            rc = next_page(c, s, row, err);
        else
            rc = skip_rows(c, s, ahead < c->page_left ? (size_t)ahead : c->page_left, err);
    }
    return rc;
}

/* Infinite and undefined numbers. */
static void find_nan(uint8_t *cell, const double *numbers, size_t n)
{
    double any[4] = {0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (size_t k = 0; k < 4; k++)
            any[k] += numbers[i + k] * 0;
    for (; i < n; i++)
        any[0] += numbers[i] * 0;
    if (any[0] + any[1] + any[2] + any[3] == 0)
        return;
    for (i = 0; i < n; i++)
        if (numbers[i] * 0 != 0)
            cell[i] = MLO_CELL_NAN;
}

static int read_batch(struct mlo_parquet_cursor *c, struct mlo_parquet_scratch *s, uint64_t from, size_t n,
                      struct mlo_parquet_out *out, struct mlo_err *err)
{
    size_t at = 0;
    while (at < n) {
        int rc = seek_row(c, s, from + at, err);
        if (rc != 0)
            return rc;
        size_t k = n - at < c->page_left ? n - at : c->page_left;
        rc = read_rows(c, s, k, out, at, err);
        if (rc != 0)
            return rc;
        c->row += k;
        c->page_left -= k;
        at += k;
    }
    return 0;
}

static int begin_read(struct mlo_parquet_cursor *c, size_t group, uint64_t from, struct mlo_err *err)
{
    if (group != c->group || from < c->row)
        begin_chunk(c, group);
    c->lent = false;
    return mlo_unpack_check(c->packing, err);
}

static int named(const struct mlo_parquet_cursor *c, int rc, struct mlo_err *err)
{
    if (rc == MLO_EINVALID || rc == MLO_EUNAVAIL)
        mlo_wrap(err, "'%s' column '%s', page at byte %llu", c->file->name, c->column,
                 (unsigned long long)c->page_at);
    return rc;
}

static bool holds_numbers(const struct mlo_parquet_cursor *c)
{
    return c->cells == MLO_COLUMN_NUMBER || c->cells == MLO_COLUMN_BOOL;
}

int mlo_parquet_read(struct mlo_parquet_cursor *c, struct mlo_parquet_scratch *s, size_t group, uint64_t from,
                     size_t n, struct mlo_parquet_out *out, struct mlo_err *err)
{
    int rc = begin_read(c, group, from, err);
    out->coded = false;
    if (rc == 0)
        rc = read_batch(c, s, from, n, out, err);
    if (rc == 0 && holds_numbers(c))
        find_nan(out->cell, out->numbers, n);
    return named(c, rc, err);
}

/* ---- counts of a dictionary's values ---- */

static int begin_counts(struct mlo_parquet_dictionary *d, struct mlo_err *err)
{
    int rc = mlo_grow(&d->met, &d->cap_met, d->n + 1, sizeof *d->met, err);
    if (rc == 0)
        memset(d->met, 0, d->n * sizeof *d->met);
    d->missing = 0;
    return rc;
}

/* n rows of this page. */
static int count_rows(struct mlo_parquet_cursor *c, struct mlo_parquet_scratch *s, size_t n,
                      struct mlo_err *err)
{
    struct mlo_parquet_dictionary *d = &c->dictionary;
    for (size_t k, present; n > 0; n -= k) {
        k = n < MLO_PARQUET_BATCH ? n : MLO_PARQUET_BATCH;
        if (!mlo_levels_read(&c->levels, s->cell, k, &present))
            return mlo_fail(err, MLO_EINVALID, "its levels end too early");
        int rc = read_codes(c, s->codes, present, err);
        if (rc != 0)
            return rc;
        for (size_t i = 0; i < present; i++)
            d->met[s->codes[i]]++;
        d->missing += (uint32_t)(k - present);
        c->row += k;
        c->page_left -= k;
    }
    return 0;
}

/* A dictionary that is many times as long as the rows is not worth a walk through all of it. */
static bool is_counted(const struct mlo_parquet_cursor *c, uint64_t n)
{
    return mlo_values_are_codes(&c->values) && c->dictionary.n / 4 <= n;
}

static int count_pages(struct mlo_parquet_cursor *c, struct mlo_parquet_scratch *s, uint64_t from, uint64_t n,
                       uint64_t *ret, struct mlo_err *err)
{
    for (*ret = 0; *ret < n;) {
        int rc = seek_row(c, s, from + *ret, err);
        if (rc != 0 || !is_counted(c, n))
            return rc;
        if (*ret == 0)
            rc = begin_counts(&c->dictionary, err);
        size_t k = n - *ret < c->page_left ? (size_t)(n - *ret) : c->page_left;
        if (rc == 0)
            rc = count_rows(c, s, k, err);
        if (rc != 0)
            return rc;
        *ret += k;
    }
    return 0;
}

int mlo_parquet_count(struct mlo_parquet_cursor *c, struct mlo_parquet_scratch *s, size_t group,
                      uint64_t from, uint64_t n, uint64_t *ret, struct mlo_err *err)
{
    uint64_t rows = 0;
    int rc = begin_read(c, group, from, err);
    if (rc == 0 && c->cells != MLO_COLUMN_TIME) /* their texts may be bad: row by row */
        rc = count_pages(c, s, from, n < UINT32_MAX ? n : UINT32_MAX, &rows, err);
    if (rc == 0)
        *ret = rows;
    return named(c, rc, err);
}

static struct mlo_batch_column dictionary_cells(const struct mlo_parquet_cursor *c,
                                                struct mlo_parquet_scratch *s, size_t at, size_t n)
{
    const struct mlo_parquet_dictionary *d = &c->dictionary;
    if (!holds_numbers(c))
        return (struct mlo_batch_column){.texts = d->texts + at};
    memset(s->cell, MLO_CELL_OK, n);
    find_nan(s->cell, d->values + at, n);
    return (struct mlo_batch_column){.cell = s->cell, .numbers = d->values + at};
}

bool mlo_parquet_counted(const struct mlo_parquet_cursor *c, struct mlo_parquet_scratch *s, size_t *at,
                         struct mlo_column_cells *ret)
{
    static const uint8_t missing = MLO_CELL_MISSING;
    const struct mlo_parquet_dictionary *d = &c->dictionary;
    if (*at > d->n)
        return false;
    if (*at == d->n) {
        ret->n = 1;
        ret->times = &d->missing;
        ret->cells = (struct mlo_batch_column){.cell = &missing};
    } else {
        ret->n = d->n - *at < MLO_PARQUET_BATCH ? d->n - *at : MLO_PARQUET_BATCH;
        ret->times = d->met + *at;
        ret->cells = dictionary_cells(c, s, *at, ret->n);
    }
    *at += ret->n;
    return true;
}

void mlo_parquet_turn(struct mlo_parquet_cursor *c)
{
    c->group = SIZE_MAX;
    c->page.at = 0;
    for (size_t i = 0; i < MLO_PARQUET_KEPT; i++)
        c->kept[i].at = 0;
}

void mlo_parquet_cursor_release(struct mlo_parquet_cursor *c)
{
    struct mlo_parquet_dictionary *d = &c->dictionary;
    for (size_t i = 0; i < MLO_PARQUET_KEPT; i++)
        free(c->kept[i].bytes);
    free(c->page.bytes);
    mlo_values_release(&c->values);
    mlo_hold_release(&d->hold);
    free(d->page);
    free(d->numbers);
    free(d->times);
    free(d->texts);
    free(d->met);
    *c = (struct mlo_parquet_cursor){0};
}

void mlo_parquet_scratch_release(struct mlo_parquet_scratch *s)
{
    mlo_unpacker_release(&s->unpacker);
    mlo_hold_release(&s->hold);
    free(s->stored);
    s->stored = NULL;
}

/* ---- where pages begin ---- */

int mlo_parquet_page_starts(const struct mlo_parquet_file *f, size_t group, size_t leaf, uint64_t apart,
                            uint64_t **ret, size_t *ret_n, struct mlo_err *err)
{
    const struct mlo_parquet_chunk *chunk = &f->chunks[group * f->n_leaves + leaf];
    MLO_AUTOFREE uint64_t *starts = NULL;
    size_t n = 0, cap = 0;
    uint64_t row = 0, rows = f->groups[group].rows, last = 0;
    for (uint64_t at = chunk->start; at < chunk->end && row < rows;) {
        struct page_head h;
        struct mlo_err bad = MLO_ERR_INIT;
        if (read_head(f, at, chunk->end, &h, &bad) != 0)
            break; /* who reads the rows will say so */
        if ((h.type == PAGE_DATA || h.type == PAGE_DATA_2) && (uint64_t)h.values <= rows - row) {
            if (n == 0 || (row - last >= apart && rows - row >= apart)) {
                int rc = mlo_grow(&starts, &cap, n + 1, sizeof *starts, err);
                if (rc != 0)
                    return rc;
                starts[n++] = last = row;
            }
            row += (uint64_t)h.values;
        }
        at += h.length + (uint64_t)h.stored;
    }
    *ret = mlo_steal(&starts);
    *ret_n = n;
    return 0;
}
