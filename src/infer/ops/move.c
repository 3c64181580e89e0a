/* Operators that put elements elsewhere: transposed, joined, cut, repeated, chosen. Any type, whole bytes. */
#include <string.h>

#include "op.h"

static int need_bytes(const struct mlo_array *a, size_t *ret, struct mlo_err *err)
{
    *ret = mlo_element_size(a->dtype);
    return *ret ? 0 : mlo_fail(err, MLO_EUNAVAIL, "elements of %s are not moved", mlo_dtype_name(a->dtype));
}

/* ---- any copy with steps ---- */

static void copy_steps(char *to, const char *from, size_t size, ptrdiff_t step, size_t n)
{
    if (step == (ptrdiff_t)size) {
        memcpy(to, from, n * size);
        return;
    }
    for (size_t i = 0; i < n; i++, from += step)
        switch (size) { /* constant sizes become single moves */
        case 4:
            memcpy(to + 4 * i, from, 4);
            break;
        case 8:
            memcpy(to + 8 * i, from, 8);
            break;
        default:
            memcpy(to + size * i, from, size);
        }
}

/* Fills `out` from bytes at `from`; steps[d]: bytes between neighbours of the source in dimension d. */
static void gather_steps(struct mlo_array *out, const char *from, const ptrdiff_t *steps, size_t size)
{
    unsigned rank = out->rank, last = rank ? rank - 1 : 0;
    size_t row = rank ? (size_t)out->dims[last] : 1;
    int64_t index[MLO_RANK_MAX] = {0};
    char *to = out->data;
    for (size_t left = out->n; left > 0; left -= row, to += row * size) {
        copy_steps(to, from, size, rank ? steps[last] : (ptrdiff_t)size, row);
        for (unsigned d = last; d-- > 0;) {
            from += steps[d];
            if (++index[d] < out->dims[d])
                break;
            from -= steps[d] * out->dims[d];
            index[d] = 0;
        }
    }
}

static void natural_steps(const struct mlo_array *a, size_t size, ptrdiff_t steps[MLO_RANK_MAX])
{
    ptrdiff_t step = (ptrdiff_t)size;
    for (unsigned d = a->rank; d-- > 0;) {
        steps[d] = step;
        step *= a->dims[d];
    }
}

/* ---- Transpose ---- */

static int run_transpose(struct mlo_op_call *c, struct mlo_err *err)
{
    ptrdiff_t natural[MLO_RANK_MAX], steps[MLO_RANK_MAX];
    int64_t dims[MLO_RANK_MAX];
    bool seen[MLO_RANK_MAX] = {0};
    const struct mlo_array *a;
    struct mlo_array *out;
    size_t n, size;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = need_bytes(a, &size, err);
    if (rc != 0)
        return rc;
    const int64_t *perm = mlo_attr_ints(c->node, "perm", &n);
    if (perm && n != a->rank)
        return mlo_op_refuse(c, err, "a permutation of %zu axes", n);
    natural_steps(a, size, natural);
    for (unsigned d = 0; d < a->rank; d++) {
        unsigned from;
        rc = mlo_axis(perm ? perm[d] : (int64_t)(a->rank - 1 - d), a->rank, &from, err);
        if (rc == 0 && seen[from])
            rc = mlo_fail(err, MLO_EINVALID, "axis %u is named twice", from);
        if (rc != 0)
            return rc;
        seen[from] = true;
        dims[d] = a->dims[from];
        steps[d] = natural[from];
    }
    rc = mlo_out_new(c, 0, a->dtype, dims, a->rank, &out, err);
    if (rc == 0 && out)
        gather_steps(out, a->data, steps, size);
    return rc;
}

/* ---- Concat, Split ---- */

static bool same_but(const struct mlo_array *a, const struct mlo_array *b, unsigned axis)
{
    if (a->rank != b->rank || a->dtype != b->dtype)
        return false;
    for (unsigned d = 0; d < a->rank; d++)
        if (d != axis && a->dims[d] != b->dims[d])
            return false;
    return true;
}

