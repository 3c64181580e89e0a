/*
 * Which limit of the machine a step runs into (the roofline model of Williams, Waterman and Patterson, 2009,
 * with a roof for each cache and one for what a step costs whatever it does), and what follows from all of
 * them.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

const char *mlo_bound_name(enum mlo_bound b)
{
    static const char *const names[] = {"compute", "first cache", "second cache", "third cache", "memory",
                                        "step",    "wake-up",     "launch",       "transfer"};
    return names[b];
}

/* ---- one step ---- */

/* Two levels meet gradually: of a set twice as large as a cache nothing is in it when it is asked for again.
 */
static double share_inside(double set, double cache)
{
    return fmin(fmax(2 - set / cache, 0), 1);
}

/* Adds what it takes to read so many bytes of a set that comes round again and again. */
static void add_reading(const struct mlo_limits *l, double bytes, double set, double ret_ns[MLO_LEVELS])
{
    double left = 1;
    for (size_t i = 0; i < MLO_LEVELS; i++) {
        double here = i == MLO_LEVEL_MEMORY ? left : left * share_inside(set, (double)l->bytes[i]);
        ret_ns[i] += l->read[i] > 0 ? 1e9 * bytes * here / l->read[i] : 0;
        left -= here;
    }
}

static double products_a_second(const struct mlo_limits *l, enum mlo_dtype t)
{
    double own = t == MLO_DT_I8 ? l->int8 : t == MLO_DT_F64 ? l->f64 : l->f32;
    return own > 0 ? own : l->f32;
}

static double computing(const struct mlo_limits *l, const struct mlo_node_cost *c)
{
    double products = (double)c->products, others = (double)(c->flops - c->products);
    return 1e9 * (products / products_a_second(l, c->product_type) + others / l->f32);
}

static void take_if_more(struct mlo_explained_step *s, enum mlo_bound bound, double ns)
{
    if (ns > s->limit_ns) {
        s->limit_ns = ns;
        s->bound = bound;
    }
}

/* Weights come round once a run, and with them all that a run goes through; values were just written. */
static void bound_by_reading(const struct mlo_limits *l, double run_bytes, double cores,
                             struct mlo_explained_step *s)
{
    const struct mlo_node_cost *c = &s->cost;
    double ns[MLO_LEVELS] = {0}, again = 1e9 * (double)c->reads / l->read[MLO_LEVEL_L1], all = 0;
    size_t most = 0;
    add_reading(l, (double)c->weights / cores, run_bytes, ns);
    add_reading(l, (double)(c->bytes - c->weights) / cores, (double)c->bytes, ns);
    for (size_t i = 0; i < MLO_LEVELS; i++) {
        all += ns[i];
        most = ns[i] > ns[most] ? i : most;
    }
    take_if_more(s, (enum mlo_bound)(MLO_BOUND_L1 + most), all);
    take_if_more(s, MLO_BOUND_L1, again / cores);
}

static void bound_step(const struct mlo_limits *l, const struct mlo_explained *e,
                       struct mlo_explained_step *s)
{
    bool split = e->threads > 1 && s->cost.flops >= MLO_SPLIT_FLOPS;
    double cores = split ? e->threads : 1;
    s->limit_ns = 0;
    take_if_more(s, MLO_BOUND_STEP, l->step_ns);
    take_if_more(s, MLO_BOUND_COMPUTE, computing(l, &s->cost) / cores);
    bound_by_reading(l, e->run_bytes, cores, s);
    if (split)
        take_if_more(s, MLO_BOUND_WAKE, l->wake_ns);
}

/* ---- one step of a device ---- */

double mlo_device_rate(const struct mlo_device_limits *l, enum mlo_dtype t, bool tf32)
{
    static const struct {
        enum mlo_dtype t;
        enum mlo_device_type on_device;
    } types[] = {{MLO_DT_F32, MLO_DEVICE_F32},
                 {MLO_DT_F16, MLO_DEVICE_F16},
                 {MLO_DT_BF16, MLO_DEVICE_BF16},
                 {MLO_DT_I8, MLO_DEVICE_I8},
                 {MLO_DT_F8_E4M3, MLO_DEVICE_E4M3}};
    if (t == MLO_DT_F32 && tf32)
        return l->tf32;
    for (size_t i = 0; i < MLO_COUNT(types); i++)
        if (types[i].t == t)
            return l->flops[types[i].on_device];
    return 0;
}

static double at_rate(double amount, double rate)
{
    return rate > 0 ? 1e9 * amount / rate : 0;
}

