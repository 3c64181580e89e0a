/*
 * A session: buffers that are used again, frames that hold the values of a graph while it runs, and the run
 * itself. Buffers are shared by counting; what nobody refers to goes to a list, from which the smallest that
 * fits is taken. They serve the first run of each shape and graphs that have no layout (layout.c).
 */
#include "infer/device/offload.h"
#include "stretch.h"
#include "team.h"

#include <string.h>

#include <mlopsctl/base/thread.h>

#include <mlopsctl/base/text.h>

#define TEXTS_MAX    ((size_t)4 << 30) /* strings that one run makes */
#define BUFFER_LEAST ((size_t)256)

/* ---- buffers ---- */

static void free_buffers(struct mlo_session *s)
{
    while (s->free_buffers) {
        struct mlo_buffer *b = s->free_buffers;
        s->free_buffers = b->next;
        s->memory_held -= b->cap;
        free(b);
    }
}

/* Buffers that nobody uses make room when there is none. */
static int make_room(struct mlo_session *s, size_t bytes, struct mlo_err *err)
{
    if (bytes > s->buffer_max)
        return mlo_fail(err, MLO_EUNAVAIL, "an array of %zu bytes is larger than allowed", bytes);
    if (s->memory_held > s->memory_max || bytes > s->memory_max - s->memory_held) {
        mlo_stretch_catch_up(s);
        free_buffers(s);
    }
    if (s->memory_held > s->memory_max || bytes > s->memory_max - s->memory_held)
        return mlo_fail(
            err, MLO_EUNAVAIL,
            "an array of %zu bytes beside the %zu that the run holds is more than the %zu allowed", bytes,
            s->memory_held, s->memory_max);
    return 0;
}

static int new_buffer(struct mlo_session *s, size_t bytes, struct mlo_buffer **ret, struct mlo_err *err)
{
    size_t cap = bytes < BUFFER_LEAST ? BUFFER_LEAST : (bytes + 63) & ~(size_t)63;
    if (cap < bytes || cap > SIZE_MAX - sizeof(struct mlo_buffer) - 63)
        return mlo_fail_nomem(err);
    int rc = make_room(s, cap, err);
    if (rc != 0)
        return rc;
    struct mlo_buffer *b = aligned_alloc(64, (sizeof *b + cap + 63) & ~(size_t)63);
    if (!b)
        return mlo_fail_nomem(err);
    b->cap = cap;
    s->memory_held += cap;
    *ret = b;
    return 0;
}

int mlo_buffer_take(struct mlo_session *s, size_t bytes, struct mlo_buffer **ret, struct mlo_err *err)
{
    struct mlo_buffer **best = NULL, *b = NULL;
    for (struct mlo_buffer **p = &s->free_buffers; *p; p = &(*p)->next)
        if ((*p)->cap >= bytes && (!best || (*p)->cap < (*best)->cap))
            best = p;
    if (best && (*best)->cap / 4 <= bytes + BUFFER_LEAST) {
        b = *best;
        *best = b->next;
    } else {
        int rc = new_buffer(s, bytes, &b, err);
        if (rc != 0)
            return rc;
    }
    b->refs = 1;
    *ret = b;
    return 0;
}

void mlo_buffer_give(struct mlo_session *s, struct mlo_buffer *b)
{
    if (!b || --b->refs > 0 || mlo_stretch_keeps(s, b))
        return;
    b->next = s->free_buffers;
    s->free_buffers = b;
}

/* ---- values ---- */

int mlo_value_new(struct mlo_session *s, struct mlo_value *v, enum mlo_dtype t, const int64_t *dims,
                  unsigned rank, struct mlo_err *err)
{
    struct mlo_array a = {.dtype = t, .rank = rank};
    size_t bytes;
    if (rank > MLO_RANK_MAX)
        return mlo_fail(err, MLO_EUNAVAIL, "%u dimensions, more than %d", rank, MLO_RANK_MAX);
    if (rank > 0)
        memcpy(a.dims, dims, rank * sizeof *dims);
    int rc = mlo_array_count(a.dims, rank, &a.n, err);
    if (rc == 0 && !mlo_array_bytes(t, a.n, &bytes))
        rc = mlo_fail_nomem(err);
    if (rc != 0)
        return rc;
    *v = (struct mlo_value){.kind = MLO_KIND_ARRAY, .array = a};
    rc = mlo_buffer_take(s, bytes, &v->buffer, err);
    if (rc != 0)
        *v = (struct mlo_value){0};
    else
        v->array.data = v->buffer->bytes;
    return rc;
}

