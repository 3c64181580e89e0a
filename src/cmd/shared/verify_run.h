/* verify --run: the samples of bundles through their models. */
#ifndef MLOPSCTL_CMD_VERIFY_RUN_H
#define MLOPSCTL_CMD_VERIFY_RUN_H

#include "golden.h"

struct mlo_verify_row {    /* an output of a bundle */
    char *bundle, *output; /* owned */
    struct mlo_sample_result result;
};
struct mlo_verify_runs { /* release with mlo_verify_runs_release */
    struct mlo_verify_row *rows;
    size_t n, cap, differ;      /* differ: rows that do */
    struct mlo_backend backend; /* that runs them */
};
int mlo_verify_run(struct mlo_workspace *ws, const char *bundle, const struct mlo_digest *d,
                   const struct mlo_tolerance *t, struct mlo_verify_runs *r,
                   struct mlo_err *err) MLO_MUST_CHECK;
void mlo_verify_runs_tell(const struct mlo_verify_runs *r, struct mlo_report *report);
void mlo_verify_runs_release(struct mlo_verify_runs *r);

#endif
