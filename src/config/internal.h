/* The YAML that settings are written in: a small, strict part of the language as a flat list of values. */
#ifndef MLOPSCTL_CONFIG_INTERNAL_H
#define MLOPSCTL_CONFIG_INTERNAL_H

#include <mlopsctl/config.h>

#define MLO_YAML_MAX   ((size_t)1 << 20) /* bytes of a file */
#define MLO_YAML_DEPTH 16                /* nested mappings and lists */
#define MLO_YAML_KEYS  65536             /* keys and list elements of a file */
#define MLO_YAML_PATH  512               /* bytes of a dotted path */

struct mlo_yaml_entry {
    const char *path;  /* "gc.retention", "remotes.prod.tags.0" */
    const char *value; /* NULL: null, or the mapping or list whose values follow */
    size_t line;       /* from 1 */
    bool inner;        /* a mapping or list */
    unsigned depth;    /* 1: a key of the file itself */
    size_t key;        /* where the entry's own key begins in path */
};
struct mlo_yaml {
    struct mlo_arena arena; /* holds all text */
    struct mlo_yaml_entry *entries;
    size_t n, cap;
    uint32_t
        *index; /* by hash of the path: number of the entry + 1; open addressing, cap_index a power of two */
    size_t cap_index;
};
/* `name` stands in messages. doc is initialised here; release it after failure too. */
int mlo_yaml_parse(const char *name, const char *text, size_t n, struct mlo_yaml *doc,
                   struct mlo_err *err) MLO_MUST_CHECK;
void mlo_yaml_release(struct mlo_yaml *doc);
/* NULL, or the row of the table. */
const struct mlo_setting *mlo_setting_find(const char *key);
/* Is `value` of the setting's type? `origin` stands in the message. ret_u64 may be NULL. */
int mlo_setting_check(const struct mlo_setting *s, const char *value, const char *origin, uint64_t *ret_u64,
                      struct mlo_err *err) MLO_MUST_CHECK;

#endif
