/*
 * Kernels: numbers in, numbers out, on arrays that the caller owns. They know nothing of models. Strides are
 * in elements. The CPU's are always there; which instructions they use is found out once.
 */
#ifndef MLOPSCTL_BACKEND_H
#define MLOPSCTL_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mlopsctl/base/mem.h>

/* c[m][n] = a[m][k] b[k][n]; c is dense in its rows. Nothing may overlap. */
struct mlo_matmul {
    size_t m, n, k;
    const void *a, *b;
    void *c;
    size_t a_row, a_col, b_row, b_col, c_row;
};
void mlo_matmul_f32(const struct mlo_matmul *p);
void mlo_matmul_f64(const struct mlo_matmul *p);
void mlo_matmul_i64(const struct mlo_matmul *p); /* wraps around */

/*
 * Functions of n floats; y may be x. The greatest errors in units of the last place, over all floats and on
 * every machine: exp 1.0, erf 1.2, tanh 1.4, sigmoid 2.9. NaN stays NaN, infinities go to their limits, -0
 * keeps its sign. GELU, x/2 (1 + erf(x / sqrt 2)), and its form with tanh err by at most 1.3e-7 |x|.
 */
void mlo_exp_f32(const float *x, float *y, size_t n);
void mlo_erf_f32(const float *x, float *y, size_t n);
void mlo_tanh_f32(const float *x, float *y, size_t n);
void mlo_sigmoid_f32(const float *x, float *y, size_t n);
void mlo_gelu_f32(const float *x, float *y, size_t n);
void mlo_gelu_tanh_f32(const float *x, float *y, size_t n);
/* The least and the greatest of 0 and n floats; NaN does not count. */
void mlo_extremes_f32(const float *x, size_t n, float *ret_least, float *ret_greatest);
/* y = x / scale, rounded to even, plus zero, from low to high; NaN becomes 0. A byte each; below 0 in twos
 * complement. */
struct mlo_quantize {
    const float *x;
    uint8_t *y;
    size_t n;
    const float *scales, *zeros; /* one for all, or one for each; zeros are whole */
    bool each;
    float low, high; /* whole, from -128 to 255 */
};
void mlo_quantize_f32(const struct mlo_quantize *p);
/* Each row of n: e^x over the sum of them. A row with NaN, with infinity, or of -infinity alone becomes NaN.
 */
void mlo_softmax_f32(const float *x, float *y, size_t rows, size_t n);

/* y = (x + plus - mean) / sqrt(variance + epsilon) * scale + bias, for each row of n. */
struct mlo_normalize {
    size_t rows, n;
    const float *x, *plus;     /* plus NULL: none */
    const float *scale, *bias; /* n each; NULL: 1 and 0 */
    float epsilon;
    bool centred;          /* else the mean counts as 0 */
    float *y, *sum;        /* y may be x or plus; sum: x + plus, NULL: not wanted */
    float *mean, *inverse; /* of each row; NULL: not wanted */
};
void mlo_normalize_f32(const struct mlo_normalize *p);

/*
 * Attention: y = softmax(scale q k' + mask) v for each head of each batch. Steps are in floats and may be 0
 * (the same again); the numbers of a row lie side by side. Keys at the end that the mask of all queries and
 * heads takes away with MLO_ATTENTION_NEVER or less are not looked at.
 */
#define MLO_ATTENTION_NEVER -1e30F
struct mlo_attention_step {
    size_t batch, head, row;
};
struct mlo_attention {
    size_t batch, heads, rows, keys, size, v_size; /* size of a query and a key; of a value */
    const float *q, *k, *v, *mask;                 /* mask NULL: none */
    struct mlo_attention_step q_step, k_step, v_step, mask_step, y_step;
    size_t mask_key; /* from the mask of a key to that of the next */
    float scale;
    float *y, *scratch; /* scratch: as many as mlo_attention_scratch says */
};
/* False: more than there can be. */
bool mlo_attention_scratch(const struct mlo_attention *p, size_t *ret_floats);
void mlo_attention_f32(const struct mlo_attention *p);

/*
 * Dense layers: y = activation(alpha x w + beta bias), with weights that are packed once.
 */
