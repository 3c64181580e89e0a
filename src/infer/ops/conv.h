/* Where the windows of a convolution lie, for those that compute it in another way (conv.c). */
#ifndef MLO_INFER_CONV_H
#define MLO_INFER_CONV_H

#include "op.h"

struct mlo_windows {
    size_t batch, groups, in_each, out_each; /* channels of a group */
    size_t n_in, n_out, n_taps;              /* elements of a channel, windows, taps of a window */
    const int32_t *table;                    /* [tap][window]: an element of the channel; below 0: padding */
    int64_t dims[MLO_RANK_MAX];              /* of the output, of the rank of the input */
};
/* Of a call whose node has Conv's attributes: input and kernels, of which shapes alone count. */
int mlo_conv_windows(struct mlo_op_call *c, const struct mlo_array *x, const struct mlo_array *k,
                     struct mlo_windows *ret, struct mlo_err *err) MLO_MUST_CHECK;

#endif
