/*
 * Sequences of different lengths without padding: their rows one behind the other, [1][all rows] in place of
 * [sequences][longest]. What works on rows one by one does not notice; attention looks at the rows of one
 * sequence after the other, positions begin anew with each, and DynamicQuantizeLinear takes a scale for each.
 *
 * When a plan is made, each of its values is proven to be one of the kinds below, from the inputs on; what is
 * none of them, and what is made of it, is not computed in such a run. What a mask does to a key that counts
 * and to one that does not is tried out, on a mask of two rows.
 */
#include <math.h>
#include <string.h>

#include "infer/ops/block.h"
#include "infer/ops/dense.h"
#include "infer/device/offload.h"
#include "packed.h"
#include "stretch.h"

#define MASK_INPUT   "attention_mask"
#define MASK_FAR     10000.0F /* so much less than the others a masked score is at least: its weight is 0 */
#define PROBE_ROWS   2
#define PROBE_LENGTH 3

enum kind {
    NOT_KNOWN,
    CONSTANT,
    ROWS,      /* [batch][sequence]..., each row of its own rows alone, or of its sequence by attention */
    MASK,      /* each element of one of the mask */
    SHAPE,     /* the dimensions of rows */
    LENGTH,    /* the second of them, one number */
    POSITIONS, /* [sequence]..., maybe behind dimensions of 1; a shorter one is the begin of a longer one */
    SCALE,     /* of DynamicQuantizeLinear */
};
struct fact { /* of a value */
    enum kind kind;
    unsigned rank; /* ROWS, POSITIONS */
    unsigned back; /* POSITIONS: dimensions from that of the sequence to the end */
};
struct proving {
    const struct mlo_plan_graph *g;
    struct fact *facts;
    struct mlo_packing *to;
};

static struct fact fact_of(const struct proving *p, const struct mlo_step *s, size_t i)
{
    return i < s->n_in && s->in[i] != MLO_NO_VALUE ? p->facts[s->in[i]] : (struct fact){CONSTANT, 0, 0};
}

static const struct mlo_array *constant_at(const struct proving *p, const struct mlo_step *s, size_t i)
{
    bool is_there = i < s->n_in && s->in[i] != MLO_NO_VALUE;
    const struct mlo_value *v = is_there ? &p->g->constants[s->in[i]] : NULL;
    return v && v->kind == MLO_KIND_ARRAY ? &v->array : NULL;
}

static bool is_missing(const struct mlo_step *s, size_t i)
{
    return i >= s->n_in || s->in[i] == MLO_NO_VALUE;
}

static bool is_op(const struct mlo_step *s, const char *op)
{
    return !*s->node->domain && strcmp(s->node->op, op) == 0;
}

/* Input i is a constant of one whole number, this one. */
static bool is_number(const struct proving *p, const struct mlo_step *s, size_t i, double number)
{
    const struct mlo_array *a = constant_at(p, s, i);
    double v;
    return a && a->n == 1 && a->data && mlo_dtype_to_double(a->dtype, a->data, 0, &v) && v == number;
}

/* ---- rules: what comes out of a step; kind NOT_KNOWN: nothing is known ---- */

static struct fact of_gather(const struct proving *p, const struct mlo_step *s)
{
    struct fact from = fact_of(p, s, 0), at = fact_of(p, s, 1);
    const struct mlo_array *table = constant_at(p, s, 0);
    if (mlo_attr_int(s->node, "axis", 0) != 0)
        return (struct fact){0};
    if (from.kind == SHAPE && is_number(p, s, 1, 1))
        return (struct fact){LENGTH, 0, 0};
    if (!table || table->rank != 2 || (at.kind != ROWS && at.kind != POSITIONS))
        return (struct fact){0};
    return (struct fact){at.kind, at.rank + 1, at.back + 1};
}

/* The begin of a constant, as long as a sequence. */
static struct fact of_slice(const struct proving *p, const struct mlo_step *s)
{
    const struct mlo_array *a = constant_at(p, s, 0), *axes = constant_at(p, s, 3);
    double axis = 0;
    if (!a || fact_of(p, s, 2).kind != LENGTH || !is_number(p, s, 1, 0) ||
        (!is_missing(s, 4) && !is_number(p, s, 4, 1)) ||
        (!is_missing(s, 3) &&
         (!axes || axes->n != 1 || !mlo_dtype_to_double(axes->dtype, axes->data, 0, &axis))))
        return (struct fact){0};
    axis += axis < 0 ? a->rank : 0;
    if (axis < 0 || axis >= a->rank)
        return (struct fact){0};
    for (unsigned i = 0; i < (unsigned)axis; i++)
        if (a->dims[i] != 1)
            return (struct fact){0};
    return (struct fact){POSITIONS, a->rank, a->rank - (unsigned)axis};
}

