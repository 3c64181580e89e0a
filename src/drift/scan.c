/*
 * A profile out of a table, in one pass on several threads; every worker counts into a profile of its own,
 * and they are added up at the end. Edges come from batches at even distances over the reference, read ahead
 * of the pass. Where that cannot be (a stream, compressed text) or is not worth it (a short file) they come
 * from its first batches: who gets one of them keeps its numbers; when all are there the edges are made and
 * the numbers counted, and those who were faster wait so long.
 */
#include "exact.h"
#include "outcome.h"
#include "rows.h"

#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mlopsctl/base/thread.h>

#define SAMPLE_BATCHES ((uint64_t)64)
#define HUGE_FROM      ((size_t)4 << 20) /* bytes that are worth large pages */

struct sample { /* numbers of one column in the first batches */
    double *values;
    size_t n, cap;
};
struct scan {
    const struct mlo_profile_opts *opts;
    struct mlo_profile **parts;  /* of each worker */
    union mlo_waiting **waiting; /* of each worker: of each column */
    unsigned workers;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t ready;
    struct sample *samples; /* of each column */
    size_t n_samples;
    uint64_t sampled; /* batches */
    bool edges, failed;
    bool ready_made;      /* there are edges before the pass */
    struct mlo_kept kept; /* the sample's batches, when rows are judged */
};

/* ---- the sample ---- */

static int keep_numbers(struct scan *s, size_t column, const struct mlo_batch_column *b, size_t rows,
                        struct mlo_err *err)
{
    struct sample *to = &s->samples[column];
    const struct mlo_profile_column *c = &s->parts[0]->columns[column];
    if (c->type == MLO_COLUMN_TEXT || c->role == MLO_ROLE_IGNORE)
        return 0;
    int rc = mlo_grow(&to->values, &to->cap, to->n + rows, sizeof *to->values, err);
    to->n += rc == 0 ? mlo_batch_values(b, 0, rows, to->values + to->n) : 0;
    return rc;
}

/* count: the sample is no part of what will be counted later. */
static int make_bins(struct scan *s, size_t column, bool count, struct mlo_err *err)
{
    struct sample *sample = &s->samples[column];
    struct mlo_bins bins = {0};
    double centre = 0;
    int rc = mlo_bins_of_role(s->parts[0]->columns[column].role, &bins, err);
    if (rc == 0 && bins.n_edges == 0) {
        rc = mlo_bins_from_sample(sample->values, sample->n, &bins, err);
        centre = rc == 0 && sample->n > 0 ? sample->values[sample->n / 2] : 0; /* sorted now */
    }
    for (unsigned w = 0; rc == 0 && w < s->workers; w++)
        rc = mlo_profile_set_bins(&s->parts[w]->columns[column], &bins, centre, err);
    mlo_bins_release(&bins);
    struct mlo_profile_column *c = &s->parts[0]->columns[column];
    if (rc == 0 && count)
        mlo_count_values(c, sample->values, sample->n);
    free(sample->values);
    *sample = (struct sample){0};
    return rc;
}

/* How to judge predictions is decided by the sample, for all workers. */
static int judge_sample(struct scan *s, bool count, struct mlo_err *err)
{
    struct mlo_profile *first = s->parts[0];
    int rc = 0;
    if (mlo_outcome_is_wanted(first))
        rc = mlo_kept_judge(&s->kept, first, s->opts->positive, count, err);
    for (unsigned w = 1; rc == 0 && first->outcome && w < s->workers; w++)
        rc = mlo_outcome_new(s->parts[w], first, NULL, &s->parts[w]->outcome, err);
    mlo_kept_release(&s->kept);
    return rc;
}

struct edges {
    struct scan *scan;
    bool count;
};

static int make_column_bins(void *ctx, size_t column, struct mlo_err *err)
{
    const struct edges *e = ctx;
    bool text = e->scan->parts[0]->columns[column].type == MLO_COLUMN_TEXT;
    return text ? 0 : make_bins(e->scan, column, e->count, err);
}

