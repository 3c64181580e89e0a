/* Cells out of arrays, plain and coded; dictionaries. */
#include <math.h>
#include <string.h>

#include <mlopsctl/base/bytes.h>

#include "arrow.h"

static void read_validity(const struct mlo_arrow_array *a, uint64_t from, size_t n, uint8_t *cell)
{
    if (!a->validity) {
        memset(cell, MLO_CELL_OK, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t at = from + i;
        cell[i] = a->validity[at >> 3] >> (at & 7) & 1 ? MLO_CELL_OK : MLO_CELL_MISSING;
    }
}

/* ---- values of fixed width ---- */

/* One or two bytes, as four. */
static void widen(const struct mlo_arrow_type *type, const uint8_t *p, size_t n, uint8_t *to)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t v = type->width == 1 ? p[i] : mlo_le16(p + 2 * i);
        if (type->is_signed)
            v = type->width == 1 ? (uint32_t)(int32_t)(int8_t)v : (uint32_t)(int32_t)(int16_t)v;
        memcpy(to + 4 * i, &v, sizeof v);
    }
}

static void reverse(size_t width, const uint8_t *p, size_t n, uint8_t *to)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < width; k++)
            to[i * width + k] = p[i * width + width - 1 - k];
}

static const uint8_t *fixed_values(const struct mlo_arrow_type *type, const struct mlo_arrow_array *a,
                                   uint64_t from, size_t n, uint8_t *scratch)
{
    const uint8_t *p = a->values + from * type->width;
    bool small = type->leaf.type == MLO_PARQUET_INT32 && type->width < 4;
    if (small)
        widen(type, p, n, scratch);
    else if (type->reversed)
        reverse(type->width, p, n, scratch);
    return small || type->reversed ? scratch : p;
}

static const uint8_t *bits(const struct mlo_arrow_array *a, uint64_t from, size_t n, uint8_t *scratch)
{
    for (size_t i = 0; i < n; i++)
        scratch[i] = a->values[(from + i) >> 3] >> ((from + i) & 7) & 1;
    return scratch;
}

/* ---- texts ---- */

static bool slice_of(const struct mlo_slice *bytes, uint64_t from, uint64_t to, struct mlo_slice *ret)
{
    if (from > to || to > bytes->len)
        return false;
    *ret = (struct mlo_slice){bytes->ptr ? bytes->ptr + from : "", (size_t)(to - from)};
    return true;
}

static bool text_by_offset(const struct mlo_arrow_array *a, enum mlo_arrow_layout layout, uint64_t row,
                           struct mlo_slice *ret)
{
    const uint8_t *p = a->values + row * (layout == MLO_ARROW_OFFSETS ? 4 : 8);
    return layout == MLO_ARROW_OFFSETS ? slice_of(a->bytes, mlo_le32(p), mlo_le32(p + 4), ret)
                                       : slice_of(a->bytes, mlo_le64(p), mlo_le64(p + 8), ret);
}

/* Length; up to 12 bytes themselves, or their first four, a buffer and an offset. */
static bool text_of_view(const struct mlo_arrow_array *a, uint64_t row, struct mlo_slice *ret)
{
    enum { INLINE = 12 };
    const uint8_t *p = a->values + row * 16;
    uint32_t n = mlo_le32(p), buffer = mlo_le32(p + 8), at = mlo_le32(p + 12);
    if (n <= INLINE) {
        *ret = (struct mlo_slice){(const char *)p + 4, n};
        return true;
    }
    return buffer < a->n_bytes && slice_of(&a->bytes[buffer], at, (uint64_t)at + n, ret);
}

/* Where there is no value anything may stand. */
static int texts(const struct mlo_arrow_type *type, const struct mlo_arrow_array *a, uint64_t from, size_t n,
                 const uint8_t *cell, struct mlo_slice *ret, struct mlo_err *err)
{
    for (size_t i = 0; i < n; i++) {
        ret[i] = (struct mlo_slice){"", 0};
        bool ok = cell[i] != MLO_CELL_OK || type->layout == MLO_ARROW_NOTHING ||
                  (type->layout == MLO_ARROW_VIEWS ? text_of_view(a, from + i, &ret[i])
                                                   : text_by_offset(a, type->layout, from + i, &ret[i]));
        if (!ok)
            return mlo_fail(err, MLO_EINVALID, "row %llu has a text beyond its buffer",
                            (unsigned long long)(from + i + 1));
    }
    return 0;
}

/* ---- cells ---- */

