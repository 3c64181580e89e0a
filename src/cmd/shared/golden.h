/* Golden samples: made when a model is packed, replayed by `verify --run`. */
#ifndef MLOPSCTL_CMD_GOLDEN_H
#define MLOPSCTL_CMD_GOLDEN_H

#include <mlopsctl/predict.h>

#include "backend.h"
#include "workspace.h"

#define MLO_GOLDEN_ROWS_MAX 4096

struct mlo_golden_opts {
    const char *samples, *model; /* rows; the model's path in the bundle; either NULL */
    struct mlo_strings features;
    uint64_t limit; /* rows at most; 0: as usual */
    struct mlo_tolerance tolerance;
};
struct mlo_golden { /* release with mlo_golden_release */
    struct mlo_ctx *ctx;
    const struct mlo_golden_opts *opts;
    struct mlo_strings features; /* split */
    char *features_text;
};
/* Sets what `pack` asks about the model, when the user wants anything of it. */
int mlo_golden_begin(struct mlo_ctx *ctx, const struct mlo_golden_opts *o, bool bare, struct mlo_golden *g,
                     struct mlo_pack_opts *pack, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_golden_release(struct mlo_golden *g);

/* The bundle's samples through its model: *ret a result for each output, whose names live as long as *ret_s.
 * MLO_EUNAVAIL: it has no samples, or no model that runs here. */
int mlo_golden_replay(struct mlo_workspace *ws, const struct mlo_bundle *b, const struct mlo_tolerance *t,
                      struct mlo_backend *backend, struct mlo_samples *ret_s, struct mlo_sample_result **ret,
                      size_t *ret_n, struct mlo_err *err) MLO_MUST_CHECK;

#endif
