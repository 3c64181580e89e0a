/*
 * MatMul or Gemm with constant weights of float32, a constant added to each row, and an activation: one step.
 * The product alone becomes a step, too, so that its weights are packed; of halves it is never more.
 */
#include "infer/ops/block.h"
#include "infer/ops/dense.h"
#include "fuse.h"

#include <math.h>
#include <string.h>

struct layer { /* what has been found, from the product on */
    struct mlo_dense_params p;
    size_t steps[3], n_steps;
    size_t in[3], n_in;
    size_t out;
    size_t columns;
};

static void take(struct layer *l, const struct mlo_fuse *f, size_t at)
{
    l->steps[l->n_steps++] = at;
    l->out = f->g->steps[at].out[0];
}

static const struct mlo_array *weights_of(const struct mlo_fuse *f, size_t at)
{
    const struct mlo_array *w = mlo_fuse_constant(f, at, 1);
    return w && mlo_computed_as_float(w->dtype) && w->rank == 2 && w->dims[0] > 0 && w->dims[1] > 0 ? w
                                                                                                    : NULL;
}

/* One number for all columns, or one for each, of the weights' type. */
static bool is_bias(const struct layer *l, const struct mlo_array *b)
{
    size_t columns = l->columns;
    if (!b || b->dtype != l->p.type)
        return false;
    size_t last = b->rank ? (size_t)b->dims[b->rank - 1] : 1;
    return b->n == last && (last == 1 || last == columns);
}

static bool begin_matmul(struct layer *l, const struct mlo_fuse *f, size_t at)
{
    const struct mlo_array *w = weights_of(f, at);
    if (!mlo_fuse_is(f, at, "MatMul") || !w)
        return false;
    l->columns = (size_t)w->dims[1];
    l->p.type = w->dtype;
    return true;
}

static bool begin_gemm(struct layer *l, const struct mlo_fuse *f, size_t at)
{
    const struct mlo_array *w = weights_of(f, at), *b = mlo_fuse_constant(f, at, 2);
    const struct mlo_node *n = f->g->steps[at].node;
    if (!mlo_fuse_is(f, at, "Gemm") || !w || mlo_attr_int(n, "transA", 0))
        return false;
    l->p.type = w->dtype;
    l->p.transposed = mlo_attr_int(n, "transB", 0) != 0;
    l->p.matrix = true;
    l->p.alpha = mlo_attr_float(n, "alpha", 1);
    l->columns = (size_t)w->dims[!l->p.transposed];
    if (mlo_fuse_input(f, at, 2) == MLO_NO_VALUE)
        return true; /* beta is of this bias alone, not of one that is added behind */
    l->p.beta = mlo_attr_float(n, "beta", 1);
    l->in[l->n_in++] = mlo_fuse_input(f, at, 2);
    return is_bias(l, b) && b->rank <= 2;
}

/* An Add of a constant behind the product. */
static void add_bias(struct layer *l, const struct mlo_fuse *f)
{
    size_t at = mlo_fuse_only_user(f, l->steps[l->n_steps - 1]);
    if (l->n_in > 2 || !mlo_fuse_is(f, at, "Add"))
        return;
    size_t i = mlo_fuse_input(f, at, 0) == l->out;
    const struct mlo_array *b = mlo_fuse_constant(f, at, i);
    if (!is_bias(l, b) || (l->p.matrix && b->rank > 2))
        return;
    l->p.least_rank = b->rank;
    l->in[l->n_in++] = mlo_fuse_input(f, at, i);
    take(l, f, at);
}

/* ---- activations ---- */

static bool limits(const struct mlo_fuse *f, size_t at, struct mlo_activation *a)
{
    const struct mlo_node *n = f->g->steps[at].node;
    double least = -(double)INFINITY, most = (double)INFINITY;
    if (n->version < 11) {
        a->a = mlo_attr_float(n, "min", -INFINITY);
        a->b = mlo_attr_float(n, "max", INFINITY);
        return true;
    }
    for (size_t i = 1; i <= 2; i++)
        if (mlo_fuse_input(f, at, i) != MLO_NO_VALUE && !mlo_fuse_number(f, at, i, i == 1 ? &least : &most))
            return false;
    a->a = (float)least;
    a->b = (float)most;
    return least <= most;
}

bool mlo_fuse_activation(const struct mlo_fuse *f, size_t at, struct mlo_activation *ret)
{
    const struct mlo_step *s = at == MLO_NO_STEP ? NULL : &f->g->steps[at];
    static const struct {
        const char *op;
        enum mlo_activation_kind kind;
    } plain[] = {{"Relu", MLO_ACTIVATION_RELU},
                 {"Sigmoid", MLO_ACTIVATION_SIGMOID},
                 {"Tanh", MLO_ACTIVATION_TANH},
                 {"Gelu", MLO_ACTIVATION_GELU},
                 {"LeakyRelu", MLO_ACTIVATION_LEAKY_RELU},
                 {"Clip", MLO_ACTIVATION_CLIP}};
    if (s && !f->gone[at] && s->op == &mlo_op_gelu) {
        const struct mlo_gelu_params *p = s->params;
        *ret = (struct mlo_activation){.kind = p->tanh ? MLO_ACTIVATION_GELU_TANH : MLO_ACTIVATION_GELU};
        return true;
    }
    for (size_t i = 0; i < MLO_COUNT(plain); i++)
        if (mlo_fuse_is(f, at, plain[i].op)) {
            const struct mlo_node *n = f->g->steps[at].node;
            *ret = (struct mlo_activation){.kind = plain[i].kind};
            if (ret->kind == MLO_ACTIVATION_GELU && mlo_attr_is(n, "approximate", "tanh"))
                ret->kind = MLO_ACTIVATION_GELU_TANH;
            if (ret->kind == MLO_ACTIVATION_LEAKY_RELU)
                ret->a = mlo_attr_float(n, "alpha", 0.01F);
            return ret->kind != MLO_ACTIVATION_CLIP || limits(f, at, ret);
        }
    return false;
}

static void add_activation(struct layer *l, const struct mlo_fuse *f)
{
    size_t at = mlo_fuse_only_user(f, l->steps[l->n_steps - 1]);
    struct mlo_activation found;
    if (at == MLO_NO_STEP || mlo_fuse_input(f, at, 0) != l->out || !mlo_fuse_activation(f, at, &found))
        return;
    l->p.activation = found;
    take(l, f, at);
}

/* ---- the pass ---- */

int mlo_fuse_dense(struct mlo_fuse *f, size_t at, struct mlo_err *err)
{
    struct layer l = {.p = {.parts = 1, .alpha = 1, .beta = 1}, .n_in = 2};
    bool done;
    l.in[0] = mlo_fuse_input(f, at, 0);
    l.in[1] = mlo_fuse_input(f, at, 1);
    if (!begin_matmul(&l, f, at) && !begin_gemm(&l, f, at))
        return 0;
    take(&l, f, at);
    if (l.p.type == MLO_DT_F32) { /* halves are rounded between these */
        add_bias(&l, f);
        add_activation(&l, f);
    }
    struct mlo_fused with = {&mlo_op_dense, l.in, &l.out, l.n_in, 1, &l.p, sizeof l.p};
    return mlo_fuse_replace(f, l.steps, l.n_steps, &with, &done, err);
}
