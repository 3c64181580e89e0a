/* Operators as a device has them: which there are, their weights, their steps. Trees are in lower_trees.c. */
#include "lower.h"

#include <string.h>

#include "infer/ops/block.h"
#include "infer/ops/dense.h"

/* ---- building ---- */

int mlo_weight_add(struct mlo_weights *w, uint32_t type, size_t n, void *ret, struct mlo_err *err)
{
    bool is_byte = type == MLO_DEVICE_I8 || type == MLO_DEVICE_E4M3;
    size_t size = type == MLO_DEVICE_NODE                            ? sizeof(struct mlo_device_node)
                  : type == MLO_DEVICE_I64 || type == MLO_DEVICE_F64 ? sizeof(double)
                  : is_byte                                          ? 1
                                                                     : sizeof(float),
           bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || n == 0)
        return mlo_fail_nomem(err);
    int rc = mlo_grow(&w->list, &w->cap, w->n + 1, sizeof *w->list, err);
    if (rc == 0)
        rc = mlo_grow(&w->data, &w->data_cap, w->n + 1, sizeof *w->data, err);
    if (rc != 0)
        return rc;
    rc = mlo_grow(&w->narrow, &w->narrow_cap, w->n + 1, sizeof *w->narrow, err);
    void *data = rc == 0 ? mlo_calloc(n, size, err) : NULL;
    if (!data)
        return err->code;
    w->narrow[w->n] = false;
    w->data[w->n] = data;
    w->list[w->n++] = (struct mlo_device_weight){type, n, data};
    *(void **)ret = data;
    return 0;
}

int mlo_weight_floats(struct mlo_weights *w, size_t n, float **ret, struct mlo_err *err)
{
    int rc = mlo_weight_add(w, MLO_DEVICE_F32, n, ret, err);
    if (rc == 0)
        w->narrow[w->n - 1] = w->floats != MLO_DEVICE_F32;
    return rc;
}

bool mlo_lower_fail(struct mlo_lower *l, const char *why)
{
    l->why = why;
    return false;
}

uint32_t mlo_lower_buffer(struct mlo_lower *l, struct mlo_device_buffer b)
{
    if (mlo_grow(&l->buffers, &l->buffers_cap, l->n_buffers + 1, sizeof *l->buffers, l->err) != 0)
        return MLO_DEVICE_NO_BUFFER;
    l->buffers[l->n_buffers] = b;
    return (uint32_t)l->n_buffers++;
}

uint32_t mlo_lower_temporary(struct mlo_lower *l, uint32_t floats, size_t n)
{
    return mlo_lower_buffer(l, (struct mlo_device_buffer){MLO_DEVICE_TEMPORARY, floats, n, 0});
}

uint32_t mlo_lower_first(struct mlo_lower *l)
{
    if (l->first == MLO_DEVICE_NO_BUFFER)
        l->first = mlo_lower_buffer(
            l, (struct mlo_device_buffer){MLO_DEVICE_INPUT, MLO_DEVICE_I32, l->packed->sequences + 1, 0});
    return l->first;
}

uint32_t mlo_lower_weight(struct mlo_lower *l, size_t i)
{
    uint32_t at = l->weight + (uint32_t)i;
    const struct mlo_device_weight *w = &l->o->facts[at];
    return mlo_lower_buffer(l, (struct mlo_device_buffer){MLO_DEVICE_WEIGHT, w->type, w->n, at});
}

const struct mlo_array *mlo_lower_shape(const struct mlo_lower *l, const struct mlo_step *s, size_t i)
{
    return i < s->n_in && s->in[i] != MLO_NO_VALUE ? &l->shape[s->in[i]] : NULL;
}

uint32_t mlo_lower_convert(struct mlo_lower *l, uint32_t buffer, uint32_t floats)
{
    if (buffer == MLO_DEVICE_NO_BUFFER || l->buffers[buffer].type == floats)
        return buffer;
    uint64_t n = l->buffers[buffer].n;
    uint32_t to = mlo_lower_temporary(l, floats, n);
    struct mlo_device_step step = {.op = MLO_DEVICE_CONVERT, .buffer = {buffer, to}, .size = {(uint32_t)n}};
    return mlo_lower_step(l, &step) ? to : MLO_DEVICE_NO_BUFFER;
}

