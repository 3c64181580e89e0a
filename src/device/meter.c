/*
 * A GPU's memory, clocks, power and energy by NVML. Its library belongs to the driver, so it is opened at run
 * time; names, numbers and structures are those of NVIDIA's NVML API reference, whose C interface does not
 * change. Each function may be missing and each may say that this device does not tell.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/mem.h>
#include <mlopsctl/device.h>

#define LIBRARY    "libnvidia-ml.so.1"
#define SUCCESS    0
#define CLOCK_SM   1
#define CLOCK_MEM  2
#define SENSOR_GPU 0

struct nvml_memory {
    unsigned long long total, free, used;
};
struct nvml_utilization {
    unsigned gpu, memory;
};
/* Every function that is used takes a device and one more thing, or two. POSIX lets an object pointer of
 * dlsym be a function; C wants it said through a union. */
union function {
    void *object;
    int (*init)(void);
    int (*by_index)(unsigned index, void **ret);
    int (*by_text)(const char *text, void **ret);
    int (*name)(void *device, char *ret, unsigned size);
    int (*number)(void *device, unsigned *ret);
    int (*large)(void *device, unsigned long long *ret);
    int (*typed)(void *device, unsigned type, unsigned *ret);
    int (*memory)(void *device, struct nvml_memory *ret);
    int (*utilization)(void *device, struct nvml_utilization *ret);
};
struct mlo_gpu_meter {
    void *device;
    char name[96];
    union function memory, energy, power, limit, clock, clock_max, busy, temperature, reasons;
};

static union function find(void *library, const char *name)
{
    return (union function){.object = dlsym(library, name)};
}

static void bind(struct mlo_gpu_meter *m, void *library)
{
    m->memory = find(library, "nvmlDeviceGetMemoryInfo");
    m->energy = find(library, "nvmlDeviceGetTotalEnergyConsumption");
    m->power = find(library, "nvmlDeviceGetPowerUsage");
    m->limit = find(library, "nvmlDeviceGetEnforcedPowerLimit");
    m->clock = find(library, "nvmlDeviceGetClockInfo");
    m->clock_max = find(library, "nvmlDeviceGetMaxClockInfo");
    m->busy = find(library, "nvmlDeviceGetUtilizationRates");
    m->temperature = find(library, "nvmlDeviceGetTemperature");
    m->reasons = find(library, "nvmlDeviceGetCurrentClocksEventReasons");
    if (!m->reasons.object) /* its name before driver 535 */
        m->reasons = find(library, "nvmlDeviceGetCurrentClocksThrottleReasons");
}

static int no_device(const char *what, int rc, struct mlo_err *err)
{
    return mlo_fail(err, MLO_EUNAVAIL, "%s: NVML error %d", what, rc);
}

static int find_device(void *library, const char *which, void **ret, struct mlo_err *err)
{
    bool is_index = which[strspn(which, "0123456789")] == '\0', is_bus = strchr(which, ':') != NULL;
    union function f = find(library, is_index ? "nvmlDeviceGetHandleByIndex_v2"
                                     : is_bus ? "nvmlDeviceGetHandleByPciBusId_v2"
                                              : "nvmlDeviceGetHandleByUUID");
    if (!f.object)
        return mlo_fail(err, MLO_EUNAVAIL, LIBRARY " lacks the functions of NVML");
    int rc = is_index ? f.by_index((unsigned)strtoul(which, NULL, 10), ret) : f.by_text(which, ret);
    return rc == SUCCESS ? 0 : no_device("there is no such GPU", rc, err);
}

/* Once for the whole life of the program: GPU libraries are never unloaded. */
static int open_library(void **ret, struct mlo_err *err)
{
    void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
    if (!library)
        return mlo_fail(err, MLO_EUNAVAIL, "no " LIBRARY);
    union function init = find(library, "nvmlInit_v2");
    int rc = init.object ? init.init() : SUCCESS;
    if (!init.object || rc != SUCCESS) {
        dlclose(library);
        return init.object ? no_device("NVML does not start", rc, err)
                           : mlo_fail(err, MLO_EUNAVAIL, LIBRARY " lacks the functions of NVML");
    }
    *ret = library;
    return 0;
}

