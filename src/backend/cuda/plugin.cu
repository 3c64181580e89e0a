/*
 * mlopsctl-cuda.so: programs (run.h) on an NVIDIA GPU. The plugin shows one symbol; it never prints, exits or
 * throws.
 */
#include "limits.h"
#include "run.h"
#include "times.h"

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

/* ---- algorithms ---- */

static int algorithms_of(uint32_t device, char *ret, char *reason)
{
    const struct lt_api *api = lt_open();
    cudaDeviceProp prop;
    int driver = 0;
    if (!api) {
        snprintf(reason, MLO_DEVICE_REASON, "%s is not there", LT_LIBRARY);
        return MLO_DEVICE_UNSUPPORTED;
    }
    cudaError_t e = cudaGetDeviceProperties(&prop, (int)device);
    if (e == cudaSuccess)
        e = cudaDriverGetVersion(&driver);
    if (e == cudaSuccess)
        snprintf(ret, MLO_DEVICE_REASON, "%.95s, %d processors, driver %d, cuBLASLt %zu", prop.name,
                 prop.multiProcessorCount, driver, api->version());
    return tell(e, "cannot use the device", reason);
}

static void algorithms_put(uint32_t device, const struct mlo_device_algorithm *list, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        tune_keep((int)device, &list[i]);
}

static uint32_t algorithms_get(uint32_t device, struct mlo_device_algorithm *list, uint32_t room)
{
    return tune_list((int)device, list, room);
}

static const char *op_name(uint32_t op)
{
    return program_ops[op].name;
}

extern "C" __attribute__((visibility("default"))) const struct mlo_device_api *mlo_device_plugin(uint32_t abi)
{
    static const struct mlo_device_api api = {.abi = MLO_DEVICE_ABI,
                                              .size = sizeof api,
                                              .name = "cuda",
                                              .count = count,
                                              .info = info,
                                              .weights_new = weights_new,
                                              .weights_free = weights_free,
                                              .program_new = program_new,
                                              .program_run = program_run,
                                              .program_free = program_free,
                                              .products = products,
                                              .program_begin = program_begin,
                                              .program_end = program_end,
                                              .limits = limits,
                                              .product_ns = product_ns,
                                              .algorithms_of = algorithms_of,
                                              .algorithms_put = algorithms_put,
                                              .algorithms_get = algorithms_get,
                                              .program_times = program_times,
                                              .op_name = op_name};
    return abi == MLO_DEVICE_ABI ? &api : NULL;
}
