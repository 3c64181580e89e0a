/* Threads that wait for parts of one caller's work. They sleep in between, and never spin. */
#ifndef MLO_INFER_TEAM_H
#define MLO_INFER_TEAM_H

#include <stddef.h>

#include <mlopsctl/base/err.h>

struct mlo_team;
/* threads > 1, the caller's among them. */
int mlo_team_new(unsigned threads, struct mlo_team **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_team_free(struct mlo_team *t); /* NULL: nothing */
unsigned mlo_team_threads(const struct mlo_team *t);
/* Calls fn(ctx, part, parts) for each part, the caller doing its share; returns when all are done. */
void mlo_team_run(struct mlo_team *t, size_t parts, void (*fn)(void *ctx, size_t part, size_t parts),
                  void *ctx);

#endif
