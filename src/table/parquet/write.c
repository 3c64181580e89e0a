/*
 * Parquet, written. A thread makes a page of each column out of its rows and compresses it; the pages of a
 * column are gathered until a row group is full, which is then given out column by column. Nothing but these
 * pages and the footer is kept, so memory does not grow with the rows.
 *
 * Pages are of version 1 and PLAIN, with checksums; chunks have statistics. Numbers of fields and enums are
 * those of parquet.thrift.
 */
#include <math.h>
#include <string.h>

#include <zlib.h>

#include "parquet.h"
#include "thrift.h"
#include "table/write.h"

#define MAGIC       "PAR1"
#define GROUP_ROWS  ((uint64_t)128 << 10) /* a row group is full with so many rows */
#define GROUP_BYTES ((size_t)32 << 20)    /* or bytes */
#define TEXT_KEPT   63                    /* bytes of a text that statistics tell; of a longer one nothing */
#define ZSTD_LEVEL  1

enum { PLAIN = 0, RLE = 3, DATA_PAGE = 0, REQUIRED = 0, OPTIONAL = 1, FORMAT_VERSION = 2 };

/* ---- columns ---- */

static bool is_unsigned(enum mlo_dtype t)
{
    return t == MLO_DT_U8 || t == MLO_DT_U16 || t == MLO_DT_U32 || t == MLO_DT_U64;
}

static enum mlo_parquet_type type_of(enum mlo_dtype t)
{
    switch ((int)t) {
    case MLO_DT_BOOL:
        return MLO_PARQUET_BOOLEAN;
    case MLO_DT_F32:
        return MLO_PARQUET_FLOAT;
    case MLO_DT_F64:
        return MLO_PARQUET_DOUBLE;
    case MLO_DT_STRING:
        return MLO_PARQUET_BYTE_ARRAY;
    default:
        return mlo_dtype_bits(t) == 64 ? MLO_PARQUET_INT64 : MLO_PARQUET_INT32;
    }
}

/* The value as 64 bits: sign or zeros in front. */
static int64_t whole_at(enum mlo_dtype t, const void *values, size_t i)
{
    switch ((int)t) {
    case MLO_DT_BOOL:
        return ((const uint8_t *)values)[i] != 0;
    case MLO_DT_U8:
        return ((const uint8_t *)values)[i];
    case MLO_DT_I8:
        return ((const int8_t *)values)[i];
    case MLO_DT_U16:
        return ((const uint16_t *)values)[i];
    case MLO_DT_I16:
        return ((const int16_t *)values)[i];
    case MLO_DT_U32:
        return ((const uint32_t *)values)[i];
    case MLO_DT_I32:
        return ((const int32_t *)values)[i];
    default:
        return ((const int64_t *)values)[i];
    }
}

/* ---- statistics ---- */

struct kept_text {
    uint8_t n;
    char s[TEXT_KEPT];
};
struct range { /* of values, in the order that the format gives the type */
    bool any, too_long;
    union {
        int64_t whole;
        double real;
        struct kept_text text;
    } min, max;
};

static void take_whole(struct range *r, enum mlo_dtype t, int64_t v)
{
    int64_t top = is_unsigned(t) ? INT64_MIN : 0; /* so that signed comparison serves */
    if (!r->any || (v ^ top) < (r->min.whole ^ top))
        r->min.whole = v;
    if (!r->any || (v ^ top) > (r->max.whole ^ top))
        r->max.whole = v;
    r->any = true;
}

/* NaN is in no order; of zeros the format wants the outer ones. */
static void take_real(struct range *r, double v)
{
    if (isnan(v))
        return;
    if (!r->any || v < r->min.real)
        r->min.real = v == 0 ? -0.0 : v;
    if (!r->any || v > r->max.real)
        r->max.real = v == 0 ? 0.0 : v;
    r->any = true;
}

