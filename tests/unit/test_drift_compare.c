/* Verdicts on planted changes, none where nothing changed, and every odd column with a verdict of its own. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/drift.h>

#include "tap.h"

static struct mlo_err err;

static const char *path(const char *name)
{
    static char buf[4][MLO_PATH_MAX];
    static int at;
    char *p = buf[at++ % 4];
    snprintf(p, sizeof buf[0], "%s/%s", tap_tmpdir(), name);
    return p;
}

static double normal(uint64_t *seed)
{
    double x = -6;
    for (int i = 0; i < 12; i++)
        x += mlo_random_unit(seed);
    return x;
}

static struct mlo_profile *profile(const char *file, const struct mlo_profile *like)
{
    struct mlo_table_opts to = {.threads = 2};
    struct mlo_profile_opts po = {.like = like};
    struct mlo_table *t = NULL;
    struct mlo_profile *p = NULL;
    check_ok(mlo_table_open(&file, 1, &to, &t, &err), &err);
    check_ok(mlo_profile_table(t, &po, &p, &err), &err);
    mlo_table_close(t);
    return p;
}

struct compared {
    struct mlo_profile *a, *b;
    struct mlo_drift_report *r;
};

static struct compared compare(const char *reference, const char *current, const struct mlo_drift_opts *o)
{
    static const struct mlo_drift_opts standard;
    struct compared c = {.a = profile(reference, NULL)};
    c.b = profile(current, c.a);
    check_ok(mlo_drift_compare(c.a, c.b, o ? o : &standard, &c.r, &err), &err);
    return c;
}

static void done(struct compared *c)
{
    mlo_drift_report_free(c->r);
    mlo_profile_free(c->a);
    mlo_profile_free(c->b);
}

static const struct mlo_drift_column *column(const struct compared *c, const char *name)
{
    for (size_t i = 0; i < c->r->n_columns; i++)
        if (strcmp(c->r->columns[i].name, name) == 0)
            return &c->r->columns[i];
    tap_check(false, __FILE__, __LINE__, "column", " no column %s", name);
    return &c->r->columns[0];
}

/* x: normal, shifted; w: one of 8 words, the first `swap` times more often; gap: missing with that share. */
static void write_table(const char *file, uint64_t seed, int n, double shift, double swap, double gap)
{
    FILE *f = fopen(file, "w");
    fprintf(f, "x,w,gap\n");
    for (int i = 0; i < n; i++) {
        fprintf(f, "%.5f,", normal(&seed) + shift);
        fprintf(f, "w%d,", mlo_random_unit(&seed) < swap ? 0 : (int)(mlo_random_unit(&seed) * 8));
        fprintf(f, mlo_random_unit(&seed) < gap ? "\n" : "%.3f\n", normal(&seed));
    }
    fclose(f);
}

static void nothing_changed(void)
{
    int alarms = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        int n = seed % 3 == 0 ? 100 : seed % 3 == 1 ? 300 : 3000;
        write_table(path("a.csv"), seed, n, 0, 0, 0.1);
        write_table(path("b.csv"), seed + 1000, n, 0, 0, 0.1);
        struct compared c = compare(path("a.csv"), path("b.csv"), NULL);
        alarms += c.r->verdict == MLO_VERDICT_DRIFT;
        done(&c);
    }
    check(alarms <= 6, "%d false alarms in 60", alarms); /* 5 % are 3; more than 6 happens once in 30 */
}

static void changes_are_found(void)
{
    write_table(path("a.csv"), 5, 4000, 0, 0, 0.05);
    write_table(path("b.csv"), 6, 4000, 0.5, 0.3, 0.4);
    struct compared c = compare(path("a.csv"), path("b.csv"), NULL);
    const struct mlo_drift_column *x = column(&c, "x");
    check(c.r->verdict == MLO_VERDICT_DRIFT);
    check(x->verdict == MLO_VERDICT_DRIFT && x->psi > 0.2 && x->p_adjusted < 1e-20);
    check(fabs(x->ks.statistic - 0.1974) < 0.03, "D %g", x->ks.statistic); /* 2 Phi(0.25) - 1 */
    check(x->ks_error < 0.04, "error %g", x->ks_error);
    check(fabs(x->wasserstein - 0.5) < 0.05);
    check(fabs(x->current.mean - x->reference.mean - 0.5) < 0.05);
    check(column(&c, "w")->verdict == MLO_VERDICT_DRIFT);
    check(column(&c, "gap")->verdict == MLO_VERDICT_DRIFT);
    check(c.r->share_drifted == 1);
    done(&c);
}

static void one_outlier_hides_nothing(void)
{
    write_table(path("a.csv"), 5, 5000, 0, 0, 0);
    write_table(path("b.csv"), 6, 5000, 1, 0, 0);
    struct compared c = compare(path("a.csv"), path("b.csv"), NULL);
    double psi = column(&c, "x")->psi;
    done(&c);
    FILE *f = fopen(path("b.csv"), "a");
    fprintf(f, "10000,w1,0\n");
    fclose(f);
    c = compare(path("a.csv"), path("b.csv"), NULL);
    check(fabs(column(&c, "x")->psi - psi) < 0.001);
    done(&c);
}

static void few_rows_are_noise(void)
{
    write_table(path("a.csv"), 11, 60, 0, 0, 0);
    write_table(path("b.csv"), 12, 60, 0.1, 0, 0);
    struct compared c = compare(path("a.csv"), path("b.csv"), NULL);
    const struct mlo_drift_column *x = column(&c, "x");
    check(x->psi_noise.level95 > 0.1, "the limit lies within the noise");
    check(x->verdict == MLO_VERDICT_STABLE);
    done(&c);
}

