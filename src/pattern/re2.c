/*
 * Patterns in RE2's syntax (https://github.com/google/re2/wiki/Syntax) written as PCRE2's. Both share most of
 * it; what they read differently is spelled out: classes become ranges, characters of meaning get a
 * backslash, groups lose their names and repetition its greed, neither of which changes what the whole text
 * matches.
 */
#include <mlopsctl/pattern.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#define RE2_MAX    ((size_t)8192) /* bytes; those of PCRE2 are more */
#define REPEAT_MAX 1000           /* RE2's */
#define DEPTH_MAX  200            /* of groups; PCRE2 takes 250 */
#define RUNE_MAX   0x10ffff

enum repeatable { NOTHING, ITEM, REPEATED };

struct reader {
    const char *at, *end;
    struct mlo_str out;
    enum repeatable last;
    bool fold, folds[DEPTH_MAX]; /* case does not count: here, and in the groups around */
    size_t depth;
    struct mlo_err *err;
};

static int refuse(struct reader *r, const char *at, size_t n, const char *why)
{
    char text[MLO_SHOWN];
    n = (size_t)(r->end - at) < n ? (size_t)(r->end - at) : n;
    return mlo_fail(r->err, MLO_EINVALID, "no pattern of RE2: %s: '%s'", why, mlo_shown(at, n, text));
}

static size_t left(const struct reader *r)
{
    return (size_t)(r->end - r->at);
}

static bool next_is(const struct reader *r, const char *text)
{
    return left(r) >= strlen(text) && memcmp(r->at, text, strlen(text)) == 0;
}

static bool is_one_of(char ch, const char *set)
{
    return ch && strchr(set, ch);
}

static bool take(struct reader *r, const char *text)
{
    bool is = next_is(r, text);
    r->at += is ? strlen(text) : 0;
    return is;
}

/* ---- characters ---- */

static void put_rune(struct reader *r, uint32_t ch)
{
    if (ch < 0x80 && isalnum((int)ch))
        mlo_str_addc(&r->out, (char)ch);
    else
        mlo_str_addf(&r->out, "\\x{%x}", ch);
}

/* The text is valid. */
static uint32_t take_rune(struct reader *r)
{
    uint32_t ch = 0;
    r->at += mlo_utf8_decode(r->at, left(r), &ch);
    return ch;
}

static int take_octal(struct reader *r, const char *start, uint32_t *ret)
{
    size_t n = 0;
    *ret = 0;
    while (n < 3 && r->at < r->end && *r->at >= '0' && *r->at <= '7') {
        *ret = *ret * 8 + (uint32_t)(*r->at++ - '0');
        n++;
    }
    return n == 1 && *ret != 0 ? refuse(r, start, 2, "a reference to a group") : 0;
}