int mlo_gpu_meter_open(const char *which, struct mlo_gpu_meter **ret, struct mlo_err *err)
{
    MLO_AUTOFREE struct mlo_gpu_meter *m = mlo_calloc(1, sizeof *m, err);
    void *library = NULL;
    int rc = m ? open_library(&library, err) : err->code;
    if (rc == 0)
        rc = find_device(library, which ? which : "0", &m->device, err);
    if (rc != 0)
        return rc;
    bind(m, library);
    union function name = find(library, "nvmlDeviceGetName");
    if (!name.object || name.name(m->device, m->name, sizeof m->name) != SUCCESS)
        snprintf(m->name, sizeof m->name, "GPU %s", which ? which : "0");
    m->name[sizeof m->name - 1] = '\0';
    *ret = mlo_steal(&m);
    return 0;
}

void mlo_gpu_meter_close(struct mlo_gpu_meter *m)
{
    free(m);
}

const char *mlo_gpu_meter_name(const struct mlo_gpu_meter *m)
{
    return m->name;
}

/* ---- readings ---- */

static int64_t number(union function f, void *device)
{
    unsigned v;
    return f.object && f.number(device, &v) == SUCCESS ? (int64_t)v : -1;
}

static int64_t typed(union function f, void *device, unsigned type)
{
    unsigned v;
    return f.object && f.typed(device, type, &v) == SUCCESS ? (int64_t)v : -1;
}

static int64_t large(union function f, void *device)
{
    unsigned long long v;
    return f.object && f.large(device, &v) == SUCCESS && v <= INT64_MAX ? (int64_t)v : -1;
}

static void read_memory(const struct mlo_gpu_meter *m, struct mlo_gpu_reading *r)
{
    struct nvml_memory v;
    bool good = m->memory.object && m->memory.memory(m->device, &v) == SUCCESS;
    r->memory_used = good && v.used <= INT64_MAX ? (int64_t)v.used : -1;
    r->memory_total = good && v.total <= INT64_MAX ? (int64_t)v.total : -1;
}

static void read_busy(const struct mlo_gpu_meter *m, struct mlo_gpu_reading *r)
{
    struct nvml_utilization v;
    bool good = m->busy.object && m->busy.utilization(m->device, &v) == SUCCESS;
    r->busy = good ? (int64_t)v.gpu : -1;
    r->memory_busy = good ? (int64_t)v.memory : -1;
}

int64_t mlo_gpu_meter_energy(const struct mlo_gpu_meter *m)
{
    return large(m->energy, m->device);
}

void mlo_gpu_meter_read(const struct mlo_gpu_meter *m, struct mlo_gpu_reading *ret)
{
    read_memory(m, ret);
    read_busy(m, ret);
    ret->energy_mj = mlo_gpu_meter_energy(m);
    ret->power_mw = number(m->power, m->device);
    ret->power_limit_mw = number(m->limit, m->device);
    ret->sm_mhz = typed(m->clock, m->device, CLOCK_SM);
    ret->sm_mhz_max = typed(m->clock_max, m->device, CLOCK_SM);
    ret->memory_mhz = typed(m->clock, m->device, CLOCK_MEM);
    ret->celsius = typed(m->temperature, m->device, SENSOR_GPU);
    ret->reasons = large(m->reasons, m->device);
}

/* nvmlClocksEventReasons: bit 0 is that it is idle. */
const char *mlo_gpu_reason(unsigned i)
{
    static const char *const reasons[MLO_GPU_REASONS] = {NULL,
                                                         "a setting of its clocks",
                                                         "its power limit",
                                                         "a slowdown by its hardware",
                                                         "other GPUs of its group",
                                                         "its temperature",
                                                         "its temperature (hardware)",
                                                         "the power supply",
                                                         "a setting of its display clock"};
    return i < MLO_GPU_REASONS ? reasons[i] : NULL;
}
