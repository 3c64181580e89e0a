/*
 * What predictions cost: throughput that was measured, here now and elsewhere by earlier runs, times the
 * price of an hour. What was not measured is not guessed: it is told how fast it would have to be.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "bench.h"
#include "cmd/shared/prices.h"
#include "cmd/runpod/runpod.h"

#define PRICE_MAX 1e6
#define RUNS_MAX  2000 /* looked at: the newest */
#define SHOWN     10   /* GPUs that were not measured, in text */

enum met { MET_UNKNOWN, MET_NO, MET_YES };
struct offer {
    char device[192], *load; /* load: owned */
    size_t batch;
    double rows, per_hour, per_million; /* rows a second; USD, NAN: no price */
    uint64_t goal_ns;                   /* the quantile of the goal, else p99; 0: too few were timed */
    enum met met;
    int64_t run; /* 0: this one */
};
struct cost {
    struct mlo_bench *b;
    struct mlo_workspace *ws;
    struct mlo_prices prices;
    struct offer *offers;
    size_t n, cap;
    double quantile; /* of the goal; 1: the longest */
    uint64_t limit;  /* ns; 0: there is no goal */
};

/* ---- the goal ---- */

static int read_goal(const char *text, double *ret_quantile, uint64_t *ret_ns, struct mlo_err *err)
{
    static const struct {
        const char *name;
        double quantile;
    } names[] = {{"p50=", 0.5}, {"p90=", 0.9}, {"p95=", 0.95}, {"p99=", 0.99}, {"max=", 1}};
    for (size_t i = 0; i < MLO_COUNT(names); i++)
        if (strncmp(text, names[i].name, 4) == 0) {
            *ret_quantile = names[i].quantile;
            int rc = mlo_parse_duration(text + 4, "--goal", ret_ns, err);
            return rc == 0 && *ret_ns == 0 ? mlo_fail(err, MLO_EUSAGE, "--goal '%s' is no time", text) : rc;
        }
    mlo_fail(err, MLO_EUSAGE, "--goal '%s' is not NAME=TIME", text);
    return mlo_hint(err, "NAME is p50, p90, p95, p99 or max: p99=20ms");
}

static uint64_t quantile_of(const struct mlo_times *t, double q)
{
    if (q >= 1)
        return t->most;
    return q > 0.5 && mlo_quantile_rank(t->n, q, 0.99) == 0 ? 0 : mlo_times_quantile(t, q);
}

/* ---- what was measured ---- */

/* A GPU that did something meanwhile, or that the engine ran on ("AMD EPYC, 2 CPUs, NVIDIA L4"), else the
 * machine. */
static const char *device_of(const struct mlo_bench_result *r, const struct mlo_measured *m)
{
    static const char cpus[] = " CPUs, ";
    const struct mlo_gpu_used *g = &m->used.gpu;
    const char *of_engine = strstr(r->machine, cpus);
    if (g->readings > 0 && g->busy > 0 && *g->name)
        return g->name;
    return of_engine ? of_engine + strlen(cpus) : r->machine;
}

static bool is_known(const struct cost *c, const char *device, const char *load, size_t batch)
{
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->offers[i].device, device) == 0 && c->offers[i].batch == batch &&
            strcmp(c->offers[i].load, load) == 0)
            return true;
    return false;
}

/* The price that was said is that of this machine, or of the GPU that was measured now. */
static double price_of(const struct cost *c, const char *device)
{
    bool is_here = c->n == 0 || strcmp(c->offers[0].device, device) == 0;
    return is_here && c->b->args->price > 0 ? c->b->args->price : mlo_prices_of(&c->prices, device);
}

static int add_case(struct cost *c, const struct mlo_bench_result *r, const struct mlo_bench_case *k,
                    int64_t run, struct mlo_err *err)
{
    const struct mlo_measured *m = &k->measured;
    const char *device = device_of(r, m);
    if (m->times.n == 0 || m->stopped || is_known(c, device, r->load, k->batch))
        return 0;
    int rc = mlo_grow(&c->offers, &c->cap, c->n + 1, sizeof *c->offers, err);
    char *load = rc == 0 ? mlo_strdup(r->load, err) : NULL;
    if (!load)
        return err->code;
    struct offer o = {.load = load, .batch = k->batch, .run = run, .rows = mlo_bench_rows_per_s(m, k->batch)};
    snprintf(o.device, sizeof o.device, "%s", device);
    o.per_hour = price_of(c, device);
    o.per_million = o.per_hour / 3600 / o.rows * 1e6;
    o.goal_ns = quantile_of(&m->times, c->quantile);
    o.met = c->limit == 0 ? MET_YES : o.goal_ns == 0 ? MET_UNKNOWN : o.goal_ns <= c->limit ? MET_YES : MET_NO;
    c->offers[c->n++] = o;
    return 0;
}

