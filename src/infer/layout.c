/*
 * A layout: what a run of certain input shapes does in memory, so that the next run of these shapes does
 * nothing but compute. The first run takes buffers as it goes and is watched: which values own their bytes,
 * which show those of others, when the last of them dies. From that each gets its place in the one arena of
 * the session, places are shared by what does not live at the same time, and calls of operators are made
 * ready.
 *
 * Lives are counted in steps, but places in epochs (stretch.h), where threads share the work.
 *
 * Nothing is believed on the next run: an operator that gives an array of another shape, or another array
 * than it did, has strayed (its shape depends on values); the run is begun again with buffers, and so are all
 * that follow.
 */
#include "stretch.h"

#include <string.h>

#define VALUES_MAX   ((size_t)1 << 16) /* a larger graph runs with buffers */
#define STORAGES_MAX ((size_t)1 << 13)
#define OUTSIDE      SIZE_MAX

struct storage { /* bytes that one or more values lie in */
    size_t bytes, offset;
    size_t first, last; /* steps */
    size_t begin, end;  /* epochs of theirs */
    size_t in;          /* the storage whose bytes it takes over; itself */
};
struct mlo_layout {
    const struct mlo_plan_graph *graph;
    struct mlo_array *inputs; /* their shapes */
    struct mlo_value *values; /* of the graph, as they were; those of the arena are in their places */
    size_t *home;  /* of each value: its storage; OUTSIDE: a constant, an input, or a view of one */
    size_t *shift; /* of each value: bytes from the storage's begin */
    void **place;  /* of each output of each step, one after the other; NULL: not in the arena */
    void **fresh;  /* the same, of those that are not views: for mlo_out_new */
    const struct mlo_value **in;
    struct mlo_value **out; /* of all steps */
    struct mlo_op_call *calls;
    struct mlo_value *results; /* of the graph's outputs */
    struct storage *storages;
    size_t n_storages, storages_cap;
    struct mlo_span *spans; /* of each step */
    size_t bytes;
    const unsigned char *base; /* of the arena for which places were computed */
};

void mlo_layout_free(struct mlo_layout *l)
{
    if (!l)
        return;
    free(l->inputs);
    free(l->values);
    free(l->home);
    free(l->shift);
    free(l->place);
    free(l->fresh);
    free(l->in);
    free(l->out);
    free(l->calls);
    free(l->results);
    free(l->storages);
    free(l->spans);
    free(l);
}

/* ---- watching a run ---- */

static size_t home_of(const struct mlo_layout *l, size_t value)
{
    size_t home = value == MLO_NO_VALUE ? OUTSIDE : l->home[value];
    while (home != OUTSIDE && l->storages[home].in != home)
        home = l->storages[home].in;
    return home;
}

/* Output v of step `at`: bytes of its own, or those of an input or output of the step. */
static int find_home(struct mlo_layout *l, const struct mlo_frame *f, size_t at, size_t out,
                     struct mlo_err *err)
{
    const struct mlo_step *s = &l->graph->steps[at];
    const struct mlo_value *v = &f->values[s->out[out]];
    size_t *home = &l->home[s->out[out]], bytes;
    if (!v->buffer)
        return 0; /* it stays outside */
    l->shift[s->out[out]] = (size_t)((unsigned char *)v->array.data - (unsigned char *)v->buffer->bytes);
    for (size_t i = 0; i < s->n_in + out; i++) {
        size_t other = i < s->n_in ? s->in[i] : s->out[i - s->n_in];
        if (other != MLO_NO_VALUE && f->values[other].buffer == v->buffer) {
            *home = l->home[other];
            return 0;
        }
    }
    if (!mlo_array_bytes(v->array.dtype, v->array.n, &bytes))
        return mlo_fail_nomem(err);
    int rc = mlo_grow(&l->storages, &l->storages_cap, l->n_storages + 1, sizeof *l->storages, err);
    if (rc != 0)
        return rc;
    *home = l->n_storages;
    l->storages[l->n_storages++] = (struct storage){
        .bytes = (bytes + 64) & ~(size_t)63, .first = at, .last = at, .in = *home};
    return 0;
}

