/* Steps of a plan become a program: first for a rounded number of rows, else for exactly these shapes. */
#include "offload_program.h"

#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#define ROWS_FINE ((size_t)64) /* from here on there is a step between two powers of 2 */
#define LONGEST_LEAST                                                                                        \
    ((size_t)64) /* blocks of attention without a query end at once: few more cost nothing */

size_t mlo_row_bytes(const struct mlo_array *inputs, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += inputs[i].n / (size_t)inputs[i].dims[0] * mlo_element_size(inputs[i].dtype);
    return bytes;
}

size_t mlo_program_rows(size_t n)
{
    size_t rows = 1;
    while (rows < n)
        rows *= 2;
    return rows > ROWS_FINE && n <= rows / 4 * 3 ? rows / 4 * 3 : rows;
}

static size_t power_of_2(size_t n)
{
    size_t power = 1;
    while (power < n)
        power *= 2;
    return power;
}

struct mlo_packed_room mlo_packed_room(const struct mlo_packed *p)
{
    size_t rows = mlo_program_rows(p->first[p->n]), longest = power_of_2(mlo_packed_longest(p));
    longest = longest < LONGEST_LEAST ? LONGEST_LEAST : longest;
    return (struct mlo_packed_room){.rows = rows,
                                    .sequences = power_of_2(p->n),
                                    .longest = longest < rows ? longest : rows,
                                    .pooling = p->pooling,
                                    .normalize = p->pooling != MLO_POOL_NONE && p->normalize};
}

size_t mlo_piece_rows(const struct mlo_offload *o, size_t n, size_t bytes)
{
    size_t piece = 1, most = o->opts.piece_bytes ? o->opts.piece_bytes : MLO_PIECE_BYTES;
    while (2 * piece * bytes <= most && piece < n)
        piece *= 2;
    return n >= 2 * piece && piece > 1 ? piece : mlo_program_rows(n);
}

void mlo_program_free(const struct mlo_offload *o, struct mlo_program *p)
{
    if (!p)
        return;
    if (p->run)
        o->opts.api->program_free(p->run);
    for (size_t i = 0; i < p->n_in; i++)
        free(p->in[i].fixed);
    for (size_t i = 0; i < p->n_out; i++)
        free(p->out[i].sums);
    free(p->in);
    free(p->out);
    free(p->steps);
    free(p->inputs);
    free(p->first);
    free(p);
}

/* ---- rows ---- */

static bool has_rows(const struct mlo_array *a, size_t rows)
{
    return a->rank > 0 && (size_t)a->dims[0] == rows;
}

/* Rows are independent of each other when the inputs and all that the device makes are rows: each of its
 * operators then works on rows alone. */
static size_t rows_of(const struct mlo_offload *o, const struct mlo_learned *from)
{
    const struct mlo_graph *g = o->graph->graph;
    size_t rows = g->n_inputs && from->inputs[0].rank ? (size_t)from->inputs[0].dims[0] : 0;
    for (size_t i = 0; i < g->n_inputs; i++) {
        const struct mlo_graph_value *v = &g->values[g->inputs[i]];
        bool is_open = v->has_shape && v->rank > 0 && v->dims[0].size < 0;
        if (!is_open || !has_rows(&from->inputs[i], rows))
            return 0;
    }
    for (size_t i = 0; i < o->graph->n_steps; i++)
        for (size_t k = 0; o->steps[i].place == MLO_PLACE_DEVICE && k < o->graph->steps[i].n_out; k++) {
            size_t v = o->graph->steps[i].out[k];
            if (v != MLO_NO_VALUE && from->shape[v].dtype && !has_rows(&from->shape[v], rows))
                return 0;
        }
    return rows > 1 ? rows : 0;
}

static void set_rows(struct mlo_array *a, size_t from, size_t to)
{
    if (!has_rows(a, from) || from == to)
        return;
    a->n = a->n / from * to;
    a->dims[0] = (int64_t)to;
}

