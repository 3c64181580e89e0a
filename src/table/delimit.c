#include "delimit.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* ---- whole records ---- */

/* The quote at q closes where? NULL: not in this text. */
static const char *closing_quote(const char *q, const char *end, bool ended)
{
    for (const char *p = q + 1; p < end; p += 2) {
        p = memchr(p, '"', (size_t)(end - p));
        if (!p)
            return NULL;
        if (p + 1 == end)
            return ended ? p : NULL; /* it may be the first of two */
        if (p[1] != '"')
            return p;
    }
    return NULL;
}

static bool begins_field(const char *text, const char *q, char separator)
{
    return q == text || q[-1] == separator || q[-1] == '\n';
}

static size_t after_last_newline(const char *from, const char *to, const char *text, size_t otherwise)
{
    const char *nl = memrchr(from, '\n', (size_t)(to - from));
    return nl ? (size_t)(nl - text) + 1 : otherwise;
}

size_t mlo_delimit_whole(const char *text, size_t n, char separator, bool ended)
{
    const char *end = text + n, *at = text;
    size_t whole = 0;
    if (ended)
        return n;
    while (at < end) {
        const char *q = memchr(at, '"', (size_t)(end - at));
        whole = after_last_newline(at, q ? q : end, text, whole);
        if (!q)
            break;
        at = q + 1;
        if (begins_field(text, q, separator)) {
            const char *close = closing_quote(q, end, ended);
            if (!close)
                break;
            at = close + 1;
        }
    }
    return whole;
}

uint64_t mlo_count_lines(const char *text, size_t n)
{
    uint64_t count = 0;
    size_t i = 0;
#ifdef __SSE2__
    const __m128i nl = _mm_set1_epi8('\n');
    while (n - i >= 16) {
        __m128i sums = _mm_setzero_si128();
        for (int k = 0; k < 255 && n - i >= 16; k++, i += 16) { /* a byte counts to 255 */
            __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(text + i));
            sums = _mm_sub_epi8(sums, _mm_cmpeq_epi8(v, nl));
        }
        __m128i two = _mm_sad_epu8(sums, _mm_setzero_si128());
        count += (uint64_t)_mm_cvtsi128_si64(two) + (uint64_t)_mm_cvtsi128_si64(_mm_srli_si128(two, 8));
    }
#endif
    for (; i < n; i++)
        count += text[i] == '\n';
    return count;
}

/* ---- fields, in any text ---- */

void mlo_fields_release(struct mlo_fields *f)
{
    free(f->bounds);
    free(f->lines);
    *f = (struct mlo_fields){0};
}

struct finder {
    struct mlo_fields *f;
    const struct mlo_kernels *kernels;
    const char *text;
    size_t n, n_columns, n_bounds, row_bounds; /* row_bounds: n_bounds where the row began */
    uint32_t row_start;
    uint64_t line, row_line;
    char separator;
    bool done, cut; /* cut: the text ends within quotes */
    void (*ragged)(void *ctx, uint64_t line, size_t fields);
    void *ctx;
};

static int room_for_bounds(struct finder *d, size_t n, struct mlo_err *err)
{
    return mlo_grow(&d->f->bounds, &d->f->cap_bounds, n + MLO_NUMBERS_STEP, sizeof *d->f->bounds, err);
}

static int room_for_rows(struct finder *d, size_t n, struct mlo_err *err)
{
    return mlo_grow(&d->f->lines, &d->f->cap_rows, n, sizeof *d->f->lines, err);
}

static bool is_empty(const char *text, size_t start, size_t end)
{
    return start == end || (start + 1 == end && text[start] == '\r');
}

/* The row that begins behind the byte at `before`. */
static int begin_row(struct finder *d, uint32_t before, struct mlo_err *err)
{
    int rc = room_for_bounds(d, d->n_bounds + 64, err);
    if (rc == 0)
        rc = room_for_rows(d, d->f->n_rows + 64, err);
    if (rc != 0)
        return rc;
    d->row_bounds = d->n_bounds;
    d->row_start = before + 1;
    d->f->bounds[d->n_bounds++] = before;
    return 0;
}

/* The row ends before the newline at `end`. */
static int end_row(struct finder *d, size_t end, struct mlo_err *err)
{
    struct mlo_fields *f = d->f;
    size_t fields = d->n_bounds - d->row_bounds - 1;
    if (fields == 1 && is_empty(d->text, d->row_start, end)) {
        d->n_bounds = d->row_bounds;
    } else if (d->n_columns && (fields != d->n_columns || d->cut)) {
        d->ragged(d->ctx, d->row_line, fields);
        d->n_bounds = d->row_bounds;
    } else {
        f->lines[f->n_rows++] = (uint32_t)d->row_line;
        d->done = d->n_columns == 0;
    }
    d->row_line = ++d->line;
    return begin_row(d, (uint32_t)end, err);
}

/* Behind the field that begins with the quote at `at`; the newlines in it are counted. */
static size_t skip_quoted(struct finder *d, size_t at)
{
    const char *end = d->text + d->n, *close = closing_quote(d->text + at, end, true);
    size_t to = close ? (size_t)(close - d->text) + 1 : d->n;
    uint64_t lines = mlo_count_lines(d->text + at, to - at);
    if (!close && lines > 0)
        d->f->unclosed = d->line + 1;
    d->cut = !close;
    d->line += lines;
    return to;
}

