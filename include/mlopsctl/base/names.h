/* A map from names to numbers, for parsers. Names are borrowed and must live as long as the map. */
#ifndef MLOPSCTL_BASE_NAMES_H
#define MLOPSCTL_BASE_NAMES_H

#include <mlopsctl/base/mem.h>

#define MLO_NAME_NONE SIZE_MAX /* not a number that a name may stand for */

struct mlo_name_map { /* {0} is empty */
    struct mlo_name_slot {
        const char *name; /* NULL: free */
        size_t value;
    } * slots;
    size_t cap, count;
};
void mlo_name_map_release(struct mlo_name_map *m);
/* The name of n bytes; MLO_NAME_NONE when it is not there. */
size_t mlo_name_map_get(const struct mlo_name_map *m, const char *name, size_t n);
/* Replaces what the name stood for. */
int mlo_name_map_set(struct mlo_name_map *m, const char *name, size_t value,
                     struct mlo_err *err) MLO_MUST_CHECK;

/* The names of a column's categories; the code of each is where it stands. A number is a name as it is spelt
 * shortest. */
struct mlo_categories {
    const char **names;
    size_t n, cap;
    bool numbers;            /* the names are numbers */
    bool closed;             /* a name that is not there is refused; else it counts as missing */
    struct mlo_name_map map; /* of names to codes */
};

#endif
