/*
 * What the ledger knows of pods. The texts of their effects are written and read here alone.
 *
 *   kind              target     before, after
 *   runpod-pod        the mark   JSON: mark, name, id (once known), gpu, cost, lease
 *   runpod-pod-state  the id     "running" or "stopped"
 *   runpod-pod-lease  the id     when it ends, as the variable MLOPSCTL_LEASE
 */
#ifndef MLOPSCTL_CMD_POD_RECORD_H
#define MLOPSCTL_CMD_POD_RECORD_H

#include <mlopsctl/ledger.h>
#include <mlopsctl/runpod.h>

#define MLO_EFFECT_POD       "runpod-pod"
#define MLO_EFFECT_POD_STATE "runpod-pod-state"
#define MLO_EFFECT_POD_LEASE "runpod-pod-lease"

struct mlo_pod_record { /* text is owned */
    char *mark, *name;
    char *id, *gpu; /* NULL: not known (yet) */
    char *lease;    /* as the variable; the newest */
    double cost;    /* USD per hour */
    bool gone;      /* the ledger says that it was taken back or removed */
    int64_t run;    /* that made it */
};
void mlo_pod_record_release(struct mlo_pod_record *r);
/* Appended. */
int mlo_pod_record_format(const struct mlo_pod_record *r, struct mlo_str *out,
                          struct mlo_err *err) MLO_MUST_CHECK;
int mlo_pod_record_parse(const char *text, struct mlo_pod_record *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* What a create announces or made of a pod, for mlo_pod_record_format; borrows. mark may be NULL. */
struct mlo_pod_record mlo_pod_record_of(const struct mlo_runpod_pod *pod);

struct mlo_pod_records {
    struct mlo_pod_record *items;
    size_t n, cap;
};
void mlo_pod_records_release(struct mlo_pod_records *l);
/* All that this ledger (NULL: none) ever made or announced; those of a run in progress are left out. */
int mlo_pod_records_read(struct mlo_ledger *l, struct mlo_pod_records *ret,
                         struct mlo_err *err) MLO_MUST_CHECK;
/* By the mark in its environment, else by its id; NULL when it is not known here. */
const struct mlo_pod_record *mlo_pod_records_find(const struct mlo_pod_records *l,
                                                  const struct mlo_runpod_pod *pod);
/* Its lease by name, environment and ledger. */
struct mlo_runpod_lease mlo_pod_lease(const struct mlo_pod_records *l, const struct mlo_runpod_pod *pod);

#endif
