/* A push under way; shared by push.c, survey.c and push_files.c. */
#ifndef MLO_REMOTE_PUSH_H
#define MLO_REMOTE_PUSH_H

#include <pthread.h>

#include "plan.h"

struct mlo_pusher {
    struct mlo_remote *remote;
    const struct mlo_sync_opts *opts;
    struct mlo_sync_stats *stats;
    const struct mlo_ref *ref;
    struct mlo_remote_ref before;
    bool has_before;
    bool incomplete;             /* something that the remote's recipes name is gone */
    bool measuring, measured;    /* whether it fits: nothing is sent meanwhile */
    bool probe;                  /* ask for an object before it is sent */
    struct mlo_digest_set there; /* manifests and recipes that refs lead to */
    struct mlo_plan plan;
    struct mlo_senders *senders;
    struct mlo_new_pack *sent; /* or found there */
    size_t n_sent, sent_cap;
    struct mlo_str recipe_text;
    struct mlo_digest recipe_digest;
    struct mlo_push_files *files; /* layout of plain files */
    pthread_mutex_t lock;         /* sent, stats, progress */
    uint64_t done, total;
};

/* Progress: so many bytes were read that need not be sent, or were sent. Any thread. */
void mlo_push_count(struct mlo_pusher *p, uint64_t bytes);

/* push_files.c */
/* What lies in the folder of plain files. */
int mlo_push_files_new(struct mlo_pusher *p, const struct mlo_digest *manifest, struct mlo_push_files **ret,
                       struct mlo_err *err) MLO_MUST_CHECK;
void mlo_push_files_free(struct mlo_push_files *f);
/* Is it the list of this manifest, and complete? */
bool mlo_push_files_unchanged(const struct mlo_push_files *f);
/* Once the plan lists the files: how many bytes have to be sent. */
uint64_t mlo_push_files_bytes(struct mlo_push_files *f);
/* Sends them, removes what is there besides, and completes the list. When the ref leads to files that are to
 * be replaced it is taken away first: p->has_before is false then. */
int mlo_push_files(struct mlo_push_files *f, struct mlo_err *err) MLO_MUST_CHECK;

/* The ref and what it leads to. */
int mlo_survey(struct mlo_pusher *p, struct mlo_err *err) MLO_MUST_CHECK;
/* And what else is there of this name. */
int mlo_survey_more(struct mlo_pusher *p, struct mlo_err *err) MLO_MUST_CHECK;
/* Does the ref lead to exactly this already? */
bool mlo_survey_unchanged(const struct mlo_pusher *p, const struct mlo_digest *manifest);

#endif