/* *ret_arrays false: one of its values is none. */
static int watch_step(struct mlo_layout *l, const struct mlo_frame *f, size_t at, bool *ret_arrays,
                      struct mlo_err *err)
{
    const struct mlo_step *s = &l->graph->steps[at];
    for (size_t i = 0; i < s->n_out; i++) {
        if (s->out[i] == MLO_NO_VALUE)
            continue;
        *ret_arrays = f->values[s->out[i]].kind == MLO_KIND_ARRAY;
        int rc = *ret_arrays ? find_home(l, f, at, i, err) : 0;
        if (rc != 0 || !*ret_arrays)
            return rc;
        l->values[s->out[i]] = f->values[s->out[i]];
        l->values[s->out[i]].buffer = NULL;
    }
    return 0;
}

static void note_last(struct mlo_layout *l, size_t value, size_t at)
{
    if (value != MLO_NO_VALUE && l->home[value] != OUTSIDE && l->storages[l->home[value]].last < at)
        l->storages[l->home[value]].last = at;
}

static void find_ends(struct mlo_layout *l)
{
    const struct mlo_plan_graph *g = l->graph;
    for (size_t i = 0; i < g->n_steps; i++) {
        for (size_t k = 0; k < g->steps[i].n_in; k++)
            note_last(l, g->steps[i].in[k], i);
        for (size_t k = 0; k < g->steps[i].n_out; k++)
            note_last(l, g->steps[i].out[k], i);
    }
    for (size_t i = 0; i < g->graph->n_outputs; i++)
        note_last(l, g->graph->outputs[i], SIZE_MAX);
}

/* ---- writing over an input ---- */

static bool same_array(const struct mlo_array *a, const struct mlo_array *b)
{
    if (a->dtype != b->dtype || a->rank != b->rank)
        return false;
    for (unsigned i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i])
            return false;
    return true;
}

/* Input i of step `at` is as the output is, dies there, and no other input lies in the same bytes. */
static bool may_write_over(const struct mlo_layout *l, size_t at, size_t i)
{
    const struct mlo_step *s = &l->graph->steps[at];
    size_t home = home_of(l, s->in[i]), sharing = 0;
    for (size_t k = 0; k < s->n_in; k++)
        sharing += home_of(l, s->in[k]) == home;
    return home != OUTSIDE && sharing == 1 && l->storages[home].last == at && l->shift[s->in[i]] == 0 &&
           same_array(&l->values[s->in[i]].array, &l->values[s->out[0]].array);
}

static void write_over(struct mlo_layout *l, size_t at)
{
    const struct mlo_step *s = &l->graph->steps[at];
    size_t mine = s->n_out == 1 ? home_of(l, s->out[0]) : OUTSIDE;
    if (!s->op->in_place || s->op->puts_off || mine == OUTSIDE || l->storages[mine].first != at)
        return;
    for (size_t i = 0; i < s->n_in; i++)
        if (may_write_over(l, at, i)) {
            size_t home = home_of(l, s->in[i]);
            l->storages[home].last = l->storages[mine].last;
            l->storages[mine].in = home;
            return;
        }
}

/* ---- places ---- */

static int larger_first(const void *a, const void *b)
{
    const struct storage *x = *(struct storage *const *)a, *y = *(struct storage *const *)b;
    return x->bytes != y->bytes ? (x->bytes < y->bytes) - (x->bytes > y->bytes) : (x > y) - (x < y);
}

/* At the lowest place that is free as long as it lives. placed: by offset, n of them; it becomes one. */
static void place_one(struct storage **placed, size_t n, struct storage *s)
{
    size_t at = n;
    s->offset = 0;
    for (size_t i = 0; i < n; i++) {
        const struct storage *other = placed[i];
        if (other->begin > s->end || s->begin > other->end)
            continue;
        if (s->offset + s->bytes <= other->offset)
            break;
        if (other->offset + other->bytes > s->offset)
            s->offset = other->offset + other->bytes;
    }
    while (at > 0 && placed[at - 1]->offset > s->offset)
        at--;
    memmove(placed + at + 1, placed + at, (n - at) * sizeof(struct storage *));
    placed[at] = s;
}

static void set_epochs(const struct mlo_layout *l, struct storage *s)
{
    s->begin = l->spans[s->first].first;
    s->end = s->last == SIZE_MAX ? SIZE_MAX : l->spans[s->last].last;
}

static int place_all(struct mlo_layout *l, struct mlo_err *err)
{
    MLO_AUTOFREE struct storage **order = mlo_calloc(l->n_storages + 1, sizeof(struct storage *), err);
    MLO_AUTOFREE struct storage **placed = mlo_calloc(l->n_storages + 1, sizeof(struct storage *), err);
    size_t n = 0;
    if (!order || !placed)
        return err->code;
    for (size_t i = 0; i < l->n_storages; i++)
        if (l->storages[i].in == i) {
            set_epochs(l, &l->storages[i]);
            order[n++] = &l->storages[i];
        }
    qsort(order, n, sizeof(struct storage *), larger_first);
    for (size_t i = 0; i < n; i++) {
        place_one(placed, i, order[i]);
        if (order[i]->offset + order[i]->bytes > l->bytes)
            l->bytes = order[i]->offset + order[i]->bytes;
    }
    return 0;
}

