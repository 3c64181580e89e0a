/*
 * Exact sums: a fixed-point number as wide as all doubles, in pieces of 32 bits that hold 31 bits of carries
 * (Kulisch's accumulator, in the small form of Neal 2015, "Fast exact summation using small and large
 * superaccumulators"). Addition commutes to the last bit, so sums merge in any order.
 */
#include <math.h>
#include <string.h>

#include <mlopsctl/base/lanes.h>

#include "internal.h"

#define LIMBS         ((size_t)(sizeof(((struct mlo_exact_sum *)0)->limb) / sizeof(uint64_t)))
#define PENDING_MAX   ((uint32_t)1 << 30) /* additions until carries must be passed on */
#define LOW_WEIGHT    (-1074)             /* the lowest bit is 2^-1074 */
#define LIMB_BITS     32
#define MANTISSA_BITS 52

/* Carries passed on: every limb but the highest in [0, 2^32). */
static void normalise(struct mlo_exact_sum *s)
{
    int64_t carry = 0;
    for (size_t i = 0; i + 1 < LIMBS; i++) {
        int64_t v = (int64_t)s->limb[i] + carry;
        carry = v >> LIMB_BITS;
        s->limb[i] = (uint64_t)v & UINT32_MAX;
    }
    s->limb[LIMBS - 1] += (uint64_t)carry;
    s->pending = 0;
}

void mlo_exact_sum_add(struct mlo_exact_sum *s, double x)
{
    mlo_exact_sum_add_times(s, x, 1);
}

void mlo_exact_sum_add_times(struct mlo_exact_sum *s, double x, uint32_t times)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint64_t mantissa = bits & (((uint64_t)1 << MANTISSA_BITS) - 1);
    unsigned exponent = (unsigned)(bits >> MANTISSA_BITS) & 0x7ff;
    if (exponent == 0x7ff) {
        s->special += x;
        return;
    }
    if (exponent)
        mantissa |= (uint64_t)1 << MANTISSA_BITS;
    unsigned place = exponent ? exponent - 1 : 0;
    size_t at = place / LIMB_BITS;
    unsigned __int128 wide = (unsigned __int128)mantissa * times << (place % LIMB_BITS); /* 116 bits */
    uint64_t sign = bits >> 63 ? UINT64_MAX : 0; /* two's complement by hand: (v ^ sign) - sign */
    for (unsigned i = 0; i < 4; i++) {
        uint64_t part = (uint64_t)(wide >> (i * LIMB_BITS)) & UINT32_MAX;
        s->limb[at + i] += (part ^ sign) - sign;
    }
    if (++s->pending == PENDING_MAX)
        normalise(s);
}

/* ---- many at once ---- */

/*
 * Numbers are cut at a power of two: what lies above is a multiple of it and so small in number of bits that
 * doubles add it without error; what lies below goes to the next round (Rump, Ogita and Oishi 2008, "Accurate
 * floating-point summation"). The sums of all rounds are then added to the long number.
 */
#define CHUNK      ((size_t)512) /* numbers */
#define ROUND_BITS 40            /* with 2^9 numbers: fits the 53 bits of a double */
#define MODEST     900           /* exponents within +-, where no intermediate result overflows or vanishes */

struct chunk {
    mlo_lanes x[CHUNK / MLO_LANES];
};

/* The greatest magnitude; with an Inf or NaN among them, something that is not below 2^MODEST. */
MLO_FOR_LANES static double load_chunk(struct chunk *c, const double *x, size_t n)
{
    mlo_lanes high = {0};
    mlo_lane_bits sign = (mlo_lane_bits){0} + INT64_MIN, odd = {0};
    memset(&c->x[n / MLO_LANES], 0, n % MLO_LANES ? sizeof c->x[0] : 0);
    memcpy(c->x, x, n * sizeof *x);
    for (size_t i = 0; i < (n + MLO_LANES - 1) / MLO_LANES; i++) {
        mlo_lanes size = (mlo_lanes)((mlo_lane_bits)c->x[i] & ~sign);
        mlo_lane_bits above = size > high;
        high = MLO_LANES_CHOOSE(above, size, high);
        odd |= size != size;
    }
    double max = 0;
    for (size_t k = 0; k < MLO_LANES; k++)
        max = odd[k] ? INFINITY : high[k] > max ? high[k] : max;
    return max;
}

