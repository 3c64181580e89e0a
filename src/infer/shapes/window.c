/* Shapes of convolutions and pools. */
#include <string.h>

#include "shapes.h"

#define SPATIAL_MAX (MLO_RANK_MAX - 2)
#define NUMBER_MAX  INT32_MAX /* of a kernel, a step, a padding */

struct window { /* by spatial dimension */
    unsigned rank;
    int64_t kernel[SPATIAL_MAX], step[SPATIAL_MAX], spread[SPATIAL_MAX], pads[2 * SPATIAL_MAX];
    bool same, ceil_mode;
};

/* false: not of this many numbers, or not to be computed with. */
static bool read_list(const struct mlo_node *node, const char *name, unsigned n, int64_t usual, int64_t *ret)
{
    size_t have;
    const int64_t *list = mlo_attr_ints(node, name, &have);
    for (unsigned i = 0; i < n && (!list || have == n); i++) {
        ret[i] = list ? list[i] : usual;
        if (ret[i] < 0 || ret[i] > NUMBER_MAX)
            return false;
    }
    return !list || have == n;
}

/* kernel NULL: said by the node. */
static bool read_window(const struct mlo_node *node, const struct mlo_extent *kernel, unsigned rank,
                        struct window *w)
{
    *w = (struct window){.rank = rank, .ceil_mode = mlo_attr_int(node, "ceil_mode", 0) != 0};
    w->same = mlo_attr_is(node, "auto_pad", "SAME_UPPER") || mlo_attr_is(node, "auto_pad", "SAME_LOWER");
    if (!kernel && !read_list(node, "kernel_shape", rank, 0, w->kernel))
        return false;
    for (unsigned d = 0; kernel && d < rank; d++) {
        w->kernel[d] = kernel[d].number;
        if (!mlo_extent_is_number(kernel[d]) || kernel[d].number > NUMBER_MAX)
            return false;
    }
    bool good = read_list(node, "strides", rank, 1, w->step) &&
                read_list(node, "dilations", rank, 1, w->spread);
    if (mlo_attr_is(node, "auto_pad", "") || mlo_attr_is(node, "auto_pad", "NOTSET"))
        good = good && read_list(node, "pads", 2 * rank, 0, w->pads);
    for (unsigned d = 0; good && d < rank; d++)
        good = w->step[d] > 0 && w->kernel[d] > 0;
    return good;
}

static int64_t reach(const struct window *w, unsigned d)
{
    return (w->kernel[d] - 1) * w->spread[d] + 1;
}

/* How many windows there are; a last one that would start in the padding behind is left out. */
static struct mlo_extent windows(struct mlo_extents *t, const struct window *w, unsigned d,
                                 struct mlo_extent in)
{
    int64_t more = w->pads[d] + w->pads[d + w->rank] - reach(w, d), step = w->step[d];
    if (w->same && step == 1)
        return in;
    if (!mlo_extent_is_number(in) || in.number > NUMBER_MAX)
        return step == 1 && !w->same ? mlo_extent_add(t, in, mlo_extent_of(more + 1)) : mlo_extent_open();
    if (w->same)
        return mlo_extent_of((in.number + step - 1) / step);
    int64_t room = in.number + more;
    if (room < 0)
        return mlo_extent_open();
    int64_t n = (room + (w->ceil_mode ? step - 1 : 0)) / step + 1;
    return mlo_extent_of(w->ceil_mode && (n - 1) * step >= in.number + w->pads[d] ? n - 1 : n);
}

static int spread_out(struct mlo_rule_call *c, size_t out, enum mlo_dtype t, const struct window *w,
                      struct mlo_extent channels, struct mlo_err *err)
{
    const struct mlo_shape *x = mlo_rule_in(c, 0);
    struct mlo_extent dims[MLO_RANK_MAX] = {x->dims[0], channels};
    for (unsigned d = 0; d < w->rank; d++)
        dims[d + 2] = windows(&c->s->extents, w, d, x->dims[d + 2]);
    return mlo_rule_array(c, out, t, dims, x->rank, err);
}

/* ---- Conv and its like: how says which input the kernels are ---- */

