/* What holds a model back on a GPU: the arithmetic, and limits that are kept. */
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#include <mlopsctl/bench.h>

#define DEVICE "NVIDIA H200, driver 13000, cuBLASLt 130002"

static const struct mlo_device_limits limits = {
    .copy = 4e12,
    .in = 50e9,
    .out = 40e9,
    .graph_ns = 6000,
    .kernel_ns = 1000,
    .copied_ns = 14000,
    .mapped_ns = 9000,
    .tf32 = 400e12,
    .flops = {[MLO_DEVICE_F32] = 50e12, [MLO_DEVICE_BF16] = 800e12}};

static enum mlo_device_bound bound(const struct mlo_device_cost *c, double *ret_ns)
{
    struct mlo_device_explained e;
    mlo_explain_device(&limits, c, 1, &e);
    *ret_ns = e.ns[e.bound];
    return e.bound;
}

static void each_limit_may_bind(void)
{
    double ns;
    const struct mlo_device_cost small = {.kernels = 10, .in = 128, .out = 4, .bytes = 4000};
    check_int(bound(&small, &ns), MLO_DEVICE_BOUND_LAUNCH);
    check_int((int)ns, 15000);
    const struct mlo_device_cost wide = {.kernels = 1, .in = 50000000, .out = 4000000, .bytes = 54000000};
    check_int(bound(&wide, &ns), MLO_DEVICE_BOUND_TRANSFER);
    check_int((int)ns, 1000000 + 100000);
    const struct mlo_device_cost heavy = {.kernels = 3, .in = 128, .out = 4, .bytes = 4000000000};
    check_int(bound(&heavy, &ns), MLO_DEVICE_BOUND_MEMORY);
    check_int((int)ns, 1000000);
    struct mlo_device_cost products = {.kernels = 3, .in = 128, .flops = {[MLO_DEVICE_BF16] = 8e11}};
    check_int(bound(&products, &ns), MLO_DEVICE_BOUND_PRODUCTS);
    check_int((int)ns, 1000000);
    products.flops[MLO_DEVICE_F32] = 4e11;
    (void)bound(&products, &ns);
    check_int((int)ns, 9000000);
    products.tf32 = true;
    (void)bound(&products, &ns);
    check_int((int)ns, 2000000);
}

static void small_programs_read_the_hosts_memory(void)
{
    struct mlo_device_explained e;
    mlo_explain_device(&limits, &(struct mlo_device_cost){.in = MLO_DEVICE_MAPPED_MAX, .out = 1}, 1, &e);
    check_int((int)e.ns[MLO_DEVICE_BOUND_TRANSFER], 3000);
    mlo_explain_device(&limits, &(struct mlo_device_cost){.in = MLO_DEVICE_MAPPED_MAX + 1, .out = 1}, 1, &e);
    check_int((int)e.ns[MLO_DEVICE_BOUND_TRANSFER], 8000);
}

static void limits_are_kept_for_the_same_device(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_device_limits got;
    struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    check_ok(mlo_device_limits_write(DEVICE, &limits, &text, &err), &err);
    check_ok(mlo_device_limits_read(text.ptr, text.len, DEVICE, &got, &err), &err);
    check(memcmp(&got, &limits, sizeof got) == 0);
    check_err(mlo_device_limits_read(text.ptr, text.len, "another", &got, &err), MLO_ENOTFOUND, &err,
              "another device");
    char *copy = strstr(text.ptr, "\"kernel_ns\"");
    err = (struct mlo_err)MLO_ERR_INIT;
    copy[1] = 'X';
    check_err(mlo_device_limits_read(text.ptr, text.len, DEVICE, &got, &err), MLO_EINVALID, &err,
              "'kernel_ns' is no figure");
    err = (struct mlo_err)MLO_ERR_INIT;
    check(mlo_device_limits_read("{", 1, DEVICE, &got, &err) != 0);
    mlo_str_release(&text);
}

