/*
 * Pull reader of JSON: one token at a time out of memory, nothing allocated, no recursion. `state` holds one
 * byte a level: what may come next there. Level 0 is the document itself.
 */
#include <mlopsctl/base/json.h>

#include <string.h>

#include "utf8.h"

enum {
    VALUE,        /* a value must come (document, or after "key":) */
    FIRST_ITEM,   /* array: a value or ] */
    ITEM,         /* array, after a comma: a value */
    AFTER_ITEM,   /* array: , or ] */
    FIRST_KEY,    /* object: a key or } */
    KEY,          /* object, after a comma: a key */
    MEMBER,       /* object, after a key's colon: a value */
    AFTER_MEMBER, /* object: , or } */
    FINISHED,     /* document: nothing but space */
};

void mlo_jpull_init(struct mlo_jpull *j, const char *text, size_t n)
{
    *j = (struct mlo_jpull){.p = text, .start = text, .end = text + n};
    j->state[0] = VALUE;
}

static int fault(const struct mlo_jpull *j, const char *what, struct mlo_err *err)
{
    return mlo_fail(err, MLO_EINVALID, "JSON: %s at byte %zu", what, (size_t)(j->p - j->start));
}

static void skip_space(struct mlo_jpull *j)
{
    while (j->p < j->end && (*j->p == ' ' || *j->p == '\n' || *j->p == '\r' || *j->p == '\t'))
        j->p++;
}

static bool is_hex4(const char *p)
{
    for (int i = 0; i < 4; i++)
        if (!((p[i] >= '0' && p[i] <= '9') || ((p[i] | 32) >= 'a' && (p[i] | 32) <= 'f')))
            return false;
    return true;
}

static int take_escape(struct mlo_jpull *j, struct mlo_err *err)
{
    j->escaped = true;
    if (j->end - j->p < 2)
        return fault(j, "unfinished string", err);
    if (j->p[1] == 'u') {
        if (j->end - j->p < 6 || !is_hex4(j->p + 2))
            return fault(j, "bad \\u escape", err);
        j->p += 6;
        return 0;
    }
    if (!strchr("\"\\/bfnrt", j->p[1]) || !j->p[1])
        return fault(j, "bad escape", err);
    j->p += 2;
    return 0;
}

/* At the opening quote; text/len become what is between the quotes. */
static int take_string(struct mlo_jpull *j, struct mlo_err *err)
{
    uint32_t cp;
    j->escaped = false;
    j->text = ++j->p;
    while (j->p < j->end && *j->p != '"') {
        unsigned char c = (unsigned char)*j->p;
        if (c < 0x20)
            return fault(j, "control byte in a string", err);
        if (c == '\\') {
            if (take_escape(j, err))
                return err->code;
            continue;
        }
        size_t n = c < 0x80 ? 1 : mlo_utf8_decode(j->p, (size_t)(j->end - j->p), &cp);
        if (n == 0)
            return fault(j, "invalid UTF-8", err);
        j->p += n;
    }
    if (j->p == j->end)
        return fault(j, "unfinished string", err);
    j->len = (size_t)(j->p++ - j->text);
    return 0;
}

static bool is_digit(const struct mlo_jpull *j)
{
    return j->p < j->end && *j->p >= '0' && *j->p <= '9';
}

static bool take_digits(struct mlo_jpull *j)
{
    const char *from = j->p;
    while (is_digit(j))
        j->p++;
    return j->p > from;
}

static int take_number(struct mlo_jpull *j, struct mlo_err *err)
{
    j->text = j->p;
    j->escaped = false;
    if (*j->p == '-')
        j->p++;
    if (j->p < j->end && *j->p == '0')
        j->p++;
    else if (!take_digits(j))
        return fault(j, "bad number", err);
    if (j->p < j->end && *j->p == '.') {
        j->p++;
        if (!take_digits(j))
            return fault(j, "bad number", err);
    }
    if (j->p < j->end && (*j->p | 32) == 'e') {
        j->p++;
        if (j->p < j->end && (*j->p == '+' || *j->p == '-'))
            j->p++;
        if (!take_digits(j))
            return fault(j, "bad number", err);
    }
    j->len = (size_t)(j->p - j->text);
    return 0;
}

