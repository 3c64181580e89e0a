/* mlopsctl drift: does today's data look like the reference? Exit 1 when it does not. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mlopsctl/base/io.h>

#include "table.h"
#include "tables.h"

struct opts {
    struct mlo_strings current;
    const char *reference, *format, *html, *junit, *prometheus;
    double psi, p, share;
    uint64_t threads;
    bool all, github;
};

static const struct mlo_opt opts_table[] = {
    {.name = "reference",
     .letter = 'r',
     .type = MLO_OPT_STRING,
     .arg = "TABLE",
     .help = "what the data should look like: a table or a profile",
     .offset = offsetof(struct opts, reference),
     .flags = MLO_OPTF_REQUIRED | MLO_OPTF_FILE},
    {.name = "current",
     .letter = 'c',
     .type = MLO_OPT_LIST,
     .arg = "TABLE",
     .help =
         "the data to look at: tables, `-` for standard input, or a profile made with --like the reference",
     .offset = offsetof(struct opts, current),
     .flags = MLO_OPTF_REQUIRED | MLO_OPTF_FILE},
    {.name = "psi",
     .type = MLO_OPT_DOUBLE,
     .arg = "X",
     .help = "a column has drifted when its PSI is above X and its adjusted p below --p (0.1)",
     .offset = offsetof(struct opts, psi)},
    {.name = "p",
     .type = MLO_OPT_DOUBLE,
     .arg = "X",
     .help = "the level of the test, adjusted over all columns (0.05)",
     .offset = offsetof(struct opts, p)},
    {.name = "share",
     .type = MLO_OPT_DOUBLE,
     .arg = "X",
     .help = "the table has drifted when this share of its columns has; 0: when any has",
     .offset = offsetof(struct opts, share)},
    {.name = "format",
     .type = MLO_OPT_CHOICE,
     .arg = "FORM",
     .help = "the form of the tables, when their names and first bytes do not tell",
     .offset = offsetof(struct opts, format),
     .choices = "csv|tsv|jsonl|log"},
    {.name = "all",
     .type = MLO_OPT_FLAG,
     .help = "show every column, not only those that changed and the first few others",
     .offset = offsetof(struct opts, all)},
    {.name = "html",
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .help = "also write the report as one page with charts, which needs neither network nor script",
     .offset = offsetof(struct opts, html),
     .flags = MLO_OPTF_FILE},
    {.name = "junit",
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .help = "also write the verdicts as JUnit XML, a test case for each column",
     .offset = offsetof(struct opts, junit),
     .flags = MLO_OPTF_FILE},
    {.name = "prometheus",
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .help = "also write the figures for Prometheus' textfile collector",
     .offset = offsetof(struct opts, prometheus),
     .flags = MLO_OPTF_FILE},
    {.name = "github",
     .type = MLO_OPT_FLAG,
     .help = "also write annotations of GitHub Actions, to standard error",
     .offset = offsetof(struct opts, github)},
    {.name = "threads",
     .type = MLO_OPT_U64,
     .arg = "N",
     .help = "threads; as a rule one for each CPU",
     .offset = offsetof(struct opts, threads),
     .min = 1,
     .max = 64},
    {0},
};

#define SHOWN_STABLE ((size_t)10) /* columns without drift in the text, unless --all */

/* ---- the table ---- */

static const struct mlo_column columns[] = {
    {"column", "COLUMN", MLO_CELL_TEXT},
    {"verdict", "VERDICT", MLO_CELL_TEXT},
    {"psi", "PSI", MLO_CELL_DOUBLE},
    {"psi_noise", "NOISE 95%", MLO_CELL_DOUBLE},
    {"p", "ADJUSTED P", MLO_CELL_DOUBLE},
    {"ks", "KS", MLO_CELL_DOUBLE},
    {"wasserstein", "W1/SD", MLO_CELL_DOUBLE},
    {"missing_reference", "MISSING", MLO_CELL_DOUBLE},
    {"missing_current", "NOW", MLO_CELL_DOUBLE},
    {"why", "WHY", MLO_CELL_TEXT},
};

static double rounded(double v, bool exact)
{
    char text[32];
    if (exact || !isfinite(v))
        return v;
    snprintf(text, sizeof text, "%.3g", v);
    return strtod(text, NULL);
}

static void put(struct mlo_report *r, double v, bool there, bool exact)
{
    if (there)
        mlo_cell_double(r, rounded(v, exact));
    else
        mlo_cell_none(r);
}

static void put_row(struct mlo_report *r, const struct mlo_drift_column *c, bool exact)
{
    bool compared = c->counts_reference != NULL, number = compared && c->type != MLO_COLUMN_TEXT;
    mlo_cell_text(r, c->name);
    mlo_cell_text(r, mlo_verdict_word(c->verdict));
    put(r, c->psi, compared, exact);
    put(r, c->psi_noise.level95, compared, exact);
    put(r, c->p_adjusted, compared, exact);
    put(r, c->ks.statistic, number, exact);
    put(r, c->wasserstein, number, exact);
    put(r, c->missing_reference, compared, exact);
    put(r, c->missing_current, compared, exact);
    mlo_cell_text(r, c->why);
}

