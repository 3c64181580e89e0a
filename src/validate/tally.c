/*
 * What one worker counts of one rule, batch by batch, and how the workers' counts become one. Examples are
 * the first by place: each worker keeps its own first ones, and the first of all are among them.
 */
#include <math.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "internal.h"

int mlo_tally_init(struct mlo_tally *t, const struct mlo_rule *rule, struct mlo_err *err)
{
    bool sums = rule->kind == MLO_RULE_MEAN || rule->kind == MLO_RULE_SD;
    *t = (struct mlo_tally){.newest = INT64_MIN, .two = {.first = MLO_NO_PLACE, .other = MLO_NO_PLACE}};
    t->found = mlo_calloc(rule->examples + 1, sizeof *t->found, err);
    t->sums = sums && t->found ? mlo_calloc(1, sizeof *t->sums, err) : NULL;
    return t->found && (t->sums || !sums) ? 0 : MLO_EIO;
}

void mlo_tally_release(struct mlo_tally *t)
{
    free(t->found);
    free(t->sums);
    free(t->edges);
}

/* ---- examples ---- */

struct mlo_found *mlo_tally_example(struct mlo_tally *t, unsigned max, mlo_place at)
{
    size_t i = t->n_found;
    while (i > 0 && t->found[i - 1].at > at)
        i--;
    if (i == max)
        return NULL;
    size_t moved = (t->n_found < max ? t->n_found : max - 1) - i;
    memmove(&t->found[i + 1], &t->found[i], moved * sizeof *t->found);
    t->n_found += t->n_found < max;
    t->found[i] = (struct mlo_found){.at = at};
    return &t->found[i];
}

static mlo_place place_of(const struct mlo_batch *b, size_t row)
{
    return b->sequence << 32 | (uint32_t)(b->lines ? b->lines[row] : row);
}

static void copy_cut(char *to, const struct mlo_str *from)
{
    size_t n = from->len < MLO_EXAMPLE_TEXT ? from->len : mlo_utf8_cut(from->ptr, MLO_EXAMPLE_TEXT - 1);
    memcpy(to, from->ptr, n);
    to[n] = '\0';
}

/* The cells of the rule's columns: one alone, several with their names. */
static void show_row(struct mlo_str *out, const struct mlo_bound *b, const struct mlo_batch *batch,
                     size_t row)
{
    mlo_str_clear(out);
    for (size_t i = 0; i < b->n_columns && out->len < MLO_EXAMPLE_TEXT; i++) {
        const struct mlo_table_column *c = &b->table[b->columns[i]];
        if (b->n_columns > 1)
            mlo_str_addf(out, "%s%s ", i ? ", " : "", c->name);
        mlo_cell_show(out, &batch->columns[b->columns[i]], c->type, row);
    }
}

static int note_example(struct mlo_tally *t, const struct mlo_bound *b, const struct mlo_batch *batch,
                        size_t row, mlo_place at, struct mlo_key key, struct mlo_str *scratch,
                        struct mlo_err *err)
{
    struct mlo_found *f = b->rule->examples ? mlo_tally_example(t, b->rule->examples, at) : NULL;
    if (!f)
        return 0;
    show_row(scratch, b, batch, row);
    copy_cut(f->text, scratch);
    f->key = key;
    return mlo_str_check(scratch, err);
}

/* ---- rules by row ---- */

static bool all_ok(const struct mlo_batch_column *c, size_t n)
{
    uint8_t any = 0;
    for (size_t i = 0; c->cell && i < n; i++)
        any |= c->cell[i];
    return any == MLO_CELL_OK;
}

