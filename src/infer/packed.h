/* Sequences without padding: which steps of a plan run then, and how (packed.c). */
#ifndef MLO_INFER_PACKED_H
#define MLO_INFER_PACKED_H

#include "internal.h"

struct mlo_packed_step {
    bool runs;
    bool is_length;    /* gives the length of a sequence, out of a shape */
    bool is_positions; /* gives something for each position of a sequence, along `axis` */
    unsigned axis;
};
#define MLO_NO_AXIS UINT8_MAX
struct mlo_packing {
    struct mlo_packed_step *steps; /* of the plan */
    uint8_t *axes;                 /* of each value: which dimension is that of rows; MLO_NO_AXIS: none */
    bool *outputs;                 /* those that are rows */
    size_t mask;                   /* the input that says which keys count; MLO_NO_VALUE: none */
};
/* s: a session that runs steps while the plan is made. *ret NULL: no output can be computed so. */
int mlo_packing_new(const struct mlo_plan_graph *g, struct mlo_session *s, struct mlo_packing **ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
void mlo_packing_free(struct mlo_packing *p);
size_t mlo_packed_longest(const struct mlo_packed *p); /* rows */
/* Of a run of s->packed: step i, where such a run has it. */
int mlo_packed_step_run(struct mlo_session *s, struct mlo_frame *f, size_t i,
                        struct mlo_err *err) MLO_MUST_CHECK;
/* Output i, which packing has, of the frame's rows: these, or what they are pooled to. */
int mlo_packed_output(struct mlo_session *s, const struct mlo_frame *f, size_t i, struct mlo_value *ret,
                      struct mlo_err *err) MLO_MUST_CHECK;

#endif
