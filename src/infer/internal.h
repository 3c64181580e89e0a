/* What plan and session share. */
#ifndef MLO_INFER_INTERNAL_H
#define MLO_INFER_INTERNAL_H

#include "infer/ops/op.h"

#define MLO_FOLD_BYTES_MAX ((size_t)256 << 20) /* of one constant that folding makes */

/* ---- ops.c ---- */

/* NULL: not supported. The newest definition that is not newer than `version`. */
const struct mlo_op *mlo_op_find(const char *domain, const char *name, int64_t version);

/* ---- ops/booster.c: the node that an imported model is, by its params ---- */

extern const struct mlo_op mlo_op_booster;

/* ---- plan.c ---- */

#define MLO_OWN_DOMAIN "mlopsctl" /* of operators that fusing makes; refused in files */

struct mlo_step {
    const struct mlo_op *op;
    const struct mlo_node *node; /* of a fused step: one of the plan's, with the name of its last node */
    const void *params;          /* of a fused step */
    void *state;
    const size_t *in, *out; /* values of the graph */
    size_t n_in, n_out;
    size_t *dead; /* owned: values that nobody uses after this step */
    size_t n_dead;
    struct mlo_plan_graph **graphs; /* owned: of each attribute that is a graph, else NULL; NULL: none */
};
struct mlo_plan_graph {
    const struct mlo_graph *graph;
    struct mlo_step *steps;
    size_t n_steps;
    struct mlo_value *constants; /* of each value; kind UNKNOWN: not constant */
    unsigned char *folded;       /* constants whose data the plan owns */
    struct mlo_frame *frame;     /* while constants are folded */
    struct mlo_arena memory;     /* nodes, lists and parameters of fused steps */
};
struct mlo_plan {
    struct mlo_onnx_model *model;
    struct mlo_plan_graph *graph;
    struct mlo_port_type *inputs, *outputs;
    size_t n_inputs, n_outputs;
    struct mlo_arena weights;    /* packed ones, in the order of the steps */
    struct mlo_packing *packing; /* NULL: not of rows one by one */
    struct mlo_offload *offload; /* NULL: the CPU alone */
};

/* Each value that a step uses, its subgraphs' captures among them. */
void mlo_step_each_use(const struct mlo_step *s, void (*fn)(void *ctx, size_t value), void *ctx);
/* Names the node in front of what went wrong; returns the code. */
int mlo_step_fail(const struct mlo_step *s, struct mlo_err *err);

/* ---- session.c ---- */

struct mlo_buffer {
    struct mlo_buffer *next; /* in the list of free ones */
    size_t cap;
    unsigned refs;
    _Alignas(64) char bytes[];
};
struct mlo_frame { /* values of one graph while it runs */
    const struct mlo_plan_graph *graph;
    struct mlo_value *values;
    struct mlo_frame *next; /* in the list of free ones */
};
#define MLO_LAYOUTS_MAX 8 /* of a session: shapes of inputs that it remembers */
struct mlo_session {
    const struct mlo_plan *plan;
    struct mlo_team *team;                       /* NULL: one thread */
    struct mlo_stretch *stretch;                 /* what is put off until threads do it; NULL: one thread */
    uint64_t split_flops;                        /* operations that are worth waking threads */
    bool laid_out;                               /* layouts may be made */
    bool held;                                   /* `out` or `texts` hold something */
    struct mlo_layout *layouts[MLO_LAYOUTS_MAX]; /* the last used first */
    unsigned char *arena;                        /* all values of a run with a layout */
    size_t arena_bytes;
    struct mlo_buffer *free_buffers;
    size_t buffer_max;              /* bytes of one buffer; more is refused */
    size_t memory_max, memory_held; /* bytes of all buffers, those on the list among them */
    uint64_t turns_left;            /* of loops, or branches */
    struct mlo_frame *free_frames;
    struct mlo_arena texts;
    struct mlo_buffer *scratch; /* of the step that runs */
    struct mlo_value *out;
    void (*watch)(void *ctx, size_t done); /* of the main graph's steps; NULL */
    void *watch_ctx;
    struct mlo_offload_programs *programs; /* on a device; NULL: none yet */
    bool on_cpu;                           /* the device is not asked, to measure the CPU */
    const struct mlo_packed *packed;       /* of the run; NULL: an ordinary one */
    size_t packed_rows;                    /* most of such a run */
};
void mlo_session_tell_watcher(struct mlo_session *s, size_t done);
/* To whoever watches: so many steps are done. */
static inline void mlo_session_tell(struct mlo_session *s, size_t done)
{
    if (s->watch)
        mlo_session_tell_watcher(s, done);
}
/* As mlo_session_threads, but as many as are asked for. */
int mlo_session_team(struct mlo_session *s, unsigned n, struct mlo_err *err) MLO_MUST_CHECK;
/* Without memory for outputs: of a plan that is being made. */
void mlo_session_init(struct mlo_session *s, const struct mlo_plan *p);
void mlo_session_release(struct mlo_session *s);
/* Before a run of so many packed rows: gives outputs back, and buffers when they were for fewer. */
void mlo_session_forget(struct mlo_session *s, size_t rows);
/* A run by the plan's device. *ret_done false: it is the CPU's. */
int mlo_session_offload(struct mlo_session *s, const struct mlo_value *in, size_t n,
                        const struct mlo_value **ret_out, bool *ret_done, struct mlo_err *err) MLO_MUST_CHECK;
