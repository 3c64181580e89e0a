/*
 * NannyML 0.13: a value for each chunk of the current data (ten, by rows), against the reference; a chunk
 * alarms above the mean plus three standard deviations of the reference's own chunks.
 */
#include "compat.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CHUNKS = 10, FINE_BINS = 10000, FINE_FROM = 10000 /* rows */ };

struct fitted { /* to the reference */
    const struct mlo_compat_column *c;
    struct mlo_edges edges; /* numbers */
    uint64_t *counts;       /* of the reference in its bins */
    bool fine;              /* KS and Wasserstein by 10,000 bins */
};
typedef int (*method_fn)(const struct fitted *f, const struct mlo_compat_values *v, struct mlo_test *ret,
                         struct mlo_err *err);

/* ---- bins ---- */

/* Doane 1976: Sturges with the skewness taken into account. */
static double doane(const struct mlo_compat_values *v)
{
    struct mlo_moments m;
    double n = (double)v->n;
    mlo_moments(v->x, v->n, &m);
    if (v->n <= 2 || !(m.variance > 0))
        return 0;
    double spread = sqrt(6 * (n - 2) / ((n + 1) * (n + 3)));
    return (m.max - m.min) / (1 + log2(n) + log2(1 + fabs(m.skewness) / spread));
}

static int fit(struct fitted *f, bool fine, struct mlo_err *err)
{
    const struct mlo_compat_values *x = &f->c->x;
    double low = x->x[0], high = x->x[x->n - 1];
    int rc = fine ? mlo_edges_even(low, high, FINE_BINS, &f->edges, err)
                  : mlo_edges_of_width(low, high, doane(x), &f->edges, err);
    if (rc != 0)
        return rc;
    f->fine = fine;
    f->counts = mlo_calloc(f->edges.bins, sizeof *f->counts, err);
    if (!f->counts)
        return MLO_EIO;
    mlo_edges_count(&f->edges, x, f->counts);
    return 0;
}

/* Shares in bins of the reference; what a chunk has beyond them is one more bin. */
struct shares {
    double *p, *q; /* q: p + n */
    size_t n;
};

static int shares_of(const uint64_t *a, const uint64_t *b, size_t bins, double n, double m,
                     struct shares *ret, struct mlo_err *err)
{
    double left = 1;
    ret->p = mlo_calloc(2 * (bins + 1), sizeof *ret->p, err);
    if (!ret->p)
        return MLO_EIO;
    ret->n = bins + 1;
    ret->q = ret->p + ret->n;
    for (size_t i = 0; i < bins; i++) {
        ret->p[i] = (double)a[i] / n;
        ret->q[i] = (double)b[i] / m;
        left -= ret->q[i];
    }
    ret->q[bins] = fmax(left, 0);
    return 0;
}

static int bin_shares(const struct fitted *f, const struct mlo_compat_values *v, struct shares *ret,
                      struct mlo_err *err)
{
    MLO_AUTOFREE uint64_t *counts = mlo_calloc(f->edges.bins, sizeof *counts, err);
    if (!counts)
        return MLO_EIO;
    mlo_edges_count(&f->edges, v, counts);
    return shares_of(f->counts, counts, f->edges.bins, (double)f->c->x.n, (double)v->n, ret, err);
}

/* Only what the reference has is a bin of its own. */
static int value_shares(const struct fitted *f, const struct mlo_compat_values *v, struct shares *ret,
                        struct mlo_err *err)
{
    struct mlo_counts c;
    size_t n = 0;
    int rc = mlo_counts_of_values(&f->c->x, v, &c, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < c.n; i++)
        if (c.a[i] > 0) {
            c.a[n] = c.a[i];
            c.b[n++] = c.b[i];
        }
    rc = shares_of(c.a, c.b, n, (double)f->c->x.n, (double)v->n, ret, err);
    mlo_counts_release(&c);
    return rc;
}

static int shares(const struct fitted *f, const struct mlo_compat_values *v, struct shares *ret,
                  struct mlo_err *err)
{
    return f->counts ? bin_shares(f, v, ret, err) : value_shares(f, v, ret, err);
}

/* ---- methods ---- */

/* A distance, base 2; the shares are made to sum to 1, as SciPy does. */
static int jensen_shannon(const struct fitted *f, const struct mlo_compat_values *v, struct mlo_test *ret,
                          struct mlo_err *err)
{
    struct shares s;
    double sum = 0, p = 0, q = 0;
    int rc = shares(f, v, &s, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < s.n; i++) {
        p += s.p[i];
        q += s.q[i];
    }
    for (size_t i = 0; i < s.n; i++) {
        double x = s.p[i] / p, y = s.q[i] / q, middle = (x + y) / 2;
        sum += (x > 0 ? x * log(x / middle) : 0) + (y > 0 ? y * log(y / middle) : 0);
    }
    free(s.p);
    ret->statistic = sqrt(fmax(sum, 0) / 2 / M_LN2);
    return 0;
}

