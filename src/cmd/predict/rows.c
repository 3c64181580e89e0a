/*
 * Rows through the model. Each thread has a session of the one plan and makes text of whole batches; the
 * table hands the texts over in the order of the input, so what is written does not depend on the threads.
 */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "predict.h"

#define ROWS_AT_ONCE  4096 /* unless the user or the model says otherwise */
#define TEXTS_AT_ONCE 256

/* ---- columns ---- */

int mlo_predict_settle(struct mlo_predict *p, const struct mlo_value *out, size_t rows, struct mlo_err *err)
{
    pthread_mutex_lock(&p->lock);
    int rc = p->settled ? 0 : mlo_answers_settle(p->answers, &p->match, out, rows, err);
    p->settled = rc == 0;
    pthread_mutex_unlock(&p->lock);
    return rc;
}

/* Whoever writes the columns need not be who settled them. */
static bool is_settled(struct mlo_predict *p)
{
    pthread_mutex_lock(&p->lock);
    bool is = p->settled;
    pthread_mutex_unlock(&p->lock);
    return is;
}

static bool has_fixed_inputs(const struct mlo_plan *p)
{
    size_t n;
    const struct mlo_port_type *in = mlo_plan_inputs(p, &n);
    for (size_t i = 0; i < n; i++)
        for (unsigned k = 1; k < in[i].rank; k++)
            if (in[i].dims[k].size < 0)
                return false;
    return true;
}

/* A row of zeros shows the columns before there is a row; when the model cannot do it, the first rows will.
 */
static void settle_beforehand(struct mlo_predict *p)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    const struct mlo_value *in, *out;
    size_t n, rows = p->features.rows ? (size_t)p->features.rows : 1;
    struct mlo_predict_worker *w = &p->workers[0];
    (void)mlo_plan_inputs(p->plan, &n);
    if (!has_fixed_inputs(p->plan) || mlo_feed_blank(w->feed, rows, &in, &ignored) != 0 ||
        mlo_session_run(w->session, in, n, &out, &ignored) != 0 ||
        mlo_predict_settle(p, out, rows, &ignored) != 0)
        return;
}

/* ---- workers ---- */

static int make_workers(struct mlo_predict *p, unsigned n, struct mlo_err *err)
{
    int rc = 0;
    p->workers = mlo_calloc(n, sizeof *p->workers, err);
    if (!p->workers)
        return err->code;
    for (p->n_workers = 0; rc == 0 && p->n_workers < n; p->n_workers++) {
        struct mlo_predict_worker *w = &p->workers[p->n_workers];
        rc = mlo_feed_new(&p->features, &p->match, &w->feed, err);
        if (rc == 0)
            rc = mlo_session_new(p->plan, &w->session, err);
        if (rc == 0 && n == 1 && p->args->threads > 1) /* none works beside it */
            rc = mlo_session_threads(w->session, (unsigned)p->args->threads, err);
    }
    return rc;
}

void mlo_predict_release(struct mlo_predict *p)
{
    for (unsigned i = 0; i < p->n_workers; i++) {
        mlo_feed_free(p->workers[i].feed);
        mlo_session_free(p->workers[i].session);
        free(p->workers[i].rows.data);
        free(p->workers[i].input.data);
    }
    free(p->workers);
    mlo_predict_texts_free(p->texts);
    mlo_answers_free(p->answers);
    mlo_match_release(&p->match);
    mlo_features_release(&p->features);
    mlo_predict_output_release(&p->out);
    pthread_mutex_destroy(&p->lock);
}

/* ---- rows ---- */

static int run_some(struct mlo_predict *p, unsigned worker, const struct mlo_batch *b, size_t from, size_t n,
                    struct mlo_str *to, struct mlo_err *err)
{
    const struct mlo_value *in, *out;
    size_t n_in;
    if (p->texts)
        return mlo_predict_texts_run(p, worker, b, from, n, to, err);
    struct mlo_predict_worker *w = &p->workers[worker];
    (void)mlo_plan_inputs(p->plan, &n_in);
    int rc = mlo_feed_rows(w->feed, b, from, n, &in, err);
    if (rc == 0)
        rc = mlo_session_run(w->session, in, n_in, &out, err);
    if (rc == 0)
        rc = mlo_predict_settle(p, out, p->features.rows ? (size_t)p->features.rows : n, err);
    return rc == 0 ? mlo_answers_write(p->answers, out, n, &p->match, b, from, to, err) : rc;
}

