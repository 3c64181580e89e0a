/*
 * Rows by the hash of their key, in shards with a lock each. What is kept and counted does not depend on the
 * order in which rows come: of each key the first place, the number of rows, and with labels the two first
 * places.
 *
 * A shard that is full halves the range of hashes that it keeps, and forgets what lies beyond. Rows of the
 * range that is left at the end were all seen, so what is said of them is exact.
 */
#include <string.h>

#include "internal.h"

#define SHARDS      64
#define SHARD_SHIFT 58
#define FIRST_SLOTS 256

struct entry {
    struct mlo_key key;
    uint64_t rows; /* 0: free slot */
    mlo_place first;
};
struct other { /* beside an entry: of labels */
    uint64_t label, other_label;
    mlo_place other;
};
struct shard {
    pthread_mutex_t lock;
    struct entry *slots;  /* open addressing */
    struct other *others; /* NULL: without labels */
    size_t cap, count;
    uint64_t range; /* keys with spread() at or above are not kept */
};
struct mlo_keys {
    struct shard shards[SHARDS];
    size_t max; /* keys of a shard */
    bool labels;
};

static uint64_t spread(struct mlo_key key)
{
    return key.a & (((uint64_t)1 << SHARD_SHIFT) - 1);
}

int mlo_keys_new(uint64_t max, bool labels, struct mlo_keys **ret, struct mlo_err *err)
{
    struct mlo_keys *k = mlo_calloc(1, sizeof *k, err);
    if (!k)
        return MLO_EIO;
    k->labels = labels;
    k->max = (size_t)((max ? max : MLO_VALIDATE_KEYS_MAX) + SHARDS - 1) / SHARDS;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&k->shards[i].lock, NULL);
        k->shards[i].range = (uint64_t)1 << SHARD_SHIFT;
    }
    *ret = k;
    return 0;
}

void mlo_keys_free(struct mlo_keys *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_destroy(&k->shards[i].lock);
        free(k->shards[i].slots);
        free(k->shards[i].others);
    }
    free(k);
}

/* ---- slots ---- */

static size_t find_slot(const struct shard *s, struct mlo_key key)
{
    size_t i = (size_t)key.b & (s->cap - 1);
    while (s->slots[i].rows && (s->slots[i].key.a != key.a || s->slots[i].key.b != key.b))
        i = (i + 1) & (s->cap - 1);
    return i;
}

/* All that lies in the range, to an array of `cap`. */
static int rebuild(struct shard *s, size_t cap, bool labels, struct mlo_err *err)
{
    struct shard old = *s;
    struct entry *slots = mlo_calloc(cap, sizeof *slots, err);
    struct other *others = slots && labels ? mlo_calloc(cap, sizeof *others, err) : NULL;
    if (!slots || (labels && !others)) {
        free(slots);
        return MLO_EIO;
    }
    s->slots = slots;
    s->others = others;
    s->cap = cap;
    s->count = 0;
    for (size_t i = 0; i < old.cap; i++) {
        if (!old.slots[i].rows || spread(old.slots[i].key) >= s->range)
            continue;
        size_t at = find_slot(s, old.slots[i].key);
        s->slots[at] = old.slots[i];
        if (labels)
            s->others[at] = old.others[i];
        s->count++;
    }
    free(old.slots);
    free(old.others);
    return 0;
}

/* Room for this key, which lies in the range; it may be smaller afterwards. Only more keys than fit make it
 * so, this one counted: then what is left does not depend on the order. */
static int make_room(struct shard *s, const struct mlo_keys *k, struct mlo_key key, struct mlo_err *err)
{
    int rc = 0;
    while (rc == 0 && s->count >= k->max && spread(key) < s->range) {
        s->range /= 2;
        rc = rebuild(s, s->cap, k->labels, err);
    }
    if (rc == 0 && 4 * (s->count + 1) > 3 * s->cap)
        rc = rebuild(s, s->cap ? 2 * s->cap : FIRST_SLOTS, k->labels, err);
    return rc;
}

/* ---- adding ---- */

