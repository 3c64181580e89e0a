/* The options of mlopsctl drift. */
#include <math.h>
#include <stddef.h>

#include "drift.h"

const struct mlo_opt mlo_drift_options[] = {
    {.name = "reference",
     .letter = 'r',
     .type = MLO_OPT_STRING,
     .arg = "TABLE",
     .help = "what the data should look like: a table, a profile, or a bundle that one was packed into",
     .offset = offsetof(struct mlo_drift_args, reference),
     .flags = MLO_OPTF_REQUIRED | MLO_OPTF_FILE | MLO_OPTF_REF},
    {.name = "current",
     .letter = 'c',
     .type = MLO_OPT_LIST,
     .arg = "TABLE",
     .help =
         "the data to look at: tables, `-` for standard input, or a profile made with --like the reference",
     .offset = offsetof(struct mlo_drift_args, current),
     .flags = MLO_OPTF_REQUIRED | MLO_OPTF_FILE},
    MLO_ROLE_OPTIONS(struct mlo_drift_args),
    {.name = "psi",
     .type = MLO_OPT_DOUBLE,
     .arg = "X",
     .help = "a column has drifted when its PSI is above X and its adjusted p below --p (0.1)",
     .offset = offsetof(struct mlo_drift_args, psi)},
    {.name = "p",
     .type = MLO_OPT_DOUBLE,
     .arg = "X",
     .help = "the level of the test, adjusted over all columns (0.05)",
     .offset = offsetof(struct mlo_drift_args, p)},
    {.name = "share",
     .type = MLO_OPT_DOUBLE,
     .arg = "X",
     .help = "the table has drifted when this share of its features has; 0: when any has",
     .offset = offsetof(struct mlo_drift_args, share)},
    {.name = "fail-on",
     .type = MLO_OPT_LIST,
     .arg = "KIND,...",
     .help = "which changes make the table drift: feature, prediction, concept, performance, quality, "
             "operation; as a rule "
             "all",
     .offset = offsetof(struct mlo_drift_args, fail_on)},
    {.name = "window",
     .type = MLO_OPT_STRING,
     .arg = "LENGTH",
     .help = "also say how the current data changed over time, by hour, day, week or month (UTC), or by so "
             "many rows",
     .offset = offsetof(struct mlo_drift_args, window)},
    {.name = "time-column",
     .type = MLO_OPT_STRING,
     .arg = "COLUMN",
     .help = "as --time",
     .offset = offsetof(struct mlo_drift_args, roles.time),
     .flags = MLO_OPTF_HIDDEN},
    {.name = "from",
     .type = MLO_OPT_STRING,
     .arg = "TIME",
     .help = "only rows of the current data from then on: a date, a time, or 24h for the last 24 hours",
     .offset = offsetof(struct mlo_drift_args, from)},
    {.name = "to",
     .type = MLO_OPT_STRING,
     .arg = "TIME",
     .help = "only rows of the current data before then",
     .offset = offsetof(struct mlo_drift_args, to)},
    {.name = "reference-from",
     .type = MLO_OPT_STRING,
     .arg = "TIME",
     .help = "only rows of the reference from then on",
     .offset = offsetof(struct mlo_drift_args, reference_from)},
    {.name = "reference-to",
     .type = MLO_OPT_STRING,
     .arg = "TIME",
     .help = "only rows of the reference before then",
     .offset = offsetof(struct mlo_drift_args, reference_to)},
    MLO_TABLE_OPTIONS(struct mlo_drift_args),
    {.name = "all",
     .type = MLO_OPT_FLAG,
     .help = "show every column, not only those that changed and the first few others",
     .offset = offsetof(struct mlo_drift_args, all)},
    {.name = "classifier",
     .type = MLO_OPT_FLAG,
     .help = "also let a model tell rows of the two sides apart, which shows columns that moved together; of "
             "tables "
             "only",
     .offset = offsetof(struct mlo_drift_args, classifier)},
    {.name = "exact",
     .type = MLO_OPT_FLAG,
     .help = "Kolmogorov-Smirnov, Wasserstein, energy distance and quantiles of the values instead of bins",
     .offset = offsetof(struct mlo_drift_args, exact)},
    {.name = "tests",
     .type = MLO_OPT_STRING,
     .arg = "LIST",
     .help = "with --exact also cvm (Cramer-von Mises), ad (Anderson-Darling), es (Epps-Singleton), or all",
     .offset = offsetof(struct mlo_drift_args, tests)},
    {.name = "compat",
     .type = MLO_OPT_STRING,
     .arg = "TOOL[:METHOD]",
     .help = "the numbers, methods and limits of evidently, nannyml, deepchecks or scipy instead of ours",
     .offset = offsetof(struct mlo_drift_args, compat)},
    {.name = "html",
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .help = "also write the report as one page with charts, which needs neither network nor script",
     .offset = offsetof(struct mlo_drift_args, html),
     .flags = MLO_OPTF_FILE},
    {.name = "junit",
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .help = "also write the verdicts as JUnit XML, a test case for each column",
     .offset = offsetof(struct mlo_drift_args, junit),
     .flags = MLO_OPTF_FILE},
    {.name = "prometheus",
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .help = "also write the figures for Prometheus' textfile collector",
     .offset = offsetof(struct mlo_drift_args, prometheus),
     .flags = MLO_OPTF_FILE},
    {.name = "github",
     .type = MLO_OPT_FLAG,
     .help = "also write annotations of GitHub Actions, to standard error",
     .offset = offsetof(struct mlo_drift_args, github)},
    MLO_DRIFT_WATCH_OPTIONS(struct mlo_drift_args),
    {0},
};
const struct mlo_drift_args mlo_drift_defaults = {.psi = NAN, .p = NAN, .share = NAN};

static int apply_kinds(const struct mlo_strings *list, struct mlo_drift_settings *s, struct mlo_err *err)
{
    unsigned all = 0, kinds = 0;
    for (size_t i = 0; i < list->n; i++) {
        int rc = mlo_drift_kinds_parse(list->items[i], &kinds, err);
        if (rc != 0)
            return mlo_wrap(err, "--fail-on");
        all |= kinds;
    }
    s->opts.fail_on = all ? all : s->opts.fail_on;
    return 0;
}

int mlo_drift_settings_choose(struct mlo_ctx *ctx, const struct mlo_drift_args *o,
                              struct mlo_drift_settings *s, struct mlo_err *err)
{
    const struct {
        const char *key;
        double value;
    } given[] = {{"psi", o->psi}, {"p", o->p}, {"share", o->share}};
    int rc = mlo_drift_settings_read(ctx, s, err);
    for (size_t i = 0; rc == 0 && i < MLO_COUNT(given); i++)
        if (!isnan(given[i].value))
            rc = mlo_drift_settings_option(s, given[i].key, given[i].value, err);
    if (rc == 0)
        rc = mlo_drift_exact_choose(o, &s->opts, err);
    return rc != 0 ? rc : apply_kinds(&o->fail_on, s, err);
}