/* The usual batch, in which every cell is there and in range, in one loop without a branch. */
static bool passes_at_once(const struct mlo_bound *b, const struct mlo_batch *batch)
{
    const struct mlo_rule *r = b->rule;
    const struct mlo_batch_column *c = &batch->columns[b->columns[0]];
    size_t bad = 0;
    bool state_only = r->kind == MLO_RULE_NULLABLE || r->kind == MLO_RULE_MISSING ||
                      r->kind == MLO_RULE_FINITE || (r->kind == MLO_RULE_TYPE && !r->integral);
    bool range = r->kind == MLO_RULE_RANGE && !b->bounds.time && !b->bounds.above && !b->bounds.below;
    if ((!state_only && !range) || !all_ok(c, batch->n_rows))
        return false;
    double low = b->bounds.has_low ? b->bounds.low : -INFINITY,
           high = b->bounds.has_high ? b->bounds.high : INFINITY;
    for (size_t i = 0; range && i < batch->n_rows; i++)
        bad += !(c->numbers[i] >= low) | !(c->numbers[i] <= high);
    return bad == 0;
}

static int by_row(struct mlo_tally *t, const struct mlo_bound *b, const struct mlo_batch *batch,
                  struct mlo_matcher *matcher, struct mlo_str *scratch, struct mlo_err *err)
{
    int rc = 0;
    if (passes_at_once(b, batch)) {
        t->checked += batch->n_rows;
        return 0;
    }
    for (size_t row = 0; rc == 0 && row < batch->n_rows; row++) {
        enum mlo_cell_verdict v = mlo_cell_check(b, batch, row, matcher);
        t->checked += v != MLO_CELL_SKIPPED;
        t->failed += v == MLO_CELL_FAILS;
        if (v == MLO_CELL_FAILS)
            rc = note_example(t, b, batch, row, place_of(batch, row), (struct mlo_key){0}, scratch, err);
    }
    return rc;
}

/* ---- rules about keys ---- */

static int by_key(struct mlo_tally *t, const struct mlo_bound *b, const struct mlo_batch *batch,
                  struct mlo_str *scratch, struct mlo_err *err)
{
    int rc = 0;
    for (size_t row = 0; rc == 0 && row < batch->n_rows; row++) {
        mlo_place repeat = MLO_NO_PLACE, at = place_of(batch, row);
        bool told = true;
        if (!mlo_cell_key(scratch, b, batch, row, false))
            continue;
        struct mlo_key key = mlo_siphash(scratch->ptr, scratch->len);
        rc = mlo_str_check(scratch, err);
        if (rc == 0 && b->rule->kind == MLO_RULE_UNIQUE) {
            rc = mlo_keys_add(b->keys, key, at, 0, &repeat, err);
        } else if (rc == 0) {
            repeat = mlo_keys_find(b->keys, key, &told) != MLO_NO_PLACE ? at : MLO_NO_PLACE;
            t->failed += repeat != MLO_NO_PLACE;
        }
        t->checked += told;
        if (rc == 0 && repeat != MLO_NO_PLACE)
            rc = note_example(t, b, batch, row, repeat, key, scratch, err);
    }
    return rc;
}

/* The last column is the label. A row without one says nothing. */
static int by_label(struct mlo_tally *t, const struct mlo_bound *b, const struct mlo_batch *batch,
                    struct mlo_str *scratch, struct mlo_err *err)
{
    struct mlo_bound features = *b, label = *b;
    int rc = 0;
    features.n_columns--;
    label.columns += features.n_columns;
    label.n_columns = 1;
    for (size_t row = 0; rc == 0 && row < batch->n_rows; row++) {
        mlo_place ignored;
        if (!mlo_cell_key(scratch, &label, batch, row, false))
            continue;
        uint64_t name = mlo_siphash(scratch->ptr, scratch->len).a;
        (void)mlo_cell_key(scratch, &features, batch, row, true);
        struct mlo_key key = mlo_siphash(scratch->ptr, scratch->len);
        rc = mlo_str_check(scratch, err);
        if (rc == 0)
            rc = mlo_keys_add(b->keys, key, place_of(batch, row), name, &ignored, err);
        t->checked++;
    }
    return rc;
}

/* ---- rules about all values of a column ---- */

static bool value_of(const struct mlo_batch_column *c, size_t row, double *ret)
{
    if (mlo_cell_state(c, row) != MLO_CELL_OK || !c->numbers)
        return false;
    *ret = c->numbers[row];
    return true;
}

