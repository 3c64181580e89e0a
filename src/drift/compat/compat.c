/*
 * The numbers of other tools for those who come from them: their bins, rules for zeros, choice of method and
 * thresholds, right or not (docs/statistics.md says where they are not). Here: columns in pairs, counting as
 * numpy does, SciPy's own tests.
 */
#include "compat.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- values ---- */

int mlo_compat_values(const double *values, size_t rows, struct mlo_compat_values *ret, struct mlo_err *err)
{
    struct mlo_compat_values v = {.x = mlo_calloc(rows + 1, sizeof *v.x, err)};
    MLO_AUTOFREE double *scratch = v.x ? mlo_calloc(rows + 1, sizeof *scratch, err) : NULL;
    if (!scratch) {
        free(v.x);
        return MLO_EIO;
    }
    for (size_t i = 0; i < rows; i++)
        if (!isnan(values[i]))
            v.x[v.n++] = values[i];
    mlo_sort_doubles(v.x, v.n, scratch);
    *ret = v;
    return 0;
}

void mlo_compat_values_release(struct mlo_compat_values *v)
{
    free(v->x);
    *v = (struct mlo_compat_values){0};
}

size_t mlo_compat_distinct(const struct mlo_compat_values *v)
{
    size_t n = v->n > 0;
    for (size_t i = 1; i < v->n; i++)
        n += v->x[i] != v->x[i - 1];
    return n;
}

/* ---- counts ---- */

void mlo_counts_release(struct mlo_counts *c)
{
    free(c->keys);
    free(c->a);
    free(c->b);
    *c = (struct mlo_counts){0};
}

static uint64_t take_equal(const struct mlo_compat_values *v, size_t *at, double key)
{
    size_t from = *at;
    while (*at < v->n && v->x[*at] == key)
        ++*at;
    return *at - from;
}

int mlo_counts_of_values(const struct mlo_compat_values *x, const struct mlo_compat_values *y,
                         struct mlo_counts *ret, struct mlo_err *err)
{
    size_t most = mlo_compat_distinct(x) + mlo_compat_distinct(y) + 1;
    struct mlo_counts c = {0};
    c.keys = mlo_calloc(most, sizeof *c.keys, err);
    c.a = c.keys ? mlo_calloc(most, sizeof *c.a, err) : NULL;
    c.b = c.a ? mlo_calloc(most, sizeof *c.b, err) : NULL;
    if (!c.b) {
        mlo_counts_release(&c);
        return MLO_EIO;
    }
    for (size_t i = 0, j = 0; i < x->n || j < y->n; c.n++) {
        bool first = j == y->n || (i < x->n && x->x[i] <= y->x[j]);
        c.keys[c.n] = first ? x->x[i] : y->x[j];
        c.a[c.n] = take_equal(x, &i, c.keys[c.n]);
        c.b[c.n] = take_equal(y, &j, c.keys[c.n]);
    }
    *ret = c;
    return 0;
}

/* ---- bins ---- */

void mlo_edges_release(struct mlo_edges *e)
{
    free(e->at);
    *e = (struct mlo_edges){0};
}

int mlo_edges_even(double low, double high, size_t bins, struct mlo_edges *ret, struct mlo_err *err)
{
    struct mlo_edges e = {.at = mlo_calloc(bins + 1, sizeof *e.at, err), .bins = bins};
    if (!e.at)
        return MLO_EIO;
    if (low == high) {
        low -= 0.5;
        high += 0.5;
    }
    double step = (high - low) / (double)bins;
    for (size_t i = 0; i < bins; i++)
        e.at[i] = (double)i * step + low;
    e.at[bins] = high;
    *ret = e;
    return 0;
}

int mlo_edges_of_width(double low, double high, double width, struct mlo_edges *ret, struct mlo_err *err)
{
    enum { BINS_MAX = 1 << 24 };
    double bins = width > 0 ? ceil((high - low) / width) : 1;
    if (!(bins <= BINS_MAX))
        return mlo_fail(err, MLO_EUNAVAIL, "%g bins are too many", bins);
    return mlo_edges_even(low, high, bins < 1 ? 1 : (size_t)bins, ret, err);
}