enum mlo_activation_kind {
    MLO_ACTIVATION_NONE,
    MLO_ACTIVATION_RELU,
    MLO_ACTIVATION_LEAKY_RELU, /* a: slope below 0 */
    MLO_ACTIVATION_CLIP,       /* a, b: least and most */
    MLO_ACTIVATION_SIGMOID,
    MLO_ACTIVATION_TANH,
    MLO_ACTIVATION_GELU,
    MLO_ACTIVATION_GELU_TANH,
};
struct mlo_activation {
    enum mlo_activation_kind kind;
    float a, b;
};
void mlo_activate_f32(const struct mlo_activation *a, float *y, size_t n);
struct mlo_dense_weights { /* k rows and n columns, neither 0 */
    size_t k, n;
    const float *w;
    size_t w_row, w_col;
    float alpha;
    const float *bias; /* of each column; NULL */
    size_t bias_step;  /* 1; 0: one number for all columns */
    float beta;
    struct mlo_activation activation;
    struct mlo_arena *memory; /* where packed weights go, beside those that run before; NULL: their own */
};
struct mlo_dense;
/* Borrows the weights for the call. Owner of *ret: the caller; `memory` has to outlive it. */
int mlo_dense_new(const struct mlo_dense_weights *from, struct mlo_dense **ret,
                  struct mlo_err *err) MLO_MUST_CHECK;
void mlo_dense_free(struct mlo_dense *d);
void mlo_dense_shape(const struct mlo_dense *d, size_t *ret_k, size_t *ret_n);
/* What the layer multiplies with and adds, as it is computed: w[n][k], alpha times the weights, and bias[n],
 * beta times the bias. */
void mlo_dense_unpack(const struct mlo_dense *d, float *ret_w, float *ret_bias);
/* x: m dense rows of k; y: m dense rows of n. */
void mlo_dense_run(const struct mlo_dense *d, const float *x, size_t m, float *y);
/* A part of that, for a thread: of so many groups of columns those from `from` to before `to`. The numbers
 * are the same, and each weight is read by one thread. */
size_t mlo_dense_columns(const struct mlo_dense *d);
void mlo_dense_run_columns(const struct mlo_dense *d, const float *x, size_t m, float *y, size_t from,
                           size_t to);

/*
 * Products of bytes, (a - zero of its row) times (b - zero of its column), summed in 32 bits, which wrap
 * around; as they are, or as floats: times the scales of row and column, plus the bias of the column.
 * a: unsigned bytes. Signed ones are the same with 128 added to them and to their zeros.
 */
struct mlo_int8_product {
    size_t m, n, k;
    const uint8_t *a;
    size_t a_row;
    const int32_t *a_zeros; /* of each row */
    const float *a_scales;  /* of each row; NULL: 1 */
    size_t a_step;          /* 1, or 0: one zero and one scale for all rows */
    const void *packed;     /* b[k][n], by mlo_int8_pack */
    const int32_t *sums;    /* of each column of b, by mlo_int8_pack */
    const int32_t *zeros;   /* of each column; NULL: 0 */
    const float *scales;    /* of each column, for y */
    const float *bias;      /* of each column, for y; NULL: none */
    int32_t *c;             /* [m][n]; NULL: y instead */
    float *y;
};
size_t mlo_int8_packed_bytes(size_t k, size_t n); /* 0: more than there can be */
/* Unsigned b: 128 less, and so must be its zeros. packed: aligned to 64; sums[n]. */
void mlo_int8_pack(const void *b, bool is_signed, size_t k, size_t n, void *packed, int32_t *sums);
/* b again, turned: to[n][k]; what was unsigned stays 128 less. */
void mlo_int8_unpack(const void *packed, size_t k, size_t n, int8_t *to);
void mlo_int8_multiply(const struct mlo_int8_product *p);

/*
 * Trees, to be walked. A node sends a row to `child` when x[column] <= at_most, else (NaN, too) to child + 1;
 * a leaf has the limit NaN and child + 1 is itself, so that walking on stays there. Columns from n_features
 * on are the features negated. Whoever builds the forest has checked it: columns and children exist, every
 * walk ends.
 */