static int run_conv(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_rule_how *how = c->how;
    const struct mlo_shape *x = mlo_rule_in(c, 0), *k = mlo_rule_in(c, how->b);
    enum mlo_dtype t = mlo_rule_type_of(c, how);
    struct mlo_extent inner;
    struct window w;
    mlo_rule_type(c, 0, t);
    if (!x->ranked || !k->ranked)
        return 0;
    if (x->rank < 3 || k->rank != x->rank)
        return mlo_fail(err, MLO_EINVALID, "a kernel of rank %u for an input of rank %u", k->rank, x->rank);
    struct mlo_extent in = mlo_extent_multiply(&c->s->extents, k->dims[1],
                                               mlo_extent_of(mlo_attr_int(c->node, "group", 1)));
    int rc = mlo_rule_unify(c, x->dims[1], in, "channels and kernels", &inner, err);
    if (rc != 0 || !read_window(c->node, k->dims + 2, x->rank - 2, &w))
        return rc;
    return spread_out(c, 0, t, &w, k->dims[0], err);
}

static int run_conv_transpose(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *x = mlo_rule_in(c, 0), *k = mlo_rule_in(c, 1);
    struct mlo_extent dims[MLO_RANK_MAX], inner;
    int64_t more[SPATIAL_MAX], said[SPATIAL_MAX];
    struct window w;
    mlo_rule_type(c, 0, x->dtype);
    if (!x->ranked || !k->ranked)
        return 0;
    if (x->rank < 3 || k->rank != x->rank)
        return mlo_fail(err, MLO_EINVALID, "a kernel of rank %u for an input of rank %u", k->rank, x->rank);
    int rc = mlo_rule_unify(c, x->dims[1], k->dims[0], "channels and kernels", &inner, err);
    if (rc != 0 || !read_window(c->node, k->dims + 2, x->rank - 2, &w) ||
        !read_list(c->node, "output_padding", w.rank, 0, more) ||
        !read_list(c->node, "output_shape", w.rank, 0, said))
        return rc;
    struct mlo_extents *t = &c->s->extents;
    dims[0] = x->dims[0];
    dims[1] = mlo_extent_multiply(t, k->dims[1], mlo_extent_of(mlo_attr_int(c->node, "group", 1)));
    for (unsigned d = 0; d < w.rank; d++) {
        struct mlo_extent full = mlo_extent_multiply(t, x->dims[d + 2], mlo_extent_of(w.step[d]));
        int64_t plus = more[d] + reach(&w, d) - w.step[d] - w.pads[d] - w.pads[d + w.rank];
        dims[d + 2] = said[d]  ? mlo_extent_of(said[d])
                      : w.same ? full
                               : mlo_extent_add(t, full, mlo_extent_of(plus));
    }
    return mlo_rule_array(c, 0, x->dtype, dims, x->rank, err);
}

/* ---- pools ---- */

static int run_pool(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *x = mlo_rule_in(c, 0);
    struct window w;
    mlo_rule_type(c, 0, x->dtype);
    mlo_rule_type(c, 1, MLO_DT_I64);
    if (!x->ranked || x->rank < 3 || !read_window(c->node, NULL, x->rank - 2, &w))
        return 0;
    int rc = spread_out(c, 0, x->dtype, &w, x->dims[1], err);
    return rc == 0 ? spread_out(c, 1, MLO_DT_I64, &w, x->dims[1], err) : rc;
}

static int run_global_pool(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *x = mlo_rule_in(c, 0);
    struct mlo_extent dims[MLO_RANK_MAX];
    mlo_rule_type(c, 0, x->dtype);
    if (!x->ranked || x->rank < 3)
        return 0;
    for (unsigned d = 0; d < x->rank; d++)
        dims[d] = d < 2 ? x->dims[d] : mlo_extent_of(1);
    return mlo_rule_array(c, 0, x->dtype, dims, x->rank, err);
}

static const struct mlo_rule_how floats = {.b = 1}, integer = {.dtype = MLO_DT_I32, .b = 1},
                                 quantized = {.from = 7, .b = 3};
static const struct mlo_rule rules[] = {
    {"Conv", run_conv, &floats},
    {"ConvInteger", run_conv, &integer},
    {"QLinearConv", run_conv, &quantized},
    {"ConvTranspose", run_conv_transpose, NULL},
    {"MaxPool", run_pool, NULL},
    {"AveragePool", run_pool, NULL},
    {"LpPool", run_pool, NULL},
    {"GlobalMaxPool", run_global_pool, NULL},
    {"GlobalAveragePool", run_global_pool, NULL},
    {"GlobalLpPool", run_global_pool, NULL},
};
const struct mlo_rule_family mlo_rules_window = {"", rules, MLO_COUNT(rules)};