static struct fact of_range(const struct proving *p, const struct mlo_step *s)
{
    bool fits = is_number(p, s, 0, 0) && fact_of(p, s, 1).kind == LENGTH && is_number(p, s, 2, 1);
    return fits ? (struct fact){POSITIONS, 1, 1} : (struct fact){0};
}

/* A constant that is the same for each row of a value with that rank. */
static bool is_same_for_rows(const struct mlo_array *a, unsigned inner)
{
    for (unsigned i = 0; i + inner < a->rank; i++)
        if (a->dims[i] != 1)
            return false;
    return true;
}

/* Dimensions behind that of the sequence. */
static unsigned inner_of(struct fact f)
{
    return f.kind == POSITIONS ? f.back - 1 : f.rank - 2;
}

static bool is_along(struct fact f)
{
    return f.kind == ROWS || f.kind == POSITIONS;
}

/* Does a constant leave rows apart? */
static bool is_for_all(const struct mlo_array *a, struct fact all)
{
    if (is_along(all))
        return a->rank <= all.rank && (a->n == 1 || is_same_for_rows(a, inner_of(all)));
    return a->n == 1 && a->rank <= 2;
}

/* What goes element by element and repeats what is smaller, of these n inputs. */
static struct fact of_elements(const struct proving *p, const struct mlo_step *s, const size_t *which,
                               size_t n)
{
    struct fact all = {CONSTANT, 0, 0};
    for (size_t i = 0; i < n; i++) {
        struct fact f = fact_of(p, s, which[i]);
        if (f.kind != CONSTANT && all.kind != ROWS)
            all = f;
    }
    if (!is_along(all) && all.kind != MASK)
        return (struct fact){0};
    for (size_t i = 0; i < n; i++) {
        struct fact f = fact_of(p, s, which[i]);
        const struct mlo_array *a = constant_at(p, s, which[i]);
        bool fits = is_along(f)          ? is_along(all) && inner_of(f) == inner_of(all) && f.rank <= all.rank
                    : f.kind == CONSTANT ? is_missing(s, which[i]) || (a && is_for_all(a, all))
                                         : f.kind == MASK && all.kind == MASK;
        if (!fits)
            return (struct fact){0};
    }
    return all;
}

static struct fact of_both(const struct proving *p, const struct mlo_step *s)
{
    static const size_t all[] = {0, 1, 2};
    return s->n_in <= MLO_COUNT(all) ? of_elements(p, s, all, s->n_in) : (struct fact){0};
}

static struct fact of_rest(const struct proving *p, const struct mlo_step *s, size_t from)
{
    for (size_t i = from; i < s->n_in; i++)
        if (fact_of(p, s, i).kind != CONSTANT)
            return (struct fact){0};
    return fact_of(p, s, 0);
}

static struct fact of_dense(const struct proving *p, const struct mlo_step *s)
{
    const struct mlo_dense_params *d = s->params;
    struct fact f = of_rest(p, s, 1);
    return f.kind == ROWS && f.rank > 2 && !d->matrix && d->least_rank <= f.rank ? f : (struct fact){0};
}

static struct fact of_int8_dense(const struct proving *p, const struct mlo_step *s)
{
    const struct mlo_int8_dense_params *d = s->params;
    struct fact f = of_rest(p, s, 3), zero = fact_of(p, s, 1), scale = fact_of(p, s, 2);
    bool fits = zero.kind == scale.kind && (scale.kind == SCALE || scale.kind == CONSTANT);
    return f.kind == ROWS && f.rank > 2 && fits && !d->matrix ? f : (struct fact){0};
}

