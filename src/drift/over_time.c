/*
 * Windows against the reference. A thousand windows of a hundred columns are as many tests, so the p-values
 * of all of them are adjusted together: without drift one window in twenty runs is called drifted, not one
 * in twenty windows.
 */
#include "internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct figure { /* of one column in one window */
    double psi, noise, missing, p, missing_p;
};
struct table {
    struct mlo_drift_report *report;
    const struct mlo_windows *windows;
    const struct mlo_window_set *set;
    const struct mlo_window_column **of; /* of each column of the report; NULL: not compared */
    struct figure *figures;              /* windows by columns of the report */
};

static const struct mlo_window_column *counted_column(const struct mlo_windows *w,
                                                      const struct mlo_drift_column *c)
{
    for (size_t i = 0; c->counts_reference && i < w->n_columns; i++)
        if (w->columns[i].reference && strcmp(w->columns[i].reference->name, c->name) == 0)
            return &w->columns[i];
    return NULL;
}

static uint64_t total(const uint64_t *counts, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += counts[i];
    return sum;
}

/* Texts too rare for the test count with the others, as in the comparison of the whole. */
static size_t pool_texts(const struct mlo_window_column *c, const uint64_t *a, const uint64_t *b,
                         uint64_t *pooled_a, uint64_t *pooled_b)
{
    double n = (double)total(a, c->bins - 1), m = (double)total(b, c->bins - 1);
    double share = n + m > 0 ? fmin(n, m) / (n + m) : 0;
    size_t used = 0;
    uint64_t others_a = a[c->bins - 2], others_b = b[c->bins - 2];
    for (size_t i = 0; i + 2 < c->bins; i++) {
        if ((double)(a[i] + b[i]) * share >= MLO_EXPECTED_MIN) {
            pooled_a[used] = a[i];
            pooled_b[used++] = b[i];
        } else {
            others_a += a[i];
            others_b += b[i];
        }
    }
    pooled_a[used] = others_a;
    pooled_b[used++] = others_b;
    pooled_a[used] = a[c->bins - 1];
    pooled_b[used++] = b[c->bins - 1];
    return used;
}

static int compare_window(const struct mlo_window_column *c, const uint64_t *a, const uint64_t *b,
                          struct figure *ret, struct mlo_err *err)
{
    uint64_t pooled_a[MLO_WINDOW_TEXTS + 2], pooled_b[MLO_WINDOW_TEXTS + 2];
    struct mlo_drift_column now = {.bins = c->bins, .counts_reference = a, .counts_current = b};
    uint64_t n = total(a, c->bins), m = total(b, c->bins);
    if (c->bin_of) {
        now.bins = pool_texts(c, a, b, pooled_a, pooled_b);
        now.counts_reference = pooled_a;
        now.counts_current = pooled_b;
    }
    mlo_compare_counts(&now);
    mlo_compare_missing(a[c->bins - 1], n, b[c->bins - 1], m, &now);
    int rc = c->bin_of ? 0 : mlo_compare_order(a, b, c->bins - 1, &now, err);
    bool missing = a[c->bins - 1] + b[c->bins - 1] > 0;
    *ret = (struct figure){now.psi, now.psi_noise.level95, now.missing_current, now.p,
                           missing ? now.missing_test.p : NAN};
    return rc;
}

static int adjust(struct table *t, struct mlo_err *err)
{
    size_t all = t->set->n * t->report->n_columns;
    MLO_AUTOFREE double *p = mlo_calloc(2 * all + 1, sizeof *p, err);
    if (!p)
        return MLO_EIO;
    for (size_t i = 0; i < all; i++) {
        bool compared = t->of[i % t->report->n_columns] != NULL;
        p[i] = compared ? t->figures[i].p : NAN;
        p[all + i] = compared ? t->figures[i].missing_p : NAN;
    }
    int rc = mlo_adjust_both(p, p + all, all, err);
    for (size_t i = 0; rc == 0 && i < all; i++) {
        t->figures[i].p = p[i];
        t->figures[i].missing_p = p[all + i];
    }
    return rc;
}

/* The report's column as it was in this window. */
static struct mlo_drift_column column_then(const struct mlo_drift_column *whole, const struct figure *f)
{
    struct mlo_drift_column c = *whole;
    c.psi = f->psi;
    c.p_adjusted = f->p;
    c.missing_current = f->missing;
    c.missing_p_adjusted = f->missing_p;
    bool drift = mlo_drift_missing_jumped(&c) || (f->psi > c.limits.psi && f->p < c.limits.p);
    c.verdict = drift ? MLO_VERDICT_DRIFT : MLO_VERDICT_STABLE;
    return c;
}

