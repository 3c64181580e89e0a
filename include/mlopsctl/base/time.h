/* Time: wall clock in nanoseconds since 1970 UTC, monotonic clock, RFC 3339. */
#ifndef MLOPSCTL_BASE_TIME_H
#define MLOPSCTL_BASE_TIME_H

#include <mlopsctl/base/err.h>
#include <stdint.h>

#define MLO_NS_PER_S    1000000000LL
#define MLO_RFC3339_MAX 40

int64_t mlo_time_now(void);
int64_t mlo_time_mono(void);
/* "2026-11-21T09:07:00Z", UTC, whole seconds; returns buf. */
char *mlo_time_rfc3339(int64_t ns, char buf[MLO_RFC3339_MAX]);
/* Accepts any offset and a fraction. */
int mlo_time_parse(const char *s, int64_t *ret_ns, struct mlo_err *err) MLO_MUST_CHECK;

#endif
