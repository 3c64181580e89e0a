/* Arrays of texts: StringConcat, StringSplit, StringNormalizer, RegexFullMatch. */
#include <locale.h>
#include <string.h>
#include <wctype.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/pattern.h>

#include "op.h"

/* ---- StringConcat ---- */

struct concat {
    struct mlo_session *session;
    const struct mlo_slice *a, *b;
    struct mlo_slice *out;
    size_t a_step, b_step; /* in the last dimension: 0 or 1 */
    struct mlo_err *err;   /* the first failure stays */
};

static int join(struct mlo_session *s, const struct mlo_slice *a, const struct mlo_slice *b,
                struct mlo_slice *ret, struct mlo_err *err)
{
    char *text;
    int rc = mlo_text_new(s, a->len + b->len, &text, err);
    if (rc != 0)
        return rc;
    memcpy(text, a->len ? a->ptr : "", a->len);
    memcpy(text + a->len, b->len ? b->ptr : "", b->len);
    *ret = (struct mlo_slice){text, a->len + b->len};
    return 0;
}

static void concat_row(void *ctx, const size_t *at, size_t n)
{
    const struct concat *w = ctx;
    for (size_t i = 0; i < n && w->err->code == 0; i++)
        if (join(w->session, &w->a[at[0] + i * w->a_step], &w->b[at[1] + i * w->b_step], &w->out[at[2] + i],
                 w->err) != 0)
            return;
}

static int run_string_concat(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a, *b;
    struct mlo_array *out;
    struct mlo_walk walk = {.n_operands = 3};
    struct concat w = {.session = c->session, .err = err};
    int64_t dims[MLO_RANK_MAX];
    int rc = mlo_in_typed(c, 0, MLO_DT_STRING, &a, err);
    if (rc == 0)
        rc = mlo_in_typed(c, 1, MLO_DT_STRING, &b, err);
    if (rc == 0)
        rc = mlo_broadcast_shape(a, b, dims, &walk.rank, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, MLO_DT_STRING, dims, walk.rank, &out, err);
    if (rc != 0 || !out)
        return rc;
    walk.dims = out->dims;
    mlo_broadcast_strides(a, walk.rank, walk.strides[0]);
    mlo_broadcast_strides(b, walk.rank, walk.strides[1]);
    mlo_broadcast_strides(out, walk.rank, walk.strides[2]);
    w.a_step = walk.rank ? walk.strides[0][walk.rank - 1] : 0;
    w.b_step = walk.rank ? walk.strides[1][walk.rank - 1] : 0;
    w.a = a->data;
    w.b = b->data;
    w.out = out->data;
    mlo_walk_rows(&walk, concat_row, &w);
    return err->code;
}

/* ---- StringSplit ---- */

struct splitting {
    struct mlo_slice delimiter; /* empty: runs of spaces, and none at the ends */
    size_t most;                /* cuts */
};

static bool is_space(char ch)
{
    return ch == ' ' || (ch >= '\t' && ch <= '\r');
}

static struct mlo_slice after(struct mlo_slice s, size_t n)
{
    return (struct mlo_slice){s.ptr + n, s.len - n};
}

static size_t find(struct mlo_slice s, struct mlo_slice what)
{
    const char *at = s.len ? memmem(s.ptr, s.len, what.ptr, what.len) : NULL;
    return at ? (size_t)(at - s.ptr) : s.len;
}

static size_t run_of(struct mlo_slice s, bool spaces)
{
    size_t n = 0;
    while (n < s.len && is_space(s.ptr[n]) == spaces)
        n++;
    return n;
}

/* The parts of s into `to` unless it is NULL; returns how many. */
static size_t split(const struct splitting *w, struct mlo_slice s, struct mlo_slice *to)
{
    bool spaces = w->delimiter.len == 0;
    size_t n = 0;
    s = spaces && s.len ? after(s, run_of(s, true)) : s;
    if (s.len == 0) /* as ONNX Runtime has it, also with a delimiter */
        return 0;
    for (; n < w->most; n++) {
        size_t part = spaces ? run_of(s, false) : find(s, w->delimiter);
        if (part == s.len)
            break;
        struct mlo_slice rest = after(s, part + w->delimiter.len);
        rest = spaces ? after(rest, run_of(rest, true)) : rest;
        if (to)
            to[n] = (struct mlo_slice){s.ptr, part};
        if (spaces && rest.len == 0)
            return n + 1;
        s = rest;
    }
    if (to)
        to[n] = s;
    return n + 1;
}

