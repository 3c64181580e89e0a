/* The columns of a model's answers: answers.c finds them, rows.c writes rows of them, typed.c columns. */
#ifndef MLO_PREDICT_ANSWERS_H
#define MLO_PREDICT_ANSWERS_H

#include <mlopsctl/base/number.h>

#include "internal.h"

struct mlo_answer_output { /* that is told */
    size_t port;
    bool classes;           /* scores of classes */
    bool maps;              /* a sequence of maps, one a row */
    struct mlo_array shape; /* without data; dims[0] of the first rows */
    size_t width;           /* elements of a row */
};
struct mlo_answer_column {
    const char *name;
    size_t output; /* of those told */
    size_t at;     /* element of its row */
    bool array;    /* all elements, as an array */
};
struct mlo_answers {
    const struct mlo_plan *plan; /* NULL: the outputs are not a model's own */
    const struct mlo_port_type *ports;
    enum mlo_answer_form form;
    bool probabilities, margins, varying;
    struct mlo_answer_output *outputs;
    size_t n_outputs;
    struct mlo_answer_column *columns;
    size_t n_columns, cap_columns;
    struct mlo_table_writer *writer; /* of Parquet and Arrow, once settled */
    struct mlo_arena arena;
};
/* Are the outputs of the columns that were settled? MLO_EUNAVAIL. */
int mlo_answers_check(const struct mlo_answers *a, const struct mlo_value *out, size_t n,
                      struct mlo_err *err) MLO_MUST_CHECK;

/* ---- typed.c: Parquet and Arrow ---- */

int mlo_typed_begin(struct mlo_answers *a, const struct mlo_match *m, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_typed_write(const struct mlo_answers *a, const struct mlo_value *out, size_t n,
                    const struct mlo_match *m, const struct mlo_batch *b, size_t from, struct mlo_str *ret,
                    struct mlo_err *err) MLO_MUST_CHECK;

#endif
