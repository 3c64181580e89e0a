/* Windows: the calendar, counts that add up to the whole, drift found in the window where it was planted and
 * nowhere else, rows of a period, times of every kind. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/io.h>
#include <mlopsctl/base/time.h>

#include "../../src/drift/internal.h"
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

static int64_t ns(const char *text)
{
    int64_t t = 0;
    check_ok(mlo_time_parse(text, &t, &err), &err);
    return t;
}

static double normal(uint64_t *seed)
{
    double x = -6;
    for (int i = 0; i < 12; i++)
        x += mlo_random_unit(seed);
    return x;
}

/* ---- making profiles and windows ---- */

struct made {
    struct mlo_profile *reference, *current;
    struct mlo_windows *windows;
    struct mlo_drift_report *r;
};

static int profile(const char *file, const struct mlo_profile_opts *po, const struct mlo_span *period,
                   unsigned threads, struct mlo_profile **ret, struct mlo_err *e)
{
    struct mlo_table_opts to = {.threads = mlo_profile_threads(po, threads)};
    struct mlo_table *t = NULL;
    if (period) {
        to.from_ns = period->from_ns;
        to.to_ns = period->to_ns;
        to.time_column = po->time_column;
    }
    int rc = mlo_table_open(&file, 1, &to, &t, e);
    if (rc == 0)
        rc = mlo_profile_table(t, po, ret, e);
    mlo_table_close(t);
    return rc;
}

static int make(const char *reference, const char *current, const char *window, const struct mlo_span *period,
                unsigned threads, struct made *m, struct mlo_err *e)
{
    static const struct mlo_drift_opts standard;
    struct mlo_profile_opts plain = {0}, po = {.time_column = "t"};
    struct mlo_window_span span;
    int rc = profile(reference, &plain, NULL, threads, &m->reference, e);
    if (rc == 0 && window)
        rc = mlo_window_parse(window, &span, e);
    if (rc == 0 && window)
        rc = mlo_windows_new(&span, &m->windows, e);
    po.like = m->reference;
    po.windows = m->windows;
    if (rc == 0)
        rc = profile(current, &po, period, threads, &m->current, e);
    if (rc == 0)
        rc = mlo_drift_compare(m->reference, m->current, &standard, &m->r, e);
    if (rc == 0 && window)
        rc = mlo_drift_over_time(m->r, m->windows, e);
    return rc;
}

static void done(struct made *m)
{
    mlo_drift_report_free(m->r);
    mlo_profile_free(m->reference);
    mlo_profile_free(m->current);
    mlo_windows_free(m->windows);
    *m = (struct made){0};
}

static size_t column(const struct mlo_drift_report *r, const char *name)
{
    for (size_t i = 0; i < r->n_columns; i++)
        if (strcmp(r->columns[i].name, name) == 0)
            return i;
    check(false, "no column %s", name);
    return 0;
}

/* ---- data: x normal, w one of five words, gap sometimes missing; from September 1 on ---- */

struct day {
    double shift, missing;
    bool new_word;
};

static void write_row(FILE *f, const char *time, uint64_t *seed, struct day d)
{
    if (time)
        fprintf(f, "%s,", time);
    fprintf(f, "%.5f,", normal(seed) + d.shift);
    fprintf(f, "%s,",
            d.new_word && mlo_random_unit(seed) < 0.4
                ? "new"
                : (const char *[]){"a", "b", "c", "d", "e"}[mlo_random_next(seed) % 5]);
    fprintf(f, mlo_random_unit(seed) < d.missing ? "\n" : "%.3f\n", normal(seed));
}

static void write_reference(const char *file)
{
    uint64_t seed = 5;
    FILE *f = fopen(file, "w");
    fprintf(f, "x,w,gap\n");
    for (int i = 0; i < 4000; i++)
        write_row(f, NULL, &seed, (struct day){.missing = 0.05});
    fclose(f);
}

