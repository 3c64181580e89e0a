/* A GPU driver that answers what the variables say: FAKE_CUDA_INIT, FAKE_CUDA_VERSION, FAKE_CUDA_DEVICES. */
#include <stdio.h>
#include <stdlib.h>

static int number(const char *name, int usual)
{
    const char *v = getenv(name);
    return v ? (int)strtol(v, NULL, 10) : usual;
}

int cuInit(unsigned flags);
int cuDriverGetVersion(int *ret);
int cuDeviceGetCount(int *ret);
int cuDeviceGetName(char *ret, int size, int device);

int cuInit(unsigned flags)
{
    (void)flags;
    return number("FAKE_CUDA_INIT", 0);
}
int cuDriverGetVersion(int *ret)
{
    *ret = number("FAKE_CUDA_VERSION", 13000);
    return 0;
}
int cuDeviceGetCount(int *ret)
{
    *ret = number("FAKE_CUDA_DEVICES", 1);
    return 0;
}
int cuDeviceGetName(char *ret, int size, int device)
{
    snprintf(ret, (size_t)size, "Fake %d", device);
    return 0;
}
