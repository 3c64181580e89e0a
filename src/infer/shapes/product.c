/* Shapes of products: MatMul in all its forms, Gemm, Einsum, attention, recurrent networks. */
#include <string.h>

#include "shapes.h"

/* ---- MatMul ---- */

int mlo_rule_matmul(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_rule_how *how = c->how;
    const struct mlo_shape *a = mlo_rule_in(c, how->a), *b = mlo_rule_in(c, how->b);
    struct mlo_extent dims[MLO_RANK_MAX + 2], inner;
    unsigned rank = 0;
    mlo_rule_type(c, 0, mlo_rule_type_of(c, how));
    if (!a->ranked || !b->ranked)
        return 0;
    if (a->rank == 0 || b->rank == 0)
        return mlo_fail(err, MLO_EINVALID, "a product with a number that has no dimensions");
    int rc = mlo_rule_unify(c, a->dims[a->rank - 1], b->dims[b->rank > 1 ? b->rank - 2 : 0],
                            "columns and rows", &inner, err);
    if (rc == 0)
        rc = mlo_rule_broadcast(c, a->dims, a->rank > 2 ? a->rank - 2 : 0, b->dims,
                                b->rank > 2 ? b->rank - 2 : 0, dims, &rank, err);
    if (a->rank > 1)
        dims[rank++] = a->dims[a->rank - 2];
    if (b->rank > 1)
        dims[rank++] = b->dims[b->rank - 1];
    return rc == 0 ? mlo_rule_array(c, 0, mlo_rule_type_of(c, how), dims, rank, err) : rc;
}

static int run_gemm(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *a = mlo_rule_in(c, 0), *b = mlo_rule_in(c, 1);
    unsigned by_a = mlo_attr_int(c->node, "transA", 0) != 0, by_b = mlo_attr_int(c->node, "transB", 0) != 0;
    struct mlo_extent dims[2] = {mlo_extent_open(), mlo_extent_open()}, inner;
    int rc = 0;
    if ((a->ranked && a->rank != 2) || (b->ranked && b->rank != 2))
        return mlo_fail(err, MLO_EINVALID, "not a product of matrices: ranks %u and %u", a->rank, b->rank);
    if (a->ranked)
        dims[0] = a->dims[by_a];
    if (b->ranked)
        dims[1] = b->dims[!by_b];
    if (a->ranked && b->ranked)
        rc = mlo_rule_unify(c, a->dims[!by_a], b->dims[by_b], "columns and rows", &inner, err);
    return rc == 0 ? mlo_rule_array(c, 0, a->dtype, dims, 2, err) : rc;
}

/* ---- Einsum: letters that are all written out ---- */

#define LETTERS 128

/* Sizes of the letters of all inputs; false when one has an ellipsis or is not known. */
static bool read_letters(struct mlo_rule_call *c, const char *text, size_t n,
                         struct mlo_extent sizes[LETTERS])
{
    size_t input = 0;
    unsigned d = 0;
    for (size_t i = 0; i <= n; i++) {
        const struct mlo_shape *v = mlo_rule_in(c, input);
        unsigned char x = i < n ? (unsigned char)text[i] : ',';
        if (x == ' ')
            continue;
        if (!v->ranked || x >= LETTERS || x == '.' || (x == ',' ? d != v->rank : d == v->rank))
            return false;
        if (x == ',') {
            input++;
            d = 0;
            continue;
        }
        struct mlo_extent had = sizes[x], got = v->dims[d++];
        sizes[x] = mlo_extent_is(got, 1) && !mlo_extent_is_open(had) ? had : got;
    }
    return true;
}

static int run_einsum(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_attr *equation = mlo_node_attr(c->node, "equation");
    struct mlo_extent sizes[LETTERS], dims[MLO_RANK_MAX];
    unsigned rank = 0;
    mlo_rule_type(c, 0, mlo_rule_in(c, 0)->dtype);
    if (!equation || equation->kind != MLO_ATTR_STRING || equation->s.len < 2)
        return 0;
    const char *text = equation->s.ptr, *end = text + equation->s.len,
               *arrow = memmem(text, equation->s.len, "->", 2);
    for (size_t i = 0; i < LETTERS; i++)
        sizes[i] = mlo_extent_open();
    if (!arrow || !read_letters(c, text, (size_t)(arrow - text), sizes))
        return 0;
    for (const char *p = arrow + 2; p < end; p++) {
        if (*p == ' ')
            continue;
        if (rank == MLO_RANK_MAX || (unsigned char)*p >= LETTERS || *p == '.')
            return 0;
        dims[rank++] = sizes[(unsigned char)*p];
    }
    return mlo_rule_array(c, 0, mlo_rule_in(c, 0)->dtype, dims, rank, err);
}

