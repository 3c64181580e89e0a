/*
 * Inputs that nobody gave: of the shapes and types that the model declares, filled from a seed. Never zeros:
 * arithmetic on them can be faster than on anything that is real.
 */
#include <math.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "internal.h"

/* How many rows the table has that these numbers index; 0: they are no indices. */
static uint64_t indexed_rows(const struct mlo_graph *g, size_t value)
{
    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct mlo_node *n = &g->nodes[i];
        if (strcmp(n->op, "Gather") != 0 || n->n_inputs < 2 || n->inputs[1] != value)
            continue;
        const struct mlo_array *table = g->values[n->inputs[0]].constant;
        if (table && table->rank > 0 && table->dims[0] > 0)
            return (uint64_t)table->dims[0];
    }
    return 0;
}

static int64_t given(const struct mlo_dim_value *dims, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (name && strcmp(dims[i].name, name) == 0)
            return dims[i].size;
    return -1;
}

/* An open dimension is the one that the model's weights ask for, or given by name; the first is that of rows.
 */
static int choose_shape(const struct mlo_port_type *p, const struct mlo_shapes *shapes, size_t value,
                        const struct mlo_inputs_opts *o, struct mlo_array *a, struct mlo_err *err)
{
    a->rank = p->rank;
    for (unsigned i = 0; i < p->rank; i++) {
        const struct mlo_dim *d = &p->dims[i];
        int64_t size = d->size >= 0 ? d->size : given(o->dims, o->n_dims, d->param);
        if (size < 0)
            size = mlo_shapes_dim(shapes, value, i);
        if (size < 0 && i == 0)
            size = (int64_t)o->rows;
        if (size < 0) {
            mlo_fail(err, MLO_EUSAGE, "input '%s': the size of dimension %u%s%s%s is open", p->name, i,
                     d->param ? " ('" : "", d->param ? d->param : "", d->param ? "')" : "");
            return mlo_hint(err, "say it with --dim %s=N, or give rows with --rows",
                            d->param ? d->param : "NAME");
        }
        if (i == 0 && d->size >= 0 && o->rows > 1 && d->size != (int64_t)o->rows)
            return mlo_fail(err, MLO_EUSAGE, "input '%s' takes %lld rows at a time, not %zu", p->name,
                            (long long)d->size, o->rows);
        a->dims[i] = size;
    }
    return mlo_array_count(a->dims, a->rank, &a->n, err);
}

static double normal(uint64_t *seed)
{
    double u = 1 - mlo_random_unit(seed), v = mlo_random_unit(seed);
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

static double choose_number(const struct mlo_port_type *p, uint64_t rows, uint64_t *seed)
{
    bool is_mask = strstr(p->name, "mask") != NULL;
    if (rows > 0)
        return floor(mlo_random_unit(seed) * (double)rows);
    if (mlo_dtype_is_float(p->dtype))
        return normal(seed);
    return is_mask ? 1 : (double)(mlo_random_next(seed) & 1);
}

static int fill(const struct mlo_graph *g, size_t value, const struct mlo_port_type *p, struct mlo_array *a,
                uint64_t *seed, struct mlo_err *err)
{
    uint64_t rows = indexed_rows(g, value);
    MLO_AUTOFREE double *numbers = mlo_calloc(a->n + 1, sizeof *numbers, err);
    if (!numbers)
        return err->code;
    for (size_t i = 0; i < a->n; i++)
        numbers[i] = choose_number(p, rows, seed);
    struct mlo_array from = *a;
    from.dtype = MLO_DT_F64;
    from.data = numbers;
    return mlo_cast_numbers(&from, a, err);
}

static int make_input(struct mlo_inputs *in, size_t i, const struct mlo_graph *g,
                      const struct mlo_shapes *shapes, const struct mlo_port_type *p,
                      const struct mlo_inputs_opts *o, uint64_t *seed, struct mlo_err *err)
{
    struct mlo_array a = {.dtype = p->dtype};
    size_t bytes;
    if (p->kind != MLO_KIND_ARRAY || !p->has_shape || p->dtype == MLO_DT_STRING ||
        p->dtype == MLO_DT_UNKNOWN) {
        mlo_fail(err, MLO_EUSAGE, "input '%s' cannot be made up: %s", p->name,
                 p->kind != MLO_KIND_ARRAY ? "it is no array"
                 : !p->has_shape           ? "the model does not say its shape"
                                           : "it holds text");
        return mlo_hint(err, "give rows with --rows");
    }
    int rc = choose_shape(p, shapes, g->inputs[i], o, &a, err);
    if (rc == 0 && !mlo_array_bytes(a.dtype, a.n, &bytes))
        rc = mlo_fail_nomem(err);
    if (rc != 0)
        return rc;
    a.data = in->data[i] = aligned_alloc(64, (bytes + 64) & ~(size_t)63);
    if (!a.data)
        return mlo_fail_nomem(err);
    in->values[i] = (struct mlo_value){.kind = MLO_KIND_ARRAY, .array = a};
    return fill(g, g->inputs[i], p, &in->values[i].array, seed, err);
}

int mlo_inputs_room(size_t n, struct mlo_inputs **ret, struct mlo_err *err)
{
    struct mlo_inputs *in = mlo_calloc(1, sizeof *in, err);
    if (!in)
        return err->code;
    mlo_arena_init(&in->texts, MLO_STR_MAX);
    in->values = mlo_calloc(n + 1, sizeof *in->values, err);
    in->data = in->values ? mlo_calloc(n + 1, sizeof *in->data, err) : NULL;
    in->n = in->data ? n : 0;
    if (!in->data) {
        mlo_inputs_free(in);
        return err->code;
    }
    *ret = in;
    return 0;
}

int mlo_inputs_new(const struct mlo_plan *plan, const struct mlo_inputs_opts *o, struct mlo_inputs **ret,
                   struct mlo_err *err)
{
    const struct mlo_graph *g = mlo_plan_model(plan)->graph;
    uint64_t seed = o->seed;
    size_t n;
    const struct mlo_port_type *ports = mlo_plan_inputs(plan, &n);
    struct mlo_inputs *in = NULL;
    struct mlo_shapes *shapes = NULL;
    int rc = mlo_inputs_room(n, &in, err);
    if (rc == 0)
        rc = mlo_shapes_new(g, o->dims, o->n_dims, &shapes, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = make_input(in, i, g, shapes, &ports[i], o, &seed, err);
    mlo_shapes_free(shapes);
    if (rc != 0)
        mlo_inputs_free(in);
    else
        *ret = in;
    return rc;
}

const struct mlo_value *mlo_inputs_values(const struct mlo_inputs *in)
{
    return in->values;
}

void mlo_inputs_free(struct mlo_inputs *in)
{
    if (!in)
        return;
    for (size_t i = 0; i < in->n; i++)
        free(in->data[i]);
    mlo_arena_release(&in->texts);
    free(in->data);
    free(in->values);
    free(in);
}