static int hellinger(const struct fitted *f, const struct mlo_compat_values *v, struct mlo_test *ret,
                     struct mlo_err *err)
{
    struct shares s;
    double sum = 0;
    int rc = shares(f, v, &s, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < s.n; i++)
        sum += (sqrt(s.p[i]) - sqrt(s.q[i])) * (sqrt(s.p[i]) - sqrt(s.q[i]));
    free(s.p);
    ret->statistic = sqrt(sum) / M_SQRT2;
    return 0;
}

static size_t beyond(const struct mlo_compat_values *v, double low, double high, size_t *ret_above)
{
    size_t below = 0;
    *ret_above = 0;
    for (size_t i = 0; i < v->n; i++) {
        below += v->x[i] < low;
        *ret_above += v->x[i] > high;
    }
    return below;
}

static int kolmogorov_smirnov(const struct fitted *f, const struct mlo_compat_values *v, struct mlo_test *ret,
                              struct mlo_err *err)
{
    double n = (double)f->c->x.n, m = (double)v->n, a = 0, b, widest = 0;
    size_t above;
    if (!f->fine) {
        mlo_ks(f->c->x.x, f->c->x.n, v->x, v->n, ret);
        return 0;
    }
    MLO_AUTOFREE uint64_t *counts = mlo_calloc(f->edges.bins, sizeof *counts, err);
    if (!counts)
        return MLO_EIO;
    mlo_edges_count(&f->edges, v, counts);
    b = (double)beyond(v, f->edges.at[0], INFINITY, &above) / m;
    for (size_t i = 0; i < f->edges.bins; i++) {
        a += (double)f->counts[i] / n;
        b += (double)counts[i] / m;
        widest = fmax(widest, fabs(a - b));
    }
    ret->statistic = widest;
    return 0;
}

/* The area between the steps of n sorted values and a further one at `edge`, all on one side of it. */
static double tail(const double *x, size_t n, double edge, bool below)
{
    double sum = 0, all = (double)n + 1;
    for (size_t i = 0; i < n; i++) {
        double from = below    ? x[i]
                      : i == 0 ? edge
                               : x[i - 1],
               to = below ? (i + 1 < n ? x[i + 1] : edge) : x[i];
        double share = (double)(i + 1) / all;
        sum += (below ? share : 1 - share) * (to - from);
    }
    return sum;
}

static int wasserstein(const struct fitted *f, const struct mlo_compat_values *v, struct mlo_test *ret,
                       struct mlo_err *err)
{
    double n = (double)f->c->x.n, m = (double)v->n, a = 0, b = 0, sum = 0;
    size_t above;
    if (!f->fine) {
        ret->statistic = mlo_wasserstein(f->c->x.x, f->c->x.n, v->x, v->n);
        return 0;
    }
    MLO_AUTOFREE uint64_t *counts = mlo_calloc(f->edges.bins, sizeof *counts, err);
    if (!counts)
        return MLO_EIO;
    const double *at = f->edges.at, low = at[0], high = at[f->edges.bins];
    size_t below = beyond(v, low, high, &above);
    mlo_edges_count(&f->edges, v, counts);
    if (below > 0) {
        b = ((double)below + 1) / m; /* one too many: as it is there */
        sum += tail(v->x, below, low, true) * b;
    }
    if (above > 0)
        sum += tail(v->x + v->n - above, above, high, false) * ((double)above + 1) / m;
    for (size_t i = 0; i < f->edges.bins; i++) {
        a += (double)f->counts[i] / n;
        b += (double)counts[i] / m;
        sum += fabs(a - b) * (at[1] - at[0]);
    }
    ret->statistic = sum;
    return 0;
}

static int chi2(const struct fitted *f, const struct mlo_compat_values *v, struct mlo_test *ret,
                struct mlo_err *err)
{
    struct mlo_counts c;
    int rc = mlo_counts_of_values(&f->c->x, v, &c, err);
    if (rc != 0)
        return rc;
    mlo_chi2_homogeneity(c.a, c.b, c.n, true, ret);
    mlo_counts_release(&c);
    return 0;
}

static int l_infinity(const struct fitted *f, const struct mlo_compat_values *v, struct mlo_test *ret,
                      struct mlo_err *err)
{
    struct mlo_counts c;
    int rc = mlo_counts_of_values(&f->c->x, v, &c, err);
    if (rc != 0)
        return rc;
    ret->statistic = mlo_linf(c.a, c.b, c.n, NULL);
    mlo_counts_release(&c);
    return 0;
}