int mlo_buffer_take(struct mlo_session *s, size_t bytes, struct mlo_buffer **ret,
                    struct mlo_err *err) MLO_MUST_CHECK;
void mlo_buffer_give(struct mlo_session *s, struct mlo_buffer *b);
int mlo_frame_take(struct mlo_session *s, const struct mlo_plan_graph *g, struct mlo_frame **ret,
                   struct mlo_err *err) MLO_MUST_CHECK;
void mlo_frame_give(struct mlo_session *s, struct mlo_frame *f);
/* A frame of the main graph with the inputs in it, which must fit: MLO_EUSAGE. */
int mlo_session_frame(struct mlo_session *s, const struct mlo_value *in, size_t n, struct mlo_frame **ret,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* One step; its values are in the frame. */
int mlo_step_run(struct mlo_session *s, struct mlo_frame *f, const struct mlo_step *step,
                 struct mlo_err *err) MLO_MUST_CHECK;
/* The same with the sums of its votes, which a device has made. */
int mlo_step_finish(struct mlo_session *s, struct mlo_frame *f, const struct mlo_step *step, const void *sums,
                    struct mlo_err *err) MLO_MUST_CHECK;
int mlo_frame_run(struct mlo_session *s, struct mlo_frame *f, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_step_drop_dead(struct mlo_session *s, struct mlo_frame *f, const struct mlo_step *step);
/* A call of the step's operator; in and out: as many values as it has. */
struct mlo_op_call mlo_step_call(const struct mlo_step *step, struct mlo_session *s,
                                 const struct mlo_value **in, struct mlo_value **out);
int mlo_call_run(struct mlo_op_call *c, struct mlo_err *err) MLO_MUST_CHECK;

/* ---- layout.c: the memory of runs whose shapes have been seen ---- */

struct mlo_layout;
/* Is the graph of the kind that can have one? */
bool mlo_layout_possible(const struct mlo_plan_graph *g);
/* Runs the frame, whose inputs are arrays, and learns from it. *ret NULL: no layout for this graph. */
int mlo_layout_watch(struct mlo_session *s, struct mlo_frame *f, struct mlo_layout **ret,
                     struct mlo_err *err) MLO_MUST_CHECK;
bool mlo_layout_fits(const struct mlo_layout *l, const struct mlo_value *in);
size_t mlo_layout_bytes(const struct mlo_layout *l);
/* s: the layout's session, whose arena is that large, aligned to 64. *ret_strayed: nothing is given, and the
 * layout is to be freed. */
int mlo_layout_run(struct mlo_layout *l, struct mlo_session *s, const struct mlo_value *in, bool *ret_strayed,
                   const struct mlo_value **ret_out, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_layout_free(struct mlo_layout *l);

#endif
