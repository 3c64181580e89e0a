/*
 * What the ledger knows of pods. The texts of their effects are written and read here alone.
 *
 *   kind              target     before, after
 *   runpod-pod        NAME [..]  JSON: mark, name, id (once known), detail, cost, lease
 *   runpod-pod-state  the id     "running" or "stopped"
 *   runpod-pod-lease  the id     when it ends, as the variable MLOPSCTL_LEASE
 */
#ifndef MLOPSCTL_CMD_POD_RECORD_H
#define MLOPSCTL_CMD_POD_RECORD_H

#include <mlopsctl/base/time.h>
#include <mlopsctl/ledger.h>
#include <mlopsctl/runpod.h>

#define MLO_EFFECT_POD       "runpod-pod"
#define MLO_EFFECT_POD_STATE "runpod-pod-state"
#define MLO_EFFECT_POD_LEASE "runpod-pod-lease"

#define MLO_POD_RUNNING  "running"
#define MLO_POD_STOPPED  "stopped"
#define MLO_LEASE_MAX_NS (366 * 24 * 3600 * MLO_NS_PER_S)

struct mlo_pod_record { /* text is owned */
    char *mark, *name;
    char *id;     /* NULL: not known (yet) */
    char *detail; /* for people: "1 x NVIDIA L40S in EU-RO-1, $0.90 an hour" */
    char *lease;  /* as the variable; the newest */
    double cost;  /* USD per hour */
    bool gone;    /* the ledger says that it was taken back or removed */
    int64_t run;  /* that made it */
};
void mlo_pod_record_release(struct mlo_pod_record *r);
/* Appended. */
int mlo_pod_record_format(const struct mlo_pod_record *r, struct mlo_str *out,
                          struct mlo_err *err) MLO_MUST_CHECK;
int mlo_pod_record_parse(const char *text, struct mlo_pod_record *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* The effect's target: name and mark, of a pod that was not made here its id. Appended. */
void mlo_pod_record_target(const struct mlo_pod_record *r, struct mlo_str *out);
/* What a pod says of itself; borrows. detail is left out. */
struct mlo_pod_record mlo_pod_record_of(const struct mlo_runpod_pod *pod);

struct mlo_ctx;
struct mlo_pod_records {
    struct mlo_pod_record *items;
    size_t n, cap;
};
void mlo_pod_records_release(struct mlo_pod_records *l);
/* All that this ledger (NULL: none) ever made or announced; those of a run in progress are left out. */
int mlo_pod_records_read(struct mlo_ledger *l, struct mlo_pod_records *ret,
                         struct mlo_err *err) MLO_MUST_CHECK;
/* As read from the workspace of ctx, which may be empty. */
int mlo_pod_records_of(struct mlo_ctx *ctx, struct mlo_pod_records *ret, struct mlo_err *err) MLO_MUST_CHECK;
/* By the mark in its environment, else by its id; NULL when it is not known here. */
const struct mlo_pod_record *mlo_pod_records_find(const struct mlo_pod_records *l,
                                                  const struct mlo_runpod_pod *pod);
/* Its lease by name, environment and ledger. */
struct mlo_runpod_lease mlo_pod_lease(const struct mlo_pod_records *l, const struct mlo_runpod_pod *pod);
/* Renames it so that its name says this lease; end_ns 0: none, on purpose. */
int mlo_pod_rename_lease(struct mlo_runpod *c, const struct mlo_runpod_pod *pod, int64_t end_ns,
                         struct mlo_err *err) MLO_MUST_CHECK;
/* "removes the pod 'train' (...), which costs $0.90 an hour, with its disk of 20 GB at /workspace". Appended.
 */
void mlo_pod_loss(const struct mlo_runpod_pod *pod, struct mlo_str *out);
struct mlo_workspace;
/* Removes it as an irreversible effect of the run of ws, and looks until it is gone. */
int mlo_pod_end(struct mlo_workspace *ws, struct mlo_runpod *c, const struct mlo_pod_records *records,
                const struct mlo_runpod_pod *pod, struct mlo_err *err) MLO_MUST_CHECK;

#endif
