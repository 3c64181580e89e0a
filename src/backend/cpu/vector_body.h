/*
 * The functions of vector.h for vectors of LANES floats. The including file defines before:
 *
 *     LANES, TARGET (attribute of each function), KERNELS (name of the table)
 *     real, whole                   vectors of float and int32_t
 *     mul_add(a, b, c)              a b + c
 *     when_less(a, b, x, y)         x where a < b, else (NaN, too) y
 *     lesser(a, b), greater(a, b)   b when one is NaN
 *     times_power(v, n)             v 2^n, rounded once; v from 1/2 to 2, n whole, from -152 to 129
 *     load, store                   LANES floats
 *     load_some(p, n, fill), store_some(p, v, n)    n < LANES; `fill` in the others
 *     store_bytes(p, v)             LANES whole numbers from -128 to 255, their low bits
 *     add_up(v), largest(v)         over the lanes; a NaN wins or loses
 *
 * Polynomials by scripts/fit-polynomials. exp: x = n ln 2 + r, e^r = 1 + r + r^2 p(r). erf: x + x p(x^2) near
 * 0, else 1 - e^(-t + t p(t)). The tail of the normal distribution: 2^(-1 + t p(t)).
 */
#include <math.h>
#include <string.h>

#define INLINE TARGET __attribute__((always_inline)) static inline

INLINE real splat(float v)
{
    real zero = {0};
    return v - zero; /* without an instruction: plus 0 would change -0 */
}

INLINE whole bits(real v)
{
    return (whole)v;
}

INLINE real magnitude(real v)
{
    return (real)(bits(v) & 0x7fffffff);
}

INLINE real with_sign(real v, real of)
{
    return (real)((bits(v) & 0x7fffffff) | (bits(of) & (int32_t)0x80000000));
}

INLINE real at_most(real v, float most) /* NaN stays */
{
    return lesser(splat(most), v);
}

INLINE real at_least(real v, float least)
{
    return greater(splat(least), v);
}

INLINE real polynomial(real x, const float *c, unsigned n)
{
    real p = splat(c[n - 1]);
    for (unsigned i = n - 1; i-- > 0;)
        p = mul_add(p, x, splat(c[i]));
    return p;
}

#define ROUNDING 0x1.8p23F  /* added and taken away: the nearest whole number */
#define LN2_HIGH 0x1.63p-1F /* few bits: its multiples are exact */
#define LN2_LOW  -0x1.bd0106p-13F

INLINE real exp_of(real x)
{
    static const float c[] = {0x1.fffffcp-2F, 0x1.555492p-3F, 0x1.5558b8p-5F, 0x1.1239aap-7F,
                              0x1.6a452ep-10F};
    x = at_least(at_most(x, 89), -104);
    real rounded = mul_add(x, splat(0x1.715476p+0F), splat(ROUNDING)), n = rounded - ROUNDING;
    real r = mul_add(n, splat(-LN2_LOW), mul_add(n, splat(-LN2_HIGH), x));
    real e = mul_add(polynomial(r, c, 5), r * r, r) + 1;
    return times_power(e, n);
}

#define ERF_NEAR 0.92F
#define ERF_FAR  4.05F /* from here on it is 1 */

INLINE real erf_near(real x)
{
    static const float c[] = {0x1.06eba6p-3F,  -0x1.8126dap-2F, 0x1.ce17f4p-4F,
                              -0x1.b663c0p-6F, 0x1.4647a0p-8F,  -0x1.3619c0p-11F};
    return mul_add(polynomial(x * x, c, 6), x, x);
}

/* 1 - erf(t) for t from ERF_NEAR to ERF_FAR. */
INLINE real erfc_far(real t)
{
    static const float c[] = {-0x1.0772e0p-3F, -0x1.4538aep-1F, -0x1.b2d3bep-4F, 0x1.8435b4p-6F,
                              -0x1.d9342ep-9F, 0x1.4a1fc2p-12F, -0x1.5df662p-17F};
    return exp_of(mul_add(polynomial(t, c, 7), t, -t));
}

INLINE real erf_of(real x)
{
    real t = magnitude(x);
    return when_less(t, splat(ERF_NEAR), erf_near(x), with_sign(1 - erfc_far(at_most(t, ERF_FAR)), x));
}