static void conclude_window(const struct table *t, size_t at, struct mlo_drift_column *columns)
{
    struct mlo_drift_report *r = t->report;
    struct mlo_drift_window *w = &r->windows[at];
    const struct figure *f = t->figures + at * r->n_columns;
    double *psi = r->window_psi + at * r->n_columns;
    size_t n = 0, worst = SIZE_MAX;
    bool worst_drifted = false;
    for (size_t i = 0; i < r->n_columns; i++) {
        psi[i] = t->of[i] ? f[i].psi : NAN;
        if (!t->of[i])
            continue;
        columns[n] = column_then(&r->columns[i], &f[i]);
        bool drifted = columns[n++].verdict == MLO_VERDICT_DRIFT;
        if (worst == SIZE_MAX || drifted > worst_drifted ||
            (drifted == worst_drifted && f[i].psi > f[worst].psi)) {
            worst = i;
            worst_drifted = drifted;
        }
    }
    w->psi = psi;
    w->verdict = mlo_drift_weigh(r, columns, n, &w->share_drifted);
    if (worst == SIZE_MAX)
        return;
    w->worst = r->columns[worst].name;
    w->worst_psi = f[worst].psi;
    w->worst_noise = f[worst].noise;
    w->worst_limit = r->columns[worst].limits.psi;
}

static void name_window(const struct mlo_windows *w, const struct mlo_window *from,
                        struct mlo_drift_window *ret)
{
    uint64_t first = (uint64_t)from->time.from_ns * w->span.rows + 1;
    ret->rows = from->rows;
    if (w->span.unit == MLO_WINDOW_ROWS) {
        snprintf(ret->label, sizeof ret->label, "rows %llu to %llu", (unsigned long long)first,
                 (unsigned long long)(first + from->rows - 1));
        return;
    }
    mlo_window_label(w->span.unit, from->time.from_ns, ret->label);
    ret->from_ns = from->time.from_ns;
    ret->to_ns = from->time.to_ns;
}

static int fill(struct table *t, struct mlo_err *err)
{
    struct mlo_drift_report *r = t->report;
    MLO_AUTOFREE struct mlo_drift_column *columns = mlo_calloc(r->n_columns + 1, sizeof *columns, err);
    if (!columns)
        return MLO_EIO;
    for (size_t i = 0; i < r->n_columns; i++)
        t->of[i] = counted_column(t->windows, &r->columns[i]);
    int rc = 0;
    for (size_t w = 0; rc == 0 && w < t->set->n; w++)
        for (size_t i = 0; rc == 0 && i < r->n_columns; i++)
            if (t->of[i])
                rc = compare_window(t->of[i], t->windows->reference + t->of[i]->at,
                                    t->set->list[w].counts + t->of[i]->at, &t->figures[w * r->n_columns + i],
                                    err);
    if (rc == 0)
        rc = adjust(t, err);
    for (size_t w = 0; rc == 0 && w < t->set->n; w++) {
        name_window(t->windows, &t->set->list[w], &r->windows[w]);
        conclude_window(t, w, columns);
    }
    return rc;
}

int mlo_drift_over_time(struct mlo_drift_report *r, const struct mlo_windows *w, struct mlo_err *err)
{
    static const struct mlo_window_set none;
    struct table t = {.report = r, .windows = w, .set = w->workers ? &w->sets[0] : &none};
    size_t cells = t.set->n * r->n_columns + 1;
    MLO_AUTOFREE struct figure *figures = mlo_calloc(cells, sizeof *figures, err);
    MLO_AUTOFREE const struct mlo_window_column **of = mlo_calloc(r->n_columns + 1, sizeof *of, err);
    r->windows = mlo_calloc(t.set->n + 1, sizeof *r->windows, err);
    r->window_psi = mlo_calloc(cells, sizeof *r->window_psi, err);
    if (!figures || !of || !r->windows || !r->window_psi)
        return MLO_EIO;
    t.figures = figures;
    t.of = of;
    int rc = fill(&t, err);
    r->n_windows = rc == 0 ? t.set->n : 0;
    return rc;
}

/* ---- for those who show them ---- */

double mlo_drift_most(const struct mlo_drift_report *r, size_t column, size_t from, size_t to)
{
    double most = NAN;
    for (size_t i = from; i < to; i++)
        most = r->windows[i].psi ? fmax(most, r->windows[i].psi[column]) : most;
    return most;
}

size_t mlo_drift_movers(const struct mlo_drift_report *r, size_t *ret, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_columns; i++) {
        double most = mlo_drift_most(r, i, 0, r->n_windows);
        size_t at = n;
        while (at > 0 && most > mlo_drift_most(r, ret[at - 1], 0, r->n_windows))
            at--;
        if (isnan(most) || at == max)
            continue;
        n += n < max;
        memmove(&ret[at + 1], &ret[at], (n - 1 - at) * sizeof *ret);
        ret[at] = i;
    }
    return n;
}