static int compare(struct mlo_slice s, const struct kept_text *t)
{
    int c = memcmp(s.ptr, t->s, s.len < t->n ? s.len : t->n);
    return c ? c : (s.len > t->n) - (s.len < t->n);
}

static void keep(struct kept_text *t, struct mlo_slice s)
{
    memcpy(t->s, s.ptr, s.len);
    t->n = (uint8_t)s.len;
}

static void take_text(struct range *r, struct mlo_slice s)
{
    r->too_long = r->too_long || s.len > TEXT_KEPT;
    if (r->too_long)
        return;
    if (!r->any || compare(s, &r->min.text) < 0)
        keep(&r->min.text, s);
    if (!r->any || compare(s, &r->max.text) > 0)
        keep(&r->max.text, s);
    r->any = true;
}

static void take(struct range *r, enum mlo_dtype t, const void *values, size_t i)
{
    if (t == MLO_DT_STRING)
        take_text(r, ((const struct mlo_slice *)values)[i]);
    else if (t == MLO_DT_F32)
        take_real(r, (double)((const float *)values)[i]);
    else if (t == MLO_DT_F64)
        take_real(r, ((const double *)values)[i]);
    else
        take_whole(r, t, whole_at(t, values, i));
}

static void take_range(struct range *r, enum mlo_dtype t, const struct range *more)
{
    r->too_long = r->too_long || more->too_long;
    if (!more->any)
        return;
    if (t == MLO_DT_STRING) {
        take_text(r, (struct mlo_slice){more->min.text.s, more->min.text.n});
        take_text(r, (struct mlo_slice){more->max.text.s, more->max.text.n});
    } else if (t == MLO_DT_F32 || t == MLO_DT_F64) {
        take_real(r, more->min.real);
        take_real(r, more->max.real);
    } else {
        take_whole(r, t, more->min.whole);
        take_whole(r, t, more->max.whole);
    }
}

/* ---- pages ---- */

struct page {                    /* in a part, of each column, before the pages themselves */
    uint64_t bytes, plain_bytes; /* with its head: as it is, and as if it were not compressed */
    uint64_t missing;
    struct range range;
};

/* Which rows have a value: one run when all or none have, else bits. Its length stands before it. */
static void add_levels(struct mlo_str *to, const struct mlo_write_cells *c, size_t n, size_t missing)
{
    size_t at = to->len;
    mlo_str_fill(to, 0, sizeof(uint32_t));
    if (missing == 0 || missing == n) {
        mlo_thrift_varint(to, (uint64_t)n << 1);
        mlo_str_addc(to, missing == 0);
    } else {
        mlo_thrift_varint(to, (n + 7) / 8 << 1 | 1);
        mlo_write_bits(to, c->missing, true, n);
    }
    uint32_t length = (uint32_t)(to->len - at - sizeof length);
    if (!to->failed)
        memcpy(to->ptr + at, &length, sizeof length);
}

static void add_bools(struct mlo_str *to, const struct mlo_write_cells *c, size_t n)
{
    unsigned bits = 0, n_bits = 0;
    for (size_t i = 0; i < n; i++) {
        if (mlo_write_is_missing(c, i))
            continue;
        bits |= (unsigned)(((const uint8_t *)c->values)[i] != 0) << n_bits++ % 8;
        if (n_bits % 8 == 0) {
            mlo_str_addc(to, (char)bits);
            bits = 0;
        }
    }
    if (n_bits % 8)
        mlo_str_addc(to, (char)bits);
}

static void add_value(struct mlo_str *to, enum mlo_dtype t, const void *values, size_t i)
{
    size_t width = mlo_write_width(t);
    if (t == MLO_DT_STRING) {
        const struct mlo_slice *s = (const struct mlo_slice *)values + i;
        uint32_t n = (uint32_t)s->len;
        mlo_str_addn(to, &n, sizeof n);
        mlo_str_addn(to, s->ptr, s->len);
    } else if (width < sizeof(int32_t)) {
        int32_t v = (int32_t)whole_at(t, values, i);
        mlo_str_addn(to, &v, sizeof v);
    } else {
        mlo_str_addn(to, (const char *)values + i * width, width);
    }
}

