/* What a program asks of a device: kernels, bytes, operations of products. */
#include <string.h>

#include "offload_program.h"

static uint64_t type_bytes(uint32_t type)
{
    switch (type) {
    case MLO_DEVICE_I8:
    case MLO_DEVICE_E4M3:
        return 1;
    case MLO_DEVICE_F16:
    case MLO_DEVICE_BF16:
    case MLO_DEVICE_U16:
        return 2;
    case MLO_DEVICE_I64:
    case MLO_DEVICE_F64:
        return 8;
    case MLO_DEVICE_NODE:
        return sizeof(struct mlo_device_node);
    default:
        return 4;
    }
}

static uint64_t bytes_of(const struct mlo_device_buffer *b)
{
    return b->n * type_bytes(b->type);
}

/* Of tables a step reads as much as it makes. What is behind a step's last buffer is 0. *ret_weights: the
 * part of it that is weights. */
static uint64_t bytes_of_step(const struct mlo_device_buffer *buffers, const struct mlo_device_step *s,
                              uint64_t *ret_weights)
{
    bool is_table = s->op == MLO_DEVICE_GATHER || s->op == MLO_DEVICE_EMBED;
    uint64_t values = 0, weights = 0;
    for (unsigned i = 0; i < MLO_DEVICE_STEP_BUFFERS; i++) {
        if (s->buffer[i] == MLO_DEVICE_NO_BUFFER || (i > 0 && s->buffer[i] == 0))
            continue;
        const struct mlo_device_buffer *b = &buffers[s->buffer[i]];
        *(b->role == MLO_DEVICE_WEIGHT ? &weights : &values) += bytes_of(b);
    }
    *ret_weights = is_table ? 0 : weights;
    return is_table ? 2 * values : values + weights;
}

/* Of products, *ret_type: of their factors. 0: the step has none. */
static double flops_of_step(const struct mlo_device_buffer *buffers, const struct mlo_device_step *s,
                            uint32_t *ret_type)
{
    const uint32_t *n = s->size;
    bool is_attention = s->op == MLO_DEVICE_ATTENTION || s->op == MLO_DEVICE_ATTENTION_APART;
    *ret_type = buffers[s->buffer[is_attention]].type;
    if (s->op == MLO_DEVICE_DENSE || s->op == MLO_DEVICE_DENSE_BYTES)
        return 2.0 * n[0] * n[1] * n[2];
    return is_attention ? 4.0 * n[1] * n[4] * n[2] * n[3] : 0;
}

static void add_product(struct mlo_device_cost *c, uint32_t type, const uint32_t mnk[3])
{
    struct mlo_device_product *p = c->products;
    while (p < c->products + c->n_products && (p->type != type || memcmp(p->mnk, mnk, sizeof p->mnk) != 0))
        p++;
    if (p == c->products + MLO_DEVICE_PRODUCTS)
        return;
    if (p == c->products + c->n_products)
        c->products[c->n_products++] = (struct mlo_device_product){type, {mnk[0], mnk[1], mnk[2]}, 0};
    p->times++;
}

void mlo_program_cost(const struct mlo_device_program *p, struct mlo_device_cost *ret)
{
    uint64_t weights;
    uint32_t type;
    *ret = (struct mlo_device_cost){.kernels = p->n_steps, .pieces = 1, .tf32 = p->tf32 != 0};
    for (uint32_t i = 0; i < p->n_buffers; i++) {
        ret->in += p->buffers[i].role == MLO_DEVICE_INPUT ? bytes_of(&p->buffers[i]) : 0;
        ret->out += p->buffers[i].role == MLO_DEVICE_OUTPUT ? bytes_of(&p->buffers[i]) : 0;
    }
    for (uint32_t i = 0; i < p->n_steps; i++) {
        const struct mlo_device_step *s = &p->steps[i];
        double flops = flops_of_step(p->buffers, s, &type);
        ret->bytes += bytes_of_step(p->buffers, s, &weights);
        ret->flops[type] += flops;
        if (s->op == MLO_DEVICE_DENSE || s->op == MLO_DEVICE_DENSE_BYTES)
            add_product(ret, type, s->size);
    }
}

/* ---- step by step ---- */

static enum mlo_dtype dtype_of(uint32_t type)
{
    static const enum mlo_dtype types[MLO_DEVICE_TYPES] = {
        [MLO_DEVICE_F32] = MLO_DT_F32,      [MLO_DEVICE_I32] = MLO_DT_I32, [MLO_DEVICE_I64] = MLO_DT_I64,
        [MLO_DEVICE_NODE] = MLO_DT_UNKNOWN, [MLO_DEVICE_F16] = MLO_DT_F16, [MLO_DEVICE_BF16] = MLO_DT_BF16,
        [MLO_DEVICE_F64] = MLO_DT_F64,      [MLO_DEVICE_U16] = MLO_DT_U16, [MLO_DEVICE_I8] = MLO_DT_I8,
        [MLO_DEVICE_E4M3] = MLO_DT_F8_E4M3};
    return types[type];
}