/* ---- calls, ready to be made ---- */

static int make_lists(struct mlo_layout *l, struct mlo_session *s, struct mlo_err *err)
{
    const struct mlo_plan_graph *g = l->graph;
    size_t n_in = 0, n_out = 0;
    for (size_t i = 0; i < g->n_steps; i++) {
        n_in += g->steps[i].n_in;
        n_out += g->steps[i].n_out;
    }
    l->in = mlo_calloc(n_in + 1, sizeof *l->in, err);
    l->out = l->in ? mlo_calloc(n_out + 1, sizeof *l->out, err) : NULL;
    l->place = l->out ? mlo_calloc(n_out + 1, sizeof *l->place, err) : NULL;
    l->fresh = l->place ? mlo_calloc(n_out + 1, sizeof *l->fresh, err) : NULL;
    l->spans = l->fresh ? mlo_calloc(g->n_steps + 1, sizeof *l->spans, err) : NULL;
    l->calls = l->spans ? mlo_calloc(g->n_steps + 1, sizeof *l->calls, err) : NULL;
    if (!l->calls)
        return err->code;
    for (size_t i = n_in = n_out = 0; i < g->n_steps; i++) {
        const struct mlo_step *step = &g->steps[i];
        l->calls[i] = mlo_step_call(step, s, l->in + n_in, l->out + n_out);
        l->calls[i].place = l->fresh + n_out;
        for (size_t k = 0; k < step->n_in; k++)
            l->in[n_in++] = step->in[k] == MLO_NO_VALUE ? NULL : &l->values[step->in[k]];
        for (size_t k = 0; k < step->n_out; k++)
            l->out[n_out++] = step->out[k] == MLO_NO_VALUE ? NULL : &l->values[step->out[k]];
    }
    return 0;
}

/* Places become addresses. */
static void settle(struct mlo_layout *l, unsigned char *base)
{
    const struct mlo_plan_graph *g = l->graph;
    size_t at = 0;
    for (size_t i = 0; i < g->n_steps; i++)
        for (size_t k = 0; k < g->steps[i].n_out; k++, at++) {
            size_t v = g->steps[i].out[k], home = home_of(l, v);
            if (home == OUTSIDE)
                continue;
            l->place[at] = l->values[v].array.data = base + l->storages[home].offset + l->shift[v];
            l->fresh[at] = l->storages[l->home[v]].first == i ? l->place[at] : NULL;
        }
    l->base = base;
}

/* ---- making one ---- */

static int new_layout(struct mlo_session *s, const struct mlo_frame *f, struct mlo_layout **ret,
                      struct mlo_err *err)
{
    const struct mlo_plan_graph *g = f->graph;
    struct mlo_layout *l = *ret = mlo_calloc(1, sizeof *l, err);
    if (!l)
        return err->code;
    l->graph = g;
    l->inputs = mlo_calloc(g->graph->n_inputs + 1, sizeof *l->inputs, err);
    l->values = l->inputs ? mlo_calloc(g->graph->n_values + 1, sizeof *l->values, err) : NULL;
    l->home = l->values ? mlo_calloc(g->graph->n_values + 1, sizeof *l->home, err) : NULL;
    l->shift = l->home ? mlo_calloc(g->graph->n_values + 1, sizeof *l->shift, err) : NULL;
    l->results = l->shift ? mlo_calloc(g->graph->n_outputs + 1, sizeof *l->results, err) : NULL;
    if (!l->results)
        return err->code;
    for (size_t i = 0; i < g->graph->n_values; i++) {
        l->values[i] = g->constants[i];
        l->home[i] = OUTSIDE;
    }
    for (size_t i = 0; i < g->graph->n_inputs; i++) {
        l->values[g->graph->inputs[i]] = f->values[g->graph->inputs[i]];
        l->inputs[i] = f->values[g->graph->inputs[i]].array;
    }
    return make_lists(l, s, err);
}

bool mlo_layout_possible(const struct mlo_plan_graph *g)
{
    for (size_t i = 0; i < g->n_steps; i++)
        if (g->steps[i].graphs)
            return false;
    return g->graph->n_values <= VALUES_MAX;
}

