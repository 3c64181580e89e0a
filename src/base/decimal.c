/*
 * Two quick ways. A mantissa and a power of ten that are both exact as doubles are rounded once, by one
 * operation (Clinger 1990, "How to read floating point numbers accurately"). Else the mantissa is multiplied
 * with the highest 128 bits of the power, and the product's bits tell the rounding unless those that were cut
 * off could matter (Lemire 2021, "Number parsing at a gigabyte per second").
 */
#include <mlopsctl/base/decimal.h>

#include <float.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/base/number.h>

#define EXACT_DIGITS   19 /* of a mantissa in 64 bits */
#define EXACT_POWER    22 /* 10^22 is exact as a double */
#define EXACT_FIVE     55 /* 5^55 is exact in 128 bits */
#define DOUBLE_INTEGER ((uint64_t)1 << 53)
#define EXPONENT_BIAS  1023
#define FRACTION_BITS  52

static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* floor(log2(10^e)) for |e| up to 64 and beyond: 217706 / 2^16 is log2(10) to six digits. */
static int log2_of_ten_to(int e)
{
    return (217706 * e) >> 16;
}

/* The 192 bits of mantissa * power, the lowest of them only as "is there any". */
struct product {
    uint64_t high, middle;
    bool rest;
};

static struct product multiply(uint64_t mantissa, uint64_t high, uint64_t low)
{
    unsigned __int128 upper = (unsigned __int128)mantissa * high, lower = (unsigned __int128)mantissa * low;
    upper += (uint64_t)(lower >> 64);
    return (struct product){(uint64_t)(upper >> 64), (uint64_t)upper, (uint64_t)lower != 0};
}

bool mlo_decimal_long(uint64_t mantissa, int exponent, double *ret)
{
    if (mantissa == 0 || exponent < -MLO_POWER_MAX || exponent > MLO_POWER_MAX)
        return false;
    bool exact = exponent >= 0 && exponent <= EXACT_FIVE;
    int zeros = __builtin_clzll(mantissa);
    struct product p = multiply(mantissa << zeros, mlo_powers_of_five[exponent + MLO_POWER_MAX].high,
                                mlo_powers_of_five[exponent + MLO_POWER_MAX].low);
    if (!exact && p.middle == UINT64_MAX)
        return false; /* what was cut off may carry into `high` */
    int drop = 63 - FRACTION_BITS - !(p.high >> 63);
    uint64_t kept = p.high >> drop, dropped = p.high & (((uint64_t)1 << drop) - 1);
    uint64_t half = (uint64_t)1 << (drop - 1);
    /* No branches: nobody can foresee how a number is rounded. */
    bool more = (p.middle != 0) | p.rest | !exact;
    kept += (uint64_t)(dropped > half) | ((uint64_t)(dropped == half) & (more | (kept & 1)));
    int power = drop + 1 - zeros + log2_of_ten_to(exponent);
    uint64_t bits = ((uint64_t)(power + FRACTION_BITS + EXPONENT_BIAS - 1) << FRACTION_BITS) + kept;
    memcpy(ret, &bits, sizeof bits); /* the first bit of `kept` counts the exponent up by one */
    return true;
}

bool mlo_decimal(uint64_t mantissa, int exponent, double *ret)
{
    if (mantissa <= DOUBLE_INTEGER && exponent >= -EXACT_POWER && exponent <= EXACT_POWER) {
        double v = (double)mantissa;
        *ret = exponent < 0 ? v / powers[-exponent] : v * powers[exponent];
        return true;
    }
    if (mantissa == 0) {
        *ret = 0;
        return true;
    }
    return mlo_decimal_long(mantissa, exponent, ret);
}

/* ---- text ---- */

struct decimal {
    uint64_t mantissa;
    int exponent;
    bool negative, inexact; /* inexact: more digits than the mantissa holds */
};

static bool is_digit(const char *p, const char *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

/* Past "e-12"; NULL when nothing behind the "e" is a number. */
static const char *scan_exponent(const char *p, const char *end, int *ret)
{
    bool minus = ++p < end && *p == '-';
    int e = 0;
    p += p < end && (*p == '-' || *p == '+');
    if (!is_digit(p, end))
        return NULL;
    for (; is_digit(p, end); p++)
        e = e < 100000 ? e * 10 + (*p - '0') : e;
    *ret += minus ? -e : e;
    return p;
}

static const char *scan(const char *p, const char *end, struct decimal *ret)
{
    struct decimal d = {0};
    int digits = 0, any = 0;
    if (p < end && (*p == '-' || *p == '+'))
        d.negative = *p++ == '-';
    for (bool point = false; p < end; p++) {
        unsigned c = (unsigned char)*p - '0';
        if (c < 10) {
            any = 1;
            if (digits < EXACT_DIGITS) {
                d.mantissa = d.mantissa * 10 + c;
                digits += d.mantissa > 0;
                d.exponent -= point;
            } else {
                d.inexact = d.inexact || c > 0;
                d.exponent += !point;
            }
        } else if (*p == '.' && !point) {
            point = true;
        } else {
            break;
        }
    }
    if (any && p < end && (*p | 0x20) == 'e')
        p = scan_exponent(p, end, &d.exponent);
    *ret = d;
    return any ? p : NULL;
}

/* What the quick ways cannot tell the C library can: the text is copied, since it ends nowhere. */
static void copy_text(const char *s, const char *end, char buf[MLO_DECIMAL_TEXT + 1])
{
    memcpy(buf, s, (size_t)(end - s));
    buf[end - s] = '\0';
}

const char *mlo_decimal_read(const char *s, const char *end, double *ret)
{
    char buf[MLO_DECIMAL_TEXT + 1];
    struct decimal d;
    double v;
    end = scan(s, end, &d);
    if (!end || end - s > MLO_DECIMAL_TEXT)
        return NULL;
    if (d.inexact || !mlo_decimal(d.mantissa, d.exponent, &v)) {
        copy_text(s, end, buf);
        *ret = strtod(buf, NULL);
    } else {
        *ret = d.negative ? -v : v;
    }
    return end;
}

/*
 * A double on the border between two floats may have come there by rounding: only the text tells the side.
 * Numbers below the normal floats have their borders elsewhere.
 */
static bool on_border(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return (bits & 0x1fffffff) == 0x10000000 || (v != 0 && v > -FLT_MIN && v < FLT_MIN);
}

const char *mlo_decimal_read_float(const char *s, const char *end, float *ret)
{
    char buf[MLO_DECIMAL_TEXT + 1];
    double v;
    end = mlo_decimal_read(s, end, &v);
    if (!end)
        return NULL;
    *ret = (float)v;
    if (on_border(v)) {
        copy_text(s, end, buf);
        *ret = strtof(buf, NULL);
    }
    return end;
}
