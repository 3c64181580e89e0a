/* Cells out of stored values: numbers, times, texts. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/bytes.h>
#include <mlopsctl/base/number.h>
#include <mlopsctl/base/time.h>

#include "parquet.h"

#define NS_PER_DAY    86400000000000
#define JULIAN_1970   2440588 /* the Julian day of 1970-01-01 */
#define DECIMAL_MAX   64      /* bytes: 154 digits */
#define POWER_MAX     22      /* of ten, exact as a double */
#define EXACT_INTEGER ((int64_t)1 << 53)

static int32_t i32_at(const struct mlo_parquet_raw *raw, size_t i)
{
    return (int32_t)mlo_le32(raw->fixed + 4 * i);
}

static int64_t i64_at(const struct mlo_parquet_raw *raw, size_t i)
{
    return (int64_t)mlo_le64(raw->fixed + 8 * i);
}

/* ---- floating point ---- */

static double float_at(const struct mlo_parquet_raw *raw, size_t i)
{
    float v;
    memcpy(&v, raw->fixed + 4 * i, sizeof v);
    return (double)v;
}

static double double_at(const struct mlo_parquet_raw *raw, size_t i)
{
    double v;
    memcpy(&v, raw->fixed + 8 * i, sizeof v);
    return v;
}

/* IEEE 754 binary16. */
static double half_at(const struct mlo_parquet_raw *raw, size_t i)
{
    uint16_t bits = mlo_le16(raw->fixed + 2 * i);
    int exponent = bits >> 10 & 31;
    double fraction = bits & 1023,
           v = exponent ? ldexp(fraction + 1024, exponent - 25) : ldexp(fraction, -24);
    if (exponent == 31)
        v = fraction > 0 ? NAN : INFINITY;
    return bits >> 15 ? -v : v;
}

/* ---- decimals ---- */

struct decimal { /* two's complement, the highest byte first */
    const uint8_t *p;
    size_t n;
};

static struct decimal decimal_at(const struct mlo_parquet_leaf *leaf, const struct mlo_parquet_raw *raw,
                                 size_t i)
{
    if (leaf->type == MLO_PARQUET_BYTE_ARRAY)
        return (struct decimal){(const uint8_t *)raw->texts[i].ptr, raw->texts[i].len};
    return (struct decimal){raw->fixed + leaf->width * i, leaf->width};
}

/* The unscaled value, when it has at most 64 bits. */
static bool small_decimal(const struct mlo_parquet_leaf *leaf, const struct mlo_parquet_raw *raw, size_t i,
                          int64_t *ret)
{
    if (leaf->type == MLO_PARQUET_INT32 || leaf->type == MLO_PARQUET_INT64) {
        *ret = leaf->type == MLO_PARQUET_INT32 ? i32_at(raw, i) : i64_at(raw, i);
        return true;
    }
    struct decimal d = decimal_at(leaf, raw, i);
    uint8_t sign = d.n > 0 && d.p[0] & 0x80 ? 0xff : 0;
    while (d.n > 8 && d.p[0] == sign) {
        d.p++;
        d.n--;
    }
    if (d.n > 8 || (d.n == 8 && (d.p[0] ^ sign) & 0x80))
        return false;
    uint64_t v = sign ? UINT64_MAX : 0;
    for (size_t k = 0; k < d.n; k++)
        v = v << 8 | d.p[k];
    *ret = (int64_t)v;
    return true;
}

/* Digits of any number of bytes: divided by ten to the ninth until nothing is left. */
static size_t decimal_digits(const struct decimal *d, char *ret)
{
    enum { PART = 1000000000 };
    uint8_t magnitude[DECIMAL_MAX];
    bool negative = d->p[0] & 0x80;
    unsigned carry = negative;
    char digits[3 * DECIMAL_MAX];
    size_t n = 0, len = 0;
    for (size_t k = d->n; k-- > 0;) {
        carry += negative ? (uint8_t)~d->p[k] : d->p[k];
        magnitude[k] = (uint8_t)carry;
        carry >>= 8;
    }
    for (size_t from = 0; from < d->n;) {
        uint64_t rest = 0;
        for (size_t k = from; k < d->n; k++) {
            rest = rest << 8 | magnitude[k];
            magnitude[k] = (uint8_t)(rest / PART);
            rest %= PART;
        }
        while (from < d->n && magnitude[from] == 0)
            from++;
        for (int k = 0; k < 9 && (from < d->n || rest > 0); k++, rest /= 10)
            digits[n++] = (char)('0' + rest % 10);
    }
    if (negative)
        ret[len++] = '-';
    if (n == 0)
        ret[len++] = '0';
    while (n > 0)
        ret[len++] = digits[--n];
    return len;
}

