#include "internal.h"

#include <string.h>

#define KEEP      MLO_PROFILE_CATEGORIES_MAX
#define SETTLE_AT (2 * KEEP)
#define FIRST_CAP ((size_t)64)

/* The same on every machine: profiles of shards must agree. Rounds of multiply and fold over eight bytes at a
 * time. */
uint64_t mlo_category_hash(const char *text, size_t n)
{
    const uint64_t k = 0x9e3779b97f4a7c15;
    uint64_t h = n * k, word;
    for (; n >= 8; text += 8, n -= 8) {
        memcpy(&word, text, 8);
        unsigned __int128 m = (unsigned __int128)(h ^ word) * k;
        h = (uint64_t)m ^ (uint64_t)(m >> 64);
    }
    word = 0;
    memcpy(&word, text, n);
    unsigned __int128 m = (unsigned __int128)(h ^ word ^ k) * 0xd6e8feb86659fd93;
    h = (uint64_t)m ^ (uint64_t)(m >> 64);
    return (h ^ h >> 32) * k;
}

void mlo_categories_init(struct mlo_categories *c)
{
    *c = (struct mlo_categories){.threshold = UINT64_MAX};
}

void mlo_categories_release(struct mlo_categories *c)
{
    for (size_t i = 0; i < c->cap; i++)
        free(c->slots[i].text);
    free(c->slots);
    mlo_categories_init(c);
}

/* 64 bits and the length tell texts apart: one pair in 10^11 of ten thousand texts would not. */
static struct mlo_category *slot_of(const struct mlo_categories *c, uint64_t hash, size_t length)
{
    size_t i = (size_t)hash & (c->cap - 1);
    while (c->slots[i].text && (c->slots[i].hash != hash || c->slots[i].length != length))
        i = (i + 1) & (c->cap - 1);
    return &c->slots[i];
}

static struct mlo_category *free_slot(struct mlo_category *slots, size_t cap, uint64_t hash)
{
    size_t i = (size_t)hash & (cap - 1);
    while (slots[i].text)
        i = (i + 1) & (cap - 1);
    return &slots[i];
}

/* All slots to where their hashes say, in an array of `cap`. */
static int rehash(struct mlo_categories *c, size_t cap, struct mlo_err *err)
{
    struct mlo_category *slots = mlo_calloc(cap, sizeof *slots, err);
    if (!slots)
        return MLO_EIO;
    for (size_t i = 0; i < c->cap; i++)
        if (c->slots[i].text)
            *free_slot(slots, cap, c->slots[i].hash) = c->slots[i];
    free(c->slots);
    c->slots = slots;
    c->cap = cap;
    return 0;
}

/* ---- the lowest hashes ---- */

static int by_hash(const void *a, const void *b)
{
    uint64_t x = ((const struct mlo_category *)a)->hash, y = ((const struct mlo_category *)b)->hash;
    return (x > y) - (x < y);
}

/* All together at the front of the slots. */
static void gather(struct mlo_categories *c)
{
    size_t to = 0;
    for (size_t i = 0; i < c->cap; i++)
        if (c->slots[i].text) {
            struct mlo_category k = c->slots[i];
            c->slots[i].text = NULL;
            c->slots[to++] = k;
        }
}

/* What lies above the threshold is left out from now on, and always was. The slots have to be rehashed then.
 */
static void lower(struct mlo_categories *c, uint64_t threshold)
{
    size_t n = c->count;
    c->threshold = threshold;
    c->count = 0;
    gather(c);
    for (size_t i = 0; i < n; i++) {
        struct mlo_category k = c->slots[i];
        c->slots[i].text = NULL;
        if (k.hash <= threshold) {
            c->slots[c->count++] = k;
        } else {
            c->left_out += k.count;
            free(k.text);
        }
    }
}

int mlo_categories_settle(struct mlo_categories *c, struct mlo_err *err)
{
    if (c->count <= KEEP)
        return 0;
    gather(c);
    qsort(c->slots, c->count, sizeof *c->slots, by_hash);
    c->overflowed = true;
    lower(c, c->slots[KEEP - 1].hash);
    return rehash(c, c->cap, err);
}

