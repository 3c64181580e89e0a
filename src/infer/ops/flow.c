/* Operators that run graphs inside of them: If, Loop, Scan, SequenceMap. */
#include <string.h>

#include "op.h"

#define TURNS_MAX ((int64_t)1 << 24) /* of one loop: a model does not run forever */

/* ---- values of a body ---- */

struct collected { /* what one output was, turn by turn */
    struct mlo_value *items;
    size_t n, cap;
};
struct body {
    const char *name;
    struct mlo_value *in, *out;
    size_t n_in, n_out;
    struct collected *lists; /* of the last n_lists outputs */
    size_t n_lists;
};

static int make_body(struct mlo_op_call *c, struct body *b, size_t n_in, size_t n_carried,
                     struct mlo_err *err)
{
    b->name = "body";
    b->n_out = mlo_subgraph_outputs(c, b->name);
    b->n_in = n_in;
    if (b->n_out < n_carried)
        return mlo_op_refuse(c, err, "the body has %zu outputs, not %zu or more", b->n_out, n_carried);
    b->n_lists = b->n_out - n_carried;
    b->in = mlo_calloc(n_in + 1, sizeof *b->in, err);
    b->out = b->in ? mlo_calloc(b->n_out + 1, sizeof *b->out, err) : NULL;
    b->lists = b->out ? mlo_calloc(b->n_lists + 1, sizeof *b->lists, err) : NULL;
    return b->lists ? 0 : err->code;
}

static void drop_values(struct mlo_session *s, struct mlo_value *v, size_t n)
{
    for (size_t i = 0; v && i < n; i++)
        mlo_value_drop(s, &v[i]);
}

static void free_body(struct mlo_op_call *c, struct body *b)
{
    drop_values(c->session, b->in, b->n_in);
    drop_values(c->session, b->out, b->n_out);
    for (size_t i = 0; b->lists && i < b->n_lists; i++) {
        drop_values(c->session, b->lists[i].items, b->lists[i].n);
        free(b->lists[i].items);
    }
    free(b->in);
    free(b->out);
    free(b->lists);
}

/* Output i of the body goes to its list. */
static int collect(struct body *b, struct mlo_err *err)
{
    for (size_t i = 0; i < b->n_lists; i++) {
        struct collected *l = &b->lists[i];
        struct mlo_value *v = &b->out[b->n_out - b->n_lists + i];
        int rc = mlo_grow(&l->items, &l->cap, l->n + 1, sizeof *l->items, err);
        if (rc != 0)
            return rc;
        l->items[l->n++] = *v;
        *v = (struct mlo_value){0};
    }
    return 0;
}

/* The body's value that goes on to the next turn. */
static void carry(struct mlo_op_call *c, struct mlo_value *from, struct mlo_value *to)
{
    mlo_value_drop(c->session, to);
    *to = *from;
    *from = (struct mlo_value){0};
}

static void share_input(const struct mlo_op_call *c, size_t i, struct mlo_value *to)
{
    if (i < c->n_in && c->in[i])
        mlo_value_share(to, c->in[i]);
}

/* ---- joining what turns made ---- */

/* Of no turns: the shape that the graph says, 0 where it says nothing. */
static int give_none(struct mlo_op_call *c, size_t i, size_t body_output, int64_t axis, struct mlo_err *err)
{
    const struct mlo_attr *body = mlo_node_attr(c->node, "body");
    const struct mlo_graph_value *v = &body->graph->values[body->graph->outputs[body_output]];
    struct mlo_array shape = {.rank = v->has_shape ? v->rank : 0}, *out;
    unsigned at;
    for (unsigned d = 0; d < shape.rank && d < MLO_RANK_MAX; d++)
        shape.dims[d] = v->dims[d].size < 0 ? 0 : v->dims[d].size;
    int rc = mlo_axis(axis, shape.rank + 1, &at, err);
    if (rc == 0)
        rc = mlo_axis_insert(&shape, at, err);
    if (rc != 0)
        return rc;
    shape.dims[at] = 0;
    return mlo_out_new(c, i, v->dtype, shape.dims, shape.rank, &out, err);
}

