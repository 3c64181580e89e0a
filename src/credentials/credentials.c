/* See credentials.h: the sources, and where each is asked. */
#include "internal.h"

#include <string.h>

int mlo_credentials_new(const struct mlo_credentials_sources *from, struct mlo_credentials **ret,
                        struct mlo_err *err)
{
    struct mlo_credentials *c = mlo_calloc(1, sizeof *c, err);
    if (!c)
        return MLO_EIO;
    c->from = *from;
    *ret = c;
    return 0;
}

void mlo_credentials_free(struct mlo_credentials *c)
{
    free(c);
}

static int none(const char *what, const char *where, struct mlo_err *err)
{
    mlo_fail(err, MLO_ENOTFOUND, "no %s", what);
    return mlo_hint(err, "looked for in %s", where);
}

int mlo_credentials_runpod(struct mlo_credentials *c, const char **ret_key, const char **ret_origin,
                           struct mlo_err *err)
{
    const char *key = mlo_env_get(c->from.env, "RUNPOD_API_KEY");
    if (!key || !*key)
        return none("RunPod API key", "RUNPOD_API_KEY", err);
    *ret_key = key;
    *ret_origin = "environment RUNPOD_API_KEY";
    return 0;
}

/* A pair of variables, both set. */
static bool pair(const struct mlo_credentials *c, const char *id, const char *secret, struct mlo_s3_key *ret)
{
    ret->access_key = mlo_env_get(c->from.env, id);
    ret->secret_key = mlo_env_get(c->from.env, secret);
    ret->origin = "environment";
    return ret->access_key && *ret->access_key && ret->secret_key && *ret->secret_key;
}

int mlo_credentials_s3(struct mlo_credentials *c, const char *profile, struct mlo_s3_key *ret,
                       struct mlo_err *err)
{
    struct mlo_s3_key key = {0};
    (void)profile;
    if (!pair(c, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", &key))
        return none("S3 key", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", err);
    key.session_token = mlo_env_get(c->from.env, "AWS_SESSION_TOKEN");
    *ret = key;
    return 0;
}

int mlo_credentials_runpod_s3(struct mlo_credentials *c, struct mlo_s3_key *ret, struct mlo_err *err)
{
    struct mlo_s3_key key = {0};
    if (!pair(c, "RUNPOD_S3_ACCESS_KEY", "RUNPOD_S3_SECRET_KEY", &key))
        return none("S3 key of RunPod's volumes", "RUNPOD_S3_ACCESS_KEY and RUNPOD_S3_SECRET_KEY", err);
    *ret = key;
    return 0;
}

int mlo_credentials_registry(struct mlo_credentials *c, const char *host, struct mlo_login *ret,
                             struct mlo_err *err)
{
    (void)c, (void)host, (void)err;
    *ret = (struct mlo_login){0};
    return 0;
}
