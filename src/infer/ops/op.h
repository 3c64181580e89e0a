/*
 * What an operator is made of, and what it may use. Each file op_*.c holds one family and a table of it; the
 * tables are listed in ops.c. To add an operator: a row, a run function, and a prepare function when
 * attributes or constant inputs are worth looking at once.
 */
#ifndef MLO_INFER_OP_H
#define MLO_INFER_OP_H

#include <mlopsctl/infer.h>

struct mlo_step;
struct mlo_frame;

/* One execution of a step. */
struct mlo_op_call {
    const struct mlo_node *node;
    const void *how;    /* of the operator's row */
    const void *state;  /* what prepare has made */
    const void *params; /* of a fused step: what the pass said */
    const struct mlo_value *const *in;
    size_t n_in;
    struct mlo_value *const *out; /* to be filled by mlo_out_*; NULL where nobody wants it */
    size_t n_out;
    struct mlo_session *session;
    const struct mlo_step *step;
    struct mlo_frame *frame; /* of the graph that the step is in; NULL: run with a layout */
    void *const *place;      /* of each output: where its data goes when its shape is the same; NULL */
    const void *sums;        /* of trees and linear models: the scores of each row, summed by a device in the
                              * type that the operator sums in; NULL */
};
/* A step while the plan is made. */
struct mlo_op_prepare {
    const struct mlo_node *node;
    const struct mlo_array *const *constant; /* of each input that is known already; NULL */
    size_t n_in;
    const void *params;       /* of a fused step: what the pass said */
    bool *packed;             /* of each input: to be set for a constant that runs will not look at */
    struct mlo_arena *memory; /* for packed weights: outlives the state; NULL: there is none */
};
struct mlo_op {
    const char *name;
    int since; /* first version of the operator set in which it means this */
    int (*run)(struct mlo_op_call *c, struct mlo_err *err);
    int (*prepare)(const struct mlo_op_prepare *p, void **ret_state, struct mlo_err *err); /* may be NULL */
    void (*release)(void *state);                                                          /* NULL: free */
    const void *how; /* what tells it from others with the same run function */
    bool varies;     /* not to be folded: random, or control flow */
    bool in_place;   /* element i of output 0 needs of an input of its type and shape element i alone */
    bool puts_off; /* looks at shapes when it is run, and at numbers only in what it gives to mlo_op_share */
};
struct mlo_op_family {
    const char *domain;
    const struct mlo_op *ops;
    size_t n;
};

/* ---- attributes ---- */

int64_t mlo_attr_int(const struct mlo_node *n, const char *name, int64_t usual);
float mlo_attr_float(const struct mlo_node *n, const char *name, float usual);
/* "" when it is not given: is it this word? */
bool mlo_attr_is(const struct mlo_node *n, const char *name, const char *word);
/* NULL and 0 when not given. */
const int64_t *mlo_attr_ints(const struct mlo_node *n, const char *name, size_t *ret_n);
const float *mlo_attr_floats(const struct mlo_node *n, const char *name, size_t *ret_n);
const struct mlo_slice *mlo_attr_texts(const struct mlo_node *n, const char *name, size_t *ret_n);

/* ---- inputs ---- */

/* NULL when it is not given (or is no array). */
const struct mlo_array *mlo_in(const struct mlo_op_call *c, size_t i);
/* Input i, which must be there: MLO_EINVALID. */
int mlo_in_array(const struct mlo_op_call *c, size_t i, const struct mlo_array **ret,
                 struct mlo_err *err) MLO_MUST_CHECK;
/* The same, and of this type. */
int mlo_in_typed(const struct mlo_op_call *c, size_t i, enum mlo_dtype t, const struct mlo_array **ret,
                 struct mlo_err *err) MLO_MUST_CHECK;
/* A small list of whole numbers (int64 or int32): axes, shapes, pads. *ret_n 0 when not given. */
#define MLO_SMALL_LIST 256
int mlo_in_ints(const struct mlo_op_call *c, size_t i, int64_t ret[MLO_SMALL_LIST], size_t *ret_n,
                struct mlo_err *err) MLO_MUST_CHECK;
/* One number of any numeric type. */
int mlo_in_double(const struct mlo_op_call *c, size_t i, double usual, double *ret,
                  struct mlo_err *err) MLO_MUST_CHECK;
