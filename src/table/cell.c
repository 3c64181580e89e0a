/* The text of one cell: number, truth value, time, missing; and what type a column of such cells has. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <mlopsctl/base/decimal.h>
#include "internal.h"

/* ---- numbers ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

#define DOUBLE_INTEGER ((uint64_t)1 << 53)

static void trim(const char **s, size_t *n)
{
    while (*n > 0 && (**s == ' ' || **s == '\t')) {
        ++*s;
        --*n;
    }
    while (*n > 0 && ((*s)[*n - 1] == ' ' || (*s)[*n - 1] == '\t'))
        --*n;
}

static bool equals(const char *s, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++)
        if (tolower((unsigned char)s[i]) != word[i])
            return false;
    return word[n] == '\0';
}

static bool is_infinity(const char *s, size_t n, double *ret)
{
    bool negative = n > 0 && *s == '-';
    size_t sign = n > 0 && (*s == '-' || *s == '+');
    if (!equals(s + sign, n - sign, "inf") && !equals(s + sign, n - sign, "infinity"))
        return false;
    *ret = negative ? -INFINITY : INFINITY;
    return true;
}

bool mlo_cell_number(const char *s, size_t n, double *ret)
{
    double v;
    trim(&s, &n);
    if (n == 0 || n > MLO_DECIMAL_TEXT)
        return false;
    const char *end = mlo_decimal_read(s, s + n, &v);
    if (end == s + n)
        *ret = v;
    return end ? end == s + n : is_infinity(s, n, ret);
}

/* ---- truth values, missing ---- */

bool mlo_cell_bool(const char *s, size_t n, double *ret)
{
    trim(&s, &n);
    bool yes = equals(s, n, "true");
    if (!yes && !equals(s, n, "false"))
        return false;
    *ret = yes;
    return true;
}

bool mlo_cell_missing(const char *s, size_t n)
{
    static const char *const words[] = {"#N/A", "#N/A N/A", "#NA",     "-1.#IND", "-1.#QNAN", "-NaN",
                                        "-nan", "1.#IND",   "1.#QNAN", "<NA>",    "N/A",      "NA",
                                        "NULL", "NaN",      "n/a",     "nan",     "null",     "None"};
    if (n == 0)
        return true;
    if (n > 8 || !mlo_may_be_missing(*s))
        return false;
    for (size_t i = 0; i < MLO_COUNT(words); i++)
        if (strlen(words[i]) == n && memcmp(words[i], s, n) == 0)
            return true;
    return false;
}

/* ---- times ---- */

/* Exactly `digits` digits, or -1. */
static int number_at(const char *s, int digits)
{
    int v = 0;
    for (int i = 0; i < digits; i++) {
        if (!is_digit(s[i]))
            return -1;
        v = v * 10 + (s[i] - '0');
    }
    return v;
}

/* Days since 1970 of a date of the Gregorian calendar: years begin in March, so that a leap day is the last.
 */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool is_date(int year, int month, int day)
{
    static const int length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month >= 1 && month <= 12 && day >= 1 && day <= length[month - 1] + (month == 2 && leap);
}

/* "Z", "+02:00", "-0530" or nothing: seconds east. */
static bool read_offset(const char *s, size_t n, int *ret)
{
    *ret = 0;
    if (n == 0 || (n == 1 && (*s == 'Z' || *s == 'z')))
        return true;
    bool colon = n == 6 && s[3] == ':';
    if ((n != 5 && !colon) || (*s != '+' && *s != '-'))
        return false;
    int hours = number_at(s + 1, 2), minutes = number_at(s + (colon ? 4 : 3), 2);
    if (hours < 0 || hours > 15 || minutes < 0 || minutes > 59)
        return false;
    *ret = (hours * 60 + minutes) * 60 * (*s == '-' ? -1 : 1);
    return true;
}

/* hh:mm[:ss[.fraction]][offset] in nanoseconds of the day. */
static bool read_clock(const char *s, size_t n, int64_t *ret)
{
    if (n < 5 || s[2] != ':')
        return false;
    int hour = number_at(s, 2), minute = number_at(s + 3, 2), second = 0, offset;
    int64_t fraction = 0;
    size_t at = 5;
    if (n >= 8 && s[5] == ':') {
        second = number_at(s + 6, 2);
        at = 8;
        if (n > 9 && (s[8] == '.' || s[8] == ',')) {
            int64_t unit = 100000000;
            for (at = 9; at < n && is_digit(s[at]); at++, unit /= 10)
                fraction += (s[at] - '0') * unit;
        }
    }
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 ||
        !read_offset(s + at, n - at, &offset))
        return false;
    *ret = ((int64_t)(hour * 60 + minute) * 60 + second - offset) * 1000000000 + fraction;
    return true;
}

bool mlo_cell_time(const char *s, size_t n, int64_t *ret_ns)
{
    int64_t clock = 0;
    trim(&s, &n);
    if (n < 10 || s[4] != '-' || s[7] != '-')
        return false;
    int year = number_at(s, 4), month = number_at(s + 5, 2), day = number_at(s + 8, 2);
    if (year < 1678 || year > 2261 || !is_date(year, month, day)) /* what 64 bits of nanoseconds hold */
        return false;
    if (n > 10 && ((s[10] != 'T' && s[10] != ' ' && s[10] != 't') || !read_clock(s + 11, n - 11, &clock)))
        return false;
    *ret_ns = days_of(year, month, day) * 86400000000000 + clock;
    return true;
}

/* ---- the type of a column ---- */

/* Digits that name something: 007, or more of them than a double keeps. */
static bool is_code(const char *s, size_t n, double v, bool fraction)
{
    size_t sign = n > 0 && (*s == '-' || *s == '+');
    bool leading_zero = n > sign + 1 && s[sign] == '0' && is_digit(s[sign + 1]);
    return leading_zero || (!fraction && isfinite(v) && fabs(v) >= (double)DOUBLE_INTEGER &&
                            !memchr(s, 'e', n) && !memchr(s, 'E', n));
}

void mlo_guess_cell(struct mlo_guess *g, const char *s, size_t n)
{
    double v;
    int64_t t;
    if (mlo_cell_missing(s, n))
        return;
    g->cells++;
    if (mlo_cell_number(s, n, &v)) {
        bool fraction = memchr(s, '.', n) != NULL || v != floor(v);
        g->numbers++;
        g->fraction = g->fraction || fraction;
        g->code = g->code || is_code(s, n, v, fraction);
    } else if (mlo_cell_bool(s, n, &v)) {
        g->bools++;
    } else if (mlo_cell_time(s, n, &t)) {
        g->times++;
    }
}

enum mlo_column_type mlo_guess_type(const struct mlo_guess *g, bool *ret_integral, bool *ret_empty)
{
    *ret_empty = g->cells == 0;
    *ret_integral = g->numbers > 0 && !g->fraction;
    if (g->cells == 0)
        return MLO_COLUMN_TEXT;
    if (g->numbers == g->cells && !g->code)
        return MLO_COLUMN_NUMBER;
    if (g->bools == g->cells)
        return MLO_COLUMN_BOOL;
    return g->times == g->cells ? MLO_COLUMN_TIME : MLO_COLUMN_TEXT;
}