/* Adds up what lies above 2^(exponent - ROUND_BITS) and keeps the rest; *ret_rest: is there any? */
MLO_FOR_LANES static double take_round(struct chunk *c, size_t n, int exponent, bool *ret_rest)
{
    const double cut = ldexp(1.5, exponent + MANTISSA_BITS - ROUND_BITS);
    const mlo_lanes cuts = MLO_LANES_OF(cut);
    mlo_lanes sums = {0};
    mlo_lane_bits rest = {0};
    for (size_t i = 0; i < (n + MLO_LANES - 1) / MLO_LANES; i++) {
        mlo_lanes above = (c->x[i] + cuts) - cuts;
        sums += above;
        c->x[i] -= above;
        rest |= c->x[i] != 0;
    }
    double sum = 0;
    *ret_rest = false;
    for (size_t k = 0; k < MLO_LANES; k++) {
        sum += sums[k]; /* still within 53 bits */
        *ret_rest = *ret_rest || rest[k];
    }
    return sum;
}

static void add_chunk(struct mlo_exact_sum *s, const double *x, size_t n)
{
    struct chunk c;
    int exponent = 0;
    double max = load_chunk(&c, x, n);
    bool rest = max > 0, modest = max < 0x1p900;
    frexp(modest ? max : 1, &exponent);
    for (; rest && modest && exponent > -MODEST; exponent -= ROUND_BITS)
        mlo_exact_sum_add(s, take_round(&c, n, exponent, &rest));
    for (size_t i = 0; rest && i < n; i++)
        mlo_exact_sum_add(s, c.x[i / MLO_LANES][i % MLO_LANES]);
}

void mlo_exact_sum_add_all(struct mlo_exact_sum *s, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i += CHUNK)
        add_chunk(s, x + i, n - i < CHUNK ? n - i : CHUNK);
}

MLO_FOR_LANES static void extremes(const double *x, size_t n, double *min, double *max)
{
    mlo_lanes low = MLO_LANES_OF(*min), high = MLO_LANES_OF(*max);
    size_t i = 0;
    for (; i + MLO_LANES <= n; i += MLO_LANES) {
        mlo_lanes v;
        memcpy(&v, x + i, sizeof v);
        mlo_lane_bits below = v<low, above = v> high;
        low = MLO_LANES_CHOOSE(below, v, low);
        high = MLO_LANES_CHOOSE(above, v, high);
    }
    for (size_t k = 0; k < MLO_LANES; k++) {
        *min = low[k] < *min ? low[k] : *min;
        *max = high[k] > *max ? high[k] : *max;
    }
    for (; i < n; i++) {
        *min = x[i] < *min ? x[i] : *min;
        *max = x[i] > *max ? x[i] : *max;
    }
}

void mlo_extremes(const double *x, size_t n, double *min, double *max)
{
    extremes(x, n, min, max);
}

/* ---- merging, rounding ---- */

void mlo_exact_sum_merge(struct mlo_exact_sum *s, const struct mlo_exact_sum *other)
{
    struct mlo_exact_sum o = *other;
    normalise(&o);
    normalise(s);
    for (size_t i = 0; i < LIMBS; i++)
        s->limb[i] += o.limb[i];
    s->special += o.special;
    normalise(s);
}

static bool negate_if_negative(struct mlo_exact_sum *s)
{
    if ((int64_t)s->limb[LIMBS - 1] >= 0)
        return false;
    for (size_t i = 0; i < LIMBS; i++)
        s->limb[i] = 0 - s->limb[i];
    normalise(s);
    return true;
}

/* The limbs below `at` as one bit: is anything there? */
static uint64_t sticky_below(const struct mlo_exact_sum *s, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (s->limb[i])
            return 1;
    return 0;
}

double mlo_exact_sum_value(const struct mlo_exact_sum *sum)
{
    struct mlo_exact_sum s = *sum;
    if (s.special != 0 || isnan(s.special))
        return s.special;
    normalise(&s);
    bool negative = negate_if_negative(&s);
    size_t top = LIMBS;
    while (top > 0 && s.limb[top - 1] == 0)
        top--;
    if (top == 0)
        return 0;
    /* The highest three limbs hold at least 65 significant bits, more than rounding once needs. */
    unsigned __int128 head = 0;
    size_t low = top > 3 ? top - 3 : 0;
    for (size_t i = top; i > low; i--)
        head = head << LIMB_BITS | s.limb[i - 1];
    int drop = 0;
    while (head >> (drop + 62))
        drop++;
    uint64_t kept = (uint64_t)(head >> drop);
    bool rest = drop > 0 && (head & (((unsigned __int128)1 << drop) - 1)) != 0;
    kept |= rest | sticky_below(&s, low); /* below the rounding bit when the value has more than 54 bits */
    double v = ldexp((double)kept, drop + (int)low * LIMB_BITS + LOW_WEIGHT);
    return negative ? -v : v;
}
