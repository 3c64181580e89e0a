/*
 * How long each step of a device's program takes. Requests, timed by the host's clock, and looks, timed by
 * the device's own, take turns. What an event between two steps costs is what they make a run longer by, and
 * is taken off.
 */
#include <math.h>
#include <string.h>

#include "internal.h"

#define SECONDS     0.5
#define RUNS_LEAST  5
#define RUNS_MAX    400
#define TIMINGS_MAX ((size_t)1 << 20) /* of all steps and runs */
#define COPIES      2                 /* in and back: the first and the last step */

struct timing {
    const struct mlo_clock *clock;
    const struct mlo_value *in;
    size_t n_in, n, runs, cap; /* inputs; steps, and copies, of which there are timings */
    struct mlo_session *session;
    double *now;                           /* of the steps of a run */
    double *steps, *plain, *all, *scratch; /* of each step, cap each; of runs by the host, by the device */
};

static int run_once(const struct timing *t, double *ret_ns, struct mlo_err *err)
{
    const struct mlo_value *out;
    int64_t from = mlo_clock_now(t->clock);
    int rc = mlo_session_run(t->session, t->in, t->n_in, &out, err);
    *ret_ns = (double)(mlo_clock_now(t->clock) - from);
    return rc;
}

static int run_pair(struct timing *t, struct mlo_err *err)
{
    struct mlo_device_times times = {.steps = t->now + 1};
    int rc = run_once(t, &t->plain[t->runs], err);
    if (rc == 0)
        rc = mlo_session_device_times(t->session, &times, err);
    if (rc != 0)
        return rc;
    t->now[0] = times.in;
    t->now[t->n - 1] = times.out;
    t->all[t->runs] = times.all;
    for (size_t i = 0; i < t->n; i++)
        t->steps[i * t->cap + t->runs] = t->now[i];
    t->runs++;
    return 0;
}

static int run_pairs(struct timing *t, const struct mlo_explain_opts *o, struct mlo_err *err)
{
    int64_t until = mlo_clock_after(t->clock, o->seconds > 0 ? o->seconds : SECONDS);
    int rc = 0;
    while (rc == 0 && t->runs < t->cap && (t->runs < RUNS_LEAST || mlo_clock_now(t->clock) < until) &&
           !(o->stop && o->stop(o->stop_ctx) && t->runs > 0))
        rc = run_pair(t, err);
    return rc;
}

/* Of a request in pieces copies are no steps. */
static void read_times(struct timing *t, size_t copies, struct mlo_explained *e)
{
    double all = mlo_middle_mean(t->all, t->runs, t->scratch), sum = 0;
    e->run_ns = mlo_middle_mean(t->plain, t->runs, t->scratch);
    e->runs = t->runs;
    for (size_t i = 0; i < t->n; i++)
        sum += t->now[i] = mlo_middle_mean(t->steps + i * t->cap, t->runs, t->scratch);
    e->timing_ns = fmax(sum - all, 0) / (double)t->n;
    for (size_t i = 0; i < e->n; i++)
        e->steps[i].ns = fmax(t->now[i + (copies ? 0 : 1)] - e->timing_ns, 0);
    mlo_explained_fit(e);
}

static int prepare(struct timing *t, size_t n, struct mlo_err *err)
{
    t->n = n + COPIES;
    t->cap = TIMINGS_MAX / (t->n + 4);
    t->cap = t->cap > RUNS_MAX ? RUNS_MAX : t->cap < RUNS_LEAST ? RUNS_LEAST : t->cap;
    t->now = mlo_calloc(t->n, sizeof *t->now, err);
    t->steps = t->now ? mlo_calloc((t->n + 3) * t->cap, sizeof *t->steps, err) : NULL;
    if (!t->steps)
        return err->code;
    t->plain = t->steps + t->n * t->cap;
    t->all = t->plain + t->cap;
    t->scratch = t->all + t->cap;
    return 0;
}

static struct mlo_explained_step copy_step(enum mlo_explained_copy copy, uint64_t bytes)
{
    return (struct mlo_explained_step){.cost = {.domain = "",
                                                .op = copy == MLO_COPY_IN ? "copy in" : "copy out",
                                                .node = "",
                                                .bytes = bytes},
                                       .copy = copy};
}

static int take_costs(const struct mlo_session *s, const struct mlo_device_cost *cost, size_t copies,
                      struct mlo_explained *e, struct mlo_err *err)
{
    MLO_AUTOFREE struct mlo_node_cost *costs = NULL;
    size_t n = 0;
    int rc = mlo_session_device_steps(s, &costs, &n, err);
    if (rc == 0)
        e->steps = mlo_calloc(n + COPIES, sizeof *e->steps, err);
    if (rc != 0 || !e->steps)
        return err->code;
    if (copies)
        e->steps[e->n++] = copy_step(MLO_COPY_IN, cost->in);
    for (size_t i = 0; i < n; i++)
        e->steps[e->n++].cost = costs[i];
    if (copies)
        e->steps[e->n++] = copy_step(MLO_COPY_OUT, cost->out);
    return 0;
}

static int time_steps(struct timing *t, const struct mlo_explain_opts *o, const struct mlo_device_cost *cost,
                      struct mlo_explained *e, struct mlo_err *err)
{
    size_t copies = cost->pieces == 1 ? COPIES : 0;
    int rc = take_costs(t->session, cost, copies, e, err);
    if (rc == 0)
        rc = prepare(t, e->n - copies, err);
    if (rc == 0)
        rc = run_pairs(t, o, err);
    if (rc == 0)
        read_times(t, copies, e);
    return rc;
}

int mlo_explain_on_device(const struct mlo_plan *plan, const struct mlo_value *in,
                          const struct mlo_device_limits *limits, const struct mlo_explain_opts *o,
                          struct mlo_explained *ret, struct mlo_device_cost *ret_cost, bool *ret_done,
                          struct mlo_err *err)
{
    struct mlo_explained e = {.threads = 1, .on_device = true, .request_ns = o->request_ns};
    struct timing t = {.clock = o->clock, .in = in};
    struct mlo_err none = MLO_ERR_INIT;
    struct mlo_device_cost cost;
    double ns;
    mlo_plan_inputs(plan, &t.n_in);
    int rc = mlo_session_new(plan, &t.session, err);
    if (rc == 0)
        rc = run_once(&t, &ns, err); /* the first of its shapes is another kind of run */
    if (rc == 0)
        rc = run_once(&t, &ns, err);
    *ret_done = rc == 0 && mlo_session_device_cost(t.session, &cost, &none) == 0;
    if (*ret_done)
        rc = time_steps(&t, o, &cost, &e, err);
    mlo_session_free(t.session);
    free(t.now);
    free(t.steps);
    if (rc != 0 || !*ret_done) {
        mlo_explained_release(&e);
        return rc;
    }
    e.tf32 = cost.tf32;
    mlo_explain_device_bounds(limits, &e);
    *ret = e;
    *ret_cost = cost;
    return 0;
}
