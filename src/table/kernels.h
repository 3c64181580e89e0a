/*
 * The two loops that reading delimited text is made of: over every byte, and over every number. Each is there
 * in portable C and for the instructions some machines have; all give the same.
 */
#ifndef MLO_TABLE_KERNELS_H
#define MLO_TABLE_KERNELS_H

#include <mlopsctl/base/mem.h>

#define MLO_STOPS_STEP     ((size_t)64) /* bytes, and entries that may be written in excess */
#define MLO_NUMBERS_STEP   8
#define MLO_NUMBERS_BEFORE ((uint32_t)33) /* readable bytes before the end of a number */

/* Separators and newlines outside quotes. Starts as {.before = 1} with room in `at`. */
struct mlo_stops {
    uint32_t *at;    /* offsets; room for as many as there are bytes, and MLO_STOPS_STEP */
    size_t n;        /* of them */
    size_t newlines; /* among them */
    uint64_t inside; /* all ones: the text so far ends within quotes */
    uint64_t before; /* 1: a quote that comes next may open a field, or follows a quote */
    bool odd;        /* a quote within a field, or a newline within quotes: not all of `at` can be believed */
};
struct mlo_kernels {
    const char *name;
    bool (*usable)(void);
    /* Up to MLO_STOPS_STEP bytes behind the text are read. */
    void (*stops)(struct mlo_stops *s, const char *text, size_t n, char separator);
    /*
     * MLO_NUMBERS_STEP fields of each of some rows: field i stands between the bytes at bounds[i] and
     * bounds[i + 1], of which the first may be -1, and those of the next row `stride` further on. Bits of
     * `read` tell which of a row are [-]digits[.digits] and stand, correctly rounded, in `ret`; what the
     * others are has to be found out.
     */
    void (*numbers)(const char *text, const uint32_t *bounds, size_t stride, size_t rows,
                    double (*ret)[MLO_NUMBERS_STEP], uint8_t *ret_read);
};
/* Fastest first, ended by the portable one. */
extern const struct mlo_kernels *const mlo_kernels[];
extern const struct mlo_kernels mlo_kernels_avx512, mlo_kernels_avx2;
const struct mlo_kernels *mlo_kernels_best(void);

/* ---- what all of them share ---- */

/* Bit i of the result: how many bits up to i are set, odd or even. */
static inline uint64_t mlo_parity_before(uint64_t bits)
{
    for (int i = 1; i < 64; i *= 2)
        bits ^= bits << i;
    return bits;
}

/* Given the places of three kinds of byte among the next 64, those of the stops that are outside quotes. */
static inline uint64_t mlo_stops_outside(struct mlo_stops *s, uint64_t stops, uint64_t newlines,
                                         uint64_t quotes)
{
    uint64_t inside = 0;
    if (quotes | s->inside) {
        inside = mlo_parity_before(quotes) ^ s->inside;
        uint64_t may_open = ((stops & ~inside) | quotes) << 1 | s->before;
        s->odd = s->odd || (newlines & inside) || (quotes & inside & ~may_open);
        s->inside = inside >> 63 ? UINT64_MAX : 0;
    }
    s->before = ((stops & ~inside) | quotes) >> 63;
    s->newlines += (size_t)__builtin_popcountll(newlines & ~inside);
    return stops & ~inside;
}

#endif
