/* Is there a GPU driver that answers? libcuda is opened by name and stays open: GPU libraries are never
 * unloaded. */
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

#include <mlopsctl/device.h>

#define CUDA_SUCCESS 0

/* The few functions of the driver API that tell what is there; their C interface is stable. */
struct driver {
    int (*init)(unsigned flags);
    int (*version)(int *ret);
    int (*count)(int *ret);
    int (*name)(char *ret, int size, int device);
};

union symbol {
    void *object;
    int (*init)(unsigned);
    int (*number)(int *);
    int (*name)(char *, int, int);
};

static bool bind(void *handle, struct driver *d)
{
    union symbol init = {.object = dlsym(handle, "cuInit")};
    union symbol version = {.object = dlsym(handle, "cuDriverGetVersion")};
    union symbol count = {.object = dlsym(handle, "cuDeviceGetCount")};
    union symbol name = {.object = dlsym(handle, "cuDeviceGetName")};
    *d = (struct driver){init.init, version.number, count.number, name.name};
    return d->init && d->version && d->count && d->name;
}

void mlo_gpu_driver(struct mlo_gpu_driver *ret)
{
    struct driver d;
    int version = 0, count = 0;
    char name[96] = "";
    *ret = (struct mlo_gpu_driver){0};
    void *handle = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
    if (!handle) {
        snprintf(ret->detail, sizeof ret->detail, "no libcuda.so.1%s",
                 access("/dev/nvidiactl", F_OK) == 0 ? ", though /dev/nvidiactl is there" : "");
        return;
    }
    if (!bind(handle, &d)) {
        snprintf(ret->detail, sizeof ret->detail, "libcuda.so.1 lacks the functions of the driver API");
        return;
    }
    int rc = d.init(0);
    if (rc != CUDA_SUCCESS || d.version(&version) != CUDA_SUCCESS || d.count(&count) != CUDA_SUCCESS) {
        snprintf(ret->detail, sizeof ret->detail, "the driver does not start: CUDA error %d", rc);
        return;
    }
    if (count > 0 && d.name(name, sizeof name, 0) != CUDA_SUCCESS)
        name[0] = '\0';
    ret->works = true;
    ret->version = version;
    ret->devices = count > 0 ? (unsigned)count : 0;
    snprintf(ret->detail, sizeof ret->detail, "CUDA %d.%d, %d device%s%s%s", version / 1000,
             version % 1000 / 10, count, count == 1 ? "" : "s", *name ? ": " : "", name);
}
