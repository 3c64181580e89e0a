/*
 * What a command that talks to a service needs: the HTTP client, credentials, RunPod's client, and the
 * options of a remote, filled in from options, settings and the variables that people set for such programs.
 * Each is made when first asked for and lives as long as ctx; libcurl is not opened by a command that stays
 * at home.
 */
#ifndef MLOPSCTL_CMD_NETWORK_H
#define MLOPSCTL_CMD_NETWORK_H

#include <mlopsctl/remote.h>

#include "context.h"

/*
 * The first call also lets Ctrl-C and SIGTERM end requests in good order (mlo_interrupt_arm). Settings
 * net.proxy (else https_proxy and its kin), net.ca-file (else SSL_CERT_FILE, CURL_CA_BUNDLE),
 * net.allow-plain, net.connections. Borrowed.
 */
int mlo_ctx_http(struct mlo_ctx *ctx, struct mlo_http **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* With --token-file and the environment as sources; nothing is read yet. Borrowed. */
int mlo_ctx_credentials(struct mlo_ctx *ctx, struct mlo_credentials **ret,
                        struct mlo_err *err) MLO_MUST_CHECK;
/* With a key: MLO_ENOTFOUND when there is none. Borrowed. */
int mlo_ctx_runpod(struct mlo_ctx *ctx, struct mlo_runpod **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* The settings runpod.*; http and key are left NULL. Text is borrowed from ctx. */
int mlo_ctx_runpod_opts(struct mlo_ctx *ctx, struct mlo_runpod_opts *ret, struct mlo_err *err) MLO_MUST_CHECK;

/*
 * What opening `url` needs. The query of an s3:// address (endpoint, region, profile, style; remotes.h) is
 * stronger than the own keys of the configured remote `name` (remotes.NAME.endpoint and so on; NULL: none),
 * these than s3.*, and these than AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION and AWS_DEFAULT_REGION.
 * For a folder nothing is filled in and nothing made. Text is borrowed from ctx.
 */
int mlo_ctx_remote_opts(struct mlo_ctx *ctx, const char *url, const char *name, struct mlo_remote_opts *ret,
                        struct mlo_err *err) MLO_MUST_CHECK;

#endif
