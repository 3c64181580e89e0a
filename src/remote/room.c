/* Whether what a push would send fits: said before gigabytes are on their way, where the size of the place is
 * known. */
#include <mlopsctl/base/text.h>

#include "plan.h"

#define NEARLY_FULL(capacity) ((capacity) - (capacity) / 10)

/* What is there already, as far as the recipes of this name tell: never more than what is used. */
static bool is_plenty(uint64_t capacity, uint64_t there, uint64_t more)
{
    return capacity == 0 || (more < NEARLY_FULL(capacity) && there < NEARLY_FULL(capacity) - more);
}

bool mlo_room_plenty(const struct mlo_remote *r, const struct mlo_plan *p)
{
    return is_plenty(r->t.capacity, p->bytes_there, p->bytes_read + p->bytes_files);
}

int mlo_room_check(const struct mlo_remote *r, const struct mlo_plan *p, struct mlo_sync_stats *stats,
                   struct mlo_err *err)
{
    char need[MLO_HUMAN_MAX], used[MLO_HUMAN_MAX], all[MLO_HUMAN_MAX];
    uint64_t there = p->bytes_there, more = p->bytes_new + p->bytes_files, capacity = r->t.capacity;
    if (is_plenty(capacity, there, more))
        return 0;
    mlo_human_size(more, need);
    mlo_human_size(there, used);
    mlo_human_size(capacity, all);
    if (more > capacity || there > capacity - more) {
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
