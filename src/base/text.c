/* Numbers, sizes, durations and near words, in what people type and read. */
#include <mlopsctl/base/text.h>

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/time.h>

#define NEAR_MAX 128 /* bytes of a word that edit distance looks at */

static int refuse(const char *what, const char *s, const char *want, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str shown;
    mlo_str_init(&shown, 256);
    mlo_escape(&shown, s, strnlen(s, 64));
    return mlo_fail(err, MLO_EUSAGE, "%s: '%s' is not %s", what, shown.ptr, want);
}

/* Leading digits; false without any or on overflow. */
static bool digits(const char **s, uint64_t *ret)
{
    uint64_t v = 0;
    const char *p = *s;
    for (; *p >= '0' && *p <= '9'; p++)
        if (!mlo_mul_u64(v, 10, &v) || !mlo_add_u64(v, (uint64_t)(*p - '0'), &v))
            return false;
    if (p == *s)
        return false;
    *s = p;
    *ret = v;
    return true;
}

int mlo_parse_u64(const char *s, uint64_t min, uint64_t max, const char *what, uint64_t *ret,
                  struct mlo_err *err)
{
    const char *p = s;
    uint64_t v;
    if (!digits(&p, &v) || *p)
        return refuse(what, s, "a whole number", err);
    if (v < min || v > max)
        return mlo_fail(err, MLO_EUSAGE, "%s: %s is not within %llu and %llu", what, s,
                        (unsigned long long)min, (unsigned long long)max);
    *ret = v;
    return 0;
}

int mlo_parse_double(const char *s, const char *what, double *ret, struct mlo_err *err)
{
    char *end;
    double v = strtod(s, &end);
    if (end == s || *end || strspn(s, "+-.0123456789eE") != strlen(s) || !isfinite(v))
        return refuse(what, s, "a number", err);
    *ret = v;
    return 0;
}

/* A decimal number with a fraction times `unit`; the product must fit. */
static bool scaled(const char **s, uint64_t *ret_whole, double *ret_fraction)
{
    double scale = 0.1;
    *ret_fraction = 0;
    if (!digits(s, ret_whole))
        return false;
    if (**s != '.')
        return true;
    ++*s;
    if (**s < '0' || **s > '9')
        return false;
    for (; **s >= '0' && **s <= '9'; ++*s, scale /= 10)
        *ret_fraction += (**s - '0') * scale;
    return true;
}

static bool apply_unit(uint64_t whole, double fraction, uint64_t unit, uint64_t *ret)
{
    return mlo_mul_u64(whole, unit, ret) &&
           mlo_add_u64(*ret, (uint64_t)llround(fraction * (double)unit), ret);
}

int mlo_parse_size(const char *s, const char *what, uint64_t *ret, struct mlo_err *err)
{
    static const char units[] = "KMGT";
    const char *p = s;
    uint64_t whole, unit = 1;
    double fraction;
    if (!scaled(&p, &whole, &fraction))
        return refuse(what, s, "a size such as 64K, 1.5G or 10MB", err);
    const char *u = *p ? strchr(units, toupper((unsigned char)*p)) : NULL;
    if (u) {
        bool decimal = toupper((unsigned char)p[1]) == 'B';
        for (const char *k = units; k <= u; k++)
            unit *= decimal ? 1000 : 1024;
        p += 1 + (decimal ? 1 : strncasecmp(p + 1, "iB", 2) == 0 ? 2 : 0);
    } else if (*p == 'B') {
        p++;
    }
    uint64_t v;
    bool half_a_byte = !u && fraction != 0;
    if (*p || half_a_byte || !apply_unit(whole, fraction, unit, &v))
        return refuse(what, s, "a size such as 64K, 1.5G or 10MB", err);
    *ret = v;
    return 0;
}

