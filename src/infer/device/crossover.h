/*
 * From how many rows on is the device faster than the CPU? Both are measured with rows of the first request,
 * at some sizes; where the winner changes from one to the next, at more between them. What a request takes is
 * read off the lines between those sizes, and beyond the last off the last of them.
 */
#ifndef MLO_INFER_CROSSOVER_H
#define MLO_INFER_CROSSOVER_H

#include <mlopsctl/infer.h>

struct mlo_crossover_sides {
    /* One run of so many rows. MLO_EUNAVAIL: this side cannot do it; other errors end the measuring. */
    int (*cpu)(void *ctx, size_t rows, struct mlo_err *err);
    int (*device)(void *ctx, size_t rows, struct mlo_err *err);
    int64_t (*now)(void *ctx); /* nanoseconds */
    void *ctx;
};
/* Sizes after one that takes either side longer than MLO_CROSSOVER_NS are not measured. */
#define MLO_CROSSOVER_NS 20000000
int mlo_crossover_measure(const struct mlo_crossover_sides *s, struct mlo_crossover *ret,
                          struct mlo_err *err) MLO_MUST_CHECK;
/* Is it the device's? */
bool mlo_crossover_choose(const struct mlo_crossover *c, size_t rows);

#endif
