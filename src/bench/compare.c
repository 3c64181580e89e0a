/*
 * Two sides in turns. After 20 pairs of blocks a verdict is asked for, and when there is none after twice as
 * many, and so on: each look at the data has its share of the 5 % that may be wrong (Bonferroni).
 */
#include <math.h>
#include <string.h>

#include "internal.h"

#define PAIRS_MAX      5000
#define ROUNDS         10000
#define P99_ROUNDS     1000
#define WRONG          0.05
#define STOLEN_MAX     0.1 /* share of the machine's time */
#define THROTTLE_APART 0.05
#define KEPT_BLOCKS    10  /* of each side, when they were not measured together */
#define P99_NEEDS      838 /* timings: two may be above */
#define KEPT_OF_BLOCK  100 /* timings for the ratio of p99 */

struct contest {
    struct mlo_runner *a, *b;
    const struct mlo_load *load;
    struct mlo_compare_opts o;
    struct mlo_compared *ret;
    double *kept_a, *kept_b; /* of each block at most KEPT_OF_BLOCK timings */
    size_t *starts_a, *starts_b;
    struct mlo_meter meter_a, meter_b;
    struct mlo_block block;
    uint64_t seed;
};

static int reserve(double **p, size_t n, struct mlo_err *err)
{
    *p = mlo_calloc(n, sizeof **p, err);
    return *p ? 0 : err->code;
}

static bool is_stopped(const struct contest *c)
{
    return c->load->stop && c->load->stop(c->load->stop_ctx);
}

static int side(struct contest *c, bool second, size_t pair, struct mlo_err *err)
{
    struct mlo_measured *m = second ? &c->ret->b : &c->ret->a;
    double *kept = second ? c->kept_b : c->kept_a;
    size_t *starts = second ? c->starts_b : c->starts_a;
    int rc = mlo_measured_block(m, second ? c->b : c->a, c->load, second ? &c->meter_b : &c->meter_a,
                                c->o.block, &c->block, err);
    if (rc != 0)
        return rc;
    c->ret->stopped = is_stopped(c);
    if (m->n_blocks != pair + 1 && c->ret->stopped)
        return 0;
    if (m->n_blocks != pair + 1)
        return mlo_fail(err, MLO_EUNAVAIL, "side %c gave no answer within %g s", second ? 'B' : 'A',
                        c->o.block);
    size_t n = c->block.n < KEPT_OF_BLOCK ? c->block.n : KEPT_OF_BLOCK, at = starts[pair];
    for (size_t i = 0; i < n; i++) /* sorted: evenly over all ranks, the longest among them */
        kept[at + i] = c->block.ns[c->block.n - 1 - (n - 1 - i) * c->block.n / n];
    starts[pair + 1] = at + n;
    return 0;
}

static int one_pair(struct contest *c, size_t pair, struct mlo_err *err)
{
    bool b_first = mlo_random_next(&c->seed) & 1;
    int rc = side(c, b_first, pair, err);
    return rc == 0 && !c->ret->stopped ? side(c, !b_first, pair, err) : rc;
}

/* ---- the verdict ---- */

/* Whether the shares of periods in which they were held back differ by more than chance, and enough to
 * matter. Who has no quota was held back in none of any number. */
static bool differ_in_quota(const struct mlo_used *a, const struct mlo_used *b)
{
    double of_a, of_b;
    const struct mlo_host_throttle *x = mlo_used_quota(a, &of_a), *y = mlo_used_quota(b, &of_b);
    double n = x ? (double)x->periods : INFINITY, m = y ? (double)y->periods : INFINITY;
    double all = x && y ? (of_a * n + of_b * m) / (n + m) : (of_a + of_b) / 2;
    return fabs(of_a - of_b) > fmax(THROTTLE_APART, 3 * sqrt(all * (1 - all) * (1 / n + 1 / m)));
}

