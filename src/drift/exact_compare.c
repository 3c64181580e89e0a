/* Statistics of two columns by their sorted values, several columns at once. */
#include "exact.h"

#include <math.h>
#include <stdatomic.h>

#include <mlopsctl/base/thread.h>

#define COMPARE_MEMORY ((size_t)12 << 20) /* values in memory at once, of all threads */

struct job {
    const struct mlo_profile *reference, *current;
    const struct mlo_drift_opts *opts;
    struct mlo_drift_report *report;
    atomic_size_t next; /* column */
};
struct worker {
    struct mlo_room x, y, scratch;
};

static void describe(const struct mlo_sorted *x, double ret[7])
{
    static const double q[7] = {.01, .05, .25, .5, .75, .95, .99};
    for (size_t i = 0; i < MLO_COUNT(q); i++)
        ret[i] = mlo_quantile_sorted(x->values, x->n, q[i]);
}

static void test(const struct mlo_sorted *x, const struct mlo_sorted *y, unsigned tests,
                 struct mlo_drift_column *c)
{
    struct mlo_gaps g;
    double sd = sqrt(c->reference.variance);
    mlo_gaps(x->values, x->n, y->values, y->n, &g);
    c->ks = (struct mlo_test){.statistic = g.widest, .at = g.at};
    c->ks.p = mlo_ks_p(g.widest, x->n, y->n, &c->ks.exact);
    c->ks_error = 0;
    c->wasserstein = sd > 0 ? g.wasserstein / sd : g.wasserstein > 0 ? INFINITY : 0;
    c->energy = g.energy;
    c->cramer_von_mises.why = MLO_STAT_NONE; /* of few different values it sees drift where none is */
    if (tests & MLO_DRIFT_TEST_CRAMER_VON_MISES && !c->fine.each_value)
        mlo_cramer_von_mises(x->values, x->n, y->values, y->n, &c->cramer_von_mises);
    if (tests & MLO_DRIFT_TEST_ANDERSON_DARLING)
        mlo_anderson_darling(x->values, x->n, y->values, y->n, &c->anderson_darling);
    if (tests & MLO_DRIFT_TEST_EPPS_SINGLETON)
        mlo_epps_singleton(x->values, x->n, y->values, y->n, &c->epps_singleton);
    describe(x, c->quantiles_reference);
    describe(y, c->quantiles_current);
    c->exact = true;
}

static bool is_wanted(const struct mlo_drift_column *c)
{
    return c->counts_reference && c->type == MLO_COLUMN_NUMBER;
}

static size_t index_of(const struct mlo_profile *p, const char *name)
{
    return (size_t)(mlo_profile_find(p, name) - p->columns);
}

static int compare_column(struct job *j, struct worker *w, struct mlo_drift_column *c, struct mlo_err *err)
{
    struct mlo_sorted x = {0}, y = {0};
    size_t at = index_of(j->reference, c->name);
    int rc = mlo_exact_sorted(j->reference->exact, at, &w->x, &w->scratch, &x, err);
    if (rc == 0) {
        at = index_of(j->current, c->name);
        rc = mlo_exact_sorted(j->current->exact, at, &w->y, &w->scratch, &y, err);
    }
    if (rc == 0)
        test(&x, &y, j->opts->tests, c);
    mlo_sorted_release(&x);
    mlo_sorted_release(&y);
    return rc;
}

static int work(void *ctx, size_t number, struct mlo_err *err)
{
    struct job *j = ctx;
    struct worker w = {0};
    int rc = 0;
    (void)number;
    for (size_t i; rc == 0 && (i = atomic_fetch_add(&j->next, 1)) < j->report->n_columns;)
        if (is_wanted(&j->report->columns[i]))
            rc = compare_column(j, &w, &j->report->columns[i], err);
    mlo_room_release(&w.x);
    mlo_room_release(&w.y);
    mlo_room_release(&w.scratch);
    return rc;
}

/* As many at once as fit: both sides, and what sorting the larger needs. */
static unsigned threads_for(const struct job *j)
{
    uint64_t longest = 1;
    unsigned threads = j->opts->threads ? j->opts->threads : mlo_cpu_count();
    for (size_t i = 0; i < j->report->n_columns; i++) {
        const struct mlo_drift_column *c = &j->report->columns[i];
        uint64_t n = c->n_reference, m = c->n_current, need = n + m + (n > m ? n : m);
        longest = is_wanted(c) && need > longest ? need : longest;
    }
    uint64_t fit = COMPARE_MEMORY / longest;
    return fit < 1 ? 1 : fit < threads ? (unsigned)fit : threads;
}

int mlo_exact_compare(const struct mlo_profile *reference, const struct mlo_profile *current,
                      const struct mlo_drift_opts *o, struct mlo_drift_report *r, struct mlo_err *err)
{
    struct job j = {reference, current, o, r};
    if (!o->exact)
        return 0;
    if (!reference->exact || !current->exact) {
        mlo_fail(err, MLO_EUSAGE, "exact statistics need the values, which a profile's file does not keep");
        return mlo_hint(err, "give tables on both sides");
    }
    unsigned threads = threads_for(&j);
    return mlo_parallel(threads, threads, work, &j, err);
}