/* 2^z for z from -100 to 100. */
INLINE real power_of_two(real z)
{
    static const float c[] = {0x1.62e430p-1F, 0x1.ebfbdcp-3F,  0x1.c6af7cp-5F,
                              0x1.3b2de0p-7F, 0x1.5f082ep-10F, 0x1.416b52p-13F};
    real n = z + ROUNDING - ROUNDING, r = z - n;
    return times_power(mul_add(polynomial(r, c, 6), r, splat(1)), n);
}

#define NORMAL_FAR 5.75F /* from here on the tail of the normal distribution is 0 */

/* x times the share of the normal distribution below x: of its tail, which is 1/2 at 0, or the rest. */
INLINE real gelu_of(real x)
{
    static const float c[] = {-0x1.26aed4p+0F,  -0x1.d63ac2p-2F,  -0x1.ae0a82p-5F, 0x1.ced296p-8F,
                              -0x1.1d1fe2p-13F, -0x1.87485cp-13F, 0x1.4b041ep-15F, -0x1.7d6870p-19F};
    real t = magnitude(x), near = at_most(t, NORMAL_FAR);
    real tail = power_of_two(mul_add(polynomial(near, c, 8), near, splat(-1)));
    tail = when_less(splat(NORMAL_FAR), t, splat(0), tail);
    return x * when_less(splat(0), x, 1 - tail, tail);
}

INLINE real tanh_of(real x)
{
    static const float c[] = {-0x1.55551cp-2F, 0x1.11024ep-3F, -0x1.b79b92p-5F, 0x1.4e19d8p-6F,
                              -0x1.64115ep-8F};
    real t = magnitude(x), s = x * x, near = mul_add(polynomial(s, c, 5) * s, x, x);
    real far = 1 - 2 / (exp_of(2 * at_most(t, 10)) + 1);
    return with_sign(when_less(t, splat(0.625F), near, far), x);
}

INLINE real sigmoid_of(real x)
{
    real e = exp_of(-magnitude(x)), r = 1 / (1 + e);
    return when_less(x, splat(0), e * r, r);
}

/* x/2 (1 + tanh u) = x / (1 + e^-2u) */
INLINE real gelu_tanh_of(real x)
{
    real u = x * mul_add(x * x, splat(0.044715F), splat(1)) * (float)(-2 * M_2_SQRTPI * M_SQRT1_2);
    return x / (1 + exp_of(u));
}

#define MAP(name)                                                                                            \
    TARGET static void map_##name(const float *x, float *y, size_t n)                                        \
    {                                                                                                        \
        size_t i = 0;                                                                                        \
        for (; i + LANES <= n; i += LANES)                                                                   \
            store(y + i, name##_of(load(x + i)));                                                            \
        if (i < n)                                                                                           \
            store_some(y + i, name##_of(load_some(x + i, n - i, 0)), n - i);                                 \
    }
MAP(exp)
MAP(erf)
MAP(tanh)
MAP(sigmoid)
MAP(gelu)
MAP(gelu_tanh)

/* ---- rows ---- */

INLINE float row_largest(const float *x, size_t n)
{
    real most = splat(-INFINITY);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        most = greater(load(x + i), most);
    if (i < n)
        most = greater(load_some(x + i, n - i, -INFINITY), most);
    return largest(most);
}

TARGET static void softmax_row(const float *x, float *y, size_t n)
{
    float most = row_largest(x, n);
    real sum = splat(0);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        real e = exp_of(load(x + i) - most);
        store(y + i, e);
        sum += e;
    }
    if (i < n) {
        real e = exp_of(load_some(x + i, n - i, 0) - most);
        store_some(y + i, e, n - i);
        sum += load_some(y + i, n - i, 0);
    }
    float by = 1 / add_up(sum);
    for (i = 0; i + LANES <= n; i += LANES)
        store(y + i, load(y + i) * by);
    if (i < n)
        store_some(y + i, load_some(y + i, n - i, 0) * by, n - i);
}

#define BLOCK ((size_t)1024) /* floats whose sums are made as floats; their sums are added as doubles */

/* The sum of v - mean, or of its square. */
INLINE double row_sum(const float *x, size_t n, float mean, bool squared)
{
    double total = 0;
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t stop = n - at < BLOCK ? n : at + BLOCK, i = at;
        real sum = splat(0);
        for (; i + LANES <= stop; i += LANES) {
            real v = load(x + i) - mean;
            sum = mul_add(v, squared ? v : splat(1), sum);
        }
        if (i < stop) {
            real v = load_some(x + i, stop - i, mean) - mean;
            sum = mul_add(v, squared ? v : splat(1), sum);
        }
        total += (double)add_up(sum);
    }
    return total;
}

