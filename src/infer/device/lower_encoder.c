/*
 * Encoders as exporters and optimisers write them: ONNX's Attention, and com.microsoft's Attention,
 * MultiHeadAttention, EmbedLayerNormalization, SkipLayerNormalization and GELUs. Without a cache, and without
 * order among tokens: what decoders have of them stays on the CPU.
 */
#include <math.h>
#include <string.h>

#include "lower.h"

static bool is_given(const struct mlo_step *s, size_t i)
{
    return i < s->n_in && s->in[i] != MLO_NO_VALUE;
}

static bool is_wanted(const struct mlo_step *s, size_t i)
{
    return i < s->n_out && s->out[i] != MLO_NO_VALUE;
}

static bool any_given(const struct mlo_step *s, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (is_given(s, i))
            return true;
    return false;
}

/* Constant floats; n 0: of any number. */
static const struct mlo_array *constant_floats(const struct mlo_plan_graph *g, const struct mlo_step *s,
                                               size_t i, size_t n)
{
    const struct mlo_array *a = is_given(s, i) ? mlo_lower_constant(g, s->in[i]) : NULL;
    return a && a->dtype == MLO_DT_F32 && a->n > 0 && (n == 0 || a->n == n) ? a : NULL;
}

static bool is_whole(const struct mlo_array *a)
{
    return a && (a->dtype == MLO_DT_I32 || a->dtype == MLO_DT_I64) && a->n > 0;
}

/* Input i again, of which no weight was made. */
static int weigh_input(const struct mlo_plan_graph *g, const struct mlo_step *s, size_t i, bool narrow,
                       struct mlo_weights *w, struct mlo_err *err)
{
    return mlo_weigh_array(mlo_lower_constant(g, s->in[i]), narrow, w, err);
}

/* The first n numbers of weight i. */
static uint32_t begin_of_weight(struct mlo_lower *l, size_t i, size_t n)
{
    uint32_t b = mlo_lower_weight(l, i);
    if (b != MLO_DEVICE_NO_BUFFER)
        l->buffers[b].n = n;
    return b;
}

/* ---- masks ---- */

/* x: of the mask. All layers of an encoder have the same. */
static uint32_t mask_of(struct mlo_lower *l, size_t value, uint32_t x, const uint32_t size[5], float hidden)
{
    bool is_made = l->mask.value == value && l->mask.times == size[3] && l->mask.hidden == hidden;
    if (x == MLO_DEVICE_NO_BUFFER || is_made)
        return x == MLO_DEVICE_NO_BUFFER ? x : l->mask.buffer;
    uint32_t to = mlo_lower_temporary(l, MLO_DEVICE_F32, (size_t)size[0] * size[2] * size[3]);
    struct mlo_device_step step = {.op = MLO_DEVICE_MASK, .buffer = {x, to}, .number = hidden};
    memcpy(step.size, size, 5 * sizeof *size);
    l->mask.value = value;
    l->mask.times = size[3];
    l->mask.hidden = hidden;
    l->mask.buffer = to;
    return mlo_lower_step(l, &step) ? to : MLO_DEVICE_NO_BUFFER;
}

/* com.microsoft's: a number a key, or how many keys a sequence has. EmbedLayerNormalization counts these of
 * the mask that it is given: the device has that mask in their place. */
static bool whole_mask(struct mlo_lower *l, const struct mlo_step *s, size_t i, const int64_t *dims,
                       uint32_t *ret)
{
    const struct mlo_array *mask = mlo_lower_shape(l, s, i);
    *ret = MLO_DEVICE_NO_BUFFER;
    if (!mask)
        return true;
    bool is_counted = l->o->places[s->in[i]] == MLO_PLACE_DEVICE;
    bool is_lengths = mask->rank == 1 && mask->n == (size_t)dims[0],
         is_of_keys = mask->rank == 2 && mask->dims[0] == dims[0] && mask->dims[1] == dims[1];
    if (!is_whole(mask) || !(is_lengths || (is_of_keys && !is_counted)) ||
        (is_counted && l->buffer_of[s->in[i]] == MLO_DEVICE_NO_BUFFER))
        return mlo_lower_fail(l, "its mask is not one number a key, nor one a sequence");
    uint32_t seen = is_counted   ? MLO_DEVICE_SEEN_COUNTED
                    : is_lengths ? MLO_DEVICE_SEEN_FIRST
                                 : MLO_DEVICE_SEEN_ABOVE;
    uint32_t keys = (uint32_t)dims[1];
    const uint32_t size[5] = {(uint32_t)dims[0], seen == MLO_DEVICE_SEEN_FIRST ? 1 : keys, keys, 1, seen};
    *ret = mask_of(l, s->in[i], mlo_lower_input(l, s, i, MLO_DEVICE_F32), size,
                   mlo_attr_float(s->node, "mask_filter_value", -10000));
    return *ret != MLO_DEVICE_NO_BUFFER;
}

