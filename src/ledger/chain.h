/* The canonical bytes of a run, shared by the writer and by verify. */
#ifndef MLOPSCTL_LEDGER_CHAIN_H
#define MLOPSCTL_LEDGER_CHAIN_H

#include "internal.h"

/* Hashed columns of each kind of row (sql.h), behind the run's id for all but the run itself. */
enum { MLO_CHAIN_RUN = 16, MLO_CHAIN_EFFECT = 6, MLO_CHAIN_METRIC = 2, MLO_CHAIN_ARTIFACT = 4 };

void mlo_chain_put(struct mlo_str *out, char tag, const struct mlo_stmt *s, int first, int n);
int mlo_chain_digest(struct mlo_sha256 *h, const struct mlo_str *text, struct mlo_digest *ret,
                     struct mlo_err *err) MLO_MUST_CHECK;

#endif
