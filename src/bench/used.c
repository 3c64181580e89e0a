/* What was used beside a measurement: what it amounts to, and as JSON. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

const struct mlo_host_throttle *mlo_used_quota(const struct mlo_used *u, double *ret_share)
{
    const struct mlo_host_throttle *worst = NULL;
    *ret_share = 0;
    for (size_t i = 0; i < MLO_HOST_GROUPS; i++) {
        const struct mlo_host_throttle *g = &u->groups[i];
        double share = g->periods > 0 ? (double)g->throttled / (double)g->periods : 0;
        if (g->periods > 0 && (!worst || share > *ret_share)) {
            worst = g;
            *ret_share = fmin(share, 1);
        }
    }
    return worst;
}

double mlo_used_stolen(const struct mlo_used *u)
{
    return u->cpu_ticks > 0 ? (double)u->stolen_ticks / (double)u->cpu_ticks : 0;
}

double mlo_used_joules(const struct mlo_used *u)
{
    if (isnan(u->cpu_joules) || isnan(u->gpu.joules))
        return isnan(u->cpu_joules) ? u->gpu.joules : u->cpu_joules;
    return u->cpu_joules + u->gpu.joules;
}

double mlo_measured_overhead(const struct mlo_measured *m)
{
    double timing = (double)mlo_times_quantile(&m->times, 0.5) * m->repeat;
    return timing > 0 ? m->timer.overhead / timing : 0;
}

/* ---- written ---- */

static void add_known(cJSON *to, const char *key, uint64_t v)
{
    if (v > 0)
        mlo_json_add_u64(to, key, v);
    else
        cJSON_AddNullToObject(to, key);
}

static void add_memory(cJSON *to, const struct mlo_footprint *m)
{
    cJSON *o = cJSON_AddObjectToObject(to, "memory");
    add_known(o, "load_peak", m->load_peak);
    add_known(o, "run_peak", m->run_peak);
    add_known(o, "rss", m->rss);
    add_known(o, "pss", m->pss);
}

static void add_quota(cJSON *to, const struct mlo_used *u)
{
    double share;
    const struct mlo_host_throttle *g = mlo_used_quota(u, &share);
    if (!g) {
        cJSON_AddNullToObject(to, "quota");
        return;
    }
    cJSON *o = cJSON_AddObjectToObject(to, "quota");
    mlo_json_add_u64(o, "periods", g->periods);
    mlo_json_add_u64(o, "throttled", g->throttled);
    mlo_json_add_u64(o, "throttled_ns", g->throttled_ns);
    mlo_json_add_double(o, "cpus", g->cpus > 0 ? g->cpus : NAN);
}

/* Members of the GPU that are numbers. */
static const struct {
    const char *key;
    size_t at;
} gpu_numbers[] = {{"busy", offsetof(struct mlo_gpu_used, busy)},
                   {"memory_busy", offsetof(struct mlo_gpu_used, memory_busy)},
                   {"power_w", offsetof(struct mlo_gpu_used, power_w)},
                   {"power_limit_w", offsetof(struct mlo_gpu_used, power_limit_w)},
                   {"mhz", offsetof(struct mlo_gpu_used, mhz)},
                   {"mhz_max", offsetof(struct mlo_gpu_used, mhz_max)},
                   {"memory", offsetof(struct mlo_gpu_used, memory)},
                   {"joules", offsetof(struct mlo_gpu_used, joules)}};

static void add_gpu(cJSON *to, const struct mlo_gpu_used *g)
{
    if (g->readings == 0) {
        cJSON_AddNullToObject(to, "gpu");
        return;
    }
    cJSON *o = cJSON_AddObjectToObject(to, "gpu");
    cJSON_AddStringToObject(o, "name", g->name);
    mlo_json_add_u64(o, "readings", g->readings);
    for (size_t i = 0; i < MLO_COUNT(gpu_numbers); i++)
        mlo_json_add_double(o, gpu_numbers[i].key, *(const double *)((const char *)g + gpu_numbers[i].at));
    cJSON *reasons = cJSON_AddArrayToObject(o, "reasons");
    for (unsigned i = 0; i < MLO_GPU_REASONS; i++)
        cJSON_AddItemToArray(reasons, cJSON_CreateNumber((double)g->reasons[i]));
}