static void add_values(struct mlo_str *to, enum mlo_dtype t, const struct mlo_write_cells *c, size_t n,
                       size_t missing)
{
    size_t width = mlo_write_width(t);
    if (t == MLO_DT_BOOL) {
        add_bools(to, c, n);
        return;
    }
    if (missing == 0 && t != MLO_DT_STRING && width >= sizeof(int32_t)) {
        mlo_str_addn(to, c->values, n * width);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (!mlo_write_is_missing(c, i))
            add_value(to, t, c->values, i);
}

/* k->raw into k->packed. */
static int compress_page(struct mlo_pack *k, size_t *ret_n, struct mlo_err *err)
{
    const struct libzstd *lib;
    int rc = mlo_libzstd(&lib, err);
    if (rc != 0)
        return mlo_hint(err, "Parquet is written with zstd");
    if (!k->zstd && !(k->zstd = lib->ZSTD_createCCtx()))
        return mlo_fail_nomem(err);
    rc = mlo_grow(&k->packed, &k->cap_packed, lib->ZSTD_compressBound(k->raw.len), 1, err);
    if (rc != 0)
        return rc;
    size_t n = lib->ZSTD_compressCCtx(k->zstd, k->packed, k->cap_packed, k->raw.ptr, k->raw.len, ZSTD_LEVEL);
    if (lib->ZSTD_isError(n))
        return mlo_fail(err, MLO_EIO, "zstd: %s", lib->ZSTD_getErrorName(n));
    *ret_n = n;
    return 0;
}

static void add_page_head(struct mlo_str *to, size_t n, size_t plain, size_t packed, uint32_t crc)
{
    struct mlo_thrift_out t;
    mlo_str_truncate(to, 0);
    mlo_thrift_out_init(&t, to);
    mlo_thrift_put_int(&t, 1, MLO_THRIFT_I32, DATA_PAGE);
    mlo_thrift_put_int(&t, 2, MLO_THRIFT_I32, (int64_t)plain);
    mlo_thrift_put_int(&t, 3, MLO_THRIFT_I32, (int64_t)packed);
    mlo_thrift_put_int(&t, 4, MLO_THRIFT_I32, (int32_t)crc);
    mlo_thrift_open(&t, 5);
    mlo_thrift_put_int(&t, 1, MLO_THRIFT_I32, (int64_t)n);
    mlo_thrift_put_int(&t, 2, MLO_THRIFT_I32, PLAIN);
    mlo_thrift_put_int(&t, 3, MLO_THRIFT_I32, RLE);
    mlo_thrift_put_int(&t, 4, MLO_THRIFT_I32, RLE);
    mlo_thrift_close(&t);
    mlo_thrift_close(&t);
}

static int add_page(struct mlo_pack *k, const struct mlo_write_column *column,
                    const struct mlo_write_cells *c, size_t n, struct mlo_str *part, struct page *ret,
                    struct mlo_err *err)
{
    struct page p = {.missing = mlo_write_n_missing(c, n)};
    size_t packed = 0;
    mlo_str_clear(&k->head);
    mlo_str_truncate(&k->raw, 0);
    if (column->nullable)
        add_levels(&k->raw, c, n, (size_t)p.missing);
    add_values(&k->raw, column->dtype, c, n, (size_t)p.missing);
    for (size_t i = 0; i < n; i++)
        if (!mlo_write_is_missing(c, i))
            take(&p.range, column->dtype, c->values, i);
    int rc = mlo_str_check(&k->raw, err);
    if (rc == 0)
        rc = compress_page(k, &packed, err);
    if (rc != 0)
        return rc;
    uint32_t crc = (uint32_t)crc32(0, (const unsigned char *)k->packed, (uInt)packed);
    add_page_head(&k->head, n, k->raw.len, packed, crc);
    rc = mlo_str_check(&k->head, err);
    p.bytes = k->head.len + packed;
    p.plain_bytes = k->head.len + k->raw.len;
    mlo_str_addn(part, k->head.ptr, k->head.len);
    mlo_str_addn(part, k->packed, packed);
    *ret = p;
    return rc;
}

static int make_part(struct mlo_table_writer *w, struct mlo_pack *k, const struct mlo_write_cells *cells,
                     size_t n, struct mlo_str *part, struct mlo_err *err)
{
    size_t at = part->len;
    int rc = 0;
    mlo_str_clear(&k->raw); /* it may have failed before */
    mlo_str_fill(part, 0, w->n_columns * sizeof(struct page));
    for (size_t i = 0; rc == 0 && i < w->n_columns; i++) {
        struct page p;
        rc = add_page(k, &w->columns[i], &cells[i], n, part, &p, err);
        if (rc == 0 && !part->failed)
            memcpy(part->ptr + at + i * sizeof p, &p, sizeof p);
    }
    return rc;
}

/* ---- row groups ---- */

struct chunk { /* of the row group that is being gathered */
    struct mlo_str pages;
    struct page all; /* what they are together */
};
struct parquet {
    struct chunk *chunks;
    uint64_t rows; /* of this group */
    size_t bytes;
    struct mlo_str groups; /* of the footer, so far */
    uint64_t n_groups;
};

static void put_bound(struct mlo_thrift_out *t, int16_t id, enum mlo_dtype type, const struct range *r,
                      bool max)
{
    float narrow = (float)(max ? r->max.real : r->min.real);
    const struct kept_text *text = max ? &r->max.text : &r->min.text;
    if (type == MLO_DT_STRING)
        mlo_thrift_put_bytes(t, id, text->s, text->n);
    else if (type == MLO_DT_F32)
        mlo_thrift_put_bytes(t, id, &narrow, sizeof narrow);
    else /* the lowest bytes come first */
        mlo_thrift_put_bytes(t, id, max ? &r->max : &r->min,
                             type == MLO_DT_BOOL                  ? 1
                             : type_of(type) == MLO_PARQUET_INT32 ? sizeof(int32_t)
                                                                  : sizeof(int64_t));
}

static void put_statistics(struct mlo_thrift_out *t, enum mlo_dtype type, const struct page *all)
{
    bool told = all->range.any && !all->range.too_long;
    mlo_thrift_open(t, 12);
    mlo_thrift_put_int(t, 3, MLO_THRIFT_I64, (int64_t)all->missing);
    if (told) {
        put_bound(t, 5, type, &all->range, true);
        put_bound(t, 6, type, &all->range, false);
    }
    mlo_thrift_close(t);
}

static void put_chunk(struct mlo_thrift_out *t, const struct mlo_write_column *column, const struct page *all,
                      uint64_t rows, uint64_t at)
{
    mlo_thrift_open_item(t);
    mlo_thrift_put_int(t, 2, MLO_THRIFT_I64, (int64_t)at);
    mlo_thrift_open(t, 3);
    mlo_thrift_put_int(t, 1, MLO_THRIFT_I32, type_of(column->dtype));
    mlo_thrift_put_list(t, 2, MLO_THRIFT_I32, 2);
    mlo_thrift_item_int(t, PLAIN);
    mlo_thrift_item_int(t, RLE);
    mlo_thrift_put_list(t, 3, MLO_THRIFT_BYTES, 1);
    mlo_thrift_item_bytes(t, column->name, strlen(column->name));
    mlo_thrift_put_int(t, 4, MLO_THRIFT_I32, MLO_PACKED_ZSTD);
    mlo_thrift_put_int(t, 5, MLO_THRIFT_I64, (int64_t)rows);
    mlo_thrift_put_int(t, 6, MLO_THRIFT_I64, (int64_t)all->plain_bytes);
    mlo_thrift_put_int(t, 7, MLO_THRIFT_I64, (int64_t)all->bytes);
    mlo_thrift_put_int(t, 9, MLO_THRIFT_I64, (int64_t)at);
    put_statistics(t, column->dtype, all);
    mlo_thrift_close(t);
    mlo_thrift_close(t);
}

/* The group goes out and into the footer. */
static int flush_group(struct mlo_table_writer *w, struct mlo_str *out, struct mlo_err *err)
{
    struct parquet *p = w->own;
    struct mlo_thrift_out t;
    uint64_t plain = 0, start = w->at;
    mlo_thrift_out_init(&t, &p->groups);
    mlo_thrift_put_list(&t, 1, MLO_THRIFT_STRUCT, w->n_columns);
    for (size_t i = 0; i < w->n_columns; i++) {
        struct chunk *c = &p->chunks[i];
        put_chunk(&t, &w->columns[i], &c->all, p->rows, w->at);
        mlo_str_addn(out, c->pages.ptr, c->pages.len);
        w->at += c->pages.len;
        plain += c->all.plain_bytes;
        c->all = (struct page){0};
        mlo_str_truncate(&c->pages, 0);
    }
    mlo_thrift_put_int(&t, 2, MLO_THRIFT_I64, (int64_t)plain);
    mlo_thrift_put_int(&t, 3, MLO_THRIFT_I64, (int64_t)p->rows);
    mlo_thrift_put_int(&t, 5, MLO_THRIFT_I64, (int64_t)start);
    mlo_thrift_put_int(&t, 6, MLO_THRIFT_I64, (int64_t)(w->at - start));
    mlo_thrift_close(&t);
    p->rows = 0;
    p->bytes = 0;
    p->n_groups++;
    return mlo_str_check(&p->groups, err);
}

static int add_part(struct mlo_table_writer *w, const char *part, const struct mlo_part_head *head,
                    struct mlo_str *out, struct mlo_err *err)
{
    struct parquet *p = w->own;
    const char *bytes = part + w->n_columns * sizeof(struct page);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < w->n_columns; i++) {
        struct chunk *c = &p->chunks[i];
        struct page page;
        memcpy(&page, part + i * sizeof page, sizeof page);
        mlo_str_addn(&c->pages, bytes, (size_t)page.bytes);
        bytes += page.bytes;
        c->all.bytes += page.bytes;
        c->all.plain_bytes += page.plain_bytes;
        c->all.missing += page.missing;
        take_range(&c->all.range, w->columns[i].dtype, &page.range);
        rc = mlo_str_check(&c->pages, err);
    }
    p->rows += head->rows;
    p->bytes += (size_t)head->bytes;
    return rc == 0 && (p->rows >= GROUP_ROWS || p->bytes >= GROUP_BYTES) ? flush_group(w, out, err) : rc;
}

