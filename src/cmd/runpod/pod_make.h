/* Making a pod: what `runpod pod create` was told, and the doing of it. */
#ifndef MLOPSCTL_CMD_POD_CREATE_H
#define MLOPSCTL_CMD_POD_CREATE_H

#include "runpod.h"

struct mlo_pod_create { /* as its options; NULL, 0: not said */
    const char *image, *template, *name, *cpu, *manufacturer, *cloud, *volume, *mount, *env_file, *args,
        *registry, *min_cuda, *probe;
    struct mlo_strings gpu, dc, env, port;
    uint64_t min_vram, count, disk, persistent, lease, timeout;
    double max_price, max_total;
    bool no_lease, ssh, wait, keep, dry_run, slices;
};
/* Checked before: what its options may not say together. Fills ctx->report. */
int mlo_pod_create(struct mlo_ctx *ctx, const struct mlo_pod_create *o, struct mlo_err *err) MLO_MUST_CHECK;

#endif
