/* The parts of mlopsctl predict. */
#ifndef MLOPSCTL_CMD_PREDICT_H
#define MLOPSCTL_CMD_PREDICT_H

#include <pthread.h>

#include <mlopsctl/predict.h>

#include "model.h"

struct mlo_predict_args {
    const char *output, *output_form, *format, *model_file;
    struct mlo_strings features, keep;
    uint64_t batch, threads, limit;
    bool by_position, strict, probabilities, explain;
};

/* ---- predict_output.c: where the answers go ---- */

struct mlo_predict_output {
    const char *path; /* NULL: standard output */
    enum mlo_answer_form form;
    int fd;
    bool opened; /* fd is of a device or a pipe, to be closed */
    struct mlo_newfile file;
};
/* table: the form of the input, which is that of the output unless said otherwise. */
int mlo_predict_form(const struct mlo_ctx *ctx, const struct mlo_predict_args *o, const char *table,
                     enum mlo_answer_form *ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_predict_output_open(const struct mlo_predict_args *o, enum mlo_answer_form form,
                            struct mlo_predict_output *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* The file gets its name. */
int mlo_predict_output_commit(struct mlo_predict_output *out, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_predict_output_release(struct mlo_predict_output *out);

/* ---- predict_rows.c: rows through the model, on several threads, in order ---- */

struct mlo_predict_worker {
    struct mlo_feed *feed;
    struct mlo_session *session;
};
struct mlo_predict {
    const struct mlo_predict_args *args;
    const struct mlo_plan *plan;
    struct mlo_features features;
    struct mlo_match match;
    struct mlo_answers *answers;
    struct mlo_predict_output out;
    struct mlo_predict_worker *workers;
    unsigned n_workers;
    pthread_mutex_t lock; /* of settling */
    bool settled, headed; /* columns are known; their line is written */
    uint64_t rows;        /* written */
    size_t taken;         /* with a limit */
};
/* p->features, plan and args are there. The table's form and columns decide on the rest. */
int mlo_predict_table(struct mlo_predict *p, struct mlo_ctx *ctx, struct mlo_table *t,
                      struct mlo_scan_result *ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_predict_release(struct mlo_predict *p);

#endif