static int take_word(struct mlo_jpull *j, const char *word, enum mlo_jtok tok, enum mlo_jtok *ret,
                     struct mlo_err *err)
{
    size_t n = strlen(word);
    if ((size_t)(j->end - j->p) < n || memcmp(j->p, word, n) != 0)
        return fault(j, "unexpected byte", err);
    j->p += n;
    *ret = tok;
    return 0;
}

static int enter(struct mlo_jpull *j, int state, struct mlo_err *err)
{
    if (j->depth >= MLO_JSON_DEPTH)
        return fault(j, "nested too deep", err);
    j->p++;
    j->state[++j->depth] = (uint8_t)state;
    return 0;
}

/* NaN, Infinity, -Infinity: no JSON, but what some programs write. */
static bool take_nonfinite(struct mlo_jpull *j)
{
    static const char *const words[] = {"NaN", "Infinity", "-Infinity"};
    bool letter = j->end - j->p > 2 && (j->p[0] > '9' || j->p[1] > '9');
    for (size_t i = 0; j->nonfinite && letter && i < MLO_COUNT(words); i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(j->end - j->p) < n || memcmp(j->p, words[i], n) != 0)
            continue;
        j->text = j->p;
        j->len = n;
        j->p += n;
        return true;
    }
    return false;
}

static int take_value(struct mlo_jpull *j, enum mlo_jtok *ret, struct mlo_err *err)
{
    switch (*j->p) {
    case '{':
        *ret = MLO_J_OBJECT;
        return enter(j, FIRST_KEY, err);
    case '[':
        *ret = MLO_J_ARRAY;
        return enter(j, FIRST_ITEM, err);
    case '"':
        *ret = MLO_J_STRING;
        return take_string(j, err);
    case 't':
        return take_word(j, "true", MLO_J_TRUE, ret, err);
    case 'f':
        return take_word(j, "false", MLO_J_FALSE, ret, err);
    case 'n':
        return take_word(j, "null", MLO_J_NULL, ret, err);
    default:
        *ret = MLO_J_NUMBER;
        return take_nonfinite(j) ? 0 : take_number(j, err);
    }
}

/* The value at this level is complete: say what may follow it. Entering a level marks the outer one first. */
static int begin_value(struct mlo_jpull *j, int next, enum mlo_jtok *ret, struct mlo_err *err)
{
    j->state[j->depth] = (uint8_t)next;
    return take_value(j, ret, err);
}

static int leave(struct mlo_jpull *j, enum mlo_jtok tok, enum mlo_jtok *ret)
{
    j->p++;
    j->depth--;
    *ret = tok;
    return 0;
}

static int take_key(struct mlo_jpull *j, enum mlo_jtok *ret, struct mlo_err *err)
{
    if (*j->p != '"')
        return fault(j, "a name was expected", err);
    if (take_string(j, err))
        return err->code;
    skip_space(j);
    if (j->p == j->end || *j->p != ':')
        return fault(j, "':' was expected", err);
    j->p++;
    j->state[j->depth] = MEMBER;
    *ret = MLO_J_KEY;
    return 0;
}

/* Past a comma, if one is due; *ret_closed when the level ends instead. */
static int take_separator(struct mlo_jpull *j, char close, bool *ret_closed, struct mlo_err *err)
{
    *ret_closed = *j->p == close;
    if (*ret_closed)
        return 0;
    if (*j->p != ',')
        return fault(j, "',' or the end was expected", err);
    j->p++;
    skip_space(j);
    return j->p == j->end ? fault(j, "unfinished document", err) : 0;
}

