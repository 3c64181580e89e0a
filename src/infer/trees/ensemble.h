/* Tree ensembles of ai.onnx.ml: what the operators keep, and what the readers of their attributes give. */
#ifndef MLO_INFER_ENSEMBLE_H
#define MLO_INFER_ENSEMBLE_H

#include "forest.h"

enum mlo_aggregate { MLO_AGGREGATE_AVERAGE, MLO_AGGREGATE_SUM, MLO_AGGREGATE_MIN, MLO_AGGREGATE_MAX };

struct mlo_ensemble {
    struct mlo_forest forest;
    enum mlo_aggregate aggregate;
    enum mlo_post post;
    double *base; /* owned */
    size_t n_base;
    unsigned char *voted;         /* owned: of a plain forest, the targets that votes are for; else NULL */
    struct mlo_ml_labels labels;  /* of a classifier */
    bool one_class, all_positive; /* all votes are for one class; none is negative */
};

/* The attributes of a node of the graph as the source of a forest. */
struct mlo_ensemble_tables {
    struct mlo_forest_source source; /* of what follows, all in `memory` */
    struct mlo_forest_node *nodes;
    size_t *roots, *first_vote;
    struct mlo_vote *votes;
    struct mlo_arena memory;
};
/* Versions 1 and 3; the votes are in the attributes "`prefix`_ids" and so on. On failure, too: free it. */
int mlo_ensemble_read(const struct mlo_node *n, const char *prefix, size_t n_targets,
                      struct mlo_ensemble_tables *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Version 5. */
int mlo_ensemble_read_wide(const struct mlo_node *n, size_t n_targets, struct mlo_ensemble_tables *ret,
                           struct mlo_err *err) MLO_MUST_CHECK;
void mlo_ensemble_tables_free(struct mlo_ensemble_tables *t);
/* An attribute's list of numbers, or that of the tensor beside it ("`name`_as_tensor"), as doubles, which the
 * caller frees, also after a failure. *ret_n 0: not given. */
int mlo_ensemble_numbers(const struct mlo_node *n, const char *name, double **ret, size_t *ret_n,
                         struct mlo_err *err) MLO_MUST_CHECK;

#endif