static void set_all_rows(const struct mlo_offload *o, struct mlo_learned *l, size_t from, size_t to)
{
    for (size_t i = 0; i < o->graph->graph->n_values; i++)
        if (o->graph->constants[i].kind == MLO_KIND_UNKNOWN && o->places[i] != MLO_PLACE_SHAPE)
            set_rows(&l->shape[i], from, to);
}

static void set_packed_rows(const struct mlo_offload *o, struct mlo_learned *l, size_t from, size_t to)
{
    for (size_t i = 0; i < o->graph->graph->n_values; i++) {
        struct mlo_array *a = &l->shape[i];
        if (o->packing->axes[i] == MLO_NO_AXIS || !a->dtype)
            continue;
        a->n = a->n / from * to;
        a->dims[o->packing->axes[i]] = (int64_t)to;
    }
}

/* ---- what goes in and what comes back ---- */

struct making {
    struct mlo_offload *o;
    struct mlo_learned *from;
    struct mlo_lower l;
    struct mlo_program *p;
    bool *wanted; /* of each value: somebody wants it back */
    size_t in_cap, out_cap;
};

static int keep_fixed(struct making *m, struct mlo_program_in *in, struct mlo_err *err)
{
    const struct mlo_array *a = &m->from->frame->values[in->value].array;
    size_t bytes;
    if (!mlo_array_bytes(a->dtype, a->n, &bytes))
        return mlo_fail_nomem(err);
    in->fixed = mlo_calloc(bytes, 1, err);
    if (in->fixed)
        memcpy(in->fixed, a->data, bytes);
    return in->fixed ? 0 : err->code;
}

static bool is_along_rows(const struct making *m, size_t value, const struct mlo_array *a)
{
    if (m->l.packed)
        return value != MLO_NO_VALUE && m->o->packing->axes[value] != MLO_NO_AXIS;
    return m->p->rows && has_rows(a, m->p->rows);
}

static int add_first(struct making *m, struct mlo_err *err)
{
    struct mlo_program *p = m->p;
    size_t n = p->room.sequences + 1;
    int rc = mlo_grow(&p->in, &m->in_cap, p->n_in + 1, sizeof *p->in, err);
    if (rc != 0)
        return rc;
    p->first = mlo_calloc(n, sizeof *p->first, err);
    p->in[p->n_in++] = (struct mlo_program_in){.value = MLO_NO_VALUE, .n = n};
    return p->first ? 0 : err->code;
}

static int add_in(struct making *m, size_t value, struct mlo_err *err)
{
    struct mlo_program *p = m->p;
    const struct mlo_array *a = &m->l.shape[value];
    int rc = mlo_grow(&p->in, &m->in_cap, p->n_in + 1, sizeof *p->in, err);
    if (rc != 0)
        return rc;
    bool is_fixed = m->o->places[value] == MLO_PLACE_SHAPE;
    bool by_rows = !is_fixed && is_along_rows(m, value, a);
    struct mlo_program_in *in = &p->in[p->n_in++];
    *in = (struct mlo_program_in){value, a->n, by_rows ? a->n / p->rows : 0, NULL};
    return is_fixed ? keep_fixed(m, in, err) : 0;
}

static int add_out(struct making *m, struct mlo_program_out out, struct mlo_err *err)
{
    struct mlo_program *p = m->p;
    int rc = mlo_grow(&p->out, &m->out_cap, p->n_out + 1, sizeof *p->out, err);
    if (rc != 0)
        return rc;
    out.by_sequences = p->room.pooling != MLO_POOL_NONE;
    out.by_rows = !out.by_sequences && is_along_rows(m, out.value, &out.shape);
    out.axis = m->l.packed ? 1 : 0;
    p->out[p->n_out] = out;
    if (out.value == MLO_NO_VALUE) {
        p->out[p->n_out].sums = mlo_calloc(out.shape.n, mlo_element_size(out.shape.dtype), err);
        p->out[p->n_out].sums_n = out.shape.n;
        rc = p->out[p->n_out].sums ? 0 : err->code;
    }
    p->n_out++;
    return rc;
}

