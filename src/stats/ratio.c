/*
 * How much slower is b than a? Both were measured in pairs of blocks, one right after the other, so that what
 * the machine did in the meantime hits both. Intervals are bootstrapped over pairs (Efron 1987:
 * bias-corrected and accelerated), from a seed.
 */
#include "internal.h"

#include <math.h>

struct resampling {
    size_t pairs;
    double (*statistic)(void *ctx, const uint32_t *weights);
    void *ctx;
    uint32_t *weights; /* how often each pair is in the sample */
    double *values;    /* 2 * rounds */
};

static void draw(struct resampling *r, uint64_t *seed)
{
    memset(r->weights, 0, r->pairs * sizeof *r->weights);
    for (size_t i = 0; i < r->pairs; i++)
        r->weights[(size_t)(mlo_random_unit(seed) * (double)r->pairs)]++;
}

/* Skewness of the statistic when one pair is left out. */
static double acceleration(struct resampling *r)
{
    double sum = 0, squares = 0, cubes = 0, mean;
    for (size_t i = 0; i < r->pairs; i++)
        r->weights[i] = 1;
    for (size_t i = 0; i < r->pairs; i++) {
        r->weights[i] = 0;
        sum += r->values[i] = r->statistic(r->ctx, r->weights);
        r->weights[i] = 1;
    }
    mean = sum / (double)r->pairs;
    for (size_t i = 0; i < r->pairs; i++) {
        double d = mean - r->values[i];
        squares += d * d;
        cubes += d * d * d;
    }
    return squares > 0 ? cubes / (6 * pow(squares, 1.5)) : 0;
}

static double corrected(double alpha, double bias, double accel)
{
    double z = bias - mlo_normal_isf(alpha), shifted = bias + z / (1 - accel * z);
    return 1 - mlo_normal_sf(shifted);
}

static void interval(struct resampling *r, const struct mlo_ratio_opts *o, struct mlo_ratio *ret)
{
    uint64_t seed = o->seed;
    double below = 0, alpha = (1 - o->confidence) / 2, accel = acceleration(r);
    for (unsigned i = 0; i < o->rounds; i++) {
        draw(r, &seed);
        r->values[i] = r->statistic(r->ctx, r->weights);
        below += r->values[i] < ret->ratio ? 1 : r->values[i] == ret->ratio ? 0.5 : 0;
    }
    double share = fmin(fmax(below, 0.5), o->rounds - 0.5) / o->rounds, bias = mlo_normal_isf(1 - share);
    mlo_sort_doubles(r->values, o->rounds, r->values + o->rounds);
    ret->low = exp(mlo_quantile_sorted(r->values, o->rounds, corrected(alpha, bias, accel)));
    ret->high = exp(mlo_quantile_sorted(r->values, o->rounds, corrected(1 - alpha, bias, accel)));
    ret->ratio = exp(ret->ratio);
}

static int bootstrap(struct resampling *r, const struct mlo_ratio_opts *o, struct mlo_ratio *ret,
                     struct mlo_err *err)
{
    size_t most = o->rounds > r->pairs ? o->rounds : r->pairs;
    MLO_AUTOFREE uint32_t *weights = mlo_calloc(r->pairs, sizeof *weights, err);
    MLO_AUTOFREE double *values = weights ? mlo_calloc(2 * most, sizeof *values, err) : NULL;
    if (!values)
        return err->code;
    r->weights = weights;
    r->values = values;
    for (size_t i = 0; i < r->pairs; i++)
        weights[i] = 1;
    struct mlo_ratio found = {.ratio = r->statistic(r->ctx, weights)};
    interval(r, o, &found);
    *ret = found;
    return 0;
}

/* ---- of pairs ---- */

struct sorted_pairs {
    struct weighed {
        double value;
        uint32_t pair;
    } * at; /* ascending */
    size_t n;
};

static int by_value(const void *x, const void *y)
{
    const struct weighed *a = x, *b = y;
    return (a->value > b->value) - (a->value < b->value);
}

/* Mean of the middle half: as sure of itself as a mean, as blind to outliers as a median. */
static double middle_mean(void *ctx, const uint32_t *weights)
{
    const struct sorted_pairs *p = ctx;
    double total = 0, sum = 0, seen = 0;
    for (size_t i = 0; i < p->n; i++)
        total += weights[i];
    double from = total / 4, to = total - from;
    for (size_t i = 0; i < p->n && seen < to; i++) {
        double next = seen + weights[p->at[i].pair];
        double part = fmin(next, to) - fmax(seen, from);
        sum += part > 0 ? part * p->at[i].value : 0;
        seen = next;
    }
    return sum / (to - from);
}

int mlo_ratio_of_pairs(const double *a, const double *b, size_t pairs, const struct mlo_ratio_opts *o,
                       struct mlo_ratio *ret, struct mlo_err *err)
{
    MLO_AUTOFREE struct weighed *at = mlo_calloc(pairs, sizeof *at, err);
    if (!at)
        return err->code;
    for (size_t i = 0; i < pairs; i++)
        at[i] = (struct weighed){log(b[i] / a[i]), (uint32_t)i};
    qsort(at, pairs, sizeof *at, by_value);
    struct sorted_pairs p = {at, pairs};
    struct resampling r = {.pairs = pairs, .statistic = middle_mean, .ctx = &p};
    return bootstrap(&r, o, ret, err);
}

/* ---- of two samples ---- */

static int sort_logs(const double *x, size_t n, struct sorted_pairs *ret, struct mlo_err *err)
{
    struct weighed *at = mlo_calloc(n, sizeof *at, err);
    if (!at)
        return err->code;
    for (size_t i = 0; i < n; i++)
        at[i] = (struct weighed){log(x[i]), (uint32_t)i};
    qsort(at, n, sizeof *at, by_value);
    *ret = (struct sorted_pairs){at, n};
    return 0;
}

