/*
 * Shapes through graphs in graphs. Of branches both are walked, and what they agree on is known; one that
 * cannot run says nothing, since it may never be taken. Of loops, what goes round has the shape that every
 * turn leaves as it is: dimensions that a turn changes are opened until none is. A loop is taken to turn at
 * least once.
 */
#include <string.h>

#include "shapes.h"

#define WALKS_MAX 4 /* of one body, until nothing changes */
#define LOOPS_MAX 3 /* in each other that are walked more than once */

/* ---- one walk through a graph ---- */

struct inner { /* a graph in a node */
    const struct mlo_graph *graph;
    struct mlo_shape *before; /* what is known of its values when it begins */
    struct mlo_shape *values; /* and when it has been walked */
};

/* ret_graph NULL: the node has none of that name. */
static int enter(struct mlo_rule_call *c, const char *name, struct inner *ret, struct mlo_err *err)
{
    const struct mlo_attr *a = mlo_node_attr(c->node, name);
    *ret = (struct inner){0};
    if (!a || a->kind != MLO_ATTR_GRAPH)
        return 0;
    const struct mlo_graph *g = a->graph;
    struct mlo_shape *both = mlo_arena_alloc(&c->s->memory, 2 * (g->n_values + 1), sizeof *both, err);
    int rc = both ? 0 : err->code;
    for (size_t i = 0; rc == 0 && i < g->n_values; i++)
        if (g->values[i].constant)
            rc = mlo_shape_constant(c->s, g->values[i].constant, &both[i], err);
    for (size_t i = 0; rc == 0 && i < g->n_captures; i++)
        both[g->captures[i].inner] = c->values[g->captures[i].outer];
    if (rc == 0)
        *ret = (struct inner){g, both, both + g->n_values + 1};
    return rc;
}

/* *ret_runs false: with these inputs it cannot run, and nothing is known. */
static int walk(struct mlo_rule_call *c, const struct inner *in, bool *ret_runs, struct mlo_err *err)
{
    struct mlo_err inside = MLO_ERR_INIT;
    *ret_runs = false;
    if (!in->graph)
        return 0;
    memcpy(in->values, in->before, in->graph->n_values * sizeof *in->values);
    c->s->depth++;
    int rc = mlo_shapes_walk(c->s, in->graph, in->values, &inside);
    c->s->depth--;
    *ret_runs = rc == 0;
    if (rc != 0 && rc != MLO_EINVALID && rc != MLO_EUNAVAIL) {
        *err = inside;
        return rc;
    }
    return 0;
}

static const struct mlo_shape *output_of(const struct inner *in, size_t i)
{
    return &in->values[in->graph->outputs[i]];
}

/* ---- what two shapes have in common ---- */

static bool same_dims(const struct mlo_shape *a, const struct mlo_shape *b)
{
    bool same = a->ranked == b->ranked && a->rank == b->rank;
    for (unsigned d = 0; same && a->ranked && d < a->rank; d++)
        same = mlo_extent_same(a->dims[d], b->dims[d]) ||
               (mlo_extent_is_open(a->dims[d]) && mlo_extent_is_open(b->dims[d]));
    return same;
}

/* Numbers and constants are not: they may differ. */
static int common(struct mlo_rule_call *c, const struct mlo_shape *a, const struct mlo_shape *b,
                  struct mlo_shape *ret, struct mlo_err *err)
{
    struct mlo_shape made = {.kind = a->kind, .dtype = a->dtype};
    if (a->kind != b->kind || a->dtype != b->dtype)
        made = (struct mlo_shape){0};
    else if (same_dims(a, b)) {
        made.ranked = a->ranked;
        made.rank = a->rank;
        made.dims = a->dims;
    } else if (a->ranked && b->ranked && a->rank == b->rank) {
        struct mlo_extent *dims = mlo_arena_alloc(&c->s->memory, a->rank + 1, sizeof *dims, err);
        if (!dims)
            return err->code;
        for (unsigned d = 0; d < a->rank; d++)
            dims[d] = mlo_extent_same(a->dims[d], b->dims[d]) ? a->dims[d] : mlo_extent_open();
        made.ranked = true;
        made.rank = a->rank;
        made.dims = dims;
    }
    *ret = made;
    return 0;
}

/* ---- If ---- */

static int run_if(struct mlo_rule_call *c, struct mlo_err *err)
{
    struct inner yes, no;
    bool yes_runs = false, no_runs = false;
    int rc = enter(c, "then_branch", &yes, err);
    if (rc == 0)
        rc = walk(c, &yes, &yes_runs, err);
    if (rc == 0)
        rc = enter(c, "else_branch", &no, err);
    if (rc == 0)
        rc = walk(c, &no, &no_runs, err);
    for (size_t i = 0; rc == 0 && yes_runs && no_runs && i < c->node->n_outputs; i++)
        if (i < yes.graph->n_outputs && i < no.graph->n_outputs)
            rc = common(c, output_of(&yes, i), output_of(&no, i), mlo_rule_out(c, i), err);
    return rc;
}

