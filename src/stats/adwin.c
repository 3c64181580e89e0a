/*
 * ADWIN (Bifet and Gavalda 2007, "Learning from time-changing data with adaptive windowing"), version 2: the
 * window is kept as buckets of 1, 2, 4, ... values, at most five of each, oldest first within a row. The
 * order of the additions is River's, so that the same stream gives the same answers to the last bit.
 */
#include "detect.h"

#include <math.h>
#include <string.h>

enum { DELTA, CLOCK, MIN_PART, GRACE };

void mlo_adwin_reset(struct mlo_detector *d)
{
    d->state.adwin.rows = 1;
}

static bool is_whole(double x, double max)
{
    return x >= 0 && x <= max && x == floor(x);
}

bool mlo_adwin_valid(const struct mlo_detector *d)
{
    const struct mlo_adwin *a = &d->state.adwin;
    bool valid = is_whole(a->rows, MLO_ADWIN_ROWS) && a->rows >= 1 && is_whole(a->ticks, 0x1p53) &&
                 a->width >= 0;
    for (size_t row = 0; valid && row < MLO_ADWIN_ROWS; row++)
        valid = is_whole(a->count[row], row < (size_t)a->rows ? MLO_ADWIN_BUCKETS : 0);
    return valid && (a->rows == 1 || a->count[(size_t)a->rows - 1] > 0);
}

/* ---- buckets ---- */

static void put_bucket(struct mlo_adwin *a, size_t row, double sum, double within)
{
    size_t at = (size_t)a->count[row]++;
    a->sum[row][at] = sum;
    a->within[row][at] = within;
}

static void drop_oldest(struct mlo_adwin *a, size_t row, size_t n)
{
    size_t left = (size_t)a->count[row] - n;
    memmove(a->sum[row], a->sum[row] + n, left * sizeof *a->sum[row]);
    memmove(a->within[row], a->within[row] + n, left * sizeof *a->within[row]);
    memset(a->sum[row] + left, 0, n * sizeof *a->sum[row]);
    memset(a->within[row] + left, 0, n * sizeof *a->within[row]);
    a->count[row] = (double)left;
}

static double row_size(size_t row)
{
    return ldexp(1, (int)row);
}

/* The two oldest of a row that is too full become one of the next. */
static void merge_up(struct mlo_adwin *a, size_t row)
{
    double n = row_size(row), u0 = a->sum[row][0], u1 = a->sum[row][1];
    double gap = u0 / n - u1 / n;
    put_bucket(a, row + 1, u0 + u1, a->within[row][0] + a->within[row][1] + n * 0.5 * gap * gap);
    drop_oldest(a, row, 2);
    a->rows = fmax(a->rows, (double)row + 2);
}

static void forget_oldest(struct mlo_adwin *a)
{
    size_t row = (size_t)a->rows - 1;
    double n = row_size(row), u = a->sum[row][0], v = a->within[row][0];
    a->width -= n;
    a->total -= u;
    double gap = u / n - a->total / a->width;
    a->variance -= v + n * a->width * gap * gap / (n + a->width);
    drop_oldest(a, row, 1);
    if (a->count[row] == 0 && row > 0)
        a->rows--;
}

static void insert(struct mlo_adwin *a, double x)
{
    put_bucket(a, 0, x, 0);
    a->width++;
    if (a->width > 1) {
        double gap = x - a->total / (a->width - 1);
        a->variance += (a->width - 1) * gap * gap / a->width;
    }
    a->total += x;
    for (size_t row = 0; a->count[row] > MLO_ADWIN_BUCKETS && row + 1 < MLO_ADWIN_ROWS; row++)
        merge_up(a, row);
    if (a->count[MLO_ADWIN_ROWS - 1] > MLO_ADWIN_BUCKETS)
        forget_oldest(a);
}

/* ---- cuts ---- */

struct cut { /* values and sums before and behind it */
    double n0, n1, u0, u1;
};

static bool is_change(const struct mlo_detector *d, const struct cut *c)
{
    const struct mlo_adwin *a = &d->state.adwin;
    double part = d->parameters[MIN_PART];
    if (c->n0 < part || c->n1 < part)
        return false;
    double log_delta = log(2 * log(a->width) / d->parameters[DELTA]);
    double m = 1 / (c->n0 - part + 1) + 1 / (c->n1 - part + 1);
    double bound = sqrt(2 * m * (a->variance / a->width) * log_delta) + 2.0 / 3 * log_delta * m;
    return fabs(c->u0 / c->n0 - c->u1 / c->n1) > bound;
}

/* Cuts between all buckets, the oldest first; the newest value is on no side alone. */
static bool has_change(const struct mlo_detector *d)
{
    const struct mlo_adwin *a = &d->state.adwin;
    struct cut c = {.n1 = a->width, .u1 = a->total};
    for (size_t row = (size_t)a->rows; row-- > 0;) {
        size_t count = (size_t)a->count[row];
        for (size_t i = 0; i < count; i++) {
            c.n0 += row_size(row);
            c.n1 -= row_size(row);
            c.u0 += a->sum[row][i];
            c.u1 -= a->sum[row][i];
            if ((row > 0 || i + 1 < count) && is_change(d, &c))
                return true;
        }
    }
    return false;
}

enum mlo_signal mlo_adwin_update(struct mlo_detector *d, double x)
{
    struct mlo_adwin *a = &d->state.adwin;
    bool change = false;
    insert(a, x);
    a->ticks++;
    if (fmod(a->ticks, d->parameters[CLOCK]) == 0 && a->width > d->parameters[GRACE])
        while (has_change(d)) {
            change = true;
            forget_oldest(a);
        }
    return change ? MLO_SIGNAL_DRIFT : MLO_SIGNAL_NONE;
}
