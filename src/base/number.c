/*
 * Numbers to text. The shortest decimal that reads back the same, and of those the nearest, after Giulietti
 * 2020, "The Schubfach way to render doubles": with the rounding interval scaled by one power of ten, at most
 * four candidates are compared. Powers of ten beyond the table are left to the C library.
 */
#include <mlopsctl/base/number.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_FIVE 55 /* 5^55 is exact in 128 bits */
#define PLAIN_MAX                                                                                            \
    15 /* whole numbers of more digits than these and than they have themselves get an exponent */
#define PLAIN_MIN (-4)

struct decimal {
    uint64_t digits; /* no zero at its end, unless it is 0 */
    int exponent;    /* of ten */
};
struct binary { /* fraction * 2^exponent */
    uint64_t fraction;
    int exponent;
    bool narrow; /* the number below is nearer than the one above: the first of its exponent */
};

/* floor(log10(2^e)), floor(log10(3/4 * 2^e)), floor(log2(10^e)) for the exponents that doubles have. */
static int log10_of_two_to(int e)
{
    return (e * 1262611) >> 22;
}
static int log10_of_narrow(int e)
{
    return (e * 1262611 - 524031) >> 22;
}
static int log2_of_ten_to(int e)
{
    return (e * 1741647) >> 19;
}

/* The power's highest 128 bits, rounded up. */
static struct mlo_power power_above(int e)
{
    struct mlo_power p = mlo_powers_of_five[e + MLO_POWER_MAX];
    bool exact = e >= 0 && e <= EXACT_FIVE;
    p.low += !exact;
    p.high += !exact && p.low == 0;
    return p;
}