static void copy_rows(char *to, size_t to_row, const char *from, size_t from_row, size_t size, size_t rows)
{
    for (size_t i = 0; size && i < rows; i++)
        memcpy(to + i * to_row, from + i * from_row, size);
}

int mlo_take_part(const struct mlo_array *whole, unsigned axis, size_t at, struct mlo_array *part,
                  struct mlo_err *err)
{
    size_t outer, inner, size;
    int rc = need_bytes(whole, &size, err);
    if (rc != 0 || part->n == 0)
        return rc;
    mlo_around(whole, axis, &outer, &inner);
    size_t row = (size_t)part->dims[axis] * inner * size;
    copy_rows(part->data, row, (const char *)whole->data + at * inner * size,
              (size_t)whole->dims[axis] * inner * size, row, outer);
    return 0;
}

static void put_part(struct mlo_array *whole, unsigned axis, size_t at, const struct mlo_array *part)
{
    size_t outer, inner, size = mlo_element_size(whole->dtype);
    if (part->n == 0)
        return;
    mlo_around(whole, axis, &outer, &inner);
    size_t row = (size_t)part->dims[axis] * inner * size;
    copy_rows((char *)whole->data + at * inner * size, (size_t)whole->dims[axis] * inner * size, part->data,
              row, row, outer);
}

int mlo_axis_insert(struct mlo_array *a, unsigned axis, struct mlo_err *err)
{
    if (a->rank >= MLO_RANK_MAX)
        return mlo_fail(err, MLO_EUNAVAIL, "more than %d dimensions", MLO_RANK_MAX);
    memmove(&a->dims[axis + 1], &a->dims[axis], (a->rank - axis) * sizeof *a->dims);
    a->dims[axis] = 1;
    a->rank++;
    return 0;
}

void mlo_axis_remove(struct mlo_array *a, unsigned axis)
{
    a->rank--;
    memmove(&a->dims[axis], &a->dims[axis + 1], (a->rank - axis) * sizeof *a->dims);
}

int mlo_out_joined(struct mlo_op_call *c, size_t i, const struct mlo_array *parts, size_t n, unsigned axis,
                   struct mlo_err *err)
{
    struct mlo_array whole = parts[0], *out;
    size_t size, at = 0;
    int rc = need_bytes(&whole, &size, err);
    for (size_t k = 1; rc == 0 && k < n; k++)
        if (!same_but(&whole, &parts[k], axis) ||
            __builtin_add_overflow(whole.dims[axis], parts[k].dims[axis], &whole.dims[axis]))
            rc = mlo_op_refuse(c, err, "parts do not fit along axis %u", axis);
    if (rc == 0)
        rc = mlo_out_new(c, i, whole.dtype, whole.dims, whole.rank, &out, err);
    for (size_t k = 0; rc == 0 && out && k < n; k++) {
        put_part(out, axis, at, &parts[k]);
        at += (size_t)parts[k].dims[axis];
    }
    return rc;
}

static int run_concat(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_array *a;
    struct mlo_array *parts;
    void *memory;
    unsigned axis;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = mlo_axis(mlo_attr_int(c->node, "axis", 1), a->rank, &axis, err);
    if (rc == 0)
        rc = mlo_scratch(c, c->n_in, sizeof *parts, &memory, err);
    if (rc != 0)
        return rc;
    parts = memory;
    for (size_t i = 0; rc == 0 && i < c->n_in; i++) {
        rc = mlo_in_array(c, i, &a, err);
        if (rc == 0)
            parts[i] = *a;
    }
    return rc == 0 ? mlo_out_joined(c, 0, parts, c->n_in, axis, err) : rc;
}

