/*
 * How long each step of a plan takes. Runs without and with a look at the clock after each step take turns,
 * so that both see the same machine; what the looks cost is the difference, and is taken off.
 */
#include <math.h>
#include <string.h>

#include "internal.h"

#define SECONDS     1
#define RUNS_LEAST  5
#define RUNS_MAX    4000
#define TIMINGS_MAX ((size_t)4 << 20) /* of all steps and runs */
#define OVERHEADS   100               /* plain runs are timed together until they take so many readings */
#define REPEAT_MAX  4096

struct watching {
    const struct mlo_clock *clock;
    const struct mlo_value *in;
    size_t n_in, n; /* inputs; steps */
    struct mlo_session *session;
    int64_t *at;                    /* after each step */
    double *steps, *plain, *looked; /* timings of each step; of a run without and with looks */
    double *scratch;
    size_t runs, cap;
    unsigned repeat;
    double clock_ns; /* of one reading, which is part of every time */
};

static void look(void *ctx, size_t done)
{
    struct watching *w = ctx;
    w->at[done] = mlo_clock_now(w->clock);
}

static int run_times(struct watching *w, unsigned times, double *ret_ns, struct mlo_err *err)
{
    const struct mlo_value *out;
    int64_t from = mlo_clock_now(w->clock);
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < times; i++)
        rc = mlo_session_run(w->session, w->in, w->n_in, &out, err);
    *ret_ns = fmax((double)(mlo_clock_now(w->clock) - from) - w->clock_ns, 0) / times;
    return rc;
}

/* One without looks, one with. */
static int run_pair(struct watching *w, struct mlo_err *err)
{
    int rc = run_times(w, w->repeat, &w->plain[w->runs], err);
    mlo_session_watch(w->session, look, w);
    if (rc == 0)
        rc = run_times(w, 1, &w->looked[w->runs], err);
    mlo_session_watch(w->session, NULL, NULL);
    for (size_t i = 0; rc == 0 && i < w->n; i++)
        w->steps[i * w->cap + w->runs] = fmax((double)(w->at[i + 1] - w->at[i]), 0);
    w->runs++;
    return rc;
}

static int run_pairs(struct watching *w, const struct mlo_explain_opts *o, struct mlo_err *err)
{
    int64_t until = mlo_clock_after(w->clock, o->seconds > 0 ? o->seconds : SECONDS);
    int rc = 0;
    while (rc == 0 && w->runs < w->cap && (w->runs < RUNS_LEAST || mlo_clock_now(w->clock) < until) &&
           !(o->stop && o->stop(o->stop_ctx) && w->runs > 0))
        rc = run_pair(w, err);
    return rc;
}

/* ---- what they say ---- */

double mlo_middle_mean(double *x, size_t n, double *scratch)
{
    size_t from = n / 4, to = n - from;
    double sum = 0;
    mlo_sort_doubles(x, n, scratch);
    for (size_t i = from; i < to; i++)
        sum += x[i];
    return sum / (double)(to - from);
}

void mlo_explained_fit(struct mlo_explained *e)
{
    double sum = 0;
    for (size_t i = 0; i < e->n; i++)
        sum += e->steps[i].ns;
    for (size_t i = 0; i < e->n && sum > e->run_ns; i++)
        e->steps[i].ns *= e->run_ns / sum;
}

static double middle(const struct watching *w, double *x)
{
    return mlo_middle_mean(x, w->runs, w->scratch);
}

/* Nothing that the noise of two medians makes of it: around what reading the clock takes alone. */
static double cost_of_look(const struct watching *w, double plain, double looked)
{
    return fmin(fmax((looked - plain) / (double)(w->n + 1), w->clock_ns / 2), 2 * w->clock_ns);
}