/* Small ones take as long as beginning a copy; what was measured of that is both ways together. */
static void bound_copy(const struct mlo_device_limits *l, struct mlo_explained_step *s)
{
    double begin = fmin(l->mapped_ns, l->copied_ns) - l->graph_ns;
    double rate = s->copy == MLO_COPY_IN ? l->in : l->out;
    take_if_more(s, MLO_BOUND_TRANSFER, fmax(begin / 2, at_rate((double)s->cost.bytes, rate)));
}

static void bound_on_device(const struct mlo_device_limits *l, const struct mlo_explained *e,
                            struct mlo_explained_step *s)
{
    const struct mlo_node_cost *c = &s->cost;
    s->limit_ns = 0;
    s->bound = s->copy ? MLO_BOUND_TRANSFER : MLO_BOUND_LAUNCH;
    if (s->copy) {
        bound_copy(l, s);
        return;
    }
    take_if_more(s, MLO_BOUND_LAUNCH, l->kernel_ns);
    take_if_more(s, MLO_BOUND_MEMORY, at_rate((double)c->bytes, l->copy));
    take_if_more(s, MLO_BOUND_COMPUTE,
                 at_rate((double)c->products, mlo_device_rate(l, c->product_type, e->tf32)));
}

double mlo_explained_gain(const struct mlo_explained *e, double ns, double limit_ns)
{
    double left = e->run_ns - fmax(ns - limit_ns, 0);
    return left > 0 ? e->run_ns / left : 1;
}

static int longest_first(const void *x, const void *y)
{
    const struct mlo_explained_step *const *a = x, *const *b = y;
    return (*a)->ns != (*b)->ns ? ((*a)->ns < (*b)->ns ? 1 : -1) : (*a > *b) - (*a < *b);
}

int mlo_explained_longest(const struct mlo_explained *e, const struct mlo_explained_step ***ret,
                          struct mlo_err *err)
{
    const struct mlo_explained_step **order = mlo_calloc(e->n + 1, sizeof(struct mlo_explained_step *), err);
    if (!order)
        return err->code;
    for (size_t i = 0; i < e->n; i++)
        order[i] = &e->steps[i];
    qsort(order, e->n, sizeof(struct mlo_explained_step *), longest_first);
    *ret = order;
    return 0;
}

/* ---- in words ---- */

static void add(struct mlo_explained *e, const char *fmt, ...) MLO_PRINTF(2, 3);
static void add(struct mlo_explained *e, const char *fmt, ...)
{
    size_t at = strlen(e->sentence);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->sentence + at, sizeof e->sentence - at, fmt, ap);
    va_end(ap);
}

struct make_up { /* of the time of all steps with one bound */
    double products, weights, trees;
};

static struct make_up make_up_of(const struct mlo_explained *e, enum mlo_bound bound)
{
    struct make_up m = {0};
    double ns = 0;
    for (size_t i = 0; i < e->n; i++) {
        const struct mlo_explained_step *s = &e->steps[i];
        if (s->bound != bound)
            continue;
        ns += s->ns;
        m.products += 2 * s->cost.products > s->cost.flops ? s->ns : 0;
        m.weights += 2 * s->cost.weights > s->cost.bytes ? s->ns : 0;
        m.trees += s->cost.reads > 0 ? s->ns : 0;
    }
    return ns > 0 ? (struct make_up){m.products / ns, m.weights / ns, m.trees / ns} : m;
}

#define NEAR 0.6 /* of the limit: well used */
#define FAR  0.2 /* the limit is not what it is about */

/* Behind "...: ", what would help. */
static void say_help(struct mlo_explained *e, double of_limit, const char *at_limit)
{
    if (of_limit >= NEAR)
        add(e, "%s", at_limit);
    else if (of_limit >= FAR)
        add(e, "the kernels leave room, up to %.1f times", 1 / of_limit);
    else
        add(e, "what such steps cost whatever they do is more, and more rows a request help");
}

static void say_compute(struct mlo_explained *e, double share, double of_limit, const struct make_up *m)
{
    add(e, "%.0f %% of the time is %s at %.2f of what %s can do: ", 100 * share,
        m->products > 0.5 ? "multiplication" : "arithmetic", of_limit,
        e->on_device     ? "the device"
        : e->threads > 1 ? "the threads"
                         : "one core");
    say_help(e, of_limit,
             e->on_device ? "only smaller types or another device help"
                          : "only more cores or smaller types help");
}

