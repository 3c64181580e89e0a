/* What the machine took away while we measured. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "internal.h"

/* ---- machine ---- */

static bool read_text(const char *path, char *buf, size_t size)
{
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(buf, 1, size - 1, f) : 0;
    buf[n] = '\0';
    if (f)
        fclose(f);
    return n > 0;
}

static void read_ticks(struct mlo_machine *m)
{
    char buf[512], *at = buf;
    if (!read_text("/proc/stat", buf, sizeof buf) || strncmp(buf, "cpu ", 4) != 0)
        return;
    at += 4;
    for (int i = 0; i < 8; i++) { /* user nice system idle iowait irq softirq steal */
        uint64_t v = strtoull(at, &at, 10);
        m->cpu_ticks += v;
        m->stolen_ticks = i == 7 ? v : 0;
    }
}

static uint64_t field(const char *text, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = text; at; at = strchr(at, '\n'), at = at ? at + 1 : NULL)
        if (strncmp(at, name, len) == 0 && at[len] == ' ')
            return strtoull(at + len, NULL, 10);
    return 0;
}

/* The container's own cgroup as it is mounted there: v2, else v1. */
static void read_quota(struct mlo_machine *m)
{
    char buf[1024];
    if (read_text("/sys/fs/cgroup/cpu.stat", buf, sizeof buf)) {
        m->throttled_ns = field(buf, "throttled_usec") * 1000;
    } else if (read_text("/sys/fs/cgroup/cpu/cpu.stat", buf, sizeof buf)) {
        m->throttled_ns = field(buf, "throttled_time");
    }
    m->periods = field(buf, "nr_periods");
    m->throttled = field(buf, "nr_throttled");
}

void mlo_machine_read(struct mlo_machine *ret)
{
    struct mlo_machine m = {0};
    struct rusage u;
    read_ticks(&m);
    read_quota(&m);
    if (getrusage(RUSAGE_SELF, &u) == 0)
        m.switches = (uint64_t)u.ru_nivcsw;
    *ret = m;
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
