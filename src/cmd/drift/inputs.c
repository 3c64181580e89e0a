/* The two sides of a drift report as profiles: tables are counted, the current one in the bins of the
 * reference. */
#include <stdio.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "drift.h"
#include "cmd/shared/ledger_view.h"

void mlo_drift_inputs_init(struct mlo_drift_inputs *in)
{
    *in = (struct mlo_drift_inputs){0};
    mlo_str_init(&in->name_current, MLO_PATH_MAX);
}

void mlo_drift_inputs_release(struct mlo_drift_inputs *in)
{
    mlo_profile_free(in->current);
    mlo_profile_free(in->reference);
    mlo_windows_free(in->windows);
    mlo_str_release(&in->name_current);
}

static int name_current(const struct mlo_drift_args *o, struct mlo_str *name, struct mlo_err *err)
{
    mlo_str_add(name, o->current.items[0]);
    if (o->current.n > 1)
        mlo_str_addf(name, " and %zu more", o->current.n - 1);
    return mlo_str_check(name, err);
}

/* Rows of what time; the times are told by `column`, NULL: by the only one that can. */
static int read_period(const char *from, const char *to, const char *prefix, const char *column,
                       struct mlo_table_opts *ret, struct mlo_err *err)
{
    char option[32];
    struct mlo_table_opts o = *ret;
    snprintf(option, sizeof option, "--%sfrom", prefix);
    int rc = from ? mlo_view_time(from, option, &o.from_ns, err) : 0;
    snprintf(option, sizeof option, "--%sto", prefix);
    if (rc == 0 && to)
        rc = mlo_view_time(to, option, &o.to_ns, err);
    if (rc != 0)
        return rc;
    if (from && to && o.from_ns >= o.to_ns)
        return mlo_fail(err, MLO_EUSAGE, "--%sfrom is not before --%sto", prefix, prefix);
    o.time_column = column;
    *ret = o;
    return 0;
}

static int check_not_empty(const struct mlo_profile *p, struct mlo_err *err)
{
    struct mlo_profile_facts f;
    mlo_profile_facts(p, &f);
    if (f.rows > 0 || f.outside == 0)
        return 0;
    return mlo_fail(err, MLO_ENOTFOUND, "no rows of that time: %llu are of another, %llu tell none",
                    (unsigned long long)f.outside, (unsigned long long)f.undated);
}

/* Of the command line, else of the settings. */
static const char *time_column(const struct mlo_drift_args *o, const struct mlo_drift_settings *s)
{
    const char *name = o->roles.time;
    for (size_t i = 0; !name && i < s->n_roles; i++)
        if (s->roles[i].role == MLO_ROLE_TIME)
            name = s->roles[i].name;
    return name;
}

static int open_reference(struct mlo_ctx *ctx, const struct mlo_drift_args *o,
                          const struct mlo_drift_settings *s, struct mlo_table_opts to,
                          struct mlo_profile_opts how, struct mlo_drift_inputs *in, struct mlo_err *err)
{
    MLO_AUTOFREE struct mlo_column_use *roles = NULL;
    int rc = read_period(o->reference_from, o->reference_to, "reference-", how.time_column, &to, err);
    if (rc == 0)
        rc = mlo_role_list(&o->roles, s->roles, s->n_roles, &roles, &how.n_roles, err);
    for (size_t i = 0; rc == 0 && i < how.n_roles; i++) /* the current data may be the side with the times */
        roles[i].optional |= roles[i].role == MLO_ROLE_TIME && (o->window || o->from || o->to);
    how.roles = roles;
    how.positive = o->roles.positive;
    if (rc == 0)
        rc = mlo_profile_open(ctx, &o->reference, 1, &to, &how, &in->reference, err);
    if (rc == 0)
        rc = check_not_empty(in->reference, err);
    return rc != 0 ? mlo_wrap(err, "reference") : 0;
}

static int open_current(struct mlo_ctx *ctx, const struct mlo_drift_args *o, struct mlo_table_opts to,
                        struct mlo_profile_opts how, struct mlo_drift_inputs *in, struct mlo_err *err)
{
    struct mlo_column_use time = {.name = how.time_column, .role = MLO_ROLE_TIME, .optional = true};
    struct mlo_window_span span;
    how.like = in->reference;
    how.roles = &time;
    how.n_roles = time.name != NULL;
    if (!how.time_column)
        how.time_column = mlo_profile_column_of(in->reference, MLO_ROLE_TIME);
    int rc = read_period(o->from, o->to, "", how.time_column, &to, err);
    if (rc == 0 && o->window)
        rc = mlo_window_parse(o->window, &span, err);
    if (rc == 0 && o->window)
        rc = mlo_windows_new(&span, &in->windows, err);
    how.windows = in->windows;
    if (rc == 0)
        rc = mlo_profile_open(ctx, o->current.items, o->current.n, &to, &how, &in->current, err);
    if (rc == 0)
        rc = check_not_empty(in->current, err);
    return rc != 0 ? mlo_wrap(err, "current data") : 0;
}

static struct mlo_table_opts table_opts(struct mlo_ctx *ctx, const struct mlo_drift_args *o,
                                        const struct mlo_drift_settings *s)
{
    struct mlo_table_opts to = mlo_table_opts_of(ctx, o->format, o->threads);
    to.types = s->types;
    to.n_types = s->n_types;
    return to;
}

int mlo_drift_inputs_own(struct mlo_ctx *ctx, const struct mlo_drift_args *o,
                         const struct mlo_drift_settings *s, const struct mlo_profile *roles_of,
                         struct mlo_profile **ret, struct mlo_err *err)
{
    struct mlo_table_opts to = table_opts(ctx, o, s);
    struct mlo_profile_opts how = {.temporary = mlo_env_get(ctx->env, "TMPDIR"),
                                   .time_column = time_column(o, s)};
    MLO_AUTOFREE struct mlo_column_use *known = NULL;
    MLO_AUTOFREE struct mlo_column_use *roles = NULL;
    size_t n = 0;
    int rc = mlo_profile_uses(roles_of, &known, &n, &how.positive, err);
    if (rc == 0)
        rc = mlo_role_list(&o->roles, known, n, &roles, &how.n_roles, err);
    if (!how.time_column)
        how.time_column = mlo_profile_column_of(roles_of, MLO_ROLE_TIME);
    how.roles = roles;
    how.positive = o->roles.positive ? o->roles.positive : how.positive;
    if (rc == 0)
        rc = read_period(o->from, o->to, "", how.time_column, &to, err);
    return rc == 0 ? mlo_profile_open(ctx, o->current.items, o->current.n, &to, &how, ret, err) : rc;
}

int mlo_drift_inputs_read(struct mlo_ctx *ctx, const struct mlo_drift_args *o,
                          const struct mlo_drift_settings *s, struct mlo_drift_inputs *in,
                          struct mlo_err *err)
{
    const struct mlo_table_opts to = table_opts(ctx, o, s);
    const struct mlo_profile_opts how = {.exact = s->opts.exact,
                                         .sample = o->classifier,
                                         .temporary = mlo_env_get(ctx->env, "TMPDIR"),
                                         .time_column = time_column(o, s)};
    int rc = open_reference(ctx, o, s, to, how, in, err);
    if (rc == 0)
        rc = open_current(ctx, o, to, how, in, err);
    return rc == 0 ? name_current(o, &in->name_current, err) : rc;
}