static int give_list(struct mlo_op_call *c, size_t i, const struct body *b, size_t list, int64_t axis,
                     bool reverse, struct mlo_err *err)
{
    const struct collected *l = &b->lists[list];
    struct mlo_array *parts;
    void *memory;
    unsigned at;
    if (l->n == 0)
        return give_none(c, i, b->n_out - b->n_lists + list, axis, err);
    int rc = mlo_scratch(c, l->n, sizeof *parts, &memory, err);
    parts = memory;
    for (size_t k = 0; rc == 0 && k < l->n; k++) {
        const struct mlo_value *v = &l->items[reverse ? l->n - 1 - k : k];
        if (v->kind != MLO_KIND_ARRAY)
            return mlo_fail(err, MLO_EINVALID, "output %zu of the body is no array", i);
        parts[k] = v->array;
        rc = mlo_axis(axis, parts[k].rank + 1, &at, err);
        if (rc == 0)
            rc = mlo_axis_insert(&parts[k], at, err);
    }
    return rc == 0 ? mlo_out_joined(c, i, parts, l->n, at, err) : rc;
}

/* ---- If ---- */

static int read_condition(const struct mlo_value *v, bool *ret, struct mlo_err *err)
{
    if (!v || v->kind != MLO_KIND_ARRAY || v->array.dtype != MLO_DT_BOOL || v->array.n != 1)
        return mlo_fail(err, MLO_EINVALID, "the condition is not one bool");
    *ret = *(const uint8_t *)v->array.data != 0;
    return 0;
}

static int run_if(struct mlo_op_call *c, struct mlo_err *err)
{
    bool yes = false;
    int rc = read_condition(c->n_in ? c->in[0] : NULL, &yes, err);
    if (rc != 0)
        return rc;
    const char *name = yes ? "then_branch" : "else_branch";
    size_t n = mlo_subgraph_outputs(c, name);
    if (n < c->n_out)
        return mlo_op_refuse(c, err, "%s has %zu outputs, not %zu", name, n, c->n_out);
    MLO_AUTOFREE struct mlo_value *out = mlo_calloc(n + 1, sizeof *out, err);
    if (!out)
        return err->code;
    rc = mlo_subgraph_run(c, name, NULL, 0, out, err);
    for (size_t i = 0; rc == 0 && i < c->n_out; i++)
        mlo_out_same(c, i, &out[i]);
    drop_values(c->session, out, n);
    return rc;
}

/* ---- Loop ---- */

static int set_turn(struct mlo_op_call *c, struct mlo_value *v, int64_t turn, struct mlo_err *err)
{
    mlo_value_drop(c->session, v);
    int rc = mlo_value_new(c->session, v, MLO_DT_I64, NULL, 0, err);
    if (rc == 0)
        *(int64_t *)v->array.data = turn;
    return rc;
}

static int set_true(struct mlo_op_call *c, struct mlo_value *v, struct mlo_err *err)
{
    int rc = mlo_value_new(c->session, v, MLO_DT_BOOL, NULL, 0, err);
    if (rc == 0)
        *(uint8_t *)v->array.data = 1;
    return rc;
}

/* The body takes turn, condition and the carried values; it gives the condition, those, and what is listed.
 */
static int turn_loop(struct mlo_op_call *c, struct body *b, int64_t turns, bool go_on, struct mlo_err *err)
{
    int rc = 0;
    for (int64_t t = 0; rc == 0 && go_on && t < turns; t++) {
        if (t == TURNS_MAX)
            return mlo_fail(err, MLO_EUNAVAIL, "more than %lld turns", (long long)TURNS_MAX);
        rc = set_turn(c, &b->in[0], t, err);
        if (rc == 0)
            rc = mlo_subgraph_run(c, b->name, b->in, b->n_in, b->out, err);
        if (rc == 0)
            rc = read_condition(&b->out[0], &go_on, err);
        for (size_t i = 1; rc == 0 && i < b->n_in; i++)
            carry(c, &b->out[i - 1], &b->in[i]);
        if (rc == 0)
            rc = collect(b, err);
    }
    return rc;
}

static int start_loop(struct mlo_op_call *c, struct body *b, int64_t *ret_turns, bool *ret_go,
                      struct mlo_err *err)
{
    int64_t turns[MLO_SMALL_LIST];
    size_t n;
    int rc = mlo_in_ints(c, 0, turns, &n, err);
    if (rc == 0 && n > 1)
        rc = mlo_op_refuse(c, err, "%zu trip counts", n);
    *ret_turns = rc == 0 && n == 1 ? turns[0] : INT64_MAX;
    *ret_go = true;
    if (rc == 0 && mlo_in(c, 1))
        rc = read_condition(c->in[1], ret_go, err);
    for (size_t i = 1; rc == 0 && i < b->n_in; i++)
        share_input(c, i, &b->in[i]);
    return rc == 0 && b->in[1].kind == MLO_KIND_UNKNOWN ? set_true(c, &b->in[1], err) : rc;
}

