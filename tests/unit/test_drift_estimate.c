/* Facts of a report: predictions, labels, concept; and what is estimated without labels, beside NannyML. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "drift_help.h"

struct compared {
    struct mlo_profile *a, *b;
    struct mlo_drift_report *r;
};

static struct mlo_profile *profile(const char *file, const struct mlo_profile *like,
                                   const struct mlo_column_use *roles, size_t n)
{
    return profile_with(file, &(struct mlo_profile_opts){.like = like, .roles = roles, .n_roles = n}, 2);
}

static struct compared compare(const char *reference, const char *current, const struct mlo_column_use *roles,
                               size_t n)
{
    static const struct mlo_drift_opts standard;
    struct compared c = {.a = profile(reference, NULL, roles, n)};
    c.b = profile(current, c.a, NULL, 0);
    check_ok(mlo_drift_compare(c.a, c.b, &standard, &c.r, &err), &err);
    return c;
}

static void done(struct compared *c)
{
    mlo_drift_report_free(c->r);
    mlo_profile_free(c->a);
    mlo_profile_free(c->b);
}

static const struct mlo_drift_fact *fact(const struct compared *c, const char *name)
{
    static const struct mlo_drift_fact none = {.reference = NAN, .current = NAN, .p = NAN};
    for (size_t i = 0; i < c->r->n_facts; i++)
        if (strcmp(c->r->facts[i].name, name) == 0)
            return &c->r->facts[i];
    tap_check(false, __FILE__, __LINE__, "fact", " no fact %s", name);
    return &none;
}

static const struct mlo_column_use roles[] = {
    {"p", MLO_ROLE_PREDICTION}, {"s", MLO_ROLE_SCORE}, {"y", MLO_ROLE_LABEL}};

static void check_near(double got, double want, double tolerance)
{
    check(fabs(got - want) <= tolerance * fabs(want), "got %.17g, want %.17g", got, want);
}

/* The rows of tests/golden/drift/cbpe.py. */
static void write_scores(const char *file, uint64_t seed, int n, double squeeze, bool labels)
{
    FILE *f = fopen(file, "w");
    fprintf(f, labels ? "s,p,y\n" : "s,p\n");
    for (int i = 0; i < n; i++) {
        double u = mlo_random_unit(&seed), v = mlo_random_unit(&seed);
        u = 0.5 + (u - 0.5) * squeeze;
        double s = floor(u * 200) / 200;
        fprintf(f, "%.17g,%d", s, s >= 0.5);
        fprintf(f, labels ? ",%d\n" : "\n", v < s * s);
    }
    fclose(f);
}

/* Recorded from NannyML 0.13.1, which reckons the area under the curve from rounded rates: 1e-8. */
static void estimates_are_those_of_nannyml(void)
{
    write_scores(path("a.csv"), 1, 6000, 1, true);
    write_scores(path("b.csv"), 2, 5000, 0.5, false);
    struct compared c = compare(path("a.csv"), path("b.csv"), roles, MLO_COUNT(roles));
    check_near(fact(&c, "accuracy")->current, 0.6298554386937856, 1e-9);
    check_near(fact(&c, "f1")->current, 0.5280199921962474, 1e-9);
    check_near(fact(&c, "auc")->current, 0.7151613534537518, 1e-8);
    check(fact(&c, "accuracy")->estimate && fact(&c, "accuracy")->verdict == MLO_VERDICT_DRIFT);
    check(strstr(fact(&c, "accuracy")->why, "blind to a change of concept") != NULL);
    done(&c);
}

static void alike_rows_are_estimated_alike(void)
{
    write_scores(path("b.csv"), 3, 5000, 1, false);
    struct compared c = compare(path("a.csv"), path("b.csv"), roles, MLO_COUNT(roles));
    check(c.r->verdict == MLO_VERDICT_STABLE);
    check(fabs(fact(&c, "accuracy")->current - fact(&c, "accuracy")->reference) < 0.01);
    done(&c);
}

/* Counts by hand: scores of four values, so that all is exact. */
struct cell {
    double s;
    int p, y, n;
};

static void write_cells(const char *file, const struct cell *cells, size_t n)
{
    FILE *f = fopen(file, "w");
    fprintf(f, "s,p,y\n");
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < cells[i].n; k++)
            fprintf(f, "%g,%d,%d\n", cells[i].s, cells[i].p, cells[i].y);
    fclose(f);
}

/* tests/golden/drift/concept.py reckons these with scikit-learn, statsmodels and SciPy. */
static void facts_are_those_of_the_oracles(void)
{
    static const struct cell a[] = {{0.1, 0, 0, 180}, {0.1, 0, 1, 20},  {0.4, 0, 0, 130}, {0.4, 0, 1, 70},
                                    {0.6, 1, 0, 90},  {0.6, 1, 1, 110}, {0.9, 1, 0, 25},  {0.9, 1, 1, 175}},
                             b[] = {{0.1, 0, 0, 100}, {0.1, 0, 1, 40}, {0.4, 0, 0, 90}, {0.4, 0, 1, 70},
                                    {0.6, 1, 0, 95},  {0.6, 1, 1, 85}, {0.9, 1, 0, 40}, {0.9, 1, 1, 80}};
    write_cells(path("a.csv"), a, MLO_COUNT(a));
    write_cells(path("b.csv"), b, MLO_COUNT(b));
    struct compared c = compare(path("a.csv"), path("b.csv"), roles, MLO_COUNT(roles));
#include "../golden/drift/concept.inc"
    done(&c);
}

static void without_labels_in_the_reference_it_is_said(void)
{
    write_scores(path("b.csv"), 3, 500, 1, false);
    FILE *f = fopen(path("a.csv"), "w");
    fprintf(f, "s,p,y\n");
    for (int i = 0; i < 300; i++)
        fprintf(f, "%g,%d,\n", i % 7 / 7.0, i % 2);
    fclose(f);
    struct compared c = compare(path("a.csv"), path("b.csv"), roles, MLO_COUNT(roles));
    check(fact(&c, "accuracy")->verdict == MLO_VERDICT_IGNORED);
    done(&c);
}

static int under_memory_faults(void)
{
    static const struct mlo_drift_opts standard;
    static struct mlo_profile *a, *b;
    struct mlo_drift_report *r = NULL;
    struct mlo_err e = MLO_ERR_INIT;
    if (!a) {
        a = profile(path("small-a.csv"), NULL, roles, MLO_COUNT(roles));
        b = profile(path("small-b.csv"), a, NULL, 0);
    }
    int rc = mlo_drift_compare(a, b, &standard, &r, &e);
    mlo_drift_report_free(r);
    return rc;
}

static void memory_runs_out(void)
{
    write_scores(path("small-a.csv"), 5, 300, 1, true);
    write_scores(path("small-b.csv"), 6, 300, 1, true);
    under_memory_faults();
    check(each_alloc_failure(under_memory_faults) > 10);
}

int main(void)
{
    run(estimates_are_those_of_nannyml);
    run(alike_rows_are_estimated_alike);
    run(facts_are_those_of_the_oracles);
    run(without_labels_in_the_reference_it_is_said);
    run(memory_runs_out);
    return done_testing();
}
