/* The frame in which passes fuse steps: who makes and who uses a value, and one step in place of several. */
#include "fuse.h"

#include <string.h>

#define ENTRY(name) mlo_fuse_##name,
static int (*const passes[])(struct mlo_fuse *f, size_t at, struct mlo_err *err) = {MLO_FUSE_PASSES(ENTRY)};

/* ---- the maps ---- */

static int make_maps(struct mlo_fuse *f, struct mlo_err *err)
{
    size_t n = f->g->graph->n_values + 1;
    f->maker = mlo_calloc(n, sizeof *f->maker, err);
    f->uses = f->maker ? mlo_calloc(n, sizeof *f->uses, err) : NULL;
    f->user = f->uses ? mlo_calloc(n, sizeof *f->user, err) : NULL;
    f->origin = f->user ? mlo_calloc(n, sizeof *f->origin, err) : NULL;
    return f->origin ? 0 : err->code;
}

struct noting {
    struct mlo_fuse *f;
    size_t step;
    bool add;
};

static void note_use(void *ctx, size_t value)
{
    struct noting *n = ctx;
    n->f->uses[value] += n->add ? 1 : (size_t)-1;
    n->f->user[value] ^= n->step;
}

static void note_step(struct mlo_fuse *f, size_t at, bool add)
{
    struct noting n = {f, at, add};
    const struct mlo_step *s = &f->g->steps[at];
    mlo_step_each_use(s, note_use, &n);
    for (size_t i = 0; i < s->n_out; i++)
        if (s->out[i] != MLO_NO_VALUE)
            f->maker[s->out[i]] = add ? at : MLO_NO_STEP;
}

static void draw_maps(struct mlo_fuse *f)
{
    const struct mlo_graph *g = f->g->graph;
    for (size_t i = 0; i < f->g->graph->n_values; i++) {
        f->maker[i] = MLO_NO_STEP;
        f->uses[i] = f->user[i] = 0;
    }
    for (size_t i = 0; i < g->n_nodes; i++)
        for (size_t k = 0; k < g->nodes[i].n_outputs; k++)
            if (g->nodes[i].outputs[k] != MLO_NO_VALUE)
                f->origin[g->nodes[i].outputs[k]] = &g->nodes[i];
    for (size_t i = 0; i < f->g->n_steps; i++)
        note_step(f, i, true);
    for (size_t i = 0; i < g->n_outputs; i++) {
        f->uses[g->outputs[i]]++;
        f->user[g->outputs[i]] ^= MLO_NO_STEP;
    }
}

/* ---- looking ---- */

bool mlo_fuse_is(const struct mlo_fuse *f, size_t at, const char *op)
{
    if (at == MLO_NO_STEP || f->gone[at])
        return false;
    const struct mlo_node *n = f->g->steps[at].node;
    return !*n->domain && strcmp(n->op, op) == 0;
}

size_t mlo_fuse_input(const struct mlo_fuse *f, size_t at, size_t i)
{
    const struct mlo_step *s = &f->g->steps[at];
    return i < s->n_in ? s->in[i] : MLO_NO_VALUE;
}

size_t mlo_fuse_maker(const struct mlo_fuse *f, size_t at, size_t i)
{
    size_t v = mlo_fuse_input(f, at, i);
    return v == MLO_NO_VALUE ? MLO_NO_STEP : f->maker[v];
}

size_t mlo_fuse_only_user(const struct mlo_fuse *f, size_t at)
{
    const struct mlo_step *s = &f->g->steps[at];
    if (s->n_out == 0 || s->out[0] == MLO_NO_VALUE || f->uses[s->out[0]] != 1)
        return MLO_NO_STEP;
    return f->user[s->out[0]];
}

const struct mlo_array *mlo_fuse_array(const struct mlo_fuse *f, size_t value)
{
    bool constant = value != MLO_NO_VALUE && f->g->constants[value].kind == MLO_KIND_ARRAY;
    return constant ? &f->g->constants[value].array : NULL;
}

const struct mlo_array *mlo_fuse_constant(const struct mlo_fuse *f, size_t at, size_t i)
{
    return mlo_fuse_array(f, mlo_fuse_input(f, at, i));
}

bool mlo_fuse_number(const struct mlo_fuse *f, size_t at, size_t i, double *ret)
{
    const struct mlo_array *a = mlo_fuse_constant(f, at, i);
    return a && a->n == 1 && mlo_dtype_to_double(a->dtype, a->data, 0, ret);
}