/* The whole sample is here. Nobody counts yet. */
static int make_edges(struct scan *s, bool count, struct mlo_err *err)
{
    struct edges e = {s, count};
    int rc = mlo_parallel(s->parts[0]->n_columns, s->workers, make_column_bins, &e, err);
    s->edges = rc == 0;
    return rc != 0 ? rc : judge_sample(s, count, err);
}

static int keep_values(struct scan *s, const struct mlo_batch *b, struct mlo_err *err)
{
    const struct mlo_profile *p = s->parts[0];
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < p->n_columns; i++)
        rc = keep_numbers(s, i, &b->columns[i], b->n_rows, err);
    return rc == 0 && mlo_outcome_is_wanted(p) ? mlo_kept_add(&s->kept, p, b, err) : rc;
}

static int look_ahead(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    struct scan *s = ctx;
    (void)worker;
    pthread_mutex_lock(&s->lock);
    int rc = keep_values(s, b, err);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static int look_ahead_at(void *ctx, unsigned worker, const struct mlo_column_cells *c, struct mlo_err *err)
{
    struct scan *s = ctx;
    (void)worker;
    pthread_mutex_lock(&s->lock);
    int rc = keep_numbers(s, c->column, &c->cells, c->n, err);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static int keep_batch(struct scan *s, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    struct mlo_profile *p = s->parts[worker];
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < p->n_columns; i++)
        if (p->columns[i].type != MLO_COLUMN_TEXT && p->columns[i].role != MLO_ROLE_IGNORE)
            mlo_count_states(&p->columns[i], &b->columns[i], b->n_rows);
    int rc = keep_values(s, b, err);
    if (rc == 0 && ++s->sampled == SAMPLE_BATCHES)
        rc = make_edges(s, true, err);
    s->failed = s->failed || rc != 0;
    if (s->edges || s->failed)
        pthread_cond_broadcast(&s->ready);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static int wait_for_edges(struct scan *s, struct mlo_err *err)
{
    pthread_mutex_lock(&s->lock);
    while (!s->edges && !s->failed)
        pthread_cond_wait(&s->ready, &s->lock);
    bool failed = s->failed;
    pthread_mutex_unlock(&s->lock);
    return failed ? mlo_fail(err, MLO_EIO, "another thread failed") : 0;
}

/* ---- a batch ---- */

static int count_cells(void *ctx, unsigned worker, const struct mlo_column_cells *cells, struct mlo_err *err)
{
    struct scan *s = ctx;
    struct mlo_profile_column *c = &s->parts[worker]->columns[cells->column];
    return c->role == MLO_ROLE_IGNORE ? 0
                                      : mlo_count_cells(c, &s->waiting[worker][cells->column], cells, err);
}

static int count_batch(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    struct scan *s = ctx;
    struct mlo_profile *p = s->parts[worker];
    bool first = !s->ready_made && b->sequence < SAMPLE_BATCHES;
    int rc = s->ready_made ? 0 : first ? keep_batch(s, worker, b, err) : wait_for_edges(s, err);
    for (size_t i = 0; rc == 0 && i < p->n_columns; i++) {
        const struct mlo_column_cells cells = {.column = i, .n = b->n_rows, .cells = b->columns[i]};
        if (!first || p->columns[i].type == MLO_COLUMN_TEXT)
            rc = count_cells(s, worker, &cells, err);
    }
    if (rc == 0 && s->parts[0]->exact)
        rc = mlo_exact_add(s->parts[0]->exact, worker, b, err);
    if (rc == 0 && p->sample)
        rc = mlo_rows_offer(p->sample, p, b, err);
    return rc == 0 && p->outcome && !first ? mlo_outcome_count(p->outcome, p, b, err) : rc;
}

/* ---- the whole ---- */

/* A column that the reference has in the same type counts into its bins; any other only what needs none, or
 * what has bins of its own. */
static int take_bins(const struct mlo_profile *like, struct mlo_profile_column *c, struct mlo_err *err)
{
    struct mlo_bins own = {0};
    const struct mlo_profile_column *from = mlo_profile_find(like, c->name);
    if (c->type == MLO_COLUMN_TEXT)
        return 0;
    if (from && from->type == c->type)
        return mlo_profile_set_bins(c, &from->bins, from->centre, err);
    int rc = c->type == MLO_COLUMN_NUMBER ? mlo_bins_of_role(c->role, &own, err) : 0;
    if (rc == 0)
        rc = mlo_profile_set_bins(c, &own, 0, err);
    mlo_bins_release(&own);
    return rc;
}

static void take_roles(const struct mlo_profile *like, struct mlo_profile *p)
{
    for (size_t i = 0; i < p->n_columns; i++) {
        const struct mlo_profile_column *from = mlo_profile_find(like, p->columns[i].name);
        p->columns[i].role = from ? from->role : p->columns[i].role;
    }
}

static int make_part(struct scan *s, struct mlo_table *t, struct mlo_profile **ret, struct mlo_err *err)
{
    size_t n;
    const struct mlo_table_column *columns = mlo_table_columns(t, &n);
    const struct mlo_profile *like = s->opts->like;
    int rc = mlo_profile_new(columns, n, ret, err);
    if (rc == 0 && like)
        take_roles(like, *ret);
    if (rc == 0)
        rc = mlo_profile_set_roles(*ret, s->opts->roles, s->opts->n_roles, err);
    for (size_t i = 0; rc == 0 && like && i < n; i++)
        rc = take_bins(like, &(*ret)->columns[i], err);
    if (rc == 0 && like && like->outcome)
        rc = mlo_outcome_new(*ret, like, NULL, &(*ret)->outcome, err);
    if (rc == 0 && s->opts->sample)
        rc = mlo_rows_new(n, &(*ret)->sample, err);
    return rc;
}

static int count_waiting(struct mlo_profile *p, union mlo_waiting *waiting, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < p->n_columns; i++)
        if (p->columns[i].type == MLO_COLUMN_TEXT)
            rc = mlo_recent_flush(&waiting[i].recent, &p->columns[i].categories, err);
        else
            mlo_count_pending(&p->columns[i], &waiting[i].pending);
    return rc;
}

static int add_up(struct scan *s, const struct mlo_scan_result *st, struct mlo_err *err)
{
    int rc = 0;
    for (unsigned w = 0; rc == 0 && w < s->workers; w++)
        rc = count_waiting(s->parts[w], s->waiting[w], err);
    for (unsigned w = 1; rc == 0 && w < s->workers; w++)
        rc = mlo_profile_merge(s->parts[0], s->parts[w], err);
    for (size_t i = 0; rc == 0 && i < s->parts[0]->n_columns; i++) /* also when there was nothing to merge */
        rc = mlo_profile_settle(&s->parts[0]->columns[i], err);
    if (rc == 0 && s->parts[0]->sample)
        rc = mlo_rows_settle(s->parts[0]->sample, err);
    s->parts[0]->rows = st->rows;
    s->parts[0]->ragged = st->ragged;
    s->parts[0]->outside = st->outside;
    s->parts[0]->undated = st->undated;
    return rc;
}

/* Is there anything that the cells of a column alone do not tell? */
static bool needs_rows(const struct scan *s)
{
    const struct mlo_profile_opts *o = s->opts;
    return o->exact || o->sample || o->windows || s->parts[0]->outcome || mlo_outcome_is_wanted(s->parts[0]);
}

static int begin_column(void *ctx, size_t column, struct mlo_err *err)
{
    struct edges e = {ctx, false};
    return make_column_bins(&e, column, err);
}

/* Not done: the edges are to come from the first rows. */
static int scan_columns(struct scan *s, struct mlo_table *t, bool *ret_done, struct mlo_scan_result *ret,
                        struct mlo_err *err)
{
    const struct mlo_column_reader r = {.parts = s->ready_made ? 0 : SAMPLE_BATCHES,
                                        .ahead = look_ahead_at,
                                        .begin = begin_column,
                                        .fn = count_cells,
                                        .ctx = s};
    int rc = mlo_table_scan_columns(t, &r, ret_done, ret, err);
    s->ready_made = s->ready_made || *ret_done;
    return rc;
}

static int scan_rows(struct scan *s, struct mlo_table *t, struct mlo_scan_result *ret, struct mlo_err *err)
{
    struct mlo_windows *w = s->opts->windows;
    int rc = 0;
    if (!s->ready_made)
        rc = mlo_table_sample(t, SAMPLE_BATCHES, look_ahead, s, &s->ready_made, err);
    if (rc == 0 && s->ready_made && !s->opts->like)
        rc = make_edges(s, false, err);
    if (rc != 0)
        return rc;
    rc = w ? mlo_windows_scan(w, t, s->opts, count_batch, s, ret, err)
           : mlo_table_scan(t, count_batch, s, ret, err);
    return rc == 0 && !s->ready_made && !s->edges ? make_edges(s, true, err) : rc;
}

/* Of many columns every batch goes through all of it: with small pages each step is also a miss of the TLB.
 */
static union mlo_waiting *new_waiting(size_t n, struct mlo_err *err)
{
    union mlo_waiting *w = mlo_calloc(n, sizeof *w, err);
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), end = (uintptr_t)(w + n);
    uintptr_t from = ((uintptr_t)w + page - 1) & ~(page - 1);
    if (w && end - from >= HUGE_FROM)
        (void)madvise((void *)from, end - from, MADV_HUGEPAGE); /* a wish */
    return w;
}