/* One byte of note at `at`; returns where to go on. */
static int meet(struct finder *d, size_t at, size_t *ret_next, struct mlo_err *err)
{
    int rc = 0;
    *ret_next = at + 1;
    if (d->text[at] == '"') {
        if (at == d->row_start || d->text[at - 1] == d->separator)
            *ret_next = skip_quoted(d, at);
        return 0;
    }
    if (d->n_bounds + MLO_NUMBERS_STEP + 1 >= d->f->cap_bounds)
        rc = room_for_bounds(d, d->n_bounds + 64, err);
    if (rc != 0)
        return rc;
    d->f->bounds[d->n_bounds++] = (uint32_t)at;
    return d->text[at] == '\n' ? end_row(d, at, err) : 0;
}

#ifdef __SSE2__
/* Bytes of note among the 16 from `at`, as bits. */
static unsigned notable(const struct finder *d, size_t at)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(d->text + at));
    __m128i hit = _mm_or_si128(
        _mm_cmpeq_epi8(v, _mm_set1_epi8('\n')),
        _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(d->separator)), _mm_cmpeq_epi8(v, _mm_set1_epi8('"'))));
    unsigned mask = (unsigned)_mm_movemask_epi8(hit);
    return d->n - at >= 16 ? mask : mask & ((1u << (d->n - at)) - 1);
}
#else
static unsigned notable(const struct finder *d, size_t at)
{
    unsigned mask = 0;
    for (size_t i = 0; i < 16 && at + i < d->n; i++) {
        char c = d->text[at + i];
        mask |= (unsigned)(c == '\n' || c == d->separator || c == '"') << i;
    }
    return mask;
}
#endif

static int find_any(struct finder *d, struct mlo_err *err)
{
    d->f->stride = d->n_columns + 1;
    d->f->n_rows = 0;
    int rc = begin_row(d, UINT32_MAX, err);
    for (size_t at = 0; rc == 0 && at < d->n && !d->done;) {
        size_t next = at + 16;
        for (unsigned mask = notable(d, at); mask && !d->done; mask &= mask - 1) {
            size_t hit = at + (size_t)__builtin_ctz(mask), to;
            rc = meet(d, hit, &to, err);
            if (rc != 0)
                return rc;
            if (to != hit + 1) { /* a quoted field was passed over */
                next = to;
                break;
            }
        }
        at = next;
    }
    if (rc != 0 || d->done || d->row_start >= d->n)
        return rc;
    d->f->bounds[d->n_bounds++] = (uint32_t)d->n; /* a last line without newline */
    return end_row(d, d->n, err);
}

/* ---- fields, where every line is a row and every row has all fields: nearly always ---- */

#define REGULAR_MAX ((size_t)4 << 20) /* bytes: an entry of the bounds is kept ready for each */

static bool rows_are_whole(const struct finder *d, size_t rows)
{
    const uint32_t *bounds = d->f->bounds;
    for (size_t r = 0; r < rows; r++) {
        uint32_t end = bounds[(r + 1) * d->n_columns];
        if (d->text[end] != '\n' || (d->n_columns == 1 && is_empty(d->text, bounds[r] + 1, end)))
            return false;
    }
    return true;
}

/* *ret false, and nothing found, when the text is not of that kind. */
static int find_regular(struct finder *d, bool *ret, struct mlo_err *err)
{
    struct mlo_fields *f = d->f;
    *ret = false;
    if (d->n_columns == 0 || d->n == 0 || d->n > REGULAR_MAX || d->text[d->n - 1] != '\n')
        return 0;
    int rc = room_for_bounds(d, 1 + d->n + MLO_STOPS_STEP, err);
    if (rc != 0)
        return rc;
    f->bounds[0] = UINT32_MAX;
    struct mlo_stops stops = {.at = f->bounds + 1, .before = 1};
    d->kernels->stops(&stops, d->text, d->n, d->separator);
    if (stops.odd || stops.inside || stops.n != stops.newlines * d->n_columns ||
        !rows_are_whole(d, stops.newlines))
        return 0;
    rc = room_for_rows(d, stops.newlines, err);
    for (size_t r = 0; rc == 0 && r < stops.newlines; r++)
        f->lines[r] = (uint32_t)r;
    f->stride = d->n_columns;
    f->n_rows = stops.newlines;
    d->n_bounds = stops.n + 1;
    *ret = rc == 0;
    return rc;
}

int mlo_fields_find(struct mlo_fields *f, const struct mlo_kernels *kernels, const char *text, size_t n,
                    char separator, size_t n_columns, void (*ragged)(void *ctx, uint64_t line, size_t fields),
                    void *ctx, struct mlo_err *err)
{
    struct finder d = {.f = f,
                       .kernels = kernels,
                       .text = text,
                       .n = n,
                       .n_columns = n_columns,
                       .separator = separator,
                       .ragged = ragged,
                       .ctx = ctx};
    bool regular;
    f->unclosed = 0;
    int rc = find_regular(&d, &regular, err);
    if (rc == 0 && !regular)
        rc = find_any(&d, err);
    for (size_t i = 0; rc == 0 && i < MLO_NUMBERS_STEP; i++)
        f->bounds[d.n_bounds + i] = f->bounds[d.n_bounds - 1];
    return rc;
}

struct mlo_slice mlo_field_text(char *text, uint32_t start, uint32_t end)
{
    char *p = text + start, *last = text + end;
    if (last > p && last[-1] == '\r')
        last--;
    if (p == last || *p != '"')
        return (struct mlo_slice){p, (size_t)(last - p)};
    char *from = ++p, *to = p;
    if (last > from && last[-1] == '"')
        last--;
    char *doubled = memchr(from, '"', (size_t)(last - from));
    if (!doubled)
        return (struct mlo_slice){p, (size_t)(last - p)};
    for (from = to = doubled; from < last; from++) {
        *to++ = *from;
        from += *from == '"' && from + 1 < last && from[1] == '"';
    }
    return (struct mlo_slice){p, (size_t)(to - p)};
}
