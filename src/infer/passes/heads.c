/*
 * Attention of heads as exporters take it apart, between the Reshapes that make heads of columns and columns
 * of heads:
 *
 *     Transpose(MatMul(Softmax(scale MatMul(Transpose(q), Transpose(k)) + mask), Transpose(v)))
 *
 * where the scale is a constant of float32, on the scores or (one or both) on what they are made of.
 */
#include "infer/ops/block.h"
#include "fuse.h"

struct heads {
    struct mlo_heads_params p;
    size_t steps[16], n;
    size_t in[4]; /* q, k, v, mask */
    bool scaled;
};

static const int64_t to_heads[4] = {0, 2, 1, 3}, to_keys[4] = {0, 2, 3, 1}, turned[4] = {0, 1, 3, 2};

static void take(struct heads *h, size_t at)
{
    h->steps[h->n++] = at;
}

static bool is_transpose(const struct mlo_fuse *f, size_t at, const int64_t perm[4])
{
    if (!mlo_fuse_is(f, at, "Transpose"))
        return false;
    size_t n;
    const int64_t *own = mlo_attr_ints(f->g->steps[at].node, "perm", &n);
    return n == 4 && own[0] == perm[0] && own[1] == perm[1] && own[2] == perm[2] && own[3] == perm[3];
}

/* Goes over a Mul or Div by a constant. */
static size_t over_scale(const struct mlo_fuse *f, size_t at, struct heads *h)
{
    float v;
    bool times = mlo_fuse_is(f, at, "Mul");
    for (size_t i = 0; i < 2; i++) {
        if ((times || (i == 1 && mlo_fuse_is(f, at, "Div"))) && mlo_fuse_float(f, at, i, &v)) {
            h->p.scale *= times ? v : 1 / v;
            h->scaled = true;
            take(h, at);
            return mlo_fuse_maker(f, at, 1 - i);
        }
    }
    return at;
}

static bool find_queries(const struct mlo_fuse *f, size_t at, struct heads *h)
{
    at = over_scale(f, at, h);
    if (!is_transpose(f, at, to_heads))
        return false;
    take(h, at);
    h->in[0] = mlo_fuse_input(f, at, 0);
    return true;
}

static bool find_keys(const struct mlo_fuse *f, size_t at, struct heads *h)
{
    at = over_scale(f, at, h);
    if (is_transpose(f, at, turned)) { /* in two turns */
        take(h, at);
        at = over_scale(f, mlo_fuse_maker(f, at, 0), h);
        if (!is_transpose(f, at, to_heads))
            return false;
    } else if (!is_transpose(f, at, to_keys)) {
        return false;
    }
    take(h, at);
    h->in[1] = mlo_fuse_input(f, at, 0);
    return true;
}

static bool find_product(const struct mlo_fuse *f, size_t at, struct heads *h)
{
    at = over_scale(f, at, h);
    if (!mlo_fuse_is(f, at, "MatMul"))
        return false;
    take(h, at);
    return find_queries(f, mlo_fuse_maker(f, at, 0), h) && find_keys(f, mlo_fuse_maker(f, at, 1), h) &&
           h->scaled;
}

/* What the softmax is of: a product, or the sum of one and a mask. */
static bool find_scores(const struct mlo_fuse *f, size_t at, struct heads *h)
{
    struct heads before = *h;
    if (find_product(f, at, h))
        return true;
    for (size_t i = 0; i < 2 && mlo_fuse_is(f, at, "Add"); i++) {
        *h = before;
        take(h, at);
        h->in[3] = mlo_fuse_input(f, at, 1 - i);
        if (find_product(f, mlo_fuse_maker(f, at, i), h))
            return true;
    }
    return false;
}

static bool find_values(const struct mlo_fuse *f, size_t softmax, struct heads *h, size_t *ret_last)
{
    size_t product = mlo_fuse_only_user(f, softmax), last;
    if (!mlo_fuse_is(f, product, "MatMul") || mlo_fuse_maker(f, product, 0) != softmax)
        return false;
    size_t turn = mlo_fuse_maker(f, product, 1);
    *ret_last = last = mlo_fuse_only_user(f, product);
    if (!is_transpose(f, turn, to_heads) || !is_transpose(f, last, to_heads))
        return false;
    take(h, product);
    take(h, turn);
    take(h, last);
    h->in[2] = mlo_fuse_input(f, turn, 0);
    return true;
}

/* Over the last of four dimensions, in every version. */
static bool is_softmax(const struct mlo_fuse *f, size_t at)
{
    if (!mlo_fuse_is(f, at, "Softmax"))
        return false;
    const struct mlo_node *n = f->g->steps[at].node;
    int64_t axis = mlo_attr_int(n, "axis", n->version < 13 ? 1 : -1);
    return axis == -1 || axis == 3;
}

int mlo_fuse_heads(struct mlo_fuse *f, size_t at, struct mlo_err *err)
{
    struct heads h = {.p = {.scale = 1}, .in = {MLO_NO_VALUE, MLO_NO_VALUE, MLO_NO_VALUE, MLO_NO_VALUE}};
    size_t last;
    bool done;
    if (!is_softmax(f, at))
        return 0;
    take(&h, at);
    if (!find_scores(f, mlo_fuse_maker(f, at, 0), &h) || !find_values(f, at, &h, &last))
        return 0;
    struct mlo_fused with = {&mlo_op_heads, h.in, f->g->steps[last].out, 4, 1, &h.p, sizeof h.p};
    return mlo_fuse_replace(f, h.steps, h.n, &with, &done, err);
}
