/*
 * JSON and UBJ (Universal Binary JSON, draft 12) as one stream of tokens. The depth is bounded, nothing
 * recurses, and a count that the file states is checked against the bytes there are before anything is made.
 *
 * What XGBoost writes that JSON does not know: NaN and infinities.
 */
#include "internal.h"

#include <math.h>
#include <string.h>

#include <mlopsctl/base/decimal.h>
#include <mlopsctl/base/text.h>

void mlo_document_init(struct mlo_document *d, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    *d = (struct mlo_document){.p = p, .start = p, .end = p + n};
    d->binary = n > 1 && p[0] == '{' && memchr("iUIlLSN$#}", p[1], 10);
    if (n == 2 && p[1] == '}')
        d->binary = false;
    if (!d->binary) {
        mlo_jpull_init(&d->json, bytes, n);
        d->json.nonfinite = true;
    }
}

/* ---- UBJ ---- */

static int fault(const struct mlo_document *d, const char *what, struct mlo_err *err)
{
    return mlo_fail(err, MLO_EINVALID, "UBJ: %s at byte %zu", what, (size_t)(d->p - d->start));
}

static size_t left(const struct mlo_document *d)
{
    return (size_t)(d->end - d->p);
}

static size_t number_size(int type)
{
    switch (type) {
    case 'i':
    case 'U':
        return 1;
    case 'I':
        return 2;
    case 'l':
    case 'd':
        return 4;
    case 'L':
    case 'D':
        return 8;
    default:
        return 0;
    }
}

