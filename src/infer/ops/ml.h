/* What the families of ai.onnx.ml share: rows of numbers, labels, keys, and what is done to scores. */
#ifndef MLO_INFER_ML_H
#define MLO_INFER_ML_H

#include "op.h"

/* ---- attributes ---- */

/* An attribute's list as an array of one dimension: floats, ints, strings, or the tensor itself. False: not
 * given. */
bool mlo_ml_list(const struct mlo_node *n, const char *name, struct mlo_array *ret);

/* ---- rows ---- */

/* Input i as rows of floats: [N,C], or one row [C]. */
struct mlo_ml_rows {
    const float *at;
    size_t n, width;
};
/* Rows and columns of an array of one or two dimensions. */
int mlo_ml_rows_shape(const struct mlo_array *a, size_t *ret_n, size_t *ret_width,
                      struct mlo_err *err) MLO_MUST_CHECK;
int mlo_ml_rows_in(struct mlo_op_call *c, size_t i, struct mlo_ml_rows *ret,
                   struct mlo_err *err) MLO_MUST_CHECK;

/* ---- keys: which of a list is this? ---- */

struct mlo_ml_key {
    union {
        int64_t whole;
        double real;
        struct mlo_slice text;
    };
    size_t at; /* in the list */
};
struct mlo_ml_keys {     /* sorted; texts are borrowed */
    enum mlo_dtype kind; /* I64, F64 or STRING */
    struct mlo_ml_key *list;
    size_t n;
};
/* Of equal keys the first (or the last) of the list counts. NaN equals NaN. */
int mlo_ml_keys_new(const struct mlo_array *list, bool last, struct mlo_ml_keys *ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
void mlo_ml_keys_free(struct mlo_ml_keys *k);
/* May values of this type be looked up? */
bool mlo_ml_keys_fit(const struct mlo_ml_keys *k, enum mlo_dtype t);
/* SIZE_MAX: not there. */
size_t mlo_ml_keys_find(const struct mlo_ml_keys *k, const struct mlo_array *a, size_t i);

/* ---- labels ---- */

struct mlo_ml_labels {
    struct mlo_array list; /* int64 or strings */
};
/* Exactly one of two attributes. */
int mlo_ml_labels_read(const struct mlo_node *n, const char *ints, const char *texts,
                       struct mlo_ml_labels *ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_ml_label_put(const struct mlo_ml_labels *l, size_t which, struct mlo_array *out, size_t i);
/* Where the number itself is the label, whatever the list holds. */
void mlo_ml_label_put_number(const struct mlo_ml_labels *l, int number, struct mlo_array *out, size_t i);

/* ---- scores ---- */

enum mlo_post { MLO_POST_NONE, MLO_POST_SOFTMAX, MLO_POST_LOGISTIC, MLO_POST_SOFTMAX_ZERO, MLO_POST_PROBIT };
int mlo_post_read(const struct mlo_node *n, enum mlo_post *ret, struct mlo_err *err) MLO_MUST_CHECK;
float mlo_logistic(float v);
float mlo_probit(float v);
/* On a row of scores, in place. */
void mlo_post_row(enum mlo_post post, float *scores, size_t n);
/* The same on one score by itself, where ONNX Runtime knows PROBIT alone. */
float mlo_post_one(enum mlo_post post, float score);
/* The two columns of one score for two classes: [1-s, s], [-s, s] when weights are `mixed`, or by LOGISTIC.
 */
void mlo_post_pair(enum mlo_post post, bool mixed, float score, float ret[2]);

#endif