static bool is_asked(const struct mlo_bench *b, size_t batch)
{
    for (size_t i = 0; i < b->n_batches; i++)
        if (b->batches[i] == batch)
            return true;
    return false;
}

static int add_result(struct cost *c, const struct mlo_bench_result *r, int64_t run, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->n; i++)
        if (is_asked(c->b, r->cases[i].batch))
            rc = add_case(c, r, &r->cases[i], run, err);
    return rc;
}

static int take_run(void *ctx, const struct mlo_run_row *row, struct mlo_err *err)
{
    struct cost *c = ctx;
    struct mlo_bench_result r = {0};
    bool found = false;
    int rc = mlo_bench_read_run(c->ws, row->id, MLO_BENCH_RESULT, &r, &found, err);
    if (rc == 0 && found && mlo_bench_same_model(r.model, c->b->result.model))
        rc = add_result(c, &r, row->id, err);
    mlo_bench_result_release(&r);
    return rc;
}

static int add_earlier(struct cost *c, struct mlo_err *err)
{
    const struct mlo_run_filter filter = {.command = "bench", .status = "done", .limit = RUNS_MAX};
    struct mlo_workspace ws;
    int rc = mlo_workspace_read(c->b->ctx, &ws, err);
    if (rc != 0)
        return rc;
    c->ws = &ws;
    if (ws.ledger)
        rc = mlo_run_each(ws.ledger, &filter, take_run, c, err);
    mlo_workspace_close(&ws);
    return rc;
}

/* ---- what is told ---- */

static const struct mlo_column columns[] = {{"device", "DEVICE", MLO_CELL_TEXT},
                                            {"batch", "BATCH", MLO_CELL_U64},
                                            {"rows_per_s", "ROWS/S", MLO_CELL_U64},
                                            {"latency_ns", "LATENCY", MLO_CELL_DURATION},
                                            {"goal", "GOAL", MLO_CELL_TEXT},
                                            {"usd_per_hour", "$/H", MLO_CELL_TEXT},
                                            {"usd_per_million", "$/1M", MLO_CELL_TEXT},
                                            {"run", "RUN", MLO_CELL_I64},
                                            {"load", "LOAD", MLO_CELL_TEXT}};

/* A million may cost a small part of a cent. */
static void cell_usd(const struct mlo_bench *b, double usd)
{
    char text[MLO_USD_MAX];
    if (isnan(usd))
        mlo_cell_none(b->ctx->report);
    else if (b->ctx->json)
        mlo_cell_double(b->ctx->report, usd);
    else if (usd < 0.01 && snprintf(text, sizeof text, "$%.2g", usd) > 0)
        mlo_cell_text(b->ctx->report, text);
    else
        mlo_cell_text(b->ctx->report, mlo_usd(usd, text));
}

static void put_offer(const struct cost *c, const struct offer *o)
{
    static const char *const words[] = {"not known", "no", "yes"};
    struct mlo_report *r = c->b->ctx->report;
    mlo_cell_text(r, o->device);
    mlo_cell_u64(r, o->batch);
    mlo_cell_u64(r, (uint64_t)o->rows);
    if (o->goal_ns > 0)
        mlo_cell_u64(r, o->goal_ns);
    else
        mlo_cell_none(r);
    mlo_cell_text(r, c->limit > 0 ? words[o->met] : NULL);
    cell_usd(c->b, o->per_hour);
    cell_usd(c->b, o->per_million);
    if (o->run > 0)
        mlo_cell_i64(r, o->run);
    else
        mlo_cell_none(r);
    mlo_cell_text(r, o->load);
}

static const struct offer *cheapest(const struct cost *c)
{
    const struct offer *best = NULL;
    for (size_t i = 0; i < c->n; i++)
        if (c->offers[i].met == MET_YES && c->offers[i].per_million > 0 &&
            (!best || c->offers[i].per_million < best->per_million))
            best = &c->offers[i];
    return best;
}

static bool is_measured(const struct cost *c, const char *id)
{
    for (size_t i = 0; i < c->n; i++)
        if (strcasecmp(c->offers[i].device, id) == 0)
            return true;
    return false;
}

