/*
 * Two quick ways. A mantissa and a power of ten that are both exact as doubles are rounded once, by one
 * operation (Clinger 1990, "How to read floating point numbers accurately"). Else the mantissa is multiplied
 * with the highest 128 bits of the power, and the product's bits tell the rounding unless those that were cut
 * off could matter (Lemire 2021, "Number parsing at a gigabyte per second").
 */
#include "decimal.h"

#include <string.h>

#include <mlopsctl/base/number.h>

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
