/*
 * How a service did, from its request log: latency and failed requests. The limits are of the current data
 * alone; an alarm needs the whole 95 % interval beyond the limit, so that few requests raise none. Beside
 * them stands the change against the reference, where that is a request log too.
 */
#include <stdio.h>

#include "facts.h"

#define STATUS_FAILED 500.0 /* the service's own faults begin here */

static const struct mlo_profile_column *column_of(const struct mlo_profile *p, enum mlo_column_role role)
{
    const char *name = mlo_profile_column_of(p, role);
    const struct mlo_profile_column *c = name ? mlo_profile_find(p, name) : NULL;
    return c && c->type == MLO_COLUMN_NUMBER && c->counts && c->n > 0 ? c : NULL;
}

/* ---- latency ---- */

struct quantile {
    double value;
    struct mlo_interval interval; /* ranks are binomial: from one value to another */
};

static struct quantile quantile_of(const struct mlo_profile_column *c, double q)
{
    double n = (double)c->n, z = mlo_normal_isf((1 - MLO_FACT_CONFIDENCE) / 2);
    double half = z * sqrt(q * (1 - q) / n);
    return (struct quantile){
        mlo_profile_quantile(c, q),
        {mlo_profile_quantile(c, fmax(q - half, 0)), mlo_profile_quantile(c, fmin(q + half, 1))}};
}

/* Of a difference of two estimates, from the interval of each (Donner and Zou 2012). */
static struct mlo_interval change_of(const struct quantile *a, const struct quantile *b)
{
    double change = b->value - a->value;
    return (struct mlo_interval){change - hypot(b->value - b->interval.low, a->interval.high - a->value),
                                 change + hypot(b->interval.high - b->value, a->value - a->interval.low)};
}

static int add_latency(const struct mlo_facts *f, const char *name, double q, double limit,
                       struct mlo_err *err)
{
    const struct mlo_profile_column *a = column_of(f->a, MLO_ROLE_LATENCY),
                                    *b = column_of(f->b, MLO_ROLE_LATENCY);
    struct mlo_drift_fact fact = {MLO_FACT_NONE, .name = name, .kind = "operation"};
    if (!b)
        return 0;
    struct quantile now = quantile_of(b, q);
    fact.current = now.value;
    fact.limit = limit;
    if (a) {
        struct quantile before = quantile_of(a, q);
        fact.reference = before.value;
        fact.interval = change_of(&before, &now);
    }
    bool above = now.value > limit, surely = now.interval.low > limit;
    fact.verdict = surely ? MLO_VERDICT_DRIFT : MLO_VERDICT_STABLE;
    int n = snprintf(fact.why, sizeof fact.why, "%.3g ms (95 %%: %.3g to %.3g)", now.value, now.interval.low,
                     now.interval.high);
    if (above)
        snprintf(fact.why + n, sizeof fact.why - (size_t)n, surely ? ", above %g" : ", not surely above %g",
                 limit);
    return mlo_fact_add(f->report, &fact, err);
}

/* ---- failed requests ---- */

static uint64_t failed_of(const struct mlo_profile_column *c)
{
    uint64_t failed = 0;
    for (size_t i = 1; i <= c->bins.n_edges; i++) /* a bin's lower edge is the one before it */
        failed += c->bins.edges[i - 1] >= STATUS_FAILED ? c->counts[i] : 0;
    return failed;
}

static int add_errors(const struct mlo_facts *f, double limit, struct mlo_err *err)
{
    const struct mlo_profile_column *a = column_of(f->a, MLO_ROLE_STATUS),
                                    *b = column_of(f->b, MLO_ROLE_STATUS);
    struct mlo_drift_fact fact = {MLO_FACT_NONE, .name = "error_rate", .kind = "operation"};
    struct mlo_interval now;
    struct mlo_test test;
    if (!b)
        return 0;
    uint64_t failed = failed_of(b);
    mlo_wilson(failed, b->n, MLO_FACT_CONFIDENCE, &now);
    fact.current = (double)failed / (double)b->n;
    fact.limit = limit;
    if (a) {
        fact.reference = (double)failed_of(a) / (double)a->n;
        mlo_newcombe(failed, b->n, failed_of(a), a->n, MLO_FACT_CONFIDENCE, &fact.interval);
        mlo_compare_shares(failed_of(a), a->n, failed, b->n, &test);
        fact.p = test.p;
    }
    bool above = fact.current > limit, surely = now.low > limit;
    fact.verdict = surely ? MLO_VERDICT_DRIFT : MLO_VERDICT_STABLE;
    int n = snprintf(fact.why, sizeof fact.why, "%llu of %llu requests failed (95 %%: %.2g %% to %.2g %%)",
                     (unsigned long long)failed, (unsigned long long)b->n, 100 * now.low, 100 * now.high);
    if (above)
        snprintf(fact.why + n, sizeof fact.why - (size_t)n,
                 surely ? ", above %g %%" : ", not surely above %g %%", 100 * limit);
    return mlo_fact_add(f->report, &fact, err);
}

int mlo_facts_operation(const struct mlo_facts *f, struct mlo_err *err)
{
    int rc = add_latency(f, "latency_p50_ms", 0.5, NAN, err);
    if (rc == 0)
        rc = add_latency(f, "latency_p95_ms", 0.95, f->limits.latency_p95_ms, err);
    if (rc == 0)
        rc = add_latency(f, "latency_p99_ms", 0.99, NAN, err);
    return rc == 0 ? add_errors(f, f->limits.error_rate, err) : rc;
}
