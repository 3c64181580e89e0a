/*
 * Types and shapes of a model's values, derived when it is opened: by rules, one for each operator
 * (shape_*.c), node by node. Whole numbers that shapes are computed with (Shape, Gather, Concat, ...) are
 * followed as extents, too, so that what exporters write in front of Reshape and Expand is known.
 *
 * A rule says what it knows and leaves the rest open; it fails only where no input of the declared shape
 * could be run. To add one: a function and a row in the table of its file.
 */
#ifndef MLO_INFER_SHAPES_H
#define MLO_INFER_SHAPES_H

#include "extent.h"
#include "infer/ops/op.h"

#define MLO_NUMBERS_MAX 64 /* of a list that is followed */

struct mlo_shape {            /* what is known of a value */
    enum mlo_value_kind kind; /* UNKNOWN: nothing */
    enum mlo_dtype dtype;     /* of an array; UNKNOWN */
    bool ranked;
    unsigned rank;
    const struct mlo_extent *dims;
    const struct mlo_extent *numbers; /* of an array of whole numbers of rank 0 or 1; NULL */
    size_t n_numbers;
    const struct mlo_array *constant; /* NULL */
};

struct mlo_shapes {
    const struct mlo_graph *graph;
    struct mlo_shape *values; /* of the graph */
    struct mlo_extents extents;
    struct mlo_arena memory;
    const struct mlo_dim_value *dims; /* sizes that are given by name */
    size_t n_dims;
    int64_t learnt[MLO_SYMBOLS_MAX + 1]; /* of each symbol: the one number with which the model runs; 0 */
    bool learnt_more;
    unsigned depth; /* graphs in graphs */
};

struct mlo_rule_call {
    struct mlo_shapes *s;
    const struct mlo_graph *graph; /* that the node is in */
    struct mlo_shape *values;      /* of that graph */
    const struct mlo_node *node;
    const void *how;         /* of the rule's row */
    struct mlo_shape nobody; /* output that nobody wants */
};
struct mlo_rule_how {     /* what tells many rules apart */
    enum mlo_dtype dtype; /* of the result; UNKNOWN: that of an input */
    size_t from;          /* that input */
    size_t a, b;          /* the operands, the first and the last of a join; b 0: all */
};
struct mlo_rule {
    const char *op;
    int (*run)(struct mlo_rule_call *c, struct mlo_err *err);
    const void *how;
};
struct mlo_rule_family {
    const char *domain;
    const struct mlo_rule *rules;
    size_t n;
};

/* All nodes of a graph; values: of its inputs and captures they are there. */
int mlo_shapes_walk(struct mlo_shapes *s, const struct mlo_graph *g, struct mlo_shape *values,
                    struct mlo_err *err) MLO_MUST_CHECK;

/* ---- for rules: what is known ---- */

/* Never NULL; nothing is known of an input that is not given. */
const struct mlo_shape *mlo_rule_in(const struct mlo_rule_call *c, size_t i);
bool mlo_rule_given(const struct mlo_rule_call *c, size_t i);
/* Open when the rank is not known, or it has no such dimension. */
struct mlo_extent mlo_shape_dim(const struct mlo_shape *v, unsigned i);
/* Elements of it. */
struct mlo_extent mlo_shape_count(struct mlo_shapes *s, const struct mlo_shape *v);
/* The numbers of input i, all of them known; false. */
bool mlo_rule_list(const struct mlo_rule_call *c, size_t i, int64_t ret[MLO_NUMBERS_MAX], size_t *ret_n);
/* A list that stands in an attribute in older versions, in input i in newer ones; false: not known. *ret_n 0
 * when neither is given. */
bool mlo_rule_said(const struct mlo_rule_call *c, const char *attr, size_t i, int64_t ret[MLO_NUMBERS_MAX],
                   size_t *ret_n);