/* x + plus, then scale and bias of the columns. */
static struct fact of_norm(const struct proving *p, const struct mlo_step *s)
{
    static const size_t sum[] = {0, 3};
    struct fact f = of_elements(p, s, sum, MLO_COUNT(sum));
    bool fits = is_along(f) && inner_of(f) > 0 && fact_of(p, s, 1).kind == CONSTANT &&
                fact_of(p, s, 2).kind == CONSTANT;
    return fits ? f : (struct fact){0};
}

/* A mask that the model is given takes keys away in every attention, or the padded run looks at padding. */
static struct fact of_heads(const struct proving *p, const struct mlo_step *s)
{
    struct fact x = fact_of(p, s, 0), mask = fact_of(p, s, 1);
    bool fits = is_missing(s, 1) ? p->to->mask == MLO_NO_VALUE : mask.kind == MASK;
    return x.kind == ROWS && x.rank == 3 && fits ? x : (struct fact){0};
}

/* More dimensions: of the mask, and of a length. */
static struct fact of_unsqueeze(const struct proving *p, const struct mlo_step *s)
{
    struct fact f = of_rest(p, s, 1);
    return f.kind == MASK || f.kind == LENGTH ? f : (struct fact){0};
}

static struct fact of_cast(const struct proving *p, const struct mlo_step *s)
{
    struct fact f = fact_of(p, s, 0);
    return f.kind == ROWS || f.kind == MASK || f.kind == LENGTH || f.kind == POSITIONS ? f : (struct fact){0};
}

static struct fact of_step(const struct proving *p, const struct mlo_step *s)
{
    static const struct {
        const char *op;
        struct fact (*rule)(const struct proving *p, const struct mlo_step *s);
    } named[] = {{"Gather", of_gather}, {"Slice", of_slice},   {"Range", of_range},
                 {"Cast", of_cast},     {"Identity", of_cast}, {"Unsqueeze", of_unsqueeze}};
    static const struct {
        const struct mlo_op *op;
        struct fact (*rule)(const struct proving *p, const struct mlo_step *s);
    } own[] = {{&mlo_op_dense, of_dense},
               {&mlo_op_int8_dense, of_int8_dense},
               {&mlo_op_layer_norm, of_norm},
               {&mlo_op_joined_heads, of_heads}};
    if (s->graphs)
        return (struct fact){0};
    for (size_t i = 0; i < MLO_COUNT(own); i++)
        if (s->op == own[i].op)
            return own[i].rule(p, s);
    for (size_t i = 0; i < MLO_COUNT(named); i++)
        if (is_op(s, named[i].op))
            return named[i].rule(p, s);
    struct fact x = fact_of(p, s, 0);
    if (is_op(s, "Shape"))
        return x.kind == ROWS && s->node->n_attrs == 0 ? (struct fact){SHAPE, 0, 0} : (struct fact){0};
    if (is_op(s, "DynamicQuantizeLinear"))
        return x.kind == ROWS && x.rank > 2 ? x : (struct fact){0};
    return s->op->in_place ? of_both(p, s) : (struct fact){0};
}

/* ---- the proof ---- */

static bool is_of_rows(const struct mlo_graph_value *v)
{
    return v->kind == MLO_KIND_ARRAY && (v->dtype == MLO_DT_I64 || v->dtype == MLO_DT_I32) && v->has_shape &&
           v->rank == 2 && v->dims[0].size < 0 && v->dims[1].size < 0;
}

/* False: an input is not [batch][sequence]. */
static bool begin(struct proving *p)
{
    const struct mlo_graph *g = p->g->graph;
    p->to->mask = MLO_NO_VALUE;
    for (size_t i = 0; i < g->n_values; i++)
        if (p->g->constants[i].kind != MLO_KIND_UNKNOWN)
            p->facts[i].kind = CONSTANT;
    for (size_t i = 0; i < g->n_inputs; i++) {
        const struct mlo_graph_value *v = &g->values[g->inputs[i]];
        bool is_mask = strcmp(v->name, MASK_INPUT) == 0;
        if (!is_of_rows(v))
            return false;
        if (is_mask)
            p->to->mask = i;
        p->facts[g->inputs[i]] = (struct fact){is_mask ? MASK : ROWS, 2, 0};
    }
    return g->n_inputs > 0;
}

