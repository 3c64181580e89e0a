/* ONNX models made in a test: protobuf, field by field. MODEL_BYTES may be set before: of one message. */
#ifndef TESTS_UNIT_MODEL_HELP_H
#define TESTS_UNIT_MODEL_HELP_H

#include <stdint.h>
#include <string.h>

#ifndef MODEL_BYTES
#define MODEL_BYTES 4096
#endif

struct bytes {
    uint8_t b[MODEL_BYTES];
    size_t n;
};

static inline void put_varint(struct bytes *o, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        o->b[o->n++] = (uint8_t)(v | 0x80);
    o->b[o->n++] = (uint8_t)v;
}

static inline void put_number(struct bytes *o, uint32_t field, uint64_t v)
{
    put_varint(o, (uint64_t)field << 3);
    put_varint(o, v);
}

static inline void put_bytes(struct bytes *o, uint32_t field, const void *p, size_t n)
{
    put_varint(o, (uint64_t)field << 3 | 2);
    put_varint(o, n);
    memcpy(o->b + o->n, p, n);
    o->n += n;
}

static inline void put_text(struct bytes *o, uint32_t field, const char *s)
{
    put_bytes(o, field, s, strlen(s));
}

static inline void put(struct bytes *o, uint32_t field, const struct bytes *m)
{
    put_bytes(o, field, m->b, m->n);
}

enum { MODEL_IR = 1, MODEL_GRAPH = 7, MODEL_OPSET = 8, MODEL_FUNCTION = 25 };
enum { GRAPH_NODE = 1, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT, NODE_NAME, NODE_OP, NODE_ATTRIBUTE, NODE_DOMAIN = 7 };
enum { TENSOR_DIMS = 1, TENSOR_TYPE, TENSOR_NAME = 8, TENSOR_RAW };
enum { ATTR_NAME = 1, ATTR_FLOAT, ATTR_INT, ATTR_GRAPH = 6, ATTR_TYPE = 20 };

static inline void put_port(struct bytes *graph, uint32_t field, const char *name)
{
    struct bytes v = {.n = 0};
    put_text(&v, 1, name);
    put(graph, field, &v);
}

static inline struct bytes node(const char *op, const char *in, const char *out)
{
    struct bytes n = {.n = 0};
    put_text(&n, NODE_INPUT, in);
    put_text(&n, NODE_OUTPUT, out);
    put_text(&n, NODE_OP, op);
    return n;
}

static inline void put_node(struct bytes *graph, const char *op, const char *in, const char *out)
{
    struct bytes n = node(op, in, out);
    put(graph, GRAPH_NODE, &n);
}

/* Adds an input to a node, in their order. */
static inline void put_input(struct bytes *n, const char *in)
{
    put_text(n, NODE_INPUT, in);
}

static inline void put_attr_float(struct bytes *n, const char *name, float v)
{
    struct bytes a = {.n = 0};
    put_text(&a, ATTR_NAME, name);
    put_varint(&a, ATTR_FLOAT << 3 | 5);
    memcpy(a.b + a.n, &v, sizeof v);
    a.n += sizeof v;
    put_number(&a, ATTR_TYPE, 1);
    put(n, NODE_ATTRIBUTE, &a);
}

static inline void put_attr_int(struct bytes *n, const char *name, int64_t v)
{
    struct bytes a = {.n = 0};
    put_text(&a, ATTR_NAME, name);
    put_number(&a, ATTR_INT, (uint64_t)v);
    put_number(&a, ATTR_TYPE, 2);
    put(n, NODE_ATTRIBUTE, &a);
}

/* A constant of float32 in the graph. */
static inline void put_floats(struct bytes *graph, const char *name, const float *v, const int64_t *dims,
                              unsigned rank)
{
    struct bytes t = {.n = 0};
    size_t n = 1;
    for (unsigned i = 0; i < rank; i++) {
        put_number(&t, TENSOR_DIMS, (uint64_t)dims[i]);
        n *= (size_t)dims[i];
    }
    put_number(&t, TENSOR_TYPE, 1);
    put_text(&t, TENSOR_NAME, name);
    put_bytes(&t, TENSOR_RAW, v, n * sizeof *v);
    put(graph, GRAPH_INITIALIZER, &t);
}

/* A list of int64 in the graph. */
static inline void put_whole_numbers(struct bytes *g, const char *name, const int64_t *v, size_t n)
{
    struct bytes t = {.n = 0};
    put_number(&t, TENSOR_DIMS, n);
    put_number(&t, TENSOR_TYPE, 7);
    put_text(&t, TENSOR_NAME, name);
    put_bytes(&t, TENSOR_RAW, v, n * sizeof *v);
    put(g, GRAPH_INITIALIZER, &t);
}

static inline void put_whole_number(struct bytes *g, const char *name, int64_t v)
{
    struct bytes t = {.n = 0};
    put_number(&t, TENSOR_TYPE, 7);
    put_text(&t, TENSOR_NAME, name);
    put_bytes(&t, TENSOR_RAW, &v, sizeof v);
    put(g, GRAPH_INITIALIZER, &t);
}

static inline void put_node_of_two(struct bytes *g, const char *op, const char *a, const char *b,
                                   const char *out)
{
    struct bytes n = node(op, a, out);
    put_input(&n, b);
    put(g, GRAPH_NODE, &n);
}

/* An array whose dimensions are open. */
static inline void put_open_port(struct bytes *g, uint32_t field, const char *name, unsigned type,
                                 unsigned rank)
{
    struct bytes port = {.n = 0}, kind = {.n = 0}, tensor = {.n = 0}, shape = {.n = 0};
    for (unsigned i = 0; i < rank; i++) {
        struct bytes dim = {.n = 0};
        put_text(&dim, 2, i == 0 ? "batch" : i == 1 ? "sequence" : "columns");
        put(&shape, 1, &dim);
    }
    put_number(&tensor, 1, type);
    put(&tensor, 2, &shape);
    put(&kind, 1, &tensor);
    put_text(&port, 1, name);
    put(&port, 2, &kind);
    put(g, field, &port);
}

static inline void put_attr_ints(struct bytes *n, const char *name, const int64_t *v, size_t count)
{
    struct bytes a = {.n = 0};
    put_text(&a, ATTR_NAME, name);
    for (size_t i = 0; i < count; i++)
        put_number(&a, 8, (uint64_t)v[i]);
    put_number(&a, ATTR_TYPE, 7);
    put(n, NODE_ATTRIBUTE, &a);
}

static inline struct bytes model_of(const struct bytes *graph, unsigned version)
{
    struct bytes m = {.n = 0}, opset = {.n = 0};
    put_number(&m, MODEL_IR, 8);
    put_number(&opset, 2, version);
    put(&m, MODEL_OPSET, &opset);
    put(&m, MODEL_GRAPH, graph);
    return m;
}

#endif
