/*
 * ONNX: one walk over a ModelProto through a window. Weights are never read, only passed over; tensors are
 * found in all places where the format can hide them: initializers, sparse initializers, node attributes,
 * graphs inside attributes, function bodies and training graphs.
 *
 * Recursion follows graphs in attributes, to MLO_ONNX_DEPTH. Tensors below the main graph are named by the
 * path of nodes and attributes that leads to them.
 */
#include "onnx.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_DOMAINS 64

struct model {
    struct mlo_checkpoint *cp;
    struct mlo_win w;
    uint64_t ir_version;
    bool has_ir, has_graph;
    unsigned opsets;
    struct mlo_port *inputs, *outputs;
    size_t n_inputs, cap_inputs, n_outputs, cap_outputs;
    const char *domains[MAX_DOMAINS]; /* custom ones, each warned about once */
    size_t n_domains;
    size_t top_tensors; /* the first so many are the main graph's own initializers */
    unsigned depth;
};

/* A path such as "block1/attention/value", built while descending. */
typedef struct mlo_str path;

static int init_text(struct mlo_str *s)
{
    mlo_str_init(s, MLO_ONNX_TEXT_MAX);
    return 0;
}

/* ---- domains ---- */

static bool is_plain_domain(const char *d)
{
    static const char *const plain[] = {
        "", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training", "com.microsoft"};
    for (size_t i = 0; i < MLO_COUNT(plain); i++)
        if (strcmp(d, plain[i]) == 0)
            return true;
    return false;
}

static int note_domain(struct model *m, const char *domain, struct mlo_err *err)
{
    char shown[MLO_SHOWN];
    if (is_plain_domain(domain) || m->n_domains == MAX_DOMAINS)
        return 0;
    for (size_t i = 0; i < m->n_domains; i++)
        if (strcmp(m->domains[i], domain) == 0)
            return 0;
    int r = mlo_cp_text(m->cp, domain, strlen(domain), &m->domains[m->n_domains], err);
    if (r < 0)
        return r;
    m->n_domains++;
    return mlo_cp_warn(m->cp, err, "custom operator domain \"%s\": needs a native library",
                       mlo_shown(domain, strlen(domain), shown));
}

/* ---- names ---- */

static int join(path *p, const char *name, struct mlo_err *err)
{
    mlo_str_add(p, name);
    mlo_str_addc(p, '/');
    return mlo_str_check(p, err);
}

static void cut(path *p, size_t len)
{
    p->len = len;
    if (p->cap)
        p->ptr[len] = '\0';
}

/* ---- attributes ---- */

enum {
    A_NAME = 1,
    A_T = 5,
    A_G = 6,
    A_FLOATS = 7,
    A_INTS = 8,
    A_TENSORS = 10,
    A_GRAPHS = 11,
    A_SPARSE = 22,
    A_SPARSES
};

static int read_graph(struct model *m, uint64_t at, uint64_t len, path *p, bool top, struct mlo_err *err);

static int attribute_name(struct model *m, const struct mlo_pb *attr, struct mlo_str *name,
                          struct mlo_err *err)
{
    struct mlo_pb f;
    struct mlo_pb_msg msg = mlo_pb_open(&m->w, attr->at, attr->len);
    int r;
    while ((r = mlo_pb_next(&msg, &f, err)) > 0) {
        r = f.number == A_NAME ? mlo_pb_text(&m->w, &f, "attribute name", name, err) : 0;
        if (r < 0)
            return r;
    }
    return r;
}

/* A tensor or graph in the attribute `name`; the k-th of a repeated field gets "[k]". */
static int read_value(struct model *m, const struct mlo_pb *f, const char *name, unsigned k, path *p,
                      struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str label;
    bool repeated = f->number == A_TENSORS || f->number == A_GRAPHS || f->number == A_SPARSES;
    size_t before = p->len;
    mlo_str_init(&label, MLO_ONNX_TEXT_MAX + 16);
    mlo_str_add(&label, name);
    if (repeated)
        mlo_str_addf(&label, "[%u]", k);
    int r = mlo_str_check(&label, err);
    if (r == 0)
        r = mlo_pb_want(f, MLO_PB_LEN, "attribute value", err);
    if (r < 0)
        return r;
    if (f->number == A_G || f->number == A_GRAPHS) {
        r = join(p, label.ptr, err);
        if (r == 0)
            r = read_graph(m, f->at, f->len, p, false, err);
        cut(p, before);
        return r;
    }
    bool sparse = f->number == A_SPARSE || f->number == A_SPARSES;
    return (sparse ? mlo_onnx_add_sparse : mlo_onnx_add_tensor)(m->cp, &m->w, f->at, f->len, p->ptr,
                                                                label.ptr, err);
}

static int read_attribute(struct model *m, const struct mlo_pb *attr, bool weights, path *p,
                          struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str name;
    struct mlo_pb f;
    unsigned tensors = 0, graphs = 0, sparses = 0, singles = 0;
    init_text(&name);
    int r = mlo_pb_want(attr, MLO_PB_LEN, "attribute", err);
    if (r == 0)
        r = attribute_name(m, attr, &name, err);
    struct mlo_pb_msg msg = mlo_pb_open(&m->w, attr->at, attr->len);
    bool floats = false, ints = false;
    while (r == 0 && (r = mlo_pb_next(&msg, &f, err)) > 0) {
        r = 0;
        floats = floats || f.number == A_FLOATS;
        ints = ints || f.number == A_INTS;
        if (f.number == A_T || f.number == A_G || f.number == A_SPARSE)
            r = singles++ ? mlo_fail(err, MLO_EINVALID, "attribute at byte %" PRIu64 ": two values", attr->at)
                          : read_value(m, &f, name.ptr, 0, p, err);
        else if (f.number == A_TENSORS)
            r = read_value(m, &f, name.ptr, tensors++, p, err);
        else if (f.number == A_GRAPHS)
            r = read_value(m, &f, name.ptr, graphs++, p, err);
        else if (f.number == A_SPARSES)
            r = read_value(m, &f, name.ptr, sparses++, p, err);
    }
    if (r < 0 || !weights || (!floats && !ints))
        return r;
    MLO_AUTOSTR struct mlo_str full;
    mlo_str_init(&full, 2 * MLO_ONNX_TEXT_MAX);
    mlo_str_add(&full, p->ptr);
    mlo_str_add(&full, name.ptr);
    r = mlo_str_check(&full, err);
    return r < 0 ? r
                 : mlo_onnx_add_list(m->cp, &m->w, attr->at, attr->len, floats ? A_FLOATS : A_INTS, full.ptr,
                                     err);
}

/* ---- nodes ---- */

enum { N_OUTPUT = 2, N_NAME = 3, N_OP = 4, N_ATTRIBUTE = 5, N_DOMAIN = 7 };

/* What a node is called in names of tensors: its name, else its first output, else its position. */
struct node {
    struct mlo_str name, output, op, domain;
    bool attributes;
};

static int read_node_texts(struct model *m, const struct mlo_pb *at, struct node *n, struct mlo_err *err)
{
    struct mlo_pb f;
    struct mlo_pb_msg msg = mlo_pb_open(&m->w, at->at, at->len);
    int r;
    while ((r = mlo_pb_next(&msg, &f, err)) > 0) {
        r = 0;
        if (f.number == N_NAME)
            r = mlo_pb_text(&m->w, &f, "node name", &n->name, err);
        else if (f.number == N_OUTPUT && n->output.len == 0)
            r = mlo_pb_text(&m->w, &f, "node output", &n->output, err);
        else if (f.number == N_OP)
            r = mlo_pb_text(&m->w, &f, "op_type", &n->op, err);
        else if (f.number == N_DOMAIN)
            r = mlo_pb_text(&m->w, &f, "node domain", &n->domain, err);
        n->attributes = n->attributes || f.number == N_ATTRIBUTE;
        if (r < 0)
            return r;
    }
    return r;
}

/*
 * Lists of numbers in attributes are what was learnt: those of Constant, and those of the classical models,
 * which keep all they have there (the nodes of a tree ensemble, the coefficients of a linear model).
 * Elsewhere they are settings (strides, axes).
 */
static bool lists_are_weights(const struct node *n)
{
    return (strcmp(n->op.ptr, "Constant") == 0 && is_plain_domain(n->domain.ptr)) ||
           strcmp(n->domain.ptr, "ai.onnx.ml") == 0;
}

static int read_node_attributes(struct model *m, const struct mlo_pb *at, const struct node *n,
                                uint64_t index, path *p, struct mlo_err *err)
{
    char number[32];
    size_t before = p->len;
    struct mlo_pb f;
    struct mlo_pb_msg msg = mlo_pb_open(&m->w, at->at, at->len);
    snprintf(number, sizeof number, "node%" PRIu64, index);
    int r = join(p, n->name.len ? n->name.ptr : n->output.len ? n->output.ptr : number, err);
    bool weights = lists_are_weights(n);
    while (r == 0 && (r = mlo_pb_next(&msg, &f, err)) > 0)
        r = f.number == N_ATTRIBUTE ? read_attribute(m, &f, weights, p, err) : 0;
    cut(p, before);
    return r;
}

static int read_node(struct model *m, const struct mlo_pb *at, uint64_t index, path *p, struct mlo_err *err)
{
    struct node n = {0};
    init_text(&n.name);
    init_text(&n.output);
    init_text(&n.op);
    init_text(&n.domain);
    int r = mlo_pb_want(at, MLO_PB_LEN, "node", err);
    if (r == 0)
        r = read_node_texts(m, at, &n, err);
    if (r == 0)
        r = note_domain(m, n.domain.ptr, err);
    if (r == 0 && n.attributes)
        r = read_node_attributes(m, at, &n, index, p, err);
    mlo_str_release(&n.name);
    mlo_str_release(&n.output);
    mlo_str_release(&n.op);
    mlo_str_release(&n.domain);
    return r;
}

/* ---- inputs and outputs ---- */

static int read_dim(struct model *m, const struct mlo_pb *at, const char **ret, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    struct mlo_pb f;
    struct mlo_pb_msg msg = mlo_pb_open(&m->w, at->at, at->len);
    int r;
    init_text(&text);
    while ((r = mlo_pb_next(&msg, &f, err)) > 0) {
        r = 0;
        if (f.number == 1 && f.wire == MLO_PB_VARINT) {
            mlo_str_clear(&text);
            mlo_str_addf(&text, "%" PRId64, (int64_t)f.value);
        } else if (f.number == 2) {
            r = mlo_pb_text(&m->w, &f, "dim_param", &text, err);
        }
        if (r < 0)
            return r;
    }
    if (r == 0)
        r = mlo_str_check(&text, err);
    return r < 0 ? r : mlo_cp_text(m->cp, text.len ? text.ptr : "?", text.len ? text.len : 1, ret, err);
}

static int read_shape(struct model *m, const struct mlo_pb *at, struct mlo_port *port, struct mlo_err *err)
{
    const char *dims[MLO_MAX_RANK];
    struct mlo_pb f;
    struct mlo_pb_msg msg = mlo_pb_open(&m->w, at->at, at->len);
    int r;
    port->rank = 0;
    while ((r = mlo_pb_next(&msg, &f, err)) > 0) {
        if (f.number != 1)
            continue;
        r = mlo_pb_want(&f, MLO_PB_LEN, "dim", err);
        if (r == 0 && port->rank == MLO_MAX_RANK)
            r = mlo_fail(err, MLO_EINVALID, "shape at byte %" PRIu64 " has more than %d dimensions", at->at,
                         MLO_MAX_RANK);
        if (r == 0)
            r = read_dim(m, &f, &dims[port->rank++], err);
        if (r < 0)
            return r;
    }
    if (r < 0)
        return r;
    const char **copy = mlo_arena_alloc(&m->cp->arena, port->rank ? port->rank : 1, sizeof *copy, err);
    if (!copy)
        return err->code;
    memcpy(copy, dims, port->rank * sizeof *copy);
    port->dims = copy;
    port->has_shape = true;
    return 0;
}

/* TypeProto.Tensor or .SparseTensor: 1 elem_type, 2 shape. */
static int read_tensor_type(struct model *m, const struct mlo_pb *at, struct mlo_port *port,
                            struct mlo_err *err)
{
    struct mlo_pb f;
    struct mlo_pb_msg msg = mlo_pb_open(&m->w, at->at, at->len);
    int r;
    while ((r = mlo_pb_next(&msg, &f, err)) > 0) {
        const struct mlo_onnx_type *type = f.number == 1 ? mlo_onnx_type(f.value) : NULL;
        r = 0;
        if (type) {
            port->dtype = type->dtype;
            port->type_name = mlo_dtype_name(type->dtype);
        } else if (f.number == 2) {
            r = mlo_pb_want(&f, MLO_PB_LEN, "shape", err);
            if (r == 0)
                r = read_shape(m, &f, port, err);
        }
        if (r < 0)
            return r;
    }
    return r;
}

static int read_type(struct model *m, const struct mlo_pb *at, struct mlo_port *port, struct mlo_err *err)
{
    static const char *const others[] = {[4] = "sequence", [5] = "map", [7] = "opaque", [9] = "optional"};
    struct mlo_pb f;
    struct mlo_pb_msg msg = mlo_pb_open(&m->w, at->at, at->len);
    int r;
    while ((r = mlo_pb_next(&msg, &f, err)) > 0) {
        r = 0;
        if (f.number == 1 || f.number == 8) {
            r = mlo_pb_want(&f, MLO_PB_LEN, "tensor type", err);
            if (r == 0)
                r = read_tensor_type(m, &f, port, err);
        } else if (f.number < MLO_COUNT(others) && others[f.number]) {
            port->type_name = others[f.number];
        }
        if (r < 0)
            return r;
    }
    return r;
}

static int read_port(struct model *m, const struct mlo_pb *at, struct mlo_port **list, size_t *n, size_t *cap,
                     struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str name;
    struct mlo_port port = {.type_name = "unknown", .name = ""};
    struct mlo_pb f;
    init_text(&name);
    int r = mlo_pb_want(at, MLO_PB_LEN, "input or output", err);
    struct mlo_pb_msg msg = mlo_pb_open(&m->w, at->at, at->len);
    while (r == 0 && (r = mlo_pb_next(&msg, &f, err)) > 0) {
        r = 0;
        if (f.number == 1)
            r = mlo_pb_text(&m->w, &f, "name of an input or output", &name, err);
        else if (f.number == 2)
            r = mlo_pb_want(&f, MLO_PB_LEN, "type", err) < 0 ? err->code : read_type(m, &f, &port, err);
    }
    if (r == 0)
        r = mlo_cp_text(m->cp, name.ptr, name.len, &port.name, err);
    if (r == 0 && *n == MLO_ONNX_MAX_PORTS)
        r = mlo_fail(err, MLO_EINVALID, "more than %zu inputs or outputs", MLO_ONNX_MAX_PORTS);
    if (r == 0)
        r = mlo_grow(list, cap, *n + 1, sizeof port, err);
    if (r == 0)
        (*list)[(*n)++] = port;
    return r;
}

/* ---- graphs ---- */

enum { G_NODE = 1, G_NAME = 2, G_INITIALIZER = 5, G_INPUT = 11, G_OUTPUT = 12, G_SPARSE = 15 };

static int read_initializer(struct model *m, const struct mlo_pb *f, uint64_t index, path *p,
                            struct mlo_err *err)
{
    char fallback[40];
    bool sparse = f->number == G_SPARSE;
    snprintf(fallback, sizeof fallback,
             sparse ? "sparse_initializer[%" PRIu64 "]" : "initializer[%" PRIu64 "]", index);
    int r = mlo_pb_want(f, MLO_PB_LEN, "initializer", err);
    return r < 0 ? r
                 : (sparse ? mlo_onnx_add_sparse : mlo_onnx_add_tensor)(m->cp, &m->w, f->at, f->len, p->ptr,
                                                                        fallback, err);
}

static int read_graph_name(struct model *m, const struct mlo_pb *f, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str name;
    init_text(&name);
    int r = mlo_pb_text(&m->w, f, "graph name", &name, err);
    return r < 0 || !name.len ? r : mlo_cp_add_meta(m->cp, "onnx.graph", name.ptr, err);
}

static int read_graph_field(struct model *m, const struct mlo_pb *f, uint64_t counts[2], path *p, bool top,
                            struct mlo_err *err)
{
    switch (f->number) {
    case G_NODE:
        return read_node(m, f, counts[0]++, p, err);
    case G_INITIALIZER:
    case G_SPARSE:
        return read_initializer(m, f, counts[1]++, p, err);
    case G_NAME:
        return top ? read_graph_name(m, f, err) : 0;
    case G_INPUT:
        return top ? read_port(m, f, &m->inputs, &m->n_inputs, &m->cap_inputs, err) : 0;
    case G_OUTPUT:
        return top ? read_port(m, f, &m->outputs, &m->n_outputs, &m->cap_outputs, err) : 0;
    default:
        return 0;
    }
}

static int read_graph(struct model *m, uint64_t at, uint64_t len, path *p, bool top, struct mlo_err *err)
{
    struct mlo_pb f;
    struct mlo_pb_msg msg = mlo_pb_open(&m->w, at, len);
    uint64_t counts[2] = {0};
    int r = 0;
    if (m->depth == MLO_ONNX_DEPTH)
        return mlo_fail(err, MLO_EINVALID, "graph at byte %" PRIu64 ": nested deeper than %d", at,
                        MLO_ONNX_DEPTH);
    m->depth++;
    while (r == 0 && (r = mlo_pb_next(&msg, &f, err)) > 0)
        r = read_graph_field(m, &f, counts, p, top, err);
    m->depth--;
    return r;
}

/* ---- functions and training ---- */

enum { FN_NAME = 1, FN_NODE = 7, FN_OPSET = 9, FN_DOMAIN = 10, FN_ATTRIBUTE = 11, FN_OVERLOAD = 13 };

static int read_function_path(struct model *m, const struct mlo_pb *at, path *p, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str name, domain, overload;
    struct mlo_pb f;
    struct mlo_pb_msg msg = mlo_pb_open(&m->w, at->at, at->len);
    int r;
    init_text(&name);
    init_text(&domain);
    init_text(&overload);
    while ((r = mlo_pb_next(&msg, &f, err)) > 0) {
        r = f.number == FN_NAME       ? mlo_pb_text(&m->w, &f, "function name", &name, err)
            : f.number == FN_DOMAIN   ? mlo_pb_text(&m->w, &f, "function domain", &domain, err)
            : f.number == FN_OVERLOAD ? mlo_pb_text(&m->w, &f, "function overload", &overload, err)
                                      : 0;
        if (r < 0)
            return r;
    }
    if (r < 0)
        return r;
    mlo_str_addf(p, "%s%s%s%s%s/", domain.ptr, domain.len ? "." : "", name.ptr, overload.len ? ":" : "",
                 overload.ptr);
    return mlo_str_check(p, err);
}

static int read_function(struct model *m, const struct mlo_pb *at, struct mlo_err *err)
{
    MLO_AUTOSTR path p;
    struct mlo_pb f;
    uint64_t nodes = 0;
    init_text(&p);
    int r = mlo_pb_want(at, MLO_PB_LEN, "function", err);
    if (r == 0)
        r = read_function_path(m, at, &p, err);
    struct mlo_pb_msg msg = mlo_pb_open(&m->w, at->at, at->len);
    while (r == 0 && (r = mlo_pb_next(&msg, &f, err)) > 0)
        r = f.number == FN_NODE        ? read_node(m, &f, nodes++, &p, err)
            : f.number == FN_ATTRIBUTE ? read_attribute(m, &f, false, &p, err)
                                       : 0;
    return r;
}

/* TrainingInfoProto: 1 initialization, 2 algorithm, both graphs. */
static int read_training(struct model *m, const struct mlo_pb *at, unsigned index, struct mlo_err *err)
{
    MLO_AUTOSTR path p;
    struct mlo_pb f;
    int r = mlo_pb_want(at, MLO_PB_LEN, "training_info", err);
    struct mlo_pb_msg msg = mlo_pb_open(&m->w, at->at, at->len);
    init_text(&p);
    while (r == 0 && (r = mlo_pb_next(&msg, &f, err)) > 0) {
        r = 0;
        if (f.number > 2)
            continue;
        mlo_str_clear(&p);
        mlo_str_addf(&p, "training[%u]/%s/", index, f.number == 1 ? "initialization" : "algorithm");
        r = mlo_str_check(&p, err);
        if (r == 0)
            r = mlo_pb_want(&f, MLO_PB_LEN, "training graph", err);
        if (r == 0)
            r = read_graph(m, f.at, f.len, &p, false, err);
    }
    return r;
}

/* ---- the model ---- */

enum {
    M_IR = 1,
    M_PRODUCER,
    M_PRODUCER_VERSION,
    M_DOMAIN,
    M_VERSION,
    M_DOC,
    M_GRAPH,
    M_OPSET,
    M_META = 14,
    M_TRAINING = 20,
    M_FUNCTION = 25,
    M_CONFIGURATION
};

static int add_number(struct model *m, const char *key, uint64_t v, struct mlo_err *err)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, (int64_t)v);
    return mlo_cp_add_meta(m->cp, key, text, err);
}