int mlo_jpull_next(struct mlo_jpull *j, enum mlo_jtok *ret, struct mlo_err *err)
{
    bool closed = false;
    skip_space(j);
    int state = j->state[j->depth];
    if (state == FINISHED) {
        if (j->p < j->end)
            return fault(j, "bytes after the document", err);
        *ret = MLO_J_END;
        return 0;
    }
    if (j->p == j->end)
        return fault(j, "unfinished document", err);
    if ((state == AFTER_ITEM && take_separator(j, ']', &closed, err)) ||
        (state == AFTER_MEMBER && take_separator(j, '}', &closed, err)))
        return err->code;
    switch (state) {
    case VALUE:
        return begin_value(j, FINISHED, ret, err);
    case MEMBER:
        return begin_value(j, AFTER_MEMBER, ret, err);
    case FIRST_ITEM:
        closed = *j->p == ']';
        __attribute__((fallthrough));
    case ITEM:
    case AFTER_ITEM:
        return closed ? leave(j, MLO_J_ARRAY_END, ret) : begin_value(j, AFTER_ITEM, ret, err);
    case FIRST_KEY:
        closed = *j->p == '}';
        __attribute__((fallthrough));
    default:
        return closed ? leave(j, MLO_J_OBJECT_END, ret) : take_key(j, ret, err);
    }
}

int mlo_jpull_skip(struct mlo_jpull *j, struct mlo_err *err)
{
    int depth = j->depth;
    enum mlo_jtok tok;
    do {
        if (mlo_jpull_next(j, &tok, err))
            return err->code;
    } while (j->depth > depth);
    return 0;
}

bool mlo_jpull_is(const struct mlo_jpull *j, const char *text)
{
    return j->len == strlen(text) && memcmp(j->text, text, j->len) == 0;
}

int mlo_jpull_u64(const struct mlo_jpull *j, uint64_t *ret, struct mlo_err *err)
{
    uint64_t v = 0;
    for (size_t i = 0; i < j->len; i++) {
        if (j->text[i] < '0' || j->text[i] > '9')
            return fault(j, "not a whole number from 0", err);
        if (!mlo_mul_u64(v, 10, &v) || !mlo_add_u64(v, (uint64_t)(j->text[i] - '0'), &v))
            return fault(j, "number above 2^64 - 1", err);
    }
    *ret = v;
    return 0;
}

static uint32_t hex4(const char *p)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++)
        v = v << 4 | (uint32_t)(p[i] <= '9' ? p[i] - '0' : (p[i] | 32) - 'a' + 10);
    return v;
}

/* At "\uXXXX", already known to be well-formed; both halves of a pair are taken. */
static int unescape_unicode(const struct mlo_jpull *j, const char **p, const char *end, struct mlo_str *out,
                            struct mlo_err *err)
{
    char bytes[4];
    uint32_t cp = hex4(*p + 2);
    *p += 6;
    if (cp >= 0xd800 && cp <= 0xdbff && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
        uint32_t low = hex4(*p + 2);
        if (low >= 0xdc00 && low <= 0xdfff) {
            cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
            *p += 6;
        }
    }
    if (cp == 0 || (cp >= 0xd800 && cp <= 0xdfff))
        return fault(j, "\\u escape of NUL or of half a pair", err);
    mlo_str_addn(out, bytes, mlo_utf8_encode(cp, bytes));
    return 0;
}

int mlo_jpull_unescape(const struct mlo_jpull *j, struct mlo_str *out, struct mlo_err *err)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *p = j->text, *end = j->text + j->len;
    while (p < end) {
        const char *slash = j->escaped ? memchr(p, '\\', (size_t)(end - p)) : NULL;
        if (!slash)
            slash = end;
        mlo_str_addn(out, p, (size_t)(slash - p));
        p = slash;
        if (p == end)
            break;
        if (p[1] == 'u') {
            if (unescape_unicode(j, &p, end, out, err))
                return err->code;
        } else {
            mlo_str_addc(out, to[strchr(from, p[1]) - from]);
            p += 2;
        }
    }
    return mlo_str_check(out, err);
}