static void read_times(struct watching *w, struct mlo_explained *e)
{
    e->run_ns = middle(w, w->plain);
    e->timing_ns = cost_of_look(w, e->run_ns, middle(w, w->looked));
    e->runs = w->runs;
    for (size_t i = 0; i < w->n; i++)
        e->steps[i].ns = fmax(middle(w, w->steps + i * w->cap) - e->timing_ns, 0);
    mlo_explained_fit(e);
}

/* ---- the whole ---- */

static int prepare(struct watching *w, const struct mlo_plan *plan, unsigned threads, struct mlo_err *err)
{
    double ns;
    w->cap = TIMINGS_MAX / (w->n + 3);
    w->cap = w->cap > RUNS_MAX ? RUNS_MAX : w->cap < RUNS_LEAST ? RUNS_LEAST : w->cap;
    w->at = mlo_calloc(w->n + 1, sizeof *w->at, err);
    w->steps = w->at ? mlo_calloc((w->n + 3) * w->cap, sizeof *w->steps, err) : NULL;
    int rc = w->steps ? mlo_session_new(plan, &w->session, err) : err->code;
    if (rc == 0)
        rc = mlo_session_threads(w->session, threads, err);
    if (rc == 0) {
        w->plain = w->steps + w->n * w->cap;
        w->looked = w->plain + w->cap;
        w->scratch = w->looked + w->cap;
        rc = run_times(w, 1, &ns, err); /* the first of its shapes is another kind of run */
    }
    return rc;
}

static int choose_repeat(struct watching *w, struct mlo_err *err)
{
    double ns = 0;
    int rc = run_times(w, 1, &ns, err);
    double repeat = ceil(OVERHEADS * w->clock_ns / fmax(ns, 1));
    w->repeat = repeat < 1 ? 1 : repeat > REPEAT_MAX ? REPEAT_MAX : (unsigned)repeat;
    return rc;
}

static int watch_steps(struct watching *w, const struct mlo_plan *plan, const struct mlo_explain_opts *o,
                       struct mlo_explained *e, struct mlo_err *err)
{
    struct mlo_timer t;
    mlo_timer_measure(o->clock, &t);
    w->clock_ns = t.overhead;
    int rc = prepare(w, plan, e->threads, err);
    if (rc == 0)
        rc = choose_repeat(w, err);
    if (rc == 0)
        rc = run_pairs(w, o, err);
    if (rc == 0)
        read_times(w, e);
    mlo_session_free(w->session);
    free(w->at);
    free(w->steps);
    return rc;
}

static int take_costs(const struct mlo_plan *plan, const struct mlo_value *in, size_t n_in,
                      struct mlo_explained *e, struct mlo_err *err)
{
    MLO_AUTOFREE struct mlo_node_cost *costs = NULL;
    int rc = mlo_plan_costs(plan, in, n_in, &costs, &e->n, err);
    if (rc == 0)
        e->steps = mlo_calloc(e->n + 1, sizeof *e->steps, err);
    if (rc != 0 || !e->steps)
        return err->code;
    for (size_t i = 0; i < e->n; i++)
        e->steps[i].cost = costs[i];
    return 0;
}

int mlo_explain(const struct mlo_plan *plan, const struct mlo_value *in, const struct mlo_limits *limits,
                const struct mlo_explain_opts *o, struct mlo_explained *ret, struct mlo_err *err)
{
    struct mlo_explained e = {.threads = o->threads ? o->threads : 1, .request_ns = o->request_ns};
    struct watching w = {.clock = o->clock, .in = in};
    mlo_plan_inputs(plan, &w.n_in);
    int rc = take_costs(plan, in, w.n_in, &e, err);
    w.n = e.n;
    if (rc == 0)
        rc = watch_steps(&w, plan, o, &e, err);
    if (rc != 0) {
        mlo_explained_release(&e);
        return rc;
    }
    mlo_explain_bounds(limits, &e);
    *ret = e;
    return 0;
}

void mlo_explained_release(struct mlo_explained *e)
{
    free(e->steps);
    *e = (struct mlo_explained){0};
}
