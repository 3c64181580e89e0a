/* What the files of this folder share. */
#ifndef MLO_PREDICT_INTERNAL_H
#define MLO_PREDICT_INTERNAL_H

#include <mlopsctl/predict.h>

#define MLO_FEATURES_MAX ((size_t)65536)    /* columns that a model takes, or gives */
#define MLO_CELL_ARRAY   ((size_t)16 << 20) /* elements of the array in one cell */
#define MLO_LISTED_MAX   20                 /* names in one message */

/* ---- graph.c: what the model's graph says beside its types ---- */

/* Names of n classes: of the node that gives the scores, or the list that a label is taken from. *ret NULL:
 * not told. Owner of list and names: the arena. */
int mlo_classes_find(const struct mlo_graph *g, size_t n, struct mlo_arena *arena, const char *const **ret,
                     struct mlo_err *err) MLO_MUST_CHECK;

/* ---- number.c ---- */

/* The double as an element of this type; false when it has no such value: a fraction or NaN as an integer. */
bool mlo_element_put(enum mlo_dtype t, void *data, size_t at, double v);
/* The element as text, without quotes; returns its length. Types: mlo_element_is_number. */
unsigned mlo_element_digits(enum mlo_dtype t, const void *data, size_t at, char *to);
bool mlo_element_is_number(enum mlo_dtype t);
/* A float that may differ a little elsewhere; those of 8 bits and fewer have to be the same. */
bool mlo_element_is_inexact(enum mlo_dtype t);
bool mlo_element_is_finite(enum mlo_dtype t, const void *data, size_t at);

#endif
