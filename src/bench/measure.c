/* One side: warm up, then blocks until the time is over. */
#include <math.h>
#include <string.h>

#include "internal.h"

#define BLOCKS_MIN 10 /* fewer cannot be compared later, when the machine was slow */

void mlo_load_tell(const struct mlo_load *load, double seconds, double of)
{
    if (load->progress)
        load->progress(load->progress_ctx, (uint64_t)(1e9 * fmin(seconds, of)), (uint64_t)(1e9 * of));
}

static double or_usual(double v, double usual)
{
    return v > 0 ? v : usual;
}

int mlo_measured_begin(struct mlo_measured *m, const struct mlo_runner *r, const struct mlo_load *load,
                       struct mlo_err *err)
{
    *m = (struct mlo_measured){.first_ns = mlo_runner_first(r),
                               .repeat = mlo_runner_repeat(r),
                               .load_ns = mlo_runner_target(r)->load_ns};
    mlo_used_init(&m->used);
    mlo_timer_measure(load->clock, &m->timer);
    return mlo_times_init(&m->times, err);
}

void mlo_measured_release(struct mlo_measured *m)
{
    mlo_times_release(&m->times);
    free(m->medians);
    free(m->means);
    free(m->controls);
    *m = (struct mlo_measured){0};
}

static int add_block(struct mlo_measured *m, struct mlo_block *b, double control, struct mlo_err *err)
{
    m->requests += b->requests;
    m->failures += b->failures;
    m->seconds += b->seconds;
    m->queued.n += b->queued.n;
    m->queued.ahead += b->queued.ahead;
    m->queued.ns += b->queued.ns;
    if (b->n == 0)
        return 0;
    int rc = mlo_grow(&m->medians, &m->cap, m->n_blocks + 1, sizeof *m->medians, err);
    if (rc == 0)
        rc = mlo_grow(&m->controls, &m->cap_controls, m->n_blocks + 1, sizeof *m->controls, err);
    if (rc == 0)
        rc = mlo_grow(&m->means, &m->cap_means, m->n_blocks + 1, sizeof *m->means, err);
    if (rc != 0)
        return rc;
    double sum = 0;
    for (size_t i = 0; i < b->n; i++) {
        mlo_times_add(&m->times, (uint64_t)llround(b->ns[i]));
        sum += b->ns[i];
    }
    m->means[m->n_blocks] = fmax(sum / (double)b->n, 1);
    m->medians[m->n_blocks] = mlo_block_median(b);
    m->controls[m->n_blocks++] = control;
    return 0;
}

int mlo_measured_block(struct mlo_measured *m, struct mlo_runner *r, const struct mlo_load *load,
                       struct mlo_meter *meter, double seconds, struct mlo_block *b, struct mlo_err *err)
{
    mlo_meter_start(meter);
    int rc = mlo_runner_block(r, seconds, b, err);
    mlo_meter_stop(meter, &m->used);
    return rc == 0 ? add_block(m, b, mlo_control_loop(load->clock), err) : rc;
}

/* A clock that is set back must not make it longer: the blocks' own lengths count, too. */
static int measure_blocks(struct mlo_runner *r, const struct mlo_load *load, const struct mlo_measure_opts *o,
                          struct mlo_measured *m, struct mlo_err *err)
{
    struct mlo_block b = {0};
    struct mlo_meter meter;
    double seconds = or_usual(o->seconds, 5), block = or_usual(o->block, fmin(0.1, seconds / BLOCKS_MIN));
    size_t blocks = 0;
    int64_t until = mlo_clock_after(load->clock, seconds);
    int rc = 0;
    mlo_meter_open(mlo_runner_target(r), load->gpu, &meter);
    do {
        rc = mlo_measured_block(m, r, load, &meter, block, &b, err);
        m->stopped = load->stop && load->stop(load->stop_ctx);
        mlo_load_tell(load, m->seconds, seconds);
    } while (rc == 0 && !m->stopped &&
             (++blocks < BLOCKS_MIN || (m->seconds < seconds && mlo_clock_now(load->clock) < until)));
    mlo_meter_close(&meter);
    mlo_block_release(&b);
    return rc;
}

int mlo_measure(struct mlo_runner *r, const struct mlo_load *load, const struct mlo_measure_opts *o,
                struct mlo_measured *ret, struct mlo_err *err)
{
    struct mlo_measured m = {0};
    bool steady = false;
    mlo_footprint_begin(mlo_runner_target(r));
    int rc = mlo_runner_warm(r, or_usual(o->warmup, 5), &steady, err);
    if (rc == 0)
        rc = mlo_measured_begin(&m, r, load, err);
    if (rc == 0)
        rc = measure_blocks(r, load, o, &m, err);
    if (rc != 0) {
        mlo_measured_release(&m);
        return rc;
    }
    m.steady = steady;
    mlo_footprint_end(mlo_runner_target(r), &m.memory);
    *ret = m;
    return 0;
}
