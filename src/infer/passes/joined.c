/*
 * Queries, keys and values of one input as one product: three dense layers (Dense or Int8Dense), the Reshapes
 * that make heads of their columns, Heads, and the Reshape that makes columns of heads become a dense layer
 * of three parts and JoinedHeads. A column is summed in the order it was, so no number changes; but of one
 * row alone, where columns are no multiple of MLO_DENSE_SAME_COLUMNS.
 */
#include "infer/ops/block.h"
#include "infer/ops/dense.h"
#include "fuse.h"
#include "infer/ops/int8.h"

#define PARTS MLO_DENSE_PARTS_MAX

struct joined {
    struct mlo_joined_heads_params p;
    size_t heads, mask;               /* the step; a value */
    size_t steps[2 * (PARTS + 2)], n; /* that JoinedHeads takes the place of */
    size_t product[PARTS];            /* values that go into the first Reshapes */
    size_t last;                      /* the Reshape behind */
};

static void take(struct joined *j, size_t at)
{
    for (size_t i = 0; i < j->n; i++)
        if (j->steps[i] == at)
            return;
    j->steps[j->n++] = at;
}

/* ---- shapes that keep the first two dimensions ---- */

static bool is_of_values(const size_t *values, size_t n, size_t value)
{
    for (size_t i = 0; i < n; i++)
        if (values[i] == value)
            return true;
    return false;
}

/* Item 0 or 1: that dimension, as Reshape's 0 (or -1) or taken from one of `values`. */
static bool keeps(const struct mlo_shape_item *item, size_t in, int64_t i, const size_t *values, size_t n)
{
    if (item->constant)
        return item->number == 0 || (i == 1 && item->number == -1);
    return item->number == i && is_of_values(values, n, in);
}

static bool read_constant(const struct mlo_array *list, struct mlo_shape_params *ret)
{
    if (list->dtype != MLO_DT_I64 || list->rank != 1 || list->n > MLO_SHAPE_ITEMS)
        return false;
    ret->n = list->n;
    for (size_t i = 0; i < list->n; i++)
        ret->items[i] = (struct mlo_shape_item){true, ((const int64_t *)list->data)[i]};
    return true;
}

/* Step `at` is a Reshape to [the same][the same] and n_last constants; values: n of its input's shape. The
 * step that makes the shape is taken, too, where nobody else needs it. */
static bool is_reshape(const struct mlo_fuse *f, size_t at, const size_t *values, size_t n, int64_t *ret_last,
                       size_t n_last, struct joined *j)
{
    struct mlo_shape_params shape;
    static const size_t none[MLO_SHAPE_ITEMS];
    const size_t *in = none;
    if (!mlo_fuse_is(f, at, "Reshape") || mlo_attr_int(f->g->steps[at].node, "allowzero", 0) != 0)
        return false;
    const struct mlo_array *list = mlo_fuse_constant(f, at, 1);
    size_t maker = list ? MLO_NO_STEP : mlo_fuse_maker(f, at, 1);
    if (maker != MLO_NO_STEP && f->g->steps[maker].op == &mlo_op_shape) {
        shape = *(const struct mlo_shape_params *)f->g->steps[maker].params;
        in = f->g->steps[maker].in;
    } else if (!list || !read_constant(list, &shape)) {
        return false;
    }
    if (shape.n != 2 + n_last || !keeps(&shape.items[0], in[0], 0, values, n) ||
        !keeps(&shape.items[1], in[1], 1, values, n))
        return false;
    for (size_t i = 0; i < n_last; i++) {
        if (!shape.items[2 + i].constant || shape.items[2 + i].number < 1)
            return false;
        ret_last[i] = shape.items[2 + i].number;
    }
    take(j, at);
    if (maker != MLO_NO_STEP && mlo_fuse_only_user(f, maker) == at)
        take(j, maker);
    return true;
}

/* ---- what is around Heads ---- */

static bool find_before(const struct mlo_fuse *f, struct joined *j)
{
    size_t turn[PARTS];
    int64_t last[2] = {0};
    for (size_t i = 0; i < PARTS; i++) {
        turn[i] = mlo_fuse_maker(f, j->heads, i);
        if (!mlo_fuse_is(f, turn[i], "Reshape") || mlo_fuse_only_user(f, turn[i]) != j->heads)
            return false;
        j->product[i] = mlo_fuse_input(f, turn[i], 0);
    }
    for (size_t i = 0; i < PARTS; i++) {
        int64_t own[2];
        if (!is_reshape(f, turn[i], &j->product[i], 1, own, 2, j) ||
            (i > 0 && (own[0] != last[0] || own[1] != last[1])))
            return false;
        last[0] = own[0];
        last[1] = own[1];
    }
    j->p.heads = (size_t)last[0];
    j->p.size = (size_t)last[1];
    return last[0] <= INT32_MAX && last[1] <= INT32_MAX;
}

/* The Reshape behind, which may ask for the shape of what it turns. */
static bool find_behind(const struct mlo_fuse *f, struct joined *j)
{
    size_t value = f->g->steps[j->heads].out[0];
    int64_t columns;
    j->last = MLO_NO_STEP;
    for (size_t at = j->heads + 1; at < f->g->n_steps && j->last == MLO_NO_STEP; at++)
        if (mlo_fuse_is(f, at, "Reshape") && mlo_fuse_input(f, at, 0) == value)
            j->last = at;
    return j->last != MLO_NO_STEP && is_reshape(f, j->last, &value, 1, &columns, 1, j) &&
           columns == (int64_t)(j->p.heads * j->p.size);
}