/* What no step on the device has made comes from outside. */
uint32_t mlo_lower_input(struct mlo_lower *l, const struct mlo_step *s, size_t i, uint32_t floats)
{
    size_t v = s->in[i];
    const struct mlo_array *a = &l->shape[v];
    bool is_float = a->dtype == MLO_DT_F32;
    uint32_t type = a->dtype == MLO_DT_I32   ? MLO_DEVICE_I32
                    : a->dtype == MLO_DT_I64 ? MLO_DEVICE_I64
                    : a->dtype == MLO_DT_F64 ? MLO_DEVICE_F64
                                             : MLO_DEVICE_F32;
    if (l->buffer_of[v] == MLO_DEVICE_NO_BUFFER && (is_float || type != MLO_DEVICE_F32))
        l->buffer_of[v] = mlo_lower_buffer(l, (struct mlo_device_buffer){MLO_DEVICE_INPUT, type, a->n, 0});
    return is_float ? mlo_lower_convert(l, l->buffer_of[v], floats) : l->buffer_of[v];
}

uint32_t mlo_lower_floats(struct mlo_lower *l, const struct mlo_step *s, size_t i, uint32_t floats)
{
    return mlo_lower_convert(l, mlo_lower_input(l, s, i, floats), floats);
}

bool mlo_lower_is_floats(struct mlo_lower *l, const struct mlo_step *s, size_t i)
{
    const struct mlo_array *a = mlo_lower_shape(l, s, i);
    return (a && a->dtype == MLO_DT_F32 && a->n > 0) || mlo_lower_fail(l, "its input is not of float32");
}

/* Of the type of products. */
static uint32_t input(struct mlo_lower *l, const struct mlo_step *s, size_t i)
{
    return mlo_lower_input(l, s, i, l->o->floats);
}

uint32_t mlo_lower_output(struct mlo_lower *l, const struct mlo_step *s, size_t i, uint32_t floats)
{
    return l->buffer_of[s->out[i]] = mlo_lower_temporary(l, floats, l->shape[s->out[i]].n);
}

static uint32_t output(struct mlo_lower *l, const struct mlo_step *s, size_t i)
{
    return mlo_lower_output(l, s, i, l->o->floats);
}

bool mlo_lower_step(struct mlo_lower *l, const struct mlo_device_step *s)
{
    if (mlo_grow(&l->steps, &l->steps_cap, l->n_steps + 1, sizeof *l->steps, l->err) != 0 ||
        mlo_grow(&l->steps_of, &l->steps_of_cap, l->n_steps + 1, sizeof *l->steps_of, l->err) != 0)
        return false;
    l->steps_of[l->n_steps] = l->at;
    l->steps[l->n_steps++] = *s;
    return l->err->code == 0;
}

/* ---- dense layers ---- */

static const uint32_t activations[] = {
    [MLO_ACTIVATION_NONE] = MLO_DEVICE_LINEAR,
    [MLO_ACTIVATION_RELU] = MLO_DEVICE_RELU,
    [MLO_ACTIVATION_LEAKY_RELU] = MLO_DEVICE_ACTIVATIONS,
    [MLO_ACTIVATION_CLIP] = MLO_DEVICE_ACTIVATIONS,
    [MLO_ACTIVATION_SIGMOID] = MLO_DEVICE_SIGMOID,
    [MLO_ACTIVATION_TANH] = MLO_DEVICE_TANH,
    [MLO_ACTIVATION_GELU] = MLO_DEVICE_GELU,
    [MLO_ACTIVATION_GELU_TANH] = MLO_DEVICE_GELU_TANH,
};

uint32_t mlo_lower_activation(enum mlo_activation_kind kind)
{
    return activations[kind];
}

static bool fits_dense(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    const struct mlo_dense_params *p = s->params;
    (void)g;
    *ret_why = "its activation is not among the device's";
    return activations[p->activation.kind] != MLO_DEVICE_ACTIVATIONS;
}

