/*
 * GraphProto -> struct mlo_graph. Names become numbers: a scope knows the names of one graph or of one call
 * of a function, whose body is put where it is called. A name that a subgraph does not know is looked for
 * outside and becomes a capture.
 */
#include "internal.h"

#include <string.h>

#include <mlopsctl/base/text.h>

enum { G_NODE = 1, G_NAME, G_INITIALIZER = 5, G_INPUT = 11, G_OUTPUT, G_VALUE_INFO, G_SPARSE = 15 };
enum { N_INPUT = 1, N_OUTPUT, N_NAME, N_OP, N_ATTRIBUTE, N_DOMAIN = 7, N_OVERLOAD };
enum { FN_INPUT = 4, FN_OUTPUT, FN_ATTRIBUTE, FN_NODE, FN_OPSET = 9, FN_ATTRIBUTE_PROTO = 11 };
enum { V_NAME = 1, V_TYPE };

struct building { /* a graph while it grows */
    struct mlo_graph *graph;
    size_t values_cap, nodes_cap, inputs_cap, outputs_cap, captures_cap;
    struct mlo_capture *captures;
    size_t *inputs, *outputs;
};
struct mlo_scope {
    struct mlo_model_reader *reader;
    struct building *b;
    struct mlo_scope *outer; /* of a subgraph; NULL: nothing is seen from here */
    struct mlo_name_map names;
    const struct mlo_bindings *bound; /* of a function */
    const char *prefix;               /* of a function's values; NULL */
    const struct mlo_opset *opsets;
    size_t n_opsets;
};
struct call { /* a node as it was read */
    const char *name, *op, *domain, *overload;
    const char **inputs, **outputs;
    size_t n_inputs, n_outputs, inputs_cap, outputs_cap;
    struct mlo_attr *attrs;
    size_t n_attrs, attrs_cap;
};

static int read_nodes(struct mlo_scope *s, struct mlo_message m, uint32_t field, struct mlo_err *err);

/* ---- values ---- */

/* In this scope; MLO_NO_VALUE. */
static size_t known_as(const struct mlo_scope *s, const char *name)
{
    return mlo_name_map_get(&s->names, name, strlen(name));
}

static int add_value(struct mlo_scope *s, const char *name, size_t *ret, struct mlo_err *err)
{
    struct mlo_graph *g = s->b->graph;
    int rc = mlo_arena_grow(&s->reader->arena, &g->values, &s->b->values_cap, g->n_values + 1,
                            sizeof *g->values, err);
    if (rc != 0)
        return rc;
    g->values[g->n_values] = (struct mlo_graph_value){.name = name};
    *ret = g->n_values++;
    return 0;
}

static const char *prefixed(struct mlo_scope *s, const char *name, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, 2 * MLO_MODEL_NAME_MAX);
    if (!s->prefix)
        return name;
    mlo_str_add(&text, s->prefix);
    mlo_str_addc(&text, '/');
    mlo_str_add(&text, name);
    if (mlo_str_check(&text, err))
        return NULL;
    return mlo_arena_strndup(&s->reader->arena, text.ptr, text.len, err);
}

/* A value that this scope makes: its name must be new in it. */
static int new_value(struct mlo_scope *s, const char *name, size_t *ret, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    if (known_as(s, name) != MLO_NO_VALUE)
        return mlo_fail(err, MLO_EINVALID, "'%s' is made twice", mlo_shown(name, strlen(name), shown));
    const char *full = prefixed(s, name, err);
    if (!full)
        return err->code;
    int rc = add_value(s, full, ret, err);
    return rc == 0 ? mlo_name_map_set(&s->names, name, *ret, err) : rc;
}

static int find_value(struct mlo_scope *s, const char *name, size_t *ret, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    size_t outer;
    *ret = known_as(s, name);
    if (*ret != MLO_NO_VALUE)
        return 0;
    if (!s->outer)
        return mlo_fail(err, MLO_EINVALID, "'%s' is used before anything makes it",
                        mlo_shown(name, strlen(name), shown));
    int rc = find_value(s->outer, name, &outer, err);
    if (rc == 0)
        rc = mlo_arena_grow(&s->reader->arena, &s->b->captures, &s->b->captures_cap,
                            s->b->graph->n_captures + 1, sizeof *s->b->captures, err);
    if (rc == 0)
        rc = new_value(s, name, ret, err);
    if (rc != 0)
        return rc;
    s->b->captures[s->b->graph->n_captures++] = (struct mlo_capture){outer, *ret};
    const struct mlo_graph_value *from = &s->outer->b->graph->values[outer];
    struct mlo_graph_value *to = &s->b->graph->values[*ret];
    const char *own = to->name;
    *to = *from;
    to->name = own;
    return 0;
}

