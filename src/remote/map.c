/* Digest -> number, by open addressing. */
#include "internal.h"

#define MAP_FIRST 64

static size_t probe(const struct mlo_digest_map *m, const struct mlo_digest *key)
{
    size_t at = (size_t)mlo_digest_spread(key) & (m->cap - 1);
    for (; m->slots[at].value_plus_1 != 0; at = (at + 1) & (m->cap - 1))
        if (mlo_digest_eq(&m->slots[at].key, key))
            break;
    return at;
}

static int grow(struct mlo_digest_map *m, struct mlo_err *err)
{
    struct mlo_digest_map bigger = {.cap = m->cap ? m->cap * 2 : MAP_FIRST, .count = m->count};
    bigger.slots = mlo_calloc(bigger.cap, sizeof *bigger.slots, err);
    if (!bigger.slots)
        return MLO_EIO;
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].value_plus_1 != 0)
            bigger.slots[probe(&bigger, &m->slots[i].key)] = m->slots[i];
    free(m->slots);
    *m = bigger;
    return 0;
}

void mlo_digest_map_release(struct mlo_digest_map *m)
{
    free(m->slots);
    *m = (struct mlo_digest_map){0};
}

int mlo_digest_map_add(struct mlo_digest_map *m, const struct mlo_digest *key, size_t value, size_t *ret,
                       struct mlo_err *err)
{
    int rc = m->count >= m->cap / 2 ? grow(m, err) : 0;
    if (rc != 0)
        return rc;
    struct mlo_digest_slot *slot = &m->slots[probe(m, key)];
    if (slot->value_plus_1 == 0) {
        *slot = (struct mlo_digest_slot){*key, value + 1};
        m->count++;
    }
    *ret = slot->value_plus_1 - 1;
    return 0;
}

bool mlo_digest_map_get(const struct mlo_digest_map *m, const struct mlo_digest *key, size_t *ret)
{
    const struct mlo_digest_slot *slot = m->cap ? &m->slots[probe(m, key)] : NULL;
    if (!slot || slot->value_plus_1 == 0)
        return false;
    *ret = slot->value_plus_1 - 1;
    return true;
}