static int weigh_dense(const struct mlo_plan_graph *g, const struct mlo_step *s, struct mlo_weights *w,
                       struct mlo_err *err)
{
    size_t k, n, all;
    float *to, *bias;
    (void)g;
    mlo_dense_shape(s->state, &k, &n);
    if (mlo_dense_of_bytes(w->bytes, k, n))
        return mlo_weigh_dense_bytes(s->state, w, err);
    if (__builtin_mul_overflow(k, n, &all))
        return mlo_fail_nomem(err);
    int rc = mlo_weight_floats(w, all, &to, err);
    if (rc == 0)
        rc = mlo_weight_floats(w, n, &bias, err);
    if (rc == 0)
        mlo_dense_unpack(s->state, to, bias);
    return rc;
}

static bool emit_dense(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_dense_params *p = s->params;
    size_t k, n;
    if (!mlo_lower_is_floats(l, s, 0))
        return false;
    mlo_dense_shape(s->state, &k, &n);
    const struct mlo_array *x = mlo_lower_shape(l, s, 0);
    if (x->dims[x->rank - 1] != (int64_t)k)
        return mlo_lower_fail(l, "its matrices do not fit");
    if (mlo_dense_of_bytes(l->o->bytes, k, n)) {
        uint32_t from = input(l, s, 0);
        return mlo_lower_dense_bytes(l, from, x->n / k, n, k, activations[p->activation.kind],
                                     output(l, s, 0));
    }
    struct mlo_device_step to = {
        .op = MLO_DEVICE_DENSE,
        .activation = activations[p->activation.kind],
        .buffer = {input(l, s, 0), mlo_lower_weight(l, 0), mlo_lower_weight(l, 1), output(l, s, 0)},
        .size = {(uint32_t)(x->n / k), (uint32_t)n, (uint32_t)k}};
    return mlo_lower_step(l, &to);
}

/* ---- activations ---- */

static uint32_t activation_of(const struct mlo_step *s)
{
    if (s->op == &mlo_op_gelu)
        return ((const struct mlo_gelu_params *)s->params)->tanh ? MLO_DEVICE_GELU_TANH : MLO_DEVICE_GELU;
    if (strcmp(s->node->op, "Gelu") == 0)
        return mlo_attr_is(s->node, "approximate", "tanh") ? MLO_DEVICE_GELU_TANH : MLO_DEVICE_GELU;
    if (strcmp(s->node->op, "Relu") == 0)
        return MLO_DEVICE_RELU;
    return strcmp(s->node->op, "Tanh") == 0 ? MLO_DEVICE_TANH : MLO_DEVICE_SIGMOID;
}

static bool emit_activation(struct mlo_lower *l, const struct mlo_step *s)
{
    if (!mlo_lower_is_floats(l, s, 0))
        return false;
    struct mlo_device_step to = {.op = MLO_DEVICE_ACTIVATE,
                                 .activation = activation_of(s),
                                 .buffer = {input(l, s, 0), output(l, s, 0)},
                                 .size = {(uint32_t)mlo_lower_shape(l, s, 0)->n}};
    return mlo_lower_step(l, &to);
}

static bool emit_softmax(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_array *x = mlo_lower_shape(l, s, 0);
    int64_t axis = mlo_attr_int(s->node, "axis", s->node->version < 13 ? 1 : -1);
    if (!mlo_lower_is_floats(l, s, 0))
        return false;
    if (x->rank < 2 || (axis != -1 && axis != (int64_t)x->rank - 1))
        return mlo_lower_fail(l, "it is not over rows");
    uint32_t n = (uint32_t)x->dims[x->rank - 1];
    struct mlo_device_step to = {.op = MLO_DEVICE_SOFTMAX,
                                 .buffer = {input(l, s, 0), output(l, s, 0)},
                                 .size = {(uint32_t)(x->n / n), n}};
    return mlo_lower_step(l, &to);
}

/* ---- sums ---- */

const struct mlo_array *mlo_lower_constant(const struct mlo_plan_graph *g, size_t value)
{
    bool is_there = value != MLO_NO_VALUE && g->constants[value].kind == MLO_KIND_ARRAY;
    return is_there && g->constants[value].array.data ? &g->constants[value].array : NULL;
}