static void by_value(struct mlo_tally *t, const struct mlo_bound *b, const struct mlo_batch *batch)
{
    const struct mlo_batch_column *c = &batch->columns[b->columns[0]];
    const struct mlo_bounds *k = &b->bounds;
    double v;
    for (size_t row = 0; row < batch->n_rows; row++) {
        if (!value_of(c, row, &v))
            continue;
        t->checked++;
        if (t->sums) {
            mlo_sums_add(t->sums, v);
            continue;
        }
        t->below += k->has_low && (k->above ? v <= k->low : v < k->low);
        t->up_to += k->has_high && (k->below ? v < k->high : v <= k->high);
    }
}

static void by_newest(struct mlo_tally *t, const struct mlo_bound *b, const struct mlo_batch *batch)
{
    const struct mlo_batch_column *c = &batch->columns[b->columns[0]];
    for (size_t row = 0; row < batch->n_rows; row++)
        if (mlo_cell_state(c, row) == MLO_CELL_OK && c->times) {
            t->checked++;
            t->newest = c->times[row] > t->newest ? c->times[row] : t->newest;
        }
}

static int by_constant(struct mlo_tally *t, const struct mlo_bound *b, const struct mlo_batch *batch,
                       struct mlo_str *scratch, struct mlo_err *err)
{
    for (size_t row = 0; row < batch->n_rows; row++) {
        if (!mlo_cell_key(scratch, b, batch, row, false))
            continue;
        int rc = mlo_str_check(scratch, err);
        if (rc != 0)
            return rc;
        t->checked++;
        mlo_first_two_add(&t->two, place_of(batch, row), mlo_siphash(scratch->ptr, scratch->len).a);
    }
    return 0;
}

/* ---- order ---- */

/* A number with the order of the value: of a double its bits, those of negative ones turned round. */
static int64_t rank_of(const struct mlo_batch_column *c, enum mlo_column_type type, size_t row)
{
    int64_t bits;
    if (type == MLO_COLUMN_TIME)
        return c->times[row];
    double v = c->numbers[row] + 0.0;
    memcpy(&bits, &v, sizeof bits);
    return bits < 0 ? INT64_MIN - bits : bits;
}