void mlo_value_share(struct mlo_value *to, const struct mlo_value *from)
{
    *to = *from;
    if (to->buffer)
        to->buffer->refs++;
}

void mlo_value_drop(struct mlo_session *s, struct mlo_value *v)
{
    if (v->kind == MLO_KIND_SEQUENCE && v->buffer && v->buffer->refs == 1)
        for (size_t i = 0; i < v->n_items; i++)
            mlo_value_drop(s, &v->items[i]);
    mlo_buffer_give(s, v->buffer);
    *v = (struct mlo_value){0};
}

int mlo_text_new(struct mlo_session *s, size_t n, char **ret, struct mlo_err *err)
{
    *ret = mlo_arena_alloc(&s->texts, n ? n : 1, 1, err);
    return *ret ? 0 : err->code;
}

/* ---- frames ---- */

int mlo_frame_take(struct mlo_session *s, const struct mlo_plan_graph *g, struct mlo_frame **ret,
                   struct mlo_err *err)
{
    struct mlo_frame *f = NULL;
    for (struct mlo_frame **p = &s->free_frames; *p; p = &(*p)->next)
        if ((*p)->graph == g) {
            f = *p;
            *p = f->next;
            break;
        }
    if (!f) {
        f = mlo_calloc(1, sizeof *f, err);
        if (!f)
            return err->code;
        f->graph = g;
        f->values = mlo_calloc(g->graph->n_values + 1, sizeof *f->values, err);
        if (!f->values) {
            free(f);
            return err->code;
        }
        memcpy(f->values, g->constants, g->graph->n_values * sizeof *f->values);
    }
    *ret = f;
    return 0;
}

void mlo_frame_give(struct mlo_session *s, struct mlo_frame *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->graph->graph->n_values; i++)
        if (f->graph->constants[i].kind == MLO_KIND_UNKNOWN && f->values[i].kind != MLO_KIND_UNKNOWN)
            mlo_value_drop(s, &f->values[i]);
    f->next = s->free_frames;
    s->free_frames = f;
}

/* ---- a step ---- */

#define FEW 8 /* inputs or outputs without a list of their own */

static void drop_scratch(struct mlo_session *s)
{
    while (s->scratch) {
        struct mlo_buffer *b = s->scratch;
        s->scratch = b->next;
        mlo_buffer_give(s, b);
    }
}

struct mlo_op_call mlo_step_call(const struct mlo_step *step, struct mlo_session *s,
                                 const struct mlo_value **in, struct mlo_value **out)
{
    return (struct mlo_op_call){.node = step->node,
                                .how = step->op->how,
                                .state = step->state,
                                .params = step->params,
                                .in = in,
                                .n_in = step->n_in,
                                .out = out,
                                .n_out = step->n_out,
                                .session = s,
                                .step = step};
}

int mlo_call_run(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_session *s = c->session;
    struct mlo_buffer *outer = s->scratch; /* of the step whose subgraph this is */
    s->scratch = NULL;
    if (s->stretch)
        mlo_stretch_enter(s, c->step->op->puts_off);
    int rc = c->step->op->run(c, err);
    drop_scratch(s);
    if (s->stretch)
        mlo_stretch_leave(s);
    s->scratch = outer;
    return rc;
}

int mlo_step_finish(struct mlo_session *s, struct mlo_frame *f, const struct mlo_step *step, const void *sums,
                    struct mlo_err *err)
{
    const struct mlo_value *few_in[FEW], **in = few_in;
    struct mlo_value *few_out[FEW], **out = few_out;
    MLO_AUTOFREE void *many_in = NULL, *many_out = NULL;
    if (step->n_in > FEW)
        in = many_in = mlo_calloc(step->n_in, sizeof *in, err);
    if (step->n_out > FEW)
        out = many_out = mlo_calloc(step->n_out, sizeof *out, err);
    if (!in || !out)
        return err->code;
    for (size_t i = 0; i < step->n_in; i++)
        in[i] = step->in[i] == MLO_NO_VALUE ? NULL : &f->values[step->in[i]];
    for (size_t i = 0; i < step->n_out; i++)
        out[i] = step->out[i] == MLO_NO_VALUE ? NULL : &f->values[step->out[i]];
    struct mlo_op_call c = mlo_step_call(step, s, in, out);
    c.frame = f;
    c.sums = sums;
    int rc = mlo_call_run(&c, err);
    return rc != 0 ? mlo_step_fail(step, err) : 0;
}

