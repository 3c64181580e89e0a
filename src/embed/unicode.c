/* Decomposition, lower case and combining class of one character, looked up in unicode_data.c. */
#include "unicode.h"

#include <stdlib.h>

/* Hangul syllables are calculated (Unicode, section 3.12). */
enum {
    S_BASE = 0xAC00,
    S_COUNT = 11172,
    L_BASE = 0x1100,
    V_BASE = 0x1161,
    T_BASE = 0x11A7,
    V_COUNT = 21,
    T_COUNT = 28
};

static size_t decompose_hangul(uint32_t s, uint32_t ret[MLO_CHAR_SPLIT])
{
    ret[0] = L_BASE + s / (V_COUNT * T_COUNT);
    ret[1] = V_BASE + s / T_COUNT % V_COUNT;
    ret[2] = T_BASE + s % T_COUNT;
    return s % T_COUNT ? 3 : 2;
}

static int compare_split(const void *key, const void *entry)
{
    uint32_t a = *(const uint32_t *)key, b = ((const struct mlo_char_split *)entry)->from;
    return (a > b) - (a < b);
}

size_t mlo_char_decompose(uint32_t cp, uint32_t ret[MLO_CHAR_SPLIT])
{
    size_t n = 0;
    if (cp >= S_BASE && cp < S_BASE + S_COUNT)
        return decompose_hangul(cp - S_BASE, ret);
    const struct mlo_char_split *s = bsearch(&cp, mlo_char_splits, mlo_char_splits_n, sizeof *mlo_char_splits,
                                             compare_split);
    for (; s && n < MLO_CHAR_SPLIT && s->to[n]; n++)
        ret[n] = s->to[n];
    return n;
}

static int compare_lower(const void *key, const void *entry)
{
    uint32_t cp = *(const uint32_t *)key;
    const struct mlo_char_lower *l = entry;
    return cp < l->first ? -1 : cp > l->last;
}

uint32_t mlo_char_lowercase(uint32_t cp)
{
    if (cp == MLO_DOTTED_I)
        return 'i';
    const struct mlo_char_lower *l = bsearch(&cp, mlo_char_lowers, mlo_char_lowers_n, sizeof *mlo_char_lowers,
                                             compare_lower);
    return l ? (uint32_t)((int32_t)cp + l->delta) : cp;
}

static int compare_order(const void *key, const void *entry)
{
    uint32_t cp = *(const uint32_t *)key;
    const struct mlo_char_order *o = entry;
    return cp < o->first ? -1 : cp > o->last;
}

uint8_t mlo_char_order(uint32_t cp)
{
    const struct mlo_char_order *o = bsearch(&cp, mlo_char_orders, mlo_char_orders_n, sizeof *mlo_char_orders,
                                             compare_order);
    return o ? o->order : 0;
}
