#include "kernels.h"

#include <math.h>
#include <string.h>

#include "internal.h"

/* ---- stops ---- */

static uint64_t load(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

/* Bit i: byte i of the word is c. Bytes that differ leave a high bit when 0x7f is added; what is left is
 * gathered by a multiplication. */
static uint64_t equal_bytes(uint64_t word, uint64_t c)
{
    const uint64_t low = 0x7f7f7f7f7f7f7f7f;
    uint64_t x = word ^ c, same = ~(((x & low) + low) | x | low);
    return (same >> 7) * 0x0102040810204080 >> 56;
}

static uint64_t repeated(char c)
{
    return (uint64_t)(unsigned char)c * 0x0101010101010101;
}

static void stops(struct mlo_stops *s, const char *text, size_t n, char separator)
{
    for (size_t from = 0; from < n; from += 64) {
        uint64_t found = 0, newlines = 0, quotes = 0;
        for (size_t i = 0; i < 64; i += 8) {
            uint64_t word = load(text + from + i), nl = equal_bytes(word, repeated('\n'));
            newlines |= nl << i;
            found |= (nl | equal_bytes(word, repeated(separator))) << i;
            quotes |= equal_bytes(word, repeated('"')) << i;
        }
        uint64_t valid = n - from < 64 ? ((uint64_t)1 << (n - from)) - 1 : UINT64_MAX;
        found = mlo_stops_outside(s, found & valid, newlines & valid, quotes & valid);
        for (; found; found &= found - 1)
            s->at[s->n++] = (uint32_t)(from + (size_t)__builtin_ctzll(found));
    }
}

/* ---- numbers ---- */

static void numbers(const char *text, const uint32_t *bounds, size_t stride, size_t rows,
                    double (*ret)[MLO_NUMBERS_STEP], uint8_t *ret_read)
{
    for (size_t r = 0; r < rows; r++, bounds += stride) {
        ret_read[r] = 0;
        for (unsigned i = 0; i < MLO_NUMBERS_STEP; i++) {
            uint32_t start = bounds[i] + 1, end = bounds[i + 1];
            bool is_number = end > start && mlo_cell_number(text + start, end - start, &ret[r][i]);
            ret_read[r] |= (uint8_t)((is_number && isfinite(ret[r][i])) << i);
        }
    }
}

/* ---- choice ---- */

static bool always(void)
{
    return true;
}

static const struct mlo_kernels portable = {"portable", always, stops, numbers};

const struct mlo_kernels *const mlo_kernels[] = {
#if defined(__x86_64__) && defined(__GNUC__)
    &mlo_kernels_avx512, &mlo_kernels_avx2,
#endif
    &portable, NULL};

const struct mlo_kernels *mlo_kernels_best(void)
{
    size_t i = 0;
    while (!mlo_kernels[i]->usable())
        i++;
    return mlo_kernels[i];
}