/* How long each part is: said by attribute or input, or equal shares of which the last may be shorter. */
static int part_sizes(const struct mlo_op_call *c, int64_t whole, int64_t *parts, struct mlo_err *err)
{
    size_t n;
    int64_t sum = 0, given[MLO_SMALL_LIST];
    const int64_t *list = mlo_attr_ints(c->node, "split", &n);
    int rc = list ? 0 : mlo_in_ints(c, 1, given, &n, err);
    if (rc != 0)
        return rc;
    list = list ? list : given;
    if (c->n_out == 0 || (n > 0 && n != c->n_out))
        return mlo_fail(err, MLO_EINVALID, "%zu parts for %zu outputs", n, c->n_out);
    int64_t share = (whole + (int64_t)c->n_out - 1) / (int64_t)c->n_out;
    for (size_t i = 0; i < c->n_out; i++) {
        parts[i] = n ? list[i] : whole - sum < share ? whole - sum : share;
        if (parts[i] < 0 || parts[i] > whole - sum)
            return mlo_fail(err, MLO_EINVALID, "a part of %lld", (long long)parts[i]);
        sum += parts[i];
    }
    return sum == whole
               ? 0
               : mlo_fail(err, MLO_EINVALID, "parts of %lld of %lld", (long long)sum, (long long)whole);
}

static int run_split(struct mlo_op_call *c, struct mlo_err *err)
{
    int64_t parts[MLO_SMALL_LIST], dims[MLO_RANK_MAX];
    const struct mlo_array *a;
    struct mlo_array *out;
    size_t at = 0;
    unsigned axis;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = mlo_axis(mlo_attr_int(c->node, "axis", 0), a->rank, &axis, err);
    if (rc == 0 && c->n_out > MLO_SMALL_LIST)
        rc = mlo_fail(err, MLO_EUNAVAIL, "%zu parts", c->n_out);
    if (rc == 0)
        rc = part_sizes(c, a->dims[axis], parts, err);
    if (rc != 0)
        return rc;
    memcpy(dims, a->dims, sizeof dims);
    for (size_t i = 0; rc == 0 && i < c->n_out; i++) {
        dims[axis] = parts[i];
        rc = mlo_out_new(c, i, a->dtype, dims, a->rank, &out, err);
        if (rc == 0 && out)
            rc = mlo_take_part(a, axis, at, out, err);
        at += (size_t)parts[i];
    }
    return rc;
}

/* ---- Slice ---- */

struct cut {
    int64_t start, step, n;
};

/* Positions beyond the ends are taken to them; going backward the end may lie before the first. */
static struct cut clamp(int64_t start, int64_t end, int64_t step, int64_t dim)
{
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? dim : dim - 1;
    start = start < 0 && start >= -dim ? start + dim : start;
    end = end < 0 && end >= -dim ? end + dim : end;
    start = start < (step > 0 ? 0 : -dim) ? low : start < 0 ? low : start > high ? high : start;
    end = end < 0 ? low : end > high ? high : end;
    int64_t n = step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step;
    return (struct cut){start, step, n > 0 ? n : 0};
}

struct slicing {
    const int64_t *starts, *ends, *axes, *steps; /* axes, steps: NULL when not given */
    size_t n;
};

static int read_slicing(const struct mlo_op_call *c, int64_t lists[4][MLO_SMALL_LIST], struct slicing *s,
                        struct mlo_err *err)
{
    size_t n[4] = {0};
    s->starts = mlo_attr_ints(c->node, "starts", &n[0]);
    s->ends = mlo_attr_ints(c->node, "ends", &n[1]);
    s->axes = mlo_attr_ints(c->node, "axes", &n[2]);
    s->steps = NULL;
    s->n = n[0];
    if (!s->starts) {
        for (unsigned i = 0; i < 4; i++) {
            int rc = mlo_in_ints(c, i + 1, lists[i], &n[i], err);
            if (rc != 0)
                return rc;
        }
        *s = (struct slicing){lists[0], lists[1], n[2] ? lists[2] : NULL, n[3] ? lists[3] : NULL, n[0]};
    }
    if (n[1] != n[0] || (s->axes && n[2] != n[0]) || (s->steps && n[3] != n[0]))
        return mlo_fail(err, MLO_EINVALID, "starts, ends, axes and steps are not of one length");
    return 0;
}

