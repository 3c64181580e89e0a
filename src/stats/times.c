/*
 * Histogram of times, log-linear: below 2^11 ns one bucket a nanosecond, above 2^10 buckets to each power of
 * two, so that a bucket is at most a thousandth of its value wide. The layout is HdrHistogram's idea.
 */
#include "internal.h"

#include <math.h>

#define EVEN_BITS 10 /* 2^10 buckets to a power of two */

static size_t bucket_of(uint64_t ns)
{
    if (ns > MLO_TIMES_LONGEST)
        ns = MLO_TIMES_LONGEST;
    if (ns >> (EVEN_BITS + 1) == 0)
        return (size_t)ns;
    unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - EVEN_BITS;
    return ((size_t)shift << EVEN_BITS) + (size_t)(ns >> shift);
}

static uint64_t highest_of(size_t bucket)
{
    if (bucket >> (EVEN_BITS + 1) == 0)
        return bucket;
    unsigned shift = (unsigned)(bucket >> EVEN_BITS) - 1;
    uint64_t low = (uint64_t)(bucket - ((size_t)shift << EVEN_BITS)) << shift;
    return low + ((uint64_t)1 << shift) - 1;
}

void mlo_times_bounds(size_t bucket, uint64_t *ret_low, uint64_t *ret_high)
{
    *ret_low = bucket > 0 ? highest_of(bucket - 1) + 1 : 0;
    *ret_high = highest_of(bucket);
}

int mlo_times_init(struct mlo_times *t, struct mlo_err *err)
{
    *t = (struct mlo_times){.least = UINT64_MAX};
    t->counts = mlo_calloc(MLO_TIMES_BUCKETS, sizeof *t->counts, err);
    return t->counts ? 0 : err->code;
}

void mlo_times_release(struct mlo_times *t)
{
    free(t->counts);
    *t = (struct mlo_times){.least = UINT64_MAX};
}

void mlo_times_put(struct mlo_times *t, size_t bucket, uint64_t count)
{
    t->counts[bucket] += count;
    t->n += count;
}

void mlo_times_add(struct mlo_times *t, uint64_t ns)
{
    mlo_times_put(t, bucket_of(ns), 1);
    t->sum += ns;
    t->least = ns < t->least ? ns : t->least;
    t->most = ns > t->most ? ns : t->most;
}

void mlo_times_merge(struct mlo_times *t, const struct mlo_times *other)
{
    for (size_t i = 0; i < MLO_TIMES_BUCKETS; i++)
        t->counts[i] += other->counts[i];
    t->n += other->n;
    t->sum += other->sum;
    t->least = other->least < t->least ? other->least : t->least;
    t->most = other->most > t->most ? other->most : t->most;
}

uint64_t mlo_times_at(const struct mlo_times *t, uint64_t rank)
{
    uint64_t seen = 0;
    for (size_t i = 0; i < MLO_TIMES_BUCKETS; i++) {
        seen += t->counts[i];
        if (seen >= rank) {
            uint64_t v = highest_of(i);
            return v > t->most ? t->most : v < t->least ? t->least : v;
        }
    }
    return t->most;
}

uint64_t mlo_times_quantile(const struct mlo_times *t, double q)
{
    uint64_t rank = (uint64_t)ceil(q * (double)t->n - 1e-9);
    return t->n == 0 ? 0 : mlo_times_at(t, rank == 0 ? 1 : rank);
}

uint64_t mlo_times_up_to(const struct mlo_times *t, uint64_t ns)
{
    uint64_t n = 0;
    for (size_t i = 0, last = bucket_of(ns); i <= last; i++)
        n += t->counts[i];
    return n;
}

/* ---- how many are enough ---- */

/* P[at most `tolerated` of n are above the quantile] */
static double chance(uint64_t n, uint64_t tolerated, double q)
{
    return tolerated >= n ? 1 : mlo_beta_inc((double)(n - tolerated), (double)tolerated + 1, q);
}

uint64_t mlo_quantile_needs(double q, double confidence, uint64_t tolerated)
{
    uint64_t low = tolerated, high = tolerated + 1;
    while (chance(high, tolerated, q) > 1 - confidence) {
        low = high;
        high *= 2;
    }
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        *(chance(middle, tolerated, q) > 1 - confidence ? &low : &high) = middle;
    }
    return high;
}

uint64_t mlo_quantile_rank(uint64_t n, double q, double confidence)
{
    uint64_t fewest = 0, least_bad = n; /* tolerated: the largest for which n is enough */
    if (n == 0 || chance(n, 0, q) > 1 - confidence)
        return 0;
    while (least_bad - fewest > 1) {
        uint64_t middle = fewest + (least_bad - fewest) / 2;
        *(chance(n, middle, q) > 1 - confidence ? &least_bad : &fewest) = middle;
    }
    return n - fewest;
}
