/* The plugin: found, looked at before it is trusted, opened, asked. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/device.h>

#define PLUGIN "mlopsctl-cuda.so"

static void say(struct mlo_device_probe *p, const char *fmt, ...) MLO_PRINTF(2, 3);
static void say(struct mlo_device_probe *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->reason, sizeof p->reason, fmt, ap);
    va_end(ap);
}

static bool find_file(const char *const *folders, size_t n, struct mlo_device_probe *p)
{
    p->failed = MLO_DEVICE_FOUND_PLUGIN;
    for (size_t i = 0; i < n; i++) {
        int len = snprintf(p->plugin, sizeof p->plugin, "%s/%s", folders[i], PLUGIN);
        if (len > 0 && (size_t)len < sizeof p->plugin && access(p->plugin, F_OK) == 0)
            return true;
    }
    p->plugin[0] = '\0';
    say(p, "the plugin %s is not installed", PLUGIN);
    return false;
}

/* What it contains runs with all that the user may do. */
static bool is_trusted(struct mlo_device_probe *p)
{
    struct stat st;
    if (stat(p->plugin, &st) != 0 || !S_ISREG(st.st_mode))
        say(p, "'%s' is no file", p->plugin);
    else if (st.st_uid != 0 && st.st_uid != geteuid())
        say(p, "'%s' belongs to another user", p->plugin);
    else if (st.st_mode & (S_IWGRP | S_IWOTH))
        say(p, "'%s' may be changed by others (mode %03o)", p->plugin, (unsigned)(st.st_mode & 0777));
    else
        return true;
    return false;
}

static mlo_device_entry open_entry(struct mlo_device_probe *p)
{
    union {
        void *object;
        mlo_device_entry entry;
    } symbol = {.object = NULL};
    void *handle = dlopen(p->plugin, RTLD_NOW | RTLD_LOCAL);
    const char *why = handle ? NULL : dlerror();
    if (handle)
        symbol.object = dlsym(handle, MLO_DEVICE_ENTRY);
    if (!symbol.object)
        say(p, "the plugin cannot be opened: %s", why ? why : "it has no " MLO_DEVICE_ENTRY);
    return symbol.entry;
}

static bool open_plugin(struct mlo_device_probe *p)
{
    mlo_device_entry entry = open_entry(p);
    const struct mlo_device_api *api = entry ? entry(MLO_DEVICE_ABI) : NULL;
    if (!entry)
        return false;
    if (!api || api->abi != MLO_DEVICE_ABI || api->size < sizeof *api) {
        say(p, "the plugin '%s' is of another version of mlopsctl (interface %u, not %u)", p->plugin,
            api ? api->abi : 0, MLO_DEVICE_ABI);
        return false;
    }
    p->api = api;
    return true;
}

static void ask_devices(struct mlo_device_probe *p)
{
    uint32_t n = 0;
    char reason[MLO_DEVICE_REASON] = "";
    p->failed = MLO_DEVICE_FOUND_DEVICE;
    int rc = p->api->count(&n, reason);
    for (uint32_t i = 0; rc == MLO_DEVICE_OK && i < n && i < MLO_DEVICES_MAX; i++) {
        rc = p->api->info(i, &p->devices[i], reason);
        p->n_devices += rc == MLO_DEVICE_OK;
    }
    if (rc != MLO_DEVICE_OK)
        say(p, "the plugin cannot use the device: %s", reason);
    else if (n == 0)
        say(p, "the driver works, but there is no device");
}

void mlo_device_find(const char *const *folders, size_t n, struct mlo_device_probe *ret)
{
    *ret = (struct mlo_device_probe){0};
    mlo_gpu_driver(&ret->driver);
    if (!ret->driver.works)
        say(ret, "no GPU driver: %s", ret->driver.detail);
    else if (ret->driver.version < MLO_CUDA_DRIVER_MIN)
        say(ret, "the GPU driver is too old: it has CUDA %d.%d, at least %d.%d is needed",
            ret->driver.version / 1000, ret->driver.version % 1000 / 10, MLO_CUDA_DRIVER_MIN / 1000,
            MLO_CUDA_DRIVER_MIN % 1000 / 10);
    else if (find_file(folders, n, ret) && is_trusted(ret) && open_plugin(ret))
        ask_devices(ret);
    if (*ret->reason) {
        ret->api = NULL;
        ret->n_devices = 0;
    }
}

int mlo_device_need(const struct mlo_device_probe *p, struct mlo_err *err)
{
    if (p->api)
        return 0;
    mlo_fail(err, MLO_EUNAVAIL, "no GPU can be used: %s", p->reason);
    return mlo_hint(err, "`mlopsctl backends` shows each step; --backend auto takes the CPU instead");
}
