/* When a row came about, from a cell of any type that can tell it. */
#include <math.h>

#include "internal.h"

/* Numbers since 1970: seconds up to the year 5138, larger ones in thousandths and so on. */
static bool time_from_number(double v, int64_t *ret_ns)
{
    double size = fabs(v);
    double unit = size < 1e11 ? 1e9 : size < 1e14 ? 1e6 : size < 1e17 ? 1e3 : 1;
    if (!(size * unit < 9.2e18))
        return false;
    double whole = floor(v); /* seconds as such keep their digits */
    *ret_ns = (int64_t)whole * (int64_t)unit + (int64_t)((v - whole) * unit);
    return true;
}

/* Nanoseconds since 1970 have more digits than a double keeps: a column of such numbers is text. */
static bool time_from_digits(struct mlo_slice s, int64_t *ret_ns)
{
    enum { NS_DIGITS = 19 };
    uint64_t v = 0;
    if (s.len != NS_DIGITS)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(s.ptr[i] - '0');
    }
    *ret_ns = (int64_t)v;
    return v <= INT64_MAX;
}

static bool time_from_text(struct mlo_slice s, int64_t *ret_ns)
{
    return mlo_cell_time(s.ptr, s.len, ret_ns) || time_from_digits(s, ret_ns);
}

bool mlo_batch_time(const struct mlo_batch_column *c, size_t row, int64_t *ret_ns)
{
    if (c->cell && c->cell[row] != MLO_CELL_OK)
        return false;
    if (c->times) {
        *ret_ns = c->times[row];
        return true;
    }
    return c->numbers ? time_from_number(c->numbers[row], ret_ns)
                      : time_from_text(mlo_batch_text(c, row), ret_ns);
}
