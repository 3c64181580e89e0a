/* A model made ready to be asked for one batch. */
#include "bench.h"

int mlo_bench_side_open(const struct mlo_bench *b, const struct mlo_plan *plan, size_t batch,
                        struct mlo_bench_side *ret, struct mlo_err *err)
{
    struct mlo_inputs_opts o = b->inputs;
    *ret = (struct mlo_bench_side){0};
    o.rows = batch;
    int rc = mlo_inputs_new(plan, &o, &ret->inputs, err);
    if (rc != 0)
        return rc;
    ret->set = mlo_inputs_values(ret->inputs);
    rc = mlo_target_engine(plan, &ret->set, 1, batch, &ret->target, err);
    if (rc == 0)
        rc = mlo_runner_new(ret->target, &b->load, &ret->runner, err);
    if (rc != 0)
        mlo_bench_side_release(ret);
    return rc;
}

void mlo_bench_side_release(struct mlo_bench_side *s)
{
    mlo_runner_free(s->runner);
    mlo_target_close(s->target);
    mlo_inputs_free(s->inputs);
    *s = (struct mlo_bench_side){0};
}
