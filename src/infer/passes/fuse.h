/*
 * Fusing: several steps of a graph become one, with an operator of our own (domain "mlopsctl") that no file
 * can name. A pass is one file fuse_*.c with one function, which is called for each step in order and may
 * replace steps around it. The passes are listed below, in the order in which they run: a pass sees what
 * those before it made.
 *
 * A pass does not ask whether a replacement is legal: mlo_fuse_replace refuses one that would take away a
 * value which others use. It has to know that the result is the same for every input: shapes are not known
 * yet, types only where a constant tells them.
 */
#ifndef MLO_INFER_FUSE_H
#define MLO_INFER_FUSE_H

#include <mlopsctl/backend.h>

#include "infer/internal.h"

#define MLO_NO_STEP SIZE_MAX

struct mlo_fuse { /* a graph while it is fused; numbers of steps stay while passes run */
    struct mlo_plan_graph *g;
    size_t *maker; /* of each value: the step that makes it; MLO_NO_STEP */
    size_t *uses;  /* of each value: by steps, their subgraphs, and as an output of the graph */
    size_t *user;  /* of each value: its users, one XOR the other: of one use that step, or MLO_NO_STEP */
    const struct mlo_node *
        *origin;         /* of each value: the node of the file that makes it, folded or not; NULL */
    unsigned char *gone; /* steps that are replaced */
};

/* All passes over a graph whose steps are made and not prepared yet. */
int mlo_fuse_graph(struct mlo_plan_graph *g, struct mlo_err *err) MLO_MUST_CHECK;

/* clang-format off: one pass a line, in order */
#define MLO_FUSE_PASSES(X) X(shape) X(gelu) X(norm) X(heads) X(quant) X(dense) X(joined)
/* clang-format on */

#define MLO_FUSE_DECLARE(name) int mlo_fuse_##name(struct mlo_fuse *f, size_t at, struct mlo_err *err);
MLO_FUSE_PASSES(MLO_FUSE_DECLARE)

/* ---- looking ---- */

/* Step `at` is there (MLO_NO_STEP never is), and is this operator of ONNX. */
bool mlo_fuse_is(const struct mlo_fuse *f, size_t at, const char *op);
/* The step that makes input i of a step; MLO_NO_STEP. */
size_t mlo_fuse_maker(const struct mlo_fuse *f, size_t at, size_t i);
/* The step that alone uses output 0 of a step; MLO_NO_STEP also when the graph gives it out. */
size_t mlo_fuse_only_user(const struct mlo_fuse *f, size_t at);
/* Value of input i; MLO_NO_VALUE when it is not given. */
size_t mlo_fuse_input(const struct mlo_fuse *f, size_t at, size_t i);
/* The constant array that a value is, or NULL. */
const struct mlo_array *mlo_fuse_array(const struct mlo_fuse *f, size_t value);
/* The same of input i. */
const struct mlo_array *mlo_fuse_constant(const struct mlo_fuse *f, size_t at, size_t i);
/* Input i is a constant of one real number (any rank). */
bool mlo_fuse_number(const struct mlo_fuse *f, size_t at, size_t i, double *ret);
/* Input i is a constant of float32 without dimensions. */
bool mlo_fuse_float(const struct mlo_fuse *f, size_t at, size_t i, float *ret);
/* The last dimension of a value where weights tell it; 0: not known. */
size_t mlo_fuse_columns(const struct mlo_fuse *f, size_t value);
/* Of two inputs where one is `value`: the other; MLO_NO_VALUE. */
size_t mlo_fuse_other(const struct mlo_fuse *f, size_t at, size_t value);

/* How often a step uses a value. */
size_t mlo_fuse_uses_by(const struct mlo_fuse *f, size_t at, size_t value);

/* dense.c: the step is an activation of its input 0. */
bool mlo_fuse_activation(const struct mlo_fuse *f, size_t at, struct mlo_activation *ret);

/* ---- replacing ---- */

struct mlo_fused {
    const struct mlo_op *op;
    const size_t *in, *out; /* values; copied */
    size_t n_in, n_out;
    const void *params; /* what prepare and run get; copied */
    size_t params_size;
};
/*
 * Puts one step in the place of the last of `steps` (n, in any order). *ret_done false: not legal, nothing
 * has changed.
 */
int mlo_fuse_replace(struct mlo_fuse *f, const size_t *steps, size_t n, const struct mlo_fused *with,
                     bool *ret_done, struct mlo_err *err) MLO_MUST_CHECK;
#endif
