/* One row against one rule: pure functions of the cells. Also cells for people, and cells as bytes of a key.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#include "internal.h"

#define FORMAT_TEXT 64 /* bytes of a date */

struct mlo_slice mlo_cell_slice(const struct mlo_batch_column *c, size_t row)
{
    if (c->codes)
        return c->dictionary[c->codes[row]];
    return c->texts ? c->texts[row] : (struct mlo_slice){"", 0};
}

/* ---- for people ---- */

#define SHOWN_CELL ((size_t)48) /* bytes */

static void show_text(struct mlo_str *out, struct mlo_slice s)
{
    bool whole = s.len <= SHOWN_CELL;
    mlo_str_addc(out, '\'');
    mlo_str_addn(out, s.ptr, whole ? s.len : mlo_utf8_cut(s.ptr, SHOWN_CELL));
    mlo_str_add(out, whole ? "'" : "...'");
}

void mlo_cell_show(struct mlo_str *out, const struct mlo_batch_column *c, enum mlo_column_type type,
                   size_t row)
{
    enum mlo_cell state = mlo_cell_state(c, row);
    if (state == MLO_CELL_MISSING)
        mlo_str_add(out, "missing");
    else if (state == MLO_CELL_NAN)
        mlo_str_add(out, "NaN or infinity");
    else if (state == MLO_CELL_BAD || type == MLO_COLUMN_TEXT)
        show_text(out, mlo_cell_slice(c, row));
    else if (type == MLO_COLUMN_TIME)
        mlo_show_time(out, c->times[row]);
    else if (type == MLO_COLUMN_BOOL)
        mlo_str_add(out, c->numbers[row] != 0 ? "true" : "false");
    else
        mlo_show_number(out, c->numbers[row]);
}

/* ---- as bytes ---- */

static void add_u64(struct mlo_str *out, uint64_t v)
{
    mlo_str_addn(out, &v, sizeof v);
}

static void add_cell(struct mlo_str *out, const struct mlo_batch_column *c, enum mlo_column_type type,
                     size_t row)
{
    enum mlo_cell state = mlo_cell_state(c, row);
    uint64_t bits;
    mlo_str_addc(out, (char)('0' + (int)state));
    if (state == MLO_CELL_BAD || (state == MLO_CELL_OK && type == MLO_COLUMN_TEXT)) {
        struct mlo_slice s = mlo_cell_slice(c, row);
        add_u64(out, s.len);
        mlo_str_addn(out, s.ptr, s.len);
    } else if (state == MLO_CELL_OK && type == MLO_COLUMN_TIME) {
        add_u64(out, (uint64_t)c->times[row]);
    } else if (state == MLO_CELL_OK) {
        double v = c->numbers[row] + 0.0; /* -0 is 0 */
        memcpy(&bits, &v, sizeof bits);
        add_u64(out, bits);
    }
}

bool mlo_cell_key(struct mlo_str *out, const struct mlo_bound *b, const struct mlo_batch *batch, size_t row,
                  bool with_missing)
{
    mlo_str_clear(out);
    for (size_t i = 0; i < b->n_columns; i++) {
        const struct mlo_batch_column *c = &batch->columns[b->columns[i]];
        if (!with_missing && mlo_cell_state(c, row) == MLO_CELL_MISSING)
            return false;
        add_cell(out, c, b->table[b->columns[i]].type, row);
    }
    return true;
}

/* ---- values ---- */

static bool in_numbers(const struct mlo_bounds *b, double v)
{
    return (!b->has_low || (b->above ? v > b->low : v >= b->low)) &&
           (!b->has_high || (b->below ? v < b->high : v <= b->high));
}

static bool in_times(const struct mlo_bounds *b, int64_t v)
{
    return (!b->has_low || (b->above ? v > b->low_ns : v >= b->low_ns)) &&
           (!b->has_high || (b->below ? v < b->high_ns : v <= b->high_ns));
}

