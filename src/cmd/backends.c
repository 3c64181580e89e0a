/* mlopsctl backends: what can compute here, and why a GPU cannot. */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/host.h>

#include "devices.h"

static const struct mlo_column step_columns[] = {
    {"step", "STEP", MLO_CELL_TEXT}, {"ok", "", MLO_CELL_TEXT}, {"detail", "DETAIL", MLO_CELL_TEXT}};

static void put(struct mlo_report *r, const char *step, bool ok, const char *detail)
{
    mlo_cell_text(r, step);
    mlo_cell_text(r, ok ? "ok" : "no");
    mlo_cell_text(r, detail);
}

static void put_device(struct mlo_report *r, const struct mlo_device_info *d)
{
    char detail[256];
    snprintf(detail, sizeof detail, "%s, compute capability %u.%u, %u multiprocessors, %.1f of %.1f GiB free",
             d->name, d->major, d->minor, d->processors, (double)d->free_memory / (double)(1u << 30),
             (double)d->memory / (double)(1u << 30));
    put(r, "device", true, detail);
}

static void put_cuda(struct mlo_report *r, const struct mlo_device_probe *p)
{
    bool driver_ok = p->driver.works && p->driver.version >= MLO_CUDA_DRIVER_MIN;
    put(r, "driver", driver_ok, driver_ok ? p->driver.detail : p->reason);
    if (driver_ok)
        put(r, "plugin", p->api != NULL, p->api ? p->plugin : p->reason);
    for (unsigned i = 0; i < p->n_devices; i++)
        put_device(r, &p->devices[i]);
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    struct mlo_device_probe p;
    struct mlo_host_cpu cpu;
    char detail[512];
    (void)options;
    int rc = mlo_devices_find(ctx, &p, err);
    if (rc != 0)
        return rc;
    mlo_host_cpu(&cpu);
    snprintf(detail, sizeof detail, "%s, %u usable", cpu.model, cpu.cpus);
    mlo_report_text(ctx->report, "backend", "backend", p.api ? p.api->name : "cpu");
    mlo_report_table(ctx->report, "steps", NULL, step_columns, MLO_COUNT(step_columns), NULL);
    put(ctx->report, "cpu", true, detail);
    put_cuda(ctx->report, &p);
    return 0;
}

static const struct mlo_example examples[] = {
    {"what can compute here", "mlopsctl backends"},
    {0},
};

const struct mlo_command mlo_cmd_backends = {
    .name = "backends",
    .group = "run",
    .summary = "show what can compute here",
    .synopsis = "",
    .description =
        "The CPU always can. A GPU can when its driver works and is new enough, the plugin mlopsctl-cuda.so\n"
        "is installed and fits, and a device answers; the first of these that fails is shown with its "
        "reason.",
    .examples = examples,
    .run = run,
};
