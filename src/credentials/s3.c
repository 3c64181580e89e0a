/* Key pairs for S3: variables, our file, the files that AWS's tools share (AWS SDKs and Tools Reference
 * Guide, "Shared config and credentials files"). And the pair of RunPod's volumes. */
#include "internal.h"

#include <string.h>

#include <mlopsctl/base/io.h>

/* What a pair is made of, by the names of one source. */
struct names {
    const char *access, *secret, *token, *region;
};
static const struct names in_ours = {"access_key", "secret_key", "session_token", "region"};
static const struct names in_aws = {"aws_access_key_id", "aws_secret_access_key", "aws_session_token",
                                    "region"};
static const struct names in_runpod = {"s3_access_key", "s3_secret_key", NULL, NULL};

/* Half of a pair is a mistake worth a word. *ret_found: both are there. */
static int check_pair(const struct mlo_s3_key *k, const struct names *n, bool *ret_found, struct mlo_err *err)
{
    if (!k->access_key && !k->secret_key)
        return 0;
    if (!k->access_key || !k->secret_key) {
        mlo_fail(err, MLO_EUSAGE, "%s has %s but no %s", k->origin, k->access_key ? n->access : n->secret,
                 k->access_key ? n->secret : n->access);
        return mlo_hint(err, "an S3 key is a pair: set both");
    }
    int rc = mlo_credentials_check(k->access_key, k->origin, err);
    if (rc == 0)
        rc = mlo_credentials_check(k->secret_key, k->origin, err);
    if (rc == 0 && k->session_token)
        rc = mlo_credentials_check(k->session_token, k->origin, err);
    *ret_found = rc == 0;
    return rc;
}

static int of_section(struct mlo_credentials *c, const struct mlo_ini *ini, const char *path,
                      const char *section, const struct names *n, struct mlo_s3_key *ret, bool *ret_found,
                      struct mlo_err *err)
{
    struct mlo_s3_key k = {.access_key = mlo_ini_get(ini, section, n->access),
                           .secret_key = mlo_ini_get(ini, section, n->secret),
                           .session_token = n->token ? mlo_ini_get(ini, section, n->token) : NULL,
                           .region = n->region ? mlo_ini_get(ini, section, n->region) : NULL,
                           .origin = mlo_credentials_place(c, path, section, err)};
    int rc = k.origin ? check_pair(&k, n, ret_found, err) : MLO_EIO;
    if (rc == 0 && *ret_found)
        *ret = k;
    return rc;
}

static int of_env(struct mlo_credentials *c, const struct names *n, struct mlo_s3_key *ret, bool *ret_found,
                  struct mlo_err *err)
{
    struct mlo_s3_key k = {.access_key = mlo_credentials_env(c, n->access),
                           .secret_key = mlo_credentials_env(c, n->secret),
                           .session_token = n->token ? mlo_credentials_env(c, n->token) : NULL,
                           .origin = "the environment"};
    int rc = check_pair(&k, n, ret_found, err);
    if (rc == 0 && *ret_found)
        *ret = k;
    return rc;
}

/* ---- AWS's files ---- */

struct aws {
    const struct mlo_ini *keys, *config; /* NULL: not there */
    const char *profile;
    char section[256]; /* of the profile in the config file, which says "profile x" except for the default */
};

static int open_aws(struct mlo_credentials *c, const char *profile, struct aws *a, struct mlo_err *err)
{
    a->profile = profile ? profile : "default";
    int n = snprintf(a->section, sizeof a->section, "%s%s",
                     strcmp(a->profile, "default") == 0 ? "" : "profile ", a->profile);
    if (n < 0 || (size_t)n >= sizeof a->section)
        return mlo_fail(err, MLO_EUSAGE, "the name of the S3 profile is too long");
    int rc = mlo_credentials_theirs(c, &c->aws_keys, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials",
                                    &a->keys, err);
    if (rc == 0)
        rc = mlo_credentials_theirs(c, &c->aws_config, "AWS_CONFIG_FILE", ".aws/config", &a->config, err);
    return rc;
}

/* Ways to a key that only AWS's own tools go. */
static int check_other_ways(const struct aws *a, struct mlo_err *err)
{
    static const char *const ways[] = {"role_arn", "sso_session", "sso_start_url", "credential_process",
                                       "web_identity_token_file"};
    for (size_t i = 0; i < MLO_COUNT(ways); i++) {
        if (!(a->config && mlo_ini_get(a->config, a->section, ways[i])) &&
            !(a->keys && mlo_ini_get(a->keys, a->profile, ways[i])))
            continue;
        mlo_fail(err, MLO_EUNAVAIL, "S3 profile '%s' gets its key by %s, which only AWS's own tools do",
                 a->profile, ways[i]);
        return mlo_hint(err, "run: eval \"$(aws configure export-credentials --profile %s --format env)\"",
                        a->profile);
    }
    return 0;
}

static int of_aws(struct mlo_credentials *c, const struct aws *a, struct mlo_s3_key *ret, bool *ret_found,
                  struct mlo_err *err)
{
    int rc = 0;
    if (a->keys)
        rc = of_section(c, a->keys, c->aws_keys.path, a->profile, &in_aws, ret, ret_found, err);
    if (rc == 0 && !*ret_found && a->config)
        rc = of_section(c, a->config, c->aws_config.path, a->section, &in_aws, ret, ret_found, err);
    return rc == 0 && !*ret_found ? check_other_ways(a, err) : rc;
}

