/*
 * A plan: the graph as steps, in three phases. First nodes become steps, and what depends on constants alone
 * is computed now, once. Then passes fuse steps (fuse.h), and what nobody uses is left out. Last the steps
 * that remain are prepared, so that only their weights are packed, and each learns which values die with it.
 */
#include "infer/passes/fuse.h"
#include "infer/device/offload.h"
#include "packed.h"

#include <string.h>

#include <mlopsctl/base/text.h>

#define FUSED_BYTES_MAX ((size_t)4 << 30) /* of nodes and parameters of fused steps */

struct maker { /* while a plan is made */
    const struct mlo_plan_opts *opts;
    struct mlo_session session; /* folding runs here */
    struct mlo_arena *weights;
};

static void free_graph(struct mlo_plan_graph *g);

static void unprepare(struct mlo_step *s)
{
    if (s->state && s->op->release)
        s->op->release(s->state);
    else
        free(s->state);
    s->state = NULL;
}

static void free_step(struct mlo_step *s)
{
    unprepare(s);
    for (size_t i = 0; s->graphs && i < s->node->n_attrs; i++)
        free_graph(s->graphs[i]);
    free(s->graphs);
    free(s->dead);
}

static void free_graph(struct mlo_plan_graph *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n_steps; i++)
        free_step(&g->steps[i]);
    for (size_t i = 0; g->folded && i < g->graph->n_values; i++)
        if (g->folded[i])
            free(g->constants[i].array.data);
    free(g->steps);
    free(g->constants);
    free(g->folded);
    mlo_arena_release(&g->memory);
    free(g);
}

/* ---- constants ---- */

static bool is_constant(const struct mlo_plan_graph *g, size_t value)
{
    return value != MLO_NO_VALUE && g->constants[value].kind != MLO_KIND_UNKNOWN;
}

static const struct mlo_array *constant_of(const struct mlo_plan_graph *g, size_t value)
{
    return is_constant(g, value) && g->constants[value].kind == MLO_KIND_ARRAY ? &g->constants[value].array
                                                                               : NULL;
}

/* *ret_packed: owner the caller; of each input whether runs will not look at it. */
static int prepare(const struct mlo_plan_graph *g, struct mlo_step *s, struct mlo_arena *weights,
                   bool **ret_packed, struct mlo_err *err)
{
    MLO_AUTOFREE const struct mlo_array **constant = mlo_calloc(s->n_in + 1, sizeof *constant, err);
    MLO_AUTOFREE bool *packed = mlo_calloc(s->n_in + 1, sizeof *packed, err);
    if (!constant || !packed)
        return err->code;
    for (size_t i = 0; i < s->n_in; i++)
        constant[i] = constant_of(g, s->in[i]);
    struct mlo_op_prepare p = {s->node, constant, s->n_in, s->params, packed, weights};
    int rc = s->op->prepare ? s->op->prepare(&p, &s->state, err) : 0;
    if (rc == 0)
        *ret_packed = mlo_steal(&packed);
    return rc;
}

int mlo_step_fail(const struct mlo_step *s, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    return mlo_wrap(err, "node '%s' (%s)", mlo_shown(s->node->name, strlen(s->node->name), shown),
                    s->node->op);
}

/* ---- folding ---- */

static bool can_fold(const struct maker *m, const struct mlo_plan_graph *g, const struct mlo_step *s)
{
    if (m->opts->plain || s->op->varies || s->graphs || s->n_out == 0)
        return false;
    for (size_t i = 0; i < s->n_in; i++)
        if (s->in[i] != MLO_NO_VALUE && !is_constant(g, s->in[i]))
            return false;
    return true;
}

static size_t text_bytes(const struct mlo_array *a)
{
    const struct mlo_slice *s = a->data;
    size_t n = 0;
    for (size_t i = 0; a->dtype == MLO_DT_STRING && i < a->n; i++)
        n += s[i].len;
    return n;
}

