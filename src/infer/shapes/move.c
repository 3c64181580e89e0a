/* Shapes of operators that say or change a shape, join, cut, repeat and fill up. */
#include <string.h>

#include "shapes.h"

#define TO_THE_END ((int64_t)1 << 31) /* exporters write the largest number of 32 or 64 bits */

static struct mlo_extents *table(struct mlo_rule_call *c)
{
    return &c->s->extents;
}

/* Output 0, of these dimensions; a list or number that is followed keeps its numbers. */
static int reshaped(struct mlo_rule_call *c, const struct mlo_extent *dims, unsigned rank,
                    struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0);
    int rc = mlo_rule_array(c, 0, v->dtype, dims, rank, err);
    return rc == 0 && v->numbers ? mlo_rule_numbers(c, 0, v->numbers, v->n_numbers, err) : rc;
}

/* ---- Shape, Size ---- */

static int run_shape(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0);
    int64_t rank = v->rank, start = mlo_attr_int(c->node, "start", 0),
            end = mlo_attr_int(c->node, "end", rank);
    if (!v->ranked)
        return mlo_rule_open(c, 0, MLO_DT_I64, 1, err);
    start += start < 0 ? rank : 0;
    end += end < 0 ? rank : 0;
    start = start < 0 ? 0 : start > rank ? rank : start;
    end = end > rank ? rank : end < start ? start : end;
    struct mlo_extent n = mlo_extent_of(end - start);
    int rc = mlo_rule_array(c, 0, MLO_DT_I64, &n, 1, err);
    return rc == 0 ? mlo_rule_numbers(c, 0, v->dims + start, (size_t)n.number, err) : rc;
}

static int run_size(struct mlo_rule_call *c, struct mlo_err *err)
{
    struct mlo_extent n = mlo_shape_count(c->s, mlo_rule_in(c, 0));
    int rc = mlo_rule_array(c, 0, MLO_DT_I64, NULL, 0, err);
    return rc == 0 ? mlo_rule_numbers(c, 0, &n, 1, err) : rc;
}

/* ---- Reshape ---- */

/* What is left for -1: the input's dimensions by those of the result, equal ones taken out first. */
static struct mlo_extent left_over(struct mlo_rule_call *c, const struct mlo_shape *v,
                                   const struct mlo_extent *dims, unsigned rank, unsigned open)
{
    struct mlo_extent have = mlo_extent_of(1), need = mlo_extent_of(1);
    bool taken[MLO_RANK_MAX] = {false};
    for (unsigned i = 0; i < rank; i++) {
        unsigned k = 0;
        while (i != open && k < v->rank && (taken[k] || !mlo_extent_same(v->dims[k], dims[i])))
            k++;
        if (i != open && k < v->rank)
            taken[k] = true;
        else if (i != open)
            need = mlo_extent_multiply(table(c), need, dims[i]);
    }
    for (unsigned k = 0; k < v->rank; k++)
        if (!taken[k])
            have = mlo_extent_multiply(table(c), have, v->dims[k]);
    return mlo_extent_divide(table(c), have, need);
}

static int check_count(struct mlo_rule_call *c, const struct mlo_shape *v, const struct mlo_extent *dims,
                       unsigned rank, bool open, struct mlo_err *err)
{
    struct mlo_extent have = mlo_shape_count(c->s, v), need = mlo_extent_of(1);
    for (unsigned i = 0; i < rank; i++)
        need = mlo_extent_multiply(table(c), need, dims[i]);
    if (!mlo_extent_is_number(have) || !mlo_extent_is_number(need))
        return 0;
    if (open ? need.number == 0 || have.number % need.number != 0 : have.number != need.number)
        return mlo_fail(err, MLO_EINVALID, "%lld elements do not fit into a shape of %lld",
                        (long long)have.number, (long long)need.number);
    return 0;
}

