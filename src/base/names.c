/* Names to numbers: open addressing, at most half full. */
#include <mlopsctl/base/names.h>

#include <string.h>

static size_t place(const struct mlo_name_map *m, const char *name, size_t n)
{
    uint64_t h = 0xCBF29CE484222325U; /* FNV-1a */
    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)name[i]) * 0x100000001B3U;
    size_t at = (size_t)(h ^ h >> 32) & (m->cap - 1);
    for (; m->slots[at].name; at = (at + 1) & (m->cap - 1))
        if (strncmp(m->slots[at].name, name, n) == 0 && m->slots[at].name[n] == '\0')
            break;
    return at;
}

void mlo_name_map_release(struct mlo_name_map *m)
{
    free(m->slots);
    *m = (struct mlo_name_map){0};
}

size_t mlo_name_map_get(const struct mlo_name_map *m, const char *name, size_t n)
{
    if (m->cap == 0)
        return MLO_NAME_NONE;
    const struct mlo_name_slot *s = &m->slots[place(m, name, n)];
    return s->name ? s->value : MLO_NAME_NONE;
}

static int widen(struct mlo_name_map *m, struct mlo_err *err)
{
    struct mlo_name_map wide = {.cap = m->cap ? m->cap * 2 : 64, .count = m->count};
    wide.slots = mlo_calloc(wide.cap, sizeof *wide.slots, err);
    if (!wide.slots)
        return err->code;
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].name)
            wide.slots[place(&wide, m->slots[i].name, strlen(m->slots[i].name))] = m->slots[i];
    free(m->slots);
    *m = wide;
    return 0;
}

int mlo_name_map_set(struct mlo_name_map *m, const char *name, size_t value, struct mlo_err *err)
{
    int rc = 2 * (m->count + 1) > m->cap ? widen(m, err) : 0;
    if (rc != 0)
        return rc;
    struct mlo_name_slot *s = &m->slots[place(m, name, strlen(name))];
    m->count += !s->name;
    *s = (struct mlo_name_slot){name, value};
    return 0;
}
