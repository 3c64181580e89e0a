/* For operators that are made of others: ONNX's operators run one after the other, inside one step. */
#ifndef MLO_INFER_CHAIN_H
#define MLO_INFER_CHAIN_H

#include "op.h"

#define MLO_CHAIN_VERSION 24 /* of ONNX's operators that links name */
#define MLO_CHAIN_MAX     32 /* values made */
#define MLO_CHAIN_IN      8
#define MLO_CHAIN_OUT     4

/* Failure sticks: later links do nothing, and mlo_chain_end returns it. */
struct mlo_chain {
    struct mlo_op_call *c;
    struct mlo_err *err;
    int rc;
    size_t n;
    struct mlo_value made[MLO_CHAIN_MAX];
};
struct mlo_chain_step {
    const char *op;
    const struct mlo_attr *attrs;
    size_t n_attrs;
    const struct mlo_value *in[MLO_CHAIN_IN]; /* NULL: not given */
    size_t n_out;                             /* 0: one */
};
/* Output 0; the others stand behind it. They live until mlo_chain_end. NULL after a failure. */
const struct mlo_value *mlo_chain_then(struct mlo_chain *ch, const struct mlo_chain_step *l);
/* The same, into the outputs of the step itself. */
void mlo_chain_last(struct mlo_chain *ch, const struct mlo_chain_step *l);
/* An array for the chain to work on, not cleared; NULL after a failure. */
struct mlo_array *mlo_chain_array(struct mlo_chain *ch, enum mlo_dtype t, const int64_t *dims, unsigned rank,
                                  const struct mlo_value **ret);
/* Input i of the step; NULL when it is not given. */
const struct mlo_value *mlo_chain_in(const struct mlo_chain *ch, size_t i);
/* Drops what was made. */
int mlo_chain_end(struct mlo_chain *ch);

/* Two inputs, or one with b NULL, and no attributes. */
const struct mlo_value *mlo_chain_of(struct mlo_chain *ch, const char *op, const struct mlo_value *a,
                                     const struct mlo_value *b);

#endif