/* ---- nodes ---- */

static int add_name(struct mlo_model_reader *r, const struct mlo_field *f, const char ***names, size_t *cap,
                    size_t *n, struct mlo_err *err)
{
    if (*n == MLO_MODEL_LISTS_MAX)
        return mlo_fail(err, MLO_EINVALID, "a node with more than %zu inputs or outputs",
                        MLO_MODEL_LISTS_MAX);
    int rc = mlo_arena_grow(&r->arena, names, cap, *n + 1, sizeof **names, err);
    return rc == 0 ? mlo_wire_text(f, "a value's name", &r->arena, &(*names)[(*n)++], err) : rc;
}

static int add_attr(struct mlo_scope *s, const struct mlo_field *f, struct call *c, struct mlo_err *err)
{
    struct mlo_model_reader *r = s->reader;
    bool given = false;
    int rc = mlo_wire_want(f, MLO_WIRE_BYTES, "an attribute", err);
    if (rc == 0)
        rc = mlo_arena_grow(&r->arena, &c->attrs, &c->attrs_cap, c->n_attrs + 1, sizeof *c->attrs, err);
    if (rc == 0)
        rc = mlo_attr_read(r, s, s->bound, f->bytes, &c->attrs[c->n_attrs], &given, err);
    c->n_attrs += rc == 0 && given;
    return rc;
}

static int read_call_field(struct mlo_scope *s, const struct mlo_field *f, struct call *c,
                           struct mlo_err *err)
{
    struct mlo_arena *arena = &s->reader->arena;
    switch (f->number) {
    case N_INPUT:
        return add_name(s->reader, f, &c->inputs, &c->inputs_cap, &c->n_inputs, err);
    case N_OUTPUT:
        return add_name(s->reader, f, &c->outputs, &c->outputs_cap, &c->n_outputs, err);
    case N_NAME:
        return mlo_wire_text(f, "a node's name", arena, &c->name, err);
    case N_OP:
        return mlo_wire_text(f, "an operator's name", arena, &c->op, err);
    case N_DOMAIN:
        return mlo_wire_text(f, "an operator's domain", arena, &c->domain, err);
    case N_OVERLOAD:
        return mlo_wire_text(f, "an operator's overload", arena, &c->overload, err);
    default:
        return 0;
    }
}

/* Attributes come last: a subgraph in one may use the node's name in messages, and nothing else of it. */
static int read_call(struct mlo_scope *s, struct mlo_message m, struct call *c, struct mlo_err *err)
{
    struct mlo_message again = m;
    struct mlo_field f;
    int rc;
    while ((rc = mlo_message_next(&m, &f, err)) > 0) {
        rc = read_call_field(s, &f, c, err);
        if (rc != 0)
            return rc;
    }
    if (rc == 0 && strcmp(c->domain, "ai.onnx") == 0)
        c->domain = "";
    while (rc == 0 && (rc = mlo_message_next(&again, &f, err)) > 0)
        rc = f.number == N_ATTRIBUTE ? add_attr(s, &f, c, err) : 0;
    return rc;
}

static int64_t version_of(const struct mlo_scope *s, const char *domain)
{
    for (size_t i = 0; i < s->n_opsets; i++)
        if (strcmp(s->opsets[i].domain, domain) == 0)
            return s->opsets[i].version;
    return 0;
}

/* Numbers of the inputs, in the arena. */
static int find_inputs(struct mlo_scope *s, const struct call *c, size_t **ret, struct mlo_err *err)
{
    size_t *ids = mlo_arena_alloc(&s->reader->arena, c->n_inputs + 1, sizeof *ids, err);
    int rc = ids ? 0 : err->code;
    for (size_t i = 0; rc == 0 && i < c->n_inputs; i++) {
        ids[i] = MLO_NO_VALUE;
        if (*c->inputs[i])
            rc = find_value(s, c->inputs[i], &ids[i], err);
    }
    *ret = ids;
    return rc;
}

