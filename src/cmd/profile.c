/* mlopsctl profile: what a table holds, without its rows, in a file or as a baseline in the ledger, which
 * later tables are compared with. */
#include <limits.h>
#include <string.h>

#include "cmd/drift/settings.h"
#include "table.h"
#include "cmd/shared/tables.h"
#include "cmd/shared/workspace.h"

struct opts {
    struct mlo_role_opts roles;
    const char *output, *baseline, *like, *format;
    uint64_t threads;
};

static const struct mlo_opt opts_table[] = {
    {.name = "output",
     .letter = 'o',
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .help = "the profile's file; `-` writes to standard output",
     .offset = offsetof(struct opts, output),
     .flags = MLO_OPTF_FILE},
    {.name = "baseline",
     .type = MLO_OPT_STRING,
     .arg = "NAME",
     .help =
         "make it the baseline of the checks of this name: `drift -r baseline --name NAME` compares with it, "
         "`mlopsctl rollback` takes that back",
     .offset = offsetof(struct opts, baseline)},
    {.name = "like",
     .type = MLO_OPT_STRING,
     .arg = "PROFILE",
     .help = "count into the bins of this profile, so that the result can be merged or compared with it",
     .offset = offsetof(struct opts, like),
     .flags = MLO_OPTF_FILE},
    MLO_ROLE_OPTIONS(struct opts),
    MLO_TABLE_OPTIONS(struct opts),
    {0},
};

/* `profile merge A B...`: the shards' profiles added up. */
static int merge(struct mlo_ctx *ctx, struct mlo_profile **ret, struct mlo_err *err)
{
    const struct mlo_table_opts none = {0};
    const struct mlo_profile_opts as_it_is = {0};
    struct mlo_profile *sum = NULL;
    int rc = 0;
    for (size_t i = 1; rc == 0 && i < ctx->n_args; i++) {
        const char *path = ctx->args[i];
        struct mlo_profile *p = NULL;
        rc = mlo_profile_open(ctx, &path, 1, &none, &as_it_is, &p, err);
        if (rc == 0 && sum) {
            rc = mlo_profile_merge(sum, p, err);
            mlo_profile_free(p);
        } else if (rc == 0) {
            sum = p;
        }
        if (rc != 0)
            mlo_wrap(err, "'%s'", path);
    }
    if (rc != 0)
        mlo_profile_free(sum);
    else
        *ret = sum;
    return rc;
}

static int make(struct mlo_ctx *ctx, const struct opts *o, const struct mlo_drift_settings *s,
                struct mlo_profile **ret, struct mlo_err *err)
{
    struct mlo_table_opts to = mlo_table_opts_of(ctx, o->format, o->threads);
    struct mlo_profile *like = NULL;
    MLO_AUTOFREE struct mlo_column_use *roles = NULL;
    struct mlo_profile_opts how = {0};
    to.types = s->types;
    to.n_types = s->n_types;
    if (ctx->n_args > 1 && strcmp(ctx->args[0], "merge") == 0)
        return merge(ctx, ret, err);
    int rc = o->like ? mlo_profile_open(ctx, &o->like, 1, &to, &how, &like, err) : 0;
    if (rc == 0)
        rc = mlo_role_list(&o->roles, s->roles, s->n_roles, &roles, &how.n_roles, err);
    how.roles = roles;
    how.positive = o->roles.positive;
    how.like = like;
    if (rc == 0)
        rc = mlo_profile_open(ctx, (const char *const *)ctx->args, ctx->n_args, &to, &how, ret, err);
    mlo_profile_free(like);
    return rc;
}

static int check_result(const struct opts *o, struct mlo_err *err)
{
    if (!o->output && !o->baseline) {
        mlo_fail(err, MLO_EUSAGE, "nothing says where the profile is to go");
        return mlo_hint(err, "-o FILE writes a file, --baseline NAME keeps it for the checks of that name");
    }
    return o->baseline ? mlo_check_name(o->baseline, "--baseline", err) : 0;
}

