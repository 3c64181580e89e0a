/* The names of one scope: a table with open addressing. */
#include "internal.h"

#include <string.h>

static size_t place(const struct mlo_names *n, const char *name)
{
    uint64_t h = 0xCBF29CE484222325U; /* FNV-1a */
    for (const char *p = name; *p; p++)
        h = (h ^ (uint8_t)*p) * 0x100000001B3U;
    size_t i = (size_t)(h ^ h >> 29) & (n->cap - 1);
    while (n->slots[i].name && strcmp(n->slots[i].name, name) != 0)
        i = (i + 1) & (n->cap - 1);
    return i;
}

void mlo_names_release(struct mlo_names *n)
{
    free(n->slots);
    *n = (struct mlo_names){0};
}

size_t mlo_names_get(const struct mlo_names *n, const char *name)
{
    if (n->cap == 0)
        return MLO_NO_VALUE;
    const struct mlo_name_slot *s = &n->slots[place(n, name)];
    return s->name ? s->value : MLO_NO_VALUE;
}

static int widen(struct mlo_names *n, struct mlo_err *err)
{
    struct mlo_names wide = {.cap = n->cap ? n->cap * 2 : 64};
    wide.slots = mlo_calloc(wide.cap, sizeof *wide.slots, err);
    if (!wide.slots)
        return err->code;
    for (size_t i = 0; i < n->cap; i++)
        if (n->slots[i].name)
            wide.slots[place(&wide, n->slots[i].name)] = n->slots[i];
    wide.count = n->count;
    free(n->slots);
    *n = wide;
    return 0;
}

int mlo_names_set(struct mlo_names *n, const char *name, size_t value, struct mlo_err *err)
{
    int rc = 2 * (n->count + 1) > n->cap ? widen(n, err) : 0;
    if (rc != 0)
        return rc;
    struct mlo_name_slot *s = &n->slots[place(n, name)];
    n->count += !s->name;
    *s = (struct mlo_name_slot){name, value};
    return 0;
}
