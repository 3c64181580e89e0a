/*
 * The graph of `log --graph`: one line a run, newest first, with a lane from every rollback down to the runs
 * that it undid.
 *
 *     *-.   12  rollback      '.' begins at a rollback
 *     * |   11  pack          'x' is a run that is undone now
 *     x-'   10  tag           ''' ends at the last run it undid, '+' at others
 */
#ifndef MLOPSCTL_CMD_LOG_GRAPH_H
#define MLOPSCTL_CMD_LOG_GRAPH_H

#include "workspace.h"

struct mlo_graph_lane {
    bool open;
    int64_t *runs; /* undone by the run where the lane begins */
    size_t n, cap;
    int64_t last; /* the oldest of them */
};
struct mlo_graph {
    struct mlo_graph_lane *lanes;
    size_t n, cap;
};
void mlo_graph_release(struct mlo_graph *g);
/* Appends the graph's part of this run's line. */
int mlo_graph_line(struct mlo_graph *g, struct mlo_ledger *l, const struct mlo_run_row *row,
                   struct mlo_str *out, struct mlo_err *err) MLO_MUST_CHECK;

#endif
