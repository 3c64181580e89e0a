/*
 * A plan on a device. Each step is put into one of four places (offload.c): on the CPU before the device, on
 * the device, on the CPU after it, or nowhere, because what it makes depends on shapes alone. lower.c says
 * which operators the device has and how they look there; offload_run.c makes a program for each shape that
 * a session meets, checks its first answers against the CPU's and runs it.
 */
#ifndef MLO_INFER_OFFLOAD_H
#define MLO_INFER_OFFLOAD_H

#include <pthread.h>

#include "internal.h"

#define MLO_WHY 512 /* bytes of a reason */

enum mlo_place {
    MLO_PLACE_BEFORE,
    MLO_PLACE_DEVICE,
    MLO_PLACE_AFTER,
    MLO_PLACE_SHAPE, /* its outputs depend on shapes alone */
};

struct mlo_lowering;
struct mlo_offload_step {
    enum mlo_place place;
    const struct mlo_lowering *how; /* DEVICE */
    uint32_t weights;               /* DEVICE: the first of its weights */
};
struct mlo_offload { /* of a plan; shared by its sessions */
    struct mlo_offload_opts opts;
    const struct mlo_plan_graph *graph;
    struct mlo_offload_step *steps;
    size_t n_on_device;
    struct mlo_device_weights *weights;
    struct mlo_device_weight *facts; /* of each weight, without data */
    uint32_t n_weights;
    pthread_mutex_t lock; /* of what follows */
    uint64_t runs, cpu_runs;
    bool broken; /* nothing runs there any more */
    char why[MLO_WHY];
};

/* ---- lower.c: operators on a device ---- */

/* Weights of a plan while they are collected; owned, and freed when they are on the device. */
struct mlo_weights {
    struct mlo_device_weight *list;
    void **data;
    size_t n, cap, data_cap;
};
/* n elements for the caller to fill, as the next weight. */
int mlo_weight_add(struct mlo_weights *w, uint32_t type, size_t n, void *ret, struct mlo_err *err) MLO_MUST_CHECK;

/* A program while it is made, for one shape of the inputs. */
struct mlo_lower {
    const struct mlo_offload *o;
    const struct mlo_array *shape; /* of each value of the graph, with as many rows as the program has */
    struct mlo_device_buffer *buffers;
    struct mlo_device_step *steps;
    size_t n_buffers, n_steps, buffers_cap, steps_cap;
    uint32_t *buffer_of; /* of each value: its buffer; MLO_DEVICE_NO_BUFFER: none yet */
    uint32_t *sums_of;   /* of each step that ends on the CPU: the buffer of its sums */
    size_t at;           /* step */
    uint32_t weight;     /* its first */
    struct mlo_err *err;
    const char *why; /* what does not fit */
};
uint32_t mlo_lower_input(struct mlo_lower *l, size_t i);  /* the buffer of input i of the step */
uint32_t mlo_lower_weight(struct mlo_lower *l, size_t i); /* of its weight number i */
uint32_t mlo_lower_buffer(struct mlo_lower *l, uint32_t type, uint64_t n);

struct mlo_lowering {
    const struct mlo_op *own; /* a fused operator; NULL: of ONNX, by domain and name */
    const char *domain, *op;
    bool begins; /* worth being the first step on the device */
    bool ends;   /* makes sums, out of which the CPU makes the outputs */
    /* Is this step one that the device can do? false: *ret_why. NULL: it is. */
    bool (*fits)(const struct mlo_plan_graph *g, const struct mlo_step *s, const char **ret_why);
    int (*weights)(const struct mlo_plan_graph *g, const struct mlo_step *s, struct mlo_weights *w,
                   struct mlo_err *err); /* NULL: none */
    /* False: l->why, or l->err is set. */
    bool (*emit)(struct mlo_lower *l, const struct mlo_step *s);
};
/* NULL: *ret_why. */
const struct mlo_lowering *mlo_lowering_find(const struct mlo_plan_graph *g, const struct mlo_step *s,
                                             const char **ret_why);
/* A step that the CPU may do beside the device: it costs little. */
bool mlo_is_light(const struct mlo_step *s);
/* Its outputs need the shapes of its inputs, not their values. */
bool mlo_is_of_shape(const struct mlo_step *s);

/* ---- lower_trees.c ---- */

/* The forest that a step of trees votes with, when a device can sum its votes; base: what sums begin with,
 * n_base of them. NULL: *ret_why. */
struct mlo_forest;
extern const struct mlo_lowering mlo_lower_regressor, mlo_lower_classifier, mlo_lower_ensemble,
    mlo_lower_booster;

/* ---- offload.c ---- */

void mlo_offload_free(struct mlo_offload *o);
/* From now on the CPU does everything; the first reason stays. */
void mlo_offload_break(struct mlo_offload *o, const char *why);

/* ---- offload_run.c ---- */

struct mlo_offload_programs; /* of a session */
/* *ret_done false: it is the CPU's. */
int mlo_offload_run(struct mlo_session *s, const struct mlo_value *in, const struct mlo_value **ret_out,
                    bool *ret_done, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_offload_programs_free(struct mlo_session *s);

#endif