static int run_string_split(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_attr *delimiter = mlo_node_attr(c->node, "delimiter");
    int64_t most = mlo_attr_int(c->node, "maxsplit", -1), dims[MLO_RANK_MAX + 1], longest = 0;
    struct splitting w = {.most = most < 0 ? SIZE_MAX : (size_t)most};
    const struct mlo_array *a;
    struct mlo_array *parts, *counts;
    int rc = mlo_in_typed(c, 0, MLO_DT_STRING, &a, err);
    if (rc != 0)
        return rc;
    if (delimiter && delimiter->kind == MLO_ATTR_STRING)
        w.delimiter = delimiter->s;
    const struct mlo_slice *texts = a->data;
    for (size_t i = 0; i < a->n; i++) {
        int64_t n = (int64_t)split(&w, texts[i], NULL);
        longest = n > longest ? n : longest;
    }
    memcpy(dims, a->dims, a->rank * sizeof *dims);
    dims[a->rank] = longest;
    rc = mlo_out_new(c, 0, MLO_DT_STRING, dims, a->rank + 1, &parts, err);
    if (rc == 0)
        rc = mlo_out_new(c, 1, MLO_DT_I64, a->dims, a->rank, &counts, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; parts && i < parts->n; i++)
        ((struct mlo_slice *)parts->data)[i] = (struct mlo_slice){"", 0};
    for (size_t i = 0; i < a->n; i++) {
        struct mlo_slice *to = parts ? (struct mlo_slice *)parts->data + i * (size_t)longest : NULL;
        size_t n = split(&w, texts[i], to);
        if (counts)
            ((int64_t *)counts->data)[i] = (int64_t)n;
    }
    return 0;
}

/* ---- StringNormalizer ---- */

enum letters { AS_THEY_ARE, LOWER, UPPER };

struct normalizer {
    enum letters letters;
    bool exact; /* stop words are compared as they are */
    const struct mlo_slice *stops;
    size_t n_stops;
    locale_t locale; /* of UTF-8; 0: letters of ASCII alone */
};

static void free_normalizer(void *state)
{
    struct normalizer *w = state;
    if (w && w->locale)
        freelocale(w->locale);
    free(w);
}

static int prepare_normalizer(const struct mlo_op_prepare *p, void **ret_state, struct mlo_err *err)
{
    static const char *const words[] = {"NONE", "LOWER", "UPPER"};
    struct normalizer *w = mlo_calloc(1, sizeof *w, err);
    size_t i = 0;
    if (!w)
        return err->code;
    *ret_state = w;
    while (i < MLO_COUNT(words) && !mlo_attr_is(p->node, "case_change_action", words[i]))
        i++;
    if (i == MLO_COUNT(words) && !mlo_attr_is(p->node, "case_change_action", ""))
        return mlo_fail(err, MLO_EINVALID, "case_change_action is not known");
    w->letters = i < MLO_COUNT(words) ? (enum letters)i : AS_THEY_ARE;
    w->exact = mlo_attr_int(p->node, "is_case_sensitive", 0) != 0;
    w->stops = mlo_attr_texts(p->node, "stopwords", &w->n_stops);
    w->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    return 0;
}

/* One character of valid UTF-8. */
static wint_t decode(const unsigned char *p, size_t *ret_n)
{
    *ret_n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    wint_t ch = *ret_n == 1 ? p[0] : p[0] & (0x7fU >> *ret_n);
    for (size_t i = 1; i < *ret_n; i++)
        ch = ch << 6 | (p[i] & 0x3f);
    return ch;
}

static size_t encode(wint_t ch, char *to)
{
    size_t n = ch < 0x80 ? 1 : ch < 0x800 ? 2 : ch < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; ch >>= 6)
        to[i] = (char)(0x80 | (ch & 0x3f));
    to[0] = (char)(lead[n] | ch);
    return n;
}

static wint_t changed(const struct normalizer *w, enum letters letters, wint_t ch)
{
    if (ch < 0x80)
        return letters == LOWER ? ch | ((ch >= 'A' && ch <= 'Z') << 5)
                                : ch & ~((ch >= 'a' && ch <= 'z') << 5U);
    if (!w->locale)
        return ch;
    return letters == LOWER ? towlower_l(ch, w->locale) : towupper_l(ch, w->locale);
}

static int change_letters(struct mlo_op_call *c, enum letters letters, struct mlo_slice s,
                          struct mlo_slice *ret, struct mlo_err *err)
{
    char *text;
    size_t n, len = 0;
    *ret = s;
    if (letters == AS_THEY_ARE || s.len == 0)
        return 0;
    if (!mlo_utf8_valid(s.ptr, s.len))
        return mlo_op_refuse(c, err, "a text that is not UTF-8");
    if (__builtin_mul_overflow(s.len, 4, &n))
        return mlo_fail_nomem(err);
    int rc = mlo_text_new(c->session, n, &text, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < s.len; i += n)
        len += encode(changed(c->state, letters, decode((const unsigned char *)s.ptr + i, &n)), text + len);
    *ret = (struct mlo_slice){text, len};
    return 0;
}