int mlo_step_run(struct mlo_session *s, struct mlo_frame *f, const struct mlo_step *step, struct mlo_err *err)
{
    return mlo_step_finish(s, f, step, NULL, err);
}

void mlo_step_drop_dead(struct mlo_session *s, struct mlo_frame *f, const struct mlo_step *step)
{
    for (size_t i = 0; i < step->n_dead; i++)
        mlo_value_drop(s, &f->values[step->dead[i]]);
}

void mlo_session_tell_watcher(struct mlo_session *s, size_t done)
{
    mlo_stretch_catch_up(s);
    s->watch(s->watch_ctx, done);
}

static int run_steps(struct mlo_session *s, struct mlo_frame *f, struct mlo_err *err)
{
    bool is_main = f->graph == s->plan->graph;
    if (is_main)
        mlo_session_tell(s, 0);
    for (size_t i = 0; i < f->graph->n_steps; i++) {
        const struct mlo_step *step = &f->graph->steps[i];
        int rc = mlo_step_run(s, f, step, err);
        if (rc != 0)
            return rc;
        mlo_step_drop_dead(s, f, step);
        if (is_main)
            mlo_session_tell(s, i + 1);
    }
    return 0;
}

int mlo_frame_run(struct mlo_session *s, struct mlo_frame *f, struct mlo_err *err)
{
    mlo_stretch_begin(s);
    int rc = run_steps(s, f, err);
    mlo_stretch_end(s, rc != 0);
    return rc;
}

/* ---- subgraphs ---- */

static const struct mlo_plan_graph *subgraph(const struct mlo_op_call *c, const char *name)
{
    for (size_t i = 0; c->step->graphs && i < c->node->n_attrs; i++)
        if (c->step->graphs[i] && strcmp(c->node->attrs[i].name, name) == 0)
            return c->step->graphs[i];
    return NULL;
}

size_t mlo_subgraph_outputs(const struct mlo_op_call *c, const char *name)
{
    const struct mlo_plan_graph *g = subgraph(c, name);
    return g ? g->graph->n_outputs : 0;
}

int mlo_subgraph_run(struct mlo_op_call *c, const char *name, const struct mlo_value *in, size_t n_in,
                     struct mlo_value *out, struct mlo_err *err)
{
    const struct mlo_plan_graph *g = subgraph(c, name);
    struct mlo_frame *f = NULL;
    if (!g || g->graph->n_inputs > n_in)
        return mlo_fail(err, MLO_EINVALID, "the subgraph '%s' does not fit", name);
    if (c->session->turns_left == 0)
        return mlo_fail(err, MLO_EUNAVAIL, "loops take more turns than allowed");
    c->session->turns_left--;
    int rc = mlo_frame_take(c->session, g, &f, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < g->graph->n_inputs; i++)
        mlo_value_share(&f->values[g->graph->inputs[i]], &in[i]);
    for (size_t i = 0; i < g->graph->n_captures; i++)
        mlo_value_share(&f->values[g->graph->captures[i].inner],
                        &c->frame->values[g->graph->captures[i].outer]);
    rc = mlo_frame_run(c->session, f, err);
    for (size_t i = 0; rc == 0 && i < g->graph->n_outputs; i++)
        mlo_value_share(&out[i], &f->values[g->graph->outputs[i]]);
    mlo_frame_give(c->session, f);
    return rc;
}

/* ---- a run ---- */

static int fits(const struct mlo_port_type *p, const struct mlo_value *v, struct mlo_err *err)
{
    char text[MLO_ARRAY_TEXT];
    if (p->kind != MLO_KIND_UNKNOWN && p->kind != MLO_KIND_OPTIONAL && p->kind != v->kind)
        return mlo_fail(err, MLO_EUSAGE, "input '%s' is not of its kind", p->name);
    if (v->kind != MLO_KIND_ARRAY)
        return 0;
    const struct mlo_array *a = &v->array;
    if (p->dtype != MLO_DT_UNKNOWN && a->dtype != p->dtype)
        return mlo_fail(err, MLO_EUSAGE, "input '%s' is %s, not %s", p->name, mlo_array_text(a, text),
                        mlo_dtype_name(p->dtype));
    if (p->has_shape && a->rank != p->rank)
        return mlo_fail(err, MLO_EUSAGE, "input '%s' is %s, not of rank %u", p->name, mlo_array_text(a, text),
                        p->rank);
    for (unsigned i = 0; p->has_shape && i < p->rank; i++)
        if (p->dims[i].size >= 0 && p->dims[i].size != a->dims[i])
            return mlo_fail(err, MLO_EUSAGE, "input '%s' is %s, but dimension %u has to be %lld", p->name,
                            mlo_array_text(a, text), i, (long long)p->dims[i].size);
    return 0;
}

