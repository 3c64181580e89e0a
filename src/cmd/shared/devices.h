/* Where plugins are looked for. */
#ifndef MLO_CMD_DEVICES_H
#define MLO_CMD_DEVICES_H

#include <mlopsctl/device.h>

#include "cmd/table.h"

/* $MLOPSCTL_PLUGINS alone when it is set, else beside the program and in ../lib/mlopsctl; never the current
 * folder. */
int mlo_devices_find(const struct mlo_ctx *ctx, struct mlo_device_probe *ret,
                     struct mlo_err *err) MLO_MUST_CHECK;

#endif
