/*
 * Labels on both sides: is the model right less often, and is it so at equal inputs? Only the second is a
 * change of concept; rows of a harder kind alone make the first.
 */
#include <stdio.h>
#include <string.h>

#include "facts.h"

#define OVERLAP_MIN   0.1         /* of the sides at equal values, for a column to say anything */
#define SHOWN_COLUMNS ((size_t)5) /* alarms of single columns */

static double share(uint64_t k, uint64_t n)
{
    return n ? (double)k / (double)n : 0;
}

/* ---- how often ---- */

static struct mlo_drift_fact of_shares(const char *name, uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2)
{
    struct mlo_drift_fact f = {MLO_FACT_NONE, .name = name, .kind = "performance"};
    struct mlo_test t;
    mlo_compare_shares(k1, n1, k2, n2, &t);
    mlo_newcombe(k2, n2, k1, n1, MLO_FACT_CONFIDENCE, &f.interval);
    f.reference = share(k1, n1);
    f.current = share(k2, n2);
    f.p = t.p;
    return f;
}

static int add_accuracy(const struct mlo_facts *f, struct mlo_err *err)
{
    const struct mlo_outcome *x = f->x, *y = f->y;
    struct mlo_drift_fact fact = of_shares("accuracy", x->right, x->judged, y->right, y->judged);
    fact.limit = f->limits.accuracy_drop;
    mlo_fact_judge(&fact, true, f->p);
    snprintf(fact.why, sizeof fact.why,
             "%.1f %% of %llu labelled rows right, now %.1f %% of %llu; limit %g points down",
             100 * fact.reference, (unsigned long long)x->judged, 100 * fact.current,
             (unsigned long long)y->judged, 100 * fact.limit);
    return mlo_fact_add(f->report, &fact, err);
}

/* ---- classes one by one ---- */

struct recall {
    uint64_t n1, k1, n2, k2;
    double p;
};

static uint64_t row_sum(const struct mlo_outcome *o, size_t label)
{
    uint64_t sum = 0;
    for (size_t q = 0; q < o->n_classes; q++)
        sum += o->confusion[label * MLO_OUTCOME_CLASSES_MAX + q];
    return sum;
}

static size_t place_of(const struct mlo_outcome *o, const char *name)
{
    size_t i = 0;
    while (i < o->n_classes && strcmp(o->classes[i], name) != 0)
        i++;
    return i;
}

static struct recall recall_of(const struct mlo_facts *f, size_t label)
{
    const struct mlo_outcome *x = f->x, *y = f->y;
    struct recall r = {.n1 = row_sum(x, label), .k1 = x->confusion[label * (MLO_OUTCOME_CLASSES_MAX + 1)]};
    size_t other = place_of(y, x->classes[label]);
    struct mlo_test t;
    if (other < y->n_classes) {
        r.n2 = row_sum(y, other);
        r.k2 = y->confusion[other * (MLO_OUTCOME_CLASSES_MAX + 1)];
    }
    mlo_compare_shares(r.k1, r.n1, r.k2, r.n2, &t);
    r.p = r.n1 && r.n2 ? t.p : 1;
    return r;
}

static bool is_worse(const struct recall *a, const struct recall *b, double level)
{
    bool x = a->p < level, y = b->p < level;
    double drop_a = share(a->k1, a->n1) - share(a->k2, a->n2),
           drop_b = share(b->k1, b->n1) - share(b->k2, b->n2);
    return x != y ? x : a->n1 && a->n2 && (drop_a > drop_b || !b->n1 || !b->n2);
}

/* The class that is found less often than before. p-values are adjusted over the classes. */
static int add_recall(const struct mlo_facts *f, struct mlo_err *err)
{
    struct recall classes[MLO_OUTCOME_CLASSES_MAX];
    double p[MLO_OUTCOME_CLASSES_MAX];
    size_t n = f->x->n_classes, worst = 0;
    if (f->x->many || f->y->many || n < 2 || f->y->n_classes == 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        classes[i] = recall_of(f, i);
        p[i] = classes[i].p;
    }
    int rc = mlo_benjamini_hochberg(p, n, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n; i++)
        classes[i].p = p[i];
    for (size_t i = 1; i < n; i++)
        if (is_worse(&classes[i], &classes[worst], f->p))
            worst = i;
    const struct recall *w = &classes[worst];
    if (w->n1 == 0 || w->n2 == 0)
        return 0;
    struct mlo_drift_fact fact = of_shares("recall_worst_class", w->k1, w->n1, w->k2, w->n2);
    fact.p = w->p;
    fact.limit = f->limits.accuracy_drop;
    mlo_fact_judge(&fact, true, f->p);
    snprintf(fact.why, sizeof fact.why, "of %llu rows of class %.40s %.1f %% were found, now of %llu %.1f %%",
             (unsigned long long)w->n1, f->x->classes[worst], 100 * fact.reference, (unsigned long long)w->n2,
             100 * fact.current);
    return mlo_fact_add(f->report, &fact, err);
}

