/* The clock that everything is timed with. */
#include <errno.h>
#include <math.h>
#include <time.h>

#include "internal.h"

#define READINGS 2000
#define LOOK     (MLO_NS_PER_S / 50) /* between looks whether all stops */
#define SLEEP_UNTIL                                                                                          \
    60000 /* ns before the time: from then on the clock is watched, for sleepers wake late                   \
           */

int64_t mlo_clock_now(const struct mlo_clock *clock)
{
    return clock ? clock->now(clock->ctx) : mlo_time_mono();
}

static void sleep_until(int64_t wake)
{
    struct timespec t = {wake / MLO_NS_PER_S, wake % MLO_NS_PER_S};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

static bool wait_mono(const struct mlo_load *load, int64_t until)
{
    for (int64_t left; (left = until - SLEEP_UNTIL - mlo_time_mono()) > 0;) {
        if (load->stop && load->stop(load->stop_ctx))
            return false;
        sleep_until(until - SLEEP_UNTIL - (load->stop && left > LOOK ? left - LOOK : 0));
    }
    while (mlo_time_mono() < until)
        ;
    return true;
}

bool mlo_clock_wait(const struct mlo_load *load, int64_t until)
{
    if (!load->clock)
        return wait_mono(load, until);
    load->clock->wait(load->clock->ctx, until);
    return true;
}

void mlo_timer_measure(const struct mlo_clock *clock, struct mlo_timer *ret)
{
    double tick = INFINITY;
    int64_t from = mlo_clock_now(clock), last = from;
    for (int i = 0; i < READINGS; i++) {
        int64_t now = mlo_clock_now(clock);
        if (now > last && (double)(now - last) < tick)
            tick = (double)(now - last);
        last = now;
    }
    *ret = (struct mlo_timer){fmax((double)(last - from), 0) / READINGS, tick < INFINITY ? tick : 1};
}
