/* How a plan's steps become those of a device's program (lower.c, lower_trees.c). */
#ifndef MLO_INFER_LOWER_H
#define MLO_INFER_LOWER_H

#include <mlopsctl/backend.h>

#include "infer/trees/forest.h"
#include "offload.h"

/* Weights of a plan while they are collected: on the device they are copies. */
struct mlo_weights {
    uint32_t floats; /* the type that products and tables are computed in */
    uint32_t bytes;  /* of dense layers where that is asked for; MLO_DEVICE_F32: in floats */
    struct mlo_device_weight *list;
    void **data; /* owned */
    size_t n, cap, data_cap;
    bool *narrow; /* owned: made by mlo_weight_floats */
    size_t narrow_cap;
};
/* n elements, zeros, for the caller to fill, as the next weight; ret: where a pointer to them goes. */
int mlo_weight_add(struct mlo_weights *w, uint32_t type, size_t n, void *ret,
                   struct mlo_err *err) MLO_MUST_CHECK;

/* n floats, which become the type of products before they go to the device. */
int mlo_weight_floats(struct mlo_weights *w, size_t n, float **ret, struct mlo_err *err) MLO_MUST_CHECK;

/* An array's floats; narrow: in the type of products. */
int mlo_weigh_array(const struct mlo_array *a, bool narrow, struct mlo_weights *w,
                    struct mlo_err *err) MLO_MUST_CHECK;

/* What a program for packed rows has room for: sequences behind those of a request are empty, rows behind its
 * rows are nobody's. */
struct mlo_packed_room {
    size_t rows, sequences; /* 0: it is not for packed rows */
    size_t longest;         /* rows of a sequence */
    enum mlo_pooling pooling;
    bool normalize;
};

/* A program while it is made, for one shape of the inputs. */
struct mlo_lower {
    const struct mlo_offload *o;
    const struct mlo_array *shape; /* of each value of the graph, with as many rows as the program has */
    const struct mlo_packed_room *packed; /* NULL: an ordinary program */
    uint32_t first;                       /* where its sequences begin; MLO_DEVICE_NO_BUFFER: nobody asked */
    struct mlo_device_buffer *buffers;
    struct mlo_device_step *steps;
    size_t *steps_of; /* of each step there: the plan's that it is part of */
    size_t n_buffers, n_steps, buffers_cap, steps_cap, steps_of_cap;
    uint32_t *buffer_of; /* of each value; MLO_DEVICE_NO_BUFFER: none yet */
    uint32_t *sums_of;   /* of each step that ends on the CPU: its sums */
    size_t at;           /* step */
    uint32_t weight;     /* its first */
    struct mlo_err *err; /* memory that is missing */
    const char *why;     /* what does not fit */
    struct {             /* the mask of keys that was made last; value MLO_NO_VALUE: none yet */
        size_t value;
        uint32_t buffer, times;
        float hidden;
    } mask;
    struct { /* what was made bytes last; bytes 0: nothing yet */
        uint32_t from, how, bytes;
    } quantized;
};
/* MLO_DEVICE_NO_BUFFER: of a type that the device does not have, or no memory. Floats, not doubles, are
 * converted to `floats` where they are of another type. */
uint32_t mlo_lower_input(struct mlo_lower *l, const struct mlo_step *s, size_t i, uint32_t floats);
/* The buffer's floats as this type: itself, or another that is converted here. */
uint32_t mlo_lower_convert(struct mlo_lower *l, uint32_t buffer, uint32_t floats);
/* The same as `floats`, whatever numbers they are. */
uint32_t mlo_lower_floats(struct mlo_lower *l, const struct mlo_step *s, size_t i, uint32_t floats);
uint32_t mlo_lower_weight(struct mlo_lower *l, size_t i); /* number i of the step */
uint32_t mlo_lower_buffer(struct mlo_lower *l, struct mlo_device_buffer b);
uint32_t mlo_lower_first(struct mlo_lower *l); /* of packed rows */
uint32_t mlo_lower_temporary(struct mlo_lower *l, uint32_t floats, size_t n);
/* buffer[2] = buffer[0], of n numbers, + buffer[1], of `each`, again and again. */
bool mlo_lower_add(struct mlo_lower *l, const uint32_t buffer[3], size_t n, size_t each);
/* b, again and again, makes the shape of a. */
bool mlo_lower_repeats(const struct mlo_array *a, const struct mlo_array *b);
/* Has a mask one number for each key: [batch][1][1][keys]? */
bool mlo_lower_is_of_keys(const struct mlo_array *mask, int64_t batch, int64_t keys);
/* NULL: not given. */
const struct mlo_array *mlo_lower_shape(const struct mlo_lower *l, const struct mlo_step *s, size_t i);
bool mlo_lower_step(struct mlo_lower *l, const struct mlo_device_step *s);
/* The constant array that a value is, with its data, or NULL. */
const struct mlo_array *mlo_lower_constant(const struct mlo_plan_graph *g, size_t value);
/* MLO_DEVICE_ACTIVATIONS: the device has none such. */
uint32_t mlo_lower_activation(enum mlo_activation_kind kind);
/* Output i of the step, in memory of its own. */
uint32_t mlo_lower_output(struct mlo_lower *l, const struct mlo_step *s, size_t i, uint32_t floats);
/* Returns false: l->why. */
bool mlo_lower_fail(struct mlo_lower *l, const char *why);
/* Input i is there, of float32, and not empty; else false: l->why. */
bool mlo_lower_is_floats(struct mlo_lower *l, const struct mlo_step *s, size_t i);

