/*
 * A benchmark as a page: the answer first, then what was measured where, then each batch with its charts and
 * all its steps.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/time.h>

#include "page.h"

#define STEPS_MAX ((size_t)1000) /* in the table */

/* ---- the answer ---- */

static const struct mlo_page_case *worst(const struct mlo_bench_page *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->cases[i].compared && p->cases[i].compared->gate == p->gate)
            return &p->cases[i];
    return NULL;
}

static void say_compared(struct mlo_str *out, const struct mlo_bench_page *p, const struct mlo_page_case *c)
{
    static const char *const words[] = {
        [MLO_GATE_PASS] = "not slower than",
        [MLO_GATE_FAIL] = "slower than",
        [MLO_GATE_INCONCLUSIVE] = "it cannot be told whether it is slower than"};
    const struct mlo_ratio *r = &c->compared->median;
    mlo_str_addf(out, "%s %s: batch %zu takes %.3g times as long (%.3g to %.3g)", words[p->gate], p->against,
                 c->batch, r->ratio, r->low, r->high);
}

static void say_measured(struct mlo_str *out, const struct mlo_bench_page *p)
{
    const struct mlo_page_case *c = &p->cases[0];
    mlo_str_addf(out, "batch %zu takes ", c->batch);
    mlo_page_time(out, (double)mlo_times_quantile(&c->measured->times, 0.5));
}

static int put_answer(struct mlo_str *out, const struct mlo_bench_page *p, struct mlo_err *err)
{
    const struct mlo_page_case *compared = worst(p), *first = p->n > 0 ? &p->cases[0] : NULL;
    const char *told = first && first->explained ? first->explained->sentence : NULL;
    bool bad = compared && p->gate != MLO_GATE_PASS;
    MLO_AUTOSTR struct mlo_str sentence;
    mlo_str_init(&sentence, out->max);
    if (compared)
        say_compared(&sentence, p, compared);
    else if (told)
        mlo_str_add(&sentence, told);
    else if (first)
        say_measured(&sentence, p);
    int rc = mlo_str_check(&sentence, err);
    if (rc != 0)
        return rc;
    mlo_html_verdict_begin(out, bad ? "a" : "s",
                           bad        ? "\u25b2"
                           : compared ? "\u2713"
                                      : "\u25c6",
                           sentence.ptr);
    if (compared && told) {
        mlo_str_add(out, "<p>");
        mlo_spell_markup(out, told);
        mlo_str_add(out, "</p>");
    }
    mlo_html_verdict_end(out);
    return 0;
}

/* ---- facts ---- */

static void put_limits(struct mlo_str *out, const struct mlo_limits *l)
{
    mlo_str_add(out, "<div class=\"l\"><dt>One core computes</dt><dd>");
    mlo_page_figure(out, 1e-9 * l->f32);
    mlo_str_add(out, " GFLOP/s of float32, ");
    mlo_page_figure(out, 1e-9 * l->f64);
    mlo_str_add(out, " of float64");
    if (l->int8 > 0) {
        mlo_str_add(out, ", ");
        mlo_page_figure(out, 1e-9 * l->int8);
        mlo_str_add(out, " GOP/s of int8");
    }
    mlo_str_add(out, "</dd></div><div class=\"l\"><dt>One core reads</dt><dd>");
    for (int i = 0; i < MLO_LEVELS; i++) {
        mlo_page_figure(out, 1e-9 * l->read[i]);
        mlo_str_addf(out, "%s%s%s",
                     i == 0                  ? " GB/s from the "
                     : i == MLO_LEVEL_MEMORY ? " from "
                                             : " from the ",
                     mlo_level_name((enum mlo_level)i), i + 1 < MLO_LEVELS ? ", " : "");
    }
    mlo_str_add(out, "</dd></div><div class=\"l\"><dt>It costs</dt><dd>");
    mlo_page_time(out, l->step_ns);
    mlo_str_add(out, " to begin a step, ");
    mlo_page_time(out, l->wake_ns);
    mlo_str_add(out, " to wake a thread</dd></div>");
    if (l->quota > 0)
        mlo_str_addf(out, "<div><dt>Quota</dt><dd>%.2f CPUs</dd></div>", l->quota);
}

