/* Names of columns. */
#ifndef MLO_TABLE_NAMES_H
#define MLO_TABLE_NAMES_H

#include "internal.h"

#include <mlopsctl/base/names.h>

/* Columns with the name of an earlier one get a number, as pandas does: "x.1". */
int mlo_names_unique(struct mlo_table_column *columns, size_t n, struct mlo_err *err) MLO_MUST_CHECK;

#endif
