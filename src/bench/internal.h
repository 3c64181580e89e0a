/* What the files of this folder share. */
#ifndef MLO_BENCH_INTERNAL_H
#define MLO_BENCH_INTERNAL_H

#include <signal.h>

#include <mlopsctl/base/time.h>
#include <mlopsctl/bench.h>

#define MLO_BLOCK_TIMINGS_MAX ((size_t)1 << 20) /* of one block; later ones are counted, not kept */

#define MLO_TARGET_LIMIT (30 * MLO_NS_PER_S) /* for the answer to one request */

/* ---- sigpipe.c ---- */

/* SIGPIPE of this thread is blocked until it is restored, when one that came meanwhile is forgotten. */
void mlo_sigpipe_hold(sigset_t *ret_before);
void mlo_sigpipe_restore(const sigset_t *before);

/* ---- machine.c ---- */

/* A dependent chain of integer operations, some milliseconds; how long it took. */
#define MLO_CONTROL_STEPS 400000
double mlo_control_loop(const struct mlo_clock *clock);

/* ---- clock.c ---- */

int64_t mlo_clock_now(const struct mlo_clock *clock);
void mlo_clock_wait(const struct mlo_clock *clock, int64_t until);
static inline int64_t mlo_clock_after(const struct mlo_clock *clock, double seconds)
{
    return mlo_clock_now(clock) + (int64_t)(seconds * 1e9);
}

/* ---- measure.c ---- */

/* Adds a block to what was measured, with the control loop beside it; b is sorted. */
int mlo_measured_add(struct mlo_measured *m, struct mlo_block *b, double control,
                     struct mlo_err *err) MLO_MUST_CHECK;
int mlo_measured_begin(struct mlo_measured *m, const struct mlo_runner *r,
                       struct mlo_err *err) MLO_MUST_CHECK;

#endif