static bool is_quiet(const struct mlo_drift_column *c)
{
    return c->verdict == MLO_VERDICT_STABLE || c->verdict == MLO_VERDICT_CONSTANT ||
           c->verdict == MLO_VERDICT_IGNORED;
}

static void put_columns(struct mlo_ctx *ctx, const struct mlo_drift_report *d, bool all)
{
    size_t quiet = 0, left_out = 0;
    mlo_report_table(ctx->report, "columns", NULL, columns, MLO_COUNT(columns), "no columns");
    for (size_t i = 0; i < d->n_columns; i++) {
        const struct mlo_drift_column *c = &d->columns[i];
        quiet += is_quiet(c);
        if (!ctx->json && !all && is_quiet(c) && quiet > SHOWN_STABLE)
            left_out++;
        else
            put_row(ctx->report, c, ctx->json);
    }
    if (left_out)
        mlo_report_note(ctx->report, "%zu more columns without drift: --all shows them", left_out);
}

static void report(struct mlo_ctx *ctx, const struct opts *o, const struct mlo_drift_report *d)
{
    struct mlo_report *r = ctx->report;
    if (ctx->json) {
        mlo_report_bool(r, "drift", "drift", d->verdict == MLO_VERDICT_DRIFT);
        mlo_report_text(r, "verdict", "verdict", d->sentence);
        mlo_report_u64(r, "rows_reference", "reference rows", d->rows_reference);
        mlo_report_u64(r, "rows_current", "current rows", d->rows_current);
        mlo_report_double(r, "share_drifted", "share drifted", d->share_drifted);
    } else {
        mlo_report_say(r, "%s", d->sentence);
    }
    put_columns(ctx, d, o->all);
    if (d->ragged_reference + d->ragged_current > 0)
        mlo_warn(ctx,
                 "%llu lines of the reference and %llu of the current data are no rows and were left out",
                 (unsigned long long)d->ragged_reference, (unsigned long long)d->ragged_current);
}

/* ---- the work ---- */

struct drift {
    struct mlo_str name_current;
    struct mlo_profile *reference, *current;
    struct mlo_drift_report *report;
};

static int compare(const struct opts *o, struct drift *d, struct mlo_err *err)
{
    struct mlo_table_opts to = {.format = o->format, .threads = (unsigned)o->threads};
    struct mlo_drift_opts drift = {.share_limit = o->share};
    drift.feature.psi = drift.prediction.psi = o->psi;
    drift.feature.p = drift.prediction.p = o->p;
    int rc = mlo_profile_open(&o->reference, 1, &to, NULL, &d->reference, err);
    if (rc != 0)
        return mlo_wrap(err, "reference");
    rc = mlo_profile_open(o->current.items, o->current.n, &to, d->reference, &d->current, err);
    if (rc != 0)
        return mlo_wrap(err, "current data");
    rc = mlo_drift_compare(d->reference, d->current, &drift, &d->report, err);
    if (rc != 0)
        return rc;
    mlo_str_add(&d->name_current, o->current.items[0]);
    if (o->current.n > 1)
        mlo_str_addf(&d->name_current, " and %zu more", o->current.n - 1);
    d->report->name_reference = o->reference;
    d->report->name_current = d->name_current.ptr;
    return mlo_str_check(&d->name_current, err);
}

static int write_form(const struct mlo_drift_report *d,
                      int (*form)(const struct mlo_drift_report *, struct mlo_str *, struct mlo_err *),
                      const char *path, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    int rc = path ? form(d, &text, err) : 0;
    return rc == 0 && path ? mlo_result_write(path, &text, err) : rc;
}

static int annotate(const struct mlo_drift_report *d, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    int rc = mlo_drift_github(d, &text, err);
    return rc == 0 ? mlo_write_all(STDERR_FILENO, text.ptr, text.len, err) : rc;
}

static int write_forms(const struct opts *o, const struct mlo_drift_report *d, struct mlo_err *err)
{
    int rc = write_form(d, mlo_drift_html, o->html, err);
    if (rc == 0)
        rc = write_form(d, mlo_drift_junit, o->junit, err);
    if (rc == 0)
        rc = write_form(d, mlo_drift_prometheus, o->prometheus, err);
    return rc == 0 && o->github ? annotate(d, err) : rc;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *o = options;
    struct drift d = {0};
    mlo_str_init(&d.name_current, MLO_PATH_MAX);
    int rc = compare(o, &d, err);
    if (rc == 0)
        rc = write_forms(o, d.report, err);
    if (rc == 0) {
        report(ctx, o, d.report);
        rc = d.report->verdict == MLO_VERDICT_DRIFT ? MLO_NO : 0;
    }
    mlo_drift_report_free(d.report);
    mlo_profile_free(d.current);
    mlo_profile_free(d.reference);
    mlo_str_release(&d.name_current);
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
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .args = {.min = 0, .max = 0},
    .examples = examples,
    .run = run,
};