/* Nobody but these steps uses it. */
static bool is_inside(const struct mlo_fuse *f, const struct joined *j, size_t value)
{
    size_t uses = 0;
    for (size_t i = 0; i < j->n; i++)
        uses += mlo_fuse_uses_by(f, j->steps[i], value);
    return uses == f->uses[value];
}

/* ---- the layers ---- */

static const struct mlo_step *maker_of(const struct mlo_fuse *f, const struct joined *j, size_t part)
{
    size_t at = f->maker[j->product[part]];
    return at == MLO_NO_STEP ? NULL : &f->g->steps[at];
}

static size_t columns_of(const struct mlo_fuse *f, const struct mlo_step *s, size_t weights)
{
    const struct mlo_array *w = mlo_fuse_array(f, s->in[weights]);
    return w && w->rank == 2 ? (size_t)w->dims[1] : 0;
}

static bool same_dense(const struct mlo_step *a, const struct mlo_step *b)
{
    const struct mlo_dense_params *p = a->params, *q = b->params;
    return a->in[0] == b->in[0] && p->type == MLO_DT_F32 && q->type == MLO_DT_F32 && p->parts == 1 &&
           q->parts == 1 && p->alpha == q->alpha && p->beta == q->beta && !p->transposed && !q->transposed &&
           !p->matrix && !q->matrix && p->least_rank <= 1 && q->least_rank <= 1 &&
           p->activation.kind == MLO_ACTIVATION_NONE && q->activation.kind == MLO_ACTIVATION_NONE;
}

static bool same_int8(const struct mlo_fuse *f, const struct mlo_step *a, const struct mlo_step *b)
{
    const struct mlo_int8_dense_params *p = a->params, *q = b->params;
    return a->in[0] == b->in[0] && a->in[1] == b->in[1] && a->in[2] == b->in[2] && p->parts == 1 &&
           q->parts == 1 && !p->transposed && !q->transposed && !p->matrix && !q->matrix &&
           p->activation.kind == MLO_ACTIVATION_NONE && q->activation.kind == MLO_ACTIVATION_NONE &&
           mlo_fuse_array(f, a->in[3])->dtype == mlo_fuse_array(f, b->in[3])->dtype;
}

/* Three layers of one input, each of as many columns as the heads have. */
static bool are_alike(const struct mlo_fuse *f, const struct joined *j)
{
    const struct mlo_step *first = maker_of(f, j, 0);
    bool is_int8 = first && first->op == &mlo_op_int8_dense;
    if (!first || (!is_int8 && first->op != &mlo_op_dense))
        return false;
    for (size_t i = 0; i < PARTS; i++) {
        const struct mlo_step *s = maker_of(f, j, i);
        if (!s || s->op != first->op || !(is_int8 ? same_int8(f, first, s) : same_dense(first, s)) ||
            columns_of(f, s, is_int8 ? 3 : 1) != j->p.heads * j->p.size || !is_inside(f, j, j->product[i]))
            return false;
    }
    return j->product[0] != j->product[1] && j->product[0] != j->product[2] && j->product[1] != j->product[2];
}

/* ---- one in place of three ---- */

/* Inputs of a layer: those that all have, then those of each part. */
static int join(struct mlo_fuse *f, const struct joined *j, struct mlo_err *err)
{
    const struct mlo_step *first = maker_of(f, j, 0);
    bool is_int8 = first->op == &mlo_op_int8_dense, done;
    size_t common = is_int8 ? 3 : 1, each = is_int8 ? 4 : 2, in[3 + 4 * PARTS], n = 0, steps[PARTS];
    struct mlo_dense_params dense;
    struct mlo_int8_dense_params int8;
    for (; n < common; n++)
        in[n] = first->in[n];
    for (size_t i = 0; i < PARTS; i++) {
        steps[i] = f->maker[j->product[i]];
        for (size_t k = 0; k < each; k++)
            in[n++] = mlo_fuse_input(f, steps[i], common + k);
    }
    struct mlo_fused with = {first->op, in, &j->product[0], n, 1, NULL, 0};
    if (is_int8) {
        int8 = *(const struct mlo_int8_dense_params *)first->params;
        int8.parts = PARTS;
        with.params = &int8;
        with.params_size = sizeof int8;
    } else {
        dense = *(const struct mlo_dense_params *)first->params;
        dense.parts = PARTS;
        with.params = &dense;
        with.params_size = sizeof dense;
    }
    int rc = mlo_fuse_replace(f, steps, PARTS, &with, &done, err);
    return rc == 0 && !done ? mlo_fail(err, MLO_EINTERNAL, "three products of one input are not joined") : rc;
}

int mlo_fuse_joined(struct mlo_fuse *f, size_t at, struct mlo_err *err)
{
    struct joined j = {.heads = at};
    bool done;
    if (f->g->steps[at].op != &mlo_op_heads)
        return 0;
    take(&j, at);
    if (!find_before(f, &j) || !find_behind(f, &j) || !are_alike(f, &j))
        return 0;
    j.p.scale = ((const struct mlo_heads_params *)f->g->steps[at].params)->scale;
    const size_t in[2] = {j.product[0], mlo_fuse_input(f, at, 3)};
    struct mlo_fused with = {&mlo_op_joined_heads, in, f->g->steps[j.last].out, 2, 1, &j.p, sizeof j.p};
    int rc = mlo_fuse_replace(f, j.steps, j.n, &with, &done, err);
    return rc == 0 && done ? join(f, &j, err) : rc;
}
