/*
 * Extents: how long a dimension is, when not all is known yet. A number; a polynomial of symbols with whole
 * coefficients ("seq+1", "12*batch*seq"), which is what exporters' arithmetic on shapes makes; or open.
 * Counts of operations are extents, too.
 *
 * A symbol stands for a number that is at least 1. What cannot be said as a polynomial of MLO_EXTENT_TERMS
 * terms, or no longer fits into 64 bits, is open: nothing here fails.
 */
#ifndef MLO_INFER_EXTENT_H
#define MLO_INFER_EXTENT_H

#include <mlopsctl/base/mem.h>
#include <mlopsctl/base/str.h>

#define MLO_EXTENT_TERMS  8
#define MLO_EXTENT_POWERS 8   /* symbols in one term, the same one counted as often as it stands there */
#define MLO_SYMBOLS_MAX   255 /* of a model; further ones are open */
#define MLO_EXTENTS_MAX   512 /* different polynomials of a model */

struct mlo_extent {
    int64_t number;
    unsigned of; /* 0: it is `number`; MLO_OPEN; else a polynomial of the table */
};
#define MLO_OPEN UINT32_MAX

struct mlo_term {
    int64_t times;                       /* not 0 */
    unsigned char of[MLO_EXTENT_POWERS]; /* symbols from 1, ascending, 0 behind them */
};
struct mlo_polynomial { /* terms of more symbols first; one at least has a symbol */
    size_t n;
    struct mlo_term terms[MLO_EXTENT_TERMS];
};
struct mlo_extents {                          /* begin with {0} and mlo_extents_init */
    const char *symbols[MLO_SYMBOLS_MAX + 1]; /* borrowed */
    size_t n_symbols;
    struct mlo_polynomial *polynomials; /* equal ones stand there once */
    size_t n;
    unsigned short *slots; /* by hash: polynomials from 1 */
};
int mlo_extents_init(struct mlo_extents *t, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_extents_release(struct mlo_extents *t);

static inline struct mlo_extent mlo_extent_of(int64_t number)
{
    return (struct mlo_extent){.number = number};
}
static inline struct mlo_extent mlo_extent_open(void)
{
    return (struct mlo_extent){.of = MLO_OPEN};
}
static inline bool mlo_extent_is_number(struct mlo_extent e)
{
    return e.of == 0;
}
static inline bool mlo_extent_is_open(struct mlo_extent e)
{
    return e.of == MLO_OPEN;
}
static inline bool mlo_extent_is(struct mlo_extent e, int64_t number)
{
    return e.of == 0 && e.number == number;
}
/* Known to be the same; open ones are not. */
static inline bool mlo_extent_same(struct mlo_extent a, struct mlo_extent b)
{
    return a.of == b.of && a.number == b.number && a.of != MLO_OPEN;
}

/* The symbol of this name, which is borrowed; open when there are too many. */
struct mlo_extent mlo_extent_symbol(struct mlo_extents *t, const char *name);
/* The number of the symbol from 1 when it is one and nothing else; 0. */
unsigned mlo_extent_as_symbol(const struct mlo_extents *t, struct mlo_extent e);
struct mlo_extent mlo_extent_add(struct mlo_extents *t, struct mlo_extent a, struct mlo_extent b);
struct mlo_extent mlo_extent_subtract(struct mlo_extents *t, struct mlo_extent a, struct mlo_extent b);
struct mlo_extent mlo_extent_multiply(struct mlo_extents *t, struct mlo_extent a, struct mlo_extent b);
/* Open unless it divides without rest whatever the symbols are. */
struct mlo_extent mlo_extent_divide(struct mlo_extents *t, struct mlo_extent a, struct mlo_extent b);
/* A sum of many is begun with {0} and kept when it is whole. false: it is open. */
bool mlo_extent_sum(const struct mlo_extents *t, struct mlo_polynomial *sum, struct mlo_extent e);
struct mlo_extent mlo_extent_keep(struct mlo_extents *t, const struct mlo_polynomial *sum);
/* At least 1 whatever the symbols are? */
bool mlo_extent_is_positive(const struct mlo_extents *t, struct mlo_extent e);
/* values: of each symbol from 1. false: open, or it does not fit. */
bool mlo_extent_value(const struct mlo_extents *t, struct mlo_extent e, const int64_t *values, int64_t *ret);
/* "2*batch*seq^2+1"; "?" when it is open. */
void mlo_extent_text(const struct mlo_extents *t, struct mlo_extent e, struct mlo_str *to);

#endif
