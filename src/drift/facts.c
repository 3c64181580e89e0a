/* Facts of the report: which there are, and what they have in common. */
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "facts.h"

int mlo_fact_add(struct mlo_drift_report *r, const struct mlo_drift_fact *f, struct mlo_err *err)
{
    size_t cap = r->n_facts;
    int rc = mlo_grow(&r->facts, &cap, r->n_facts + 1, sizeof *r->facts, err);
    if (rc == 0)
        r->facts[r->n_facts++] = *f;
    return rc;
}

void mlo_fact_normal(struct mlo_drift_fact *f, double error)
{
    double change = f->current - f->reference, z = mlo_normal_isf((1 - MLO_FACT_CONFIDENCE) / 2);
    f->interval = (struct mlo_interval){change - z * error, change + z * error};
    f->p = error > 0 ? 2 * mlo_normal_sf(fabs(change) / error) : change != 0 ? 0 : 1;
}

double mlo_fact_mean(const struct mlo_exact_sum *sum, const struct mlo_exact_sum *squares, uint64_t count,
                     double *ret_variance)
{
    double n = (double)count, mean = mlo_exact_sum_value(sum) / n;
    *ret_variance = fmax(0, mlo_exact_sum_value(squares) / n - mean * mean) / n;
    return mean;
}

void mlo_fact_judge(struct mlo_drift_fact *f, bool falls, double p)
{
    double change = falls ? f->reference - f->current : f->current - f->reference;
    f->verdict = change > f->limit && f->p < p ? MLO_VERDICT_DRIFT : MLO_VERDICT_STABLE;
}

const char *mlo_fact_title(const struct mlo_drift_fact *f, char buf[MLO_FACT_TITLE_MAX])
{
    enum { NAME_MAX = 100 };
    const char *column = f->column ? f->column : "";
    size_t n = strlen(column);
    snprintf(buf, MLO_FACT_TITLE_MAX, "%s%s%.*s%s", f->name, f->column ? ": " : "",
             (int)(n > NAME_MAX ? mlo_utf8_cut(column, NAME_MAX) : n), column,
             f->estimate ? " (estimated)" : "");
    return buf;
}

/* ---- predictions ---- */

static int add_prediction(const struct mlo_facts *f, const struct mlo_drift_column *c, struct mlo_err *err)
{
    static const char *const names[] = {[MLO_ROLE_PREDICTION] = "prediction_psi",
                                        [MLO_ROLE_SCORE] = "score_psi",
                                        [MLO_ROLE_LABEL] = "label_psi"};
    struct mlo_drift_fact fact = {MLO_FACT_NONE, .name = names[c->role], .kind = "prediction",
                                  .column = c->name};
    fact.current = c->psi;
    fact.limit = c->limits.psi;
    fact.p = c->p_adjusted;
    fact.verdict = c->psi > fact.limit && fact.p < c->limits.p ? MLO_VERDICT_DRIFT : MLO_VERDICT_STABLE;
    snprintf(fact.why, sizeof fact.why, "PSI %.3f, limit %g, noise %.3f, adjusted p %.2g", c->psi, fact.limit,
             c->psi_noise.level95, fact.p);
    return mlo_fact_add(f->report, &fact, err);
}

static int add_predictions(const struct mlo_facts *f, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < f->report->n_columns; i++) {
        const struct mlo_drift_column *c = &f->report->columns[i];
        if (c->counts_reference &&
            (c->role == MLO_ROLE_PREDICTION || c->role == MLO_ROLE_SCORE || c->role == MLO_ROLE_LABEL))
            rc = add_prediction(f, c, err);
    }
    return rc;
}

/* ---- labels ---- */

/* Labels are spoken of, and yet nothing can be said. */
static int add_reason(const struct mlo_facts *f, const char *why, struct mlo_err *err)
{
    struct mlo_drift_fact fact = {MLO_FACT_NONE, .name = "accuracy", .kind = "performance",
                                  .verdict = MLO_VERDICT_IGNORED};
    snprintf(fact.why, sizeof fact.why, "%s", why);
    return mlo_fact_add(f->report, &fact, err);
}

static int add_outcomes(const struct mlo_facts *f, struct mlo_err *err)
{
    if (!f->x)
        return mlo_outcome_is_wanted(f->a)
                   ? add_reason(
                         f,
                         "label and prediction are not of one type, or the reference is a profile that "
                         "was made without roles",
                         err)
                   : 0;
    if (!f->y || f->x->kind != f->y->kind)
        return add_reason(f, "the current profile was made in another way", err);
    if (f->x->judged == 0)
        return add_reason(f, "no row of the reference has a label and a prediction", err);
    if (f->y->judged == 0)
        return mlo_facts_estimate(f, err);
    int rc = mlo_facts_performance(f, err);
    return rc == 0 ? mlo_facts_concept(f, err) : rc;
}

static bool is_adjustable(const struct mlo_drift_fact *f)
{
    return !isnan(f->p) && f->verdict != MLO_VERDICT_IGNORED && strcmp(f->name, "error_by_column") != 0;
}

/* Several facts are said of the same rows: their p-values are adjusted together (Benjamini and Hochberg).
 * Those that were adjusted before, by columns, stay. */
static int adjust(const struct mlo_facts *f, size_t first, struct mlo_err *err)
{
    struct mlo_drift_report *r = f->report;
    MLO_AUTOFREE double *p = mlo_calloc(r->n_facts + 1, sizeof *p, err);
    size_t n = 0;
    if (!p)
        return MLO_EIO;
    for (size_t i = first; i < r->n_facts; i++)
        if (is_adjustable(&r->facts[i]))
            p[n++] = r->facts[i].p;
    int rc = mlo_benjamini_hochberg(p, n, err);
    n = 0;
    for (size_t i = first; rc == 0 && i < r->n_facts; i++)
        if (is_adjustable(&r->facts[i])) {
            r->facts[i].p = p[n++];
            if (r->facts[i].p >= f->p)
                r->facts[i].verdict = MLO_VERDICT_STABLE;
        }
    return rc;
}

/* ---- all ---- */

static double pick(double given, double standard)
{
    return given > 0 ? given : standard;
}

int mlo_facts_find(const struct mlo_profile *a, const struct mlo_profile *b,
                   const struct mlo_drift_opts *opts, struct mlo_drift_report *r, struct mlo_err *err)
{
    const struct mlo_drift_fact_limits *l = &opts->facts;
    struct mlo_facts f = {.a = a, .b = b, .x = a->outcome, .y = b->outcome, .report = r};
    f.limits = (struct mlo_drift_fact_limits){.accuracy_drop = pick(l->accuracy_drop, 0.05),
                                              .error_rise = pick(l->error_rise, 0.1),
                                              .calibration_rise = pick(l->calibration_rise, 0.05),
                                              .auc_drop = pick(l->auc_drop, 0.05),
                                              .domain_auc = pick(l->domain_auc, 0.6),
                                              .latency_p95_ms = pick(l->latency_p95_ms, 100),
                                              .error_rate = pick(l->error_rate, 0.01)};
    f.p = pick(opts->feature.p, 0.05);
    int rc = add_predictions(&f, err);
    size_t first = r->n_facts;
    if (rc == 0)
        rc = add_outcomes(&f, err);
    if (rc == 0)
        rc = adjust(&f, first, err);
    if (rc == 0)
        rc = mlo_facts_operation(&f, err);
    return rc == 0 ? mlo_facts_domain(&f, err) : rc;
}
