/* Numbers: the fine bins of both sides, in tenths of the reference for PSI, all of them for KS and
 * Wasserstein. */
#include "internal.h"

#include <math.h>

#define TENTHS 10

/* Every value its own bin while they are few. */
size_t mlo_coarse_edges(const struct mlo_profile_column *c, size_t ret[MLO_COARSE_EDGES])
{
    size_t n = 0, bins = c->bins.n_edges + 1;
    double sum = 0, next = (double)c->n / TENTHS;
    for (size_t i = 0; i + 1 < bins; i++) {
        sum += (double)c->counts[i];
        if (sum >= next * (1 - 1e-12) && sum < (double)c->n) {
            ret[n++] = i + 1;
            next = sum + ((double)c->n - sum) / (double)(TENTHS - n > 0 ? TENTHS - n : 1);
        }
        if (n == TENTHS - 1)
            break;
    }
    return n;
}

static uint64_t *coarse_counts(const struct mlo_profile_column *c, const size_t *edges, size_t n,
                               struct mlo_err *err)
{
    uint64_t *counts = mlo_calloc(n + 2, sizeof *counts, err);
    size_t bin = 0;
    for (size_t i = 0; counts && i <= c->bins.n_edges; i++) {
        while (bin < n && i >= edges[bin])
            bin++;
        counts[bin] += c->counts[i];
    }
    if (counts)
        counts[n + 1] = c->missing + c->nan + c->bad;
    return counts;
}

static int coarse_bins(const struct mlo_pair *p, struct mlo_drift_column *ret, struct mlo_err *err)
{
    size_t edges[MLO_COARSE_EDGES], n = mlo_coarse_edges(p->reference, edges);
    double *values = mlo_calloc(n + 1, sizeof *values, err);
    ret->edges = values;
    ret->bins = n + 2;
    ret->counts_reference = coarse_counts(p->reference, edges, n, err);
    ret->counts_current = coarse_counts(p->current, edges, n, err);
    if (!values || !ret->counts_reference || !ret->counts_current)
        return MLO_EIO;
    for (size_t i = 0; i < n; i++)
        values[i] = p->reference->bins.edges[edges[i] - 1];
    return 0;
}

/* The widest gap between the distribution functions at the edges; between them it may be wider by a bin. */
static void gaps(const struct mlo_pair *p, struct mlo_drift_column *ret)
{
    const struct mlo_profile_column *a = p->reference, *b = p->current;
    double fa = 0, fb = 0, n = (double)a->n, m = (double)b->n, error = 0;
    struct mlo_test t = {.at = a->min};
    for (size_t i = 0; i < a->bins.n_edges; i++) {
        double pa = (double)a->counts[i] / n, pb = (double)b->counts[i] / m;
        fa += pa;
        fb += pb;
        error = fmax(error, fmax(pa, pb));
        if (fabs(fa - fb) > t.statistic) {
            t.statistic = fabs(fa - fb);
            t.at = a->bins.edges[i];
        }
    }
    t.p = mlo_ks_p(t.statistic, a->n, b->n, &t.exact);
    ret->ks = t;
    ret->ks_error = a->bins.each_value ? 0 : error;
}

/* Area between the distribution functions, both taken as straight within a bin. */
static double area(const struct mlo_pair *p)
{
    const struct mlo_profile_column *a = p->reference, *b = p->current;
    double low = fmin(a->min, b->min), high = fmax(a->max, b->max), gap = 0, sum = 0, from = low;
    for (size_t i = 0; i <= a->bins.n_edges; i++) {
        double to = i < a->bins.n_edges ? fmin(fmax(a->bins.edges[i], low), high) : high;
        double next = gap + (double)a->counts[i] / (double)a->n - (double)b->counts[i] / (double)b->n;
        bool step = a->bins.each_value && i > 0; /* all of a bin lies at its lower edge */
        double width = to - from;
        if (step)
            sum += fabs(next) * width;
        else if (gap * next >= 0)
            sum += fabs(gap + next) / 2 * width;
        else
            sum += (gap * gap + next * next) / (2 * fabs(gap - next)) * width;
        gap = next;
        from = to;
    }
    return sum;
}

static void describe(const struct mlo_pair *p, struct mlo_drift_column *ret)
{
    static const double q[] = {.01, .05, .25, .5, .75, .95, .99};
    const struct mlo_profile_column *b = p->current;
    mlo_profile_moments(p->reference, &ret->reference);
    mlo_profile_moments(b, &ret->current);
    for (size_t i = 0; i < MLO_COUNT(q); i++) {
        ret->quantiles_reference[i] = mlo_profile_quantile(p->reference, q[i]);
        ret->quantiles_current[i] = mlo_profile_quantile(b, q[i]);
    }
    uint64_t beyond = b->counts[0] + (b->bins.n_edges > 0 ? b->counts[b->bins.n_edges] : 0);
    ret->outside = (double)beyond / (double)b->n;
}

int mlo_compare_numbers(const struct mlo_pair *p, struct mlo_drift_column *ret, struct mlo_err *err)
{
    int rc = coarse_bins(p, ret, err);
    if (rc != 0)
        return rc;
    ret->fine = (struct mlo_drift_fine){p->reference->bins.edges, p->reference->bins.n_edges,
                                        p->reference->bins.each_value, p->reference->counts,
                                        p->current->counts};
    mlo_compare_counts(ret);
    gaps(p, ret);
    describe(p, ret);
    double sd = sqrt(ret->reference.variance);
    ret->wasserstein = sd > 0 ? area(p) / sd : area(p) > 0 ? INFINITY : 0;
    return 0;
}