static int add_text(struct model *m, const char *key, const struct mlo_pb *f, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str text;
    mlo_str_init(&text, MLO_CP_MAX_VALUE);
    int r = mlo_pb_text(&m->w, f, key, &text, err);
    return r < 0 || !text.len ? r : mlo_cp_add_meta(m->cp, key, text.ptr, err);
}

/* A domain may be imported again, as skl2onnx does, when it is the same version. */
static int add_opset(struct model *m, const char *key, uint64_t version, struct mlo_err *err)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, (int64_t)version);
    for (size_t i = 0; i < m->cp->n_meta; i++)
        if (strcmp(m->cp->meta[i].key, key) == 0 && strcmp(m->cp->meta[i].value, text) == 0)
            return 0;
    return mlo_cp_add_meta(m->cp, key, text, err);
}

/* Two fields of a small message: OperatorSetId {domain, version}, StringStringEntry {key, value}. */
static int read_opset(struct model *m, const struct mlo_pb *at, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str domain, key;
    struct mlo_pb f;
    uint64_t version = 0;
    init_text(&domain);
    mlo_str_init(&key, MLO_ONNX_TEXT_MAX + 32);
    int r = mlo_pb_want(at, MLO_PB_LEN, "opset_import", err);
    struct mlo_pb_msg msg = mlo_pb_open(&m->w, at->at, at->len);
    while (r == 0 && (r = mlo_pb_next(&msg, &f, err)) > 0) {
        r = f.number == 1 ? mlo_pb_text(&m->w, &f, "opset domain", &domain, err) : 0;
        if (f.number == 2 && f.wire == MLO_PB_VARINT)
            version = f.value;
    }
    m->opsets++;
    mlo_str_addf(&key, "onnx.opset.%s", domain.len ? domain.ptr : "ai.onnx");
    if (r == 0)
        r = mlo_str_check(&key, err);
    if (r == 0)
        r = add_opset(m, key.ptr, version, err);
    return r < 0 ? r : note_domain(m, domain.ptr, err);
}

