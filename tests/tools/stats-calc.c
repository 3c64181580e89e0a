/*
 * A calculator over include/mlopsctl/stats.h for comparing with other implementations: a request a line,
 * "NAME COUNT then COUNT vectors as LENGTH and numbers"; the answer a line of numbers.
 * tests/golden/stats/oracle.py asks.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/base/mem.h>
#include <mlopsctl/stats.h>

struct vector {
    double *x;
    uint64_t *c; /* the same as counts */
    size_t n;
};
#define VECTORS_MAX 2
struct request {
    char name[32];
    struct vector v[VECTORS_MAX];
    struct mlo_err err;
};

static void say(const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("%.17g%c", x[i], i + 1 < n ? ' ' : '\n');
}

static void say_test(const struct mlo_test *t)
{
    say((double[]){t->statistic, t->p}, 2);
}

static void sort(struct vector *v)
{
    double *scratch = malloc((v->n + 1) * sizeof *scratch);
    mlo_sort_doubles(v->x, v->n, scratch);
    free(scratch);
}

static int of_samples(struct request *r)
{
    struct vector *x = &r->v[0], *y = &r->v[1];
    struct mlo_test t;
    if (!strstr(" ks cvm ad es mwu ", r->name))
        return 1;
    sort(x);
    sort(y);
    if (strcmp(r->name, "ks") == 0)
        mlo_ks(x->x, x->n, y->x, y->n, &t);
    else if (strcmp(r->name, "cvm") == 0)
        mlo_cramer_von_mises(x->x, x->n, y->x, y->n, &t);
    else if (strcmp(r->name, "ad") == 0)
        mlo_anderson_darling(x->x, x->n, y->x, y->n, &t);
    else if (strcmp(r->name, "es") == 0)
        mlo_epps_singleton(x->x, x->n, y->x, y->n, &t);
    else if (strcmp(r->name, "mwu") == 0) {
        if (mlo_mann_whitney(x->x, x->n, y->x, y->n, &t, &r->err) != 0)
            return r->err.code;
    } else
        return 1;
    say_test(&t);
    return 0;
}

static int of_moments(struct request *r)
{
    struct vector *x = &r->v[0], *y = &r->v[1];
    struct mlo_moments a, b;
    struct mlo_test t;
    bool welch = strcmp(r->name, "welch") == 0;
    if (strcmp(r->name, "wasserstein") == 0 || strcmp(r->name, "energy") == 0) {
        sort(x);
        sort(y);
        double d = r->name[0] == 'w' ? mlo_wasserstein(x->x, x->n, y->x, y->n)
                                     : mlo_energy(x->x, x->n, y->x, y->n);
        say(&d, 1);
    } else if (welch || strcmp(r->name, "t") == 0) {
        mlo_moments(x->x, x->n, &a);
        mlo_moments(y->x, y->n, &b);
        mlo_student_t(&a, &b, welch, &t);
        say_test(&t);
    } else if (strcmp(r->name, "moments") == 0) {
        mlo_moments(x->x, x->n, &a);
        say((double[]){a.mean, a.variance, a.skewness, a.kurtosis}, 4);
    } else if (strcmp(r->name, "quantile") == 0) {
        sort(x);
        double q = mlo_quantile_sorted(x->x, x->n, y->x[0]);
        say(&q, 1);
    } else
        return 1;
    return 0;
}

static int of_counts(struct request *r)
{
    const uint64_t *a = r->v[0].c, *b = r->v[1].c;
    size_t n = r->v[0].n;
    struct mlo_test t;
    if (strcmp(r->name, "chi2") == 0)
        mlo_chi2_homogeneity(a, b, n, true, &t);
    else if (strcmp(r->name, "g") == 0)
        mlo_g_test(a, b, n, true, &t);
    else if (strcmp(r->name, "z") == 0)
        mlo_two_proportions(a[0], a[1], a[2], a[3], &t);
    else if (strcmp(r->name, "fisher") == 0) {
        mlo_fisher(a, &t);
        say(&t.p, 1);
        return 0;
    } else
        return 1;
    say_test(&t);
    return 0;
}

