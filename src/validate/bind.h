/* Rules and one table: which columns each rule reads, and what can be said before a row is read. */
#ifndef MLO_VALIDATE_BIND_H
#define MLO_VALIDATE_BIND_H

#include "internal.h"

struct mlo_binding {
    struct mlo_arena arena;
    struct mlo_bound *bounds; /* of every rule */
    size_t n;
    const struct mlo_table_column *columns; /* borrowed from the table */
    size_t n_columns;
};
int mlo_bind(struct mlo_binding *b, const struct mlo_rules *rules, const struct mlo_table *t,
             const struct mlo_validate_opts *opts, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_binding_release(struct mlo_binding *b);
/* A sentence that lives as long as the binding. NULL when memory is gone. */
const char *mlo_bind_say(struct mlo_binding *b, struct mlo_err *err, const char *fmt, ...) MLO_PRINTF(3, 4);
size_t mlo_bind_find(const struct mlo_table_column *columns, size_t n, const char *name); /* SIZE_MAX: none */

#endif
