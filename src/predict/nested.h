/* Arrays written out in a cell: JSON, "[[1,2],[3,4]]". */
#ifndef MLO_PREDICT_NESTED_H
#define MLO_PREDICT_NESTED_H

#include "internal.h"

/* Dimensions 1 and up of a->dims from the text, which must fit the port; a->rank is that of the port. */
int mlo_nested_shape(struct mlo_slice text, const struct mlo_port_type *p, struct mlo_array *a,
                     struct mlo_err *err) MLO_MUST_CHECK;
/* Elements of a row. */
size_t mlo_nested_width(const struct mlo_array *a);
/* The numbers of the text, which has exactly this shape, from element `at` on. */
int mlo_nested_put(struct mlo_slice text, struct mlo_array *a, size_t at, struct mlo_err *err) MLO_MUST_CHECK;

#endif
