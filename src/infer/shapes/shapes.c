/* The walk through a graph, and what rules are made of. */
#include "shapes.h"

#include <stdio.h>
#include <string.h>

#include <mlopsctl/base/text.h>

#include "infer/internal.h"

#define SHAPES_BYTES_MAX ((size_t)1 << 30) /* of all that is known */
#define WALKS_MAX        4                 /* until nothing is learnt any more */

/* ---- what is known ---- */

const struct mlo_shape *mlo_rule_in(const struct mlo_rule_call *c, size_t i)
{
    static const struct mlo_shape nothing;
    return mlo_rule_given(c, i) ? &c->values[c->node->inputs[i]] : &nothing;
}

bool mlo_rule_given(const struct mlo_rule_call *c, size_t i)
{
    return i < c->node->n_inputs && c->node->inputs[i] != MLO_NO_VALUE;
}

struct mlo_extent mlo_shape_dim(const struct mlo_shape *v, unsigned i)
{
    return v->ranked && i < v->rank ? v->dims[i] : mlo_extent_open();
}

struct mlo_extent mlo_shape_count(struct mlo_shapes *s, const struct mlo_shape *v)
{
    struct mlo_extent n = v->ranked ? mlo_extent_of(1) : mlo_extent_open();
    for (unsigned i = 0; v->ranked && i < v->rank; i++)
        n = mlo_extent_multiply(&s->extents, n, v->dims[i]);
    return n;
}

enum mlo_dtype mlo_rule_type_of(const struct mlo_rule_call *c, const struct mlo_rule_how *how)
{
    return how->dtype ? how->dtype : mlo_rule_in(c, how->from)->dtype;
}

bool mlo_rule_list(const struct mlo_rule_call *c, size_t i, int64_t ret[MLO_NUMBERS_MAX], size_t *ret_n)
{
    const struct mlo_shape *v = mlo_rule_in(c, i);
    for (size_t k = 0; k < v->n_numbers; k++) {
        if (!mlo_extent_is_number(v->numbers[k]))
            return false;
        ret[k] = v->numbers[k].number;
    }
    *ret_n = v->n_numbers;
    return v->numbers != NULL;
}

bool mlo_rule_said(const struct mlo_rule_call *c, const char *attr, size_t i, int64_t ret[MLO_NUMBERS_MAX],
                   size_t *ret_n)
{
    const int64_t *list = mlo_attr_ints(c->node, attr, ret_n);
    if (!list && mlo_rule_given(c, i))
        return mlo_rule_list(c, i, ret, ret_n);
    if (!list)
        *ret_n = 0;
    if (*ret_n > MLO_NUMBERS_MAX)
        return false;
    for (size_t k = 0; k < *ret_n; k++)
        ret[k] = list[k];
    return true;
}

int mlo_rule_axis(int64_t axis, unsigned rank, unsigned *ret, struct mlo_err *err)
{
    return mlo_axis(axis, rank, ret, err);
}

/* ---- what has to fit ---- */

static const char *text_of(const struct mlo_shapes *s, struct mlo_extent e, struct mlo_str *to)
{
    mlo_str_init(to, 256);
    mlo_extent_text(&s->extents, e, to);
    return to->ptr;
}

static int differ(struct mlo_shapes *s, struct mlo_extent a, struct mlo_extent b, const char *what,
                  struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str x;
    MLO_AUTOSTR struct mlo_str y;
    const char *one = text_of(s, a, &x), *other = text_of(s, b, &y);
    return mlo_fail(err, MLO_EINVALID, "%s: %s and %s do not fit", what, one, other);
}

int mlo_rule_unify(struct mlo_rule_call *c, struct mlo_extent a, struct mlo_extent b, const char *what,
                   struct mlo_extent *ret, struct mlo_err *err)
{
    if (mlo_extent_is_number(a) && mlo_extent_is_number(b) && a.number != b.number)
        return differ(c->s, a, b, what, err);
    struct mlo_extent known = mlo_extent_is_number(a) || mlo_extent_is_open(b) ? a : b;
    unsigned symbol = mlo_extent_as_symbol(&c->s->extents, mlo_extent_same(known, a) ? b : a);
    if (symbol && mlo_extent_is_number(known) && known.number > 0 && c->graph == c->s->graph &&
        c->s->learnt[symbol] == 0) {
        c->s->learnt[symbol] = known.number;
        c->s->learnt_more = true;
    }
    *ret = known;
    return 0;
}

