/* See backend.h. */
#include "backend.h"

#include <string.h>

int mlo_backend_find(struct mlo_ctx *ctx, const char *word, struct mlo_backend *ret, struct mlo_err *err)
{
    *ret = (struct mlo_backend){.ctx = ctx};
    ret->wanted = word && strcmp(word, "cpu") != 0;
    ret->must = ret->wanted && strcmp(word, "auto") != 0;
    if (!ret->wanted)
        return 0;
    int rc = mlo_devices_find(ctx, &ret->probe, err);
    if (rc == 0 && ret->must)
        rc = mlo_device_need(&ret->probe, err);
    if (rc == 0 && !ret->probe.api)
        mlo_note(ctx, "the CPU computes: %s", ret->probe.reason);
    return rc;
}

int mlo_backend_take(const struct mlo_backend *b, struct mlo_plan *plan, struct mlo_err *err)
{
    struct mlo_err why = MLO_ERR_INIT;
    if (!b->wanted || !b->probe.api)
        return 0;
    int rc = mlo_plan_offload(plan, &(struct mlo_offload_opts){.api = b->probe.api, .must = b->must}, &why);
    if (rc == 0 || (rc == MLO_EUNAVAIL && !b->must)) {
        if (rc != 0)
            mlo_note(b->ctx, "the CPU computes: %s", why.msg);
        return 0;
    }
    *err = why;
    if (rc != MLO_EUNAVAIL)
        return rc;
    mlo_wrap(err, "the GPU cannot run this model");
    return mlo_hint(err, "--backend auto takes the CPU instead");
}

const char *mlo_backend_name(const struct mlo_backend *b, const struct mlo_plan *plan)
{
    struct mlo_offload_state s;
    return mlo_plan_offloaded(plan, &s) ? b->probe.devices[0].name : "cpu";
}

void mlo_backend_tell(const struct mlo_backend *b, const struct mlo_plan *plan)
{
    struct mlo_offload_state s;
    if (!plan || !mlo_plan_offloaded(plan, &s) || s.cpu_runs == 0)
        return;
    mlo_warn(b->ctx, "the CPU computed %llu of %llu runs: %s", (unsigned long long)s.cpu_runs,
             (unsigned long long)(s.runs + s.cpu_runs), s.why);
}
