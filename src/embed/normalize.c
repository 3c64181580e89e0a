/*
 * BertNormalizer: cleaning, spaces around CJK, canonical decomposition without accents, lower case, in the
 * reference's order, each a step of the same pass. Plain ASCII takes a table instead.
 */
#include "internal.h"

#include <mlopsctl/base/text.h>

#include "unicode.h"

void mlo_normalizer_prepare(struct mlo_normalizer *n)
{
    for (uint32_t c = 0; c < 128; c++) {
        unsigned flags = mlo_char(c);
        n->ascii[c] = (uint8_t)(n->clean && flags & MLO_CHAR_DROP        ? MLO_ASCII_DROP
                                : n->clean && flags & MLO_CHAR_WHITE     ? ' '
                                : n->lowercase && flags & MLO_CHAR_UPPER ? mlo_char_lowercase(c)
                                                                         : c);
    }
}

struct pass {
    const struct mlo_normalizer *how;
    struct mlo_str *out;
    /* Characters that change places until one comes that does not: class << 53 | position << 21 | character,
     * so that sorting is stable. */
    uint64_t *waiting;
    size_t n, cap;
};

static void put(struct mlo_str *out, uint32_t cp)
{
    char buf[MLO_UTF8_BYTES];
    mlo_str_addn(out, buf, mlo_utf8_encode(cp, buf));
}

static void put_lowered(struct pass *p, uint32_t cp)
{
    bool lower = p->how->lowercase && mlo_char(cp) & MLO_CHAR_UPPER;
    put(p->out, lower ? mlo_char_lowercase(cp) : cp);
    if (lower && cp == MLO_DOTTED_I)
        put(p->out, MLO_COMBINING_DOT);
}

static int compare_waiting(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void put_waiting(struct pass *p)
{
    if (p->n > 1)
        qsort(p->waiting, p->n, sizeof *p->waiting, compare_waiting);
    for (size_t i = 0; i < p->n; i++)
        put_lowered(p, p->waiting[i] & 0x1FFFFF);
    p->n = 0;
}

/* A character of the decomposed text. */
static int take_decomposed(struct pass *p, uint32_t cp, struct mlo_err *err)
{
    unsigned flags = mlo_char(cp);
    if (flags & MLO_CHAR_ORDERED) {
        /* Accents go whatever their place is, and the others keep their order without them. */
        if (flags & MLO_CHAR_MARK)
            return 0;
        if (mlo_grow(&p->waiting, &p->cap, p->n + 1, sizeof *p->waiting, err) != 0)
            return err->code;
        p->waiting[p->n] = (uint64_t)mlo_char_order(cp) << 53 | (uint64_t)p->n << 21 | cp;
        p->n++;
        return 0;
    }
    put_waiting(p);
    if (!(flags & MLO_CHAR_MARK))
        put_lowered(p, cp);
    return 0;
}

static int take(struct pass *p, uint32_t cp, struct mlo_err *err)
{
    uint32_t to[MLO_CHAR_SPLIT];
    int rc = 0;
    if (!p->how->strip_accents) {
        put_lowered(p, cp);
        return 0;
    }
    if (!(mlo_char(cp) & MLO_CHAR_SPLITS))
        return take_decomposed(p, cp, err);
    size_t n = mlo_char_decompose(cp, to);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = take_decomposed(p, to[i], err);
    return rc;
}

static int take_raw(struct pass *p, uint32_t cp, struct mlo_err *err)
{
    unsigned flags = mlo_char(cp);
    if (p->how->clean && flags & MLO_CHAR_DROP)
        return 0;
    if (p->how->clean && flags & MLO_CHAR_WHITE)
        cp = ' ';
    if (!(p->how->cjk && flags & MLO_CHAR_CJK))
        return take(p, cp, err);
    int rc = take(p, ' ', err);
    if (rc == 0)
        rc = take(p, cp, err);
    return rc == 0 ? take(p, ' ', err) : rc;
}

/* The ASCII that p begins with; returns its length. */
static size_t take_ascii(struct pass *p, const char *text, size_t n)
{
    char buf[256];
    size_t i, k = 0;
    for (i = 0; i < n && i < sizeof buf && (uint8_t)text[i] < 0x80; i++) {
        uint8_t c = p->how->ascii[(uint8_t)text[i]];
        buf[k] = (char)c;
        k += c != MLO_ASCII_DROP;
    }
    if (k > 0) {
        put_waiting(p);
        mlo_str_addn(p->out, buf, k);
    }
    return i;
}

int mlo_normalize_text(const struct mlo_normalizer *n, struct mlo_slice text, struct mlo_str *out,
                       struct mlo_err *err)
{
    struct pass p = {.how = n, .out = out};
    const char *at = text.ptr, *end = text.ptr + text.len;
    int rc = 0;
    while (rc == 0 && at < end) {
        at += take_ascii(&p, at, (size_t)(end - at));
        if (at < end && (uint8_t)*at >= 0x80)
            rc = take_raw(&p, mlo_char_next(&at), err);
    }
    put_waiting(&p);
    free(p.waiting);
    return rc == 0 ? mlo_str_check(out, err) : rc;
}
