/* Waiting for pods: until what runs in one answers, until one is gone. */
#ifndef MLOPSCTL_CMD_POD_WAIT_H
#define MLOPSCTL_CMD_POD_WAIT_H

#include "runpod.h"

struct mlo_pod_probe {
    uint64_t port;    /* 0: RUNNING is all that can be asked */
    bool tcp;         /* its public address takes connections; else HTTP through the proxy */
    const char *path; /* "/health" */
};
/*
 * text: PORT[/PATH] of --probe, NULL: the first HTTP port, else the first TCP port, else none. ports as in
 * --port. Borrows text.
 */
int mlo_pod_probe_parse(const char *text, const struct mlo_runpod_words *ports, struct mlo_pod_probe *ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
/*
 * Looks at pod->id until it answers; *pod is what it is then, or was at last. MLO_EREMOTE: it ended, or not
 * within timeout_ns (sys_errno ETIMEDOUT); MLO_EIO with EINTR: Ctrl-C.
 */
int mlo_pod_wait(struct mlo_ctx *ctx, struct mlo_runpod *c, struct mlo_runpod_pod *pod,
                 const struct mlo_pod_probe *probe, uint64_t timeout_ns, struct mlo_err *err) MLO_MUST_CHECK;
/* Removes it and looks until the service says that it is gone. One that was gone already is fine. */
int mlo_pod_remove(struct mlo_ctx *ctx, struct mlo_runpod *c, const char *id,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* The address of an HTTP port of a pod, by the setting runpod.proxy, appended. */
int mlo_pod_url(struct mlo_ctx *ctx, const char *id, uint64_t port, const char *path, struct mlo_str *out,
                struct mlo_err *err) MLO_MUST_CHECK;

#endif
