/* Leases: who a pod belongs to and until when, read from its environment, its name and the ledger. Pure. */
#include <string.h>

#include <mlopsctl/base/text.h>
#include <mlopsctl/base/time.h>
#include <mlopsctl/runpod.h>

static const char tail_begin[] = " (lease ";

/* "2026-11-21T14:00:00Z", or "none" where that is a word. 0 when it is neither. */
static int64_t end_of(const char *text, bool *ret_endless)
{
    struct mlo_err ignored = MLO_ERR_INIT;
    int64_t ns = 0;
    *ret_endless = text && strcmp(text, MLO_RUNPOD_LEASE_NONE) == 0;
    if (!text || *ret_endless || mlo_time_parse(text, &ns, &ignored))
        return 0;
    return ns;
}

/* Where the tail begins and what it says; NULL when the name has none. */
static const char *find_tail(const char *name, char text[MLO_RUNPOD_LEASE_TAIL])
{
    const char *tail = NULL;
    for (const char *p = name; (p = strstr(p, tail_begin)); p++)
        tail = p;
    size_t n = tail ? strlen(tail) : 0;
    if (n <= sizeof tail_begin || n >= MLO_RUNPOD_LEASE_TAIL || tail[n - 1] != ')')
        return NULL;
    n -= sizeof tail_begin; /* the words, the bracket at the end */
    memcpy(text, tail + sizeof tail_begin - 1, n);
    text[n] = '\0';
    return tail;
}

static int64_t end_in_name(const char *name, const char **ret_tail, bool *ret_endless)
{
    char text[MLO_RUNPOD_LEASE_TAIL];
    const char *tail = find_tail(name, text);
    int64_t end = tail ? end_of(text, ret_endless) : 0;
    *ret_endless = tail && *ret_endless;
    *ret_tail = end || *ret_endless ? tail : NULL;
    return end;
}

size_t mlo_runpod_lease_name_length(const char *name)
{
    const char *tail;
    bool endless = false;
    (void)end_in_name(name, &tail, &endless);
    return tail ? (size_t)(tail - name) : strlen(name);
}

void mlo_runpod_lease_name(struct mlo_str *out, const char *name, int64_t end_ns)
{
    char text[MLO_RFC3339_MAX];
    mlo_str_addn(out, name, mlo_runpod_lease_name_length(name));
    mlo_str_addf(out, "%s%s)", tail_begin, end_ns ? mlo_time_rfc3339(end_ns, text) : MLO_RUNPOD_LEASE_NONE);
}

struct mlo_runpod_lease mlo_runpod_lease_of(const struct mlo_runpod_pod *pod, const char *recorded)
{
    const char *mark = mlo_runpod_var(&pod->env, MLO_RUNPOD_MARK), *tail = NULL;
    struct mlo_runpod_lease l = {.marked = mark && *mark};
    bool env_endless, recorded_endless;
    l.end_ns = end_in_name(pod->name ? pod->name : "", &tail, &l.endless);
    if (tail)
        return l;
    int64_t env = end_of(mlo_runpod_var(&pod->env, MLO_RUNPOD_LEASE), &env_endless);
    int64_t own = end_of(recorded, &recorded_endless);
    l.endless = env_endless || recorded_endless;
    if (!l.endless)
        l.end_ns = env > own ? env : own;
    return l;
}

enum mlo_runpod_fate mlo_runpod_fate(const struct mlo_runpod_pod *pod, const struct mlo_runpod_lease *lease,
                                     bool taken_back, const struct mlo_runpod_reap *how)
{
    if (pod->locked || pod->cluster || pod->status == MLO_RUNPOD_POD_TERMINATED)
        return MLO_RUNPOD_KEEP;
    if (lease->marked && taken_back)
        return MLO_RUNPOD_LOST;
    if (lease->end_ns && lease->end_ns <= how->now_ns)
        return MLO_RUNPOD_OVER;
    if (how->stopped && lease->marked && pod->status == MLO_RUNPOD_POD_EXITED)
        return MLO_RUNPOD_STOPPED;
    return how->orphans && !lease->endless && !lease->end_ns ? MLO_RUNPOD_ORPHAN : MLO_RUNPOD_KEEP;
}
