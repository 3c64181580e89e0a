/* The parts of mlopsctl predict. */
#ifndef MLOPSCTL_CMD_PREDICT_H
#define MLOPSCTL_CMD_PREDICT_H

#include <pthread.h>

#include <mlopsctl/predict.h>

#include "cmd/shared/model.h"

struct mlo_predict_args {
    const char *output, *output_form, *format, *model_file;
    struct mlo_strings features, keep;
    uint64_t batch, threads, limit;
    bool by_position, strict, probabilities, margins, explain;
    struct mlo_strings texts;
    const char *text_column, *pool, *backend, *precision, *rounds;
    bool normalize;
};

/* ---- output.c: where the answers go ---- */

struct mlo_predict_output {
    const char *path; /* NULL: standard output */
    enum mlo_answer_form form;
    int fd;
    bool opened; /* fd is of a device or a pipe, to be closed */
    struct mlo_newfile file;
    struct mlo_str bytes; /* of Parquet and Arrow, before they are written */
};
/* None of the n paths may be where the answers go. */
int mlo_predict_output_check(const struct mlo_predict_args *o, const char *const *paths, size_t n,
                             struct mlo_err *err) MLO_MUST_CHECK;
/* table: the form of the input, which is that of the output unless said otherwise. */
int mlo_predict_form(const struct mlo_ctx *ctx, const struct mlo_predict_args *o, const char *table,
                     enum mlo_answer_form *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Somebody may read the answers as they come. */
bool mlo_predict_output_is_live(const struct mlo_predict_args *o);
int mlo_predict_output_open(const struct mlo_predict_args *o, enum mlo_answer_form form,
                            struct mlo_predict_output *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* The file gets its name. */
int mlo_predict_output_commit(struct mlo_predict_output *out, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_predict_output_release(struct mlo_predict_output *out);

/* ---- rows.c: rows through the model, on several threads, in order ---- */

struct mlo_predict_worker {
    struct mlo_feed *feed;
    struct mlo_session *session;
    struct mlo_array rows, input; /* of .npy input; owned */
};
struct mlo_predict_texts;
struct mlo_predict {
    const struct mlo_predict_args *args;
    struct mlo_predict_texts *texts; /* NULL: the model takes columns */
    const struct mlo_plan *plan;
    struct mlo_features features;
    struct mlo_match match;
    struct mlo_answers *answers;
    struct mlo_predict_output out;
    struct mlo_predict_worker *workers;
    unsigned n_workers;
    pthread_mutex_t lock; /* of settling */
    bool settled;         /* columns are known; under the lock */
    bool headed;          /* their line is written */
    uint64_t rows;        /* written */
    size_t taken;         /* with a limit */
};
/* p->features, plan and args are there. The table's form and columns decide on the rest. */
int mlo_predict_table(struct mlo_predict *p, struct mlo_ctx *ctx, struct mlo_table *t,
                      struct mlo_scan_result *ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_predict_release(struct mlo_predict *p);
/* The columns of the answers, from the first of them. Any thread. */
int mlo_predict_settle(struct mlo_predict *p, const struct mlo_value *out, size_t rows,
                       struct mlo_err *err) MLO_MUST_CHECK;
/* Writes text behind what is written; ctx is the mlo_predict. */
int mlo_predict_put(void *ctx, const struct mlo_str *text, struct mlo_err *err) MLO_MUST_CHECK;
/* The number of rows, now that it is known, and the file's name. */
int mlo_predict_finish(struct mlo_predict *p, struct mlo_err *err) MLO_MUST_CHECK;

/* What is the same for rows of any kind: which answers, in which form (form: of the input); then sessions and
 * the file for them. */
int mlo_predict_choose(struct mlo_predict *p, struct mlo_ctx *ctx, const char *form,
                       struct mlo_err *err) MLO_MUST_CHECK;
int mlo_predict_start(struct mlo_predict *p, unsigned workers, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- npy.c: rows of an array ---- */

bool mlo_is_npy(const char *path);
int mlo_predict_npy(struct mlo_predict *p, struct mlo_ctx *ctx, const char *path,
                    struct mlo_err *err) MLO_MUST_CHECK;

/* ---- text.c: texts through an encoder ---- */

/* Makes p->texts when the user asks for texts: tokenizer and settings from beside the model. */
int mlo_predict_texts_open(struct mlo_predict *p, struct mlo_ctx *ctx, const struct mlo_model *m,
                           struct mlo_err *err) MLO_MUST_CHECK;
void mlo_predict_texts_free(struct mlo_predict_texts *x);
int mlo_predict_texts_answers(struct mlo_predict *p, struct mlo_answer_opts *o,
                              struct mlo_err *err) MLO_MUST_CHECK;
int mlo_predict_texts_workers(struct mlo_predict *p, unsigned n, struct mlo_err *err) MLO_MUST_CHECK;
/* Texts of a batch's column, or with b NULL those of --text. */
int mlo_predict_texts_run(struct mlo_predict *p, unsigned worker, const struct mlo_batch *b, size_t from,
                          size_t n, struct mlo_str *to, struct mlo_err *err) MLO_MUST_CHECK;
/* The texts of --text, without a table. */
int mlo_predict_texts_given(struct mlo_predict *p, struct mlo_ctx *ctx, struct mlo_err *err) MLO_MUST_CHECK;
/* What the user ought to hear: texts that were cut, or are not there. */
void mlo_predict_texts_tell(const struct mlo_predict *p, struct mlo_ctx *ctx);

#endif