/* ---- com.microsoft's Attention: one input, projected ---- */

static float scale_of(const struct mlo_step *s, size_t size)
{
    float scale = mlo_attr_float(s->node, "scale", 0);
    return scale != 0 ? scale : 1 / sqrtf((float)size);
}

/* Numbers of a head; 0: none that the device has. */
static size_t head_of(const struct mlo_step *s, size_t width)
{
    int64_t heads = mlo_attr_int(s->node, "num_heads", 0);
    size_t size = heads > 0 && width % (size_t)heads == 0 ? width / (size_t)heads : 0;
    return size <= MLO_DEVICE_HEAD_MAX ? size : 0;
}

static bool is_encoders(const struct mlo_step *s, const char **ret_why)
{
    *ret_why = "it looks back, turns its heads, or keeps what it saw";
    return mlo_attr_int(s->node, "unidirectional", 0) == 0 && mlo_attr_int(s->node, "do_rotary", 0) == 0 &&
           !is_wanted(s, 1) && !is_wanted(s, 2);
}

static bool fits_projected(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    const struct mlo_array *w = constant_floats(g, s, 1, 0);
    size_t n;
    if (!is_encoders(s, ret_why) || any_given(s, 4, s->n_in))
        return false;
    *ret_why = "its weights are no constants, or its parts are not of one size";
    if (!w || w->rank != 2 || w->dims[1] % 3 != 0 ||
        (is_given(s, 2) && !constant_floats(g, s, 2, (size_t)w->dims[1])))
        return false;
    const int64_t *sizes = mlo_attr_ints(s->node, "qkv_hidden_sizes", &n);
    for (size_t i = 0; sizes && i < n; i++)
        if (n != 3 || sizes[i] != w->dims[1] / 3)
            return false;
    *ret_why = "its heads are too large";
    return head_of(s, (size_t)w->dims[1] / 3) > 0;
}

static int weigh_projected(const struct mlo_plan_graph *g, const struct mlo_step *s, struct mlo_weights *w,
                           struct mlo_err *err)
{
    const struct mlo_array *from = mlo_lower_constant(g, s->in[1]);
    size_t k = (size_t)from->dims[0], n = (size_t)from->dims[1];
    float *to, *zeros;
    int rc = mlo_weight_floats(w, from->n, &to, err);
    for (size_t i = 0; rc == 0 && i < from->n; i++)
        to[i % n * k + i / n] = ((const float *)from->data)[i];
    if (rc != 0)
        return rc;
    return is_given(s, 2) ? weigh_input(g, s, 2, true, w, err) : mlo_weight_floats(w, n, &zeros, err);
}

static bool emit_projected(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_array *x = mlo_lower_shape(l, s, 0), *w = mlo_lower_constant(l->o->graph, s->in[1]);
    uint32_t mask;
    if (!mlo_lower_is_floats(l, s, 0))
        return false;
    if (x->rank != 3 || x->dims[2] != w->dims[0])
        return mlo_lower_fail(l, "its input is not rows of sequences, as its weights are");
    if (!whole_mask(l, s, 3, x->dims, &mask))
        return false;
    uint32_t rows = (uint32_t)(x->dims[0] * x->dims[1]), n = (uint32_t)w->dims[1];
    size_t size = head_of(s, n / 3);
    uint32_t qkv = mlo_lower_temporary(l, l->o->floats, (size_t)rows * n);
    struct mlo_device_step dense = {.op = MLO_DEVICE_DENSE,
                                    .buffer = {mlo_lower_input(l, s, 0, l->o->floats), mlo_lower_weight(l, 0),
                                               mlo_lower_weight(l, 1), qkv},
                                    .size = {rows, n, (uint32_t)x->dims[2]}};
    struct mlo_device_step to = {
        .op = MLO_DEVICE_ATTENTION,
        .buffer = {MLO_DEVICE_NO_BUFFER, qkv, mask, mlo_lower_output(l, s, 0, l->o->floats)},
        .size = {(uint32_t)x->dims[0], rows, (uint32_t)(n / 3 / size), (uint32_t)size, (uint32_t)x->dims[1]},
        .number = scale_of(s, size)};
    return mlo_lower_step(l, &dense) && mlo_lower_step(l, &to);
}