static int run_reshape(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0), *to = mlo_rule_in(c, 1);
    bool zero = mlo_attr_int(c->node, "allowzero", 0) != 0;
    struct mlo_extent dims[MLO_RANK_MAX], n = mlo_shape_dim(to, 0);
    unsigned rank = (unsigned)to->n_numbers, open = MLO_RANK_MAX;
    mlo_rule_type(c, 0, v->dtype);
    if (!to->numbers || rank > MLO_RANK_MAX)
        return to->ranked && to->rank == 1 && mlo_extent_is_number(n) && n.number <= MLO_RANK_MAX
                   ? mlo_rule_open(c, 0, v->dtype, (unsigned)n.number, err)
                   : 0;
    for (unsigned i = 0; i < rank; i++) {
        dims[i] = to->numbers[i];
        if (mlo_extent_is(dims[i], 0) && !zero && v->ranked && i >= v->rank)
            return mlo_fail(err, MLO_EINVALID, "dimension %u is to be copied, but the input has %u", i,
                            v->rank);
        if (mlo_extent_is(dims[i], 0) && !zero)
            dims[i] = mlo_shape_dim(v, i);
        if (mlo_extent_is(to->numbers[i], -1)) {
            if (open < MLO_RANK_MAX)
                return mlo_fail(err, MLO_EINVALID, "a shape with two dimensions of -1");
            open = i;
            dims[i] = mlo_extent_of(1);
        }
    }
    int rc = check_count(c, v, dims, rank, open < rank, err);
    if (open < rank)
        dims[open] = v->ranked ? left_over(c, v, dims, rank, open) : mlo_extent_open();
    return rc == 0 ? reshaped(c, dims, rank, err) : rc;
}

static int run_flatten(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0);
    struct mlo_extent dims[2] = {mlo_extent_of(1), mlo_extent_of(1)};
    int64_t axis = mlo_attr_int(c->node, "axis", 1);
    if (!v->ranked)
        return mlo_rule_open(c, 0, v->dtype, 2, err);
    axis += axis < 0 ? v->rank : 0;
    if (axis < 0 || axis > v->rank)
        return mlo_fail(err, MLO_EINVALID, "axis %lld of rank %u", (long long)axis, v->rank);
    for (unsigned i = 0; i < v->rank; i++)
        dims[i >= axis] = mlo_extent_multiply(table(c), dims[i >= axis], v->dims[i]);
    return mlo_rule_array(c, 0, v->dtype, dims, 2, err);
}

/* ---- axes of one element ---- */

static int mark_axes(const int64_t *axes, size_t n, unsigned rank, bool marks[MLO_RANK_MAX],
                     struct mlo_err *err)
{
    int rc = 0;
    memset(marks, 0, MLO_RANK_MAX * sizeof *marks);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        unsigned at = 0;
        rc = mlo_rule_axis(axes[i], rank, &at, err);
        if (rc == 0)
            marks[at] = true;
    }
    return rc;
}

static int run_squeeze(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0);
    struct mlo_extent dims[MLO_RANK_MAX];
    int64_t axes[MLO_NUMBERS_MAX];
    bool marks[MLO_RANK_MAX];
    unsigned rank = 0;
    size_t n;
    mlo_rule_type(c, 0, v->dtype);
    if (!v->ranked || !mlo_rule_said(c, "axes", 1, axes, &n))
        return 0;
    int rc = mark_axes(axes, n, v->rank, marks, err);
    for (unsigned i = 0; rc == 0 && i < v->rank; i++) {
        if (n == 0 && !mlo_extent_is_number(v->dims[i]))
            return 0;
        if (marks[i] && mlo_extent_is_number(v->dims[i]) && v->dims[i].number != 1)
            return mlo_fail(err, MLO_EINVALID, "dimension %u has %lld elements, not 1", i,
                            (long long)v->dims[i].number);
        if (n ? !marks[i] : !mlo_extent_is(v->dims[i], 1))
            dims[rank++] = v->dims[i];
    }
    return rc == 0 ? reshaped(c, dims, rank, err) : rc;
}