static int all_fit(const struct mlo_session *s, const struct mlo_value *in, size_t n, struct mlo_err *err)
{
    int rc = 0;
    if (n != s->plan->n_inputs)
        return mlo_fail(err, MLO_EUSAGE, "%zu inputs, but the model has %zu", n, s->plan->n_inputs);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = fits(&s->plan->inputs[i], &in[i], err);
    return rc;
}

static void forget_run(struct mlo_session *s)
{
    for (size_t i = 0; i < s->plan->n_outputs; i++)
        mlo_value_drop(s, &s->out[i]);
    mlo_arena_release(&s->texts);
    mlo_arena_init(&s->texts, TEXTS_MAX);
}

void mlo_session_forget(struct mlo_session *s, size_t rows)
{
    forget_run(s);
    s->held = true;
    if (rows <= s->packed_rows)
        return;
    free_buffers(s);
    s->packed_rows = rows;
}

/* ---- layouts ---- */

static void free_layouts(struct mlo_session *s)
{
    for (size_t i = 0; i < MLO_LAYOUTS_MAX; i++)
        mlo_layout_free(mlo_steal(&s->layouts[i]));
}

static struct mlo_layout *find_layout(struct mlo_session *s, const struct mlo_value *in)
{
    for (size_t i = 0; i < MLO_LAYOUTS_MAX && s->layouts[i]; i++)
        if (mlo_layout_fits(s->layouts[i], in)) {
            struct mlo_layout *l = s->layouts[i];
            memmove(s->layouts + 1, s->layouts, i * sizeof l);
            return s->layouts[0] = l;
        }
    return NULL;
}

/* Takes l. The buffers that it replaces are given back. */
static int add_layout(struct mlo_session *s, struct mlo_layout *l, struct mlo_err *err)
{
    size_t bytes = mlo_layout_bytes(l);
    mlo_layout_free(s->layouts[MLO_LAYOUTS_MAX - 1]);
    memmove(s->layouts + 1, s->layouts, (MLO_LAYOUTS_MAX - 1) * sizeof l);
    s->layouts[0] = l;
    free_buffers(s);
    if (bytes <= s->arena_bytes && s->arena)
        return 0;
    free(s->arena);
    s->arena_bytes = 0;
    s->arena = aligned_alloc(64, bytes + 64);
    if (!s->arena) {
        free_layouts(s);
        return mlo_fail_nomem(err);
    }
    s->arena_bytes = bytes;
    return 0;
}

static bool are_arrays(const struct mlo_value *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (in[i].kind != MLO_KIND_ARRAY)
            return false;
    return true;
}

static int run_frame(struct mlo_session *s, struct mlo_frame *f, const struct mlo_value *in,
                     struct mlo_err *err)
{
    struct mlo_layout *l;
    if (!s->laid_out || !are_arrays(in, s->plan->n_inputs))
        return mlo_frame_run(s, f, err);
    int rc = mlo_layout_watch(s, f, &l, err);
    s->laid_out = rc != 0 || l;
    return rc == 0 && l ? add_layout(s, l, err) : rc;
}

int mlo_session_frame(struct mlo_session *s, const struct mlo_value *in, size_t n, struct mlo_frame **ret,
                      struct mlo_err *err)
{
    const struct mlo_graph *g = s->plan->graph->graph;
    int rc = all_fit(s, in, n, err);
    if (rc == 0)
        rc = mlo_frame_take(s, s->plan->graph, ret, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct mlo_value *v = &(*ret)->values[g->inputs[i]];
        *v = in[i];
        v->buffer = NULL; /* the caller's, whatever it is */
    }
    return rc;
}

static int run_with_buffers(struct mlo_session *s, const struct mlo_value *in, size_t n,
                            const struct mlo_value **ret_out, struct mlo_err *err)
{
    const struct mlo_graph *g = s->plan->graph->graph;
    struct mlo_frame *f = NULL;
    int rc = mlo_session_frame(s, in, n, &f, err);
    if (rc != 0)
        return rc;
    rc = run_frame(s, f, in, err);
    for (size_t i = 0; rc == 0 && i < g->n_outputs; i++)
        mlo_value_share(&s->out[i], &f->values[g->outputs[i]]);
    mlo_frame_give(s, f);
    if (rc == 0)
        *ret_out = s->out;
    return rc;
}

