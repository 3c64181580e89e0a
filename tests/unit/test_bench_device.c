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

int main(void)
{
    run(each_limit_may_bind);
    run(small_programs_read_the_hosts_memory);
    run(limits_are_kept_for_the_same_device);
    run(memory_may_be_missing);
    return done_testing();
}