static int make_outputs(struct mlo_scope *s, const struct call *c, size_t **ret, struct mlo_err *err)
{
    size_t *ids = mlo_arena_alloc(&s->reader->arena, c->n_outputs + 1, sizeof *ids, err);
    int rc = ids ? 0 : err->code;
    for (size_t i = 0; rc == 0 && i < c->n_outputs; i++) {
        ids[i] = MLO_NO_VALUE;
        if (*c->outputs[i])
            rc = new_value(s, c->outputs[i], &ids[i], err);
    }
    *ret = ids;
    return rc;
}

static int add_node(struct mlo_scope *s, const struct call *c, struct mlo_err *err)
{
    struct mlo_graph *g = s->b->graph;
    size_t *inputs = NULL, *outputs = NULL;
    int rc = find_inputs(s, c, &inputs, err);
    if (rc == 0)
        rc = make_outputs(s, c, &outputs, err);
    if (rc == 0)
        rc = mlo_arena_grow(&s->reader->arena, &g->nodes, &s->b->nodes_cap, g->n_nodes + 1, sizeof *g->nodes,
                            err);
    if (rc != 0)
        return rc;
    g->nodes[g->n_nodes++] = (struct mlo_node){.name = c->name,
                                               .op = c->op,
                                               .domain = c->domain,
                                               .version = version_of(s, c->domain),
                                               .inputs = inputs,
                                               .outputs = outputs,
                                               .n_inputs = c->n_inputs,
                                               .n_outputs = c->n_outputs,
                                               .attrs = c->attrs,
                                               .n_attrs = c->n_attrs};
    return 0;
}

/* ---- functions ---- */

static const struct mlo_function *find_function(const struct mlo_model_reader *r, const struct call *c)
{
    for (size_t i = 0; i < r->n_functions; i++) {
        const struct mlo_function *f = &r->functions[i];
        if (strcmp(f->name, c->op) == 0 && strcmp(f->domain, c->domain) == 0 &&
            strcmp(f->overload, c->overload) == 0)
            return f;
    }
    return NULL;
}

struct body { /* of a function while it is called */
    const char **inputs, **outputs;
    size_t n_inputs, n_outputs, inputs_cap, outputs_cap;
    struct mlo_opset *opsets;
    size_t n_opsets, opsets_cap;
    struct mlo_attr *attrs;
    size_t n_attrs, attrs_cap;
};

static int add_opset(struct mlo_model_reader *r, struct mlo_message m, struct body *b, struct mlo_err *err)
{
    struct mlo_opset o = {.domain = ""};
    struct mlo_field f;
    int rc;
    while ((rc = mlo_message_next(&m, &f, err)) > 0) {
        if (f.number == 1)
            rc = mlo_wire_text(&f, "a domain", &r->arena, &o.domain, err);
        else if (f.number == 2)
            o.version = (int64_t)f.value;
        if (rc < 0)
            return rc;
    }
    if (rc == 0 && strcmp(o.domain, "ai.onnx") == 0)
        o.domain = "";
    if (rc == 0)
        rc = mlo_arena_grow(&r->arena, &b->opsets, &b->opsets_cap, b->n_opsets + 1, sizeof o, err);
    if (rc == 0)
        b->opsets[b->n_opsets++] = o;
    return rc;
}

static int add_default(struct mlo_scope *s, const struct mlo_field *f, struct body *b, struct mlo_err *err)
{
    struct mlo_model_reader *r = s->reader;
    bool given;
    int rc = mlo_wire_want(f, MLO_WIRE_BYTES, "an attribute", err);
    if (rc == 0)
        rc = mlo_arena_grow(&r->arena, &b->attrs, &b->attrs_cap, b->n_attrs + 1, sizeof *b->attrs, err);
    return rc == 0 ? mlo_attr_read(r, s, NULL, f->bytes, &b->attrs[b->n_attrs++], &given, err) : rc;
}

