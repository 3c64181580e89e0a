/* What the files of the command bench share. */
#ifndef MLO_CMD_BENCH_H
#define MLO_CMD_BENCH_H

#include <mlopsctl/bench.h>

#include "table.h"

#define MLO_BENCH_BATCHES   64 /* different ones at most */
#define MLO_BENCH_BATCH_MAX 1048576

struct mlo_bench_opts {
    const char *batch, *scenario;
    uint64_t callers, duration, warmup, seed;
    double rate;
    struct mlo_strings dims;
};
int mlo_bench_batches(const char *text, size_t ret[MLO_BENCH_BATCHES], size_t *ret_n,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* "NAME=N" words, which are cut at the sign; ret has room for all of them. */
int mlo_bench_dims(const struct mlo_strings *words, struct mlo_dim_value *ret,
                   struct mlo_err *err) MLO_MUST_CHECK;

#endif
