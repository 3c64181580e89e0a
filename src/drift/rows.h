/*
 * A bounded sample of rows, for what no single column can tell: do several move together? Which rows are in
 * it is decided by a hash of a row's place in the table, so it does not depend on threads. A profile's file
 * never holds it.
 */
#ifndef MLO_DRIFT_ROWS_H
#define MLO_DRIFT_ROWS_H

#include "internal.h"

#define MLO_ROWS_MAX  ((size_t)4000)
#define MLO_CELLS_MAX ((size_t)4 << 20) /* fewer rows of a table with more columns than this allows */

struct mlo_rows {
    uint64_t *keys;
    double *cells; /* width a row; NaN: missing; of a text 53 bits of its hash */
    size_t n, cap, width, max;
    uint64_t threshold; /* rows with a key above are not in */
};
int mlo_rows_new(size_t width, struct mlo_rows **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_rows_free(struct mlo_rows *r);
int mlo_rows_offer(struct mlo_rows *r, const struct mlo_profile *p, const struct mlo_batch *b,
                   struct mlo_err *err) MLO_MUST_CHECK;
int mlo_rows_merge(struct mlo_rows *into, const struct mlo_rows *from, struct mlo_err *err) MLO_MUST_CHECK;
/* Down to the lowest keys, in their order. */
int mlo_rows_settle(struct mlo_rows *r, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- boost.c: gradient boosted trees on bytes; logistic loss (Friedman 2001) ---- */

#define MLO_BOOST_CODES 33 /* values of a byte; the last is a missing value */
struct mlo_boost_data {
    const uint8_t *codes; /* n_features columns of n */
    const bool *listed;   /* of a feature: codes have no order, a split takes one out */
    const uint8_t *y;     /* 0, 1 */
    const uint8_t *fold;  /* of a row: below folds */
    size_t n, n_features, folds;
};
/* score: log-odds of each row, by the trees of the other folds. gain: what each feature did for them. */
int mlo_boost(const struct mlo_boost_data *d, double *score, double *gain,
              struct mlo_err *err) MLO_MUST_CHECK;

#endif
