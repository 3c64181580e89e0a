/*
 * Boosted trees as their trainers save them: XGBoost's JSON and UBJ, LightGBM's text. Read without loss:
 * limits and votes are the trainer's own bits, a category is a category, and where a missing value goes
 * stands at every node.
 *
 * Nothing is believed: each child exists and is reached once, each feature and category is in range, and
 * memory is bounded by the size of the file. How a row is answered is not known here: see infer.h.
 *
 * Sources: doc/model.schema and the tree's SaveModel of XGBoost; GBDT::SaveModelToString and Tree of
 * LightGBM; what the trainers of 2026 answer.
 */
#ifndef MLOPSCTL_BOOSTER_H
#define MLOPSCTL_BOOSTER_H

#include <mlopsctl/base/names.h>
#include <mlopsctl/base/str.h>

#define MLO_BOOSTER_BYTES_MAX    ((size_t)4 << 30) /* of a file */
#define MLO_BOOSTER_NODES_MAX    ((size_t)1 << 30) /* of all trees */
#define MLO_BOOSTER_FEATURES_MAX ((size_t)1 << 24)
#define MLO_BOOSTER_OUTPUTS_MAX  ((size_t)1 << 16)

enum mlo_split {
    MLO_SPLIT_LEAF,
    MLO_SPLIT_LESS,    /* x < limit */
    MLO_SPLIT_AT_MOST, /* x <= limit */
    MLO_SPLIT_WITHIN, /* bounds[0] <= x < bounds[1] or bounds[2] <= x < bounds[3] ...; the last may be open */
};
struct mlo_booster_node {
    enum mlo_split split;
    bool missing_is_yes; /* NaN */
    uint32_t feature;
    uint32_t yes, no; /* nodes of all trees; LEAF: yes is the leaf's number */
    uint32_t n_bounds;
    size_t first_bound; /* WITHIN: rising */
    double limit;
};
struct mlo_booster_line { /* of a leaf with a linear model: constant + terms, its value where a term is NaN */
    double constant;
    size_t first, n;
};
struct mlo_booster_term {
    uint32_t feature;
    double weight;
};

#define MLO_BOOSTER_NEAR_ZERO ((double)1e-35F) /* LightGBM's: numbers up to it are 0 */

/* What becomes of the scores of a row. */
enum mlo_link {
    MLO_LINK_NONE,
    MLO_LINK_LOGISTIC, /* 1 / (1 + exp(-slope * s)), each by itself */
    MLO_LINK_SOFTMAX,
    MLO_LINK_EXP,
    MLO_LINK_HINGE,  /* s > 0 */
    MLO_LINK_LOG1P,  /* log(1 + exp(s)) */
    MLO_LINK_SQUARE, /* s |s| */
};
enum mlo_trainer { MLO_TRAINER_XGBOOST, MLO_TRAINER_LIGHTGBM };

/* All owned by the booster. */
struct mlo_booster {
    enum mlo_trainer trainer; /* XGBoost compares and adds floats, LightGBM doubles */
    const char *version, *objective;
    const char *const *features; /* names; NULL: none */
    size_t n_features;
    struct mlo_categories *categories; /* of each feature, n 0: the file names none; NULL: of no feature */
    size_t n_categories;               /* features, or 0 */
    size_t n_outputs;                  /* scores of a row */
    double *base;                      /* of each: what it starts from */
    enum mlo_link link;
    double slope;
    bool classes; /* one score for two classes, or one for each */
    bool average; /* scores are divided by the rounds */
    struct mlo_booster_node *nodes;
    size_t n_nodes;
    double *bounds;
    size_t n_bounds;
    uint32_t *roots;
    uint32_t *targets; /* of each tree: the score it adds to */
    size_t n_trees;
    size_t leaf_size; /* 1, or n_outputs: a leaf adds to all of them */
    double *values;   /* leaf_size of each leaf */
    size_t n_leaves;
    struct mlo_booster_line *lines; /* of each leaf; NULL: no linear models */
    struct mlo_booster_term *terms;
    size_t n_terms;
    double *weights;            /* a linear model instead of trees: [n_features][n_outputs]; NULL */
    size_t rounds, file_rounds; /* that count, and that there are */
    bool best_only;             /* early stopping left some behind */
    struct mlo_arena arena;
    struct {
        size_t nodes, bounds, roots, targets, values, lines, terms, categories;
    } room; /* of the arrays above; the readers' own */
};

/* Which rounds count. As a rule all, but of XGBoost none behind best_iteration. */
struct mlo_booster_opts {
    bool ranged;         /* rounds [first, end), counted from 0; else as a rule */
    uint64_t first, end; /* end MLO_BOOSTER_ROUNDS_ALL: to the last */
};
#define MLO_BOOSTER_ROUNDS_ALL UINT64_MAX
/* JSON or UBJ, told by the first bytes. MLO_EUNAVAIL names an objective or booster that is not known;
 * MLO_EUSAGE: the model has no such rounds. opts NULL: as a rule. */
int mlo_xgboost_read(const void *bytes, size_t n, const struct mlo_booster_opts *opts,
                     struct mlo_booster **ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_lightgbm_read(const void *bytes, size_t n, const struct mlo_booster_opts *opts,
                      struct mlo_booster **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Nodes, leaves and bounds go, for who has made something of them. */
void mlo_booster_drop_trees(struct mlo_booster *b);
void mlo_booster_free(struct mlo_booster *b);

#endif