/* ---- any S3 ---- */

static int of_ours(struct mlo_credentials *c, const char *profile, struct mlo_s3_key *ret, bool *ret_found,
                   struct mlo_err *err)
{
    const struct mlo_ini *ours = NULL;
    char section[256];
    int n = snprintf(section, sizeof section, "s3%s%s", profile ? " " : "", profile ? profile : "");
    int rc = mlo_credentials_ours(c, &ours, err);
    if (rc != 0 || !ours || n < 0 || (size_t)n >= sizeof section)
        return rc;
    return of_section(c, ours, c->ours.path, section, &in_ours, ret, ret_found, err);
}

static int no_s3_key(const struct mlo_credentials *c, const char *profile, struct mlo_err *err)
{
    if (profile)
        mlo_fail(err, MLO_ENOTFOUND, "no S3 key for profile '%s' was found", profile);
    else
        mlo_fail(err, MLO_ENOTFOUND, "no S3 key was found");
    return mlo_hint(
        err,
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write access_key and secret_key below "
        "[s3%s%s] in %s; ~/.aws/credentials is read too; see mlopsctl-credentials(5)",
        profile ? " " : "", profile ? profile : "", c->ours.path ? c->ours.path : "a credentials file");
}

/* A profile that was asked for is stronger than variables; AWS_PROFILE is not. */
int mlo_credentials_s3(struct mlo_credentials *c, const char *profile, struct mlo_s3_key *ret,
                       struct mlo_err *err)
{
    static const struct names variables = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
                                           NULL};
    struct mlo_s3_key key = {0};
    struct aws a = {0};
    bool found = false;
    int rc = profile ? 0 : of_env(c, &variables, &key, &found, err);
    if (!profile)
        profile = mlo_credentials_env(c, "AWS_PROFILE");
    if (rc == 0 && !found)
        rc = of_ours(c, profile, &key, &found, err);
    if (rc == 0)
        rc = open_aws(c, profile, &a, err);
    if (rc == 0 && !found)
        rc = of_aws(c, &a, &key, &found, err);
    if (rc != 0)
        return rc;
    if (!found)
        return no_s3_key(c, profile, err);
    if (!key.region && a.config)
        key.region = mlo_ini_get(a.config, a.section, "region");
    *ret = key;
    return 0;
}

/* ---- RunPod's volumes ---- */

static int check_runpod_pair(const struct mlo_s3_key *k, struct mlo_err *err)
{
    if (strncmp(k->access_key, "rpa_", 4) != 0 && strncmp(k->secret_key, "rpa_", 4) != 0)
        return 0;
    mlo_fail(err, MLO_EUSAGE, "%s has a RunPod API key (rpa_...) where the S3 key of volumes belongs",
             k->origin);
    return mlo_hint(err,
                    "make an S3 key pair in RunPod's console under Settings, S3 API Keys: user_... is the "
                    "access key, rps_... the secret");
}

static int no_runpod_pair(const struct mlo_credentials *c, struct mlo_err *err)
{
    mlo_fail(err, MLO_ENOTFOUND, "no S3 key of RunPod's volumes was found");
    return mlo_hint(
        err,
        "an API key does not open them: make an S3 key pair in RunPod's console under Settings, then "
        "set RUNPOD_S3_ACCESS_KEY and RUNPOD_S3_SECRET_KEY, or write s3_access_key and s3_secret_key "
        "below [runpod] in %s",
        c->ours.path ? c->ours.path : "a credentials file");
}

/* RunPod tells its users to put the pair where AWS's tools look: one that begins with user_ is taken. */
static int of_aws_for_runpod(struct mlo_credentials *c, struct mlo_s3_key *ret, bool *ret_found,
                             struct mlo_err *err)
{
    struct mlo_s3_key k = {0};
    int rc = mlo_credentials_s3(c, NULL, &k, err);
    if (rc == MLO_ENOTFOUND || rc == MLO_EUNAVAIL) {
        *err = MLO_ERR_INIT;
        return 0;
    }
    *ret_found = rc == 0 && (strncmp(k.access_key, "user_", 5) == 0 ||
                             strncmp(k.access_key, "rpa_", 4) == 0 || strncmp(k.secret_key, "rpa_", 4) == 0);
    if (*ret_found)
        *ret = k;
    return rc;
}

int mlo_credentials_runpod_s3(struct mlo_credentials *c, struct mlo_s3_key *ret, struct mlo_err *err)
{
    static const struct names variables = {"RUNPOD_S3_ACCESS_KEY", "RUNPOD_S3_SECRET_KEY", NULL, NULL};
    struct mlo_s3_key key = {0};
    const struct mlo_ini *ours = NULL;
    bool found = false;
    int rc = of_env(c, &variables, &key, &found, err);
    if (rc == 0 && !found) {
        rc = mlo_credentials_ours(c, &ours, err);
        if (rc == 0 && ours)
            rc = of_section(c, ours, c->ours.path, "runpod", &in_runpod, &key, &found, err);
    }
    if (rc == 0 && !found)
        rc = of_aws_for_runpod(c, &key, &found, err);
    if (rc == 0 && !found)
        return no_runpod_pair(c, err);
    if (rc == 0)
        rc = check_runpod_pair(&key, err);
    if (rc == 0)
        *ret = key;
    return rc;
}