static void say_reading(struct mlo_explained *e, enum mlo_bound bound, double share, double of_limit,
                        const struct make_up *m)
{
    const char *what = m->trees > 0.5 ? "trees" : m->weights > 0.5 ? "weights" : "values";
    add(e, "%.0f %% of the time is reading %s from %s%s at %.2f of what it can give: ", 100 * share, what,
        e->on_device                ? "the device's "
        : bound == MLO_BOUND_MEMORY ? ""
                                    : "the ",
        mlo_bound_name(bound), of_limit);
    say_help(e, of_limit,
             m->trees > 0.5     ? "only more cores or smaller trees help"
             : m->weights > 0.5 ? "more rows a request or smaller types help"
                                : "only smaller types help");
}

static void say_steps(struct mlo_explained *e, double share, size_t n)
{
    if (n == 1)
        add(e, "%.0f %% of the time is a step with next to nothing to do: ", 100 * share);
    else
        add(e, "%.0f %% of the time are %zu steps with next to nothing to do: ", 100 * share, n);
    add(e, "what they cost whatever they do counts, and more rows a request help");
}

static void say_transfer(struct mlo_explained *e, double share, double of_limit)
{
    add(e, "%.0f %% of the time is copying to the device and back at %.2f of what that can be: ", 100 * share,
        of_limit);
    say_help(e, of_limit, "only fewer bytes a row, or a model that stays on the CPU, help");
}

static void say_bound(struct mlo_explained *e, enum mlo_bound bound)
{
    const struct mlo_explained_bound *b = &e->bounds[bound];
    struct make_up m = make_up_of(e, bound);
    double share = b->ns / e->run_ns, of_limit = b->ns > 0 ? b->limit_ns / b->ns : 1;
    if (bound == MLO_BOUND_COMPUTE)
        say_compute(e, share, of_limit, &m);
    else if (bound == MLO_BOUND_STEP || bound == MLO_BOUND_LAUNCH)
        say_steps(e, share, b->n);
    else if (bound == MLO_BOUND_TRANSFER)
        say_transfer(e, share, of_limit);
    else if (bound == MLO_BOUND_WAKE)
        add(e,
            "%.0f %% of the time are products so short that waking threads for them costs more: fewer "
            "threads help",
            100 * share);
    else
        say_reading(e, bound, share, of_limit, &m);
}

static void say(struct mlo_explained *e)
{
    enum mlo_bound most = MLO_BOUND_COMPUTE;
    e->sentence[0] = '\0';
    for (int b = 0; b < MLO_BOUNDS; b++)
        most = e->bounds[b].ns > e->bounds[most].ns ? (enum mlo_bound)b : most;
    if (e->request_ns > 2 * e->run_ns)
        add(e,
            "a request takes %.1f times as long as the run of one alone: callers share the machine, and "
            "fewer "
            "of them or more cores help; of the run, ",
            e->request_ns / e->run_ns);
    if (e->rest_ns > e->bounds[most].ns)
        add(e, "%.0f %% of the time is %s: more rows a request help", 100 * e->rest_ns / e->run_ns,
            e->on_device ? "around the device's work, to begin it, to wait for it and for the CPU's own steps"
                         : "between the steps");
    else if (e->n > 0)
        say_bound(e, most);
    else
        add(e, "the model has no steps");
}

/* ---- all of it ---- */

static double bytes_of_run(const struct mlo_explained *e)
{
    double weights = 0, values = 0;
    for (size_t i = 0; i < e->n; i++) {
        const struct mlo_node_cost *c = &e->steps[i].cost;
        weights += (double)c->weights;
        values = fmax(values, (double)(c->bytes - c->weights));
    }
    return weights + values;
}

static void sum_up(struct mlo_explained *e)
{
    double sum = 0;
    memset(e->bounds, 0, sizeof e->bounds);
    for (size_t i = 0; i < e->n; i++) {
        const struct mlo_explained_step *s = &e->steps[i];
        struct mlo_explained_bound *b = &e->bounds[s->bound];
        b->n++;
        b->ns += s->ns;
        b->limit_ns += s->limit_ns;
        sum += s->ns;
    }
    e->rest_ns = fmax(e->run_ns - sum, 0);
    say(e);
}

void mlo_explain_bounds(const struct mlo_limits *limits, struct mlo_explained *e)
{
    e->run_bytes = bytes_of_run(e);
    for (size_t i = 0; i < e->n; i++)
        bound_step(limits, e, &e->steps[i]);
    sum_up(e);
}

void mlo_explain_device_bounds(const struct mlo_device_limits *limits, struct mlo_explained *e)
{
    e->run_bytes = bytes_of_run(e);
    for (size_t i = 0; i < e->n; i++)
        bound_on_device(limits, e, &e->steps[i]);
    sum_up(e);
}