/* ---- errors of numbers ---- */

static int add_error(const struct mlo_facts *f, struct mlo_drift_fact *fact, double error,
                     struct mlo_err *err)
{
    mlo_fact_normal(fact, error);
    fact->limit = f->limits.error_rise * fact->reference;
    mlo_fact_judge(fact, false, f->p);
    snprintf(fact->why, sizeof fact->why, "%.4g on %llu labelled rows, now %.4g on %llu; limit %g %% up",
             fact->reference, (unsigned long long)f->x->measured, fact->current,
             (unsigned long long)f->y->measured, 100 * f->limits.error_rise);
    return mlo_fact_add(f->report, fact, err);
}

static int add_errors(const struct mlo_facts *f, struct mlo_err *err)
{
    const struct mlo_outcome *x = f->x, *y = f->y;
    struct mlo_drift_fact mae = {MLO_FACT_NONE, .name = "mae", .kind = "performance"}, rmse = mae;
    double va, vb;
    if (x->measured == 0 || y->measured == 0)
        return 0;
    mae.reference = mlo_fact_mean(&x->absolute, &x->squares, x->measured, &va);
    mae.current = mlo_fact_mean(&y->absolute, &y->squares, y->measured, &vb);
    int rc = add_error(f, &mae, sqrt(va + vb), err);
    rmse.name = "rmse";
    rmse.reference = sqrt(mlo_fact_mean(&x->squares, &x->fourth, x->measured, &va));
    rmse.current = sqrt(mlo_fact_mean(&y->squares, &y->fourth, y->measured, &vb));
    if (rc != 0 || rmse.reference <= 0 || rmse.current <= 0)
        return rc;
    va /= 4 * rmse.reference * rmse.reference; /* the delta method: of the root */
    vb /= 4 * rmse.current * rmse.current;
    return add_error(f, &rmse, sqrt(va + vb), err);
}

/* ---- at equal inputs ---- */

struct by_column {
    size_t i;
    struct mlo_shifts shifts;
    struct mlo_test cmh, apart;
    size_t worst;
    double worst_reference; /* share of wrong rows there */
    char where[120];
};

static void test_column(const struct mlo_facts *f, const struct mlo_strata *s, struct by_column *ret)
{
    uint64_t wrong = 0, rows = 0;
    mlo_strata_shifts(s, &ret->shifts);
    const struct mlo_shift *all = &ret->shifts.all;
    ret->cmh = (struct mlo_test){.p = 1, .df = 1};
    if (all->variance > 0) {
        ret->cmh.statistic = all->difference * all->difference / all->variance;
        ret->cmh.p = mlo_chi2_sf(ret->cmh.statistic, 1);
    }
    mlo_shifts_test(&ret->shifts, s->groups, true, &ret->apart);
    ret->worst = mlo_shifts_worst(&ret->shifts, s->groups);
    for (size_t i = 0; i < s->n; i++)
        if (s->list[i].group == ret->worst) {
            wrong += s->list[i].wrong[0];
            rows += s->list[i].wrong[0] + s->list[i].right[0];
        }
    ret->worst_reference = share(wrong, rows);
    mlo_strata_name(f, ret->i, s, ret->worst, ret->where, sizeof ret->where);
}

static int test_columns(const struct mlo_facts *f, struct by_column *list, size_t *ret_n, struct mlo_err *err)
{
    size_t n = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < f->x->n_columns; i++) {
        struct mlo_strata s;
        rc = mlo_strata_of(f, i, &s, err);
        if (rc == 0 && s.n > 0) {
            list[n].i = i;
            test_column(f, &s, &list[n]);
            n += list[n].shifts.overlap >= OVERLAP_MIN;
        }
        if (rc == 0)
            mlo_strata_release(&s);
    }
    *ret_n = n;
    return rc;
}

