/* A loop that always does the same: how fast the machine is at this moment. */
#include "internal.h"

double mlo_control_loop(const struct mlo_clock *clock)
{
    int64_t from = mlo_clock_now(clock);
    uint64_t x = 88172645463325252;
    for (int i = 0; i < MLO_CONTROL_STEPS; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        __asm__ volatile("" : "+r"(x));
    }
    return (double)(mlo_clock_now(clock) - from);
}