/* A copy that the plan owns: the strings' bytes lie behind their slices. */
static int keep(struct mlo_plan_graph *g, size_t id, const struct mlo_array *a, struct mlo_err *err)
{
    size_t bytes = 0, texts = text_bytes(a);
    if (!mlo_array_bytes(a->dtype, a->n, &bytes))
        return mlo_fail_nomem(err);
    char *p = aligned_alloc(64, (bytes + texts + 64) & ~(size_t)63);
    if (!p)
        return mlo_fail_nomem(err);
    if (bytes)
        memcpy(p, a->data, bytes);
    char *at = p + bytes;
    struct mlo_slice *s = (struct mlo_slice *)(void *)p;
    for (size_t i = 0; texts && i < a->n; i++) {
        memcpy(at, s[i].ptr, s[i].len);
        s[i].ptr = at;
        at += s[i].len;
    }
    g->constants[id] = (struct mlo_value){.kind = MLO_KIND_ARRAY, .array = *a};
    g->constants[id].array.data = p;
    g->folded[id] = 1;
    return 0;
}

/* *ret_done false: it cannot be computed now, or is not worth keeping; it stays a step. */
static int fold(struct maker *m, struct mlo_plan_graph *g, struct mlo_step *s, bool *ret_done,
                struct mlo_err *err)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    MLO_AUTOFREE bool *packed = NULL;
    int rc = prepare(g, s, NULL, &packed, err);
    if (rc == 0 && !g->frame)
        rc = mlo_frame_take(&m->session, g, &g->frame, err);
    if (rc != 0)
        return rc;
    struct mlo_frame *f = g->frame;
    bool good = mlo_step_run(&m->session, f, s, &ignored) == 0;
    for (size_t i = 0; good && i < s->n_out; i++)
        good = s->out[i] == MLO_NO_VALUE || f->values[s->out[i]].kind == MLO_KIND_ARRAY;
    for (size_t i = 0; rc == 0 && good && i < s->n_out; i++)
        if (s->out[i] != MLO_NO_VALUE)
            rc = keep(g, s->out[i], &f->values[s->out[i]].array, err);
    for (size_t i = 0; i < s->n_out; i++)
        if (s->out[i] != MLO_NO_VALUE)
            mlo_value_drop(&m->session, &f->values[s->out[i]]);
    for (size_t i = 0; rc == 0 && good && i < s->n_out; i++)
        if (s->out[i] != MLO_NO_VALUE)
            f->values[s->out[i]] = g->constants[s->out[i]];
    unprepare(s);
    *ret_done = good;
    return rc;
}

/* ---- steps ---- */

static int make_graph(struct maker *m, const struct mlo_graph *graph, const struct mlo_plan_graph *outer,
                      struct mlo_plan_graph **ret, struct mlo_err *err);

static int refuse(const struct mlo_node *n, struct mlo_err *err)
{
    char name[MLO_SHOWN], op[MLO_SHOWN];
    mlo_fail(err, MLO_EUNAVAIL, "node '%s': operator %s%s%s of version %lld is not supported",
             mlo_shown(n->name, strlen(n->name), name), n->domain, *n->domain ? "." : "",
             mlo_shown(n->op, strlen(n->op), op), (long long)n->version);
    return mlo_hint(err,
                    "`mlopsctl onnx inspect` lists what a model needs; a converter may have an option to "
                    "avoid the operator");
}

static int make_subgraphs(struct maker *m, const struct mlo_plan_graph *g, struct mlo_step *s,
                          struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < s->node->n_attrs; i++) {
        if (s->node->attrs[i].kind != MLO_ATTR_GRAPH)
            continue;
        if (!s->graphs)
            s->graphs = mlo_calloc(s->node->n_attrs, sizeof *s->graphs, err);
        rc = s->graphs ? make_graph(m, s->node->attrs[i].graph, g, &s->graphs[i], err) : err->code;
    }
    return rc;
}

