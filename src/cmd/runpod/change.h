/*
 * Making and removing things at RunPod as runs of the ledger: announced before, settled after, so that a
 * rollback or a recovery knows what to look for. undo/runpod.c is the way back. Pods have records of their
 * own: pod_record.h.
 *
 * Effects: kind "runpod-endpoint", "runpod-volume", ... for the thing itself. target: "NAME [MARK]" of what
 * was made here, "NAME [ID]" of what was removed. after: JSON {id, mark, name, detail, earlier}; NULL when
 * removed.
 */
#ifndef MLOPSCTL_CMD_RUNPOD_CHANGE_H
#define MLOPSCTL_CMD_RUNPOD_CHANGE_H

#include "runpod.h"
#include "cmd/shared/workspace.h"

/* "runpod-volume". Of all families but pods, like what follows. */
const char *mlo_runpod_kind(enum mlo_runpod_family f);
/* "volume" */
const char *mlo_runpod_word(enum mlo_runpod_family f);

struct mlo_creation {
    enum mlo_runpod_family family;
    const char *name;
    const char *detail; /* what it is and costs, for who undoes it: "100 GB in EU-RO-1, $7.00 a month" */
    char mark[MLO_RUNPOD_MARK_MAX]; /* by mlo_creation_mark; goes into the bodies of endpoints */

    /* from begin to end */
    struct mlo_runpod *c;
    struct mlo_workspace ws;
    struct mlo_runpod_strings earlier; /* for *_create */
    int ordinal;
};
/* Begins a run and announces the creation in it; after success mlo_creation_end must follow. */
int mlo_creation_begin(struct mlo_ctx *ctx, struct mlo_creation *k, struct mlo_err *err) MLO_MUST_CHECK;
/* Ends the run with the creation's result: `id` when it is 0. Returns the result. */
int mlo_creation_end(struct mlo_creation *k, int result, const char *id, struct mlo_err *err) MLO_MUST_CHECK;

struct mlo_removal {
    enum mlo_runpod_family family;
    const char *id, *name;
    const char *detail; /* what it was: "100 GB in EU-RO-1, 12 files of 3.4 GiB on it"; "" when there is
                           nothing to say */
};
/* Asks `question` (mlo_consent), removes it in a run of its own, which cannot be undone, and reports. */
int mlo_runpod_remove(struct mlo_ctx *ctx, const struct mlo_removal *gone, const char *question,
                      struct mlo_err *err) MLO_MUST_CHECK;

/* The JSON of an effect's `after`. Text is borrowed from doc; absent members are NULL. */
struct mlo_runpod_made_note {
    cJSON *doc; /* owned */
    const char *id, *mark, *name, *detail;
    struct mlo_runpod_strings earlier; /* owned */
};
int mlo_runpod_note_read(const char *text, struct mlo_runpod_made_note *ret,
                         struct mlo_err *err) MLO_MUST_CHECK;
void mlo_runpod_note_release(struct mlo_runpod_made_note *n);

/* ---- guards of what costs money ---- */

struct mlo_guard {
    double max_price, max_total; /* USD an hour; USD in 30 days; 0: none */
    bool dry_run;
};
#define MLO_GUARD_OPTS(opts_struct, at)                                                                      \
    {.name = "max-price",                                                                                    \
     .type = MLO_OPT_DOUBLE,                                                                                 \
     .arg = "USD",                                                                                           \
     .help = "the most that it may cost an hour; what costs more is not done",                               \
     .offset = offsetof(opts_struct, at.max_price)},                                                         \
        {.name = "max-total",                                                                                \
         .type = MLO_OPT_DOUBLE,                                                                             \
         .arg = "USD",                                                                                       \
         .help = "the most that it may cost in 30 days",                                                     \
         .offset = offsetof(opts_struct, at.max_total)},                                                     \
    {                                                                                                        \
        .name = "dry-run", .letter = 'n', .type = MLO_OPT_FLAG,                                              \
        .help = "show the request and its price, send nothing that changes anything",                        \
        .offset = offsetof(opts_struct, at.dry_run)                                                          \
    }
/* USD an hour; NAN: not known, which no limit lets pass. */
int mlo_guard_check(const struct mlo_guard *g, double price, struct mlo_err *err) MLO_MUST_CHECK;
/* What would be sent, without its secrets; price: USD an hour, NAN when there is none or it is not known. */
int mlo_show_request(struct mlo_ctx *ctx, const char *method, const char *path, const cJSON *body,
                     double price, struct mlo_err *err) MLO_MUST_CHECK;

#endif