int mlo_parse_duration(const char *s, const char *what, uint64_t *ret_ns, struct mlo_err *err)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"us", 1000},         {"ms", 1000000},      {"s", 1000000000},     {"m", 60000000000},
                 {"min", 60000000000}, {"h", 3600000000000}, {"d", 86400000000000}, {"w", 604800000000000}};
    const char *p = s;
    uint64_t whole, v;
    double fraction;
    if (scaled(&p, &whole, &fraction))
        for (size_t i = 0; i < MLO_COUNT(units); i++)
            if (strcmp(p, units[i].name) == 0 && apply_unit(whole, fraction, units[i].ns, &v)) {
                *ret_ns = v;
                return 0;
            }
    return refuse(what, s, "a duration such as 90s, 15m, 2h or 30d", err);
}

/* ---- for people ---- */

char *mlo_human_size(uint64_t bytes, char *buf)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double v = (double)bytes;
    size_t u = 0;
    for (; v >= 1023.95 && u + 1 < MLO_COUNT(units); u++)
        v /= 1024;
    snprintf(buf, MLO_HUMAN_MAX, u ? "%.1f %s" : "%.0f %s", v, units[u]);
    return buf;
}

char *mlo_human_count(uint64_t n, char *buf)
{
    static const char *const units[] = {"", "K", "M", "B", "T", "Q"};
    double v = (double)n;
    size_t u = 0;
    for (; v >= 999.5 && u + 1 < MLO_COUNT(units); u++)
        v /= 1000;
    snprintf(buf, MLO_HUMAN_MAX, u && v < 9.95 ? "%.1f%s" : "%.0f%s", v, units[u]);
    return buf;
}

char *mlo_human_duration(uint64_t ns, char *buf)
{
    uint64_t s = ns / 1000000000;
    if (ns == 0)
        snprintf(buf, MLO_HUMAN_MAX, "0 s");
    else if (ns < 1000) /* all cut, not rounded: nobody wants to read "1000 ms" or "60.0 s" */
        snprintf(buf, MLO_HUMAN_MAX, "%u ns", (unsigned)ns);
    else if (ns < 10000)
        snprintf(buf, MLO_HUMAN_MAX, "%.2f us", (double)(ns / 10) / 100);
    else if (ns < 1000000)
        snprintf(buf, MLO_HUMAN_MAX, "%.1f us", (double)(ns / 100) / 10);
    else if (ns < 10000000)
        snprintf(buf, MLO_HUMAN_MAX, "%.2f ms", (double)(ns / 10000) / 100);
    else if (ns < 1000000000)
        snprintf(buf, MLO_HUMAN_MAX, "%u ms", (unsigned)(ns / 1000000));
    else if (s < 60)
        snprintf(buf, MLO_HUMAN_MAX, "%.1f s", (double)(ns / 100000000) / 10);
    else if (s < 3600)
        snprintf(buf, MLO_HUMAN_MAX, "%llu min %llu s", (unsigned long long)(s / 60),
                 (unsigned long long)(s % 60));
    else if (s < 86400)
        snprintf(buf, MLO_HUMAN_MAX, "%llu h %llu min", (unsigned long long)(s / 3600),
                 (unsigned long long)(s % 3600 / 60));
    else
        snprintf(buf, MLO_HUMAN_MAX, "%llu d %llu h", (unsigned long long)(s / 86400),
                 (unsigned long long)(s % 86400 / 3600));
    return buf;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Optimal string alignment: three rows of the table are enough. */
size_t mlo_edit_distance(const char *a, const char *b)
{
    size_t na = strnlen(a, NEAR_MAX), nb = strnlen(b, NEAR_MAX);
    size_t rows[3][NEAR_MAX + 1];
    for (size_t j = 0; j <= nb; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t *now = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            now[j] = min3(up[j] + 1, now[j - 1] + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && up2[j - 2] + 1 < now[j])
                now[j] = up2[j - 2] + 1;
        }
    }
    return rows[na % 3][nb];
}