static double value_of_rank(int64_t rank)
{
    double v;
    int64_t bits = rank < 0 ? INT64_MIN - rank : rank;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static bool follows(const struct mlo_rule *r, int64_t before, int64_t now)
{
    if (r->strict && before == now)
        return false;
    return r->falling ? now <= before : now >= before;
}

static void show_pair(char *to, enum mlo_column_type type, int64_t before, int64_t now)
{
    MLO_AUTOSTR struct mlo_str s;
    mlo_str_init(&s, MLO_EXAMPLE_TEXT * 2);
    for (int i = 0; i < 2; i++) {
        int64_t rank = i ? before : now;
        if (type == MLO_COLUMN_TIME)
            mlo_show_time(&s, rank);
        else
            mlo_show_number(&s, value_of_rank(rank));
        mlo_str_add(&s, i ? "" : " after ");
    }
    copy_cut(to, &s);
}

static void check_step(struct mlo_tally *t, const struct mlo_bound *b, int64_t before, int64_t now,
                       mlo_place at)
{
    if (follows(b->rule, before, now))
        return;
    t->failed++;
    struct mlo_found *f = b->rule->examples ? mlo_tally_example(t, b->rule->examples, at) : NULL;
    if (f)
        show_pair(f->text, b->table[b->columns[0]].type, before, now);
}

static int by_order(struct mlo_tally *t, const struct mlo_bound *b, const struct mlo_batch *batch,
                    struct mlo_err *err)
{
    const struct mlo_batch_column *c = &batch->columns[b->columns[0]];
    struct mlo_edge edge = {.at = MLO_NO_PLACE};
    for (size_t row = 0; row < batch->n_rows; row++) {
        if (mlo_cell_state(c, row) != MLO_CELL_OK)
            continue;
        int64_t now = rank_of(c, b->table[b->columns[0]].type, row);
        t->checked++;
        if (edge.at == MLO_NO_PLACE)
            edge = (struct mlo_edge){place_of(batch, row), now, now};
        else
            check_step(t, b, edge.last, now, place_of(batch, row));
        edge.last = now;
    }
    if (edge.at == MLO_NO_PLACE)
        return 0;
    int rc = mlo_grow(&t->edges, &t->cap_edges, t->n_edges + 1, sizeof *t->edges, err);
    if (rc == 0)
        t->edges[t->n_edges++] = edge;
    return rc;
}

static int by_place(const void *a, const void *b)
{
    mlo_place x = ((const struct mlo_edge *)a)->at, y = ((const struct mlo_edge *)b)->at;
    return (x > y) - (x < y);
}

void mlo_tally_settle(struct mlo_tally *t, const struct mlo_bound *b)
{
    if (t->n_edges > 1)
        qsort(t->edges, t->n_edges, sizeof *t->edges, by_place);
    for (size_t i = 1; i < t->n_edges; i++)
        check_step(t, b, t->edges[i - 1].last, t->edges[i].first, t->edges[i].at);
}

/* ---- a batch, and all workers together ---- */

int mlo_tally_batch(struct mlo_tally *t, const struct mlo_bound *b, const struct mlo_batch *batch,
                    struct mlo_matcher *matcher, struct mlo_str *scratch, struct mlo_err *err)
{
    switch (b->rule->kind) {
    case MLO_RULE_ROWS:
    case MLO_RULE_CHANGE:
    case MLO_RULE_RAGGED:
    case MLO_RULE_EXTRA:
    case MLO_RULE_ORDER:
    case MLO_RULE_PRESENT:
        return 0;
    case MLO_RULE_TYPE:
    case MLO_RULE_NULLABLE:
    case MLO_RULE_MISSING:
    case MLO_RULE_FINITE:
    case MLO_RULE_RANGE:
    case MLO_RULE_IN:
    case MLO_RULE_NOT_IN:
    case MLO_RULE_REGEX:
    case MLO_RULE_LENGTH:
    case MLO_RULE_FORMAT:
    case MLO_RULE_COMPARE:
    case MLO_RULE_TOGETHER:
        return by_row(t, b, batch, matcher, scratch, err);
    case MLO_RULE_UNIQUE:
    case MLO_RULE_OVERLAP:
        return by_key(t, b, batch, scratch, err);
    case MLO_RULE_CONFLICT:
        return by_label(t, b, batch, scratch, err);
    case MLO_RULE_MEAN:
    case MLO_RULE_SD:
    case MLO_RULE_QUANTILE:
        by_value(t, b, batch);
        return 0;
    case MLO_RULE_FRESH:
        by_newest(t, b, batch);
        return 0;
    case MLO_RULE_CONSTANT:
        return by_constant(t, b, batch, scratch, err);
    case MLO_RULE_MONOTONE:
        return by_order(t, b, batch, err);
    }
    return 0;
}

static void merge_two(struct mlo_tally *t, const struct mlo_tally *other)
{
    if (other->two.first != MLO_NO_PLACE)
        mlo_first_two_add(&t->two, other->two.first, other->two.label);
    if (other->two.other != MLO_NO_PLACE)
        mlo_first_two_add(&t->two, other->two.other, other->two.other_label);
}

int mlo_tally_merge(struct mlo_tally *t, const struct mlo_tally *other, const struct mlo_rule *rule,
                    struct mlo_err *err)
{
    t->checked += other->checked;
    t->failed += other->failed;
    t->below += other->below;
    t->up_to += other->up_to;
    t->newest = other->newest > t->newest ? other->newest : t->newest;
    merge_two(t, other);
    for (size_t i = 0; i < other->n_found; i++) {
        struct mlo_found *f = mlo_tally_example(t, rule->examples, other->found[i].at);
        if (f)
            *f = other->found[i];
    }
    if (t->sums)
        mlo_sums_merge(t->sums, other->sums);
    int rc = mlo_grow(&t->edges, &t->cap_edges, t->n_edges + other->n_edges, sizeof *t->edges, err);
    for (size_t i = 0; rc == 0 && i < other->n_edges; i++)
        t->edges[t->n_edges++] = other->edges[i];
    return rc;
}
