/* See signatures.h. */
#include "signatures.h"

#include <string.h>

struct gather {
    struct mlo_workspace *ws;
    char prefix[MLO_DIGEST_TEXT + 1];
    struct mlo_signatures *out;
};

static int add_name(void *ctx, const struct mlo_name_row *row, struct mlo_err *err)
{
    struct gather *g = ctx;
    if (strncmp(row->name, g->prefix, strlen(g->prefix)) != 0 ||
        !mlo_store_has(g->ws->store, &row->digest, NULL))
        return 0;
    int rc = mlo_grow(&g->out->list, &g->out->cap, g->out->n + 1, sizeof *g->out->list, err);
    if (rc == 0)
        g->out->list[g->out->n++] = row->digest;
    return rc;
}

int mlo_signatures_of(struct mlo_workspace *ws, const struct mlo_digest *manifest, struct mlo_signatures *ret,
                      struct mlo_err *err)
{
    struct mlo_signatures found = {0};
    struct gather g = {.ws = ws, .out = &found};
    char text[MLO_DIGEST_TEXT];
    snprintf(g.prefix, sizeof g.prefix, "%s/", mlo_digest_text(manifest, text));
    int rc = ws->ledger ? mlo_name_each(ws->ledger, MLO_SIGNATURE_KIND, add_name, &g, err) : 0;
    if (rc != 0) {
        free(found.list);
        return rc;
    }
    *ret = found;
    return 0;
}

int mlo_signature_move(struct mlo_workspace *ws, const struct mlo_digest *manifest, const char *hint,
                       const struct mlo_digest *referrer, struct mlo_err *err)
{
    char name[MLO_DIGEST_TEXT + MLO_DIGEST_HEX + 2], text[MLO_DIGEST_TEXT];
    snprintf(name, sizeof name, "%s/%s", mlo_digest_text(manifest, text), hint);
    return mlo_run_move_name_any(ws->run, MLO_SIGNATURE_KIND, name, referrer, err);
}

int mlo_signature_adopt(struct mlo_workspace *ws, const struct mlo_digest *referrer,
                        const struct mlo_digest *manifest, struct mlo_err *err)
{
    char hint[MLO_DIGEST_HEX + 1];
    struct mlo_digest subject;
    int rc = mlo_sign_subject(ws->store, referrer, &subject, hint, err);
    if (rc == MLO_ENOTFOUND || rc == MLO_EINVALID || (rc == 0 && !mlo_digest_eq(&subject, manifest))) {
        *err = MLO_ERR_INIT;
        return 0;
    }
    return rc != 0 ? rc : mlo_signature_move(ws, manifest, hint, referrer, err);
}