struct mlo_lowering {
    const struct mlo_op *own; /* a fused operator; NULL: by domain and name */
    const char *domain, *op;
    bool begins; /* worth being the first step on the device */
    bool eager;  /* may be the first where one that is worth it follows */
    bool ends;   /* makes sums, of which the CPU makes the outputs */
    /* False: *ret_why. NULL: always. */
    bool (*fits)(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why);
    int (*weights)(const struct mlo_plan_graph *g, const struct mlo_step *s, struct mlo_weights *w,
                   struct mlo_err *err); /* NULL: none */
    /* False: l->why says what does not fit this shape, or l->err that memory is missing. */
    bool (*emit)(struct mlo_lower *l, const struct mlo_step *s);
};
/* What a step sums: the votes of a forest's leaves. */
struct mlo_lower_votes {
    const struct mlo_forest *forest;
    const double *base; /* NULL: zeros */
    size_t n_targets;
    bool wide; /* rows, votes and sums are doubles */
};
/* Its tables for trees on ranks (lower_ranked.c). *ret_done false: it is too large for them. */
int mlo_lower_weigh_ranked(const struct mlo_lower_votes *v, struct mlo_weights *w, bool *ret_done,
                           struct mlo_err *err) MLO_MUST_CHECK;
/* The step's weights are such tables; x: its input, of the type of the votes. */
bool mlo_lower_emit_ranked(struct mlo_lower *l, const struct mlo_lower_votes *v, const struct mlo_array *x,
                           uint32_t x_buffer, uint32_t sums);
/* Of trees (lower_trees.c), of what is done to columns before and linear models (lower_table.c), and of
 * encoders (lower_encoder.c). */
#define MLO_LOWER_TREES    4
#define MLO_LOWER_TABLES   8
#define MLO_LOWER_ENCODERS 9
extern const struct mlo_lowering mlo_lower_trees[MLO_LOWER_TREES], mlo_lower_tables[MLO_LOWER_TABLES],
    mlo_lower_encoders[MLO_LOWER_ENCODERS];

/* ---- bytes: lower_bytes.c ---- */

extern const struct mlo_lowering mlo_lower_quantize, mlo_lower_dequantize, mlo_lower_dynamic_quantize,
    mlo_lower_int8_dense;
/* One constant scale, and a zero point of bytes; zero NULL: 0 of unsigned bytes. */
bool mlo_lower_is_plain(const struct mlo_array *scale, const struct mlo_array *zero);
/* As the device's bytes have it. */
float mlo_lower_zero(const struct mlo_array *zero);
int mlo_weigh_how(float scale, float zero, struct mlo_weights *w, struct mlo_err *err) MLO_MUST_CHECK;
/* Three weights, or four where there are zero points: bytes, a scale for each column, for the caller to fill,
 * their sums, zero points. */
struct mlo_int8_weights;
int mlo_weigh_bytes(const struct mlo_int8_weights *from, struct mlo_weights *w, float **ret_scales,
                    int32_t **ret_sums, struct mlo_err *err) MLO_MUST_CHECK;
/* The device's bytes of a value; MLO_DEVICE_NO_BUFFER: it is not there, or l->why. */
uint32_t mlo_lower_bytes_of(struct mlo_lower *l, size_t value);
/* Room for the sums of m x n numbers, where there are rows enough for a library. */
uint32_t mlo_lower_room(struct mlo_lower *l, size_t m, size_t n);
/* Operators of bytes (lower_qlinear.c). */
#define MLO_LOWER_QLINEAR 3
extern const struct mlo_lowering mlo_lower_qlinear[MLO_LOWER_QLINEAR];
/* Is a dense layer of these weights computed in bytes? */
bool mlo_dense_of_bytes(uint32_t bytes, size_t k, size_t n);
int mlo_weigh_dense_bytes(const struct mlo_dense *d, struct mlo_weights *w,
                          struct mlo_err *err) MLO_MUST_CHECK;
/* Of the floats in buffer x, to y. */
bool mlo_lower_dense_bytes(struct mlo_lower *l, uint32_t x, size_t m, size_t n, size_t k, uint32_t activation,
                           uint32_t y);

/* NULL: *ret_why. */
const struct mlo_lowering *mlo_lowering_find(const struct mlo_plan_graph *g, const struct mlo_step *s,
                                             const char **ret_why);
/* The CPU may do it beside the device: it costs little. */
bool mlo_is_light(const struct mlo_step *s);
/* It looks at shapes, not at values. */
bool mlo_is_of_shape(const struct mlo_step *s);

#endif