/* In the order of the buffers, which is that of a run's lists. */
static int list_buffer(struct making *m, uint32_t b, struct mlo_err *err)
{
    const struct mlo_device_buffer *buffer = &m->l.buffers[b];
    if (b == m->l.first)
        return add_first(m, err);
    for (size_t v = 0; buffer->role == MLO_DEVICE_INPUT && v < m->o->graph->graph->n_values; v++)
        if (m->l.buffer_of[v] == b && m->o->places[v] != MLO_PLACE_DEVICE)
            return add_in(m, v, err);
    for (size_t i = 0; buffer->role == MLO_DEVICE_OUTPUT && i < m->o->graph->n_steps; i++)
        if (m->l.sums_of[i] == b) {
            const struct mlo_array *x = &m->l.shape[m->o->graph->steps[i].in[0]];
            struct mlo_program_out out = {.value = MLO_NO_VALUE, .step = i, .x = *x};
            enum mlo_dtype type = buffer->type == MLO_DEVICE_F64 ? MLO_DT_F64 : MLO_DT_F32;
            out.shape = (struct mlo_array){.dtype = type, .rank = 2, .n = buffer->n};
            out.shape.dims[0] = x->dims[0];
            out.shape.dims[1] = (int64_t)(buffer->n / (size_t)x->dims[0]);
            return add_out(m, out, err);
        }
    for (size_t v = 0; buffer->role == MLO_DEVICE_OUTPUT && v < m->o->graph->graph->n_values; v++)
        if (m->l.buffer_of[v] == b && m->wanted[v]) /* others are the same in another shape */
            return add_out(m, (struct mlo_program_out){.value = v, .shape = m->l.shape[v]}, err);
    return 0;
}

/* ---- which values somebody wants back ---- */

static void want(void *ctx, size_t value)
{
    const struct making *m = ctx;
    if (m->o->places[value] == MLO_PLACE_DEVICE)
        m->wanted[value] = true;
}

/* Scale and zero point are one buffer on the device. */
static bool is_pair(const struct making *m, size_t value)
{
    uint32_t b = m->l.buffer_of[value];
    return b != MLO_DEVICE_NO_BUFFER && m->l.buffers[b].n != m->l.shape[value].n;
}

/* Rows of packed sequences become one for each. */
static uint32_t pool(struct making *m, size_t value)
{
    static const uint32_t ways[] = {[MLO_POOL_MEAN] = MLO_DEVICE_POOL_MEAN,
                                    [MLO_POOL_CLS] = MLO_DEVICE_POOL_FIRST,
                                    [MLO_POOL_MAX] = MLO_DEVICE_POOL_MAX};
    const struct mlo_packed_room *room = m->l.packed;
    struct mlo_array *a = &m->from->shape[value];
    size_t width = a->n / room->rows;
    if (width > MLO_DEVICE_NORM_MAX) {
        m->l.why = "its rows are too long to be pooled";
        return MLO_DEVICE_NO_BUFFER;
    }
    a->n = room->sequences * width;
    a->rank--;
    memmove(a->dims, a->dims + 1, a->rank * sizeof *a->dims);
    a->dims[0] = (int64_t)room->sequences;
    struct mlo_device_step step = {
        .op = MLO_DEVICE_POOL,
        .buffer = {m->l.buffer_of[value], mlo_lower_first(&m->l),
                   mlo_lower_temporary(&m->l, MLO_DEVICE_F32, a->n)},
        .size = {(uint32_t)room->sequences, (uint32_t)room->rows, (uint32_t)width, ways[room->pooling]},
        .number = room->normalize ? 1 : 0};
    return mlo_lower_step(&m->l, &step) ? step.buffer[2] : MLO_DEVICE_NO_BUFFER;
}

