/* Threads that wait for parts of one caller's work. They sleep in between, and never spin. */
#ifndef MLO_INFER_TEAM_H
#define MLO_INFER_TEAM_H

#include <stddef.h>

#include <mlopsctl/base/err.h>

struct mlo_team;
/* Phases one after the other, each in parts that are done beside each other, and all done before the next
 * phase begins. */
struct mlo_team_work {
    size_t phases, parts; /* at least one of each; at most as many parts as there are threads */
    void (*begin)(void *ctx, size_t phase); /* by one thread, before any part of it; NULL: nothing to do */
    void (*part)(void *ctx, size_t phase, size_t part, size_t parts);
    void *ctx;
};
/* threads > 1, the caller's among them. */
int mlo_team_new(unsigned threads, struct mlo_team **ret, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_team_free(struct mlo_team *t); /* NULL: nothing */
unsigned mlo_team_threads(const struct mlo_team *t);
/* The caller does its share; returns when all is done. A thread does the same part of each phase, where its
 * caches have what it made before; who is done early takes a part that nobody has begun. */
void mlo_team_run(struct mlo_team *t, const struct mlo_team_work *w);

#endif
