/*
 * Shapes as exporters compute them for Reshape: Concat of constants and of dimensions, each of them
 * Unsqueeze(Gather(Shape(x), i)), becomes one step. What then has no users is left out by the plan.
 */
#include "infer/ops/block.h"
#include "fuse.h"

/* Dimension `*ret_dim` of value `*ret_of`. */
static bool find_dimension(const struct mlo_fuse *f, size_t at, size_t *ret_of, int64_t *ret_dim)
{
    size_t n;
    const int64_t *axes = mlo_fuse_is(f, at, "Unsqueeze") ? mlo_attr_ints(f->g->steps[at].node, "axes", &n)
                                                          : NULL;
    const struct mlo_array *list = mlo_fuse_is(f, at, "Unsqueeze") ? mlo_fuse_constant(f, at, 1) : NULL;
    if (!axes && list && list->dtype == MLO_DT_I64) {
        axes = list->data;
        n = list->n;
    }
    size_t gather = axes && n == 1 && axes[0] == 0 ? mlo_fuse_maker(f, at, 0) : MLO_NO_STEP;
    size_t shape = mlo_fuse_is(f, gather, "Gather") ? mlo_fuse_maker(f, gather, 0) : MLO_NO_STEP;
    const struct mlo_array *index = shape == MLO_NO_STEP ? NULL : mlo_fuse_constant(f, gather, 1);
    if (!index || index->rank != 0 || index->dtype != MLO_DT_I64 || !mlo_fuse_is(f, shape, "Shape") ||
        f->g->steps[shape].node->n_attrs != 0)
        return false;
    *ret_of = mlo_fuse_input(f, shape, 0);
    *ret_dim = *(const int64_t *)index->data;
    return true;
}

static bool take_item(const struct mlo_fuse *f, size_t value, size_t *ret_in, struct mlo_shape_item *ret)
{
    const struct mlo_value *v = &f->g->constants[value];
    *ret = (struct mlo_shape_item){.constant = v->kind == MLO_KIND_ARRAY};
    *ret_in = MLO_NO_VALUE;
    if (!ret->constant)
        return f->maker[value] != MLO_NO_STEP && find_dimension(f, f->maker[value], ret_in, &ret->number);
    if (v->array.dtype != MLO_DT_I64 || v->array.rank != 1 || v->array.n != 1)
        return false;
    ret->number = *(const int64_t *)v->array.data;
    return true;
}

int mlo_fuse_shape(struct mlo_fuse *f, size_t at, struct mlo_err *err)
{
    struct mlo_shape_params p = {.n = 0};
    size_t in[MLO_SHAPE_ITEMS];
    bool done;
    if (!mlo_fuse_is(f, at, "Concat") || f->g->steps[at].n_in > MLO_SHAPE_ITEMS)
        return 0;
    const struct mlo_step *s = &f->g->steps[at];
    int64_t axis = mlo_attr_int(s->node, "axis", -1);
    if (axis != 0 && axis != -1)
        return 0;
    for (; p.n < s->n_in; p.n++)
        if (!take_item(f, s->in[p.n], &in[p.n], &p.items[p.n]))
            return 0;
    struct mlo_fused with = {&mlo_op_shape, in, s->out, p.n, 1, &p, sizeof p};
    return mlo_fuse_replace(f, &at, 1, &with, &done, err);
}
