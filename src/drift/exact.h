/* Values of number columns, kept for statistics without bins (exact.c), and those statistics
 * (exact_compare.c). */
#ifndef MLO_DRIFT_EXACT_H
#define MLO_DRIFT_EXACT_H

#include "internal.h"

#define MLO_EXACT_RUN ((size_t)2 << 20) /* values sorted at once; columns up to twice that stay in memory */

struct mlo_room {   /* memory that is used again for the next column */
    double *values; /* owned */
    size_t cap;
};
void mlo_room_release(struct mlo_room *r);
struct mlo_sorted {
    const double *values; /* of the room, or mapped */
    size_t n;
    bool mapped;
};

/* The columns of p that hold numbers and are not ignored. temporary: NULL is /tmp. */
int mlo_exact_new(const struct mlo_profile *p, unsigned workers, const char *temporary,
                  struct mlo_exact **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_exact_free(struct mlo_exact *e);
/* From several workers at once, each with its own number. */
int mlo_exact_add(struct mlo_exact *e, unsigned worker, const struct mlo_batch *b,
                  struct mlo_err *err) MLO_MUST_CHECK;
size_t mlo_exact_count(const struct mlo_exact *e, size_t column);
/* May run beside itself with other rooms. *ret is good until room is used again. */
int mlo_exact_sorted(const struct mlo_exact *e, size_t column, struct mlo_room *room,
                     struct mlo_room *scratch, struct mlo_sorted *ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_sorted_release(struct mlo_sorted *s);

/* Of every number column that was compared: what the bins only bound is replaced by what the values say. */
int mlo_exact_compare(const struct mlo_profile *reference, const struct mlo_profile *current,
                      const struct mlo_drift_opts *o, struct mlo_drift_report *r,
                      struct mlo_err *err) MLO_MUST_CHECK;

#endif
