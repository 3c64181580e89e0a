/*
 * What became of the predictions, as counts that merge in any order: a part of a profile.
 *
 * A row is judged when it has a label and a prediction (or, without a column of predictions, a score, which
 * answers the positive class from one half on). Classes are right or wrong; of numbers those are wrong that
 * miss by more than nine tenths of the reference's sample did, so that everything which is said of right and
 * wrong holds for both. Everything is an integer or an exact sum.
 */
#ifndef MLO_DRIFT_OUTCOME_H
#define MLO_DRIFT_OUTCOME_H

#include <mlopsctl/base/json.h>

#include "internal.h"

#define MLO_OUTCOME_CLASSES_MAX ((size_t)64) /* with more, single classes are not told apart */
#define MLO_OUTCOME_LARGE       0.9          /* share of the sample whose error is not large */
#define MLO_OUTCOME_NO_COLUMN   SIZE_MAX

enum mlo_outcome_kind { MLO_OUTCOME_CLASSES, MLO_OUTCOME_NUMBERS };

struct mlo_outcome_bins {       /* of the score column, its own bins */
    uint64_t *yes, *no;         /* labelled rows: positive, not positive */
    uint64_t *taken, *left;     /* all rows: answered as positive, not so */
    struct mlo_exact_sum *sums; /* of the scores of labelled rows */
};
struct mlo_outcome_column { /* of a feature or the score; of other columns all is empty */
    bool counted;
    uint64_t *right, *wrong;              /* NUMBER, BOOL: of the column's bins */
    struct mlo_categories rights, wrongs; /* TEXT */
    uint64_t missing_right, missing_wrong;
};
struct mlo_outcome {
    enum mlo_outcome_kind kind;
    size_t label, prediction, score; /* columns of the profile, or MLO_OUTCOME_NO_COLUMN */
    bool by_score;                   /* the reference has no predictions: the score answers */
    char *positive;                  /* class; NULL: none is known. owned */
    double large;                    /* NUMBERS: an error above it is wrong */
    uint64_t judged, right;
    /* CLASSES with a column of predictions */
    char *classes[MLO_OUTCOME_CLASSES_MAX]; /* owned */
    size_t n_classes;
    bool many;           /* more than that, or names that are no text: no confusion */
    uint64_t *confusion; /* [label * MLO_OUTCOME_CLASSES_MAX + prediction] */
    /* CLASSES with a score and a positive class */
    struct mlo_outcome_bins bins;
    uint64_t scored;                    /* labelled rows with a score within 0 and 1 */
    struct mlo_exact_sum brier, brier2; /* of (score - label)^2 and its square */
    /* NUMBERS: rows whose error can be squared twice */
    uint64_t measured;
    struct mlo_exact_sum error, absolute, squares, fourth;
    struct mlo_outcome_column *columns; /* as many as the profile's */
    size_t n_columns;
};

/* ---- outcome.c ---- */

void mlo_outcome_free(struct mlo_outcome *o);
/* Do the roles of p tell what to judge? */
bool mlo_outcome_is_wanted(const struct mlo_profile *p);
/* For p, whose bins are made: empty counts. `like` (NULL: decide by the columns) has an outcome that says how
 * to judge. *ret NULL when the columns do not fit together. */
int mlo_outcome_new(const struct mlo_profile *p, const struct mlo_profile *like, const char *positive,
                    struct mlo_outcome **ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_outcome_merge(struct mlo_profile *into, const struct mlo_profile *from,
                      struct mlo_err *err) MLO_MUST_CHECK;
bool mlo_outcome_same(const struct mlo_outcome *a, const struct mlo_outcome *b);
/* Counts `times` rows of a label and a prediction. */
int mlo_outcome_confuse(struct mlo_outcome *o, struct mlo_slice label, struct mlo_slice prediction,
                        uint64_t times, struct mlo_err *err) MLO_MUST_CHECK;
/* Room for the counts of column i, or of the score's bins. */
int mlo_outcome_room(struct mlo_outcome *o, const struct mlo_profile *p, size_t i,
                     struct mlo_err *err) MLO_MUST_CHECK;
int mlo_outcome_bins_room(struct mlo_outcome *o, size_t bins, struct mlo_err *err) MLO_MUST_CHECK;
/* Too many classes, or one that is no text: single classes are not told apart from now on. */
void mlo_outcome_forget_classes(struct mlo_outcome *o);
static inline bool mlo_outcome_has_bins(const struct mlo_outcome *o)
{
    return o->bins.yes != NULL;
}
/* Bins of a column of numbers. */
static inline size_t mlo_outcome_n_bins(const struct mlo_profile_column *c)
{
    return c->bins.n_edges + 1;
}

/* ---- judge.c ---- */

/* Counts a batch. */
int mlo_outcome_count(struct mlo_outcome *o, const struct mlo_profile *p, const struct mlo_batch *b,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* Errors of a batch's rows, appended to list. */
int mlo_outcome_errors(const struct mlo_outcome *o, const struct mlo_batch *b, double **list, size_t *n,
                       size_t *cap, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- kept.c: batches of the sample, until the edges are known ---- */

struct mlo_kept {
    struct mlo_kept_batch *batches;
    size_t n, cap;
};
void mlo_kept_release(struct mlo_kept *k);
int mlo_kept_add(struct mlo_kept *k, const struct mlo_profile *p, const struct mlo_batch *b,
                 struct mlo_err *err) MLO_MUST_CHECK;
/* The sample says how to judge, into p->outcome; count: its rows are judged too. */
int mlo_kept_judge(const struct mlo_kept *k, struct mlo_profile *p, const char *positive, bool count,
                   struct mlo_err *err) MLO_MUST_CHECK;

/* ---- outcome_text.c: the member "outcome" of a profile's file ---- */

int mlo_outcome_write(const struct mlo_profile *p, struct mlo_str *out, struct mlo_err *err) MLO_MUST_CHECK;
/* Absent: no outcome. */
int mlo_outcome_read(const cJSON *json, struct mlo_profile *p, struct mlo_err *err) MLO_MUST_CHECK;

#endif
