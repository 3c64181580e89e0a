/* bench --explain on a GPU: the device's limits, kept in the user's cache, and what a run asks of them. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "bench.h"

#define LIMITS_FILE  "gpu-limits.json"
#define LIMITS_BYTES ((size_t)64 << 10)

/* ---- the device ---- */

/* With the driver and the library where there is one, else the device alone. */
static void name_device(const struct mlo_bench *b, char of[MLO_DEVICE_REASON])
{
    char reason[MLO_DEVICE_REASON];
    if (b->backend.probe.api->algorithms_of(0, of, reason) != MLO_DEVICE_OK)
        snprintf(of, MLO_DEVICE_REASON, "%s, driver %d", b->backend.probe.devices[0].name,
                 b->backend.probe.driver.version);
}

static bool read_kept(const char *path, const char *of, struct mlo_device_limits *ret)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    return path && mlo_slurp_at(AT_FDCWD, path, LIMITS_BYTES, &text, &n, &ignored) == 0 &&
           mlo_device_limits_read(text, n, of, ret, &ignored) == 0;
}

static void keep(struct mlo_bench *b, const char *path, const char *of)
{
    struct mlo_err err = MLO_ERR_INIT;
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, LIMITS_BYTES);
    int rc = mlo_device_limits_write(of, &b->device_limits, &text, &err);
    if (rc == 0) /* its folder is there: that of the machine's limits */
        rc = mlo_write_file_at(AT_FDCWD, path, text.ptr, text.len, 0600, &err);
    if (rc != 0)
        mlo_warn(b->ctx, "the device's limits are not kept: %s", err.msg);
}

static int find_limits(struct mlo_bench *b, struct mlo_err *err)
{
    char of[MLO_DEVICE_REASON] = "", reason[MLO_DEVICE_REASON] = "";
    MLO_AUTOFREE char *path = NULL;
    int rc = mlo_user_cache(b->ctx->env, LIMITS_FILE, &path, err);
    if (rc != 0)
        return rc;
    name_device(b, of);
    if (!b->args->calibrate && read_kept(path, of, &b->device_limits))
        return 0;
    mlo_note(b->ctx, "measuring what the GPU can do, once");
    if (b->backend.probe.api->limits(0, &b->device_limits, reason) != MLO_DEVICE_OK)
        return mlo_fail(err, MLO_EUNAVAIL, "%s", reason);
    if (path)
        keep(b, path, of);
    return 0;
}

/* ---- the model ---- */

/* 0: some product is not the library's. */
static double own_products(const struct mlo_bench *b, const struct mlo_device_cost *c)
{
    double sum = 0;
    for (size_t i = 0; i < c->n_products; i++) {
        const struct mlo_device_product *p = &c->products[i];
        char reason[MLO_DEVICE_REASON];
        double ns;
        uint32_t how = c->tf32 && p->type == MLO_DEVICE_F32 ? MLO_DEVICE_TF32 : 0;
        if (b->backend.probe.api->product_ns(0, p->type, how, p->mnk, &ns, reason) != MLO_DEVICE_OK)
            return 0;
        sum += ns * (double)p->times;
    }
    return sum;
}

int mlo_bench_explain_gpu(struct mlo_bench *b, const struct mlo_plan *plan, const struct mlo_value *in,
                          const struct mlo_explain_opts *how, bool *ret_done, struct mlo_err *err)
{
    struct mlo_offload_state state;
    struct mlo_device_cost cost;
    struct mlo_explained *e = &b->explained[b->n_explained];
    *ret_done = false;
    if (!mlo_plan_offloaded(plan, &state))
        return 0;
    int rc = b->n_on_device ? 0 : find_limits(b, err);
    if (rc == 0)
        rc = mlo_explain_on_device(plan, in, &b->device_limits, how, e, &cost, ret_done, err);
    if (rc != 0 || !*ret_done)
        return rc;
    struct mlo_device_explained *whole = &b->on_device[b->n_on_device];
    mlo_explain_device(&b->device_limits, &cost, e->run_ns, whole);
    whole->own_ns = own_products(b, &cost);
    b->device_batches[b->n_on_device++] = b->batches[b->n_explained++];
    return 0;
}

/* ---- what is shown ---- */

static void put_limits(const struct mlo_bench *b)
{
    const struct mlo_device_limits *l = &b->device_limits;
    char text[320];
    if (b->ctx->json) {
        cJSON *o = cJSON_CreateObject();
        mlo_device_limits_json(l, o);
        mlo_report_json(b->ctx->report, "device_limits", o);
        return;
    }
    snprintf(text, sizeof text,
             "%.0f GB/s in its memory, %.1f in, %.1f out; a graph %.1f us, a kernel %.2f; 16 KiB in and out "
             "%.1f us "
             "by copies, %.1f from the host's memory",
             1e-9 * l->copy, 1e-9 * l->in, 1e-9 * l->out, 1e-3 * l->graph_ns, 1e-3 * l->kernel_ns,
             1e-3 * l->copied_ns, 1e-3 * l->mapped_ns);
    mlo_report_text(b->ctx->report, "device", "GPU", text);
    snprintf(
        text, sizeof text,
        "%.0f TFLOP/s of float32, %.0f of tf32, %.0f of float16, %.0f of bfloat16, %.0f of int8, %.0f of "
        "float8 (0: none)",
        1e-12 * l->flops[MLO_DEVICE_F32], 1e-12 * l->tf32, 1e-12 * l->flops[MLO_DEVICE_F16],
        1e-12 * l->flops[MLO_DEVICE_BF16], 1e-12 * l->flops[MLO_DEVICE_I8],
        1e-12 * l->flops[MLO_DEVICE_E4M3]);
    mlo_report_text(b->ctx->report, "device_products", "products", text);
}

static const struct mlo_column columns[] = {
    {"batch", "BATCH", MLO_CELL_U64},           {"run_ns", "RUN", MLO_CELL_NS},
    {"launch_ns", "LAUNCH", MLO_CELL_NS},       {"transfer_ns", "TRANSFER", MLO_CELL_NS},
    {"memory_ns", "MEMORY", MLO_CELL_NS},       {"products_ns", "PRODUCTS", MLO_CELL_NS},
    {"own_ns", "AT THEIR SHAPES", MLO_CELL_NS}, {"bound", "BOUND", MLO_CELL_TEXT}};

void mlo_bench_put_explained_gpu(struct mlo_bench *b)
{
    struct mlo_report *r = b->ctx->report;
    if (b->n_on_device == 0)
        return;
    put_limits(b);
    mlo_report_table(r, "on_device", NULL, columns, MLO_COUNT(columns), NULL);
    for (size_t i = 0; i < b->n_on_device; i++) {
        const struct mlo_device_explained *e = &b->on_device[i];
        mlo_cell_u64(r, b->device_batches[i]);
        mlo_cell_u64(r, (uint64_t)e->run_ns);
        for (size_t k = 0; k < MLO_DEVICE_BOUNDS; k++)
            mlo_cell_u64(r, (uint64_t)e->ns[k]);
        mlo_cell_u64(r, (uint64_t)e->own_ns);
        mlo_cell_text(r, mlo_device_bound_name(e->bound));
    }
}
