/* Lists of arrays, and values that may be missing. An optional with content is the content itself. */
#include <string.h>

#include "op.h"

static int in_sequence(const struct mlo_op_call *c, size_t i, const struct mlo_value **ret,
                       struct mlo_err *err)
{
    *ret = i < c->n_in ? c->in[i] : NULL;
    return *ret && (*ret)->kind == MLO_KIND_SEQUENCE ? 0
                                                     : mlo_op_refuse(c, err, "input %zu is no sequence", i);
}

/* A place from -n to below `end`, negative ones counted back from n; `usual` when the input is not given. */
static int in_place(const struct mlo_op_call *c, size_t i, size_t n, size_t end, size_t usual, size_t *ret,
                    struct mlo_err *err)
{
    int64_t given[MLO_SMALL_LIST];
    size_t count;
    int rc = mlo_in_ints(c, i, given, &count, err);
    *ret = usual;
    if (rc != 0 || count == 0)
        return rc;
    int64_t at = given[0] < 0 ? given[0] + (int64_t)n : given[0];
    if (count != 1 || at < 0 || (size_t)at >= end)
        return mlo_op_refuse(c, err, "no place %lld in %zu", (long long)given[0], n);
    *ret = (size_t)at;
    return 0;
}

static int run_empty(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_value *items;
    return mlo_out_sequence(c, 0, 0, &items, err);
}

static int run_construct(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_value *items;
    int rc = mlo_out_sequence(c, 0, c->n_in, &items, err);
    for (size_t i = 0; rc == 0 && items && i < c->n_in; i++)
        if (c->in[i])
            mlo_value_share(&items[i], c->in[i]);
    return rc;
}

static int run_at(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_value *s;
    size_t at;
    int rc = in_sequence(c, 0, &s, err);
    if (rc == 0 && !mlo_in(c, 1))
        rc = mlo_op_refuse(c, err, "no place is given");
    if (rc == 0)
        rc = in_place(c, 1, s->n_items, s->n_items, s->n_items, &at, err);
    if (rc == 0 && at == s->n_items)
        rc = mlo_op_refuse(c, err, "no place is given");
    if (rc == 0)
        mlo_out_same(c, 0, &s->items[at]);
    return rc;
}

static int run_length(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_value *s;
    struct mlo_array *out;
    int rc = in_sequence(c, 0, &s, err);
    if (rc == 0)
        rc = mlo_out_new(c, 0, MLO_DT_I64, NULL, 0, &out, err);
    if (rc == 0 && out)
        *(int64_t *)out->data = (int64_t)s->n_items;
    return rc;
}

static int run_insert(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_value *s;
    struct mlo_value *items;
    size_t at;
    int rc = in_sequence(c, 0, &s, err);
    if (rc == 0 && !mlo_in(c, 1))
        rc = mlo_op_refuse(c, err, "nothing to insert");
    if (rc == 0)
        rc = in_place(c, 2, s->n_items, s->n_items + 1, s->n_items, &at, err);
    if (rc == 0)
        rc = mlo_out_sequence(c, 0, s->n_items + 1, &items, err);
    for (size_t i = 0; rc == 0 && items && i <= s->n_items; i++)
        mlo_value_share(&items[i], i == at ? c->in[1] : &s->items[i - (i > at)]);
    return rc;
}

static int run_erase(struct mlo_op_call *c, struct mlo_err *err)
{
    const struct mlo_value *s;
    struct mlo_value *items;
    size_t at;
    int rc = in_sequence(c, 0, &s, err);
    if (rc == 0 && s->n_items == 0)
        rc = mlo_op_refuse(c, err, "nothing to erase");
    if (rc == 0)
        rc = in_place(c, 1, s->n_items, s->n_items, s->n_items - 1, &at, err);
    if (rc == 0)
        rc = mlo_out_sequence(c, 0, s->n_items - 1, &items, err);
    for (size_t i = 0; rc == 0 && items && i + 1 < s->n_items; i++)
        mlo_value_share(&items[i], &s->items[i + (i >= at)]);
    return rc;
}

/* ---- SplitToSequence, ConcatFromSequence ---- */

struct parts {
    int64_t list[MLO_SMALL_LIST];
    bool listed; /* else all of `size`, but the last */
    int64_t size, whole;
    size_t n;
};

static int read_parts(const struct mlo_op_call *c, struct parts *p, struct mlo_err *err)
{
    const struct mlo_array *split = mlo_in(c, 1);
    int64_t left = p->whole;
    size_t n;
    int rc = mlo_in_ints(c, 1, p->list, &n, err);
    if (rc != 0)
        return rc;
    p->listed = split && split->rank > 0;
    p->size = split && !p->listed ? p->list[0] : 1;
    if (p->size < 1)
        return mlo_op_refuse(c, err, "parts of %lld", (long long)p->size);
    p->n = p->listed ? n : (size_t)(p->whole / p->size + (p->whole % p->size != 0));
    for (size_t i = 0; p->listed && i < n; i++) {
        if (p->list[i] < 0 || p->list[i] > left)
            return mlo_op_refuse(c, err, "a part of %lld", (long long)p->list[i]);
        left -= p->list[i];
    }
    return p->listed && left > 0 ? mlo_op_refuse(c, err, "%lld are left over", (long long)left) : 0;
}