/* The change that no column's case mix explains: judged at equal values of the column that explains most. */
static int add_same_mix(const struct mlo_facts *f, const struct by_column *list, size_t n,
                        struct mlo_err *err)
{
    bool numbers = f->x->kind == MLO_OUTCOME_NUMBERS;
    size_t most = 0;
    for (size_t i = 1; i < n; i++)
        if (list[i].cmh.p > list[most].cmh.p)
            most = i;
    const struct by_column *c = &list[most];
    const struct mlo_shift *all = &c->shifts.all;
    double change = all->difference / all->weight, wrong = 1 - share(f->x->right, f->x->judged);
    struct mlo_drift_fact fact = {MLO_FACT_NONE,
                                  .name = numbers ? "large_errors_same_mix" : "accuracy_same_mix",
                                  .kind = "concept", .column = f->a->columns[c->i].name};
    fact.reference = numbers ? wrong : 1 - wrong;
    fact.current = numbers ? wrong + change : 1 - wrong - change;
    mlo_fact_normal(&fact, sqrt(all->variance) / all->weight);
    fact.p = c->cmh.p;
    fact.limit = f->limits.accuracy_drop;
    mlo_fact_judge(&fact, !numbers, f->p);
    snprintf(
        fact.why, sizeof fact.why,
        "%s %.1f points %s at equal '%.40s', the column that explains most (Cochran-Mantel-Haenszel p %.2g)",
        numbers ? "large errors" : "accuracy", fabs(100 * change), (change > 0) == numbers ? "up" : "down",
        fact.column, c->cmh.p);
    return mlo_fact_add(f->report, &fact, err);
}

static int by_p(const void *a, const void *b)
{
    const struct by_column *x = a, *y = b;
    if (x->apart.p < y->apart.p || x->apart.p > y->apart.p)
        return x->apart.p < y->apart.p ? -1 : 1;
    return (x->i > y->i) - (x->i < y->i);
}

/* A column by itself proves nothing: errors move unevenly along it too when the mix of another one changed.
 * It says where, once a change at equal inputs is proven. */
static bool is_proven(const struct mlo_drift_report *r)
{
    for (size_t i = 0; i < r->n_facts; i++)
        if (r->facts[i].verdict == MLO_VERDICT_DRIFT && strcmp(r->facts[i].kind, "concept") == 0)
            return true;
    return false;
}

static struct mlo_drift_fact of_column(const struct mlo_facts *f, const struct by_column *c, bool proven)
{
    const struct mlo_shift *w = &c->shifts.group[c->worst];
    struct mlo_drift_fact fact = {MLO_FACT_NONE, .name = "error_by_column", .kind = "concept",
                                  .column = f->a->columns[c->i].name};
    fact.reference = c->worst_reference;
    fact.current = c->worst_reference + (w->weight > 0 ? w->difference / w->weight : 0);
    if (w->weight > 0)
        mlo_fact_normal(&fact, sqrt(w->variance) / w->weight);
    fact.p = c->apart.p;
    fact.limit = 2 * f->limits.accuracy_drop;
    mlo_fact_judge(&fact, false, f->p);
    bool uneven = fact.verdict == MLO_VERDICT_DRIFT;
    if (!proven)
        fact.verdict = MLO_VERDICT_STABLE;
    snprintf(fact.why, sizeof fact.why, "by '%.40s' errors moved %s: %.1f %% %s, now %.1f %%", fact.column,
             uneven ? proven ? "unevenly" : "unevenly, as the mix of rows explains" : "evenly",
             100 * fact.reference, c->where, 100 * fact.current);
    return fact;
}

/* Columns along which errors moved more in one place than in others; without any, the one that came nearest.
 */
static int add_columns(const struct mlo_facts *f, struct by_column *list, size_t n, struct mlo_err *err)
{
    MLO_AUTOFREE double *p = mlo_calloc(n + 1, sizeof *p, err);
    size_t shown = 0;
    bool proven = is_proven(f->report);
    if (!p)
        return MLO_EIO;
    qsort(list, n, sizeof *list, by_p);
    for (size_t i = 0; i < n; i++)
        p[i] = list[i].apart.p;
    int rc = mlo_benjamini_hochberg(p, n, err);
    for (size_t i = 0; rc == 0 && i < n && shown < SHOWN_COLUMNS; i++) {
        list[i].apart.p = p[i];
        struct mlo_drift_fact fact = of_column(f, &list[i], proven);
        if (fact.verdict == MLO_VERDICT_DRIFT || (i + 1 == n && shown == 0)) {
            rc = mlo_fact_add(f->report, &fact, err);
            shown++;
        }
    }
    return rc;
}

int mlo_facts_concept(const struct mlo_facts *f, struct mlo_err *err)
{
    MLO_AUTOFREE struct by_column *list = mlo_calloc(f->x->n_columns + 1, sizeof *list, err);
    size_t n = 0;
    int rc = list ? test_columns(f, list, &n, err) : MLO_EIO;
    if (rc == 0 && n > 0)
        rc = add_same_mix(f, list, n, err);
    if (rc == 0)
        rc = mlo_facts_calibration(f, err);
    return rc == 0 && n > 0 ? add_columns(f, list, n, err) : rc;
}

int mlo_facts_performance(const struct mlo_facts *f, struct mlo_err *err)
{
    int rc = 0;
    if (f->x->kind == MLO_OUTCOME_NUMBERS) {
        rc = add_errors(f, err);
    } else {
        rc = add_accuracy(f, err);
        if (rc == 0)
            rc = add_recall(f, err);
    }
    return rc;
}