static void settle_numbers(uint8_t *cell, double *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (cell[i] != MLO_CELL_OK)
            numbers[i] = 0;
        else if (!isfinite(numbers[i]))
            cell[i] = MLO_CELL_NAN;
    }
}

static void settle_times(const struct mlo_arrow_cells *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (out->cell[i] == MLO_CELL_OK && out->texts[i].ptr)
            out->cell[i] = MLO_CELL_BAD;
        if (out->cell[i] != MLO_CELL_OK)
            out->times[i] = 0;
    }
}

int mlo_arrow_cells(const struct mlo_arrow_type *type, const struct mlo_arrow_array *a, uint64_t from,
                    size_t n, enum mlo_column_type cells, struct mlo_arrow_scratch *scratch,
                    struct mlo_hold *hold, const struct mlo_arrow_cells *out, struct mlo_err *err)
{
    struct mlo_parquet_raw raw = {.texts = scratch->texts};
    bool bad;
    int rc = 0;
    if (n == 0)
        return 0;
    read_validity(a, from, n, out->cell);
    if (type->layout == MLO_ARROW_NOTHING)
        memset(out->cell, MLO_CELL_MISSING, n);
    if (type->layout == MLO_ARROW_FIXED)
        raw.fixed = fixed_values(type, a, from, n, scratch->fixed);
    else if (type->layout == MLO_ARROW_BITS)
        raw.fixed = bits(a, from, n, scratch->fixed);
    else
        rc = texts(type, a, from, n, out->cell, scratch->texts, err);
    if (rc != 0)
        return rc;
    switch (cells) {
    case MLO_COLUMN_NUMBER:
    case MLO_COLUMN_BOOL:
        rc = mlo_parquet_numbers(&type->leaf, &raw, n, out->numbers, err);
        settle_numbers(out->cell, out->numbers, n);
        break;
    case MLO_COLUMN_TIME:
        rc = mlo_parquet_times(&type->leaf, &raw, n, hold, out->times, out->texts, &bad, err);
        if (rc == 0)
            settle_times(out, n);
        break;
    case MLO_COLUMN_TEXT:
        rc = mlo_parquet_texts(&type->leaf, &raw, n, hold, out->texts, err);
        break;
    }
    return rc;
}

/* ---- codes ---- */

static uint64_t code_at(const struct mlo_arrow_field *f, const uint8_t *p)
{
    switch (f->code_width) {
    case 1:
        return f->code_signed ? (uint64_t)(int64_t)(int8_t)*p : *p;
    case 2:
        return f->code_signed ? (uint64_t)(int64_t)(int16_t)mlo_le16(p) : mlo_le16(p);
    case 4:
        return f->code_signed ? (uint64_t)(int64_t)(int32_t)mlo_le32(p) : mlo_le32(p);
    default:
        return mlo_le64(p);
    }
}

static int read_codes(const struct mlo_arrow_field *f, const struct mlo_arrow_array *a, uint64_t from,
                      size_t n, size_t n_values, const struct mlo_arrow_cells *out, struct mlo_err *err)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t code = 0;
        if (out->cell[i] == MLO_CELL_OK)
            code = code_at(f, a->values + (from + i) * f->code_width);
        if (out->cell[i] == MLO_CELL_OK && code >= n_values)
            return mlo_fail(err, MLO_EINVALID, "row %llu has code %llu of a dictionary of %zu values",
                            (unsigned long long)(from + i + 1), (unsigned long long)code, n_values);
        out->codes[i] = (uint32_t)code;
    }
    return 0;
}

int mlo_arrow_coded(const struct mlo_arrow_field *f, const struct mlo_arrow_array *a, uint64_t from, size_t n,
                    const struct mlo_arrow_dictionary *d, const struct mlo_arrow_cells *out,
                    struct mlo_err *err)
{
    read_validity(a, from, n, out->cell);
    int rc = read_codes(f, a, from, n, d ? d->n : 0, out, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (out->cell[i] == MLO_CELL_OK)
            out->cell[i] = d->cell[out->codes[i]];
        bool ok = out->cell[i] == MLO_CELL_OK;
        if (out->numbers)
            out->numbers[i] = ok ? d->numbers[out->codes[i]] : 0;
        if (out->times)
            out->times[i] = ok ? d->times[out->codes[i]] : 0;
        if (out->cell[i] == MLO_CELL_BAD)
            out->texts[i] = d->texts[out->codes[i]];
    }
    return rc;
}

/* ---- dictionaries ---- */

struct mlo_arrow_dictionary *mlo_arrow_dictionary_hold(struct mlo_arrow_dictionary *d)
{
    if (d)
        d->holders++;
    return d;
}