/* ---- com.microsoft's MultiHeadAttention: three inputs ---- */

static bool fits_apart(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    const struct mlo_array *bias = constant_floats(g, s, 3, 0);
    if (!is_encoders(s, ret_why) || any_given(s, 5, s->n_in) || !is_given(s, 1) || !is_given(s, 2))
        return false;
    *ret_why = "its bias is no constant";
    return !is_given(s, 3) || (bias && bias->n % 3 == 0);
}

static int weigh_apart(const struct mlo_plan_graph *g, const struct mlo_step *s, struct mlo_weights *w,
                       struct mlo_err *err)
{
    int rc = 0;
    if (!is_given(s, 3))
        return 0;
    struct mlo_array part = *mlo_lower_constant(g, s->in[3]);
    part.n /= 3;
    for (unsigned i = 0; rc == 0 && i < 3; i++) {
        rc = mlo_weigh_array(&part, true, w, err);
        part.data = (float *)part.data + part.n;
    }
    return rc;
}

/* Input i with its part of the bias. */
static uint32_t biased(struct mlo_lower *l, const struct mlo_step *s, size_t i)
{
    uint32_t x = mlo_lower_input(l, s, i, l->o->floats);
    if (!is_given(s, 3))
        return x;
    size_t n = mlo_lower_shape(l, s, i)->n;
    const uint32_t buffer[3] = {x, mlo_lower_weight(l, i), mlo_lower_temporary(l, l->o->floats, n)};
    return mlo_lower_add(l, buffer, n, l->o->facts[l->weight].n) ? buffer[2] : MLO_DEVICE_NO_BUFFER;
}

static bool is_of_one_shape(struct mlo_lower *l, const struct mlo_step *s)
{
    for (size_t i = 0; i < 3; i++)
        if (!mlo_lower_is_floats(l, s, i) ||
            !mlo_array_same_shape(mlo_lower_shape(l, s, 0), mlo_lower_shape(l, s, i)))
            return mlo_lower_fail(l, "queries, keys and values are not of one shape");
    return true;
}

static bool emit_apart(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_array *q = mlo_lower_shape(l, s, 0);
    uint32_t mask;
    if (!is_of_one_shape(l, s))
        return false;
    size_t size = q->rank == 3 ? head_of(s, (size_t)q->dims[2]) : 0;
    if (size == 0 || (is_given(s, 3) && l->o->facts[l->weight].n != (uint64_t)q->dims[2]))
        return mlo_lower_fail(l, "its heads are too large, or its bias does not fit");
    if (!whole_mask(l, s, 4, q->dims, &mask))
        return false;
    struct mlo_device_step to = {.op = MLO_DEVICE_ATTENTION_APART,
                                 .buffer = {MLO_DEVICE_NO_BUFFER, biased(l, s, 0), biased(l, s, 1),
                                            biased(l, s, 2), mask, mlo_lower_output(l, s, 0, l->o->floats)},
                                 .size = {(uint32_t)q->dims[0], (uint32_t)(q->dims[0] * q->dims[1]),
                                          (uint32_t)q->dims[2] / size, (uint32_t)size, (uint32_t)q->dims[1]},
                                 .number = scale_of(s, size)};
    return mlo_lower_step(l, &to);
}

/* ---- ONNX's Attention ---- */

static bool fits_attention(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    const struct mlo_node *n = s->node;
    (void)g;
    *ret_why = "it looks back, has a cache or a window, caps its scores or shows them";
    return !any_given(s, 4, s->n_in) && !is_wanted(s, 1) && !is_wanted(s, 2) && !is_wanted(s, 3) &&
           mlo_attr_int(n, "is_causal", 0) == 0 && mlo_attr_float(n, "softcap", 0) == 0 &&
           mlo_attr_int(n, "left_window_size", -1) < 0 && mlo_attr_int(n, "right_window_size", -1) < 0;
}

