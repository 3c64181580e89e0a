/* What a target uses while it answers: read before and after each block, so that each side has its own. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "internal.h"

#define ROOTS_MAX 1024

/* ---- its processes ---- */

/* Those that it knows, and what they started; of this process itself only this one. */
static size_t find_family(struct mlo_target *t, pid_t ret[MLO_HOST_FAMILY])
{
    pid_t roots[ROOTS_MAX];
    size_t n = t->processes ? t->processes(t, roots, ROOTS_MAX) : 0;
    if (n == 0)
        return 0;
    if (n > 1 || roots[0] != getpid())
        return mlo_host_family(roots, n, ret);
    ret[0] = roots[0];
    return 1;
}

/* The one with the most memory: where a container's runtime and the container are processes, the latter. */
static pid_t largest_of(const pid_t *pids, size_t n)
{
    pid_t largest = n > 0 ? pids[0] : 0;
    uint64_t most = 0;
    for (size_t i = 0; n > 1 && i < n; i++) {
        struct mlo_host_memory m;
        mlo_host_memory(&pids[i], 1, &m);
        if (m.rss > most) {
            most = m.rss;
            largest = pids[i];
        }
    }
    return largest;
}

void mlo_footprint_begin(struct mlo_target *t)
{
    pid_t pids[MLO_HOST_FAMILY];
    mlo_host_memory_reset(pids, find_family(t, pids));
}

void mlo_footprint_end(struct mlo_target *t, struct mlo_footprint *ret)
{
    pid_t pids[MLO_HOST_FAMILY];
    struct mlo_host_memory m;
    mlo_host_memory(pids, find_family(t, pids), &m);
    *ret = (struct mlo_footprint){t->load_peak, m.peak, m.rss, m.pss};
}

/* ---- counters ---- */

static void read_ticks(struct mlo_meter_reading *r)
{
    char line[512], *at = line + 4;
    FILE *f = fopen("/proc/stat", "re");
    bool good = f && fgets(line, sizeof line, f) && strncmp(line, "cpu ", 4) == 0;
    for (int i = 0; good && i < 8; i++) { /* user nice system idle iowait irq softirq steal */
        uint64_t v = strtoull(at, &at, 10);
        r->cpu_ticks += v;
        r->stolen_ticks = v;
    }
    if (f)
        fclose(f);
}

static void read_all(const struct mlo_meter *m, struct mlo_meter_reading *r)
{
    struct rusage usage;
    *r = (struct mlo_meter_reading){.cpu_ticks = 0};
    mlo_host_groups_read(&m->groups, r->groups);
    mlo_host_energy_read(&m->energy, r->packages);
    read_ticks(r);
    if (m->is_self && getrusage(RUSAGE_SELF, &usage) == 0) {
        r->waits = (uint64_t)usage.ru_nvcsw;
        r->preempted = (uint64_t)usage.ru_nivcsw;
    }
}

void mlo_meter_open(struct mlo_target *t, const struct mlo_gpu_meter *gpu, struct mlo_meter *ret)
{
    pid_t pids[MLO_HOST_FAMILY];
    size_t n = find_family(t, pids);
    *ret = (struct mlo_meter){.gpu = gpu, .is_self = n == 1 && pids[0] == getpid()};
    if (n > 0)
        mlo_host_groups_open(largest_of(pids, n), &ret->groups);
    mlo_host_energy_open(&ret->energy);
}

void mlo_meter_close(struct mlo_meter *m)
{
    mlo_host_groups_close(&m->groups);
    mlo_host_energy_close(&m->energy);
}

void mlo_used_init(struct mlo_used *u)
{
    *u = (struct mlo_used){.cpu_joules = NAN};
    u->gpu = (struct mlo_gpu_used){.busy = NAN,
                                   .memory_busy = NAN,
                                   .power_w = NAN,
                                   .mhz = NAN,
                                   .power_limit_w = NAN,
                                   .mhz_max = NAN,
                                   .memory = NAN,
                                   .joules = NAN};
}

