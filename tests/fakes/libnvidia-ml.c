/*
 * An NVML that answers what the variables say. Each function fails with error 3 ("not supported") when its
 * name without "nvmlDeviceGet" stands in FAKE_NVML_WITHOUT. The counter of energy grows by FAKE_NVML_STEP mJ
 * (1000) with each reading. FAKE_NVML_NAME is the name of all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOT_FOUND     6
#define NOT_SUPPORTED 3

static unsigned long long number(const char *name, unsigned long long usual)
{
    const char *v = getenv(name);
    return v ? strtoull(v, NULL, 0) : usual;
}

static int lacks(const char *what)
{
    const char *v = getenv("FAKE_NVML_WITHOUT");
    return v && strstr(v, what) ? NOT_SUPPORTED : 0;
}

static int give(const char *what, unsigned v, unsigned *ret)
{
    *ret = v;
    return lacks(what);
}

static char devices[2];

int nvmlInit_v2(void);
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **ret);
int nvmlDeviceGetHandleByUUID(const char *text, void **ret);
int nvmlDeviceGetHandleByPciBusId_v2(const char *text, void **ret);
int nvmlDeviceGetName(void *device, char *ret, unsigned size);
int nvmlDeviceGetMemoryInfo(void *device, unsigned long long ret[3]);
int nvmlDeviceGetUtilizationRates(void *device, unsigned ret[2]);
int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *ret);
int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *ret);
int nvmlDeviceGetPowerUsage(void *device, unsigned *ret);
int nvmlDeviceGetEnforcedPowerLimit(void *device, unsigned *ret);
int nvmlDeviceGetClockInfo(void *device, unsigned type, unsigned *ret);
int nvmlDeviceGetMaxClockInfo(void *device, unsigned type, unsigned *ret);
int nvmlDeviceGetTemperature(void *device, unsigned type, unsigned *ret);

int nvmlInit_v2(void)
{
    return (int)number("FAKE_NVML_INIT", 0);
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **ret)
{
    *ret = &devices[index % 2];
    return index < 2 ? 0 : NOT_FOUND;
}
int nvmlDeviceGetHandleByUUID(const char *text, void **ret)
{
    *ret = &devices[1];
    return strcmp(text, "GPU-1") == 0 ? 0 : NOT_FOUND;
}
int nvmlDeviceGetHandleByPciBusId_v2(const char *text, void **ret)
{
    *ret = &devices[1];
    return strcmp(text, "0000:65:00.0") == 0 ? 0 : NOT_FOUND;
}
int nvmlDeviceGetName(void *device, char *ret, unsigned size)
{
    const char *name = getenv("FAKE_NVML_NAME");
    if (name)
        snprintf(ret, size, "%s", name);
    else
        snprintf(ret, size, "Fake %d", (int)((char *)device - devices));
    return lacks("Name");
}
int nvmlDeviceGetMemoryInfo(void *device, unsigned long long ret[3])
{
    (void)device;
    ret[0] = 80ull << 30;
    ret[1] = 78ull << 30;
    ret[2] = 2ull << 30;
    return lacks("MemoryInfo");
}
int nvmlDeviceGetUtilizationRates(void *device, unsigned ret[2])
{
    (void)device;
    ret[0] = (unsigned)number("FAKE_NVML_BUSY", 80);
    ret[1] = 20;
    return lacks("UtilizationRates");
}
int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *ret)
{
    static unsigned long long energy = 5000000;
    (void)device;
    *ret = energy += number("FAKE_NVML_STEP", 1000);
    return lacks("TotalEnergyConsumption");
}
int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *ret)
{
    (void)device;
    *ret = number("FAKE_NVML_REASONS", 0);
    return lacks("ClocksThrottleReasons");
}
int nvmlDeviceGetPowerUsage(void *device, unsigned *ret)
{
    (void)device;
    return give("PowerUsage", 350000, ret);
}
int nvmlDeviceGetEnforcedPowerLimit(void *device, unsigned *ret)
{
    (void)device;
    return give("EnforcedPowerLimit", 700000, ret);
}
int nvmlDeviceGetClockInfo(void *device, unsigned type, unsigned *ret)
{
    (void)device;
    return give("ClockInfo", type == 1 ? 1500 : 2600, ret);
}
int nvmlDeviceGetMaxClockInfo(void *device, unsigned type, unsigned *ret)
{
    (void)device;
    return give("MaxClock", type == 1 ? 1980 : 2600, ret);
}
int nvmlDeviceGetTemperature(void *device, unsigned type, unsigned *ret)
{
    (void)device;
    return give("Temperature", type == 0 ? 60 : 0, ret);
}
