/*
 * Can a model tell rows of the reference from current ones? What it needs for it moved, together if need be:
 * a change of how two columns go together leaves each by itself as it was. Area under the curve out of fold,
 * with DeLong's interval.
 */
#include <stdio.h>
#include <string.h>

#include "facts.h"
#include "rows.h"

#define FOLDS    5
#define ROWS_MIN ((size_t)50) /* of a side */
#define TOP      3            /* features named */
#define MISSING  (MLO_BOOST_CODES - 1)

struct domain { /* both samples, coded */
    const struct mlo_rows *a, *b;
    size_t n, n_features;
    size_t *column_a, *column_b; /* of each feature */
    const char **names;
    bool *listed;
    uint8_t *codes, *y, *fold;
    double *score, *gain;
};

static void release(struct domain *d)
{
    free(d->column_a);
    free(d->column_b);
    free(d->names);
    free(d->listed);
    free(d->codes);
    free(d->y);
    free(d->fold);
    free(d->score);
    free(d->gain);
}

static int allocate(struct domain *d, size_t columns, struct mlo_err *err)
{
    d->n = d->a->n + d->b->n;
    d->column_a = mlo_calloc(columns + 1, sizeof *d->column_a, err);
    d->column_b = mlo_calloc(columns + 1, sizeof *d->column_b, err);
    d->names = mlo_calloc(columns + 1, sizeof *d->names, err);
    d->listed = mlo_calloc(columns + 1, sizeof *d->listed, err);
    d->gain = mlo_calloc(columns + 1, sizeof *d->gain, err);
    d->codes = mlo_calloc(columns * d->n + 1, 1, err);
    d->y = mlo_calloc(d->n + 1, 1, err);
    d->fold = mlo_calloc(d->n + 1, 1, err);
    d->score = mlo_calloc(d->n + 1, sizeof *d->score, err);
    return d->column_a && d->column_b && d->names && d->listed && d->gain && d->codes && d->y && d->fold &&
                   d->score
               ? 0
               : MLO_EIO;
}

/* Features that both sides have and that were compared: no identifiers, times or constants. */
static void choose(const struct mlo_facts *f, struct domain *d)
{
    for (size_t i = 0; i < f->a->n_columns; i++)
        for (size_t k = 0; k < f->report->n_columns; k++) {
            const struct mlo_drift_column *c = &f->report->columns[k];
            const struct mlo_profile_column *other = mlo_profile_find(f->b, f->a->columns[i].name);
            if (c->name != f->a->columns[i].name || c->role != MLO_ROLE_FEATURE || !c->counts_reference ||
                !other)
                continue;
            d->names[d->n_features] = c->name;
            d->listed[d->n_features] = c->type == MLO_COLUMN_TEXT;
            d->column_a[d->n_features] = i;
            d->column_b[d->n_features++] = (size_t)(other - f->b->columns);
        }
}

static double cell(const struct domain *d, size_t feature, size_t row)
{
    return row < d->a->n ? d->a->cells[row * d->a->width + d->column_a[feature]]
                         : d->b->cells[(row - d->a->n) * d->b->width + d->column_b[feature]];
}

struct run { /* of one value among those in order */
    double value;
    size_t n;
};

static int by_count(const void *a, const void *b)
{
    const struct run *x = a, *y = b;
    if (x->n != y->n)
        return x->n < y->n ? 1 : -1;
    return (x->value > y->value) - (x->value < y->value);
}

/* Texts: the most frequent have a code each, the others one. */
static size_t frequent(const double *sorted, size_t n, double *edges, struct run *runs)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || sorted[i] > sorted[i - 1])
            runs[found++] = (struct run){sorted[i], 0};
        runs[found - 1].n++;
    }
    qsort(runs, found, sizeof *runs, by_count);
    found = found < MISSING - 1 ? found : MISSING - 1;
    for (size_t i = 0; i < found; i++)
        edges[i] = runs[i].value;
    return found;
}

/* Numbers: borders of as many parts of equal size. */
static size_t borders(const double *sorted, size_t n, double *edges)
{
    size_t found = 0;
    for (size_t i = 1; i < MISSING && n > 0; i++) {
        double e = sorted[i * n / MISSING];
        if (found == 0 ? e > sorted[0] : e > edges[found - 1])
            edges[found++] = e;
    }
    return found;
}