static int make_step(struct maker *m, struct mlo_plan_graph *g, const struct mlo_node *n, struct mlo_err *err)
{
    struct mlo_step s = {.op = n->params ? &mlo_op_booster : mlo_op_find(n->domain, n->op, n->version),
                         .node = n,
                         .params = n->params,
                         .in = n->inputs,
                         .out = n->outputs,
                         .n_in = n->n_inputs,
                         .n_out = n->n_outputs};
    bool done = false;
    if (!s.op)
        return refuse(n, err);
    int rc = make_subgraphs(m, g, &s, err);
    if (rc == 0 && can_fold(m, g, &s))
        rc = fold(m, g, &s, &done, err);
    if (rc != 0)
        mlo_step_fail(&s, err);
    if (rc != 0 || done)
        free_step(&s);
    else
        g->steps[g->n_steps++] = s;
    return rc;
}

/* ---- who needs what ---- */

void mlo_step_each_use(const struct mlo_step *s, void (*fn)(void *ctx, size_t value), void *ctx)
{
    for (size_t i = 0; i < s->n_in; i++)
        if (s->in[i] != MLO_NO_VALUE)
            fn(ctx, s->in[i]);
    for (size_t i = 0; s->graphs && i < s->node->n_attrs; i++)
        for (size_t k = 0; s->graphs[i] && k < s->graphs[i]->graph->n_captures; k++)
            fn(ctx, s->graphs[i]->graph->captures[k].outer);
}

static void mark(void *ctx, size_t value)
{
    unsigned char *needed = ctx;
    needed[value] = 1;
}

static bool is_needed(const struct mlo_step *s, const unsigned char *needed)
{
    for (size_t i = 0; i < s->n_out; i++)
        if (s->out[i] != MLO_NO_VALUE && needed[s->out[i]])
            return true;
    return false;
}

/* Operators have no effect but their outputs: a step whose outputs nobody uses is left out. */
static void drop_idle(struct mlo_plan_graph *g, unsigned char *needed)
{
    size_t kept = g->n_steps;
    for (size_t i = 0; i < g->graph->n_outputs; i++)
        needed[g->graph->outputs[i]] = 1;
    for (size_t i = g->n_steps; i-- > 0;) {
        if (is_needed(&g->steps[i], needed)) {
            mlo_step_each_use(&g->steps[i], mark, needed);
            g->steps[--kept] = g->steps[i];
        } else {
            free_step(&g->steps[i]);
        }
    }
    g->n_steps -= kept;
    memmove(g->steps, g->steps + kept, g->n_steps * sizeof *g->steps);
}

struct last_uses {
    unsigned char *seen; /* values that a later step uses, or that must stay */
    size_t *dead;
    size_t n;
};

static void see(void *ctx, size_t value)
{
    struct last_uses *l = ctx;
    if (!l->seen[value])
        l->dead[l->n++] = value;
    l->seen[value] = 1;
}

/* From the last step to the first: a value not seen yet dies here. */
static int find_dead(struct last_uses *l, struct mlo_step *s, struct mlo_err *err)
{
    size_t most = s->n_in + s->n_out;
    for (size_t i = 0; s->graphs && i < s->node->n_attrs; i++)
        most += s->graphs[i] ? s->graphs[i]->graph->n_captures : 0;
    s->dead = l->dead = mlo_calloc(most + 1, sizeof *s->dead, err);
    if (!s->dead)
        return err->code;
    l->n = 0;
    for (size_t i = 0; i < s->n_out; i++)
        if (s->out[i] != MLO_NO_VALUE)
            see(l, s->out[i]);
    mlo_step_each_use(s, see, l);
    s->n_dead = l->n;
    return 0;
}

static int find_lives(struct mlo_plan_graph *g, unsigned char *seen, struct mlo_err *err)
{
    struct last_uses l = {.seen = seen};
    int rc = 0;
    memset(seen, 0, g->graph->n_values);
    for (size_t i = 0; i < g->graph->n_outputs; i++)
        seen[g->graph->outputs[i]] = 1;
    for (size_t i = 0; i < g->graph->n_values; i++)
        seen[i] = seen[i] || is_constant(g, i);
    for (size_t i = g->n_steps; rc == 0 && i-- > 0;)
        rc = find_dead(&l, &g->steps[i], err);
    return rc;
}

static int fuse(struct mlo_plan_graph *g, struct mlo_err *err)
{
    MLO_AUTOFREE unsigned char *needed = NULL;
    int rc = mlo_fuse_graph(g, err);
    if (rc != 0)
        return rc;
    needed = mlo_calloc(g->graph->n_values + 1, 1, err);
    if (!needed)
        return err->code;
    drop_idle(g, needed);
    return 0;
}