void mlo_measured_json(const struct mlo_measured *m, cJSON *to)
{
    const struct mlo_used *u = &m->used;
    mlo_json_add_u64(to, "requests", m->requests);
    mlo_json_add_u64(to, "failures", m->failures);
    mlo_json_add_u64(to, "repeat", m->repeat);
    mlo_json_add_double(to, "seconds", m->seconds);
    cJSON_AddBoolToObject(to, "steady", m->steady);
    cJSON_AddBoolToObject(to, "stopped", m->stopped);
    add_known(to, "load_ns", m->load_ns);
    add_memory(to, &m->memory);
    cJSON *timer = cJSON_AddObjectToObject(to, "timer");
    mlo_json_add_double(timer, "overhead_ns", m->timer.overhead);
    mlo_json_add_double(timer, "tick_ns", m->timer.tick);
    mlo_json_add_u64(to, "cpu_ticks", u->cpu_ticks);
    mlo_json_add_u64(to, "stolen_ticks", u->stolen_ticks);
    mlo_json_add_u64(to, "waits", u->waits);
    mlo_json_add_u64(to, "preempted", u->preempted);
    mlo_json_add_double(to, "cpu_joules", u->cpu_joules);
    add_quota(to, u);
    add_gpu(to, &u->gpu);
}

/* ---- read ---- */

static const cJSON *member(const cJSON *from, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(from, key);
}

static uint64_t whole(const cJSON *from, const char *key)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    uint64_t v = 0;
    return mlo_json_u64(from, key, &v, &ignored) == 0 ? v : 0;
}

static double number(const cJSON *from, const char *key, double unknown)
{
    const cJSON *item = member(from, key);
    return cJSON_IsNumber(item) && item->valuedouble >= 0 ? item->valuedouble : unknown;
}

static void read_gpu(const cJSON *from, struct mlo_gpu_used *g)
{
    const cJSON *reasons = member(from, "reasons"), *item;
    const char *name = mlo_json_text(from, "name");
    size_t i = 0;
    g->readings = whole(from, "readings");
    size_t n = name ? strlen(name) : 0;
    if (n >= sizeof g->name)
        for (n = sizeof g->name - 1;
             n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80;) /* within a character */
            n--;
    snprintf(g->name, sizeof g->name, "%.*s", (int)n, name ? name : "");
    for (size_t k = 0; k < MLO_COUNT(gpu_numbers); k++)
        *(double *)((char *)g + gpu_numbers[k].at) = number(from, gpu_numbers[k].key, NAN);
    cJSON_ArrayForEach(item, reasons)
    {
        if (i < MLO_GPU_REASONS && cJSON_IsNumber(item) && item->valuedouble >= 0 &&
            item->valuedouble <= 0x1p53)
            g->reasons[i] = (uint64_t)item->valuedouble;
        i++;
    }
}

void mlo_measured_from_json(const cJSON *from, struct mlo_measured *m)
{
    const cJSON *memory = member(from, "memory"), *timer = member(from, "timer"),
                *quota = member(from, "quota");
    struct mlo_used *u = &m->used;
    mlo_used_init(u);
    m->load_ns = whole(from, "load_ns");
    m->memory = (struct mlo_footprint){whole(memory, "load_peak"), whole(memory, "run_peak"),
                                       whole(memory, "rss"), whole(memory, "pss")};
    m->timer = (struct mlo_timer){number(timer, "overhead_ns", 0), number(timer, "tick_ns", 0)};
    u->cpu_ticks = whole(from, "cpu_ticks");
    u->stolen_ticks = whole(from, "stolen_ticks");
    u->waits = whole(from, "waits");
    u->preempted = whole(from, "preempted");
    u->cpu_joules = number(from, "cpu_joules", NAN);
    u->groups[0] = (struct mlo_host_throttle){whole(quota, "periods"), whole(quota, "throttled"),
                                              whole(quota, "throttled_ns"), number(quota, "cpus", 0)};
    if (cJSON_IsObject(member(from, "gpu")))
        read_gpu(member(from, "gpu"), &u->gpu);
}