/* shuffled: the rows of all days in turn. */
static void write_days(const char *file, const struct day *days, int n, int each, bool shuffled)
{
    uint64_t seed = 77;
    char time[MLO_RFC3339_MAX];
    FILE *f = fopen(file, "w");
    fprintf(f, "t,x,w,gap\n");
    for (int i = 0; i < n * each; i++) {
        int day = shuffled ? i % n : i / each, second = (shuffled ? i / n : i % each) * (86400 / each);
        mlo_time_rfc3339(ns("2026-09-01T00:00:00Z") + (day * 86400LL + second) * MLO_NS_PER_S, time);
        write_row(f, time, &seed, days[day]);
    }
    fclose(f);
}

/* ---- tests ---- */

static void around(enum mlo_window_unit unit, const char *at, const char *from, const char *to,
                   const char *label)
{
    char buf[MLO_WINDOW_LABEL];
    struct mlo_span p = mlo_window_around(unit, ns(at));
    check_int(p.from_ns, ns(from));
    check_int(p.to_ns, ns(to));
    mlo_window_label(unit, p.from_ns, buf);
    check_str(buf, label);
}

static void windows_are_those_of_the_calendar(void)
{
    around(MLO_WINDOW_HOUR, "2026-11-21T09:59:59.9Z", "2026-11-21T09:00:00Z", "2026-11-21T10:00:00Z",
           "2026-11-21 09:00");
    around(MLO_WINDOW_DAY, "2026-11-21T00:00:00Z", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z",
           "2026-11-21");
    around(MLO_WINDOW_DAY, "2026-11-21T01:30:00+02:00", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z",
           "2026-11-20");
    around(MLO_WINDOW_WEEK, "2026-11-22T23:59:59Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z",
           "2026-11-16"); /* a Sunday */
    around(MLO_WINDOW_WEEK, "2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z",
           "2026-11-23"); /* a Monday */
    around(MLO_WINDOW_MONTH, "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z",
           "2028-02");
    around(MLO_WINDOW_MONTH, "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z",
           "2026-12");
    around(MLO_WINDOW_DAY, "1969-12-31T23:59:59Z", "1969-12-31T00:00:00Z", "1970-01-01T00:00:00Z",
           "1969-12-31");
    around(MLO_WINDOW_WEEK, "1969-12-28T10:00:00Z", "1969-12-22T00:00:00Z", "1969-12-29T00:00:00Z",
           "1969-12-22");
    around(MLO_WINDOW_MONTH, "1969-12-31T23:59:59.5Z", "1969-12-01T00:00:00Z", "1970-01-01T00:00:00Z",
           "1969-12");
}

static void only_lengths_are_windows(void)
{
    struct mlo_window_span s;
    check_ok(mlo_window_parse("week", &s, &err), &err);
    check(s.unit == MLO_WINDOW_WEEK);
    check_ok(mlo_window_parse("1000", &s, &err), &err);
    check(s.unit == MLO_WINDOW_ROWS && s.rows == 1000);
    check_err(mlo_window_parse("year", &s, &err), MLO_EUSAGE, &err, "hour, day, week, month or a number");
    check_err(mlo_window_parse("0", &s, &err), MLO_EUSAGE, &err, "number of rows");
}

static struct day planted[20];

static void plant(void)
{
    for (size_t i = 0; i < MLO_COUNT(planted); i++)
        planted[i] = (struct day){.missing = 0.05};
    planted[4].shift = 1;
    planted[9].missing = 0.4;
    planted[14].new_word = true;
}