static bool same(struct mlo_slice a, struct mlo_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static int is_stop(struct mlo_op_call *c, struct mlo_slice s, bool *ret, struct mlo_err *err)
{
    const struct normalizer *w = c->state;
    enum letters letters = w->exact ? AS_THEY_ARE : w->letters == AS_THEY_ARE ? LOWER : w->letters;
    struct mlo_slice word, stop;
    int rc = w->n_stops ? change_letters(c, letters, s, &word, err) : 0;
    *ret = false;
    for (size_t i = 0; rc == 0 && !*ret && i < w->n_stops; i++) {
        rc = change_letters(c, letters, w->stops[i], &stop, err);
        *ret = rc == 0 && same(word, stop);
    }
    return rc;
}

/* Stop words are left out; when nothing is left, one empty text is. */
static int run_normalizer(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct normalizer *w = c->state;
    const struct mlo_array *a;
    struct mlo_array *out;
    struct mlo_slice *kept;
    void *memory;
    size_t n = 0;
    int rc = mlo_in_typed(c, 0, MLO_DT_STRING, &a, err);
    if (rc == 0 && a->rank != 1 && (a->rank != 2 || a->dims[0] != 1))
        rc = mlo_op_refuse(c, err, "neither a row nor a table of one row");
    if (rc == 0)
        rc = mlo_scratch(c, a->n + 1, sizeof *kept, &memory, err);
    if (rc != 0)
        return rc;
    kept = memory;
    for (size_t i = 0; rc == 0 && i < a->n; i++) {
        struct mlo_slice s = ((const struct mlo_slice *)a->data)[i];
        bool stop;
        rc = is_stop(c, s, &stop, err);
        if (rc == 0 && !stop)
            rc = change_letters(c, w->letters, s, &kept[n++], err);
    }
    if (rc == 0 && n == 0)
        kept[n++] = (struct mlo_slice){"", 0};
    const int64_t dims[2] = {a->rank == 2 ? 1 : (int64_t)n, (int64_t)n};
    if (rc == 0)
        rc = mlo_out_new(c, 0, MLO_DT_STRING, dims, a->rank, &out, err);
    if (rc == 0 && out)
        memcpy(out->data, kept, n * sizeof *kept);
    return rc;
}

/* ---- RegexFullMatch ---- */

static void free_regex(void *state)
{
    mlo_pattern_free(state);
}

static int prepare_regex(const struct mlo_op_prepare *p, void **ret_state, struct mlo_err *err)
{
    const struct mlo_attr *a = mlo_node_attr(p->node, "pattern");
    struct mlo_pattern *pattern = NULL;
    if (!a || a->kind != MLO_ATTR_STRING)
        return mlo_fail(err, MLO_EINVALID, "no pattern");
    int rc = mlo_pattern_re2(a->s, &pattern, err);
    if (rc == 0)
        *ret_state = pattern;
    return rc;
}

static int match_all(struct mlo_op_call *c, const struct mlo_array *a, uint8_t *to, struct mlo_err *err)
{
    struct mlo_matcher m = {0};
    int rc = mlo_matcher_init(&m, err);
    for (size_t i = 0; rc == 0 && i < a->n; i++) {
        enum mlo_matched got = mlo_pattern_match(c->state, &m, ((const struct mlo_slice *)a->data)[i]);
        if (got == MLO_MATCHED_TOO_LONG)
            rc = mlo_fail(err, MLO_EUNAVAIL, "text %zu takes the pattern more work than is allowed", i);
        to[i] = got == MLO_MATCHED_YES;
    }
    mlo_matcher_release(&m);
    return rc;
}

static int run_regex(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a;
    struct mlo_array *out;
    int rc = mlo_in_typed(c, 0, MLO_DT_STRING, &a, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, MLO_DT_BOOL, a->dims, a->rank, &out, err);
    return rc == 0 && out ? match_all(c, a, out->data, err) : rc;
}

static const struct mlo_op ops[] = {
    {.name = "StringConcat", .since = 20, .run = run_string_concat},
    {.name = "StringSplit", .since = 20, .run = run_string_split},
    {.name = "StringNormalizer",
     .since = 10,
     .run = run_normalizer,
     .prepare = prepare_normalizer,
     .release = free_normalizer},
    {.name = "RegexFullMatch",
     .since = 20,
     .run = run_regex,
     .prepare = prepare_regex,
     .release = free_regex},
};
const struct mlo_op_family mlo_ops_text = {"", ops, MLO_COUNT(ops)};