/* ---- constants that nobody looks at ---- */

static void forget(struct maker *m, struct mlo_plan_graph *g, size_t value)
{
    if (!constant_of(g, value))
        return;
    if (g->folded[value]) {
        free(g->constants[value].array.data);
        g->constants[value].array.data = NULL;
        g->folded[value] = 0;
    } else if (value < g->graph->n_values && g->graph->values[value].constant) {
        mlo_onnx_forget(m->session.plan->model, &g->constants[value].array);
    }
}

static void count_use(void *ctx, size_t value)
{
    size_t *uses = ctx;
    uses[value]++;
}

static void count_uses(const struct mlo_plan_graph *g, size_t *uses)
{
    for (size_t i = 0; i < g->n_steps; i++)
        mlo_step_each_use(&g->steps[i], count_use, uses);
    for (size_t i = 0; i < g->graph->n_outputs; i++)
        uses[g->graph->outputs[i]]++;
}

/* What is packed, and what was only folded, gives its memory back at once: a model is not in memory twice. */
static int prepare_all(struct maker *m, struct mlo_plan_graph *g, struct mlo_err *err)
{
    MLO_AUTOFREE size_t *uses = mlo_calloc(g->graph->n_values + 1, sizeof *uses, err);
    if (!uses)
        return err->code;
    count_uses(g, uses);
    for (size_t i = 0; i < g->graph->n_values && !m->opts->plain; i++)
        if (uses[i] == 0)
            forget(m, g, i);
    for (size_t i = 0; i < g->n_steps; i++) {
        MLO_AUTOFREE bool *packed = NULL;
        if (prepare(g, &g->steps[i], m->weights, &packed, err) != 0)
            return mlo_step_fail(&g->steps[i], err);
        for (size_t k = 0; k < g->steps[i].n_in && !m->opts->plain; k++)
            if (packed[k] && --uses[g->steps[i].in[k]] == 0)
                forget(m, g, g->steps[i].in[k]);
    }
    return 0;
}

static int finish(struct maker *m, struct mlo_plan_graph *g, struct mlo_err *err)
{
    MLO_AUTOFREE unsigned char *seen = NULL;
    int rc = prepare_all(m, g, err);
    if (rc != 0)
        return rc;
    seen = mlo_calloc(g->graph->n_values + 1, 1, err);
    return seen ? find_lives(g, seen, err) : err->code;
}

/* ---- a graph ---- */

static int new_graph(const struct mlo_graph *graph, const struct mlo_plan_graph *outer,
                     struct mlo_plan_graph **ret, struct mlo_err *err)
{
    struct mlo_plan_graph *g = *ret = mlo_calloc(1, sizeof *g, err);
    if (!g)
        return err->code;
    g->graph = graph;
    mlo_arena_init(&g->memory, FUSED_BYTES_MAX);
    g->steps = mlo_calloc(graph->n_nodes + 1, sizeof *g->steps, err);
    g->constants = g->steps ? mlo_calloc(graph->n_values + 1, sizeof *g->constants, err) : NULL;
    g->folded = g->constants ? mlo_calloc(graph->n_values + 1, 1, err) : NULL;
    if (!g->folded)
        return err->code;
    for (size_t i = 0; i < graph->n_values; i++)
        if (graph->values[i].constant)
            g->constants[i] = (struct mlo_value){.kind = MLO_KIND_ARRAY, .array = *graph->values[i].constant};
    for (size_t i = 0; outer && i < graph->n_captures; i++)
        g->constants[graph->captures[i].inner] = outer->constants[graph->captures[i].outer];
    return 0;
}

static int make_graph(struct maker *m, const struct mlo_graph *graph, const struct mlo_plan_graph *outer,
                      struct mlo_plan_graph **ret, struct mlo_err *err)
{
    int rc = new_graph(graph, outer, ret, err);
    for (size_t i = 0; rc == 0 && i < graph->n_nodes; i++)
        rc = make_step(m, *ret, &graph->nodes[i], err);
    if (*ret)
        mlo_frame_give(&m->session, mlo_steal(&(*ret)->frame));
    if (rc == 0 && !m->opts->plain)
        rc = fuse(*ret, err);
    return rc == 0 ? finish(m, *ret, err) : rc;
}