static int write_and_read(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_device_limits got;
    struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    int rc = mlo_device_limits_write(DEVICE, &limits, &text, &err);
    if (rc == 0)
        rc = mlo_device_limits_read(text.ptr, text.len, DEVICE, &got, &err);
    mlo_str_release(&text);
    return rc;
}

static void memory_may_be_missing(void)
{
    check(each_alloc_failure(write_and_read) > 0);
}

/* ---- step by step ---- */

static struct mlo_explained_step step(enum mlo_dtype t, uint64_t products, uint64_t bytes, double ns)
{
    return (struct mlo_explained_step){.cost = {.op = "dense",
                                                .node = "",
                                                .products = products,
                                                .flops = products,
                                                .product_type = t,
                                                .bytes = bytes},
                                       .ns = ns};
}

static void each_limit_may_bind_a_step(void)
{
    struct mlo_explained_step s[] = {step(MLO_DT_F32, 1000, 4000, 2000),        /* 1 us of launching */
                                     step(MLO_DT_F32, 1000, 40000000, 20000),   /* 10 us of memory */
                                     step(MLO_DT_F32, 2000000000, 4000, 50000), /* 40 us of products */
                                     step(MLO_DT_BF16, 2000000000, 4000, 5000), /* 2.5 us of them */
                                     step(MLO_DT_F16, 2000000000, 4000, 5000),  /* no such rate is known */
                                     step(MLO_DT_F32, 0, 100, 3000),        /* 1.5 us of beginning a copy */
                                     step(MLO_DT_F32, 0, 4000000, 200000)}; /* 100 us of copying back */
    static const struct {
        enum mlo_bound bound;
        double ns;
    } want[] = {{MLO_BOUND_LAUNCH, 1000},    {MLO_BOUND_MEMORY, 10000}, {MLO_BOUND_COMPUTE, 40000},
                {MLO_BOUND_COMPUTE, 2500},   {MLO_BOUND_LAUNCH, 1000},  {MLO_BOUND_TRANSFER, 1500},
                {MLO_BOUND_TRANSFER, 100000}};
    struct mlo_explained e = {
        .steps = s, .n = MLO_COUNT(s), .run_ns = 300000, .threads = 1, .on_device = true};
    s[5].copy = MLO_COPY_IN;
    s[6].copy = MLO_COPY_OUT;
    mlo_explain_device_bounds(&limits, &e);
    for (size_t i = 0; i < MLO_COUNT(s); i++) {
        check_str(mlo_bound_name(s[i].bound), mlo_bound_name(want[i].bound));
        check(s[i].limit_ns > want[i].ns * 0.999 && s[i].limit_ns < want[i].ns * 1.001, "step %zu: %g ns", i,
              s[i].limit_ns);
    }
    check(e.rest_ns == 15000, "%g", e.rest_ns);
    check(
        strstr(e.sentence, "68 % of the time is copying to the device and back at 0.50 of what that can be"),
        "%s", e.sentence);
    e.tf32 = true;
    mlo_explain_device_bounds(&limits, &e);
    check(s[2].limit_ns > 4999 && s[2].limit_ns < 5001, "products of tf32: %g ns", s[2].limit_ns);
}

static void what_holds_it_back_is_said(void)
{
    static const struct {
        struct mlo_explained_step s;
        double run_ns;
        const char *says;
    } cases[] = {
        {{.cost = {.products = 2000000000, .flops = 2000000000, .product_type = MLO_DT_F32, .bytes = 4},
          .ns = 50000},
         50000,
         "100 % of the time is multiplication at 0.80 of what the device can do: only smaller types or "
         "another"},
        {{.cost = {.bytes = 40000000, .weights = 39000000}, .ns = 12500},
         12500,
         "reading weights from the device's memory at 0.80 of what it can give: more rows a request"},
        {{.cost = {.bytes = 4}, .ns = 2000}, 2000, "is a step with next to nothing to do"},
        {{.cost = {.bytes = 4}, .ns = 2000}, 9000, "78 % of the time is around the device's work"},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct mlo_explained_step s = cases[i].s;
        struct mlo_explained e = {
            .steps = &s, .n = 1, .run_ns = cases[i].run_ns, .threads = 1, .on_device = true};
        mlo_explain_device_bounds(&limits, &e);
        check(strstr(e.sentence, cases[i].says) != NULL, "%s", e.sentence);
    }
}

