/* Polynomials of symbols, each kept once, so that equal ones have the same number. */
#include "extent.h"

#include <inttypes.h>
#include <string.h>

#define SLOTS ((size_t)2 * MLO_EXTENTS_MAX)

int mlo_extents_init(struct mlo_extents *t, struct mlo_err *err)
{
    t->polynomials = mlo_calloc(MLO_EXTENTS_MAX + 1, sizeof *t->polynomials, err);
    t->slots = t->polynomials ? mlo_calloc(SLOTS, sizeof *t->slots, err) : NULL;
    return t->slots ? 0 : err->code;
}

void mlo_extents_release(struct mlo_extents *t)
{
    free(t->polynomials);
    free(t->slots);
    *t = (struct mlo_extents){0};
}

/* ---- terms ---- */

static size_t degree(const struct mlo_term *x)
{
    size_t n = 0;
    while (n < MLO_EXTENT_POWERS && x->of[n])
        n++;
    return n;
}

static int order(const struct mlo_term *a, const struct mlo_term *b)
{
    size_t x = degree(a), y = degree(b);
    return x != y ? (x < y) - (x > y) : memcmp(a->of, b->of, sizeof a->of);
}

/* false: it has no room. */
static bool add_term(struct mlo_polynomial *p, const struct mlo_term *x)
{
    size_t at = 0;
    while (at < p->n && order(&p->terms[at], x) < 0)
        at++;
    if (at < p->n && order(&p->terms[at], x) == 0) {
        if (__builtin_add_overflow(p->terms[at].times, x->times, &p->terms[at].times))
            return false;
        if (p->terms[at].times == 0) {
            memmove(&p->terms[at], &p->terms[at + 1], (p->n - at - 1) * sizeof *x);
            p->terms[--p->n] = (struct mlo_term){0};
        }
        return true;
    }
    if (x->times == 0)
        return true;
    if (p->n == MLO_EXTENT_TERMS)
        return false;
    memmove(&p->terms[at + 1], &p->terms[at], (p->n - at) * sizeof *x);
    p->terms[at] = *x;
    p->n++;
    return true;
}

static bool multiply_terms(const struct mlo_term *a, const struct mlo_term *b, struct mlo_term *ret)
{
    size_t n = degree(a), m = degree(b), i = 0, k = 0;
    *ret = (struct mlo_term){0};
    if (n + m > MLO_EXTENT_POWERS || __builtin_mul_overflow(a->times, b->times, &ret->times))
        return false;
    while (i + k < n + m)
        if (k == m || (i < n && a->of[i] < b->of[k])) {
            ret->of[i + k] = a->of[i];
            i++;
        } else {
            ret->of[i + k] = b->of[k];
            k++;
        }
    return true;
}

/* Without rest. */
static bool divide_terms(const struct mlo_term *a, const struct mlo_term *b, struct mlo_term *ret)
{
    size_t n = degree(a), m = degree(b), left = 0, k = 0;
    if (b->times == 0 || b->times == -1 || a->times % b->times != 0)
        return false;
    *ret = (struct mlo_term){.times = a->times / b->times};
    for (size_t i = 0; i < n; i++)
        if (k < m && a->of[i] == b->of[k])
            k++;
        else
            ret->of[left++] = a->of[i];
    return k == m;
}

/* ---- the table ---- */

static struct mlo_polynomial terms_of(const struct mlo_extents *t, struct mlo_extent e)
{
    struct mlo_polynomial p = {0};
    if (e.of)
        return t->polynomials[e.of];
    p.n = e.number != 0;
    p.terms[0].times = e.number;
    return p;
}

static size_t hash(const struct mlo_polynomial *p)
{
    uint64_t h = p->n;
    for (size_t i = 0; i < p->n; i++) {
        uint64_t of;
        memcpy(&of, p->terms[i].of, sizeof of);
        h = (h ^ (uint64_t)p->terms[i].times) * 0x9E3779B97F4A7C15U;
        h = (h ^ of ^ h >> 29) * 0xBF58476D1CE4E5B9U;
    }
    return (size_t)(h >> 32) % SLOTS;
}

struct mlo_extent mlo_extent_keep(struct mlo_extents *t, const struct mlo_polynomial *p)
{
    size_t at = hash(p);
    if (p->n == 0 || (p->n == 1 && degree(&p->terms[0]) == 0))
        return mlo_extent_of(p->n ? p->terms[0].times : 0);
    for (; t->slots[at]; at = (at + 1) % SLOTS)
        if (memcmp(&t->polynomials[t->slots[at]], p, sizeof *p) == 0)
            return (struct mlo_extent){.of = t->slots[at]};
    if (t->n == MLO_EXTENTS_MAX)
        return mlo_extent_open();
    t->polynomials[++t->n] = *p;
    t->slots[at] = (unsigned short)t->n;
    return (struct mlo_extent){.of = (unsigned)t->n};
}

/* ---- arithmetic ---- */

struct mlo_extent mlo_extent_symbol(struct mlo_extents *t, const char *name)
{
    struct mlo_polynomial p = {.n = 1, .terms = {{.times = 1}}};
    size_t i = 1;
    while (i <= t->n_symbols && strcmp(t->symbols[i], name) != 0)
        i++;
    if (i > MLO_SYMBOLS_MAX)
        return mlo_extent_open();
    if (i > t->n_symbols)
        t->symbols[++t->n_symbols] = name;
    p.terms[0].of[0] = (unsigned char)i;
    return mlo_extent_keep(t, &p);
}