static void prove(struct proving *p)
{
    for (size_t i = 0; i < p->g->n_steps; i++) {
        const struct mlo_step *s = &p->g->steps[i];
        struct fact f = of_step(p, s);
        bool is_scaled = is_op(s, "DynamicQuantizeLinear");
        for (size_t k = 0; k < s->n_out; k++)
            if (s->out[k] != MLO_NO_VALUE)
                p->facts[s->out[k]] = k == 0 || f.kind == NOT_KNOWN ? f
                                      : is_scaled                   ? (struct fact){SCALE, 0, 0}
                                      : s->op == &mlo_op_layer_norm ? f
                                                                    : (struct fact){0};
        struct mlo_packed_step *to = &p->to->steps[i];
        to->is_length = f.kind == LENGTH && fact_of(p, s, 0).kind == SHAPE;
        to->is_positions = f.kind == POSITIONS && (is_op(s, "Slice") || is_op(s, "Range"));
        to->axis = f.rank - f.back;
    }
}

static void need(void *ctx, size_t value)
{
    bool *needed = ctx;
    needed[value] = true;
}

/* Steps that the outputs which are rows need. */
static int mark(struct proving *p, struct mlo_err *err)
{
    const struct mlo_graph *g = p->g->graph;
    MLO_AUTOFREE bool *needed = mlo_calloc(g->n_values + 1, sizeof *needed, err);
    if (!needed)
        return err->code;
    for (size_t i = 0; i < g->n_outputs; i++) {
        struct fact f = p->facts[g->outputs[i]];
        p->to->outputs[i] = f.kind == ROWS && f.rank > 2;
        needed[g->outputs[i]] |= p->to->outputs[i];
    }
    for (size_t i = p->g->n_steps; i-- > 0;) {
        const struct mlo_step *s = &p->g->steps[i];
        for (size_t k = 0; k < s->n_out; k++)
            p->to->steps[i].runs |= s->out[k] != MLO_NO_VALUE && needed[s->out[k]];
        if (p->to->steps[i].runs)
            mlo_step_each_use(s, need, needed);
    }
    return 0;
}

static void note_axes(const struct proving *p)
{
    for (size_t i = 0; i < p->g->graph->n_values; i++) {
        struct fact f = p->facts[i];
        p->to->axes[i] = f.kind == ROWS ? 1 : f.kind == POSITIONS ? (uint8_t)(f.rank - f.back) : MLO_NO_AXIS;
    }
}

/* ---- what masks do ---- */

static const int64_t probe[PROBE_ROWS * PROBE_LENGTH] = {1, 1, 0, 1, 0, 0};

static bool is_good_mask(const struct mlo_value *v)
{
    const struct mlo_array *a = &v->array;
    if (v->kind != MLO_KIND_ARRAY || a->dtype != MLO_DT_F32 || a->rank != 4 || a->dims[0] != PROBE_ROWS ||
        a->dims[1] != 1 || a->dims[2] != 1 || a->dims[3] != PROBE_LENGTH)
        return false;
    const float *m = a->data;
    for (size_t i = 0; i < a->n; i++)
        if (probe[i] ? m[i] != m[0] || !isfinite(m[i]) : !(m[i] <= m[0] - MASK_FAR))
            return false;
    return true;
}

/* The steps that masks are made by, on two rows. *ret_good false: they are not the kind that is meant. */
static int try_masks(const struct proving *p, struct mlo_session *s, bool *ret_good, struct mlo_err *err)
{
    struct mlo_frame *f = NULL;
    int32_t narrow[PROBE_ROWS * PROBE_LENGTH];
    size_t input = p->g->graph->inputs[p->to->mask];
    bool is_wide = p->g->graph->values[input].dtype == MLO_DT_I64;
    struct mlo_array given = {.dtype = p->g->graph->values[input].dtype,
                              .rank = 2,
                              .dims = {PROBE_ROWS, PROBE_LENGTH},
                              .n = PROBE_ROWS * PROBE_LENGTH,
                              .data = is_wide ? (void *)(uintptr_t)probe : narrow};
    for (size_t i = 0; i < MLO_COUNT(narrow); i++)
        narrow[i] = (int32_t)probe[i];
    int rc = mlo_frame_take(s, p->g, &f, err);
    if (rc != 0)
        return rc;
    f->values[input] = (struct mlo_value){.kind = MLO_KIND_ARRAY, .array = given};
    for (size_t i = 0; rc == 0 && i < p->g->n_steps; i++) {
        const struct mlo_step *step = &p->g->steps[i];
        if (p->to->steps[i].runs && step->n_out == 1 && p->facts[step->out[0]].kind == MASK)
            rc = mlo_step_run(s, f, step, err);
        else if (p->to->steps[i].runs && step->op == &mlo_op_joined_heads && step->in[1] != MLO_NO_VALUE)
            *ret_good = *ret_good && is_good_mask(&f->values[step->in[1]]);
    }
    mlo_frame_give(s, f);
    return rc;
}

