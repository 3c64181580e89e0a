/* What lies beyond the reference's bins: quantiles and Wasserstein as of the values themselves, within the
 * sketch's error; the same file from shards in any order. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/drift.h>

#include "tap.h"

static struct mlo_err err;

static const char *path(const char *name)
{
    static char buf[4][4200];
    static int at;
    char *p = buf[at++ % 4];
    snprintf(p, sizeof buf[0], "%s/%s", tap_tmpdir(), name);
    return p;
}

/* kind 0: uniform on 10 .. 50; 1: from 100 up with a long tail; 2: the same below 0; 3: whole numbers 1 .. 5;
 * 4: around 1000 */
static void write_table(const char *name, int kind, int first, int n)
{
    FILE *f = fopen(path(name), "w");
    uint64_t seed = 5;
    fprintf(f, "x\n");
    for (int i = 0; i < first + n; i++) {
        double u = mlo_random_unit(&seed), tail = 100 * pow(1 - u, -1 / 1.2);
        double x = kind == 0   ? 10 + 40 * u
                   : kind == 1 ? tail
                   : kind == 2 ? -tail
                   : kind == 3 ? 1 + floor(5 * u)
                               : 1000 + u;
        if (i >= first)
            fprintf(f, "%.6f\n", x);
    }
    fclose(f);
}

static struct mlo_profile *profile(const char *name, const struct mlo_profile *like, bool exact)
{
    struct mlo_table_opts to = {.threads = 2};
    struct mlo_profile_opts po = {.like = like, .exact = exact};
    struct mlo_table *t = NULL;
    struct mlo_profile *p = NULL;
    const char *file = path(name);
    check_ok(mlo_table_open(&file, 1, &to, &t, &err), &err);
    check_ok(mlo_profile_table(t, &po, &p, &err), &err);
    mlo_table_close(t);
    return p;
}

static struct mlo_drift_report *report(int reference, int current, bool exact)
{
    const struct mlo_drift_opts o = {.exact = exact};
    struct mlo_drift_report *r = NULL;
    write_table("r.csv", reference, 0, 20000);
    write_table("c.csv", current, 0, 20000);
    struct mlo_profile *a = profile("r.csv", NULL, exact), *b = profile("c.csv", a, exact);
    check_ok(mlo_drift_compare(a, b, &o, &r, &err), &err);
    /* what is borrowed from the profiles is not looked at */
    mlo_profile_free(a);
    mlo_profile_free(b);
    return r;
}

static void near(double got, double want, int kind, const char *what)
{
    check(fabs(got - want) <= 0.01 * fabs(want), "%d, %s: got %g, want %g", kind, what, got, want);
}

static void are_as_of_the_values(void)
{
    static const int pairs[][2] = {{0, 1}, {0, 2}, {0, 4}, {3, 4}};
    for (size_t i = 0; i < MLO_COUNT(pairs); i++) {
        struct mlo_drift_report *bins = report(pairs[i][0], pairs[i][1], false);
        struct mlo_drift_report *values = report(pairs[i][0], pairs[i][1], true);
        near(bins->columns[0].wasserstein, values->columns[0].wasserstein, (int)i, "wasserstein");
        for (int q = 0; q < 7; q++)
            near(bins->columns[0].quantiles_current[q], values->columns[0].quantiles_current[q], (int)i,
                 "quantile");
        mlo_drift_report_free(bins);
        mlo_drift_report_free(values);
    }
}

static char *text_of(const struct mlo_profile *p)
{
    struct mlo_str s;
    mlo_str_init(&s, MLO_STR_MAX);
    check_ok(mlo_profile_write(p, &s, &err), &err);
    return mlo_str_detach(&s, NULL);
}

static void shards_give_the_same_file(void)
{
    write_table("r.csv", 0, 0, 5000);
    write_table("c.csv", 1, 0, 9000);
    write_table("c1.csv", 1, 0, 2000);
    write_table("c2.csv", 1, 2000, 7000);
    struct mlo_profile *like = profile("r.csv", NULL, false), *whole = profile("c.csv", like, false);
    struct mlo_profile *first = profile("c1.csv", like, false), *second = profile("c2.csv", like, false);
    check_ok(mlo_profile_merge(second, first, &err), &err);
    char *a = text_of(whole), *b = text_of(second);
    struct mlo_profile *again = NULL;
    check(strcmp(a, b) == 0 && strstr(a, "\"above\":[0,"));
    check_ok(mlo_profile_read(a, strlen(a), &again, &err), &err);
    char *c = text_of(again);
    check(strcmp(a, c) == 0);
    *strstr(a, "\"above\":[0,") = ' ';
    check(mlo_profile_read(a, strlen(a), &again, &err) < 0);
    char *level = strstr(b, "\"above\":[0,");
    level[9] = '9'; /* no such ids there */
    check_err(mlo_profile_read(b, strlen(b), &again, &err), MLO_EINVALID, &err, "'above'");
    free(a);
    free(b);
    free(c);
    mlo_profile_free(again);
    mlo_profile_free(like);
    mlo_profile_free(whole);
    mlo_profile_free(first);
    mlo_profile_free(second);
}

int main(void)
{
    run(are_as_of_the_values);
    run(shards_give_the_same_file);
    return done_testing();
}