static bool has_text(const struct mlo_values *v, struct mlo_slice s)
{
    size_t low = 0, high = v->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2, n = v->texts[mid].len < s.len ? v->texts[mid].len : s.len;
        int c = memcmp(v->texts[mid].ptr, s.ptr, n);
        c = c != 0 ? c : (v->texts[mid].len > s.len) - (v->texts[mid].len < s.len);
        if (c == 0)
            return true;
        *(c < 0 ? &low : &high) = c < 0 ? mid + 1 : mid;
    }
    return false;
}

static bool has_number(const struct mlo_values *v, double x)
{
    size_t low = 0, high = v->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        *(v->numbers[mid] < x ? &low : &high) = v->numbers[mid] < x ? mid + 1 : mid;
    }
    return low < v->n && v->numbers[low] == x;
}

static bool has_time(const struct mlo_values *v, int64_t x)
{
    for (size_t i = 0; i < v->n; i++)
        if (v->times[i] == x)
            return true;
    return false;
}

static size_t count_characters(struct mlo_slice s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    return n;
}

/* strptime takes the 31st of any month: what it read, read back, must be the same day. */
static bool fits_format(const char *format, struct mlo_slice s)
{
    char text[FORMAT_TEXT];
    struct tm tm = {.tm_mday = 1, .tm_year = 100};
    if (s.len >= sizeof text || memchr(s.ptr, '\0', s.len))
        return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    const char *end = strptime(text, format, &tm);
    int day = tm.tm_mday, month = tm.tm_mon;
    if (!end || *end)
        return false;
    tm.tm_isdst = 0;
    return timegm(&tm) != -1 ? tm.tm_mday == day && tm.tm_mon == month : true;
}

static bool value_passes(const struct mlo_bound *b, const struct mlo_batch_column *c,
                         enum mlo_column_type type, size_t row, struct mlo_matcher *matcher)
{
    const struct mlo_rule *r = b->rule;
    bool time = type == MLO_COLUMN_TIME, text = type == MLO_COLUMN_TEXT;
    switch ((int)r->kind) {
    case MLO_RULE_RANGE:
        return time ? in_times(&b->bounds, c->times[row]) : in_numbers(&b->bounds, c->numbers[row]);
    case MLO_RULE_IN:
    case MLO_RULE_NOT_IN:
        return (text   ? has_text(&r->values, mlo_cell_slice(c, row))
                : time ? has_time(&r->values, c->times[row])
                       : has_number(&r->values, c->numbers[row])) == (r->kind == MLO_RULE_IN);
    case MLO_RULE_REGEX:
        return mlo_pattern_match(r->pattern, matcher, mlo_cell_slice(c, row)) == MLO_MATCHED_YES;
    case MLO_RULE_LENGTH:
        return in_numbers(&b->bounds, (double)count_characters(mlo_cell_slice(c, row)));
    case MLO_RULE_FORMAT:
        return fits_format(r->text, mlo_cell_slice(c, row));
    case MLO_RULE_TYPE:
        return !r->integral || c->numbers[row] == floor(c->numbers[row]);
    default:
        return true;
    }
}

/* ---- pairs ---- */

static int order(const struct mlo_batch_column *a, const struct mlo_batch_column *b,
                 enum mlo_column_type type, size_t row)
{
    if (type == MLO_COLUMN_TIME)
        return (a->times[row] > b->times[row]) - (a->times[row] < b->times[row]);
    if (type != MLO_COLUMN_TEXT)
        return (a->numbers[row] > b->numbers[row]) - (a->numbers[row] < b->numbers[row]);
    struct mlo_slice x = mlo_cell_slice(a, row), y = mlo_cell_slice(b, row);
    int c = memcmp(x.ptr, y.ptr, x.len < y.len ? x.len : y.len);
    return c != 0 ? c : (x.len > y.len) - (x.len < y.len);
}