/* ---- attention ---- */

/* Of opset 23: [batch, heads, rows, width], or heads and width in one. */
static int run_attention(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *q = mlo_rule_in(c, 0), *v = mlo_rule_in(c, 2);
    int64_t heads = mlo_attr_int(c->node, "q_num_heads", 0), of_v = mlo_attr_int(c->node, "kv_num_heads", 0);
    struct mlo_extent dims[4];
    mlo_rule_type(c, 0, q->dtype);
    if (!q->ranked || !v->ranked || q->rank != v->rank || (q->rank != 3 && q->rank != 4))
        return 0;
    memcpy(dims, q->dims, q->rank * sizeof *dims);
    dims[q->rank - 1] = v->dims[v->rank - 1];
    if (q->rank == 3 && (heads < 1 || of_v < 1))
        return 0;
    if (q->rank == 3 && heads != of_v)
        dims[2] = mlo_extent_multiply(&c->s->extents,
                                      mlo_extent_divide(&c->s->extents, v->dims[2], mlo_extent_of(of_v)),
                                      mlo_extent_of(heads));
    return mlo_rule_array(c, 0, q->dtype, dims, q->rank, err);
}

/* ---- RNN, GRU, LSTM ---- */

static int run_recurrent(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *x = mlo_rule_in(c, 0), *w = mlo_rule_in(c, 1), *r = mlo_rule_in(c, 2);
    bool by_batch = mlo_attr_int(c->node, "layout", 0) != 0;
    struct mlo_extent steps = mlo_shape_dim(x, by_batch), batch = mlo_shape_dim(x, !by_batch),
                      hidden = mlo_shape_dim(r, 2), inner;
    struct mlo_extent directions = mlo_extent_of(mlo_attr_is(c->node, "direction", "bidirectional") ? 2 : 1);
    if ((x->ranked && x->rank != 3) || (w->ranked && w->rank != 3) || (r->ranked && r->rank != 3))
        return mlo_fail(err, MLO_EINVALID, "sequence and weights have to be of rank 3");
    int rc = mlo_rule_unify(c, mlo_shape_dim(x, 2), mlo_shape_dim(w, 2), "columns and weights", &inner, err);
    const struct mlo_extent all[] = {steps, directions, batch, hidden},
                            by_rows[] = {batch, steps, directions, hidden},
                            last[] = {directions, batch, hidden},
                            last_by_rows[] = {batch, directions, hidden};
    if (rc == 0)
        rc = mlo_rule_array(c, 0, x->dtype, by_batch ? by_rows : all, 4, err);
    for (size_t i = 1; rc == 0 && i < c->node->n_outputs; i++)
        rc = mlo_rule_array(c, i, x->dtype, by_batch ? last_by_rows : last, 3, err);
    return rc;
}

static const struct mlo_rule_how plain = {.b = 1}, integer = {.dtype = MLO_DT_I32, .b = 1},
                                 quantized = {.from = 7, .b = 3};
static const struct mlo_rule rules[] = {
    {"MatMul", mlo_rule_matmul, &plain},
    {"MatMulInteger", mlo_rule_matmul, &integer},
    {"QLinearMatMul", mlo_rule_matmul, &quantized},
    {"Gemm", run_gemm, NULL},
    {"Einsum", run_einsum, NULL},
    {"Attention", run_attention, NULL},
    {"RNN", run_recurrent, NULL},
    {"GRU", run_recurrent, NULL},
    {"LSTM", run_recurrent, NULL},
};
const struct mlo_rule_family mlo_rules_product = {"", rules, MLO_COUNT(rules)};

static const struct mlo_rule previews[] = {{"FlexAttention", run_attention, NULL}};
const struct mlo_rule_family mlo_rules_preview = {"ai.onnx.preview", previews, MLO_COUNT(previews)};
