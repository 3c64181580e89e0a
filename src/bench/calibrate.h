/* What measuring the machine is made of. */
#ifndef MLO_BENCH_CALIBRATE_H
#define MLO_BENCH_CALIBRATE_H

#include "internal.h"

/* Loops of one core, and the operations (two for a product and a sum) of one turn. NULL and 0: there is no
 * such instruction. What they return is to be looked at, or compilers take them away. */
struct mlo_peaks {
    double (*multiply_f32)(size_t turns, double by), (*multiply_f64)(size_t turns, double by);
    double (*multiply_int8)(size_t turns, double by), (*multiply_bf16)(size_t turns, double by);
    double (*read)(const void *from, size_t bytes); /* bytes: a multiple of 512 */
    double f32, f64, int8, bf16;
};
struct mlo_peaks mlo_peaks_here(void);

/*
 * Calls fn until `seconds` are over, at least three times; work of the fastest call a second. A clock that
 * stands still or goes back counts for nothing; 0 when it always does.
 */
double mlo_best_rate(const struct mlo_clock *clock, double seconds, double work, void (*fn)(void *ctx),
                     void *ctx);

/* ---- calibrate_step.c ---- */

/* What the engine takes for a step with next to nothing to do. */
int mlo_step_cost(const struct mlo_clock *clock, double *ret_ns, struct mlo_err *err) MLO_MUST_CHECK;

#endif
