/* mlopsctl drift: does today's data look like the reference? Exit 1 when it does not. */
#include "drift.h"
#include "table.h"

static int compare(const struct mlo_drift_args *o, const struct mlo_drift_inputs *in,
                   struct mlo_drift_report **ret, struct mlo_err *err)
{
    struct mlo_drift_opts opts = {.share_limit = o->share};
    opts.feature.psi = opts.prediction.psi = o->psi;
    opts.feature.p = opts.prediction.p = o->p;
    int rc = mlo_drift_compare(in->reference, in->current, &opts, ret, err);
    if (rc != 0)
        return rc;
    (*ret)->name_reference = o->reference;
    (*ret)->name_current = in->name_current.ptr;
    return 0;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct mlo_drift_args *o = options;
    struct mlo_drift_inputs in;
    struct mlo_drift_report *report = NULL;
    mlo_drift_inputs_init(&in);
    int rc = mlo_drift_inputs_read(o, &in, err);
    if (rc == 0)
        rc = compare(o, &in, &report, err);
    if (rc == 0)
        rc = mlo_drift_write(o, report, err);
    if (rc == 0) {
        mlo_drift_show(ctx, o, report);
        rc = report->verdict == MLO_VERDICT_DRIFT ? MLO_NO : 0;
    }
    mlo_drift_report_free(report);
    mlo_drift_inputs_release(&in);
    return rc;
}

static const struct mlo_example examples[] = {
    {"Today against the training data", "mlopsctl drift --reference reference.csv --current current.csv"},
    {"Against a kept profile, for a script", "mlopsctl drift -r ref.profile -c current.csv --json"},
    {"A page to look at, and samples for Prometheus",
     "mlopsctl drift -r reference.csv -c current.csv --html report.html --prometheus drift.prom"},
    {"In a GitHub Actions step", "mlopsctl drift -r reference.csv -c current.csv --github --junit drift.xml"},
    {0},
};

const struct mlo_command mlo_cmd_drift = {
    .name = "drift",
    .group = "watch",
    .summary = "tell whether data still looks like the reference",
    .synopsis = "--reference TABLE --current TABLE...",
    .description =
        "Compares every column: PSI on tenths of the reference with what noise alone would give, a test\n"
        "adjusted over all columns, missing values, new and vanished categories. A column has drifted when\n"
        "its PSI is large and its p-value small. Exit 1 means drift.",
    .opts = mlo_drift_options,
    .opts_size = sizeof(struct mlo_drift_args),
    .args = {.min = 0, .max = 0},
    .examples = examples,
    .run = run,
};
