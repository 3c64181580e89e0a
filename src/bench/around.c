/*
 * What a request takes around the run of the model: its JSON read and written, as a server does it, the wait
 * until somebody is free, and the way to another who answers.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

#define SECONDS     0.05
#define TIMES_LEAST 5
#define TIMES_MAX   1000
#define A_QUEUE     0.5 /* that a request finds waiting: fewer are chance */

struct message { /* one way of it */
    const struct mlo_port_type *ports;
    const struct mlo_value *values;
    size_t n;
};

static int read_once(const struct message *m, const char *body, struct mlo_err *err)
{
    struct mlo_jpull j;
    struct mlo_inputs *in = NULL;
    mlo_jpull_init(&j, body, strlen(body));
    int rc = mlo_infer_request_read(&j, m->ports, m->n, &in, err);
    mlo_inputs_free(in);
    return rc;
}

static int write_once(const struct message *m, struct mlo_err *err)
{
    MLO_AUTOFREE char *text = NULL;
    return mlo_infer_request(m->ports, m->values, m->n, &text, err);
}

/* The median of many times. body: what is read; NULL: it is written. 0: JSON cannot say it. */
static double time_message(const struct message *m, const char *body, const struct mlo_clock *clock)
{
    struct mlo_err err = MLO_ERR_INIT;
    double ns[TIMES_MAX], scratch[TIMES_MAX];
    int64_t until = mlo_clock_after(clock, SECONDS);
    size_t n = 0;
    while (n < TIMES_MAX && (n < TIMES_LEAST || mlo_clock_now(clock) < until)) {
        int64_t from = mlo_clock_now(clock);
        if ((body ? read_once(m, body, &err) : write_once(m, &err)) != 0)
            return 0;
        ns[n++] = (double)(mlo_clock_now(clock) - from);
    }
    mlo_sort_doubles(ns, n, scratch);
    return mlo_quantile_sorted(ns, n, 0.5);
}

static int answer(const struct mlo_plan *plan, const struct mlo_value *in, size_t n_in,
                  const struct mlo_clock *clock, struct mlo_around *a, struct mlo_err *err)
{
    struct mlo_session *s = NULL;
    struct message m = {0};
    MLO_AUTOFREE char *text = NULL;
    struct mlo_err ignored = MLO_ERR_INIT;
    m.ports = mlo_plan_outputs(plan, &m.n);
    int rc = mlo_session_new(plan, &s, err);
    if (rc == 0)
        rc = mlo_session_run(s, in, n_in, &m.values, err);
    if (rc == 0 && mlo_infer_request(m.ports, m.values, m.n, &text, &ignored) == 0) {
        a->answer_bytes = strlen(text);
        a->answer_ns = time_message(&m, NULL, clock);
    }
    mlo_session_free(s);
    return rc;
}

static int read_and_write(const struct mlo_plan *plan, const struct mlo_value *in,
                          const struct mlo_clock *clock, struct mlo_around *a, struct mlo_err *err)
{
    struct message asked = {.values = in};
    MLO_AUTOFREE char *body = NULL;
    struct mlo_err ignored = MLO_ERR_INIT;
    asked.ports = mlo_plan_inputs(plan, &asked.n);
    if (mlo_infer_request(asked.ports, in, asked.n, &body, &ignored) == 0) {
        a->parse_bytes = strlen(body);
        a->parse_ns = time_message(&asked, body, clock);
    }
    return answer(plan, in, asked.n, clock, a, err);
}

/* What is left of a request when our engine's share of it is taken off. */
static double way_of(const struct mlo_explained *e, const struct mlo_around *a, const struct mlo_measured *m)
{
    double request = m->times.n > 0 ? (double)mlo_times_quantile(&m->times, 0.5) : 0;
    return fmax(request - e->run_ns - a->parse_ns - a->answer_ns - a->queue_ns, 0);
}