/* ---- the plan ---- */

static int take_ports(const struct mlo_graph *g, const size_t *ids, size_t n, struct mlo_port_type **ret,
                      struct mlo_err *err)
{
    *ret = mlo_calloc(n + 1, sizeof **ret, err);
    if (!*ret)
        return err->code;
    for (size_t i = 0; i < n; i++) {
        const struct mlo_graph_value *v = &g->values[ids[i]];
        (*ret)[i] = (struct mlo_port_type){v->name, v->kind, v->dtype,   v->key,       v->has_shape,
                                           v->rank, v->dims, v->columns, v->categories};
    }
    return 0;
}

/* What can never run is told now, before anything is computed. */
static int check_shapes(const struct mlo_graph *g, struct mlo_err *err)
{
    struct mlo_shapes *s = NULL;
    int rc = mlo_shapes_new(g, NULL, 0, &s, err);
    mlo_shapes_free(s);
    return rc;
}

static int make_plan(struct mlo_plan *p, const struct mlo_plan_opts *opts, struct mlo_err *err)
{
    struct maker m = {.opts = opts, .weights = &p->weights};
    const struct mlo_graph *g = p->model->graph;
    int rc = check_shapes(g, err);
    if (rc != 0)
        return rc;
    mlo_session_init(&m.session, p);
    m.session.buffer_max = opts->fold_bytes ? opts->fold_bytes : MLO_FOLD_BYTES_MAX;
    rc = make_graph(&m, g, NULL, &p->graph, err);
    if (rc == 0 && !opts->plain)
        rc = mlo_packing_new(p->graph, &m.session, &p->packing, err);
    mlo_session_release(&m.session);
    if (rc == 0)
        rc = take_ports(g, g->inputs, g->n_inputs, &p->inputs, err);
    if (rc == 0)
        rc = take_ports(g, g->outputs, g->n_outputs, &p->outputs, err);
    p->n_inputs = g->n_inputs;
    p->n_outputs = g->n_outputs;
    return rc;
}

int mlo_plan_new(struct mlo_onnx_model *model, const struct mlo_plan_opts *opts, struct mlo_plan **ret,
                 struct mlo_err *err)
{
    static const struct mlo_plan_opts usual;
    struct mlo_plan *p = mlo_calloc(1, sizeof *p, err);
    if (!p) {
        mlo_onnx_close(model);
        return err->code;
    }
    p->model = model;
    mlo_arena_init(&p->weights, SIZE_MAX / 2);
    int rc = make_plan(p, opts ? opts : &usual, err);
    if (rc != 0)
        mlo_plan_free(p);
    else
        *ret = p;
    return rc;
}

void mlo_plan_free(struct mlo_plan *p)
{
    if (!p)
        return;
    mlo_offload_free(p->offload);
    mlo_packing_free(p->packing);
    free_graph(p->graph);
    free(p->inputs);
    free(p->outputs);
    mlo_arena_release(&p->weights);
    mlo_onnx_close(p->model);
    free(p);
}

const struct mlo_port_type *mlo_plan_inputs(const struct mlo_plan *p, size_t *ret_n)
{
    *ret_n = p->n_inputs;
    return p->inputs;
}

const struct mlo_port_type *mlo_plan_outputs(const struct mlo_plan *p, size_t *ret_n)
{
    *ret_n = p->n_outputs;
    return p->outputs;
}

const struct mlo_onnx_model *mlo_plan_model(const struct mlo_plan *p)
{
    return p->model;
}

size_t mlo_plan_steps(const struct mlo_plan *p)
{
    return p->graph->n_steps;
}

void mlo_plan_step(const struct mlo_plan *p, size_t i, struct mlo_step_info *ret)
{
    const struct mlo_node *n = p->graph->steps[i].node;
    *ret = (struct mlo_step_info){n->domain, n->op, n->name};
}