/* "-123e-2": as a number is read from text. */
static int big_decimal_text(const struct mlo_parquet_leaf *leaf, const struct decimal *d, char *ret,
                            size_t cap, struct mlo_err *err)
{
    if (d->n > DECIMAL_MAX)
        return mlo_fail(err, MLO_EINVALID, "a decimal of %zu bytes", d->n);
    size_t n = decimal_digits(d, ret);
    snprintf(ret + n, cap - n, "e%d", -leaf->scale);
    return 0;
}

static double power_of_ten(int n)
{
    double v = 1;
    while (n-- > 0)
        v *= 10;
    return v;
}

/* The nearest double, as it is for the decimal written out in text. */
static int decimal_numbers(const struct mlo_parquet_leaf *leaf, const struct mlo_parquet_raw *raw, size_t n,
                           double *ret, struct mlo_err *err)
{
    bool exact_scale = leaf->scale >= 0 && leaf->scale <= POWER_MAX;
    double divisor = exact_scale ? power_of_ten(leaf->scale) : 1;
    for (size_t i = 0; i < n; i++) {
        char text[MLO_PARQUET_TEXT_MAX];
        int64_t v;
        bool small = small_decimal(leaf, raw, i, &v);
        if (small && exact_scale && v <= EXACT_INTEGER && v >= -EXACT_INTEGER) {
            ret[i] = (double)v / divisor;
            continue;
        }
        if (small) {
            snprintf(text, sizeof text, "%" PRId64 "e%d", v, -leaf->scale);
        } else {
            struct decimal d = decimal_at(leaf, raw, i);
            int rc = big_decimal_text(leaf, &d, text, sizeof text, err);
            if (rc != 0)
                return rc;
        }
        if (!mlo_cell_number(text, strlen(text), &ret[i]))
            ret[i] = NAN;
    }
    return 0;
}

/* ---- numbers ---- */

int mlo_parquet_numbers(const struct mlo_parquet_leaf *leaf, const struct mlo_parquet_raw *raw, size_t n,
                        double *ret, struct mlo_err *err)
{
    switch (leaf->as) {
    case MLO_PARQUET_AS_DOUBLE:
        memcpy(ret, raw->fixed, n * sizeof *ret);
        break;
    case MLO_PARQUET_AS_FLOAT:
        for (size_t i = 0; i < n; i++)
            ret[i] = float_at(raw, i);
        break;
    case MLO_PARQUET_AS_HALF:
        for (size_t i = 0; i < n; i++)
            ret[i] = half_at(raw, i);
        break;
    case MLO_PARQUET_AS_INT32:
        for (size_t i = 0; i < n; i++)
            ret[i] = i32_at(raw, i);
        break;
    case MLO_PARQUET_AS_UINT32:
        for (size_t i = 0; i < n; i++)
            ret[i] = (uint32_t)i32_at(raw, i);
        break;
    case MLO_PARQUET_AS_INT64:
        for (size_t i = 0; i < n; i++)
            ret[i] = (double)i64_at(raw, i);
        break;
    case MLO_PARQUET_AS_UINT64:
        for (size_t i = 0; i < n; i++)
            ret[i] = (double)(uint64_t)i64_at(raw, i);
        break;
    case MLO_PARQUET_AS_BOOL:
        for (size_t i = 0; i < n; i++)
            ret[i] = raw->fixed[i];
        break;
    case MLO_PARQUET_AS_CLOCK:
        for (size_t i = 0; i < n; i++) {
            double v = leaf->type == MLO_PARQUET_INT32 ? i32_at(raw, i) : (double)i64_at(raw, i);
            ret[i] = v / (double)(MLO_NS_PER_S / leaf->unit);
        }
        break;
    case MLO_PARQUET_AS_DECIMAL:
        return decimal_numbers(leaf, raw, n, ret, err);
    case MLO_PARQUET_AS_NULL:
    case MLO_PARQUET_AS_DATE:
    case MLO_PARQUET_AS_TIMESTAMP:
    case MLO_PARQUET_AS_INT96:
    case MLO_PARQUET_AS_TEXT:
    case MLO_PARQUET_AS_UUID:
        return mlo_fail(err, MLO_EINTERNAL, "these are no numbers");
    }
    return 0;
}

/* ---- times ---- */

struct instant { /* of any year: days since 1970, nanoseconds of the day */
    int64_t days, ns;
};

static struct instant instant_at(const struct mlo_parquet_leaf *leaf, const struct mlo_parquet_raw *raw,
                                 size_t i)
{
    if (leaf->as == MLO_PARQUET_AS_DATE)
        return (struct instant){i32_at(raw, i), 0};
    if (leaf->as == MLO_PARQUET_AS_INT96) {
        const uint8_t *p = raw->fixed + 12 * i;
        return (struct instant){(int64_t)mlo_le32(p + 8) - JULIAN_1970, (int64_t)mlo_le64(p)};
    }
    int64_t v = i64_at(raw, i), per_day = NS_PER_DAY / leaf->unit, rest = v % per_day;
    return (struct instant){v / per_day - (rest < 0), (rest < 0 ? rest + per_day : rest) * leaf->unit};
}