static int read_meta(struct model *m, const struct mlo_pb *at, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str key, value;
    struct mlo_pb f;
    init_text(&key);
    mlo_str_init(&value, 2 * MLO_CP_MAX_VALUE);
    int r = mlo_pb_want(at, MLO_PB_LEN, "metadata_props", err);
    struct mlo_pb_msg msg = mlo_pb_open(&m->w, at->at, at->len);
    while (r == 0 && (r = mlo_pb_next(&msg, &f, err)) > 0)
        r = f.number == 1   ? mlo_pb_text(&m->w, &f, "metadata key", &key, err)
            : f.number == 2 ? mlo_pb_text(&m->w, &f, "metadata value", &value, err)
                            : 0;
    return r < 0 ? r : mlo_cp_add_meta(m->cp, key.ptr, value.ptr, err);
}

static int read_main_graph(struct model *m, const struct mlo_pb *f, struct mlo_err *err)
{
    MLO_AUTOSTR path p;
    init_text(&p);
    if (m->has_graph)
        return mlo_fail(err, MLO_EINVALID, "a second graph at byte %" PRIu64, f->at);
    m->has_graph = true;
    int r = mlo_pb_want(f, MLO_PB_LEN, "graph", err);
    if (r == 0)
        r = read_graph(m, f->at, f->len, &p, true, err);
    m->top_tensors = m->cp->n_tensors;
    return r;
}