/* "axis -1 of rank 3" -> 2; MLO_EINVALID outside. */
int mlo_axis(int64_t axis, unsigned rank, unsigned *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- outputs and memory ---- */

/* Makes output i an array of its own, not cleared; *ret_data NULL when nobody wants it. */
int mlo_out_new(struct mlo_op_call *c, size_t i, enum mlo_dtype t, const int64_t *dims, unsigned rank,
                struct mlo_array **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Output i shows the bytes of v (not copied) in this shape, which must have as many elements. */
int mlo_out_view(struct mlo_op_call *c, size_t i, const struct mlo_value *v, const int64_t *dims,
                 unsigned rank, struct mlo_err *err) MLO_MUST_CHECK;
/* Output i is v itself, whatever it is. */
void mlo_out_same(struct mlo_op_call *c, size_t i, const struct mlo_value *v);
/* Output i is a sequence of n empty values, to be filled. */
int mlo_out_sequence(struct mlo_op_call *c, size_t i, size_t n, struct mlo_value **ret_items,
                     struct mlo_err *err) MLO_MUST_CHECK;
/* An array in any value, as mlo_out_new. */
int mlo_value_new(struct mlo_session *s, struct mlo_value *v, enum mlo_dtype t, const int64_t *dims,
                  unsigned rank, struct mlo_err *err) MLO_MUST_CHECK;
/* Another reference to the same content. to was empty. */
void mlo_value_share(struct mlo_value *to, const struct mlo_value *from);
void mlo_value_drop(struct mlo_session *s, struct mlo_value *v);
/* Bytes for the time of the call, aligned to 64. */
int mlo_scratch(struct mlo_op_call *c, size_t n, size_t size, void **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Bytes of a string that live until the next run. */
int mlo_text_new(struct mlo_session *s, size_t n, char **ret, struct mlo_err *err) MLO_MUST_CHECK;

/* Bytes of an element; 0: packed ones. */
size_t mlo_element_size(enum mlo_dtype t);

/*
 * Work that can be split: fn(ctx, part, parts) for each part, beside each other when the session has threads
 * and `flops` operations are worth waking them; else once, for part 0 of 1. At most `most` parts; as many as
 * mlo_op_parts says.
 */
size_t mlo_op_parts(const struct mlo_op_call *c, uint64_t flops, size_t most);
void mlo_op_split(struct mlo_op_call *c, uint64_t flops, size_t most,
                  void (*fn)(void *ctx, size_t part, size_t parts), void *ctx);

/*
 * The same of an operator that puts_off: the work may be done later, with that of the steps behind, so that
 * threads are woken once for all of it. ctx, `size` bytes of it, is copied; what it points to has to be of
 * the plan, of values, or mlo_scratch. fn must not mind parts without anything to do. Arrays have their
 * shapes at once, but numbers only when fn runs, or after mlo_op_settle.
 */
#define MLO_SHARED_BYTES_MAX ((size_t)512)
struct mlo_share {
    void (*fn)(void *ctx, size_t part, size_t parts);
    uint64_t flops;
    size_t rows;    /* a part reads and writes those rows of all that mlo_part_begin gives it; 0: anything */
    bool reads_all; /* ... but it reads all rows */
};
void mlo_op_share(struct mlo_op_call *c, const struct mlo_share *w, void *ctx, size_t size);
/* As many parts as there can be. */
size_t mlo_op_threads(const struct mlo_op_call *c);
/* What was put off is done. */
void mlo_op_settle(struct mlo_op_call *c);
/* The first row of a part, or the end of the one before. No part has so few rows that products sum them in
 * another order, unless there are no more. */
#define MLO_PART_ROWS ((size_t)4)
static inline size_t mlo_part_begin(size_t rows, size_t part, size_t parts)
{
    size_t at = rows * part / parts / MLO_PART_ROWS * MLO_PART_ROWS;
    return part > 0 && rows - at < MLO_PART_ROWS ? rows : at;
}

/* ---- shapes ---- */

/* The common shape of two by the rules of NumPy: MLO_EINVALID when there is none. */
int mlo_broadcast_shape(const struct mlo_array *a, const struct mlo_array *b, int64_t ret[MLO_RANK_MAX],
                        unsigned *ret_rank, struct mlo_err *err) MLO_MUST_CHECK;
/* Elements to step in `a` for one step of each dimension of the common shape: 0 where it is repeated. */
void mlo_broadcast_strides(const struct mlo_array *a, unsigned rank, size_t ret[MLO_RANK_MAX]);
/*
 * Walks a shape row by row: fn gets the offsets of each operand at the row's start, `n` elements long in the
 * last dimension. strides[k][d]: of operand k.
 */
#define MLO_OPERANDS 4
struct mlo_walk {
    const int64_t *dims;
    unsigned rank;
    size_t n_operands;
    size_t strides[MLO_OPERANDS][MLO_RANK_MAX];
};
void mlo_walk_rows(const struct mlo_walk *w, void (*fn)(void *ctx, const size_t *at, size_t n), void *ctx);
/* Elements in front of an axis, and behind it: the dimensions multiplied. */
void mlo_around(const struct mlo_array *a, unsigned axis, size_t *ret_outer, size_t *ret_inner);
/* "MatMul: " and the types and shapes of the inputs, for messages: wraps err. */
int mlo_op_refuse(const struct mlo_op_call *c, struct mlo_err *err, const char *fmt, ...) MLO_PRINTF(3, 4);

/* ---- convert.c ---- */

/* As mlo_cast_numbers; floats of 8 and 4 bits become infinity or NaN instead of the largest number without
 * `saturate`.
 */
int mlo_cast_small(const struct mlo_array *from, struct mlo_array *to, bool saturate,
                   struct mlo_err *err) MLO_MUST_CHECK;

/* The array's numbers when it is of type t, else a copy of that type for the time of the call. */
int mlo_as_type(struct mlo_op_call *c, const struct mlo_array *a, enum mlo_dtype t, const void **ret,
                struct mlo_err *err) MLO_MUST_CHECK;
/* The same as doubles that may be written to: always a copy. */
int mlo_as_doubles(struct mlo_op_call *c, const struct mlo_array *a, double **ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* The same, repeated to the shape of `like`: MLO_EINVALID when it does not fit into it. */
int mlo_spread_doubles(struct mlo_op_call *c, const struct mlo_array *a, const struct mlo_array *like,
                       double **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* n doubles, not cleared. */
int mlo_scratch_doubles(struct mlo_op_call *c, size_t n, double **ret, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_from_doubles(double *values, struct mlo_array *out, struct mlo_err *err) MLO_MUST_CHECK;

/* float32, or a half that is computed as one. */
bool mlo_computed_as_float(enum mlo_dtype t);
/* Room for the floats of a result: the output's own, or (of halves) some for the time of the call, which
 * mlo_from_floats then rounds into it. */
int mlo_out_floats(struct mlo_op_call *c, const struct mlo_array *out, float **ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
int mlo_from_floats(float *values, struct mlo_array *out, struct mlo_err *err) MLO_MUST_CHECK;

/* The range of a type of whole numbers; false for others. */
bool mlo_whole_range(enum mlo_dtype t, double *ret_least, double *ret_most);

/* ---- move.c: parts along an axis, of types of whole bytes ---- */

/* n > 0 arrays one behind the other as output i. */
int mlo_out_joined(struct mlo_op_call *c, size_t i, const struct mlo_array *parts, size_t n, unsigned axis,
                   struct mlo_err *err) MLO_MUST_CHECK;
/* Fills part from position `at` of the axis on, as long as it is; it must fit. */
int mlo_take_part(const struct mlo_array *whole, unsigned axis, size_t at, struct mlo_array *part,
                  struct mlo_err *err) MLO_MUST_CHECK;
/* A dimension of 1 more or less; axis at most the rank, or of a dimension of 1. */
int mlo_axis_insert(struct mlo_array *a, unsigned axis, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_axis_remove(struct mlo_array *a, unsigned axis);

/* ---- linear.c ---- */

/* What a b is, as MatMul has it: its type, shape and number of elements; without data. */
int mlo_product_shape(const struct mlo_op_call *c, const struct mlo_array *a, const struct mlo_array *b,
                      struct mlo_array *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* Fills out, which has that shape. */
int mlo_product(struct mlo_op_call *c, const struct mlo_array *a, const struct mlo_array *b,
                struct mlo_array *out, struct mlo_err *err) MLO_MUST_CHECK;

/* Input i without its zero point, input zero_i, as doubles. rows: a list of zero points has one for each row
 * of a matrix, else one for each column. */
int mlo_in_centred(struct mlo_op_call *c, size_t i, size_t zero_i, bool rows, struct mlo_array *ret,
                   struct mlo_err *err) MLO_MUST_CHECK;

/* ---- subgraphs ---- */

/* Runs the subgraph that attribute `name` holds. out: as many as it has outputs, empty before, owned by the
 * caller (mlo_value_drop). */
size_t mlo_subgraph_outputs(const struct mlo_op_call *c, const char *name);
int mlo_subgraph_run(struct mlo_op_call *c, const char *name, const struct mlo_value *in, size_t n_in,
                     struct mlo_value *out, struct mlo_err *err) MLO_MUST_CHECK;

#endif