static int of_shares(struct request *r)
{
    const uint64_t *a = r->v[0].c, *b = r->v[1].c;
    size_t n = r->v[0].n;
    struct mlo_interval i;
    struct mlo_cmh c;
    if (strcmp(r->name, "js") == 0) {
        say((double[]){sqrt(mlo_js_divergence(a, b, n))}, 1);
    } else if (strcmp(r->name, "kl") == 0) {
        say((double[]){mlo_kl(a, b, n, MLO_ZERO_NONE)}, 1);
    } else if (strcmp(r->name, "wilson") == 0) {
        mlo_wilson(a[0], a[1], 0.95, &i);
        say((double[]){i.low, i.high}, 2);
    } else if (strcmp(r->name, "newcombe") == 0) {
        mlo_newcombe(a[0], a[1], a[2], a[3], 0.95, &i);
        say((double[]){i.low, i.high}, 2);
    } else if (strcmp(r->name, "auc") == 0) {
        struct mlo_auc auc;
        mlo_auc_counts(a, b, n, &auc);
        say((double[]){auc.auc, auc.variance}, 2);
    } else if (strcmp(r->name, "cmh") == 0) {
        uint64_t tables[16][4];
        size_t strata = n / 4 < MLO_COUNT(tables) ? n / 4 : MLO_COUNT(tables);
        memcpy(tables, a, strata * sizeof tables[0]);
        mlo_cmh((const uint64_t(*)[4])tables, strata, false, &c);
        say((double[]){c.test.statistic, c.test.p, c.odds_ratio}, 3);
    } else
        return 1;
    return 0;
}

static int of_p_values(struct request *r)
{
    struct vector *v = &r->v[0];
    int rc = 1;
    if (strcmp(r->name, "holm") == 0)
        rc = mlo_holm(v->x, v->n, &r->err);
    else if (strcmp(r->name, "bh") == 0)
        rc = mlo_benjamini_hochberg(v->x, v->n, &r->err);
    else if (strcmp(r->name, "isotonic") == 0)
        rc = mlo_isotonic(v->x, r->v[1].x, v->n, &r->err);
    if (rc == 0)
        say(v->x, v->n);
    return rc;
}

static int of_functions(struct request *r)
{
    const double *x = r->v[0].x;
    double v;
    bool exact;
    if (strcmp(r->name, "chi2sf") == 0)
        v = mlo_chi2_sf(x[0], x[1]);
    else if (strcmp(r->name, "chi2isf") == 0)
        v = mlo_chi2_isf(x[0], x[1]);
    else if (strcmp(r->name, "normisf") == 0)
        v = mlo_normal_isf(x[0]);
    else if (strcmp(r->name, "beta") == 0)
        v = mlo_beta_inc(x[0], x[1], x[2]);
    else if (strcmp(r->name, "binom") == 0)
        v = mlo_binom_pmf(x[0], x[1], x[2]);
    else if (strcmp(r->name, "kolmogorov") == 0)
        v = mlo_ks_p(x[1], (uint64_t)1 << 52, (uint64_t)x[0], &exact);
    else
        return 1;
    say(&v, 1);
    return 0;
}

static bool read_vector(struct vector *v)
{
    if (scanf("%zu", &v->n) != 1)
        return false;
    v->x = calloc(v->n + 4, sizeof *v->x);
    v->c = calloc(v->n + 4, sizeof *v->c);
    for (size_t i = 0; i < v->n; i++) {
        if (scanf("%lf", &v->x[i]) != 1)
            return false;
        v->c[i] = v->x[i] >= 0 && v->x[i] < 1e18 ? (uint64_t)v->x[i] : 0;
    }
    return true;
}

static int answer(struct request *r)
{
    static int (*const groups[])(struct request * r) = {of_samples, of_moments,  of_counts,
                                                        of_shares,  of_p_values, of_functions};
    for (size_t i = 0; i < MLO_COUNT(groups); i++) {
        int rc = groups[i](r);
        if (rc <= 0)
            return rc;
    }
    fprintf(stderr, "stats-calc: '%s' is not known\n", r->name);
    return MLO_EUSAGE;
}

int main(void)
{
    struct request r = {0};
    size_t n;
    int rc = 0;
    while (rc == 0 && scanf("%31s %zu", r.name, &n) == 2 && n <= VECTORS_MAX) {
        for (size_t i = 0; i < n && rc == 0; i++)
            rc = read_vector(&r.v[i]) ? 0 : MLO_EUSAGE;
        if (rc == 0)
            rc = answer(&r);
        fflush(stdout);
        for (size_t i = 0; i < VECTORS_MAX; i++) {
            free(r.v[i].x);
            free(r.v[i].c);
            r.v[i] = (struct vector){0};
        }
    }
    return -rc;
}
