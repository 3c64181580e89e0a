/* Unique: each element, or each slice along an axis, once. */
#include <math.h>
#include <string.h>

#include "op.h"

struct slices { /* [outer][n][inner] */
    const struct mlo_array *a;
    size_t outer, n, inner, size; /* size: bytes of an element */
    size_t *order;                /* of slices, then only the first of equal ones */
    size_t *which;                /* of each slice: its place in the result */
    size_t *times;                /* of each in the result */
};

static int order_elements(const struct mlo_array *a, size_t i, size_t k)
{
    double x = 0, y = 0;
    if (a->dtype == MLO_DT_STRING) {
        const struct mlo_slice *p = (const struct mlo_slice *)a->data + i,
                               *q = (const struct mlo_slice *)a->data + k;
        size_t n = p->len < q->len ? p->len : q->len;
        int c = n ? memcmp(p->ptr, q->ptr, n) : 0;
        return c ? c : (p->len > q->len) - (p->len < q->len);
    }
    if (a->dtype == MLO_DT_I64) {
        const int64_t *v = a->data;
        return (v[i] > v[k]) - (v[i] < v[k]);
    }
    if (a->dtype == MLO_DT_U64) {
        const uint64_t *v = a->data;
        return (v[i] > v[k]) - (v[i] < v[k]);
    }
    mlo_dtype_to_double(a->dtype, a->data, i, &x);
    mlo_dtype_to_double(a->dtype, a->data, k, &y);
    if (isnan(x) || isnan(y)) /* at the end, and equal */
        return isnan(x) - isnan(y);
    return (x > y) - (x < y);
}

static int order_values(const struct slices *s, size_t i, size_t k)
{
    int c = 0;
    for (size_t o = 0; c == 0 && o < s->outer; o++)
        for (size_t in = 0; c == 0 && in < s->inner; in++)
            c = order_elements(s->a, (o * s->n + i) * s->inner + in, (o * s->n + k) * s->inner + in);
    return c;
}

static int order_slices(const void *a, const void *b, void *ctx)
{
    const size_t *i = a, *k = b;
    int c = order_values(ctx, *i, *k);
    return c ? c : (*i > *k) - (*i < *k);
}

static int order_places(const void *a, const void *b)
{
    const size_t *i = a, *k = b;
    return (*i > *k) - (*i < *k);
}

static int read_slices(struct mlo_op_call *c, struct slices *s, unsigned *ret_axis, bool *ret_flat,
                       struct mlo_err *err)
{
    void *memory[3];
    int rc = mlo_in_array(c, 0, &s->a, err);
    *ret_flat = !mlo_node_attr(c->node, "axis");
    *ret_axis = 0;
    if (rc == 0 && !*ret_flat)
        rc = mlo_axis(mlo_attr_int(c->node, "axis", 0), s->a->rank, ret_axis, err);
    if (rc != 0)
        return rc;
    *s = (struct slices){
        .a = s->a, .outer = 1, .inner = 1, .n = s->a->n, .size = mlo_element_size(s->a->dtype)};
    if (s->size == 0)
        return mlo_fail(err, MLO_EUNAVAIL, "%s is not supported", mlo_dtype_name(s->a->dtype));
    if (!*ret_flat) {
        mlo_around(s->a, *ret_axis, &s->outer, &s->inner);
        s->n = (size_t)s->a->dims[*ret_axis];
    }
    for (size_t i = 0; rc == 0 && i < MLO_COUNT(memory); i++)
        rc = mlo_scratch(c, s->n, sizeof(size_t), &memory[i], err);
    if (rc != 0)
        return rc;
    s->order = memory[0];
    s->which = memory[1];
    s->times = memory[2];
    return 0;
}

/* Leaves in order[] the first of each; returns how many. */
static size_t find_unique(struct slices *s, bool sorted)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        s->order[i] = i;
    qsort_r(s->order, s->n, sizeof *s->order, order_slices, s);
    for (size_t i = 0; i < s->n; i++) {
        bool same = n > 0 && order_values(s, s->order[n - 1], s->order[i]) == 0;
        n += !same;
        s->order[n - 1] = same ? s->order[n - 1] : s->order[i];
        s->which[s->order[i]] = s->order[n - 1]; /* the first of its kind; number() makes it a place */
    }
    if (!sorted)
        qsort(s->order, n, sizeof *s->order, order_places);
    return n;
}

/* From the first of its kind to the place in the result. */
static void number(struct slices *s, size_t n)
{
    size_t *place = s->times; /* of a first one */
    for (size_t i = 0; i < n; i++)
        place[s->order[i]] = i;
    for (size_t i = 0; i < s->n; i++)
        s->which[i] = place[s->which[i]];
    memset(s->times, 0, s->n * sizeof *s->times);
    for (size_t i = 0; i < s->n; i++)
        s->times[s->which[i]]++;
}

static int give_list(struct mlo_op_call *c, size_t i, const size_t *list, size_t n, struct mlo_err *err)
{
    struct mlo_array *out;
    int rc = mlo_out_new(c, i, MLO_DT_I64, &(const int64_t){(int64_t)n}, 1, &out, err);
    for (size_t k = 0; rc == 0 && out && k < n; k++)
        ((int64_t *)out->data)[k] = (int64_t)list[k];
    return rc;
}

static int run_unique(struct mlo_op_call *c, struct mlo_err *err)
{
    struct slices s;
    struct mlo_array shape, *out;
    unsigned axis;
    bool flat;
    int rc = read_slices(c, &s, &axis, &flat, err);
    if (rc != 0)
        return rc;
    size_t n = s.n ? find_unique(&s, mlo_attr_int(c->node, "sorted", 1) != 0) : 0, bytes = s.inner * s.size;
    if (s.n)
        number(&s, n);
    shape = *s.a;
    shape.rank = flat ? 1 : s.a->rank;
    shape.dims[axis] = (int64_t)n;
    rc = mlo_out_new(c, 0, s.a->dtype, shape.dims, shape.rank, &out, err);
    for (size_t o = 0; rc == 0 && out && out->n && o < s.outer; o++)
        for (size_t i = 0; i < n; i++)
            memcpy((char *)out->data + (o * n + i) * bytes,
                   (const char *)s.a->data + (o * s.n + s.order[i]) * bytes, bytes);
    if (rc == 0)
        rc = give_list(c, 1, s.order, n, err);
    if (rc == 0)
        rc = give_list(c, 2, s.which, s.n, err);
    return rc == 0 ? give_list(c, 3, s.times, n, err) : rc;
}

static const struct mlo_op ops[] = {
    {.name = "Unique", .since = 11, .run = run_unique},
};
const struct mlo_op_family mlo_ops_unique = {"", ops, MLO_COUNT(ops)};