static int scan_table(struct scan *s, struct mlo_table *t, struct mlo_err *err)
{
    struct mlo_scan_result st = {0};
    bool done = false;
    int rc = 0;
    for (unsigned w = 0; rc == 0 && w < s->workers; w++) {
        rc = make_part(s, t, &s->parts[w], err);
        s->waiting[w] = rc == 0 ? new_waiting(s->parts[w]->n_columns + 1, err) : NULL;
        if (rc == 0 && !s->waiting[w])
            rc = MLO_EIO;
    }
    if (rc == 0 && s->opts->exact)
        rc = mlo_exact_new(s->parts[0], s->workers, s->opts->temporary, &s->parts[0]->exact, err);
    if (rc == 0)
        s->samples = mlo_calloc(s->parts[0]->n_columns + 1, sizeof *s->samples, err);
    if (rc == 0 && !s->samples)
        rc = MLO_EIO;
    s->n_samples = rc == 0 ? s->parts[0]->n_columns : 0;
    s->ready_made = s->opts->like;
    if (rc == 0 && !needs_rows(s))
        rc = scan_columns(s, t, &done, &st, err);
    if (rc == 0 && !done)
        rc = scan_rows(s, t, &st, err);
    return rc != 0 ? rc : add_up(s, &st, err);
}

int mlo_profile_table(struct mlo_table *t, const struct mlo_profile_opts *opts, struct mlo_profile **ret,
                      struct mlo_err *err)
{
    struct scan s = {.opts = opts, .workers = mlo_table_workers(t)};
    s.parts = mlo_calloc(s.workers, sizeof *s.parts, err);
    s.waiting = s.parts ? mlo_calloc(s.workers, sizeof *s.waiting, err) : NULL;
    if (!s.waiting) {
        free(s.parts);
        return MLO_EIO;
    }
    pthread_mutex_init(&s.lock, NULL);
    pthread_cond_init(&s.ready, NULL);
    int rc = scan_table(&s, t, err);
    if (rc == 0)
        *ret = mlo_steal(&s.parts[0]);
    for (size_t i = 0; i < s.n_samples; i++)
        free(s.samples[i].values);
    mlo_kept_release(&s.kept);
    for (unsigned w = 0; w < s.workers; w++) {
        mlo_profile_free(s.parts[w]);
        free(s.waiting[w]);
    }
    free(s.waiting);
    pthread_cond_destroy(&s.ready);
    pthread_mutex_destroy(&s.lock);
    free(s.samples);
    free(s.parts);
    return rc;
}
