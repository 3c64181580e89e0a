/* Other tools' numbers: every allocation failing in turn; bins as numpy makes and reads them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../src/drift/compat/compat.h"
#include "tap.h"

static char tables[2][4200];
static struct mlo_err err;

static void write_tables(void)
{
    for (int side = 0; side < 2; side++) {
        snprintf(tables[side], sizeof tables[side], "%s/%d.csv", tap_tmpdir(), side);
        FILE *f = fopen(tables[side], "w");
        fprintf(f, "x,word,k\n");
        for (int i = 0; i < 60; i++)
            fprintf(f, "%d.%d,w%d,%d\n", i * 7 % 60 + side, i % 10, i % (5 + side), i % 4);
        fclose(f);
    }
}

static int open_both(struct mlo_table *t[2], struct mlo_err *e)
{
    struct mlo_table_opts to = {.threads = 1};
    int rc = 0;
    for (int side = 0; rc == 0 && side < 2; side++) {
        const char *path = tables[side];
        rc = mlo_table_open(&path, 1, &to, &t[side], e);
    }
    return rc;
}

static const char *tool;

static int whole_way(void)
{
    const struct mlo_drift_compat_opts o = {.tool = tool};
    struct mlo_drift_compat_report *r = NULL;
    struct mlo_table *t[2] = {0};
    int rc = open_both(t, &err);
    if (rc == 0)
        rc = mlo_drift_compat(t[0], t[1], &o, &r, &err);
    mlo_drift_compat_free(r);
    mlo_table_close(t[0]);
    mlo_table_close(t[1]);
    return rc;
}

static void survives_failing_allocations(void)
{
    static const char *const tools[] = {"evidently", "evidently:psi", "evidently:hellinger",
                                        "nannyml",   "nannyml:chi2",  "deepchecks",
                                        "scipy"};
    for (size_t i = 0; i < MLO_COUNT(tools); i++) {
        tool = tools[i];
        check(each_alloc_failure(whole_way) > 30, "%s", tool);
    }
}

static void bins_are_numpys(void)
{
    double x[] = {0, 0.25, 0.5, 0.5, 1, 1, 2};
    const struct mlo_compat_values v = {x, MLO_COUNT(x)};
    struct mlo_edges e = {0};
    uint64_t n[4];
    check_ok(mlo_edges_even(0, 1, 4, &e, &err), &err);
    mlo_edges_count(&e, &v, n);
    check(n[0] == 1 && n[1] == 1 && n[2] == 2 && n[3] == 2); /* the last holds its edge; 2 is outside */
    mlo_edges_release(&e);
    check_ok(mlo_edges_of_width(3, 3, 0, &e, &err), &err);
    check(e.bins == 1 && e.at[0] == 2.5 && e.at[1] == 3.5);
    mlo_edges_release(&e);
    check_err(mlo_edges_of_width(0, 1e300, 1e-300, &e, &err), MLO_EUNAVAIL, &err, "too many");
}

static void texts_are_in_order(void)
{
    struct mlo_table *t[2] = {0};
    struct mlo_words *words = NULL;
    struct mlo_frame a = {0}, b = {0};
    check_ok(open_both(t, &err), &err);
    check_ok(mlo_words_new(&words, &err), &err);
    check_ok(mlo_frame_read(t[1], words, &b, &err), &err);
    check_ok(mlo_frame_read(t[0], words, &a, &err), &err);
    check_ok(mlo_frames_rank(words, &a, &b, &err), &err);
    check_int(a.rows, 60);
    check(a.columns[1].values[0] == 0 && a.columns[1].values[4] == 4 && b.columns[1].values[5] == 5);
    check(a.columns[2].integral && !a.columns[0].integral);
    mlo_frame_release(&a);
    mlo_frame_release(&b);
    mlo_words_free(words);
    mlo_table_close(t[0]);
    mlo_table_close(t[1]);
}

int main(void)
{
    write_tables();
    run(survives_failing_allocations);
    run(bins_are_numpys);
    run(texts_are_in_order);
    return done_testing();
}