static void check_planted(const struct mlo_drift_report *r)
{
    check_int(r->n_windows, MLO_COUNT(planted));
    for (size_t i = 0; i < r->n_windows; i++) {
        const struct mlo_drift_window *w = &r->windows[i];
        bool drift = i == 4 || i == 9 || i == 14;
        check((w->verdict == MLO_VERDICT_DRIFT) == drift, "window %zu: %s, %s %g", i,
              mlo_verdict_word(w->verdict), w->worst, w->worst_psi);
        check_int(w->rows, 300);
        check(!drift || fabs(w->share_drifted - 1.0 / 3) < 1e-12);
    }
    check_str(r->windows[4].worst, "x");
    check_str(r->windows[9].worst, "gap");
    check_str(r->windows[14].worst, "w");
    check_str(r->windows[4].label, "2026-09-05");
    check_int(r->windows[4].to_ns, ns("2026-09-06T00:00:00Z"));
    check(r->windows[4].psi[column(r, "x")] > 0.5 && r->windows[5].psi[column(r, "x")] < 0.1);
}

static void drift_is_found_where_it_was_planted(void)
{
    struct made m = {0};
    plant();
    write_reference(path("a.csv"));
    write_days(path("b.csv"), planted, MLO_COUNT(planted), 300, false);
    check_ok(make(path("a.csv"), path("b.csv"), "day", NULL, 1, &m, &err), &err);
    check_planted(m.r);
    done(&m);
}

static void the_order_of_rows_and_threads_change_nothing(void)
{
    struct made a = {0}, b = {0};
    plant();
    write_reference(path("a.csv"));
    write_days(path("b.csv"), planted, MLO_COUNT(planted), 300, true);
    check_ok(make(path("a.csv"), path("b.csv"), "day", NULL, 1, &a, &err), &err);
    check_ok(make(path("a.csv"), path("b.csv"), "day", NULL, 4, &b, &err), &err);
    check_planted(a.r);
    check_int(a.r->n_windows, b.r->n_windows);
    for (size_t i = 0; i < a.r->n_windows; i++)
        check(a.r->windows[i].worst_psi == b.r->windows[i].worst_psi);
    done(&a);
    done(&b);
}

/* One window that holds every row must say what the comparison of the whole says. */
static void a_window_of_everything_equals_the_whole(void)
{
    struct made m = {0};
    plant();
    write_reference(path("a.csv"));
    write_days(path("b.csv"), planted, MLO_COUNT(planted), 300, false);
    check_ok(make(path("a.csv"), path("b.csv"), "100000", NULL, 2, &m, &err), &err);
    check_int(m.r->n_windows, 1);
    check_str(m.r->windows[0].label, "rows 1 to 6000");
    for (size_t i = 0; i < m.r->n_columns; i++)
        if (m.r->columns[i].counts_reference)
            check(fabs(m.r->windows[0].psi[i] - m.r->columns[i].psi) < 1e-12 ||
                      m.r->columns[i].type == MLO_COLUMN_TEXT,
                  "%s: %g, whole %g", m.r->columns[i].name, m.r->windows[0].psi[i], m.r->columns[i].psi);
    done(&m);
}

static void rows_are_counted_in_order(void)
{
    struct made m = {0};
    plant();
    write_reference(path("a.csv"));
    write_days(path("b.csv"), planted, MLO_COUNT(planted), 300, false);
    check_ok(make(path("a.csv"), path("b.csv"), "600", NULL, 4, &m, &err), &err);
    check_int(m.r->n_windows, 10);
    check_str(m.r->windows[2].label, "rows 1201 to 1800");
    check(m.r->windows[2].verdict == MLO_VERDICT_DRIFT && m.r->windows[3].verdict == MLO_VERDICT_STABLE);
    check_int(m.r->windows[2].from_ns, 0);
    done(&m);
}

static void quiet_windows_rarely_alarm(void)
{
    struct day quiet[40];
    int alarms = 0;
    struct made m = {0};
    for (size_t i = 0; i < MLO_COUNT(quiet); i++)
        quiet[i] = (struct day){.missing = 0.05};
    write_reference(path("a.csv"));
    write_days(path("b.csv"), quiet, MLO_COUNT(quiet), 48, false); /* few rows: PSI is mostly noise */
    check_ok(make(path("a.csv"), path("b.csv"), "day", NULL, 1, &m, &err), &err);
    for (size_t i = 0; i < m.r->n_windows; i++) {
        alarms += m.r->windows[i].verdict == MLO_VERDICT_DRIFT;
        check(m.r->windows[i].worst_noise > 0.1);
    }
    check_int(alarms, 0);
    done(&m);
}