int mlo_weigh_array(const struct mlo_array *a, bool narrow, struct mlo_weights *w, struct mlo_err *err)
{
    float *to;
    int rc = narrow ? mlo_weight_floats(w, a->n, &to, err)
                    : mlo_weight_add(w, MLO_DEVICE_F32, a->n, &to, err);
    if (rc == 0)
        memcpy(to, a->data, a->n * sizeof *to);
    return rc;
}

static bool fits_add(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    *ret_why = "its constant is not of float32";
    for (size_t i = 0; i < 2; i++) {
        const struct mlo_array *a = mlo_lower_constant(g, s->in[i]);
        if (a && (a->dtype != MLO_DT_F32 || a->n == 0))
            return false;
    }
    return true;
}

static int weigh_add(const struct mlo_plan_graph *g, const struct mlo_step *s, struct mlo_weights *w,
                     struct mlo_err *err)
{
    for (size_t i = 0; i < 2; i++)
        if (mlo_lower_constant(g, s->in[i]))
            return mlo_weigh_array(mlo_lower_constant(g, s->in[i]), true, w, err);
    return 0;
}

bool mlo_lower_repeats(const struct mlo_array *a, const struct mlo_array *b)
{
    unsigned rank = b->rank;
    while (rank > 0 && b->dims[b->rank - rank] == 1)
        rank--;
    if (rank > a->rank)
        return false;
    for (unsigned i = 1; i <= rank; i++)
        if (a->dims[a->rank - i] != b->dims[b->rank - i])
            return false;
    return true;
}

static uint32_t operand(struct mlo_lower *l, const struct mlo_step *s, size_t i)
{
    return mlo_lower_constant(l->o->graph, s->in[i]) ? mlo_lower_weight(l, 0) : input(l, s, i);
}

bool mlo_lower_add(struct mlo_lower *l, const uint32_t buffer[3], size_t n, size_t each)
{
    struct mlo_device_step to = {.op = MLO_DEVICE_ADD,
                                 .buffer = {buffer[0], buffer[1], buffer[2]},
                                 .size = {(uint32_t)(n / each), (uint32_t)each}};
    return mlo_lower_step(l, &to);
}

static bool emit_add(struct mlo_lower *l, const struct mlo_step *s)
{
    if (!mlo_lower_is_floats(l, s, 0) || !mlo_lower_is_floats(l, s, 1))
        return false;
    size_t first = !mlo_lower_repeats(mlo_lower_shape(l, s, 0), mlo_lower_shape(l, s, 1));
    const struct mlo_array *a = mlo_lower_shape(l, s, first), *b = mlo_lower_shape(l, s, 1 - first);
    if (!mlo_lower_repeats(a, b) || l->shape[s->out[0]].n != a->n)
        return mlo_lower_fail(l, "neither of its inputs repeats in the other");
    const uint32_t buffer[3] = {operand(l, s, first), operand(l, s, 1 - first), output(l, s, 0)};
    return mlo_lower_add(l, buffer, a->n, b->n);
}

/* ---- layer norm ---- */

static bool fits_norm(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    const struct mlo_array *scale = mlo_lower_constant(g, s->in[1]), *bias = mlo_lower_constant(g, s->in[2]);
    *ret_why = "its scale or bias is no constant";
    return scale && scale->dtype == MLO_DT_F32 && scale->n > 0 && scale->n <= MLO_DEVICE_NORM_MAX &&
           (s->in[2] == MLO_NO_VALUE || (bias && bias->dtype == MLO_DT_F32 && bias->n == scale->n));
}

static int weigh_norm(const struct mlo_plan_graph *g, const struct mlo_step *s, struct mlo_weights *w,
                      struct mlo_err *err)
{
    const struct mlo_array *scale = mlo_lower_constant(g, s->in[1]), *bias = mlo_lower_constant(g, s->in[2]);
    float *zeros;
    int rc = mlo_weigh_array(scale, false, w, err);
    if (rc != 0)
        return rc;
    return bias ? mlo_weigh_array(bias, false, w, err)
                : mlo_weight_add(w, MLO_DEVICE_F32, scale->n, &zeros, err);
}