/*
 * A quota is no noise: it belongs to its side as it was measured. Medians hide it, because most requests run
 * between two stops, so means are compared. A second side that is held back is slower or is not, whatever the
 * reason. When it is the first that was held back, a second side that is slower all the same is slower; one
 * that is not has shown nothing.
 */
enum quota { QUOTA_ALIKE, QUOTA_FIRST, QUOTA_SECOND };
static enum quota quota_of(const struct mlo_used *a, const struct mlo_used *b)
{
    double of_a, of_b;
    mlo_used_quota(a, &of_a);
    mlo_used_quota(b, &of_b);
    return !differ_in_quota(a, b) ? QUOTA_ALIKE : of_a > of_b ? QUOTA_FIRST : QUOTA_SECOND;
}

static void note_quota(struct mlo_compared *r, enum quota q, const struct mlo_used *b)
{
    double share;
    const struct mlo_host_throttle *g = mlo_used_quota(b, &share);
    r->throttled = q == QUOTA_SECOND;
    r->quota = r->throttled && g ? g->cpus : 0;
    if (q == QUOTA_FIRST && r->gate == MLO_GATE_PASS)
        r->noisy = "a CPU quota held back what it was compared with";
}

static const char *taken(const struct mlo_used *a, const struct mlo_used *b)
{
    return fmax(mlo_used_stolen(a), mlo_used_stolen(b)) > STOLEN_MAX
               ? "other guests took more than a tenth of the machine's time"
               : NULL;
}

static const char *noise(const struct mlo_compared *c)
{
    const char *why = c->noisy ? c->noisy : taken(&c->a.used, &c->b.used);
    if (!why && (c->control.low > 1 || c->control.high < 1) && fabs(log(c->control.ratio)) > 0.01)
        why = "the machine was faster beside one side than beside the other";
    return why;
}

static double share_above(const double *a, const double *b, size_t n)
{
    double above = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++)
            above += b[k] > a[i] ? 1 : b[k] == a[i] ? 0.5 : 0;
    return above / ((double)n * (double)n);
}

static int judge(struct contest *c, size_t pairs, double confidence, struct mlo_err *err)
{
    struct mlo_compared *r = c->ret;
    struct mlo_ratio_opts o = {confidence, ROUNDS, c->o.seed};
    struct mlo_test t;
    enum quota q = quota_of(&r->a.used, &r->b.used);
    const double *a = q ? r->a.means : r->a.medians, *b = q ? r->b.means : r->b.medians;
    int rc = mlo_ratio_of_pairs(a, b, pairs, &o, &r->median, err);
    if (rc == 0)
        rc = mlo_ratio_of_pairs(r->a.controls, r->b.controls, pairs, &o, &r->control, err);
    if (rc == 0)
        rc = mlo_wilcoxon(a, b, pairs, &t, err);
    if (rc != 0)
        return rc;
    r->pairs = pairs;
    r->p = t.p;
    r->b_above_a = share_above(a, b, pairs);
    r->gate = mlo_ratio_gate(&r->median, c->o.tolerance, r->p, pairs, &r->more);
    r->noisy = NULL;
    note_quota(r, q, &r->b.used);
    r->noisy = noise(r);
    if (r->noisy)
        r->gate = MLO_GATE_INCONCLUSIVE;
    return 0;
}

/* Told, not judged by. */
static int compare_p99(struct contest *c, double confidence, struct mlo_err *err)
{
    struct mlo_compared *r = c->ret;
    struct mlo_ratio_opts o = {confidence, P99_ROUNDS, c->o.seed};
    struct mlo_blocks a = {c->kept_a, c->starts_a, r->pairs}, b = {c->kept_b, c->starts_b, r->pairs};
    r->has_p99 = c->starts_a[r->pairs] >= P99_NEEDS && c->starts_b[r->pairs] >= P99_NEEDS;
    return r->has_p99 ? mlo_ratio_of_quantiles(&a, &b, 0.99, &o, &r->p99, err) : 0;
}