static int keep(struct mlo_ctx *ctx, const struct opts *o, const struct mlo_profile *p, int64_t *ret_run,
                struct mlo_err *err)
{
    struct mlo_workspace ws = {0};
    int rc = mlo_workspace_begin(ctx, &ws, 0, err);
    if (rc != 0)
        return rc;
    int64_t run = mlo_run_id(ws.run);
    rc = mlo_workspace_end(&ws, mlo_baseline_put(&ws, o->baseline, p, err), err);
    if (rc == 0)
        *ret_run = run;
    return rc;
}

static void report(struct mlo_ctx *ctx, const struct opts *o, const struct mlo_profile *p, int64_t run)
{
    const char *file = o->output ? o->output : o->baseline;
    struct mlo_profile_facts f;
    mlo_profile_facts(p, &f);
    if (ctx->json) {
        mlo_report_u64(ctx->report, "rows", "rows", f.rows);
        mlo_report_u64(ctx->report, "columns", "columns", f.columns);
        mlo_report_u64(ctx->report, "ragged", "ragged", f.ragged);
        if (o->output)
            mlo_report_text(ctx->report, "file", "file", o->output);
        if (o->baseline) {
            mlo_report_text(ctx->report, "baseline", "baseline", o->baseline);
            mlo_report_u64(ctx->report, "run", "run", (uint64_t)run);
        }
        return;
    }
    mlo_report_say(ctx->report, "profiled %llu rows of %zu columns into %s%s", (unsigned long long)f.rows,
                   f.columns, o->output ? "" : "baseline ", file);
    if (o->baseline)
        mlo_report_say(ctx->report,
                       "run %lld: the baseline '%s' is this data now; `mlopsctl rollback %lld` takes it back",
                       (long long)run, o->baseline, (long long)run);
    mlo_profile_warn(ctx, p);
    if (f.ragged)
        mlo_warn(ctx, "%llu lines are no rows of the table and were left out", (unsigned long long)f.ragged);
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *o = options;
    struct mlo_profile *p = NULL;
    struct mlo_drift_settings s;
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_STR_MAX);
    mlo_drift_settings_init(&s);
    int64_t run = 0;
    int rc = check_result(o, err);
    if (rc == 0)
        rc = mlo_drift_settings_read(ctx, &s, err);
    if (rc == 0)
        rc = make(ctx, o, &s, &p, err);
    if (rc == 0 && o->output)
        rc = mlo_profile_write(p, &text, err);
    if (rc == 0 && o->output)
        rc = mlo_result_write(o->output, &text, err);
    if (rc == 0 && o->baseline)
        rc = keep(ctx, o, p, &run, err);
    if (rc == 0 && (!o->output || strcmp(o->output, "-") != 0))
        report(ctx, o, p, run);
    mlo_profile_free(p);
    mlo_drift_settings_release(&s);
    return rc;
}

static const struct mlo_example examples[] = {
    {"What the training data looks like", "mlopsctl profile reference.csv -o ref.profile"},
    {"Today's data in the same bins", "mlopsctl profile --like ref.profile current.csv -o today.profile"},
    {"Parts into a whole", "mlopsctl profile merge a.profile b.profile -o all.profile"},
    {"What the checks named nightly compare with: `drift -r baseline --name nightly`",
     "mlopsctl profile reference.csv --baseline nightly"},
    {0},
};

const struct mlo_command mlo_cmd_profile = {
    .name = "profile",
    .group = "watch",
    .summary = "keep what a table holds, without its rows",
    .synopsis = "[merge] TABLE... {-o FILE | --baseline NAME}",
    .description =
        "A profile has the counts, sums and categories of every column, in bins that come from the table\n"
        "itself, or with --like from another profile. Profiles of parts, made with --like the same one,\n"
        "merge to exactly what the whole would give: `mlopsctl profile merge a b c -o all`.\n"
        "With --baseline it is kept in the ledger, by a run that `mlopsctl rollback` takes back.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .args = {.min = 1, .max = UINT_MAX, .complete = MLO_OPTF_FILE},
    .examples = examples,
    .run = run,
};