/* x and plus, or their sum where it is wanted, or one repeats in the other. */
static bool sum_of(struct mlo_lower *l, const struct mlo_step *s, uint32_t *ret_x, uint32_t *ret_plus)
{
    const struct mlo_array *x = mlo_lower_shape(l, s, 0), *plus = mlo_lower_shape(l, s, 3);
    bool is_wanted = s->n_out > 1 && s->out[1] != MLO_NO_VALUE;
    *ret_x = input(l, s, 0);
    *ret_plus = plus ? input(l, s, 3) : MLO_DEVICE_NO_BUFFER;
    if (!plus || (!is_wanted && mlo_array_same_shape(x, plus)))
        return !is_wanted || mlo_lower_fail(l, "its sum is asked for, which is none");
    bool turned = !mlo_lower_repeats(x, plus);
    if (turned && !mlo_lower_repeats(plus, x))
        return mlo_lower_fail(l, "neither of its inputs repeats in the other");
    const struct mlo_array *a = turned ? plus : x, *b = turned ? x : plus;
    uint32_t to = is_wanted ? output(l, s, 1) : mlo_lower_temporary(l, l->o->floats, a->n);
    const uint32_t buffer[3] = {turned ? *ret_plus : *ret_x, turned ? *ret_x : *ret_plus, to};
    *ret_x = to;
    *ret_plus = MLO_DEVICE_NO_BUFFER;
    return mlo_lower_add(l, buffer, a->n, b->n);
}

static bool emit_norm(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_layer_norm_params *p = s->params;
    uint32_t x, plus, n = (uint32_t)l->o->facts[l->weight].n;
    if (!mlo_lower_is_floats(l, s, 0) || (mlo_lower_shape(l, s, 3) && !mlo_lower_is_floats(l, s, 3)) ||
        !sum_of(l, s, &x, &plus))
        return false;
    struct mlo_device_step to = {.op = MLO_DEVICE_NORM,
                                 .buffer = {x, plus, mlo_lower_weight(l, 0), mlo_lower_weight(l, 1), 0},
                                 .size = {(uint32_t)(l->buffers[x].n / n), n},
                                 .number = p->epsilon};
    to.buffer[4] = s->out[0] == MLO_NO_VALUE ? mlo_lower_temporary(l, l->o->floats, l->buffers[x].n)
                                             : output(l, s, 0);
    return mlo_lower_step(l, &to);
}

/* ---- attention ---- */

bool mlo_lower_is_of_keys(const struct mlo_array *mask, int64_t batch, int64_t keys)
{
    const int64_t want[4] = {batch, 1, 1, keys};
    unsigned lead = 4 - mask->rank;
    if (mask->rank > 4 || mask->n != (size_t)(batch * keys))
        return false;
    for (unsigned i = 0; i < mask->rank; i++)
        if (mask->dims[i] != want[lead + i])
            return false;
    return true;
}

static bool emit_heads(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_heads_params *p = s->params;
    const struct mlo_array *q = mlo_lower_shape(l, s, 0), *mask = mlo_lower_shape(l, s, 3);
    for (size_t i = 0; i < 3; i++)
        if (!mlo_lower_is_floats(l, s, i) || mlo_lower_shape(l, s, i)->rank != 4 ||
            !mlo_array_same_shape(q, mlo_lower_shape(l, s, i)))
            return mlo_lower_fail(l, "queries, keys and values are not of one shape");
    if (mask && (mask->dtype != MLO_DT_F32 || !mlo_lower_is_of_keys(mask, q->dims[0], q->dims[1])))
        return mlo_lower_fail(l, "its mask is not one number a key");
    if (q->dims[3] > MLO_DEVICE_HEAD_MAX)
        return mlo_lower_fail(l, "its heads are too large");
    struct mlo_device_step to = {
        .op = MLO_DEVICE_ATTENTION_APART,
        .buffer = {MLO_DEVICE_NO_BUFFER, input(l, s, 0), input(l, s, 1), input(l, s, 2),
                   mask ? mlo_lower_input(l, s, 3, MLO_DEVICE_F32) : MLO_DEVICE_NO_BUFFER, output(l, s, 0)},
        .size = {(uint32_t)q->dims[0], (uint32_t)(q->dims[0] * q->dims[1]), (uint32_t)q->dims[2],
                 (uint32_t)q->dims[3], (uint32_t)q->dims[1]},
        .number = p->scale};
    return mlo_lower_step(l, &to);
}