/* ---- life ---- */

void mlo_packing_free(struct mlo_packing *p)
{
    if (!p)
        return;
    free(p->steps);
    free(p->outputs);
    free(p->axes);
    free(p);
}

static bool has_outputs(const struct mlo_packing *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p->outputs[i])
            return true;
    return false;
}

static int make(struct proving *p, struct mlo_session *s, bool *ret_good, struct mlo_err *err)
{
    const struct mlo_graph *g = p->g->graph;
    p->to->steps = mlo_calloc(p->g->n_steps + 1, sizeof *p->to->steps, err);
    p->to->outputs = p->to->steps ? mlo_calloc(g->n_outputs + 1, sizeof *p->to->outputs, err) : NULL;
    p->to->axes = p->to->outputs ? mlo_calloc(g->n_values + 1, sizeof *p->to->axes, err) : NULL;
    if (!p->to->axes)
        return err->code;
    *ret_good = begin(p);
    if (!*ret_good)
        return 0;
    prove(p);
    note_axes(p);
    int rc = mark(p, err);
    *ret_good = rc == 0 && has_outputs(p->to, g->n_outputs);
    return *ret_good && p->to->mask != MLO_NO_VALUE ? try_masks(p, s, ret_good, err) : rc;
}

int mlo_packing_new(const struct mlo_plan_graph *g, struct mlo_session *s, struct mlo_packing **ret,
                    struct mlo_err *err)
{
    struct proving p = {.g = g};
    bool good = false;
    p.to = mlo_calloc(1, sizeof *p.to, err);
    p.facts = p.to ? mlo_calloc(g->graph->n_values + 1, sizeof *p.facts, err) : NULL;
    int rc = p.facts ? make(&p, s, &good, err) : err->code;
    free(p.facts);
    if (rc == 0 && good)
        *ret = p.to;
    else
        mlo_packing_free(p.to);
    return rc;
}

static bool can_pack(const struct mlo_plan *p)
{
    return p->packing && (!p->offload || p->offload->packing);
}

bool mlo_plan_packs(const struct mlo_plan *p, size_t output)
{
    return can_pack(p) && output < p->n_outputs && p->packing->outputs[output];
}

size_t mlo_plan_packed_rows(const struct mlo_plan *p)
{
    return p->offload && mlo_offload_packs(p->offload) ? MLO_PACKED_ROWS_DEVICE : MLO_PACKED_ROWS;
}

/* ---- running ---- */

size_t mlo_packed_longest(const struct mlo_packed *packed)
{
    size_t most = 0;
    for (size_t i = 0; i < packed->n; i++) {
        size_t n = packed->first[i + 1] - packed->first[i];
        most = n > most ? n : most;
    }
    return most;
}

/* A length is that of the longest sequence, not that of all of them. */
static void set_length(struct mlo_value *v, size_t longest)
{
    if (v->array.dtype == MLO_DT_I64)
        *(int64_t *)v->array.data = (int64_t)longest;
}

/* Positions of the longest sequence become those of each. */
static int spread_positions(struct mlo_session *s, struct mlo_value *v, unsigned axis, struct mlo_err *err)
{
    const struct mlo_packed *packed = s->packed;
    struct mlo_value to = {0};
    int64_t dims[MLO_RANK_MAX];
    size_t there = (size_t)v->array.dims[axis], longest = mlo_packed_longest(packed);
    if (longest > there)
        return mlo_fail(err, MLO_EUSAGE, "a sequence of %zu, but the model has positions for %zu", longest,
                        there);
    memcpy(dims, v->array.dims, sizeof dims);
    dims[axis] = (int64_t)packed->first[packed->n];
    int rc = mlo_value_new(s, &to, v->array.dtype, dims, v->array.rank, err);
    if (rc != 0)
        return rc;
    size_t each = there ? v->array.n / there * mlo_element_size(v->array.dtype) : 0;
    for (size_t i = 0; i < packed->n; i++)
        memcpy((char *)to.array.data + packed->first[i] * each, v->array.data,
               (packed->first[i + 1] - packed->first[i]) * each);
    mlo_value_drop(s, v);
    *v = to;
    return 0;
}

