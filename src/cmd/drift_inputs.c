/* The two sides of a drift report as profiles: tables are counted, the current one in the bins of the
 * reference. */
#include <mlopsctl/base/io.h>
#include <mlopsctl/base/text.h>

#include "drift.h"

void mlo_drift_inputs_init(struct mlo_drift_inputs *in)
{
    *in = (struct mlo_drift_inputs){0};
    mlo_str_init(&in->name_current, MLO_PATH_MAX);
}

void mlo_drift_inputs_release(struct mlo_drift_inputs *in)
{
    mlo_profile_free(in->current);
    mlo_profile_free(in->reference);
    mlo_str_release(&in->name_current);
}

static int name_current(const struct mlo_drift_args *o, struct mlo_str *name, struct mlo_err *err)
{
    mlo_str_add(name, o->current.items[0]);
    if (o->current.n > 1)
        mlo_str_addf(name, " and %zu more", o->current.n - 1);
    return mlo_str_check(name, err);
}

int mlo_drift_inputs_read(const struct mlo_ctx *ctx, const struct mlo_drift_args *o,
                          const struct mlo_drift_settings *s, struct mlo_drift_inputs *in,
                          struct mlo_err *err)
{
    struct mlo_table_opts to = {
        .format = o->format, .threads = (unsigned)o->threads, .types = s->types, .n_types = s->n_types};
    MLO_AUTOFREE struct mlo_column_use *roles = NULL;
    struct mlo_profile_opts how = {.exact = s->opts.exact, .temporary = mlo_env_get(ctx->env, "TMPDIR")};
    int rc = mlo_role_list(&o->roles, s->roles, s->n_roles, &roles, &how.n_roles, err);
    how.roles = roles;
    how.positive = o->roles.positive;
    if (rc == 0)
        rc = mlo_profile_open(&o->reference, 1, &to, &how, &in->reference, err);
    if (rc != 0)
        return mlo_wrap(err, "reference");
    how = (struct mlo_profile_opts){
        .like = in->reference, .exact = s->opts.exact, .temporary = how.temporary};
    rc = mlo_profile_open(o->current.items, o->current.n, &to, &how, &in->current, err);
    return rc != 0 ? mlo_wrap(err, "current data") : name_current(o, &in->name_current, err);
}