/* Are the mask's rows, one for each query, all the same, for it was one row before Expand? */
static bool is_expanded(const struct mlo_lower *l, size_t mask, int64_t batch, int64_t keys)
{
    const struct mlo_plan_graph *g = l->o->graph;
    const struct mlo_array *a = &l->shape[mask];
    for (size_t i = 0; i < g->n_steps; i++)
        if (g->steps[i].n_out == 1 && g->steps[i].out[0] == mask)
            return strcmp(g->steps[i].node->op, "Expand") == 0 && g->steps[i].in[0] != MLO_NO_VALUE &&
                   mlo_lower_is_of_keys(&l->shape[g->steps[i].in[0]], batch, keys) && a->rank == 4 &&
                   a->dims[0] == batch && a->dims[1] == 1;
    return false;
}

/* Heads before rows are sequences of one head each; the mask is then there once for each. size: as of
 * MLO_DEVICE_MASK. */
static bool mask_of_heads(struct mlo_lower *l, const struct mlo_step *s, uint32_t size[5], uint32_t *ret)
{
    const struct mlo_array *mask = mlo_lower_shape(l, s, 3);
    *ret = MLO_DEVICE_NO_BUFFER;
    if (!mask)
        return true;
    bool is_long = mask->dtype == MLO_DT_F32 && is_expanded(l, s->in[3], size[0], size[2]);
    if (mask->dtype != MLO_DT_F32 || (!is_long && !mlo_lower_is_of_keys(mask, size[0], size[2])))
        return mlo_lower_fail(l, "its mask is not one number of float32 a key");
    *ret = mlo_lower_input(l, s, 3, MLO_DEVICE_F32);
    size[1] = (uint32_t)(mask->n / size[0]);
    if (size[3] > 1 || size[1] > size[2])
        *ret = mask_of(l, s->in[3], *ret, size, 0);
    return *ret != MLO_DEVICE_NO_BUFFER;
}

static bool emit_attention(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_array *q = mlo_lower_shape(l, s, 0);
    const struct mlo_attr *scale = mlo_node_attr(s->node, "scale");
    uint32_t mask;
    if (!is_of_one_shape(l, s))
        return false;
    bool is_apart = q->rank == 4; /* [batch][heads][rows][size], else [batch][rows][heads * size] */
    int64_t heads = is_apart ? q->dims[1] : mlo_attr_int(s->node, "q_num_heads", 0);
    if ((!is_apart && (q->rank != 3 || heads < 1 || heads != mlo_attr_int(s->node, "kv_num_heads", 0) ||
                       q->dims[2] % heads != 0)))
        return mlo_lower_fail(l, "its heads of queries are not as many as those of keys");
    int64_t batch = q->dims[0], rows = q->dims[q->rank - 2],
            size = is_apart ? q->dims[3] : q->dims[2] / heads;
    uint32_t times = is_apart ? (uint32_t)heads : 1, width = (uint32_t)rows;
    if (size > MLO_DEVICE_HEAD_MAX)
        return mlo_lower_fail(l, "its heads are too large");
    uint32_t mask_size[5] = {(uint32_t)batch, width, width, times, MLO_DEVICE_SEEN_ADDED};
    if (!mask_of_heads(l, s, mask_size, &mask))
        return false;
    uint32_t sequences = (uint32_t)batch * times;
    struct mlo_device_step to = {
        .op = MLO_DEVICE_ATTENTION_APART,
        .buffer = {MLO_DEVICE_NO_BUFFER, mlo_lower_input(l, s, 0, l->o->floats),
                   mlo_lower_input(l, s, 1, l->o->floats), mlo_lower_input(l, s, 2, l->o->floats), mask,
                   mlo_lower_output(l, s, 0, l->o->floats)},
        .size = {sequences, sequences * width, is_apart ? 1 : (uint32_t)heads, (uint32_t)size, width, 1},
        .number = scale ? mlo_attr_float(s->node, "scale", 1) : 1 / sqrtf((float)size)};
    return mlo_lower_step(l, &to);
}

/* ---- Transpose, as heads need it ---- */