/* Of packed rows: sequences have lengths of their own, and no keys to hide. */
static bool emit_packed_heads(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_joined_heads_params *p = s->params;
    struct mlo_device_step to = {
        .op = MLO_DEVICE_ATTENTION,
        .buffer = {mlo_lower_first(l), input(l, s, 0), MLO_DEVICE_NO_BUFFER, output(l, s, 0)},
        .size = {(uint32_t)l->packed->sequences, (uint32_t)l->packed->rows, (uint32_t)p->heads,
                 (uint32_t)p->size, (uint32_t)l->packed->longest},
        .number = p->scale};
    return mlo_lower_step(l, &to);
}

static bool emit_joined_heads(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_joined_heads_params *p = s->params;
    const struct mlo_array *x = mlo_lower_shape(l, s, 0), *mask = l->packed ? NULL : mlo_lower_shape(l, s, 1);
    if (!mlo_lower_is_floats(l, s, 0))
        return false;
    if (mask && (mask->dtype != MLO_DT_F32 || !mlo_lower_is_of_keys(mask, x->dims[0], x->dims[1])))
        return mlo_lower_fail(l, "its mask is not one number a key");
    if (p->size > MLO_DEVICE_HEAD_MAX)
        return mlo_lower_fail(l, "its heads are too large");
    if (l->packed)
        return emit_packed_heads(l, s);
    struct mlo_device_step to = {
        .op = MLO_DEVICE_ATTENTION,
        .buffer = {MLO_DEVICE_NO_BUFFER, input(l, s, 0),
                   mask ? mlo_lower_input(l, s, 1, MLO_DEVICE_F32) : MLO_DEVICE_NO_BUFFER, output(l, s, 0)},
        .size = {(uint32_t)x->dims[0], (uint32_t)(x->dims[0] * x->dims[1]), (uint32_t)p->heads,
                 (uint32_t)p->size, (uint32_t)x->dims[1]},
        .number = p->scale};
    return mlo_lower_step(l, &to);
}

/* ---- tables ---- */

static bool fits_gather(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    const struct mlo_array *table = mlo_lower_constant(g, s->in[0]);
    *ret_why = "it does not take rows of a constant table";
    return table && table->dtype == MLO_DT_F32 && table->rank == 2 && table->n > 0 &&
           mlo_attr_int(s->node, "axis", 0) == 0;
}

static int weigh_table(const struct mlo_plan_graph *g, const struct mlo_step *s, struct mlo_weights *w,
                       struct mlo_err *err)
{
    return mlo_weigh_array(mlo_lower_constant(g, s->in[0]), true, w, err);
}

static bool emit_gather(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_array *table = mlo_lower_constant(l->o->graph, s->in[0]),
                           *ids = mlo_lower_shape(l, s, 1);
    if ((ids->dtype != MLO_DT_I64 && ids->dtype != MLO_DT_I32) || ids->n == 0)
        return mlo_lower_fail(l, "its numbers are not of int32 or int64");
    struct mlo_device_step to = {
        .op = MLO_DEVICE_GATHER,
        .buffer = {input(l, s, 1), mlo_lower_weight(l, 0), output(l, s, 0)},
        .size = {(uint32_t)ids->n, (uint32_t)table->dims[1], (uint32_t)table->dims[0]}};
    return mlo_lower_step(l, &to);
}

/* ---- scalers ---- */

static bool fits_scaler(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    size_t a, b;
    (void)g;
    *ret_why = "its offsets and scales do not fit to each other";
    bool both = mlo_attr_floats(s->node, "offset", &a) && mlo_attr_floats(s->node, "scale", &b);
    return both && a > 0 && b > 0 && (a == b || a == 1 || b == 1);
}

