/* See backend.h. */
#include "backend.h"

#include <string.h>

static int read_precision(const char *word, struct mlo_backend *b, struct mlo_err *err)
{
    static const char *const names[] = {
        [MLO_OFFLOAD_F32] = "fp32",  [MLO_OFFLOAD_TF32] = "tf32", [MLO_OFFLOAD_F16] = "fp16",
        [MLO_OFFLOAD_BF16] = "bf16", [MLO_OFFLOAD_INT8] = "int8", [MLO_OFFLOAD_FP8] = "fp8"};
    for (size_t i = 0; i < MLO_COUNT(names); i++)
        if (strcmp(names[i], word) == 0) {
            b->precision = (enum mlo_offload_precision)i;
            if (b->wanted || i == MLO_OFFLOAD_F32)
                return 0;
        }
    mlo_fail(err, MLO_EUNAVAIL, "the %s computes in what the model is written in, not in %s when asked",
             b->wanted ? "GPU" : "CPU", word);
    return mlo_hint(err,
                    "--precision fp32 is possible here; a model that was quantised to int8 runs in int8");
}

int mlo_backend_find(struct mlo_ctx *ctx, const char *word, const char *precision, struct mlo_backend *ret,
                     struct mlo_err *err)
{
    *ret = (struct mlo_backend){.ctx = ctx};
    ret->wanted = word && strcmp(word, "cpu") != 0;
    ret->must = ret->wanted && strcmp(word, "auto") != 0;
    int rc = precision ? read_precision(precision, ret, err) : 0;
    if (!ret->wanted || rc != 0)
        return rc;
    rc = mlo_devices_find(ctx, &ret->probe, err);
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
    const struct mlo_offload_opts o = {.api = b->probe.api, .must = b->must, .precision = b->precision};
    int rc = mlo_plan_offload(plan, &o, &why);
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
    if (!plan || !mlo_plan_offloaded(plan, &s))
        return;
    if (*s.why)
        mlo_warn(b->ctx, "the CPU computed %llu of %llu runs: %s",
                 (unsigned long long)(s.cpu_runs + s.chosen),
                 (unsigned long long)(s.runs + s.cpu_runs + s.chosen), s.why);
    size_t from = mlo_crossover_from(&s.crossover);
    if (s.crossover.n && from)
        mlo_note(b->ctx, "the GPU is faster from %zu rows on; it computed %llu of %llu runs", from,
                 (unsigned long long)s.runs, (unsigned long long)(s.runs + s.cpu_runs + s.chosen));
    else if (s.crossover.n)
        mlo_note(b->ctx, "the CPU is faster: up to %zu rows were tried",
                 s.crossover.sizes[s.crossover.n - 1].rows);
}