int mlo_packed_step_run(struct mlo_session *s, struct mlo_frame *f, size_t i, struct mlo_err *err)
{
    const struct mlo_step *step = &f->graph->steps[i];
    const struct mlo_packed_step *how = &s->plan->packing->steps[i];
    int rc = how->runs ? mlo_step_run(s, f, step, err) : 0;
    if (rc == 0 && how->runs && how->is_length)
        set_length(&f->values[step->out[0]], mlo_packed_longest(s->packed));
    if (rc == 0 && how->runs && how->is_positions &&
        spread_positions(s, &f->values[step->out[0]], how->axis, err) != 0)
        rc = mlo_step_fail(step, err);
    return rc;
}

static int pool_rows(struct mlo_session *s, const struct mlo_array *a, struct mlo_value *ret,
                     struct mlo_err *err)
{
    const struct mlo_packed *p = s->packed;
    size_t width = a->n / p->first[p->n];
    int64_t dims[MLO_RANK_MAX] = {(int64_t)p->n};
    memcpy(dims + 1, a->dims + 2, (a->rank - 2) * sizeof *dims);
    int rc = mlo_value_new(s, ret, MLO_DT_F32, dims, a->rank - 1, err);
    for (size_t i = 0; rc == 0 && i < p->n; i++) {
        float *to = (float *)ret->array.data + i * width;
        mlo_pool(p->pooling, (const float *)a->data + p->first[i] * width, NULL,
                 p->first[i + 1] - p->first[i], width, to);
        if (p->normalize)
            mlo_normalize(to, width);
    }
    return rc;
}

int mlo_packed_output(struct mlo_session *s, const struct mlo_frame *f, size_t i, struct mlo_value *ret,
                      struct mlo_err *err)
{
    const struct mlo_value *v = &f->values[f->graph->graph->outputs[i]];
    if (s->packed->pooling == MLO_POOL_NONE) {
        mlo_value_share(ret, v);
        return 0;
    }
    if (v->array.dtype != MLO_DT_F32)
        return mlo_fail(err, MLO_EUNAVAIL, "output '%s' is %s: only float32 is pooled",
                        s->plan->outputs[i].name, mlo_dtype_name(v->array.dtype));
    return pool_rows(s, &v->array, ret, err);
}

static int check_packed(const struct mlo_session *s, const struct mlo_value *in, size_t n,
                        const struct mlo_packed *packed, struct mlo_err *err)
{
    bool fits = packed->n > 0 && packed->first[0] == 0;
    for (size_t i = 0; fits && i < packed->n; i++)
        fits = packed->first[i] <= packed->first[i + 1];
    size_t rows = fits ? packed->first[packed->n] : 0;
    if (!can_pack(s->plan))
        return mlo_fail(err, MLO_EUNAVAIL, "the model does not work on rows one by one");
    for (size_t i = 0; fits && i < n; i++)
        fits = in[i].kind == MLO_KIND_ARRAY && in[i].array.rank == 2 && in[i].array.dims[0] == 1 &&
               (size_t)in[i].array.dims[1] == rows;
    return fits && rows > 0
               ? 0
               : mlo_fail(err, MLO_EUSAGE, "inputs are not the rows of %zu sequences", packed->n);
}

static int run_rows(struct mlo_session *s, const struct mlo_value *in, size_t n, struct mlo_err *err)
{
    struct mlo_frame *f = NULL;
    int rc = mlo_session_frame(s, in, n, &f, err);
    mlo_stretch_begin(s);
    for (size_t i = 0; rc == 0 && i < f->graph->n_steps; i++) {
        rc = mlo_packed_step_run(s, f, i, err);
        if (rc == 0 && s->plan->packing->steps[i].runs)
            mlo_step_drop_dead(s, f, &f->graph->steps[i]);
    }
    mlo_stretch_end(s, rc != 0);
    for (size_t i = 0; rc == 0 && i < s->plan->n_outputs; i++)
        if (s->plan->packing->outputs[i])
            rc = mlo_packed_output(s, f, i, &s->out[i], err);
    mlo_frame_give(s, f);
    return rc;
}