static int weigh_scaler(const struct mlo_plan_graph *g, const struct mlo_step *s, struct mlo_weights *w,
                        struct mlo_err *err)
{
    static const char *const names[] = {"offset", "scale"};
    size_t own[2], n;
    int rc = 0;
    (void)g;
    for (size_t i = 0; i < 2; i++)
        (void)mlo_attr_floats(s->node, names[i], &own[i]);
    n = own[0] > own[1] ? own[0] : own[1];
    for (size_t i = 0; rc == 0 && i < 2; i++) {
        const float *from = mlo_attr_floats(s->node, names[i], &own[i]);
        float *to;
        rc = mlo_weight_add(w, MLO_DEVICE_F32, n, &to, err);
        for (size_t k = 0; rc == 0 && k < n; k++)
            to[k] = from[own[i] == 1 ? 0 : k];
    }
    return rc;
}

static bool emit_scaler(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_array *x = mlo_lower_shape(l, s, 0);
    size_t n = l->o->facts[l->weight].n;
    if (!mlo_lower_is_floats(l, s, 0))
        return false;
    if (n > 1 && (x->rank == 0 || (size_t)x->dims[x->rank - 1] != n))
        return mlo_lower_fail(l, "its columns do not fit");
    struct mlo_device_step to = {.op = MLO_DEVICE_SCALE,
                                 .buffer = {mlo_lower_input(l, s, 0, MLO_DEVICE_F32), mlo_lower_weight(l, 0),
                                            mlo_lower_weight(l, 1), 0},
                                 .size = {(uint32_t)(x->n / n), (uint32_t)n}};
    to.buffer[3] = l->buffer_of[s->out[0]] = mlo_lower_temporary(l, MLO_DEVICE_F32, x->n);
    return mlo_lower_step(l, &to);
}

/* ---- other shapes of the same ---- */

static bool emit_view(struct mlo_lower *l, const struct mlo_step *s)
{
    uint32_t b = l->buffer_of[s->in[0]]; /* of whatever type it is */
    if (b == MLO_DEVICE_NO_BUFFER && !mlo_lower_is_floats(l, s, 0))
        return false;
    l->buffer_of[s->out[0]] = b != MLO_DEVICE_NO_BUFFER ? b : mlo_lower_input(l, s, 0, MLO_DEVICE_F32);
    return true;
}

/* To float32. What the device has of it may be halves, and stays so. */
static bool fits_cast(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    enum { FLOAT = 1 }; /* of ONNX's TensorProto.DataType */
    (void)g;
    *ret_why = "it is to another type than float32";
    return mlo_attr_int(s->node, "to", 0) == FLOAT;
}

static bool emit_cast(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_array *x = mlo_lower_shape(l, s, 0);
    if (x->dtype != MLO_DT_I64 && x->dtype != MLO_DT_F64)
        return emit_view(l, s);
    uint32_t to = mlo_lower_floats(l, s, 0, MLO_DEVICE_F32);
    l->buffer_of[s->out[0]] = to;
    return x->n > 0 && to != MLO_DEVICE_NO_BUFFER;
}

/* ---- the table ---- */

#define VIEW(name)                                                                                           \
    {                                                                                                        \
        .domain = "", .op = name, .emit = emit_view                                                          \
    }
#define ACTIVATION(name)                                                                                     \
    {                                                                                                        \
        .domain = "", .op = name, .emit = emit_activation                                                    \
    }
static const struct mlo_lowering lowerings[] = {
    {.own = &mlo_op_dense, .begins = true, .fits = fits_dense, .weights = weigh_dense, .emit = emit_dense},
    {.own = &mlo_op_layer_norm, .begins = true, .fits = fits_norm, .weights = weigh_norm, .emit = emit_norm},
    {.own = &mlo_op_heads, .begins = true, .emit = emit_heads},
    {.own = &mlo_op_joined_heads, .begins = true, .emit = emit_joined_heads},
    {.own = &mlo_op_gelu, .emit = emit_activation},
    ACTIVATION("Gelu"),
    ACTIVATION("Relu"),
    ACTIVATION("Sigmoid"),
    ACTIVATION("Tanh"),
    {.domain = "", .op = "Softmax", .emit = emit_softmax},
    {.domain = "", .op = "Add", .fits = fits_add, .weights = weigh_add, .emit = emit_add},
    {.domain = "",
     .op = "Gather",
     .begins = true,
     .fits = fits_gather,
     .weights = weigh_table,
     .emit = emit_gather},
    {.domain = "ai.onnx.ml",
     .op = "Scaler",
     .eager = true,
     .fits = fits_scaler,
     .weights = weigh_scaler,
     .emit = emit_scaler},
    VIEW("Reshape"),
    VIEW("Flatten"),
    VIEW("Squeeze"),
    VIEW("Unsqueeze"),
    VIEW("Identity"),
    {.domain = "", .op = "Cast", .fits = fits_cast, .emit = emit_cast},
};