/* The product's integer part with its last bit set when anything was cut off: enough to compare with. */
static uint64_t scaled(const struct mlo_power *g, uint64_t v)
{
    unsigned __int128 low = (unsigned __int128)g->low * v, high = (unsigned __int128)g->high * v;
    high += (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

static struct decimal without_zeros(uint64_t digits, int exponent)
{
    while (digits > 0 && digits % 10 == 0) {
        digits /= 10;
        exponent++;
    }
    return (struct decimal){digits, exponent};
}

/* False: a power that the table does not have. All numbers are four times theirs, so that halves are whole.
 */
static bool shortest(const struct binary *b, struct decimal *ret)
{
    int k = b->narrow ? log10_of_narrow(b->exponent) : log10_of_two_to(b->exponent);
    if (k < -MLO_POWER_MAX || k > MLO_POWER_MAX)
        return false;
    struct mlo_power g = power_above(-k);
    int shift = b->exponent + log2_of_ten_to(-k) + 1;
    uint64_t odd = b->fraction & 1, v4 = 4 * b->fraction;
    uint64_t low = scaled(&g, (v4 - 2 + b->narrow) << shift) + odd;
    uint64_t mid = scaled(&g, v4 << shift);
    uint64_t high = scaled(&g, (v4 + 2) << shift) - odd;
    uint64_t s = mid / 4, tens = s / 10;
    bool down, up;
    if (s >= 10) { /* one digit less */
        down = low <= 40 * tens;
        up = 40 * tens + 40 <= high;
        if (down != up) {
            *ret = without_zeros(tens + up, k + 1);
            return true;
        }
    }
    down = low <= 4 * s;
    up = 4 * s + 4 <= high;
    bool nearer_up = mid > 4 * s + 2 || (mid == 4 * s + 2 && (s & 1));
    *ret = without_zeros(s + (down != up ? up : nearer_up), k);
    return true;
}

/* ---- spelling ---- */

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                            "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                            "8081828384858687888990919293949596979899";

static unsigned count_digits(uint64_t v)
{
    unsigned n = 1;
    for (; v >= 10000; v /= 10000)
        n += 4;
    return n + (v >= 10) + (v >= 100) + (v >= 1000);
}

static void write_digits(uint64_t v, unsigned n, char *to)
{
    for (; n >= 2; n -= 2, v /= 100)
        memcpy(to + n - 2, pairs + v % 100 * 2, 2);
    if (n)
        *to = (char)('0' + v);
}

unsigned mlo_u64_digits(uint64_t v, char *buf)
{
    unsigned n = count_digits(v);
    write_digits(v, n, buf);
    return n;
}

unsigned mlo_i64_digits(int64_t v, char buf[MLO_WHOLE_TEXT])
{
    buf[0] = '-';
    return v < 0 ? 1 + mlo_u64_digits(0 - (uint64_t)v, buf + 1) : mlo_u64_digits((uint64_t)v, buf);
}

static unsigned write_exponent(int e, char *to)
{
    unsigned size = (unsigned)abs(e), n = size < 100 ? 2 : 3;
    to[0] = 'e';
    to[1] = e < 0 ? '-' : '+';
    write_digits(size, n, to + 2);
    return n + 2;
}

/* d.ddde+dd */
static unsigned spell_scientific(uint64_t digits, unsigned n, int e, char *to)
{
    write_digits(digits, n, to + 1);
    to[0] = to[1];
    to[1] = '.';
    unsigned at = n > 1 ? n + 1 : 1;
    return at + write_exponent(e, to + at);
}

static unsigned spell(const struct decimal *d, char *to)
{
    unsigned n = count_digits(d->digits);
    int e = d->exponent + (int)n - 1; /* of the first digit */
    if (e < PLAIN_MIN || (e >= PLAIN_MAX && e >= (int)n))
        return spell_scientific(d->digits, n, e, to);
    if (e < 0) { /* 0.000ddd */
        memcpy(to, "0.000", 5);
        write_digits(d->digits, n, to + 1 - e);
        return n + 1 + (unsigned)-e;
    }
    if (d->exponent >= 0) { /* ddd000 */
        write_digits(d->digits, n, to);
        memset(to + n, '0', (size_t)d->exponent);
        return n + (unsigned)d->exponent;
    }
    unsigned whole = (unsigned)e + 1; /* ddd.ddd */
    write_digits(d->digits, n, to + 1);
    memmove(to, to + 1, whole);
    to[whole] = '.';
    return n + 1;
}

static unsigned spell_word(double v, char *to)
{
    const char *word = isnan(v) ? "nan" : "inf";
    memcpy(to, word, 3);
    return 3;
}

/* ---- doubles ---- */

/* What the table does not reach. */
static unsigned slow(double v, char buf[MLO_DOUBLE_TEXT])
{
    int n = 0;
    for (int digits = 15; digits <= 17; digits++) {
        n = snprintf(buf, MLO_DOUBLE_TEXT, "%.*g", digits, v);
        if (strtod(buf, NULL) == v)
            break;
    }
    return (unsigned)n;
}

unsigned mlo_double_digits(double v, char buf[MLO_DOUBLE_TEXT])
{
    enum { BITS = 52, BIAS = 1075 };
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    unsigned sign = !isnan(v) && bits >> 63, biased = (unsigned)(bits >> BITS) & 0x7ff;
    uint64_t fraction = bits & (((uint64_t)1 << BITS) - 1);
    struct binary b = {fraction | (uint64_t)(biased > 0) << BITS, (int)biased - BIAS + (biased == 0),
                       fraction == 0 && biased > 1};
    struct decimal d = {0, 0};
    buf[0] = '-';
    if (biased == 0x7ff)
        return sign + spell_word(v, buf + sign);
    if (b.fraction && !shortest(&b, &d))
        return slow(v, buf);
    return sign + spell(&d, buf + sign);
}

char *mlo_double_text(double v, char buf[MLO_DOUBLE_TEXT])
{
    buf[mlo_double_digits(v, buf)] = '\0';
    return buf;
}

/* ---- floats ---- */

unsigned mlo_float_digits(float v, char buf[MLO_FLOAT_TEXT])
{
    enum { BITS = 23, BIAS = 150 };
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    unsigned sign = !isnan(v) && bits >> 31, biased = (bits >> BITS) & 0xff;
    uint32_t fraction = bits & (((uint32_t)1 << BITS) - 1);
    struct binary b = {fraction | (uint32_t)(biased > 0) << BITS, (int)biased - BIAS + (biased == 0),
                       fraction == 0 && biased > 1};
    struct decimal d = {0, 0};
    buf[0] = '-';
    if (biased == 0xff)
        return sign + spell_word((double)v, buf + sign);
    if (b.fraction)
        (void)shortest(&b, &d); /* powers of floats are all in the table */
    return sign + spell(&d, buf + sign);
}

char *mlo_float_text(float v, char buf[MLO_FLOAT_TEXT])
{
    buf[mlo_float_digits(v, buf)] = '\0';
    return buf;
}
