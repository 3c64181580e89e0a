/*
 * A plan on a device. Each step is put into one of four places (offload.c): on the CPU before the device, on
 * the device, on the CPU after it, or nowhere, because what it makes depends on shapes alone. lower.c says
 * which operators the device has and how they look there; offload_run.c makes a program for each shape that
 * a session meets, compares its first answers with the CPU's, and runs it.
 */
#ifndef MLO_INFER_OFFLOAD_H
#define MLO_INFER_OFFLOAD_H

#include <pthread.h>

#include "infer/internal.h"
#include "infer/packed.h"

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
    uint32_t weight;                /* DEVICE: the first of its weights */
};
struct mlo_offload { /* of a plan; shared by its sessions */
    struct mlo_offload_opts opts;
    const struct mlo_plan_graph *graph;
    const struct mlo_packing *packing; /* of the plan; NULL: the device takes no packed rows */
    uint32_t floats;                   /* the type of products and of what is between them */
    uint32_t bytes; /* of dense layers: MLO_DEVICE_I8, E4M3; F32: in floats, where the model is */
    struct mlo_offload_step *steps;
    enum mlo_place *places; /* of each value: of the step that makes it; inputs and constants: BEFORE */
    struct mlo_device_weights *weights;
    struct mlo_device_weight *facts; /* of each weight, without data */
    uint32_t n_weights;
    pthread_mutex_t lock; /* of what follows */
    bool quantized;       /* some step there makes bytes, as the model says */
    struct mlo_offload_state state;
    bool broken;                    /* nothing runs there any more */
    bool measured, measured_packed; /* the crossover, or that there is none */
};

void mlo_offload_free(struct mlo_offload *o);
/* The first reason stays. all: from now on the CPU does everything. */
void mlo_offload_blame(struct mlo_offload *o, bool all, const char *why);
bool mlo_offload_broken(struct mlo_offload *o);
/* Will it take packed rows, as far as is known? */
bool mlo_offload_packs(struct mlo_offload *o);

/* ---- offload_run.c ---- */

struct mlo_offload_programs; /* of a session */
/* in: as many values as the plan has inputs, which fit; rows of s->packed, where that is given. *ret_done
 * false: it is the CPU's. */
int mlo_offload_run(struct mlo_session *s, const struct mlo_value *in, const struct mlo_value **ret_out,
                    bool *ret_done, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_offload_programs_free(struct mlo_session *s);

#endif