INLINE real scaled(real v, const float *scale, const float *bias, size_t n)
{
    real by = !scale      ? splat(1)
              : n < LANES ? load_some(scale, n, 0)
                          : load(scale),
         plus = !bias       ? splat(0)
                : n < LANES ? load_some(bias, n, 0)
                            : load(bias);
    return mul_add(v, by, plus);
}

INLINE void scale_row(const struct mlo_normalize *p, const float *x, float *y, float mean, float inverse)
{
    const float *scale = p->scale, *bias = p->bias;
    size_t i = 0;
    for (; i + LANES <= p->n; i += LANES)
        store(y + i, scaled((load(x + i) - mean) * inverse, scale ? scale + i : NULL, bias ? bias + i : NULL,
                            LANES));
    size_t n = p->n - i;
    if (n > 0)
        store_some(y + i,
                   scaled((load_some(x + i, n, 0) - mean) * inverse, scale ? scale + i : NULL,
                          bias ? bias + i : NULL, n),
                   n);
}

INLINE void add_row(const float *x, const float *plus, float *y, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store(y + i, load(x + i) + load(plus + i));
    if (i < n)
        store_some(y + i, load_some(x + i, n - i, 0) + load_some(plus + i, n - i, 0), n - i);
}

TARGET static void normalize_rows(const struct mlo_normalize *p)
{
    for (size_t r = 0; r < p->rows; r++) {
        const float *x = p->x + r * p->n;
        float *y = p->y + r * p->n, *sum = p->sum ? p->sum + r * p->n : y;
        if (p->plus) {
            add_row(x, p->plus + r * p->n, sum, p->n);
            x = sum;
        }
        double n = p->n ? (double)p->n : 1;
        float mean = p->centred ? (float)(row_sum(x, p->n, 0, false) / n) : 0;
        float inverse = (float)(1 / sqrt(row_sum(x, p->n, mean, true) / n + (double)p->epsilon));
        scale_row(p, x, y, mean, inverse);
        if (p->mean)
            p->mean[r] = mean;
        if (p->inverse)
            p->inverse[r] = inverse;
    }
}

/* ---- bytes ---- */

TARGET static void find_extremes(const float *x, size_t n, float *ret_least, float *ret_greatest)
{
    real least = splat(0), most = splat(0);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        real v = load(x + i);
        least = lesser(v, least);
        most = greater(v, most);
    }
    if (i < n) {
        real v = load_some(x + i, n - i, 0);
        least = lesser(v, least);
        most = greater(v, most);
    }
    *ret_least = -largest(-least);
    *ret_greatest = largest(most);
}

/* Whole numbers from low to high; NaN: 0. Bounds are whole, so that to keep to them and to round may change
 * places. */
INLINE real byte_of(real x, real scale, real zero, float low, float high)
{
    real v = greater(splat(low) - zero, lesser(splat(high) - zero, x / scale));
    v = v + ROUNDING - ROUNDING + zero;
    return when_less(splat(low - 1), v, v, splat(0));
}

INLINE void quantize_some(const struct mlo_quantize *p, size_t i, size_t n)
{
    uint8_t last[LANES];
    real scale = p->each ? load_some(p->scales + i, n, 1) : splat(p->scales[0]),
         zero = p->each ? load_some(p->zeros + i, n, 0) : splat(p->zeros[0]);
    store_bytes(last, byte_of(load_some(p->x + i, n, 0), scale, zero, p->low, p->high));
    memcpy(p->y + i, last, n);
}

TARGET static void quantize(const struct mlo_quantize *p)
{
    const struct mlo_quantize q = *p; /* bytes written could be those of *p */
    real scale = splat(q.scales[0]), zero = splat(q.zeros[0]);
    size_t i = 0;
    for (; !q.each && i + LANES <= q.n; i += LANES)
        store_bytes(q.y + i, byte_of(load(q.x + i), scale, zero, q.low, q.high));
    for (; i + LANES <= q.n; i += LANES)
        store_bytes(q.y + i, byte_of(load(q.x + i), load(q.scales + i), load(q.zeros + i), q.low, q.high));
    if (i < q.n)
        quantize_some(p, i, q.n - i);
}

#include "attention_body.h"

const struct mlo_vector KERNELS = {map_exp,       map_erf,       map_tanh,    map_sigmoid,
                                   map_gelu,      map_gelu_tanh, softmax_row, normalize_rows,
                                   find_extremes, quantize,      attend};