static int join(struct mlo_rule_call *c, struct mlo_extent a, struct mlo_extent b, struct mlo_extent *ret,
                struct mlo_err *err)
{
    if (mlo_extent_is_number(a) && mlo_extent_is_number(b) && a.number != b.number && a.number != 1 &&
        b.number != 1)
        return differ(c->s, a, b, "dimensions", err);
    if (mlo_extent_is(a, 1) || mlo_extent_same(a, b))
        *ret = b;
    else if (mlo_extent_is(b, 1) || mlo_extent_is_number(a))
        *ret = a;
    else
        *ret = mlo_extent_is_number(b) ? b : mlo_extent_open();
    return 0;
}

int mlo_rule_broadcast(struct mlo_rule_call *c, const struct mlo_extent *a, unsigned a_rank,
                       const struct mlo_extent *b, unsigned b_rank, struct mlo_extent *ret,
                       unsigned *ret_rank, struct mlo_err *err)
{
    unsigned rank = a_rank > b_rank ? a_rank : b_rank;
    struct mlo_extent dims[MLO_RANK_MAX];
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < rank; i++) {
        unsigned from_end = rank - i;
        struct mlo_extent x = from_end > a_rank ? mlo_extent_of(1) : a[a_rank - from_end],
                          y = from_end > b_rank ? mlo_extent_of(1) : b[b_rank - from_end];
        rc = join(c, x, y, &dims[i], err);
    }
    if (rc == 0 && rank)
        memcpy(ret, dims, rank * sizeof *dims);
    *ret_rank = rank;
    return rc;
}

/* ---- saying it ---- */

struct mlo_shape *mlo_rule_out(struct mlo_rule_call *c, size_t i)
{
    return i < c->node->n_outputs && c->node->outputs[i] != MLO_NO_VALUE ? &c->values[c->node->outputs[i]]
                                                                         : &c->nobody;
}

void mlo_rule_type(struct mlo_rule_call *c, size_t i, enum mlo_dtype t)
{
    *mlo_rule_out(c, i) = (struct mlo_shape){.kind = MLO_KIND_ARRAY, .dtype = t};
}

int mlo_rule_open(struct mlo_rule_call *c, size_t i, enum mlo_dtype t, unsigned rank, struct mlo_err *err)
{
    struct mlo_extent dims[MLO_RANK_MAX];
    for (unsigned d = 0; d < rank && d < MLO_RANK_MAX; d++)
        dims[d] = mlo_extent_open();
    return mlo_rule_array(c, i, t, dims, rank, err);
}

void mlo_rule_like(struct mlo_rule_call *c, size_t i, enum mlo_dtype t, const struct mlo_shape *v)
{
    *mlo_rule_out(c, i) = (struct mlo_shape){
        .kind = MLO_KIND_ARRAY, .dtype = t, .ranked = v->ranked, .rank = v->rank, .dims = v->dims};
}

static int copy_extents(struct mlo_shapes *s, const struct mlo_extent *from, size_t n,
                        const struct mlo_extent **ret, struct mlo_err *err)
{
    struct mlo_extent *to = mlo_arena_alloc(&s->memory, n + 1, sizeof *to, err);
    if (!to)
        return err->code;
    if (n)
        memcpy(to, from, n * sizeof *to);
    *ret = to;
    return 0;
}

int mlo_rule_array(struct mlo_rule_call *c, size_t i, enum mlo_dtype t, const struct mlo_extent *dims,
                   unsigned rank, struct mlo_err *err)
{
    struct mlo_shape made = {.kind = MLO_KIND_ARRAY, .dtype = t, .ranked = true, .rank = rank};
    if (rank > MLO_RANK_MAX)
        return mlo_fail(err, MLO_EUNAVAIL, "%u dimensions, more than %d", rank, MLO_RANK_MAX);
    for (unsigned d = 0; d < rank; d++)
        if (mlo_extent_is_number(dims[d]) && dims[d].number < 0)
            return mlo_fail(err, MLO_EINVALID, "dimension %u would be %lld", d, (long long)dims[d].number);
    int rc = copy_extents(c->s, dims, rank, &made.dims, err);
    if (rc == 0)
        *mlo_rule_out(c, i) = made;
    return rc;
}

