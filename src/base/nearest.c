#include <mlopsctl/base/text.h>

#include <string.h>

/* Words this short have too many neighbours to be guessed by their first letters. */
#define MIN_PREFIX 2

void mlo_nearest_offer(struct mlo_nearest *n, const char *candidate)
{
    size_t len = strlen(n->word), distance;
    if (len >= MIN_PREFIX && strncmp(candidate, n->word, len) == 0)
        distance = 1;
    else
        distance = mlo_edit_distance(n->word, candidate);
    if (distance > (len + 1) / 3 || (n->best && distance >= n->distance))
        return;
    n->best = candidate;
    n->distance = distance;
}

const char *mlo_env_get(char *const *env, const char *name)
{
    size_t len = strlen(name);
    for (; env && *env; env++)
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    return NULL;
}