static void a_period_chooses_rows(void)
{
    struct made m = {0};
    struct mlo_profile_facts f;
    struct mlo_span p = {ns("2026-09-05T00:00:00Z"), ns("2026-09-07T12:00:00Z")};
    plant();
    write_reference(path("a.csv"));
    write_days(path("b.csv"), planted, MLO_COUNT(planted), 300, true);
    check_ok(make(path("a.csv"), path("b.csv"), "day", &p, 3, &m, &err), &err);
    mlo_profile_facts(m.current, &f);
    check_int(f.rows, 750);
    check_int(f.outside, 5250);
    check_int(f.undated, 0);
    check_int(m.r->n_windows, 3);
    check_int(m.r->windows[2].rows, 150);
    check(m.r->columns[column(m.r, "x")].n_current == 750);
    done(&m);
}

/* The same rows, cut out beforehand and chosen by their times, give the same profile. */
static void chosen_rows_are_a_table_of_their_own(void)
{
    struct mlo_profile_opts all = {0}, some = {.time_column = "t"};
    struct mlo_span p = {ns("2026-09-01T00:00:00Z"), ns("2026-09-04T00:00:00Z")};
    struct mlo_profile *a = NULL, *b = NULL;
    MLO_AUTOSTR struct mlo_str ta, tb;
    mlo_str_init(&ta, MLO_STR_MAX);
    mlo_str_init(&tb, MLO_STR_MAX);
    plant();
    write_days(path("short.csv"), planted, 3, 300, false);
    write_days(path("long.csv"), planted, MLO_COUNT(planted), 300, false);
    check_ok(profile(path("short.csv"), &all, NULL, 2, &a, &err), &err);
    check_ok(profile(path("long.csv"), &some, &p, 2, &b, &err), &err);
    check_ok(mlo_profile_write(a, &ta, &err), &err);
    check_ok(mlo_profile_write(b, &tb, &err), &err);
    check_str(tb.ptr, ta.ptr);
    mlo_profile_free(a);
    mlo_profile_free(b);
}

static uint64_t rows_in(const struct mlo_drift_report *r, const char *label)
{
    for (size_t i = 0; i < r->n_windows; i++)
        if (strcmp(r->windows[i].label, label) == 0)
            return r->windows[i].rows;
    return 0;
}

static void times_come_in_many_forms(void)
{
    static const struct {
        const char *rows[8];
        uint64_t first, second, undated; /* of September 1 and 2 */
    } cases[] = {
        {{"2026-09-01T10:00:00Z", "2026-09-02T01:00:00+02:00", "2026-09-02", "2026-09-02 12:00"}, 2, 2, 0},
        {{"2026-09-01T10:00:00Z", "", "yesterday", "2026-09-02", "2026-13-02", "2026-09-31"}, 1, 1, 4},
        {{"1788220800", "1788307200", "1788307199.5"}, 2, 1, 0},                          /* seconds */
        {{"1788220800000", "1788307200000", "1788307199999"}, 2, 1, 0},                   /* ms */
        {{"1788220800000000", "1788307200000000", "NaN"}, 1, 1, 1},                       /* us */
        {{"1788220800000000000", "1788307200000000000", "9999999999999999999"}, 1, 1, 1}, /* ns */
    };
    write_reference(path("a.csv"));
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct made m = {0};
        struct mlo_profile_facts f;
        FILE *out = fopen(path("b.csv"), "w");
        fprintf(out, "t,x,w,gap\n");
        for (size_t k = 0; k < MLO_COUNT(cases[i].rows) && cases[i].rows[k]; k++)
            fprintf(out, "%s,0.5,a,1\n", cases[i].rows[k]);
        fclose(out);
        if (!check_ok(make(path("a.csv"), path("b.csv"), "day", NULL, 1, &m, &err), &err))
            continue;
        mlo_profile_facts(m.current, &f);
        check_int(rows_in(m.r, "2026-09-01"), cases[i].first);
        check_int(rows_in(m.r, "2026-09-02"), cases[i].second);
        check_int(f.undated, cases[i].undated);
        done(&m);
    }
}

