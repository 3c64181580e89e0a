/* From counts to a verdict and the sentence that says why. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>

#include "internal.h"

const char *mlo_rule_verdict_word(enum mlo_rule_verdict v)
{
    static const char *const words[] = {[MLO_RULE_HOLDS] = "holds",
                                        [MLO_RULE_SKIPPED] = "skipped",
                                        [MLO_RULE_UNCHECKED] = "unchecked",
                                        [MLO_RULE_ABSENT] = "no column",
                                        [MLO_RULE_FAILED] = "fails"};
    return words[v];
}

static void say(struct mlo_rule_result *r, enum mlo_rule_verdict v, const char *fmt, ...) MLO_PRINTF(3, 4);
static void say(struct mlo_rule_result *r, enum mlo_rule_verdict v, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->why, sizeof r->why, fmt, ap);
    va_end(ap);
    r->verdict = v;
}

static enum mlo_rule_verdict verdict(bool holds)
{
    return holds ? MLO_RULE_HOLDS : MLO_RULE_FAILED;
}

/* ---- shares ---- */

/* A share that is written as a decimal is met exactly: both sides are the nearest double to it. */
static bool enough_hold(const struct mlo_bound *b, const struct mlo_rule_result *r)
{
    double n = (double)r->checked;
    if (r->checked == 0 || r->failed == 0)
        return true;
    if (b->rule->kind == MLO_RULE_MISSING)
        return (double)r->failed / n <= b->rule->number;
    return (double)(r->checked - r->failed) / n >= b->rule->mostly;
}

static const char *share(uint64_t part, uint64_t all, char buf[32])
{
    double points = all ? 100 * (double)part / (double)all : 0;
    snprintf(buf, 32, part && points < 0.1 ? "%.1g %%" : "%.1f %%", points);
    return buf;
}

static const char *unit(const struct mlo_bound *b, uint64_t n)
{
    bool rows = b->rule->kind == MLO_RULE_NULLABLE || b->rule->kind == MLO_RULE_MISSING || b->n_columns != 1;
    return rows ? n == 1 ? "row" : "rows" : n == 1 ? "value" : "values";
}

static void judge_rows(const struct mlo_bound *b, struct mlo_rule_result *r)
{
    static const char *const faults[] = {
        [MLO_RULE_NULLABLE] = "missing",     [MLO_RULE_MISSING] = "missing",
        [MLO_RULE_TYPE] = "of another type", [MLO_RULE_RANGE] = "outside",
        [MLO_RULE_REGEX] = "not matching",   [MLO_RULE_OVERLAP] = "in both tables",
        [MLO_RULE_UNIQUE] = "repeated",      [MLO_RULE_CONFLICT] = "with two labels",
        [MLO_RULE_MONOTONE] = "out of order"};
    enum mlo_rule_kind k = b->rule->kind;
    const char *fault = k < MLO_COUNT(faults) && faults[k] ? faults[k] : "against the rule";
    char part[32];
    if (r->failed == 0)
        say(r, MLO_RULE_HOLDS, "%" PRIu64 " %s", r->checked, unit(b, r->checked));
    else
        say(r, verdict(enough_hold(b, r)), "%" PRIu64 " of %" PRIu64 " %s %s, %s", r->failed, r->checked,
            unit(b, r->checked), fault, share(r->failed, r->checked, part));
}

/* ---- keys ---- */

static void judge_keys(const struct mlo_bound *b, struct mlo_rule_result *r)
{
    struct mlo_keys_facts f;
    size_t n = strlen(r->why);
    mlo_keys_facts(b->keys, &f);
    if (b->rule->kind == MLO_RULE_UNIQUE || b->rule->kind == MLO_RULE_CONFLICT) {
        r->checked = f.rows;
        r->failed = b->rule->kind == MLO_RULE_UNIQUE ? f.repeats : f.mixed;
    }
    judge_rows(b, r);
    if (f.share >= 1)
        return;
    if (r->verdict == MLO_RULE_HOLDS)
        r->verdict = MLO_RULE_UNCHECKED;
    n = strlen(r->why);
    snprintf(r->why + n, sizeof r->why - n, "; only %.3g %% of the keys could be remembered", 100 * f.share);
}

/* ---- numbers of a column ---- */

static bool within(const struct mlo_bounds *b, double v)
{
    return (!b->has_low || (b->above ? v > b->low : v >= b->low)) &&
           (!b->has_high || (b->below ? v < b->high : v <= b->high));
}

static void judge_figure(const struct mlo_bound *b, double v, const char *what, struct mlo_rule_result *r)
{
    say(r, verdict(within(&b->bounds, v)), "%s %.6g", what, v);
}

/* The quantile is the least value with at least q of all at or below it: no value need be kept to know on
 * which side of a bound it lies. */
