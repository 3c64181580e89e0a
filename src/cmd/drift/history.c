/* What earlier checks of a name found: metrics of their runs, newest first. Runs that were rolled back have
 * not taken place. */
#include <stdio.h>
#include <string.h>

#include "watch.h"

#define RUNS_MAX 10000 /* looked at: older ones do not matter any more */

struct look {
    struct mlo_ledger *ledger;
    const char *name;
    unsigned wanted; /* checks */
    struct mlo_drift_history *into;
    bool is_check, drifted, called, accepted; /* the run at hand */
};

static bool is_key(const char *key, const char *what, const char *name)
{
    size_t n = strlen(what);
    return strncmp(key, what, n) == 0 && strcmp(key + n, name) == 0;
}

static int take_metric(void *ctx, const char *key, double value, struct mlo_err *err)
{
    struct look *l = ctx;
    (void)err;
    if (is_key(key, MLO_CHECK_DRIFT, l->name)) {
        l->is_check = true;
        l->drifted = value != 0;
    }
    l->called |= value != 0 && is_key(key, MLO_CHECK_CALLED, l->name);
    l->accepted |= value != 0 && is_key(key, MLO_CHECK_ACCEPTED, l->name);
    return 0;
}

/* 1 ends the walk. */
static int take_run(void *ctx, const struct mlo_run_row *row, struct mlo_err *err)
{
    struct look *l = ctx;
    l->is_check = l->drifted = l->called = l->accepted = false;
    int rc = mlo_metric_each(l->ledger, row->id, take_metric, l, err);
    if (rc != 0 || !l->is_check)
        return rc;
    if (l->accepted) /* what was before drifted from another baseline */
        return 1;
    if (l->into->checks < l->wanted) {
        l->into->checks++;
        l->into->drifted += l->drifted;
    }
    if (l->called && !l->into->called) {
        l->into->called = true;
        l->into->called_ns = row->started_ns;
    }
    return l->into->checks == l->wanted && l->into->called;
}

int mlo_drift_history_read(struct mlo_ledger *l, const char *name, unsigned n, struct mlo_drift_history *ret,
                           struct mlo_err *err)
{
    struct mlo_drift_history h = {0};
    struct look look = {.ledger = l, .name = name, .wanted = n - 1, .into = &h};
    const struct mlo_run_filter f = {.command = "drift", .status = "done", .limit = RUNS_MAX};
    int rc = mlo_run_each(l, &f, take_run, &look, err);
    if (rc >= 0)
        *ret = h;
    return rc < 0 ? rc : 0;
}

int mlo_drift_history_note(struct mlo_run *run, const char *what, const char *name, bool yes,
                           struct mlo_err *err)
{
    char key[128];
    snprintf(key, sizeof key, "%s%s", what, name);
    return mlo_run_metric(run, key, yes, err);
}
