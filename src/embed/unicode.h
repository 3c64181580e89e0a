/*
 * What the reference tokenizer does with a character. unicode_data.c holds its answers, one for each; it is
 * written by scripts/gen-unicode.
 */
#ifndef MLO_EMBED_UNICODE_H
#define MLO_EMBED_UNICODE_H

#include <stddef.h>
#include <stdint.h>

enum mlo_char_flag {
    MLO_CHAR_DROP = 1,     /* goes when text is cleaned: control, format, private use, U+FFFD */
    MLO_CHAR_WHITE = 2,    /* ends a word */
    MLO_CHAR_MARK = 4,     /* an accent */
    MLO_CHAR_PUNCT = 8,    /* a word of its own */
    MLO_CHAR_CJK = 16,     /* gets spaces around it */
    MLO_CHAR_SPLITS = 32,  /* has a canonical decomposition */
    MLO_CHAR_UPPER = 64,   /* has another lower case */
    MLO_CHAR_ORDERED = 128 /* changes places with its like: a combining class that is not 0 */
};

#define MLO_CHAR_PAGES    (0x110000 / 256)
#define MLO_CHAR_SPLIT    4 /* longest decomposition */
#define MLO_DOTTED_I      0x130
#define MLO_COMBINING_DOT 0x307

struct mlo_char_split { /* whole decompositions, sorted by from; Hangul is calculated */
    uint32_t from, to[MLO_CHAR_SPLIT];
};
struct mlo_char_lower { /* those of first..last that have another lower case move by delta */
    uint32_t first, last;
    int32_t delta;
};
struct mlo_char_order {
    uint32_t first, last;
    uint8_t order; /* combining class */
};
extern const uint8_t mlo_char_page[MLO_CHAR_PAGES], mlo_char_flags[][256];
extern const struct mlo_char_split mlo_char_splits[];
extern const struct mlo_char_lower mlo_char_lowers[];
extern const struct mlo_char_order mlo_char_orders[];
extern const size_t mlo_char_splits_n, mlo_char_lowers_n, mlo_char_orders_n;

/* enum mlo_char_flag, several. */
static inline unsigned mlo_char(uint32_t cp)
{
    return mlo_char_flags[mlo_char_page[cp >> 8]][cp & 255];
}
/* Canonical decomposition of a character with MLO_CHAR_SPLITS; returns how many. */
size_t mlo_char_decompose(uint32_t cp, uint32_t ret[MLO_CHAR_SPLIT]);
/* Of a character with MLO_CHAR_UPPER; U+0130 becomes two, of which this is the first. */
uint32_t mlo_char_lowercase(uint32_t cp);
/* Of a character with MLO_CHAR_ORDERED. */
uint8_t mlo_char_order(uint32_t cp);

/* The next character of text that is known to be UTF-8. */
static inline uint32_t mlo_char_next(const char **p)
{
    const unsigned char *s = (const unsigned char *)*p;
    unsigned n = s[0] < 0x80 ? 1 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    uint32_t cp = n == 1 ? s[0] : s[0] & (0x7Fu >> n);
    for (unsigned i = 1; i < n; i++)
        cp = cp << 6 | (s[i] & 0x3F);
    *p += n;
    return cp;
}

#endif