int mlo_session_offload(struct mlo_session *s, const struct mlo_value *in, size_t n,
                        const struct mlo_value **ret_out, bool *ret_done, struct mlo_err *err)
{
    int rc = all_fit(s, in, n, err);
    if (rc == 0 && are_arrays(in, n))
        rc = mlo_offload_run(s, in, ret_out, ret_done, err);
    s->held = true; /* also what was run to find out who is faster */
    return rc;
}

int mlo_session_run(struct mlo_session *s, const struct mlo_value *in, size_t n,
                    const struct mlo_value **ret_out, struct mlo_err *err)
{
    bool strayed = false, done = false;
    if (s->plan->offload && !s->on_cpu) {
        forget_run(s);
        int rc = mlo_session_offload(s, in, n, ret_out, &done, err);
        if (rc != 0 || done)
            return rc;
    }
    struct mlo_layout *l = n == s->plan->n_inputs ? find_layout(s, in) : NULL;
    if (s->held || s->texts.used > 0)
        forget_run(s);
    s->held = !l;
    if (l) {
        int rc = mlo_layout_run(l, s, in, &strayed, ret_out, err);
        if (!strayed)
            return rc;
        free_layouts(s);
        s->laid_out = false;
        s->held = true;
    }
    return run_with_buffers(s, in, n, ret_out, err);
}

/* ---- life ---- */

void mlo_session_init(struct mlo_session *s, const struct mlo_plan *p)
{
    *s = (struct mlo_session){.plan = p,
                              .buffer_max = SIZE_MAX,
                              .memory_max = MLO_SESSION_BYTES_MAX,
                              .turns_left = UINT64_MAX,
                              .split_flops = MLO_SPLIT_FLOPS};
    mlo_arena_init(&s->texts, TEXTS_MAX);
}

void mlo_session_release(struct mlo_session *s)
{
    while (s->free_frames) {
        struct mlo_frame *f = s->free_frames;
        s->free_frames = f->next;
        free(f->values);
        free(f);
    }
    free_buffers(s);
    free_layouts(s);
    free(s->arena);
    mlo_arena_release(&s->texts);
}

int mlo_session_new(const struct mlo_plan *p, struct mlo_session **ret, struct mlo_err *err)
{
    struct mlo_session *s = mlo_calloc(1, sizeof *s, err);
    if (!s)
        return err->code;
    mlo_session_init(s, p);
    s->laid_out = mlo_layout_possible(p->graph);
    s->out = mlo_calloc(p->n_outputs + 1, sizeof *s->out, err);
    if (!s->out) {
        free(s);
        return err->code;
    }
    *ret = s;
    return 0;
}

void mlo_session_limit(struct mlo_session *s, size_t bytes)
{
    s->memory_max = bytes;
}

void mlo_session_limit_turns(struct mlo_session *s, uint64_t turns)
{
    s->turns_left = turns;
}

void mlo_session_watch(struct mlo_session *s, void (*fn)(void *ctx, size_t done), void *ctx)
{
    s->watch = fn;
    s->watch_ctx = ctx;
}

/* Layouts are of as many threads as there were. */
int mlo_session_team(struct mlo_session *s, unsigned n, struct mlo_err *err)
{
    struct mlo_team *team = NULL;
    struct mlo_stretch *stretch = NULL;
    int rc = n > 1 ? mlo_stretch_new(&stretch, err) : 0;
    if (rc == 0 && n > 1)
        rc = mlo_team_new(n, &team, err);
    if (rc != 0) {
        mlo_stretch_free(stretch);
        return rc;
    }
    mlo_team_free(s->team);
    mlo_stretch_free(s->stretch);
    s->team = team;
    s->stretch = stretch;
    free_layouts(s);
    return 0;
}

int mlo_session_threads(struct mlo_session *s, unsigned n, struct mlo_err *err)
{
    unsigned most = mlo_cpu_count();
    return mlo_session_team(s, n > 0 && n < most ? n : most, err);
}

void mlo_session_free(struct mlo_session *s)
{
    if (!s)
        return;
    forget_run(s);
    mlo_offload_programs_free(s);
    mlo_team_free(s->team);
    mlo_stretch_free(s->stretch);
    mlo_session_release(s);
    free(s->out);
    free(s);
}
