/*
 * ONNX models: the file as a graph that can be run.
 *
 * The file is read into memory once (what happens to it on disk afterwards does not matter), checked as a
 * whole, and given as plain structs. Weights stay where they are in it: an array points into the file's bytes
 * wherever they are aligned. Names are resolved to numbers, functions of the model are expanded where they
 * are called, subgraphs (If, Loop, Scan) say which outer values they use.
 *
 * Nothing is believed: sizes are checked against the bytes there are, graphs must be sorted and each value
 * made once, external data stays inside the model's folder, and memory is bounded by the size of the file.
 * What an operator means is not known here: see infer.h.
 *
 * Source of the format: onnx.proto (IR versions 3 to 13), docs/IR.md of onnx.
 */
#ifndef MLOPSCTL_ONNX_H
#define MLOPSCTL_ONNX_H

#include <mlopsctl/base/array.h>

#define MLO_NO_VALUE SIZE_MAX /* an optional input that is not given, an output that nobody wants */

enum mlo_value_kind {
    MLO_KIND_UNKNOWN,
    MLO_KIND_ARRAY,
    MLO_KIND_SEQUENCE,
    MLO_KIND_MAP,
    MLO_KIND_OPTIONAL,
};

enum mlo_attr_kind { /* the numbers of AttributeProto.AttributeType */
                     MLO_ATTR_FLOAT = 1,
                     MLO_ATTR_INT = 2,
                     MLO_ATTR_STRING = 3,
                     MLO_ATTR_TENSOR = 4,
                     MLO_ATTR_GRAPH = 5,
                     MLO_ATTR_FLOATS = 6,
                     MLO_ATTR_INTS = 7,
                     MLO_ATTR_STRINGS = 8,
                     MLO_ATTR_TENSORS = 9,
                     MLO_ATTR_OTHER = 10, /* lists of graphs, sparse tensors, types: there, but not read */
};
struct mlo_attr {
    const char *name;
    enum mlo_attr_kind kind;
    size_t n; /* of the lists */
    union {
        float f;
        int64_t i;
        struct mlo_slice s;
        const float *floats;
        const int64_t *ints;
        const struct mlo_slice *strings;
        const struct mlo_array *tensors; /* TENSOR: one */
        const struct mlo_graph *graph;
    };
};

struct mlo_dim {
    int64_t size;      /* -1: not known */
    const char *param; /* its name when it has one: "batch"; NULL */
};
struct mlo_graph_value {
    const char *name; /* as in the file; inside a function "node/name" */
    enum mlo_value_kind kind;
    enum mlo_dtype dtype; /* of its elements, or those of the arrays inside; UNKNOWN: not said */
    enum mlo_dtype key;   /* MAP */
    bool has_shape;
    unsigned rank;
    const struct mlo_dim *dims;
    const struct mlo_array *constant; /* initializer; NULL: made by a node, or given */
    const char *const *columns;       /* names along the last dimension; NULL: none, as always in a file */
    const struct mlo_categories *categories; /* the same, of the categories of each column */
};
struct mlo_node {
    const char *name, *op, *domain; /* domain "" for ai.onnx */
    int64_t version;                /* of the operator set that the model imports for the domain */
    const size_t *inputs, *outputs; /* numbers of values */
    size_t n_inputs, n_outputs;
    const struct mlo_attr *attrs;
    size_t n_attrs;
    const void *params; /* of a node that stands in no file: see infer.h; NULL */
};
struct mlo_capture { /* an outer value that a subgraph uses */
    size_t outer, inner;
};
struct mlo_graph {
    const char *name;
    struct mlo_graph_value *values;
    size_t n_values;
    struct mlo_node *nodes; /* in an order in which they can be run */
    size_t n_nodes;
    const size_t *inputs, *outputs; /* inputs: those without an initializer */
    size_t n_inputs, n_outputs;
    const struct mlo_capture *captures; /* of a subgraph */
    size_t n_captures;
};

struct mlo_opset {
    const char *domain;
    int64_t version;
};
struct mlo_text_pair {
    const char *key, *value;
};
struct mlo_onnx_model {
    int64_t ir_version;
    const char *producer, *producer_version; /* "" when not said */
    const struct mlo_opset *opsets;
    size_t n_opsets;
    const struct mlo_text_pair *metadata;
    size_t n_metadata;
    const struct mlo_graph *graph;
    size_t file_bytes;                       /* of the model and its external data */
    void (*close)(struct mlo_onnx_model *m); /* of a model that another reader made; NULL */
};

/* Reads the model at `path`; external data is looked for in its folder. Owner: the caller. */
int mlo_onnx_open(const char *path, struct mlo_onnx_model **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* The same from bytes, which must live as long as the model. dirfd: where external data is, borrowed for the
 * call; -1: a model that has any is refused. */
int mlo_onnx_parse(const void *bytes, size_t n, int dirfd, struct mlo_onnx_model **ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
void mlo_onnx_close(struct mlo_onnx_model *m);
/* Nobody will look at this constant of the model again: its whole pages go back to the system. */
void mlo_onnx_forget(struct mlo_onnx_model *m, const struct mlo_array *a);
/* A TensorProto by itself, as conformance data holds inputs and outputs. *ret borrows from the bytes and from
 * `arena`. */
int mlo_onnx_read_tensor(const void *bytes, size_t n, struct mlo_arena *arena, struct mlo_array *ret,
                         struct mlo_err *err) MLO_MUST_CHECK;

/* A SequenceProto or OptionalProto of tensors: *ret_n arrays in `arena`. */
int mlo_onnx_read_tensors(const void *bytes, size_t n, enum mlo_value_kind kind, struct mlo_arena *arena,
                          struct mlo_array **ret, size_t *ret_n, struct mlo_err *err) MLO_MUST_CHECK;

/* A MapProto, or a SequenceProto of them: keys (int64 or strings) and as many values of one type. */
struct mlo_onnx_map {
    struct mlo_array keys, values;
};
int mlo_onnx_read_maps(const void *bytes, size_t n, enum mlo_value_kind kind, struct mlo_arena *arena,
                       struct mlo_onnx_map **ret, size_t *ret_n, struct mlo_err *err) MLO_MUST_CHECK;

/* An element type by its number in TensorProto.DataType; UNKNOWN: undefined or newer. */
enum mlo_dtype mlo_onnx_type_of(uint64_t id);
/* NULL when the node does not have it. */
const struct mlo_attr *mlo_node_attr(const struct mlo_node *n, const char *name);

#endif