int mlo_session_run_packed(struct mlo_session *s, const struct mlo_value *in, size_t n,
                           const struct mlo_packed *packed, const struct mlo_value **ret_out,
                           struct mlo_err *err)
{
    const struct mlo_packed *outer = s->packed; /* whose costs are being measured */
    bool done = false;
    int rc = check_packed(s, in, n, packed, err);
    if (rc != 0)
        return rc;
    mlo_session_forget(s, packed->first[packed->n]);
    s->packed = packed;
    if (s->plan->offload && !s->on_cpu)
        rc = mlo_session_offload(s, in, n, ret_out, &done, err);
    if (rc == 0 && !done)
        rc = run_rows(s, in, n, err);
    s->packed = outer;
    if (rc == 0)
        *ret_out = s->out;
    return rc;
}

/* ---- from padded and back ---- */

/* 0 or 1; -1: something else. */
static int bit_at(const struct mlo_array *mask, size_t i)
{
    int64_t v = mask->dtype == MLO_DT_I64 ? ((const int64_t *)mask->data)[i]
                                          : ((const int32_t *)mask->data)[i];
    return v == 0 || v == 1 ? (int)v : -1;
}

/* Where rows of sequences begin, when the mask has ones and then zeros. *ret NULL: it has not, or there is
 * nothing to leave out. */
static int read_lengths(const struct mlo_array *mask, size_t **ret, struct mlo_err *err)
{
    size_t batch = (size_t)mask->dims[0], width = (size_t)mask->dims[1];
    MLO_AUTOFREE size_t *first = mlo_calloc(batch + 1, sizeof *first, err);
    if (!first)
        return err->code;
    for (size_t b = 0; b < batch; b++) {
        size_t n = 0;
        while (n < width && bit_at(mask, b * width + n) == 1)
            n++;
        first[b + 1] = first[b] + n;
        for (; n < width; n++)
            if (bit_at(mask, b * width + n) != 0)
                return 0;
    }
    if (first[batch] > 0 && first[batch] < mask->n)
        *ret = mlo_steal(&first);
    return 0;
}

struct leaving_out { /* rows of a batch that do not count */
    struct mlo_session *s;
    const struct mlo_value *in; /* of the session's inputs */
    struct mlo_value *rows;     /* the same, packed */
    struct mlo_value *out;      /* of the session's outputs, padded */
    const size_t *first;        /* of the sequences of the batch */
    size_t *own;                /* of those that run together */
    size_t batch, width;
};

/* Of sequences from `at` on, the rows that count, `each` bytes long: out of a padded array, or `back`. */
static void move_rows(const struct leaving_out *l, const struct mlo_packed *packed, size_t at, size_t each,
                      bool back, const char *from, char *to)
{
    for (size_t i = 0; i < packed->n; i++) {
        size_t padded = (at + i) * l->width * each, rows = packed->first[i] * each;
        memcpy(to + (back ? padded : rows), from + (back ? rows : padded),
               (packed->first[i + 1] - packed->first[i]) * each);
    }
}

static int pack_inputs(const struct leaving_out *l, const struct mlo_packed *packed, size_t at,
                       struct mlo_err *err)
{
    const int64_t dims[2] = {1, (int64_t)packed->first[packed->n]};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < l->s->plan->n_inputs; i++) {
        const struct mlo_array *a = &l->in[i].array;
        rc = mlo_value_new(l->s, &l->rows[i], a->dtype, dims, 2, err);
        if (rc == 0)
            move_rows(l, packed, at, mlo_element_size(a->dtype), false, a->data, l->rows[i].array.data);
    }
    return rc;
}

/* Rows that nothing is computed for are 0. */
static int begin_output(const struct leaving_out *l, size_t i, const struct mlo_array *like,
                        struct mlo_err *err)
{
    int64_t dims[MLO_RANK_MAX];
    memcpy(dims, like->dims, sizeof dims);
    dims[0] = (int64_t)l->batch;
    dims[1] = (int64_t)l->width;
    int rc = mlo_value_new(l->s, &l->out[i], like->dtype, dims, like->rank, err);
    if (rc == 0)
        memset(l->out[i].array.data, 0, l->out[i].array.n * mlo_element_size(like->dtype));
    return rc;
}

