/*
 * A stretch: work of several steps, put off until all of it is done at once. Waking a thread costs as much as
 * a small product, and threads that meet after each step wait for each other each time. So what operators
 * that put off share (mlo_op_share) is noted; it is done when a step comes that looks at numbers, or the run
 * ends. As long as each part works on rows of its own, the same in one step after the other, no thread waits
 * for another: they meet where a step reads all rows (attention), or is split in another way.
 *
 * What dies in a stretch may still be read by a thread that is behind. Two steps that stand in one epoch may
 * be done in any order, by different threads; between epochs all have met. So buffers are given back when the
 * epoch ends, and layouts count the lives of values in epochs.
 */
#ifndef MLO_INFER_STRETCH_H
#define MLO_INFER_STRETCH_H

#include "internal.h"

struct mlo_stretch;
struct mlo_span { /* epochs */
    size_t first, last;
};
int mlo_stretch_new(struct mlo_stretch **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_stretch_free(struct mlo_stretch *st); /* NULL: nothing */

/* All of a session, which may have none: then nothing is put off. A run is begun, also inside another one,
 * and ended: what was put off is done, or, after a failure, forgotten. */
void mlo_stretch_begin(struct mlo_session *s);
void mlo_stretch_end(struct mlo_session *s, bool failed);
/* Around each step of a session that has one. */
void mlo_stretch_enter(struct mlo_session *s, bool puts_off);
void mlo_stretch_leave(struct mlo_session *s);
/* When the step that was left last begins to be done, and when it is done. */
struct mlo_span mlo_stretch_span(const struct mlo_session *s);
/* What was put off is done now, but epochs stay what they were to be. */
void mlo_stretch_catch_up(struct mlo_session *s);
/* Is the buffer kept, because what was put off may need it? It is given back then. */
bool mlo_stretch_keeps(struct mlo_session *s, struct mlo_buffer *b);

#endif