bool mlo_fuse_float(const struct mlo_fuse *f, size_t at, size_t i, float *ret)
{
    const struct mlo_array *a = mlo_fuse_constant(f, at, i);
    if (!a || a->rank != 0 || a->dtype != MLO_DT_F32)
        return false;
    *ret = *(const float *)a->data;
    return true;
}

/* The last dimension of a constant's transposed, or as it is. */
static size_t columns_of(const struct mlo_array *a, bool transposed)
{
    return a && a->rank > 0 && (!transposed || a->rank == 2) ? (size_t)a->dims[transposed ? 0 : a->rank - 1]
                                                             : 0;
}

#define LOOK_BACK 5 /* steps from which a length is known */

static size_t columns_back(const struct mlo_fuse *f, size_t value, unsigned steps);

/* Of two that are repeated to fit: a length other than 1 is that of the result. */
static size_t columns_of_both(const struct mlo_fuse *f, size_t at, unsigned steps)
{
    for (size_t i = 0; i < 2; i++) {
        size_t n = columns_back(f, mlo_fuse_input(f, at, i), steps);
        if (n > 1)
            return n;
    }
    return 0;
}

static size_t columns_back(const struct mlo_fuse *f, size_t value, unsigned steps)
{
    static const char *const both[] = {"Add", "Sub", "Mul", "Div"};
    size_t at = value == MLO_NO_VALUE ? MLO_NO_STEP : f->maker[value];
    if (value != MLO_NO_VALUE && f->g->constants[value].kind == MLO_KIND_ARRAY)
        return columns_of(&f->g->constants[value].array, false);
    if (at == MLO_NO_STEP || steps == 0)
        return 0;
    const struct mlo_array *table = mlo_fuse_constant(f, at, 0);
    const struct mlo_node *n = f->g->steps[at].node;
    if (mlo_fuse_is(f, at, "MatMul") && columns_of(mlo_fuse_constant(f, at, 1), false) &&
        mlo_fuse_constant(f, at, 1)->rank > 1)
        return columns_of(mlo_fuse_constant(f, at, 1), false);
    if (mlo_fuse_is(f, at, "Gemm"))
        return columns_of(mlo_fuse_constant(f, at, 1), mlo_attr_int(n, "transB", 0) != 0);
    if (mlo_fuse_is(f, at, "Gather") && table && table->rank > 1 && mlo_attr_int(n, "axis", 0) == 0)
        return columns_of(table, false);
    for (size_t i = 0; i < MLO_COUNT(both); i++)
        if (mlo_fuse_is(f, at, both[i]))
            return columns_of_both(f, at, steps - 1);
    if (strcmp(n->domain, MLO_OWN_DOMAIN) == 0 && strcmp(n->op, "LayerNorm") == 0)
        return columns_back(f, mlo_fuse_input(f, at, 1), steps - 1);
    return 0;
}

size_t mlo_fuse_columns(const struct mlo_fuse *f, size_t value)
{
    return columns_back(f, value, LOOK_BACK);
}

size_t mlo_fuse_other(const struct mlo_fuse *f, size_t at, size_t value)
{
    const struct mlo_step *s = &f->g->steps[at];
    if (s->n_in != 2 || (s->in[0] != value && s->in[1] != value))
        return MLO_NO_VALUE;
    return s->in[s->in[0] == value];
}

/* ---- replacing ---- */

static bool is_among(const size_t *list, size_t n, size_t item)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == item)
            return true;
    return false;
}

struct counting {
    size_t value, n;
};

static void count_use(void *ctx, size_t value)
{
    struct counting *c = ctx;
    c->n += value == c->value;
}

size_t mlo_fuse_uses_by(const struct mlo_fuse *f, size_t at, size_t value)
{
    struct counting c = {.value = value};
    mlo_step_each_use(&f->g->steps[at], count_use, &c);
    return c.n;
}

/* A value that would be made no longer is used by the replaced steps alone; one that is made later than
 * before is not used earlier. */
static bool may_move(const struct mlo_fuse *f, const size_t *steps, size_t n, size_t last,
                     const struct mlo_fused *with, size_t value)
{
    size_t inside = 0;
    if (is_among(with->out, with->n_out, value)) {
        for (size_t at = f->maker[value] + 1; at < last; at++)
            if (!f->gone[at] && !is_among(steps, n, at) && mlo_fuse_uses_by(f, at, value) > 0)
                return false;
        return true;
    }
    for (size_t i = 0; i < n; i++)
        inside += mlo_fuse_uses_by(f, steps[i], value);
    return inside == f->uses[value];
}