void mlo_meter_start(struct mlo_meter *m)
{
    struct mlo_meter_reading now;
    read_all(m, &now);
    /* Who is held back is counted when his period ends, which may be after the block. What is only his
     * group's is his own whenever it happens; in ours the other side counts, too. */
    if (m->begun && !m->is_self)
        memcpy(now.groups, m->before.groups, sizeof now.groups);
    m->before = now;
    m->before_gpu = m->gpu ? mlo_gpu_meter_energy(m->gpu) : -1;
    m->begun = true;
}

/* ---- GPU ---- */

/* The mean of n values, of which the last is this; one that is not told leaves it as it was. */
static void add_mean(double *mean, int64_t v, double unit, uint64_t n)
{
    if (v >= 0)
        *mean = isnan(*mean) ? (double)v / unit : *mean + ((double)v / unit - *mean) / (double)n;
}

static void add_most(double *most, int64_t v, double unit)
{
    if (v >= 0)
        *most = fmax(isnan(*most) ? 0 : *most, (double)v / unit);
}

static void add_gpu(const struct mlo_meter *m, struct mlo_gpu_used *g)
{
    struct mlo_gpu_reading r;
    mlo_gpu_meter_read(m->gpu, &r);
    if (g->readings++ == 0)
        snprintf(g->name, sizeof g->name, "%s", mlo_gpu_meter_name(m->gpu));
    add_mean(&g->busy, r.busy, 1, g->readings);
    add_mean(&g->memory_busy, r.memory_busy, 1, g->readings);
    add_mean(&g->power_w, r.power_mw, 1e3, g->readings);
    add_mean(&g->mhz, r.sm_mhz, 1, g->readings);
    add_most(&g->power_limit_w, r.power_limit_mw, 1e3);
    add_most(&g->mhz_max, r.sm_mhz_max, 1);
    add_most(&g->memory, r.memory_used, 1);
    if (m->before_gpu >= 0 && r.energy_mj >= m->before_gpu)
        g->joules = (isnan(g->joules) ? 0 : g->joules) + (double)(r.energy_mj - m->before_gpu) / 1e3;
    for (unsigned i = 0; r.reasons > 0 && i < MLO_GPU_REASONS; i++)
        g->reasons[i] += (uint64_t)r.reasons >> i & 1;
}

/* ---- a block ---- */

/* Counters of the kernel's go back now and then. */
static void add_growth(uint64_t *sum, uint64_t from, uint64_t to)
{
    *sum += to > from ? to - from : 0;
}

void mlo_meter_stop(struct mlo_meter *m, struct mlo_used *u)
{
    const struct mlo_meter_reading *from = &m->before;
    struct mlo_meter_reading to;
    read_all(m, &to);
    for (size_t i = 0; i < MLO_HOST_GROUPS; i++) {
        add_growth(&u->groups[i].periods, from->groups[i].periods, to.groups[i].periods);
        add_growth(&u->groups[i].throttled, from->groups[i].throttled, to.groups[i].throttled);
        add_growth(&u->groups[i].throttled_ns, from->groups[i].throttled_ns, to.groups[i].throttled_ns);
        u->groups[i].cpus = to.groups[i].cpus;
    }
    memcpy(m->before.groups, to.groups, sizeof to.groups);
    add_growth(&u->cpu_ticks, from->cpu_ticks, to.cpu_ticks);
    add_growth(&u->stolen_ticks, from->stolen_ticks, to.stolen_ticks);
    add_growth(&u->waits, from->waits, to.waits);
    add_growth(&u->preempted, from->preempted, to.preempted);
    if (m->energy.n > 0)
        u->cpu_joules = (isnan(u->cpu_joules) ? 0 : u->cpu_joules) +
                        (double)mlo_host_energy_between(&m->energy, from->packages, to.packages) / 1e6;
    if (m->gpu)
        add_gpu(m, &u->gpu);
}
