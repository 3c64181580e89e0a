/*
 * LayerNormalization over the last dimension, as a node or taken apart (mean, difference, square, mean, root,
 * quotient, scale, bias), together with the sum in front of it.
 */
#include "infer/ops/block.h"
#include "fuse.h"

struct norm {
    struct mlo_layer_norm_params p;
    size_t steps[11], n;
    size_t in[4]; /* x, scale, bias, plus */
    size_t out[2];
};

static void take(struct norm *l, size_t at)
{
    l->steps[l->n++] = at;
}

static bool is_mean(const struct mlo_fuse *f, size_t at)
{
    if (!mlo_fuse_is(f, at, "ReduceMean"))
        return false;
    const struct mlo_node *node = f->g->steps[at].node;
    size_t n;
    const int64_t *axes = mlo_attr_ints(node, "axes", &n);
    const struct mlo_array *list = mlo_fuse_constant(f, at, 1);
    if (!axes && list && list->dtype == MLO_DT_I64) {
        axes = list->data;
        n = list->n;
    }
    return axes && n == 1 && axes[0] == -1 && mlo_attr_int(node, "keepdims", 1) == 1;
}

/* A constant of float32 with one number for each of the columns that x is known to have. */
static bool is_row(const struct mlo_fuse *f, size_t value, size_t x)
{
    const struct mlo_value *v = &f->g->constants[value];
    size_t columns = mlo_fuse_columns(f, x);
    return v->kind == MLO_KIND_ARRAY && v->array.dtype == MLO_DT_F32 && v->array.rank == 1 && columns > 1 &&
           v->array.n == columns;
}

/* The mean of squares of the difference from the mean: *ret_difference; MLO_NO_STEP: no. */
static size_t difference_of(const struct mlo_fuse *f, size_t mean_of_squares, struct norm *l)
{
    float two;
    if (!is_mean(f, mean_of_squares))
        return MLO_NO_STEP;
    size_t square = mlo_fuse_maker(f, mean_of_squares, 0);
    bool is_square = mlo_fuse_is(f, square, "Pow")
                         ? mlo_fuse_float(f, square, 1, &two) && two == 2
                         : mlo_fuse_is(f, square, "Mul") &&
                               mlo_fuse_input(f, square, 0) == mlo_fuse_input(f, square, 1);
    size_t difference = is_square ? mlo_fuse_maker(f, square, 0) : MLO_NO_STEP;
    size_t mean = mlo_fuse_is(f, difference, "Sub") ? mlo_fuse_maker(f, difference, 1) : MLO_NO_STEP;
    if (!is_mean(f, mean) || mlo_fuse_input(f, mean, 0) != mlo_fuse_input(f, difference, 0))
        return MLO_NO_STEP;
    const size_t all[] = {mean_of_squares, square, difference, mean};
    for (size_t i = 0; i < MLO_COUNT(all); i++)
        take(l, all[i]);
    l->in[0] = mlo_fuse_input(f, difference, 0);
    return difference;
}

/* From the root of variance + epsilon back to the difference. */
static size_t before_root(const struct mlo_fuse *f, size_t root, struct norm *l)
{
    size_t sum = mlo_fuse_maker(f, root, 0);
    if (!mlo_fuse_is(f, root, "Sqrt") || !mlo_fuse_is(f, sum, "Add"))
        return MLO_NO_STEP;
    take(l, root);
    take(l, sum);
    for (size_t i = 0; i < 2; i++)
        if (mlo_fuse_float(f, sum, i, &l->p.epsilon))
            return difference_of(f, mlo_fuse_maker(f, sum, 1 - i), l);
    return MLO_NO_STEP;
}

/* The only user of a step is this operator, whose other input is a row of constants: input `to`. */
static size_t with_row(const struct mlo_fuse *f, size_t at, const char *op, struct norm *l, size_t to)
{
    size_t user = mlo_fuse_only_user(f, at);
    size_t row = mlo_fuse_is(f, user, op) ? mlo_fuse_other(f, user, f->g->steps[at].out[0]) : MLO_NO_VALUE;
    if (row == MLO_NO_VALUE || !is_row(f, row, l->in[0]))
        return MLO_NO_STEP;
    take(l, user);
    l->in[to] = row;
    return user;
}

static bool find_parts(const struct mlo_fuse *f, size_t at, struct norm *l)
{
    size_t difference = before_root(f, at, l), quotient = mlo_fuse_only_user(f, at);
    if (difference == MLO_NO_STEP || !mlo_fuse_is(f, quotient, "Div") ||
        mlo_fuse_maker(f, quotient, 0) != difference || mlo_fuse_maker(f, quotient, 1) != at)
        return false;
    take(l, quotient);
    size_t scaled = with_row(f, quotient, "Mul", l, 1);
    size_t last = scaled == MLO_NO_STEP ? MLO_NO_STEP : with_row(f, scaled, "Add", l, 2);
    if (last == MLO_NO_STEP)
        return false;
    l->out[0] = f->g->steps[last].out[0];
    return true;
}

static bool find_node(const struct mlo_fuse *f, size_t at, struct norm *l)
{
    if (!mlo_fuse_is(f, at, "LayerNormalization"))
        return false;
    const struct mlo_step *s = &f->g->steps[at];
    size_t bias = mlo_fuse_input(f, at, 2);
    for (size_t i = 1; i < s->n_out; i++)
        if (s->out[i] != MLO_NO_VALUE)
            return false;
    if (mlo_attr_int(s->node, "axis", -1) != -1 || !is_row(f, s->in[1], s->in[0]) ||
        (bias != MLO_NO_VALUE && !is_row(f, bias, s->in[0])))
        return false;
    take(l, at);
    l->p.epsilon = mlo_attr_float(s->node, "epsilon", 1e-5F);
    l->in[0] = s->in[0];
    l->in[1] = s->in[1];
    l->in[2] = bias;
    l->out[0] = s->out[0];
    return true;
}

/* With the sum that x is: as a second output when others use it, too. */
static int replace_with_sum(struct mlo_fuse *f, struct norm l, bool *ret_done, struct mlo_err *err)
{
    size_t add = f->maker[l.in[0]];
    *ret_done = false;
    if (!mlo_fuse_is(f, add, "Add"))
        return 0;
    take(&l, add);
    l.out[1] = l.in[0];
    l.in[0] = mlo_fuse_input(f, add, 0);
    l.in[3] = mlo_fuse_input(f, add, 1);
    struct mlo_fused with = {&mlo_op_layer_norm, l.in, l.out, 4, 1, &l.p, sizeof l.p};
    int rc = mlo_fuse_replace(f, l.steps, l.n, &with, ret_done, err);
    with.n_out = 2;
    return rc == 0 && !*ret_done ? mlo_fuse_replace(f, l.steps, l.n, &with, ret_done, err) : rc;
}

int mlo_fuse_norm(struct mlo_fuse *f, size_t at, struct mlo_err *err)
{
    struct norm l = {.in = {MLO_NO_VALUE, MLO_NO_VALUE, MLO_NO_VALUE, MLO_NO_VALUE}};
    struct mlo_fused with = {&mlo_op_layer_norm, l.in, l.out, 3, 1, &l.p, sizeof l.p};
    bool done;
    if (!find_node(f, at, &l) && !find_parts(f, at, &l))
        return 0;
    int rc = replace_with_sum(f, l, &done, err);
    return rc == 0 && !done ? mlo_fuse_replace(f, l.steps, l.n, &with, &done, err) : rc;
}