/* *ret_arrays false: some value is none. */
static int watch_steps(struct mlo_session *s, struct mlo_frame *f, struct mlo_layout *l, bool *ret_arrays,
                       struct mlo_err *err)
{
    const struct mlo_plan_graph *g = f->graph;
    for (size_t i = 0; i < g->n_steps; i++) {
        int rc = mlo_step_run(s, f, &g->steps[i], err);
        if (rc == 0 && *ret_arrays)
            rc = watch_step(l, f, i, ret_arrays, err);
        if (rc != 0)
            return rc;
        l->spans[i] = s->stretch ? mlo_stretch_span(s) : (struct mlo_span){i, i};
        mlo_step_drop_dead(s, f, &g->steps[i]);
    }
    return 0;
}

int mlo_layout_watch(struct mlo_session *s, struct mlo_frame *f, struct mlo_layout **ret, struct mlo_err *err)
{
    const struct mlo_plan_graph *g = f->graph;
    struct mlo_layout *l = NULL;
    int rc = new_layout(s, f, &l, err);
    bool arrays = true;
    *ret = NULL;
    mlo_stretch_begin(s);
    if (rc == 0)
        rc = watch_steps(s, f, l, &arrays, err);
    mlo_stretch_end(s, rc != 0);
    if (rc == 0 && arrays && l->n_storages <= STORAGES_MAX) {
        find_ends(l);
        for (size_t i = 0; i < g->n_steps; i++)
            write_over(l, i);
        rc = place_all(l, err);
        if (rc == 0)
            *ret = mlo_steal(&l);
    }
    mlo_layout_free(l);
    return rc;
}

/* ---- running ---- */

bool mlo_layout_fits(const struct mlo_layout *l, const struct mlo_value *in)
{
    for (size_t i = 0; i < l->graph->graph->n_inputs; i++)
        if (in[i].kind != MLO_KIND_ARRAY || !same_array(&in[i].array, &l->inputs[i]))
            return false;
    return true;
}

size_t mlo_layout_bytes(const struct mlo_layout *l)
{
    return l->bytes;
}

static bool is_inside(const struct mlo_layout *l, const void *data)
{
    return (uintptr_t)data - (uintptr_t)l->base < l->bytes;
}

static bool kept_to_it(const struct mlo_layout *l, const struct mlo_op_call *c, void *const *place)
{
    for (size_t i = 0; i < c->n_out; i++) {
        const struct mlo_value *v = c->out[i];
        if (v && (v->buffer || (place[i] ? v->array.data != place[i] : is_inside(l, v->array.data))))
            return false;
    }
    return true;
}

static void stray(const struct mlo_op_call *c)
{
    for (size_t i = 0; i < c->n_out; i++)
        if (c->out[i])
            mlo_value_drop(c->session, c->out[i]);
}

static int run_calls(struct mlo_layout *l, struct mlo_session *s, bool *ret_strayed, struct mlo_err *err)
{
    void *const *place = l->place;
    mlo_session_tell(s, 0);
    for (size_t i = 0; i < l->graph->n_steps; i++) {
        struct mlo_op_call *c = &l->calls[i];
        int rc = mlo_call_run(c, err);
        *ret_strayed = !kept_to_it(l, c, place);
        if (*ret_strayed)
            stray(c);
        if (rc != 0)
            return mlo_step_fail(&l->graph->steps[i], err);
        if (*ret_strayed)
            return 0;
        place += c->n_out;
        mlo_session_tell(s, i + 1);
    }
    return 0;
}

int mlo_layout_run(struct mlo_layout *l, struct mlo_session *s, const struct mlo_value *in, bool *ret_strayed,
                   const struct mlo_value **ret_out, struct mlo_err *err)
{
    const struct mlo_graph *g = l->graph->graph;
    if (l->base != s->arena)
        settle(l, s->arena);
    for (size_t i = 0; i < g->n_inputs; i++)
        l->values[g->inputs[i]].array.data = in[i].array.data;
    mlo_stretch_begin(s);
    int rc = run_calls(l, s, ret_strayed, err);
    mlo_stretch_end(s, rc != 0 || *ret_strayed);
    if (rc != 0 || *ret_strayed)
        return rc;
    for (size_t i = 0; i < g->n_outputs; i++) {
        l->results[i].kind = MLO_KIND_ARRAY;
        l->results[i].array = l->values[g->outputs[i]].array;
    }
    *ret_out = l->results;
    return 0;
}
