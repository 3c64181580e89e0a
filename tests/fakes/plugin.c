/* A plugin that answers what the variables say: FAKE_PLUGIN_ABI, FAKE_PLUGIN_SIZE, FAKE_PLUGIN_DEVICES,
 * FAKE_PLUGIN_FAIL (a reason). Built with -DNO_ENTRY it has no entry. */
#include <stdio.h>
#include <stdlib.h>

#include <mlopsctl/device.h>

static uint32_t number(const char *name, size_t usual)
{
    const char *v = getenv(name);
    return v ? (uint32_t)strtoul(v, NULL, 10) : (uint32_t)usual;
}

static int count(uint32_t *ret, char *reason)
{
    const char *fail = getenv("FAKE_PLUGIN_FAIL");
    if (fail) {
        snprintf(reason, MLO_DEVICE_REASON, "%s", fail);
        return MLO_DEVICE_LOST;
    }
    *ret = number("FAKE_PLUGIN_DEVICES", 1);
    return MLO_DEVICE_OK;
}

static int info(uint32_t device, struct mlo_device_info *ret, char *reason)
{
    (void)reason;
    *ret = (struct mlo_device_info){
        .major = 9, .processors = 132, .memory = 141ull << 30, .free_memory = 140ull << 30};
    snprintf(ret->name, sizeof ret->name, "Fake %u", device);
    return MLO_DEVICE_OK;
}

#ifdef NO_ENTRY
#define ENTRY another_name
#else
#define ENTRY mlo_device_plugin
#endif
__attribute__((visibility("default"))) const struct mlo_device_api *ENTRY(uint32_t abi);

const struct mlo_device_api *ENTRY(uint32_t abi)
{
    static struct mlo_device_api api = {.name = "cuda", .count = count, .info = info};
    if (getenv("FAKE_PLUGIN_NULL"))
        return NULL;
    api.abi = number("FAKE_PLUGIN_ABI", abi);
    api.size = number("FAKE_PLUGIN_SIZE", sizeof api);
    return &api;
}
