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

/* ---- Wasserstein: the area between the distribution functions ---- */

struct area {
    double sum, from, gap; /* so far: up to `from`, where they are `gap` apart */
};

/* The gap changes evenly up to `to`; or at once, before, when all of a bin lies at its lower edge. */
static void cover(struct area *a, double to, double change, bool at_once)
{
    double next = a->gap + change, width = to - a->from;
    if (at_once)
        a->sum += fabs(next) * width;
    else if (a->gap * next >= 0)
        a->sum += fabs(a->gap + next) / 2 * width;
    else
        a->sum += (a->gap * a->gap + next * next) / (2 * fabs(a->gap - next)) * width;
    a->gap = next;
    a->from = to;
}

struct tail { /* what one side has in an open bin */
    struct mlo_bucket buckets[MLO_SKETCH_BUCKETS];
    size_t n, at;
    double rows; /* of the column */
};

static void load_tail(const struct mlo_profile_column *c, size_t bin, double low, double high, struct tail *t)
{
    const struct mlo_sketch *s = mlo_profile_tail(c, bin);
    low = fmax(low, c->min);
    high = fmin(high, c->max);
    t->rows = (double)c->n;
    t->at = 0;
    t->n = s ? mlo_sketch_buckets(s, t->buckets) : c->counts[bin] > 0;
    if (!s)
        t->buckets[0] = (struct mlo_bucket){.low = low, .high = high, .count = c->counts[bin]};
    for (size_t i = 0; i < t->n; i++) {
        struct mlo_bucket *b = &t->buckets[i];
        b->low = fmax(b->low, low);
        b->high = fmax(fmin(b->high, high), nextafter(b->low, INFINITY));
    }
}

/* Where the next of its buckets begins or ends. */
static double next_border(struct tail *t, double from)
{
    while (t->at < t->n && t->buckets[t->at].high <= from)
        t->at++;
    if (t->at == t->n)
        return INFINITY;
    return from < t->buckets[t->at].low ? t->buckets[t->at].low : t->buckets[t->at].high;
}

/* Of its rows, between two neighbouring borders. */
static double share_between(const struct tail *t, double from, double to)
{
    const struct mlo_bucket *b = t->at < t->n ? &t->buckets[t->at] : NULL;
    return b && from >= b->low ? (double)b->count * ((to - from) / (b->high - b->low)) / t->rows : 0;
}

static void cover_tail(struct area *a, const struct mlo_pair *p, size_t bin, double to)
{
    struct tail x, y;
    load_tail(p->reference, bin, a->from, to, &x);
    load_tail(p->current, bin, a->from, to, &y);
    while (a->from < to) {
        double next = fmin(fmin(next_border(&x, a->from), next_border(&y, a->from)), to);
        cover(a, next, share_between(&x, a->from, next) - share_between(&y, a->from, next), false);
    }
}

/* In the open bins by their sketches, in the others both functions are taken as straight. */
static double area(const struct mlo_pair *p)
{
    const struct mlo_profile_column *a = p->reference, *b = p->current;
    double low = fmin(a->min, b->min), high = fmax(a->max, b->max);
    struct area area = {.from = low};
    for (size_t i = 0; i <= a->bins.n_edges; i++) {
        double to = i < a->bins.n_edges ? fmin(fmax(a->bins.edges[i], low), high) : high;
        if (i == 0 || i == a->bins.n_edges)
            cover_tail(&area, p, i, to);
        else
            cover(&area, to, (double)a->counts[i] / (double)a->n - (double)b->counts[i] / (double)b->n,
                  a->bins.each_value);
    }
    return area.sum;
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
    rc = mlo_compare_order(p->reference->counts, p->current->counts, p->reference->bins.n_edges + 1, ret,
                           err);
    if (rc != 0)
        return rc;
    gaps(p, ret);
    describe(p, ret);
    double sd = sqrt(ret->reference.variance);
    ret->wasserstein = sd > 0 ? area(p) / sd : area(p) > 0 ? INFINITY : 0;
    return 0;
}