static int run_unsqueeze(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0);
    struct mlo_extent dims[MLO_RANK_MAX];
    int64_t axes[MLO_NUMBERS_MAX];
    bool marks[MLO_RANK_MAX];
    unsigned from = 0;
    size_t n;
    mlo_rule_type(c, 0, v->dtype);
    if (!v->ranked || !mlo_rule_said(c, "axes", 1, axes, &n))
        return 0;
    if (v->rank + n > MLO_RANK_MAX)
        return mlo_fail(err, MLO_EUNAVAIL, "%zu dimensions, more than %d", v->rank + n, MLO_RANK_MAX);
    unsigned rank = v->rank + (unsigned)n;
    int rc = mark_axes(axes, n, rank, marks, err);
    for (unsigned i = 0; rc == 0 && i < rank; i++)
        dims[i] = marks[i] || from == v->rank ? mlo_extent_of(1) : v->dims[from++];
    return rc == 0 ? reshaped(c, dims, rank, err) : rc;
}

static int run_transpose(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0);
    struct mlo_extent dims[MLO_RANK_MAX];
    size_t n;
    const int64_t *perm = mlo_attr_ints(c->node, "perm", &n);
    mlo_rule_type(c, 0, v->dtype);
    if (!v->ranked)
        return 0;
    if (perm && n != v->rank)
        return mlo_fail(err, MLO_EINVALID, "an order of %zu axes for rank %u", n, v->rank);
    for (unsigned i = 0; i < v->rank; i++) {
        if (perm && (perm[i] < 0 || perm[i] >= v->rank))
            return mlo_fail(err, MLO_EINVALID, "axis %lld of rank %u", (long long)perm[i], v->rank);
        dims[i] = v->dims[perm ? (unsigned)perm[i] : v->rank - 1 - i];
    }
    return mlo_rule_array(c, 0, v->dtype, dims, v->rank, err);
}

/* ---- Concat, Split ---- */

static int join_numbers(struct mlo_rule_call *c, struct mlo_err *err)
{
    struct mlo_extent numbers[MLO_NUMBERS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < c->node->n_inputs; i++) {
        const struct mlo_shape *v = mlo_rule_in(c, i);
        if (!v->numbers || v->rank != 1 || n + v->n_numbers > MLO_NUMBERS_MAX)
            return 0;
        memcpy(numbers + n, v->numbers, v->n_numbers * sizeof *numbers);
        n += v->n_numbers;
    }
    return mlo_rule_numbers(c, 0, numbers, n, err);
}

static int run_concat(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *first = mlo_rule_in(c, 0);
    struct mlo_extent dims[MLO_RANK_MAX];
    unsigned axis = 0;
    mlo_rule_type(c, 0, first->dtype);
    if (!first->ranked)
        return 0;
    int rc = mlo_rule_axis(mlo_attr_int(c->node, "axis", 1), first->rank, &axis, err);
    memcpy(dims, first->dims, first->rank * sizeof *dims);
    for (size_t i = 1; rc == 0 && i < c->node->n_inputs; i++) {
        const struct mlo_shape *v = mlo_rule_in(c, i);
        if (!v->ranked)
            return 0;
        if (v->rank != first->rank)
            return mlo_fail(err, MLO_EINVALID, "input %zu is of rank %u, not %u", i, v->rank, first->rank);
        for (unsigned d = 0; rc == 0 && d < v->rank; d++)
            if (d == axis)
                dims[d] = mlo_extent_add(table(c), dims[d], v->dims[d]);
            else
                rc = mlo_rule_unify(c, dims[d], v->dims[d], "dimensions", &dims[d], err);
    }
    if (rc == 0)
        rc = mlo_rule_array(c, 0, first->dtype, dims, first->rank, err);
    return rc == 0 && first->rank == 1 ? join_numbers(c, err) : rc;
}

/* Of equal parts the last may be shorter where version 18 says how many there are. */
static struct mlo_extent equal_part(struct mlo_rule_call *c, struct mlo_extent whole, size_t i)
{
    int64_t n = mlo_attr_int(c->node, "num_outputs", (int64_t)c->node->n_outputs);
    if (!mlo_extent_is_number(whole) || n < 1)
        return mlo_extent_divide(table(c), whole, mlo_extent_of(n));
    int64_t part = (whole.number + n - 1) / n, left = whole.number - (int64_t)i * part;
    return mlo_extent_of(left < 0 ? 0 : left < part ? left : part);
}