static uint8_t code_of(double v, const double *edges, size_t n, bool listed)
{
    size_t i = 0;
    if (isnan(v))
        return MISSING;
    while (i < n && (listed ? edges[i] < v || edges[i] > v : edges[i] <= v))
        i++;
    return (uint8_t)i;
}

static int code_feature(struct domain *d, size_t feature, struct mlo_err *err)
{
    MLO_AUTOFREE double *values = mlo_calloc(2 * d->n + 1, sizeof *values, err);
    MLO_AUTOFREE struct run *runs = values ? mlo_calloc(d->n + 1, sizeof *runs, err) : NULL;
    double edges[MISSING];
    size_t n = 0;
    if (!runs)
        return MLO_EIO;
    for (size_t row = 0; row < d->n; row++) {
        double v = cell(d, feature, row);
        if (!isnan(v))
            values[n++] = v;
    }
    mlo_sort_doubles(values, n, values + d->n);
    size_t found = d->listed[feature] ? frequent(values, n, edges, runs) : borders(values, n, edges);
    for (size_t row = 0; row < d->n; row++)
        d->codes[feature * d->n + row] = code_of(cell(d, feature, row), edges, found, d->listed[feature]);
    return 0;
}

static int code(struct domain *d, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < d->n_features; i++)
        rc = code_feature(d, i, err);
    for (size_t row = 0; row < d->n; row++) {
        uint64_t key = row < d->a->n ? d->a->keys[row] : d->b->keys[row - d->a->n];
        d->y[row] = row >= d->a->n;
        d->fold[row] = (uint8_t)(key % FOLDS);
    }
    return rc;
}

/* "age (61 %), amount (22 %)" */
static void name_top(const struct domain *d, char *to, size_t size)
{
    double total = 0;
    size_t at = 0, used[TOP];
    for (size_t i = 0; i < d->n_features; i++)
        total += d->gain[i];
    *to = '\0';
    for (size_t k = 0; k < TOP && total > 0; k++) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < d->n_features; i++) {
            bool named = false;
            for (size_t j = 0; j < k; j++)
                named = named || used[j] == i;
            if (!named && d->gain[i] > 0 && (best == SIZE_MAX || d->gain[i] > d->gain[best]))
                best = i;
        }
        if (best == SIZE_MAX || at >= size)
            return;
        used[k] = best;
        at += (size_t)snprintf(to + at, size - at, "%s%.30s (%.0f %%)", k ? ", " : "", d->names[best],
                               100 * d->gain[best] / total);
    }
}

static int add_fact(const struct mlo_facts *f, const struct domain *d, struct mlo_err *err)
{
    struct mlo_drift_fact fact = {MLO_FACT_NONE, .name = "domain_auc", .kind = "feature"};
    struct mlo_auc auc;
    char top[140];
    int rc = mlo_delong(d->score + d->a->n, d->b->n, d->score, d->a->n, &auc, err);
    if (rc != 0)
        return rc;
    fact.reference = 0.5;
    fact.current = auc.auc;
    fact.limit = f->limits.domain_auc;
    mlo_fact_normal(&fact, sqrt(auc.variance));
    fact.verdict = fact.current > fact.limit && fact.p < f->p ? MLO_VERDICT_DRIFT : MLO_VERDICT_STABLE;
    name_top(d, top, sizeof top);
    snprintf(fact.why, sizeof fact.why, "%s; most by %s",
             fact.verdict == MLO_VERDICT_DRIFT ? "rows of the two sides can be told apart"
                                               : "rows of the two sides look alike",
             *top ? top : "nothing");
    return mlo_fact_add(f->report, &fact, err);
}

int mlo_facts_domain(const struct mlo_facts *f, struct mlo_err *err)
{
    struct domain d = {.a = f->a->sample, .b = f->b->sample};
    if (!d.a || !d.b || d.a->n < ROWS_MIN || d.b->n < ROWS_MIN)
        return 0;
    int rc = allocate(&d, f->a->n_columns, err);
    if (rc == 0) {
        choose(f, &d);
        rc = code(&d, err);
    }
    if (rc == 0 && d.n_features > 0) {
        const struct mlo_boost_data data = {.codes = d.codes,
                                            .listed = d.listed,
                                            .y = d.y,
                                            .fold = d.fold,
                                            .n = d.n,
                                            .n_features = d.n_features,
                                            .folds = FOLDS};
        rc = mlo_boost(&data, d.score, d.gain, err);
        if (rc == 0)
            rc = add_fact(f, &d, err);
    }
    release(&d);
    return rc;
}