static uint64_t big_endian(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

/* A number of a type of number_size n > 0. */
static double number_at(const uint8_t *p, int type, size_t n)
{
    uint64_t bits = big_endian(p, n);
    uint32_t low = (uint32_t)bits;
    float f;
    double v;
    switch (type) {
    case 'i':
        return (int8_t)bits;
    case 'U':
        return (double)bits;
    case 'I':
        return (int16_t)bits;
    case 'l':
        return (int32_t)bits;
    case 'L':
        return (double)(int64_t)bits;
    case 'd':
        memcpy(&f, &low, sizeof f);
        return (double)f;
    default:
        memcpy(&v, &bits, sizeof v);
        return v;
    }
}

static int take_number(struct mlo_document *d, int type, struct mlo_err *err)
{
    size_t n = number_size(type);
    if (n == 0)
        return fault(d, "a type that is no number", err);
    if (left(d) < n)
        return fault(d, "unfinished document", err);
    d->number = number_at(d->p, type, n);
    d->p += n;
    return 0;
}

/* A length, with its type in front. */
static int take_length(struct mlo_document *d, uint64_t *ret, struct mlo_err *err)
{
    if (left(d) == 0)
        return fault(d, "unfinished document", err);
    int type = *d->p++;
    if (type == 'd' || type == 'D' || take_number(d, type, err))
        return fault(d, "a length that is no whole number", err);
    if (d->number < 0 || d->number > (double)left(d))
        return fault(d, "a length beyond the file's end", err);
    *ret = (uint64_t)d->number;
    return 0;
}

static int take_string(struct mlo_document *d, struct mlo_err *err)
{
    uint64_t n;
    int rc = take_length(d, &n, err);
    if (rc == 0) {
        d->text = (const char *)d->p;
        d->len = (size_t)n;
        d->p += n;
    }
    return rc;
}

/* [$ type] [# count] behind an opening bracket. */
static int enter(struct mlo_document *d, bool object, struct mlo_err *err)
{
    struct mlo_document_level l = {.object = object};
    int rc = 0;
    if (d->depth >= MLO_JSON_DEPTH)
        return fault(d, "nested too deep", err);
    if (left(d) >= 2 && d->p[0] == '$') {
        l.type = (char)d->p[1];
        d->p += 2;
        if (left(d) == 0 || *d->p != '#')
            return fault(d, "a type without a count", err);
        if (number_size(l.type) == 0 && l.type != 'S')
            return fault(d, "a list of a type that is not read", err);
    }
    if (left(d) > 0 && *d->p == '#') {
        d->p++;
        l.counted = true;
        rc = take_length(d, &l.left, err);
    }
    if (rc == 0)
        d->level[++d->depth] = l;
    return rc;
}

static int take_typed(struct mlo_document *d, int type, enum mlo_jtok *ret, struct mlo_err *err)
{
    switch (type) {
    case '{':
        *ret = MLO_J_OBJECT;
        return enter(d, true, err);
    case '[':
        *ret = MLO_J_ARRAY;
        return enter(d, false, err);
    case 'S':
        *ret = MLO_J_STRING;
        return take_string(d, err);
    case 'T':
    case 'F':
        *ret = type == 'T' ? MLO_J_TRUE : MLO_J_FALSE;
        return 0;
    case 'Z':
        *ret = MLO_J_NULL;
        return 0;
    default:
        *ret = MLO_J_NUMBER;
        return take_number(d, type, err);
    }
}

static bool closes(struct mlo_document *d, const struct mlo_document_level *l)
{
    if (l->counted)
        return l->left == 0;
    if (left(d) == 0 || *d->p != (l->object ? '}' : ']'))
        return false;
    d->p++;
    return true;
}

static int next_ubj(struct mlo_document *d, enum mlo_jtok *ret, struct mlo_err *err)
{
    struct mlo_document_level *l = &d->level[d->depth];
    if (d->depth == 0 && d->p > d->start) {
        *ret = MLO_J_END;
        return left(d) ? fault(d, "bytes after the document", err) : 0;
    }
    if (d->depth > 0 && !l->due && closes(d, l)) {
        *ret = l->object ? MLO_J_OBJECT_END : MLO_J_ARRAY_END;
        d->depth--;
        return 0;
    }
    if (l->object && !l->due) {
        *ret = MLO_J_KEY;
        l->due = true;
        return take_string(d, err);
    }
    l->due = false;
    l->left -= l->counted;
    if (l->type)
        return take_typed(d, l->type, ret, err);
    if (left(d) == 0)
        return fault(d, "unfinished document", err);
    return take_typed(d, *d->p++, ret, err);
}

/* ---- numbers side by side ---- */

/* Numbers of one type that lie side by side. */
struct packed {
    const uint8_t *p;
    int type;
    size_t size, n; /* size 0: they do not */
};

/* What is left of the array just entered, and past it. */
static int take_packed(struct mlo_document *d, struct packed *ret, struct mlo_err *err)
{
    struct mlo_document_level *l = &d->level[d->depth];
    *ret = (struct packed){d->p, l->type, 0, 0};
    if (!d->binary || !l->type || l->object)
        return 0;
    ret->size = number_size(l->type);
    ret->n = ret->size ? (size_t)l->left : 0;
    if (ret->size && left(d) / ret->size < ret->n)
        return fault(d, "a list beyond the file's end", err);
    d->p += ret->n * ret->size;
    l->left -= ret->n;
    return 0;
}

/* ---- tokens ---- */

int mlo_document_next(struct mlo_document *d, enum mlo_jtok *ret, struct mlo_err *err)
{
    int rc = 0;
    if (!d->again && d->binary) {
        rc = next_ubj(d, &d->token, err);
    } else if (!d->again) {
        rc = mlo_jpull_next(&d->json, &d->token, err);
        d->text = d->json.text;
        d->len = d->json.len;
    }
    d->again = false;
    *ret = d->token;
    return rc;
}

static int depth_of(const struct mlo_document *d)
{
    return d->binary ? d->depth : d->json.depth;
}

/* The rest of what was entered above `depth`. */
static int leave_to(struct mlo_document *d, int depth, struct mlo_err *err)
{
    enum mlo_jtok token;
    int rc = 0;
    while (rc == 0 && depth_of(d) > depth) {
        struct packed k;
        rc = take_packed(d, &k, err);
        if (rc == 0)
            rc = mlo_document_next(d, &token, err);
    }
    return rc;
}

int mlo_document_skip(struct mlo_document *d, struct mlo_err *err)
{
    enum mlo_jtok token;
    int rc = mlo_document_next(d, &token, err);
    if (rc == 0 && (token == MLO_J_OBJECT || token == MLO_J_ARRAY))
        rc = leave_to(d, depth_of(d) - 1, err);
    return rc;
}

static int expect(struct mlo_document *d, enum mlo_jtok want, const char *what, struct mlo_err *err)
{
    enum mlo_jtok token;
    int rc = mlo_document_next(d, &token, err);
    return rc == 0 && token != want ? mlo_fail(err, MLO_EINVALID, "%s was expected", what) : rc;
}

int mlo_document_object(struct mlo_document *d, const struct mlo_document_field *fields, size_t n, void *ctx,
                        struct mlo_err *err)
{
    enum mlo_jtok token = MLO_J_KEY;
    uint64_t seen = 0;
    int rc = expect(d, MLO_J_OBJECT, "an object", err);
    while (rc == 0 && (rc = mlo_document_next(d, &token, err)) == 0 && token == MLO_J_KEY) {
        size_t i = 0;
        while (i < n && (strlen(fields[i].name) != d->len || memcmp(fields[i].name, d->text, d->len) != 0))
            i++;
        if (i == n) {
            rc = mlo_document_skip(d, err);
            continue;
        }
        if (seen >> i & 1)
            return mlo_fail(err, MLO_EINVALID, "'%s' stands twice", fields[i].name);
        seen |= (uint64_t)1 << i;
        rc = fields[i].read(ctx, d, err);
        if (rc != 0)
            return mlo_wrap(err, "%s", fields[i].name);
    }
    return rc;
}

int mlo_document_array(struct mlo_document *d,
                       int (*fn)(void *ctx, struct mlo_document *d, size_t i, struct mlo_err *err), void *ctx,
                       struct mlo_err *err)
{
    enum mlo_jtok token;
    int rc = expect(d, MLO_J_ARRAY, "a list", err);
    for (size_t i = 0; rc == 0; i++) {
        rc = mlo_document_next(d, &token, err);
        if (rc != 0 || token == MLO_J_ARRAY_END)
            break;
        d->again = true;
        rc = fn(ctx, d, i, err);
    }
    return rc;
}

/* ---- values ---- */

int mlo_document_text(struct mlo_document *d, struct mlo_arena *arena, const char **ret, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    int rc = expect(d, MLO_J_STRING, "a text", err);
    if (rc == 0 && d->binary)
        mlo_str_addn(&text, d->text, d->len);
    else if (rc == 0)
        rc = mlo_jpull_unescape(&d->json, &text, err);
    if (rc == 0)
        rc = mlo_str_check(&text, err);
    if (rc == 0 && (!mlo_utf8_valid(text.ptr, text.len) || memchr(text.ptr, 0, text.len)))
        rc = mlo_fail(err, MLO_EINVALID, "a text that is not UTF-8");
    if (rc != 0)
        return rc;
    *ret = mlo_arena_strndup(arena, text.ptr, text.len, err);
    return *ret ? 0 : err->code;
}

static bool is_word(const struct mlo_document *d, const char *word)
{
    return d->len == strlen(word) && memcmp(d->text, word, d->len) == 0;
}

/* Of the token just read. float_: rounded once, to float. */
static int value_of(const struct mlo_document *d, enum mlo_jtok token, bool float_, double *ret,
                    struct mlo_err *err)
{
    const char *end = d->text + d->len, *stop = end;
    float f;
    if (token == MLO_J_TRUE || token == MLO_J_FALSE) {
        *ret = token == MLO_J_TRUE;
        return 0;
    }
    if (token != MLO_J_NUMBER)
        return mlo_fail(err, MLO_EINVALID, "a number was expected");
    if (d->binary) {
        *ret = float_ ? (double)(float)d->number : d->number;
    } else if (end[-1] > '9') { /* a word, not a digit */
        *ret = is_word(d, "NaN") ? (double)NAN : *d->text == '-' ? -HUGE_VAL : HUGE_VAL;
    } else if (float_) {
        stop = mlo_decimal_read_float(d->text, end, &f);
        *ret = stop ? (double)f : 0;
    } else {
        stop = mlo_decimal_read(d->text, end, ret);
    }
    return stop == end ? 0 : mlo_fail(err, MLO_EINVALID, "a number of more digits than are read");
}

int mlo_document_size(struct mlo_document *d, size_t max, size_t *ret, struct mlo_err *err)
{
    enum mlo_jtok token;
    double v = -1;
    int rc = mlo_document_next(d, &token, err);
    if (rc == 0 && token == MLO_J_STRING &&
        mlo_decimal_read(d->text, d->text + d->len, &v) != d->text + d->len)
        v = -1;
    else if (rc == 0 && token != MLO_J_STRING)
        rc = value_of(d, token, false, &v, err);
    if (rc == 0 && !(v >= 0 && v <= (double)max && v == floor(v)))
        rc = mlo_fail(err, MLO_EINVALID, "not a whole number from 0 to %zu", max);
    if (rc == 0)
        *ret = (size_t)v;
    return rc;
}

/* ---- lists ---- */

int mlo_document_numbers(struct mlo_document *d, bool floats, struct mlo_numbers *ret, struct mlo_err *err)
{
    struct packed k = {0};
    enum mlo_jtok token;
    double v;
    ret->n = 0;
    int rc = expect(d, MLO_J_ARRAY, "a list of numbers", err);
    if (rc == 0)
        rc = take_packed(d, &k, err);
    if (rc == 0)
        rc = mlo_grow(&ret->at, &ret->cap, k.n, sizeof *ret->at, err);
    for (; rc == 0 && ret->n < k.n; k.p += k.size) {
        v = number_at(k.p, k.type, k.size);
        ret->at[ret->n++] = floats ? (double)(float)v : v;
    }
    while (rc == 0 && (rc = mlo_document_next(d, &token, err)) == 0 && token != MLO_J_ARRAY_END) {
        rc = value_of(d, token, floats, &v, err);
        if (rc == 0)
            rc = mlo_grow(&ret->at, &ret->cap, ret->n + 1, sizeof *ret->at, err);
        if (rc == 0)
            ret->at[ret->n++] = v;
    }
    return rc;
}