static int read_model_field(struct model *m, const struct mlo_pb *f, unsigned *trainings, struct mlo_err *err)
{
    switch (f->number) {
    case M_IR:
        m->ir_version = f->value;
        m->has_ir = true;
        return mlo_pb_want(f, MLO_PB_VARINT, "ir_version", err);
    case M_PRODUCER:
        return add_text(m, "onnx.producer", f, err);
    case M_PRODUCER_VERSION:
        return add_text(m, "onnx.producer_version", f, err);
    case M_DOMAIN:
        return add_text(m, "onnx.domain", f, err);
    case M_VERSION:
        return f->value ? add_number(m, "onnx.model_version", f->value, err) : 0;
    case M_DOC:
        return add_text(m, "onnx.doc", f, err);
    case M_GRAPH:
        return read_main_graph(m, f, err);
    case M_OPSET:
        return read_opset(m, f, err);
    case M_META:
        return read_meta(m, f, err);
    case M_TRAINING:
        return read_training(m, f, (*trainings)++, err);
    case M_FUNCTION:
        return read_function(m, f, err);
    default:
        return 0;
    }
}

/* ---- after the walk ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_versions(struct model *m, struct mlo_err *err)
{
    if (!m->has_ir || !m->has_graph)
        return mlo_fail(err, MLO_EINVALID, "no %s", m->has_ir ? "graph" : "ir_version");
    if (m->ir_version < 1 || m->ir_version > MLO_ONNX_IR_MAX)
        return mlo_fail(err, MLO_EINVALID, "ir_version %" PRId64 " is not between 1 and %d",
                        (int64_t)m->ir_version, MLO_ONNX_IR_MAX);
    if (m->ir_version >= 3 && m->opsets == 0)
        return mlo_fail(err, MLO_EINVALID, "no opset_import");
    if (m->ir_version < 3 && m->opsets)
        return mlo_fail(err, MLO_EINVALID, "opset_import, but ir_version %" PRIu64 " has none",
                        m->ir_version);
    return add_number(m, "onnx.ir_version", m->ir_version, err);
}

/* Before IR version 4 every initializer is listed among the inputs too: such ones are no inputs to give. */
static int keep_real_inputs(struct model *m, struct mlo_err *err)
{
    size_t n = m->top_tensors, kept = 0;
    MLO_AUTOFREE const char **names = mlo_calloc(n ? n : 1, sizeof *names, err);
    if (!names)
        return err->code;
    for (size_t i = 0; i < n; i++)
        names[i] = m->cp->tensors[i].name;
    qsort(names, n, sizeof *names, by_text);
    for (size_t i = 0; i < m->n_inputs; i++)
        if (!n || !bsearch(&m->inputs[i].name, names, n, sizeof *names, by_text))
            m->inputs[kept++] = m->inputs[i];
    m->n_inputs = kept;
    return 0;
}