/* How fast each of the others would have to be to be as cheap. */
static void put_unmeasured(const struct cost *c, const struct offer *best)
{
    const struct mlo_column both[] = {
        {"gpu", "NOT MEASURED", MLO_CELL_TEXT},
        {"usd_per_hour", "$/H", c->b->ctx->json ? MLO_CELL_DOUBLE : MLO_CELL_TEXT},
        {"worth_from_rows_per_s", "WORTH IT FROM ROWS/S", MLO_CELL_U64}};
    struct mlo_report *r = c->b->ctx->report;
    size_t shown = 0, left = 0;
    mlo_report_table(r, "unmeasured", NULL, both, MLO_COUNT(both), NULL);
    for (size_t i = 0; i < c->prices.n; i++) {
        const struct mlo_price *p = &c->prices.items[i];
        if (is_measured(c, p->id))
            continue;
        if (!c->b->ctx->json && shown == SHOWN) {
            left++;
            continue;
        }
        mlo_cell_text(r, p->id);
        cell_usd(c->b, p->per_hour);
        if (best)
            mlo_cell_u64(r, (uint64_t)ceil(p->per_hour / 3600 / best->per_million * 1e6));
        else
            mlo_cell_none(r);
        shown++;
    }
    if (left > 0)
        mlo_report_note(r, "%zu dearer ones were not measured either", left);
}

static void put(const struct cost *c)
{
    struct mlo_column own[MLO_COUNT(columns)];
    struct mlo_report *r = c->b->ctx->report;
    const struct offer *best = cheapest(c);
    memcpy(own, columns, sizeof own);
    own[5].type = own[6].type = c->b->ctx->json ? MLO_CELL_DOUBLE : MLO_CELL_TEXT;
    mlo_report_table(r, "cost", NULL, own, MLO_COUNT(own), NULL);
    for (size_t i = 0; i < c->n; i++)
        put_offer(c, &c->offers[i]);
    if (c->prices.time_ns > 0)
        put_unmeasured(c, best);
    mlo_report_text(r, "cheapest", c->limit > 0 ? "cheapest that meets the goal" : "cheapest",
                    best ? best->device : NULL);
}

/* 1: what has a price was measured, and none meets the goal. */
static int answer(const struct cost *c, struct mlo_err *err)
{
    bool priced = false, open = false;
    for (size_t i = 0; i < c->n; i++) {
        priced = priced || c->offers[i].per_million > 0;
        open = open || c->offers[i].met == MET_UNKNOWN;
    }
    if (cheapest(c))
        return 0;
    if (priced && !open)
        return MLO_NO;
    c->b->ctx->reported = true;
    if (priced)
        return mlo_fail(err, MLO_EUNAVAIL, "too few requests were timed to say whether the goal is met");
    mlo_fail(err, MLO_EUNAVAIL, "nothing that was measured has a price");
    return mlo_hint(err, "--price says what an hour of this machine costs");
}

int mlo_bench_cost_options(const struct mlo_bench_args *o, struct mlo_err *err)
{
    double quantile;
    uint64_t limit;
    if (!o->cost && (o->goal || o->price > 0))
        return mlo_fail(err, MLO_EUSAGE, "--goal and --price go with --cost");
    if (o->cost && o->history)
        return mlo_fail(err, MLO_EUSAGE, "--cost measures: it does not go with --history");
    if (o->price < 0 || o->price > PRICE_MAX)
        return mlo_fail(err, MLO_EUSAGE, "--price %g is no price of an hour in USD", o->price);
    return o->goal ? read_goal(o->goal, &quantile, &limit, err) : 0;
}

int mlo_bench_cost(struct mlo_bench *b, struct mlo_err *err)
{
    struct cost c = {.b = b, .quantile = 0.99};
    int rc = b->args->goal ? read_goal(b->args->goal, &c.quantile, &c.limit, err) : 0;
    if (rc == 0)
        rc = mlo_prices_get(b->ctx, &c.prices, err);
    if (rc == 0)
        rc = add_result(&c, &b->result, 0, err);
    if (rc == 0)
        rc = add_earlier(&c, err);
    if (rc == 0) {
        put(&c);
        b->cost = answer(&c, &b->cost_err);
    }
    for (size_t i = 0; i < c.n; i++)
        free(c.offers[i].load);
    free(c.offers);
    mlo_prices_release(&c.prices);
    return rc;
}
