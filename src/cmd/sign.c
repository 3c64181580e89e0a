/* mlopsctl sign: a signature in the OpenSSF form, kept with the bundle and on request as a file beside the
 * model. */
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include <mlopsctl/base/io.h>

#include "cmd/shared/signatures.h"
#include "table.h"
#include "cmd/shared/workspace.h"

struct opts {
    const char *key, *output, *keygen;
};

static const struct mlo_opt opts_table[] = {
    {.name = "key",
     .letter = 'k',
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .help = "private key: ECDSA on P-256 in PEM form",
     .offset = offsetof(struct opts, key),
     .flags = MLO_OPTF_FILE},
    {.name = "output",
     .letter = 'o',
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .help = "write the signature file too, for other tools",
     .offset = offsetof(struct opts, output),
     .flags = MLO_OPTF_FILE},
    {.name = "keygen",
     .type = MLO_OPT_STRING,
     .arg = "NAME",
     .help = "make a new pair of keys, NAME.key (mode 0600) and NAME.pub, and do nothing else",
     .offset = offsetof(struct opts, keygen),
     .flags = MLO_OPTF_FILE},
    {0},
};

static int keygen(struct mlo_ctx *ctx, const struct opts *o, struct mlo_err *err)
{
    char secret[PATH_MAX], public[PATH_MAX];
    if (ctx->n_args > 0 || o->key || o->output)
        return mlo_fail(err, MLO_EUSAGE, "--keygen stands alone");
    if (strlen(o->keygen) > sizeof secret - 5)
        return mlo_fail(err, MLO_EUSAGE, "name of the keys is too long");
    snprintf(secret, sizeof secret, "%s.key", o->keygen);
    snprintf(public, sizeof public, "%s.pub", o->keygen);
    int rc = mlo_sign_keygen(secret, public, err);
    if (rc != 0)
        return rc;
    if (ctx->json) {
        mlo_report_text(ctx->report, "private", "private", secret);
        mlo_report_text(ctx->report, "public", "public", public);
    }
    mlo_report_say(ctx->report, "made %s (keep it secret) and %s (give it away)", secret, public);
    return 0;
}

static int write_file(struct mlo_workspace *ws, const struct mlo_digest *referrer, const char *path,
                      struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    size_t n = 0;
    int rc = mlo_sign_text(ws->store, referrer, &text, &n, err);
    return rc != 0 ? rc : mlo_write_file_at(AT_FDCWD, path, text, n, 0644, err);
}

static int sign(struct mlo_workspace *ws, const struct opts *o, struct mlo_digest *ret_referrer,
                char *ret_hint, struct mlo_err *err)
{
    struct mlo_digest manifest;
    int rc = mlo_workspace_resolve(ws, ws->ctx->args[0], NULL, &manifest, err);
    if (rc == 0)
        rc = mlo_sign(ws->store, &manifest, o->key, ret_referrer, ret_hint, err);
    if (rc == 0)
        rc = mlo_signature_move(ws, &manifest, ret_hint, ret_referrer, err);
    return rc == 0 && o->output ? write_file(ws, ret_referrer, o->output, err) : rc;
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    const struct opts *o = options;
    struct mlo_workspace ws = {0};
    struct mlo_digest referrer;
    char hint[MLO_DIGEST_HEX + 1];
    if (o->keygen)
        return keygen(ctx, o, err);
    if (ctx->n_args != 1 || !o->key) {
        mlo_fail(err, MLO_EUSAGE, "a bundle and --key are needed");
        return mlo_hint(err, "`mlopsctl sign --keygen NAME` makes keys");
    }
    int rc = mlo_workspace_begin(ctx, &ws, 0, err);
    if (rc == 0)
        rc = mlo_workspace_end(&ws, sign(&ws, o, &referrer, hint, err), err);
    if (rc != 0)
        return rc;
    if (ctx->json) {
        mlo_report_digest(ctx->report, "signature", "signature", &referrer);
        mlo_report_text(ctx->report, "key", "key", hint);
    }
    mlo_report_say(ctx->report, "signed %s with key %.12s", ctx->args[0], hint);
    return 0;
}

static const struct mlo_example examples[] = {
    {"A pair of keys", "mlopsctl sign --keygen release"},
    {"Sign, and write the file that other tools verify",
     "mlopsctl sign credit:1.4.0 --key release.key -o model.sig"},
    {0},
};

const struct mlo_command mlo_cmd_sign = {
    .name = "sign",
    .group = "bundles",
    .summary = "sign a bundle",
    .synopsis = "NAME[:TAG] --key FILE",
    .description =
        "Makes a signature in the OpenSSF model-signing form (ECDSA P-256, no network) and keeps it with\n"
        "the bundle: export and push take it along, `mlopsctl verify --key` checks it. A new signature\n"
        "by the same key replaces the old one; `mlopsctl rollback` brings that back.",
    .opts = opts_table,
    .opts_size = sizeof(struct opts),
    .args = {.min = 0, .max = 1, .complete = MLO_OPTF_REF},
    .examples = examples,
    .flags = MLO_CMDF_WRITES,
    .run = run,
};