/* [batch][rows][heads][size] to [batch][heads][rows][size], or back. */
static bool fits_swap(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    static const int64_t want[4] = {0, 2, 1, 3};
    size_t n = 0;
    const int64_t *perm = mlo_attr_ints(s->node, "perm", &n);
    (void)g;
    *ret_why = "it does more than to exchange rows and heads";
    return perm && n == 4 && memcmp(perm, want, sizeof want) == 0;
}

static bool emit_swap(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_array *x = mlo_lower_shape(l, s, 0);
    if (!mlo_lower_is_floats(l, s, 0))
        return false;
    struct mlo_device_step to = {
        .op = MLO_DEVICE_SWAP,
        .buffer = {mlo_lower_input(l, s, 0, l->o->floats), mlo_lower_output(l, s, 0, l->o->floats)},
        .size = {(uint32_t)x->dims[0], (uint32_t)x->dims[1], (uint32_t)x->dims[2], (uint32_t)x->dims[3]}};
    return mlo_lower_step(l, &to);
}

/* ---- normalisation of sums ---- */

static bool fits_skip(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    const struct mlo_array *gamma = constant_floats(g, s, 2, 0);
    *ret_why = "its mean or deviation is asked for";
    if (is_wanted(s, 1) || is_wanted(s, 2))
        return false;
    *ret_why = "its scale or bias is no constant";
    return gamma && gamma->n <= MLO_DEVICE_NORM_MAX &&
           (!is_given(s, 3) || constant_floats(g, s, 3, gamma->n)) &&
           (!is_given(s, 4) || constant_floats(g, s, 4, gamma->n));
}

/* Scale and bias of a norm. */
static int weigh_norm(const struct mlo_plan_graph *g, const struct mlo_step *s, size_t i,
                      struct mlo_weights *w, struct mlo_err *err)
{
    float *zeros;
    int rc = weigh_input(g, s, i, false, w, err);
    if (rc != 0)
        return rc;
    return is_given(s, i + 1)
               ? weigh_input(g, s, i + 1, false, w, err)
               : mlo_weight_add(w, MLO_DEVICE_F32, mlo_lower_constant(g, s->in[i])->n, &zeros, err);
}

static int weigh_skip(const struct mlo_plan_graph *g, const struct mlo_step *s, struct mlo_weights *w,
                      struct mlo_err *err)
{
    int rc = weigh_norm(g, s, 2, w, err);
    return rc == 0 && is_given(s, 4) ? weigh_input(g, s, 4, true, w, err) : rc;
}

/* weight: the number of its scale, which its bias follows. */
static bool emit_norm(struct mlo_lower *l, const struct mlo_step *s, const uint32_t x_plus[2], size_t weight)
{
    uint32_t n = (uint32_t)l->o->facts[l->weight + weight].n;
    if (x_plus[0] == MLO_DEVICE_NO_BUFFER)
        return false;
    struct mlo_device_step to = {
        .op = MLO_DEVICE_NORM,
        .buffer = {x_plus[0], x_plus[1], mlo_lower_weight(l, weight), mlo_lower_weight(l, weight + 1), 0},
        .size = {(uint32_t)(l->buffers[x_plus[0]].n / n), n},
        .number = mlo_attr_float(s->node, "epsilon", 1e-12F)};
    to.buffer[4] = is_wanted(s, 0) ? mlo_lower_output(l, s, 0, l->o->floats)
                                   : mlo_lower_temporary(l, l->o->floats, l->buffers[x_plus[0]].n);
    return mlo_lower_step(l, &to);
}

static bool emit_skip(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_array *x = mlo_lower_shape(l, s, 0), *skip = mlo_lower_shape(l, s, 1);
    size_t n = l->o->facts[l->weight].n;
    if (!mlo_lower_is_floats(l, s, 0) || !mlo_lower_is_floats(l, s, 1))
        return false;
    if (!mlo_lower_repeats(x, skip) || (size_t)x->dims[x->rank - 1] != n)
        return mlo_lower_fail(l, "its second input does not repeat in the first, or its scale does not fit");
    uint32_t x_plus[2] = {mlo_lower_input(l, s, 0, l->o->floats), mlo_lower_input(l, s, 1, l->o->floats)};
    if (mlo_array_same_shape(x, skip) && !is_wanted(s, 3) && !is_given(s, 4))
        return emit_norm(l, s, x_plus, 0);
    uint32_t sum = is_wanted(s, 3) ? mlo_lower_output(l, s, 3, l->o->floats)
                                   : mlo_lower_temporary(l, l->o->floats, x->n);
    const uint32_t both[3] = {x_plus[0], x_plus[1], sum};
    if (!mlo_lower_add(l, both, x->n, skip->n))
        return false;
    const uint32_t with_bias[3] = {sum, is_given(s, 4) ? mlo_lower_weight(l, 2) : 0, sum};
    if (is_given(s, 4) && !mlo_lower_add(l, with_bias, x->n, n))
        return false;
    return emit_norm(l, s, (const uint32_t[2]){sum, MLO_DEVICE_NO_BUFFER}, 0);
}