struct mlo_tree_node_f32 {
    float at_most;
    uint32_t column, child;
};
struct mlo_tree_node_f64 {
    double at_most;
    uint32_t column, child;
};

/*
 * The same trees in ranks: in place of a number stands how many of the limits of its column are less than it
 * (NaN: all of them). x <= limits[i] then is rank <= i, exactly, in a byte. Trees stand in groups, in their
 * order, so that a column has no more limits than that in any group.
 */
#define MLO_RANK_LIMITS ((size_t)255) /* most of a column */
#define MLO_RANK_STEP   ((size_t)16)  /* limits looked at together */
#define MLO_RANK_LEAVES ((size_t)256) /* most of a tree */
#define MLO_RANK_DEPTH  6             /* most of trees that are filled up with questions to one depth */
#define MLO_RANK_ROWS   ((size_t)64)  /* ranked together */
struct mlo_tree_column {
    uint32_t feature, n_limits;
    bool negated; /* -x is ranked */
    /* Ascending, then +Inf up to the next multiple of MLO_RANK_STEP, at least one; in front of the floats
     * stand MLO_RANK_STEP pivots: the last of each so many, and +Inf. */
    const float *f32;
    const double *f64;
};
struct mlo_tree_question {
    uint32_t below;  /* yes: the rank is less than this; the byte four times */
    uint32_t column; /* of the group, times MLO_RANK_ROWS: where its ranks are */
};
/* A question of a tree of any shape, after those that it leads to: slots hold leaves, one byte a row. Slot i
 * is leaf i of the tree; what questions have found is above. */
struct mlo_tree_step {
    struct mlo_tree_question question;
    uint16_t yes, no, out; /* slots */
};
struct mlo_tree_group {
    size_t first, n; /* trees */
    const struct mlo_tree_column *columns;
    size_t n_columns;
    unsigned depth;                            /* of filled trees; 0: steps */
    const struct mlo_tree_question *questions; /* 2^depth - 1 a tree, each before those on its `yes`, then on
                                                  its `no` */
    /* NULL, or for one row: 64 bytes for each tree, and more trees of zeros up to a multiple of 8. Those of a
     * question are counted from the end, the root the second: questions 2 i and 2 i + 1 follow question i. */
    const uint8_t *row_columns, *row_below;
    const struct mlo_tree_step *steps;
    const size_t *first_step; /* of each tree, and one more */
    size_t n_slots, n_constant;
    const size_t *first_leaf; /* of each tree, and one more */
    const float *values;      /* of each tree for each vote those of its leaves; NULL as in the forest */
    const uint32_t *numbers;  /* of leaves, in the forest */
};
#define MLO_RANK_ROW_COLUMNS ((size_t)128) /* most of a group for one row */
struct mlo_trees {
    const struct mlo_tree_node_f32 *nodes_f32; /* the same forest for rows of either type */
    const struct mlo_tree_node_f64 *nodes_f64;
    const uint32_t *roots, *depths; /* of each tree; a depth is at least the longest walk */
    const uint32_t *leaf;           /* of each node that is one: its number */
    size_t n, n_features;
    bool negated; /* some column is */
    const struct mlo_tree_group *groups;
    size_t n_groups; /* 0: the trees are too large */
    /* NULL unless all leaves of a tree vote for the same n_votes targets in the same order. */
    const float *values;     /* of leaf number i from i n_votes on */
    const uint32_t *targets; /* of tree k from k n_votes on */
    size_t n_votes, n_targets;
};
/* Bytes of memory that the others need, aligned to 64, for up to n rows at a time. */
size_t mlo_trees_room(const struct mlo_trees *t, size_t n);
/* The number of the leaf of each tree for n rows that are `stride` apart: ret_leaves[n][t->n]. */
void mlo_trees_find_f32(const struct mlo_trees *t, const float *x, size_t n, size_t stride, void *room,
                        uint32_t *ret_leaves);
void mlo_trees_find_f64(const struct mlo_trees *t, const double *x, size_t n, size_t stride, void *room,
                        uint32_t *ret_leaves);
/* scores[n][n_targets] += votes, tree by tree. The forest has values. */
void mlo_trees_sum_f32(const struct mlo_trees *t, const float *x, size_t n, size_t stride, void *room,
                       float *scores);

#endif