static int run_split(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0);
    struct mlo_extent dims[MLO_RANK_MAX];
    int64_t sizes[MLO_NUMBERS_MAX];
    unsigned axis = 0;
    size_t n = 0;
    bool known = mlo_rule_said(c, "split", 1, sizes, &n);
    int rc = v->ranked ? mlo_rule_axis(mlo_attr_int(c->node, "axis", 0), v->rank, &axis, err) : 0;
    if (v->ranked && rc == 0)
        memcpy(dims, v->dims, v->rank * sizeof *dims);
    for (size_t i = 0; rc == 0 && i < c->node->n_outputs; i++) {
        mlo_rule_type(c, i, v->dtype);
        if (!v->ranked)
            continue;
        dims[axis] = !known   ? mlo_extent_open()
                     : n == 0 ? equal_part(c, v->dims[axis], i)
                     : i < n  ? mlo_extent_of(sizes[i])
                              : mlo_extent_open();
        rc = mlo_rule_array(c, i, v->dtype, dims, v->rank, err);
    }
    return rc;
}

/* ---- Slice ---- */

/* Positions from `from` to before `to` of a dimension; negative ones count from its end. */
static struct mlo_extent cut(const struct mlo_extent dim, struct mlo_extent from, struct mlo_extent to,
                             int64_t step)
{
    int64_t n = dim.number, a = from.number, b = to.number;
    a += a < 0 ? n : 0;
    b += b < 0 ? n : 0;
    int64_t least = step < 0 ? -1 : 0, most = step < 0 ? n - 1 : n;
    a = a < 0 ? 0 : a > most ? most : a;
    b = b < least ? least : b > most ? most : b;
    int64_t reach = step > 0 ? b - a : a - b, size = step > 0 ? step : -step;
    return mlo_extent_of(reach <= 0 ? 0 : (reach - 1) / size + 1);
}

/*
 * The same where not all is a number, steps of 1. Taken for granted: a symbol that cuts a dimension is not
 * above it, as when positions 0 to seq are taken from a table of 512 (with more the model would not run).
 */
static struct mlo_extent cut_unknown(struct mlo_rule_call *c, struct mlo_extent dim, struct mlo_extent from,
                                     struct mlo_extent to)
{
    struct mlo_extents *t = table(c);
    if (mlo_extent_is_number(from) && from.number < 0)
        from = mlo_extent_add(t, dim, from);
    if (mlo_extent_is_number(to) && to.number < 0)
        to = mlo_extent_add(t, dim, to);
    else if (mlo_extent_is_number(to) && to.number >= TO_THE_END - 1)
        to = dim;
    else if (mlo_extent_is_number(to) && !mlo_extent_is_number(dim) &&
             !(to.number <= 1 && mlo_extent_is_positive(t, dim)))
        return mlo_extent_open();
    else if (!mlo_extent_is_number(dim) && !mlo_extent_same(to, dim) && !mlo_extent_is_number(to) &&
             !mlo_extent_is_positive(t, mlo_extent_subtract(t, dim, to)))
        return mlo_extent_open();
    struct mlo_extent n = mlo_extent_subtract(t, to, from);
    return mlo_extent_is_number(n) && n.number < 0 ? mlo_extent_of(0) : n;
}

static struct mlo_extent cut_any(struct mlo_rule_call *c, struct mlo_extent dim, struct mlo_extent from,
                                 struct mlo_extent to, struct mlo_extent step)
{
    bool numbers = mlo_extent_is_number(from) && mlo_extent_is_number(to);
    if (numbers && mlo_extent_is_number(dim) && mlo_extent_is_number(step) && step.number != 0 &&
        step.number > INT64_MIN)
        return cut(dim, from, to, step.number);
    if (mlo_extent_is(step, 1))
        return cut_unknown(c, dim, from, to);
    return numbers && mlo_extent_is(step, -1) && from.number == -1 && to.number <= -TO_THE_END
               ? dim
               : mlo_extent_open();
}