static int insert(struct mlo_categories *c, uint64_t hash, const char *text, size_t stored, size_t length,
                  uint64_t times, struct mlo_err *err)
{
    if (hash > c->threshold) {
        c->left_out += times;
        return 0;
    }
    if (4 * (c->count + 1) > 3 * c->cap) {
        int rc = rehash(c, c->cap ? 2 * c->cap : FIRST_CAP, err);
        if (rc != 0)
            return rc;
    }
    struct mlo_category *k = slot_of(c, hash, length);
    if (!k->text) {
        char *copy = mlo_memdup0(text, stored, err);
        if (!copy)
            return MLO_EIO;
        *k = (struct mlo_category){.hash = hash, .text = copy, .length = (uint32_t)length};
        c->count++;
    }
    k->count += times;
    return c->count > SETTLE_AT ? mlo_categories_settle(c, err) : 0;
}

int mlo_categories_add(struct mlo_categories *c, const char *text, size_t n, uint64_t times,
                       struct mlo_err *err)
{
    uint64_t hash = mlo_category_hash(text, n);
    if (c->cap > 0) {
        struct mlo_category *k = slot_of(c, hash, n);
        if (k->text) {
            k->count += times;
            return 0;
        }
    }
    return insert(c, hash, text, n < MLO_CATEGORY_TEXT_MAX ? n : MLO_CATEGORY_TEXT_MAX, n, times, err);
}

int mlo_categories_restore(struct mlo_categories *c, uint64_t hash, const char *stored, uint32_t length,
                           uint64_t times, struct mlo_err *err)
{
    return insert(c, hash, stored, strlen(stored), length, times, err);
}

int mlo_categories_merge(struct mlo_categories *c, const struct mlo_categories *other, struct mlo_err *err)
{
    int rc = 0;
    c->left_out += other->left_out;
    c->overflowed = c->overflowed || other->overflowed;
    if (other->threshold < c->threshold && c->cap > 0) {
        lower(c, other->threshold);
        rc = rehash(c, c->cap, err);
    }
    c->threshold = other->threshold < c->threshold ? other->threshold : c->threshold;
    for (size_t i = 0; rc == 0 && i < other->cap; i++) {
        const struct mlo_category *k = &other->slots[i];
        size_t stored = k->length < MLO_CATEGORY_TEXT_MAX ? k->length : MLO_CATEGORY_TEXT_MAX;
        if (k->text)
            rc = insert(c, k->hash, k->text, stored, k->length, k->count, err);
    }
    return rc;
}

const struct mlo_category *mlo_categories_find(const struct mlo_categories *c, const char *text, size_t n)
{
    if (c->cap == 0)
        return NULL;
    const struct mlo_category *k = slot_of(c, mlo_category_hash(text, n), n);
    return k->text ? k : NULL;
}

const struct mlo_category *mlo_categories_same(const struct mlo_categories *c, const struct mlo_category *k)
{
    if (c->cap == 0)
        return NULL;
    const struct mlo_category *found = slot_of(c, k->hash, k->length);
    return found->text ? found : NULL;
}

double mlo_categories_distinct(const struct mlo_categories *c)
{
    if (!c->overflowed)
        return (double)c->count;
    return (double)(c->count - 1) / ((double)c->threshold / 18446744073709551616.0);
}

/* ---- in order ---- */

static int by_count(const void *a, const void *b)
{
    const struct mlo_category *x = *(const struct mlo_category *const *)a,
                              *y = *(const struct mlo_category *const *)b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    int text = strcmp(x->text, y->text);
    return text ? text : (x->hash > y->hash) - (x->hash < y->hash);
}

int mlo_categories_sorted(const struct mlo_categories *c, const struct mlo_category ***ret,
                          struct mlo_err *err)
{
    const struct mlo_category **list = mlo_calloc(c->count + 1, sizeof *list, err);
    size_t n = 0;
    if (!list)
        return MLO_EIO;
    for (size_t i = 0; i < c->cap; i++)
        if (c->slots[i].text)
            list[n++] = &c->slots[i];
    qsort(list, n, sizeof *list, by_count);
    *ret = list;
    return 0;
}
