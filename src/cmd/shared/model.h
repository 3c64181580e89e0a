/* A model that a command runs: a file, or the one in a bundle. */
#ifndef MLOPSCTL_CMD_MODEL_H
#define MLOPSCTL_CMD_MODEL_H

#include <mlopsctl/infer.h>

#include "workspace.h"

struct mlo_model { /* release with mlo_model_release */
    struct mlo_plan *plan;
    bool in_bundle;
    struct mlo_workspace ws;  /* of a bundle, open for reading */
    struct mlo_bundle bundle; /* likewise */
    const struct mlo_file *file;
};
/*
 * word: the path of a model's file, else a bundle's reference. inside: the model's path in a bundle that
 * holds several; NULL. opts: of the plan; NULL: as a rule. What is in a store is checked against its digest
 * first.
 */
int mlo_model_open(struct mlo_ctx *ctx, const char *word, const char *inside,
                   const struct mlo_plan_opts *opts, struct mlo_model *ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* The same of a bundle that is open already: borrowed, like the workspace. */
int mlo_model_of_bundle(struct mlo_workspace *ws, const struct mlo_bundle *b, const char *inside,
                        const struct mlo_plan_opts *opts, struct mlo_plan **ret,
                        const struct mlo_file **ret_file, struct mlo_err *err) MLO_MUST_CHECK;
/*
 * What XGBoost's or LightGBM's file in the bundle takes and gives, read out of the store; the bundle's
 * documents do not have it. *ret NULL: the bundle has no such file, or several, or its bytes are not here.
 * MLO_EUNAVAIL: it is too large to be read for this.
 */
int mlo_model_of_trees(const struct mlo_workspace *ws, const struct mlo_bundle *b,
                       struct mlo_onnx_model **ret, const struct mlo_file **ret_file,
                       struct mlo_err *err) MLO_MUST_CHECK;
/* Names of the columns that the model takes, as its bundle tells them; *ret NULL: it does not. Owner of the
 * list: the caller; the names are the bundle's. */
int mlo_model_features(const struct mlo_bundle *b, const struct mlo_file *f, const char ***ret, size_t *ret_n,
                       struct mlo_err *err) MLO_MUST_CHECK;
void mlo_model_release(struct mlo_model *m);

#endif