static int keep_ports(struct mlo_checkpoint *cp, const struct mlo_port *from, size_t n, struct mlo_port **ret,
                      size_t *ret_n, struct mlo_err *err)
{
    struct mlo_port *copy = mlo_arena_alloc(&cp->arena, n ? n : 1, sizeof *copy, err);
    if (!copy)
        return err->code;
    if (n)
        memcpy(copy, from, n * sizeof *copy);
    *ret = copy;
    *ret_n = n;
    return 0;
}

static int finish(struct model *m, struct mlo_err *err)
{
    struct mlo_checkpoint *cp = m->cp;
    int r = mlo_cp_unique_meta(cp, err);
    if (r == 0)
        r = check_versions(m, err);
    if (r == 0)
        r = mlo_cp_unique_names(cp, err);
    if (r == 0)
        r = keep_real_inputs(m, err);
    if (r == 0)
        r = keep_ports(cp, m->inputs, m->n_inputs, &cp->inputs, &cp->n_inputs, err);
    return r < 0 ? r : keep_ports(cp, m->outputs, m->n_outputs, &cp->outputs, &cp->n_outputs, err);
}

int mlo_onnx_read(const struct mlo_source *src, struct mlo_checkpoint *cp, struct mlo_err *err)
{
    struct model m = {.cp = cp};
    struct mlo_pb f;
    unsigned trainings = 0;
    int r = 0;
    mlo_win_init(&m.w, src, 0, src->size);
    struct mlo_pb_msg msg = mlo_pb_open(&m.w, 0, src->size);
    while (r == 0 && (r = mlo_pb_next(&msg, &f, err)) > 0)
        r = read_model_field(&m, &f, &trainings, err);
    if (r == 0)
        r = finish(&m, err);
    free(m.inputs);
    free(m.outputs);
    mlo_win_release(&m.w);
    return r;
}

