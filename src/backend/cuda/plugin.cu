/*
 * mlopsctl-cuda.so: programs (run.h) on an NVIDIA GPU. The plugin shows one symbol; it never prints, exits or
 * throws.
 */
#include "run.h"

static int count(uint32_t *ret, char *reason)
{
    int n = 0;
    cudaError_t e = cudaGetDeviceCount(&n);
    if (e == cudaSuccess)
        *ret = (uint32_t)n;
    return tell(e, "cannot count the devices", reason);
}

static int info(uint32_t device, struct mlo_device_info *ret, char *reason)
{
    cudaDeviceProp prop;
    size_t available = 0, total = 0;
    cudaError_t e = cudaGetDeviceProperties(&prop, (int)device);
    if (e == cudaSuccess)
        e = cudaSetDevice((int)device);
    if (e == cudaSuccess)
        e = cudaMemGetInfo(&available, &total);
    if (e != cudaSuccess)
        return tell(e, "cannot use the device", reason);
    memset(ret, 0, sizeof *ret);
    snprintf(ret->name, sizeof ret->name, "%.95s", prop.name);
    ret->major = (uint32_t)prop.major;
    ret->minor = (uint32_t)prop.minor;
    ret->processors = (uint32_t)prop.multiProcessorCount;
    ret->memory = total;
    ret->free_memory = available;
    return MLO_DEVICE_OK;
}

static void products(char *ret)
{
    const struct lt_api *api = lt_open();
    if (api)
        snprintf(ret, MLO_DEVICE_REASON, "cuBLASLt %zu", api->version());
    else
        snprintf(ret, MLO_DEVICE_REASON, "own kernels: %s is not there", LT_LIBRARY);
}

extern "C" __attribute__((visibility("default"))) const struct mlo_device_api *mlo_device_plugin(uint32_t abi)
{
    static const struct mlo_device_api api = {MLO_DEVICE_ABI, sizeof api,   "cuda",       count,
                                              info,           weights_new,  weights_free, program_new,
                                              program_run,    program_free, products};
    return abi == MLO_DEVICE_ABI ? &api : NULL;
}
