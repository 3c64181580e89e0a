/* See verify_run.h. */
#include "verify_run.h"

static int keep(struct mlo_verify_runs *r, const char *bundle, const struct mlo_sample_result *one,
                struct mlo_err *err)
{
    int rc = mlo_grow(&r->rows, &r->cap, r->n + 1, sizeof *r->rows, err);
    if (rc != 0)
        return rc;
    struct mlo_verify_row *row = &r->rows[r->n++];
    *row = (struct mlo_verify_row){.result = *one};
    row->bundle = mlo_strdup(bundle, err);
    row->output = mlo_strdup(one->name, err);
    r->differ += one->differ > 0;
    return row->bundle && row->output ? 0 : err->code;
}

int mlo_verify_run(struct mlo_workspace *ws, const char *bundle, const struct mlo_digest *d,
                   const struct mlo_tolerance *t, struct mlo_verify_runs *r, struct mlo_err *err)
{
    MLO_AUTOFREE struct mlo_sample_result *results = NULL;
    struct mlo_samples s = {0};
    struct mlo_bundle b = {0};
    size_t n = 0;
    int rc = mlo_bundle_load(ws->store, d, &b, err);
    if (rc == 0)
        rc = mlo_golden_replay(ws, &b, t, &r->backend, &s, &results, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = keep(r, bundle, &results[i], err);
    mlo_samples_release(&s);
    mlo_bundle_release(&b);
    return rc ? mlo_wrap(err, "'%s'", bundle) : 0;
}

void mlo_verify_runs_tell(const struct mlo_verify_runs *r, struct mlo_report *report)
{
    static const struct mlo_column columns[] = {
        {"bundle", "BUNDLE", MLO_CELL_TEXT},    {"output", "OUTPUT", MLO_CELL_TEXT},
        {"values", "VALUES", MLO_CELL_U64},     {"differ", "DIFFER", MLO_CELL_U64},
        {"max_abs", "OFF BY", MLO_CELL_DOUBLE}, {"max_rel", "RELATIVE", MLO_CELL_DOUBLE},
        {"atol", "ATOL", MLO_CELL_DOUBLE},      {"rtol", "RTOL", MLO_CELL_DOUBLE},
    };
    mlo_report_table(report, "outputs", "OUTPUTS FOR THE SAMPLES", columns, MLO_COUNT(columns), NULL);
    for (size_t i = 0; i < r->n; i++) {
        const struct mlo_sample_result *one = &r->rows[i].result;
        mlo_cell_text(report, r->rows[i].bundle);
        mlo_cell_text(report, r->rows[i].output);
        mlo_cell_u64(report, one->elements);
        mlo_cell_u64(report, one->differ);
        mlo_cell_double(report, one->max_abs);
        mlo_cell_double(report, one->max_rel);
        mlo_cell_double(report, one->tolerance.atol);
        mlo_cell_double(report, one->tolerance.rtol);
    }
}

void mlo_verify_runs_release(struct mlo_verify_runs *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->rows[i].bundle);
        free(r->rows[i].output);
    }
    free(r->rows);
    *r = (struct mlo_verify_runs){0};
}