void mlo_first_two_add(struct mlo_first_two *t, mlo_place at, uint64_t label)
{
    if (label == t->label && t->first != MLO_NO_PLACE) {
        t->first = at < t->first ? at : t->first;
    } else if (at < t->first) {
        t->other = t->first;
        t->other_label = t->label;
        t->first = at;
        t->label = label;
    } else if (at < t->other) {
        t->other = at;
        t->other_label = label;
    }
    if (t->other < t->first)
        *t = (struct mlo_first_two){t->other, t->first, t->other_label, t->label};
}

static void add_label(struct entry *e, struct other *o, mlo_place at, uint64_t label)
{
    struct mlo_first_two t = {MLO_NO_PLACE, MLO_NO_PLACE, 0, 0};
    if (e->rows > 0)
        t = (struct mlo_first_two){e->first, o->other, o->label, o->other_label};
    mlo_first_two_add(&t, at, label);
    *o = (struct other){t.label, t.other_label, t.other};
}

static int add(struct mlo_keys *k, struct shard *s, struct mlo_key key, mlo_place at, uint64_t label,
               mlo_place *ret_repeat, struct mlo_err *err)
{
    *ret_repeat = MLO_NO_PLACE;
    if (spread(key) >= s->range)
        return 0;
    size_t i = s->cap ? find_slot(s, key) : 0;
    if (!s->cap || !s->slots[i].rows) {
        int rc = make_room(s, k, key, err);
        if (rc != 0 || spread(key) >= s->range)
            return rc;
        i = find_slot(s, key);
        s->slots[i] = (struct entry){.key = key, .first = MLO_NO_PLACE};
        s->count++;
    }
    struct entry *e = &s->slots[i];
    if (k->labels)
        add_label(e, &s->others[i], at, label);
    if (e->rows > 0)
        *ret_repeat = at < e->first ? e->first : at;
    e->first = at < e->first ? at : e->first;
    e->rows++;
    return 0;
}

int mlo_keys_add(struct mlo_keys *k, struct mlo_key key, mlo_place at, uint64_t label, mlo_place *ret_repeat,
                 struct mlo_err *err)
{
    struct shard *s = &k->shards[key.a >> SHARD_SHIFT];
    pthread_mutex_lock(&s->lock);
    int rc = add(k, s, key, at, label, ret_repeat, err);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

/* ---- asking ---- */

mlo_place mlo_keys_find(const struct mlo_keys *k, struct mlo_key key, bool *ret_told)
{
    const struct shard *s = &k->shards[key.a >> SHARD_SHIFT];
    *ret_told = spread(key) < s->range;
    if (!*ret_told || !s->cap)
        return MLO_NO_PLACE;
    const struct entry *e = &s->slots[find_slot(s, key)];
    return e->rows ? e->first : MLO_NO_PLACE;
}

void mlo_keys_facts(const struct mlo_keys *k, struct mlo_keys_facts *ret)
{
    struct mlo_keys_facts f = {0};
    for (size_t i = 0; i < SHARDS; i++) {
        const struct shard *s = &k->shards[i];
        f.share += (double)s->range / (double)((uint64_t)1 << SHARD_SHIFT) / SHARDS;
        for (size_t j = 0; j < s->cap; j++) {
            if (!s->slots[j].rows)
                continue;
            f.rows += s->slots[j].rows;
            f.repeats += s->slots[j].rows - 1;
            if (k->labels && s->others[j].other != MLO_NO_PLACE)
                f.mixed += s->slots[j].rows;
        }
    }
    *ret = f;
}

static size_t insert_mixed(struct mlo_first_two *list, size_t n, size_t max, struct mlo_first_two t)
{
    size_t at = n;
    while (at > 0 && list[at - 1].other > t.other)
        at--;
    if (at == max)
        return n;
    size_t moved = (n < max ? n : max - 1) - at;
    memmove(&list[at + 1], &list[at], moved * sizeof *list);
    list[at] = t;
    return n < max ? n + 1 : max;
}

size_t mlo_keys_mixed(const struct mlo_keys *k, struct mlo_first_two *ret, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; max > 0 && k->labels && i < SHARDS; i++)
        for (size_t j = 0; j < k->shards[i].cap; j++) {
            const struct entry *e = &k->shards[i].slots[j];
            const struct other *o = &k->shards[i].others[j];
            if (e->rows && o->other != MLO_NO_PLACE)
                n = insert_mixed(ret, n, max,
                                 (struct mlo_first_two){e->first, o->other, o->label, o->other_label});
        }
    return n;
}
