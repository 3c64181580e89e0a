/* What the runpod commands share: how money is written, consent before it is spent, waiting. */
#ifndef MLOPSCTL_CMD_RUNPOD_H
#define MLOPSCTL_CMD_RUNPOD_H

#include <mlopsctl/base/text.h>
#include <mlopsctl/runpod.h>

#include "cmd/shared/network.h"

#define MLO_GPU_COUNT_MAX 64 /* of one pod */

extern const struct mlo_command mlo_cmd_runpod_gpu, mlo_cmd_runpod_pod, mlo_cmd_runpod_pod_create,
    mlo_cmd_runpod_pod_start, mlo_cmd_runpod_pod_stop, mlo_cmd_runpod_pod_restart, mlo_cmd_runpod_pod_rm,
    mlo_cmd_runpod_pod_lease, mlo_cmd_runpod_pod_logs, mlo_cmd_runpod_cost, mlo_cmd_runpod_reap,
    mlo_cmd_runpod_sync;

/* "$3.60", below a cent "$0.0031", "-" for NAN. Returns buf. */
#define MLO_USD_MAX 32
char *mlo_usd(double usd, char buf[MLO_USD_MAX]);
/* "2 h 5 min", or "over" for 0 and less. */
char *mlo_time_left(int64_t ns, char buf[MLO_HUMAN_MAX]);

/*
 * Before money is spent or something is lost: 0 with --yes; on a terminal `question` is asked on stderr. "No"
 * is MLO_NO with a message, nobody there to answer MLO_EUSAGE.
 */
int mlo_consent(struct mlo_ctx *ctx, const char *question, struct mlo_err *err) MLO_MUST_CHECK;

/* By id, else by name, a lease in the name left out of account; a name that fits two is MLO_ECONFLICT. */
int mlo_pod_find(struct mlo_runpod *c, const char *id_or_name, struct mlo_runpod_pod *ret,
                 struct mlo_err *err) MLO_MUST_CHECK;
/* It runs, and its GPUs do nothing; without a GPU, its CPU. */
bool mlo_pod_is_idle(const struct mlo_runpod_pod *p);
/* Sleeps between two looks at the service (setting runpod.poll); MLO_EIO with EINTR when Ctrl-C came. */
int mlo_poll_pause(struct mlo_ctx *ctx, struct mlo_err *err) MLO_MUST_CHECK;

#endif