static int split_parts(struct mlo_op_call *c, const struct mlo_array *a, unsigned axis, const struct parts *p,
                       bool keep, struct mlo_value *items, struct mlo_err *err)
{
    int64_t dims[MLO_RANK_MAX], at = 0;
    int rc = 0;
    memcpy(dims, a->dims, sizeof dims);
    for (size_t i = 0; rc == 0 && i < p->n; i++) {
        dims[axis] = p->listed ? p->list[i] : p->whole - at < p->size ? p->whole - at : p->size;
        rc = mlo_value_new(c->session, &items[i], a->dtype, dims, a->rank, err);
        if (rc == 0)
            rc = mlo_take_part(a, axis, (size_t)at, &items[i].array, err);
        if (rc == 0 && !keep)
            mlo_axis_remove(&items[i].array, axis);
        at += dims[axis];
    }
    return rc;
}

/* keepdims counts only where no sizes are given. */
static int run_split(struct mlo_op_call *c, struct mlo_err *err)
{
    bool keep = mlo_in(c, 1) || mlo_attr_int(c->node, "keepdims", 1) != 0;
    const struct mlo_array *a;
    struct mlo_value *items;
    struct parts p = {0};
    unsigned axis;
    int rc = mlo_in_array(c, 0, &a, err);
    if (rc == 0)
        rc = mlo_axis(mlo_attr_int(c->node, "axis", 0), a->rank, &axis, err);
    if (rc != 0)
        return rc;
    p.whole = a->dims[axis];
    rc = read_parts(c, &p, err);
    if (rc == 0)
        rc = mlo_out_sequence(c, 0, p.n, &items, err);
    return rc == 0 && items ? split_parts(c, a, axis, &p, keep, items, err) : rc;
}

static int run_concat(struct mlo_op_call *c, struct mlo_err *err)
{
    bool insert = mlo_attr_int(c->node, "new_axis", 0) != 0;
    const struct mlo_value *s;
    struct mlo_array *parts;
    unsigned axis = 0;
    void *memory;
    int rc = in_sequence(c, 0, &s, err);
    if (rc == 0 && s->n_items == 0)
        rc = mlo_op_refuse(c, err, "an empty sequence");
    if (rc == 0)
        rc = mlo_scratch(c, s->n_items, sizeof *parts, &memory, err);
    if (rc != 0)
        return rc;
    parts = memory;
    for (size_t i = 0; rc == 0 && i < s->n_items; i++) {
        if (s->items[i].kind != MLO_KIND_ARRAY)
            return mlo_op_refuse(c, err, "item %zu is no array", i);
        parts[i] = s->items[i].array;
        rc = mlo_axis(mlo_attr_int(c->node, "axis", 0), parts[i].rank + insert, &axis, err);
        if (rc == 0 && insert)
            rc = mlo_axis_insert(&parts[i], axis, err);
    }
    return rc == 0 ? mlo_out_joined(c, 0, parts, s->n_items, axis, err) : rc;
}

/* ---- Optional ---- */

static bool has_content(const struct mlo_op_call *c)
{
    return c->n_in > 0 && c->in[0] && c->in[0]->kind != MLO_KIND_UNKNOWN;
}

static int run_optional(struct mlo_op_call *c, struct mlo_err *err)
{
    (void)err;
    if (has_content(c))
        mlo_out_same(c, 0, c->in[0]);
    return 0;
}

static int run_content(struct mlo_op_call *c, struct mlo_err *err)
{
    if (!has_content(c))
        return mlo_op_refuse(c, err, "the optional is empty");
    mlo_out_same(c, 0, c->in[0]);
    return 0;
}

static int run_has(struct mlo_op_call *c, struct mlo_err *err)
{
    struct mlo_array *out;
    int rc = mlo_out_new(c, 0, MLO_DT_BOOL, NULL, 0, &out, err);
    if (rc == 0 && out)
        *(uint8_t *)out->data = has_content(c);
    return rc;
}

static const struct mlo_op ops[] = {
    {.name = "SequenceEmpty", .since = 11, .run = run_empty},
    {.name = "SequenceConstruct", .since = 11, .run = run_construct},
    {.name = "SequenceAt", .since = 11, .run = run_at},
    {.name = "SequenceLength", .since = 11, .run = run_length},
    {.name = "SequenceInsert", .since = 11, .run = run_insert},
    {.name = "SequenceErase", .since = 11, .run = run_erase},
    {.name = "SplitToSequence", .since = 11, .run = run_split},
    {.name = "ConcatFromSequence", .since = 11, .run = run_concat},
    {.name = "Optional", .since = 15, .run = run_optional},
    {.name = "OptionalGetElement", .since = 15, .run = run_content},
    {.name = "OptionalHasElement", .since = 15, .run = run_has},
};
const struct mlo_op_family mlo_ops_sequence = {"", ops, MLO_COUNT(ops)};
