/*
 * What several threads make, put out in its order. A text whose turn has not come waits; the thread whose
 * text is next puts it out, and all that follow it without a gap. Memory is bounded: who is far ahead waits.
 */
#ifndef MLOPSCTL_BASE_TURNS_H
#define MLOPSCTL_BASE_TURNS_H

#include <mlopsctl/base/str.h>

struct mlo_turns;
struct mlo_turn { /* memory is used again */
    struct mlo_str text;
    uint64_t sequence;
    struct mlo_turn *next; /* of the turns */
};
/* Gets the texts in turn, one at a time, from any thread. */
typedef int (*mlo_put_fn)(void *ctx, const struct mlo_str *text, struct mlo_err *err);
int mlo_turns_new(mlo_put_fn put, void *ctx, struct mlo_turns **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_turns_free(struct mlo_turns *t);
/* An empty text, to be filled and handed in, or dropped. */
int mlo_turns_take(struct mlo_turns *t, struct mlo_turn **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_turns_drop(struct mlo_turn *one);
/* Takes it. Sequences count from 0 without a gap. */
int mlo_turns_hand_in(struct mlo_turns *t, struct mlo_turn *one, uint64_t sequence,
                      struct mlo_err *err) MLO_MUST_CHECK;
/* Somebody gave up: nobody waits for his texts any more, and nothing more is put out. */
void mlo_turns_stop(struct mlo_turns *t);

#endif