static bool to_ns(struct instant t, int64_t *ret)
{
    int64_t ns;
    return !__builtin_mul_overflow(t.days, NS_PER_DAY, &ns) && !__builtin_add_overflow(ns, t.ns, ret);
}

/* The date of the Gregorian calendar; as the days of one in cell.c, the other way round. */
static size_t date_text(int64_t days, char *ret, size_t cap)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    int64_t day = of_year - (153 * month + 2) / 5 + 1;
    month += month < 10 ? 3 : -9;
    year += era * 400 + (month <= 2);
    return (size_t)snprintf(ret, cap, "%04" PRId64 "-%02d-%02d", year, (int)month, (int)day);
}

/* hh:mm:ss and what there is of a fraction. */
static size_t clock_text(int64_t ns, char *ret, size_t cap)
{
    int64_t s = ns / MLO_NS_PER_S;
    int n = snprintf(ret, cap, "%02d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
    if (ns % MLO_NS_PER_S == 0)
        return (size_t)n;
    n += snprintf(ret + n, cap - (size_t)n, ".%09d", (int)(ns % MLO_NS_PER_S));
    while (ret[n - 1] == '0')
        ret[--n] = '\0';
    return (size_t)n;
}

static size_t instant_text(const struct mlo_parquet_leaf *leaf, struct instant t, char *ret, size_t cap)
{
    int64_t rest = t.ns % NS_PER_DAY; /* INT96 may hold more than a day of them */
    t = (struct instant){t.days + t.ns / NS_PER_DAY - (rest < 0), rest < 0 ? rest + NS_PER_DAY : rest};
    size_t n = date_text(t.days, ret, cap);
    if (leaf->as == MLO_PARQUET_AS_DATE)
        return n;
    ret[n++] = 'T';
    return n + clock_text(t.ns, ret + n, cap - n);
}

static int bad_time(const struct mlo_parquet_leaf *leaf, struct instant t, struct mlo_hold *hold,
                    struct mlo_slice *ret, struct mlo_err *err)
{
    char text[MLO_PARQUET_TEXT_MAX];
    size_t n = instant_text(leaf, t, text, sizeof text);
    char *kept = mlo_hold_alloc(hold, n, err);
    if (!kept)
        return err->code;
    memcpy(kept, text, n);
    *ret = (struct mlo_slice){kept, n};
    return 0;
}

int mlo_parquet_times(const struct mlo_parquet_leaf *leaf, const struct mlo_parquet_raw *raw, size_t n,
                      struct mlo_hold *hold, int64_t *ret, struct mlo_slice *bad, bool *ret_bad,
                      struct mlo_err *err)
{
    *ret_bad = false;
    for (size_t i = 0; i < n; i++) {
        struct instant t = instant_at(leaf, raw, i);
        bad[i] = (struct mlo_slice){NULL, 0};
        if (to_ns(t, &ret[i]))
            continue;
        ret[i] = 0;
        *ret_bad = true;
        int rc = bad_time(leaf, t, hold, &bad[i], err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* ---- texts ---- */

static size_t uuid_text(const uint8_t *p, char *ret)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            ret[n++] = '-';
        ret[n++] = hex[p[i] >> 4];
        ret[n++] = hex[p[i] & 15];
    }
    return n;
}

/* "-1.23" out of the unscaled number and the scale. */
static int decimal_text(const struct mlo_parquet_leaf *leaf, const struct mlo_parquet_raw *raw, size_t i,
                        char *ret, size_t cap, size_t *ret_n, struct mlo_err *err)
{
    char text[MLO_PARQUET_TEXT_MAX];
    int64_t v;
    struct decimal d = decimal_at(leaf, raw, i);
    int rc = 0;
    if (small_decimal(leaf, raw, i, &v))
        snprintf(text, sizeof text, "%" PRId64 "e%d", v, -leaf->scale);
    else
        rc = big_decimal_text(leaf, &d, text, sizeof text, err);
    if (rc != 0)
        return rc;
    char *e = strchr(text, 'e'), *digits = text + (*text == '-');
    size_t n = (size_t)(e - digits), scale = leaf->scale > 0 ? (size_t)leaf->scale : 0;
    size_t zeros = n > scale ? 0 : scale + 1 - n, whole = n + zeros - scale;
    if (leaf->scale < 0 || zeros + n + 3 > cap) { /* no usual way to write it */
        *ret_n = (size_t)snprintf(ret, cap, "%s", text);
        return 0;
    }
    size_t at = 0;
    if (*text == '-')
        ret[at++] = '-';
    for (size_t k = 0; k < n + zeros; k++) {
        if (k == whole)
            ret[at++] = '.';
        ret[at++] = k < zeros ? '0' : digits[k - zeros];
    }
    *ret_n = at;
    return 0;
}

/* One value that is not stored as text; at most MLO_PARQUET_TEXT_MAX bytes. */
static int format(const struct mlo_parquet_leaf *leaf, const struct mlo_parquet_raw *raw, size_t i, char *to,
                  size_t *ret_n, struct mlo_err *err)
{
    const size_t cap = MLO_PARQUET_TEXT_MAX;
    int n = 0;
    switch (leaf->as) {
    case MLO_PARQUET_AS_BOOL:
        n = snprintf(to, cap, "%s", raw->fixed[i] ? "true" : "false");
        break;
    case MLO_PARQUET_AS_INT32:
        n = snprintf(to, cap, "%" PRId32, i32_at(raw, i));
        break;
    case MLO_PARQUET_AS_UINT32:
        n = snprintf(to, cap, "%" PRIu32, (uint32_t)i32_at(raw, i));
        break;
    case MLO_PARQUET_AS_INT64:
        n = snprintf(to, cap, "%" PRId64, i64_at(raw, i));
        break;
    case MLO_PARQUET_AS_UINT64:
        n = snprintf(to, cap, "%" PRIu64, (uint64_t)i64_at(raw, i));
        break;
    case MLO_PARQUET_AS_HALF:
        n = (int)mlo_float_digits((float)half_at(raw, i), to);
        break;
    case MLO_PARQUET_AS_FLOAT:
        n = (int)mlo_float_digits((float)float_at(raw, i), to);
        break;
    case MLO_PARQUET_AS_DOUBLE:
        n = (int)mlo_double_digits(double_at(raw, i), to);
        break;
    case MLO_PARQUET_AS_DECIMAL:
        return decimal_text(leaf, raw, i, to, cap, ret_n, err);
    case MLO_PARQUET_AS_CLOCK: {
        int64_t v = leaf->type == MLO_PARQUET_INT32 ? i32_at(raw, i) : i64_at(raw, i), ns;
        bool of_day = !__builtin_mul_overflow(v, leaf->unit, &ns) && ns >= 0 && ns < NS_PER_DAY;
        n = of_day ? (int)clock_text(ns, to, cap) : snprintf(to, cap, "%" PRId64, v);
        break;
    }
    case MLO_PARQUET_AS_DATE:
    case MLO_PARQUET_AS_TIMESTAMP:
    case MLO_PARQUET_AS_INT96:
        n = (int)instant_text(leaf, instant_at(leaf, raw, i), to, cap);
        break;
    case MLO_PARQUET_AS_UUID:
        n = (int)uuid_text(raw->fixed + 16 * i, to);
        break;
    case MLO_PARQUET_AS_NULL:
    case MLO_PARQUET_AS_TEXT:
        break;
    }
    *ret_n = (size_t)n;
    return 0;
}

/* All of them, one behind the other in memory that does not move. */
static int format_all(const struct mlo_parquet_leaf *leaf, const struct mlo_parquet_raw *raw, size_t n,
                      struct mlo_hold *hold, struct mlo_slice *ret, struct mlo_err *err)
{
    enum { TYPICAL = 48 };
    size_t left = 0;
    char *to = NULL;
    for (size_t i = 0; i < n; i++) {
        char text[MLO_PARQUET_TEXT_MAX];
        size_t len;
        int rc = format(leaf, raw, i, text, &len, err);
        if (rc != 0)
            return rc;
        if (len > left) {
            left = (n - i) * TYPICAL > len ? (n - i) * TYPICAL : len;
            to = mlo_hold_alloc(hold, left, err);
            if (!to)
                return err->code;
        }
        memcpy(to, text, len);
        ret[i] = (struct mlo_slice){to, len};
        to += len;
        left -= len;
    }
    return 0;
}

int mlo_parquet_texts(const struct mlo_parquet_leaf *leaf, const struct mlo_parquet_raw *raw, size_t n,
                      struct mlo_hold *hold, struct mlo_slice *ret, struct mlo_err *err)
{
    if (leaf->as != MLO_PARQUET_AS_TEXT && leaf->as != MLO_PARQUET_AS_NULL)
        return format_all(leaf, raw, n, hold, ret, err);
    for (size_t i = 0; i < n; i++)
        ret[i] = leaf->type == MLO_PARQUET_BYTE_ARRAY
                     ? raw->texts[i]
                     : (struct mlo_slice){(const char *)raw->fixed + i * leaf->width, leaf->width};
    return 0;
}