const struct mlo_device_api *mlo_device_plugin(uint32_t abi);

struct ticks {
    int64_t now;
};

/* A millisecond a look. */
static int64_t ticking(void *ctx)
{
    return ((struct ticks *)ctx)->now += 1000000;
}

static int explain_network(bool on_device, struct mlo_explained *e, struct mlo_device_cost *cost, bool *done,
                           struct mlo_err *err)
{
    static float data[8 * 64];
    const struct mlo_offload_opts on = {.api = mlo_device_plugin(MLO_DEVICE_ABI), .must = true};
    struct ticks t = {0};
    const struct mlo_clock clock = {.now = ticking, .ctx = &t};
    const struct mlo_explain_opts o = {.seconds = 0.01, .clock = &clock};
    struct mlo_value in = {.kind = MLO_KIND_ARRAY,
                           .array = {.dtype = MLO_DT_F32, .rank = 2, .dims = {8, 8}, .n = 64, .data = data}};
    struct mlo_plan *p = NULL;
    int rc = mlo_plan_open("tests/golden/onnx/pipelines/mlp/model.onnx", NULL, &p, err);
    if (rc == 0 && on_device)
        rc = mlo_plan_offload(p, &on, err);
    if (rc == 0)
        rc = mlo_explain_on_device(p, &in, &limits, &o, e, cost, done, err);
    mlo_plan_free(p);
    return rc;
}

static void steps_are_timed_by_the_device(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_explained e = {0};
    struct mlo_device_cost cost;
    bool done = false;
    if (!check_ok(explain_network(true, &e, &cost, &done, &err), &err) || !check(done))
        return;
    check_int(e.n, cost.kernels + 2);
    check(e.on_device && e.runs >= 5 && e.run_ns == 1e6 && e.timing_ns == 500, "%g ns, a look %g", e.run_ns,
          e.timing_ns);
    check_str(e.steps[0].cost.op, "copy in");
    check_str(e.steps[1].cost.op, "scale");
    check_str(e.steps[e.n - 1].cost.op, "copy out");
    check(e.steps[0].ns == 3000 && e.steps[0].cost.bytes == cost.in && e.steps[0].copy == MLO_COPY_IN);
    for (size_t i = 1; i + 1 < e.n; i++)
        check(e.steps[i].ns == 2000 + 100 * (double)(i - 1), "step %zu: %g ns", i, e.steps[i].ns);
    check(e.steps[e.n - 1].ns == 2000 && e.bounds[MLO_BOUND_TRANSFER].n == 2);
    mlo_explained_release(&e);
    check_ok(explain_network(false, &e, &cost, &done, &err), &err);
    check(!done, "what the CPU does is not explained here");
    setenv("FAKE_DEVICE_NO_TIMES", "1", 1);
    check_err(explain_network(true, &e, &cost, &done, &err), MLO_EUNAVAIL, &err, "its clock stands still");
    unsetenv("FAKE_DEVICE_NO_TIMES");
}

static int explain_once(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_explained e = {0};
    struct mlo_device_cost cost;
    bool done;
    int rc = explain_network(true, &e, &cost, &done, &err);
    mlo_explained_release(&e);
    return rc == MLO_EUNAVAIL ? MLO_EIO : rc; /* memory that the device is missing */
}

static void memory_of_steps_may_be_missing(void)
{
    check(each_alloc_failure(explain_once) > 0);
}

int main(void)
{
    run(each_limit_may_bind_a_step);
    run(what_holds_it_back_is_said);
    run(steps_are_timed_by_the_device);
    run(memory_of_steps_may_be_missing);
    run(each_limit_may_bind);
    run(small_programs_read_the_hosts_memory);
    run(limits_are_kept_for_the_same_device);
    run(memory_may_be_missing);
    return done_testing();
}
