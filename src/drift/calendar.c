/* Windows of the calendar, in UTC. */
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#define HOUR (3600 * MLO_NS_PER_S)
#define DAY  (24 * HOUR)
#define WEEK (7 * DAY)

static const char *const units[] = {[MLO_WINDOW_HOUR] = "hour",
                                    [MLO_WINDOW_DAY] = "day",
                                    [MLO_WINDOW_WEEK] = "week",
                                    [MLO_WINDOW_MONTH] = "month"};

int mlo_window_parse(const char *text, struct mlo_window_span *ret, struct mlo_err *err)
{
    struct mlo_window_span span = {.unit = MLO_WINDOW_ROWS};
    for (size_t i = 0; i < MLO_COUNT(units); i++)
        if (strcmp(units[i], text) == 0) {
            *ret = (struct mlo_window_span){.unit = (enum mlo_window_unit)i};
            return 0;
        }
    if (mlo_parse_u64(text, 1, INT64_MAX, "window", &span.rows, err) != 0)
        return mlo_fail(err, MLO_EUSAGE, "a window is an hour, day, week, month or a number of rows");
    *ret = span;
    return 0;
}

static int64_t floor_to(int64_t t, int64_t unit)
{
    int64_t rest = t % unit;
    return t - (rest < 0 ? rest + unit : rest);
}

/* The first of the month that t is in, or of one after it. */
static int64_t month_begin(int64_t t, int months)
{
    struct tm tm;
    time_t s = (time_t)(floor_to(t, MLO_NS_PER_S) / MLO_NS_PER_S);
    gmtime_r(&s, &tm);
    tm = (struct tm){.tm_year = tm.tm_year, .tm_mon = tm.tm_mon + months, .tm_mday = 1};
    return (int64_t)timegm(&tm) * MLO_NS_PER_S;
}

struct mlo_span mlo_window_around(enum mlo_window_unit unit, int64_t t)
{
    const int64_t monday = -3 * DAY; /* 1969-12-29 */
    int64_t from = t, length = DAY;
    switch (unit) {
    case MLO_WINDOW_HOUR:
        length = HOUR;
        from = floor_to(t, HOUR);
        break;
    case MLO_WINDOW_DAY:
        from = floor_to(t, DAY);
        break;
    case MLO_WINDOW_WEEK:
        length = WEEK;
        from = floor_to(t - monday, WEEK) + monday;
        break;
    case MLO_WINDOW_MONTH:
        return (struct mlo_span){month_begin(t, 0), month_begin(t, 1)};
    case MLO_WINDOW_ROWS:
        break;
    }
    return (struct mlo_span){from, from + length};
}

void mlo_window_label(enum mlo_window_unit unit, int64_t from_ns, char buf[MLO_WINDOW_LABEL])
{
    char time[MLO_RFC3339_MAX];
    mlo_time_rfc3339(from_ns, time);
    if (unit == MLO_WINDOW_HOUR)
        snprintf(buf, MLO_WINDOW_LABEL, "%.10s %.5s", time, time + 11);
    else
        snprintf(buf, MLO_WINDOW_LABEL, "%.*s", unit == MLO_WINDOW_MONTH ? 7 : 10, time);
}
