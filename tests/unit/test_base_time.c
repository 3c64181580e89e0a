/* RFC 3339, clocks, threads. */
#include "tap.h"

#include <pthread.h>
#include <string.h>

#include <mlopsctl/base/thread.h>
#include <mlopsctl/base/time.h>

static void parses(const char *text, int64_t ns)
{
    struct mlo_err err = MLO_ERR_INIT;
    int64_t v = 0;
    check_ok(mlo_time_parse(text, &v, &err), &err);
    check(v == ns, "%s gave %lld", text, (long long)v);
}

static void times_are_read_with_offsets_and_fractions(void)
{
    parses("1970-01-01T00:00:00Z", 0);
    parses("2026-11-21T09:07:00Z", INT64_C(1795252020) * MLO_NS_PER_S);
    parses("2026-11-21t09:07:00z", INT64_C(1795252020) * MLO_NS_PER_S);
    parses("2026-11-21 10:07:00+01:00", INT64_C(1795252020) * MLO_NS_PER_S);
    parses("2026-11-20T23:37:00-09:30", INT64_C(1795252020) * MLO_NS_PER_S);
    parses("1970-01-01T00:00:00.5Z", 500000000);
    parses("1970-01-01T00:00:00.1234567899Z", 123456789);
    parses("1969-12-31T23:59:59.25Z", -750000000);
    parses("2024-02-29T00:00:00Z", INT64_C(1709164800) * MLO_NS_PER_S);
    parses("2016-12-31T23:59:60Z", INT64_C(1483228800) * MLO_NS_PER_S);
    parses("2026-11-21", INT64_C(1795219200) * MLO_NS_PER_S);
}

static void what_is_no_time_is_refused(void)
{
    static const char *const bad[] = {
        "",
        "now",
        "2026",
        "2026-11-21T09:07:00",
        "2026-11-21T09:07Z",
        "2026-11-21T09:07:00Zx",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T09:60:00Z",
        "2026-11-21T09:07:61Z",
        "2026-11-21T09:07:00.Z",
        "2026-11-21T09:07:00+24:00",
        "2026-11-21T09:07:00+0100",
        " 2026-11-21T09:07:00Z",
        "+026-11-21T09:07:00Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
    };
    int64_t v = 5;
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        check(mlo_time_parse(bad[i], &v, &err) == MLO_EUSAGE, "'%s'", bad[i]);
    }
    check_int(v, 5);
}

static void the_ends_of_the_range_are_exact(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    int64_t v = 0;
    parses("2262-04-11T23:47:16.854775807Z", INT64_MAX);
    check_err(mlo_time_parse("2262-04-11T23:47:16.854775808Z", &v, &err), MLO_EUSAGE, &err, "outside");
}

static void times_are_printed_in_utc(void)
{
    char buf[MLO_RFC3339_MAX];
    check_str(mlo_time_rfc3339(0, buf), "1970-01-01T00:00:00Z");
    check_str(mlo_time_rfc3339(INT64_C(1795252020999999999), buf), "2026-11-21T09:07:00Z");
    check_str(mlo_time_rfc3339(-1, buf), "1969-12-31T23:59:59Z");
    check(strlen(mlo_time_rfc3339(INT64_MAX, buf)) == 20 && strlen(mlo_time_rfc3339(INT64_MIN, buf)) == 20);
}

static void clocks_go_forward(void)
{
    int64_t mono = mlo_time_mono();
    check(mlo_time_mono() >= mono);
    check(mlo_time_now() > INT64_C(1700000000) * MLO_NS_PER_S);
}

struct seen {
    unsigned char count[1000];
    pthread_mutex_t lock;
    size_t total;
};

static int see(void *ctx, size_t i, struct mlo_err *err)
{
    struct seen *s = ctx;
    (void)err;
    pthread_mutex_lock(&s->lock);
    s->count[i]++;
    s->total++;
    pthread_mutex_unlock(&s->lock);
    return 0;
}

static void every_index_is_called_once(void)
{
    static const unsigned threads[] = {0, 1, 2, 7, 5000};
    for (size_t t = 0; t < MLO_COUNT(threads); t++) {
        struct mlo_err err = MLO_ERR_INIT;
        struct seen s = {.lock = PTHREAD_MUTEX_INITIALIZER};
        check_ok(mlo_parallel(1000, threads[t], see, &s, &err), &err);
        check_int(s.total, 1000);
        for (size_t i = 0; i < 1000; i++)
            check(s.count[i] == 1);
    }
    struct mlo_err err = MLO_ERR_INIT;
    check_ok(mlo_parallel(0, 4, see, NULL, &err), &err);
}

static int fail_from_ten(void *ctx, size_t i, struct mlo_err *err)
{
    if (i >= 10)
        return mlo_fail(err, MLO_EINVALID, "index %zu", i);
    return see(ctx, i, err);
}

static void the_first_failure_stops_the_rest(void)
{
    struct mlo_err err = MLO_ERR_INIT;
    struct seen s = {.lock = PTHREAD_MUTEX_INITIALIZER};
    check_err(mlo_parallel(1000, 4, fail_from_ten, &s, &err), MLO_EINVALID, &err, "index ");
    check_int(s.total, 10);
    check_err(mlo_parallel(1000, 1, fail_from_ten, &s, &err), MLO_EINVALID, &err, "index 10");
}

static void there_is_at_least_one_cpu(void)
{
    check(mlo_cpu_count() >= 1 && mlo_cpu_count() <= 65536);
}

int main(void)
{
    run(times_are_read_with_offsets_and_fractions);
    run(what_is_no_time_is_refused);
    run(the_ends_of_the_range_are_exact);
    run(times_are_printed_in_utc);
    run(clocks_go_forward);
    run(every_index_is_called_once);
    run(the_first_failure_stops_the_rest);
    run(there_is_at_least_one_cpu);
    return done_testing();
}