/* "50 TFLOP/s of float32, 400 of tf32": of what was measured. */
static void put_device_rates(struct mlo_str *out, const struct mlo_device_limits *l)
{
    const struct {
        const char *name;
        double rate;
    } rates[] = {{"float32", l->flops[MLO_DEVICE_F32]}, {"tf32", l->tf32},
                 {"float16", l->flops[MLO_DEVICE_F16]}, {"bfloat16", l->flops[MLO_DEVICE_BF16]},
                 {"int8", l->flops[MLO_DEVICE_I8]},     {"float8", l->flops[MLO_DEVICE_E4M3]}};
    size_t n = 0;
    for (size_t i = 0; i < MLO_COUNT(rates); i++) {
        if (rates[i].rate <= 0)
            continue;
        mlo_str_add(out, n > 0 ? ", " : "");
        mlo_page_figure(out, 1e-12 * rates[i].rate);
        mlo_str_addf(out, "%s of %s", n++ == 0 ? " TFLOP/s" : "", rates[i].name);
    }
    if (n == 0)
        mlo_str_add(out, "products were not measured");
}

static void put_device_limits(struct mlo_str *out, const struct mlo_device_limits *l)
{
    mlo_str_add(out, "<div class=\"l\"><dt>The GPU computes</dt><dd>");
    put_device_rates(out, l);
    mlo_str_add(out, "</dd></div><div class=\"l\"><dt>It copies</dt><dd>");
    mlo_page_figure(out, 1e-9 * l->copy);
    mlo_str_add(out, " GB/s in its memory, ");
    mlo_page_figure(out, 1e-9 * l->in);
    mlo_str_add(out, " in, ");
    mlo_page_figure(out, 1e-9 * l->out);
    mlo_str_add(out, " back</dd></div><div class=\"l\"><dt>It costs</dt><dd>");
    mlo_page_time(out, l->graph_ns);
    mlo_str_add(out, " to launch anything, ");
    mlo_page_time(out, l->kernel_ns);
    mlo_str_add(out, " for each further kernel</dd></div>");
}

static void put_facts(struct mlo_str *out, const struct mlo_bench_page *p)
{
    char when[MLO_RFC3339_MAX], text[64];
    const struct mlo_bench_result *r = p->result;
    mlo_str_add(out, "<dl class=\"facts\">");
    mlo_html_fact(out, "Model", r->model);
    mlo_html_fact(out, "Machine", r->machine);
    mlo_html_fact(out, "Load", r->load);
    mlo_time_rfc3339(r->time_ns, when);
    snprintf(text, sizeof text, "%.10s %.8s UTC", when, when + 11); /* a line ends between them, if it must */
    mlo_html_fact(out, "Measured", text);
    if (p->against)
        mlo_html_fact(out, "Compared with", p->against);
    if (p->limits)
        put_limits(out, p->limits);
    if (p->device_limits)
        put_device_limits(out, p->device_limits);
    mlo_str_add(out, "</dl>\n");
}

/* ---- times of all batches ---- */

static void put_quantile(struct mlo_str *out, const struct mlo_times *t, double q)
{
    if (q <= 0.5 || mlo_quantile_rank(t->n, q, 0.99) > 0)
        mlo_page_time_cell(out, (double)mlo_times_quantile(t, q));
    else
        mlo_str_add(out, "<td>\u2013</td>");
}

static void put_row(struct mlo_str *out, const struct mlo_page_case *c)
{
    static const double quantiles[] = {0.5, 0.9, 0.95, 0.99};
    const struct mlo_measured *m = c->measured;
    mlo_str_addf(out, "<tr><th scope=\"row\">%zu</th>", c->batch);
    for (size_t i = 0; i < MLO_COUNT(quantiles); i++)
        put_quantile(out, &m->times, quantiles[i]);
    mlo_page_time_cell(out, (double)m->times.most);
    mlo_str_add(out, "<td>");
    mlo_spell_number(
        out, m->seconds > 0 ? rint((double)(m->requests - m->failures) * (double)c->batch / m->seconds) : 0);
    mlo_str_add(out, "</td>");
    mlo_page_time_cell(out, (double)m->first_ns);
    mlo_str_add(out, "<td>");
    mlo_spell_count(out, m->requests);
    mlo_str_add(out, "</td><td>");
    mlo_spell_count(out, m->failures);
    mlo_str_add(out, "</td></tr>\n");
}

