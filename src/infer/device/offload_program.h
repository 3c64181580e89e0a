/* A program of a session on a device: made for one shape of the inputs, or for so many rows of them. */
#ifndef MLO_INFER_OFFLOAD_PROGRAM_H
#define MLO_INFER_OFFLOAD_PROGRAM_H

#include "lower.h"

struct mlo_program_in { /* a buffer that is put in */
    size_t value;       /* MLO_NO_VALUE: where sequences begin */
    uint64_t n, each;   /* elements; of a row, when the program goes by rows and so does the value */
    void *fixed;        /* owned: what it always is; NULL: the value of the frame */
};
struct mlo_program_out { /* a buffer that is given back */
    size_t value;        /* MLO_NO_VALUE: sums of a step */
    size_t step;
    struct mlo_array shape; /* of all rows */
    struct mlo_array x;     /* of sums: the shape of the step's input */
    bool by_rows;           /* along dimension `axis` */
    unsigned axis;
    bool by_sequences; /* what is pooled, along the first */
    void *sums;        /* owned: of a step, of the shape's type; room for sums_n elements */
    size_t sums_n;
};
struct mlo_program {
    struct mlo_array *inputs;    /* their shapes */
    size_t rows;                 /* that it has room for; 0: inputs are as they are */
    struct mlo_packed_room room; /* of packed rows */
    int32_t *first;              /* owned: where sequences begin */
    bool in_pieces;              /* for requests of more rows, which go through it piece by piece */
    struct mlo_device_run *run;  /* NULL: these shapes are the CPU's */
    struct mlo_program_in *in;
    struct mlo_program_out *out;
    size_t n_in, n_out;
    struct mlo_device_cost cost;
    struct mlo_node_cost *steps; /* of each of its steps */
    size_t n_steps;
    size_t pieces;     /* of its last run */
    char why[MLO_WHY]; /* without a run */
};

/* How many rows a program for n rows gets: 1, 2, 4 ... 64, 96, 128, 192 ... */
size_t mlo_program_rows(size_t n);
/* What packed rows need, so rounded that others need the same: rows as above, sequences and the longest to
 * powers of 2. */
struct mlo_packed_room mlo_packed_room(const struct mlo_packed *p);
/* The same of `bytes` each; where two and more pieces come of them, as many rows as one has. */
size_t mlo_piece_rows(const struct mlo_offload *o, size_t n, size_t bytes);
/* Bytes of a row of all inputs. */
size_t mlo_row_bytes(const struct mlo_array *inputs, size_t n);
/* What a run on the CPU has shown: the shape of each value, and in the frame what depends on shapes alone. */
struct mlo_learned {
    const struct mlo_array *inputs; /* of the graph */
    struct mlo_array *shape;        /* of each value; changed */
    const struct mlo_frame *frame;
};
/* packed: NULL of an ordinary run. A program without a run, and why, when the device cannot do it. Owner of
 * *ret: the caller. */
int mlo_program_make(struct mlo_offload *o, struct mlo_learned *from, const struct mlo_packed *packed,
                     struct mlo_program **ret, struct mlo_err *err) MLO_MUST_CHECK;
/* offload_cost.c */
void mlo_program_cost(const struct mlo_device_program *p, struct mlo_device_cost *ret);
/* Of each step. Owner of *ret: the caller. */
int mlo_program_step_costs(const struct mlo_lower *l, struct mlo_node_cost **ret,
                           struct mlo_err *err) MLO_MUST_CHECK;
/* Of the session's last run; NULL: none. offload_run.c */
struct mlo_program *mlo_offload_last(const struct mlo_session *s);
void mlo_program_free(const struct mlo_offload *o, struct mlo_program *p);

#endif
