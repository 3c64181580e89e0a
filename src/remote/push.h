/* A push under way; shared by push.c and survey.c. */
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
    pthread_mutex_t lock; /* sent, stats, progress */
    uint64_t done;
};

/* The ref and what it leads to. */
int mlo_survey(struct mlo_pusher *p, struct mlo_err *err) MLO_MUST_CHECK;
/* And what else is there of this name. */
int mlo_survey_more(struct mlo_pusher *p, struct mlo_err *err) MLO_MUST_CHECK;
/* Does the ref lead to exactly this already? */
bool mlo_survey_unchanged(const struct mlo_pusher *p, const struct mlo_digest *manifest);

#endif