static bool is_legal(const struct mlo_fuse *f, const size_t *steps, size_t n, size_t last,
                     const struct mlo_fused *with)
{
    for (size_t i = 0; i < n; i++) {
        const struct mlo_step *s = &f->g->steps[steps[i]];
        if (f->gone[steps[i]] || s->graphs)
            return false;
        for (size_t k = 0; k < s->n_out; k++)
            if (s->out[k] != MLO_NO_VALUE && !may_move(f, steps, n, last, with, s->out[k]))
                return false;
    }
    return true;
}

static void *copy(struct mlo_arena *a, const void *from, size_t n, size_t size, struct mlo_err *err)
{
    void *to = mlo_arena_alloc(a, n ? n : 1, size ? size : 1, err);
    if (to && n && size)
        memcpy(to, from, n * size);
    return to;
}

/* The new step with a node of its own, which has the name of the last. */
static int make_step(struct mlo_plan_graph *g, const struct mlo_node *last, const struct mlo_fused *with,
                     struct mlo_step *ret, struct mlo_err *err)
{
    struct mlo_node *node = mlo_arena_alloc(&g->memory, 1, sizeof *node, err);
    size_t *in = node ? copy(&g->memory, with->in, with->n_in, sizeof *in, err) : NULL;
    size_t *out = in ? copy(&g->memory, with->out, with->n_out, sizeof *out, err) : NULL;
    void *params = out ? copy(&g->memory, with->params, with->params_size, 1, err) : NULL;
    if (!params)
        return err->code;
    *node = (struct mlo_node){.name = last->name,
                              .op = with->op->name,
                              .domain = MLO_OWN_DOMAIN,
                              .version = 1,
                              .inputs = in,
                              .outputs = out,
                              .n_inputs = with->n_in,
                              .n_outputs = with->n_out};
    *ret = (struct mlo_step){.op = with->op,
                             .node = node,
                             .params = params,
                             .in = in,
                             .out = out,
                             .n_in = with->n_in,
                             .n_out = with->n_out};
    return 0;
}

int mlo_fuse_replace(struct mlo_fuse *f, const size_t *steps, size_t n, const struct mlo_fused *with,
                     bool *ret_done, struct mlo_err *err)
{
    struct mlo_step made;
    size_t last = 0;
    for (size_t i = 0; i < n; i++)
        last = steps[i] > last ? steps[i] : last;
    *ret_done = is_legal(f, steps, n, last, with);
    if (!*ret_done)
        return 0;
    int rc = make_step(f->g, f->g->steps[last].node, with, &made, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n; i++) {
        note_step(f, steps[i], false);
        f->gone[steps[i]] = steps[i] != last;
    }
    f->g->steps[last] = made;
    note_step(f, last, true);
    return 0;
}

/* ---- all passes ---- */

static void close_gaps(struct mlo_fuse *f)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->g->n_steps; i++)
        if (!f->gone[i])
            f->g->steps[kept++] = f->g->steps[i];
    f->g->n_steps = kept;
}

static bool is_idle(const struct mlo_fuse *f, const struct mlo_step *s)
{
    for (size_t i = 0; i < s->n_out; i++)
        if (s->out[i] != MLO_NO_VALUE && f->uses[s->out[i]] > 0)
            return false;
    return !s->graphs;
}

/* What nobody uses any more does not count as a user of others. */
static void drop_idle(struct mlo_fuse *f)
{
    for (size_t i = f->g->n_steps; i-- > 0;)
        if (!f->gone[i] && is_idle(f, &f->g->steps[i])) {
            note_step(f, i, false);
            f->gone[i] = 1;
        }
}

static int run_passes(struct mlo_fuse *f, struct mlo_err *err)
{
    int rc = 0;
    for (size_t p = 0; rc == 0 && p < MLO_COUNT(passes); p++) {
        drop_idle(f);
        for (size_t i = 0; rc == 0 && i < f->g->n_steps; i++)
            if (!f->gone[i])
                rc = passes[p](f, i, err);
    }
    return rc;
}

int mlo_fuse_graph(struct mlo_plan_graph *g, struct mlo_err *err)
{
    struct mlo_fuse f = {.g = g};
    f.gone = mlo_calloc(g->n_steps + 1, 1, err);
    int rc = f.gone ? make_maps(&f, err) : err->code;
    if (rc == 0) {
        draw_maps(&f);
        rc = run_passes(&f, err);
        close_gaps(&f);
    }
    free(f.gone);
    free(f.maker);
    free(f.uses);
    free(f.user);
    free(f.origin);
    return rc;
}