int mlo_rule_numbers(struct mlo_rule_call *c, size_t i, const struct mlo_extent *numbers, size_t n,
                     struct mlo_err *err)
{
    struct mlo_shape *v = mlo_rule_out(c, i);
    if (n > MLO_NUMBERS_MAX || !v->ranked || v->rank > 1)
        return 0;
    int rc = copy_extents(c->s, numbers, n, &v->numbers, err);
    if (rc == 0)
        v->n_numbers = n;
    return rc;
}

static int64_t whole(const struct mlo_array *a, size_t i)
{
    return a->dtype == MLO_DT_I64   ? ((const int64_t *)a->data)[i]
           : a->dtype == MLO_DT_I32 ? ((const int32_t *)a->data)[i]
                                    : ((const unsigned char *)a->data)[i];
}

int mlo_shape_constant(struct mlo_shapes *s, const struct mlo_array *a, struct mlo_shape *ret,
                       struct mlo_err *err)
{
    struct mlo_shape v = {
        .kind = MLO_KIND_ARRAY, .dtype = a->dtype, .ranked = true, .rank = a->rank, .constant = a};
    struct mlo_extent dims[MLO_RANK_MAX], numbers[MLO_NUMBERS_MAX];
    for (unsigned i = 0; i < a->rank; i++)
        dims[i] = mlo_extent_of(a->dims[i]);
    int rc = copy_extents(s, dims, a->rank, &v.dims, err);
    if (rc == 0 && a->rank <= 1 && a->n <= MLO_NUMBERS_MAX &&
        (a->dtype == MLO_DT_I64 || a->dtype == MLO_DT_I32 || a->dtype == MLO_DT_BOOL)) {
        for (size_t i = 0; i < a->n; i++)
            numbers[i] = mlo_extent_of(whole(a, i));
        rc = copy_extents(s, numbers, a->n, &v.numbers, err);
        v.n_numbers = a->n;
    }
    if (rc == 0)
        *ret = v;
    return rc;
}

int mlo_rule_constant(struct mlo_rule_call *c, size_t i, const struct mlo_array *a, struct mlo_err *err)
{
    return mlo_shape_constant(c->s, a, mlo_rule_out(c, i), err);
}

/* ---- finding a rule ---- */

#define ENTRY(name) &mlo_rules_##name,
static const struct mlo_rule_family *const families[] = {MLO_RULE_FAMILIES(ENTRY)};

/* NULL also for an operator that the engine lacks: what it would mean is not known here. */
static const struct mlo_rule *find_rule(const struct mlo_node *n)
{
    if (n->params || !mlo_op_find(n->domain, n->op, n->version))
        return NULL;
    for (size_t i = 0; i < MLO_COUNT(families); i++)
        for (size_t k = 0; strcmp(families[i]->domain, n->domain) == 0 && k < families[i]->n; k++)
            if (strcmp(families[i]->rules[k].op, n->op) == 0)
                return &families[i]->rules[k];
    return NULL;
}

static int take_declared(struct mlo_shapes *s, const struct mlo_graph_value *v, struct mlo_shape *ret,
                         struct mlo_err *err);

/* Of a node that stands in no file: its reader has said what it gives. */
static int take_outputs(struct mlo_rule_call *c, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->node->n_outputs; i++)
        if (c->node->outputs[i] != MLO_NO_VALUE)
            rc = take_declared(c->s, &c->graph->values[c->node->outputs[i]], mlo_rule_out(c, i), err);
    return rc;
}

int mlo_shapes_walk(struct mlo_shapes *s, const struct mlo_graph *g, struct mlo_shape *values,
                    struct mlo_err *err)
{
    char name[MLO_SHOWN];
    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct mlo_node *n = &g->nodes[i];
        const struct mlo_rule *rule = find_rule(n);
        struct mlo_rule_call c = {s, g, values, n, rule ? rule->how : NULL, {0}};
        int rc = n->params ? take_outputs(&c, err) : rule ? rule->run(&c, err) : 0;
        if (rc != 0)
            return mlo_wrap(err, "node '%s' (%s)", mlo_shown(n->name, strlen(n->name), name), n->op);
    }
    return 0;
}

