/* A scan that keeps the order of the input: what threads make of batches is put out in turn. */
#include <mlopsctl/base/turns.h>

#include "internal.h"

struct order {
    const struct mlo_batch_writer *writer;
    struct mlo_turns *turns;
};

static int make(void *ctx, unsigned worker, const struct mlo_batch *b, struct mlo_err *err)
{
    const struct order *o = ctx;
    struct mlo_turn *one = NULL;
    int rc = mlo_turns_take(o->turns, &one, err);
    if (rc != 0)
        return rc;
    rc = o->writer->fn(o->writer->ctx, worker, b, &one->text, err);
    if (rc == 0)
        rc = mlo_str_check(&one->text, err);
    if (rc == 0)
        return mlo_turns_hand_in(o->turns, one, b->sequence, err);
    mlo_turns_drop(one);
    return rc;
}

static void stop(void *ctx)
{
    const struct order *o = ctx;
    mlo_turns_stop(o->turns);
}

int mlo_table_scan_in_order(struct mlo_table *t, const struct mlo_batch_writer *w,
                            struct mlo_scan_result *ret, struct mlo_err *err)
{
    struct order o = {.writer = w};
    int rc = mlo_turns_new(w->put, w->ctx, &o.turns, err);
    if (rc == 0)
        rc = mlo_table_scan_told(t, make, stop, &o, ret, err);
    mlo_turns_free(o.turns);
    return rc;
}