/* A list of extents: an attribute before version 10, an input since. */
static bool extents_said(const struct mlo_rule_call *c, const char *attr, size_t i,
                         struct mlo_extent ret[MLO_NUMBERS_MAX], size_t *ret_n)
{
    const struct mlo_shape *v = mlo_rule_in(c, i);
    const int64_t *list = mlo_attr_ints(c->node, attr, ret_n);
    bool given = !list && mlo_rule_given(c, i);
    if (!list)
        *ret_n = given ? v->n_numbers : 0;
    if ((given && !v->numbers) || *ret_n > MLO_NUMBERS_MAX)
        return false;
    for (size_t k = 0; k < *ret_n; k++)
        ret[k] = list ? mlo_extent_of(list[k]) : v->numbers[k];
    return true;
}

struct slice {
    struct mlo_extent from[MLO_NUMBERS_MAX], to[MLO_NUMBERS_MAX], step[MLO_NUMBERS_MAX];
    int64_t axes[MLO_NUMBERS_MAX];
    size_t n;
};

static bool read_slice(const struct mlo_rule_call *c, struct slice *s)
{
    size_t n_to, n_axes, n_step;
    if (!extents_said(c, "starts", 1, s->from, &s->n) || !extents_said(c, "ends", 2, s->to, &n_to) ||
        !mlo_rule_said(c, "axes", 3, s->axes, &n_axes) || !extents_said(c, "steps", 4, s->step, &n_step) ||
        n_to != s->n || (n_axes && n_axes != s->n) || (n_step && n_step != s->n))
        return false;
    for (size_t i = 0; i < s->n; i++) {
        s->axes[i] = n_axes ? s->axes[i] : (int64_t)i;
        s->step[i] = n_step ? s->step[i] : mlo_extent_of(1);
    }
    return true;
}

static int slice_numbers(struct mlo_rule_call *c, const struct slice *s, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0), *out = mlo_rule_out(c, 0);
    struct mlo_extent numbers[MLO_NUMBERS_MAX], n = mlo_shape_dim(out, 0);
    if (!v->numbers || v->rank != 1 || s->n != 1 || !mlo_extent_is_number(n) ||
        !mlo_extent_is_number(s->from[0]) || !mlo_extent_is_number(s->step[0]))
        return 0;
    int64_t have = (int64_t)v->n_numbers, at = s->from[0].number, step = s->step[0].number;
    at += at < 0 ? have : 0;
    at = at < 0 ? 0 : step < 0 && at > have - 1 ? have - 1 : at;
    for (int64_t i = 0; i < n.number; i++, at += step) {
        if (at < 0 || at >= have)
            return 0;
        numbers[i] = v->numbers[at];
    }
    return mlo_rule_numbers(c, 0, numbers, (size_t)n.number, err);
}

static int run_slice(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0);
    struct mlo_extent dims[MLO_RANK_MAX];
    struct slice s;
    int rc = 0;
    mlo_rule_type(c, 0, v->dtype);
    if (!v->ranked)
        return 0;
    if (!read_slice(c, &s))
        return mlo_rule_open(c, 0, v->dtype, v->rank, err);
    memcpy(dims, v->dims, v->rank * sizeof *dims);
    for (size_t i = 0; rc == 0 && i < s.n; i++) {
        unsigned axis = 0;
        rc = mlo_rule_axis(s.axes[i], v->rank, &axis, err);
        if (rc == 0)
            dims[axis] = cut_any(c, v->dims[axis], s.from[i], s.to[i], s.step[i]);
    }
    if (rc == 0)
        rc = mlo_rule_array(c, 0, v->dtype, dims, v->rank, err);
    return rc == 0 ? slice_numbers(c, &s, err) : rc;
}

/* ---- Expand, Tile, Pad ---- */