static int give_loop(struct mlo_op_call *c, const struct body *b, struct mlo_err *err)
{
    size_t carried = b->n_in - 2;
    int rc = 0;
    for (size_t i = 0; i < carried; i++)
        mlo_out_same(c, i, &b->in[i + 2]);
    for (size_t i = 0; rc == 0 && i < b->n_lists; i++)
        rc = give_list(c, carried + i, b, i, 0, false, err);
    return rc;
}

static int run_loop(struct mlo_op_call *c, struct mlo_err *err)
{
    size_t n_in = c->n_in > 2 ? c->n_in : 2;
    struct body b = {0};
    int64_t turns;
    bool go_on;
    int rc = make_body(c, &b, n_in, n_in - 1, err);
    if (rc == 0)
        rc = start_loop(c, &b, &turns, &go_on, err);
    if (rc == 0)
        rc = turn_loop(c, &b, turns, go_on, err);
    if (rc == 0)
        rc = give_loop(c, &b, err);
    free_body(c, &b);
    return rc;
}

/* ---- Scan ---- */

struct scan {
    size_t n_states, n_scanned; /* inputs */
    int64_t turns;
    const int64_t *axes, *backward; /* of inputs; NULL: 0 */
    const int64_t *out_axes, *out_backward;
};

/* A list that has one number for each, or is not there. */
static int one_each(const struct mlo_op_call *c, const char *name, size_t n, const int64_t **ret,
                    struct mlo_err *err)
{
    size_t have;
    *ret = mlo_attr_ints(c->node, name, &have);
    return !*ret || have == n ? 0 : mlo_op_refuse(c, err, "%s has %zu numbers, not %zu", name, have, n);
}

static int read_scan(struct mlo_op_call *c, struct scan *s, struct mlo_err *err)
{
    int64_t n = mlo_attr_int(c->node, "num_scan_inputs", 0);
    if (n < 1 || (uint64_t)n > c->n_in)
        return mlo_op_refuse(c, err, "%lld scanned inputs", (long long)n);
    s->n_scanned = (size_t)n;
    s->n_states = c->n_in - s->n_scanned;
    s->turns = -1;
    int rc = one_each(c, "scan_input_axes", s->n_scanned, &s->axes, err);
    if (rc == 0)
        rc = one_each(c, "scan_input_directions", s->n_scanned, &s->backward, err);
    for (size_t i = 0; rc == 0 && i < s->n_scanned; i++) {
        const struct mlo_array *a;
        unsigned axis;
        rc = mlo_in_array(c, s->n_states + i, &a, err);
        if (rc == 0)
            rc = mlo_axis(s->axes ? s->axes[i] : 0, a->rank, &axis, err);
        if (rc == 0 && s->turns >= 0 && a->dims[axis] != s->turns)
            rc = mlo_op_refuse(c, err, "scanned inputs of different length");
        s->turns = rc == 0 ? a->dims[axis] : 0;
    }
    if (rc == 0 && s->turns > TURNS_MAX)
        rc = mlo_fail(err, MLO_EUNAVAIL, "more than %lld turns", (long long)TURNS_MAX);
    return rc;
}

/* Row t of scanned input i. */
static int set_row(struct mlo_op_call *c, const struct scan *s, size_t i, int64_t t, struct mlo_value *v,
                   struct mlo_err *err)
{
    const struct mlo_array *a = mlo_in(c, s->n_states + i);
    struct mlo_array shape = *a;
    unsigned axis;
    mlo_value_drop(c->session, v);
    int rc = mlo_axis(s->axes ? s->axes[i] : 0, a->rank, &axis, err);
    if (rc != 0)
        return rc;
    shape.dims[axis] = 1;
    rc = mlo_value_new(c->session, v, a->dtype, shape.dims, shape.rank, err);
    if (rc == 0)
        rc = mlo_take_part(a, axis, (size_t)(s->backward && s->backward[i] ? s->turns - 1 - t : t), &v->array,
                           err);
    if (rc == 0)
        mlo_axis_remove(&v->array, axis);
    return rc;
}

