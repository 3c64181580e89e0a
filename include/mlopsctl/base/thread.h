/* Threads: how many are worth using, and a loop over them. */
#ifndef MLOPSCTL_BASE_THREAD_H
#define MLOPSCTL_BASE_THREAD_H

#include <mlopsctl/base/mem.h>

/* CPUs this process may use: affinity mask and cgroup v1/v2 quota (rounded up), at least 1. */
unsigned mlo_cpu_count(void);
/* CPUs that the cgroup's quota grants, 1.5 say; 0: there is no quota. */
double mlo_cpu_quota(void);
/*
 * Calls fn(ctx, i) for i in [0, n) on up to `threads` threads, in no order. The first failure stops the rest
 * from starting and is returned in err. fn must be safe to run beside itself.
 */
int mlo_parallel(size_t n, unsigned threads, int (*fn)(void *ctx, size_t i, struct mlo_err *err), void *ctx,
                 struct mlo_err *err) MLO_MUST_CHECK;

#endif