static int contest(struct contest *c, struct mlo_err *err)
{
    int64_t until = mlo_clock_after(c->load->clock, c->o.seconds);
    size_t look = c->o.pairs, pair = 0;
    double confidence = 1 - WRONG / MLO_COMPARE_LOOKS;
    int rc = 0;
    c->ret->gate = MLO_GATE_INCONCLUSIVE;
    for (unsigned looks = 0; rc == 0 && looks < MLO_COMPARE_LOOKS; look *= 2) {
        bool over = false;
        while (rc == 0 && pair < look && !over) {
            rc = one_pair(c, pair, err);
            pair += !c->ret->stopped;
            mlo_load_tell(c->load, c->ret->a.seconds + c->ret->b.seconds, c->o.seconds);
            over = c->ret->stopped || pair == PAIRS_MAX ||
                   (pair >= c->o.pairs && (mlo_clock_now(c->load->clock) >= until ||
                                           c->ret->a.seconds + c->ret->b.seconds >= c->o.seconds));
        }
        if (rc == 0 && pair >= c->o.pairs)
            rc = judge(c, pair, confidence, err);
        if (over || c->ret->gate != MLO_GATE_INCONCLUSIVE)
            break;
        looks++;
    }
    return rc == 0 && c->ret->pairs > 0 ? compare_p99(c, confidence, err) : rc;
}

/* ---- all of it ---- */

static void set_usual(struct mlo_compare_opts *o)
{
    o->tolerance = o->tolerance > 0 ? o->tolerance : 0.05;
    o->seconds = o->seconds > 0 ? o->seconds : 30;
    o->block = o->block > 0 ? o->block : 0.05;
    o->warmup = o->warmup > 0 ? o->warmup : 5;
    o->pairs = o->pairs > 0 ? o->pairs : 20;
}

static int prepare(struct contest *c, struct mlo_err *err)
{
    bool steady[2] = {false, false};
    size_t kept = (size_t)PAIRS_MAX * KEPT_OF_BLOCK;
    mlo_footprint_begin(mlo_runner_target(c->a));
    mlo_footprint_begin(mlo_runner_target(c->b));
    int rc = mlo_runner_warm(c->a, c->o.warmup, &steady[0], err);
    if (rc == 0)
        rc = mlo_runner_warm(c->b, c->o.warmup, &steady[1], err);
    if (rc == 0)
        rc = mlo_measured_begin(&c->ret->a, c->a, c->load, err);
    if (rc == 0)
        rc = mlo_measured_begin(&c->ret->b, c->b, c->load, err);
    double **parts[] = {&c->kept_a, &c->kept_b};
    for (size_t i = 0; rc == 0 && i < MLO_COUNT(parts); i++)
        rc = reserve(parts[i], kept, err);
    c->starts_a = rc == 0 ? mlo_calloc(PAIRS_MAX + 1, sizeof *c->starts_a, err) : NULL;
    c->starts_b = c->starts_a ? mlo_calloc(PAIRS_MAX + 1, sizeof *c->starts_b, err) : NULL;
    c->ret->a.steady = steady[0];
    c->ret->b.steady = steady[1];
    mlo_meter_open(mlo_runner_target(c->a), c->load->gpu, &c->meter_a);
    mlo_meter_open(mlo_runner_target(c->b), c->load->gpu, &c->meter_b);
    return c->starts_b ? 0 : err->code;
}

int mlo_compare(struct mlo_runner *a, struct mlo_runner *b, const struct mlo_load *load,
                const struct mlo_compare_opts *o, struct mlo_compared *ret, struct mlo_err *err)
{
    struct mlo_compared r = {0};
    struct contest c = {.a = a, .b = b, .load = load, .o = *o, .ret = &r, .seed = o->seed};
    set_usual(&c.o);
    int rc = prepare(&c, err);
    if (rc == 0)
        rc = contest(&c, err);
    r.a.stopped = r.b.stopped = r.stopped;
    if (rc == 0) {
        mlo_footprint_end(mlo_runner_target(a), &r.a.memory);
        mlo_footprint_end(mlo_runner_target(b), &r.b.memory);
    }
    mlo_meter_close(&c.meter_a);
    mlo_meter_close(&c.meter_b);
    free(c.kept_a);
    free(c.kept_b);
    free(c.starts_a);
    free(c.starts_b);
    mlo_block_release(&c.block);
    if (rc != 0)
        mlo_compared_release(&r);
    else
        *ret = r;
    return rc;
}