static int turn_scan(struct mlo_op_call *c, const struct scan *s, struct body *b, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < s->n_states; i++)
        share_input(c, i, &b->in[i]);
    for (int64_t t = 0; rc == 0 && t < s->turns; t++) {
        for (size_t i = 0; rc == 0 && i < s->n_scanned; i++)
            rc = set_row(c, s, i, t, &b->in[s->n_states + i], err);
        if (rc == 0)
            rc = mlo_subgraph_run(c, b->name, b->in, b->n_in, b->out, err);
        for (size_t i = 0; rc == 0 && i < s->n_states; i++)
            carry(c, &b->out[i], &b->in[i]);
        if (rc == 0)
            rc = collect(b, err);
    }
    return rc;
}

static int give_scan(struct mlo_op_call *c, struct scan *s, const struct body *b, struct mlo_err *err)
{
    int rc = one_each(c, "scan_output_axes", b->n_lists, &s->out_axes, err);
    if (rc == 0)
        rc = one_each(c, "scan_output_directions", b->n_lists, &s->out_backward, err);
    for (size_t i = 0; rc == 0 && i < s->n_states; i++)
        mlo_out_same(c, i, &b->in[i]);
    for (size_t i = 0; rc == 0 && i < b->n_lists; i++)
        rc = give_list(c, s->n_states + i, b, i, s->out_axes ? s->out_axes[i] : 0,
                       s->out_backward && s->out_backward[i], err);
    return rc;
}

static int run_scan(struct mlo_op_call *c, struct mlo_err *err)
{
    struct scan s = {0};
    struct body b = {0};
    int rc = read_scan(c, &s, err);
    if (rc == 0)
        rc = make_body(c, &b, c->n_in, s.n_states, err);
    if (rc == 0)
        rc = turn_scan(c, &s, &b, err);
    if (rc == 0)
        rc = give_scan(c, &s, &b, err);
    free_body(c, &b);
    return rc;
}

/* ---- SequenceMap ---- */

/* Item t of each input that is a sequence, the others as they are. */
static int set_items(struct mlo_op_call *c, struct body *b, size_t t, struct mlo_err *err)
{
    for (size_t i = 0; i < c->n_in; i++) {
        const struct mlo_value *v = c->in[i];
        mlo_value_drop(c->session, &b->in[i]);
        if (v && v->kind == MLO_KIND_SEQUENCE && t >= v->n_items)
            return mlo_op_refuse(c, err, "sequence %zu is shorter than the first", i);
        if (v)
            mlo_value_share(&b->in[i], v->kind == MLO_KIND_SEQUENCE ? &v->items[t] : v);
    }
    return 0;
}

static int run_map(struct mlo_op_call *c, struct mlo_err *err)
{
    struct body b = {0};
    if (c->n_in == 0 || !c->in[0] || c->in[0]->kind != MLO_KIND_SEQUENCE)
        return mlo_op_refuse(c, err, "input 0 is no sequence");
    size_t n = c->in[0]->n_items;
    int rc = make_body(c, &b, c->n_in, 0, err);
    for (size_t t = 0; rc == 0 && t < n; t++) {
        rc = set_items(c, &b, t, err);
        if (rc == 0)
            rc = mlo_subgraph_run(c, b.name, b.in, b.n_in, b.out, err);
        if (rc == 0)
            rc = collect(&b, err);
    }
    for (size_t i = 0; rc == 0 && i < b.n_lists; i++) {
        struct mlo_value *items;
        rc = mlo_out_sequence(c, i, n, &items, err);
        for (size_t t = 0; rc == 0 && items && t < n; t++)
            mlo_value_share(&items[t], &b.lists[i].items[t]);
    }
    free_body(c, &b);
    return rc;
}

static const struct mlo_op ops[] = {
    {.name = "If", .since = 1, .run = run_if, .varies = true},
    {.name = "Loop", .since = 1, .run = run_loop, .varies = true},
    {.name = "Scan", .since = 9, .run = run_scan, .varies = true},
    {.name = "SequenceMap", .since = 17, .run = run_map, .varies = true},
};
const struct mlo_op_family mlo_ops_flow = {"", ops, MLO_COUNT(ops)};
