#include "devices.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/text.h>

/* The folder of the program as it runs. */
static int program_folder(char *buf, size_t size, struct mlo_err *err)
{
    ssize_t n = readlink("/proc/self/exe", buf, size - 1);
    if (n < 0)
        return mlo_fail_errno(err, "cannot read /proc/self/exe");
    buf[n] = '\0';
    char *slash = strrchr(buf, '/');
    if (slash)
        *slash = '\0';
    return 0;
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