/* Behind what is more than the run: what the run is held back by. */
static void say_way(struct mlo_explained *e)
{
    char run[MLO_EXPLAINED_TEXT];
    const struct mlo_around *a = &e->around;
    double all = a->way_ns + a->queue_ns + e->run_ns + a->parse_ns + a->answer_ns;
    memcpy(run, e->sentence, sizeof run);
    if (a->way_ns > all / 2)
        snprintf(e->sentence, sizeof e->sentence,
                 "%.0f %% of a request is the way there and back, and what the target does that our engine "
                 "does not: more rows a request share it; of the run, as our engine does it here, %.300s",
                 100 * a->way_ns / all, run);
    else if (a->queue_ns > e->run_ns && a->ahead >= A_QUEUE)
        snprintf(e->sentence, sizeof e->sentence,
                 "a request waits %.1f times as long as the model runs, behind %.2g others: more callers or "
                 "fewer requests help; of the run, %.300s",
                 a->queue_ns / e->run_ns, a->ahead, run);
    else if (a->queue_ns > e->run_ns)
        snprintf(e->sentence, sizeof e->sentence,
                 "a request waits %.1f times as long as the model runs, though behind no other as a rule: so "
                 "long it takes to wake who answers, and more rows a request share that; of the run, %.300s",
                 a->queue_ns / e->run_ns, run);
}

int mlo_explain_around(const struct mlo_plan *plan, const struct mlo_value *in, const struct mlo_measured *m,
                       enum mlo_asked asked, const struct mlo_clock *clock, struct mlo_explained *e,
                       struct mlo_err *err)
{
    struct mlo_around a = {0};
    const struct mlo_queued *q = &m->queued;
    if (q->n > 0 && m->seconds > 0) {
        a.queue_ns = q->ns / (double)q->n;
        a.ahead = (double)q->ahead / (double)q->n;
        a.little = q->ns / (m->seconds * 1e9);
    }
    int rc = asked == MLO_ASKED_LINES ? 0 : read_and_write(plan, in, clock, &a, err);
    if (rc != 0)
        return rc;
    a.way_ns = asked == MLO_ASKED_ENGINE ? 0 : way_of(e, &a, m);
    e->around = a;
    say_way(e);
    return 0;
}

static void add_row(double all, const char *name, double ns, struct mlo_around_row *ret)
{
    *ret = (struct mlo_around_row){
        .name = name, .ns = ns, .share = ns / all, .gain = all > ns ? all / (all - ns) : INFINITY};
}

size_t mlo_around_rows(const struct mlo_explained *e, struct mlo_around_row ret[MLO_AROUND_ROWS])
{
    const struct mlo_around *a = &e->around;
    double all = e->run_ns + a->parse_ns + a->answer_ns + a->queue_ns + a->way_ns;
    size_t n = 0;
    if (a->parse_ns > 0) {
        add_row(all, "parse", a->parse_ns, &ret[n]);
        snprintf(ret[n].why, sizeof ret[n].why, "%zu bytes of JSON to tensors, %.0f MB/s", a->parse_bytes,
                 1e3 * (double)a->parse_bytes / a->parse_ns);
        n++;
    }
    if (a->answer_ns > 0) {
        add_row(all, "answer", a->answer_ns, &ret[n]);
        snprintf(ret[n].why, sizeof ret[n].why, "tensors to %zu bytes of JSON, %.0f MB/s", a->answer_bytes,
                 1e3 * (double)a->answer_bytes / a->answer_ns);
        n++;
    }
    if (a->queue_ns > 0) {
        add_row(all, "queue", a->queue_ns, &ret[n]);
        snprintf(ret[n].why, sizeof ret[n].why, "%.2g found waiting, %.2g by Little's law", a->ahead,
                 a->little);
        n++;
    }
    if (a->way_ns > 0) {
        add_row(all, "way", a->way_ns, &ret[n]);
        snprintf(ret[n].why, sizeof ret[n].why,
                 "there and back, and what the target does that our engine does not");
        n++;
    }
    return n;
}
