/*
 * Signatures by name: kind "signature", name "sha256:<manifest>/<key hint>", digest of the referrer manifest.
 * Export, push and verify take them along from here.
 */
#ifndef MLOPSCTL_CMD_SIGNATURES_H
#define MLOPSCTL_CMD_SIGNATURES_H

#include "workspace.h"

#define MLO_SIGNATURE_KIND "signature"

struct mlo_signatures { /* free(list) */
    struct mlo_digest *list;
    size_t n, cap;
};
/* Of one manifest, those whose blobs are there. */
int mlo_signatures_of(struct mlo_workspace *ws, const struct mlo_digest *manifest, struct mlo_signatures *ret,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* Names a signature that came from outside; referrers of other kinds, or of another manifest, are passed
 * over. */
int mlo_signature_adopt(struct mlo_workspace *ws, const struct mlo_digest *referrer,
                        const struct mlo_digest *manifest, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_signature_move(struct mlo_workspace *ws, const struct mlo_digest *manifest, const char *hint,
                       const struct mlo_digest *referrer, struct mlo_err *err) MLO_MUST_CHECK;

#endif