void mlo_arrow_dictionary_drop(struct mlo_arrow_dictionary *d)
{
    if (!d || --d->holders > 0)
        return;
    free(d->cell);
    free(d->numbers);
    free(d->times);
    free(d->texts);
    mlo_hold_release(&d->hold);
    free(d);
}

static int reserve(struct mlo_arrow_dictionary *d, size_t n, struct mlo_err *err)
{
    int rc = mlo_grow(&d->cell, &d->cap_cell, n + 1, sizeof *d->cell, err);
    if (rc == 0)
        rc = mlo_grow(&d->texts, &d->cap_texts, n + 1, sizeof *d->texts, err);
    if (rc == 0 && (d->cells == MLO_COLUMN_NUMBER || d->cells == MLO_COLUMN_BOOL))
        rc = mlo_grow(&d->numbers, &d->cap_numbers, n + 1, sizeof *d->numbers, err);
    if (rc == 0 && d->cells == MLO_COLUMN_TIME)
        rc = mlo_grow(&d->times, &d->cap_times, n + 1, sizeof *d->times, err);
    return rc;
}

/* The texts from `from` on are somewhere that goes away: they are copied. */
static int keep_texts(struct mlo_arrow_dictionary *d, size_t from, struct mlo_err *err)
{
    size_t total = 0;
    for (size_t i = from; i < d->n; i++)
        total += d->texts[i].ptr ? d->texts[i].len : 0;
    char *to = mlo_hold_alloc(&d->hold, total, err);
    if (!to)
        return err->code;
    for (size_t i = from; i < d->n; i++) {
        if (!d->texts[i].ptr)
            continue;
        memcpy(to, d->texts[i].ptr, d->texts[i].len);
        d->texts[i].ptr = to;
        to += d->texts[i].len;
    }
    return 0;
}

static int copy_values(struct mlo_arrow_dictionary *d, const struct mlo_arrow_dictionary *from,
                       struct mlo_err *err)
{
    int rc = reserve(d, from->n, err);
    if (rc != 0)
        return rc;
    d->n = from->n;
    memcpy(d->cell, from->cell, d->n * sizeof *d->cell);
    memcpy(d->texts, from->texts, d->n * sizeof *d->texts);
    if (d->numbers)
        memcpy(d->numbers, from->numbers, d->n * sizeof *d->numbers);
    if (d->times)
        memcpy(d->times, from->times, d->n * sizeof *d->times);
    return keep_texts(d, 0, err);
}

static int add_values(struct mlo_arrow_dictionary *d, const struct mlo_arrow_array *a,
                      struct mlo_arrow_scratch *scratch, struct mlo_err *err)
{
    size_t before = d->n;
    if (a->rows > UINT32_MAX - before)
        return mlo_fail(err, MLO_EINVALID, "has a dictionary of more than %u values", UINT32_MAX);
    int rc = reserve(d, before + (size_t)a->rows, err);
    mlo_hold_clear(&scratch->hold);
    for (uint64_t at = 0; rc == 0 && at < a->rows;) {
        size_t n = a->rows - at < MLO_PARQUET_BATCH ? (size_t)(a->rows - at) : MLO_PARQUET_BATCH;
        const struct mlo_arrow_cells out = {.cell = d->cell + d->n,
                                            .numbers = d->numbers ? d->numbers + d->n : NULL,
                                            .times = d->times ? d->times + d->n : NULL,
                                            .texts = d->texts + d->n};
        memset(out.texts, 0, n * sizeof *out.texts);
        rc = mlo_arrow_cells(&d->type, a, at, n, d->cells, scratch, &scratch->hold, &out, err);
        d->n += rc == 0 ? n : 0;
        at += n;
    }
    return rc != 0 ? rc : keep_texts(d, before, err);
}

int mlo_arrow_dictionary_new(const struct mlo_arrow_dictionary *before, int64_t id,
                             const struct mlo_arrow_type *type, enum mlo_column_type cells,
                             const struct mlo_arrow_array *a, struct mlo_arrow_scratch *scratch,
                             struct mlo_arrow_dictionary **ret, struct mlo_err *err)
{
    struct mlo_arrow_dictionary *d = mlo_calloc(1, sizeof *d, err);
    if (!d)
        return MLO_EIO;
    d->holders = 1;
    d->id = id;
    d->cells = cells;
    d->type = *type;
    int rc = before ? copy_values(d, before, err) : 0;
    if (rc == 0)
        rc = add_values(d, a, scratch, err);
    if (rc != 0) {
        mlo_arrow_dictionary_drop(d);
        return rc;
    }
    *ret = d;
    return 0;
}