static int order_constant(const struct mlo_batch_column *a, const struct mlo_bound *b,
                          enum mlo_column_type type, size_t row)
{
    const struct mlo_values *v = &b->rule->values;
    const int64_t time = b->bounds.low_now ? b->bounds.low_ns : v->times ? v->times[0] : 0;
    struct mlo_batch_column constant = {.numbers = v->numbers, .times = &time, .texts = v->texts};
    if (type == MLO_COLUMN_TEXT) {
        struct mlo_slice x = mlo_cell_slice(a, row);
        constant.texts = v->texts;
        struct mlo_batch_column own = {.texts = &x};
        return order(&own, &constant, type, 0);
    }
    struct mlo_batch_column own = {.numbers = a->numbers ? a->numbers + row : NULL,
                                   .times = a->times ? a->times + row : NULL};
    return order(&own, &constant, type, 0);
}

static bool holds(enum mlo_compare how, int c)
{
    switch (how) {
    case MLO_LESS:
        return c < 0;
    case MLO_LESS_EQUAL:
        return c <= 0;
    case MLO_EQUAL:
        return c == 0;
    case MLO_NOT_EQUAL:
        return c != 0;
    case MLO_GREATER_EQUAL:
        return c >= 0;
    case MLO_GREATER:
        return c > 0;
    }
    return false;
}

static enum mlo_cell_verdict check_compare(const struct mlo_bound *b, const struct mlo_batch *batch,
                                           size_t row)
{
    enum mlo_column_type type = b->table[b->columns[0]].type;
    const struct mlo_batch_column *left = &batch->columns[b->columns[0]], *right = NULL;
    bool bad = false;
    for (size_t i = 0; i < b->n_columns; i++) {
        enum mlo_cell state = mlo_cell_state(&batch->columns[b->columns[i]], row);
        if (state == MLO_CELL_MISSING)
            return MLO_CELL_SKIPPED;
        bad |= state != MLO_CELL_OK;
    }
    if (bad)
        return MLO_CELL_FAILS;
    right = b->n_columns > 1 ? &batch->columns[b->columns[1]] : NULL;
    int c = right ? order(left, right, type, row) : order_constant(left, b, type, row);
    return holds(b->rule->compare, c) ? MLO_CELL_PASSES : MLO_CELL_FAILS;
}

static enum mlo_cell_verdict check_together(const struct mlo_bound *b, const struct mlo_batch *batch,
                                            size_t row)
{
    size_t missing = 0;
    for (size_t i = 0; i < b->n_columns; i++)
        missing += mlo_cell_state(&batch->columns[b->columns[i]], row) == MLO_CELL_MISSING;
    return missing == 0 || missing == b->n_columns ? MLO_CELL_PASSES : MLO_CELL_FAILS;
}

/* ---- one row ---- */

static enum mlo_cell_verdict verdict(bool passes)
{
    return passes ? MLO_CELL_PASSES : MLO_CELL_FAILS;
}

enum mlo_cell_verdict mlo_cell_check(const struct mlo_bound *b, const struct mlo_batch *batch, size_t row,
                                     struct mlo_matcher *matcher)
{
    enum mlo_rule_kind kind = b->rule->kind;
    if (kind == MLO_RULE_COMPARE)
        return check_compare(b, batch, row);
    if (kind == MLO_RULE_TOGETHER)
        return check_together(b, batch, row);
    const struct mlo_batch_column *c = &batch->columns[b->columns[0]];
    enum mlo_cell state = mlo_cell_state(c, row);
    if (kind == MLO_RULE_NULLABLE || kind == MLO_RULE_MISSING)
        return verdict(state != MLO_CELL_MISSING);
    if (state == MLO_CELL_MISSING)
        return MLO_CELL_SKIPPED;
    if (kind == MLO_RULE_FINITE)
        return state == MLO_CELL_BAD ? MLO_CELL_SKIPPED : verdict(state == MLO_CELL_OK);
    if (state == MLO_CELL_NAN && kind == MLO_RULE_TYPE && !b->rule->integral)
        return MLO_CELL_PASSES;
    if (state != MLO_CELL_OK)
        return MLO_CELL_FAILS;
    return verdict(value_passes(b, c, b->table[b->columns[0]].type, row, matcher));
}