static void put_times(struct mlo_str *out, const struct mlo_bench_page *p)
{
    static const struct mlo_html_head heads[] = {
        {"Batch", true}, {"p50", true},    {"p90", true},   {"p95", true},      {"p99", true},
        {"Max", true},   {"Rows/s", true}, {"First", true}, {"Requests", true}, {"Failed", true}};
    mlo_str_addf(out, "<section><h2>Requests</h2><div class=\"o\"><table%s>",
                 p->n > 1 ? " class=\"sort\"" : "");
    mlo_html_thead(out, heads, MLO_COUNT(heads));
    for (size_t i = 0; i < p->n; i++)
        put_row(out, &p->cases[i]);
    mlo_str_add(out, "</tbody></table></div></section>\n");
}

/* ---- a batch ---- */

static void put_legend(struct mlo_str *out, const struct mlo_explained *e)
{
    mlo_str_add(out, "<p class=\"legend\">Bound by");
    for (int b = 0; b < MLO_BOUNDS; b++)
        if (e->bounds[b].n > 0)
            mlo_str_addf(
                out,
                "<svg class=\"g\" viewBox=\"0 0 12 12\" aria-hidden=\"true\"><path class=\"b%d\" d=\"M0 "
                "1h12v10H0z\"/></svg> %s",
                b, mlo_bound_name((enum mlo_bound)b));
    mlo_str_add(out, "</p>");
}

static void put_bounds(struct mlo_str *out, const struct mlo_explained *e)
{
    static const struct mlo_html_head heads[] = {{"Limit", false},   {"Steps", true},
                                                 {"Time", true},     {"Of all", true},
                                                 {"Of limit", true}, {"Run if reached", true}};
    mlo_str_add(
        out, "<p class=\"d\">What removing a limit could give: the run if all its steps reached it.</p><div "
             "class=\"o\"><table class=\"sort\">");
    mlo_html_thead(out, heads, MLO_COUNT(heads));
    for (int b = 0; b < MLO_BOUNDS; b++) {
        const struct mlo_explained_bound *s = &e->bounds[b];
        if (s->n == 0)
            continue;
        mlo_str_addf(out, "<tr><th scope=\"row\">%s</th><td>%zu</td>", mlo_bound_name((enum mlo_bound)b),
                     s->n);
        mlo_page_time_cell(out, s->ns);
        mlo_str_add(out, "<td>");
        mlo_spell_percent(out, e->run_ns > 0 ? s->ns / e->run_ns : 0);
        mlo_str_addf(out, "</td><td>%.2f</td>", s->ns > 0 ? s->limit_ns / s->ns : 0);
        mlo_page_time_cell(out, e->run_ns / mlo_explained_gain(e, s->ns, s->limit_ns));
        mlo_str_add(out, "</tr>\n");
    }
    mlo_str_add(out, "</tbody></table></div>");
}

static void put_around(struct mlo_str *out, const struct mlo_explained *e)
{
    static const struct mlo_html_head heads[] = {{"Around the run", false},
                                                 {"Time", true},
                                                 {"Of a request", true},
                                                 {"Gain if gone", true},
                                                 {"", false}};
    struct mlo_around_row rows[MLO_AROUND_ROWS];
    size_t n = mlo_around_rows(e, rows);
    if (n == 0)
        return;
    mlo_str_add(
        out, "<p class=\"d\">What a request takes beside its run, where a server reads and writes JSON and "
             "requests wait for each other.</p><div class=\"o\"><table class=\"a2\">");
    mlo_html_thead(out, heads, MLO_COUNT(heads));
    for (size_t i = 0; i < n; i++) {
        mlo_str_addf(out, "<tr><th scope=\"row\">%s</th>", rows[i].name);
        mlo_page_time_cell(out, rows[i].ns);
        mlo_str_add(out, "<td>");
        mlo_spell_percent(out, rows[i].share);
        mlo_str_addf(out, "</td><td>%.2f</td><td>%s</td></tr>\n", rows[i].gain, rows[i].why);
    }
    mlo_str_add(out, "</tbody></table></div>");
}

