/* What GPUs cost an hour: RunPod's catalog, kept beside the ledger for times without network or key. */
#ifndef MLO_CMD_PRICES_H
#define MLO_CMD_PRICES_H

#include <mlopsctl/runpod.h>

#include "workspace.h"

struct mlo_price {
    char *id;        /* "NVIDIA L4": as its driver calls it */
    double per_hour; /* USD, in a data centre; where there are none, on another's host */
};
struct mlo_prices {          /* release with mlo_prices_release */
    struct mlo_price *items; /* the cheapest first */
    size_t n, cap;
    int64_t time_ns; /* of the catalog; 0: there is none */
};
void mlo_prices_release(struct mlo_prices *p);
/* The catalog now, else the kept one, else an empty list; on stderr which, unless it is the first. */
int mlo_prices_get(struct mlo_ctx *ctx, struct mlo_prices *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* NAN: not in the list. */
double mlo_prices_of(const struct mlo_prices *p, const char *device);

#endif
