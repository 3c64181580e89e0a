/* A kept result of a benchmark on any bytes: what is accepted is written and read back as the same, and can
 * be held against itself. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include <mlopsctl/bench.h>

#define BLOCKS_MAX 200 /* held against: the bootstrap takes long */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        __builtin_trap();
}

static void write_result(const struct mlo_bench_result *r, struct mlo_str *out)
{
    struct mlo_err err = MLO_ERR_INIT;
    mlo_str_init(out, MLO_STR_MAX);
    must(mlo_bench_result_write(r, out, &err) == 0);
}

static void look_at(const struct mlo_measured *m)
{
    struct mlo_compare_opts o = {.seed = 1};
    struct mlo_compared c = {.gate = MLO_GATE_INCONCLUSIVE};
    struct mlo_err err = MLO_ERR_INIT;
    double share;
    mlo_used_quota(&m->used, &share);
    must(share >= 0 && share <= 1 && mlo_used_stolen(&m->used) >= 0 && mlo_measured_overhead(m) >= 0);
    uint64_t p50 = mlo_times_quantile(&m->times, 0.5);
    must(p50 <= mlo_times_quantile(&m->times, 0.99) || m->times.least > m->times.most);
    if (m->n_blocks > BLOCKS_MAX)
        return;
    int rc = mlo_compare_kept(m, m, &o, &c, &err);
    must(rc == 0 ? c.pairs == m->n_blocks : err.msg[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_bench_result r = {0}, again = {0};
    struct mlo_str first, second;
    int rc = mlo_bench_result_read((const char *)data, n, &r, &err);
    must(rc == 0 || (rc == err.code && err.msg[0]));
    if (rc != 0)
        return 0;
    write_result(&r, &first);
    must(mlo_bench_result_read(first.ptr, first.len, &again, &err) == 0);
    write_result(&again, &second);
    must(strcmp(first.ptr, second.ptr) == 0);
    for (size_t i = 0; i < r.n; i++)
        look_at(&r.cases[i].measured);
    mlo_str_release(&first);
    mlo_str_release(&second);
    mlo_bench_result_release(&r);
    mlo_bench_result_release(&again);
    return 0;
}
