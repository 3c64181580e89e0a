/* Operators made of others. */
#include "chain.h"

#include <string.h>

#include "infer/internal.h"

static size_t inputs_of(const struct mlo_chain_step *l)
{
    size_t n = MLO_CHAIN_IN;
    while (n > 0 && !l->in[n - 1])
        n--;
    return n;
}

static void fail(struct mlo_chain *ch, int rc)
{
    ch->rc = rc;
}

/* What another operator of ONNX does, by call, whose outputs are set. Its weights are prepared each time. */
static int run_other(struct mlo_op_call *call, const struct mlo_chain_step *l, struct mlo_err *err)
{
    const struct mlo_op *op = mlo_op_find("", l->op, MLO_CHAIN_VERSION);
    const struct mlo_array *const unknown[MLO_CHAIN_IN] = {0};
    struct mlo_node node = {.name = call->node->name,
                            .op = l->op,
                            .domain = "",
                            .version = MLO_CHAIN_VERSION,
                            .attrs = l->attrs,
                            .n_attrs = l->n_attrs};
    struct mlo_op_prepare prepare = {.node = &node, .constant = unknown, .n_in = inputs_of(l)};
    void *state = NULL;
    if (!op)
        return mlo_fail(err, MLO_EUNAVAIL, "operator %s is not supported", l->op);
    call->node = &node;
    call->how = op->how;
    call->params = NULL;
    call->in = l->in;
    call->n_in = prepare.n_in;
    int rc = op->prepare ? op->prepare(&prepare, &state, err) : 0;
    call->state = state;
    if (rc == 0)
        rc = op->run(call, err);
    if (op->release)
        op->release(state);
    else
        free(state);
    return rc == 0 ? 0 : mlo_wrap(err, "%s", l->op);
}

const struct mlo_value *mlo_chain_then(struct mlo_chain *ch, const struct mlo_chain_step *l)
{
    size_t n = l->n_out ? l->n_out : 1, first = ch->n;
    struct mlo_value *out[MLO_CHAIN_OUT];
    struct mlo_op_call call = {.node = ch->c->node,
                               .session = ch->c->session,
                               .step = ch->c->step,
                               .frame = ch->c->frame,
                               .out = out,
                               .n_out = n};
    if (ch->rc == 0 && (n > MLO_CHAIN_OUT || first + n > MLO_CHAIN_MAX))
        fail(ch, mlo_fail(ch->err, MLO_EUNAVAIL, "more than %d values", MLO_CHAIN_MAX));
    if (ch->rc != 0)
        return NULL;
    for (size_t i = 0; i < n; i++)
        out[i] = &ch->made[first + i];
    ch->n += n;
    fail(ch, run_other(&call, l, ch->err));
    return ch->rc == 0 ? &ch->made[first] : NULL;
}

void mlo_chain_last(struct mlo_chain *ch, const struct mlo_chain_step *l)
{
    struct mlo_op_call call = *ch->c;
    if (ch->rc == 0)
        fail(ch, run_other(&call, l, ch->err));
}

struct mlo_array *mlo_chain_array(struct mlo_chain *ch, enum mlo_dtype t, const int64_t *dims, unsigned rank,
                                  const struct mlo_value **ret)
{
    if (ch->rc == 0 && ch->n == MLO_CHAIN_MAX)
        fail(ch, mlo_fail(ch->err, MLO_EUNAVAIL, "more than %d values", MLO_CHAIN_MAX));
    if (ch->rc == 0)
        fail(ch, mlo_value_new(ch->c->session, &ch->made[ch->n], t, dims, rank, ch->err));
    if (ch->rc != 0)
        return NULL;
    *ret = &ch->made[ch->n];
    return &ch->made[ch->n++].array;
}

const struct mlo_value *mlo_chain_in(const struct mlo_chain *ch, size_t i)
{
    return mlo_in(ch->c, i) ? ch->c->in[i] : NULL;
}

int mlo_chain_end(struct mlo_chain *ch)
{
    for (size_t i = 0; i < ch->n; i++)
        mlo_value_drop(ch->c->session, &ch->made[i]);
    return ch->rc;
}

const struct mlo_value *mlo_chain_of(struct mlo_chain *ch, const char *op, const struct mlo_value *a,
                                     const struct mlo_value *b)
{
    return mlo_chain_then(ch, &(const struct mlo_chain_step){.op = op, .in = {a, b}});
}