static uint32_t as_is_wanted(struct making *m, size_t value)
{
    return m->p->room.pooling != MLO_POOL_NONE
               ? pool(m, value)
               : mlo_lower_convert(&m->l, m->l.buffer_of[value], MLO_DEVICE_F32);
}

/* False: m->l.why. */
static bool mark_outputs(struct making *m)
{
    const struct mlo_plan_graph *g = m->o->graph;
    const struct mlo_packing *packing = m->l.packed ? m->o->packing : NULL;
    for (size_t i = 0; i < g->n_steps && !packing; i++)
        if (m->o->steps[i].place == MLO_PLACE_AFTER)
            mlo_step_each_use(&g->steps[i], want, m);
    for (size_t i = 0; i < g->graph->n_outputs; i++)
        if (!packing || packing->outputs[i])
            want(m, g->graph->outputs[i]);
    for (size_t v = 0; v < g->graph->n_values; v++) {
        if (!m->wanted[v])
            continue;
        if (m->l.shape[v].dtype != MLO_DT_F32 || is_pair(m, v)) {
            m->l.why = "its bytes, or how they do, are wanted by the CPU";
            return false;
        }
        m->l.buffer_of[v] = as_is_wanted(m, v);
        if (m->l.buffer_of[v] == MLO_DEVICE_NO_BUFFER)
            return false;
        struct mlo_device_buffer *b = &m->l.buffers[m->l.buffer_of[v]];
        if (b->role != MLO_DEVICE_TEMPORARY) {
            m->l.why = "an output is an input in another shape, or is wanted in two";
            return false;
        }
        b->role = MLO_DEVICE_OUTPUT;
    }
    return true;
}

static bool emit_all(struct making *m, size_t *ret_at)
{
    bool ok = true;
    for (size_t i = 0; ok && i < m->o->graph->n_steps; i++) {
        const struct mlo_offload_step *s = &m->o->steps[i];
        m->l.at = *ret_at = i;
        m->l.weight = s->weight;
        bool is_there = s->place == MLO_PLACE_DEVICE && (!m->l.packed || m->o->packing->steps[i].runs);
        ok = !is_there || s->how->emit(&m->l, &m->o->graph->steps[i]);
    }
    return ok && m->l.err->code == 0;
}

/* ---- the program ---- */

static void say_why(struct making *m, size_t step, const char *why)
{
    const struct mlo_node *n = m->o->graph->steps[step].node;
    char name[MLO_SHOWN], op[MLO_SHOWN];
    snprintf(m->p->why, sizeof m->p->why, "node '%s' (%s): %s", mlo_shown(n->name, strlen(n->name), name),
             mlo_shown(n->op, strlen(n->op), op), why);
}

static void start(struct making *m)
{
    const struct mlo_device_program program = {.buffers = m->l.buffers,
                                               .steps = m->l.steps,
                                               .n_buffers = (uint32_t)m->l.n_buffers,
                                               .n_steps = (uint32_t)m->l.n_steps,
                                               .tf32 = m->o->opts.precision == MLO_OFFLOAD_TF32,
                                               .depth = m->p->in_pieces ? MLO_DEVICE_DEPTH_MAX : 1};
    char reason[MLO_DEVICE_REASON] = "";
    mlo_program_cost(&program, &m->p->cost);
    int status = m->o->opts.api->program_new(&program, m->o->weights, &m->p->run, reason);
    if (status == MLO_DEVICE_OK)
        return;
    snprintf(m->p->why, sizeof m->p->why, "%s: %s",
             status == MLO_DEVICE_MEMORY ? "the device's memory is full"
                                         : "the device does not take the model",
             reason);
    if (status == MLO_DEVICE_LOST || status == MLO_DEVICE_NONE)
        mlo_offload_blame(m->o, true, m->p->why);
}