/* ---- against what is kept ---- */

static int over_control(const struct mlo_measured *m, bool means, double **ret, struct mlo_err *err)
{
    const double *of = means && m->means ? m->means : m->medians;
    double *x = *ret = mlo_calloc(m->n_blocks, sizeof *x, err);
    for (size_t i = 0; x && i < m->n_blocks; i++)
        x[i] = of[i] / m->controls[i];
    return x ? 0 : err->code;
}

static int compare_kept(const double *a, size_t n, const double *b, size_t m,
                        const struct mlo_compare_opts *o, struct mlo_compared *r, struct mlo_err *err)
{
    struct mlo_ratio_opts how = {1 - WRONG, ROUNDS, o->seed};
    struct mlo_test t;
    int rc = mlo_ratio_of_samples(a, n, b, m, MLO_BETWEEN_RUNS, &how, &r->median, err);
    if (rc == 0)
        rc = mlo_mann_whitney(b, m, a, n, &t, err);
    if (rc != 0)
        return rc;
    r->p = t.p;
    r->b_above_a = t.statistic / ((double)n * (double)m);
    r->pairs = m;
    r->gate = mlo_ratio_gate(&r->median, o->tolerance, r->p, m, &r->more);
    return 0;
}

static int compare_sorted(double *a, double *b, const struct mlo_measured *from,
                          const struct mlo_measured *to, const struct mlo_compare_opts *o,
                          struct mlo_compared *r, struct mlo_err *err)
{
    size_t most = from->n_blocks > to->n_blocks ? from->n_blocks : to->n_blocks;
    MLO_AUTOFREE double *scratch = mlo_calloc(most, sizeof *scratch, err);
    if (!scratch)
        return err->code;
    mlo_sort_doubles(a, from->n_blocks, scratch);
    mlo_sort_doubles(b, to->n_blocks, scratch);
    return compare_kept(a, from->n_blocks, b, to->n_blocks, o, r, err);
}

int mlo_compare_kept(const struct mlo_measured *a, const struct mlo_measured *b,
                     const struct mlo_compare_opts *o, struct mlo_compared *ret, struct mlo_err *err)
{
    struct mlo_compare_opts how = *o;
    struct mlo_compared r = {0};
    MLO_AUTOFREE double *x = NULL, *y = NULL;
    if (a->n_blocks < KEPT_BLOCKS || b->n_blocks < KEPT_BLOCKS)
        return mlo_fail(err, MLO_EINVALID, "%zu and %zu blocks are too few to compare: %d are needed",
                        a->n_blocks, b->n_blocks, KEPT_BLOCKS);
    set_usual(&how);
    enum quota q = quota_of(&a->used, &b->used);
    bool means = q && a->means && b->means;
    int rc = over_control(a, means, &x, err);
    if (rc == 0)
        rc = over_control(b, means, &y, err);
    if (rc == 0)
        rc = compare_sorted(x, y, a, b, &how, &r, err);
    if (rc != 0)
        return rc;
    note_quota(&r, q, &b->used);
    if (!r.noisy)
        r.noisy = taken(&a->used, &b->used);
    if (r.noisy)
        r.gate = MLO_GATE_INCONCLUSIVE;
    *ret = r;
    return 0;
}

void mlo_compared_release(struct mlo_compared *c)
{
    mlo_measured_release(&c->a);
    mlo_measured_release(&c->b);
}