/* ---- the footer ---- */

/* What the stored number means, where its type alone does not tell: in the old words and in the new. */
static void put_meaning(struct mlo_thrift_out *t, enum mlo_dtype type)
{
    enum { UTF8 = 0, UINT_8 = 11, INT_8 = 15, STRING = 1, INTEGER = 10 };
    unsigned bits = mlo_dtype_bits(type), size = bits == 8 ? 0 : bits == 16 ? 1 : bits == 32 ? 2 : 3;
    bool text = type == MLO_DT_STRING;
    if (!text && !is_unsigned(type) && type != MLO_DT_I8 && type != MLO_DT_I16)
        return;
    mlo_thrift_put_int(t, 6, MLO_THRIFT_I32, text ? UTF8 : (is_unsigned(type) ? UINT_8 : INT_8) + (int)size);
    mlo_thrift_open(t, 10);
    mlo_thrift_open(t, text ? STRING : INTEGER);
    if (!text) {
        mlo_thrift_put_int(t, 1, MLO_THRIFT_BYTE, bits);
        mlo_thrift_put_bool(t, 2, !is_unsigned(type));
    }
    mlo_thrift_close(t);
    mlo_thrift_close(t);
}

static void put_schema(struct mlo_thrift_out *t, const struct mlo_table_writer *w)
{
    static const char root[] = "schema";
    mlo_thrift_put_list(t, 2, MLO_THRIFT_STRUCT, w->n_columns + 1);
    mlo_thrift_open_item(t);
    mlo_thrift_put_bytes(t, 4, root, strlen(root));
    mlo_thrift_put_int(t, 5, MLO_THRIFT_I32, (int64_t)w->n_columns);
    mlo_thrift_close(t);
    for (size_t i = 0; i < w->n_columns; i++) {
        const struct mlo_write_column *c = &w->columns[i];
        mlo_thrift_open_item(t);
        mlo_thrift_put_int(t, 1, MLO_THRIFT_I32, type_of(c->dtype));
        mlo_thrift_put_int(t, 3, MLO_THRIFT_I32, c->nullable ? OPTIONAL : REQUIRED);
        mlo_thrift_put_bytes(t, 4, c->name, strlen(c->name));
        put_meaning(t, c->dtype);
        mlo_thrift_close(t);
    }
}

