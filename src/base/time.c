#include <mlopsctl/base/time.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <mlopsctl/base/text.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * MLO_NS_PER_S + t.tv_nsec;
}

int64_t mlo_time_now(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t mlo_time_mono(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

char *mlo_time_rfc3339(int64_t ns, char buf[MLO_RFC3339_MAX])
{
    int64_t s = ns / MLO_NS_PER_S - (ns % MLO_NS_PER_S < 0);
    time_t t = (time_t)s;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || !strftime(buf, MLO_RFC3339_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm))
        snprintf(buf, MLO_RFC3339_MAX, "-");
    return buf;
}

static bool number(const char **s, unsigned n, int min, int max, int *ret)
{
    int v = 0;
    for (unsigned i = 0; i < n; i++, ++*s) {
        if (**s < '0' || **s > '9')
            return false;
        v = v * 10 + (**s - '0');
    }
    *ret = v;
    return v >= min && v <= max;
}

static bool symbol(const char **s, const char *any)
{
    if (!**s || !strchr(any, **s))
        return false;
    ++*s;
    return true;
}

static bool date(const char **s, struct tm *tm)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int y, m, d;
    if (!number(s, 4, 0, 9999, &y) || !symbol(s, "-") || !number(s, 2, 1, 12, &m) || !symbol(s, "-") ||
        !number(s, 2, 1, 31, &d))
        return false;
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    *tm = (struct tm){.tm_year = y - 1900, .tm_mon = m - 1, .tm_mday = d};
    return d <= days[m - 1] + (m == 2 && leap);
}

static bool fraction(const char **s, int64_t *ret_ns)
{
    int64_t unit = MLO_NS_PER_S;
    *ret_ns = 0;
    if (**s != '.')
        return true;
    for (++*s; **s >= '0' && **s <= '9'; ++*s) {
        unit /= 10;
        *ret_ns += (**s - '0') * unit;
    }
    return unit < MLO_NS_PER_S;
}

static bool offset(const char **s, int64_t *ret_s)
{
    int h, m, sign = **s == '-' ? -1 : 1;
    *ret_s = 0;
    if (symbol(s, "Zz"))
        return true;
    if (!symbol(s, "+-") || !number(s, 2, 0, 23, &h) || !symbol(s, ":") || !number(s, 2, 0, 59, &m))
        return false;
    *ret_s = sign * (h * 3600 + m * 60);
    return true;
}

static int refuse(const char *text, const char *why, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, sizeof err->msg / 2);
    mlo_escape(&shown, text, strnlen(text, 40));
    return mlo_fail(err, MLO_EUSAGE, "'%s' %s", shown.ptr, why);
}

int mlo_time_parse(const char *text, int64_t *ret_ns, struct mlo_err *err)
{
    const char *s = text;
    struct tm tm;
    int64_t ns = 0, away = 0;
    bool ok = date(&s, &tm);
    if (ok && *s) /* a date alone is its midnight, UTC */
        ok = symbol(&s, "Tt ") && number(&s, 2, 0, 23, &tm.tm_hour) && symbol(&s, ":") &&
             number(&s, 2, 0, 59, &tm.tm_min) && symbol(&s, ":") && number(&s, 2, 0, 60, &tm.tm_sec) &&
             fraction(&s, &ns) && offset(&s, &away);
    if (!ok || *s)
        return refuse(text, "is no time such as 2026-11-21T09:07:00Z", err);
    int64_t whole;
    if (__builtin_mul_overflow((int64_t)timegm(&tm) - away, MLO_NS_PER_S, &whole) ||
        __builtin_add_overflow(whole, ns, &whole))
        return refuse(text, "is outside the years 1678 to 2261", err);
    *ret_ns = whole;
    return 0;
}
