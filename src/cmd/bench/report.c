/* What bench shows: times of each batch, and the verdict of each when it was held against something. */
#include <stdio.h>
#include <string.h>

#include "bench.h"

static const struct mlo_column columns[] = {
    {"batch", "BATCH", MLO_CELL_U64},       {"p50_ns", "P50", MLO_CELL_NS},
    {"p90_ns", "P90", MLO_CELL_NS},         {"p95_ns", "P95", MLO_CELL_NS},
    {"p99_ns", "P99", MLO_CELL_NS},         {"max_ns", "MAX", MLO_CELL_NS},
    {"rows_per_s", "ROWS/S", MLO_CELL_U64}, {"first_ns", "FIRST", MLO_CELL_NS},
    {"load_ns", "LOAD", MLO_CELL_NS},       {"memory", "MEMORY", MLO_CELL_SIZE}};

void mlo_bench_put_header(struct mlo_bench *b)
{
    mlo_report_table(b->ctx->report, "batches", NULL, columns, MLO_COUNT(columns), NULL);
}

/* Nothing when too few were timed to say it with 99 % confidence. */
static void put_quantile(struct mlo_report *r, const struct mlo_times *t, double q)
{
    if (t->n == 0 || (q > 0.5 && mlo_quantile_rank(t->n, q, 0.99) == 0))
        mlo_cell_none(r);
    else
        mlo_cell_u64(r, mlo_times_quantile(t, q));
}

static void put_known(struct mlo_report *r, uint64_t v)
{
    if (v > 0)
        mlo_cell_u64(r, v);
    else
        mlo_cell_none(r);
}

double mlo_bench_rows_per_s(const struct mlo_measured *m, size_t batch)
{
    return (double)(m->requests - m->failures) * (double)batch / m->seconds;
}

void mlo_bench_put_row(struct mlo_bench *b, size_t batch, const struct mlo_measured *m, const char *failure)
{
    static const double quantiles[] = {0.5, 0.9, 0.95, 0.99};
    struct mlo_report *r = b->ctx->report;
    mlo_cell_u64(r, batch);
    for (size_t i = 0; i < MLO_COUNT(quantiles); i++)
        put_quantile(r, &m->times, quantiles[i]);
    put_known(r, m->times.most);
    mlo_cell_u64(r, m->seconds > 0 ? (uint64_t)mlo_bench_rows_per_s(m, batch) : 0);
    put_known(r, m->first_ns);
    put_known(r, m->load_ns);
    put_known(r, m->memory.run_peak);
    if (!m->steady)
        mlo_warn(b->ctx, "times of batch %zu did not become steady while warming up", batch);
    if (m->failures > 0)
        mlo_warn(b->ctx, "%llu of %llu requests of batch %zu failed, the first: %s",
                 (unsigned long long)m->failures, (unsigned long long)m->requests, batch, failure);
}

/* ---- verdicts ---- */

double mlo_bench_rounded(const struct mlo_bench *b, double v, int digits)
{
    char text[32];
    snprintf(text, sizeof text, "%.*g", digits, v);
    return b->ctx->json ? v : strtod(text, NULL);
}

static const char *const gates[] = {
    [MLO_GATE_PASS] = "pass", [MLO_GATE_FAIL] = "fail", [MLO_GATE_INCONCLUSIVE] = "inconclusive"};

static const struct mlo_column verdict_columns[] = {
    {"batch", "BATCH", MLO_CELL_U64},    {"verdict", "VERDICT", MLO_CELL_TEXT},
    {"ratio", "RATIO", MLO_CELL_DOUBLE}, {"low", "LOW", MLO_CELL_DOUBLE},
    {"high", "HIGH", MLO_CELL_DOUBLE},   {"p99_ratio", "P99", MLO_CELL_DOUBLE},
    {"p", "P", MLO_CELL_DOUBLE},         {"blocks", "PAIRS", MLO_CELL_U64},
    {"more", "MORE", MLO_CELL_U64},      {"why", "", MLO_CELL_TEXT}};

static void put_ratio(struct mlo_bench *b, double ratio)
{
    mlo_cell_double(b->ctx->report, mlo_bench_rounded(b, ratio, 4));
}

static void put_verdict(struct mlo_bench *b, size_t batch, const struct mlo_compared *c)
{
    struct mlo_report *r = b->ctx->report;
    bool open = c->gate == MLO_GATE_INCONCLUSIVE;
    mlo_cell_u64(r, batch);
    mlo_cell_text(r, gates[c->gate]);
    put_ratio(b, c->median.ratio);
    put_ratio(b, c->median.low);
    put_ratio(b, c->median.high);
    if (c->has_p99)
        put_ratio(b, c->p99.ratio);
    else
        mlo_cell_none(r);
    mlo_cell_double(r, mlo_bench_rounded(b, c->p, 2));
    mlo_cell_u64(r, c->pairs);
    if (open && !c->noisy && c->more < MLO_GATE_MORE_MAX)
        mlo_cell_u64(r, c->more);
    else
        mlo_cell_none(r);
    char quota[96];
    if (c->quota > 0)
        snprintf(quota, sizeof quota, "throttled by a CPU quota of %.2g: means of blocks are compared",
                 c->quota);
    else
        snprintf(quota, sizeof quota, "throttled by a CPU quota: means of blocks are compared");
    mlo_cell_text(r, c->noisy                       ? c->noisy
                     : c->throttled                 ? quota
                     : !open                        ? NULL
                     : c->more >= MLO_GATE_MORE_MAX ? "the ratio lies on the tolerance itself"
                                                    : "the interval holds the tolerance");
}

void mlo_bench_put_verdicts(struct mlo_bench *b, const struct mlo_compared *c, size_t n)
{
    struct mlo_report *r = b->ctx->report;
    if (n == 0)
        return;
    mlo_report_table(r, "verdicts", NULL, verdict_columns, MLO_COUNT(verdict_columns), NULL);
    for (size_t i = 0; i < n; i++)
        put_verdict(b, b->batches[i], &c[i]);
    mlo_report_text(r, "verdict", "verdict", gates[b->gate]);
    mlo_report_text(r, "forced", "forced although it differs in", *b->forced ? b->forced : NULL);
}