/* Where a hundredth of a row is expected, one row is chance: no missing value before, one of forty now. */
static void one_odd_row_is_no_drift(void)
{
    int alarms = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        write_table(path("a.csv"), seed, 3000, 0, 0, 0);
        write_table(path("b.csv"), seed + 100, 40, 0, 0, 0);
        FILE *f = fopen(path("b.csv"), "a");
        fprintf(f, "0.1,,\n");
        fclose(f);
        struct compared c = compare(path("a.csv"), path("b.csv"), NULL);
        check_int(column(&c, "w")->n_current, 40);
        alarms += c.r->verdict == MLO_VERDICT_DRIFT;
        done(&c);
    }
    check(alarms <= 3, "%d false alarms in 20", alarms);
}

static void odd_columns_have_verdicts(void)
{
    FILE *f = fopen(path("a.csv"), "w");
    fprintf(f, "same,empty,typed,gone,emptied,id,when\n");
    for (int i = 0; i < 500; i++)
        fprintf(f, "7,,%d,%d,%d,u-%08d,2026-01-%02d\n", i % 9, i % 3, i % 4, i * 7919, i % 28 + 1);
    fclose(f);
    f = fopen(path("b.csv"), "w");
    fprintf(f, "same,empty,typed,new,emptied,id,when\n");
    for (int i = 0; i < 500; i++)
        fprintf(f, "7,,word%d,%d,,v-%08d,2026-02-%02d\n", i % 9, i % 3, i * 104729, i % 28 + 1);
    fclose(f);
    struct compared c = compare(path("a.csv"), path("a.csv"), NULL);
    check(c.r->verdict == MLO_VERDICT_STABLE, "a table against itself");
    done(&c);
    c = compare(path("a.csv"), path("b.csv"), NULL);
    check(column(&c, "same")->verdict == MLO_VERDICT_CONSTANT);
    check(column(&c, "empty")->verdict == MLO_VERDICT_EMPTY);
    check(column(&c, "typed")->verdict == MLO_VERDICT_TYPE);
    check(column(&c, "gone")->verdict == MLO_VERDICT_VANISHED);
    check(column(&c, "new")->verdict == MLO_VERDICT_NEW);
    check(column(&c, "emptied")->verdict == MLO_VERDICT_EMPTY);
    check(column(&c, "id")->verdict == MLO_VERDICT_IGNORED);
    check(column(&c, "when")->verdict == MLO_VERDICT_IGNORED);
    check(c.r->verdict == MLO_VERDICT_DRIFT);
    done(&c);
}

static void new_and_vanished_categories_are_named(void)
{
    FILE *f = fopen(path("a.csv"), "w");
    fprintf(f, "w\n");
    for (int i = 0; i < 300; i++)
        fprintf(f, "%s\n", i % 3 ? "red" : "old");
    fclose(f);
    f = fopen(path("b.csv"), "w");
    fprintf(f, "w\n");
    for (int i = 0; i < 300; i++)
        fprintf(f, "%s\n", i % 3 ? "red" : "<new>");
    fclose(f);
    struct compared c = compare(path("a.csv"), path("b.csv"), NULL);
    const struct mlo_drift_column *w = column(&c, "w");
    check(w->n_new == 1 && w->new_categories[0].len == 5 &&
          memcmp(w->new_categories[0].ptr, "<new>", 5) == 0);
    check(w->n_vanished == 1 && memcmp(w->vanished_categories[0].ptr, "old", 3) == 0);
    check(w->verdict == MLO_VERDICT_DRIFT);
    done(&c);
}

static void limits_can_be_set(void)
{
    struct mlo_drift_column_opts own[] = {
        {.name = "x", .limits = {.psi = 9, .p = -1, .missing_change = -1}},
        {.name = "w", .role = MLO_ROLE_IGNORE},
        {.name = "gap", .limits = {.psi = 9, .p = -1, .missing_change = 0.9}}};
    struct mlo_drift_opts o = {.columns = own, .n_columns = MLO_COUNT(own)};
    write_table(path("a.csv"), 5, 4000, 0, 0, 0.05);
    write_table(path("b.csv"), 6, 4000, 0.5, 0.3, 0.4);
    struct compared c = compare(path("a.csv"), path("b.csv"), &o);
    check(c.r->verdict == MLO_VERDICT_STABLE);
    check(column(&c, "w")->verdict == MLO_VERDICT_IGNORED);
    done(&c);
}

static void profiles_with_other_edges_are_refused(void)
{
    struct mlo_drift_opts o = {0};
    struct mlo_drift_report *r = NULL;
    write_table(path("a.csv"), 5, 4000, 0, 0, 0.05);
    write_table(path("b.csv"), 6, 4000, 0.5, 0.3, 0.4);
    struct mlo_profile *a = profile(path("a.csv"), NULL), *b = profile(path("b.csv"), NULL);
    check_err(mlo_drift_compare(a, b, &o, &r, &err), MLO_EUSAGE, &err, "other bins");
    mlo_profile_free(a);
    mlo_profile_free(b);
}

int main(void)
{
    run(nothing_changed);
    run(changes_are_found);
    run(one_outlier_hides_nothing);
    run(few_rows_are_noise);
    run(one_odd_row_is_no_drift);
    run(odd_columns_have_verdicts);
    run(new_and_vanished_categories_are_named);
    run(limits_can_be_set);
    run(profiles_with_other_edges_are_refused);
    return done_testing();
}