/* How many values are below `edge`, or at it. */
static size_t below(const struct mlo_compat_values *v, double edge, bool at)
{
    size_t low = 0, high = v->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (v->x[middle] < edge || (at && v->x[middle] == edge))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void mlo_edges_count(const struct mlo_edges *e, const struct mlo_compat_values *v, uint64_t *counts)
{
    size_t from = below(v, e->at[0], false);
    for (size_t i = 0; i < e->bins; i++) {
        size_t to = below(v, e->at[i + 1], i + 1 == e->bins);
        counts[i] = to - from;
        from = to;
    }
}

/* ---- SciPy ---- */

static bool scipy_number(const struct mlo_compat_column *c, const char *method, struct mlo_test *t)
{
    const struct mlo_compat_values *x = &c->x, *y = &c->y;
    struct mlo_moments a, b;
    *t = (struct mlo_test){.p = NAN};
    if (strcmp(method, "ks_2samp") == 0)
        mlo_ks(x->x, x->n, y->x, y->n, t);
    else if (strcmp(method, "cramervonmises_2samp") == 0)
        mlo_cramer_von_mises(x->x, x->n, y->x, y->n, t);
    else if (strcmp(method, "anderson_ksamp") == 0)
        mlo_anderson_darling(x->x, x->n, y->x, y->n, t);
    else if (strcmp(method, "epps_singleton_2samp") == 0)
        mlo_epps_singleton(x->x, x->n, y->x, y->n, t);
    else if (strcmp(method, "wasserstein_distance") == 0)
        t->statistic = mlo_wasserstein(x->x, x->n, y->x, y->n);
    else if (strcmp(method, "energy_distance") == 0)
        t->statistic = mlo_energy(x->x, x->n, y->x, y->n);
    else if (strcmp(method, "ttest_ind") == 0) {
        mlo_moments(x->x, x->n, &a);
        mlo_moments(y->x, y->n, &b);
        mlo_student_t(&a, &b, false, t);
    } else
        return false;
    return true;
}

int mlo_compat_scipy(struct mlo_compat_column *c, struct mlo_err *err)
{
    bool number = c->reference->type == MLO_COLUMN_NUMBER;
    struct mlo_drift_compat_row row = {.kind = number ? "numerical" : "categorical", .threshold = 0.05};
    struct mlo_test t = {.p = NAN};
    row.method = c->method ? c->method : number ? "ks_2samp" : "chi2_contingency";
    if (number && strcmp(row.method, "mannwhitneyu") == 0) {
        int rc = mlo_mann_whitney(c->x.x, c->x.n, c->y.x, c->y.n, &t, err);
        if (rc != 0)
            return rc;
    } else if (number && !scipy_number(c, row.method, &t) && strcmp(row.method, "chi2_contingency") != 0)
        return mlo_fail(err, MLO_EUSAGE, "SciPy has no test '%s' that is known here", row.method);
    if (strcmp(row.method, "chi2_contingency") == 0) {
        struct mlo_counts n;
        int rc = mlo_counts_of_values(&c->x, &c->y, &n, err);
        if (rc != 0)
            return rc;
        mlo_chi2_homogeneity(n.a, n.b, n.n, true, &t);
        mlo_counts_release(&n);
    } else if (!number) {
        snprintf(row.why, sizeof row.why, "%s is for numbers", row.method);
        return mlo_compat_add(c, &row, err);
    }
    row.made = true;
    row.statistic = t.statistic;
    row.value = isnan(t.p) ? t.statistic : t.p;
    row.threshold = isnan(t.p) ? NAN : row.threshold;
    row.drift = t.p < row.threshold;
    return mlo_compat_add(c, &row, err);
}

/* ---- rows ---- */

int mlo_compat_add(struct mlo_compat_column *c, const struct mlo_drift_compat_row *row, struct mlo_err *err)
{
    struct mlo_drift_compat_report *r = c->report;
    int rc = mlo_grow(&r->rows, &r->cap_rows, r->n_rows + 1, sizeof *r->rows, err);
    char *name = rc == 0 ? mlo_strdup(c->reference->name, err) : NULL;
    if (!name)
        return MLO_EIO;
    r->rows[r->n_rows] = *row;
    r->rows[r->n_rows++].column = name;
    return 0;
}

void mlo_drift_compat_free(struct mlo_drift_compat_report *r)
{
    for (size_t i = 0; r && i < r->n_rows; i++)
        free((void *)(uintptr_t)r->rows[i].column);
    if (r)
        free(r->rows);
    free(r);
}

/* ---- the whole ---- */

static const struct peer {
    const char *name;
    double share; /* of drifted columns for the verdict of the whole; 0: any one */
    int (*column)(struct mlo_compat_column *c, struct mlo_err *err);
} peers[] = {
    {"evidently", 0.5, mlo_compat_evidently},
    {"nannyml", 0, mlo_compat_nannyml},
    {"deepchecks", 0, mlo_compat_deepchecks},
    {"scipy", 0, mlo_compat_scipy},
};

static const struct peer *find_peer(const char *words, size_t *ret_length)
{
    *ret_length = strcspn(words, ":");
    for (size_t i = 0; i < MLO_COUNT(peers); i++)
        if (strlen(peers[i].name) == *ret_length && strncmp(peers[i].name, words, *ret_length) == 0)
            return &peers[i];
    return NULL;
}

/* What no tool compares: NULL when it can be. */
static const char *obstacle(const struct mlo_frame_column *a, const struct mlo_frame_column *b)
{
    if (!b)
        return "not in the current data";
    if (a->type == MLO_COLUMN_TIME)
        return "times are left out";
    if (a->type != b->type || a->n_bad + b->n_bad > 0)
        return "of mixed types";
    return a->n_there == 0 || b->n_there == 0 ? "no values" : NULL;
}

static const struct mlo_frame_column *column_of(const struct mlo_frame *f, const char *name)
{
    for (size_t i = 0; i < f->n_columns; i++)
        if (strcmp(f->columns[i].name, name) == 0)
            return &f->columns[i];
    return NULL;
}

static int compare_column(const struct peer *p, struct mlo_compat_column *c, struct mlo_err *err)
{
    const char *why = obstacle(c->reference, c->current);
    if (why) {
        struct mlo_drift_compat_row row = {.kind = "-", .method = "-"};
        snprintf(row.why, sizeof row.why, "%s", why);
        return mlo_compat_add(c, &row, err);
    }
    int rc = mlo_compat_values(c->reference->values, c->rows_reference, &c->x, err);
    if (rc == 0)
        rc = mlo_compat_values(c->current->values, c->rows_current, &c->y, err);
    if (rc == 0)
        rc = p->column(c, err);
    mlo_compat_values_release(&c->x);
    mlo_compat_values_release(&c->y);
    return rc != 0 ? mlo_wrap(err, "column '%s'", c->reference->name) : 0;
}

static bool is_left_out(const struct mlo_drift_compat_opts *o, const char *name)
{
    for (size_t i = 0; i < o->n_ignore; i++)
        if (strcmp(o->ignore[i], name) == 0)
            return true;
    return false;
}

/* A column counts once, however many rows it has. */
static void conclude(const struct peer *p, struct mlo_drift_compat_report *r)
{
    bool drift = false;
    for (size_t i = 0; i < r->n_rows; i++) {
        const struct mlo_drift_compat_row *row = &r->rows[i];
        bool last = i + 1 == r->n_rows || strcmp(row->column, r->rows[i + 1].column) != 0;
        drift = drift || row->drift;
        if (!last)
            continue;
        r->columns += row->made;
        r->drifted += drift;
        drift = false;
    }
    r->share_limit = p->share;
    r->share = r->columns ? (double)r->drifted / (double)r->columns : 0;
    r->drift = r->drifted > 0 && r->share >= p->share;
}

static int compare_frames(const struct peer *p, const struct mlo_frame *a, const struct mlo_frame *b,
                          const struct mlo_drift_compat_opts *o, const char *method,
                          struct mlo_drift_compat_report *r, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < a->n_columns; i++) {
        struct mlo_compat_column c = {.reference = &a->columns[i],
                                      .current = column_of(b, a->columns[i].name),
                                      .rows_reference = a->rows,
                                      .rows_current = b->rows,
                                      .method = method,
                                      .report = r};
        if (!is_left_out(o, a->columns[i].name))
            rc = compare_column(p, &c, err);
    }
    conclude(p, r);
    return rc;
}

