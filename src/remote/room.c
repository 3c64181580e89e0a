/* Whether what a push would send fits: said before gigabytes are on their way, where the size of the place is
 * known. */
#include <mlopsctl/base/text.h>

#include "plan.h"

#define NEARLY_FULL(capacity) ((capacity) - (capacity) / 10)

/* What earlier pushes of this name have there, as far as their recipes tell: never more than what is used. */
static uint64_t known_there(const struct mlo_plan *p)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < p->n_places; i++)
        sum += p->places[i].length;
    return sum;
}

int mlo_room_check(const struct mlo_remote *r, const struct mlo_plan *p, struct mlo_sync_stats *stats,
                   struct mlo_err *err)
{
    char need[MLO_HUMAN_MAX], used[MLO_HUMAN_MAX], all[MLO_HUMAN_MAX];
    uint64_t there = known_there(p), capacity = r->t.capacity;
    if (capacity == 0 ||
        (p->bytes_new < NEARLY_FULL(capacity) && there < NEARLY_FULL(capacity) - p->bytes_new))
        return 0;
    mlo_human_size(p->bytes_new, need);
    mlo_human_size(there, used);
    mlo_human_size(capacity, all);
    if (p->bytes_new > capacity || there > capacity - p->bytes_new) {
        mlo_fail(err, MLO_EREMOTE,
                 "this will not fit: %s to send, at least %s are there, and %s are all there is", need, used,
                 all);
        return mlo_hint(err,
                        "make the place larger (`mlopsctl runpod volume grow`) or remove from it what is not "
                        "needed; nothing was sent");
    }
    snprintf(stats->warning, sizeof stats->warning,
             "this is nearly all the room there is: %s to send, at least %s are there, of %s; what else is "
             "there is "
             "not known, and when the place is full the push ends without having moved the name",
             need, used, all);
    return 0;
}
