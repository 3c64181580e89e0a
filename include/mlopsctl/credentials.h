/*
 * Who we are elsewhere: keys for RunPod, S3 and registries. Found in this order: what the command was given
 * (--token-file), environment, our credentials file (0600), then the files of others (~/.aws/credentials and
 * config, docker's config.json with its helpers). Values live in memory only: they never reach logs, ledger
 * or argv, and are wiped on release. mlopsctl-credentials(5) is this page for users.
 */
#ifndef MLOPSCTL_CREDENTIALS_H
#define MLOPSCTL_CREDENTIALS_H

#include <mlopsctl/base/str.h>

struct mlo_credentials;

struct mlo_credentials_sources {
    char *const *env;       /* "KEY=VALUE", ..., NULL; may be NULL */
    const char *token_file; /* of --token-file; "-" is stdin; NULL: none */
    const char *file;       /* ours; NULL: $XDG_CONFIG_HOME or ~/.config, mlopsctl/credentials */
};
/* Nothing is read before it is asked for. */
int mlo_credentials_new(const struct mlo_credentials_sources *from, struct mlo_credentials **ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
void mlo_credentials_free(struct mlo_credentials *c);

/* Each: MLO_ENOTFOUND when there is none (the hint says where it was looked for), MLO_EUSAGE for a file that
 * others can read, MLO_EINVALID for one that is malformed. Text is borrowed until free; origin says where it
 * was found. */

/* The REST key ("rpa_..."). */
int mlo_credentials_runpod(struct mlo_credentials *c, const char **ret_key, const char **ret_origin,
                           struct mlo_err *err) MLO_MUST_CHECK;

struct mlo_s3_key {
    const char *access_key, *secret_key, *session_token; /* token NULL: none */
    const char *region;                                  /* NULL: not said there */
    const char *origin;
};
/* profile: a section of our file or of AWS's; NULL: the default of each. */
int mlo_credentials_s3(struct mlo_credentials *c, const char *profile, struct mlo_s3_key *ret,
                       struct mlo_err *err) MLO_MUST_CHECK;
/* The S3 key pair of RunPod's volumes ("user_...", "rps_..."): a REST key in its place is MLO_EUSAGE and said
 * so. */
int mlo_credentials_runpod_s3(struct mlo_credentials *c, struct mlo_s3_key *ret,
                              struct mlo_err *err) MLO_MUST_CHECK;

struct mlo_login {
    const char *user, *password; /* both NULL: identity_token or nothing (anonymous) */
    const char *identity_token;  /* OAuth2 refresh token of docker's file */
    const char *origin;
};
/* Of a registry host ("ghcr.io", "localhost:5000"). None at all is not a failure: all NULL. */
int mlo_credentials_registry(struct mlo_credentials *c, const char *host, struct mlo_login *ret,
                             struct mlo_err *err) MLO_MUST_CHECK;

#endif