int mlo_drift_compat(struct mlo_table *reference, struct mlo_table *current,
                     const struct mlo_drift_compat_opts *o, struct mlo_drift_compat_report **ret,
                     struct mlo_err *err)
{
    struct mlo_frame a = {0}, b = {0};
    struct mlo_words *words = NULL;
    size_t n;
    const struct peer *p = find_peer(o->tool, &n);
    const char *method = o->tool[n] == ':' ? o->tool + n + 1 : NULL;
    if (!p) {
        mlo_fail(err, MLO_EUSAGE, "'%s' is no tool whose numbers are known here", o->tool);
        return mlo_hint(
            err, "evidently, nannyml, deepchecks or scipy, with :METHOD for another one than its default");
    }
    struct mlo_drift_compat_report *r = mlo_calloc(1, sizeof *r, err);
    int rc = r ? mlo_words_new(&words, err) : MLO_EIO;
    if (rc == 0)
        rc = mlo_frame_read(reference, words, &a, err);
    if (rc == 0)
        rc = mlo_frame_read(current, words, &b, err);
    if (rc == 0)
        rc = mlo_frames_rank(words, &a, &b, err);
    if (rc == 0)
        rc = compare_frames(p, &a, &b, o, method, r, err);
    mlo_frame_release(&a);
    mlo_frame_release(&b);
    mlo_words_free(words);
    if (rc != 0)
        mlo_drift_compat_free(r);
    else
        *ret = r;
    return rc;
}
