/* Columns found by name, however many there are. */
#ifndef MLO_TABLE_NAMES_H
#define MLO_TABLE_NAMES_H

#include "internal.h"

#define MLO_NAME_NONE SIZE_MAX

struct mlo_names { /* {0} is empty */
    const char **names;
    size_t *slots; /* index + 1 of a name, 0: free; a power of two of them */
    size_t n, cap_names, n_slots;
};
/* Index of the name, or MLO_NAME_NONE. */
size_t mlo_names_find(const struct mlo_names *s, const char *name, size_t n);
/* The next index for this name, which is borrowed and must not be there yet. */
int mlo_names_add(struct mlo_names *s, const char *name, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_names_release(struct mlo_names *s);
/* Columns with the name of an earlier one get a number, as pandas does: "x.1". */
int mlo_names_unique(struct mlo_table_column *columns, size_t n, struct mlo_err *err) MLO_MUST_CHECK;

#endif