unsigned mlo_extent_as_symbol(const struct mlo_extents *t, struct mlo_extent e)
{
    if (e.of == 0 || e.of == MLO_OPEN)
        return 0;
    const struct mlo_polynomial *p = &t->polynomials[e.of];
    return p->n == 1 && p->terms[0].times == 1 && degree(&p->terms[0]) == 1 ? p->terms[0].of[0] : 0;
}

static bool add_times(const struct mlo_extents *t, struct mlo_polynomial *sum, struct mlo_extent e,
                      int64_t times)
{
    if (mlo_extent_is_open(e))
        return false;
    struct mlo_polynomial p = terms_of(t, e);
    for (size_t i = 0; i < p.n; i++)
        if (__builtin_mul_overflow(p.terms[i].times, times, &p.terms[i].times) || !add_term(sum, &p.terms[i]))
            return false;
    return true;
}

bool mlo_extent_sum(const struct mlo_extents *t, struct mlo_polynomial *sum, struct mlo_extent e)
{
    return add_times(t, sum, e, 1);
}

struct mlo_extent mlo_extent_add(struct mlo_extents *t, struct mlo_extent a, struct mlo_extent b)
{
    struct mlo_polynomial sum = {0};
    bool good = add_times(t, &sum, a, 1) && add_times(t, &sum, b, 1);
    return good ? mlo_extent_keep(t, &sum) : mlo_extent_open();
}

struct mlo_extent mlo_extent_subtract(struct mlo_extents *t, struct mlo_extent a, struct mlo_extent b)
{
    struct mlo_polynomial sum = {0};
    bool good = add_times(t, &sum, a, 1) && add_times(t, &sum, b, -1);
    return good ? mlo_extent_keep(t, &sum) : mlo_extent_open();
}

struct mlo_extent mlo_extent_multiply(struct mlo_extents *t, struct mlo_extent a, struct mlo_extent b)
{
    struct mlo_polynomial sum = {0};
    struct mlo_term x;
    if (mlo_extent_is(a, 0) || mlo_extent_is(b, 0))
        return mlo_extent_of(0);
    if (mlo_extent_is_open(a) || mlo_extent_is_open(b))
        return mlo_extent_open();
    struct mlo_polynomial p = terms_of(t, a), q = terms_of(t, b);
    for (size_t i = 0; i < p.n; i++)
        for (size_t k = 0; k < q.n; k++)
            if (!multiply_terms(&p.terms[i], &q.terms[k], &x) || !add_term(&sum, &x))
                return mlo_extent_open();
    return mlo_extent_keep(t, &sum);
}

/* By a single term; a polynomial divides itself alone. */
struct mlo_extent mlo_extent_divide(struct mlo_extents *t, struct mlo_extent a, struct mlo_extent b)
{
    struct mlo_polynomial sum = {0};
    struct mlo_term x;
    if (mlo_extent_is_open(a) || mlo_extent_is_open(b) || mlo_extent_is(b, 0))
        return mlo_extent_open();
    if (mlo_extent_same(a, b))
        return mlo_extent_of(1);
    struct mlo_polynomial p = terms_of(t, a), q = terms_of(t, b);
    for (size_t i = 0; i < p.n; i++)
        if (q.n != 1 || !divide_terms(&p.terms[i], &q.terms[0], &x) || !add_term(&sum, &x))
            return mlo_extent_open();
    return mlo_extent_keep(t, &sum);
}

bool mlo_extent_is_positive(const struct mlo_extents *t, struct mlo_extent e)
{
    if (e.of == 0 || e.of == MLO_OPEN)
        return e.of == 0 && e.number > 0;
    for (size_t i = 0; i < t->polynomials[e.of].n; i++)
        if (t->polynomials[e.of].terms[i].times < 0)
            return false;
    return true;
}

bool mlo_extent_value(const struct mlo_extents *t, struct mlo_extent e, const int64_t *values, int64_t *ret)
{
    int64_t sum = 0;
    if (mlo_extent_is_open(e))
        return false;
    struct mlo_polynomial p = terms_of(t, e);
    for (size_t i = 0; i < p.n; i++) {
        int64_t x = p.terms[i].times;
        for (size_t k = 0; k < degree(&p.terms[i]); k++)
            if (__builtin_mul_overflow(x, values[p.terms[i].of[k]], &x))
                return false;
        if (__builtin_add_overflow(sum, x, &sum))
            return false;
    }
    *ret = sum;
    return true;
}

/* ---- text ---- */

static void term_text(const struct mlo_extents *t, const struct mlo_term *x, bool first, struct mlo_str *to)
{
    size_t n = degree(x);
    if (!first && x->times > 0)
        mlo_str_addc(to, '+');
    if (n == 0 || (x->times != 1 && x->times != -1))
        mlo_str_addf(to, "%" PRId64 "%s", x->times, n ? "*" : "");
    else if (x->times == -1)
        mlo_str_addc(to, '-');
    for (size_t i = 0, k; i < n; i = k) {
        for (k = i; k < n && x->of[k] == x->of[i];)
            k++;
        mlo_str_addf(to, "%s%s", i ? "*" : "", t->symbols[x->of[i]]);
        if (k - i > 1)
            mlo_str_addf(to, "^%zu", k - i);
    }
}

void mlo_extent_text(const struct mlo_extents *t, struct mlo_extent e, struct mlo_str *to)
{
    if (e.of == 0 || e.of == MLO_OPEN) {
        if (e.of)
            mlo_str_add(to, "?");
        else
            mlo_str_addf(to, "%" PRId64, e.number);
        return;
    }
    const struct mlo_polynomial *p = &t->polynomials[e.of];
    for (size_t i = 0; i < p->n; i++)
        term_text(t, &p->terms[i], i == 0, to);
}
