#include "names.h"

#include <string.h>

/* FNV-1a */
static uint64_t hash(const char *s, size_t n)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 1099511628211u;
    return h ^ h >> 32;
}

/* The slot of the name, or the free one where it would stand. */
static size_t slot_of(const struct mlo_names *s, const char *name, size_t n)
{
    size_t at = hash(name, n) & (s->n_slots - 1);
    for (; s->slots[at]; at = (at + 1) & (s->n_slots - 1)) {
        const char *there = s->names[s->slots[at] - 1];
        if (strncmp(there, name, n) == 0 && there[n] == '\0')
            break;
    }
    return at;
}

size_t mlo_names_find(const struct mlo_names *s, const char *name, size_t n)
{
    return s->n ? s->slots[slot_of(s, name, n)] - 1 : MLO_NAME_NONE;
}

static int widen(struct mlo_names *s, struct mlo_err *err)
{
    size_t n_slots = s->n_slots ? 2 * s->n_slots : 64;
    size_t *slots = mlo_calloc(n_slots, sizeof *slots, err);
    if (!slots)
        return MLO_EIO;
    free(s->slots);
    s->slots = slots;
    s->n_slots = n_slots;
    for (size_t i = 0; i < s->n; i++)
        slots[slot_of(s, s->names[i], strlen(s->names[i]))] = i + 1;
    return 0;
}

int mlo_names_add(struct mlo_names *s, const char *name, struct mlo_err *err)
{
    int rc = mlo_grow(&s->names, &s->cap_names, s->n + 1, sizeof *s->names, err);
    if (rc == 0 && 2 * (s->n + 1) > s->n_slots)
        rc = widen(s, err);
    if (rc != 0)
        return rc;
    s->names[s->n] = name;
    s->slots[slot_of(s, name, strlen(name))] = ++s->n;
    return 0;
}

void mlo_names_release(struct mlo_names *s)
{
    free(s->names);
    free(s->slots);
    *s = (struct mlo_names){0};
}

static int rename_double(struct mlo_names *s, struct mlo_table_column *c, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str name;
    mlo_str_init(&name, MLO_TABLE_LINE_MAX);
    for (unsigned k = 1;; k++) {
        mlo_str_clear(&name);
        mlo_str_addf(&name, "%s.%u", c->name, k);
        int rc = mlo_str_check(&name, err);
        if (rc != 0)
            return rc;
        if (mlo_names_find(s, name.ptr, name.len) == MLO_NAME_NONE)
            break;
    }
    free(c->name);
    c->name = mlo_str_detach(&name, NULL);
    return 0;
}

int mlo_names_unique(struct mlo_table_column *columns, size_t n, struct mlo_err *err)
{
    struct mlo_names names = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (mlo_names_find(&names, columns[i].name, strlen(columns[i].name)) != MLO_NAME_NONE)
            rc = rename_double(&names, &columns[i], err);
        if (rc == 0)
            rc = mlo_names_add(&names, columns[i].name, err);
    }
    mlo_names_release(&names);
    return rc;
}