/* ---- is it one? ---- */

static bool plausible_field(const struct mlo_pb *f)
{
    static const uint8_t wires[] = {[M_IR] = 1,       [M_PRODUCER] = 2, [M_PRODUCER_VERSION] = 2,
                                    [M_DOMAIN] = 2,   [M_VERSION] = 1,  [M_DOC] = 2,
                                    [M_GRAPH] = 2,    [M_OPSET] = 2,    [M_META] = 2,
                                    [M_TRAINING] = 2, [M_FUNCTION] = 2, [M_CONFIGURATION] = 2};
    if (f->number >= MLO_COUNT(wires) || wires[f->number] == 0)
        return false;
    return f->wire == (wires[f->number] == 1 ? MLO_PB_VARINT : MLO_PB_LEN);
}

/* The usual beginning, ir_version and then known fields up to a graph: enough, so that a damaged model is
 * called one. */
static bool begins_like_model(const uint8_t *b, size_t n)
{
    size_t i = 2;
    if (n < 4 || b[0] != 0x08 || b[1] < 1 || b[1] > 20)
        return false;
    while (i + 1 < n && b[i] != 0x3A) {
        if (b[i] == 0x28) /* model_version */
            for (i++; i < n && b[i] & 0x80; i++)
                ;
        else if ((b[i] == 0x12 || b[i] == 0x1A || b[i] == 0x22 || b[i] == 0x32 || b[i] == 0x42) &&
                 b[i + 1] < 0x80)
            i += 1 + (size_t)b[i + 1];
        else
            return false;
        i++;
    }
    /* The graph: a length, then the tag of one of its fields. */
    for (i++; i < n && b[i] & 0x80; i++)
        ;
    static const uint8_t graph_tags[] = {0x0A, 0x12, 0x2A, 0x52, 0x5A, 0x62, 0x6A, 0x72, 0x7A};
    return i + 1 < n && memchr(graph_tags, b[i + 1], sizeof graph_tags);
}

int mlo_onnx_sniff(const struct mlo_source *src, bool *ret, struct mlo_err *err)
{
    MLO_AUTOWIN struct mlo_win w;
    const uint8_t *head;
    size_t have = src->size < 512 ? (size_t)src->size : 512;
    struct mlo_pb f;
    bool ir = false, graph = false;
    *ret = false;
    mlo_win_init(&w, src, 0, src->size);
    if (have < 4)
        return 0;
    int r = mlo_win_peek(&w, have, &head, err);
    if (r < 0)
        return r;
    if (begins_like_model(head, have)) {
        *ret = true;
        return 0;
    }
    struct mlo_err no = MLO_ERR_INIT;
    struct mlo_pb_msg msg = mlo_pb_open(&w, 0, src->size);
    while ((r = mlo_pb_next(&msg, &f, &no)) > 0) {
        if (!plausible_field(&f))
            return 0;
        ir = ir || (f.number == M_IR && f.value >= 1 && f.value <= UINT8_MAX);
        graph = graph || f.number == M_GRAPH;
    }
    if (r < 0 && no.code != MLO_EINVALID) {
        *err = no;
        return r;
    }
    *ret = r == 0 && ir && graph;
    return 0;
}