static int run_expand(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0), *to = mlo_rule_in(c, 1);
    struct mlo_extent dims[MLO_RANK_MAX], n = mlo_shape_dim(to, 0);
    unsigned rank;
    mlo_rule_type(c, 0, v->dtype);
    if (v->ranked && !to->numbers && mlo_extent_is_number(n) && n.number <= MLO_RANK_MAX)
        return mlo_rule_open(c, 0, v->dtype, v->rank > n.number ? v->rank : (unsigned)n.number, err);
    if (!v->ranked || !to->numbers || to->n_numbers > MLO_RANK_MAX)
        return 0;
    int rc = mlo_rule_broadcast(c, v->dims, v->rank, to->numbers, (unsigned)to->n_numbers, dims, &rank, err);
    if (rc != 0)
        return rc;
    rc = mlo_rule_array(c, 0, v->dtype, dims, rank, err);
    for (size_t i = 0; rc == 0 && v->n_numbers == 1 && rank == 1 && mlo_extent_is_number(dims[0]) &&
                       dims[0].number <= MLO_NUMBERS_MAX && i < 1;
         i++) {
        struct mlo_extent all[MLO_NUMBERS_MAX];
        for (int64_t k = 0; k < dims[0].number; k++)
            all[k] = v->numbers[0];
        rc = mlo_rule_numbers(c, 0, all, (size_t)dims[0].number, err);
    }
    return rc;
}

static int run_tile(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0), *times = mlo_rule_in(c, 1);
    struct mlo_extent dims[MLO_RANK_MAX];
    mlo_rule_type(c, 0, v->dtype);
    if (!v->ranked)
        return 0;
    if (!times->numbers || times->n_numbers != v->rank)
        return mlo_rule_open(c, 0, v->dtype, v->rank, err);
    for (unsigned i = 0; i < v->rank; i++)
        dims[i] = mlo_extent_multiply(table(c), v->dims[i], times->numbers[i]);
    return mlo_rule_array(c, 0, v->dtype, dims, v->rank, err);
}

static int run_pad(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0);
    struct mlo_extent dims[MLO_RANK_MAX], pads[MLO_NUMBERS_MAX];
    int64_t axes[MLO_NUMBERS_MAX];
    size_t n, n_axes = 0;
    int rc = 0;
    mlo_rule_type(c, 0, v->dtype);
    if (!v->ranked)
        return 0;
    bool known = extents_said(c, "pads", 1, pads, &n) &&
                 (!mlo_rule_given(c, 3) || mlo_rule_list(c, 3, axes, &n_axes));
    size_t each = mlo_rule_given(c, 3) ? n_axes : v->rank;
    if (!known || n != 2 * each)
        return mlo_rule_open(c, 0, v->dtype, v->rank, err);
    memcpy(dims, v->dims, v->rank * sizeof *dims);
    for (size_t i = 0; rc == 0 && i < each; i++) {
        unsigned axis = (unsigned)i;
        rc = mlo_rule_given(c, 3) ? mlo_rule_axis(axes[i], v->rank, &axis, err) : 0;
        if (rc == 0)
            dims[axis] = mlo_extent_add(table(c), dims[axis],
                                        mlo_extent_add(table(c), pads[i], pads[i + each]));
    }
    return rc == 0 ? mlo_rule_array(c, 0, v->dtype, dims, v->rank, err) : rc;
}

/* ---- blocks ---- */

static int run_blocks(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0);
    bool to_space = c->how != NULL;
    struct mlo_extent size = mlo_extent_of(mlo_attr_int(c->node, "blocksize", 0)), dims[4];
    mlo_rule_type(c, 0, v->dtype);
    if (!v->ranked || v->rank != 4)
        return 0;
    struct mlo_extent area = mlo_extent_multiply(table(c), size, size);
    dims[0] = v->dims[0];
    dims[1] = to_space ? mlo_extent_divide(table(c), v->dims[1], area)
                       : mlo_extent_multiply(table(c), v->dims[1], area);
    for (unsigned i = 2; i < 4; i++)
        dims[i] = to_space ? mlo_extent_multiply(table(c), v->dims[i], size)
                           : mlo_extent_divide(table(c), v->dims[i], size);
    return mlo_rule_array(c, 0, v->dtype, dims, 4, err);
}

/* ---- constants ---- */

