/* Monitors: each allocation failing in turn, from the table to the state and back. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/drift.h>

#include "tap.h"

static char table[MLO_PATH_MAX];

static void write_table(void)
{
    snprintf(table, sizeof table, "%s/t.csv", tap_tmpdir());
    FILE *f = fopen(table, "w");
    fprintf(f, "x,label,answer\n");
    for (int i = 0; i < 400; i++)
        fprintf(f, "%d,%d,%d\n", i < 200 ? i % 2 : 6 + i % 3, i % 2, i < 200 || i % 3 ? i % 2 : 1 - i % 2);
    fclose(f);
}

static void setup(struct mlo_detector d[2], struct mlo_monitor_opts *o)
{
    static const char *const columns[] = {"x"};
    mlo_detector_init(&d[0], MLO_DETECT_ADWIN);
    mlo_detector_init(&d[1], MLO_DETECT_KSWIN);
    *o = (struct mlo_monitor_opts){.columns = columns,
                                   .n_columns = 1,
                                   .label = "label",
                                   .prediction = "answer",
                                   .threshold = NAN,
                                   .detectors = d,
                                   .n_detectors = 2};
}

static int show_table(struct mlo_monitor *m, struct mlo_err *err)
{
    const struct mlo_table_opts to = {.threads = 1};
    const char *path = table;
    struct mlo_table *t = NULL;
    int rc = mlo_table_open(&path, 1, &to, &t, err);
    if (rc == 0)
        rc = mlo_monitor_table(m, t, err);
    mlo_table_close(t);
    return rc;
}

static int whole_way(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_detector d[2];
    struct mlo_monitor_opts o;
    struct mlo_monitor *m = NULL, *other = NULL;
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_MONITOR_STATE_MAX);
    setup(d, &o);
    int rc = mlo_monitor_new(&o, &m, &err);
    if (rc == 0)
        rc = show_table(m, &err);
    if (rc == 0)
        rc = mlo_monitor_write(m, &text, &err);
    if (rc == 0)
        rc = mlo_monitor_new(&o, &other, &err);
    if (rc == 0)
        rc = mlo_monitor_restore(other, text.ptr, text.len, &err);
    mlo_monitor_free(m);
    mlo_monitor_free(other);
    return rc;
}

static void survives_failing_allocations(void)
{
    check(each_alloc_failure(whole_way) > 20);
}

static void finds_the_step(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_detector d[2];
    struct mlo_monitor_opts o;
    struct mlo_monitor_facts f;
    struct mlo_monitor *m = NULL;
    setup(d, &o);
    check_ok(mlo_monitor_new(&o, &m, &err), &err);
    check_ok(show_table(m, &err), &err);
    mlo_monitor_facts(m, &f);
    check_int(f.rows, 400);
    if (check(f.drifts > 0 && f.n_events == f.drifts)) {
        check_str(f.events[0].stream, "x");
        check(f.events[0].row > 200 && f.events[0].row < 240, "row %llu",
              (unsigned long long)f.events[0].row);
        check(!f.events[0].timed);
    }
    mlo_monitor_free(m);
}

static void refuses_damaged_states(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_detector d[2];
    struct mlo_monitor_opts o;
    struct mlo_monitor *m = NULL;
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_MONITOR_STATE_MAX);
    setup(d, &o);
    check_ok(mlo_monitor_new(&o, &m, &err), &err);
    check_ok(show_table(m, &err), &err);
    check_ok(mlo_monitor_write(m, &text, &err), &err);
    for (size_t n = 0; n + 1 < text.len; n += 7) /* cut anywhere */
        check(mlo_monitor_restore(m, text.ptr, n, &err) < 0, "%zu", n);
    check_ok(mlo_monitor_restore(m, text.ptr, text.len, &err), &err);
    mlo_monitor_free(m);
}

int main(void)
{
    write_table();
    run(finds_the_step);
    run(survives_failing_allocations);
    run(refuses_damaged_states);
    return done_testing();
}