/* ---- EmbedLayerNormalization ---- */

enum { IDS, SEGMENTS, WORD, POSITION, SEGMENT, GAMMA, BETA, MASK, PLACES }; /* inputs */

static bool fits_embed(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    const struct mlo_array *gamma = constant_floats(g, s, GAMMA, 0);
    *ret_why = "its sum is asked for";
    if (is_wanted(s, 2))
        return false;
    *ret_why = "its tables, scale or bias are no constants";
    if (!gamma || gamma->n > MLO_DEVICE_NORM_MAX || !constant_floats(g, s, BETA, gamma->n))
        return false;
    for (size_t i = WORD; i <= SEGMENT; i++) {
        const struct mlo_array *table = constant_floats(g, s, i, 0);
        bool is_table = table && table->rank == 2 && (size_t)table->dims[1] == gamma->n;
        if (!is_table && (i != SEGMENT || is_given(s, i)))
            return false;
    }
    return true;
}

/* Scale and bias, then the tables. */
static int weigh_embed(const struct mlo_plan_graph *g, const struct mlo_step *s, struct mlo_weights *w,
                       struct mlo_err *err)
{
    int rc = weigh_norm(g, s, GAMMA, w, err);
    for (size_t i = WORD; rc == 0 && i <= SEGMENT; i++)
        rc = is_given(s, i) ? weigh_input(g, s, i, true, w, err) : 0;
    return rc;
}

static uint32_t rows_of_table(struct mlo_lower *l, const struct mlo_step *s, size_t ids, size_t table)
{
    const struct mlo_array *t = mlo_lower_constant(l->o->graph, s->in[table]),
                           *rows = mlo_lower_shape(l, s, ids);
    size_t width = (size_t)t->dims[1];
    struct mlo_device_step to = {.op = MLO_DEVICE_GATHER,
                                 .buffer = {mlo_lower_input(l, s, ids, MLO_DEVICE_F32),
                                            mlo_lower_weight(l, 2 + table - WORD),
                                            mlo_lower_temporary(l, l->o->floats, rows->n * width)},
                                 .size = {(uint32_t)rows->n, (uint32_t)width, (uint32_t)t->dims[0]}};
    return mlo_lower_step(l, &to) ? to.buffer[2] : MLO_DEVICE_NO_BUFFER;
}

/* Rows of a table are added to x: those that the ids say, else its first n. */
static bool add_rows(struct mlo_lower *l, const struct mlo_step *s, uint32_t x, size_t ids, size_t table,
                     size_t n)
{
    size_t width = l->o->facts[l->weight].n, all = mlo_lower_shape(l, s, IDS)->n * width;
    bool is_told = is_given(s, ids);
    size_t rows = is_told ? mlo_lower_shape(l, s, ids)->n : n;
    uint32_t plus = is_told ? rows_of_table(l, s, ids, table)
                            : begin_of_weight(l, 2 + table - WORD, rows * width);
    return plus != MLO_DEVICE_NO_BUFFER &&
           mlo_lower_add(l, (const uint32_t[3]){x, plus, x}, all, rows * width);
}