/* ---- what the model declares ---- */

static int named_symbol(struct mlo_shapes *s, const struct mlo_graph_value *v, unsigned d,
                        struct mlo_extent *ret, struct mlo_err *err)
{
    const char *name = v->dims[d].param;
    if (!name) {
        char made[MLO_SHOWN + 16];
        int n = snprintf(made, sizeof made, "%.*s_%u", MLO_SHOWN, v->name, d);
        name = mlo_arena_strndup(&s->memory, made, (size_t)n, err);
    }
    if (!name)
        return err->code;
    for (size_t i = 0; i < s->n_dims; i++)
        if (strcmp(s->dims[i].name, name) == 0) {
            *ret = mlo_extent_of(s->dims[i].size);
            return 0;
        }
    struct mlo_extent e = mlo_extent_symbol(&s->extents, name);
    unsigned symbol = mlo_extent_as_symbol(&s->extents, e);
    *ret = symbol && s->learnt[symbol] ? mlo_extent_of(s->learnt[symbol]) : e;
    return 0;
}

static int take_declared(struct mlo_shapes *s, const struct mlo_graph_value *v, struct mlo_shape *ret,
                         struct mlo_err *err)
{
    struct mlo_extent dims[MLO_RANK_MAX];
    int rc = 0;
    *ret = (struct mlo_shape){.kind = v->kind, .dtype = v->dtype};
    if (v->kind != MLO_KIND_ARRAY || !v->has_shape || v->rank > MLO_RANK_MAX)
        return 0;
    for (unsigned d = 0; rc == 0 && d < v->rank; d++)
        if (v->dims[d].size >= 0)
            dims[d] = mlo_extent_of(v->dims[d].size);
        else
            rc = named_symbol(s, v, d, &dims[d], err);
    ret->ranked = rc == 0;
    ret->rank = v->rank;
    return rc == 0 ? copy_extents(s, dims, v->rank, &ret->dims, err) : rc;
}

static int take_inputs(struct mlo_shapes *s, struct mlo_err *err)
{
    const struct mlo_graph *g = s->graph;
    int rc = 0;
    memset(s->values, 0, g->n_values * sizeof *s->values);
    for (size_t i = 0; rc == 0 && i < g->n_values; i++)
        if (g->values[i].constant)
            rc = mlo_shape_constant(s, g->values[i].constant, &s->values[i], err);
    for (size_t i = 0; rc == 0 && i < g->n_inputs; i++)
        rc = take_declared(s, &g->values[g->inputs[i]], &s->values[g->inputs[i]], err);
    return rc;
}

/* A symbol that only one number fits is that number: once more from the start. */
static int walk_all(struct mlo_shapes *s, struct mlo_err *err)
{
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < WALKS_MAX; i++) {
        s->learnt_more = false;
        rc = take_inputs(s, err);
        if (rc == 0)
            rc = mlo_shapes_walk(s, s->graph, s->values, err);
        if (!s->learnt_more)
            break;
    }
    return rc;
}

int mlo_shapes_new(const struct mlo_graph *g, const struct mlo_dim_value *dims, size_t n_dims,
                   struct mlo_shapes **ret, struct mlo_err *err)
{
    struct mlo_shapes *s = mlo_calloc(1, sizeof *s, err);
    if (!s)
        return err->code;
    s->graph = g;
    s->dims = dims;
    s->n_dims = n_dims;
    mlo_arena_init(&s->memory, SHAPES_BYTES_MAX);
    s->values = mlo_calloc(g->n_values + 1, sizeof *s->values, err);
    int rc = s->values ? mlo_extents_init(&s->extents, err) : err->code;
    if (rc == 0)
        rc = walk_all(s, err);
    if (rc != 0)
        mlo_shapes_free(s);
    else
        *ret = s;
    return rc;
}

void mlo_shapes_free(struct mlo_shapes *s)
{
    if (!s)
        return;
    mlo_extents_release(&s->extents);
    mlo_arena_release(&s->memory);
    free(s->values);
    free(s);
}

/* ---- telling ---- */