/* Without this readers do not trust least and greatest values. */
static void put_orders(struct mlo_thrift_out *t, size_t n)
{
    mlo_thrift_put_list(t, 7, MLO_THRIFT_STRUCT, n);
    for (size_t i = 0; i < n; i++) {
        mlo_thrift_open_item(t);
        mlo_thrift_open(t, 1);
        mlo_thrift_close(t);
        mlo_thrift_close(t);
    }
}

static int end(struct mlo_table_writer *w, struct mlo_str *out, struct mlo_err *err)
{
    static const char by[] = "mlopsctl version " MLO_VERSION;
    struct parquet *p = w->own;
    struct mlo_thrift_out t;
    int rc = p->rows > 0 ? flush_group(w, out, err) : 0;
    size_t start = out->len;
    mlo_thrift_out_init(&t, out);
    mlo_thrift_put_int(&t, 1, MLO_THRIFT_I32, FORMAT_VERSION);
    put_schema(&t, w);
    mlo_thrift_put_int(&t, 3, MLO_THRIFT_I64, (int64_t)w->rows);
    mlo_thrift_put_list(&t, 4, MLO_THRIFT_STRUCT, (size_t)p->n_groups);
    mlo_str_addn(out, p->groups.ptr, p->groups.len);
    mlo_thrift_put_bytes(&t, 6, by, strlen(by));
    put_orders(&t, w->n_columns);
    mlo_thrift_close(&t);
    uint32_t length = (uint32_t)(out->len - start);
    mlo_str_addn(out, &length, sizeof length);
    mlo_str_add(out, MAGIC);
    return rc;
}