static bool embed_fits(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_array *ids = mlo_lower_shape(l, s, IDS);
    if (!is_whole(ids) || ids->rank != 2)
        return mlo_lower_fail(l, "its tokens are not rows of int32 or int64");
    for (size_t i = 0; i < s->n_in; i++) {
        const struct mlo_array *a = mlo_lower_shape(l, s, i);
        bool is_of_tokens = i == SEGMENTS || i == MASK || i == PLACES;
        if (is_of_tokens && a &&
            (!is_whole(a) || !mlo_lower_repeats(ids, a) || (i == MASK && a->n != ids->n)))
            return mlo_lower_fail(l, "its segments, mask or places do not fit to its tokens");
    }
    int64_t places = mlo_lower_constant(l->o->graph, s->in[POSITION])->dims[0];
    if (!is_given(s, PLACES) && ids->dims[1] > places)
        return mlo_lower_fail(l, "it has fewer places than tokens");
    return true;
}

static bool emit_embed(struct mlo_lower *l, const struct mlo_step *s)
{
    if (!embed_fits(l, s))
        return false;
    uint32_t sum = rows_of_table(l, s, IDS, WORD);
    if (!add_rows(l, s, sum, PLACES, POSITION, (size_t)mlo_lower_shape(l, s, IDS)->dims[1]))
        return false;
    if (is_given(s, SEGMENT) && !add_rows(l, s, sum, SEGMENTS, SEGMENT, 1))
        return false;
    if (is_wanted(s, 1) && is_given(s, MASK))
        l->buffer_of[s->out[1]] = mlo_lower_input(l, s, MASK, MLO_DEVICE_F32);
    return emit_norm(l, s, (const uint32_t[2]){sum, MLO_DEVICE_NO_BUFFER}, 0);
}

/* ---- BiasGelu, FastGelu, Gelu ---- */

static bool fits_gelu(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why)
{
    *ret_why = "its bias is no constant";
    return !is_given(s, 1) || constant_floats(g, s, 1, 0);
}

static int weigh_gelu(const struct mlo_plan_graph *g, const struct mlo_step *s, struct mlo_weights *w,
                      struct mlo_err *err)
{
    return is_given(s, 1) ? weigh_input(g, s, 1, true, w, err) : 0;
}

static bool emit_gelu(struct mlo_lower *l, const struct mlo_step *s)
{
    const struct mlo_array *x = mlo_lower_shape(l, s, 0), *bias = mlo_lower_shape(l, s, 1);
    if (!mlo_lower_is_floats(l, s, 0))
        return false;
    if (bias && !mlo_lower_repeats(x, bias))
        return mlo_lower_fail(l, "its bias does not fit");
    uint32_t from = mlo_lower_input(l, s, 0, l->o->floats), y = mlo_lower_output(l, s, 0, l->o->floats);
    const uint32_t buffer[3] = {from, bias ? mlo_lower_weight(l, 0) : 0, y};
    if (bias && !mlo_lower_add(l, buffer, x->n, bias->n))
        return false;
    bool is_tanh = strcmp(s->node->op, "FastGelu") == 0;
    struct mlo_device_step to = {.op = MLO_DEVICE_ACTIVATE,
                                 .activation = is_tanh ? MLO_DEVICE_GELU_TANH : MLO_DEVICE_GELU,
                                 .buffer = {bias ? y : from, y},
                                 .size = {(uint32_t)x->n}};
    return mlo_lower_step(l, &to);
}

/* ---- the table ---- */

#define MICROSOFT(name, begin, fit, weigh, how)                                                              \
    {                                                                                                        \
        .domain = "com.microsoft", .op = name, .begins = begin, .fits = fit, .weights = weigh, .emit = how   \
    }
const struct mlo_lowering mlo_lower_encoders[MLO_LOWER_ENCODERS] = {
    {.domain = "", .op = "Attention", .begins = true, .fits = fits_attention, .emit = emit_attention},
    {.domain = "", .op = "Transpose", .fits = fits_swap, .emit = emit_swap},
    MICROSOFT("Attention", true, fits_projected, weigh_projected, emit_projected),
    MICROSOFT("MultiHeadAttention", true, fits_apart, weigh_apart, emit_apart),
    MICROSOFT("SkipLayerNormalization", true, fits_skip, weigh_skip, emit_skip),
    MICROSOFT("EmbedLayerNormalization", true, fits_embed, weigh_embed, emit_embed),
    MICROSOFT("BiasGelu", false, fits_gelu, weigh_gelu, emit_gelu),
    MICROSOFT("FastGelu", false, fits_gelu, weigh_gelu, emit_gelu),
    MICROSOFT("Gelu", false, fits_gelu, weigh_gelu, emit_gelu),
};