/* ---- what goes round ---- */

/* Input first_in of the body, its output first_out, and n - 1 behind each. */
struct round {
    struct inner body;
    size_t first_in, first_out, n;
    bool runs;
};

static struct mlo_shape *round_state(const struct round *r, size_t i)
{
    return &r->body.before[r->body.graph->inputs[r->first_in + i]];
}

/* Shapes alone: what is in them changes. */
static void begin_state(const struct mlo_rule_call *c, const struct round *r, size_t i, size_t input)
{
    *round_state(r, i) = *mlo_rule_in(c, input);
    round_state(r, i)->numbers = NULL;
    round_state(r, i)->n_numbers = 0;
    round_state(r, i)->constant = NULL;
}

/* Opens what the turn has changed. */
static int widen(struct mlo_rule_call *c, const struct round *r, bool *ret_changed, struct mlo_err *err)
{
    int rc = 0;
    *ret_changed = false;
    for (size_t i = 0; rc == 0 && i < r->n; i++) {
        struct mlo_shape *state = round_state(r, i), before = *state;
        rc = common(c, &before, output_of(&r->body, r->first_out + i), state, err);
        *ret_changed = *ret_changed || state->kind != before.kind || state->dtype != before.dtype ||
                       !same_dims(state, &before);
    }
    return rc;
}

static int go_round(struct mlo_rule_call *c, struct round *r, struct mlo_err *err)
{
    bool changed = c->s->depth < LOOPS_MAX;
    int rc = 0;
    for (unsigned i = 0; rc == 0 && changed && i < WALKS_MAX; i++) {
        rc = walk(c, &r->body, &r->runs, err);
        if (rc != 0 || !r->runs)
            return rc;
        rc = widen(c, r, &changed, err);
        if (rc == 0 && !changed)
            return 0;
    }
    for (size_t i = 0; rc == 0 && i < r->n; i++)
        *round_state(r, i) = (struct mlo_shape){.kind = round_state(r, i)->kind,
                                                .dtype = round_state(r, i)->dtype};
    return rc == 0 ? walk(c, &r->body, &r->runs, err) : rc;
}

/* States as they are after any turn, and before the first. */
static void give_states(struct mlo_rule_call *c, const struct round *r, size_t from)
{
    for (size_t i = from; i < r->n; i++)
        *mlo_rule_out(c, i - from) = *round_state(r, i);
}

/* What each of `turns` turns gives, one behind the other along an axis. */
static int give_list(struct mlo_rule_call *c, size_t out, const struct mlo_shape *each,
                     struct mlo_extent turns, int64_t axis, struct mlo_err *err)
{
    struct mlo_extent dims[MLO_RANK_MAX];
    unsigned at;
    if (each->kind == MLO_KIND_UNKNOWN)
        return 0;
    mlo_rule_type(c, out, each->dtype);
    if (!each->ranked || each->rank == MLO_RANK_MAX)
        return 0;
    int rc = mlo_rule_axis(axis, each->rank + 1, &at, err);
    for (unsigned d = 0; rc == 0 && d <= each->rank; d++)
        dims[d] = d == at ? turns : each->dims[d - (d > at)];
    return rc == 0 ? mlo_rule_array(c, out, each->dtype, dims, each->rank + 1, err) : rc;
}

/* ---- Loop ---- */

static int set_number(struct mlo_rule_call *c, enum mlo_dtype t, struct mlo_shape *ret, struct mlo_err *err)
{
    struct mlo_extent *none = mlo_arena_alloc(&c->s->memory, 1, sizeof *none, err);
    if (!none)
        return err->code;
    *ret = (struct mlo_shape){.kind = MLO_KIND_ARRAY, .dtype = t, .ranked = true, .dims = none};
    return 0;
}

static bool is_true(const struct mlo_shape *v)
{
    return v->n_numbers == 1 && mlo_extent_is(v->numbers[0], 1);
}

/* Does the condition stay what it was, or true? */
static bool condition_stays(const struct inner *body)
{
    size_t in = body->graph->inputs[1], out = body->graph->outputs[0];
    for (size_t i = 0; out != in && i < body->graph->n_nodes; i++) {
        const struct mlo_node *n = &body->graph->nodes[i];
        if (strcmp(n->op, "Identity") == 0 && n->n_outputs == 1 && n->n_inputs == 1 && n->outputs[0] == out &&
            n->inputs[0] == in)
            return true;
    }
    return out == in || is_true(&body->values[out]);
}