static size_t rows_at_once(const struct mlo_predict *p)
{
    size_t n = p->args->batch ? (size_t)p->args->batch : p->texts ? TEXTS_AT_ONCE : ROWS_AT_ONCE;
    return p->features.rows ? (size_t)p->features.rows : n;
}

/* MLO_NO: there are enough rows. A limit is counted by one thread. */
static int within_limit(struct mlo_predict *p, size_t *n)
{
    if (p->args->limit == 0)
        return 0;
    uint64_t left = p->args->limit - p->taken;
    *n = *n < left ? *n : (size_t)left;
    p->taken += *n;
    return left == 0 ? MLO_NO : 0;
}

static int run_batch(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_str *to,
                     struct mlo_err *err)
{
    struct mlo_predict *p = ctx;
    size_t n = b->n_rows, step = rows_at_once(p);
    int rc = within_limit(p, &n);
    for (size_t from = 0; rc == 0 && from < n; from += step)
        rc = run_some(p, worker, b, from, n - from < step ? n - from : step, to, err);
    __atomic_fetch_add(&p->rows, rc == 0 ? n : 0, __ATOMIC_RELAXED);
    return rc;
}

/* ---- writing ---- */

static int put_bytes(const struct mlo_predict *p, const struct mlo_str *bytes, struct mlo_err *err)
{
    int rc = mlo_write_all(p->out.fd, bytes->ptr, bytes->len, err);
    return rc != 0 ? mlo_wrap(err, "'%s'", p->out.path ? p->out.path : "standard output") : 0;
}

static int write_header(struct mlo_predict *p, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str line;
    mlo_str_init(&line, MLO_STR_MAX);
    if (p->headed || !is_settled(p))
        return 0;
    p->headed = true;
    int rc = mlo_answers_header(p->answers, &p->match, 0, &line, err);
    return rc == 0 ? put_bytes(p, &line, err) : rc;
}

int mlo_predict_put(void *ctx, const struct mlo_str *text, struct mlo_err *err)
{
    struct mlo_predict *p = ctx;
    const struct mlo_str *bytes = text;
    int rc = write_header(p, err);
    if (rc == 0 && mlo_answer_form_is_table(p->out.form)) {
        bytes = &p->out.bytes;
        mlo_str_truncate(&p->out.bytes, 0);
        rc = mlo_answers_join(p->answers, text, &p->out.bytes, err);
    }
    return rc == 0 && bytes->len ? put_bytes(p, bytes, err) : rc;
}

/* The number of rows, now that it is known. */
static int finish_npy(struct mlo_predict *p, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str line;
    mlo_str_init(&line, MLO_STR_MAX);
    int rc = mlo_answers_header(p->answers, &p->match, p->rows, &line, err);
    return rc == 0 ? mlo_write_all_at(p->out.fd, line.ptr, line.len, 0, err) : rc;
}

static int finish_table(struct mlo_predict *p, struct mlo_err *err)
{
    mlo_str_truncate(&p->out.bytes, 0);
    int rc = mlo_answers_end(p->answers, &p->out.bytes, err);
    return rc == 0 ? put_bytes(p, &p->out.bytes, err) : rc;
}

static bool is_text(enum mlo_answer_form form)
{
    return form == MLO_ANSWER_CSV || form == MLO_ANSWER_TSV || form == MLO_ANSWER_JSONL;
}

int mlo_predict_finish(struct mlo_predict *p, struct mlo_err *err)
{
    int rc = write_header(p, err);
    if (rc == 0 && !is_settled(p) && !is_text(p->out.form)) {
        mlo_fail(err, MLO_EUNAVAIL, "there are no rows, and without one the model does not tell its columns");
        return mlo_hint(err, "--output-format csv writes an empty file then");
    }
    if (rc == 0 && p->out.form == MLO_ANSWER_NPY)
        rc = finish_npy(p, err);
    if (rc == 0 && mlo_answer_form_is_table(p->out.form))
        rc = finish_table(p, err);
    return rc == 0 ? mlo_predict_output_commit(&p->out, err) : rc;
}