static int run_slice(struct mlo_op_call *c, struct mlo_err *err)
{
    int64_t lists[4][MLO_SMALL_LIST], dims[MLO_RANK_MAX];
    ptrdiff_t steps[MLO_RANK_MAX];
    const struct mlo_array *a;
    struct mlo_array *out;
    struct slicing s;
    size_t size;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = need_bytes(a, &size, err);
    if (rc == 0)
        rc = read_slicing(c, lists, &s, err);
    if (rc != 0)
        return rc;
    const char *from = a->data;
    memcpy(dims, a->dims, sizeof dims);
    natural_steps(a, size, steps);
    for (size_t i = 0; i < s.n; i++) {
        unsigned axis;
        rc = mlo_axis(s.axes ? s.axes[i] : (int64_t)i, a->rank, &axis, err);
        if (rc == 0 && s.steps && s.steps[i] == 0)
            rc = mlo_fail(err, MLO_EINVALID, "a step of 0");
        if (rc != 0)
            return rc;
        int64_t step = s.steps ? s.steps[i] : 1;
        step = step < -INT32_MAX ? -INT32_MAX : step > INT32_MAX ? INT32_MAX : step;
        struct cut cut = clamp(s.starts[i], s.ends[i], step, a->dims[axis]);
        from += cut.n ? steps[axis] * cut.start : 0;
        steps[axis] *= cut.step;
        dims[axis] = cut.n;
    }
    rc = mlo_out_new(c, 0, a->dtype, dims, a->rank, &out, err);
    if (rc == 0 && out)
        gather_steps(out, from, steps, size);
    return rc;
}

/* ---- Expand, Tile ---- */

static void repeat_steps(const struct mlo_array *a, unsigned rank, size_t size, ptrdiff_t steps[MLO_RANK_MAX])
{
    size_t strides[MLO_RANK_MAX];
    mlo_broadcast_strides(a, rank, strides);
    for (unsigned d = 0; d < rank; d++)
        steps[d] = (ptrdiff_t)(strides[d] * size);
}

static int run_expand(struct mlo_op_call *c, struct mlo_err *err)
{
    int64_t list[MLO_SMALL_LIST], dims[MLO_RANK_MAX];
    ptrdiff_t steps[MLO_RANK_MAX];
    struct mlo_array wanted = {0}, *out;
    const struct mlo_array *a;
    size_t n, size;
    unsigned rank;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = need_bytes(a, &size, err);
    if (rc == 0)
        rc = mlo_in_ints(c, 1, list, &n, err);
    if (rc == 0 && n > MLO_RANK_MAX)
        rc = mlo_fail(err, MLO_EUNAVAIL, "%zu dimensions", n);
    if (rc != 0)
        return rc;
    wanted.rank = (unsigned)n;
    memcpy(wanted.dims, list, n * sizeof *list);
    rc = mlo_broadcast_shape(a, &wanted, dims, &rank, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, a->dtype, dims, rank, &out, err);
    if (rc != 0 || !out)
        return rc;
    repeat_steps(a, rank, size, steps);
    gather_steps(out, a->data, steps, size);
    return 0;
}

/* One dimension after the other, from the last: blocks of what is there already are copied. */
static void tile(struct mlo_array *out, const struct mlo_array *a, const int64_t *times, size_t size)
{
    int64_t index[MLO_RANK_MAX] = {0};
    size_t row = a->rank ? (size_t)a->dims[a->rank - 1] : 1,
           copies = a->rank ? (size_t)times[a->rank - 1] : 1;
    char *to = out->data;
    while (out->n > 0) {
        size_t from = 0;
        for (unsigned d = 0; d < a->rank; d++)
            from = from * (size_t)a->dims[d] + (d + 1 < a->rank ? (size_t)(index[d] % a->dims[d]) : 0);
        for (size_t k = 0; k < copies; k++, to += row * size)
            memcpy(to, (const char *)a->data + from * size, row * size);
        unsigned d = a->rank ? a->rank - 1 : 0;
        while (d > 0 && ++index[d - 1] == out->dims[d - 1])
            index[--d] = 0;
        if (d == 0)
            return;
    }
}