static const struct method {
    const char *name;
    method_fn value;
    double most; /* of the threshold */
    bool numbers, categories, binned, by_p;
} methods[] = {
    {"jensen_shannon", jensen_shannon, INFINITY, true, true, true, false},
    {"hellinger", hellinger, INFINITY, true, true, true, false},
    {"kolmogorov_smirnov", kolmogorov_smirnov, 1, true, false, false, false},
    {"wasserstein", wasserstein, INFINITY, true, false, false, false},
    {"chi2", chi2, INFINITY, false, true, false, true},
    {"l_infinity", l_infinity, INFINITY, false, true, false, false},
};

/* ---- chunks ---- */

struct chunks {
    size_t size, n; /* the last may be shorter */
};

static struct chunks chunks_of(size_t rows)
{
    size_t size = rows / CHUNKS;
    return (struct chunks){size, size ? (rows + size - 1) / size : 0};
}

/* NaN when a chunk has no values. */
static int value_of_chunk(const struct method *m, const struct fitted *f,
                          const struct mlo_frame_column *column, size_t rows, size_t chunk,
                          struct mlo_test *ret, struct mlo_err *err)
{
    size_t size = rows / CHUNKS, from = chunk * size, n = rows - from < size ? rows - from : size;
    struct mlo_compat_values v;
    int rc = mlo_compat_values(column->values + from, n, &v, err);
    if (rc != 0)
        return rc;
    *ret = (struct mlo_test){.statistic = NAN, .p = 1};
    if (v.n > 0)
        rc = m->value(f, &v, ret, err);
    mlo_compat_values_release(&v);
    return rc;
}

static int find_threshold(const struct method *m, const struct fitted *f, double *ret, struct mlo_err *err)
{
    struct chunks c = chunks_of(f->c->rows_reference);
    MLO_AUTOFREE double *values = mlo_calloc(c.n + 1, sizeof *values, err);
    struct mlo_moments moments;
    size_t n = 0;
    int rc = values ? 0 : MLO_EIO;
    for (size_t i = 0; rc == 0 && i < c.n; i++) {
        struct mlo_test t;
        rc = value_of_chunk(m, f, f->c->reference, f->c->rows_reference, i, &t, err);
        if (rc == 0 && !isnan(t.statistic))
            values[n++] = t.statistic;
    }
    if (rc != 0)
        return rc;
    mlo_moments(values, n, &moments);
    *ret = fmin(moments.mean + 3 * sqrt(moments.variance), m->most);
    return 0;
}

static int add_chunks(const struct method *m, const struct fitted *f, struct mlo_compat_column *c,
                      struct mlo_drift_compat_row *row, struct mlo_err *err)
{
    struct chunks chunks = chunks_of(c->rows_current);
    int rc = m->by_p ? 0 : find_threshold(m, f, &row->threshold, err);
    row->made = true;
    row->chunked = true;
    for (size_t i = 0; rc == 0 && i < chunks.n; i++) {
        struct mlo_test t;
        rc = value_of_chunk(m, f, c->current, c->rows_current, i, &t, err);
        row->from = i * chunks.size;
        row->to = i + 1 < chunks.n ? row->from + chunks.size : c->rows_current;
        row->value = t.statistic;
        row->drift = m->by_p ? t.p < 0.05 : t.statistic > row->threshold;
        if (rc == 0)
            rc = mlo_compat_add(c, row, err);
    }
    return rc;
}

static const struct method *find_method(const char *name)
{
    for (size_t i = 0; i < MLO_COUNT(methods); i++)
        if (strcmp(methods[i].name, name) == 0)
            return &methods[i];
    return NULL;
}

int mlo_compat_nannyml(struct mlo_compat_column *c, struct mlo_err *err)
{
    bool number = c->reference->type == MLO_COLUMN_NUMBER;
    struct mlo_drift_compat_row row = {
        .kind = number ? "numerical" : "categorical", .statistic = NAN, .threshold = NAN};
    const char *name = c->method ? c->method : "jensen_shannon";
    const struct method *m = find_method(name);
    struct fitted f = {.c = c};
    int rc = 0;
    if (!m)
        return mlo_fail(err, MLO_EUSAGE, "NannyML has no method '%s'", name);
    row.method = m->name;
    if (number ? !m->numbers : !m->categories)
        snprintf(row.why, sizeof row.why, "this method is not for such a column");
    else if (c->rows_reference < CHUNKS || c->rows_current < CHUNKS)
        snprintf(row.why, sizeof row.why, "fewer than %d rows", CHUNKS);
    if (row.why[0])
        return mlo_compat_add(c, &row, err);
    if (number && (m->binned || c->x.n >= FINE_FROM))
        rc = fit(&f, !m->binned, err);
    if (rc == 0)
        rc = add_chunks(m, &f, c, &row, err);
    mlo_edges_release(&f.edges);
    free(f.counts);
    return rc;
}