static int read_body(struct mlo_scope *s, struct mlo_message m, struct body *b, struct mlo_err *err)
{
    struct mlo_field f;
    int rc;
    while ((rc = mlo_message_next(&m, &f, err)) > 0) {
        if (f.number == FN_INPUT)
            rc = add_name(s->reader, &f, &b->inputs, &b->inputs_cap, &b->n_inputs, err);
        else if (f.number == FN_OUTPUT)
            rc = add_name(s->reader, &f, &b->outputs, &b->outputs_cap, &b->n_outputs, err);
        else if (f.number == FN_OPSET && f.wire == MLO_WIRE_BYTES)
            rc = add_opset(s->reader, f.bytes, b, err);
        else if (f.number == FN_ATTRIBUTE_PROTO)
            rc = add_default(s, &f, b, err);
        if (rc < 0)
            return rc;
    }
    return rc;
}

/* What the call gives, before the function's defaults: the first of a name is taken. */
static int bind_attrs(struct mlo_model_reader *r, const struct call *c, const struct body *b,
                      struct mlo_bindings *ret, struct mlo_err *err)
{
    struct mlo_attr *all = mlo_arena_alloc(&r->arena, c->n_attrs + b->n_attrs + 1, sizeof *all, err);
    if (!all)
        return err->code;
    if (c->n_attrs)
        memcpy(all, c->attrs, c->n_attrs * sizeof *all);
    if (b->n_attrs)
        memcpy(all + c->n_attrs, b->attrs, b->n_attrs * sizeof *all);
    *ret = (struct mlo_bindings){all, c->n_attrs + b->n_attrs};
    return 0;
}

static int bind_inputs(struct mlo_scope *s, struct mlo_scope *inner, const struct call *c,
                       const struct body *b, struct mlo_err *err)
{
    size_t *ids;
    int rc = find_inputs(s, c, &ids, err);
    for (size_t i = 0; rc == 0 && i < b->n_inputs && i < c->n_inputs; i++)
        if (ids[i] != MLO_NO_VALUE)
            rc = mlo_name_map_set(&inner->names, b->inputs[i], ids[i], err);
    return rc;
}

/* A result of the function under the name that the caller gives it. */
static int bind_outputs(struct mlo_scope *s, struct mlo_scope *inner, const struct call *c,
                        const struct body *b, struct mlo_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->n_outputs; i++) {
        size_t id;
        if (!*c->outputs[i])
            continue;
        if (i >= b->n_outputs || known_as(s, c->outputs[i]) != MLO_NO_VALUE)
            return mlo_fail(err, MLO_EINVALID, "a call of '%s' has outputs that do not fit", c->op);
        rc = find_value(inner, b->outputs[i], &id, err);
        if (rc == 0)
            rc = mlo_name_map_set(&s->names, c->outputs[i], id, err);
    }
    return rc;
}

static int call_function(struct mlo_scope *s, const struct mlo_function *f, const struct call *c,
                         struct mlo_err *err)
{
    struct mlo_bindings bound = {0};
    struct body b = {0};
    if (++s->reader->depth > MLO_MODEL_DEPTH)
        return mlo_fail(err, MLO_EINVALID, "function '%s' is nested too deeply, or in itself", f->name);
    int rc = read_body(s, f->body, &b, err);
    if (rc == 0)
        rc = bind_attrs(s->reader, c, &b, &bound, err);
    struct mlo_scope inner = {.reader = s->reader,
                              .b = s->b,
                              .bound = &bound,
                              .prefix = rc == 0 ? prefixed(s, *c->name ? c->name : c->op, err) : NULL,
                              .opsets = b.n_opsets ? b.opsets : s->opsets,
                              .n_opsets = b.n_opsets ? b.n_opsets : s->n_opsets};
    if (rc == 0 && !inner.prefix)
        rc = err->code;
    if (rc == 0)
        rc = bind_inputs(s, &inner, c, &b, err);
    if (rc == 0)
        rc = read_nodes(&inner, f->body, FN_NODE, err);
    if (rc == 0)
        rc = bind_outputs(s, &inner, c, &b, err);
    mlo_name_map_release(&inner.names);
    s->reader->depth--;
    return rc;
}