static void what_cannot_be_is_said(void)
{
    struct made m = {0};
    struct mlo_profile_opts po = {.time_column = NULL};
    struct mlo_span p = {0, 1};
    FILE *f = fopen(path("b.csv"), "w");
    fprintf(f, "t,x,w,gap\n");
    for (int i = 0; i < 1100; i++)
        fprintf(f, "%lld,1,a,1\n", 1788220800LL + i * 86400);
    fclose(f);
    write_reference(path("a.csv"));
    check_err(make(path("a.csv"), path("b.csv"), "day", NULL, 2, &m, &err), MLO_EUSAGE, &err,
              "more than 1000 windows");
    done(&m);
    check_ok(make(path("a.csv"), path("b.csv"), "week", NULL, 2, &m, &err), &err);
    check(m.r->n_windows > 150);
    done(&m);
    check_err(make(path("a.csv"), path("b.csv"), "1", NULL, 2, &m, &err), MLO_EUSAGE, &err,
              "more than 1000 windows");
    done(&m);
    check_err(make(path("a.csv"), path("a.csv"), "day", NULL, 2, &m, &err), MLO_ENOTFOUND, &err,
              "no column 't'");
    done(&m);
    check_err(profile(path("a.csv"), &po, &p, 1, &m.current, &err), MLO_EUSAGE, &err,
              "has no column of times");
    f = fopen(path("b.csv"), "w");
    fprintf(f, "t,u,x\n2026-09-01,2026-09-02,1\n");
    fclose(f);
    check_err(profile(path("b.csv"), &po, &p, 1, &m.current, &err), MLO_EUSAGE, &err,
              "several columns of times");
    po.time_column = "x";
    f = fopen(path("b.csv"), "w");
    fprintf(f, "t,u,x\n2026-09-01,2026-09-02,word\n");
    fclose(f);
    check_err(profile(path("b.csv"), &po, &p, 1, &m.current, &err), MLO_EUSAGE, &err, "holds no time");
}

static void an_empty_table_has_no_windows(void)
{
    struct made m = {0};
    FILE *f = fopen(path("b.csv"), "w");
    fprintf(f, "t,x,w,gap\n");
    fclose(f);
    write_reference(path("a.csv"));
    check_ok(make(path("a.csv"), path("b.csv"), "day", NULL, 2, &m, &err), &err);
    check_int(m.r->n_windows, 0);
    done(&m);
}

static int make_all(void)
{
    struct made m = {0};
    struct mlo_err failed = {0};
    struct mlo_span p = {ns("2026-09-01T00:00:00Z"), ns("2026-09-03T00:00:00Z")};
    int rc = make(path("a.csv"), path("b.csv"), "day", &p, 1, &m, &failed);
    done(&m);
    return rc;
}

static void memory_may_run_out(void)
{
    plant();
    write_reference(path("a.csv"));
    write_days(path("b.csv"), planted, 3, 12, true);
    check(each_alloc_failure(make_all) > 20);
}

int main(void)
{
    run(windows_are_those_of_the_calendar);
    run(only_lengths_are_windows);
    run(drift_is_found_where_it_was_planted);
    run(the_order_of_rows_and_threads_change_nothing);
    run(a_window_of_everything_equals_the_whole);
    run(rows_are_counted_in_order);
    run(quiet_windows_rarely_alarm);
    run(a_period_chooses_rows);
    run(chosen_rows_are_a_table_of_their_own);
    run(times_come_in_many_forms);
    run(what_cannot_be_is_said);
    run(an_empty_table_has_no_windows);
    run(memory_may_run_out);
    return done_testing();
}
