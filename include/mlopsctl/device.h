/*
 * Devices: is there a GPU, and the plugin that computes on it.
 *
 * A plugin is a shared object of its own, with all that needs CUDA, behind the C interface below; without it,
 * and without a GPU, everything works on the CPU. It is opened at first use, after the driver was asked, from
 * folders that the caller names, and never unloaded. Whatever is missing leaves a reason in plain words.
 *
 * The first part of this header is what a plugin is built from: it is C and C++ and needs no other header.
 */
#ifndef MLOPSCTL_DEVICE_H
#define MLOPSCTL_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the plugin's interface ---- */

#define MLO_DEVICE_ABI    1u /* a plugin of another number is refused; new members come at the end */
#define MLO_DEVICE_ENTRY  "mlo_device_plugin"
#define MLO_DEVICE_REASON 256

enum mlo_device_status {
    MLO_DEVICE_OK,
    MLO_DEVICE_NONE,        /* no device, or not one that can be used */
    MLO_DEVICE_UNSUPPORTED, /* this cannot be done on it */
    MLO_DEVICE_MEMORY,      /* its memory is full */
    MLO_DEVICE_LOST,        /* it stopped answering: everything on it is gone */
    MLO_DEVICE_FAILED,
};
struct mlo_device_info {
    char name[96];
    uint32_t major, minor; /* compute capability */
    uint32_t processors;   /* multiprocessors */
    uint64_t memory, free_memory;
};
/* Functions return enum mlo_device_status and leave a reason, MLO_DEVICE_REASON bytes at most, unless OK.
 * They never print, exit or throw. */
struct mlo_device_api {
    uint32_t abi, size; /* MLO_DEVICE_ABI, sizeof of this struct as the plugin knows it */
    const char *name;   /* "cuda" */
    int (*count)(uint32_t *ret, char *reason);
    int (*info)(uint32_t device, struct mlo_device_info *ret, char *reason);
};
/* The only symbol a plugin shows. NULL: it does not know this ABI. */
typedef const struct mlo_device_api *(*mlo_device_entry)(uint32_t abi);

#ifdef __cplusplus
}
#else

/* ---- finding it ---- */

#include <mlopsctl/base/err.h>

#define MLO_CUDA_DRIVER_MIN 13000 /* the runtime in the plugin is of CUDA 13: drivers from R580 on */

struct mlo_gpu_driver {
    bool works;
    int version; /* 13000: CUDA 13.0 */
    unsigned devices;
    char detail[160]; /* the version and first device, else what failed */
};
/* libcuda.so.1 is opened and asked. */
void mlo_gpu_driver(struct mlo_gpu_driver *ret);

#define MLO_DEVICES_MAX 16
struct mlo_device_probe {
    struct mlo_gpu_driver driver;
    const struct mlo_device_api *api; /* NULL: no plugin can be used */
    char plugin[256];                 /* its file, "" when none was found */
    struct mlo_device_info devices[MLO_DEVICES_MAX];
    unsigned n_devices;
    char reason[MLO_DEVICE_REASON]; /* why there is no device; "" when there is one */
};
/*
 * Asks the driver, then looks for mlopsctl-cuda.so in the folders, in order; the first that is there is the
 * one. A file that others may write to is not opened.
 */
void mlo_device_find(const char *const *folders, size_t n, struct mlo_device_probe *ret);
/* The same as an error: MLO_EUNAVAIL with the reason and what to do. 0 when there is a device. */
int mlo_device_need(const struct mlo_device_probe *p, struct mlo_err *err) MLO_MUST_CHECK;

#endif
#endif
