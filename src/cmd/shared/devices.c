#include "devices.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/process.h>
#include <mlopsctl/base/text.h>

/* The folder of the program as it runs. */
static int program_folder(char *buf, size_t size, struct mlo_err *err)
{
    int rc = mlo_process_self(buf, size, err);
    char *slash = rc == 0 ? strrchr(buf, '/') : NULL;
    if (slash)
        *slash = '\0';
    return rc;
}

int mlo_devices_find(const struct mlo_ctx *ctx, struct mlo_device_probe *ret, struct mlo_err *err)
{
    char beside[PATH_MAX], library[PATH_MAX + 32];
    const char *folders[] = {beside, library}, *only = mlo_env_get(ctx->env, "MLOPSCTL_PLUGINS");
    int rc = only ? 0 : program_folder(beside, sizeof beside, err);
    if (rc != 0)
        return rc;
    if (only) {
        mlo_device_find(&only, 1, ret);
    } else {
        snprintf(library, sizeof library, "%s/../lib/mlopsctl", beside);
        mlo_device_find(folders, MLO_COUNT(folders), ret);
    }
    return 0;
}