static int keep_outputs(const struct leaving_out *l, const struct mlo_value *out,
                        const struct mlo_packed *packed, size_t at, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < l->s->plan->n_outputs; i++) {
        const struct mlo_array *a = &out[i].array;
        if (l->out[i].kind == MLO_KIND_UNKNOWN)
            rc = begin_output(l, i, a, err);
        size_t each = a->n / packed->first[packed->n] * mlo_element_size(a->dtype);
        if (rc == 0)
            move_rows(l, packed, at, each, true, a->data, l->out[i].array.data);
    }
    return rc;
}

static int run_some(const struct leaving_out *l, const struct mlo_packed *packed, size_t at,
                    struct mlo_err *err)
{
    const struct mlo_value *out;
    size_t n = l->s->plan->n_inputs;
    int rc = pack_inputs(l, packed, at, err);
    if (rc == 0)
        rc = mlo_session_run_packed(l->s, l->rows, n, packed, &out, err);
    if (rc == 0)
        rc = keep_outputs(l, out, packed, at, err);
    for (size_t i = 0; i < n; i++)
        mlo_value_drop(l->s, &l->rows[i]);
    return rc;
}

/* As many sequences at a time as that is fast, at least one. */
static int run_all(const struct leaving_out *l, struct mlo_err *err)
{
    int rc = 0;
    for (size_t at = 0, n; rc == 0 && at < l->batch; at += n) {
        size_t most = mlo_plan_packed_rows(l->s->plan);
        for (n = 1; at + n < l->batch && l->first[at + n + 1] - l->first[at] <= most;)
            n++;
        for (size_t i = 0; i <= n; i++)
            l->own[i] = l->first[at + i] - l->first[at];
        if (l->own[n] > 0)
            rc = run_some(l, &(struct mlo_packed){.n = n, .first = l->own}, at, err);
    }
    return rc;
}

static int run_unpadded(struct mlo_session *s, const struct mlo_value *in, const size_t *first,
                        struct mlo_err *err)
{
    size_t n = s->plan->n_inputs, n_out = s->plan->n_outputs, batch = (size_t)in[0].array.dims[0];
    MLO_AUTOFREE struct mlo_value *rows = mlo_calloc(n + 1, sizeof *rows, err);
    MLO_AUTOFREE struct mlo_value *out = mlo_calloc(n_out + 1, sizeof *out, err);
    MLO_AUTOFREE size_t *own = mlo_calloc(batch + 1, sizeof *own, err);
    if (!rows || !out || !own)
        return err->code;
    struct leaving_out l = {s, in, rows, out, first, own, batch, (size_t)in[0].array.dims[1]};
    int rc = run_all(&l, err);
    for (size_t i = 0; i < n_out; i++) {
        mlo_value_drop(s, rc == 0 ? &s->out[i] : &out[i]);
        if (rc == 0)
            s->out[i] = out[i];
    }
    return rc;
}

/* All outputs are rows, and all inputs of the mask's shape. */
static bool may_leave_out(const struct mlo_session *s, const struct mlo_value *in, size_t n)
{
    const struct mlo_packing *how = s->plan->packing;
    if (!can_pack(s->plan) || how->mask >= n || n != s->plan->n_inputs)
        return false;
    for (size_t i = 0; i < s->plan->n_outputs; i++)
        if (!how->outputs[i])
            return false;
    const struct mlo_array *mask = &in[how->mask].array;
    for (size_t i = 0; i < n; i++)
        if (in[i].kind != MLO_KIND_ARRAY || in[i].array.dtype != s->plan->inputs[i].dtype ||
            in[i].array.rank != 2 || !mlo_array_same_shape(&in[i].array, mask))
            return false;
    return true;
}

int mlo_session_run_unpadded(struct mlo_session *s, const struct mlo_value *in, size_t n,
                             const struct mlo_value **ret_out, struct mlo_err *err)
{
    MLO_AUTOFREE size_t *first = NULL;
    if (may_leave_out(s, in, n)) {
        int rc = read_lengths(&in[s->plan->packing->mask].array, &first, err);
        if (rc != 0)
            return rc;
    }
    if (!first)
        return mlo_session_run(s, in, n, ret_out, err);
    int rc = run_unpadded(s, in, first, err);
    if (rc == 0)
        *ret_out = s->out;
    return rc;
}
