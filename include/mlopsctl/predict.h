/*
 * Prediction: rows of a table through a model, and its answers as rows again. What a model takes is told as
 * features (the columns it wants), a table is matched with them by name, batches of it become the model's
 * inputs, its outputs become columns.
 *
 * Reads no file and runs no session: that is the caller's, who may have his rows from elsewhere (a request).
 * Plans are shared; a feed belongs to one thread.
 */
#ifndef MLOPSCTL_PREDICT_H
#define MLOPSCTL_PREDICT_H

#include <mlopsctl/base/json.h>
#include <mlopsctl/infer.h>
#include <mlopsctl/table.h>

/* ---- what a model takes ---- */

struct mlo_feature {
    const char *name; /* NULL: the model does not name it */
    size_t input;     /* of the model */
    size_t at, width; /* its elements in a row of that input; width 0: the data tell */
    bool nested;      /* an array in each cell (JSON): inputs of more than two dimensions */
    enum mlo_dtype dtype;
    const struct mlo_categories *categories; /* names stand for codes; NULL: none. Of the plan */
};
struct mlo_features { /* release with mlo_features_release */
    const struct mlo_plan *plan;
    struct mlo_feature *list;
    size_t n;
    size_t open;  /* the input that takes as many columns as there are; MLO_NO_VALUE: none */
    int64_t rows; /* that the model takes at once: no more and no less; 0: any number */
    struct mlo_arena arena;
};
/*
 * names: of all features in their order, as a bundle or the user tells them; NULL: those of the model, which
 * names inputs, and the columns of a matrix only in its metadata (feature_names). MLO_EUNAVAIL for an input
 * that no columns make.
 */