void mlo_shapes_text(const struct mlo_shapes *s, size_t value, struct mlo_str *to)
{
    const struct mlo_shape *v = &s->values[value];
    static const char *const kinds[] = {"?", "", "sequence", "map", "optional"};
    mlo_str_add(to, kinds[v->kind]);
    if (v->kind != MLO_KIND_ARRAY)
        return;
    mlo_str_add(to, v->dtype == MLO_DT_UNKNOWN ? "?" : mlo_dtype_name(v->dtype));
    mlo_str_add(to, v->ranked ? "[" : "[...");
    for (unsigned i = 0; v->ranked && i < v->rank; i++) {
        mlo_str_add(to, i ? "," : "");
        mlo_extent_text(&s->extents, v->dims[i], to);
    }
    mlo_str_addc(to, ']');
}

int64_t mlo_shapes_dim(const struct mlo_shapes *s, size_t value, unsigned i)
{
    struct mlo_extent e = mlo_shape_dim(&s->values[value], i);
    return mlo_extent_is_number(e) ? e.number : -1;
}

/* ---- comparing with a run ---- */

/* What symbols stand for: the dimensions that the inputs have. false: one has none, or is empty. */
static bool bind(const struct mlo_shapes *s, const struct mlo_value *in, int64_t values[MLO_SYMBOLS_MAX + 1])
{
    for (size_t i = 0; i < s->graph->n_inputs; i++) {
        const struct mlo_shape *v = &s->values[s->graph->inputs[i]];
        for (unsigned d = 0; v->ranked && in[i].kind == MLO_KIND_ARRAY && d < v->rank; d++) {
            unsigned symbol = mlo_extent_as_symbol(&s->extents, v->dims[d]);
            if (in[i].array.rank != v->rank || in[i].array.dims[d] == 0)
                return false;
            if (symbol && values[symbol] && values[symbol] != in[i].array.dims[d])
                return false; /* one name, two sizes: the engine does not mind */
            if (symbol)
                values[symbol] = in[i].array.dims[d];
        }
    }
    return true;
}

static bool agrees(const struct mlo_shapes *s, const struct mlo_shape *v, const struct mlo_value *got,
                   const int64_t *symbols, bool bound, bool *ret_known)
{
    const struct mlo_array *a = &got->array;
    *ret_known = false;
    if (v->kind == MLO_KIND_UNKNOWN ||
        v->kind == MLO_KIND_OPTIONAL) /* what is inside of one is given as it is */
        return true;
    if (v->kind != got->kind)
        return false;
    if (v->kind != MLO_KIND_ARRAY)
        return true;
    if ((v->dtype != MLO_DT_UNKNOWN && v->dtype != a->dtype) || (v->ranked && v->rank != a->rank))
        return false;
    *ret_known = v->ranked && bound && v->dtype != MLO_DT_UNKNOWN;
    for (unsigned d = 0; bound && v->ranked && d < v->rank; d++) {
        int64_t size = 0;
        bool known = mlo_extent_value(&s->extents, v->dims[d], symbols, &size);
        if (known && size != a->dims[d]) /* a loop is taken to turn at least once */
            return a->n == 0;
        *ret_known = *ret_known && known;
    }
    return true;
}

int mlo_shapes_check(struct mlo_shapes *s, const struct mlo_value *in, const struct mlo_value *values,
                     size_t *ret_known, struct mlo_err *err)
{
    int64_t symbols[MLO_SYMBOLS_MAX + 1] = {0};
    bool bound = bind(s, in, symbols), known;
    char text[MLO_ARRAY_TEXT], name[MLO_SHOWN];
    size_t n = 0;
    for (size_t i = 0; i < s->graph->n_values; i++) {
        if (values[i].kind == MLO_KIND_UNKNOWN || s->graph->values[i].constant)
            continue;
        if (!agrees(s, &s->values[i], &values[i], symbols, bound, &known)) {
            MLO_AUTOSTR struct mlo_str derived;
            mlo_str_init(&derived, 4096);
            mlo_shapes_text(s, i, &derived);
            return mlo_fail(err, MLO_EINTERNAL, "value '%s' is %s, not %s as derived",
                            mlo_shown(s->graph->values[i].name, strlen(s->graph->values[i].name), name),
                            values[i].kind == MLO_KIND_ARRAY ? mlo_array_text(&values[i].array, text)
                                                             : "no array",
                            derived.ptr);
        }
        n += known;
    }
    *ret_known = n;
    return 0;
}