static void put_step(struct mlo_str *out, const struct mlo_explained *e, const struct mlo_explained_step *s)
{
    const struct mlo_node_cost *c = &s->cost;
    mlo_str_add(out, "<tr><th scope=\"row\">");
    mlo_spell_short(out, c->op, strlen(c->op));
    mlo_str_add(out, "</th><td>");
    mlo_spell_short(out, c->node, strlen(c->node));
    mlo_str_add(out, "</td><td>");
    mlo_spell_short(out, c->shape, strlen(c->shape));
    mlo_str_add(out, "</td>");
    mlo_page_time_cell(out, s->ns);
    mlo_str_add(out, "<td>");
    mlo_spell_percent(out, e->run_ns > 0 ? s->ns / e->run_ns : 0);
    mlo_str_add(out, "</td><td>");
    mlo_page_figure(out, s->ns > 0 ? (double)c->flops / s->ns : 0);
    mlo_str_add(out, "</td><td>");
    mlo_page_figure(out, s->ns > 0 ? (double)(c->reads > c->bytes ? c->reads : c->bytes) / s->ns : 0);
    mlo_str_addf(out, "</td><td>%s</td><td>%.2f</td><td>%.2f</td></tr>\n", mlo_bound_name(s->bound),
                 s->ns > 0 ? s->limit_ns / s->ns : 0, mlo_explained_gain(e, s->ns, s->limit_ns));
}

static int put_table(struct mlo_str *out, const struct mlo_explained *e, struct mlo_err *err)
{
    static const struct mlo_html_head heads[] = {
        {"Step", false},   {"Node", false}, {"Output", false}, {"Time", true},     {"Of all", true},
        {"GFLOP/s", true}, {"GB/s", true},  {"Limit", false},  {"Of limit", true}, {"Gain if reached", true}};
    MLO_AUTOFREE const struct mlo_explained_step **order = NULL;
    int rc = mlo_explained_longest(e, &order, err);
    if (rc != 0)
        return rc;
    mlo_str_addf(
        out, "<details><summary>All %zu steps, longest first</summary><div><table class=\"sort st\">", e->n);
    mlo_html_thead(out, heads, MLO_COUNT(heads));
    for (size_t i = 0; i < e->n && i < STEPS_MAX; i++)
        put_step(out, e, order[i]);
    mlo_str_add(out, "</tbody></table></div></details>");
    return 0;
}

static void put_compared(struct mlo_str *out, const struct mlo_compared *c)
{
    mlo_str_addf(out, "<p class=\"d\">Times as long: %.4g, from %.4g to %.4g", c->median.ratio, c->median.low,
                 c->median.high);
    if (c->has_p99)
        mlo_str_addf(out, "; the 99th percentile %.4g, from %.4g to %.4g", c->p99.ratio, c->p99.low,
                     c->p99.high);
    mlo_str_add(out, ".</p>");
}

static int put_case(struct mlo_str *out, const struct mlo_bench_page *p, const struct mlo_page_case *c,
                    struct mlo_err *err)
{
    const struct mlo_explained *e = c->explained;
    mlo_str_addf(out, "<section><h2>Batch %zu</h2>", c->batch);
    if (e && p->n > 1) {
        mlo_str_add(out, "<p class=\"w\">");
        mlo_html_sentence(out, e->sentence);
        mlo_str_add(out, ".</p>");
    }
    if (c->compared)
        put_compared(out, c->compared);
    mlo_str_add(out, "<div class=\"k\">");
    mlo_page_times(out, c);
    if (e)
        mlo_page_roofline(out, e, p);
    mlo_str_add(out, "</div>");
    if (e) {
        put_legend(out, e);
        put_bounds(out, e);
        put_around(out, e);
        mlo_page_steps(out, e);
    }
    int rc = e ? put_table(out, e, err) : 0;
    mlo_str_add(out, "</section>\n");
    return rc;
}

int mlo_bench_html(const struct mlo_bench_page *p, struct mlo_str *out, struct mlo_err *err)
{
    int rc = mlo_html_begin(out, &mlo_page_of_bench, err);
    if (rc == 0)
        rc = put_answer(out, p, err);
    if (rc != 0)
        return rc;
    put_facts(out, p);
    put_times(out, p);
    for (size_t i = 0; rc == 0 && i < p->n; i++)
        rc = put_case(out, p, &p->cases[i], err);
    mlo_html_end(out, &mlo_page_of_bench);
    return rc == 0 ? mlo_str_check(out, err) : rc;
}