static int run_tile(struct mlo_op_call *c, struct mlo_err *err)
{
    int64_t times[MLO_SMALL_LIST], dims[MLO_RANK_MAX];
    const struct mlo_array *a;
    struct mlo_array *out;
    size_t n, size;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = need_bytes(a, &size, err);
    if (rc == 0)
        rc = mlo_in_ints(c, 1, times, &n, err);
    if (rc == 0 && n != a->rank)
        rc = mlo_op_refuse(c, err, "%zu repeats", n);
    for (unsigned d = 0; rc == 0 && d < a->rank; d++)
        if (times[d] < 0 || __builtin_mul_overflow(a->dims[d], times[d], &dims[d]))
            rc = mlo_fail(err, MLO_EINVALID, "%lld repeats", (long long)times[d]);
    if (rc == 0)
        rc = mlo_out_new(c, 0, a->dtype, dims, a->rank, &out, err);
    if (rc == 0 && out)
        tile(out, a, times, size);
    return rc;
}

/* ---- Where ---- */

struct choice {
    const uint8_t *condition;
    const char *a, *b;
    char *out;
    size_t size, steps[3]; /* in the last dimension: 0 or 1 */
};

static void choose_row(void *ctx, const size_t *at, size_t n)
{
    const struct choice *w = ctx;
    const uint8_t *condition = w->condition + at[0];
    const char *a = w->a + at[1] * w->size, *b = w->b + at[2] * w->size;
    char *out = w->out + at[3] * w->size;
    for (size_t i = 0; i < n; i++)
        memcpy(out + i * w->size,
               condition[i * w->steps[0]] ? a + i * w->steps[1] * w->size : b + i * w->steps[2] * w->size,
               w->size);
}

static int run_where(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_walk walk = {.n_operands = 4};
    struct mlo_array shape = {0}, *out;
    const struct mlo_array *in[3];
    struct choice w = {0};
    int rc = mlo_in_typed(c, 0, MLO_DT_BOOL, &in[0], err);
    if (rc == 0)
        rc = mlo_in_array(c, 1, &in[1], err);
    if (rc == 0)
        rc = mlo_in_typed(c, 2, in[1]->dtype, &in[2], err);
    if (rc == 0)
        rc = need_bytes(in[1], &w.size, err);
    if (rc == 0)
        rc = mlo_broadcast_shape(in[1], in[2], shape.dims, &shape.rank, err);
    if (rc == 0)
        rc = mlo_broadcast_shape(in[0], &shape, shape.dims, &walk.rank, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, in[1]->dtype, shape.dims, walk.rank, &out, err);
    if (rc != 0 || !out)
        return rc;
    walk.dims = out->dims;
    for (size_t k = 0; k < 4; k++) {
        mlo_broadcast_strides(k < 3 ? in[k] : out, walk.rank, walk.strides[k]);
        if (k < 3 && walk.rank)
            w.steps[k] = walk.strides[k][walk.rank - 1];
    }
    w.condition = in[0]->data;
    w.a = in[1]->data;
    w.b = in[2]->data;
    w.out = out->data;
    mlo_walk_rows(&walk, choose_row, &w);
    return 0;
}

/* ---- DepthToSpace, SpaceToDepth: a transpose of six dimensions ---- */

static int space(struct mlo_op_call *c, const int64_t split[6], const unsigned order[6],
                 const int64_t dims[4], struct mlo_err *err)
{
    ptrdiff_t natural[MLO_RANK_MAX], steps[MLO_RANK_MAX];
    struct mlo_array shape = {.rank = 6}, six, *out;
    const struct mlo_array *a = mlo_in(c, 0);
    size_t size;
    int rc = need_bytes(a, &size, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, a->dtype, dims, 4, &out, err);
    if (rc != 0 || !out)
        return rc;
    memcpy(shape.dims, split, 6 * sizeof *split);
    natural_steps(&shape, size, natural);
    six = *out;
    six.rank = 6;
    for (unsigned d = 0; d < 6; d++) {
        six.dims[d] = split[order[d]];
        steps[d] = natural[order[d]];
    }
    gather_steps(&six, a->data, steps, size);
    return 0;
}