/* As mlo_axis; rank has to be known. */
int mlo_rule_axis(int64_t axis, unsigned rank, unsigned *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Both have to be the same: MLO_EINVALID when they cannot be, and `what` says of what. A symbol beside a
 * number is learnt. */
int mlo_rule_unify(struct mlo_rule_call *c, struct mlo_extent a, struct mlo_extent b, const char *what,
                   struct mlo_extent *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Common dimensions of two by the rules of NumPy. ret: of MLO_RANK_MAX. */
int mlo_rule_broadcast(struct mlo_rule_call *c, const struct mlo_extent *a, unsigned a_rank,
                       const struct mlo_extent *b, unsigned b_rank, struct mlo_extent *ret,
                       unsigned *ret_rank, struct mlo_err *err) MLO_MUST_CHECK;

enum mlo_dtype mlo_rule_type_of(const struct mlo_rule_call *c, const struct mlo_rule_how *how);

/* ---- for rules: saying it ---- */

struct mlo_shape *mlo_rule_out(struct mlo_rule_call *c, size_t i); /* never NULL */
/* An array of that type, more is not known. */
void mlo_rule_type(struct mlo_rule_call *c, size_t i, enum mlo_dtype t);
/* dims are copied. */
int mlo_rule_array(struct mlo_rule_call *c, size_t i, enum mlo_dtype t, const struct mlo_extent *dims,
                   unsigned rank, struct mlo_err *err) MLO_MUST_CHECK;
/* An array whose rank alone is known. */
int mlo_rule_open(struct mlo_rule_call *c, size_t i, enum mlo_dtype t, unsigned rank,
                  struct mlo_err *err) MLO_MUST_CHECK;
/* Of the shape of v. */
void mlo_rule_like(struct mlo_rule_call *c, size_t i, enum mlo_dtype t, const struct mlo_shape *v);
/* What output i holds; n beyond MLO_NUMBERS_MAX is not kept. Copied. */
int mlo_rule_numbers(struct mlo_rule_call *c, size_t i, const struct mlo_extent *numbers, size_t n,
                     struct mlo_err *err) MLO_MUST_CHECK;
/* Output i is this constant. */
int mlo_rule_constant(struct mlo_rule_call *c, size_t i, const struct mlo_array *a,
                      struct mlo_err *err) MLO_MUST_CHECK;
int mlo_shape_constant(struct mlo_shapes *s, const struct mlo_array *a, struct mlo_shape *ret,
                       struct mlo_err *err) MLO_MUST_CHECK;

/* ---- cost.c: values of the node's graph ---- */

/* What the kernels take for one element, roughly. */
#define MLO_COST_EXP        20
#define MLO_COST_SIGMOID    24
#define MLO_COST_ERF        45
#define MLO_COST_TANH       40
#define MLO_COST_GELU       48
#define MLO_COST_SOFTMAX    24
#define MLO_COST_NORMALIZED 8

enum mlo_moved {                   /* bytes that a step touches */
                 MLO_MOVED_ALL,    /* its inputs and outputs */
                 MLO_MOVED_TAKEN,  /* what comes out, read and written; of the first input no more */
                 MLO_MOVED_NOTHING /* only shapes and views */
};
struct mlo_operands;
struct mlo_cost_rule {
    const char *op;
    struct mlo_extent (*products)(const struct mlo_operands *o);
    uint8_t each; /* operations for an element that comes out */
    enum mlo_moved moved;
    bool bytes; /* products are of bytes */
};
const struct mlo_cost_rule *mlo_cost_rule_of(const struct mlo_node *n);
struct mlo_extent mlo_cost_products(struct mlo_extents *t, const struct mlo_cost_rule *rule,
                                    const struct mlo_node *n, const struct mlo_shape *values);
struct mlo_extent mlo_cost_bytes(struct mlo_extents *t, const struct mlo_node *n,
                                 const struct mlo_shape *values);

/* ---- families ---- */

/* clang-format off: one family a line */
#define MLO_RULE_FAMILIES(X)                                                                                 \
    X(element)                                                                                               \
    X(move)                                                                                                  \
    X(select)                                                                                                \
    X(product)                                                                                               \
    X(preview)                                                                                               \
    X(window)                                                                                                \
    X(flow)                                                                                                  \
    X(contrib)                                                                                               \
    X(ml)
/* clang-format on */

#define MLO_RULE_DECLARE(name) extern const struct mlo_rule_family mlo_rules_##name;
MLO_RULE_FAMILIES(MLO_RULE_DECLARE)

/* What rules of several families use. */
int mlo_rule_same(struct mlo_rule_call *c, struct mlo_err *err);   /* output 0 as input 0; how: a type */
int mlo_rule_join(struct mlo_rule_call *c, struct mlo_err *err);   /* broadcast; how: struct mlo_rule_how */
int mlo_rule_matmul(struct mlo_rule_call *c, struct mlo_err *err); /* how: struct mlo_rule_how */

#endif