static int run_constant(struct mlo_rule_call *c, struct mlo_err *err)
{
    static const struct {
        const char *name;
        enum mlo_dtype dtype;
        bool list;
    } forms[] = {{"value_float", MLO_DT_F32, false},     {"value_int", MLO_DT_I64, false},
                 {"value_string", MLO_DT_STRING, false}, {"value_floats", MLO_DT_F32, true},
                 {"value_ints", MLO_DT_I64, true},       {"value_strings", MLO_DT_STRING, true}};
    const struct mlo_attr *a = mlo_node_attr(c->node, "value");
    if (a && a->kind == MLO_ATTR_TENSOR)
        return mlo_rule_constant(c, 0, a->tensors, err);
    for (size_t i = 0; i < MLO_COUNT(forms); i++) {
        a = mlo_node_attr(c->node, forms[i].name);
        struct mlo_extent n = mlo_extent_of(a && forms[i].list ? (int64_t)a->n : 0), number[MLO_NUMBERS_MAX];
        if (!a)
            continue;
        int rc = mlo_rule_array(c, 0, forms[i].dtype, &n, forms[i].list, err);
        size_t count = forms[i].list ? a->n : 1;
        if (rc != 0 || forms[i].dtype != MLO_DT_I64 || count > MLO_NUMBERS_MAX ||
            a->kind != (forms[i].list ? MLO_ATTR_INTS : MLO_ATTR_INT))
            return rc;
        for (size_t k = 0; k < count; k++)
            number[k] = mlo_extent_of(forms[i].list ? a->ints[k] : a->i);
        return mlo_rule_numbers(c, 0, number, count, err);
    }
    return 0;
}

static int run_constant_of_shape(struct mlo_rule_call *c, struct mlo_err *err)
{
    const struct mlo_shape *v = mlo_rule_in(c, 0);
    const struct mlo_attr *value = mlo_node_attr(c->node, "value");
    bool given = value && value->kind == MLO_ATTR_TENSOR && value->tensors->n == 1;
    struct mlo_extent numbers[MLO_NUMBERS_MAX], n = mlo_shape_dim(v, 0);
    enum mlo_dtype t = given ? value->tensors->dtype : MLO_DT_F32;
    mlo_rule_type(c, 0, t);
    if (!v->numbers)
        return mlo_extent_is_number(n) && v->rank == 1 && n.number <= MLO_RANK_MAX
                   ? mlo_rule_open(c, 0, t, (unsigned)n.number, err)
                   : 0;
    int rc = mlo_rule_array(c, 0, t, v->numbers, (unsigned)v->n_numbers, err);
    if (rc != 0 || v->n_numbers != 1 || t != MLO_DT_I64 || !mlo_extent_is_number(v->numbers[0]) ||
        v->numbers[0].number > MLO_NUMBERS_MAX)
        return rc;
    for (int64_t i = 0; i < v->numbers[0].number; i++)
        numbers[i] = mlo_extent_of(*(const int64_t *)value->tensors->data);
    return mlo_rule_numbers(c, 0, numbers, (size_t)v->numbers[0].number, err);
}

static const struct mlo_rule rules[] = {
    {"Shape", run_shape, NULL},
    {"Size", run_size, NULL},
    {"Reshape", run_reshape, NULL},
    {"Flatten", run_flatten, NULL},
    {"Squeeze", run_squeeze, NULL},
    {"Unsqueeze", run_unsqueeze, NULL},
    {"Transpose", run_transpose, NULL},
    {"Concat", run_concat, NULL},
    {"Split", run_split, NULL},
    {"Slice", run_slice, NULL},
    {"Expand", run_expand, NULL},
    {"Tile", run_tile, NULL},
    {"Pad", run_pad, NULL},
    {"DepthToSpace", run_blocks, ""},
    {"SpaceToDepth", run_blocks, NULL},
    {"Constant", run_constant, NULL},
    {"ConstantOfShape", run_constant_of_shape, NULL},
};
const struct mlo_rule_family mlo_rules_move = {"", rules, MLO_COUNT(rules)};
