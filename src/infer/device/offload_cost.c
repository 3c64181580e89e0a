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

/* Of tables a step reads as much as it makes. What is behind a step's last buffer is 0. */
static uint64_t bytes_of_step(const struct mlo_device_program *p, const struct mlo_device_step *s)
{
    bool is_table = s->op == MLO_DEVICE_GATHER || s->op == MLO_DEVICE_EMBED;
    uint64_t bytes = 0;
    for (unsigned i = 0; i < MLO_DEVICE_STEP_BUFFERS; i++) {
        if (s->buffer[i] == MLO_DEVICE_NO_BUFFER || (i > 0 && s->buffer[i] == 0))
            continue;
        const struct mlo_device_buffer *b = &p->buffers[s->buffer[i]];
        bytes += is_table && b->role == MLO_DEVICE_WEIGHT ? 0 : bytes_of(b);
    }
    return is_table ? 2 * bytes : bytes;
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

static void add_products(const struct mlo_device_program *p, const struct mlo_device_step *s,
                         struct mlo_device_cost *ret)
{
    const uint32_t *n = s->size;
    if (s->op == MLO_DEVICE_DENSE || s->op == MLO_DEVICE_DENSE_BYTES) {
        uint32_t type = p->buffers[s->buffer[0]].type;
        ret->flops[type] += 2.0 * n[0] * n[1] * n[2];
        add_product(ret, type, n);
    } else if (s->op == MLO_DEVICE_ATTENTION || s->op == MLO_DEVICE_ATTENTION_APART) {
        ret->flops[p->buffers[s->buffer[1]].type] += 4.0 * n[1] * n[4] * n[2] * n[3];
    }
}

void mlo_program_cost(const struct mlo_device_program *p, struct mlo_device_cost *ret)
{
    *ret = (struct mlo_device_cost){.kernels = p->n_steps, .tf32 = p->tf32 != 0};
    for (uint32_t i = 0; i < p->n_buffers; i++) {
        ret->in += p->buffers[i].role == MLO_DEVICE_INPUT ? bytes_of(&p->buffers[i]) : 0;
        ret->out += p->buffers[i].role == MLO_DEVICE_OUTPUT ? bytes_of(&p->buffers[i]) : 0;
    }
    for (uint32_t i = 0; i < p->n_steps; i++) {
        ret->bytes += bytes_of_step(p, &p->steps[i]);
        add_products(p, &p->steps[i], ret);
    }
}

int mlo_session_device_cost(const struct mlo_session *s, struct mlo_device_cost *ret, struct mlo_err *err)
{
    const struct mlo_program *p = mlo_offload_last(s);
    if (!p || !p->run)
        return mlo_fail(err, MLO_EUNAVAIL, "the last run was not the device's");
    *ret = p->cost;
    return 0;
}