/* ---- the form ---- */

static int begin(struct mlo_table_writer *w, struct mlo_str *out, struct mlo_err *err)
{
    (void)err;
    mlo_str_add(out, MAGIC);
    w->at += strlen(MAGIC);
    return 0;
}

static int open_form(struct mlo_table_writer *w, struct mlo_err *err)
{
    struct parquet *p = w->own = mlo_calloc(1, sizeof *p, err);
    if (!p)
        return err->code;
    mlo_str_init(&p->groups, MLO_PARQUET_FOOTER_MAX);
    p->chunks = mlo_calloc(w->n_columns + 1, sizeof *p->chunks, err);
    for (size_t i = 0; p->chunks && i < w->n_columns; i++)
        mlo_str_init(&p->chunks[i].pages, MLO_STR_MAX);
    return p->chunks ? 0 : err->code;
}

static void close_form(struct mlo_table_writer *w)
{
    struct parquet *p = w->own;
    for (size_t i = 0; p && p->chunks && i < w->n_columns; i++)
        mlo_str_release(&p->chunks[i].pages);
    if (p) {
        free(p->chunks);
        mlo_str_release(&p->groups);
    }
    free(p);
}

const struct mlo_writer_form mlo_writer_parquet = {open_form, close_form, make_part, begin, add_part, end};