struct two_samples {
    struct sorted_pairs a, b; /* weights: those of a, then those of b */
};

static double middle_mean_ratio(void *ctx, const uint32_t *weights)
{
    struct two_samples *t = ctx;
    return middle_mean(&t->b, weights + t->a.n) - middle_mean(&t->a, weights);
}

static void draw_both(struct two_samples *t, uint32_t *weights, uint64_t *seed)
{
    memset(weights, 0, (t->a.n + t->b.n) * sizeof *weights);
    for (size_t i = 0; i < t->a.n; i++)
        weights[(size_t)(mlo_random_unit(seed) * (double)t->a.n)]++;
    for (size_t i = 0; i < t->b.n; i++)
        weights[t->a.n + (size_t)(mlo_random_unit(seed) * (double)t->b.n)]++;
}

static int bootstrap_both(struct two_samples *t, double between, const struct mlo_ratio_opts *o,
                          struct mlo_ratio *ret, struct mlo_err *err)
{
    size_t n = t->a.n + t->b.n;
    uint64_t seed = o->seed;
    MLO_AUTOFREE uint32_t *weights = mlo_calloc(n, sizeof *weights, err);
    MLO_AUTOFREE double *values = weights ? mlo_calloc(2 * (size_t)o->rounds, sizeof *values, err) : NULL;
    if (!values)
        return err->code;
    for (size_t i = 0; i < n; i++)
        weights[i] = 1;
    double at = middle_mean_ratio(t, weights), z = mlo_normal_isf((1 - o->confidence) / 2);
    for (unsigned i = 0; i < o->rounds; i++) {
        draw_both(t, weights, &seed);
        values[i] = middle_mean_ratio(t, weights);
    }
    mlo_sort_doubles(values, o->rounds, values + o->rounds);
    double below = at - mlo_quantile_sorted(values, o->rounds, (1 - o->confidence) / 2);
    double above = mlo_quantile_sorted(values, o->rounds, (1 + o->confidence) / 2) - at;
    *ret = (struct mlo_ratio){exp(at), exp(at - hypot(below, z * between)),
                              exp(at + hypot(above, z * between))};
    return 0;
}

int mlo_ratio_of_samples(const double *a, size_t n, const double *b, size_t m, double between,
                         const struct mlo_ratio_opts *o, struct mlo_ratio *ret, struct mlo_err *err)
{
    struct two_samples t = {0};
    int rc = sort_logs(a, n, &t.a, err);
    if (rc == 0)
        rc = sort_logs(b, m, &t.b, err);
    if (rc == 0)
        rc = bootstrap_both(&t, between, o, ret, err);
    free(t.a.at);
    free(t.b.at);
    return rc;
}

/* ---- of quantiles of all that was measured ---- */

struct pooled {
    struct sorted_pairs a, b; /* each measurement with its pair */
    double q;
};

static double quantile(const struct sorted_pairs *p, const uint32_t *weights, double q)
{
    double total = 0, seen = 0;
    for (size_t i = 0; i < p->n; i++)
        total += weights[p->at[i].pair];
    for (size_t i = 0; i < p->n; i++) {
        seen += weights[p->at[i].pair];
        if (seen >= q * total && seen > 0)
            return p->at[i].value;
    }
    return p->at[p->n - 1].value;
}

static double log_quantile_ratio(void *ctx, const uint32_t *weights)
{
    const struct pooled *p = ctx;
    return log(quantile(&p->b, weights, p->q) / quantile(&p->a, weights, p->q));
}

static int pool(const struct mlo_blocks *b, struct sorted_pairs *ret, struct mlo_err *err)
{
    size_t n = b->starts[b->n];
    struct weighed *at = mlo_calloc(n, sizeof *at, err);
    if (!at)
        return err->code;
    for (size_t i = 0; i < b->n; i++)
        for (size_t k = b->starts[i]; k < b->starts[i + 1]; k++)
            at[k] = (struct weighed){b->x[k], (uint32_t)i};
    qsort(at, n, sizeof *at, by_value);
    *ret = (struct sorted_pairs){at, n};
    return 0;
}

int mlo_ratio_of_quantiles(const struct mlo_blocks *a, const struct mlo_blocks *b, double q,
                           const struct mlo_ratio_opts *o, struct mlo_ratio *ret, struct mlo_err *err)
{
    struct pooled p = {.q = q};
    int rc = pool(a, &p.a, err);
    if (rc == 0)
        rc = pool(b, &p.b, err);
    struct resampling r = {.pairs = a->n, .statistic = log_quantile_ratio, .ctx = &p};
    if (rc == 0)
        rc = bootstrap(&r, o, ret, err);
    free(p.a.at);
    free(p.b.at);
    return rc;
}

/* ---- the verdict ---- */

enum mlo_gate mlo_ratio_gate(const struct mlo_ratio *r, double tolerance, double p, size_t pairs,
                             size_t *ret_more)
{
    double limit = log1p(tolerance), at = log(r->ratio), low = log(r->low), high = log(r->high);
    *ret_more = 0;
    if (high < limit)
        return MLO_GATE_PASS;
    if (low > limit && p < MLO_GATE_P)
        return MLO_GATE_FAIL;
    double width = at > limit ? at - low : high - at, margin = fabs(at - limit);
    double needed = margin > 0 ? (double)pairs * (width / margin) * (width / margin) : INFINITY;
    double more = ceil(needed * 1.1) - (double)pairs;
    *ret_more = more >= MLO_GATE_MORE_MAX ? MLO_GATE_MORE_MAX : more < 1 ? 1 : (size_t)more;
    return MLO_GATE_INCONCLUSIVE;
}