static int read_node(struct mlo_scope *s, struct mlo_message m, struct mlo_err *err)
{
    struct call c = {.name = "", .op = "", .domain = "", .overload = ""};
    char shown[MLO_SHOWN];
    if (++s->reader->n_nodes > MLO_MODEL_NODES_MAX)
        return mlo_fail(err, MLO_EINVALID, "more than %zu nodes", MLO_MODEL_NODES_MAX);
    int rc = read_call(s, m, &c, err);
    const struct mlo_function *f = rc == 0 ? find_function(s->reader, &c) : NULL;
    if (rc == 0)
        rc = f ? call_function(s, f, &c, err) : add_node(s, &c, err);
    if (rc == 0 || s->reader->node_named) /* the innermost says most */
        return rc;
    s->reader->node_named = true;
    return mlo_wrap(err, "node '%s' (%.40s)", mlo_shown(c.name, strlen(c.name), shown), c.op);
}

static int read_nodes(struct mlo_scope *s, struct mlo_message m, uint32_t field, struct mlo_err *err)
{
    struct mlo_field f;
    int rc;
    while ((rc = mlo_message_next(&m, &f, err)) > 0) {
        if (f.number != field)
            continue;
        rc = mlo_wire_want(&f, MLO_WIRE_BYTES, "a node", err);
        rc = rc == 0 ? read_node(s, f.bytes, err) : rc;
        if (rc != 0)
            return rc;
    }
    return rc;
}

/* ---- the parts of a graph ---- */

static int read_initializer(struct mlo_scope *s, struct mlo_message m, struct mlo_err *err)
{
    struct mlo_model_reader *r = s->reader;
    struct mlo_array *a = mlo_arena_alloc(&r->arena, 1, sizeof *a, err);
    const char *name;
    size_t id;
    if (!a)
        return err->code;
    r->read_once = !s->outer && !s->bound && !s->prefix; /* of the main graph */
    int rc = mlo_tensor_proto_read(r, &r->arena, m, a, &name, err);
    r->read_once = false;
    if (rc == 0)
        rc = new_value(s, name, &id, err);
    if (rc != 0)
        return rc;
    struct mlo_graph_value *v = &s->b->graph->values[id];
    v->kind = MLO_KIND_ARRAY;
    v->dtype = a->dtype;
    v->constant = a;
    return 0;
}

static int read_value_info(struct mlo_scope *s, struct mlo_message m, struct mlo_graph_value *ret,
                           struct mlo_err *err)
{
    struct mlo_field f;
    struct mlo_message type = {0};
    int rc;
    *ret = (struct mlo_graph_value){.name = ""};
    while ((rc = mlo_message_next(&m, &f, err)) > 0) {
        if (f.number == V_NAME)
            rc = mlo_wire_text(&f, "a value's name", &s->reader->arena, &ret->name, err);
        else if (f.number == V_TYPE && f.wire == MLO_WIRE_BYTES)
            type = f.bytes;
        if (rc < 0)
            return rc;
    }
    return rc == 0 ? mlo_type_read(s->reader, type, ret, err) : rc;
}

/* What the file says of a value that is there: kept unless it is known better. */
static void describe(struct mlo_graph_value *v, const struct mlo_graph_value *info)
{
    if (v->constant)
        return;
    v->kind = info->kind;
    v->dtype = info->dtype;
    v->key = info->key;
    v->has_shape = info->has_shape;
    v->rank = info->rank;
    v->dims = info->dims;
}

static int read_input(struct mlo_scope *s, struct mlo_message m, struct mlo_err *err)
{
    struct mlo_graph *g = s->b->graph;
    struct mlo_graph_value info;
    int rc = read_value_info(s, m, &info, err);
    size_t id = rc == 0 ? known_as(s, info.name) : MLO_NO_VALUE;
    if (rc != 0 || (id != MLO_NO_VALUE && g->values[id].constant))
        return rc; /* a default that could be given: it has a value already */
    rc = new_value(s, info.name, &id, err);
    if (rc == 0)
        rc = mlo_arena_grow(&s->reader->arena, &s->b->inputs, &s->b->inputs_cap, g->n_inputs + 1,
                            sizeof *s->b->inputs, err);
    if (rc != 0)
        return rc;
    describe(&g->values[id], &info);
    s->b->inputs[g->n_inputs++] = id;
    return 0;
}