static void judge_quantile(const struct mlo_bound *b, const struct mlo_tally *t, struct mlo_rule_result *r)
{
    double q = b->rule->number, n = (double)t->checked, below = (double)t->below / n,
           up_to = (double)t->up_to / n;
    bool low = !b->bounds.has_low || (q > 0 ? below < q : t->below == 0);
    bool high = !b->bounds.has_high || (q > 0 ? up_to >= q : t->up_to > 0);
    char under[32], over[32];
    if (!low)
        say(r, MLO_RULE_FAILED, "%s of the values lie under it", share(t->below, t->checked, under));
    else if (!high)
        say(r, MLO_RULE_FAILED, "only %s of the values reach up to it", share(t->up_to, t->checked, over));
    else
        say(r, MLO_RULE_HOLDS, "%" PRIu64 " values", t->checked);
}

static void judge_values(const struct mlo_bound *b, const struct mlo_tally *t,
                         const struct mlo_validate_opts *opts, struct mlo_rule_result *r)
{
    char age[MLO_HUMAN_MAX], newest[MLO_RFC3339_MAX];
    if (t->checked == 0) {
        say(r, MLO_RULE_UNCHECKED, "there is no value");
        return;
    }
    switch ((int)b->rule->kind) {
    case MLO_RULE_MEAN:
        judge_figure(b, mlo_sums_mean(t->sums), "mean", r);
        return;
    case MLO_RULE_SD:
        judge_figure(b, mlo_sums_sd(t->sums), "standard deviation", r);
        return;
    case MLO_RULE_QUANTILE:
        judge_quantile(b, t, r);
        return;
    default:
        break;
    }
    bool future = t->newest > opts->now_ns;
    uint64_t ns = future ? 0 : (uint64_t)opts->now_ns - (uint64_t)t->newest;
    mlo_time_rfc3339(t->newest, newest);
    say(r, verdict(ns <= b->rule->duration), "newest is %s, %s old", newest,
        future ? "not" : mlo_human_duration(ns, age));
}

/* ---- the table ---- */

static void judge_change(const struct mlo_bound *b, uint64_t rows, const struct mlo_validate_opts *opts,
                         struct mlo_rule_result *r)
{
    double was = (double)opts->previous_rows, change = (double)rows - was;
    if (!opts->has_previous)
        say(r, MLO_RULE_SKIPPED, "no check before this one held");
    else if (was == 0)
        say(r, verdict(rows == 0), "%" PRIu64 " rows after none", rows);
    else
        say(r, verdict(fabs(change) / was <= b->rule->number), "%" PRIu64 " rows after %" PRIu64 ", %+.1f %%",
            rows, opts->previous_rows, 100 * change / was);
}

void mlo_judge(const struct mlo_bound *b, const struct mlo_tally *t, const struct mlo_scan_result *st,
               const struct mlo_validate_opts *opts, struct mlo_rule_result *r)
{
    enum mlo_rule_kind k = b->rule->kind;
    r->checked = t->checked;
    r->failed = t->failed;
    if (b->verdict == MLO_RULE_UNCHECKED && st->rows == 0) {
        say(r, MLO_RULE_HOLDS, "no rows");
        return;
    }
    if (b->verdict != MLO_RULE_HOLDS) {
        say(r, b->verdict, "%s", b->why);
        return;
    }
    switch ((int)k) {
    case MLO_RULE_ROWS:
        say(r, verdict(within(&b->bounds, (double)st->rows)), "%" PRIu64 " rows", st->rows);
        return;
    case MLO_RULE_CHANGE:
        judge_change(b, st->rows, opts, r);
        return;
    case MLO_RULE_RAGGED:
        say(r, verdict((double)st->ragged <= b->rule->number), "%" PRIu64 " %s no row", st->ragged,
            st->ragged == 1 ? "line is" : "lines are");
        return;
    case MLO_RULE_EXTRA:
    case MLO_RULE_ORDER:
    case MLO_RULE_PRESENT:
        say(r, MLO_RULE_HOLDS, "%s", "");
        return;
    case MLO_RULE_CONSTANT:
        say(r, verdict(t->two.other == MLO_NO_PLACE),
            t->two.other == MLO_NO_PLACE ? "%" PRIu64 " values" : "two or more in %" PRIu64 " values",
            t->checked);
        return;
    case MLO_RULE_MEAN:
    case MLO_RULE_SD:
    case MLO_RULE_QUANTILE:
    case MLO_RULE_FRESH:
        judge_values(b, t, opts, r);
        return;
    default:
        break;
    }
    r->by_row = true;
    if (b->keys)
        judge_keys(b, r);
    else
        judge_rows(b, r);
}