/* The last of those asked for were written: rows that may never come are not waited for. */
static int put_rows(void *ctx, const struct mlo_str *text, struct mlo_err *err)
{
    const struct mlo_predict *p = ctx;
    int rc = mlo_predict_put(ctx, text, err);
    return rc == 0 && p->args->limit > 0 && p->taken == p->args->limit ? MLO_NO : rc;
}

static int scan(struct mlo_predict *p, struct mlo_table *t, struct mlo_scan_result *ret, struct mlo_err *err)
{
    const struct mlo_batch_writer w = {run_batch, put_rows, p};
    int rc = mlo_table_scan_in_order(t, &w, ret, err);
    if (rc == MLO_NO) { /* as many as were asked for */
        *err = MLO_ERR_INIT;
        rc = 0;
    }
    return rc;
}

/* ---- all ---- */

static void note_columns(const struct mlo_ctx *ctx, const struct mlo_predict *p)
{
    enum { NAMED = 5 };
    MLO_AUTOSTR struct mlo_str names;
    mlo_str_init(&names, MLO_STR_MAX);
    for (size_t i = 0; i < p->match.n_extra && i < NAMED; i++)
        mlo_str_addf(&names, "%s'%s'", i ? ", " : "", p->match.extra[i]);
    if (p->match.n_extra > NAMED)
        mlo_str_addf(&names, " and %zu more", p->match.n_extra - NAMED);
    if (p->match.n_extra)
        mlo_note(ctx, "not used: %s", names.ptr);
    if (p->match.unnamed && !p->args->by_position)
        mlo_warn(ctx, "the model does not name what it takes: columns are taken in their order");
}

static int match(struct mlo_predict *p, struct mlo_ctx *ctx, struct mlo_table *t, struct mlo_err *err)
{
    const struct mlo_match_opts mo = {p->args->by_position, p->args->strict, p->args->keep.items,
                                      p->args->keep.n, mlo_answer_form_is_table(p->out.form)};
    size_t n;
    const struct mlo_table_column *found = mlo_table_columns(t, &n);
    int rc = mlo_match_columns(&p->features, found, n, &mo, &p->match, err);
    if (rc == 0)
        note_columns(ctx, p);
    return rc == 0 ? mlo_table_select(t, p->match.columns, p->match.n_columns, err) : rc;
}

int mlo_predict_choose(struct mlo_predict *p, struct mlo_ctx *ctx, const char *form, struct mlo_err *err)
{
    struct mlo_answer_opts ao = {.probabilities = p->args->probabilities, .margins = p->args->margins};
    int rc = mlo_predict_form(ctx, p->args, form, &ao.form, err);
    p->out.form = ao.form;
    if (rc != 0)
        return rc;
    return p->texts ? mlo_predict_texts_answers(p, &ao, err)
                    : mlo_answers_new(p->plan, &ao, &p->answers, err);
}

int mlo_predict_start(struct mlo_predict *p, unsigned workers, struct mlo_err *err)
{
    int rc = p->texts ? mlo_predict_texts_workers(p, workers, err) : make_workers(p, workers, err);
    return rc == 0 ? mlo_predict_output_open(p->args, p->out.form, &p->out, err) : rc;
}

int mlo_predict_table(struct mlo_predict *p, struct mlo_ctx *ctx, struct mlo_table *t,
                      struct mlo_scan_result *ret, struct mlo_err *err)
{
    *ret = (struct mlo_scan_result){0};
    int rc = mlo_predict_choose(p, ctx, mlo_table_format(t), err);
    if (rc == 0)
        rc = match(p, ctx, t, err);
    if (rc == 0)
        rc = mlo_predict_start(p, mlo_table_workers(t), err);
    if (rc != 0)
        return rc;
    if (!p->texts)
        settle_beforehand(p);
    rc = scan(p, t, ret, err);
    return rc == 0 ? mlo_predict_finish(p, err) : rc;
}
