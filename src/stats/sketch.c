/*
 * Quantiles of values whose range nobody knows beforehand, after Masson, Rim and Lee 2019, "DDSketch: a fast
 * and fully-mergeable quantile sketch with relative-error guarantees". The buckets are cut by the bits of the
 * doubles, 2^7 in each octave, so that no logarithm is needed and negative values need no store of their own.
 * When there are too many buckets all of them are merged in pairs: the final level is the lowest at which
 * they fit, whatever the order of values and merges (the uniform collapse of Epicoco et al. 2020,
 * "UDDSketch").
 */
#include "internal.h"

#include <string.h>

#define DROPPED_BITS 45 /* of a key: sign, exponent and 7 bits of the fraction are left */
#define LEVEL_MAX    18 /* then only the sign is left */

struct mlo_sketch_bucket {
    uint32_t id;
    uint64_t count;
};

void mlo_sketch_release(struct mlo_sketch *s)
{
    free(s->buckets);
    *s = (struct mlo_sketch){0};
}

/* The first bucket that is not before id. */
static size_t place_of(const struct mlo_sketch *s, uint32_t id)
{
    size_t low = 0, high = s->used;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->buckets[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void collapse(struct mlo_sketch *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->used; i++) {
        struct mlo_sketch_bucket b = {s->buckets[i].id >> 1, s->buckets[i].count};
        if (n > 0 && s->buckets[n - 1].id == b.id)
            s->buckets[n - 1].count += b.count;
        else
            s->buckets[n++] = b;
    }
    s->used = n;
    s->level++;
}

static void add_bucket(struct mlo_sketch *s, uint32_t id, unsigned level, uint64_t count)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    id >>= s->level - level;
    size_t at = place_of(s, id);
    s->n += count;
    if (at < s->used && s->buckets[at].id == id) {
        s->buckets[at].count += count;
        return;
    }
    if (s->failed || mlo_grow(&s->buckets, &s->cap, s->used + 1, sizeof *s->buckets, &ignored) != 0) {
        s->failed = true;
        return;
    }
    memmove(s->buckets + at + 1, s->buckets + at, (s->used - at) * sizeof *s->buckets);
    s->buckets[at] = (struct mlo_sketch_bucket){id, count};
    s->used++;
    while (s->used > MLO_SKETCH_BUCKETS)
        collapse(s);
}

void mlo_sketch_add(struct mlo_sketch *s, double v, uint64_t times)
{
    add_bucket(s, (uint32_t)(mlo_order_key(v) >> DROPPED_BITS), 0, times);
}

void mlo_sketch_merge(struct mlo_sketch *s, const struct mlo_sketch *other)
{
    while (s->level < other->level)
        collapse(s);
    s->failed = s->failed || other->failed;
    for (size_t i = 0; i < other->used; i++)
        add_bucket(s, other->buckets[i].id, other->level, other->buckets[i].count);
}

int mlo_sketch_check(const struct mlo_sketch *s, struct mlo_err *err)
{
    return s->failed ? mlo_fail_nomem(err) : 0;
}

static struct mlo_bucket bucket_at(const struct mlo_sketch *s, size_t i)
{
    unsigned shift = DROPPED_BITS + s->level;
    uint64_t low = (uint64_t)s->buckets[i].id << shift, width = (uint64_t)1 << shift;
    return (struct mlo_bucket){.id = s->buckets[i].id,
                               .low = mlo_order_value(low),
                               .high = mlo_order_value(low + width),
                               .count = s->buckets[i].count};
}

size_t mlo_sketch_buckets(const struct mlo_sketch *s, struct mlo_bucket ret[MLO_SKETCH_BUCKETS])
{
    for (size_t i = 0; i < s->used; i++)
        ret[i] = bucket_at(s, i);
    return s->used;
}

double mlo_sketch_at(const struct mlo_sketch *s, double rank)
{
    double before = 0;
    for (size_t i = 0; i < s->used; i++) {
        struct mlo_bucket b = bucket_at(s, i);
        if (rank < before + (double)b.count || i + 1 == s->used)
            return b.low + (b.high - b.low) * ((rank - before + 0.5) / (double)b.count);
        before += (double)b.count;
    }
    return 0;
}

int mlo_sketch_restore(struct mlo_sketch *s, unsigned level, const struct mlo_bucket *buckets, size_t n,
                       struct mlo_err *err)
{
    bool valid = level <= LEVEL_MAX && n <= MLO_SKETCH_BUCKETS;
    for (size_t i = 0; valid && i < n; i++)
        valid = buckets[i].count > 0 && buckets[i].id < (uint32_t)1 << (64 - DROPPED_BITS - level) &&
                (i == 0 || buckets[i].id > buckets[i - 1].id);
    if (!valid)
        return mlo_fail(err, MLO_EINVALID, "the buckets are malformed");
    struct mlo_sketch r = {.level = level};
    for (size_t i = 0; i < n; i++)
        add_bucket(&r, buckets[i].id, level, buckets[i].count);
    if (r.failed) {
        mlo_sketch_release(&r);
        return mlo_fail_nomem(err);
    }
    *s = r;
    return 0;
}