static int lower(struct making *m, struct mlo_err *err)
{
    struct mlo_err own = MLO_ERR_INIT; /* by it a fault of ours is told from what the device cannot do */
    size_t at = 0;
    int rc = 0;
    m->l.err = &own;
    memset(m->l.buffer_of, 0xff, m->o->graph->graph->n_values * sizeof *m->l.buffer_of);
    memset(m->l.sums_of, 0xff, m->o->graph->n_steps * sizeof *m->l.sums_of);
    if (!emit_all(m, &at) || !mark_outputs(m)) {
        if (own.code)
            *err = own;
        else
            say_why(m, at, m->l.why ? m->l.why : "its type is not one of the device's");
        return own.code;
    }
    for (uint32_t b = 0; rc == 0 && b < m->l.n_buffers; b++)
        rc = list_buffer(m, b, err);
    if (rc == 0)
        rc = mlo_program_step_costs(&m->l, &m->p->steps, err);
    if (rc == 0) {
        m->p->n_steps = m->l.n_steps;
        start(m);
    }
    return rc;
}

/* room: NULL of ordinary rows. */
static int make(struct mlo_offload *o, struct mlo_learned *from, size_t rows,
                const struct mlo_packed_room *room, struct mlo_program **ret, struct mlo_err *err)
{
    const struct mlo_graph *g = o->graph->graph;
    struct making m = {.o = o,
                       .from = from,
                       .l = {.o = o,
                             .shape = from->shape,
                             .packed = room,
                             .first = MLO_DEVICE_NO_BUFFER,
                             .mask.value = MLO_NO_VALUE}};
    MLO_AUTOFREE bool *wanted = mlo_calloc(g->n_values + 1, sizeof *wanted, err);
    m.wanted = wanted;
    m.l.buffer_of = wanted ? mlo_calloc(g->n_values + 1, sizeof *m.l.buffer_of, err) : NULL;
    m.l.sums_of = m.l.buffer_of ? mlo_calloc(o->graph->n_steps + 1, sizeof *m.l.sums_of, err) : NULL;
    m.p = m.l.sums_of ? mlo_calloc(1, sizeof *m.p, err) : NULL;
    if (m.p)
        m.p->inputs = mlo_calloc(g->n_inputs + 1, sizeof *m.p->inputs, err);
    int rc = m.p && m.p->inputs ? 0 : err->code;
    for (size_t i = 0; rc == 0 && i < g->n_inputs; i++)
        m.p->inputs[i] = from->shape[g->inputs[i]];
    if (rc == 0) {
        m.p->rows = rows;
        m.p->room = room ? *room : (struct mlo_packed_room){0};
        m.p->in_pieces = rows && (size_t)from->inputs[0].dims[0] > rows;
        rc = lower(&m, err);
    }
    free(m.l.buffers);
    free(m.l.steps);
    free(m.l.steps_of);
    free(m.l.buffer_of);
    free(m.l.sums_of);
    if (rc != 0)
        mlo_program_free(o, m.p);
    else
        *ret = m.p;
    return rc;
}

static int make_packed(struct mlo_offload *o, struct mlo_learned *from, const struct mlo_packed *packed,
                       struct mlo_program **ret, struct mlo_err *err)
{
    struct mlo_packed_room room = mlo_packed_room(packed);
    set_packed_rows(o, from, packed->first[packed->n], room.rows);
    return make(o, from, room.rows, &room, ret, err);
}

int mlo_program_make(struct mlo_offload *o, struct mlo_learned *from, const struct mlo_packed *packed,
                     struct mlo_program **ret, struct mlo_err *err)
{
    if (packed)
        return make_packed(o, from, packed, ret, err);
    size_t n = rows_of(o, from), bytes = n ? mlo_row_bytes(from->inputs, o->graph->graph->n_inputs) : 0;
    size_t rows = n ? mlo_piece_rows(o, n, bytes) : 0;
    int rc;
    if (n) {
        set_all_rows(o, from, n, rows);
        rc = make(o, from, rows, NULL, ret, err);
        if (rc != 0 || (*ret)->run || rows == n)
            return rc;
        mlo_program_free(o, mlo_steal(ret));
        set_all_rows(o, from, rows, n);
    }
    return make(o, from, 0, NULL, ret, err);
}