int mlo_features_find(const struct mlo_plan *p, const char *const *names, size_t n_names,
                      struct mlo_features *ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_features_release(struct mlo_features *f);

/* ---- which columns of a table they are ---- */

struct mlo_match_opts {
    bool by_position; /* the first columns are the features, whatever they are called */
    bool strict;      /* a column that the model does not take is a fault */
    const char *const *keep;
    size_t n_keep; /* columns for the answers */
    bool typed;    /* these as values of a type, for Parquet and Arrow; else as they are spelt */
};
struct mlo_match {                    /* release with mlo_match_release */
    struct mlo_table_column *columns; /* owned: that are wanted, with their types: mlo_table_select */
    size_t n_columns;
    size_t *feature, *keep; /* which of them */
    size_t n_features, n_keep;
    bool *keep_number;         /* what is kept was found to be numbers or truth values */
    enum mlo_dtype *keep_type; /* as which Parquet and Arrow have it: I64, F64, BOOL, else STRING */
    bool unnamed;              /* features have no names: columns were taken in their order */
    const char **extra; /* columns that nobody wants; borrowed from the table, like all that is `found` */
    size_t n_extra;
};
/* found: the table's. Everything that does not fit is told in one message, MLO_EINVALID. */
int mlo_match_columns(struct mlo_features *f, const struct mlo_table_column *found, size_t n,
                      const struct mlo_match_opts *opts, struct mlo_match *ret,
                      struct mlo_err *err) MLO_MUST_CHECK;
void mlo_match_release(struct mlo_match *m);

/* ---- rows to inputs ---- */

struct mlo_feed;
int mlo_feed_new(const struct mlo_features *f, const struct mlo_match *m, struct mlo_feed **ret,
                 struct mlo_err *err) MLO_MUST_CHECK;
void mlo_feed_free(struct mlo_feed *f);
/*
 * Rows [from, from + n) of a batch of the matched table: *ret has a value for each input and lives until the
 * next call. Where the model takes a fixed number of rows the last one is repeated; n is not larger. Cells
 * that are no number are MLO_EINVALID, each column named with its first line.
 */
int mlo_feed_rows(struct mlo_feed *f, const struct mlo_batch *b, size_t from, size_t n,
                  const struct mlo_value **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Rows of zeros and empty texts: to learn what a model answers. */
int mlo_feed_blank(struct mlo_feed *f, size_t n, const struct mlo_value **ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* Of each feature, how many cells had no value so far. Borrowed. */
const uint64_t *mlo_feed_missing(const struct mlo_feed *f);

/* What the model does with a missing cell of the feature, as far as its graph tells: "is replaced by 35". */
#define MLO_MISSING_TEXT 96
char *mlo_missing_text(const struct mlo_features *f, size_t feature, char buf[MLO_MISSING_TEXT]);

/* An input out of an array of rows, for a model that has one: elements are cast when the types differ. v has
 * room for n elements; MLO_EINVALID names an element that the type does not have. */
int mlo_feed_array(const struct mlo_array *from, struct mlo_array *to, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- outputs to rows ---- */

enum mlo_answer_form {
    MLO_ANSWER_CSV,
    MLO_ANSWER_TSV,
    MLO_ANSWER_JSONL,
    MLO_ANSWER_NPY,
    MLO_ANSWER_PARQUET,
    MLO_ANSWER_ARROW,        /* a file, with an index of its batches */
    MLO_ANSWER_ARROW_STREAM, /* without */
};
/* Parquet and Arrow: what is written are parts, for mlo_answers_join. */
bool mlo_answer_form_is_table(enum mlo_answer_form form);
struct mlo_answer_opts {
    enum mlo_answer_form form;
    bool probabilities; /* of the classes, a column for each */
    bool margins;       /* also the output "margin", of XGBoost and LightGBM */
    bool varying;       /* JSON Lines: each row is written by itself, and its array has a shape of its own */
};
struct mlo_answers;
/* Which outputs are told: of a classifier the label, and with `probabilities` those; of others all.
 * MLO_EUSAGE: there are no probabilities, or the form cannot hold the outputs. */
int mlo_answers_new(const struct mlo_plan *p, const struct mlo_answer_opts *o, struct mlo_answers **ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
/* The same of outputs that are made of a model's. Borrowed. */
int mlo_answers_of_ports(const struct mlo_port_type *ports, size_t n, const struct mlo_answer_opts *o,
                         struct mlo_answers **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_answers_free(struct mlo_answers *a);
/* Columns as the first outputs of the model show them, beside those that are kept (m NULL: none). Once,
 * before the functions below. */
int mlo_answers_settle(struct mlo_answers *a, const struct mlo_match *m, const struct mlo_value *out,
                       size_t rows, struct mlo_err *err) MLO_MUST_CHECK;
/* The line with the names; nothing for JSON Lines, Parquet and Arrow. rows: of NPY, once they are known; its
 * length is the same for any number. */
int mlo_answers_header(const struct mlo_answers *a, const struct mlo_match *m, uint64_t rows,
                       struct mlo_str *out, struct mlo_err *err) MLO_MUST_CHECK;
/* The first n rows of the outputs, with what is kept of rows from `from` of the batch; b NULL: nothing. Any
 * thread. */
int mlo_answers_write(const struct mlo_answers *a, const struct mlo_value *out, size_t n,
                      const struct mlo_match *m, const struct mlo_batch *b, size_t from, struct mlo_str *ret,
                      struct mlo_err *err) MLO_MUST_CHECK;

/* Of Parquet and Arrow: what mlo_answers_write made, in the order of the rows, becomes bytes of the file, and
 * at the end the rest of it; appended to `ret`. One thread at a time. */
int mlo_answers_join(struct mlo_answers *a, const struct mlo_str *parts, struct mlo_str *ret,
                     struct mlo_err *err) MLO_MUST_CHECK;
int mlo_answers_end(struct mlo_answers *a, struct mlo_str *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- golden samples: inputs with the outputs that the engine gave, kept with a model ---- */

#define MLO_SAMPLES_ELEMENTS ((size_t)16 << 20) /* of one array */
/* How far an output may be from the recorded one: atol + rtol * |recorded|. NAN: as recorded, or as usual
 * for the type. Whole numbers and texts have to be the same. */
struct mlo_tolerance {
    double rtol, atol;
};
/*
 * As JSON, the same bytes for the same values: names, types, shapes, numbers as base64 of their bytes, and
 * the tolerance of each output (t NULL: as usual). model: the file's path in the bundle. MLO_EUNAVAIL for
 * outputs that cannot be kept. Owner of *ret: the caller.
 */
int mlo_samples_write(const struct mlo_plan *p, const char *model, const struct mlo_value *in,
                      const struct mlo_value *out, const struct mlo_tolerance *t, cJSON **ret,
                      struct mlo_err *err) MLO_MUST_CHECK;

struct mlo_sample { /* one input or output, borrowed from the samples */
    const char *name;
    struct mlo_array array; /* of maps: a row for each, a column for each key */
    struct mlo_array keys;  /* of maps; n 0: none */
    struct mlo_tolerance tolerance;
};
struct mlo_samples { /* release with mlo_samples_release */
    const char *model;
    struct mlo_sample *in, *out;
    size_t n_in, n_out;
    struct mlo_arena arena;
};
/* doc: from anywhere; MLO_EINVALID. */
int mlo_samples_read(const cJSON *doc, struct mlo_samples *ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_samples_release(struct mlo_samples *s);

struct mlo_sample_result {
    const char *name; /* the samples' */
    size_t elements, differ;
    double max_abs, max_rel;        /* largest deviations; of whole numbers and texts 0, or INFINITY */
    struct mlo_tolerance tolerance; /* that was applied */
};
/* Runs the inputs through the model: *ret has a result for each output. Owner: the caller. */
int mlo_samples_replay(const struct mlo_samples *s, const struct mlo_plan *p, const struct mlo_tolerance *t,
                       struct mlo_sample_result **ret, size_t *ret_n, struct mlo_err *err) MLO_MUST_CHECK;

#endif
