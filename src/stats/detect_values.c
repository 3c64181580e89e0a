/* Detectors that watch any numbers: Page-Hinkley's cumulated deviations, and windows compared by
 * Kolmogorov-Smirnov. */
#include "detect.h"

#include <math.h>
#include <string.h>

/* ---- Page-Hinkley (Page 1954, "Continuous inspection schemes"), both directions, fading ---- */

enum { WARM, DELTA, THRESHOLD, KEEP };

void mlo_page_hinkley_reset(struct mlo_detector *d)
{
    d->state.page_hinkley.lowest = INFINITY;
    d->state.page_hinkley.highest = -1; /* as River begins */
}

enum mlo_signal mlo_page_hinkley_update(struct mlo_detector *d, double x)
{
    struct mlo_page_hinkley *s = &d->state.page_hinkley;
    mlo_running_mean_add(&s->mean, x);
    double deviation = x - s->mean.mean, delta = d->parameters[DELTA], keep = d->parameters[KEEP];
    s->up = keep * s->up + deviation - delta;
    s->down = keep * s->down + deviation + delta;
    s->lowest = fmin(s->lowest, s->up);
    s->highest = fmax(s->highest, s->down);
    double change = fmax(s->up - s->lowest, s->highest - s->down);
    bool drift = s->mean.n >= d->parameters[WARM] && change > d->parameters[THRESHOLD];
    return drift ? MLO_SIGNAL_DRIFT : MLO_SIGNAL_NONE;
}

/* ---- KSWIN (Raab et al. 2020, "Reactive soft prototype computing for concept drift streams") ---- */

enum { ALPHA, WINDOW, RECENT, SEED };

bool mlo_kswin_valid(const struct mlo_detector *d)
{
    double n = d->state.kswin.n;
    return n >= 0 && n < 0x1p53 && n == floor(n);
}

/*
 * As many of the older values as there are recent ones, without putting back: the first steps of a
 * Fisher-Yates shuffle by splitmix64, which begins at the seed plus the number of values so far. So the
 * sample depends on nothing but that and a state needs no generator.
 */
static void draw(const struct mlo_detector *d, double *ret, size_t n, size_t older)
{
    const struct mlo_kswin *s = &d->state.kswin;
    uint64_t random = (uint64_t)d->parameters[SEED] + (uint64_t)s->n;
    memcpy(ret, s->values, older * sizeof *ret);
    for (size_t i = 0; i < n; i++) {
        size_t other = i + (size_t)(mlo_random_unit(&random) * (double)(older - i));
        double swap = ret[i];
        ret[i] = ret[other];
        ret[other] = swap;
    }
}

enum mlo_signal mlo_kswin_update(struct mlo_detector *d, double x)
{
    static const double distance_min = 0.1;
    struct mlo_kswin *s = &d->state.kswin;
    size_t window = (size_t)d->parameters[WINDOW],
           n = (size_t)fmin(d->parameters[RECENT], (double)(window / 2));
    size_t older = window - n;
    double before[MLO_KSWIN_WINDOW_MAX], recent[MLO_KSWIN_WINDOW_MAX], scratch[MLO_KSWIN_WINDOW_MAX];
    struct mlo_test t;
    if (s->n >= (double)window) {
        memmove(s->values, s->values + 1, (window - 1) * sizeof *s->values);
        s->values[window - 1] = x;
    } else {
        s->values[(size_t)s->n] = x;
    }
    if (++s->n < (double)window)
        return MLO_SIGNAL_NONE;
    draw(d, before, n, older);
    memcpy(recent, s->values + older, n * sizeof *recent);
    mlo_sort_doubles(before, n, scratch);
    mlo_sort_doubles(recent, n, scratch);
    mlo_ks(before, n, recent, n, &t);
    return t.p <= d->parameters[ALPHA] && t.statistic > distance_min ? MLO_SIGNAL_DRIFT : MLO_SIGNAL_NONE;
}
