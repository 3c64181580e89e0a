/* mlopsctl drift: does today's data look like the reference? Exit 1 when it does not. */
#include <string.h>

#include <mlopsctl/base/text.h>

#include "drift.h"
#include "cmd/table.h"

int mlo_drift_judge(const struct mlo_drift_args *o, const struct mlo_drift_settings *s,
                    const struct mlo_drift_inputs *in, struct mlo_drift_report **ret, struct mlo_err *err)
{
    int rc = mlo_drift_compare(in->reference, in->current, &s->opts, ret, err);
    if (rc != 0)
        return rc;
    (*ret)->name_reference = o->reference;
    (*ret)->name_current = in->name_current.ptr;
    rc = in->windows ? mlo_drift_over_time(*ret, in->windows, err) : 0;
    if (rc != 0)
        mlo_drift_report_free(mlo_steal(ret));
    return rc;
}

static void warn_times(struct mlo_ctx *ctx, const char *side, const struct mlo_profile *p)
{
    struct mlo_profile_facts f;
    mlo_profile_facts(p, &f);
    if (f.outside)
        mlo_note(ctx, "%llu rows of the %s are of another time and were left out",
                 (unsigned long long)f.outside, side);
    if (f.undated)
        mlo_warn(ctx, "%llu rows of the %s do not tell their time", (unsigned long long)f.undated, side);
}

/* A name that no table has is a slip of the pen more often than not. */
static void warn_unknown(struct mlo_ctx *ctx, const struct mlo_drift_settings *s,
                         const struct mlo_drift_report *r)
{
    char shown[MLO_SHOWN];
    for (size_t i = 0; i < s->n_columns; i++) {
        const char *name = s->columns[i].name;
        size_t at = 0;
        while (at < r->n_columns && strcmp(r->columns[at].name, name) != 0)
            at++;
        if (at == r->n_columns)
            mlo_warn(ctx, "the settings speak of column '%s', which neither side has",
                     mlo_shown(name, strlen(name), shown));
    }
}

static void warn_not_classified(struct mlo_ctx *ctx, const struct mlo_drift_report *r)
{
    for (size_t i = 0; i < r->n_facts; i++)
        if (strcmp(r->facts[i].name, "domain_auc") == 0)
            return;
    mlo_warn(ctx, "--classifier compares rows: it needs tables on both sides, of at least 50 rows");
}

void mlo_drift_tell(struct mlo_ctx *ctx, const struct mlo_drift_args *o, const struct mlo_drift_settings *s,
                    const struct mlo_drift_inputs *in, const struct mlo_drift_report *r)
{
    warn_unknown(ctx, s, r);
    if (o->classifier)
        warn_not_classified(ctx, r);
    mlo_profile_warn(ctx, in->reference);
    warn_times(ctx, "reference", in->reference);
    warn_times(ctx, "current data", in->current);
    if (r->ragged_reference + r->ragged_current > 0)
        mlo_warn(ctx,
                 "%llu lines of the reference and %llu of the current data are no rows and were left out",
                 (unsigned long long)r->ragged_reference, (unsigned long long)r->ragged_current);
    mlo_drift_show(ctx, o, r);
    mlo_drift_exact_show(ctx, &s->opts, r);
}

static int check(struct mlo_ctx *ctx, const struct mlo_drift_args *o, const struct mlo_drift_settings *s,
                 struct mlo_err *err)
{
    struct mlo_drift_inputs in;
    struct mlo_drift_report *r = NULL;
    mlo_drift_inputs_init(&in);
    int rc = mlo_drift_inputs_read(ctx, o, s, &in, err);
    if (rc == 0)
        rc = mlo_drift_judge(o, s, &in, &r, err);
    if (rc == 0)
        rc = mlo_drift_write(o, r, err);
    if (rc == 0) {
        rc = r->verdict == MLO_VERDICT_DRIFT ? MLO_NO : 0;
        if (rc != 0 || ctx->json || !ctx->quiet) /* cron: not a word unless something is wrong */
            mlo_drift_tell(ctx, o, s, &in, r);
    }
    mlo_drift_report_free(r);
    mlo_drift_inputs_release(&in);
    return rc;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct mlo_drift_args *o = options;
    struct mlo_drift_settings s;
    mlo_drift_settings_init(&s);
    int rc = mlo_drift_settings_choose(ctx, o, &s, err);
    if (rc == 0 && mlo_drift_is_watched(o, &s))
        rc = mlo_drift_watch(ctx, o, &s, err);
    else if (rc == 0)
        rc = (o->compat ? mlo_drift_compat_run : check)(ctx, o, &s, err);
    mlo_drift_settings_release(&s);
    return rc;
}

static const struct mlo_example examples[] = {
    {"Today against the training data", "mlopsctl drift --reference reference.csv --current current.csv"},
    {"Against a kept profile, for a script", "mlopsctl drift -r ref.profile -c current.csv --json"},
    {"Against what the model in production was trained on", "mlopsctl drift -r credit:1.4.0 -c current.csv"},
    {"A page to look at, and samples for Prometheus",
     "mlopsctl drift -r reference.csv -c current.csv --html report.html --prometheus drift.prom"},
    {"The requests that a server answered, day by day",
     "mlopsctl drift -r credit:1.4.0 -c requests.jsonl --window day --from 2026-10-01"},
    {"Statistics of the values, without bins",
     "mlopsctl drift -r reference.csv -c current.csv --exact --tests ad,es"},
    {"Every night from cron: only what is new, an alarm when two of the last three checks drifted",
     "mlopsctl -q drift -r ref.profile -c 'requests*.jsonl' --name nightly --since last --alarm-after 2/3"},
    {"The change is fine: it is the reference from now on",
     "mlopsctl drift -r ref.profile -c current.csv --name daily --accept"},
    {"What another tool would say", "mlopsctl drift -r reference.csv -c current.csv --compat evidently"},
    {"Is the model still right?",
     "mlopsctl drift -r then.csv -c answers.csv --prediction answer --label paid"},
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
        "its PSI is large and its p-value small. With roles (--prediction, --score, --label) it also tells\n"
        "whether the model is right less often, and whether that is another concept or only another mix of\n"
        "rows; without labels that is estimated. Exit 1 means drift.",
    .opts = mlo_drift_options,
    .defaults = &mlo_drift_defaults,
    .opts_size = sizeof(struct mlo_drift_args),
    .args = {.min = 0, .max = 0},
    .examples = examples,
    .run = run,
};