static int read_output(struct mlo_scope *s, struct mlo_message m, struct mlo_err *err)
{
    struct mlo_graph *g = s->b->graph;
    struct mlo_graph_value info;
    size_t id;
    int rc = read_value_info(s, m, &info, err);
    if (rc == 0)
        rc = find_value(s, info.name, &id, err);
    if (rc == 0)
        rc = mlo_arena_grow(&s->reader->arena, &s->b->outputs, &s->b->outputs_cap, g->n_outputs + 1,
                            sizeof *s->b->outputs, err);
    if (rc != 0)
        return mlo_wrap(err, "output");
    if (info.kind != MLO_KIND_UNKNOWN)
        describe(&g->values[id], &info);
    s->b->outputs[g->n_outputs++] = id;
    return 0;
}

static int read_inner_info(struct mlo_scope *s, struct mlo_message m, struct mlo_err *err)
{
    struct mlo_graph_value info;
    int rc = read_value_info(s, m, &info, err);
    size_t id = rc == 0 ? known_as(s, info.name) : MLO_NO_VALUE;
    if (id != MLO_NO_VALUE)
        describe(&s->b->graph->values[id], &info);
    return rc;
}

static int each_field(struct mlo_scope *s, struct mlo_message m, uint32_t number,
                      int (*read)(struct mlo_scope *s, struct mlo_message m, struct mlo_err *err),
                      struct mlo_err *err)
{
    struct mlo_field f;
    int rc;
    while ((rc = mlo_message_next(&m, &f, err)) > 0) {
        if (f.number != number)
            continue;
        rc = mlo_wire_want(&f, MLO_WIRE_BYTES, "a part of a graph", err);
        rc = rc == 0 ? read(s, f.bytes, err) : rc;
        if (rc != 0)
            return rc;
    }
    return rc;
}

static int refuse_sparse(struct mlo_scope *s, struct mlo_message m, struct mlo_err *err)
{
    (void)s, (void)m;
    return mlo_fail(err, MLO_EUNAVAIL, "sparse weights are not supported");
}

static int read_name(struct mlo_scope *s, struct mlo_message m, struct mlo_err *err)
{
    struct mlo_field f = {.wire = MLO_WIRE_BYTES, .bytes = m};
    return mlo_wire_text(&f, "a graph's name", &s->reader->arena, &s->b->graph->name, err);
}

static int read_parts(struct mlo_scope *s, struct mlo_message m, struct mlo_err *err)
{
    int rc = each_field(s, m, G_NAME, read_name, err);
    if (rc == 0)
        rc = each_field(s, m, G_SPARSE, refuse_sparse, err);
    if (rc == 0)
        rc = each_field(s, m, G_INITIALIZER, read_initializer, err);
    if (rc == 0)
        rc = each_field(s, m, G_INPUT, read_input, err);
    if (rc == 0)
        rc = read_nodes(s, m, G_NODE, err);
    if (rc == 0)
        rc = each_field(s, m, G_VALUE_INFO, read_inner_info, err);
    if (rc == 0)
        rc = each_field(s, m, G_OUTPUT, read_output, err);
    return rc;
}

int mlo_graph_read(struct mlo_model_reader *r, struct mlo_scope *outer, struct mlo_message m,
                   const struct mlo_graph **ret, struct mlo_err *err)
{
    struct building b = {.graph = mlo_arena_alloc(&r->arena, 1, sizeof *b.graph, err)};
    if (!b.graph)
        return err->code;
    if (++r->depth > MLO_MODEL_DEPTH)
        return mlo_fail(err, MLO_EINVALID, "graphs are nested too deeply");
    struct mlo_scope s = {.reader = r,
                          .b = &b,
                          .outer = outer,
                          .bound = outer ? outer->bound : NULL,
                          .opsets = outer ? outer->opsets : r->model.opsets,
                          .n_opsets = outer ? outer->n_opsets : r->model.n_opsets};
    b.graph->name = "";
    int rc = read_parts(&s, m, err);
    mlo_name_map_release(&s.names);
    r->depth--;
    b.graph->inputs = b.inputs;
    b.graph->outputs = b.outputs;
    b.graph->captures = b.captures;
    *ret = b.graph;
    return rc;
}