/* The buffer that a step writes is the last that it has. */
static const struct mlo_device_buffer *written_by(const struct mlo_lower *l, const struct mlo_device_step *s)
{
    unsigned last = MLO_DEVICE_STEP_BUFFERS - 1;
    while (last > 0 && (s->buffer[last] == 0 || s->buffer[last] == MLO_DEVICE_NO_BUFFER))
        last--;
    return &l->buffers[s->buffer[last]];
}

/* In the shape of the plan's step where it is that, else as numbers one behind the other. */
static void say_shape(const struct mlo_lower *l, size_t i, char ret[MLO_ARRAY_TEXT])
{
    const struct mlo_device_buffer *b = written_by(l, &l->steps[i]);
    size_t made = l->o->graph->steps[l->steps_of[i]].out[0];
    struct mlo_array a = {.rank = 1, .n = b->n, .dims = {(int64_t)b->n}};
    if (made != MLO_NO_VALUE && l->shape[made].n == b->n)
        a = l->shape[made];
    a.dtype = dtype_of(b->type);
    mlo_array_text(&a, ret);
}

int mlo_program_step_costs(const struct mlo_lower *l, struct mlo_node_cost **ret, struct mlo_err *err)
{
    struct mlo_node_cost *costs = mlo_calloc(l->n_steps + 1, sizeof *costs, err);
    if (!costs)
        return err->code;
    for (size_t i = 0; i < l->n_steps; i++) {
        const struct mlo_device_step *s = &l->steps[i];
        struct mlo_node_cost *c = &costs[i];
        uint32_t type;
        c->domain = l->o->opts.api->name;
        c->op = l->o->opts.api->op_name(s->op);
        c->node = l->o->graph->steps[l->steps_of[i]].node->name;
        c->products = c->flops = (uint64_t)flops_of_step(l->buffers, s, &type);
        c->product_type = dtype_of(type);
        c->bytes = bytes_of_step(l->buffers, s, &c->weights);
        say_shape(l, i, c->shape);
    }
    *ret = costs;
    return 0;
}

/* ---- of a session ---- */

/* NULL: err. */
static struct mlo_program *last_run(const struct mlo_session *s, struct mlo_err *err)
{
    struct mlo_program *p = mlo_offload_last(s);
    if (p && p->run)
        return p;
    mlo_fail(err, MLO_EUNAVAIL, "the last run was not the device's");
    return NULL;
}

int mlo_session_device_cost(const struct mlo_session *s, struct mlo_device_cost *ret, struct mlo_err *err)
{
    const struct mlo_program *p = last_run(s, err);
    if (!p)
        return err->code;
    *ret = p->cost;
    ret->pieces = p->pieces;
    ret->kernels *= p->pieces;
    ret->in *= p->pieces;
    ret->out *= p->pieces;
    ret->bytes *= p->pieces;
    for (size_t i = 0; i < MLO_DEVICE_TYPES; i++)
        ret->flops[i] *= (double)p->pieces;
    for (size_t i = 0; i < ret->n_products; i++)
        ret->products[i].times *= p->pieces;
    return 0;
}

int mlo_session_device_steps(const struct mlo_session *s, struct mlo_node_cost **ret, size_t *ret_n,
                             struct mlo_err *err)
{
    const struct mlo_program *p = last_run(s, err);
    struct mlo_node_cost *costs = p ? mlo_calloc(p->n_steps + 1, sizeof *costs, err) : NULL;
    if (!costs)
        return err->code;
    for (size_t i = 0; i < p->n_steps; i++) {
        costs[i] = p->steps[i];
        costs[i].products *= p->pieces;
        costs[i].flops *= p->pieces;
        costs[i].bytes *= p->pieces;
        costs[i].weights *= p->pieces;
    }
    *ret = costs;
    *ret_n = p->n_steps;
    return 0;
}

int mlo_session_device_times(struct mlo_session *s, struct mlo_device_times *ret, struct mlo_err *err)
{
    char reason[MLO_DEVICE_REASON] = "";
    const struct mlo_program *p = last_run(s, err);
    if (!p)
        return err->code;
    if (s->plan->offload->opts.api->program_times(p->run, ret, reason) != MLO_DEVICE_OK)
        return mlo_fail(err, MLO_EUNAVAIL, "the device's steps cannot be timed: %s", reason);
    double pieces = (double)p->pieces;
    ret->all *= pieces;
    ret->in *= pieces;
    ret->out *= pieces;
    for (size_t i = 0; i < p->n_steps; i++)
        ret->steps[i] *= pieces;
    return 0;
}