/* As many as the count says when nothing else ends the loop. */
static struct mlo_extent turns_of(const struct mlo_rule_call *c, const struct inner *body)
{
    const struct mlo_shape *count = mlo_rule_in(c, 0);
    bool begins = !mlo_rule_given(c, 1) || is_true(mlo_rule_in(c, 1));
    if (count->n_numbers != 1 || !begins || !condition_stays(body))
        return mlo_extent_open();
    return mlo_extent_is_positive(&c->s->extents, count->numbers[0]) ? count->numbers[0] : mlo_extent_open();
}

/* The body takes turn, condition and what goes round; it gives the condition, that, and what is listed. */
static int run_loop(struct mlo_rule_call *c, struct mlo_err *err)
{
    size_t n_in = c->node->n_inputs > 2 ? c->node->n_inputs : 2;
    struct round r = {.first_in = 1, .n = n_in - 1};
    int rc = enter(c, "body", &r.body, err);
    const struct mlo_graph *g = r.body.graph;
    if (rc != 0 || !g || g->n_inputs != n_in || g->n_outputs < r.n)
        return rc;
    rc = set_number(c, MLO_DT_I64, &r.body.before[g->inputs[0]], err);
    for (size_t i = 0; i < r.n; i++)
        begin_state(c, &r, i, i + 1);
    if (rc == 0 && !mlo_rule_given(c, 1))
        rc = set_number(c, MLO_DT_BOOL, round_state(&r, 0), err);
    if (rc == 0)
        rc = go_round(c, &r, err);
    if (rc != 0 || !r.runs)
        return rc;
    give_states(c, &r, 1);
    for (size_t i = r.n; rc == 0 && i < g->n_outputs; i++)
        rc = give_list(c, i - 1, output_of(&r.body, i), turns_of(c, &r.body), 0, err);
    return rc;
}

/* ---- Scan ---- */

static int64_t axis_of(const struct mlo_rule_call *c, const char *name, size_t i)
{
    size_t n;
    const int64_t *axes = mlo_attr_ints(c->node, name, &n);
    return axes && i < n ? axes[i] : 0;
}

/* A row of scanned input i; the length of its axis goes into *turns. */
static int set_row(struct mlo_rule_call *c, const struct round *r, size_t i, struct mlo_extent *turns,
                   struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, r->n + i);
    struct mlo_shape row = {.kind = v->kind, .dtype = v->dtype};
    unsigned axis = 0;
    int rc = v->ranked ? mlo_rule_axis(axis_of(c, "scan_input_axes", i), v->rank, &axis, err) : 0;
    if (rc == 0 && v->ranked)
        rc = mlo_rule_unify(c, v->dims[axis], *turns, "lengths of what is scanned", turns, err);
    struct mlo_extent *dims = rc == 0 ? mlo_arena_alloc(&c->s->memory, v->rank + 1, sizeof *dims, err) : NULL;
    if (!dims)
        return err->code;
    for (unsigned d = 0; v->ranked && d + 1 < v->rank; d++)
        dims[d] = v->dims[d + (d >= axis)];
    row.ranked = v->ranked;
    row.rank = v->ranked ? v->rank - 1 : 0;
    row.dims = dims;
    r->body.before[r->body.graph->inputs[r->n + i]] = row;
    return 0;
}

static int run_scan(struct mlo_rule_call *c, struct mlo_err *err)
{
    int64_t scanned = mlo_attr_int(c->node, "num_scan_inputs", 0);
    struct round r = {.first_in = 0};
    struct mlo_extent turns = mlo_extent_open();
    int rc = enter(c, "body", &r.body, err);
    const struct mlo_graph *g = r.body.graph;
    if (rc != 0 || !g || scanned < 1 || (uint64_t)scanned > c->node->n_inputs)
        return rc;
    r.n = c->node->n_inputs - (size_t)scanned;
    if (g->n_inputs != c->node->n_inputs || g->n_outputs < r.n)
        return 0;
    for (size_t i = 0; i < r.n; i++)
        begin_state(c, &r, i, i);
    for (size_t i = 0; rc == 0 && i < (size_t)scanned; i++)
        rc = set_row(c, &r, i, &turns, err);
    if (rc == 0)
        rc = go_round(c, &r, err);
    if (rc != 0 || !r.runs)
        return rc;
    give_states(c, &r, 0);
    for (size_t i = r.n; rc == 0 && i < g->n_outputs; i++)
        rc = give_list(c, i, output_of(&r.body, i), turns, axis_of(c, "scan_output_axes", i - r.n), err);
    return rc;
}

static const struct mlo_rule rules[] = {
    {"If", run_if, NULL}, {"Loop", run_loop, NULL}, {"Scan", run_scan, NULL}};
const struct mlo_rule_family mlo_rules_flow = {"", rules, MLO_COUNT(rules)};