static bool is_it(const struct mlo_lowering *l, const struct mlo_step *s)
{
    if (l->own)
        return s->op == l->own;
    return s->node->params == NULL && strcmp(s->node->domain, l->domain) == 0 &&
           strcmp(s->node->op, l->op) == 0;
}

static const struct mlo_lowering *find(const struct mlo_step *s)
{
    static const struct {
        const struct mlo_lowering *list;
        size_t n;
    } all[] = {{lowerings, MLO_COUNT(lowerings)},
               {mlo_lower_trees, MLO_LOWER_TREES},
               {mlo_lower_tables, MLO_LOWER_TABLES},
               {mlo_lower_encoders, MLO_LOWER_ENCODERS},
               {mlo_lower_qlinear, MLO_LOWER_QLINEAR}};
    static const struct mlo_lowering *const bytes[] = {&mlo_lower_quantize, &mlo_lower_dequantize,
                                                       &mlo_lower_dynamic_quantize, &mlo_lower_int8_dense};
    for (size_t k = 0; k < MLO_COUNT(all); k++)
        for (size_t i = 0; i < all[k].n; i++)
            if (is_it(&all[k].list[i], s))
                return &all[k].list[i];
    for (size_t i = 0; i < MLO_COUNT(bytes); i++)
        if (is_it(bytes[i], s))
            return bytes[i];
    return NULL;
}

const struct mlo_lowering *mlo_lowering_find(const struct mlo_plan_graph *g, const struct mlo_step *s,
                                             const char **ret_why)
{
    const struct mlo_lowering *l = s->graphs ? NULL : find(s);
    *ret_why = "the device has no such operator";
    return l && (!l->fits || l->fits(g, s, ret_why)) ? l : NULL;
}

/* ---- what stays on the CPU ---- */

/* clang-format off: one letter a line */
static const char *const light[] = {
    "Abs",
    "Add",
    "And",
    "ArgMax",
    "ArgMin",
    "ArrayFeatureExtractor",
    "Binarizer",
    "Cast",
    "CastLike",
    "CastMap",
    "CategoryMapper",
    "Ceil",
    "Clip",
    "Concat",
    "ConstantOfShape",
    "CumSum",
    "DictVectorizer",
    "Div",
    "Equal",
    "Exp",
    "Expand",
    "FeatureVectorizer",
    "Flatten",
    "Floor",
    "Gather",
    "Greater",
    "GreaterOrEqual",
    "Identity",
    "Imputer",
    "IsNaN",
    "LabelEncoder",
    "Less",
    "LessOrEqual",
    "LinearClassifier",
    "LinearRegressor",
    "Log",
    "Max",
    "Min",
    "Mod",
    "Mul",
    "Neg",
    "Normalizer",
    "Not",
    "OneHot",
    "OneHotEncoder",
    "Or",
    "Pow",
    "Range",
    "ReduceL2",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Round",
    "Scaler",
    "Shape",
    "ShapeList",
    "Sigmoid",
    "Sign",
    "Size",
    "Slice",
    "Softmax",
    "Split",
    "Sqrt",
    "Squeeze",
    "StringNormalizer",
    "Sub",
    "Tanh",
    "Tile",
    "TopK",
    "Transpose",
    "Unsqueeze",
    "Where",
    "Xor",
    "ZipMap",
};
/* clang-format on */

bool mlo_is_light(const struct mlo_step *s)
{
    for (size_t i = 0; i < MLO_COUNT(light) && !s->graphs; i++)
        if (strcmp(light[i], s->node->op) == 0)
            return true;
    return false;
}

bool mlo_is_of_shape(const struct mlo_step *s)
{
    return s->op == &mlo_op_shape || strcmp(s->node->op, "Shape") == 0 || strcmp(s->node->op, "Size") == 0;
}