static int run_depth_to_space(struct mlo_op_call *c, struct mlo_err *err)
{
    static const unsigned plain[6] = {0, 3, 4, 1, 5, 2}, columns[6] = {0, 1, 4, 2, 5, 3};
    int64_t b = mlo_attr_int(c->node, "blocksize", 0);
    const struct mlo_array *a;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0 && (a->rank != 4 || b < 1 || b > 65536 || a->dims[1] % (b * b) != 0))
        rc = mlo_op_refuse(c, err, "blocks of %lld", (long long)b);
    if (rc != 0)
        return rc;
    const int64_t *d = a->dims, ch = d[1] / (b * b), out[4] = {d[0], ch, d[2] * b, d[3] * b};
    bool crd = mlo_attr_is(c->node, "mode", "CRD");
    int64_t deep[6] = {d[0], b, b, ch, d[2], d[3]}, wide[6] = {d[0], ch, b, b, d[2], d[3]};
    return space(c, crd ? wide : deep, crd ? columns : plain, out, err);
}

static int run_space_to_depth(struct mlo_op_call *c, struct mlo_err *err)
{
    static const unsigned order[6] = {0, 3, 5, 1, 2, 4};
    int64_t b = mlo_attr_int(c->node, "blocksize", 0);
    const struct mlo_array *a;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0 && (a->rank != 4 || b < 1 || b > 65536 || a->dims[2] % b != 0 || a->dims[3] % b != 0))
        rc = mlo_op_refuse(c, err, "blocks of %lld", (long long)b);
    if (rc != 0)
        return rc;
    const int64_t *d = a->dims, split[6] = {d[0], d[1], d[2] / b, b, d[3] / b, b};
    const int64_t out[4] = {d[0], d[1] * b * b, d[2] / b, d[3] / b};
    return space(c, split, order, out, err);
}

/* ---- ReverseSequence: the beginning of each of a batch, along time ---- */

static int run_reverse(struct mlo_op_call *c, struct mlo_err *err)
{
    int64_t time = mlo_attr_int(c->node, "time_axis", 0), batch = mlo_attr_int(c->node, "batch_axis", 1);
    const struct mlo_array *a, *lengths;
    struct mlo_array *out;
    size_t size;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = mlo_in_typed(c, 1, MLO_DT_I64, &lengths, err);
    if (rc == 0)
        rc = need_bytes(a, &size, err);
    if (rc == 0 &&
        (a->rank < 2 || time + batch != 1 || time * batch != 0 || (int64_t)lengths->n != a->dims[batch]))
        rc = mlo_op_refuse(c, err, "axes or lengths that do not fit");
    if (rc == 0)
        rc = mlo_out_new(c, 0, a->dtype, a->dims, a->rank, &out, err);
    if (rc != 0 || !out || a->n == 0)
        return rc;
    size_t columns = (size_t)a->dims[1], each = a->n / (size_t)a->dims[0] / columns * size;
    for (size_t i = 0; i < (size_t)a->dims[0] * columns; i++) {
        size_t at[2] = {i / columns, i % columns};
        int64_t length = ((const int64_t *)lengths->data)[at[batch]];
        if (length < 0 || length > a->dims[time])
            return mlo_op_refuse(c, err, "a length of %lld", (long long)length);
        if (at[time] < (size_t)length)
            at[time] = (size_t)length - 1 - at[time];
        memcpy((char *)out->data + i * each, (const char *)a->data + (at[0] * columns + at[1]) * each, each);
    }
    return 0;
}

static const struct mlo_op ops[] = {
    {.name = "Transpose", .since = 1, .run = run_transpose},
    {.name = "Concat", .since = 1, .run = run_concat},
    {.name = "Split", .since = 1, .run = run_split},
    {.name = "Slice", .since = 1, .run = run_slice},
    {.name = "Expand", .since = 8, .run = run_expand},
    {.name = "Tile", .since = 6, .run = run_tile},
    {.name = "Where", .since = 9, .run = run_where},
    {.name = "ReverseSequence", .since = 10, .run = run_reverse},
    {.name = "DepthToSpace", .since = 1, .run = run_depth_to_space},
    {.name = "SpaceToDepth", .since = 1, .run = run_space_to_depth},
};
const struct mlo_op_family mlo_ops_move = {"", ops, MLO_COUNT(ops)};
