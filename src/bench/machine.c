/* What the machine took away while we measured. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

/* ---- machine ---- */

void mlo_machine_read(struct mlo_machine *ret)
{
    char line[512], *at = line;
    FILE *f = fopen("/proc/stat", "re");
    bool good = f && fgets(line, sizeof line, f) && strncmp(line, "cpu ", 4) == 0;
    *ret = (struct mlo_machine){0};
    at += 4;
    for (int i = 0; good && i < 8; i++) { /* user nice system idle iowait irq softirq steal */
        uint64_t v = strtoull(at, &at, 10);
        ret->cpu_ticks += v;
        ret->stolen_ticks = v;
    }
    if (f)
        fclose(f);
}

/* ---- a loop that always does the same ---- */

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
