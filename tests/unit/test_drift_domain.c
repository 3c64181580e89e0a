/* A classifier between the two sides: what no single column shows, alike sides, any number of threads. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "drift_help.h"

/* a and b go together by rho; w is a word that goes with the sign of a, or with nothing. */
static void write_table(const char *file, uint64_t seed, int n, double rho, bool word)
{
    FILE *f = fopen(file, "w");
    fprintf(f, "a,b,noise,w,gap\n");
    for (int i = 0; i < n; i++) {
        double a = normal(&seed), b = rho * a + sqrt(1 - rho * rho) * normal(&seed), c = normal(&seed);
        int w = (int)(mlo_random_unit(&seed) * 3) + 3 * ((word ? a : normal(&seed)) > 0);
        fprintf(f, "%.4f,%.4f,%.4f,w%d,", a, b, c, w);
        fprintf(f, i % 9 ? "%d\n" : "\n", i % 4);
    }
    fclose(f);
}

static struct mlo_profile *profile(const char *file, const struct mlo_profile *like, unsigned threads)
{
    return profile_with(file, &(struct mlo_profile_opts){.like = like, .sample = true}, threads);
}

struct answer {
    double auc, p;
    enum mlo_verdict verdict, whole;
    char why[200];
};

static struct answer ask(unsigned threads)
{
    static const struct mlo_drift_opts standard;
    struct answer a = {.auc = NAN};
    struct mlo_profile *x = profile(path("a.csv"), NULL, threads), *y = profile(path("b.csv"), x, threads);
    struct mlo_drift_report *r = NULL;
    check_ok(mlo_drift_compare(x, y, &standard, &r, &err), &err);
    if (r->n_facts == 1 && strcmp(r->facts[0].name, "domain_auc") == 0) {
        a = (struct answer){.auc = r->facts[0].current,
                            .p = r->facts[0].p,
                            .verdict = r->facts[0].verdict,
                            .whole = r->verdict};
        memcpy(a.why, r->facts[0].why, sizeof a.why);
    }
    mlo_drift_report_free(r);
    mlo_profile_free(x);
    mlo_profile_free(y);
    return a;
}

static void alike_sides_are_not_told_apart(void)
{
    write_table(path("a.csv"), 1, 6000, 0.8, true);
    write_table(path("b.csv"), 2, 5000, 0.8, true);
    struct answer a = ask(2);
    check(fabs(a.auc - 0.5) < 0.03 && a.verdict == MLO_VERDICT_STABLE, "%g", a.auc);
}

/* Each column by itself is as it was. */
static void columns_that_moved_together_are_named(void)
{
    write_table(path("b.csv"), 2, 5000, -0.8, true);
    struct answer a = ask(1), b = ask(4);
    check(a.auc > 0.8 && a.verdict == MLO_VERDICT_DRIFT && a.whole == MLO_VERDICT_DRIFT, "%g", a.auc);
    check(strstr(a.why, "most by a") || strstr(a.why, "most by b"), "%s", a.why);
    check(memcmp(&a.auc, &b.auc, sizeof a.auc) == 0 && strcmp(a.why, b.why) == 0, "threads change nothing");
}

static void words_count_too(void)
{
    write_table(path("b.csv"), 2, 5000, 0.8, false);
    struct answer a = ask(2);
    check(a.verdict == MLO_VERDICT_DRIFT && strstr(a.why, "w ("), "%g %s", a.auc, a.why);
}

static void few_rows_are_not_asked(void)
{
    write_table(path("b.csv"), 2, 40, -0.8, true);
    check(isnan(ask(2).auc));
}

static void a_file_does_not_hold_rows(void)
{
    struct mlo_profile *p = profile(path("a.csv"), NULL, 2), *q;
    struct mlo_str s;
    mlo_str_init(&s, MLO_STR_MAX);
    check_ok(mlo_profile_write(p, &s, &err), &err);
    check_ok(mlo_profile_read(s.ptr, s.len, &q, &err), &err);
    static const struct mlo_drift_opts standard;
    struct mlo_drift_report *r = NULL;
    check_ok(mlo_drift_compare(q, p, &standard, &r, &err), &err);
    check_int(r->n_facts, 0);
    mlo_drift_report_free(r);
    mlo_str_release(&s);
    mlo_profile_free(p);
    mlo_profile_free(q);
}

static int under_memory_faults(void)
{
    static const struct mlo_drift_opts standard;
    struct mlo_table_opts to = {.threads = 1};
    struct mlo_profile_opts po = {.sample = true};
    const char *small = path("small.csv");
    struct mlo_table *t = NULL;
    struct mlo_profile *p = NULL;
    struct mlo_drift_report *r = NULL;
    struct mlo_err e = MLO_ERR_INIT;
    int rc = mlo_table_open(&small, 1, &to, &t, &e);
    if (rc == 0)
        rc = mlo_profile_table(t, &po, &p, &e);
    if (rc == 0)
        rc = mlo_drift_compare(p, p, &standard, &r, &e);
    mlo_drift_report_free(r);
    mlo_profile_free(p);
    mlo_table_close(t);
    return rc;
}

static void memory_runs_out(void)
{
    write_table(path("small.csv"), 3, 60, 0, false);
    check(each_alloc_failure(under_memory_faults) > 20);
}

int main(void)
{
    run(alike_sides_are_not_told_apart);
    run(columns_that_moved_together_are_named);
    run(words_count_too);
    run(few_rows_are_not_asked);
    run(a_file_does_not_hold_rows);
    run(memory_runs_out);
    return done_testing();
}