static int take_hex(struct reader *r, const char *start, uint32_t *ret)
{
    bool braces = take(r, "{");
    size_t n = 0;
    *ret = 0;
    while ((braces || n < 2) && r->at < r->end && isxdigit((unsigned char)*r->at) && *ret <= RUNE_MAX) {
        int digit = tolower((unsigned char)*r->at++);
        *ret = *ret * 16 + (uint32_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
        n++;
    }
    bool good = braces ? n > 0 && take(r, "}") : n == 2;
    return good && *ret <= RUNE_MAX ? 0 : refuse(r, start, 4, "an escape");
}

/* The character that an escape stands for; at: behind the backslash. */
static int take_escape(struct reader *r, uint32_t *ret)
{
    static const char letters[] = "afnrtv", values[] = "\a\f\n\r\t\v";
    const char *start = r->at - 1;
    if (r->at == r->end)
        return refuse(r, start, 1, "a backslash at the end");
    unsigned char ch = (unsigned char)*r->at;
    const char *letter = memchr(letters, ch, sizeof letters - 1);
    if (ch >= '0' && ch <= '7')
        return take_octal(r, start, ret);
    if (ch == '8' || ch == '9')
        return refuse(r, start, 2, "a reference to a group");
    if (ch != 'x' && !letter && (isalnum(ch) || ch >= 0x80))
        return refuse(r, start, ch == 'k' || ch == 'g' ? 8 : 2,
                      ch == 'k' || ch == 'g' ? "a reference to a group" : "an escape");
    r->at++;
    if (ch == 'x')
        return take_hex(r, start, ret);
    *ret = letter ? (uint32_t)values[letter - letters] : ch;
    return 0;
}

/* ---- classes ---- */

static const char digits[] = "0-9", word[] = "0-9A-Za-z_", space[] = "\\t\\n\\f\\r\\x{20}";

/* \d and the like, inside of brackets or on its own; false: it is something else. */
static bool take_perl_class(struct reader *r, bool inside)
{
    static const struct {
        char letter;
        const char *is, *not_inside; /* \S of PCRE2 leaves the vertical tab out */
    } classes[] = {{'d', digits, "\\D"}, {'w', word, "\\W"}, {'s', space, "\\S\\x{b}"}};
    for (size_t i = 0; left(r) > 1 && i < MLO_COUNT(classes); i++) {
        bool is = r->at[1] == classes[i].letter, is_not = r->at[1] == toupper(classes[i].letter);
        if (!is && !is_not)
            continue;
        r->at += 2;
        if (inside)
            mlo_str_add(&r->out, is ? classes[i].is : classes[i].not_inside);
        else
            mlo_str_addf(&r->out, "[%s%s]", is ? "" : "^", classes[i].is);
        return true;
    }
    return false;
}

/* \pN, \p{Greek}, \P{^Greek}: categories as they are, names as scripts. */
static int take_property(struct reader *r)
{
    const char *start = r->at, *name, *end;
    bool negated = r->at[1] == 'P';
    r->at += 2;
    if (take(r, "{")) {
        negated ^= take(r, "^");
        name = r->at;
        end = memchr(name, '}', left(r));
        r->at = end ? end + 1 : name;
    } else {
        name = r->at;
        end = r->at = left(r) ? name + 1 : NULL;
    }
    size_t n = end ? (size_t)(end - name) : 0;
    bool good = n > 0 && isupper((unsigned char)*name);
    for (size_t i = 0; i < n; i++)
        good = good && (isalpha((unsigned char)name[i]) || name[i] == '_');
    if (!good)
        return refuse(r, start, 12, "a property");
    bool script = n > 2 && (n != 3 || memcmp(name, "Any", 3) != 0);
    if (r->fold && (script || *name == 'L' || *name == 'M'))
        return mlo_fail(r->err, MLO_EUNAVAIL,
                        "letters by property where case does not count are not supported");
    mlo_str_addf(&r->out, "\\%c{%s%.*s}", negated ? 'P' : 'p', script ? "sc:" : "", (int)n, name);
    return 0;
}

/* [:alpha:] and [:^alpha:]; *ret false: it is something else. */
static int take_posix_class(struct reader *r, bool *ret)
{
    static const struct {
        const char *name, *ranges;
    } classes[] = {{"alnum", "0-9A-Za-z"},
                   {"alpha", "A-Za-z"},
                   {"ascii", "\\x{0}-\\x{7f}"},
                   {"blank", "\\t\\x{20}"},
                   {"cntrl", "\\x{0}-\\x{1f}\\x{7f}"},
                   {"digit", digits},
                   {"graph", "\\x{21}-\\x{7e}"},
                   {"lower", "a-z"},
                   {"print", "\\x{20}-\\x{7e}"},
                   {"punct", "\\x{21}-\\x{2f}\\x{3a}-\\x{40}\\x{5b}-\\x{60}\\x{7b}-\\x{7e}"},
                   {"space", "\\x{9}-\\x{d}\\x{20}"},
                   {"upper", "A-Z"},
                   {"word", word},
                   {"xdigit", "0-9A-Fa-f"}};
    const char *start = r->at, *end = memmem(r->at, left(r), ":]", 2);
    *ret = next_is(r, "[:") && end;
    if (!*ret)
        return 0;
    r->at += 2;
    bool negated = take(r, "^");
    for (size_t i = 0; i < MLO_COUNT(classes); i++) {
        size_t n = strlen(classes[i].name);
        if ((size_t)(end - r->at) != n || memcmp(r->at, classes[i].name, n) != 0)
            continue;
        r->at = end + 2;
        if (negated)
            mlo_str_addf(&r->out, "[:^%s:]", classes[i].name);
        else
            mlo_str_add(&r->out, classes[i].ranges);
        return 0;
    }
    return refuse(r, start, (size_t)(end + 2 - start), "a class");
}

static int take_class_rune(struct reader *r, uint32_t *ret)
{
    if (take(r, "\\"))
        return take_escape(r, ret);
    *ret = take_rune(r);
    return 0;
}

/* A character, or two with a hyphen between them. */
static int take_range(struct reader *r)
{
    const char *start = r->at;
    uint32_t low, high;
    int rc = take_class_rune(r, &low);
    if (rc != 0)
        return rc;
    put_rune(r, low);
    if (left(r) < 2 || *r->at != '-' || r->at[1] == ']')
        return 0;
    r->at++;
    rc = take_class_rune(r, &high);
    if (rc == 0 && high < low)
        return refuse(r, start, (size_t)(r->at - start), "a range backwards");
    if (rc == 0) {
        mlo_str_addc(&r->out, '-');
        put_rune(r, high);
    }
    return rc;
}

static int take_class_item(struct reader *r)
{
    bool posix;
    int rc = take_posix_class(r, &posix);
    if (rc != 0 || posix)
        return rc;
    if (next_is(r, "\\p") || next_is(r, "\\P"))
        return take_property(r);
    return take_perl_class(r, true) ? 0 : take_range(r);
}

static int take_class(struct reader *r)
{
    const char *start = r->at++;
    int rc = 0;
    mlo_str_addc(&r->out, '[');
    if (take(r, "^"))
        mlo_str_addc(&r->out, '^');
    for (bool first = true; rc == 0 && left(r) && (first || *r->at != ']'); first = false)
        rc = take_class_item(r);
    if (rc == 0 && !take(r, "]"))
        return refuse(r, start, 1, "brackets that stay open");
    mlo_str_addc(&r->out, ']');
    r->last = ITEM;
    return rc;
}

/* ---- groups ---- */

static int open_group(struct reader *r)
{
    if (r->depth == DEPTH_MAX)
        return mlo_fail(r->err, MLO_EUNAVAIL, "groups more than %d deep are not supported", DEPTH_MAX);
    r->folds[r->depth++] = r->fold;
    r->last = NOTHING;
    return 0;
}

static int close_group(struct reader *r)
{
    if (r->depth == 0)
        return refuse(r, r->at, 1, "a parenthesis that nothing opens");
    r->at++;
    r->fold = r->folds[--r->depth];
    r->last = ITEM;
    mlo_str_addc(&r->out, ')');
    return 0;
}

static int take_name(struct reader *r, const char *start)
{
    const char *name = r->at, *end = memchr(name, '>', left(r));
    bool good = end && end > name;
    for (const char *p = name; good && p < end; p++)
        good = isalnum((unsigned char)*p) || *p == '_';
    if (!good)
        return refuse(r, start, 12, "a name");
    r->at = end + 1;
    mlo_str_add(&r->out, "(?:");
    return open_group(r);
}

/* (?i), (?s-m:...): U is about greed, which does not change what matches. */
static int take_flags(struct reader *r, const char *start)
{
    char on[2][4] = {{0}}; /* switched on, and off */
    bool off = false, any = false, fold = r->fold;
    for (; left(r) && is_one_of(*r->at, "imsU-"); r->at++) {
        if (*r->at == '-' && off)
            break;
        any = *r->at != '-';
        if (*r->at != 'U' && *r->at != '-' && !strchr(on[off], *r->at))
            on[off][strlen(on[off])] = *r->at;
        fold = *r->at == 'i' ? !off : fold;
        off = off || *r->at == '-';
    }
    bool group = next_is(r, ":");
    if ((!group && !next_is(r, ")")) || (off && !any))
        return refuse(r, start, 4, "a group");
    r->at++;
    mlo_str_addf(&r->out, "(?%s%s%s", on[0], *on[1] ? "-" : "", on[1]);
    mlo_str_addc(&r->out, group ? ':' : ')');
    int rc = group ? open_group(r) : 0;
    r->last = NOTHING;
    r->fold = fold;
    return rc;
}

static int take_group(struct reader *r)
{
    const char *start = r->at;
    if (take(r, "(?P<"))
        return take_name(r, start);
    if (next_is(r, "(?<=") || next_is(r, "(?<!") || next_is(r, "(?=") || next_is(r, "(?!"))
        return refuse(r, start, 4, "looking around");
    if (take(r, "(?<"))
        return take_name(r, start);
    if (take(r, "(?"))
        return take_flags(r, start);
    r->at++;
    mlo_str_add(&r->out, "(?:");
    return open_group(r);
}

/* ---- repetition ---- */

static bool take_count(const char **at, const char *end, long *ret)
{
    const char *start = *at;
    *ret = 0;
    while (*at < end && isdigit((unsigned char)**at) && *ret <= REPEAT_MAX)
        *ret = *ret * 10 + (*(*at)++ - '0');
    while (*at < end && isdigit((unsigned char)**at))
        (*at)++;
    return *at > start && (*start != '0' || *at == start + 1);
}

/* {2}, {2,}, {2,5}; false: the brace is a character like others. */
static bool see_counts(const struct reader *r, const char **ret_end, long ret[2])
{
    const char *at = r->at + 1;
    if (*r->at != '{' || !take_count(&at, r->end, &ret[0]))
        return false;
    ret[1] = ret[0];
    if (at < r->end && *at == ',') {
        at++;
        if (at < r->end && *at == '}')
            ret[1] = -1;
        else if (!take_count(&at, r->end, &ret[1]))
            return false;
    }
    *ret_end = at + 1;
    return at < r->end && *at == '}';
}

/* *ret false: it is something else. */
static int take_repetition(struct reader *r, bool *ret)
{
    const char *start = r->at, *end = start + 1;
    long n[2] = {0, 0};
    *ret = is_one_of(*start, "*+?") || see_counts(r, &end, n);
    if (!*ret)
        return 0;
    if (r->last != ITEM)
        return refuse(r, start, (size_t)(end - start),
                      r->last == NOTHING ? "a repetition of nothing" : "a repetition of a repetition");
    if (n[0] > REPEAT_MAX || n[1] > REPEAT_MAX || (n[1] >= 0 && n[1] < n[0]))
        return refuse(r, start, (size_t)(end - start), "a number of repetitions");
    mlo_str_addn(&r->out, start, (size_t)(end - start));
    r->at = end;
    (void)take(r, "?");
    r->last = REPEATED;
    return 0;
}

/* ---- all of it ---- */

static void take_quoted(struct reader *r)
{
    const char *end = memmem(r->at, left(r), "\\E", 2), *stop = end ? end : r->end;
    while (r->at < stop) {
        put_rune(r, take_rune(r));
        r->last = ITEM;
    }
    r->at = end ? end + 2 : stop;
}

static int take_backslash(struct reader *r)
{
    static const char *const places[] = {"\\A", "\\z", "\\b", "\\B"};
    uint32_t ch;
    if (take(r, "\\Q")) {
        take_quoted(r);
        return 0;
    }
    r->last = ITEM;
    for (size_t i = 0; i < MLO_COUNT(places); i++)
        if (take(r, places[i])) {
            mlo_str_addf(&r->out, "(?:%s)", places[i]);
            return 0;
        }
    if (next_is(r, "\\C"))
        return mlo_fail(r->err, MLO_EUNAVAIL, "single bytes of a text (\\C) are not supported");
    if (next_is(r, "\\p") || next_is(r, "\\P"))
        return take_property(r);
    if (take_perl_class(r, false))
        return 0;
    r->at++;
    int rc = take_escape(r, &ch);
    if (rc == 0)
        put_rune(r, ch);
    return rc;
}

static int take_item(struct reader *r)
{
    bool repetition;
    int rc = take_repetition(r, &repetition);
    if (rc != 0 || repetition)
        return rc;
    switch (*r->at) {
    case '\\':
        return take_backslash(r);
    case '[':
        return take_class(r);
    case '(':
        return take_group(r);
    case ')':
        return close_group(r);
    case '|':
        r->last = NOTHING;
        mlo_str_addc(&r->out, *r->at++);
        return 0;
    case '^':
    case '$':
        mlo_str_addf(&r->out, "(?:%c)", *r->at++); /* PCRE2 repeats no places */
        break;
    case '.':
        mlo_str_addc(&r->out, *r->at++);
        break;
    default:
        put_rune(r, take_rune(r));
    }
    r->last = ITEM;
    return 0;
}

static int translate(struct reader *r)
{
    int rc = 0;
    mlo_str_add(&r->out, "(*LF)");
    while (rc == 0 && r->at < r->end)
        rc = take_item(r);
    if (rc == 0 && r->depth)
        return refuse(r, r->end, 0, "a parenthesis that stays open");
    return rc == 0 ? mlo_str_check(&r->out, r->err) : rc;
}

int mlo_pattern_re2(struct mlo_slice text, struct mlo_pattern **ret, struct mlo_err *err)
{
    struct reader r = {.at = text.ptr, .end = text.ptr + text.len, .err = err};
    if (text.len > RE2_MAX)
        return mlo_fail(err, MLO_EUNAVAIL, "a pattern of more than %zu bytes", RE2_MAX);
    if (!mlo_utf8_valid(text.ptr, text.len))
        return mlo_fail(err, MLO_EINVALID, "a pattern that is not UTF-8");
    mlo_str_init(&r.out, MLO_PATTERN_MAX);
    int rc = translate(&r);
    if (rc == 0)
        rc = mlo_pattern_new(r.out.ptr, ret, err);
    if (rc == MLO_EUSAGE) /* a script that does not exist; groups within groups that are too much */
        rc = err->code = MLO_EINVALID;
    mlo_str_release(&r.out);
    return rc;
}
