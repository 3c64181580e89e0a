/* drift --compat: what another tool would say, in its numbers. */
#include <math.h>
#include <string.h>

#include "drift.h"

#define COMMON                                                                                               \
    {"column", "COLUMN", MLO_CELL_TEXT}, {"kind", "KIND", MLO_CELL_TEXT},                                    \
        {"method", "METHOD", MLO_CELL_TEXT}, {"value", "VALUE", MLO_CELL_DOUBLE},                            \
        {"threshold", "LIMIT", MLO_CELL_DOUBLE}, {"drift", "DRIFT", MLO_CELL_BOOL},                          \
    {                                                                                                        \
        "why", "WHY NOT", MLO_CELL_TEXT                                                                      \
    }
static const struct mlo_column of_columns[] = {COMMON, {"statistic", "STATISTIC", MLO_CELL_DOUBLE}};
static const struct mlo_column of_chunks[] = {
    COMMON, {"from", "FROM ROW", MLO_CELL_U64}, {"to", "TO", MLO_CELL_U64}};

static void put_rows(struct mlo_ctx *ctx, const struct mlo_drift_compat_report *d)
{
    struct mlo_report *r = ctx->report;
    bool chunks = false;
    for (size_t i = 0; i < d->n_rows; i++)
        chunks = chunks || d->rows[i].chunked;
    mlo_report_table(r, "columns", NULL, chunks ? of_chunks : of_columns,
                     chunks ? MLO_COUNT(of_chunks) : MLO_COUNT(of_columns), "no columns");
    for (size_t i = 0; i < d->n_rows; i++) {
        const struct mlo_drift_compat_row *row = &d->rows[i];
        mlo_cell_text(r, row->column);
        mlo_cell_text(r, row->kind);
        mlo_cell_text(r, row->method);
        mlo_drift_put(r, row->value, row->made && isfinite(row->value), ctx->json);
        mlo_drift_put(r, row->threshold, row->made && isfinite(row->threshold), ctx->json);
        mlo_cell_u64(r, row->drift);
        mlo_cell_text(r, row->made ? NULL : row->why);
        if (!chunks)
            mlo_drift_put(r, row->statistic, row->made && isfinite(row->statistic), ctx->json);
        for (int k = 0; chunks && k < 2; k++) {
            if (row->chunked)
                mlo_cell_u64(r, k == 0 ? row->from + 1 : row->to);
            else
                mlo_cell_none(r);
        }
    }
}

static void show(struct mlo_ctx *ctx, const char *tool, const struct mlo_drift_compat_report *d)
{
    struct mlo_report *r = ctx->report;
    if (ctx->json) {
        mlo_report_bool(r, "drift", "drift", d->drift);
        mlo_report_text(r, "compat", "as", tool);
        mlo_report_u64(r, "compared", "columns compared", d->columns);
        mlo_report_u64(r, "drifted", "columns drifted", d->drifted);
        mlo_report_double(r, "share_drifted", "share drifted", d->share);
    } else {
        mlo_report_say(r, "%s, as %s says it: %zu of %zu columns", d->drift ? "drift" : "no drift", tool,
                       d->drifted, d->columns);
    }
    put_rows(ctx, d);
}

static int open_tables(const struct mlo_drift_args *o, const struct mlo_drift_settings *s,
                       struct mlo_table **a, struct mlo_table **b, struct mlo_err *err)
{
    struct mlo_table_opts to = {.format = o->format, .threads = 1, .types = s->types, .n_types = s->n_types};
    int rc = mlo_table_open(&o->reference, 1, &to, a, err);
    if (rc != 0)
        return mlo_wrap(err, "reference");
    to.types = mlo_table_columns(*a, &to.n_types);
    rc = mlo_table_open(o->current.items, o->current.n, &to, b, err);
    return rc != 0 ? mlo_wrap(err, "current data") : 0;
}

int mlo_drift_compat_run(struct mlo_ctx *ctx, const struct mlo_drift_args *o,
                         const struct mlo_drift_settings *s, struct mlo_err *err)
{
    struct mlo_table *a = NULL, *b = NULL;
    struct mlo_drift_compat_report *d = NULL;
    struct mlo_drift_compat_opts co = {
        .tool = o->compat, .ignore = o->roles.ignore.items, .n_ignore = o->roles.ignore.n};
    if (o->html || o->junit || o->prometheus || o->github || o->exact || o->tests)
        return mlo_fail(err, MLO_EUSAGE, "--compat has a table of its own and no other report");
    int rc = open_tables(o, s, &a, &b, err);
    if (rc == 0)
        rc = mlo_drift_compat(a, b, &co, &d, err);
    if (rc == 0) {
        show(ctx, o->compat, d);
        rc = d->drift ? MLO_NO : 0;
    }
    mlo_drift_compat_free(d);
    mlo_table_close(a);
    mlo_table_close(b);
    return rc;
}
